// SPDX-License-Identifier: BSD-3-Clause
/**
 * x87 arithmetic on normal operands with any control word and any distance of exponents: what quick.ts leaves, before the general
 * functions. The common cases among them, rounding to nearest at 64 or 53 bits with a result in range, write results and flags
 * where they belong, not through the hand-over area.
 * Whatever is not of this kind is left to the general functions, before anything has changed.
 *
 * Source: as round.ts and arith.ts, whose rules these functions follow.
 * @module
 */
import {
  add,
  and,
  call,
  eq,
  eqz,
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
  shrU,
  sub,
  wrap,
  xor,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as S from "../../state.ts";
import * as F from "./frame.ts";
import type { Soft } from "./soft.ts";
import { normalise, precisionMask, shiftRightJam } from "./round.ts";

/** RC and the mask of PE in the control word, and their value in the common case. */
const CONTROL_MASK = 0x0c00 | F.PE;
const CONTROL_PLAIN = F.PE;
const J = i64(F.INTEGER_BIT);
const MASK53 = 0x7ffn;
/** Difference of the exponent biases of the register format and of double. */
const REBIAS_DOUBLE = F.BIAS - 1023;

export interface FastFunctions {
  /** (p, aSe, aM, bSe, bM): physical register p = a op b for normal operands, flags included. p becomes valid. */
  readonly add: Func;
  /** a − b */
  readonly sub: Func;
  readonly mul: Func;
  readonly div: Func;
}

/** 1 when (se, m) is a normal number. */
export function isNormal(se: Expr, m: Expr): Expr {
  return and(ltU(sub(and(se, F.EXP_MASK), 1), F.EXP_MASK - 1), ltS(m, 0));
}

/** 1 when the bits are a normal double's. */
export function isNormalDouble(bits: Expr): Expr {
  return ltU(sub(and(wrap(shrU(bits, 52)), 0x7ff), 1), 0x7fe);
}
/** Sign and exponent, and significand, of a normal double in the register format. */
export function widenDouble(bits: Expr): [se: Expr, m: Expr] {
  const sign = and(wrap(shrU(bits, 48)), F.SIGN);
  return [or(sign, add(and(wrap(shrU(bits, 52)), 0x7ff), REBIAS_DOUBLE)), or(shl(bits, 11), J)];
}

export function buildFast(mod: ModuleBuilder, soft: Soft): FastFunctions {
  const { fr, r, a } = soft;
  const plain = (): Expr => eq(and(fr.fcw(), CONTROL_MASK), CONTROL_PLAIN);
  /** FSW after an operation: C1 tells that the magnitude was rounded up. */
  const setFlags = (f: Func, inexact: Expr, up: Expr): void =>
    fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~F.C1), or(shl(inexact, 5), shl(up, 9))));

  // (p, sign, exp, hi, lo): rounds a normalised value into register p.
  const roundInto = mod.func([I32, I32, I32, I64, I64], [], (f) => {
    const [p, sign, exp, hi, lo] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
    const up = f.local(I32);
    const inexact = f.local(I32);
    const pc = f.tmp(and(fr.fcw(), 0x300));
    f.if(and(plain(), and(ltU(sub(exp, 1), 0x7ffd), ne(pc, 0))), () => {
      const ulp = f.local(I64);
      f.set(ulp, i64(1n));
      f.if(ne(pc, 0x300), () => {
        f.set(lo, or(shl(hi, 53), extendU(ne(lo, 0))));
        f.set(hi, and(hi, i64(~MASK53)));
        f.set(ulp, i64(MASK53 + 1n));
      });
      f.set(inexact, ne(lo, 0));
      f.set(up, and(ltS(lo, 0), or(ne(shl(lo, 1), 0), ne(and(hi, ulp), 0))));
      f.set(hi, add(hi, select(up, ulp, i64(0n))));
      f.if(eqz(hi), () => {
        f.set(hi, J);
        f.set(exp, add(exp, 1));
      });
      setFlags(f, inexact, up);
      fr.setReg(f, p, or(sign, exp), hi);
      fr.markFull(f, p);
      f.ret();
    });
    fr.st32(f, F.EXC, i32(0));
    f.exec(r.roundPack, sign, exp, hi, lo, precisionMask(fr));
    f.if(call(soft.commit), () => {
      fr.setReg(f, p, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M));
      fr.markFull(f, p);
    });
  });

  const exponent = (se: Expr): Expr => and(se, F.EXP_MASK);

  const addition =
    (flip: number) =>
    (f: Func): void => {
      const [p, aSe, aM, bSe, bM] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
      const aE = f.local(I32);
      const bE = f.local(I32);
      const hi = f.local(I64);
      const lo = f.local(I64);
      const t32 = f.local(I32);
      const t64 = f.local(I64);
      if (flip !== 0) f.set(bSe, xor(bSe, flip));
      f.set(aE, exponent(aSe));
      f.set(bE, exponent(bSe));
      f.if(or(ltU(aE, bE), and(eq(aE, bE), ltU(aM, bM))), () => {
        for (const [x, y, t] of [
          [aE, bE, t32],
          [aSe, bSe, t32],
          [aM, bM, t64],
        ] as const) {
          f.set(t, x);
          f.set(x, y);
          f.set(y, t);
        }
      });
      f.set(hi, bM);
      f.set(lo, i64(0n));
      f.if(ne(aE, bE), () => shiftRightJam(f, hi, lo, f.tmp(sub(aE, bE))));
      f.if(
        and(xor(aSe, bSe), F.SIGN),
        () => {
          f.set(hi, sub(sub(aM, hi), extendU(ne(lo, 0))));
          f.set(lo, sub(i64(0n), lo));
          f.if(eqz(or(hi, lo)), () => {
            setFlags(f, i32(0), i32(0));
            fr.setReg(f, p, select(eq(fr.roundingControl(), F.RC_DOWN), i32(F.SIGN), i32(0)), i64(0n));
            fr.markFull(f, p);
            f.ret();
          });
          normalise(f, aE, hi, lo);
        },
        () => {
          f.set(hi, add(aM, hi));
          f.if(ltU(hi, aM), () => {
            f.set(lo, or(or(shl(hi, 63), shrU(lo, 1)), and(lo, 1)));
            f.set(hi, or(shrU(hi, 1), J));
            f.set(aE, add(aE, 1));
          });
        },
      );
      f.exec(roundInto, p, and(aSe, F.SIGN), aE, hi, lo);
    };
  const params = [I32, I32, I64, I32, I64] as const;
  const addNormal = mod.func(params, [], addition(0));
  const subNormal = mod.func(params, [], addition(F.SIGN));

  const mulNormal = mod.func(params, [], (f) => {
    const [p, aSe, aM, bSe, bM] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
    const LOW32 = i64(0xffff_ffffn);
    const ah = f.tmp(shrU(aM, 32));
    const al = f.tmp(and(aM, LOW32));
    const bh = f.tmp(shrU(bM, 32));
    const bl = f.tmp(and(bM, LOW32));
    const low = f.tmp(times(al, bl));
    const mid1 = f.tmp(add(times(ah, bl), shrU(low, 32)));
    const mid2 = f.tmp(add(times(al, bh), and(mid1, LOW32)));
    const lo = f.local(I64);
    const hi = f.local(I64);
    const exp = f.local(I32);
    f.set(lo, or(shl(mid2, 32), and(low, LOW32)));
    f.set(hi, add(add(times(ah, bh), shrU(mid1, 32)), shrU(mid2, 32)));
    f.set(exp, sub(add(exponent(aSe), exponent(bSe)), F.BIAS - 1));
    f.if(eqz(ltS(hi, 0)), () => {
      f.set(hi, or(shl(hi, 1), shrU(lo, 63)));
      f.set(lo, shl(lo, 1));
      f.set(exp, sub(exp, 1));
    });
    f.exec(roundInto, p, and(xor(aSe, bSe), F.SIGN), exp, hi, lo);
  });

  const divNormal = mod.func(params, [], (f) => {
    const [p, aSe, aM, bSe, bM] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
    const hi = f.local(I64);
    const lo = f.local(I64);
    const exp = f.local(I32);
    f.set(exp, add(sub(exponent(aSe), exponent(bSe)), F.BIAS - 1));
    f.set(hi, aM);
    f.set(lo, i64(0n));
    f.if(geU(aM, bM), () => {
      f.set(hi, shrU(aM, 1));
      f.set(lo, shl(aM, 63));
      f.set(exp, add(exp, 1));
    });
    f.set(hi, call(a.div128, hi, lo, bM));
    const rest = f.tmp(fr.ld64(F.EXTRA));
    const half = f.tmp(sub(bM, rest));
    const fraction = select(eq(rest, half), J, select(gtU(rest, half), i64(3n << 62n), i64(1n << 62n)));
    f.exec(roundInto, p, and(xor(aSe, bSe), F.SIGN), exp, hi, select(eqz(rest), i64(0n), fraction));
  });

  return {
    add: addNormal,
    sub: subNormal,
    mul: mulNormal,
    div: divNormal,
  };
}
