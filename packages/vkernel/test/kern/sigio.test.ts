// SPDX-License-Identifier: BSD-3-Clause
/** Urgent bytes, O_ASYNC, and who gets the signals of a file; Linux's values, checked natively by a case of scripts/programs. */
import { expect, it } from "vitest";
import { DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const ESRCH = -3, EPERM = -1, EAGAIN = -11, EINVAL = -22, EOPNOTSUPP = -95;
const A = DATA, BUF = DATA + 0x1000, MASK = DATA + 0x2000, INFO = DATA + 0x3000, ZERO = DATA + 0x4000;
const INET = 2, STREAM = 1, NONBLOCK = 0o4000, MSG_OOB = 1, MSG_PEEK = 2, MSG_DONTWAIT = 0x40;
const F_SETFL = 4, F_SETOWN = 8, F_GETOWN = 9, F_SETSIG = 10, F_GETSIG = 11, F_SETOWN_EX = 15, F_GETOWN_EX = 16, O_ASYNC = 0o20000;
const SIOCATMARK = 0x8905, FIONREAD = 0x541b, SIOCOUTQ = 0x5411, SOL_SOCKET = 1, SO_OOBINLINE = 10, POLLIN = 1, POLLPRI = 2;
const SIGURG = 23, SIGIO = 29, RT = 40, SI_KERNEL = 0x80, POLL_IN = 1, POLL_OUT = 2;

async function run(program: Program): Promise<void> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program))).toBe(0);
}
type Steps<T> = Generator<ReturnType<typeof sys>, T, number>;

/** A TCP connection inside the machine: the two ends. */
function* tcp(u: User): Steps<[number, number]> {
  u.words(A, INET | (0x901f << 16), 0x0100_007f, 0, 0);
  const s = yield sys("socket", INET, STREAM, 0);
  yield sys("bind", s, A, 16);
  yield sys("listen", s, 1);
  const c = yield sys("socket", INET, STREAM, 0);
  expect(yield sys("connect", c, A, 16)).toBe(0);
  const a = yield sys("accept4", s, 0, 0, NONBLOCK);
  yield sys("close", s);
  return [c, a];
}
function* send(u: User, fd: number, text: string, flags = 0): Steps<void> {
  expect(yield sys("sendto", fd, u.text(BUF, text), text.length, flags, 0, 0)).toBe(text.length);
}
/** What recv() gives: text, or an error's number. */
function* recv(u: User, fd: number, len: number, flags = 0): Steps<string | number> {
  const n = yield sys("recvfrom", fd, BUF, len, flags | MSG_DONTWAIT, 0, 0);
  return n < 0 ? n : u.read(BUF, n);
}
/** [at the mark, bytes readable, poll's answer]. */
function* state(u: User, fd: number): Steps<number[]> {
  yield sys("ioctl", fd, SIOCATMARK, BUF);
  yield sys("ioctl", fd, FIONREAD, BUF + 4);
  u.words(BUF + 8, fd, POLLIN | POLLPRI);
  yield sys("poll", BUF + 8, 1, 0);
  return [u.word(BUF), u.word(BUF + 4), u.word(BUF + 12) >>> 16];
}
/** Blocks SIGIO and RT. */
function* block(u: User): Steps<void> {
  u.words(MASK, 1 << (SIGIO - 1), 1 << (RT - 33));
  u.words(ZERO, 0, 0);
  yield sys("rt_sigprocmask", 0, MASK, 0, 8);
}
/** The next of the blocked signals: [signal, code, band, fd]; null without one. */
function* taken(u: User): Steps<number[] | null> {
  const signo = yield sys("rt_sigtimedwait", MASK, INFO, ZERO, 8);
  return signo === EAGAIN ? null : [signo, u.word(INFO + 8), u.word(INFO + 12), u.word(INFO + 16)];
}

