// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly socket calls (DragonFly 2.0 sys/kern/uipc_syscalls.c, uipc_usrreq.c); sendmsg and recvmsg are in sys-sockmsg.ts. */
import { EAFNOSUPPORT, EINVAL, EOPNOTSUPP, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from "../../sys/errno.ts";
import { O_FBLOCKING, O_FNONBLOCKING, O_NONBLOCK } from "../../sys/fcntl.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import type { Socket, SocketName } from "../../net/socket.ts";
import { Uio } from "../../vm/uio.ts";
import { mustSleep } from "../../kern/fork.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import {
  acceptSlow, acceptTry, connectSlow, connectTry, installSocket, kernBind, kernDisconnect, kernListen, kernSocket,
  kernSocketpair, type MessageIo, recvSlow, recvTry, sendSlow, sendTry, socketAddress, socketOf, takeCarry,
} from "../../kern/sys-socket.ts";
import { fd, hex, int, off64, partial, plain, size, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { putWords } from "./guest-struct.ts";
import { type AddressForm, getName, putName, putSender } from "./sockaddr.ts";
import { sysGetsockopt, sysSetsockopt } from "./sys-sockopt.ts";
import { sysSendfile } from "./sys-sendfile.ts";
import { sysOrecvmsg, sysOrecvmsgSlow, sysOsendmsg, sysRecvmsg, sysRecvmsgSlow, sysSendmsg } from "./sys-sockmsg.ts";

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
function connect(lp: Lwp, fd: number, uaddr: number, len: number, nonblock: boolean | undefined): number {
  const { socket } = socketOf(lp, fd);
  if (uaddr === 0 && len === 0) return kernDisconnect(lp, fd);
  return connectTry(lp, fd, getName(lp, socket, uaddr, len), nonblock);
}
function* connectWait(lp: Lwp, fd: number, uaddr: number, len: number): KernelFrame {
  return yield* connectSlow(lp, fd, getName(lp, socketOf(lp, fd).socket, uaddr, len));
}
/** What O_F* flags say about waiting; undefined: as the descriptor does. */
function waitOverride(flags: number): boolean | undefined {
  if ((flags & O_FBLOCKING) !== 0) return false;
  return (flags & O_FNONBLOCKING) !== 0 ? true : undefined;
}
function sysListen(lp: Lwp, a: Int32Array): number {
  return kernListen(lp, a[0]!, a[1]!);
}

/** The new descriptor has the old one's mode: without waiting, or with. */
function finishAccept(lp: Lwp, fd: number, s: Socket, uaddr: number, lenAddr: number, form: AddressForm): number {
  const d = installSocket(lp, s, socketOf(lp, fd).flags & O_NONBLOCK, false);
  try {
    if (uaddr !== 0) putName(lp, s, s.peerAddress() ?? "", uaddr, lenAddr, form);
  } catch (e) {
    lp.proc.fd!.close(d, lp);
    throw e;
  }
  return d;
}
/** (fd, name, namelen), the address in one of its forms; extaccept has flags in between. */
const accept = (form: AddressForm) => (lp: Lwp, a: Int32Array): number => {
  const s = acceptTry(lp, a[0]!, a[1] === 0 ? 0 : a[2]!);
  return s === WOULDBLOCK ? WOULDBLOCK : finishAccept(lp, a[0]!, s, a[1]!, a[2]!, form);
};
const acceptWait = (form: AddressForm) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    return finishAccept(lp, a[0]!, yield* acceptSlow(lp, a[0]!, a[1] === 0 ? 0 : a[2]!), a[1]!, a[2]!, form);
  };
