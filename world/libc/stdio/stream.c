/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams: buffers, opening and closing, positioning. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "local.h"

/*
 * Buffers of the standard streams come from the heap at first use, like all others: a program that prints
 * nothing pays nothing.
 */
FILE __stdin = { .fd = 0, .flags = __SCANRD };
FILE __stdout = { .fd = 1, .flags = __SCANWR, .mode = _IOFBF };
FILE __stderr = { .fd = 2, .flags = __SCANWR, .mode = _IOLBF };
static FILE *opened;
static int stdout_probed;

static int set_buffer(FILE *f)
{
	if (f->buf != NULL)
		return 0;
	if (f == stdout && !stdout_probed) {
		stdout_probed = 1;
		if (f->mode == _IOFBF && isatty(f->fd))
			f->mode = _IOLBF;
	}
	f->size = f->mode == _IONBF ? 1 : BUFSIZ;
	f->buf = malloc(f->size + UNGET);
	if (f->buf == NULL) {
		f->flags |= __SERR;
		return -1;
	}
	f->flags |= __SOWNBUF;
	f->pos = f->end = f->buf + UNGET;
	return 0;
}

/* Writes out what is buffered. On an error the rest is dropped, so that exit() does not try for ever. */
int __sflush(FILE *f)
{
	unsigned char *p = f->buf + UNGET;

	if (!(f->flags & __SWR) || f->flags & __SSTRING)
		return 0;
	while (p < f->pos) {
		ssize_t n = write(f->fd, p, (size_t)(f->pos - p));

		if (n == -1) {
			if (errno == EINTR)
				continue;
			f->flags |= __SERR;
			f->pos = f->buf + UNGET;
			return EOF;
		}
		p += n;
	}
	f->pos = f->buf + UNGET;
	return 0;
}

/* Makes the stream ready for output: returns 0, or EOF for a stream that cannot write. */
int __swrite_ready(FILE *f)
{
	if (f->flags & __SWR)
		return 0;
	if (!(f->flags & __SCANWR)) {
		errno = EBADF;
		f->flags |= __SERR;
		return EOF;
	}
	if (set_buffer(f) == -1)
		return EOF;
	if (f->flags & __SRD && f->pos < f->end)
		lseek(f->fd, f->pos - f->end, SEEK_CUR);
	f->flags = (short)((f->flags & ~(__SRD | __SEOF)) | __SWR);
	f->pos = f->buf + UNGET;
	f->end = f->buf + UNGET + f->size;
	return 0;
}

int fflush(FILE *f)
{
	int rv = 0;

	if (f != NULL)
		return __sflush(f);
	for (f = opened; f != NULL; f = f->next)
		rv |= __sflush(f);
	return rv | __sflush(stdout) | __sflush(stderr);
}

