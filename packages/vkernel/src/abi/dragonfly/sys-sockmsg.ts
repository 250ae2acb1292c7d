// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly sendmsg and recvmsg, with descriptors in control messages (DragonFly 2.0 sys/kern/uipc_usrreq.c). */
import { EINVAL, EMSGSIZE } from "../../sys/errno.ts";
import { MSG_CTRUNC, MSG_OOB, MSG_TRUNC } from "../../sys/socket.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { suword } from "../../vm/copyio.ts";
import { type File, fdrop } from "../../kern/file.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { FileRights } from "../../kern/socket-file.ts";
import { type MessageIo, recvSlow, recvTry, sendTry, socketOf, takeCarry } from "../../kern/sys-socket.ts";
import { getBytes, getIovec, getWords, putBytes } from "./guest-struct.ts";
import { getName, putSender } from "./sockaddr.ts";
import { SOL_SOCKET } from "./sys-sockopt.ts";

/* struct msghdr: name, namelen, iov, iovlen, control, controllen, flags. */
const NAME = 0;
const NAMELEN = 1;
const IOV = 2;
const IOVLEN = 3;
const CONTROL = 4;
const CONTROLLEN = 5;
const FLAGS = 6;
const MSGHDR_WORDS = 7;

/* struct cmsghdr: length, level, type, then data; aligned to 4. */
const CMSG_HDR = 12;
const SCM_RIGHTS = 1;
/** MCLBYTES: control data are kept in one mbuf. */
const CONTROL_MAX = 2048;

function message(lp: Lwp, a: Int32Array, h: Int32Array): MessageIo {
  const uio = getIovec(lp, h[IOV]!, h[IOVLEN]!);
  return { fd: a[0]!, uio, flags: a[2]!, to: null, files: null, rights: null, done: 0, miss: null, look: a[1]!, lookBytes: 4 * MSGHDR_WORDS };
}

/** The files that a message's control data name: one control message, of descriptors. */
function controlFiles(lp: Lwp, h: Int32Array): File[] {
  const len = h[CONTROLLEN]! >>> 0;
  if (h[CONTROL] === 0 || len === 0) return [];
  if (len < CMSG_HDR || len > CONTROL_MAX) throw EINVAL;
  const b = getBytes(lp, h[CONTROL]!, len);
  const dv = new DataView(b.buffer);
  const end = dv.getUint32(0, true);
  if (dv.getInt32(4, true) !== SOL_SOCKET || dv.getInt32(8, true) !== SCM_RIGHTS || end < CMSG_HDR || end > len) throw EINVAL;
  const files: File[] = [];
  for (let at = CMSG_HDR; at + 4 <= end; at += 4) files.push(lp.proc.fd!.get(dv.getInt32(at, true)));
  return files;
}

/** struct omsghdr: the same without flags; its control data are descriptors and nothing else. */
const OMSGHDR_WORDS = 6;

