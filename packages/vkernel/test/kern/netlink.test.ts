// SPDX-License-Identifier: BSD-3-Clause
/** What programs learn about network interfaces: netlink as getifaddrs(3) and ip(8) ask, and ioctl as ifconfig(8) does. */
import { describe, expect, it } from "vitest";
import { parseAttributes, parseMessages } from "../../src/net/netlink/message.ts";
import type { HostNetwork } from "../../src/net/inet/host.ts";
import { type Call, DATA, sys, type User, UserBench } from "./user-bench.ts";

const EPERM = -1, ENODEV = -19, EINVAL = -22, EPROTONOSUPPORT = -93, ESOCKTNOSUPPORT = -94, EADDRINUSE = -98;
const ECONNREFUSED = -111, EAGAIN = -11, EOPNOTSUPP = 95;
const AF_NETLINK = 16, SOCK_RAW = 3, SOCK_DGRAM = 2, DUMP = 0x301, ACK = 5;
const A = DATA, BUF = DATA + 0x1000;

async function run(network: boolean, program: (u: User) => Generator<Call, void, number>): Promise<void> {
  // Nothing is sent: that there is a network is all that these calls look at.
  const bench = new UserBench(undefined, network ? { host: {} as HostNetwork, outgoing: true, post: (e) => e() } : undefined);
  expect(await bench.run(bench.start(program))).toBe(0);
}
/** Sends one request with a body of bytes. */
function request(u: User, fd: number, type: number, flags: number, body: readonly number[] = new Array<number>(16).fill(0)): Call {
  u.words(BUF, 16 + body.length, type | (flags << 16), 77, 0);
  body.forEach((b, i) => u.poke(BUF + 16 + i, b));
  return sys("sendto", fd, BUF, 16 + body.length, 0, 0, 0);
}
/** All answers that are waiting. */
function* answers(u: User, fd: number): Generator<Call, ReturnType<typeof parseMessages>, number> {
  const out: ReturnType<typeof parseMessages> = [];
  for (;;) {
    const n = yield sys("recvfrom", fd, BUF, 8192, 0x40, 0, 0);
    if (n === EAGAIN) return out;
    out.push(...parseMessages(Uint8Array.from(u.read(BUF, n), (c) => c.charCodeAt(0))));
  }
}
const call = (u: User, nr: number, ...args: number[]): Call => {
  u.words(A + 0x800, ...args);
  return sys("socketcall", nr, A + 0x800);
};
const text = (b: Uint8Array | undefined): string => String.fromCharCode(...(b ?? [])).replace(/\0.*$/s, "");

