/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hammer: information about the mounted HAMMER file systems. history, info, synctid, snapls, version; what works on
 * images is the host's command of the same name. Output as DragonFly's hammer(8) prints it.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>
#include <vfs/hammer/hammer_ioctl.h>

#define BIGBLOCK (8LL * 1024 * 1024)

static int open_fs(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd == -1)
		err(1, "%s", path);
	return fd;
}

static void call(int fd, unsigned long cmd, void *data, const char *path)
{
	if (ioctl(fd, cmd, data) == -1) {
		if (errno == ENOTTY || errno == EINVAL)
			errx(1, "%s: not on a HAMMER file system", path);
		err(1, "%s", path);
	}
}

static void print_history(int fd, const char *path)
{
	struct hammer_ioc_history hist;
	char when[64];
	int i, state = '{';

	memset(&hist, 0, sizeof(hist));
	hist.beg_tid = HAMMER_MIN_TID;
	hist.end_tid = HAMMER_MAX_TID;
	hist.nxt_key = HAMMER_MAX_KEY;
	for (;;) {
		call(fd, HAMMERIOC_GETHISTORY, &hist, path);
		if (state == '{')
			printf("%s\t%016llx %s {\n", path, (unsigned long long)hist.obj_id,
			    hist.head.flags & HAMMER_IOC_HISTORY_UNSYNCED ? "dirty" : "clean");
		state = 0;
		for (i = 0; i < hist.count; i++) {
			time_t t = (time_t)hist.hist_ary[i].time32;

			strftime(when, sizeof(when), "%d-%b-%Y %H:%M:%S", localtime(&t));
			printf("    %016llx %s\n", (unsigned long long)hist.hist_ary[i].tid, when);
		}
		if (hist.head.flags & HAMMER_IOC_HISTORY_EOF || !(hist.head.flags & HAMMER_IOC_HISTORY_NEXT_TID))
			break;
		hist.beg_tid = hist.nxt_tid;
	}
	printf("}\n");
}

static int history(int argc, char **argv)
{
	int i, failed = 0;

	for (i = 0; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);

		if (fd == -1) {
			warn("%s", argv[i]);
			failed = 1;
			continue;
		}
		print_history(fd, argv[i]);
		close(fd);
	}
	return failed;
}

static int synctid(int argc, char **argv)
{
	struct hammer_ioc_synctid sync;
	int fd = open_fs(argv[0]);

	memset(&sync, 0, sizeof(sync));
	sync.op = argc > 1 && strcmp(argv[1], "quick") == 0 ? HAMMER_SYNCTID_SYNC1 : HAMMER_SYNCTID_SYNC2;
	call(fd, HAMMERIOC_SYNCTID, &sync, argv[0]);
	printf("0x%016llx\n", (unsigned long long)sync.tid);
	return 0;
}

static void put_uuid(const struct hammer_uuid *u)
{
	int i;

	printf("%08x-%04x-%04x-%02x%02x-", u->time_low, u->time_mid, u->time_hi_and_version, u->clock_seq_hi_and_reserved,
	    u->clock_seq_low);
	for (i = 0; i < 6; i++)
		printf("%02x", u->node[i]);
}

static void put_size(const char *label, long long blocks)
{
	long long tenths = blocks * BIGBLOCK * 10;
	static const char units[] = "BKMGTP";
	int u = 0;

	for (; tenths >= 10240 && units[u + 1] != '\0'; u++)
		tenths /= 1024;
	printf("\t%-16s %lld.%lld%c (%lld big-blocks)\n", label, tenths / 10, tenths % 10, units[u], blocks);
}

static void info_of(const char *path)
{
	struct hammer_ioc_info info;
	int fd = open_fs(path);

	memset(&info, 0, sizeof(info));
	call(fd, HAMMERIOC_GET_INFO, &info, path);
	printf("Volume identification\n\tLabel            %s\n\tNo. Volumes      %d\n\tFSID             ", info.vol_label, info.nvolumes);
	put_uuid(&info.vol_fsid);
	printf("\n\tHAMMER Version   %d\nBig-block information\n", info.version);
	put_size("Total", info.bigblocks);
	put_size("Used", info.bigblocks - info.freebigblocks);
	put_size("Reserved", info.rsvbigblocks);
	put_size("Free", info.freebigblocks);
	printf("Space information\n\tNo. Inodes       %lld\n\tMounted on       %s\n", (long long)info.inodes, path);
	close(fd);
}

static int info(int argc, char **argv)
{
	struct statfs mounts[64];
	int i, n, seen = 0;

	for (i = 0; i < argc; i++)
		info_of(argv[i]);
	if (argc > 0)
		return 0;
	n = getfsstat(mounts, sizeof(mounts), MNT_NOWAIT);
	for (i = 0; i < n; i++)
		if (strcmp(mounts[i].f_fstypename, "hammer") == 0) {
			info_of(mounts[i].f_mntonname);
			seen = 1;
		}
	if (!seen)
		warnx("no HAMMER file system is mounted");
	return !seen;
}

static int snapls(int argc, char **argv)
{
	struct hammer_ioc_snapshot snap;
	const char *path = argc > 0 ? argv[0] : "/";
	int fd = open_fs(path);
	unsigned i;

	printf("Snapshots on %s\nTransaction ID\t\tTimestamp\t\tNote\n", path);
	memset(&snap, 0, sizeof(snap));
	do {
		snap.index = 0;
		call(fd, HAMMERIOC_GET_SNAPSHOT, &snap, path);
		for (i = 0; i < snap.count; i++) {
			time_t t = (time_t)(snap.snaps[i].ts / 1000000);
			char when[64];

			strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %Z", localtime(&t));
			printf("0x%016llx\t%s\t%s\n", (unsigned long long)snap.snaps[i].tid, when,
			    snap.snaps[i].label[0] != '\0' ? snap.snaps[i].label : "-");
		}
	} while (snap.count > 0 && !(snap.head.flags & HAMMER_IOC_SNAPSHOT_EOF));
	return 0;
}

static int version(int argc, char **argv)
{
	struct hammer_ioc_version v;
	const char *path = argc > 0 ? argv[0] : "/";
	int fd = open_fs(path);

	memset(&v, 0, sizeof(v));
	call(fd, HAMMERIOC_GET_VERSION, &v, path);
	printf("min=%u wip=%u max=%u current=%u description=\"%s\"\n", v.min_version, v.wip_version, v.max_version, v.cur_version,
	    v.description);
	return 0;
}

static const struct command { const char *name; int (*run)(int, char **); int least; } commands[] = {
	{ "history", history, 1 }, { "info", info, 0 }, { "snapls", snapls, 0 }, { "synctid", synctid, 1 }, { "version", version, 0 },
};

int main(int argc, char **argv)
{
	unsigned i;
	int c;

	while ((c = getopt(argc, argv, "")) != -1)
		argc = 0;
	argc -= optind;
	argv += optind;
	for (i = 0; argc > 0 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, argv[0]) == 0 && argc - 1 >= commands[i].least)
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "usage: hammer history file ...\n       hammer info [directory ...]\n       hammer snapls [directory]\n"
	    "       hammer synctid directory [quick]\n       hammer version [directory]\n");
	return 1;
}
