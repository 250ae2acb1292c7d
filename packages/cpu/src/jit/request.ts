// SPDX-License-Identifier: BSD-3-Clause
/**
 * What is said between the machine and its compiler: plain data, so that the compiler may be in another thread.
 *
 * A request holds all that the code of its regions depends on, records included: the compiler sees the code as it was when it was
 * asked. Whether it still is so when the reply comes is for the machine to know (Jit, J9).
 * @module
 */
import { RECORD_BYTES } from "../decode/record.ts";
import type { RuntimeSignatures } from "../isa/runtime.ts";

/** An instruction in RegionRequest.words: so many words, and which is which. */
export const INSTRUCTION_WORDS = 7;
export const W_OFFSET = 0;
/** Address of the first record: the instruction's own, its address record or its guard for crossing into the next page. */
export const W_FIRST = 1;
/** Address of the instruction's own record. */
export const W_RECORD = 2;
export const W_FUNCTION = 3;
/** Offset of what follows. */
export const W_NEXT = 4;
/** Offset of a direct target, or NO_TARGET. */
export const W_TARGET = 5;
export const W_FLAGS = 6;
export const NO_TARGET = 0x7fff_ffff;
/** Flags: an address record stands before the record; stores are tried beside code (JitCtx). */
export const HAS_ADDRESS_RECORD = 1;
export const BESIDE_CODE = 2;
/** An instruction in RegionRequest.records: the record before its own, which may be its address record, and its own. */
export const RECORDS_BYTES = 2 * RECORD_BYTES;

/** What a compiler has to know of a machine. */
export interface CompilerSetup {
  /** The instruction tables as the decoder reads them: they number the forms. */
  readonly decodeTable: Uint8Array;
  readonly signatures: RuntimeSignatures;
  readonly stateBase: number;
  /** Linear-memory address of the jump cache, see interp/dispatch.ts. */
  readonly jumpCache: number;
  /** The machine's memory is shared. */
  readonly shared: boolean;
}

export interface RegionRequest {
  /** Its place in the interpreter's table. */
  readonly slot: number;
  /** Windows may be used; see access-windows.ts. */
  readonly windows: boolean;
  /** The base page first. */
  readonly pages: readonly { readonly address: number; readonly delta: number }[];
  /** The first is the most wanted. */
  readonly starts: readonly number[];
  /** INSTRUCTION_WORDS for each instruction. */
  readonly words: Int32Array;
  /** RECORDS_BYTES for each instruction. */
  readonly records: Uint8Array;
  /** Offsets where blocks begin, and where the region has to be entered; some may lie outside of it. */
  readonly leaders: readonly number[];
  readonly entered: readonly number[];
  /** Where indirect jumps and calls were seen to go, by their offsets. */
  readonly seenTargets: readonly (readonly [number, readonly number[]])[];
}

/** Regions that become one module. */
export interface CompileRequest {
  readonly id: number;
  readonly regions: readonly RegionRequest[];
}

/** What became of a region; its function is exported by its number in the request. */
export interface CompiledFunction {
  /** Size of its code. */
  readonly bytes: number;
  /** Offset of each entry, by number. */
  readonly entries: readonly number[];
}

export interface CompileReply {
  readonly id: number;
  readonly module: WebAssembly.Module;
  readonly moduleBytes: number;
  /** The runtime functions that it imports. */
  readonly runtime: readonly string[];
  readonly functions: readonly CompiledFunction[];
  /** Milliseconds it took to write the module, and in new WebAssembly.Module. */
  readonly emitMs: number;
  readonly moduleMs: number;
}

/** A compiler that works while the machine runs on. It is asked and answers between two stays in generated code. */
export interface CompileService {
  /** Asks; the answer comes some time after, through receive(). */
  post(request: CompileRequest): void;
  /** The next answer, null while there is none. */
  receive(): CompileReply | null;
  /** There will be no more answers: it could not be started, or has ended. */
  readonly failed: boolean;
}

/** Starts a compiler for a machine. */
export type StartCompiler = (setup: CompilerSetup) => CompileService;

/** Records, by the bytes' addresses. */
export interface RecordViews {
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
}
export function recordViews(records: Uint8Array): RecordViews {
  const { buffer, byteOffset, byteLength } = records;
  return {
    u8: records,
    u16: new Uint16Array(buffer, byteOffset, byteLength / 2),
    i32: new Int32Array(buffer, byteOffset, byteLength / 4),
  };
}
