// SPDX-License-Identifier: BSD-3-Clause
/**
 * ICMP and ICMPv6 messages as far as echoes need them (RFC 792, RFC 4443 §2.3 and §4): type, code, sum, identifier, sequence number (8 bytes,
 * network order), then any data; and the IPv4 header that raw sockets see before them (RFC 791).
 * @module
 */
import { EINVAL } from "../../sys/errno.ts";
import { IPPROTO_ICMP, IPPROTO_ICMPV6 } from "../../sys/socket.ts";
import type { PacketFields } from "../socket.ts";
import { isInet4, toBytes } from "./address.ts";

const HEADER_BYTES = 8;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const ECHO_REQUEST6 = 128;
const ECHO_REPLY6 = 129;
const IP_HEADER_BYTES = 20;
const DONT_FRAGMENT = 0x40;

/** Puts the right sum into a message that `from` sends to `to`. */
export function sumMessage(message: Uint8Array, from: string, to: string): Uint8Array {
  message.fill(0, 2, 4);
  return putSum(message, 2, messageSum(message, from, to));
}

/** The sum of a message's words, and in ICMPv6 of a header with the addresses: 0xffff when its checksum is right. */
function messageSum(message: Uint8Array, from: string, to: string): number {
  if (isInet4(to)) return sumOf(message, 0);
  const pseudo = new Uint8Array(40);
  pseudo.set(toBytes(from, true)!);
  pseudo.set(toBytes(to, true)!, 16);
  new DataView(pseudo.buffer).setUint32(32, message.length);
  pseudo[39] = IPPROTO_ICMPV6;
  return sumOf(message, sumOf(pseudo, 0));
}

/**
 * What a program that may only send echoes has in mind (Linux net/ipv4/ping.c): its message as an echo request with identifier `id` from
 * `from` to `to`. Throws EINVAL for anything else than an echo request.
 */
export function echoRequest(message: Uint8Array, id: number, from: string, to: string): Uint8Array {
  if (!isEchoRequest(message, to)) throw EINVAL;
  const request = message.slice();
  request[4] = id >> 8;
  request[5] = id & 0xff;
  return sumMessage(request, from, to);
}

function isEchoRequest(message: Uint8Array, to: string): boolean {
  return message.length >= HEADER_BYTES && message[0] === (isInet4(to) ? ECHO_REQUEST : ECHO_REQUEST6) && message[1] === 0;
}

/** What `to` answers to a message of `from`: an echo reply, or null to anything else and to a message with a wrong sum. */
export function answerTo(message: Uint8Array, from: string, to: string): Uint8Array | null {
  if (!isEchoRequest(message, to) || messageSum(message, from, to) !== 0xffff) return null;
  const reply = message.slice();
  reply[0] = isInet4(to) ? ECHO_REPLY : ECHO_REPLY6;
  return sumMessage(reply, to, from);
}

/** The identifier of an echo reply, null of other messages. */
export function replyId(message: Uint8Array, to: string): number | null {
  if (message.length < HEADER_BYTES || message[0] !== (isInet4(to) ? ECHO_REPLY : ECHO_REPLY6)) return null;
  return (message[4]! << 8) | message[5]!;
}

/** An IPv4 packet with an ICMP message. */
export function packetOf(message: Uint8Array, from: string, to: string, fields: PacketFields): Uint8Array {
  const packet = new Uint8Array(IP_HEADER_BYTES + message.length);
  packet[0] = 0x45;
  packet[1] = fields.trafficClass;
  packet[2] = packet.length >> 8;
  packet[3] = packet.length & 0xff;
  packet[6] = DONT_FRAGMENT;
  packet[8] = fields.hopLimit;
  packet[9] = IPPROTO_ICMP;
  packet.set(toBytes(from, false)!, 12);
  packet.set(toBytes(to, false)!, 16);
  putSum(packet, 10, sumOf(packet.subarray(0, IP_HEADER_BYTES), 0));
  packet.set(message, IP_HEADER_BYTES);
  return packet;
}

/** The internet sum (RFC 1071) of big-endian words, on top of `sum`. */
function sumOf(bytes: Uint8Array, sum: number): number {
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}
function putSum(bytes: Uint8Array, at: number, sum: number): Uint8Array {
  bytes[at] = (~sum >> 8) & 0xff;
  bytes[at + 1] = ~sum & 0xff;
  return bytes;
}
