// SPDX-License-Identifier: BSD-3-Clause
/**
 * Running a guest: trapframe in, processor until something happens, trapframe out.
 *
 * Invariants
 *   GR1  Whatever the frame says, the guest runs with user code and data selectors, IF set, and only user-changeable flags.
 *   GR2  The frame stored back is that of an instruction boundary: of the faulting instruction for faults, behind it for
 *        system calls and traps.
 *   GR3  A guest that never traps still comes back within QUANTUM instructions after an interrupt became due (I-STOP).
 *   GR4  Nothing is allocated here.
 *
 * Source: DragonFly 2.0 sys/platform/pc32/i386/{trap.c,machdep.c} (cpu_sanitize_frame, vmm/vkernel returns),
 * sys/vm/vm_vmspace.c.
 * @module
 */
import {
  CS as CS_,
  DS as DS_,
  EAX as EAX_,
  EBP as EBP_,
  EBX as EBX_,
  ECX as ECX_,
  EDI as EDI_,
  EDX as EDX_,
  ES as ES_,
  ESI as ESI_,
  ESP as ESP_,
  EXC_BP as EXC_BP_,
  EXC_DB as EXC_DB_,
  EXC_MF as EXC_MF_,
  EXC_PF as EXC_PF_,
  EXIT_BUDGET as EXIT_BUDGET_,
  EXIT_CALLGATE as EXIT_CALLGATE_,
  EXIT_EXCEPTION as EXIT_EXCEPTION_,
  EXIT_INTERRUPT as EXIT_INTERRUPT_,
  FCW as FCW_,
  FS as FS_,
  FSW as FSW_,
  GS as GS_,
  SEG as SEG_,
  SEG_BYTES as SEG_BYTES_,
  SS as SS_,
  type Cpu,
} from "@vkernel/cpu";
import { GuestDescriptors } from "./descriptors.ts";
import * as F from "./frame.ts";
import type { Interrupts } from "./interrupts.ts";
import type { HostVmspace } from "./vmspace.ts";

const EAX = EAX_,
  EBP = EBP_,
  EBX = EBX_,
  ECX = ECX_,
  EDI = EDI_,
  EDX = EDX_,
  ESI = ESI_,
  ESP = ESP_;
const CS = CS_,
  DS = DS_,
  ES = ES_,
  FS = FS_,
  GS = GS_,
  SS = SS_;
const EXC_BP = EXC_BP_,
  EXC_DB = EXC_DB_,
  EXC_MF = EXC_MF_,
  EXC_PF = EXC_PF_;
const EXIT_BUDGET = EXIT_BUDGET_,
  EXIT_CALLGATE = EXIT_CALLGATE_;
const EXIT_EXCEPTION = EXIT_EXCEPTION_,
  EXIT_INTERRUPT = EXIT_INTERRUPT_;
const SEG_WORD = SEG_ >> 2,
  SEG_WORDS = SEG_BYTES_ >> 2;
const FCW_WORD = FCW_ >> 2,
  FSW_WORD = FSW_ >> 2;
const TF_GS = F.TF_GS,
  TF_FS = F.TF_FS,
  TF_ES = F.TF_ES,
  TF_DS = F.TF_DS,
  TF_EDI = F.TF_EDI,
  TF_ESI = F.TF_ESI;
const TF_EBP = F.TF_EBP,
  TF_EBX = F.TF_EBX,
  TF_EDX = F.TF_EDX,
  TF_ECX = F.TF_ECX,
  TF_EAX = F.TF_EAX;
const TF_XFLAGS = F.TF_XFLAGS,
  TF_TRAPNO = F.TF_TRAPNO,
  TF_ERR = F.TF_ERR,
  TF_EIP = F.TF_EIP,
  TF_CS = F.TF_CS;
const TF_EFLAGS = F.TF_EFLAGS,
  TF_ESP = F.TF_ESP,
  TF_SS = F.TF_SS;
const LUCODE_SEL = F.LUCODE_SEL,
  LUDATA_SEL = F.LUDATA_SEL,
  PGEX_FPFAULT = F.PGEX_FPFAULT;
const EFLAGS_KEPT = F.PSL_USERCHANGE | F.PSL_RF,
  PSL_USER = F.PSL_USER,
  PSL_T = F.PSL_T;
const T_PAGEFLT = F.T_PAGEFLT,
  T_SYSCALL80 = F.T_SYSCALL80,
  T_RESERVED = F.T_RESERVED;

