// SPDX-License-Identifier: BSD-3-Clause
/**
 * Signals: posting, choosing, delivering, job control stops (DragonFly 2.0 sys/kern/kern_sig.c).
 *
 * Invariants
 *   G1  A pending signal's bit is set in the siglist of the process or of one thread; its Ksiginfo, if any, is
 *       in the matching queue. A standard signal has at most one, a real-time signal one for each posting.
 *   G2  A signal is acted on only by the thread that takes it, in cursig()/postsig(), on its way to user mode or
 *       inside an interruptible sleep; posting only marks, wakes, continues and discards.
 *   G3  SIGCONT and the stop signals cancel each other when posted. SIGKILL and SIGSTOP are never blocked,
 *       ignored or caught, except that init ignores what it does not catch.
 *   G4  Nothing here sleeps.
 * @module
 */
import { EAGAIN } from "../sys/errno.ts";
import { knote, NOTE_SIGNAL } from "../sys/event.ts";
import {
  CLD_CONTINUED,
  CLD_STOPPED,
  NSIGTAB,
  SA_CONT,
  SA_IGNORE,
  SA_KILL,
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SA_STOP,
  SA_TTYSTOP,
  SIG_DFL,
  SIG_IGN,
  SI_KERNEL,
  SI_USER,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGMAX,
  SIGRT_FIRST,
  SIGRT_LAST,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  sigaddset,
  sigdelset,
  sigfirst,
  sigismember,
  sigprop,
  type Sigset,
} from "../sys/signal.ts";
import type { Lwp, Pgrp, Proc } from "./proc.ts";
import { AST_SIG, LSSLEEP, LSSTOP, P_CONTINUED, P_SYSTEM, P_WAITED, P_WEXIT, SACTIVE, SSTOP, SZOMB } from "./proc.ts";

/** Largest number of queued real-time signals of one process. */
const MAXQUEUED = 4096;

/** What a signal carries (siginfo), canonical codes; numbers of processes and native signals. */
export interface Ksiginfo {
  signo: number;
  code: number;
  errno: number;
  pid: number;
  uid: number;
  status: number;
  /** Fault address, user address space. */
  addr: number;
  /** sigval. */
  value: number;
  /** Trap number and error code of a fault, as the machine reported them; 0 otherwise. */
  trapno: number;
  trapErr: number;
  /** SI_TIMER: timer id and overruns. */
  timerid: number;
  overrun: number;
  utimeNs: number;
  stimeNs: number;
  /** Who is to hear that it has left the queue, taken or dropped: a timer. */
  source: SignalSource | null;
}
export interface SignalSource {
  taken(info: Ksiginfo): void;
}

export function ksiginfo(signo: number, code: number): Ksiginfo {
  return {
    signo, code, errno: 0, pid: 0, uid: 0, status: 0, addr: 0, value: 0, trapno: 0, trapErr: 0, timerid: 0, overrun: 0,
    utimeNs: 0, stimeNs: 0, source: null,
  };
}

/** What a process has asked for one signal. */
export interface Sigaction {
  /** SIG_DFL, SIG_IGN or a user address. */
  handler: number;
  /** Native SA_* bits. */
  flags: number;
  mask: Sigset;
  /** Address of the program's own return trampoline, 0 for none (Linux SA_RESTORER). */
  restorer: number;
}

/** Signal actions of a process; shared by those that clone with shared handlers. */
export class Sigacts {
  refs = 1;
  readonly handler = new Uint32Array(NSIGTAB);
  readonly flags = new Int32Array(NSIGTAB);
  readonly restorer = new Uint32Array(NSIGTAB);
  readonly masks = new Int32Array(NSIGTAB * 4);

  copy(): Sigacts {
    const s = new Sigacts();
    s.handler.set(this.handler);
    s.flags.set(this.flags);
    s.restorer.set(this.restorer);
    s.masks.set(this.masks);
    return s;
  }

  get(sig: number): Sigaction {
    return {
      handler: this.handler[sig]!,
      flags: this.flags[sig]!,
      restorer: this.restorer[sig]!,
      mask: this.masks.slice(sig * 4, sig * 4 + 4),
    };
  }

