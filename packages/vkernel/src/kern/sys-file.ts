// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reading and writing descriptors, for every ABI (DragonFly 2.0 sys/kern/sys_generic.c, kern_descrip.c). A call that
 * may wait comes as a pair: the plain half returns WOULDBLOCK, then the generator runs with a fresh Uio.
 *
 * Invariants
 *   SF1  A call that has moved bytes returns their number, whatever stopped it.
 *   SF2  A blocking write to a pipe, fifo, terminal or socket ends when all bytes are written, on an error or a signal.
 *        What the plain half has written already stands in lp.rv1 when the generator starts.
 *   SF3  A file that a generator sleeps on is held.
 *   SF4  What is written through a file opened with O_FSYNC is on stable storage when the call returns; it is written once,
 *        however long that takes.
 * @module
 */
import { EAGAIN, EBADF, EINVAL, EPIPE } from "../sys/errno.ts";
import { O_FSYNC, O_NONBLOCK } from "../sys/fcntl.ts";
import { SIGPIPE, SIGTTIN, SIGTTOU } from "../sys/signal.ts";
import { IoMiss, WOULDBLOCK } from "../sys/wait.ts";
import type { Tty } from "../dev/tty.ts";
import type { Uio } from "../vm/uio.ts";
import { fsyncWaiting } from "./durable.ts";
import type { File } from "./file.ts";
import { fdrop, fhold } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { lwpsignal } from "./sig.ts";
import { FOREVER, PCATCH, tsleep, waitForLoad } from "./sleep.ts";
import { isBackground, mustStopWrite, waitForeground } from "./tty-jobctl.ts";
import { VnodeFile } from "./vnode-file.ts";

/** The terminal that a file is, or null. */
export function ttyOf(fp: File): Tty | null {
  return fp instanceof VnodeFile && fp.dev !== null ? fp.dev.tty : null;
}

/** The file of a descriptor that may be read. Throws EBADF. */
export function readableFile(lp: Lwp, fd: number): File {
  const fp = lp.proc.fd!.get(fd);
  if (!fp.readable) throw EBADF;
  return fp;
}
export function writableFile(lp: Lwp, fd: number): File {
  const fp = lp.proc.fd!.get(fd);
  if (!fp.writable) throw EBADF;
  return fp;
}

/** read(2), plain half. */
export function readTry(lp: Lwp, fd: number, uio: Uio): number {
  const fp = readableFile(lp, fd);
  const tty = ttyOf(fp);
  if (tty !== null && isBackground(lp, tty)) return WOULDBLOCK;
  const n = fp.read(uio, lp);
  if (n === WOULDBLOCK && (fp.flags & O_NONBLOCK) !== 0) throw EAGAIN;
  return uio.waits ? leaveRead(lp, fp, uio, n) : n;
}

/** read(2), waiting half. */
export function* readSlow(lp: Lwp, fd: number, uio: Uio): Generator<void, number, void> {
  if (isUnfinished(lp)) return yield* finishTransfer(lp);
  const fp = fhold(readableFile(lp, fd));
  const start = lp.k.nanouptime();
  try {
    const tty = ttyOf(fp);
    for (;;) {
      if (tty !== null && isBackground(lp, tty)) yield* waitForeground(lp, tty, SIGTTIN);
      let timeout = FOREVER;
      let n: number;
      if (tty === null) n = fp.read(uio, lp);
      else {
        const nonblock = (fp.flags & O_NONBLOCK) !== 0;
        const waited = lp.k.nanouptime() - start;
        n = (fp as VnodeFile).readWaited(uio, nonblock ? -1 : waited);
        timeout = tty.readTimeout(waited);
      }
      if (n !== WOULDBLOCK) return n;
      if ((fp.flags & O_NONBLOCK) !== 0) throw EAGAIN;
      yield* tsleep(lp, fp.channel(false), PCATCH, timeout);
    }
  } finally {
    fdrop(fp, lp);
  }
}

/** Whether a write through the file ends with fsync (SF4). */
function isSynchronous(fp: File, asked: boolean): boolean {
  return (asked || (fp.flags & O_FSYNC) !== 0) && fp instanceof VnodeFile && fp.dev === null;
}

/** What the plain half leaves to finishTransfer(): `moved` bytes are moved, more than none. */
class Transfer {
  readonly fp: VnodeFile;
  readonly uio: Uio;
  readonly moved: number;
  /** Moves more, behind as many bytes as it is told. */
  readonly move: (moved: number) => number;
  /** To be brought to stable storage. */
  readonly sync: boolean;
  constructor(fp: VnodeFile, uio: Uio, moved: number, move: (moved: number) => number, sync: boolean) {
    this.fp = fp;
    this.uio = uio;
    this.moved = moved;
    this.move = move;
    this.sync = sync;
  }
}

function leave(lp: Lwp, fp: File, uio: Uio, moved: number, move: (moved: number) => number, sync: boolean): number {
  lp.carry = new Transfer(fhold(fp) as VnodeFile, uio, moved, move, sync);
  return WOULDBLOCK;
}

