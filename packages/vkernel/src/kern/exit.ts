// SPDX-License-Identifier: BSD-3-Clause
/**
 * The end of threads and processes (DragonFly 2.0 sys/kern/kern_exit.c).
 *
 * Invariants
 *   E1  P_WEXIT is set once, by the first thread that ends the process; it fixes the wait status.
 *   E2  A process becomes a zombie when its last thread ends, after descriptors and address space are released.
 *   E3  Children of a dead process belong to the nearest subreaper above it, or to init.
 *   E4  Releasing may have to wait for a disk (IoMiss): every step below can be run again from its start.
 * @module
 */
import { Errno } from "../sys/errno.ts";
import { knote, NOTE_EXIT } from "../sys/event.ts";
import { SIGCHLD, SIGCONT, SIGHUP, CLD_DUMPED, CLD_EXITED, CLD_KILLED } from "../sys/signal.ts";
import { IoMiss } from "../sys/wait.ts";
import { vrele } from "../vfs/vnode.ts";
import { vmspaceFree } from "../vm/vmspace.ts";
import { futexThreadExit } from "./futex.ts";
import { futexPiThreadExit } from "./futex-pi.ts";
import { leavePgrp, pgrpIsOrphaned, fixJobControl } from "./pgrp.ts";
import type { KernelFrame, Lwp, Proc } from "./proc.ts";
import { AST_EXIT, LSSLEEP, LSSTOP, LSZOMB, P_PPWAIT, P_SYSTEM, P_WEXIT, SACTIVE, SSTOP, SZOMB } from "./proc.ts";
import { procTimes, ruadd } from "./resource.ts";
import { exitStop, stopsAtExit, traceEnd, tracerGone } from "./ptrace.ts";
import { ksiginfo, pgsignal, psignal, wantsNoZombies } from "./sig.ts";
import { mqExit } from "./posix-mq.ts";
import { waitForLoad } from "./sleep.ts";
import { semExit } from "./sysv-sem.ts";
import { resumeKernel } from "./syscall.ts";
import { stopProcTimers } from "./time.ts";

/** The wait status of a normal exit. */
export function exitStatus(code: number): number {
  return (code & 0xff) << 8;
}
/** Bit of the wait status beside a signal: a core file was written. */
export const WCORE = 0x80;

/**
 * Ends the process of `lp` with a wait status: exit code << 8, or the (native) signal that killed it. The other
 * threads end when they come to userret(). Does not return to the thread: the caller returns at once.
 */
export function exit1(lp: Lwp, status: number): void {
  beginExit(lp, status);
  lwpExit(lp);
}

/** The first half of exit1(): the process is ending, and all its other threads. The caller does something more with `lp` before lwpExit(). */
export function beginExit(lp: Lwp, status: number): void {
  const p = lp.proc;
  if ((p.flags & P_WEXIT) !== 0) return;
  p.flags |= P_WEXIT;
  p.xstat = status;
  if (p.stat === SSTOP) p.stat = SACTIVE;
  killOtherLwps(lp);
}

/** Tells every other thread of the process to end; interruptible sleeps are cut short. */
export function killOtherLwps(lp: Lwp): void {
  for (const other of lp.proc.lwps.values()) {
    if (other === lp) continue;
    other.ast |= AST_EXIT;
    if (other.state === LSSLEEP && (other.sleepCatch || other.sleepKill)) lp.k.sched.wake(other);
    else if (other.state === LSSTOP) lp.k.sched.setrunnable(other);
    if (other.trace !== null) other.trace.kick();
  }
}

/**
 * Ends one thread; with the last one the process. The thread never executes user code again. `status` is what its tracer hears
 * when others go on.
 */
export function lwpExit(lp: Lwp, status = lp.proc.xstat): void {
  lp.ast |= AST_EXIT;
  lp.kcont = null;
  lp.k.trace?.end(lp);
  if (stopsAtExit(lp)) {
    lp.kcont = stopThenEnd(lp, status);
    resumeKernel(lp);
    return;
  }
  if (lp.trace !== null) lp.trace.exitStatus = status;
  endLwp(lp);
}

function* stopThenEnd(lp: Lwp, status: number): KernelFrame {
  yield* exitStop(lp, status);
  lp.kcont = null;
  endLwp(lp);
  return 0;
}

function endLwp(lp: Lwp): void {
  try {
    teardown(lp);
  } catch (e) {
    if (!(e instanceof IoMiss)) throw e;
    lp.kcont = teardownSlow(lp, e);
    resumeKernel(lp);
  }
}

function* teardownSlow(lp: Lwp, miss: IoMiss): KernelFrame {
  for (;;) {
    yield* waitForLoad(lp, miss);
    try {
      teardown(lp);
      return 0;
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      miss = e;
    }
  }
}

function teardown(lp: Lwp): void {
  const p = lp.proc;
  const k = lp.k;
  // There is no end of the call to put stores off to
  k.vm.late.armed = false;
  if (k.piFutexes.queues.size > 0) futexPiThreadExit(lp);
  futexThreadExit(lp);
  const last = p.lwps.size === 1;
  if (last) releaseResources(lp);
  if (lp.sleepTimer !== null) k.callouts.stop(lp.sleepTimer);
  k.machine.lwpExit(lp);
  k.sched.charge(lp);
  p.deadRuntimeNs += lp.runtimeNs;
  p.deadSysNs += Math.min(lp.sysNs, lp.runtimeNs);
  ruadd(p.ru, lp.ru);
  lp.state = LSZOMB;
  p.lwps.delete(lp.tid);
  k.lwps.delete(lp.tid);
  p.lwpExitChan.wakeup();
  traceEnd(lp, last);
  if (last) becomeZombie(p);
}

