// SPDX-License-Identifier: BSD-3-Clause
/**
 * Debugs one thread from outside: gdb's remote protocol over a link of the host, as `vkernel run --gdb` has it.
 *
 * Nothing in guest memory changes for a breakpoint: while any is set the thread runs under TF and its address is compared
 * after each instruction. So breakpoints work in read-only and shared text, and other processes never meet them; the price
 * is that a thread with breakpoints runs some hundred times slower. Without any it runs at full speed.
 *
 * Invariants
 *   DB1  A stopped thread waits in the kernel as for a page of the disk, so everything else goes on.
 *   DB2  The thread stops before the instruction at a breakpoint; going on from there executes that instruction.
 *   DB3  TF is set for user mode only; no saved frame has it.
 * @module
 */
import { GdbStub, T_SYSCALL80, T_TRCTRAP, type DebugLink, type GdbTarget } from "@vkernel/hostkernel";
import type { Lwp } from "../kern/proc.ts";
import { psignal } from "../kern/sig.ts";
import { waitForFault } from "../kern/syscall.ts";
import * as F from "../sys/frame.ts";
import { Errno } from "../sys/errno.ts";
import { SIGINT, SIGKILL, SIGTRAP } from "../sys/signal.ts";
import { IoMiss } from "../sys/wait.ts";
import { copyin, copyout } from "../vm/copyio.ts";
import type { Fpu } from "./fpu.ts";

const PSL_T = 0x100;
const PAGE = 4096;

/** Trapframe words of gdb's core registers. */
const CORE = [
  F.TF_EAX, F.TF_ECX, F.TF_EDX, F.TF_EBX, F.TF_ESP, F.TF_EBP, F.TF_ESI, F.TF_EDI,
  F.TF_EIP, F.TF_EFLAGS, F.TF_CS, F.TF_SS, F.TF_DS, F.TF_ES, F.TF_FS, F.TF_GS,
];
/** Registers before this one are no selectors. */
const FIRST_SELECTOR = 10;

/** A stopped thread's wait: over when the debugger lets it go on. */
class Halt extends IoMiss {
  done: ((failure: unknown) => void) | null = null;
  override load(done: (failure: unknown) => void): void {
    this.done = done;
  }
}

export class Debugger implements GdbTarget {
  readonly #lp: Lwp;
  readonly #fpu: Fpu;
  readonly #stub: GdbStub;
  readonly #halt = new Halt();
  readonly #breakpoints = new Set<number>();
  /** Runs event handlers in kernel context. */
  readonly #post: (event: () => void) => void;
  #attached = true;
  #stepping = false;
  /** The signal to stop with at the next chance; the thread starts stopped. */
  #stopSignal = SIGTRAP;
  /** Address the thread went on from, and whether it has executed that instruction. */
  #start = -1;
  #progress = false;
  /** Address at which a fault was reported and is to be delivered when it comes again. */
  #reported = -1;