it("a read ends at the urgent byte, which is received by itself and then passed by", async () => {
  await run(function* (u) {
    const [c, a] = yield* tcp(u);
    expect(yield* recv(u, a, 1, MSG_OOB)).toBe(EINVAL);
    yield* send(u, c, "abc");
    yield* send(u, c, "xyZ", MSG_OOB);
    yield* send(u, c, "def");
    expect(yield* state(u, a)).toEqual([0, 5, POLLIN | POLLPRI]);
    expect(yield* recv(u, a, 1, MSG_OOB | MSG_PEEK)).toBe("Z");
    expect(yield* recv(u, a, 100)).toBe("abcxy");
    expect(yield* state(u, a)).toEqual([1, 0, POLLIN | POLLPRI]);
    expect(yield* recv(u, a, 1, MSG_OOB)).toBe("Z");
    expect(yield* recv(u, a, 1, MSG_OOB)).toBe(EINVAL);
    expect(yield* recv(u, a, 100, MSG_PEEK)).toBe("def");
    expect(yield* state(u, a)).toEqual([1, 0, POLLIN]);
    expect(yield* recv(u, a, 100)).toBe("def");
    yield* send(u, c, "!", MSG_OOB);
    expect(yield* state(u, a)).toEqual([1, 0, POLLPRI]);
    expect(yield* recv(u, a, 10)).toBe(EAGAIN);
    expect(yield* recv(u, a, 1, MSG_OOB)).toBe(EINVAL);
    // A second one takes the place of the first, which the reader stood at.
    yield* send(u, c, "1", MSG_OOB);
    yield* send(u, c, "2", MSG_OOB);
    expect(yield* recv(u, a, 1, MSG_OOB)).toBe("2");
    expect(yield* recv(u, a, 10)).toBe(EAGAIN);
  });
});

it("SO_OOBINLINE leaves the urgent byte among the others", async () => {
  await run(function* (u) {
    const [c, a] = yield* tcp(u);
    u.setWord(BUF, 1);
    expect(yield sys("setsockopt", a, SOL_SOCKET, SO_OOBINLINE, BUF, 4)).toBe(0);
    yield* send(u, c, "ab", MSG_OOB);
    yield* send(u, c, "c");
    expect(yield* recv(u, a, 1, MSG_OOB)).toBe(EINVAL);
    expect(yield* state(u, a)).toEqual([0, 3, POLLIN | POLLPRI]);
    expect(yield* recv(u, a, 10)).toBe("a");
    expect((yield* state(u, a))[0]).toBe(1);
    expect(yield* recv(u, a, 10)).toBe("bc");
    expect(yield* state(u, a)).toEqual([0, 0, 0]);
  });
});

it("SIOCOUTQ: what the other end has not taken of a local stream; nothing of TCP inside the machine, where it has arrived", async () => {
  await run(function* (u) {
    const waiting = function* (fd: number): Steps<number> {
      expect(yield sys("ioctl", fd, SIOCOUTQ, INFO)).toBe(0);
      return u.word(INFO);
    };
    yield sys("socketpair", 1, STREAM, 0, A);
    const [one, two] = [u.word(A), u.word(A + 4)];
    expect(yield* waiting(one)).toBe(0);
    yield* send(u, one, "hello");
    expect([yield* waiting(one), yield* waiting(two)]).toEqual([5, 0]);
    expect(yield* recv(u, two, 3)).toBe("hel");
    expect(yield* waiting(one)).toBe(2);
    yield sys("close", two);
    expect(yield* waiting(one)).toBe(0);
    const [c, a] = yield* tcp(u);
    yield* send(u, c, "hello");
    expect([yield* waiting(c), yield* waiting(a)]).toEqual([0, 0]);
  });
});

it("only TCP has urgent bytes; their arrival is SIGURG for the owner", async () => {
  await run(function* (u) {
    yield sys("socketpair", 1, STREAM, 0, A);
    expect(yield sys("sendto", u.word(A), BUF, 1, MSG_OOB, 0, 0)).toBe(EOPNOTSUPP);
    expect(yield* recv(u, u.word(A), 1, MSG_OOB)).toBe(EOPNOTSUPP);
    const [c, a] = yield* tcp(u);
    let heard = 0;
    // oxlint-disable-next-line require-yield
    yield u.sigaction(SIGURG, u.handler(function* () { heard++; }));
    yield* send(u, c, "x", MSG_OOB);
    expect(heard).toBe(0);
    expect(yield sys("fcntl64", a, F_SETOWN, yield sys("getpid"))).toBe(0);
    yield* send(u, c, "x", MSG_OOB);
    expect(heard).toBe(1);
  });
});

