// SPDX-License-Identifier: BSD-3-Clause
/**
 * The generated interpreter, compiled once for each memory layout and shared by the CPUs that have it.
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { FormTable } from "../isa/forms.ts";
import { ROWS, RUNTIME_BUILDERS } from "../isa/table.ts";
import { generateInterpreter, type GeneratedInterpreter } from "./generate.ts";

export interface InterpreterImports {
  slowRead(va: number, n: number): number;
  slowProbe(va: number, n: number): number;
  slowWrite(va: number, n: number): void;
  service(id: number, a: number, b: number): number;
}
export interface InterpreterExports {
  run(ip: number): number;
  step(fn: number, ip: number, pageBase: number): number;
}
export interface Interpreter {
  readonly table: FormTable;
  readonly generated: GeneratedInterpreter;
  instantiate(imports: InterpreterImports): InterpreterExports;
}

let forms: FormTable | null = null;
let cached: { readonly key: string; readonly generated: GeneratedInterpreter; readonly module: WebAssembly.Module } | null = null;

/** The interpreter for the CPU whose state block is at `stateBase` of `memory`. */
export function interpreterFor(memory: MachineMemory, stateBase: number): Interpreter {
  const table = (forms ??= new FormTable(ROWS));
  const memoryPages = memory.layout.totalBytes / 0x1_0000;
  const shared = !(memory.buffer instanceof ArrayBuffer);
  const key = [stateBase, memory.ramBase, memoryPages, shared].join();
  if (cached?.key !== key) {
    const generated = generateInterpreter(table, RUNTIME_BUILDERS, { stateBase, ramBase: memory.ramBase, memoryPages, shared });
    cached = { key, generated, module: new WebAssembly.Module(generated.bytes) };
  }
  const { generated, module } = cached;
  return {
    table,
    generated,
    instantiate(imports) {
      const instance = new WebAssembly.Instance(module, { m: { memory: memory.memory, ...imports } });
      return instance.exports as unknown as InterpreterExports;
    },
  };
}
