// SPDX-License-Identifier: BSD-3-Clause
/** kqueue and kevent through the DragonFly ABI: filters, flags, what ends a note. */
import { describe, expect, it } from "vitest";
import * as ev from "../../src/sys/event.ts";
import { type Call, DATA, dfly, type Program, type User, UserBench } from "./user-bench.ts";

const EPERM = -1, ENOENT = -2, ESRCH = -3, EINTR = -4, EBADF = -9, EFAULT = -14, EINVAL = -22, EOPNOTSUPP = -45, ELOOP = -62;
const SIGUSR1 = 30, SIGALRM = 14;
const { EV_ADD, EV_DELETE, EV_ENABLE, EV_DISABLE, EV_ONESHOT, EV_CLEAR, EV_EOF, EV_ERROR } = ev;
const { EVFILT_READ, EVFILT_WRITE, EVFILT_VNODE, EVFILT_PROC, EVFILT_SIGNAL, EVFILT_TIMER, EVFILT_AIO } = ev;

const CHANGES = DATA, EVENTS = DATA + 0x1000, TIME = DATA + 0x2000, PATHS = DATA + 0x3000, BUF = DATA + 0x4000;
const O_RDWR_CREAT = 0x202;

/** Runs a program and returns what it returned by `out`. */
async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program, undefined, "dragonfly"))).toBe(0);
}

type Change = readonly [ident: number, filter: number, flags: number, fflags?: number, data?: number, udata?: number];

/** kevent with changes, and room for `room` events; `ms` -1 waits for ever. */
function kevent(u: User, kq: number, changes: readonly Change[], room = 0, ms = 0): Call {
  changes.forEach(([ident, filter, flags, fflags = 0, data = 0, udata = 0], i) =>
    u.words(CHANGES + 20 * i, ident, (filter & 0xffff) | (flags << 16), fflags, data, udata),
  );
  u.words(TIME, Math.floor(ms / 1000), (ms % 1000) * 1e6);
  return dfly("kevent", kq, CHANGES, changes.length, EVENTS, room, ms < 0 ? 0 : TIME);
}
/** The n-th event that was fetched. */
function event(u: User, n = 0): { ident: number; filter: number; flags: number; fflags: number; data: number; udata: number } {
  const w = [0, 1, 2, 3, 4].map((i) => u.word(EVENTS + 20 * n + 4 * i));
  return { ident: w[0]!, filter: (w[1]! << 16) >> 16, flags: w[1]! >>> 16, fflags: w[2]!, data: w[3]!, udata: w[4]! };
}
const pipe = function* (u: User): Generator<Call, [number, number], number> {
  const r = yield dfly("pipe");
  return [r, u.lp.tf[9]!];
};
const file = function* (u: User, name: string): Generator<Call, number, number> {
  return yield dfly("open", u.text(PATHS, name), O_RDWR_CREAT, 0o644);
};

