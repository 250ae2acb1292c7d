// SPDX-License-Identifier: BSD-3-Clause
/** ptrace(2) through the real dispatcher: stops, registers, events, ends. Values are those of Linux's ptrace(2) on i386. */
import { describe, expect, it } from "vitest";
import { type Call, DATA, type Program, type User, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ESRCH = -3, EIO = -5, ECHILD = -10, EINVAL = -22, ENOSYS = -38;
const SIGTRAP = 5, SIGKILL = 9, SIGUSR1 = 10, SIGTERM = 15, SIGCHLD = 17, SIGSTOP = 19;
const TRACEME = 0, PEEKDATA = 2, PEEKUSR = 3, POKEDATA = 5, POKEUSR = 6, CONT = 7, GETREGS = 12, SETREGS = 13, ATTACH = 16, DETACH = 17;
const SYSCALL = 24, SETOPTIONS = 0x4200, GETEVENTMSG = 0x4201, GETSIGINFO = 0x4202, SEIZE = 0x4206, INTERRUPT = 0x4207;
const O_SYSGOOD = 1, O_TRACEFORK = 2, O_TRACEVFORK = 4, O_TRACEEXIT = 0x40, O_EXITKILL = 0x10_0000;
const WNOHANG = 1, WALL = 0x4000_0000;
const STATUS = DATA, REGS = DATA + 0x100, WORD = DATA + 0x200, TS = DATA + 0x300, MEM = DATA + 0x2000;
/** Indices in struct user_regs_struct. */
const EBX = 0, EAX = 6, ORIG_EAX = 11, CS = 13;

const ptrace = (request: number, pid: number, addr = 0, data = 0): Call => sys("ptrace", request, pid, addr, data);
const stopped = (sig: number, event = 0): number => (((event << 8) | sig) << 8) | 0x7f;

async function run(program: Program): Promise<UserBench> {
  const bench = new UserBench();
  await bench.run(bench.start(program));
  return bench;
}

/** Forks a child that asks to be traced and stops itself, and waits for that stop. Returns its pid. */
function* traced(u: User, child: Program): Generator<Call, number, number> {
  u.child(function* (c) {
    expect(yield ptrace(TRACEME, 0)).toBe(0);
    yield sys("kill", yield sys("getpid"), SIGSTOP);
    yield* child(c);
  });
  const pid = yield sys("fork");
  expect(yield sys("wait4", pid, STATUS, 0, 0)).toBe(pid);
  expect(u.word(STATUS)).toBe(stopped(SIGSTOP));
  return pid;
}

/** Waits for `pid` and returns its status. */
function* next(u: User, pid: number): Generator<Call, number, number> {
  expect(yield sys("wait4", pid, STATUS, WALL, 0)).toBe(pid);
  return u.word(STATUS);
}

describe("signals", () => {
  it("a signal is shown first; the tracer may drop it, let it pass or give another", async () => {
    await run(function* (u) {
      const pid = yield* traced(u, function* () {
        const self = yield sys("getpid");
        yield sys("kill", self, SIGUSR1);
        yield sys("kill", self, SIGCHLD);
        yield sys("kill", self, SIGUSR1);
      });
      yield ptrace(CONT, pid);
      expect(yield* next(u, pid)).toBe(stopped(SIGUSR1));
      expect(yield ptrace(GETSIGINFO, pid, 0, REGS)).toBe(0);
      expect([u.word(REGS), u.word(REGS + 8), u.word(REGS + 12)]).toEqual([SIGUSR1, 0, pid]);
      yield ptrace(CONT, pid, 0, 0);
      // Ignored by default, and shown all the same.
      expect(yield* next(u, pid)).toBe(stopped(SIGCHLD));
      yield ptrace(CONT, pid, 0, SIGCHLD);
      expect(yield* next(u, pid)).toBe(stopped(SIGUSR1));
      yield ptrace(CONT, pid, 0, SIGTERM);
      expect(yield* next(u, pid)).toBe(SIGTERM);
      expect(yield sys("wait4", -1, 0, 0, 0)).toBe(ECHILD);
    });
  });

  it("SIGKILL ends a stopped thread; nothing else reaches it", async () => {
    await run(function* (u) {
      const pid = yield* traced(u, function* () {
        expect.unreachable();
        yield sys("getpid");
      });
      yield sys("kill", pid, SIGTERM);
      expect(yield sys("wait4", pid, STATUS, WNOHANG, 0)).toBe(0);
      yield sys("kill", pid, SIGKILL);
      expect(yield* next(u, pid)).toBe(SIGKILL);
    });
  });
});

describe("system calls", () => {
  it("stops at entry and exit, with number and result; both can be changed", async () => {
    await run(function* (u) {
      const pid = yield* traced(u, function* () {
        expect(yield sys("getppid")).toBe(77);
        expect(yield sys("umask", 0o22)).toBe(0o123);
        expect(yield sys("exit_group", 4)).toBe(ENOSYS);
        yield sys("exit_group", 6);
      });
      expect(yield ptrace(SETOPTIONS, pid, 0, O_SYSGOOD)).toBe(0);
      const at: number[][] = [];
      const go = function* (): Generator<Call, void, number> {
        yield ptrace(SYSCALL, pid);
        expect(yield* next(u, pid)).toBe(stopped(SIGTRAP | 0x80));
        yield ptrace(GETREGS, pid, 0, REGS);
        at.push([ORIG_EAX, EAX, EBX].map((n) => u.word(REGS + 4 * n)));
      };
      yield* go();
      yield* go();
      yield ptrace(POKEUSR, pid, EAX * 4, 77);
      // umask: another argument at its entry, seen by the next call
      yield* go();
      yield ptrace(POKEUSR, pid, EBX * 4, 0o123);
      yield* go();
      yield ptrace(POKEUSR, pid, EAX * 4, 0o123);
      // exit_group is not made
      yield* go();
      yield ptrace(POKEUSR, pid, ORIG_EAX * 4, -1);
      yield* go();
      yield* go();
      expect(at.map(([nr, eax]) => [nr, eax])).toEqual([
        [64, ENOSYS], [64, u.proc.pid], [60, ENOSYS], [60, 0o22], [252, ENOSYS], [-1, ENOSYS], [252, ENOSYS],
      ]);
      yield ptrace(CONT, pid);
      expect(yield* next(u, pid)).toBe(6 << 8);
    });
  });

  it("a sleep that a dropped signal interrupts goes on to its time; with a handler it fails", async () => {
    await run(function* (u) {
      const pid = yield* traced(u, function* (c) {
        c.words(TS, 5, 0);
        expect(yield sys("nanosleep", TS, 0)).toBe(0);
        yield c.sigaction(
          SIGUSR1,
          c.handler(function* () {}),
        );
        expect(yield sys("nanosleep", TS, 0)).toBe(-4);
      });
      yield ptrace(CONT, pid);
      u.words(TS, 2, 0);
      const start = u.bench.nanouptime();
      yield sys("nanosleep", TS, 0);
      yield sys("kill", pid, SIGUSR1);
      expect(yield* next(u, pid)).toBe(stopped(SIGUSR1));
      yield ptrace(CONT, pid, 0, 0);
      yield sys("nanosleep", TS, 0);
      u.words(TS, 1, 500_000_000);
      yield sys("nanosleep", TS, 0);
      expect((u.bench.nanouptime() - start) / 1e9).toBeCloseTo(5.5, 1);
      yield sys("kill", pid, SIGUSR1);
      expect(yield* next(u, pid)).toBe(stopped(SIGUSR1));
      yield ptrace(CONT, pid, 0, SIGUSR1);
      expect(yield* next(u, pid)).toBe(0);
    });
  });
});

describe("memory and registers", () => {
  it("reads and stores words, into pages that the thread may not write, too, and nobody else sees them", async () => {
    await run(function* (u) {
      u.setWord(MEM, 0x1234);
      yield sys("mprotect", MEM, 4096, 1);
      const pid = yield* traced(u, function* (c) {
        expect(c.word(MEM)).toBe(0x5678);
        yield sys("exit_group", 3);
      });
      yield sys("mprotect", MEM, 4096, 3);
      expect(yield ptrace(PEEKDATA, pid, MEM, WORD)).toBe(0);
      expect(u.word(WORD)).toBe(0x1234);
      expect(yield ptrace(POKEDATA, pid, MEM, 0x5678)).toBe(0);
      expect(u.word(MEM)).toBe(0x1234);
      expect(yield ptrace(PEEKDATA, pid, 16, WORD)).toBe(EIO);
      expect(yield ptrace(POKEDATA, pid, 16, 1)).toBe(EIO);
      yield ptrace(CONT, pid);
      expect(yield* next(u, pid)).toBe(3 << 8);
    });
  });

  it("D11: refuses selectors of the kernel, masks flags, and offsets outside of struct user", async () => {
    await run(function* (u) {
      const pid = yield* traced(u, function* () {
        yield sys("exit_group", 0);
      });
      yield ptrace(GETREGS, pid, 0, REGS);
      u.setWord(REGS + 4 * CS, 8);
      expect(yield ptrace(SETREGS, pid, 0, REGS)).toBe(EIO);
      expect(yield ptrace(POKEUSR, pid, 14 * 4, -1)).toBe(0);
      yield ptrace(PEEKUSR, pid, 14 * 4, WORD);
      expect(u.word(WORD) & 0x3000).toBe(0);
      expect(yield ptrace(PEEKUSR, pid, 284, WORD)).toBe(EIO);
      expect(yield ptrace(PEEKUSR, pid, 2, WORD)).toBe(EIO);
      expect(yield ptrace(999, pid)).toBe(EIO);
      // A read cannot be watched.
      expect(yield ptrace(POKEUSR, pid, 252 + 28, 0x0003_0001)).toBe(EINVAL);
      yield ptrace(CONT, pid);
      expect(yield* next(u, pid)).toBe(0);
    });
  });
});

describe("events", () => {
  it("fork: the child is traced from its beginning, and named in the message", async () => {
    await run(function* (u) {
      const pid = yield* traced(u, function* (c) {
        c.child(function* () {
          yield sys("exit", 9);
        });
        const child = yield sys("fork");
        yield sys("wait4", child, STATUS, 0, 0);
        yield sys("exit_group", c.word(STATUS) >> 8);
      });
      yield ptrace(SETOPTIONS, pid, 0, O_TRACEFORK);
      yield ptrace(CONT, pid);
      expect(yield* next(u, pid)).toBe(stopped(SIGTRAP, 1));
      yield ptrace(GETEVENTMSG, pid, 0, WORD);
      const child = u.word(WORD);
      expect(yield* next(u, child)).toBe(stopped(SIGSTOP));
      yield ptrace(CONT, pid);
      yield ptrace(CONT, child);
      // Its tracer hears of its end before its parent.
      expect(yield* next(u, child)).toBe(9 << 8);
      let status = yield* next(u, pid);
      if (status === stopped(SIGCHLD)) {
        yield ptrace(CONT, pid);
        status = yield* next(u, pid);
      }
      expect(status).toBe(9 << 8);
    });
  });

  it("vfork: reported before the parent waits; exit: with the status, before the end", async () => {
    await run(function* (u) {
      const pid = yield* traced(u, function* (c) {
        c.child(function* () {
          yield sys("exit_group", 2);
        });
        yield sys("vfork");
        yield sys("exit_group", 5);
      });
      yield ptrace(SETOPTIONS, pid, 0, O_TRACEVFORK | O_TRACEEXIT);
      yield ptrace(CONT, pid);
      expect(yield* next(u, pid)).toBe(stopped(SIGTRAP, 2));
      yield ptrace(GETEVENTMSG, pid, 0, WORD);
      const child = u.word(WORD);
      expect(yield* next(u, child)).toBe(stopped(SIGSTOP));
      yield ptrace(CONT, child);
      yield ptrace(CONT, pid);
      expect(yield* next(u, child)).toBe(stopped(SIGTRAP, 6));
      yield ptrace(CONT, child);
      expect(yield* next(u, child)).toBe(2 << 8);
      let status = yield* next(u, pid);
      if (status === stopped(SIGCHLD)) {
        yield ptrace(CONT, pid);
        status = yield* next(u, pid);
      }
      expect(status).toBe(stopped(SIGTRAP, 6));
      yield ptrace(GETEVENTMSG, pid, 0, WORD);
      expect(u.word(WORD)).toBe(5 << 8);
      yield ptrace(CONT, pid);
      expect(yield* next(u, pid)).toBe(5 << 8);
    });
  });
});

describe("attaching", () => {
  it("a sleeping process stops, and sleeps on after detach; strangers get ESRCH, a second tracer EPERM", async () => {
    await run(function* (u) {
      u.child(function* (c) {
        c.words(TS, 10, 0);
        expect(yield sys("nanosleep", TS, 0)).toBe(0);
      });
      const pid = yield sys("fork");
      u.words(TS, 1, 0);
      yield sys("nanosleep", TS, 0);
      expect(yield ptrace(CONT, pid)).toBe(ESRCH);
      expect(yield ptrace(ATTACH, 999)).toBe(ESRCH);
      expect(yield ptrace(ATTACH, u.proc.pid)).toBe(EPERM);
      expect(yield ptrace(ATTACH, pid)).toBe(0);
      expect(yield ptrace(ATTACH, pid)).toBe(EPERM);
      expect(yield* next(u, pid)).toBe(stopped(SIGSTOP));
      expect(yield ptrace(DETACH, pid)).toBe(0);
      expect(yield sys("wait4", pid, STATUS, WNOHANG, 0)).toBe(0);
      expect(yield* next(u, pid)).toBe(0);
    });
  });

  it("SEIZE does not stop; INTERRUPT does, with an event", async () => {
    await run(function* (u) {
      u.child(function* () {
        yield sys("pause");
      });
      const pid = yield sys("fork");
      yield sys("sched_yield");
      expect(yield ptrace(SEIZE, pid, 0, 0)).toBe(0);
      expect(yield sys("wait4", pid, STATUS, WNOHANG | WALL, 0)).toBe(0);
      expect(yield ptrace(INTERRUPT, pid)).toBe(0);
      expect(yield* next(u, pid)).toBe(stopped(SIGTRAP, 128));
      // Such a stop has no signal that could be replaced.
      yield ptrace(DETACH, pid, 0, SIGUSR1);
      yield sys("kill", pid, SIGTERM);
      expect(yield* next(u, pid)).toBe(SIGTERM);
    });
  });

  it("what a tracer leaves behind goes on, or ends with it if asked", async () => {
    for (const [options, want] of [[0, 7 << 8], [O_EXITKILL, SIGKILL]] as const) {
      await run(function* (u) {
        u.child(function* (c) {
          c.words(TS, 3, 0);
          yield sys("nanosleep", TS, 0);
          yield sys("exit_group", 7);
        });
        const victim = yield sys("fork");
        u.words(TS, 1, 0);
        yield sys("nanosleep", TS, 0);
        u.child(function* () {
          yield ptrace(SEIZE, victim, 0, options);
          yield sys("exit_group", 0);
        });
        const tracer = yield sys("fork");
        expect(yield* next(u, tracer)).toBe(0);
        expect(yield* next(u, victim)).toBe(want);
      });
    }
  });
});

describe("vfork", () => {
  it("K3: a parent that waits for its child can be killed", async () => {
    await run(function* (u) {
      u.child(function* (c) {
        c.child(function* () {
          yield sys("pause");
        });
        yield sys("vfork");
      });
      const pid = yield sys("fork");
      u.words(TS, 1, 0);
      yield sys("nanosleep", TS, 0);
      yield sys("kill", pid, SIGUSR1);
      expect(yield* next(u, pid)).toBe(SIGUSR1);
    });
  });
});
