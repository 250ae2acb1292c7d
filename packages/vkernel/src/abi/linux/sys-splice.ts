// SPDX-License-Identifier: BSD-3-Clause
/** splice, tee and vmsplice for Linux programs (Linux fs/splice.c). */
import { EAGAIN, EINVAL, ESPIPE } from "../../sys/errno.ts";
import { O_NONBLOCK } from "../../sys/fcntl.ts";
import { WOULDBLOCK } from "../../sys/wait.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { PipeFile } from "../../kern/pipe.ts";
import { readSlow, writeSlow } from "../../kern/sys-file.ts";
import { type Splice, spliceSetup, spliceSlow, spliceTry, teeSetup, vmspliceRing } from "../../kern/splice.ts";
import { fd, hex, int, size, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
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

/** vmsplice(fd, iov, n, flags): into the pipe's writing end, out of its reading end. */
function sysVmsplice(lp: Lwp, a: Int32Array): number {
  const nonblock = checkFlags(a[3]!);
  lp.proc.fd!.get(a[0]!);
  const uio = iovUio(lp, a[1]!, a[2]!);
  if (uio.resid === 0) return 0;
  const { pipe, ring, into } = vmspliceRing(lp, a[0]!);
  if (nonblock || (pipe.flags & O_NONBLOCK) !== 0) {
    const n = into ? ring.write(uio) : ring.read(uio);
    if (n === WOULDBLOCK) throw EAGAIN;
    return n;
  }
  lp.rv1 = 0;
  return WOULDBLOCK;
}
function sysVmspliceSlow(lp: Lwp, a: Int32Array): KernelFrame {
  const { into } = vmspliceRing(lp, a[0]!);
  const uio = iovUio(lp, a[1]!, a[2]!);
  return into ? writeSlow(lp, a[0]!, uio) : readSlow(lp, a[0]!, uio);
}

export const SPLICE_ROWS: readonly Sysent[] = [
  sleeps(313, "splice", [fd, uptr, fd, uptr, size, hex], sysSplice, sysSpliceSlow),
  sleeps(315, "tee", [fd, fd, size, hex], sysTee, sysTeeSlow),
  sleeps(316, "vmsplice", [fd, uptr, int, hex], sysVmsplice, sysVmspliceSlow),
];
