/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/types.h>
typedef struct { int32_t val[2]; } fsid_t;
struct statfs {
	long f_spare2, f_bsize, f_iosize, f_blocks, f_bfree, f_bavail, f_files, f_ffree;
	fsid_t f_fsid;
	uid_t f_owner;
	int f_type, f_flags;
	long f_syncwrites, f_asyncwrites;
	char f_fstypename[16];
	char f_mntonname[80];
	long f_syncreads, f_asyncreads;
	short f_spares1;
	char f_mntfromname[80];
	short f_spares2;
	long f_spare[2];
};
_Static_assert(sizeof(struct statfs) == 256, "struct statfs");
#define MNT_RDONLY 1
#define MNT_SYNCHRONOUS 2
#define MNT_NOEXEC 4
#define MNT_NOSUID 8
#define MNT_NODEV 0x10
#define MNT_ASYNC 0x40
#define MNT_NOSYMFOLLOW 0x400000
#define MNT_NOATIME 0x10000000
#define MNT_LOCAL 0x1000
#define MNT_ROOTFS 0x4000
#define MNT_UPDATE 0x10000
#define MNT_FORCE 0x80000
#define MNT_WAIT 1
#define MNT_NOWAIT 2
int fstatfs(int, struct statfs *);
int getfsstat(struct statfs *, long, int);
int mount(const char *, const char *, int, void *);
int statfs(const char *, struct statfs *);
int unmount(const char *, int);