function sysExtaccept(lp: Lwp, a: Int32Array): number {
  const s = acceptTry(lp, a[0]!, a[2] === 0 ? 0 : a[3]!, waitOverride(a[1]!));
  return s === WOULDBLOCK ? WOULDBLOCK : finishAccept(lp, a[0]!, s, a[2]!, a[3]!, "bsd44");
}
function* sysExtacceptSlow(lp: Lwp, a: Int32Array): KernelFrame {
  return finishAccept(lp, a[0]!, yield* acceptSlow(lp, a[0]!, a[2] === 0 ? 0 : a[3]!), a[2]!, a[3]!, "bsd44");
}
const getAddress = (peer: boolean, form: AddressForm) => (lp: Lwp, a: Int32Array): number => {
  const { socket, name } = socketAddress(lp, a[0]!, peer);
  putName(lp, socket, name, a[1]!, a[2]!, form);
  return 0;
};
/** Peeling an association off needs SCTP, which kernels are built without. */
function sysSctpPeeloff(): number {
  throw EOPNOTSUPP;
}
function sysShutdown(lp: Lwp, a: Int32Array): number {
  socketOf(lp, a[0]!).socket.shutdown(a[1]!);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------
// Data

function message(lp: Lwp, a: Int32Array, to: SocketName | null, lookBytes = 0): MessageIo {
  if (a[2]! < 0) throw EINVAL;
  const uio = Uio.user(lp.proc.vmspace!, a[1]!, a[2]!);
  return { fd: a[0]!, uio, flags: a[3]!, to, files: null, rights: null, done: 0, miss: null, look: a[5]!, lookBytes };
}
function sysSendto(lp: Lwp, a: Int32Array): number {
  const { socket } = socketOf(lp, a[0]!);
  return sendTry(lp, message(lp, a, a[4] === 0 ? null : getName(lp, socket, a[4]!, a[5]!)));
}
function* sysSendSlow(lp: Lwp): KernelFrame {
  return yield* sendSlow(lp);
}

/** Drops descriptors that this call has no room for, stores the sender. */
function finishRecvfrom(lp: Lwp, a: Int32Array, n: number, form: AddressForm | null): number {
  const s = socketOf(lp, a[0]!).socket;
  s.rights?.dispose();
  s.rights = null;
  if (form !== null) putSender(lp, s, a[4]!, a[5]!, form);
  return n;
}
/** (fd, buf, len, flags, from, fromlen); without a form there are no addresses. */
const recvfrom = (form: AddressForm | null) => (lp: Lwp, a: Int32Array): number => {
  const n = recvTry(lp, message(lp, a, null, form === null ? 0 : 4));
  return n === WOULDBLOCK ? n : finishRecvfrom(lp, a, n, form);
};
const recvfromWait = (form: AddressForm | null) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    return finishRecvfrom(lp, a, yield* recvSlow(lp, takeCarry(lp)), form);
  };

const NOTE = "the local domain, TCP and UDP; no raw or routing sockets; urgent bytes to elsewhere go among the others";
export const SOCKET_ROWS: readonly Sysent[] = [
  sleeps(27, "recvmsg", [fd, uptr, hex], sysRecvmsg, sysRecvmsgSlow),
  sleeps(28, "sendmsg", [fd, uptr, hex], sysSendmsg, sysSendSlow),
  sleeps(29, "recvfrom", [fd, uptr, size, hex, uptr, uptr], recvfrom("bsd44"), recvfromWait("bsd44")),
  sleeps(30, "accept", [fd, uptr, uptr], accept("bsd44"), acceptWait("bsd44")),
  plain(31, "getpeername", [fd, uptr, uptr], getAddress(true, "bsd44")),
  plain(32, "getsockname", [fd, uptr, uptr], getAddress(false, "bsd44")),
  plain(97, "socket", [int, int, int], sysSocket),
  sleeps(98, "connect", [fd, uptr, size], (lp, a) => connect(lp, a[0]!, a[1]!, a[2]!, undefined), (lp, a) => connectWait(lp, a[0]!, a[1]!, a[2]!)),
  sleeps(99, "oaccept", [fd, uptr, uptr], accept("bsd43"), acceptWait("bsd43")),
  sleeps(101, "osend", [fd, uptr, size, hex], (lp, a) => sendTry(lp, message(lp, a, null)), sysSendSlow),
  sleeps(102, "orecv", [fd, uptr, size, hex], recvfrom(null), recvfromWait(null)),
  plain(104, "bind", [fd, uptr, size], sysBind),
  plain(105, "setsockopt", [fd, hex, hex, uptr, size], sysSetsockopt),
  plain(106, "listen", [fd, int], sysListen),
  sleeps(113, "orecvmsg", [fd, uptr, hex], sysOrecvmsg, sysOrecvmsgSlow),
  sleeps(114, "osendmsg", [fd, uptr, hex], sysOsendmsg, sysSendSlow),
  plain(118, "getsockopt", [fd, hex, hex, uptr, uptr], sysGetsockopt),
  sleeps(125, "orecvfrom", [fd, uptr, size, hex, uptr, uptr], recvfrom("bsd43"), recvfromWait("bsd43")),
  sleeps(133, "sendto", [fd, uptr, size, hex, uptr, size], sysSendto, sysSendSlow),
  plain(134, "shutdown", [fd, int], sysShutdown),
  plain(135, "socketpair", [int, int, int, uptr], sysSocketpair),
  plain(141, "ogetpeername", [fd, uptr, uptr], getAddress(true, "bsd43")),
  plain(150, "ogetsockname", [fd, uptr, uptr], getAddress(false, "bsd43")),
  plain(364, "sctp_peeloff", [fd, uptr], sysSctpPeeloff),
  sleeps(393, "sendfile", [fd, fd, off64, size, uptr, uptr, hex], mustSleep, sysSendfile),
  sleeps(482, "extaccept", [fd, hex, uptr, uptr], sysExtaccept, sysExtacceptSlow),
  sleeps(483, "extconnect", [fd, hex, uptr, size], (lp, a) => connect(lp, a[0]!, a[2]!, a[3]!, waitOverride(a[1]!)), (lp, a) => connectWait(lp, a[0]!, a[2]!, a[3]!)),
].map((row) => partial(row, NOTE));
