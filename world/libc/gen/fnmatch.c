/* SPDX-License-Identifier: BSD-3-Clause */
/* Shell patterns: ? * [set] and backslash. The C locale, so ranges go by byte value. */
#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

static int fold(int c, int flags)
{
	return flags & FNM_CASEFOLD ? tolower(c) : c;
}

static int in_class(const char *name, size_t len, int c)
{
	static const struct { const char *name; int (*test)(int); } classes[] = {
		{ "alnum", isalnum }, { "alpha", isalpha }, { "blank", isblank }, { "cntrl", iscntrl },
		{ "digit", isdigit }, { "graph", isgraph }, { "lower", islower }, { "print", isprint },
		{ "punct", ispunct }, { "space", isspace }, { "upper", isupper }, { "xdigit", isxdigit },
	};
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strlen(classes[i].name) == len && strncmp(classes[i].name, name, len) == 0)
			return classes[i].test(c);
	return 0;
}

/* `p` stands after '['. Returns the byte after ']', or NULL when there is none ('[' is then literal). */
static const char *match_set(const char *p, int c, int flags, int *hit)
{
	int negate = *p == '!' || *p == '^', first = 1;

	*hit = 0;
	c = fold(c, flags);
	if (negate)
		p++;
	for (;; first = 0) {
		int lo, hi;

		if (*p == '\0')
			return NULL;
		if (*p == ']' && !first)
			break;
		if (p[0] == '[' && p[1] == ':') {
			const char *stop = strstr(p + 2, ":]");

			if (stop != NULL) {
				*hit |= in_class(p + 2, (size_t)(stop - p - 2), c);
				p = stop + 2;
				continue;
			}
		}
		if (*p == '\\' && !(flags & FNM_NOESCAPE) && p[1] != '\0')
			p++;
		lo = hi = (unsigned char)*p++;
		if (p[0] == '-' && p[1] != ']' && p[1] != '\0') {
			p++;
			if (*p == '\\' && !(flags & FNM_NOESCAPE) && p[1] != '\0')
				p++;
			hi = (unsigned char)*p++;
		}
		if (fold(lo, flags) <= c && c <= fold(hi, flags))
			*hit = 1;
	}
	*hit ^= negate;
	return p + 1;
}

/*
 * A mismatch goes back to the latest '*' only: an earlier one cannot do better, so the time is at most
 * pattern times string.
 */
int fnmatch(const char *p, const char *s, int flags)
{
	const char *start = s, *star = NULL, *resume = NULL;

	for (;;) {
		int leading = *s == '.' && flags & FNM_PERIOD && (s == start || (flags & FNM_PATHNAME && s[-1] == '/'));
		int c = (unsigned char)*p, hit;
		const char *next;

		if (c == '*' && !leading) {
			star = ++p;
			resume = s;
			continue;
		}
		if (*s == '\0') {
			if (c == '\0')
				return 0;
		} else if (c == '?' && !leading && !(*s == '/' && flags & FNM_PATHNAME)) {
			p++, s++;
			continue;
		} else if (c == '[' && !leading && !(*s == '/' && flags & FNM_PATHNAME) &&
		    (next = match_set(p + 1, (unsigned char)*s, flags, &hit)) != NULL) {
			if (hit) {
				p = next;
				s++;
				continue;
			}
		} else if (c != '\0' && c != '*') {
			if (c == '\\' && !(flags & FNM_NOESCAPE) && p[1] != '\0')
				c = (unsigned char)*++p;
			if (fold(c, flags) == fold((unsigned char)*s, flags)) {
				p++, s++;
				continue;
			}
		}
		if (star == NULL || *resume == '\0' || (*resume == '/' && flags & FNM_PATHNAME))
			return FNM_NOMATCH;
		p = star;
		s = ++resume;
	}
}
