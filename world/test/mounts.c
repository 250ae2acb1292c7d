/* SPDX-License-Identifier: BSD-3-Clause */
/* mountctl, statvfs and its kin, directories, terminals. */
#include "check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

struct statvfs {
	unsigned long f_bsize, f_frsize;
	unsigned long long f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_favail;
	unsigned long f_fsid, f_flag, f_namemax;
	unsigned f_owner, f_type;
	unsigned long long f_syncreads, f_syncwrites, f_asyncreads, f_asyncwrites;
	unsigned char f_fsid_uuid[16], f_uid_uuid[16];
} __attribute__((packed));
_Static_assert(sizeof(struct statvfs) == 140, "struct statvfs");

/* Seven words: a function of its own, whose arguments lie where the kernel looks for them. */
int mountctl(const char *path, int op, int fd, const void *ctl, int ctllen, void *buf, int buflen);
__asm__("mountctl:\n\tmovl $468, %eax\n\tint $0x80\n\tjnc 1f\n\tnegl %eax\n1:\tret");

enum { statvfs = 500, fstatvfs = 501, getvfsstat = 503 };

void mounts(void)
{
	struct statvfs v, w, all[16];
	struct statfs s, fs[16];
	char text[256];
	int fd = open("/", O_RDONLY), n, i, same = 1;

	check(call(statvfs, "/", &v) == 0 && v.f_bsize > 0 && v.f_blocks > 0 && v.f_bfree <= v.f_blocks && v.f_namemax >= 255, "statvfs");
	check(call(fstatvfs, fd, &w) == 0 && w.f_fsid == v.f_fsid && w.f_blocks == v.f_blocks, "fstatvfs");
	check(statfs("/", &s) == 0 && (unsigned long long)s.f_blocks * (unsigned)s.f_bsize == v.f_blocks * v.f_bsize, "statfs and statvfs agree");
	check(mountctl("/", 17, -1, NULL, 0, &w, sizeof(w)) == 140 && memcmp(&w, &v, sizeof(v)) == 0, "mountctl: MOUNTCTL_STATVFS");
	check(mountctl("/", 18, -1, NULL, 0, text, sizeof(text)) == (int)strlen(text) + 1, "mountctl: the flags by name");
	check(mountctl("/", 17, -1, NULL, 0, &w, 100) == -EINVAL && mountctl("/dev", 99, -1, NULL, 0, &w, 0) != 0, "mountctl: errors");
	n = getfsstat(NULL, 0, MNT_NOWAIT);
	check(n > 0 && getfsstat(fs, sizeof(fs), MNT_NOWAIT) == n && strcmp(fs[0].f_mntonname, "/") == 0, "getfsstat: as many as it said");
	check(getfsstat(fs, sizeof(fs[0]) + 10, MNT_NOWAIT) == 1, "getfsstat: as many as fit");
	check(call(getvfsstat, fs, all, sizeof(all), MNT_NOWAIT) == n, "getvfsstat");
	for (i = 0; i < n; i++)
		same &= (unsigned)fs[i].f_fsid.val[0] == all[i].f_fsid;
	check(same, "getvfsstat: two arrays of the same file systems");
	check(call(statvfs, "/none", &v) == -ENOENT && call(fstatvfs, 99, &v) == -EBADF && call(statvfs, "/", (void *)16) == -EFAULT,
	    "statvfs: errors");
	close(fd);
}

/* Sets every part of struct termios and reads it back, on a pseudo terminal when there is one. */
void terminals(void)
{
	struct termios t, back;
	struct winsize ws = { 33, 101, 7, 9 }, wsback;
	int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY), pgrp = -1, value;
	pid_t pid;

	if (fd == -1) {
		check(errno == ENOENT, "no pseudo terminals on this root");
		return;
	}
	check(isatty(fd) && tcgetattr(fd, &t) == 0, "TIOCGETA on a pseudo terminal");
	check(t.c_cc[VINTR] == 3 && t.c_cc[VEOF] == 4 && t.c_cc[VERASE] == 0x7f && t.c_cc[VSUSP] == 0x1a, "its characters");
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_iflag = IXON;
	t.c_cc[VMIN] = 3;
	t.c_cc[VTIME] = 2;
	check(tcsetattr(fd, TCSANOW, &t) == 0 && tcgetattr(fd, &back) == 0 && memcmp(&t, &back, sizeof(t)) == 0, "TIOCSETA and back");
	check(ioctl(fd, TIOCSWINSZ, &ws) == 0 && ioctl(fd, TIOCGWINSZ, &wsback) == 0 && memcmp(&ws, &wsback, sizeof(ws)) == 0, "window size");
	check(ioctl(fd, 0x40047473, &value) == 0 && value == 0, "TIOCOUTQ");
	check(ioctl(fd, 0x20007499, &value) == -1 && errno == ENOTTY, "an unknown command is ENOTTY");
	pid = fork();
	if (pid == 0) {
		setsid();
		_exit(ioctl(fd, TIOCSCTTY, 0) == 0 && ioctl(fd, TIOCGPGRP, &pgrp) == 0 && pgrp == getpid() ? 0 : 1);
	}
	check(waitpid(pid, &value, 0) == pid && (value == 0 || value == 1 << 8), "a session and its terminal");
	close(fd);
	fd = open("/dev/null", O_RDWR);
	check(!isatty(fd) && errno == ENOTTY, "the null device is no terminal");
	close(fd);
}
