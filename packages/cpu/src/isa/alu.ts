// SPDX-License-Identifier: BSD-3-Clause
/**
 * Two-operand arithmetic and logic, increments, comparisons and exchanges. Source: SDM vol. 2A–2D, each by name.
 * @module
 */
import {
  add,
  and,
  eq,
  i32,
  i64,
  leU,
  ltU,
  or,
  select,
  shl,
  sub,
  wrap,
  xor,
  extendU,
  shrU,
  eqz,
  type Expr,
} from "../wasm/expr.ts";
import { I64, I64_LOAD, I64_STORE } from "../wasm/opcodes.ts";
import { EAX, EBX, ECX, EDX, ZF } from "../state.ts";
import { signExtend, type Ctx } from "./ctx.ts";
import { AL, E, Eb, Ev, Ew, Gb, Gv, Gw, Ibs, Iz, Zv, eAX, op, type Row, type Semantics } from "./row.ts";

const MIN32 = 0x8000_0000 | 0;

/** AF and OF of a sum or difference in the form of K_EXP; `overflow` has OF in bit 31. */
function explicitBits(overflow: Expr, a: Expr, b: Expr, res: Expr): Expr {
  return or(and(overflow, MIN32), and(xor(xor(a, b), res), 0x10));
}

const ADD: Semantics = (x) => {
  const m = x.modify(0);
  const b = x.tmp(x.read(1));
  const res = x.tmp(signExtend(add(m.value, b), x.size));
  m.commit(res);
  x.flagsAdd(m.value, b, res);
};
const SUB: Semantics = (x) => {
  const m = x.modify(0);
  const b = x.tmp(x.read(1));
  const res = x.tmp(signExtend(sub(m.value, b), x.size));
  m.commit(res);
  x.flagsSub(m.value, b, res);
};
const ADC: Semantics = (x) => {
  const m = x.modify(0);
  const b = x.tmp(x.read(1));
  const cf = x.tmp(x.carry());
  const res = x.tmp(signExtend(add(add(m.value, b), cf), x.size));
  m.commit(res);
  const out = select(cf, leU(res, m.value), ltU(res, m.value));
  x.flagsExplicit(out, explicitBits(and(xor(m.value, res), xor(b, res)), m.value, b, res), res);
};
const SBB: Semantics = (x) => {
  const m = x.modify(0);
  const b = x.tmp(x.read(1));
  const cf = x.tmp(x.carry());
  const res = x.tmp(signExtend(sub(sub(m.value, b), cf), x.size));
  m.commit(res);
  const out = select(cf, leU(m.value, b), ltU(m.value, b));
  x.flagsExplicit(out, explicitBits(and(xor(m.value, b), xor(m.value, res)), m.value, b, res), res);
};
function logic(combine: (a: Expr, b: Expr) => Expr): Semantics {
  return (x) => {
    const m = x.modify(0);
    const res = x.tmp(combine(m.value, x.read(1)));
    m.commit(res);
    x.flagsLogic(res);
  };
}
const OR = logic(or);
const AND = logic(and);
const XOR = logic(xor);
const CMP: Semantics = (x) => {
  const a = x.tmp(x.read(0));
  const b = x.tmp(x.read(1));
  x.flagsSub(a, b, signExtend(sub(a, b), x.size));
};
const TEST: Semantics = (x) => {
  const a = x.tmp(x.read(0));
  x.flagsLogic(x.tmp(and(a, x.read(1))));
};

const INC: Semantics = (x) => {
  const m = x.modify(0);
  const res = x.tmp(signExtend(add(m.value, 1), x.size));
  m.commit(res);
  x.flagsInc(m.value, res);
};
const DEC: Semantics = (x) => {
  const m = x.modify(0);
  const res = x.tmp(signExtend(sub(m.value, 1), x.size));
  m.commit(res);
  x.flagsDec(m.value, res);
};
const NEG: Semantics = (x) => {
  const m = x.modify(0);
  const res = x.tmp(signExtend(sub(i32(0), m.value), x.size));
  m.commit(res);
  x.flagsSub(i32(0), m.value, res);
};
const NOT: Semantics = (x) => {
  const m = x.modify(0);
  m.commit(xor(m.value, -1));
};

