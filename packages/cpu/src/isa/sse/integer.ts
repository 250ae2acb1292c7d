// SPDX-License-Identifier: BSD-3-Clause
/**
 * Packed integer instructions of MMX, SSE2 and SSSE3.
 *
 * Each operation is given once as a function of two vectors and makes two rows: the MMX one (no prefix), which computes on
 * vectors whose upper half is 0 and keeps the lower half, and the SSE one (prefix 66). Operations that move elements between
 * the halves give their MMX version separately.
 *
 * Source: SDM vol. 2 at each instruction.
 * @module
 */
import { FTOP, FTW } from "../../state.ts";
import {
  add,
  and,
  extendU,
  gtU,
  i32,
  i64,
  mul,
  select,
  shrU,
  shuffle,
  sub,
  wrap,
  type Expr,
} from "../../wasm/expr.ts";
import type { Ctx } from "../ctx.ts";
import type { Feature } from "../feature.ts";
import { Ib, Pq, Qq, Vx, Wx, op, type Row, type Semantics } from "../row.ts";
import {
  mm,
  mmxReady,
  mmxTouched,
  setMm,
  setXmm,
  source64,
  source128,
  sourceVector,
  sseReady,
  xmm,
  low64,
} from "./operands.ts";
import * as V from "./simd.ts";
import type { Vector2 } from "./simd.ts";

type Shift = (a: Expr, count: Expr) => Expr;

function mmxBinary(fn: Vector2): Semantics {
  return (x) => {
    mmxReady(x);
    const b = sourceVector(x, 1, 8);
    mmxTouched(x);
    setMm(x, 0, fn(x.tmp(mm(x, 0)), b));
  };
}
function sseBinary(fn: Vector2): Semantics {
  return (x) => {
    sseReady(x);
    const b = source128(x, 1);
    setXmm(x, 0, fn(x.tmp(xmm(x, 0)), b));
  };
}

/** Instructions on mmx registers that came after MMX. */
const LATE_MMX: Readonly<Record<string, Feature>> = {
  pavgb: "sse",
  pavgw: "sse",
  pmaxsw: "sse",
  pmaxub: "sse",
  pminsw: "sse",
  pminub: "sse",
  pmulhuw: "sse",
  psadbw: "sse",
  paddq: "sse2",
  psubq: "sse2",
  pmuludq: "sse2",
};

const PACKED: Row[] = [];
function packed(opcode: number, name: string, sse: Vector2, mmx: Vector2 = sse): void {
  const late = opcode >= 0x0f_3800 ? "ssse3" : undefined;
  const options = { prefix: 0, feature: late ?? LATE_MMX[name] ?? "mmx" } as const;
  PACKED.push(op(opcode, name, [Pq, Qq()], mmxBinary(mmx), options));
  PACKED.push(op(opcode, name, [Vx, Wx()], sseBinary(sse), { prefix: 0x66, feature: late ?? "sse2" }));
}
function sseOnly(opcode: number, name: string, fn: Vector2): void {
  PACKED.push(op(opcode, name, [Vx, Wx()], sseBinary(fn), { prefix: 0x66, feature: "sse2" }));
}

/** Puts the low halves of a and b together. */
function joinLow(a: Expr, b: Expr): Expr {
  return V.shuffleElements(8, a, b, [0, 2]);
}
/** A narrowing of two vectors, for MMX: of the two low halves, result in the low half. */
function narrowLow(narrow: Vector2): Vector2 {
  return (a, b) => narrow(joinLow(a, b), V.ZERO_VECTOR);
}
function unpack(width: number, high: boolean): Vector2 {
  const n = 16 / width;
  const from = high ? n / 2 : 0;
  const elements: number[] = [];
  for (let i = 0; i < n / 2; i++) elements.push(from + i, n + from + i);
  return (a, b) => V.shuffleElements(width, a, b, elements);
}
function unpackMmx(width: number, high: boolean): Vector2 {
  const n = 8 / width;
  const from = high ? n / 2 : 0;
  const elements: number[] = [];
  for (let i = 0; i < n / 2; i++) elements.push(from + i, 16 / width + from + i);
  while (elements.length < 16 / width) elements.push(0);
  return (a, b) => V.shuffleElements(width, a, b, elements);
}
function unpackBoth(opcode: number, name: string, width: number, high: boolean): void {
  packed(opcode, name, unpack(width, high), unpackMmx(width, high));
}

