// SPDX-License-Identifier: BSD-3-Clause
/**
 * An IA-32 processor at CPL 3: registers, run(), and why run() came back.
 *
 * Invariants
 *   C1  Every exit is precise: registers, flags, EIP and memory are those of an instruction boundary (I-PC).
 *   C2  The state lives in linear memory only (state.ts); the accessors here read and write it there.
 *   C3  Between two calls of run() the owner may change any register, any mapping and any memory, provided it reports
 *       writes to code pages with MachineMemory.memoryWritten().
 *
 * @module
 */
import type { AddressSpace, MachineMemory } from "@vkernel/mmu";
import { cpuModel, type CpuModel, type CpuidOption } from "./cpuid.ts";
import type { RegionDump } from "./debug/region-dump.ts";
import type { RegionTraceEvent } from "./debug/region-trace.ts";
import type { ExitReason } from "./exception.ts";
import { restoreFxImage, saveFxImage } from "./fx-image.ts";
import { Engine } from "./interp/engine.ts";
import type { JitOptions } from "./jit/jit.ts";
import type { JitStatistics } from "./jit/statistics.ts";
import { K_RAW, arithmeticFlags } from "./isa/flag-kinds.ts";
import { crcTable } from "./isa/sse/sse42.ts";
import { FLAT_CODE, FLAT_DATA, FLAT_DESCRIPTORS, NULL_SEGMENT } from "./segment.ts";
import type { DescriptorSource, SegmentValue } from "./segment.ts";
import * as S from "./state.ts";

export interface CpuOptions {
  /** Which state block this CPU uses; 0 unless given. */
  readonly vcpu?: number;
  /** Where segment loads find descriptors; flat user segments 0x23 and 0x2b unless given. May be replaced later. */
  readonly descriptors?: DescriptorSource;
  /** The time-stamp counter in units of the announced clock, a non-negative integer below 2⁵³. Unless given, retired instructions. */
  readonly timestamp?: () => number;
  /** Bytes of the CPU's own memory area it may use for decoded code; all that is left unless given. */
  readonly poolBytes?: number;
  /** When code is compiled: see JitOptions. Give `{ threshold: Infinity }` for the interpreter alone. */
  readonly jit?: Partial<JitOptions>;
  /** Keeps the last 4096 entries into compiled code and exits from it, see `trace`. */
  readonly trace?: boolean;
  /** Told of each region when it has been compiled; the dump is good during the call. */
  readonly regionCompiled?: (dump: RegionDump) => void;
  /** A clock in milliseconds for the times in jitStatistics; they are 0 unless given. */
  readonly clock?: () => number;
  /**
   * Which processor this is: a name of CPU_MODELS ("pentium2"), a list of extensions, or a whole description; "max", which
   * has everything, unless given. Instructions of other extensions raise #UD.
   */
  readonly cpuid?: CpuidOption;
}

export class Cpu {
  readonly memory: MachineMemory;
  /** The eight general registers in encoding order (state.ts: EAX…EDI), a view of the state block. */
  readonly gpr: Int32Array;
  /** The whole state block as words, for owners that copy trap frames: index = offset of state.ts / 4. */
  readonly words: Int32Array;
  /** Linear-memory address of the state block. */
  readonly stateBase: number;
  /** What CPUID tells of this processor. */
  readonly model: CpuModel;
  /** INT n instructions that user code may execute, one byte each (non-zero = gate open to CPL 3). Default: 3 and 4. */
  readonly softInterruptGates: Uint8Array;
  readonly #engine: Engine;

