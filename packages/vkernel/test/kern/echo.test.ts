// SPDX-License-Identifier: BSD-3-Clause
/** Echo requests of unprivileged programs (Linux net/ipv4/ping.c), and the header fields that IPv4 datagrams tell of. */
import { describe, expect, it } from "vitest";
import { A, address, BUF, DGRAM, INET, INET6, NONBLOCK, OTHER, readAddress, run, STREAM } from "./inet-kit.ts";
import { DATA, sys, type User } from "./user-bench.ts";

const EAGAIN = -11, EINVAL = -22, EPROTONOSUPPORT = -93, ENETUNREACH = -101;
const ICMP = 1, ICMPV6 = 58;
const ECHO = 8, ECHO6 = 128;

/** An echo request at BUF: type, code 0, a sum and an identifier that are not looked at, sequence 1, "abc"; 11 bytes. */
function request(u: User, type: number): number {
  u.words(BUF, type, 0x0100_ffff, 0x636261);
  return 11;
}
/** Sum of a message's big-endian words with carries added: 0xffff when its checksum is right (RFC 1071). */
function sumOf(bytes: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
  return (sum & 0xffff) + (sum >>> 16);
}
const bytesAt = (u: User, at: number, n: number): number[] => Array.from(u.read(at, n), (c) => c.charCodeAt(0));

it("the machine answers for its addresses, with the socket's identifier and a right sum", async () => {
  await run(function* (u) {
    expect(yield sys("socket", INET, STREAM, ICMP)).toBe(EPROTONOSUPPORT);
    expect(yield sys("socket", INET, DGRAM, ICMPV6)).toBe(EPROTONOSUPPORT);
    const first = yield sys("socket", INET, DGRAM | NONBLOCK, ICMP);
    const second = yield sys("socket", INET, DGRAM | NONBLOCK, ICMP);
    expect(yield sys("bind", first, A, address(u, A, "127.0.0.1", 77))).toBe(0);
    address(u, A, "127.0.0.1", 0);
    expect(yield sys("sendto", first, BUF, request(u, ECHO), 0, A, 16)).toBe(11);
    expect(yield sys("recvfrom", second, BUF, 64, 0, 0, 0)).toBe(EAGAIN);
    u.setWord(OTHER, 16);
    expect(yield sys("recvfrom", first, BUF, 64, 0, OTHER + 16, OTHER)).toBe(11);
    expect(readAddress(u, OTHER + 16)).toBe("127.0.0.1:0");
    const reply = bytesAt(u, BUF, 11);
    expect([...reply.slice(0, 2), ...reply.slice(4)]).toEqual([0, 0, 0, 77, 0, 1, 97, 98, 99]);
    expect(sumOf(reply)).toBe(0xffff);
    expect(yield sys("sendto", first, BUF, request(u, 0), 0, A, 16)).toBe(EINVAL);
    expect(yield sys("sendto", first, BUF, 7, 0, A, 16)).toBe(EINVAL);
  });
});

it("connected, over IPv6, and to nowhere", async () => {
  await run(function* (u) {
    const s = yield sys("socket", INET6, DGRAM | NONBLOCK, ICMPV6);
    expect(yield sys("connect", s, A, address(u, A, "::1", 1025))).toBe(0);
    expect(yield sys("write", s, BUF, request(u, ECHO6))).toBe(11);
    expect(yield sys("read", s, BUF, 64)).toBe(11);
    expect(bytesAt(u, BUF, 1)).toEqual([129]);
    expect(yield sys("write", s, BUF, request(u, ECHO))).toBe(EINVAL);
    const four = yield sys("socket", INET, DGRAM | NONBLOCK, ICMP);
    expect(yield sys("sendto", four, BUF, request(u, ECHO), 0, A, address(u, A, "192.0.2.1", 0))).toBe(ENETUNREACH);
  });
});

it("IPv4 datagrams carry time to live and type of service as control messages", async () => {
  const IP = 0, TOS = 1, TTL = 2, RECVTTL = 12, RECVTOS = 13;
  const MSG = DATA + 0x3000, CONTROL = DATA + 0x3100, IOV = DATA + 0x3200;
  await run(function* (u) {
    const server = yield sys("socket", INET, DGRAM, 0);
    const client = yield sys("socket", INET, DGRAM, 0);
    yield sys("bind", server, A, address(u, A, "127.0.0.1", 9001));
    for (const [fd, option, value] of [[server, RECVTTL, 1], [server, RECVTOS, 1], [client, TTL, 9], [client, TOS, 16]] as const) {
      u.setWord(OTHER, value);
      expect(yield sys("setsockopt", fd, IP, option, OTHER, 4)).toBe(0);
    }
    u.setWord(OTHER, 256);
    expect(yield sys("setsockopt", client, IP, TTL, OTHER, 4)).toBe(EINVAL);
    expect(yield sys("sendto", client, BUF, 3, 0, A, 16)).toBe(3);
    u.words(IOV, BUF, 3);
    u.words(MSG, 0, 0, IOV, 1, CONTROL, 64, 0);
    u.words(CONTROL, ...Array.from({ length: 8 }, () => 0));
    expect(yield sys("recvmsg", server, MSG, 0)).toBe(3);
    expect([u.word(MSG + 20), ...Array.from({ length: 8 }, (_, i) => u.word(CONTROL + 4 * i))]).toEqual([32, 16, IP, TTL, 9, 13, IP, TOS, 16]);
  });
});

