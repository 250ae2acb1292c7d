// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly clocks and timers (DragonFly 2.0 sys/kern/kern_time.c). */
import { EINTR, EINVAL } from "../../sys/errno.ts";
import { procTimes } from "../../kern/resource.ts";
import { mustSleep } from "../../kern/fork.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { PCATCH, PNORESTART, tsleep } from "../../kern/sleep.ts";
import { int, partial, plain, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import { getitimer, type ItimerValue, setitimer } from "../../kern/time.ts";
import { getTimespec, getTimeval, getWords, NS, putTimespec, putTimeval, putWords } from "./guest-struct.ts";

const CLOCK_REALTIME = 0;
const CLOCK_VIRTUAL = 1;
const CLOCK_PROF = 2;
const CLOCK_MONOTONIC = 4;

/** Now on a clock, ns. Throws EINVAL. */
function clockNow(lp: Lwp, id: number): number {
  switch (id) {
    case CLOCK_REALTIME:
      return lp.k.microtime() * 1000;
    case CLOCK_MONOTONIC:
      return lp.k.nanouptime();
    case CLOCK_VIRTUAL:
      return procTimes(lp.proc).userNs;
    case CLOCK_PROF: {
      const t = procTimes(lp.proc);
      return t.userNs + t.sysNs;
    }
    default:
      throw EINVAL;
  }
}

function sysGettimeofday(lp: Lwp, a: Int32Array): number {
  if (a[0] !== 0) putTimeval(lp, a[0]!, lp.k.microtime() * 1000);
  if (a[1] !== 0) putWords(lp, a[1]!, ...lp.k.timezone);
  return 0;
}
function sysSettimeofday(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  const zone = a[1] === 0 ? null : getWords(lp, a[1]!, 2);
  if (a[0] !== 0) lp.k.settime(getTimeval(lp, a[0]!) / 1000);
  if (zone !== null) lp.k.timezone.set(zone);
  return 0;
}
function sysClockGettime(lp: Lwp, a: Int32Array): number {
  putTimespec(lp, a[1]!, clockNow(lp, a[0]!));
  return 0;
}
function sysClockSettime(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  if (a[0] !== CLOCK_REALTIME) throw EINVAL;
  lp.k.settime(getTimespec(lp, a[1]!) / 1000);
  return 0;
}
function sysClockGetres(lp: Lwp, a: Int32Array): number {
  clockNow(lp, a[0]!);
  if (a[1] !== 0) putTimespec(lp, a[1]!, 1000);
  return 0;
}

/** The wall clock is the host's: it is never slewed. */
function sysAdjtime(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  getWords(lp, a[0]!, 2);
  if (a[1] !== 0) putWords(lp, a[1]!, 0, 0);
  return 0;
}

function* sysNanosleep(lp: Lwp, a: Int32Array): KernelFrame {
  const { k } = lp;
  const until = k.nanouptime() + getTimespec(lp, a[0]!);
  try {
    for (let left = until - k.nanouptime(); left > 0; left = until - k.nanouptime()) {
      yield* tsleep(lp, null, PCATCH | PNORESTART, left);
    }
    return 0;
  } catch (e) {
    if (e === EINTR && a[1] !== 0) putTimespec(lp, a[1]!, Math.max(0, until - k.nanouptime()));
    throw e;
  }
}

function writeItimer(lp: Lwp, uaddr: number, v: ItimerValue): void {
  putTimeval(lp, uaddr, v.intervalNs);
  putTimeval(lp, uaddr + 8, v.valueNs);
}
function sysGetitimer(lp: Lwp, a: Int32Array): number {
  writeItimer(lp, a[1]!, getitimer(lp.proc, a[0]!));
  return 0;
}
function sysSetitimer(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  let old = getitimer(p, a[0]!);
  if (a[1] !== 0) {
    const next = { intervalNs: getTimeval(lp, a[1]!), valueNs: getTimeval(lp, a[1]! + 8) };
    if (next.valueNs > 100_000_000 * NS) throw EINVAL;
    old = setitimer(p, a[0]!, next);
  }
  if (a[2] !== 0) writeItimer(lp, a[2]!, old);
  return 0;
}

export const TIME_ROWS: readonly Sysent[] = [
  plain(83, "setitimer", [int, uptr, uptr], sysSetitimer),
  plain(86, "getitimer", [int, uptr], sysGetitimer),
  plain(116, "gettimeofday", [uptr, uptr], sysGettimeofday),
  plain(122, "settimeofday", [uptr, uptr], sysSettimeofday),
  partial(plain(140, "adjtime", [uptr, uptr], sysAdjtime), "accepted without effect"),
  plain(232, "clock_gettime", [int, uptr], sysClockGettime),
  plain(233, "clock_settime", [int, uptr], sysClockSettime),
  plain(234, "clock_getres", [int, uptr], sysClockGetres),
  sleeps(240, "nanosleep", [uptr, uptr], mustSleep, sysNanosleep),
];
