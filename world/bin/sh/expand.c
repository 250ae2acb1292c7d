/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a word's text to fields, in the order POSIX gives: tilde, parameters, commands and arithmetic; then field
 * splitting, file names and quote removal.
 *
 * The first half writes bytes with a flag each into an xbuf: whether the byte was quoted (no splitting, no
 * pattern) and whether it came from an expansion (may split). The second half cuts that at IFS and hands each
 * field to glob.c. F_BREAK stands between the parameters of "$@"; F_NULL marks where an empty quoted string was,
 * so that "" is a field.
 */
#include <ctype.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sh.h"

static struct xbuf spare; /* buffers of the last one given back */

static void x_grow(struct xbuf *x)
{
	if (x->room == 0 && spare.room > 0) {
		*x = spare;
		spare.room = 0;
		return;
	}
	x->room = x->room * 2 + 128;
	x->c = xrealloc(x->c, (size_t)x->room);
	x->f = xrealloc(x->f, (size_t)x->room);
}

static void x_free(struct xbuf *x)
{
	if (x->room > 0 && spare.room == 0) {
		spare = *x;
		spare.n = 0;
	} else {
		free(x->c);
		free(x->f);
	}
	*x = (struct xbuf){ 0 };
}

void x_put(struct xbuf *x, int c, int flags)
{
	if (x->n >= x->room)
		x_grow(x);
	x->c[x->n] = (char)c;
	x->f[x->n++] = (unsigned char)flags;
}

void x_value(struct xbuf *x, const char *value, int quoted)
{
	for (; *value != '\0'; value++)
		x_put(x, *value, quoted ? F_QUOTED : F_SPLIT);
}

/*
 * End of a $(...) whose text begins at `p`. Parentheses pair up but for those of case patterns: only the parser
 * knows those.
 */
static const char *substitution_end(const char *p)
{
	struct str text = { 0 }, *outer = in_recording();
	int depth = 1;

	if (strstr(p, "case") != NULL) {
		input_push(input_string(p));
		in_record(&text);
		skip_substitution();
		in_record(outer);
		input_pop();
		p += text.n;
		str_free(&text);
		return p;
	}
	while (*p != '\0' && depth > 0) {
		if (*p == '(')
			depth++;
		else if (*p == ')')
			depth--;
		p = strchr("\\'\"`$", *p) != NULL ? skip_word_part(p) : p + 1;
	}
	return p;
}

/* End of the construct at `p`, which may be a quote, a '$' or '`' expansion, an escape or a plain byte. */
const char *skip_word_part(const char *p)
{
	char close;
	int depth;

	switch (*p) {
	case '\\':
		return p[1] != '\0' ? p + 2 : p + 1;
	case '\'':
		p = strchrnul(p + 1, '\'');
		return *p != '\0' ? p + 1 : p;
	case '"':
	case '`':
		close = *p++;
		while (*p != '\0' && *p != close)
			p = close == '"' && *p == '$' ? skip_word_part(p) : *p == '\\' && p[1] != '\0' ? p + 2 : p + 1;
		return *p != '\0' ? p + 1 : p;
	case '$':
		if (p[1] == '{') {
			for (p += 2; *p != '\0' && *p != '}';)
				p = skip_word_part(p);
			return *p != '\0' ? p + 1 : p;
		}
		if (p[1] != '(')
			return p + 1;
		if (p[2] != '(')
			return substitution_end(p + 2);
		for (depth = 2, p += 3; *p != '\0' && depth > 0;) {
			if (*p == '(')
				depth++;
			else if (*p == ')')
				depth--;
			p = strchr("\\'\"`$", *p) != NULL ? skip_word_part(p) : p + 1;
		}
		return p;
	default:
		return p + 1;
	}
}

/* Runs the text of `...` or $(...) and adds its output without the newlines at the end. */
static void substitute(struct xbuf *x, const char *text, int quoted)
{
	char *out = command_output(text);
	size_t n = strlen(out);

	while (n > 0 && out[n - 1] == '\n')
		out[--n] = '\0';
	x_value(x, out, quoted);
	free(out);
}

