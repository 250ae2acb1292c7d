/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers from text, integers. The floating kind is in strtod.c. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Parses [space][sign][0x|0]digits. Sets *neg, *range; *stop is the first byte not used, or `s` if no digits. */
static unsigned long long parse(const char *s, const char **stop, int base, int *neg, int *range)
{
	const char *p = s;
	unsigned long long value = 0;
	int digits = 0;

	*neg = *range = 0;
	while (isspace((unsigned char)*p))
		p++;
	if (*p == '+' || *p == '-')
		*neg = *p++ == '-';
	if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 32) == 'x' && isxdigit((unsigned char)p[2])) {
		p += 2;
		base = 16;
	} else if (base == 0)
		base = *p == '0' ? 8 : 10;
	for (;; p++, digits++) {
		int c = (unsigned char)*p, d = isdigit(c) ? c - '0' : isalpha(c) ? (c | 32) - 'a' + 10 : 99;

		if (d >= base)
			break;
		if (value < 1u << 24)
			value = (unsigned)value * (unsigned)base + (unsigned)d; /* cannot overflow: no 64-bit arithmetic */
		else if (__builtin_mul_overflow(value, (unsigned)base, &value) ||
		    __builtin_add_overflow(value, (unsigned)d, &value))
			*range = 1;
	}
	*stop = digits > 0 ? p : s;
	return value;
}

static long long parse_signed(const char *s, char **end, int base, long long min, long long max)
{
	const char *stop;
	int neg, range;
	unsigned long long v = parse(s, &stop, base, &neg, &range);

	if (end != NULL)
		*end = (char *)stop;
	if (range || v > (neg ? 0ULL - (unsigned long long)min : (unsigned long long)max)) {
		errno = ERANGE;
		return neg ? min : max;
	}
	return neg ? (long long)(0 - v) : (long long)v;
}

static unsigned long long parse_unsigned(const char *s, char **end, int base, unsigned long long max)
{
	const char *stop;
	int neg, range;
	unsigned long long v = parse(s, &stop, base, &neg, &range);

	if (end != NULL)
		*end = (char *)stop;
	if (range || v > max) {
		errno = ERANGE;
		return max;
	}
	return (neg ? 0 - v : v) & max;
}

long strtol(const char *restrict s, char **restrict end, int base)
{
	return (long)parse_signed(s, end, base, LONG_MIN, LONG_MAX);
}

long long strtoll(const char *restrict s, char **restrict end, int base)
{
	return parse_signed(s, end, base, LLONG_MIN, LLONG_MAX);
}

unsigned long strtoul(const char *restrict s, char **restrict end, int base)
{
	return (unsigned long)parse_unsigned(s, end, base, ULONG_MAX);
}

unsigned long long strtoull(const char *restrict s, char **restrict end, int base)
{
	return parse_unsigned(s, end, base, ULLONG_MAX);
}

int atoi(const char *s)
{
	return (int)strtol(s, NULL, 10);
}

long atol(const char *s)
{
	return strtol(s, NULL, 10);
}

long long atoll(const char *s)
{
	return strtoll(s, NULL, 10);
}

int abs(int n)
{
	return n < 0 ? -n : n;
}

/* A whole decimal number within [min, max], or 0 with *why = "invalid", "too small" or "too large". */
long long strtonum(const char *s, long long min, long long max, const char **why)
{
	char *end;
	long long v;
	const char *text = NULL;

	errno = 0;
	v = strtoll(s, &end, 10);
	if (end == s || *end != '\0')
		text = "invalid";
	else if (v < min || (errno == ERANGE && v < 0))
		text = "too small";
	else if (v > max || errno == ERANGE)
		text = "too large";
	if (why != NULL)
		*why = text;
	return text == NULL ? v : 0;
}
