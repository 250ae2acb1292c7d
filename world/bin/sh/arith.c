/* SPDX-License-Identifier: BSD-3-Clause */
/* $((...)): 64-bit integers, the operators of C with assignment, by precedence climbing. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sh.h"

struct expr { const char *p; int skip, depth; };

static long long comma(struct expr *);
static long long assignment(struct expr *);

static void space(struct expr *e)
{
	while (isspace((unsigned char)*e->p))
		e->p++;
}

static void syntax(struct expr *e)
{
	sh_error("arithmetic expression: syntax error at \"%s\"", e->p);
}

/* Takes `op` if it stands here and is not the start of a longer operator. */
static int take(struct expr *e, const char *op)
{
	size_t n;

	space(e);
	if (*e->p != *op || (op[1] != '\0' && e->p[1] != op[1]))
		return 0;
	n = op[1] != '\0' ? 2 : 1;
	if (e->p[n] == '=' && strchr("+-*/%&|^<>=!", op[n - 1]) != NULL && op[n - 1] != '=')
		return 0;
	if (n == 1 && strchr("&|<>", *op) != NULL && e->p[1] == *op)
		return 0;
	e->p += n;
	return 1;
}

static size_t name_at(struct expr *e)
{
	size_t n = 0;

	space(e);
	if (isdigit((unsigned char)*e->p))
		return 0;
	while (isalnum((unsigned char)e->p[n]) || e->p[n] == '_')
		n++;
	return n;
}

static long long variable(struct expr *e, const char *name, size_t n)
{
	const char *value = var_get_n(name, n);
	struct expr inner;
	long long v;

	if (value == NULL || *value == '\0') {
		if (value == NULL && opt('u') && !e->skip)
			sh_error("%.*s: parameter not set", (int)n, name);
		return 0;
	}
	inner = (struct expr){ value, e->skip, e->depth + 1 };
	if (inner.depth > 50)
		sh_error("arithmetic expression: recursion too deep");
	v = comma(&inner);
	space(&inner);
	if (*inner.p != '\0')
		syntax(&inner);
	return v;
}

static void store(struct expr *e, const char *name, size_t n, long long v)
{
	char text[24], copy[n + 1];

	if (e->skip)
		return;
	memcpy(copy, name, n);
	copy[n] = '\0';
	snprintf(text, sizeof(text), "%lld", v);
	var_set(copy, text, 0);
}

static long long primary(struct expr *e)
{
	size_t n = name_at(e);
	const char *name = e->p;
	long long v;
	char *end;

	if (n > 0) {
		e->p += n;
		v = variable(e, name, n);
		space(e);
		if ((e->p[0] == '+' || e->p[0] == '-') && e->p[1] == e->p[0]) {
			store(e, name, n, e->p[0] == '+' ? v + 1 : v - 1);
			e->p += 2;
		}
		return v;
	}
	if (*e->p == '(') {
		e->p++;
		v = comma(e);
		space(e);
		if (*e->p++ != ')') {
			e->p--;
			syntax(e);
		}
		return v;
	}
	v = (long long)strtoull(e->p, &end, 0);
	if (end == e->p || isalnum((unsigned char)*end))
		syntax(e);
	e->p = end;
	return v;
}

static long long unary(struct expr *e)
{
	const char *p;
	size_t n;
	long long v;

	space(e);
	p = e->p;
	if ((*p == '+' || *p == '-') && p[1] == *p) {
		e->p += 2;
		n = name_at(e);
		if (n > 0) {
			const char *name = e->p;

			e->p += n;
			v = variable(e, name, n) + (*p == '+' ? 1 : -1);
			store(e, name, n, v);
			return v;
		}
		e->p = p;
	}
	switch (*p) {
	case '+': e->p++; return unary(e);
	case '-': e->p++; return (long long)(0 - (unsigned long long)unary(e));
	case '~': e->p++; return ~unary(e);
	case '!':
		if (p[1] != '=') {
			e->p++;
			return !unary(e);
		}
	}
	return primary(e);
}

