/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the parser's characters come from: a stack of files, strings and alias texts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sh.h"

#define EOF_SEEN (-1)

struct input {
	struct input *below;
	int fd;           /* -1 for a string */
	int interactive;
	int eof;
	char *buf;        /* owned when fd != -1 or an alias */
	size_t at, have;
	struct alias *alias;
	int saved_line, saved_pushed; /* of the input below */
};

static struct input *top;
static struct str *record;
static int pushed = -2; /* a byte to read again, or -2 */
int lineno = 1, prompt_level = 1;

struct input *input_fd(int fd, int interactive)
{
	struct input *in = memset(xmalloc(sizeof(*in)), 0, sizeof(*in));

	in->fd = fd;
	in->interactive = interactive;
	return in;
}

struct input *input_string(const char *text)
{
	struct input *in = input_fd(-1, 0);

	in->buf = (char *)text;
	in->have = strlen(text);
	return in;
}

void input_push(struct input *in)
{
	in->below = top;
	in->saved_line = lineno;
	in->saved_pushed = pushed;
	top = in;
	pushed = -2;
	if (in->alias == NULL)
		lineno = 1;
}

void input_pop(void)
{
	struct input *in = top;

	top = in->below;
	pushed = in->saved_pushed;
	if (in->alias != NULL)
		in->alias->busy = 0;
	else
		lineno = in->saved_line;
	if (in->fd >= 0 || in->alias != NULL)
		free(in->buf);
	if (in->fd > 2)
		close(in->fd);
	free(in);
}

int input_interactive(void)
{
	const struct input *in = top;

	while (in != NULL && in->alias != NULL)
		in = in->below;
	return in != NULL && in->interactive;
}

void in_alias(const char *text, struct alias *owner)
{
	struct input *in = input_string("");
	int back = pushed; /* the delimiter read after the name belongs after the alias text */

	in->buf = xmalloc(strlen(text) + 3);
	strcpy(in->buf, text);
	strcat(in->buf, " ");
	in->have = strlen(in->buf);
	if (back >= 0) {
		in->buf[in->have++] = (char)back;
		in->buf[in->have] = '\0';
	}
	in->alias = owner;
	owner->busy = 1;
	pushed = -2;
	input_push(in);
}

/* Text at the prompt, expanded as in double quotes. */
static char *prompt(void)
{
	const char *text = var_get(prompt_level == 1 ? "PS1" : "PS2");
	int status = last_status;
	char *s = xstrdup(text != NULL ? expand_one(text, X_HEREDOC) : "");

	last_status = status;
	return s;
}

static int fill_interactive(struct input *in)
{
	char *p = prompt();

	if (edit_usable()) {
		free(in->buf);
		in->buf = edit_line(p);
		in->have = in->buf != NULL ? strlen(in->buf) : 0;
	} else {
		ssize_t n;

		in->buf = xrealloc(in->buf, BUFSIZ);
		write(2, p, strlen(p));
		n = read(in->fd, in->buf, BUFSIZ);
		in->have = n > 0 ? (size_t)n : 0;
	}
	free(p);
	check_interrupt();
	prompt_level = 2;
	return in->have > 0;
}

/*
 * A script on standard input is read byte by byte, never past the current line: what follows belongs to the
 * programs the line runs. Other files are read in blocks.
 */
static int fill(struct input *in)
{
	ssize_t n;

	in->at = in->have = 0;
	if (in->fd == -1 || in->eof)
		return 0;
	if (in->interactive)
		return fill_interactive(in);
	if (in->buf == NULL)
		in->buf = xmalloc(BUFSIZ);
	if (in->fd == 0) {
		while (in->have < BUFSIZ) {
			do
				n = read(0, in->buf + in->have, 1);
			while (n == -1 && errno == EINTR);
			if (n <= 0)
				break;
			if (in->buf[in->have++] == '\n')
				break;
		}
	} else {
		do
			n = read(in->fd, in->buf, BUFSIZ);
		while (n == -1 && errno == EINTR);
		in->have = n > 0 ? (size_t)n : 0;
	}
	if (in->have == 0)
		in->eof = 1;
	return in->have > 0;
}

int in_getc(void)
{
	int c = pushed;

	if (c != -2)
		pushed = -2;
	else {
		for (;;) {
			if (top->at < top->have) {
				c = (unsigned char)top->buf[top->at++];
				if (opt('v') && top->alias == NULL && top->fd >= 0)
					fputc(c, stderr);
				break;
			}
			if (fill(top))
				continue;
			if (top->alias == NULL) {
				c = EOF_SEEN;
				break;
			}
			input_pop();
		}
	}
	if (c == '\n')
		lineno++;
	if (record != NULL && c >= 0)
		str_addc(record, c);
	return c;
}

void in_ungetc(int c)
{
	pushed = c;
	if (c == '\n')
		lineno--;
	if (record != NULL && c >= 0 && record->n > 0)
		record->s[--record->n] = '\0';
}

void in_record(struct str *to)
{
	record = to;
}

struct str *in_recording(void)
{
	return record;
}

/* After a syntax error at the terminal: forget aliases and the rest of the line. */
void in_drop_line(void)
{
	record = NULL;
	pushed = -2;
	while (top != NULL && top->alias != NULL)
		input_pop();
	if (top != NULL)
		top->at = top->have;
}
