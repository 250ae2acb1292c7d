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
 *   M4  A POSIX timer whose signal waits to be taken stands still; what it has missed is counted when the signal is taken, in its true
 *       periods, however short they are.
 * @module
 */
import { EAGAIN, EINVAL } from "../sys/errno.ts";
import { SI_TIMER, SIGALRM, SIGKILL, SIGPROF, SIGVTALRM, SIGXCPU } from "../sys/signal.ts";
import { Callout } from "./callout.ts";
import { type CpuClock, CpuWatch } from "./cpu-clock.ts";
import type { Lwp, Proc } from "./proc.ts";
import { procTimes, RLIMIT_CPU } from "./resource.ts";
import { checkQueueRoom, type Ksiginfo, ksiginfo, lwpsignal, psignal } from "./sig.ts";

export const ITIMER_REAL = 0;
export const ITIMER_VIRTUAL = 1;
export const ITIMER_PROF = 2;

export const CLOCK_REALTIME = 0;
export const CLOCK_MONOTONIC = 1;
export const CLOCK_PROCESS_CPUTIME = 2;
export const CLOCK_THREAD_CPUTIME = 3;

/** Timers a process may have. */
const MAXTIMERS = 4096;
/** Most overruns that are told of (Linux DELAYTIMER_MAX). */
const DELAYTIMER_MAX = 0x7fff_ffff;
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
  /** When it is, or was, due: a moment of the monotonic clock or of its clock of processor time. */
  dueNs = 0;
  /** Periods that passed while the signal that was taken last had been waiting. */
  overrun = 0;
  /** The signal that it has sent and nobody has taken: meanwhile it stands still (M4). */
  pending: Ksiginfo | null = null;
  private readonly p: Proc;

  constructor(p: Proc, id: number, clock: number | CpuClock, signo: number, value: number, tid: number) {
    this.p = p;
    this.id = id;
    this.clock = clock;
    this.signo = signo;
    this.value = value;
    this.tid = tid;
    this.callout = new Callout(() => this.fired());
    this.watch = typeof clock === "number" ? null : new CpuWatch(clock, () => this.fired());
  }

  /** What `dueNs` is compared with. */
  now(): number {
    return this.watch === null ? this.p.k.nanouptime() : this.watch.clock.now();
  }

  start(dueNs: number): void {
    this.dueNs = dueNs;
    this.arm(dueNs);
  }
  private arm(atNs: number): void {
    if (this.watch === null) this.p.k.callouts.reset(this.callout, atNs);
    else this.watch.arm(atNs);
  }
  stop(): void {
    this.pending = null;
    if (this.watch === null) this.p.k.callouts.stop(this.callout);
    else this.watch.disarm();
  }

  private fired(): void {
    const { p, signo } = this;
    const lp = this.tid === 0 ? null : p.lwps.get(this.tid);
    if (signo !== 0 && lp !== undefined) {
      const info = ksiginfo(signo, SI_TIMER);
      info.timerid = this.id;
      info.value = this.value;
      info.source = this;
      if (lp === null) psignal(p, signo, info);
      else lwpsignal(lp, signo, info);
      if ((lp === null ? p.sigqueue : lp.sigqueue).includes(info)) {
        this.pending = info;
        return;
      }
    }
    this.goOn();
  }

  /** Its signal leaves the queue: the periods that have passed meanwhile are its overruns. */
  taken(info: Ksiginfo): void {
    if (info !== this.pending) return;
    this.pending = null;
    this.overrun = info.overrun = Math.min(DELAYTIMER_MAX, this.goOn());
  }

  /** Waits for the next period that is still to come; the number of those that are over. */
  private goOn(): number {
    const { intervalNs } = this;
    if (intervalNs === 0) return 0;
    const now = this.now();
    const over = Math.max(0, Math.floor((now - this.dueNs) / intervalNs));
    this.dueNs += (over + 1) * intervalNs;
    this.arm(Math.max(this.dueNs, now + MIN_PERIOD_NS));
    return over;
  }

  /** Time until it fires again. */
  leftNs(): number {
    if (this.pending !== null && this.intervalNs !== 0) return this.intervalNs - ((this.now() - this.dueNs) % this.intervalNs);
    const armed = this.watch === null ? this.callout.armed : this.watch.atNs !== 0;
    return armed ? Math.max(1, this.dueNs - this.now()) : 0;
  }
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

export function timerValue(t: PosixTimer): ItimerValue {
  return { valueNs: t.leftNs(), intervalNs: t.intervalNs };
}

/** Arms a POSIX timer to fire at a monotonic time or, for its processor clock, at that clock's (ns); 0 stops it. */
export function timerSet(t: PosixTimer, atNs: number, intervalNs: number): void {
  t.stop();
  t.intervalNs = intervalNs;
  t.overrun = 0;
  if (atNs !== 0) t.start(atNs);
}

export function timerDelete(p: Proc, id: number): void {
  const t = timerGet(p, id);
  t.stop();
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
