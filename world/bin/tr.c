/* SPDX-License-Identifier: BSD-3-Clause */
/* tr [-Ccs] string1 string2, tr [-Cc] -d string1, tr [-Cc] -s string1, tr [-Cc] -ds string1 string2 */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct set { unsigned char v[4096]; int n; };

static int escape(const char **p)
{
	static const char from[] = "abfnrtv\\", to[] = "\a\b\f\n\r\t\v\\";
	const char *hit;
	int v = 0, i;

	if (**p >= '0' && **p <= '7') {
		for (i = 0; i < 3 && **p >= '0' && **p <= '7'; i++)
			v = v * 8 + *(*p)++ - '0';
		return v & 0xff;
	}
	hit = **p != '\0' ? strchr(from, **p) : NULL;
	v = (unsigned char)*(*p)++;
	return hit != NULL ? (unsigned char)to[hit - from] : v;
}

static void add(struct set *s, int c)
{
	if (s->n < (int)sizeof(s->v))
		s->v[s->n++] = (unsigned char)c;
}

static const char *class(struct set *s, const char *p)
{
	static const struct { const char *name; int (*test)(int); } classes[] = {
		{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank }, { "cntrl", iscntrl },
		{ "digit", isdigit }, { "graph", isgraph }, { "lower", islower }, { "print", isprint },
		{ "punct", ispunct }, { "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
	};
	size_t i, n;
	int c;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		n = strlen(classes[i].name);
		if (strncmp(p, classes[i].name, n) == 0 && p[n] == ':' && p[n + 1] == ']') {
			for (c = 0; c < 256; c++)
				if (classes[i].test(c))
					add(s, c);
			return p + n + 2;
		}
	}
	errx(1, "unknown character class");
}

static void parse(struct set *s, const char *p)
{
	while (*p != '\0') {
		int lo, hi;

		if (p[0] == '[' && p[1] == ':') {
			p = class(s, p + 2);
			continue;
		}
		lo = (unsigned char)*p++;
		if (lo == '\\' && *p != '\0')
			lo = escape(&p);
		hi = lo;
		if (p[0] == '-' && p[1] != '\0') {
			p++;
			hi = (unsigned char)*p++;
			if (hi == '\\' && *p != '\0')
				hi = escape(&p);
			if (hi < lo)
				errx(1, "range out of order");
		}
		for (; lo <= hi; lo++)
			add(s, lo);
	}
}

static void complement(struct set *s)
{
	unsigned char in[256] = { 0 };
	int i;

	for (i = 0; i < s->n; i++)
		in[s->v[i]] = 1;
	s->n = 0;
	for (i = 0; i < 256; i++)
		if (!in[i])
			add(s, i);
}

int main(int argc, char **argv)
{
	static struct set a, b;
	unsigned char map[256], drop[256] = { 0 }, squeeze[256] = { 0 };
	int c, inverse = 0, delete = 0, squash = 0, last = -1, i;

	while ((c = getopt(argc, argv, "Ccds")) != -1)
		switch (c) {
		case 'C':
		case 'c': inverse = 1; break;
		case 'd': delete = 1; break;
		case 's': squash = 1; break;
		default: argc = 0;
		}
	argc -= optind;
	argv += optind;
	if (argc < 1 || argc > 2 || (argc == 1 && !delete && !squash)) {
		fprintf(stderr, "usage: tr [-Ccs] string1 string2\n       tr [-Cc] -d string1\n       tr [-Cc] -s string1\n");
		return 1;
	}
	parse(&a, argv[0]);
	if (inverse)
		complement(&a);
	if (argc > 1)
		parse(&b, argv[1]);
	for (i = 0; i < 256; i++)
		map[i] = (unsigned char)i;
	if (delete)
		for (i = 0; i < a.n; i++)
			drop[a.v[i]] = 1;
	else if (argc > 1) {
		if (b.n == 0)
			errx(1, "empty string2");
		for (i = 0; i < a.n; i++) /* the last byte of string2 goes on for ever */
			map[a.v[i]] = b.v[i < b.n ? i : b.n - 1];
	}
	if (squash) {
		const struct set *s = argc > 1 ? &b : &a;

		for (i = 0; i < s->n; i++)
			squeeze[s->v[i]] = 1;
	}
	while ((c = getchar()) != EOF) {
		if (drop[c])
			continue;
		c = map[c];
		if (c == last && squeeze[c])
			continue;
		last = c;
		putchar(c);
	}
	return ferror(stdout) || fflush(stdout) == EOF;
}
