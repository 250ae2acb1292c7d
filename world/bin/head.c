/* SPDX-License-Identifier: BSD-3-Clause */
/* head [-n lines | -c bytes | -lines] [file ...] */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void usage(void) __dead;

static void usage(void)
{
	fprintf(stderr, "usage: head [-n lines | -c bytes] [file ...]\n");
	exit(1);
}

static long long count(const char *s)
{
	const char *why;
	long long n = strtonum(s, 1, 1LL << 60, &why);

	if (why != NULL)
		errx(1, "illegal count: %s", s);
	return n;
}

static void copy(FILE *f, long long lines, long long bytes)
{
	int c;

	while ((lines > 0 || bytes > 0) && (c = getc(f)) != EOF) {
		putchar(c);
		if (bytes > 0)
			bytes--;
		else if (c == '\n')
			lines--;
	}
}

int main(int argc, char **argv)
{
	long long lines = 10, bytes = 0;
	int c, failed = 0, many, first = 1;

	/* The historic form -5. */
	if (argc > 1 && argv[1][0] == '-' && argv[1][1] >= '0' && argv[1][1] <= '9') {
		lines = count(argv[1] + 1);
		optind = 2;
	}
	while ((c = getopt(argc, argv, "c:n:")) != -1)
		switch (c) {
		case 'c': bytes = count(optarg); lines = 0; break;
		case 'n': lines = count(optarg); bytes = 0; break;
		default: usage();
		}
	argc -= optind;
	argv += optind;
	many = argc > 1;
	if (argc == 0)
		copy(stdin, lines, bytes);
	for (; *argv != NULL; argv++) {
		FILE *f = strcmp(*argv, "-") == 0 ? stdin : fopen(*argv, "r");

		if (f == NULL) {
			warn("%s", *argv);
			failed = 1;
			continue;
		}
		if (many)
			printf("%s==> %s <==\n", first ? "" : "\n", *argv);
		first = 0;
		copy(f, lines, bytes);
		if (f != stdin)
			fclose(f);
	}
	return failed;
}
