// SPDX-License-Identifier: BSD-3-Clause
/**
 * User mode: runs a thread through the host kernel and serves what it stops for, without leaving this loop while the
 * thread may keep the processor.
 *
 * Invariants
 *   TR1  Before every entry lp.ast is zero, or userret() has dealt with it.
 *   TR2  Nothing is allocated between two entries for a system call that allocates nothing itself, nor for a page fault on
 *        anonymous memory.
 *   TR3  Bit 0 of a page fault's error code depends on the host's caches and is ignored; only bit 1 (write) counts.
 *
 * Counterpart: DragonFly 2.0 sys/platform/vkernel/i386/{trap,exception}.c (go_user, user_trap).
 * @module
 */
import {
  PGEX_FPFAULT as PGEX_FPFAULT_,
  PGEX_I as PGEX_I_,
  PGEX_W as PGEX_W_,
  T_ALIGNFLT,
  T_ARITHTRAP,
  T_BOUND,
  T_BPTFLT,
  T_DIVIDE,
  T_DNA as T_DNA_,
  T_OFLOW,
  T_PAGEFLT as T_PAGEFLT_,
  T_PRIVINFLT,
  T_STKFLT,
  T_SYSCALL80 as T_SYSCALL80_,
  T_TRCTRAP,
  T_XMMFLT,
  VMSPACE_CTL_RUN as VMSPACE_CTL_RUN_,
  type HostKernel,
} from "@vkernel/hostkernel";
import type { Lwp } from "../kern/proc.ts";
import { trapsignal as trapsignal_, userret as userret_ } from "../kern/sig-deliver.ts";
import { syscall as syscall_, waitForFault } from "../kern/syscall.ts";
import { TF_ERR as TF_ERR_, TF_TRAPNO as TF_TRAPNO_, TF_XFLAGS as TF_XFLAGS_ } from "../sys/frame.ts";
import {
  BUS_ADRALN,
  BUS_ADRERR,
  FPE_INTDIV,
  ILL_ILLOPN,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGSEGV,
  SIGTRAP,
  SI_KERNEL,
  TRAP_BRKPT,
  TRAP_TRACE,
} from "../sys/signal.ts";
import { IoMiss } from "../sys/wait.ts";
import {
  FAULT_ACCERR,
  FAULT_BUSERR,
  FAULT_NOMEM,
  FAULT_OK as FAULT_OK_,
  vmEnterResident,
  vmFault as vmFault_,
} from "../vm/fault.ts";
import type { Debugger } from "./debugger.ts";
import { stepEnter, stepLeft } from "./trace-step.ts";
import type { Fpu } from "./fpu.ts";
import type { MachIntr } from "./machintr.ts";
import { outOfMemory } from "../kern/oom.ts";

const PGEX_FPFAULT = PGEX_FPFAULT_,
  PGEX_I = PGEX_I_,
  PGEX_W = PGEX_W_;
const T_DNA = T_DNA_,
  T_PAGEFLT = T_PAGEFLT_,
  T_SYSCALL80 = T_SYSCALL80_;
const VMSPACE_CTL_RUN = VMSPACE_CTL_RUN_;
const TF_ERR = TF_ERR_,
  TF_TRAPNO = TF_TRAPNO_,
  TF_XFLAGS = TF_XFLAGS_;
const FAULT_OK = FAULT_OK_;
const syscall = syscall_,
  userret = userret_,
  vmFault = vmFault_;

/** One page fault in this many is timed, and counts for all of them. */
const FAULT_SAMPLE = 16;

/** Runs `lp` in user mode until it has to leave the processor: it sleeps, stops, has ended, or its time is up. */
export class UserMode {
  readonly #host: HostKernel;
  readonly #fpu: Fpu;
  readonly #intr: MachIntr;
  /** Debugs one thread; null but under a debugger. */
  debugger: Debugger | null = null;
  #faultSkip = 0;
  /** Whose code runs. */
  #running: Lwp | null = null;

