// SPDX-License-Identifier: BSD-3-Clause
/** Linux calls that look at or set little: kcmp, adjtimex, ioprio, sizes of pipes, the first of several locks, sharing. */
import { expect, it } from "vitest";
import { DATA, type Program, sys, UserBench } from "./user-bench.ts";

const EPERM = -1, ESRCH = -3, EBADF = -9, EFAULT = -14, EBUSY = -16, EINVAL = -22, EOPNOTSUPP = -95;
const A = DATA, B = DATA + 512, PATH = DATA + 1024;
const O_CREAT_RDWR = 0o102, O_PATH = 0o10000000;

async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program))).toBe(0);
}

it("kcmp: equal, ordered, and what cannot be compared", async () => {
  await run(function* (u) {
    const [FILE, VM, FILES, SYSVSEM] = [0, 1, 2, 6];
    const me = yield sys("getpid");
    const one = yield sys("open", u.text(PATH, "/one"), O_CREAT_RDWR, 0o600);
    const copy = yield sys("dup", one);
    const other = yield sys("open", PATH, 2, 0);
    expect(yield sys("kcmp", me, me, FILE, one, copy)).toBe(0);
    const order = yield sys("kcmp", me, me, FILE, one, other);
    expect([1, 2]).toContain(order);
    expect(yield sys("kcmp", me, me, FILE, other, one)).toBe(3 - order);
    expect(yield sys("kcmp", me, me, FILE, one, 99)).toBe(EBADF);
    expect(yield sys("kcmp", me, me, 8, 0, 0)).toBe(EINVAL);
    expect(yield sys("kcmp", me, me, SYSVSEM, 0, 0)).toBe(EOPNOTSUPP);
    expect(yield sys("kcmp", me, 9999, VM, 0, 0)).toBe(ESRCH);
    u.child(function* () {
      const child = yield sys("getpid");
      expect(yield sys("kcmp", me, child, FILE, one, one)).toBe(0);
      expect([1, 2]).toContain(yield sys("kcmp", me, child, VM, 0, 0));
      expect([1, 2]).toContain(yield sys("kcmp", me, child, FILES, 0, 0));
      yield sys("setresuid32", 99, 99, 99);
      expect(yield sys("kcmp", me, child, VM, 0, 0)).toBe(EPERM);
    });
    const status = yield sys("fork");
    expect(yield sys("wait4", status, A, 0, 0)).toBe(status);
    expect(u.word(A)).toBe(0);
  });
});

it("adjtimex: unsynchronised at first; what is set is clamped, kept and told; a step moves the clock", async () => {
  await run(function* (u) {
    const [FREQUENCY, STATUS, SETOFFSET, TICK, ADJTIME] = [2, 0x10, 0x100, 0x4000, 0x8000];
    const UNSYNC = 0x40;
    const timex = (modes: number, fields: Record<number, number> = {}): number => {
      u.words(A, ...Array.from({ length: 32 }, (_, i) => (i === 0 ? modes : (fields[i] ?? 0))));
      return A;
    };
    expect(yield sys("adjtimex", timex(0))).toBe(5);
    expect([u.word(A + 20), u.word(A + 44)]).toEqual([UNSYNC, 10_000]);
    expect(yield sys("adjtimex", timex(STATUS | FREQUENCY, { 2: 0x7000_0000 }))).toBe(0);
    expect(yield sys("adjtimex", timex(0))).toBe(0);
    expect([u.word(A + 8), u.word(A + 20)]).toEqual([500 << 16, 0]);
    expect(yield sys("adjtimex", timex(TICK, { 11: 8999 }))).toBe(EINVAL);
    expect(yield sys("adjtimex", timex(TICK, { 11: 11_001 }))).toBe(EINVAL);
    expect(yield sys("adjtimex", timex(ADJTIME))).toBe(EINVAL);
    expect(yield sys("adjtimex", -4096)).toBe(EFAULT);
    yield sys("gettimeofday", B, 0);
    const before = u.word(B);
    expect(yield sys("adjtimex", timex(SETOFFSET, { 9: 1000, 10: 1_000_000 }))).toBe(EINVAL);
    expect(yield sys("adjtimex", timex(SETOFFSET, { 9: 1000 }))).toBe(0);
    yield sys("gettimeofday", B, 0);
    expect(u.word(B) - before).toBeGreaterThanOrEqual(1000);
    // struct __kernel_timex: words of 64 bits
    u.words(A, ...Array.from({ length: 52 }, () => 0));
    expect(yield sys("clock_adjtime64", 0, A)).toBe(0);
    expect([u.word(A + 16), u.word(A + 88)]).toEqual([500 << 16, 10_000]);
    expect(yield sys("clock_adjtime", 1, A)).toBe(EOPNOTSUPP);
    expect(yield sys("clock_adjtime", 16, A)).toBe(EINVAL);
    expect(yield sys("clock_adjtime", -1, A)).toBe(EOPNOTSUPP);
    expect(yield sys("clock_adjtime", -5, A)).toBe(EINVAL);
    yield sys("setresuid32", 99, 99, 99);
    expect(yield sys("adjtimex", timex(STATUS))).toBe(EPERM);
    expect(yield sys("adjtimex", timex(0))).toBe(0);
  });
});

