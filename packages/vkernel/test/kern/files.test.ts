// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { MNT_NODEV, MNT_RDONLY } from "../../src/vfs/mount.ts";
import type { TmpfsMount } from "../../src/vfs/tmpfs/tmpfs.ts";
import { registerTestFilesystems } from "./mounts.ts";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EPERM = -1, ENOENT = -2, ENXIO = -6, EBADF = -9, EAGAIN = -11, EACCES = -13, EFAULT = -14, EBUSY = -16, EEXIST = -17, EXDEV = -18;
const ENODEV = -19, ENOTDIR = -20, EISDIR = -21, EINVAL = -22, EMFILE = -24, ENOTTY = -25, ETXTBSY = -26, EFBIG = -27, ESPIPE = -29;
const EROFS = -30, EMLINK = -31, EPIPE = -32, EDEADLK = -35, ENAMETOOLONG = -36, ENOTEMPTY = -39, ELOOP = -40, EOPNOTSUPP = -95;
const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_TRUNC = 0o1000, O_APPEND = 0o2000, O_NONBLOCK = 0o4000;
const O_DIRECTORY = 0o200000, O_NOFOLLOW = 0o400000, O_CLOEXEC = 0o2000000, O_PATH = 0o10000000;
const AT_FDCWD = -100;
const S_IFIFO = 0o010000, S_IFCHR = 0o020000, S_IFREG = 0o100000, S_IFDIR = 0o040000, S_IFLNK = 0o120000;
const P = DATA, Q = DATA + 0x2000, B = DATA + 0x4000;

async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  registerTestFilesystems(bench.k);
  await bench.run(bench.start(program));
}

/** A call whose first argument is a path. */
function onPath(u: User, name: string, path: string, ...rest: number[]): Call {
  return sys(name, u.text(P, path), ...rest);
}
const onPaths = (u: User, name: string, a: string, b: string): Call => sys(name, u.text(P, a), u.text(Q, b));
const open = (u: User, path: string, flags = 0, mode = 0o644): Call => onPath(u, "open", path, flags, mode);

function* write(u: User, fd: number, s: string): Generator<Call, number, number> {
  u.text(B, s);
  return yield sys("write", fd, B, s.length);
}
function* readAll(u: User, fd: number): Generator<Call, string, number> {
  let all = "";
  for (;;) {
    const n = yield sys("read", fd, B, 4096);
    expect(n).toBeGreaterThanOrEqual(0);
    if (n === 0) return all;
    all += u.read(B, n);
  }
}
function* make(u: User, path: string, contents = ""): Generator<Call, void, number> {
  const fd = yield open(u, path, O_CREAT | O_WRONLY | O_TRUNC);
  expect(fd).toBeGreaterThanOrEqual(0);
  expect(yield* write(u, fd, contents)).toBe(contents.length);
  yield sys("close", fd);
}
/** Fields of stat64. */
function* stat(u: User, path: string, follow = true): Generator<Call, { mode: number; nlink: number; size: number; ino: number; uid: number; gid: number; rdev: number; mtime: number }, number> {
  expect(yield onPath(u, follow ? "stat64" : "lstat64", path, B)).toBe(0);
  return {
    mode: u.word(B + 16), nlink: u.word(B + 20), size: u.word(B + 44), ino: u.word(B + 88), uid: u.word(B + 24), gid: u.word(B + 28),
    rdev: u.word(B + 32), mtime: u.word(B + 72),
  };
}
function* list(u: User, path: string): Generator<Call, string[], number> {
  const fd = yield open(u, path, O_DIRECTORY);
  const names: string[] = [];
  for (;;) {
    const n = yield sys("getdents64", fd, B, 128);
    expect(n).toBeGreaterThanOrEqual(0);
    if (n === 0) break;
    for (let at = 0; at < n; at += (u.word(B + at + 16) & 0xffff)) names.push(u.str(B + at + 19));
  }
  yield sys("close", fd);
  return names;
}

