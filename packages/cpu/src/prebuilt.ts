// SPDX-License-Identifier: BSD-3-Clause
/**
 * The interpreter generated ahead. In the source there is none; the build replaces this module in dist/ by one that has it
 * (scripts/prebuild.js), which saves a few hundred milliseconds at start-up.
 * @module
 */

import type { RuntimeSignatures } from "./isa/runtime.ts";

/** Bytes are base64. */
export interface Prebuilt {
  /** The WebAssembly modules. */
  readonly module: string;
  readonly decoder: string;
  /** See decode/decode-table.ts. */
  readonly decodeTable: string;
  /** Little-endian 16-bit words: loop handler of each function number. */
  readonly handlers: string;
  /** See interp/flows.ts. */
  readonly flows: string;
  readonly signatures: RuntimeSignatures;
}

/** A function, because bundlers would copy a constant into its users. */
export function prebuiltInterpreter(): Prebuilt | null {
  return null;
}