it("ioprio_set: classes and levels are checked, kept, inherited", async () => {
  await run(function* (u) {
    const [PROCESS, BE, IDLE] = [1, 2 << 13, 3 << 13];
    expect(yield sys("ioprio_get", PROCESS, 0)).toBe(0);
    expect(yield sys("ioprio_set", PROCESS, 0, BE | 3)).toBe(0);
    expect(yield sys("ioprio_get", PROCESS, 0)).toBe(BE | 3);
    expect(yield sys("ioprio_set", PROCESS, 0, BE | 8)).toBe(EINVAL);
    expect(yield sys("ioprio_set", PROCESS, 0, 4)).toBe(EINVAL);
    expect(yield sys("ioprio_set", 4, 0, BE)).toBe(EINVAL);
    expect(yield sys("ioprio_set", PROCESS, 9999, BE)).toBe(ESRCH);
    expect(yield sys("ioprio_set", PROCESS, 0, IDLE)).toBe(0);
    const parent = yield sys("getpid");
    u.child(function* () {
      expect(yield sys("ioprio_get", PROCESS, 0)).toBe(IDLE);
      yield sys("setresuid32", 99, 99, 99);
      expect(yield sys("ioprio_set", PROCESS, 0, 1 << 13)).toBe(EPERM);
      expect(yield sys("ioprio_set", PROCESS, parent, BE)).toBe(EPERM);
    });
    const child = yield sys("fork");
    expect(yield sys("wait4", child, A, 0, 0)).toBe(child);
    expect(u.word(A)).toBe(0);
  });
});

it("F_SETPIPE_SZ: what is in the pipe must fit, and a larger one than the limit needs the right", async () => {
  await run(function* (u) {
    const [SET, GET] = [1031, 1032];
    expect(yield sys("pipe", A)).toBe(0);
    const end = u.word(A + 4);
    expect(yield sys("fcntl64", end, GET, 0)).toBe(65_536);
    expect(yield sys("write", end, DATA, 8192)).toBe(8192);
    expect(yield sys("fcntl64", end, SET, 4096)).toBe(EBUSY);
    expect(yield sys("fcntl64", end, SET, 5000)).toBe(8192);
    expect(yield sys("fcntl64", end, SET, -1)).toBe(EINVAL);
    expect(yield sys("fcntl64", end, SET, 1 << 21)).toBe(1 << 21);
    yield sys("setresuid32", 99, 99, 99);
    expect(yield sys("fcntl64", end, SET, 1 << 20)).toBe(1 << 20);
    expect(yield sys("fcntl64", end, SET, (1 << 20) + 1)).toBe(EPERM);
  });
});