describe("readiness of descriptors", () => {
  it("reports the bytes of a pipe, level triggered, and its end", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const [r, w] = yield* pipe(u);
      expect(yield kevent(u, kq, [[r, EVFILT_READ, EV_ADD, 0, 0, 77]], 4)).toBe(0);
      yield dfly("write", w, BUF, 5);
      for (let i = 0; i < 2; i++) {
        expect(yield kevent(u, kq, [], 4)).toBe(1);
        expect(event(u)).toEqual({ ident: r, filter: EVFILT_READ, flags: EV_ADD, fflags: 0, data: 5, udata: 77 });
      }
      yield dfly("read", r, BUF, 10);
      expect(yield kevent(u, kq, [], 4)).toBe(0);
      yield dfly("close", w);
      expect(yield kevent(u, kq, [], 4)).toBe(1);
      expect(event(u)).toMatchObject({ flags: EV_ADD | EV_EOF, data: 0 });
    });
  });

  it("queues may watch queues, but not in a circle, nor too deep", async () => {
    await run(function* (u) {
      const kqs: number[] = [];
      for (let i = 0; i < 7; i++) kqs.push(yield dfly("kqueue"));
      const [a, b] = kqs as [number, number];
      expect(yield kevent(u, a, [[a, EVFILT_READ, EV_ADD]])).toBe(ELOOP);
      expect(yield kevent(u, a, [[b, EVFILT_READ, EV_ADD]])).toBe(0);
      expect(yield kevent(u, b, [[a, EVFILT_READ, EV_ADD]])).toBe(ELOOP);
      yield kevent(u, b, [[1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 1]]);
      expect(yield kevent(u, a, [], 1, 1000)).toBe(1);
      expect(event(u).ident).toBe(b);
      const chain: number[] = [];
      for (let i = 1; i < 6; i++) chain.push(yield kevent(u, kqs[i + 1]!, [[kqs[i]!, EVFILT_READ, EV_ADD]]));
      expect(chain).toEqual([0, 0, 0, 0, ELOOP]);
    });
  });

  it("EV_CLEAR reports once for each arrival", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const [r, w] = yield* pipe(u);
      yield kevent(u, kq, [[r, EVFILT_READ, EV_ADD | EV_CLEAR]]);
      yield dfly("write", w, BUF, 1);
      expect(yield kevent(u, kq, [], 1)).toBe(1);
      expect(yield kevent(u, kq, [], 1)).toBe(0);
      yield dfly("write", w, BUF, 1);
      expect(yield kevent(u, kq, [], 1)).toBe(1);
      expect(event(u).data).toBe(2);
    });
  });

  it("EV_ONESHOT deletes, EV_DISABLE keeps quiet, EV_ENABLE tells what came meanwhile", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const [r, w] = yield* pipe(u);
      yield dfly("write", w, BUF, 1);
      expect(yield kevent(u, kq, [[r, EVFILT_READ, EV_ADD | EV_ONESHOT]], 1)).toBe(1);
      expect(yield kevent(u, kq, [[r, EVFILT_READ, EV_DELETE]])).toBe(ENOENT);
      yield kevent(u, kq, [[r, EVFILT_READ, EV_ADD | EV_DISABLE]]);
      expect(yield kevent(u, kq, [], 1)).toBe(0);
      expect(yield kevent(u, kq, [[r, EVFILT_READ, EV_ENABLE]], 1)).toBe(1);
      expect(yield kevent(u, kq, [[r, EVFILT_READ, EV_DELETE]], 1)).toBe(0);
    });
  });

  it("writing: a pipe has room until it is full", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const [, w] = yield* pipe(u);
      expect(yield kevent(u, kq, [[w, EVFILT_WRITE, EV_ADD]], 1)).toBe(1);
      expect(event(u).data).toBe(65536);
      yield dfly("fcntl", w, 4, 4);
      yield dfly("write", w, DATA, 65536);
      expect(yield kevent(u, kq, [], 1)).toBe(0);
    });
  });

  it("a regular file: what lies behind its position, and more when it grows", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const d = yield* file(u, "/f");
      expect(yield kevent(u, kq, [[d, EVFILT_READ, EV_ADD]], 1)).toBe(0);
      u.child(function* () {
        yield dfly("extpwrite", d, BUF, 7, 0, 0, 0);
      });
      yield dfly("fork");
      expect(yield kevent(u, kq, [], 1, -1)).toBe(1);
      expect(event(u).data).toBe(7);
    });
  });

  it("a note goes with its descriptor, although the file lives on", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const [r, w] = yield* pipe(u);
      const copy = yield dfly("dup", r);
      yield kevent(u, kq, [[r, EVFILT_READ, EV_ADD]]);
      yield dfly("write", w, BUF, 1);
      yield dfly("close", r);
      expect(yield kevent(u, kq, [], 1)).toBe(0);
      expect(yield dfly("dup2", copy, r)).toBe(r);
      expect(yield kevent(u, kq, [], 1)).toBe(0);
    });
  });

  it("a socket: low-water mark, connections that wait, the peer's end", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      yield dfly("socketpair", 1, 1, 0, BUF);
      const [a, b] = [u.word(BUF), u.word(BUF + 4)];
      yield kevent(u, kq, [[a, EVFILT_READ, EV_ADD, ev.NOTE_LOWAT, 4]]);
      yield dfly("write", b, BUF, 3);
      expect(yield kevent(u, kq, [], 1)).toBe(0);
      yield dfly("write", b, BUF, 1);
      expect(yield kevent(u, kq, [], 1)).toBe(1);
      expect(event(u).data).toBe(4);
      yield dfly("close", b);
      expect(yield kevent(u, kq, [], 1)).toBe(1);
      expect(event(u)).toMatchObject({ flags: EV_ADD | EV_EOF, data: 4 });
    });
  });

  it("a queue in a queue, and in poll", async () => {
    await run(function* (u) {
      const outer = yield dfly("kqueue");
      const kq = yield dfly("kqueue");
      const [r, w] = yield* pipe(u);
      yield kevent(u, kq, [[r, EVFILT_READ, EV_ADD]]);
      expect(yield kevent(u, outer, [[kq, EVFILT_READ, EV_ADD]], 1)).toBe(0);
      u.child(function* () {
        yield dfly("write", w, BUF, 1);
      });
      yield dfly("fork");
      expect(yield kevent(u, outer, [], 1, -1)).toBe(1);
      expect(event(u)).toMatchObject({ ident: kq, data: 1 });
      u.words(BUF, kq, 1);
      expect(yield dfly("poll", BUF, 1, -1)).toBe(1);
    });
  });
});

