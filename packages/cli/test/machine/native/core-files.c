// SPDX-License-Identifier: BSD-3-Clause
// Which ends of processes leave a core file, and what their wait status says.
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK "what is to be found in the core file: "

static char *data, *shared, *left_out, *mapped;

static void limit(int which, rlim_t to)
{
	struct rlimit r = { to, RLIM_INFINITY };
	setrlimit(which, &r);
}

// Whether a mapping's contents are in the file.
static int holds(int fd, char *at, const char *text)
{
	Elf32_Ehdr e;
	Elf32_Phdr p;
	char buf[128];
	if (pread(fd, &e, sizeof e, 0) != sizeof e)
		return -1;
	for (int i = 0; i < e.e_phnum; i++) {
		if (pread(fd, &p, sizeof p, e.e_phoff + i * sizeof p) != sizeof p)
			return -1;
		unsigned long a = (unsigned long)at;
		if (p.p_type != PT_LOAD || a < p.p_vaddr || a >= p.p_vaddr + p.p_filesz)
			continue;
		memset(buf, 0, sizeof buf);
		pread(fd, buf, strlen(text), p.p_offset + (a - p.p_vaddr));
		return strcmp(buf, text) == 0;
	}
	return 0;
}

static void notes(int fd)
{
	Elf32_Ehdr e;
	Elf32_Phdr p;
	pread(fd, &e, sizeof e, 0);
	pread(fd, &p, sizeof p, e.e_phoff);
	char *all = malloc(p.p_filesz);
	pread(fd, all, p.p_filesz, p.p_offset);
	printf("  type %d, machine %d, first header %d\n", e.e_type, e.e_machine, p.p_type);
	for (unsigned at = 0; at + 12 <= p.p_filesz;) {
		Elf32_Nhdr *n = (Elf32_Nhdr *)(all + at);
		char *name = all + at + 12;
		char *desc = name + ((n->n_namesz + 3) & ~3);
		int *w = (int *)desc;
		// What the host's processor has beyond ours, and what differs by release, is passed over.
		if (n->n_type == 1)
			printf("  %s %d bytes %u: signal %d %d, mask %x, pid %d, group %d, ebx %x esi %x, fp %d\n", name, n->n_type, n->n_descsz, w[0], ((short *)desc)[6], w[5],
			       w[6] == w[24 / 4], w[8] == getpgrp(), w[18], w[21], w[35]);
		else if (n->n_type == 3)
			printf("  %s %d bytes %u: %c nice %d uid %d, %.15s, %s\n", name, n->n_type, n->n_descsz, desc[1], desc[3], ((short *)desc)[4], desc + 28, strrchr(desc + 44, '/'));
		else if (n->n_type == 0x53494749)
			printf("  %s SIGINFO bytes %u: %d %d %d address %x\n", name, n->n_descsz, w[0], w[1], w[2], w[3]);
		else if (n->n_type == 2 || n->n_type == 0x46e62b7f || n->n_type == 0x200)
			printf("  %s %x bytes %u\n", name, n->n_type, n->n_descsz);
		else if (n->n_type == 0x46494c45)
			printf("  %s FILE page %d\n", name, w[1]);
		at += 12 + ((n->n_namesz + 3) & ~3) + ((n->n_descsz + 3) & ~3);
	}
	free(all);
}

static void look(const char *what, int status, int detail)
{
	struct stat st;
	printf("%s: signal %d, exit %d, core %d", what, WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : -1,
	       WIFSIGNALED(status) && WCOREDUMP(status) ? 1 : 0);
	if (lstat("core", &st) < 0) {
		printf(", no file\n");
		return;
	}
	printf(", file %o of %d%s\n", st.st_mode, (int)st.st_uid, S_ISREG(st.st_mode) && st.st_size > 0 ? "" : ", empty or no regular one");
	int fd = open("core", O_RDONLY);
	if (fd >= 0 && S_ISREG(st.st_mode) && detail) {
		printf("  data %d, shared %d, left out %d, mapped %d\n", holds(fd, data, MARK "data"), holds(fd, shared, MARK "shared"), holds(fd, left_out, MARK "left out"), holds(fd, mapped, MARK "mapped"));
		if (detail > 1)
			notes(fd);
	}
	close(fd);
}

