// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the generator knows of the flags at a place in a handler: from the first instruction of a pair for the second.
 * @module
 */
import type { Expr } from "../wasm/expr.ts";

/** Kind of the flags, −1 = unknown, and the words that a temporary or a constant holds as well. */
export interface KnownFlags {
  readonly kind: number;
  readonly p: Expr | null;
  readonly q: Expr | null;
  readonly x: Expr | null;
  readonly res: Expr | null;
}

export const UNKNOWN_FLAGS: KnownFlags = { kind: -1, p: null, q: null, x: null, res: null };
