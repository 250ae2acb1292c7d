// SPDX-License-Identifier: BSD-3-Clause
/**
 * Bit tests, scans and byte order. Source: SDM vol. 2A "BSF", "BSR", "BSWAP", "BT" and its kind, vol. 2B "POPCNT".
 *
 * Of the undefined flags, BT and its kind leave all as they are; BSF and BSR set SF and PF from the source.
 * @module
 */
import {
  add,
  and,
  clz,
  ctz,
  eqz,
  i32,
  or,
  popcnt,
  rotl,
  shl,
  shrS,
  shrU,
  sub,
  xor,
  type Expr,
} from "../wasm/expr.ts";
import type { Ctx } from "./ctx.ts";
import { I32, I32_LOAD, I32_LOAD16_U, I32_STORE, I32_STORE16 } from "../wasm/opcodes.ts";
import { Ev, Gv, Ib, Zv, op, type Row, type Semantics } from "./row.ts";

type Change = (value: Expr, bit: Expr) => Expr;

const CHANGES: readonly (Change | null)[] = [
  null,
  (value, bit) => or(value, bit),
  (value, bit) => and(value, xor(bit, -1)),
  (value, bit) => xor(value, bit),
];

/** Bit offset within the addressed element. */
function bitIndex(x: Ctx, offset: Expr): Expr {
  return x.tmp(and(offset, 8 * x.size - 1));
}

/** BT, BTS, BTR, BTC. A register bit offset reaches beyond a memory operand, an immediate one does not. */
function bitTest(change: Change | null): Semantics {
  return (x) => {
    const offset = x.tmp(x.read(1));
    const bit = bitIndex(x, offset);
    if (x.isMem(0) && x.form.kinds[1] === "r") {
      const shift = x.size === 4 ? 5 : 4;
      const address = x.tmp(add(x.address(0), shl(shrS(offset, shift), shift - 3)));
      if (change === null) {
        x.setCarry(and(shrU(x.ld(x.size, address), bit), 1));
        return;
      }
      const ref = x.writable(x.size, address);
      const value = x.tmp(ref.load(x.size === 4 ? I32_LOAD : I32_LOAD16_U, I32));
      ref.store(x.size === 4 ? I32_STORE : I32_STORE16, change(value, shl(i32(1), bit)));
      x.setCarry(and(shrU(value, bit), 1));
      return;
    }
    if (change === null) {
      x.setCarry(and(shrU(x.read(0), bit), 1));
      return;
    }
    const m = x.modify(0);
    m.commit(change(m.value, shl(i32(1), bit)));
    x.setCarry(and(shrU(m.value, bit), 1));
  };
}
const BIT_TESTS = CHANGES.map(bitTest);
const BIT_NAMES = ["bt", "bts", "btr", "btc"];

function scan(position: (source: Expr) => Expr): Semantics {
  return (x) => {
    const source = x.tmp(x.readZ(1));
    x.when(source, () => x.write(0, position(source)));
    x.flagsLogic(source);
  };
}
const BSF = scan(ctz);
const BSR = scan((source) => sub(i32(31), clz(source)));

const POPCNT: Semantics = (x) => {
  const source = x.tmp(x.readZ(1));
  x.write(0, popcnt(source));
  x.flagsRaw(shl(eqz(source), 6));
};

/** BSWAP; of 16-bit registers, where it is undefined, it clears the register as processors do. */
const BSWAP: Semantics = (x) => {
  if (x.size === 2) {
    x.write(0, i32(0));
    return;
  }
  const v = x.tmp(x.read(0));
  x.write(0, or(and(rotl(v, 8), 0x00ff_00ff), and(rotl(v, 24), 0xff00_ff00 | 0)));
};

export const BIT_ROWS: readonly Row[] = [
  ...BIT_NAMES.flatMap((name, i) => [
    op(0x0fba, name, [Ev, Ib], BIT_TESTS[i]!, { digit: 4 + i, lock: i > 0, writes: i > 0 }),
    op(0x0fa3 + 8 * i, name, [Ev, Gv], BIT_TESTS[i]!, { lock: i > 0, writes: i > 0 }),
  ]),
  op(0x0fb8, "popcnt", [Gv, Ev], POPCNT, { prefix: 0xf3, writes: false, feature: "popcnt" }),
  op(0x0fbc, "bsf", [Gv, Ev], BSF, { writes: false }),
  op(0x0fbd, "bsr", [Gv, Ev], BSR, { writes: false }),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((r) => op(0x0fc8 + r, "bswap", [Zv], BSWAP)),
];
