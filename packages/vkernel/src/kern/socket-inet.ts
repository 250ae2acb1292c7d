// SPDX-License-Identifier: BSD-3-Clause
/**
 * Sockets of the internet domain, as the socket calls see them (DragonFly 2.0 sys/netinet/tcp_usrreq.c, udp_usrreq.c).
 * @module
 */
import { EADDRNOTAVAIL, EAFNOSUPPORT, EINPROGRESS, EINVAL, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from "../sys/errno.ts";
import { AF_INET, AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM } from "../sys/socket.ts";
import { CAP_NET_RAW, capable } from "../sys/capability.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import type { InetName, SocketName } from "../net/socket.ts";
import { ANY6, isInet4 } from "../net/inet/address.ts";
import { InetSocket } from "../net/inet/socket.ts";
import { RawSocket } from "../net/inet/raw.ts";
import type { Lwp } from "./proc.ts";
import type { Protocol } from "./protocol.ts";
import { credOf, type SocketFile } from "./socket-file.ts";

function inetOf(fp: SocketFile): InetSocket {
  return fp.socket as InetSocket;
}
/** The address in a socket's own family. Throws EAFNOSUPPORT, EADDRNOTAVAIL. */
function nameFor(s: InetSocket, name: SocketName): InetName {
  if (typeof name === "string" || !("host" in name)) throw EAFNOSUPPORT;
  if (s.family === AF_INET && !isInet4(name.host)) {
    if (name.host === ANY6) throw EINVAL;
    throw EAFNOSUPPORT;
  }
  if (s.onlySix && isInet4(name.host)) throw EADDRNOTAVAIL;
  return name;
}

/** There are no packets but those of ICMP. Throws EPROTONOSUPPORT, EPERM. */
function createRaw(lp: Lwp, family: number, protocol: number): RawSocket {
  if (protocol !== (family === AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) throw EPROTONOSUPPORT;
  if (!capable(lp.proc.cred, CAP_NET_RAW)) throw EPERM;
  const s = new RawSocket(family, protocol, credOf(lp));
  lp.k.inet.addRaw(s);
  return s;
}

export const INET: Protocol = {
  create(lp, family, type, protocol) {
    if (type === SOCK_RAW) return createRaw(lp, family, protocol);
    if (type !== SOCK_STREAM && type !== SOCK_DGRAM) throw ESOCKTNOSUPPORT;
    const known = type === SOCK_STREAM ? [IPPROTO_TCP] : [IPPROTO_UDP, IPPROTO_UDPLITE, family === AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP];
    if (protocol !== 0 && !known.includes(protocol)) throw EPROTONOSUPPORT;
    return new InetSocket(family, type, credOf(lp), protocol === 0 ? known[0] : protocol);
  },
  bind(lp, fp, name) {
    const s = inetOf(fp);
    lp.k.inet.bind(s, nameFor(s, name), credOf(lp));
  },
  listen(lp, fp, backlog) {
    const s = inetOf(fp);
    if (s.kind !== SOCK_STREAM) throw EOPNOTSUPP;
    if (s.connecting || s.peer !== null) throw EINVAL;
    lp.k.inet.bindAny(s);
    s.listen(backlog, credOf(lp));
  },
  connect(lp, fp, name) {
    const s = inetOf(fp);
    const to = nameFor(s, name);
    if (s.kind === SOCK_STREAM) return lp.k.inet.connect(s, to, credOf(lp));
    lp.k.inet.setRemote(s, to);
    return 0;
  },
  pending: EINPROGRESS,
  shakesHands: (fp) => inetOf(fp).kind === SOCK_STREAM,
  isUnderWay: (fp) => inetOf(fp).connecting,
  connectChannel: (_lp, fp) => fp.socket.roomOf(null),
  disconnect(fp) {
    const s = inetOf(fp);
    if (s.kind !== SOCK_DGRAM) throw EINVAL;
    fp.k.inet.setRemote(s, null);
  },
  hasUrgent: (fp) => inetOf(fp).isTcp,
  send(lp, fp, uio, to, rights, urgent) {
    const s = inetOf(fp);
    if (rights !== null) throw EINVAL;
    if (s.kind === SOCK_DGRAM) return lp.k.inet.send(s, uio, to === null ? null : nameFor(s, to), credOf(lp));
    if (s.connecting) return WOULDBLOCK;
    if (s.peer === null && !s.peerGone && s.error === null) throw lp.proc.abi.unconnectedSend;
    return s.send(uio, null, null, credOf(lp), urgent);
  },
  sendChannel: (_lp, fp) => fp.socket.roomOf(null),
  release: () => {},
};