describe("open", () => {
  it("creates, truncates, appends; O_EXCL refuses what is there", () =>
    run(function* (u) {
      yield* make(u, "/f", "hello");
      expect(yield open(u, "/f", O_CREAT | O_EXCL)).toBe(EEXIST);
      const a = yield open(u, "/f", O_WRONLY | O_APPEND);
      expect(yield sys("lseek", a, 0, 0)).toBe(0);
      yield* write(u, a, " world");
      const r = yield open(u, "/f");
      expect(yield* readAll(u, r)).toBe("hello world");
      expect((yield* stat(u, "/f")).size).toBe(11);
      yield open(u, "/f", O_WRONLY | O_TRUNC);
      expect((yield* stat(u, "/f")).size).toBe(0);
    }));

  it("honours the mask, and sets descriptors close-on-exec", () =>
    run(function* (u) {
      expect(yield sys("umask", 0o027)).toBe(0o022);
      const fd = yield open(u, "/m", O_CREAT | O_RDWR | O_CLOEXEC, 0o777);
      expect((yield* stat(u, "/m")).mode).toBe(S_IFREG | 0o750);
      expect(yield sys("fcntl64", fd, 1, 0)).toBe(1);
      expect(yield sys("fcntl64", fd, 3, 0)).toBe(O_RDWR | 0o100000);
    }));

  it.each([
    ["/none", 0, ENOENT],
    ["", 0, ENOENT],
    ["/", O_WRONLY, EISDIR],
    ["/", O_CREAT, EISDIR],
    ["/new/", O_CREAT | O_WRONLY, EISDIR],
    ["/none/x", O_CREAT, ENOENT],
    ["/file/x", 0, ENOTDIR],
    ["/file/", 0, ENOTDIR],
    ["/file", O_DIRECTORY, ENOTDIR],
    ["/link", O_NOFOLLOW, ELOOP],
    ["/loop", 0, ELOOP],
    ["/dangling", 0, ENOENT],
    ["/dangling", O_CREAT | O_EXCL, EEXIST],
    ["/" + "n".repeat(256), O_CREAT, ENAMETOOLONG],
    ["/file", 0o20200000 | O_RDWR, EOPNOTSUPP],
  ])("%s with flags %i gives %i", async (path, flags, want) => {
    await run(function* (u) {
      yield* make(u, "/file");
      yield onPaths(u, "symlink", "file", "/link");
      yield onPaths(u, "symlink", "loop", "/loop");
      yield onPaths(u, "symlink", "/made-by-link", "/dangling");
      expect(yield open(u, path, flags)).toBe(want);
    });
  });

  it("D3: names of 255 bytes, and paths up to the limit with their NUL", () =>
    run(function* (u) {
      const name = "/" + "a".repeat(255);
      yield* make(u, name, "x");
      expect((yield* stat(u, name)).size).toBe(1);
      const long = "/.".repeat(2047);
      expect(yield open(u, long)).toBeGreaterThanOrEqual(0);
      expect(yield open(u, `${long}/.`)).toBe(ENAMETOOLONG);
      u.setWord(DATA + 0x10_0000 - 4, 0x61616161);
      expect(yield sys("open", DATA + 0x10_0000 - 1, 0)).toBe(EFAULT);
      expect(yield sys("open", 0, 0)).toBe(EFAULT);
    }));

  it("a dangling link is created through", () =>
    run(function* (u) {
      yield onPaths(u, "symlink", "/target", "/dangling");
      yield* make(u, "/dangling", "via");
      expect((yield* stat(u, "/target")).size).toBe(3);
    }));

  it("O_PATH names a file without rights to it", () =>
    run(function* (u) {
      yield* make(u, "/f", "data");
      yield onPaths(u, "symlink", "f", "/l");
      const fd = yield open(u, "/l", O_PATH | O_NOFOLLOW);
      expect(yield sys("read", fd, B, 1)).toBe(EBADF);
      expect(yield sys("write", fd, B, 1)).toBe(EBADF);
      u.text(P, "");
      expect(yield sys("readlinkat", fd, P, B, 100)).toBe(1);
      expect(yield sys("fstat64", fd, B)).toBe(0);
      expect(u.word(B + 16)).toBe(S_IFLNK | 0o777);
    }));

  it("D2: wrong descriptors", () =>
    run(function* (u) {
      yield* make(u, "/f");
      for (const fd of [-1, 5, 0x7fffffff, -0x80000000]) {
        for (const name of ["read", "write", "fstat64", "fsync", "fchdir", "dup", "getdents64", "ioctl", "fcntl64"]) {
          expect([name, fd, yield sys(name, fd, B, 1)]).toEqual([name, fd, EBADF]);
        }
      }
      const ro = yield open(u, "/f", 0);
      expect(yield sys("write", ro, B, 1)).toBe(EBADF);
      const wo = yield open(u, "/f", O_WRONLY);
      expect(yield sys("read", wo, B, 1)).toBe(EBADF);
      expect(yield sys("fchdir", ro)).toBe(ENOTDIR);
      const dir = yield open(u, "/");
      expect(yield sys("read", dir, B, 10)).toBe(EISDIR);
      expect(yield sys("getdents64", ro, B, 100)).toBe(ENOTDIR);
      expect(yield sys("getdents64", dir, B, 10)).toBe(EINVAL);
      yield sys("pipe", B);
      expect(yield sys("lseek", u.word(B), 0, 0)).toBe(ESPIPE);
      expect(yield sys("pread64", u.word(B), B, 1, 0, 0)).toBe(ESPIPE);
    }));

  it("EMFILE creates nothing", () =>
    run(function* (u) {
      yield* make(u, "/f");
      let last = 0;
      for (let i = 0; i < 2000 && last >= 0; i++) last = yield open(u, "/f");
      expect(last).toBe(EMFILE);
      expect(yield open(u, "/other", O_CREAT)).toBe(EMFILE);
      expect(yield sys("close", 7)).toBe(0);
      expect(yield open(u, "/other", 0)).toBe(ENOENT);
      expect(yield open(u, "/f", 0)).toBe(7);
    }));
});