static int mode_flags(const char *mode, int *oflags)
{
	int both = strchr(mode, '+') != NULL;

	switch (*mode) {
	case 'r':
		*oflags = both ? O_RDWR : O_RDONLY;
		return both ? __SCANRD | __SCANWR : __SCANRD;
	case 'w':
		*oflags = (both ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
		return both ? __SCANRD | __SCANWR : __SCANWR;
	case 'a':
		*oflags = (both ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
		return (both ? __SCANRD | __SCANWR : __SCANWR) | __SAPP;
	}
	errno = EINVAL;
	return 0;
}

FILE *fdopen(int fd, const char *mode)
{
	int oflags, flags = mode_flags(mode, &oflags);
	FILE *f;

	if (flags == 0 || (f = calloc(1, sizeof(*f))) == NULL)
		return NULL;
	f->fd = fd;
	f->flags = (short)(flags | __SHEAP);
	f->next = opened;
	opened = f;
	return f;
}

FILE *fopen(const char *restrict path, const char *restrict mode)
{
	int oflags, fd;
	FILE *f;

	if (mode_flags(mode, &oflags) == 0 || (fd = open(path, oflags, 0666)) == -1)
		return NULL;
	f = fdopen(fd, mode);
	if (f == NULL)
		close(fd);
	return f;
}

int fclose(FILE *f)
{
	int rv = __sflush(f);
	FILE **link;

	if (close(f->fd) == -1)
		rv = EOF;
	for (link = &opened; *link != NULL; link = &(*link)->next)
		if (*link == f) {
			*link = f->next;
			break;
		}
	if (f->flags & __SOWNBUF)
		free(f->buf);
	if (f->flags & __SHEAP)
		free(f);
	else
		*f = (FILE){ .fd = -1 };
	return rv;
}

int setvbuf(FILE *restrict f, char *restrict buf, int mode, size_t size)
{
	(void)buf; /* the stream keeps its own buffer: only the mode matters */
	(void)size;
	f->mode = (unsigned char)mode;
	if (f == stdout)
		stdout_probed = 1;
	return 0;
}

int fseeko(FILE *f, off_t offset, int whence)
{
	if (__sflush(f) == EOF)
		return -1;
	if (whence == SEEK_CUR && f->flags & __SRD)
		offset -= f->end - f->pos;
	f->pos = f->end = f->buf != NULL ? f->buf + UNGET : NULL;
	f->flags &= ~(__SRD | __SWR | __SEOF);
	return lseek(f->fd, offset, whence) == -1 ? -1 : 0;
}

off_t ftello(FILE *f)
{
	off_t at = lseek(f->fd, 0, SEEK_CUR);

	if (at == -1)
		return -1;
	if (f->flags & __SRD)
		return at - (f->end - f->pos);
	return f->flags & __SWR ? at + (f->pos - (f->buf + UNGET)) : at;
}

/* Refills an empty input buffer; returns the number of bytes, 0 at end of file or error. */
static size_t fill(FILE *f)
{
	ssize_t n;

	if (f->flags & __SEOF)
		return 0;
	if (!(f->flags & __SCANRD)) {
		errno = EBADF;
		f->flags |= __SERR;
		return 0;
	}
	if (set_buffer(f) == -1 || __sflush(f) == EOF)
		return 0;
	f->flags = (short)((f->flags & ~__SWR) | __SRD);
	f->pos = f->end = f->buf + UNGET;
	if (f == stdin && stdout->flags & __SWR && stdout->mode == _IOLBF)
		__sflush(stdout);
	do
		n = read(f->fd, f->pos, f->size);
	while (n == -1 && errno == EINTR);
	if (n <= 0) {
		f->flags |= n == 0 ? __SEOF : __SERR;
		return 0;
	}
	f->end = f->pos + n;
	return (size_t)n;
}

int fgetc(FILE *f)
{
	if (!(f->flags & __SRD) || f->pos >= f->end)
		if (fill(f) == 0)
			return EOF;
	return *f->pos++;
}

int getchar(void)
{
	return fgetc(stdin);
}

int ungetc(int c, FILE *f)
{
	if (c == EOF || set_buffer(f) == -1 || (f->flags & __SWR))
		return EOF;
	if (!(f->flags & __SRD)) {
		f->flags |= __SRD;
		f->pos = f->end = f->buf + UNGET;
	}
	if (f->pos == f->buf)
		return EOF;
	f->flags &= ~__SEOF;
	*--f->pos = (unsigned char)c;
	return c;
}

size_t fread(void *restrict out, size_t size, size_t n, FILE *restrict f)
{
	size_t want = size * n, got = 0;

	while (got < want) {
		size_t have = f->flags & __SRD ? (size_t)(f->end - f->pos) : 0;

		if (have == 0) {
			if (fill(f) == 0)
				break;
			continue;
		}
		if (have > want - got)
			have = want - got;
		memcpy((char *)out + got, f->pos, have);
		f->pos += have;
		got += have;
	}
	return size == 0 ? 0 : got / size;
}

char *fgets(char *restrict out, int size, FILE *restrict f)
{
	char *p = out;
	int c = EOF;

	while (size > 1 && (c = fgetc(f)) != EOF) {
		*p++ = (char)c;
		size--;
		if (c == '\n')
			break;
	}
	*p = '\0';
	return p == out ? NULL : out;
}

/* Reads up to and including `delim`. Returns the length, or -1 at end of file with nothing read. */
ssize_t getdelim(char **restrict line, size_t *restrict room, int delim, FILE *restrict f)
{
	size_t len = 0;

	for (;;) {
		unsigned char *stop;
		size_t n;

		if (!(f->flags & __SRD) || f->pos >= f->end)
			if (fill(f) == 0)
				break;
		stop = memchr(f->pos, delim, (size_t)(f->end - f->pos));
		n = (size_t)((stop != NULL ? stop + 1 : f->end) - f->pos);
		if (*line == NULL || len + n + 1 > *room) {
			size_t grown = len + n + 1 < 120 ? 120 : (len + n + 1) * 2;
			char *p = realloc(*line, grown);

			if (p == NULL)
				return -1;
			*line = p;
			*room = grown;
		}
		memcpy(*line + len, f->pos, n);
		f->pos += n;
		len += n;
		if (stop != NULL)
			break;
	}
	if (len == 0)
		return -1;
	(*line)[len] = '\0';
	return (ssize_t)len;
}

ssize_t getline(char **restrict line, size_t *restrict room, FILE *restrict f)
{
	return getdelim(line, room, '\n', f);
}

size_t fwrite(const void *restrict data, size_t size, size_t n, FILE *restrict f)
{
	const char *p = data;
	size_t left = size * n;

	if (left == 0 || __swrite_ready(f) == EOF)
		return 0;
	while (left > 0) {
		size_t room = (size_t)(f->end - f->pos);

		if (room == 0) {
			if (f->flags & __SSTRING)
				return n;
			if (__sflush(f) == EOF)
				return (size * n - left) / size;
			continue;
		}
		if (room > left)
			room = left;
		memcpy(f->pos, p, room);
		f->pos += room;
		p += room;
		left -= room;
	}
	if (f->mode == _IONBF || (f->mode == _IOLBF && memchr(data, '\n', size * n) != NULL))
		if (__sflush(f) == EOF)
			return 0;
	return n;
}

int fputc(int c, FILE *f)
{
	unsigned char byte = (unsigned char)c;

	if (f->flags & __SWR && f->pos < f->end && f->mode == _IOFBF) {
		*f->pos++ = byte;
		return byte;
	}
	return fwrite(&byte, 1, 1, f) == 1 ? byte : EOF;
}

int putchar(int c)
{
	return fputc(c, stdout);
}

int fputs(const char *restrict s, FILE *restrict f)
{
	size_t n = strlen(s);

	return fwrite(s, 1, n, f) == n ? 0 : EOF;
}

int puts(const char *s)
{
	return fputs(s, stdout) == EOF ? EOF : fputc('\n', stdout);
}

int feof(FILE *f) { return (f->flags & __SEOF) != 0; }
int ferror(FILE *f) { return (f->flags & __SERR) != 0; }
int fileno(FILE *f) { return f->fd; }
void clearerr(FILE *f) { f->flags &= ~(__SEOF | __SERR); }

int remove(const char *path)
{
	return unlink(path) == 0 || rmdir(path) == 0 ? 0 : -1;
}

void perror(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
}
