/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DragonFly/i386 system call interface as a program sees it: registers, stack, frames, numbers. Each check
 * prints a line; the status is the number of failures. Run inside the vkernel by packages/cli/test/machine.
 */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/poll.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void registers(void)
{
	struct regs r = raw(20, 0, 0, 0, 0, 0, 0);

	check(r.eax == (unsigned)getpid() && r.carry == 0, "getpid: result in eax, carry clear");
	check(r.ebx == 0x11111111 && r.ecx == 0x22222222 && r.esi == 0x44444444 && r.edi == 0x55555555, "registers survive");
	check(r.edx == 0x33333333, "edx survives a 32-bit result");
	r = raw(6, (unsigned)-1, 0, 0, 0, 0, 0);
	check(r.eax == EBADF && r.carry != 0 && r.edx == 0x33333333, "an error sets carry and eax alone");
	r = raw(0, 20, 0, 0, 0, 0, 0);
	check(r.eax == (unsigned)getpid() && r.carry == 0, "call 0 passes on");
	r = raw(198, 20, 0, 0, 0, 0, 0);
	check(r.eax == (unsigned)getpid() && r.carry == 0, "call 198 passes on");
	r = raw(455, 0, 0, 0, 0, 0, 0);
	check(r.carry != 0 && r.eax == ENOSYS, "a call that is not implemented is ENOSYS");
}

static volatile int got, got_code;
static void *volatile got_addr;

static void note(int sig)
{
	got = sig;
}

static void unknown_call(void)
{
	struct regs r;

	got = 0;
	signal(SIGSYS, note);
	r = raw(9999, 0, 0, 0, 0, 0, 0);
	check(got == SIGSYS && r.carry != 0 && r.eax == EINVAL, "an unknown number is SIGSYS and EINVAL");
	signal(SIGSYS, SIG_DFL);
}

static void forks(void)
{
	struct regs r = raw(2, 0, 0, 0, 0, 0, 0);
	int status, fd[2];
	char byte;

	if (r.edx == 1)
		_exit(r.eax == 0 ? 7 : 8);
	check(r.edx == 0, "fork: edx is 0 in the parent");
	check(waitpid((pid_t)r.eax, &status, 0) == (pid_t)r.eax && status == 7 << 8, "fork: 0 and 1 in the child; its status");
	r = raw(42, 0, 0, 0, 0, 0, 0);
	check(r.carry == 0 && r.eax != r.edx && r.edx < 64, "pipe: descriptors in eax and edx");
	fd[0] = (int)r.eax;
	fd[1] = (int)r.edx;
	check(write(fd[0], "x", 1) == 1 && read(fd[1], &byte, 1) == 1 && byte == 'x', "pipes carry data both ways");
	close(fd[0]);
	close(fd[1]);
}

static void wait_status(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		raise(SIGSTOP);
		raise(SIGKILL);
	}
	check(waitpid(pid, &status, WUNTRACED) == pid && status == (SIGSTOP << 8 | 0x7f), "wait: stopped");
	kill(pid, SIGCONT);
	check(waitpid(pid, &status, 0) == pid && status == SIGKILL, "wait: killed");
	check(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD, "wait: no children");
	check(wait4(-1, &status, 0x100, NULL) == -1 && errno == EINVAL, "wait: unknown options");
}

/* --- files --- */