static int filter(const char *bits)
{
	int fd = open("/proc/self/coredump_filter", O_RDWR);
	char now[16] = { 0 };
	if (bits)
		write(fd, bits, strlen(bits));
	lseek(fd, 0, SEEK_SET);
	read(fd, now, 15);
	close(fd);
	return strtol(now, 0, 16);
}

static void end(int how)
{
	limit(RLIMIT_CORE, how == 1 ? 0 : how == 2 ? 4095 : how == 3 ? 8192 : RLIM_INFINITY);
	switch (how) {
	case 4: kill(getpid(), SIGTERM); break;
	case 5: kill(getpid(), SIGKILL); break;
	case 6: prctl(PR_SET_DUMPABLE, 0); break;
	case 7: setresuid(1000, 1000, 1000); break;
	case 8: chdir("open"); setresuid(1000, 1000, 1000); prctl(PR_SET_DUMPABLE, 1); break;
	case 9: filter("0x1"); break;
	case 10: filter("0x12"); break;
	case 11: filter("0x7f"); break;
	case 12: filter("0"); break;
	case 13: madvise(left_out, 8192, MADV_DODUMP); break;
	case 14: madvise(left_out, 4096, MADV_DODUMP); break;
	case 15: signal(SIGQUIT, SIG_DFL); kill(getpid(), SIGQUIT); break;
	case 16: signal(SIGTRAP, SIG_DFL); __asm__ volatile("int3"); break;
	case 17: signal(SIGXCPU, SIG_DFL); raise(SIGXCPU); break;
	}
	__asm__ volatile("movl $0x1234, %%ebx; movl $0x5678, %%esi; movl 0x20, %%eax" ::: "eax", "ebx", "esi");
}

static const char *const ways[] = { "a bad access", "limit 0", "limit 4095", "limit 8192", "SIGTERM", "SIGKILL", "not dumpable", "another user",
	"another user, dumpable again", "private memory alone", "shared memory and headers", "everything", "nothing", "advised in again", "advised in again in part",
	"SIGQUIT", "a breakpoint", "SIGXCPU" };

int main(void)
{
	data = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	left_out = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("file", O_RDWR | O_CREAT, 0600);
	write(fd, MARK "mapped", strlen(MARK "mapped"));
	mapped = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
	strcpy(data, MARK "data");
	strcpy(shared, MARK "shared");
	strcpy(left_out, MARK "left out");
	mprotect(data, 4096, PROT_NONE);
	printf("advice %d\n", madvise(left_out, 8192, MADV_DONTDUMP));
	mkdir("open", 0777);
	chmod("open", 0777);
	printf("filter %x, %x, %x, %x\n", filter(0), filter("0x7f"), filter("063"), filter("51"));
	for (unsigned how = 0; how < sizeof ways / sizeof *ways; how++) {
		unlink("core");
		int status;
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			end(how);
			_exit(3);
		}
		waitpid(pid, &status, 0);
		if (how == 8)
			chdir("open");
		look(ways[how], status, how == 0 || how == 16 ? 2 : how == 3 ? 0 : 1);
		if (how == 8)
			chdir("..");
	}
	// Names that are taken.
	for (int kind = 0; kind < 4; kind++) {
		int status;
		unlink("core");
		if (kind == 0)
			mkdir("core", 0700);
		else if (kind == 1)
			symlink("elsewhere", "core");
		else if (kind == 2)
			close(open("core", O_CREAT | O_RDWR, 0444));
		else
			link("file", "core");
		fflush(stdout);
		if (fork() == 0)
			end(0);
		siginfo_t info;
		waitid(P_ALL, 0, &info, WEXITED | WNOWAIT);
		wait(&status);
		printf("code %d status %d; elsewhere %d; ", info.si_code, info.si_status, access("elsewhere", F_OK));
		look("name taken", status, 0);
		if (kind == 0)
			rmdir("core");
	}
	printf("file %d\n", (int)lseek(fd, 0, SEEK_END));
	return 0;
}
