/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs the fuzzer's cases on the processor at hand: reads cases from standard input, writes how each ended.
 *
 *   gcc -m32 -O1 -static -nostdlib -ffreestanding -fno-stack-protector -fno-pic -no-pie -mgeneral-regs-only \
 *       -fcf-protection=none -o fuzz-capture fuzz-capture.c
 *
 * A case is a signal frame that is returned to: the kernel loads every register from it. Whatever ends the case raises a
 * signal, whose frame is the result. Freestanding, so that nothing but the case touches the registers.
 *
 * Case: 8 registers, eflags, eip, 32 words of XMM, FCW, MXCSR, length of the code in bytes, code padded to 4 bytes.
 * Result: state (0 ended, 1 too slow), trap number, error code, cr2, eip, eflags, 8 registers, 288 bytes of FXSAVE image, 6 page hashes.
 */
typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;

static int call5(int n, u32 a, u32 b, u32 c, u32 d, u32 e)
{
	int r;
	__asm__ volatile("int $0x80" : "=a"(r) : "0"(n), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e) : "memory");
	return r;
}
void *memcpy(void *to, const void *from, u32 n)
{
	void *start = to;
	__asm__ volatile("cld; rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
	return start;
}
void *memset(void *to, int value, u32 n)
{
	void *start = to;
	__asm__ volatile("cld; rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory");
	return start;
}
static void fail(u32 status)
{
	for (;;)
		call5(1, status, 0, 0, 0, 0);
}

enum { PAGES = 6, PAGE = 4096, HEAD = 45 };
struct window { u32 at, pages, page, protection; };
static const struct window windows[] = {
	{ 0x10000000, 2, 0, 7 }, { 0x18000000, 2, 0, 7 }, { 0x20000000, 2, 2, 7 },
	{ 0x20003000, 1, 4, 5 }, { 0x30000000, 1, 5, 7 },
};
static u32 image[PAGES * PAGE / 4] __attribute__((aligned(4096)));
/* Another writable mapping of all six pages. The windows are all executable, as without NX, and populated: no fault is lazy. */
static u32 *live;

static u32 map(u32 at, u32 bytes, int protection, int flags, int file, u32 offset)
{
	u32 arguments[6] = { at, bytes, protection, flags, file, offset };
	return call5(90, (u32)arguments, 0, 0, 0, 0);
}

/* A data segment for FS or GS: struct user_desc. */
static u32 segment(u32 base, u32 limit, u32 flags)
{
	u32 description[4] = { -1u, base, limit, flags };
	if (call5(243, (u32)description, 0, 0, 0, 0) != 0)	/* set_thread_area */
		fail(10);
	return description[0] * 8 + 3;
}
static u32 fs, gs;

static void build(void)
{
	u32 x = 0x1234567, i;
	int file = call5(356, (u32)"fuzz", 0, 0, 0, 0);	/* memfd_create */
	if (file < 0 || call5(93, file, PAGES * PAGE, 0, 0, 0) != 0)
		fail(3);
	memset(image, 0xcc, 2 * PAGE);
	for (i = 2 * PAGE / 4; i < PAGES * PAGE / 4; i++) {
		x = x * 0x0019660du + 0x3c6ef35fu;
		image[i] = x;
	}
	live = (u32 *)map(0, PAGES * PAGE, 3, 1, file, 0);
	if ((u32)live > 0xfffff000u)
		fail(4);
	fs = segment(0x20000000, 0xfffff, 0x51);	/* 32 bits, limit in pages, usable */
	gs = segment(0x20000800, 0xfff, 0x41);
	for (i = 0; i < sizeof windows / sizeof *windows; i++) {
		const struct window *w = &windows[i];
		if (map(w->at, w->pages * PAGE, w->protection, 0x8011, file, w->page * PAGE) != w->at)
			fail(5);
	}
}

struct context {
	u32 gs, fs, es, ds, edi, esi, ebp, esp, ebx, edx, ecx, eax, trapno, err, eip, cs, eflags, sp2, ss, fpstate, oldmask, cr2;
};
struct frame { u32 flags, link, stack[3]; struct context c; };

static u8 input[1 << 20] __attribute__((aligned(16)));
static u32 have, used;
static struct context home;
static int started;

static u8 *take(u32 n)
{
	u8 *at;
	if (have - used < n) {
		memcpy(input, input + used, have - used);
		have -= used;
		used = 0;
		while (have < n) {
			int got = call5(3, 0, (u32)input + have, sizeof input - have, 0, 0);
			if (got <= 0)
				return 0;
			have += got;
		}
	}
	at = input + used;
	used += n;
	return at;
}
static void give(const void *from, u32 n)
{
	u32 done = 0;
	while (done < n) {
		int put = call5(4, 1, (u32)from + done, n - done, 0, 0);
		if (put <= 0)
			fail(6);
		done += put;
	}
}
/* Time of this process in user mode, so a busy machine does no harm. */
static void alarm_in(u32 microseconds)
{
	u32 value[4] = { 0, 0, 0, microseconds };
	call5(104, 1, (u32)value, 0, 0, 0);
}

static u32 result[14 + 72 + PAGES];

static void report(int signal, struct context *c)
{
	u32 i, k;
	u32 *r = result;
	*r++ = signal == 26;
	*r++ = c->trapno;
	*r++ = c->err;
	*r++ = c->cr2;
	*r++ = c->eip;
	*r++ = c->eflags;
	*r++ = c->eax; *r++ = c->ecx; *r++ = c->edx; *r++ = c->ebx;
	*r++ = c->esp; *r++ = c->ebp; *r++ = c->esi; *r++ = c->edi;
	memcpy(r, (u8 *)c->fpstate + 112, 288);
	r += 72;
	for (i = 0; i < PAGES; i++) {
		u32 h = 0x811c9dc5u;
		for (k = 0; k < PAGE / 4; k++) {
			h = (h ^ live[i * PAGE / 4 + k]) * 0x01000193u;
			h ^= h >> 15;
		}
		*r++ = h;
	}
	give(result, sizeof result);
}

static void load(struct context *c)
{
	u8 *fp = (u8 *)c->fpstate;
	u32 *head = (u32 *)take(HEAD * 4);
	u32 saved[HEAD], i;
	u8 *code;
	if (head == 0)
		fail(0);
	memcpy(saved, head, sizeof saved);
	code = take((saved[HEAD - 1] + 3) & ~3u);
	if (code == 0)
		fail(7);
	memcpy(live, image, sizeof image);
	memcpy((u8 *)live + (saved[9] & 0xffff), code, saved[HEAD - 1]);
	c->eax = saved[0]; c->ecx = saved[1]; c->edx = saved[2]; c->ebx = saved[3];
	c->esp = saved[4]; c->ebp = saved[5]; c->esi = saved[6]; c->edi = saved[7];
	c->eflags = saved[8];
	c->eip = saved[9];
	c->cs = home.cs; c->ds = home.ds; c->es = home.es; c->ss = home.ss;
	c->fs = fs; c->gs = gs;
	/* Legacy part: environment of FNSAVE and eight registers; then the FXSAVE image. */
	memset(fp, 0, 112 + 288);
	((u32 *)fp)[0] = 0xffff0000 | saved[42];
	((u32 *)fp)[1] = 0xffff0000;
	((u32 *)fp)[2] = 0xffffffff;
	*(u16 *)(fp + 112) = saved[42];
	*(u32 *)(fp + 112 + 24) = saved[43];
	for (i = 0; i < 32; i++)
		((u32 *)(fp + 112 + 160))[i] = saved[10 + i];
	if (*(u32 *)(fp + 112 + 464) == 0x46505853u)	/* an XSAVE image follows: x87 and SSE are in it */
		*(u32 *)(fp + 112 + 512) |= 3;
	alarm_in(40000);
}

__attribute__((used)) void ended(int signal, void *info, struct frame *f)
{
	(void)info;
	if (started) {
		alarm_in(0);
		report(signal, &f->c);
	} else {
		home = f->c;
		started = 1;
	}
	load(&f->c);
}
/* What a signal's return leaves as it is, NT and ID, would be the next case's: POPF clears it, and DF. */
__asm__("entry:\n push $2\n popf\n jmp ended\nback:\n mov $173, %eax\n int $0x80\n");
extern void entry(void), back(void);

static u8 signal_stack[65536] __attribute__((aligned(64)));

__attribute__((used)) void start(void)
{
	static const int signals[] = { 4, 5, 7, 8, 11, 26 };
	u32 stack[3] = { (u32)signal_stack, 0, sizeof signal_stack };
	u32 action[5] = { (u32)entry, 0x0c000004, (u32)back, ~0u, ~0u };
	u32 i;
	build();
	call5(186, (u32)stack, 0, 0, 0, 0);
	for (i = 0; i < sizeof signals / sizeof *signals; i++)
		if (call5(174, signals[i], (u32)action, 0, 8, 0) != 0)
			fail(8);
	__asm__ volatile("int3");
	fail(9);
}
__asm__(".globl _start\n_start:\n and $-64, %esp\n call start\n");
