// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { DATA, run, sys } from "./user-bench.ts";

const EBADF = -9, EAGAIN = -11, EFAULT = -14, EINVAL = -22, EPIPE = -32;
const SIGPIPE = 13;
const A = DATA;

describe("pipes", () => {
  it("P3: end of file after the last writer, EPIPE and SIGPIPE after the last reader", async () => {
    const { status } = await run(function* (u) {
      yield sys("pipe2", A, 0o4000);
      const [r, w] = [u.word(A), u.word(A + 4)];
      expect(yield sys("read", r, A + 64, 4)).toBe(EAGAIN);
      u.text(A + 128, "data");
      expect(yield sys("write", w, A + 128, 4)).toBe(4);
      expect(yield sys("read", r, A + 64, 100)).toBe(4);
      expect(u.read(A + 64, 4)).toBe("data");
      yield sys("close", w);
      expect(yield sys("read", r, A + 64, 4)).toBe(0);
      yield sys("pipe2", A, 0);
      yield sys("close", u.word(A));
      yield u.sigaction(SIGPIPE, 1);
      expect(yield sys("write", u.word(A + 4), A, 1)).toBe(EPIPE);
      yield u.sigaction(SIGPIPE, 0);
      yield sys("write", u.word(A + 4), A, 1);
    });
    expect(status).toBe(SIGPIPE);
  });

  it("P2: a small write is never torn; a full pipe takes what fits of a large one", async () => {
    await run(function* (u) {
      yield sys("pipe2", A, 0o4000);
      const [r, w] = [u.word(A), u.word(A + 4)];
      expect(yield sys("write", w, A + 4096, 65536 - 100)).toBe(65536 - 100);
      expect(yield sys("write", w, A + 4096, 101)).toBe(EAGAIN);
      expect(yield sys("write", w, A + 4096, 100)).toBe(100);
      expect(yield sys("write", w, A + 4096, 1)).toBe(EAGAIN);
      expect(yield sys("read", r, A + 4096, 10000)).toBe(10000);
      expect(yield sys("write", w, A + 4096, 100000)).toBe(10000);
    });
  });

  it("a blocked writer goes on as the reader reads", async () => {
    await run(function* (u) {
      yield sys("pipe", A);
      const [r, w] = [u.word(A), u.word(A + 4)];
      u.child(function* () {
        expect(yield sys("write", w, A + 4096, 200_000)).toBe(200_000);
      });
      yield sys("fork");
      yield sys("close", w);
      let total = 0;
      for (;;) {
        const n = yield sys("read", r, A + 4096, 7001);
        if (n === 0) break;
        total += n;
      }
      expect(total).toBe(200_000);
    });
  });

  it("pipe at a wild address leaves no descriptor open", async () => {
    await run(function* (u) {
      expect(yield sys("pipe", 16)).toBe(EFAULT);
      expect(u.proc.fd!.files.every((f) => f === null)).toBe(true);
      expect(yield sys("read", 0, A, 1)).toBe(EBADF);
    });
  });
});

