// SPDX-License-Identifier: BSD-3-Clause
/**
 * Linux scheduling policies (Linux kernel/sched/syscalls.c; sched(7)). SCHED_FIFO and SCHED_RR are the kernel's real-time
 * class, whose best priority, 99 here, is 0 there. Policies belong to threads, niceness to processes.
 */
import { CAP_SYS_NICE, capable } from "../../sys/capability.ts";
import { E2BIG, EINVAL, EPERM, ESRCH } from "../../sys/errno.ts";
import { copyin, copyinWords, copyoutWords, suword } from "../../vm/copyio.ts";
import type { Lwp, Proc } from "../../kern/proc.ts";
import { RTP_PRIO_FIFO, RTP_PRIO_NORMAL, RTP_PRIO_REALTIME, SCHED_IDLE } from "../../kern/proc.ts";
import { RLIMIT_RTPRIO } from "../../kern/resource.ts";
import { SLICE_NS } from "../../kern/sched.ts";
import { hex, int, partial, pid, plain, size, type Sysent, uptr } from "../../kern/sysent.ts";
import { findProc } from "./sys-process.ts";

const SCHED_OTHER = 0;
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_BATCH = 3;
/** Known by its range of priorities; no thread can have it. */
const SCHED_DEADLINE = 6;
const RESET_ON_FORK = 0x4000_0000;
const PRIORITY_MAX = 99;

const isRealtime = (policy: number): boolean => policy === SCHED_FIFO || policy === SCHED_RR;
const isKnown = (policy: number): boolean =>
  isRealtime(policy) || policy === SCHED_OTHER || policy === SCHED_BATCH || policy === SCHED_IDLE;

/** The policy of a thread, and its priority: 1 to 99 with a real-time policy, else 0. */
export function schedPolicy(lp: Lwp): number {
  if (lp.rtpType === RTP_PRIO_FIFO) return SCHED_FIFO;
  return lp.rtpType === RTP_PRIO_REALTIME ? SCHED_RR : lp.schedPolicy;
}
export function schedPriority(lp: Lwp): number {
  return isRealtime(schedPolicy(lp)) ? PRIORITY_MAX - lp.rtpPrio : 0;
}

/** sched_rr_get_interval: a turn with a policy that has turns, ns. */
export function schedInterval(lp: Lwp): number {
  return schedPolicy(lp) === SCHED_FIFO ? 0 : SLICE_NS;
}

/** Throws EINVAL for a negative number, ESRCH. */
export function schedTarget(lp: Lwp, tid: number): Lwp {
  if (tid < 0) throw EINVAL;
  const t = tid === 0 ? lp : lp.k.lwps.get(tid);
  if (t === undefined) throw ESRCH;
  return t;
}
/** As schedTarget(); null for a process without threads, which belongs to the kernel. */
function anyTarget(lp: Lwp, tid: number): Lwp | null {
  if (tid < 0) throw EINVAL;
  const t = tid === 0 ? lp : lp.k.lwps.get(tid);
  if (t === undefined && !lp.k.procs.has(tid)) throw ESRCH;
  return t ?? null;
}

/** struct sched_param. Throws EINVAL, EFAULT. */
function paramAt(lp: Lwp, uaddr: number): number {
  if (uaddr === 0) throw EINVAL;
  const buf = new Uint8Array(4);
  copyin(lp.proc.vmspace!, uaddr, buf, 0, 4);
  return new DataView(buf.buffer).getInt32(0, true);
}

/** Throws EPERM unless the process is the caller's own, or the caller may do so with all. */
function mayReschedule(lp: Lwp, proc: Proc): void {
  const { cred } = lp.proc;
  const { uid } = cred;
  if (!capable(cred, CAP_SYS_NICE) && uid !== proc.cred.uid && uid !== proc.cred.ruid) throw EPERM;
}

/** Gives a thread a policy and a priority. Throws EINVAL for what does not go together, EPERM above RLIMIT_RTPRIO. */
function setScheduler(lp: Lwp, t: Lwp | null, policy: number, priority: number, reset: boolean): number {
  if (!isKnown(policy)) throw EINVAL;
  if (isRealtime(policy) ? priority < 1 || priority > PRIORITY_MAX : priority !== 0) throw EINVAL;
  if (t === null) throw EPERM;
  mayReschedule(lp, t.proc);
  if (!capable(lp.proc.cred, CAP_SYS_NICE)) {
    const limit = t.proc.limits.cur[RLIMIT_RTPRIO]!;
    if (isRealtime(policy) && policy !== schedPolicy(t) && limit === 0) throw EPERM;
    if (priority > schedPriority(t) && priority > limit) throw EPERM;
    if (t.schedReset && !reset) throw EPERM;
  }
  const { sched } = lp.k;
  t.schedReset = reset;
  t.schedPolicy = isRealtime(policy) ? SCHED_OTHER : policy;
  if (isRealtime(policy)) {
    sched.setClass(t, policy === SCHED_FIFO ? RTP_PRIO_FIFO : RTP_PRIO_REALTIME, PRIORITY_MAX - priority);
  } else sched.setClass(t, RTP_PRIO_NORMAL, 0);
  return 0;
}

