// SPDX-License-Identifier: BSD-3-Clause
/**
 * MMX and SSE moves, logic, shuffles of floats, and the instructions about the SSE state itself.
 *
 * Source: SDM vol. 2 at each instruction.
 * @module
 */
import { EXC_GP } from "../../exception.ts";
import * as S from "../../state.ts";
import { add, and, extendU, i32, mul, or, select, shl, shrU, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64, V128 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { E, Ed, Gd, Ib, M, Pq, Qq, Vx, Wx, op, type Row, type Semantics } from "../row.ts";
import {
  alignedAddress,
  mm,
  mmxReady,
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
  sseReady,
  target,
  xmm,
  xmmHigh64,
  xmmLow32,
  xmmLow64,
} from "./operands.ts";
import * as V from "./simd.ts";

const rows: Row[] = [];
type Prefix = 0 | 0x66 | 0xf2 | 0xf3;
function row(
  opcode: number,
  prefix: Prefix,
  name: string,
  operands: Row["operands"],
  semantics: Semantics,
  mod?: "mem" | "reg",
): void {
  rows.push(op(opcode, name, operands, semantics, mod === undefined ? { prefix } : { prefix, mod }));
}
/** Semantics behind the SSE availability check. */
function sse(semantics: Semantics): Semantics {
  return (x) => {
    sseReady(x);
    semantics(x);
  };
}
function mmx(semantics: Semantics): Semantics {
  return (x) => {
    mmxReady(x);
    semantics(x);
  };
}

// ------------------------------------------------------------ 16-byte moves

function whole(load: number, store: number, prefix: Prefix, name: string, unaligned: boolean): void {
  row(
    load,
    prefix,
    name,
    [Vx, Wx()],
    sse((x) => setXmm(x, 0, source128(x, 1, unaligned))),
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
  );
}
whole(0x0f10, 0x0f11, 0, "movups", true);
whole(0x0f10, 0x0f11, 0x66, "movupd", true);
whole(0x0f28, 0x0f29, 0, "movaps", false);
whole(0x0f28, 0x0f29, 0x66, "movapd", false);
whole(0x0f6f, 0x0f7f, 0x66, "movdqa", false);
whole(0x0f6f, 0x0f7f, 0xf3, "movdqu", true);
row(
  0x0ff0,
  0xf2,
  "lddqu",
  [Vx, Wx()],
  sse((x) => setXmm(x, 0, source128(x, 1, true))),
  "mem",
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
    else setXmmLow32(x, 0, xmmLow32(x, 1));
  }),
);
row(
  0x0f11,
  0xf3,
  "movss",
  [Wx(4), Vx],
  sse((x) => {
    if (x.isMem(0)) target(x, 0, 4).store(W.I32_STORE, xmmLow32(x, 1));
    else setXmmLow32(x, 0, xmmLow32(x, 1));
  }),
);
row(
  0x0f10,
  0xf2,
  "movsd",
  [Vx, Wx(8)],
  sse((x) => {
    if (x.isMem(1)) setXmm(x, 0, sourceVector(x, 1, 8));
    else setXmmLow64(x, 0, xmmLow64(x, 1));
  }),
);
row(
  0x0f11,
  0xf2,
  "movsd",
  [Wx(8), Vx],
  sse((x) => {
    if (x.isMem(0)) target(x, 0, 8).store(W.I64_STORE, xmmLow64(x, 1));
    else setXmmLow64(x, 0, xmmLow64(x, 1));
  }),
);
row(
  0x0f7e,
  0xf3,
  "movq",
  [Vx, Wx(8)],
  sse((x) => setXmm(x, 0, sourceVector(x, 1, 8))),
);
row(
  0x0fd6,
  0x66,
  "movq",
  [Wx(8), Vx],
  sse((x) => {
    if (x.isMem(0)) target(x, 0, 8).store(W.I64_STORE, xmmLow64(x, 1));
    else setXmm(x, 0, sourceVector(x, 1, 8));
  }),
);
const LOAD_LOW: Semantics = sse((x) => setXmmLow64(x, 0, source64(x, 1)));
const LOAD_HIGH: Semantics = sse((x) => setXmmHigh64(x, 0, source64(x, 1)));
const STORE_LOW: Semantics = sse((x) => target(x, 0, 8).store(W.I64_STORE, xmmLow64(x, 1)));
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
  sse((x) => setXmmHigh64(x, 0, xmmLow64(x, 1))),
  "reg",
);
row(
  0x0f12,
  0xf2,
  "movddup",
  [Vx, Wx(8)],
  sse((x) => setXmm(x, 0, V.i64x2Splat(source64(x, 1)))),
);
const duplicate = (elements: readonly number[]): Semantics =>
  sse((x) => {
    const b = source128(x, 1);
    setXmm(x, 0, V.shuffleElements(4, b, b, elements));
  });