  constructor(lp: Lwp, fpu: Fpu, link: DebugLink, post: (event: () => void) => void) {
    this.#lp = lp;
    this.#fpu = fpu;
    this.#post = post;
    this.#stub = new GdbStub(this, (bytes) => link.write(bytes));
    link.onBytes((bytes) => post(() => this.#stub.receive(bytes)));
    link.onClose(() => post(() => this.detach()));
  }

  /** Whether `lp` is the thread that is debugged. */
  owns(lp: Lwp): boolean {
    return this.#attached && lp === this.#lp;
  }

  /** Before user mode. Returns whether the thread may enter it; if not, it waits. */
  enter(): boolean {
    const tf = this.#lp.tf;
    const eip = tf[F.TF_EIP]! >>> 0;
    if (this.#progress || eip !== this.#start) {
      if (this.#stopSignal === 0 && (this.#stepping || this.#breakpoints.has(eip))) this.#stopSignal = SIGTRAP;
    }
    if (this.#stopSignal !== 0) {
      const signal = this.#stopSignal;
      this.#stopSignal = 0;
      this.#stepping = false;
      this.#stub.stopped(signal);
      return waitForFault(this.#lp, this.#halt);
    }
    if (this.#stepping || this.#breakpoints.size > 0) tf[F.TF_EFLAGS]! |= PSL_T;
    return true;
  }

  /** After user mode. Returns whether `trapno` is the debugger's own trap, done with. */
  left(trapno: number): boolean {
    const tf = this.#lp.tf;
    const traced = this.#stepping || this.#breakpoints.size > 0;
    tf[F.TF_EFLAGS]! &= ~PSL_T;
    if (trapno === T_TRCTRAP || trapno === T_SYSCALL80) this.#progress = true;
    return traced && trapno === T_TRCTRAP;
  }

  /** The thread is about to get `signal` for a fault. Returns whether the debugger stops it first. */
  reports(signal: number): boolean {
    const eip = this.#lp.tf[F.TF_EIP]! >>> 0;
    if (this.#reported === eip) {
      this.#reported = -1;
      return false;
    }
    this.#reported = eip;
    this.#stopSignal = signal;
    return true;
  }

  /** The program has ended; gdb is told. */
  ended(status: number, signal: number): void {
    if (!this.#attached) return;
    this.#attached = false;
    this.#stub.ended(status, signal);
  }

  // --------------------------------------------------------------- GdbTarget

  coreRegister(n: number): number {
    return this.#lp.tf[CORE[n]!]!;
  }
  setCoreRegister(n: number, value: number): void {
    if (n < FIRST_SELECTOR) this.#lp.tf[CORE[n]!] = value;
  }
  fx(): Uint8Array {
    this.#fpu.save(this.#lp);
    return this.#lp.fp;
  }
  setFx(image: Uint8Array): void {
    if (image !== this.#lp.fp) this.#lp.fp.set(image);
    this.#fpu.restore(this.#lp);
  }

  readMemory(address: number, length: number, done: (bytes: Uint8Array | null) => void): void {
    const bytes = new Uint8Array(length);
    let have = 0;
    this.#access(
      () => {
        const vm = this.#lp.proc.vmspace;
        while (vm !== null && have < length) {
          const n = Math.min(length - have, PAGE - ((address + have) & (PAGE - 1)));
          copyin(vm, address + have, bytes, have, n);
          have += n;
        }
      },
      () => done(have === 0 && length > 0 ? null : bytes.subarray(0, have)),
    );
  }

  writeMemory(address: number, bytes: Uint8Array, done: (written: boolean) => void): void {
    this.#access(
      () => {
        const vm = this.#lp.proc.vmspace;
        if (vm !== null) copyout(vm, bytes, 0, address, bytes.length);
      },
      (failed) => done(!failed && this.#lp.proc.vmspace !== null),
    );
  }

  /** Runs an access to user memory, again after the disk has delivered what it misses; `finish` hears whether it faulted. */
  #access(access: () => void, finish: (failed: boolean) => void): void {
    try {
      access();
    } catch (e) {
      if (e instanceof IoMiss) {
        e.load((failure) =>
          this.#post(() => {
            if (failure === null || failure === undefined) this.#access(access, finish);
            else finish(true);
          }),
        );
        return;
      }
      if (!(e instanceof Errno)) throw e;
      finish(true);
      return;
    }
    finish(false);
  }

  setBreakpoint(address: number): void {
    this.#breakpoints.add(address);
  }
  clearBreakpoint(address: number): void {
    this.#breakpoints.delete(address);
  }
  resume(step: boolean): void {
    this.#stepping = step;
    this.#stopSignal = 0;
    this.#start = this.#lp.tf[F.TF_EIP]! >>> 0;
    this.#progress = false;
    this.#goOn();
  }
  interrupt(): void {
    this.#stopSignal = SIGINT;
  }
  kill(): void {
    this.detach();
    psignal(this.#lp.proc, SIGKILL);
  }
  detach(): void {
    this.#attached = false;
    this.#breakpoints.clear();
    this.#stepping = false;
    this.#stopSignal = 0;
    this.#goOn();
  }

  #goOn(): void {
    const { done } = this.#halt;
    this.#halt.done = null;
    done?.(null);
  }
}
