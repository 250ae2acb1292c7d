/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * undo [-adDiuv] [-o file] [-t tid | -t index] ... file ...: earlier versions of files, found by HAMMER's history and
 * read through names of the form file@@0x<tid>.
 *
 *   (none)   prints the version before the current one
 *   -i       lists all versions     -a  prints all versions
 *   -d       diff to the current    -D  the other way round
 *   -u       writes FILE.undo       -o  writes to a file
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <vfs/hammer/hammer_ioctl.h>

struct version { uint64_t tid; time_t time; };

static struct version *versions; /* ascending */
static int nversions;
static int all, info, diff, reverse, to_undo, failed;
static const char *output;
static const char *stamps[2];
static int nstamps;

static void remember(uint64_t tid, time_t t)
{
	int i;

	for (i = nversions; i > 0 && versions[i - 1].tid >= tid; i--)
		if (versions[i - 1].tid == tid)
			return;
	versions = realloc(versions, (size_t)(nversions + 1) * sizeof(*versions));
	if (versions == NULL)
		err(1, "malloc");
	memmove(versions + i + 1, versions + i, (size_t)(nversions - i) * sizeof(*versions));
	versions[i] = (struct version){ tid, t };
	nversions++;
}

/* Adds the changes of the inode (key < 0) or of the data at a key. Returns the next key, or HAMMER_MAX_KEY. */
static int64_t collect(int fd, int64_t key, const char *path)
{
	struct hammer_ioc_history hist;
	int i;

	memset(&hist, 0, sizeof(hist));
	hist.beg_tid = HAMMER_MIN_TID;
	hist.end_tid = HAMMER_MAX_TID;
	hist.nxt_key = HAMMER_MAX_KEY;
	if (key >= 0) {
		hist.head.flags |= HAMMER_IOC_HISTORY_ATKEY;
		hist.key = key;
	}
	for (;;) {
		if (ioctl(fd, HAMMERIOC_GETHISTORY, &hist) == -1) {
			if (errno == ENOTTY || errno == EINVAL)
				errx(1, "%s: not on a HAMMER file system", path);
			err(1, "%s", path);
		}
		for (i = 0; i < hist.count; i++)
			remember(hist.hist_ary[i].tid, (time_t)hist.hist_ary[i].time32);
		if (hist.head.flags & HAMMER_IOC_HISTORY_EOF || !(hist.head.flags & HAMMER_IOC_HISTORY_NEXT_TID))
			return hist.head.flags & HAMMER_IOC_HISTORY_NEXT_KEY ? hist.nxt_key : HAMMER_MAX_KEY;
		hist.beg_tid = hist.nxt_tid;
	}
}

