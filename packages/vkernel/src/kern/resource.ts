// SPDX-License-Identifier: BSD-3-Clause
/**
 * Resource limits and usage (DragonFly 2.0 sys/sys/resource.h, sys/kern/kern_resource.c).
 *
 * Invariant
 *   R1  cur[i] <= max[i]; only the superuser raises max. Values are bytes, counts or seconds as numbers,
 *       Infinity for "no limit".
 * @module
 */
import type { Proc } from "./proc.ts";

export const RLIMIT_CPU = 0;
export const RLIMIT_FSIZE = 1;
export const RLIMIT_DATA = 2;
export const RLIMIT_STACK = 3;
export const RLIMIT_CORE = 4;
export const RLIMIT_RSS = 5;
export const RLIMIT_MEMLOCK = 6;
export const RLIMIT_NPROC = 7;
export const RLIMIT_NOFILE = 8;
export const RLIMIT_SBSIZE = 9;
export const RLIMIT_VMEM = 10;
export const RLIMIT_POSIXLOCKS = 11;
/** Limits only Linux has; kept so that getrlimit returns what setrlimit stored. */
export const RLIMIT_SIGPENDING = 12;
export const RLIMIT_MSGQUEUE = 13;
export const RLIMIT_NICE = 14;
export const RLIMIT_RTPRIO = 15;
export const RLIMIT_RTTIME = 16;
export const RLIM_NLIMITS = 17;

const MIB = 1024 * 1024;

/** A process's limits; shared after fork and copied before a change. */
export class Plimit {
  readonly cur: Float64Array;
  readonly max: Float64Array;
  constructor(from?: Plimit) {
    this.cur = from === undefined ? new Float64Array(RLIM_NLIMITS).fill(Infinity) : from.cur.slice();
    this.max = from === undefined ? new Float64Array(RLIM_NLIMITS).fill(Infinity) : from.max.slice();
    if (from !== undefined) return;
    this.cur[RLIMIT_STACK] = 8 * MIB;
    this.max[RLIMIT_STACK] = 64 * MIB;
    this.cur[RLIMIT_CORE] = 0;
    this.cur[RLIMIT_MEMLOCK] = this.max[RLIMIT_MEMLOCK] = 8 * MIB;
    this.cur[RLIMIT_NOFILE] = 1024;
    this.max[RLIMIT_NOFILE] = 65536;
    this.cur[RLIMIT_NPROC] = this.max[RLIMIT_NPROC] = 4096;
    this.cur[RLIMIT_SIGPENDING] = this.max[RLIMIT_SIGPENDING] = 4096;
    this.cur[RLIMIT_NICE] = this.max[RLIMIT_NICE] = 0;
    this.cur[RLIMIT_RTPRIO] = this.max[RLIMIT_RTPRIO] = 0;
  }
}

/** Event counts of getrusage; times are kept by the threads in ns. */
export class Rusage {
  /** Largest resident set, bytes. */
  maxrss = 0;
  minflt = 0;
  majflt = 0;
  inblock = 0;
  oublock = 0;
  msgsnd = 0;
  msgrcv = 0;
  nsignals = 0;
  nvcsw = 0;
  nivcsw = 0;
}

export function ruadd(to: Rusage, from: Rusage): void {
  to.maxrss = Math.max(to.maxrss, from.maxrss);
  to.minflt += from.minflt;
  to.majflt += from.majflt;
  to.inblock += from.inblock;
  to.oublock += from.oublock;
  to.msgsnd += from.msgsnd;
  to.msgrcv += from.msgrcv;
  to.nsignals += from.nsignals;
  to.nvcsw += from.nvcsw;
  to.nivcsw += from.nivcsw;
}

/** Processor time of a process so far, ns, ended threads included. */
export function procTimes(p: Proc): { userNs: number; sysNs: number } {
  let run = p.deadRuntimeNs;
  let sys = p.deadSysNs;
  for (const lp of p.lwps.values()) {
    if (lp === p.k.curlwp) p.k.sched.charge(lp);
    run += lp.runtimeNs;
    // Sampled system time may overshoot the exact run time of a short thread.
    sys += Math.min(lp.sysNs, lp.runtimeNs);
  }
  return { userNs: run - sys, sysNs: sys };
}

/** Bytes of struct rusage; the layout is the same for DragonFly and Linux (sys/resource.h). */
export const RUSAGE_SIZE = 72;

/** struct rusage as words, for copyout. `ru.maxrss` is in bytes, shown in KiB; times in ns. */
export function encodeRusage(ru: Rusage, userNs: number, sysNs: number): Int32Array {
  const w = new Int32Array(RUSAGE_SIZE / 4);
  w[0] = Math.floor(userNs / 1e9);
  w[1] = Math.floor((userNs % 1e9) / 1000);
  w[2] = Math.floor(sysNs / 1e9);
  w[3] = Math.floor((sysNs % 1e9) / 1000);
  w[4] = Math.floor(ru.maxrss / 1024);
  w[8] = ru.minflt;
  w[9] = ru.majflt;
  w[11] = ru.inblock;
  w[12] = ru.oublock;
  w[13] = ru.msgsnd;
  w[14] = ru.msgrcv;
  w[15] = ru.nsignals;
  w[16] = ru.nvcsw;
  w[17] = ru.nivcsw;
  return w;
}
