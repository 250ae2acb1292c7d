/* SPDX-License-Identifier: BSD-3-Clause */
/* cat [-benstuv] [file ...] */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number_all, number_full, show_ends, squeeze, show_tabs, show_control, failed;

/* Plain copying bypasses stdio. */
static void copy(int fd, const char *name)
{
	static char buf[65536];
	ssize_t n, w, at;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += w)
			if ((w = write(1, buf + at, (size_t)(n - at))) == -1)
				err(1, "stdout");
	if (n == -1) {
		warn("%s", name);
		failed = 1;
	}
}

static void show(int c)
{
	if (c == '\t' && !show_tabs) {
		putchar(c);
		return;
	}
	if (c >= 0x80) {
		fputs("M-", stdout);
		c &= 0x7f;
	}
	if (c < 0x20 || c == 0x7f) {
		putchar('^');
		c ^= 0x40;
	}
	putchar(c);
}

static void cook(FILE *f, const char *name)
{
	static int line;
	int c, prev = '\n', blanks = 0;

	while ((c = getc(f)) != EOF) {
		if (prev == '\n') {
			if (c == '\n' && squeeze && blanks++ > 0)
				continue;
			if (c != '\n')
				blanks = 0;
			if (number_all || (number_full && c != '\n'))
				printf("%6d\t", ++line);
		}
		if (c == '\n' && show_ends)
			putchar('$');
		if (c != '\n' && show_control)
			show(c);
		else
			putchar(c);
		prev = c;
	}
	if (ferror(f)) {
		warn("%s", name);
		failed = 1;
	}
}

int main(int argc, char **argv)
{
	int c, i, fd, cooked;

	while ((c = getopt(argc, argv, "benstuv")) != -1)
		switch (c) {
		case 'b': number_full = 1; break;
		case 'e': show_ends = show_control = 1; break;
		case 'n': number_all = 1; break;
		case 's': squeeze = 1; break;
		case 't': show_tabs = show_control = 1; break;
		case 'u': break;
		case 'v': show_control = 1; break;
		default:
			fprintf(stderr, "usage: cat [-benstuv] [file ...]\n");
			return 1;
		}
	if (number_full)
		number_all = 0;
	cooked = number_all || number_full || show_ends || squeeze || show_control;
	for (i = optind; i < argc || i == optind; i++) {
		const char *name = i < argc ? argv[i] : "-";

		fd = strcmp(name, "-") == 0 ? 0 : open(name, O_RDONLY);
		if (fd == -1) {
			warn("%s", name);
			failed = 1;
			continue;
		}
		if (cooked) {
			FILE *f = fd == 0 ? stdin : fdopen(fd, "r");

			if (f == NULL)
				err(1, "%s", name);
			cook(f, name);
			if (f == stdin)
				clearerr(f);
			else
				fclose(f);
		} else {
			copy(fd, name);
			if (fd != 0)
				close(fd);
		}
	}
	if (fflush(stdout) == EOF)
		err(1, "stdout");
	return failed;
}
