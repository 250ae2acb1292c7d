// SPDX-License-Identifier: BSD-3-Clause
/**
 * DragonFly scheduling calls: rtprio and its POSIX form, I/O priorities, choice of scheduler and processor (DragonFly 2.0
 * sys/kern/{kern_resource,kern_p1003_1b,kern_sched,kern_usched}.c; 2.8 for ioprio).
 */
import { EACCES, EFBIG, EINVAL, EPERM, ESRCH } from "../../sys/errno.ts";
import { copyinstr } from "../../vm/copyio.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import {
  IOPRIO_MAX, IOPRIO_MIN, RTP_PRIO_FIFO, RTP_PRIO_IDLE, RTP_PRIO_MAX, RTP_PRIO_NORMAL, RTP_PRIO_REALTIME,
} from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { int, partial, pid, plain, type Sysent, uptr } from "../../kern/sysent.ts";
import { getWords, putTimespec, putWords } from "./guest-struct.ts";

/** Gives the processor to whoever else is runnable. */
function yieldCpu(lp: Lwp): number {
  lp.k.sched.yield(lp);
  return 0;
}

function target(lp: Lwp, n: number): Proc {
  const p = n === 0 ? lp.proc : lp.k.procs.get(n);
  if (p === undefined || p.firstLwp === null) throw ESRCH;
  return p;
}

// ---------------------------------------------------------------------------------------------------------
// rtprio

const RTP_LOOKUP = 0;
const RTP_SET = 1;
const isRealtime = (type: number): boolean => type === RTP_PRIO_REALTIME || type === RTP_PRIO_FIFO;

/** The priority as a number up to RTP_PRIO_MAX; Linux has more of them. */
const levelOf = (of: Lwp): number => Math.min(of.rtpPrio, RTP_PRIO_MAX);

/** struct rtprio is two 16-bit numbers: type and priority. */
function rtprio(lp: Lwp, func: number, p: Proc, of: Lwp, named: boolean, word: number, uaddr: number): number {
  if (func === RTP_LOOKUP) {
    putWords(lp, uaddr, of.rtpType | (levelOf(of) << 16));
    return 0;
  }
  if (func !== RTP_SET) throw EINVAL;
  const { cred } = lp.proc;
  const type = word & 0xffff;
  if (cred.uid !== 0 && cred.ruid !== 0 && cred.uid !== p.cred.uid && cred.ruid !== p.cred.uid) throw EPERM;
  if (cred.uid !== 0 && (named || isRealtime(type))) throw EPERM;
  if (!isRealtime(type) && type !== RTP_PRIO_NORMAL && type !== RTP_PRIO_IDLE) throw EINVAL;
  if (word >>> 16 > RTP_PRIO_MAX) throw EINVAL;
  lp.k.sched.setClass(of, type, word >>> 16);
  return 0;
}
function sysRtprio(lp: Lwp, a: Int32Array): number {
  const word = getWords(lp, a[2]!, 1)[0]!;
  const p = target(lp, a[1]!);
  return rtprio(lp, a[0]!, p, p.firstLwp!, a[1] !== 0, word, a[2]!);
}
/** lwp_rtprio(function, pid, tid, rtp): tid -1 is the caller's thread. */
function sysLwpRtprio(lp: Lwp, a: Int32Array): number {
  const word = getWords(lp, a[3]!, 1)[0]!;
  if (a[1]! < 0 || a[2]! < -1) throw EINVAL;
  const p = target(lp, a[1]!);
  const of = a[2] === -1 ? lp : [...p.lwps.values()].find((l) => l.lwpid === a[2]);
  if (of === undefined) throw ESRCH;
  return rtprio(lp, a[0]!, p, of, a[1] !== 0, word, a[3]!);
}

// ---------------------------------------------------------------------------------------------------------
// The POSIX form: higher numbers are better, and only the superuser changes anything

const SCHED_FIFO = 1;
const SCHED_OTHER = 2;
const SCHED_RR = 3;
/** A round-robin thread's turn, ns. */
const RR_INTERVAL_NS = 100e6;

