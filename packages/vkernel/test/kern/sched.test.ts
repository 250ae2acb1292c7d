// SPDX-License-Identifier: BSD-3-Clause
/** What the scheduler promises, on the bench's clock: shares of busy processes, nice values, the delay of whoever wakes up. */
import { expect, it } from "vitest";
import { type Call, compute, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const MS = 1_000_000;
const A = DATA;

/** Runs `programs` side by side for `seconds` of the bench's time; the processor time that each of them got, ms. */
async function share(programs: readonly Program[], seconds: number): Promise<{ ms: number[]; bench: UserBench }> {
  const bench = new UserBench();
  const pids: number[] = [];
  const ms: number[] = [];
  const status = await bench.run(
    bench.start(function* (u) {
      for (const program of programs) {
        u.child(program);
        pids.push(yield sys("fork"));
        // The child takes its program with its first step.
        u.words(A, 0, 100_000);
        yield sys("nanosleep", A, 0);
      }
      u.words(A, seconds, 0);
      yield sys("nanosleep", A, 0);
      for (const pid of pids) ms.push([...bench.k.procs.get(pid)!.lwps.values()][0]!.runtimeNs / MS);
      for (const pid of pids) yield sys("kill", pid, 9);
    }),
  );
  expect(status).toBe(0);
  return { ms, bench };
}
const busy: Program = function* () {
  for (;;) yield compute(3 * MS);
};

it("eight busy processes get equal shares", async () => {
  const { ms } = await share(new Array<Program>(8).fill(busy), 8);
  const total = ms.reduce((a, b) => a + b, 0);
  expect(total).toBeGreaterThan(7800);
  for (const each of ms) {
    expect(each).toBeGreaterThan((total / 8) * 0.9);
    expect(each).toBeLessThan((total / 8) * 1.1);
  }
});

it("a process that makes system calls all the time gets no more than one that computes", async () => {
  const chatty: Program = function* () {
    for (;;) {
      yield compute(50_000);
      yield sys("getpid");
    }
  };
  const { ms } = await share([busy, chatty], 3);
  expect(ms[0]! / ms[1]!).toBeGreaterThan(0.8);
  expect(ms[0]! / ms[1]!).toBeLessThan(1.25);
});

it("nice values share the processor by Linux's weights, and starve nobody", async () => {
  // Linux 2.6.23 to 6.x, kernel/sched: sched_prio_to_weight.
  const WEIGHTS = new Map([[0, 1024], [5, 335], [10, 110], [19, 15]]);
  const programs = [...WEIGHTS.keys()].map((n): Program =>
    function* () {
      yield sys("setpriority", 0, 0, n);
      for (;;) yield compute(3 * MS);
    });
  const { ms } = await share(programs, 20);
  const total = ms.reduce((a, b) => a + b, 0);
  const weights = [...WEIGHTS.values()];
  const sum = weights.reduce((a, b) => a + b, 0);
  weights.forEach((weight, i) => {
    expect(ms[i]! / total / (weight / sum)).toBeGreaterThan(0.9);
    expect(ms[i]! / total / (weight / sum)).toBeLessThan(1.1);
  });
});

it("an idle-class process takes what is left over", async () => {
  const idle: Program = function* (u) {
    u.setWord(A, 0);
    yield sys("sched_setscheduler", 0, 5, A);
    for (;;) yield compute(3 * MS);
  };
  const { ms } = await share([busy, idle], 4);
  expect(ms[1]!).toBeLessThan(ms[0]! * 0.5);
  expect(ms[1]!).toBeGreaterThan(50);
});

it("whoever wakes up to do little runs within 50 ms, with eight busy processes", async () => {
  const delays: number[] = [];
  const bench = new UserBench();
  const pids: number[] = [];
  await bench.run(
    bench.start(function* (u) {
      for (let i = 0; i < 8; i++) {
        u.child(busy);
        pids.push(yield sys("fork"));
        u.words(A, 0, 100_000);
        yield sys("nanosleep", A, 0);
      }
      // A shell: waits for a key, echoes it, waits again.
      for (let key = 0; key < 50; key++) {
        u.words(A, 0, 20 * MS);
        const before = bench.nanouptime();
        yield sys("nanosleep", A, 0);
        delays.push((bench.nanouptime() - before) / MS - 20);
        yield compute(MS / 2);
      }
      for (const pid of pids) yield sys("kill", pid, 9);
    }),
  );
  expect(Math.max(...delays)).toBeLessThan(50);
  expect(delays.toSorted((a, b) => a - b)[25]).toBeLessThan(15);
});

it("a keystroke that goes through a pipe to a second process comes back within 50 ms under load", async () => {
  const bench = new UserBench();
  const delays: number[] = [];
  const pids: number[] = [];
  await bench.run(
    bench.start(function* (u) {
      for (let i = 0; i < 8; i++) {
        u.child(busy);
        pids.push(yield sys("fork"));
        u.words(A, 0, 100_000);
        yield sys("nanosleep", A, 0);
      }
      yield sys("pipe", A + 64);
      yield sys("pipe", A + 72);
      const [inR, inW, outR, outW] = [64, 68, 72, 76].map((o) => u.word(A + o)) as [number, number, number, number];
      u.child(function* () {
        for (;;) {
          if ((yield sys("read", inR, A + 256, 1)) !== 1) return;
          yield compute(MS / 4);
          yield sys("write", outW, A + 256, 1);
        }
      });
      pids.push(yield sys("fork"));
      for (let key = 0; key < 30; key++) {
        u.words(A, 0, 30 * MS);
        yield sys("nanosleep", A, 0);
        const before = bench.nanouptime();
        yield sys("write", inW, A, 1);
        yield sys("read", outR, A + 128, 1);
        delays.push((bench.nanouptime() - before) / MS);
      }
      for (const pid of pids) yield sys("kill", pid, 9);
    }),
  );
  expect(Math.max(...delays)).toBeLessThan(50);
});

it("a machine on which everybody sleeps is left alone until the next thing is due", async () => {
  const bench = new UserBench();
  let idles = 0;
  const idle = bench.idle.bind(bench);
  bench.idle = (deadline) => {
    idles++;
    return idle(deadline);
  };
  await bench.run(
    bench.start(function* (u) {
      u.child(function* (c) {
        c.words(A, 3600, 0);
        yield sys("nanosleep", A, 0);
      });
      yield sys("fork");
      u.words(A, 1800, 0);
      yield sys("nanosleep", A, 0);
      yield sys("wait4", -1, 0, 0, 0);
    }),
  );
  // An hour: two sleeps end, and nothing ticks in between.
  expect(idles).toBeLessThan(6);
});

/** Eight busy processes, as a part of a program. */
function* eightBusy(u: User): Generator<Call, number[], number> {
  const pids: number[] = [];
  for (let i = 0; i < 8; i++) {
    u.child(busy);
    pids.push(yield sys("fork"));
    u.words(A, 0, 100_000);
    yield sys("nanosleep", A, 0);
  }
  return pids;
}

it("what a shell has used in starting up does not delay its first keystroke", async () => {
  const bench = new UserBench();
  const delays: number[] = [];
  await bench.run(
    bench.start(function* (u) {
      const pids = yield* eightBusy(u);
      yield compute(1500 * MS);
      yield sys("pipe", A + 64);
      yield sys("pipe", A + 72);
      const [inR, inW, outR, outW] = [64, 68, 72, 76].map((o) => u.word(A + o)) as [number, number, number, number];
      u.child(function* () {
        yield compute(700 * MS);
        for (;;) {
          yield sys("write", outW, A + 256, 1);
          if ((yield sys("read", inR, A + 256, 1)) !== 1) return;
          yield compute(MS);
        }
      });
      pids.push(yield sys("fork"));
      // It has started up.
      yield sys("read", outR, A + 128, 1);
      for (let key = 0; key < 100; key++) {
        u.words(A, 0, 50 * MS);
        yield sys("nanosleep", A, 0);
        const before = bench.nanouptime();
        yield sys("write", inW, A, 1);
        yield sys("read", outR, A + 128, 1);
        yield compute(MS);
        delays.push((bench.nanouptime() - before) / MS);
      }
      for (const pid of pids) yield sys("kill", pid, 9);
    }),
  );
  expect(Math.max(...delays)).toBeLessThan(10);
});

it("whoever wakes up all the time gets no more than a share, however short its bursts are", async () => {
  const sleeper = (burst: number): Program =>
    function* (u) {
      for (;;) {
        yield compute(burst);
        u.words(A, 0, 100_000);
        yield sys("nanosleep", A, 0);
      }
    };
  const { ms } = await share([busy, busy, busy, sleeper(MS), sleeper(19 * MS)], 10);
  expect(Math.max(...ms) / Math.min(...ms)).toBeLessThan(1.3);
});

it("a writer that wakes its reader with each byte is not stopped at each of them", async () => {
  const bench = new UserBench();
  let switches = 0;
  await bench.run(
    bench.start(function* (u) {
      yield sys("pipe", A + 64);
      const [r, w] = [u.word(A + 64), u.word(A + 68)];
      u.child(function* () {
        yield sys("close", w);
        while ((yield sys("read", r, A + 256, 4096)) > 0) yield compute(1000);
      });
      yield sys("fork");
      const before = bench.k.stats.switches;
      for (let i = 0; i < 10_000; i++) {
        yield compute(10_000);
        yield sys("write", w, A, 1);
      }
      switches = bench.k.stats.switches - before;
      yield sys("close", w);
      yield sys("wait4", -1, 0, 0, 0);
    }),
  );
  // 100 ms of writing.
  expect(switches).toBeLessThan(250);
});

it("processes that make and end processes all the time get little more than those that compute", async () => {
  const forker: Program = function* (u) {
    for (;;) {
      u.child(function* () {
        yield compute(4 * MS);
      });
      yield sys("fork");
      yield sys("wait4", -1, 0, 0, 0);
    }
  };
  const { ms } = await share([busy, busy, busy, busy, forker], 5);
  const computing = ms.slice(0, 4).reduce((a, b) => a + b, 0);
  expect(computing).toBeGreaterThan(5000 * 0.7);
});

it("a timer set for an earlier time interrupts who computes at that time", async () => {
  const bench = new UserBench();
  let late = 0;
  await bench.run(
    bench.start(function* (u) {
      let rung = 0;
      yield u.sigaction(14, u.handler(function* () {
        rung = bench.nanouptime();
        yield compute(1000);
      }));
      yield compute(100_000);
      u.words(A, 0, 0, 0, 300);
      const before = bench.nanouptime();
      yield sys("setitimer", 0, A, 0);
      yield compute(4 * MS);
      late = rung - before - 300_000;
    }),
  );
  expect(late).toBeGreaterThanOrEqual(0);
  expect(late).toBeLessThan(0.3 * MS);
});

/** Children that sleep until `atMs`, then compute for `ms` and say so; `policy` and `priority` as sched_setscheduler has them. */
async function order(threads: readonly { name: string; policy: number; priority: number; atMs: number; ms: number }[]): Promise<string[]> {
  const done: string[] = [];
  const bench = new UserBench();
  const status = await bench.run(
    bench.start(function* (u) {
      for (const { name, policy, priority, atMs, ms } of threads) {
        u.child(function* (c) {
          c.setWord(A, priority);
          expect(yield sys("sched_setscheduler", 0, policy, A)).toBe(0);
          const begin = 20 - bench.nanouptime() / MS;
          c.words(A, 0, (begin + atMs) * MS);
          yield sys("nanosleep", A, 0);
          for (let left = ms; left > 0; left--) yield compute(MS);
          done.push(name);
        });
        yield sys("fork");
        u.words(A, 0, 100_000);
        yield sys("nanosleep", A, 0);
      }
      for (let i = 0; i < threads.length; i++) yield sys("wait4", -1, 0, 0, 0);
    }),
  );
  expect([status, bench.failures]).toEqual([0, []]);
  return done;
}
const [OTHER, FIFO, RR] = [0, 1, 2];

it("real-time threads go by priority, and before all others", async () => {
  expect(
    await order([
      { name: "normal", policy: OTHER, priority: 0, atMs: 0, ms: 30 },
      { name: "low", policy: FIFO, priority: 10, atMs: 5, ms: 30 },
      { name: "high", policy: FIFO, priority: 20, atMs: 10, ms: 30 },
      { name: "middle", policy: RR, priority: 15, atMs: 15, ms: 30 },
    ]),
  ).toEqual(["high", "middle", "low", "normal"]);
});

it("of one priority, SCHED_FIFO runs until it waits, and SCHED_RR takes turns", async () => {
  const pair = (policy: number): Promise<string[]> =>
    order([
      { name: "long", policy, priority: 10, atMs: 0, ms: 60 },
      { name: "short", policy, priority: 10, atMs: 5, ms: 15 },
    ]);
  expect(await pair(FIFO)).toEqual(["long", "short"]);
  expect(await pair(RR)).toEqual(["short", "long"]);
});

it("a busy real-time thread leaves the others a twentieth", async () => {
  const realtime: Program = function* (u) {
    u.setWord(A, 99);
    expect(yield sys("sched_setscheduler", 0, FIFO, A)).toBe(0);
    for (;;) yield compute(3 * MS);
  };
  const bench = new UserBench();
  let got = 0;
  await bench.run(
    bench.start(function* (u) {
      u.child(realtime);
      const pid = yield sys("fork");
      u.words(A, 0, 100_000);
      yield sys("nanosleep", A, 0);
      const [start, used] = [bench.nanouptime(), u.lp.runtimeNs];
      while (bench.nanouptime() - start < 4e9) yield compute(MS);
      got = u.lp.runtimeNs - used;
      yield sys("kill", pid, 9);
    }),
  );
  expect(got / 4e9).toBeGreaterThan(0.03);
  expect(got / 4e9).toBeLessThan(0.1);
});
