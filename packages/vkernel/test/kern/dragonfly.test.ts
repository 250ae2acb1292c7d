// SPDX-License-Identifier: BSD-3-Clause
/** What DragonFly's own calls do: variant symlinks, scheduling, old calls, System V IPC, mountctl, revoke, accounting. */
import { describe, expect, it } from "vitest";
import { NullDev } from "../../src/dev/mem.ts";
import { compT } from "../../src/kern/acct.ts";
import { expandLink } from "../../src/vfs/nlookup.ts";
import { type Call, DATA, dfly, type Program, type User, UserBench } from "./user-bench.ts";

const ENOENT = -2, EIO = -5, E2BIG = -7, EBADF = -9, EAGAIN = -35, EIDRM = -82;
const Z = DATA + 0x8000, OUT = DATA + 0xa000, PATH = DATA + 0x1000;

async function run(program: Program, prepare: (bench: UserBench) => void = () => {}): Promise<UserBench> {
  const bench = new UserBench();
  prepare(bench);
  expect(await bench.run(bench.start(program, undefined, "dragonfly"))).toBe(0);
  return bench;
}
function str(u: User, ...texts: string[]): number[] {
  let at = PATH;
  return texts.map((t) => {
    const here = u.text(at, t);
    at += (t.length + 16) & ~7;
    return here;
  });
}
const PROC = 1, USER = 2, SYS = 3;
/** Sets or (with 0) clears a sysctl of one int by its numbers. */
function setInt(u: User, mib: number[], value: number): Call {
  u.words(Z, ...mib);
  u.words(Z + 64, value);
  return dfly("__sysctl", Z, mib.length, 0, 0, Z + 64, 4);
}

describe("variant symlinks", () => {
  it.each([
    ["${A}", "x"],
    ["/usr/${A}/${B}/bin", "/usr/x/yy/bin"],
    ["${NONE}", "${NONE}"],
    ["${A", "${A"],
    ["$A ${}", "$A ${}"],
    ["${C}", "${A}"],
  ])("%s becomes %s", (text, want) => {
    const vars = new Map([["A", "x"], ["B", "yy"], ["C", "${A}"]]);
    expect(expandLink(text, { varsym: (name) => vars.get(name) })).toBe(want);
  });

  it("are followed when vfs.varsym_enable is set, the process's value before the user's and the system's", async () => {
    await run(function* (u) {
      const [link, target, a, b, c, dirs] = str(u, "/link", "/${WHERE}", "/a", "/b", "/c", "WHERE");
      for (const d of [a!, b!, c!]) yield dfly("mkdir", d, 0o755);
      yield dfly("symlink", target!, link!);
      expect(yield dfly("chdir", link!)).toBe(ENOENT);
      expect(yield setInt(u, [3, 0x100], 1)).toBe(0);
      const cwd = function* (): Generator<Call, string, number> {
        expect(yield dfly("chdir", link!)).toBe(0);
        yield dfly("__getcwd", OUT, 64);
        return u.str(OUT);
      };
      expect(yield dfly("chdir", link!)).toBe(ENOENT);
      yield dfly("varsym_set", SYS, dirs!, u.text(Z, "c"));
      expect(yield* cwd()).toBe("/c");
      yield dfly("varsym_set", USER, dirs!, u.text(Z, "b"));
      expect(yield* cwd()).toBe("/b");
      yield dfly("varsym_set", PROC, dirs!, u.text(Z, "a"));
      expect(yield* cwd()).toBe("/a");
      u.child(function* (child) {
        expect(yield dfly("varsym_get", -1, dirs!, OUT, 16)).toBe(2);
        expect(child.str(OUT)).toBe("a");
        yield dfly("varsym_set", PROC, dirs!, 0);
        expect(yield dfly("chdir", link!)).toBe(0);
      });
      const pid = yield dfly("fork");
      expect(yield dfly("wait4", pid, OUT, 0, 0)).toBe(pid);
      expect(u.word(OUT)).toBe(0);
      expect(yield* cwd()).toBe("/a");
      expect(yield dfly("readlink", link!, OUT, 64)).toBe(9);
    });
  });

  it("varsym_get and varsym_list: lengths, what does not fit, where to go on", async () => {
    await run(function* (u) {
      const [one, two, v1, v2] = str(u, "ONE", "TWO", "first", "second");
      yield dfly("varsym_set", PROC, one!, v1!);
      yield dfly("varsym_set", PROC, two!, v2!);
      expect(yield dfly("varsym_get", 1 << PROC, one!, OUT, 6)).toBe(6);
      expect(u.str(OUT)).toBe("first");
      expect(yield dfly("varsym_get", 1 << PROC, one!, OUT, 5)).toBe(6);
      expect(u.str(OUT)).toBe("");
      expect(yield dfly("varsym_get", 1 << USER, one!, OUT, 6)).toBe(ENOENT);
      u.setWord(Z, 0);
      expect(yield dfly("varsym_list", PROC, OUT, 12, Z)).toBe(10);
      expect([u.read(OUT, 10), u.word(Z)]).toEqual(["ONE\0first\0", 1]);
      expect(yield dfly("varsym_list", PROC, OUT, 64, Z)).toBe(11);
      expect([u.read(OUT, 11), u.word(Z)]).toEqual(["TWO\0second\0", -1]);
    });
  });

  it("a set is full at 8 KB", async () => {
    await run(function* (u) {
      const [name, value] = str(u, "N", "v".repeat(255));
      let n = 0;
      while ((yield dfly("varsym_set", PROC, u.text(name!, `V${n}`), value!)) === 0) n++;
      expect(yield dfly("varsym_set", PROC, u.text(name!, "MORE"), value!)).toBe(E2BIG);
      // 36 + name + 255 bytes each.
      expect(n).toBe(28);
    });
  });
});