describe("positions and sizes", () => {
  it("D8: offsets that cannot be", () =>
    run(function* (u) {
      yield* make(u, "/f", "0123456789");
      const fd = yield open(u, "/f", O_RDWR);
      expect(yield sys("lseek", fd, -1, 0)).toBe(EINVAL);
      expect(yield sys("lseek", fd, -4, 2)).toBe(6);
      expect(yield sys("lseek", fd, -7, 1)).toBe(EINVAL);
      expect(yield sys("lseek", fd, 0, 9)).toBe(EINVAL);
      expect(yield sys("_llseek", fd, 0x7fffffff, -1, B, 0)).toBeLessThan(0);
      expect(yield sys("pread64", fd, B, 1, -1, -1)).toBe(EINVAL);
      expect(yield sys("ftruncate64", fd, -1, -1)).toBe(EINVAL);
      expect(yield onPath(u, "truncate", "/f", -1)).toBe(EINVAL);
      expect(yield sys("ftruncate64", fd, 0, 0x7fffffff)).toBe(EFBIG);
      expect(yield sys("_llseek", fd, 3, 5, B, 0)).toBe(0);
      expect([u.word(B), u.word(B + 4)]).toEqual([5, 3]);
    }));

  it("pread and pwrite leave the position alone; writes behind the end leave zeros", () =>
    run(function* (u) {
      const fd = yield open(u, "/f", O_CREAT | O_RDWR);
      u.text(B, "end");
      expect(yield sys("pwrite64", fd, B, 3, 100, 0)).toBe(3);
      expect(yield sys("read", fd, B, 4096)).toBe(103);
      expect(u.read(B, 103)).toBe("\0".repeat(100) + "end");
      expect(yield sys("pread64", fd, B, 10, 101, 0)).toBe(2);
      expect(yield sys("lseek", fd, 0, 1)).toBe(103);
    }));

  it("readv and writev go through their pieces in order", () =>
    run(function* (u) {
      const fd = yield open(u, "/v", O_CREAT | O_RDWR);
      u.text(B, "abc");
      u.text(B + 16, "defg");
      u.words(Q, B, 3, 0, 0, B + 16, 4);
      expect(yield sys("writev", fd, Q, 3)).toBe(7);
      yield sys("lseek", fd, 0, 0);
      u.words(Q, B + 64, 2, B + 96, 10);
      expect(yield sys("readv", fd, Q, 2)).toBe(7);
      expect([u.read(B + 64, 2), u.read(B + 96, 5)]).toEqual(["ab", "cdefg"]);
      expect(yield sys("writev", fd, Q, -1)).toBe(EINVAL);
      expect(yield sys("writev", fd, Q, 1025)).toBe(EINVAL);
      u.words(Q, 0, 4);
      expect(yield sys("writev", fd, Q, 1)).toBe(EFAULT);
      expect(yield sys("writev", 99, 0, 1)).toBe(EBADF);
    }));

  it("a file size limit is EFBIG and SIGXFSZ", () =>
    run(function* (u) {
      let signals = 0;
      yield u.sigaction(25, u.handler(function* () {
        signals++;
        yield sys("getpid");
      }));
      const fd = yield open(u, "/big", O_CREAT | O_RDWR);
      u.words(B, 10, 10);
      expect(yield sys("setrlimit", 1, B)).toBe(0);
      expect(yield* write(u, fd, "123456789012345")).toBe(10);
      expect(yield* write(u, fd, "x")).toBe(EFBIG);
      expect(signals).toBe(1);
    }));

  it("copies inside the kernel", () =>
    run(function* (u) {
      yield* make(u, "/src", "0123456789".repeat(1000));
      const from = yield open(u, "/src");
      const to = yield open(u, "/dst", O_CREAT | O_RDWR);
      expect(yield sys("copy_file_range", from, 0, to, 0, 100, 0)).toBe(100);
      expect(yield sys("sendfile64", to, from, 0, 20000)).toBe(9900);
      expect((yield* stat(u, "/dst")).size).toBe(10000);
      u.words(Q, 5, 0);
      expect(yield sys("sendfile64", to, from, Q, 3)).toBe(3);
      expect(u.word(Q)).toBe(8);
      yield sys("lseek", to, 10000, 0);
      expect(yield* readAll(u, to)).toBe("567");
    }));

  it("a file that is copied behind itself grows by a bounded part in one call", () =>
    run(function* (u) {
      yield* make(u, "/f", "0123456789".repeat(1000));
      const from = yield open(u, "/f");
      const to = yield open(u, "/f", O_RDWR);
      yield sys("lseek", to, 0, 2);
      const moved = yield sys("sendfile64", to, from, 0, 0x4000_0000);
      expect(moved).toBeGreaterThanOrEqual(10000);
      expect(moved).toBeLessThanOrEqual(16 << 20);
      expect((yield* stat(u, "/f")).size).toBe(10000 + moved);
    }));
});

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
      expect(yield sys("renameat2", AT_FDCWD, P, AT_FDCWD, Q, 2)).toBe(EINVAL);
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

