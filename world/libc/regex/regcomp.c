/* SPDX-License-Identifier: BSD-3-Clause */
/* regcomp(3): parses a basic or extended expression to a tree, and the tree to a program (re.h). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "re.h"

#define INF 0xffff
#define DUP_MAX 255

enum kind { EMPTY, BYTE, ANY, SET, CAT, ALT, REPEAT, GROUP, ASSERT, BACKREF };

struct node {
	enum kind kind;
	struct node *l, *r;
	int a, b; /* BYTE: value; SET: index; REPEAT: bounds; GROUP, BACKREF: number; ASSERT: re_op */
};

struct parser {
	const char *p, *start;
	int flags, error, depth, open;
	struct node *pool; /* a list through r, for freeing */
	struct re_prog *prog;
};

static struct node *alternatives(struct parser *);

struct cell { struct node node; struct cell *next; };

static struct node *mk(struct parser *ps, enum kind kind, struct node *l, struct node *r, int a, int b)
{
	struct cell *c = malloc(sizeof(*c));

	if (c == NULL) {
		ps->error = REG_ESPACE;
		return NULL;
	}
	c->node = (struct node){ kind, l, r, a, b };
	c->next = (struct cell *)ps->pool;
	ps->pool = &c->node;
	return &c->node;
}

static int fail(struct parser *ps, int error)
{
	if (ps->error == 0)
		ps->error = error;
	return 0;
}

static int extended(const struct parser *ps)
{
	return ps->flags & REG_EXTENDED;
}

/* True at `c`, written bare in extended syntax and with a backslash in basic syntax. */
static int at_special(const struct parser *ps, int c)
{
	return extended(ps) ? *ps->p == c : ps->p[0] == '\\' && ps->p[1] == c;
}

static void skip_special(struct parser *ps)
{
	ps->p += extended(ps) ? 1 : 2;
}

static int new_set(struct parser *ps)
{
	struct re_prog *g = ps->prog;
	void *grown = realloc(g->set, (size_t)(g->nset + 1) * 32);

	if (grown == NULL) {
		fail(ps, REG_ESPACE);
		return 0;
	}
	g->set = grown;
	memset(g->set[g->nset], 0, 32);
	return g->nset++;
}

static void set_add(struct parser *ps, int k, int c)
{
	ps->prog->set[k][c >> 3] |= (uint8_t)(1 << (c & 7));
	if (ps->flags & REG_ICASE && isalpha(c)) {
		c ^= 32;
		ps->prog->set[k][c >> 3] |= (uint8_t)(1 << (c & 7));
	}
}

static void set_invert(struct parser *ps, int k)
{
	int i;

	for (i = 0; i < 32; i++)
		ps->prog->set[k][i] ^= 0xff;
	if (ps->flags & REG_NEWLINE)
		ps->prog->set[k]['\n' >> 3] &= (uint8_t)~(1 << ('\n' & 7));
}

static int add_class(struct parser *ps, int k, const char *name, size_t len)
{
	static const struct { const char *name; int (*test)(int); } classes[] = {
		{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank }, { "cntrl", iscntrl },
		{ "digit", isdigit }, { "graph", isgraph }, { "lower", islower }, { "print", isprint },
		{ "punct", ispunct }, { "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
	};
	size_t i;
	int c;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == len && strncmp(name, classes[i].name, len) == 0) {
			for (c = 0; c < 256; c++)
				if (classes[i].test(c))
					set_add(ps, k, c);
			return 1;
		}
	return fail(ps, REG_ECTYPE);
}

/* One end of a range: a byte, or a [.x.] or [=x=] of one byte. */
static int set_byte(struct parser *ps)
{
	const char *p = ps->p;

	if (p[0] == '[' && (p[1] == '.' || p[1] == '=') && p[2] != '\0' && p[3] == p[1] && p[4] == ']') {
		ps->p += 5;
		return (unsigned char)p[2];
	}
	ps->p++;
	return (unsigned char)*p;
}

/* `p` stands after '['. */
static struct node *bracket(struct parser *ps)
{
	int k = new_set(ps), invert = *ps->p == '^', first = 1, lo, hi;

