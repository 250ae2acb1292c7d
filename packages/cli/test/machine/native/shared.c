// SPDX-License-Identifier: BSD-3-Clause
// Shared memory, more than the machine has: what processes write is what others read, wherever it was meanwhile.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define MAPPED (40 << 20)
#define SEGMENT (30 << 20)

static int wrong(volatile unsigned *words, unsigned bytes, unsigned salt)
{
	int n = 0;
	for (unsigned i = 0; i < bytes / 4; i += PAGE / 4)
		n += words[i] != (i ^ salt);
	return n;
}

static void fill(volatile unsigned *words, unsigned bytes, unsigned salt)
{
	for (unsigned i = 0; i < bytes / 4; i += PAGE / 4)
		words[i] = i ^ salt;
}

static unsigned swap_kb(unsigned long at)
{
	char line[256];
	unsigned long start;
	unsigned kb = 0;
	int here = 0;
	FILE *f = fopen("/proc/self/smaps", "r");
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-", &start) == 1 && line[8] == '-')
			here = start == at;
		if (here && sscanf(line, "Swap: %u kB", &kb) == 1)
			break;
	}
	if (f)
		fclose(f);
	return kb;
}

int main(int argc, char **argv)
{
	unsigned *map = mmap(0, MAPPED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int id = shmget(IPC_PRIVATE, SEGMENT, 0600);
	unsigned *segment = shmat(id, 0, 0);
	shmctl(id, IPC_RMID, 0);
	fill(map, MAPPED, 1);
	fill(segment, SEGMENT, 2);
	printf("parent: %d %d wrong\n", wrong(map, MAPPED, 1), wrong(segment, SEGMENT, 2));
	fflush(stdout);
	for (unsigned round = 0; round < 3; round++) {
		if (fork() == 0) {
			printf("child %u: %d %d wrong\n", round, wrong(map, MAPPED, 1 + 10 * round), wrong(segment, SEGMENT, 2 + 10 * round));
			fill(segment, SEGMENT, 12 + 10 * round);
			fill(map, MAPPED, 11 + 10 * round);
			fflush(stdout);
			_exit(0);
		}
		wait(0);
		printf("parent: %d %d wrong\n", wrong(map, MAPPED, 11 + 10 * round), wrong(segment, SEGMENT, 12 + 10 * round));
		fflush(stdout);
	}
	unsigned *moved = mremap(map, MAPPED, MAPPED, MREMAP_MAYMOVE | MREMAP_FIXED, (char *)segment - MAPPED - (64 << 20));
	printf("moved: %d wrong\n", moved == MAP_FAILED ? -1 : wrong(moved, MAPPED, 31));
	if (argc > 1)
		printf("some of it is in swap space: %s\n", swap_kb((unsigned long)moved) + swap_kb((unsigned long)segment) > 4096 ? "yes" : "no");
	return 0;
}
