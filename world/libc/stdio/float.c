/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doubles as decimal text, exactly: the value is written out as a big decimal number in base 10^9, from which
 * any number of digits can be taken and rounded half to even, as IEEE 754 asks.
 */
#include "float.h"
#include <stdint.h>
#include <string.h>

#define BASE 1000000000u
#define NINT 36   /* 2^1024 < 10^309: 35 limbs */
#define NFRAC 121 /* 2^-1074 ends after 1074 decimals: 120 limbs */

/* limb[0..NINT) is the integer part, most significant first; then the fraction. */
struct decimal { uint32_t limb[NINT + NFRAC]; };

static void decompose(struct decimal *d, double v)
{
	union { double v; uint64_t u; } bits = { v };
	int exp = (int)(bits.u >> 52 & 0x7ff), i;
	uint64_t m = bits.u & 0xfffffffffffffULL;

	memset(d, 0, sizeof(*d));
	if (exp != 0)
		m |= 1ULL << 52;
	else
		exp = 1;
	exp -= 1075; /* value = m * 2^exp */
	d->limb[NINT - 1] = (uint32_t)(m % BASE);
	d->limb[NINT - 2] = (uint32_t)(m / BASE);
	for (; exp > 0; ) {
		int step = exp > 29 ? 29 : exp;
		uint64_t carry = 0;

		for (i = NINT; i-- > 0;) {
			carry += (uint64_t)d->limb[i] << step;
			d->limb[i] = (uint32_t)(carry % BASE);
			carry /= BASE;
		}
		exp -= step;
	}
	while (exp < 0) {
		int step = -exp > 9 ? 9 : -exp; /* 2^9 divides 10^9, so remainders stay whole */
		uint32_t rem = 0, mask = (1u << step) - 1;

		for (i = 0; i < NINT + NFRAC; i++) {
			uint32_t x = d->limb[i];

			d->limb[i] = (x >> step) + rem;
			rem = (x & mask) * (BASE >> step);
		}
		exp += step;
	}
}

static char digit(const struct decimal *d, int pos)
{
	/* pos 0 is the units digit, negative positions are left of it */
	int at = pos + NINT * 9 - 1, limb = at / 9, k = 8 - at % 9;
	uint32_t x;

	if (at < 0 || limb >= NINT + NFRAC)
		return 0;
	for (x = d->limb[limb]; k > 0; k--)
		x /= 10;
	return (char)(x % 10);
}

/* True when a digit after `pos` is not zero. */
static int more(const struct decimal *d, int pos)
{
	for (pos++; pos <= NFRAC * 9; pos++)
		if (digit(d, pos))
			return 1;
	return 0;
}

/* Writes digits first..last into out, rounded. Returns 1 when the rounding carried out of the first one. */
static int take(const struct decimal *d, int first, int last, char *out)
{
	int i, n = last - first + 1, next = digit(d, last + 1);
	int up = next > 5 || (next == 5 && (more(d, last + 1) || (n > 0 ? digit(d, last) & 1 : 0)));

	for (i = 0; i < n; i++)
		out[i] = (char)('0' + digit(d, first + i));
	for (i = n; up && i-- > 0;) {
		up = out[i] == '9';
		out[i] = up ? '0' : (char)(out[i] + 1);
	}
	return up;
}

static size_t trim(char *out, size_t n)
{
	if (memchr(out, '.', n) != NULL) {
		while (out[n - 1] == '0')
			n--;
		if (out[n - 1] == '.')
			n--;
	}
	return n;
}

static int first_digit(const struct decimal *d)
{
	int pos;

	for (pos = -(NINT * 9 - 1); pos <= NFRAC * 9; pos++)
		if (digit(d, pos))
			return pos;
	return 0;
}

static size_t fixed(char *out, const struct decimal *d, int prec, int alt)
{
	int first = first_digit(d);
	size_t n;
	int head;

	if (first > 0)
		first = 0;
	head = 1 - first;
	if (take(d, first, prec, out + 1)) {
		out[0] = '1';
		head++;
		n = (size_t)(head + prec);
	} else {
		n = (size_t)(head + prec);
		memmove(out, out + 1, n);
	}
	if (prec > 0 || alt) {
		memmove(out + head + 1, out + head, (size_t)prec);
		out[head] = '.';
		n++;
	}
	return n;
}

static size_t exponent(char *out, const struct decimal *d, int prec, int alt, int letter, int *value)
{
	int first = first_digit(d), e = -first, i, ne = 0;
	size_t n = 1;
	char digits[8];

	if (take(d, first, first + prec, out + 1)) {
		out[1] = '1'; /* 9.99 became 10.0: all other digits are zero already */
		e++;
	}
	out[0] = out[1];
	if (prec > 0 || alt) {
		out[1] = '.';
		n += 1 + (size_t)prec;
	}
	*value = e;
	if (letter == 0)
		return n;
	out[n++] = (char)letter;
	out[n++] = e < 0 ? '-' : '+';
	if (e < 0)
		e = -e;
	do
		digits[ne++] = (char)('0' + e % 10);
	while ((e /= 10) != 0 || ne < 2);
	for (i = ne; i-- > 0;)
		out[n++] = digits[i];
	return n;
}

size_t __fmt_float(char *out, size_t size, double v, int conv, int prec, int alt)
{
	struct decimal d;
	int upper = conv < 'a', kind = conv | 32, e;
	size_t n;

	if (v != v || v > 1.7976931348623157e308) {
		strlcpy(out, v != v ? (upper ? "NAN" : "nan") : upper ? "INF" : "inf", size);
		return 3;
	}
	if ((size_t)prec > size - 330)
		prec = (int)size - 330; /* 309 digits, point, exponent */
	decompose(&d, v);
	if (kind == 'f')
		n = fixed(out, &d, prec, alt);
	else if (kind == 'e')
		n = exponent(out, &d, prec, alt, conv, &e);
	else {
		if (prec == 0)
			prec = 1;
		exponent(out, &d, prec - 1, 0, 0, &e);
		if (e < -4 || e >= prec) {
			char tail[8];
			size_t ntail;
			char *x;

			n = exponent(out, &d, prec - 1, alt, upper ? 'E' : 'e', &e);
			x = memchr(out, upper ? 'E' : 'e', n);
			ntail = (size_t)(out + n - x);
			memcpy(tail, x, ntail);
			n = alt ? (size_t)(x - out) : trim(out, (size_t)(x - out));
			memcpy(out + n, tail, ntail);
			n += ntail;
		} else {
			n = fixed(out, &d, prec - 1 - e, alt);
			if (!alt)
				n = trim(out, n);
		}
	}
	out[n] = '\0';
	return n;
}
