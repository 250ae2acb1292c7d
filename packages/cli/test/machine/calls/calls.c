/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Makes the calls of the table cases.h one after the other, each in a process of its own with the same files and descriptors,
 * as an unprivileged user, and prints what each returns: an error's number, "ok", or the signal that ended it. Without a C
 * library: the same bytes run on any Linux kernel for i386.
 */
#include "bare.h"

#define O_RDWR 2
#define O_CREAT 0100
#define O_DIRECTORY 0200000
#define NOBODY 65534
#define WNOHANG 1
#define SIGKILL 9
#define PR_SET_PDEATHSIG 1

enum {
	sys_exit = 1, sys_fork = 2, sys_read = 3, sys_open = 5, sys_close = 6, sys_unlink = 10, sys_chdir = 12, sys_setsid = 66,
	sys_mkdir = 39, sys_rmdir = 40, sys_pipe = 42, sys_dup2 = 63, sys_symlink = 83, sys_wait4 = 114, sys_setitimer = 104, sys_socketcall = 102,
	sys_setresuid = 208, sys_setresgid = 210, sys_setgroups = 206, sys_chmod = 15, sys_kill = 37, sys_nanosleep = 162, sys_prctl = 172, sys_pause = 29,
};


static char path_file[] = "f", path_dir[] = "d", path_link[] = "l", path_free[] = "new", path_none[] = "none/x", path_empty[] = "", path_long[5000];
/* What is root's: a file that others may read, one that they may not, one in a directory that is closed to them, a name to be made. */
static char path_owned[] = "owned/plain", path_secret[] = "owned/secret", path_closed[] = "owned/closed/x", path_owned_new[] = "owned/new";
static char zeros[65536] __attribute__((aligned(4096)));
/* Values that cases.h names, besides numbers. */
#define FILE_PATH ((long)path_file)
#define DIR_PATH ((long)path_dir)
#define LINK_PATH ((long)path_link)
#define FREE_PATH ((long)path_free)
#define NONE_PATH ((long)path_none)
#define EMPTY_PATH ((long)path_empty)
#define LONG_PATH ((long)path_long)
#define OWNED_PATH ((long)path_owned)
#define SECRET_PATH ((long)path_secret)
#define CLOSED_PATH ((long)path_closed)
#define OWNED_NEW_PATH ((long)path_owned_new)
#define ZEROS ((long)zeros)
/* Descriptors: a file, a directory, two ends of a socket, of a pipe, root's file that is open for reading. */
enum { FD_FILE = 10, FD_DIR, FD_SOCKET, FD_PEER, FD_READER, FD_WRITER, FD_OWNED };
/* Stands for the process of root's; its number is known at run time. */
#define ROOT_PID 0x5250
static long root_pid;

struct test {
	const char *name;
	long nr, args[6];
};
static const struct test tests[] = {
#include "cases.h"
};

static void move(long from, int to)
{
	call(sys_dup2, from, to, 0);
	call(sys_close, from, 0, 0);
}

static void prepare(void)
{
	int pair[2];
	long socket[4] = { 1, 1, 0, (long)pair };

	call(sys_unlink, path_free, 0, 0);
	call(sys_unlink, path_link, 0, 0);
	call(sys_rmdir, path_free, 0, 0);
	call(sys_rmdir, path_dir, 0, 0);
	call(sys_unlink, path_file, 0, 0);
	move(call(sys_open, path_file, O_RDWR | O_CREAT, 0644), FD_FILE);
	call(sys_write, FD_FILE, zeros, 100);
	call(sys_mkdir, path_dir, 0755, 0);
	call(sys_symlink, path_file, path_link, 0);
	move(call(sys_open, path_dir, O_DIRECTORY, 0), FD_DIR);
	call(sys_socketcall, 8, socket, 0);
	move(pair[0], FD_SOCKET);
	move(pair[1], FD_PEER);
	call(sys_pipe, pair, 0, 0);
	move(pair[0], FD_READER);
	move(pair[1], FD_WRITER);
	move(call(sys_open, path_owned, 0, 0), FD_OWNED);
}

/* As root: its files, and a process that ends with this one. */
static void prepare_root(void)
{
	call(sys_mkdir, "owned", 0755, 0);
	call(sys_close, call(sys_open, path_owned, O_RDWR | O_CREAT, 0644), 0, 0);
	call(sys_close, call(sys_open, path_secret, O_RDWR | O_CREAT, 0600), 0, 0);
	call(sys_mkdir, "owned/closed", 0700, 0);
	call(sys_close, call(sys_open, path_closed, O_RDWR | O_CREAT, 0644), 0, 0);
	root_pid = call(sys_fork, 0, 0, 0);
	if (root_pid == 0) {
		call(sys_prctl, PR_SET_PDEATHSIG, SIGKILL, 0);
		for (;;)
			call(sys_pause, 0, 0, 0);
	}
}

static long word(long v)
{
	return v == ROOT_PID ? root_pid : v;
}

static void one(const struct test *t)
{
	/* A call that waits is ended by SIGALRM. */
	static const long timer[4] = { 0, 0, 0, 100000 }, pause[2] = { 0, 1000000 };
	long r, status = 0;
	int tries = 0;
	long pid = call(sys_fork, 0, 0, 0);

	if (pid == 0) {
		call(sys_setsid, 0, 0, 0);
		prepare();
		call(sys_dup2, 1, 20, 0);
		call(sys_setitimer, 0, timer, 0);
		r = call6(t->nr, word(t->args[0]), word(t->args[1]), word(t->args[2]), word(t->args[3]), word(t->args[4]), word(t->args[5]));
		call(sys_dup2, 20, 1, 0);
		text(t->name);
		if (r < 0 && r > -4096) {
			text(" error ");
			number(-r);
		} else
			text(" ok");
		text("\n");
		call(sys_exit, 0, 0, 0);
	}
	/* A child that blocks SIGALRM is killed. */
	while (call(sys_wait4, pid, &status, WNOHANG) == 0) {
		if (++tries > 400)
			call(sys_kill, pid, SIGKILL, 0);
		call(sys_nanosleep, pause, 0, 0);
	}
	if ((status & 0x7f) != 0) {
		text(t->name);
		text(" signal ");
		number(status & 0x7f);
		text("\n");
	}
}

void _start(void)
{
	unsigned i;

	for (i = 0; i < sizeof(path_long) - 1; i++)
		path_long[i] = 'n';
	call(sys_mkdir, "calls.tmp", 0777, 0);
	call(sys_chmod, "calls.tmp", 0777, 0);
	call(sys_chdir, "calls.tmp", 0, 0);
	prepare_root();
	call(sys_setgroups, 0, 0, 0);
	call(sys_setresgid, NOBODY, NOBODY, NOBODY);
	call(sys_setresuid, NOBODY, NOBODY, NOBODY);
	for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		one(&tests[i]);
	call(sys_exit, 0, 0, 0);
}
