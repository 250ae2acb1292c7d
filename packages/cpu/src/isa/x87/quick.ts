// SPDX-License-Identifier: BSD-3-Clause
/**
 * Arithmetic on normal numbers, written into the functions that need it: rounding to nearest at 64 bits, the precision exception
 * masked, registers not empty, a result in range. Whatever is not of this kind branches to a label before anything has changed.
 *
 * The time of x87 code goes here, so there are few branches, and none that depends on the numbers: which operand is larger, where the
 * product's leading bit stands, whether the signs agree, whether to round up are all computed.
 *
 * Source: SDM vol. 1 §4.8.4 (rounding), §8.1.3 (C1); the same rules as round.ts and kernels.ts.
 * @module
 */
import {
  add,
  and,
  clz,
  eq,
  eqz,
  extendS,
  extendU,
  geU,
  gtU,
  i32,
  i64,
  ltS,
  ltU,
  mul as times,
  ne,
  or,
  select,
  shl,
  shrS,
  shrU,
  sub,
  wrap,
  xor,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func, Label } from "../../wasm/func.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as S from "../../state.ts";
import * as F from "./frame.ts";
import type { Frame } from "./frame.ts";

const J = i64(F.INTEGER_BIT);
/** Rounding control, precision control and the mask of PE; and their quick values: to nearest, 64 bits, masked. */
export const CONTROL_ARITHMETIC = [0x0f20, 0x0320] as const;
/** The same without precision control, which stores do not obey. */
export const CONTROL_STORE = [0x0c20, 0x0020] as const;
const REBIAS_DOUBLE = F.BIAS - 1023;
const REBIAS_SINGLE = F.BIAS - 127;

/** An operand: sign in bit 15 of `sign` (other bits do not count), exponent, significand. */
export interface Quick {
  readonly sign: Expr;
  readonly exp: Expr;
  readonly m: Expr;
}

/** Leaves for `fail` unless the control word is as usual. */
export function needControl(f: Func, fr: Frame, control: readonly [number, number], fail: Label): void {
  f.brIf(fail, ne(and(fr.fcw(), control[0]), control[1]));
}

/** Register `p`, normal and not empty. */
export function quickRegister(f: Func, fr: Frame, p: Expr, fail: Label): Quick {
  f.brIf(fail, fr.isEmpty(p));
  const sign = f.tmp(fr.regSe(p));
  const m = f.tmp(fr.regM(p));
  const exp = f.tmp(and(sign, F.EXP_MASK));
  f.brIf(fail, geU(sub(exp, 1), F.EXP_MASK - 1));
  f.brIf(fail, eqz(ltS(m, 0)));
  return { sign, exp, m };
}
/** Register `p`, normal or zero and not empty. */
export function quickOrZero(f: Func, fr: Frame, p: Expr, fail: Label): Quick {
  f.brIf(fail, fr.isEmpty(p));
  const sign = f.tmp(fr.regSe(p));
  const m = f.tmp(fr.regM(p));
  const exp = f.tmp(and(sign, F.EXP_MASK));
  f.if(geU(sub(exp, 1), F.EXP_MASK - 1), () => f.brIf(fail, ne(or(extendU(exp), m), i64(0n))));
  f.brIf(fail, and(ne(exp, 0), eqz(ltS(m, 0))));
  return { sign, exp, m };
}
/** The double, normal or zero, whose bits these are. */
export function quickDoubleOrZero(f: Func, bits: Expr, fail: Label): Quick {
  return narrowOrZero(
    f,
    f.tmp(wrap(shrU(bits, 48))),
    and(wrap(shrU(bits, 52)), 0x7ff),
    0x7fe,
    REBIAS_DOUBLE,
    shl(bits, 11),
    fail,
  );
}
/** The single, normal or zero, whose bits are the low half of `bits`. */
export function quickSingleOrZero(f: Func, bits: Expr, fail: Label): Quick {
  const low = f.tmp(wrap(bits));
  return narrowOrZero(
    f,
    f.tmp(shrU(low, 16)),
    and(shrU(low, 23), 0xff),
    0xfe,
    REBIAS_SINGLE,
    shl(bits, 40),
    fail,
  );
}
function narrowOrZero(
  f: Func,
  sign: Expr,
  field: Expr,
  most: number,
  rebias: number,
  fraction: Expr,
  fail: Label,
): Quick {
  const e = f.tmp(field);
  const m = f.local(I64);
  f.set(m, or(fraction, J));
  f.if(geU(sub(e, 1), most), () => {
    f.brIf(fail, or(e, ne(m, J)));
    f.set(m, i64(0n));
  });
  return { sign, exp: f.tmp(select(e, add(e, rebias), i32(0))), m };
}

