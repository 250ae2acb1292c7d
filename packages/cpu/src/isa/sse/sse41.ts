// SPDX-License-Identifier: BSD-3-Clause
/**
 * SSE4.1 on integers and bytes: blends, extensions, extremes, PTEST, insertion and extraction of elements.
 *
 * An immediate is a constant for the compiler and an expression for the interpreter; each helper that takes one does with both.
 *
 * Source: SDM vol. 2 at each instruction.
 * @module
 */
import { add, and, asI32, eqz, mul, or, shl, shrU, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, OP_I32_CONST } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { E, Ed, Ib, Vx, Wx, XMM0, type Row, type Semantics } from "../row.ts";
import { RowList, setXmm, source128, sourceVector, sse, xmm } from "./operands.ts";
import * as V from "./simd.ts";
import type { Vector2 } from "./simd.ts";

const list = new RowList({ 0: "sse4.1", 0x66: "sse4.1", 0xf2: "sse4.1", 0xf3: "sse4.1" });
const { rows } = list;

/** All are with prefix 66. */
function row(
  opcode: number,
  name: string,
  operands: Row["operands"],
  semantics: Semantics,
  mod?: "mem",
): void {
  list.row(opcode, 0x66, name, operands, sse(semantics), mod);
}

/** Bit `i` of `imm` stands for element `i`: all ones where it is set. `bits` has the bit of each element in its place. */
function maskOfBits(imm: Expr, bits: Expr, equal: Vector2): Expr {
  return equal(V.vAnd(V.i16x8Splat(imm), bits), bits);
}
const BITS_OF_WORDS = V.words(0x0002_0001, 0x0008_0004, 0x0020_0010, 0x0080_0040);
const BITS_OF_SINGLES = V.words(1, 2, 4, 8);
const BITS_OF_DOUBLES = V.words(1, 0, 2, 0);
/** maskOfBits() for elements of 4 and 8 bytes; bits above the last element's are ignored. */
export function maskOfSingles(imm: Expr): Expr {
  return maskOfBits(and(imm, 15), BITS_OF_SINGLES, V.i32x4Eq);
}
export function maskOfDoubles(imm: Expr): Expr {
  return maskOfBits(and(imm, 3), BITS_OF_DOUBLES, V.i64x2Eq);
}

// ------------------------------------------------------------------- element by element

function binary(opcode: number, name: string, fn: Vector2): void {
  row(opcode, name, [Vx, Wx()], (x) => {
    const b = source128(x, 1);
    setXmm(x, 0, fn(x.tmp(xmm(x, 0)), b));
  });
}
/** Signed products of the even doublewords. */
const evenProducts: Vector2 = (a, b) =>
  V.i64x2ExtmulLowS(V.shuffleElements(4, a, a, [0, 2, 0, 2]), V.shuffleElements(4, b, b, [0, 2, 0, 2]));

binary(0x0f_3828, "pmuldq", evenProducts);
binary(0x0f_3829, "pcmpeqq", V.i64x2Eq);
binary(0x0f_382b, "packusdw", V.i16x8NarrowU);
binary(0x0f_3838, "pminsb", V.i8x16MinS);
binary(0x0f_3839, "pminsd", V.i32x4MinS);
binary(0x0f_383a, "pminuw", V.i16x8MinU);
binary(0x0f_383b, "pminud", V.i32x4MinU);
binary(0x0f_383c, "pmaxsb", V.i8x16MaxS);
binary(0x0f_383d, "pmaxsd", V.i32x4MaxS);
binary(0x0f_383e, "pmaxuw", V.i16x8MaxU);
binary(0x0f_383f, "pmaxud", V.i32x4MaxU);
binary(0x0f_3840, "pmulld", V.i32x4Mul);

row(0x0f_382a, "movntdqa", [Vx, Wx()], (x) => setXmm(x, 0, source128(x, 1)), "mem");

