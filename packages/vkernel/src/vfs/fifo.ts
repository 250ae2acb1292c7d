// SPDX-License-Identifier: BSD-3-Clause
/**
 * Fifos: the data and openers of a named pipe, attached to its vnode whatever file system that is on
 * (DragonFly 2.0 sys/vfs/fifofs/fifo_vnops.c).
 *
 * Invariants
 *   X1  0 <= count <= size; the bytes stand in `ring` from `head` on, wrapping.
 *   X2  A write of at most PIPE_BUF bytes is taken whole or not at all.
 *   X3  The state lives from the first open to the last close; data that nobody read is then lost.
 * @module
 */
import { EPIPE } from "../sys/errno.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import { WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import type { Vnode } from "./vnode.ts";

export const FIFO_SIZE = 65536;
/** Largest atomic write. */
export const PIPE_BUF = 4096;

export class Fifo {
  readers = 0;
  writers = 0;
  /** Opens so far, so that one that waits sees a partner that came and went. */
  readerGen = 0;
  writerGen = 0;
  count = 0;
  private head = 0;
  private readonly ring = new Uint8Array(FIFO_SIZE);
  /** Data, or the last writer's end; room, or the last reader's end; somebody opened. */
  readonly readChan = new WaitChannel("fiford");
  readonly writeChan = new WaitChannel("fifowr");
  readonly openChan = new WaitChannel("fifoor");

  openReader(): void {
    this.readers++;
    this.readerGen++;
    this.openChan.wakeup();
    this.writeChan.wakeup();
  }
  openWriter(): void {
    this.writers++;
    this.writerGen++;
    this.openChan.wakeup();
  }
  closeReader(): void {
    if (--this.readers === 0) {
      this.count = 0;
      this.writeChan.wakeup();
    }
  }
  closeWriter(): void {
    if (--this.writers === 0) this.readChan.wakeup();
  }

  /** Takes up to `len` bytes; 0 when it is empty and nobody writes, WOULDBLOCK when somebody does. */
  read(buf: Uint8Array, off: number, len: number): number {
    if (this.count === 0) return this.writers === 0 ? 0 : WOULDBLOCK;
    const n = Math.min(len, this.count);
    const first = Math.min(n, FIFO_SIZE - this.head);
    buf.set(this.ring.subarray(this.head, this.head + first), off);
    if (n > first) buf.set(this.ring.subarray(0, n - first), off + first);
    this.head = (this.head + n) % FIFO_SIZE;
    this.count -= n;
    this.writeChan.wakeup();
    return n;
  }

  /** Room for writers: 0 while less than PIPE_BUF is free, so that small writes stay whole. */
  room(atomicLen: number): number {
    const free = FIFO_SIZE - this.count;
    return atomicLen <= PIPE_BUF && free < atomicLen ? 0 : free;
  }

  /** Appends up to `len` bytes; throws EPIPE when nobody reads, returns WOULDBLOCK when there is no room. */
  write(buf: Uint8Array, off: number, len: number): number {
    if (this.readers === 0) throw EPIPE;
    const n = Math.min(len, FIFO_SIZE - this.count);
    if (n === 0) return WOULDBLOCK;
    const tail = (this.head + this.count) % FIFO_SIZE;
    const first = Math.min(n, FIFO_SIZE - tail);
    this.ring.set(buf.subarray(off, off + first), tail);
    if (n > first) this.ring.set(buf.subarray(off + first, off + n), 0);
    this.count += n;
    this.readChan.wakeup();
    return n;
  }

  poll(events: number): number {
    let ready = 0;
    if (this.count > 0) ready |= events & (POLLIN | POLLRDNORM);
    else if (this.writers === 0 && this.writerGen > 0) ready |= POLLHUP;
    if (this.readers > 0 && FIFO_SIZE - this.count >= PIPE_BUF) ready |= events & POLLOUT;
    return ready;
  }
}

/** The fifo of a vnode, made when it is opened first. */
export function fifoOf(vp: Vnode): Fifo {
  return (vp.fifo ??= new Fifo());
}

/** After a close: forgets the state when nobody has the fifo open (X3). */
export function fifoRelease(vp: Vnode): void {
  const fifo = vp.fifo;
  if (fifo !== null && fifo.readers === 0 && fifo.writers === 0 && !fifo.openChan.hasSleepers) vp.fifo = null;
}
