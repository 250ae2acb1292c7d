/* SPDX-License-Identifier: BSD-3-Clause */
/* sort [-bcdfimnrsu] [-k from[,to]] [-o output] [-t char] [file ...] */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct flags { int blanks, dictionary, fold, printing, numeric, human, reverse; };
struct key { int from, from_char, to, to_char; struct flags f; struct key *next; }; /* to 0: to the end of the line */

static struct key *keys;
static struct flags global;
static int unique, stable, check, separator = -1;

/* Takes a letter that may stand in a key or be an option. */
static int set_flag(struct flags *f, int c)
{
	switch (c) {
	case 'b': f->blanks = 1; return 1;
	case 'd': f->dictionary = 1; return 1;
	case 'f': f->fold = 1; return 1;
	case 'h': f->human = f->numeric = 1; return 1;
	case 'i': f->printing = 1; return 1;
	case 'n': f->numeric = 1; return 1;
	case 'r': f->reverse = 1; return 1;
	}
	return 0;
}

static void add_key(const char *spec)
{
	struct key *k = calloc(1, sizeof(*k)), **tail;
	const char *s = spec;
	char *end;

	if (k == NULL)
		err(2, "malloc");
	k->from = (int)strtol(s, &end, 10);
	k->from_char = 1;
	if (*end == '.')
		k->from_char = (int)strtol(end + 1, &end, 10);
	while (set_flag(&k->f, *end))
		end++;
	if (*end == ',') {
		k->to = (int)strtol(end + 1, &end, 10);
		if (*end == '.')
			k->to_char = (int)strtol(end + 1, &end, 10);
		while (set_flag(&k->f, *end))
			end++;
	}
	if (*end != '\0' || k->from < 1)
		errx(2, "invalid key: %s", spec);
	for (tail = &keys; *tail != NULL; tail = &(*tail)->next)
		;
	*tail = k;
}

static const char *field(const char *s, int n)
{
	for (n--; n > 0 && *s != '\0'; n--) {
		if (separator >= 0) {
			s = strchrnul(s, separator);
			if (*s != '\0')
				s++;
		} else {
			while (isblank((unsigned char)*s))
				s++;
			while (*s != '\0' && !isblank((unsigned char)*s))
				s++;
		}
	}
	return s;
}

static const char *field_end(const char *s)
{
	if (separator >= 0)
		return strchrnul(s, separator);
	while (isblank((unsigned char)*s))
		s++;
	while (*s != '\0' && !isblank((unsigned char)*s))
		s++;
	return s;
}

static void extent(const struct key *k, const char *line, const char **from, const char **to)
{
	const char *s = field(line, k->from);
	int i;

	if (k->f.blanks)
		while (isblank((unsigned char)*s))
			s++;
	for (i = 1; i < k->from_char && *s != '\0'; i++)
		s++;
	*from = s;
	if (k->to == 0) {
		*to = s + strlen(s);
		return;
	}
	s = field(line, k->to);
	if (k->to_char == 0)
		s = field_end(s);
	else
		for (i = 0; i < k->to_char && *s != '\0'; i++)
			s++;
	*to = s > *from ? s : *from;
}

static double number(const char *s, const char *end, int human)
{
	char text[64], *stop;
	size_t n;
	double v;

	while (s < end && isblank((unsigned char)*s))
		s++;
	n = (size_t)(end - s) < sizeof(text) - 1 ? (size_t)(end - s) : sizeof(text) - 1;
	memcpy(text, s, n);
	text[n] = '\0';
	if (!isdigit((unsigned char)text[0]) && text[0] != '-' && text[0] != '.')
		return 0;
	v = strtod(text, &stop);
	if (human) {
		static const char units[] = "KMGTPE";
		const char *u = *stop != '\0' ? strchr(units, toupper((unsigned char)*stop)) : NULL;

		if (u != NULL)
			for (; u >= units; u--)
				v *= 1024;
	}
	return v;
}

static int skipped(const struct flags *f, int c)
{
	return (f->dictionary && !isalnum(c) && !isblank(c)) || (f->printing && !isprint(c));
}

static int compare_text(const struct flags *f, const char *a, const char *ae, const char *b, const char *be)
{
	for (;;) {
		int x, y;

		while (a < ae && skipped(f, (unsigned char)*a))
			a++;
		while (b < be && skipped(f, (unsigned char)*b))
			b++;
		if (a >= ae || b >= be)
			return (a < ae) - (b < be);
		x = (unsigned char)*a++;
		y = (unsigned char)*b++;
		if (f->fold) {
			x = toupper(x);
			y = toupper(y);
		}
		if (x != y)
			return x - y;
	}
}