/** Instructions between two looks at the clock; some tens of microseconds of interpretation. */
const QUANTUM = 50_000;
/** What one entry costs of the quantum, so that a guest that does nothing but system calls still meets the clock. */
const ENTRY_FEE = 200;

/** BSD trap number of each IA-32 vector. */
const TRAP_OF_VECTOR = new Uint8Array(32).fill(T_RESERVED);
TRAP_OF_VECTOR.set([
  F.T_DIVIDE,
  F.T_TRCTRAP,
  F.T_NMI,
  F.T_BPTFLT,
  F.T_OFLOW,
  F.T_BOUND,
  F.T_PRIVINFLT,
  F.T_DNA,
  F.T_DOUBLEFLT,
  F.T_FPOPFLT,
  F.T_TSSFLT,
  F.T_SEGNPFLT,
  F.T_STKFLT,
  F.T_PROTFLT,
  F.T_PAGEFLT,
  F.T_RESERVED,
  F.T_ARITHTRAP,
  F.T_ALIGNFLT,
  F.T_MCHK,
  F.T_XMMFLT,
]);

/** SIGFPE code for the lowest unmasked x87 exception bit: invalid, denormal, zero divide, overflow, underflow, precision. */
const FPE_CODES = [7, 5, 3, 4, 5, 6];
const FPE_FLTSUB = 8;

export class GuestRunner {
  readonly descriptors = new GuestDescriptors();
  /** Entries so far. */
  runs = 0;
  readonly #cpu: Cpu;
  readonly #gpr: Int32Array;
  readonly #words: Int32Array;
  readonly #interrupts: Interrupts;
  /** Retired instructions at which the clock is looked at next. */
  #checkAt = 0;

  constructor(cpu: Cpu, interrupts: Interrupts) {
    this.#cpu = cpu;
    this.#gpr = cpu.gpr;
    this.#words = cpu.words;
    this.#interrupts = interrupts;
    cpu.descriptors = this.descriptors;
    cpu.softInterruptGates[0x80] = 1;
    interrupts.onRaise = () => {
      cpu.interruptPending = true;
    };
  }

  /** One entry; see HostKernel.vmspaceCtl. Returns false, with nothing done, for an illegal TLS descriptor. */
  run(space: HostVmspace, tf: Int32Array, vf: Int32Array): boolean {
    const cpu = this.#cpu;
    const tlsChanged = !this.descriptors.holdsTls(vf);
    if (tlsChanged && !this.descriptors.setTls(vf)) return false;
    this.runs++;
    this.#checkAt -= ENTRY_FEE;
    cpu.taskSwitched = (tf[TF_XFLAGS]! & PGEX_FPFAULT) !== 0;
    const fault = this.#load(tf, tlsChanged);
    if (fault !== 0) {
      // The host repairs the selector that it could not load; left in place it would fault again in the handler.
      tf[TF_GS] = this.#selector(GS);
      tf[TF_FS] = this.#selector(FS);
      this.#sanitize(tf);
      this.#trap(tf, TRAP_OF_VECTOR[fault >>> 16]!, fault & 0xffff, 0);
      return true;
    }
    for (;;) {
      let left = this.#checkAt - cpu.retired;
      if (left <= 0 || this.#interrupts.pending !== 0) {
        if (this.#interrupts.poll()) {
          cpu.interruptPending = false;
          this.#store(tf);
          this.#trap(tf, 0, 0, 0);
          return true;
        }
        this.#checkAt = cpu.retired + QUANTUM;
        left = QUANTUM;
      }
      const exit = cpu.run(space, left);
      if (exit === EXIT_BUDGET) continue;
      if (exit === EXIT_INTERRUPT) {
        cpu.interruptPending = false;
        continue;
      }
      this.#store(tf);
      if (exit === EXIT_EXCEPTION) this.#exception(tf);
      else if (exit === EXIT_CALLGATE) {
        tf[TF_EIP] = cpu.nextEip;
        this.#trap(tf, T_SYSCALL80, 7, 0);
      } else this.#trap(tf, T_SYSCALL80, 2, 0);
      return true;
    }
  }

