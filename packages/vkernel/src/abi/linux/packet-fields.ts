// SPDX-License-Identifier: BSD-3-Clause
/** Hop limit and traffic class of IPv6 datagrams as control messages (RFC 3542; Linux net/ipv6/datagram.c, net/core/scm.c). */
import { EINVAL } from "../../sys/errno.ts";
import { IPPROTO_IPV6 } from "../../sys/socket.ts";
import { InetSocket } from "../../net/inet/socket.ts";
import type { PacketFields, Socket } from "../../net/socket.ts";
import { IPV6_HOPLIMIT, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS, IPV6_TCLASS } from "./sys-sockopt.ts";

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
  const put = (type: number, value: number): void => {
    const room = out.length - at;
    if (room < CMSG_HDR) {
      cut = true;
      return;
    }
    const whole = new Int32Array([Math.min(room, CMSG_LEN), IPPROTO_IPV6, type, value]);
    if (room < CMSG_LEN) cut = true;
    const bytes = new Uint8Array(whole.buffer, 0, whole[0]);
    out.set(bytes, at);
    at += bytes.length;
  };
  if (s.optionValue(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 0) !== 0) put(IPV6_HOPLIMIT, fields.hopLimit);
  if (s.optionValue(IPPROTO_IPV6, IPV6_RECVTCLASS, 0) !== 0) put(IPV6_TCLASS, fields.trafficClass);
  return { end: at, cut };
}
