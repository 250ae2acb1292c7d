// SPDX-License-Identifier: BSD-3-Clause
/**
 * SSE and SSE2 arithmetic: sums, products, quotients, roots, approximations of reciprocals, and SSE3's rearranged sums.
 *
 * Source: SDM vol. 2 at each instruction, vol. 1 §11.5.
 * @module
 */
import {
  and,
  f32,
  f64,
  ge,
  i32,
  i32FromF32Bits,
  i64FromF64Bits,
  lt,
  sqrt,
  type Expr,
} from "../../wasm/expr.ts";
import type { Ctx } from "../ctx.ts";
import { Vx, Wx, type Row, type Semantics } from "../row.ts";
import { SSE_A, SSE_B } from "./scratch.ts";
import {
  setXmm,
  setXmmLow32,
  setXmmLow64,
  source128,
  sourceVector,
  sseReady,
  xmm,
  RowList,
  sourceDouble,
  sourceSingle,
} from "./operands.ts";
import * as V from "./simd.ts";

import {
  MIN32,
  MIN64,
  attempt,
  settled,
  putScratch,
  exact,
  resultVector,
  result64,
  result32,
  type Packed,
  PS,
  PD,
  type Name,
  exactDouble,
  exactSingle,
  exactSingles,
  exactDoubles,
  VECTOR,
  SCALAR,
  ordinaryScalars,
  usualVectors,
} from "./fast.ts";

const list = new RowList();
const { rows } = list;
const row = list.row.bind(list);
// ---------------------------------------------------------------- arithmetic

function packedArithmetic(name: Name, p: Packed): Semantics {
  return (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const a = x.tmp(xmm(x, 0));
    const r = x.tmp(VECTOR[p.suffix][name](a, b));
    attempt(
      x,
      and(x.mxcsrIsSteady(), usualVectors(x, name, p, a, b, r)),
      () => setXmm(x, 0, r),
      () => {
        exact(x, `sse${name}p${p.suffix}`, a, b);
        setXmm(x, 0, resultVector(x));
      },
    );
  };
}
function scalarArithmetic(name: Name, p: Packed): Semantics {
  const isSingle = p.suffix === "s";
  const [first, withFirst] = isSingle ? [V.f32x4Extract, V.f32x4Replace] : [V.f64x2Extract, V.f64x2Replace];
  const bits = (v: Expr): Expr => (isSingle ? V.i32x4Extract(v, 0) : V.i64x2Extract(v, 0));
  return (x) => {
    sseReady(x);
    const b = x.isMem(1) ? sourceVector(x, 1, isSingle ? 4 : 8) : x.tmp(xmm(x, 1));
    const a = x.tmp(xmm(x, 0));
    const r = x.tmp(withFirst(a, 0, SCALAR[name](first(a, 0), first(b, 0))));
    attempt(
      x,
      and(x.mxcsrIsSteady(), ordinaryScalars(x, p, a, b, r)),
      () => setXmm(x, 0, r),
      () => {
        exact(x, `sse${name}s${p.suffix}`, bits(a), bits(b));
        if (isSingle) setXmmLow32(x, 0, result32(x));
        else setXmmLow64(x, 0, result64(x));
      },
    );
  };
}
for (const [opcode, name] of [
  [0x0f58, "add"],
  [0x0f59, "mul"],
  [0x0f5c, "sub"],
  [0x0f5e, "div"],
] as const) {
  row(opcode, 0, `${name}ps`, [Vx, Wx()], packedArithmetic(name, PS));
  row(opcode, 0x66, `${name}pd`, [Vx, Wx()], packedArithmetic(name, PD));
  row(opcode, 0xf3, `${name}ss`, [Vx, Wx(4)], scalarArithmetic(name, PS));
  row(opcode, 0xf2, `${name}sd`, [Vx, Wx(8)], scalarArithmetic(name, PD));
}

// ------------------------------------------------------------------ square root

