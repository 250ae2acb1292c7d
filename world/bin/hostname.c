/* SPDX-License-Identifier: BSD-3-Clause */
/* hostname [-s] [name] */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/sysctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char name[MAXHOSTNAMELEN];
	int c, brief = 0;

	while ((c = getopt(argc, argv, "s")) != -1)
		if (c == '?') {
			fprintf(stderr, "usage: hostname [-s] [name]\n");
			return 1;
		} else
			brief = 1;
	if (optind < argc) {
		if (sysctlbyname("kern.hostname", NULL, NULL, argv[optind], strlen(argv[optind]) + 1) == -1)
			err(1, "%s", argv[optind]);
		return 0;
	}
	if (gethostname(name, sizeof(name)) == -1)
		err(1, "gethostname");
	if (brief)
		name[strcspn(name, ".")] = '\0';
	puts(name);
	return 0;
}
