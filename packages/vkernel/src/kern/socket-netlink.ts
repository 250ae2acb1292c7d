// SPDX-License-Identifier: BSD-3-Clause
/** Netlink sockets, as the socket calls see them (Linux net/netlink/af_netlink.c). */
import { EADDRINUSE, ECONNREFUSED, EINVAL, EOPNOTSUPP, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from "../sys/errno.ts";
import { SOCK_DGRAM, SOCK_RAW } from "../sys/socket.ts";
import { NetlinkSocket } from "../net/netlink/socket.ts";
import type { NetlinkName, SocketName } from "../net/socket.ts";
import type { Kernel } from "./kernel.ts";
import type { Lwp } from "./proc.ts";
import type { Protocol } from "./protocol.ts";
import { credOf, type SocketFile } from "./socket-file.ts";

const NETLINK_ROUTE = 0;

const socketOf = (fp: SocketFile): NetlinkSocket => fp.socket as NetlinkSocket;

function nameOf(name: SocketName): NetlinkName {
  if (typeof name === "string" || !("groups" in name)) throw EINVAL;
  return name;
}

function isTaken(k: Kernel, port: number): boolean {
  for (const fp of k.sockets.files) if (fp.socket instanceof NetlinkSocket && fp.socket.name.port === port) return true;
  return false;
}

/** The first socket of a process is known by its pid, others by numbers that no process has. */
function freePort(lp: Lwp): number {
  if (!isTaken(lp.k, lp.proc.pid)) return lp.proc.pid;
  let port = 0xffff_f000;
  while (isTaken(lp.k, port)) port--;
  return port;
}

function bind(lp: Lwp, s: NetlinkSocket, name: NetlinkName): void {
  if (s.name.port !== 0 && name.port !== s.name.port && name.port !== 0) throw EINVAL;
  if (name.port !== 0 && name.port !== s.name.port && isTaken(lp.k, name.port)) throw EADDRINUSE;
  s.name = { port: name.port !== 0 ? name.port : s.name.port !== 0 ? s.name.port : freePort(lp), groups: name.groups };
}

export const NETLINK: Protocol = {
  create(lp, _family, type, protocol) {
    if (type !== SOCK_DGRAM && type !== SOCK_RAW) throw ESOCKTNOSUPPORT;
    if (protocol !== NETLINK_ROUTE) throw EPROTONOSUPPORT;
    return new NetlinkSocket(credOf(lp), lp.k.inet, (e) => lp.proc.abi.errno(e));
  },
  bind: (lp, fp, name) => bind(lp, socketOf(fp), nameOf(name)),
  listen() {
    throw EOPNOTSUPP;
  },
  connect(lp, fp, name) {
    if (nameOf(name).port !== 0) throw ECONNREFUSED;
    bind(lp, socketOf(fp), { port: 0, groups: socketOf(fp).name.groups });
    return 0;
  },
  pending: EOPNOTSUPP,
  shakesHands: () => false,
  isUnderWay: () => false,
  connectChannel: (_lp, fp) => fp.socket.roomChan,
  disconnect: () => {},
  hasUrgent: () => false,
  send(lp, fp, uio, to, rights) {
    if (rights !== null) throw EINVAL;
    // Only the kernel listens.
    if (to !== null && nameOf(to).port !== 0) throw ECONNREFUSED;
    const s = socketOf(fp);
    if (s.name.port === 0) bind(lp, s, s.name);
    return s.ask(uio, credOf(lp));
  },
  sendChannel: (_lp, fp) => fp.socket.roomChan,
  release: () => {},
};