describe("scheduling", () => {
  it("rtprio and its POSIX form are two views of one class", async () => {
    await run(function* (u) {
      u.setWord(Z, 5);
      expect(yield dfly("sched_setscheduler", 0, 3, Z)).toBe(0);
      expect(yield dfly("rtprio", 0, 0, OUT)).toBe(0);
      expect(u.word(OUT)).toBe(0 | (26 << 16));
      expect(yield dfly("sched_getscheduler", 0)).toBe(3);
      yield dfly("sched_getparam", 0, OUT);
      expect(u.word(OUT)).toBe(5);
      u.setWord(Z, 31);
      yield dfly("sched_setparam", 0, Z);
      yield dfly("lwp_rtprio", 0, 0, -1, OUT);
      expect(u.word(OUT)).toBe(0);
      u.setWord(Z, 2 | (7 << 16));
      expect(yield dfly("rtprio", 1, 0, Z)).toBe(0);
      expect(yield dfly("sched_getscheduler", 0)).toBe(2);
    });
  });

  it("an idle thread runs when nobody else does, a real-time one before all", async () => {
    const order: string[] = [];
    await run(function* (u) {
      const spin = (name: string, type: number) =>
        function* (c: User): Generator<Call, void, number> {
          c.setWord(Z, type);
          yield dfly("rtprio", 1, 0, Z);
          for (let i = 0; i < 3; i++) yield dfly("sched_yield");
          order.push(name);
        };
      for (const [name, type] of [["idle", 2], ["normal", 1], ["realtime", 0]] as const) {
        u.child(spin(name, type));
        yield dfly("fork");
      }
      for (let i = 0; i < 3; i++) yield dfly("wait4", -1, 0, 0, 0);
    });
    expect(order).toEqual(["realtime", "normal", "idle"]);
  });

  it("I/O priorities are kept in their bounds and inherited", async () => {
    await run(function* (u) {
      expect(yield dfly("ioprio_set", 0, 0, 99)).toBe(0);
      u.child(function* () {
        expect(yield dfly("ioprio_get", 0, 0)).toBe(10);
      });
      const pid = yield dfly("fork");
      expect(yield dfly("wait4", pid, Z, 0, 0)).toBe(pid);
    });
  });
});

