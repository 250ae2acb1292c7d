/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls whose C form differs from the kernel's: pad words, ext* forms, old names for wait4, and the break. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int __break(void *);
ssize_t __extpread(int, void *, size_t, int, off_t);
ssize_t __extpwrite(int, const void *, size_t, int, off_t);
int __ftruncate(int, int, off_t);
off_t __lseek(int, int, off_t, int);
void *__mmap(void *, size_t, int, int, int, int, off_t);
int __truncate(const char *, int, off_t);

/* The current break. The kernel starts it at the end of the data segment, which is where `end` stands. */
extern char end[];
static char *curbrk = end;

int brk(void *addr)
{
	if (__break(addr) == -1)
		return -1;
	curbrk = addr;
	return 0;
}

void *sbrk(intptr_t incr)
{
	char *old = curbrk;

	if (incr != 0 && brk(old + incr) == -1)
		return (void *)-1;
	return old;
}

int creat(const char *path, mode_t mode)
{
	return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

off_t lseek(int fd, off_t offset, int whence)
{
	return __lseek(fd, 0, offset, whence);
}

void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	return __mmap(addr, len, prot, flags, fd, 0, offset);
}

ssize_t pread(int fd, void *buf, size_t n, off_t offset)
{
	return __extpread(fd, buf, n, 0, offset);
}

ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset)
{
	return __extpwrite(fd, buf, n, 0, offset);
}

int truncate(const char *path, off_t len)
{
	return __truncate(path, 0, len);
}

int ftruncate(int fd, off_t len)
{
	return __ftruncate(fd, 0, len);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	return wait4(pid, status, options, NULL);
}

pid_t wait(int *status)
{
	return wait4(-1, status, 0, NULL);
}

time_t time(time_t *t)
{
	struct timeval tv;

	if (gettimeofday(&tv, NULL) == -1)
		return -1;
	if (t != NULL)
		*t = tv.tv_sec;
	return tv.tv_sec;
}

unsigned sleep(unsigned seconds)
{
	struct timespec ts = { (time_t)seconds, 0 }, left = { 0, 0 };

	if (nanosleep(&ts, &left) == 0)
		return 0;
	return (unsigned)left.tv_sec + (left.tv_nsec != 0);
}

int usleep(unsigned us)
{
	struct timespec ts = { (time_t)(us / 1000000), (long)(us % 1000000) * 1000 };

	return nanosleep(&ts, NULL);
}

unsigned alarm(unsigned seconds)
{
	struct itimerval it = { { 0, 0 }, { (time_t)seconds, 0 } }, old;

	if (setitimer(ITIMER_REAL, &it, &old) == -1)
		return 0;
	return (unsigned)old.it_value.tv_sec + (old.it_value.tv_usec != 0);
}

int pause(void)
{
	sigset_t now;

	if (sigprocmask(SIG_BLOCK, NULL, &now) == -1)
		return -1;
	return sigsuspend(&now);
}

int raise(int sig)
{
	return kill(getpid(), sig);
}

int killpg(pid_t pgrp, int sig)
{
	if (pgrp <= 1) {
		errno = EINVAL;
		return -1;
	}
	return kill(-pgrp, sig);
}

/* BSD semantics: the handler stays, interrupted calls are restarted. */
void (*signal(int sig, void (*handler)(int)))(int)
{
	struct sigaction act, old;

	act.sa_handler = handler;
	act.sa_flags = SA_RESTART;
	sigemptyset(&act.sa_mask);
	if (sigaction(sig, &act, &old) == -1)
		return SIG_ERR;
	return old.sa_handler;
}
