// SPDX-License-Identifier: BSD-3-Clause
/** Names of files: directories, links, permissions, mounts. */
import { describe, expect, it } from "vitest";
import { MemoryDevice, newfs } from "@vkernel/hammer";
import { HammerfsMount } from "../../src/vfs/hammer/hammer.ts";
import { MNT_NODEV, MNT_RDONLY } from "../../src/vfs/mount.ts";
import type { TmpfsMount } from "../../src/vfs/tmpfs/tmpfs.ts";
import { B, list, make, onPath, onPaths, open, P, Q, readAll, run, stat, write } from "./file-calls.ts";
import { type Call, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EPERM = -1, ENOENT = -2, ENXIO = -6, EBADF = -9, EACCES = -13, EFAULT = -14, EBUSY = -16, EEXIST = -17, EXDEV = -18, ENODEV = -19;
const ENOTDIR = -20, EISDIR = -21, EINVAL = -22, ENOTTY = -25, EROFS = -30, EMLINK = -31, ENOTEMPTY = -39;
const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_DIRECTORY = 0o200000;
const AT_FDCWD = -100;
const S_IFIFO = 0o010000, S_IFCHR = 0o020000, S_IFREG = 0o100000, S_IFDIR = 0o040000;

/** Mounts a fresh HAMMER file system at `path`. */
function* mountHammer(u: User, path: string): Generator<Call, void, number> {
  const { k } = u.bench;
  const now = (): number => k.microtime();
  const device = new MemoryDevice(1 << 30);
  newfs([device], { label: "TEST", force: true, undoBytes: 8 << 20, now: () => BigInt(Math.floor(now())), fsid: new Uint8Array(16).fill(7) });
  yield onPath(u, "mkdir", path, 0o755);
  k.mounts.mountOn(new HammerfsMount("memory", [device], { now, log: (line) => k.log(line) }), k.mounts.root.children!.get(path.slice(1))!);
}

describe("names", () => {
  it("D6: what cannot be renamed or removed", () =>
    run(function* (u) {
      for (const d of ["/d", "/d/sub", "/e"]) expect(yield onPath(u, "mkdir", d, 0o755)).toBe(0);
      yield* make(u, "/d/file");
      expect(yield onPaths(u, "rename", "/d", "/d/sub/x")).toBe(EINVAL);
      expect(yield onPaths(u, "rename", "/d", "/d/file")).toBe(EINVAL);
      expect(yield onPaths(u, "rename", "/e", "/d/file")).toBe(ENOTDIR);
      expect(yield onPaths(u, "rename", "/d/file", "/e")).toBe(EISDIR);
      expect(yield onPaths(u, "rename", "/e", "/d")).toBe(ENOTEMPTY);
      expect(yield onPaths(u, "rename", "/d/sub", "/d")).toBe(ENOTEMPTY);
      expect(yield onPaths(u, "rename", "/d/.", "/x")).toBe(EBUSY);
      expect(yield onPaths(u, "rename", "/d/file", "/new/")).toBe(ENOTDIR);
      expect(yield onPaths(u, "rename", "/e", "/new/")).toBe(0);
      expect(yield onPaths(u, "rename", "/new", "/e")).toBe(0);
      expect(yield onPath(u, "rmdir", "/d/sub/.")).toBe(EINVAL);
      expect(yield onPath(u, "rmdir", "/d/sub/..")).toBe(ENOTEMPTY);
      expect(yield onPath(u, "rmdir", "/d")).toBe(ENOTEMPTY);
      expect(yield onPath(u, "rmdir", "/")).toBe(EBUSY);
      expect(yield onPath(u, "rmdir", "/d/file")).toBe(ENOTDIR);
      expect(yield onPath(u, "unlink", "/d")).toBe(EISDIR);
      expect(yield onPath(u, "mkdir", "/d", 0)).toBe(EEXIST);
      expect(yield onPath(u, "mkdir", "/d/.", 0)).toBe(EEXIST);
      expect(yield onPaths(u, "link", "/d", "/hard")).toBe(EPERM);
      expect(yield* list(u, "/d")).toEqual([".", "..", "sub", "file"]);
    }));

  it("rename replaces in one step, and links of one file are left alone", () =>
    run(function* (u) {
      yield* make(u, "/a", "A");
      yield* make(u, "/b", "BB");
      yield onPaths(u, "link", "/a", "/a2");
      expect((yield* stat(u, "/a")).nlink).toBe(2);
      const held = yield open(u, "/b");
      expect(yield onPaths(u, "rename", "/a", "/b")).toBe(0);
      expect((yield* stat(u, "/b")).size).toBe(1);
      expect(yield* readAll(u, held)).toBe("BB");
      expect(yield onPaths(u, "rename", "/a2", "/b")).toBe(0);
      expect((yield* stat(u, "/a2")).nlink).toBe(2);
      u.text(P, "/a2");
      u.text(Q, "/b");
      expect(yield sys("renameat2", AT_FDCWD, P, AT_FDCWD, Q, 1)).toBe(EEXIST);
      expect(yield sys("renameat2", AT_FDCWD, P, AT_FDCWD, Q, 4)).toBe(EINVAL);
    }));

  it.each(["/", "/hammer/"])("RENAME_EXCHANGE: two names in %s change what they name, with all below; nothing goes into itself", (top) =>
    run(function* (u) {
      if (top !== "/") yield* mountHammer(u, top.slice(0, -1));
      const exchange = (a: string, b: string): Call => {
        u.text(P, top + a);
        u.text(Q, top + b);
        return sys("renameat2", AT_FDCWD, P, AT_FDCWD, Q, 2);
      };
      for (const d of ["d", "d/sub", "e"]) yield onPath(u, "mkdir", top + d, 0o755);
      yield* make(u, `${top}f`, "file");
      yield* make(u, `${top}d/sub/deep`, "deep");
      yield* make(u, `${top}e/g`, "other");
      const [f, sub, links] = [(yield* stat(u, `${top}f`)).ino, (yield* stat(u, `${top}d/sub`)).ino, (yield* stat(u, `${top}d`)).nlink];
      expect(yield exchange("f", "d/sub")).toBe(0);
      expect([(yield* stat(u, `${top}d/sub`)).ino, (yield* stat(u, `${top}f`)).ino]).toEqual([f, sub]);
      expect(yield* readAll(u, yield open(u, `${top}f/deep`))).toBe("deep");
      expect(yield* readAll(u, yield open(u, `${top}d/sub`))).toBe("file");
      expect((yield* list(u, `${top}f`)).sort()).toEqual([".", "..", "deep"]);
      const above = yield* stat(u, `${top}f/..`);
      expect(above.ino).toBe((yield* stat(u, top)).ino);
      // Where sub-directories count as links
      if (links > 1) expect((yield* stat(u, `${top}d`)).nlink).toBe(links - 1);
      expect(yield exchange("f", "e")).toBe(0);
      expect(yield* readAll(u, yield open(u, `${top}f/g`))).toBe("other");
      expect(yield exchange("e", "d/sub")).toBe(0);
      expect(yield exchange("d", "d/sub")).toBe(EINVAL);
      expect(yield exchange("d/sub", "d")).toBe(EINVAL);
      expect(yield exchange("d/sub/deep", "d")).toBe(EINVAL);
      expect(yield exchange("e", "none")).toBe(ENOENT);
      expect(yield exchange("none", "e")).toBe(ENOENT);
      expect(yield exchange("e", "f/")).toBe(0);
      expect(yield exchange("e", "f/")).toBe(ENOTDIR);
      expect(yield exchange("f", "f")).toBe(0);
    }));

  it("a slash behind a symbolic link does not make it a directory to remove", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/d", 0o755);
      yield onPaths(u, "symlink", "d", "/ld");
      yield onPaths(u, "symlink", "nowhere", "/dang");
      expect(yield onPath(u, "rmdir", "/ld")).toBe(ENOTDIR);
      expect(yield onPath(u, "rmdir", "/ld/")).toBe(ENOTDIR);
      expect(yield onPath(u, "unlink", "/ld/")).toBe(ENOTDIR);
      expect(yield onPath(u, "mkdir", "/ld/", 0o755)).toBe(EEXIST);
      expect(yield onPath(u, "mkdir", "/dang", 0o755)).toBe(EEXIST);
      expect(yield onPath(u, "mkdir", "/dang/", 0o755)).toBe(EEXIST);
      expect(yield open(u, "/dang/", O_CREAT)).toBe(EISDIR);
      expect((yield* stat(u, "/ld/", false)).mode).toBe(S_IFDIR | 0o755);
    }));

  it("D7: links have a limit", () =>
    run(function* (u) {
      yield* make(u, "/f");

      let r = 0;
      let n = 1;
      for (; r === 0; n++) r = yield onPaths(u, "link", "/f", `/l${n}`);
      expect(r).toBeLessThan(0);
      expect([EMLINK, -28]).toContain(r);
      expect(n).toBeLessThan(40_000);
    }));

  it("D5: .. stays in a root directory; a kept descriptor does not", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/jail", 0o755);
      yield* make(u, "/outside");
      const out = yield open(u, "/");
      expect(yield onPath(u, "chroot", "/jail")).toBe(0);
      expect(yield onPath(u, "chdir", "/")).toBe(0);
      expect(yield onPath(u, "stat64", "/../../outside", B)).toBe(ENOENT);
      expect(yield onPath(u, "stat64", "../outside", B)).toBe(ENOENT);
      u.text(P, "outside");
      expect(yield sys("fstatat64", out, P, B, 0)).toBe(0);
    }));

  it("the working directory follows renames and has no path once removed", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/one", 0o755);
      yield onPath(u, "chdir", "/one");
      yield onPaths(u, "rename", "/one", "/two");
      expect(yield sys("getcwd", B, 100)).toBe(5);
      expect(u.str(B)).toBe("/two");
      expect(yield sys("getcwd", B, 4)).toBe(-34);
      yield onPath(u, "rmdir", "/two");
      expect(yield sys("getcwd", B, 100)).toBe(ENOENT);
      expect(yield open(u, "file", O_CREAT)).toBe(ENOENT);
      expect(yield onPath(u, "stat64", ".", B)).toBe(0);
      expect(yield onPath(u, "chdir", "..")).toBe(0);
      expect(yield sys("getcwd", B, 100)).toBe(2);
    }));

  it("*at calls start at their directory", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/d", 0o755);
      const d = yield open(u, "/d", O_DIRECTORY);
      u.text(P, "x");
      u.text(Q, "/abs");
      const fd = yield sys("openat", d, P, O_CREAT | O_RDWR, 0o600);
      expect(fd).toBeGreaterThanOrEqual(0);
      expect((yield* stat(u, "/d/x")).mode).toBe(S_IFREG | 0o600);
      u.text(P, "x");
      expect(yield sys("linkat", d, P, d, Q, 0)).toBe(0);
      expect(yield sys("mkdirat", fd, P, 0o755)).toBe(ENOTDIR);
      expect(yield sys("mkdirat", 77, P, 0o755)).toBe(EBADF);
      expect(yield sys("mkdirat", 77, Q, 0o755)).toBe(EEXIST);
      expect(yield sys("unlinkat", d, P, 0)).toBe(0);
      expect(yield sys("unlinkat", d, P, 0x200)).toBe(ENOENT);
      expect(yield sys("fchmodat", AT_FDCWD, Q, 0o4755)).toBe(0);
      expect((yield* stat(u, "/abs")).mode).toBe(S_IFREG | 0o4755);
      u.text(P, "");
      expect(yield sys("fstatat64", fd, P, B, 0x1000)).toBe(0);
      expect(yield sys("fstatat64", fd, P, B, 0)).toBe(ENOENT);
      expect(yield sys("fstatat64", fd, P, B, 0x40)).toBe(EINVAL);
    }));

  it("statx and stat64 tell the same", () =>
    run(function* (u) {
      yield* make(u, "/f", "12345");
      const st = yield* stat(u, "/f");
      u.text(P, "/f");
      expect(yield sys("statx", AT_FDCWD, P, 0, 0x7ff, B)).toBe(0);
      expect(u.word(B) & 0x7ff).toBe(0x7ff);
      expect(u.word(B + 28) & 0xffff).toBe(st.mode);
      expect([u.word(B + 16), u.word(B + 32), u.word(B + 40), u.word(B + 112)]).toEqual([st.nlink, st.ino, 5, st.mtime]);
      expect(yield onPath(u, "statfs64", "/", 84, B)).toBe(0);
      expect(u.word(B)).toBe(0x01021994);
      expect(yield onPath(u, "statfs64", "/", 80, B)).toBe(EINVAL);
    }));

  it("lists directories in both forms, a few entries at a time", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/d", 0o755);
      const names = [".", ".."];
      for (let i = 0; i < 20; i++) {
        names.push(`file-${"n".repeat(i)}`);
        yield* make(u, `/d/${names[i + 2]!}`);
      }
      expect(yield* list(u, "/d")).toEqual(names);
      const fd = yield open(u, "/d");
      const n = yield sys("getdents", fd, B, 4096);
      const old: string[] = [];
      for (let at = 0; at < n; at += u.word(B + at + 8) & 0xffff) old.push(u.str(B + at + 10));
      expect(old).toEqual(names);
    }));
});

