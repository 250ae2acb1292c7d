// SPDX-License-Identifier: BSD-3-Clause
/**
 * Lazy arithmetic flags: the kinds, and their evaluation outside compiled code.
 *
 * An instruction records how its flags follow from its operands instead of computing them. `a`, `b` and `res` are the
 * operands and the result **sign-extended from the operand size**. Sign extension keeps both the signed and the unsigned
 * order, so one set of formulas serves 8, 16 and 32 bits:
 *
 *   kind    CF              OF                       AF            b holds
 *   LOGIC   0               0                        0             –
 *   ADD     res <u a        (a^res) & (b^res) < 0    (a^b^res).4   second operand
 *   SUB     a <u b          (a^b) & (a^res) < 0      (a^b^res).4   second operand
 *   ADC     res <=u a       as ADD                   as ADD        second operand; carry-in was 1
 *   SBB     a <=u b         as SUB                   as SUB        second operand; borrow-in was 1
 *   INC     b               ~a & res < 0             (a^res).4     the preserved CF
 *   DEC     b               a & ~res < 0             (a^res).4     the preserved CF
 *   RCO     a.0             b.0                      a.4           OF; CF and AF stand in `a`
 *   RAW     a.0             a.11                     a.4           –; `a` is an EFLAGS image
 *
 * Invariants
 *   F1  ZF is `res == 0` for every kind, RAW included (whoever makes RAW stores res = ZF ? 0 : 1).
 *   F2  SF is `res < 0` and PF the parity of the low byte of `res`, except RAW, which has both in `a`.
 * @module
 */
import { AF, CF, OF, PF, SF, ZF } from "../state.ts";

export const K_LOGIC = 0;
export const K_ADD = 1;
export const K_SUB = 2;
export const K_ADC = 3;
export const K_SBB = 4;
export const K_INC = 5;
export const K_DEC = 6;
export const K_RCO = 7;
export const K_RAW = 8;

function parityEven(byte: number): boolean {
  let x = byte & 0xff;
  x ^= x >> 4;
  return ((0x6996 >> (x & 15)) & 1) === 0;
}

function carryAndAdjust(kind: number, a: number, b: number, res: number): number {
  const adjust = (a ^ b ^ res) & AF;
  switch (kind) {
    case K_ADD:
      return adjust | (res >>> 0 < a >>> 0 ? CF : 0);
    case K_SUB:
      return adjust | (a >>> 0 < b >>> 0 ? CF : 0);
    case K_ADC:
      return adjust | (res >>> 0 <= a >>> 0 ? CF : 0);
    case K_SBB:
      return adjust | (a >>> 0 <= b >>> 0 ? CF : 0);
    case K_INC:
    case K_DEC:
      return ((a ^ res) & AF) | (b & CF);
    case K_RCO:
      return a & (AF | CF);
    default:
      return 0;
  }
}

function overflow(kind: number, a: number, b: number, res: number): boolean {
  switch (kind) {
    case K_ADD:
    case K_ADC:
      return ((a ^ res) & (b ^ res)) < 0;
    case K_SUB:
    case K_SBB:
      return ((a ^ b) & (a ^ res)) < 0;
    case K_INC:
      return (~a & res) < 0;
    case K_DEC:
      return (a & ~res) < 0;
    case K_RCO:
      return (b & 1) !== 0;
    default:
      return false;
  }
}

/** The six arithmetic flags as bits of EFLAGS. */
export function arithmeticFlags(kind: number, a: number, b: number, res: number): number {
  if (kind === K_RAW) return a & (CF | PF | AF | ZF | SF | OF);
  return (
    carryAndAdjust(kind, a, b, res) |
    (overflow(kind, a, b, res) ? OF : 0) |
    (res === 0 ? ZF : 0) |
    (res < 0 ? SF : 0) |
    (parityEven(res) ? PF : 0)
  );
}
