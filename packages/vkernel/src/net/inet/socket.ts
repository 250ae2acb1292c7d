// SPDX-License-Identifier: BSD-3-Clause
/**
 * Sockets of the internet domain: TCP connections, UDP datagrams and ICMP echoes, as what a program can tell of them. There are no
 * segments: two sockets of one machine are each other's ends, and the end of a connection to elsewhere is played by a
 * connection of the host (host-stream.ts).
 *
 * Invariants
 *   IN1  A socket with `bound` is in its domain's port table under its name's port.
 *   IN2  While `connecting`, peer is null; the answer sets peer or `error` and wakes whoever waits.
 *   IN3  A UDP socket with `remote` receives from there only.
 * @module
 */
import { EALREADY, ECONNREFUSED, EISCONN, ENOTCONN, EPIPE } from "../../sys/errno.ts";
import { POLLOUT } from "../../sys/poll.ts";
import {
  AF_INET6, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP, SHUT_RD, SHUT_WR, SOCK_DGRAM, SOCK_STREAM,
} from "../../sys/socket.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import { Socket, type ByteSink, type ByteSource, type InetName, type PacketFields, type PacketOptions, type PeerCred, type Rights } from "../socket.ts";
import { ANY4, ANY6 } from "./address.ts";
import type { HostDatagrams } from "./host.ts";

/** IP_TTL and IPV6_UNICAST_HOPS unless they are set. */
export const DEFAULT_HOPS = 64;

export class InetSocket extends Socket {
  declare name: InetName;
  /** In the port table. */
  bound = false;
  /** What of its name was asked for, by bind(2): it stays when the socket has no peer any more. */
  hostAsked = false;
  portAsked = false;
  /** What datagrams that it sends say, and what the one being sent says instead. */
  hopLimit = DEFAULT_HOPS;
  trafficClass = 0;
  nextFields: PacketOptions | null = null;
  /** IPPROTO_…; each has ports of its own. */
  readonly protocol: number;
  /** The other end's address; stays when that has gone. */
  remote: InetName | null = null;
  connecting = false;
  /** SO_REUSEADDR, SO_REUSEPORT, IPV6_V6ONLY. */
  reuseAddress = false;
  reusePort = false;
  onlySix = false;
  /** Values of options that are kept for whoever asks, by level × 2^16 + option. */
  readonly #options = new Map<number, number>();
  /** Where datagrams to elsewhere go out, by the unspecified address of their family. */
  readonly hostDatagrams = new Map<string, HostDatagrams>();
  /** Told when the socket ends. */
  onClosed: (s: InetSocket) => void = () => {};

  constructor(family: number, kind: number, cred: PeerCred, protocol = kind === SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP) {
    super(family, kind, cred);
    this.protocol = protocol;
    this.name = { host: family === AF_INET6 ? ANY6 : ANY4, port: 0 };
  }

  /** Keeps the value of an option; level and option are the numbers of the program's ABI. */
  keepOption(level: number, option: number, value: number): void {
    this.#options.set(level * 0x1_0000 + option, value);
  }
  /** The value kept, or what the option is at first. */
  optionValue(level: number, option: number, initial: number): number {
    return this.#options.get(level * 0x1_0000 + option) ?? initial;
  }

