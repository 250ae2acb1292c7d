/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tokens. A word is kept as written; quotes, ${...}, $(...) and `...` are only followed to find its end. What is
 * inside $(...) is parsed for that purpose, since only the grammar knows where it ends.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sh.h"

struct lexer lex;
struct alias *aliases;

void lex_reset(struct arena *arena)
{
	lex = (struct lexer){ .arena = arena };
}

static int getc_joined(void)
{
	/* A backslash before a newline joins the lines. */
	int c;

	while ((c = in_getc()) == '\\') {
		int d = in_getc();

		if (d != '\n') {
			if (d != -1)
				in_ungetc(d);
			break;
		}
	}
	return c;
}

static void unterminated(int what)
{
	sh_error("syntax error: unterminated %s", what == '\'' || what == '"' ? "quoted string" : what == '`' ?
	    "`...`" : what == '{' ? "${...}" : "$(...)");
}

static void word_until(struct str *, int close);

/* Copies what follows a '$' that is already in `w`. */
static void dollar(struct str *w)
{
	int c = in_getc();

	if (c == '{') {
		str_addc(w, c);
		word_until(w, '}');
	} else if (c == '(') {
		str_addc(w, c);
		c = in_getc();
		if (c == '(') {
			/* Arithmetic, unless the parentheses do not pair up as "))". */
			int depth = 2;

			str_addc(w, c);
			while (depth > 0) {
				c = in_getc();
				if (c == -1)
					unterminated('(');
				if (c == '$' || c == '`' || c == '\'' || c == '"' || c == '\\') {
					str_addc(w, c);
					if (c == '$')
						dollar(w);
					else if (c == '\\') {
						if ((c = in_getc()) != -1)
							str_addc(w, c);
					} else
						word_until(w, c);
					continue;
				}
				depth += c == '(' ? 1 : c == ')' ? -1 : 0;
				str_addc(w, c);
			}
			return;
		}
		if (c != -1)
			in_ungetc(c);
		{
			struct str text = { 0 }, *outer = in_recording();

			in_record(&text);
			skip_substitution();
			in_record(outer);
			str_add(w, text.s, text.n);
			if (outer != NULL)
				str_add(outer, text.s, text.n);
			str_free(&text);
		}
	} else if (c != -1)
		in_ungetc(c);
}

/* Copies through the closing byte, which is one of ' " ` }. */
static void word_until(struct str *w, int close)
{
	int c;

	while ((c = close == '\'' || close == '`' ? in_getc() : getc_joined()) != close) {
		if (c == -1)
			unterminated(close == '}' ? '{' : close);
		str_addc(w, c);
		if (close == '\'')
			continue;
		if (c == '\\') {
			if ((c = in_getc()) != -1)
				str_addc(w, c);
		} else if (close != '`' && c == '$')
			dollar(w);
		else if (close != '`' && c == '`')
			word_until(w, '`');
		else if (close == '}' && (c == '\'' || c == '"'))
			word_until(w, c);
	}
	str_addc(w, c);
}

static enum token word(int c)
{
	struct str w = { 0 };
	int digits = 1;

	for (;; c = getc_joined()) {
		if (c == -1 || strchr(" \t\n;&|<>()", c) != NULL)
			break;
		if (!isdigit(c))
			digits = 0;
		str_addc(&w, c);
		if (c == '\\') {
			if ((c = in_getc()) != -1)
				str_addc(&w, c);
		} else if (c == '\'' || c == '"' || c == '`')
			word_until(&w, c);
		else if (c == '$')
			dollar(&w);
	}
	if (c != -1)
		in_ungetc(c);
	lex.text = arena_strndup(lex.arena, w.s != NULL ? w.s : "", w.n);
	str_free(&w);
	return digits && (c == '<' || c == '>') ? T_IONUM : T_WORD;
}

/* Takes the next byte if it is `want`. */
static int also(int want)
{
	int c = getc_joined();

	if (c == want)
		return 1;
	if (c != -1)
		in_ungetc(c);
	return 0;
}

static enum token scan(void)
{
	int c;

	do
		c = getc_joined();
	while (c == ' ' || c == '\t');
	if (c == '#')
		while ((c = in_getc()) != '\n' && c != -1)
			;
	lex.text = NULL;
	switch (c) {
	case -1:
		return T_EOF;
	case '\n':
		if (lex.heredocs != NULL)
			read_heredocs();
		return T_NL;
	case ';':
		return also(';') ? T_DSEMI : also('&') ? T_SEMIAMP : T_SEMI;
	case '&':
		return also('&') ? T_AND : T_AMP;
	case '|':
		return also('|') ? T_OR : T_PIPE;
	case '(':
		return T_LPAREN;
	case ')':
		return T_RPAREN;
	case '<':
		if (also('<'))
			return also('-') ? T_DLESSDASH : T_DLESS;
		return also('&') ? T_LESSAND : also('>') ? T_LESSGREAT : T_LESS;
	case '>':
		return also('>') ? T_DGREAT : also('&') ? T_GREATAND : also('|') ? T_CLOBBER : T_GREAT;
	}
	return word(c);
}

enum token peek_token(void)
{
	if (!lex.peeked) {
		lex.tok = scan();
		lex.peeked = 1;
	}
	return lex.tok;
}

enum token next_token(void)
{
	enum token t = peek_token();

	lex.peeked = 0;
	return t;
}

const char *token_name(enum token t, const char *text)
{
	static const char *const names[] = { "end of file", "newline", "word", "number", ";", "&", "|", "&&", "||",
		";;", ";&", "(", ")", "<", ">", ">>", "<<", "<<-", "<&", ">&", "<>", ">|" };

	return t == T_WORD || t == T_IONUM ? text : names[t];
}

/* The delimiter without its quotes; *quoted tells whether it had any. */
static char *delimiter(const char *word, int *quoted)
{
	struct str d = { 0 };
	char *out;

	for (*quoted = 0; *word != '\0'; word++) {
		if (*word == '\'' || *word == '"') {
			*quoted = 1;
			continue;
		}
		if (*word == '\\' && word[1] != '\0') {
			*quoted = 1;
			word++;
		}
		str_addc(&d, *word);
	}
	out = arena_strndup(lex.arena, d.s != NULL ? d.s : "", d.n);
	str_free(&d);
	return out;
}

static void read_heredoc(struct redir *r)
{
	struct str body = { 0 }, line = { 0 };
	char *end = delimiter(r->word, &r->quoted);
	int c;

	do {
		line.n = 0;
		str_add(&line, "", 0);
		while ((c = r->quoted ? in_getc() : getc_joined()) != -1 && c != '\n') {
			if (!(r->strip && c == '\t' && line.n == 0))
				str_addc(&line, c);
			if (c == '\\' && !r->quoted && (c = in_getc()) != -1)
				str_addc(&line, c);
		}
		if (strcmp(line.s, end) == 0 || (c == -1 && line.n == 0))
			break;
		str_add(&body, line.s, line.n);
		str_addc(&body, '\n');
	} while (c != -1);
	r->body = arena_strndup(lex.arena, body.s != NULL ? body.s : "", body.n);
	str_free(&body);
	str_free(&line);
}

/* Bodies of the here-documents announced on the line just ended. */
void read_heredocs(void)
{
	struct redir *r;

	for (r = lex.heredocs; r != NULL; r = r->pending)
		read_heredoc(r);
	lex.heredocs = NULL;
}
