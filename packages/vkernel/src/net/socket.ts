// SPDX-License-Identifier: BSD-3-Clause
/**
 * Sockets: two ends with a queue each. Streams, datagrams and sequenced packets between processes of one machine, and
 * between a process and whatever plays the other end (DragonFly 2.0 sys/kern/uipc_socket.c, uipc_usrreq.c; unix(7) for
 * abstract names and credentials).
 *
 * Invariants
 *   UX1  `queued` is the number of data bytes in `queue`; a stream's or packet socket's sender leaves it at most at
 *        `limit`, so that what waits in the kernel is bounded.
 *   UX2  Two connected streams are each other's peer; the side that is left has peer null and `peerGone`.
 *   UX3  Rights belong to exactly one message, and to the receiver once it has been taken; unread ones are disposed of.
 *   UX4  A packet is taken as a whole; what did not fit into the receiver's buffer is lost, and `truncated` says so.
 *   UX5  `mark` is a message of one byte in `queue`, the stream's newest urgent byte, or null; reading ends before it once,
 *        and unless `oobInline` passes it by.
 *   UX6  What lies in a queue is not written to any more: its bytes may belong to several.
 *   UX7  Nothing waits: WOULDBLOCK, and channels that are woken when it may be tried again.
 * @module
 */
import { ECONNREFUSED, ECONNRESET, EDESTADDRREQ, EINVAL, EISCONN, EMSGSIZE, ENOTCONN, EOPNOTSUPP, EPIPE, EPROTOTYPE, type Errno } from "../sys/errno.ts";
import { SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_DGRAM, SOCK_STREAM, SOMAXCONN } from "../sys/socket.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM } from "../sys/poll.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { ArrivalTimes } from "./arrival.ts";
import type { ByteSink, ByteSource, PacketFields, PeerCred, Rights, SocketName } from "./socket-types.ts";

export { KERNEL_CRED } from "./socket-types.ts";
export type { ByteSink, ByteSource, InetName, NetlinkName, PacketFields, PacketOptions, PeerCred, Rights, SocketName } from "./socket-types.ts";

interface Message {
  data: Uint8Array;
  /** Bytes of it that have been read. */
  off: number;
  readonly from: SocketName;
  rights: Rights | null;
  readonly cred: PeerCred;
  readonly fields: PacketFields | null;
  /** When it arrived, see ArrivalTimes. */
  readonly time: number;
}

/** Bytes that may wait in a receive queue. */
export const DEFAULT_LIMIT = 212_992;
/** Longest piece of a stream that is kept in one message. */
const STREAM_PIECE = 65_536;

export class Socket {
  /** AF_UNIX, AF_INET or AF_INET6. */
  readonly family: number;
  readonly kind: number;
  name: SocketName = "";
  peer: Socket | null = null;
  peerGone = false;
  peerCred: PeerCred;
  listening = false;
  protected backlog = 0;
  /** Connected server sides that nobody has accepted. */
  readonly pending: Socket[] = [];
  readonly queue: Message[] = [];
  queued = 0;
  limit = DEFAULT_LIMIT;
  protected readShut = false;
  protected writeShut = false;
  closed = false;
  /** The connection was broken off; who sends hears of it once as `error`. */
  wasReset = false;
  /** Reported once, by the next call or SO_ERROR. */
  error: Errno | null = null;
  /** The urgent byte (UX5), and whether it has been received by itself. */
  private mark: Message | null = null;
  private markTaken = false;
  /** Urgent bytes are read where they stand among the others (SO_OOBINLINE). */
  oobInline = false;
  /** Told when an urgent byte arrives. */
  onUrgent: () => void = () => {};
  /** Receivers learn the sender's credentials (SO_PASSCRED). */
  passCred = false;
  readonly times = new ArrivalTimes();

  /** Woken when there is something to read or accept; when this socket's queue has room; when its state changes. */
  readonly readChan = new WaitChannel("sbwait");
  readonly roomChan = new WaitChannel("sbroom");
  readonly writeChan = new WaitChannel("connec");

  /** What the last recv() took besides bytes. */
  from: SocketName = "";
  rights: Rights | null = null;
  truncated = false;
  fields: PacketFields | null = null;
  /** Length of the packet, whatever there was room for. */
  packetLength = 0;
  cred: PeerCred;

  constructor(family: number, kind: number, cred: PeerCred) {
    this.family = family;
    this.kind = kind;
    this.peerCred = cred;
    this.cred = cred;
  }

  /** What SO_TYPE says: the type that the program asked for. */
  get type(): number {
    return this.kind;
  }

  /** Address of the other end, null without one. */
  peerAddress(): SocketName | null {
    return this.peer === null ? null : this.peer.name;
  }

