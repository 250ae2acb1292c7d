/* SPDX-License-Identifier: BSD-3-Clause */
/* stty [-a | -g] [-f file] [setting ...] */
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static const struct mode { const char *name; int word; tcflag_t bits, mask; } modes[] = {
	{ "icanon", 3, ICANON, 0 }, { "isig", 3, ISIG, 0 }, { "iexten", 3, IEXTEN, 0 }, { "echo", 3, ECHO, 0 },
	{ "echoe", 3, ECHOE, 0 }, { "echok", 3, ECHOK, 0 }, { "echoke", 3, ECHOKE, 0 }, { "echonl", 3, ECHONL, 0 },
	{ "echoctl", 3, ECHOCTL, 0 }, { "echoprt", 3, ECHOPRT, 0 }, { "noflsh", 3, NOFLSH, 0 }, { "tostop", 3, TOSTOP, 0 },
	{ "istrip", 0, ISTRIP, 0 }, { "icrnl", 0, ICRNL, 0 }, { "inlcr", 0, INLCR, 0 }, { "igncr", 0, IGNCR, 0 },
	{ "ixon", 0, IXON, 0 }, { "ixoff", 0, IXOFF, 0 }, { "ixany", 0, IXANY, 0 }, { "imaxbel", 0, IMAXBEL, 0 },
	{ "ignbrk", 0, IGNBRK, 0 }, { "brkint", 0, BRKINT, 0 }, { "inpck", 0, INPCK, 0 }, { "ignpar", 0, IGNPAR, 0 },
	{ "parmrk", 0, PARMRK, 0 },
	{ "opost", 1, OPOST, 0 }, { "onlcr", 1, ONLCR, 0 }, { "ocrnl", 1, OCRNL, 0 }, { "oxtabs", 1, OXTABS, 0 },
	{ "onocr", 1, ONOCR, 0 }, { "onlret", 1, ONLRET, 0 },
	{ "cs5", 2, CS5, CSIZE }, { "cs6", 2, CS6, CSIZE }, { "cs7", 2, CS7, CSIZE }, { "cs8", 2, CS8, CSIZE },
	{ "cread", 2, CREAD, 0 }, { "cstopb", 2, CSTOPB, 0 }, { "hupcl", 2, HUPCL, 0 }, { "clocal", 2, CLOCAL, 0 },
	{ "parenb", 2, PARENB, 0 }, { "parodd", 2, PARODD, 0 }, { "crtscts", 2, CRTSCTS, 0 },
};
#define NMODES (sizeof(modes) / sizeof(modes[0]))

static const struct { const char *name; int index; } chars[] = {
	{ "discard", VDISCARD }, { "dsusp", VDSUSP }, { "eof", VEOF }, { "eol", VEOL }, { "eol2", VEOL2 }, { "erase", VERASE },
	{ "erase2", VERASE2 }, { "intr", VINTR }, { "kill", VKILL }, { "lnext", VLNEXT }, { "quit", VQUIT },
	{ "reprint", VREPRINT }, { "start", VSTART }, { "status", VSTATUS }, { "stop", VSTOP }, { "susp", VSUSP },
	{ "werase", VWERASE }, { "min", VMIN }, { "time", VTIME },
};
#define NCHARS (sizeof(chars) / sizeof(chars[0]))

static tcflag_t *word(struct termios *t, int n)
{
	return n == 0 ? &t->c_iflag : n == 1 ? &t->c_oflag : n == 2 ? &t->c_cflag : &t->c_lflag;
}

static void show(struct termios *t, const struct winsize *ws, int all)
{
	static const char *const titles[] = { "iflags", "oflags", "cflags", "lflags" };
	static const int order[] = { 3, 0, 1, 2 };
	unsigned i, k;

	printf("speed %u baud;", t->c_ospeed);
	if (all)
		printf(" %d rows; %d columns;", ws->ws_row, ws->ws_col);
	putchar('\n');
	for (k = 0; k < 4; k++) {
		int col = printf("%s:", titles[order[k]]);

		for (i = 0; i < NMODES; i++) {
			int on;

			if (modes[i].word != order[k])
				continue;
			on = (*word(t, order[k]) & (modes[i].mask != 0 ? modes[i].mask : modes[i].bits)) == modes[i].bits;
			if (modes[i].mask != 0 ? !on : !all && !on)
				continue;
			if (col > 68) {
				printf("\n\t");
				col = 8;
			}
			col += printf(" %s%s", on ? "" : "-", modes[i].name);
		}
		putchar('\n');
	}
	if (!all)
		return;
	printf("cchars:");
	for (i = 0; i < NCHARS; i++) {
		int c = t->c_cc[chars[i].index];

		printf("%s %s = ", i > 0 && i % 6 == 0 ? "\n\t" : "", chars[i].name);
		if (chars[i].index == VMIN || chars[i].index == VTIME)
			printf("%d;", c);
		else if (c == _POSIX_VDISABLE)
			printf("<undef>;");
		else if (c < ' ' || c == 0x7f)
			printf("^%c;", c ^ 0x40);
		else
			printf("%c;", c);
	}
	putchar('\n');
}

static int character(const char *s)
{
	if (strcmp(s, "undef") == 0 || strcmp(s, "<undef>") == 0 || strcmp(s, "^-") == 0)
		return _POSIX_VDISABLE;
	if (s[0] == '^' && s[1] != '\0')
		return s[1] == '?' ? 0x7f : s[1] & 31;
	return (unsigned char)*s;
}

