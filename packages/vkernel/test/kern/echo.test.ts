// SPDX-License-Identifier: BSD-3-Clause
/** Echo requests of unprivileged programs (Linux net/ipv4/ping.c), and the header fields that IPv4 datagrams tell of. */
import { expect, it } from "vitest";
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
