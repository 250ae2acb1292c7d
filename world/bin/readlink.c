/* SPDX-License-Identifier: BSD-3-Clause */
/* readlink [-fn] file ..., realpath [file ...] */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int real = strcmp(getprogname(), "realpath") == 0, c, newline = 1, failed = 0, i;
	char path[MAXPATHLEN];

	while ((c = getopt(argc, argv, "fnq")) != -1)
		switch (c) {
		case 'f': real = 1; break;
		case 'n': newline = 0; break;
		case 'q': break;
		default: argc = 0;
		}
	if (optind >= argc && strcmp(getprogname(), "realpath") != 0) {
		fprintf(stderr, "usage: readlink [-fn] file ...\n");
		return 1;
	}
	for (i = optind; i < argc || i == optind; i++) {
		const char *name = i < argc ? argv[i] : ".";
		ssize_t n;

		if (real) {
			if (realpath(name, path) == NULL) {
				warn("%s", name);
				failed = 1;
				continue;
			}
		} else {
			n = readlink(name, path, sizeof(path) - 1);
			if (n == -1) {
				failed = 1; /* silently, as scripts expect */
				continue;
			}
			path[n] = '\0';
		}
		printf(newline ? "%s\n" : "%s", path);
	}
	return failed;
}