	if (invert)
		ps->p++;
	for (;; first = 0) {
		if (*ps->p == '\0') {
			fail(ps, REG_EBRACK);
			return NULL;
		}
		if (*ps->p == ']' && !first)
			break;
		if (ps->p[0] == '[' && ps->p[1] == ':') {
			const char *name = ps->p + 2, *stop = strstr(name, ":]");

			if (stop == NULL || !add_class(ps, k, name, (size_t)(stop - name))) {
				fail(ps, REG_EBRACK);
				return NULL;
			}
			ps->p = stop + 2;
			continue;
		}
		lo = hi = set_byte(ps);
		if (ps->p[0] == '-' && ps->p[1] != ']' && ps->p[1] != '\0') {
			ps->p++;
			hi = set_byte(ps);
			if (hi < lo) {
				fail(ps, REG_ERANGE);
				return NULL;
			}
		}
		for (; lo <= hi; lo++)
			set_add(ps, k, lo);
	}
	ps->p++;
	if (invert)
		set_invert(ps, k);
	return mk(ps, SET, NULL, NULL, k, 0);
}

static struct node *byte_node(struct parser *ps, int c)
{
	int k;

	if (!(ps->flags & REG_ICASE) || !isalpha(c))
		return mk(ps, BYTE, NULL, NULL, c, 0);
	k = new_set(ps);
	set_add(ps, k, c);
	return mk(ps, SET, NULL, NULL, k, 0);
}

/* Backslash and one byte that is no bracket or interval; both syntaxes. */
static struct node *escape(struct parser *ps)
{
	int c = (unsigned char)ps->p[1], k, i;

	if (c == '\0') {
		fail(ps, REG_EESCAPE);
		return NULL;
	}
	ps->p += 2;
	switch (c) {
	case '<': return mk(ps, ASSERT, NULL, NULL, RE_WBEG, 0);
	case '>': return mk(ps, ASSERT, NULL, NULL, RE_WEND, 0);
	case 'b': return mk(ps, ASSERT, NULL, NULL, RE_WEDGE, 0);
	case 'w':
	case 'W':
	case 's':
	case 'S':
		k = new_set(ps);
		for (i = 0; i < 256; i++)
			if ((c | 32) == 'w' ? isalnum(i) || i == '_' : isspace(i))
				set_add(ps, k, i);
		if (c < 'a')
			set_invert(ps, k);
		return mk(ps, SET, NULL, NULL, k, 0);
	}
	if (c >= '1' && c <= '9') {
		if (c - '0' > ps->prog->ngroup) {
			fail(ps, REG_ESUBREG);
			return NULL;
		}
		ps->prog->has_back = 1;
		return mk(ps, BACKREF, NULL, NULL, c - '0', 0);
	}
	return byte_node(ps, c);
}

static struct node *group(struct parser *ps)
{
	struct node *body;
	int n = ++ps->prog->ngroup;

	skip_special(ps);
	if (++ps->depth > 200) {
		fail(ps, REG_ESPACE);
		return NULL;
	}
	ps->open++;
	body = alternatives(ps);
	ps->open--;
	ps->depth--;
	if (!at_special(ps, ')')) {
		fail(ps, REG_EPAREN);
		return NULL;
	}
	skip_special(ps);
	return mk(ps, GROUP, body, NULL, n, 0);
}

/* {m}, {m,} or {m,n}; `p` stands after the brace. */
static int interval(struct parser *ps, int *min, int *max)
{
	char *end;

	if (!isdigit((unsigned char)*ps->p))
		return fail(ps, REG_BADBR);
	*min = *max = (int)strtol(ps->p, &end, 10);
	if (*end == ',') {
		end++;
		*max = isdigit((unsigned char)*end) ? (int)strtol(end, &end, 10) : INF;
	}
	ps->p = end;
	if (!at_special(ps, '}'))
		return fail(ps, *end == '\0' ? REG_EBRACE : REG_BADBR);
	skip_special(ps);
	if (*min > DUP_MAX || (*max != INF && (*max > DUP_MAX || *max < *min)))
		return fail(ps, REG_BADBR);
	return 1;
}

static struct node *repeats(struct parser *ps, struct node *atom)
{
	while (ps->error == 0) {
		int min, max;

		if (*ps->p == '*') {
			min = 0, max = INF;
			ps->p++;
		} else if (at_special(ps, '+')) {
			min = 1, max = INF;
			skip_special(ps);
		} else if (at_special(ps, '?')) {
			min = 0, max = 1;
			skip_special(ps);
		} else if (at_special(ps, '{') && (!extended(ps) || isdigit((unsigned char)ps->p[1]))) {
			skip_special(ps);
			if (!interval(ps, &min, &max))
				return NULL;
		} else
			break;
		atom = mk(ps, REPEAT, atom, NULL, min, max);
	}
	return atom;
}