describe("poll and select", () => {
  it("poll reports readiness, hangup and bad descriptors", async () => {
    await run(function* (u) {
      yield sys("pipe", A);
      const [r, w] = [u.word(A), u.word(A + 4)];
      u.words(A + 64, r, 1, w, 4, 99, 1);
      expect(yield sys("poll", A + 64, 3, -1)).toBe(2);
      expect([u.word(A + 68) >>> 16, u.word(A + 76) >>> 16, u.word(A + 84) >>> 16]).toEqual([0, 4, 0x20]);
      yield sys("close", w);
      expect(yield sys("poll", A + 64, 1, -1)).toBe(1);
      expect(u.word(A + 68) >>> 16).toBe(0x10);
    });
  });

  it("select waits for data and times out", async () => {
    await run(function* (u) {
      yield sys("pipe", A);
      const [r, w] = [u.word(A), u.word(A + 4)];
      u.words(A + 64, 1 << r);
      u.words(A + 96, 0, 1000);
      expect(yield sys("_newselect", r + 1, A + 64, 0, 0, A + 96)).toBe(0);
      expect(u.word(A + 64)).toBe(0);
      u.child(function* () {
        yield sys("write", w, A, 1);
      });
      yield sys("fork");
      u.words(A + 64, 1 << r);
      expect(yield sys("_newselect", r + 1, A + 64, 0, 0, 0)).toBe(1);
      expect(u.word(A + 64)).toBe(1 << r);
      expect(yield sys("_newselect", -1, 0, 0, 0, 0)).toBe(EINVAL);
      u.words(A + 64, 1 << 30);
      expect(yield sys("_newselect", 31, A + 64, 0, 0, 0)).toBe(EBADF);
    });
  });

  it("epoll: level, edge and one-shot", async () => {
    await run(function* (u) {
      yield sys("pipe", A);
      const [r, w] = [u.word(A), u.word(A + 4)];
      const ep = yield sys("epoll_create1", 0);
      const ET = -0x8000_0000,
        ONESHOT = 0x4000_0000;
      const wait = (): ReturnType<typeof sys> => sys("epoll_wait", ep, A + 128, 4, 0);
      u.words(A + 64, 1, 42, 43);
      expect(yield sys("epoll_ctl", ep, 1, r, A + 64)).toBe(0);
      expect(yield sys("epoll_ctl", ep, 1, r, A + 64)).toBe(-17);
      expect(yield wait()).toBe(0);
      yield sys("write", w, A, 1);
      expect(yield wait()).toBe(1);
      expect([u.word(A + 128), u.word(A + 132), u.word(A + 136)]).toEqual([1, 42, 43]);
      expect(yield wait()).toBe(1);
      u.words(A + 64, 1 | ET, 1, 0);
      yield sys("epoll_ctl", ep, 3, r, A + 64);
      expect(yield wait()).toBe(1);
      expect(yield wait()).toBe(0);
      yield sys("write", w, A, 1);
      expect(yield wait()).toBe(1);
      u.words(A + 64, 1 | ONESHOT, 1, 0);
      yield sys("epoll_ctl", ep, 3, r, A + 64);
      expect(yield wait()).toBe(1);
      expect(yield wait()).toBe(0);
      expect(yield sys("epoll_ctl", ep, 2, r, 0)).toBe(0);
      expect(yield sys("epoll_ctl", ep, 2, r, 0)).toBe(-2);
      expect(yield sys("epoll_ctl", ep, 1, ep, A + 64)).toBe(EINVAL);
    });
  });

  it("eventfd and timerfd", async () => {
    await run(function* (u) {
      const e = yield sys("eventfd2", 3, 0o4000);
      expect(yield sys("read", e, A, 8)).toBe(8);
      expect([u.word(A), u.word(A + 4)]).toEqual([3, 0]);
      expect(yield sys("read", e, A, 8)).toBe(EAGAIN);
      expect(yield sys("read", e, A, 4)).toBe(EINVAL);
      const t = yield sys("timerfd_create", 1, 0);
      u.words(A + 32, 0, 1000_000, 0, 1000_000);
      yield sys("timerfd_settime", t, 0, A + 32, 0);
      expect(yield sys("read", t, A, 8)).toBe(8);
      expect(u.word(A)).toBeGreaterThanOrEqual(1);
    });
  });

  it("a timer of a microsecond counts its periods without firing for each", async () => {
    await run(function* (u) {
      const t = yield sys("timerfd_create", 1, 0);
      u.words(A + 32, 0, 1000, 0, 1000);
      yield sys("timerfd_settime", t, 0, A + 32, 0);
      u.words(A + 64, 0, 500_000_000);
      yield sys("nanosleep", A + 64, 0);
      expect(yield sys("read", t, A, 8)).toBe(8);
      expect(u.word(A)).toBeGreaterThanOrEqual(499_999);
      expect(yield sys("timerfd_gettime", t, A + 32)).toBe(0);
      expect([u.word(A + 32), u.word(A + 36), u.word(A + 40)]).toEqual([0, 1000, 0]);
      expect(u.word(A + 44)).toBeGreaterThan(0);
      expect(u.word(A + 44)).toBeLessThanOrEqual(1000);
    });
  });
});
