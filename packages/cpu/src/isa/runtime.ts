// SPDX-License-Identifier: BSD-3-Clause
/**
 * Functions of the generated module that semantics call, and how packages of semantics add theirs.
 * @module
 */
import type { Callee } from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module.ts";
import type { ValType } from "../wasm/opcodes.ts";

/**
 * Adds functions to a module and returns them by name. `stateBase` is the linear-memory address of the state block,
 * `ramBase` that of the first host page. Called once for each generated module, before any handler.
 */
export type RuntimeBuilder = (m: ModuleBuilder, stateBase: number) => Record<string, Callee>;

/** Parameter and result types of the runtime functions, for modules that import them. */
export type RuntimeSignatures = Readonly<
  Record<string, { readonly params: readonly ValType[]; readonly results: readonly ValType[] }>
>;

/** What step functions and services call besides the runtime functions. */
export interface Imports {
  /** slowRead(address, n): copies n bytes to SLOW_BUFFER; non-zero = fault recorded. */
  readonly slowRead: Callee;
  /** slowProbe(address, n): write check; non-zero = fault recorded. */
  readonly slowProbe: Callee;
  /** slowWrite(address, n): copies n bytes from SLOW_BUFFER; the range has passed slowProbe. */
  readonly slowWrite: Callee;
  /** service(id, a, b): non-zero = fault recorded. */
  readonly service: Callee;
}
