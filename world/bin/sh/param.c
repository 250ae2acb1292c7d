/* SPDX-License-Identifier: BSD-3-Clause */
/* ${name}, ${name:-word} and relatives, ${#name}, ${name%pattern}..., and the special parameters. */
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "sh.h"

/* "$@" and "$*". Unquoted, both are the parameters as separate fields that may split further. */
static void all_params(struct xbuf *x, int star, int quoted)
{
	const char *ifs = var_get("IFS");
	int i;

	for (i = 0; i < params.n; i++) {
		if (i > 0) {
			if (quoted && star) {
				if (ifs == NULL || *ifs != '\0')
					x_put(x, ifs == NULL ? ' ' : *ifs, F_QUOTED);
			} else
				x_put(x, 0, quoted ? F_BREAK | F_NULL : F_BREAK);
		} else if (quoted && !star)
			x_put(x, 0, F_NULL);
		x_value(x, params.v[i], quoted);
	}
}

static const char *option_letters(void)
{
	static char text[sizeof(OPTIONS) + 2];
	char *out = text;
	const char *p;

	for (p = OPTIONS; *p != '\0'; p++)
		if (opt(*p))
			*out++ = *p;
	*out = '\0';
	return text;
}

/* Value of a parameter other than @ and *, or NULL when unset. */
static const char *value_of(const char *name, size_t len)
{
	static char number[16];
	int n;

	if (isdigit((unsigned char)*name)) {
		n = atoi(name);
		return n == 0 ? arg0 : n <= params.n ? params.v[n - 1] : NULL;
	}
	switch (*name) {
	case '?': n = last_status; break;
	case '#': n = params.n; break;
	case '$': n = sh_pid; break;
	case '!':
		if (last_bg == 0)
			return NULL;
		n = last_bg;
		break;
	case '-':
		return option_letters();
	default:
		return var_get_n(name, len);
	}
	snprintf(number, sizeof(number), "%d", n);
	return number;
}

static size_t name_length(const char *p)
{
	size_t n = 0;

	if (isdigit((unsigned char)*p)) {
		while (isdigit((unsigned char)p[n]))
			n++;
		return n;
	}
	if (*p != '\0' && strchr("@*#?-$!", *p) != NULL)
		return 1;
	while (isalnum((unsigned char)p[n]) || p[n] == '_')
		n++;
	return n;
}

/* Removes the shortest or longest prefix or suffix that matches. */
static char *trim(const char *value, const char *pattern, int suffix, int longest)
{
	size_t n = strlen(value), i;
	char *copy = xstrdup(value);

	for (i = 0; i <= n; i++) {
		size_t cut = suffix == longest ? i : n - i;
		char saved = copy[cut];
		int hit;

		if (suffix)
			hit = fnmatch(pattern, copy + cut, 0) == 0;
		else {
			copy[cut] = '\0';
			hit = fnmatch(pattern, copy, 0) == 0;
			copy[cut] = saved;
		}
		if (hit) {
			if (suffix)
				copy[cut] = '\0';
			else
				memmove(copy, copy + cut, n - cut + 1);
			break;
		}
	}
	return copy;
}

static char *word_string(const char *p, const char *end, int flags, int quoted)
{
	struct xbuf x = { 0 };

	x_text(&x, p, end, flags | X_INBRACE, quoted);
	return x_string(&x, flags & X_PATTERN);
}

static void bad_substitution(void)
{
	sh_error("bad substitution");
}

/* ${...}: `p` stands after the brace, `end` on the closing one. */
static void braced(struct xbuf *x, const char *p, const char *end, int flags, int quoted)
{
	const char *value;
	size_t len;
	int colon, op, list;
	char *word, text[16];

	if (*p == '#' && end - p > 1 && name_length(p + 1) == (size_t)(end - p - 1)) {
		value = p[1] == '@' || p[1] == '*' ? NULL : value_of(p + 1, (size_t)(end - p - 1));
		snprintf(text, sizeof(text), "%d", p[1] == '@' || p[1] == '*' ? params.n :
		    value != NULL ? (int)strlen(value) : 0);
		x_value(x, text, quoted);
		return;
	}
	len = name_length(p);
	if (len == 0)
		bad_substitution();
	list = *p == '@' || *p == '*';
	value = list ? (params.n > 0 ? params.v[0] : NULL) : value_of(p, len);
	if (p + len == end) {
		x_param(x, p, flags | X_BRACED, quoted);
		return;
	}
	word = NULL;
	colon = p[len] == ':';
	op = p[len + (colon != 0)];
	if (colon && value != NULL && *value == '\0' && strchr("-=?+", op) != NULL)
		value = NULL;
	{
		const char *w = p + len + 1 + (colon != 0);
		int twice = !colon && (op == '#' || op == '%') && *w == op;

		switch (op) {
		case '-':
			if (value == NULL) {
				x_text(x, w, end, flags | X_INBRACE, quoted);
				return;
			}
			break;
		case '+':
			if (value != NULL)
				x_text(x, w, end, flags | X_INBRACE, quoted);
			return;
		case '=':
			if (value == NULL) {
				char name[len + 1];

				memcpy(name, p, len);
				name[len] = '\0';
				if (!valid_name(name, len))
					bad_substitution();
				word = word_string(w, end, flags & ~X_PATTERN, quoted);
				var_set(name, word, 0);
				free(word);
				value = var_get(name);
			}
			break;
		case '?':
			if (value == NULL) {
				word = w < end ? word_string(w, end, 0, quoted) : xstrdup("parameter not set");
				sh_error("%.*s: %s", (int)len, p, word);
			}
			break;
		case '#':
		case '%':
			if (colon)
				bad_substitution();
			if (value == NULL)
				value = "";
			{
				char *pattern = word_string(w + twice, end, X_PATTERN, 0), *cut;

				cut = trim(value, pattern, op == '%', twice);
				x_value(x, cut, quoted);
				free(cut);
				free(pattern);
			}
			return;
		default:
			bad_substitution();
		}
	}
	if (list)
		all_params(x, *p == '*', quoted);
	else if (value != NULL)
		x_value(x, value, quoted);
}

const char *x_param(struct xbuf *x, const char *p, int flags, int quoted)
{
	const char *value;
	size_t len;

	if (*p == '{') {
		const char *end = skip_word_part(p - 1) - 1;

		braced(x, p + 1, end, flags, quoted);
		return end + 1;
	}
	len = name_length(p);
	if (len == 0) {
		x_put(x, '$', quoted ? F_QUOTED : 0);
		return p;
	}
	if (isdigit((unsigned char)*p) && !(flags & X_BRACED))
		len = 1;
	if (*p == '@' || *p == '*') {
		all_params(x, *p == '*', quoted);
		return p + len;
	}
	if (isdigit((unsigned char)*p) && len == 1) {
		char one[2] = { *p, '\0' };

		value = value_of(one, 1);
	} else
		value = value_of(p, len);
	if (value != NULL)
		x_value(x, value, quoted);
	else if (opt('u'))
		sh_error("%.*s: parameter not set", (int)len, p);
	return p + len;
}