/** PHMINPOSUW: words with their numbers below them, so that the smallest word comes with its first position. */
row(0x0f_3841, "phminposuw", [Vx, Wx()], (x) => {
  const b = source128(x, 1);
  const low = V.vOr(V.i32x4Shl(V.i32x4ExtendLowU(b), 3), V.words(0, 1, 2, 3));
  const high = V.vOr(V.i32x4Shl(V.i32x4ExtendHighU(b), 3), V.words(4, 5, 6, 7));
  const four = x.tmp(V.i32x4MinU(low, high));
  const two = x.tmp(V.i32x4MinU(four, V.shuffleElements(4, four, four, [2, 3, 0, 1])));
  const one = x.tmp(V.i32x4Extract(V.i32x4MinU(two, V.shuffleElements(4, two, two, [1, 0, 3, 2])), 0));
  setXmm(x, 0, V.i32x4Replace(V.ZERO_VECTOR, 0, or(shrU(one, 3), shl(and(one, 7), 16))));
});

// -------------------------------------------------------------------------- extensions

type Extend = (a: Expr) => Expr;
/** PMOVSXxx and PMOVZXxx; the memory operand has the bytes that are used, `n`. */
function extension(opcode: number, name: string, n: number, ...steps: readonly Extend[]): void {
  row(opcode, name, [Vx, Wx(n)], (x) =>
    setXmm(
      x,
      0,
      steps.reduce((v, step) => step(v), lowBytes(x, n)),
    ),
  );
}
/** The low `n` bytes of operand 1. */
function lowBytes(x: Ctx, n: number): Expr {
  if (n !== 2) return sourceVector(x, 1, n);
  if (!x.isMem(1)) return sourceVector(x, 1, 4);
  return x.tmp(V.i32x4Splat(x.load(W.I32_LOAD16_U, I32, 2, x.address(1))));
}
for (const [letter, base, bytes, words, doubles] of [
  ["s", 0x0f_3820, V.i16x8ExtendLowS, V.i32x4ExtendLowS, V.i64x2ExtendLowS],
  ["z", 0x0f_3830, V.i16x8ExtendLowU, V.i32x4ExtendLowU, V.i64x2ExtendLowU],
] as const) {
  extension(base, `pmov${letter}xbw`, 8, bytes);
  extension(base + 1, `pmov${letter}xbd`, 4, bytes, words);
  extension(base + 2, `pmov${letter}xbq`, 2, bytes, words, doubles);
  extension(base + 3, `pmov${letter}xwd`, 8, words);
  extension(base + 4, `pmov${letter}xwq`, 4, words, doubles);
  extension(base + 5, `pmov${letter}xdq`, 8, doubles);
}

// ------------------------------------------------------------------------------ blends

function variableBlend(opcode: number, name: string, signs: (mask: Expr) => Expr): void {
  row(opcode, name, [Vx, Wx(), XMM0], (x) => {
    const b = source128(x, 1);
    setXmm(x, 0, V.vSelect(b, xmm(x, 0), signs(xmm(x, 2))));
  });
}
variableBlend(0x0f_3810, "pblendvb", (m) => V.i8x16ShrS(m, 7));
variableBlend(0x0f_3814, "blendvps", (m) => V.i32x4ShrS(m, 31));
variableBlend(0x0f_3815, "blendvpd", (m) => V.i64x2ShrS(m, 63));

function blend(opcode: number, name: string, mask: (imm: Expr) => Expr): void {
  row(opcode, name, [Vx, Wx(), Ib], (x) => {
    const b = source128(x, 1);
    setXmm(x, 0, V.vSelect(b, xmm(x, 0), mask(x.imm())));
  });
}
blend(0x0f_3a0c, "blendps", maskOfSingles);
blend(0x0f_3a0d, "blendpd", maskOfDoubles);
blend(0x0f_3a0e, "pblendw", (imm) => maskOfBits(and(imm, 0xff), BITS_OF_WORDS, V.i16x8Eq));

row(0x0f_3817, "ptest", [Vx, Wx()], (x) => {
  const b = source128(x, 1);
  const a = x.tmp(xmm(x, 0));
  const zero = eqz(V.vAnyTrue(V.vAnd(b, a)));
  const carry = eqz(V.vAnyTrue(V.vAndNot(b, a)));
  x.flagsRaw(or(shl(zero, 6), carry));
});

// ------------------------------------------------------------ elements by number

