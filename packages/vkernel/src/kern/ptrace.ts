// SPDX-License-Identifier: BSD-3-Clause
/**
 * Tracing of threads by other processes: attach, stops, resumption (ptrace(2); Linux kernel/ptrace.c, kernel/signal.c for what
 * programs can see). The ABIs translate requests and registers.
 *
 * A traced thread stops
 *   - before a signal other than SIGKILL is acted on, ignored ones included (signalStop, from userret);
 *   - at the beginning and end of a system call, if it goes on with GO_SYSCALL (tracedCall, instead of the usual path);
 *   - inside a system call for the events asked for: fork, vfork, clone, exec, the end of a vfork, exit;
 *   - when the tracer asks for it (PTRACE_INTERRUPT) or its process has been stopped (trapStop).
 *
 * Invariants
 *   PT1  Registers of a stopped thread are those it goes on with: nothing of the kernel overwrites them afterwards, but for the
 *        result of a call that the thread is in the middle of.
 *   PT2  SIGKILL and the end of the process end every stop.
 *   PT3  Whoever traces is told of every stop: its wait channel is woken and it gets SIGCHLD.
 * @module
 */
import { CAP_SYS_PTRACE, capable } from "../sys/capability.ts";
import { EIO, EJUSTRETURN, ENOSYS, EPERM, ERESTART, Errno, ESRCH } from "../sys/errno.ts";
import { CLD_EXITED, CLD_KILLED, CLD_TRAPPED, SA_NOCLDSTOP, SIGCHLD, SIGKILL, SIGSTOP, SIGTRAP, SI_USER, sigaddset, sigismember } from "../sys/signal.ts";
import { IoMiss, WOULDBLOCK } from "../sys/wait.ts";
import type { KernelFrame, Lwp, Proc } from "./proc.ts";
import { AST_EXIT, AST_SIG, LSSLEEP, LSSTOP, P_SUGID, P_SYSTEM, P_WEXIT, SSTOP, SZOMB } from "./proc.ts";
import { type Ksiginfo, ksiginfo, lwpsignal, procUnstop, psignal, takeSignal } from "./sig.ts";
import { dropLate, storeLate } from "./late.ts";
import { FOREVER, tsleep, waitForLoad } from "./sleep.ts";
import type { Sysent } from "./sysent.ts";
import {
  EVENT_CLONE,
  EVENT_EXEC,
  EVENT_EXIT,
  EVENT_FORK,
  EVENT_STOP,
  EVENT_SYSCALL,
  EVENT_VFORK,
  EVENT_VFORK_DONE,
  GO_ON,
  GO_STEP,
  GO_SYSCALL,
  GO_SYSEMU,
  OPTION_EXITKILL,
  PHASE_CALL,
  PHASE_ENTRY,
  PHASE_EXIT,
  PHASE_USER,
  Tracee,
} from "./tracee.ts";

// ---------------------------------------------------------------------------------------------------------
// Attaching and letting go

/** Puts `lp` under `tracer`. Throws EPERM for a thread that is traced already. */
export function traceBy(lp: Lwp, tracer: Proc, seized: boolean, options: number): Tracee {
  if (lp.trace !== null) throw EPERM;
  const t = new Tracee(lp, tracer, seized);
  t.options = options;
  lp.trace = t;
  tracer.tracees.add(t);
  return t;
}

/** Whether `by` may look into `p`: the same user, and nothing that has taken on other rights. */
export function mayTrace(by: Proc, p: Proc): boolean {
  if (capable(by.cred, CAP_SYS_PTRACE)) return true;
  const { ruid, rgid } = by.cred;
  const same = p.cred.ruid === ruid && p.cred.uid === ruid && p.cred.svuid === ruid && p.cred.rgid === rgid;
  return same && p.dumpable !== 0 && (p.flags & P_SUGID) === 0;
}

/** Throws EPERM unless `by` may trace `lp`, ESRCH for a process that ends. */
function checkAttach(by: Proc, lp: Lwp): void {
  const p = lp.proc;
  if (p === by || (p.flags & P_SYSTEM) !== 0 || p === p.k.init) throw EPERM;
  if ((p.flags & P_WEXIT) !== 0 || p.stat === SZOMB) throw ESRCH;
  if (!mayTrace(by, p)) throw EPERM;
}

/** PTRACE_ATTACH: the thread stops with SIGSTOP. */
export function traceAttach(by: Proc, lp: Lwp): void {
  checkAttach(by, lp);
  traceBy(lp, by, false, 0);
  procUnstop(lp.proc);
  lwpsignal(lp, SIGSTOP);
}

