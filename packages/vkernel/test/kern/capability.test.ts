// SPDX-License-Identifier: BSD-3-Clause
/** Capability sets through changes of user and exec's rules (capabilities(7)), and scheduling policies. */
import { expect, it } from "vitest";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EPERM = -1, EACCES = -13, EINVAL = -22, EFAULT = -14, ESRCH = -3;
const V3 = 0x2008_0522, A = DATA, D = DATA + 64;
const KEEPCAPS = 8, GET_KEEPCAPS = 7, CAPBSET_READ = 23, CAPBSET_DROP = 24, AMBIENT = 47;

async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program))).toBe(0);
}
/** effective, permitted, inheritable as hexadecimal. */
function* caps(u: User): Generator<Call, string[], number> {
  u.words(A, V3, 0);
  expect(yield sys("capget", A, D)).toBe(0);
  const set = (i: number): string => ((BigInt(u.word(D + 12 + 4 * i) >>> 0) << 32n) | BigInt(u.word(D + 4 * i) >>> 0)).toString(16);
  return [set(0), set(1), set(2)];
}
function capset(u: User, ...sets: [bigint, bigint, bigint]): Call {
  u.words(A, V3, 0);
  sets.forEach((s, i) => {
    u.setWord(D + 4 * i, Number(BigInt.asIntN(32, s)));
    u.setWord(D + 12 + 4 * i, Number(BigInt.asIntN(32, s >> 32n)));
  });
  return sys("capset", A, D);
}
const FULL = "1ffffffffff";

it("the superuser has all, and loses them with the last id that is 0", async () => {
  await run(function* (u) {
    expect(yield* caps(u)).toEqual([FULL, FULL, "0"]);
    expect(yield sys("setresuid32", 99, 99, 0)).toBe(0);
    expect(yield* caps(u)).toEqual(["0", FULL, "0"]);
    expect(yield sys("setresuid32", -1, 0, -1)).toBe(0);
    expect(yield* caps(u)).toEqual([FULL, FULL, "0"]);
    expect(yield sys("setresuid32", 99, 99, 99)).toBe(0);
    expect(yield* caps(u)).toEqual(["0", "0", "0"]);
    expect(yield capset(u, 1n, 1n, 0n)).toBe(EPERM);
  });
});

it("PR_SET_KEEPCAPS keeps the permitted set, from which the effective one may be filled again", async () => {
  await run(function* (u) {
    expect(yield sys("prctl", KEEPCAPS, 2)).toBe(EINVAL);
    expect(yield sys("prctl", KEEPCAPS, 1)).toBe(0);
    expect(yield sys("prctl", GET_KEEPCAPS)).toBe(1);
    yield sys("setresuid32", 99, 99, 99);
    expect(yield* caps(u)).toEqual(["0", FULL, "0"]);
    // CAP_SETGID
    expect(yield capset(u, 0x440n, 0x441n, 0n)).toBe(0);
    expect(yield sys("setresgid32", 98, 98, 98)).toBe(0);
    expect(yield sys("setgroups32", 0, 0)).toBe(0);
    expect(yield sys("setresuid32", 1, 1, 1)).toBe(EPERM);
    expect(yield capset(u, 0x401n, 0x441n, 0n)).toBe(0);
    expect(yield* caps(u)).toEqual(["401", "441", "0"]);
    expect(yield sys("setresgid32", 97, 97, 97)).toBe(EPERM);
    expect(yield capset(u, 0x401n, 0x443n, 0n)).toBe(EPERM);
    expect(yield capset(u, 0x401n, 0x400n, 0n)).toBe(EPERM);
    expect(yield capset(u, 0n, 0n, 0x400n)).toBe(0);
    u.child(function* (c) {
      expect(yield* caps(c)).toEqual(["0", "0", "400"]);
    });
    yield sys("wait4", yield sys("fork"), 0, 0, 0);
  });
});

