// SPDX-License-Identifier: BSD-3-Clause
/**
 * x87 addition, multiplication, division, square root and remainder: exact integer arithmetic, rounded once.
 *
 * Each function takes its operands as (se, m) pairs, ORs the exceptions of the operands into EXC, and returns what it left:
 *
 *   FINAL       RESULT
 *   UNROUNDED   sign in RESULT_SE, exponent in A_E, significand in RESULT_M (high) and EXTRA (low); the caller rounds
 *   EXACT_ZERO  a zero whose sign is the rounding mode's matter
 *
 * So the same kernels serve the x87 formats and, rounded elsewhere, single and double precision.
 *
 * Source: SDM vol. 1 §4.9, §8.5, tables 8-10 and 8-11 of the FDIV and FPREM descriptions in vol. 2A.
 * @module
 */
import {
  add,
  and,
  call,
  divU,
  eq,
  eqz,
  extendU,
  f64FromI64S,
  f64,
  geU,
  gtU,
  i32,
  i64,
  i64SatF64S,
  ltS,
  ltU,
  mul,
  ne,
  or,
  remU,
  select,
  shl,
  shrS,
  shrU,
  sqrt,
  sub,
  wrap,
  xor,
  f64FromI64U,
  div as fdiv,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as F from "./frame.ts";
import type { Frame } from "./frame.ts";
import { CLASS_NORMAL, normalise, shiftRightJam, type RoundFunctions } from "./round.ts";

export const FINAL = 0;
export const UNROUNDED = 1;
export const EXACT_ZERO = 2;

export interface ArithFunctions {
  /** (aSe, aM, bSe, bM) */
  readonly add: Func;
  readonly subtract: Func;
  readonly multiply: Func;
  readonly divide: Func;
  /** (se, m) */
  readonly squareRoot: Func;
  /** (aSe, aM, bSe, bM, nearest): FPREM (0) or FPREM1 (1); returns the condition bits C0–C3, or −1 without a
   * quotient. */
  readonly remainder: Func;
  /** (a, b) → high half of the 128-bit product; the low half goes to EXTRA. */
  readonly mul128: Func;
  /** (hi, lo, d) → quotient of hi:lo / d for normalised d > hi; the remainder goes to EXTRA. */
  readonly div128: Func;
}

const J = i64(F.INTEGER_BIT);
const LOW32 = i64(0xffff_ffffn);

export function buildArith(mod: ModuleBuilder, fr: Frame, r: RoundFunctions): ArithFunctions {
  const invalid = (f: Func): void => {
    fr.raise(f, F.IE);
    fr.indefinite(f);
  };
  const isInfinite = (e: Expr): Expr => eq(e, F.EXP_MASK);
  const final = (f: Func): void => f.ret(i32(FINAL));
  /** Ends with an unrounded value. */
  const unrounded = (f: Func, sign: Expr, exp: Expr, hi: Expr, lo: Expr): void => {
    fr.st32(f, F.RESULT_SE, sign);
    fr.st32(f, F.A_E, exp);
    fr.st64(f, F.RESULT_M, hi);
    fr.st64(f, F.EXTRA, lo);
    f.ret(i32(UNROUNDED));
  };

  /** Locals with the two prepared operands. */
  interface Operands {
    readonly aS: Expr;
    readonly aE: Expr;
    readonly aM: Expr;
    readonly bS: Expr;
    readonly bE: Expr;
    readonly bM: Expr;
  }
  /** Sorts out NaNs, denormals and bad encodings; the common case of two normal numbers costs two tests. */
  const operands = (f: Func, flipB: Expr | null): Operands => {
    const o: Operands = {
      aS: f.local(),
      aE: f.local(),
      aM: f.local(I64),
      bS: f.local(),
      bE: f.local(),
      bM: f.local(I64),
    };
    const [aSe, aM, bSe, bM] = [f.param(0), f.param(1), f.param(2), f.param(3)];
    f.set(o.aS, and(aSe, F.SIGN));
    f.set(o.bS, flipB === null ? and(bSe, F.SIGN) : xor(and(bSe, F.SIGN), flipB));
    f.set(o.aE, and(aSe, F.EXP_MASK));
    f.set(o.bE, and(bSe, F.EXP_MASK));
    f.set(o.aM, aM);
    f.set(o.bM, bM);
    const normal = (e: Expr, m: Expr): Expr => and(ltU(sub(e, 1), F.EXP_MASK - 1), ltS(m, 0));
    f.if(eqz(and(normal(o.aE, o.aM), normal(o.bE, o.bM))), () => {
      f.if(call(r.prepare, aSe, aM, bSe, bM), () => final(f));
      f.set(o.aE, fr.ld32(F.A_E));
      f.set(o.aM, fr.ld64(F.A_M));
      f.set(o.bE, fr.ld32(F.B_E));
      f.set(o.bM, fr.ld64(F.B_M));
    });
    return o;
  };

  const mul128 = mod.func([I64, I64], [I64], (f) => {
    const [a, b] = [f.param(0), f.param(1)];
    const ah = f.tmp(shrU(a, 32));
    const al = f.tmp(and(a, LOW32));
    const bh = f.tmp(shrU(b, 32));
    const bl = f.tmp(and(b, LOW32));
    const low = f.tmp(mul(al, bl));
    const mid1 = f.tmp(add(mul(ah, bl), shrU(low, 32)));
    const mid2 = f.tmp(add(mul(al, bh), and(mid1, LOW32)));
    fr.st64(f, F.EXTRA, or(shl(mid2, 32), and(low, LOW32)));
    f.ret(add(add(mul(ah, bh), shrU(mid1, 32)), shrU(mid2, 32)));
  });

  // Knuth vol. 2 §4.3.1, algorithm D, with 32-bit digits: two digits of quotient.
  const div128 = mod.func([I64, I64, I64], [I64], (f) => {
    const [hi, lo, d] = [f.param(0), f.param(1), f.param(2)];
    const dh = f.tmp(shrU(d, 32));
    const dl = f.tmp(and(d, LOW32));
    const rest = f.local(I64);
    const quotient = f.local(I64);
    f.set(rest, hi);
    f.set(quotient, i64(0n));
    const digit = (next: Expr): void => {
      const q = f.local(I64);
      const rem = f.local(I64);
      f.set(q, divU(rest, dh));
      f.set(rem, remU(rest, dh));
      f.block((done) => {
        f.loop((again) => {
          f.brIf(done, eqz(or(geU(q, i64(0x1_0000_0000n)), gtU(mul(q, dl), or(shl(rem, 32), next)))));
          f.set(q, sub(q, 1));
          f.set(rem, add(rem, dh));
          f.brIf(again, ltU(rem, i64(0x1_0000_0000n)));
        });
      });
      f.set(rest, sub(or(shl(rest, 32), next), mul(q, d)));
      f.set(quotient, or(shl(quotient, 32), q));
    };
    digit(f.tmp(shrU(lo, 32)));
    digit(f.tmp(and(lo, LOW32)));
    fr.st64(f, F.EXTRA, rest);
    f.ret(quotient);
  });

  const addition =
    (flipB: Expr | null) =>
    (f: Func): void => {
      const { aS, aE, aM, bS, bE, bM } = operands(f, flipB);
      const hi = f.local(I64);
      const lo = f.local(I64);
      const swap = f.local(I32);
      const t64 = f.local(I64);
      const t32 = f.local(I32);
      f.if(isInfinite(aE), () => {
        f.if(and(isInfinite(bE), ne(aS, bS)), () => {
          invalid(f);
          final(f);
        });
        fr.result(f, or(aS, F.EXP_MASK), J);
        final(f);
      });
      f.if(isInfinite(bE), () => {
        fr.result(f, or(bS, F.EXP_MASK), J);
        final(f);
      });
      f.if(eqz(bM), () => {
        f.if(eqz(aM), () => {
          f.if(ne(aS, bS), () => f.ret(i32(EXACT_ZERO)));
          fr.result(f, aS, i64(0n));
          final(f);
        });
        unrounded(f, aS, aE, aM, i64(0n));
      });
      f.if(eqz(aM), () => {
        unrounded(f, bS, bE, bM, i64(0n));
      });
      f.set(swap, or(ltS(aE, bE), and(eq(aE, bE), ltU(aM, bM))));
      f.if(swap, () => {
        for (const [x, y, t] of [
          [aE, bE, t32],
          [aS, bS, t32],
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
        eq(aS, bS),
        () => {
          f.set(hi, add(aM, hi));
          f.if(ltU(hi, aM), () => {
            f.set(lo, or(or(shl(hi, 63), shrU(lo, 1)), and(lo, 1)));
            f.set(hi, or(shrU(hi, 1), J));
            f.set(aE, add(aE, 1));
          });
        },
        () => {
          f.set(hi, sub(sub(aM, hi), extendU(ne(lo, 0))));
          f.set(lo, sub(i64(0n), lo));
          f.if(eqz(or(hi, lo)), () => f.ret(i32(EXACT_ZERO)));
          normalise(f, aE, hi, lo);
        },
      );
      unrounded(f, aS, aE, hi, lo);
    };
  const addFunction = mod.func([I32, I64, I32, I64], [I32], addition(null));
  const subtract = mod.func([I32, I64, I32, I64], [I32], addition(i32(F.SIGN)));

  const multiply = mod.func([I32, I64, I32, I64], [I32], (f) => {
    const { aS, aE, aM, bS, bE, bM } = operands(f, null);
    const sign = f.tmp(xor(aS, bS));
    const hi = f.local(I64);
    const lo = f.local(I64);
    f.if(or(isInfinite(aE), isInfinite(bE)), () => {
      f.if(
        or(eqz(aM), eqz(bM)),
        () => invalid(f),
        () => fr.result(f, or(sign, F.EXP_MASK), J),
      );
      final(f);
    });
    f.if(or(eqz(aM), eqz(bM)), () => {
      fr.result(f, sign, i64(0n));
      final(f);
    });
    f.set(aE, sub(add(aE, bE), F.BIAS - 1));
    f.set(hi, call(mul128, aM, bM));
    f.set(lo, fr.ld64(F.EXTRA));
    f.if(eqz(ltS(hi, 0)), () => {
      f.set(hi, or(shl(hi, 1), shrU(lo, 63)));
      f.set(lo, shl(lo, 1));
      f.set(aE, sub(aE, 1));
    });
    unrounded(f, sign, aE, hi, lo);
  });

  /** Fraction bits below a quotient's last bit: exact in its relation to one half. */
  const remainderFraction = (rest: Expr, divisor: Expr): Expr =>
    select(
      eqz(rest),
      i64(0n),
      select(
        eq(rest, sub(divisor, rest)),
        J,
        select(gtU(rest, sub(divisor, rest)), i64(3n << 62n), i64(1n << 62n)),
      ),
    );

  const divide = mod.func([I32, I64, I32, I64], [I32], (f) => {
    const [aSe, aM0, bSe, bM0] = [f.param(0), f.param(1), f.param(2), f.param(3)];
    // Division by zero outranks a denormal dividend: that one is not flagged.
    f.if(and(eqz(and(bSe, F.EXP_MASK)), and(eqz(bM0), ltU(call(r.classify, aSe, aM0), 3))), () => {
      f.if(
        and(eqz(and(aSe, F.EXP_MASK)), eqz(aM0)),
        () => invalid(f),
        () => {
          fr.raise(f, F.ZE);
          fr.result(f, or(xor(and(aSe, F.SIGN), and(bSe, F.SIGN)), F.EXP_MASK), J);
        },
      );
      final(f);
    });
    const { aS, aE, aM, bS, bE, bM } = operands(f, null);
    const sign = f.tmp(xor(aS, bS));
    const q = f.local(I64);
    const hi = f.local(I64);
    const lo = f.local(I64);
    f.if(isInfinite(aE), () => {
      f.if(
        isInfinite(bE),
        () => invalid(f),
        () => fr.result(f, or(sign, F.EXP_MASK), J),
      );
      final(f);
    });
    f.if(or(isInfinite(bE), eqz(aM)), () => {
      fr.result(f, sign, i64(0n));
      final(f);
    });
    f.set(aE, add(sub(aE, bE), F.BIAS - 1));
    f.set(hi, aM);
    f.set(lo, i64(0n));
    f.if(geU(aM, bM), () => {
      f.set(hi, shrU(aM, 1));
      f.set(lo, shl(aM, 63));
      f.set(aE, add(aE, 1));
    });
    f.set(q, call(div128, hi, lo, bM));
    const rest = f.tmp(fr.ld64(F.EXTRA));
    unrounded(f, sign, aE, q, f.tmp(remainderFraction(rest, bM)));
  });

  const squareRoot = mod.func([I32, I64], [I32], (f) => {
    const [se, m] = [f.param(0), f.param(1)];
    const cls = f.tmp(call(r.classify, se, m));
    const exp = f.local(I32);
    const sig = f.local(I64);
    const hi = f.local(I64);
    const lo = f.local(I64);
    const s = f.local(I64);
    const restHi = f.local(I64);
    const restLo = f.local(I64);
    f.if(ne(cls, CLASS_NORMAL), () => {
      f.if(gtU(cls, 3), () => {
        f.exec(r.propagate, se, m, i32(0), i64(0n));
        final(f);
      });
      f.if(eq(cls, 1), () => {
        fr.result(f, se, m);
        final(f);
      });
      f.if(and(eq(cls, 3), eqz(and(se, F.SIGN))), () => {
        fr.result(f, se, m);
        final(f);
      });
    });
    f.if(and(se, F.SIGN), () => {
      invalid(f);
      final(f);
    });
    f.if(call(r.prepare, se, m, i32(F.BIAS), J), () => final(f));
    f.set(exp, fr.ld32(F.A_E));
    f.set(sig, fr.ld64(F.A_M));
    // The radicand hi:lo lies in [2^126, 2^128), with an even power of two beside it.
    f.set(hi, sig);
    f.set(lo, i64(0n));
    f.if(
      and(exp, 1),
      () => {
        f.set(hi, shrU(sig, 1));
        f.set(lo, shl(sig, 63));
        f.set(exp, add(shrS(sub(exp, F.BIAS), 1), F.BIAS));
      },
      () => f.set(exp, add(shrS(sub(exp, F.BIAS + 1), 1), F.BIAS)),
    );
    // A first root of 52 bits from the f64 unit: hi is below 2^64, sqrt(hi)·2^32 is the root; kept below 2^64.
    f.set(s, shl(i64SatF64S(mul(sqrt(f64FromI64U(hi)), f64(2 ** 31))), 1));
    const rest = (): void => {
      const high = f.tmp(call(mul128, s, s));
      const low = f.tmp(fr.ld64(F.EXTRA));
      f.set(restHi, sub(sub(hi, high), extendU(ltU(lo, low))));
      f.set(restLo, sub(lo, low));
    };
    rest();
    // One Newton step: the remainder fits 80 bits, so its f64 image gives the correction to the last bit but one.
    const approx = fdiv(
      add(mul(f64FromI64S(restHi), f64(2 ** 64)), f64FromI64U(restLo)),
      mul(f64FromI64U(s), f64(2)),
    );
    f.set(s, add(s, i64SatF64S(approx)));
    rest();
    f.block((done) => {
      f.loop((again) => {
        f.brIf(done, eqz(ltS(restHi, 0)));
        f.set(s, sub(s, 1));
        rest();
        f.br(again);
      });
    });
    f.block((done) => {
      f.loop((again) => {
        // remainder > 2s: the root is one larger
        f.brIf(done, eqz(or(gtU(restHi, shrU(s, 63)), and(eq(restHi, shrU(s, 63)), gtU(restLo, shl(s, 1))))));
        f.set(s, add(s, 1));
        rest();
        f.br(again);
      });
    });
    // remainder > s: the fraction exceeds one half, which it can never equal.
    const above = or(ne(restHi, 0), gtU(restLo, s));
    unrounded(
      f,
      i32(0),
      exp,
      s,
      select(eqz(or(restHi, restLo)), i64(0n), select(above, i64(3n << 62n), i64(1n << 62n))),
    );
  });

  const remainder = mod.func([I32, I64, I32, I64, I32], [I32], (f) => {
    const [aSe, aM0, bSe, bM0, nearest] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
    const aS = f.local(I32);
    const exp = f.local(I32);
    const bE = f.local(I32);
    const rest = f.local(I64);
    const d = f.local(I64);
    const q = f.local(I64);
    const n = f.local(I32);
    const more = f.local(I32);
    const carry = f.local(I32);
    f.if(call(r.prepare, aSe, aM0, bSe, bM0), () => f.ret(i32(-1)));
    f.set(aS, and(aSe, F.SIGN));
    f.set(exp, fr.ld32(F.A_E));
    f.set(rest, fr.ld64(F.A_M));
    f.set(bE, fr.ld32(F.B_E));
    f.set(d, fr.ld64(F.B_M));
    f.if(or(isInfinite(exp), eqz(d)), () => {
      fr.st32(f, F.EXC, and(fr.ld32(F.EXC), ~F.DE));
      invalid(f);
      f.ret(i32(-1));
    });
    f.if(fr.unmasked(F.IE | F.DE), () => f.ret(i32(-1)));
    f.if(eqz(rest), () => {
      fr.result(f, aS, i64(0n));
      f.ret(i32(0));
    });
    f.set(q, i64(0n));
    f.set(more, i32(0));
    f.if(
      or(isInfinite(bE), ltS(sub(exp, bE), -1)),
      () => f.exec(r.roundPack, aS, exp, rest, i64(0n), i64(0n)),
      () => {
        f.set(n, sub(exp, bE));
        f.if(
          ltS(n, 0),
          () => {
            // |a| in [|b|/4, |b|): only rounding to nearest may take one b away.
            f.if(and(nearest, gtU(rest, d)), () => {
              f.set(rest, sub(shl(d, 1), rest));
              f.set(aS, xor(aS, F.SIGN));
              f.set(q, i64(1n));
            });
          },
          () => {
            // Exponents more than 63 apart: reduce by 32…63 bits only and say so in C2.
            f.if(gtU(n, 63), () => {
              f.set(more, i32(1));
              f.set(n, or(and(n, 31), 32));
            });
            f.set(exp, sub(exp, n));
            f.if(geU(rest, d), () => {
              f.set(rest, sub(rest, d));
              f.set(q, i64(1n));
            });
            f.block((done) => {
              f.loop((again) => {
                f.brIf(done, eqz(n));
                f.set(n, sub(n, 1));
                f.set(carry, ltS(rest, 0));
                f.set(rest, shl(rest, 1));
                f.set(q, shl(q, 1));
                f.if(or(carry, geU(rest, d)), () => {
                  f.set(rest, sub(rest, d));
                  f.set(q, or(q, i64(1n)));
                });
                f.br(again);
              });
            });
            // 2·rest > d, or equal with an odd quotient
            const half = f.tmp(sub(d, rest));
            f.if(
              and(and(nearest, eqz(more)), or(gtU(rest, half), and(eq(rest, half), wrap(and(q, 1))))),
              () => {
                f.set(rest, half);
                f.set(aS, xor(aS, F.SIGN));
                f.set(q, add(q, 1));
              },
            );
          },
        );
        f.if(
          eqz(rest),
          () => fr.result(f, aS, i64(0n)),
          () => {
            const lo = f.tmp(i64(0n));
            const zero = f.temp(I64);
            f.set(zero, lo);
            normalise(f, exp, rest, zero);
            f.exec(r.roundPack, aS, exp, rest, i64(0n), i64(0n));
          },
        );
      },
    );
    f.if(more, () => f.ret(i32(F.C2)));
    const bit = (from: bigint, to: number): Expr => select(wrap(and(q, i64(from))), i32(to), i32(0));
    f.ret(or(or(bit(4n, F.C0), bit(2n, F.C3)), bit(1n, F.C1)));
  });

  return { add: addFunction, subtract, multiply, divide, squareRoot, remainder, mul128, div128 };
}
