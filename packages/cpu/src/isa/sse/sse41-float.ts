// SPDX-License-Identifier: BSD-3-Clause
/**
 * SSE4.1 on floats: ROUNDxx and the dot products.
 *
 * Source: SDM vol. 2 at each instruction, vol. 1 §12.8.4 (precision exceptions of ROUNDxx).
 * @module
 */
import {
  and,
  ceil,
  choose,
  eq,
  f32FromI32Bits,
  f64FromI64Bits,
  floor,
  i32,
  i32FromF32Bits,
  i64FromF64Bits,
  nearest,
  shrU,
  trunc,
  type Expr,
} from "../../wasm/expr.ts";
import { MXCSR } from "../../state.ts";
import type { Ctx } from "../ctx.ts";
import { Ib, Vx, Wx, type Row, type Semantics } from "../row.ts";
import {
  PD,
  PS,
  VECTOR,
  attempt,
  exact,
  isNumber,
  notDenormal32,
  notDenormal64,
  putScratch,
  result32,
  result64,
  resultVector,
  usualLanes,
  type Packed,
} from "./fast.ts";
import {
  RowList,
  setXmm,
  setXmmLow32,
  setXmmLow64,
  source128,
  source32,
  source64,
  sse,
  xmm,
} from "./operands.ts";
import { ROUND_BY_MXCSR, ROUND_QUIET, SSE_A, SSE_B } from "./scratch.ts";
import { maskOfDoubles, maskOfSingles } from "./sse41.ts";
import * as V from "./simd.ts";

const list = new RowList({ 0: "sse4.1", 0x66: "sse4.1", 0xf2: "sse4.1", 0xf3: "sse4.1" });
const { rows } = list;

// --------------------------------------------------------------------- rounding

/** Rounding control 0–3 of the immediate, or MXCSR's. */
function roundingMode(x: Ctx, imm: Expr): Expr {
  return choose(and(imm, ROUND_BY_MXCSR), and(shrU(x.state(MXCSR), 13), 3), and(imm, 3));
}
/** `v` rounded by mode 0–3: to nearest, down, up, towards zero. */
function roundBy(mode: Expr, v: Expr, by: readonly ((v: Expr) => Expr)[]): Expr {
  const [even, down, up, zero] = by as readonly [Round, Round, Round, Round];
  return choose(eq(mode, 0), even(v), choose(eq(mode, 1), down(v), choose(eq(mode, 2), up(v), zero(v))));
}
type Round = (v: Expr) => Expr;
const SCALAR: readonly Round[] = [nearest, floor, ceil, trunc];
const SINGLES: readonly Round[] = [V.f32x4Nearest, V.f32x4Floor, V.f32x4Ceil, V.f32x4Trunc];
const DOUBLES: readonly Round[] = [V.f64x2Nearest, V.f64x2Floor, V.f64x2Ceil, V.f64x2Trunc];

/** 1 when no flag can change: the result is exact, PE is suppressed, or it is set and MXCSR is as usual. */
function silent(x: Ctx, imm: Expr, isExact: Expr): Expr {
  return choose(and(imm, ROUND_QUIET), i32(1), choose(x.mxcsrIsSteady(), i32(1), isExact));
}

