/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Line editing on a terminal, emacs keys, and the history behind it.
 *
 * The terminal is raw only while a line is being read. The line may be longer than a row: it is redrawn from the
 * first of its rows, whose number below the cursor is remembered.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include "sh.h"

#define NHISTORY 500

static char *history[NHISTORY];
static int nhistory, history_base = 1;

static struct termios cooked;
static struct str line, killed;
static size_t cur;
static const char *prompt;
static int columns, row; /* row: of the cursor, counted from the prompt's */
static int drawn; /* the screen shows the line as it is */

void history_add(const char *text)
{
	size_t n = strcspn(text, "\n");

	if (n == 0 || (nhistory > 0 && strncmp(history[nhistory - 1], text, n) == 0 && history[nhistory - 1][n] == '\0'))
		return;
	if (nhistory == NHISTORY) {
		free(history[0]);
		memmove(history, history + 1, (NHISTORY - 1) * sizeof(char *));
		nhistory--;
		history_base++;
	}
	history[nhistory] = xmalloc(n + 1);
	memcpy(history[nhistory], text, n);
	history[nhistory++][n] = '\0';
}

int history_builtin(int argc, char **argv)
{
	int i = argc > 1 ? nhistory - atoi(argv[1]) : 0;

	for (i = i < 0 ? 0 : i; i < nhistory; i++)
		printf("%5d  %s\n", history_base + i, history[i]);
	return 0;
}

int edit_usable(void)
{
	const char *term = var_get("TERM");

	return isatty(0) && (term == NULL || strcmp(term, "dumb") != 0);
}

static void out(const char *s, size_t n)
{
	while (n > 0) {
		ssize_t w = write(2, s, n);

		if (w == -1 && errno != EINTR)
			return;
		if (w > 0) {
			s += w;
			n -= (size_t)w;
		}
	}
}

/* Columns a piece of text takes; escape sequences take none. Continuation bytes of UTF-8 neither. */
static int width(const char *s, size_t n)
{
	int w = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (s[i] == '\033' && i + 1 < n && s[i + 1] == '[') {
			for (i += 2; i < n && !isalpha((unsigned char)s[i]); i++)
				;
		} else if ((s[i] & 0xc0) != 0x80)
			w++;
	}
	return w;
}

static void redraw(void)
{
	struct str s = { 0 };
	char seq[32];
	int start = width(prompt, strlen(prompt)), at = start + width(line.s, cur), end = start + width(line.s, line.n);
	size_t i;

	if (row > 0) {
		snprintf(seq, sizeof(seq), "\033[%dA", row);
		str_adds(&s, seq);
	}
	str_adds(&s, "\r");
	str_adds(&s, prompt);
	for (i = 0; i < line.n; i++)
		str_addc(&s, iscntrl((unsigned char)line.s[i]) ? '?' : line.s[i]);
	if (end > 0 && end % columns == 0)
		str_adds(&s, " \r"); /* makes the terminal wrap now */
	str_adds(&s, "\033[J");
	if (end / columns > at / columns) {
		snprintf(seq, sizeof(seq), "\033[%dA", end / columns - at / columns);
		str_adds(&s, seq);
	}
	snprintf(seq, sizeof(seq), at % columns > 0 ? "\r\033[%dC" : "\r", at % columns);
	str_adds(&s, seq);
	row = at / columns;
	out(s.s, s.n);
	str_free(&s);
}

static void insert(const char *s, size_t n)
{
	str_add(&line, s, n);
	memmove(line.s + cur + n, line.s + cur, line.n - n - cur);
	memcpy(line.s + cur, s, n);
	cur += n;
}

/* Removes [from, to); keeps it for ^Y when `keep`. */
static void cut(size_t from, size_t to, int keep)
{
	if (from >= to)
		return;
	if (keep) {
		killed.n = 0;
		str_add(&killed, line.s + from, to - from);
	}
	memmove(line.s + from, line.s + to, line.n - to + 1);
	line.n -= to - from;
	cur = from;
}

/* A byte typed at the end of the line: shown by itself unless it reaches the end of the row. */
static void type(int c)
{
	char byte = (char)c;
	int at;

	insert(&byte, 1);
	at = width(prompt, strlen(prompt)) + width(line.s, line.n);
	if (cur == line.n && at % columns != 0) {
		out(&byte, 1);
		row = at / columns;
		drawn = 1;
	}
}

static void replace(const char *s)
{
	line.n = 0;
	str_adds(&line, s);
	cur = line.n;
}

static size_t step_left(size_t at)
{
	if (at > 0)
		do
			at--;
		while (at > 0 && (line.s[at] & 0xc0) == 0x80);
	return at;
}

