/* SPDX-License-Identifier: BSD-3-Clause */
/* Variant symlinks, and the sysctl trees that the C library, ps, top and df read. */
#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysctl.h>
#include <unistd.h>

enum { varsym_set = 450, varsym_get = 451, varsym_list = 452 };

void variant_links(void)
{
	char buf[128];
	int one = 1, marker = 0, n;

	check(sysctlbyname("vfs.varsym_enable", NULL, NULL, &one, sizeof(one)) == 0, "vfs.varsym_enable");
	mkdir("vs.a", 0755);
	close(open("vs.a/inside", O_WRONLY | O_CREAT, 0644));
	symlink("vs.${ABI_TEST}", "vs.link");
	check(access("vs.link/inside", F_OK) == -1 && errno == ENOENT, "a link with a variable that is not set");
	check(call(varsym_set, 1, "ABI_TEST", "a") == 0 && access("vs.link/inside", F_OK) == 0, "varsym_set: the link leads there");
	n = readlink("vs.link", buf, sizeof(buf));
	check(n == 14 && memcmp(buf, "vs.${ABI_TEST}", 14) == 0, "readlink gives the link as it is");
	check(call(varsym_get, 2, "ABI_TEST", buf, sizeof(buf)) == 2 && strcmp(buf, "a") == 0, "varsym_get");
	check(call(varsym_get, 4, "ABI_TEST", buf, sizeof(buf)) == -ENOENT, "varsym_get: another level");
	check(call(varsym_list, 1, buf, sizeof(buf), &marker) == 11 && memcmp(buf, "ABI_TEST\0a", 11) == 0 && marker == -1, "varsym_list");
	check(call(varsym_set, 1, "ABI_TEST", NULL) == 0 && call(varsym_set, 1, "ABI_TEST", NULL) == -ENOENT, "varsym_set: gone");
	unlink("vs.link");
	unlink("vs.a/inside");
	rmdir("vs.a");
}

/* The value of a node is there and has this size. */
static int sized(const char *name, size_t want, void *value)
{
	size_t size = 0, got = want;

	return sysctlbyname(name, NULL, &size, NULL, 0) == 0 && size == want && sysctlbyname(name, value, &got, NULL, 0) == 0 && got == want;
}

static void numbers(void)
{
	static const char *const ints[] = {
		"kern.osrevision", "kern.maxvnodes", "kern.maxproc", "kern.maxfiles", "kern.argmax", "kern.securelevel", "kern.posix1version",
		"kern.ngroups", "kern.job_control", "kern.saved_ids", "kern.osreldate", "kern.maxfilesperproc", "kern.maxprocperuid",
		"kern.ps_strings", "kern.usrstack", "kern.iov_max", "kern.ipc.maxsockbuf", "kern.ipc.somaxconn", "kern.openfiles", "kern.fscale",
		"kern.ccpu", "kern.ckptgroup", "vm.vkernel_enable", "vfs.varsym_enable", "vfs.bufspace", "hw.ncpu", "hw.byteorder", "hw.physmem",
		"hw.usermem", "hw.pagesize", "hw.floatingpoint", "hw.availpages", "user.line_max", "user.posix2_version", "p1003_1b.pagesize",
	};
	unsigned i, value, bad = 0;

	for (i = 0; i < sizeof(ints) / sizeof(ints[0]); i++)
		if (!sized(ints[i], sizeof(value), &value)) {
			check(0, ints[i]);
			bad++;
		}
	check(bad == 0, "sysctl: numbers are ints");
	check(sized("hw.pagesize", 4, &value) && value == 4096 && sized("p1003_1b.pagesize", 4, &value) && value == 4096, "sysctl: page sizes");
}

