// SPDX-License-Identifier: BSD-3-Clause
/**
 * What SSE arithmetic does when the test in line failed: the cases that are still simple (zeros, PE not set yet and the result provably
 * exact), else the exact functions. Takes the operands, leaves the result at SSE_R, returns 1 when #XM must be raised.
 * @module
 */
import * as S from "../../state.ts";
import {
  and,
  call,
  choose,
  eq,
  f32,
  f32FromI32Bits,
  f64,
  f64FromI64Bits,
  i32,
  i32FromF32Bits,
  i64FromF64Bits,
  or,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64, V128, type ValType } from "../../wasm/opcodes.ts";
import type { Frame } from "../x87/frame.ts";
import {
  PD,
  PS,
  SCALAR,
  VECTOR,
  attemptIn,
  exactDouble,
  exactDoubles,
  exactSingle,
  exactSingles,
  finite32,
  finite64,
  notDenormal32,
  notDenormal64,
  notTiny32,
  notTiny64,
  plain,
  usualLanes,
  type Name,
} from "./fast.ts";
import { SSE_A, SSE_B, SSE_R } from "./scratch.ts";

const NAMES: readonly Name[] = ["add", "sub", "mul", "div"];

/** A result that is not tiny, or the exact zero of a zero operand. Tiny sums are exact. */
function usual(name: Name, a: Expr, b: Expr, r: Expr, zero: Expr, notTiny: Expr, isFinite: Expr): Expr {
  if (name === "add" || name === "sub") return isFinite;
  const zeroOperand = name === "mul" ? or(eq(a, zero), eq(b, zero)) : eq(a, zero);
  return and(isFinite, choose(notTiny, i32(1), and(eq(r, zero), zeroOperand)));
}

/** `exact`: the drivers of float-runtime.ts by name. */
export function buildSecondTries(
  m: ModuleBuilder,
  fr: Frame,
  exact: Readonly<Record<string, Callee>>,
): Record<string, Callee> {
  const out: Record<string, Callee> = {};
  const mxcsr = (): Expr => fr.ld32(S.MXCSR);
  /** MXCSR has its usual control bits, and PE is set or cannot be raised. */
  const settled = (isExact: Expr): Expr =>
    choose(
      eq(and(mxcsr(), S.MXCSR_STEADY_MASK), S.MXCSR_STEADY),
      i32(1),
      choose(plain(mxcsr()), isExact, i32(0)),
    );
  const put = (f: Func, offset: number, value: Expr): void => {
    const op = value.ty === V128 ? W.V128_STORE : value.ty === I64 ? W.I64_STORE : W.I32_STORE;
    f.store(op, i32(0), value, fr.base + offset);
  };
  /** (a, b) → raise. `attempt` gives result and condition. */
  const build = (
    ty: ValType,
    driver: string,
    lanes: number,
    attempt: (f: Func, a: Expr, b: Expr) => [result: Expr, ok: Expr],
  ): Callee =>
    m.func([ty, ty], [I32], (f) => {
      const [a, b] = [f.param(0), f.param(1)];
      const [result, ok] = attempt(f, a, b);
      attemptIn(
        f,
        ok,
        () => {
          put(f, SSE_R, result);
          f.ret(i32(0));
        },
        () => {
          put(f, SSE_A, a);
          put(f, SSE_B, b);
          f.ret(call(exact[driver]!, i32(lanes)));
        },
      );
      f.unreachable();
    });
  for (const name of NAMES) {
    out[`sse${name}sd`] = build(I64, `sse${name}d`, 1, (f, a, b) => {
      const [va, vb] = [f64FromI64Bits(a), f64FromI64Bits(b)];
      const r = f.tmp(SCALAR[name](va, vb));
      const ok = and(
        and(notDenormal64(a), notDenormal64(b)),
        usual(name, va, vb, r, f64(0), notTiny64(r), finite64(r)),
      );
      return [i64FromF64Bits(r), and(ok, settled(exactDouble(name, a, b, r)))];
    });
    out[`sse${name}ss`] = build(I32, `sse${name}s`, 1, (f, a, b) => {
      const [va, vb] = [f32FromI32Bits(a), f32FromI32Bits(b)];
      const r = f.tmp(SCALAR[name](va, vb));
      const ok = and(
        and(notDenormal32(a), notDenormal32(b)),
        usual(name, va, vb, r, f32(0), notTiny32(r), finite32(r)),
      );
      return [i32FromF32Bits(r), and(ok, settled(exactSingle(name, a, b, r)))];
    });
    for (const p of [PS, PD]) {
      out[`sse${name}p${p.suffix}`] = build(V128, `sse${name}${p.suffix}`, p.lanes, (f, a, b) => {
        const r = f.tmp(VECTOR[p.suffix][name](a, b));
        const isExact = p.suffix === "s" ? exactSingles(name, a, b, r) : exactDoubles(name, a, b, r);
        return [r, and(p.allTrue(usualLanes(name, p, a, b, r)), settled(isExact))];
      });
    }
  }
  return out;
}
