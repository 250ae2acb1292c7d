// SPDX-License-Identifier: BSD-3-Clause
/** POSIX message queues; errors as mq_open(3), mq_send(3), mq_receive(3) and mq_notify(3) state them. */
import { ucredOf } from "../../src/sys/ucred.ts";
import { expect, it } from "vitest";
import { type Call, DATA, dfly, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EBADF = -9, EAGAIN = -11, EACCES = -13, EFAULT = -14, EBUSY = -16, EEXIST = -17, EINVAL = -22, EMFILE = -24, ENOENT = -2, EMSGSIZE = -90;
const ENAMETOOLONG = -36, ETIMEDOUT = -110, EINTR = -4;
const RDONLY = 0, WRONLY = 1, RDWR = 2, CREAT = 0o100, EXCL = 0o200, NONBLOCK = 0o4000;
const P = DATA, ATTR = DATA + 0x400, BUF = DATA + 0x1000, T = DATA + 0x600;
const NOBODY = ucredOf(99, 99);

async function run(program: Program, cred?: typeof NOBODY): Promise<UserBench> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program, cred))).toBe(0);
  return bench;
}
function open(u: User, name: string, flags: number, attr?: readonly [number, number], mode = 0o600): Call {
  u.words(ATTR, 0, attr?.[0] ?? 0, attr?.[1] ?? 0, 0, 0, 0, 0, 0);
  return sys("mq_open", u.text(P, name), flags, mode, attr === undefined ? 0 : ATTR);
}
function send(u: User, q: number, text: string, prio = 0): Call {
  return sys("mq_timedsend_time64", q, u.text(BUF, text), text.length, prio, 0);
}
function* receive(u: User, q: number, room = 64): Generator<Call, string | number, number> {
  const n = yield sys("mq_timedreceive_time64", q, BUF + 512, room, T, 0);
  return n < 0 ? n : `${u.word(T)} ${u.read(BUF + 512, n)}`;
}

it("messages come by priority, then by age; attributes tell how many", async () => {
  const bench = await run(function* (u) {
    const q = yield open(u, "q", RDWR | CREAT, [4, 64]);
    for (const [text, prio] of [["a", 1], ["b", 7], ["c", 1], ["d", 7]] as const) expect(yield send(u, q, text, prio)).toBe(0);
    yield sys("mq_getsetattr", q, 0, ATTR);
    expect([0, 4, 8, 12].map((o) => u.word(ATTR + o))).toEqual([0, 4, 64, 4]);
    const got: (string | number)[] = [];
    for (let i = 0; i < 4; i++) got.push(yield* receive(u, q));
    expect(got).toEqual(["7 b", "7 d", "1 a", "1 c"]);
    expect(yield sys("mq_unlink", u.text(P, "q"))).toBe(0);
    // The descriptor goes on working.
    yield send(u, q, "still");
    expect(yield* receive(u, q)).toBe("0 still");
    expect(yield open(u, "q", RDWR)).toBe(ENOENT);
  });
  expect(bench.k.mqueues.capacity).toBe(0);
});

it("a full queue makes the sender wait, an empty one the receiver; O_NONBLOCK and timeouts do not", async () => {
  await run(function* (u) {
    const q = yield open(u, "q", RDWR | CREAT, [1, 64]);
    u.child(function* (c) {
      expect(yield* receive(c, q)).toBe("0 first");
      expect(yield* receive(c, q)).toBe("0 second");
    });
    const pid = yield sys("fork");
    u.words(T + 64, 0, 10_000_000);
    yield sys("nanosleep", T + 64, 0);
    yield send(u, q, "first");
    yield send(u, q, "second");
    yield sys("wait4", pid, 0, 0, 0);
    yield send(u, q, "full");
    // An absolute time of the past: at once.
    u.words(T + 64, 1, 0, 0, 0);
    expect(yield sys("mq_timedsend_time64", q, BUF, 1, 0, T + 64)).toBe(ETIMEDOUT);
    expect(yield* receive(u, q)).toBe("0 full");
    expect(yield sys("mq_timedreceive_time64", q, BUF, 64, 0, T + 64)).toBe(ETIMEDOUT);
    u.words(ATTR, NONBLOCK, 0, 0, 0);
    expect(yield sys("mq_getsetattr", q, ATTR, ATTR)).toBe(0);
    expect(u.word(ATTR)).toBe(0);
    expect(yield* receive(u, q)).toBe(EAGAIN);
    const handler = u.handler(function* () {
      yield sys("getpid");
    });
    yield u.sigaction(14, handler, 0);
    const r = yield open(u, "q", RDONLY);
    yield sys("alarm", 1);
    expect(yield* receive(u, r)).toBe(EINTR);
  });
});

