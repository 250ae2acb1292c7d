// SPDX-License-Identifier: BSD-3-Clause
/**
 * The internet domain of one machine: its addresses, its port tables, and the way to the host's network where there is one.
 *
 * The machine has a loopback interface always. With a network it also has the address MACHINE, and behind it, as user-mode
 * networks have them, GATEWAY (the host's own loopback) and NAMESERVER (whoever the host asks for names). Everything else is
 * reached through sockets of the host: connections and datagrams, no other packets.
 * @module
 */
import { CAP_NET_BIND_SERVICE, capable } from "../../sys/capability.ts";
import {
  EACCES, EADDRINUSE, EADDRNOTAVAIL, ECONNREFUSED, EDESTADDRREQ, EINVAL, EISCONN, EMSGSIZE, ENETUNREACH, EPIPE, errnoByName,
  ETIMEDOUT,
} from "../../sys/errno.ts";
import { AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from "../../sys/socket.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { KERNEL_CRED, type ByteSource, type InetName, type PacketFields, type PeerCred } from "../socket.ts";
import { answerTo, echoRequest, replyId, sumMessage } from "./echo.ts";
import { ANY4, ANY6, isAny, isInet4, isLoopback, LOOPBACK4, LOOPBACK6, parseAddress } from "./address.ts";
import type { HostConnection, HostDatagrams, HostNetwork } from "./host.ts";
import { HostStream } from "./host-stream.ts";
import { RawSocket } from "./raw.ts";
import { DEFAULT_HOPS, type InetSocket } from "./socket.ts";

export const MACHINE = "10.0.2.15";
export const GATEWAY = "10.0.2.2";
export const NAMESERVER = "10.0.2.3";
/** The machine's address towards IPv6 destinations. */
export const MACHINE6 = "fec0:0:0:0:0:0:0:15";

/** Ports given to sockets that do not ask for one (DragonFly 2.0 net.inet.ip.portrange.first and last). */
const PORT_FIRST = 49_152;
const PORT_LAST = 65_535;
/** Ports below are root's. */
const PORT_RESERVED = 1024;
const DATAGRAM_MOST = 65_507;

export interface InetOptions {
  /** The host's network; null: none, only loopback. */
  readonly host: HostNetwork | null;
  /** Programs may reach out. */
  readonly outgoing: boolean;
  /** Runs a callback of the host in kernel context. */
  readonly post: (event: () => void) => void;
}

/** A host port whose connections go to a port of the machine. */
export interface PublishedPort {
  /** Address of the host to listen at. */
  readonly host: string;
  readonly port: number;
  readonly guestPort: number;
  /** What arrives there; connections unless told. */
  readonly kind?: "tcp" | "udp";
}

/** A host port whose datagrams go to a port of the machine, and who has sent some: they may be answered. */
interface PublishedDatagrams {
  readonly link: HostDatagrams;
  /** By address and port inside, longest silent first. */
  readonly peers: Set<string>;
}
/** A destination beyond the machine, as the host names it. */
interface Outside {
  readonly network: HostNetwork;
  readonly to: { host: string; port: number };
}
/** Senders that a published port remembers. */
const PEERS_MOST = 1024;

const peerKey = ({ host, port }: InetName): string => `${host} ${port}`;

export class InetDomain {
  readonly #options: InetOptions;
  /** Bound sockets by protocol and port. */
  readonly #ports = new Map<number, InetSocket[]>();
  readonly #raw = new Set<RawSocket>();
  #nextPort = PORT_FIRST;
  readonly #stops: (() => void)[] = [];
  readonly #publishedDatagrams = new Map<number, PublishedDatagrams>();

  constructor(options: InetOptions) {
    this.#options = options;
  }

  get hasNetwork(): boolean {
    return this.#options.host !== null;
  }

  // Ports -------------------------------------------------------------------------------------------------

  #at(protocol: number, port: number): readonly InetSocket[] {
    return this.#ports.get(protocol * 0x1_0000 + port) ?? [];
  }
  #isLocal(host: string): boolean {
    return isAny(host) || isLoopback(host) || (this.hasNetwork && (host === MACHINE || host === MACHINE6));
  }
  /** Whether addresses at the same port would take each other's traffic. */
  #overlaps(a: InetSocket, host: string, onlySix: boolean): boolean {
    const b = a.name.host;
    if (isInet4(b) !== isInet4(host)) {
      const six = isInet4(b) ? onlySix : a.onlySix;
      const sixHost = isInet4(b) ? host : b;
      return sixHost === ANY6 && !six;
    }
    return b === host || isAny(b) || isAny(host);
  }
  #isFree(s: InetSocket, name: InetName): boolean {
    return this.#at(s.protocol, name.port).every((other) => {
      if (!this.#overlaps(other, name.host, s.onlySix)) return true;
      if (s.reusePort && other.reusePort) return true;
      return s.reuseAddress && other.reuseAddress && !other.listening;
    });
  }
  #enter(s: InetSocket, name: InetName): void {
    const key = s.protocol * 0x1_0000 + name.port;
    const list = this.#ports.get(key);
    if (list === undefined) this.#ports.set(key, [s]);
    else list.push(s);
    s.name = name;
    s.bound = true;
    s.onClosed = (gone) => this.#leave(gone, key);
  }
  #leave(s: InetSocket, key: number): void {
    const rest = (this.#ports.get(key) ?? []).filter((other) => other !== s);
    if (rest.length > 0) this.#ports.set(key, rest);
    else this.#ports.delete(key);
    s.bound = false;
  }
  #freePort(s: InetSocket, host: string): number {
    for (let tries = PORT_LAST - PORT_FIRST + 1; tries > 0; tries--) {
      const port = this.#nextPort;
      this.#nextPort = port === PORT_LAST ? PORT_FIRST : port + 1;
      if (this.#at(s.protocol, port).every((other) => !this.#overlaps(other, host, s.onlySix))) return port;
    }
    throw EADDRNOTAVAIL;
  }

  /** bind(2). Throws EINVAL (bound already), EADDRNOTAVAIL, EADDRINUSE, EACCES. */
  bind(s: InetSocket, name: InetName, cred: PeerCred): void {
    if (s.bound || s.peer !== null) throw EINVAL;
    if (!this.#isLocal(name.host)) throw EADDRNOTAVAIL;
    if (s instanceof RawSocket) {
      s.name = { host: name.host, port: 0 };
      s.hostAsked = !isAny(name.host);
      return;
    }
    if (name.port !== 0 && name.port < PORT_RESERVED && !capable(cred, CAP_NET_BIND_SERVICE) && !s.isEcho) throw EACCES;
    const port = name.port === 0 ? this.#freePort(s, name.host) : name.port;
    const whole = { host: name.host, port };
    if (name.port !== 0 && !this.#isFree(s, whole)) throw EADDRINUSE;
    this.#enter(s, whole);
    s.hostAsked = !isAny(name.host);
    s.portAsked = name.port !== 0;
  }
  /** Gives a socket that has none a port. */
  bindAny(s: InetSocket): void {
    if (s.bound || s instanceof RawSocket) return;
    const host = s.family === AF_INET6 ? ANY6 : ANY4;
    this.#enter(s, { host, port: this.#freePort(s, host) });
  }

  /** The socket that traffic for `name` goes to: one bound to the address itself rather than to any. */
  #find(protocol: number, name: InetName, wanted: (s: InetSocket) => boolean): InetSocket | null {
    let general: InetSocket | null = null;
    for (const s of this.#at(protocol, name.port)) {
      if (!wanted(s)) continue;
      if (s.name.host === name.host) return s;
      if (this.#overlaps(s, name.host, false) && isAny(s.name.host)) general ??= s;
    }
    return general;
  }
  #listener(name: InetName): InetSocket | null {
    return this.#find(IPPROTO_TCP, name, (s) => s.listening && !s.closed);
  }

  // Connections ---------------------------------------------------------------------------------------------

  /** Where a destination leads: "any" is this machine. */
  #destination(name: InetName): InetName {
    if (name.host === ANY4) return { host: LOOPBACK4, port: name.port };
    return name.host === ANY6 ? { host: LOOPBACK6, port: name.port } : name;
  }
  /** The address from which a socket reaches `to`. */
  #source(s: InetSocket, to: InetName): InetName {
    const asked = s.nextFields?.source;
    if (asked !== undefined) return { host: asked, port: s.name.port };
    if (!isAny(s.name.host)) return s.name;
    let host = to.host;
    if (!this.#isLocal(to.host)) host = isInet4(to.host) ? MACHINE : MACHINE6;
    return { host, port: s.name.port };
  }
  /** The host's name for an address that is not this machine's. Throws ENETUNREACH. */
  #outside(name: InetName): Outside {
    const network = this.#options.host;
    if (network === null || !this.#options.outgoing || name.port === 0) throw ENETUNREACH;
    if (name.host === GATEWAY) return { network, to: { host: LOOPBACK4, port: name.port } };
    if (name.host !== NAMESERVER) return { network, to: name };
    const [server] = network.nameservers();
    if (server === undefined) throw ENETUNREACH;
    return { network, to: name.port === 53 ? server : { host: server.host, port: name.port } };
  }

  /** connect(2) of a stream: 0, or WOULDBLOCK while it is under way. Throws ECONNREFUSED, ENETUNREACH, EISCONN, EALREADY. */
  connect(s: InetSocket, name: InetName, cred: PeerCred): number {
    s.startConnect();
    if (s.listening) throw EISCONN;
    const there = this.#destination(name);
    if (this.#isLocal(there.host)) {
      const listener = this.#listener(there);
      if (listener === null) throw ECONNREFUSED;
      this.bindAny(s);
      return s.connectTo(listener, this.#source(s, there), there, cred);
    }
    const { network, to } = this.#outside(there);
    this.bindAny(s);
    s.name = this.#source(s, there);
    s.remote = there;
    s.connecting = true;
    network.connect(to, (error, connection) =>
      this.#options.post(() => this.#connected(s, error, connection, cred)),
    );
    return WOULDBLOCK;
  }
  #connected(s: InetSocket, error: string | null, connection: HostConnection | null, cred: PeerCred): void {
    if (s.closed) {
      connection?.destroy();
      return;
    }
    if (connection === null) {
      s.error = errnoByName(error ?? "") ?? ETIMEDOUT;
      s.remote = null;
    } else new HostStream(s, this.#inKernel(connection), cred);
    s.finishConnect();
  }

  /** `connection` with its callbacks in kernel context. */
  #inKernel(connection: HostConnection): HostConnection {
    const { post } = this.#options;
    return {
      remote: connection.remote,
      onData: (sink) => connection.onData((bytes) => post(() => sink(bytes))),
      pause: () => connection.pause(),
      resume: () => connection.resume(),
      write: (pieces) => connection.write(pieces),
      onDrain: (callback) => connection.onDrain(() => post(callback)),
      end: () => connection.end(),
      destroy: () => connection.destroy(),
      onClose: (callback) => connection.onClose((error) => post(() => callback(error))),
    };
  }

  // Datagrams -----------------------------------------------------------------------------------------------

  /** #outside() for datagrams: the host's network carries UDP. */
  #beyond(s: InetSocket, there: InetName): Outside {
    if (s.protocol !== IPPROTO_UDP) throw ENETUNREACH;
    return this.#outside(there);
  }

  /** connect(2) of a datagram socket: its only peer from now on; null forgets it. */
  setRemote(s: InetSocket, name: InetName | null): void {
    if (name === null) {
      s.remote = null;
      const { port } = s.name;
      if (!s.hostAsked) s.name = { host: s.family === AF_INET6 ? ANY6 : ANY4, port };
      if (s.bound && !s.portAsked) {
        this.#leave(s, s.protocol * 0x1_0000 + port);
        s.name = { host: s.name.host, port: 0 };
      }
      return;
    }
    const there = this.#destination(s.isEcho || s instanceof RawSocket ? { host: name.host, port: 0 } : name);
    if (!this.#isLocal(there.host) && this.#answers(s, there) === null) this.#beyond(s, there);
    this.bindAny(s);
    s.name = this.#source(s, there);
    s.remote = there;
  }

  /** The published port through which `s` may answer `there`, without any other way out; null when there is none. */
  #answers(s: InetSocket, there: InetName): HostDatagrams | null {
    if (s.protocol !== IPPROTO_UDP) return null;
    const published = s.bound ? this.#publishedDatagrams.get(s.name.port) : undefined;
    return published !== undefined && published.peers.has(peerKey(there)) ? published.link : null;
  }

  /** Whether a datagram to `to` may say that it comes from `source`. Throws EINVAL, ENETUNREACH. */
  #checkSource(source: string, to: InetName): void {
    if (isInet4(source) !== isInet4(to.host)) throw EINVAL;
    if (!this.#isLocal(source)) throw isInet4(source) ? ENETUNREACH : EINVAL;
  }

  /** Sends a datagram, whole. Throws EDESTADDRREQ, EISCONN, EMSGSIZE, ENETUNREACH, EPIPE, ECONNREFUSED of one sent before. */
  send(s: InetSocket, from: ByteSource, to: InetName | null, cred: PeerCred): number {
    s.checkSend();
    if (s.isSendShut) throw EPIPE;
    const name = to ?? s.remote;
    if (name === null) throw EDESTADDRREQ;
    const source = s.nextFields?.source;
    if (source !== undefined) this.#checkSource(source, name);
    if (from.resid > DATAGRAM_MOST) throw EMSGSIZE;
    if (s.isEcho || s instanceof RawSocket) return this.#sendIcmp(s, from, this.#destination(name), cred);
    if (name.port === 0) throw EINVAL;
    const there = this.#destination(name);
    const isHere = this.#isLocal(there.host);
    const answered = isHere ? null : this.#answers(s, there);
    const outside = isHere || answered !== null ? null : this.#beyond(s, there);
    this.bindAny(s);
    const data = new Uint8Array(from.resid);
    from.get(data, 0, data.length);
    if (answered !== null) {
      answered.send(data, { host: there.host === GATEWAY ? LOOPBACK4 : there.host, port: there.port });
    } else if (outside === null) {
      const target = this.#find(s.protocol, there, (other) => !other.closed);
      if (target === null) s.refuse();
      else target.deliver(data, this.#source(s, there), cred, s.fieldsToSend(there.host));
    } else this.#hostDatagrams(s, there, outside.network).send(data, outside.to);
    return data.length;
  }

  /** From now on the socket gets copies of messages. */
  addRaw(s: RawSocket): void {
    this.#raw.add(s);
    s.onClosed = () => this.#raw.delete(s);
  }

  /**
   * A message of an echo socket or a raw one: the machine's own addresses answer. The host lets no ordinary program send any to others.
   * Throws EINVAL (of an echo socket, and no echo request), ENETUNREACH.
   */
  #sendIcmp(s: InetSocket, from: ByteSource, there: InetName, cred: PeerCred): number {
    const message = new Uint8Array(from.resid);
    from.get(message, 0, message.length);
    this.bindAny(s);
    const here = this.#source(s, there).host;
    const sent = s.isEcho ? echoRequest(message, s.name.port, here, there.host) : message;
    if (!this.#isLocal(there.host)) this.#beyond(s, there);
    // The sum of an ICMPv6 message is the kernel's to fill in (RFC 3542 §3.1).
    if (!isInet4(there.host)) sumMessage(sent, here, there.host);
    this.#arrived(sent, here, there.host, s.fieldsToSend(there.host), cred);
    return message.length;
  }
  /** A message for the machine: raw sockets see it, echo requests are answered, replies go to who has sent the request. */
  #arrived(message: Uint8Array, from: string, to: string, fields: PacketFields, cred: PeerCred): void {
    for (const raw of this.#raw) raw.take(message, from, to, fields, cred);
    const id = replyId(message, to);
    if (id !== null) {
      const protocol = isInet4(to) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
      this.#find(protocol, { host: to, port: id }, (s) => !s.closed)?.deliver(message, { host: from, port: 0 }, cred, fields);
    }
    const answer = answerTo(message, from, to);
    if (answer !== null) this.#arrived(answer, to, from, { hopLimit: DEFAULT_HOPS, trafficClass: fields.trafficClass, to: from }, cred);
  }

  #hostDatagrams(s: InetSocket, there: InetName, network: HostNetwork): HostDatagrams {
    const any = isInet4(there.host) ? ANY4 : ANY6;
    const known = s.hostDatagrams.get(any);
    if (known !== undefined) return known;
    const link = network.datagrams({ host: any, port: 0 });
    link.onMessage((bytes, sender) =>
      this.#options.post(() => this.#deliverFrom(s, bytes, this.#inside(network, sender))),
    );
    s.hostDatagrams.set(any, link);
    return link;
  }
  /** A datagram from another machine has come for `s`; the host keeps its header. */
  #deliverFrom(s: InetSocket, bytes: Uint8Array, from: InetName): void {
    const to = isAny(s.name.host) ? (isInet4(from.host) ? MACHINE : MACHINE6) : s.name.host;
    s.deliver(bytes, from, KERNEL_CRED, { hopLimit: DEFAULT_HOPS, trafficClass: 0, to });
  }
  /** What a host address is called inside. */
  #inside(network: HostNetwork, address: { host: string; port: number }): InetName {
    const host = parseAddress(address.host) ?? ANY4;
    const [server] = network.nameservers();
    if (address.port === 53 && server !== undefined && parseAddress(server.host) === host) {
      return { host: NAMESERVER, port: 53 };
    }
    return { host: isLoopback(host) ? GATEWAY : host, port: address.port };
  }

  // Published ports -----------------------------------------------------------------------------------------

  /** Whether somebody listens at a port for what arrives from outside. */
  listens(port: number): boolean {
    return this.#outerListener(port) !== null;
  }

  #outerListener(port: number): InetSocket | null {
    return this.#listener({ host: MACHINE, port }) ?? this.#listener({ host: LOOPBACK4, port });
  }

  /** Opens a port of the host; resolves when it listens. Rejects with a message that names it. */
  publish(at: PublishedPort): Promise<void> {
    const network = this.#options.host;
    if (network === null) throw new Error("a published port needs the host's network");
    if (at.kind === "udp") return this.#publishDatagrams(network, at);
    return new Promise((resolve, reject) => {
      const stop = network.listen(
        { host: at.host, port: at.port },
        (connection) => this.#options.post(() => this.#arrive(connection, at.guestPort)),
        (error) => {
          if (error === null) resolve();
          else reject(new Error(`port ${at.host}:${at.port}: ${error}`));
        },
      );
      this.#stops.push(stop);
    });
  }
  #publishDatagrams(network: HostNetwork, at: PublishedPort): Promise<void> {
    return new Promise((resolve, reject) => {
      const link = network.datagrams({ host: at.host, port: at.port }, (error) => {
        if (error === null) resolve();
        else reject(new Error(`UDP port ${at.host}:${at.port}: ${error}`));
      });
      const published: PublishedDatagrams = { link, peers: new Set() };
      this.#publishedDatagrams.set(at.guestPort, published);
      link.onMessage((bytes, sender) =>
        this.#options.post(() => this.#arriveDatagram(published, at.guestPort, bytes, this.#inside(network, sender))),
      );
      this.#stops.push(() => link.close());
    });
  }
  #arriveDatagram({ peers }: PublishedDatagrams, port: number, bytes: Uint8Array, from: InetName): void {
    const isOpen = (s: InetSocket): boolean => !s.closed;
    const target =
      this.#find(IPPROTO_UDP, { host: MACHINE, port }, isOpen) ?? this.#find(IPPROTO_UDP, { host: LOOPBACK4, port }, isOpen);
    if (target === null) return;
    const key = peerKey(from);
    peers.delete(key);
    peers.add(key);
    if (peers.size > PEERS_MOST) {
      const [oldest] = peers;
      peers.delete(oldest!);
    }
    this.#deliverFrom(target, bytes, from);
  }

  #arrive(connection: HostConnection, port: number): void {
    const here = { host: MACHINE, port };
    const from = parseAddress(connection.remote.host) ?? ANY4;
    const there = { host: isLoopback(from) ? GATEWAY : from, port: connection.remote.port };
    const listener = this.#outerListener(port);
    const server = listener?.arrive(here, there) ?? null;
    if (listener === null || server === null) {
      connection.destroy();
      return;
    }
    new HostStream(server, this.#inKernel(connection), KERNEL_CRED);
    listener.offer(server);
  }

  /** Stops listening on the host. */
  shutdown(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }
}