function affected(lp: Lwp, n: number): Lwp {
  const p = target(lp, n);
  if (lp.proc.cred.uid !== 0) throw EPERM;
  return p.firstLwp!;
}
function readable(lp: Lwp, n: number): Lwp {
  return n === 0 || n === lp.proc.pid ? lp.proc.firstLwp! : affected(lp, n);
}
const policyOf = (of: Lwp): number =>
  of.rtpType === RTP_PRIO_FIFO ? SCHED_FIFO : of.rtpType === RTP_PRIO_REALTIME ? SCHED_RR : SCHED_OTHER;

function setScheduler(of: Lwp, policy: number, priority: number): number {
  const { sched } = of.k;
  if (policy === SCHED_OTHER) sched.setClass(of, RTP_PRIO_NORMAL, 0);
  else if (policy !== SCHED_FIFO && policy !== SCHED_RR) return 0;
  else if (priority < 0 || priority > RTP_PRIO_MAX) throw EPERM;
  else sched.setClass(of, policy === SCHED_FIFO ? RTP_PRIO_FIFO : RTP_PRIO_REALTIME, RTP_PRIO_MAX - priority);
  return 0;
}
function sysSchedSetparam(lp: Lwp, a: Int32Array): number {
  const priority = getWords(lp, a[1]!, 1)[0]!;
  const of = affected(lp, a[0]!);
  if (policyOf(of) === SCHED_OTHER) throw EINVAL;
  return setScheduler(of, policyOf(of), priority);
}
function sysSchedGetparam(lp: Lwp, a: Int32Array): number {
  const of = readable(lp, a[0]!);
  putWords(lp, a[1]!, isRealtime(of.rtpType) ? RTP_PRIO_MAX - levelOf(of) : 0);
  return 0;
}
function sysSchedSetscheduler(lp: Lwp, a: Int32Array): number {
  const priority = getWords(lp, a[2]!, 1)[0]!;
  return setScheduler(affected(lp, a[0]!), a[1]!, priority);
}
function sysRrInterval(lp: Lwp, a: Int32Array): number {
  affected(lp, a[0]!);
  putTimespec(lp, a[1]!, RR_INTERVAL_NS);
  return 0;
}
function priorityBound(max: boolean): (lp: Lwp, a: Int32Array) => number {
  return (_lp, a) => {
    if (a[0] === SCHED_OTHER) return max ? 20 : -20;
    if (a[0] !== SCHED_FIFO && a[0] !== SCHED_RR) throw EINVAL;
    return max ? RTP_PRIO_MAX : 0;
  };
}

// ---------------------------------------------------------------------------------------------------------
// Priorities of groups of processes

const PRIO_PROCESS = 0;
const PRIO_PGRP = 1;
const PRIO_USER = 2;
const PRIO_MAX = 20;

/** The processes that (which, who) names; 0 is the caller, its group or its user. Throws EINVAL. */
function* prioTargets(lp: Lwp, which: number, who: number): Generator<Proc> {
  if (which < PRIO_PROCESS || which > PRIO_USER) throw EINVAL;
  const self = lp.proc;
  for (const p of lp.k.procs.values()) {
    if (which === PRIO_PROCESS && p.pid === (who === 0 ? self.pid : who)) yield p;
    if (which === PRIO_PGRP && p.pgrp.id === (who === 0 ? self.pgrp.id : who)) yield p;
    if (which === PRIO_USER && p.cred.uid === (who === 0 ? self.cred.uid : who)) yield p;
  }
}
function sysGetpriority(lp: Lwp, a: Int32Array): number {
  let low = PRIO_MAX + 1;
  for (const p of prioTargets(lp, a[0]!, a[1]!)) low = Math.min(low, p.nice);
  if (low === PRIO_MAX + 1) throw ESRCH;
  return low;
}
/** Does `f` to each; throws ESRCH when there is none. */
function forTargets(lp: Lwp, a: Int32Array, f: (p: Proc) => void): number {
  let found = false;
  for (const p of prioTargets(lp, a[0]!, a[1]!)) {
    found = true;
    f(p);
  }
  if (!found) throw ESRCH;
  return 0;
}
function sysSetpriority(lp: Lwp, a: Int32Array): number {
  const nice = Math.max(-PRIO_MAX, Math.min(PRIO_MAX, a[2]!));
  return forTargets(lp, a, (p) => p.renice(lp.proc.cred, nice));
}
function sysIoprioGet(lp: Lwp, a: Int32Array): number {
  let high = -1;
  for (const p of prioTargets(lp, a[0]!, a[1]!)) high = Math.max(high, p.ionice);
  if (high < 0) throw ESRCH;
  return high;
}
function sysIoprioSet(lp: Lwp, a: Int32Array): number {
  const prio = Math.max(IOPRIO_MIN, Math.min(IOPRIO_MAX, a[2]!));
  const { cred } = lp.proc;
  return forTargets(lp, a, (p) => {
    if (cred.uid !== 0 && cred.ruid !== 0 && cred.uid !== p.cred.uid && cred.ruid !== p.cred.uid) throw EPERM;
    if (prio < p.ionice && cred.uid !== 0) throw EACCES;
    p.ionice = prio;
  });
}

