// SPDX-License-Identifier: BSD-3-Clause
/**
 * The x87 floating-point unit.
 * @module
 */
import type { RuntimeBuilder } from "../runtime.ts";
import { buildInstructions, buildSoft } from "./instructions.ts";

export const buildX87Runtime: RuntimeBuilder = (m, stateBase) => buildInstructions(m, buildSoft(m, stateBase));
export { X87_ROWS } from "./rows.ts";