static const char *backquote(struct xbuf *x, const char *p, int quoted)
{
	const char *end = skip_word_part(p);
	struct str text = { 0 };

	str_add(&text, "", 0);
	for (p++; p < end - 1; p++) {
		if (*p == '\\' && (p[1] == '$' || p[1] == '`' || p[1] == '\\' || (quoted && p[1] == '"')))
			p++;
		str_addc(&text, *p);
	}
	substitute(x, text.s, quoted);
	str_free(&text);
	return end;
}

/* Expands what follows a '$'; returns where the rest of the word begins. */
static const char *dollar(struct xbuf *x, const char *p, int flags, int quoted)
{
	const char *end;
	char *text;

	if (p[1] == '(') {
		end = skip_word_part(p);
		if (p[2] == '(' && end - p >= 5 && end[-2] == ')') {
			struct xbuf inner = { 0 };
			char number[24];

			x_text(&inner, p + 3, end - 2, X_HEREDOC, 1);
			text = x_string(&inner, 0);
			snprintf(number, sizeof(number), "%lld", arith(text));
			x_value(x, number, quoted);
			free(text);
			return end;
		}
		text = xmalloc((size_t)(end - p));
		memcpy(text, p + 2, (size_t)(end - p - 3));
		text[end - p - 3] = '\0';
		substitute(x, text, quoted);
		free(text);
		return end;
	}
	return x_param(x, p + 1, flags, quoted);
}

static const char *tilde(struct xbuf *x, const char *p, const char *end)
{
	const char *stop = p + 1, *home;
	char name[64];

	while (stop < end && *stop != '/' && *stop != ':') {
		if (strchr("\\'\"$`", *stop) != NULL)
			return p;
		stop++;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(stop - p - 1), p + 1);
	if (name[0] == '\0')
		home = var_get("HOME");
	else {
		struct passwd *pw = getpwnam(name);

		home = pw != NULL ? pw->pw_dir : NULL;
	}
	if (home == NULL)
		return p;
	x_value(x, home, 1);
	return stop;
}

/* Expands the text [p, end). `quoted` means inside double quotes. */
void x_text(struct xbuf *x, const char *p, const char *end, int flags, int quoted)
{
	int start = 1;

	for (; p < end; start = 0) {
		if (*p == '~' && !quoted && !(flags & X_HEREDOC) && (start || (flags & X_ASSIGN && p[-1] == ':'))) {
			const char *next = tilde(x, p, end);

			if (next != p) {
				p = next;
				continue;
			}
		}
		switch (*p) {
		case '\\':
			if (p + 1 >= end)
				x_put(x, *p++, F_QUOTED);
			else if (quoted && strchr(flags & X_HEREDOC ? "$`\\" : "$`\"\\", p[1]) == NULL && p[1] != '\n' &&
			    !(p[1] == '}' && flags & X_INBRACE))
				x_put(x, *p++, F_QUOTED);
			else {
				if (p[1] != '\n')
					x_put(x, p[1], F_QUOTED);
				p += 2;
			}
			break;
		case '\'':
			if (quoted) {
				x_put(x, *p++, F_QUOTED);
				break;
			}
			if (p[1] == '\'')
				x_put(x, 0, F_NULL);
			for (p++; p < end && *p != '\'';)
				x_put(x, *p++, F_QUOTED);
			p++;
			break;
		case '"':
			if (flags & X_HEREDOC) {
				x_put(x, *p++, F_QUOTED);
				break;
			}
			if (quoted) { /* "${x-"y"}": the inner quotes only delimit */
				p++;
				break;
			}
			{
				const char *close = skip_word_part(p) - 1;
				int before = x->n, params_only = strncmp(p, "\"$@\"", 4) == 0;

				x_text(x, p + 1, close, flags & ~X_ASSIGN, 1);
				if (x->n == before && !params_only)
					x_put(x, 0, F_NULL);
				p = close + 1;
			}
			break;
		case '$':
			p = dollar(x, p, flags, quoted);
			break;
		case '`':
			p = backquote(x, p, quoted);
			break;
		default:
			x_put(x, *p++, quoted ? F_QUOTED : 0);
		}
	}
}

