/* SPDX-License-Identifier: BSD-3-Clause */
/* cmp [-ls] file1 file2 [skip1 [skip2]]. Status 0 same, 1 different, 2 trouble. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct side { const char *name; int fd; size_t at, have; unsigned char buf[32768]; };

static struct side a, b;
static int list, silent, differ;
static long long byte = 1, line = 1;

static void fill(struct side *s)
{
	ssize_t n;

	if (s->at < s->have)
		return;
	n = read(s->fd, s->buf, sizeof(s->buf));
	if (n == -1)
		err(2, "%s", s->name);
	s->at = 0;
	s->have = (size_t)n;
}

static void open_at(struct side *s, const char *name, const char *skip)
{
	long long n = skip != NULL ? strtoll(skip, NULL, 0) : 0;

	s->name = name;
	s->fd = strcmp(name, "-") == 0 ? 0 : open(name, O_RDONLY);
	if (s->fd == -1)
		err(2, "%s", name);
	for (fill(s); n > 0 && s->have > 0; fill(s)) {
		size_t step = (long long)(s->have - s->at) < n ? s->have - s->at : (size_t)n;

		s->at += step;
		n -= (long long)step;
	}
}

static void count_lines(const unsigned char *p, size_t n)
{
	const unsigned char *end = p + n;

	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		line++;
		p++;
	}
}

/* Compares what both have in memory; returns 1 when there is nothing more to say. */
static int compare(size_t n)
{
	const unsigned char *p = a.buf + a.at, *q = b.buf + b.at;
	size_t i;

	if (memcmp(p, q, n) != 0) {
		differ = 1;
		if (silent)
			return 1;
		for (i = 0; i < n; i++) {
			if (p[i] == q[i])
				continue;
			if (!list) {
				count_lines(p, i);
				printf("%s %s differ: char %lld, line %lld\n", a.name, b.name, byte + (long long)i, line);
				return 1;
			}
			printf("%6lld %3o %3o\n", byte + (long long)i, p[i], q[i]);
		}
	} else if (!list && !silent)
		count_lines(p, n);
	byte += (long long)n;
	a.at += n;
	b.at += n;
	return 0;
}

int main(int argc, char **argv)
{
	int c;

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
	open_at(&a, argv[0], argc > 2 ? argv[2] : NULL);
	open_at(&b, argv[1], argc > 3 ? argv[3] : NULL);
	for (;;) {
		size_t left, right;

		fill(&a);
		fill(&b);
		left = a.have - a.at;
		right = b.have - b.at;
		if (left == 0 || right == 0) {
			if (left == right)
				return differ;
			if (!silent)
				warnx("EOF on %s", left == 0 ? a.name : b.name);
			return 1;
		}
		if (compare(left < right ? left : right))
			return 1;
	}
}
