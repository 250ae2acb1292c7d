/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/types.h>
#define VEOF 0
#define VEOL 1
#define VEOL2 2
#define VERASE 3
#define VWERASE 4
#define VKILL 5
#define VREPRINT 6
#define VERASE2 7
#define VINTR 8
#define VQUIT 9
#define VSUSP 10
#define VDSUSP 11
#define VSTART 12
#define VSTOP 13
#define VLNEXT 14
#define VDISCARD 15
#define VMIN 16
#define VTIME 17
#define VSTATUS 18
#define VCHECKPT 19
#define NCCS 20
#define _POSIX_VDISABLE 0xff
#define IGNBRK 1
#define BRKINT 2
#define IGNPAR 4
#define PARMRK 8
#define INPCK 0x10
#define ISTRIP 0x20
#define INLCR 0x40
#define IGNCR 0x80
#define ICRNL 0x100
#define IXON 0x200
#define IXOFF 0x400
#define IXANY 0x800
#define IMAXBEL 0x2000
#define OPOST 1
#define ONLCR 2
#define OXTABS 4
#define ONOEOT 8
#define OCRNL 0x10
#define ONOCR 0x20
#define ONLRET 0x40
#define CSIZE 0x300
#define CS5 0
#define CS6 0x100
#define CS7 0x200
#define CS8 0x300
#define CSTOPB 0x400
#define CREAD 0x800
#define PARENB 0x1000
#define PARODD 0x2000
#define HUPCL 0x4000
#define CLOCAL 0x8000
#define CRTSCTS 0x30000
#define ECHOKE 1
#define ECHOE 2
#define ECHOK 4
#define ECHO 8
#define ECHONL 0x10
#define ECHOPRT 0x20
#define ECHOCTL 0x40
#define ISIG 0x80
#define ICANON 0x100
#define ALTWERASE 0x200
#define IEXTEN 0x400
#define EXTPROC 0x800
#define TOSTOP 0x400000
#define FLUSHO 0x800000
#define NOKERNINFO 0x2000000
#define PENDIN 0x20000000
#define NOFLSH 0x80000000
#define TCSANOW 0
#define TCSADRAIN 1
#define TCSAFLUSH 2
typedef uint32_t tcflag_t;
typedef uint8_t cc_t;
typedef uint32_t speed_t;
struct termios {
	tcflag_t c_iflag, c_oflag, c_cflag, c_lflag;
	cc_t c_cc[NCCS];
	speed_t c_ispeed, c_ospeed;
};
_Static_assert(sizeof(struct termios) == 44, "struct termios");
int tcgetattr(int, struct termios *);
int tcsetattr(int, int, const struct termios *);
