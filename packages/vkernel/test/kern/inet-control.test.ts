// SPDX-License-Identifier: BSD-3-Clause
/** Control messages of datagrams from elsewhere and with the machine's outer address; those of the loopback are compared with Linux in the cli's native tests. */
import { expect, it } from "vitest";
import type { HostDatagrams, HostNetwork } from "@vkernel/hostkernel";
import { A, address, BUF, DGRAM, INET, INET6, NONBLOCK, OTHER, run } from "./inet-kit.ts";
import { DATA, sys, type User } from "./user-bench.ts";

const MSG = DATA + 0x3000, CONTROL = DATA + 0x3100, IOV = DATA + 0x3200;
const IP = 0, IPV6 = 41;
const OUTER = [10, 0, 2, 15];
const OUTER6 = [0xfe, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x15];

/** Carries datagrams back to who has sent them. */
class Mirror implements HostNetwork {
  connect(): void {
    throw new Error("no connections");
  }
  listen(): () => void {
    throw new Error("no listeners");
  }
  nameservers(): [] {
    return [];
  }
  datagrams(): HostDatagrams {
    let receive: (bytes: Uint8Array, from: { host: string; port: number }) => void = () => {};
    return { send: (bytes, to) => receive(bytes, to), onMessage: (callback) => (receive = callback), close: () => {} };
  }
}

const word = (n: number): number[] => [...new Uint8Array(Int32Array.of(n).buffer)];
const bytesAt = (u: User, at: number, n: number): number[] => Array.from(u.read(at, n), (c) => c.charCodeAt(0));

it.each([
  { what: "from elsewhere", family: INET, to: "192.0.2.1", level: IP, option: 8, data: [...word(2), ...OUTER, ...OUTER] },
  { what: "to the machine's outer address", family: INET, to: "10.0.2.15", level: IP, option: 8, data: [...word(2), ...OUTER, ...OUTER] },
  { what: "over the loopback", family: INET, to: "127.0.0.1", level: IP, option: 8, data: [...word(1), 127, 0, 0, 1, 127, 0, 0, 1] },
  { what: "over IPv6, from elsewhere", family: INET6, to: "2001:db8::1", level: IPV6, option: 49, data: [...OUTER6, ...word(2)] },
  { what: "over IPv6, to the machine's outer address", family: INET6, to: "fec0::15", level: IPV6, option: 49, data: [...OUTER6, ...word(2)] },
  { what: "hop limits from elsewhere", family: INET6, to: "2001:db8::1", level: IPV6, option: 8, data: word(64) },
])("datagrams $what say how they came in", async ({ family, to, level, option, data }) => {
  await run(function* (u) {
    const s = yield sys("socket", family, DGRAM | NONBLOCK, 0);
    yield sys("bind", s, A, address(u, A, family === INET ? "0.0.0.0" : "::", 9001));
    u.setWord(OTHER, 1);
    expect(yield sys("setsockopt", s, level, option, OTHER, 4)).toBe(0);
    expect(yield sys("sendto", s, BUF, 3, 0, A, address(u, A, to, 9001))).toBe(3);
    u.words(IOV, BUF, 16);
    u.words(MSG, 0, 0, IOV, 1, CONTROL, 64, 0);
    expect(yield sys("recvmsg", s, MSG, 0)).toBe(3);
    expect([u.word(CONTROL), u.word(CONTROL + 4), bytesAt(u, CONTROL + 12, data.length)]).toEqual([12 + data.length, level, data]);
  }, new Mirror());
});

it("a datagram comes from the address that its control message names", async () => {
  await run(function* (u) {
    const server = yield sys("socket", INET, DGRAM | NONBLOCK, 0);
    yield sys("bind", server, A, address(u, A, "0.0.0.0", 9001));
    const client = yield sys("socket", INET, DGRAM, 0);
    u.words(IOV, BUF, 3);
    for (const [source, index, result] of [[OUTER, 0, 3], [OUTER, 2, 3], [OUTER, 3, -19], [[192, 0, 2, 1], 0, -101], [[127, 0, 0, 9], 0, 3]] as const) {
      u.words(MSG, A, address(u, A, "127.0.0.1", 9001), IOV, 1, CONTROL, 24, 0);
      u.words(CONTROL, 24, IP, 8, index, 0, 0);
      source.forEach((byte, i) => u.poke(CONTROL + 16 + i, byte));
      expect(yield sys("sendmsg", client, MSG, 0)).toBe(result);
      if (result < 0) continue;
      u.setWord(OTHER, 16);
      expect(yield sys("recvfrom", server, BUF, 3, 0, OTHER + 4, OTHER)).toBe(3);
      expect(bytesAt(u, OTHER + 8, 4)).toEqual([...source]);
    }
  }, new Mirror());
});