describe("fifos", () => {
  it("open waits for the other side, and data goes through", () =>
    run(function* (u) {
      expect(yield onPath(u, "mknod", "/fifo", S_IFIFO | 0o666, 0)).toBe(0);
      expect(yield open(u, "/fifo", O_WRONLY | O_NONBLOCK)).toBe(ENXIO);
      u.child(function* (c) {
        const w = yield open(c, "/fifo", O_WRONLY);
        expect(yield* write(c, w, "through")).toBe(7);
      });
      yield sys("fork");
      const r = yield open(u, "/fifo", 0);
      expect(yield* readAll(u, r)).toBe("through");
      yield sys("waitpid", -1, 0, 0);
      const again = yield open(u, "/fifo", O_NONBLOCK);
      expect(yield sys("read", again, B, 1)).toBe(0);
      const w = yield open(u, "/fifo", O_WRONLY | O_NONBLOCK);
      expect(yield sys("read", again, B, 1)).toBe(EAGAIN);
      yield sys("close", again);
      yield sys("close", r);
      yield u.sigaction(13, 1);
      expect(yield* write(u, w, "x")).toBe(EPIPE);
    }));

  it("a writer of more than fits waits for the reader", () =>
    run(function* (u) {
      yield onPath(u, "mknod", "/fifo", S_IFIFO | 0o666, 0);
      u.child(function* (c) {
        const w = yield open(c, "/fifo", O_WRONLY);
        expect(yield sys("write", w, DATA, 200_000)).toBe(200_000);
      });
      yield sys("fork");
      const r = yield open(u, "/fifo", 0);
      let total = 0;
      for (;;) {
        const n = yield sys("read", r, B, 50_000);
        if (n === 0) break;
        total += n;
      }
      expect(total).toBe(200_000);
    }));
});

