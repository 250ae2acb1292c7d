// SPDX-License-Identifier: BSD-3-Clause
// What the limit of locked memory lets through, for the superuser, for a user, and for a user who has kept CAP_IPC_LOCK.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static int result(long r) { return r < 0 ? errno : 0; }

static int locked_kb(void)
{
	char line[256];
	int kb = -1;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (sscanf(line, "VmLck: %d", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int resident(char *at, int pages)
{
	unsigned char vec[256];
	int n = 0;
	if (mincore(at, pages * PAGE, vec) < 0)
		return -errno;
	for (int i = 0; i < pages; i++)
		n += vec[i] & 1;
	return n;
}

#define SAY(what, r) printf("%s: %s -> %d, %d kB\n", who, what, result((long)(r)), locked_kb())

static void limit(unsigned pages)
{
	struct rlimit r = { pages * PAGE, pages * PAGE };
	getrlimit(RLIMIT_MEMLOCK, &r);
	r.rlim_cur = pages * PAGE;
	setrlimit(RLIMIT_MEMLOCK, &r);
}

static void run(const char *who)
{
	char *a = mmap(0, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *hole = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(hole + 4 * PAGE, PAGE);
	char *none = mmap(0, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	limit(16);
	SAY("mlock 10", mlock(a, 10 * PAGE));
	printf("%s: resident %d\n", who, resident(a, 64));
	SAY("mlock 10 again", mlock(a, 10 * PAGE));
	SAY("mlock 7 more", mlock(a + 10 * PAGE, 7 * PAGE));
	SAY("mlock overlapping", mlock(a + 4 * PAGE, 12 * PAGE));
	SAY("mlock one more byte", mlock(a + 20 * PAGE + 17, 1));
	SAY("munlock half", munlock(a, 8 * PAGE));
	SAY("mlock over two pages", mlock(a + 30 * PAGE + 4095, 2));
	SAY("mlock2 on fault", syscall(SYS_mlock2, a + 40 * PAGE, 2 * PAGE, 1));
	printf("%s: resident %d\n", who, resident(a + 40 * PAGE, 2));
	a[40 * PAGE] = 1;
	printf("%s: resident %d\n", who, resident(a + 40 * PAGE, 2));
	SAY("mlock2 flag 2", syscall(SYS_mlock2, a + 40 * PAGE, 2 * PAGE, 2));
	SAY("mlock hole", mlock(hole, 8 * PAGE));
	SAY("munlock hole", munlock(hole, 8 * PAGE));
	SAY("mlock of nothing", mlock(hole + 4 * PAGE, PAGE));
	SAY("mlock no access", mlock(none, PAGE));
	SAY("munlock no access", munlock(none, PAGE));
	SAY("mlock zero length", mlock(a, 0));
	SAY("advise away locked", madvise(a + 40 * PAGE, PAGE, MADV_DONTNEED));
	SAY("free locked", madvise(a + 40 * PAGE, PAGE, 8));
	SAY("invalidate locked", msync(a + 40 * PAGE, PAGE, MS_INVALIDATE));
	fflush(stdout);
	if (fork() == 0) {
		SAY("child", 0);
		fflush(stdout);
		_exit(0);
	}
	wait(0);
	munlock(a, 64 * PAGE);
	SAY("unlocked", 0);
	char *b = mmap(0, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	SAY("MAP_LOCKED 8", (long)b == -1 ? -1 : 0);
	if (b != MAP_FAILED)
		printf("%s: resident %d\n", who, resident(b, 8));
	char *c = mmap(0, 9 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	SAY("MAP_LOCKED 9 more", (long)c == -1 ? -1 : 0);
	if (c != MAP_FAILED)
		munmap(c, 9 * PAGE);
	if (b != MAP_FAILED) {
		char *d = mremap(b, 8 * PAGE, 17 * PAGE, MREMAP_MAYMOVE);
		SAY("mremap to 17", (long)d == -1 ? -1 : 0);
		if (d == MAP_FAILED)
			d = b;
		char *e = mremap(d, 8 * PAGE, 12 * PAGE, MREMAP_MAYMOVE);
		SAY("mremap to 12", (long)e == -1 ? -1 : 0);
		if (e != MAP_FAILED)
			printf("%s: resident %d\n", who, resident(e, 12));
	}
	SAY("munlockall", munlockall());
	SAY("mlockall nothing", mlockall(0));
	SAY("mlockall only on fault", mlockall(4));
	SAY("mlockall flag 8", mlockall(8));
	int all = result(mlockall(MCL_CURRENT));
	printf("%s: mlockall -> %d, %s\n", who, all, locked_kb() > 0 ? "some" : "none");
	munlockall();
	SAY("mlockall future", mlockall(MCL_FUTURE));
	char *f = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SAY("future 4", (long)f == -1 ? -1 : 0);
	if (f != MAP_FAILED)
		printf("%s: resident %d\n", who, resident(f, 4));
	char *g = mmap(0, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SAY("future 64", (long)g == -1 ? -1 : 0);
	char *top = (char *)syscall(SYS_brk, 0);
	char *grown = (char *)syscall(SYS_brk, top + 64 * PAGE);
	SAY(grown == top ? "heap stays" : "heap grows", 0);
	if (grown != top)
		syscall(SYS_brk, top);
	mlockall(MCL_FUTURE | MCL_ONFAULT);
	char *h = mmap(0, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	SAY("future on fault", (long)h == -1 ? -1 : 0);
	if (h != MAP_FAILED)
		printf("%s: resident %d\n", who, resident(h, 4));
	munlockall();
	int small = shmget(IPC_PRIVATE, 10 * PAGE, 0600), large = shmget(IPC_PRIVATE, 7 * PAGE, 0600);
	struct shmid_ds ds;
	SAY("SHM_LOCK 10", shmctl(small, SHM_LOCK, 0));
	shmctl(small, IPC_STAT, &ds);
	printf("%s: mode %o\n", who, ds.shm_perm.mode);
	SAY("SHM_LOCK 7 more", shmctl(large, SHM_LOCK, 0));
	SAY("SHM_UNLOCK", shmctl(small, SHM_UNLOCK, 0));
	shmctl(small, IPC_STAT, &ds);
	printf("%s: mode %o\n", who, ds.shm_perm.mode);
	SAY("SHM_LOCK 7 then", shmctl(large, SHM_LOCK, 0));
	shmctl(large, SHM_UNLOCK, 0);
	limit(0);
	SAY("mlock without any", mlock(a, PAGE));
	SAY("mlock nothing without any", mlock(a, 0));
	SAY("munlock without any", munlock(a, PAGE));
	SAY("mlockall without any", mlockall(MCL_FUTURE));
	munlockall();
	char *z = mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	SAY("MAP_LOCKED without any", (long)z == -1 ? -1 : 0);
	SAY("SHM_LOCK without any", shmctl(small, SHM_LOCK, 0));
	shmctl(small, IPC_RMID, 0);
	shmctl(large, IPC_RMID, 0);
	fflush(stdout);
	if (fork() == 0) {
		limit(16);
		mlockall(MCL_FUTURE);
		execl("/proc/self/exe", "memlock", who, NULL);
		_exit(1);
	}
	wait(0);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		printf("%s: after exec %d kB\n", argv[1], locked_kb());
		return 0;
	}
	for (int kind = 0; kind < 3; kind++) {
		fflush(stdout);
		if (fork() == 0) {
			if (kind == 2)
				prctl(PR_SET_KEEPCAPS, 1);
			if (kind != 0 && setresuid(1000, 1000, 1000) < 0)
				_exit(1);
			if (kind == 2) {
				struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
				struct __user_cap_data_struct caps[2] = { { 1 << CAP_IPC_LOCK, 1 << CAP_IPC_LOCK, 0 }, { 0, 0, 0 } };
				if (syscall(SYS_capset, &head, caps) < 0)
					_exit(1);
			}
			run(kind == 0 ? "root" : kind == 1 ? "user" : "user with the capability");
			fflush(stdout);
			_exit(0);
		}
		wait(0);
	}
	return 0;
}
