// SPDX-License-Identifier: BSD-3-Clause
/**
 * SSE and SSE2 floating point.
 *
 * Fast path: WebAssembly's own arithmetic, which rounds to nearest and keeps no flags. It is right whenever no flag can change
 * and MXCSR rounds to nearest, i.e. when
 *   - MXCSR has all exceptions masked, nearest, no DAZ, no FTZ,
 *   - operands are no denormals and the result is an ordinary number, so that only PE could be raised, and
 *   - PE is set already (any inexact result sets it, and it stays set), or a cheap test proves the result exact.
 * Everything else goes to the functions of float-runtime.ts, which set PE on the way.
 *
 * Source: SDM vol. 2 at each instruction, vol. 1 §11.5.
 * @module
 */
import { EXC_XM } from "../../exception.ts";
import { MXCSR, PF, CF, ZF } from "../../state.ts";
import {
  abs,
  add,
  and,
  call,
  choose,
  ctz,
  demote,
  div,
  eq,
  f32,
  f32FromI32Bits,
  f32FromI32S,
  f64,
  f64FromI32S,
  f64FromI64Bits,
  ge,
  geU,
  gtS,
  i32,
  i32FromF32Bits,
  i32SatF32S,
  i32SatF64S,
  i64,
  i64FromF64Bits,
  le,
  leU,
  lt,
  ltS,
  mul,
  nearest,
  neg,
  or,
  promote,
  select,
  shl,
  sqrt,
  sub,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64, V128 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { Ed, Gd, Ib, Pq, Qq, Vx, Wx, op, type Row, type RowOptions, type Semantics } from "../row.ts";
import { EQUAL, LESS, SSE_A, SSE_B, SSE_R, UNORDERED } from "./float-runtime.ts";
import {
  mmxReady,
  mmxTouched,
  setMm64,
  setXmm,
  setXmmLow32,
  setXmmLow64,
  source32,
  source64,
  source128,
  sourceVector,
  sseReady,
  xmm,
  xmmLow32,
  xmmLow64,
} from "./operands.ts";
import * as V from "./simd.ts";

/** Everything of MXCSR but the exception flags, and its usual value. */
const CONTROL_MASK = 0xffc0;
const CONTROL_PLAIN = 0x1f80;
const MXCSR_PE = 0x20;
/** Smallest normal numbers. */
const MIN32 = 2 ** -126;
const MIN64 = 2 ** -1022;

const rows: Row[] = [];
function row(
  opcode: number,
  prefix: 0 | 0x66 | 0xf2 | 0xf3,
  name: string,
  operands: Row["operands"],
  semantics: Semantics,
  more: RowOptions = {},
): void {
  rows.push(op(opcode, name, operands, semantics, { prefix, ...more }));
}
function rt(x: Ctx, name: string): Callee {
  const callee = x.rt[name];
  if (callee === undefined) throw new Error(`no runtime function ${name}`);
  return callee;
}
function plain(x: Ctx): Expr {
  return eq(and(x.state(MXCSR), CONTROL_MASK), CONTROL_PLAIN);
}
/** 1 when rounding cannot change MXCSR: PE is set, or `isExact` (evaluated only then). */
function settled(x: Ctx, isExact: Expr): Expr {
  return choose(and(x.state(MXCSR), MXCSR_PE), i32(1), isExact);
}
const SCRATCH0 = i32(0);
function putScratch(x: Ctx, offset: number, value: Expr): void {
  const o = value.ty === V128 ? W.V128_STORE : value.ty === I64 ? W.I64_STORE : W.I32_STORE;
  x.stateStore(o, SCRATCH0, value, offset);
}
/** Calls an exact function; #XM if it says so. */
function exact(x: Ctx, name: string, ...args: Expr[]): void {
  x.raiseIf(call(rt(x, name), ...args), EXC_XM);
}
const resultVector = (x: Ctx): Expr => x.stateLoad(W.V128_LOAD, V128, SCRATCH0, SSE_R);
const result64 = (x: Ctx): Expr => x.stateLoad(W.I64_LOAD, I64, SCRATCH0, SSE_R);
const result32 = (x: Ctx): Expr => x.stateLoad(W.I32_LOAD, I32, SCRATCH0, SSE_R);

// ------------------------------------------------------------- lane conditions

/** 1 when the f64 is an ordinary number: neither zero, denormal, infinite nor NaN. */
function normal64(v: Expr): Expr {
  return and(ge(abs(v), f64(MIN64)), lt(abs(v), f64(Infinity)));
}
function normal32(v: Expr): Expr {
  return and(ge(abs(v), f32(MIN32)), lt(abs(v), f32(Infinity)));
}
const finite64 = (v: Expr): Expr => lt(abs(v), f64(Infinity));
const finite32 = (v: Expr): Expr => lt(abs(v), f32(Infinity));
/** 1 unless the bits are a denormal's. */
function notDenormal64(bits: Expr): Expr {
  return geU(sub(shl(bits, 1), i64(1n)), i64((1n << 53n) - 1n));
}
function notDenormal32(bits: Expr): Expr {
  return geU(sub(shl(bits, 1), 1), i32(0x00ff_ffff));
}

interface Packed {
  readonly suffix: "s" | "d";
  readonly lanes: number;
  readonly abs: (a: Expr) => Expr;
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
const f64Words = (v: number): Expr => {
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
const PS: Packed = {
  suffix: "s",
  lanes: 4,
  abs: V.f32x4Abs,
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
const PD: Packed = {
  suffix: "d",
  lanes: 2,
  abs: V.f64x2Abs,
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

// ------------------------------------------------------------- exactness tests

/** What rounding to nearest lost of a + b = r (Knuth's TwoSum), by the operations of the format. */
function lost(plus: V.Vector2, minus: V.Vector2, a: Expr, b: Expr, r: Expr): Expr {
  const part = minus(r, a);
  return plus(minus(a, minus(r, part)), minus(b, part));
}
/** Low zero bits of an f64's significand. A product of two is exact when theirs add up to 53. */
function trailing(bits: Expr): Expr {
  return ctz(or(bits, i64(1n << 52n)));
}
function fits(a: Expr, b: Expr): Expr {
  return geU(add(trailing(a), trailing(b)), i64(53n));
}
function exactDouble(name: Name, a: Expr, b: Expr, r: Expr): Expr {
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
function exactSingle(name: Name, a: Expr, b: Expr, r: Expr): Expr {
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
function exactSingles(name: Name, a: Expr, b: Expr, r: Expr): Expr {
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
function exactDoubles(name: Name, a: Expr, b: Expr, r: Expr): Expr {
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

// ---------------------------------------------------------------- arithmetic

type Name = "add" | "sub" | "mul" | "div";
const VECTOR: Record<"s" | "d", Record<Name, V.Vector2>> = {
  s: { add: V.f32x4Add, sub: V.f32x4Sub, mul: V.f32x4Mul, div: V.f32x4Div },
  d: { add: V.f64x2Add, sub: V.f64x2Sub, mul: V.f64x2Mul, div: V.f64x2Div },
};
const SCALAR = { add, sub, mul, div };

function packedArithmetic(name: Name, p: Packed): Semantics {
  const isSum = name === "add" || name === "sub";
  return (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const a = x.tmp(xmm(x, 0));
    const r = x.tmp(VECTOR[p.suffix][name](a, b));
    const range = p.lt(p.abs(r), p.infinity);
    // A sum is exact when it is tiny. A product or quotient may have underflowed, unless it is the zero of a zero factor.
    const zeros = V.vAnd(
      p.eq(r, V.ZERO_VECTOR),
      name === "mul" ? V.vOr(p.eq(a, V.ZERO_VECTOR), p.eq(b, V.ZERO_VECTOR)) : p.eq(a, V.ZERO_VECTOR),
    );
    const lanes = isSum ? range : V.vAnd(range, V.vOr(p.ge(p.abs(r), p.minimum), zeros));
    const usual = p.allTrue(V.vAnd(lanes, V.vAnd(p.notDenormal(a), p.notDenormal(b))));
    const isExact = p.suffix === "s" ? exactSingles(name, a, b, r) : exactDoubles(name, a, b, r);
    x.when(
      and(and(plain(x), usual), settled(x, isExact)),
      () => setXmm(x, 0, r),
      () => {
        putScratch(x, SSE_A, a);
        putScratch(x, SSE_B, b);
        exact(x, `sse${name}${p.suffix}`, i32(p.lanes));
        setXmm(x, 0, resultVector(x));
      },
    );
  };
}
/** Whether only PE could be raised by va op vb = r. */
function usualResult(
  name: Name,
  va: Expr,
  vb: Expr,
  r: Expr,
  zero: Expr,
  isNormal: Expr,
  isFinite: Expr,
): Expr {
  if (name === "add" || name === "sub") return isFinite;
  const zeroOperand = name === "mul" ? or(eq(va, zero), eq(vb, zero)) : eq(va, zero);
  return or(isNormal, and(eq(r, zero), zeroOperand));
}
function scalarDouble(name: Name): Semantics {
  return (x) => {
    sseReady(x);
    const b = source64(x, 1);
    const a = x.tmp(xmmLow64(x, 0));
    const [va, vb] = [f64FromI64Bits(a), f64FromI64Bits(b)];
    const r = x.tmp(SCALAR[name](va, vb));
    const usual = and(
      and(notDenormal64(a), notDenormal64(b)),
      usualResult(name, va, vb, r, f64(0), normal64(r), finite64(r)),
    );
    x.when(
      and(and(plain(x), usual), settled(x, exactDouble(name, a, b, r))),
      () => setXmmLow64(x, 0, i64FromF64Bits(r)),
      () => {
        putScratch(x, SSE_A, a);
        putScratch(x, SSE_B, b);
        exact(x, `sse${name}d`, i32(1));
        setXmmLow64(x, 0, result64(x));
      },
    );
  };
}
function scalarSingle(name: Name): Semantics {
  return (x) => {
    sseReady(x);
    const b = source32(x, 1);
    const a = x.tmp(xmmLow32(x, 0));
    const [va, vb] = [f32FromI32Bits(a), f32FromI32Bits(b)];
    const r = x.tmp(SCALAR[name](va, vb));
    const usual = and(
      and(notDenormal32(a), notDenormal32(b)),
      usualResult(name, va, vb, r, f32(0), normal32(r), finite32(r)),
    );
    x.when(
      and(and(plain(x), usual), settled(x, exactSingle(name, a, b, r))),
      () => setXmmLow32(x, 0, i32FromF32Bits(r)),
      () => {
        putScratch(x, SSE_A, a);
        putScratch(x, SSE_B, b);
        exact(x, `sse${name}s`, i32(1));
        setXmmLow32(x, 0, result32(x));
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
  row(opcode, 0xf3, `${name}ss`, [Vx, Wx(4)], scalarSingle(name));
  row(opcode, 0xf2, `${name}sd`, [Vx, Wx(8)], scalarDouble(name));
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
    x.when(
      and(and(plain(x), usual), settled(x, isExact)),
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
  const b = source32(x, 1);
  const v = f32FromI32Bits(b);
  const r = x.tmp(sqrt(v));
  const usual = and(ge(v, f32(MIN32)), lt(v, f32(Infinity)));
  const isExact = exactSingle("div", b, i32FromF32Bits(r), r);
  x.when(
    and(and(plain(x), usual), settled(x, isExact)),
    () => setXmmLow32(x, 0, i32FromF32Bits(r)),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "ssesqrts", i32(1));
      setXmmLow32(x, 0, result32(x));
    },
  );
});
row(0x0f51, 0xf2, "sqrtsd", [Vx, Wx(8)], (x) => {
  sseReady(x);
  const b = source64(x, 1);
  const v = f64FromI64Bits(b);
  const r = x.tmp(sqrt(v));
  const usual = and(ge(v, f64(MIN64)), lt(v, f64(Infinity)));
  const isExact = exactDouble("div", b, i64FromF64Bits(r), r);
  x.when(
    and(and(plain(x), usual), settled(x, isExact)),
    () => setXmmLow64(x, 0, i64FromF64Bits(r)),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "ssesqrtd", i32(1));
      setXmmLow64(x, 0, result64(x));
    },
  );
});

// ------------------------------------------------------ minimum, maximum, compare

/** No flag can change for lanes that are ordered and not denormal, whatever MXCSR says. */
function comparable(p: Packed, a: Expr, b: Expr): Expr {
  const ordered = V.vAnd(p.eq(a, a), p.eq(b, b));
  return p.allTrue(V.vAnd(ordered, V.vAnd(p.notDenormal(a), p.notDenormal(b))));
}
function packedExtremum(name: "min" | "max", p: Packed): Semantics {
  return (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const a = x.tmp(xmm(x, 0));
    x.when(
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
const isNumber = (v: Expr): Expr => eq(v, v);
function scalarExtremum(name: "min" | "max", wide: boolean): Semantics {
  return (x) => {
    sseReady(x);
    const b = wide ? source64(x, 1) : source32(x, 1);
    const a = x.tmp(wide ? xmmLow64(x, 0) : xmmLow32(x, 0));
    const [va, vb] = wide
      ? [x.tmp(f64FromI64Bits(a)), x.tmp(f64FromI64Bits(b))]
      : [x.tmp(f32FromI32Bits(a)), x.tmp(f32FromI32Bits(b))];
    const plain = wide ? and(notDenormal64(a), notDenormal64(b)) : and(notDenormal32(a), notDenormal32(b));
    const set = wide ? setXmmLow64 : setXmmLow32;
    x.when(
      and(plain, and(isNumber(va), isNumber(vb))),
      () => set(x, 0, select(name === "min" ? lt(va, vb) : lt(vb, va), a, b)),
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
    x.when(
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
    putScratch(x, SSE_A, wide ? xmmLow64(x, 0) : xmmLow32(x, 0));
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
    const b = wide ? source64(x, 1) : source32(x, 1);
    const a = x.tmp(wide ? xmmLow64(x, 0) : xmmLow32(x, 0));
    const [va, vb] = wide
      ? [x.tmp(f64FromI64Bits(a)), x.tmp(f64FromI64Bits(b))]
      : [x.tmp(f32FromI32Bits(a)), x.tmp(f32FromI32Bits(b))];
    const plain = wide ? and(notDenormal64(a), notDenormal64(b)) : and(notDenormal32(a), notDenormal32(b));
    const flags = x.f.temp(I32);
    x.f.if(
      and(plain, and(isNumber(va), isNumber(vb))),
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

// ------------------------------------------------------ between single and double

row(0x0f5a, 0xf3, "cvtss2sd", [Vx, Wx(4)], (x) => {
  sseReady(x);
  const b = source32(x, 1);
  const v = x.tmp(f32FromI32Bits(b));
  x.when(
    and(notDenormal32(b), isNumber(v)),
    () => setXmmLow64(x, 0, i64FromF64Bits(promote(v))),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "ssewiden", i32(1));
      setXmmLow64(x, 0, result64(x));
    },
  );
});
row(0x0f5a, 0xf2, "cvtsd2ss", [Vx, Wx(8)], (x) => {
  sseReady(x);
  const b = source64(x, 1);
  const r = x.tmp(demote(f64FromI64Bits(b)));
  const isExact = eq(promote(r), f64FromI64Bits(b));
  const usual = or(normal32(r), eq(f64FromI64Bits(b), f64(0)));
  x.when(
    and(and(plain(x), usual), settled(x, isExact)),
    () => setXmmLow32(x, 0, i32FromF32Bits(r)),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "sseshorten", i32(1));
      setXmmLow32(x, 0, result32(x));
    },
  );
});
row(0x0f5a, 0, "cvtps2pd", [Vx, Wx(8)], (x) => {
  sseReady(x);
  const b = x.tmp(sourceVector(x, 1, 8));
  x.when(
    V.i32x4AllTrue(V.vAnd(PS.notDenormal(b), V.f32x4Eq(b, b))),
    () => setXmm(x, 0, V.f64x2Promote(b)),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "ssewiden", i32(2));
      setXmm(x, 0, resultVector(x));
    },
  );
});
/** The low 8 bytes of the result, zero above. */
function lowResult(x: Ctx): Expr {
  return x.stateLoad(V.V128_LOAD64_ZERO, V128, SCRATCH0, SSE_R);
}
row(0x0f5a, 0x66, "cvtpd2ps", [Vx, Wx()], (x) => {
  sseReady(x);
  const b = source128(x, 1);
  const r = x.tmp(V.f32x4Demote(b));
  const magnitude = V.f32x4Abs(r);
  const ordinary = V.vAnd(V.f32x4Ge(magnitude, PS.minimum), V.f32x4Lt(magnitude, PS.infinity));
  const isExact = V.i64x2AllTrue(V.f64x2Eq(V.f64x2Promote(r), b));
  x.when(
    and(and(plain(x), settled(x, isExact)), eq(V.i64x2Extract(ordinary, 0), i64(-1n))),
    () => setXmm(x, 0, r),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "sseshorten", i32(2));
      setXmm(x, 0, lowResult(x));
    },
  );
});

// ------------------------------------------------------------------ from integers

row(0x0f2a, 0xf2, "cvtsi2sd", [Vx, Ed], (x) => {
  sseReady(x);
  setXmmLow64(x, 0, i64FromF64Bits(f64FromI32S(x.read(1))));
});
row(0x0f2a, 0xf3, "cvtsi2ss", [Vx, Ed], (x) => {
  sseReady(x);
  const v = x.tmp(x.read(1));
  // Up to 24 bits are exact.
  x.when(
    or(leU(add(v, 0x100_0000), 0x200_0000), and(plain(x), settled(x, i32(0)))),
    () => setXmmLow32(x, 0, i32FromF32Bits(f32FromI32S(v))),
    () => {
      putScratch(x, SSE_B, v);
      exact(x, "ssefromints", i32(1));
      setXmmLow32(x, 0, result32(x));
    },
  );
});
row(0x0fe6, 0xf3, "cvtdq2pd", [Vx, Wx(8)], (x) => {
  sseReady(x);
  setXmm(x, 0, V.f64x2ConvertLowI32(sourceVector(x, 1, 8)));
});
row(0x0f5b, 0, "cvtdq2ps", [Vx, Wx()], (x) => {
  sseReady(x);
  const b = source128(x, 1);
  const r = x.tmp(V.f32x4ConvertI32(b));
  // 2^31 would come back as the saturated 2^31 − 1.
  const below = V.f32x4Lt(r, V.words(0x4f00_0000, 0x4f00_0000, 0x4f00_0000, 0x4f00_0000));
  const isExact = V.i32x4AllTrue(V.vAnd(below, V.i32x4Eq(V.i32x4TruncSatF32(r), b)));
  x.when(
    and(plain(x), settled(x, isExact)),
    () => setXmm(x, 0, r),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "ssefromints", i32(4));
      setXmm(x, 0, resultVector(x));
    },
  );
});
// The MMX forms: CVTPI2PD is exact and, from memory, does not touch the x87 state.
row(0x0f2a, 0x66, "cvtpi2pd", [Vx, Qq()], (x) => {
  if (x.isMem(1)) sseReady(x);
  else mmxReady(x);
  const b = x.tmp(sourceVector(x, 1, 8));
  if (!x.isMem(1)) mmxTouched(x);
  setXmm(x, 0, V.f64x2ConvertLowI32(b));
});
row(0x0f2a, 0, "cvtpi2ps", [Vx, Qq()], (x) => {
  mmxReady(x);
  putScratch(x, SSE_B, source64(x, 1));
  mmxTouched(x);
  exact(x, "ssefromints", i32(2));
  setXmmLow64(x, 0, result64(x));
});

// -------------------------------------------------------------------- to integers

/** CVT(T)SS2SI and CVT(T)SD2SI. */
function toRegister(wide: boolean, truncate: boolean): Semantics {
  return (x) => {
    sseReady(x);
    const b = wide ? source64(x, 1) : source32(x, 1);
    const v = x.tmp(wide ? f64FromI64Bits(b) : f32FromI32Bits(b));
    const rounded = truncate ? v : nearest(v);
    const r = x.tmp(wide ? i32SatF64S(rounded) : i32SatF32S(rounded));
    const limit = wide ? f64(2 ** 31 - 1) : f32(2 ** 31 - 128);
    // An integral value of the range is exact in every mode; others only raise PE.
    const back = wide ? f64FromI32S(r) : f32FromI32S(r);
    const inRange = le(abs(v), limit);
    const isExact = and(inRange, eq(back, v));
    x.when(
      or(isExact, and(and(plain(x), settled(x, i32(0))), inRange)),
      () => x.write(0, r),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, `sseint${wide ? "d" : "s"}`, i32(1), i32(truncate ? 1 : 0));
        x.write(0, result32(x));
      },
    );
  };
}
row(0x0f2c, 0xf3, "cvttss2si", [Gd, Wx(4)], toRegister(false, true));
row(0x0f2d, 0xf3, "cvtss2si", [Gd, Wx(4)], toRegister(false, false));
row(0x0f2c, 0xf2, "cvttsd2si", [Gd, Wx(8)], toRegister(true, true));
row(0x0f2d, 0xf2, "cvtsd2si", [Gd, Wx(8)], toRegister(true, false));

function packedToIntegers(p: Packed, truncate: boolean): Semantics {
  return (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const limit =
      p.suffix === "s" ? V.words(0x4eff_ffff, 0x4eff_ffff, 0x4eff_ffff, 0x4eff_ffff) : f64Words(2 ** 31 - 1);
    const inRange = p.allTrue(p.le(p.abs(b), limit));
    const rounded = truncate ? b : p.suffix === "s" ? V.f32x4Nearest(b) : V.f64x2Nearest(b);
    const r = x.tmp(p.suffix === "s" ? V.i32x4TruncSatF32(rounded) : V.i32x4TruncSatF64Zero(rounded));
    const isExact = p.allTrue(
      p.suffix === "s" ? V.f32x4Eq(V.f32x4ConvertI32(r), b) : V.f64x2Eq(V.f64x2ConvertLowI32(r), b),
    );
    x.when(
      and(and(plain(x), inRange), settled(x, isExact)),
      () => setXmm(x, 0, r),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, `sseint${p.suffix}`, i32(p.lanes), i32(truncate ? 1 : 0));
        setXmm(x, 0, p.suffix === "s" ? resultVector(x) : lowResult(x));
      },
    );
  };
}
row(0x0f5b, 0x66, "cvtps2dq", [Vx, Wx()], packedToIntegers(PS, false));
row(0x0f5b, 0xf3, "cvttps2dq", [Vx, Wx()], packedToIntegers(PS, true));
row(0x0fe6, 0xf2, "cvtpd2dq", [Vx, Wx()], packedToIntegers(PD, false));
row(0x0fe6, 0x66, "cvttpd2dq", [Vx, Wx()], packedToIntegers(PD, true));

function toMmx(suffix: "s" | "d", truncate: boolean): Semantics {
  return (x) => {
    mmxReady(x);
    putScratch(x, SSE_B, suffix === "s" ? source64(x, 1) : source128(x, 1));
    // The x87 state changes even when the conversion raises #XM.
    mmxTouched(x);
    exact(x, `sseint${suffix}`, i32(2), i32(truncate ? 1 : 0));
    setMm64(x, 0, result64(x));
  };
}
row(0x0f2c, 0, "cvttps2pi", [Pq, Wx(8)], toMmx("s", true));
row(0x0f2d, 0, "cvtps2pi", [Pq, Wx(8)], toMmx("s", false));
row(0x0f2c, 0x66, "cvttpd2pi", [Pq, Wx()], toMmx("d", true));
row(0x0f2d, 0x66, "cvtpd2pi", [Pq, Wx()], toMmx("d", false));

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
  row(opcode, prefix, name, [Vx, Wx()], (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const a = x.tmp(xmm(x, 0));
    const r = x.tmp(fast(a, b));
    const lanes = V.vAnd(V.vAnd(p.notDenormal(a), p.notDenormal(b)), p.lt(p.abs(r), p.infinity));
    const [l, q] = [x.tmp(left(a, b)), x.tmp(right(a, b))];
    const kernel = exactName.includes("add") ? "add" : "sub";
    const isExact = p.suffix === "s" ? exactSingles(kernel, l, q, r) : exactDoubles(kernel, l, q, r);
    x.when(
      and(and(plain(x), p.allTrue(lanes)), settled(x, isExact)),
      () => setXmm(x, 0, r),
      () => {
        putScratch(x, SSE_A, l);
        putScratch(x, SSE_B, q);
        exact(x, exactName, i32(p.lanes));
        setXmm(x, 0, resultVector(x));
      },
    );
  });
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
  row(0x0fd0, prefix, name, [Vx, Wx()], (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const a = x.tmp(xmm(x, 0));
    const r = x.tmp(V.vSelect(addition(a, b), subtraction(a, b), odd));
    const lanes = V.vAnd(V.vAnd(p.notDenormal(a), p.notDenormal(b)), p.lt(p.abs(r), p.infinity));
    const signed = x.tmp(V.vXor(b, V.vAndNot(p.suffix === "s" ? SIGNS32 : SIGNS64, odd)));
    const isExact = p.suffix === "s" ? exactSingles("add", a, signed, r) : exactDoubles("add", a, signed, r);
    x.when(
      and(and(plain(x), p.allTrue(lanes)), settled(x, isExact)),
      () => setXmm(x, 0, r),
      () => {
        putScratch(x, SSE_A, a);
        putScratch(x, SSE_B, b);
        exact(x, `sseaddsub${p.suffix}`, i32(p.lanes));
        setXmm(x, 0, resultVector(x));
      },
    );
  });
}
addSub(0xf2, "addsubps", PS, V.f32x4Add, V.f32x4Sub, V.words(0, -1, 0, -1));
addSub(0x66, "addsubpd", PD, V.f64x2Add, V.f64x2Sub, V.words(0, 0, -1, -1));

export const SSE_FLOAT_ROWS: readonly Row[] = rows;
