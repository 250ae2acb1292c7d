// SPDX-License-Identifier: BSD-3-Clause
/**
 * epoll: what is reported when, for descriptors that are closed, duplicated, changed and nested, and how many files are asked
 * for that. What Linux does is compared in packages/cli/test/machine/calls.
 */
import { describe, expect, it } from "vitest";
import type { File } from "../../src/kern/file.ts";
import { type Call, DATA, run, sys, type User } from "./user-bench.ts";

const A = DATA;
const EV = A + 64;
const OUT = A + 128;
const ADD = 1, DEL = 2, MOD = 3;
const IN = 1, OUT_EV = 4, HUP = 0x10, ET = -0x8000_0000, ONESHOT = 0x4000_0000, EXCLUSIVE = 0x1000_0000;
const EINTR = -4, EFAULT = -14, EINVAL = -22;

const ctl = (u: User, ep: number, op: number, fd: number, events: number): Call => {
  u.words(EV, events, fd, 0);
  return sys("epoll_ctl", ep, op, fd, EV);
};
const wait = (ep: number, max = 8, ms = 0): Call => sys("epoll_wait", ep, OUT, max, ms);
/** What the last wait reported, as descriptor and events. */
const reported = (u: User, n: number): [number, number][] =>
  Array.from({ length: n }, (_, i) => [u.word(OUT + 12 * i + 4), u.word(OUT + 12 * i)]);
function* pipe(u: User): Generator<Call, [number, number], number> {
  yield sys("pipe2", A, 0o4000);
  return [u.word(A), u.word(A + 4)];
}
const put = (fd: number): Call => sys("write", fd, A, 1);
const get = (fd: number): Call => sys("read", fd, A + 32, 1);

/** Counts how often the files of a process are asked. */
function counted(u: User): { polls: number } {
  const count = { polls: 0 };
  for (const fp of u.proc.fd!.files) {
    if (fp === null || fp.type === "epoll") continue;
    const poll = fp.poll.bind(fp);
    (fp as File).poll = (events) => {
      count.polls++;
      return poll(events);
    };
  }
  return count;
}

it("waiting asks the files that have been woken, however many others are watched", async () => {
  const N = 10_000;
  await run(function* (u) {
    const ep = yield sys("epoll_create1", 0);
    u.proc.setLimit(8, N + 100, N + 100);
    const fds: number[] = [];
    for (let i = 0; i < N; i++) {
      const fd = yield sys("eventfd2", 0, 0o4000);
      expect(fd).toBeGreaterThan(0);
      fds.push(fd);
      expect(yield ctl(u, ep, ADD, fd, i % 2 === 0 ? IN : IN | ET)).toBe(0);
    }
    const count = counted(u);
    expect(yield wait(ep)).toBe(0);
    expect(count.polls).toBe(0);
    u.words(A, 1, 0);
    for (let round = 0; round < 100; round++) {
      const fd = fds[(round * 7919) % N]!;
      yield sys("write", fd, A, 8);
      expect(reported(u, yield wait(ep))).toEqual([[fd, IN]]);
      yield sys("read", fd, A + 32, 8);
      expect(yield wait(ep)).toBe(0);
      u.words(A, 1, 0);
    }
    // Each is asked when it is reported, and the level-triggered ones once more to see that they are done.
    expect(count.polls).toBe(150);
  });
});

