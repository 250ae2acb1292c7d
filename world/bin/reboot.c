/* SPDX-License-Identifier: BSD-3-Clause */
/* reboot, halt and poweroff [-nq]: ask init to end the system; -q does it at once, -n also without syncing. */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int halt = strcmp(getprogname(), "reboot") != 0, how = halt ? RB_HALT : RB_AUTOBOOT, quick = 0, c;

	if (strcmp(getprogname(), "poweroff") == 0)
		how |= RB_POWEROFF;
	while ((c = getopt(argc, argv, "npq")) != -1)
		switch (c) {
		case 'n': how |= RB_NOSYNC; quick = 1; break;
		case 'p': how |= RB_HALT | RB_POWEROFF; halt = 1; break;
		case 'q': quick = 1; break;
		default:
			fprintf(stderr, "usage: %s [-npq]\n", getprogname());
			return 1;
		}
	if (geteuid() != 0)
		errx(1, "Operation not permitted");
	if (quick) {
		reboot(how);
		err(1, "reboot");
	}
	if (kill(1, halt ? SIGUSR1 : SIGINT) == -1)
		err(1, "init");
	/* init's SIGTERM ends this process with the others. */
	for (;;)
		pause();
}