function sysSetscheduler(lp: Lwp, a: Int32Array): number {
  if (a[1]! < 0 || a[0]! < 0) throw EINVAL;
  const priority = paramAt(lp, a[2]!);
  return setScheduler(lp, anyTarget(lp, a[0]!), a[1]! & ~RESET_ON_FORK, priority, (a[1]! & RESET_ON_FORK) !== 0);
}
function sysSetparam(lp: Lwp, a: Int32Array): number {
  const priority = paramAt(lp, a[1]!);
  const t = anyTarget(lp, a[0]!);
  return setScheduler(lp, t, t === null ? SCHED_OTHER : schedPolicy(t), priority, t !== null && t.schedReset);
}
function sysGetscheduler(lp: Lwp, a: Int32Array): number {
  const t = anyTarget(lp, a[0]!);
  return t === null ? SCHED_OTHER : schedPolicy(t) | (t.schedReset ? RESET_ON_FORK : 0);
}
function sysGetparam(lp: Lwp, a: Int32Array): number {
  if (a[1] === 0) throw EINVAL;
  const t = anyTarget(lp, a[0]!);
  suword(lp.proc.vmspace!, a[1]!, t === null ? 0 : schedPriority(t));
  return 0;
}
/** Leaves the processor to others of the same priority. */
function sysYield(lp: Lwp): number {
  lp.k.sched.yield(lp);
  return 0;
}
const priorityBound = (realtime: number) => (_lp: Lwp, a: Int32Array): number => {
  if (!isKnown(a[0]!) && a[0] !== SCHED_DEADLINE) throw EINVAL;
  return isRealtime(a[0]!) ? realtime : 0;
};

/** A thread's process; that of the system, which has no threads, too. Throws ESRCH. */
function affinityTarget(lp: Lwp, tid: number): Proc {
  return tid === 0 ? lp.proc : findProc(lp, tid);
}
/** The result is the number of bytes written: one word, in which processor 0 is set. */
function sysGetaffinity(lp: Lwp, a: Int32Array): number {
  affinityTarget(lp, a[0]!);
  if (a[1]! < 4 || (a[1]! & 3) !== 0) throw EINVAL;
  suword(lp.proc.vmspace!, a[2]!, 1);
  return 4;
}
function sysSetaffinity(lp: Lwp, a: Int32Array): number {
  const buf = new Uint8Array(Math.min(a[1]! >>> 0, 128));
  copyin(lp.proc.vmspace!, a[2]!, buf, 0, buf.length);
  mayReschedule(lp, affinityTarget(lp, a[0]!));
  if (buf.length === 0 || (buf[0]! & 1) === 0) throw EINVAL;
  return 0;
}

/** struct sched_attr, version 0: size, policy, flags, nice, priority, runtime, deadline, period. */
const ATTR_BYTES = 48;
const ATTR_RESET_ON_FORK = 1;
const ATTR_KEEP_POLICY = 8;
const ATTR_KEEP_PARAMS = 16;
const ATTR_FLAGS = ATTR_RESET_ON_FORK | ATTR_KEEP_POLICY | ATTR_KEEP_PARAMS;
function sysGetattr(lp: Lwp, a: Int32Array): number {
  if (a[1] === 0 || a[3] !== 0 || a[2]! >>> 0 < ATTR_BYTES || a[2]! >>> 0 > 4096) throw EINVAL;
  const t = schedTarget(lp, a[0]!);
  const w = new Int32Array(ATTR_BYTES / 4);
  w[0] = ATTR_BYTES;
  w[1] = schedPolicy(t);
  w[2] = t.schedReset ? ATTR_RESET_ON_FORK : 0;
  if (isRealtime(w[1])) w[5] = schedPriority(t);
  else w[4] = t.proc.nice;
  copyoutWords(lp.proc.vmspace!, w, a[1]!, w.length);
  return 0;
}
function sysSetattr(lp: Lwp, a: Int32Array): number {
  const w = new Int32Array(ATTR_BYTES / 4);
  const vm = lp.proc.vmspace!;
  if (a[1] === 0 || a[2] !== 0 || a[0]! < 0) throw EINVAL;
  copyinWords(vm, a[1]!, w, 1);
  if (w[0] !== 0 && w[0]! < ATTR_BYTES) {
    suword(vm, a[1]!, ATTR_BYTES);
    throw E2BIG;
  }
  copyinWords(vm, a[1]!, w, w.length);
  const t = schedTarget(lp, a[0]!);
  if ((w[2]! & ~ATTR_FLAGS) !== 0) throw EINVAL;
  const keeps = (w[2]! & ATTR_KEEP_PARAMS) !== 0;
  const policy = (w[2]! & ATTR_KEEP_POLICY) !== 0 ? schedPolicy(t) : w[1]!;
  const priority = keeps ? schedPriority(t) : w[5]!;
  setScheduler(lp, t, policy, priority, (w[2]! & ATTR_RESET_ON_FORK) !== 0);
  if (!isRealtime(policy) && !keeps) t.proc.renice(lp.proc.cred, Math.max(-20, Math.min(19, w[4]!)));
  return 0;
}

const NO_DEADLINE = "no SCHED_DEADLINE; the idle policy weighs as nice 19, the batch policy as the normal one";
export const SCHED_ROWS: readonly Sysent[] = [
  plain(154, "sched_setparam", [pid, uptr], sysSetparam),
  plain(155, "sched_getparam", [pid, uptr], sysGetparam),
  partial(plain(156, "sched_setscheduler", [pid, int, uptr], sysSetscheduler), NO_DEADLINE),
  plain(157, "sched_getscheduler", [pid], sysGetscheduler),
  plain(158, "sched_yield", [], sysYield),
  plain(159, "sched_get_priority_max", [int], priorityBound(PRIORITY_MAX)),
  plain(160, "sched_get_priority_min", [int], priorityBound(1)),
  partial(plain(241, "sched_setaffinity", [pid, size, uptr], sysSetaffinity), "one processor"),
  plain(242, "sched_getaffinity", [pid, size, uptr], sysGetaffinity),
  partial(plain(351, "sched_setattr", [pid, uptr, hex], sysSetattr), NO_DEADLINE),
  plain(352, "sched_getattr", [pid, uptr, size, hex], sysGetattr),
];