describe("EVFILT_VNODE", () => {
  const { NOTE_DELETE, NOTE_WRITE, NOTE_EXTEND, NOTE_ATTRIB, NOTE_LINK, NOTE_RENAME } = ev;
  const ALL = 0x7f;
  it.each<[string, number, (u: User, d: number) => Call]>([
    ["write", NOTE_WRITE | NOTE_EXTEND, (_u, d) => dfly("write", d, BUF, 3)],
    ["truncate", NOTE_WRITE, (_u, d) => dfly("ftruncate", d, 0, 0, 0)],
    ["growing truncate", NOTE_WRITE | NOTE_EXTEND, (_u, d) => dfly("ftruncate", d, 0, 9, 0)],
    ["chmod", NOTE_ATTRIB, (_u, d) => dfly("fchmod", d, 0o600)],
    ["chown", NOTE_ATTRIB, (_u, d) => dfly("fchown", d, 1, 1)],
    ["utimes", NOTE_ATTRIB, (_u, d) => dfly("futimes", d, 0)],
    ["link", NOTE_LINK, (u) => dfly("link", u.text(PATHS, "/f"), u.text(PATHS + 64, "/g"))],
    ["rename", NOTE_RENAME, (u) => dfly("rename", u.text(PATHS, "/f"), u.text(PATHS + 64, "/g"))],
    ["being replaced", NOTE_DELETE, (u) => dfly("rename", u.text(PATHS, "/other"), u.text(PATHS + 64, "/f"))],
    ["unlink", NOTE_DELETE, (u) => dfly("unlink", u.text(PATHS, "/f"))],
  ])("%s", async (_what, want, act) => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      yield* file(u, "/other");
      const d = yield* file(u, "/f");
      expect(yield kevent(u, kq, [[d, EVFILT_VNODE, EV_ADD | EV_CLEAR, ALL]], 1)).toBe(0);
      expect(yield act(u, d)).toBeGreaterThanOrEqual(0);
      expect(yield kevent(u, kq, [], 1)).toBe(1);
      expect(event(u)).toMatchObject({ ident: d, fflags: want });
      expect(yield kevent(u, kq, [], 1)).toBe(0);
    });
  });

  it.each<[string, number, (u: User) => Call]>([
    ["a new file", NOTE_WRITE, (u) => dfly("mkfifo", u.text(PATHS, "/d/x"), 0o600)],
    ["a new directory", NOTE_WRITE | NOTE_LINK, (u) => dfly("mkdir", u.text(PATHS, "/d/x"), 0o700)],
    ["a file removed", NOTE_WRITE, (u) => dfly("unlink", u.text(PATHS, "/d/old"))],
    ["a file that leaves", NOTE_WRITE, (u) => dfly("rename", u.text(PATHS, "/d/old"), u.text(PATHS + 64, "/old"))],
  ])("a directory: %s", async (_what, want, act) => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      yield dfly("mkdir", u.text(PATHS, "/d"), 0o755);
      yield* file(u, "/d/old");
      const d = yield dfly("open", u.text(PATHS, "/d"), 0, 0);
      yield kevent(u, kq, [[d, EVFILT_VNODE, EV_ADD | EV_CLEAR, ALL]]);
      expect(yield act(u)).toBe(0);
      expect(yield kevent(u, kq, [], 1)).toBe(1);
      expect(event(u).fflags).toBe(want);
    });
  });

  it("tells only what was asked for", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const d = yield* file(u, "/f");
      yield kevent(u, kq, [[d, EVFILT_VNODE, EV_ADD, NOTE_DELETE]]);
      yield dfly("write", d, BUF, 1);
      expect(yield kevent(u, kq, [], 1)).toBe(0);
    });
  });
});

