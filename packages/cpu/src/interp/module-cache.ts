// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the interpreter's module comes from: the one generated when the package was built (prebuilt.ts), or generated here,
 * from the same tables, where that does not fit: other virtual CPUs, shared memory, running from source.
 *
 * A module is compiled once and shared by the CPUs of the process that can use it.
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { generateDecoder, type DecoderExports } from "../decode/decode-code.ts";
import { formsOf, packDecodeTable } from "../decode/decode-table.ts";
import { FormLookup, FormTable, prepareRow, restoreForms } from "../isa/forms.ts";
import type { RuntimeSignatures } from "../isa/runtime.ts";
import { ROWS, RUNTIME_BUILDERS } from "../isa/table.ts";
import { prebuiltInterpreter } from "../prebuilt.ts";
import { decodeBase64 } from "./base64.ts";
import { generateInterpreter } from "./generate.ts";

/** State block for which the prebuilt module is made: virtual CPU 0. */
const PREBUILT_STATE_BASE = 0x1_0000;

export interface InterpreterImports {
  slowRead(va: number, n: number): number;
  slowProbe(va: number, n: number): number;
  slowWrite(va: number, n: number): void;
  codeWritten(host: number, n: number): void;
  service(id: number, a: number, b: number): number;
}
export interface InterpreterExports {
  run(ip: number): number;
  step(fn: number, ip: number, pageBase: number): number;
  call(fn: number, ip: number, pageBase: number): number;
  /** What the table holds in place of regions that are no more. */
  dead(entry: number, pageBase: number): number;
  readonly table: WebAssembly.Table;
}
export interface Interpreter {
  /** The instruction tables as the decoder reads them, see decode/decode-table.ts. */
  readonly decodeTable: Uint8Array;
  /** Loop handler of each function number. */
  readonly handlers: Uint16Array;
  /** What follows the instruction of each function number, see flows.ts. */
  readonly flows: Uint8Array;
  readonly signatures: RuntimeSignatures;
  /** Forms by number; made when first asked for. */
  readonly forms: () => FormLookup;
  instantiate(imports: InterpreterImports): InterpreterExports;
  instantiateDecoder(): DecoderExports;
}

interface Compiled {
  readonly decodeTable: Uint8Array;
  readonly handlers: Uint16Array;
  readonly flows: Uint8Array;
  readonly signatures: RuntimeSignatures;
  readonly module: WebAssembly.Module;
  readonly decoder: WebAssembly.Module;
}
/** By place of the state block and kind of memory: one for each virtual CPU in use. */
const cached = new Map<string, Compiled>();
let forms: FormLookup | null = null;

function generateNow(stateBase: number, shared: boolean): Compiled {
  const table = new FormTable(ROWS);
  const { bytes, handlers, flows, pairs, signatures } = generateInterpreter(table, RUNTIME_BUILDERS, { stateBase, shared });
  return {
    decodeTable: packDecodeTable(table.rows, handlers, pairs),
    handlers,
    flows,
    signatures,
    module: new WebAssembly.Module(bytes),
    decoder: new WebAssembly.Module(generateDecoder(shared)),
  };
}
function fromPrebuilt(): Compiled | null {
  const prebuilt = prebuiltInterpreter();
  if (prebuilt === null) return null;
  return {
    decodeTable: decodeBase64(prebuilt.decodeTable),
    handlers: new Uint16Array(decodeBase64(prebuilt.handlers).buffer),
    flows: decodeBase64(prebuilt.flows),
    signatures: prebuilt.signatures,
    module: new WebAssembly.Module(decodeBase64(prebuilt.module)),
    decoder: new WebAssembly.Module(decodeBase64(prebuilt.decoder)),
  };
}

/** The interpreter for the CPU whose state block is at `stateBase` of `memory`. */
export function interpreterFor(memory: MachineMemory, stateBase: number): Interpreter {
  const shared = !(memory.buffer instanceof ArrayBuffer);
  const key = `${stateBase},${shared}`;
  let compiled = cached.get(key);
  if (compiled === undefined) {
    const prebuilt = !shared && stateBase === PREBUILT_STATE_BASE ? fromPrebuilt() : null;
    compiled = prebuilt ?? generateNow(stateBase, shared);
    cached.set(key, compiled);
  }
  const { decodeTable, handlers, flows, signatures, module, decoder } = compiled;
  return {
    decodeTable,
    handlers,
    flows,
    signatures,
    forms: () => (forms ??= new FormLookup(restoreForms(ROWS, (row) => formsOf(decodeTable, row)))),
    instantiate(imports) {
      const instance = new WebAssembly.Instance(module, { m: { memory: memory.memory, ...imports } });
      return instance.exports as unknown as InterpreterExports;
    },
    instantiateDecoder() {
      const instance = new WebAssembly.Instance(decoder, { m: { memory: memory.memory } });
      return instance.exports as unknown as DecoderExports;
    },
  };
}

/** The decoder alone, for memory that is not shared: its tables tell instructions apart but need not know forms. */
export function standaloneDecoder(): { readonly module: WebAssembly.Module; readonly table: Uint8Array } {
  const known = cached.get(`${PREBUILT_STATE_BASE},false`) ?? fromPrebuilt();
  if (known !== null) return { module: known.decoder, table: known.decodeTable };
  const table = packDecodeTable(ROWS.map(prepareRow), new Uint16Array(0), []);
  return { module: new WebAssembly.Module(generateDecoder(false)), table };
}

/** What scripts/prebuild.js stores: the interpreter of virtual CPU 0, as raw bytes. */
export function generateForPrebuild(): {
  module: Uint8Array;
  decoder: Uint8Array;
  decodeTable: Uint8Array;
  handlers: Uint8Array;
  flows: Uint8Array;
  signatures: RuntimeSignatures;
} {
  const table = new FormTable(ROWS);
  const options = { stateBase: PREBUILT_STATE_BASE, shared: false };
  const { bytes, handlers, flows, pairs, signatures } = generateInterpreter(table, RUNTIME_BUILDERS, options);
  return {
    module: bytes,
    decoder: generateDecoder(false),
    decodeTable: packDecodeTable(table.rows, handlers, pairs),
    handlers: new Uint8Array(handlers.buffer),
    flows,
    signatures,
  };
}
