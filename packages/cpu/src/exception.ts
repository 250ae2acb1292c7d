// SPDX-License-Identifier: BSD-3-Clause
/**
 * Exception vectors and the reasons for which the processor leaves run(). Source: SDM vol. 3A §6.3.
 * @module
 */
export const EXC_DE = 0;
export const EXC_DB = 1;
export const EXC_BP = 3;
export const EXC_OF = 4;
export const EXC_BR = 5;
export const EXC_UD = 6;
export const EXC_NM = 7;
export const EXC_NP = 11;
export const EXC_SS = 12;
export const EXC_GP = 13;
export const EXC_PF = 14;
export const EXC_MF = 16;
export const EXC_AC = 17;
export const EXC_XM = 19;

/** The budget is used up; EIP is the next instruction. */
export const EXIT_BUDGET = 0;
/** The interrupt word was set; EIP is the next instruction. */
export const EXIT_INTERRUPT = 1;
/** An exception: vector, errorCode and (for #PF) cr2 say which. EIP as SDM vol. 3A §6.5 has it for its class. */
export const EXIT_EXCEPTION = 2;
/** INT n through an open gate other than 3 and 4: `vector` is n, EIP the following instruction. */
export const EXIT_SOFTINT = 3;
/** Far call or jump through a call gate: `errorCode` is the selector, EIP the instruction itself, `nextEip` the following. */
export const EXIT_CALLGATE = 4;

export type ExitReason =
  | typeof EXIT_BUDGET
  | typeof EXIT_INTERRUPT
  | typeof EXIT_EXCEPTION
  | typeof EXIT_SOFTINT
  | typeof EXIT_CALLGATE;

/** Whether the exception pushes an error code, SDM vol. 3A table 6-1. */
export function hasErrorCode(vector: number): boolean {
  return (
    vector === EXC_NP || vector === EXC_SS || vector === EXC_GP || vector === EXC_PF || vector === EXC_AC
  );
}
