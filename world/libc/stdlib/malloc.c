/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Heap: segregated free lists over sbrk, and mmap for large blocks.
 *
 * A block is preceded by one 8-byte header word that holds its usable size. Classes up to 512 bytes step by 16;
 * above that there are four classes to each power of two, up to 64 KiB. Freed blocks go to the list of their
 * class and stay there: programs of this world are short-lived, so blocks are neither split nor joined.
 *
 *   M1  A usable size is a multiple of 8, and blocks are 8-byte aligned.
 *   M2  A block of more than LARGE bytes is its own mapping, and leaves with free().
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEADER 8
#define SMALL 512
#define LARGE 65536
#define CHUNK 32768
#define PAGE 4096
#define NCLASSES (SMALL / 16 + 4 * 7 + 1)

union block {
	size_t size;
	struct { size_t size; union block *next; } free; /* `next` overlays the header's spare half */
};

static union block *bins[NCLASSES];
static char *pool, *pool_end;

/* Rounds *size up to its class's size and returns the class. */
static unsigned classify(size_t *size)
{
	unsigned shift;
	size_t step;

	if (*size <= SMALL) {
		unsigned class = *size == 0 ? 0 : (unsigned)(*size - 1) / 16;

		*size = (class + 1) * 16;
		return class;
	}
	shift = 31 - (unsigned)__builtin_clz((unsigned)*size - 1); /* 2^shift <= size-1 < 2^(shift+1) */
	step = (size_t)1 << (shift - 2);
	*size = (*size + step - 1) & ~(step - 1);
	return SMALL / 16 + (shift - 9) * 4 + (unsigned)((*size - ((size_t)1 << shift)) / step) - 1;
}

/* Takes `need` bytes from the pool; what is left of an old chunk is abandoned only if the break has moved. */
static void *carve(size_t need)
{
	char *p;

	if ((size_t)(pool_end - pool) < need) {
		size_t more = need > CHUNK ? (need + PAGE - 1) & ~(size_t)(PAGE - 1) : CHUNK;
		char *fresh = sbrk((intptr_t)more);

		if (fresh == (char *)-1)
			return NULL;
		if (fresh != pool_end)
			pool = (char *)(((uintptr_t)fresh + 7) & ~(uintptr_t)7);
		pool_end = fresh + more;
		if ((size_t)(pool_end - pool) < need)
			return carve(need);
	}
	p = pool;
	pool += need;
	return p;
}

void *malloc(size_t size)
{
	union block *b;

	if (size > LARGE) {
		size_t len = (size + HEADER + PAGE - 1) & ~(size_t)(PAGE - 1);

		if (len < size) {
			errno = ENOMEM;
			return NULL;
		}
		b = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
		if (b == MAP_FAILED)
			return NULL;
		b->size = len - HEADER;
	} else {
		unsigned class = classify(&size);

		b = bins[class];
		if (b != NULL)
			bins[class] = b->free.next;
		else if ((b = carve(size + HEADER)) == NULL)
			return NULL;
		b->size = size;
	}
	return (char *)b + HEADER;
}

void free(void *p)
{
	union block *b;
	size_t size;
	unsigned class;

	if (p == NULL)
		return;
	b = (union block *)((char *)p - HEADER);
	size = b->size;
	if (size > LARGE) {
		munmap(b, size + HEADER);
		return;
	}
	class = classify(&size);
	b->free.next = bins[class];
	bins[class] = b;
}

void *calloc(size_t n, size_t each)
{
	size_t size;
	void *p;

	if (__builtin_mul_overflow(n, each, &size)) {
		errno = ENOMEM;
		return NULL;
	}
	p = malloc(size);
	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *realloc(void *p, size_t size)
{
	size_t have;
	void *q;

	if (p == NULL)
		return malloc(size);
	have = ((union block *)((char *)p - HEADER))->size;
	if (size <= have && size >= have / 4)
		return p;
	q = malloc(size);
	if (q == NULL)
		return NULL;
	memcpy(q, p, have < size ? have : size);
	free(p);
	return q;
}
