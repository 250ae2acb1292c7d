// SPDX-License-Identifier: BSD-3-Clause
/**
 * Linux socket calls: socketcall(2), which passes a number and a pointer to the arguments, and the direct calls
 * (Linux net/socket.c, net/unix).
 */
import {
  EAGAIN,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  EOPNOTSUPP,
} from "../../sys/errno.ts";
import { O_NONBLOCK } from "../../sys/fcntl.ts";
import {
  AF_INET,
  AF_INET6,
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  AF_NETLINK,
  AF_UNIX,
  SOCK_DGRAM,
  SOCK_STREAM,
} from "../../sys/socket.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { InetSocket } from "../../net/inet/socket.ts";
import type { PacketOptions, Socket, SocketName } from "../../net/socket.ts";
import { copyin, copyinWords, copyout, copyoutWords, suword } from "../../vm/copyio.ts";
import { Uio } from "../../vm/uio.ts";
import { fdrop, type File } from "../../kern/file.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FileRights } from "../../kern/socket-file.ts";
import { autobind } from "../../kern/socket-local.ts";
import {
  acceptSlow,
  acceptTry,
  connectSlow,
  connectTry,
  installSocket,
  kernBind,
  kernDisconnect,
  kernListen,
  kernSocket,
  kernSocketpair,
  type MessageIo,
  recvSlow,
  recvTry,
  sendSlow,
  sendTry,
  socketAddress,
  socketOf,
  takeCarry,
} from "../../kern/sys-socket.ts";
import { type ArgType, fd, hex, int, partial, plain, type PlainFn, size, sleeps, type SlowFn, type Sysent, uptr } from "../../kern/sysent.ts";
import { getTimespec, getTimespec64 } from "./guest-struct.ts";
import { checkName, getName, nativeFamily, putAddress, putName, putSender } from "./sockaddr.ts";
import { ControlOut, parseField, putFields, putTime } from "./packet-fields.ts";
import { firstOnly, manySlow, moreMessages } from "./sys-mmsg.ts";
import { SOL_SOCKET, sysGetsockopt, sysSetsockopt } from "./sys-sockopt.ts";

const LINUX_SOCK_NONBLOCK = 0o4000;
const LINUX_SOCK_CLOEXEC = 0o2000000;

const FLAGS: readonly (readonly [linux: number, native: number])[] = [
  [0x1, MSG_OOB],
  [0x2, MSG_PEEK],
  [0x8, MSG_CTRUNC],
  [0x20, MSG_TRUNC],
  [0x40, MSG_DONTWAIT],
  [0x80, MSG_EOR],
  [0x100, MSG_WAITALL],
  [0x4000, MSG_NOSIGNAL],
  [0x4000_0000, MSG_CMSG_CLOEXEC],
];
function nativeFlags(f: number): number {
  let out = 0;
  for (const [linux, native] of FLAGS) if ((f & linux) !== 0) out |= native;
  return out;
}
const LINUX_MSG_OOB = 0x1;
const LINUX_MSG_CTRUNC = 0x8;
const LINUX_MSG_TRUNC = 0x20;
const LINUX_MSG_ERRQUEUE = 0x2000;

/** Sockets of the Internet have a queue of errors, in which nothing ever waits here. Throws EAGAIN. */
function checkErrorQueue(s: Socket, flags: number): void {
  if ((flags & LINUX_MSG_ERRQUEUE) !== 0 && (s.family === AF_INET || s.family === AF_INET6)) throw EAGAIN;
}

// ---------------------------------------------------------------------------------------------------------
// Making and connecting