/** Byte `at` of a vector, zero-extended. */
function byteAt(v: Expr, at: Expr): Expr {
  if (at.op === OP_I32_CONST) return V.i8x16ExtractU(v, at.imm);
  return V.i8x16ExtractU(V.swizzle(v, V.i8x16Splat(at)), 0);
}
function wordAt(v: Expr, at: Expr): Expr {
  if (at.op === OP_I32_CONST) return V.i16x8ExtractU(v, at.imm);
  return V.i16x8ExtractU(V.swizzle(v, V.i16x8Splat(add(mul(at, 0x0202), 0x0100))), 0);
}
/** Doubleword `at` of a vector. */
function doubleAt(v: Expr, at: Expr): Expr {
  if (at.op === OP_I32_CONST) return V.i32x4Extract(v, at.imm);
  return V.i32x4Extract(V.swizzle(v, V.i32x4Splat(add(mul(at, 0x0404_0404), 0x0302_0100))), 0);
}
const DOUBLE_NUMBERS = V.words(0, 1, 2, 3);
/** The vector with doubleword `at` replaced. */
function withDouble(v: Expr, at: Expr, value: Expr): Expr {
  if (at.op === OP_I32_CONST) return V.i32x4Replace(v, at.imm, value);
  return V.vSelect(V.i32x4Splat(value), v, V.i32x4Eq(DOUBLE_NUMBERS, V.i32x4Splat(at)));
}

function extraction(opcode: number, name: string, bytes: 1 | 2 | 4, at: (v: Expr, at: Expr) => Expr): void {
  row(opcode, name, [bytes === 4 ? Ed : E(4, "gpr", bytes), Vx, Ib], (x) =>
    x.write(0, at(xmm(x, 1), and(x.imm(), 16 / bytes - 1))),
  );
}
extraction(0x0f_3a14, "pextrb", 1, byteAt);
extraction(0x0f_3a15, "pextrw", 2, wordAt);
extraction(0x0f_3a16, "pextrd", 4, doubleAt);
extraction(0x0f_3a17, "extractps", 4, doubleAt);

row(0x0f_3a20, "pinsrb", [Vx, E(4, "gpr", 1), Ib], (x) => {
  const byte = x.tmp(x.read(1));
  const at = and(x.imm(), 15);
  const v = xmm(x, 0);
  const inserted =
    at.op === OP_I32_CONST
      ? V.i8x16Replace(v, at.imm, byte)
      : V.vSelect(V.i8x16Splat(byte), v, V.i8x16Eq(V.IOTA, V.i8x16Splat(at)));
  setXmm(x, 0, inserted);
});
row(0x0f_3a22, "pinsrd", [Vx, Ed, Ib], (x) => {
  const value = x.tmp(x.read(1));
  setXmm(x, 0, withDouble(xmm(x, 0), and(x.imm(), 3), value));
});
/** INSERTPS: the element comes from a field of the immediate (0 from memory), a mask clears elements. */
row(0x0f_3a21, "insertps", [Vx, Wx(4), Ib], (x) => {
  const imm = x.tmp(asI32(x.imm()));
  const value = x.isMem(1)
    ? x.load(W.I32_LOAD, I32, 4, x.address(1))
    : x.tmp(doubleAt(xmm(x, 1), and(shrU(imm, 6), 3)));
  const inserted = withDouble(xmm(x, 0), and(shrU(imm, 4), 3), value);
  setXmm(x, 0, V.vAndNot(inserted, maskOfSingles(imm)));
});

/** MPSADBW: eight sums of four absolute differences, of a sliding window of a to one group of four bytes of b. */
row(0x0f_3a42, "mpsadbw", [Vx, Wx(), Ib], (x) => {
  const b = source128(x, 1);
  const a = x.tmp(xmm(x, 0));
  const imm = x.tmp(asI32(x.imm()));
  const from = x.tmp(and(imm, 4));
  const group = x.tmp(shl(and(imm, 3), 2));
  let sum: Expr | null = null;
  for (let k = 0; k < 4; k++) {
    const window = V.swizzle(a, V.i8x16Add(V.IOTA, V.i8x16Splat(add(from, k))));
    const byte = V.swizzle(b, V.i8x16Splat(add(group, k)));
    const difference = V.i16x8Abs(V.i16x8Sub(V.i16x8ExtendLowU(window), V.i16x8ExtendLowU(byte)));
    sum = sum === null ? difference : V.i16x8Add(sum, difference);
  }
  setXmm(x, 0, sum!);
});

export const SSE41_ROWS: readonly Row[] = rows;
