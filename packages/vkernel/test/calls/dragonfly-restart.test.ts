// SPDX-License-Identifier: BSD-3-Clause
/**
 * Calls that wait, interrupted by a signal: with SA_RESTART they go on waiting, or end with EINTR all the same (sigaction(2)
 * of DragonFly; sys/kern: tsleep's callers that turn ERESTART into EINTR).
 */
import { describe, expect, it } from "vitest";
import { type Call, DATA, dfly, type User, UserBench } from "../kern/user-bench.ts";

const EINTR = 4;
const SIGALRM = 14, SA_RESTART = 2;
const Z = DATA + 0x8000, TIMER = DATA + 0x100, PATH = DATA + 0x200, LOCK = DATA + 0x300;

/** What a test makes ready, and the call that then waits. `done` lets it end: in the handler's second run. */
interface Waits {
  setup: (u: User) => Generator<Call, Call, number>;
  /** What the call returns once it has been let go; a call that never restarts ends with EINTR at once. */
  ends: number | "EINTR";
  release?: (u: User) => Generator<Call, void, number>;
}

function* pipe(u: User): Generator<Call, [number, number], number> {
  const r = yield dfly("pipe");
  return [r, u.lp.tf[9]!];
}
/** A child that holds a lock on the file until it is killed; returns its pid. */
function* holder(u: User, lock: () => Call): Generator<Call, number, number> {
  const [r, w] = yield* pipe(u);
  u.child(function* () {
    yield lock();
    yield dfly("write", w, Z, 1);
    yield dfly("sigsuspend", Z);
  });
  const pid = yield dfly("fork");
  yield dfly("read", r, Z + 64, 1);
  return pid;
}

/** A call that needs nothing made ready first. */
const at = (call: () => Call, ends: Waits["ends"] = "EINTR"): Waits => ({
  *setup() {
    yield dfly("getpid");
    return call();
  },
  ends,
});
const withWords = (words: readonly number[], call: () => Call): Waits => ({
  *setup(u) {
    u.words(Z, ...words);
    yield dfly("getpid");
    return call();
  },
  ends: "EINTR",
});

