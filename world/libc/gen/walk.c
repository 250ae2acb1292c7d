/* SPDX-License-Identifier: BSD-3-Clause */
/* Tree walking, see walk.h. Recursion depth is bounded by the path length, 512 levels. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <walk.h>

struct state {
	int flags;
	int (*visit)(struct walk *);
	void *arg;
	dev_t dev;
	char path[MAXPATHLEN];
};

/* Directories from the root down, to notice a link that leads back up (WALK_LOGICAL). */
struct above { const struct above *up; ino_t ino; dev_t dev; };

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names of a directory but . and .. in one malloc'd vector, or NULL with errno set. */
static char **names_of(const char *path, int sorted)
{
	size_t n = 0, room = 0;
	char **names = calloc(1, sizeof(char *));
	struct dirent *de;
	DIR *d = opendir(path);

	if (d == NULL || names == NULL) {
		free(names);
		return NULL;
	}
	while ((de = readdir(d)) != NULL) {
		if (de->d_name[0] == '.' && (de->d_name[1] == '\0' || (de->d_name[1] == '.' && de->d_name[2] == '\0')))
			continue;
		if (n + 1 >= room) {
			room = room * 2 + 16;
			names = realloc(names, room * sizeof(char *));
			if (names == NULL)
				break;
		}
		if ((names[n] = strdup(de->d_name)) == NULL)
			break;
		n++;
	}
	closedir(d);
	if (names != NULL) {
		names[n] = NULL;
		if (sorted)
			qsort(names, n, sizeof(char *), by_name);
	}
	return names;
}

static int tell(struct state *s, enum walk_kind kind, const struct stat *st, int level, int error)
{
	const char *slash = strrchr(s->path, '/');
	struct walk w = { kind, s->path, slash != NULL && slash[1] != '\0' ? slash + 1 : s->path, st, level, error,
		s->arg };

	return s->visit(&w);
}

static int descend(struct state *s, int level, const struct above *up)
{
	struct stat st;
	struct above here;
	const struct above *a;
	size_t len = strlen(s->path);
	char **names, **n;
	int verdict = WALK_GO;

	if (!(s->flags & WALK_LOGICAL || (s->flags & WALK_ROOTLINK && level == 0)) || stat(s->path, &st) == -1)
		if (lstat(s->path, &st) == -1)
			return tell(s, WALK_ERR, NULL, level, errno) == WALK_STOP ? WALK_STOP : WALK_GO;
	if (!S_ISDIR(st.st_mode))
		return tell(s, WALK_FILE, &st, level, 0) == WALK_STOP ? WALK_STOP : WALK_GO;
	for (a = up; a != NULL; a = a->up)
		if (a->ino == st.st_ino && a->dev == st.st_dev)
			return tell(s, WALK_ERR, &st, level, ELOOP) == WALK_STOP ? WALK_STOP : WALK_GO;
	if (level == 0)
		s->dev = st.st_dev;
	else if (s->flags & WALK_XDEV && st.st_dev != s->dev)
		return WALK_GO;
	verdict = tell(s, WALK_DIR, &st, level, 0);
	if (verdict != WALK_GO)
		return verdict == WALK_STOP ? WALK_STOP : WALK_GO;
	names = names_of(s->path, s->flags & WALK_SORT);
	if (names == NULL && tell(s, WALK_ERR, &st, level, errno) == WALK_STOP)
		return WALK_STOP;
	here = (struct above){ up, st.st_ino, st.st_dev };
	for (n = names; n != NULL && *n != NULL; n++) {
		if (verdict != WALK_STOP) {
			if (len + strlen(*n) + 2 > sizeof(s->path))
				verdict = tell(s, WALK_ERR, &st, level, ENAMETOOLONG);
			else {
				if (len > 0 && s->path[len - 1] != '/')
					strcpy(s->path + len, "/");
				strcat(s->path, *n);
				verdict = descend(s, level + 1, &here);
				s->path[len] = '\0';
			}
		}
		free(*n);
	}
	free(names);
	if (verdict != WALK_STOP)
		verdict = tell(s, WALK_DIREND, &st, level, 0);
	return verdict == WALK_STOP ? WALK_STOP : WALK_GO;
}

int walk(const char *root, int flags, int (*visit)(struct walk *), void *arg)
{
	struct state *s = malloc(sizeof(*s));
	int verdict;

	if (s == NULL)
		return WALK_STOP;
	*s = (struct state){ .flags = flags, .visit = visit, .arg = arg };
	if (strlcpy(s->path, root, sizeof(s->path)) >= sizeof(s->path)) {
		s->path[0] = '\0';
		verdict = tell(s, WALK_ERR, NULL, 0, ENAMETOOLONG);
	} else
		verdict = descend(s, 0, NULL);
	free(s);
	return verdict;
}
