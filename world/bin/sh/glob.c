/* SPDX-License-Identifier: BSD-3-Clause */
/* File names from patterns. A field without pattern bytes, or one that matches nothing, stays as it is. */
#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include "sh.h"

struct matches { char **v; int n, room; };

static void add(struct words ***tail, char *text)
{
	struct words *w = arena_alloc(scratch, sizeof(*w));

	w->text = text;
	**tail = w;
	*tail = &w->next;
}

/* A bracket counts only with its partner: the command [ is no pattern. */
static int has_magic(const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\\')
			p++;
		else if (*p == '*' || *p == '?' || (*p == '[' && memchr(p, ']', (size_t)(end - p)) != NULL))
			return 1;
	}
	return 0;
}

static void unescape(char *out, const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		*out++ = *p;
	}
	*out = '\0';
}

/* `done` is the path so far, `p` the rest of the pattern. */
static void match(char *done, const char *p, struct matches *m)
{
	size_t len = strlen(done);
	const char *end;
	char component[MAXPATHLEN];
	struct dirent *de;
	struct stat st;
	DIR *d;

	while (*p == '/' && len + 1 < MAXPATHLEN) {
		done[len++] = '/';
		done[len] = '\0';
		p++;
	}
	if (*p == '\0') {
		if (m->n == m->room)
			m->v = xrealloc(m->v, (size_t)(m->room = m->room * 2 + 16) * sizeof(char *));
		m->v[m->n++] = xstrdup(done);
		return;
	}
	end = strchrnul(p, '/');
	if ((size_t)(end - p) >= sizeof(component))
		return;
	if (!has_magic(p, end)) {
		if (len + (size_t)(end - p) >= MAXPATHLEN)
			return;
		unescape(done + len, p, end);
		if (lstat(done, &st) == 0 && (*end == '\0' || (stat(done, &st) == 0 && S_ISDIR(st.st_mode))))
			match(done, end, m);
		done[len] = '\0';
		return;
	}
	memcpy(component, p, (size_t)(end - p));
	component[end - p] = '\0';
	if ((d = opendir(len > 0 ? done : ".")) == NULL)
		return;
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.' && component[0] != '.')
			continue;
		if (fnmatch(component, de->d_name, FNM_PERIOD) != 0 || len + de->d_namlen >= MAXPATHLEN)
			continue;
		strcpy(done + len, de->d_name);
		if (*end == '\0' || (stat(done, &st) == 0 && S_ISDIR(st.st_mode)))
			match(done, end, m);
		done[len] = '\0';
	}
	closedir(d);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The bytes as they are, without the marks between them. */
static char *plain(const struct xbuf *x, int from, int to)
{
	char *text = arena_alloc(scratch, (size_t)(to - from) + 1), *out = text;
	int i;

	for (i = from; i < to; i++)
		if (!(x->f[i] & (F_NULL | F_BREAK)))
			*out++ = x->c[i];
	*out = '\0';
	return text;
}

static int may_match(const struct xbuf *x, int from, int to)
{
	int i;

	for (i = from; i < to; i++)
		if ((x->c[i] == '*' || x->c[i] == '?' || x->c[i] == '[') && !(x->f[i] & F_QUOTED))
			return !opt('f');
	return 0;
}

/* Adds the field x[from, to) to the list, as file names where it is a pattern that has some. */
void glob_field(const struct xbuf *x, int from, int to, struct words ***tail)
{
	struct matches m = { 0 };
	int i;

	if (may_match(x, from, to)) {
		struct xbuf part = { 0 };
		char *pattern, done[MAXPATHLEN];

		for (i = from; i < to; i++)
			x_put(&part, x->c[i], x->f[i]);
		pattern = x_string(&part, 1);
		if (has_magic(pattern, pattern + strlen(pattern))) {
			done[0] = '\0';
			match(done, pattern, &m);
			qsort(m.v, (size_t)m.n, sizeof(char *), by_name);
		}
		free(pattern);
	}
	for (i = 0; i < m.n; i++) {
		add(tail, arena_strdup(scratch, m.v[i]));
		free(m.v[i]);
	}
	free(m.v);
	if (m.n == 0)
		add(tail, plain(x, from, to));
}
