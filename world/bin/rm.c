/* SPDX-License-Identifier: BSD-3-Clause */
/* rm [-dfiRrv] file ... */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <walk.h>

static int dirs, force, ask, recursive, verbose, failed;

static int confirmed(const char *what, const char *path, const struct stat *st)
{
	int c, yes;
	char mode[12];

	if (ask)
		fprintf(stderr, "%s %s? ", what, path);
	else {
		/* A file we may not write is asked about, on a terminal. */
		if (force || S_ISLNK(st->st_mode) || !isatty(0) || access(path, W_OK) == 0 || errno != EACCES)
			return 1;
		strmode(st->st_mode, mode);
		fprintf(stderr, "override %s for %s? ", mode + 1, path);
	}
	yes = (c = getchar()) == 'y' || c == 'Y';
	while (c != '\n' && c != EOF)
		c = getchar();
	return yes;
}

static int visit(struct walk *w)
{
	int bad;

	switch (w->kind) {
	case WALK_ERR:
		if (w->error != ENOENT || !force) {
			warnc(w->error, "%s", w->path);
			failed = 1;
		}
		return WALK_GO;
	case WALK_DIR:
		if (!recursive && !dirs) {
			warnx("%s: is a directory", w->path);
			failed = 1;
			return WALK_SKIP;
		}
		if (ask && recursive && !confirmed("examine files in directory", w->path, w->st))
			return WALK_SKIP;
		return WALK_GO;
	case WALK_DIREND:
		if (!confirmed("remove", w->path, w->st))
			return WALK_GO;
		bad = rmdir(w->path);
		break;
	default:
		if (!confirmed("remove", w->path, w->st))
			return WALK_GO;
		bad = unlink(w->path);
	}
	if (bad == -1 && !(force && errno == ENOENT)) {
		warn("%s", w->path);
		failed = 1;
	} else if (verbose)
		puts(w->path);
	return WALK_GO;
}

int main(int argc, char **argv)
{
	struct stat st;
	int c;

	while ((c = getopt(argc, argv, "dfiRrv")) != -1)
		switch (c) {
		case 'd': dirs = 1; break;
		case 'f': force = 1; ask = 0; break;
		case 'i': ask = 1; force = 0; break;
		case 'R':
		case 'r': recursive = 1; break;
		case 'v': verbose = 1; break;
		default:
			fprintf(stderr, "usage: rm [-f | -i] [-dRrv] file ...\n");
			return 1;
		}
	if (optind >= argc && !force) {
		fprintf(stderr, "usage: rm [-f | -i] [-dRrv] file ...\n");
		return 1;
	}
	for (argv += optind; *argv != NULL; argv++) {
		size_t n = strlen(*argv);
		const char *name;

		while (n > 1 && (*argv)[n - 1] == '/')
			(*argv)[--n] = '\0';
		name = strrchr(*argv, '/');
		name = name != NULL && name[1] != '\0' ? name + 1 : *argv;
		if (strcmp(*argv, "/") == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
			warnx("\"/\", \".\" and \"..\" may not be removed");
			failed = 1;
		} else if (dirs && !recursive && lstat(*argv, &st) == 0 && S_ISDIR(st.st_mode)) {
			if (rmdir(*argv) == -1) {
				warn("%s", *argv);
				failed = 1;
			}
		} else
			walk(*argv, 0, visit, NULL);
	}
	return failed;
}