describe("permissions", () => {
  const asUser = (program: Program): Program =>
    function* (u) {
      yield sys("setresgid32", 100, 100, 100);
      yield sys("setresuid32", 1000, 1000, 1000);
      yield* program(u);
    };

  it("D18: what is the superuser's", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/mnt", 0o777);
      yield onPath(u, "chmod", "/mnt", 0o777);
      yield* asUser(function* () {
        u.text(P, "tmpfs");
        u.text(Q, "/mnt");
        expect(yield sys("mount", P, Q, P, 0, 0)).toBe(EPERM);
        expect(yield sys("umount2", Q, 0)).toBe(EPERM);
        expect(yield onPath(u, "mknod", "/mnt/dev", S_IFCHR | 0o666, 0x103)).toBe(EPERM);
        expect(yield onPath(u, "chroot", "/mnt")).toBe(EPERM);
        expect(yield onPath(u, "mknod", "/mnt/fifo", S_IFIFO | 0o666, 0)).toBe(0);
      })(u);
    }));

  it("owners may change what is theirs, and no more", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/pub", 0o777);
      yield onPath(u, "chmod", "/pub", 0o1777);
      yield onPath(u, "mkdir", "/priv", 0o755);
      yield* make(u, "/pub/root");
      yield onPath(u, "chmod", "/pub/root", 0o644);
      yield* asUser(function* () {
        expect(yield open(u, "/pub/root", O_RDWR)).toBe(EACCES);
        expect(yield onPath(u, "chmod", "/pub/root", 0o777)).toBe(EPERM);
        expect(yield onPath(u, "unlink", "/pub/root")).toBe(EPERM);
        expect(yield onPaths(u, "rename", "/pub/root", "/pub/x")).toBe(EPERM);
        expect(yield open(u, "/priv/x", O_CREAT)).toBe(EACCES);
        expect(yield onPath(u, "utime", "/pub/root", 0)).toBe(EACCES);
        yield* make(u, "/pub/mine", "x");
        expect(yield onPath(u, "chown32", "/pub/mine", -1, 100)).toBe(0);
        expect(yield onPath(u, "chown32", "/pub/mine", 0, -1)).toBe(EPERM);
        expect(yield onPath(u, "chown32", "/pub/mine", -1, 5)).toBe(EPERM);
        expect(yield onPath(u, "chmod", "/pub/mine", 0o6755)).toBe(0);
        const fd = yield open(u, "/pub/mine", O_WRONLY);
        yield* write(u, fd, "y");
        expect((yield* stat(u, "/pub/mine")).mode & 0o7777).toBe(0o755);
        expect(yield onPath(u, "access", "/pub/root", 2)).toBe(EACCES);
        expect(yield onPath(u, "access", "/pub/root", 4)).toBe(0);
        expect(yield onPath(u, "access", "/pub/root", 8)).toBe(EINVAL);
        expect(yield onPath(u, "unlink", "/pub/mine")).toBe(0);
      })(u);
    }));

  it("set-gid directories hand their group on", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/g", 0o777);
      yield onPath(u, "chown32", "/g", 0, 42);
      yield onPath(u, "chmod", "/g", 0o2777);
      yield* make(u, "/g/f");
      yield onPath(u, "mkdir", "/g/d", 0o755);
      expect((yield* stat(u, "/g/f")).gid).toBe(42);
      expect(yield* stat(u, "/g/d")).toMatchObject({ gid: 42, mode: S_IFDIR | 0o2755 });
    }));

  it("sets times, and the clock for times that are 'now'", () =>
    run(function* (u) {
      yield* make(u, "/f");
      u.words(Q, 100, 5, 200, 0x3ffffffe);
      u.text(P, "/f");
      expect(yield sys("utimensat", AT_FDCWD, P, Q, 0)).toBe(0);
      const st = yield* stat(u, "/f");
      expect(st.mtime).toBe(1_200_000_000);
      expect(u.word(B + 64)).toBe(100);
      u.words(Q, 100, 5, 200, 1_000_000_000);
      u.text(P, "/f");
      expect(yield sys("utimensat", AT_FDCWD, P, Q, 0)).toBe(EINVAL);
      expect(yield sys("utimensat", AT_FDCWD, 0, 0, 0)).toBe(EFAULT);
    }));
});

