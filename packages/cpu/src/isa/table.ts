// SPDX-License-Identifier: BSD-3-Clause
/**
 * All instructions, and all functions their semantics call.
 * @module
 */
import { ALU_ROWS } from "./alu.ts";
import { BCD_ROWS } from "./bcd.ts";
import { BIT_ROWS } from "./bit.ts";
import { CONTROL_ROWS } from "./control.ts";
import { buildFloatRuntime } from "./float.ts";
import { MOVE_ROWS } from "./move.ts";
import { MULDIV_ROWS } from "./muldiv.ts";
import type { Row } from "./row.ts";
import type { RuntimeBuilder } from "./runtime.ts";
import { buildSegmentRuntime } from "./segment-check.ts";
import { SHIFT_ROWS } from "./shift.ts";
import { SSE_FLOAT_ROWS } from "./sse/float.ts";
import { SIMD_INTEGER_ROWS } from "./sse/integer.ts";
import { SSE_MOVE_ROWS } from "./sse/move.ts";
import { STACK_ROWS } from "./stack.ts";
import { STRING_ROWS } from "./string.ts";
import { SYSTEM_ROWS } from "./system.ts";
import { X87_ROWS } from "./x87/rows.ts";

export const ROWS: readonly Row[] = [
  ...ALU_ROWS, ...MOVE_ROWS, ...STACK_ROWS, ...CONTROL_ROWS, ...SHIFT_ROWS, ...MULDIV_ROWS, ...BIT_ROWS, ...BCD_ROWS,
  ...STRING_ROWS, ...SYSTEM_ROWS, ...X87_ROWS,
  ...SIMD_INTEGER_ROWS, ...SSE_MOVE_ROWS, ...SSE_FLOAT_ROWS,
];

export const RUNTIME_BUILDERS: readonly RuntimeBuilder[] = [buildSegmentRuntime, buildFloatRuntime];
