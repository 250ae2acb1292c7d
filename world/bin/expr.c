/* SPDX-License-Identifier: BSD-3-Clause */
/* expr expression: | & = > >= < <= != + - * / % : ( ) and strings. Status 0, 1 for null or 0, 2 for errors. */
#include <err.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **args;

static char *any(void);

static char *text(long long v)
{
	char *s;

	if (asprintf(&s, "%lld", v) == -1)
		err(2, "malloc");
	return s;
}

static int is_number(const char *s, long long *v)
{
	char *end;

	*v = strtoll(s, &end, 10);
	return *s != '\0' && *end == '\0' && *s != ' ' && *s != '+';
}

static int is_null(const char *s)
{
	long long v;

	return *s == '\0' || (is_number(s, &v) && v == 0);
}

static char *primary(void)
{
	char *v;

	if (*args == NULL)
		errx(2, "syntax error");
	if (strcmp(*args, "(") == 0) {
		args++;
		v = any();
		if (*args == NULL || strcmp(*args++, ")") != 0)
			errx(2, "syntax error");
		return v;
	}
	return *args++;
}

/* string : basic regular expression, anchored at the start. */
static char *match(void)
{
	char *s = primary(), *pattern, *anchored, *out;
	regex_t re;
	regmatch_t m[2];

	while (*args != NULL && strcmp(*args, ":") == 0) {
		args++;
		pattern = primary();
		if (asprintf(&anchored, "^%s", *pattern == '^' ? pattern + 1 : pattern) == -1)
			err(2, "malloc");
		if (regcomp(&re, anchored, 0) != 0)
			errx(2, "%s: invalid regular expression", pattern);
		if (regexec(&re, s, 2, m, 0) != 0)
			out = re.re_nsub > 0 ? (char *)"" : text(0);
		else if (re.re_nsub > 0 && m[1].rm_so >= 0)
			out = strndup(s + m[1].rm_so, (size_t)(m[1].rm_eo - m[1].rm_so));
		else
			out = re.re_nsub > 0 ? (char *)"" : text(m[0].rm_eo);
		regfree(&re);
		free(anchored);
		s = out;
	}
	return s;
}

static long long operand(const char *s)
{
	long long v;

	if (!is_number(s, &v))
		errx(2, "non-numeric argument: %s", s);
	return v;
}

static char *product(void)
{
	char *a = match();

	while (*args != NULL && (*args)[0] != '\0' && (*args)[1] == '\0' && strchr("*/%", **args) != NULL) {
		char op = **args++;
		long long x = operand(a), y = operand(match());

		if (op != '*' && y == 0)
			errx(2, "division by zero");
		a = text(op == '*' ? x * y : y == -1 ? (op == '/' ? -x : 0) : op == '/' ? x / y : x % y);
	}
	return a;
}

static char *sum(void)
{
	char *a = product();

	while (*args != NULL && (strcmp(*args, "+") == 0 || strcmp(*args, "-") == 0)) {
		char op = **args++;
		long long x = operand(a), y = operand(product());

		a = text(op == '+' ? x + y : x - y);
	}
	return a;
}

static char *comparison(void)
{
	static const char *const ops[] = { "=", "==", "!=", "<", "<=", ">", ">=" };
	char *a = sum();
	unsigned i;

	for (;;) {
		long long x, y;
		char *b;
		int c;

		for (i = 0; *args != NULL && i < 7 && strcmp(*args, ops[i]) != 0; i++)
			;
		if (*args == NULL || i == 7)
			return a;
		args++;
		b = sum();
		c = is_number(a, &x) && is_number(b, &y) ? (x > y) - (x < y) : strcmp(a, b);
		a = text(i <= 1 ? c == 0 : i == 2 ? c != 0 : i == 3 ? c < 0 : i == 4 ? c <= 0 : i == 5 ? c > 0 : c >= 0);
	}
}

static char *all(void)
{
	char *a = comparison();

	while (*args != NULL && strcmp(*args, "&") == 0) {
		char *b;

		args++;
		b = comparison();
		if (is_null(a) || is_null(b))
			a = text(0);
	}
	return a;
}

static char *any(void)
{
	char *a = all();

	while (*args != NULL && strcmp(*args, "|") == 0) {
		char *b;

		args++;
		b = all();
		if (is_null(a))
			a = *b != '\0' ? b : text(0);
	}
	return a;
}

int main(int argc, char **argv)
{
	char *v;

	args = argv + 1;
	if (argc > 1 && strcmp(*args, "--") == 0)
		args++;
	v = any();
	if (*args != NULL)
		errx(2, "syntax error");
	puts(v);
	return is_null(v);
}