  /** Generates and compiles the interpreter (tens of milliseconds). Throws RangeError for an unknown processor or extension. */
  constructor(memory: MachineMemory, options: CpuOptions = {}) {
    this.memory = memory;
    this.model = cpuModel(options.cpuid ?? "max");
    this.stateBase = memory.stateBlock(options.vcpu ?? 0);
    this.words = memory.i32.subarray(this.stateBase >> 2, (this.stateBase + 0x1_0000) >> 2);
    this.gpr = this.words.subarray(S.GPR >> 2, (S.GPR >> 2) + 8);
    this.softInterruptGates = new Uint8Array(256);
    this.softInterruptGates[3] = 1;
    this.softInterruptGates[4] = 1;
    this.#engine = new Engine(
      memory,
      this.stateBase,
      this.softInterruptGates,
      options.descriptors ?? FLAT_DESCRIPTORS,
      { ...options, model: this.model },
    );
    this.words.set(crcTable(), S.CRC_TABLE >> 2);
    this.reset();
  }

  /** State of a freshly started user program: registers 0, flags 0x202, flat segments, FS and GS null, FPU initialised. */
  reset(): void {
    this.words.fill(0, 0, (S.SCRATCH + S.SCRATCH_BYTES) >> 2);
    this.eflags = S.EFLAGS_FIXED | S.IF;
    this.setSegment(S.CS, FLAT_CODE);
    for (const i of [S.SS, S.DS, S.ES]) this.setSegment(i, FLAT_DATA);
    this.setSegment(S.FS, NULL_SEGMENT);
    this.setSegment(S.GS, NULL_SEGMENT);
    this.words[S.CR0 >> 2] = S.CR0_MP | S.CR0_NE;
    this.words[S.CR4 >> 2] = S.CR4_OSFXSR | S.CR4_OSXMMEXCPT;
    this.words[S.FCW >> 2] = 0x37f;
    this.words[S.MXCSR >> 2] = 0x1f80;
  }

  /**
   * Runs user code in `space` until something happens; see exception.ts for the reasons.
   *
   * @param budget how many instructions may retire before EXIT_BUDGET; some more may, up to the next taken jump
   */
  run(space: AddressSpace, budget: number): ExitReason {
    return this.#engine.run(space, budget);
  }

  /**
   * Executes exactly one instruction, of a repeated string instruction one element. Returns EXIT_BUDGET, unless the instruction ends run() for
   * another reason. Unlike TF this is nothing that the program can see.
   */
  step(space: AddressSpace): ExitReason {
    return this.#engine.step(space);
  }

  /** Exception or interrupt number of the last exit. */
  get vector(): number {
    return this.words[S.EXIT_VECTOR >> 2]!;
  }
  /** Error code of the last exception (0 where it has none), or the selector of EXIT_CALLGATE. */
  get errorCode(): number {
    return this.words[S.EXIT_ERROR >> 2]!;
  }
  /** Linear address of the last page fault, unsigned. */
  get cr2(): number {
    return this.words[S.CR2 >> 2]! >>> 0;
  }
  /** After EXIT_CALLGATE: address of the instruction behind the call. */
  get nextEip(): number {
    return this.#engine.nextEip;
  }
  /** Bytes and address of the instruction that raised the last #UD for being undefined or not implemented; null if none did. */
  get undefinedInstruction(): string | null {
    return this.#engine.undefinedInstruction;
  }
  /** Instructions retired since the CPU was made. */
  get retired(): number {
    return this.#engine.retired;
  }

  /** The last entries into compiled code and exits from it, oldest first; empty without the option `trace`. */
  get trace(): RegionTraceEvent[] {
    return this.#engine.trace?.events() ?? [];
  }

  /** What the compiler has done so far, and how its code ran. */
  get jitStatistics(): JitStatistics {
    return this.#engine.jitStatistics;
  }

  get eip(): number {
    return this.words[S.EIP >> 2]! >>> 0;
  }
  set eip(value: number) {
    this.words[S.EIP >> 2] = value;
  }

  /** EFLAGS as PUSHFD shows it at CPL 3. Writing sets every bit, TF included; nothing is masked. */
  get eflags(): number {
    const w = this.words;
    const arithmetic = arithmeticFlags(
      w[S.FLAGS_KIND >> 2]!,
      w[S.FLAGS_P >> 2]!,
      w[S.FLAGS_Q >> 2]!,
      w[S.FLAGS_X >> 2]!,
      w[S.FLAGS_RES >> 2]!,
    );
    return w[S.SYSFLAGS >> 2]! | arithmetic | (w[S.DIRECTION >> 2]! < 0 ? S.DF : 0);
  }
  set eflags(value: number) {
    const w = this.words;
    w[S.FLAGS_KIND >> 2] = K_RAW;
    w[S.FLAGS_P >> 2] = 0;
    w[S.FLAGS_Q >> 2] = value & S.CF;
    w[S.FLAGS_X >> 2] = value & S.ARITHMETIC_FLAGS;
    w[S.FLAGS_RES >> 2] = value & S.ZF ? 0 : 1;
    w[S.DIRECTION >> 2] = value & S.DF ? -1 : 1;
    w[S.SYSFLAGS >> 2] = (value & ~(S.ARITHMETIC_FLAGS | S.DF)) | S.EFLAGS_FIXED;
  }

  /** Segment register `index` (state.ts: ES CS SS DS FS GS) with its hidden part. */
  segment(index: number): SegmentValue {
    const at = (S.SEG + index * S.SEG_BYTES) >> 2;
    const w = this.words;
    return { selector: w[at]! & 0xffff, base: w[at + 1]! >>> 0, limit: w[at + 2]! >>> 0, rights: w[at + 3]! };
  }

  /** Sets a segment register as it is given, without any check. */
  setSegment(index: number, value: SegmentValue): void {
    const at = (S.SEG + index * S.SEG_BYTES) >> 2;
    const w = this.words;
    w[at] = value.selector & 0xffff;
    w[at + 1] = value.base;
    w[at + 2] = value.limit;
    w[at + 3] = value.rights;
  }

  /**
   * Loads a segment register through the descriptor tables with the checks of MOV Sreg (for CS: of a far return to CPL 3).
   * Returns 0, or the exception it would raise as `vector << 16 | error code`, with the register unchanged.
   */
  loadSegment(index: number, selector: number): number {
    return this.#engine.segments.load(index, selector);
  }

  /** Descriptor tables for segment loads from now on. Loaded registers keep their hidden parts, as on hardware. */
  set descriptors(source: DescriptorSource) {
    this.#engine.segments.source = source;
  }

  /** CR0.TS: while set, the first FPU, MMX or SSE instruction raises #NM (7). */
  get taskSwitched(): boolean {
    return (this.words[S.CR0 >> 2]! & S.CR0_TS) !== 0;
  }
  set taskSwitched(on: boolean) {
    const at = S.CR0 >> 2;
    this.words[at] = on ? this.words[at]! | S.CR0_TS : this.words[at]! & ~S.CR0_TS;
  }

  /** Writes x87, MMX and SSE state to a 512-byte FXSAVE image. Throws RangeError when `image` is shorter. */
  saveFx(image: Uint8Array): void {
    saveFxImage(this.words, image);
  }
  /** Loads x87, MMX and SSE state from a 512-byte FXSAVE image; bits that do not exist are dropped. */
  restoreFx(image: Uint8Array): void {
    restoreFxImage(this.words, image);
  }

  /** Asks a running or future run() to return EXIT_INTERRUPT soon; stays set until cleared by the owner. */
  get interruptPending(): boolean {
    return this.words[S.PENDING >> 2] !== 0;
  }
  set interruptPending(on: boolean) {
    this.words[S.PENDING >> 2] = on ? 1 : 0;
  }

  /** Forgets all decoded and compiled code of host page `hpn`. Needed only when memory changed without memoryWritten(). */
  invalidateCode(hpn: number): void {
    this.#engine.invalidateCode(hpn);
  }
}

/** Bytes of the cpu area (MachineMemory option `cpuBytes`) that a machine with `ramBytes` of host pages should have. */
export function cpuAreaBytes(ramBytes: number, vcpus = 1): number {
  return Engine.areaBytes(ramBytes) * vcpus;
}
