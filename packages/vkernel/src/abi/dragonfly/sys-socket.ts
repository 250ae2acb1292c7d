// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly socket calls (DragonFly 2.0 sys/kern/uipc_syscalls.c, uipc_usrreq.c); sendmsg and recvmsg are in sys-sockmsg.ts. */
import { EAFNOSUPPORT, EINVAL, ENOTCONN, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from "../../sys/errno.ts";
import { O_NONBLOCK } from "../../sys/fcntl.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import type { Socket, SocketName } from "../../net/socket.ts";
import { Uio } from "../../vm/uio.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import {
  acceptSlow, acceptTry, connectSlow, connectTry, installSocket, kernBind, kernDisconnect, kernListen, kernSocket,
  kernSocketpair, type MessageIo, recvSlow, recvTry, sendSlow, sendTry, socketOf, takeCarry,
} from "../../kern/sys-socket.ts";
import { fd, hex, int, partial, plain, size, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { putWords } from "./guest-struct.ts";
import { getName, putName, putSender } from "./sockaddr.ts";
import { sysGetsockopt, sysSetsockopt } from "./sys-sockopt.ts";
import { sysRecvmsg, sysRecvmsgSlow, sysSendmsg } from "./sys-sockmsg.ts";

// ---------------------------------------------------------------------------------------------------------
// Making and connecting

/** BSD has one error for families and types that it does not know. */
function known<T>(make: () => T): T {
  try {
    return make();
  } catch (e) {
    throw e === EAFNOSUPPORT || e === ESOCKTNOSUPPORT ? EPROTONOSUPPORT : e;
  }
}
function sysSocket(lp: Lwp, a: Int32Array): number {
  return known(() => kernSocket(lp, a[0]!, a[1]!, a[2]!, 0, false));
}
function sysSocketpair(lp: Lwp, a: Int32Array): number {
  const fds = known(() => kernSocketpair(lp, a[0]!, a[1]!, a[2]!, 0, false));
  try {
    putWords(lp, a[3]!, ...fds);
  } catch (e) {
    for (const d of fds) lp.proc.fd!.close(d, lp);
    throw e;
  }
  return 0;
}
function sysBind(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  return kernBind(lp, a[0]!, getName(lp, socket, a[1]!, a[2]!));
}
function sysConnect(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  if (a[1] === 0 && a[2] === 0) return kernDisconnect(lp, a[0]!);
  return connectTry(lp, a[0]!, getName(lp, socket, a[1]!, a[2]!));
}
function* sysConnectSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return yield* connectSlow(lp, a[0]!, getName(lp, socketOf(lp, a[0]!).socket, a[1]!, a[2]!));
}
function sysListen(lp: Lwp, a: Int32Array): number {
  return kernListen(lp, a[0]!, a[1]!);
}

/** The new descriptor has the old one's mode: without waiting, or with. */
function finishAccept(lp: Lwp, a: Int32Array, s: Socket): number {
  const d = installSocket(lp, s, socketOf(lp, a[0]!).flags & O_NONBLOCK, false);
  try {
    putName(lp, s, s.peerAddress() ?? "", a[1]!, a[2]!);
  } catch (e) {
    lp.proc.fd!.close(d, lp);
    throw e;
  }
  return d;
}
function sysAccept(lp: Lwp, a: Int32Array): number {
  const s = acceptTry(lp, a[0]!);
  return s === WOULDBLOCK ? WOULDBLOCK : finishAccept(lp, a, s);
}
function* sysAcceptSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return finishAccept(lp, a, yield* acceptSlow(lp, a[0]!));
}
function sysGetsockname(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  putName(lp, socket, socket.name, a[1]!, a[2]!);
  return 0;
}
function sysGetpeername(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  const peer = socket.peerAddress();
  if (peer === null) throw ENOTCONN;
  putName(lp, socket, peer, a[1]!, a[2]!);
  return 0;
}
function sysShutdown(lp: Lwp, a: Int32Array): number {
  socketOf(lp, a[0]!).socket.shutdown(a[1]!);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// Data

function message(lp: Lwp, a: Int32Array, to: SocketName | null): MessageIo {
  if (a[2]! < 0) throw EINVAL;
  const uio = Uio.user(lp.proc.vmspace!, a[1]!, a[2]!);
  return { fd: a[0]!, uio, flags: a[3]!, to, files: null, rights: null, done: 0 };
}
function sysSendto(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  return sendTry(lp, message(lp, a, a[4] === 0 ? null : getName(lp, socket, a[4]!, a[5]!)));
}
function* sysSendSlow(lp: Lwp): KernelFrame {
  return yield* sendSlow(lp);
}

/** Drops descriptors that this call has no room for, stores the sender. */
function finishRecvfrom(lp: Lwp, a: Int32Array, n: number): number {
  const s = socketOf(lp, a[0]!).socket;
  s.rights?.dispose();
  s.rights = null;
  putSender(lp, s, a[4]!, a[5]!);
  return n;
}
function sysRecvfrom(lp: Lwp, a: Int32Array): number {
  const n = recvTry(lp, message(lp, a, null));
  return n === WOULDBLOCK ? n : finishRecvfrom(lp, a, n);
}
function* sysRecvfromSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return finishRecvfrom(lp, a, yield* recvSlow(lp, takeCarry(lp)));
}

const NOTE = "the local domain, TCP and UDP; no raw or routing sockets, no out-of-band data";
export const SOCKET_ROWS: readonly Sysent[] = [
  sleeps(27, "recvmsg", [fd, uptr, hex], sysRecvmsg, sysRecvmsgSlow),
  sleeps(28, "sendmsg", [fd, uptr, hex], sysSendmsg, sysSendSlow),
  sleeps(29, "recvfrom", [fd, uptr, size, hex, uptr, uptr], sysRecvfrom, sysRecvfromSlow),
  sleeps(30, "accept", [fd, uptr, uptr], sysAccept, sysAcceptSlow),
  plain(31, "getpeername", [fd, uptr, uptr], sysGetpeername),
  plain(32, "getsockname", [fd, uptr, uptr], sysGetsockname),
  plain(97, "socket", [int, int, int], sysSocket),
  sleeps(98, "connect", [fd, uptr, size], sysConnect, sysConnectSlow),
  plain(104, "bind", [fd, uptr, size], sysBind),
  plain(105, "setsockopt", [fd, hex, hex, uptr, size], sysSetsockopt),
  plain(106, "listen", [fd, int], sysListen),
  plain(118, "getsockopt", [fd, hex, hex, uptr, uptr], sysGetsockopt),
  sleeps(133, "sendto", [fd, uptr, size, hex, uptr, size], sysSendto, sysSendSlow),
  plain(134, "shutdown", [fd, int], sysShutdown),
  plain(135, "socketpair", [int, int, int, uptr], sysSocketpair),
].map((row) => partial(row, NOTE));
