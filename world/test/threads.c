/* SPDX-License-Identifier: BSD-3-Clause */
/* LWPs and umtx: many threads and one mutex, signals to threads, the end of threads, words shared by processes. */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define ROUNDS 200
#define STACK 8192

enum { umtx_sleep = 469, umtx_wakeup = 470, extexit = 494, lwp_create = 495, lwp_gettid = 496, lwp_kill = 497 };

struct lwp_params {
	void (*func)(void *);
	void *arg;
	char *stack;
	int *tid1, *tid2;
};

/* 0 free, 1 locked, 2 locked and somebody waits. */
static volatile int mutex, counter, done[THREADS];
static int tids[THREADS];

static void lock(volatile int *m)
{
	if (__sync_val_compare_and_swap(m, 0, 1) == 0)
		return;
	while (__sync_lock_test_and_set(m, 2) != 0)
		call(umtx_sleep, m, 2, 0);
}

static void unlock(volatile int *m)
{
	if (__sync_fetch_and_sub(m, 1) != 1) {
		*m = 0;
		call(umtx_wakeup, m, 1);
	}
}

static void worker(void *arg)
{
	int i, me = (int)arg;

	for (i = 0; i < ROUNDS; i++) {
		lock(&mutex);
		counter++;
		if (i % 16 == 0)
			call(331);
		unlock(&mutex);
	}
	/* Stores the status and ends this thread in one step; nobody may use the stack in between. */
	call(extexit, 0x10001, call(lwp_gettid), &done[me]);
}

static char *start(void (*func)(void *), int arg, int *tid)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
	/* call() looks at six words whatever it is given: some must lie above the first frame. */
	struct lwp_params params = { func, (void *)arg, stack + STACK - 64, tid, NULL };

	return call(lwp_create, &params) == 0 ? stack : NULL;
}

static void many(void)
{
	int i, ok = 1, distinct = 1, seen = 0;

	for (i = 0; i < THREADS; i++)
		ok &= start(worker, i, &tids[i]) != NULL;
	check(ok, "lwp_create: eight threads");
	for (i = 0; i < THREADS; i++) {
		while (done[i] == 0)
			call(umtx_sleep, &done[i], 0, 10000);
		distinct &= tids[i] == done[i] && (seen & 1 << tids[i]) == 0;
		seen |= 1 << tids[i];
	}
	check(counter == THREADS * ROUNDS && mutex == 0, "umtx: a mutex keeps them apart");
	check(distinct && call(lwp_gettid) == 0, "lwp_create: tid1 is what lwp_gettid says; the first thread is 0");
}

static volatile int caught_by = -1, waiting, told;

static void note(int sig)
{
	(void)sig;
	caught_by = call(lwp_gettid);
}

static void waiter(void *arg)
{
	(void)arg;
	waiting = call(lwp_gettid);
	told = call(umtx_sleep, &waiting, waiting, 5000000);
	call(umtx_wakeup, &told, 0);
	call(extexit, 0x10000, 0, NULL);
}

static void signals(void)
{
	struct sigaction sa;
	struct timespec nap = { 0, 1000000 };
	int tid = -1, i;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = note;
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &sa, NULL);
	start(waiter, 0, &tid);
	while (waiting == 0)
		nanosleep(&nap, NULL);
	nanosleep(&nap, NULL);
	check(call(lwp_kill, -1, tid, SIGUSR1) == 0, "lwp_kill");
	for (i = 0; i < 1000 && told == 0; i++)
		nanosleep(&nap, NULL);
	check(caught_by == tid, "lwp_kill: that thread runs the handler");
	check(told == -EINTR, "umtx_sleep: EINTR, although the handler has SA_RESTART");
	check(call(lwp_kill, -1, 1000, 0) == -ESRCH && call(lwp_kill, -1, -1, 0) == -EINVAL, "lwp_kill: unknown threads");
	check(call(umtx_sleep, (char *)&told + 1, 0, 0) == -EFAULT && call(umtx_sleep, &told, 0, -1) == -EINVAL, "umtx_sleep: bad arguments");
	signal(SIGUSR1, SIG_DFL);
}

/* A word in memory that two processes share. */
static void shared(void)
{
	volatile int *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_ANON | MAP_SHARED, -1, 0);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct timespec nap = { 0, 20000000 };

		nanosleep(&nap, NULL);
		*word = 1;
		call(umtx_wakeup, word, 0);
		_exit(0);
	}
	while (*word == 0 && call(umtx_sleep, word, 0, 5000000) != -EWOULDBLOCK)
		;
	check(*word == 1 && waitpid(pid, &status, 0) == pid && status == 0, "umtx: the channel is the page, for both processes");
}

static void ender(void *arg)
{
	(void)arg;
	call(extexit, 0, 5, NULL);
}
static void leaver(void *arg)
{
	(void)arg;
	_exit(6);
}

static void ends(void)
{
	int status, tid;
	pid_t pid = fork();

	if (pid == 0) {
		start(ender, 0, &tid);
		for (;;)
			call(341, &(sigset_t){ { 0 } });
	}
	check(waitpid(pid, &status, 0) == pid && status == 5 << 8, "extexit of the process by one of its threads");
	pid = fork();
	if (pid == 0) {
		start(leaver, 0, &tid);
		for (;;)
			call(341, &(sigset_t){ { 0 } });
	}
	check(waitpid(pid, &status, 0) == pid && status == 6 << 8, "exit by a thread ends them all");
	pid = fork();
	if (pid == 0)
		call(extexit, 0x10000, 7, NULL);
	check(waitpid(pid, &status, 0) == pid && status == 7 << 8, "the end of the last thread is the process's");
	check(call(extexit, 9, 0, NULL) == -EINVAL, "extexit: unknown ways");
}

void thread_calls(void)
{
	many();
	signals();
	shared();
	ends();
}