  set(sig: number, act: Sigaction): void {
    this.handler[sig] = act.handler;
    this.flags[sig] = act.flags;
    this.restorer[sig] = act.restorer;
    this.masks.set(act.mask, sig * 4);
  }

  reset(sig: number): void {
    this.handler[sig] = SIG_DFL;
    this.flags[sig] = 0;
    this.restorer[sig] = 0;
    this.masks.fill(0, sig * 4, sig * 4 + 4);
  }

  /** CLONE_CLEAR_SIGHAND: caught signals go back to their default, ignored ones stay ignored. */
  clearHandlers(): void {
    for (let sig = 1; sig <= SIGMAX; sig++) if (this.handler[sig] !== SIG_IGN) this.reset(sig);
  }

  /** exec: caught signals go back to their default, ignored ones stay ignored. */
  execReset(): void {
    for (let sig = 1; sig <= SIGMAX; sig++) {
      const ignored = this.handler[sig] === SIG_IGN;
      this.reset(sig);
      if (ignored && sig !== SIGCHLD) this.handler[sig] = SIG_IGN;
    }
  }
}

const STOP_SIGNALS = [SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU];

function isRealtime(sig: number): boolean {
  return sig >= SIGRT_FIRST && sig <= SIGRT_LAST;
}

/** True when posting `sig` would have no effect: ignored by choice or by default. SIGCONT always has one. */
export function sigIgnored(p: Proc, sig: number): boolean {
  const handler = p.sigacts.handler[sig]!;
  if (handler === SIG_IGN) return true;
  if (handler !== SIG_DFL) return false;
  if ((sigprop(sig) & SA_IGNORE) !== 0 && !p.abi.killSignals.includes(sig)) return true;
  // Init is not killed or stopped by a signal that it does not catch (G3).
  return p === p.k.init;
}

/** Sends a signal to a process: the first thread that does not block it will take it. */
export function psignal(p: Proc, sig: number, info: Ksiginfo | null = null): void {
  postSignal(p, null, sig, info);
}

/** Signals every member of a group, without permission checks (terminals, hangups). */
export function pgsignal(pgrp: Pgrp, sig: number, info: Ksiginfo | null = null): void {
  for (const p of pgrp.members) psignal(p, sig, info);
}

/** Sends a signal to one thread (tgkill, faults). */
export function lwpsignal(lp: Lwp, sig: number, info: Ksiginfo | null = null): void {
  postSignal(lp.proc, lp, sig, info);
}

function postSignal(p: Proc, target: Lwp | null, sig: number, info: Ksiginfo | null): void {
  if (sig === 0 || p.stat === SZOMB || (p.flags & (P_SYSTEM | P_WEXIT)) !== 0) {
    if (sig === SIGKILL && p.coreDump !== null) p.coreDump.killed = true;
    return;
  }
  const prop = sigprop(sig);
  knote(p, NOTE_SIGNAL | sig);

  if ((prop & SA_CONT) !== 0) {
    for (const stop of STOP_SIGNALS) discard(p, stop);
    procContinue(p);
  } else if ((prop & SA_STOP) !== 0) {
    discard(p, SIGCONT);
  }
  if (sig === SIGKILL && p.stat === SSTOP) procUnstop(p);

  const taker = target ?? chooseTaker(p, sig);
  // A tracer sees ignored signals, too.
  if (sigIgnored(p, sig) && (taker === null || taker.trace === null)) {
    // Linux and POSIX keep a signal pending that is blocked, even if it is ignored at the moment.
    const blocked = taker === null || sigismember(taker.sigmask, sig);
    if (!blocked || sig === SIGKILL || sig === SIGSTOP) return;
  }

  const list = target === null ? p.siglist : target.siglist;
  const queue = target === null ? p.sigqueue : target.sigqueue;
  if (isRealtime(sig)) {
    if (queue.length < MAXQUEUED) queue.push(info ?? ksiginfo(sig, SI_KERNEL));
  } else if (!sigismember(list, sig) && info !== null) {
    queue.push(info);
  }
  sigaddset(list, sig);
  p.k.stats.signals++;
  p.sigChan.wakeup();
  if (taker !== null) signotify(taker, sig);
}

