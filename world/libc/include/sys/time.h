/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/types.h>
struct timespec { time_t tv_sec; long tv_nsec; };
struct timeval { time_t tv_sec; suseconds_t tv_usec; };
struct timezone { int tz_minuteswest, tz_dsttime; };
struct itimerval { struct timeval it_interval, it_value; };
#define ITIMER_REAL 0
int futimes(int, const struct timeval[2]);
int getitimer(int, struct itimerval *);
int gettimeofday(struct timeval *restrict, struct timezone *restrict);
int lutimes(const char *, const struct timeval[2]);
int setitimer(int, const struct itimerval *restrict, struct itimerval *restrict);
int settimeofday(const struct timeval *, const struct timezone *);
int utimes(const char *, const struct timeval[2]);
