/* SPDX-License-Identifier: BSD-3-Clause */
/* Variables, positional parameters, functions. */
#include <ctype.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>
#include "sh.h"

#define BUCKETS 64

static struct var *table[BUCKETS];
static struct func *functions;
struct params params;
char *arg0;

/* What `local` has to put back, innermost function first. A frame starts with a NULL name. */
struct hidden { char *name, *value; int flags; struct hidden *next; };
static struct hidden *locals;

static struct var **bucket(const char *name, size_t len)
{
	unsigned h = 0;
	size_t i;

	for (i = 0; i < len; i++)
		h = h * 31 + (unsigned char)name[i];
	return &table[h % BUCKETS];
}

struct var *var_find(const char *name, size_t len)
{
	struct var *v;

	for (v = *bucket(name, len); v != NULL; v = v->next)
		if (strncmp(v->name, name, len) == 0 && v->name[len] == '\0')
			return v;
	return NULL;
}

const char *var_get_n(const char *name, size_t len)
{
	struct var *v;

	if (len == 6 && strncmp(name, "LINENO", 6) == 0) {
		static char text[12];

		snprintf(text, sizeof(text), "%d", lineno);
		return text;
	}
	v = var_find(name, len);
	return v != NULL && !(v->flags & V_UNSET) ? v->value : NULL;
}

const char *var_get(const char *name)
{
	return var_get_n(name, strlen(name));
}

static struct var *var_make(const char *name, size_t len)
{
	struct var *v = var_find(name, len), **b;

	if (v != NULL)
		return v;
	b = bucket(name, len);
	v = xmalloc(sizeof(*v));
	*v = (struct var){ .name = xmalloc(len + 1), .flags = V_UNSET, .next = *b };
	memcpy(v->name, name, len);
	v->name[len] = '\0';
	return *b = v;
}

/* Sets `value` (NULL: leaves it) and adds flags. */
static void assign(const char *name, size_t len, const char *value, int flags)
{
	struct var *v = var_make(name, len);
	char *copy;

	if (value != NULL) {
		if (v->flags & V_READONLY)
			sh_error("%s: is read only", v->name);
		copy = xstrdup(value);
		free(v->value);
		v->value = copy;
		v->flags &= ~V_UNSET;
		if (opt('a'))
			flags |= V_EXPORT;
	}
	v->flags |= flags;
}

void var_set(const char *name, const char *value, int flags)
{
	assign(name, strlen(name), value, flags);
}

/* NAME=VALUE as it stands, no expansion. */
void var_assign(const char *text, int flags)
{
	const char *eq = strchrnul(text, '=');

	assign(text, (size_t)(eq - text), *eq == '=' ? eq + 1 : NULL, flags);
}

int var_unset(const char *name)
{
	struct var *v = var_find(name, strlen(name));

	if (v == NULL)
		return 0;
	if (v->flags & V_READONLY) {
		sh_warn("%s: is read only", name);
		return 1;
	}
	free(v->value);
	v->value = NULL;
	v->flags = V_UNSET;
	return 0;
}

/* The environment for a program: exported variables, overridden by `extra` (expanded NAME=VALUE words). */
char **var_environ(struct words *extra)
{
	size_t n = 0, room = 64, i;
	char **env = arena_alloc(scratch, room * sizeof(char *));
	struct var *v;
	struct words *w;
	int b;

	for (b = 0; b < BUCKETS; b++)
		for (v = table[b]; v != NULL; v = v->next) {
			size_t len = strlen(v->name), size;

			if ((v->flags & (V_EXPORT | V_UNSET)) != V_EXPORT)
				continue;
			for (w = extra; w != NULL; w = w->next)
				if (strncmp(w->text, v->name, len) == 0 && w->text[len] == '=')
					break;
			if (w != NULL)
				continue;
			if (n + 2 >= room) {
				char **grown = arena_alloc(scratch, (room *= 2) * sizeof(char *));

				env = memcpy(grown, env, n * sizeof(char *));
			}
			size = len + strlen(v->value) + 2;
			env[n] = arena_alloc(scratch, size);
			snprintf(env[n++], size, "%s=%s", v->name, v->value);
		}
	for (i = n, w = extra; w != NULL; w = w->next)
		i++;
	if (i + 1 > room) {
		char **grown = arena_alloc(scratch, (i + 1) * sizeof(char *));

		env = memcpy(grown, env, n * sizeof(char *));
	}
	for (w = extra; w != NULL; w = w->next)
		env[n++] = w->text;
	env[n] = NULL;
	return env;
}

