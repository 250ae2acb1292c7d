/* SPDX-License-Identifier: BSD-3-Clause */
/* Terminals: attributes, foreground group, names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define TIOCGETA _IOR('t', 19, struct termios)
#define TIOCSETA _IOW('t', 20, struct termios)

int tcgetattr(int fd, struct termios *t)
{
	return ioctl(fd, TIOCGETA, t);
}

/* TIOCSETA, TIOCSETAW and TIOCSETAF have consecutive numbers, in the order of the TCSA* constants. */
int tcsetattr(int fd, int when, const struct termios *t)
{
	if ((unsigned)when > TCSAFLUSH) {
		errno = EINVAL;
		return -1;
	}
	return ioctl(fd, TIOCSETA + (unsigned)when, t);
}

int isatty(int fd)
{
	struct termios t;

	return tcgetattr(fd, &t) == 0;
}

pid_t tcgetpgrp(int fd)
{
	int pgrp;

	return ioctl(fd, TIOCGPGRP, &pgrp) == -1 ? -1 : pgrp;
}

int tcsetpgrp(int fd, pid_t pgrp)
{
	int value = pgrp;

	return ioctl(fd, TIOCSPGRP, &value);
}

/* Looks in /dev, and in /dev/pts where that exists, for the character device behind fd. */
static char *search(const char *dir, const struct stat *want)
{
	static char path[64];
	struct dirent *de;
	struct stat st;
	DIR *d = opendir(dir);

	if (d == NULL)
		return NULL;
	while ((de = readdir(d)) != NULL) {
		if (strlen(dir) + de->d_namlen >= sizeof(path))
			continue;
		strlcpy(path, dir, sizeof(path));
		strlcat(path, de->d_name, sizeof(path));
		/* tty and std* mean whatever their user has open. */
		if (strcmp(de->d_name, "tty") != 0 && strncmp(de->d_name, "std", 3) != 0 && stat(path, &st) == 0 &&
		    S_ISCHR(st.st_mode) && st.st_rdev == want->st_rdev) {
			closedir(d);
			return path;
		}
	}
	closedir(d);
	return NULL;
}

char *ttyname(int fd)
{
	struct stat st;
	char *name;

	if (!isatty(fd) || fstat(fd, &st) == -1 || !S_ISCHR(st.st_mode))
		return NULL;
	name = search("/dev/pts/", &st);
	return name != NULL ? name : search(_PATH_DEV, &st);
}
