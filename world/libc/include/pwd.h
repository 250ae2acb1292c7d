/* SPDX-License-Identifier: BSD-3-Clause */
/* /etc/passwd: name:password:uid:gid:gecos:dir:shell. Results live in static storage. */
#pragma once
#include <sys/types.h>
struct passwd { char *pw_name, *pw_passwd; uid_t pw_uid; gid_t pw_gid; char *pw_gecos, *pw_dir, *pw_shell; };
struct passwd *getpwnam(const char *);
struct passwd *getpwuid(uid_t);
/* Name of a user, or its number in decimal (static storage, remembered). */
const char *user_from_uid(uid_t);
