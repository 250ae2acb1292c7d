// SPDX-License-Identifier: BSD-3-Clause
/**
 * {length: u8, family: u8}, then struct sockaddr_un's path of at most 104 bytes, or what sockaddr_in and sockaddr_in6 have
 * (DragonFly 2.0 sys/sys/un.h, sys/netinet/in.h, sys/netinet6/in6.h).
 */
import { EAFNOSUPPORT, EINVAL, ENAMETOOLONG } from "../../sys/errno.ts";
import { AF_INET, AF_INET6, AF_UNIX, SOCK_DGRAM } from "../../sys/socket.ts";
import { readInet, writeInet } from "../../net/inet/sockaddr.ts";
import type { InetName, Socket, SocketName } from "../../net/socket.ts";
import { fuword, suword } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import { getBytes, putBytes } from "./guest-struct.ts";

const SUN_PATH = 104;
/** Length of the address of a socket without a name. */
const NONAME_SIZE = 16;

/** Forms of an address: {length, family}, or a family of 16 bits as 4.3BSD has it. */
export type AddressForm = "bsd44" | "bsd43";

/** The address that a program gives for `s`. Throws EINVAL, ENAMETOOLONG, EAFNOSUPPORT, EFAULT. */
export function getName(lp: Lwp, s: Socket, uaddr: number, len: number, form: AddressForm = "bsd44"): SocketName {
  if (len < 2) throw EINVAL;
  if (len > 2 + SUN_PATH) throw ENAMETOOLONG;
  const b = getBytes(lp, uaddr, len);
  if (form === "bsd43") b[1] = b[0]!;
  if (s.family !== AF_UNIX) {
    if (b[1] !== AF_INET && b[1] !== AF_INET6) throw EAFNOSUPPORT;
    return readInet(b, b[1] === AF_INET6);
  }
  if (b[1] !== AF_UNIX) throw EAFNOSUPPORT;
  const end = b.indexOf(0, 2);
  return String.fromCharCode(...b.subarray(2, end < 0 ? len : end));
}

function encode(s: Socket, name: SocketName): Uint8Array {
  if (typeof name !== "string") return writeInet(name as InetName, s.family === AF_INET6);
  const b = new Uint8Array(name === "" ? NONAME_SIZE : 2 + name.length);
  for (let i = 0; i < name.length; i++) b[2 + i] = name.charCodeAt(i);
  return b;
}

/** Stores an address and its length, as much of it as there is room for. */
export function putName(lp: Lwp, s: Socket, name: SocketName, uaddr: number, lenAddr: number, form: AddressForm = "bsd44"): void {
  const room = fuword(lp.proc.vmspace!, lenAddr);
  if (room < 0) throw EINVAL;
  const b = encode(s, name);
  b[0] = form === "bsd43" ? s.family : b.length;
  b[1] = form === "bsd43" ? 0 : s.family;
  const n = Math.min(room, b.length);
  putBytes(lp, uaddr, b.subarray(0, n));
  suword(lp.proc.vmspace!, lenAddr, n);
}

/** Stores the sender of what was just received: streams have none. */
export function putSender(lp: Lwp, s: Socket, uaddr: number, lenAddr: number, form: AddressForm = "bsd44"): void {
  if (uaddr === 0) return;
  if (s.kind === SOCK_DGRAM) putName(lp, s, s.from, uaddr, lenAddr, form);
  else suword(lp.proc.vmspace!, lenAddr, 0);
}
