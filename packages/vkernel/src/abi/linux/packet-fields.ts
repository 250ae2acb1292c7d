// SPDX-License-Identifier: BSD-3-Clause
/**
 * Hop limit, traffic class, addresses and time of arrival of datagrams as control messages (RFC 3542; Linux net/ipv6/datagram.c,
 * net/ipv4/ip_sockglue.c, net/core/scm.c, net/socket.c), and as SIOCGSTAMP tells it.
 */
import { EINVAL, ENODEV, ENOENT, ENOTTY } from "../../sys/errno.ts";
import { AF_INET, AF_INET6, AF_NETLINK, IPPROTO_IP, IPPROTO_IPV6, SOCK_STREAM } from "../../sys/socket.ts";
import { fromBytes, isAny, isInet4, toBytes } from "../../net/inet/address.ts";
import { indexOf, interfacesOf } from "../../net/inet/interfaces.ts";
import { InetSocket } from "../../net/inet/socket.ts";
import { NEVER } from "../../net/arrival.ts";
import type { InetName, PacketOptions, Socket } from "../../net/socket.ts";
import { copyout } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import {
  IP_PKTINFO, IP_RECVTOS, IP_RECVTTL, IP_TOS, IP_TTL, IPV6_2292HOPLIMIT, IPV6_2292PKTINFO, IPV6_HOPLIMIT, IPV6_PKTINFO, IPV6_RECVHOPLIMIT,
  IPV6_RECVPKTINFO, IPV6_RECVTCLASS, IPV6_TCLASS, SO_TIMESTAMP, SO_TIMESTAMP_NEW, SO_TIMESTAMPNS, SO_TIMESTAMPNS_NEW, SOL_SOCKET,
} from "./sys-sockopt.ts";

/** struct cmsghdr: len, level, type. */
const CMSG_HDR = 12;
const CMSG_INT = CMSG_HDR + 4;
const CMSG_BYTE = CMSG_HDR + 1;
/** struct in_pktinfo: interface, own address, destination in the header. */
const CMSG_PKTINFO = CMSG_HDR + 12;
/** struct in6_pktinfo: address, interface. */
const CMSG_PKTINFO6 = CMSG_HDR + 20;

/** The interface that is asked for: to each destination there is one way only, so it has but to exist. Throws ENODEV. */
function checkInterface(lp: Lwp, index: number): void {
  if (index !== 0 && !interfacesOf(lp.k.inet).some((i) => i.index === index)) throw ENODEV;
}
function sourceOf(address: Uint8Array): PacketOptions {
  const source = fromBytes(address);
  return isAny(source) ? {} : { source };
}

/** Message of level IPPROTO_IP. */
function parseField4(lp: Lwp, dv: DataView, at: number, len: number): PacketOptions {
  switch (dv.getInt32(at + 8, true)) {
    case IP_TTL: {
      const hopLimit = len === CMSG_INT ? dv.getInt32(at + CMSG_HDR, true) : 0;
      if (hopLimit < 1 || hopLimit > 255) throw EINVAL;
      return { hopLimit };
    }
    case IP_TOS: {
      if (len !== CMSG_INT && len !== CMSG_BYTE) throw EINVAL;
      const trafficClass = len === CMSG_INT ? dv.getInt32(at + CMSG_HDR, true) : dv.getUint8(at + CMSG_HDR);
      if (trafficClass < 0 || trafficClass > 255) throw EINVAL;
      return { trafficClass };
    }
    case IP_PKTINFO:
      if (len !== CMSG_PKTINFO) throw EINVAL;
      checkInterface(lp, dv.getInt32(at + CMSG_HDR, true));
      return sourceOf(new Uint8Array(dv.buffer, at + CMSG_HDR + 4, 4));
    default:
      throw EINVAL;
  }
}
/** Message of level IPPROTO_IPV6; -1 leaves what the socket says. */
function parseField6(lp: Lwp, dv: DataView, at: number, len: number): PacketOptions {
  const type = dv.getInt32(at + 8, true);
  if (type === IPV6_PKTINFO || type === IPV6_2292PKTINFO) {
    if (len < CMSG_PKTINFO6) throw EINVAL;
    checkInterface(lp, dv.getInt32(at + CMSG_HDR + 16, true));
    return sourceOf(new Uint8Array(dv.buffer, at + CMSG_HDR, 16));
  }
  const isHops = type === IPV6_HOPLIMIT || type === IPV6_2292HOPLIMIT;
  if (len !== CMSG_INT || (!isHops && type !== IPV6_TCLASS)) throw EINVAL;
  const value = dv.getInt32(at + CMSG_HDR, true);
  if (value < -1 || value > 255) throw EINVAL;
  if (value < 0) return {};
  return isHops ? { hopLimit: value } : { trafficClass: value };
}
/** What the control message at `at` wants of a datagram that `s` sends; a level that is not its protocol's means nothing. Throws EINVAL, ENODEV. */
export function parseField(lp: Lwp, s: Socket, dv: DataView, at: number, len: number): PacketOptions {
  const level = dv.getInt32(at + 4, true);
  if (s.kind === SOCK_STREAM) return {};
  if (level === IPPROTO_IP && (s.family === AF_INET || s.family === AF_INET6)) return parseField4(lp, dv, at, len);
  return level === IPPROTO_IPV6 && s.family === AF_INET6 ? parseField6(lp, dv, at, len) : {};
}

/** Control messages in the room that a program has for them. */
export class ControlOut {
  readonly #out: Uint8Array;
  /** Where they end. */
  at: number;
  /** Something had no room: a message is cut then. */
  cut = false;

