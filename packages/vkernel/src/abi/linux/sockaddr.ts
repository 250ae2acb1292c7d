// SPDX-License-Identifier: BSD-3-Clause
/**
 * Linux socket addresses: {family: 16 bits}, then struct sockaddr_un's path of at most 108 bytes, or what sockaddr_in and
 * sockaddr_in6 have (Linux include/linux/socket.h).
 */
import { EAFNOSUPPORT, EINVAL } from "../../sys/errno.ts";
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_STREAM } from "../../sys/socket.ts";
import { readInet, writeInet } from "../../net/inet/sockaddr.ts";
import type { Socket, SocketName } from "../../net/socket.ts";
import { copyin, copyout, fuword, suword } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";

const LINUX_AF_INET6 = 10;
const LINUX_AF_NETLINK = 16;
const SUN_PATH = 108;
const SOCKADDR_NL = 12;
/** sizeof(struct sockaddr_storage) */
const STORAGE = 128;

/** The native number of an address family; an unknown one stays as it is, and is refused later. */
export function nativeFamily(family: number): number {
  if (family === LINUX_AF_INET6) return AF_INET6;
  if (family === LINUX_AF_NETLINK) return AF_NETLINK;
  return family === AF_INET6 ? -1 : family;
}
export function linuxFamily(family: number): number {
  if (family === AF_NETLINK) return LINUX_AF_NETLINK;
  return family === AF_INET6 ? LINUX_AF_INET6 : family;
}

/** Whether an address can be copied in at all. Throws EINVAL for a length that no address has, EFAULT. */
export function checkName(lp: Lwp, uaddr: number, len: number): void {
  if (len < 0 || len > STORAGE) throw EINVAL;
  copyin(lp.proc.vmspace!, uaddr, new Uint8Array(len), 0, len);
}

/** The address that a program gives for `s`. Throws EINVAL, EAFNOSUPPORT, EFAULT. */
export function getName(lp: Lwp, s: Socket, uaddr: number, len: number): SocketName {
  if (len < 2 || len > STORAGE) throw EINVAL;
  const buf = new Uint8Array(len);
  copyin(lp.proc.vmspace!, uaddr, buf, 0, len);
  const family = nativeFamily(buf[0]! | (buf[1]! << 8));
  if (s.family === AF_NETLINK) {
    // struct sockaddr_nl: family, padding, port, groups
    if (len < SOCKADDR_NL || family !== AF_NETLINK) throw EINVAL;
    const dv = new DataView(buf.buffer);
    return { port: dv.getUint32(4, true), groups: dv.getUint32(8, true) };
  }
  if (s.family !== AF_UNIX) {
    if (family !== AF_INET && family !== AF_INET6) throw EAFNOSUPPORT;
    return readInet(buf, family === AF_INET6);
  }
  if (len > 2 + SUN_PATH) throw EINVAL;
  if (family !== AF_UNIX) throw family === 0 ? EINVAL : EAFNOSUPPORT;
  let path = "";
  for (let i = 2; i < len; i++) path += String.fromCharCode(buf[i]!);
  // An abstract name is all of the bytes, a path ends with the first NUL.
  return path.startsWith("\0") ? path : path.split("\0")[0]!;
}

function encode(s: Socket, name: SocketName): Uint8Array {
  let bytes: Uint8Array;
  if (typeof name === "string") {
    const path = name === "" || name.startsWith("\0") ? name : `${name}\0`;
    bytes = Uint8Array.from(`\0\0${path}`, (c) => c.charCodeAt(0));
  } else if ("groups" in name) {
    bytes = new Uint8Array(Uint32Array.of(0, name.port, name.groups).buffer);
  } else bytes = writeInet(name, s.family === AF_INET6);
  bytes[0] = linuxFamily(s.family);
  return bytes;
}

/** Stores an address of the kind that `s` has, and its true length; a short buffer gets what fits. */
export function putName(lp: Lwp, s: Socket, name: SocketName, uaddr: number, lenAddr: number): void {
  if (uaddr !== 0) putAddress(lp, s, name, uaddr, lenAddr);
}
/** As putName, for calls whose purpose the address is. Throws EFAULT, EINVAL. */
export function putAddress(lp: Lwp, s: Socket, name: SocketName, uaddr: number, lenAddr: number): void {
  const vm = lp.proc.vmspace!;
  const room = fuword(vm, lenAddr);
  if (room < 0) throw EINVAL;
  const bytes = encode(s, name);
  copyout(vm, bytes, 0, uaddr, Math.min(room, bytes.length));
  suword(vm, lenAddr, bytes.length);
}

/** Stores the sender of what was just received; a connected stream has none to tell. */
export function putSender(lp: Lwp, s: Socket, uaddr: number, lenAddr: number): void {
  const vm = lp.proc.vmspace!;
  if (s.family !== AF_UNIX && s.kind === SOCK_STREAM) {
    if (fuword(vm, lenAddr) < 0) throw EINVAL;
    suword(vm, lenAddr, 0);
  } else putName(lp, s, s.from, uaddr, lenAddr);
}