// Functions of their own, so that calls that leave nothing make no room for what the closures hold.
function leaveRead(lp: Lwp, fp: File, uio: Uio, moved: number): number {
  return leave(lp, fp, uio, moved, () => fp.read(uio, lp), false);
}
function leaveWrite(lp: Lwp, fp: File, uio: Uio, moved: number, sync: boolean): number {
  return leave(lp, fp, uio, moved, () => writeSome(lp, fp, uio), sync);
}
function leavePread(lp: Lwp, fp: File, uio: Uio, moved: number, offset: number): number {
  return leave(lp, fp, uio, moved, (done) => fp.pread(uio, offset + done, lp), false);
}
function leavePwrite(lp: Lwp, fp: File, uio: Uio, moved: number, offset: number, sync: boolean): number {
  return leave(lp, fp, uio, moved, (done) => fp.pwrite(uio, offset + done, lp), sync);
}

/** Whether the plain half has left something to finishTransfer(). */
export const isUnfinished = (lp: Lwp): boolean => lp.carry instanceof Transfer;

/** Waiting half of a read or write of a file (SF4, SF5): the count. Throws the file system's error. */
export function* finishTransfer(lp: Lwp): Generator<void, number, void> {
  const { fp, uio, moved, move, sync } = lp.carry as Transfer;
  lp.carry = null;
  let done = moved;
  try {
    while (uio.waits) {
      try {
        done += move(done);
      } catch (e) {
        // Another error comes with the next call
        if (!(e instanceof IoMiss)) break;
        yield* waitForLoad(lp, e);
      }
    }
    if (sync) yield* fsyncWaiting(lp, fp.vp);
    return done;
  } finally {
    fdrop(fp, lp);
  }
}

/** A write without a reader also sends SIGPIPE. */
function writeSome(lp: Lwp, fp: File, uio: Uio): number {
  try {
    return fp.write(uio, lp);
  } catch (e) {
    if (e === EPIPE) lwpsignal(lp, SIGPIPE);
    throw e;
  }
}

/** write(2), plain half. `sync`: as if the file were open with O_FSYNC. */
export function writeTry(lp: Lwp, fd: number, uio: Uio, sync = false): number {
  const fp = writableFile(lp, fd);
  const tty = ttyOf(fp);
  if (tty !== null && mustStopWrite(lp, tty)) return WOULDBLOCK;
  const n = writeSome(lp, fp, uio);
  const durable = isSynchronous(fp, sync);
  if (n > 0 && (durable || uio.waits)) return leaveWrite(lp, fp, uio, n, durable);
  if (uio.resid === 0) return n;
  if ((fp.flags & O_NONBLOCK) !== 0) {
    fp.sigio?.expectRoom();
    if (n === WOULDBLOCK) throw EAGAIN;
    return n;
  }
  // Files end writes short for reasons of their own (limits, full disks); streams because they are full.
  if (n !== WOULDBLOCK && fp.channel(true) === null) return n;
  lp.rv1 = n === WOULDBLOCK ? 0 : n;
  return WOULDBLOCK;
}

/** write(2), waiting half (SF2). */
export function* writeSlow(lp: Lwp, fd: number, uio: Uio): Generator<void, number, void> {
  if (isUnfinished(lp)) return yield* finishTransfer(lp);
  let done = lp.rv1;
  lp.rv1 = 0;
  skip(uio, done);
  const fp = fhold(writableFile(lp, fd));
  try {
    const tty = ttyOf(fp);
    while (uio.resid > 0) {
      try {
        if (tty !== null && mustStopWrite(lp, tty)) yield* waitForeground(lp, tty, SIGTTOU);
        const n = writeSome(lp, fp, uio);
        if (n !== WOULDBLOCK) {
          done += n;
          continue;
        }
        yield* tsleep(lp, fp.channel(true), PCATCH, FOREVER);
      } catch (e) {
        if (e instanceof IoMiss) yield* waitForLoad(lp, e);
        else if (done > 0) break;
        else throw e;
      }
    }
    if (isSynchronous(fp, false)) yield* fsyncWaiting(lp, (fp as VnodeFile).vp);
    return done;
  } finally {
    fdrop(fp, lp);
  }
}

/** Passes over `n` bytes that were moved before. */
function skip(uio: Uio, n: number): void {
  for (let left = n; left > 0; ) {
    const step = Math.min(left, uio.window(false));
    uio.advance(step);
    left -= step;
  }
}

/**
 * pread(2), pwrite(2), plain halves; finishTransfer() is their waiting half. `offset` in bytes; negative is EINVAL. `sync`: as if
 * the file were open with O_FSYNC.
 */
export function kernPread(lp: Lwp, fd: number, uio: Uio, offset: number): number {
  if (offset < 0) throw EINVAL;
  const fp = readableFile(lp, fd);
  const n = fp.pread(uio, offset, lp);
  return uio.waits ? leavePread(lp, fp, uio, n, offset) : n;
}
export function kernPwrite(lp: Lwp, fd: number, uio: Uio, offset: number, sync = false): number {
  if (offset < 0) throw EINVAL;
  const fp = writableFile(lp, fd);
  const n = fp.pwrite(uio, offset, lp);
  const durable = isSynchronous(fp, sync);
  if (n === 0 || !(durable || uio.waits)) return n;
  return leavePwrite(lp, fp, uio, n, offset, durable);
}

/** lseek(2). Returns the new position, below 2^53. */
export function kernLseek(lp: Lwp, fd: number, offset: number, whence: number): number {
  const fp = lp.proc.fd!.get(fd);
  return fp.seek(offset, whence);
}

/** close(2). */
export function kernClose(lp: Lwp, fd: number): number {
  lp.proc.fd!.close(fd, lp);
  return 0;
}
