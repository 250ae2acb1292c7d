/* SPDX-License-Identifier: BSD-3-Clause */
/* cmp [-ls] file1 file2 [skip1 [skip2]]. Status 0 same, 1 different, 2 trouble. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static FILE *open_at(const char *name, const char *skip)
{
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
	long long n = skip != NULL ? strtoll(skip, NULL, 0) : 0;

	if (f == NULL)
		err(2, "%s", name);
	while (n-- > 0 && getc(f) != EOF)
		;
	return f;
}

int main(int argc, char **argv)
{
	int c, list = 0, silent = 0, a, b, differ = 0;
	long long byte = 1, line = 1;
	FILE *f, *g;

	while ((c = getopt(argc, argv, "ls")) != -1)
		switch (c) {
		case 'l': list = 1; break;
		case 's': silent = 1; break;
		default: argc = 0;
		}
	argc -= optind;
	argv += optind;
	if (argc < 2 || argc > 4) {
		fprintf(stderr, "usage: cmp [-l | -s] file1 file2 [skip1 [skip2]]\n");
		return 2;
	}
	f = open_at(argv[0], argc > 2 ? argv[2] : NULL);
	g = open_at(argv[1], argc > 3 ? argv[3] : NULL);
	for (;; byte++) {
		a = getc(f);
		b = getc(g);
		if (a == EOF || b == EOF)
			break;
		if (a != b) {
			differ = 1;
			if (silent)
				return 1;
			if (!list) {
				printf("%s %s differ: char %lld, line %lld\n", argv[0], argv[1], byte, line);
				return 1;
			}
			printf("%6lld %3o %3o\n", byte, a, b);
		}
		line += a == '\n';
	}
	if (ferror(f) || ferror(g))
		err(2, "%s", ferror(f) ? argv[0] : argv[1]);
	if (a != b) {
		if (!silent)
			warnx("EOF on %s", a == EOF ? argv[0] : argv[1]);
		return 1;
	}
	return differ;
}
