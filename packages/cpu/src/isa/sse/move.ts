// SPDX-License-Identifier: BSD-3-Clause
/**
 * MMX and SSE moves.
 *
 * Source: SDM vol. 2 at each instruction.
 * @module
 */
import * as S from "../../state.ts";
import { add, and, extendU, mul, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I64, V128 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { E, Ed, Gd, Ib, Pq, Qq, Vx, Wx, op, type Row, type RowOptions, type Semantics } from "../row.ts";
import {
  mm,
  mmxTouched,
  setMm,
  setMm64,
  setXmm,
  setXmmHigh64,
  setXmmLow32,
  setXmmLow64,
  source64,
  source128,
  sourceVector,
  target,
  xmm,
  xmmHigh64,
  low32,
  low64,
  RowList,
  mmx,
  sse,
  type Prefix,
} from "./operands.ts";
import * as V from "./simd.ts";

const list = new RowList();
const { rows } = list;
const row = list.row.bind(list);

// ------------------------------------------------------------ 16-byte moves

function whole(
  load: number,
  store: number,
  prefix: Prefix,
  name: string,
  unaligned: boolean,
  more: RowOptions = {},
): void {
  row(
    load,
    prefix,
    name,
    [Vx, Wx()],
    sse((x) => setXmm(x, 0, source128(x, 1, unaligned))),
    more,
  );
  row(
    store,
    prefix,
    name,
    [Wx(), Vx],
    sse((x) => {
      if (x.isMem(0)) target(x, 0, 16, !unaligned).store(W.V128_STORE, xmm(x, 1));
      else setXmm(x, 0, xmm(x, 1));
    }),
    more,
  );
}
whole(0x0f10, 0x0f11, 0, "movups", true);
whole(0x0f10, 0x0f11, 0x66, "movupd", true);
whole(0x0f28, 0x0f29, 0, "movaps", false);
whole(0x0f28, 0x0f29, 0x66, "movapd", false);
whole(0x0f6f, 0x0f7f, 0x66, "movdqa", false);
whole(0x0f6f, 0x0f7f, 0xf3, "movdqu", true, { feature: "sse2" });
row(
  0x0ff0,
  0xf2,
  "lddqu",
  [Vx, Wx()],
  sse((x) => setXmm(x, 0, source128(x, 1, true))),
  { mod: "mem", feature: "sse3" },
);
const NON_TEMPORAL: Semantics = sse((x) => target(x, 0, 16, true).store(W.V128_STORE, xmm(x, 1)));
row(0x0f2b, 0, "movntps", [Wx(), Vx], NON_TEMPORAL, "mem");
row(0x0f2b, 0x66, "movntpd", [Wx(), Vx], NON_TEMPORAL, "mem");
row(0x0fe7, 0x66, "movntdq", [Wx(), Vx], NON_TEMPORAL, "mem");

// ------------------------------------------------------------- scalar moves

row(
  0x0f10,
  0xf3,
  "movss",
  [Vx, Wx(4)],
  sse((x) => {
    if (x.isMem(1)) setXmm(x, 0, sourceVector(x, 1, 4));
    else setXmmLow32(x, 0, low32(x, 1));
  }),
);
row(
  0x0f11,
  0xf3,
  "movss",
  [Wx(4), Vx],
  sse((x) => {
    if (x.isMem(0)) target(x, 0, 4).store(W.I32_STORE, low32(x, 1));
    else setXmmLow32(x, 0, low32(x, 1));
  }),
);
row(
  0x0f10,
  0xf2,
  "movsd",
  [Vx, Wx(8)],
  sse((x) => {
    if (x.isMem(1)) setXmm(x, 0, sourceVector(x, 1, 8));
    else setXmmLow64(x, 0, low64(x, 1));
  }),
);
row(
  0x0f11,
  0xf2,
  "movsd",
  [Wx(8), Vx],
  sse((x) => {
    if (x.isMem(0)) target(x, 0, 8).store(W.I64_STORE, low64(x, 1));
    else setXmmLow64(x, 0, low64(x, 1));
  }),
);
row(
  0x0f7e,
  0xf3,
  "movq",
  [Vx, Wx(8)],
  sse((x) => setXmm(x, 0, sourceVector(x, 1, 8))),
  { feature: "sse2" },
);
row(
  0x0fd6,
  0x66,
  "movq",
  [Wx(8), Vx],
  sse((x) => {
    if (x.isMem(0)) target(x, 0, 8).store(W.I64_STORE, low64(x, 1));
    else setXmm(x, 0, sourceVector(x, 1, 8));
  }),
);
const LOAD_LOW: Semantics = sse((x) => setXmmLow64(x, 0, source64(x, 1)));
const LOAD_HIGH: Semantics = sse((x) => setXmmHigh64(x, 0, source64(x, 1)));
const STORE_LOW: Semantics = sse((x) => target(x, 0, 8).store(W.I64_STORE, low64(x, 1)));
const STORE_HIGH: Semantics = sse((x) => target(x, 0, 8).store(W.I64_STORE, xmmHigh64(x, 1)));
for (const [prefix, suffix] of [
  [0, "ps"],
  [0x66, "pd"],
] as const) {
  row(0x0f12, prefix, `movl${suffix}`, [Vx, Wx(8)], LOAD_LOW, "mem");
  row(0x0f13, prefix, `movl${suffix}`, [Wx(8), Vx], STORE_LOW, "mem");
  row(0x0f16, prefix, `movh${suffix}`, [Vx, Wx(8)], LOAD_HIGH, "mem");
  row(0x0f17, prefix, `movh${suffix}`, [Wx(8), Vx], STORE_HIGH, "mem");
}
row(
  0x0f12,
  0,
  "movhlps",
  [Vx, Wx()],
  sse((x) => setXmmLow64(x, 0, xmmHigh64(x, 1))),
  "reg",
);
row(
  0x0f16,
  0,
  "movlhps",
  [Vx, Wx()],
  sse((x) => setXmmHigh64(x, 0, low64(x, 1))),
  "reg",
);
row(
  0x0f12,
  0xf2,
  "movddup",
  [Vx, Wx(8)],
  sse((x) => setXmm(x, 0, V.i64x2Splat(source64(x, 1)))),
  { feature: "sse3" },
);
const duplicate = (elements: readonly number[]): Semantics =>
  sse((x) => {
    const b = source128(x, 1);
    setXmm(x, 0, V.shuffleElements(4, b, b, elements));
  });
row(0x0f12, 0xf3, "movsldup", [Vx, Wx()], duplicate([0, 0, 2, 2]), { feature: "sse3" });
row(0x0f16, 0xf3, "movshdup", [Vx, Wx()], duplicate([1, 1, 3, 3]), { feature: "sse3" });

// ------------------------------------------------- general and MMX registers

row(
  0x0f6e,
  0,
  "movd",
  [Pq, Ed],
  mmx((x) => {
    const value = x.tmp(x.read(1));
    mmxTouched(x);
    setMm64(x, 0, extendU(value));
  }),
  { feature: "mmx" },
);
row(
  0x0f7e,
  0,
  "movd",
  [Ed, Pq],
  mmx((x) => {
    x.write(0, low32(x, 1));
    mmxTouched(x);
  }),
  { feature: "mmx" },
);
row(
  0x0f6e,
  0x66,
  "movd",
  [Vx, Ed],
  sse((x) => setXmm(x, 0, V.i32x4Replace(V.ZERO_VECTOR, 0, x.read(1)))),
);
row(
  0x0f7e,
  0x66,
  "movd",
  [Ed, Vx],
  sse((x) => x.write(0, low32(x, 1))),
);
row(
  0x0f6f,
  0,
  "movq",
  [Pq, Qq()],
  mmx((x) => {
    const value = source64(x, 1);
    mmxTouched(x);
    setMm64(x, 0, value);
  }),
  { feature: "mmx" },
);
row(
  0x0f7f,
  0,
  "movq",
  [Qq(), Pq],
  mmx((x) => {
    if (x.isMem(0)) target(x, 0, 8).store(W.I64_STORE, low64(x, 1));
    else setMm64(x, 0, low64(x, 1));
    mmxTouched(x);
  }),
  { feature: "mmx" },
);
row(
  0x0fe7,
  0,
  "movntq",
  [Qq(), Pq],
  mmx((x) => {
    target(x, 0, 8).store(W.I64_STORE, low64(x, 1));
    mmxTouched(x);
  }),
  "mem",
);
row(
  0x0fd6,
  0xf2,
  "movdq2q",
  [Pq, Wx()],
  mmx((x) => {
    mmxTouched(x);
    setMm64(x, 0, low64(x, 1));
  }),
  "reg",
);
row(
  0x0fd6,
  0xf3,
  "movq2dq",
  [Vx, Qq()],
  mmx((x) => {
    mmxTouched(x);
    setXmm(x, 0, mm(x, 1));
  }),
  { mod: "reg", feature: "sse2" },
);
row(0x0fc3, 0, "movnti", [Ed, Gd], (x) => x.write(0, x.read(1)), { mod: "mem", feature: "sse2" });

row(
  0x0fd7,
  0,
  "pmovmskb",
  [Gd, Qq()],
  mmx((x) => {
    mmxTouched(x);
    x.write(0, V.i8x16Bitmask(mm(x, 1)));
  }),
  "reg",
);
row(
  0x0fd7,
  0x66,
  "pmovmskb",
  [Gd, Wx()],
  sse((x) => x.write(0, V.i8x16Bitmask(xmm(x, 1)))),
  "reg",
);
row(
  0x0f50,
  0,
  "movmskps",
  [Gd, Wx()],
  sse((x) => x.write(0, V.i32x4Bitmask(xmm(x, 1)))),
  "reg",
);
row(
  0x0f50,
  0x66,
  "movmskpd",
  [Gd, Wx()],
  sse((x) => x.write(0, V.i64x2Bitmask(xmm(x, 1)))),
  "reg",
);

/** Word numbers 0…7 of a vector. */
const WORD_NUMBERS = V.words(0x0001_0000, 0x0003_0002, 0x0005_0004, 0x0007_0006);
function insertWord(vector: Expr, word: Expr, at: Expr): Expr {
  return V.vSelect(V.i16x8Splat(word), vector, V.i16x8Eq(WORD_NUMBERS, V.i16x8Splat(at)));
}
function extractWord(vector: Expr, at: Expr): Expr {
  return V.i16x8ExtractU(V.swizzle(vector, V.i16x8Splat(add(mul(at, 0x0202), 0x0100))), 0);
}
row(
  0x0fc4,
  0,
  "pinsrw",
  [Pq, E(4, "gpr", 2), Ib],
  mmx((x) => {
    const word = x.tmp(x.read(1));
    mmxTouched(x);
    setMm(x, 0, insertWord(mm(x, 0), word, and(x.imm(), 3)));
  }),
);
row(
  0x0fc4,
  0x66,
  "pinsrw",
  [Vx, E(4, "gpr", 2), Ib],
  sse((x) => {
    const word = x.tmp(x.read(1));
    setXmm(x, 0, insertWord(xmm(x, 0), word, and(x.imm(), 7)));
  }),
);
row(
  0x0fc5,
  0,
  "pextrw",
  [Gd, Qq(), Ib],
  mmx((x) => {
    mmxTouched(x);
    x.write(0, extractWord(mm(x, 1), and(x.imm(), 3)));
  }),
  "reg",
);
row(
  0x0fc5,
  0x66,
  "pextrw",
  [Gd, Wx(), Ib],
  sse((x) => x.write(0, extractWord(xmm(x, 1), and(x.imm(), 7)))),
  "reg",
);

/** Stores the bytes of `value` whose mask byte has its top bit set at DS:EDI (segment override allowed). */
function maskedStore(x: Ctx, bytes: 8 | 16, value: Expr, mask: Expr): void {
  const selected = x.tmp(
    V.vAnd(V.i8x16GtS(V.ZERO_VECTOR, mask), bytes === 8 ? V.words(-1, -1, 0, 0) : V.words(-1, -1, -1, -1)),
  );
  x.when(V.vAnyTrue(selected), () => {
    const offset = x.form.addressSize === 2 ? and(x.reg(S.EDI), 0xffff) : x.reg(S.EDI);
    const ref = x.writable(bytes, x.linear(x.segmentOverride(), offset, bytes, true));
    if (bytes === 16) ref.store(W.V128_STORE, V.vSelect(value, ref.load(W.V128_LOAD, V128), selected));
    else
      ref.store(
        W.I64_STORE,
        V.i64x2Extract(V.vSelect(value, V.i64x2Splat(ref.load(W.I64_LOAD, I64)), selected), 0),
      );
  });
}
rows.push(
  op(
    0x0ff7,
    "maskmovq",
    [Pq, Qq()],
    mmx((x) => {
      maskedStore(x, 8, x.tmp(mm(x, 0)), x.tmp(mm(x, 1)));
      mmxTouched(x);
    }),
    { prefix: 0, mod: "reg", implicit: true, feature: "sse" },
  ),
  op(
    0x0ff7,
    "maskmovdqu",
    [Vx, Wx()],
    sse((x) => {
      maskedStore(x, 16, x.tmp(xmm(x, 0)), x.tmp(xmm(x, 1)));
    }),
    { prefix: 0x66, mod: "reg", implicit: true, feature: "sse2" },
  ),
);

export const SSE_MOVE_ROWS: readonly Row[] = rows;
