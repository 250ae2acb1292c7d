// SPDX-License-Identifier: BSD-3-Clause
/** struct sockaddr_un {length: u8, family: u8, path: at most 104 bytes} (DragonFly 2.0 sys/sys/un.h). */
import { EAFNOSUPPORT, EINVAL, ENAMETOOLONG } from "../../sys/errno.ts";
import { AF_UNIX, SOCK_DGRAM } from "../../sys/socket.ts";
import type { UnixSocket } from "../../net/unix/socket.ts";
import { fuword, suword } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import { getBytes, putBytes } from "./guest-struct.ts";

const SUN_PATH = 104;
/** Length of the address of a socket without a name. */
const NONAME_SIZE = 16;

/** The path in an address. Throws EINVAL, ENAMETOOLONG, EAFNOSUPPORT, EFAULT. */
export function getName(lp: Lwp, uaddr: number, len: number): string {
  if (len < 2) throw EINVAL;
  if (len > 2 + SUN_PATH) throw ENAMETOOLONG;
  const b = getBytes(lp, uaddr, len);
  if (b[1] !== AF_UNIX) throw EAFNOSUPPORT;
  const end = b.indexOf(0, 2);
  return String.fromCharCode(...b.subarray(2, end < 0 ? len : end));
}

/** Stores an address and its length, as much of it as there is room for. */
export function putName(lp: Lwp, name: string, uaddr: number, lenAddr: number): void {
  if (uaddr === 0) return;
  const room = fuword(lp.proc.vmspace!, lenAddr);
  if (room < 0) throw EINVAL;
  const b = new Uint8Array(name === "" ? NONAME_SIZE : 2 + name.length);
  b[0] = b.length;
  b[1] = AF_UNIX;
  for (let i = 0; i < name.length; i++) b[2 + i] = name.charCodeAt(i);
  const n = Math.min(room, b.length);
  putBytes(lp, uaddr, b.subarray(0, n));
  suword(lp.proc.vmspace!, lenAddr, n);
}

/** Stores the sender of what was just received: streams have none. */
export function putSender(lp: Lwp, s: UnixSocket, uaddr: number, lenAddr: number): void {
  if (uaddr === 0) return;
  if (s.kind === SOCK_DGRAM) putName(lp, s.from, uaddr, lenAddr);
  else suword(lp.proc.vmspace!, lenAddr, 0);
}
