/* SPDX-License-Identifier: BSD-3-Clause */
/* tail [-f] [-n [+]lines | -c [+]bytes | -lines] [file ...] */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static long long amount = 10;
static int from_start, by_bytes, follow, failed;

static void set_amount(const char *s, int bytes)
{
	char *end;

	by_bytes = bytes;
	from_start = *s == '+';
	amount = strtoll(s + (*s == '+' || *s == '-'), &end, 10);
	if (*end != '\0' || end == s || amount < 0)
		errx(1, "illegal offset -- %s", s);
}

static void put(const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(1, p, n);

		if (w == -1)
			err(1, "stdout");
		p += w;
		n -= (size_t)w;
	}
}

static void rest(int fd)
{
	static char buf[32768];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		put(buf, (size_t)n);
}

/* From the amount-th line or byte on. */
static void forwards(int fd)
{
	static char buf[32768];
	long long skip = amount > 0 ? amount - 1 : 0;
	ssize_t n;

	while (skip > 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		char *p = buf, *end = buf + n;

		if (by_bytes) {
			p += skip < n ? skip : n;
			skip -= p - buf;
		} else
			while (skip > 0 && p < end)
				if (*p++ == '\n')
					skip--;
		put(p, (size_t)(end - p));
	}
	rest(fd);
}

/* The last part of a file that can be positioned: read backwards in blocks. */
static void seekable(int fd, off_t size)
{
	static char buf[8192];
	off_t at = size;
	long long left = amount;

	if (by_bytes)
		at = size > amount ? size - amount : 0;
	else {
		int last = 1; /* the newline at the very end does not count */

		while (at > 0 && left >= 0) {
			size_t n = at < (off_t)sizeof(buf) ? (size_t)at : sizeof(buf);

			if (pread(fd, buf, n, at - (off_t)n) != (ssize_t)n)
				break;
			while (n > 0) {
				if (buf[n - 1] == '\n' && !last && --left < 0)
					break;
				if (left == 0 && buf[n - 1] == '\n' && !last)
					break;
				last = 0;
				n--;
				at--;
			}
			if (n > 0)
				break;
		}
	}
	lseek(fd, amount == 0 ? size : at, SEEK_SET);
	rest(fd);
}

/* The last part of a stream: everything is kept, which is what a pipe costs. */
static void stream(int fd)
{
	char *all = NULL, *p;
	size_t n = 0, room = 0;
	long long left = amount;
	ssize_t got;

	do {
		if (n == room && (all = realloc(all, room = room * 2 + 65536)) == NULL)
			err(1, "malloc");
		got = read(fd, all + n, room - n);
		if (got > 0)
			n += (size_t)got;
	} while (got > 0);
	p = all + n;
	if (by_bytes)
		p -= (long long)n < left ? (long long)n : left;
	else if (left > 0) {
		if (p > all && p[-1] == '\n')
			p--;
		while (p > all && !(p[-1] == '\n' && --left == 0))
			p--;
	}
	put(p, (size_t)(all + n - p));
	free(all);
}

static void show(int fd)
{
	struct stat st;

	if (from_start)
		forwards(fd);
	else if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_CUR) == 0)
		seekable(fd, st.st_size);
	else
		stream(fd);
}

static void watch(int fd)
{
	for (;;) {
		struct stat st;

		rest(fd);
		if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < lseek(fd, 0, SEEK_CUR))
			lseek(fd, 0, SEEK_SET);
		usleep(250000);
	}
}

int main(int argc, char **argv)
{
	int c, i, fd = 0, first = 1;

	if (argc > 1 && (argv[1][0] == '-' || argv[1][0] == '+') && argv[1][1] >= '0' && argv[1][1] <= '9') {
		set_amount(argv[1], 0);
		optind = 2;
	}
	while ((c = getopt(argc, argv, "c:fn:")) != -1)
		switch (c) {
		case 'c': set_amount(optarg, 1); break;
		case 'f': follow = 1; break;
		case 'n': set_amount(optarg, 0); break;
		default:
			fprintf(stderr, "usage: tail [-f] [-n [+]lines | -c [+]bytes] [file ...]\n");
			return 1;
		}
	if (optind >= argc)
		show(0);
	for (i = optind; i < argc; i++) {
		fd = open(argv[i], O_RDONLY);
		if (fd == -1) {
			warn("%s", argv[i]);
			failed = 1;
			continue;
		}
		if (argc - optind > 1) {
			char title[1100];

			put(title, (size_t)snprintf(title, sizeof(title), "%s==> %s <==\n", first ? "" : "\n", argv[i]));
		}
		first = 0;
		show(fd);
		if (i + 1 < argc || !follow)
			close(fd);
	}
	if (follow && fd != -1)
		watch(fd);
	return failed;
}
