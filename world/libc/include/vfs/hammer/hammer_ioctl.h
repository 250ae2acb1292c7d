/* SPDX-License-Identifier: BSD-3-Clause */
/* The part of the HAMMER control interface hammer(8) and undo(1) use. Counterpart: sys/vfs/hammer/hammer_ioctl.h. */
#pragma once
#include <sys/ioctl.h>
typedef uint64_t hammer_tid_t;
#define HAMMER_MAX_TID 0xffffffffffffffffULL
#define HAMMER_MIN_TID 0ULL
#define HAMMER_MAX_KEY 0x7fffffffffffffffLL
#define HAMMER_MIN_KEY (-HAMMER_MAX_KEY - 1)

struct hammer_ioc_head { int32_t flags, error, reserved01[4]; };
#define HAMMER_IOC_HEAD_ERROR 0x8000
#define HAMMER_IOC_HEAD_INTR 0x10000

#define HAMMER_MAX_HISTORY_ELMS 64
struct hammer_ioc_hist_entry { hammer_tid_t tid; uint32_t time32, reserved01; };
struct hammer_ioc_history {
	struct hammer_ioc_head head;
	int64_t obj_id;
	hammer_tid_t beg_tid, nxt_tid, end_tid;
	int64_t key, nxt_key;
	int count, reserve01;
	struct hammer_ioc_hist_entry hist_ary[HAMMER_MAX_HISTORY_ELMS];
};
#define HAMMER_IOC_HISTORY_ATKEY 0x0001
#define HAMMER_IOC_HISTORY_NEXT_TID 0x0002
#define HAMMER_IOC_HISTORY_NEXT_KEY 0x0004
#define HAMMER_IOC_HISTORY_EOF 0x0008
#define HAMMER_IOC_HISTORY_UNSYNCED 0x0010

enum hammer_synctid_op { HAMMER_SYNCTID_NONE, HAMMER_SYNCTID_ASYNC, HAMMER_SYNCTID_SYNC1, HAMMER_SYNCTID_SYNC2 };
struct hammer_ioc_synctid { struct hammer_ioc_head head; enum hammer_synctid_op op; hammer_tid_t tid; };

struct hammer_uuid {
	uint32_t time_low;
	uint16_t time_mid, time_hi_and_version;
	uint8_t clock_seq_hi_and_reserved, clock_seq_low, node[6];
};
struct hammer_ioc_info {
	struct hammer_ioc_head head;
	char vol_label[64];
	struct hammer_uuid vol_fsid, vol_fstype;
	int version, nvolumes, rootvol, reserved01;
	int64_t bigblocks, freebigblocks, rsvbigblocks, inodes;
	int64_t reservedext[16];
};

struct hammer_ioc_version {
	struct hammer_ioc_head head;
	uint32_t cur_version, min_version, wip_version, max_version;
	char description[64];
};

struct hammer_snapshot_data { hammer_tid_t tid; uint64_t ts; uint64_t reserved01, reserved02; char label[64]; uint64_t reserved03[4]; };
#define HAMMER_SNAPS_PER_IOCTL 16
#define HAMMER_IOC_SNAPSHOT_EOF 0x0008
struct hammer_ioc_snapshot {
	struct hammer_ioc_head head;
	int reserved01;
	uint32_t index, count;
	struct hammer_snapshot_data snaps[HAMMER_SNAPS_PER_IOCTL];
};

#define HAMMERIOC_GETHISTORY _IOWR('h', 2, struct hammer_ioc_history)
#define HAMMERIOC_SYNCTID _IOWR('h', 4, struct hammer_ioc_synctid)
#define HAMMERIOC_GET_VERSION _IOWR('h', 13, struct hammer_ioc_version)
#define HAMMERIOC_GET_INFO _IOR('h', 16, struct hammer_ioc_info)
#define HAMMERIOC_GET_SNAPSHOT _IOWR('h', 20, struct hammer_ioc_snapshot)

/* mount(2) argument of type "hammer" */
struct hammer_mount_info {
	const char **volumes;
	int nvolumes, hflags, master_id;
	uint64_t asof;
	char reserved1[136];
	uint64_t reserved2[15];
};
_Static_assert(sizeof(struct hammer_mount_info) == 280, "struct hammer_mount_info");
