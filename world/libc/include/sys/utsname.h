/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#define _SYS_NAMELEN 32
struct utsname { char sysname[32], nodename[32], release[32], version[32], machine[32]; };
int uname(struct utsname *);
