/* SPDX-License-Identifier: BSD-3-Clause */
/* mount [-apuv] [-o options] [-t type] [special] [node]; mount_hammer [-u] [-o options] [-T tid] special node */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <unistd.h>
#include <vfs/hammer/hammer_ioctl.h>

static const struct { const char *name; int flag, off; } options[] = {
	{ "ro", MNT_RDONLY, 0 }, { "rdonly", MNT_RDONLY, 0 }, { "rw", MNT_RDONLY, 1 }, { "noexec", MNT_NOEXEC, 0 },
	{ "exec", MNT_NOEXEC, 1 }, { "nosuid", MNT_NOSUID, 0 }, { "suid", MNT_NOSUID, 1 }, { "nodev", MNT_NODEV, 0 },
	{ "dev", MNT_NODEV, 1 }, { "noatime", MNT_NOATIME, 0 }, { "sync", MNT_SYNCHRONOUS, 0 }, { "async", MNT_ASYNC, 0 },
	{ "nosymfollow", MNT_NOSYMFOLLOW, 0 }, { "update", MNT_UPDATE, 0 }, { "force", MNT_FORCE, 0 },
};

static int flags, hflags, verbose, listing;
static uint64_t asof = HAMMER_MAX_TID;
static const char *only_type;

static void set_options(const char *list)
{
	char *copy = strdup(list), *word, *rest = copy;
	unsigned i;

	while ((word = strsep(&rest, ",")) != NULL) {
		for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
			if (strcmp(options[i].name, word) == 0) {
				flags = options[i].off ? flags & ~options[i].flag : flags | options[i].flag;
				break;
			}
		if (i < sizeof(options) / sizeof(options[0]) || *word == '\0' || strcmp(word, "auto") == 0)
			continue;
		if (strcmp(word, "nohistory") == 0)
			hflags |= 1;
		else
			errx(1, "-o %s: option not supported", word);
	}
	free(copy);
}

static void print(const struct statfs *s)
{
	unsigned i;

	if (only_type != NULL && strcmp(only_type, s->f_fstypename) != 0)
		return;
	if (listing) {
		printf("%s\t%s\t%s\t%s\t0 0\n", s->f_mntfromname, s->f_mntonname, s->f_fstypename, s->f_flags & MNT_RDONLY ? "ro" : "rw");
		return;
	}
	printf("%s on %s (%s", s->f_mntfromname, s->f_mntonname, s->f_fstypename);
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!options[i].off && s->f_flags & options[i].flag && strcmp(options[i].name, "rdonly") != 0)
			printf(", %s", strcmp(options[i].name, "ro") == 0 ? "read-only" : options[i].name);
	if (s->f_flags & MNT_LOCAL)
		printf(", local");
	printf(")\n");
}

static void show(void)
{
	int n = getfsstat(NULL, 0, MNT_NOWAIT), i;
	struct statfs *all = calloc((size_t)(n > 0 ? n : 1), sizeof(*all));

	if (n == -1 || all == NULL || (n = getfsstat(all, n * (long)sizeof(*all), MNT_NOWAIT)) == -1)
		err(1, "getfsstat");
	for (i = 0; i < n; i++)
		print(&all[i]);
}

static int do_mount(const char *type, char *from, const char *on)
{
	struct hammer_mount_info info;
	const char *volumes[256];
	void *data = (void *)&from;
	char *rest = from;

	if (strcmp(type, "hammer") == 0) {
		memset(&info, 0, sizeof(info));
		info.volumes = volumes;
		info.asof = asof;
		info.hflags = hflags;
		while (info.nvolumes < 256 && (volumes[info.nvolumes] = strsep(&rest, ":")) != NULL)
			info.nvolumes++;
		data = &info;
	}
	if (mount(type, on, flags, data) == -1) {
		if (errno == ENODEV)
			warnx("%s: file system type %s is not known", on, type);
		else
			warn("%s on %s", from, on);
		return 1;
	}
	if (verbose)
		printf("%s on %s (%s)\n", from, on, type);
	return 0;
}

/* A line of /etc/fstab: special, node, type, options. 1 when it names `want` (or want is NULL). */
static int fstab_line(char *line, const char *want, char *field[4])
{
	int i;

	line[strcspn(line, "#\n")] = '\0';
	for (i = 0; i < 4; i++) {
		do
			field[i] = strsep(&line, " \t");
		while (field[i] != NULL && *field[i] == '\0');
		if (field[i] == NULL)
			return 0;
	}
	return want == NULL || strcmp(field[0], want) == 0 || strcmp(field[1], want) == 0;
}

static int from_fstab(const char *want)
{
	FILE *f = fopen("/etc/fstab", "r");
	char *line = NULL, *field[4];
	size_t size = 0;
	int failed = 0, seen = 0, base = flags;

	if (f == NULL)
		err(1, "/etc/fstab");
	while (getline(&line, &size, f) > 0) {
		if (!fstab_line(line, want, field) || strcmp(field[2], "swap") == 0)
			continue;
		if (want == NULL && (strstr(field[3], "noauto") != NULL || strcmp(field[1], "/") == 0))
			continue;
		seen = 1;
		flags = base;
		set_options(field[3]);
		failed |= do_mount(field[2], field[0], field[1]);
	}
	fclose(f);
	if (want != NULL && !seen)
		errx(1, "%s: unknown special file or file system", want);
	return failed;
}

static void usage(void) __dead;

static void usage(void)
{
	fprintf(stderr, "usage: mount [-apuv] [-o options] [-t type] [special] [node]\n");
	exit(1);
}

int main(int argc, char **argv)
{
	const char *type = strncmp(getprogname(), "mount_", 6) == 0 ? getprogname() + 6 : "hammer";
	int c, all = 0;

	while ((c = getopt(argc, argv, "afo:prT:t:uvw")) != -1)
		switch (c) {
		case 'a': all = 1; break;
		case 'f': flags |= MNT_FORCE; break;
		case 'o': set_options(optarg); break;
		case 'p': listing = 1; break;
		case 'r': flags |= MNT_RDONLY; break;
		case 'T': asof = strtoull(optarg, NULL, 16); flags |= MNT_RDONLY; break;
		case 't': type = only_type = optarg; break;
		case 'u': flags |= MNT_UPDATE; break;
		case 'v': verbose = 1; break;
		case 'w': flags &= ~MNT_RDONLY; break;
		default: usage();
		}
	argc -= optind;
	argv += optind;
	if (all)
		return from_fstab(NULL);
	if (argc == 0) {
		show();
		return 0;
	}
	if (argc == 1 && flags & MNT_UPDATE)
		return do_mount(type, argv[0], argv[0]);
	if (argc == 1)
		return from_fstab(argv[0]);
	if (argc != 2)
		usage();
	return do_mount(type, argv[0], argv[1]);
}