/* Whether '$' here is an anchor: always in extended syntax, before the end of a branch in basic. */
static int dollar_ends(const struct parser *ps)
{
	const char *q = ps->p + 1;

	return extended(ps) || *q == '\0' || (q[0] == '\\' && (q[1] == ')' || q[1] == '|'));
}

static struct node *branch(struct parser *ps)
{
	struct node *seq = NULL;
	int first = 1;

	while (ps->error == 0 && *ps->p != '\0' && !at_special(ps, '|') && !(ps->open > 0 && at_special(ps, ')'))) {
		struct node *n;

		if (*ps->p == '^' && (extended(ps) || first)) {
			ps->p++;
			n = mk(ps, ASSERT, NULL, NULL, RE_BOL, 0);
			/* In basic syntax a star after the anchor stands for itself. */
			if (!extended(ps) && *ps->p == '*') {
				seq = seq == NULL ? n : mk(ps, CAT, seq, n, 0, 0);
				ps->p++;
				n = repeats(ps, byte_node(ps, '*'));
			}
		} else {
			if (*ps->p == '$' && dollar_ends(ps)) {
				ps->p++;
				n = mk(ps, ASSERT, NULL, NULL, RE_EOL, 0);
			} else if (at_special(ps, '('))
				n = group(ps);
			else if (*ps->p == '*' && first && !extended(ps)) {
				ps->p++;
				n = byte_node(ps, '*');
			} else if (extended(ps) && first && strchr("*+?", *ps->p) != NULL) {
				fail(ps, REG_BADRPT);
				return NULL;
			} else if (*ps->p == '\\')
				n = escape(ps);
			else if (*ps->p == '[') {
				ps->p++;
				n = bracket(ps);
			} else if (*ps->p == '.') {
				ps->p++;
				n = mk(ps, ANY, NULL, NULL, 0, 0);
			} else
				n = byte_node(ps, (unsigned char)*ps->p++);
			n = repeats(ps, n);
		}
		seq = seq == NULL ? n : mk(ps, CAT, seq, n, 0, 0);
		first = 0;
	}
	return seq != NULL ? seq : mk(ps, EMPTY, NULL, NULL, 0, 0);
}

static struct node *alternatives(struct parser *ps)
{
	struct node *n = branch(ps);

	while (ps->error == 0 && at_special(ps, '|')) {
		skip_special(ps);
		n = mk(ps, ALT, n, branch(ps), 0, 0);
	}
	return n;
}

/* --- from tree to program --- */

static int nullable(const struct node *n)
{
	switch (n->kind) {
	case BYTE:
	case ANY:
	case SET: return 0;
	case CAT: return nullable(n->l) && nullable(n->r);
	case ALT: return nullable(n->l) || nullable(n->r);
	case REPEAT: return n->a == 0 || nullable(n->l);
	case GROUP: return nullable(n->l);
	default: return 1;
	}
}

static int emit(struct parser *ps, int op, int c, int x, int y)
{
	struct re_prog *g = ps->prog;

	if (g->ninst >= RE_MAXINST) {
		fail(ps, REG_ESPACE);
		return 0;
	}
	if ((g->ninst & (g->ninst - 1)) == 0) {
		void *grown = realloc(g->inst, (size_t)(g->ninst == 0 ? 1 : g->ninst * 2) * sizeof(*g->inst));

		if (grown == NULL) {
			fail(ps, REG_ESPACE);
			return 0;
		}
		g->inst = grown;
	}
	g->inst[g->ninst] = (struct re_inst){ (uint8_t)op, (uint8_t)c, (uint16_t)x, (uint16_t)y };
	return g->ninst++;
}

static void code(struct parser *, const struct node *);

/* body* : L: split B, out; B: mark body progress; jmp L */
static void code_star(struct parser *ps, const struct node *body)
{
	struct re_prog *g = ps->prog;
	int loop = emit(ps, RE_SPLIT, 0, 0, 0), guarded = nullable(body), mark = 0;

	if (ps->error)
		return;
	g->inst[loop].x = (uint16_t)g->ninst;
	if (guarded) {
		mark = g->nmark++;
		emit(ps, RE_MARK, 0, mark, 0);
	}
	code(ps, body);
	if (guarded)
		emit(ps, RE_PROGRESS, 0, mark, 0);
	emit(ps, RE_JMP, 0, loop, 0);
	if (!ps->error)
		g->inst[loop].y = (uint16_t)g->ninst;
}

