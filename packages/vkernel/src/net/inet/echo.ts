// SPDX-License-Identifier: BSD-3-Clause
/**
 * Echoes of ICMP and ICMPv6, as sockets for unprivileged programs make them (RFC 792, RFC 4443 §4; Linux net/ipv4/ping.c): the
 * program's message is type, code, sum, identifier, sequence number (8 bytes, network order), then any data. Identifier and sum are
 * the kernel's to fill in.
 * @module
 */
import { EINVAL } from "../../sys/errno.ts";
import { isInet4 } from "./address.ts";

const HEADER_BYTES = 8;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const ECHO_REQUEST6 = 128;
const ECHO_REPLY6 = 129;

/**
 * The answer of `host` to an echo request with identifier `id`. The sum of an ICMPv6 message is left 0: receivers do not see
 * the addresses that it covers, and the kernel has checked it. Throws EINVAL for anything else than an echo request.
 */
export function echoReply(message: Uint8Array, id: number, host: string): Uint8Array {
  const six = !isInet4(host);
  if (message.length < HEADER_BYTES || message[0] !== (six ? ECHO_REQUEST6 : ECHO_REQUEST) || message[1] !== 0) throw EINVAL;
  const reply = message.slice();
  reply[0] = six ? ECHO_REPLY6 : ECHO_REPLY;
  reply[4] = id >> 8;
  reply[5] = id & 0xff;
  const sum = six ? 0 : checksum(reply.fill(0, 2, 4));
  reply[2] = sum >> 8;
  reply[3] = sum & 0xff;
  return reply;
}

/** The internet checksum (RFC 1071). */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