function packedRoot(p: Packed, root: (a: Expr) => Expr): Semantics {
  return (x) => {
    sseReady(x);
    const b = source128(x, 1);
    // Positive ordinary numbers: the root of one is one.
    const usual = p.allTrue(V.vAnd(p.ge(b, p.minimum), p.lt(b, p.infinity)));
    const r = x.tmp(root(b));
    const isExact = p.suffix === "s" ? exactSingles("div", b, r, r) : exactDoubles("div", b, r, r);
    attempt(
      x,
      and(usual, settled(x, isExact)),
      () => setXmm(x, 0, r),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, `ssesqrt${p.suffix}`, i32(p.lanes));
        setXmm(x, 0, resultVector(x));
      },
    );
  };
}
row(0x0f51, 0, "sqrtps", [Vx, Wx()], packedRoot(PS, V.f32x4Sqrt));
row(0x0f51, 0x66, "sqrtpd", [Vx, Wx()], packedRoot(PD, V.f64x2Sqrt));
row(0x0f51, 0xf3, "sqrtss", [Vx, Wx(4)], (x) => {
  sseReady(x);
  const v = sourceSingle(x, 1);
  const b = i32FromF32Bits(v);
  const r = x.tmp(sqrt(v));
  const usual = and(ge(v, f32(MIN32)), lt(v, f32(Infinity)));
  const isExact = exactSingle("div", b, i32FromF32Bits(r), r);
  attempt(
    x,
    and(usual, settled(x, isExact)),
    () => x.setXmmLane(0, r),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "ssesqrts", i32(1));
      setXmmLow32(x, 0, result32(x));
    },
  );
});
row(0x0f51, 0xf2, "sqrtsd", [Vx, Wx(8)], (x) => {
  sseReady(x);
  const v = sourceDouble(x, 1);
  const b = i64FromF64Bits(v);
  const r = x.tmp(sqrt(v));
  const usual = and(ge(v, f64(MIN64)), lt(v, f64(Infinity)));
  const isExact = exactDouble("div", b, i64FromF64Bits(r), r);
  attempt(
    x,
    and(usual, settled(x, isExact)),
    () => x.setXmmLane(0, r),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "ssesqrtd", i32(1));
      setXmmLow64(x, 0, result64(x));
    },
  );
});

// ----------------------------------------------------------------- approximations

/**
 * RCPPS and RSQRTPS raise nothing and ignore MXCSR. They are computed to full precision; denormal operands count as zero
 * and denormal results become zero, as on the processors.
 */
function approximate(opcode: number, name: string, fn: (v: Expr) => Expr): void {
  const flush = (v: Expr): Expr =>
    V.vSelect(
      v,
      V.vAnd(v, V.words(-0x8000_0000, -0x8000_0000, -0x8000_0000, -0x8000_0000)),
      V.vOr(V.vOr(V.f32x4Ge(V.f32x4Abs(v), PS.minimum), V.f32x4Ne(v, v)), V.f32x4Eq(v, V.ZERO_VECTOR)),
    );
  /** NaNs of the operand, quiet; the default NaN for other invalid operations. */
  const result = (x: Ctx, operand: Expr): Expr => {
    const v = x.tmp(flush(operand));
    const r = x.tmp(flush(fn(v)));
    const quiet = V.vOr(operand, V.words(0x40_0000, 0x40_0000, 0x40_0000, 0x40_0000));
    const indefinite = V.words(-0x40_0000, -0x40_0000, -0x40_0000, -0x40_0000);
    const made = V.vSelect(indefinite, r, V.f32x4Ne(r, r));
    return V.vSelect(quiet, made, V.f32x4Ne(operand, operand));
  };
  row(opcode, 0, `${name}ps`, [Vx, Wx()], (x) => {
    sseReady(x);
    setXmm(x, 0, result(x, source128(x, 1)));
  });
  row(opcode, 0xf3, `${name}ss`, [Vx, Wx(4)], (x) => {
    sseReady(x);
    const b = sourceVector(x, 1, 4);
    setXmmLow32(x, 0, V.i32x4Extract(result(x, b), 0));
  });
}
const ONES = V.words(0x3f80_0000, 0x3f80_0000, 0x3f80_0000, 0x3f80_0000);
approximate(0x0f53, "rcp", (v) => V.f32x4Div(ONES, v));
approximate(0x0f52, "rsqrt", (v) => V.f32x4Div(ONES, V.f32x4Sqrt(v)));

// ------------------------------------------------------------------------- SSE3

const SSE3 = { feature: "sse3" } as const;

