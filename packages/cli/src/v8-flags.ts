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

/**
 * No look at the stack's end in each function and each round of a loop: generated code does not call itself, calls what it calls a few
 * levels deep, and comes back every few thousand instructions, where V8's interrupts are served. Lua and Python run
 * 5 % faster. Nor are loops unrolled or peeled, which makes nothing of compiled code faster, and optimising it a tenth dearer.
 */
const OTHERS = ["--no-wasm-stack-checks", "--no-wasm-loop-unrolling", "--no-wasm-loop-peeling"];

/**
 * All functions of a module are compiled when it is made, not each when it is first called: what is made while the machine runs is
 * made in another thread, and called at once.
 */
const NOT_LAZY = "--no-wasm-lazy-compilation";

/**
 * Compiled code says which of its branches are seldom taken, in the form of the branch hinting proposal, which this makes V8 read: what
 * they lead to stands apart, and moves that only they need stand there, too. With the shorter test for aligned accesses, Python and
 * SQLite take 4 to 5 % less time.
 */
const HINTS = "--experimental-wasm-branch-hinting";
/** The versions of V8 before this know that flag; about one that it does not know V8 writes a line. */
const FIRST_WITHOUT = 14;

/** To be called before anything of WebAssembly is used. */
export function tuneEngine(): void {
  for (const flag of [`--wasm-tiering-budget=${TIERING_BUDGET}`, ...OTHERS]) setFlagsFromString(flag);
  if (Number.parseInt(process.versions.v8, 10) < FIRST_WITHOUT) setFlagsFromString(HINTS);
}

/** To be called when the machine is there: of the interpreter's thousands of functions few are called. */
export function tuneForRegions(): void {
  setFlagsFromString(NOT_LAZY);
}
