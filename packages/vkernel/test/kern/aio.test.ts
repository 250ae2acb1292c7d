// SPDX-License-Identifier: BSD-3-Clause
/** Asynchronous requests: limits, ends of address spaces, files that are slow. What Linux does is compared in packages/cli/test/machine/calls. */
import { expect, it } from "vitest";
import { type Call, DATA, run, sys, type User, UserBench } from "./user-bench.ts";

const A = DATA, CTX = DATA + 0x40, LIST = DATA + 0x80, CB = DATA + 0x100, EV = DATA + 0x1000, BUF = DATA + 0x2000;
const EAGAIN = -11, EINVAL = -22;
const PREAD = 0, PWRITE = 1, POLL = 5;

/** Control block `i`, and its place in the list. */
function request(u: User, i: number, opcode: number, fd: number, buf: number, len: number, offset = 0): void {
  u.words(CB + 64 * i, 100 + i, 0, 0, 0, opcode, fd, buf, 0, len, 0, offset, 0, 0, 0, 0, 0);
  u.setWord(LIST + 4 * i, CB + 64 * i);
}
const submit = (u: User, n: number): Call => sys("io_submit", u.word(CTX), n, LIST);
const events = (u: User, least: number): Call => sys("io_getevents", u.word(CTX), least, 16, EV, 0);

it("a context takes as many requests as it was made for, and all together as many as the system has", async () => {
  await run(function* (u) {
    const { aio } = u.proc.k;
    expect(yield sys("io_setup", 65_537, CTX)).toBe(EAGAIN);
    expect(yield sys("io_setup", 65_000, A)).toBe(0);
    expect(yield sys("io_setup", 600, CTX)).toBe(EAGAIN);
    expect(aio.reserved).toBe(65_000);
    expect(yield sys("io_destroy", u.word(A))).toBe(0);
    expect(aio.reserved).toBe(0);
    expect(yield sys("io_setup", 2, CTX)).toBe(0);
    yield sys("pipe", A);
    for (let i = 0; i < 3; i++) request(u, i, POLL, u.word(A), 1, 0);
    expect(yield submit(u, 2)).toBe(2);
    expect(yield submit(u, 1)).toBe(EAGAIN);
    expect(yield sys("write", u.word(A + 4), BUF, 1)).toBe(1);
    // Two are done and wait to be fetched: still no room.
    expect(yield submit(u, 1)).toBe(EAGAIN);
    expect(yield events(u, 2)).toBe(2);
    expect(yield submit(u, 1)).toBe(1);
    expect(yield events(u, 1)).toBe(1);
  });
});

it("AI3: what waits ends with its process, and lets its file go", async () => {
  await run(function* (u) {
    yield sys("pipe2", A, 0o4000);
    const [r, w] = [u.word(A), u.word(A + 4)];
    u.child(function* (c) {
      expect(yield sys("io_setup", 4, CTX)).toBe(0);
      request(c, 0, POLL, r, 1, 0);
      request(c, 1, PREAD, r, BUF, 4);
      expect(yield submit(c, 1)).toBe(1);
      yield sys("exit_group", 0);
    });
    yield sys("fork");
    yield sys("wait4", -1, 0, 0, 0);
    expect(u.proc.k.aio.reserved).toBe(0);
    yield sys("close", r);
    yield u.sigaction(13, 1);
    expect(yield sys("write", w, BUF, 1)).toBe(-32);
  });
});

it("a read of a pipe waits beside its process", async () => {
  await run(function* (u) {
    yield sys("pipe", A);
    yield sys("io_setup", 4, CTX);
    request(u, 0, PREAD, u.word(A), BUF, 100);
    expect(yield submit(u, 1)).toBe(1);
    u.words(A + 16, 0, 0);
    expect(yield sys("io_getevents", u.word(CTX), 1, 4, EV, A + 16)).toBe(0);
    u.text(BUF + 512, "hello");
    yield sys("write", u.word(A + 4), BUF + 512, 5);
    expect(yield events(u, 1)).toBe(1);
    expect([u.word(EV), u.word(EV + 8), u.word(EV + 16), u.read(BUF, 5)]).toEqual([100, CB, 5, "hello"]);
    expect(yield sys("io_getevents", 16, 0, 1, EV, 0)).toBe(EINVAL);
  });
});

it("AI2: a write takes its bytes when it is made, and goes on after its process", async () => {
  const bench = new UserBench();
  let contents = "";
  await bench.run(
    bench.start(function* (u) {
      u.text(A, "/file");
      u.child(function* (c) {
        const fd = yield sys("open", A, 0o102, 0o600);
        expect(yield sys("io_setup", 4, CTX)).toBe(0);
        c.text(BUF, "written");
        request(c, 0, PWRITE, fd, BUF, 7);
        expect(yield submit(c, 1)).toBe(1);
        c.text(BUF, "changed");
        yield sys("exit_group", 0);
      });
      yield sys("fork");
      yield sys("wait4", -1, 0, 0, 0);
      const fd = yield sys("open", A, 0, 0);
      contents = u.read(BUF, yield sys("read", fd, BUF, 100));
    }),
  );
  expect(contents).toBe("written");
});
