// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { compute, DATA, dfly, run, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ESRCH = -3, EINTR = -4, EAGAIN = -11, EFAULT = -14, EINVAL = -22;
const CLOCK_PROCESS_CPUTIME_ID = 2;
const SIGIO = 29, NATIVE_SIGIO = 23;
const SIGHUP = 1, SIGUSR1 = 10, SIGCONT = 18, SIGTSTP = 20;
const SA_RESTART = 0x1000_0000, SA_SIGINFO = 4, SA_NODEFER = 0x4000_0000;
const A = DATA;

describe("signals", () => {
  it("a handler runs with its number, and the interrupted registers come back", async () => {
    const seen: number[] = [];
    await run(function* (u) {
      const h = u.handler(function* (s) {
        seen.push(u.word((s.lp.tf[18]! >>> 0) + 4));
        yield sys("getpid");
      });
      yield u.sigaction(SIGUSR1, h);
      expect(yield sys("kill", 2, SIGUSR1)).toBe(0);
      seen.push(yield sys("getppid"));
    });
    expect(seen).toEqual([SIGUSR1, 1]);
  });

  it.each([
    [0, EINTR],
    [SA_RESTART, "restarted"],
  ])("flags %i: a read that a signal interrupts", async (flags, want) => {
    await run(function* (u) {
      yield sys("pipe", A);
      const [r, w] = [u.word(A), u.word(A + 4)];
      u.child(function* () {
        yield sys("nanosleep", A + 64, 0);
        yield sys("kill", 2, SIGUSR1);
        yield sys("nanosleep", A + 64, 0);
        yield sys("write", w, A + 64, 1);
      });
      u.words(A + 64, 0, 1000_000);
      yield sys("fork");
      const h = u.handler(function* () {
        yield sys("getpid");
      });
      yield u.sigaction(SIGUSR1, h, flags);
      const n = yield sys("read", r, A + 128, 10);
      expect(n).toBe(want === "restarted" ? 1 : want);
    });
  });

  it("SA_SIGINFO passes sender and code", async () => {
    await run(function* (u) {
      const got: number[] = [];
      const h = u.handler(function* (s) {
        const info = s.lp.tf[9]! >>> 0;
        got.push(s.word(info), s.word(info + 8), s.word(info + 12), s.word(info + 16));
        yield sys("getpid");
      });
      yield u.sigaction(SIGUSR1, h, SA_SIGINFO);
      yield sys("tkill", 2, SIGUSR1);
      yield sys("kill", 2, SIGUSR1);
      expect(got).toEqual([SIGUSR1, -6, 2, 0, SIGUSR1, 0, 2, 0]);
    });
  });

  it("a blocked signal waits, shows in sigpending, and comes with the unblocking", async () => {
    await run(function* (u) {
      let n = 0;
      const h = u.handler(function* () {
        n++;
        yield sys("getpid");
      });
      yield u.sigaction(SIGUSR1, h);
      u.words(A, 1 << (SIGUSR1 - 1), 0);
      yield sys("rt_sigprocmask", 0, A, 0, 8);
      yield sys("kill", 2, SIGUSR1);
      yield sys("kill", 2, SIGUSR1);
      expect(n).toBe(0);
      yield sys("rt_sigpending", A + 16, 8);
      expect(u.word(A + 16)).toBe(1 << (SIGUSR1 - 1));
      yield sys("rt_sigprocmask", 1, A, 0, 8);
      yield sys("getpid");
      expect(n).toBe(1);
    });
  });

  it("G1: real-time signals queue, in order of number, with their values", async () => {
    await run(function* (u) {
      const got: number[] = [];
      const h = u.handler(function* (s) {
        const info = s.lp.tf[9]! >>> 0;
        got.push(s.word(info), s.word(info + 20));
        yield sys("getpid");
      });
      for (const sig of [34, 40]) yield u.sigaction(sig, h, SA_SIGINFO);
      u.words(A, 0, -1);
      yield sys("rt_sigprocmask", 0, A, 0, 8);
      for (const [sig, value] of [
        [40, 1],
        [34, 2],
        [34, 3],
      ] as const) {
        u.words(A + 64, sig, 0, -1, 2, 0, value);
        expect(yield sys("rt_sigqueueinfo", 2, sig, A + 64)).toBe(0);
      }
      yield sys("rt_sigprocmask", 1, A, 0, 8);
      yield sys("getpid");
      // The handlers nest: the last frame built runs first, so the lowest number is served last of the burst.
      expect(got).toHaveLength(6);
      expect(new Set(got.filter((_, i) => i % 2 === 0))).toEqual(new Set([34, 40]));
      expect([got.indexOf(2) < got.indexOf(3), got.includes(1)]).toEqual([true, true]);
    });
  });

  it("during a handler its signal is blocked, unless SA_NODEFER", async () => {
    for (const [flags, depth] of [
      [0, 1],
      [SA_NODEFER, 3],
    ] as const) {
      let now = 0;
      let most = 0;
      let sent = 0;
      await run(function* (u) {
        const h = u.handler(function* () {
          most = Math.max(most, ++now);
          if (++sent < 3) yield sys("kill", 2, SIGUSR1);
          yield sys("getpid");
          now--;
        });
        yield u.sigaction(SIGUSR1, h, flags);
        yield sys("kill", 2, SIGUSR1);
        for (let i = 0; i < 5; i++) yield sys("getpid");
      });
      expect(most).toBe(depth);
    }
  });

  it("sigsuspend ends in EINTR and the old mask comes back", async () => {
    await run(function* (u) {
      let n = 0;
      const h = u.handler(function* () {
        n++;
        yield sys("getpid");
      });
      yield u.sigaction(SIGUSR1, h);
      u.words(A, 1 << (SIGUSR1 - 1), 0, 0, 0);
      yield sys("rt_sigprocmask", 2, A, 0, 8);
      yield sys("kill", 2, SIGUSR1);
      expect(yield sys("rt_sigsuspend", A + 8, 8)).toBe(EINTR);
      expect(n).toBe(1);
      yield sys("rt_sigprocmask", 0, 0, A + 32, 8);
      expect(u.word(A + 32)).toBe(1 << (SIGUSR1 - 1));
    });
  });

  it("sigtimedwait takes a blocked signal, or times out", async () => {
    await run(function* (u) {
      u.words(A, 1 << (SIGUSR1 - 1), 0);
      yield sys("rt_sigprocmask", 0, A, 0, 8);
      u.words(A + 16, 0, 1000);
      expect(yield sys("rt_sigtimedwait", A, 0, A + 16, 8)).toBe(EAGAIN);
      u.child(function* () {
        yield sys("kill", 2, SIGUSR1);
      });
      yield sys("fork");
      expect(yield sys("rt_sigtimedwait", A, A + 64, 0, 8)).toBe(SIGUSR1);
      expect(u.word(A + 64 + 12)).toBe(3);
    });
  });

  it("a stack that cannot take the frame ends the process with SIGSEGV", async () => {
    const { status } = await run(function* (u) {
      const h = u.handler(function* () {
        yield sys("getpid");
      });
      yield u.sigaction(SIGUSR1, h);
      u.lp.tf[18] = 0x2000;
      yield sys("kill", 2, SIGUSR1);
    });
    expect(status & 0x7f).toBe(11);
  });

  it("SIGIO ends a Linux program that does not expect it, and tells a DragonFly program nothing", async () => {
    const linux = await run(function* () {
      yield sys("kill", 2, SIGIO);
    });
    expect(linux.status & 0x7f).toBe(NATIVE_SIGIO);
    const bench = new UserBench();
    const status = await bench.run(
      bench.start(
        function* () {
          expect(yield dfly("kill", 2, NATIVE_SIGIO)).toBe(0);
        },
        undefined,
        "dragonfly",
      ),
    );
    expect(status).toBe(0);
  });

  it("init is not killed by what it does not catch", async () => {
    await run(function* (u) {
      expect(yield sys("kill", 1, 9)).toBe(0);
      expect(u.bench.k.procs.has(1)).toBe(true);
    });
  });

  it.each([
    ["kill number 65", ["kill", 2, 65], EINVAL],
    ["kill number -1", ["kill", 2, -1], EINVAL],
    ["kill nobody", ["kill", 4711, 1], ESRCH],
    ["kill 0 tests", ["kill", 2, 0], 0],
    ["tgkill of another group", ["tgkill", 1, 2, 1], ESRCH],
    ["tgkill 0", ["tgkill", 0, 2, 1], EINVAL],
    ["sigaction for KILL", ["rt_sigaction", 9, A, 0, 8], EINVAL],
    ["sigaction for 0", ["rt_sigaction", 0, 0, 0, 8], EINVAL],
    ["sigaction with a short set", ["rt_sigaction", 1, 0, 0, 4], EINVAL],
    ["sigaction at a wild address", ["rt_sigaction", 1, 16, 0, 8], EFAULT],
    ["sigprocmask how 3", ["rt_sigprocmask", 3, A, 0, 8], EINVAL],
    ["sigprocmask at a wild address", ["rt_sigprocmask", 0, -4096, 0, 8], EFAULT],
    ["sigaltstack that changes nothing", ["sigaltstack", A, 0], 0],
  ] as const)("%s", async (_what, [name, ...args], want) => {
    await run(function* () {
      expect(yield sys(name, ...args)).toBe(want);
    });
  });

  it("a user signals only his own", async () => {
    await run(function* (u) {
      u.child(function* () {
        yield sys("setresuid32", 1000, 1000, 1000);
        expect(yield sys("kill", 2, SIGHUP)).toBe(EPERM);
        expect(yield sys("kill", 2, SIGCONT)).toBe(0);
        expect(yield sys("setresuid32", 0, 0, 0)).toBe(EPERM);
        expect(yield sys("setpriority", 0, 0, -5)).toBe(-13);
        expect(yield sys("reboot", 0xfee1_dead | 0, 672274793, 0xcdef_0123 | 0, 0)).toBe(EPERM);
        expect(yield sys("sethostname", A, 1)).toBe(EPERM);
        expect(yield sys("stime", A)).toBe(EPERM);
        yield sys("exit", 0);
      });
      yield sys("fork");
      yield sys("wait4", -1, A, 0, 0);
      expect(u.word(A)).toBe(0);
    });
  });

  it("a stop signal from a terminal does not stop an orphaned group", async () => {
    await run(function* () {
      expect(yield sys("kill", 2, SIGTSTP)).toBe(0);
      expect(yield sys("getpid")).toBe(2);
    });
  });
});

