// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { DATA, run, sys } from "./user-bench.ts";

const EPERM = -1, EAGAIN = -11, EFAULT = -14, EINVAL = -22, ENOSYS = -38;
const A = DATA;

describe("threads and futexes", () => {
  const THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;
  const CHILD_CLEARTID = 0x20_0000,
    PARENT_SETTID = 0x10_0000;

  it("a thread shares memory and pid; its end clears and wakes its tid word", async () => {
    await run(function* (u) {
      u.child(function* (t) {
        expect(yield sys("getpid")).toBe(2);
        expect(yield sys("gettid")).toBe(3);
        t.setWord(A + 100 * 4, 77);
        yield sys("exit", 0);
      });
      const tid = yield sys("clone", THREAD | CHILD_CLEARTID | PARENT_SETTID, DATA + 0x8000, A, 0, A);
      expect(u.word(A)).toBe(tid);
      const r = yield sys("futex", A, 0, tid, 0);
      expect([0, EAGAIN]).toContain(r);
      expect([u.word(A), u.word(A + 400)]).toEqual([0, 77]);
    });
  });

  it("exit_group ends all threads, sleeping ones too", async () => {
    const { bench, status } = await run(function* (u) {
      for (let i = 0; i < 3; i++) {
        u.child(function* () {
          yield sys("futex", A, 0, 0, 0);
        });
        yield sys("clone", THREAD, DATA + 0x8000, 0, 0, 0);
        yield sys("sched_yield");
      }
      yield sys("exit_group", 3);
    });
    expect(status).toBe(0x300);
    expect(bench.k.lwps.size).toBe(0);
    expect(bench.k.futexes.size).toBe(0);
  });

  it.each([
    ["value differs", [A, 0, 1, 0], EAGAIN],
    ["misaligned", [A + 2, 0, 0, 0], EINVAL],
    ["wild address", [16, 0, 0, 0], EFAULT],
    ["bitset 0", [A, 9, 0, 0, 0, 0], EINVAL],
    ["unknown operation", [A, 77, 0, 0], ENOSYS],
    ["wake nobody", [A, 1, 5, 0], 0],
  ])("futex: %s", async (_what, args, want) => {
    await run(function* () {
      expect(yield sys("futex", ...args)).toBe(want);
    });
  });

  it("FUTEX_WAIT times out; requeue moves sleepers", async () => {
    await run(function* (u) {
      u.words(A + 64, 0, 1000_000);
      expect(yield sys("futex", A, 0, 0, A + 64)).toBe(-110);
      for (let i = 0; i < 3; i++) {
        u.child(function* () {
          expect(yield sys("futex", A, 0, 0, 0)).toBe(0);
          yield sys("exit", 0);
        });
        yield sys("clone", THREAD, DATA + 0x8000, 0, 0, 0);
        yield sys("nanosleep", A + 64, 0);
      }
      expect(yield sys("futex", A, 4, 1, 10, A + 8, 0)).toBe(3);
      expect(yield sys("futex", A, 1, 10, 0)).toBe(0);
      expect(yield sys("futex", A + 8, 1, 10, 0)).toBe(2);
    });
  });

  it("a wild robust list does not keep the tid word from being cleared", async () => {
    await run(function* (u) {
      u.child(function* (t) {
        yield sys("set_tid_address", A);
        t.setWord(A, 77);
        t.words(A + 256, 0x10, 0, 0);
        yield sys("set_robust_list", A + 256, 12);
        yield sys("exit", 0);
      });
      yield sys("clone", THREAD, DATA + 0x8000, 0, 0, 0);
      u.words(A + 64, 0, 1000_000);
      yield sys("nanosleep", A + 64, 0);
      expect(u.word(A)).toBe(0);
    });
  });

  it("a robust mutex of a dying thread is marked and handed on", async () => {
    await run(function* (u) {
      u.child(function* (t) {
        const tid = yield sys("gettid");
        const head = A + 256,
          entry = A + 300,
          OFFSET = 8;
        t.words(head, entry, OFFSET, 0);
        t.words(entry, head);
        t.setWord(entry + OFFSET, tid);
        yield sys("set_robust_list", head, 12);
        yield sys("exit", 0);
      });
      yield sys("clone", THREAD, DATA + 0x8000, 0, 0, 0);
      yield sys("sched_yield");
      u.words(A + 64, 0, 1000_000);
      yield sys("nanosleep", A + 64, 0);
      expect(u.word(A + 308) >>> 0).toBe(0x4000_0000);
    });
  });

  it.each([
    ["sharing handlers without memory", [0x800], EINVAL],
    ["thread without shared handlers", [0x100 | 0x1_0000], EINVAL],
    ["a new user namespace", [0x1000_0000], EPERM],
  ])("clone: %s", async (_what, args, want) => {
    await run(function* () {
      expect(yield sys("clone", ...args)).toBe(want);
    });
  });
});