row(0x0f12, 0xf3, "movsldup", [Vx, Wx()], duplicate([0, 0, 2, 2]));
row(0x0f16, 0xf3, "movshdup", [Vx, Wx()], duplicate([1, 1, 3, 3]));

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
);
row(
  0x0f7e,
  0,
  "movd",
  [Ed, Pq],
  mmx((x) => {
    x.write(0, xmmLow32(x, 1));
    mmxTouched(x);
  }),
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
  sse((x) => x.write(0, xmmLow32(x, 1))),
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
);
row(
  0x0f7f,
  0,
  "movq",
  [Qq(), Pq],
  mmx((x) => {
    if (x.isMem(0)) target(x, 0, 8).store(W.I64_STORE, xmmLow64(x, 1));
    else setMm64(x, 0, xmmLow64(x, 1));
    mmxTouched(x);
  }),
);
row(
  0x0fe7,
  0,
  "movntq",
  [Qq(), Pq],
  mmx((x) => {
    target(x, 0, 8).store(W.I64_STORE, xmmLow64(x, 1));
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
    setMm64(x, 0, xmmLow64(x, 1));
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
  "reg",
);
row(0x0fc3, 0, "movnti", [Ed, Gd], (x) => x.write(0, x.read(1)), "mem");

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
    { prefix: 0, mod: "reg", implicit: true },
  ),
  op(
    0x0ff7,
    "maskmovdqu",
    [Vx, Wx()],
    sse((x) => {
      maskedStore(x, 16, x.tmp(xmm(x, 0)), x.tmp(xmm(x, 1)));
    }),
    { prefix: 0x66, mod: "reg", implicit: true },
  ),
);

// ---------------------------------------------------- logic, unpack, shuffle

function both(opcode: number, name: string, fn: V.Vector2): void {
  for (const [prefix, suffix] of [
    [0, "ps"],
    [0x66, "pd"],
  ] as const) {
    row(
      opcode,
      prefix,
      name + suffix,
      [Vx, Wx()],
      sse((x) => {
        const b = source128(x, 1);
        setXmm(x, 0, fn(xmm(x, 0), b));
      }),
    );
  }
}
both(0x0f54, "and", V.vAnd);
both(0x0f55, "andn", (a, b) => V.vAndNot(b, a));
both(0x0f56, "or", V.vOr);
both(0x0f57, "xor", V.vXor);
const interleave = (width: number, elements: readonly number[]): Semantics =>
  sse((x) => {
    const b = source128(x, 1);
    setXmm(x, 0, V.shuffleElements(width, xmm(x, 0), b, elements));
  });
row(0x0f14, 0, "unpcklps", [Vx, Wx()], interleave(4, [0, 4, 1, 5]));
row(0x0f15, 0, "unpckhps", [Vx, Wx()], interleave(4, [2, 6, 3, 7]));
row(0x0f14, 0x66, "unpcklpd", [Vx, Wx()], interleave(8, [0, 2]));
row(0x0f15, 0x66, "unpckhpd", [Vx, Wx()], interleave(8, [1, 3]));

/** Element `index` (dynamic) of 4-byte elements, as byte indices for swizzle. */
function wordIndex(index: Expr): Expr {
  return add(mul(index, 0x0404_0404), 0x0302_0100);
}
row(
  0x0fc6,
  0,
  "shufps",
  [Vx, Wx(), Ib],
  sse((x) => {
    const b = source128(x, 1);
    const imm = x.tmp(x.imm());
    const field = (i: number): Expr => wordIndex(and(shrU(imm, 2 * i), 3));
    // Indices of the half that does not apply are out of range and give 0.
    const low = V.i32x4Replace(V.i32x4Replace(V.words(-1, -1, -1, -1), 0, field(0)), 1, field(1));
    const high = V.i32x4Replace(V.i32x4Replace(V.words(-1, -1, -1, -1), 2, field(2)), 3, field(3));
    setXmm(x, 0, V.vOr(V.swizzle(xmm(x, 0), low), V.swizzle(b, high)));
  }),
);
row(
  0x0fc6,
  0x66,
  "shufpd",
  [Vx, Wx(), Ib],
  sse((x) => {
    const b = source128(x, 1);
    const imm = x.tmp(x.imm());
    const a = x.tmp(xmm(x, 0));
    const low = select(and(imm, 1), V.i64x2Extract(a, 1), V.i64x2Extract(a, 0));
    const high = select(and(imm, 2), V.i64x2Extract(b, 1), V.i64x2Extract(b, 0));
    setXmm(x, 0, V.i64x2Replace(V.i64x2Splat(low), 1, high));
  }),
);

// ---------------------------------------------------------------- SSE state

/** Bits of MXCSR that may be set. */
export const MXCSR_MASK = 0xffff;
const FENCE: Semantics = () => {};