/** The normal double whose bits these are. */
export function quickDouble(f: Func, bits: Expr, fail: Label): Quick {
  const field = f.tmp(and(wrap(shrU(bits, 52)), 0x7ff));
  f.brIf(fail, geU(sub(field, 1), 0x7fe));
  return {
    sign: f.tmp(wrap(shrU(bits, 48))),
    exp: f.tmp(add(field, REBIAS_DOUBLE)),
    m: f.tmp(or(shl(bits, 11), J)),
  };
}
/** The normal single whose bits are the low half of `bits`. */
export function quickSingle(f: Func, bits: Expr, fail: Label): Quick {
  const low = f.tmp(wrap(bits));
  const field = f.tmp(and(shrU(low, 23), 0xff));
  f.brIf(fail, geU(sub(field, 1), 0xfe));
  return {
    sign: f.tmp(shrU(low, 16)),
    exp: f.tmp(add(field, REBIAS_SINGLE)),
    m: f.tmp(or(shl(bits, 40), J)),
  };
}

/** The integer, which is not 0. */
export function quickInteger(f: Func, value: Expr, fail: Label): Quick {
  f.brIf(fail, eqz(value));
  const sign = f.tmp(wrap(shrU(value, 63)));
  const negative = f.tmp(shrS(value, 63));
  const magnitude = f.tmp(sub(xor(value, negative), negative));
  const n = f.tmp(clz(magnitude));
  return {
    sign: f.tmp(shl(sign, 15)),
    exp: f.tmp(sub(i32(F.BIAS + 63), wrap(n))),
    m: f.tmp(shl(magnitude, n)),
  };
}

/** Rounds hi:lo, bit 63 of hi set, into register `p`, which is not empty. `hi`, `lo` and `exp` are locals and change. */
function roundInto(
  f: Func,
  fr: Frame,
  p: Expr,
  sign: Expr,
  exp: Expr,
  hi: Expr,
  lo: Expr,
  fail: Label,
): void {
  // More than half, or half and odd, carries.
  const half = add(lo, add(and(hi, i64(1n)), i64((1n << 63n) - 1n)));
  const up = f.tmp(ltU(half, lo));
  f.set(hi, add(hi, extendU(up)));
  f.if(eqz(hi), () => {
    f.set(hi, J);
    f.set(exp, add(exp, 1));
  });
  f.brIf(fail, geU(sub(exp, 1), F.EXP_MASK - 1));
  const flags = or(shl(ne(lo, i64(0n)), 5), shl(up, 9));
  fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~F.C1), flags));
  fr.setReg(f, p, or(and(sign, F.SIGN), exp), hi);
}

function quickAdd(f: Func, fr: Frame, p: Expr, a: Quick, b: Quick, flip: number, fail: Label): void {
  const distance = f.tmp(sub(a.exp, b.exp));
  const isLess = f.tmp(ltS(distance, 0));
  const d = f.tmp(select(isLess, sub(i32(0), distance), distance));
  f.brIf(fail, gtU(d, 63));
  const bSign = flip === 0 ? b.sign : f.tmp(xor(b.sign, F.SIGN));
  const sign = f.local(I32);
  const exp = f.local(I32);
  f.set(sign, select(isLess, bSign, a.sign));
  f.set(exp, add(select(isLess, b.exp, a.exp), 1));
  const large = f.tmp(select(isLess, b.m, a.m));
  const small = f.tmp(select(isLess, a.m, b.m));
  // Both a bit further right, so that the sum has room: no bit is lost in 128.
  const d64 = f.tmp(extendU(d));
  const hiB = f.tmp(shrU(shrU(small, 1), d64));
  const loB = f.tmp(shl(small, sub(i64(63n), d64)));
  // −1 when the signs differ: then the small one is negated.
  const minus = f.tmp(extendS(shrS(shl(xor(a.sign, bSign), 16), 31)));
  const loN = f.tmp(sub(xor(loB, minus), minus));
  const hiN = add(xor(hiB, minus), and(extendU(eqz(loB)), shrU(minus, 63)));
  const loA = f.tmp(shl(large, 63));
  const lo = f.local(I64);
  const hi = f.local(I64);
  f.set(lo, add(loA, loN));
  f.set(hi, add(add(shrU(large, 1), hiN), extendU(ltU(lo, loA))));
  // Equal exponents, and the other one was larger.
  f.if(ltS(and(hi, minus), i64(0n)), () => {
    f.set(lo, sub(i64(0n), lo));
    f.set(hi, add(xor(hi, i64(-1n)), extendU(eqz(lo))));
    f.set(sign, xor(sign, F.SIGN));
  });
  f.brIf(fail, eqz(hi));
  const n = f.tmp(clz(hi));
  f.set(hi, or(shl(hi, n), shrU(shrU(lo, 1), sub(i64(63n), n))));
  f.set(lo, shl(lo, n));
  f.set(exp, sub(exp, wrap(n)));
  roundInto(f, fr, p, sign, exp, hi, lo, fail);
}

