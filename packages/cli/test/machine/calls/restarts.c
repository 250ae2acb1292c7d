/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes each call that waits, twice: while a signal comes again and again whose handler was set without SA_RESTART, and with it.
 * Prints how the call ended: an error's number, a value, or "restarted" when the handler had run three times and the call was
 * still waiting.
 */
#include "bare.h"

enum {
	sys_exit = 1, sys_fork = 2, sys_read = 3, sys_open = 5, sys_close = 6, sys_unlink = 10, sys_pause = 29, sys_pipe = 42, sys_kill = 37,
	sys_fcntl = 55, sys_setitimer = 104, sys_socketcall = 102, sys_wait4 = 114, sys_ipc = 117, sys_select = 142, sys_flock = 143,
	sys_readv = 145, sys_writev = 146, sys_nanosleep = 162, sys_poll = 168, sys_rt_sigaction = 174, sys_rt_sigprocmask = 175,
	sys_rt_sigtimedwait = 177, sys_rt_sigsuspend = 179, sys_fcntl64 = 221, sys_futex = 240, sys_epoll_create = 254, sys_epoll_ctl = 255,
	sys_epoll_wait = 256, sys_clock_nanosleep = 267, sys_mq_open = 277, sys_mq_unlink = 278, sys_mq_timedsend = 279,
	sys_mq_timedreceive = 280, sys_waitid = 284, sys_inotify_init = 291, sys_pselect6 = 308, sys_ppoll = 309, sys_splice = 313,
	sys_tee = 315, sys_epoll_pwait = 319, sys_signalfd = 321, sys_timerfd_create = 322, sys_eventfd2 = 328, sys_pidfd_open = 434,
	sys_vmsplice = 316, sys_sendfile = 187, sys_mknod = 14, sys_clock_gettime = 265, sys_setsid = 66,
};
#define SIGUSR1 10
#define SIGALRM 14
#define SIGKILL 9
#define SA_RESTORER 0x04000000
#define SA_RESTART 0x10000000
#define O_RDWR 2
#define O_CREAT 0100
#define O_NONBLOCK 04000
#define F_SETFL 4
#define F_SETLKW 7
#define F_SETLKW64 14
#define F_OFD_SETLKW 38

static const char *name;
static int restarting, handled;
static int ends[2], pair[2];
static char zeros[65536] __attribute__((aligned(4096))), path[] = "f", fifo[] = "fifo", queue[] = "restarts";
static long ten[4] = { 10, 0 };

void restore(void);
__asm__("restore:\n\tpopl %eax\n\tmovl $119, %eax\n\tint $0x80");

static void result(const char *what)
{
	text(name);
	text(restarting ? " SA_RESTART: " : ": ");
	text(what);
}

static void handler(int sig)
{
	(void)sig;
	if (++handled < 3)
		return;
	result("restarted\n");
	call(sys_exit, 0, 0, 0);
}

static long socketcall(long nr, long a, long b, long c, long d, long e, long f)
{
	long args[6] = { a, b, c, d, e, f };

	return call(sys_socketcall, nr, args, 0);
}

/* Writes until nothing more goes in. */
static void fill(int fd)
{
	call(sys_fcntl, fd, F_SETFL, O_NONBLOCK);
	while (call(sys_write, fd, zeros, sizeof(zeros)) > 0)
		continue;
	while (call(sys_write, fd, zeros, 1) > 0)
		continue;
	call(sys_fcntl, fd, F_SETFL, 0);
}

/* A process that holds something, and says so by a byte. */
static long holder(void (*hold)(int), int fd)
{
	int said[2];
	long pid;

	call(sys_pipe, said, 0, 0);
	pid = call(sys_fork, 0, 0, 0);
	if (pid == 0) {
		static const long off[4];

		call(sys_setitimer, 0, off, 0);
		if (hold != 0)
			hold(fd);
		call(sys_write, said[1], zeros, 1);
		call(sys_nanosleep, ten, 0, 0);
		call(sys_exit, 0, 0, 0);
	}
	call(sys_read, said[0], zeros, 1);
	return pid;
}
static void hold_flock(int fd)
{
	call(sys_flock, call(sys_open, path, O_RDWR, 0), 2, 0);
	(void)fd;
}
static struct { short type, whence; long start, len, pid; } record = { 1, 0, 0, 0, 0 };
static struct { short type, whence; long long start, len; long pid; } __attribute__((packed)) record64 = { 1, 0, 0, 0, 0 };
static void hold_record(int fd)
{
	call(sys_fcntl, fd, F_SETLKW, &record);
}