function typeFlags(type: number): { type: number; flags: number; cloexec: boolean } {
  if ((type & ~(0xf | LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC)) !== 0) throw EINVAL;
  return {
    type: type & 0xf,
    flags: (type & LINUX_SOCK_NONBLOCK) !== 0 ? O_NONBLOCK : 0,
    cloexec: (type & LINUX_SOCK_CLOEXEC) !== 0,
  };
}
function sysSocket(lp: Lwp, a: Int32Array): number {
  const t = typeFlags(a[1]!);
  return kernSocket(lp, nativeFamily(a[0]!), t.type, a[2]!, t.flags, t.cloexec);
}
function sysSocketpair(lp: Lwp, a: Int32Array): number {
  const t = typeFlags(a[1]!);
  const place = new Int32Array(2);
  copyinWords(lp.proc.vmspace!, a[3]!, place, 2);
  copyoutWords(lp.proc.vmspace!, place, a[3]!, 2);
  const fds = kernSocketpair(lp, nativeFamily(a[0]!), t.type, a[2]!, t.flags, t.cloexec);
  try {
    copyoutWords(lp.proc.vmspace!, Int32Array.from(fds), a[3]!, 2);
  } catch (e) {
    for (const d of fds) lp.proc.fd!.close(d, lp);
    throw e;
  }
  return 0;
}
function sysBind(lp: Lwp, a: Int32Array): number {
  const fp = socketOf(lp, a[0]!);
  const name = getName(lp, fp.socket, a[1]!, a[2]!);
  if (name !== "") return kernBind(lp, a[0]!, name);
  autobind(lp, fp);
  return 0;
}
function sysConnect(lp: Lwp, a: Int32Array): number {
  lp.proc.fd!.get(a[0]!);
  checkName(lp, a[1]!, a[2]!);
  const { socket } = socketOf(lp, a[0]!);
  if (a[2]! >= 2) {
    const family = new Uint8Array(2);
    copyin(lp.proc.vmspace!, a[1]!, family, 0, 2);
    if (family[0] === 0 && family[1] === 0) return kernDisconnect(lp, a[0]!);
  }
  return connectTry(lp, a[0]!, getName(lp, socket, a[1]!, a[2]!));
}
function* sysConnectSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* connectSlow(lp, a[0]!, getName(lp, socketOf(lp, a[0]!).socket, a[1]!, a[2]!));
}
function sysListen(lp: Lwp, a: Int32Array): number {
  return kernListen(lp, a[0]!, a[1]!);
}

function finishAccept(lp: Lwp, a: Int32Array, s: Socket, flags: number): number {
  const t = typeFlags(flags & ~0xf);
  const d = installSocket(lp, s, t.flags, t.cloexec);
  try {
    putName(lp, s, s.peerAddress() ?? "", a[1]!, a[2]!);
  } catch (e) {
    lp.proc.fd!.close(d, lp);
    throw e;
  }
  return d;
}
function accept4(lp: Lwp, a: Int32Array, flags: number): number {
  if ((flags & ~(LINUX_SOCK_NONBLOCK | LINUX_SOCK_CLOEXEC)) !== 0) throw EINVAL;
  const s = acceptTry(lp, a[0]!, a[1] === 0 ? 0 : a[2]!);
  return s === WOULDBLOCK ? WOULDBLOCK : finishAccept(lp, a, s, flags);
}
function* accept4Slow(lp: Lwp, a: Int32Array, flags: number): KernelFrame {
  return finishAccept(lp, a, yield* acceptSlow(lp, a[0]!, a[1] === 0 ? 0 : a[2]!), flags);
}

