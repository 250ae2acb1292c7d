/* SPDX-License-Identifier: BSD-3-Clause */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define DIRBUF 4096

struct __dir {
	int fd;
	int have;
	int at;
	char buf[DIRBUF] __attribute__((aligned(8)));
};

DIR *fdopendir(int fd)
{
	DIR *d = malloc(sizeof(*d));

	if (d != NULL) {
		d->fd = fd;
		d->have = d->at = 0;
	}
	return d;
}

DIR *opendir(const char *path)
{
	int fd = open(path, O_RDONLY);
	DIR *d;

	if (fd == -1)
		return NULL;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	d = fdopendir(fd);
	if (d == NULL) {
		close(fd);
		return NULL;
	}
	/* The first read tells a directory from anything else, which open() does not. */
	d->have = getdirentries(fd, d->buf, DIRBUF, NULL);
	if (d->have == -1) {
		int code = errno == EINVAL ? ENOTDIR : errno;

		closedir(d);
		errno = code;
		return NULL;
	}
	return d;
}

struct dirent *readdir(DIR *d)
{
	for (;;) {
		struct dirent *de;

		if (d->at >= d->have) {
			d->at = 0;
			d->have = getdirentries(d->fd, d->buf, DIRBUF, NULL);
			if (d->have <= 0) {
				d->have = 0;
				return NULL;
			}
		}
		de = (struct dirent *)(d->buf + d->at);
		d->at += _DIRENT_RECLEN(de->d_namlen);
		if (de->d_fileno != 0)
			return de;
	}
}

void rewinddir(DIR *d)
{
	lseek(d->fd, 0, SEEK_SET);
	d->have = d->at = 0;
}

int dirfd(DIR *d)
{
	return d->fd;
}

int closedir(DIR *d)
{
	int fd = d->fd;

	free(d);
	return close(fd);
}
