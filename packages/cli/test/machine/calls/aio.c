/* SPDX-License-Identifier: BSD-3-Clause */
/* io_setup and its kin: transfers, errors, vectors, durability, readiness, cancellation and announcements, each with its result. */
#include "bare.h"

enum {
	sys_exit = 1, sys_read = 3, sys_open = 5, sys_close = 6, sys_unlink = 10, sys_fork = 2, sys_wait4 = 114, sys_io_setup = 245, sys_io_destroy = 246,
	sys_io_getevents = 247, sys_io_submit = 248, sys_io_cancel = 249, sys_eventfd2 = 328, sys_pipe2 = 331,
};
#define O_RDWR 2
#define O_CREAT 0100
#define O_TRUNC 01000
#define O_NONBLOCK 04000

struct iocb {
	unsigned data, data_hi, key, rw_flags;
	unsigned short opcode, prio;
	int fd;
	unsigned buf, buf_hi, nbytes, nbytes_hi, offset, offset_hi, r0, r1, flags, resfd;
};
struct event {
	unsigned data, data_hi, obj, obj_hi;
	int res, res_hi, res2, res2_hi;
};
static unsigned ctx;
static struct iocb cb[64], *list[64];
static struct event ev[64];
static char data[65536], back[65536], path[] = "aio-file";

static void show(const char *what, long r)
{
	text(what);
	text(r < 0 ? ": error " : ": ");
	number(r < 0 ? -r : r);
	text("\n");
}
static struct iocb *request(int i, int opcode, int fd, void *buf, unsigned n, unsigned offset)
{
	struct iocb clear = { 0 };

	cb[i] = clear;
	cb[i].data = 100 + (unsigned)i;
	cb[i].opcode = (unsigned short)opcode;
	cb[i].fd = fd;
	cb[i].buf = (unsigned)buf;
	cb[i].nbytes = n;
	cb[i].offset = offset;
	list[i] = &cb[i];
	return &cb[i];
}
static long submit(int first, int n)
{
	return call(sys_io_submit, ctx, n, &list[first]);
}
/* Waits for n completions and shows them in the order of their names. */
static void events(int n)
{
	long got = call6(sys_io_getevents, (long)ctx, n, 64, (long)ev, 0, 0);
	unsigned name;
	long i;

	show("events", got);
	for (name = 100; name < 164; name++)
		for (i = 0; i < got; i++)
			if (ev[i].data == name) {
				text(" ");
				number((long)name - 100);
				show(ev[i].obj == (unsigned)&cb[name - 100] ? "" : " of another", ev[i].res);
			}
}
static void one(const char *what)
{
	long r = submit(0, 1);

	show(what, r);
	if (r == 1)
		events(1);
}

