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
import { SSE_ARITHMETIC_ROWS } from "./sse/arithmetic.ts";
import { SSE_COMPARE_ROWS } from "./sse/compare.ts";
import { SSE_CONVERT_ROWS } from "./sse/convert.ts";
import { SIMD_INTEGER_ROWS } from "./sse/integer.ts";
import { SSE_MOVE_ROWS } from "./sse/move.ts";
import { SSE_SHUFFLE_ROWS } from "./sse/shuffle.ts";
import { SSE41_FLOAT_ROWS } from "./sse/sse41-float.ts";
import { SSE41_ROWS } from "./sse/sse41.ts";
import { SSE42_ROWS } from "./sse/sse42.ts";
import { SSE_STATE_ROWS } from "./sse/state.ts";
import { TEXT_ROWS } from "./sse/text.ts";
import { STACK_ROWS } from "./stack.ts";
import { STRING_ROWS } from "./string.ts";
import { buildStringRuntime } from "./string-runtime.ts";
import { SYSTEM_ROWS } from "./system.ts";
import { X87_ROWS } from "./x87/rows.ts";

export const ROWS: readonly Row[] = [
  ...ALU_ROWS,
  ...MOVE_ROWS,
  ...STACK_ROWS,
  ...CONTROL_ROWS,
  ...SHIFT_ROWS,
  ...MULDIV_ROWS,
  ...BIT_ROWS,
  ...BCD_ROWS,
  ...STRING_ROWS,
  ...SYSTEM_ROWS,
  ...X87_ROWS,
  ...SIMD_INTEGER_ROWS,
  ...SSE_MOVE_ROWS,
  ...SSE_SHUFFLE_ROWS,
  ...SSE_STATE_ROWS,
  ...SSE_ARITHMETIC_ROWS,
  ...SSE_COMPARE_ROWS,
  ...SSE_CONVERT_ROWS,
  ...SSE41_ROWS,
  ...SSE41_FLOAT_ROWS,
  ...SSE42_ROWS,
  ...TEXT_ROWS,
];

export const RUNTIME_BUILDERS: readonly RuntimeBuilder[] = [
  buildSegmentRuntime,
  buildStringRuntime,
  buildFloatRuntime,
];
