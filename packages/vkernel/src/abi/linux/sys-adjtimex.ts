// SPDX-License-Identifier: BSD-3-Clause
/**
 * adjtimex and clock_adjtime (Linux kernel/time/ntp.c, timekeeping.c). The machine's clock is the host's, which somebody else
 * disciplines: the parameters of the phase-locked loop are checked and kept, a step (ADJ_SETOFFSET) sets the clock.
 *
 * Invariant
 *   T1  One set of parameters per kernel; who has not CAP_SYS_TIME only reads.
 */
import { CAP_SYS_TIME } from "../../sys/capability.ts";
import { EINVAL, EOPNOTSUPP } from "../../sys/errno.ts";
import type { Kernel } from "../../kern/kernel.ts";
import type { Lwp } from "../../kern/proc.ts";
import { need } from "../../kern/prot.ts";
import { int, partial, plain, type Sysent, uptr } from "../../kern/sysent.ts";
import { copyin, copyout } from "../../vm/copyio.ts";

const ADJ_OFFSET = 0x0001;
const ADJ_FREQUENCY = 0x0002;
const ADJ_MAXERROR = 0x0004;
const ADJ_ESTERROR = 0x0008;
const ADJ_STATUS = 0x0010;
const ADJ_TIMECONST = 0x0020;
const ADJ_TAI = 0x0080;
const ADJ_SETOFFSET = 0x0100;
const ADJ_MICRO = 0x1000;
const ADJ_NANO = 0x2000;
const ADJ_TICK = 0x4000;
/** adjtime(3) by this call: with ADJ_OFFSET sets what is left to slew, with ADJ_NANO's bit only reads it. */
const ADJ_ADJTIME = 0x8000;

const STA_UNSYNC = 0x0040;
const STA_NANO = 0x2000;
/** Bits of the status that only the kernel sets. */
const STA_RONLY = 0xff00;
const TIME_OK = 0;
const TIME_ERROR = 5;

/** Microseconds of an offset, parts per million × 2^16 of a frequency, time constants: what is kept lies within. */
const MAXPHASE = 500_000;
const MAXFREQ = 500 << 16;
const MAXTC = 10;
const TICK = 10_000;
const CLOCK_REALTIME = 0;
/** Ids of clocks end here. */
const MAX_CLOCKS = 16;

interface NtpState {
  offset: number;
  freq: number;
  maxerror: number;
  esterror: number;
  status: number;
  constant: number;
  tick: number;
  tai: number;
}
const states = new WeakMap<Kernel, NtpState>();
function stateOf(k: Kernel): NtpState {
  let s = states.get(k);
  if (s === undefined) {
    s = { offset: 0, freq: 0, maxerror: 16_000_000, esterror: 16_000_000, status: STA_UNSYNC, constant: 2, tick: TICK, tai: 0 };
    states.set(k, s);
  }
  return s;
}

/** Where the fields of struct timex are, with words of 32 bits or (struct __kernel_timex) of 64. */
class Timex {
  readonly #dv: DataView;
  readonly #wide: boolean;

  constructor(data: Uint8Array, wide: boolean) {
    this.#dv = new DataView(data.buffer);
    this.#wide = wide;
  }

  /** Field `i`, counting from modes. */
  get(i: number): number {
    const at = this.#wide ? 8 * i : 4 * i;
    const isInt = !this.#wide || i === FIELD.modes || i === FIELD.status || i === FIELD.tai;
    return isInt ? this.#dv.getInt32(at, true) : Number(this.#dv.getBigInt64(at, true));
  }

  set(i: number, value: number): void {
    const at = this.#wide ? 8 * i : 4 * i;
    const isInt = !this.#wide || i === FIELD.modes || i === FIELD.status || i === FIELD.tai;
    if (isInt) this.#dv.setInt32(at, value, true);
    else this.#dv.setBigInt64(at, BigInt(value), true);
  }
}
const FIELD = {
  modes: 0, offset: 1, freq: 2, maxerror: 3, esterror: 4, status: 5, constant: 6, precision: 7, tolerance: 8,
  sec: 9, usec: 10, tick: 11, tai: 20,
} as const;

const clamp = (v: number, least: number, most: number): number => Math.max(least, Math.min(most, v));

/** Throws EINVAL, EPERM for what must not be set. */
function check(lp: Lwp, t: Timex, modes: number): void {
  if ((modes & ADJ_ADJTIME) !== 0) {
    if ((modes & ADJ_OFFSET) === 0) throw EINVAL;
    if ((modes & ADJ_NANO) === 0) need(lp.proc, CAP_SYS_TIME);
  } else {
    if (modes !== 0) need(lp.proc, CAP_SYS_TIME);
    const tick = t.get(FIELD.tick);
    if ((modes & ADJ_TICK) !== 0 && (tick < 0.9 * TICK || tick > 1.1 * TICK)) throw EINVAL;
  }
  if ((modes & ADJ_SETOFFSET) === 0) return;
  need(lp.proc, CAP_SYS_TIME);
  const part = t.get(FIELD.usec);
  if (part < 0 || part >= ((modes & ADJ_NANO) !== 0 ? 1e9 : 1e6)) throw EINVAL;
}