/** High words of 16 × 16 bit products. */
function highWords(low: Vector2, high: Vector2): Vector2 {
  return (a, b) =>
    shuffle(low(a, b), high(a, b), [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31]);
}
/** Sums of absolute byte differences over each half. */
const sumOfDifferences: Vector2 = (a, b) => {
  const difference = V.vOr(V.i8x16SubSatU(a, b), V.i8x16SubSatU(b, a));
  const quads = V.i32x4PairwiseU(V.i16x8PairwiseU(difference));
  return V.i64x2Add(V.vAnd(quads, V.words(-1, 0, -1, 0)), V.i64x2ShrU(quads, 32));
};
/** Products of the even doublewords. */
const evenProducts: Vector2 = (a, b) =>
  V.i64x2ExtmulLowU(V.shuffleElements(4, a, a, [0, 2, 0, 2]), V.shuffleElements(4, b, b, [0, 2, 0, 2]));

unpackBoth(0x0f60, "punpcklbw", 1, false);
unpackBoth(0x0f61, "punpcklwd", 2, false);
unpackBoth(0x0f62, "punpckldq", 4, false);
packed(0x0f63, "packsswb", V.i8x16NarrowS, narrowLow(V.i8x16NarrowS));
packed(0x0f64, "pcmpgtb", V.i8x16GtS);
packed(0x0f65, "pcmpgtw", V.i16x8GtS);
packed(0x0f66, "pcmpgtd", V.i32x4GtS);
packed(0x0f67, "packuswb", V.i8x16NarrowU, narrowLow(V.i8x16NarrowU));
unpackBoth(0x0f68, "punpckhbw", 1, true);
unpackBoth(0x0f69, "punpckhwd", 2, true);
unpackBoth(0x0f6a, "punpckhdq", 4, true);
packed(0x0f6b, "packssdw", V.i16x8NarrowS, narrowLow(V.i16x8NarrowS));
sseOnly(0x0f6c, "punpcklqdq", unpack(8, false));
sseOnly(0x0f6d, "punpckhqdq", unpack(8, true));
packed(0x0f74, "pcmpeqb", V.i8x16Eq);
packed(0x0f75, "pcmpeqw", V.i16x8Eq);
packed(0x0f76, "pcmpeqd", V.i32x4Eq);
packed(0x0fd4, "paddq", V.i64x2Add);
packed(0x0fd5, "pmullw", V.i16x8Mul);
packed(0x0fd8, "psubusb", V.i8x16SubSatU);
packed(0x0fd9, "psubusw", V.i16x8SubSatU);
packed(0x0fda, "pminub", V.i8x16MinU);
packed(0x0fdb, "pand", V.vAnd);
packed(0x0fdc, "paddusb", V.i8x16AddSatU);
packed(0x0fdd, "paddusw", V.i16x8AddSatU);
packed(0x0fde, "pmaxub", V.i8x16MaxU);
packed(0x0fdf, "pandn", (a, b) => V.vAndNot(b, a));
packed(0x0fe0, "pavgb", V.i8x16Avgr);
packed(0x0fe3, "pavgw", V.i16x8Avgr);
packed(0x0fe4, "pmulhuw", highWords(V.i32x4ExtmulLowU, V.i32x4ExtmulHighU));
packed(0x0fe5, "pmulhw", highWords(V.i32x4ExtmulLowS, V.i32x4ExtmulHighS));
packed(0x0fe8, "psubsb", V.i8x16SubSatS);
packed(0x0fe9, "psubsw", V.i16x8SubSatS);
packed(0x0fea, "pminsw", V.i16x8MinS);
packed(0x0feb, "por", V.vOr);
packed(0x0fec, "paddsb", V.i8x16AddSatS);
packed(0x0fed, "paddsw", V.i16x8AddSatS);
packed(0x0fee, "pmaxsw", V.i16x8MaxS);
packed(0x0fef, "pxor", V.vXor);
packed(0x0ff4, "pmuludq", evenProducts);
packed(0x0ff5, "pmaddwd", V.i32x4Dot);
packed(0x0ff6, "psadbw", sumOfDifferences);
packed(0x0ff8, "psubb", V.i8x16Sub);
packed(0x0ff9, "psubw", V.i16x8Sub);
packed(0x0ffa, "psubd", V.i32x4Sub);
packed(0x0ffb, "psubq", V.i64x2Sub);
packed(0x0ffc, "paddb", V.i8x16Add);
packed(0x0ffd, "paddw", V.i16x8Add);
packed(0x0ffe, "paddd", V.i32x4Add);

