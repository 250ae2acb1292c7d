// SPDX-License-Identifier: BSD-3-Clause
/** Linux resources of a process: usage and times, limits, priorities. */
import { CAP_SYS_NICE, CAP_SYS_RESOURCE, capable } from "../../sys/capability.ts";
import { EINVAL, EPERM, ESRCH } from "../../sys/errno.ts";
import { copyinWords, copyoutWords } from "../../vm/copyio.ts";
import { MAXFILES_PER_PROC } from "../../kern/descrip.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { encodeRusage, RLIMIT_NOFILE, ruadd, Rusage, RUSAGE_SIZE, procTimes } from "../../kern/resource.ts";
import { int, pid, plain, type Sysent, uptr } from "../../kern/sysent.ts";
import { ticks } from "./guest-struct.ts";
import { findProc } from "./sys-process.ts";

/** struct rusage, 72 bytes. */
export function putRusage(lp: Lwp, uaddr: number, ru: Rusage, userNs: number, sysNs: number): void {
  copyoutWords(lp.proc.vmspace!, encodeRusage(ru, userNs, sysNs), uaddr, RUSAGE_SIZE / 4);
}

function sysGetrusage(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  const ru = new Rusage();
  switch (a[0]) {
    case 0: {
      ruadd(ru, p.ru);
      for (const l of p.lwps.values()) ruadd(ru, l.ru);
      ru.maxrss = Math.max(ru.maxrss, p.vmspace!.residentPages() * 4096);
      const t = procTimes(p);
      putRusage(lp, a[1]!, ru, t.userNs, t.sysNs);
      return 0;
    }
    case -1:
      putRusage(lp, a[1]!, p.cru, p.childUserNs, p.childSysNs);
      return 0;
    case 1: {
      p.k.sched.charge(lp);
      const sys = Math.min(lp.sysNs, lp.runtimeNs);
      putRusage(lp, a[1]!, lp.ru, lp.runtimeNs - sys, sys);
      return 0;
    }
    default:
      throw EINVAL;
  }
}

function sysTimes(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  if (a[0] !== 0) {
    const t = procTimes(p);
    const w = Int32Array.of(ticks(t.userNs), ticks(t.sysNs), ticks(p.childUserNs), ticks(p.childSysNs));
    copyoutWords(p.vmspace!, w, a[0]!, 4);
  }
  return ticks(p.k.nanouptime()) | 0;
}

/** Native limit numbers by Linux's. */
const RLIMITS = [0, 1, 2, 3, 4, 5, 7, 8, 6, 10, 11, 12, 13, 14, 15, 16];

function rlimitOf(n: number): number {
  const r = RLIMITS[n];
  if (r === undefined) throw EINVAL;
  return r;
}

function setLimit(target: Proc, caller: Proc, r: number, cur: number, max: number): void {
  if (cur > max) throw EINVAL;
  if (r === RLIMIT_NOFILE && max > MAXFILES_PER_PROC) throw EPERM;
  if (max > target.limits.max[r]! && !capable(caller.cred, CAP_SYS_RESOURCE)) throw EPERM;
  target.setLimit(r, cur, max);
}

const INF32 = 0xffff_ffff;
const toU32 = (v: number, inf: number): number => (v >= inf ? inf | 0 : v | 0);
const fromU32 = (v: number): number => (v >>> 0 === INF32 ? Infinity : v >>> 0);

