// SPDX-License-Identifier: BSD-3-Clause
/**
 * The scheduler: which thread runs next, and the machine's main loop. Threads that have used little processor
 * time go first, as in the "bsd4" scheduler (DragonFly 2.0 sys/kern/usched_bsd4.c): usage raises a thread's
 * number and decays with time, so that interactive programs are served at once and busy ones take turns.
 *
 * Invariants
 *   Q1  A thread is in queue[q] for one q, exactly while it is LSRUN and not k.curlwp; bit q of `mask` is set
 *       exactly while queue[q] is not empty.
 *   Q2  Queues are FIFO; a thread that had to leave the processor before its slice was over goes to the head of its
 *       queue and keeps the rest of the slice.
 *   Q3  Usage is decayed lazily, by the time that has passed, when the thread is queued.
 *   Q4  No runnable thread waits for ever: every TURN-th choice goes round the queues.
 *   Q5  Real-time threads are in the first queue, idle ones in the last, whatever they have used.
 * @module
 */
import type { Kernel } from "./kernel.ts";
import type { Lwp } from "./proc.ts";
import { AST_EXIT, AST_RESCHED, AST_SIG, LSRUN, LSSLEEP, LSSTOP, LSZOMB, RTP_PRIO_IDLE, RTP_PRIO_NORMAL, SSTOP } from "./proc.ts";
import { profileTick } from "./profil.ts";
import { resumeKernel } from "./syscall.ts";
import { checkCpuTimers } from "./time.ts";

const NQS = 32;
/** Proc.schedPolicy: after everybody else. */
const SCHED_IDLE = 5;
/** One choice in this many goes to the queues in turn. */
const TURN = 16;
/** Usage that moves a thread by one queue, ns. */
export const ESTCPU_QUEUE_NS = 20e6;
/** Usage that counts at most, ns. */
const ESTCPU_MAX_NS = 30 * ESTCPU_QUEUE_NS;
/** Time slice, ns. */
export const SLICE_NS = 10e6;
/** User mode gives way to the host's event loop at least this often, ns. */
export const BREATHE_NS = 5e6;
/** Usage halves in this time when nobody else is runnable, ns. */
const DECAY_NS = 500e6;
/** Load averages: their periods, and how often they take note of the queue's length. */
const LOAD_PERIODS_NS = [60e9, 300e9, 900e9];
const LOAD_STEP_NS = 100e6;

export class Scheduler {
  private readonly k: Kernel;
  private readonly head: (Lwp | null)[] = new Array<Lwp | null>(NQS).fill(null);
  private readonly tail: (Lwp | null)[] = new Array<Lwp | null>(NQS).fill(null);
  private mask = 0;
  /** The main loop has begun: whoever waits is woken. */
  started = false;
  private turn = TURN;
  private lastTurn = 0;
  /** Runnable threads, for the load average. */
  nrunnable = 0;
  private nextBreathNs = 0;
  /** The clock when it was last looked at here, ns. */
  private nowNs = 0;
  private readonly load = [0, 0, 0];
  private loadStampNs = 0;

  constructor(k: Kernel) {
    this.k = k;
  }

  /** Makes a sleeping thread runnable (Sleeper.wake); others are left alone. */
  wake(lp: Lwp): void {
    if (lp.state !== LSSLEEP) return;
    lp.state = LSRUN;
    this.enqueue(lp);
  }

  /** Makes a new, continued or preempted thread runnable. */
  setrunnable(lp: Lwp): void {
    lp.state = LSRUN;
    this.enqueue(lp);
  }

  private enqueue(lp: Lwp): void {
    this.decay(lp);
    let q = 10 + (lp.proc.nice >> 1) + Math.min(10, lp.estcpu / ESTCPU_QUEUE_NS);
    q = q < 0 ? 0 : q > NQS - 1 ? NQS - 1 : q | 0;
    if (lp.rtpType === RTP_PRIO_IDLE || lp.proc.schedPolicy === SCHED_IDLE) q = NQS - 1;
    else if (lp.rtpType !== RTP_PRIO_NORMAL) q = 0;
    lp.priority = q;
    const first = this.head[q]!;
    if (first === null) {
      lp.nextRun = null;
      this.head[q] = lp;
      this.tail[q] = lp;
      this.mask |= 1 << q;
    } else if (lp.sliceEndNs > this.nowNs) {
      lp.nextRun = first;
      this.head[q] = lp;
    } else {
      lp.nextRun = null;
      this.tail[q]!.nextRun = lp;
      this.tail[q] = lp;
    }
    this.nrunnable++;
    const cur = this.k.curlwp;
    if (cur !== null && cur !== lp && q < cur.priority) cur.ast |= AST_RESCHED;
  }

  private decay(lp: Lwp): void {
    const dt = this.nowNs - lp.stampNs;
    if (dt <= 0) return;
    lp.stampNs = this.nowNs;
    // The more threads wait, the longer usage is remembered: else nobody would remember anything after one round.
    const half = DECAY_NS * (1 + this.nrunnable);
    lp.estcpu = dt >= 16 * half ? 0 : lp.estcpu * 2 ** (-dt / half);
  }

