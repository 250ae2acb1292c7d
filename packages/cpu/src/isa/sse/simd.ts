// SPDX-License-Identifier: BSD-3-Clause
/**
 * WebAssembly SIMD instructions by the names that the specification gives them, as expressions.
 *
 * Source: WebAssembly core specification, index of instructions (vector instructions).
 * @module
 */
import {
  binary,
  i32,
  lane,
  shuffle,
  ternary,
  unary,
  v128,
  type Expr,
  type Operand,
} from "../../wasm/expr.ts";
import { F32, F64, I32, I64, V128, type ValType } from "../../wasm/opcodes.ts";

const SIMD = 0xfd_0000;

export type Vector2 = (a: Expr, b: Expr) => Expr;

const un =
  (n: number, ty: ValType = V128) =>
  (a: Expr): Expr =>
    unary(SIMD | n, ty, a);
const bin =
  (n: number): Vector2 =>
  (a, b) =>
    binary(SIMD | n, V128, a, b);
const shift =
  (n: number) =>
  (a: Expr, count: Operand): Expr =>
    binary(SIMD | n, V128, a, typeof count === "number" ? i32(count) : count);

export const V128_LOAD32_ZERO = SIMD | 0x5c;
export const V128_LOAD64_ZERO = SIMD | 0x5d;

export const swizzle = bin(0x0e);
export const i8x16Splat = un(0x0f);
export const i16x8Splat = un(0x10);
export const i32x4Splat = un(0x11);
export const i64x2Splat = un(0x12);
export const f32x4Splat = un(0x13);
export const f64x2Splat = un(0x14);

const extract =
  (n: number, ty: ValType) =>
  (a: Expr, i: number): Expr =>
    lane(SIMD | n, ty, i, a);
const replace =
  (n: number) =>
  (a: Expr, i: number, value: Expr): Expr =>
    lane(SIMD | n, V128, i, a, value);
export const i8x16ExtractU = extract(0x16, I32);
export const i16x8ExtractU = extract(0x19, I32);
export const i8x16Replace = replace(0x17);
export const i16x8Replace = replace(0x1a);
export const i32x4Extract = extract(0x1b, I32);
export const i32x4Replace = replace(0x1c);
export const i64x2Extract = extract(0x1d, I64);
export const i64x2Replace = replace(0x1e);
export const f32x4Extract = extract(0x1f, F32);
export const f32x4Replace = replace(0x20);
export const f64x2Extract = extract(0x21, F64);
export const f64x2Replace = replace(0x22);

export const i8x16Eq = bin(0x23);
export const i8x16GtS = bin(0x27);
export const i8x16LeS = bin(0x29);
export const i8x16LeU = bin(0x2a);
export const i16x8Eq = bin(0x2d);
export const i16x8GtS = bin(0x31);
export const i16x8LeS = bin(0x33);
export const i16x8LeU = bin(0x34);
export const i32x4Eq = bin(0x37);
export const i32x4GtS = bin(0x3b);
export const f32x4Eq = bin(0x41);
export const f32x4Ne = bin(0x42);
export const f32x4Lt = bin(0x43);
export const f32x4Le = bin(0x45);
export const f64x2Eq = bin(0x47);
export const f64x2Ne = bin(0x48);
export const f64x2Lt = bin(0x49);
export const f64x2Le = bin(0x4b);

export const vNot = un(0x4d);
export const vAnd = bin(0x4e);
/** a & ~b */
export const vAndNot = bin(0x4f);
export const vOr = bin(0x50);
export const vXor = bin(0x51);
/** (a & mask) | (b & ~mask) */
export const vSelect = (a: Expr, b: Expr, mask: Expr): Expr => ternary(SIMD | 0x52, V128, a, b, mask);
export const vAnyTrue = un(0x53, I32);
export const f32x4Demote = un(0x5e);
export const f64x2Promote = un(0x5f);

export const i8x16Abs = un(0x60);
export const i8x16Neg = un(0x61);
export const i8x16Bitmask = un(0x64, I32);
export const i8x16NarrowS = bin(0x65);
export const i8x16NarrowU = bin(0x66);
export const i8x16ShrS = shift(0x6c);
export const i8x16Add = bin(0x6e);
export const i8x16AddSatS = bin(0x6f);
export const i8x16AddSatU = bin(0x70);
export const i8x16Sub = bin(0x71);
export const i8x16SubSatS = bin(0x72);
export const i8x16SubSatU = bin(0x73);
export const i8x16MinS = bin(0x76);
export const i8x16MinU = bin(0x77);
export const i8x16MaxS = bin(0x78);
export const i8x16MaxU = bin(0x79);
export const i8x16Avgr = bin(0x7b);

