/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#define POLLIN 1
#define POLLOUT 4
#define POLLERR 8
#define POLLHUP 0x10
struct pollfd { int fd; short events, revents; };
int poll(struct pollfd *, unsigned, int);
