// SPDX-License-Identifier: BSD-3-Clause
/**
 * Hop limit and traffic class of datagrams as control messages (RFC 3542; Linux net/ipv6/datagram.c, net/ipv4/ip_sockglue.c,
 * net/core/scm.c).
 */
import { EINVAL } from "../../sys/errno.ts";
import { AF_INET, IPPROTO_IP, IPPROTO_IPV6 } from "../../sys/socket.ts";
import { InetSocket } from "../../net/inet/socket.ts";
import { isInet4 } from "../../net/inet/address.ts";
import type { InetName, PacketFields, Socket } from "../../net/socket.ts";
import { IP_RECVTOS, IP_RECVTTL, IP_TOS, IP_TTL, IPV6_HOPLIMIT, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_TCLASS } from "./sys-sockopt.ts";

/** struct cmsghdr: len, level, type. */
const CMSG_HDR = 12;
const CMSG_LEN = CMSG_HDR + 4;

/** A control message of level IPPROTO_IPV6 at `at` of what is to be sent. Throws EINVAL. */
export function parseField(dv: DataView, at: number, len: number): Partial<PacketFields> {
  const type = dv.getInt32(at + 8, true);
  if (len !== CMSG_LEN || (type !== IPV6_HOPLIMIT && type !== IPV6_TCLASS)) throw EINVAL;
  const value = dv.getInt32(at + CMSG_HDR, true);
  if (value < -1 || value > 255) throw EINVAL;
  if (value < 0) return {};
  return type === IPV6_HOPLIMIT ? { hopLimit: value } : { trafficClass: value };
}

/**
 * Puts those of a received datagram's fields that the socket asks for into `out` from `at` on. Returns where they end, and whether something
 * had no room: a message is cut then.
 */
export function putFields(s: Socket, out: Uint8Array, at: number): { end: number; cut: boolean } {
  const { fields } = s;
  let cut = false;
  if (fields === null || !(s instanceof InetSocket)) return { end: at, cut };
  const put = (level: number, type: number, value: Uint8Array): void => {
    const room = out.length - at;
    if (room < CMSG_HDR) {
      cut = true;
      return;
    }
    const whole = CMSG_HDR + value.length;
    if (room < whole) cut = true;
    const len = Math.min(room, whole);
    out.set(new Uint8Array(Int32Array.of(len, level, type).buffer), at);
    out.set(value.subarray(0, len - CMSG_HDR), at + CMSG_HDR);
    at += Math.min(room, (len + 3) & ~3);
  };
  const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);
  if (s.family === AF_INET) {
    if (s.optionValue(IPPROTO_IP, IP_RECVTTL, 0) !== 0) put(IPPROTO_IP, IP_TTL, int(fields.hopLimit));
    if (s.optionValue(IPPROTO_IP, IP_RECVTOS, 0) !== 0) put(IPPROTO_IP, IP_TOS, Uint8Array.of(fields.trafficClass));
  } else if (!isInet4((s.from as InetName).host)) {
    if (s.optionValue(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0) !== 0) put(IPPROTO_IPV6, IPV6_HOPLIMIT, int(fields.hopLimit));
    if (s.optionValue(IPPROTO_IPV6, IPV6_RECVTCLASS, 0) !== 0) put(IPPROTO_IPV6, IPV6_TCLASS, int(fields.trafficClass));
  }
  return { end: at, cut };
}