const getAddress = (peer: boolean) => (lp: Lwp, a: Int32Array): number => {
  const { socket, name } = socketAddress(lp, a[0]!, peer);
  putAddress(lp, socket, name, a[1]!, a[2]!);
  return 0;
};
function sysShutdown(lp: Lwp, a: Int32Array): number {
  socketOf(lp, a[0]!).socket.shutdown(a[1]!);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// Data

function message(lp: Lwp, d: number, uio: Uio, flags: number, to: SocketName | null, look = 0, lookBytes = 0): MessageIo {
  socketOf(lp, d);
  return { fd: d, uio, flags: nativeFlags(flags), to, files: null, rights: null, done: 0, miss: null, look, lookBytes };
}
/** Longest transfer of one call (Linux MAX_RW_COUNT). */
const MAX_RW_COUNT = 0x7fff_f000;
const user = (lp: Lwp, uaddr: number, len: number): Uio =>
  Uio.user(lp.proc.vmspace!, uaddr, Math.min(len >>> 0, MAX_RW_COUNT));

/** Who a message is for. With connections there is nobody to choose: TCP's name is not looked at, nor is that of packets of the local domain. */
function recipient(lp: Lwp, d: number, uaddr: number, len: number): SocketName | null {
  const { socket } = socketOf(lp, d);
  if (socket.kind === SOCK_DGRAM || socket.family === AF_NETLINK) return getName(lp, socket, uaddr, len);
  checkName(lp, uaddr, len);
  if (socket.kind !== SOCK_STREAM || socket.family !== AF_UNIX) return null;
  throw socket.peer === null ? EOPNOTSUPP : EISCONN;
}

function sysSend(lp: Lwp, a: Int32Array): number {
  return sendTry(lp, message(lp, a[0]!, user(lp, a[1]!, a[2]!), a[3]!, null));
}
function sysSendto(lp: Lwp, a: Int32Array): number {
  const to = a[4] === 0 ? null : recipient(lp, a[0]!, a[4]!, a[5]!);
  return sendTry(lp, message(lp, a[0]!, user(lp, a[1]!, a[2]!), a[3]!, to));
}
function* sysSendSlow(lp: Lwp): KernelFrame {
  return yield* sendSlow(lp);
}

/** recv's ends: drops rights that this call has no room for, stores the sender. */
function finishRecvfrom(lp: Lwp, a: Int32Array, n: number, nameAddr: number): number {
  const s = socketOf(lp, a[0]!).socket;
  s.rights?.dispose();
  s.rights = null;
  if (nameAddr !== 0) putSender(lp, s, nameAddr, a[5]!);
  return received(s, n, a[3]!);
}

/** The result of a receiving call: with MSG_TRUNC the packet's length, whatever there was room for. */
function received(s: Socket, n: number, flags: number): number {
  return (flags & LINUX_MSG_TRUNC) !== 0 && s.kind !== SOCK_STREAM ? s.packetLength : n;
}
function recvfrom(lp: Lwp, a: Int32Array, nameAddr: number): number {
  checkErrorQueue(socketOf(lp, a[0]!).socket, a[3]!);
  const n = recvTry(lp, message(lp, a[0]!, user(lp, a[1]!, a[2]!), a[3]!, null, a[5]!, nameAddr === 0 ? 0 : 4));
  return n === WOULDBLOCK ? n : finishRecvfrom(lp, a, n, nameAddr);
}
function* recvfromSlow(lp: Lwp, a: Int32Array, nameAddr: number): KernelFrame {
  return finishRecvfrom(lp, a, yield* recvSlow(lp, takeCarry(lp)), nameAddr);
}

/** struct msghdr: name, namelen, iov, iovlen, control, controllen, flags. */
interface Msghdr {
  at: number;
  name: number;
  namelen: number;
  uio: Uio;
  control: number;
  controllen: number;
}
const MSGHDR = 28;
const UIO_MAXIOV = 1024;

function getMsghdr(lp: Lwp, uaddr: number): Msghdr {
  const vm = lp.proc.vmspace!;
  const w = new Int32Array(7);
  copyinWords(vm, uaddr, w, 7);
  if (w[1]! < 0) throw EINVAL;
  const n = w[3]! >>> 0;
  if (n > UIO_MAXIOV) throw EMSGSIZE;
  const iov = new Int32Array(2 * n);
  copyinWords(vm, w[2]!, iov, 2 * n);
  const bases: number[] = [];
  const lens: number[] = [];
  for (let i = 0; i < n; i++) {
    if (iov[2 * i + 1]! < 0) throw EINVAL;
    bases.push(iov[2 * i]!);
    lens.push(iov[2 * i + 1]!);
  }
  return { at: uaddr, name: w[0]!, namelen: w[1]!, uio: Uio.iov(vm, bases, lens), control: w[4]!, controllen: w[5]! >>> 0 };
}

/* struct cmsghdr: len, level, type, then data; all aligned to 4. */
const CMSG_HDR = 12;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const SCM_MAX_FD = 253;
const CONTROL_MAX = 65_536;
const align4 = (n: number): number => (n + 3) & ~3;

/** What a message's control data names. */
interface Control {
  readonly files: File[];
  fields: PacketOptions | null;
}
function parseControl(lp: Lwp, h: Msghdr, socket: Socket): Control {
  const out: Control = { files: [], fields: null };
  if (h.control === 0 || h.controllen === 0) return out;
  if (h.controllen > CONTROL_MAX) throw EINVAL;
  const buf = new Uint8Array(h.controllen);
  copyin(lp.proc.vmspace!, h.control, buf, 0, buf.length);
  const dv = new DataView(buf.buffer);
  for (let at = 0; at + CMSG_HDR <= buf.length; ) {
    const len = dv.getUint32(at, true);
    if (len < CMSG_HDR || at + len > buf.length) throw EINVAL;
    const level = dv.getInt32(at + 4, true);
    const type = dv.getInt32(at + 8, true);
    if (level !== SOL_SOCKET) {
      if (socket instanceof InetSocket) out.fields = { ...out.fields, ...parseField(lp, socket, dv, at, len) };
    } else if (type === SCM_RIGHTS) {
      for (let i = at + CMSG_HDR; i + 4 <= at + len; i += 4) out.files.push(lp.proc.fd!.getAny(dv.getInt32(i, true)));
    } else if (type !== SCM_CREDENTIALS) throw EINVAL;
    at += align4(len);
  }
  if (out.files.length > SCM_MAX_FD) throw EINVAL;
  return out;
}

function sysSendmsg(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  const h = getMsghdr(lp, a[1]!);
  const to = h.name === 0 || h.namelen === 0 ? null : recipient(lp, a[0]!, h.name, h.namelen);
  const io = message(lp, a[0]!, h.uio, a[2]!, to);
  const { files, fields } = parseControl(lp, h, socket);
  io.files = files;
  if (fields === null) return sendTry(lp, io);
  const s = socket as InetSocket;
  s.nextFields = fields;
  try {
    return sendTry(lp, io);
  } finally {
    s.nextFields = null;
  }
}

/** Stores name, control data and flags of a received message. */
function finishRecvmsg(lp: Lwp, a: Int32Array, n: number): number {
  const vm = lp.proc.vmspace!;
  const s = socketOf(lp, a[0]!).socket;
  const { rights } = s;
  s.rights = null;
  const w = new Int32Array(7);
  copyinWords(vm, a[1]!, w, 7);
  if (w[0] !== 0) putSender(lp, s, w[0]!, a[1]! + 4);
  let flags = (s.truncated ? LINUX_MSG_TRUNC : 0) | (a[2]! & LINUX_MSG_OOB);
  const room = w[4] === 0 ? 0 : Math.min(w[5]! >>> 0, CONTROL_MAX);
  const out = new Uint8Array(room);
  const dv = new DataView(out.buffer);
  const fieldsOut = new ControlOut(out, 0);
  putTime(lp, s, fieldsOut);
  let { at } = fieldsOut;
  if (s.passCred) {
    if (at + CMSG_HDR + 12 <= room) {
      dv.setUint32(at, CMSG_HDR + 12, true);
      dv.setUint32(at + 4, SOL_SOCKET, true);
      dv.setUint32(at + 8, SCM_CREDENTIALS, true);
      dv.setUint32(at + 12, s.cred.pid, true);
      dv.setUint32(at + 16, s.cred.uid, true);
      dv.setUint32(at + 20, s.cred.gid, true);
      at += CMSG_HDR + 12;
    } else flags |= LINUX_MSG_CTRUNC;
  }
  if (rights instanceof FileRights) {
    const fit = Math.max(0, Math.min(rights.files.length, (room - at - CMSG_HDR) >> 2));
    const fds = takeRights(lp, rights, fit, (a[2]! & 0x4000_0000) !== 0);
    if (fds.length < rights.files.length) flags |= LINUX_MSG_CTRUNC;
    if (fds.length > 0) {
      dv.setUint32(at, CMSG_HDR + 4 * fds.length, true);
      dv.setUint32(at + 4, SOL_SOCKET, true);
      dv.setUint32(at + 8, SCM_RIGHTS, true);
      fds.forEach((d, i) => dv.setInt32(at + CMSG_HDR + 4 * i, d, true));
      at += CMSG_HDR + 4 * fds.length;
    }
  }
  fieldsOut.at = at;
  putFields(s, fieldsOut);
  if (fieldsOut.cut) flags |= LINUX_MSG_CTRUNC;
  copyout(vm, out, 0, w[4]!, fieldsOut.at);
  suword(vm, a[1]! + 20, fieldsOut.at);
  suword(vm, a[1]! + 24, flags);
  return received(s, n, a[2]!);
}

/** Installs at most `max` of the files; the others are dropped. */
function takeRights(lp: Lwp, rights: FileRights, max: number, cloexec: boolean): number[] {
  rights.taken();
  const fds: number[] = [];
  let full = false;
  for (const fp of rights.files) {
    if (!full && fds.length < max) {
      try {
        fds.push(lp.proc.fd!.install(lp, fp, cloexec));
        continue;
      } catch {
        // EMFILE: Linux tells through MSG_CTRUNC, not through an error.
        full = true;
      }
    }
    fdrop(fp, lp);
  }
  return fds;
}

function sysRecvmsg(lp: Lwp, a: Int32Array): number {
  checkErrorQueue(socketOf(lp, a[0]!).socket, a[2]!);
  const n = recvTry(lp, message(lp, a[0]!, getMsghdr(lp, a[1]!).uio, a[2]!, null, a[1]!, MSGHDR));
  return n === WOULDBLOCK ? n : finishRecvmsg(lp, a, n);
}
function* sysRecvmsgSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return finishRecvmsg(lp, a, yield* recvSlow(lp, takeCarry(lp)));
}

