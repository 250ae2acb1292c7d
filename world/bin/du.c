/* SPDX-License-Identifier: BSD-3-Clause */
/* du [-achksx] [-d depth] [file ...] */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <walk.h>

static int all, human, summary, total_line, max_depth = 1 << 30, failed;
static long long unit = 512, grand;
static long long sum[513]; /* bytes below the directory open at each level */

struct link { ino_t ino; dev_t dev; struct link *next; };
static struct link *seen;

/* Hard links count once. */
static int again(const struct stat *st)
{
	struct link *l;

	if (st->st_nlink < 2)
		return 0;
	for (l = seen; l != NULL; l = l->next)
		if (l->ino == st->st_ino && l->dev == st->st_dev)
			return 1;
	l = malloc(sizeof(*l));
	if (l == NULL)
		err(1, "malloc");
	*l = (struct link){ st->st_ino, st->st_dev, seen };
	seen = l;
	return 0;
}

static void print(long long bytes, const char *path)
{
	static const char units[] = "BKMGTP";
	int u = 0;

	if (!human) {
		printf("%lld\t%s\n", (bytes + unit - 1) / unit, path);
		return;
	}
	for (bytes *= 10; bytes >= 10240 && units[u + 1] != '\0'; u++)
		bytes /= 1024;
	if (bytes < 100 && u > 0)
		printf("%3lld.%lld%c\t%s\n", bytes / 10, bytes % 10, units[u], path);
	else
		printf("%4lld%c\t%s\n", bytes / 10, units[u], path);
}

static int visit(struct walk *w)
{
	long long bytes;

	switch (w->kind) {
	case WALK_ERR:
		warnc(w->error, "%s", w->path);
		failed = 1;
		return WALK_GO;
	case WALK_DIR:
		if (w->level >= 512)
			return WALK_SKIP;
		sum[w->level] = w->st->st_blocks * 512;
		return WALK_GO;
	case WALK_DIREND:
		bytes = sum[w->level];
		if (w->level > 0)
			sum[w->level - 1] += bytes;
		else
			grand += bytes;
		if (w->level <= max_depth)
			print(bytes, w->path);
		return WALK_GO;
	case WALK_FILE:
		bytes = again(w->st) ? 0 : w->st->st_blocks * 512;
		if (w->level > 0)
			sum[w->level - 1] += bytes;
		else
			grand += bytes;
		if (w->level == 0 || (all && w->level <= max_depth))
			print(bytes, w->path);
	}
	return WALK_GO;
}

int main(int argc, char **argv)
{
	int c, flags = WALK_SORT;

	while ((c = getopt(argc, argv, "acd:hkLmsx")) != -1)
		switch (c) {
		case 'a': all = 1; break;
		case 'c': total_line = 1; break;
		case 'd': max_depth = atoi(optarg); break;
		case 'h': human = 1; break;
		case 'k': unit = 1024; break;
		case 'L': flags |= WALK_LOGICAL; break;
		case 'm': unit = 1048576; break;
		case 's': summary = 1; break;
		case 'x': flags |= WALK_XDEV; break;
		default:
			fprintf(stderr, "usage: du [-achkLmsx] [-d depth] [file ...]\n");
			return 1;
		}
	if (summary)
		max_depth = 0;
	if (optind >= argc)
		walk(".", flags, visit, NULL);
	for (; optind < argc; optind++)
		walk(argv[optind], flags, visit, NULL);
	if (total_line)
		print(grand, "total");
	return failed;
}
