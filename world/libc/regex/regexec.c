/* SPDX-License-Identifier: BSD-3-Clause */
/* regexec(3): runs the program of re.h over a string. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "re.h"

struct run {
	const struct re_prog *g;
	const char *s;
	int len, eflags, ncap;
};

static int word_at(const struct run *r, int i)
{
	return i >= 0 && i < r->len && (isalnum((unsigned char)r->s[i]) || r->s[i] == '_');
}

static int holds(const struct run *r, int op, int i)
{
	int before = word_at(r, i - 1), after = word_at(r, i), lines = r->g->flags & REG_NEWLINE;

	switch (op) {
	case RE_BOL: return i == 0 ? !(r->eflags & REG_NOTBOL) : lines && r->s[i - 1] == '\n';
	case RE_EOL: return i == r->len ? !(r->eflags & REG_NOTEOL) : lines && r->s[i] == '\n';
	case RE_WBEG: return !before && after;
	case RE_WEND: return before && !after;
	default: return before != after;
	}
}

static int consumes(const struct run *r, const struct re_inst *in, int i)
{
	int c = (unsigned char)r->s[i];

	if (i >= r->len)
		return 0;
	switch (in->op) {
	case RE_CHAR: return in->c == c;
	case RE_ANY: return c != '\n' || !(r->g->flags & REG_NEWLINE);
	default: return r->g->set[in->x][c >> 3] >> (c & 7) & 1;
	}
}

/* --- Pike's machine --- */

/* Threads in order of preference. `at` of an instruction is valid when list[at] names it back. */
struct threads { int n; uint16_t *list, *at; int *cap; };

static int queued(const struct threads *t, int pc)
{
	return t->at[pc] < t->n && t->list[t->at[pc]] == pc;
}

static void add_thread(const struct run *r, struct threads *t, int pc, int i, int *cap)
{
	const struct re_inst *in = &r->g->inst[pc];
	int old;

	if (queued(t, pc))
		return;
	t->at[pc] = (uint16_t)t->n;
	t->list[t->n] = (uint16_t)pc;
	memcpy(t->cap + t->n * r->ncap, cap, (size_t)r->ncap * sizeof(int));
	t->n++;
	switch (in->op) {
	case RE_JMP:
		add_thread(r, t, in->x, i, cap);
		break;
	case RE_SPLIT:
		add_thread(r, t, in->x, i, cap);
		add_thread(r, t, in->y, i, cap);
		break;
	case RE_MARK:
	case RE_PROGRESS:
		add_thread(r, t, pc + 1, i, cap);
		break;
	case RE_SAVE:
		if (in->x < r->ncap) {
			old = cap[in->x];
			cap[in->x] = i;
			add_thread(r, t, pc + 1, i, cap);
			cap[in->x] = old;
		} else
			add_thread(r, t, pc + 1, i, cap);
		break;
	case RE_BOL:
	case RE_EOL:
	case RE_WBEG:
	case RE_WEND:
	case RE_WEDGE:
		if (holds(r, in->op, i))
			add_thread(r, t, pc + 1, i, cap);
		break;
	}
}

/* Fills best[] with the captures of the leftmost-longest match; 0 when there is none, -1 without memory. */
static int pike(const struct run *r, int *best)
{
	size_t n = (size_t)r->g->ninst;
	size_t each = 2 * n * sizeof(uint16_t) + n * (size_t)r->ncap * sizeof(int);
	char *memory = calloc(2, each);
	struct threads a, b, *now = &a, *next = &b;
	int found = 0, i, j, cap[r->ncap];

	if (memory == NULL)
		return -1;
	a = (struct threads){ 0, (uint16_t *)memory, (uint16_t *)memory + n, (int *)((uint16_t *)memory + 2 * n) };
	b = (struct threads){ 0, (uint16_t *)(memory + each), (uint16_t *)(memory + each) + n,
		(int *)((uint16_t *)(memory + each) + 2 * n) };
	for (i = 0; i <= r->len; i++) {
		struct threads *t;

		if (now->n == 0) {
			if (found)
				break;
			if (r->g->first >= 0) {
				const char *hit = memchr(r->s + i, r->g->first, (size_t)(r->len - i));

				if (hit == NULL)
					break;
				i = (int)(hit - r->s);
			}
		}
		if (!found) {
			for (j = 0; j < r->ncap; j++)
				cap[j] = -1;
			add_thread(r, now, 0, i, cap);
		}
		next->n = 0;
		for (j = 0; j < now->n; j++) {
			int *tc = now->cap + j * r->ncap;
			const struct re_inst *in = &r->g->inst[now->list[j]];

			if (found && tc[0] > best[0])
				continue;
			if (in->op == RE_MATCH) {
				/* An earlier start wins, then the longer match, then the preferred thread. */
				if (!found || tc[0] < best[0] || tc[1] > best[1]) {
					memcpy(best, tc, (size_t)r->ncap * sizeof(int));
					found = 1;
				}
			} else if (in->op <= RE_SET && consumes(r, in, i)) {
				memcpy(cap, tc, (size_t)r->ncap * sizeof(int));
				add_thread(r, next, now->list[j] + 1, i + 1, cap);
			}
		}
		t = now;
		now = next;
		next = t;
	}
	free(memory);
	return found;
}

