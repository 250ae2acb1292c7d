// SPDX-License-Identifier: BSD-3-Clause
/**
 * FPATAN, to below five units in the last place: atan(y/x) from a table of atan(i/8) and a series in the small rest.
 *
 * Source: SDM vol. 2A, FPATAN (table of special operands); vol. 1 §8.3.10 (accuracy).
 * @module
 */
import {
  add,
  and,
  call,
  div,
  eq,
  eqz,
  extendU,
  f64,
  f64FromI64Bits,
  f64FromI64U,
  gtS,
  gtU,
  i32,
  i32SatF64S,
  i64,
  ltS,
  mul as times,
  ne,
  nearest as roundEven,
  or,
  select,
  shl,
  sub,
  type Callee,
} from "../../wasm/expr.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as F from "./frame.ts";
import type { Soft } from "./soft.ts";
import { normalise } from "./round.ts";

import { PI_HI, PI_LO, fixed, num, setNum, type Series } from "./series.ts";

/** 3π/4; its exponent is 1. */
const THREE_QUARTERS_HI = 0x96cb_e3f9_990e_91a7n;
const THREE_QUARTERS_LO = 0x9394_c9e8_a0a5_159cn;
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

export function buildArctangent(mod: ModuleBuilder, soft: Soft, series: Series): Record<string, Callee> {
  const { fr, r, a, c, commit, underflow, pop } = soft;
  const { atan, apply, deliverKernel } = series;
  const out: Record<string, Callee> = {};
  const mul = a.mul128;

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
      f.set(hi, call(mul, t.m, call(atan, f.tmp(call(mul, tf, tf)))));
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
