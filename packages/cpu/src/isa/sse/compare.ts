// SPDX-License-Identifier: BSD-3-Clause
/**
 * SSE and SSE2 minimum, maximum and comparisons.
 *
 * Source: SDM vol. 2 at each instruction, vol. 1 §11.5.
 * @module
 */
import { EXC_XM } from "../../exception.ts";
import { PF, CF, ZF } from "../../state.ts";
import {
  and,
  call,
  choose,
  eq,
  f32,
  f64,
  ge,
  gtS,
  i32,
  lt,
  ltS,
  or,
  select,
  shl,
  sub,
  type Expr,
  i32FromF32Bits,
  i64FromF64Bits,
} from "../../wasm/expr.ts";
import { I32, F32, F64 } from "../../wasm/opcodes.ts";
import { Ib, Vx, Wx, type Row, type Semantics } from "../row.ts";
import { EQUAL, LESS, SSE_A, SSE_B, UNORDERED } from "./scratch.ts";
import {
  setXmm,
  setXmmLow32,
  setXmmLow64,
  source32,
  source64,
  source128,
  sseReady,
  xmm,
  low32,
  low64,
  RowList,
  sourceDouble,
  sourceSingle,
} from "./operands.ts";
import * as V from "./simd.ts";

import {
  MIN32,
  MIN64,
  rt,
  putScratch,
  exact,
  resultVector,
  result64,
  result32,
  notDenormal64,
  notDenormal32,
  type Packed,
  PS,
  PD,
  isNumber,
  attempt,
} from "./fast.ts";

const list = new RowList();
const { rows } = list;
const row = list.row.bind(list);
// ------------------------------------------------------ minimum, maximum, compare

/** No flag can change for lanes that are ordered and not denormal, whatever MXCSR says. */
function comparable(p: Packed, a: Expr, b: Expr): Expr {
  const ordered = V.vAnd(p.eq(a, a), p.eq(b, b));
  return p.allTrue(V.vAnd(ordered, V.vAnd(p.notDenormal(a), p.notDenormal(b))));
}
/** comparable() of two scalars. */
function comparableScalar(p: Packed, a: Expr, b: Expr): Expr {
  const isSingle = p.suffix === "s";
  const [splat, first] = isSingle ? [V.f32x4Splat, V.f32x4Extract] : [V.f64x2Splat, V.f64x2Extract];
  const smaller = first(p.pmin(p.abs(splat(a)), p.abs(splat(b))), 0);
  const noDenormals = isSingle
    ? and(notDenormal32(i32FromF32Bits(a)), notDenormal32(i32FromF32Bits(b)))
    : and(notDenormal64(i64FromF64Bits(a)), notDenormal64(i64FromF64Bits(b)));
  // A NaN in `a` comes through the minimum, one in `b` does not.
  const ordinary = ge(smaller, isSingle ? f32(MIN32) : f64(MIN64));
  return and(isNumber(b), choose(ordinary, i32(1), and(isNumber(a), noDenormals)));
}
function packedExtremum(name: "min" | "max", p: Packed): Semantics {
  return (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const a = x.tmp(xmm(x, 0));
    attempt(
      x,
      comparable(p, a, b),
      () => setXmm(x, 0, V.vSelect(a, b, name === "min" ? p.lt(a, b) : p.lt(b, a))),
      () => {
        putScratch(x, SSE_A, a);
        putScratch(x, SSE_B, b);
        exact(x, `sse${name}${p.suffix}`, i32(p.lanes));
        setXmm(x, 0, resultVector(x));
      },
    );
  };
}
function scalarExtremum(name: "min" | "max", wide: boolean): Semantics {
  return (x) => {
    sseReady(x);
    const vb = wide ? sourceDouble(x, 1) : sourceSingle(x, 1);
    const va = x.tmp(x.xmmLane(0, wide ? F64 : F32));
    const [a, b] = wide ? [i64FromF64Bits(va), i64FromF64Bits(vb)] : [i32FromF32Bits(va), i32FromF32Bits(vb)];
    const set = wide ? setXmmLow64 : setXmmLow32;
    attempt(
      x,
      comparableScalar(wide ? PD : PS, va, vb),
      () => x.setXmmLane(0, select(name === "min" ? lt(va, vb) : lt(vb, va), va, vb)),
      () => {
        putScratch(x, SSE_A, a);
        putScratch(x, SSE_B, b);
        exact(x, `sse${name}${wide ? "d" : "s"}`, i32(1));
        set(x, 0, wide ? result64(x) : result32(x));
      },
    );
  };
}
for (const [opcode, name] of [
  [0x0f5d, "min"],
  [0x0f5f, "max"],
] as const) {
  row(opcode, 0, `${name}ps`, [Vx, Wx()], packedExtremum(name, PS));
  row(opcode, 0x66, `${name}pd`, [Vx, Wx()], packedExtremum(name, PD));
  row(opcode, 0xf3, `${name}ss`, [Vx, Wx(4)], scalarExtremum(name, false));
  row(opcode, 0xf2, `${name}sd`, [Vx, Wx(8)], scalarExtremum(name, true));
}

