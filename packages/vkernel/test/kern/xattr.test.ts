// SPDX-License-Identifier: BSD-3-Clause
/** Extended attributes on every file system that keeps them, through the calls of both ABIs: xattr(7), Linux fs/xattr.c. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MemoryDevice, newfs } from "@vkernel/hammer";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { OverlayMount } from "../../src/vfs/dirfs/overlay.ts";
import { HammerfsMount } from "../../src/vfs/hammer/hammer.ts";
import { MNT_RDONLY, type Mount } from "../../src/vfs/mount.ts";
import { TmpfsMount } from "../../src/vfs/tmpfs/tmpfs.ts";
import { type Call, DATA, dfly, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EPERM = -1, E2BIG = -7, EBADF = -9, EACCES = -13, EFAULT = -14, EEXIST = -17, EINVAL = -22, ENOSPC = -28, EROFS = -30, ERANGE = -34;
const ENODATA = -61, EOPNOTSUPP = -95;
/** As DragonFly numbers them. */
const D = { ENOATTR: -87, EPERM: -1, EROFS: -30, EINVAL: -22, ENAMETOOLONG: -63 };
const P = DATA, N = DATA + 0x1000, V = DATA + 0x2000, OUT = DATA + 0x2_0000;
const CREATE = 1, REPLACE = 2;
const O_CREAT = 0o100, O_PATH = 0o10000000;
/** A page that is not there. */
const NOWHERE = 0x7000_0000;

let host: string;
beforeAll(() => {
  host = mkdtempSync(join(tmpdir(), "vkernel-xattr-"));
  chmodSync(host, 0o755);
  writeFileSync(join(host, "f"), "the host's");
});
afterAll(() => rmSync(host, { recursive: true, force: true }));

const MOUNTS: Readonly<Record<string, (now: () => number) => Mount>> = {
  tmpfs: (now) => new TmpfsMount("tmpfs", 0, { maxBytes: 1 << 20, now }),
  overlay: (now) => new OverlayMount(new NodePlatform().files, host, 0, { maxBytes: 1 << 20, now }),
  hammer: (now) => {
    const device = new MemoryDevice(256 << 20);
    newfs([device], { label: "X", force: true, undoBytes: 8 << 20, now: () => BigInt(Math.floor(now())), fsid: new Uint8Array(16).fill(3) });
    return new HammerfsMount("memory", [device], { now, log: () => {} });
  },
};

/** Runs a program with the file system mounted on /m. */
async function run(kind: string, abi: "linux" | "dragonfly", program: (u: User, mount: Mount, bench: UserBench) => Generator<Call, void, number>): Promise<void> {
  const bench = new UserBench(32 << 20);
  const mount = MOUNTS[kind]!(() => bench.k.microtime());
  const whole: Program = function* (u) {
    yield abi === "linux" ? sys("mkdir", u.text(P, "/m"), 0o755) : dfly("mkdir", u.text(P, "/m"), 0o755);
    bench.k.mounts.mountOn(mount, bench.k.mounts.root.children!.get("m")!);
    yield* program(u, mount, bench);
  };
  expect(await bench.run(bench.start(whole, undefined, abi))).toBe(0);
}

const set = (u: User, path: string, name: string, value: string, flags = 0, call = "setxattr"): Call =>
  sys(call, u.text(P, path), u.text(N, name), u.text(V, value), value.length, flags);
const get = (u: User, path: string, name: string, room = 0x10000, call = "getxattr"): Call => sys(call, u.text(P, path), u.text(N, name), OUT, room);
const remove = (u: User, path: string, name: string, call = "removexattr"): Call => sys(call, u.text(P, path), u.text(N, name));
function* valueOf(u: User, path: string, name: string): Generator<Call, string | number, number> {
  const n = yield get(u, path, name);
  return n < 0 ? n : u.read(OUT, n);
}
function* names(u: User, path: string, call = "listxattr"): Generator<Call, string, number> {
  const n = yield sys(call, u.text(P, path), OUT, 0x10000);
  return n < 0 ? String(n) : u.read(OUT, n).split("\0").slice(0, -1).sort().join(" ");
}
function* file(u: User, path: string, flags = O_CREAT | 2): Generator<Call, number, number> {
  return yield sys("open", u.text(P, path), flags, 0o644);
}
function* ctime(u: User, path: string): Generator<Call, string, number> {
  yield sys("lstat64", u.text(P, path), OUT);
  return `${u.word(OUT + 80)}.${u.word(OUT + 84)}`;
}

