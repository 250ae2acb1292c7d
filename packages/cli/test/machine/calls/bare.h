/* SPDX-License-Identifier: BSD-3-Clause */
/* System calls and printing without a C library: the same bytes run on any Linux kernel for i386. */
enum { sys_write = 4 };

static long call6(long nr, long a, long b, long c, long d, long e, long f)
{
	long args[7] = { nr, a, b, c, d, e, f }, r;

	__asm__ volatile(
	    "pushl %%ebp\n\tpushl %%ebx\n\t"
	    "movl %1, %%eax\n\t"
	    "movl 4(%%eax), %%ebx\n\tmovl 8(%%eax), %%ecx\n\tmovl 12(%%eax), %%edx\n\tmovl 16(%%eax), %%esi\n\tmovl 20(%%eax), %%edi\n\t"
	    "movl 24(%%eax), %%ebp\n\tmovl 0(%%eax), %%eax\n\t"
	    "int $0x80\n\t"
	    "popl %%ebx\n\tpopl %%ebp"
	    : "=&a"(r) : "r"(args) : "ecx", "edx", "esi", "edi", "memory", "cc");
	return r;
}
#define call(nr, a, b, c) call6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)

static int length(const char *s)
{
	int n = 0;

	while (s[n] != '\0')
		n++;
	return n;
}
static void text(const char *s)
{
	call(sys_write, 1, s, length(s));
}
static void number(long v)
{
	char digits[12], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	text(p);
}