/* Binary operators from weakest to strongest; two-byte ones first where one is the other's prefix. */
static const struct { const char *op; int level; } operators[] = {
	{ "||", 0 }, { "&&", 1 }, { "|", 2 }, { "^", 3 }, { "&", 4 }, { "==", 5 }, { "!=", 5 }, { "<=", 6 }, { ">=", 6 },
	{ "<<", 7 }, { ">>", 7 }, { "<", 6 }, { ">", 6 }, { "+", 8 }, { "-", 8 }, { "*", 9 }, { "/", 9 }, { "%", 9 },
};
#define NOPS (sizeof(operators) / sizeof(operators[0]))

static long long apply(struct expr *e, const char *op, long long a, long long b)
{
	unsigned long long x = (unsigned long long)a, y = (unsigned long long)b;

	switch (op[0] | op[1] << 8) {
	case '|': return a | b;
	case '^': return a ^ b;
	case '&': return a & b;
	case '=' | '=' << 8: return a == b;
	case '!' | '=' << 8: return a != b;
	case '<' | '=' << 8: return a <= b;
	case '>' | '=' << 8: return a >= b;
	case '<' | '<' << 8: return (long long)(x << (y & 63));
	case '>' | '>' << 8: return a >> (y & 63);
	case '<': return a < b;
	case '>': return a > b;
	case '+': return (long long)(x + y);
	case '-': return (long long)(x - y);
	case '*': return (long long)(x * y);
	}
	if (e->skip)
		return 0;
	if (b == 0)
		sh_error("arithmetic expression: division by zero");
	if (b == -1)
		return op[0] == '/' ? (long long)(0 - x) : 0;
	return op[0] == '/' ? a / b : a % b;
}

static long long binary(struct expr *e, int level)
{
	long long a = unary(e), b;
	size_t i;

	for (;;) {
		space(e);
		if (*e->p == '\0' || strchr("|&^=!<>+-*/%", *e->p) == NULL)
			return a;
		for (i = 0; i < NOPS; i++)
			if (operators[i].level >= level && take(e, operators[i].op))
				break;
		if (i == NOPS)
			return a;
		if (operators[i].level <= 1) {
			int and = operators[i].level == 1;

			/* The right side is not evaluated when the left decides. */
			e->skip += and ? a == 0 : a != 0;
			b = binary(e, operators[i].level + 1);
			e->skip -= and ? a == 0 : a != 0;
			a = and ? a != 0 && b != 0 : a != 0 || b != 0;
		} else {
			b = binary(e, operators[i].level + 1);
			a = apply(e, operators[i].op, a, b);
		}
	}
}

static long long ternary(struct expr *e)
{
	long long cond = binary(e, 0), a, b;

	if (!take(e, "?"))
		return cond;
	e->skip += cond == 0;
	a = comma(e);
	e->skip -= cond == 0;
	if (!take(e, ":"))
		syntax(e);
	e->skip += cond != 0;
	b = assignment(e);
	e->skip -= cond != 0;
	return cond != 0 ? a : b;
}

static long long assignment(struct expr *e)
{
	static const char *const ops[] = { "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=" };
	size_t n = name_at(e), i;
	const char *name = e->p, *p = name + n;
	char op[3] = "";

	if (n > 0) {
		while (isspace((unsigned char)*p))
			p++;
		for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
			size_t len = strlen(ops[i]);

			if (strncmp(p, ops[i], len) == 0 && !(i == 0 && p[1] == '=')) {
				long long v;

				memcpy(op, ops[i], len - 1);
				e->p = p + len;
				v = assignment(e);
				if (i > 0)
					v = apply(e, op, variable(e, name, n), v);
				store(e, name, n, v);
				return v;
			}
		}
	}
	return ternary(e);
}

static long long comma(struct expr *e)
{
	long long v = assignment(e);

	while (take(e, ","))
		v = assignment(e);
	return v;
}

long long arith(const char *text)
{
	struct expr e = { text, 0, 0 };
	long long v;

	space(&e);
	if (*e.p == '\0')
		return 0;
	v = comma(&e);
	space(&e);
	if (*e.p != '\0')
		syntax(&e);
	return v;
}
