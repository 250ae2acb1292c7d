// SPDX-License-Identifier: BSD-3-Clause
/**
 * FSIN, FCOS, FSINCOS, FPTAN, FPATAN, F2XM1, FYL2X, FYL2XP1.
 *
 * Arguments are reduced exactly, series are summed in 64-bit fixed point, and results are rounded once; the error is below two
 * units in the last place of the 64-bit significand. Reduction by π/2 uses the 66-bit π that the manual documents, so large
 * arguments come out as on the processors rather than as in a table.
 *
 * Fixed point: Q64 is a fraction below 1 as an unsigned 64-bit integer; Q63 reaches up to 2.
 *
 * Source: SDM vol. 1 §8.3.8 (π), §8.3.10 (accuracy); vol. 2A tables of special operands at each instruction.
 * @module
 */
import {
  add,
  and,
  call,
  div,
  eq,
  eqz,
  extendS,
  extendU,
  f64,
  f64FromI64Bits,
  f64FromI64U,
  geS,
  geU,
  gtS,
  gtU,
  i32,
  i32SatF64S,
  i64,
  ltS,
  ltU,
  mul as times,
  ne,
  nearest as roundEven,
  or,
  select,
  shl,
  shrU,
  sub,
  wrap,
  xor,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as S from "../../state.ts";
import { EXACT_ZERO, UNROUNDED } from "./arith.ts";
import * as F from "./frame.ts";
import type { Soft } from "./instructions.ts";
import { CLASS_INFINITY, CLASS_ZERO, normalise } from "./round.ts";

/** π to 128 bits (exponent 1), and the part below 64 bits of the 66-bit π of argument reduction. */
const PI_HI = 0xc90f_daa2_2168_c234n;
const PI_LO = 0xc4c6_628b_80dc_1cd1n;
const REDUCTION_LO = 0xc000_0000_0000_0000n;
const THREE_QUARTERS_HI = 0x96cb_e3f9_990e_91a7n;
const THREE_QUARTERS_LO = 0x9394_c9e8_a0a5_159cn;
/** ln 2 as Q64, and the significand of 2 / ln 2 (exponent 1). */
const LN2 = 0xb172_17f7_d1cf_79acn;
const TWO_OVER_LN2 = 0xb8aa_3b29_5c17_f0bcn;
/** √2 as Q63. */
const SQRT2 = 0xb504_f333_f9de_6484n;
/** atan(i / 8), i = 1…8: exponent and significand. */
const ATAN: readonly (readonly [number, bigint])[] = [
  [-4, 0xfead_d4d5_617b_6e33n],
  [-3, 0xfadb_afc9_6406_eb15n],
  [-2, 0xb7b0_ca0f_26f7_8474n],
  [-2, 0xed63_382b_0dda_7b45n],
  [-1, 0x8f00_5d5e_f7f5_9f9bn],
  [-1, 0xa4bc_7d19_34f7_0924n],
  [-1, 0xb805_3e2b_c231_9e74n],
  [-1, 0xc90f_daa2_2168_c235n],
];

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
interface Num {
  readonly s: Expr;
  readonly e: Expr;
  readonly m: Expr;
}

export function buildTranscendental(mod: ModuleBuilder, soft: Soft): Record<string, Callee> {
  const { fr, r, a, c, commit, underflow, pop } = soft;
  const out: Record<string, Callee> = {};
  const mul = a.mul128;

  // -------------------------------------------------------------- building blocks

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
  const sinSeries = series(SIN_SERIES, sub);
  const cosSeries = series(COS_SERIES, sub);
  const atanhSeries = series(ODD_SERIES.slice(0, 14), add);
  const atanSeries = series(ODD_SERIES.slice(0, 10), sub);

  /** Q64 of a value below 1. */
  const fixed = (m: Expr, e: Expr): Expr => {
    const n = sub(i32(F.BIAS - 1), e);
    return select(gtS(n, 63), i64(0n), shrU(m, extendU(n)));
  };
  const num = (f: Func): Num => ({ s: f.local(I32), e: f.local(I32), m: f.local(I64) });
  const setNum = (f: Func, n: Num, s: Expr, e: Expr, m: Expr): void => {
    f.set(n.s, s);
    f.set(n.e, e);
    f.set(n.m, m);
  };
  const se = (n: Num): Expr => or(n.s, select(eqz(n.m), i32(0), n.e));
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

  // ---------------------------------------------------------------- trigonometry

  // Where sinCos leaves its results: sine and cosine of the reduced angle as unrounded pairs, and the sign of that angle.
  const SIN_HI = F.RESULT2_M;
  const SIN_LO = F.WORK;
  const SIN_E = F.RESULT2_SE;
  const COS_HI = F.WORK + 0x10;
  const COS_LO = F.B_M;
  const COS_E = F.B_E;
  const REDUCED_SIGN = F.WORK + 8;

  /** (e, m) of |x| < 2⁶³, not 0 → quadrant; fills the places above. */
  const sinCos = mod.func([I32, I64], [I32], (f) => {
    const [e, m] = [f.param(0), f.param(1)];
    const hi = f.local(I64);
    const lo = f.local(I64);
    const n = f.local(I32);
    const q = f.local(I32);
    const carry = f.local(I64);
    const exp = f.local(I32);
    const dHi = i64(PI_HI);
    const dLo = i64(REDUCTION_LO);
    const reaches = (): Expr => or(gtU(hi, dHi), and(eq(hi, dHi), geU(lo, dLo)));
    const takeAway = (): void => {
      f.set(hi, sub(sub(hi, dHi), extendU(ltU(lo, dLo))));
      f.set(lo, sub(lo, dLo));
    };
    fr.st32(f, REDUCED_SIGN, i32(0));
    f.set(q, i32(0));
    f.set(hi, m);
    f.set(lo, i64(0n));
    f.set(exp, e);
    // hi:lo modulo π/2, whose exponent is that of 1.
    f.if(geS(e, F.BIAS), () => {
      f.set(n, sub(e, F.BIAS));
      f.set(exp, i32(F.BIAS));
      f.if(reaches(), () => {
        takeAway();
        f.set(q, i32(1));
      });
      f.block((done) => {
        f.loop((again) => {
          f.brIf(done, eqz(n));
          f.set(n, sub(n, 1));
          f.set(carry, shrU(hi, 63));
          f.set(hi, or(shl(hi, 1), shrU(lo, 63)));
          f.set(lo, shl(lo, 1));
          f.set(q, shl(q, 1));
          f.if(or(wrap(carry), reaches()), () => {
            takeAway();
            f.set(q, or(q, 1));
          });
          f.br(again);
        });
      });
    });
    // Above π/4 the angle is measured back from π/2. For exponents below that of 1/2 it cannot be.
    f.if(or(and(eq(exp, F.BIAS), gtU(hi, shrU(dHi, 1))), and(eq(exp, F.BIAS - 1), gtU(hi, dHi))), () => {
      f.if(eq(exp, F.BIAS - 1), () => {
        f.set(lo, shl(hi, 63));
        f.set(hi, shrU(hi, 1));
        f.set(exp, i32(F.BIAS));
      });
      f.set(hi, sub(sub(dHi, hi), extendU(ltU(dLo, lo))));
      f.set(lo, sub(dLo, lo));
      f.set(q, add(q, 1));
      fr.st32(f, REDUCED_SIGN, i32(1));
    });
    f.if(eqz(or(hi, lo)), () => {
      fr.st64(f, SIN_HI, i64(0n));
      fr.st64(f, COS_HI, i64(F.INTEGER_BIT));
      fr.st64(f, COS_LO, i64(0n));
      fr.st32(f, COS_E, i32(F.BIAS));
      f.ret(q);
    });
    normalise(f, exp, hi, lo);
    const angle = f.tmp(fixed(hi, exp));
    const z = f.tmp(call(mul, angle, angle));
    const sine = f.tmp(call(sinSeries, z));
    const top = f.tmp(call(mul, hi, sine));
    fr.st64(f, SIN_LO, fr.ld64(F.EXTRA));
    fr.st64(f, SIN_HI, top);
    fr.st32(f, SIN_E, add(exp, 1));
    fr.st64(f, COS_HI, call(cosSeries, z));
    fr.st64(f, COS_LO, i64(0n));
    fr.st32(f, COS_E, i32(F.BIAS));
    f.ret(q);
  });

  /** (sign of x, quadrant, cosine?) → RESULT: sine or cosine of x. */
  const pick = mod.func([I32, I32, I32], [], (f) => {
    const [sign, q, cosine] = [f.param(0), f.param(1), f.param(2)];
    const s = f.local(I32);
    // cos x = sin(x + π/2), and it does not depend on the sign of x.
    const turn = f.tmp(add(q, cosine));
    f.set(s, xor(select(cosine, i32(0), sign), select(and(turn, 2), i32(F.SIGN), i32(0))));
    f.if(
      and(turn, 1),
      () => deliver(f, s, fr.ld32(COS_E), fr.ld64(COS_HI), fr.ld64(COS_LO)),
      () => {
        // The reduced angle's own sign: sin(−r) = −sin r.
        f.set(s, xor(s, shl(fr.ld32(REDUCED_SIGN), 15)));
        f.if(
          eqz(fr.ld64(SIN_HI)),
          () => fr.result(f, s, i64(0n)),
          () => deliver(f, s, fr.ld32(SIN_E), fr.ld64(SIN_HI), fr.ld64(SIN_LO)),
        );
      },
    );
  });

  const setC2 = (f: Func, on: number): void =>
    fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~F.C2), on ? i32(F.C2) : i32(0)));
  /**
   * The common part of FSIN, FCOS, FSINCOS, FPTAN: stack checks, special operands, out-of-range arguments. `zero` gives the results
   * for ±0, `both` the second result if there is one; `compute` fills RESULT (and RESULT2).
   */
  const trigonometric = (
    name: string,
    pushes: boolean,
    zero: (f: Func, x: Num) => void,
    compute: (f: Func, x: Num) => void,
  ): void => {
    out[`x87${name}`] = mod.func([], [], (f) => {
      const p = f.tmp(fr.physical(0));
      const q = f.tmp(fr.physical(7));
      const x = num(f);
      fr.st32(f, F.EXC, i32(0));
      const second = (e: Expr, m: Expr): void => {
        fr.st32(f, F.RESULT2_SE, e);
        fr.st64(f, F.RESULT2_M, m);
      };
      const write = (): void => {
        fr.setReg(f, p, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M));
        fr.markFull(f, p);
        if (!pushes) return;
        fr.st32(f, S.FTOP, q);
        fr.setReg(f, q, fr.ld32(F.RESULT2_SE), fr.ld64(F.RESULT2_M));
        fr.markFull(f, q);
      };
      const missing = f.tmp(fr.isEmpty(p));
      f.if(pushes ? or(missing, eqz(fr.isEmpty(q))) : missing, () => {
        fr.st32(f, F.EXC, or(i32(F.IE | F.SF), select(missing, i32(0), i32(F.C1))));
        fr.indefinite(f);
        second(i32(F.INDEFINITE_SE), i64(F.INDEFINITE_M));
        f.if(call(commit), () => {
          setC2(f, 0);
          write();
        });
        f.ret();
      });
      setNum(f, x, and(fr.regSe(p), F.SIGN), and(fr.regSe(p), F.EXP_MASK), fr.regM(p));
      const cls = f.tmp(call(r.classify, fr.regSe(p), x.m));
      f.if(geU(cls, CLASS_INFINITY), () => {
        f.if(
          eq(cls, CLASS_INFINITY),
          () => {
            fr.raise(f, F.IE);
            fr.indefinite(f);
          },
          () => f.exec(r.propagate, fr.regSe(p), x.m, i32(0), i64(0n)),
        );
        second(fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M));
        f.if(call(commit), () => {
          setC2(f, 0);
          write();
        });
        f.ret();
      });
      f.if(geS(x.e, F.BIAS + 63), () => {
        f.exec(commit);
        setC2(f, 1);
        f.ret();
      });
      f.if(
        eq(cls, CLASS_ZERO),
        () => zero(f, x),
        () => {
          f.exec(r.prepare, fr.regSe(p), x.m, i32(F.BIAS), i64(F.INTEGER_BIT));
          f.set(x.e, fr.ld32(F.A_E));
          f.set(x.m, fr.ld64(F.A_M));
          f.if(eqz(fr.unmasked(F.DE)), () => compute(f, x));
        },
      );
      f.if(call(commit), () => {
        setC2(f, 0);
        write();
      });
    });
  };
  const one = (f: Func): void => {
    fr.st32(f, F.RESULT2_SE, i32(F.BIAS));
    fr.st64(f, F.RESULT2_M, i64(F.INTEGER_BIT));
  };
  trigonometric(
    "fsin",
    false,
    (f, x) => fr.result(f, x.s, i64(0n)),
    (f, x) => {
      f.exec(pick, x.s, call(sinCos, x.e, x.m), i32(0));
    },
  );
  trigonometric(
    "fcos",
    false,
    (f) => fr.result(f, i32(F.BIAS), i64(F.INTEGER_BIT)),
    (f, x) => {
      f.exec(pick, x.s, call(sinCos, x.e, x.m), i32(1));
    },
  );
  trigonometric(
    "fsincos",
    true,
    (f, x) => {
      fr.result(f, x.s, i64(0n));
      one(f);
    },
    (f, x) => {
      const q = f.tmp(call(sinCos, x.e, x.m));
      f.exec(pick, x.s, q, i32(1));
      const cosSe = f.tmp(fr.ld32(F.RESULT_SE));
      const cosM = f.tmp(fr.ld64(F.RESULT_M));
      f.exec(pick, x.s, q, i32(0));
      fr.st32(f, F.RESULT2_SE, cosSe);
      fr.st64(f, F.RESULT2_M, cosM);
    },
  );
  trigonometric(
    "fptan",
    true,
    (f, x) => {
      fr.result(f, x.s, i64(0n));
      one(f);
    },
    (f, x) => {
      const q = f.tmp(call(sinCos, x.e, x.m));
      const sine = num(f);
      const cosine = num(f);
      const lo = f.local(I64);
      // tan x = sin r / cos r or −cos r / sin r, by the quadrant.
      for (const [n, hiAt, loAt, eAt] of [
        [sine, SIN_HI, SIN_LO, SIN_E],
        [cosine, COS_HI, COS_LO, COS_E],
      ] as const) {
        setNum(f, n, i32(0), fr.ld32(eAt), fr.ld64(hiAt));
        f.set(lo, fr.ld64(loAt));
        f.if(ne(n.m, 0), () => normalise(f, n.e, n.m, lo));
      }
      f.set(sine.s, xor(x.s, shl(fr.ld32(REDUCED_SIGN), 15)));
      f.if(
        and(q, 1),
        () => {
          f.set(sine.s, xor(sine.s, F.SIGN));
          deliverKernel(f, call(a.divide, se(cosine), cosine.m, se(sine), sine.m));
        },
        () => deliverKernel(f, call(a.divide, se(sine), sine.m, se(cosine), cosine.m)),
      );
      one(f);
    },
  );

  // --------------------------------------------------------------------- 2^x − 1

  out["x87f2xm1"] = mod.func([], [], (f) => {
    const p = f.tmp(fr.physical(0));
    fr.st32(f, F.EXC, i32(0));
    const finish = (): void => {
      fr.setReg(f, p, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M));
      fr.markFull(f, p);
      f.ret();
    };
    f.if(fr.isEmpty(p), () => {
      f.if(call(underflow), finish);
      f.ret();
    });
    const x = num(f);
    setNum(f, x, and(fr.regSe(p), F.SIGN), and(fr.regSe(p), F.EXP_MASK), fr.regM(p));
    const cls = f.tmp(call(r.classify, fr.regSe(p), x.m));
    fr.result(f, fr.regSe(p), x.m);
    f.if(gtU(cls, CLASS_INFINITY), () => {
      f.exec(r.propagate, fr.regSe(p), x.m, i32(0), i64(0n));
      f.if(call(commit), finish);
      f.ret();
    });
    const minusOne = (): void => fr.result(f, i32(F.SIGN | F.BIAS), i64(F.INTEGER_BIT));
    f.if(
      geS(x.e, F.BIAS),
      () => {
        // ±1 are exact; beyond, the manual leaves the result open: the limits for infinities, else the operand.
        f.if(and(ne(x.s, 0), eq(x.e, F.EXP_MASK)), minusOne);
        f.if(and(ne(x.s, 0), and(eq(x.e, F.BIAS), eq(x.m, i64(F.INTEGER_BIT)))), () =>
          fr.result(f, i32(F.SIGN | (F.BIAS - 1)), i64(F.INTEGER_BIT)),
        );
      },
      () => {
        f.if(ne(x.m, 0), () => {
          f.exec(r.prepare, fr.regSe(p), x.m, i32(F.BIAS), i64(F.INTEGER_BIT));
          f.set(x.e, fr.ld32(F.A_E));
          f.set(x.m, fr.ld64(F.A_M));
          const t = f.tmp(call(mul, fixed(x.m, x.e), i64(LN2)));
          const q = f.local(I64);
          f.if(
            x.s,
            () => f.set(q, call(expDown, t)),
            () => f.set(q, call(expUp, t)),
          );
          f.set(q, call(mul, q, i64(LN2)));
          const hi = f.tmp(call(mul, x.m, q));
          f.if(eqz(fr.unmasked(F.DE)), () => deliver(f, x.s, add(x.e, 1), hi, fr.ld64(F.EXTRA)));
        });
      },
    );
    f.if(call(commit), finish);
  });

  // ------------------------------------------------------------------- logarithms

  /** n = 2/ln 2 · atanh(s), |s| < 1/4 (Num; zero gives zero). */
  const logOf = (f: Func, n: Num, s: Num): void => {
    f.if(
      eqz(s.m),
      () => setNum(f, n, s.s, i32(0), i64(0n)),
      () => {
        const sf = f.tmp(fixed(s.m, s.e));
        const hi = f.temp(I64);
        const lo = f.temp(I64);
        const e = f.temp(I32);
        f.set(hi, call(mul, s.m, call(atanhSeries, f.tmp(call(mul, sf, sf)))));
        f.set(lo, fr.ld64(F.EXTRA));
        f.set(e, add(s.e, 1));
        normalise(f, e, hi, lo);
        f.set(hi, call(mul, hi, i64(TWO_OVER_LN2)));
        f.set(lo, fr.ld64(F.EXTRA));
        f.set(e, add(e, 2));
        normalise(f, e, hi, lo);
        setNum(f, n, s.s, e, hi);
      },
    );
  };
  /** n = log2 of (e, m), a normalised positive number. */
  const log2 = (f: Func, n: Num, e: Expr, m: Expr): void => {
    const k = f.local(I32);
    const x = num(f);
    const t = num(f);
    const unit = num(f);
    const below = num(f);
    // x = 2^k · f with f in [1/√2, √2)
    f.set(k, sub(e, F.BIAS));
    setNum(f, x, i32(0), i32(F.BIAS), m);
    f.if(geU(m, i64(SQRT2)), () => {
      f.set(k, add(k, 1));
      f.set(x.e, i32(F.BIAS - 1));
    });
    setNum(f, unit, i32(0), i32(F.BIAS), i64(F.INTEGER_BIT));
    apply(f, below, a.subtract, x, unit);
    apply(f, t, a.add, x, unit);
    f.if(ne(below.m, 0), () => apply(f, below, a.divide, below, t));
    logOf(f, n, below);
    f.if(ne(k, 0), () => {
      f.exec(c.fromInteger, extendS(k));
      setNum(
        f,
        t,
        and(fr.ld32(F.RESULT_SE), F.SIGN),
        and(fr.ld32(F.RESULT_SE), F.EXP_MASK),
        fr.ld64(F.RESULT_M),
      );
      apply(f, n, a.add, t, n);
    });
  };

  /** FYL2X and FYL2XP1: ST(1) = ST(1) · L, then pop. `logarithm` sets L from ST(0). */
  const logarithmic = (
    name: string,
    logarithm: (f: Func, l: Num, x: Num, cls: Expr, y: Num) => void,
  ): void => {
    out[`x87${name}`] = mod.func([], [], (f) => {
      const p = f.tmp(fr.physical(0));
      const q = f.tmp(fr.physical(1));
      const [x, y, l] = [num(f), num(f), num(f)];
      fr.st32(f, F.EXC, i32(0));
      const finish = (): void => {
        fr.setReg(f, q, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M));
        fr.markFull(f, q);
        f.exec(pop);
        f.ret();
      };
      f.if(or(fr.isEmpty(p), fr.isEmpty(q)), () => {
        f.if(call(underflow), finish);
        f.ret();
      });
      const cls = f.tmp(call(r.classify, fr.regSe(p), fr.regM(p)));
      f.if(call(r.prepare, fr.regSe(p), fr.regM(p), fr.regSe(q), fr.regM(q)), () => {
        f.if(call(commit), finish);
        f.ret();
      });
      setNum(f, x, and(fr.regSe(p), F.SIGN), fr.ld32(F.A_E), fr.ld64(F.A_M));
      setNum(f, y, and(fr.regSe(q), F.SIGN), fr.ld32(F.B_E), fr.ld64(F.B_M));
      const scaled = f.local(I32);
      logarithm(f, l, x, cls, y);
      // A logarithm below the register format's range only occurs as a factor: it is kept above and corrected afterwards.
      f.if(and(ltS(l.e, 80), ne(l.m, 0)), () => {
        f.set(scaled, i32(0x4000));
        f.set(l.e, add(l.e, 0x4000));
      });
      f.if(eqz(fr.unmasked(F.IE | F.DE | F.ZE)), () => {
        // A denormal factor was counted by prepare() already; its register image carries the right exponent.
        const flags = f.tmp(fr.ld32(F.EXC));
        const invalid = f.tmp(and(flags, F.IE));
        f.if(eqz(invalid), () =>
          deliverKernel(f, call(a.multiply, fr.regSe(q), fr.regM(q), se(l), l.m), scaled),
        );
      });
      f.if(call(commit), finish);
    });
  };
  const infinite = (f: Func, l: Num, sign: number): void =>
    setNum(f, l, i32(sign), i32(F.EXP_MASK), i64(F.INTEGER_BIT));
  const invalid = (f: Func): void => {
    fr.st32(f, F.EXC, or(and(fr.ld32(F.EXC), ~F.DE), i32(F.IE)));
    fr.indefinite(f);
  };
  logarithmic("fyl2x", (f, l, x, cls, y) => {
    f.if(
      eqz(x.m),
      () => {
        infinite(f, l, F.SIGN);
        f.if(and(ne(y.m, 0), ne(y.e, F.EXP_MASK)), () => fr.raise(f, F.ZE));
      },
      () => {
        f.if(
          x.s,
          () => invalid(f),
          () => {
            f.if(
              eq(cls, CLASS_INFINITY),
              () => infinite(f, l, 0),
              () => log2(f, l, x.e, x.m),
            );
          },
        );
      },
    );
  });
  logarithmic("fyl2xp1", (f, l, x, cls) => {
    const two = num(f);
    const t = num(f);
    setNum(f, two, i32(0), i32(F.BIAS + 1), i64(F.INTEGER_BIT));
    f.if(
      eq(cls, CLASS_INFINITY),
      () =>
        f.if(
          x.s,
          () => invalid(f),
          () => infinite(f, l, 0),
        ),
      () => {
        f.if(
          ltS(x.e, F.BIAS - 1),
          () => {
            // |x| < 1/2: s = x / (2 + x) keeps all digits of a small x.
            f.if(
              or(eqz(x.m), ltS(x.e, 70)),
              // So small that log2(1 + x) = x / ln 2.
              () => {
                setNum(f, l, x.s, x.e, x.m);
                f.if(ne(x.m, 0), () => {
                  const hi = f.tmp(call(mul, x.m, i64(TWO_OVER_LN2)));
                  const [lh, ll] = [f.temp(I64), f.temp(I64)];
                  f.set(lh, hi);
                  f.set(ll, fr.ld64(F.EXTRA));
                  f.set(l.e, add(x.e, 1));
                  normalise(f, l.e, lh, ll);
                  f.set(l.m, lh);
                });
              },
              () => {
                apply(f, t, a.add, two, x);
                apply(f, t, a.divide, x, t);
                logOf(f, l, t);
              },
            );
          },
          () => {
            const unit = num(f);
            setNum(f, unit, i32(0), i32(F.BIAS), i64(F.INTEGER_BIT));
            apply(f, t, a.add, unit, x);
            f.if(
              or(t.s, eqz(t.m)),
              () =>
                f.if(
                  t.s,
                  () => invalid(f),
                  () => infinite(f, l, F.SIGN),
                ),
              () => log2(f, l, t.e, t.m),
            );
          },
        );
      },
    );
  });

  // -------------------------------------------------------------------- arctangent

  out["x87fpatan"] = mod.func([], [], (f) => {
    const p = f.tmp(fr.physical(0));
    const q = f.tmp(fr.physical(1));
    const [x, y, t, u, base] = [num(f), num(f), num(f), num(f), num(f)];
    const swapped = f.local(I32);
    const step = f.local(I32);
    fr.st32(f, F.EXC, i32(0));
    const finish = (): void => {
      fr.setReg(f, q, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M));
      fr.markFull(f, q);
      f.exec(pop);
      f.ret();
    };
    const end = (): void => {
      f.if(call(commit), finish);
      f.ret();
    };
    f.if(or(fr.isEmpty(p), fr.isEmpty(q)), () => {
      f.if(call(underflow), finish);
      f.ret();
    });
    f.if(call(r.prepare, fr.regSe(p), fr.regM(p), fr.regSe(q), fr.regM(q)), end);
    f.if(fr.unmasked(F.DE), end);
    const sign = f.tmp(and(fr.regSe(q), F.SIGN));
    const left = f.tmp(and(fr.regSe(p), F.SIGN));
    setNum(f, x, i32(0), fr.ld32(F.A_E), fr.ld64(F.A_M));
    setNum(f, y, i32(0), fr.ld32(F.B_E), fr.ld64(F.B_M));
    const constant = (e: number, hi: bigint, lo: bigint): void =>
      f.exec(r.roundPack, sign, i32(e), i64(hi), i64(lo), i64(0n));
    const pi = (): void => constant(F.BIAS + 1, PI_HI, PI_LO);
    const halfPi = (): void => constant(F.BIAS, PI_HI, PI_LO);
    const xInfinite = f.tmp(eq(x.e, F.EXP_MASK));
    const yInfinite = f.tmp(eq(y.e, F.EXP_MASK));
    f.if(or(eqz(y.m), and(xInfinite, eqz(yInfinite))), () => {
      f.if(left, pi, () => fr.result(f, sign, i64(0n)));
      end();
    });
    f.if(and(xInfinite, yInfinite), () => {
      f.if(
        left,
        () => constant(F.BIAS + 1, THREE_QUARTERS_HI, THREE_QUARTERS_LO),
        () => constant(F.BIAS - 1, PI_HI, PI_LO),
      );
      end();
    });
    f.if(or(eqz(x.m), yInfinite), () => {
      halfPi();
      end();
    });
    // Exponents relative to each other: beyond 70 binary places only one of the two matters.
    const distance = f.tmp(sub(y.e, x.e));
    f.if(gtS(distance, 70), () => {
      halfPi();
      end();
    });
    f.if(and(ltS(distance, -70), ne(left, 0)), () => {
      pi();
      end();
    });
    f.if(ltS(distance, -70), () => {
      deliverKernel(f, call(a.divide, fr.regSe(q), fr.regM(q), and(fr.regSe(p), F.EXP_MASK), fr.regM(p)));
      end();
    });
    f.set(x.e, i32(F.BIAS));
    f.set(y.e, add(i32(F.BIAS), distance));
    f.set(swapped, or(gtS(y.e, x.e), and(eq(y.e, x.e), gtU(y.m, x.m))));
    f.if(swapped, () => {
      setNum(f, t, i32(0), x.e, x.m);
      setNum(f, x, i32(0), y.e, y.m);
      setNum(f, y, i32(0), t.e, t.m);
    });
    // y / x in eighths, to nearest; an estimate is good enough.
    const power = f64FromI64Bits(shl(extendU(add(sub(y.e, x.e), 1023)), 52));
    const estimate = times(times(div(f64FromI64U(y.m), f64FromI64U(x.m)), power), f64(8));
    f.set(step, i32SatF64S(roundEven(estimate)));
    f.if(
      eqz(step),
      () => apply(f, t, a.divide, y, x),
      () => {
        // atan(y/x) = atan(b) + atan((y − b·x) / (x + b·y)), b = step / 8
        f.exec(c.fromInteger, extendU(step));
        setNum(f, base, i32(0), sub(fr.ld32(F.RESULT_SE), 3), fr.ld64(F.RESULT_M));
        apply(f, t, a.multiply, base, x);
        apply(f, t, a.subtract, y, t);
        apply(f, u, a.multiply, base, y);
        apply(f, u, a.add, x, u);
        f.if(ne(t.m, 0), () => apply(f, t, a.divide, t, u));
      },
    );
    f.if(ne(t.m, 0), () => {
      const tf = f.tmp(fixed(t.m, t.e));
      const hi = f.temp(I64);
      const lo = f.temp(I64);
      f.set(hi, call(mul, t.m, call(atanSeries, f.tmp(call(mul, tf, tf)))));
      f.set(lo, fr.ld64(F.EXTRA));
      f.set(t.e, add(t.e, 1));
      normalise(f, t.e, hi, lo);
      f.set(t.m, hi);
    });
    f.if(step, () => {
      ATAN.forEach(([e, m], i) => {
        f.if(eq(step, i + 1), () => setNum(f, base, i32(0), i32(F.BIAS + e), i64(m)));
      });
      apply(f, t, a.add, base, t);
    });
    // π/2 − t when swapped, π − t for negative x, π/2 + t for both.
    f.if(or(swapped, left), () => {
      setNum(f, base, i32(0), select(swapped, i32(F.BIAS), i32(F.BIAS + 1)), i64(PI_HI));
      f.if(eqz(and(swapped, ne(left, 0))), () => f.set(t.s, i32(F.SIGN)));
      apply(f, t, a.add, base, t);
    });
    // π itself lies above its significand: the last place is decided by the sticky bit.
    f.exec(r.roundPack, sign, t.e, t.m, i64(1n), i64(0n));
    end();
  });
  return out;
}
