/* SPDX-License-Identifier: BSD-3-Clause */
/* uniq [-cdiu] [-f fields] [-s chars] [input [output]] */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int counts, repeated, unique, fold, skip_fields, skip_chars;
static FILE *out;

static const char *key(const char *s)
{
	int i;

	for (i = 0; i < skip_fields && *s != '\0'; i++) {
		while (isblank((unsigned char)*s))
			s++;
		while (*s != '\0' && !isblank((unsigned char)*s))
			s++;
	}
	for (i = 0; i < skip_chars && *s != '\0'; i++)
		s++;
	return s;
}

static void show(const char *line, int n)
{
	if ((repeated && n == 1) || (unique && n > 1))
		return;
	if (counts)
		fprintf(out, "%4d ", n);
	fputs(line, out);
}

int main(int argc, char **argv)
{
	char *line = NULL, *prev = NULL;
	size_t size = 0;
	int c, n = 0;
	FILE *in = stdin;

	while ((c = getopt(argc, argv, "cdf:is:u")) != -1)
		switch (c) {
		case 'c': counts = 1; break;
		case 'd': repeated = 1; break;
		case 'f': skip_fields = atoi(optarg); break;
		case 'i': fold = 1; break;
		case 's': skip_chars = atoi(optarg); break;
		case 'u': unique = 1; break;
		default:
			fprintf(stderr, "usage: uniq [-cdiu] [-f fields] [-s chars] [input [output]]\n");
			return 1;
		}
	argv += optind;
	out = stdout;
	if (argv[0] != NULL && strcmp(argv[0], "-") != 0 && (in = fopen(argv[0], "r")) == NULL)
		err(1, "%s", argv[0]);
	if (argv[0] != NULL && argv[1] != NULL && (out = fopen(argv[1], "w")) == NULL)
		err(1, "%s", argv[1]);
	while (getline(&line, &size, in) > 0) {
		const char *nl = strchr(line, '\n');

		if (nl == NULL && (line = realloc(line, size = strlen(line) + 2)) != NULL)
			strcat(line, "\n");
		if (prev != NULL && (fold ? strcasecmp : strcmp)(key(prev), key(line)) == 0) {
			n++;
			continue;
		}
		if (prev != NULL)
			show(prev, n);
		free(prev);
		prev = strdup(line);
		n = 1;
	}
	if (prev != NULL)
		show(prev, n);
	return fflush(out) == EOF;
}
