// SPDX-License-Identifier: BSD-3-Clause
/**
 * Which times move with which call, on every file system that keeps them: POSIX "shall mark for update", as pjdfstest asks. None moves
 * atime by reading: they are mounted noatime, and say so.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryDevice, newfs } from "@vkernel/hammer";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { OverlayMount } from "../../src/vfs/dirfs/overlay.ts";
import { HammerfsMount } from "../../src/vfs/hammer/hammer.ts";
import type { Mount } from "../../src/vfs/mount.ts";
import { TmpfsMount } from "../../src/vfs/tmpfs/tmpfs.ts";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const P = DATA, Q = DATA + 0x1000, V = DATA + 0x2000, OUT = DATA + 0x3000;
const O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_TRUNC = 0o1000, O_APPEND = 0o2000, O_DIRECTORY = 0o200000;
const AT_FDCWD = -100, AT_SYMLINK_NOFOLLOW = 0x100, UTIME_NOW = 0x3fff_ffff, UTIME_OMIT = 0x3fff_fffe;
const S_IFIFO = 0o010000, S_IFSOCK = 0o140000;
/** The bench's clock starts long after the first and never comes to the second. */
const PAST = 1000, FUTURE = 2_000_000_000;

let host: string;
beforeAll(() => {
  host = mkdtempSync(join(tmpdir(), "vkernel-times-"));
  chmodSync(host, 0o755);
});
afterAll(() => rmSync(host, { recursive: true, force: true }));

const MOUNTS: Readonly<Record<string, (now: () => number) => Mount>> = {
  tmpfs: (now) => new TmpfsMount("tmpfs", 0, { maxBytes: 1 << 20, now }),
  overlay: (now) => new OverlayMount(new NodePlatform().files, host, 0, { maxBytes: 1 << 20, now }),
  hammer: (now) => {
    const device = new MemoryDevice(256 << 20);
    newfs([device], { label: "T", force: true, undoBytes: 8 << 20, now: () => BigInt(Math.floor(now())), fsid: new Uint8Array(16).fill(4) });
    return new HammerfsMount("memory", [device], { now, log: () => {} });
  },
};

async function run(kind: string, program: (u: User, mount: Mount) => Generator<Call, void, number>): Promise<void> {
  const bench = new UserBench(32 << 20);
  const mount = MOUNTS[kind]!(() => bench.k.microtime());
  const whole: Program = function* (u) {
    yield sys("mkdir", u.text(P, "/m"), 0o755);
    bench.k.mounts.mountOn(mount, bench.k.mounts.root.children!.get("m")!);
    yield* program(u, mount);
  };
  expect(await bench.run(bench.start(whole, undefined, "linux"))).toBe(0);
}

type Times = Readonly<Record<"a" | "m" | "c", string>>;

function* timesOf(u: User, path: string): Generator<Call, Times, number> {
  expect(yield sys("lstat64", u.text(P, path), OUT)).toBe(0);
  const at = (offset: number): string => `${u.word(OUT + offset)}.${String(u.word(OUT + offset + 4)).padStart(9, "0")}`;
  return { a: at(64), m: at(72), c: at(80) };
}

function* tick(u: User): Generator<Call, void, number> {
  u.words(V, 0, 2_000_000);
  expect(yield sys("nanosleep", V, 0)).toBe(0);
}

const one = (name: string, ...rest: (string | number)[]) =>
  (u: User): Call => {
    const places = [P, Q];
    return sys(name, ...rest.map((r) => (typeof r === "string" ? u.text(places.shift()!, r) : r)));
  };

function* open(u: User, path: string, flags: number): Generator<Call, number, number> {
  const fd = yield sys("open", u.text(P, path), flags, 0o644);
  expect(fd).toBeGreaterThanOrEqual(0);
  return fd;
}

/** A call on a descriptor of `path`. */
const onFd = (path: string, flags: number, call: (fd: number) => Call) =>
  function* (u: User): Generator<Call, number, number> {
    const fd = yield* open(u, path, flags);
    const result = yield call(fd);
    yield sys("close", fd);
    return result;
  };

const utimens = (path: string, a: readonly [number, number], m: readonly [number, number], flags = 0) => (u: User): Call => {
  u.words(V, ...a, ...m);
  return sys("utimensat", AT_FDCWD, u.text(P, path), V, flags);
};

type Act = (u: User) => Call | Generator<Call, number, number>;