function getrlimit(inf: number): (lp: Lwp, a: Int32Array) => number {
  return (lp, a) => {
    const r = rlimitOf(a[0]!);
    const l = lp.proc.limits;
    copyoutWords(lp.proc.vmspace!, Int32Array.of(toU32(l.cur[r]!, inf), toU32(l.max[r]!, inf)), a[1]!, 2);
    return 0;
  };
}
function sysSetrlimit(lp: Lwp, a: Int32Array): number {
  const r = rlimitOf(a[0]!);
  const w = new Int32Array(2);
  copyinWords(lp.proc.vmspace!, a[1]!, w, 2);
  setLimit(lp.proc, lp.proc, r, fromU32(w[0]!), fromU32(w[1]!));
  return 0;
}
function sysPrlimit64(lp: Lwp, a: Int32Array): number {
  const caller = lp.proc;
  const target = a[0] === 0 ? caller : findProc(lp, a[0]!);
  const r = rlimitOf(a[1]!);
  const c = caller.cred;
  const t = target.cred;
  if (target !== caller && !capable(c, CAP_SYS_RESOURCE) && !(c.ruid === t.uid && c.ruid === t.ruid && c.ruid === t.svuid))
    throw EPERM;
  let cur = 0;
  let max = 0;
  if (a[2] !== 0) {
    const w = new Int32Array(4);
    copyinWords(caller.vmspace!, a[2]!, w, 4);
    cur = limit64(w[0]!, w[1]!);
    max = limit64(w[2]!, w[3]!);
    if (cur > max) throw EINVAL;
  }
  const old = Int32Array.of(...split64(target.limits.cur[r]!), ...split64(target.limits.max[r]!));
  if (a[2] !== 0) setLimit(target, caller, r, cur, max);
  if (a[3] !== 0) copyoutWords(caller.vmspace!, old, a[3]!, 4);
  return 0;
}
const limit64 = (lo: number, hi: number): number =>
  hi >>> 0 >= 0x20_0000 ? Infinity : (hi >>> 0) * 4294967296 + (lo >>> 0);
const split64 = (v: number): [number, number] =>
  v === Infinity ? [-1, -1] : [v | 0, Math.floor(v / 4294967296)];

function* prioTargets(lp: Lwp, which: number, who: number): Generator<Proc> {
  const { procs } = lp.k;
  if (which < 0 || which > 2) throw EINVAL;
  for (const p of procs.values()) {
    const hit =
      which === 0
        ? p.pid === (who === 0 ? lp.proc.pid : who)
        : which === 1
          ? p.pgrp.id === (who === 0 ? lp.proc.pgrp.id : who)
          : p.cred.ruid === (who === 0 ? lp.proc.cred.ruid : who);
    if (hit) yield p;
  }
}
function sysGetpriority(lp: Lwp, a: Int32Array): number {
  let best = 99;
  for (const p of prioTargets(lp, a[0]!, a[1]!)) best = Math.min(best, p.nice);
  if (best === 99) throw ESRCH;
  return 20 - best;
}
function sysSetpriority(lp: Lwp, a: Int32Array): number {
  const nice = Math.max(-20, Math.min(19, a[2]!));
  let found = false;
  for (const p of prioTargets(lp, a[0]!, a[1]!)) {
    found = true;
    p.renice(lp.proc.cred, nice);
  }
  if (!found) throw ESRCH;
  return 0;
}
function sysNice(lp: Lwp, a: Int32Array): number {
  if (a[0]! < 0 && !capable(lp.proc.cred, CAP_SYS_NICE)) throw EPERM;
  lp.proc.renice(lp.proc.cred, Math.max(-20, Math.min(19, lp.proc.nice + a[0]!)));
  return 0;
}

export const RESOURCE_ROWS: readonly Sysent[] = [
  plain(34, "nice", [int], sysNice),
  plain(43, "times", [uptr], sysTimes),
  plain(75, "setrlimit", [int, uptr], sysSetrlimit),
  plain(76, "getrlimit", [int, uptr], getrlimit(0x7fff_ffff)),
  plain(77, "getrusage", [int, uptr], sysGetrusage),
  plain(96, "getpriority", [int, int], sysGetpriority),
  plain(97, "setpriority", [int, int, int], sysSetpriority),
  plain(191, "ugetrlimit", [int, uptr], getrlimit(INF32)),
  plain(340, "prlimit64", [pid, int, uptr, uptr], sysPrlimit64),
];
