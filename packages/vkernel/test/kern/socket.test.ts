// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import { DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

const EPERM = -1, ENOENT = -2, EBADF = -9, EAGAIN = -11, EFAULT = -14, EINVAL = -22, ENOTSOCK = -88, EMSGSIZE = -90, EPROTOTYPE = -91;
const EOPNOTSUPP = -95, EAFNOSUPPORT = -97, EADDRINUSE = -98, ECONNRESET = -104, EISCONN = -106, ENOTCONN = -107, ECONNREFUSED = -111;
const STREAM = 1, DGRAM = 2, SEQPACKET = 5, NONBLOCK = 0o4000;
const A = DATA;

async function run(program: Program): Promise<UserBench> {
  const bench = new UserBench();
  expect(await bench.run(bench.start(program))).toBe(0);
  return bench;
}
/** Puts a sockaddr_un at `at`; returns its length. */
function sun(u: User, at: number, path: string): number {
  u.setWord(at, 1 | (path.charCodeAt(0) << 16));
  for (let i = 0; i < path.length; i++) u.poke(at + 2 + i, path.charCodeAt(i));
  u.poke(at + 2 + path.length, 0);
  return 2 + path.length + (path.startsWith("\0") ? 0 : 1);
}

describe("streams", () => {
  it("socketpair carries bytes both ways, end of file after shutdown, EPIPE after close", async () => {
    await run(function* (u) {
      expect(yield sys("socketpair", 1, STREAM, 0, A)).toBe(0);
      const [a, b] = [u.word(A), u.word(A + 4)];
      u.text(A + 64, "hello");
      expect(yield sys("write", a, A + 64, 5)).toBe(5);
      expect(yield sys("read", b, A + 128, 3)).toBe(3);
      expect(yield sys("recvfrom", b, A + 131, 100, 0, 0, 0)).toBe(2);
      expect(u.read(A + 128, 5)).toBe("hello");
      expect(yield sys("sendto", b, A + 64, 4, 0, 0, 0)).toBe(4);
      expect(yield sys("recvfrom", a, A + 128, 100, 2, 0, 0)).toBe(4);
      expect(yield sys("recvfrom", a, A + 128, 100, 0, 0, 0)).toBe(4);
      expect(yield sys("recvfrom", a, A + 128, 100, 0x40, 0, 0)).toBe(EAGAIN);
      expect(yield sys("shutdown", a, 1)).toBe(0);
      expect(yield sys("read", b, A + 128, 100)).toBe(0);
      expect(yield sys("sendto", a, A + 64, 1, 0x4000, 0, 0)).toBe(-32);
      yield sys("close", a);
      expect(yield sys("sendto", b, A + 64, 1, 0x4000, 0, 0)).toBe(-32);
    });
  });

  it.each([
    ["a path", "/sock"],
    ["an abstract name", "\0name\0with NUL"],
  ])("server and client meet at %s", async (_what, path) => {
    await run(function* (u) {
      const len = sun(u, A, path);
      const s = yield sys("socket", 1, STREAM, 0);
      expect(yield sys("listen", s, 1)).toBe(EINVAL);
      expect(yield sys("bind", s, A, len)).toBe(0);
      expect(yield sys("bind", s, A, len)).toBe(EINVAL);
      const second = yield sys("socket", 1, STREAM, 0);
      expect(yield sys("bind", second, A, len)).toBe(EADDRINUSE);
      expect(yield sys("connect", second, A, len)).toBe(ECONNREFUSED);
      expect(yield sys("listen", s, 1)).toBe(0);
      u.child(function* (c) {
        const fd = yield sys("socket", 1, STREAM, 0);
        expect(yield sys("connect", fd, A, len)).toBe(0);
        expect(yield sys("connect", fd, A, len)).toBe(EISCONN);
        c.setWord(A + 256, 110);
        expect(yield sys("getpeername", fd, A + 300, A + 256)).toBe(0);
        expect(c.word(A + 256)).toBe(len);
        c.text(A + 400, "from the client");
        yield sys("write", fd, A + 400, 15);
        yield sys("read", fd, A + 500, 10);
        expect(c.read(A + 500, 2)).toBe("ok");
      });
      yield sys("fork");
      u.setWord(A + 256, 110);
      const fd = yield sys("accept4", s, A + 300, A + 256, 0);
      expect(fd).toBeGreaterThan(second);
      expect([u.word(A + 256), u.word(A + 300) & 0xffff]).toEqual([2, 1]);
      u.setWord(A + 256, 12);
      expect(yield sys("getsockopt", fd, 1, 17, A + 700, A + 256)).toBe(0);
      expect([u.word(A + 700), u.word(A + 704)]).toEqual([3, 0]);
      expect(yield sys("read", fd, A + 400, 100)).toBe(15);
      expect(u.read(A + 400, 15)).toBe("from the client");
      u.text(A + 400, "ok");
      yield sys("write", fd, A + 400, 2);
      yield sys("wait4", -1, A + 600, 0, 0);
      expect(u.word(A + 600)).toBe(0);
      expect(yield sys("read", fd, A + 400, 100)).toBe(0);
    });
  });

  it("a large transfer goes through in pieces, with a reader that is slower", async () => {
    await run(function* (u) {
      yield sys("socketpair", 1, STREAM, 0, A);
      const [a, b] = [u.word(A), u.word(A + 4)];
      u.child(function* () {
        yield sys("close", b);
        for (let i = 0; i < 5; i++) expect(yield sys("sendto", a, A + 0x1000, 200_000, 0, 0, 0)).toBe(200_000);
      });
      yield sys("fork");
      yield sys("close", a);
      let total = 0;
      for (;;) {
        const n = yield sys("recvfrom", b, A + 0x40000, 50_001, 0, 0, 0);
        if (n === 0) break;
        total += n;
      }
      expect(total).toBe(1_000_000);
    });
  });

  it("UX2: unread bytes turn the other side's end into ECONNRESET", async () => {
    await run(function* (u) {
      yield sys("socketpair", 1, STREAM, 0, A);
      const [a, b] = [u.word(A), u.word(A + 4)];
      yield sys("write", a, A, 4);
      yield sys("close", b);
      expect(yield sys("read", a, A, 4)).toBe(ECONNRESET);
      expect(yield sys("read", a, A, 4)).toBe(0);
    });
  });

  it("poll sees connections, data and hangup", async () => {
    await run(function* (u) {
      yield sys("socketpair", 1, STREAM, 0, A);
      const [a, b] = [u.word(A), u.word(A + 4)];
      u.words(A + 64, b, 1 | 4);
      expect(yield sys("poll", A + 64, 1, 0)).toBe(1);
      expect(u.word(A + 68) >>> 16).toBe(4);
      yield sys("write", a, A, 1);
      yield sys("poll", A + 64, 1, -1);
      expect(u.word(A + 68) >>> 16).toBe(5);
      yield sys("close", a);
      yield sys("poll", A + 64, 1, -1);
      expect((u.word(A + 68) >>> 16) & 0x11).toBe(0x11);
    });
  });
});