static void files(void)
{
	int fd = open("abi.tmp", O_RDWR | O_CREAT | O_TRUNC, 0640);
	struct timeval tv[2] = { { 1000000000, 123456 }, { 1100000000, 654321 } };
	struct stat st;
	struct statfs fs;
	char buf[16];

	check(fd >= 0 && ftruncate(fd, 5LL << 30) == 0 && lseek(fd, 0, SEEK_END) == 5LL << 30, "64-bit sizes and positions");
	check(pwrite(fd, "tail", 4, (5LL << 30) - 4) == 4 && pread(fd, buf, 8, (5LL << 30) - 4) == 4 && memcmp(buf, "tail", 4) == 0,
	    "pread and pwrite at 64-bit offsets");
	check(lseek(fd, 0, SEEK_CUR) == 5LL << 30, "they leave the position alone");
	check(futimes(fd, tv) == 0 && fstat(fd, &st) == 0 && st.st_atimespec.tv_sec == 1000000000 &&
	    st.st_mtimespec.tv_sec == 1100000000 && st.st_mtimespec.tv_nsec == 654321000, "times to the microsecond");
	check(st.st_size == 5LL << 30 && S_ISREG(st.st_mode) && st.st_nlink == 1, "struct stat");
	check(fcntl(fd, F_GETFL) == O_RDWR && fcntl(fd, F_SETFL, O_APPEND) == 0 && fcntl(fd, F_GETFL) == (O_RDWR | O_APPEND), "F_GETFL, F_SETFL");
	check(fstatfs(fd, &fs) == 0 && fs.f_bsize > 0 && fs.f_blocks > 0 && fs.f_fstypename[0] != '\0', "struct statfs");
	check(access("abi.tmp", X_OK) == -1 && errno == EACCES, "nobody executes a file without x");
	close(fd);
	unlink("abi.tmp");
	check(open("abi.tmp", O_RDONLY) == -1 && errno == ENOENT, "ENOENT");
	check(mkdir("abi.dir", 0755) == 0 && mkdir("abi.dir/x", 0755) == 0 && rmdir("abi.dir") == -1 && errno == ENOTEMPTY, "ENOTEMPTY is 66");
	rmdir("abi.dir/x");
	rmdir("abi.dir");
}

static void directories(void)
{
	char name[300], buf[512];
	int fd, i, n, seen = 0, sound = 1;
	long base;

	mkdir("abi.many", 0755);
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "abi.many/%0*d", 1 + i * 2, i);
		close(open(name, O_WRONLY | O_CREAT, 0644));
	}
	fd = open("abi.many", O_RDONLY);
	while ((n = getdirentries(fd, buf, sizeof(buf), &base)) > 0) {
		struct dirent *de = (struct dirent *)buf;

		for (; (char *)de < buf + n; de = _DIRENT_NEXT(de)) {
			sound &= strlen(de->d_name) == de->d_namlen && (char *)_DIRENT_NEXT(de) <= buf + n;
			seen++;
		}
		sound &= (char *)de == buf + n;
	}
	check(n == 0 && seen == 102 && sound, "getdirentries: whole entries, each once");
	close(fd);
	for (i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "abi.many/%0*d", 1 + i * 2, i);
		unlink(name);
	}
	rmdir("abi.many");
}

static void readiness(void)
{
	int fd[2], sv;
	struct pollfd p[2];
	struct timespec before, after, nap = { 0, 30000000 };
	char byte;

	pipe(fd);
	p[0] = (struct pollfd){ fd[0], POLLIN, 0 };
	p[1] = (struct pollfd){ fd[1], POLLOUT, 0 };
	check(poll(p, 2, 0) == 1 && p[0].revents == 0 && p[1].revents == POLLOUT, "poll: an empty pipe can be written");
	write(fd[1], "x", 1);
	check(poll(p, 1, 1000) == 1 && p[0].revents == POLLIN, "poll: a byte can be read");
	read(fd[0], &byte, 1);
	clock_gettime(CLOCK_MONOTONIC, &before);
	sv = poll(p, 1, 30);
	clock_gettime(CLOCK_MONOTONIC, &after);
	check(sv == 0 && (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec >= 30000000, "poll: times out");
	check(nanosleep(&nap, NULL) == 0, "nanosleep");
	close(fd[0]);
	close(fd[1]);
}

/* --- memory --- */

static void memory(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_ANON, -1, 0), *q;

	check(p != MAP_FAILED && p[0] == 0 && p[8191] == 0, "mmap: MAP_ANON alone is private");
	q = mmap(p, 4096, PROT_READ, MAP_ANON | MAP_PRIVATE | MAP_FIXED, -1, 0);
	check(q == p && munmap(p, 8192) == 0, "mmap: fixed, munmap");
	check(munmap(p, 8192) == -1 && errno == EINVAL, "munmap of a hole is EINVAL");
	q = sbrk(0);
	check(sbrk(100000) == q && (q[99999] = 1) && sbrk(-100000) != (void *)-1 && sbrk(0) == q, "the break goes up and down");
}

/* --- signals --- */

typedef struct {
	unsigned mask[4];
	int onstack, gs, fs, es, ds, edi, esi, ebp, isp, ebx, edx, ecx, eax, xflags, trapno, err, eip, cs, eflags, esp, ss, len, fpformat, ownedfp;
	int fpregs[128];
	int spare1[16];
	void *link;
	struct { char *sp; unsigned size; int flags; } stack;
	int spare2[8];
} context;
_Static_assert(sizeof(context) == 736, "ucontext_t");

