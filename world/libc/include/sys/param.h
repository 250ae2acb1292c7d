/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/types.h>
#include <limits.h>
#define MAXPATHLEN 1024
#define MAXHOSTNAMELEN 256
#define MAXLOGNAME 17
#define MAXCOMLEN 16
#define DEV_BSIZE 512
#define roundup(x, y) ((((x) + ((y) - 1)) / (y)) * (y))
#define howmany(x, y) (((x) + ((y) - 1)) / (y))
#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif
