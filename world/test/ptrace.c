/* SPDX-License-Identifier: BSD-3-Clause */
/* ptrace: a child that asks for it, registers and memory, one step, signals, attaching and letting go. */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TRACE_ME, READ_I, READ_D, WRITE_I = 4, WRITE_D, CONTINUE = 7, KILL, STEP, ATTACH, DETACH, IO, GETREGS = 33, SETREGS, GETFPREGS };

struct reg {
	int gs, fs, es, ds, edi, esi, ebp, isp, ebx, edx, ecx, eax, xflags, trapno, err, eip, cs, eflags, esp, ss;
};
struct io { int op; void *theirs, *mine; unsigned len; };

static volatile int cell = 1234;

static int trace(int request, pid_t pid, void *addr, int data)
{
	return call(26, request, pid, addr, data);
}

void tracing(void)
{
	struct reg r, again;
	char text[8] = "", fp[176];
	struct io io = { 1, (void *)&cell, text, 4 };
	int status, eip;
	pid_t pid = fork();

	if (pid == 0) {
		trace(TRACE_ME, 0, NULL, 0);
		raise(SIGUSR1);
		_exit(cell == 77 ? 3 : 4);
	}
	check(waitpid(pid, &status, 0) == pid && status == (SIGUSR1 << 8 | 0x7f), "ptrace: a signal stops the child");
	check(trace(GETREGS, pid, &r, 0) == 0 && r.cs == 0x1f && r.ss == 0x2f && r.esp != 0, "PT_GETREGS");
	check(trace(READ_D, pid, (void *)&cell, 0) == 1234 && trace(IO, pid, &io, 0) == 0 && io.len == 4 && *(int *)text == 1234, "PT_READ, PT_IO");
	check(trace(READ_D, pid, (void *)16, 0) == -EINVAL, "PT_READ of nothing");
	check(trace(WRITE_D, pid, (void *)&cell, 77) == 0 && cell == 1234, "PT_WRITE changes the child's memory");
	check(trace(GETFPREGS, pid, fp, 0) == 0 && *(unsigned short *)fp == 0x127f, "PT_GETFPREGS: the control word");
	r.cs = 0;
	check(trace(SETREGS, pid, &r, 0) == -EINVAL, "PT_SETREGS: the kernel's selectors are refused");
	eip = r.eip;
	check(trace(STEP, pid, (void *)1, 0) == 0 && waitpid(pid, &status, 0) == pid && status == (SIGTRAP << 8 | 0x7f) &&
	    trace(GETREGS, pid, &again, 0) == 0 && again.eip != eip, "PT_STEP");
	check(trace(CONTINUE, pid, (void *)1, 0) == 0 && waitpid(pid, &status, 0) == pid && status == 3 << 8, "PT_CONTINUE, without the signal");
	check(trace(READ_D, pid, (void *)&cell, 0) == -ESRCH, "ptrace of what has ended");
	pid = fork();
	if (pid == 0)
		for (;;)
			call(341, &(sigset_t){ { 0 } });
	check(trace(READ_D, pid, (void *)&cell, 0) == -EPERM, "ptrace of what is not traced");
	check(trace(ATTACH, pid, NULL, 0) == 0 && waitpid(pid, &status, 0) == pid && status == (SIGSTOP << 8 | 0x7f), "PT_ATTACH");
	check(trace(ATTACH, pid, NULL, 0) == -EBUSY && trace(ATTACH, getpid(), NULL, 0) == -EINVAL, "PT_ATTACH: twice, and of oneself");
	check(trace(DETACH, pid, (void *)1, SIGTERM) == 0 && waitpid(pid, &status, 0) == pid && status == SIGTERM, "PT_DETACH with a signal");
}