/* The bytes as one malloc'd string; as a pattern, quoted bytes that mean something get a backslash. Frees x. */
char *x_string(struct xbuf *x, int pattern)
{
	char *text = xmalloc((size_t)x->n * 2 + 1), *out = text;
	int i;

	for (i = 0; i < x->n; i++) {
		int c = x->c[i], f = x->f[i];

		if (f & F_NULL)
			continue;
		if (f & F_BREAK)
			c = ' ';
		else if (pattern && (f & F_QUOTED || c == '\\') && c != '\0' && strchr("*?[]\\-!^", c) != NULL)
			*out++ = '\\';
		*out++ = (char)c;
	}
	*out = '\0';
	x_free(x);
	return text;
}

/* True when expanding the text gives the text. */
static int is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '\\':
		case '\'':
		case '"':
		case '$':
		case '`':
		case '~':
		case '*':
		case '?':
		case '[':
			return 0;
		}
	return 1;
}

/* One string, no splitting, in scratch. */
char *expand_one(const char *text, int flags)
{
	struct xbuf x = { 0 };
	char *s, *copy;

	if (is_plain(text))
		return arena_strdup(scratch, text);
	x_text(&x, text, text + strlen(text), flags, (flags & X_HEREDOC) != 0);
	s = x_string(&x, flags & X_PATTERN);
	copy = arena_strdup(scratch, s);
	free(s);
	return copy;
}

/* Cuts x into fields: at F_BREAK, and where unquoted expansion results hold IFS bytes. */
static struct words **split(struct xbuf *x, struct words **tail)
{
	const char *ifs = var_get("IFS");
	int i = 0, start = 0, quoted = 0, content = 0;

	if (ifs == NULL)
		ifs = " \t\n";
	for (; i < x->n; i++) {
		int f = x->f[i], c = (unsigned char)x->c[i];

		if (f & F_BREAK) {
			if (content || quoted)
				glob_field(x, start, i, &tail);
			start = i + 1;
			content = 0;
			quoted = f & F_NULL;
		} else if (f & F_NULL)
			quoted = 1;
		else if (f & F_SPLIT && c != '\0' && strchr(ifs, c) != NULL) {
			int hard = !isspace(c);

			if (content || quoted || (hard && start == i))
				glob_field(x, start, i, &tail);
			/* White space around one other separator belongs to it. */
			while (i + 1 < x->n && x->f[i + 1] & F_SPLIT && strchr(ifs, x->c[i + 1]) != NULL) {
				int next_hard = !isspace((unsigned char)x->c[i + 1]);

				if (hard && next_hard)
					break;
				hard |= next_hard;
				i++;
			}
			start = i + 1;
			content = quoted = 0;
		} else
			content = 1;
	}
	if (content || quoted)
		glob_field(x, start, x->n, &tail);
	return tail;
}

struct words **expand_word(const char *text, int flags, struct words **tail)
{
	struct xbuf x = { 0 };

	/* Most words have nothing to expand. */
	if (*text != '\0' && is_plain(text)) {
		struct words *w = arena_alloc(scratch, sizeof(*w));

		w->text = arena_strdup(scratch, text);
		*tail = w;
		return &w->next;
	}
	x_text(&x, text, text + strlen(text), flags, 0);
	tail = split(&x, tail);
	x_free(&x);
	return tail;
}

struct words *expand_words(struct words *w)
{
	struct words *fields = NULL, **tail = &fields;

	for (; w != NULL; w = w->next)
		tail = expand_word(w->text, X_SPLIT, tail);
	return fields;
}
