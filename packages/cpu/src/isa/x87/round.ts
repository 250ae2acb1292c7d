// SPDX-License-Identifier: BSD-3-Clause
/**
 * Rounding to the register format, and the operand preparation that all x87 arithmetic begins with.
 *
 * An unrounded value is sign (0 or 0x8000), biased exponent (may be ≤ 0 or ≥ 0x7fff), and a 128-bit significand hi:lo whose
 * bit 127 is the integer bit. Bits that were shifted out are jammed into lo's bit 0 ("sticky").
 *
 * Source: SDM vol. 1 §4.8.4 (rounding), §4.9.1 (exception conditions), §8.5 (x87 responses), table 4-7 (NaN results).
 * @module
 */
import {
  add,
  and,
  call,
  choose,
  clz,
  eq,
  eqz,
  extendU,
  geS,
  gtS,
  gtU,
  i32,
  i64,
  leS,
  ltS,
  ltU,
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
import * as F from "./frame.ts";
import type { Frame } from "./frame.ts";

const HALF = i64(F.INTEGER_BIT);

/** Significand bits below the last one kept, by precision control: bits 8–9 of the control word (single, –, double, extended). */
export function precisionMask(fr: Frame): Expr {
  const pc = and(shrU(fr.fcw(), 8), 3);
  return select(eqz(pc), i64(0xff_ffff_ffffn), select(eq(pc, 2), i64(0x7ffn), i64(0n)));
}

/** Shifts the pair of locals hi:lo right by `n` ≥ 1, jamming what falls out. */
export function shiftRightJam(f: Func, hi: Expr, lo: Expr, n: Expr): void {
  const n64 = extendU(n);
  f.if(
    ltS(n, 64),
    () => {
      f.set(
        lo,
        or(or(shl(hi, sub(i64(64), n64)), shrU(lo, n64)), extendU(ne(shl(lo, sub(i64(64), n64)), 0))),
      );
      f.set(hi, shrU(hi, n64));
    },
    () => {
      f.if(
        ltS(n, 128),
        () => {
          // For n = 64 the shifts by 64 − 0 wrap to 0 and the whole of hi would count as lost.
          const lost = choose(eq(n, 64), i64(0n), shl(hi, sub(i64(128), n64)));
          f.set(lo, or(shrU(hi, sub(n64, 64)), extendU(ne(or(lost, lo), 0))));
          f.set(hi, i64(0n));
        },
        () => {
          f.set(lo, extendU(ne(or(hi, lo), 0)));
          f.set(hi, i64(0n));
        },
      );
    },
  );
}

/** Shifts hi:lo left until bit 127 is set and lowers `exp` to match; hi:lo must not be 0. */
export function normalise(f: Func, exp: Expr, hi: Expr, lo: Expr): void {
  f.if(eqz(hi), () => {
    f.set(hi, lo);
    f.set(lo, i64(0n));
    f.set(exp, sub(exp, 64));
  });
  const n = f.tmp(clz(hi));
  f.if(ne(n, 0), () => {
    f.set(hi, or(shl(hi, n), shrU(lo, sub(i64(64), n))));
    f.set(lo, shl(lo, n));
    f.set(exp, sub(exp, wrap(n)));
  });
}

export interface RoundFunctions {
  /** (rc, sign, odd, fraction) → 1 when the magnitude goes up. */
  readonly increments: Func;
  /** (sign, exp, hi, lo, mask): rounds, range-checks and stores RESULT; hi's bit 63 is set. */
  readonly roundPack: Func;
  /** (aSe, aM, bSe, bM) → 1 when RESULT holds a NaN already; else A_*, B_* are filled and denormals flagged. */
  readonly prepare: Func;
  /** (se, m) → class of an operand: 0 ordinary, else one of CLASS_*. */
  readonly classify: Func;
  /** (aSe, aM, bSe, bM): stores the NaN that the pair gives; raises IE for a signalling one. */
  readonly propagate: Func;
}

export const CLASS_NORMAL = 0;
export const CLASS_ZERO = 1;
export const CLASS_DENORMAL = 2;
export const CLASS_INFINITY = 3;
export const CLASS_QNAN = 4;
export const CLASS_SNAN = 5;
/** Encodings the processor no longer generates or accepts: unnormals, pseudo-infinities, pseudo-NaNs. */
export const CLASS_UNSUPPORTED = 6;

export function buildRound(mod: ModuleBuilder, fr: Frame): RoundFunctions {
  const increments = mod.func([I32, I32, I32, I64], [I32], (f) => {
    const [rc, sign, odd, fraction] = [f.param(0), f.param(1), f.param(2), f.param(3)];
    f.if(eqz(fraction), () => f.ret(i32(0)));
    f.if(eqz(rc), () => f.ret(choose(eq(fraction, HALF), odd, gtU(fraction, HALF))));
    f.if(eq(rc, F.RC_ZERO), () => f.ret(i32(0)));
    // RC_DOWN goes away from zero for negative values, RC_UP for positive ones.
    f.ret(eq(eq(rc, F.RC_DOWN), ne(sign, 0)));
  });

  const roundPack = mod.func([I32, I32, I64, I64, I64], [], (f) => {
    const [sign, exp, hi, lo, mask] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
    const head = f.local(I64);
    const fraction = f.local(I64);
    const ulp = f.local(I64);
    const up = f.local(I32);
    const tiny = f.local(I32);
    f.set(ulp, add(mask, 1));
    const split = (): void => {
      f.set(head, and(hi, xor(mask, -1)));
      f.if(
        eqz(mask),
        () => f.set(fraction, lo),
        () => f.set(fraction, or(shl(and(hi, mask), clz(mask)), extendU(ne(lo, 0)))),
      );
      f.set(up, call(increments, fr.roundingControl(), sign, ne(and(head, ulp), 0), fraction));
    };
    split();
    f.if(leS(exp, 0), () => {
      // Tiny is judged as if the exponent had no lower bound, after rounding.
      f.set(tiny, or(ltS(exp, 0), eqz(and(up, eqz(add(head, ulp))))));
      f.if(
        and(tiny, eqz(and(fr.fcw(), F.UE))),
        () => {
          fr.raise(f, F.UE);
          f.set(exp, add(exp, F.BIAS_ADJUST));
          // Only FSCALE gets so far down that the moved exponent is still too small.
          f.if(leS(exp, 0), () => {
            fr.raise(f, F.PE);
            fr.result(f, sign, i64(0n));
            f.ret();
          });
        },
        () => {
          shiftRightJam(f, hi, lo, f.tmp(sub(i32(1), exp)));
          split();
          f.if(ne(fraction, 0), () => fr.raise(f, or(i32(F.PE), select(tiny, i32(F.UE), i32(0)))));
          f.if(up, () => {
            fr.raise(f, F.C1);
            f.set(head, add(head, ulp));
          });
          fr.result(f, or(sign, wrap(shrU(head, 63))), head);
          f.ret();
        },
      );
    });
    f.if(ne(fraction, 0), () => fr.raise(f, F.PE));
    f.if(up, () => {
      fr.raise(f, F.C1);
      f.set(head, add(head, ulp));
      f.if(eqz(head), () => {
        f.set(head, HALF);
        f.set(exp, add(exp, 1));
      });
    });
    f.if(geS(exp, 0x7fff), () => {
      fr.raise(f, F.OE);
      f.if(
        and(fr.fcw(), F.OE),
        () => {
          fr.raise(f, F.PE);
          const rc = f.tmp(fr.roundingControl());
          const toInfinity = or(eqz(rc), and(ne(rc, F.RC_ZERO), eq(eq(rc, F.RC_DOWN), ne(sign, 0))));
          f.if(
            toInfinity,
            () => {
              fr.raise(f, F.C1);
              fr.result(f, or(sign, 0x7fff), HALF);
            },
            () => fr.result(f, or(sign, 0x7ffe), xor(mask, -1)),
          );
          f.ret();
        },
        () => {
          f.set(exp, sub(exp, F.BIAS_ADJUST));
          f.if(geS(exp, 0x7fff), () => {
            fr.raise(f, F.PE);
            fr.result(f, or(sign, 0x7fff), HALF);
            f.ret();
          });
        },
      );
    });
    fr.result(f, or(sign, exp), head);
  });

  const classify = mod.func([I32, I64], [I32], (f) => {
    const [se, m] = [f.param(0), f.param(1)];
    const e = f.local(I32);
    f.set(e, and(se, F.EXP_MASK));
    f.if(eqz(e), () => f.ret(select(eqz(m), i32(CLASS_ZERO), i32(CLASS_DENORMAL))));
    f.if(eqz(ltS(m, 0)), () => f.ret(i32(CLASS_UNSUPPORTED)));
    f.if(ne(e, F.EXP_MASK), () => f.ret(i32(CLASS_NORMAL)));
    f.if(eqz(shl(m, 1)), () => f.ret(i32(CLASS_INFINITY)));
    f.ret(select(ltS(shl(m, 1), 0), i32(CLASS_QNAN), i32(CLASS_SNAN)));
  });

  const propagate = mod.func([I32, I64, I32, I64], [], (f) => {
    const [aSe, aM, bSe, bM] = [f.param(0), f.param(1), f.param(2), f.param(3)];
    const ca = f.local(I32);
    const cb = f.local(I32);
    f.set(ca, call(classify, aSe, aM));
    f.set(cb, call(classify, bSe, bM));
    f.if(or(eq(ca, CLASS_UNSUPPORTED), eq(cb, CLASS_UNSUPPORTED)), () => {
      fr.raise(f, F.IE);
      fr.indefinite(f);
      f.ret();
    });
    f.if(or(eq(ca, CLASS_SNAN), eq(cb, CLASS_SNAN)), () => fr.raise(f, F.IE));
    const takeA = (): void => {
      fr.result(f, aSe, or(aM, i64(F.QUIET_BIT)));
      f.ret();
    };
    const takeB = (): void => {
      fr.result(f, bSe, or(bM, i64(F.QUIET_BIT)));
      f.ret();
    };
    f.if(ltU(cb, CLASS_QNAN), takeA);
    f.if(ltU(ca, CLASS_QNAN), takeB);
    // A quiet NaN wins over a signalling one; two of a kind: the larger significand, then the positive one.
    f.if(ltU(ca, cb), takeA);
    f.if(gtU(ca, cb), takeB);
    f.if(gtU(aM, bM), takeA);
    f.if(ltU(aM, bM), takeB);
    f.if(ltU(aSe, bSe), takeA);
    takeB();
  });

  /** Normalises one operand into (eOffset, mOffset). */
  const unpack = (f: Func, cls: Expr, se: Expr, m: Expr, eOffset: number, mOffset: number): void => {
    f.if(
      eq(cls, CLASS_DENORMAL),
      () => {
        fr.raise(f, F.DE);
        const n = f.tmp(clz(m));
        fr.st32(f, eOffset, sub(i32(1), wrap(n)));
        fr.st64(f, mOffset, shl(m, n));
      },
      () => {
        fr.st32(f, eOffset, and(se, F.EXP_MASK));
        fr.st64(f, mOffset, m);
      },
    );
  };

  const prepare = mod.func([I32, I64, I32, I64], [I32], (f) => {
    const [aSe, aM, bSe, bM] = [f.param(0), f.param(1), f.param(2), f.param(3)];
    const ca = f.local(I32);
    const cb = f.local(I32);
    f.set(ca, call(classify, aSe, aM));
    f.set(cb, call(classify, bSe, bM));
    f.if(or(gtS(ca, CLASS_INFINITY), gtS(cb, CLASS_INFINITY)), () => {
      f.exec(propagate, aSe, aM, bSe, bM);
      f.ret(i32(1));
    });
    unpack(f, ca, aSe, aM, F.A_E, F.A_M);
    unpack(f, cb, bSe, bM, F.B_E, F.B_M);
    f.ret(i32(0));
  });

  return { increments, roundPack, prepare, classify, propagate };
}