/** PTRACE_SEIZE: the thread goes on until it has a reason to stop. */
export function traceSeize(by: Proc, lp: Lwp, options: number): void {
  checkAttach(by, lp);
  const t = traceBy(lp, by, true, options);
  if (lp.proc.stat === SSTOP) interruptTracee(t);
}

/** PTRACE_INTERRUPT. */
export function interruptTracee(t: Tracee): void {
  t.trap = true;
  const { lp } = t;
  lp.ast |= AST_SIG;
  if (t.state === "listening") t.kick();
  else if (lp.state === LSSLEEP && lp.sleepCatch) lp.k.sched.wake(lp);
  else if (lp.state === LSSTOP) lp.k.sched.setrunnable(lp);
}

/** Ends the tracing of `t`; a stopped thread goes on, with signal `sig` (native, 0 none). */
export function traceDetach(t: Tracee, sig: number): void {
  const { lp } = t;
  t.tracer.tracees.delete(t);
  t.resumeSig = sig;
  t.how = GO_ON;
  lp.trace = null;
  t.state = "running";
  t.kick();
}

/**
 * The tracer ends: everything it traced goes on by itself, or ends with it. Returns the zombies that it has not waited for: their
 * parents are to be told now.
 */
export function tracerGone(tracer: Proc): Proc[] {
  const zombies: Proc[] = [];
  for (const t of tracer.tracees) {
    const p = t.lp.proc;
    if (t.state === "dead") {
      if (reapTracee(t)) zombies.push(p);
      if (p.firstTrace === t) p.firstTrace = null;
      continue;
    }
    if ((t.options & OPTION_EXITKILL) !== 0) psignal(p, SIGKILL);
    traceDetach(t, 0);
  }
  return zombies;
}

/** Lets a stopped thread go on. Throws ESRCH when it is not stopped. */
export function resumeTracee(t: Tracee, how: number, sig: number): void {
  if (t.state !== "stopped") throw ESRCH;
  t.how = how;
  t.resumeSig = sig;
  t.state = "running";
  t.unreported = false;
  // A thread that is made to go on takes its process out of a job control stop.
  if (t.lp.proc.stat === SSTOP) procUnstop(t.lp.proc);
  t.kick();
}

/** PTRACE_LISTEN: the thread of a stopped process stays stopped, but may report again. Throws EIO at other stops. */
export function listenTracee(t: Tracee): void {
  if (t.state !== "stopped" || t.event !== EVENT_STOP) throw EIO;
  t.state = "listening";
  t.unreported = false;
}

// ---------------------------------------------------------------------------------------------------------
// Stops

/** Tells the tracer of a stop or an end (PT3). */
function tell(t: Tracee, code: number, status: number): void {
  const { tracer, lp } = t;
  t.unreported = true;
  tracer.waitChan.wakeup();
  if ((tracer.sigacts.flags[SIGCHLD]! & SA_NOCLDSTOP) !== 0 && code === CLD_TRAPPED) return;
  const info = ksiginfo(SIGCHLD, code);
  info.pid = lp.tid;
  info.uid = lp.proc.cred.ruid;
  info.status = status;
  psignal(tracer, SIGCHLD, info);
}

function report(t: Tracee, sig: number, event: number, info: Ksiginfo | null): void {
  t.state = "stopped";
  t.sig = sig;
  t.event = event;
  t.info = info;
  t.resumeSig = 0;
  tell(t, CLD_TRAPPED, sig);
}

/** Whether the thread is to die: then nothing stops it (PT2). */
function doomed(lp: Lwp): boolean {
  return (lp.ast & AST_EXIT) !== 0 || sigismember(lp.siglist, SIGKILL) || sigismember(lp.proc.siglist, SIGKILL);
}

/** Stops the thread until its tracer lets it go or it is to die. */
function* traceStop(lp: Lwp, sig: number, event: number, info: Ksiginfo | null): Generator<void, void, void> {
  const t = lp.trace;
  if (t === null || doomed(lp)) return;
  report(t, sig, event, info);
  while (lp.trace === t && t.state !== "running" && !doomed(lp)) {
    yield* tsleep(lp, t.chan, 0, FOREVER);
    if (t.state === "listening" && t.trap) {
      t.trap = false;
      report(t, SIGTRAP, EVENT_STOP, null);
    }
  }
  t.state = "running";
}

/** Frame of a thread that is about to act on `sig`: the tracer decides whether it gets it, or another. */
export function* signalStop(lp: Lwp, sig: number): KernelFrame {
  const t = lp.trace!;
  const info = takeSignal(lp, sig);
  yield* traceStop(lp, sig, 0, info);
  if (doomed(lp) || t.resumeSig === 0) throw EJUSTRETURN;
  pass(t, t.resumeSig, t.resumeSig === sig && t.info !== null ? t.info : info);
  throw EJUSTRETURN;
}