it("F_GETLK tells the lock that begins first, whatever was locked first", async () => {
  await run(function* (u) {
    const [SETLK, GETLK, RDLCK, WRLCK] = [6, 5, 0, 1];
    const flock = (type: number, start: number, len: number, user = u): number => {
      user.words(A, type, start, len, 0);
      return A;
    };
    const fd = yield sys("open", u.text(PATH, "/locked"), O_CREAT_RDWR, 0o600);
    expect(yield sys("fcntl", fd, SETLK, flock(WRLCK, 10, 5))).toBe(0);
    expect(yield sys("fcntl", fd, SETLK, flock(RDLCK, 1, 5))).toBe(0);
    u.child(function* (c) {
      expect(yield sys("fcntl", fd, GETLK, flock(WRLCK, 0, 0, c))).toBe(0);
      expect([c.word(A) & 0xffff, c.word(A + 4), c.word(A + 8)]).toEqual([RDLCK, 1, 5]);
    });
    const child = yield sys("fork");
    expect(yield sys("wait4", child, B, 0, 0)).toBe(child);
    expect(u.word(B)).toBe(0);
  });
});

it("close_range with CLOSE_RANGE_UNSHARE leaves the descriptors of who shared them", async () => {
  await run(function* (u) {
    const [CLONE_FILES, SIGCHLD, UNSHARE] = [0x400, 17, 2];
    const fd = yield sys("open", u.text(PATH, "/one"), O_CREAT_RDWR, 0o600);
    u.child(function* () {
      expect(yield sys("close_range", fd, fd, UNSHARE)).toBe(0);
      expect(yield sys("fcntl", fd, 1, 0)).toBe(EBADF);
    });
    const child = yield sys("clone", CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
    expect(yield sys("wait4", child, B, 0, 0)).toBe(child);
    expect(u.word(B)).toBe(0);
    expect(yield sys("fcntl", fd, 1, 0)).toBe(0);
  });
});

it("sockets: a descriptor that only names a file is none; getsockname needs room for the address", async () => {
  await run(function* (u) {
    const named = yield sys("open", u.text(PATH, "/"), O_PATH, 0);
    expect(yield sys("listen", named, 1)).toBe(EBADF);
    const s = yield sys("socket", 2, 1, 0);
    u.words(A, 16);
    expect(yield sys("getsockname", s, 0, A)).toBe(EFAULT);
    // A level that no protocol has, and another protocol's
    for (const level of [500, 17]) expect(yield sys("getsockopt", s, level, 1, B, A)).toBe(EOPNOTSUPP);
  });
});

it("clone3 takes a stack with its size, or neither", async () => {
  await run(function* (u) {
    const clone3 = (flags: number, stack: number, bytes: number): ReturnType<typeof sys> => {
      // flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls: 64 bits each
      u.words(A, flags, 0, 0, 0, 0, 0, 0, 0, 17, 0, stack, 0, bytes, 0, 0, 0);
      return sys("clone3", A, 64);
    };
    expect(yield clone3(0, B, 0)).toBe(EINVAL);
    expect(yield clone3(0, 0, 4096)).toBe(EINVAL);
    // CLONE_FS with CLONE_NEWNS contradict each other; a name space alone is not to be had
    expect(yield clone3(0x2_0200, 0, 0)).toBe(EINVAL);
    expect(yield clone3(0x2_0000, 0, 0)).toBe(EPERM);
  });
});

it("a file that takes its directory's group is set-gid only for who is in that group", async () => {
  await run(function* (u) {
    yield sys("mkdir", u.text(PATH, "/d"), 0o777);
    yield sys("chown32", PATH, 0, 5);
    expect(yield sys("chmod", PATH, 0o2777)).toBe(0);
    yield sys("umask", 0);
    const modeOf = function* (name: string): Generator<ReturnType<typeof sys>, number, number> {
      const fd = yield sys("open", u.text(PATH, name), O_CREAT_RDWR, 0o2775);
      expect(yield sys("fstat64", fd, B)).toBe(0);
      expect(u.word(B + 28)).toBe(5);
      return u.word(B + 16) & 0o7777;
    };
    expect(yield* modeOf("/d/superuser")).toBe(0o2775);
    u.words(A, 5);
    yield sys("setgroups32", 1, A);
    yield sys("setresgid32", 99, 99, 99);
    yield sys("setresuid32", -1, 99, -1);
    expect(yield* modeOf("/d/member")).toBe(0o2775);
    yield sys("setresuid32", -1, 0, -1);
    yield sys("setgroups32", 0, A);
    yield sys("setresuid32", 99, 99, 99);
    expect(yield* modeOf("/d/stranger")).toBe(0o775);
  });
});
