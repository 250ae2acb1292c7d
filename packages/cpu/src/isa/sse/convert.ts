// SPDX-License-Identifier: BSD-3-Clause
/**
 * SSE and SSE2 conversions between single, double and integers, in xmm, mmx and general registers.
 *
 * Source: SDM vol. 2 at each instruction, vol. 1 §11.5.
 * @module
 */
import {
  abs,
  choose,
  add,
  and,
  demote,
  eq,
  f32,
  f32FromI32Bits,
  f32FromI32S,
  f64,
  f64FromI32S,
  f64FromI64Bits,
  i32,
  i32FromF32Bits,
  i32SatF32S,
  i32SatF64S,
  i64,
  i64FromF64Bits,
  le,
  leU,
  nearest,
  or,
  promote,
  type Expr,
} from "../../wasm/expr.ts";
import { I32, V128 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { Ed, Gd, Pq, Qq, Vx, Wx, type Row, type Semantics } from "../row.ts";
import { SSE_B, SSE_R } from "./scratch.ts";
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
  RowList,
} from "./operands.ts";
import * as V from "./simd.ts";

import {
  attempt,
  settled,
  putScratch,
  exact,
  resultVector,
  result64,
  result32,
  notTiny32,
  finite32,
  notDenormal32,
  type Packed,
  f64Words,
  PS,
  PD,
  isNumber,
} from "./fast.ts";

const list = new RowList();
/** Conversions of and to packed integers and doubles that stand where the prefix promises a single. */
const SSE2 = { feature: "sse2" } as const;
const { rows } = list;
const row = list.row.bind(list);
// ------------------------------------------------------ between single and double

row(
  0x0f5a,
  0xf3,
  "cvtss2sd",
  [Vx, Wx(4)],
  (x) => {
    sseReady(x);
    const b = source32(x, 1);
    const v = x.tmp(f32FromI32Bits(b));
    attempt(
      x,
      and(notDenormal32(b), isNumber(v)),
      () => setXmmLow64(x, 0, i64FromF64Bits(promote(v))),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, "ssewiden", i32(1));
        setXmmLow64(x, 0, result64(x));
      },
    );
  },
  SSE2,
);
row(0x0f5a, 0xf2, "cvtsd2ss", [Vx, Wx(8)], (x) => {
  sseReady(x);
  const b = source64(x, 1);
  const r = x.tmp(demote(f64FromI64Bits(b)));
  const isExact = eq(promote(r), f64FromI64Bits(b));
  const usual = choose(and(notTiny32(r), finite32(r)), i32(1), eq(f64FromI64Bits(b), f64(0)));
  attempt(
    x,
    and(usual, settled(x, isExact)),
    () => setXmmLow32(x, 0, i32FromF32Bits(r)),
    () => {
      putScratch(x, SSE_B, b);
      exact(x, "sseshorten", i32(1));
      setXmmLow32(x, 0, result32(x));
    },
  );
});
row(
  0x0f5a,
  0,
  "cvtps2pd",
  [Vx, Wx(8)],
  (x) => {
    sseReady(x);
    const b = x.tmp(sourceVector(x, 1, 8));
    attempt(
      x,
      V.i32x4AllTrue(V.vAnd(PS.notDenormal(b), V.f32x4Eq(b, b))),
      () => setXmm(x, 0, V.f64x2Promote(b)),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, "ssewiden", i32(2));
        setXmm(x, 0, resultVector(x));
      },
    );
  },
  SSE2,
);
/** The low 8 bytes of the result, zero above. */
function lowResult(x: Ctx): Expr {
  return x.stateLoad(V.V128_LOAD64_ZERO, V128, i32(0), SSE_R);
}
row(0x0f5a, 0x66, "cvtpd2ps", [Vx, Wx()], (x) => {
  sseReady(x);
  const b = source128(x, 1);
  const r = x.tmp(V.f32x4Demote(b));
  const magnitude = V.f32x4Abs(r);
  const ordinary = V.vAnd(V.f32x4Ge(magnitude, PS.minimum), V.f32x4Lt(magnitude, PS.infinity));
  const isExact = V.i64x2AllTrue(V.f64x2Eq(V.f64x2Promote(r), b));
  attempt(
    x,
    and(settled(x, isExact), eq(V.i64x2Extract(ordinary, 0), i64(-1n))),
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
  attempt(
    x,
    or(leU(add(v, 0x100_0000), 0x200_0000), settled(x, i32(0))),
    () => setXmmLow32(x, 0, i32FromF32Bits(f32FromI32S(v))),
    () => {
      putScratch(x, SSE_B, v);
      exact(x, "ssefromints", i32(1));
      setXmmLow32(x, 0, result32(x));
    },
  );
});
row(
  0x0fe6,
  0xf3,
  "cvtdq2pd",
  [Vx, Wx(8)],
  (x) => {
    sseReady(x);
    setXmm(x, 0, V.f64x2ConvertLowI32(sourceVector(x, 1, 8)));
  },
  SSE2,
);
row(
  0x0f5b,
  0,
  "cvtdq2ps",
  [Vx, Wx()],
  (x) => {
    sseReady(x);
    const b = source128(x, 1);
    const r = x.tmp(V.f32x4ConvertI32(b));
    // 2^31 would come back as the saturated 2^31 − 1.
    const below = V.f32x4Lt(r, V.words(0x4f00_0000, 0x4f00_0000, 0x4f00_0000, 0x4f00_0000));
    const isExact = V.i32x4AllTrue(V.vAnd(below, V.i32x4Eq(V.i32x4TruncSatF32(r), b)));
    attempt(
      x,
      settled(x, isExact),
      () => setXmm(x, 0, r),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, "ssefromints", i32(4));
        setXmm(x, 0, resultVector(x));
      },
    );
  },
  SSE2,
);
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
    const isExact = eq(wide ? f64FromI32S(r) : f32FromI32S(r), v);
    const result = x.f.temp(I32);
    attempt(
      x,
      and(le(abs(v), limit), choose(x.mxcsrIsSteady(), i32(1), isExact)),
      () => x.f.set(result, r),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, `sseint${wide ? "d" : "s"}`, i32(1), i32(truncate ? 1 : 0));
        x.f.set(result, result32(x));
      },
    );
    x.write(0, result);
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
    attempt(
      x,
      and(inRange, settled(x, isExact)),
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
row(0x0f5b, 0xf3, "cvttps2dq", [Vx, Wx()], packedToIntegers(PS, true), SSE2);
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

export const SSE_CONVERT_ROWS: readonly Row[] = rows;
