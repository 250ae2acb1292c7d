// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the rows of SSE and SSE2 floating point share: when WebAssembly's own arithmetic is good enough, and how to reach the exact
 * functions otherwise.
 *
 * Fast path: WebAssembly's own arithmetic, which rounds to nearest and keeps no flags. It is right whenever no flag can change
 * and MXCSR rounds to nearest, i.e. when
 *   - MXCSR has all exceptions masked, nearest, no DAZ, no FTZ,
 *   - operands are no denormals and the result is an ordinary number, so that only PE could be raised, and
 *   - PE is set already (any inexact result sets it, and it stays set), or a cheap test proves the result exact.
 * Everything else goes to the functions of float-runtime.ts, which set PE on the way.
 *
 * Source: SDM vol. 1 §10.2.3, §11.5.
 * @module
 */
import { EXC_XM } from "../../exception.ts";
import { MXCSR } from "../../state.ts";
import {
  NODE_IF,
  abs,
  add,
  and,
  call,
  choose,
  ctz,
  div,
  eq,
  eqz,
  f32,
  f32FromI32Bits,
  f64,
  f64FromI64Bits,
  ge,
  geU,
  i32,
  i64,
  i64FromF64Bits,
  lt,
  mul,
  neg,
  or,
  promote,
  shl,
  sub,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func, Label } from "../../wasm/func.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64, V128 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { SSE_R } from "./scratch.ts";
import * as V from "./simd.ts";

/** Everything of MXCSR but the exception flags, and its usual value. */
const CONTROL_MASK = 0xffc0;
const CONTROL_PLAIN = 0x1f80;
const OP_I32_AND = 0x71;
/** Smallest normal numbers. */
export const MIN32 = 2 ** -126;
export const MIN64 = 2 ** -1022;

export function rt(x: Ctx, name: string): Callee {
  const callee = x.rt[name];
  if (callee === undefined) throw new Error(`no runtime function ${name}`);
  return callee;
}
/** 1 when MXCSR (given) has its usual control bits. */
export function plain(mxcsr: Expr): Expr {
  return eq(and(mxcsr, CONTROL_MASK), CONTROL_PLAIN);
}
/** 1 when MXCSR has its usual control bits and rounding cannot change it: PE is set, or `isExact` (evaluated only then). */
export function settled(x: Ctx, isExact: Expr): Expr {
  return choose(x.mxcsrIsSteady(), i32(1), choose(plain(x.state(MXCSR)), isExact, i32(0)));
}

/**
 * `fast` if the condition holds, else `slow`. Conjunctions made with and(), and disjunctions made with choose(a, 1, b), become
 * branches of their own: compare and branch fuse, and no truth value is computed. The two may change memory, state and
 * temporaries only (see X4 of Ctx).
 */
export function attempt(x: Ctx, condition: Expr, fast: () => void, slow: () => void): void {
  attemptIn(x.f, condition, fast, slow);
}
/** attempt() in any function. */
export function attemptIn(f: Func, condition: Expr, fast: () => void, slow: () => void): void {
  f.block((done) => {
    f.block((fail) => {
      unless(f, condition, fail);
      fast();
      f.br(done);
    });
    slow();
  });
}
/** Branches to `fail` when the truth value is 0. */
function unless(f: Func, condition: Expr, fail: Label): void {
  const { op, a, b, c } = condition;
  if (op === OP_I32_AND) {
    unless(f, a!, fail);
    unless(f, b!, fail);
  } else if (op === NODE_IF && a!.op === W.OP_I32_CONST && a!.imm === 1) {
    f.if(eqz(c!), () => unless(f, b!, fail));
  } else if (op !== W.OP_I32_CONST || condition.imm === 0) {
    f.brIf(fail, eqz(condition));
  }
}
const SCRATCH0 = i32(0);
export function putScratch(x: Ctx, offset: number, value: Expr): void {
  const o = value.ty === V128 ? W.V128_STORE : value.ty === I64 ? W.I64_STORE : W.I32_STORE;
  x.stateStore(o, SCRATCH0, value, offset);
}
/** Calls an exact function; #XM if it says so. */
export function exact(x: Ctx, name: string, ...args: Expr[]): void {
  const raises = x.tmp(call(rt(x, name), ...args));
  x.mxcsrChanged();
  x.raiseIf(raises, EXC_XM);
}
export const resultVector = (x: Ctx): Expr => x.stateLoad(W.V128_LOAD, V128, SCRATCH0, SSE_R);
export const result64 = (x: Ctx): Expr => x.stateLoad(W.I64_LOAD, I64, SCRATCH0, SSE_R);
export const result32 = (x: Ctx): Expr => x.stateLoad(W.I32_LOAD, I32, SCRATCH0, SSE_R);

// ------------------------------------------------------------- lane conditions