/* --- backtracking, for programs with back references --- */

static int back(const struct run *r, int pc, int i, int *cap, int *mark)
{
	for (;; pc++) {
		const struct re_inst *in = &r->g->inst[pc];
		int old, n;

		switch (in->op) {
		case RE_CHAR:
		case RE_ANY:
		case RE_SET:
			if (!consumes(r, in, i))
				return 0;
			i++;
			break;
		case RE_JMP:
			pc = in->x - 1;
			break;
		case RE_SPLIT:
			if (back(r, in->x, i, cap, mark))
				return 1;
			pc = in->y - 1;
			break;
		case RE_SAVE:
			old = cap[in->x];
			cap[in->x] = i;
			if (back(r, pc + 1, i, cap, mark))
				return 1;
			cap[in->x] = old;
			return 0;
		case RE_MARK:
			old = mark[in->x];
			mark[in->x] = i;
			if (back(r, pc + 1, i, cap, mark))
				return 1;
			mark[in->x] = old;
			return 0;
		case RE_PROGRESS:
			if (mark[in->x] == i)
				return 0;
			break;
		case RE_BACK:
			if (cap[2 * in->x] < 0 || cap[2 * in->x + 1] < 0)
				return 0;
			n = cap[2 * in->x + 1] - cap[2 * in->x];
			if (n > r->len - i)
				return 0;
			if ((r->g->flags & REG_ICASE ? strncasecmp(r->s + cap[2 * in->x], r->s + i, (size_t)n)
			    : memcmp(r->s + cap[2 * in->x], r->s + i, (size_t)n)) != 0)
				return 0;
			i += n;
			break;
		case RE_MATCH:
			return 1;
		default:
			if (!holds(r, in->op, i))
				return 0;
		}
	}
}

static int backtrack(const struct run *r, int *best)
{
	int i, j, mark[r->g->nmark + 1];

	for (i = 0; i <= r->len; i++) {
		for (j = 0; j < r->ncap; j++)
			best[j] = -1;
		for (j = 0; j < r->g->nmark; j++)
			mark[j] = -1;
		if (back(r, 0, i, best, mark))
			return 1;
	}
	return 0;
}

int regexec(const regex_t *restrict re, const char *restrict s, size_t nmatch, regmatch_t match[], int eflags)
{
	struct run r = { re->__prog, s, (int)strlen(s), eflags, 0 };
	int all = 2 * (re->__prog->ngroup + 1), best[all], found, i;

	if (re->__prog->flags & REG_NOSUB)
		nmatch = 0;
	r.ncap = re->__prog->has_back || nmatch > 1 ? all : 2;
	found = re->__prog->has_back ? backtrack(&r, best) : pike(&r, best);
	if (found <= 0)
		return found == 0 ? REG_NOMATCH : REG_ESPACE;
	for (i = 0; i < (int)nmatch; i++) {
		int known = 2 * i < r.ncap && best[2 * i] >= 0 && best[2 * i + 1] >= 0;

		match[i].rm_so = known ? best[2 * i] : -1;
		match[i].rm_eo = known ? best[2 * i + 1] : -1;
	}
	return 0;
}
