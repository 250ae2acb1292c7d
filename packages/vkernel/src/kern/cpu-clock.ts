// SPDX-License-Identifier: BSD-3-Clause
/**
 * Clocks of processor time, of a process or of one of its threads, and who waits for them (POSIX clock_getcpuclockid,
 * pthread_getcpuclockid; Linux kernel/time/posix-cpu-timers.c).
 *
 * Invariants
 *   CC1  An armed watch stands in `cpuWatches` of the process whose time it watches, and fires once: when that process's time is
 *        charged, or at once if the time has come already.
 *   CC2  The watches of a process that ends never fire; who waits for one is left to signals, as in Linux.
 * @module
 */
import type { Lwp, Proc } from "./proc.ts";
import { procTimes } from "./resource.ts";

export class CpuClock {
  readonly proc: Proc;
  /** The thread, or null for all of the process together. */
  readonly lwp: Lwp | null;

  constructor(proc: Proc, lwp: Lwp | null) {
    this.proc = proc;
    this.lwp = lwp;
  }

  /** Processor time used so far, ns. */
  now(): number {
    const { proc, lwp } = this;
    if (lwp === null) {
      const t = procTimes(proc);
      return t.userNs + t.sysNs;
    }
    if (lwp === proc.k.curlwp) proc.k.sched.charge(lwp);
    return lwp.runtimeNs;
  }
}

/** Somebody to tell when a clock has come to a moment. */
export class CpuWatch {
  readonly clock: CpuClock;
  readonly #fire: () => void;
  /** The moment, ns; 0 = not armed. */
  atNs = 0;

  constructor(clock: CpuClock, fire: () => void) {
    this.clock = clock;
    this.#fire = fire;
  }

  /** Waits for `atNs` of the clock, > 0. */
  arm(atNs: number): void {
    this.atNs = atNs;
    this.clock.proc.itimers.cpuWatches.add(this);
    this.check();
  }
  disarm(): void {
    this.atNs = 0;
    this.clock.proc.itimers.cpuWatches.delete(this);
  }
  /** Fires when the time has come. */
  check(): void {
    if (this.atNs === 0 || this.clock.now() < this.atNs) return;
    this.disarm();
    this.#fire();
  }
}