describe("mounts", () => {
  it("mounts, refuses what is in use, unmounts", () =>
    run(function* (u) {
      yield onPath(u, "mkdir", "/mnt", 0o755);
      const mount = (type: string, options = "", flags = 0): Call => {
        u.text(P, type);
        u.text(Q, "/mnt");
        u.text(B, options);
        return sys("mount", P, Q, P, flags, B);
      };
      expect(yield mount("nosuchfs")).toBe(ENODEV);
      expect(yield mount("tmpfs", "size=65536")).toBe(0);
      expect(yield mount("tmpfs")).toBe(EBUSY);
      yield* make(u, "/mnt/f", "x");
      yield* make(u, "/g");
      expect(yield onPaths(u, "link", "/g", "/mnt/g")).toBe(EXDEV);
      expect(yield onPaths(u, "rename", "/g", "/mnt/g")).toBe(EXDEV);
      expect(yield onPaths(u, "rename", "/mnt", "/m2")).toBe(EBUSY);
      expect(yield onPath(u, "rmdir", "/mnt")).toBe(EBUSY);
      const fd = yield open(u, "/mnt/f");
      expect(yield onPath(u, "umount2", "/mnt", 0)).toBe(EBUSY);
      expect(yield mount("tmpfs", "", 32 | 1)).toBe(0);
      expect(yield open(u, "/mnt/f", O_WRONLY)).toBe(EROFS);
      expect(yield onPath(u, "mkdir", "/mnt/d", 0)).toBe(EROFS);
      expect(yield onPath(u, "unlink", "/mnt/f")).toBe(EROFS);
      expect(yield onPath(u, "chmod", "/mnt/f", 0)).toBe(EROFS);
      expect(yield onPath(u, "access", "/mnt/f", 2)).toBe(EROFS);
      yield sys("close", fd);
      expect(yield onPath(u, "umount2", "/mnt/f", 0)).toBe(EINVAL);
      expect(yield onPath(u, "umount2", "/mnt", 0)).toBe(0);
      expect(yield onPath(u, "umount2", "/", 0)).toBe(EBUSY);
    }));

  it("devices need a mount that allows them", async () => {
    const bench = new UserBench();
    const root = bench.k.mounts.list[0] as TmpfsMount;
    await bench.run(
      bench.start(function* (u) {
        expect(yield onPath(u, "mknod", "/null", S_IFCHR | 0o666, 0x103)).toBe(0);
        expect(yield onPath(u, "mknod", "/nothing", S_IFCHR | 0o666, 0x6363)).toBe(0);
        expect((yield* stat(u, "/null")).rdev).toBe(0x103);
        const fd = yield open(u, "/null", O_RDWR);
        expect(yield* write(u, fd, "gone")).toBe(4);
        expect(yield sys("read", fd, B, 10)).toBe(0);
        expect(yield open(u, "/nothing")).toBe(ENXIO);
        // D17: control words that the device does not know.
        for (const cmd of [0, 0x5401, 0x5413, -1]) expect(yield sys("ioctl", fd, cmd, B)).toBe(ENOTTY);
        root.flags |= MNT_NODEV;
        expect(yield open(u, "/null")).toBe(EACCES);
        root.flags |= MNT_RDONLY;
        expect(yield open(u, "/new", O_CREAT)).toBe(EROFS);
      }),
    );
  });
});
