// SPDX-License-Identifier: BSD-3-Clause
/** Mappings below vm.mmap_min_addr (Linux mm/mmap.c, security_mmap_addr). */
import { expect, it } from "vitest";
import { run, sys } from "./user-bench.ts";

const EPERM = -1;
const ANON = 0x22, FIXED = 0x10, NOREPLACE = 0x10_0000;

it("only the superuser maps below 64 KiB, and only where it says so", async () => {
  const { status } = await run(function* (u) {
    expect(yield sys("mmap2", 0x1000, 4096, 3, ANON | FIXED, -1, 0)).toBe(0x1000);
    u.setWord(0x1000, 7);
    expect(u.word(0x1000)).toBe(7);
    expect((yield sys("mmap2", 0x2000, 4096, 3, ANON, -1, 0)) >>> 0).toBeGreaterThanOrEqual(0x1_0000);
    yield sys("setresuid32", 5, 5, 5);
    expect(yield sys("mmap2", 0x3000, 4096, 3, ANON | FIXED, -1, 0)).toBe(EPERM);
    expect(yield sys("mmap2", 0x3000, 4096, 3, ANON | NOREPLACE, -1, 0)).toBe(EPERM);
    expect(yield sys("mmap2", 0x1_0000, 4096, 3, ANON | FIXED, -1, 0)).toBe(0x1_0000);
  });
  expect(status).toBe(0);
});
