/* SPDX-License-Identifier: BSD-3-Clause */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *progname = "";

const char *getprogname(void)
{
	return progname;
}

/* Takes the last component of a path; a login shell's leading '-' is not part of the name. */
void setprogname(const char *path)
{
	const char *slash = strrchr(path, '/');

	progname = slash != NULL ? slash + 1 : path;
	if (*progname == '-')
		progname++;
}

/* Standard output goes first, so that messages appear in the order the program produced them. */
static void message(const char *fmt, va_list ap, const char *reason)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", progname);
	vfprintf(stderr, fmt, ap);
	if (reason != NULL)
		fprintf(stderr, ": %s", reason);
	fputc('\n', stderr);
	fflush(stderr);
}

void vwarnc(int code, const char *fmt, va_list ap)
{
	message(fmt, ap, strerror(code));
}

void vwarnx(const char *fmt, va_list ap)
{
	message(fmt, ap, NULL);
}

void warn(const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap, strerror(code));
	va_end(ap);
	errno = code;
}

void warnc(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap, strerror(code));
	va_end(ap);
}

void warnx(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap, NULL);
	va_end(ap);
}

void err(int status, const char *fmt, ...)
{
	int code = errno;
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap, strerror(code));
	va_end(ap);
	exit(status);
}

void errx(int status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(fmt, ap, NULL);
	va_end(ap);
	exit(status);
}