it("bounding and ambient sets", async () => {
  await run(function* (u) {
    expect(yield sys("prctl", CAPBSET_READ, 10)).toBe(1);
    expect(yield sys("prctl", CAPBSET_DROP, 10)).toBe(0);
    expect(yield sys("prctl", CAPBSET_READ, 10)).toBe(0);
    expect(yield sys("prctl", CAPBSET_READ, 41)).toBe(EINVAL);
    expect(yield sys("prctl", AMBIENT, 2, 5)).toBe(EPERM);
    yield capset(u, 0x1ff_ffff_ffffn, 0x1ff_ffff_ffffn, 0x20n);
    expect(yield sys("prctl", AMBIENT, 2, 5)).toBe(0);
    expect(yield sys("prctl", AMBIENT, 1, 5)).toBe(1);
    expect(yield sys("prctl", AMBIENT, 4, 0)).toBe(0);
    expect(yield sys("prctl", AMBIENT, 1, 5)).toBe(0);
    expect(yield sys("prctl", AMBIENT, 9, 0)).toBe(EINVAL);
    yield capset(u, 0n, 0x1ff_ffff_ffffn, 0n);
    expect(yield sys("prctl", CAPBSET_DROP, 11)).toBe(EPERM);
  });
});

it("capget and capset: versions, processes, addresses", async () => {
  await run(function* (u) {
    u.words(A, 1, 0);
    expect(yield sys("capget", A, 0)).toBe(0);
    expect(u.word(A)).toBe(V3);
    u.words(A, 1, 0);
    expect(yield sys("capget", A, D)).toBe(EINVAL);
    u.words(A, V3, 77);
    expect(yield sys("capget", A, D)).toBe(ESRCH);
    u.words(A, V3, 0);
    expect(yield sys("capget", A, 0)).toBe(EFAULT);
    u.words(A, V3, 1);
    expect(yield sys("capset", A, D)).toBe(EPERM);
    u.words(A, 0x1998_0330, 0);
    u.words(D, 0, 0, 0, 0x55);
    expect(yield sys("capget", A, D)).toBe(0);
    expect([u.word(D), u.word(D + 12)]).toEqual([-1, 0x55]);
  });
});

it("a superuser without a capability has not its right: files, signals, mounts, the clock, the host's name", async () => {
  await run(function* (u) {
    const without = (...numbers: number[]): Call => {
      const left = numbers.reduce((set, n) => set & ~(1n << BigInt(n)), 0x1ff_ffff_ffffn);
      return capset(u, left, 0x1ff_ffff_ffffn, 0n);
    };
    const path = u.text(DATA + 256, "/of-99");
    const fd = yield sys("open", path, 0o102, 0o600);
    expect(yield sys("write", fd, path, 4)).toBe(4);
    expect(yield sys("fchown32", fd, 99, 99)).toBe(0);
    // DAC_OVERRIDE, DAC_READ_SEARCH: one of them is enough to read
    yield without(1);
    expect(yield sys("open", path, 2, 0)).toBe(EACCES);
    expect(yield sys("open", path, 0, 0)).toBeGreaterThan(fd);
    yield without(1, 2);
    expect(yield sys("open", path, 0, 0)).toBe(EACCES);
    // The real user's rights, which access asks about, are those that are permitted
    expect(yield sys("access", path, 4)).toBe(0);
    yield without(0);
    expect(yield sys("fchown32", fd, 98, 98)).toBe(EPERM);
    yield without(3);
    expect(yield sys("fchmod", fd, 0o4755)).toBe(EPERM);
    yield without(4);
    expect(yield sys("fchmod", fd, 0o6755)).toBe(0);
    expect(yield sys("write", fd, path, 4)).toBe(4);
    expect(yield sys("fstat64", fd, D)).toBe(0);
    expect(u.word(D + 16) & 0o7777).toBe(0o755);
    yield without(18);
    expect(yield sys("chroot", u.text(DATA + 512, "/"))).toBe(EPERM);
    yield without(27);
    expect(yield sys("mknod", u.text(DATA + 512, "/device"), 0o020644, 0x101)).toBe(EPERM);
    yield without(21);
    expect(yield sys("umount2", u.text(DATA + 512, "/"), 0)).toBe(EPERM);
    expect(yield sys("sethostname", path, 3)).toBe(EPERM);
    yield without(25);
    u.words(D, 1, 0);
    expect(yield sys("settimeofday", D, 0)).toBe(EPERM);
    yield without(24);
    expect(yield sys("getrlimit", 7, D)).toBe(0);
    u.words(D, 1, u.word(D + 4) + 1);
    expect(yield sys("setrlimit", 7, D)).toBe(EPERM);
    yield without(23);
    expect(yield sys("setpriority", 0, 0, -1)).toBe(EACCES);
    yield without(5);
    yield sys("pipe", D);
    const [reads, writes] = [u.word(D), u.word(D + 4)];
    u.child(function* () {
      yield sys("setresuid32", 99, 99, 99);
      yield sys("write", writes, path, 1);
      yield sys("pause");
    });
    const child = yield sys("fork");
    expect(yield sys("read", reads, A, 1)).toBe(1);
    expect(yield sys("kill", child, 0)).toBe(EPERM);
    yield capset(u, 0x1ff_ffff_ffffn, 0x1ff_ffff_ffffn, 0n);
    expect(yield sys("kill", child, 9)).toBe(0);
    expect(yield sys("wait4", child, 0, 0, 0)).toBe(child);
  });
});

