// SPDX-License-Identifier: BSD-3-Clause
/**
 * The scheduler: which thread runs next, and the machine's main loop.
 *
 * The processor is shared fairly, by virtual time (Linux kernel/sched/fair.c): a thread's grows by the processor time that it
 * takes, divided by its weight, and whoever has the least goes first. The queue's own virtual time, `vtime`, is that of the one who is
 * furthest behind. A thread that has slept comes back at most CREDIT behind it, whatever it has used before: so it is served at
 * once when it wants little, and nobody can save up more. What it has used long ago counts for nothing: with
 * usage that decays (DragonFly 2.0 sys/kern/usched_bsd4.c), a shell that has only started up waited a round of
 * the others' slices at each keystroke, until the decay was over.
 *
 * Invariants
 *   Q1  A thread is in one run queue, or is `resume`, exactly while it is LSRUN and not k.curlwp.
 *   Q2  A thread that left the processor for the host's event loop alone goes on with its slice, unless somebody preempts it.
 *   Q3  vtime never decreases. The virtual time of a thread changes only while it is in no queue.
 *   Q4  No runnable thread waits for ever: real-time threads take at most RT_RUNTIME of each RT_PERIOD when others wait, and every
 *       TURN-th choice goes past the normal ones.
 *   Q5  A thread that wakes up preempts one that is ahead of it, but not before that has run for GRANULARITY: what wakes
 *       others often is not stopped at each of them.
 *   Q6  Slices are the shorter the more threads wait, so that a round of them takes ROUND, as long as that leaves SLICE_LEAST.
 * @module
 */
import type { Kernel } from "./kernel.ts";
import type { Lwp } from "./proc.ts";
import { AST_EXIT, AST_RESCHED, AST_SIG, LSRUN, LSSLEEP, LSSTOP, LSZOMB, RTP_PRIO_FIFO, RTP_PRIO_IDLE, RTP_PRIO_NORMAL, SCHED_IDLE, SSTOP } from "./proc.ts";
import { profileTick } from "./profil.ts";
import { RunQueue } from "./run-queue.ts";
import { resumeKernel } from "./syscall.ts";
import { checkCpuTimers } from "./time.ts";

/** Classes, the better one first: real time, normal, idle (rtprio(2)). */
const REALTIME = 0;
const NORMAL = 1;
const IDLE = 2;
/** One choice in this many passes the normal threads by. */
const TURN = 16;
/** What real-time threads leave to others, ns (Linux sched_rt_period_us, sched_rt_runtime_us). */
const RT_PERIOD_NS = 1e9;
const RT_RUNTIME_NS = 0.95e9;
/** Time slice, ns; a round of slices, when many threads wait; and the shortest slice. */
export const SLICE_NS = 10e6;
export const ROUND_NS = 40e6;
export const SLICE_LEAST_NS = 4e6;
/** How far behind the others a thread may come back from a sleep, and how far ahead of them a new process begins, virtual ns. */
export const CREDIT_NS = 20e6;
const FORK_DEBIT_NS = 2.5e6;
/** A thread runs for this long before one that has woken up preempts it, ns. */
export const GRANULARITY_NS = 1e6;
/** User mode gives way to the host's event loop at least this often, ns. */
export const BREATHE_NS = 5e6;
const WORST_PRIORITY = 31;
/** Load averages: their periods, and how often they take note of the queue's length. */
const LOAD_PERIODS_NS = [60e9, 300e9, 900e9];
const LOAD_STEP_NS = 100e6;

/** Virtual time for each ns of processor time, by nice + 20: a level more is worth a quarter (Linux sched_prio_to_weight). */
const PACE = Float64Array.from({ length: 41 }, (_, i) => 1.25 ** (i - 20));
const paceOf = (lp: Lwp): number => PACE[lp.schedPolicy === SCHED_IDLE ? 39 : lp.proc.nice + 20]!;
const classOf = (lp: Lwp): number =>
  lp.rtpType === RTP_PRIO_NORMAL ? NORMAL : lp.rtpType === RTP_PRIO_IDLE ? IDLE : REALTIME;