static size_t step_right(size_t at)
{
	if (at < line.n)
		do
			at++;
		while (at < line.n && (line.s[at] & 0xc0) == 0x80);
	return at;
}

static size_t word_left(size_t at)
{
	while (at > 0 && isspace((unsigned char)line.s[at - 1]))
		at--;
	while (at > 0 && !isspace((unsigned char)line.s[at - 1]))
		at--;
	return at;
}

static size_t word_right(size_t at)
{
	while (at < line.n && isspace((unsigned char)line.s[at]))
		at++;
	while (at < line.n && !isspace((unsigned char)line.s[at]))
		at++;
	return at;
}

/* --- completion --- */

struct completion { char *common; int n, dir; struct str list; };

static void candidate(struct completion *c, const char *name, int dir)
{
	size_t i;

	if (c->n++ == 0) {
		c->common = xstrdup(name);
		c->dir = dir;
	} else
		for (i = 0; c->common[i] != '\0'; i++)
			if (c->common[i] != name[i])
				c->common[i] = '\0';
	if (c->list.n > 0)
		str_adds(&c->list, "  ");
	str_adds(&c->list, name);
	if (dir)
		str_addc(&c->list, '/');
}

static void candidates_in(struct completion *c, const char *dir, const char *prefix, int programs)
{
	size_t n = strlen(prefix);
	struct dirent *de;
	struct stat st;
	char path[1024];
	DIR *d = opendir(dir);

	while (d != NULL && (de = readdir(d)) != NULL) {
		if (strncmp(de->d_name, prefix, n) != 0 || (de->d_name[0] == '.' && *prefix != '.'))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, de->d_name);
		if (stat(path, &st) == -1 || (programs && (!S_ISREG(st.st_mode) || !(st.st_mode & 0111))))
			continue;
		candidate(c, de->d_name, S_ISDIR(st.st_mode));
	}
	if (d != NULL)
		closedir(d);
}

static void complete(void)
{
	size_t start = cur;
	struct completion c = { 0 };
	char word[1024], *slash;
	int first;

	while (start > 0 && strchr(" \t;|&<>()=", line.s[start - 1]) == NULL)
		start--;
	first = start;
	while (first > 0 && (line.s[first - 1] == ' ' || line.s[first - 1] == '\t'))
		first--;
	first = first == 0 || strchr(";|&(", line.s[first - 1]) != NULL;
	if (cur - start >= sizeof(word))
		return;
	memcpy(word, line.s + start, cur - start);
	word[cur - start] = '\0';
	slash = strrchr(word, '/');
	if (slash != NULL) {
		char *name = slash + 1;
		char prefix[1024];

		strlcpy(prefix, name, sizeof(prefix));
		*name = '\0';
		candidates_in(&c, *word == '~' ? expand_one(word, 0) : word, prefix, 0);
		strlcpy(word, prefix, sizeof(word));
	} else if (first) {
		const char *dir = var_get("PATH");

		while (dir != NULL && *dir != '\0') {
			char path[1024];
			int n = (int)(strchrnul(dir, ':') - dir);

			snprintf(path, sizeof(path), "%.*s", n, dir);
			candidates_in(&c, path, word, 1);
			dir += n + (dir[n] == ':');
		}
	} else
		candidates_in(&c, ".", word, 0);
	if (c.n > 0 && strlen(c.common) > strlen(word))
		insert(c.common + strlen(word), strlen(c.common) - strlen(word));
	else if (c.n > 1) {
		out("\r\n", 2);
		out(c.list.s, c.list.n);
		out("\r\n", 2);
		row = 0;
	} else if (c.n == 0)
		out("\a", 1);
	if (c.n == 1)
		insert(c.dir ? "/" : " ", 1);
	free(c.common);
	str_free(&c.list);
}

/* --- keys --- */

static int key(void)
{
	unsigned char c;
	ssize_t n;

	while ((n = read(0, &c, 1)) == -1 && errno == EINTR)
		;
	return n == 1 ? c : -1;
}

enum { K_UP = 256, K_DOWN, K_LEFT, K_RIGHT, K_HOME, K_END, K_DEL, K_WLEFT, K_WRIGHT, K_NONE };

/* ESC has been read. */
static int escape_key(void)
{
	int c = key(), number = 0, modified = 0;

	if (c == 'b')
		return K_WLEFT;
	if (c == 'f')
		return K_WRIGHT;
	if (c != '[' && c != 'O')
		return K_NONE;
	while (isdigit(c = key()) || c == ';') {
		if (c == ';')
			modified = 1;
		else if (!modified)
			number = number * 10 + c - '0';
	}
	switch (c) {
	case 'A': return K_UP;
	case 'B': return K_DOWN;
	case 'C': return modified ? K_WRIGHT : K_RIGHT;
	case 'D': return modified ? K_WLEFT : K_LEFT;
	case 'H': return K_HOME;
	case 'F': return K_END;
	case '~': return number == 1 || number == 7 ? K_HOME : number == 4 || number == 8 ? K_END :
	    number == 3 ? K_DEL : K_NONE;
	}
	return K_NONE;
}

