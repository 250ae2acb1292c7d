// SPDX-License-Identifier: BSD-3-Clause
/**
 * Shifts and rotates. Source: SDM vol. 2B "RCL/RCR/ROL/ROR", "SAL/SAR/SHL/SHR", "SHLD", "SHRD".
 *
 * The count is taken modulo 32; a count of zero changes neither operand nor flags. OF of counts other than 1, AF, and CF of
 * counts beyond the operand size are undefined there; here they follow the formulas for count 1 and are deterministic.
 * @module
 */
import {
  and,
  extendU,
  i32,
  i64,
  or,
  remU,
  rotl,
  rotr,
  shl,
  shrS,
  shrU,
  sub,
  wrap,
  xor,
  type Expr,
} from "../wasm/expr.ts";
import { signExtend, zeroExtend, type Ctx, type Modify } from "./ctx.ts";
import { CL, Eb, Ev, Gv, Ib, One, op, type Row, type Semantics } from "./row.ts";

const MIN32 = 0x8000_0000 | 0;

type Shift = (x: Ctx, m: Modify, count: Expr) => void;

/** Count operand `i`, and the operation only when it is not zero. */
function counted(i: number, shift: Shift): Semantics {
  return (x) => {
    const m = x.modify(0);
    const count = x.tmp(and(x.readZ(i), 31));
    x.when(count, () => shift(x, m, count));
  };
}

const SHL = counted(1, (x, m, count) => {
  const bits = 8 * x.size;
  const res = x.tmp(signExtend(shl(m.value, count), x.size));
  const wide = zeroExtend(m.value, x.size);
  const carry = x.tmp(and(bits === 32 ? shrU(wide, sub(i32(32), count)) : shrU(shl(wide, count), bits), 1));
  m.commit(res);
  x.flagsExplicit(carry, and(xor(res, shl(carry, 31)), MIN32), res);
});
const SHR = counted(1, (x, m, count) => {
  const value = x.tmp(zeroExtend(m.value, x.size));
  const res = x.tmp(shrU(value, count));
  m.commit(res);
  x.flagsExplicit(and(shrU(value, sub(count, 1)), 1), and(m.value, MIN32), res);
});
const SAR = counted(1, (x, m, count) => {
  const res = x.tmp(shrS(m.value, count));
  m.commit(res);
  x.flagsExplicit(and(shrS(m.value, sub(count, 1)), 1), i32(0), res);
});

/** Rotates the low 8 or 16 bits of a zero-extended value left by `by` < bits. */
function rotateNarrow(x: Ctx, value: Expr, by: Expr, bits: number): Expr {
  const v = x.tmp(zeroExtend(value, x.size));
  const n = x.tmp(by);
  return or(shl(v, n), shrU(v, and(sub(i32(bits), n), bits - 1)));
}
const ROL = counted(1, (x, m, count) => {
  const bits = 8 * x.size;
  const turned = bits === 32 ? rotl(m.value, count) : rotateNarrow(x, m.value, and(count, bits - 1), bits);
  const res = x.tmp(signExtend(turned, x.size));
  m.commit(res);
  x.setCarryOverflow(and(res, 1), xor(shrU(res, 31), and(res, 1)));
});
const ROR = counted(1, (x, m, count) => {
  const bits = 8 * x.size;
  const turned =
    bits === 32 ? rotr(m.value, count) : rotateNarrow(x, m.value, and(sub(i32(bits), count), bits - 1), bits);
  const res = x.tmp(signExtend(turned, x.size));
  m.commit(res);
  x.setCarryOverflow(shrU(res, 31), topTwoDiffer(res, bits));
});
/** Exclusive or of the two highest bits of a sign-extended value of `bits` bits. */
function topTwoDiffer(res: Expr, bits: number): Expr {
  return and(xor(shrU(res, bits - 1), shrU(res, bits - 2)), 1);
}

