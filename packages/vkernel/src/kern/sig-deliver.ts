// SPDX-License-Identifier: BSD-3-Clause
/**
 * Signals on the way to user mode: frames for handlers, death, faults of the thread's own making (DragonFly 2.0
 * sys/kern/kern_sig.c, postsig and sigexit; sys/platform/vkernel/i386/trap.c, userret).
 *
 * Invariants
 *   SD1  A signal stays pending until its frame stands, so that writing the frame may wait for the disk.
 *   SD2  userret() is the only way to user mode when lp.ast is not zero.
 * @module
 */
import { SA_CORE, SA_NODEFER, SA_RESETHAND, SA_RESTART, SI_KERNEL, SIG_DFL, SIG_IGN, SIGKILL, sigaddset, sigdelset, sigismember, sigprop } from "../sys/signal.ts";
import { IoMiss } from "../sys/wait.ts";
import { coreExit, wantsCore } from "./coredump.ts";
import { exit1 } from "./exit.ts";
import type { Lwp } from "./proc.ts";
import { AST_EXIT, AST_OLDMASK, AST_SIG, LSRUN, P_WEXIT, SSTOP } from "./proc.ts";
import { cursig, type Ksiginfo, ksiginfo, lwpsignal, peekSignal, sigmaskChanged, takeSignal } from "./sig.ts";
import { signalStop, trapStop } from "./ptrace.ts";
import { resumeKernel, waitForFault } from "./syscall.ts";

/** Carries out a signal that cursig() has returned: builds the handler's frame, or ends the process. */
export function postsig(lp: Lwp, sig: number): void {
  const p = lp.proc;
  const acts = p.sigacts;
  p.k.trace?.signal(lp, sig);
  if (acts.handler[sig] === SIG_DFL || sig === SIGKILL) {
    const info = takeSignal(lp, sig);
    lp.ru.nsignals++;
    sigexit(lp, sig, info);
    return;
  }
  // The signal stays pending until its frame stands: writing it may have to wait for the disk (IoMiss).
  const info = peekSignal(lp, sig);
  const act = acts.get(sig);
  // The frame holds the mask to go back to: that of before sigsuspend, if we come from there.
  const trace = lp.trace;
  if (trace !== null && trace.restarting) {
    trace.restarting = false;
    if (!trace.mayRestart || (act.flags & SA_RESTART) === 0) p.abi.unrestart(lp);
  }
  const returnMask = ((lp.ast & AST_OLDMASK) !== 0 ? lp.oldmask : lp.sigmask).slice();
  const written = p.abi.sendsig(lp, act, sig, info, returnMask);
  takeSignal(lp, sig);
  lp.ru.nsignals++;
  lp.ast &= ~AST_OLDMASK;
  if (!written) {
    const fault = p.abi.sigframeFault;
    acts.reset(fault);
    sigdelset(lp.sigmask, fault);
    p.k.log(`pid ${p.pid} (${p.comm}): no room on the stack for the frame of signal ${sig}`);
    sigexit(lp, fault);
    return;
  }
  for (let i = 0; i < 4; i++) lp.sigmask[i]! |= act.mask[i]!;
  if ((act.flags & SA_NODEFER) === 0) sigaddset(lp.sigmask, sig);
  if ((act.flags & SA_RESETHAND) !== 0) acts.handler[sig] = SIG_DFL;
  sigmaskChanged(lp);
}

/** Ends the process of `lp` by a signal. */
export function sigexit(lp: Lwp, sig: number, info: Ksiginfo = ksiginfo(sig, SI_KERNEL)): void {
  const p = lp.proc;
  const core = (sigprop(sig) & SA_CORE) !== 0 || p.abi.coreSignals.includes(sig);
  if (core) p.k.log(`pid ${p.pid} (${p.comm}), uid ${p.cred.uid}: exited on signal ${sig}`);
  if (core && (p.flags & P_WEXIT) === 0 && wantsCore(p)) coreExit(lp, sig, info);
  else exit1(lp, sig);
}

/**
 * A fault of the thread's own making. It cannot be blocked or ignored: that would fault for ever, so the
 * process then ends (Linux force_sig; DragonFly trapsignal).
 */
export function trapsignal(lp: Lwp, sig: number, code: number, addr: number, trapno: number, trapErr: number): void {
  const p = lp.proc;
  const info = ksiginfo(sig, code);
  info.addr = addr;
  info.trapno = trapno;
  info.trapErr = trapErr;
  if (sigismember(lp.sigmask, sig) || p.sigacts.handler[sig] === SIG_IGN) {
    sigdelset(lp.sigmask, sig);
    p.sigacts.reset(sig);
  }
  if (p.sigacts.handler[sig] === SIG_DFL) {
    p.k.log(
      `pid ${p.pid} (${p.comm}): signal ${sig} at eip 0x${(lp.tf[15]! >>> 0).toString(16)}, address 0x${(addr >>> 0).toString(16)}`,
    );
    if (p === p.k.init) {
      sigexit(lp, sig);
      return;
    }
  }
  lwpsignal(lp, sig, info);
}

/**
 * Work to be done before user mode, when lp.ast is not zero. Returns true when the thread may go on in user
 * mode, false when it has ended, is to be parked or has to give up the processor.
 */
export function userret(lp: Lwp): boolean {
  const p = lp.proc;
  for (;;) {
    // A system call, exit or exec is under way, or the thread is no more.
    if (lp.kcont !== null || lp.state !== LSRUN) return false;
    if ((lp.ast & AST_EXIT) !== 0) {
      exit1(lp, p.xstat);
      return false;
    }
    const trace = lp.trace;
    if (trace !== null && (trace.trap || p.stat === SSTOP)) {
      lp.kcont = trapStop(lp);
      if (!resumeKernel(lp)) return false;
      continue;
    }
    if (p.stat === SSTOP) return false;
    if ((lp.ast & (AST_SIG | AST_OLDMASK)) === 0) return lp.ast === 0;
    const sig = cursig(lp);
    if (trace !== null && sig !== 0 && sig !== SIGKILL && trace.passed !== sig) {
      lp.kcont = signalStop(lp, sig);
      if (!resumeKernel(lp)) return false;
      continue;
    }
    if (sig !== 0) {
      try {
        postsig(lp, sig);
      } catch (e) {
        if (!(e instanceof IoMiss)) throw e;
        if (!waitForFault(lp, e)) return false;
      }
      continue;
    }
    if (p.stat === SSTOP) continue;
    if ((lp.ast & AST_OLDMASK) !== 0) {
      lp.ast &= ~AST_OLDMASK;
      lp.sigmask.set(lp.oldmask);
      sigmaskChanged(lp);
    }
  }
}
