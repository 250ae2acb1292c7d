// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runtime of x87, MMX and SSE.
 * @module
 */
import type { RuntimeBuilder } from "./runtime.ts";
import { buildSseRuntime } from "./sse/float-runtime.ts";
import { buildTextRuntime } from "./sse/text.ts";
import { buildArithmetic } from "./x87/arithmetic.ts";
import { buildFast } from "./x87/fast.ts";
import { buildSoft } from "./x87/soft.ts";
import { buildStack } from "./x87/stack.ts";
import { buildArctangent } from "./x87/arctangent.ts";
import { buildLogarithm } from "./x87/logarithm.ts";
import { buildSeries } from "./x87/series.ts";
import { buildTrigonometry } from "./x87/trigonometry.ts";

/** The functions behind x87 and exact SSE arithmetic; both stand on the same softfloat kernels. */
export const buildFloatRuntime: RuntimeBuilder = (m, stateBase) => {
  const soft = buildSoft(m, stateBase);
  const fast = buildFast(m, soft);
  const series = buildSeries(m, soft);
  return {
    ...buildArithmetic(m, soft, fast),
    ...buildStack(m, soft),
    ...buildTrigonometry(m, soft, series),
    ...buildLogarithm(m, soft, series),
    ...buildArctangent(m, soft, series),
    ...buildSseRuntime(m, soft),
    ...buildTextRuntime(m),
  };
};
