/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/cdefs.h>
void __assert_fail(const char *expr, const char *file, int line) __dead;
#define assert(e) ((e) ? (void)0 : __assert_fail(#e, __FILE__, __LINE__))
