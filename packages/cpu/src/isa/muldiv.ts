// SPDX-License-Identifier: BSD-3-Clause
/**
 * Multiplication and division. Source: SDM vol. 2A "DIV", "IDIV", "IMUL", vol. 2B "MUL".
 *
 * SF, ZF, AF and PF are undefined after a multiplication and all flags after a division: the former follow the low half
 * of the product here, the latter stay.
 * @module
 */
import {
  add,
  and,
  divS,
  divU,
  eq,
  eqz,
  extendS,
  extendU,
  gtU,
  i64,
  ne,
  or,
  remS,
  remU,
  shl,
  shrS,
  shrU,
  wrap,
  mul,
  type Expr,
} from "../wasm/expr.ts";
import { EXC_DE } from "../exception.ts";
import { EAX, EDX } from "../state.ts";
import { signExtend, zeroExtend, type Ctx } from "./ctx.ts";
import { Eb, Ev, Gv, Ib, Ibs, Iz, op, type Row, type Semantics } from "./row.ts";

/** Stores a double-width product: AX, DX:AX or EDX:EAX. */
function storeProduct(x: Ctx, product: Expr): void {
  if (x.size === 1) {
    x.setRegPart(EAX, 2, wrap(product));
    return;
  }
  x.setRegPart(EAX, x.size, wrap(product));
  x.setRegPart(EDX, x.size, wrap(shrU(product, i64(8 * x.size))));
}
/** CF = OF = whether the high half matters. */
function productFlags(x: Ctx, significant: Expr, product: Expr): void {
  const carry = x.tmp(significant);
  x.flagsExplicit(carry, shl(carry, 31), signExtend(wrap(product), x.size));
}

const MUL: Semantics = (x) => {
  const source = extendU(x.readZ(0));
  const product = x.tmp(mul(source, extendU(zeroExtend(x.regPart(EAX, x.size), x.size))));
  storeProduct(x, product);
  productFlags(x, ne(shrU(product, i64(8 * x.size)), 0), product);
};
/** Whether a signed 64-bit product does not fit the operand size. */
function overflows(x: Ctx, product: Expr): Expr {
  return ne(extendS(signExtend(wrap(product), x.size)), product);
}
const IMUL1: Semantics = (x) => {
  const product = x.tmp(mul(extendS(x.read(0)), extendS(x.regPart(EAX, x.size))));
  storeProduct(x, product);
  productFlags(x, overflows(x, product), product);
};
function imulInto(a: number, b: number): Semantics {
  return (x) => {
    const product = x.tmp(mul(extendS(x.read(a)), extendS(x.read(b))));
    x.write(0, wrap(product));
    productFlags(x, overflows(x, product), product);
  };
}
const IMUL2 = imulInto(0, 1);
const IMUL3 = imulInto(1, 2);

/** The dividend AX, DX:AX or EDX:EAX as i64, zero- or sign-extended. */
function dividend(x: Ctx, isSigned: boolean): Expr {
  if (x.size === 1) return isSigned ? extendS(x.regPart(EAX, 2)) : extendU(and(x.reg(EAX), 0xffff));
  if (x.size === 2) {
    const pair = or(shl(x.reg(EDX), 16), and(x.reg(EAX), 0xffff));
    return isSigned ? extendS(pair) : extendU(pair);
  }
  return or(shl(extendU(x.reg(EDX)), i64(32)), extendU(x.reg(EAX)));
}
function storeQuotient(x: Ctx, quotient: Expr, remainder: Expr): void {
  if (x.size === 1) {
    x.setRegPart(EAX, 2, or(and(quotient, 0xff), shl(remainder, 8)));
    return;
  }
  x.setRegPart(EAX, x.size, quotient);
  x.setRegPart(EDX, x.size, remainder);
}

const DIV: Semantics = (x) => {
  const divisor = x.tmp(extendU(x.readZ(0)));
  x.raiseIf(eqz(divisor), EXC_DE);
  const value = x.tmp(dividend(x, false));
  const quotient = x.tmp(divU(value, divisor));
  x.raiseIf(gtU(quotient, i64((1n << BigInt(8 * x.size)) - 1n)), EXC_DE);
  storeQuotient(x, wrap(quotient), x.tmp(wrap(remU(value, divisor))));
};
const IDIV: Semantics = (x) => {
  const divisor = x.tmp(extendS(x.read(0)));
  x.raiseIf(eqz(divisor), EXC_DE);
  const value = x.tmp(dividend(x, true));
  // The one quotient that a 64-bit division cannot hold.
  x.raiseIf(and(eq(divisor, -1), eq(value, i64(-(1n << 63n)))), EXC_DE);
  const quotient = x.tmp(divS(value, divisor));
  x.raiseIf(ne(extendS(signExtend(wrap(quotient), x.size)), quotient), EXC_DE);
  storeQuotient(x, wrap(quotient), x.tmp(wrap(remS(value, divisor))));
};

/** CBW and CWDE. */
const CBW: Semantics = (x) => {
  x.setRegPart(EAX, x.size, x.regPart(EAX, x.size / 2));
};
/** CWD and CDQ. */
const CWD: Semantics = (x) => {
  x.setRegPart(EDX, x.size, shrS(x.regPart(EAX, x.size), 31));
};

const AAM: Semantics = (x) => {
  const base = x.tmp(x.readZ(0));
  x.raiseIf(eqz(base), EXC_DE);
  const al = x.tmp(and(x.reg(EAX), 0xff));
  const low = x.tmp(remU(al, base));
  x.setRegPart(EAX, 2, or(shl(divU(al, base), 8), low));
  x.flagsLogic(signExtend(low, 1));
};
const AAD: Semantics = (x) => {
  const ax = x.tmp(and(x.reg(EAX), 0xffff));
  const low = x.tmp(and(add(ax, mul(shrU(ax, 8), x.readZ(0))), 0xff));
  x.setRegPart(EAX, 2, low);
  x.flagsLogic(signExtend(low, 1));
};

export const MULDIV_ROWS: readonly Row[] = [
  op(0xf6, "mul", [Eb], MUL, { digit: 4, writes: false }),
  op(0xf7, "mul", [Ev], MUL, { digit: 4, writes: false }),
  op(0xf6, "imul", [Eb], IMUL1, { digit: 5, writes: false }),
  op(0xf7, "imul", [Ev], IMUL1, { digit: 5, writes: false }),
  op(0xf6, "div", [Eb], DIV, { digit: 6, writes: false }),
  op(0xf7, "div", [Ev], DIV, { digit: 6, writes: false }),
  op(0xf6, "idiv", [Eb], IDIV, { digit: 7, writes: false }),
  op(0xf7, "idiv", [Ev], IDIV, { digit: 7, writes: false }),
  op(0x0faf, "imul", [Gv, Ev], IMUL2, { hot: true, writes: false }),
  op(0x69, "imul", [Gv, Ev, Iz], IMUL3, { hot: true, writes: false }),
  op(0x6b, "imul", [Gv, Ev, Ibs], IMUL3, { hot: true, writes: false }),
  op(0x98, "cbw", [], CBW, { v: true, hot: true }),
  op(0x99, "cwd", [], CWD, { v: true, hot: true }),
  op(0xd4, "aam", [Ib], AAM),
  op(0xd5, "aad", [Ib], AAD),
];