/** What is there before each call: /m/d/{f (5 bytes, also g), l -> f, e/}, /m/to. The call, and what moves. */
const TABLE: readonly (readonly [name: string, act: Act, moved: Readonly<Record<string, string>>])[] = [
  ["read", onFd("/m/d/f", O_RDWR, (fd) => sys("read", fd, OUT, 5)), {}],
  ["getdents64", onFd("/m/d", O_DIRECTORY, (fd) => sys("getdents64", fd, OUT, 1024)), {}],
  ["readlink", (u) => sys("readlink", u.text(P, "/m/d/l"), OUT, 64), {}],
  ["stat", (u) => sys("stat64", u.text(P, "/m/d/l"), OUT), {}],
  ["write that extends", onFd("/m/d/f", O_RDWR | O_APPEND, (fd) => sys("write", fd, P, 3)), { "/m/d/f": "mc" }],
  ["write in place", onFd("/m/d/f", O_RDWR, (fd) => sys("write", fd, P, 3)), { "/m/d/f": "mc" }],
  ["write of nothing", onFd("/m/d/f", O_RDWR, (fd) => sys("write", fd, P, 0)), {}],
  ["truncate to less", one("truncate", "/m/d/f", 2), { "/m/d/f": "mc" }],
  ["truncate to more", one("truncate", "/m/d/f", 100), { "/m/d/f": "mc" }],
  ["ftruncate", onFd("/m/d/f", O_RDWR, (fd) => sys("ftruncate", fd, 1)), { "/m/d/f": "mc" }],
  ["open O_TRUNC", onFd("/m/d/f", O_RDWR | O_TRUNC, (fd) => sys("fsync", fd)), { "/m/d/f": "mc" }],
  ["open O_CREAT of what is there", onFd("/m/d/f", O_RDWR | O_CREAT, (fd) => sys("fsync", fd)), {}],
  ["open O_CREAT", onFd("/m/d/new", O_RDWR | O_CREAT | O_EXCL, (fd) => sys("fsync", fd)), { "/m/d": "mc" }],
  ["chmod", one("chmod", "/m/d/f", 0o600), { "/m/d/f": "c" }],
  ["chmod of a directory", one("chmod", "/m/d", 0o700), { "/m/d": "c" }],
  ["chown", one("chown32", "/m/d/f", 5, 6), { "/m/d/f": "c" }],
  ["lchown", one("lchown32", "/m/d/l", 5, 6), { "/m/d/l": "c" }],
  ["setxattr", (u) => sys("setxattr", u.text(P, "/m/d/f"), u.text(Q, "user.a"), P, 2, 0), { "/m/d/f": "c" }],
  ["mkdir", one("mkdir", "/m/d/new", 0o755), { "/m/d": "mc" }],
  ["rmdir", one("rmdir", "/m/d/e"), { "/m/d": "mc" }],
  ["mkfifo", one("mknod", "/m/d/new", S_IFIFO | 0o644, 0), { "/m/d": "mc" }],
  ["mknod of a socket", one("mknod", "/m/d/new", S_IFSOCK | 0o644, 0), { "/m/d": "mc" }],
  ["symlink", one("symlink", "target", "/m/d/new"), { "/m/d": "mc" }],
  ["link", one("link", "/m/d/f", "/m/to/new"), { "/m/d/f": "c", "/m/to": "mc" }],
  ["link that is refused", one("link", "/m/d/f", "/m/d/l"), {}],
  ["unlink", one("unlink", "/m/d/g"), { "/m/d": "mc", "/m/d/f": "c" }],
  ["unlink that is refused", one("unlink", "/m/d/none"), {}],
  ["rename", one("rename", "/m/d/f", "/m/to/f"), { "/m/d": "mc", "/m/to": "mc", "/m/d/g": "c" }],
  ["utimensat to now", (u) => sys("utimensat", AT_FDCWD, u.text(P, "/m/d/f"), 0, 0), { "/m/d/f": "amc" }],
  ["utimensat to the past", utimens("/m/d/f", [PAST, 5000], [PAST, 6000]), { "/m/d/f": "amc" }],
  ["utimensat to the future", utimens("/m/d/f", [FUTURE, 5000], [FUTURE, 6000]), { "/m/d/f": "amc" }],
  ["utimensat of a directory", utimens("/m/d", [PAST, 0], [PAST, 0]), { "/m/d": "amc" }],
  ["utimensat of atime", utimens("/m/d/f", [0, UTIME_NOW], [0, UTIME_OMIT]), { "/m/d/f": "ac" }],
  ["utimensat of mtime", utimens("/m/d/f", [0, UTIME_OMIT], [0, UTIME_NOW]), { "/m/d/f": "mc" }],
  ["utimensat of neither", utimens("/m/d/f", [0, UTIME_OMIT], [0, UTIME_OMIT]), {}],
  ["utimensat of a link", utimens("/m/d/l", [PAST, 0], [PAST, 0], AT_SYMLINK_NOFOLLOW), { "/m/d/l": "amc" }],
];
/** /m/d/g is the second name of /m/d/f, looked at where that has moved. */
const WATCHED = ["/m/d", "/m/to", "/m/d/f", "/m/d/g", "/m/d/l", "/m/d/e"];

function* prepare(u: User): Generator<Call, void, number> {
  const fd = yield* make(u);
  yield sys("close", fd);
  yield* tick(u);
}
function* make(u: User): Generator<Call, number, number> {
  for (const dir of ["/m/d", "/m/to", "/m/d/e"]) expect(yield sys("mkdir", u.text(P, dir), 0o755)).toBe(0);
  const fd = yield* open(u, "/m/d/f", O_RDWR | O_CREAT);
  expect(yield sys("write", fd, u.text(P, "12345"), 5)).toBe(5);
  expect(yield sys("link", u.text(P, "/m/d/f"), u.text(Q, "/m/d/g"))).toBe(0);
  expect(yield sys("symlink", u.text(P, "f"), u.text(Q, "/m/d/l"))).toBe(0);
  return fd;
}

