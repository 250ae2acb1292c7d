/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdint.h>
#include <string.h>

/*
 * Long copies and fills use the string instructions: the emulated processor runs a REP block as one operation, but
 * starting one costs as much as some dozen plain instructions, so short ones are loops.
 */
#define LONG 64

typedef uint32_t __attribute__((may_alias, aligned(1))) word;

void *memcpy(void *restrict dst, const void *restrict src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (n >= LONG) {
		size_t words = n >> 2;

		__asm__ volatile("rep movsl" : "+D"(d), "+S"(s), "+c"(words) : : "memory");
		n &= 3;
	}
	for (; n >= 4; n -= 4, d += 4, s += 4)
		*(word *)d = *(const word *)s;
	while (n-- > 0)
		*d++ = *s++;
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	const char *s;
	char *d;

	if ((uintptr_t)dst - (uintptr_t)src >= n)
		return memcpy(dst, src, n);
	d = (char *)dst + n;
	s = (const char *)src + n;
	for (; n >= 4; n -= 4) {
		d -= 4;
		s -= 4;
		*(word *)d = *(const word *)s;
	}
	while (n-- > 0)
		*--d = *--s;
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	char *d = dst;
	uint32_t pattern = (uint8_t)c * 0x01010101u;

	if (n >= LONG) {
		size_t words = n >> 2;

		__asm__ volatile("rep stosl" : "+D"(d), "+c"(words) : "a"(pattern) : "memory");
		n &= 3;
	}
	for (; n >= 4; n -= 4, d += 4)
		*(word *)d = pattern;
	while (n-- > 0)
		*d++ = (char)c;
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n >= 4 && *(const word *)p == *(const word *)q; n -= 4, p += 4, q += 4)
		;
	for (; n > 0; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (; n > 0; n--, p++)
		if (*p == (unsigned char)c)
			return (void *)p;
	return NULL;
}

void *memrchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	while (n-- > 0)
		if (p[n] == (unsigned char)c)
			return (void *)(p + n);
	return NULL;
}