it("poll sees what may be done", async () => {
  await run(function* (u) {
    const q = yield open(u, "q", RDWR | CREAT, [1, 64]);
    const poll = function* (): Generator<Call, number, number> {
      u.words(T, q, 5);
      yield sys("poll", T, 1, 0);
      return u.word(T + 4) >>> 16;
    };
    expect(yield* poll()).toBe(4);
    yield send(u, q, "x");
    expect(yield* poll()).toBe(1);
  });
});

it("a notification ends with its process, also where the queue has lost its name", async () => {
  await run(function* (u) {
    const q = yield open(u, "q", RDWR | CREAT, [4, 64]);
    expect(yield sys("mq_unlink", u.text(P, "q"))).toBe(0);
    u.words(T + 64, 0, 10, 0, 0);
    u.child(function* () {
      expect(yield sys("mq_notify", q, T + 64)).toBe(0);
      yield sys("exit", 0);
    });
    expect(yield sys("wait4", yield sys("fork"), 0, 0, 0)).toBeGreaterThan(0);
    expect(yield sys("mq_notify", q, T + 64)).toBe(0);
  });
});

it("mq_notify tells once, of a message into an empty queue that nobody waits at", async () => {
  await run(function* (u) {
    let told = 0;
    const q = yield open(u, "q", RDWR | CREAT, [4, 64]);
    const handler = u.handler(function* () {
      told++;
      yield sys("getpid");
    });
    yield u.sigaction(10, handler);
    u.words(T + 64, 0x1234, 10, 0);
    expect(yield sys("mq_notify", q, T + 64)).toBe(0);
    expect(yield sys("mq_notify", q, T + 64)).toBe(EBUSY);
    yield send(u, q, "a");
    yield send(u, q, "b");
    expect(told).toBe(1);
    expect(yield sys("mq_notify", q, T + 64)).toBe(0);
    yield send(u, q, "c");
    expect(told).toBe(1);
    expect(yield sys("mq_notify", q, 0)).toBe(0);
    for (let i = 0; i < 3; i++) yield* receive(u, q);
    yield send(u, q, "d");
    expect(told).toBe(1);
    u.words(T + 64, 0, 65, 0);
    expect(yield sys("mq_notify", q, T + 64)).toBe(EINVAL);
    // Signal 0 takes the place and tells nobody.
    u.words(T + 64, 0, 0, 0);
    expect(yield sys("mq_notify", q, T + 64)).toBe(0);
    expect(yield sys("mq_notify", q, 0)).toBe(0);
    expect(yield sys("mq_notify", 55, 0)).toBe(EBADF);
  });
});

it.each<[string, (u: User) => Call, number]>([
  ["no such queue", (u) => open(u, "none", RDWR), ENOENT],
  ["no name", (u) => open(u, "", RDWR | CREAT), ENOENT],
  ["a slash in the name", (u) => open(u, "a/b", RDWR | CREAT), EACCES],
  ["a name of 256 bytes", (u) => open(u, "n".repeat(256), RDWR | CREAT), ENAMETOOLONG],
  ["one that is there", (u) => open(u, "there", RDWR | CREAT | EXCL), EEXIST],
  ["one that may not be written", (u) => open(u, "there", RDWR), EACCES],
  ["one that may be read", (u) => open(u, "there", RDONLY), 3],
  ["more messages than others may have", (u) => open(u, "big", RDWR | CREAT, [11, 64]), EINVAL],
  ["longer messages than others may have", (u) => open(u, "big", RDWR | CREAT, [1, 8193]), EINVAL],
  ["no messages", (u) => open(u, "big", RDWR | CREAT, [0, 64]), EINVAL],
  ["a wild name", () => sys("mq_open", 16, RDWR, 0, 0), EFAULT],
  ["wild attributes", (u) => sys("mq_open", u.text(P, "x"), RDWR | CREAT, 0o600, 16), EFAULT],
  ["removing another's", (u) => sys("mq_unlink", u.text(P, "there")), EACCES],
])("mq_open and mq_unlink as another user: %s", async (_what, call, want) => {
  await run(function* (u) {
    const q = yield open(u, "there", RDWR | CREAT, undefined, 0o644);
    yield sys("close", q);
    yield sys("open", u.text(P, "/"), 0);
    yield sys("open", u.text(P, "/"), 0);
    yield sys("open", u.text(P, "/"), 0);
    yield sys("setresgid32", 99, 99, 99);
    yield sys("setresuid32", 99, 99, 99);
    expect(yield call(u)).toBe(want);
  });
});

