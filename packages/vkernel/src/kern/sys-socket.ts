// SPDX-License-Identifier: BSD-3-Clause
/**
 * Socket calls, neutral of ABI (DragonFly 2.0 sys/kern/uipc_syscalls.c). Flags are native MSG_* bits.
 *
 * Invariants
 *   SS1  The plain half leaves its request in lp.carry when it returns WOULDBLOCK; the waiting half goes on with it, so
 *        that bytes already moved are not moved again.
 *   SS2  Descriptors are installed only after everything that can fail has succeeded.
 */
import { EAFNOSUPPORT, EAGAIN, EBADF, EISCONN, ENOTCONN, ENOTSOCK, EOPNOTSUPP, EPIPE } from "../sys/errno.ts";
import { O_NONBLOCK, O_PATH } from "../sys/fcntl.ts";
import { SIGPIPE } from "../sys/signal.ts";
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_WAITALL, SOCK_DGRAM, SOCK_STREAM } from "../sys/socket.ts";
import { IoMiss, WOULDBLOCK } from "../sys/wait.ts";
import { pair, type Socket, type SocketName } from "../net/socket.ts";
import { bringIn } from "../vm/copyio.ts";
import type { Uio } from "../vm/uio.ts";
import { fdrop, fhold, type File } from "./file.ts";
import type { KernelFrame, Lwp } from "./proc.ts";
import type { Protocol } from "./protocol.ts";
import { lwpsignal } from "./sig.ts";
import { PCATCH, PNORESTART, SLEEP_TIMEOUT, tsleep, waitForLoad, whenLoaded } from "./sleep.ts";
import { FileRights, SocketFile } from "./socket-file.ts";
import { INET } from "./socket-inet.ts";
import { LOCAL } from "./socket-local.ts";
import { NETLINK } from "./socket-netlink.ts";

const PROTOCOLS: ReadonlyMap<number, Protocol> = new Map([
  [AF_UNIX, LOCAL],
  [AF_INET, INET],
  [AF_INET6, INET],
  [AF_NETLINK, NETLINK],
]);
/** The protocols of a family. Throws EAFNOSUPPORT. */
function protocolOf(family: number): Protocol {
  const protocol = PROTOCOLS.get(family);
  if (protocol === undefined) throw EAFNOSUPPORT;
  return protocol;
}

