// SPDX-License-Identifier: BSD-3-Clause
/** Linux clocks and timers (Linux kernel/time). Each structure exists with 32-bit and with 64-bit seconds. */
import { CAP_SYS_TIME } from "../../sys/capability.ts";
import { EFAULT, EINTR, ERESTART, EINVAL } from "../../sys/errno.ts";
import { SIGALRM } from "../../sys/signal.ts";
import { copyinWords, copyoutWords, suword } from "../../vm/copyio.ts";
import { WaitChannel } from "../../sys/wait.ts";
import { CpuClock, CpuWatch } from "../../kern/cpu-clock.ts";
import { mustSleep } from "../../kern/fork.ts";
import type { KernelFrame, Lwp } from "../../kern/proc.ts";
import { need } from "../../kern/prot.ts";
import { FOREVER, PCATCH, PNORESTART, tsleep } from "../../kern/sleep.ts";
import { hex, int, partial, plain, sleeps, type Sysent, uptr } from "../../kern/sysent.ts";
import {
  CLOCK_MONOTONIC,
  CLOCK_PROCESS_CPUTIME,
  CLOCK_REALTIME,
  CLOCK_THREAD_CPUTIME,
  clockNow,
  getitimer,
  ITIMER_REAL,
  type ItimerValue,
  setitimer,
  TIMER_VALUE_IS_ID,
  timerCreate,
  timerDelete,
  timerGet,
  timerSet,
  timerValue,
} from "../../kern/time.ts";
import { getTimespec, getTimespec64, getTimeval, NS, putTimespec, putTimespec64, putTimeval } from "./guest-struct.ts";
import { schedInterval, schedTarget } from "./sys-sched.ts";
import { nativeSigno } from "./signo.ts";

/** How a structure of this call stores time: 8-byte or 16-byte timespec. */
interface TimeFormat {
  readonly size: number;
  get(lp: Lwp, uaddr: number): number;
  put(lp: Lwp, uaddr: number, ns: number): void;
}
const T32: TimeFormat = { size: 8, get: getTimespec, put: putTimespec };
const T64: TimeFormat = { size: 16, get: getTimespec64, put: putTimespec64 };

const LINUX_CLOCK_MONOTONIC_RAW = 4;
const LINUX_CLOCK_REALTIME_COARSE = 5;
const LINUX_CLOCK_MONOTONIC_COARSE = 6;
const LINUX_CLOCK_BOOTTIME = 7;
const LINUX_CLOCK_REALTIME_ALARM = 8;
const LINUX_CLOCK_BOOTTIME_ALARM = 9;
const LINUX_CLOCK_TAI = 11;

/** The kernel's clock for a Linux id. Throws EINVAL. */
function clockId(id: number): number {
  switch (id) {
    case 0:
    case LINUX_CLOCK_REALTIME_COARSE:
    case LINUX_CLOCK_REALTIME_ALARM:
    case LINUX_CLOCK_TAI:
      return CLOCK_REALTIME;
    case 1:
    case LINUX_CLOCK_MONOTONIC_RAW:
    case LINUX_CLOCK_MONOTONIC_COARSE:
    case LINUX_CLOCK_BOOTTIME:
    case LINUX_CLOCK_BOOTTIME_ALARM:
      return CLOCK_MONOTONIC;
    case 2:
      return CLOCK_PROCESS_CPUTIME;
    case 3:
      return CLOCK_THREAD_CPUTIME;
    default:
      throw EINVAL;
  }
}

/** The clock of processor time that an id names: 2, 3, or a negative one for a process or thread; null for others. Throws EINVAL. */
function cpuClock(lp: Lwp, id: number): CpuClock | null {
  if (id >= 0) {
    const clock = clockId(id);
    if (clock === CLOCK_PROCESS_CPUTIME) return new CpuClock(lp.proc, null);
    return clock === CLOCK_THREAD_CPUTIME ? new CpuClock(lp.proc, lp) : null;
  }
  const target = ~(id >> 3);
  if ((id & 3) === 3) throw EINVAL;
  if ((id & 4) !== 0) {
    const l = target === 0 ? lp : lp.proc.lwps.get(target);
    if (l === undefined) throw EINVAL;
    return new CpuClock(l.proc, l);
  }
  const p = target === 0 ? lp.proc : lp.k.procs.get(target);
  if (p === undefined) throw EINVAL;
  return new CpuClock(p, null);
}