  constructor(host: HostKernel, fpu: Fpu, intr: MachIntr) {
    this.#host = host;
    this.#fpu = fpu;
    this.#intr = intr;
    host.pageWanted = (_id, va): boolean => vmEnterResident(this.#running!.proc.vmspace!, va);
  }

  run(lp: Lwp): void {
    const host = this.#host;
    const fpu = this.#fpu;
    const tf = lp.tf;
    for (;;) {
      if (lp.ast !== 0 && !userret(lp)) return;
      const debug = this.debugger !== null && this.debugger.owns(lp) ? this.debugger : null;
      if (debug !== null && !debug.enter()) return;
      const trace = lp.trace;
      if (trace !== null && !stepEnter(lp, trace)) continue;
      tf[TF_XFLAGS] = fpu.owner === lp ? 0 : PGEX_FPFAULT;
      this.#running = lp;
      host.vmspaceCtl(lp.proc.vmspace!.hostId, VMSPACE_CTL_RUN, tf, lp.vf);
      const trapno = tf[TF_TRAPNO]!;
      if (debug !== null && debug.left(trapno)) continue;
      if (trace !== null && stepLeft(lp, trace, trapno)) continue;
      if (trapno === T_SYSCALL80) {
        if (!syscall(lp)) return;
      } else if (trapno === T_PAGEFLT) {
        if (!this.#pageFault(lp, tf[TF_ERR]! >>> 0, tf[TF_XFLAGS]!)) return;
      } else if (trapno === 0) {
        this.#intr.dispatch();
        lp.k.sched.hardclock(lp);
      } else if (trapno === T_DNA) {
        fpu.acquire(lp);
      } else {
        this.#trap(lp, trapno, tf[TF_ERR]!);
      }
    }
  }

  /** Returns false when the thread waits for a page to be read. */
  #pageFault(lp: Lwp, va: number, xflags: number): boolean {
    const write = (xflags & PGEX_W) !== 0;
    const fetch = (xflags & PGEX_I) !== 0;
    const k = lp.k;
    const timed = this.#faultSkip === 0;
    const start = timed ? k.nanouptime() : 0;
    k.stats.pageFaults++;
    lp.ru.minflt++;
    let result: number;
    try {
      result = vmFault(lp.proc.vmspace!, va, write, fetch);
    } catch (e) {
      if (!(e instanceof IoMiss)) throw e;
      lp.ru.minflt--;
      lp.ru.majflt++;
      return waitForFault(lp, e);
    }
    if (timed) {
      const end = k.nanouptime();
      lp.sysNs += (end - start) * FAULT_SAMPLE;
      k.sched.kernelTime(lp, end);
    }
    this.#faultSkip = timed ? FAULT_SAMPLE - 1 : this.#faultSkip - 1;
    if (result !== FAULT_OK) this.#badFault(lp, va, result);
    else if (!fetch) this.#host.vmspacePrefault(lp.proc.vmspace!.hostId, va, write);
    return true;
  }

  /** A signal for a fault, of which a debugger hears first. */
  #signal(lp: Lwp, sig: number, code: number, addr: number, trapno: number, err: number): void {
    if (this.debugger !== null && this.debugger.owns(lp) && this.debugger.reports(sig)) return;
    trapsignal_(lp, sig, code, addr, trapno, err);
  }

  #badFault(lp: Lwp, va: number, result: number): void {
    const err = lp.tf[TF_XFLAGS]!;
    if (result === FAULT_NOMEM) outOfMemory(lp);
    else if (result === FAULT_BUSERR) this.#signal(lp, SIGBUS, BUS_ADRERR, va, T_PAGEFLT, err);
    else this.#signal(lp, SIGSEGV, result === FAULT_ACCERR ? SEGV_ACCERR : SEGV_MAPERR, va, T_PAGEFLT, err);
  }

  /** Every other exception becomes a signal. */
  #trap(lp: Lwp, trapno: number, err: number): void {
    const eip = lp.tf[15]! >>> 0;
    switch (trapno) {
      case T_PRIVINFLT: {
        const what = this.#host.cpu.undefinedInstruction;
        if (what !== null) lp.k.log(`pid ${lp.proc.pid} (${lp.proc.comm}): undefined instruction ${what}`);
        return this.#signal(lp, SIGILL, ILL_ILLOPN, eip, trapno, err);
      }
      case T_BPTFLT:
        return this.#signal(lp, SIGTRAP, TRAP_BRKPT, eip, trapno, err);
      case T_TRCTRAP:
        return this.#signal(lp, SIGTRAP, TRAP_TRACE, eip, trapno, err);
      case T_DIVIDE:
        return this.#signal(lp, SIGFPE, FPE_INTDIV, eip, trapno, err);
      case T_ARITHTRAP:
        return this.#signal(lp, SIGFPE, err, eip, trapno, err);
      case T_XMMFLT:
        this.#fpu.save(lp);
        return this.#signal(lp, SIGFPE, xmmCode(lp.fp), eip, trapno, err);
      case T_ALIGNFLT:
        return this.#signal(lp, SIGBUS, BUS_ADRALN, eip, trapno, err);
      case T_STKFLT:
        return this.#signal(lp, SIGBUS, SI_KERNEL, 0, trapno, err);
      case T_OFLOW:
      case T_BOUND:
      default:
        return this.#signal(lp, SIGSEGV, SI_KERNEL, 0, trapno, err);
    }
  }
}

/** SIGFPE code of the lowest unmasked exception in MXCSR: invalid, denormal, zero divide, overflow, underflow, precision. */
function xmmCode(fx: Uint8Array): number {
  const mxcsr = fx[24]! | (fx[25]! << 8);
  const raised = mxcsr & ~(mxcsr >> 7) & 0x3f;
  const codes = [7, 5, 3, 4, 5, 6];
  for (let bit = 0; bit < 6; bit++) if ((raised & (1 << bit)) !== 0) return codes[bit]!;
  return 0;
}