function packedRound(p: Packed, by: readonly Round[]): Semantics {
  return sse((x) => {
    const b = source128(x, 1);
    const imm = x.tmp(x.imm());
    const mode = x.tmp(roundingMode(x, imm));
    const r = x.tmp(roundBy(mode, b, by));
    attempt(
      x,
      and(p.allTrue(V.vAnd(p.notDenormal(b), p.eq(b, b))), silent(x, imm, p.allTrue(p.eq(r, b)))),
      () => setXmm(x, 0, r),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, `sseround${p.suffix}`, i32(p.lanes), imm);
        setXmm(x, 0, resultVector(x));
      },
    );
  });
}
function scalarRound(wide: boolean): Semantics {
  return sse((x) => {
    const b = wide ? source64(x, 1) : source32(x, 1);
    const v = x.tmp(wide ? f64FromI64Bits(b) : f32FromI32Bits(b));
    const imm = x.tmp(x.imm());
    const mode = x.tmp(roundingMode(x, imm));
    const r = x.tmp(roundBy(mode, v, SCALAR));
    const plain = wide ? notDenormal64(b) : notDenormal32(b);
    attempt(
      x,
      and(and(plain, isNumber(v)), silent(x, imm, eq(r, v))),
      () => (wide ? setXmmLow64(x, 0, i64FromF64Bits(r)) : setXmmLow32(x, 0, i32FromF32Bits(r))),
      () => {
        putScratch(x, SSE_B, b);
        exact(x, `sseround${wide ? "d" : "s"}`, i32(1), imm);
        if (wide) setXmmLow64(x, 0, result64(x));
        else setXmmLow32(x, 0, result32(x));
      },
    );
  });
}
list.row(0x0f_3a08, 0x66, "roundps", [Vx, Wx(), Ib], packedRound(PS, SINGLES));
list.row(0x0f_3a09, 0x66, "roundpd", [Vx, Wx(), Ib], packedRound(PD, DOUBLES));
list.row(0x0f_3a0a, 0x66, "roundss", [Vx, Wx(4), Ib], scalarRound(false));
list.row(0x0f_3a0b, 0x66, "roundsd", [Vx, Wx(8), Ib], scalarRound(true));

// ----------------------------------------------------------------- dot products

/**
 * DPPS and DPPD: the products that the upper half of the immediate selects, the others being +0; their sum, pair by pair; the sum
 * into the elements that the lower half selects. Each step rounds, and raises exceptions of its own.
 */
function dotProduct(p: Packed, maskOf: (imm: Expr) => Expr): Semantics {
  const { mul, add } = VECTOR[p.suffix];
  const swapped = (v: Expr, distance: 1 | 2): Expr =>
    p.suffix === "d"
      ? V.shuffleElements(8, v, v, [1, 0])
      : V.shuffleElements(4, v, v, distance === 1 ? [1, 0, 3, 2] : [2, 3, 0, 1]);
  const steps: readonly (1 | 2)[] = p.suffix === "d" ? [1] : [1, 2];
  return sse((x) => {
    const source = source128(x, 1);
    const imm = x.tmp(x.imm());
    const selected = x.tmp(maskOf(shrU(imm, 4)));
    const a = x.tmp(V.vAnd(xmm(x, 0), selected));
    const b = x.tmp(V.vAnd(source, selected));
    const product = x.tmp(mul(a, b));
    let sum = product;
    let usual = V.vAnd(usualLanes("mul", p, a, b, product), p.notDenormal(product));
    for (const distance of steps) {
      sum = x.tmp(add(sum, swapped(sum, distance)));
      usual = V.vAnd(usual, V.vAnd(p.notDenormal(sum), p.lt(p.abs(sum), p.infinity)));
    }
    const result = x.f.temp(sum.ty);
    attempt(
      x,
      and(x.mxcsrIsSteady(), p.allTrue(usual)),
      () => x.f.set(result, sum),
      () => {
        exact(x, `ssemulp${p.suffix}`, a, b);
        for (const distance of steps) {
          const terms = x.tmp(resultVector(x));
          // The sum of an element with a later one: the earlier one is the first operand, whose NaN wins.
          putScratch(x, SSE_A, terms);
          putScratch(x, SSE_B, swapped(terms, distance));
          exact(x, `sseadd${p.suffix}`, i32(distance === 1 && p.suffix === "s" ? 3 : 1));
        }
        const total = resultVector(x);
        const zeros: Expr = V.ZERO_VECTOR;
        x.f.set(
          result,
          p.suffix === "s"
            ? V.shuffleElements(4, total, zeros, [0, 0, 0, 0])
            : V.shuffleElements(8, total, zeros, [0, 0]),
        );
      },
    );
    setXmm(x, 0, V.vAnd(result, maskOf(imm)));
  });
}
list.row(0x0f_3a40, 0x66, "dpps", [Vx, Wx(), Ib], dotProduct(PS, maskOfSingles));
list.row(0x0f_3a41, 0x66, "dppd", [Vx, Wx(), Ib], dotProduct(PD, maskOfDoubles));

export const SSE41_FLOAT_ROWS: readonly Row[] = rows;
