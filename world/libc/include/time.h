/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/time.h>
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 4
struct tm {
	int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
	long tm_gmtoff;
	const char *tm_zone;
};
char *asctime(const struct tm *);
int clock_gettime(clockid_t, struct timespec *);
char *ctime(const time_t *);
struct tm *gmtime(const time_t *);
struct tm *localtime(const time_t *);
struct tm *gmtime_r(const time_t *restrict, struct tm *restrict);
struct tm *localtime_r(const time_t *restrict, struct tm *restrict);
time_t mktime(struct tm *);
time_t timegm(struct tm *);
int nanosleep(const struct timespec *, struct timespec *);
size_t strftime(char *restrict, size_t, const char *restrict, const struct tm *restrict);
char *strptime(const char *, const char *, struct tm *);
time_t time(time_t *);
