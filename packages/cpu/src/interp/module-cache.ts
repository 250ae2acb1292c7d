// SPDX-License-Identifier: BSD-3-Clause
/**
 * Where the interpreter's module comes from: the one generated when the package was built (prebuilt.ts), or generated here,
 * from the same tables, where that does not fit: other virtual CPUs, shared memory, running from source.
 *
 * A module is compiled once and shared by the CPUs of the process that can use it.
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { FormTable, restoreForms, storeForms, type PreparedRow } from "../isa/forms.ts";
import type { RuntimeSignatures } from "../isa/runtime.ts";
import { ROWS, RUNTIME_BUILDERS } from "../isa/table.ts";
import { prebuiltInterpreter, type Prebuilt } from "../prebuilt.ts";
import { decodeBase64 } from "./base64.ts";
import { generateInterpreter } from "./generate.ts";

/** State block for which the prebuilt module is made: virtual CPU 0. */
const PREBUILT_STATE_BASE = 0x1_0000;

export interface InterpreterImports {
  slowRead(va: number, n: number): number;
  slowProbe(va: number, n: number): number;
  slowWrite(va: number, n: number): void;
  service(id: number, a: number, b: number): number;
}
export interface InterpreterExports {
  run(ip: number): number;
  step(fn: number, ip: number, pageBase: number): number;
  call(fn: number, ip: number, pageBase: number): number;
  readonly table: WebAssembly.Table;
}
export interface Interpreter {
  readonly rows: readonly PreparedRow[];
  /** Loop handler of each function number. */
  readonly handlers: Uint16Array;
  readonly signatures: RuntimeSignatures;
  instantiate(imports: InterpreterImports): InterpreterExports;
}

interface Compiled {
  readonly key: string;
  readonly rows: readonly PreparedRow[];
  readonly handlers: Uint16Array;
  readonly signatures: RuntimeSignatures;
  readonly module: WebAssembly.Module;
}
let cached: Compiled | null = null;

function fromPrebuilt(key: string, prebuilt: Prebuilt): Compiled {
  const words = (text: string): Uint16Array => new Uint16Array(decodeBase64(text).buffer);
  return {
    key,
    rows: restoreForms(ROWS, words(prebuilt.forms)),
    handlers: words(prebuilt.handlers),
    signatures: prebuilt.signatures,
    module: new WebAssembly.Module(decodeBase64(prebuilt.module)),
  };
}
function generateNow(key: string, stateBase: number, shared: boolean): Compiled {
  const table = new FormTable(ROWS);
  const { bytes, handlers, signatures } = generateInterpreter(table, RUNTIME_BUILDERS, { stateBase, shared });
  return { key, rows: table.rows, handlers, signatures, module: new WebAssembly.Module(bytes) };
}

/** The interpreter for the CPU whose state block is at `stateBase` of `memory`. */
export function interpreterFor(memory: MachineMemory, stateBase: number): Interpreter {
  const shared = !(memory.buffer instanceof ArrayBuffer);
  const key = `${stateBase},${shared}`;
  if (cached?.key !== key) {
    const prebuilt = !shared && stateBase === PREBUILT_STATE_BASE ? prebuiltInterpreter() : null;
    cached = prebuilt !== null ? fromPrebuilt(key, prebuilt) : generateNow(key, stateBase, shared);
  }
  const { rows, handlers, signatures, module } = cached;
  return {
    rows,
    handlers,
    signatures,
    instantiate(imports) {
      const instance = new WebAssembly.Instance(module, { m: { memory: memory.memory, ...imports } });
      return instance.exports as unknown as InterpreterExports;
    },
  };
}

/** What scripts/prebuild.js stores: the interpreter of virtual CPU 0, as raw bytes. */
export function generateForPrebuild(): {
  module: Uint8Array;
  handlers: Uint8Array;
  forms: Uint8Array;
  signatures: RuntimeSignatures;
} {
  const table = new FormTable(ROWS);
  const options = { stateBase: PREBUILT_STATE_BASE, shared: false };
  const { bytes, handlers, signatures } = generateInterpreter(table, RUNTIME_BUILDERS, options);
  const forms = storeForms(table.rows);
  return {
    module: bytes,
    handlers: new Uint8Array(handlers.buffer),
    forms: new Uint8Array(forms.buffer),
    signatures,
  };
}
