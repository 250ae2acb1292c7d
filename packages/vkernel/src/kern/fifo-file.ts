// SPDX-License-Identifier: BSD-3-Clause
/**
 * Open fifos. Opening waits for the other side (DragonFly 2.0 sys/vfs/fifofs/fifo_vnops.c, fifo_open).
 *
 * Invariant
 *   FF1  An open file counts in fifo.readers and fifo.writers according to its mode from the moment its open starts,
 *        so that the other side sees it; an open that is interrupted takes its counts back.
 * @module
 */
import { ENOTTY, ENXIO } from "../sys/errno.ts";
import { FREAD, FWRITE, O_NONBLOCK } from "../sys/fcntl.ts";
import { FIONREAD } from "../sys/ioctl.ts";
import type { WaitChannel } from "../sys/wait.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import type { Fifo } from "../vfs/fifo.ts";
import { fifoOf, fifoRelease, PIPE_BUF } from "../vfs/fifo.ts";
import type { Nchandle } from "../vfs/namecache.ts";
import { cacheDrop, cacheHold } from "../vfs/namecache.ts";
import type { Vattr, Vnode } from "../vfs/vnode.ts";
import type { Uio } from "../vm/uio.ts";
import { File, type Readiness } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { FOREVER, PCATCH, tsleep } from "./sleep.ts";

export class FifoFile extends File {
  readonly type = "fifo";
  readonly nch: Nchandle;
  readonly vp: Vnode;
  private readonly fifo: Fifo;

  constructor(flags: number, nch: Nchandle) {
    super(flags);
    this.nch = cacheHold(nch);
    this.vp = nch.vp!;
    this.fifo = fifoOf(this.vp);
    if (this.readable) this.fifo.openReader();
    if (this.writable) this.fifo.openWriter();
  }

  /** Whether a process may go on after opening: the other side is there, or the mode does not wait for it. */
  get connected(): boolean {
    const { fifo, flags } = this;
    if ((flags & (FREAD | FWRITE)) === (FREAD | FWRITE)) return true;
    if (this.readable) return fifo.writers > 0 || (flags & O_NONBLOCK) !== 0;
    return fifo.readers > 0;
  }

  /** Waits until the other side has opened, even if it has closed again already. Throws EINTR, ERESTART. */
  *waitConnected(lp: Lwp): Generator<void, void, void> {
    const { fifo } = this;
    const seen = this.readable ? fifo.writerGen : fifo.readerGen;
    while (!this.connected && (this.readable ? fifo.writerGen : fifo.readerGen) === seen) {
      yield* tsleep(lp, fifo.openChan, PCATCH, FOREVER);
    }
  }

  override read(uio: Uio, _lp: Lwp): number {
    const want = uio.resid;
    if (want === 0) return 0;
    let moved = 0;
    uio.prefault(true);
    while (uio.resid > 0) {
      const room = uio.window(true);
      const n = this.fifo.read(uio.u8, uio.off, room);
      if (n <= 0) return moved > 0 ? moved : n;
      uio.advance(n);
      moved += n;
    }
    return moved;
  }

  override write(uio: Uio, _lp: Lwp): number {
    if (uio.resid === 0) return 0;
    uio.prefault(false);
    if (this.fifo.readers > 0 && this.fifo.room(uio.resid) === 0) return WOULDBLOCK;
    let moved = 0;
    while (uio.resid > 0) {
      const room = uio.window(false);
      const n = this.fifo.write(uio.u8, uio.off, room);
      if (n === WOULDBLOCK) return moved > 0 ? moved : WOULDBLOCK;
      uio.advance(n);
      moved += n;
      if (n < room) break;
    }
    return moved;
  }

  override ioctl(cmd: number, data: Uint8Array, _lp: Lwp): number {
    if (cmd !== FIONREAD) throw ENOTTY;
    new DataView(data.buffer, data.byteOffset, 4).setInt32(0, this.fifo.count, true);
    return 0;
  }
  override poll(events: number): number {
    return this.fifo.poll(events);
  }
  override readiness(write: boolean): Readiness {
    const { fifo } = this;
    if (!write) return { ready: fifo.count > 0, data: fifo.count, eof: fifo.writers === 0 && fifo.writerGen > 0, error: 0 };
    const data = fifo.room(1);
    return { ready: fifo.room(PIPE_BUF) > 0, data, eof: fifo.readers === 0, error: 0 };
  }
  override channel(write: boolean): WaitChannel {
    return write ? this.fifo.writeChan : this.fifo.readChan;
  }
  override stat(): Vattr {
    return this.vp.getattr();
  }

  override close(_lp: Lwp | null): void {
    if (this.readable) this.fifo.closeReader();
    if (this.writable) this.fifo.closeWriter();
    fifoRelease(this.vp);
    cacheDrop(this.nch);
  }
}

/** Refuses what would wait for ever: a non-blocking writer without a reader (open(2): ENXIO). */
export function checkFifoOpen(vp: Vnode, flags: number): void {
  const wants = flags & (FREAD | FWRITE | O_NONBLOCK);
  if (wants === (FWRITE | O_NONBLOCK) && (vp.fifo === null || vp.fifo.readers === 0)) throw ENXIO;
}