// ---------------------------------------------------------------------------------------------------------
// Several messages at once

const sysSendmmsg: PlainFn = (lp, a) => moreMessages(lp, a, a[3]!, 0, sysSendmsg);
const sysSendmmsgSlow: SlowFn = (lp, a) => manySlow(lp, a, a[3]!, sysSendmsg, sysSendSlow);
/** Waits for the first message only, whatever its timeout says: what follows is taken as far as it is there. */
const recvmmsg =
  (readTime: (lp: Lwp, uaddr: number) => number): PlainFn =>
  (lp, a) => {
    if (a[4] !== 0) readTime(lp, a[4]!);
    return moreMessages(lp, a, firstOnly(a[3]!), 0, sysRecvmsg);
  };
const sysRecvmmsgSlow: SlowFn = (lp, a) => manySlow(lp, a, firstOnly(a[3]!), sysRecvmsg, sysRecvmsgSlow);

// ---------------------------------------------------------------------------------------------------------
// The table, and socketcall over it

interface SocketCall {
  /** Number of socketcall(2). */
  call: number;
  /** Number of the direct call, 0 when there is none. */
  nr: number;
  name: string;
  args: readonly ArgType[];
  fn: PlainFn;
  slow: SlowFn | null;
}
const CALLS: readonly SocketCall[] = [
  { call: 1, nr: 359, name: "socket", args: [int, hex, int], fn: sysSocket, slow: null },
  { call: 2, nr: 361, name: "bind", args: [fd, uptr, size], fn: sysBind, slow: null },
  { call: 3, nr: 362, name: "connect", args: [fd, uptr, size], fn: sysConnect, slow: sysConnectSlow },
  { call: 4, nr: 363, name: "listen", args: [fd, int], fn: sysListen, slow: null },
  { call: 5, nr: 0, name: "accept", args: [fd, uptr, uptr], fn: (lp, a) => accept4(lp, a, 0), slow: (lp, a) => accept4Slow(lp, a, 0) },
  { call: 6, nr: 367, name: "getsockname", args: [fd, uptr, uptr], fn: getAddress(false), slow: null },
  { call: 7, nr: 368, name: "getpeername", args: [fd, uptr, uptr], fn: getAddress(true), slow: null },
  { call: 8, nr: 360, name: "socketpair", args: [int, hex, int, uptr], fn: sysSocketpair, slow: null },
  { call: 9, nr: 0, name: "send", args: [fd, uptr, size, hex], fn: sysSend, slow: sysSendSlow },
  { call: 10, nr: 0, name: "recv", args: [fd, uptr, size, hex], fn: (lp, a) => recvfrom(lp, a, 0), slow: (lp, a) => recvfromSlow(lp, a, 0) },
  { call: 11, nr: 369, name: "sendto", args: [fd, uptr, size, hex, uptr, size], fn: sysSendto, slow: sysSendSlow },
  { call: 12, nr: 371, name: "recvfrom", args: [fd, uptr, size, hex, uptr, uptr], fn: (lp, a) => recvfrom(lp, a, a[4]!), slow: (lp, a) => recvfromSlow(lp, a, a[4]!) },
  { call: 13, nr: 373, name: "shutdown", args: [fd, int], fn: sysShutdown, slow: null },
  { call: 14, nr: 366, name: "setsockopt", args: [fd, int, int, uptr, size], fn: sysSetsockopt, slow: null },
  { call: 15, nr: 365, name: "getsockopt", args: [fd, int, int, uptr, uptr], fn: sysGetsockopt, slow: null },
  { call: 16, nr: 370, name: "sendmsg", args: [fd, uptr, hex], fn: sysSendmsg, slow: sysSendSlow },
  { call: 17, nr: 372, name: "recvmsg", args: [fd, uptr, hex], fn: sysRecvmsg, slow: sysRecvmsgSlow },
  { call: 19, nr: 337, name: "recvmmsg", args: [fd, uptr, size, hex, uptr], fn: recvmmsg(getTimespec), slow: sysRecvmmsgSlow },
  { call: 20, nr: 345, name: "sendmmsg", args: [fd, uptr, size, hex], fn: sysSendmmsg, slow: sysSendmmsgSlow },
  { call: 18, nr: 364, name: "accept4", args: [fd, uptr, uptr, hex], fn: (lp, a) => accept4(lp, a, a[3]!), slow: (lp, a) => accept4Slow(lp, a, a[3]!) },
];

