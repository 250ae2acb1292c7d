// SPDX-License-Identifier: BSD-3-Clause
/**
 * Pairs of instructions that follow each other so often that the dispatch loop has handlers for both together.
 *
 * The decoder gives the first record of a pair the handler of the pair; the second keeps its own, for those who jump there. Records
 * of a pair follow each other in memory, so the handler is that of the first, a step to the next record, and that of the second: whatever
 * leaves, leaves at the record that `ip` is at. Who changes the second record has to give the first one its own handler back.
 *
 * Source of the choice: how often records of gcc, tcc, Python's start and esbuild, weighed alike, were executed one after the other. These
 * pairs save 27 to 34 % of all dispatches of those programs.
 *
 * @module
 */
import { FN_FIRST } from "./functions.ts";
import type { Form } from "../isa/row.ts";

/** First instruction, and what follows it; in the notation of shapeOf(). */
const PAIRS: readonly (readonly [first: string, seconds: readonly string[]])[] = [
  ["mov r4,m4", ["mov r4,m4","mov m4,r4","test r4,r4","add r4,i4","mov r4,r4","ret","lea r4,m4","cmp r4,r4","cmp r4,i4","cmp r4,m4","lea r4,m4x","movzx r4,m1","test m1,i1","xor r4,r4","add r4,r4","jmp i4","and r4,i4","sub r4,i4","mov r4,m4x","cmp m4,r4","mov m4,i4","movzx r4,m2","mov r4,i4"]],
  ["pop r4", ["pop r4","ret"]],
  ["push r4", ["push r4","call i4 far","sub r4,i4","mov r4,r4","mov r4,m4"]],
  ["mov m4,r4", ["mov r4,m4","mov m4,r4","add r4,i4","mov r4,r4","lea r4,m4","call i4 far","test r4,r4","movzx r4,m1","xor r4,r4","jmp i4","cmp r4,r4"]],
  ["test r4,r4", ["je i4","jne i4","je i4 far","jne i4 far"]],
  ["sub r4,i4", ["mov r4,m4","push r4","mov m4,r4","lea r4,m4"]],
  ["je i4", ["mov r4,m4","cmp r4,i4","movzx r4,m1","sub r4,i4","lea r4,m4","mov r4,r4"]],
  ["mov r4,r4", ["mov r4,r4","mov r4,m4","and r4,i4","mov m4,r4","push r4","pop r4","shr r4,i1","shl r4,i1","sub r4,i4","add r4,i4"]],
  ["cmp r4,i4", ["je i4","jne i4","ja i4","jbe i4","je i4 far","jg i4"]],
  ["jne i4", ["mov r4,m4","add r4,i4"]],
  ["add r4,i4", ["pop r4","mov m4,r4","mov r4,r4","ret","mov r4,m4","test r4,r4","sub r4,i4","cmp r4,r4","push r4","or r4,r4","cmp r4,i4","xor r4,r4"]],
  ["lea r4,m4", ["mov m4,r4","mov r4,m4","lea r4,m4","cmp r4,i4","mov r4,r4","push r4"]],
  ["cmp r4,r4", ["jne i4","je i4","jb i4","jae i4"]],
  ["test r1,r1", ["je i4","jne i4"]],
  ["movzx r4,m1", ["test r1,r1","mov r4,r4"]],
  ["cmp r4,m4", ["jbe i4"]],
  ["mov m4,i4", ["mov m4,i4","mov r4,m4","mov m4,r4"]],
  ["jbe i4", ["sub r4,i4"]],
  ["lea r4,m4x", ["lea r4,m4x","mov r4,m4"]],
  ["cmp r1,i1", ["je i4","jne i4","ja i4"]],
  ["mov r4,m4x", ["test r4,r4","mov r4,m4","add r4,r4"]],
  ["xor r4,r4", ["xor r4,r4","mov r4,m4","mov r4,r4"]],
  ["test m1,i1", ["je i4","jne i4"]],
  ["jne i4 far", ["mov r4,m4"]],
  ["je i4 far", ["mov r4,m4"]],
  ["cmp m4,i4", ["jne i4"]],
  ["or r4,r4", ["cmp r4,i4"]],
  ["and r4,i4", ["mov m4,r4","cmp r4,i4"]],
  ["push i4", ["push r4"]],
  ["test r1,i1", ["je i4"]],
  ["not r4", ["and r4,m4x"]],
  ["and r4,m4x", ["add r4,i4"]],
  ["add r4,r4", ["mov m4,r4"]],
  ["cmp m1,i1", ["je i4"]],
  ["cmp m4,r4", ["je i4"]],
];

/** Name and operands of a form: registers r, memory m, immediates i with their sizes, x = indexed, far = a jump that leaves its page. */
function shapeOf(form: Form): string {
  const operands = form.kinds.map((kind, i) => `${kind}${form.sizes[i]}`).join();
  return `${form.name} ${operands}${form.indexed ? "x" : ""}${form.far ? " far" : ""}`.trim();
}

export interface Pair {
  readonly first: Form;
  readonly second: Form;
  /** Their function numbers. */
  readonly firstFunction: number;
  readonly secondFunction: number;
}

/** The pairs among the forms of the dispatch loop. Throws where a shape of the list is none of theirs. */
export function pairsOf(forms: readonly Form[]): Pair[] {
  const numbers = new Map<string, number>();
  forms.forEach((form, i) => {
    if (form.hot) numbers.set(shapeOf(form), i);
  });
  const find = (shape: string): number => {
    const i = numbers.get(shape);
    if (i === undefined) throw new Error(`pairs: the dispatch loop has no ${shape}`);
    return i;
  };
  return PAIRS.flatMap(([first, seconds]) => {
    const i = find(first);
    return seconds.map((shape) => {
      const k = find(shape);
      const pair = { first: forms[i]!, second: forms[k]!, firstFunction: FN_FIRST + i, secondFunction: FN_FIRST + k };
      if (pair.first.flow !== "next" && pair.first.flow !== "branch") throw new Error(`pairs: nothing follows ${first}`);
      return pair;
    });
  });
}
