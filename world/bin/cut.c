/* SPDX-License-Identifier: BSD-3-Clause */
/* cut -b list | -c list | -f list [-d delim] [-s] [file ...] */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static unsigned char *wanted; /* wanted[n]: position n, counted from 1 */
static size_t room, open_from; /* positions from open_from on are all wanted; 0 for none */
static int delim = '\t', only_delimited;

static void want(size_t from, size_t to)
{
	if (to + 1 > room) {
		wanted = realloc(wanted, to + 1);
		if (wanted == NULL)
			err(1, "malloc");
		memset(wanted + room, 0, to + 1 - room);
		room = to + 1;
	}
	for (; from <= to; from++)
		wanted[from] = 1;
}

static void parse(char *list)
{
	char *item, *end;

	while ((item = strsep(&list, ", ")) != NULL) {
		size_t from = 1, to;

		if (*item == '\0')
			continue;
		end = item;
		if (*item != '-')
			from = strtoul(item, &end, 10);
		to = from;
		if (*end == '-') {
			if (end[1] == '\0') {
				if (open_from == 0 || from < open_from)
					open_from = from;
				end++;
			} else
				to = strtoul(end + 1, &end, 10);
		}
		if (*end != '\0' || from == 0 || to < from)
			errx(1, "[-bcf] list: illegal list value");
		want(from, to);
	}
}

static int is_wanted(size_t n)
{
	return (n < room && wanted[n]) || (open_from != 0 && n >= open_from);
}

static void fields(char *line)
{
	char *field;
	size_t n = 0;
	int first = 1;
	char sep[2] = { (char)delim, '\0' };

	if (strchr(line, delim) == NULL) {
		if (!only_delimited)
			puts(line);
		return;
	}
	while ((field = strsep(&line, sep)) != NULL)
		if (is_wanted(++n)) {
			if (!first)
				putchar(delim);
			fputs(field, stdout);
			first = 0;
		}
	putchar('\n');
}

static void bytes(const char *line)
{
	size_t n;

	for (n = 1; *line != '\0'; line++, n++)
		if (is_wanted(n))
			putchar(*line);
	putchar('\n');
}

int main(int argc, char **argv)
{
	int c, i, by_field = 0, failed = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((c = getopt(argc, argv, "b:c:d:f:ns")) != -1)
		switch (c) {
		case 'b':
		case 'c': parse(optarg); break;
		case 'd': delim = (unsigned char)*optarg; break;
		case 'f': parse(optarg); by_field = 1; break;
		case 'n': break;
		case 's': only_delimited = 1; break;
		default: room = 0; open_from = 0; optind = argc + 1;
		}
	if (room == 0) {
		fprintf(stderr, "usage: cut -b list | -c list | -f list [-d delim] [-s] [file ...]\n");
		return 1;
	}
	for (i = optind; i < argc || i == optind; i++) {
		FILE *f = i >= argc || strcmp(argv[i], "-") == 0 ? stdin : fopen(argv[i], "r");

		if (f == NULL) {
			warn("%s", argv[i]);
			failed = 1;
			continue;
		}
		while ((n = getline(&line, &size, f)) > 0) {
			if (line[n - 1] == '\n')
				line[n - 1] = '\0';
			if (by_field)
				fields(line);
			else
				bytes(line);
		}
		if (f != stdin)
			fclose(f);
	}
	return failed;
}