/** Now on a Linux clock, ns. */
function linuxClockNow(lp: Lwp, id: number): number {
  return id === 0 || id === 1 ? clockNow(lp, id) : (cpuClock(lp, id)?.now() ?? clockNow(lp, clockId(id)));
}

// ---------------------------------------------------------------------------------------------------------
// Time of day

function sysTime(lp: Lwp, a: Int32Array): number {
  const now = Math.floor(lp.k.microtime() / 1e6) | 0;
  if (a[0] !== 0) suword(lp.proc.vmspace!, a[0]!, now);
  return now;
}
function sysStime(lp: Lwp, a: Int32Array): number {
  const w = new Int32Array(1);
  copyinWords(lp.proc.vmspace!, a[0]!, w, 1);
  need(lp.proc, CAP_SYS_TIME);
  lp.k.settime(w[0]! * 1e6);
  return 0;
}
function sysGettimeofday(lp: Lwp, a: Int32Array): number {
  if (a[0] !== 0) putTimeval(lp, a[0]!, lp.k.microtime() * 1000);
  if (a[1] !== 0) copyoutWords(lp.proc.vmspace!, new Int32Array(2), a[1]!, 2);
  return 0;
}
function sysSettimeofday(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const ns = a[0] === 0 ? null : getTimeval(lp, a[0]!);
  if (a[1] !== 0) copyinWords(vm, a[1]!, new Int32Array(2), 2);
  need(lp.proc, CAP_SYS_TIME);
  if (ns !== null) lp.k.settime(ns / 1000);
  return 0;
}

const clockGettime = (t: TimeFormat) => (lp: Lwp, a: Int32Array): number => {
  t.put(lp, a[1]!, linuxClockNow(lp, a[0]!));
  return 0;
};
const clockSettime = (t: TimeFormat) => (lp: Lwp, a: Int32Array): number => {
  const ns = t.get(lp, a[1]!);
  if (a[0] !== 0) throw EINVAL;
  need(lp.proc, CAP_SYS_TIME);
  lp.k.settime(ns / 1000);
  return 0;
};
const clockGetres = (t: TimeFormat) => (lp: Lwp, a: Int32Array): number => {
  linuxClockNow(lp, a[0]!);
  const coarse = a[0] === LINUX_CLOCK_REALTIME_COARSE || a[0] === LINUX_CLOCK_MONOTONIC_COARSE;
  if (a[1] !== 0) t.put(lp, a[1]!, coarse ? 4_000_000 : 1);
  return 0;
};

// ---------------------------------------------------------------------------------------------------------
// Sleeping

/** Sleeps until a moment of the monotonic clock; stores what is left at `rem` when a signal ends it. */
function* sleepUntil(lp: Lwp, moment: number, rem: number, t: TimeFormat): KernelFrame {
  const k = lp.k;
  // A call that is made again because its tracer dropped the signal still ends when it would have.
  const until = lp.trace !== null && lp.trace.sleepUntil !== 0 ? lp.trace.sleepUntil : moment;
  try {
    for (;;) {
      const left = until - k.nanouptime();
      if (left <= 0) return 0;
      yield* tsleep(lp, null, PCATCH | PNORESTART, left);
    }
  } catch (e) {
    if (e !== EINTR && e !== ERESTART) throw e;
    if (rem !== 0) t.put(lp, rem, Math.max(0, until - k.nanouptime()));
    if (lp.trace !== null) lp.trace.sleepUntil = until;
    throw e;
  }
}

function* sysNanosleep(lp: Lwp, a: Int32Array): KernelFrame {
  const ns = getTimespec(lp, a[0]!);
  return yield* sleepUntil(lp, lp.k.nanouptime() + ns, a[1]!, T32);
}

