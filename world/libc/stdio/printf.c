/* SPDX-License-Identifier: BSD-3-Clause */
/* Formatted output: flags - + space # 0, width, precision, hh h l ll j z t, conversions d i o u x X c s p n % f F e E g G. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "float.h"
#include "local.h"

struct spec {
	int left, plus, space, alt, zero;
	int width, prec; /* prec -1: not given */
};

struct out { FILE *f; int total; };

static void put(struct out *o, const char *s, size_t n)
{
	o->total += (int)n;
	fwrite(s, 1, n, o->f);
}

static void pad(struct out *o, int c, int n)
{
	static const char blanks[] = "                ", zeros[] = "0000000000000000";

	for (; n > 0; n -= 16)
		put(o, c == '0' ? zeros : blanks, n < 16 ? (size_t)n : 16);
}

/* Prints prefix, zeros and body in the field. `zeros` counts those a precision demands. */
static void field(struct out *o, const struct spec *s, const char *prefix, int zeros, const char *body, size_t n)
{
	int np = (int)strlen(prefix), fill = s->width - np - zeros - (int)n;

	if (fill < 0)
		fill = 0;
	if (!s->left && !s->zero)
		pad(o, ' ', fill);
	put(o, prefix, (size_t)np);
	if (!s->left && s->zero)
		zeros += fill;
	pad(o, '0', zeros);
	put(o, body, n);
	if (s->left)
		pad(o, ' ', fill);
}

static void number(struct out *o, struct spec *s, uint64_t v, int neg, int conv)
{
	char digits[24], *p = digits + sizeof(digits);
	const char *hex = conv == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	const char *prefix = "";
	int zeros, nonzero = v != 0;

	if (conv == 'x' || conv == 'X' || conv == 'p')
		for (; v != 0; v >>= 4)
			*--p = hex[v & 15];
	else if (conv == 'o')
		for (; v != 0; v >>= 3)
			*--p = (char)('0' + (v & 7));
	else {
		for (; v > UINT32_MAX; v /= 10)
			*--p = (char)('0' + v % 10);
		for (uint32_t w = (uint32_t)v; w != 0; w /= 10)
			*--p = (char)('0' + w % 10);
	}
	if (conv == 'd')
		prefix = neg ? "-" : s->plus ? "+" : s->space ? " " : "";
	else if ((s->alt && nonzero && (conv == 'x' || conv == 'X')) || conv == 'p')
		prefix = conv == 'X' ? "0X" : "0x";
	zeros = (s->prec < 0 ? 1 : s->prec) - (int)(digits + sizeof(digits) - p);
	if (conv == 'o' && s->alt && zeros < 1)
		zeros = 1;
	if (s->prec >= 0)
		s->zero = 0;
	field(o, s, prefix, zeros > 0 ? zeros : 0, p, (size_t)(digits + sizeof(digits) - p));
}

static void floating(struct out *o, struct spec *s, double v, int conv)
{
	char text[400];
	const char *prefix = __builtin_signbit(v) ? "-" : s->plus ? "+" : s->space ? " " : "";
	size_t n = __fmt_float(text, sizeof(text), __builtin_fabs(v), conv, s->prec < 0 ? 6 : s->prec, s->alt);

	if (text[0] > '9')
		s->zero = 0; /* inf, nan */
	field(o, s, prefix, 0, text, n);
}

static int int_arg(const char **fmt, va_list *ap)
{
	int n = 0;

	if (**fmt == '*') {
		++*fmt;
		return va_arg(*ap, int);
	}
	while (**fmt >= '0' && **fmt <= '9')
		n = n * 10 + *(*fmt)++ - '0';
	return n;
}


static void flags(const char **fmt, struct spec *s)
{
	for (;; ++*fmt)
		switch (**fmt) {
		case '-': s->left = 1; break;
		case '+': s->plus = 1; break;
		case ' ': s->space = 1; break;
		case '#': s->alt = 1; break;
		case '0': s->zero = 1; break;
		default: return;
		}
}