  #exception(tf: Int32Array): void {
    const cpu = this.#cpu;
    const vector = cpu.vector;
    if (vector === EXC_PF) {
      this.#trap(tf, T_PAGEFLT, cpu.cr2 | 0, cpu.errorCode);
      return;
    }
    if (vector === EXC_DB || vector === EXC_BP) tf[TF_EFLAGS]! &= ~PSL_T;
    this.#trap(tf, TRAP_OF_VECTOR[vector & 31]!, vector === EXC_MF ? this.#fpeCode() : cpu.errorCode, 0);
  }

  #trap(tf: Int32Array, trapno: number, err: number, xflags: number): void {
    tf[TF_TRAPNO] = trapno;
    tf[TF_ERR] = err;
    tf[TF_XFLAGS] = xflags;
  }

  /** The SIGFPE code of the pending x87 exception; the exception flags are cleared, as the host's handler does. */
  #fpeCode(): number {
    const words = this.#words;
    const status = words[FSW_WORD]!;
    const pending = status & ~words[FCW_WORD]! & 0x3f;
    words[FSW_WORD] = status & ~0x80ff;
    if ((pending & 1) !== 0 && (status & 0x40) !== 0) return FPE_FLTSUB;
    for (let bit = 0; bit < 6; bit++) if ((pending & (1 << bit)) !== 0) return FPE_CODES[bit]!;
    return 0;
  }

  #sanitize(tf: Int32Array): void {
    tf[TF_CS] = LUCODE_SEL;
    tf[TF_DS] = LUDATA_SEL;
    tf[TF_ES] = LUDATA_SEL;
    tf[TF_SS] = LUDATA_SEL;
    tf[TF_EFLAGS] = (tf[TF_EFLAGS]! & EFLAGS_KEPT) | PSL_USER;
  }

  #selector(index: number): number {
    return this.#words[SEG_WORD + index * SEG_WORDS]!;
  }

  /** Loads the registers. Returns 0, or `vector << 16 | error code` when fs or gs cannot be loaded. */
  #load(tf: Int32Array, tlsChanged: boolean): number {
    const cpu = this.#cpu;
    const gpr = this.#gpr;
    gpr[EAX] = tf[TF_EAX]!;
    gpr[ECX] = tf[TF_ECX]!;
    gpr[EDX] = tf[TF_EDX]!;
    gpr[EBX] = tf[TF_EBX]!;
    gpr[ESP] = tf[TF_ESP]!;
    gpr[EBP] = tf[TF_EBP]!;
    gpr[ESI] = tf[TF_ESI]!;
    gpr[EDI] = tf[TF_EDI]!;
    cpu.eip = tf[TF_EIP]!;
    cpu.eflags = (tf[TF_EFLAGS]! & EFLAGS_KEPT) | PSL_USER;
    // The descriptors behind these selectors never change, so an equal selector is an equal hidden part.
    if (this.#selector(CS) !== LUCODE_SEL) cpu.loadSegment(CS, LUCODE_SEL);
    if (this.#selector(SS) !== LUDATA_SEL) cpu.loadSegment(SS, LUDATA_SEL);
    if (this.#selector(DS) !== LUDATA_SEL) cpu.loadSegment(DS, LUDATA_SEL);
    if (this.#selector(ES) !== LUDATA_SEL) cpu.loadSegment(ES, LUDATA_SEL);
    const gs = tf[TF_GS]! & 0xffff;
    const fs = tf[TF_FS]! & 0xffff;
    if (tlsChanged || this.#selector(GS) !== gs) {
      const fault = this.#loadOrNull(GS, gs);
      if (fault !== 0) return fault;
    }
    return tlsChanged || this.#selector(FS) !== fs ? this.#loadOrNull(FS, fs) : 0;
  }

  /** Loads a data segment register; on a fault it holds the null selector afterwards. */
  #loadOrNull(index: number, selector: number): number {
    const fault = this.#cpu.loadSegment(index, selector);
    if (fault !== 0) this.#cpu.loadSegment(index, 0);
    return fault;
  }

  #store(tf: Int32Array): void {
    const cpu = this.#cpu;
    const gpr = this.#gpr;
    tf[TF_EAX] = gpr[EAX]!;
    tf[TF_ECX] = gpr[ECX]!;
    tf[TF_EDX] = gpr[EDX]!;
    tf[TF_EBX] = gpr[EBX]!;
    tf[TF_ESP] = gpr[ESP]!;
    tf[TF_EBP] = gpr[EBP]!;
    tf[TF_ESI] = gpr[ESI]!;
    tf[TF_EDI] = gpr[EDI]!;
    tf[TF_EIP] = cpu.eip;
    tf[TF_EFLAGS] = cpu.eflags;
    tf[TF_CS] = this.#selector(CS);
    tf[TF_SS] = this.#selector(SS);
    tf[TF_DS] = this.#selector(DS);
    tf[TF_ES] = this.#selector(ES);
    tf[TF_FS] = this.#selector(FS);
    tf[TF_GS] = this.#selector(GS);
  }
}
