// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runtime of x87, MMX and SSE.
 * @module
 */
import type { RuntimeBuilder } from "./runtime.ts";
import { buildSseRuntime } from "./sse/float-runtime.ts";
import { buildInstructions, buildSoft } from "./x87/instructions.ts";
import { buildTranscendental } from "./x87/transcend.ts";

/** The functions behind x87 and exact SSE arithmetic; both stand on the same softfloat kernels. */
export const buildFloatRuntime: RuntimeBuilder = (m, stateBase) => {
  const soft = buildSoft(m, stateBase);
  return { ...buildInstructions(m, soft), ...buildTranscendental(m, soft), ...buildSseRuntime(m, soft) };
};
