/* SPDX-License-Identifier: BSD-3-Clause */
/* cp [-R [-P]] [-afinpv] source target, cp ... source ... directory */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <unistd.h>
#include <walk.h>

static int recursive, force, ask, keep, preserve, verbose, failed;

/* One operand's copy: paths below `from` go to the same place below `to`. */
struct job { const char *to; size_t skip; };

static void complain(const char *path)
{
	warn("%s", path);
	failed = 1;
}

static int confirmed(const char *to)
{
	int c, yes;

	fprintf(stderr, "overwrite %s? (y/n [n]) ", to);
	yes = (c = getchar()) == 'y' || c == 'Y';
	while (c != '\n' && c != EOF)
		c = getchar();
	if (!yes)
		fprintf(stderr, "not overwritten\n");
	return yes;
}

static void set_attributes(const char *to, const struct stat *st)
{
	struct timeval tv[2] = { { st->st_atime, st->st_atimespec.tv_nsec / 1000 },
		{ st->st_mtime, st->st_mtimespec.tv_nsec / 1000 } };

	if (lchown(to, st->st_uid, st->st_gid) == -1 && errno != EPERM)
		complain(to);
	if (S_ISLNK(st->st_mode)) {
		lutimes(to, tv);
		return;
	}
	if (chmod(to, st->st_mode & ALLPERMS) == -1 || utimes(to, tv) == -1)
		complain(to);
}

static void copy_data(int in, int out, const char *from, const char *to)
{
	static char buf[65536];
	ssize_t n, w, at;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += w)
			if ((w = write(out, buf + at, (size_t)(n - at))) == -1) {
				complain(to);
				return;
			}
	if (n == -1)
		complain(from);
}

static void copy_file(const char *from, const char *to, const struct stat *st)
{
	struct stat there;
	int in, out, exists = stat(to, &there) == 0;

	if (exists && there.st_ino == st->st_ino && there.st_dev == st->st_dev) {
		warnx("%s and %s are identical (not copied)", to, from);
		failed = 1;
		return;
	}
	if (exists && (keep || (ask && !confirmed(to))))
		return;
	in = open(from, O_RDONLY);
	if (in == -1) {
		complain(from);
		return;
	}
	out = open(to, O_WRONLY | O_TRUNC | O_CREAT, st->st_mode & 0777);
	if (out == -1 && force && unlink(to) == 0)
		out = open(to, O_WRONLY | O_TRUNC | O_CREAT, st->st_mode & 0777);
	if (out == -1)
		complain(to);
	else {
		copy_data(in, out, from, to);
		if (close(out) == -1)
			complain(to);
		if (preserve)
			set_attributes(to, st);
	}
	close(in);
}

static void copy_special(const char *from, const char *to, const struct stat *st)
{
	char link[MAXPATHLEN];
	ssize_t n;
	int bad;

	if (!force && access(to, F_OK) == 0 && keep)
		return;
	if (S_ISLNK(st->st_mode)) {
		n = readlink(from, link, sizeof(link) - 1);
		if (n == -1) {
			complain(from);
			return;
		}
		link[n] = '\0';
		bad = symlink(link, to) == -1 && (errno != EEXIST || unlink(to) == -1 || symlink(link, to) == -1);
	} else if (S_ISFIFO(st->st_mode))
		bad = mkfifo(to, st->st_mode & ALLPERMS) == -1;
	else
		bad = mknod(to, st->st_mode, st->st_rdev) == -1;
	if (bad)
		complain(to);
	else if (preserve)
		set_attributes(to, st);
}

static int visit(struct walk *w)
{
	struct job *job = w->arg;
	char to[MAXPATHLEN];
	struct stat st;

	if (snprintf(to, sizeof(to), "%s%s", job->to, w->path + job->skip) >= (int)sizeof(to)) {
		errno = ENAMETOOLONG;
		complain(w->path);
		return WALK_SKIP;
	}
	switch (w->kind) {
	case WALK_ERR:
		warnc(w->error, "%s", w->path);
		failed = 1;
		return WALK_GO;
	case WALK_DIR:
		if (!recursive) {
			warnx("%s is a directory (not copied).", w->path);
			failed = 1;
			return WALK_SKIP;
		}
		if (stat(to, &st) == 0 && st.st_ino == w->st->st_ino && st.st_dev == w->st->st_dev) {
			warnx("cannot copy %s into itself", w->path);
			failed = 1;
			return WALK_SKIP;
		}
		/* Writable while it is being filled. */
		if (mkdir(to, (w->st->st_mode & 0777) | S_IRWXU) == -1 && (errno != EEXIST || stat(to, &st) == -1 ||
		    !S_ISDIR(st.st_mode))) {
			complain(to);
			return WALK_SKIP;
		}
		break;
	case WALK_DIREND:
		if (preserve)
			set_attributes(to, w->st);
		return WALK_GO;
	case WALK_FILE:
		if (S_ISREG(w->st->st_mode) || !recursive)
			copy_file(w->path, to, w->st);
		else
			copy_special(w->path, to, w->st);
	}
	if (verbose)
		printf("%s -> %s\n", w->path, to);
	return WALK_GO;
}

static void copy(const char *from, const char *to)
{
	struct job job = { to, strlen(from) };

	walk(from, recursive ? 0 : WALK_ROOTLINK, visit, &job);
}

static void usage(void) __dead;

static void usage(void)
{
	fprintf(stderr, "usage: cp [-R [-P]] [-afinpv] source_file target_file\n"
	    "       cp [-R [-P]] [-afinpv] source_file ... target_directory\n");
	exit(1);
}

int main(int argc, char **argv)
{
	struct stat st;
	char *to, path[MAXPATHLEN];
	int c, into_dir;

	while ((c = getopt(argc, argv, "aHfiLnPpRrv")) != -1)
		switch (c) {
		case 'a': recursive = preserve = 1; break;
		case 'f': force = 1; ask = keep = 0; break;
		case 'i': ask = 1; force = keep = 0; break;
		case 'n': keep = 1; force = ask = 0; break;
		case 'p': preserve = 1; break;
		case 'R':
		case 'r': recursive = 1; break;
		case 'v': verbose = 1; break;
		case 'H':
		case 'L':
		case 'P': break;
		default: usage();
		}
	argc -= optind;
	argv += optind;
	if (argc < 2)
		usage();
	to = argv[--argc];
	into_dir = stat(to, &st) == 0 && S_ISDIR(st.st_mode);
	if (!into_dir && argc > 1)
		errx(1, "%s is not a directory", to);
	for (; argc > 0; argc--, argv++) {
		char *from = *argv, *name;
		size_t n = strlen(from);

		while (n > 1 && from[n - 1] == '/')
			from[--n] = '\0';
		if (!into_dir) {
			copy(from, to);
			continue;
		}
		name = strrchr(from, '/');
		snprintf(path, sizeof(path), "%s/%s", to, name != NULL && name[1] != '\0' ? name + 1 : from);
		copy(from, path);
	}
	return failed;
}
