// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { Errno } from "../../src/sys/errno.ts";
import type { Cdev } from "../../src/dev/cdev.ts";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EIO = -5, ENXIO = -6, EAGAIN = -11, ENOTTY = -25, EPERM = -1, EINTR = -4;
const O_RDWR = 2, O_NOCTTY = 0o400, O_NONBLOCK = 0o4000;
const TCGETS = 0x5401, TCSETS = 0x5402, TIOCSCTTY = 0x540e, TIOCGPGRP = 0x540f, TIOCSPGRP = 0x5410, TIOCSWINSZ = 0x5414;
const TIOCNOTTY = 0x5422, TIOCGSID = 0x5429, TIOCGPTN = 0x80045430 | 0, TCSBRK = 0x5409, FIONREAD = 0x541b;
const SIGHUP = 1, SIGINT = 2, SIGCONT = 18, SIGTTIN = 21, SIGTTOU = 22, SIGWINCH = 28;
const WUNTRACED = 2;
const P = DATA, B = DATA + 0x2000;
const TOSTOP = 0x100, ICANON = 2, ECHO = 8;

/** Runs with /ptmx, /tty and the slave nodes in the root directory. */
async function run(program: Program): Promise<UserBench> {
  const bench = new UserBench();
  await bench.run(
    bench.start(function* (u) {
      for (const [name, dev] of [["/ptmx", 0x502], ["/tty", 0x500], ["/pts0", 0x8800]] as const) {
        yield sys("mknod", u.text(P, name), 0o020666, dev);
      }
      yield* program(u);
    }),
  );
  return bench;
}
const open = (u: User, path: string, flags: number): Call => sys("open", u.text(P, path), flags);
function* write(u: User, fd: number, s: string): Generator<Call, number, number> {
  u.text(B, s);
  return yield sys("write", fd, B, s.length);
}
function* read(u: User, fd: number): Generator<Call, string | number, number> {
  const n = yield sys("read", fd, B, 4096);
  return n < 0 ? n : u.read(B, n);
}
function* pair(u: User): Generator<Call, { master: number; slave: number }, number> {
  const master = yield open(u, "/ptmx", O_RDWR | O_NOCTTY);
  expect(yield sys("ioctl", master, TIOCGPTN, B)).toBe(0);
  expect(u.word(B)).toBe(0);
  const slave = yield open(u, "/pts0", O_RDWR | O_NOCTTY);
  expect(slave).toBeGreaterThanOrEqual(0);
  return { master, slave };
}
function* ioctlInt(u: User, fd: number, cmd: number, value: number): Generator<Call, number, number> {
  u.setWord(B, value);
  return yield sys("ioctl", fd, cmd, B);
}
function* nap(u: User): Generator<Call, void, number> {
  u.words(B, 0, 10_000_000);
  yield sys("nanosleep", B, 0);
}

describe("controlling terminals", () => {
  it("are acquired by session leaders only, and given up", () =>
    run(function* (u) {
      const { master, slave } = yield* pair(u);
      expect(yield open(u, "/tty", O_RDWR)).toBe(ENXIO);
      expect(yield sys("ioctl", slave, TIOCGPGRP, B)).toBe(ENOTTY);
      u.child(function* (c) {
        expect(yield sys("ioctl", slave, TIOCSCTTY, 0)).toBe(EPERM);
        yield sys("setsid");
        expect(yield sys("ioctl", slave, TIOCSCTTY, 0)).toBe(0);
        const pid = yield sys("getpid");
        expect(yield sys("ioctl", slave, TIOCGSID, B)).toBe(0);
        expect(c.word(B)).toBe(pid);
        const tty = yield open(c, "/tty", O_RDWR);
        expect(yield* write(c, tty, "via tty\n")).toBe(8);
        // A group that is not of the session cannot be put into the foreground.
        expect(yield* ioctlInt(c, slave, TIOCSPGRP, 2)).toBe(EPERM);
        expect(yield sys("ioctl", slave, TIOCNOTTY, 0)).toBe(0);
        expect(yield open(c, "/tty", O_RDWR)).toBe(ENXIO);
      });
      yield sys("fork");
      yield sys("waitpid", -1, B, 0);
      expect(u.word(B)).toBe(0);
      expect(yield* read(u, master)).toBe("via tty\r\n");
    }).then(() => {}));

  it("pass to whoever opens them as a session leader, unless O_NOCTTY says otherwise", () =>
    run(function* (u) {
      yield* pair(u);
      u.child(function* (c) {
        yield sys("setsid");
        const fd = yield open(c, "/pts0", O_RDWR);
        expect(yield sys("ioctl", fd, TIOCGPGRP, B)).toBe(0);
        expect(c.word(B)).toBe(yield sys("getpid"));
      });
      yield sys("fork");
      yield sys("waitpid", -1, B, 0);
      expect(u.word(B)).toBe(0);
    }).then(() => {}));
});

