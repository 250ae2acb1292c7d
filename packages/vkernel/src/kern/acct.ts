// SPDX-License-Identifier: BSD-3-Clause
/**
 * Process accounting: a record for each process that ends, at the end of a file (DragonFly 2.0 sys/kern/kern_acct.c,
 * sys/sys/acct.h).
 *
 * Invariant
 *   AC1  While accounting is on its file's name is held and the file counts as written to, so that nobody executes it.
 * @module
 */
import { CAP_SYS_PACCT } from "../sys/capability.ts";
import { EACCES } from "../sys/errno.ts";
import { AT_FDCWD } from "../sys/fcntl.ts";
import { VWRITE } from "../sys/ucred.ts";
import type { Nchandle } from "../vfs/namecache.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { NLC_FOLLOW } from "../vfs/nlookup.ts";
import { VREG } from "../vfs/vnode.ts";
import { objectWrite } from "../vm/object-io.ts";
import { Uio } from "../vm/uio.ts";
import type { Lwp, Proc } from "./proc.ts";
import { P_CONTROLT, P_EXEC } from "./proc.ts";
import { need } from "./prot.ts";
import { procTimes } from "./resource.ts";
import { checkWritableMount, lookupPath } from "./sys-vfs.ts";

/** ac_flag: never executed an image, had the superuser's rights, dumped core, was killed. */
const AFORK = 0x01;
const ASU = 0x02;
const ACORE = 0x08;
const AXSIG = 0x10;
const ACCT_SIZE = 48;
/** Times are counted in this part of a second. */
const AHZ = 64;
const NODEV = 0xffff_ffff;

/** comp_t: 13 bits of value, 3 bits of exponent to the base 8. */
export function compT(n: number): number {
  let value = Math.floor(n);
  let exp = 0;
  let round = 0;
  while (value > 0x1fff) {
    round = value & 4;
    value = Math.floor(value / 8);
    exp++;
  }
  if (round !== 0 && ++value > 0x1fff) {
    value >>= 3;
    exp++;
  }
  return Math.min(exp, 7) * 0x2000 + value;
}
const ticks = (ns: number): number => compT((ns / 1e9) * AHZ);

/** struct acct of a process that ends. */
function encode(p: Proc): Uint8Array {
  const b = new Uint8Array(ACCT_SIZE);
  const dv = new DataView(b.buffer);
  const t = procTimes(p);
  const tty = (p.flags & P_CONTROLT) !== 0 ? p.pgrp.session.ttyp : null;
  for (let i = 0; i < Math.min(16, p.comm.length); i++) b[i] = p.comm.charCodeAt(i);
  dv.setUint16(16, ticks(t.userNs), true);
  dv.setUint16(18, ticks(t.sysNs), true);
  dv.setUint16(20, ticks(p.k.nanouptime() - p.startNs), true);
  dv.setInt32(24, Math.floor((p.k.bootTimeUs + p.startNs / 1000) / 1e6), true);
  dv.setUint32(28, p.cred.ruid, true);
  dv.setUint32(32, p.cred.rgid, true);
  dv.setUint16(38, compT(p.ru.inblock + p.ru.oublock), true);
  dv.setUint32(40, tty === null ? NODEV : tty.rdev, true);
  const killed = (p.xstat & 0x7f) !== 0;
  b[44] =
    ((p.flags & P_EXEC) === 0 ? AFORK : 0) | (p.cred.uid === 0 ? ASU : 0) | (killed ? AXSIG : 0) | ((p.xstat & 0x80) !== 0 ? ACORE : 0);
  return b;
}

/** The accounting of one kernel. */
export class Accounting {
  private file: Nchandle | null = null;

  get on(): boolean {
    return this.file !== null;
  }

  /** Starts with a file, whose hold is taken over; null ends it. */
  set(file: Nchandle | null): void {
    const old = this.file;
    this.file = file;
    if (file !== null) file.vp!.writeCount++;
    if (old !== null) {
      old.vp!.writeCount--;
      cacheDrop(old);
    }
  }

  /** Appends the record of `p`. Throws the file system's errors and IoMiss. */
  record(p: Proc): void {
    const vp = this.file!.vp!;
    objectWrite(vp.object, vp.size(), Uio.kernel(encode(p), 0, ACCT_SIZE), ACCT_SIZE, (at, buf, off, len) => vp.write(at, buf, off, len));
  }
}

/** acct(2): null ends accounting. Throws EPERM, EACCES for what is no regular file. */
export function kernAcct(lp: Lwp, path: string | null): number {
  need(lp.proc, CAP_SYS_PACCT);
  if (path === null) {
    lp.k.acct.set(null);
    return 0;
  }
  const nch = lookupPath(lp, AT_FDCWD, path, NLC_FOLLOW);
  try {
    if (nch.vp!.type !== VREG || !nch.vp!.access(VWRITE, lp.proc.cred)) throw EACCES;
    checkWritableMount(nch.vp!);
  } catch (e) {
    cacheDrop(nch);
    throw e;
  }
  lp.k.acct.set(nch);
  return 0;
}
