// SPDX-License-Identifier: BSD-3-Clause
/** Futexes with an owner: FUTEX_LOCK_PI and its kin, as futex(2) describes them and glibc's mutexes use them. */
import { expect, it } from "vitest";
import { type Call, DATA, type Program, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ESRCH = -3, EAGAIN = -11, EFAULT = -14, EINVAL = -22, EDEADLK = -35, ETIMEDOUT = -110;
const LOCK = 6, UNLOCK = 7, TRYLOCK = 8, LOCK2 = 13;
const WAITERS = 0x8000_0000 | 0, DIED = 0x4000_0000;
const CLONE_THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000;
const W = DATA, T = DATA + 64, STACK = DATA + 0x8000;

async function run(program: Program): Promise<UserBench> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program))).toBe(0);
  return bench;
}
const futex = (op: number, timeout = 0, at = W): Call => sys("futex_time64", at, op, 0, timeout, 0, 0);

it("a free lock is taken, an owned one refused or waited for; unlocking hands it on in order", async () => {
  const bench = await run(function* (u) {
    const order: number[] = [];
    expect(yield futex(LOCK)).toBe(0);
    expect(u.word(W)).toBe(2);
    expect(yield futex(LOCK)).toBe(EDEADLK);
    for (let i = 0; i < 3; i++) {
      u.child(function* (c) {
        expect(yield futex(TRYLOCK)).toBe(EAGAIN);
        expect(yield futex(UNLOCK)).toBe(EPERM);
        expect(yield futex(LOCK)).toBe(0);
        expect(c.word(W) & 0x3fff_ffff).toBe(c.lp.tid);
        order.push(c.lp.tid);
        expect(yield futex(UNLOCK)).toBe(0);
        yield sys("exit", 0);
      });
      expect(yield sys("clone", CLONE_THREAD_FLAGS, STACK + 4096 * i, 0, 0, 0)).toBe(3 + i);
      u.words(T, 0, 1_000_000);
      yield sys("nanosleep", T, 0);
    }
    expect(u.word(W)).toBe(2 | WAITERS);
    expect(yield futex(UNLOCK)).toBe(0);
    u.words(T, 0, 10_000_000);
    yield sys("nanosleep", T, 0);
    expect(order).toEqual([3, 4, 5]);
    expect(u.word(W)).toBe(0);
    expect(yield futex(TRYLOCK)).toBe(0);
  });
  expect(bench.k.piFutexes.queues.size).toBe(0);
});

it("a timeout and a signal end the wait, and leave the lock as it was", async () => {
  await run(function* (u) {
    u.child(function* () {
      expect(yield futex(LOCK)).toBe(0);
      for (;;) yield sys("pause");
    });
    yield sys("clone", CLONE_THREAD_FLAGS, STACK, 0, 0, 0);
    u.words(T, 0, 1_000_000);
    yield sys("nanosleep", T, 0);
    // LOCK_PI's time is the wall clock's, LOCK_PI2's the monotonic one: both lie in the past.
    u.words(T, 1, 0, 0, 0);
    expect(yield futex(LOCK, T)).toBe(ETIMEDOUT);
    u.words(T, 0, 0, 0, 0);
    expect(yield futex(LOCK2, T)).toBe(ETIMEDOUT);
    const handler = u.handler(function* () {
      yield sys("getpid");
    });
    yield u.sigaction(14, handler, 0);
    yield sys("alarm", 1);
    expect(yield futex(LOCK)).toBe(-4);
    expect(u.bench.k.piFutexes.queues.size).toBe(0);
    expect(u.word(W) & 0x3fff_ffff).toBe(3);
    yield sys("exit_group", 0);
  });
});

it("a lock whose owner ends goes to the first waiter and says so; one that nobody waits for has no owner", async () => {
  await run(function* (u) {
    u.child(function* (c) {
      expect(yield futex(LOCK)).toBe(0);
      c.words(T, 0, 10_000_000);
      yield sys("nanosleep", T, 0);
      yield sys("exit", 0);
    });
    yield sys("clone", CLONE_THREAD_FLAGS, STACK, 0, 0, 0);
    u.words(T + 16, 0, 1_000_000);
    yield sys("nanosleep", T + 16, 0);
    expect(yield futex(LOCK)).toBe(0);
    expect(u.word(W)).toBe(2 | DIED);
    expect(yield futex(UNLOCK)).toBe(0);
    u.setWord(W, 777);
    expect(yield futex(LOCK)).toBe(ESRCH);
    u.setWord(W, DIED);
    expect(yield futex(LOCK)).toBe(0);
    expect(u.word(W)).toBe(2 | DIED);
  });
});

it("a waiter whose word can no longer be written hears of it when the owner ends", async () => {
  await run(function* (u) {
    const at = yield sys("mmap2", 0, 4096, 3, 0x22, -1, 0);
    u.child(function* (c) {
      expect(yield futex(LOCK, 0, at)).toBe(0);
      c.words(T, 0, 10_000_000);
      yield sys("nanosleep", T, 0);
      expect(yield sys("mprotect", at, 4096, 1)).toBe(0);
      expect(yield futex(UNLOCK, 0, at)).toBe(EFAULT);
      expect(c.bench.k.piFutexes.queues.size).toBe(1);
      yield sys("exit", 0);
    });
    yield sys("clone", CLONE_THREAD_FLAGS, STACK, 0, 0, 0);
    u.words(T + 16, 0, 1_000_000);
    yield sys("nanosleep", T + 16, 0);
    expect(yield futex(LOCK, 0, at)).toBe(EFAULT);
    expect(u.bench.k.piFutexes.queues.size).toBe(0);
  });
});

it.each([
  ["a wild address", 0x4, EFAULT],
  ["an address that is not aligned", W + 1, EINVAL],
])("%s", async (_what, at, want) => {
  await run(function* () {
    for (const op of [LOCK, TRYLOCK, UNLOCK]) expect(yield futex(op, 0, at)).toBe(want);
  });
});