describe("job control", () => {
  /** Runs `leader` as a session leader with the slave as its terminal; the test holds the master. */
  const inSession = (leader: (c: User, slave: number) => Generator<Call, void, number>, outside: (u: User, master: number) => Generator<Call, void, number> = function* () {}): Promise<void> =>
    run(function* (u) {
      const { master, slave } = yield* pair(u);
      u.child(function* (c) {
        yield sys("setsid");
        yield sys("ioctl", slave, TIOCSCTTY, 0);
        yield* leader(c, slave);
      });
      const pid = yield sys("fork");
      yield* outside(u, master);
      yield sys("waitpid", pid, B, 0);
      expect(u.word(B)).toBe(0);
    }).then(() => {});

  it("a background reader is stopped with SIGTTIN and reads once it is in the foreground", () =>
    inSession(
      function* (c, slave) {
        c.child(function* (g) {
          yield sys("setpgid", 0, 0);
          expect(yield* read(g, slave)).toBe("line\n");
        });
        const pid = yield sys("fork");
        yield sys("waitpid", pid, B, WUNTRACED);
        expect(c.word(B)).toBe((SIGTTIN << 8) | 0x7f);
        expect(yield* ioctlInt(c, slave, TIOCSPGRP, pid)).toBe(0);
        yield sys("kill", -pid, SIGCONT);
        yield sys("waitpid", pid, B, WUNTRACED);
        expect(c.word(B)).toBe(0);
        yield c.sigaction(SIGTTOU, 1);
        expect(yield* ioctlInt(c, slave, TIOCSPGRP, yield sys("getpgrp"))).toBe(0);
      },
      function* (u, master) {
        yield* nap(u);
        yield* write(u, master, "line\r");
      },
    ));

  it("one that ignores SIGTTIN, or has nobody to continue it, gets EIO", () =>
    inSession(function* (c, slave) {
      c.child(function* (g) {
        yield sys("setpgid", 0, 0);
        yield g.sigaction(SIGTTIN, 1);
        expect(yield* read(g, slave)).toBe(EIO);
        yield g.sigaction(SIGTTIN, 0);
        g.child(function* (h) {
          // Its parent ends: the group is orphaned.
          yield* nap(h);
          yield* nap(h);
          expect(yield* read(h, slave)).toBe(EIO);
        });
        yield sys("fork");
      });
      yield sys("fork");
      yield sys("waitpid", -1, B, 0);
      expect(c.word(B)).toBe(0);
      for (let i = 0; i < 5; i++) yield* nap(c);
    }));

  it("TOSTOP stops background writers; attributes need the foreground always", () =>
    inSession(function* (c, slave) {
      c.child(function* (g) {
        yield sys("setpgid", 0, 0);
        expect(yield* write(g, slave, "free\n")).toBe(5);
        yield sys("ioctl", slave, TCGETS, B);
        yield sys("ioctl", slave, TCSETS, B);
      });
      const pid = yield sys("fork");
      yield sys("waitpid", pid, B, WUNTRACED);
      expect(c.word(B)).toBe((SIGTTOU << 8) | 0x7f);
      yield sys("kill", pid, 9);
      yield sys("waitpid", pid, B, 0);

      yield sys("ioctl", slave, TCGETS, B);
      c.setWord(B + 12, c.word(B + 12) | TOSTOP);
      expect(yield sys("ioctl", slave, TCSETS, B)).toBe(0);
      c.child(function* (g) {
        yield sys("setpgid", 0, 0);
        yield* write(g, slave, "stopped\n");
      });
      const second = yield sys("fork");
      yield sys("waitpid", second, B, WUNTRACED);
      expect(c.word(B)).toBe((SIGTTOU << 8) | 0x7f);
      yield sys("kill", second, 9);
      yield sys("waitpid", second, B, 0);
    }));

  it("keys and window changes reach the foreground group", () =>
    inSession(
      function* (c, slave) {
        const got: number[] = [];
        for (const sig of [SIGINT, SIGWINCH]) {
          yield c.sigaction(sig, c.handler(function* () {
            got.push(sig);
            yield sys("getpid");
          }));
        }
        expect(yield* read(c, slave)).toBe(EINTR);
        expect(yield* read(c, slave)).toBe(EINTR);
        expect(got).toEqual([SIGINT, SIGWINCH]);
      },
      function* (u, master) {
        yield* nap(u);
        yield* write(u, master, "\x03");
        yield* nap(u);
        u.words(B, 0x0050_0018, 0);
        yield sys("ioctl", master, TIOCSWINSZ, B);
      },
    ));

  it("the end of the master hangs the session up", () =>
    run(function* (u) {
      const { master, slave } = yield* pair(u);
      u.child(function* (c) {
        let hup = 0;
        yield sys("close", master);
        yield sys("setsid");
        yield sys("ioctl", slave, TIOCSCTTY, 0);
        yield c.sigaction(SIGHUP, c.handler(function* () {
          hup++;
          yield sys("getpid");
        }));
        // The hangup ends the read before the signal does.
        expect(yield* read(c, slave)).toBe("");
        expect(hup).toBe(1);
        expect(yield* read(c, slave)).toBe("");
        expect(yield* write(c, slave, "x")).toBe(EIO);
      });
      yield sys("fork");
      yield* nap(u);
      yield sys("close", master);
      yield sys("close", slave);
      yield sys("waitpid", -1, B, 0);
      expect(u.word(B)).toBe(0);
    }).then(() => {}));
});