rows.push(
  op(
    0x0fae,
    "ldmxcsr",
    [Ed],
    sse((x) => {
      const value = x.tmp(x.read(0));
      x.raiseIf(and(value, ~MXCSR_MASK), EXC_GP);
      x.setState(S.MXCSR, value);
    }),
    { prefix: 0, digit: 2, mod: "mem", writes: false },
  ),
  op(
    0x0fae,
    "stmxcsr",
    [Ed],
    sse((x) => x.write(0, x.state(S.MXCSR))),
    { prefix: 0, digit: 3, mod: "mem" },
  ),
  op(0x0fae, "lfence", [], FENCE, { prefix: 0, digit: 5, mod: "reg" }),
  op(0x0fae, "mfence", [], FENCE, { prefix: 0, digit: 6, mod: "reg" }),
  op(0x0fae, "sfence", [], FENCE, { prefix: 0, digit: 7, mod: "reg" }),
  op(
    0x0fae,
    "clflush",
    [E(1)],
    (x) => {
      x.ld(1, x.address(0));
    },
    { prefix: 0, digit: 7, mod: "mem", writes: false },
  ),
  op(
    0x0fae,
    "fxsave",
    [M],
    (x) => {
      x.raiseIf(and(x.state(S.CR0), S.CR0_EM | S.CR0_TS), 7);
      fxsave(x);
    },
    { prefix: 0, digit: 0, mod: "mem", memBytes: 512 },
  ),
  op(
    0x0fae,
    "fxrstor",
    [M],
    (x) => {
      x.raiseIf(and(x.state(S.CR0), S.CR0_EM | S.CR0_TS), 7);
      fxrstor(x);
    },
    { prefix: 0, digit: 1, mod: "mem", writes: false, memBytes: 512 },
  ),
);

// FXSAVE image, SDM vol. 1 table 10-2.
const FX_MXCSR = 24;
const FX_ST = 32;
const FX_XMM = 160;

function fxsave(x: Ctx): void {
  const ref = x.writable(512, alignedAddress(x, 0));
  const word = (offset: number, value: Expr): void => ref.store(W.I32_STORE, value, offset);
  word(0, or(x.state(S.FCW), shl(or(x.state(S.FSW), shl(x.state(S.FTOP), 11)), 16)));
  word(4, or(x.state(S.FTW), shl(x.state(S.FOP), 16)));
  word(8, x.state(S.FIP));
  word(12, and(x.state(S.FCS), 0xffff));
  word(16, x.state(S.FDP));
  word(20, and(x.state(S.FDS), 0xffff));
  word(FX_MXCSR, x.state(S.MXCSR));
  word(FX_MXCSR + 4, i32(MXCSR_MASK));
  for (let i = 0; i < 8; i++) {
    const slot = x.tmp(shl(and(add(x.state(S.FTOP), i), 7), 4));
    ref.store(W.I64_STORE, x.stateLoad(W.I64_LOAD, I64, slot, S.X87), FX_ST + 16 * i);
    ref.store(
      W.I64_STORE,
      extendU(and(x.stateLoad(W.I32_LOAD, I32, slot, S.X87 + 8), 0xffff)),
      FX_ST + 16 * i + 8,
    );
  }
  for (let i = 0; i < 8; i++)
    ref.store(W.V128_STORE, x.stateLoad(W.V128_LOAD, V128, i32(S.XMM + 16 * i)), FX_XMM + 16 * i);
}

function fxrstor(x: Ctx): void {
  const at = alignedAddress(x, 0);
  const load32 = (offset: number): Expr => x.load(W.I32_LOAD, I32, 4, x.tmp(add(at, offset)));
  const control = load32(0);
  const mxcsr = load32(FX_MXCSR);
  // The last bytes are touched before anything changes: both pages of the image are there.
  load32(508);
  x.raiseIf(and(mxcsr, ~MXCSR_MASK), EXC_GP);
  const tags = load32(4);
  x.setState(S.FIP, load32(8));
  x.setState(S.FCS, and(load32(12), 0xffff));
  x.setState(S.FDP, load32(16));
  x.setState(S.FDS, and(load32(20), 0xffff));
  x.setState(S.FTW, and(tags, 0xff));
  x.setState(S.FOP, and(shrU(tags, 16), 0x7ff));
  x.setState(S.MXCSR, mxcsr);
  x.f.exec(x.rt["x87setControl"]!, and(control, 0xffff));
  x.f.exec(x.rt["x87setStatus"]!, shrU(control, 16));
  for (let i = 0; i < 8; i++) {
    const slot = x.tmp(shl(and(add(x.state(S.FTOP), i), 7), 4));
    x.stateStore(W.I64_STORE, slot, x.load(W.I64_LOAD, I64, 8, x.tmp(add(at, FX_ST + 16 * i))), S.X87);
    x.stateStore(
      W.I32_STORE,
      slot,
      x.load(W.I32_LOAD16_U, I32, 2, x.tmp(add(at, FX_ST + 16 * i + 8))),
      S.X87 + 8,
    );
    x.stateStore(
      W.V128_STORE,
      i32(S.XMM + 16 * i),
      x.load(W.V128_LOAD, V128, 16, x.tmp(add(at, FX_XMM + 16 * i))),
    );
  }
}

export const SSE_MOVE_ROWS: readonly Row[] = rows;
