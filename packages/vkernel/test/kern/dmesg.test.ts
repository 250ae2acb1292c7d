// SPDX-License-Identifier: BSD-3-Clause
/** The message buffer: all actions of syslog(2), /dev/kmsg and /proc/kmsg, and who may. */
import { expect, it } from "vitest";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";
import { ucredOf } from "../../src/sys/ucred.ts";

const A = DATA, B = DATA + 0x1000;
const EPERM = -1, EAGAIN = -11, EFAULT = -14, EINVAL = -22, EPIPE = -32;
const O_WRONLY = 1, O_NONBLOCK = 0o4000, SEEK_DATA = 3, SEEK_END = 2;
const KMSG = (1 << 8) | 11, S_IFCHR = 0o20000;
const OPEN = 1, READ = 2, READ_ALL = 3, READ_CLEAR = 4, CLEAR = 5, LEVEL = 8, UNREAD = 9, SIZE = 10;

async function run(program: Program, before: (bench: UserBench) => void = () => {}, uid = 0): Promise<UserBench> {
  const bench = new UserBench();
  before(bench);
  await bench.run(bench.start(program, ucredOf(uid, uid)));
  return bench;
}
/** What an action of syslog(2) gives, without the times. */
function* log(u: User, type: number, len = 0x1000): Generator<Call, string, number> {
  const n = yield sys("syslog", type, B, len);
  expect(n).toBeGreaterThanOrEqual(0);
  return u.read(B, n).replaceAll(/\[ *\d+\.\d{6}\] /g, "");
}
const say = (...lines: string[]) => ({ k }: UserBench): void => lines.forEach((line) => k.log(line));

it("syslog: all, cleared, unread in pieces, and nothing that was read twice", async () => {
  await run(function* (u) {
    expect(yield* log(u, READ_ALL)).toBe("<6>one\n<6>two\n<6>three\n");
    // The last whole lines that fit; a line takes 23 bytes and more.
    expect(yield* log(u, READ_ALL, 50)).toBe("<6>two\n<6>three\n");
    expect(yield sys("syslog", READ_ALL, B, 5)).toBe(0);
    expect(yield sys("syslog", UNREAD, 0, 0)).toBe(3 * 18 + "one\ntwo\nthree\n".length);
    yield sys("syslog", READ, B, 10);
    yield sys("syslog", READ, B + 10, 0x1000);
    expect(u.str(B).replaceAll(/\[ *\d+\.\d{6}\] /g, "")).toBe("<6>one\n<6>two\n<6>three\n");
    expect(yield sys("syslog", UNREAD, 0, 0)).toBe(0);
    expect(yield* log(u, READ_CLEAR)).toBe("<6>one\n<6>two\n<6>three\n");
    expect(yield* log(u, READ_ALL)).toBe("");
    u.proc.k.log("four");
    expect(yield* log(u, READ_ALL)).toBe("<6>four\n");
    expect(yield sys("syslog", CLEAR, 0, 0)).toBe(0);
    expect(yield* log(u, READ_ALL)).toBe("");
    expect(yield* log(u, READ)).toBe("<6>four\n");
    expect(yield sys("syslog", SIZE, 0, 0)).toBe(1 << 18);
    for (const level of [0, 9]) expect(yield sys("syslog", LEVEL, 0, level)).toBe(EINVAL);
    expect(yield sys("syslog", LEVEL, 0, 8)).toBe(0);
    expect([yield sys("syslog", READ_ALL, 0, 10), yield sys("syslog", READ, B, -1), yield sys("syslog", 11, B, 10)]).toEqual([EINVAL, EINVAL, EINVAL]);
    expect(yield sys("syslog", READ_ALL, 0xffff_0000, 10)).toBe(EFAULT);
  }, say("one", "two", "three"));
});

it("syslog waits for a message that nobody has read", async () => {
  await run(function* (u) {
    yield* log(u, READ);
    u.child(function* (c) {
      c.words(A, 0, 1_000_000);
      yield sys("nanosleep", A, 0);
      c.proc.k.log("late");
      yield sys("exit_group", 0);
    });
    yield sys("fork");
    expect(yield* log(u, READ)).toBe("<6>late\n");
  }, say("first"));
});

it("users may look, and no more", async () => {
  await run(function* (u) {
    expect(yield* log(u, READ_ALL)).toBe("<6>one\n");
    expect(yield sys("syslog", SIZE, 0, 0)).toBe(1 << 18);
    for (const type of [OPEN, READ, READ_CLEAR, CLEAR, LEVEL, UNREAD, 99]) expect(yield sys("syslog", type, B, 10)).toBe(EPERM);
  }, say("one"), 1000);
});

it("/dev/kmsg: one record a read, a place of its own, lines of programs with their priority", async () => {
  await run(function* (u) {
    yield sys("mknod", u.text(A, "/kmsg"), S_IFCHR | 0o600, KMSG);
    const fd = yield sys("open", A, O_NONBLOCK, 0);
    const read = function* (): Generator<Call, string, number> {
      const n = yield sys("read", fd, B, 0x800);
      return n < 0 ? String(n) : u.read(B, n).replace(/,\d+,-;/, ",-;");
    };
    expect(yield sys("read", fd, B, 8)).toBe(EINVAL);
    expect([yield* read(), yield* read(), yield* read()]).toEqual(["6,0,-;one\n", "6,1,-;a\\x5cb\\x09c\n", String(EAGAIN)]);
    const w = yield sys("open", A, O_WRONLY, 0);
    const write = (text: string): Call => sys("write", w, u.text(B, text), text.length);
    expect(yield write("<3>worse\nplain\n<30>daemon\nhalf")).toBe(30);
    expect([yield* read(), yield* read(), yield* read(), yield* read()]).toEqual(["11,2,-;worse\n", "12,3,-;plain\n", "30,4,-;daemon\n", String(EAGAIN)]);
    yield sys("close", w);
    expect(yield* read()).toBe("12,5,-;half\n");
    expect(yield sys("lseek", fd, 0, 0)).toBe(0);
    expect(yield* read()).toBe("6,0,-;one\n");
    yield sys("syslog", CLEAR, 0, 0);
    u.proc.k.log("after");
    yield sys("lseek", fd, 0, SEEK_DATA);
    expect(yield* read()).toBe("6,6,-;after\n");
    yield sys("lseek", fd, 0, 0);
    yield sys("lseek", fd, 0, SEEK_END);
    expect(yield* read()).toBe(String(EAGAIN));
    expect([yield sys("lseek", fd, 1, 0), yield sys("lseek", fd, 0, 9)]).toEqual([EINVAL, EINVAL]);
    yield sys("lseek", fd, 0, 0);
    for (let i = 0; i < 2100; i++) u.proc.k.log(`line ${i}`);
    expect([yield* read(), yield* read()]).toEqual([String(EPIPE), "6,107,-;line 100\n"]);
    u.words(A, fd, 1, 0);
    expect(yield sys("poll", A, 1, 0)).toBe(1);
    yield sys("lseek", fd, 0, SEEK_END);
    expect(yield sys("poll", A, 1, 0)).toBe(0);
  }, say("one", "a\\b\tc"));
});