describe("calls of 4.3BSD", () => {
  it("stat has 16-bit numbers and a size of 32 bits", async () => {
    await run(function* (u) {
      const [f] = str(u, "/f");
      const d = yield dfly("open", f!, 0x202, 0o640);
      yield dfly("write", d, Z, 77);
      expect(yield dfly("ofstat", d, OUT)).toBe(0);
      expect([u.word(OUT + 8) & 0xffff, u.word(OUT + 8) >>> 16, u.word(OUT + 20)]).toEqual([0o100640, 1, 77]);
      yield dfly("ftruncate", d, 0, 0, 1);
      expect(yield dfly("ostat", f!, OUT)).toBe(0);
      expect(u.word(OUT + 20)).toBe(-2);
    });
  });

  it("signal masks of one word, and sigvec's inverted restart bit", async () => {
    await run(function* (u) {
      expect(yield dfly("sigblock", 1 << 9)).toBe(0);
      expect(yield dfly("sigsetmask", -1)).toBe(1 << 9);
      // SIGKILL and SIGSTOP cannot be blocked.
      expect(yield dfly("sigsetmask", 0)).toBe(-1 & ~(1 << 8) & ~(1 << 16));
      u.words(Z, 0x0805_0000, 1 << 2, 0);
      yield dfly("sigvec", 30, Z, 0);
      yield dfly("sigaction", 30, 0, OUT);
      expect([u.word(OUT), u.word(OUT + 4), u.word(OUT + 8)]).toEqual([0x0805_0000, 2, 1 << 2]);
      yield dfly("sigvec", 30, 0, OUT);
      expect(u.word(OUT + 8)).toBe(0);
    });
  });

  it("wait returns the status as its second word", async () => {
    await run(function* (u) {
      u.child(function* () {
        yield dfly("exit", 6);
      });
      const pid = yield dfly("fork");
      expect(yield dfly("owait")).toBe(pid);
      expect(u.lp.tf[9]).toBe(6 << 8);
    });
  });

  it("addresses of sockets begin with a family of 16 bits", async () => {
    await run(function* (u) {
      yield dfly("socketpair", 1, 2, 0, Z);
      const s = u.word(Z);
      u.words(OUT + 64, 16);
      expect(yield dfly("ogetsockname", s, OUT, OUT + 64)).toBe(0);
      expect(u.word(OUT) & 0xffff).toBe(1);
      yield dfly("getsockname", s, OUT, OUT + 64);
      expect(u.word(OUT) & 0xffff).toBe(0x110);
    });
  });

  it("limits, the host's number, getkerninfo", async () => {
    await run(function* (u) {
      u.words(Z, 100, 200);
      expect(yield dfly("osetrlimit", 8, Z)).toBe(0);
      yield dfly("getrlimit", 8, OUT);
      expect([0, 4, 8, 12].map((at) => u.word(OUT + at))).toEqual([100, 0, 200, 0]);
      yield dfly("ogetrlimit", 0, OUT);
      expect(u.word(OUT)).toBe(0x7fff_ffff);
      yield dfly("sethostid", 1234);
      expect(yield dfly("gethostid")).toBe(1234);
      u.words(Z, 64);
      expect(yield dfly("getkerninfo", 6 << 8, OUT, Z, 0)).toBe(20);
      expect([u.word(Z), u.word(OUT) * u.word(OUT + 4)]).toEqual([20, 1_000_000]);
    });
  });
});

describe("System V IPC", () => {
  it("shared memory is seen by both, and its structure tells who and how much", async () => {
    await run(function* (u) {
      const id = yield dfly("shmget", 77, 5000, 0x200 | 0o640);
      const at = (yield dfly("shmat", id, 0, 0)) >>> 0;
      u.child(function* (c) {
        c.setWord(at, 4711);
        yield dfly("exit", 0);
      });
      yield dfly("fork");
      yield dfly("wait4", -1, 0, 0, 0);
      expect(u.word(at)).toBe(4711);
      expect(yield dfly("shmctl", id, 2, OUT)).toBe(0);
      expect([u.word(OUT + 8) & 0xffff, u.word(OUT + 12), u.word(OUT + 16), u.word(OUT + 28) & 0xffff]).toEqual([0o640, 77, 5000, 1]);
      expect(yield dfly("shmdt", at)).toBe(0);
      expect(yield dfly("shmctl", id, 0, 0)).toBe(0);
      expect(yield dfly("shmsys", 3, 77, 10, 0)).toBe(ENOENT);
    });
  });

  it("semaphores: values, arrays through the pointer to the union, waiting", async () => {
    await run(function* (u) {
      const id = yield dfly("semget", 0, 3, 0o600);
      u.words(Z, 0x0002_0001, 3);
      u.words(Z + 16, Z);
      expect(yield dfly("__semctl", id, 0, 9, Z + 16)).toBe(0);
      expect([yield dfly("__semctl", id, 1, 5, 0), yield dfly("__semctl", id, 2, 5, 0)]).toEqual([2, 3]);
      u.child(function* (c) {
        c.words(Z + 32, 0x0001_0000 | 0, 0);
        c.words(Z + 32, 1 << 16, 0);
        yield dfly("semop", id, Z + 32, 1);
      });
      u.words(Z + 48, -2 << 16, 0);
      yield dfly("fork");
      expect(yield dfly("semop", id, Z + 48, 1)).toBe(0);
      u.words(Z + 64, OUT);
      yield dfly("__semctl", id, 0, 2, Z + 64);
      expect(u.word(OUT + 20) & 0xffff).toBe(3);
      expect(yield dfly("__semctl", id, 0, 0, 0)).toBe(0);
    });
  });

  it("message queues: types, what is cut, a queue that goes while somebody waits", async () => {
    await run(function* (u) {
      const id = yield dfly("msgget", 0, 0o600);
      for (const [type, text] of [[5, "five"], [3, "three"]] as const) {
        u.words(Z, type);
        u.text(Z + 4, text);
        yield dfly("msgsnd", id, Z, text.length, 0);
      }
      expect(yield dfly("msgrcv", id, OUT, 64, 3, 0)).toBe(5);
      expect([u.word(OUT), u.read(OUT + 4, 5)]).toEqual([3, "three"]);
      expect(yield dfly("msgrcv", id, OUT, 2, 0, 0)).toBe(E2BIG);
      expect(yield dfly("msgrcv", id, OUT, 2, 0, 0x1000)).toBe(2);
      u.child(function* () {
        yield dfly("msgctl", id, 0, 0);
      });
      yield dfly("fork");
      expect(yield dfly("msgrcv", id, OUT, 64, 0, 0)).toBe(EIDRM);
    });
  });
});

