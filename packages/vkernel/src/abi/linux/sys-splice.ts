// SPDX-License-Identifier: BSD-3-Clause
/** splice, tee and vmsplice for Linux programs (Linux fs/splice.c). */
import { EAGAIN, EINVAL, EPIPE, ESPIPE } from "../../sys/errno.ts";
import { O_NONBLOCK } from "../../sys/fcntl.ts";
import { SIGPIPE } from "../../sys/signal.ts";
import { IoMiss, WOULDBLOCK } from "../../sys/wait.ts";
import { fdrop, fhold } from "../../kern/file.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { PipeFile, type PipeRing } from "../../kern/pipe.ts";
import { lwpsignal } from "../../kern/sig.ts";
import { FOREVER, PCATCH, tsleep, waitForLoad } from "../../kern/sleep.ts";
import { type Splice, spliceSetup, spliceSlow, spliceTry, teeSetup, vmspliceRing } from "../../kern/splice.ts";
import { fd, hex, int, size, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import type { Uio } from "../../vm/uio.ts";
import { getOffset, iovUio, putOffset } from "./file-io.ts";

const SPLICE_F_NONBLOCK = 2;
const SPLICE_F_ALL = 0xf;
const COUNT_MAX = 0x7fff_f000;

const count = (n: number): number => Math.min(n >>> 0, COUNT_MAX);

function checkFlags(flags: number): boolean {
  if ((flags & ~SPLICE_F_ALL) !== 0) throw EINVAL;
  return (flags & SPLICE_F_NONBLOCK) !== 0;
}

/** splice(in, *offIn, out, *offOut, len, flags) */
function setup(lp: Lwp, a: Int32Array): Splice {
  const nonblock = checkFlags(a[5]!);
  // What can have no offset is refused before the offset is looked at, and before the way it is open.
  const fd = lp.proc.fd!;
  const pipeAt = (d: number, uaddr: number): boolean => fd.get(d) instanceof PipeFile && uaddr !== 0;
  if (pipeAt(a[0]!, a[1]!) || pipeAt(a[2]!, a[3]!)) throw ESPIPE;
  const fromAt = a[1] === 0 ? null : getOffset(lp, a[1]!, true);
  const toAt = a[3] === 0 ? null : getOffset(lp, a[3]!, true);
  return spliceSetup(lp, a[0]!, fromAt, a[2]!, toAt, count(a[4]!), nonblock);
}
function putOffsets(lp: Lwp, a: Int32Array, s: Splice): void {
  if (s.fromAt !== null) putOffset(lp, a[1]!, s.fromAt, true);
  if (s.toAt !== null) putOffset(lp, a[3]!, s.toAt, true);
}
function sysSplice(lp: Lwp, a: Int32Array): number {
  if (a[4] === 0) return 0;
  const s = setup(lp, a);
  const n = spliceTry(lp, s);
  if (n > 0) putOffsets(lp, a, s);
  return n;
}
function* sysSpliceSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const s = setup(lp, a);
  const n = yield* spliceSlow(lp, s);
  if (n > 0) putOffsets(lp, a, s);
  return n;
}

/** tee(in, out, len, flags) */
const sysTee = (lp: Lwp, a: Int32Array): number =>
  a[2] === 0 ? 0 : spliceTry(lp, teeSetup(lp, a[0]!, a[1]!, count(a[2]!), checkFlags(a[3]!)));
const sysTeeSlow = (lp: Lwp, a: Int32Array): KernelFrame =>
  spliceSlow(lp, teeSetup(lp, a[0]!, a[1]!, count(a[2]!), checkFlags(a[3]!)));

/** One attempt: as many of the caller's bytes as there is room for, or what is there for the caller; WOULDBLOCK. Throws EPIPE. */
function vmspliceTry(lp: Lwp, ring: PipeRing, into: boolean, uio: Uio): number {
  try {
    return into ? ring.write(uio) : ring.read(uio);
  } catch (e) {
    if (e === EPIPE) lwpsignal(lp, SIGPIPE);
    throw e;
  }
}
/** vmsplice(fd, iov, n, flags): into the pipe's writing end, out of its reading end. Unlike write, it does not wait for the rest. */
function sysVmsplice(lp: Lwp, a: Int32Array): number {
  const nonblock = checkFlags(a[3]!);
  lp.proc.fd!.get(a[0]!);
  const uio = iovUio(lp, a[1]!, a[2]!);
  if (uio.resid === 0) return 0;
  const { pipe, ring, into } = vmspliceRing(lp, a[0]!);
  const n = vmspliceTry(lp, ring, into, uio);
  if (n === WOULDBLOCK && (nonblock || (pipe.flags & O_NONBLOCK) !== 0)) throw EAGAIN;
  return n;
}
function* sysVmspliceSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const { pipe, ring, into } = vmspliceRing(lp, a[0]!);
  fhold(pipe);
  try {
    for (;;) {
      try {
        const n = vmspliceTry(lp, ring, into, iovUio(lp, a[1]!, a[2]!));
        if (n !== WOULDBLOCK) return n;
        yield* tsleep(lp, into ? ring.writeChan : ring.readChan, PCATCH, FOREVER);
      } catch (e) {
        if (!(e instanceof IoMiss)) throw e;
        yield* waitForLoad(lp, e);
      }
    }
  } finally {
    fdrop(pipe, lp);
  }
}

export const SPLICE_ROWS: readonly Sysent[] = [
  sleeps(313, "splice", [fd, uptr, fd, uptr, size, hex], sysSplice, sysSpliceSlow),
  sleeps(315, "tee", [fd, fd, size, hex], sysTee, sysTeeSlow),
  sleeps(316, "vmsplice", [fd, uptr, int, hex], sysVmsplice, sysVmspliceSlow),
];
