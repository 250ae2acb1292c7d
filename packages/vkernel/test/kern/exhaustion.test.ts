// SPDX-License-Identifier: BSD-3-Clause
/** Bombs: what a process meets at the end of each resource, and that others, above all the superuser, go on. */
import { expect, it } from "vitest";
import { SZOMB } from "../../src/kern/proc.ts";
import { RLIMIT_NPROC } from "../../src/kern/resource.ts";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EAGAIN = -11, ENOMEM = -12, EMFILE = -24, ENOSPC = -28;
const P = DATA, A = DATA + 0x1000;

async function run(program: Program, ramBytes?: number): Promise<UserBench> {
  const bench = new UserBench(ramBytes);
  expect(await bench.run(bench.start(program))).toBe(0);
  return bench;
}
/** Children that only wait; the first error of fork and how many there were before it. */
function* forkUntilRefused(u: User, most: number): Generator<Call, { made: number; error: number }, number> {
  const waiting: Program = function* () {
    for (;;) yield sys("pause");
  };
  for (let made = 0; made < most; made++) {
    u.child(waiting);
    const pid = yield sys("fork");
    if (pid < 0) return { made, error: pid };
    u.words(A, 0, 1000);
    yield sys("nanosleep", A, 0);
  }
  return { made: most, error: 0 };
}

it("F1: a fork bomb of a user ends in EAGAIN at his limit; the superuser forks on and kills it", async () => {
  const bench = await run(function* (u) {
    u.child(function* (c) {
      yield sys("setresuid32", 99, 99, 99);
      c.proc.setLimit(RLIMIT_NPROC, 40, 40);
      const { made, error } = yield* forkUntilRefused(c, 100);
      expect([made, error]).toEqual([39, EAGAIN]);
      for (;;) yield sys("pause");
    });
    const bomb = yield sys("fork");
    u.words(A, 0, 50_000_000);
    yield sys("nanosleep", A, 0);
    u.child(function* () {
      yield sys("exit_group", 7);
    });
    const pid = yield sys("fork");
    expect(pid).toBeGreaterThan(0);
    expect(yield sys("wait4", pid, A, 0, 0)).toBe(pid);
    expect(u.word(A)).toBe(7 << 8);
    expect(yield sys("kill", -1, 9)).toBe(0);
    expect(yield sys("wait4", bomb, A, 0, 0)).toBe(bomb);
    u.words(A, 0, 1_000_000);
    yield sys("nanosleep", A, 0);
  });
  // What is left has ended, and waits for the first process of a machine that is going down.
  expect([...bench.k.procs.values()].filter((p) => p.stat !== SZOMB).length).toBeLessThan(2);
});

it("F1: a full process table keeps some places for the superuser, and memory comes back", async () => {
  const bench = new UserBench(64 << 20);
  Object.assign(bench.k, { maxproc: 60 });
  let free = 0;
  const status = await bench.run(
    bench.start(function* (u) {
      free = bench.k.vm.freePages();
      u.child(function* (c) {
        yield sys("setresuid32", 99, 99, 99);
        const { error } = yield* forkUntilRefused(c, 100);
        expect(error).toBe(EAGAIN);
        for (;;) yield sys("pause");
      });
      const bomb = yield sys("fork");
      u.words(A, 0, 50_000_000);
      yield sys("nanosleep", A, 0);
      u.child(function* () {
        yield sys("getpid");
      });
      const pid = yield sys("fork");
      expect(pid).toBeGreaterThan(0);
      yield sys("wait4", pid, 0, 0, 0);
      yield sys("kill", -1, 9);
      yield sys("wait4", bomb, 0, 0, 0);
      u.words(A, 0, 1_000_000);
      yield sys("nanosleep", A, 0);
    }),
  );
  expect(status).toBe(0);
  expect(bench.k.vm.freePages()).toBeGreaterThanOrEqual(free);
  expect(bench.log.filter((line) => line.includes("process table is full")).length).toBeLessThan(5);
});

it("F5: descriptors end in EMFILE, for each kind of them, and nothing is left of the attempt", async () => {
  await run(function* (u) {
    u.words(A, 64, 64);
    expect(yield sys("setrlimit", 7, A)).toBe(0);
    let opened = 0;
    for (; ; opened++) {
      const fd = yield sys("open", u.text(P, "/"), 0);
      if (fd === EMFILE) break;
      expect(fd).toBe(opened);
    }
    expect(opened).toBe(64);
    u.text(P, "x");
    for (const call of [
      sys("pipe", A), sys("dup", 0), sys("socket", 1, 1, 0), sys("eventfd2", 0, 0), sys("epoll_create1", 0), sys("inotify_init"),
      sys("memfd_create", P, 0), sys("mq_open", P, 0o102, 0o600, 0), sys("socketpair", 1, 1, 0, A), sys("timerfd_create", 1, 0),
    ]) {
      expect(yield call).toBe(EMFILE);
    }
    // One place is too few for two.
    yield sys("close", 63);
    expect(yield sys("pipe", A)).toBe(EMFILE);
    expect(yield sys("dup", 0)).toBe(63);
    expect(u.bench.k.mqueues.queues.size).toBe(0);
  });
});

it("F4: a million mappings end in ENOMEM, and the address space is usable afterwards", async () => {
  await run(function* () {
    let error = 0;
    for (let at = 0x2000_0000; error === 0; at += 8192) {
      const r = yield sys("mmap2", at, 4096, 1 + ((at >>> 13) & 1), 0x32, -1, 0);
      if (r === ENOMEM) error = r;
      else expect(r >>> 0).toBe(at);
    }
    expect(error).toBe(ENOMEM);
    expect(yield sys("munmap", 0x2000_0000, 0x1000_0000)).toBe(0);
    expect((yield sys("mmap2", 0x2000_0000, 4096, 3, 0x32, -1, 0)) >>> 0).toBe(0x2000_0000);
  });
});

it("F3: a system call that needs memory when there is none fails, and the machine goes on", async () => {
  const bench = await run(function* (u) {
    const at = yield sys("mmap2", 0, 64 << 20, 3, 0x22, -1, 0);
    let touched = 0;
    try {
      for (; touched < 64 << 20; touched += 4096) u.setWord(at + touched, 1);
    } catch (e) {
      expect(String(e)).toContain("ENOMEM");
    }
    expect(touched).toBeLessThan(16 << 20);
    expect(yield sys("fork")).toBe(ENOMEM);
    expect(yield sys("munmap", at, 64 << 20)).toBe(0);
    u.child(function* () {
      yield sys("getpid");
    });
    const pid = yield sys("fork");
    expect(yield sys("wait4", pid, 0, 0, 0)).toBe(pid);
  }, 16 << 20);
  expect(bench.k.procs.size).toBe(1);
});

it("F7: a full file system is ENOSPC, a partly written file keeps what fits, removing makes room", async () => {
  await run(function* (u) {
    const fd = yield sys("open", u.text(P, "/fill"), 0o102, 0o644);
    let total = 0;
    let n = 0;
    do {
      n = yield sys("write", fd, DATA, 65_536);
      if (n > 0) total += n;
    } while (n > 0);
    expect(n).toBe(ENOSPC);
    expect(total).toBeGreaterThan(3 << 20);
    expect(yield sys("lseek", fd, 0, 2)).toBe(total);
    expect(yield sys("ftruncate", fd, 0)).toBe(0);
    expect(yield sys("write", fd, DATA, 65_536)).toBe(65_536);
  });
});
