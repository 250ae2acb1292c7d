// SPDX-License-Identifier: BSD-3-Clause
/**
 * Clocks and timers: interval timers, POSIX timers, sleeping (DragonFly 2.0 sys/kern/kern_time.c,
 * kern_clock.c; POSIX timer_create).
 *
 * Invariants
 *   M1  Times inside the kernel are monotonic ns as numbers; conversion to wall-clock structures is the ABI's.
 *   M2  A timer that has missed periods fires once and counts the rest as overruns; a step of the wall clock
 *       therefore never makes a timer fire more than once.
 *   M3  Processor-time timers are checked when the process's time is charged, so they fire within a slice.
 * @module
 */
import { EAGAIN, EINVAL } from "../sys/errno.ts";
import { SI_TIMER, SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from "../sys/signal.ts";
import { Callout } from "./callout.ts";
import { type CpuClock, CpuWatch } from "./cpu-clock.ts";
import type { Lwp, Proc } from "./proc.ts";
import { procTimes, RLIMIT_CPU } from "./resource.ts";
import { checkQueueRoom, ksiginfo, lwpsignal, psignal } from "./sig.ts";

export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME = 2;
export const CLOCK_THREAD_CPUTIME = 3;

/** Timers a process may have. */
const MAXTIMERS = 4096;
/** Shortest period of a repeating timer, ns: faster ones would starve the kernel. */
const MIN_PERIOD_NS = 50_000;

export interface ItimerValue {
  /** Time until it fires, 0 = off; ns. */
  valueNs: number;
  intervalNs: number;
}

/** The timers of one process. */
export class Itimers {
  real: Callout | null = null;
  realIntervalNs = 0;
  /** Processor time at which they fire, ns; 0 = off. */
  virtualAtNs = 0;
  virtualIntervalNs = 0;
  profAtNs = 0;
  profIntervalNs = 0;
  readonly posix = new Map<number, PosixTimer>();
  nextId = 0;
  /** Who waits for this process's time (cpu-clock.ts). */
  readonly cpuWatches = new Set<CpuWatch>();
  /** Processor seconds at which SIGXCPU is sent next; 0 before the first. */
  xcpuAtSec = 0;

  /** True when something depends on processor time. */
  get cpuTimed(): boolean {
    return this.virtualAtNs !== 0 || this.profAtNs !== 0 || this.cpuWatches.size > 0;
  }
}

export function getitimer(p: Proc, which: number): ItimerValue {
  const t = p.itimers;
  switch (which) {
    case ITIMER_REAL:
      return {
        valueNs: t.real !== null && t.real.armed ? Math.max(1000, t.real.deadline - p.k.nanouptime()) : 0,
        intervalNs: t.realIntervalNs,
      };
    case ITIMER_VIRTUAL:
      return {
        valueNs: t.virtualAtNs === 0 ? 0 : Math.max(1000, t.virtualAtNs - procTimes(p).userNs),
        intervalNs: t.virtualIntervalNs,
      };
    case ITIMER_PROF: {
      const c = procTimes(p);
      return {
        valueNs: t.profAtNs === 0 ? 0 : Math.max(1000, t.profAtNs - c.userNs - c.sysNs),
        intervalNs: t.profIntervalNs,
      };
    }
    default:
      throw EINVAL;
  }
}

/** Arms or stops (value 0) an interval timer; returns what it was set to. */
export function setitimer(p: Proc, which: number, value: ItimerValue): ItimerValue {
  const old = getitimer(p, which);
  const t = p.itimers;
  const k = p.k;
  const interval = value.intervalNs === 0 ? 0 : Math.max(MIN_PERIOD_NS, value.intervalNs);
  if (which === ITIMER_REAL) {
    t.real ??= new Callout(() => realTimerFired(p));
    t.realIntervalNs = interval;
    if (value.valueNs === 0) k.callouts.stop(t.real);
    else k.callouts.reset(t.real, k.nanouptime() + value.valueNs);
    return old;
  }
  const c = procTimes(p);
  if (which === ITIMER_VIRTUAL) {
    t.virtualIntervalNs = interval;
    t.virtualAtNs = value.valueNs === 0 ? 0 : c.userNs + value.valueNs;
  } else {
    t.profIntervalNs = interval;
    t.profAtNs = value.valueNs === 0 ? 0 : c.userNs + c.sysNs + value.valueNs;
  }
  return old;
}

function realTimerFired(p: Proc): void {
  const t = p.itimers;
  psignal(p, SIGALRM, ksiginfo(SIGALRM, 0x80));
  if (t.realIntervalNs !== 0 && t.real !== null) {
    p.k.callouts.reset(t.real, nextPeriod(t.real.deadline, t.realIntervalNs, p.k.nanouptime()));
  }
}

/** The first period end after `now` (M2). */
function nextPeriod(last: number, interval: number, now: number): number {
  const next = last + interval;
  return next > now ? next : next + Math.floor((now - next) / interval + 1) * interval;
}

/** Called when a slice of `p` has been charged: fires the timers of processor time and enforces RLIMIT_CPU. */
export function checkCpuTimers(p: Proc): void {
  const t = p.itimers;
  const limit = p.limits.cur[RLIMIT_CPU]!;
  if (!t.cpuTimed && limit === Infinity) return;
  const { userNs, sysNs } = procTimes(p);
  if (t.virtualAtNs !== 0 && userNs >= t.virtualAtNs) {
    t.virtualAtNs = t.virtualIntervalNs === 0 ? 0 : nextPeriod(t.virtualAtNs, t.virtualIntervalNs, userNs);
    psignal(p, SIGVTALRM, ksiginfo(SIGVTALRM, 0x80));
  }
  if (t.profAtNs !== 0 && userNs + sysNs >= t.profAtNs) {
    t.profAtNs = t.profIntervalNs === 0 ? 0 : nextPeriod(t.profAtNs, t.profIntervalNs, userNs + sysNs);
    psignal(p, SIGPROF, ksiginfo(SIGPROF, 0x80));
  }
  for (const watch of [...t.cpuWatches]) watch.check();
  if (limit === Infinity) return;
  const seconds = (userNs + sysNs) / 1e9;
  // Limits of 0 count as one second.
  if (seconds >= Math.max(1, p.limits.max[RLIMIT_CPU]!)) psignal(p, SIGKILL);
  else if (seconds >= Math.max(1, limit, t.xcpuAtSec)) {
    t.xcpuAtSec = Math.floor(seconds) + 1;
    psignal(p, SIGXCPU);
  }
}

/** A timer made by timer_create. */
export class PosixTimer {
  readonly id: number;
  /** CLOCK_REALTIME or CLOCK_MONOTONIC, or the processor time it waits for. */
  readonly clock: number | CpuClock;
  /** Native signal, 0 for SIGEV_NONE. */
  readonly signo: number;
  readonly value: number;
  /** Thread that gets the signal (SIGEV_THREAD_ID), 0 = the process. */
  readonly tid: number;
  readonly callout: Callout;
  /** In the callout's place for a clock of processor time. */
  readonly watch: CpuWatch | null;
  intervalNs = 0;
  overrun = 0;
  constructor(p: Proc, id: number, clock: number | CpuClock, signo: number, value: number, tid: number) {
    this.id = id;
    this.clock = clock;
    this.signo = signo;
    this.value = value;
    this.tid = tid;
    this.callout = new Callout(() => posixTimerFired(p, this, this.callout.deadline, p.k.nanouptime()));
    this.watch = typeof clock === "number" ? null : new CpuWatch(clock, () => posixTimerFired(p, this, this.cpuAtNs, clock.now()));
  }
  /** Processor time at which it fires, or has fired. */
  cpuAtNs = 0;

  start(p: Proc, atNs: number): void {
    if (this.watch === null) p.k.callouts.reset(this.callout, atNs);
    else {
      this.cpuAtNs = atNs;
      this.watch.arm(atNs);
    }
  }
  stop(p: Proc): void {
    if (this.watch === null) p.k.callouts.stop(this.callout);
    else this.watch.disarm();
  }
}

/** The timer was to fire at `atNs` of its clock, which shows `now`. */
function posixTimerFired(p: Proc, t: PosixTimer, atNs: number, now: number): void {
  t.overrun = 0;
  if (t.intervalNs !== 0) {
    const next = nextPeriod(atNs, t.intervalNs, now);
    t.overrun = Math.min(0x7fffffff, Math.max(0, Math.round((next - atNs) / t.intervalNs) - 1));
    t.start(p, next);
  }
  if (t.signo === 0) return;
  const info = ksiginfo(t.signo, SI_TIMER);
  info.timerid = t.id;
  info.overrun = t.overrun;
  info.value = t.value;
  const lp = t.tid === 0 ? null : p.lwps.get(t.tid);
  if (lp != null) lwpsignal(lp, t.signo, info);
  else if (t.tid === 0) psignal(p, t.signo, info);
}

/** timer_create: throws EAGAIN at the limit. */
export function timerCreate(p: Proc, clock: number | CpuClock, signo: number, value: number, tid: number): PosixTimer {
  const t = p.itimers;
  if (t.posix.size >= MAXTIMERS) throw EAGAIN;
  checkQueueRoom(p);
  const timer = new PosixTimer(p, t.nextId++, clock, signo, Number.isNaN(value) ? t.nextId - 1 : value, tid);
  t.posix.set(timer.id, timer);
  return timer;
}
/** Passed as value when timer_create was called without a sigevent: the value is the timer's id. */
export const TIMER_VALUE_IS_ID = NaN;

export function timerGet(p: Proc, id: number): PosixTimer {
  const t = p.itimers.posix.get(id);
  if (t === undefined) throw EINVAL;
  return t;
}

export function timerValue(p: Proc, t: PosixTimer): ItimerValue {
  let left = 0;
  if (t.watch !== null) left = t.watch.atNs === 0 ? 0 : Math.max(1, t.watch.atNs - t.watch.clock.now());
  else if (t.callout.armed) left = Math.max(1, t.callout.deadline - p.k.nanouptime());
  return { valueNs: left, intervalNs: t.intervalNs };
}

/** Arms a POSIX timer to fire at a monotonic time or, for its processor clock, at that clock's (ns); 0 stops it. */
export function timerSet(p: Proc, t: PosixTimer, atNs: number, intervalNs: number): void {
  t.intervalNs = intervalNs === 0 ? 0 : Math.max(MIN_PERIOD_NS, intervalNs);
  t.overrun = 0;
  if (atNs === 0) t.stop(p);
  else t.start(p, atNs);
}

export function timerDelete(p: Proc, id: number): void {
  const t = timerGet(p, id);
  t.stop(p);
  p.itimers.posix.delete(id);
}

/** exec deletes POSIX timers and keeps interval timers; exit stops all. */
export function deletePosixTimers(p: Proc): void {
  for (const id of [...p.itimers.posix.keys()]) timerDelete(p, id);
}

export function stopProcTimers(p: Proc): void {
  deletePosixTimers(p);
  const t = p.itimers;
  if (t.real !== null) p.k.callouts.stop(t.real);
  t.virtualAtNs = 0;
  t.profAtNs = 0;
  t.cpuWatches.clear();
}

/** Now, in ns, of a clock; wall clock in ns since 1970 loses nothing above 200 ns. Throws EINVAL. */
export function clockNow(lp: Lwp, clock: number): number {
  const p = lp.proc;
  switch (clock) {
    case CLOCK_REALTIME:
      return p.k.microtime() * 1000;
    case CLOCK_MONOTONIC:
      return p.k.nanouptime();
    case CLOCK_PROCESS_CPUTIME: {
      const t = procTimes(p);
      return t.userNs + t.sysNs;
    }
    case CLOCK_THREAD_CPUTIME:
      p.k.sched.charge(lp);
      return lp.runtimeNs;
    default:
      throw EINVAL;
  }
}
