// SPDX-License-Identifier: BSD-3-Clause
/**
 * New processes and threads: fork, vfork, rfork, clone, lwp_create (DragonFly 2.0 sys/kern/kern_fork.c). The
 * ABIs translate their flags into ForkOptions.
 *
 * Invariants
 *   K1  Nothing is changed when a limit or the memory is exhausted: EAGAIN, ENOMEM.
 *   K2  A child starts with its parent's registers as they are after the system call; abi.setForkReturn() then
 *       makes it the child.
 *   K3  A vfork parent does not run until the child has left its address space (releaseVforkParent).
 * @module
 */
import { CAP_SYS_ADMIN, CAP_SYS_RESOURCE, capable } from "../sys/capability.ts";
import { EAGAIN } from "../sys/errno.ts";
import { knote, NOTE_FORK } from "../sys/event.ts";
import { SIGCHLD } from "../sys/signal.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import { vref } from "../vfs/vnode.ts";
import { vmspaceFork, vmspaceRef } from "../vm/vmspace.ts";
import type { Kernel } from "./kernel.ts";
import { fixJobControl, joinPgrp } from "./pgrp.ts";
import { Lwp, P_CONTROLT, P_PPWAIT, P_SUGID, Proc, RTP_PRIO_NORMAL, SACTIVE } from "./proc.ts";
import { RLIMIT_NPROC, Rusage } from "./resource.ts";
import { eventStop, traceFork, traceVforkDone } from "./ptrace.ts";
import { FOREVER, PKILL, tsleep } from "./sleep.ts";
import { Itimers } from "./time.ts";

export interface ForkOptions {
  /** A new thread of this process instead of a process; the share flags are then implied. */
  thread: boolean;
  shareVm: boolean;
  shareFiles: boolean;
  shareSigacts: boolean;
  /** The parent waits until the child has executed an image or exited. */
  vfork: boolean;
  /** Signal sent to the parent at the child's end (native), 0 none. */
  exitSignal: number;
  /** Child's stack pointer, 0 for the parent's. */
  stack: number;
  /** The child becomes a sibling: its parent is the caller's parent (CLONE_PARENT). */
  sibling: boolean;
}

export const FORK_PROCESS: ForkOptions = {
  thread: false, shareVm: false, shareFiles: false, shareSigacts: false, vfork: false, exitSignal: SIGCHLD, stack: 0, sibling: false,
};

const TF_ESP = 18;
/** Processes kept back for the superuser. */
const ROOT_RESERVE = 10;
const PID_MAX = 99999;

/** The next free number that names no process, thread, group or session. */
export function allocPid(k: Kernel): number {
  for (let tries = 0; tries <= PID_MAX; tries++) {
    const pid = k.nextPid;
    k.nextPid = pid >= PID_MAX ? 100 : pid + 1;
    if (!k.procs.has(pid) && !k.lwps.has(pid) && !k.pgrps.has(pid) && !sessionExists(k, pid)) return pid;
  }
  throw EAGAIN;
}

function sessionExists(k: Kernel, sid: number): boolean {
  for (const pgrp of k.pgrps.values()) if (pgrp.session.sid === sid) return true;
  return false;
}

/**
 * Makes the child and leaves it off the run queue, so that the caller can finish its registers and store ids;
 * startLwp() lets it run. Throws EAGAIN, ENOMEM.
 */
