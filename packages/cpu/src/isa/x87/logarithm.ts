// SPDX-License-Identifier: BSD-3-Clause
/**
 * F2XM1, FYL2X, FYL2XP1: powers of two and logarithms, to below five units in the last place.
 *
 * Source: SDM vol. 1 §8.3.9, §8.3.10 (accuracy); vol. 2A tables of special operands at each instruction.
 * @module
 */
import {
  add,
  and,
  call,
  eq,
  eqz,
  extendS,
  geS,
  geU,
  gtU,
  i32,
  i64,
  ltS,
  ne,
  or,
  sub,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as F from "./frame.ts";
import type { Soft } from "./soft.ts";
import { CLASS_INFINITY, normalise } from "./round.ts";

import { fixed, num, se, setNum, type Num, type Series } from "./series.ts";

/** ln 2 as Q64, and the significand of 2 / ln 2 (exponent 1). */
const LN2 = 0xb172_17f7_d1cf_79acn;
const TWO_OVER_LN2 = 0xb8aa_3b29_5c17_f0bcn;
/** √2 as Q63. */
const SQRT2 = 0xb504_f333_f9de_6484n;
export function buildLogarithm(mod: ModuleBuilder, soft: Soft, series: Series): Record<string, Callee> {
  const { fr, r, a, c, commit, underflow, pop } = soft;
  const { expUp, expDown, atanh, apply, deliver, deliverKernel } = series;
  const out: Record<string, Callee> = {};
  const mul = a.mul128;

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
        f.set(hi, call(mul, s.m, call(atanh, f.tmp(call(mul, sf, sf)))));
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
  return out;
}