function oldFiles(lp: Lwp, h: Int32Array): File[] {
  const len = h[CONTROLLEN]! >>> 0;
  if (h[CONTROL] === 0 || len === 0) return [];
  if (len > CONTROL_MAX) throw EINVAL;
  return Array.from(getWords(lp, h[CONTROL]!, len >> 2), (d) => lp.proc.fd!.get(d));
}
/** (fd, msg, flags), as in 4.3BSD */
export function sysOsendmsg(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  const h = getWords(lp, a[1]!, OMSGHDR_WORDS);
  const io = message(lp, a, h);
  if (h[NAME] !== 0) io.to = getName(lp, socket, h[NAME]!, h[NAMELEN]!, "bsd43");
  io.files = oldFiles(lp, h);
  return sendTry(lp, io);
}
function finishOrecvmsg(lp: Lwp, a: Int32Array, n: number): number {
  const s = socketOf(lp, a[0]!).socket;
  const { rights } = s;
  s.rights = null;
  const h = getWords(lp, a[1]!, OMSGHDR_WORDS);
  const room = h[CONTROL] === 0 ? 0 : (h[CONTROLLEN]! >>> 0) >> 2;
  const fds = rights instanceof FileRights ? takeRights(lp, rights, room) : [];
  if (fds.length > 0) putBytes(lp, h[CONTROL]!, new Uint8Array(Int32Array.from(fds).buffer));
  putSender(lp, s, h[NAME]!, a[1]! + 4 * NAMELEN, "bsd43");
  if (h[CONTROL] !== 0) suword(lp.proc.vmspace!, a[1]! + 4 * CONTROLLEN, 4 * fds.length);
  return n;
}
export function sysOrecvmsg(lp: Lwp, a: Int32Array): number {
  socketOf(lp, a[0]!);
  const n = recvTry(lp, message(lp, a, getWords(lp, a[1]!, OMSGHDR_WORDS)));
  return n === WOULDBLOCK ? n : finishOrecvmsg(lp, a, n);
}
export function* sysOrecvmsgSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return finishOrecvmsg(lp, a, yield* recvSlow(lp, takeCarry(lp)));
}

/** (fd, msg, flags) */
export function sysSendmsg(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  const h = getWords(lp, a[1]!, MSGHDR_WORDS);
  const io = message(lp, a, h);
  if (h[NAME] !== 0) io.to = getName(lp, socket, h[NAME]!, h[NAMELEN]!);
  io.files = controlFiles(lp, h);
  return sendTry(lp, io);
}

/** Installs the files there is room for in the receiver's buffer; the others are dropped. Throws EMSGSIZE. */
function takeRights(lp: Lwp, rights: FileRights, max: number): number[] {
  const n = Math.min(max, rights.files.length);
  try {
    lp.proc.fd!.reserve(lp, n);
  } catch {
    rights.dispose();
    throw EMSGSIZE;
  }
  rights.taken();
  for (const fp of rights.files.slice(n)) fdrop(fp, lp);
  return rights.files.slice(0, n).map((fp) => lp.proc.fd!.install(lp, fp, false));
}

/** Stores name, control data and flags of a received message. */
function finishRecvmsg(lp: Lwp, a: Int32Array, n: number): number {
  const s = socketOf(lp, a[0]!).socket;
  const { rights } = s;
  s.rights = null;
  const h = getWords(lp, a[1]!, MSGHDR_WORDS);
  let flags = (s.truncated ? MSG_TRUNC : 0) | (a[2]! & MSG_OOB);
  let controllen = 0;
  if (rights instanceof FileRights) {
    const room = h[CONTROL] === 0 ? 0 : h[CONTROLLEN]! >>> 0;
    const fds = takeRights(lp, rights, Math.max(0, Math.floor((room - CMSG_HDR) / 4)));
    if (fds.length < rights.files.length) flags |= MSG_CTRUNC;
    if (fds.length > 0) {
      controllen = CMSG_HDR + 4 * fds.length;
      putBytes(lp, h[CONTROL]!, new Uint8Array(Int32Array.of(controllen, SOL_SOCKET, SCM_RIGHTS, ...fds).buffer));
    }
  }
  putSender(lp, s, h[NAME]!, a[1]! + 4 * NAMELEN);
  suword(lp.proc.vmspace!, a[1]! + 4 * CONTROLLEN, controllen);
  suword(lp.proc.vmspace!, a[1]! + 4 * FLAGS, flags);
  return n;
}

/** (fd, msg, flags) */
export function sysRecvmsg(lp: Lwp, a: Int32Array): number {
  socketOf(lp, a[0]!);
  const n = recvTry(lp, message(lp, a, getWords(lp, a[1]!, MSGHDR_WORDS)));
  return n === WOULDBLOCK ? n : finishRecvmsg(lp, a, n);
}
export function* sysRecvmsgSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return finishRecvmsg(lp, a, yield* recvSlow(lp, takeCarry(lp)));
}
