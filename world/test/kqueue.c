/* SPDX-License-Identifier: BSD-3-Clause */
/* kqueue and kevent: descriptors, files, processes, signals, timers. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct kevent {
	unsigned ident;
	short filter;
	unsigned short flags;
	unsigned fflags;
	int data;
	void *udata;
};
_Static_assert(sizeof(struct kevent) == 20, "struct kevent");

#define EVFILT_READ (-1)
#define EVFILT_WRITE (-2)
#define EVFILT_VNODE (-4)
#define EVFILT_PROC (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER (-7)
#define EV_ADD 1
#define EV_DELETE 2
#define EV_DISABLE 8
#define EV_ONESHOT 0x10
#define EV_CLEAR 0x20
#define EV_ERROR 0x4000
#define EV_EOF 0x8000
#define NOTE_EXIT 0x80000000u
#define NOTE_FORK 0x40000000u
#define NOTE_EXEC 0x20000000u

static int kq;

static int change(unsigned ident, short filter, unsigned short flags, unsigned fflags, int data)
{
	struct kevent ev = { ident, filter, flags, fflags, data, (void *)(ident ^ 0x5555) };

	return call(363, kq, &ev, 1, NULL, 0, NULL);
}

/* Fetches up to n events, waiting ms milliseconds for the first one. */
static int fetch(struct kevent *ev, int n, long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	memset(ev, 0, sizeof(*ev) * (unsigned)n);
	return call(363, kq, NULL, 0, ev, n, &ts);
}

static void descriptors(void)
{
	struct kevent ev[4];
	int fd[2];

	pipe(fd);
	check(change((unsigned)fd[0], EVFILT_READ, EV_ADD, 0, 0) == 0 && fetch(ev, 4, 0) == 0, "kevent: an empty pipe");
	write(fd[1], "abc", 3);
	check(fetch(ev, 4, 1000) == 1 && ev[0].ident == (unsigned)fd[0] && ev[0].filter == EVFILT_READ && ev[0].data == 3 &&
	    ev[0].udata == (void *)(fd[0] ^ 0x5555) && fetch(ev, 4, 0) == 1, "kevent: bytes, reported until they are read");
	check(change((unsigned)fd[0], EVFILT_READ, EV_DELETE, 0, 0) == 0 && fetch(ev, 4, 0) == 0, "kevent: EV_DELETE");
	check(change((unsigned)fd[0], EVFILT_READ, EV_ADD | EV_CLEAR, 0, 0) == 0 && fetch(ev, 4, 0) == 1 && fetch(ev, 4, 0) == 0,
	    "kevent: EV_CLEAR reports once");
	write(fd[1], "d", 1);
	check(fetch(ev, 4, 0) == 1 && ev[0].data == 4, "kevent: and again for what comes later");
	close(fd[1]);
	check(fetch(ev, 4, 0) == 1 && (ev[0].flags & EV_EOF), "kevent: EV_EOF when the writer is gone");
	close(fd[0]);
	check(fetch(ev, 4, 0) == 0 && change((unsigned)fd[0], EVFILT_READ, EV_ADD, 0, 0) == -EBADF, "kevent: a closed descriptor");
	check(change(1, 99, EV_ADD, 0, 0) == -EINVAL, "kevent: no such filter");
	{
		struct kevent bad = { 77, EVFILT_READ, EV_ADD, 0, 0, NULL };

		check(call(363, kq, &bad, 1, ev, 4, NULL) == 1 && ev[0].flags == EV_ERROR && ev[0].data == EBADF,
		    "kevent: errors are events where there is room");
	}
}

static void vnodes(void)
{
	struct kevent ev[4];
	int fd = open("kq.tmp", O_RDWR | O_CREAT | O_TRUNC, 0600);

	check(change((unsigned)fd, EVFILT_VNODE, EV_ADD | EV_CLEAR, 0x7f, 0) == 0 && fetch(ev, 4, 0) == 0, "EVFILT_VNODE");
	write(fd, "x", 1);
	check(fetch(ev, 4, 0) == 1 && ev[0].fflags == 6, "EVFILT_VNODE: NOTE_WRITE and NOTE_EXTEND");
	fchmod(fd, 0640);
	link("kq.tmp", "kq.link");
	check(fetch(ev, 4, 0) == 1 && ev[0].fflags == 0x18, "EVFILT_VNODE: NOTE_ATTRIB and NOTE_LINK, together");
	rename("kq.link", "kq.name");
	unlink("kq.tmp");
	check(fetch(ev, 4, 0) == 1 && ev[0].fflags == 0x21, "EVFILT_VNODE: NOTE_RENAME and NOTE_DELETE");
	unlink("kq.name");
	close(fd);
}

static void processes(void)
{
	struct kevent ev[4];
	int status, go[2];
	char byte;
	pid_t pid;

	pipe(go);
	pid = fork();
	if (pid == 0) {
		read(go[0], &byte, 1);
		_exit(9);
	}
	check(change((unsigned)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT | NOTE_FORK, 0) == 0 && fetch(ev, 4, 0) == 0, "EVFILT_PROC");
	write(go[1], "x", 1);
	check(fetch(ev, 4, 5000) == 1 && ev[0].ident == (unsigned)pid && ev[0].fflags == NOTE_EXIT && ev[0].data == 9 << 8 &&
	    (ev[0].flags & EV_EOF), "EVFILT_PROC: the exit and its status");
	waitpid(pid, &status, 0);
	check(change((unsigned)pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0) == -ESRCH, "EVFILT_PROC: a process that is no more");
	signal(SIGUSR1, SIG_IGN);
	check(change(SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0, 0) == 0, "EVFILT_SIGNAL");
	raise(SIGUSR1);
	raise(SIGUSR1);
	check(fetch(ev, 4, 0) == 1 && ev[0].ident == SIGUSR1 && ev[0].data == 2 && fetch(ev, 4, 0) == 0,
	    "EVFILT_SIGNAL: counts, although they are ignored");
	signal(SIGUSR1, SIG_DFL);
	change(SIGUSR1, EVFILT_SIGNAL, EV_DELETE, 0, 0);
	check(change(5, EVFILT_TIMER, EV_ADD, 0, 20) == 0 && fetch(ev, 4, 2000) == 1 && ev[0].ident == 5 && ev[0].data >= 1 &&
	    fetch(ev, 4, 2000) == 1, "EVFILT_TIMER: again and again");
	change(5, EVFILT_TIMER, EV_DELETE, 0, 0);
	change(6, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 10);
	check(fetch(ev, 4, 2000) == 1 && change(6, EVFILT_TIMER, EV_DELETE, 0, 0) == -ENOENT, "EVFILT_TIMER: EV_ONESHOT is gone afterwards");
	check(fetch(ev, 4, 20) == 0, "kevent: its time is up");
}

void kernel_queues(void)
{
	pid_t pid;
	int status;

	kq = call(362);
	check(kq >= 0, "kqueue");
	pid = fork();
	if (pid == 0)
		_exit(call(363, kq, NULL, 0, NULL, 0, NULL) == -EBADF ? 1 : 2);
	check(waitpid(pid, &status, 0) == pid && status == 1 << 8, "kqueue: a child has none");
	descriptors();
	vnodes();
	processes();
	close(kq);
}
