// SPDX-License-Identifier: BSD-3-Clause
/** TCP and UDP between processes of one machine; error numbers as Linux has them. */
import { describe, expect, it } from "vitest";
import { parseAddress } from "../../src/net/inet/address.ts";
import { A, BUF, OTHER, DGRAM, INET, INET6, STREAM, NONBLOCK, address, nameOf, readAddress, run } from "./inet-kit.ts";
import { DATA, sys } from "./user-bench.ts";

const EAGAIN = -11, EACCES = -13, EINVAL = -22, EPIPE = -32, EDESTADDRREQ = -89, EMSGSIZE = -90, EPROTONOSUPPORT = -93;
const EAFNOSUPPORT = -97, EADDRINUSE = -98, EADDRNOTAVAIL = -99, ENETUNREACH = -101, ECONNRESET = -104, EISCONN = -106;
const ENOTCONN = -107, ECONNREFUSED = -111, EINPROGRESS = -115, SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_ERROR = 4;
const IPPROTO_IPV6 = 41, IPV6_V6ONLY = 26;

describe("streams inside the machine", () => {
  it("a connect() that must not wait is in progress when it returns, and done at the next look", async () => {
    await run(function* (u) {
      const s = yield sys("socket", INET, STREAM, 0);
      yield sys("bind", s, A, address(u, A, "127.0.0.1", 8081));
      yield sys("listen", s, 5);
      const fd = yield sys("socket", INET, STREAM | NONBLOCK, 0);
      expect(yield sys("connect", fd, A, 16)).toBe(EINPROGRESS);
      u.words(OTHER, fd, 4);
      expect(yield sys("poll", OTHER, 1, 0)).toBe(1);
      u.words(OTHER, -1, 4);
      expect(yield sys("getsockopt", fd, SOL_SOCKET, SO_ERROR, OTHER, OTHER + 4)).toBe(0);
      expect(u.word(OTHER)).toBe(0);
      expect(yield sys("connect", fd, A, 16)).toBe(EISCONN);
      // A datagram socket has nobody to shake hands with.
      const d = yield sys("socket", INET, DGRAM | NONBLOCK, 0);
      expect(yield sys("connect", d, A, 16)).toBe(0);
    });
  });

  it("server and client know each other's addresses, bytes go both ways, end of file follows shutdown", async () => {
    await run(function* (u) {
      const s = yield sys("socket", INET, STREAM, 0);
      const len = address(u, A, "0.0.0.0", 8080);
      expect(yield sys("bind", s, A, len)).toBe(0);
      expect(yield sys("bind", s, A, len)).toBe(EINVAL);
      expect(yield sys("listen", s, 5)).toBe(0);
      expect(yield* nameOf(u, "getsockname", s)).toBe("0.0.0.0:8080");
      u.child(function* (c) {
        const fd = yield sys("socket", INET, STREAM, 6);
        expect(yield sys("connect", fd, A, address(c, A, "127.0.0.1", 8080))).toBe(0);
        expect(yield sys("connect", fd, A, 16)).toBe(EISCONN);
        expect(yield* nameOf(c, "getpeername", fd)).toBe("127.0.0.1:8080");
        c.text(BUF, "from the client");
        expect(yield sys("sendto", fd, BUF, 15, 0, 0, 0)).toBe(15);
        expect(yield sys("shutdown", fd, 1)).toBe(0);
        expect(yield sys("read", fd, BUF, 10)).toBe(2);
        expect(yield sys("read", fd, BUF, 10)).toBe(0);
      });
      yield sys("fork");
      u.setWord(A + 0x100, 16);
      const fd = yield sys("accept4", s, OTHER, A + 0x100, 0);
      expect(readAddress(u, OTHER)).toBe(yield* nameOf(u, "getpeername", fd));
      expect(readAddress(u, OTHER)).toMatch(/^127\.0\.0\.1:(49|5\d|6\d)\d{3}$/);
      expect(yield* nameOf(u, "getsockname", fd)).toBe("127.0.0.1:8080");
      expect(yield sys("recvfrom", fd, BUF, 100, 0, 0, 0)).toBe(15);
      expect(u.read(BUF, 15)).toBe("from the client");
      expect(yield sys("read", fd, BUF, 100)).toBe(0);
      yield sys("write", fd, BUF, 2);
      yield sys("close", fd);
      yield sys("wait4", -1, A, 0, 0);
      expect(u.word(A)).toBe(0);
    });
  });

  it("refuses and names what is wrong", async () => {
    await run(function* (u) {
      const s = yield sys("socket", INET, STREAM, 0);
      expect(yield sys("connect", s, A, address(u, A, "127.0.0.1", 9))).toBe(ECONNREFUSED);
      expect(yield sys("connect", s, A, address(u, A, "192.0.2.1", 80))).toBe(ENETUNREACH);
      expect(yield sys("bind", s, A, address(u, A, "192.0.2.1", 80))).toBe(EADDRNOTAVAIL);
      expect(yield sys("connect", s, A, address(u, A, "::1", 80))).toBe(EAFNOSUPPORT);
      expect(yield sys("connect", s, A, 8)).toBe(EINVAL);
      expect(yield sys("getpeername", s, A, A + 0x100)).toBe(ENOTCONN);
      expect(yield sys("sendto", s, BUF, 1, 0x4000, 0, 0)).toBe(EPIPE);
      expect(yield sys("recvfrom", s, BUF, 1, 0, 0, 0)).toBe(ENOTCONN);
      u.words(BUF, s, 4);
      expect(yield sys("poll", BUF, 1, 0)).toBe(1);
      expect(u.word(BUF + 4)).toBe(0x14_0004);
      expect(yield sys("socket", INET, STREAM, 17)).toBe(EPROTONOSUPPORT);
      u.child(function* (c) {
        yield sys("setuid", 1000);
        const fd = yield sys("socket", INET, STREAM, 0);
        expect(yield sys("bind", fd, A, address(c, A, "127.0.0.1", 80))).toBe(EACCES);
      });
      yield sys("fork");
      yield sys("wait4", -1, A, 0, 0);
      expect(u.word(A)).toBe(0);
    });
  });

  it("a port is one socket's, unless both may share it and neither listens", async () => {
    await run(function* (u) {
      const one = yield sys("socket", INET, STREAM, 0);
      const two = yield sys("socket", INET, STREAM, 0);
      const len = address(u, A, "127.0.0.1", 7000);
      expect(yield sys("bind", one, A, len)).toBe(0);
      expect(yield sys("bind", two, A, address(u, A, "0.0.0.0", 7000))).toBe(EADDRINUSE);
      u.setWord(BUF, 1);
      for (const s of [one, two]) expect(yield sys("setsockopt", s, SOL_SOCKET, SO_REUSEADDR, BUF, 4)).toBe(0);
      expect(yield sys("bind", two, A, len)).toBe(0);
      yield sys("close", two);
      yield sys("listen", one, 1);
      const three = yield sys("socket", INET, STREAM, 0);
      expect(yield sys("setsockopt", three, SOL_SOCKET, SO_REUSEADDR, BUF, 4)).toBe(0);
      expect(yield sys("bind", three, A, len)).toBe(EADDRINUSE);
      yield sys("close", one);
      expect(yield sys("bind", three, A, len)).toBe(0);
    });
  });

  it("IPv6 sockets take IPv4 connections, unless they are for IPv6 only", async () => {
    await run(function* (u) {
      const six = yield sys("socket", INET6, STREAM, 0);
      expect(yield sys("bind", six, A, address(u, A, "::", 7001))).toBe(0);
      yield sys("listen", six, 1);
      const client = yield sys("socket", INET, STREAM, 0);
      expect(yield sys("connect", client, A, address(u, A, "127.0.0.1", 7001))).toBe(0);
      u.setWord(A + 0x100, 28);
      yield sys("accept4", six, OTHER, A + 0x100, 0);
      expect(u.word(A + 0x100)).toBe(28);
      expect([u.word(OTHER + 16), u.word(OTHER + 20)]).toEqual([0xffff_0000 | 0, 0x0100_007f]);
      const only = yield sys("socket", INET6, STREAM, 0);
      u.setWord(BUF, 1);
      expect(yield sys("setsockopt", only, IPPROTO_IPV6, IPV6_V6ONLY, BUF, 4)).toBe(0);
      expect(yield sys("bind", only, A, address(u, A, "::", 7002))).toBe(0);
      yield sys("listen", only, 1);
      const other = yield sys("socket", INET, STREAM, 0);
      expect(yield sys("connect", other, A, address(u, A, "127.0.0.1", 7002))).toBe(ECONNREFUSED);
      const well = yield sys("socket", INET6, STREAM, 0);
      expect(yield sys("connect", well, A, address(u, A, "::1", 7002))).toBe(0);
    });
  });

  it("a datagram socket that forgets its peer forgets the address it had towards it, and keeps one it was given", async () => {
    await run(function* (u) {
      const mapped = [0xffff_0000 | 0, 0x0100_007f];
      const six = yield sys("socket", INET6, DGRAM, 0);
      const forget = (): ReturnType<typeof sys> => {
        u.words(BUF, 0, 0, 0, 0);
        return sys("connect", six, BUF, 16);
      };
      expect(yield sys("connect", six, A, address(u, A, "::1", 53))).toBe(0);
      yield forget();
      // As getaddrinfo sorts addresses: an IPv4 address on the IPv6 socket.
      expect(yield sys("connect", six, A, address(u, A, "127.0.0.1", 53))).toBe(0);
      u.setWord(A + 0x100, 28);
      yield sys("getsockname", six, OTHER, A + 0x100);
      expect([u.word(OTHER + 16), u.word(OTHER + 20)]).toEqual(mapped);
      yield forget();
      yield sys("getsockname", six, OTHER, A + 0x100);
      expect([u.word(OTHER + 16), u.word(OTHER + 20)]).toEqual([0, 0]);
      const four = yield sys("socket", INET, DGRAM, 0);
      yield sys("bind", four, A, address(u, A, "127.0.0.1", 4000));
      yield sys("connect", four, A, address(u, A, "127.0.0.1", 53));
      u.words(BUF, 0, 0, 0, 0);
      yield sys("connect", four, BUF, 16);
      expect(yield* nameOf(u, "getsockname", four)).toBe("127.0.0.1:4000");
    });
  });

  it("unread bytes turn a close into a reset", async () => {
    await run(function* (u) {
      const s = yield sys("socket", INET, STREAM, 0);
      const len = address(u, A, "127.0.0.1", 7003);
      yield sys("bind", s, A, len);
      yield sys("listen", s, 1);
      const client = yield sys("socket", INET, STREAM, 0);
      yield sys("connect", client, A, len);
      const server = yield sys("accept4", s, 0, 0, 0);
      yield sys("write", client, BUF, 10);
      yield sys("close", server);
      expect(yield sys("read", client, BUF, 10)).toBe(ECONNRESET);
      expect(yield sys("sendto", client, BUF, 1, 0x4000, 0, 0)).toBe(EPIPE);
    });
  });
});