/** As sleepUntil, until a process or thread has used so much processor time. */
function* sleepUntilUsed(lp: Lwp, clock: CpuClock, untilNs: number, rem: number, t: TimeFormat): KernelFrame {
  const chan = new WaitChannel("cputime");
  const watch = new CpuWatch(clock, () => chan.wakeup());
  if (untilNs <= 0) return 0;
  watch.arm(untilNs);
  try {
    while (watch.atNs !== 0) yield* tsleep(lp, chan, PCATCH | PNORESTART, FOREVER);
    return 0;
  } catch (e) {
    if (e === EINTR && rem !== 0) t.put(lp, rem, Math.max(0, untilNs - clock.now()));
    throw e;
  } finally {
    watch.disarm();
  }
}

const TIMER_ABSTIME = 1;
const clockNanosleep = (t: TimeFormat) =>
  function* (lp: Lwp, a: Int32Array): KernelFrame {
    const cpu = cpuClock(lp, a[0]!);
    // A thread that waits uses no time.
    if (cpu?.lwp === lp) throw EINVAL;
    const ns = t.get(lp, a[2]!);
    const absolute = (a[1]! & TIMER_ABSTIME) !== 0;
    if (cpu !== null) return yield* sleepUntilUsed(lp, cpu, absolute ? ns : ns === 0 ? 0 : cpu.now() + ns, absolute ? 0 : a[3]!, t);
    const clock = clockId(a[0]!);
    const until = absolute ? lp.k.nanouptime() + ns - clockNow(lp, clock) : lp.k.nanouptime() + ns;
    return yield* sleepUntil(lp, until, absolute ? 0 : a[3]!, t);
  };

// ---------------------------------------------------------------------------------------------------------
// Interval timers

function readItimer(lp: Lwp, uaddr: number): ItimerValue {
  return { intervalNs: getTimeval(lp, uaddr), valueNs: getTimeval(lp, uaddr + 8) };
}
function writeItimer(lp: Lwp, uaddr: number, v: ItimerValue): void {
  putTimeval(lp, uaddr, v.intervalNs);
  putTimeval(lp, uaddr + 8, v.valueNs);
}
function sysGetitimer(lp: Lwp, a: Int32Array): number {
  const v = getitimer(lp.proc, a[0]!);
  if (a[1] === 0) throw EFAULT;
  writeItimer(lp, a[1]!, v);
  return 0;
}
function sysSetitimer(lp: Lwp, a: Int32Array): number {
  const v = a[1] === 0 ? { intervalNs: 0, valueNs: 0 } : readItimer(lp, a[1]!);
  const old = setitimer(lp.proc, a[0]!, v);
  if (a[2] !== 0) writeItimer(lp, a[2]!, old);
  return 0;
}
function sysAlarm(lp: Lwp, a: Int32Array): number {
  const old = setitimer(lp.proc, ITIMER_REAL, { intervalNs: 0, valueNs: (a[0]! >>> 0) * NS });
  // A pending alarm never reads as 0.
  return old.valueNs === 0 ? 0 : Math.max(1, Math.round(old.valueNs / NS));
}

// ---------------------------------------------------------------------------------------------------------
// POSIX timers

const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;
const SIGEV_THREAD = 2;
const SIGEV_THREAD_ID = 4;

function sysTimerCreate(lp: Lwp, a: Int32Array): number {
  const p = lp.proc;
  const clock = cpuClock(lp, a[0]!) ?? clockId(a[0]!);
  let signo = SIGALRM;
  let value = TIMER_VALUE_IS_ID;
  let tid = 0;
  if (a[1] !== 0) {
    // struct sigevent: value, signo, notify, thread id
    const w = new Int32Array(4);
    copyinWords(p.vmspace!, a[1]!, w, 4);
    value = w[0]!;
    switch (w[2]) {
      case SIGEV_NONE:
        signo = 0;
        break;
      case SIGEV_THREAD_ID:
        tid = w[3]!;
        if (!p.lwps.has(tid)) throw EINVAL;
        signo = nativeSigno(w[1]!);
        break;
      case SIGEV_SIGNAL:
      case SIGEV_THREAD:
        signo = nativeSigno(w[1]!);
        break;
      default:
        throw EINVAL;
    }
    if (signo === 0 && w[2] !== SIGEV_NONE) throw EINVAL;
  }
  const timer = timerCreate(p, clock, signo, value, tid);
  try {
    suword(p.vmspace!, a[2]!, timer.id);
  } catch (e) {
    timerDelete(p, timer.id);
    throw e;
  }
  return 0;
}