/** 1 unless zero, denormal or NaN. */
export const notTiny64 = (v: Expr): Expr => ge(abs(v), f64(MIN64));
export const notTiny32 = (v: Expr): Expr => ge(abs(v), f32(MIN32));
export const finite64 = (v: Expr): Expr => lt(abs(v), f64(Infinity));
export const finite32 = (v: Expr): Expr => lt(abs(v), f32(Infinity));
/** 1 unless NaN. */
export const isNumber = (v: Expr): Expr => eq(v, v);
/** 1 unless the bits are a denormal's. */
export function notDenormal64(bits: Expr): Expr {
  return geU(sub(shl(bits, 1), i64(1n)), i64((1n << 53n) - 1n));
}
export function notDenormal32(bits: Expr): Expr {
  return geU(sub(shl(bits, 1), 1), i32(0x00ff_ffff));
}

export interface Packed {
  readonly suffix: "s" | "d";
  readonly lanes: number;
  readonly abs: (a: Expr) => Expr;
  /** b < a ? b : a */
  readonly pmin: V.Vector2;
  readonly ge: V.Vector2;
  readonly lt: V.Vector2;
  readonly le: V.Vector2;
  readonly eq: V.Vector2;
  readonly ne: V.Vector2;
  readonly minimum: Expr;
  readonly infinity: Expr;
  readonly allTrue: (a: Expr) => Expr;
  readonly notDenormal: (a: Expr) => Expr;
}
export const f64Words = (v: number): Expr => {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, v, true);
  return V.words(
    bits.getInt32(0, true),
    bits.getInt32(4, true),
    bits.getInt32(0, true),
    bits.getInt32(4, true),
  );
};
const MIN32_BITS = 0x0080_0000;
const INF32_BITS = 0x7f80_0000;
export const PS: Packed = {
  suffix: "s",
  lanes: 4,
  abs: V.f32x4Abs,
  pmin: V.f32x4Pmin,
  ge: V.f32x4Ge,
  lt: V.f32x4Lt,
  le: V.f32x4Le,
  eq: V.f32x4Eq,
  ne: V.f32x4Ne,
  minimum: V.words(MIN32_BITS, MIN32_BITS, MIN32_BITS, MIN32_BITS),
  infinity: V.words(INF32_BITS, INF32_BITS, INF32_BITS, INF32_BITS),
  allTrue: V.i32x4AllTrue,
  notDenormal: (a) =>
    V.i32x4GeU(
      V.i32x4Sub(V.i32x4Shl(a, 1), V.words(1, 1, 1, 1)),
      V.words(0x00ff_ffff, 0x00ff_ffff, 0x00ff_ffff, 0x00ff_ffff),
    ),
};
export const PD: Packed = {
  suffix: "d",
  lanes: 2,
  abs: V.f64x2Abs,
  pmin: V.f64x2Pmin,
  ge: V.f64x2Ge,
  lt: V.f64x2Lt,
  le: V.f64x2Le,
  eq: V.f64x2Eq,
  ne: V.f64x2Ne,
  minimum: f64Words(MIN64),
  infinity: f64Words(Infinity),
  allTrue: V.i64x2AllTrue,
  notDenormal: (a) => V.vOr(V.f64x2Ge(V.f64x2Abs(a), f64Words(MIN64)), V.f64x2Eq(a, V.ZERO_VECTOR)),
};

/** The operations whose exactness can be tested. */
export type Name = "add" | "sub" | "mul" | "div";

// ------------------------------------------------------------- exactness tests

/** What rounding to nearest lost of a + b = r (Knuth's TwoSum), by the operations of the format. */
export function lost(plus: V.Vector2, minus: V.Vector2, a: Expr, b: Expr, r: Expr): Expr {
  const part = minus(r, a);
  return plus(minus(a, minus(r, part)), minus(b, part));
}
/** Low zero bits of an f64's significand. A product of two is exact when theirs add up to 53. */
function trailing(bits: Expr): Expr {
  return ctz(or(bits, i64(1n << 52n)));
}
export function fits(a: Expr, b: Expr): Expr {
  return geU(add(trailing(a), trailing(b)), i64(53n));
}
export function exactDouble(name: Name, a: Expr, b: Expr, r: Expr): Expr {
  const [va, vb] = [f64FromI64Bits(a), f64FromI64Bits(b)];
  switch (name) {
    case "add":
      return eq(lost(add, sub, va, vb, r), f64(0));
    case "sub":
      return eq(lost(add, sub, va, neg(vb), r), f64(0));
    case "mul":
      return fits(a, b);
    case "div":
      return and(fits(i64FromF64Bits(r), b), eq(mul(r, vb), va));
  }
}
/** Products of singles are exact as doubles, which makes the tests sharp. */
export function exactSingle(name: Name, a: Expr, b: Expr, r: Expr): Expr {
  const [va, vb] = [f32FromI32Bits(a), f32FromI32Bits(b)];
  switch (name) {
    case "add":
      return eq(lost(add, sub, va, vb, r), f32(0));
    case "sub":
      return eq(lost(add, sub, va, neg(vb), r), f32(0));
    case "mul":
      return eq(mul(promote(va), promote(vb)), promote(r));
    case "div":
      return eq(mul(promote(r), promote(vb)), promote(va));
  }
}
export function exactSingles(name: Name, a: Expr, b: Expr, r: Expr): Expr {
  if (name === "add") return PS.allTrue(V.f32x4Eq(lost(V.f32x4Add, V.f32x4Sub, a, b, r), V.ZERO_VECTOR));
  if (name === "sub")
    return PS.allTrue(V.f32x4Eq(lost(V.f32x4Add, V.f32x4Sub, a, V.f32x4Neg(b), r), V.ZERO_VECTOR));
  const [x, y, product] = name === "mul" ? [a, b, r] : [r, b, a];
  const half = (v: Expr, upper: boolean): Expr =>
    V.f64x2Promote(upper ? V.shuffleElements(8, v, v, [1, 1]) : v);
  const agrees = (upper: boolean): Expr =>
    V.f64x2Eq(V.f64x2Mul(half(x, upper), half(y, upper)), half(product, upper));
  return V.i64x2AllTrue(V.vAnd(agrees(false), agrees(true)));
}
export function exactDoubles(name: Name, a: Expr, b: Expr, r: Expr): Expr {
  if (name === "add") return PD.allTrue(V.f64x2Eq(lost(V.f64x2Add, V.f64x2Sub, a, b, r), V.ZERO_VECTOR));
  if (name === "sub")
    return PD.allTrue(V.f64x2Eq(lost(V.f64x2Add, V.f64x2Sub, a, V.f64x2Neg(b), r), V.ZERO_VECTOR));
  const [x, y] = name === "mul" ? [a, b] : [r, b];
  const lanes = and(
    fits(V.i64x2Extract(x, 0), V.i64x2Extract(y, 0)),
    fits(V.i64x2Extract(x, 1), V.i64x2Extract(y, 1)),
  );
  return name === "mul" ? lanes : and(lanes, V.i64x2AllTrue(V.f64x2Eq(V.f64x2Mul(r, b), a)));
}