describe("terminal attributes of Linux programs", () => {
  it("survive a round trip, and change what the terminal does", () =>
    run(function* (u) {
      const { master, slave } = yield* pair(u);
      expect(yield sys("ioctl", slave, TCGETS, B)).toBe(0);
      const before = u.read(B, 36);
      // VINTR, VQUIT, VERASE, VKILL, VEOF; VMIN.
      expect([...before.slice(17, 22)].map((c) => c.charCodeAt(0))).toEqual([3, 0x1c, 0x7f, 0x15, 4]);
      expect(before.charCodeAt(23)).toBe(1);
      u.setWord(B + 12, u.word(B + 12) & ~(ICANON | ECHO));
      const raw = u.read(B, 36);
      expect(yield sys("ioctl", slave, TCSETS, B)).toBe(0);
      expect(yield sys("ioctl", slave, TCGETS, B)).toBe(0);
      expect(u.read(B, 36)).toBe(raw);
      yield* write(u, master, "q");
      expect(yield* read(u, slave)).toBe("q");
      expect(yield sys("ioctl", slave, FIONREAD, B)).toBe(0);
      expect(u.word(B)).toBe(0);
      const nb = yield open(u, "/pts0", O_RDWR | O_NOCTTY | O_NONBLOCK);
      expect(yield* read(u, nb)).toBe(EAGAIN);
    }).then(() => {}));

  it("a timer ends a read without input: VMIN 0, VTIME 3", async () => {
    const bench = await run(function* (u) {
      const { slave } = yield* pair(u);
      yield sys("ioctl", slave, TCGETS, B);
      u.setWord(B + 12, 0);
      // c_cc starts at 17: VTIME is 5, VMIN 6.
      const cc = u.read(B + 16, 8);
      u.text(B + 16, `${cc.slice(0, 6)}\x03\x00`);
      expect(yield sys("ioctl", slave, TCSETS, B)).toBe(0);
      const start = u.bench.nanouptime();
      expect(yield* read(u, slave)).toBe("");
      expect(u.bench.nanouptime() - start).toBeGreaterThanOrEqual(3e8);
    });
    expect(bench.failures).toEqual([]);
  });

  it("tcdrain waits until the master has taken the output", () =>
    run(function* (u) {
      const { master, slave } = yield* pair(u);
      yield* write(u, slave, "output");
      u.child(function* () {
        expect(yield sys("ioctl", slave, TCSBRK, 1)).toBe(0);
      });
      const pid = yield sys("fork");
      yield* nap(u);
      expect(yield sys("waitpid", pid, B, 1)).toBe(0);
      expect(yield* read(u, master)).toBe("output");
      expect(yield sys("waitpid", pid, B, 0)).toBe(pid);
    }).then(() => {}));
});

describe("devices and numbers (D17)", () => {
  it("every device answers unknown control words with ENOTTY", () => {
    const bench = new UserBench();
    for (const dev of bench.k.devsw.all() as IterableIterator<Cdev>) {
      for (const cmd of [0, 0x2000_0001, 0x4004_1234, 0x8004_5678, 0xc010_6869]) {
        let thrown: unknown = null;
        try {
          dev.ioctl(cmd, new Uint8Array(64));
        } catch (e) {
          thrown = e;
        }
        expect([dev.name, cmd, thrown instanceof Errno ? thrown.name : thrown]).toEqual([dev.name, cmd, "ENOTTY"]);
      }
    }
  });
});