const timerSettime = (t: TimeFormat) => (lp: Lwp, a: Int32Array): number => {
  const p = lp.proc;
  if (a[2] === 0) throw EINVAL;
  const interval = t.get(lp, a[2]!);
  const value = t.get(lp, a[2]! + t.size);
  const timer = timerGet(p, a[0]!);
  const old = timerValue(timer);
  let at = 0;
  if (value !== 0) {
    const now = p.k.nanouptime();
    const absolute = (a[1]! & TIMER_ABSTIME) !== 0;
    if (typeof timer.clock !== "number") at = absolute ? value : timer.clock.now() + value;
    else at = absolute ? now + value - clockNow(lp, timer.clock) : now + value;
  }
  timerSet(timer, at, interval);
  if (a[3] !== 0) {
    t.put(lp, a[3]!, old.intervalNs);
    t.put(lp, a[3]! + t.size, old.valueNs);
  }
  return 0;
};
const timerGettime = (t: TimeFormat) => (lp: Lwp, a: Int32Array): number => {
  const v = timerValue(timerGet(lp.proc, a[0]!));
  t.put(lp, a[1]!, v.intervalNs);
  t.put(lp, a[1]! + t.size, v.valueNs);
  return 0;
};
function sysTimerGetoverrun(lp: Lwp, a: Int32Array): number {
  return timerGet(lp.proc, a[0]!).overrun;
}
function sysTimerDelete(lp: Lwp, a: Int32Array): number {
  timerDelete(lp.proc, a[0]!);
  return 0;
}

// ---------------------------------------------------------------------------------------------------------

/** sched_rr_get_interval */
const rrInterval = (t: TimeFormat) => (lp: Lwp, a: Int32Array): number => {
  t.put(lp, a[1]!, schedInterval(schedTarget(lp, a[0]!)));
  return 0;
};

export const TIME_ROWS: readonly Sysent[] = [
  plain(13, "time", [uptr], sysTime),
  plain(25, "stime", [uptr], sysStime),
  plain(27, "alarm", [int], sysAlarm),
  plain(78, "gettimeofday", [uptr, uptr], sysGettimeofday),
  partial(plain(79, "settimeofday", [uptr, uptr], sysSettimeofday), "the time zone is ignored"),
  plain(104, "setitimer", [int, uptr, uptr], sysSetitimer),
  plain(105, "getitimer", [int, uptr], sysGetitimer),
  plain(161, "sched_rr_get_interval", [int, uptr], rrInterval(T32)),
  sleeps(162, "nanosleep", [uptr, uptr], mustSleep, sysNanosleep),
  plain(259, "timer_create", [int, uptr, uptr], sysTimerCreate),
  plain(260, "timer_settime", [int, hex, uptr, uptr], timerSettime(T32)),
  plain(261, "timer_gettime", [int, uptr], timerGettime(T32)),
  plain(262, "timer_getoverrun", [int], sysTimerGetoverrun),
  plain(263, "timer_delete", [int], sysTimerDelete),
  plain(264, "clock_settime", [int, uptr], clockSettime(T32)),
  plain(265, "clock_gettime", [int, uptr], clockGettime(T32)),
  plain(266, "clock_getres", [int, uptr], clockGetres(T32)),
  sleeps(267, "clock_nanosleep", [int, hex, uptr, uptr], mustSleep, clockNanosleep(T32)),
  plain(403, "clock_gettime64", [int, uptr], clockGettime(T64)),
  plain(404, "clock_settime64", [int, uptr], clockSettime(T64)),
  plain(406, "clock_getres_time64", [int, uptr], clockGetres(T64)),
  sleeps(407, "clock_nanosleep_time64", [int, hex, uptr, uptr], mustSleep, clockNanosleep(T64)),
  plain(408, "timer_gettime64", [int, uptr], timerGettime(T64)),
  plain(409, "timer_settime64", [int, hex, uptr, uptr], timerSettime(T64)),
  plain(423, "sched_rr_get_interval_time64", [int, uptr], rrInterval(T64)),
];
