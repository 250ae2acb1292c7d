/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random changes to what several epoll files watch: entries come, change and go; pipes, eventfds and stream sockets are filled, emptied,
 * duplicated and closed; one epoll file watches another. After each step every epoll file says what it has to report.
 * The one argument is the seed.
 */
#include "bare.h"

enum {
	sys_exit = 1, sys_read = 3, sys_close = 6, sys_dup = 41, sys_socketcall = 102, sys_epoll_ctl = 255, sys_epoll_wait = 256,
	sys_eventfd2 = 328, sys_epoll_create1 = 329, sys_pipe2 = 331,
};
#define O_NONBLOCK 04000
#define EPOLLIN 1u
#define EPOLLOUT 4u
#define EPOLLRDHUP 0x2000u
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
#define FILES 18
#define EPOLLS 3

static unsigned seed;
static unsigned pick(unsigned n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 12) % n;
}

struct event {
	unsigned events, lo, hi;
} __attribute__((packed));

static int file[FILES], epoll[EPOLLS];
static char buffer[8192];

static void open_group(int at)
{
	if (at % 6 < 2)
		call(sys_pipe2, &file[at - at % 6], O_NONBLOCK, 0);
	else if (at % 6 < 4) {
		long args[4] = { 1, 1 | O_NONBLOCK, 0, (long)&file[at - at % 6 + 2] };
		call(sys_socketcall, 8, args, 0);
	} else
		file[at] = (int)call(sys_eventfd2, 0, O_NONBLOCK, 0);
}

static void hex(unsigned v)
{
	char digits[9];
	int i;

	for (i = 0; i < 8; i++)
		digits[i] = "0123456789abcdef"[v >> (28 - 4 * i) & 15];
	digits[8] = '\0';
	text(digits);
}

/* What one epoll file reports, in the order of the entries' names. */
static void report(int ep)
{
	struct event out[64];
	int n = (int)call6(sys_epoll_wait, epoll[ep], (long)out, 64, 0, 0, 0), last = -1, i, next;

	text(" e");
	number(ep);
	for (;;) {
		next = -1;
		for (i = 0; i < n; i++)
			if ((int)out[i].lo > last && (next < 0 || out[i].lo < out[next].lo))
				next = i;
		if (next < 0)
			break;
		last = (int)out[next].lo;
		text(" ");
		number(last);
		text("=");
		hex(out[next].events);
	}
}

static long change(int ep, int op, int fd, unsigned events, unsigned name)
{
	struct event ev = { events, name, 0 };

	return call6(sys_epoll_ctl, epoll[ep], op, fd, (long)&ev, 0, 0);
}

static unsigned some_events(void)
{
	static const unsigned sets[] = { EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLIN | EPOLLRDHUP, 0 };
	static const unsigned modes[] = { 0, 0, EPOLLET, EPOLLONESHOT, EPOLLET | EPOLLONESHOT };

	return sets[pick(5)] | modes[pick(5)];
}

static void outcome(const char *what, int at, long r)
{
	text(what);
	number(at);
	text(r < 0 ? " error " : " ");
	number(r < 0 ? -r : r);
}

void start(long *stack)
{
	const char *s = (const char *)stack[2];
	unsigned name = 0;
	int i, step;

	for (; *s != '\0'; s++)
		seed = seed * 10 + (unsigned)(*s - '0');
	for (i = 0; i < EPOLLS; i++)
		epoll[i] = (int)call(sys_epoll_create1, 0, 0, 0);
	for (i = 0; i < FILES; i++)
		if (i % 6 == 0 || i % 6 == 2 || i % 6 >= 4)
			open_group(i);
	change(2, 1, epoll[0], EPOLLIN | EPOLLET, 900);
	change(2, 1, epoll[1], EPOLLIN, 901);
	for (step = 0; step < 1500; step++) {
		int at = (int)pick(FILES), ep = (int)pick(2), fd = file[at];

		number(step);
		text(": ");
		switch (pick(10)) {
		case 0:
		case 1:
			outcome("add ", at, change(ep, 1, fd, some_events(), ++name));
			break;
		case 2:
			outcome("change ", at, change(ep, 3, fd, some_events(), ++name));
			break;
		case 3:
			outcome("delete ", at, change(ep, 2, fd, 0, 0));
			break;
		case 4:
		case 5:
		case 6: {
			/* Pipes take a page, so that they fill up; how much a socket takes is another matter. */
			for (i = 0; i < 8; i++)
				buffer[i] = i == 0;
			outcome("write ", at, call(sys_write, fd, buffer, at % 6 < 2 ? 4096 : 8));
			break;
		}
		case 7:
		case 8:
			outcome("read ", at, call(sys_read, fd, buffer, pick(2) ? 4096 : 8192));
			break;
		case 9:
			if (pick(8) != 0) {
				text("nothing");
				break;
			}
			/* The file of a descriptor may live on under another number, for as long as the test runs. */
			if (pick(3) == 0)
				call(sys_dup, fd, 0, 0);
			if (at % 6 >= 4) {
				call(sys_close, fd, 0, 0);
				open_group(at);
			} else {
				at -= at % 2;
				call(sys_close, file[at], 0, 0);
				report(0);
				report(1);
				call(sys_close, file[at + 1], 0, 0);
				open_group(at);
			}
			outcome(" again ", at, 0);
		}
		for (i = 0; i < EPOLLS; i++)
			report((i + 2) % EPOLLS);
		text("\n");
	}
	call(sys_exit, 0, 0, 0);
}
__asm__(".globl _start\n_start:\n\tmovl %esp, %eax\n\tpushl $0\n\tpushl %eax\n\tcall start");
