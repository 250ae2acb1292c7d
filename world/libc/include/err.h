/* SPDX-License-Identifier: BSD-3-Clause */
/* "prog: message[: strerror(errno)]" on standard error. Counterpart: BSD err(3). */
#pragma once
#include <stdarg.h>
#include <sys/cdefs.h>
void err(int, const char *, ...) __dead __printflike(2, 3);
void errx(int, const char *, ...) __dead __printflike(2, 3);
void warn(const char *, ...) __printflike(1, 2);
void warnx(const char *, ...) __printflike(1, 2);
void warnc(int code, const char *, ...) __printflike(2, 3);
void vwarnc(int code, const char *, va_list);
void vwarnx(const char *, va_list);