/** Leaves `sig` pending for the thread, to be acted on without asking the tracer again. */
function pass(t: Tracee, sig: number, seen: Ksiginfo): void {
  const { lp } = t;
  let info = seen;
  if (seen.signo !== sig) {
    info = ksiginfo(sig, SI_USER);
    info.pid = t.tracer.pid;
    info.uid = t.tracer.cred.ruid;
  }
  lp.sigqueue.unshift(info);
  sigaddset(lp.siglist, sig);
  lp.ast |= AST_SIG;
  t.passed = sig;
}

/** Frame of a thread whose tracer wants a stop, or whose process is stopped. */
export function* trapStop(lp: Lwp): KernelFrame {
  const t = lp.trace!;
  const p = lp.proc;
  t.trap = false;
  const sig = p.stat === SSTOP ? p.stopSig : SIGTRAP;
  yield* traceStop(lp, sig, t.seized ? EVENT_STOP : 0, null);
  throw EJUSTRETURN;
}

/** Inside a system call: stops for the event that it has led to, if there is one. */
export function* eventStop(lp: Lwp): Generator<void, void, void> {
  const t = lp.trace;
  if (t === null || t.pending === 0) return;
  const event = t.pending;
  t.pending = 0;
  yield* traceStop(lp, SIGTRAP, event, null);
}

// ---------------------------------------------------------------------------------------------------------
// System calls

/** Frame of a traced thread's system call, in place of the dispatcher's usual path. */
export function* tracedCall(lp: Lwp): KernelFrame {
  const t = lp.trace!;
  const { abi } = lp.proc;
  if (!t.restarting) t.sleepUntil = 0;
  t.restarting = false;
  t.sysnr = abi.callNumber(lp);
  if (t.how === GO_SYSCALL || t.how === GO_SYSEMU) {
    t.phase = PHASE_ENTRY;
    yield* syscallStop(lp, t);
    if (doomed(lp)) throw EJUSTRETURN;
  }
  t.phase = PHASE_CALL;
  t.sysnr = abi.callNumber(lp);
  if (t.how !== GO_SYSEMU) yield* perform(lp, t);
  // The thread has ended, or is to end.
  if ((lp.ast & AST_EXIT) !== 0) return 0;
  yield* eventStop(lp);
  if (t.how === GO_SYSCALL || t.how === GO_SYSEMU) {
    t.phase = PHASE_EXIT;
    yield* syscallStop(lp, t);
  }
  if (t.how === GO_STEP) t.stepped = true;
  t.phase = PHASE_USER;
  if (t.restarting) lp.proc.abi.restart(lp);
  throw EJUSTRETURN;
}

function* syscallStop(lp: Lwp, t: Tracee): Generator<void, void, void> {
  yield* traceStop(lp, SIGTRAP, EVENT_SYSCALL, null);
  if (t.resumeSig !== 0 && !doomed(lp)) lwpsignal(lp, t.resumeSig);
}

/** Carries out the call that the registers ask for now, and leaves its result in them. */
function* perform(lp: Lwp, t: Tracee): Generator<void, void, void> {
  if (lp.proc.abi.callNumber(lp) === -1) {
    lp.proc.abi.setError(lp, ENOSYS);
    return;
  }
  try {
    const row = yield* fetchRow(lp);
    lp.sysnr = row.nr;
    t.sysnr = row.nr;
    lp.rv1 = 0;
    lp.proc.abi.meter.counts[row.nr & 1023]!++;
    if (lp.k.trace !== null) lp.k.trace.enter(lp, row);
    const value = yield* invoke(lp, row);
    if ((lp.ast & AST_EXIT) !== 0) return;
    lp.proc.abi.setReturn(lp, value);
    if (lp.traced !== null) lp.k.trace!.leave(lp, value);
  } catch (e) {
    if (!(e instanceof Errno)) throw e;
    if (lp.traced !== null) lp.k.trace!.fail(lp, e);
    if (e === ERESTART) lp.proc.abi.setInterrupted(lp, t.mayRestart);
    else if (e !== EJUSTRETURN) lp.proc.abi.setError(lp, e);
  }
}

function* fetchRow(lp: Lwp): Generator<void, Sysent, void> {
  for (;;) {
    try {
      return lp.proc.abi.fetch(lp);
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      yield* waitForLoad(lp, e);
    }
  }
}

function* invoke(lp: Lwp, row: Sysent): KernelFrame {
  for (;;) {
    try {
      let r = row.fn(lp, lp.args);
      if (r === WOULDBLOCK && row.slow !== null) r = yield* row.slow(lp, lp.args);
      yield* storeLate(lp);
      return r;
    } catch (e) {
      if (!(e instanceof IoMiss)) {
        // The tracer looks at what the call has left, also when it failed
        yield* storeLate(lp);
        throw e;
      }
      dropLate(lp);
      yield* waitForLoad(lp, e);
    }
  }
}