describe("entries", () => {
  it("come back as long as there is something, or with the next event, or not before they are changed", async () => {
    await run(function* (u) {
      const ep = yield sys("epoll_create1", 0);
      const [level, levelW] = yield* pipe(u);
      const [edge, edgeW] = yield* pipe(u);
      const [once, onceW] = yield* pipe(u);
      yield ctl(u, ep, ADD, level, IN);
      yield ctl(u, ep, ADD, edge, IN | ET);
      yield ctl(u, ep, ADD, once, IN | ONESHOT);
      for (const w of [levelW, edgeW, onceW]) yield put(w);
      expect(reported(u, yield wait(ep))).toEqual([[level, IN], [edge, IN], [once, IN]]);
      expect(reported(u, yield wait(ep))).toEqual([[level, IN]]);
      yield put(onceW);
      yield put(edgeW);
      expect(reported(u, yield wait(ep))).toEqual([[level, IN], [edge, IN]]);
      yield get(level);
      expect(yield wait(ep)).toBe(0);
      yield ctl(u, ep, MOD, once, IN | ONESHOT);
      yield ctl(u, ep, MOD, edge, IN | ET);
      expect(reported(u, yield wait(ep))).toEqual([[once, IN], [edge, IN]]);
      expect(yield wait(ep)).toBe(0);
      yield sys("close", levelW);
      expect(reported(u, yield wait(ep))).toEqual([[level, HUP]]);
    });
  });

  it("that are reported give way to those that were not", async () => {
    await run(function* (u) {
      const ep = yield sys("epoll_create1", 0);
      const reads: number[] = [];
      for (let i = 0; i < 3; i++) {
        const [r, w] = yield* pipe(u);
        yield ctl(u, ep, ADD, r, IN);
        yield put(w);
        reads.push(r);
      }
      const seen: number[] = [];
      for (let i = 0; i < 6; i++) seen.push(...reported(u, yield wait(ep, 1)).map(([fd]) => fd));
      expect(seen).toEqual([...reads, ...reads]);
    });
  });

  it("end with the last descriptor of their file, not with the first", async () => {
    await run(function* (u) {
      const ep = yield sys("epoll_create1", 0);
      const [r, w] = yield* pipe(u);
      yield put(w);
      yield ctl(u, ep, ADD, r, IN);
      const other = yield sys("dup", r);
      yield sys("close", r);
      expect(reported(u, yield wait(ep))).toEqual([[r, IN]]);
      // The number means another file now, which may be watched beside the old one.
      const again = yield sys("eventfd2", 1, 0);
      expect(again).toBe(r);
      expect(yield ctl(u, ep, ADD, again, IN)).toBe(0);
      expect(reported(u, yield wait(ep))).toHaveLength(2);
      yield sys("close", other);
      expect(reported(u, yield wait(ep))).toEqual([[again, IN]]);
      expect(yield ctl(u, ep, DEL, again, 0)).toBe(0);
      expect(yield wait(ep)).toBe(0);
    });
  });

  it("are still there after events that could not be stored", async () => {
    await run(function* (u) {
      const ep = yield sys("epoll_create1", 0);
      const [r, w] = yield* pipe(u);
      yield put(w);
      yield ctl(u, ep, ADD, r, IN | ET);
      expect(yield sys("epoll_wait", ep, 16, 8, 0)).toBe(EFAULT);
      expect(reported(u, yield wait(ep))).toEqual([[r, IN]]);
      expect(yield wait(ep)).toBe(0);
    });
  });

  it("follow a datagram socket to its new receiver's queue", async () => {
    await run(function* (u) {
      const ep = yield sys("epoll_create1", 0);
      // Two socket pairs; the first end of one is connected to the second end of the other later on.
      yield sys("socketpair", 1, 2 | 0o4000, 0, A);
      const [a] = [u.word(A)];
      yield sys("socket", 1, 2 | 0o4000, 0);
      const receiver = yield sys("socket", 1, 2 | 0o4000, 0);
      u.setWord(A + 256, 1 | ("r".charCodeAt(0) << 24));
      yield sys("bind", receiver, A + 256, 4);
      yield ctl(u, ep, ADD, a, OUT_EV | ET);
      expect(reported(u, yield wait(ep))).toEqual([[a, OUT_EV]]);
      expect(yield wait(ep)).toBe(0);
      expect(yield sys("connect", a, A + 256, 4)).toBe(0);
      yield wait(ep);
      while ((yield sys("write", a, A, 1)) === 1);
      expect(yield wait(ep)).toBe(0);
      while ((yield sys("read", receiver, A + 32, 1)) === 1);
      expect(reported(u, yield wait(ep))).toEqual([[a, OUT_EV]]);
    });
  });
});

describe("epoll files in epoll files", () => {
  it("report events through, level- and edge-triggered", async () => {
    await run(function* (u) {
      const [inner, outer, edge] = [yield sys("epoll_create1", 0), yield sys("epoll_create1", 0), yield sys("epoll_create1", 0)];
      const [r, w] = yield* pipe(u);
      const [r2, w2] = yield* pipe(u);
      yield ctl(u, inner, ADD, r, IN);
      yield ctl(u, inner, ADD, r2, IN);
      yield ctl(u, outer, ADD, inner, IN);
      yield ctl(u, edge, ADD, inner, IN | ET);
      expect(yield wait(outer)).toBe(0);
      yield put(w);
      for (let i = 0; i < 2; i++) expect(reported(u, yield wait(outer))).toEqual([[inner, IN]]);
      expect(reported(u, yield wait(edge))).toEqual([[inner, IN]]);
      expect(yield wait(edge)).toBe(0);
      yield put(w2);
      expect(reported(u, yield wait(edge))).toEqual([[inner, IN]]);
      yield put(w2);
      expect(reported(u, yield wait(edge))).toEqual([[inner, IN]]);
      for (const fd of [r, r2, r2]) yield get(fd);
      expect(yield wait(outer)).toBe(0);
      expect(yield wait(inner)).toBe(0);
    });
  });

  it("wake who sleeps on the outermost", async () => {
    await run(function* (u) {
      const [inner, outer] = [yield sys("epoll_create1", 0), yield sys("epoll_create1", 0)];
      const [r, w] = yield* pipe(u);
      yield ctl(u, inner, ADD, r, IN);
      yield ctl(u, outer, ADD, inner, IN);
      u.child(function* (c) {
        c.words(A, 0, 5_000_000);
        yield sys("nanosleep", A, 0);
        yield put(w);
      });
      yield sys("fork");
      expect(reported(u, yield wait(outer, 8, -1))).toEqual([[inner, IN]]);
      u.words(A + 96, inner, 1);
      expect(yield sys("poll", A + 96, 1, 0)).toBe(1);
    });
  });
});