  protected get isPackets(): boolean {
    return this.kind !== SOCK_STREAM;
  }

  /** Takes the pending error, if there is one, and throws it. */
  protected throwError(): void {
    const e = this.error;
    if (e === null) return;
    this.error = null;
    throw e;
  }

  // Connections ---------------------------------------------------------------------------------------------

  listen(backlog: number, cred: PeerCred): void {
    if (this.kind === SOCK_DGRAM) throw EOPNOTSUPP;
    if (this.peer !== null) throw EINVAL;
    this.listening = true;
    this.peerCred = cred;
    this.backlog = Math.min(Math.max(backlog, 0), SOMAXCONN) + 1;
    this.roomChan.wakeup();
  }

  /** Connects to `to`, or names it as the receiver of datagrams. WOULDBLOCK while its backlog is full. */
  connect(to: Socket, cred: PeerCred): number {
    if (to.kind !== this.kind) throw EPROTOTYPE;
    if (this.kind === SOCK_DGRAM) {
      this.meetPeer(to);
      return 0;
    }
    if (this.listening) throw EINVAL;
    if (this.peer !== null || this.peerGone) throw EISCONN;
    if (!to.listening || to.closed) throw ECONNREFUSED;
    if (to.pending.length >= to.backlog) return WOULDBLOCK;
    const server = to.sibling(cred);
    server.name = to.name;
    server.passCred = to.passCred;
    this.meet(to, server, cred);
    return 0;
  }

  /** Names `to`, or nobody, as the receiver of datagrams; who waits to write waits for another's room from now on. */
  meetPeer(to: Socket | null): void {
    const room = this.roomOf(null);
    this.peer = to;
    this.peerGone = false;
    room.wakeup();
  }
  /** The socket that a listener's connection gets. */
  protected sibling(cred: PeerCred): Socket {
    return new Socket(this.family, this.kind, cred);
  }
  /** Becomes the other end of `server`, which waits at `to` to be accepted. */
  protected meet(to: Socket, server: Socket, cred: PeerCred): void {
    pair(this, server);
    this.roomChan.wakeup();
    server.peerCred = cred;
    this.peerCred = to.peerCred;
    to.pending.push(server);
    to.readChan.wakeup();
  }

  /** Takes a connection; WOULDBLOCK when there is none. */
  accept(): Socket | typeof WOULDBLOCK {
    if (!this.listening) throw EINVAL;
    const server = this.pending.shift();
    if (server === undefined) return WOULDBLOCK;
    this.roomChan.wakeup();
    return server;
  }

  /** shutdown(2). Throws ENOTCONN. */
  shutdown(how: number): void {
    if (how < SHUT_RD || how > SHUT_RDWR) throw EINVAL;
    if (this.peer === null && !this.peerGone) throw ENOTCONN;
    if (how !== SHUT_WR) this.readShut = true;
    if (how !== SHUT_RD) this.writeShut = true;
    this.wakeAll();
    if (this.peer !== null) {
      if (this.kind === SOCK_STREAM && how !== SHUT_WR) this.peer.writeShut = true;
      this.peer.wakeAll();
    }
  }

  protected wakeAll(): void {
    this.readChan.wakeup();
    this.roomChan.wakeup();
    this.writeChan.wakeup();
  }

  /** The last descriptor is gone. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const server of this.pending.splice(0)) {
      const client = server.peer;
      if (client !== null) client.error = ECONNRESET;
      server.close();
    }
    const { peer } = this;
    if (peer !== null && this.kind !== SOCK_DGRAM) {
      // Bytes that were never read are an abrupt end for whoever wrote them.
      if (this.queue.length > 0) {
        peer.error = ECONNRESET;
        peer.wasReset = true;
      }
      peer.peer = null;
      peer.peerGone = true;
      peer.wakeAll();
    }
    this.peer = null;
    this.drop();
    this.wakeAll();
  }

  /** Throws away what is unread (UX3). */
  drop(): void {
    const unread = this.queue.splice(0);
    this.queued = 0;
    this.mark = null;
    for (const m of unread) m.rights?.dispose();
  }

  // Data ----------------------------------------------------------------------------------------------------