describe("NETLINK_ROUTE", () => {
  it("lists interfaces, addresses and routes, each dump ended by NLMSG_DONE", async () => {
    await run(true, function* (u) {
      const fd = yield sys("socket", AF_NETLINK, SOCK_RAW, 0);
      yield request(u, fd, 18, DUMP);
      const links = yield* answers(u, fd);
      expect(links.map((m) => [m.type, m.flags, m.seq])).toEqual([[16, 2, 77], [16, 2, 77], [3, 2, 77]]);
      expect(links.slice(0, 2).map((m) => text(parseAttributes(m.body, 16).get(3)))).toEqual(["lo", "eth0"]);
      expect(links[1]!.body[4]).toBe(2);
      yield request(u, fd, 22, DUMP);
      const addresses = (yield* answers(u, fd)).slice(0, -1);
      expect(addresses.map((m) => [m.body[0], m.body[1], m.body[4], parseAttributes(m.body, 8).get(1)!.join(".")])).toEqual([
        [2, 8, 1, "127.0.0.1"], [10, 128, 1, "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1"],
        [2, 24, 2, "10.0.2.15"], [10, 64, 2, "254.192.0.0.0.0.0.0.0.0.0.0.0.0.0.21"],
      ]);
      expect(parseAttributes(addresses[2]!.body, 8).get(4)!.join(".")).toBe("10.0.2.255");
      yield request(u, fd, 22, DUMP, [2, 0, 0, 0, 0, 0, 0, 0]);
      expect((yield* answers(u, fd)).length).toBe(3);
      yield request(u, fd, 26, DUMP, new Array<number>(12).fill(0));
      const routes = (yield* answers(u, fd)).slice(0, -1);
      expect(routes.map((m) => [m.body[1], parseAttributes(m.body, 12).get(5)?.join(".")])).toEqual([[24, undefined], [0, "10.0.2.2"]]);
      // Neighbours: there are none to tell.
      yield request(u, fd, 30, DUMP);
      expect((yield* answers(u, fd)).map((m) => m.type)).toEqual([3]);
    });
  });

  it("without a network there is the loopback alone", async () => {
    await run(false, function* (u) {
      const fd = yield sys("socket", AF_NETLINK, SOCK_DGRAM, 0);
      yield request(u, fd, 18, DUMP);
      expect((yield* answers(u, fd)).map((m) => m.type)).toEqual([16, 3]);
    });
  });

  it("answers about one interface by index or name, and says what it cannot do", async () => {
    await run(true, function* (u) {
      const fd = yield sys("socket", AF_NETLINK, SOCK_RAW, 0);
      yield request(u, fd, 18, 1, [0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      const [link] = yield* answers(u, fd);
      expect([link!.flags, text(parseAttributes(link!.body, 16).get(3))]).toEqual([0, "eth0"]);
      const named = [...new Array<number>(16).fill(0), 7, 0, 3, 0, 0x6c, 0x6f, 0, 0];
      yield request(u, fd, 18, ACK, named);
      expect((yield* answers(u, fd)).map((m) => m.type)).toEqual([16, 2]);
      const errors: readonly (readonly [type: number, error: number])[] = [[18, -ENODEV], [22, EOPNOTSUPP], [16, EOPNOTSUPP], [500, EOPNOTSUPP]];
      for (const [type, error] of errors) {
        yield request(u, fd, type, 1);
        const [m] = yield* answers(u, fd);
        expect([m!.type, new DataView(m!.body.buffer, m!.body.byteOffset).getInt32(0, true)]).toEqual([2, -error]);
      }
      yield sys("setresuid32", 99, 99, 99);
      yield request(u, fd, 20, ACK);
      const [m] = yield* answers(u, fd);
      expect(new DataView(m!.body.buffer, m!.body.byteOffset).getInt32(0, true)).toBe(EPERM);
    });
  });

  it("a port is the pid's for the first socket, its own for the next; addresses come from port 0", async () => {
    await run(false, function* (u) {
      const a = yield sys("socket", AF_NETLINK, SOCK_RAW, 0);
      const b = yield sys("socket", AF_NETLINK, SOCK_RAW, 0);
      u.words(A, AF_NETLINK, 0, 0);
      expect(yield sys("bind", a, A, 12)).toBe(0);
      expect(yield sys("bind", b, A, 12)).toBe(0);
      u.setWord(A + 0x100, 12);
      yield sys("getsockname", a, A + 0x20, A + 0x100);
      yield sys("getsockname", b, A + 0x40, A + 0x100);
      expect([u.word(A + 0x20), u.word(A + 0x24), u.word(A + 0x100)]).toEqual([AF_NETLINK, 2, 12]);
      expect(u.word(A + 0x44)).not.toBe(2);
      u.words(A, AF_NETLINK, 2, 0);
      const c = yield sys("socket", AF_NETLINK, SOCK_RAW, 0);
      expect(yield sys("bind", c, A, 12)).toBe(EADDRINUSE);
      expect(yield sys("bind", c, A, 8)).toBe(EINVAL);
      expect(yield sys("sendto", a, BUF, 16, 0, A, 12)).toBe(ECONNREFUSED);
      yield request(u, a, 18, DUMP);
      u.setWord(A + 0x100, 128);
      // The length is the packet's, whatever there was room for; peeking leaves it.
      const n = yield sys("recvfrom", a, BUF, 1, 0x22, A + 0x20, A + 0x100);
      expect(n).toBeGreaterThan(100);
      expect([u.word(A + 0x20) & 0xffff, u.word(A + 0x24), u.word(A + 0x100)]).toEqual([AF_NETLINK, 0, 12]);
      expect(yield sys("recvfrom", a, BUF, 8192, 0, 0, 0)).toBe(n);
    });
  });

  it("refuses other protocols and types, and connections", async () => {
    await run(false, function* (u) {
      expect(yield sys("socket", AF_NETLINK, SOCK_RAW, 4)).toBe(EPROTONOSUPPORT);
      expect(yield sys("socket", AF_NETLINK, 1, 0)).toBe(ESOCKTNOSUPPORT);
      const fd = yield call(u, 1, AF_NETLINK, SOCK_RAW, 0);
      expect(yield sys("listen", fd, 1)).toBe(-EOPNOTSUPP);
      expect(yield sys("recvfrom", fd, BUF, 10, 0x40, 0, 0)).toBe(EAGAIN);
    });
  });
});

describe("netdevice ioctls", () => {
  const name = (u: User, n: string): number => {
    for (let i = 0; i < 32; i++) u.poke(A + i, 0);
    return u.text(A, n);
  };
  it("SIOCGIFCONF lists the interfaces with addresses, or the room that they need", async () => {
    await run(true, function* (u) {
      const fd = yield sys("socket", 2, SOCK_DGRAM, 0);
      u.words(A, 0, 0);
      expect(yield sys("ioctl", fd, 0x8912, A)).toBe(0);
      expect(u.word(A)).toBe(64);
      u.words(A, 50, BUF);
      expect(yield sys("ioctl", fd, 0x8912, A)).toBe(0);
      expect([u.word(A), u.str(BUF), u.word(BUF + 16) & 0xffff, u.word(BUF + 20)]).toEqual([32, "lo", 2, 0x0100_007f]);
    });
  });
  it.each([
    ["flags", 0x8913, "lo", 0x49], ["flags", 0x8913, "eth0", 0x1043], ["address", 0x8915, "eth0", 2], ["mtu", 0x8921, "eth0", 1500],
    ["index", 0x8933, "eth0", 2], ["hardware", 0x8927, "lo", 772], ["queue", 0x8942, "lo", 1000],
  ] as const)("%s of an interface (%i, %s)", async (_what, cmd, ifname, want) => {
    await run(true, function* (u) {
      const fd = yield sys("socket", 2, SOCK_DGRAM, 0);
      expect(yield sys("ioctl", fd, cmd, name(u, ifname))).toBe(0);
      expect(u.word(A + 16) & 0xffff).toBe(want);
    });
  });
  it("errors: no such interface, nothing to set, not a socket", async () => {
    await run(true, function* (u) {
      const fd = yield sys("socket", 2, SOCK_DGRAM, 0);
      expect(yield sys("ioctl", fd, 0x8913, name(u, "eth7"))).toBe(ENODEV);
      expect(yield sys("ioctl", fd, 0x8914, name(u, "eth0"))).toBe(-EOPNOTSUPP);
      u.setWord(A + 16, 9);
      expect(yield sys("ioctl", fd, 0x8910, A)).toBe(ENODEV);
      u.setWord(A + 16, 2);
      expect(yield sys("ioctl", fd, 0x8910, A)).toBe(0);
      expect(u.str(A)).toBe("eth0");
      yield sys("setresuid32", 99, 99, 99);
      expect(yield sys("ioctl", fd, 0x8914, A)).toBe(EPERM);
      const p = yield sys("pipe", A);
      expect(p).toBe(0);
      expect(yield sys("ioctl", u.word(A), 0x8913, A)).toBe(-25);
    });
  });
});