describe("datagrams inside the machine", () => {
  it("carry their sender, are taken whole, and are lost where nobody is", async () => {
    await run(function* (u) {
      const a = yield sys("socket", INET, DGRAM, 0);
      const b = yield sys("socket", INET, DGRAM, 17);
      const len = address(u, A, "127.0.0.1", 5353);
      yield sys("bind", a, A, len);
      u.text(BUF, "datagram");
      expect(yield sys("sendto", b, BUF, 8, 0, 0, 0)).toBe(EDESTADDRREQ);
      expect(yield sys("sendto", b, BUF, 70_000, 0, A, len)).toBe(EMSGSIZE);
      expect(yield sys("sendto", b, BUF, 1, 0, OTHER, address(u, OTHER, "127.0.0.1", 0))).toBe(EINVAL);
      expect(yield sys("sendto", b, BUF, 8, 0, A, len)).toBe(8);
      expect(yield sys("sendto", b, BUF, 0, 0, A, len)).toBe(0);
      u.setWord(A + 0x100, 16);
      expect(yield sys("recvfrom", a, BUF + 100, 4, 0, OTHER, A + 0x100)).toBe(4);
      expect(readAddress(u, OTHER)).toMatch(/^127\.0\.0\.1:\d+$/);
      expect(yield sys("recvfrom", a, BUF + 100, 100, 0, 0, 0)).toBe(0);
      expect(yield sys("recvfrom", a, BUF + 100, 100, 0x40, 0, 0)).toBe(EAGAIN);
      // To nobody: unconnected senders are not told, connected ones are, once.
      const none = address(u, A, "127.0.0.1", 5354);
      expect(yield sys("sendto", b, BUF, 8, 0, A, none)).toBe(8);
      expect(yield sys("connect", b, A, none)).toBe(0);
      expect(yield sys("write", b, BUF, 8)).toBe(8);
      expect(yield sys("recvfrom", b, BUF, 8, 0x40, 0, 0)).toBe(ECONNREFUSED);
      expect(yield sys("recvfrom", b, BUF, 8, 0x40, 0, 0)).toBe(EAGAIN);
    });
  });

  it("a connected socket hears its peer alone; several messages go in one call", async () => {
    await run(function* (u) {
      const [a, b, stranger] = [yield sys("socket", INET, DGRAM, 0), yield sys("socket", INET, DGRAM, 0), yield sys("socket", INET, DGRAM, 0)];
      const atA = address(u, A, "127.0.0.1", 6000);
      yield sys("bind", a, A, atA);
      yield sys("bind", b, OTHER, address(u, OTHER, "127.0.0.1", 6001));
      yield sys("connect", a, OTHER, 16);
      expect(yield sys("sendto", stranger, BUF, 5, 0, A, atA)).toBe(5);
      expect(yield sys("recvfrom", a, BUF, 10, 0x40, 0, 0)).toBe(EAGAIN);
      // struct mmsghdr[2] at BUF + 0x100 with one buffer each
      for (const [i, length] of [3, 7].entries()) {
        u.words(BUF + 0x100 + 32 * i, A, 16, BUF + 0x200 + 8 * i, 1, 0, 0, 0, 0);
        u.words(BUF + 0x200 + 8 * i, BUF + 0x300, length);
      }
      expect(yield sys("sendmmsg", b, BUF + 0x100, 2, 0)).toBe(2);
      expect([u.word(BUF + 0x100 + 28), u.word(BUF + 0x120 + 28)]).toEqual([3, 7]);
      for (const i of [0, 1]) {
        u.words(BUF + 0x100 + 32 * i, 0, 0, BUF + 0x200 + 8 * i, 1, 0, 0, 0, 0);
        u.words(BUF + 0x200 + 8 * i, BUF + 0x300, 100);
      }
      expect(yield sys("recvmmsg", a, BUF + 0x100, 2, 0, 0)).toBe(2);
      expect([u.word(BUF + 0x100 + 28), u.word(BUF + 0x120 + 28)]).toEqual([3, 7]);
    });
  });
});

