/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/types.h>
#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGILL 4
#define SIGTRAP 5
#define SIGABRT 6
#define SIGEMT 7
#define SIGFPE 8
#define SIGKILL 9
#define SIGBUS 10
#define SIGSEGV 11
#define SIGSYS 12
#define SIGPIPE 13
#define SIGALRM 14
#define SIGTERM 15
#define SIGURG 16
#define SIGSTOP 17
#define SIGTSTP 18
#define SIGCONT 19
#define SIGCHLD 20
#define SIGTTIN 21
#define SIGTTOU 22
#define SIGIO 23
#define SIGXCPU 24
#define SIGXFSZ 25
#define SIGVTALRM 26
#define SIGPROF 27
#define SIGWINCH 28
#define SIGINFO 29
#define SIGUSR1 30
#define SIGUSR2 31
#define SIGTHR 32
#define SIGCKPT 33
#define SIGCKPTEXIT 34
#define NSIG 35
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
#define SIG_ERR ((void (*)(int))-1)
#define SA_ONSTACK 1
#define SA_RESTART 2
#define SA_RESETHAND 4
#define SA_NOCLDSTOP 8
#define SA_NODEFER 0x10
#define SA_NOCLDWAIT 0x20
#define SA_SIGINFO 0x40
#define SIG_BLOCK 1
#define SIG_UNBLOCK 2
#define SIG_SETMASK 3
typedef int sig_atomic_t;
typedef struct { unsigned __bits[4]; } sigset_t;
typedef struct __siginfo {
	int si_signo, si_errno, si_code;
	pid_t si_pid;
	uid_t si_uid;
	int si_status;
	void *si_addr;
	union { int sival_int; void *sival_ptr; } si_value;
	long si_band;
	int __spare[7];
} siginfo_t;
struct sigaction {
	union {
		void (*__handler)(int);
		void (*__action)(int, siginfo_t *, void *);
	} __u;
	int sa_flags;
	sigset_t sa_mask;
};
#define sa_handler __u.__handler
#define sa_sigaction __u.__action
/* Names without "SIG", indexed by number; sys_signame[0] is unused. */
extern const char *const sys_signame[NSIG];
int kill(pid_t, int);
int killpg(pid_t, int);
int raise(int);
int sigaction(int, const struct sigaction *restrict, struct sigaction *restrict);
void (*signal(int, void (*)(int)))(int);
int sigprocmask(int, const sigset_t *restrict, sigset_t *restrict);
int sigsuspend(const sigset_t *);
int sigpending(sigset_t *);
static inline int sigemptyset(sigset_t *s) { s->__bits[0] = s->__bits[1] = s->__bits[2] = s->__bits[3] = 0; return 0; }
static inline int sigfillset(sigset_t *s) { s->__bits[0] = s->__bits[1] = s->__bits[2] = s->__bits[3] = ~0U; return 0; }
static inline int sigaddset(sigset_t *s, int n) { s->__bits[(n - 1) >> 5] |= 1U << ((n - 1) & 31); return 0; }
static inline int sigdelset(sigset_t *s, int n) { s->__bits[(n - 1) >> 5] &= ~(1U << ((n - 1) & 31)); return 0; }
static inline int sigismember(const sigset_t *s, int n) { return s->__bits[(n - 1) >> 5] >> ((n - 1) & 31) & 1; }
