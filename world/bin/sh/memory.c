/* SPDX-License-Identifier: BSD-3-Clause */
/* Arenas, growing strings, and allocation that does not fail. */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include "sh.h"

#define CHUNK 1000

struct chunk { struct chunk *next; size_t used, size; char data[]; };

struct arena *scratch;
static struct chunk *spare; /* ordinary chunks to use again, a few */
static int nspare;

void *xmalloc(size_t n)
{
	return xrealloc(NULL, n);
}

void *xrealloc(void *p, size_t n)
{
	p = realloc(p, n > 0 ? n : 1);
	if (p == NULL)
		errx(2, "out of memory");
	return p;
}

char *xstrdup(const char *s)
{
	return strcpy(xmalloc(strlen(s) + 1), s);
}

struct arena *arena_new(void)
{
	struct arena *a = xmalloc(sizeof(*a));

	a->chunks = NULL;
	a->refs = 1;
	return a;
}

void arena_ref(struct arena *a)
{
	a->refs++;
}

void arena_free(struct arena *a)
{
	struct chunk *c, *next;

	if (a == NULL || --a->refs > 0)
		return;
	for (c = a->chunks; c != NULL; c = next) {
		next = c->next;
		if (c->size == CHUNK && nspare < 8) {
			c->next = spare;
			spare = c;
			nspare++;
		} else
			free(c);
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct chunk *c = a->chunks;
	void *p;

	n = (n + 7) & ~(size_t)7;
	if (c == NULL || c->size - c->used < n) {
		size_t size = n > CHUNK ? n : CHUNK;

		if (size == CHUNK && spare != NULL) {
			c = spare;
			spare = c->next;
			nspare--;
		} else
			c = xmalloc(sizeof(*c) + size);
		c->next = a->chunks;
		c->used = 0;
		c->size = size;
		a->chunks = c;
	}
	p = c->data + c->used;
	c->used += n;
	return memset(p, 0, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	return memcpy(arena_alloc(a, n + 1), s, n);
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}

void str_add(struct str *b, const char *s, size_t n)
{
	if (b->n + n + 1 > b->room) {
		b->room = (b->n + n + 1) * 2 + 16;
		b->s = xrealloc(b->s, b->room);
	}
	memcpy(b->s + b->n, s, n);
	b->n += n;
	b->s[b->n] = '\0';
}

void str_addc(struct str *b, int c)
{
	char byte = (char)c;

	str_add(b, &byte, 1);
}

void str_adds(struct str *b, const char *s)
{
	str_add(b, s, strlen(s));
}

void str_free(struct str *b)
{
	free(b->s);
	*b = (struct str){ 0 };
}