export class Scheduler {
  private readonly k: Kernel;
  private readonly queues: readonly RunQueue[] = [new RunQueue(), new RunQueue(), new RunQueue()];
  /** Goes on next, unless somebody preempts it (Q2). */
  private resume: Lwp | null = null;
  /** The main loop has begun: whoever waits is woken. */
  started = false;
  private turn = TURN;
  /** The running thread was chosen although a better class waits. */
  private passed = false;
  /** Virtual time of the normal threads, ns. */
  private vtime = 0;
  private seq = 0;
  /** When the period began in which real-time threads have had `rtUsedNs` (Q4). */
  private rtPeriodNs = 0;
  private rtUsedNs = 0;
  /** When the running thread got the processor, and whether somebody who woke up may be owed it. */
  private startNs = 0;
  private woken = false;
  /** When user mode will stop at the latest. */
  private timerNs = Infinity;
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
    this.setrunnable(lp);
  }

  /** Makes a sleeping, new or continued thread runnable. */
  setrunnable(lp: Lwp): void {
    lp.state = LSRUN;
    this.enqueue(lp);
    const cur = this.k.curlwp;
    if (cur !== null && cur !== lp) this.preempt(cur, lp);
  }

  /** Where a thread made by `parent` begins: a process behind those that wait, so that whoever multiplies falls back. */
  begin(lp: Lwp, parent: Lwp, thread: boolean): void {
    lp.vtimeNs = Math.max(parent.vtimeNs, this.vtime) + (thread ? 0 : FORK_DEBIT_NS);
  }

  private enqueue(lp: Lwp): void {
    const cls = classOf(lp);
    const least = this.vtime - CREDIT_NS;
    if (lp.vtimeNs < least) lp.vtimeNs = least;
    // A real-time thread that was preempted keeps its place before others of its priority, without round robin until it waits.
    if (lp.sliceEndNs === 0 || (lp.sliceEndNs <= this.nowNs && lp.rtpType !== RTP_PRIO_FIFO)) lp.runSeq = ++this.seq;
    lp.runKey = cls === NORMAL ? lp.vtimeNs : lp.rtpPrio;
    this.queues[cls]!.push(lp);
    this.nrunnable++;
  }

  /** `lp` has woken up while `cur` runs: it gets the processor, if at all, at the next look at the clock. */
  private preempt(cur: Lwp, lp: Lwp): void {
    const cls = classOf(lp);
    const running = classOf(cur);
    if (cls !== running) {
      if (cls < running) cur.ast |= AST_RESCHED;
    } else if (cls !== NORMAL) {
      if (lp.runKey < cur.rtpPrio) cur.ast |= AST_RESCHED;
    } else if (!this.woken && lp.vtimeNs < cur.vtimeNs + SLICE_NS) {
      this.woken = true;
      this.setTimer(cur);
    }
  }

  /** Takes a thread off the queues, as a rule the best one; null when there is none. */
  private choose(): Lwp | null {
    if (this.nrunnable === 0) return null;
    this.nrunnable--;
    this.passed = false;
    const [realtime, normal, idle] = this.queues as [RunQueue, RunQueue, RunQueue];
    const throttled = this.rtUsedNs >= RT_RUNTIME_NS && this.nowNs - this.rtPeriodNs < RT_PERIOD_NS;
    const { resume } = this;
    if (resume !== null) {
      this.resume = null;
      if (!this.isPreempted(resume, this.nowNs) && !(throttled && classOf(resume) === REALTIME)) return resume;
      this.nrunnable--;
      this.enqueue(resume);
    }
    // Now and then a class that is not the best one is served (Q4).
    const skip = --this.turn === 0;
    if (skip) this.turn = TURN;
    if (realtime.size > 0) {
      const next = throttled ? normal.shift() ?? idle.shift() : null;
      this.passed = next !== null;
      return next ?? realtime.shift();
    }
    if (skip && normal.size > 0 && idle.size > 0) {
      this.passed = true;
      return idle.shift();
    }
    return normal.shift() ?? idle.shift();
  }

  /** Whether one of those that wait is to have the processor instead of `lp`, which has run until `now`. */
  private isPreempted(lp: Lwp, now: number): boolean {
    const cls = classOf(lp);
    for (let better = REALTIME; better < cls; better++) if (this.queues[better]!.size > 0) return !this.passed;
    const first = this.queues[cls]!.first;
    if (first === null) return false;
    if (cls !== NORMAL) return first.runKey < lp.rtpPrio;
    return now - this.startNs >= GRANULARITY_NS && first.vtimeNs + GRANULARITY_NS < lp.vtimeNs;
  }

  /** True when another thread waits for the processor. */
  get contended(): boolean {
    return this.nrunnable > 0;
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
    if (lp.sliceEndNs <= this.nowNs) lp.sliceEndNs = this.nowNs + this.sliceNs();
    lp.ast &= ~AST_RESCHED;
    this.startNs = this.nowNs;
    this.woken = false;
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
      if (lp.sliceEndNs > this.nowNs) {
        this.resume = lp;
        this.nrunnable++;
      } else this.enqueue(lp);
    } else {
      // Whoever waits gives the rest of his slice away.
      lp.sliceEndNs = 0;
      lp.stampNs = this.nowNs;
      if (lp.state !== LSZOMB) lp.ru.nvcsw++;
    }
  }

  /** Puts a thread into a class, RTP_PRIO_*; `prio`: the smaller, the sooner, among real-time and idle threads. */
  setClass(lp: Lwp, type: number, prio: number): void {
    const queued = lp.state === LSRUN && lp !== this.k.curlwp && lp !== this.resume;
    if (queued) {
      this.queues[classOf(lp)]!.remove(lp);
      this.nrunnable--;
    }
    // At the end of the line of its new priority.
    if (lp.rtpType !== type || lp.rtpPrio !== prio) lp.sliceEndNs = 0;
    lp.rtpType = type;
    lp.rtpPrio = prio;
    if (queued) this.setrunnable(lp);
    else if (lp === this.k.curlwp && this.isPreempted(lp, this.nowNs)) lp.ast |= AST_RESCHED;
  }

  /** sched_yield(2): the thread lets another one of its class go first. */
  yield(lp: Lwp): void {
    const next = this.queues[NORMAL]!.first;
    if (next !== null && next.vtimeNs > lp.vtimeNs) lp.vtimeNs = next.vtimeNs;
    lp.sliceEndNs = 0;
    lp.ast |= AST_RESCHED;
  }

  /** The slice of who gets the processor now, ns (Q6). */
  private sliceNs(): number {
    const n = this.nrunnable + 1;
    return n * SLICE_NS <= ROUND_NS ? SLICE_NS : Math.max(SLICE_LEAST_NS, ROUND_NS / n);
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

  /** Brings the running thread's processor time up to date, and the virtual time with it. */
  charge(lp: Lwp): void {
    const now = this.readClock();
    const used = now - lp.chargedNs;
    lp.chargedNs = now;
    lp.runtimeNs += used;
    const cls = classOf(lp);
    if (cls === REALTIME) {
      if (now - this.rtPeriodNs >= RT_PERIOD_NS) {
        this.rtPeriodNs = now;
        this.rtUsedNs = 0;
      }
      this.rtUsedNs += used;
    }
    if (cls !== NORMAL) return;
    lp.vtimeNs += used * paceOf(lp);
    const first = this.queues[NORMAL]!.first;
    const behind = first === null || lp.vtimeNs < first.vtimeNs ? lp.vtimeNs : first.vtimeNs;
    if (behind > this.vtime) this.vtime = behind;
  }

  private setTimer(lp: Lwp): void {
    let at = Math.min(lp.sliceEndNs, this.nextBreathNs, this.k.callouts.nextDeadline);
    if (this.woken && this.startNs + GRANULARITY_NS < at) at = this.startNs + GRANULARITY_NS;
    this.timerNs = at;
    this.k.machine.setTimer(at);
  }

  /**
   * User mode was interrupted: runs what is due and decides whether the thread may go on. Called by userland();
   * afterwards the thread's `ast` says whether it must leave.
   */
  hardclock(lp: Lwp): void {
    const k = this.k;
    this.charge(lp);
    const now = this.nowNs;
    if (now >= k.callouts.nextDeadline) k.callouts.run(now);
    if (lp.proc.profile !== null) profileTick(lp, lp.proc, lp.proc.profile);
    if (now - this.startNs >= GRANULARITY_NS) this.woken = false;
    if (now >= this.nextBreathNs || (this.nrunnable > 0 && (now >= lp.sliceEndNs || this.isPreempted(lp, now)))) lp.ast |= AST_RESCHED;
    else if (now >= lp.sliceEndNs) lp.sliceEndNs = now + this.sliceNs();
    this.setTimer(lp);
  }

  /** The first callout has become an earlier one. */
  calloutsChanged(deadline: number): void {
    const lp = this.k.curlwp;
    if (lp !== null && deadline < this.timerNs) this.setTimer(lp);
  }

  /** A number for ps to show, 0 the best and 31 the worst: the class, niceness, and how long the thread has to wait. */
  priority(lp: Lwp): number {
    const cls = classOf(lp);
    if (cls !== NORMAL) return cls === REALTIME ? 0 : WORST_PRIORITY;
    const behind = (lp.vtimeNs - this.vtime + CREDIT_NS) / SLICE_LEAST_NS;
    return 10 + (lp.proc.nice >> 1) + Math.round(Math.max(0, Math.min(10, behind)));
  }

  /** A system call or a fault has taken until `now` (ns): the clock may have something to say before user mode goes on. */
  kernelTime(lp: Lwp, now: number): void {
    if (now >= this.timerNs && lp === this.k.curlwp) this.hardclock(lp);
  }
}
