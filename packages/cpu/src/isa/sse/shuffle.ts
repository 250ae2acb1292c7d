// SPDX-License-Identifier: BSD-3-Clause
/**
 * SSE and SSE2 logic, unpacking and shuffling of floats.
 *
 * Source: SDM vol. 2 at each instruction.
 * @module
 */
import { add, and, mul, select, shrU, type Expr } from "../../wasm/expr.ts";
import { Ib, Vx, Wx, type Row, type Semantics } from "../row.ts";
import { setXmm, source128, xmm, RowList, sse } from "./operands.ts";
import * as V from "./simd.ts";

const list = new RowList();
const { rows } = list;
const row = list.row.bind(list);

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

export const SSE_SHUFFLE_ROWS: readonly Row[] = rows;