/** What may need the disk, each part guarded so that it happens once (E4). */
function releaseResources(lp: Lwp): void {
  const p = lp.proc;
  if ((p.flags & P_WEXIT) === 0) {
    p.flags |= P_WEXIT;
  }
  stopProcTimers(p);
  semExit(lp);
  mqExit(p.k, p);
  if (p.k.acct.on && !p.accounted) {
    account(p);
    p.accounted = true;
  }
  if (p.fd !== null) {
    p.fd.free(lp);
    p.fd = null;
  }
  if (p.vmspace !== null) {
    p.ru.maxrss = Math.max(p.ru.maxrss, p.vmspace.residentPages() * 4096);
    vmspaceFree(p.vmspace);
    p.vmspace = null;
  }
  if (p.textvp !== null) {
    p.textvp.textCount--;
    vrele(p.textvp);
    p.textvp = null;
  }
}

/** A file system that is full, or broken, loses the record and nothing else. */
function account(p: Proc): void {
  try {
    p.k.acct.record(p);
  } catch (e) {
    if (!(e instanceof Errno)) throw e;
    p.k.logRated(`accounting: the record of pid ${p.pid} (${p.comm}) is lost: ${e.message}`);
  }
}

function becomeZombie(p: Proc): void {
  const k = p.k;
  releaseVforkParent(p);
  p.sigqueue = [];
  p.siglist.fill(0);
  p.sigacts.refs--;

  const session = p.pgrp.session;
  if (session.leader === p) {
    session.leader = null;
    const tty = session.ttyp;
    if (tty !== null) {
      session.ttyp = null;
      const foreground = tty.sessionGone(session);
      if (foreground !== null) {
        tty.post(foreground, SIGHUP);
        tty.post(foreground, SIGCONT);
      }
    }
  }
  fixJobControl(p, false);
  reparentChildren(p);
  for (const zombie of tracerGone(p)) notifyParent(zombie);

  p.stat = SZOMB;
  knote(p, NOTE_EXIT);
  p.endChan?.wakeup();
  const { userNs, sysNs } = procTimes(p);
  k.stats.userNs += userNs;
  k.stats.sysNs += sysNs;

  if (p.zombieFor === null) notifyParent(p);
}

/** Lets a vfork parent go on: the child has left the borrowed address space. */
export function releaseVforkParent(p: Proc): void {
  if ((p.flags & P_PPWAIT) === 0) return;
  p.flags &= ~P_PPWAIT;
  p.ppwaitChan.wakeup();
}

function reparentChildren(p: Proc): void {
  const k = p.k;
  let reaper: Proc | null = k.init;
  for (let up = p.parent; up !== null; up = up.parent) {
    if (up.subreaper && up.stat !== SZOMB && (up.flags & P_WEXIT) === 0) {
      reaper = up;
      break;
    }
  }
  if (reaper === p) reaper = null;
  for (const child of [...p.children]) {
    p.children.delete(child);
    child.parent = reaper;
    if (reaper !== null) reaper.children.add(child);
    if (child.pdeathsig !== 0) psignal(child, child.pdeathsig);
    // A group that has just been orphaned with stopped members is told, or nobody could continue it.
    if (child.stat === SSTOP && pgrpIsOrphaned(child.pgrp)) {
      pgsignal(child.pgrp, SIGHUP);
      pgsignal(child.pgrp, SIGCONT);
    }
    if (child.stat === SZOMB && child.zombieFor === null) {
      if (reaper === null) procReap(child);
      else notifyParent(child);
    }
  }
}

/** A process whose parent does not want to wait for it (rfork with RFNOWAIT): init will. */
export function giveToInit(p: Proc): void {
  const { init } = p.k;
  if (init === null || init === p) return;
  p.parent?.children.delete(p);
  p.parent = init;
  init.children.add(p);
}

/** Tells the parent of a zombie; one that nobody waits for is gone at once. */
export function notifyParent(p: Proc): void {
  const parent = p.parent;
  if (parent === null) {
    procReap(p);
    return;
  }
  if (p.exitSignal !== 0) {
    const core = (p.xstat & WCORE) !== 0;
    const killed = (p.xstat & 0x7f) !== 0;
    const info = ksiginfo(p.exitSignal, core ? CLD_DUMPED : killed ? CLD_KILLED : CLD_EXITED);
    info.pid = p.pid;
    info.uid = p.cred.ruid;
    info.status = killed ? p.xstat & 0x7f : (p.xstat >> 8) & 0xff;
    const t = procTimes(p);
    info.utimeNs = t.userNs;
    info.stimeNs = t.sysNs;
    psignal(parent, p.exitSignal, info);
  }
  if ((p.exitSignal === SIGCHLD && wantsNoZombies(parent)) || (parent.flags & P_SYSTEM) !== 0) {
    if (p.onExit !== null) p.onExit(p);
    procReap(p);
  } else if (p.onExit !== null) p.onExit(p);
  parent.waitChan.wakeup();
}

/** Removes a zombie for good; its usage goes to the parent's children account. */
export function procReap(p: Proc): void {
  const k = p.k;
  const parent = p.parent;
  if (parent !== null) {
    const t = procTimes(p);
    parent.childUserNs += t.userNs + p.childUserNs;
    parent.childSysNs += t.sysNs + p.childSysNs;
    ruadd(parent.cru, p.ru);
    ruadd(parent.cru, p.cru);
    parent.children.delete(p);
    p.parent = null;
  }
  leavePgrp(p);
  k.procs.delete(p.pid);
  for (const mount of k.mounts.list) mount.processGone(p.pid);
}
