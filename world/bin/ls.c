/* SPDX-License-Identifier: BSD-3-Clause */
/* ls [-1AaCdFhiklnpRrSsTtu] [file ...] */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct entry { char *name; struct stat st; };

static char options[128];
static int failed, columns = 80, printed;
#define opt(c) options[c]

static int compare(const void *x, const void *y)
{
	const struct entry *a = x, *b = y;
	int c = 0;

	if (opt('S'))
		c = a->st.st_size < b->st.st_size ? 1 : a->st.st_size > b->st.st_size ? -1 : 0;
	else if (opt('t')) {
		const struct timespec *p = opt('u') ? &a->st.st_atimespec : opt('c') ? &a->st.st_ctimespec : &a->st.st_mtimespec;
		const struct timespec *q = opt('u') ? &b->st.st_atimespec : opt('c') ? &b->st.st_ctimespec : &b->st.st_mtimespec;

		c = p->tv_sec != q->tv_sec ? (p->tv_sec < q->tv_sec ? 1 : -1) :
		    p->tv_nsec < q->tv_nsec ? 1 : p->tv_nsec > q->tv_nsec ? -1 : 0;
	}
	if (c == 0)
		c = strcmp(a->name, b->name);
	return opt('r') ? -c : c;
}

/* 1023 -> "1023B", 2048 -> "2.0K" */
static void human(char *out, size_t size, off_t v)
{
	static const char units[] = "BKMGTP";
	int u = 0;
	off_t tenths = v * 10;

	while (tenths >= 10240 && units[u + 1] != '\0') {
		tenths = (tenths + 512) / 1024;
		u++;
	}
	if (u > 0 && tenths < 100)
		snprintf(out, size, "%d.%d%c", (int)tenths / 10, (int)tenths % 10, units[u]);
	else
		snprintf(out, size, "%d%c", (int)((tenths + 5) / 10), units[u]);
}

static void size_text(char *out, size_t size, const struct stat *st)
{
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		snprintf(out, size, (unsigned)minor(st->st_rdev) < 10000 ? "%3d, %3d" : "%3d, 0x%08x", major(st->st_rdev),
		    minor(st->st_rdev));
	else if (opt('h'))
		human(out, size, st->st_size);
	else
		snprintf(out, size, "%lld", (long long)st->st_size);
}

static const char *owner(uid_t id)
{
	static char number[12];

	if (!opt('n'))
		return user_from_uid(id);
	snprintf(number, sizeof(number), "%u", id);
	return number;
}

static const char *group(gid_t id)
{
	static char number[12];

	if (!opt('n'))
		return group_from_gid(id);
	snprintf(number, sizeof(number), "%u", id);
	return number;
}

/* Recent times show the hour, others the year. */
static void time_text(char *out, size_t size, const struct stat *st, time_t now)
{
	time_t t = opt('u') ? st->st_atime : opt('c') ? st->st_ctime : st->st_mtime;
	const char *fmt = opt('T') ? "%b %e %H:%M:%S %Y" : t + 182 * 86400 > now && t < now + 182 * 86400 ? "%b %e %H:%M" :
	    "%b %e  %Y";

	strftime(out, size, fmt, localtime(&t));
}

static int type_mark(mode_t mode)
{
	if (S_ISDIR(mode))
		return '/';
	if (!opt('F'))
		return 0;
	return S_ISLNK(mode) ? '@' : S_ISFIFO(mode) ? '|' : S_ISSOCK(mode) ? '=' : mode & 0111 ? '*' : 0;
}

static int blocks(const struct stat *st)
{
	return (int)(opt('k') ? (st->st_blocks + 1) / 2 : st->st_blocks);
}

static int digits(long long v)
{
	int n = 1;

	while ((v /= 10) != 0)
		n++;
	return n;
}

