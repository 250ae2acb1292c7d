/* SPDX-License-Identifier: BSD-3-Clause */
/* A tree as text again, on one line, for `jobs` and its messages. */
#include <stdio.h>
#include <string.h>
#include "sh.h"

static void words(struct str *s, const struct words *w)
{
	for (; w != NULL; w = w->next) {
		if (s->n > 0 && s->s[s->n - 1] != ' ')
			str_addc(s, ' ');
		str_adds(s, w->text);
	}
}

static void redirs(struct str *s, const struct redir *r)
{
	static const char *const ops[] = { "<", ">", ">>", ">|", "<>", "<&", ">&", "<<" };
	char fd[12];

	for (; r != NULL; r = r->next) {
		int usual = r->op == R_OUT || r->op == R_APPEND || r->op == R_CLOBBER || r->op == R_DUPOUT;

		snprintf(fd, sizeof(fd), " %d", r->fd);
		str_adds(s, r->fd == usual ? " " : fd);
		str_adds(s, ops[r->op]);
		str_adds(s, r->word);
	}
}

static void pair(struct str *s, const struct node *n, const char *between)
{
	show_node(s, n->a);
	str_adds(s, between);
	show_node(s, n->b);
}

static void enclosed(struct str *s, const char *open, const struct node *body, const char *close)
{
	str_adds(s, open);
	show_node(s, body);
	str_adds(s, close);
}

void show_node(struct str *s, const struct node *n)
{
	const struct node *p;

	if (n == NULL)
		return;
	switch (n->type) {
	case N_CMD:
		words(s, n->assigns);
		words(s, n->words);
		break;
	case N_PIPE:
		for (p = n->a; p != NULL; p = p->next) {
			show_node(s, p);
			if (p->next != NULL)
				str_adds(s, " | ");
		}
		break;
	case N_AND:
		pair(s, n, " && ");
		break;
	case N_OR:
		pair(s, n, " || ");
		break;
	case N_SEQ:
		pair(s, n, n->a->type == N_BG ? " " : "; ");
		break;
	case N_BG:
		enclosed(s, "", n->a, " &");
		break;
	case N_NOT:
		enclosed(s, "! ", n->a, "");
		break;
	case N_SUBSHELL:
		enclosed(s, "(", n->a, ")");
		break;
	case N_GROUP:
		enclosed(s, "{ ", n->a, "; }");
		break;
	case N_IF:
		enclosed(s, "if ", n->a, "; then ");
		show_node(s, n->b);
		if (n->c != NULL)
			enclosed(s, "; else ", n->c, "");
		str_adds(s, "; fi");
		break;
	case N_WHILE:
	case N_UNTIL:
		enclosed(s, n->type == N_WHILE ? "while " : "until ", n->a, "; do ");
		enclosed(s, "", n->b, "; done");
		break;
	case N_FOR:
		str_adds(s, "for ");
		str_adds(s, n->name);
		str_adds(s, " in");
		words(s, n->words);
		enclosed(s, "; do ", n->a, "; done");
		break;
	case N_CASE:
		str_adds(s, "case ");
		str_adds(s, n->name);
		str_adds(s, " in ... esac");
		break;
	case N_FUNC:
		str_adds(s, n->name);
		enclosed(s, "() ", n->a, "");
		break;
	}
	redirs(s, n->redirs);
}