/** Sums and differences whose operands are rearranged first: done by the exact functions of ADD and SUB. */
function rearranged(
  opcode: number,
  prefix: 0x66 | 0xf2,
  name: string,
  p: Packed,
  fast: (a: Expr, b: Expr) => Expr,
  left: (a: Expr, b: Expr) => Expr,
  right: (a: Expr, b: Expr) => Expr,
  exactName: string,
): void {
  row(
    opcode,
    prefix,
    name,
    [Vx, Wx()],
    (x) => {
      sseReady(x);
      const b = source128(x, 1);
      const a = x.tmp(xmm(x, 0));
      const r = x.tmp(fast(a, b));
      const lanes = V.vAnd(V.vAnd(p.notDenormal(a), p.notDenormal(b)), p.lt(p.abs(r), p.infinity));
      const [l, q] = [x.tmp(left(a, b)), x.tmp(right(a, b))];
      const kernel = exactName.includes("add") ? "add" : "sub";
      const isExact = p.suffix === "s" ? exactSingles(kernel, l, q, r) : exactDoubles(kernel, l, q, r);
      attempt(
        x,
        and(p.allTrue(lanes), settled(x, isExact)),
        () => setXmm(x, 0, r),
        () => {
          putScratch(x, SSE_A, l);
          putScratch(x, SSE_B, q);
          exact(x, exactName, i32(p.lanes));
          setXmm(x, 0, resultVector(x));
        },
      );
    },
    SSE3,
  );
}
const evenSingles = (a: Expr, b: Expr): Expr => V.shuffleElements(4, a, b, [0, 2, 4, 6]);
const oddSingles = (a: Expr, b: Expr): Expr => V.shuffleElements(4, a, b, [1, 3, 5, 7]);
const lowDoubles = (a: Expr, b: Expr): Expr => V.shuffleElements(8, a, b, [0, 2]);
const highDoubles = (a: Expr, b: Expr): Expr => V.shuffleElements(8, a, b, [1, 3]);
for (const [opcode, name, ps, pd] of [
  [0x0f7c, "hadd", V.f32x4Add, V.f64x2Add],
  [0x0f7d, "hsub", V.f32x4Sub, V.f64x2Sub],
] as const) {
  const kernel = name.slice(1);
  rearranged(
    opcode,
    0xf2,
    `${name}ps`,
    PS,
    (a, b) => ps(evenSingles(a, b), oddSingles(a, b)),
    evenSingles,
    oddSingles,
    `sse${kernel}s`,
  );
  rearranged(
    opcode,
    0x66,
    `${name}pd`,
    PD,
    (a, b) => pd(lowDoubles(a, b), highDoubles(a, b)),
    lowDoubles,
    highDoubles,
    `sse${kernel}d`,
  );
}
// ADDSUB: the even lanes subtract, so for NaNs the sign of b must not be flipped beforehand; a selector decides in the exact path.
const SIGNS32 = V.words(-0x8000_0000, -0x8000_0000, -0x8000_0000, -0x8000_0000);
const SIGNS64 = V.words(0, -0x8000_0000, 0, -0x8000_0000);
function addSub(
  prefix: 0x66 | 0xf2,
  name: string,
  p: Packed,
  addition: V.Vector2,
  subtraction: V.Vector2,
  odd: Expr,
): void {
  row(
    0x0fd0,
    prefix,
    name,
    [Vx, Wx()],
    (x) => {
      sseReady(x);
      const b = source128(x, 1);
      const a = x.tmp(xmm(x, 0));
      const r = x.tmp(V.vSelect(addition(a, b), subtraction(a, b), odd));
      const lanes = V.vAnd(V.vAnd(p.notDenormal(a), p.notDenormal(b)), p.lt(p.abs(r), p.infinity));
      const signed = x.tmp(V.vXor(b, V.vAndNot(p.suffix === "s" ? SIGNS32 : SIGNS64, odd)));
      const isExact =
        p.suffix === "s" ? exactSingles("add", a, signed, r) : exactDoubles("add", a, signed, r);
      attempt(
        x,
        and(p.allTrue(lanes), settled(x, isExact)),
        () => setXmm(x, 0, r),
        () => {
          putScratch(x, SSE_A, a);
          putScratch(x, SSE_B, b);
          exact(x, `sseaddsub${p.suffix}`, i32(p.lanes));
          setXmm(x, 0, resultVector(x));
        },
      );
    },
    SSE3,
  );
}
addSub(0xf2, "addsubps", PS, V.f32x4Add, V.f32x4Sub, V.words(0, -1, 0, -1));
addSub(0x66, "addsubpd", PD, V.f64x2Add, V.f64x2Sub, V.words(0, 0, -1, -1));

export const SSE_ARITHMETIC_ROWS: readonly Row[] = rows;