export const i16x8PairwiseS = un(0x7c);
export const i16x8PairwiseU = un(0x7d);
export const i32x4PairwiseS = un(0x7e);
export const i32x4PairwiseU = un(0x7f);
export const i16x8Abs = un(0x80);
export const i16x8Neg = un(0x81);
export const i16x8Bitmask = un(0x84, I32);
export const i16x8NarrowS = bin(0x85);
export const i16x8NarrowU = bin(0x86);
export const i16x8ExtendLowS = un(0x87);
export const i16x8ExtendLowU = un(0x89);
export const i16x8Shl = shift(0x8b);
export const i16x8ShrS = shift(0x8c);
export const i16x8ShrU = shift(0x8d);
export const i16x8Add = bin(0x8e);
export const i16x8AddSatS = bin(0x8f);
export const i16x8AddSatU = bin(0x90);
export const i16x8Sub = bin(0x91);
export const i16x8SubSatS = bin(0x92);
export const i16x8SubSatU = bin(0x93);
export const i16x8Mul = bin(0x95);
export const i16x8MinS = bin(0x96);
export const i16x8MinU = bin(0x97);
export const i16x8MaxS = bin(0x98);
export const i16x8MaxU = bin(0x99);
export const i16x8Avgr = bin(0x9b);
export const i16x8ExtmulLowS = bin(0x9c);
export const i16x8ExtmulHighS = bin(0x9d);

export const i32x4Abs = un(0xa0);
export const i32x4Neg = un(0xa1);
export const i32x4Bitmask = un(0xa4, I32);
export const i32x4ExtendLowS = un(0xa7);
export const i32x4ExtendHighS = un(0xa8);
export const i32x4ExtendLowU = un(0xa9);
export const i32x4ExtendHighU = un(0xaa);
export const i32x4Shl = shift(0xab);
export const i32x4ShrS = shift(0xac);
export const i32x4ShrU = shift(0xad);
export const i32x4Add = bin(0xae);
export const i32x4Sub = bin(0xb1);
export const i32x4Mul = bin(0xb5);
export const i32x4MinS = bin(0xb6);
export const i32x4MinU = bin(0xb7);
export const i32x4MaxS = bin(0xb8);
export const i32x4MaxU = bin(0xb9);
/** Products of signed words, added in pairs: PMADDWD. */
export const i32x4Dot = bin(0xba);
export const i32x4ExtmulLowS = bin(0xbc);
export const i32x4ExtmulHighS = bin(0xbd);
export const i32x4ExtmulLowU = bin(0xbe);
export const i32x4ExtmulHighU = bin(0xbf);

export const i64x2Bitmask = un(0xc4, I32);
export const i64x2ExtendLowS = un(0xc7);
export const i64x2ExtendLowU = un(0xc9);
export const i64x2Shl = shift(0xcb);
export const i64x2ShrS = shift(0xcc);
export const i64x2ShrU = shift(0xcd);
export const i64x2Add = bin(0xce);
export const i64x2Sub = bin(0xd1);
export const i64x2Eq = bin(0xd6);
export const i64x2GtS = bin(0xd9);
export const i64x2ExtmulLowS = bin(0xdc);
export const i64x2ExtmulLowU = bin(0xde);

export const f32x4Abs = un(0xe0);
export const f32x4Neg = un(0xe1);
export const f32x4Sqrt = un(0xe3);
export const f32x4Add = bin(0xe4);
export const f32x4Sub = bin(0xe5);
export const f32x4Mul = bin(0xe6);
export const f32x4Div = bin(0xe7);
/** b < a ? b : a, lane by lane. */
export const f32x4Pmin = bin(0xea);
/** a < b ? b : a. */
export const f32x4Pmax = bin(0xeb);
export const f64x2Abs = un(0xec);
export const f64x2Neg = un(0xed);
export const f64x2Sqrt = un(0xef);
export const f64x2Add = bin(0xf0);
export const f64x2Sub = bin(0xf1);
export const f64x2Mul = bin(0xf2);
export const f64x2Div = bin(0xf3);
export const f64x2Pmin = bin(0xf6);
export const f64x2Pmax = bin(0xf7);
export const i32x4TruncSatF32 = un(0xf8);
export const f32x4ConvertI32 = un(0xfa);
export const i32x4TruncSatF64Zero = un(0xfc);
export const f64x2ConvertLowI32 = un(0xfe);

/** A vector constant of bytes. */
export function bytes(...values: number[]): Expr {
  return v128(Uint8Array.from(values));
}
/** A vector constant of four 32-bit words. */
export function words(a: number, b: number, c: number, d: number): Expr {
  return v128(new Uint8Array(Int32Array.of(a, b, c, d).buffer));
}
export const ZERO_VECTOR = words(0, 0, 0, 0);
/** 0, 1, 2 … 15. */
export const IOTA = bytes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

/** Shuffle of elements of `width` bytes; element numbers count through a, then b. */
export function shuffleElements(width: number, a: Expr, b: Expr, elements: readonly number[]): Expr {
  const lanes: number[] = [];
  for (const e of elements) for (let i = 0; i < width; i++) lanes.push(e * width + i);
  return shuffle(a, b, lanes);
}

// Lane tests for the fast paths of floating point.
export const i32x4GeU = bin(0x40);
export const f32x4Ge = bin(0x46);
export const f64x2Ge = bin(0x4c);
export const f32x4Ceil = un(0x67);
export const f32x4Floor = un(0x68);
export const f32x4Trunc = un(0x69);
export const f32x4Nearest = un(0x6a);
export const f64x2Ceil = un(0x74);
export const f64x2Floor = un(0x75);
export const f64x2Trunc = un(0x7a);
export const f64x2Nearest = un(0x94);
export const i32x4AllTrue = un(0xa3, I32);
export const i64x2AllTrue = un(0xc3, I32);
