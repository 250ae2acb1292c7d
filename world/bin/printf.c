/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * printf format [argument ...]. The shell calls it too, so it never exits. The format is reused while arguments
 * are left, as POSIX asks; %b expands escapes, and \c in one ends all output.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct args { char **v; int left, used, failed, stop; };

static const char *next(struct args *a)
{
	if (a->left == 0)
		return NULL;
	a->left--;
	a->used++;
	return *a->v++;
}

static long long number(struct args *a)
{
	const char *s = next(a);
	long long v;
	char *end;

	if (s == NULL)
		return 0;
	if (*s == '\'' || *s == '"')
		return (unsigned char)s[1];
	errno = 0;
	v = strtoll(s, &end, 0);
	if (errno == ERANGE)
		v = (long long)strtoull(s, &end, 0);
	if (end == s || *end != '\0') {
		warnx("%s: expected numeric value", s);
		a->failed = 1;
	}
	return v;
}

static double real(struct args *a)
{
	const char *s = next(a);
	double v;
	char *end;

	if (s == NULL)
		return 0;
	if (*s == '\'' || *s == '"')
		return (unsigned char)s[1];
	v = strtod(s, &end);
	if (end == s || *end != '\0') {
		warnx("%s: expected numeric value", s);
		a->failed = 1;
	}
	return v;
}

/* The byte an escape stands for; -1 for \c. `p` is after the backslash and moves past it. */
static int escape(const char **p, int in_b)
{
	static const char from[] = "abefnrtv\\", to[] = "\a\b\033\f\n\r\t\v\\";
	const char *hit;
	int c = *(*p)++, v = 0, n;

	if (c == 'c' && in_b)
		return -1;
	if (c >= '0' && c <= '7') {
		/* \0ddd in %b, \ddd in the format */
		for (n = in_b && c == '0' ? 4 : 3, --*p; n > 0 && **p >= '0' && **p <= '7'; n--)
			v = v * 8 + *(*p)++ - '0';
		return v & 0xff;
	}
	hit = c != '\0' ? strchr(from, c) : NULL;
	if (hit != NULL)
		return (unsigned char)to[hit - from];
	--*p;
	return '\\';
}

static void escaped_string(struct args *a, const char *flags)
{
	const char *s = next(a);
	char *out, *o, fmt[40];

	if (s == NULL)
		s = "";
	out = o = malloc(strlen(s) + 1);
	while (*s != '\0') {
		int c = (unsigned char)*s++;

		if (c == '\\' && *s != '\0' && (c = escape(&s, 1)) == -1) {
			a->stop = 1;
			break;
		}
		*o++ = (char)c;
	}
	*o = '\0';
	if (flags[1] == '\0')
		fwrite(out, 1, (size_t)(o - out), stdout);
	else {
		snprintf(fmt, sizeof(fmt), "%ss", flags);
		printf(fmt, out);
	}
	free(out);
}

/* One conversion; `p` is at the '%'. Returns what follows it. */
static const char *convert(const char *p, struct args *a)
{
	char spec[40] = "%", *o = spec + 1;
	const char *s;

	for (p++; *p != '\0' && strchr("-+ #0123456789.*", *p) != NULL && o < spec + 28; p++) {
		if (*p == '*')
			o += snprintf(o, 12, "%d", (int)number(a));
		else
			*o++ = *p;
	}
	*o = '\0';
	while (*p == 'l' || *p == 'h' || *p == 'j' || *p == 'z')
		p++;
	switch (*p) {
	case '%':
		putchar('%');
		break;
	case 'b':
		escaped_string(a, spec);
		break;
	case 'c':
		s = next(a);
		strcpy(o, "c");
		if (s != NULL && *s != '\0')
			printf(spec, *s);
		break;
	case 's':
		s = next(a);
		strcpy(o, "s");
		printf(spec, s != NULL ? s : "");
		break;
	case 'd':
	case 'i':
	case 'o':
	case 'u':
	case 'x':
	case 'X':
		snprintf(o, 4, "ll%c", *p);
		printf(spec, number(a));
		break;
	case 'e':
	case 'E':
	case 'f':
	case 'F':
	case 'g':
	case 'G':
		snprintf(o, 2, "%c", *p);
		printf(spec, real(a));
		break;
	default:
		warnx("illegal format character %c", *p);
		a->failed = a->stop = 1;
		return p;
	}
	return p + 1;
}

int main(int argc, char **argv)
{
	struct args a = { argv + 2, argc - 2, 0, 0, 0 };
	const char *p;

	if (argc > 1 && strcmp(argv[1], "--") == 0) {
		a.v++;
		a.left--;
		argv++;
		argc--;
	}
	if (argc < 2) {
		fprintf(stderr, "usage: printf format [argument ...]\n");
		return 1;
	}
	do {
		int before = a.used;

		for (p = argv[1]; *p != '\0' && !a.stop;) {
			if (*p == '%')
				p = convert(p, &a);
			else if (*p == '\\' && p[1] != '\0') {
				p++;
				putchar(escape(&p, 0));
			} else
				putchar(*p++);
		}
		if (a.used == before)
			break;
	} while (a.left > 0 && !a.stop);
	return a.failed || ferror(stdout);
}
