// SPDX-License-Identifier: BSD-3-Clause
/**
 * FSIN, FCOS, FSINCOS, FPTAN.
 *
 * The argument is reduced exactly by π/2, the series are summed in 64-bit fixed point, and the result is rounded once; the error is below
 * five units in the last place. The reduction uses the 66-bit π that the manual documents, so large arguments come out as
 * on the processors rather than as in a table.
 *
 * Source: SDM vol. 1 §8.3.8 (π), §8.3.10 (accuracy); vol. 2A at each instruction.
 * @module
 */
import {
  add,
  and,
  call,
  eq,
  eqz,
  extendU,
  geS,
  geU,
  gtU,
  i32,
  i64,
  ltU,
  ne,
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
import * as F from "./frame.ts";
import type { Soft } from "./soft.ts";
import { CLASS_INFINITY, CLASS_ZERO, normalise } from "./round.ts";

import { PI_HI, fixed, num, se, setNum, type Num, type Series } from "./series.ts";

/** The part below 64 bits of the 66-bit π of argument reduction. */
const REDUCTION_LO = 0xc000_0000_0000_0000n;
export function buildTrigonometry(mod: ModuleBuilder, soft: Soft, series: Series): Record<string, Callee> {
  const { fr, r, a, commit } = soft;
  const { sin, cos, deliver, deliverKernel } = series;
  const out: Record<string, Callee> = {};
  const mul = a.mul128;

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
    const sine = f.tmp(call(sin, z));
    const top = f.tmp(call(mul, hi, sine));
    fr.st64(f, SIN_LO, fr.ld64(F.EXTRA));
    fr.st64(f, SIN_HI, top);
    fr.st32(f, SIN_E, add(exp, 1));
    fr.st64(f, COS_HI, call(cos, z));
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
  return out;
}