describe("several that wait", () => {
  /** Children that each wait once with `ep(i)`, and leave with the number of events as status. */
  function* waiters(u: User, n: number, ep: (i: number) => number): Generator<Call, number[], number> {
    const pids: number[] = [];
    for (let i = 0; i < n; i++) {
      u.child(function* () {
        const got = yield wait(ep(i), 8, 1000);
        yield sys("exit_group", got === EINTR ? 99 : got);
      });
      pids.push(yield sys("fork"));
    }
    u.words(A, 0, 10_000_000);
    yield sys("nanosleep", A, 0);
    return pids;
  }
  function* statuses(u: User, pids: readonly number[]): Generator<Call, number[], number> {
    const out: number[] = [];
    for (const pid of pids) {
      yield sys("wait4", pid, A + 512, 0, 0);
      out.push(u.word(A + 512) >> 8);
    }
    return out.sort();
  }

  it("an edge is one waiter's, a level everybody's", async () => {
    await run(function* (u) {
      for (const [events, expected] of [[IN | ET, [0, 0, 1]], [IN, [1, 1, 1]]] as const) {
        const ep = yield sys("epoll_create1", 0);
        const [r, w] = yield* pipe(u);
        yield ctl(u, ep, ADD, r, events);
        const pids = yield* waiters(u, 3, () => ep);
        yield put(w);
        expect(yield* statuses(u, pids)).toEqual(expected);
      }
    });
  });

  it("EP7: one of several exclusive watchers hears of an event", async () => {
    await run(function* (u) {
      for (const [flag, expected] of [[EXCLUSIVE, [0, 0, 1]], [0, [1, 1, 1]]] as const) {
        const eps = [yield sys("epoll_create1", 0), yield sys("epoll_create1", 0), yield sys("epoll_create1", 0)];
        const [r, w] = yield* pipe(u);
        for (const ep of eps) expect(yield ctl(u, ep, ADD, r, IN | flag)).toBe(0);
        const pids = yield* waiters(u, 3, (i) => eps[i]!);
        yield put(w);
        expect(yield* statuses(u, pids)).toEqual(expected);
      }
    });
  });

  it("EPOLLEXCLUSIVE is refused where Linux refuses it", async () => {
    await run(function* (u) {
      const [ep, other] = [yield sys("epoll_create1", 0), yield sys("epoll_create1", 0)];
      const [r] = yield* pipe(u);
      expect(yield ctl(u, ep, ADD, r, IN | EXCLUSIVE | ONESHOT)).toBe(EINVAL);
      expect(yield ctl(u, ep, ADD, other, IN | EXCLUSIVE)).toBe(EINVAL);
      expect(yield ctl(u, ep, ADD, r, IN | EXCLUSIVE | ET)).toBe(0);
      expect(yield ctl(u, ep, MOD, r, IN)).toBe(EINVAL);
      expect(yield ctl(u, ep, MOD, r, IN | EXCLUSIVE)).toBe(EINVAL);
    });
  });

  it("EP6: what a waiter was woken for and a signal took it away from is another's", async () => {
    await run(function* (u) {
      const ep = yield sys("epoll_create1", 0);
      const [r, w] = yield* pipe(u);
      yield ctl(u, ep, ADD, r, IN | ET);
      const pids = yield* waiters(u, 2, () => ep);
      yield put(w);
      yield sys("kill", pids[0]!, 9);
      yield sys("wait4", pids[0]!, 0, 0, 0);
      yield sys("wait4", pids[1]!, A + 512, 0, 0);
      expect(u.word(A + 512) >> 8).toBe(1);
    });
  });
});
