// SPDX-License-Identifier: BSD-3-Clause
/**
 * Raw sockets for ICMP and ICMPv6 (raw(7), icmp6(7); Linux net/ipv4/raw.c): each gets a copy of every message that reaches
 * the machine, those that the machine sends to itself among them; over IPv4 with the packet's header.
 *
 * Invariant
 *   RW1  A raw socket has no port, and is in no port table: names and peers have port 0.
 * @module
 */
import { IPPROTO_ICMP, SOCK_DGRAM, SOCK_RAW } from "../../sys/socket.ts";
import type { PacketFields, PeerCred } from "../socket.ts";
import { isAny, isInet4 } from "./address.ts";
import { packetOf } from "./echo.ts";
import { InetSocket } from "./socket.ts";

/** Bits of a filter: one for each type. */
const FILTER_WORDS = 8;

export class RawSocket extends InetSocket {
  /** Messages of these types are not received (ICMP_FILTER, ICMP6_FILTER): bit t mod 32 of word t / 32. */
  readonly filter = new Uint32Array(FILTER_WORDS);

  constructor(family: number, protocol: number, cred: PeerCred) {
    super(family, SOCK_DGRAM, cred, protocol);
  }
  override get type(): number {
    return SOCK_RAW;
  }
  override get isEcho(): boolean {
    return false;
  }

  /** A message has come from `from` to `to`. */
  take(message: Uint8Array, from: string, to: string, fields: PacketFields, cred: PeerCred): void {
    const four = isInet4(to);
    if (four !== (this.protocol === IPPROTO_ICMP)) return;
    if (!isAny(this.name.host) && this.name.host !== to) return;
    const type = message[0] ?? 0;
    // The IPv4 filter has 32 bits; types above are never kept out.
    if ((!four || type < 32) && (this.filter[type >> 5]! & (1 << (type & 31))) !== 0) return;
    this.deliver(four ? packetOf(message, from, to, fields) : message, { host: from, port: 0 }, cred, fields);
  }
}
