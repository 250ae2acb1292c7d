/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Walking file trees: one call visits a root and all below it. The part of fts(3) the world's programs use.
 */
#pragma once
#include <sys/stat.h>

enum walk_kind {
	WALK_FILE,   /* anything but a directory; `st` is valid */
	WALK_DIR,    /* a directory, before its contents */
	WALK_DIREND, /* the same directory, after them */
	WALK_ERR     /* `error` says why `path` could not be examined or read */
};

#define WALK_LOGICAL 1  /* follow all symbolic links */
#define WALK_ROOTLINK 2 /* follow a link given as the root */
#define WALK_XDEV 4     /* stay on the root's file system */
#define WALK_SORT 8     /* visit names in order */

struct walk {
	enum walk_kind kind;
	const char *path; /* as the user would write it: root[/name...] */
	const char *name; /* last component */
	const struct stat *st;
	int level; /* 0 for the root */
	int error;
	void *arg;
};

#define WALK_GO 0
#define WALK_SKIP 1 /* from WALK_DIR: do not descend (no WALK_DIREND follows) */
#define WALK_STOP 2 /* end the whole walk */

/* Returns WALK_GO, or WALK_STOP when `visit` asked for it. */
int walk(const char *root, int flags, int (*visit)(struct walk *), void *arg);