static void code_repeat(struct parser *ps, const struct node *n)
{
	struct re_prog *g = ps->prog;
	int i, nopt = n->b == INF ? 0 : n->b - n->a, *opt;

	for (i = 0; i < n->a && !ps->error; i++)
		code(ps, n->l);
	if (n->b == INF) {
		code_star(ps, n->l);
		return;
	}
	if (nopt == 0 || (opt = malloc((size_t)nopt * sizeof(int))) == NULL)
		return;
	for (i = 0; i < nopt && !ps->error; i++) {
		opt[i] = emit(ps, RE_SPLIT, 0, g->ninst + 1, 0);
		code(ps, n->l);
	}
	while (!ps->error && i-- > 0)
		g->inst[opt[i]].y = (uint16_t)g->ninst;
	free(opt);
}

static void code(struct parser *ps, const struct node *n)
{
	struct re_prog *g = ps->prog;
	int a, b;

	if (ps->error)
		return;
	switch (n->kind) {
	case EMPTY:
		break;
	case BYTE:
		emit(ps, RE_CHAR, n->a, 0, 0);
		break;
	case ANY:
		emit(ps, RE_ANY, 0, 0, 0);
		break;
	case SET:
		emit(ps, RE_SET, 0, n->a, 0);
		break;
	case CAT:
		code(ps, n->l);
		code(ps, n->r);
		break;
	case ALT:
		a = emit(ps, RE_SPLIT, 0, g->ninst + 1, 0);
		code(ps, n->l);
		b = emit(ps, RE_JMP, 0, 0, 0);
		if (ps->error)
			return;
		g->inst[a].y = (uint16_t)g->ninst;
		code(ps, n->r);
		if (!ps->error)
			g->inst[b].x = (uint16_t)g->ninst;
		break;
	case REPEAT:
		code_repeat(ps, n);
		break;
	case GROUP:
		emit(ps, RE_SAVE, 0, 2 * n->a, 0);
		code(ps, n->l);
		emit(ps, RE_SAVE, 0, 2 * n->a + 1, 0);
		break;
	case ASSERT:
		emit(ps, n->a, 0, 0, 0);
		break;
	case BACKREF:
		emit(ps, RE_BACK, 0, n->a, 0);
		break;
	}
}

int regcomp(regex_t *restrict re, const char *restrict pattern, int flags)
{
	struct re_prog *g = calloc(1, sizeof(*g));
	struct parser ps = { .p = pattern, .start = pattern, .flags = flags, .prog = g };
	struct node *tree;
	struct cell *c, *next;
	int i;

	if (g == NULL)
		return REG_ESPACE;
	g->flags = flags;
	re->__prog = g;
	tree = alternatives(&ps);
	if (ps.error == 0 && *ps.p != '\0')
		fail(&ps, REG_EPAREN);
	if (ps.error == 0) {
		emit(&ps, RE_SAVE, 0, 0, 0);
		code(&ps, tree);
		emit(&ps, RE_SAVE, 0, 1, 0);
		emit(&ps, RE_MATCH, 0, 0, 0);
	}
	for (c = (struct cell *)ps.pool; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	if (ps.error != 0) {
		regfree(re);
		return ps.error;
	}
	re->re_nsub = (size_t)g->ngroup;
	for (i = 1; g->inst[i].op == RE_SAVE; i++)
		;
	g->first = g->inst[i].op == RE_CHAR ? g->inst[i].c : -1;
	return 0;
}

void regfree(regex_t *re)
{
	if (re->__prog != NULL) {
		free(re->__prog->inst);
		free(re->__prog->set);
		free(re->__prog);
		re->__prog = NULL;
	}
}

size_t regerror(int code, const regex_t *restrict re, char *restrict out, size_t size)
{
	static const char *const texts[] = { "no error", "no match", "invalid regular expression",
		"invalid collating element", "invalid character class", "trailing backslash (\\)",
		"invalid backreference number", "brackets ([ ]) not balanced", "parentheses not balanced",
		"braces not balanced", "invalid repetition count(s)", "invalid character range", "out of memory",
		"repetition-operator operand invalid" };

	(void)re;
	return strlcpy(out, code >= 0 && code <= REG_BADRPT ? texts[code] : "unknown error", size) + 1;
}
