/* SPDX-License-Identifier: BSD-3-Clause */
/* Command words: bits 31-29 direction, 28-16 length, 15-8 group, 7-0 number. */
#pragma once
#include <sys/types.h>
#define _IO(g, n) (0x20000000UL | (g) << 8 | (n))
#define _IOR(g, n, t) (0x40000000UL | sizeof(t) << 16 | (g) << 8 | (n))
#define _IOW(g, n, t) (0x80000000UL | sizeof(t) << 16 | (g) << 8 | (n))
#define _IOWR(g, n, t) (0xc0000000UL | sizeof(t) << 16 | (g) << 8 | (n))
struct winsize { unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel; };
#define TIOCGWINSZ _IOR('t', 104, struct winsize)
#define TIOCSWINSZ _IOW('t', 103, struct winsize)
#define TIOCGPGRP _IOR('t', 119, int)
#define TIOCSPGRP _IOW('t', 118, int)
#define TIOCSCTTY _IO('t', 97)
#define TIOCNOTTY _IO('t', 113)
#define TIOCDRAIN _IO('t', 94)
#define TIOCFLUSH _IOW('t', 16, int)
#define FIONREAD _IOR('f', 127, int)
int ioctl(int, unsigned long, ...);