  /**
   * Sends bytes of `from`, to `to` or to the peer. Returns the count, or WOULDBLOCK; a stream may take a part. `rights` go
   * with the first byte. `urgent`: a stream's last byte is urgent. Throws EPIPE, ENOTCONN, EDESTADDRREQ, EMSGSIZE, ECONNREFUSED, ECONNRESET, EISCONN.
   */
  send(from: ByteSource, to: Socket | null, rights: Rights | null, cred: PeerCred, urgent = false): number {
    this.throwError();
    if (this.writeShut) throw EPIPE;
    if (to !== null && this.kind !== SOCK_DGRAM) throw this.peer === null ? EOPNOTSUPP : EISCONN;
    const target = to ?? this.peer;
    if (target === null) {
      if (this.peerGone) throw EPIPE;
      throw this.kind === SOCK_DGRAM ? EDESTADDRREQ : ENOTCONN;
    }
    if (target.closed) {
      if (this.kind === SOCK_DGRAM) {
        if (to === null) this.peer = null;
        throw ECONNREFUSED;
      }
      throw EPIPE;
    }
    if (target.readShut) throw EPIPE;
    const want = from.resid;
    const room = target.limit - target.queued;
    let n = want;
    if (this.isPackets) {
      if (want > target.limit) throw EMSGSIZE;
      if (want > room || target.queue.length >= PACKETS_MAX) return WOULDBLOCK;
    } else {
      if (want === 0) return 0;
      if (room <= 0) return WOULDBLOCK;
      n = Math.min(want, room);
    }
    // Sent in parts, the last of them has the urgent byte.
    const mark = urgent && n === want;
    const plain = mark ? n - 1 : n;
    // What must be copied is fetched whole before anything is sent: the caller's memory may have to be waited for.
    const bytes = this.isPackets || from.take === undefined ? copied(from, n) : null;
    let first: Rights | null = rights;
    let done = 0;
    do {
      const len = this.isPackets ? n : done < plain ? Math.min(plain - done, STREAM_PIECE) : 1;
      const data = bytes === null ? from.take!(len) : len === n ? bytes : bytes.slice(done, done + len);
      target.queue.push({ data, off: 0, from: this.name, rights: first, cred, fields: null, time: target.times.now() });
      target.queued += data.length;
      first = null;
      done += data.length;
    } while (done < n);
    if (mark) target.markLast();
    target.readChan.wakeup();
    if (mark) target.onUrgent();
    return n;
  }

  /** The byte that came last is urgent; the one before it becomes a byte like others, unless the reader stands there. */
  private markLast(): void {
    if (!this.oobInline && this.mark !== null && this.queue[0] === this.mark) {
      this.queue.shift();
      this.queued--;
    }
    this.mark = this.queue.at(-1)!;
    this.markTaken = false;
  }

  /** Whether the next byte of the stream is the urgent one. */
  get atMark(): boolean {
    return this.mark !== null && this.queue[0] === this.mark;
  }

  /** Bytes of a stream that were sent and that the other end has not taken yet. */
  get untakenBytes(): number {
    return this.isPackets || this.peer === null ? 0 : this.peer.queued;
  }

  /** Bytes that can be read before the stream ends or the urgent byte comes; of packets the first one's. */
  get readableBytes(): number {
    if (this.isPackets) return this.queue[0]?.data.length ?? 0;
    if (this.mark === null || this.oobInline) return this.queued;
    let n = 0;
    for (const m of this.queue) {
      if (m === this.mark) break;
      n += m.data.length - m.off;
    }
    return n;
  }

  /** Messages at the head that reading passes by: the urgent one has been come to. */
  private get passed(): number {
    return this.atMark && !this.oobInline ? 1 : 0;
  }

  /**
   * Receives the urgent byte; 1, or 0 when there is no room for it. With `peek` it can be had again. Throws EINVAL when there is none,
   * it has been taken, or is to be read with the others.
   */
  recvUrgent(to: ByteSink, peek: boolean): number {
    this.from = "";
    this.rights = null;
    if (this.mark === null || this.markTaken || this.oobInline) throw EINVAL;
    const n = to.put(this.mark.data, 0, 1);
    this.truncated = n === 0;
    if (!peek) this.markTaken = true;
    return n;
  }

  /** The channel of whoever is to be sent to: it wakes when there is room, or nobody left. */
  roomOf(to: Socket | null): WaitChannel {
    return (to ?? this.peer ?? this).roomChan;
  }

  /**
   * Receives into `to`; 0 at the end, or WOULDBLOCK. Leaves sender, rights, credentials and truncation in the fields;
   * with `peek` everything stays in the queue. Throws ENOTCONN, ECONNRESET, EINVAL.
   */
  recv(to: ByteSink, peek: boolean): number {
    this.from = "";
    this.rights = null;
    this.fields = null;
    this.truncated = false;
    if (this.listening) throw EINVAL;
    if (!peek && this.passed === 1) {
      this.queue.shift();
      this.queued--;
      this.mark = null;
    }
    if (this.queue.length === this.passed) {
      this.throwError();
      if (this.readShut || this.peerGone || (this.peer !== null && this.peer.writeShut && !(this.kind === SOCK_DGRAM))) return 0;
      if (this.peer === null && this.kind !== SOCK_DGRAM) throw ENOTCONN;
      return WOULDBLOCK;
    }
    const n = this.isPackets ? this.recvPacket(to, peek) : this.recvStream(to, peek);
    if (!peek) this.roomChan.wakeup();
    return n;
  }

