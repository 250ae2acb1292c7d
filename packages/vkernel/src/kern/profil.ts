// SPDX-License-Identifier: BSD-3-Clause
/**
 * profil(2): counts where a process spends its time, in a table of its own (DragonFly 2.0 sys/kern/subr_prof.c). There is
 * no profiling tick: whenever the clock interrupts user mode, the time run since is charged to the place it was at.
 */
import { EINVAL, Errno } from "../sys/errno.ts";
import { TF_EIP } from "../sys/frame.ts";
import { IoMiss } from "../sys/wait.ts";
import { copyin, copyout } from "../vm/copyio.ts";
import type { Lwp, Proc } from "./proc.ts";
import { procTimes } from "./resource.ts";

/** What one count stands for, ns: sysctl kern.clockrate's profhz is 20. */
const PROF_TICK_NS = 50e6;
/** A scale that maps two bytes of text to each counter. */
const SCALE_ONE = 0x1_0000;

/** A process's table: 16-bit counters. */
export interface Profile {
  readonly base: number;
  readonly size: number;
  /** Lowest address that is counted. */
  readonly offset: number;
  /** Counters per byte of text, 16 bits behind the point. */
  readonly scale: number;
  /** User time that has been counted, ns. */
  seenNs: number;
}

/** profil(2): scale 0 ends it. Throws EINVAL. */
export function kernProfil(lp: Lwp, base: number, size: number, offset: number, scale: number): number {
  if (scale > SCALE_ONE) throw EINVAL;
  lp.proc.profile = scale === 0 ? null : { base, size, offset, scale, seenNs: procTimes(lp.proc).userNs };
  return 0;
}

/** Charges the time since the last look to where `lp` is. A table that cannot be written ends profiling. */
export function profileTick(lp: Lwp, p: Proc, prof: Profile): void {
  const n = Math.floor((procTimes(p).userNs - prof.seenNs) / PROF_TICK_NS);
  if (n <= 0) return;
  prof.seenNs += n * PROF_TICK_NS;
  const pc = lp.tf[TF_EIP]! >>> 0;
  if (pc < prof.offset) return;
  const at = Math.floor(((pc - prof.offset) * prof.scale) / SCALE_ONE) & ~1;
  if (at < 0 || at >= prof.size) return;
  const counter = new Uint8Array(2);
  try {
    copyin(p.vmspace!, prof.base + at, counter, 0, 2);
    const dv = new DataView(counter.buffer);
    dv.setUint16(0, dv.getUint16(0, true) + n, true);
    copyout(p.vmspace!, counter, 0, prof.base + at, 2);
  } catch (e) {
    // A table that is not resident misses some counts; one that is not there ends it.
    if (e instanceof IoMiss) return;
    if (!(e instanceof Errno)) throw e;
    p.profile = null;
  }
}
