/* SPDX-License-Identifier: BSD-3-Clause */
/* seq [-w] [-s separator] [first [increment]] last */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double number(const char *s)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end != '\0')
		errx(1, "invalid floating point argument: %s", s);
	return v;
}

/* Digits after the point, which the output keeps. */
static int decimals(const char *s)
{
	const char *dot = strchr(s, '.');

	return dot != NULL ? (int)strlen(dot + 1) : 0;
}

int main(int argc, char **argv)
{
	const char *sep = "\n";
	double first = 1, step = 1, last, v;
	int wide = 0, prec = 0, width = 0, i;
	long n = 0;

	/* Options by hand: numbers may be negative. */
	for (i = 1; i < argc && argv[i][0] == '-' && strchr("ws", argv[i][1]) != NULL && argv[i][1] != '\0'; i++)
		if (argv[i][1] == 'w')
			wide = 1;
		else
			sep = argv[i][2] != '\0' ? argv[i] + 2 : i + 1 < argc ? argv[++i] : "";
	argc -= i;
	argv += i;
	if (argc < 1 || argc > 3) {
		fprintf(stderr, "usage: seq [-w] [-s string] [first [incr]] last\n");
		return 1;
	}
	last = number(argv[argc - 1]);
	if (argc > 1)
		first = number(argv[0]);
	if (argc > 2)
		step = number(argv[1]);
	else if (first > last)
		step = -1;
	if (step == 0)
		errx(1, "zero increment");
	for (i = 0; i < argc; i++)
		if (decimals(argv[i]) > prec && (i < argc - 1 || argc == 1))
			prec = decimals(argv[i]);
	if (wide) {
		int a = snprintf(NULL, 0, "%.*f", prec, first), b = snprintf(NULL, 0, "%.*f", prec, last);

		width = a > b ? a : b;
	}
	if (prec == 0 && first > -9e15 && last < 9e15 && first < 9e15 && last > -9e15 && step > -9e15 && step < 9e15) {
		long long i = (long long)first, by = (long long)step, end = (long long)last;

		for (; by > 0 ? i <= end : i >= end; i += by)
			printf("%s%0*lld", n++ > 0 ? sep : "", width, i);
		if (n > 0)
			putchar('\n');
		return 0;
	}
	/* Counting steps keeps the sum of rounding errors out. */
	for (v = first; step > 0 ? v <= last + step * 1e-10 : v >= last + step * 1e-10; v = first + ++n * step)
		printf("%s%0*.*f", n > 0 ? sep : "", width, prec, v);
	if (n > 0)
		putchar('\n');
	return 0;
}
