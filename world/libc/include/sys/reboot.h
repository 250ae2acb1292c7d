/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#define RB_AUTOBOOT 0
#define RB_SINGLE 2
#define RB_NOSYNC 4
#define RB_HALT 8
#define RB_POWEROFF 0x4000
int reboot(int);