/** Whether no further real-time signal can be queued. */
export function isQueueFull(p: Proc): boolean {
  return p.sigqueue.length >= MAXQUEUED;
}

/** Can another real-time signal be queued? Throws EAGAIN (sigqueue, timers). */
export function checkQueueRoom(p: Proc): void {
  if (isQueueFull(p)) throw EAGAIN;
}

/** The thread that shall look at a signal sent to the process: one that does not block it, running ones first. */
function chooseTaker(p: Proc, sig: number): Lwp | null {
  let sleeper: Lwp | null = null;
  for (const lp of p.lwps.values()) {
    if (sigismember(lp.sigmask, sig) && !(lp.sigwait !== null && sigismember(lp.sigwait, sig))) continue;
    if (lp.state !== LSSLEEP || lp.sleepCatch) return lp;
    sleeper ??= lp;
  }
  return sleeper;
}

/** Makes a thread notice a pending signal. */
function signotify(lp: Lwp, sig: number): void {
  if (lp.sigwait !== null && sigismember(lp.sigwait, sig)) {
    lp.ast |= AST_SIG;
    lp.k.sched.wake(lp);
    return;
  }
  if (sig === SIGKILL && lp.trace !== null) lp.trace.kick();
  if (sigismember(lp.sigmask, sig)) return;
  lp.ast |= AST_SIG;
  if (lp.state === LSSLEEP && (lp.sleepCatch || (lp.sleepKill && fatalPending(lp)))) lp.k.sched.wake(lp);
  else if (lp.state === LSSTOP && sig === SIGKILL) lp.k.sched.setrunnable(lp);
}

function discard(p: Proc, sig: number): void {
  if (sigismember(p.siglist, sig)) {
    sigdelset(p.siglist, sig);
    p.sigqueue = dropped(p.sigqueue, sig);
  }
  for (const lp of p.lwps.values()) {
    if (!sigismember(lp.siglist, sig)) continue;
    sigdelset(lp.siglist, sig);
    lp.sigqueue = dropped(lp.sigqueue, sig);
  }
}

/** The queue without what it holds of a signal. */
function dropped(queue: Ksiginfo[], sig: number): Ksiginfo[] {
  const rest = queue.filter((i) => i.signo !== sig);
  for (const info of queue) if (info.signo === sig) info.source?.taken(info);
  return rest;
}

/** After a change of the mask: signals that became deliverable are noticed. */
export function sigmaskChanged(lp: Lwp): void {
  if (cursigPending(lp)) lp.ast |= AST_SIG;
}

/** sigaction: pending signals that are now ignored are dropped. */
export function sigactChanged(p: Proc, sig: number): void {
  if (sigIgnored(p, sig)) discard(p, sig);
}

/** True when some pending signal is not blocked. */
export function cursigPending(lp: Lwp): boolean {
  return sigfirst(lp.siglist, lp.proc.siglist, lp.sigmask) !== 0;
}

/** True when a pending signal that is not blocked will end the process. */
export function fatalPending(lp: Lwp): boolean {
  const p = lp.proc;
  for (let sig = 1; sig < NSIGTAB; sig++) {
    if (!sigismember(lp.siglist, sig) && !sigismember(p.siglist, sig)) continue;
    if (sig === SIGKILL) return true;
    if (sigismember(lp.sigmask, sig) || p.sigacts.handler[sig] !== SIG_DFL || lp.trace !== null) continue;
    if (((sigprop(sig) & SA_KILL) !== 0 || p.abi.killSignals.includes(sig)) && p !== p.k.init) return true;
  }
  return false;
}

/** Takes `sig` off the pending sets of thread or process and returns what it carries. */
export function takeSignal(lp: Lwp, sig: number): Ksiginfo {
  const own = sigismember(lp.siglist, sig);
  const list = own ? lp.siglist : lp.proc.siglist;
  const queue = own ? lp.sigqueue : lp.proc.sigqueue;
  const i = queue.findIndex((q) => q.signo === sig);
  const info = i < 0 ? ksiginfo(sig, SI_USER) : queue.splice(i, 1)[0]!;
  if (!queue.some((q) => q.signo === sig)) sigdelset(list, sig);
  if (lp.trace !== null && lp.trace.passed === sig) lp.trace.passed = 0;
  info.source?.taken(info);
  return info;
}