  /** For echoes of ICMP and ICMPv6 ("ping sockets", Linux net/ipv4/ping.c): its port is their identifier. */
  get isEcho(): boolean {
    return this.protocol === IPPROTO_ICMP || this.protocol === IPPROTO_ICMPV6;
  }
  get isTcp(): boolean {
    return this.kind === SOCK_STREAM;
  }
  override peerAddress(): InetName | null {
    return this.remote;
  }
  protected override sibling(cred: PeerCred): InetSocket {
    const s = new InetSocket(this.family, this.kind, cred);
    for (const [option, value] of this.#options) s.#options.set(option, value);
    s.limit = this.limit;
    s.oobInline = this.oobInline;
    return s;
  }

  /** Whether connect() may go on. Throws EISCONN, EALREADY, and the error of the attempt before. */
  startConnect(): void {
    if (this.connecting) throw EALREADY;
    this.throwError();
    if (this.peer !== null || this.peerGone) throw EISCONN;
  }

  /** Connects to a listening socket of this machine as `here`, whom it knows as `there`. WOULDBLOCK while its backlog is full. */
  connectTo(listener: InetSocket, here: InetName, there: InetName, cred: PeerCred): number {
    if (listener.pending.length >= listener.backlog) return WOULDBLOCK;
    const server = listener.sibling(cred);
    server.name = there;
    server.remote = here;
    this.name = here;
    this.remote = there;
    this.meet(listener, server, cred);
    return 0;
  }

  /** A connection from elsewhere, for accept(). False when the backlog is full or nobody listens any more. */
  arrive(here: InetName, there: InetName): InetSocket | null {
    if (!this.listening || this.closed || this.pending.length >= this.backlog) return null;
    const server = this.sibling(this.peerCred);
    server.name = here;
    server.remote = there;
    return server;
  }
  /** Gives what arrive() made to accept(). */
  offer(server: InetSocket): void {
    this.pending.push(server);
    this.readChan.wakeup();
  }

  /** The answer to a connection attempt has come. */
  finishConnect(): void {
    this.connecting = false;
    this.wakeAll();
  }
  wake(): void {
    this.wakeAll();
  }

  /** Puts a datagram into the queue; without room it is lost, as on any network. */
  deliver(data: Uint8Array, from: InetName, cred: PeerCred, fields: PacketFields | null = null): void {
    if (this.closed || this.readShut) return;
    const { remote } = this;
    if (remote !== null && (remote.host !== from.host || remote.port !== from.port)) return;
    if (this.queued + data.length > this.limit) return;
    this.queue.push({ data, off: 0, from, rights: null, cred, fields, time: this.times.now() });
    this.queued += data.length;
    this.readChan.wakeup();
  }
  /** What a datagram says that is sent now, to `to`. */
  fieldsToSend(to: string): PacketFields {
    return { hopLimit: this.nextFields?.hopLimit ?? this.hopLimit, trafficClass: this.nextFields?.trafficClass ?? this.trafficClass, to };
  }
  /** Nobody has the port that a datagram went to; told to connected senders only. */
  refuse(): void {
    if (this.remote === null) return;
    this.error = ECONNREFUSED;
    this.wakeAll();
  }
  /** What would have to be thrown before sending. */
  checkSend(): void {
    this.throwError();
  }
  get isSendShut(): boolean {
    return this.writeShut;
  }

  /**
   * A connection that the other side has closed in order takes bytes once more: only then does that side tell that nobody reads them
   * (Linux net/ipv4/tcp_input.c, tcp_reset).
   */
  override send(from: ByteSource, to: Socket | null, rights: Rights | null, cred: PeerCred, urgent = false): number {
    if (!this.isTcp || !this.peerGone || this.wasReset || this.error !== null || this.writeShut) return super.send(from, to, rights, cred, urgent);
    const n = from.resid;
    if (n === 0) return 0;
    from.get(new Uint8Array(n), 0, n);
    this.wasReset = true;
    this.error = EPIPE;
    this.wakeAll();
    return n;
  }

  /** Inside the machine what was sent has arrived, whoever reads it; for other machines the host still has to take it. */
  override get untakenBytes(): number {
    return this.peer instanceof InetSocket ? 0 : super.untakenBytes;
  }

  override recv(to: ByteSink, peek: boolean): number {
    if (this.listening) throw ENOTCONN;
    // That nobody reads any more is no news for who reads.
    if (this.error === EPIPE && this.queue.length === 0) return 0;
    return this.connecting ? WOULDBLOCK : super.recv(to, peek);
  }

  override shutdown(how: number): void {
    if (this.kind === SOCK_DGRAM && this.remote !== null) {
      if (how !== SHUT_WR) this.readShut = true;
      if (how !== SHUT_RD) this.writeShut = true;
      this.wakeAll();
      return;
    }
    super.shutdown(how);
  }

  override poll(events: number): number {
    if (this.connecting) return 0;
    const r = super.poll(events);
    // A datagram is never waited for; a stream without an end answers at once, if only with an error.
    const answers = this.kind === SOCK_DGRAM || this.error !== null || (this.peer === null && !this.listening);
    return answers ? r | (events & POLLOUT) : r;
  }

  override close(): void {
    if (this.closed) return;
    super.close();
    for (const link of this.hostDatagrams.values()) link.close();
    this.hostDatagrams.clear();
    this.onClosed(this);
  }
}