describe.each(Object.keys(MOUNTS))("%s", (kind) => {
  it("sets, replaces, lists, removes", async () => {
    await run(kind, "linux", function* (u) {
      const fd = yield* file(u, "/m/f");
      expect(yield* names(u, "/m/f")).toBe("");
      expect(yield* valueOf(u, "/m/f", "user.a")).toBe(ENODATA);
      expect(yield set(u, "/m/f", "user.a", "one")).toBe(0);
      expect(yield set(u, "/m/f", "user.a", "two", CREATE)).toBe(EEXIST);
      expect(yield set(u, "/m/f", "user.b", "x", REPLACE)).toBe(ENODATA);
      expect(yield set(u, "/m/f", "user.a", "three", REPLACE)).toBe(0);
      expect(yield set(u, "/m/f", "user.b", "", CREATE)).toBe(0);
      expect(yield set(u, "/m/f", "user.b", "x", CREATE | REPLACE)).toBe(EEXIST);
      expect(yield set(u, "/m/f", "user.c", "x", CREATE | REPLACE)).toBe(ENODATA);
      expect(yield set(u, "/m/f", "trusted.t", "\0\xff\0")).toBe(0);
      expect(yield set(u, "/m/f", "security.selinux", "label")).toBe(0);
      expect(yield* names(u, "/m/f")).toBe("security.selinux trusted.t user.a user.b");
      expect(yield* valueOf(u, "/m/f", "user.a")).toBe("three");
      expect(yield* valueOf(u, "/m/f", "user.b")).toBe("");
      expect(yield* valueOf(u, "/m/f", "trusted.t")).toBe("\0\xff\0");
      // By descriptor, and without following.
      expect(yield sys("fsetxattr", fd, u.text(N, "user.f"), u.text(V, "fd"), 2, 0)).toBe(0);
      expect(yield sys("fgetxattr", fd, N, OUT, 2)).toBe(2);
      expect(u.read(OUT, 2)).toBe("fd");
      expect(yield sys("flistxattr", fd, OUT, 0)).toBe("security.selinux trusted.t user.a user.b user.f ".length);
      expect(yield sys("fremovexattr", fd, N)).toBe(0);
      expect(yield remove(u, "/m/f", "user.b")).toBe(0);
      expect(yield remove(u, "/m/f", "user.b")).toBe(ENODATA);
      yield sys("symlink", u.text(P, "f"), u.text(N, "/m/link"));
      expect(yield* valueOf(u, "/m/link", "user.a")).toBe("three");
      expect(yield* names(u, "/m/link", "llistxattr")).toBe("");
      expect(yield set(u, "/m/link", "trusted.l", "link", 0, "lsetxattr")).toBe(0);
      expect(yield* names(u, "/m/link", "llistxattr")).toBe("trusted.l");
      expect(yield* names(u, "/m/f")).toBe("security.selinux trusted.t user.a");
      // A name more of the file, and none of a copy.
      yield sys("link", u.text(P, "/m/f"), u.text(N, "/m/g"));
      expect(yield* valueOf(u, "/m/g", "user.a")).toBe("three");
    });
  });

  it("limits and errors are Linux's", async () => {
    await run(kind, "linux", function* (u, mount) {
      const fd = yield* file(u, "/m/f");
      const bare = yield* file(u, "/m/f", O_PATH);
      yield set(u, "/m/f", "user.a", "value");
      expect(yield get(u, "/m/f", "user.a", 0)).toBe(5);
      expect(yield get(u, "/m/f", "user.a", 4)).toBe(ERANGE);
      expect(yield sys("listxattr", P, OUT, 6)).toBe(ERANGE);
      expect(yield sys("listxattr", P, OUT, 7)).toBe(7);
      expect(yield get(u, "/m/f", "", 9)).toBe(ERANGE);
      expect(yield get(u, "/m/f", `user.${"n".repeat(250)}`)).toBe(ENODATA);
      expect(yield get(u, "/m/f", `user.${"n".repeat(251)}`)).toBe(ERANGE);
      expect(yield set(u, "/m/f", `user.${"n".repeat(250)}`, "long")).toBe(0);
      expect(yield remove(u, "/m/f", `user.${"n".repeat(250)}`)).toBe(0);
      expect(yield get(u, "/m/f", "user.")).toBe(EINVAL);
      expect(yield set(u, "/m/f", "user.", "x")).toBe(EINVAL);
      expect(yield set(u, "/m/f", "other.x", "x")).toBe(EOPNOTSUPP);
      expect(yield get(u, "/m/f", "nothing")).toBe(EOPNOTSUPP);
      expect(yield set(u, "/m/f", "system.posix_acl_access", "x")).toBe(EOPNOTSUPP);
      expect(yield set(u, "/m/f", "user.a", "x", 4)).toBe(EINVAL);
      expect(yield sys("setxattr", P, u.text(N, "user.a"), V, 65_537, 0)).toBe(E2BIG);
      expect(yield sys("setxattr", P, N, NOWHERE, 4, 0)).toBe(EFAULT);
      expect(yield sys("getxattr", P, NOWHERE, OUT, 4)).toBe(EFAULT);
      expect(yield sys("getxattr", P, N, NOWHERE, 16)).toBe(EFAULT);
      const large = "v".repeat(kind === "hammer" ? 16_384 - 8 - "user.big".length : 65_536);
      expect(yield set(u, "/m/f", "user.big", large)).toBe(0);
      expect(yield* valueOf(u, "/m/f", "user.big")).toBe(large);
      if (kind === "hammer") expect(yield set(u, "/m/f", "user.big", `${large}v`)).toBe(E2BIG);
      for (const call of ["fsetxattr", "fgetxattr", "fremovexattr"]) expect(yield sys(call, bare, N, V, 1, 0), call).toBe(EBADF);
      expect(yield sys("flistxattr", bare, OUT, 100)).toBe(EBADF);
      expect(yield sys("fgetxattr", 77, N, OUT, 9)).toBe(EBADF);
      expect(yield sys("pipe", OUT)).toBe(0);
      expect(yield sys("fsetxattr", u.word(OUT), N, V, 1, 0)).toBe(EPERM);
      // Whatever else does not hold files and directories has no user attributes.
      yield sys("mknod", u.text(P, "/m/fifo"), 0o10644, 0);
      expect(yield set(u, "/m/fifo", "user.a", "x")).toBe(EPERM);
      expect(yield get(u, "/m/fifo", "user.a")).toBe(ENODATA);
      expect(yield set(u, "/m/fifo", "trusted.a", "x")).toBe(0);
      // File capabilities have a form.
      expect(yield set(u, "/m/f", "security.capability", "x")).toBe(EINVAL);
      expect(yield set(u, "/m/f", "security.capability", `\x01\0\0\x02${"\0".repeat(16)}`)).toBe(0);
      mount.flags |= MNT_RDONLY;
      expect(yield set(u, "/m/f", "user.a", "x")).toBe(EROFS);
      expect(yield remove(u, "/m/f", "user.a")).toBe(EROFS);
      expect(yield sys("fsetxattr", fd, N, V, 1, 0)).toBe(EROFS);
      expect(yield* valueOf(u, "/m/f", "user.a")).toBe("value");
      mount.flags &= ~MNT_RDONLY;
    });
  });

  it("who may", async () => {
    await run(kind, "linux", function* (u) {
      yield* file(u, "/m/f");
      for (const name of ["user.a", "trusted.t", "security.s"]) expect(yield set(u, "/m/f", name, "v")).toBe(0);
      yield sys("mkdir", u.text(P, "/m/sticky"), 0);
      yield sys("chmod", P, 0o1777);
      yield sys("mkdir", u.text(P, "/m/open"), 0);
      yield sys("chmod", P, 0o777);
      yield sys("setresuid32", 5, 5, 5);
      expect(yield* names(u, "/m/f")).toBe("security.s user.a");
      expect(yield* valueOf(u, "/m/f", "user.a")).toBe("v");
      expect(yield* valueOf(u, "/m/f", "security.s")).toBe("v");
      expect(yield* valueOf(u, "/m/f", "trusted.t")).toBe(ENODATA);
      expect(yield set(u, "/m/f", "user.a", "x")).toBe(EACCES);
      expect(yield remove(u, "/m/f", "user.a")).toBe(EACCES);
      expect(yield set(u, "/m/f", "trusted.t", "x")).toBe(EPERM);
      expect(yield set(u, "/m/f", "security.s", "x")).toBe(EPERM);
      expect(yield set(u, "/m/f", "security.capability", `\x01\0\0\x02${"\0".repeat(16)}`)).toBe(EPERM);
      expect(yield set(u, "/m/sticky", "user.a", "x")).toBe(EPERM);
      expect(yield set(u, "/m/open", "user.a", "x")).toBe(0);
      expect(yield remove(u, "/m/open", "user.a")).toBe(0);
      const mine = yield* file(u, "/m/open/mine");
      expect(yield sys("fchmod", mine, 0o200)).toBe(0);
      expect(yield set(u, "/m/open/mine", "user.a", "x")).toBe(0);
      expect(yield get(u, "/m/open/mine", "user.a")).toBe(EACCES);
      expect(yield* names(u, "/m/open/mine")).toBe("user.a");
    });
  });

  it("a change moves ctime, and who watches the file hears of it", async () => {
    await run(kind, "linux", function* (u) {
      yield* file(u, "/m/f");
      const IN_ATTRIB = 4;
      const watch = yield sys("inotify_init1", 0o4000);
      yield sys("inotify_add_watch", watch, u.text(P, "/m/f"), IN_ATTRIB);
      for (const change of [() => set(u, "/m/f", "user.a", "v"), () => remove(u, "/m/f", "user.a")]) {
        const before = yield* ctime(u, "/m/f");
        u.words(V, 0, 1_000_000);
        yield sys("nanosleep", V, 0);
        expect(yield change()).toBe(0);
        expect(yield* ctime(u, "/m/f")).not.toBe(before);
        expect(yield sys("read", watch, OUT, 64)).toBe(16);
        expect(u.word(OUT + 4)).toBe(IN_ATTRIB);
      }
      expect(yield remove(u, "/m/f", "user.a")).toBe(ENODATA);
      expect(yield sys("read", watch, OUT, 64)).toBe(-11);
    });
  });

  it("extattr_* of DragonFly: the same attributes", async () => {
    await run(kind, "dragonfly", function* (u, mount) {
      const USER = 1, SYSTEM = 2;
      yield dfly("open", u.text(P, "/m/f"), 0x202, 0o644);
      const put = (space: number, name: string, value: string): Call =>
        dfly("extattr_set_file", u.text(P, "/m/f"), space, u.text(N, name), u.text(V, value), value.length);
      const fetch = (space: number, name: string, room = 100): Call => dfly("extattr_get_file", u.text(P, "/m/f"), space, u.text(N, name), OUT, room);
      const drop = (space: number, name: string): Call => dfly("extattr_delete_file", u.text(P, "/m/f"), space, u.text(N, name));
      expect(yield fetch(USER, "a")).toBe(D.ENOATTR);
      expect(yield put(USER, "a", "value")).toBe(0);
      expect(yield put(SYSTEM, "a", "other")).toBe(0);
      expect(yield fetch(USER, "a")).toBe(5);
      expect(u.read(OUT, 5)).toBe("value");
      expect(yield fetch(USER, "a", 2)).toBe(2);
      expect(yield fetch(SYSTEM, "a")).toBe(5);
      expect(u.read(OUT, 5)).toBe("other");
      const found = mount.root().lookup("f")!;
      expect([...found.listXattr()].sort()).toEqual(["trusted.a", "user.a"]);
      expect(yield put(0, "a", "x")).toBe(D.EPERM);
      expect(yield put(USER, "", "x")).toBe(D.EINVAL);
      expect(yield put(USER, "n".repeat(251), "x")).toBe(D.ENAMETOOLONG);
      expect(yield drop(USER, "a")).toBe(0);
      expect(yield drop(USER, "a")).toBe(D.ENOATTR);
      mount.flags |= MNT_RDONLY;
      expect(yield put(USER, "a", "x")).toBe(D.EROFS);
      mount.flags &= ~MNT_RDONLY;
      yield dfly("setresuid", 5, 5, 5);
      expect(yield fetch(SYSTEM, "a")).toBe(D.ENOATTR);
      expect(yield put(SYSTEM, "a", "x")).toBe(D.EPERM);
    });
  });
});