describe("files and file systems", () => {
  it("mountctl: the flags by name, and statvfs", async () => {
    await run(function* (u) {
      const [root] = str(u, "/");
      const n = yield dfly("mountctl", root!, 18, -1, 0, 0, OUT, 256);
      expect(u.read(OUT, n)).toBe(`${u.str(OUT)}\0`);
      expect(yield dfly("mountctl", root!, 17, -1, 0, 0, OUT, 256)).toBe(140);
      yield dfly("statvfs", root!, Z);
      expect(u.read(OUT, 140)).toBe(u.read(Z, 140));
    });
  });

  it("sendfile: headers, a range, trailers; the count also when the socket is full", async () => {
    await run(function* (u) {
      const [f] = str(u, "/f");
      const d = yield dfly("open", f!, 0x202, 0o600);
      u.text(Z, "0123456789");
      yield dfly("write", d, Z, 10);
      yield dfly("socketpair", 1, 1, 0, Z + 64);
      const [s, peer] = [u.word(Z + 64), u.word(Z + 68)];
      u.text(Z + 80, "<<>>");
      u.words(Z + 96, Z + 80, 2, Z + 82, 2);
      u.words(Z + 128, Z + 96, 1, Z + 104, 1);
      expect(yield dfly("sendfile", d, s, 3, 0, 4, Z + 128, OUT + 64, 0)).toBe(0);
      expect([u.word(OUT + 64), u.word(OUT + 68)]).toEqual([8, 0]);
      expect(yield dfly("read", peer, OUT, 64)).toBe(8);
      expect(u.read(OUT, 8)).toBe("<<3456>>");
      yield dfly("ftruncate", d, 0, 1 << 20, 0);
      yield dfly("fcntl", s, 4, 4);
      expect(yield dfly("sendfile", d, s, 0, 0, 0, 0, OUT + 64, 0)).toBe(EAGAIN);
      expect(u.word(OUT + 64)).toBeGreaterThan(65_536);
    });
  });

  it("revoke takes a device away from all who have it open", async () => {
    await run(
      function* (u) {
        const [dev, other] = str(u, "/mynull", "/also");
        const rdev = 0x202;
        yield dfly("mknod", dev!, 0o20666, rdev);
        yield dfly("mknod", other!, 0o20666, rdev);
        const [a, b] = [yield dfly("open", dev!, 2, 0), yield dfly("open", other!, 2, 0)];
        expect(yield dfly("write", a, Z, 4)).toBe(4);
        expect(yield dfly("revoke", dev!)).toBe(0);
        for (const d of [a, b]) {
          expect(yield dfly("read", d, Z, 4)).toBe(EIO);
          expect(yield dfly("write", d, Z, 4)).toBe(EIO);
          expect(yield dfly("ioctl", d, 0x4004_667f, OUT)).toBe(EBADF);
        }
        const again = yield dfly("open", dev!, 2, 0);
        expect(yield dfly("write", again, Z, 4)).toBe(4);
      },
      (bench) => expect(bench.k.devsw.find(0x202)).toBeInstanceOf(NullDev),
    );
  });

  it("accounting writes a record for each process that ends", async () => {
    const bench = await run(function* (u) {
      const [f] = str(u, "/acct");
      const d = yield dfly("open", f!, 0x202, 0o600);
      expect(yield dfly("acct", f!)).toBe(0);
      u.child(function* () {
        yield dfly("exit", 0);
      });
      yield dfly("fork");
      u.child(function* () {
        yield dfly("kill", yield dfly("getpid"), 15);
      });
      yield dfly("fork");
      yield dfly("wait4", -1, 0, 0, 0);
      yield dfly("wait4", -1, 0, 0, 0);
      yield dfly("acct", 0);
      expect(yield dfly("read", d, OUT, 256)).toBe(96);
      // Forked and never executed, the superuser's; the second was killed.
      expect([u.word(OUT + 44) & 0xff, u.word(OUT + 48 + 44) & 0xff]).toEqual([3, 3 | 0x10]);
    });
    expect(bench.k.acct.on).toBe(false);
  });

  it.each([[0, 0], [1, 1], [8191, 8191], [8192, 0x2000 + 1024], [65_536, 0x4000 + 1024], [100_000, 0x4000 + 1563]])(
    "comp_t of %i is %i",
    (n, want) => expect(compT(n)).toBe(want),
  );
});