/** CMPxx: the predicate is an immediate, so all eight come from two bits and an inversion. */
function packedCompare(p: Packed): Semantics {
  return (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const a = x.tmp(xmm(x, 0));
    const imm = x.tmp(and(x.imm(), 7));
    attempt(
      x,
      comparable(p, a, b),
      () => {
        // Ordered lanes: EQ LT LE UNORD are the base, NEQ NLT NLE ORD their inverses.
        const base = x.tmp(and(imm, 3));
        const mask = (predicate: number): Expr => V.i32x4Splat(sub(i32(0), eq(base, predicate)));
        const truth = V.vOr(
          V.vAnd(p.eq(a, b), mask(0)),
          V.vOr(V.vAnd(p.lt(a, b), mask(1)), V.vAnd(p.le(a, b), mask(2))),
        );
        setXmm(x, 0, V.vXor(truth, V.i32x4Splat(sub(i32(0), gtS(imm, 3)))));
      },
      () => {
        putScratch(x, SSE_A, a);
        putScratch(x, SSE_B, b);
        exact(x, `ssecmp${p.suffix}`, i32(p.lanes), imm);
        setXmm(x, 0, resultVector(x));
      },
    );
  };
}
function scalarCompare(wide: boolean): Semantics {
  return (x) => {
    sseReady(x);
    const b = wide ? source64(x, 1) : source32(x, 1);
    putScratch(x, SSE_A, wide ? low64(x, 0) : low32(x, 0));
    putScratch(x, SSE_B, b);
    exact(x, `ssecmp${wide ? "d" : "s"}`, i32(1), and(x.imm(), 7));
    if (wide) setXmmLow64(x, 0, result64(x));
    else setXmmLow32(x, 0, result32(x));
  };
}
row(0x0fc2, 0, "cmpps", [Vx, Wx(), Ib], packedCompare(PS));
row(0x0fc2, 0x66, "cmppd", [Vx, Wx(), Ib], packedCompare(PD));
row(0x0fc2, 0xf3, "cmpss", [Vx, Wx(4), Ib], scalarCompare(false));
row(0x0fc2, 0xf2, "cmpsd", [Vx, Wx(8), Ib], scalarCompare(true));

function compareToFlags(wide: boolean, signalQuiet: number): Semantics {
  return (x) => {
    sseReady(x);
    const vb = wide ? sourceDouble(x, 1) : sourceSingle(x, 1);
    const va = x.tmp(x.xmmLane(0, wide ? F64 : F32));
    const [a, b] = wide ? [i64FromF64Bits(va), i64FromF64Bits(vb)] : [i32FromF32Bits(va), i32FromF32Bits(vb)];
    const flags = x.f.temp(I32);
    attempt(
      x,
      comparableScalar(wide ? PD : PS, va, vb),
      () => x.f.set(flags, or(lt(va, vb), shl(eq(va, vb), 6))),
      () => {
        putScratch(x, SSE_A, a);
        putScratch(x, SSE_B, b);
        const outcome = x.tmp(call(rt(x, `ssecompare${wide ? "d" : "s"}`), i32(signalQuiet)));
        x.raiseIf(ltS(outcome, 0), EXC_XM);
        const value = select(eq(outcome, LESS), i32(CF), select(eq(outcome, EQUAL), i32(ZF), i32(0)));
        x.f.set(flags, select(eq(outcome, UNORDERED), i32(CF | PF | ZF), value));
      },
    );
    x.flagsRaw(flags);
  };
}
row(0x0f2e, 0, "ucomiss", [Vx, Wx(4)], compareToFlags(false, 0));
row(0x0f2e, 0x66, "ucomisd", [Vx, Wx(8)], compareToFlags(true, 0));
row(0x0f2f, 0, "comiss", [Vx, Wx(4)], compareToFlags(false, 1));
row(0x0f2f, 0x66, "comisd", [Vx, Wx(8)], compareToFlags(true, 1));

export const SSE_COMPARE_ROWS: readonly Row[] = rows;
