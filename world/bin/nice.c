/* SPDX-License-Identifier: BSD-3-Clause */
/* nice [-n increment] utility [argument ...] */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int c, by = 10;

	while ((c = getopt(argc, argv, "n:")) != -1)
		if (c == '?')
			argc = 0;
		else
			by = atoi(optarg);
	if (optind >= argc) {
		fprintf(stderr, "usage: nice [-n increment] utility [argument ...]\n");
		return 125;
	}
	errno = 0;
	if (setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + by) == -1)
		warn("setpriority");
	execvp(argv[optind], argv + optind);
	err(errno == ENOENT ? 127 : 126, "%s", argv[optind]);
}
