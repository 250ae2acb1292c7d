// SPDX-License-Identifier: BSD-3-Clause
/**
 * Pipes (DragonFly 2.0 sys/kern/sys_pipe.c). One direction is a ring; DragonFly's pipe(2) makes two rings, so
 * that both ends read and write, Linux's one.
 *
 * Invariants
 *   P1  0 <= len <= size; bytes are ring[(start + i) mod size] for 0 <= i < len.
 *   P2  A write of at most PIPE_BUF bytes goes in as a whole or not at all.
 *   P3  Readers see end of file once `writers` is 0 and the ring is empty; a write without readers is EPIPE, and
 *       the system call layer adds SIGPIPE.
 *   P4  The ring grows to its full size only when more than SMALL bytes are waiting.
 * @module
 */
import { CAP_SYS_RESOURCE, capable } from "../sys/capability.ts";
import { ENOTTY, EPIPE } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import { FIONREAD } from "../sys/ioctl.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import type { Vattr } from "../vfs/vnode.ts";
import { VFIFO } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import { File, PseudoNode, type Readiness } from "./file.ts";
import type { Lwp } from "./proc.ts";

/** Largest write that is atomic (Linux's value; DragonFly promises 512). */
export const PIPE_BUF = 4096;
export const PIPE_SIZE = 65536;
const SMALL = 4096;
/** What Tunables.pipeMaxSize begins with. */
export const PIPE_MAXSIZE = 1024 * 1024;
/** Bytes that no pipe exceeds, whoever asks. */
export const PIPE_HARD_MAX = 64 * 1024 * 1024;

/** One direction of a pipe. */
export class PipeRing {
  private buf = new Uint8Array(SMALL);
  private start = 0;
  len = 0;
  size = PIPE_SIZE;
  readers = 0;
  writers = 0;
  readonly readChan = new WaitChannel("piperd");
  readonly writeChan = new WaitChannel("pipewr");

  get space(): number {
    return this.size - this.len;
  }

  /** Somebody may wait to write: there is no room for a write that must go in as a whole. */
  private get isFull(): boolean {
    return this.size - this.len < PIPE_BUF;
  }

  read(uio: Uio): number {
    if (uio.resid === 0) return 0;
    if (this.len === 0) return this.writers === 0 ? 0 : WOULDBLOCK;
    const full = this.isFull;
    let done = 0;
    while (this.len > 0) {
      const n = uio.put(this.buf, this.start, Math.min(this.len, this.buf.length - this.start));
      if (n === 0) break;
      this.start += n;
      if (this.start === this.buf.length) this.start = 0;
      this.len -= n;
      done += n;
    }
    if (this.len === 0) this.start = 0;
    if (full) this.writeChan.wakeup();
    return done;
  }

  write(uio: Uio): number {
    if (this.readers === 0) throw EPIPE;
    const want = uio.resid;
    if (want === 0) return 0;
    const space = this.space;
    if (space === 0 || (want <= PIPE_BUF && space < want)) return WOULDBLOCK;
    const n = Math.min(want, space);
    this.reserve(this.len + n);
    const end = (this.start + this.len) % this.buf.length;
    const first = Math.min(n, this.buf.length - end);
    // A write that must not be taken apart comes whole, also around the end of the buffer.
    if (first < n && want <= PIPE_BUF) uio.prefault(false);
    let done = uio.get(this.buf, end, first);
    if (done < n && want <= PIPE_BUF) done += uio.get(this.buf, 0, n - done);
    this.len += done;
    this.readChan.wakeup();
    return done;
  }