static void print_name(const struct entry *e)
{
	int mark = opt('F') || opt('p') ? type_mark(e->st.st_mode) : 0;
	const char *p;

	for (p = e->name; *p != '\0'; p++)
		putchar(isatty(1) && ((unsigned char)*p < ' ' || *p == 0x7f) ? '?' : *p);
	if (mark != 0)
		putchar(mark);
}

static void print_long(const char *dir, struct entry *v, size_t n)
{
	int wlink = 0, wuser = 0, wgroup = 0, wsize = 0, wino = 0, wblk = 0;
	time_t now = time(NULL);
	char text[64], path[MAXPATHLEN], link[MAXPATHLEN];
	size_t i;

	for (i = 0; i < n; i++) {
		size_text(text, sizeof(text), &v[i].st);
		wsize = MAX(wsize, (int)strlen(text));
		wlink = MAX(wlink, digits(v[i].st.st_nlink));
		wuser = MAX(wuser, (int)strlen(owner(v[i].st.st_uid)));
		wgroup = MAX(wgroup, (int)strlen(group(v[i].st.st_gid)));
		wino = MAX(wino, digits((long long)v[i].st.st_ino));
		wblk = MAX(wblk, digits(blocks(&v[i].st)));
	}
	for (i = 0; i < n; i++) {
		const struct stat *st = &v[i].st;
		ssize_t len;

		if (opt('i'))
			printf("%*lld ", wino, (long long)st->st_ino);
		if (opt('s'))
			printf("%*d ", wblk, blocks(st));
		strmode(st->st_mode, text);
		printf("%s %*u %-*s  ", text, wlink, st->st_nlink, wuser, owner(st->st_uid));
		printf("%-*s  ", wgroup, group(st->st_gid));
		size_text(text, sizeof(text), st);
		printf("%*s ", wsize, text);
		time_text(text, sizeof(text), st, now);
		printf("%s ", text);
		print_name(&v[i]);
		if (S_ISLNK(st->st_mode)) {
			snprintf(path, sizeof(path), "%s%s%s", dir != NULL ? dir : "", dir != NULL ? "/" : "", v[i].name);
			len = readlink(path, link, sizeof(link) - 1);
			if (len >= 0) {
				link[len] = '\0';
				printf(" -> %s", link);
			}
		}
		putchar('\n');
	}
}

static void print_short(struct entry *v, size_t n)
{
	int width = 0, wino = 0, wblk = 0, extra, per, rows, r, c;
	size_t i;

	for (i = 0; i < n; i++) {
		int len = (int)strlen(v[i].name) + ((opt('F') || opt('p')) && type_mark(v[i].st.st_mode) != 0);

		width = MAX(width, len);
		wino = MAX(wino, digits((long long)v[i].st.st_ino));
		wblk = MAX(wblk, digits(blocks(&v[i].st)));
	}
	extra = (opt('i') ? wino + 1 : 0) + (opt('s') ? wblk + 1 : 0);
	width = (width + extra + 8) & ~7;
	per = opt('1') || width * 2 > columns ? 1 : columns / width;
	rows = (int)((n + (size_t)per - 1) / (size_t)per);
	for (r = 0; r < rows; r++) {
		for (c = 0; c < per; c++) {
			size_t at = (size_t)(c * rows + r);
			int len;

			if (at >= n)
				break;
			if (opt('i'))
				printf("%*lld ", wino, (long long)v[at].st.st_ino);
			if (opt('s'))
				printf("%*d ", wblk, blocks(&v[at].st));
			print_name(&v[at]);
			len = extra + (int)strlen(v[at].name) + ((opt('F') || opt('p')) && type_mark(v[at].st.st_mode) != 0);
			if (c + 1 < per && at + (size_t)rows < n)
				for (; len < width; len = (len + 8) & ~7)
					putchar('\t');
		}
		putchar('\n');
	}
}