describe("processes, signals, timers", () => {
  it("EVFILT_PROC: a child's exit, with its status, once", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      u.child(function* () {
        yield dfly("exit", 3);
      });
      const pid = yield dfly("fork");
      yield kevent(u, kq, [[pid, EVFILT_PROC, EV_ADD, ev.NOTE_EXIT]]);
      expect(yield kevent(u, kq, [], 1, -1)).toBe(1);
      expect(event(u)).toMatchObject({ ident: pid, fflags: ev.NOTE_EXIT, data: 3 << 8 });
      expect(event(u).flags & (EV_EOF | EV_ONESHOT)).toBe(EV_EOF | EV_ONESHOT);
      expect(yield kevent(u, kq, [[pid, EVFILT_PROC, EV_DELETE]])).toBe(ENOENT);
      // A zombie can still be asked about.
      expect(yield kevent(u, kq, [[pid, EVFILT_PROC, EV_ADD, ev.NOTE_EXIT]], 1)).toBe(1);
      expect(yield kevent(u, kq, [[pid, EVFILT_PROC, EV_ADD, ev.NOTE_FORK]])).toBe(ESRCH);
    });
  });

  it("NOTE_TRACK follows children", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const self = yield dfly("getpid");
      yield kevent(u, kq, [[self, EVFILT_PROC, EV_ADD, ev.NOTE_FORK | ev.NOTE_EXIT | ev.NOTE_TRACK, 0, 9]]);
      u.child(function* () {
        yield dfly("exit", 0);
      });
      const pid = yield dfly("fork");
      yield dfly("wait4", pid, 0, 0, 0);
      expect(yield kevent(u, kq, [], 8)).toBe(2);
      const [fork, child] = [event(u, 0), event(u, 1)].sort((a, b) => a.ident - b.ident) as [ReturnType<typeof event>, ReturnType<typeof event>];
      expect(fork).toMatchObject({ ident: self, fflags: ev.NOTE_FORK });
      expect(child).toMatchObject({ ident: pid, fflags: ev.NOTE_EXIT | ev.NOTE_CHILD, udata: 9 });
    });
  });

  it("EVFILT_SIGNAL counts, ignored signals too", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      yield u.dflySigaction(SIGUSR1, 1);
      yield kevent(u, kq, [[SIGUSR1, EVFILT_SIGNAL, EV_ADD]]);
      const self = yield dfly("getpid");
      yield dfly("kill", self, SIGUSR1);
      yield dfly("kill", self, SIGUSR1);
      expect(yield kevent(u, kq, [], 1)).toBe(1);
      expect(event(u)).toMatchObject({ ident: SIGUSR1, data: 2 });
      expect(yield kevent(u, kq, [], 1)).toBe(0);
    });
  });

  it("EVFILT_TIMER: every so many milliseconds, or once", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      yield kevent(u, kq, [[1, EVFILT_TIMER, EV_ADD, 0, 100], [2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 250]]);
      u.words(BUF, 0, 350_000_000);
      yield dfly("nanosleep", BUF, 0);
      expect(yield kevent(u, kq, [], 4)).toBe(2);
      const byIdent = new Map([event(u, 0), event(u, 1)].map((e) => [e.ident, e.data]));
      expect([byIdent.get(1), byIdent.get(2)]).toEqual([3, 1]);
      expect(yield kevent(u, kq, [], 4, -1)).toBe(1);
      expect(event(u)).toMatchObject({ ident: 1, data: 1 });
      expect(yield kevent(u, kq, [[2, EVFILT_TIMER, EV_DELETE]])).toBe(ENOENT);
    });
  });

  it("the timeout ends it, a signal is EINTR even with SA_RESTART", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      expect(yield kevent(u, kq, [], 1, 20)).toBe(0);
      yield u.dflySigaction(SIGALRM, u.handler(function* () {}), 2);
      u.words(BUF, 0, 0, 0, 1000);
      yield dfly("setitimer", 0, BUF, 0);
      expect(yield kevent(u, kq, [], 1, -1)).toBe(EINTR);
    });
  });
});