static void format(struct out *o, const char *fmt, va_list *ap)
{
	for (;;) {
		const char *pct = strchrnul(fmt, '%');
		struct spec s = { .prec = -1 };
		int size = 0, conv;
		uint64_t v;

		if (pct > fmt)
			put(o, fmt, (size_t)(pct - fmt));
		if (*pct == '\0')
			return;
		fmt = pct + 1;
		flags(&fmt, &s);
		s.width = int_arg(&fmt, ap);
		if (s.width < 0) {
			s.left = 1;
			s.width = -s.width;
		}
		if (*fmt == '.') {
			fmt++;
			s.prec = int_arg(&fmt, ap);
		}
		for (; *fmt == 'l' || *fmt == 'h' || *fmt == 'j' || *fmt == 'z' || *fmt == 't'; fmt++)
			size += *fmt == 'l' ? 1 : *fmt == 'h' ? -1 : *fmt == 'j' ? 2 : 0;
		conv = *fmt++;
		switch (conv) {
		case 'd':
		case 'i': {
			int64_t d = size >= 2 ? va_arg(*ap, int64_t) : va_arg(*ap, int);

			if (size == -1)
				d = (short)d;
			else if (size == -2)
				d = (signed char)d;
			number(o, &s, d < 0 ? 0 - (uint64_t)d : (uint64_t)d, d < 0, 'd');
			break;
		}
		case 'o':
		case 'u':
		case 'x':
		case 'X':
			v = size >= 2 ? va_arg(*ap, uint64_t) : va_arg(*ap, unsigned);
			number(o, &s, size == -1 ? (uint16_t)v : size == -2 ? (uint8_t)v : v, 0, conv);
			break;
		case 'p':
			number(o, &s, (uintptr_t)va_arg(*ap, void *), 0, conv);
			break;
		case 'c': {
			char c = (char)va_arg(*ap, int);

			s.zero = 0;
			field(o, &s, "", 0, &c, 1);
			break;
		}
		case 's': {
			const char *str = va_arg(*ap, const char *);

			if (str == NULL)
				str = "(null)";
			s.zero = 0;
			field(o, &s, "", 0, str, s.prec >= 0 ? strnlen(str, (size_t)s.prec) : strlen(str));
			break;
		}
		case 'f':
		case 'F':
		case 'e':
		case 'E':
		case 'g':
		case 'G':
			floating(o, &s, va_arg(*ap, double), conv);
			break;
		case '%':
			put(o, "%", 1);
			break;
		case '\0':
			return;
		default: /* not a conversion: shown as it stands */
			put(o, pct, (size_t)(fmt - pct));
		}
	}
}

/*
 * Line-buffered and unbuffered streams collect one call's output before it is written, so that a message is one
 * write(2).
 */
int vfprintf(FILE *restrict f, const char *restrict fmt, va_list ap)
{
	struct out o = { f, 0 };
	unsigned char mode = f->mode;
	va_list copy;

	if (__swrite_ready(f) == EOF)
		return -1;
	mode = f->mode;
	f->mode = _IOFBF;
	va_copy(copy, ap);
	format(&o, fmt, &copy);
	va_end(copy);
	f->mode = mode;
	if (mode == _IONBF || (mode == _IOLBF && memchr(f->buf + UNGET, '\n', (size_t)(f->pos - f->buf - UNGET)) != NULL))
		__sflush(f);
	return f->flags & __SERR ? -1 : o.total;
}

int vsnprintf(char *restrict out, size_t size, const char *restrict fmt, va_list ap)
{
	FILE f = { .flags = __SCANWR | __SWR | __SSTRING, .mode = _IOFBF, .fd = -1 };
	struct out o = { &f, 0 };
	va_list copy;

	f.buf = f.pos = (unsigned char *)out;
	f.end = f.pos + (size > 0 ? size - 1 : 0);
	va_copy(copy, ap);
	format(&o, fmt, &copy);
	va_end(copy);
	if (size > 0)
		*f.pos = '\0';
	return o.total;
}

int vasprintf(char **restrict out, const char *restrict fmt, va_list ap)
{
	int n = vsnprintf(NULL, 0, fmt, ap);

	*out = malloc((size_t)n + 1);
	return *out == NULL ? -1 : vsnprintf(*out, (size_t)n + 1, fmt, ap);
}

int asprintf(char **restrict out, const char *restrict fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(out, fmt, ap);
	va_end(ap);
	return n;
}

int vprintf(const char *restrict fmt, va_list ap)
{
	return vfprintf(stdout, fmt, ap);
}

int fprintf(FILE *restrict f, const char *restrict fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vfprintf(f, fmt, ap);
	va_end(ap);
	return n;
}

int printf(const char *restrict fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vfprintf(stdout, fmt, ap);
	va_end(ap);
	return n;
}

int snprintf(char *restrict out, size_t size, const char *restrict fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	return n;
}
