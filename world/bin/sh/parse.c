/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The grammar of the shell command language (POSIX XCU 2.10), by recursive descent. Errors leave through
 * sh_error(); what was built so far belongs to the command's arena.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "sh.h"

static int no_alias; /* inside $(...), whose text is parsed again later */
static struct node *list(int stop_at_newline);
static struct node *command(void);

static struct node *mk(enum node_type type, struct node *a, struct node *b)
{
	struct node *n = arena_alloc(lex.arena, sizeof(*n));

	n->type = type;
	n->a = a;
	n->b = b;
	n->line = lineno;
	n->arena = lex.arena;
	return n;
}

static void unexpected(void)
{
	enum token t = peek_token();

	sh_error("syntax error: %s%s%s unexpected", t == T_EOF || t == T_NL ? "" : "\"", token_name(t, lex.text),
	    t == T_EOF || t == T_NL ? "" : "\"");
}

static int at_word(const char *text)
{
	return peek_token() == T_WORD && strcmp(lex.text, text) == 0;
}

static int accept_word(const char *text)
{
	return at_word(text) && (next_token(), 1);
}

static void expect_word(const char *text)
{
	if (!accept_word(text))
		sh_error("syntax error: %s unexpected (expecting \"%s\")", token_name(peek_token(), lex.text), text);
}

static void expect(enum token t)
{
	if (next_token() != t)
		sh_error("syntax error: %s unexpected (expecting \"%s\")", token_name(lex.tok, lex.text),
		    token_name(t, NULL));
}

static void newlines(void)
{
	while (peek_token() == T_NL)
		next_token();
}

int valid_name(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!isalpha((unsigned char)s[i]) && s[i] != '_' && !(i > 0 && isdigit((unsigned char)s[i])))
			return 0;
	return n > 0;
}

static int is_reserved(const char *s)
{
	static const char *const words[] = { "!", "{", "}", "case", "do", "done", "elif", "else", "esac", "fi", "for",
		"if", "then", "until", "while" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i], s) == 0)
			return 1;
	return 0;
}

/* Words that end a list in command position. */
static int at_list_end(void)
{
	static const char *const words[] = { "}", "do", "done", "elif", "else", "esac", "fi", "then" };
	size_t i;

	switch (peek_token()) {
	case T_EOF:
	case T_RPAREN:
	case T_DSEMI:
	case T_SEMIAMP:
		return 1;
	case T_WORD:
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcmp(words[i], lex.text) == 0)
				return 1;
		return 0;
	default:
		return 0;
	}
}

static struct words **append(struct words **tail, char *text)
{
	struct words *w = arena_alloc(lex.arena, sizeof(*w));

	w->text = text;
	*tail = w;
	return &w->next;
}

/* Reads one redirection if there is one. */
static int redirection(struct redir ***tail)
{
	int fd = -1;
	struct redir *r;
	enum token t = peek_token();

	if (t == T_IONUM) {
		const char *p;

		fd = 0;
		for (p = lex.text; *p != '\0'; p++)
			fd = fd < 10000 ? fd * 10 + *p - '0' : fd;
		next_token();
		t = peek_token();
	} else if (t < T_LESS)
		return 0;
	next_token();
	r = arena_alloc(lex.arena, sizeof(*r));
	r->fd = fd >= 0 ? fd : t == T_GREAT || t == T_DGREAT || t == T_GREATAND || t == T_CLOBBER;
	r->op = t == T_LESS ? R_IN : t == T_GREAT ? R_OUT : t == T_DGREAT ? R_APPEND : t == T_CLOBBER ? R_CLOBBER :
	    t == T_LESSGREAT ? R_RDWR : t == T_LESSAND ? R_DUPIN : t == T_GREATAND ? R_DUPOUT : R_HERE;
	r->strip = t == T_DLESSDASH;
	if (peek_token() != T_WORD && peek_token() != T_IONUM)
		unexpected();
	r->word = lex.text;
	next_token();
	if (r->op == R_HERE) {
		struct redir **p = &lex.heredocs;

		while (*p != NULL)
			p = &(*p)->pending;
		*p = r;
	}
	**tail = r;
	*tail = &r->next;
	return 1;
}