/** Rotates CF:value, `bits` + 1 wide, left by `count` (1 … bits). Returns the 64-bit result, CF in bit `bits`. */
function rotateThroughCarry(x: Ctx, value: Expr, count: Expr, bits: number): Expr {
  const carry = shl(extendU(x.carry()), i64(bits));
  const v = x.tmp(or(carry, extendU(zeroExtend(value, x.size))));
  const n = x.tmp(extendU(count));
  return x.tmp(or(shl(v, n), shrU(v, sub(i64(bits + 1), n))));
}
/** The count of a rotation through carry: modulo 9 and 17 for narrow operands. */
function carryCount(x: Ctx, count: Expr): Expr {
  return x.size === 4 ? count : x.tmp(remU(count, i32(8 * x.size + 1)));
}
const RCL = counted(1, (x, m, raw) => {
  const bits = 8 * x.size;
  const count = carryCount(x, raw);
  x.when(count, () => {
    const wide = rotateThroughCarry(x, m.value, count, bits);
    const res = x.tmp(signExtend(wrap(wide), x.size));
    const carry = x.tmp(and(wrap(shrU(wide, i64(bits))), 1));
    m.commit(res);
    x.setCarryOverflow(carry, xor(shrU(res, 31), carry));
  });
});
const RCR = counted(1, (x, m, raw) => {
  const bits = 8 * x.size;
  const count = carryCount(x, raw);
  x.when(count, () => {
    const wide = rotateThroughCarry(x, m.value, sub(i32(bits + 1), count), bits);
    const res = x.tmp(signExtend(wrap(wide), x.size));
    m.commit(res);
    x.setCarryOverflow(and(wrap(shrU(wide, i64(bits))), 1), topTwoDiffer(res, bits));
  });
});

const SHLD = counted(2, (x, m, count) => {
  const fill = x.tmp(x.readZ(1));
  const bits = 8 * x.size;
  const value = x.tmp(zeroExtend(m.value, x.size));
  const shifted =
    bits === 32
      ? or(shl(value, count), shrU(fill, sub(i32(32), count)))
      : shrU(shl(or(shl(value, 16), fill), count), 16);
  const res = x.tmp(signExtend(shifted, x.size));
  // Counts above 16 with 16-bit operands are undefined; the shift below must only stay defined.
  const carry = and(shrU(value, and(sub(i32(bits), count), 31)), 1);
  m.commit(res);
  x.flagsExplicit(carry, and(xor(res, m.value), MIN32), res);
});
const SHRD = counted(2, (x, m, count) => {
  const fill = x.tmp(x.readZ(1));
  const value = x.tmp(zeroExtend(m.value, x.size));
  const shifted =
    x.size === 4
      ? or(shrU(value, count), shl(fill, sub(i32(32), count)))
      : shrU(or(shl(fill, 16), value), count);
  const res = x.tmp(signExtend(shifted, x.size));
  m.commit(res);
  x.flagsExplicit(and(shrU(value, sub(count, 1)), 1), and(xor(res, m.value), MIN32), res);
});

const GROUP: readonly (readonly [name: string, semantics: Semantics])[] = [
  ["rol", ROL],
  ["ror", ROR],
  ["rcl", RCL],
  ["rcr", RCR],
  ["shl", SHL],
  ["shr", SHR],
  ["shl", SHL],
  ["sar", SAR],
];

export const SHIFT_ROWS: readonly Row[] = [
  ...GROUP.flatMap(([name, semantics], digit) => {
    const wide = name.startsWith("rc") ? {} : ({ hot: "reg" } as const);
    return [
      op(0xc0, name, [Eb, Ib], semantics, { digit }),
      op(0xc1, name, [Ev, Ib], semantics, { digit, ...wide }),
      op(0xd0, name, [Eb, One], semantics, { digit }),
      op(0xd1, name, [Ev, One], semantics, { digit, ...wide }),
      op(0xd2, name, [Eb, CL], semantics, { digit }),
      op(0xd3, name, [Ev, CL], semantics, { digit, ...wide }),
    ];
  }),
  op(0x0fa4, "shld", [Ev, Gv, Ib], SHLD),
  op(0x0fa5, "shld", [Ev, Gv, CL], SHLD),
  op(0x0fac, "shrd", [Ev, Gv, Ib], SHRD),
  op(0x0fad, "shrd", [Ev, Gv, CL], SHRD),
];