export function fork1(lp: Lwp, opt: ForkOptions): Lwp {
  const p = lp.proc;
  const k = lp.k;
  // The system goes down: nobody gets away by multiplying.
  if (k.shutdownRequest !== null) throw EAGAIN;
  if (opt.thread) return newThread(lp, opt);

  if (k.procs.size >= k.maxproc - (p.cred.uid === 0 ? 0 : ROOT_RESERVE)) {
    k.logRated(`the process table is full (${k.maxproc}): pid ${p.pid} (${p.comm}) cannot fork`);
    throw EAGAIN;
  }
  if (!mayExceedProcs(p) && countProcs(k, p.cred.ruid) >= p.limits.cur[RLIMIT_NPROC]!) throw EAGAIN;

  const pid = allocPid(k);
  const vmspace = opt.shareVm ? vmspaceRef(p.vmspace!) : vmspaceFork(p.vmspace!);
  const parent = opt.sibling ? p.parent : p;
  const child = new Proc(k, pid, parent, {
    pgrp: p.pgrp,
    cred: p.cred,
    sigacts: p.sigacts,
    abi: p.abi,
    limits: p.limits,
    ru: new Rusage(),
    cru: new Rusage(),
    itimers: new Itimers(),
  });
  child.vmspace = vmspace;
  if (opt.shareFiles) {
    child.fd = p.fd;
    p.fd!.refs++;
  } else child.fd = p.fd!.copy();
  if (opt.shareSigacts) p.sigacts.refs++;
  else child.sigacts = p.sigacts.copy();
  child.flags = p.flags & (P_CONTROLT | P_SUGID);
  child.comm = p.comm;
  child.args = p.args;
  child.argStart = p.argStart;
  child.argEnd = p.argEnd;
  child.envStart = p.envStart;
  child.envEnd = p.envEnd;
  child.auxv = p.auxv;
  child.execPath = p.execPath;
  child.varsyms = p.varsyms.copy();
  child.profile = p.profile === null ? null : { ...p.profile, seenNs: 0 };
  child.nice = p.nice;
  child.ionice = p.ionice;
  child.ioprio = p.ioprio;
  child.oomScoreAdj = p.oomScoreAdj;
  child.oomScoreAdjMin = p.oomScoreAdjMin;
  child.personality = p.personality;
  child.dumpable = p.dumpable;
  child.coreFilter = p.coreFilter;
  child.noNewPrivs = p.noNewPrivs;
  child.exitSignal = opt.exitSignal;
  child.startNs = k.nanouptime();
  if (p.textvp !== null) {
    child.textvp = vref(p.textvp);
    child.textvp.textCount++;
  }
  if (opt.vfork) child.flags |= P_PPWAIT;

  const clp = cloneLwp(lp, child, pid, opt);
  clp.sigstkSp = opt.shareVm && !opt.vfork ? 0 : lp.sigstkSp;
  clp.sigstkSize = opt.shareVm && !opt.vfork ? 0 : lp.sigstkSize;
  clp.sigstkFlags = opt.shareVm && !opt.vfork ? 4 : lp.sigstkFlags;

  k.procs.set(pid, child);
  if (parent !== null) parent.children.add(child);
  joinPgrp(child, p.pgrp);
  child.stat = SACTIVE;
  fixJobControl(child, true);
  if (lp.trace !== null) traceFork(lp, clp, opt.vfork, opt.exitSignal);
  k.stats.forks++;
  knote(p, NOTE_FORK | pid);
  return clp;
}

/** RLIMIT_NPROC does not hold for the superuser, nor for who may exceed limits. */
function mayExceedProcs({ cred }: Proc): boolean {
  return cred.ruid === 0 || capable(cred, CAP_SYS_RESOURCE) || capable(cred, CAP_SYS_ADMIN);
}

function newThread(lp: Lwp, opt: ForkOptions): Lwp {
  const p = lp.proc;
  if (!mayExceedProcs(p) && p.lwps.size >= p.limits.cur[RLIMIT_NPROC]!) throw EAGAIN;
  if (lp.k.lwps.size >= lp.k.maxproc * 2) throw EAGAIN;
  const clp = cloneLwp(lp, p, allocPid(lp.k), opt);
  if (lp.trace !== null) traceFork(lp, clp, false, 0);
  return clp;
}

/** SCHED_RESET_ON_FORK: what a child does not inherit. */
function resetClass(lp: Lwp, newProc: boolean): void {
  if (newProc && lp.proc.nice < 0) lp.proc.nice = 0;
  if (lp.rtpType === RTP_PRIO_NORMAL) return;
  lp.rtpType = RTP_PRIO_NORMAL;
  lp.rtpPrio = 0;
}

/** A thread with the registers, descriptors and mask of `lp`, in process `p`. */
function cloneLwp(lp: Lwp, p: Proc, tid: number, opt: ForkOptions): Lwp {
  const k = lp.k;
  const clp = new Lwp(k, p, tid, new Rusage());
  clp.tf.set(lp.tf);
  clp.vf.set(lp.vf);
  clp.sigmask.set(lp.sigmask);
  clp.comm = lp.comm;
  clp.slackNs = clp.defaultSlackNs = lp.slackNs;
  clp.rtpType = lp.rtpType;
  clp.rtpPrio = lp.rtpPrio;
  clp.schedPolicy = lp.schedPolicy;
  if (lp.schedReset) resetClass(clp, p !== lp.proc);
  k.sched.begin(clp, lp, opt.thread);
  if (opt.stack !== 0) clp.tf[TF_ESP] = opt.stack;
  k.machine.fpFork(lp, clp);
  p.lwps.set(tid, clp);
  k.lwps.set(tid, clp);
  lp.proc.abi.setForkReturn(clp);
  return clp;
}

function countProcs(k: Kernel, uid: number): number {
  let n = 0;
  for (const p of k.procs.values()) if (p.cred.ruid === uid) n += Math.max(1, p.lwps.size);
  return n;
}

/** Lets a new thread run. */
export function startLwp(lp: Lwp): void {
  lp.k.sched.setrunnable(lp);
}

/**
 * The parent's half of vfork: waits until the child has executed an image or exited. Returns its pid. Only what ends the parent
 * ends its wait.
 */
export function* waitVfork(lp: Lwp, child: Proc): Generator<void, number, void> {
  yield* eventStop(lp);
  while ((child.flags & P_PPWAIT) !== 0) yield* tsleep(lp, child.ppwaitChan, PKILL, FOREVER);
  traceVforkDone(lp, child);
  return child.pid;
}

/** Plain half of rows that always sleep. */
export function mustSleep(): number {
  return WOULDBLOCK;
}
