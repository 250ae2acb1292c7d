// SPDX-License-Identifier: BSD-3-Clause
/** Open files: contents, positions, FIFOs, locks. */
import { describe, expect, it } from "vitest";
import { B, make, onPath, onPaths, open, P, Q, readAll, run, stat, write } from "./file-calls.ts";
import { type Call, DATA, DATA as A, sys, type User } from "./user-bench.ts";

const ENOENT = -2, ENXIO = -6, EBADF = -9, EAGAIN = -11, EFAULT = -14, EEXIST = -17, EXDEV = -18, ENOTDIR = -20, EISDIR = -21;
const EINVAL = -22, EMFILE = -24, ETXTBSY = -26, EFBIG = -27, ESPIPE = -29, EPIPE = -32, EDEADLK = -35, ENAMETOOLONG = -36;
const ELOOP = -40;
const O_WRONLY = 1, O_RDWR = 2, O_CREAT = 0o100, O_EXCL = 0o200, O_TRUNC = 0o1000, O_APPEND = 0o2000, O_NONBLOCK = 0o4000;
const O_DIRECTORY = 0o200000, O_NOFOLLOW = 0o400000, O_CLOEXEC = 0o2000000, O_PATH = 0o10000000, O_TMPFILE = 0o20200000;
const S_IFIFO = 0o010000, S_IFREG = 0o100000, S_IFLNK = 0o120000;

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
    ["/file", O_TMPFILE | O_RDWR, ENOTDIR],
    ["/", O_TMPFILE, EINVAL],
    ["/", O_TMPFILE | O_CREAT | O_RDWR, EINVAL],
    ["/", 0o20000000 | O_RDWR, EINVAL],
  ])("%s with flags %i gives %i", async (path, flags, want) => {
    await run(function* (u) {
      yield* make(u, "/file");
      yield onPaths(u, "symlink", "file", "/link");
      yield onPaths(u, "symlink", "loop", "/loop");
      yield onPaths(u, "symlink", "/made-by-link", "/dangling");
      expect(yield open(u, path, flags)).toBe(want);
    });
  });

  it("O_TMPFILE gives a file that no directory shows, and that gets no name", () =>
    run(function* (u) {
      const fd = yield open(u, "/", O_TMPFILE | O_RDWR, 0o640);
      u.text(A + 64, "kept");
      expect(yield sys("write", fd, A + 64, 4)).toBe(4);
      expect(yield sys("pread64", fd, A + 128, 4, 0, 0)).toBe(4);
      expect(u.read(A + 128, 4)).toBe("kept");
      expect(yield sys("statx", fd, u.text(A + 64, ""), 0x1000, 0x7ff, B)).toBe(0);
      // struct statx: nlink, uid, gid, mode
      expect([u.word(B + 16), u.word(B + 28) & 0xffff]).toEqual([0, S_IFREG | 0o640]);
      const dir = yield open(u, "/", O_DIRECTORY);
      const n = yield sys("getdents64", dir, B, 4096);
      expect(u.read(B, n)).not.toContain("#");
      u.text(A + 64, "");
      u.text(A + 80, "/named");
      expect(yield sys("linkat", fd, A + 64, -100, A + 80, 0x1000)).toBe(ENOENT);
    }));

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

describe("random numbers", () => {
  it("a read gives as many as are asked for, and there is one position", () =>
    run(function* (u) {
      const MIB = 1 << 20;
      expect(yield onPath(u, "mknod", "/random", 0o20666, 0x109)).toBe(0);
      const fd = yield open(u, "/random");
      expect(yield sys("sync_file_range", fd, 0, 0, 1, 0, 4)).toBe(ESPIPE);
      const at = (yield sys("mmap2", 0, MIB, 3, 0x22, -1, 0)) >>> 0;
      expect(yield sys("read", fd, at, MIB)).toBe(MIB);
      expect(new Set(u.read(at + MIB - 4096, 4096)).size).toBeGreaterThan(100);
      expect(yield sys("lseek", fd, 0, 1)).toBe(0);
      expect(yield sys("pread64", fd, at, 10, 5, 0)).toBe(10);
      // Where a page is missing the rest goes nowhere.
      expect(yield sys("read", fd, at, 2 * MIB)).toBe(MIB);
    }));
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
