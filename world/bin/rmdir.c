/* SPDX-License-Identifier: BSD-3-Clause */
/* rmdir [-pv] directory ... */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int c, parents = 0, verbose = 0, failed = 0;

	while ((c = getopt(argc, argv, "pv")) != -1)
		if (c == 'p')
			parents = 1;
		else if (c == 'v')
			verbose = 1;
		else
			argc = 0;
	if (optind >= argc) {
		fprintf(stderr, "usage: rmdir [-pv] directory ...\n");
		return 1;
	}
	for (argv += optind; *argv != NULL; argv++) {
		char *slash;

		do {
			if (rmdir(*argv) == -1) {
				warn("%s", *argv);
				failed = 1;
				break;
			}
			if (verbose)
				puts(*argv);
			slash = strrchr(*argv, '/');
			while (slash != NULL && slash > *argv && slash[-1] == '/')
				slash--;
			if (slash != NULL)
				*slash = '\0';
		} while (parents && slash != NULL && slash > *argv);
	}
	return failed;
}
