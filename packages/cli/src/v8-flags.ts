// SPDX-License-Identifier: BSD-3-Clause
/**
 * Settings of the JavaScript engine that suit a machine whose programs are compiled to WebAssembly as they run.
 *
 * Source: V8 11.3 (Node 20), src/flags/flag-definitions.h.
 * @module
 */
import { setFlagsFromString } from "node:v8";

/**
 * How many bytes of a WebAssembly function run, about, before V8 optimises it in the background. Node 20 has 1.8 million, later V8
 * 13 million: meant for code that was shipped because it matters. What is compiled here was hot for a few hundred microseconds, and
 * optimising it costs a hundred times what compiling it did: gcc spent a third of its processor time on that. An instruction of the
 * guest is some 60 bytes.
 */
const TIERING_BUDGET = 40_000_000;

/** To be called before anything of WebAssembly is used. */
export function tuneEngine(): void {
  setFlagsFromString(`--wasm-tiering-budget=${TIERING_BUDGET}`);
}