void _start(void)
{
	static unsigned none, iov[4];
	static long zero[2], little[2] = { 0, 1000000 };
	unsigned long long count = 0;
	int fd, efd, ends[2], i;

	show("setup of 0", call(sys_io_setup, 0, &ctx, 0));
	none = 1;
	show("setup over another", call(sys_io_setup, 8, &none, 0));
	show("setup nowhere", call(sys_io_setup, 8, 16, 0));
	show("setup", call(sys_io_setup, 40, &ctx, 0));
	show("submit to none", call(sys_io_submit, 16, 1, list));
	show("submit less than none", call(sys_io_submit, ctx, -1, list));
	show("submit nothing", call(sys_io_submit, ctx, 0, 0));
	show("getevents, more at least than at most", call6(sys_io_getevents, (long)ctx, 2, 1, (long)ev, 0, 0));
	show("getevents, negative", call6(sys_io_getevents, (long)ctx, -1, 1, (long)ev, 0, 0));
	show("getevents at once", call6(sys_io_getevents, (long)ctx, 0, 4, (long)ev, (long)zero, 0));
	show("getevents in a moment", call6(sys_io_getevents, (long)ctx, 1, 4, (long)ev, (long)little, 0));
	show("getevents of none", call6(sys_io_getevents, 16, 0, 4, (long)ev, 0, 0));
	for (i = 0; i < (int)sizeof(data); i++)
		data[i] = (char)(i * 7 + i / 256);
	fd = (int)call(sys_open, path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	efd = (int)call(sys_eventfd2, 0, O_NONBLOCK, 0);
	call(sys_pipe2, ends, 0, 0);

	for (i = 0; i < 16; i++) {
		request(i, 1, fd, data + 4096 * i, 4096, 4096u * (unsigned)i)->flags = 1;
		cb[i].resfd = (unsigned)efd;
	}
	show("sixteen writes", submit(0, 16));
	events(16);
	show("announced", call(sys_read, efd, &count, 8));
	show("announcements", (long)count);
	for (i = 0; i < 16; i++)
		request(i, 0, fd, back + 4096 * (15 - i), 4096, 4096u * (unsigned)(15 - i));
	show("sixteen reads", submit(0, 16));
	events(16);
	for (i = 0; i < (int)sizeof(data) && back[i] == data[i]; i++)
		;
	show("bytes that are the same", i);

	request(0, 0, fd, back, 4096, 65536 - 100);
	one("a read at the end");
	request(0, 0, fd, back, 4096, 1000000);
	one("a read behind the end");
	request(0, 0, fd, (void *)16, 4096, 0);
	one("a read to nowhere");
	request(0, 1, fd, (void *)16, 4096, 0);
	one("a write from nowhere");
	request(0, 0, 99, back, 16, 0);
	one("a read of no file");
	request(0, 1, ends[0], data, 16, 0);
	one("a write to a pipe's end for reading");
	request(0, 4, fd, back, 16, 0);
	one("an operation that there is not");
	request(0, 0, fd, back, 16, 0)->r0 = 1;
	one("a reserved word");
	request(0, 0, fd, back, 16, 0)->offset_hi = ~0u;
	one("a negative offset");
	request(0, 0, fd, back, 16, 0)->flags = 1;
	cb[0].resfd = (unsigned)fd;
	one("an announcement to a file");
	request(0, 0, fd, back, 16, 0)->rw_flags = 0x4000000;
	one("flags that there are not");
	request(0, 1, fd, data, 16, 0)->rw_flags = 2;
	one("a durable write");
	request(0, 2, fd, 0, 0, 0);
	one("fsync");
	request(0, 3, fd, 0, 0, 0);
	one("fdatasync");
	request(0, 2, fd, 0, 1, 0);
	one("fsync with a length");
	request(0, 2, ends[1], 0, 0, 0);
	one("fsync of a pipe");
	iov[0] = (unsigned)data;
	iov[1] = 10;
	iov[2] = (unsigned)data + 100;
	iov[3] = 20;
	request(0, 8, fd, iov, 2, 5);
	one("a write of vectors");
	iov[0] = (unsigned)back;
	iov[2] = (unsigned)back + 10;
	request(0, 7, fd, iov, 2, 5);
	one("a read of vectors");
	for (i = 0; i < 30 && back[i] == (i < 10 ? data[i] : data[90 + i]); i++)
		;
	show("bytes that are the same", i);

	request(0, 0, fd, back, 16, 0);
	request(1, 0, 99, back, 16, 0);
	request(2, 0, fd, back, 16, 0);
	show("a good one, a bad one, a good one", submit(0, 3));
	events(1);
	show("events nowhere", (request(0, 0, fd, back, 16, 0), submit(0, 1), call6(sys_io_getevents, (long)ctx, 1, 4, 16, 0, 0)));
	events(1);

	request(0, 5, ends[0], (void *)0x41, 0, 0);
	request(1, 5, ends[1], (void *)4, 0, 0);
	show("waits for both ends of a pipe", submit(0, 2));
	events(1);
	call(sys_write, ends[1], data, 1);
	events(1);
	request(0, 5, ends[0], (void *)1, 1, 0);
	one("readiness with a length");
	call(sys_read, ends[0], back, 1);
	request(0, 5, ends[0], (void *)0x41, 0, 0);
	show("waits for a pipe", submit(0, 1));
	show("cancels it", call(sys_io_cancel, ctx, &cb[0], ev));
	events(1);
	show("cancels it again", call(sys_io_cancel, ctx, &cb[0], ev));
	cb[0].key = 5;
	show("cancels with another key", call(sys_io_cancel, ctx, &cb[0], ev));
	show("cancels nothing", call(sys_io_cancel, ctx, 16, ev));
	request(0, 5, ends[0], (void *)0x41, 0, 0);
	show("waits for a pipe", submit(0, 1));
	if (call(sys_fork, 0, 0, 0) == 0) {
		request(1, 0, fd, back, 16, 0);
		show("a child has none", call(sys_io_submit, ctx, 1, &list[1]));
		call(sys_exit, 0, 0, 0);
	}
	call(sys_wait4, -1, 0, 0);
	show("ends it all", call(sys_io_destroy, ctx, 0, 0));
	show("ends it again", call(sys_io_destroy, ctx, 0, 0));
	show("submit afterwards", submit(0, 1));
	ctx = 0;
	show("setup again", call(sys_io_setup, 4, &ctx, 0));
	request(0, 5, ends[0], (void *)0x41, 0, 0);
	show("waits for a pipe, and leaves", submit(0, 1));
	call(sys_unlink, path, 0, 0);
	call(sys_exit, 0, 0, 0);
}
