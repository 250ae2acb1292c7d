// SPDX-License-Identifier: BSD-3-Clause
/** Socket options (Linux net/core/sock.c, sock_setsockopt; net/ipv4/tcp.c, ip_sockglue.c; net/ipv6/ipv6_sockglue.c). */
import { CAP_NET_ADMIN } from "../../sys/capability.ts";
import { EDOM, EINVAL, ENOPROTOOPT, EOPNOTSUPP } from "../../sys/errno.ts";
import { IPPROTO_ICMPV6, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDPLITE } from "../../sys/socket.ts";
import { DEFAULT_HOPS, InetSocket } from "../../net/inet/socket.ts";
import { RawSocket } from "../../net/inet/raw.ts";
import { copyin, copyinWords, copyout, fubyte, fuword, suword } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import type { SocketFile } from "../../kern/socket-file.ts";
import { need } from "../../kern/prot.ts";
import { socketOf } from "../../kern/sys-socket.ts";
import { linuxErrno } from "./errno.ts";
import { linuxFamily } from "./sockaddr.ts";

export const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_OOBINLINE = 10;
const SO_LINGER = 13;
const SO_REUSEPORT = 15;
const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_PASSCRED = 16;
const SO_PEERCRED = 17;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
export const SO_TIMESTAMP = 29;
const SO_ACCEPTCONN = 30;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
export const SO_TIMESTAMPNS = 35;
const SO_PROTOCOL = 38;
const SO_DOMAIN = 39;
/** As SO_TIMESTAMP and SO_TIMESTAMPNS, with seconds of 64 bits. */
export const SO_TIMESTAMP_NEW = 63;
export const SO_TIMESTAMPNS_NEW = 64;
/** Accepted and kept: DEBUG REUSEADDR DONTROUTE BROADCAST KEEPALIVE OOBINLINE PRIORITY LINGER REUSEPORT. */
const SO_HARMLESS = [1, 2, 5, 6, 9, 10, 12, 13, 15];
const BUF_LEAST = 2048;
const BUF_MOST = 8 << 20;

function optionValue(lp: Lwp, uaddr: number, len: number): number {
  if (len < 4) throw EINVAL;
  return fuword(lp.proc.vmspace!, uaddr);
}
function timeoutValue(lp: Lwp, uaddr: number, len: number): number {
  if (len < 8) throw EINVAL;
  const w = new Int32Array(2);
  copyinWords(lp.proc.vmspace!, uaddr, w, 2);
  if (w[1]! < 0 || w[1]! >= 1_000_000) throw EDOM;
  return w[0] === 0 && w[1] === 0 ? Infinity : Math.max(0, w[0]!) * 1e9 + w[1]! * 1000;
}

export function sysSetsockopt(lp: Lwp, a: Int32Array): number {
  const fp: SocketFile = socketOf(lp, a[0]!);
  if (a[1] !== SOL_SOCKET) {
    if (!(fp.socket instanceof InetSocket)) throw EOPNOTSUPP;
    return setInetOption(lp, fp.socket, a);
  }
  switch (a[2]) {
    case SO_SNDBUF:
    case SO_RCVBUF:
    // The bounds are the queues' own: no privilege goes beyond them.
    case SO_SNDBUFFORCE:
    case SO_RCVBUFFORCE: {
      if (a[2] === SO_SNDBUFFORCE || a[2] === SO_RCVBUFFORCE) need(lp.proc, CAP_NET_ADMIN);
      // Linux doubles the value, to make room for its own bookkeeping; programs see that.
      const bytes = Math.min(BUF_MOST, Math.max(BUF_LEAST, optionValue(lp, a[3]!, a[4]!) * 2));
      if (a[2] === SO_RCVBUF || a[2] === SO_RCVBUFFORCE) fp.socket.limit = bytes;
      else if (fp.socket.peer !== null) fp.socket.peer.limit = bytes;
      return 0;
    }
    case SO_PASSCRED:
      fp.socket.passCred = optionValue(lp, a[3]!, a[4]!) !== 0;
      return 0;
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMP_NEW:
    case SO_TIMESTAMPNS_NEW: {
      const { times } = fp.socket;
      times.option = optionValue(lp, a[3]!, a[4]!) === 0 ? 0 : a[2]!;
      if (times.option !== 0) times.start(() => fp.k.microtime());
      return 0;
    }
    case SO_RCVTIMEO:
      fp.recvTimeoutNs = timeoutValue(lp, a[3]!, a[4]!);
      return 0;
    case SO_SNDTIMEO:
      fp.sendTimeoutNs = timeoutValue(lp, a[3]!, a[4]!);
      return 0;
    default: {
      if (!SO_HARMLESS.includes(a[2]!)) throw ENOPROTOOPT;
      const value = optionValue(lp, a[3]!, a[4]!);
      if (fp.socket instanceof InetSocket) keepOption(fp.socket, a[2]!, value);
      return 0;
    }
  }
}
function keepOption(s: InetSocket, option: number, value: number): void {
  s.keepOption(SOL_SOCKET, option, value);
  if (option === SO_REUSEADDR) s.reuseAddress = value !== 0;
  if (option === SO_REUSEPORT) s.reusePort = value !== 0;
  if (option === SO_OOBINLINE) s.oobInline = value !== 0;
}