static long kernel_set[2];
#define IPC(nr, a, b, c, p, f) call6(sys_ipc, nr, (long)(a), (long)(b), (long)(c), (long)(p), (long)(f))
static short take[3] = { 0, -1, 0 };
static struct { long type; char data[64]; } letter = { 1, "" };
static long vector[2] = { (long)zeros, 4 };
static struct { int fd; short events, revents; } polled;
static long event[3];
static long set[32];
static long limit[2] = { 5, 0 };
static long peer[3] = { 0x6e000001, 0, 0 };

static long t_read_pipe(void) { return call(sys_read, ends[0], zeros, 4); }
static long t_readv_pipe(void) { return call(sys_readv, ends[0], vector, 1); }
static long t_write_pipe(void) { fill(ends[1]); return call(sys_write, ends[1], zeros, 4); }
static long t_writev_pipe(void) { fill(ends[1]); return call(sys_writev, ends[1], vector, 1); }
static long t_read_socket(void) { return call(sys_read, pair[0], zeros, 4); }
static long t_recv(void) { return socketcall(10, pair[0], (long)zeros, 4, 0, 0, 0); }
static long t_recvmsg(void)
{
	static long message[7];

	message[2] = (long)vector;
	message[3] = 1;
	return socketcall(17, pair[0], (long)message, 0, 0, 0, 0);
}
static long t_send(void) { fill(pair[0]); return socketcall(9, pair[0], (long)zeros, 4, 0, 0, 0); }
static long t_recv_timeout(void)
{
	socketcall(14, pair[0], 1, 20, (long)limit, 8, 0);
	return socketcall(10, pair[0], (long)zeros, 4, 0, 0, 0);
}
static long t_send_timeout(void)
{
	fill(pair[0]);
	socketcall(14, pair[0], 1, 21, (long)limit, 8, 0);
	return socketcall(9, pair[0], (long)zeros, 4, 0, 0, 0);
}
static long listening(void)
{
	long s = socketcall(1, 1, 1, 0, 0, 0, 0);

	/* An abstract name. */
	socketcall(2, s, (long)peer, 10, 0, 0, 0);
	socketcall(4, s, 0, 0, 0, 0, 0);
	return s;
}
static long t_accept(void) { return socketcall(5, listening(), 0, 0, 0, 0, 0); }
static long t_connect(void)
{
	int i;
	long r = 0;

	listening();
	for (i = 0; i < 10 && r == 0; i++)
		r = socketcall(3, socketcall(1, 1, 1, 0, 0, 0, 0), (long)peer, 10, 0, 0, 0);
	return r;
}
static long t_open_fifo(void)
{
	call(sys_mknod, fifo, 010600, 0);
	return call(sys_open, fifo, 0, 0);
}
static long t_wait4(void) { holder(0, 0); return call6(sys_wait4, -1, 0, 0, 0, 0, 0); }
static long t_waitid(void) { return call6(sys_waitid, 1, holder(0, 0), 0, 4, 0, 0); }
static long t_waitid_pidfd(void) { return call6(sys_waitid, 3, call(sys_pidfd_open, holder(0, 0), 0, 0), 0, 4, 0, 0); }
static long t_flock(void) { holder(hold_flock, 0); return call(sys_flock, call(sys_open, path, O_RDWR, 0), 2, 0); }
static long t_setlkw(void)
{
	long fd = call(sys_open, path, O_RDWR, 0);

	holder(hold_record, (int)fd);
	return call(sys_fcntl64, fd, F_SETLKW64, &record64);
}
static long t_ofd_setlkw(void)
{
	long fd = call(sys_open, path, O_RDWR, 0);

	holder(hold_record, (int)fd);
	return call(sys_fcntl64, fd, F_OFD_SETLKW, &record64);
}
static long t_futex(void) { return call6(sys_futex, (long)zeros, 0, 0, 0, 0, 0); }
static long t_futex_timeout(void) { return call6(sys_futex, (long)zeros, 0, 0, (long)ten, 0, 0); }
static long t_futex_bitset(void) { return call6(sys_futex, (long)zeros, 9, 0, 0, 0, -1); }
static long t_futex_lock_pi(void)
{
	/* Process 1 has it. */
	*(long *)(void *)zeros = 0x7ffffff;
	return call6(sys_futex, (long)zeros, 6, 0, 0, 0, 0);
}
static long t_semop(void) { return IPC(1, IPC(2, 0, 1, 0600, 0, 0), 1, 0, take, 0); }
static long t_semtimedop(void) { return IPC(4, IPC(2, 0, 1, 0600, 0, 0), 1, 0, take, ten); }
static long t_msgrcv(void) { return IPC(0x1000c, IPC(13, 0, 0600, 0, 0, 0), 64, 0, &letter, 0); }
static long t_msgsnd(void)
{
	long q = IPC(13, 0, 0600, 0, 0, 0);

	while (IPC(11, q, 64, 04000, &letter, 0) == 0)
		continue;
	return IPC(11, q, 64, 0, &letter, 0);
}
static long mq(void)
{
	static long attributes[8] = { 0, 1, 8 };

	call(sys_mq_unlink, queue, 0, 0);
	return call6(sys_mq_open, (long)queue, O_RDWR | O_CREAT, 0600, (long)attributes, 0, 0);
}
static long t_mq_receive(void) { return call6(sys_mq_timedreceive, mq(), (long)zeros, 8, 0, 0, 0); }
static long t_mq_send(void)
{
	long q = mq();

	call6(sys_mq_timedsend, q, (long)zeros, 1, 0, 0, 0);
	return call6(sys_mq_timedsend, q, (long)zeros, 1, 0, 0, 0);
}
static long t_nanosleep(void) { return call(sys_nanosleep, ten, 0, 0); }
static long t_clock_nanosleep(void) { return call6(sys_clock_nanosleep, 1, 0, (long)ten, 0, 0, 0); }
static long t_clock_nanosleep_abs(void)
{
	static long until[2];

	call(sys_clock_gettime, 1, until, 0);
	until[0] += 10;
	return call6(sys_clock_nanosleep, 1, 1, (long)until, 0, 0, 0);
}
static long t_poll(void) { polled.fd = ends[0]; polled.events = 1; return call(sys_poll, &polled, 1, -1); }
static long t_poll_timeout(void) { polled.fd = ends[0]; polled.events = 1; return call(sys_poll, &polled, 1, 10000); }
static long t_ppoll(void) { polled.fd = ends[0]; polled.events = 1; return call6(sys_ppoll, (long)&polled, 1, 0, (long)kernel_set, 8, 0); }
static long t_select(void) { set[0] = 1 << ends[0]; return call6(sys_select, ends[0] + 1, (long)set, 0, 0, 0, 0); }
static long t_select_timeout(void) { set[0] = 1 << ends[0]; return call6(sys_select, ends[0] + 1, (long)set, 0, 0, (long)ten, 0); }
static long t_pselect(void) { set[0] = 1 << ends[0]; return call6(sys_pselect6, ends[0] + 1, (long)set, 0, 0, 0, 0); }
static long epoll(void)
{
	long e = call(sys_epoll_create, 1, 0, 0);

	event[0] = 1;
	call6(sys_epoll_ctl, e, 1, ends[0], (long)event, 0, 0);
	return e;
}
static long t_epoll_wait(void) { return call6(sys_epoll_wait, epoll(), (long)event, 1, -1, 0, 0); }
static long t_epoll_pwait(void) { return call6(sys_epoll_pwait, epoll(), (long)event, 1, -1, (long)kernel_set, 8); }
static long t_sigtimedwait(void)
{
	static long usr[2] = { 1 << (SIGUSR1 - 1), 0 };

	call6(sys_rt_sigprocmask, 0, (long)usr, 0, 8, 0, 0);
	return call6(sys_rt_sigtimedwait, (long)usr, 0, 0, 8, 0, 0);
}
static long t_sigsuspend(void) { return call(sys_rt_sigsuspend, kernel_set, 8, 0); }
static long t_pause(void) { return call(sys_pause, 0, 0, 0); }
static long t_read_inotify(void) { return call(sys_read, call(sys_inotify_init, 0, 0, 0), zeros, 4096); }
static long t_read_eventfd(void) { return call(sys_read, call(sys_eventfd2, 0, 0, 0), zeros, 8); }
static long t_write_eventfd(void)
{
	long fd = call(sys_eventfd2, 0, 0, 0);
	static long most[2] = { -2, -1 };

	call(sys_write, fd, most, 8);
	most[0] = 1;
	most[1] = 0;
	return call(sys_write, fd, most, 8);
}
static long t_read_timerfd(void) { return call(sys_read, call(sys_timerfd_create, 1, 0, 0), zeros, 8); }
static long t_read_signalfd(void)
{
	static long usr[2] = { 1 << (SIGUSR1 - 1), 0 };

	return call(sys_read, call(sys_signalfd, -1, usr, 8), zeros, 128);
}
static long t_splice(void) { return call6(sys_splice, ends[0], 0, pair[0], 0, 4, 0); }
static long t_tee(void)
{
	int other[2];

	call(sys_pipe, other, 0, 0);
	return call6(sys_tee, ends[0], other[1], 4, 0, 0, 0);
}
static long t_vmsplice(void) { fill(ends[1]); return call6(sys_vmsplice, ends[1], (long)vector, 1, 0, 0, 0); }
static long t_sendfile(void) { fill(pair[0]); return call6(sys_sendfile, pair[0], call(sys_open, path, O_RDWR, 0), 0, 4, 0, 0); }