it("lengths, priorities, directions and the memory of all queues have their limits", async () => {
  await run(function* (u) {
    const q = yield open(u, "q", RDWR | CREAT, [2, 8]);
    expect(yield send(u, q, "123456789")).toBe(EMSGSIZE);
    expect(yield send(u, q, "x", 32768)).toBe(EINVAL);
    expect(yield* receive(u, q, 7)).toBe(EMSGSIZE);
    expect(yield sys("mq_timedsend_time64", q, 16, 4, 0, 0)).toBe(EFAULT);
    const w = yield open(u, "q", WRONLY);
    expect(yield* receive(u, w)).toBe(EBADF);
    const r = yield open(u, "q", RDONLY);
    expect(yield send(u, r, "x")).toBe(EBADF);
    yield send(u, q, "kept");
    expect(yield sys("mq_timedreceive_time64", q, 16, 8, 0, 0)).toBe(EFAULT);
    expect(yield* receive(u, q)).toBe("0 kept");
    expect(yield open(u, "huge", RDWR | CREAT, [65536, 65536])).toBe(EMFILE);
  });
});

it("DragonFly's calls: their limits, attributes, priorities, and notification", async () => {
  const bench = new UserBench();
  const program: Program = function* (u) {
    const [DFLY_RDWR, DFLY_CREAT, DFLY_NONBLOCK] = [2, 0x200, 4];
    const q = yield dfly("mq_open", u.text(P, "/q"), DFLY_RDWR | DFLY_CREAT | DFLY_NONBLOCK, 0o600, 0);
    expect(yield dfly("mq_getattr", q, ATTR)).toBe(0);
    expect([0, 4, 8, 12].map((o) => u.word(ATTR + o))).toEqual([4, 32, 1004, 0]);
    expect(yield dfly("mq_receive", q, BUF, 1004, T)).toBe(-35);
    expect(yield dfly("mq_send", q, u.text(BUF, "a"), 1, 32)).toBe(EINVAL);
    expect(yield dfly("mq_send", q, BUF, 0, 0)).toBe(-40);
    // SIGEV_SIGNAL, SIGUSR1, which is ignored.
    u.words(T, 1, 30, 0, 0);
    expect(yield dfly("mq_notify", q, T)).toBe(0);
    expect(yield dfly("mq_notify", q, T)).toBe(EBUSY);
    u.words(T, 1, 64, 0, 0);
    expect(yield dfly("mq_notify", q, T)).toBe(EINVAL);
    expect(yield dfly("mq_notify", q, 0)).toBe(0);
    expect(yield dfly("mq_send", q, u.text(BUF, "low"), 3, 1)).toBe(0);
    expect(yield dfly("mq_timedsend", q, u.text(BUF, "high"), 4, 31, 0)).toBe(0);
    expect(yield dfly("mq_receive", q, BUF + 512, 1003, T)).toBe(-40);
    expect(yield dfly("mq_timedreceive", q, BUF + 512, 1004, T, 0)).toBe(4);
    expect([u.word(T), u.read(BUF + 512, 4)]).toEqual([31, "high"]);
    u.words(T, 0, 0, 0, 0);
    expect(yield dfly("mq_setattr", q, T, ATTR)).toBe(0);
    expect([0, 4, 8, 12].map((o) => u.word(ATTR + o))).toEqual([4, 32, 1004, 1]);
    expect(yield dfly("mq_receive", q, BUF, 1004, 0)).toBe(3);
    u.words(T, 1, 0);
    expect(yield dfly("mq_timedreceive", q, BUF, 1004, 0, T)).toBe(-60);
    expect(yield dfly("mq_unlink", u.text(P, "/q"))).toBe(0);
    expect(yield dfly("mq_close", q)).toBe(0);
    expect(yield dfly("mq_open", P, DFLY_RDWR, 0, 0)).toBe(ENOENT);
  };
  expect(await bench.run(bench.start(program, undefined, "dragonfly"))).toBe(0);
  expect(bench.k.mqueues.capacity).toBe(0);
});