describe("packets", () => {
  it("datagrams keep their borders and name their sender", async () => {
    await run(function* (u) {
      const len = sun(u, A, "\0server");
      const s = yield sys("socket", 1, DGRAM, 0);
      yield sys("bind", s, A, len);
      const c = yield sys("socket", 1, DGRAM, 0);
      const clen = sun(u, A + 128, "\0client");
      yield sys("bind", c, A + 128, clen);
      for (const text of ["first", "2nd"]) {
        u.text(A + 256, text);
        expect(yield sys("sendto", c, A + 256, text.length, 0, A, len)).toBe(text.length);
      }
      u.setWord(A + 512, 110);
      expect(yield sys("recvfrom", s, A + 600, 3, 0, A + 520, A + 512)).toBe(3);
      expect([u.read(A + 600, 3), u.word(A + 512), u.read(A + 523, 6)]).toEqual(["fir", clen, "client"]);
      expect(yield sys("recvfrom", s, A + 600, 100, 0, 0, 0)).toBe(3);
      expect(yield sys("sendto", c, A + 256, 300_000, 0, A, len)).toBe(EMSGSIZE);
      yield sys("close", s);
      expect(yield sys("sendto", c, A + 256, 1, 0, A, len)).toBe(ECONNREFUSED);
    });
  });

  it("sequenced packets: one message for one receive, also through socketcall", async () => {
    await run(function* (u) {
      yield sys("socketpair", 1, SEQPACKET, 0, A);
      const [a, b] = [u.word(A), u.word(A + 4)];
      u.text(A + 64, "abcdef");
      u.words(A + 32, a, A + 64, 6, 0);
      expect(yield sys("socketcall", 9, A + 32)).toBe(6);
      yield sys("sendto", a, A + 64, 2, 0, 0, 0);
      u.words(A + 32, b, A + 128, 4, 0);
      expect(yield sys("socketcall", 10, A + 32)).toBe(4);
      expect(yield sys("socketcall", 10, A + 32)).toBe(2);
      u.child(function* () {
        yield sys("sendto", a, A + 64, 5, 0, 0, 0);
      });
      yield sys("fork");
      expect(yield sys("socketcall", 10, A + 32)).toBe(4);
      expect(yield sys("socketcall", 99, A + 32)).toBe(EINVAL);
      expect(yield sys("socketcall", 9, 16)).toBe(EFAULT);
    });
  });
});

