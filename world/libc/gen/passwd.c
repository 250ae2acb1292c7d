/* SPDX-License-Identifier: BSD-3-Clause */
/* Users and groups: a reader for the colon-separated files in /etc, and cached id-to-name lookups. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAXFIELDS 7
#define MAXMEMBERS 64

static char *line;
static size_t line_size;

/* Finds the first line of `file` with at least `want` fields for which accept() holds; splits it in place. */
static int scan(const char *file, int want, char *field[MAXFIELDS], int (*accept)(char **, const void *),
    const void *key)
{
	FILE *f = fopen(file, "r");
	int found = 0;
	ssize_t n;

	if (f == NULL)
		return 0;
	while (!found && (n = getline(&line, &line_size, f)) > 0) {
		char *p = line;
		int i;

		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		for (i = 0; i < MAXFIELDS; i++)
			field[i] = strsep(&p, ":");
		found = field[want - 1] != NULL && field[0][0] != '#' && accept(field, key);
	}
	fclose(f);
	return found;
}

static int by_name(char **field, const void *key)
{
	return strcmp(field[0], key) == 0;
}

static int by_id(char **field, const void *key)
{
	char *end;
	unsigned long id = strtoul(field[2], &end, 10);

	return field[2][0] != '\0' && *end == '\0' && id == *(const uint32_t *)key;
}

static struct passwd *find_user(int (*accept)(char **, const void *), const void *key)
{
	static struct passwd pw;
	char *f[MAXFIELDS];

	if (!scan("/etc/passwd", 7, f, accept, key))
		return NULL;
	pw = (struct passwd){ f[0], f[1], (uid_t)strtoul(f[2], NULL, 10), (gid_t)strtoul(f[3], NULL, 10), f[4],
		f[5], f[6] };
	return &pw;
}

static struct group *find_group(int (*accept)(char **, const void *), const void *key)
{
	static struct group gr;
	static char *members[MAXMEMBERS + 1];
	char *f[MAXFIELDS], *p;
	int n = 0;

	if (!scan("/etc/group", 4, f, accept, key))
		return NULL;
	for (p = f[3]; n < MAXMEMBERS && p != NULL && *p != '\0';)
		members[n++] = strsep(&p, ",");
	members[n] = NULL;
	gr = (struct group){ f[0], f[1], (gid_t)strtoul(f[2], NULL, 10), members };
	return &gr;
}

struct passwd *getpwnam(const char *name) { return find_user(by_name, name); }
struct passwd *getpwuid(uid_t uid) { return find_user(by_id, &uid); }
struct group *getgrnam(const char *name) { return find_group(by_name, name); }
struct group *getgrgid(gid_t gid) { return find_group(by_id, &gid); }

struct grouplist { const char *user; gid_t base; gid_t *out; int max, n; };

static int collect(char **field, const void *key)
{
	struct grouplist *gl = (struct grouplist *)key;
	char *p = field[3], *member;
	gid_t gid = (gid_t)strtoul(field[2], NULL, 10);

	while (gid != gl->base && p != NULL && (member = strsep(&p, ",")) != NULL)
		if (strcmp(member, gl->user) == 0) {
			if (gl->n < gl->max)
				gl->out[gl->n] = gid;
			gl->n++;
			break;
		}
	return 0; /* look at every line */
}

int getgrouplist(const char *user, gid_t base, gid_t *groups, int *ngroups)
{
	struct grouplist gl = { user, base, groups, *ngroups, 0 };
	char *f[MAXFIELDS];

	if (gl.max > 0)
		groups[gl.n++] = base;
	scan("/etc/group", 4, f, collect, &gl);
	*ngroups = gl.n < gl.max ? gl.n : gl.max;
	return gl.n <= gl.max ? 0 : -1;
}

/* Names by id, remembered in a small direct-mapped table: ls -l asks for the same few ids again and again. */
#define NCACHE 16
struct name { uint32_t id; int known; char text[20]; };

static const char *cached(struct name *cache, uint32_t id, const char *(*lookup)(uint32_t))
{
	struct name *c = &cache[id % NCACHE];

	if (!c->known || c->id != id) {
		const char *text = lookup(id);

		if (text != NULL)
			strlcpy(c->text, text, sizeof(c->text));
		else
			snprintf(c->text, sizeof(c->text), "%u", id);
		c->id = id;
		c->known = 1;
	}
	return c->text;
}

static const char *user_name(uint32_t id)
{
	struct passwd *pw = getpwuid(id);

	return pw != NULL ? pw->pw_name : NULL;
}

static const char *group_name(uint32_t id)
{
	struct group *gr = getgrgid(id);

	return gr != NULL ? gr->gr_name : NULL;
}

const char *user_from_uid(uid_t uid)
{
	static struct name cache[NCACHE];

	return cached(cache, uid, user_name);
}

const char *group_from_gid(gid_t gid)
{
	static struct name cache[NCACHE];

	return cached(cache, gid, group_name);
}