static void redirections(struct node *n)
{
	struct redir **tail = &n->redirs;

	while (redirection(&tail))
		;
}

/* Replaces an alias at the head of a command by its text. True when there is new text to look at. */
static int try_alias(void)
{
	struct alias *a;

	if (no_alias || peek_token() != T_WORD)
		return 0;
	for (a = aliases; a != NULL; a = a->next)
		if (!a->busy && strcmp(a->name, lex.text) == 0) {
			lex.peeked = 0;
			in_alias(a->text, a);
			return 1;
		}
	return 0;
}

static struct node *function(const char *name)
{
	struct node *n = mk(N_FUNC, NULL, NULL);

	n->name = (char *)name;
	next_token();
	expect(T_RPAREN);
	newlines();
	n->a = command();
	return n;
}

static struct node *simple(void)
{
	struct node *n = mk(N_CMD, NULL, NULL);
	struct words **assigns = &n->assigns, **words = &n->words;
	struct redir **redirs = &n->redirs;

	for (;;) {
		enum token t;
		char *text;

		if (redirection(&redirs))
			continue;
		t = peek_token();
		text = lex.text;
		if (t == T_LPAREN && n->words != NULL && n->words->next == NULL && n->assigns == NULL &&
		    n->redirs == NULL) {
			if (!valid_name(n->words->text, strlen(n->words->text)))
				unexpected();
			return function(n->words->text);
		}
		if (t != T_WORD)
			break;
		if (n->words == NULL) {
			size_t eq = strcspn(text, "=");

			if (text[eq] == '=' && valid_name(text, eq)) {
				assigns = append(assigns, text);
				next_token();
				continue;
			}
			if (try_alias())
				continue;
		}
		words = append(words, text);
		next_token();
	}
	if (n->words == NULL && n->assigns == NULL && n->redirs == NULL)
		unexpected();
	return n;
}

static struct node *required_list(void)
{
	struct node *n = list(0);

	if (n == NULL)
		unexpected();
	return n;
}

static struct node *if_rest(void)
{
	struct node *n = mk(N_IF, NULL, NULL);

	n->a = required_list();
	expect_word("then");
	n->b = required_list();
	if (accept_word("elif"))
		n->c = if_rest();
	else {
		if (accept_word("else"))
			n->c = required_list();
		expect_word("fi");
	}
	return n;
}

static struct node *loop(enum node_type type)
{
	struct node *n = mk(type, required_list(), NULL);

	expect_word("do");
	n->b = required_list();
	expect_word("done");
	return n;
}

static struct node *for_loop(void)
{
	struct node *n = mk(N_FOR, NULL, NULL);
	struct words **tail = &n->words;

	if (peek_token() != T_WORD || !valid_name(lex.text, strlen(lex.text)))
		sh_error("syntax error: bad for loop variable");
	n->name = lex.text;
	next_token();
	newlines();
	if (accept_word("in")) {
		while (peek_token() == T_WORD || peek_token() == T_IONUM) {
			tail = append(tail, lex.text);
			next_token();
		}
		if (peek_token() != T_SEMI && peek_token() != T_NL)
			unexpected();
		next_token();
	} else {
		append(tail, arena_strdup(lex.arena, "\"$@\""));
		if (peek_token() == T_SEMI)
			next_token();
	}
	newlines();
	if (accept_word("{")) {
		n->a = required_list();
		expect_word("}");
	} else {
		expect_word("do");
		n->a = required_list();
		expect_word("done");
	}
	return n;
}

static struct node *case_command(void)
{
	struct node *n = mk(N_CASE, NULL, NULL);
	struct arm **tail = &n->arms;