describe("timers and clocks", () => {
  it("nanosleep takes its time and rejects bad values", async () => {
    await run(function* (u) {
      const t0 = u.bench.nanouptime();
      u.words(A, 2, 500_000_000);
      expect(yield sys("nanosleep", A, 0)).toBe(0);
      expect(u.bench.nanouptime() - t0).toBeGreaterThanOrEqual(2.5e9);
      for (const [sec, nsec] of [
        [-1, 0],
        [0, 1_000_000_000],
        [0, -1],
      ] as const) {
        u.words(A, sec, nsec);
        expect(yield sys("nanosleep", A, 0)).toBe(EINVAL);
      }
      expect(yield sys("nanosleep", 16, 0)).toBe(EFAULT);
    });
  });

  it("alarm interrupts; the rest of a sleep is stored", async () => {
    await run(function* (u) {
      const h = u.handler(function* () {
        yield sys("getpid");
      });
      yield u.sigaction(14, h, SA_RESTART);
      expect(yield sys("alarm", 1)).toBe(0);
      u.words(A, 3, 0);
      expect(yield sys("nanosleep", A, A + 16)).toBe(EINTR);
      expect(u.word(A + 16) + u.word(A + 20) / 1e9).toBeCloseTo(2, 3);
    });
  });

  it("a POSIX timer repeats and counts what was missed", async () => {
    await run(function* (u) {
      let n = 0;
      const h = u.handler(function* () {
        n++;
        yield sys("getpid");
      });
      yield u.sigaction(SIGUSR1, h);
      u.words(A, 5, SIGUSR1, 0, 0);
      expect(yield sys("timer_create", 1, A, A + 32)).toBe(0);
      const id = u.word(A + 32);
      u.words(A + 64, 0, 10_000_000, 0, 10_000_000);
      expect(yield sys("timer_settime", id, 0, A + 64, 0)).toBe(0);
      for (let i = 0; i < 3; i++) yield sys("pause");
      expect(n).toBe(3);
      expect(yield sys("timer_delete", id)).toBe(0);
      expect(yield sys("timer_delete", id)).toBe(EINVAL);
    });
  });

  it("timer_create of a processor clock counts what is computed, not what is slept", async () => {
    await run(function* (u) {
      let n = 0;
      yield u.sigaction(SIGUSR1, u.handler(function* () {
        n++;
        yield sys("getpid");
      }));
      u.words(A, 5, SIGUSR1, 0, 0);
      expect(yield sys("timer_create", CLOCK_PROCESS_CPUTIME_ID, A, A + 32)).toBe(0);
      u.words(A + 64, 0, 20_000_000, 0, 50_000_000);
      expect(yield sys("timer_settime", u.word(A + 32), 0, A + 64, 0)).toBe(0);
      u.words(A + 128, 0, 200_000_000);
      yield sys("nanosleep", A + 128, 0);
      expect(n).toBe(0);
      expect(yield sys("timer_gettime", u.word(A + 32), A + 64)).toBe(0);
      expect(u.word(A + 76)).toBeGreaterThan(40_000_000);
      for (let i = 0; i < 10; i++) yield compute(10_000_000);
      expect(n).toBeGreaterThanOrEqual(2);
      yield sys("timer_delete", u.word(A + 32));
      const before = n;
      yield compute(100_000_000);
      expect(n).toBe(before);
    });
  });

  it("clock_nanosleep waits for another process's processor time", async () => {
    await run(function* (u) {
      u.child(function* () {
        for (let i = 0; i < 20; i++) yield compute(10_000_000);
      });
      const pid = yield sys("fork");
      u.words(A, 0, 100_000_000);
      expect(yield sys("clock_nanosleep", (~pid << 3) | 2, 1, A, 0)).toBe(0);
      expect(yield sys("clock_gettime", (~pid << 3) | 2, A)).toBe(0);
      expect(u.word(A + 4)).toBeGreaterThanOrEqual(100_000_000);
      expect(u.word(A + 4)).toBeLessThan(200_000_000);
      expect(yield sys("clock_nanosleep", 3, 1, A, 0)).toBe(EINVAL);
      yield sys("wait4", pid, 0, 0, 0);
    });
  });
});
