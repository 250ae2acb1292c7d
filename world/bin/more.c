/* SPDX-License-Identifier: BSD-3-Clause */
/* more, less [file ...]: a page at a time on a terminal, cat elsewhere. Keys: space, return, b, q, /text. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static char **lines;
static size_t nlines;
static int rows = 24, columns = 80, tty;
static struct termios cooked;

static void load(FILE *f)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, f)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if ((nlines & (nlines - 1)) == 0)
			lines = realloc(lines, (nlines == 0 ? 1 : nlines * 2) * sizeof(*lines));
		if (lines == NULL || (lines[nlines++] = strdup(line)) == NULL)
			err(1, "malloc");
	}
	free(line);
}

/* Rows of the screen that a line takes. */
static int height(const char *s)
{
	int n = (int)strlen(s);

	return n == 0 ? 1 : (n + columns - 1) / columns;
}

/* Shows from line `at` on, at most a screen; returns the first line not shown. */
static size_t page(size_t at, int room)
{
	while (at < nlines && room >= height(lines[at])) {
		room -= height(lines[at]);
		puts(lines[at++]);
	}
	if (at < nlines && room == rows - 1)
		puts(lines[at++]); /* longer than the screen */
	fflush(stdout);
	return at;
}

static size_t back(size_t at, int pages)
{
	int room = (rows - 1) * pages;

	while (at > 0 && room >= height(lines[at - 1]))
		room -= height(lines[--at]);
	return at;
}

static int key(void)
{
	unsigned char c;

	return read(tty, &c, 1) == 1 ? c : 'q';
}

static size_t find(size_t from)
{
	static char text[128];
	char typed[128];
	size_t n = 0, i;
	int c;

	printf("\r\033[K/");
	fflush(stdout);
	while ((c = key()) != '\r' && c != '\n')
		if ((c == 0x7f || c == 8) && n > 0) {
			n--;
			printf("\b \b");
			fflush(stdout);
		} else if (c >= ' ' && n + 1 < sizeof(typed)) {
			typed[n++] = (char)c;
			putchar(c);
			fflush(stdout);
		}
	typed[n] = '\0';
	if (n > 0)
		strcpy(text, typed);
	for (i = from; i < nlines; i++)
		if (strstr(lines[i], text) != NULL)
			return i;
	return from;
}

static void browse(void)
{
	size_t at = page(0, rows - 1);
	struct termios raw = cooked;

	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(tty, TCSADRAIN, &raw);
	while (at < nlines) {
		printf("\033[7m--More--(%d%%)\033[0m", (int)(at * 100 / nlines));
		fflush(stdout);
		switch (key()) {
		case 'q':
		case 'Q':
		case 3:
			printf("\r\033[K");
			fflush(stdout);
			tcsetattr(tty, TCSADRAIN, &cooked);
			return;
		case '\r':
		case '\n':
		case 'j':
			printf("\r\033[K");
			at = page(at, height(lines[at]));
			break;
		case 'b':
			printf("\r\033[K");
			at = page(back(at, 2), rows - 1);
			break;
		case '/':
			at = find(at);
			printf("\r\033[K");
			at = page(at, rows - 1);
			break;
		default:
			printf("\r\033[K");
			at = page(at, rows - 1);
		}
	}
	tcsetattr(tty, TCSADRAIN, &cooked);
}

int main(int argc, char **argv)
{
	struct winsize ws;
	int i, failed = 0;
	size_t l;

	for (i = 1; i < argc || i == 1; i++) {
		FILE *f = i < argc ? fopen(argv[i], "r") : stdin;

		if (i >= argc && isatty(0)) {
			fprintf(stderr, "usage: %s [file ...]\n", getprogname());
			return 1;
		}
		if (f == NULL) {
			warn("%s", argv[i]);
			failed = 1;
			continue;
		}
		load(f);
		if (f != stdin)
			fclose(f);
	}
	tty = isatty(0) ? 0 : open("/dev/tty", O_RDONLY);
	if (isatty(1) && tty != -1 && tcgetattr(tty, &cooked) == 0) {
		if (ioctl(1, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 1) {
			rows = ws.ws_row;
			columns = ws.ws_col;
		}
		browse();
	} else
		for (l = 0; l < nlines; l++)
			puts(lines[l]);
	return failed;
}