describe("raw sockets", () => {
  const RAW = 3, EPERM = -1;
  /** A right sum for the message of `n` bytes at BUF. */
  const seal = (u: User, n: number): void => {
    u.poke(BUF + 2, 0);
    u.poke(BUF + 3, 0);
    const sum = ~sumOf(bytesAt(u, BUF, n)) & 0xffff;
    u.poke(BUF + 2, sum >> 8);
    u.poke(BUF + 3, sum & 0xff);
  };

  it("see what is sent and what answers, with IPv4's header, unless it is filtered out", async () => {
    await run(function* (u) {
      const raw = yield sys("socket", INET, RAW | NONBLOCK, ICMP);
      const answers = yield sys("socket", INET, RAW | NONBLOCK, ICMP);
      u.setWord(OTHER, ~1);
      expect(yield sys("setsockopt", answers, 255, 1, OTHER, 4)).toBe(0);
      u.setWord(OTHER, 4);
      expect(yield sys("getsockopt", raw, 1, 3, OTHER + 4, OTHER)).toBe(0);
      expect(u.word(OTHER + 4)).toBe(RAW);
      address(u, A, "127.0.0.1", 0);
      request(u, ECHO);
      expect(yield sys("sendto", raw, BUF, 11, 0, A, 16)).toBe(11);
      // Its sum is wrong: seen, and not answered.
      expect(yield sys("recvfrom", raw, BUF + 64, 64, 0, 0, 0)).toBe(31);
      expect(yield sys("recvfrom", raw, BUF + 64, 64, 0, 0, 0)).toBe(EAGAIN);
      seal(u, 11);
      const sent = bytesAt(u, BUF, 11);
      expect(yield sys("sendto", raw, BUF, 11, 0, A, 16)).toBe(11);
      for (const type of [8, 0]) {
        expect(yield sys("recvfrom", raw, BUF + 64, 64, 0, 0, 0)).toBe(31);
        const packet = bytesAt(u, BUF + 64, 31);
        expect(packet.slice(0, 10)).toEqual([0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, 1]);
        expect(packet.slice(12, 20)).toEqual([127, 0, 0, 1, 127, 0, 0, 1]);
        expect(sumOf(packet.slice(0, 20))).toBe(0xffff);
        expect(sumOf(packet.slice(20))).toBe(0xffff);
        expect([packet[20], ...packet.slice(24)]).toEqual([type, ...sent.slice(4)]);
      }
      expect(yield sys("recvfrom", answers, BUF + 64, 64, 0, 0, 0)).toBe(31);
      expect(bytesAt(u, BUF + 84, 1)).toEqual([0]);
      expect(yield sys("recvfrom", answers, BUF + 64, 64, 0, 0, 0)).toBe(EAGAIN);
    });
  });

  it("of ICMPv6 have no header, and sums that the kernel fills in", async () => {
    await run(function* (u) {
      const raw = yield sys("socket", INET6, RAW | NONBLOCK, ICMPV6);
      expect(yield sys("connect", raw, A, address(u, A, "::1", 0))).toBe(0);
      u.words(OTHER, 0, 0, 0, 0, 1, 0, 0, 0);
      expect(yield sys("setsockopt", raw, 58, 1, OTHER, 32)).toBe(0);
      request(u, ECHO6);
      expect(yield sys("write", raw, BUF, 11)).toBe(11);
      expect(yield sys("read", raw, BUF + 64, 64)).toBe(11);
      const reply = bytesAt(u, BUF + 64, 11);
      expect(reply[0]).toBe(129);
      // The addresses are ::1 twice; length 11, next header 58.
      expect(sumOf([...reply, 0, 0, 1, 0, 1, 0, 11, 0, 58])).toBe(0xffff);
      expect(yield sys("read", raw, BUF + 64, 64)).toBe(EAGAIN);
    });
  });

  it("are for those with CAP_NET_RAW, and for ICMP alone", async () => {
    await run(function* (u) {
      for (const protocol of [0, 6, 255]) expect(yield sys("socket", INET, RAW, protocol)).toBe(EPROTONOSUPPORT);
      const other = yield sys("socket", INET, DGRAM | NONBLOCK, ICMP);
      expect(yield sys("setsockopt", other, 255, 1, A, 4)).toBe(-95);
      const raw = yield sys("socket", INET, RAW | NONBLOCK, ICMP);
      expect(yield sys("sendto", raw, BUF, request(u, ECHO), 0, A, address(u, A, "192.0.2.1", 0))).toBe(ENETUNREACH);
      expect(yield sys("bind", raw, A, address(u, A, "127.0.0.2", 5))).toBe(0);
      expect(yield sys("bind", raw, A, address(u, A, "192.0.2.1", 5))).toBe(-99);
      yield sys("setresuid32", 1000, 1000, 1000);
      expect(yield sys("socket", INET, RAW, ICMP)).toBe(EPERM);
    });
  });
});