static volatile unsigned frame_len, frame_trapno;
static char *volatile handler_sp;

static void plain_handler(int sig, int code, context *uc, void *addr)
{
	got = sig;
	got_code = code;
	got_addr = addr;
	frame_len = (unsigned)uc->len;
	frame_trapno = (unsigned)uc->trapno;
	handler_sp = (char *)&sig;
	uc->eip = uc->ecx; /* where the test wants to go on */
}

static void info_handler(int sig, siginfo_t *si, void *ucv)
{
	context *uc = ucv;

	got = sig;
	got_code = si->si_code;
	got_addr = si->si_addr;
	frame_len = (unsigned)uc->len;
	handler_sp = (char *)&sig;
	uc->eip = uc->ecx;
}

static void catch(int sig, void (*fn)(), int flags)
{
	struct sigaction sa;

	sa.sa_flags = flags;
	sa.sa_handler = (void (*)(int))fn;
	sigemptyset(&sa.sa_mask);
	sigaction(sig, &sa, NULL);
}

/* Each leaves in ecx where the handler shall return to. */
#define FAULT(insn) __asm__ volatile("movl $1f, %%ecx\n\t" insn "\n1:" : : : "eax", "ecx", "edx", "memory")

static void faults(void)
{
	static char altstack[16384];
	struct { char *sp; unsigned size; int flags; } ss = { altstack, sizeof(altstack), 0 };
	extern int sigaltstack();
	struct regs r;

	catch(SIGSEGV, plain_handler, 0);
	got = 0;
	FAULT("movl $0x10, %%eax\n\tmovl %%eax, (%%eax)");
	check(got == SIGSEGV && got_addr == (void *)0x10 && frame_len == 672 && frame_trapno == 12, "SIGSEGV: plain handler's four arguments");
	catch(SIGSEGV, info_handler, SA_SIGINFO);
	got = 0;
	FAULT("movl $0x2000, %%eax\n\tmovl (%%eax), %%eax");
	check(got == SIGSEGV && got_addr == (void *)0x2000 && got_code == 1, "SIGSEGV: siginfo");
	catch(SIGFPE, info_handler, SA_SIGINFO);
	FAULT("xorl %%edx, %%edx\n\tmovl $1, %%eax\n\tdivl %%edx");
	check(got == SIGFPE && got_code == 2, "SIGFPE: integer divide is code 2");
	catch(SIGILL, info_handler, SA_SIGINFO);
	FAULT("ud2");
	check(got == SIGILL, "SIGILL: ud2");
	catch(SIGTRAP, note, 0);
	got = 0;
	__asm__ volatile("int3");
	check(got == SIGTRAP, "SIGTRAP: int3 goes on behind it");
	r = raw(53, (unsigned)&ss, 0, 0, 0, 0, 0);
	check(r.carry == 0, "sigaltstack");
	catch(SIGSEGV, info_handler, SA_SIGINFO | SA_ONSTACK);
	FAULT("movl $0x10, %%eax\n\tmovl %%eax, (%%eax)");
	check(handler_sp > altstack && handler_sp < altstack + sizeof(altstack), "SA_ONSTACK: the handler runs there");
	ss.size = 100;
	r = raw(53, (unsigned)&ss, 0, 0, 0, 0, 0);
	check(r.carry != 0 && r.eax == ENOMEM, "sigaltstack: too small is ENOMEM");
	signal(SIGSEGV, SIG_DFL);
	signal(SIGFPE, SIG_DFL);
	signal(SIGILL, SIG_DFL);
	signal(SIGTRAP, SIG_DFL);
}

static void fpu_handler(int sig)
{
	double x = sig;

	__asm__ volatile("fninit; fldl %0; fsqrt; fstp %%st(0)" : : "m"(x));
	got = sig;
}

static void fpu(void)
{
	double seven = 7, after = 0;
	unsigned short cw = 0, cw2 = 0x037f;

	signal(SIGUSR1, fpu_handler);
	__asm__ volatile("fnstcw %0" : "=m"(cw));
	check(cw == 0x127f, "the FPU starts with control word 0x127f");
	__asm__ volatile("fldcw %0" : : "m"(cw2));
	__asm__ volatile("fldl %0" : : "m"(seven));
	raise(SIGUSR1);
	__asm__ volatile("fstpl %0" : "=m"(after));
	__asm__ volatile("fnstcw %0" : "=m"(cw2));
	__asm__ volatile("fldcw %0" : : "m"(cw));
	check(got == SIGUSR1 && after == 7 && cw2 == 0x037f, "FPU registers and control word survive a handler");
	signal(SIGUSR1, SIG_DFL);
}

