// SPDX-License-Identifier: BSD-3-Clause
/**
 * What follows an instruction (Flow), as a byte for each function number: for those who look at much code and need not know more
 * of it. Made when the interpreter is generated, so nobody has to make forms for it.
 * @module
 */
import type { Flow, Form } from "../isa/row.ts";
import { FN_FIRST } from "./functions.ts";

export const FLOW_NEXT = 1;
export const FLOW_BRANCH = 2;
export const FLOW_JUMP = 3;
export const FLOW_CALL = 4;
export const FLOW_AWAY = 5;
export const FLOW_STOP = 6;
export const FLOW_MASK = 7;
/** Beside the flow: the target is direct and 32 bits wide. */
export const FLOW_DIRECT = 8;
/** Beside the flow: an indirect jump or call, whose target may be expected where it went before. */
export const FLOW_INDIRECT = 16;

const CODES: Readonly<Record<Flow, number>> = {
  next: FLOW_NEXT,
  branch: FLOW_BRANCH,
  jump: FLOW_JUMP,
  call: FLOW_CALL,
  away: FLOW_AWAY,
  stop: FLOW_STOP,
};

/** Flow by function number; address records have 0. */
export function flowsOf(forms: readonly Form[]): Uint8Array {
  const flows = new Uint8Array(FN_FIRST + forms.length);
  forms.forEach(({ flow, size, name }, i) => {
    const isDirect = (flow === "branch" || flow === "jump" || flow === "call") && size === 4;
    const isIndirect = (flow === "stop" && name === "jmp") || (flow === "away" && name === "call");
    flows[FN_FIRST + i] = CODES[flow] | (isDirect ? FLOW_DIRECT : 0) | (isIndirect ? FLOW_INDIRECT : 0);
  });
  return flows;
}
