// SPDX-License-Identifier: BSD-3-Clause
/** splice, tee and vmsplice; errors as splice(2) and its kin state them. */
import { expect, it } from "vitest";
import { type Call, DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EBADF = -9, EAGAIN = -11, EINVAL = -22, ESPIPE = -29, EPIPE = -32;
const O_RDWR = 2, O_CREAT = 0o100, O_APPEND = 0o2000, O_NONBLOCK = 0o4000;
const A = DATA, BUF = DATA + 0x1000, OFF = DATA + 0x800;
const NONBLOCK = 2;

async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program))).toBe(0);
}
function* pipe(u: User, flags = 0): Generator<Call, [number, number], number> {
  expect(yield sys("pipe2", A, flags)).toBe(0);
  return [u.word(A), u.word(A + 4)];
}
function* file(u: User, text: string, flags = O_RDWR | O_CREAT): Generator<Call, number, number> {
  const fd = yield sys("open", u.text(A, "/f"), flags, 0o644);
  yield sys("write", fd, u.text(BUF, text), text.length);
  return fd;
}

it("moves a file into a pipe and a pipe into a file, at offsets and at the file's own position", async () => {
  await run(function* (u) {
    const [r, w] = yield* pipe(u);
    const f = yield* file(u, "0123456789");
    u.words(OFF, 2, 0);
    expect(yield sys("splice", f, OFF, w, 0, 5, 0)).toBe(5);
    expect(u.word(OFF)).toBe(7);
    expect(yield sys("lseek", f, 0, 1)).toBe(10);
    expect(yield sys("splice", r, 0, f, 0, 100, 0)).toBe(5);
    expect(yield sys("lseek", f, 0, 1)).toBe(15);
    yield sys("pread64", f, BUF, 15, 0, 0);
    expect(u.read(BUF, 15)).toBe("012345678923456");
    // At the end of the file there is nothing to move.
    expect(yield sys("splice", f, 0, w, 0, 5, 0)).toBe(0);
    expect(yield sys("splice", r, 0, f, 0, 5, NONBLOCK)).toBe(EAGAIN);
    yield sys("close", w);
    expect(yield sys("splice", r, 0, f, 0, 5, 0)).toBe(0);
  });
});

it("tee copies and leaves, splice between pipes moves; a full pipe takes what it has room for", async () => {
  await run(function* (u) {
    const [r1, w1] = yield* pipe(u);
    const [r2, w2] = yield* pipe(u);
    yield sys("write", w1, u.text(BUF, "twice"), 5);
    expect(yield sys("tee", r1, w2, 100, 0)).toBe(5);
    expect(yield sys("splice", r1, 0, w2, 0, 100, 0)).toBe(5);
    expect(yield sys("read", r2, BUF + 64, 100)).toBe(10);
    expect(u.read(BUF + 64, 10)).toBe("twicetwice");
    expect(yield sys("fcntl64", w2, 1031, 4096)).toBe(4096);
    for (let i = 0; i < 8; i++) yield sys("write", w1, BUF, 1000);
    expect(yield sys("splice", r1, 0, w2, 0, 8000, 0)).toBe(4096);
    expect(yield sys("splice", r1, 0, w2, 0, 8000, NONBLOCK)).toBe(EAGAIN);
    expect(yield sys("tee", r1, w1, 1, 0)).toBe(EINVAL);
  });
});

it("sleeps until the other side of a pipe moves", async () => {
  await run(function* (u) {
    const [r, w] = yield* pipe(u);
    const f = yield* file(u, "");
    u.child(function* (c) {
      c.words(OFF, 0, 10_000_000);
      yield sys("nanosleep", OFF, 0);
      yield sys("write", w, c.text(BUF, "late"), 4);
    });
    yield sys("fork");
    expect(yield sys("splice", r, 0, f, 0, 100, 0)).toBe(4);
    expect(yield sys("pread64", f, BUF, 9, 0, 0)).toBe(4);
    expect(u.read(BUF, 4)).toBe("late");
  });
});

it("vmsplice writes the caller's memory into a pipe and reads it back", async () => {
  await run(function* (u) {
    const [r, w] = yield* pipe(u);
    u.text(BUF, "gather");
    u.words(OFF, BUF, 3, BUF + 3, 3);
    expect(yield sys("vmsplice", w, OFF, 2, 0)).toBe(6);
    u.words(OFF, BUF + 64, 100);
    expect(yield sys("vmsplice", r, OFF, 1, 0)).toBe(6);
    expect(u.read(BUF + 64, 6)).toBe("gather");
    expect(yield sys("vmsplice", r, OFF, 1, NONBLOCK)).toBe(EAGAIN);
  });
});

it.each<[string, (u: User, r: number, w: number, f: number) => number[], number]>([
  ["no pipe", (_u, _r, _w, f) => [f, 0, f, 0, 1, 0], EINVAL],
  ["a pipe with itself", (_u, r, w) => [r, 0, w, 0, 1, 0], EINVAL],
  ["an offset of a pipe", (_u, r, _w, f) => [r, OFF, f, 0, 1, 0], ESPIPE],
  ["unknown flags", (_u, r, _w, f) => [r, 0, f, 0, 1, 0x10], EINVAL],
  ["a descriptor that cannot be read", (_u, _r, w, f) => [w, 0, f, 0, 1, 0], EBADF],
  ["a negative offset", (u, _r, w, f) => (u.words(OFF, -1, -1), [f, OFF, w, 0, 1, 0]), EINVAL],
  ["nothing to move", (_u, r, _w, f) => [r, 0, f, 0, 0, 0], 0],
])("splice: %s", async (_what, args, want) => {
  await run(function* (u) {
    const [r, w] = yield* pipe(u);
    const f = yield* file(u, "text");
    expect(yield sys("splice", ...args(u, r, w, f))).toBe(want);
  });
});

it("an appending file takes nothing, a non-blocking pipe does not wait, a pipe without readers is broken", async () => {
  await run(function* (u) {
    const [r, w] = yield* pipe(u, O_NONBLOCK);
    const f = yield* file(u, "text", O_RDWR | O_CREAT | O_APPEND);
    expect(yield sys("splice", r, 0, f, 0, 1, 0)).toBe(EINVAL);
    const g = yield sys("open", u.text(A, "/g"), O_RDWR | O_CREAT, 0o644);
    expect(yield sys("splice", r, 0, g, 0, 1, 0)).toBe(EAGAIN);
    yield u.sigaction(13, 1);
    yield sys("close", r);
    expect(yield sys("splice", f, 0, w, 0, 1, 0)).toBe(EPIPE);
  });
});

it("vmsplice does not wait for the rest, waits for any room, and a directory is nothing to splice from", async () => {
  await run(function* (u) {
    const [r, w] = yield* pipe(u);
    u.words(OFF, BUF, 65536, BUF, 65536);
    expect(yield sys("vmsplice", w, OFF, 2, 0)).toBe(65536);
    expect(yield sys("vmsplice", w, OFF, 2, NONBLOCK)).toBe(EAGAIN);
    u.child(function* (c) {
      c.words(A, 0, 10_000_000);
      yield sys("nanosleep", A, 0);
      yield sys("read", r, BUF, 5000);
    });
    yield sys("fork");
    expect(yield sys("vmsplice", w, OFF, 2, 0)).toBe(5000);
    const dir = yield sys("open", u.text(A, "/"), 0, 0);
    expect(yield sys("splice", dir, 0, w, 0, 100, 0)).toBe(EINVAL);
  });
});