describe("descriptors in messages", () => {
  /** A msghdr at `at` with one byte of data and `fds` as control data. */
  const msg = (u: User, at: number, fds: readonly number[]): void => {
    u.words(at + 64, at + 200, 1);
    u.words(at + 100, 12 + 4 * fds.length, 1, 1, ...fds);
    u.words(at, 0, 0, at + 64, 1, fds.length === 0 ? 0 : at + 100, fds.length === 0 ? 0 : 12 + 4 * fds.length, 0);
  };

  it("a received descriptor is another one of the same open file", async () => {
    await run(function* (u) {
      yield sys("socketpair", 1, STREAM, 0, A);
      yield sys("pipe", A + 8);
      const [a, b, r, w] = [0, 4, 8, 12].map((o) => u.word(A + o)) as [number, number, number, number];
      msg(u, A + 1024, [w]);
      expect(yield sys("sendmsg", a, A + 1024, 0)).toBe(1);
      yield sys("close", w);
      u.words(A + 2048 + 64, A + 2048 + 200, 8);
      u.words(A + 2048, 0, 0, A + 2048 + 64, 1, A + 2048 + 100, 64, 0);
      expect(yield sys("recvmsg", b, A + 2048, 0)).toBe(1);
      expect([u.word(A + 2048 + 20), u.word(A + 2048 + 24), u.word(A + 2148), u.word(A + 2156)]).toEqual([16, 0, 16, 1]);
      const got = u.word(A + 2160);
      u.text(A + 300, "via");
      expect(yield sys("write", got, A + 300, 3)).toBe(3);
      expect(yield sys("read", r, A + 400, 10)).toBe(3);
    });
  });

  it("without room for it the descriptor is dropped and MSG_CTRUNC set", async () => {
    await run(function* (u) {
      yield sys("socketpair", 1, STREAM, 0, A);
      yield sys("pipe", A + 8);
      const [a, b, r, w] = [0, 4, 8, 12].map((o) => u.word(A + o)) as [number, number, number, number];
      msg(u, A + 1024, [w]);
      yield sys("sendmsg", a, A + 1024, 0);
      yield sys("close", w);
      u.words(A + 2048 + 64, A + 2048 + 200, 8);
      u.words(A + 2048, 0, 0, A + 2048 + 64, 1, 0, 0, 0);
      expect(yield sys("recvmsg", b, A + 2048, 0)).toBe(1);
      expect(u.word(A + 2048 + 24)).toBe(8);
      expect(yield sys("read", r, A + 400, 10)).toBe(0);
    });
  });

  it("D13, SO2: sockets that hold each other in flight are collected, 1000 times", async () => {
    const bench = await run(function* (u) {
      for (let i = 0; i < 1000; i++) {
        yield sys("socketpair", 1, DGRAM, 0, A);
        const [a, b] = [u.word(A), u.word(A + 4)];
        msg(u, A + 1024, [a, b]);
        expect(yield sys("sendmsg", a, A + 1024, 0)).toBe(1);
        msg(u, A + 1024, [a]);
        expect(yield sys("sendmsg", b, A + 1024, 0)).toBe(1);
        yield sys("close", a);
        yield sys("close", b);
      }
    });
    expect([bench.k.sockets.files.size, bench.k.sockets.inFlightTotal, bench.k.sockets.inFlight.size]).toEqual([0, 0, 0]);
  });
});