static void sane(struct termios *t)
{
	static const cc_t cc[NCCS] = { 4, 0xff, 0xff, 0x7f, 0x17, 0x15, 0x12, 8, 3, 0x1c, 0x1a, 0x19, 0x11, 0x13, 0x16, 0xf, 1, 0, 0x14,
		5 };

	t->c_iflag = BRKINT | ICRNL | IMAXBEL | IXON | IXANY;
	t->c_oflag = OPOST | ONLCR;
	t->c_lflag = ECHO | ICANON | ISIG | IEXTEN | ECHOE | ECHOKE | ECHOCTL;
	t->c_cflag = CREAD | CS8 | HUPCL;
	memcpy(t->c_cc, cc, sizeof(cc));
}

/* -g's form: four words and the characters, in hexadecimal. */
static void save(const struct termios *t)
{
	int i;

	printf("%x:%x:%x:%x", t->c_iflag, t->c_oflag, t->c_cflag, t->c_lflag);
	for (i = 0; i < NCCS; i++)
		printf(":%x", t->c_cc[i]);
	putchar('\n');
}

static void restore(struct termios *t, char *s)
{
	tcflag_t *w[] = { &t->c_iflag, &t->c_oflag, &t->c_cflag, &t->c_lflag };
	int i;

	for (i = 0; s != NULL && i < 4 + NCCS; i++) {
		unsigned long v = strtoul(strsep(&s, ":"), NULL, 16);

		if (i < 4)
			*w[i] = (tcflag_t)v;
		else
			t->c_cc[i - 4] = (cc_t)v;
	}
}

static int set_mode(struct termios *t, const char *name)
{
	int off = *name == '-';
	unsigned i;

	for (i = 0; i < NMODES; i++)
		if (strcmp(modes[i].name, name + off) == 0) {
			tcflag_t *w = word(t, modes[i].word);

			*w &= ~(modes[i].bits | modes[i].mask);
			if (!off)
				*w |= modes[i].bits;
			return 1;
		}
	return 0;
}

int main(int argc, char **argv)
{
	int c, fd = 0, all = 0, raw_form = 0, size_changed = 0;
	struct winsize ws = { 0, 0, 0, 0 };
	struct termios t;
	unsigned i;

	for (c = 1; c < argc && (strcmp(argv[c], "-a") == 0 || strcmp(argv[c], "-g") == 0 || strcmp(argv[c], "-f") == 0); c++)
		switch (argv[c][1]) {
		case 'a': all = 1; break;
		case 'g': raw_form = 1; break;
		case 'f':
			if (c + 1 >= argc || (fd = open(argv[++c], O_RDONLY | O_NONBLOCK)) == -1)
				err(1, "%s", argv[c]);
		}
	argv += c;
	if (tcgetattr(fd, &t) == -1)
		errx(1, "stdin isn't a terminal");
	ioctl(fd, TIOCGWINSZ, &ws);
	if (raw_form) {
		save(&t);
		return 0;
	}
	if (*argv == NULL) {
		show(&t, &ws, all);
		return 0;
	}
	for (; *argv != NULL; argv++) {
		if (strcmp(*argv, "sane") == 0)
			sane(&t);
		else if (strcmp(*argv, "raw") == 0 || strcmp(*argv, "-cooked") == 0) {
			t.c_iflag &= ~(tcflag_t)(BRKINT | ICRNL | INLCR | IGNCR | ISTRIP | IXON);
			t.c_oflag &= ~(tcflag_t)OPOST;
			t.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG | IEXTEN);
			t.c_cc[VMIN] = 1;
			t.c_cc[VTIME] = 0;
		} else if (strcmp(*argv, "cooked") == 0 || strcmp(*argv, "-raw") == 0) {
			t.c_iflag |= BRKINT | ICRNL | IXON;
			t.c_oflag |= OPOST | ONLCR;
			t.c_lflag |= ECHO | ICANON | ISIG | IEXTEN;
			t.c_cc[VEOF] = 4;
			t.c_cc[VEOL] = _POSIX_VDISABLE;
		} else if (strcmp(*argv, "size") == 0)
			printf("%d %d\n", ws.ws_row, ws.ws_col);
		else if (strcmp(*argv, "speed") == 0)
			printf("%u\n", t.c_ospeed);
		else if ((strcmp(*argv, "rows") == 0 || strcmp(*argv, "columns") == 0 || strcmp(*argv, "cols") == 0) && argv[1] != NULL) {
			*(**argv == 'r' ? &ws.ws_row : &ws.ws_col) = (unsigned short)atoi(argv[1]);
			argv++;
			size_changed = 1;
		} else if (strchr(*argv, ':') != NULL)
			restore(&t, *argv);
		else if (!set_mode(&t, *argv)) {
			for (i = 0; i < NCHARS; i++)
				if (strcmp(chars[i].name, *argv) == 0)
					break;
			if (i == NCHARS || argv[1] == NULL)
				errx(1, "illegal option -- %s", *argv);
			argv++;
			t.c_cc[chars[i].index] = (cc_t)(chars[i].index == VMIN || chars[i].index == VTIME ? atoi(*argv) : character(*argv));
		}
	}
	if (tcsetattr(fd, TCSADRAIN, &t) == -1)
		err(1, "tcsetattr");
	if (size_changed && ioctl(fd, TIOCSWINSZ, &ws) == -1)
		err(1, "window size");
	return 0;
}