describe("errors", () => {
  it.each<[string, Change, number]>([
    ["no such filter", [0, 5, EV_ADD], EINVAL],
    ["beyond the filters", [0, -9, EV_ADD], EINVAL],
    ["a closed descriptor", [99, EVFILT_READ, EV_ADD], EBADF],
    ["a note that is not there", [0, EVFILT_TIMER, EV_DELETE], ENOENT],
    ["no such process", [4000, EVFILT_PROC, EV_ADD, ev.NOTE_EXIT], ESRCH],
    ["asynchronous I/O", [0, EVFILT_AIO, EV_ADD], EPERM],
  ])("%s: returned, or reported where there is room", async (_what, change, want) => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      expect(yield kevent(u, kq, [change])).toBe(want);
      expect(yield kevent(u, kq, [change], 2, -1)).toBe(1);
      expect(event(u)).toMatchObject({ ident: change[0], flags: EV_ERROR, data: -want });
    });
  });

  it("of the call itself", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      const [r] = yield* pipe(u);
      expect(yield dfly("kevent", r, 0, 0, 0, 0, 0)).toBe(EBADF);
      expect(yield dfly("kevent", 99, 0, 0, 0, 0, 0)).toBe(EBADF);
      expect(yield dfly("kevent", kq, 16, 1, 0, 0, 0)).toBe(EFAULT);
      expect(yield dfly("kevent", kq, 0, 0, EVENTS, 1, 16)).toBe(EFAULT);
      u.words(TIME, 0, 1_000_000_000);
      expect(yield dfly("kevent", kq, 0, 0, EVENTS, 1, TIME)).toBe(EINVAL);
      expect(yield kevent(u, kq, [[r, EVFILT_VNODE, EV_ADD, 1]])).toBe(EOPNOTSUPP);
      expect(yield dfly("read", kq, BUF, 1)).toBe(-6);
    });
  });

  it("fork does not copy a queue", async () => {
    await run(function* (u) {
      const kq = yield dfly("kqueue");
      u.child(function* () {
        expect(yield dfly("kevent", kq, 0, 0, 0, 0, 0)).toBe(EBADF);
        expect(yield dfly("kqueue")).toBe(kq);
      });
      const pid = yield dfly("fork");
      expect(yield dfly("wait4", pid, 0, 0, 0)).toBe(pid);
    });
  });
});
