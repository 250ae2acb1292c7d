/* SPDX-License-Identifier: BSD-3-Clause */
/* df [-hikmn] [-t type] [file | filesystem ...] */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <unistd.h>

static int human, inodes;
static long long unit = 512;
static const char *type;

static const char *size(long long bytes)
{
	static char s[4][24];
	static int turn;
	char *out = s[turn++ % 4];
	static const char units[] = "BKMGTP";
	int u = 0;

	if (!human) {
		snprintf(out, 24, "%lld", bytes / unit);
		return out;
	}
	for (bytes *= 10; bytes >= 10240 && units[u + 1] != '\0'; u++)
		bytes /= 1024;
	if (bytes < 100 && u > 0)
		snprintf(out, 24, "%lld.%lld%c", bytes / 10, bytes % 10, units[u]);
	else
		snprintf(out, 24, "%lld%c", bytes / 10, units[u]);
	return out;
}

static void print(const struct statfs *s, int width)
{
	long long bs = s->f_bsize, used = (long long)s->f_blocks - s->f_bfree, avail = used + s->f_bavail;

	printf("%-*s %10s %10s", width, s->f_mntfromname, size(s->f_blocks * bs), size(used * bs));
	printf(" %10s %5d%%", size(s->f_bavail * bs), avail > 0 ? (int)((used * 100 + avail - 1) / avail) : 100);
	if (inodes) {
		long long iused = (long long)s->f_files - s->f_ffree;

		printf(" %9lld %9ld %4d%% ", iused, s->f_ffree, s->f_files > 0 ? (int)(iused * 100 / s->f_files) : 100);
	}
	printf("  %s\n", s->f_mntonname);
}

int main(int argc, char **argv)
{
	struct statfs *all;
	int c, i, n, width = 11, failed = 0;

	while ((c = getopt(argc, argv, "Hhikmnt:")) != -1)
		switch (c) {
		case 'H':
		case 'h': human = 1; break;
		case 'i': inodes = 1; break;
		case 'k': unit = 1024; break;
		case 'm': unit = 1048576; break;
		case 'n': break;
		case 't': type = optarg; break;
		default:
			fprintf(stderr, "usage: df [-hikmn] [-t type] [file | filesystem ...]\n");
			return 1;
		}
	if (optind < argc) {
		n = argc - optind;
		all = calloc((size_t)n, sizeof(*all));
		if (all == NULL)
			err(1, "calloc");
		for (i = 0; i < n; i++)
			if (statfs(argv[optind + i], &all[i]) == -1) {
				warn("%s", argv[optind + i]);
				failed = 1;
			}
	} else {
		n = getfsstat(NULL, 0, MNT_NOWAIT);
		all = calloc((size_t)(n > 0 ? n : 1), sizeof(*all));
		if (n == -1 || all == NULL || (n = getfsstat(all, n * (long)sizeof(*all), MNT_WAIT)) == -1)
			err(1, "getfsstat");
	}
	for (i = 0; i < n; i++)
		width = MAX(width, (int)strlen(all[i].f_mntfromname));
	printf("%-*s %*s %10s %10s %6s%s  Mounted on\n", width, "Filesystem", 10, human ? "Size" : unit == 512 ? "512-blocks" :
	    unit == 1024 ? "1K-blocks" : "1M-blocks", "Used", "Avail", "Cap", inodes ? "     iused     ifree %iused " : "");
	for (i = 0; i < n; i++)
		if (all[i].f_fstypename[0] != '\0' && (type == NULL || strcmp(type, all[i].f_fstypename) == 0))
			print(&all[i], width);
	return failed;
}
