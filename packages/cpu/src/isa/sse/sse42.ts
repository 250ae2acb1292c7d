// SPDX-License-Identifier: BSD-3-Clause
/**
 * What SSE4.2 has beside the comparisons of text: PCMPGTQ and CRC32.
 *
 * Source: SDM vol. 2A CRC32, vol. 2B PCMPGTQ. The polynomial is Castagnoli's, bits reflected.
 * @module
 */
import { and, shl, shrU, xor, type Expr } from "../../wasm/expr.ts";
import { I32, I32_LOAD } from "../../wasm/opcodes.ts";
import { CRC_TABLE } from "../../state.ts";
import type { Ctx } from "../ctx.ts";
import { Eb, Ev, Gd, Vx, Wx, op, type Row } from "../row.ts";
import { setXmm, source128, sse, xmm } from "./operands.ts";
import * as V from "./simd.ts";

const POLYNOMIAL = 0x82f6_3b78;

/** The table that CRC32 steps through, for the state block at CRC_TABLE. */
export function crcTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let i = 0; i < 8; i++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    return crc;
  });
}

/** CRC of the low `bytes` bytes of `v`, into which the CRC so far has been mixed. */
function steps(x: Ctx, v: Expr, bytes: number): Expr {
  let crc = v;
  for (let i = 0; i < bytes; i++) {
    const at = x.tmp(crc);
    crc = xor(x.stateLoad(I32_LOAD, I32, shl(and(at, 0xff), 2), CRC_TABLE), shrU(at, 8));
  }
  return crc;
}
const crc32 = (x: Ctx): void => {
  const source = x.tmp(x.readZ(1));
  x.write(0, steps(x, xor(x.read(0), source), x.sizeOf(1)));
};

export const SSE42_ROWS: readonly Row[] = [
  op(
    0x0f_3837,
    "pcmpgtq",
    [Vx, Wx()],
    sse((x) => {
      const b = source128(x, 1);
      setXmm(x, 0, V.i64x2GtS(xmm(x, 0), b));
    }),
    { prefix: 0x66, feature: "sse4.2" },
  ),
  op(0x0f_38f0, "crc32", [Gd, Eb], crc32, { prefix: 0xf2, writes: false, feature: "sse4.2" }),
  op(0x0f_38f1, "crc32", [Gd, Ev], crc32, { prefix: 0xf2, writes: false, feature: "sse4.2" }),
];
