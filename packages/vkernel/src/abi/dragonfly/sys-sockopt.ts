// SPDX-License-Identifier: BSD-3-Clause
/** Socket options (DragonFly 2.0 sys/kern/uipc_socket.c, sosetopt and sogetopt; uipc_usrreq.c, uipc_ctloutput). */
import { EDOM, EINVAL, ENOBUFS, ENOPROTOOPT } from "../../sys/errno.ts";
import { IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP } from "../../sys/socket.ts";
import { InetSocket } from "../../net/inet/socket.ts";
import type { Socket } from "../../net/socket.ts";
import { fuword, suword } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import type { SocketFile } from "../../kern/socket-file.ts";
import { socketOf } from "../../kern/sys-socket.ts";
import { getWords, NS, putBytes } from "./guest-struct.ts";

export const SOL_SOCKET = 0xffff;
/** The level of the local domain's own options, and the option that tells who is at the other end. */
const SOL_LOCAL = 0;
const LOCAL_PEERCRED = 1;
/** struct xucred: version, uid, ngroups (16 bits), 16 groups, a pointer. */
const XUCRED_WORDS = 20;

const SO_ACCEPTCONN = 0x2;
const SO_REUSEADDR = 0x4;
const SO_LINGER = 0x80;
const SO_OOBINLINE = 0x100;
const SO_REUSEPORT = 0x200;
const SO_SNDBUF = 0x1001;
const SO_RCVBUF = 0x1002;
const SO_SNDLOWAT = 0x1003;
const SO_RCVLOWAT = 0x1004;
const SO_SNDTIMEO = 0x1005;
const SO_RCVTIMEO = 0x1006;
const SO_ERROR = 0x1007;
const SO_TYPE = 0x1008;
/** Accepted, without a meaning in the local domain: debug, addresses, keepalive, routes, broadcast, out of band, low marks. */
const SO_HARMLESS: readonly number[] = [0x1, 0x4, 0x8, 0x10, 0x20, 0x40, SO_LINGER, SO_OOBINLINE, SO_REUSEPORT, SO_SNDLOWAT, SO_RCVLOWAT];
const IPV6_V6ONLY = 27;
/** kern.ipc.maxsockbuf */
const BUF_MOST = 512 * 1024;

function intValue(lp: Lwp, uaddr: number, len: number): number {
  if (len < 4) throw EINVAL;
  return fuword(lp.proc.vmspace!, uaddr);
}
function bufferSize(lp: Lwp, uaddr: number, len: number): number {
  const n = intValue(lp, uaddr, len);
  if (n < 1) throw EINVAL;
  if (n > BUF_MOST) throw ENOBUFS;
  return n;
}
/** A struct timeval; zero is no limit. */
function timeout(lp: Lwp, uaddr: number, len: number): number {
  if (len < 8) throw EINVAL;
  const [sec, us] = getWords(lp, uaddr, 2) as unknown as [number, number];
  if (sec < 0 || us < 0 || us >= 1_000_000) throw EDOM;
  return sec === 0 && us === 0 ? Infinity : sec * NS + us * 1000;
}

/** Options of TCP and IP that are kept: NODELAY, MAXSEG, NOPUSH, NOOPT; TOS, TTL (DragonFly 2.0 sys/netinet/tcp.h, in.h). */
const INET_OPTIONS: ReadonlyMap<number, readonly number[]> = new Map([
  [IPPROTO_TCP, [1, 2, 4, 8]],
  [IPPROTO_IP, [3, 4]],
  [IPPROTO_IPV6, [4, IPV6_V6ONLY]],
]);

function setInetOption(lp: Lwp, s: InetSocket, a: Int32Array): number {
  const [, level, option] = a;
  if (INET_OPTIONS.get(level!)?.includes(option!) !== true) throw ENOPROTOOPT;
  const value = intValue(lp, a[3]!, a[4]!);
  if (level === IPPROTO_IPV6 && option === IPV6_V6ONLY) {
    if (s.bound) throw EINVAL;
    s.onlySix = value !== 0;
  }
  s.keepOption(level!, option!, value);
  return 0;
}

