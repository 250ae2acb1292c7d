// SPDX-License-Identifier: BSD-3-Clause
/**
 * Moving bytes through a pipe without the caller's memory (Linux fs/splice.c). Pipes are rings of bytes here, so the
 * bytes are copied once through a buffer; what the calls promise is about order and about what is left where.
 *
 * Invariants
 *   SL1  Bytes leave a pipe only when the other side has taken them; bytes leave a file or socket only when there is room
 *        for them in the pipe.
 *   SL2  A call that has moved bytes returns their number, whatever stopped it.
 * @module
 */
import { EAGAIN, EBADF, EINVAL, EPIPE, ESPIPE } from "../sys/errno.ts";
import { O_APPEND, O_NONBLOCK } from "../sys/fcntl.ts";
import { SIGPIPE } from "../sys/signal.ts";
import { type WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { Uio } from "../vm/uio.ts";
import { fdrop, fhold, type File } from "./file.ts";
import { PipeFile, type PipeRing } from "./pipe.ts";
import type { Lwp } from "./proc.ts";
import { lwpsignal } from "./sig.ts";
import { FOREVER, PCATCH, tsleep } from "./sleep.ts";
import { readableFile, writableFile } from "./sys-file.ts";
import { VnodeFile } from "./vnode-file.ts";
import { VDIR } from "../vfs/vnode.ts";

/** Most bytes that one step moves. */
const PIECE = 65_536;

/** Where a transfer starts in a file that can be positioned; null = at the file's own position. */
export type At = { offset: number } | null;

export interface Splice {
  readonly from: File;
  readonly fromAt: At;
  readonly to: File;
  readonly toAt: At;
  readonly len: number;
  /** The caller does not want to wait for a pipe. */
  readonly nonblock: boolean;
  /** Copy and leave the bytes in the pipe (tee). */
  readonly keep: boolean;
  /** What to wait at after WOULDBLOCK. */
  blockedAt: WaitChannel | null;
}

/** Checks a splice of descriptors. Throws EBADF, EINVAL (no pipe among them, one pipe with itself), ESPIPE. */
export function spliceSetup(
  lp: Lwp,
  fdFrom: number,
  fromAt: At,
  fdTo: number,
  toAt: At,
  len: number,
  nonblock: boolean,
): Splice {
  const from = readableFile(lp, fdFrom);
  const to = writableFile(lp, fdTo);
  if ((from instanceof PipeFile && fromAt !== null) || (to instanceof PipeFile && toAt !== null)) throw ESPIPE;
  if (!(from instanceof PipeFile) && !(to instanceof PipeFile)) throw EINVAL;
  if (from instanceof PipeFile && to instanceof PipeFile && from.from === to.to) throw EINVAL;
  if ((to.flags & O_APPEND) !== 0 || (from instanceof VnodeFile && from.vp.type === VDIR)) throw EINVAL;
  return { from, fromAt, to, toAt, len, nonblock, keep: false, blockedAt: null };
}

/** Checks a tee of descriptors. Throws EBADF, EINVAL. */
export function teeSetup(lp: Lwp, fdFrom: number, fdTo: number, len: number, nonblock: boolean): Splice {
  const from = readableFile(lp, fdFrom);
  const to = writableFile(lp, fdTo);
  if (!(from instanceof PipeFile) || !(to instanceof PipeFile) || from.from === to.to) throw EINVAL;
  return { from, fromAt: null, to, toAt: null, len, nonblock, keep: true, blockedAt: null };
}

/** A pipe's writing side without a reader. */
function brokenPipe(lp: Lwp): never {
  lwpsignal(lp, SIGPIPE);
  throw EPIPE;
}

/** WOULDBLOCK at a pipe, or EAGAIN when the caller or the descriptor does not wait. */
function blockAt(s: Splice, pipe: File, chan: WaitChannel): number {
  if (s.nonblock || (pipe.flags & O_NONBLOCK) !== 0) throw EAGAIN;
  s.blockedAt = chan;
  return WOULDBLOCK;
}

function readSome(lp: Lwp, s: Splice, buf: Uint8Array, len: number): number {
  const uio = Uio.kernel(buf, 0, len);
  const n = s.fromAt === null ? s.from.read(uio, lp) : s.from.pread(uio, s.fromAt.offset, lp);
  if (n > 0 && s.fromAt !== null) s.fromAt.offset += n;
  return n;
}
function writeSome(lp: Lwp, s: Splice, buf: Uint8Array, len: number): number {
  const uio = Uio.kernel(buf, 0, len);
  let n: number;
  try {
    n = s.toAt === null ? s.to.write(uio, lp) : s.to.pwrite(uio, s.toAt.offset, lp);
  } catch (e) {
    if (e === EPIPE) lwpsignal(lp, SIGPIPE);
    throw e;
  }
  if (n > 0 && s.toAt !== null) s.toAt.offset += n;
  return n;
}

/** Into a pipe, from another one or from anything that can be read. */
function fill(lp: Lwp, s: Splice, ring: PipeRing): number {
  if (ring.readers === 0) brokenPipe(lp);
  const space = Math.min(s.len, ring.space, PIECE);
  if (space === 0) return blockAt(s, s.to, ring.writeChan);
  const buf = new Uint8Array(space);
  if (s.from instanceof PipeFile) {
    const source = s.from.from!;
    if (source.len === 0) return source.writers === 0 ? 0 : blockAt(s, s.from, source.readChan);
    const n = source.peek(buf, 0, space);
    ring.write(Uio.kernel(buf, 0, n));
    if (!s.keep) source.consume(n);
    return n;
  }
  const n = readSome(lp, s, buf, space);
  if (n === WOULDBLOCK) {
    if ((s.from.flags & O_NONBLOCK) !== 0) throw EAGAIN;
    s.blockedAt = s.from.channel(false);
    return WOULDBLOCK;
  }
  // Bytes that were read must not be lost: their room was looked up before.
  if (n > 0) ring.write(Uio.kernel(buf, 0, n));
  return n;
}

/** Out of a pipe into a file, a socket or a device. */
function drain(lp: Lwp, s: Splice, ring: PipeRing): number {
  if (ring.len === 0) return ring.writers === 0 ? 0 : blockAt(s, s.from, ring.readChan);
  const buf = new Uint8Array(Math.min(s.len, ring.len, PIECE));
  const n = writeSome(lp, s, buf, ring.peek(buf, 0, buf.length));
  if (n === WOULDBLOCK) {
    if ((s.to.flags & O_NONBLOCK) !== 0) throw EAGAIN;
    s.blockedAt = s.to.channel(true);
    return WOULDBLOCK;
  }
  ring.consume(n);
  return n;
}

/** One attempt: the bytes moved, 0 at the end of the input, or WOULDBLOCK with `blockedAt` set. Throws EAGAIN, EPIPE. */
export function spliceTry(lp: Lwp, s: Splice): number {
  if (s.len === 0) return 0;
  return s.to instanceof PipeFile ? fill(lp, s, s.to.to!) : drain(lp, s, (s.from as PipeFile).from!);
}

/** The waiting half: holds the files, and sleeps until bytes have moved. */
export function* spliceSlow(lp: Lwp, s: Splice): Generator<void, number, void> {
  fhold(s.from);
  fhold(s.to);
  try {
    for (;;) {
      const n = spliceTry(lp, s);
      if (n !== WOULDBLOCK) return n;
      yield* tsleep(lp, s.blockedAt, PCATCH, FOREVER);
    }
  } finally {
    fdrop(s.from, lp);
    fdrop(s.to, lp);
  }
}

/** The pipe of vmsplice: its ring, and whether the caller's memory goes in. Throws EBADF. */
export function vmspliceRing(lp: Lwp, fd: number): { pipe: PipeFile; ring: PipeRing; into: boolean } {
  const pipe = lp.proc.fd!.get(fd);
  if (!(pipe instanceof PipeFile)) throw EBADF;
  return pipe.to !== null && pipe.writable ? { pipe, ring: pipe.to, into: true } : { pipe, ring: pipe.from!, into: false };
}
