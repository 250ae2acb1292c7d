/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the ABI test share. */
#pragma once

/* Prints one line: "ok" or "FAILED", and what was looked at. */
void check(int ok, const char *what);
/* How many lines said FAILED. */
extern int failures;

struct regs { unsigned eax, ebx, ecx, edx, esi, edi, carry; };

/* Makes the call with known values in all registers; arguments stand on the stack as for a C call. */
struct regs raw(unsigned number, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned f);
/* The same; the result, or an error as a negative number. */
int call(unsigned number, ...);

void kernel_queues(void);
void mounts(void);
void sockets(void);
void sysctls(void);
void terminals(void);
void thread_calls(void);
void tracing(void);
void variant_links(void);
