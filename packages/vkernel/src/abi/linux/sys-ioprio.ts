// SPDX-License-Identifier: BSD-3-Clause
/**
 * ioprio_get, ioprio_set (Linux block/ioprio.c): a process's class and level, which children inherit. The disk serves all alike, so they
 * are kept and told, and change nothing.
 */
import { CAP_SYS_ADMIN, CAP_SYS_NICE, capable } from "../../sys/capability.ts";
import { EINVAL, EPERM, ESRCH } from "../../sys/errno.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { int, partial, plain, type Sysent } from "../../kern/sysent.ts";

const CLASS_SHIFT = 13;
const LEVEL_MASK = (1 << CLASS_SHIFT) - 1;
const CLASS_NONE = 0;
const CLASS_RT = 1;
const CLASS_BE = 2;
const CLASS_IDLE = 3;
const LEVELS = 8;
const WHO_PROCESS = 1;
const WHO_PGRP = 2;
const WHO_USER = 3;

/** The processes that `which` and `who` name. Throws EINVAL, ESRCH. */
function targets(lp: Lwp, which: number, who: number): Proc[] {
  if (which === WHO_PROCESS) {
    const t = who === 0 ? lp : lp.k.lwps.get(who);
    if (t === undefined) throw ESRCH;
    return [t.proc];
  }
  if (which !== WHO_PGRP && which !== WHO_USER) throw EINVAL;
  const pgrp = who === 0 ? lp.proc.pgrp.id : who;
  const found = [...lp.k.procs.values()].filter((p) => (which === WHO_PGRP ? p.pgrp.id === pgrp : p.cred.ruid === who));
  if (found.length === 0) throw ESRCH;
  return found;
}

/** The most urgent of several; a process that has set none counts as best effort. */
function sysIoprioGet(lp: Lwp, a: Int32Array): number {
  const all = targets(lp, a[0]!, a[1]!).map((p) => p.ioprio);
  const rank = (v: number): number => (v >> CLASS_SHIFT === CLASS_NONE ? (CLASS_BE << CLASS_SHIFT) | (LEVELS / 2) : v);
  return all.reduce((best, v) => (rank(v) < rank(best) ? v : best));
}

function sysIoprioSet(lp: Lwp, a: Int32Array): number {
  const { cred } = lp.proc;
  const value = a[2]!;
  const [ioclass, level] = [value >> CLASS_SHIFT, value & LEVEL_MASK];
  if (ioclass < CLASS_NONE || ioclass > CLASS_IDLE) throw EINVAL;
  if (ioclass === CLASS_RT && !capable(cred, CAP_SYS_ADMIN) && !capable(cred, CAP_SYS_NICE)) throw EPERM;
  if ((ioclass === CLASS_RT || ioclass === CLASS_BE) && level >= LEVELS) throw EINVAL;
  if (ioclass === CLASS_NONE && level !== 0) throw EINVAL;
  for (const p of targets(lp, a[0]!, a[1]!)) {
    if (p.cred.ruid !== cred.uid && p.cred.ruid !== cred.ruid && !capable(cred, CAP_SYS_NICE)) throw EPERM;
    p.ioprio = value;
  }
  return 0;
}

export const IOPRIO_ROWS: readonly Sysent[] = [
  partial(plain(289, "ioprio_set", [int, int, int], sysIoprioSet), "kept; no effect: the disk serves all alike"),
  plain(290, "ioprio_get", [int, int], sysIoprioGet),
];
