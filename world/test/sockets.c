/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of the local domain and of the internet. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct iovec {
	void *iov_base;
	unsigned iov_len;
};
struct sun {
	unsigned char len, family;
	char path[104];
};
struct message {
	void *name;
	unsigned namelen;
	struct iovec *iov;
	int iovlen;
	void *control;
	unsigned controllen;
	int flags;
};

static void socket_pair(void)
{
	int fd[2] = { -1, -1 }, control[4] = { 16, 0xffff, 1, 1 };
	char buf[8];
	struct iovec iov = { (char *)"hi", 2 };
	struct message m = { NULL, 0, &iov, 1, control, sizeof(control), 0 };

	check(raw(135, 1, 1, 0, (unsigned)fd, 0, 0).carry == 0, "socketpair");
	check(write(fd[0], "abc", 3) == 3 && read(fd[1], buf, 8) == 3, "socketpair: both ends are connected");
	check(call(28, fd[0], &m, 0) == 2, "sendmsg with a descriptor");
	iov.iov_base = buf;
	memset(control, 0, sizeof(control));
	check(call(27, fd[1], &m, 0) == 2 && m.controllen == 16 && control[0] == 16 && control[1] == 0xffff && control[2] == 1 &&
	    control[3] > fd[1] && fcntl(control[3], F_GETFD) == 0 && m.flags == 0, "recvmsg: the descriptor arrives");
	close(control[3]);
	check(call(27, fd[1], &m, 0x80) == -EAGAIN, "recvmsg: MSG_DONTWAIT");
	close(fd[0]);
	check(read(fd[1], buf, 8) == 0, "the end of a closed peer");
	signal(SIGPIPE, SIG_IGN);
	check(write(fd[1], "x", 1) == -1 && errno == EPIPE, "EPIPE from a closed peer");
	signal(SIGPIPE, SIG_DFL);
	close(fd[1]);
}

struct sin { unsigned char len, family; unsigned short port; unsigned char addr[4], zero[8]; };

static void sockets_inet(void)
{
	struct sin name = { 16, 2, 0, { 127, 0, 0, 1 }, { 0 } }, from;
	unsigned len = sizeof(name);
	int s = call(97, 2, (void *)1, 0), u = call(97, 2, (void *)2, 17), c, d;
	char buf[8];

	check(s >= 0 && call(104, s, &name, len) == 0 && call(106, s, (void *)5, 0) == 0, "inet: bind and listen");
	check(call(32, s, &name, (unsigned)&len) == 0 && len == 16 && name.len == 16 && name.family == 2 && name.port != 0,
	    "inet: getsockname tells the port");
	c = call(97, 2, (void *)1, 6);
	check(call(98, c, &name, 16) == 0 && write(c, "hello", 5) == 5, "inet: connect");
	len = sizeof(from);
	d = call(30, s, &from, (unsigned)&len);
	check(d > s && len == 16 && from.family == 2 && from.addr[0] == 127 && read(d, buf, 8) == 5, "inet: accept");
	close(d);
	check(read(c, buf, 8) == 0, "inet: the end of a closed peer");
	close(c);
	close(s);
	c = call(97, 2, (void *)1, 0);
	check(call(98, c, &name, 16) == -61, "inet: nobody listens");
	name.addr[0] = 192;
	check(call(98, c, &name, 16) == -51, "inet: no network unless asked for");
	close(c);
	name.addr[0] = 127;
	name.port = 0;
	check(call(104, u, &name, 16) == 0, "inet: datagrams bind");
	len = sizeof(name);
	call(32, u, &name, (unsigned)&len);
	check(call(98, u, &name, 16) == 0 && write(u, "abc", 3) == 3 && read(u, buf, 8) == 3, "inet: datagrams");
	close(u);
}

static void socket_names(void)
{
	struct sun sun = { 0, 1, "abi.socket" }, from;
	unsigned cred[20], len = 2 + 10;
	int s = call(97, 1, (void *)1, 0), c, d;
	char byte = 0;

	check(s >= 0 && call(97, 17, (void *)3, 0) == -43, "socket: no routing sockets");
	sun.len = (unsigned char)len;
	check(call(104, s, &sun, len) == 0 && call(106, s, (void *)5, 0) == 0, "bind and listen");
	check(call(104, s, &sun, len) == -EINVAL, "bind: once");
	if (fork() == 0) {
		c = call(97, 1, (void *)1, 0);
		_exit(call(98, c, &sun, len) == 0 && write(c, "y", 1) == 1 ? 0 : 1);
	}
	len = sizeof(from);
	d = call(30, s, &from, (unsigned)&len);
	check(d > s && len == 16 && from.len == 16 && from.family == 1, "accept: a peer without a name");
	check(read(d, &byte, 1) == 1 && byte == 'y', "accept: data from the peer");
	len = sizeof(cred);
	check(raw(118, (unsigned)d, 0, 1, (unsigned)cred, (unsigned)&len, 0).carry == 0 && len == 80 && cred[1] == getuid() &&
	    cred[2] == 1, "LOCAL_PEERCRED");
	len = sizeof(from);
	check(call(32, s, &from, (unsigned)&len) == 0 && len == 12 && from.len == 12 && memcmp(from.path, "abi.socket", 10) == 0,
	    "getsockname");
	wait(NULL);
	close(d);
	close(s);
	c = call(97, 1, (void *)1, 0);
	check(call(98, c, &sun, 12) == -61, "connect: nobody listens");
	close(c);
	unlink("abi.socket");
}

void sockets(void)
{
	socket_pair();
	socket_names();
	sockets_inet();
}
