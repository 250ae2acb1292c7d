/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls without the C library in between, and the lines that are printed about them. */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>

int failures;

void check(int ok, const char *what)
{
	printf("%s %s\n", ok ? "ok" : "FAILED", what);
	failures += !ok;
}

struct regs raw(unsigned number, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f)
{
	struct regs r = { number, 0x11111111, 0x22222222, 0x33333333, 0x44444444, 0x55555555, 0 };

	__asm__ volatile(
	    "pushl %%ebp\n\t"
	    "movl %0, %%ebp\n\t" /* ebp = &r and args */
	    "pushl %%ebx\n\tpushl %%esi\n\tpushl %%edi\n\t"
	    "pushl 24(%1)\n\tpushl 20(%1)\n\tpushl 16(%1)\n\tpushl 12(%1)\n\tpushl 8(%1)\n\tpushl 4(%1)\n\tpushl $0\n\t"
	    "movl 0(%%ebp), %%eax\n\tmovl 4(%%ebp), %%ebx\n\tmovl 8(%%ebp), %%ecx\n\tmovl 12(%%ebp), %%edx\n\t"
	    "movl 16(%%ebp), %%esi\n\tmovl 20(%%ebp), %%edi\n\t"
	    "int $0x80\n\t"
	    "movl %%eax, 0(%%ebp)\n\tmovl %%ebx, 4(%%ebp)\n\tmovl %%ecx, 8(%%ebp)\n\tmovl %%edx, 12(%%ebp)\n\t"
	    "movl %%esi, 16(%%ebp)\n\tmovl %%edi, 20(%%ebp)\n\t"
	    "sbbl %%eax, %%eax\n\tmovl %%eax, 24(%%ebp)\n\t"
	    "addl $28, %%esp\n\t"
	    "popl %%edi\n\tpopl %%esi\n\tpopl %%ebx\n\tpopl %%ebp"
	    : : "r"(&r), "r"((unsigned[]){ 0, a, b, c, d, e, f }) : "eax", "ecx", "edx", "memory", "cc");
	return r;
}

int call(unsigned number, ...)
{
	unsigned a[6], i;
	va_list ap;
	struct regs r;

	va_start(ap, number);
	for (i = 0; i < 6; i++)
		a[i] = va_arg(ap, unsigned);
	va_end(ap);
	r = raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return r.carry ? -(int)r.eax : (int)r.eax;
}