function quickMul(f: Func, fr: Frame, p: Expr, a: Quick, b: Quick, fail: Label): void {
  const LOW32 = i64(0xffff_ffffn);
  const ah = f.tmp(shrU(a.m, 32));
  const al = f.tmp(and(a.m, LOW32));
  const bh = f.tmp(shrU(b.m, 32));
  const bl = f.tmp(and(b.m, LOW32));
  const low = f.tmp(times(al, bl));
  const mid1 = f.tmp(add(times(ah, bl), shrU(low, 32)));
  const mid2 = f.tmp(add(times(al, bh), and(mid1, LOW32)));
  const hi = f.local(I64);
  const lo = f.local(I64);
  const exp = f.local(I32);
  f.set(lo, or(shl(mid2, 32), and(low, LOW32)));
  f.set(hi, add(add(times(ah, bh), shrU(mid1, 32)), shrU(mid2, 32)));
  // The leading bit is bit 127 or 126.
  const n = f.tmp(xor(shrU(hi, 63), i64(1n)));
  f.set(hi, or(shl(hi, n), and(shrU(lo, 63), n)));
  f.set(lo, shl(lo, n));
  f.set(exp, sub(sub(add(a.exp, b.exp), F.BIAS - 1), wrap(n)));
  roundInto(f, fr, p, xor(a.sign, b.sign), exp, hi, lo, fail);
}

/** `operation` of a and b, or of b and a for the reversed ones, into register `p`. The caller returns. */
export function quickArithmetic(
  f: Func,
  fr: Frame,
  operation: "add" | "sub" | "mul",
  p: Expr,
  a: Quick,
  b: Quick,
  fail: Label,
): void {
  if (operation === "mul") quickMul(f, fr, p, a, b, fail);
  else quickAdd(f, fr, p, a, b, operation === "sub" ? F.SIGN : 0, fail);
}

/** The same where an operand is zero, but not both of a sum: then the result is zero or the other operand, and exact. */
export function quickWithZero(
  f: Func,
  fr: Frame,
  operation: "add" | "sub" | "mul",
  p: Expr,
  a: Quick,
  b: Quick,
  fail: Label,
): void {
  const isZeroA = f.tmp(eqz(a.m));
  const isZeroB = f.tmp(eqz(b.m));
  if (operation === "mul") {
    f.brIf(fail, eqz(or(isZeroA, isZeroB)));
    fr.setReg(f, p, and(xor(a.sign, b.sign), F.SIGN), i64(0n));
  } else {
    f.brIf(fail, eqz(xor(isZeroA, isZeroB)));
    const bSign = operation === "sub" ? xor(b.sign, F.SIGN) : b.sign;
    const sign = and(select(isZeroA, bSign, a.sign), F.SIGN);
    fr.setReg(f, p, or(sign, select(isZeroA, b.exp, a.exp)), select(isZeroA, b.m, a.m));
  }
  fr.clearC1(f);
}

/** C0 when a < b, C3 when they are equal, for numbers that are normal or zero. */
export function quickCompare(f: Func, a: Quick, b: Quick): Expr {
  const sameExp = f.tmp(eq(a.exp, b.exp));
  const smaller = f.tmp(or(ltU(a.exp, b.exp), and(sameExp, ltU(a.m, b.m))));
  const equal = f.tmp(and(sameExp, eq(a.m, b.m)));
  const negative = f.tmp(and(shrU(a.sign, 15), 1));
  const differ = f.tmp(and(shrU(xor(a.sign, b.sign), 15), 1));
  const zeros = f.tmp(eqz(or(a.m, b.m)));
  const less = select(differ, negative, and(xor(smaller, negative), xor(equal, 1)));
  const isEqual = or(and(equal, xor(differ, 1)), zeros);
  return f.tmp(or(shl(and(less, xor(zeros, 1)), 8), shl(isEqual, 14)));
}

/** What quickNarrow() and quickToInteger() cannot give: a signalling NaN, or too large. */
export const NOT_QUICK = 0x7ff0_0000_0000_0001n;