  /** Copies up to `len` waiting bytes to dst[off…] and leaves them; returns how many. */
  peek(dst: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.len);
    const first = Math.min(n, this.buf.length - this.start);
    dst.set(this.buf.subarray(this.start, this.start + first), off);
    dst.set(this.buf.subarray(0, n - first), off + first);
    return n;
  }

  /** Takes away the first `n` of the waiting bytes. */
  consume(n: number): void {
    const full = this.isFull;
    this.len -= n;
    this.start = this.len === 0 ? 0 : (this.start + n) % this.buf.length;
    if (full) this.writeChan.wakeup();
  }

  /** Changes the capacity (F_SETPIPE_SZ); the caller has checked that the contents fit. */
  resize(size: number): void {
    this.size = size;
    this.writeChan.wakeup();
  }

  private reserve(need: number): void {
    if (need <= this.buf.length) return;
    let cap = this.buf.length;
    while (cap < need) cap *= 2;
    const grown = new Uint8Array(cap);
    const first = Math.min(this.len, this.buf.length - this.start);
    grown.set(this.buf.subarray(this.start, this.start + first));
    grown.set(this.buf.subarray(0, this.len - first), first);
    this.buf = grown;
    this.start = 0;
  }

  closeReader(): void {
    this.readers--;
    this.writeChan.wakeup();
    this.readChan.wakeup();
  }
  closeWriter(): void {
    this.writers--;
    this.readChan.wakeup();
    this.writeChan.wakeup();
  }
}

/** One end. `from` is null for an end that cannot be read, `to` for one that cannot be written. */
export class PipeFile extends File {
  readonly type = "pipe";
  readonly from: PipeRing | null;
  readonly to: PipeRing | null;
  /** One for both ends. */
  override readonly node: PseudoNode;

  constructor(node: PseudoNode, flags: number, from: PipeRing | null, to: PipeRing | null) {
    super(flags);
    this.node = node;
    this.from = from;
    this.to = to;
    if (from !== null) from.readers++;
    if (to !== null) to.writers++;
  }

  override read(uio: Uio): number {
    return this.from!.read(uio);
  }
  override write(uio: Uio): number {
    return this.to!.write(uio);
  }

  override poll(events: number): number {
    let ready = 0;
    if (this.from !== null) {
      if (this.from.len > 0) ready |= events & (POLLIN | POLLRDNORM);
      if (this.from.writers === 0) ready |= POLLHUP;
    }
    if (this.to !== null) {
      if (this.to.readers === 0) ready |= POLLERR;
      if (this.to.space >= PIPE_BUF) ready |= events & POLLOUT;
    }
    return ready;
  }

  override readiness(write: boolean): Readiness {
    const ring = write ? this.to : this.from;
    if (ring === null) return { ready: false, data: 0, eof: true, error: 0 };
    if (!write) return { ready: ring.len > 0, data: ring.len, eof: ring.writers === 0, error: 0 };
    const eof = ring.readers === 0;
    return { ready: ring.space >= PIPE_BUF, data: eof ? 0 : ring.space, eof, error: 0 };
  }

  override channel(write: boolean): WaitChannel | null {
    const ring = write ? this.to : this.from;
    if (ring === null) return null;
    return write ? ring.writeChan : ring.readChan;
  }

  override stat(): Vattr {
    const a = this.node.getattr();
    a.blocksize = PIPE_BUF;
    a.size = this.from === null ? 0 : this.from.len;
    return a;
  }

  override ioctl(cmd: number, data: Uint8Array): number {
    if (cmd >>> 0 !== FIONREAD) throw ENOTTY;
    new DataView(data.buffer, data.byteOffset).setInt32(0, (this.from ?? this.to!).len, true);
    return 0;
  }

  override close(): void {
    this.from?.closeReader();
    this.to?.closeWriter();
  }

  /** How /proc/PID/fd shows it. */
  override get name(): string {
    return `pipe:[${this.node.fileid}]`;
  }
}

/** pipe(2): the read end and the write end. `both` makes both ends readable and writable (DragonFly). */
export function makePipe(lp: Lwp, flags: number, both: boolean): [PipeFile, PipeFile] {
  const { k, proc } = lp;
  const a = new PipeRing();
  const b = both ? new PipeRing() : null;
  const { pipeMaxSize } = k.tunables;
  if (PIPE_SIZE > pipeMaxSize && !capable(proc.cred, CAP_SYS_RESOURCE)) {
    a.size = pipeMaxSize;
    if (b !== null) b.size = pipeMaxSize;
  }
  const node = new PseudoNode(VFIFO, 0o600, k.nextPseudoIno++, k.microtime(), proc.cred);
  return [
    new PipeFile(node, flags | FREAD | (both ? FWRITE : 0), a, b),
    new PipeFile(node, flags | FWRITE | (both ? FREAD : 0), b, a),
  ];
}
