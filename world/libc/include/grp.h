/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/types.h>
struct group { char *gr_name, *gr_passwd; gid_t gr_gid; char **gr_mem; };
struct group *getgrnam(const char *);
struct group *getgrgid(gid_t);
const char *group_from_gid(gid_t);