function adjust(s: NtpState, t: Timex, modes: number): void {
  if ((modes & ADJ_STATUS) !== 0) s.status = (s.status & STA_RONLY) | (t.get(FIELD.status) & ~STA_RONLY);
  if ((modes & ADJ_NANO) !== 0) s.status |= STA_NANO;
  if ((modes & ADJ_MICRO) !== 0) s.status &= ~STA_NANO;
  if ((modes & ADJ_FREQUENCY) !== 0) s.freq = clamp(t.get(FIELD.freq), -MAXFREQ, MAXFREQ);
  if ((modes & ADJ_MAXERROR) !== 0) s.maxerror = clamp(t.get(FIELD.maxerror), 0, 16_000_000);
  if ((modes & ADJ_ESTERROR) !== 0) s.esterror = clamp(t.get(FIELD.esterror), 0, 16_000_000);
  if ((modes & ADJ_TIMECONST) !== 0) {
    s.constant = clamp(t.get(FIELD.constant), 0, MAXTC);
    if ((s.status & STA_NANO) === 0) s.constant = Math.min(s.constant + 4, MAXTC);
  }
  if ((modes & ADJ_TAI) !== 0 && t.get(FIELD.constant) >= 0) s.tai = t.get(FIELD.constant);
  if ((modes & ADJ_OFFSET) !== 0) s.offset = clamp(t.get(FIELD.offset), -MAXPHASE, MAXPHASE);
  if ((modes & ADJ_TICK) !== 0) s.tick = t.get(FIELD.tick);
}

function adjtimex(lp: Lwp, uaddr: number, wide: boolean): number {
  const vm = lp.proc.vmspace!;
  const data = new Uint8Array(wide ? 208 : 128);
  copyin(vm, uaddr, data, 0, data.length);
  const t = new Timex(data, wide);
  const modes = t.get(FIELD.modes);
  check(lp, t, modes);
  const s = stateOf(lp.k);
  if ((modes & ADJ_SETOFFSET) !== 0) {
    const us = t.get(FIELD.usec) / ((modes & ADJ_NANO) !== 0 ? 1000 : 1);
    lp.k.settime(lp.k.microtime() + t.get(FIELD.sec) * 1e6 + us);
  }
  if ((modes & ADJ_ADJTIME) === 0) adjust(s, t, modes);
  else if ((modes & ADJ_NANO) === 0) s.offset = clamp(t.get(FIELD.offset), -MAXPHASE, MAXPHASE);
  const now = lp.k.microtime();
  const { offset, freq, maxerror, esterror, status, constant, tick, tai } = s;
  const nano = (status & STA_NANO) !== 0;
  const fraction = Math.floor(now % 1e6);
  const fields = { offset, freq, maxerror, esterror, status, constant, precision: 1, tolerance: MAXFREQ, tick, tai };
  for (const [name, value] of Object.entries(fields)) t.set(FIELD[name as keyof typeof FIELD], value);
  t.set(FIELD.sec, Math.floor(now / 1e6));
  t.set(FIELD.usec, nano ? fraction * 1000 : fraction);
  copyout(vm, data, 0, uaddr, data.length);
  return (status & STA_UNSYNC) !== 0 ? TIME_ERROR : TIME_OK;
}

/** Low bits of a clock's number that name a descriptor (Linux include/linux/posix-timers.h). */
const CLOCKFD_MASK = 7;
const CLOCKFD = 3;

const clockAdjtime = (wide: boolean) => (lp: Lwp, a: Int32Array): number => {
  // Below 0: clocks of descriptors, which there are none of, and of processes, which nobody sets.
  if ((a[0]! < 0 && (a[0]! & CLOCKFD_MASK) === CLOCKFD) || a[0]! >= MAX_CLOCKS) throw EINVAL;
  if (a[0] !== CLOCK_REALTIME) throw EOPNOTSUPP;
  return adjtimex(lp, a[1]!, wide);
};

const NOTE = "parameters are checked and kept; the clock keeps the host's rate, ADJ_SETOFFSET sets it";
export const ADJTIMEX_ROWS: readonly Sysent[] = [
  partial(plain(124, "adjtimex", [uptr], (lp, a) => adjtimex(lp, a[0]!, false)), NOTE),
  partial(plain(343, "clock_adjtime", [int, uptr], clockAdjtime(false)), NOTE),
  partial(plain(405, "clock_adjtime64", [int, uptr], clockAdjtime(true)), NOTE),
];