describe.each(Object.keys(MOUNTS))("%s", (kind) => {
  it.each(TABLE)("%s", async (name, act, moved) => {
    await run(kind, function* (u, mount) {
      yield* prepare(u);
      mount.sync();
      const before = new Map<string, Times>();
      for (const path of WATCHED) before.set(path, yield* timesOf(u, path));
      yield* tick(u);
      const call = act(u);
      const result = Symbol.iterator in call ? yield* call : yield call;
      if (name.includes("refused")) expect(result).toBeLessThan(0);
      else expect(result).toBeGreaterThanOrEqual(0);
      mount.sync();
      yield* tick(u);
      const seen: Record<string, string> = {};
      for (const path of WATCHED) {
        if ((yield sys("lstat64", u.text(P, path), OUT)) !== 0) continue;
        const then = before.get(path)!;
        const now = yield* timesOf(u, path);
        const what = (["a", "m", "c"] as const).filter((t) => now[t] !== then[t]).join("");
        if (what.includes("c")) expect(now.c > then.c).toBe(true);
        if (what !== "") seen[path] = what;
      }
      // Whatever moved of the file shows by its other name too, while that is there.
      const expected = moved["/m/d/f"] === undefined || name === "unlink" ? moved : { ...moved, "/m/d/g": moved["/m/d/f"] };
      expect(seen).toEqual(expected);
    });
  });

  it("a time that was set stays what it was set to, and ctime is when that was", async () => {
    await run(kind, function* (u) {
      yield* prepare(u);
      for (const path of ["/m/d/f", "/m/d"]) {
        const start = yield* timesOf(u, path);
        for (const when of [FUTURE, PAST]) {
          yield* tick(u);
          expect(yield utimens(path, [when, 1000], [when, 2000])(u)).toBe(0);
          const set = yield* timesOf(u, path);
          expect(set).toMatchObject({ a: `${when}.000001000`, m: `${when}.000002000` });
          expect(set.c > start.c && set.c < `${FUTURE}`).toBe(true);
        }
      }
      // An entry moves both times of the directory to the same moment.
      yield* tick(u);
      yield sys("mkdir", u.text(P, "/m/d/later"), 0o755);
      const { m, c } = yield* timesOf(u, "/m/d");
      expect(m).toBe(c);
    });
  });

  it("chown that leaves both ids moves ctime, whoever does it; set-id bits are the owner's", async () => {
    const EPERM = -1;
    await run(kind, function* (u) {
      yield* prepare(u);
      yield sys("chmod", u.text(P, "/m/d/f"), 0o4755);
      expect(yield sys("setresuid32", -1, 5, -1)).toBe(0);
      const before = yield* timesOf(u, "/m/d");
      yield* tick(u);
      expect(yield sys("chown32", u.text(P, "/m/d"), -1, -1)).toBe(0);
      const { m, c } = yield* timesOf(u, "/m/d");
      expect([m === before.m, c > before.c]).toEqual([true, true]);
      expect(yield sys("chown32", u.text(P, "/m/d"), -1, 0)).toBe(EPERM);
      expect(yield sys("chown32", u.text(P, "/m/d/f"), -1, -1)).toBe(EPERM);
    });
  });

  it("statfs says noatime", async () => {
    await run(kind, function* (u) {
      const ST_NOATIME = 0x400;
      expect(yield sys("statfs64", u.text(P, "/m"), 84, OUT)).toBe(0);
      expect(u.word(OUT + 64) & ST_NOATIME).toBe(ST_NOATIME);
    });
  });
});

describe("hammer", () => {
  it("utimes makes a version of the inode, entries and writes in place do not; the past shows its ctime alone", async () => {
    await run("hammer", function* (u, mount) {
      const { core } = mount as HammerfsMount;
      yield* prepare(u);
      mount.sync();
      const versions = (path: string): number => {
        const dir = core.lookup(core.root, "d")!;
        const ip = path === "/m/d" ? dir : core.lookup(dir, path.slice(5))!;
        return core.history(ip).length;
      };
      const counted = { d: versions("/m/d"), f: versions("/m/d/f") };
      yield sys("mkdir", u.text(P, "/m/d/new"), 0o755);
      mount.sync();
      expect(versions("/m/d")).toBe(counted.d);
      const before = yield* timesOf(u, "/m/d/f");
      yield* tick(u);
      const tid = core.sync();
      yield utimens("/m/d/f", [PAST, 0], [PAST, 0])(u);
      mount.sync();
      expect(versions("/m/d/f")).toBe(counted.f + 1);
      const asOf = `/m/d@@0x${tid.toString(16).padStart(16, "0")}/f`;
      const then = yield* timesOf(u, asOf);
      expect(then).toEqual({ a: before.c, m: before.c, c: before.c });
    });
  });
});
