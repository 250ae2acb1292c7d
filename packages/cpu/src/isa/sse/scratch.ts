// SPDX-License-Identifier: BSD-3-Clause
/**
 * What rows and runtime functions of SSE floating point agree on: where operands and results lie, outcomes of comparisons.
 *
 * Source: SDM vol. 1 §10.2.3 (MXCSR), vol. 2A CMPPS (predicates).
 * @module
 */
import * as S from "../../state.ts";

export const SSE_A = S.SCRATCH;
export const SSE_B = S.SCRATCH + 16;
export const SSE_R = S.SCRATCH + 32;

export const MXCSR_DAZ = 0x40;
export const MXCSR_FTZ = 0x8000;

/** Outcome of a comparison, as bit number in the masks of the predicates. */
export const GREATER = 0;
export const LESS = 1;
export const EQUAL = 2;
export const UNORDERED = 3;
/** Four bits for each CMPxx predicate 0–7: the outcomes for which it is true. */
export const PREDICATES = 0x79db_8624;
/** The predicates that signal quiet NaNs. */
export const SIGNALLING = 0b0110_0110;

/** ROUNDxx: bits of the immediate that take the mode from MXCSR, and that keep PE from being reported. */
export const ROUND_BY_MXCSR = 4;
export const ROUND_QUIET = 8;