static void load_history(const char *path)
{
	char dir[MAXPATHLEN];
	int fd = open(path, O_RDONLY);
	struct stat st;
	int64_t key = 0;

	nversions = 0;
	if (fd == -1) {
		/* The file may be gone: its directory still knows when. */
		char *slash;

		strlcpy(dir, path, sizeof(dir));
		slash = strrchr(dir, '/');
		if (slash != NULL)
			slash[slash == dir] = '\0';
		fd = open(slash != NULL ? dir : ".", O_RDONLY);
		if (fd == -1)
			err(1, "%s", path);
		collect(fd, -1, path);
		close(fd);
		return;
	}
	collect(fd, -1, path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		while (key >= 0 && key < st.st_size) {
			int64_t next = collect(fd, key, path);

			if (next <= key)
				break;
			key = next;
		}
	close(fd);
}

static void version_name(char *out, size_t size, const char *path, uint64_t tid)
{
	snprintf(out, size, "%s@@0x%016llx", path, (unsigned long long)tid);
}

static void list(const char *path)
{
	char when[64], name[MAXPATHLEN];
	struct stat st;
	int i;

	printf("%s: ITERATE ENTIRE HISTORY\n", path);
	for (i = 0; i < nversions; i++) {
		version_name(name, sizeof(name), path, versions[i].tid);
		strftime(when, sizeof(when), "%d-%b-%Y %H:%M:%S", localtime(&versions[i].time));
		printf(">>> %s %04d 0x%016llx %s%s\n", path, i, (unsigned long long)versions[i].tid, when,
		    stat(name, &st) == -1 ? " (deleted)" : "");
	}
}

/* "0x..." is a transaction id; a plain number counts back from the latest version. */
static uint64_t tid_of(const char *stamp, const char *path)
{
	int index;

	if (strncmp(stamp, "0x", 2) == 0)
		return strtoull(stamp, NULL, 16);
	index = nversions - 1 - atoi(stamp);
	if (index < 0 || index >= nversions)
		errx(1, "%s: there is no version %s", path, stamp);
	return versions[index].tid;
}

static void copy(const char *from, int out)
{
	static char buf[16384];
	int fd = open(from, O_RDONLY);
	ssize_t n;

	if (fd == -1) {
		warn("%s", from);
		failed = 1;
		return;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (write(out, buf, (size_t)n) != n)
			err(1, "write");
	close(fd);
}

/* --- a line diff: longest common subsequence after stripping what is equal at both ends --- */

static char **read_lines(const char *path, int *n)
{
	FILE *f = fopen(path, "r");
	char **v = NULL, *line = NULL;
	size_t size = 0;
	ssize_t len;

	*n = 0;
	if (f == NULL)
		return NULL;
	while ((len = getline(&line, &size, f)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if ((*n & (*n - 1)) == 0)
			v = realloc(v, (size_t)(*n == 0 ? 1 : *n * 2) * sizeof(*v));
		if (v == NULL || (v[(*n)++] = strdup(line)) == NULL)
			err(1, "malloc");
	}
	fclose(f);
	return v;
}

static void show_diff(const char *a_name, const char *b_name)
{
	int na, nb, i, j, head = 0;
	char **a = read_lines(a_name, &na), **b = read_lines(b_name, &nb);
	unsigned short *lcs;
	size_t w;

	printf("--- %s\n+++ %s\n", a_name, b_name);
	while (head < na && head < nb && strcmp(a[head], b[head]) == 0)
		head++;
	while (na > head && nb > head && strcmp(a[na - 1], b[nb - 1]) == 0)
		na--, nb--;
	w = (size_t)(nb - head + 1);
	lcs = calloc((size_t)(na - head + 1) * w, sizeof(*lcs));
	if (lcs == NULL)
		errx(1, "%s: too large to compare", a_name);
	for (i = na - head; i-- > 0;)
		for (j = nb - head; j-- > 0;) {
			unsigned short down = lcs[(size_t)(i + 1) * w + (size_t)j], right = lcs[(size_t)i * w + (size_t)j + 1];

			lcs[(size_t)i * w + (size_t)j] = strcmp(a[head + i], b[head + j]) == 0 ?
			    lcs[(size_t)(i + 1) * w + (size_t)j + 1] + 1 : down > right ? down : right;
		}
	if (na > head || nb > head)
		printf("@@ -%d,%d +%d,%d @@\n", head + 1, na - head, head + 1, nb - head);
	for (i = j = 0; i < na - head || j < nb - head;) {
		if (i < na - head && j < nb - head && strcmp(a[head + i], b[head + j]) == 0) {
			printf(" %s\n", a[head + i++]);
			j++;
		} else if (j == nb - head || (i < na - head && lcs[(size_t)(i + 1) * w + (size_t)j] >= lcs[(size_t)i * w + (size_t)j + 1]))
			printf("-%s\n", a[head + i++]);
		else
			printf("+%s\n", b[head + j++]);
	}
	free(lcs);
}

static void extract(const char *path, uint64_t tid, int index)
{
	char name[MAXPATHLEN], to[MAXPATHLEN];
	int out = 1;

	version_name(name, sizeof(name), path, tid);
	if (diff || reverse) {
		char other[MAXPATHLEN];

		if (nstamps == 2)
			version_name(other, sizeof(other), path, tid_of(stamps[1], path));
		else
			strlcpy(other, path, sizeof(other));
		show_diff(reverse ? other : name, reverse ? name : other);
		return;
	}
	if (to_undo || output != NULL) {
		if (output != NULL)
			strlcpy(to, output, sizeof(to));
		else if (all)
			snprintf(to, sizeof(to), "%s.undo.%04d", path, index);
		else
			snprintf(to, sizeof(to), "%s.undo", path);
		out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
		if (out == -1)
			err(1, "%s", to);
	} else if (all) {
		printf(">>> %s %04d 0x%016llx\n", path, index, (unsigned long long)tid);
		fflush(stdout);
	}
	copy(name, out);
	if (out != 1)
		close(out);
}

static void undo(const char *path)
{
	int i;

	load_history(path);
	if (nversions == 0)
		errx(1, "%s: no history", path);
	if (info && !all && nstamps == 0 && !to_undo && !diff && !reverse) {
		list(path);
		return;
	}
	if (all) {
		for (i = 0; i < nversions; i++)
			extract(path, versions[i].tid, i);
		return;
	}
	if (nstamps > 0) {
		extract(path, tid_of(stamps[0], path), 0);
		return;
	}
	if (nversions < 2)
		errx(1, "%s: there is no earlier version", path);
	extract(path, versions[nversions - 2].tid, nversions - 2);
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "adDio:t:uv")) != -1)
		switch (c) {
		case 'a': all = 1; break;
		case 'd': diff = 1; break;
		case 'D': reverse = 1; break;
		case 'i': info = 1; break;
		case 'o': output = optarg; break;
		case 't':
			if (nstamps == 2)
				errx(1, "at most two -t");
			stamps[nstamps++] = optarg;
			break;
		case 'u': to_undo = 1; break;
		case 'v': break;
		default: argc = 0;
		}
	if (optind >= argc) {
		fprintf(stderr, "usage: undo [-adDiuv] [-o outfile] [-t tid | index] [-t tid | index] file ...\n");
		return 1;
	}
	for (; optind < argc; optind++)
		undo(argv[optind]);
	return failed;
}
