// SPDX-License-Identifier: BSD-3-Clause
/**
 * IA-32 processor at CPL 3: decoder and WebAssembly interpreter over the memory of `@vkernel/mmu`.
 * @packageDocumentation
 */
export { Cpu, cpuAreaBytes, type CpuOptions } from "./cpu.ts";
export {
  CPU_MODELS,
  VENDOR as CPUID_VENDOR,
  cpuModel,
  type CpuModel,
  type CpuModelName,
  type CpuidOption,
  type Feature,
} from "./cpuid.ts";
export { FEATURE_BITS, featureWord } from "./isa/feature.ts";
export { LockstepCpu, LockstepError, type LockstepOptions } from "./debug/lockstep.ts";
export type { RegionDump } from "./debug/region-dump.ts";
export type { RegionTraceEvent } from "./debug/region-trace.ts";
export { GdbStub, type GdbTarget } from "./debug/gdb-stub.ts";
export type { GdbRegisters } from "./debug/gdb-registers.ts";
export { RegionCompiler } from "./jit/compiler.ts";
export type { JitOptions } from "./jit/jit.ts";
export type { CompileReply, CompileRequest, CompileService, CompilerSetup, StartCompiler } from "./jit/request.ts";
export type { CompileTimes, JitStatistics, RegionExits } from "./jit/statistics.ts";
export { disassemble, type Disassembly } from "./decode/disassemble.ts";
export {
  EXC_AC,
  EXC_BP,
  EXC_BR,
  EXC_DB,
  EXC_DE,
  EXC_GP,
  EXC_MF,
  EXC_NM,
  EXC_NP,
  EXC_OF,
  EXC_PF,
  EXC_SS,
  EXC_UD,
  EXC_XM,
  EXIT_BUDGET,
  EXIT_CALLGATE,
  EXIT_EXCEPTION,
  EXIT_INTERRUPT,
  EXIT_SOFTINT,
  hasErrorCode,
  type ExitReason,
} from "./exception.ts";
export {
  FLAT_CODE,
  FLAT_DATA,
  FLAT_DESCRIPTORS,
  NULL_SEGMENT,
  USER_CODE_SELECTOR,
  USER_DATA_SELECTOR,
  type DescriptorSource,
  type SegmentValue,
} from "./segment.ts";
export {
  CS,
  DS,
  EAX,
  EBP,
  EBX,
  ECX,
  EDI,
  EDX,
  ES,
  ESI,
  ESP,
  FCW,
  FS,
  FSW,
  GS,
  SEG,
  SEG_BYTES,
  SS,
} from "./state.ts";