it("O_ASYNC: SIGIO, or a signal that says what is ready and where", async () => {
  await run(function* (u) {
    yield* block(u);
    const pid = yield sys("getpid");
    yield sys("pipe", A);
    const [r, w] = [u.word(A), u.word(A + 4)];
    expect(yield sys("fcntl64", r, F_SETOWN, 4711)).toBe(ESRCH);
    expect(yield sys("fcntl64", r, F_SETOWN, pid)).toBe(0);
    expect(yield sys("fcntl64", r, F_GETOWN, 0)).toBe(pid);
    yield sys("write", w, BUF, 1);
    expect(yield* taken(u)).toBe(null);
    yield sys("fcntl64", r, F_SETFL, O_ASYNC);
    yield sys("write", w, BUF, 1);
    expect((yield* taken(u))?.slice(0, 2)).toEqual([SIGIO, SI_KERNEL]);
    expect(yield sys("fcntl64", r, F_SETSIG, 99)).toBe(EINVAL);
    expect(yield sys("fcntl64", r, F_SETSIG, RT)).toBe(0);
    expect(yield sys("fcntl64", r, F_GETSIG, 0)).toBe(RT);
    yield sys("write", w, BUF, 1);
    yield sys("write", w, BUF, 1);
    expect(yield* taken(u)).toEqual([RT, POLL_IN, 0x41, r]);
    expect(yield* taken(u)).toEqual([RT, POLL_IN, 0x41, r]);
    expect(yield* taken(u)).toBe(null);
    yield sys("fcntl64", r, F_SETFL, 0);
    yield sys("write", w, BUF, 1);
    expect(yield* taken(u)).toBe(null);
    yield sys("fcntl64", r, F_SETFL, O_ASYNC);
    yield sys("close", r);
    yield sys("close", w);
    expect(yield* taken(u)).toBe(null);
  });
});

it("room to write is news only for who found none", async () => {
  await run(function* (u) {
    yield* block(u);
    const [c, a] = yield* tcp(u);
    u.words(BUF, 1, yield sys("getpid"));
    expect(yield sys("fcntl64", a, F_SETOWN_EX, BUF)).toBe(0);
    yield sys("fcntl64", a, F_SETSIG, RT);
    yield sys("fcntl64", a, F_SETFL, O_ASYNC | NONBLOCK);
    yield* send(u, a, "x");
    yield sys("recvfrom", c, BUF, 10, 0, 0, 0);
    expect(yield* taken(u)).toBe(null);
    while ((yield sys("sendto", a, BUF, 0x8000, 0, 0, 0)) > 0);
    expect(yield* taken(u)).toBe(null);
    while ((yield sys("recvfrom", c, BUF, 0x8000, MSG_DONTWAIT, 0, 0)) > 0);
    expect(yield* taken(u)).toEqual([RT, POLL_OUT, 0x304, a]);
    expect(yield* taken(u)).toBe(null);
    yield* send(u, c, "y");
    expect(yield* taken(u)).toEqual([RT, POLL_IN, 0x41, a]);
  });
});

it("owners are threads, processes or groups, and must be there; their ids decide", async () => {
  await run(function* (u) {
    yield* block(u);
    yield sys("pipe", A);
    const [r, w] = [u.word(A), u.word(A + 4)];
    u.words(BUF, 7, 1);
    expect(yield sys("fcntl64", r, F_SETOWN_EX, BUF)).toBe(EINVAL);
    u.words(BUF, 2, 4711);
    expect(yield sys("fcntl64", r, F_SETOWN_EX, BUF)).toBe(ESRCH);
    const group = yield sys("getpgrp");
    u.words(BUF, 2, group);
    expect(yield sys("fcntl64", r, F_SETOWN_EX, BUF)).toBe(0);
    expect(yield sys("fcntl64", r, F_GETOWN_EX, BUF + 16)).toBe(0);
    expect([u.word(BUF + 16), u.word(BUF + 20)]).toEqual([2, group]);
    expect(yield sys("fcntl64", r, F_GETOWN, 0)).toBe(-group);
    yield sys("fcntl64", r, F_SETFL, O_ASYNC);
    yield sys("write", w, BUF, 1);
    expect((yield* taken(u))?.[0]).toBe(SIGIO);
    // Set by a user, for a process of the superuser: nothing is sent.
    u.child(function* (c) {
      yield sys("setresuid", 1000, 1000, 1000);
      expect(yield sys("kill", 1, 0)).toBe(EPERM);
      c.words(BUF, 1, 1);
      expect(yield sys("fcntl64", r, F_SETOWN_EX, BUF)).toBe(0);
      yield sys("exit_group", 0);
    });
    yield sys("fork");
    yield sys("wait4", -1, 0, 0, 0);
    yield sys("write", w, BUF, 1);
    expect(yield* taken(u)).toBe(null);
  });
});
