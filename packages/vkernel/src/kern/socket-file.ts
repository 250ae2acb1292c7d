// SPDX-License-Identifier: BSD-3-Clause
/**
 * Sockets as open files, and open files inside messages (DragonFly 2.0 sys/kern/sys_socket.c, uipc_usrreq.c,
 * unp_internalize and unp_gc).
 *
 * Invariants
 *   SO1  A file in a message holds one reference, counted in `inFlight` as well.
 *   SO2  A socket that is referenced by messages alone, which only such sockets would receive, is found when its last
 *        reference from elsewhere goes, or a socket ends while something is in flight; its messages are thrown away.
 * @module
 */
import { ENOTTY, ETOOMANYREFS } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { FIONREAD, SIOCATMARK, TIOCOUTQ } from "../sys/ioctl.ts";
import type { WaitChannel } from "../sys/wait.ts";
import type { PeerCred, Rights, Socket } from "../net/socket.ts";
import type { Vattr, Vnode } from "../vfs/vnode.ts";
import { VSOCK } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import { fdrop, fhold, File, PseudoNode, type Readiness } from "./file.ts";
import type { Kernel } from "./kernel.ts";
import type { Lwp } from "./proc.ts";
import type { Protocol } from "./protocol.ts";

/** Files that may be in flight in the whole system. */
const INFLIGHT_MAX = 16_384;

/** What a kernel knows of its sockets. */
export class SocketTable {
  readonly files = new Set<SocketFile>();
  /** How many references of a file are in messages (SO1). */
  readonly inFlight = new Map<File, number>();
  inFlightTotal = 0;
}

/** Files in a message. */
export class FileRights implements Rights {
  readonly files: readonly File[];
  private readonly k: Kernel;

  /** Takes a reference on each. Throws ETOOMANYREFS. */
  constructor(k: Kernel, files: readonly File[]) {
    const table = k.sockets;
    if (table.inFlightTotal + files.length > INFLIGHT_MAX) throw ETOOMANYREFS;
    this.k = k;
    this.files = files;
    for (const fp of files) {
      fhold(fp);
      table.inFlight.set(fp, (table.inFlight.get(fp) ?? 0) + 1);
    }
    table.inFlightTotal += files.length;
  }

  /** The receiver has them: they are no longer in flight; the references are the receiver's. */
  taken(): void {
    const table = this.k.sockets;
    for (const fp of this.files) {
      const n = table.inFlight.get(fp)! - 1;
      if (n === 0) table.inFlight.delete(fp);
      else table.inFlight.set(fp, n);
    }
    table.inFlightTotal -= this.files.length;
  }

  dispose(): void {
    this.taken();
    for (const fp of this.files) fdrop(fp, null);
  }
}

export function credOf(lp: Lwp): PeerCred {
  const { pid, cred } = lp.proc;
  return { pid, uid: cred.uid, gid: cred.gid, caps: cred.caps };
}

export class SocketFile extends File {
  readonly type = "socket";
  readonly socket: Socket;
  readonly protocol: Protocol;
  readonly k: Kernel;
  override readonly node: PseudoNode;
  /** Vnode of the path it is bound to, with a reference. */
  boundTo: Vnode | null = null;
  /** SO_RCVTIMEO and SO_SNDTIMEO, ns. */
  recvTimeoutNs = Infinity;
  sendTimeoutNs = Infinity;

  constructor(lp: Lwp, flags: number, socket: Socket, protocol: Protocol) {
    super(flags | FREAD | FWRITE);
    const { k } = lp;
    this.k = k;
    this.socket = socket;
    this.protocol = protocol;
    this.node = new PseudoNode(VSOCK, 0o777, k.nextPseudoIno++, k.microtime(), lp.proc.cred);
    k.sockets.files.add(this);
    socket.onUrgent = () => this.sigio?.urgent();
  }

  override read(uio: Uio): number {
    const n = this.socket.recv(uio, false);
    // read(2) has no room for rights: what came with the bytes is gone.
    this.socket.rights?.dispose();
    this.socket.rights = null;
    return n;
  }
  override write(uio: Uio, lp: Lwp): number {
    return this.protocol.send(lp, this, uio, null, null, false);
  }
  override poll(events: number): number {
    return this.socket.poll(events);
  }
  override readiness(write: boolean): Readiness {
    return this.socket.readiness(write);
  }
  override channel(write: boolean): WaitChannel {
    return write ? this.socket.roomOf(null) : this.socket.readChan;
  }
  override ioctl(cmd: number, data: Uint8Array): number {
    new DataView(data.buffer, data.byteOffset).setInt32(0, this.#count(cmd >>> 0), true);
    return 0;
  }
  #count(cmd: number): number {
    const { socket } = this;
    if (cmd === FIONREAD) return socket.readableBytes;
    // Linux's SIOCOUTQ: smbd tells by it whether a client has received what it was sent.
    if (cmd === TIOCOUTQ) return socket.untakenBytes;
    if (cmd === SIOCATMARK && this.protocol.hasUrgent(this)) return socket.atMark ? 1 : 0;
    throw ENOTTY;
  }
  override stat(): Vattr {
    return this.node.getattr();
  }
  override get name(): string {
    return `socket:[${this.node.fileid}]`;
  }
  override close(): void {
    const { k, socket } = this;
    this.protocol.release(this);
    k.sockets.files.delete(this);
    socket.close();
    if (k.sockets.inFlightTotal > 0) collect(k.sockets);
  }
  override dropped(): void {
    const { sockets } = this.k;
    if (sockets.inFlight.get(this) === this.refs) collect(sockets);
  }
}

/** Throws away the messages of sockets that nobody can reach any more (SO2). */
function collect(table: SocketTable): void {
  const suspects = new Set<SocketFile>();
  for (const f of table.files) {
    const n = table.inFlight.get(f);
    if (n !== undefined && n === f.refs) suspects.add(f);
  }
  if (suspects.size === 0) return;
  // Whatever a reachable socket may receive is reachable too.
  const open = [...table.files].filter((f) => !suspects.has(f));
  for (let f = open.pop(); f !== undefined; f = open.pop()) {
    for (const fp of receivable(f.socket)) {
      if (fp instanceof SocketFile && suspects.delete(fp)) open.push(fp);
    }
  }
  // Held meanwhile, so that none of them ends, or looks unreachable again, while the others are emptied.
  const held = [...suspects];
  for (const f of held) fhold(f);
  for (const f of held) f.socket.drop();
  for (const f of held) fdrop(f, null);
}

function* receivable(s: Socket): Generator<File> {
  for (const m of s.queue) if (m.rights instanceof FileRights) yield* m.rights.files;
  for (const waiting of s.pending) yield* receivable(waiting);
}