void vars_init(void)
{
	char **e, cwd[MAXPATHLEN], number[12];
	static const struct { const char *name, *value; } defaults[] = {
		{ "PATH", "/bin:/sbin:/usr/bin:/usr/sbin" }, { "PS2", "> " }, { "PS4", "+ " }, { "OPTIND", "1" },
	};
	size_t i;

	for (e = environ; *e != NULL; e++) {
		size_t len = (size_t)(strchrnul(*e, '=') - *e);

		if ((*e)[len] == '=' && valid_name(*e, len))
			var_assign(*e, V_EXPORT);
	}
	for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
		if (var_get(defaults[i].name) == NULL)
			var_set(defaults[i].name, defaults[i].value, 0);
	if (var_get("PS1") == NULL)
		var_set("PS1", geteuid() == 0 ? "# " : "$ ", 0);
	var_set("IFS", " \t\n", 0);
	snprintf(number, sizeof(number), "%d", (int)getppid());
	var_set("PPID", number, 0);
	if (getcwd(cwd, sizeof(cwd)) != NULL)
		var_set("PWD", cwd, V_EXPORT);
}

void quote_print(const char *s)
{
	const char *p;

	for (p = s; *p != '\0' && (isalnum((unsigned char)*p) || strchr("_-./:,+@%=", *p) != NULL); p++)
		;
	if (*p == '\0' && p > s) {
		fputs(s, stdout);
		return;
	}
	putchar('\'');
	for (; *s != '\0'; s++)
		if (*s == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*s);
	putchar('\'');
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(struct var *const *)a)->name, (*(struct var *const *)b)->name);
}

/* All variables with `flags` (0: all set ones), sorted, in a form that can be read back. */
void vars_print(int flags, const char *prefix)
{
	struct var *v, **all = NULL;
	size_t n = 0, i;
	int b;

	for (b = 0; b < BUCKETS; b++)
		for (v = table[b]; v != NULL; v = v->next)
			if (flags == 0 ? !(v->flags & V_UNSET) : v->flags & flags) {
				all = xrealloc(all, (n + 1) * sizeof(*all));
				all[n++] = v;
			}
	qsort(all, n, sizeof(*all), by_name);
	for (i = 0; i < n; i++) {
		printf("%s%s", prefix, all[i]->name);
		if (!(all[i]->flags & V_UNSET)) {
			putchar('=');
			quote_print(all[i]->value);
		}
		putchar('\n');
	}
	free(all);
}

void local_push(void)
{
	struct hidden *h = xmalloc(sizeof(*h));

	*h = (struct hidden){ .next = locals };
	locals = h;
}

void local_pop(void)
{
	for (;;) {
		struct hidden *h = locals;
		struct var *v;
		int frame = h->name == NULL;

		locals = h->next;
		if (!frame) {
			v = var_make(h->name, strlen(h->name));
			free(v->value);
			v->value = h->value;
			v->flags = h->flags;
			free(h->name);
		}
		free(h);
		if (frame)
			return;
	}
}

/* Remembers NAME until the function returns; it keeps its value. */
int local_make(const char *name)
{
	struct var *v = var_make(name, strlen(name));
	struct hidden *h = xmalloc(sizeof(*h));

	*h = (struct hidden){ xstrdup(name), v->value != NULL ? xstrdup(v->value) : NULL, v->flags, locals };
	locals = h;
	return 0;
}

struct func *func_find(const char *name)
{
	struct func *f;

	for (f = functions; f != NULL; f = f->next)
		if (f->name != NULL && strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

void func_define(struct node *def)
{
	struct func *f;

	func_unset(def->name);
	f = xmalloc(sizeof(*f));
	arena_ref(def->arena);
	*f = (struct func){ xstrdup(def->name), def->a, def->arena, 0, functions };
	functions = f;
}

/* A function that is running stays until it returns, nameless. */
int func_unset(const char *name)
{
	struct func **p, *f;

	for (p = &functions; (f = *p) != NULL; p = &f->next)
		if (f->name != NULL && strcmp(f->name, name) == 0) {
			free(f->name);
			f->name = NULL;
			if (f->running == 0) {
				*p = f->next;
				arena_free(f->arena);
				free(f);
			}
			return 1;
		}
	return 0;
}

void params_set(struct params *to, int n, struct words *w)
{
	int i;

	to->n = n;
	to->v = xmalloc((size_t)(n + 1) * sizeof(char *));
	for (i = 0; i < n; i++, w = w->next)
		to->v[i] = xstrdup(w->text);
	to->v[n] = NULL;
}