// ---------------------------------------------------------------------------------------------------------
// Scheduler and processor

const USCHED_SET_SCHEDULER = 0;
const USCHED_DEL_CPU = 3;
const USCHED_GET_CPU = 4;
const NAME_LENGTH = 32;
/** The one scheduler's name, which 2.0 gives to its own of this kind. */
const SCHEDULER = "bsd4";

/** usched_set(pid, command, data, bytes): there are one scheduler and one processor. */
function sysUschedSet(lp: Lwp, a: Int32Array): number {
  if (a[1] !== USCHED_GET_CPU) suser(lp.proc);
  if (a[0] !== 0 && a[0] !== lp.proc.pid) throw EINVAL;
  if (a[1] === USCHED_SET_SCHEDULER) {
    if (copyinstr(lp.proc.vmspace!, a[2]!, NAME_LENGTH) !== SCHEDULER || lp.proc.lwps.size !== 1) throw EINVAL;
    return 0;
  }
  if (a[1]! < 0 || a[1]! > USCHED_GET_CPU || a[3] !== 4) throw EINVAL;
  if (a[1] === USCHED_GET_CPU) {
    putWords(lp, a[2]!, 0);
    return 0;
  }
  const cpu = getWords(lp, a[2]!, 1)[0]!;
  if (cpu !== 0) throw EFBIG;
  // The last processor cannot be taken away.
  if (a[1] === USCHED_DEL_CPU) throw EINVAL;
  return 0;
}

const CLASSES = "real-time threads share the first queue, idle ones the last";
export const SCHED_ROWS: readonly Sysent[] = [
  plain(96, "setpriority", [int, int, int], sysSetpriority),
  plain(100, "getpriority", [int, int], sysGetpriority),
  partial(plain(166, "rtprio", [int, pid, uptr], sysRtprio), CLASSES),
  plain(321, "yield", [], yieldCpu),
  partial(plain(327, "sched_setparam", [pid, uptr], sysSchedSetparam), CLASSES),
  plain(328, "sched_getparam", [pid, uptr], sysSchedGetparam),
  partial(plain(329, "sched_setscheduler", [pid, int, uptr], sysSchedSetscheduler), CLASSES),
  plain(330, "sched_getscheduler", [pid], (lp, a) => policyOf(readable(lp, a[0]!))),
  plain(331, "sched_yield", [], yieldCpu),
  plain(332, "sched_get_priority_max", [int], priorityBound(true)),
  plain(333, "sched_get_priority_min", [int], priorityBound(false)),
  plain(334, "sched_rr_get_interval", [pid, uptr], sysRrInterval),
  plain(481, "usched_set", [pid, int, uptr, int], sysUschedSet),
  partial(plain(498, "lwp_rtprio", [int, pid, int, uptr], sysLwpRtprio), CLASSES),
  partial(plain(520, "ioprio_set", [int, int, int], sysIoprioSet), "kept; requests are served in order"),
  plain(521, "ioprio_get", [int, int], sysIoprioGet),
];