// -------------------------------------------------------------------- shifts

/** A logical shift by a 64-bit count: counts of `bits` and more give 0. */
function logical(shift: Shift, bits: number) {
  return (a: Expr, count64: Expr): Expr =>
    V.vAnd(shift(a, wrap(count64)), V.i64x2Splat(select(gtU(count64, i64(bits - 1)), i64(0n), i64(-1n))));
}
/** An arithmetic shift: large counts fill with the sign. */
function arithmetic(shift: Shift, bits: number) {
  return (a: Expr, count64: Expr): Expr =>
    shift(a, select(gtU(count64, i64(bits - 1)), i32(bits - 1), wrap(count64)));
}

function shiftRows(
  name: string,
  opcode: number,
  group: number,
  digit: number,
  fn: (a: Expr, count64: Expr) => Expr,
): void {
  const immediate = (x: Ctx): Expr => i64FromByte(x.imm());
  PACKED.push(
    op(
      opcode,
      name,
      [Pq, Qq()],
      (x) => {
        mmxReady(x);
        const count = source64(x, 1);
        mmxTouched(x);
        setMm(x, 0, fn(mm(x, 0), count));
      },
      { prefix: 0, feature: "mmx" },
    ),
    op(
      opcode,
      name,
      [Vx, Wx()],
      (x) => {
        sseReady(x);
        const count = x.isMem(1) ? x.tmp(V.i64x2Extract(source128(x, 1), 0)) : x.tmp(low64(x, 1));
        setXmm(x, 0, fn(xmm(x, 0), count));
      },
      { prefix: 0x66, feature: "sse2" },
    ),
    op(
      group,
      name,
      [Qq(), Ib],
      (x) => {
        mmxReady(x);
        const count = x.tmp(immediate(x));
        mmxTouched(x);
        setMm(x, 0, fn(mm(x, 0), count));
      },
      { prefix: 0, digit, mod: "reg", feature: "mmx" },
    ),
    op(
      group,
      name,
      [Wx(), Ib],
      (x) => {
        sseReady(x);
        setXmm(x, 0, fn(xmm(x, 0), x.tmp(immediate(x))));
      },
      { prefix: 0x66, digit, mod: "reg", feature: "sse2" },
    ),
  );
}
function i64FromByte(e: Expr): Expr {
  return extendU(and(e, 0xff));
}

shiftRows("psrlw", 0x0fd1, 0x0f71, 2, logical(V.i16x8ShrU, 16));
shiftRows("psrld", 0x0fd2, 0x0f72, 2, logical(V.i32x4ShrU, 32));
shiftRows("psrlq", 0x0fd3, 0x0f73, 2, logical(V.i64x2ShrU, 64));
shiftRows("psraw", 0x0fe1, 0x0f71, 4, arithmetic(V.i16x8ShrS, 16));
shiftRows("psrad", 0x0fe2, 0x0f72, 4, arithmetic(V.i32x4ShrS, 32));
shiftRows("psllw", 0x0ff1, 0x0f71, 6, logical(V.i16x8Shl, 16));
shiftRows("pslld", 0x0ff2, 0x0f72, 6, logical(V.i32x4Shl, 32));
shiftRows("psllq", 0x0ff3, 0x0f73, 6, logical(V.i64x2Shl, 64));