const CALLS: Readonly<Record<string, Waits>> = {
  read: {
    *setup(u) {
      const [r, w] = yield* pipe(u);
      u.setWord(Z + 128, w);
      return dfly("read", r, Z, 4);
    },
    *release(u) {
      yield dfly("write", u.word(Z + 128), Z, 4);
    },
    ends: 4,
  },
  readv: {
    *setup(u) {
      const [r, w] = yield* pipe(u);
      u.words(Z + 128, w);
      u.words(Z + 64, Z, 4);
      return dfly("readv", r, Z + 64, 1);
    },
    *release(u) {
      yield dfly("write", u.word(Z + 128), Z, 4);
    },
    ends: 4,
  },
  write: {
    *setup(u) {
      const [r, w] = yield* pipe(u);
      u.words(Z + 128, r);
      yield dfly("write", w, DATA, 65_536);
      return dfly("write", w, Z, 4);
    },
    *release(u) {
      yield dfly("read", u.word(Z + 128), DATA + 0x1_0000, 65_536);
    },
    ends: 4,
  },
  "open of a fifo": {
    *setup(u) {
      yield dfly("mkfifo", u.text(PATH, "/fifo"), 0o600);
      return dfly("open", PATH, 0, 0);
    },
    *release() {
      yield dfly("open", PATH, 2, 0);
    },
    ends: 1,
  },
  wait4: {
    *setup(u) {
      u.child(function* () {
        yield dfly("sigsuspend", Z);
      });
      u.words(Z + 128, yield dfly("fork"));
      return dfly("wait4", -1, 0, 0, 0);
    },
    *release(u) {
      yield dfly("kill", u.word(Z + 128), 9);
    },
    ends: 3,
  },
  owait: {
    *setup(u) {
      u.child(function* () {
        yield dfly("sigsuspend", Z);
      });
      u.words(Z + 128, yield dfly("fork"));
      return dfly("owait");
    },
    *release(u) {
      yield dfly("kill", u.word(Z + 128), 9);
    },
    ends: 3,
  },
  flock: {
    *setup(u) {
      u.text(PATH, "/lock");
      yield dfly("close", yield dfly("open", PATH, 0x202, 0o600));
      const pid = yield* holder(u, () => {
        u.words(LOCK + 64, 0);
        return dfly("open", PATH, 0x20 | 2, 0);
      });
      u.words(Z + 128, pid);
      return dfly("flock", yield dfly("open", PATH, 2, 0), 2);
    },
    *release(u) {
      yield dfly("kill", u.word(Z + 128), 9);
    },
    ends: 0,
  },
  "fcntl F_SETLKW": {
    *setup(u) {
      u.words(LOCK, 0, 0, 0, 0, 0, 3);
      const d = yield dfly("open", u.text(PATH, "/lock"), 0x202, 0o600);
      u.words(Z + 128, yield* holder(u, () => dfly("fcntl", d, 8, LOCK)));
      return dfly("fcntl", d, 9, LOCK);
    },
    *release(u) {
      yield dfly("kill", u.word(Z + 128), 9);
    },
    ends: 0,
  },
  recvfrom: {
    *setup(u) {
      yield dfly("socketpair", 1, 1, 0, Z + 128);
      return dfly("recvfrom", u.word(Z + 128), Z, 4, 0, 0, 0);
    },
    *release(u) {
      yield dfly("write", u.word(Z + 132), Z, 4);
    },
    ends: 4,
  },
  recvmsg: {
    *setup(u) {
      yield dfly("socketpair", 1, 1, 0, Z + 128);
      u.words(Z + 64, Z, 4);
      u.words(Z + 32, 0, 0, Z + 64, 1, 0, 0, 0);
      return dfly("recvmsg", u.word(Z + 128), Z + 32, 0);
    },
    *release(u) {
      yield dfly("write", u.word(Z + 132), Z, 4);
    },
    ends: 4,
  },
  accept: {
    *setup(u) {
      const s = yield dfly("socket", 1, 1, 0);
      u.words(Z + 256, 0x100);
      u.text(Z + 258, "/s");
      yield dfly("bind", s, Z + 256, 5);
      yield dfly("listen", s, 5);
      return dfly("accept", s, 0, 0);
    },
    *release() {
      yield dfly("connect", yield dfly("socket", 1, 1, 0), Z + 256, 5);
    },
    ends: 2,
  },
  semop: {
    *setup(u) {
      yield dfly("semget", 0, 1, 0o600);
      u.words(Z, -1 << 16, 0);
      return dfly("semop", 0, Z, 1);
    },
    ends: "EINTR",
  },
  msgrcv: {
    *setup() {
      yield dfly("msgget", 0, 0o600);
      return dfly("msgrcv", 0, Z, 4, 0, 0);
    },
    ends: "EINTR",
  },
  select: at(() => dfly("select", 0, 0, 0, 0, 0)),
  pselect: at(() => dfly("pselect", 0, 0, 0, 0, 0, 0)),
  poll: at(() => dfly("poll", 0, 0, -1)),
  kevent: {
    *setup() {
      return dfly("kevent", yield dfly("kqueue"), 0, 0, Z, 1, 0);
    },
    ends: "EINTR",
  },
  nanosleep: withWords([100, 0], () => dfly("nanosleep", Z, 0)),
  sigsuspend: at(() => dfly("sigsuspend", Z)),
  sigwaitinfo: withWords([1, 0, 0, 0], () => dfly("sigwaitinfo", Z, 0)),
  umtx_sleep: at(() => dfly("umtx_sleep", Z, 0, 0)),
};

/** Runs the call while the timer goes off every 10 ms; returns its result and how often the handler ran. */
async function interrupted(waits: Waits, flags: number): Promise<{ result: number; runs: number }> {
  const bench = new UserBench();
  let result = Number.NaN;
  let runs = 0;
  await bench.run(
    bench.start(
      function* (u) {
        const handler = u.handler(function* (h) {
          runs++;
          if (runs === 2 && waits.release !== undefined) yield* waits.release(h);
        });
        const call = yield* waits.setup(u);
        yield u.dflySigaction(SIGALRM, handler, flags);
        u.words(TIMER, 0, 10_000, 0, 10_000);
        yield dfly("setitimer", 0, TIMER, 0);
        result = yield call;
        u.words(TIMER, 0, 0, 0, 0);
        yield dfly("setitimer", 0, TIMER, 0);
      },
      undefined,
      "dragonfly",
    ),
  );
  return { result, runs };
}

describe("a handler without SA_RESTART ends the call with EINTR", () => {
  it.each(Object.entries(CALLS))("%s", async (_name, waits) => {
    expect(await interrupted(waits, 0)).toEqual({ result: -EINTR, runs: 1 });
  });
});

describe("with SA_RESTART", () => {
  it.each(Object.entries(CALLS))("%s", async (_name, waits) => {
    const got = await interrupted(waits, SA_RESTART);
    if (waits.ends === "EINTR") expect(got).toEqual({ result: -EINTR, runs: 1 });
    else {
      expect(got.result).toBe(waits.ends);
      expect(got.runs).toBe(2);
    }
  });
});
