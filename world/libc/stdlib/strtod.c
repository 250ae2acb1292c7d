/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text to double. Digits are gathered in a 64-bit integer and scaled in the x87's 64-bit mantissa: right to the
 * last bit for the numbers users type, within one unit in the last place otherwise.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static long double power10(int n)
{
	long double r = 1, b = 10;

	for (; n > 0; n >>= 1, b *= b)
		if (n & 1)
			r *= b;
	return r;
}

double strtod(const char *restrict s, char **restrict end)
{
	const char *p = s;
	uint64_t m = 0;
	int neg, scale = 0, digits = 0;
	long double v;

	while (isspace((unsigned char)*p))
		p++;
	neg = *p == '-';
	if (*p == '+' || *p == '-')
		p++;
	if (strncasecmp(p, "inf", 3) == 0 || strncasecmp(p, "nan", 3) == 0) {
		v = (*p | 32) == 'i' ? __builtin_infl() : __builtin_nanl("");
		p += strncasecmp(p, "infinity", 8) == 0 ? 8 : 3;
		digits = 1;
	} else {
		int point = 0;

		for (;; p++) {
			if (*p == '.' && !point)
				point = 1;
			else if (isdigit((unsigned char)*p)) {
				digits++;
				if (m < UINT64_MAX / 10 - 1) {
					m = m * 10 + (uint64_t)(*p - '0');
					scale -= point;
				} else
					scale += !point;
			} else
				break;
		}
		if (digits > 0 && (*p | 32) == 'e') {
			char *stop;
			long e = isdigit((unsigned char)p[1]) || ((p[1] == '-' || p[1] == '+') &&
			    isdigit((unsigned char)p[2])) ? strtol(p + 1, &stop, 10) : (stop = (char *)p, 0);

			p = stop;
			scale += e > 9999 ? 9999 : e < -9999 ? -9999 : (int)e;
		}
		v = (long double)m;
		if (m != 0)
			v = scale < 0 ? v / power10(-scale) : v * power10(scale);
	}
	if (end != NULL)
		*end = (char *)(digits > 0 ? p : s);
	return (double)(neg ? -v : v);
}