/** min(byte, limit) */
function clampByte(e: Expr, limit: number): Expr {
  const byte = and(e, 0xff);
  return select(gtU(byte, limit), i32(limit), byte);
}
/** Bytes i + n of a vector; indices outside 0…15 give 0. `n` −16…31. */
function bytesFrom(a: Expr, n: Expr): Expr {
  return V.swizzle(a, V.i8x16Add(V.IOTA, V.i8x16Splat(n)));
}
const BYTE_SHIFTS: Row[] = [
  op(
    0x0f73,
    "psrldq",
    [Wx(), Ib],
    (x) => {
      sseReady(x);
      setXmm(x, 0, bytesFrom(xmm(x, 0), clampByte(x.imm(), 16)));
    },
    { prefix: 0x66, digit: 3, mod: "reg", feature: "sse2" },
  ),
  op(
    0x0f73,
    "pslldq",
    [Wx(), Ib],
    (x) => {
      sseReady(x);
      setXmm(x, 0, bytesFrom(xmm(x, 0), sub(i32(0), clampByte(x.imm(), 16))));
    },
    { prefix: 0x66, digit: 7, mod: "reg", feature: "sse2" },
  ),
];

// ------------------------------------------------------------------ shuffles

/** Byte index of the elements that field `i` (two bits) of a shuffle immediate names, for each byte of a `width`-byte element. */
function fieldIndices(imm: Expr, i: number, width: 2 | 4, base: number): Expr {
  const field = and(shrU(imm, 2 * i), 3);
  return width === 4
    ? add(mul(field, 0x0404_0404), 0x0302_0100 + base * 0x0101_0101)
    : add(mul(field, 0x0202), 0x0100 + base * 0x0101);
}
function doubleIndices(imm: Expr): Expr {
  let v = V.i32x4Splat(fieldIndices(imm, 0, 4, 0));
  for (let i = 1; i < 4; i++) v = V.i32x4Replace(v, i, fieldIndices(imm, i, 4, 0));
  return v;
}
/** Shuffle of the four words from word 0 or word 4 on; the other words stay. */
function wordIndices(imm: Expr, high: boolean): Expr {
  let v = V.IOTA;
  for (let i = 0; i < 4; i++)
    v = V.i16x8Replace(v, (high ? 4 : 0) + i, fieldIndices(imm, i, 2, high ? 8 : 0));
  return v;
}
const SHUFFLES: Row[] = [
  op(
    0x0f70,
    "pshufw",
    [Pq, Qq(), Ib],
    (x) => {
      mmxReady(x);
      const b = sourceVector(x, 1, 8);
      const imm = x.tmp(x.imm());
      mmxTouched(x);
      setMm(x, 0, V.swizzle(b, wordIndices(imm, false)));
    },
    { prefix: 0, feature: "sse" },
  ),
  op(
    0x0f70,
    "pshufd",
    [Vx, Wx(), Ib],
    (x) => {
      sseReady(x);
      const b = source128(x, 1);
      setXmm(x, 0, V.swizzle(b, doubleIndices(x.tmp(x.imm()))));
    },
    { prefix: 0x66, feature: "sse2" },
  ),
  op(
    0x0f70,
    "pshuflw",
    [Vx, Wx(), Ib],
    (x) => {
      sseReady(x);
      const b = source128(x, 1);
      setXmm(x, 0, V.swizzle(b, wordIndices(x.tmp(x.imm()), false)));
    },
    { prefix: 0xf2, feature: "sse2" },
  ),
  op(
    0x0f70,
    "pshufhw",
    [Vx, Wx(), Ib],
    (x) => {
      sseReady(x);
      const b = source128(x, 1);
      setXmm(x, 0, V.swizzle(b, wordIndices(x.tmp(x.imm()), true)));
    },
    { prefix: 0xf3, feature: "sse2" },
  ),
];

// --------------------------------------------------------------------- SSSE3

function horizontal(width: 2 | 4, combine: Vector2, opcode: number, name: string): void {
  const even = width === 2 ? [0, 2, 4, 6, 8, 10, 12, 14] : [0, 2, 4, 6];
  const odd = even.map((e) => e + 1);
  const whole: Vector2 = (a, b) =>
    combine(V.shuffleElements(width, a, b, even), V.shuffleElements(width, a, b, odd));
  packed(opcode, name, whole, (a, b) => {
    const both = joinLow(a, b);
    return whole(both, both);
  });
}
function signed(
  abs: (a: Expr) => Expr,
  neg: (a: Expr) => Expr,
  compare: Vector2,
): { abs: (a: Expr) => Expr; sign: Vector2 } {
  return {
    abs,
    // b < 0: −a; b = 0: 0; b > 0: a
    sign: (a, b) =>
      V.vAndNot(
        V.vSelect(neg(a), a, compare(V.ZERO_VECTOR, b)),
        V.vNot(V.vOr(compare(V.ZERO_VECTOR, b), compare(b, V.ZERO_VECTOR))),
      ),
  };
}
const BYTES = signed(V.i8x16Abs, V.i8x16Neg, V.i8x16GtS);
const WORDS = signed(V.i16x8Abs, V.i16x8Neg, V.i16x8GtS);
const DOUBLES = signed(V.i32x4Abs, V.i32x4Neg, V.i32x4GtS);

