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
import { O_FSYNC, O_NONBLOCK, O_PATH } from "../sys/fcntl.ts";
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
  if (!fp.readable || (fp.flags & O_PATH) !== 0) throw EBADF;
  return fp;
}
export function writableFile(lp: Lwp, fd: number): File {
  const fp = lp.proc.fd!.get(fd);
  if (!fp.writable || (fp.flags & O_PATH) !== 0) throw EBADF;
  return fp;
}

/** read(2), plain half. */
export function readTry(lp: Lwp, fd: number, uio: Uio): number {
  const fp = readableFile(lp, fd);
  const tty = ttyOf(fp);
  if (tty !== null && isBackground(lp, tty)) return WOULDBLOCK;
  const n = fp.read(uio, lp);
  if (n === WOULDBLOCK && (fp.flags & O_NONBLOCK) !== 0) throw EAGAIN;
  return n;
}

/** read(2), waiting half. */
export function* readSlow(lp: Lwp, fd: number, uio: Uio): Generator<void, number, void> {
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
function isSynchronous(fp: File): fp is VnodeFile {
  return (fp.flags & O_FSYNC) !== 0 && fp instanceof VnodeFile && fp.dev === null;
}

/** Bytes that the plain half has written, and that finishSynced() brings to stable storage. */
export class Written {
  readonly fp: VnodeFile;
  readonly n: number;
  constructor(fp: VnodeFile, n: number) {
    this.fp = fp;
    this.n = n;
  }
}

/** Leaves `n` written bytes of a file to finishSynced(). */
export function synced(lp: Lwp, fp: VnodeFile, n: number): number {
  fhold(fp);
  lp.carry = new Written(fp, n);
  return WOULDBLOCK;
}

/** Waiting half of a positioned write to a synchronous file: the count. Throws the file system's error. */
export function* finishSynced(lp: Lwp): Generator<void, number, void> {
  const { fp, n } = lp.carry as Written;
  lp.carry = null;
  try {
    yield* fsyncWaiting(lp, fp.vp);
    return n;
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

/** write(2), plain half. */
export function writeTry(lp: Lwp, fd: number, uio: Uio): number {
  const fp = writableFile(lp, fd);
  const tty = ttyOf(fp);
  if (tty !== null && mustStopWrite(lp, tty)) return WOULDBLOCK;
  const n = writeSome(lp, fp, uio);
  if (n > 0 && isSynchronous(fp)) {
    lp.rv1 = n;
    return WOULDBLOCK;
  }
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
    if (isSynchronous(fp)) yield* fsyncWaiting(lp, fp.vp);
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
 * pread(2), pwrite(2): files that can be positioned wait for nothing but stable storage (finishSynced). `offset` in bytes;
 * negative is EINVAL. `sync`: as if the file were open with O_FSYNC.
 */
export function kernPread(lp: Lwp, fd: number, uio: Uio, offset: number): number {
  if (offset < 0) throw EINVAL;
  return readableFile(lp, fd).pread(uio, offset, lp);
}
export function kernPwrite(lp: Lwp, fd: number, uio: Uio, offset: number, sync = false): number {
  if (offset < 0) throw EINVAL;
  const fp = writableFile(lp, fd);
  const n = fp.pwrite(uio, offset, lp);
  if (n > 0 && (isSynchronous(fp) || (sync && fp instanceof VnodeFile && fp.dev === null))) return synced(lp, fp, n);
  return n;
}

/** lseek(2). Returns the new position, below 2^53. */
export function kernLseek(lp: Lwp, fd: number, offset: number, whence: number): number {
  const fp = lp.proc.fd!.get(fd);
  if ((fp.flags & O_PATH) !== 0) throw EBADF;
  return fp.seek(offset, whence);
}

/** close(2). */
export function kernClose(lp: Lwp, fd: number): number {
  lp.proc.fd!.close(fd, lp);
  return 0;
}