const XCHG: Semantics = (x) => {
  const m = x.modify(0);
  const b = x.tmp(x.read(1));
  m.commit(b);
  x.write(1, m.value);
};
const XADD: Semantics = (x) => {
  const m = x.modify(0);
  const b = x.tmp(x.read(1));
  const res = x.tmp(signExtend(add(m.value, b), x.size));
  x.write(1, m.value);
  m.commit(res);
  x.flagsAdd(m.value, b, res);
};
const CMPXCHG: Semantics = (x) => {
  const m = x.modify(0);
  const source = x.tmp(x.read(1));
  const acc = x.tmp(x.regPart(EAX, x.size));
  const same = x.tmp(eq(acc, m.value));
  // The destination is written in either case, as the processor does with its bus locked.
  m.commit(select(same, source, m.value));
  x.when(eqz(same), () => x.setRegPart(EAX, x.size, m.value));
  x.flagsSub(acc, m.value, signExtend(sub(acc, m.value), x.size));
};
const CMPXCHG8B: Semantics = (x) => {
  const ref = x.writable(8, x.address(0));
  const old = x.tmp(ref.load(I64_LOAD, I64));
  const pair = (high: number, low: number): Expr =>
    or(shl(extendU(x.reg(high)), i64(32)), extendU(x.reg(low)));
  const same = x.tmp(eq(pair(EDX, EAX), old));
  ref.store(I64_STORE, select(same, pair(ECX, EBX), old));
  x.when(eqz(same), () => {
    x.setReg(EAX, wrap(old));
    x.setReg(EDX, wrap(shrU(old, i64(32))));
  });
  setZero(x, same);
};
/** Changes ZF alone. */
function setZero(x: Ctx, zero: Expr): void {
  x.flagsRaw(or(and(x.arithmeticFlags(), ~ZF), shl(zero, 6)));
}
const ARPL: Semantics = (x) => {
  const m = x.modify(0);
  const rpl = x.tmp(and(x.read(1), 3));
  const lower = x.tmp(ltU(and(m.value, 3), rpl));
  m.commit(select(lower, or(and(m.value, ~3), rpl), m.value));
  setZero(x, lower);
};

const ARITHMETIC: readonly (readonly [name: string, semantics: Semantics])[] = [
  ["add", ADD],
  ["or", OR],
  ["adc", ADC],
  ["sbb", SBB],
  ["and", AND],
  ["sub", SUB],
  ["xor", XOR],
  ["cmp", CMP],
];

function arithmeticRows(): Row[] {
  return ARITHMETIC.flatMap(([name, semantics], i) => {
    const writes = name !== "cmp";
    const options = { hot: true, lock: writes, writes };
    const group = { ...options, digit: i };
    return [
      op(8 * i + 0, name, [Eb, Gb], semantics, options),
      op(8 * i + 1, name, [Ev, Gv], semantics, options),
      op(8 * i + 2, name, [Gb, Eb], semantics, { hot: true, writes: false }),
      op(8 * i + 3, name, [Gv, Ev], semantics, { hot: true, writes: false }),
      op(8 * i + 4, name, [AL, Ibs], semantics, { hot: true }),
      op(8 * i + 5, name, [eAX, Iz], semantics, { hot: true }),
      op(0x80, name, [Eb, Ibs], semantics, group),
      op(0x81, name, [Ev, Iz], semantics, group),
      op(0x82, name, [Eb, Ibs], semantics, group),
      op(0x83, name, [Ev, Ibs], semantics, group),
    ];
  });
}

export const ALU_ROWS: readonly Row[] = [
  ...arithmeticRows(),
  op(0x84, "test", [Eb, Gb], TEST, { hot: true, writes: false }),
  op(0x85, "test", [Ev, Gv], TEST, { hot: true, writes: false }),
  op(0xa8, "test", [AL, Ibs], TEST, { hot: true }),
  op(0xa9, "test", [eAX, Iz], TEST, { hot: true }),
  ...[0, 1].flatMap((digit) => [
    op(0xf6, "test", [Eb, Ibs], TEST, { digit, hot: true, writes: false }),
    op(0xf7, "test", [Ev, Iz], TEST, { digit, hot: true, writes: false }),
  ]),
  op(0xfe, "inc", [Eb], INC, { digit: 0, lock: true, hot: true }),
  op(0xff, "inc", [Ev], INC, { digit: 0, lock: true, hot: true }),
  op(0xfe, "dec", [Eb], DEC, { digit: 1, lock: true, hot: true }),
  op(0xff, "dec", [Ev], DEC, { digit: 1, lock: true, hot: true }),
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((r) => [
    op(0x40 + r, "inc", [Zv], INC, { hot: true }),
    op(0x48 + r, "dec", [Zv], DEC, { hot: true }),
  ]),
  op(0xf6, "not", [Eb], NOT, { digit: 2, lock: true, hot: "reg" }),
  op(0xf7, "not", [Ev], NOT, { digit: 2, lock: true, hot: "reg" }),
  op(0xf6, "neg", [Eb], NEG, { digit: 3, lock: true, hot: "reg" }),
  op(0xf7, "neg", [Ev], NEG, { digit: 3, lock: true, hot: "reg" }),
  op(0x86, "xchg", [Eb, Gb], XCHG, { lock: true }),
  op(0x87, "xchg", [Ev, Gv], XCHG, { lock: true }),
  ...[1, 2, 3, 4, 5, 6, 7].map((r) => op(0x90 + r, "xchg", [Zv, eAX], XCHG)),
  op(0x0fc0, "xadd", [Eb, Gb], XADD, { lock: true }),
  op(0x0fc1, "xadd", [Ev, Gv], XADD, { lock: true }),
  op(0x0fb0, "cmpxchg", [Eb, Gb], CMPXCHG, { lock: true }),
  op(0x0fb1, "cmpxchg", [Ev, Gv], CMPXCHG, { lock: true }),
  op(0x0fc7, "cmpxchg8b", [E(8)], CMPXCHG8B, { digit: 1, mod: "mem", lock: true, feature: "cx8" }),
  op(0x63, "arpl", [Ew, Gw], ARPL),
];

export { setZero };