static void print_entries(const char *dir, struct entry *v, size_t n)
{
	size_t i;
	long long total = 0;

	if (!opt('f'))
		qsort(v, n, sizeof(*v), compare);
	if (dir != NULL && (opt('l') || opt('s'))) {
		for (i = 0; i < n; i++)
			total += blocks(&v[i].st);
		printf("total %lld\n", total);
	}
	if (opt('l'))
		print_long(dir, v, n);
	else
		print_short(v, n);
	if (n > 0)
		printed = 1;
}

static int add(struct entry **v, size_t *n, const char *dir, const char *name, int follow)
{
	char path[MAXPATHLEN];
	struct entry e;
	int bad;

	snprintf(path, sizeof(path), "%s%s%s", dir != NULL ? dir : "", dir != NULL && strcmp(dir, "/") != 0 ? "/" : "", name);
	bad = follow ? stat(path, &e.st) : -1;
	if (bad == -1 && lstat(path, &e.st) == -1) {
		warn("%s", path);
		failed = 1;
		return -1;
	}
	if ((*n & (*n - 1)) == 0) {
		*v = realloc(*v, (*n == 0 ? 1 : *n * 2) * sizeof(e));
		if (*v == NULL)
			err(1, "malloc");
	}
	e.name = strdup(name);
	(*v)[(*n)++] = e;
	return 0;
}

static void list_dir(const char *path, int titled, int depth)
{
	struct entry *v = NULL;
	size_t n = 0, i;
	struct dirent *de;
	DIR *d = opendir(path);

	if (d == NULL) {
		warn("%s", path);
		failed = 1;
		return;
	}
	while ((de = readdir(d)) != NULL) {
		int dots = strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0;

		if (de->d_name[0] == '.' && !opt('a') && !(opt('A') && !dots))
			continue;
		add(&v, &n, path, de->d_name, opt('L'));
	}
	closedir(d);
	if (titled)
		printf("%s%s:\n", printed || depth > 0 ? "\n" : "", path);
	printed = 1;
	print_entries(path, v, n);
	for (i = 0; i < n; i++) {
		if (opt('R') && S_ISDIR(v[i].st.st_mode) && strcmp(v[i].name, ".") != 0 && strcmp(v[i].name, "..") != 0) {
			char below[MAXPATHLEN];

			snprintf(below, sizeof(below), "%s%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/", v[i].name);
			list_dir(below, 1, depth + 1);
		}
		free(v[i].name);
	}
	free(v);
}

int main(int argc, char **argv)
{
	struct entry *files = NULL, *dirs = NULL;
	size_t nfiles = 0, ndirs = 0, i;
	struct winsize ws;
	int c, j;

	if (isatty(1)) {
		opt('C') = 1;
		if (ioctl(1, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0)
			columns = ws.ws_col;
	} else
		opt('1') = 1;
	while ((c = getopt(argc, argv, "1AaCcdFfhiklLnpRrSsTtu")) != -1) {
		if (c == '?') {
			fprintf(stderr, "usage: ls [-1AaCcdFfhiklLnpRrSsTtu] [file ...]\n");
			return 1;
		}
		opt(c) = 1;
		if (c == '1' || c == 'C')
			opt(c == '1' ? 'C' : '1') = 0;
		if (c == 'n')
			opt('l') = 1;
		if (c == 'f')
			opt('a') = 1;
	}
	argc -= optind;
	argv += optind;
	for (j = 0; j < argc || j == 0; j++) {
		const char *name = j < argc ? argv[j] : ".";
		struct stat st;
		int dir = !opt('d') && (opt('l') || opt('F') ? lstat(name, &st) : stat(name, &st)) == 0 && S_ISDIR(st.st_mode);

		add(dir ? &dirs : &files, dir ? &ndirs : &nfiles, NULL, name, dir || opt('L'));
	}
	if (nfiles > 0)
		print_entries(NULL, files, nfiles);
	if (!opt('f'))
		qsort(dirs, ndirs, sizeof(*dirs), compare);
	for (i = 0; i < ndirs; i++)
		list_dir(dirs[i].name, argc > 1, (int)i);
	return failed;
}
