// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { psignal } from "../../src/kern/sig.ts";
import { DATA, type Program, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ESRCH = -3, EINTR = -4, EBADF = -9, ECHILD = -10, EAGAIN = -11, EFAULT = -14, EINVAL = -22, EPIPE = -32, ENOSYS = -38;
const SIGHUP = 1, SIGUSR1 = 10, SIGPIPE = 13, SIGTERM = 15, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19, SIGTSTP = 20;
const SA_RESTART = 0x1000_0000, SA_SIGINFO = 4, SA_NODEFER = 0x4000_0000;
const WNOHANG = 1, WUNTRACED = 2, WCONTINUED = 8;
const A = DATA;

/** Runs one program as the superuser; returns bench and wait status. */
async function run(program: Program): Promise<{ bench: UserBench; status: number }> {
  const bench = new UserBench();
  const p = bench.start(program);
  const status = await bench.run(p);
  return { bench, status };
}

describe("exit and wait", () => {
  it.each([
    [0, 0],
    [7, 0x0700],
    [256 + 3, 0x0300],
    [-1, 0xff00],
  ])("exit_group(%i) gives status %i", async (code, want) => {
    const { status } = await run(function* () {
      yield sys("exit_group", code);
    });
    expect(status).toBe(want);
  });

  it("W1: a child is reported once, with its status and pid", async () => {
    await run(function* (u) {
      u.child(function* () {
        yield sys("exit", 5);
      });
      const pid = yield sys("fork");
      expect(pid).toBe(3);
      expect(yield sys("wait4", -1, A, 0, 0)).toBe(pid);
      expect(u.word(A)).toBe(5 << 8);
      expect(yield sys("wait4", -1, A, 0, 0)).toBe(ECHILD);
    });
  });

  it("a child sees 0, its own pid and its parent's", async () => {
    await run(function* (u) {
      u.child(function* () {
        expect(yield sys("getpid")).toBe(3);
        expect(yield sys("getppid")).toBe(2);
        expect(yield sys("gettid")).toBe(3);
      });
      yield sys("fork");
      yield sys("waitpid", -1, 0, 0);
    });
  });

  it("WNOHANG returns 0 while the child lives; kill is reported as a signal", async () => {
    await run(function* (u) {
      u.child(function* () {
        yield sys("pause");
      });
      const pid = yield sys("fork");
      expect(yield sys("wait4", pid, A, WNOHANG, 0)).toBe(0);
      expect(yield sys("kill", pid, SIGTERM)).toBe(0);
      expect(yield sys("wait4", pid, A, 0, 0)).toBe(pid);
      expect(u.word(A)).toBe(SIGTERM);
    });
  });

  it.each([
    ["unknown option", [-1, 0, 0x10, 0], EINVAL],
    ["no children", [-1, 0, 0, 0], ECHILD],
    ["not a child", [1, 0, 0, 0], ECHILD],
    ["impossible group", [-0x8000_0000, 0, 0, 0], ESRCH],
  ])("wait4: %s", async (_what, args, want) => {
    await run(function* () {
      expect(yield sys("wait4", ...args)).toBe(want);
    });
  });

  it("stop and continuation are reported once each, with WUNTRACED and WCONTINUED", async () => {
    await run(function* (u) {
      u.child(function* () {
        for (;;) yield sys("pause");
      });
      const pid = yield sys("fork");
      yield sys("kill", pid, SIGSTOP);
      expect(yield sys("wait4", -1, A, WUNTRACED, 0)).toBe(pid);
      expect(u.word(A)).toBe((SIGSTOP << 8) | 0x7f);
      expect(yield sys("wait4", -1, A, WUNTRACED | WNOHANG, 0)).toBe(0);
      yield sys("kill", pid, SIGCONT);
      expect(yield sys("wait4", -1, A, WCONTINUED, 0)).toBe(pid);
      expect(u.word(A)).toBe(0xffff);
      yield sys("kill", pid, 9);
      expect(yield sys("wait4", -1, A, 0, 0)).toBe(pid);
      expect(u.word(A)).toBe(9);
    });
  });

  it("a stopped process can be killed", async () => {
    await run(function* (u) {
      u.child(function* () {
        for (;;) yield sys("pause");
      });
      const pid = yield sys("fork");
      yield sys("kill", pid, SIGSTOP);
      yield sys("wait4", -1, A, WUNTRACED, 0);
      yield sys("kill", pid, 9);
      expect(yield sys("wait4", -1, A, 0, 0)).toBe(pid);
    });
  });

  it("waitid fills siginfo and WNOWAIT leaves the child", async () => {
    await run(function* (u) {
      u.child(function* () {
        yield sys("exit", 9);
      });
      const pid = yield sys("fork");
      const WEXITED = 4, WNOWAIT = 0x0100_0000;
      for (const flags of [WEXITED | WNOWAIT, WEXITED]) {
        expect(yield sys("waitid", 1, pid, A, flags, 0)).toBe(0);
        expect([u.word(A), u.word(A + 8), u.word(A + 12), u.word(A + 20)]).toEqual([SIGCHLD, 1, pid, 9]);
      }
      expect(yield sys("waitid", 0, 0, A, WEXITED, 0)).toBe(ECHILD);
      expect(yield sys("waitid", 0, 0, A, 0, 0)).toBe(EINVAL);
    });
  });

  it("with SIGCHLD ignored no zombies are left and wait ends with ECHILD", async () => {
    const { bench } = await run(function* (u) {
      yield u.sigaction(SIGCHLD, 1);
      u.child(function* () {
        yield sys("exit", 1);
      });
      yield sys("fork");
      expect(yield sys("wait4", -1, 0, 0, 0)).toBe(ECHILD);
    });
    expect([...bench.k.procs.keys()]).toEqual([1]);
  });

  it("E3: orphans go to init, which reaps them", async () => {
    const { bench } = await run(function* (u) {
      u.child(function* (c) {
        c.child(function* () {
          yield sys("pause");
        });
        yield sys("fork");
        yield sys("exit", 0);
      });
      yield sys("fork");
      yield sys("wait4", -1, 0, 0, 0);
      const orphan = u.bench.k.procs.get(4)!;
      expect(orphan.parent).toBe(u.bench.k.init);
      yield sys("kill", 4, 9);
      for (let i = 0; i < 50; i++) yield sys("sched_yield");
    });
    expect(bench.k.procs.has(4)).toBe(false);
  });

  it("vfork holds the parent until the child has gone", async () => {
    const order: string[] = [];
    await run(function* (u) {
      u.child(function* () {
        order.push("child");
        yield sys("sched_yield");
        order.push("child ends");
        yield sys("exit", 0);
      });
      yield sys("vfork");
      order.push("parent");
    });
    expect(order).toEqual(["child", "child ends", "parent"]);
  });

  it("F1: the process table has a limit, and nothing is left over", async () => {
    const { bench } = await run(function* (u) {
      const before = u.bench.k.procs.size;
      (u.bench.k as { maxproc: number }).maxproc = before + 1;
      u.child(function* () {
        yield sys("pause");
      });
      expect(yield sys("fork")).toBe(3);
      expect(yield sys("fork")).toBe(EAGAIN);
      yield sys("kill", 3, 9);
      yield sys("wait4", -1, 0, 0, 0);
      expect(u.bench.k.procs.size).toBe(before);
    });
    expect(bench.log.join("\n")).toContain("process table is full");
  });
});

describe("scheduling", () => {
  it("Q4, F1: a fork bomb does not keep others from the processor, and ends with the system", async () => {
    const bench = new UserBench(64 * 1024 * 1024);
    (bench.k as { maxproc: number }).maxproc = 60;
    const bomb: Program = function* (u) {
      for (;;) {
        u.bench.nextChild = bomb;
        yield sys("fork");
        yield sys("sched_yield");
      }
    };
    let ticks = 0;
    const p = bench.start(function* (u) {
      u.child(bomb);
      yield sys("fork");
      u.words(A, 0, 1_000_000);
      while (ticks < 20) {
        yield sys("nanosleep", A, 0);
        ticks++;
      }
    });
    await bench.run(p);
    expect(ticks).toBe(20);
    expect(bench.k.procs.size).toBeGreaterThan(40);
    bench.k.requestShutdown({ how: "halt", nosync: false });
    for (const victim of [...bench.k.procs.values()]) psignal(victim, 9);
    await bench.k.sched.run(() => bench.k.lwps.size === 0);
    expect(bench.k.lwps.size).toBe(0);
  });
});

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
      for (const [sig, value] of [[40, 1], [34, 2], [34, 3]] as const) {
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
    for (const [flags, depth] of [[0, 1], [SA_NODEFER, 3]] as const) {
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
    ["sigaltstack too small", ["sigaltstack", A, 0], -12],
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

describe("threads and futexes", () => {
  const THREAD = 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000 | 0x4_0000;
  const CHILD_CLEARTID = 0x20_0000, PARENT_SETTID = 0x10_0000;

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

  it("a robust mutex of a dying thread is marked and handed on", async () => {
    await run(function* (u) {
      u.child(function* (t) {
        const tid = yield sys("gettid");
        const head = A + 256, entry = A + 300, OFFSET = 8;
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

describe("timers and clocks", () => {
  it("nanosleep takes its time and rejects bad values", async () => {
    await run(function* (u) {
      const t0 = u.bench.nanouptime();
      u.words(A, 2, 500_000_000);
      expect(yield sys("nanosleep", A, 0)).toBe(0);
      expect(u.bench.nanouptime() - t0).toBeGreaterThanOrEqual(2.5e9);
      for (const [sec, nsec] of [[-1, 0], [0, 1_000_000_000], [0, -1]] as const) {
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
      const ET = -0x8000_0000, ONESHOT = 0x4000_0000;
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
});

describe("the table", () => {
  it("D1: numbers outside of it are ENOSYS, and reported once by name", async () => {
    const { bench } = await run(function* () {
      for (const nr of [-1, 451, 0x7fff_ffff, -0x8000_0000]) expect(yield { nr, args: [] }).toBe(ENOSYS);
      expect(yield sys("kexec_load")).toBe(ENOSYS);
      expect(yield sys("kexec_load")).toBe(ENOSYS);
    });
    expect(bench.log.filter((l) => l.includes("kexec_load"))).toHaveLength(1);
  });

  it("limits: prlimit64 and setrlimit agree; max cannot be raised by a user", async () => {
    await run(function* (u) {
      u.words(A, 10, 0, 20, 0);
      expect(yield sys("prlimit64", 0, 7, A, A + 32)).toBe(0);
      expect(u.word(A + 32)).toBe(1024);
      expect(yield sys("ugetrlimit", 7, A)).toBe(0);
      expect([u.word(A), u.word(A + 4)]).toEqual([10, 20]);
      u.words(A, 30, 20);
      expect(yield sys("setrlimit", 7, A)).toBe(EINVAL);
      yield sys("setresuid32", 5, 5, 5);
      u.words(A, 10, 21);
      expect(yield sys("setrlimit", 7, A)).toBe(EPERM);
      expect(yield sys("setrlimit", 99, A)).toBe(EINVAL);
    });
  });
});