/** Register `p`, normal and not empty, rounded to a double or single; sets the flags. Returns the bits in a temporary. */
export function quickNarrow(f: Func, fr: Frame, p: Expr, precision: 24 | 53, fail: Label): Expr {
  const { sign, exp, m } = quickRegister(f, fr, p, fail);
  const top = precision === 24 ? 0xff : 0x7ff;
  const e = f.tmp(sub(exp, precision === 24 ? REBIAS_SINGLE : REBIAS_DOUBLE));
  // The largest exponent is left out: rounding might overflow.
  f.brIf(fail, geU(sub(e, 1), top - 2));
  const lo = f.tmp(shl(m, precision));
  const kept = f.tmp(shrU(m, 64 - precision));
  const half = add(lo, add(and(kept, i64(1n)), i64((1n << 63n) - 1n)));
  const up = f.tmp(ltU(half, lo));
  fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~F.C1), or(shl(ne(lo, i64(0n)), 5), shl(up, 9))));
  // The hidden bit adds one to the exponent field, a carry another one.
  const field = shl(extendU(sub(e, 1)), precision - 1);
  const signBit = shl(extendU(and(sign, F.SIGN)), precision === 24 ? 16 : 48);
  return f.tmp(or(add(add(field, kept), extendU(up)), signBit));
}

/**
 * Register `p` as an integer of `bits` (16, 32 or 64), in a temporary: of numbers with magnitude from 1 up to a quarter of the range,
 * rounded to nearest or, where `truncate` or the control word says so, towards zero. Sets the flags.
 */
export function quickToInteger(f: Func, fr: Frame, p: Expr, bits: Expr, truncate: Expr, fail: Label): Expr {
  const { sign, exp, m } = quickRegister(f, fr, p, fail);
  const power = f.tmp(sub(exp, F.BIAS));
  f.brIf(fail, geU(power, sub(bits, 2)));
  const control = f.tmp(or(and(fr.fcw(), 0x0c20), select(truncate, i32(0x0c00), i32(0))));
  const toZero = f.tmp(eq(control, 0x0c20));
  f.brIf(fail, eqz(or(toZero, eq(control, 0x20))));
  const kept = f.tmp(shrU(m, extendU(sub(i32(63), power))));
  const lo = f.tmp(shl(m, extendU(add(power, 1))));
  const half = add(lo, add(and(kept, i64(1n)), i64((1n << 63n) - 1n)));
  const up = f.tmp(and(ltU(half, lo), eqz(toZero)));
  fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~F.C1), or(shl(ne(lo, i64(0n)), 5), shl(up, 9))));
  const magnitude = add(kept, extendU(up));
  const minus = f.tmp(extendS(shrS(shl(sign, 16), 31)));
  return f.tmp(sub(xor(magnitude, minus), minus));
}

/** The bits of register `p`, a zero and not empty, as a double or single, in a temporary. */
export function quickZero(f: Func, fr: Frame, p: Expr, precision: 24 | 53, fail: Label): Expr {
  f.brIf(fail, fr.isEmpty(p));
  const se = f.tmp(fr.regSe(p));
  f.brIf(fail, ne(or(extendU(and(se, F.EXP_MASK)), fr.regM(p)), i64(0n)));
  fr.clearC1(f);
  return f.tmp(shl(extendU(se), precision === 24 ? 16 : 48));
}

/** Pushes a normal number or zero; leaves for `fail` when the place is not free. */
export function quickPush(f: Func, fr: Frame, value: Quick, fail: Label): void {
  const p = f.tmp(fr.physical(7));
  const tags = f.tmp(fr.ld32(S.FTW));
  const bit = f.tmp(shl(i32(1), p));
  f.brIf(fail, and(tags, bit));
  fr.st32(f, S.FTW, or(tags, bit));
  fr.st32(f, S.FTOP, p);
  fr.setReg(f, p, or(and(value.sign, F.SIGN), value.exp), value.m);
  fr.clearC1(f);
}
/** Pops ST(0) where `condition` holds. */
export function quickPop(f: Func, fr: Frame, condition: Expr): void {
  const top = f.tmp(fr.ld32(S.FTOP));
  f.if(condition, () => {
    fr.st32(f, S.FTW, and(fr.ld32(S.FTW), xor(shl(i32(1), top), -1)));
    fr.st32(f, S.FTOP, and(add(top, 1), 7));
  });
}

/** Runs `body`; its label leads behind it, to what must be done the general way. */
export function quickly(f: Func, body: (fail: Label) => void): void {
  f.block((fail) => {
    body(fail);
    f.ret();
  });
}
