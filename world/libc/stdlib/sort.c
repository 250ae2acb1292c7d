/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>
#include <string.h>

static void swap(char *a, char *b, size_t size)
{
	for (; size >= 4; size -= 4, a += 4, b += 4) {
		unsigned t;

		memcpy(&t, a, 4);
		memcpy(a, b, 4);
		memcpy(b, &t, 4);
	}
	for (; size > 0; size--, a++, b++) {
		char t = *a;

		*a = *b;
		*b = t;
	}
}

static void sift(char *base, size_t root, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	size_t child;

	for (; (child = 2 * root + 1) < n; root = child) {
		if (child + 1 < n && cmp(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (cmp(base + root * size, base + child * size) >= 0)
			return;
		swap(base + root * size, base + child * size, size);
	}
}

/* Heapsort: in place, O(n log n) for any input, not stable. */
void qsort(void *array, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	char *base = array;
	size_t i;

	for (i = n / 2; i-- > 0;)
		sift(base, i, n, size, cmp);
	for (i = n; i-- > 1;) {
		swap(base, base + i * size, size);
		sift(base, 0, i, size, cmp);
	}
}

void *bsearch(const void *key, const void *array, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	const char *base = array;

	while (n > 0) {
		const char *mid = base + n / 2 * size;
		int c = cmp(key, mid);

		if (c == 0)
			return (void *)mid;
		if (c > 0) {
			base = mid + size;
			n -= n / 2 + 1;
		} else
			n /= 2;
	}
	return NULL;
}