  constructor(out: Uint8Array, at: number) {
    this.#out = out;
    this.at = at;
  }
  put(level: number, type: number, value: Uint8Array): void {
    const room = this.#out.length - this.at;
    if (room < CMSG_HDR) {
      this.cut = true;
      return;
    }
    const whole = CMSG_HDR + value.length;
    if (room < whole) this.cut = true;
    const len = Math.min(room, whole);
    this.#out.set(new Uint8Array(Int32Array.of(len, level, type).buffer), this.at);
    this.#out.set(value.subarray(0, len - CMSG_HDR), this.at + CMSG_HDR);
    this.at += Math.min(room, (len + 3) & ~3);
  }
}

const words = (...values: number[]): Uint8Array => new Uint8Array(Int32Array.from(values).buffer);

/** Puts those of a received datagram's fields that the socket asks for. */
export function putFields(s: Socket, out: ControlOut): void {
  const { fields } = s;
  if (fields === null || !(s instanceof InetSocket)) return;
  const isWanted = (level: number, option: number): boolean => s.optionValue(level, option, 0) !== 0;
  const info6 = (): Uint8Array => {
    const b = new Uint8Array(CMSG_PKTINFO6 - CMSG_HDR);
    b.set(toBytes(fields.to, true)!);
    b.set(words(indexOf(fields.to)), 16);
    return b;
  };
  const four = isInet4((s.from as InetName).host);
  if (s.family === AF_INET6 && isWanted(IPPROTO_IPV6, IPV6_RECVPKTINFO)) out.put(IPPROTO_IPV6, IPV6_PKTINFO, info6());
  if (four) {
    if (isWanted(IPPROTO_IP, IP_PKTINFO)) {
      const to = toBytes(fields.to, false)!;
      out.put(IPPROTO_IP, IP_PKTINFO, Uint8Array.of(...words(indexOf(fields.to)), ...to, ...to));
    }
    if (isWanted(IPPROTO_IP, IP_RECVTTL)) out.put(IPPROTO_IP, IP_TTL, words(fields.hopLimit));
    if (isWanted(IPPROTO_IP, IP_RECVTOS)) out.put(IPPROTO_IP, IP_TOS, Uint8Array.of(fields.trafficClass));
    return;
  }
  if (isWanted(IPPROTO_IPV6, IPV6_RECVHOPLIMIT)) out.put(IPPROTO_IPV6, IPV6_HOPLIMIT, words(fields.hopLimit));
  if (isWanted(IPPROTO_IPV6, IPV6_RECVTCLASS)) out.put(IPPROTO_IPV6, IPV6_TCLASS, words(fields.trafficClass));
  if (isWanted(IPPROTO_IPV6, IPV6_2292PKTINFO)) out.put(IPPROTO_IPV6, IPV6_2292PKTINFO, info6());
  if (isWanted(IPPROTO_IPV6, IPV6_2292HOPLIMIT)) out.put(IPPROTO_IPV6, IPV6_2292HOPLIMIT, words(fields.hopLimit));
}

/** A time as two words: seconds, and µs or ns. */
function timeWords(us: number, isNs: boolean): [number, number] {
  const seconds = Math.floor(us / 1e6);
  const rest = us - seconds * 1e6;
  return [seconds, Math.floor(isNs ? rest * 1000 : rest)];
}
const isWide = (option: number): boolean => option === SO_TIMESTAMP_NEW || option === SO_TIMESTAMPNS_NEW;
const isNanos = (option: number): boolean => option === SO_TIMESTAMPNS || option === SO_TIMESTAMPNS_NEW;

/** Puts the time at which the datagram that was just received arrived, when the socket asks for it. */
export function putTime(lp: Lwp, s: Socket, out: ControlOut): void {
  const { option, taken } = s.times;
  if (option === 0 || s.kind === SOCK_STREAM || s.family === AF_NETLINK) return;
  // It arrived before anybody asked: now, as Linux has it.
  const [seconds, part] = timeWords(taken === 0 ? lp.k.microtime() : taken, isNanos(option));
  // Each message has its option's number as type.
  out.put(SOL_SOCKET, option, isWide(option) ? words(seconds, 0, part, 0) : words(seconds, part));
}

/** Requests of SIOCGSTAMP by number: as which option's control message they answer. */
const STAMP_REQUESTS: ReadonlyMap<number, number> = new Map([
  [0x8906, SO_TIMESTAMP],
  [0x8907, SO_TIMESTAMPNS],
  [0x8010_8906 | 0, SO_TIMESTAMP_NEW],
  [0x8010_8907 | 0, SO_TIMESTAMPNS_NEW],
]);
export const isStampIoctl = (cmd: number): boolean => STAMP_REQUESTS.has(cmd);

/** SIOCGSTAMP: stores when the datagram arrived that was read last. Throws ENOENT when none was, ENOTTY, EFAULT. */
export function stampIoctl(lp: Lwp, s: Socket, cmd: number, arg: number): number {
  if (!(s instanceof InetSocket)) throw ENOTTY;
  const { times } = s;
  times.start(() => lp.k.microtime());
  if (times.last === NEVER) throw ENOENT;
  if (times.last === 0) times.last = lp.k.microtime();
  const option = STAMP_REQUESTS.get(cmd)!;
  const [seconds, part] = timeWords(times.last, isNanos(option));
  const out = isWide(option) ? words(seconds, 0, part, 0) : words(seconds, part);
  copyout(lp.proc.vmspace!, out, 0, arg, out.length);
  return 0;
}
