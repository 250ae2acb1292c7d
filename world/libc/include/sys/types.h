/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Basic types of the DragonFly/i386 ABI: 32-bit time_t and dev_t, 16-bit mode_t, 64-bit off_t and ino_t.
 * Counterpart: sys/types.h.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h>

typedef int32_t ssize_t;
typedef int32_t time_t;
typedef int32_t suseconds_t;
typedef int32_t pid_t;
typedef int32_t lwpid_t;
typedef uint32_t uid_t;
typedef uint32_t gid_t;
typedef uint32_t dev_t;
typedef uint16_t mode_t;
typedef uint32_t nlink_t;
typedef uint32_t clockid_t;
typedef int64_t off_t;
typedef uint64_t ino_t;
typedef uint32_t fflags_t;

/* A device number keeps its major in bits 8-15, the minor in the rest. */
#define major(d) ((int)(((d) >> 8) & 0xff))
#define minor(d) ((int)((d) & 0xffff00ff))
#define makedev(ma, mi) ((dev_t)(((ma) << 8) | (mi)))