// Options of TCP, IP and IPv6, which are kept for whoever asks; they mean nothing where no packets are made.

export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_PKTINFO = 8;
export const IP_RECVTTL = 12;
export const IP_RECVTOS = 13;
const IPV6_UNICAST_HOPS = 16;
const IPV6_V6ONLY = 26;
/** What RFC 2292 called them: both the option and the message. */
export const IPV6_2292PKTINFO = 2;
export const IPV6_2292HOPLIMIT = 8;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
export const IPV6_RECVHOPLIMIT = 51;
export const IPV6_HOPLIMIT = 52;
export const IPV6_RECVTCLASS = 66;
export const IPV6_TCLASS = 67;
const TCP_INFO = 11;
const TCP_CONGESTION = 13;
/** struct tcp_info: state, then counters and times. */
const TCP_INFO_BYTES = 104;
/** States of tcp_info: established, closed, listening. */
const TCP_STATE_ESTABLISHED = 1;
const TCP_STATE_CLOSE = 7;
const TCP_STATE_LISTEN = 10;
/** Known options with the value that they have at first, by level. */
const INET_OPTIONS: ReadonlyMap<number, ReadonlyMap<number, number>> = new Map([
  [IPPROTO_TCP, new Map([[1, 0], [2, 536], [3, 0], [4, 7200], [5, 75], [6, 9], [7, 6], [8, 60], [9, 0], [10, 65_535], [12, 1], [18, 0], [23, 0], [25, -1], [30, 0]])],
  // How much of a datagram its sum covers
  [IPPROTO_UDPLITE, new Map([[10, 0], [11, 0]])],
  [IPPROTO_IP, new Map([[IP_TOS, 0], [IP_TTL, 64], [6, 0], [7, 0], [IP_PKTINFO, 0], [10, 0], [11, 0], [IP_RECVTTL, 0], [IP_RECVTOS, 0], [15, 0], [24, 0], [33, 1], [34, 1]])],
  [IPPROTO_IPV6, new Map([[IPV6_2292PKTINFO, 0], [IPV6_2292HOPLIMIT, 0], [IPV6_UNICAST_HOPS, 64], [18, 1], [19, 1], [23, 0], [25, 0], [IPV6_V6ONLY, 0], [IPV6_RECVPKTINFO, 0], [IPV6_RECVHOPLIMIT, 0], [IPV6_RECVTCLASS, 0], [IPV6_TCLASS, 0]])],
]);

/** Level of ICMP_FILTER, and the number that it and ICMP6_FILTER have. */
const SOL_RAW = 255;
const ICMP_FILTER = 1;
/** The words of the filter that an option of this level sets; null when it is another option. Throws EOPNOTSUPP. */
function icmpFilter(s: InetSocket, level: number, option: number): Uint32Array | null {
  if ((level !== SOL_RAW && level !== IPPROTO_ICMPV6) || option !== ICMP_FILTER) return null;
  const isSix = level === IPPROTO_ICMPV6;
  if (!(s instanceof RawSocket) || isSix !== (s.protocol === IPPROTO_ICMPV6)) throw isSix ? ENOPROTOOPT : EOPNOTSUPP;
  return isSix ? s.filter : s.filter.subarray(0, 1);
}

/** Where a raw socket's messages have their sum (RFC 3542 §3.1): those of ICMPv6 have it here and nowhere else. */
const IPV6_CHECKSUM = 7;
const ICMP_SUM_AT = 2;
const isSumPlace = (s: InetSocket, level: number, option: number): boolean =>
  level === SOL_RAW && option === IPV6_CHECKSUM && s instanceof RawSocket && s.protocol === IPPROTO_ICMPV6;