/** True when a signal that the thread waits for (sigtimedwait) is pending, blocked or not. */
export function sigwaitPending(lp: Lwp): boolean {
  const wait = lp.sigwait;
  if (wait === null) return false;
  for (let i = 0; i < 4; i++) if (((lp.siglist[i]! | lp.proc.siglist[i]!) & wait[i]!) !== 0) return true;
  return false;
}

/** What takeSignal() would return. */
export function peekSignal(lp: Lwp, sig: number): Ksiginfo {
  const queue = sigismember(lp.siglist, sig) ? lp.sigqueue : lp.proc.sigqueue;
  return queue.find((q) => q.signo === sig) ?? ksiginfo(sig, SI_USER);
}

/**
 * The next signal that needs the thread's attention: one with a handler or with a fatal default; 0 when there
 * is none. Ignored signals are dropped and stop signals are carried out on the way: afterwards the process may
 * be SSTOP, and the caller must let the scheduler park the thread. The signal stays pending for postsig().
 */
export function cursig(lp: Lwp): number {
  const p = lp.proc;
  for (;;) {
    const sig = p.stat === SSTOP ? 0 : sigfirst(lp.siglist, p.siglist, lp.sigmask);
    if (sig === 0) {
      if (p.stat !== SSTOP && (lp.trace === null || !lp.trace.trap)) lp.ast &= ~AST_SIG;
      return 0;
    }
    if (lp.trace !== null && lp.trace.passed !== sig) return sig;
    if (sigIgnored(p, sig) && sig !== SIGKILL) {
      takeSignal(lp, sig);
      continue;
    }
    if (p.sigacts.handler[sig] !== SIG_DFL || sig === SIGKILL) return sig;
    const prop = sigprop(sig);
    if ((prop & SA_STOP) === 0) return sig;
    takeSignal(lp, sig);
    // Nobody could continue a process of an orphaned group that stops on a terminal signal.
    if ((prop & SA_TTYSTOP) !== 0 && p.pgrp.jobc === 0) continue;
    procStop(p, sig);
  }
}

// ---------------------------------------------------------------------------------------------------------
// Stopping and continuing

/** Stops a process: its threads are parked as they come to the scheduler; the parent is told. */
export function procStop(p: Proc, sig: number): void {
  if (p.stat !== SACTIVE) return;
  p.stat = SSTOP;
  p.stopSig = sig;
  p.flags &= ~(P_WAITED | P_CONTINUED);
  tellParent(p, CLD_STOPPED, sig);
}

function procContinue(p: Proc): void {
  if (p.stat !== SSTOP) return;
  procUnstop(p);
  p.flags |= P_CONTINUED;
  p.flags &= ~P_WAITED;
  tellParent(p, CLD_CONTINUED, SIGCONT);
}

/** Ends a job control stop without a word to the parent. */
export function procUnstop(p: Proc): void {
  if (p.stat !== SSTOP) return;
  p.stat = SACTIVE;
  for (const lp of p.lwps.values()) {
    if (lp.state === LSSTOP) p.k.sched.setrunnable(lp);
    if (lp.trace !== null && lp.trace.state === "listening") {
      lp.trace.trap = true;
      lp.trace.kick();
    }
  }
}

function tellParent(p: Proc, code: number, status: number): void {
  const parent = p.parent;
  if (parent === null) return;
  parent.waitChan.wakeup();
  if ((parent.sigacts.flags[SIGCHLD]! & SA_NOCLDSTOP) !== 0) return;
  const info = ksiginfo(SIGCHLD, code);
  info.pid = p.pid;
  info.uid = p.cred.ruid;
  info.status = status;
  psignal(parent, SIGCHLD, info);
}

/** Does the parent want its dead children reaped at once? */
export function wantsNoZombies(parent: Proc): boolean {
  return parent.sigacts.handler[SIGCHLD] === SIG_IGN || (parent.sigacts.flags[SIGCHLD]! & SA_NOCLDWAIT) !== 0;
}