	if (peek_token() != T_WORD && peek_token() != T_IONUM)
		unexpected();
	n->name = lex.text;
	next_token();
	newlines();
	expect_word("in");
	newlines();
	while (!at_word("esac")) {
		struct arm *arm = arena_alloc(lex.arena, sizeof(*arm));
		struct words **patterns = &arm->patterns;

		if (peek_token() == T_LPAREN)
			next_token();
		for (;;) {
			if (peek_token() != T_WORD && peek_token() != T_IONUM)
				unexpected();
			patterns = append(patterns, lex.text);
			next_token();
			if (peek_token() != T_PIPE)
				break;
			next_token();
		}
		expect(T_RPAREN);
		arm->body = list(0);
		*tail = arm;
		tail = &arm->next;
		if (peek_token() != T_DSEMI && peek_token() != T_SEMIAMP)
			break;
		arm->fall = next_token() == T_SEMIAMP;
		newlines();
	}
	expect_word("esac");
	return n;
}

static struct node *command(void)
{
	struct node *n;

	while (peek_token() == T_WORD && !is_reserved(lex.text) && try_alias())
		;
	if (peek_token() == T_LPAREN) {
		next_token();
		n = mk(N_SUBSHELL, required_list(), NULL);
		expect(T_RPAREN);
	} else if (accept_word("{")) {
		n = mk(N_GROUP, required_list(), NULL);
		expect_word("}");
	} else if (accept_word("if"))
		n = if_rest();
	else if (accept_word("while"))
		n = loop(N_WHILE);
	else if (accept_word("until"))
		n = loop(N_UNTIL);
	else if (accept_word("for"))
		n = for_loop();
	else if (accept_word("case"))
		n = case_command();
	else if (peek_token() == T_WORD && is_reserved(lex.text)) {
		unexpected();
		return NULL;
	} else
		return simple();
	redirections(n);
	return n;
}

static struct node *pipeline(void)
{
	int negate = 0;
	struct node *n, *last;

	while (accept_word("!"))
		negate ^= 1;
	n = command();
	if (peek_token() == T_PIPE) {
		n = mk(N_PIPE, n, NULL);
		for (last = n->a; peek_token() == T_PIPE; last = last->next) {
			next_token();
			newlines();
			last->next = command();
		}
	}
	return negate ? mk(N_NOT, n, NULL) : n;
}

static struct node *and_or(void)
{
	struct node *n = pipeline();

	while (peek_token() == T_AND || peek_token() == T_OR) {
		enum node_type type = next_token() == T_AND ? N_AND : N_OR;

		newlines();
		n = mk(type, n, pipeline());
	}
	return n;
}

/* Commands up to a word or token that ends a list; at the top level also up to the end of the line. */
static struct node *list(int stop_at_newline)
{
	struct node *n = NULL;

	for (;;) {
		struct node *one;
		enum token t;

		if (!stop_at_newline)
			newlines();
		if (stop_at_newline && peek_token() == T_NL)
			return n;
		if (at_list_end())
			return n;
		one = and_or();
		t = peek_token();
		if (t == T_AMP)
			one = mk(N_BG, one, NULL);
		n = n == NULL ? one : mk(N_SEQ, n, one);
		if (t == T_SEMI || t == T_AMP)
			next_token();
		else if (t != T_NL || stop_at_newline)
			return n;
	}
}

struct node *parse_command(struct arena *arena, int *eof)
{
	struct node *n;

	lex_reset(arena);
	no_alias = 0;
	*eof = 0;
	n = list(1);
	switch (peek_token()) {
	case T_NL:
		return n;
	case T_EOF:
		if (lex.heredocs != NULL)
			read_heredocs();
		*eof = n == NULL;
		return n;
	default:
		unexpected();
		return NULL;
	}
}

/* Parses through the ')' of a $(...) and forgets the tree: lex.c only wants to know where it ends. */
void skip_substitution(void)
{
	struct lexer saved = lex;
	struct arena *arena = arena_new();
	int outer = no_alias;

	lex_reset(arena);
	no_alias = 1;
	list(0);
	if (peek_token() != T_RPAREN)
		unexpected();
	lex = saved;
	no_alias = outer;
	arena_free(arena);
}
