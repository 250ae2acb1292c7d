/* SPDX-License-Identifier: BSD-3-Clause */
/* env [-i] [-u name] [name=value ...] [utility [argument ...]] */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static char *empty[] = { NULL };
	char **e;
	int c;

	while ((c = getopt(argc, argv, "iu:-")) != -1)
		switch (c) {
		case '-':
		case 'i': environ = empty; break;
		case 'u': unsetenv(optarg); break;
		default:
			fprintf(stderr, "usage: env [-i] [-u name] [name=value ...] [utility [argument ...]]\n");
			return 125;
		}
	argv += optind;
	if (*argv != NULL && strcmp(*argv, "-") == 0) {
		environ = empty;
		argv++;
	}
	for (; *argv != NULL && strchr(*argv, '=') != NULL; argv++)
		putenv(*argv);
	if (*argv != NULL) {
		execvp(*argv, argv);
		err(errno == ENOENT ? 127 : 126, "%s", *argv);
	}
	for (e = environ; *e != NULL; e++)
		puts(*e);
	return 0;
}
