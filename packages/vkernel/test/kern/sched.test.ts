// SPDX-License-Identifier: BSD-3-Clause
/** What the scheduler promises, on the bench's clock: shares of busy processes, nice values, the delay of whoever wakes up. */
import { expect, it } from "vitest";
import { compute, DATA, type Program, sys, UserBench } from "./user-bench.ts";

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

it("a nice process gets less, and is not starved", async () => {
  const nice = (n: number): Program =>
    function* () {
      yield sys("setpriority", 0, 0, n);
      for (;;) yield compute(3 * MS);
    };
  const { ms } = await share([nice(0), nice(0), nice(19)], 6);
  expect(ms[2]!).toBeLessThan(Math.min(ms[0]!, ms[1]!) * 0.6);
  expect(ms[2]!).toBeGreaterThan(50);
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