describe("openat2", () => {
  const XDEV = 1, MAGIC = 2, LINKS = 4, BENEATH = 8, ROOT = 16, CACHED = 32;
  const openat2 = (u: User, dirfd: number, path: string, resolve: number, flags = 0): Call => {
    u.words(B, flags, 0, 0, 0, resolve, 0);
    return sys("openat2", dirfd, u.text(P, path), B, 24);
  };
  it("restricts where the walk may lead", () =>
    run(function* (u) {
      for (const dir of ["/in", "/in/d", "/mnt"]) yield onPath(u, "mkdir", dir, 0o755);
      yield* make(u, "/out");
      yield* make(u, "/in/d/f");
      yield onPaths(u, "symlink", "/out", "/in/absolute");
      yield onPaths(u, "symlink", "../out", "/in/up");
      yield onPaths(u, "symlink", "d/f", "/in/link");
      yield onPaths(u, "symlink", "/d/f", "/in/rooted");
      const dir = yield open(u, "/in", O_DIRECTORY);
      const good = function* (path: string, resolve: number, flags = 0): Generator<Call, void, number> {
        const fd = yield openat2(u, dir, path, resolve, flags);
        expect(fd, path).toBeGreaterThanOrEqual(0);
        yield sys("close", fd);
      };
      yield* good("d/../link", BENEATH);
      yield* good("d/f", LINKS);
      yield* good("link", LINKS, O_PATH | O_NOFOLLOW);
      yield* good("rooted", ROOT);
      yield* good("/d/f", ROOT);
      yield* good("../../d/f", ROOT);
      yield* good("up", 0);
      for (const path of ["..", "d/../../out", "absolute", "up", "/out"]) expect(yield openat2(u, dir, path, BENEATH), path).toBe(EXDEV);
      for (const path of ["absolute", "up"]) expect(yield openat2(u, dir, path, ROOT), path).toBe(ENOENT);
      expect(yield openat2(u, dir, "link", LINKS)).toBe(ELOOP);
      expect(yield openat2(u, dir, "d", CACHED)).toBe(EAGAIN);
      expect(yield openat2(u, dir, "d", BENEATH | ROOT)).toBe(EINVAL);
      expect(yield openat2(u, dir, "d", 0x40)).toBe(EINVAL);
      yield sys("mount", u.text(P, "none"), u.text(Q, "/mnt"), u.text(B, "tmpfs"), 0, 0);
      const root = yield open(u, "/", O_DIRECTORY);
      expect(yield openat2(u, root, "mnt", XDEV, O_DIRECTORY)).toBe(EXDEV);
      expect(yield openat2(u, root, "in/absolute", XDEV | MAGIC)).toBeGreaterThanOrEqual(0);
      const mnt = yield open(u, "/mnt", O_DIRECTORY);
      expect(yield openat2(u, mnt, "..", XDEV, O_DIRECTORY)).toBe(EXDEV);
    }));
});

