// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { psignal } from "../../src/kern/sig.ts";
import { DATA, type Program, run, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ESRCH = -3, ECHILD = -10, EAGAIN = -11, EINVAL = -22, ENOSYS = -38;
const SIGTERM = 15, SIGCHLD = 17, SIGCONT = 18, SIGSTOP = 19;
const WNOHANG = 1, WUNTRACED = 2, WCONTINUED = 8;
const A = DATA;

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
      const WEXITED = 4,
        WNOWAIT = 0x0100_0000;
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
      u.words(A, 10, 65537);
      expect(yield sys("setrlimit", 7, A)).toBe(EPERM);
      yield sys("setresuid32", 5, 5, 5);
      u.words(A, 10, 21);
      expect(yield sys("setrlimit", 7, A)).toBe(EPERM);
      expect(yield sys("setrlimit", 99, A)).toBe(EINVAL);
    });
  });
});
