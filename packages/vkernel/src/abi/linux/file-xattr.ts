// SPDX-License-Identifier: BSD-3-Clause
/** Extended attributes for Linux programs (Linux fs/xattr.c). */
import { E2BIG, EBADF, EINVAL, ENOATTR, EOPNOTSUPP, EPERM, ERANGE } from "../../sys/errno.ts";
import { AT_FDCWD, O_PATH } from "../../sys/fcntl.ts";
import { AF_INET6, AF_NETLINK, AF_UNIX, SOCK_STREAM } from "../../sys/socket.ts";
import { FifoFile } from "../../kern/fifo-file.ts";
import type { File } from "../../kern/file.ts";
import type { Lwp } from "../../kern/proc.ts";
import { SocketFile } from "../../kern/socket-file.ts";
import { withPath } from "../../kern/sys-vfs.ts";
import {
  kernGetxattr, kernListxattr, kernRemovexattr, kernSetxattr, USER_NAMESPACE, XATTR_LIST_MAX, XATTR_NAME_MAX, XATTR_SIZE_MAX,
} from "../../kern/sys-xattr.ts";
import { fd, hex, path, plain, size, type Sysent, uptr } from "../../kern/sysent.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { NLC_FOLLOW } from "../../vfs/nlookup.ts";
import type { Vnode, XattrMode } from "../../vfs/vnode.ts";
import { copyin, copyout } from "../../vm/copyio.ts";
import { pathArg, textArg } from "./file-flags.ts";

const XATTR_CREATE = 1;
const XATTR_REPLACE = 2;

/** An attribute's name. Throws ERANGE, EFAULT. */
function nameArg(lp: Lwp, uaddr: number): string {
  const name = textArg(lp, uaddr, XATTR_NAME_MAX, ERANGE);
  if (name === "") throw ERANGE;
  return name;
}

/** What a set call is to store. Throws EINVAL, ERANGE, E2BIG, EFAULT. */
interface NewAttribute { name: string; value: Uint8Array; mode: XattrMode | "neither" }
function newAttribute(lp: Lwp, a: Int32Array): NewAttribute {
  const flags = a[4]!;
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) throw EINVAL;
  const name = nameArg(lp, a[1]!);
  const length = a[3]! >>> 0;
  if (length > XATTR_SIZE_MAX) throw E2BIG;
  const value = new Uint8Array(length);
  copyin(lp.proc.vmspace!, a[2]!, value, 0, length);
  const mode = flags === XATTR_CREATE ? "create" : flags === XATTR_REPLACE ? "replace" : flags === 0 ? "set" : "neither";
  return { name, value, mode };
}

/** Bytes into a buffer of `room` bytes, with room 0 none: how many there are. Throws ERANGE; E2BIG when no room would do. */
function put(lp: Lwp, bytes: Uint8Array, uaddr: number, room: number, most: number): number {
  if (room === 0) return bytes.length;
  if (bytes.length > Math.min(room >>> 0, most)) throw bytes.length > most ? E2BIG : ERANGE;
  if (bytes.length > 0) copyout(lp.proc.vmspace!, bytes, 0, uaddr, bytes.length);
  return bytes.length;
}
const bytesOf = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

/** The open file of a descriptor that does more than name it. Throws EBADF. */
function fileOf(lp: Lwp, d: number): File {
  const fp = lp.proc.fd!.get(d);
  if ((fp.flags & O_PATH) !== 0) throw EBADF;
  return fp;
}
/** Its vnode; null for files that have none (pipes, sockets, events), which keep no attributes. */
function vnodeOf(fp: File): Vnode | null {
  return fp instanceof VnodeFile || fp instanceof FifoFile ? fp.vp : null;
}

/** The one attribute that sockets have: the name of their protocol. */
const SOCKET_ATTRIBUTE = "system.sockprotoname";
function protocolName({ socket }: SocketFile): string {
  switch (socket.family) {
    case AF_UNIX:
      return "UNIX";
    case AF_NETLINK:
      return "NETLINK";
    default:
      return `${socket.kind === SOCK_STREAM ? "TCP" : "UDP"}${socket.family === AF_INET6 ? "v6" : ""}`;
  }
}

