// SPDX-License-Identifier: BSD-3-Clause
/** Core files while they are written: others run, SIGKILL ends them, a full disk is no core; their names. What is in them: native.test.ts. */
import { expect, it } from "vitest";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const A = DATA, STATUS = DATA + 0x800;
const PAGE = 4096, O_RDONLY = 0, RLIMIT_CORE = 4, SIGQUIT = 3, SIGKILL = 9, WCORE = 0x80, ENOENT = -2;

/** A child with `bytes` of memory of its own, which ends by SIGQUIT; returns its pid. */
function* crash(u: User, bytes: number): Generator<Call, number, number> {
  u.child(function* (c) {
    c.words(A, -1, -1);
    expect(yield sys("setrlimit", RLIMIT_CORE, A)).toBe(0);
    const at = (yield sys("mmap2", 0, bytes, 3, 0x22, -1, 0)) >>> 0;
    for (let i = 0; i < bytes; i += PAGE) c.setWord(at + i, 0x1000_0000 + i);
    yield sys("kill", yield sys("getpid"), SIGQUIT);
  });
  return yield sys("fork");
}
function* wait(u: User, pid: number): Generator<Call, number, number> {
  expect(yield sys("wait4", pid, STATUS, 0, 0)).toBe(pid);
  return u.word(STATUS);
}
/** Bytes of a file, or what opening it fails with. */
function* sizeOf(u: User, name: string): Generator<Call, number, number> {
  const fd = yield sys("open", u.text(A, name), O_RDONLY, 0);
  if (fd < 0) return fd;
  const size = yield sys("lseek", fd, 0, 2);
  yield sys("close", fd);
  return size;
}
async function run(program: Program): Promise<UserBench> {
  const bench = new UserBench();
  await bench.run(bench.start(program));
  return bench;
}

it("is complete, and shown in the wait status", async () => {
  const bytes = 1 << 20;
  await run(function* (u) {
    expect(yield* wait(u, yield* crash(u, bytes))).toBe(SIGQUIT | WCORE);
    expect(yield* sizeOf(u, "core")).toBeGreaterThan(bytes);
    const fd = yield sys("open", u.text(A, "core"), O_RDONLY, 0);
    const found = new Set<number>();
    while ((yield sys("read", fd, A, PAGE)) === PAGE) if (u.word(A) >>> 28 === 1) found.add(u.word(A));
    expect(found.size).toBe(bytes / PAGE);
  });
});

it("that has no room on the disk is none", async () => {
  const bench = await run(function* (u) {
    expect(yield* wait(u, yield* crash(u, 6 << 20))).toBe(SIGQUIT);
  });
  expect(bench.log.filter((line) => line.includes("no core file: No space left on device"))).toHaveLength(1);
});

it("is ended by SIGKILL, while others run", async () => {
  const bytes = 3 << 20;
  await run(function* (u) {
    const pid = yield* crash(u, bytes);
    let turns = 0;
    while ((yield* sizeOf(u, "core")) < 256 * 1024) {
      expect(turns++).toBeLessThan(1000);
      yield sys("sched_yield");
    }
    expect(yield sys("kill", pid, SIGKILL)).toBe(0);
    expect(yield* wait(u, pid)).toBe(SIGQUIT);
    expect(yield* sizeOf(u, "core")).toBeLessThan(bytes);
  });
});

it("is named by core_pattern, and not written for a program that should read it", async () => {
  const bench = await run(function* (u) {
    const { core } = u.proc.k;
    core.pattern = "/c-%p-%s-%u-%%-%x%e";
    yield sys("prctl", 15, u.text(A, "a/b"));
    let pid = yield* crash(u, PAGE);
    expect(yield* wait(u, pid)).toBe(SIGQUIT | WCORE);
    expect(yield* sizeOf(u, `/c-${pid}-${SIGQUIT}-0-%-a!b`)).toBeGreaterThan(PAGE);
    core.pattern = "named";
    core.usesPid = true;
    pid = yield* crash(u, PAGE);
    expect(yield* wait(u, pid)).toBe(SIGQUIT | WCORE);
    expect(yield* sizeOf(u, `named.${pid}`)).toBeGreaterThan(PAGE);
    core.pattern = "|/bin/reader %p";
    expect(yield* wait(u, yield* crash(u, PAGE))).toBe(SIGQUIT);
    core.pattern = "/no/such/folder/core";
    expect(yield* wait(u, yield* crash(u, PAGE))).toBe(SIGQUIT);
    expect(yield* sizeOf(u, "core")).toBe(ENOENT);
  });
  expect(bench.log.some((line) => line.includes("core_pattern names a program (|/bin/reader %p)"))).toBe(true);
});