describe("errors", () => {
  it.each([
    ["a family that is not there", ["socket", 17, 3, 0], EAFNOSUPPORT],
    ["an unknown type", ["socket", 1, 9, 0], -94],
    ["a wrong protocol", ["socket", 1, STREAM, 77], -93],
    ["not a descriptor", ["listen", 55, 1], EBADF],
    ["socketpair at a wild address", ["socketpair", 1, STREAM, 0, 16], EFAULT],
  ] as const)("%s", async (_what, [name, ...args], errno) => {
    await run(function* () {
      expect(yield sys(name, ...args)).toBe(errno);
    });
  });

  it("calls on the wrong kind of file or in the wrong state", async () => {
    await run(function* (u) {
      yield sys("pipe", A);
      expect(yield sys("listen", u.word(A), 1)).toBe(ENOTSOCK);
      const s = yield sys("socket", 1, STREAM | NONBLOCK, 0);
      expect(yield sys("recvfrom", s, A, 1, 0, 0, 0)).toBe(ENOTCONN);
      expect(yield sys("sendto", s, A, 1, 0, 0, 0)).toBe(ENOTCONN);
      expect(yield sys("getpeername", s, A, A + 8)).toBe(ENOTCONN);
      expect(yield sys("accept4", s, 0, 0, 0)).toBe(EINVAL);
      expect(yield sys("setsockopt", s, 6, 1, A, 4)).toBe(EOPNOTSUPP);
      const len = sun(u, A + 64, "/none");
      expect(yield sys("connect", s, A + 64, len)).toBe(ENOENT);
      expect(yield sys("connect", s, A + 64, 1)).toBe(EINVAL);
      const d = yield sys("socket", 1, DGRAM, 0);
      expect(yield sys("listen", d, 1)).toBe(EOPNOTSUPP);
      expect(yield sys("accept4", d, 0, 0, 0)).toBe(EOPNOTSUPP);
      expect(yield sys("sendto", d, A, 1, 0, 0, 0)).toBe(-89);
      const t = sun(u, A + 64, "\0t");
      yield sys("bind", d, A + 64, t);
      expect(yield sys("connect", s, A + 64, t)).toBe(EPROTOTYPE);
    });
  });

  it("a path's permissions are respected", async () => {
    await run(function* (u) {
      const len = sun(u, A, "/sock");
      const s = yield sys("socket", 1, STREAM, 0);
      yield sys("umask", 0o077);
      yield sys("bind", s, A, len);
      yield sys("listen", s, 1);
      yield sys("setresuid32", 9, 9, 9);
      const c = yield sys("socket", 1, STREAM, 0);
      expect(yield sys("connect", c, A, len)).toBe(-13);
      expect(yield sys("chown32", A, 0, 0)).not.toBe(0);
      expect(EPERM).toBe(-1);
    });
  });
});

it("a local socket bound to no name gets an abstract one", async () => {
  await run(function* (u) {
    const names = new Set<string>();
    for (let i = 0; i < 2; i++) {
      const fd = yield sys("socket", 1, STREAM, 0);
      u.setWord(A, 1);
      expect(yield sys("bind", fd, A, 2)).toBe(0);
      expect(yield sys("bind", fd, A, 2)).toBe(0);
      u.setWord(A + 64, 100);
      yield sys("getsockname", fd, A + 128, A + 64);
      expect(u.word(A + 64)).toBe(2 + 6);
      names.add(u.read(A + 130, 6));
    }
    expect(names).toEqual(new Set(["\0" + "00001", "\0" + "00002"]));
  });
});
