// SPDX-License-Identifier: BSD-3-Clause
/**
 * Sockets of the local domain, whose names are files or abstract (DragonFly 2.0 sys/kern/uipc_usrreq.c).
 * @module
 */
import { EACCES, EADDRINUSE, EAGAIN, ECONNREFUSED, EEXIST, EINVAL, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from "../sys/errno.ts";
import { AT_FDCWD } from "../sys/fcntl.ts";
import { AF_UNIX, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_STREAM } from "../sys/socket.ts";
import { VWRITE } from "../sys/ucred.ts";
import { Socket, type SocketName } from "../net/socket.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { NLC_FOLLOW } from "../vfs/nlookup.ts";
import { VSOCK, vref, vrele } from "../vfs/vnode.ts";
import type { Lwp } from "./proc.ts";
import type { Protocol } from "./protocol.ts";
import { credOf, type SocketFile } from "./socket-file.ts";
import { kernMknod, lookupPath } from "./sys-vfs.ts";

/** The socket that a name stands for. Throws ECONNREFUSED, EACCES, and what a path walk throws. */
function resolve(lp: Lwp, name: SocketName): Socket {
  if (typeof name !== "string" || name === "") throw EINVAL;
  const domain = lp.k.unixDomain;
  let s: Socket | null;
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

/** bind(2). Throws EINVAL (bound already), EADDRINUSE, and what making a file throws. */
function bind(lp: Lwp, fp: SocketFile, name: SocketName): void {
  const s = fp.socket;
  const domain = lp.k.unixDomain;
  if (s.name !== "" || name === "" || typeof name !== "string") throw EINVAL;
  if (name.startsWith("\0")) {
    if (!domain.bindName(name, s)) throw EADDRINUSE;
    s.name = name;
    return;
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
}

/** Binds a socket that has no name yet to an abstract one that nobody has. */
export function autobind(lp: Lwp, fp: SocketFile): void {
  const domain = lp.k.unixDomain;
  if (fp.socket.name !== "") return;
  let name: string;
  do name = `\0${(domain.nextName = (domain.nextName + 1) & 0xf_ffff).toString(16).padStart(5, "0")}`;
  while (!domain.bindName(name, fp.socket));
  fp.socket.name = name;
}

function release(fp: SocketFile): void {
  const { socket, boundTo } = fp;
  const domain = fp.k.unixDomain;
  const { name } = socket;
  if (boundTo !== null) {
    domain.unbindNode(boundTo);
    vrele(boundTo);
    fp.boundTo = null;
  } else if (typeof name === "string" && name.startsWith("\0") && domain.atName(name) === socket) domain.unbindName(name);
}

export const LOCAL: Protocol = {
  create(lp, _family, type, protocol) {
    if (type !== SOCK_STREAM && type !== SOCK_DGRAM && type !== SOCK_SEQPACKET) throw ESOCKTNOSUPPORT;
    if (protocol !== 0 && protocol !== AF_UNIX) throw EPROTONOSUPPORT;
    return new Socket(AF_UNIX, type, credOf(lp));
  },
  bind,
  listen(lp, fp, backlog) {
    if (fp.socket.kind !== SOCK_DGRAM && fp.socket.name === "") throw EINVAL;
    fp.socket.listen(backlog, credOf(lp));
  },
  connect: (lp, fp, name) => fp.socket.connect(resolve(lp, name), credOf(lp)),
  pending: EAGAIN,
  shakesHands: () => false,
  isUnderWay: () => false,
  connectChannel: (lp, _fp, name) => resolve(lp, name).roomChan,
  disconnect(fp) {
    if (fp.socket.kind !== SOCK_DGRAM) throw EINVAL;
    fp.socket.meetPeer(null);
  },
  hasUrgent: () => false,
  send: (lp, fp, uio, to, rights) => fp.socket.send(uio, to === null ? null : resolve(lp, to), rights, credOf(lp)),
  sendChannel: (lp, fp, to) => fp.socket.roomOf(to === null ? null : resolve(lp, to)),
  release,
};