describe("addresses", () => {
  it.each([
    ["127.0.0.1", "127.0.0.1"],
    ["::1", "0:0:0:0:0:0:0:1"],
    ["2001:DB8::10.1.2.3", "2001:db8:0:0:0:0:a01:203"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["fe80::1%eth0", "fe80:0:0:0:0:0:0:1"],
    ["1.2.3", null],
    ["1.2.3.256", null],
    ["1::2::3", null],
    ["1:2:3:4:5:6:7:8:9", null],
    ["12345::", null],
  ])("%s is %s", (text, canonical) => {
    expect(parseAddress(text)).toBe(canonical);
  });
});

describe("what an end learns late", () => {
  it("a connection that the other side has closed takes bytes once more, then it is broken", async () => {
    const POLLOUT = 4, POLLERR = 8, NOSIGNAL = 0x4000;
    await run(function* (u) {
      const s = yield sys("socket", INET, STREAM, 0);
      yield sys("bind", s, A, address(u, A, "127.0.0.1", 8082));
      yield sys("listen", s, 5);
      const fd = yield sys("socket", INET, STREAM, 0);
      yield sys("connect", fd, A, 16);
      const server = yield sys("accept4", s, 0, 0, 0);
      yield sys("close", fd);
      expect(yield sys("sendto", server, BUF, 0, NOSIGNAL, 0, 0)).toBe(0);
      expect(yield sys("sendto", server, BUF, 5, NOSIGNAL, 0, 0)).toBe(5);
      u.words(OTHER, server, POLLOUT);
      yield sys("poll", OTHER, 1, 0);
      expect((u.word(OTHER + 4) >>> 16) & POLLERR).toBe(POLLERR);
      expect(yield sys("sendto", server, BUF, 5, NOSIGNAL, 0, 0)).toBe(EPIPE);
      expect(yield sys("read", server, BUF, 5)).toBe(0);
    });
  });
});

describe("datagram sockets without a peer again", () => {
  it("forget the address and the port that they did not ask for", async () => {
    const AF_UNSPEC = 0;
    await run(function* (u) {
      const fd = yield sys("socket", INET6, DGRAM, 0);
      const ask = function* (host: string): Generator<ReturnType<typeof sys>, string, number> {
        expect(yield sys("connect", fd, A, address(u, A, host, 53))).toBe(0);
        u.setWord(A + 0x100, 28);
        yield sys("getsockname", fd, A + 0x110, A + 0x100);
        return Array.from(u.read(A + 0x118, 16), (c) => c.charCodeAt(0).toString(16)).join(":");
      };
      expect(yield* ask("::1")).toBe("0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:1");
      u.setWord(A, AF_UNSPEC);
      expect(yield sys("connect", fd, A, 16)).toBe(0);
      u.setWord(A + 0x100, 28);
      yield sys("getsockname", fd, A + 0x110, A + 0x100);
      expect([u.word(A + 0x110) >>> 16, u.word(A + 0x118), u.word(A + 0x124)]).toEqual([0, 0, 0]);
      // As getaddrinfo asks: the mapped form of an address that was given as IPv4's.
      expect(yield* ask("127.0.0.1")).toBe("0:0:0:0:0:0:0:0:0:0:ff:ff:7f:0:0:1");

      const bound = yield sys("socket", INET, DGRAM, 0);
      yield sys("bind", bound, A, address(u, A, "127.0.0.1", 7000));
      yield sys("connect", bound, A, address(u, A, "127.0.0.1", 53));
      u.setWord(A, AF_UNSPEC);
      yield sys("connect", bound, A, 16);
      expect(yield* nameOf(u, "getsockname", bound)).toBe("127.0.0.1:7000");
    });
  });

  it("UDP-Lite has ports of its own", async () => {
    const UDPLITE = 136;
    await run(function* (u) {
      const udp = yield sys("socket", INET, DGRAM, 0);
      const lite = yield sys("socket", INET, DGRAM | NONBLOCK, UDPLITE);
      const sender = yield sys("socket", INET, DGRAM, UDPLITE);
      expect(yield sys("socket", INET, STREAM, UDPLITE)).toBe(EPROTONOSUPPORT);
      expect(yield sys("bind", udp, A, address(u, A, "127.0.0.1", 7001))).toBe(0);
      expect(yield sys("bind", lite, A, 16)).toBe(0);
      u.text(BUF, "light");
      expect(yield sys("sendto", sender, BUF, 5, 0, A, 16)).toBe(5);
      expect(yield sys("recvfrom", lite, BUF + 64, 10, 0, 0, 0)).toBe(5);
      expect(yield sys("recvfrom", udp, BUF + 64, 10, 0x40, 0, 0)).toBe(EAGAIN);
      u.setWord(OTHER, 20);
      expect(yield sys("setsockopt", lite, UDPLITE, 10, OTHER, 4)).toBe(0);
    });
  });
});

it("IPv6 datagrams carry hop limit and traffic class as control messages; what has no room is cut", async () => {
  const IPPROTO_IPV6 = 41, RECVHOPLIMIT = 51, HOPLIMIT = 52, RECVTCLASS = 66, TCLASS = 67, CTRUNC = 8;
  const MSG = DATA + 0x3000, CONTROL = DATA + 0x3100, IOV = DATA + 0x3200;
  await run(function* (u) {
    const server = yield sys("socket", INET6, DGRAM, 0);
    const client = yield sys("socket", INET6, DGRAM, 0);
    yield sys("bind", server, A, address(u, A, "::1", 9000));
    u.setWord(OTHER, 1);
    for (const option of [RECVHOPLIMIT, RECVTCLASS]) expect(yield sys("setsockopt", server, IPPROTO_IPV6, option, OTHER, 4)).toBe(0);
    const send = function* (...control: number[]): Generator<ReturnType<typeof sys>, number, number> {
      u.words(CONTROL, ...control);
      u.words(IOV, BUF, 3);
      u.words(MSG, A, 28, IOV, 1, control.length === 0 ? 0 : CONTROL, control.length * 4, 0);
      return yield sys("sendmsg", client, MSG, 0);
    };
    const receive = function* (room: number): Generator<ReturnType<typeof sys>, number[], number> {
      u.words(CONTROL, ...Array.from({ length: 16 }, () => -1));
      u.words(IOV, BUF, 3);
      u.words(MSG, 0, 0, IOV, 1, CONTROL, room, 0);
      expect(yield sys("recvmsg", server, MSG, 0)).toBe(3);
      return [u.word(MSG + 20), u.word(MSG + 24), ...Array.from({ length: u.word(MSG + 20) / 4 }, (_, i) => u.word(CONTROL + 4 * i))];
    };
    expect(yield* send()).toBe(3);
    expect(yield* receive(64)).toEqual([32, 0, 16, IPPROTO_IPV6, HOPLIMIT, 64, 16, IPPROTO_IPV6, TCLASS, 0]);
    expect(yield* send(16, IPPROTO_IPV6, TCLASS, 7, 16, IPPROTO_IPV6, HOPLIMIT, 3)).toBe(3);
    expect(yield* receive(32)).toEqual([32, 0, 16, IPPROTO_IPV6, HOPLIMIT, 3, 16, IPPROTO_IPV6, TCLASS, 7]);
    expect(yield* send(17, IPPROTO_IPV6, TCLASS, 7, 0)).toBe(EINVAL);
    expect(yield* send(16, IPPROTO_IPV6, HOPLIMIT, 256)).toBe(EINVAL);
    u.setWord(OTHER, 9);
    expect(yield sys("setsockopt", client, IPPROTO_IPV6, TCLASS, OTHER, 4)).toBe(0);
    expect(yield* send()).toBe(3);
    expect(yield* receive(28)).toEqual([28, CTRUNC, 16, IPPROTO_IPV6, HOPLIMIT, 64, 12, IPPROTO_IPV6, TCLASS]);
    expect(yield* send()).toBe(3);
    expect(yield* receive(20)).toEqual([16, CTRUNC, 16, IPPROTO_IPV6, HOPLIMIT, 64]);
  });
});

it("sendto over a connection does not look at the name that it is given, if it can be read", async () => {
  await run(function* (u) {
    const listener = yield sys("socket", INET, STREAM, 0);
    yield sys("bind", listener, A, address(u, A, "127.0.0.1", 9001));
    yield sys("listen", listener, 1);
    const client = yield sys("socket", INET, STREAM, 0);
    expect(yield sys("connect", client, A, 16)).toBe(0);
    u.words(OTHER, 0, 0, 0, 0);
    expect(yield sys("sendto", client, BUF, 3, 0, OTHER, 16)).toBe(3);
    expect(yield sys("sendto", client, BUF, 3, 0, OTHER, -1)).toBe(-22);
    expect(yield sys("sendto", client, BUF, 3, 0, 0xfff0_0000 | 0, 16)).toBe(-14);
  });
});