  private recvPacket(to: ByteSink, peek: boolean): number {
    const m = this.queue[0]!;
    const n = to.put(m.data, 0, m.data.length);
    this.packetLength = m.data.length;
    this.truncated = n < m.data.length;
    this.note(m, peek);
    if (!peek) {
      this.queue.shift();
      this.queued -= m.data.length;
    }
    return n;
  }

  private recvStream(to: ByteSink, peek: boolean): number {
    let done = 0;
    for (let i = this.passed; to.resid > 0 && i < this.queue.length; ) {
      const m = this.queue[i]!;
      // Rights and urgent bytes are borders: bytes behind them are left for the next call.
      if (done > 0 && (m.rights !== null || m === this.mark)) break;
      const n = to.put(m.data, m.off, m.data.length - m.off);
      if (n === 0) break;
      done += n;
      if (this.rights === null) this.note(m, peek);
      if (peek) {
        i++;
        continue;
      }
      m.off += n;
      this.queued -= n;
      if (m.off === m.data.length) {
        this.queue.shift();
        if (m === this.mark) this.mark = null;
      }
    }
    return done;
  }

  private note(m: Message, peek: boolean): void {
    this.from = m.from;
    this.cred = m.cred;
    this.fields = m.fields;
    this.times.take(m.time);
    if (peek) return;
    this.rights = m.rights;
    m.rights = null;
  }

  // Readiness -----------------------------------------------------------------------------------------------

  /** Nothing more will come. */
  private get readEnd(): boolean {
    return this.peerGone || this.readShut || (this.peer !== null && this.peer.writeShut && this.kind !== SOCK_DGRAM);
  }
  /** How much can be read (a listener: connections that wait) or written, and what stands against it. */
  readiness(write: boolean): { ready: boolean; data: number; eof: boolean; error: number } {
    const error = this.error?.native ?? 0;
    if (!write) {
      const data = this.listening ? this.pending.length : this.isPackets ? this.queued : this.readableBytes;
      return { ready: this.listening ? data > 0 : this.queue.length > this.passed, data, eof: this.readEnd, error };
    }
    const room = this.peer === null ? 0 : Math.max(0, this.peer.limit - this.peer.queued);
    return { ready: (this.poll(POLLOUT) & POLLOUT) !== 0, data: room, eof: this.peerGone || this.writeShut, error };
  }

  poll(events: number): number {
    let r = 0;
    if (this.queue.length > this.passed || this.pending.length > 0 || this.readEnd || this.error !== null) r |= events & (POLLIN | POLLRDNORM);
    if (this.readEnd) r |= events & POLLRDHUP;
    if (this.mark !== null && !this.markTaken) r |= events & POLLPRI;
    if (this.error !== null) r |= POLLERR;
    if (this.peerGone || (this.readShut && this.writeShut)) r |= POLLHUP;
    if (this.kind !== SOCK_DGRAM && this.peer === null && !this.peerGone && !this.listening) r |= POLLHUP;
    const { peer } = this;
    const room = peer === null || (peer.queued < peer.limit / 2 && peer.queue.length < PACKETS_MAX);
    if (!this.listening && room && (peer !== null || this.kind === SOCK_DGRAM || this.peerGone)) r |= events & POLLOUT;
    return r;
  }
}

/** Packets that may wait in one queue. */
const PACKETS_MAX = 1024;

function copied(from: ByteSource, len: number): Uint8Array {
  const data = new Uint8Array(len);
  from.get(data, 0, len);
  return data;
}

/** Bytes that are given away to whom they are sent: pieces that nobody will change. */
export class GivenBytes implements ByteSource {
  resid = 0;
  readonly #pieces: readonly Uint8Array[];
  #index = 0;
  #at = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    for (const piece of pieces) this.resid += piece.length;
  }
  take(most: number): Uint8Array {
    let piece = this.#pieces[this.#index]!;
    while (this.#at === piece.length) {
      piece = this.#pieces[++this.#index]!;
      this.#at = 0;
    }
    const given = piece.subarray(this.#at, this.#at + most);
    this.#at += given.length;
    this.resid -= given.length;
    return given;
  }
  get(dst: Uint8Array, off: number, len: number): number {
    let done = 0;
    while (done < len && this.resid > 0) {
      const given = this.take(len - done);
      dst.set(given, off + done);
      done += given.length;
    }
    return done;
  }
}

/** Connects two sockets to each other (socketpair). */
export function pair(a: Socket, b: Socket): void {
  a.peer = b;
  b.peer = a;
}