const byCall = new Map(CALLS.map((c) => [c.call, c]));

/** A socketcall that waits: which call it is, its arguments, and what that call's plain half has left. */
interface WaitingCall {
  call: SocketCall;
  args: Int32Array;
  carry: unknown;
}

/** The arguments are read once (I-ONCE); the waiting half goes on with the copy. */
function sysSocketcall(lp: Lwp, a: Int32Array): number {
  const call = byCall.get(a[0]!);
  if (call === undefined) throw EINVAL;
  const args = new Int32Array(6);
  copyinWords(lp.proc.vmspace!, a[1]!, args, call.args.length);
  const r = call.fn(lp, args);
  if (r === WOULDBLOCK && call.slow !== null) {
    const waiting: WaitingCall = { call, args, carry: lp.carry };
    lp.carry = waiting;
  }
  return r;
}
function* sysSocketcallSlow(lp: Lwp): KernelFrame {
  const { call, args, carry } = lp.carry as WaitingCall;
  lp.carry = carry;
  return yield* call.slow!(lp, args);
}

const NOTE = "the local domain, TCP, UDP and ICMP; NETLINK_ROUTE; no other raw sockets, no packet sockets; times of arrival of datagrams alone; urgent bytes to elsewhere go among the others";
export const SOCKET_ROWS: readonly Sysent[] = [
  partial(sleeps(102, "socketcall", [int, uptr], sysSocketcall, sysSocketcallSlow), NOTE),
  partial(sleeps(417, "recvmmsg_time64", [fd, uptr, size, hex, uptr], recvmmsg(getTimespec64), sysRecvmmsgSlow), NOTE),
  ...CALLS.filter((c) => c.nr !== 0).map((c) =>
    partial(c.slow === null ? plain(c.nr, c.name, c.args, c.fn) : sleeps(c.nr, c.name, c.args, c.fn, c.slow), NOTE),
  ),
];