#define T(what) { #what, t_##what }
static const struct { const char *name; long (*make)(void); } tests[] = {
	T(read_pipe), T(readv_pipe), T(write_pipe), T(writev_pipe), T(read_socket), T(recv), T(recvmsg), T(send), T(recv_timeout),
	T(send_timeout), T(accept), T(connect), T(open_fifo), T(wait4), T(waitid), T(waitid_pidfd), T(flock), T(setlkw), T(ofd_setlkw),
	T(futex), T(futex_timeout), T(futex_bitset), T(futex_lock_pi), T(semop), T(semtimedop), T(msgrcv), T(msgsnd), T(mq_receive), T(mq_send),
	T(nanosleep), T(clock_nanosleep), T(clock_nanosleep_abs), T(poll), T(poll_timeout), T(ppoll), T(select), T(select_timeout), T(pselect),
	T(epoll_wait), T(epoll_pwait), T(sigtimedwait), T(sigsuspend), T(pause), T(read_inotify), T(read_eventfd), T(write_eventfd),
	T(read_timerfd), T(read_signalfd), T(splice), T(tee), T(vmsplice), T(sendfile),
};

static void one(unsigned test)
{
	/* Again and again: what the call finds out before it waits is interrupted too. */
	static const long timer[4] = { 0, 50000, 0, 50000 }, stop[4];
	long action[5] = { (long)handler, SA_RESTORER | (restarting ? SA_RESTART : 0), (long)restore, 0, 0 };
	long r;

	name = tests[test].name;
	call(sys_setsid, 0, 0, 0);
	call(sys_close, call(sys_open, path, O_RDWR | O_CREAT, 0644), 0, 0);
	call(sys_write, 9, zeros, 0);
	call(sys_pipe, ends, 0, 0);
	socketcall(8, 1, 1, 0, (long)pair, 0, 0);
	call6(sys_rt_sigaction, SIGALRM, (long)action, 0, 8, 0, 0);
	call(sys_setitimer, 0, timer, 0);
	r = tests[test].make();
	call(sys_setitimer, 0, stop, 0);
	if (r < 0 && r > -4096) {
		result("error ");
		number(-r);
	} else {
		result("gives ");
		number(r);
	}
	text("\n");
	call(sys_exit, 0, 0, 0);
}

void _start(void)
{
	unsigned i;
	long pid;

	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		for (restarting = 0; restarting < 2; restarting++) {
			call(sys_unlink, path, 0, 0);
			call(sys_unlink, fifo, 0, 0);
			pid = call(sys_fork, 0, 0, 0);
			if (pid == 0)
				one(i);
			call6(sys_wait4, pid, 0, 0, 0, 0, 0);
		}
	call(sys_exit, 0, 0, 0);
}
