// SPDX-License-Identifier: BSD-3-Clause
/** What tests of TCP and UDP have in common: numbers as Linux has them, addresses in the program's memory. */
import { expect } from "vitest";
import type { HostNetwork } from "@vkernel/hostkernel";
import { parseAddress } from "../../src/net/inet/address.ts";
import { DATA, type Program, sys, type User, UserBench } from "./user-bench.ts";

export const INET = 2;
export const INET6 = 10;
export const STREAM = 1;
export const DGRAM = 2;
export const NONBLOCK = 0o4000;
export const A = DATA;
export const OTHER = DATA + 0x200;
export const BUF = DATA + 0x1000;

export async function run(program: Program, network?: HostNetwork, outgoing = true): Promise<UserBench> {
  const options = { host: network ?? null, outgoing, post: (event: () => void): void => event() };
  const bench = new UserBench(undefined, network === undefined ? undefined : options);
  expect(await bench.run(bench.start(program))).toBe(0);
  return bench;
}

/** A sockaddr_in or sockaddr_in6 at `at`; returns its length. */
export function address(u: User, at: number, host: string, port: number): number {
  const six = host.includes(":");
  const family = six ? INET6 : INET;
  u.setWord(at, family | ((((port & 0xff) << 8) | (port >> 8)) << 16));
  if (!six) {
    host.split(".").forEach((n, i) => u.poke(at + 4 + i, Number(n)));
    return 16;
  }
  u.words(at + 4, 0, 0, 0, 0, 0, 0);
  parseAddress(host)!
    .split(":")
    .forEach((group, i) => {
      u.poke(at + 8 + 2 * i, Number.parseInt(group, 16) >> 8);
      u.poke(at + 9 + 2 * i, Number.parseInt(group, 16) & 255);
    });
  return 28;
}
/** Host and port of the IPv4 address at `at`. */
export function readAddress(u: User, at: number): string {
  const b = u.read(at, 8);
  const n = (i: number): number => b.charCodeAt(i);
  return `${n(4)}.${n(5)}.${n(6)}.${n(7)}:${(n(2) << 8) | n(3)}`;
}
export function* nameOf(u: User, call: string, fd: number): Generator<ReturnType<typeof sys>, string, number> {
  u.setWord(A + 0x100, 28);
  expect(yield sys(call, fd, A + 0x110, A + 0x100)).toBe(0);
  return readAddress(u, A + 0x110);
}