it("tmpfs counts what attributes hold, and gives it back", async () => {
  await run("tmpfs", "linux", function* (u, mount) {
    const free = mount.statfs().bfree;
    yield* file(u, "/m/f", O_CREAT | 1);
    let n = 0;
    for (let r = 0; r === 0; n++) {
      r = yield set(u, "/m/f", `user.${n}`, "v".repeat(65_000));
      if (r < 0) expect(r).toBe(ENOSPC);
    }
    expect(n).toBeGreaterThan(14);
    expect(yield remove(u, "/m/f", "user.0")).toBe(0);
    expect(yield set(u, "/m/f", "user.0", "v".repeat(65_000))).toBe(0);
    yield sys("close", 0);
    yield sys("unlink", u.text(P, "/m/f"));
    expect(mount.statfs().bfree).toBe(free);
  });
});

it("HAMMER: the past has its attributes still, and takes none", async () => {
  await run("hammer", "linux", function* (u, mount) {
    yield* file(u, "/m/f");
    yield set(u, "/m/f", "user.a", "then");
    const { core } = mount as HammerfsMount;
    const past = `@@0x${core.sync().toString(16).padStart(16, "0")}`;
    yield set(u, "/m/f", "user.a", "now");
    yield set(u, "/m/f", "user.b", "later");
    yield sys("sync");
    expect(yield* valueOf(u, `/m/${past}/f`, "user.a")).toBe("then");
    expect(yield* names(u, `/m/${past}/f`)).toBe("user.a");
    expect(yield set(u, `/m/${past}/f`, "user.a", "x")).toBe(EROFS);
    expect(yield remove(u, `/m/${past}/f`, "user.a")).toBe(EROFS);
    yield sys("unlink", u.text(P, "/m/f"));
    yield sys("close", 0);
    expect(yield* valueOf(u, `/m/${past}/f`, "user.a")).toBe("then");
  });
});
