// SPDX-License-Identifier: BSD-3-Clause
/**
 * Between the register format and the others: single, double, integers, packed decimal; and the operations that only move
 * bits (FRNDINT, FSCALE, FXTRACT, FXAM, compares).
 *
 * Source: SDM vol. 1 §4.8, §8.2 (formats), §8.5.1 (indefinite integers); vol. 2A at each instruction.
 * @module
 */
import {
  add,
  and,
  call,
  clz,
  eq,
  eqz,
  extendS,
  extendU,
  geS,
  gtS,
  gtU,
  i32,
  i64,
  leS,
  ltS,
  ltU,
  mul,
  ne,
  or,
  remU,
  divU,
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
import {
  CLASS_DENORMAL,
  CLASS_INFINITY,
  CLASS_QNAN,
  CLASS_SNAN,
  CLASS_ZERO,
  shiftRightJam,
  type RoundFunctions,
} from "./round.ts";

/** An interchange format narrower than the register. */
interface Narrow {
  /** Significand bits, the hidden one included. */
  readonly precision: number;
  readonly bias: number;
  /** Exponent field of infinities and NaNs. */
  readonly top: number;
}
const SINGLE: Narrow = { precision: 24, bias: 127, top: 255 };
const DOUBLE: Narrow = { precision: 53, bias: 1023, top: 2047 };

/** Control word bit for packSingle/packDouble: flush tiny results to zero (the position of MXCSR.FTZ). */
export const CONTROL_FTZ = 0x8000;

export interface ConvertFunctions {
  /** (sign, exp, hi, lo, control) → bits. `control` has masks and RC as the x87 control word, and CONTROL_FTZ. */
  readonly packSingle: Func;
  readonly packDouble: Func;
  /** (bits) → RESULT, DE for a denormal. Signalling NaNs stay what they are. */
  readonly fromSingle: Func;
  readonly fromDouble: Func;
  /** (se, m) → bits of the rounded value; EXC tells whether it may be stored. */
  readonly toSingle: Func;
  readonly toDouble: Func;
  /** (value) → RESULT. */
  readonly fromInteger: Func;
  /** (se, m, bits, rc) → the integer, or the indefinite one with IE. */
  readonly toInteger: Func;
  /** (low 8 bytes, high 2 bytes) → RESULT. */
  readonly fromDecimal: Func;
  /** (se, m) → low 8 bytes; the high 2 are in EXTRA. */
  readonly toDecimal: Func;
  /** (se, m) */
  readonly roundToInteger: Func;
  /** (aSe, aM, bSe, bM) */
  readonly scale: Func;
  /** (se, m) → RESULT significand, RESULT2 exponent. */
  readonly extract: Func;
  /** (aSe, aM, bSe, bM, quiet) → C0, C2, C3. */
  readonly compare: Func;
}

const J = i64(F.INTEGER_BIT);

export function buildConvert(mod: ModuleBuilder, fr: Frame, r: RoundFunctions): ConvertFunctions {
  const packNarrow = ({ precision, bias, top }: Narrow): Func =>
    mod.func([I32, I32, I64, I64, I32], [I64], (f) => {
      const [sign, exp, hi, lo, control] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
      const drop = 64 - precision;
      const mask = (1n << BigInt(drop)) - 1n;
      const ulp = mask + 1n;
      const e = f.local(I32);
      const head = f.local(I64);
      const fraction = f.local(I64);
      const up = f.local(I32);
      const tiny = f.local(I32);
      const rc = f.local(I32);
      const signBits = f.local(I64);
      f.set(rc, and(shrU(control, 10), 3));
      f.set(e, sub(exp, F.BIAS - bias));
      f.set(signBits, shl(extendU(sign), precision === 24 ? 16 : 48));
      const split = (): void => {
        f.set(head, and(hi, i64(~mask)));
        f.set(fraction, or(shl(and(hi, i64(mask)), precision), extendU(ne(lo, 0))));
        f.set(up, call(r.increments, rc, sign, ne(and(head, i64(ulp)), 0), fraction));
      };
      split();
      f.if(leS(e, 0), () => {
        f.set(tiny, or(ltS(e, 0), eqz(and(up, eqz(add(head, i64(ulp)))))));
        f.if(tiny, () => {
          f.if(eqz(and(control, F.UE)), () => {
            fr.raise(f, or(i32(F.UE), select(ne(fraction, 0), i32(F.PE), i32(0))));
            f.ret(signBits);
          });
          f.if(and(control, CONTROL_FTZ), () => {
            fr.raise(f, F.UE | F.PE);
            f.ret(signBits);
          });
        });
        shiftRightJam(f, hi, lo, f.tmp(sub(i32(1), e)));
        split();
        f.if(ne(fraction, 0), () => fr.raise(f, or(i32(F.PE), select(tiny, i32(F.UE), i32(0)))));
        f.if(up, () => {
          fr.raise(f, F.C1);
          f.set(head, add(head, i64(ulp)));
        });
        // A carry into the integer bit becomes exponent 1 by itself.
        f.ret(or(signBits, shrU(head, drop)));
      });
      f.if(ne(fraction, 0), () => fr.raise(f, F.PE));
      f.if(up, () => {
        f.set(head, add(head, i64(ulp)));
        fr.raise(f, F.C1);
        f.if(eqz(head), () => {
          f.set(head, J);
          f.set(e, add(e, 1));
        });
      });
      f.if(geS(e, top), () => {
        fr.raise(f, F.OE);
        f.if(and(control, F.OE), () => fr.raise(f, F.PE));
        const toInfinity = or(eqz(rc), and(ne(rc, F.RC_ZERO), eq(eq(rc, F.RC_DOWN), ne(sign, 0))));
        const infinity = BigInt(top) << BigInt(precision - 1);
        f.ret(or(signBits, select(toInfinity, i64(infinity), i64(infinity - 1n))));
      });
      const field = and(shrU(head, drop), i64((1n << BigInt(precision - 1)) - 1n));
      f.ret(or(signBits, or(shl(extendU(e), precision - 1), field)));
    });
  const packSingle = packNarrow(SINGLE);
  const packDouble = packNarrow(DOUBLE);

  const fromNarrow = ({ precision, bias, top }: Narrow): Func =>
    mod.func([I64], [], (f) => {
      const bits = f.param(0);
      const fractionBits = precision - 1;
      const sign = f.tmp(and(wrap(shrU(bits, precision === 24 ? 16 : 48)), F.SIGN));
      const e = f.tmp(and(wrap(shrU(bits, fractionBits)), top));
      const m = f.tmp(shl(and(bits, i64((1n << BigInt(fractionBits)) - 1n)), 64 - precision));
      f.if(eqz(e), () => {
        f.if(eqz(m), () => {
          fr.result(f, sign, m);
          f.ret();
        });
        fr.raise(f, F.DE);
        const n = f.tmp(clz(m));
        fr.result(f, or(sign, sub(i32(F.BIAS - bias + 1), wrap(n))), shl(m, n));
        f.ret();
      });
      f.if(eq(e, top), () => {
        fr.result(f, or(sign, F.EXP_MASK), or(m, J));
        f.ret();
      });
      fr.result(f, or(sign, add(e, F.BIAS - bias)), or(m, J));
    });

  const toNarrow = ({ precision, top }: Narrow, packer: Func): Func =>
    mod.func([I32, I64], [I64], (f) => {
      const [se, m] = [f.param(0), f.param(1)];
      const signBits = f.tmp(shl(extendU(and(se, F.SIGN)), precision === 24 ? 16 : 48));
      const cls = f.tmp(call(r.classify, se, m));
      const infinity = i64(BigInt(top) << BigInt(precision - 1));
      f.if(eq(cls, CLASS_ZERO), () => f.ret(signBits));
      f.if(eq(cls, CLASS_INFINITY), () => f.ret(or(signBits, infinity)));
      f.if(gtU(cls, CLASS_SNAN), () => {
        fr.raise(f, F.IE);
        f.ret(i64(precision === 24 ? 0xffc0_0000n : 0xfff8_0000_0000_0000n));
      });
      f.if(gtU(cls, CLASS_INFINITY), () => {
        f.if(eq(cls, CLASS_SNAN), () => fr.raise(f, F.IE));
        f.ret(or(or(signBits, infinity), shrU(shl(or(m, i64(F.QUIET_BIT)), 1), 65 - precision)));
      });
      // A denormal of the register format is far below the narrow ones: its exponent alone makes it tiny.
      f.ret(
        call(
          packer,
          and(se, F.SIGN),
          select(eq(cls, CLASS_DENORMAL), i32(-63), and(se, F.EXP_MASK)),
          or(m, J),
          i64(0n),
          and(fr.fcw(), 0xfff),
        ),
      );
    });

  const fromInteger = mod.func([I64], [], (f) => {
    const value = f.param(0);
    f.if(eqz(value), () => {
      fr.result(f, i32(0), i64(0n));
      f.ret();
    });
    const negative = f.tmp(ltS(value, 0));
    const magnitude = f.tmp(select(negative, sub(i64(0n), value), value));
    const n = f.tmp(clz(magnitude));
    fr.result(f, or(shl(negative, 15), sub(i32(F.BIAS + 63), wrap(n))), shl(magnitude, n));
  });

  /** Splits |value| into integer `hi` and fraction `lo`; exponents that leave no integer part at all end as sticky bits. */
  const splitInteger = (f: Func, e: Expr, hi: Expr, lo: Expr): void => {
    f.set(lo, i64(0n));
    const n = f.tmp(sub(i32(F.BIAS + 63), e));
    f.if(gtS(n, 0), () => shiftRightJam(f, hi, lo, n));
  };

  const toInteger = mod.func([I32, I64, I32, I32], [I64], (f) => {
    const [se, m, bits, rc] = [f.param(0), f.param(1), f.param(2), f.param(3)];
    const hi = f.local(I64);
    const lo = f.local(I64);
    const up = f.local(I32);
    const limit = f.tmp(shl(i64(1n), extendU(sub(bits, 1))));
    const e = f.tmp(and(se, F.EXP_MASK));
    const negative = f.tmp(shrU(se, 15));
    const invalid = (): void => {
      fr.raise(f, F.IE);
      f.ret(sub(i64(0n), limit));
    };
    f.if(gtU(call(r.classify, se, m), CLASS_DENORMAL), invalid);
    f.if(gtS(e, F.BIAS + 63), invalid);
    f.set(hi, m);
    splitInteger(f, e, hi, lo);
    f.set(up, call(r.increments, rc, negative, wrap(and(hi, 1)), lo));
    f.set(hi, add(hi, extendU(up)));
    f.if(or(and(up, eqz(hi)), gtU(hi, sub(limit, extendU(eqz(negative))))), invalid);
    f.if(ne(lo, 0), () => fr.raise(f, F.PE));
    f.if(up, () => fr.raise(f, F.C1));
    f.ret(select(negative, sub(i64(0n), hi), hi));
  });

  const fromDecimal = mod.func([I64, I32], [], (f) => {
    const [low, high] = [f.param(0), f.param(1)];
    const value = f.local(I64);
    f.set(value, i64(0n));
    const digits = f.tmp(low);
    const left = f.tmp(sub(i32(16), 0));
    const count = f.temp(I32);
    f.set(count, left);
    f.set(value, extendU(add(mul(and(shrU(high, 4), 15), 10), and(high, 15))));
    const rest = f.temp(I64);
    f.set(rest, digits);
    f.loop((again) => {
      f.set(value, add(mul(value, 10), shrU(rest, 60)));
      f.set(rest, shl(rest, 4));
      f.set(count, sub(count, 1));
      f.brIf(again, count);
    });
    f.exec(fromInteger, value);
    fr.st32(f, F.RESULT_SE, or(fr.ld32(F.RESULT_SE), and(high, F.SIGN)));
  });

  const toDecimal = mod.func([I32, I64], [I64], (f) => {
    const [se, m] = [f.param(0), f.param(1)];
    const value = f.local(I64);
    const digits = f.local(I64);
    const shift = f.local(I64);
    f.set(value, call(toInteger, se, m, i32(64), fr.roundingControl()));
    f.if(ltS(value, 0), () => f.set(value, sub(i64(0n), value)));
    const invalid = or(and(fr.ld32(F.EXC), F.IE), gtU(value, i64(999_999_999_999_999_999n)));
    f.if(invalid, () => {
      fr.st32(f, F.EXC, or(and(fr.ld32(F.EXC), ~(F.PE | F.C1)), F.IE));
      fr.st64(f, F.EXTRA, i64(0xffffn));
      f.ret(i64(0xc000_0000_0000_0000n));
    });
    f.set(digits, i64(0n));
    f.set(shift, i64(0n));
    f.loop((again) => {
      f.set(digits, or(digits, shl(remU(value, i64(10n)), shift)));
      f.set(value, divU(value, i64(10n)));
      f.set(shift, add(shift, 4));
      f.brIf(again, ltU(shift, i64(64n)));
    });
    const tens = f.tmp(wrap(value));
    fr.st64(f, F.EXTRA, extendU(or(or(shl(divU(tens, 10), 4), remU(tens, 10)), and(se, F.SIGN))));
    f.ret(digits);
  });

  const roundToInteger = mod.func([I32, I64], [], (f) => {
    const [se, m] = [f.param(0), f.param(1)];
    const cls = f.tmp(call(r.classify, se, m));
    const hi = f.local(I64);
    const lo = f.local(I64);
    const up = f.local(I32);
    const e = f.tmp(and(se, F.EXP_MASK));
    const sign = f.tmp(and(se, F.SIGN));
    f.if(gtU(cls, CLASS_INFINITY), () => {
      f.exec(r.propagate, se, m, i32(0), i64(0n));
      f.ret();
    });
    f.if(or(eq(cls, CLASS_ZERO), geS(e, F.BIAS + 63)), () => {
      fr.result(f, se, m);
      f.ret();
    });
    f.if(eq(cls, CLASS_DENORMAL), () => {
      fr.raise(f, F.DE);
      f.if(fr.unmasked(F.DE), () => f.ret());
    });
    f.set(hi, m);
    splitInteger(f, e, hi, lo);
    f.set(up, call(r.increments, fr.roundingControl(), sign, wrap(and(hi, 1)), lo));
    f.if(ne(lo, 0), () => fr.raise(f, F.PE));
    f.if(up, () => fr.raise(f, F.C1));
    f.set(hi, add(hi, extendU(up)));
    f.if(
      eqz(hi),
      () => fr.result(f, sign, i64(0n)),
      () => {
        const n = f.tmp(clz(hi));
        fr.result(f, or(sign, sub(i32(F.BIAS + 63), wrap(n))), shl(hi, n));
      },
    );
  });

  const scale = mod.func([I32, I64, I32, I64], [], (f) => {
    const [aSe, aM, bSe, bM] = [f.param(0), f.param(1), f.param(2), f.param(3)];
    const n = f.local(I32);
    const sign = f.tmp(and(aSe, F.SIGN));
    const bNegative = f.tmp(and(bSe, F.SIGN));
    f.if(call(r.prepare, aSe, aM, bSe, bM), () => f.ret());
    const aInfinite = f.tmp(eq(fr.ld32(F.A_E), F.EXP_MASK));
    const aZero = f.tmp(eqz(fr.ld64(F.A_M)));
    const bE = f.tmp(fr.ld32(F.B_E));
    f.if(and(eq(bE, F.EXP_MASK), select(bNegative, aInfinite, aZero)), () => {
      fr.raise(f, F.IE);
      fr.indefinite(f);
      f.ret();
    });
    f.if(fr.unmasked(F.DE), () => f.ret());
    f.if(or(aInfinite, aZero), () => {
      fr.result(f, aSe, aM);
      f.ret();
    });
    f.if(eq(bE, F.EXP_MASK), () => {
      f.if(
        bNegative,
        () => fr.result(f, sign, i64(0n)),
        () => fr.result(f, or(sign, F.EXP_MASK), J),
      );
      f.ret();
    });
    f.if(
      ltS(bE, F.BIAS),
      () => f.set(n, i32(0)),
      () => {
        f.if(
          gtS(bE, F.BIAS + 15),
          () => f.set(n, i32(0x1_0000)),
          () => f.set(n, wrap(shrU(fr.ld64(F.B_M), extendU(sub(i32(F.BIAS + 63), bE))))),
        );
        f.if(bNegative, () => f.set(n, sub(i32(0), n)));
      },
    );
    f.exec(r.roundPack, sign, add(fr.ld32(F.A_E), n), fr.ld64(F.A_M), i64(0n), i64(0n));
  });

  const extract = mod.func([I32, I64], [], (f) => {
    const [se, m] = [f.param(0), f.param(1)];
    const sign = f.tmp(and(se, F.SIGN));
    const second = (se2: Expr, m2: Expr): void => {
      fr.st32(f, F.RESULT2_SE, se2);
      fr.st64(f, F.RESULT2_M, m2);
    };
    f.if(call(r.prepare, se, m, i32(F.BIAS), J), () => {
      second(fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M));
      f.ret();
    });
    f.if(eq(fr.ld32(F.A_E), F.EXP_MASK), () => {
      fr.result(f, se, m);
      second(i32(F.EXP_MASK), J);
      f.ret();
    });
    f.if(eqz(m), () => {
      fr.raise(f, F.ZE);
      fr.result(f, se, m);
      second(i32(F.SIGN | F.EXP_MASK), J);
      f.ret();
    });
    f.exec(fromInteger, extendS(sub(fr.ld32(F.A_E), F.BIAS)));
    second(fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M));
    fr.result(f, or(sign, F.BIAS), fr.ld64(F.A_M));
  });

  const compare = mod.func([I32, I64, I32, I64, I32], [I32], (f) => {
    const [aSe, aM, bSe, bM, quiet] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
    const ca = f.tmp(call(r.classify, aSe, aM));
    const cb = f.tmp(call(r.classify, bSe, bM));
    f.if(or(gtU(ca, CLASS_INFINITY), gtU(cb, CLASS_INFINITY)), () => {
      f.if(or(eqz(quiet), or(gtU(ca, CLASS_QNAN), gtU(cb, CLASS_QNAN))), () => fr.raise(f, F.IE));
      f.ret(i32(F.C0 | F.C2 | F.C3));
    });
    f.if(or(eq(ca, CLASS_DENORMAL), eq(cb, CLASS_DENORMAL)), () => fr.raise(f, F.DE));
    f.if(and(eq(ca, CLASS_ZERO), eq(cb, CLASS_ZERO)), () => f.ret(i32(F.C3)));
    const negative = f.tmp(shrU(aSe, 15));
    f.if(ne(negative, shrU(bSe, 15)), () => f.ret(select(negative, i32(F.C0), i32(0))));
    // Same sign: compare magnitudes. A pseudo-denormal has exponent 0 but counts as exponent 1.
    const exponent = (se: Expr, cls: Expr): Expr =>
      select(eq(cls, CLASS_DENORMAL), i32(1), and(se, F.EXP_MASK));
    const aE = f.tmp(exponent(aSe, ca));
    const bE = f.tmp(exponent(bSe, cb));
    f.if(and(eq(aE, bE), eq(aM, bM)), () => f.ret(i32(F.C3)));
    const less = or(ltU(aE, bE), and(eq(aE, bE), ltU(aM, bM)));
    f.ret(select(xor(less, negative), i32(F.C0), i32(0)));
  });

  return {
    packSingle,
    packDouble,
    fromSingle: fromNarrow(SINGLE),
    fromDouble: fromNarrow(DOUBLE),
    toSingle: toNarrow(SINGLE, packSingle),
    toDouble: toNarrow(DOUBLE, packDouble),
    fromInteger,
    toInteger,
    fromDecimal,
    toDecimal,
    roundToInteger,
    scale,
    extract,
    compare,
  };
}