// ---------------------------------------------------------------------------------------------------------
// Events

/** A traced thread has made `child`, which has not run yet: it may be traced from its beginning. */
export function traceFork(lp: Lwp, child: Lwp, vfork: boolean, signal: number): void {
  const t = lp.trace!;
  const event = vfork ? EVENT_VFORK : signal === SIGCHLD && child.proc !== lp.proc ? EVENT_FORK : EVENT_CLONE;
  if (!t.wants(event)) return;
  t.pending = event;
  t.message = child.tid;
  const born = traceBy(child, t.tracer, t.seized, t.options);
  if (t.seized) born.trap = true;
  else sigaddset(child.siglist, SIGSTOP);
  child.ast |= AST_SIG;
}

/** The child of a traced thread's vfork has left its address space. */
export function traceVforkDone(lp: Lwp, child: Proc): void {
  const t = lp.trace;
  if (t === null || !t.wants(EVENT_VFORK_DONE)) return;
  t.pending = EVENT_VFORK_DONE;
  t.message = child.pid;
}

/** A traced thread has a new image; it was thread `formerTid`. */
export function traceExec(lp: Lwp, formerTid: number): void {
  const t = lp.trace!;
  const first = lp.proc.firstTrace;
  if (first !== null) {
    // The thread takes the number of the first one, whose end nobody hears of.
    first.tracer.tracees.delete(first);
    lp.proc.firstTrace = null;
  }
  t.debug = null;
  if (t.wants(EVENT_EXEC)) {
    t.pending = EVENT_EXEC;
    t.message = formerTid;
  } else if (!t.seized) {
    const info = ksiginfo(SIGTRAP, SI_USER);
    info.pid = lp.proc.pid;
    info.uid = lp.proc.cred.ruid;
    lwpsignal(lp, SIGTRAP, info);
  }
}

/** Whether the thread is to stop before it ends. */
export function stopsAtExit(lp: Lwp): boolean {
  const t = lp.trace;
  return t !== null && t.wants(EVENT_EXIT) && t.event !== EVENT_EXIT && !sigismember(lp.proc.siglist, SIGKILL) && !sigismember(lp.siglist, SIGKILL);
}

/** The stop before the end; `status` is the wait status. The thread's AST_EXIT does not cut it short, only its death does. */
export function* exitStop(lp: Lwp, status: number): Generator<void, void, void> {
  const t = lp.trace!;
  t.message = status;
  t.exitStatus = status;
  report(t, SIGTRAP, EVENT_EXIT, null);
  const killed = (): boolean => sigismember(lp.proc.siglist, SIGKILL) || sigismember(lp.siglist, SIGKILL);
  while (t.isStopped && lp.trace === t && !killed()) yield* tsleep(lp, t.chan, 0, FOREVER);
  t.state = "running";
}

/**
 * A traced thread has ended. The end of a process is reported with its first thread, when all have ended:
 * `last`. Returns whether the parent has to wait until the tracer has seen it.
 */
export function traceEnd(lp: Lwp, last: boolean): boolean {
  const p = lp.proc;
  const status = (p.flags & P_WEXIT) !== 0 ? p.xstat : (lp.trace?.exitStatus ?? 0);
  let shown: Tracee | null = lp.trace;
  lp.trace = null;
  if (shown !== null && lp.tid === p.pid && !last) {
    // The first thread's end is the process's: kept back until then.
    shown.state = "dead";
    shown.unreported = false;
    p.firstTrace = shown;
    return false;
  }
  if (last && p.firstTrace !== null) {
    if (shown !== null) threadEnded(shown, status);
    shown = p.firstTrace;
    p.firstTrace = null;
  }
  if (shown === null) return false;
  if (last && shown.lp.tid === p.pid) {
    if (shown.tracer === p.parent) {
      shown.tracer.tracees.delete(shown);
      return false;
    }
    p.zombieFor = shown;
  }
  threadEnded(shown, status);
  return p.zombieFor === shown;
}

function threadEnded(t: Tracee, status: number): void {
  t.state = "dead";
  t.exitStatus = status;
  const killed = (status & 0x7f) !== 0;
  tell(t, killed ? CLD_KILLED : CLD_EXITED, killed ? status & 0x7f : (status >> 8) & 0xff);
}

/** The tracer is done with the end of `t`. Returns whether it was the end of a process, whose parent is to be told now. */
export function reapTracee(t: Tracee): boolean {
  t.tracer.tracees.delete(t);
  const p = t.lp.proc;
  if (p.zombieFor !== t) return false;
  p.zombieFor = null;
  return true;
}