describe("locks", () => {
  const F_SETLK = 13, F_SETLKW = 14, F_GETLK = 12, RD = 0, WR = 1, UN = 2;
  const lock = (u: User, fd: number, cmd: number, type: number, start: number, len: number): Call => {
    u.words(Q, type, start, 0, len, 0, 0);
    return sys("fcntl64", fd, cmd, Q);
  };

  it("D21: record locks exclude processes, and a circle is EDEADLK", () =>
    run(function* (u) {
      yield* make(u, "/l", "x".repeat(100));
      const fd = yield open(u, "/l", O_RDWR);
      expect(yield lock(u, fd, F_SETLK, WR, 0, 10)).toBe(0);
      u.child(function* (c) {
        const mine = yield open(c, "/l", O_RDWR);
        expect(yield lock(c, mine, F_SETLK, RD, 5, 1)).toBe(EAGAIN);
        expect(yield lock(c, mine, F_GETLK, RD, 5, 1)).toBe(0);
        expect([c.word(Q) & 0xffff, c.word(Q + 4), c.word(Q + 12), c.word(Q + 20)]).toEqual([WR, 0, 10, 2]);
        expect(yield lock(c, mine, F_SETLK, WR, 50, 10)).toBe(0);
        expect(yield lock(c, mine, F_SETLKW, WR, 0, 10)).toBe(0);
      });
      yield sys("fork");
      // Lets the child get to its wait.
      u.words(B, 0, 1000);
      yield sys("nanosleep", B, 0);
      expect(yield lock(u, fd, F_SETLKW, WR, 50, 10)).toBe(EDEADLK);
      expect(yield lock(u, fd, F_SETLK, UN, 0, 0)).toBe(0);
      yield sys("waitpid", -1, 0, 0);
      expect(yield lock(u, fd, F_SETLK, WR, 0, 0)).toBe(0);
    }));

  it("locks of an open file exclude its own process, survive other closes, and go with the last descriptor", () =>
    run(function* (u) {
      const GETLK = 36, SETLK = 37;
      yield* make(u, "/l");
      const one = yield open(u, "/l", O_RDWR);
      const two = yield open(u, "/l", O_RDWR);
      expect(yield lock(u, one, SETLK, WR, 10, 20)).toBe(0);
      expect(yield lock(u, two, SETLK, WR, 25, 10)).toBe(EAGAIN);
      expect(yield lock(u, two, F_SETLK, WR, 25, 10)).toBe(EAGAIN);
      expect(yield lock(u, two, GETLK, RD, 0, 0)).toBe(0);
      expect([u.word(Q) & 0xffff, u.word(Q + 4), u.word(Q + 12), u.word(Q + 20)]).toEqual([WR, 10, 20, -1]);
      yield sys("close", yield open(u, "/l"));
      expect(yield lock(u, two, SETLK, RD, 25, 10)).toBe(EAGAIN);
      const dup = yield sys("dup", one);
      yield sys("close", one);
      expect(yield lock(u, two, SETLK, RD, 25, 10)).toBe(EAGAIN);
      yield sys("close", dup);
      expect(yield lock(u, two, SETLK, RD, 25, 10)).toBe(0);
      u.words(Q, RD, 0, 0, 1, 0, 7);
      expect(yield sys("fcntl64", two, SETLK, Q)).toBe(EINVAL);
    }));

  it("closing any descriptor of the file drops the process's locks", () =>
    run(function* (u) {
      yield* make(u, "/l");
      const fd = yield open(u, "/l", O_RDWR);
      expect(yield lock(u, fd, F_SETLK, WR, 0, 0)).toBe(0);
      yield sys("close", yield open(u, "/l"));
      u.child(function* (c) {
        expect(yield lock(c, fd, F_SETLK, WR, 0, 0)).toBe(0);
      });
      yield sys("fork");
      u.words(B, 0, 0);
      yield sys("waitpid", -1, B, 0);
      expect(u.word(B)).toBe(0);
    }));

  it("flock belongs to the open file", () =>
    run(function* (u) {
      yield* make(u, "/l");
      const a = yield open(u, "/l");
      const b = yield open(u, "/l");
      expect(yield sys("flock", a, 2)).toBe(0);
      expect(yield sys("flock", b, 1 | 4)).toBe(EAGAIN);
      const dup = yield sys("dup", a);
      yield sys("close", a);
      expect(yield sys("flock", b, 1 | 4)).toBe(EAGAIN);
      yield sys("close", dup);
      expect(yield sys("flock", b, 1 | 4)).toBe(0);
      expect(yield sys("flock", b, 7)).toBe(EINVAL);
    }));
});

describe("text files", () => {
  it("a file that is being written cannot be executed, and the other way round", () =>
    run(function* (u) {
      yield* make(u, "/prog", "#!/none\n");
      yield onPath(u, "chmod", "/prog", 0o755);
      const fd = yield open(u, "/prog", O_WRONLY);
      expect(fd).toBeGreaterThanOrEqual(0);
      u.words(Q, P, 0);
      expect(yield onPath(u, "execve", "/prog", Q, 0)).toBe(ETXTBSY);
      yield sys("close", fd);
      u.words(Q, P, 0);
      expect(yield onPath(u, "execve", "/prog", Q, 0)).toBe(ENOENT);
    }));
});
