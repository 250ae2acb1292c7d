/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once
#include <sys/cdefs.h>
typedef int jmp_buf[6]; /* ebx esi edi ebp esp eip */
int setjmp(jmp_buf) __attribute__((returns_twice));
void longjmp(jmp_buf, int) __dead;