function setInetOption(lp: Lwp, s: InetSocket, a: Int32Array): number {
  const [, level, option] = a;
  if (isSumPlace(s, level!, option!)) {
    if (optionValue(lp, a[3]!, a[4]!) !== ICMP_SUM_AT) throw EINVAL;
    return 0;
  }
  const filter = icmpFilter(s, level!, option!);
  if (filter !== null) {
    if (a[4]! < 0) throw EINVAL;
    const bytes = new Uint8Array(filter.buffer, 0, Math.min(filter.byteLength, a[4]!));
    copyin(lp.proc.vmspace!, a[3]!, bytes, 0, bytes.length);
    return 0;
  }
  if (level === IPPROTO_TCP && option === TCP_CONGESTION) return 0;
  if (INET_OPTIONS.get(level!)?.has(option!) !== true) throw ENOPROTOOPT;
  // IP options may be given as one byte.
  const value = a[4] === 1 ? fubyte(lp.proc.vmspace!, a[3]!) : optionValue(lp, a[3]!, a[4]!);
  if (level === IPPROTO_IPV6 && option === IPV6_V6ONLY) {
    if (s.bound) throw EINVAL;
    s.onlySix = value !== 0;
  }
  if (level === IPPROTO_IPV6 && (option === IPV6_UNICAST_HOPS || option === IPV6_TCLASS)) {
    if (value < -1 || value > 255) throw EINVAL;
    if (option === IPV6_UNICAST_HOPS) s.hopLimit = value < 0 ? DEFAULT_HOPS : value;
    else s.trafficClass = Math.max(0, value);
  }
  if (level === IPPROTO_IP && option === IP_TTL) {
    if (value !== -1 && (value < 1 || value > 255)) throw EINVAL;
    s.hopLimit = value < 0 ? DEFAULT_HOPS : value;
  }
  if (level === IPPROTO_IP && option === IP_TOS) s.trafficClass = value & 0xff;
  s.keepOption(level!, option!, value);
  return 0;
}
function inetOption(s: InetSocket, level: number, option: number): Uint8Array {
  if (isSumPlace(s, level, option)) return new Uint8Array(Int32Array.of(ICMP_SUM_AT).buffer);
  const filter = icmpFilter(s, level, option);
  if (filter !== null) return new Uint8Array(filter.buffer, 0, filter.byteLength);
  if (level === IPPROTO_TCP && s.isTcp) {
    if (option === TCP_CONGESTION) return Uint8Array.from("cubic", (c) => c.charCodeAt(0));
    if (option === TCP_INFO) {
      const info = new Uint8Array(TCP_INFO_BYTES);
      info[0] = s.listening ? TCP_STATE_LISTEN : s.peer !== null ? TCP_STATE_ESTABLISHED : TCP_STATE_CLOSE;
      return info;
    }
  }
  const initial = INET_OPTIONS.get(level)?.get(option);
  if (initial === undefined) throw INET_OPTIONS.has(level) || level === IPPROTO_TCP ? ENOPROTOOPT : EOPNOTSUPP;
  return new Uint8Array(Int32Array.of(s.optionValue(level, option, initial)).buffer);
}

function optionWords(fp: SocketFile, option: number): number[] {
  const s = fp.socket;
  const time = (ns: number): number[] => (ns === Infinity ? [0, 0] : [Math.floor(ns / 1e9), Math.floor((ns % 1e9) / 1000)]);
  switch (option) {
    case SO_TYPE:
      return [s.type];
    case SO_ERROR: {
      const e = s.error;
      s.error = null;
      return [e === null ? 0 : linuxErrno(e)];
    }
    case SO_RCVBUF:
      return [s.limit];
    case SO_SNDBUF:
      return [s.peer === null ? s.limit : s.peer.limit];
    case SO_PASSCRED:
      return [s.passCred ? 1 : 0];
    case SO_TIMESTAMP:
    case SO_TIMESTAMPNS:
    case SO_TIMESTAMPNS_NEW:
      return [s.times.option === option ? 1 : 0];
    case SO_TIMESTAMP_NEW:
      // That of nanoseconds is on as well, as Linux keeps them.
      return [s.times.option === SO_TIMESTAMP_NEW || s.times.option === SO_TIMESTAMPNS_NEW ? 1 : 0];
    case SO_PEERCRED:
      return [s.peerCred.pid, s.peerCred.uid, s.peerCred.gid];
    case SO_RCVTIMEO:
      return time(fp.recvTimeoutNs);
    case SO_SNDTIMEO:
      return time(fp.sendTimeoutNs);
    case SO_ACCEPTCONN:
      return [s.listening ? 1 : 0];
    case SO_PROTOCOL:
      return [!(s instanceof InetSocket) ? 0 : s.protocol];
    case SO_DOMAIN:
      return [linuxFamily(s.family)];
    default:
      if (!SO_HARMLESS.includes(option)) throw ENOPROTOOPT;
      if (option === SO_LINGER) return [0, 0];
      return [s instanceof InetSocket ? s.optionValue(SOL_SOCKET, option, 0) : 0];
  }
}
function optionBytes(fp: SocketFile, level: number, option: number): Uint8Array {
  if (level === SOL_SOCKET) return new Uint8Array(Int32Array.from(optionWords(fp, option)).buffer);
  if (!(fp.socket instanceof InetSocket)) throw EOPNOTSUPP;
  return inetOption(fp.socket, level, option);
}
export function sysGetsockopt(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const fp = socketOf(lp, a[0]!);
  const room = fuword(vm, a[4]!);
  if (room < 0) throw EINVAL;
  const bytes = optionBytes(fp, a[1]!, a[2]!);
  const n = Math.min(room, bytes.length);
  copyout(vm, bytes, 0, a[3]!, n);
  suword(vm, a[4]!, n);
  return 0;
}