static void masks(void)
{
	sigset_t set, old, pending;
	struct itimerval it = { { 0, 0 }, { 0, 20000 } };
	struct timespec nap = { 5, 0 }, left = { 0, 0 };
	int n;

	signal(SIGUSR2, note);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, &old);
	got = 0;
	raise(SIGUSR2);
	sigpending(&pending);
	check(got == 0 && sigismember(&pending, SIGUSR2), "a blocked signal is pending");
	sigemptyset(&set);
	check(sigsuspend(&set) == -1 && errno == EINTR && got == SIGUSR2, "sigsuspend lets it in and ends with EINTR");
	sigprocmask(SIG_SETMASK, NULL, &set);
	check(sigismember(&set, SIGUSR2), "and the mask is back");
	raise(SIGUSR2);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	n = (int)raw(345, (unsigned)&set, 0, 0, 0, 0, 0).eax;
	check(n == SIGUSR2, "sigtimedwait takes it");
	sigprocmask(SIG_SETMASK, &old, NULL);
	catch(SIGALRM, note, 0);
	setitimer(ITIMER_REAL, &it, NULL);
	check(nanosleep(&nap, &left) == -1 && errno == EINTR && left.tv_sec == 4 && got == SIGALRM, "a timer ends nanosleep, the rest is told");
	check(kill(getpid(), 200) == -1 && errno == EINVAL, "signal numbers are checked");
	catch(SIGUSR2, note, SA_RESETHAND);
	raise(SIGUSR2);
	{
		struct sigaction sa;

		sigaction(SIGUSR2, NULL, &sa);
		check(sa.sa_handler == SIG_DFL, "SA_RESETHAND");
	}
}

/* --- start-up, threads, system --- */

static void start(int argc, char **argv, char **envp)
{
	struct { char **argv; int argc; char **envp; int envc; } *ps = (void *)(0xbfc00000u - 16);
	unsigned usrstack = 0, *aux, phnum = 0, entry = 0, pagesz = 0, phdr = 0, envc = 0;
	size_t size = sizeof(usrstack);

	check(sysctlbyname("kern.usrstack", &usrstack, &size, NULL, 0) == 0 && usrstack == 0xbfc00000u, "kern.usrstack");
	check(ps->argv == argv && ps->argc == argc && ps->envp == envp, "ps_strings");
	while (envp[envc] != NULL)
		envc++;
	check(ps->envc == (int)envc, "ps_strings counts the environment");
	for (aux = (unsigned *)(envp + envc + 1); aux[0] != 0; aux += 2)
		switch (aux[0]) {
		case 3: phdr = aux[1]; break;
		case 5: phnum = aux[1]; break;
		case 6: pagesz = aux[1]; break;
		case 9: entry = aux[1]; break;
		}
	check(pagesz == 4096 && phnum >= 2 && phdr == 0x08048034 && entry > 0x08048000, "auxv");
}

static volatile int word, thread_tid = -1, thread_arg;

static void thread(void *arg)
{
	thread_arg = (int)arg;
	thread_tid = (int)raw(496, 0, 0, 0, 0, 0, 0).eax;
	word = 1;
	raw(470, (unsigned)&word, 0, 0, 0, 0, 0);
	raw(494, 0x10000, 0, 0, 0, 0, 0);
}

static void threads(void)
{
	static char stack[8192] __attribute__((aligned(16)));
	struct { void (*func)(void *); void *arg; char *stack; int *tid1, *tid2; } params = { thread, (void *)42, stack + sizeof(stack), NULL, NULL };
	static unsigned tcb[8] = { 0xfeedbeef };
	struct { void *base; int size; } tls = { tcb, -1 };
	struct regs r = raw(472, 0, (unsigned)&tls, 8, 0, 0, 0);
	unsigned seen = 0;

	check(r.carry == 0 && r.eax == 0x7b, "set_tls_area names the selector");
	__asm__ volatile("movw %w1, %%gs\n\tmovl %%gs:0, %0" : "=r"(seen) : "r"(r.eax));
	check(seen == 0xfeedbeef, "and %gs reaches the area");
	r = raw(469, (unsigned)&word, 5, 0, 0, 0, 0);
	check(r.carry != 0 && r.eax == EBUSY, "umtx_sleep: another value is EBUSY");
	r = raw(469, (unsigned)&word, 0, 20000, 0, 0, 0);
	check(r.carry != 0 && r.eax == EWOULDBLOCK, "umtx_sleep: times out");
	r = raw(495, (unsigned)&params, 0, 0, 0, 0, 0);
	check(r.carry == 0, "lwp_create");
	while (word == 0)
		raw(469, (unsigned)&word, 0, 1000000, 0, 0, 0);
	check(thread_arg == 42 && thread_tid == 1, "the thread has its argument and number, and wakes us");
}