static int compare_part(const struct flags *f, const char *a, const char *ae, const char *b, const char *be)
{
	if (f->numeric) {
		double x = number(a, ae, f->human), y = number(b, be, f->human);

		return x < y ? -1 : x > y;
	}
	return compare_text(f, a, ae, b, be);
}

static int compare_keys(const char *a, const char *b)
{
	const struct key *k;

	if (keys == NULL) {
		const char *x = a, *y = b;
		int c;

		if (global.blanks) {
			while (isblank((unsigned char)*x))
				x++;
			while (isblank((unsigned char)*y))
				y++;
		}
		c = compare_part(&global, x, x + strlen(x), y, y + strlen(y));
		return global.reverse ? -c : c;
	}
	for (k = keys; k != NULL; k = k->next) {
		const char *x, *xe, *y, *ye;
		int c;

		extent(k, a, &x, &xe);
		extent(k, b, &y, &ye);
		c = compare_part(&k->f, x, xe, y, ye);
		if (c != 0)
			return k->f.reverse ? -c : c;
	}
	return 0;
}

/* Lines that are equal in their keys are ordered as a whole, unless that is not wanted. */
static int compare(const char *a, const char *b)
{
	int c = compare_keys(a, b);

	if (c == 0 && !stable && !unique) {
		c = strcmp(a, b);
		if (global.reverse)
			c = -c;
	}
	return c;
}

/* Merge sort, since equal lines must keep their order. */
static void sort(char **v, char **tmp, size_t n)
{
	size_t half = n / 2, i = 0, j = half, k = 0;

	if (n < 2)
		return;
	sort(v, tmp, half);
	sort(v + half, tmp, n - half);
	if (compare(v[half - 1], v[half]) <= 0)
		return;
	while (i < half && j < n)
		tmp[k++] = compare(v[i], v[j]) <= 0 ? v[i++] : v[j++];
	while (i < half)
		tmp[k++] = v[i++];
	memcpy(v, tmp, k * sizeof(*v));
}

static char **lines;
static size_t nlines, room;

static void read_lines(FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (nlines == room && (lines = realloc(lines, (room = room * 2 + 1024) * sizeof(*lines))) == NULL)
			err(2, "malloc");
		if ((lines[nlines++] = strdup(line)) == NULL)
			err(2, "malloc");
	}
	free(line);
}

int main(int argc, char **argv)
{
	const char *output = NULL;
	char **tmp;
	struct key *k;
	FILE *out = stdout;
	size_t i, j;
	int c;

	while ((c = getopt(argc, argv, "bcdfhik:mno:rst:u")) != -1)
		switch (c) {
		case 'c': check = 1; break;
		case 'k': add_key(optarg); break;
		case 'm': break; /* merging is sorting of what is nearly sorted */
		case 'o': output = optarg; break;
		case 's': stable = 1; break;
		case 't': separator = strcmp(optarg, "\\t") == 0 ? '\t' : (unsigned char)*optarg; break;
		case 'u': unique = 1; break;
		default:
			if (!set_flag(&global, c)) {
				fprintf(stderr, "usage: sort [-bcdfhimnrsu] [-k from[,to]] [-o output] [-t char] [file ...]\n");
				return 2;
			}
		}
	for (k = keys; k != NULL; k = k->next) {
		static const struct flags none;

		if (memcmp(&k->f, &none, sizeof(none)) == 0)
			k->f = global;
	}
	if (optind >= argc)
		read_lines(stdin);
	for (; optind < argc; optind++) {
		FILE *f = strcmp(argv[optind], "-") == 0 ? stdin : fopen(argv[optind], "r");

		if (f == NULL)
			err(2, "%s", argv[optind]);
		read_lines(f);
		if (f != stdin)
			fclose(f);
	}
	if (check) {
		for (i = 1; i < nlines; i++)
			if (compare(lines[i - 1], lines[i]) > 0 - unique) {
				warnx("disorder: %s", lines[i]);
				return 1;
			}
		return 0;
	}
	tmp = malloc((nlines + 1) * sizeof(*tmp));
	if (tmp == NULL)
		err(2, "malloc");
	sort(lines, tmp, nlines);
	if (output != NULL && (out = fopen(output, "w")) == NULL)
		err(2, "%s", output);
	for (i = j = 0; i < nlines; i++) {
		if (unique && i > 0 && compare_keys(lines[j], lines[i]) == 0)
			continue;
		j = i;
		fputs(lines[i], out);
		putc('\n', out);
	}
	if (fflush(out) == EOF)
		err(2, "%s", output != NULL ? output : "stdout");
	return 0;
}