static void structures(void)
{
	unsigned clock[5], load[4], meter[41], stats[16], total[12];
	unsigned long long cpu[5], more[5];
	struct timeval { long sec, usec; } boot;
	char files[48 * 64];
	size_t size = sizeof(files), want;
	int i, mib[4] = { 3, 0, 1, 0 }, types, found = 0;
	struct { void *ops; char name[16]; int num, refs, flags; void *next; } conf;

	check(sized("kern.clockrate", 20, clock) && clock[0] * clock[1] == 1000000, "kern.clockrate");
	check(sized("kern.boottime", 8, &boot) && boot.sec > 1000000000, "kern.boottime");
	check(sized("vm.loadavg", 16, load) && load[3] == 2048, "vm.loadavg");
	check(sized("vm.vmtotal", 48, total) && total[11] > 0, "vm.vmtotal");
	check(sized("vm.vmmeter", 164, meter) && meter[2] > 0 && meter[25] > 0, "vm.vmmeter: calls and forks are counted");
	check(sized("vm.vmstats", 64, stats) && stats[0] == 4096 && stats[1] > stats[5] && stats[5] > 0, "vm.vmstats: pages, and free ones");
	check(sized("kern.cputime", 40, cpu), "kern.cputime");
	for (i = 0; i < 1000000; i++)
		__asm__ volatile("");
	check(sized("kern.cputime", 40, more) && more[0] + more[2] > cpu[0] + cpu[2], "kern.cputime goes on");
	check(sysctlbyname("kern.file", files, &size, NULL, 0) == 0 && size % 48 == 0 && size >= 3 * 48 && *(unsigned *)files == 48,
	    "kern.file: records of 48 bytes");
	want = sizeof(types);
	check(sysctl(mib, 3, &types, &want, NULL, 0) == 0 && types > 2, "vfs.generic.maxtypenum");
	mib[2] = 2;
	for (mib[3] = 0; mib[3] < types; mib[3]++) {
		want = sizeof(conf);
		found += sysctl(mib, 4, &conf, &want, NULL, 0) == 0 && want == 36 && strcmp(conf.name, "tmpfs") == 0;
	}
	check(found == 1, "vfs.generic.conf finds tmpfs, once");
}

static void processes(void)
{
	int mib[4] = { 1, 14, 0, 0 }, n, i, self = 0, args = 0;
	static char all[664 * 64];
	char text[256];
	size_t size = sizeof(all);

	check(sysctl(mib, 3, all, &size, NULL, 0) == 0 && size % 664 == 0, "kern.proc.all: records of 664 bytes");
	for (i = 0, n = (int)(size / 664); i < n; i++)
		self += *(int *)(all + 664 * i + 196) == getpid();
	check(self == 1, "kern.proc.all: this process, once");
	mib[2] = 0x11;
	mib[3] = getpid();
	size = sizeof(all);
	check(sysctl(mib, 4, all, &size, NULL, 0) == 0 && size == 664 && *(int *)(all + 440) == getpid() && *(int *)(all + 444) == 0,
	    "kern.proc.pid with threads: one record for each");
	mib[2] = 7;
	size = sizeof(text);
	check(sysctl(mib, 4, text, &size, NULL, 0) == 0 && size > 4 && text[size - 1] == '\0', "kern.proc.args");
	check(sysctl(mib, 4, NULL, NULL, "renamed\0x", 10) == 0, "kern.proc.args: a process renames itself");
	size = sizeof(text);
	args = sysctl(mib, 4, text, &size, NULL, 0) == 0 && size == 10 && memcmp(text, "renamed\0x", 10) == 0;
	check(args, "kern.proc.args: and is called so");
	mib[3] = 1;
	check(sysctl(mib, 4, NULL, NULL, "x", 2) == -1 && errno == EPERM, "kern.proc.args: another's is refused");
}

static void tree(void)
{
	int query[32] = { 0, 2 }, name[24], n = 0, steps = 0, last[24] = { 0 };
	size_t size;
	char text[128];

	for (;; steps++) {
		size = sizeof(name);
		if (sysctl(query, (unsigned)n + 2, name, &size, NULL, 0) == -1)
			break;
		n = (int)(size / 4);
		memcpy(query + 2, name, size);
		query[1] = 1;
		size = sizeof(text);
		if (sysctl(query, (unsigned)n + 2, text, &size, NULL, 0) == -1 || memcmp(last, name, sizeof(int) * (unsigned)n) == 0) {
			check(0, "sysctl: a node without a name, or twice");
			return;
		}
		memcpy(last, name, sizeof(int) * (unsigned)n);
		query[1] = 2;
	}
	check(errno == ENOENT && steps > 50, "sysctl: the tree can be walked from end to end");
}

void sysctls(void)
{
	numbers();
	structures();
	processes();
	tree();
}
