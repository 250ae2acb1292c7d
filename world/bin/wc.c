/* SPDX-License-Identifier: BSD-3-Clause */
/* wc [-clmw] [file ...] */
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct counts { long long lines, words, bytes; };

static int lines, words, bytes;

static void print(const struct counts *c, const char *name)
{
	if (lines)
		printf(" %7lld", c->lines);
	if (words)
		printf(" %7lld", c->words);
	if (bytes)
		printf(" %7lld", c->bytes);
	if (name != NULL)
		printf(" %s", name);
	putchar('\n');
}

static int count(int fd, struct counts *c)
{
	static unsigned char buf[32768];
	int in_word = 0;
	ssize_t n, i;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		c->bytes += n;
		if (!lines && !words)
			continue;
		for (i = 0; i < n; i++) {
			int space = isspace(buf[i]);

			c->lines += buf[i] == '\n';
			c->words += !space && !in_word;
			in_word = !space;
		}
	}
	return n == -1 ? -1 : 0;
}

int main(int argc, char **argv)
{
	struct counts total = { 0, 0, 0 };
	int c, i, failed = 0;

	while ((c = getopt(argc, argv, "clmw")) != -1)
		switch (c) {
		case 'l': lines = 1; break;
		case 'w': words = 1; break;
		case 'm':
		case 'c': bytes = 1; break;
		default:
			fprintf(stderr, "usage: wc [-clmw] [file ...]\n");
			return 1;
		}
	if (!lines && !words && !bytes)
		lines = words = bytes = 1;
	for (i = optind; i < argc || i == optind; i++) {
		struct counts one = { 0, 0, 0 };
		const char *name = i < argc ? argv[i] : NULL;
		int fd = name == NULL || strcmp(name, "-") == 0 ? 0 : open(name, O_RDONLY);

		if (fd == -1 || count(fd, &one) == -1) {
			warn("%s", name != NULL ? name : "stdin");
			failed = 1;
			if (fd == -1)
				continue;
		} else
			print(&one, name);
		if (fd != 0)
			close(fd);
		total.lines += one.lines;
		total.words += one.words;
		total.bytes += one.bytes;
	}
	if (argc - optind > 1)
		print(&total, "total");
	return failed;
}