packed(
  0x0f3800,
  "pshufb",
  (a, b) => V.swizzle(a, V.vAnd(b, V.i8x16Splat(i32(0x8f)))),
  (a, b) => V.swizzle(a, V.vAnd(b, V.i8x16Splat(i32(0x87)))),
);
horizontal(2, V.i16x8Add, 0x0f3801, "phaddw");
horizontal(4, V.i32x4Add, 0x0f3802, "phaddd");
horizontal(2, V.i16x8AddSatS, 0x0f3803, "phaddsw");
// Unsigned bytes of a times signed bytes of b, pairs added with saturation.
packed(0x0f3804, "pmaddubsw", (a, b) => {
  const even = V.i16x8Mul(V.vAnd(a, V.i16x8Splat(i32(0xff))), V.i16x8ShrS(V.i16x8Shl(b, 8), 8));
  const odd = V.i16x8Mul(V.i16x8ShrU(a, 8), V.i16x8ShrS(b, 8));
  return V.i16x8AddSatS(even, odd);
});
horizontal(2, V.i16x8Sub, 0x0f3805, "phsubw");
horizontal(4, V.i32x4Sub, 0x0f3806, "phsubd");
horizontal(2, V.i16x8SubSatS, 0x0f3807, "phsubsw");
packed(0x0f3808, "psignb", BYTES.sign);
packed(0x0f3809, "psignw", WORDS.sign);
packed(0x0f380a, "psignd", DOUBLES.sign);
// ((a·b >> 14) + 1) >> 1, without the saturation of WebAssembly's own instruction.
packed(0x0f380b, "pmulhrsw", (a, b) => {
  const round = (product: Expr): Expr =>
    V.i32x4ShrS(V.i32x4Add(V.i32x4ShrS(product, 14), V.i32x4Splat(i32(1))), 1);
  return shuffle(
    round(V.i32x4ExtmulLowS(a, b)),
    round(V.i32x4ExtmulHighS(a, b)),
    [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29],
  );
});
packed(0x0f381c, "pabsb", (_a, b) => BYTES.abs(b));
packed(0x0f381d, "pabsw", (_a, b) => WORDS.abs(b));
packed(0x0f381e, "pabsd", (_a, b) => DOUBLES.abs(b));

const ALIGNR: Row[] = [
  op(
    0x0f3a0f,
    "palignr",
    [Pq, Qq(), Ib],
    (x) => {
      mmxReady(x);
      const b = sourceVector(x, 1, 8);
      const n = x.tmp(clampByte(x.imm(), 16));
      mmxTouched(x);
      setMm(x, 0, bytesFrom(joinLow(b, mm(x, 0)), n));
    },
    { prefix: 0, feature: "ssse3" },
  ),
  op(
    0x0f3a0f,
    "palignr",
    [Vx, Wx(), Ib],
    (x) => {
      sseReady(x);
      const b = source128(x, 1);
      const n = x.tmp(clampByte(x.imm(), 32));
      setXmm(x, 0, V.vOr(bytesFrom(b, n), bytesFrom(xmm(x, 0), sub(n, 16))));
    },
    { prefix: 0x66, feature: "ssse3" },
  ),
];

const EMMS = op(
  0x0f77,
  "emms",
  [],
  (x) => {
    mmxReady(x);
    x.setState(FTOP, i32(0));
    x.setState(FTW, i32(0));
  },
  { prefix: 0, feature: "mmx" },
);

export const SIMD_INTEGER_ROWS: readonly Row[] = [...PACKED, ...BYTE_SHIFTS, ...SHUFFLES, ...ALIGNR, EMMS];