it("scheduling policies are kept and inherited; a real-time one is the superuser's to give, or RLIMIT_RTPRIO's", async () => {
  await run(function* (u) {
    u.setWord(A, 0);
    expect(yield sys("sched_setscheduler", 0, 5, A)).toBe(0);
    expect(yield sys("sched_getscheduler", 0)).toBe(5);
    u.child(function* () {
      expect(yield sys("sched_getscheduler", 0)).toBe(5);
    });
    yield sys("wait4", yield sys("fork"), 0, 0, 0);
    expect(yield sys("sched_setscheduler", 0, 3, A)).toBe(0);
    expect(yield sys("sched_getscheduler", 2)).toBe(3);
    expect(yield sys("sched_setscheduler", 0, 4, A)).toBe(EINVAL);
    u.setWord(A, 1);
    expect(yield sys("sched_setscheduler", 0, 0, A)).toBe(EINVAL);
    u.setWord(A, 100);
    expect(yield sys("sched_setscheduler", 0, 1, A)).toBe(EINVAL);
    u.setWord(A, 7);
    expect(yield sys("sched_setscheduler", 0, 1, A)).toBe(0);
    u.setWord(A, 8);
    expect(yield sys("sched_setparam", 0, A)).toBe(0);
    expect(yield sys("sched_getparam", 0, A)).toBe(0);
    expect([yield sys("sched_getscheduler", 0), u.word(A)]).toEqual([1, 8]);
    yield sys("sched_rr_get_interval", 0, A);
    expect([u.word(A), u.word(A + 4)]).toEqual([0, 0]);
    u.setWord(A, 8);
    u.child(function* (c) {
      expect([yield sys("sched_getscheduler", 0), yield sys("sched_getparam", 0, A + 8)]).toEqual([1, 0]);
      expect(c.word(A + 8)).toBe(8);
      yield sys("setresuid32", 99, 99, 99);
      // Going down is free, coming back is not.
      c.setWord(A, 5);
      expect(yield sys("sched_setparam", 0, A)).toBe(0);
      c.setWord(A, 8);
      expect(yield sys("sched_setparam", 0, A)).toBe(EPERM);
      c.setWord(A, 0);
      expect(yield sys("sched_setscheduler", 2, 0, A)).toBe(EPERM);
      expect(yield sys("sched_setscheduler", 0, 0, A)).toBe(0);
      c.setWord(A, 1);
      expect(yield sys("sched_setscheduler", 0, 2, A)).toBe(EPERM);
    });
    yield sys("wait4", yield sys("fork"), 0, 0, 0);
    const RESET_ON_FORK = 0x4000_0000;
    u.setWord(A, 8);
    expect(yield sys("sched_setscheduler", 0, 2 | RESET_ON_FORK, A)).toBe(0);
    expect(yield sys("sched_getscheduler", 0)).toBe(2 | RESET_ON_FORK);
    u.child(function* () {
      expect(yield sys("sched_getscheduler", 0)).toBe(0);
    });
    yield sys("wait4", yield sys("fork"), 0, 0, 0);
  });
});
