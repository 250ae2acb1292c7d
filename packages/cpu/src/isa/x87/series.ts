// SPDX-License-Identifier: BSD-3-Clause
/**
 * Building blocks of the transcendental functions: series in fixed point, numbers in locals, rounding.
 *
 * Fixed point: Q64 is a fraction below 1 as an unsigned 64-bit integer; Q63 reaches up to 2.
 * @module
 */
import {
  add,
  and,
  call,
  eq,
  eqz,
  extendU,
  gtS,
  i32,
  i64,
  ne,
  or,
  select,
  shrU,
  sub,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import { EXACT_ZERO, UNROUNDED } from "./kernels.ts";
import * as F from "./frame.ts";
import type { Soft } from "./soft.ts";
import { normalise } from "./round.ts";

/** π to 128 bits; its exponent is 1. */
export const PI_HI = 0xc90f_daa2_2168_c234n;
export const PI_LO = 0xc4c6_628b_80dc_1cd1n;
/** 2⁶³ · numerator / denominator, rounded. */
function q63(numerator: bigint, denominator: bigint): bigint {
  return ((numerator << 64n) / denominator + 1n) >> 1n;
}
function factorial(n: number): bigint {
  let product = 1n;
  for (let i = 2; i <= n; i++) product *= BigInt(i);
  return product;
}
/** Coefficients of (eᵗ − 1)/t, sin r / r, cos r, atanh s / s and atan t / t, in powers of t, r², r², s², t². */
const EXP_SERIES = Array.from({ length: 21 }, (_, k) => q63(1n, factorial(k + 1)));
const SIN_SERIES = Array.from({ length: 11 }, (_, k) => q63(1n, factorial(2 * k + 1)));
const COS_SERIES = Array.from({ length: 12 }, (_, k) => q63(1n, factorial(2 * k)));
const ODD_SERIES = Array.from({ length: 14 }, (_, k) => q63(1n, BigInt(2 * k + 1)));

/** A value in locals: sign (0 or 0x8000), biased exponent, normalised significand (0 for zero). */
export interface Num {
  readonly s: Expr;
  readonly e: Expr;
  readonly m: Expr;
}

/** Everything the function groups share. */
export interface Series {
  /** (z) of Q64 → Q63: (eᵗ − 1)/t for positive and for negative t = ±z; sin r / r and cos r for z = r²; atanh s / s and atan t / t. */
  readonly expUp: Func;
  readonly expDown: Func;
  readonly sin: Func;
  readonly cos: Func;
  readonly atanh: Func;
  readonly atan: Func;
  /** n = kernel(x, y), rounded to nearest whatever the control word says. Exponents must be in range. */
  apply(f: Func, n: Num, kernel: Func, x: Num, y: Num): void;
  /** RESULT = the value (sign, exponent, hi:lo), which is never exact; normalises first. */
  deliver(f: Func, s: Expr, e: Expr, hi: Expr, lo: Expr): void;
  /** RESULT = what a kernel left; its exponent is too high by `scaled`. */
  deliverKernel(f: Func, left: Expr, scaled?: Expr): void;
}

/** Q64 of a value below 1. */
export function fixed(m: Expr, e: Expr): Expr {
  const n = sub(i32(F.BIAS - 1), e);
  return select(gtS(n, 63), i64(0n), shrU(m, extendU(n)));
}
/** Locals for a number. */
export function num(f: Func): Num {
  return { s: f.local(I32), e: f.local(I32), m: f.local(I64) };
}
export function setNum(f: Func, n: Num, s: Expr, e: Expr, m: Expr): void {
  f.set(n.s, s);
  f.set(n.e, e);
  f.set(n.m, m);
}
/** Sign and exponent as one word. */
export function se(n: Num): Expr {
  return or(n.s, select(eqz(n.m), i32(0), n.e));
}
export function buildSeries(mod: ModuleBuilder, soft: Soft): Series {
  const { fr, r, a } = soft;
  const mul = a.mul128;
  /** Series in Q63 at Q64 argument z: Horner, subtracting (alternating series) or adding. */
  const series = (coefficients: readonly bigint[], combine: (x: Expr, y: Expr) => Expr): Func =>
    mod.func([I64], [I64], (f) => {
      const p = f.local(I64);
      f.set(p, i64(coefficients[coefficients.length - 1]!));
      for (let k = coefficients.length - 2; k >= 0; k--)
        f.set(p, combine(i64(coefficients[k]!), call(mul, f.param(0), p)));
      f.ret(p);
    });
  const expUp = series(EXP_SERIES, add);
  const expDown = series(EXP_SERIES, sub);
  const sin = series(SIN_SERIES, sub);
  const cos = series(COS_SERIES, sub);
  const atanh = series(ODD_SERIES.slice(0, 14), add);
  const atan = series(ODD_SERIES.slice(0, 10), sub);

  /** (left): rounds what a kernel left to nearest, whatever the control word says, into RESULT. Exponents must be in range. */
  const nearest = mod.func([I32], [], (f) => {
    const left = f.param(0);
    const m = f.local(I64);
    const e = f.local(I32);
    f.if(eq(left, EXACT_ZERO), () => {
      fr.result(f, i32(0), i64(0n));
      f.ret();
    });
    f.if(ne(left, UNROUNDED), () => f.ret());
    f.set(e, fr.ld32(F.A_E));
    f.set(m, add(fr.ld64(F.RESULT_M), shrU(fr.ld64(F.EXTRA), 63)));
    f.if(eqz(m), () => {
      f.set(m, i64(F.INTEGER_BIT));
      f.set(e, add(e, 1));
    });
    fr.result(f, or(fr.ld32(F.RESULT_SE), e), m);
  });
  /** n = kernel(x, y), rounded to nearest. */
  const apply = (f: Func, n: Num, kernel: Func, x: Num, y: Num): void => {
    f.exec(nearest, call(kernel, se(x), x.m, se(y), y.m));
    setNum(
      f,
      n,
      and(fr.ld32(F.RESULT_SE), F.SIGN),
      and(fr.ld32(F.RESULT_SE), F.EXP_MASK),
      fr.ld64(F.RESULT_M),
    );
  };
  /** Rounds (s, e, hi:lo) as the control word says; the value is never exact. Normalises first. */
  const deliver = (f: Func, s: Expr, e: Expr, hi: Expr, lo: Expr): void => {
    const [le, lh, ll] = [f.temp(I32), f.temp(I64), f.temp(I64)];
    f.set(le, e);
    f.set(lh, hi);
    f.set(ll, lo);
    normalise(f, le, lh, ll);
    f.exec(r.roundPack, s, le, lh, or(ll, i64(1n)), i64(0n));
  };
  /** Like deliver() for what a kernel left; the exponent is too high by `scaled`. */
  const deliverKernel = (f: Func, left: Expr, scaled: Expr = i32(0)): void => {
    const how = f.tmp(left);
    f.if(eq(how, UNROUNDED), () =>
      f.exec(
        r.roundPack,
        fr.ld32(F.RESULT_SE),
        sub(fr.ld32(F.A_E), scaled),
        fr.ld64(F.RESULT_M),
        or(fr.ld64(F.EXTRA), i64(1n)),
        i64(0n),
      ),
    );
    f.if(eq(how, EXACT_ZERO), () => fr.result(f, i32(0), i64(0n)));
  };
  return { expUp, expDown, sin, cos, atanh, atan, apply, deliver, deliverKernel };
}