static void kernel_values(void)
{
	int mib[4] = { CTL_KERN, KERN_PROC, KERN_PROC_PID, getpid() };
	struct kinfo_proc kp;
	size_t size = sizeof(kp), small = 3;
	char name[64], few[3];

	memset(&kp, 0, sizeof(kp));
	check(sysctl(mib, 4, &kp, &size, NULL, 0) == 0 && size == sizeof(kp), "kern.proc.pid: one record of 664 bytes");
	check(kp.kp_pid == getpid() && kp.kp_ppid == getppid() && strcmp(kp.kp_comm, "abi") == 0 && kp.kp_stat == SACTIVE, "struct kinfo_proc");
	size = sizeof(name);
	check(sysctlbyname("kern.ostype", name, &size, NULL, 0) == 0 && size == 10 && strcmp(name, "DragonFly") == 0, "sysctl by name");
	check(sysctlbyname("kern.ostype", few, &small, NULL, 0) == -1 && errno == ENOMEM && small == 3 && memcmp(few, "Dra", 3) == 0,
	    "a buffer that is too small gets what fits");
	check(sysctlbyname("kern.nonsense", NULL, NULL, NULL, 0) == -1 && errno == ENOENT, "an unknown name is ENOENT");
}

static void locks(void)
{
	struct { off_t start, len; pid_t pid; short type, whence; } lk = { 0, 10, 0, 3, SEEK_SET };
	int fd = open("abi.lock", O_RDWR | O_CREAT, 0644), status;
	pid_t pid;

	check(fcntl(fd, 8, &lk) == 0, "F_SETLK");
	pid = fork();
	if (pid == 0) {
		lk.start = 5;
		status = fcntl(fd, 8, &lk) == -1 && errno == EAGAIN;
		if (fcntl(fd, 7, &lk) == -1 || lk.type != 3 || lk.pid != getppid() || lk.start != 0 || lk.len != 10)
			status = 0;
		_exit(status);
	}
	check(waitpid(pid, &status, 0) == pid && status == 1 << 8, "another process is refused and told who holds it");
	close(fd);
	unlink("abi.lock");
}

static void exec(const char *self)
{
	char *none[] = { NULL };
	char script[128];
	int fd, status;
	pid_t pid = fork();

	if (pid == 0) {
		execve(self, none, none);
		_exit(99);
	}
	check(waitpid(pid, &status, 0) == pid && status == 43 << 8, "an empty argv gets the path");
	fd = open("abi.sh", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	snprintf(script, sizeof(script), "#! %s -script  two words # comment\n", self);
	write(fd, script, strlen(script));
	close(fd);
	pid = fork();
	if (pid == 0) {
		char *args[] = { (char *)"zero", (char *)"last", NULL };

		execve("./abi.sh", args, none);
		_exit(98);
	}
	check(waitpid(pid, &status, 0) == pid && status == 44 << 8, "#! passes all its words, the script, the arguments");
	unlink("abi.sh");
}

int main(int argc, char **argv, char **envp)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 1 && envp[0] == NULL)
		return 43;
	if (argc == 6 && strcmp(argv[1], "-script") == 0)
		return strcmp(argv[2], "two") == 0 && strcmp(argv[3], "words") == 0 && strcmp(argv[4], "./abi.sh") == 0 &&
		    strcmp(argv[5], "last") == 0 ? 44 : 45;
	start(argc, argv, envp);
	registers();
	unknown_call();
	forks();
	wait_status();
	sockets();
	files();
	directories();
	readiness();
	memory();
	faults();
	fpu();
	masks();
	locks();
	kernel_values();
	exec(argv[0]);
	threads();
	kernel_queues();
	thread_calls();
	tracing();
	variant_links();
	sysctls();
	mounts();
	terminals();
	printf("%d failed\n", failures);
	return failures;
}