describe("the rest", () => {
  it("uuidgen: version 1, in order, all different", async () => {
    await run(function* (u) {
      expect(yield dfly("uuidgen", OUT, 3)).toBe(0);
      const ids = [0, 1, 2].map((i) => u.read(OUT + 16 * i, 16));
      expect(new Set(ids).size).toBe(3);
      for (let i = 0; i < 3; i++) {
        expect(u.word(OUT + 16 * i + 4) >>> 28).toBe(1);
        expect((u.word(OUT + 16 * i + 8) >> 6) & 3).toBe(2);
        expect(u.word(OUT + 16 * i) - u.word(OUT)).toBe(i);
      }
    });
  });

  it("kernel modules: the file systems, in the file called kernel", async () => {
    await run(
      function* (u) {
        const [name] = str(u, "tmpfs");
        const first = yield dfly("kldfirstmod", yield dfly("kldnext", 0));
        expect(yield dfly("modfind", name!)).toBe(first + 1);
        u.words(OUT, 48);
        expect(yield dfly("modstat", first + 1, OUT)).toBe(0);
        expect([u.str(OUT + 4), u.word(OUT + 40)]).toEqual(["tmpfs", first + 1]);
        expect(yield dfly("modnext", first + 1)).toBe(0);
        u.words(OUT, 1044);
        expect(yield dfly("kldstat", 1, OUT)).toBe(0);
        expect(u.str(OUT + 4)).toBe("kernel");
      },
      (bench) => {
        for (const fs of ["tmpfs", "devfs"]) {
          bench.k.vfsops.set(fs, () => {
            throw new Error("not mounted here");
          });
        }
      },
    );
  });

  it("rfork: without a process it changes the caller's table; RFCFDG starts with an empty one", async () => {
    await run(function* (u) {
      const d = yield dfly("dup", yield dfly("pipe"));
      u.child(function* () {
        expect(yield dfly("close", d)).toBe(EBADF);
      });
      const pid = yield dfly("rfork", 0x1010);
      expect(yield dfly("wait4", pid, OUT, 0, 0)).toBe(pid);
      expect(u.word(OUT)).toBe(0);
      expect(yield dfly("rfork", 0x1000)).toBe(0);
      expect(yield dfly("close", d)).toBe(EBADF);
      u.child(function* () {});
      yield dfly("rfork", 0x54);
      // Init waits for it.
      expect(yield dfly("wait4", -1, 0, 0, 0)).toBe(-10);
    });
  });

  it("extaccept and extconnect wait, or do not, whatever the descriptor says", async () => {
    await run(function* (u) {
      const s = yield dfly("socket", 1, 1, 0);
      u.words(Z, 0x100);
      u.text(Z + 2, "/s");
      yield dfly("bind", s, Z, 5);
      yield dfly("listen", s, 5);
      const O_FNONBLOCKING = 0x8_0000;
      expect(yield dfly("extaccept", s, O_FNONBLOCKING, 0, 0)).toBe(EAGAIN);
      expect(yield dfly("extconnect", yield dfly("socket", 1, 1, 0), O_FNONBLOCKING, Z, 5)).toBe(0);
      expect(yield dfly("extaccept", s, O_FNONBLOCKING, 0, 0)).toBe(2);
    });
  });
});
