// SPDX-License-Identifier: BSD-3-Clause
/**
 * Socket calls, neutral of ABI (DragonFly 2.0 sys/kern/uipc_syscalls.c). Addresses are names of the local domain:
 * a path, or an abstract name that begins with NUL. Flags are native MSG_* bits.
 *
 * Invariants
 *   SS1  The plain half leaves its request in lp.carry when it returns WOULDBLOCK; the waiting half goes on with it, so
 *        that bytes already moved are not moved again.
 *   SS2  Descriptors are installed only after everything that can fail has succeeded.
 */
import { EACCES, EADDRINUSE, EAFNOSUPPORT, EAGAIN, ECONNREFUSED, EEXIST, EINVAL, ENOTSOCK, EOPNOTSUPP, EPIPE, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from "../sys/errno.ts";
import { AT_FDCWD, O_NONBLOCK } from "../sys/fcntl.ts";
import { SIGPIPE } from "../sys/signal.ts";
import { AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, MSG_WAITALL, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from "../sys/socket.ts";
import { VWRITE } from "../sys/ucred.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import { pair, UnixSocket } from "../net/unix/socket.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { NLC_FOLLOW } from "../vfs/nlookup.ts";
import { VSOCK, vref } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import { fdrop, fhold, type File } from "./file.ts";
import type { KernelFrame, Lwp } from "./proc.ts";
import { lwpsignal } from "./sig.ts";
import { PCATCH, SLEEP_TIMEOUT, tsleep } from "./sleep.ts";
import { credOf, FileRights, SocketFile } from "./socket-file.ts";
import { kernMknod, lookupPath } from "./sys-vfs.ts";

/** Checks what socket(2) asks for. Throws EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT. */
function checkKind(domain: number, type: number, protocol: number): void {
  if (domain !== AF_UNIX) throw EAFNOSUPPORT;
  if (type !== SOCK_STREAM && type !== SOCK_DGRAM && type !== SOCK_SEQPACKET) throw ESOCKTNOSUPPORT;
  if (protocol !== 0 && protocol !== AF_UNIX) throw EPROTONOSUPPORT;
}

/** Makes an open file of a socket and installs it. `flags` may hold O_NONBLOCK. */
export function installSocket(lp: Lwp, s: UnixSocket, flags: number, cloexec: boolean): number {
  const fp = new SocketFile(lp.k, flags, s);
  try {
    return lp.proc.fd!.install(lp, fp, cloexec);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

export function kernSocket(lp: Lwp, domain: number, type: number, protocol: number, flags: number, cloexec: boolean): number {
  checkKind(domain, type, protocol);
  return installSocket(lp, new UnixSocket(type, credOf(lp)), flags, cloexec);
}

/** socketpair(2): both descriptors. */
export function kernSocketpair(
  lp: Lwp, domain: number, type: number, protocol: number, flags: number, cloexec: boolean,
): [number, number] {
  checkKind(domain, type, protocol);
  lp.proc.fd!.reserve(lp, 2);
  const a = new UnixSocket(type, credOf(lp));
  const b = new UnixSocket(type, credOf(lp));
  pair(a, b);
  return [installSocket(lp, a, flags, cloexec), installSocket(lp, b, flags, cloexec)];
}

/** The socket of a descriptor. Throws EBADF, ENOTSOCK. */
export function socketOf(lp: Lwp, fd: number): SocketFile {
  const fp = lp.proc.fd!.get(fd);
  if (!(fp instanceof SocketFile)) throw ENOTSOCK;
  return fp;
}

/** bind(2). Throws EINVAL (bound already), EADDRINUSE, and what making a file throws. */
export function kernBind(lp: Lwp, fd: number, name: string): number {
  const fp = socketOf(lp, fd);
  const s = fp.socket;
  const domain = lp.k.unixDomain;
  if (s.name !== "" || name === "") throw EINVAL;
  if (name.startsWith("\0")) {
    if (!domain.bindName(name, s)) throw EADDRINUSE;
    s.name = name;
    return 0;
  }
  try {
    kernMknod(lp, AT_FDCWD, name, VSOCK, 0o777 & ~lp.proc.fd!.umask, 0);
  } catch (e) {
    throw e === EEXIST ? EADDRINUSE : e;
  }
  const nch = lookupPath(lp, AT_FDCWD, name, 0);
  fp.boundTo = vref(nch.vp!);
  domain.bindNode(fp.boundTo, s);
  s.name = name;
  cacheDrop(nch);
  return 0;
}

/** The socket that a name stands for. Throws ECONNREFUSED, EACCES, and what a path walk throws. */
function resolve(lp: Lwp, name: string): UnixSocket {
  const domain = lp.k.unixDomain;
  if (name === "") throw EINVAL;
  let s: UnixSocket | null;
  if (name.startsWith("\0")) s = domain.atName(name);
  else {
    const nch = lookupPath(lp, AT_FDCWD, name, NLC_FOLLOW);
    try {
      const vp = nch.vp!;
      if (vp.type !== VSOCK) throw ECONNREFUSED;
      if (!vp.access(VWRITE, lp.proc.cred)) throw EACCES;
      s = domain.atNode(vp);
    } finally {
      cacheDrop(nch);
    }
  }
  if (s === null) throw ECONNREFUSED;
  return s;
}

export function connectTry(lp: Lwp, fd: number, name: string): number {
  const fp = socketOf(lp, fd);
  const r = fp.socket.connect(resolve(lp, name), credOf(lp));
  if (r === WOULDBLOCK && (fp.flags & O_NONBLOCK) !== 0) throw EAGAIN;
  return r;
}
export function* connectSlow(lp: Lwp, fd: number, name: string): KernelFrame {
  const fp = fhold(socketOf(lp, fd));
  try {
    for (;;) {
      const to = resolve(lp, name);
      const r = fp.socket.connect(to, credOf(lp));
      if (r !== WOULDBLOCK) return r;
      yield* tsleep(lp, to.roomChan, PCATCH, fp.sendTimeoutNs);
    }
  } finally {
    fdrop(fp, lp);
  }
}

/** connect(2) to nobody: a datagram socket forgets its peer. */
export function kernDisconnect(lp: Lwp, fd: number): number {
  const { socket } = socketOf(lp, fd);
  if (socket.kind !== SOCK_DGRAM) throw EINVAL;
  socket.peer = null;
  return 0;
}

export function kernListen(lp: Lwp, fd: number, backlog: number): number {
  socketOf(lp, fd).socket.listen(backlog, credOf(lp));
  return 0;
}

/** accept(2): the new socket, or WOULDBLOCK. */
export function acceptTry(lp: Lwp, fd: number): UnixSocket | typeof WOULDBLOCK {
  const fp = socketOf(lp, fd);
  if (fp.socket.kind === SOCK_DGRAM) throw EOPNOTSUPP;
  lp.proc.fd!.reserve(lp, 1);
  const s = fp.socket.accept();
  if (s === WOULDBLOCK && (fp.flags & O_NONBLOCK) !== 0) throw EAGAIN;
  return s;
}
export function* acceptSlow(lp: Lwp, fd: number): Generator<void, UnixSocket, void> {
  const fp = fhold(socketOf(lp, fd));
  try {
    for (;;) {
      const s = fp.socket.accept();
      if (s !== WOULDBLOCK) return s;
      if ((yield* tsleep(lp, fp.socket.readChan, PCATCH, fp.recvTimeoutNs)) === SLEEP_TIMEOUT) throw EAGAIN;
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
  /** Receiver of a datagram, "" for the peer. */
  to: string;
  /** Files to be sent along, or null. */
  files: readonly File[] | null;
  rights: FileRights | null;
  done: number;
}

function mayWait(fp: SocketFile, io: MessageIo): boolean {
  return (fp.flags & O_NONBLOCK) === 0 && (io.flags & MSG_DONTWAIT) === 0;
}

/** Sends what there is room for. Returns true when all is sent. */
function sendSome(lp: Lwp, fp: SocketFile, io: MessageIo): boolean {
  if ((io.flags & MSG_OOB) !== 0) throw EOPNOTSUPP;
  const to = io.to === "" ? null : resolve(lp, io.to);
  if (io.rights === null && io.files !== null && io.files.length > 0) io.rights = new FileRights(lp.k, io.files);
  try {
    const n = fp.socket.send(io.uio, to, io.rights, credOf(lp));
    if (n === WOULDBLOCK) return false;
    io.done += n;
    // The first byte carries them; what follows goes alone.
    io.rights = null;
    io.files = null;
    return io.uio.resid === 0;
  } catch (e) {
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
  if (!mayWait(fp, io)) {
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
      const to = io.to === "" ? null : resolve(lp, io.to);
      if ((yield* tsleep(lp, fp.socket.roomOf(to), PCATCH, fp.sendTimeoutNs)) === SLEEP_TIMEOUT) throw EAGAIN;
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
  if ((io.flags & MSG_OOB) !== 0) throw EOPNOTSUPP;
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
      if ((yield* tsleep(lp, fp.socket.readChan, PCATCH, fp.recvTimeoutNs)) === SLEEP_TIMEOUT) throw EAGAIN;
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