/** Makes an open file of a socket and installs it. `flags` may hold O_NONBLOCK. */
export function installSocket(lp: Lwp, s: Socket, flags: number, cloexec: boolean): number {
  const fp = new SocketFile(lp, flags, s, protocolOf(s.family));
  try {
    return lp.proc.fd!.install(lp, fp, cloexec);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

export function kernSocket(lp: Lwp, domain: number, type: number, protocol: number, flags: number, cloexec: boolean): number {
  return installSocket(lp, protocolOf(domain).create(lp, domain, type, protocol), flags, cloexec);
}

/** socketpair(2): both descriptors. */
export function kernSocketpair(
  lp: Lwp, domain: number, type: number, protocol: number, flags: number, cloexec: boolean,
): [number, number] {
  const family = protocolOf(domain);
  const a = family.create(lp, domain, type, protocol);
  const b = family.create(lp, domain, type, protocol);
  if (domain !== AF_UNIX) throw EOPNOTSUPP;
  lp.proc.fd!.reserve(lp, 2);
  pair(a, b);
  return [installSocket(lp, a, flags, cloexec), installSocket(lp, b, flags, cloexec)];
}

/** The socket of a descriptor. Throws EBADF, ENOTSOCK. */
export function socketOf(lp: Lwp, fd: number): SocketFile {
  const fp = lp.proc.fd!.get(fd);
  if (fp instanceof SocketFile) return fp;
  throw (fp.flags & O_PATH) === 0 ? ENOTSOCK : EBADF;
}

export function kernBind(lp: Lwp, fd: number, name: SocketName): number {
  const fp = socketOf(lp, fd);
  fp.protocol.bind(lp, fp, name);
  return 0;
}

/** How a socket call sleeps that waits for at most `timeoutNs`. */
function sleepFlags(lp: Lwp, timeoutNs: number): number {
  return timeoutNs !== Infinity && lp.proc.abi.timedSocketsInterrupt ? PCATCH | PNORESTART : PCATCH;
}

/** connect(2), plain half. `nonblock`: as the descriptor says, unless the call says otherwise. */
export function connectTry(lp: Lwp, fd: number, name: SocketName, nonblock = isNonblocking(lp, fd)): number {
  const fp = socketOf(lp, fd);
  const r = fp.protocol.connect(lp, fp, name);
  if (nonblock && (r === WOULDBLOCK || fp.protocol.shakesHands(fp))) {
    fp.sigio?.expectRoom();
    // Between two ends in one machine it is done already.
    fp.sigio?.stirred(true);
    throw fp.protocol.pending;
  }
  return r;
}
export function* connectSlow(lp: Lwp, fd: number, name: SocketName): KernelFrame {
  const fp = fhold(socketOf(lp, fd));
  const { protocol } = fp;
  try {
    for (;;) {
      const waits = protocol.isUnderWay(fp);
      if (!waits) {
        const r = connectAgain(lp, fp, name);
        if (r !== WOULDBLOCK) return r;
      }
      yield* tsleep(lp, protocol.connectChannel(lp, fp, name), sleepFlags(lp, fp.sendTimeoutNs), fp.sendTimeoutNs);
    }
  } finally {
    fdrop(fp, lp);
  }
}
/** connect() after waiting: an attempt that was under way has answered meanwhile. */
function connectAgain(lp: Lwp, fp: SocketFile, name: SocketName): number {
  const isThere = fp.socket.peer !== null;
  try {
    return fp.protocol.connect(lp, fp, name);
  } catch (e) {
    if (e === EISCONN && isThere) return 0;
    throw e;
  }
}

/** connect(2) to nobody: a datagram socket forgets its peer. */
export function kernDisconnect(lp: Lwp, fd: number): number {
  const fp = socketOf(lp, fd);
  fp.protocol.disconnect(fp);
  return 0;
}

/** getsockname(2), getpeername(2): the address of an end. Throws ENOTCONN when there is no peer. */
export function socketAddress(lp: Lwp, fd: number, peer: boolean): { socket: Socket; name: SocketName } {
  const { socket } = socketOf(lp, fd);
  const name = peer ? socket.peerAddress() : socket.name;
  if (name === null) throw ENOTCONN;
  return { socket, name };
}

export function kernListen(lp: Lwp, fd: number, backlog: number): number {
  const fp = socketOf(lp, fd);
  fp.protocol.listen(lp, fp, backlog);
  return 0;
}

function isNonblocking(lp: Lwp, fd: number): boolean {
  return (socketOf(lp, fd).flags & O_NONBLOCK) !== 0;
}

/** accept(2): the new socket, or WOULDBLOCK. `lenAddr`: where the room for the peer's name stands, or 0. */
export function acceptTry(lp: Lwp, fd: number, lenAddr: number, nonblock = isNonblocking(lp, fd)): Socket | typeof WOULDBLOCK {
  const fp = socketOf(lp, fd);
  if (lenAddr !== 0) bringIn(lp.proc.vmspace!, lenAddr, 4);
  if (fp.socket.kind === SOCK_DGRAM) throw EOPNOTSUPP;
  lp.proc.fd!.reserve(lp, 1);
  const s = fp.socket.accept();
  if (s === WOULDBLOCK && nonblock) throw EAGAIN;
  return s;
}
export function* acceptSlow(lp: Lwp, fd: number, lenAddr: number): Generator<void, Socket, void> {
  const fp = fhold(socketOf(lp, fd));
  try {
    for (;;) {
      if (lenAddr !== 0) yield* whenLoaded(lp, () => bringIn(lp.proc.vmspace!, lenAddr, 4));
      const s = fp.socket.accept();
      if (s !== WOULDBLOCK) return s;
      if ((yield* tsleep(lp, fp.socket.readChan, sleepFlags(lp, fp.recvTimeoutNs), fp.recvTimeoutNs)) === SLEEP_TIMEOUT) throw EAGAIN;
    }
  } finally {
    fdrop(fp, lp);
  }
}

// ---------------------------------------------------------------------------------------------------------
// Messages

/** A send or receive under way. */
export interface MessageIo {
  fd: number;
  uio: Uio;
  /** Native MSG_* bits. */
  flags: number;
  /** Receiver of a datagram, null for the peer. */
  to: SocketName | null;
  /** Files to be sent along, or null. */
  files: readonly File[] | null;
  rights: FileRights | null;
  done: number;
  /** What the rest of the bytes has to wait for, after some were sent. */
  miss: IoMiss | null;
  /** Memory of the process that is looked at when something has been received; 0 bytes of it: none. */
  look: number;
  lookBytes: number;
}

function mayWait(fp: SocketFile, io: MessageIo): boolean {
  return (fp.flags & O_NONBLOCK) === 0 && (io.flags & MSG_DONTWAIT) === 0;
}

/**
 * Sends what there is room for. Returns true when all is sent; after false, the channel wakes when there is room, unless `miss` is to
 * be waited for: whoever takes bytes may do so while they are sent, so room is looked for until there is none.
 */
function sendSome(lp: Lwp, fp: SocketFile, io: MessageIo): boolean {
  const urgent = (io.flags & MSG_OOB) !== 0;
  if (urgent && !fp.protocol.hasUrgent(fp)) throw EOPNOTSUPP;
  if (io.rights === null && io.files !== null && io.files.length > 0) io.rights = new FileRights(lp.k, io.files);
  try {
    for (;;) {
      const n = fp.protocol.send(lp, fp, io.uio, io.to, io.rights, urgent);
      if (n === WOULDBLOCK) return false;
      io.done += n;
      // The first byte carries them; what follows goes alone.
      io.rights = null;
      io.files = null;
      if (io.uio.resid === 0) return true;
    }
  } catch (e) {
    if (e instanceof IoMiss && io.done > 0) {
      io.miss = e;
      return false;
    }
    disposeRights(io);
    if (e === EPIPE && (io.flags & MSG_NOSIGNAL) === 0 && fp.socket.kind !== SOCK_DGRAM) lwpsignal(lp, SIGPIPE);
    throw e;
  }
}

function disposeRights(io: MessageIo): void {
  io.rights?.dispose();
  io.rights = null;
}

export function sendTry(lp: Lwp, io: MessageIo): number {
  const fp = socketOf(lp, io.fd);
  if (sendSome(lp, fp, io)) return io.done;
  if (io.miss === null && !mayWait(fp, io)) {
    fp.sigio?.expectRoom();
    disposeRights(io);
    if (io.done > 0) return io.done;
    throw EAGAIN;
  }
  lp.carry = io;
  return WOULDBLOCK;
}

export function* sendSlow(lp: Lwp): KernelFrame {
  const io = takeCarry(lp);
  const fp = fhold(socketOf(lp, io.fd));
  try {
    for (;;) {
      if (io.miss !== null) {
        yield* waitForLoad(lp, io.miss);
        io.miss = null;
      } else if (!mayWait(fp, io)) return io.done;
      else if ((yield* tsleep(lp, fp.protocol.sendChannel(lp, fp, io.to), sleepFlags(lp, fp.sendTimeoutNs), fp.sendTimeoutNs)) === SLEEP_TIMEOUT) throw EAGAIN;
      if (sendSome(lp, fp, io)) return io.done;
    }
  } catch (e) {
    if (io.done > 0) return io.done;
    throw e;
  } finally {
    disposeRights(io);
    fdrop(fp, lp);
  }
}

/** Receives once; WOULDBLOCK when there is nothing, or MSG_WAITALL wants more. */
function recvSome(fp: SocketFile, io: MessageIo): number {
  const s = fp.socket;
  const n = s.recv(io.uio, (io.flags & MSG_PEEK) !== 0);
  if (n === WOULDBLOCK) return WOULDBLOCK;
  io.done += n;
  const more = (io.flags & (MSG_WAITALL | MSG_PEEK)) === MSG_WAITALL && s.kind === SOCK_STREAM && n > 0 && s.rights === null;
  return more && io.uio.resid > 0 ? WOULDBLOCK : io.done;
}

/** recv(2): sender, rights and truncation are in the socket's fields afterwards. */
export function recvTry(lp: Lwp, io: MessageIo): number {
  const fp = socketOf(lp, io.fd);
  if (io.lookBytes > 0) bringIn(lp.proc.vmspace!, io.look, io.lookBytes);
  if ((io.flags & MSG_OOB) !== 0) {
    if (!fp.protocol.hasUrgent(fp)) throw EOPNOTSUPP;
    return fp.socket.recvUrgent(io.uio, (io.flags & MSG_PEEK) !== 0);
  }
  const n = recvSome(fp, io);
  if (n !== WOULDBLOCK) return n;
  if (!mayWait(fp, io)) {
    if (io.done > 0) return io.done;
    throw EAGAIN;
  }
  lp.carry = io;
  return WOULDBLOCK;
}

export function* recvSlow(lp: Lwp, io: MessageIo): KernelFrame {
  const fp = fhold(socketOf(lp, io.fd));
  try {
    for (;;) {
      if ((yield* tsleep(lp, fp.socket.readChan, sleepFlags(lp, fp.recvTimeoutNs), fp.recvTimeoutNs)) === SLEEP_TIMEOUT) throw EAGAIN;
      if (io.lookBytes > 0) yield* whenLoaded(lp, () => bringIn(lp.proc.vmspace!, io.look, io.lookBytes));
      const n = recvSome(fp, io);
      if (n !== WOULDBLOCK) return n;
    }
  } catch (e) {
    if (io.done > 0) return io.done;
    throw e;
  } finally {
    fdrop(fp, lp);
  }
}

/** What the plain half has left (SS1). */
export function takeCarry(lp: Lwp): MessageIo {
  const io = lp.carry as MessageIo;
  lp.carry = null;
  return io;
}