/** (fd, level, option, value, length) */
export function sysSetsockopt(lp: Lwp, a: Int32Array): number {
  const fp = socketOf(lp, a[0]!);
  const { socket } = fp;
  if (a[1] !== SOL_SOCKET) {
    if (!(socket instanceof InetSocket)) throw ENOPROTOOPT;
    return setInetOption(lp, socket, a);
  }
  switch (a[2]) {
    case SO_SNDBUF: {
      const n = bufferSize(lp, a[3]!, a[4]!);
      if (fp.socket.peer !== null) fp.socket.peer.limit = n;
      return 0;
    }
    case SO_RCVBUF:
      fp.socket.limit = bufferSize(lp, a[3]!, a[4]!);
      return 0;
    case SO_SNDTIMEO:
      fp.sendTimeoutNs = timeout(lp, a[3]!, a[4]!);
      return 0;
    case SO_RCVTIMEO:
      fp.recvTimeoutNs = timeout(lp, a[3]!, a[4]!);
      return 0;
    default:
      if (!SO_HARMLESS.includes(a[2]!)) throw ENOPROTOOPT;
      keepOption(socket, a[2]!, intValue(lp, a[3]!, a[4]!));
      return 0;
  }
}

function keepOption(s: Socket, option: number, value: number): void {
  if (!(s instanceof InetSocket)) return;
  s.keepOption(SOL_SOCKET, option, value);
  if (option === SO_REUSEADDR) s.reuseAddress = value !== 0;
  if (option === SO_REUSEPORT) s.reusePort = value !== 0;
  if (option === SO_OOBINLINE) s.oobInline = value !== 0;
}

const timeWords = (ns: number): number[] => (ns === Infinity ? [0, 0] : [Math.floor(ns / NS), Math.floor((ns % NS) / 1000)]);

function socketOption(fp: SocketFile, option: number): number[] {
  const s = fp.socket;
  switch (option) {
    case SO_ACCEPTCONN:
      return [s.listening ? SO_ACCEPTCONN : 0];
    case SO_SNDBUF:
      return [(s.peer ?? s).limit];
    case SO_RCVBUF:
      return [s.limit];
    case SO_SNDTIMEO:
      return timeWords(fp.sendTimeoutNs);
    case SO_RCVTIMEO:
      return timeWords(fp.recvTimeoutNs);
    case SO_ERROR: {
      const e = s.error;
      s.error = null;
      return [e === null ? 0 : e.native];
    }
    case SO_TYPE:
      return [s.type];
    default:
      if (!SO_HARMLESS.includes(option)) throw ENOPROTOOPT;
      if (option === SO_LINGER) return [0, 0];
      return [s instanceof InetSocket ? s.optionValue(SOL_SOCKET, option, 0) : 0];
  }
}
function peerCred(fp: SocketFile): number[] {
  const { uid, gid } = fp.socket.peerCred;
  const w = new Array<number>(XUCRED_WORDS).fill(0);
  w[1] = uid;
  w[2] = 1;
  w[3] = gid;
  return w;
}

/** (fd, level, option, value, pointer to the length) */
export function sysGetsockopt(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const fp = socketOf(lp, a[0]!);
  let words: number[];
  if (a[1] === SOL_SOCKET) words = socketOption(fp, a[2]!);
  else if (fp.socket instanceof InetSocket) {
    if (INET_OPTIONS.get(a[1]!)?.includes(a[2]!) !== true) throw ENOPROTOOPT;
    words = [fp.socket.optionValue(a[1]!, a[2]!, 0)];
  } else if (a[1] === SOL_LOCAL && a[2] === LOCAL_PEERCRED) words = peerCred(fp);
  else throw ENOPROTOOPT;
  if (a[3] === 0) return 0;
  const room = fuword(vm, a[4]!);
  if (room < 0) throw EINVAL;
  const b = new Uint8Array(Int32Array.from(words).buffer);
  const n = Math.min(room, b.length);
  putBytes(lp, a[3]!, b.subarray(0, n));
  suword(vm, a[4]!, n);
  return 0;
}