// ------------------------------------------------------------- the operations

export const VECTOR: Record<"s" | "d", Record<Name, V.Vector2>> = {
  s: { add: V.f32x4Add, sub: V.f32x4Sub, mul: V.f32x4Mul, div: V.f32x4Div },
  d: { add: V.f64x2Add, sub: V.f64x2Sub, mul: V.f64x2Mul, div: V.f64x2Div },
};
export const SCALAR = { add, sub, mul, div };

/** Lanes for which only PE could be raised by a op b = r: r is finite, and not tiny unless it is exact. */
export function usualLanes(name: Name, p: Packed, a: Expr, b: Expr, r: Expr): Expr {
  const operands = V.vAnd(V.vAnd(p.notDenormal(a), p.notDenormal(b)), p.lt(p.abs(r), p.infinity));
  // Tiny sums are exact. A product or quotient may have underflowed, unless it is the zero of a zero factor.
  if (name === "add" || name === "sub") return operands;
  const zeroOperand =
    name === "mul" ? V.vOr(p.eq(a, V.ZERO_VECTOR), p.eq(b, V.ZERO_VECTOR)) : p.eq(a, V.ZERO_VECTOR);
  return V.vAnd(operands, V.vOr(p.ge(p.abs(r), p.minimum), V.vAnd(p.eq(r, V.ZERO_VECTOR), zeroOperand)));
}
// --------------------------------------------------------- the test in line

/**
 * 1 when every 32-bit element of the vectors, the upper word of a double or a single, belongs to a number that is neither zero nor
 * denormal, infinite or NaN: the `exponent` bits below its sign are neither all 0 nor all 1.
 */
function allOrdinary(x: Ctx, exponent: 8 | 11, ...vectors: readonly Expr[]): Expr {
  const folded = vectors.map((v) => {
    const twice = x.tmp(V.i32x4Shl(v, 1));
    // Exponents of ones become zeros, and only they and zeros have nothing in the upper bits then.
    return V.vXor(twice, V.i32x4ShrS(twice, 31));
  });
  const smallest = V.i32x4ShrU(folded.reduce(V.i32x4MinU), 32 - exponent);
  return eqz(V.i32x4Bitmask(V.i32x4Eq(smallest, V.ZERO_VECTOR)));
}
/** 1 when the first elements of a op b = r are ordinary in this sense: then only PE can be raised. */
export function ordinaryScalars(x: Ctx, p: Packed, a: Expr, b: Expr, r: Expr): Expr {
  const at = p.suffix === "s" ? 0 : 1;
  const operands = V.shuffleElements(4, a, b, [at, at, 4 + at, 4 + at]);
  const all = V.shuffleElements(4, operands, r, [0, 2, 4 + at, 4 + at]);
  return allOrdinary(x, p.suffix === "s" ? 8 : 11, all);
}
/** 1 when only PE can be raised by a op b = r: all elements are ordinary, or at least usual. */
export function usualVectors(x: Ctx, name: Name, p: Packed, a: Expr, b: Expr, r: Expr): Expr {
  const ordinary =
    p.suffix === "s"
      ? allOrdinary(x, 8, a, b, r)
      : allOrdinary(
          x,
          11,
          V.shuffleElements(4, a, b, [1, 3, 5, 7]),
          V.shuffleElements(4, r, r, [1, 3, 1, 3]),
        );
  return choose(ordinary, i32(1), p.allTrue(usualLanes(name, p, a, b, r)));
}
