// SPDX-License-Identifier: BSD-3-Clause
/**
 * Decimal adjustment. Source: SDM vol. 2A "AAA", "AAS", "DAA", "DAS".
 * @module
 */
import { add, and, gtU, or, select, shl, shrU, sub, type Expr } from "../wasm/expr.ts";
import { AF, EAX } from "../state.ts";
import { signExtend, type Ctx } from "./ctx.ts";
import { op, type Row, type Semantics } from "./row.ts";

/** Whether the low digit needs adjustment: AL & 15 > 9 or AF. */
function lowDigitAdjusts(x: Ctx, al: Expr): Expr {
  return x.tmp(or(gtU(and(al, 15), 9), shrU(x.adjustBit(), 4)));
}

/** DAA and DAS: `combine` adds or subtracts. */
function decimal(isAdd: boolean): Semantics {
  const combine = isAdd ? add : sub;
  return (x) => {
    const al = x.tmp(and(x.reg(EAX), 0xff));
    const carryIn = x.tmp(x.carry());
    const low = lowDigitAdjusts(x, al);
    const high = x.tmp(or(gtU(al, 0x99), carryIn));
    const afterLow = x.tmp(combine(al, select(low, 6, 0)));
    const carryOfLow = isAdd ? gtU(afterLow, 0xff) : shrU(afterLow, 31);
    const res = x.tmp(signExtend(combine(afterLow, select(high, 0x60, 0)), 1));
    // DAS takes the borrow of its first step into account, DAA's carry of the first step implies AL > 99h.
    const carry = x.tmp(or(high, and(low, or(carryIn, carryOfLow))));
    x.setRegPart(EAX, 1, res);
    x.flagsExplicit(carry, shl(low, 4), res);
  };
}

/** AAA and AAS: AL and AH change as one 16-bit register, as processors since the 80386 do it. */
function ascii(isAdd: boolean): Semantics {
  const combine = isAdd ? add : sub;
  return (x) => {
    const ax = x.tmp(and(x.reg(EAX), 0xffff));
    const adjust = lowDigitAdjusts(x, ax);
    const res = x.tmp(and(combine(ax, select(adjust, 0x106, 0)), 0xff0f));
    x.setRegPart(EAX, 2, res);
    x.flagsExplicit(adjust, and(shl(adjust, 4), AF), signExtend(res, 1));
  };
}

export const BCD_ROWS: readonly Row[] = [
  op(0x27, "daa", [], decimal(true)),
  op(0x2f, "das", [], decimal(false)),
  op(0x37, "aaa", [], ascii(true)),
  op(0x3f, "aas", [], ascii(false)),
];