  /** Takes a thread off the queues, as a rule the best one; null when there is none. */
  private choose(): Lwp | null {
    if (this.mask === 0) return null;
    let from = this.mask;
    if (--this.turn === 0) {
      // Now and then the next queue in turn is served, whatever its number (Q4).
      this.turn = TURN;
      const worse = from & (-2 << this.lastTurn);
      if (worse !== 0) from = worse;
      this.lastTurn = 31 - Math.clz32(from & -from);
    }
    const q = 31 - Math.clz32(from & -from);
    const lp = this.head[q]!;
    this.head[q] = lp.nextRun;
    if (lp.nextRun === null) {
      this.tail[q] = null;
      this.mask &= ~(1 << q);
    }
    lp.nextRun = null;
    this.nrunnable--;
    return lp;
  }

  /** True when another thread waits for the processor. */
  get contended(): boolean {
    return this.mask !== 0;
  }

  /** Runs threads until `finished()`; the machine's main loop. */
  async run(finished: () => boolean): Promise<void> {
    const k = this.k;
    this.started = true;
    this.nextBreathNs = this.readClock() + BREATHE_NS;
    while (!finished()) {
      if (this.nowNs >= k.callouts.nextDeadline) k.callouts.run(this.nowNs);
      if (this.nowNs - this.loadStampNs > LOAD_STEP_NS) this.updateLoad(this.nowNs, this.nrunnable);
      const lp = this.choose();
      if (lp === null) {
        if (finished()) break;
        const before = this.nowNs;
        await k.machine.idle(k.callouts.nextDeadline);
        k.stats.idleNs += this.readClock() - before;
        this.updateLoad(this.nowNs, 0);
        this.nextBreathNs = this.nowNs + BREATHE_NS;
        continue;
      }
      this.dispatch(lp);
      if (this.nowNs >= this.nextBreathNs) {
        await k.machine.breathe();
        this.nextBreathNs = this.readClock() + BREATHE_NS;
      }
    }
  }

  /** Gives the processor to `lp` until it sleeps, stops, ends or has used its slice. */
  private dispatch(lp: Lwp): void {
    const k = this.k;
    if (lp.proc.stat === SSTOP && (lp.ast & AST_EXIT) === 0) {
      if (lp.trace === null) {
        lp.state = LSSTOP;
        return;
      }
      // A traced thread tells its tracer of the stop, on its way to user mode.
      lp.ast |= AST_SIG;
    }
    k.curlwp = lp;
    if (lp.sliceEndNs <= this.nowNs) lp.sliceEndNs = this.nowNs + SLICE_NS;
    lp.ast &= ~AST_RESCHED;
    k.stats.switches++;
    this.setTimer(lp);
    lp.chargedNs = this.nowNs;
    if (lp.kcont === null || resumeKernel(lp)) {
      if (lp.state === LSRUN) k.machine.userland(lp);
    }
    if (lp.state === LSZOMB) this.readClock();
    else {
      this.charge(lp);
      checkCpuTimers(lp.proc);
    }
    k.curlwp = null;
    if (lp.state === LSRUN) {
      lp.ru.nivcsw++;
      this.enqueue(lp);
    } else {
      // Whoever waits gives the rest of his slice away.
      lp.sliceEndNs = 0;
      if (lp.state !== LSZOMB) lp.ru.nvcsw++;
    }
  }

  /** sched_yield(2): the thread lets others of its priority go first. */
  yield(lp: Lwp): void {
    lp.sliceEndNs = 0;
    lp.ast |= AST_RESCHED;
  }

  /** Looks at the clock; between two looks `nowNs` is taken for the time, which costs nothing. */
  private readClock(): number {
    return (this.nowNs = this.k.nanouptime());
  }

  /** Lets the load averages take in the time since they were last touched, in which `n` threads were runnable. */
  private updateLoad(now: number, n: number): void {
    const dt = now - this.loadStampNs;
    this.loadStampNs = now;
    for (let i = 0; i < 3; i++) {
      const keep = Math.exp(-dt / LOAD_PERIODS_NS[i]!);
      this.load[i] = this.load[i]! * keep + n * (1 - keep);
    }
  }

  loadAverages(now: number): readonly number[] {
    this.updateLoad(now, this.nrunnable + (this.k.curlwp === null ? 0 : 1));
    return this.load.slice();
  }

  /** Brings the running thread's processor time up to date. */
  charge(lp: Lwp): void {
    const now = this.readClock();
    const used = now - lp.chargedNs;
    lp.chargedNs = now;
    lp.runtimeNs += used;
    lp.estcpu = Math.min(ESTCPU_MAX_NS, lp.estcpu + used);
  }

  private setTimer(lp: Lwp): void {
    this.k.machine.setTimer(Math.min(lp.sliceEndNs, this.nextBreathNs, this.k.callouts.nextDeadline));
  }

  /**
   * User mode was interrupted: runs what is due and decides whether the thread may go on. Called by userland();
   * afterwards the thread's `ast` says whether it must leave.
   */
  hardclock(lp: Lwp): void {
    const k = this.k;
    const now = this.readClock();
    if (now >= k.callouts.nextDeadline) k.callouts.run(now);
    if (lp.proc.profile !== null) profileTick(lp, lp.proc, lp.proc.profile);
    if (now >= this.nextBreathNs || (now >= lp.sliceEndNs && this.mask !== 0)) lp.ast |= AST_RESCHED;
    else if (now >= lp.sliceEndNs) lp.sliceEndNs = now + SLICE_NS;
    this.setTimer(lp);
  }
}