#define CTRL(c) ((c) & 31)

/* ^R: looks backwards for what is typed. Returns the key that ended it. */
static int search(void)
{
	struct str want = { 0 };
	int c, at = nhistory;
	char label[80];
	const char *saved = prompt;

	str_add(&want, "", 0);
	for (;;) {
		snprintf(label, sizeof(label), "(search) '%.60s': ", want.s);
		prompt = label;
		redraw();
		c = key();
		if (c == CTRL('R'))
			at--;
		else if (c == 0x7f || c == CTRL('H')) {
			if (want.n > 0)
				want.s[--want.n] = '\0';
			at = nhistory - 1;
		} else if (c >= ' ' && c != 0x7f) {
			str_addc(&want, c);
			at = at >= nhistory ? nhistory - 1 : at;
		} else
			break;
		while (at >= 0 && at < nhistory && strstr(history[at], want.s) == NULL)
			at--;
		if (at < 0)
			at = 0;
		else if (at < nhistory)
			replace(history[at]);
	}
	prompt = saved;
	str_free(&want);
	return c;
}

static void recall(int *at, int delta, char **draft)
{
	if (*at + delta < 0 || *at + delta > nhistory)
		return;
	if (*at == nhistory) {
		free(*draft);
		*draft = xstrdup(line.s);
	}
	*at += delta;
	replace(*at == nhistory ? *draft : history[*at]);
}

/* Edits until the line is done: 1, 0 at end of input, -1 on ^C. */
static int edit(void)
{
	int at = nhistory, c, done = 0, verdict = 1;
	char *draft = NULL;

	while (!done) {
		if (!drawn)
			redraw();
		drawn = 0;
		c = key();
		if (c == CTRL('R'))
			c = search();
		if (c == '\033')
			c = escape_key();
		switch (c) {
		case -1: verdict = 0; done = 1; break;
		case '\r':
		case '\n': done = 1; break;
		case CTRL('C'): verdict = -1; done = 1; break;
		case CTRL('D'):
			if (line.n == 0) {
				verdict = 0;
				done = 1;
				break;
			}
			/* FALLTHROUGH */
		case K_DEL: cut(cur, step_right(cur), 0); break;
		case 0x7f:
		case CTRL('H'): cut(step_left(cur), cur, 0); break;
		case CTRL('A'):
		case K_HOME: cur = 0; break;
		case CTRL('E'):
		case K_END: cur = line.n; break;
		case CTRL('B'):
		case K_LEFT: cur = step_left(cur); break;
		case CTRL('F'):
		case K_RIGHT: cur = step_right(cur); break;
		case K_WLEFT: cur = word_left(cur); break;
		case K_WRIGHT: cur = word_right(cur); break;
		case CTRL('K'): cut(cur, line.n, 1); break;
		case CTRL('U'): cut(0, cur, 1); break;
		case CTRL('W'): cut(word_left(cur), cur, 1); break;
		case CTRL('Y'): insert(killed.s != NULL ? killed.s : "", killed.n); break;
		case CTRL('L'):
			out("\033[H\033[2J", 7);
			row = 0;
			break;
		case CTRL('P'):
		case K_UP: recall(&at, -1, &draft); break;
		case CTRL('N'):
		case K_DOWN: recall(&at, 1, &draft); break;
		case '\t': complete(); break;
		default:
			if (c >= ' ' && c < 256)
				type(c);
		}
	}
	cur = line.n;
	redraw();
	free(draft);
	return verdict;
}

char *edit_line(const char *text)
{
	struct termios raw;
	struct winsize ws;
	int verdict;
	char *result;

	prompt = text;
	row = drawn = 0;
	line.n = cur = 0;
	str_add(&line, "", 0);
	columns = ioctl(0, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 ? ws.ws_col : 80;
	tcgetattr(0, &cooked);
	raw = cooked;
	raw.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | IXON | ISTRIP);
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(0, TCSADRAIN, &raw);
	verdict = edit();
	tcsetattr(0, TCSADRAIN, &cooked);
	out(verdict < 0 ? "^C\n" : "\n", verdict < 0 ? 3 : 1);
	if (verdict < 0)
		interrupted = 0;
	if (verdict <= 0) {
		if (verdict < 0)
			last_status = 130;
		return verdict < 0 ? xstrdup("\n") : NULL;
	}
	history_add(line.s);
	result = xmalloc(line.n + 2);
	memcpy(result, line.s, line.n);
	strcpy(result + line.n, "\n");
	return result;
}