const set = (follow: number) => (lp: Lwp, a: Int32Array): number => {
  const attribute = newAttribute(lp, a);
  withPath(lp, AT_FDCWD, pathArg(lp, a[0]!), follow, (vp) => kernSetxattr(lp.proc, vp, attribute.name, attribute.value, attribute.mode));
  return 0;
};
function sysFsetxattr(lp: Lwp, a: Int32Array): number {
  const vp = vnodeOf(fileOf(lp, a[0]!));
  const attribute = newAttribute(lp, a);
  if (vp === null) throw attribute.name.startsWith(USER_NAMESPACE) ? EPERM : EOPNOTSUPP;
  kernSetxattr(lp.proc, vp, attribute.name, attribute.value, attribute.mode);
  return 0;
}

const get = (follow: number) => (lp: Lwp, a: Int32Array): number => {
  const name = nameArg(lp, a[1]!);
  return withPath(lp, AT_FDCWD, pathArg(lp, a[0]!), follow, (vp) => put(lp, kernGetxattr(lp.proc, vp, name), a[2]!, a[3]!, XATTR_SIZE_MAX));
};
function sysFgetxattr(lp: Lwp, a: Int32Array): number {
  const fp = fileOf(lp, a[0]!);
  const name = nameArg(lp, a[1]!);
  const vp = vnodeOf(fp);
  if (vp !== null) return put(lp, kernGetxattr(lp.proc, vp, name), a[2]!, a[3]!, XATTR_SIZE_MAX);
  if (fp instanceof SocketFile && name === SOCKET_ATTRIBUTE) return put(lp, bytesOf(`${protocolName(fp)}\0`), a[2]!, a[3]!, XATTR_SIZE_MAX);
  throw name.startsWith(USER_NAMESPACE) ? ENOATTR : EOPNOTSUPP;
}

const list = (follow: number) => (lp: Lwp, a: Int32Array): number =>
  withPath(lp, AT_FDCWD, pathArg(lp, a[0]!), follow, (vp) => put(lp, bytesOf(kernListxattr(lp.proc, vp)), a[1]!, a[2]!, XATTR_LIST_MAX));
function sysFlistxattr(lp: Lwp, a: Int32Array): number {
  const fp = fileOf(lp, a[0]!);
  const vp = vnodeOf(fp);
  const names = vp !== null ? kernListxattr(lp.proc, vp) : fp instanceof SocketFile ? `${SOCKET_ATTRIBUTE}\0` : "";
  return put(lp, bytesOf(names), a[1]!, a[2]!, XATTR_LIST_MAX);
}

const remove = (follow: number) => (lp: Lwp, a: Int32Array): number => {
  const name = nameArg(lp, a[1]!);
  withPath(lp, AT_FDCWD, pathArg(lp, a[0]!), follow, (vp) => kernRemovexattr(lp.proc, vp, name));
  return 0;
};
function sysFremovexattr(lp: Lwp, a: Int32Array): number {
  const vp = vnodeOf(fileOf(lp, a[0]!));
  const name = nameArg(lp, a[1]!);
  if (vp === null) throw name.startsWith(USER_NAMESPACE) ? EPERM : EOPNOTSUPP;
  kernRemovexattr(lp.proc, vp, name);
  return 0;
}

export const FILE_XATTR_ROWS: readonly Sysent[] = [
  plain(226, "setxattr", [path, path, uptr, size, hex], set(NLC_FOLLOW)),
  plain(227, "lsetxattr", [path, path, uptr, size, hex], set(0)),
  plain(228, "fsetxattr", [fd, path, uptr, size, hex], sysFsetxattr),
  plain(229, "getxattr", [path, path, uptr, size], get(NLC_FOLLOW)),
  plain(230, "lgetxattr", [path, path, uptr, size], get(0)),
  plain(231, "fgetxattr", [fd, path, uptr, size], sysFgetxattr),
  plain(232, "listxattr", [path, uptr, size], list(NLC_FOLLOW)),
  plain(233, "llistxattr", [path, uptr, size], list(0)),
  plain(234, "flistxattr", [fd, uptr, size], sysFlistxattr),
  plain(235, "removexattr", [path, path], remove(NLC_FOLLOW)),
  plain(236, "lremovexattr", [path, path], remove(0)),
  plain(237, "fremovexattr", [fd, path], sysFremovexattr),
];
