// SPDX-License-Identifier: BSD-3-Clause
/**
 * Lazy arithmetic flags: the kinds, and their evaluation outside compiled code.
 *
 * An instruction records how its flags follow from its operands instead of computing them. Operands and results are
 * **sign-extended from the operand size**. Sign extension keeps both the signed and the unsigned order, so one set of
 * formulas serves 8, 16 and 32 bits. Five words:
 *
 *   res   the result
 *   p, q  CF is `p <u q`, for every kind
 *   x     what OF and AF need besides:
 *
 *   kind    p, q            x                          OF                     AF
 *   LOGIC   0, CF           –                          0                      0
 *   ADD     res, a          b                          (a^res) & (b^res) < 0  (a^b^res).4
 *   SUB     a, b            –                          (a^b) & (a^res) < 0    (a^b^res).4
 *   INC     unchanged       a                          ~a & res < 0           (a^res).4
 *   DEC     unchanged       a                          a & ~res < 0           (a^res).4
 *   EXP     0, CF           OF in bit 31, AF in bit 4  x < 0                  x.4
 *   RAW     0, CF           an EFLAGS image            x.11                   x.4
 *
 * Invariants
 *   F1  CF is `p <u q` and ZF is `res == 0` whatever the kind, so INC and DEC preserve CF by not touching p and q.
 *   F2  SF is `res < 0` and PF the parity of the low byte of `res`, except RAW, which has both in `x` (bits 7 and 2);
 *       whoever makes RAW stores res = ZF ? 0 : 1.
 * @module
 */
import { AF as AF_, CF, OF, PF, SF, ZF } from "../state.ts";

const AF = AF_;

export const K_LOGIC = 0;
export const K_ADD = 1;
export const K_SUB = 2;
export const K_INC = 3;
export const K_DEC = 4;
export const K_EXP = 5;
export const K_RAW = 6;

function parityEven(byte: number): boolean {
  const x = (byte ^ (byte >> 4)) & 15;
  return ((0x6996 >> x) & 1) === 0;
}

function adjust(kind: number, p: number, q: number, x: number, res: number): number {
  switch (kind) {
    case K_ADD:
      return (q ^ x ^ res) & AF;
    case K_SUB:
      return (p ^ q ^ res) & AF;
    case K_INC:
    case K_DEC:
      return (x ^ res) & AF;
    case K_EXP:
      return x & AF;
    default:
      return 0;
  }
}

function overflow(kind: number, p: number, q: number, x: number, res: number): boolean {
  switch (kind) {
    case K_ADD:
      return ((q ^ res) & (x ^ res)) < 0;
    case K_SUB:
      return ((p ^ q) & (p ^ res)) < 0;
    case K_INC:
      return (~x & res) < 0;
    case K_DEC:
      return (x & ~res) < 0;
    case K_EXP:
      return x < 0;
    default:
      return false;
  }
}

/** The six arithmetic flags as bits of EFLAGS. */
export function arithmeticFlags(kind: number, p: number, q: number, x: number, res: number): number {
  const carryZero = (p >>> 0 < q >>> 0 ? CF : 0) | (res === 0 ? ZF : 0);
  if (kind === K_RAW) return carryZero | (x & (PF | AF | SF | OF));
  return (
    carryZero |
    adjust(kind, p, q, x, res) |
    (overflow(kind, p, q, x, res) ? OF : 0) |
    (res < 0 ? SF : 0) |
    (parityEven(res) ? PF : 0)
  );
}
