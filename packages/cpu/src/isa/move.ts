// SPDX-License-Identifier: BSD-3-Clause
/**
 * Data movement and the flag instructions. Source: SDM vol. 2A–2B, each by name.
 * @module
 */
import { add, and, eqz, i32, or, select, shrU, sub, type Expr } from "../wasm/expr.ts";
import { DIRECTION, DS, EAX, EBX, OF, SYSFLAGS } from "../state.ts";
import type { Ctx } from "./ctx.ts";
import { zeroExtend } from "./ctx.ts";
import {
  AL,
  E,
  Eb,
  Ed,
  Ev,
  Ew,
  Gb,
  Gd,
  Gv,
  Ibs,
  Iz,
  M,
  Ob,
  Ov,
  Zb,
  Zv,
  eAX,
  op,
  type Row,
  type Semantics,
} from "./row.ts";

const MOV: Semantics = (x) => x.write(0, x.read(1));
const LEA: Semantics = (x) => x.write(0, x.effectiveAddress(1));
const MOVZX: Semantics = (x) => x.write(0, x.readZ(1));
const MOVSX: Semantics = (x) => x.write(0, x.read(1));

/** Address of XLAT's table entry: DS:[EBX + AL], DS subject to override. */
const XLAT: Semantics = (x) => {
  const sum = add(x.reg(EBX), and(x.reg(EAX), 0xff));
  const offset = zeroExtend(sum, x.form.addressSize);
  x.setRegPart(EAX, 1, x.ld(1, x.linear(x.form.flat ? DS : x.segmentOverride(), offset, 1, false)));
};

const NOP: Semantics = () => {};

const SETCC = Array.from(
  { length: 16 },
  (_, cc): Semantics =>
    (x) =>
      x.write(0, x.condition(cc)),
);
const CMOV = Array.from({ length: 16 }, (_, cc): Semantics => (x) => {
  const source = x.tmp(x.read(1));
  x.write(0, select(x.condition(cc), source, x.read(0)));
});
const CONDITIONS = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"];

// Flags other than CF, PF, AF, ZF, SF that LAHF and SAHF move do not exist; bit 1 reads as 1.
const LAHF: Semantics = (x) => x.setRegPart(EAX + 4, 1, or(and(x.arithmeticFlags(), 0xd5), 2));
const SAHF: Semantics = (x) => x.flagsRaw(or(and(x.arithmeticFlags(), OF), and(shrU(x.reg(EAX), 8), 0xd5)));
const CLC: Semantics = (x) => x.setCarry(i32(0));
const STC: Semantics = (x) => x.setCarry(i32(1));
const CMC: Semantics = (x) => x.setCarry(eqz(x.carry()));
const CLD: Semantics = (x) => x.setState(DIRECTION, i32(1));
const STD: Semantics = (x) => x.setState(DIRECTION, i32(-1));
const SALC: Semantics = (x) => x.setRegPart(EAX, 1, sub(i32(0), x.carry()));

/** EFLAGS as PUSHF stores it: RF and VM read as 0. */
export function pushedFlags(x: Ctx): Expr {
  const direction = and(shrU(x.state(DIRECTION), 21), 0x400);
  return or(or(x.arithmeticFlags(), direction), and(x.state(SYSFLAGS), 0x00fc_ffff));
}

export const MOVE_ROWS: readonly Row[] = [
  op(0x88, "mov", [Eb, Gb], MOV, { hot: true }),
  op(0x89, "mov", [Ev, Gv], MOV, { hot: true }),
  op(0x8a, "mov", [Gb, Eb], MOV, { hot: true, writes: false }),
  op(0x8b, "mov", [Gv, Ev], MOV, { hot: true, writes: false }),
  op(0xc6, "mov", [Eb, Ibs], MOV, { digit: 0, hot: true }),
  op(0xc7, "mov", [Ev, Iz], MOV, { digit: 0, hot: true }),
  op(0xa0, "mov", [AL, Ob], MOV, { hot: true, writes: false }),
  op(0xa1, "mov", [eAX, Ov], MOV, { hot: true, writes: false }),
  op(0xa2, "mov", [Ob, AL], MOV, { hot: true }),
  op(0xa3, "mov", [Ov, eAX], MOV, { hot: true }),
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((r) => [
    op(0xb0 + r, "mov", [Zb, Ibs], MOV, { hot: true }),
    op(0xb8 + r, "mov", [Zv, Iz], MOV, { hot: true }),
  ]),
  op(0x8d, "lea", [Gv, M], LEA, { mod: "mem", hot: true, writes: false, memBytes: 0 }),
  op(0x0fb6, "movzx", [Gv, Eb], MOVZX, { hot: true, writes: false }),
  op(0x0fb7, "movzx", [Gv, Ew], MOVZX, { hot: true, writes: false }),
  op(0x0fbe, "movsx", [Gv, Eb], MOVSX, { hot: true, writes: false }),
  op(0x0fbf, "movsx", [Gv, Ew], MOVSX, { hot: true, writes: false }),
  op(0x0fc3, "movnti", [Ed, Gd], MOV, { mod: "mem", prefix: 0 }),
  op(0xd7, "xlat", [], XLAT, { implicit: true }),
  ...CONDITIONS.flatMap((cc, i) => [
    op(0x0f90 + i, `set${cc}`, [Eb], SETCC[i]!, { hot: "reg" }),
    op(0x0f40 + i, `cmov${cc}`, [Gv, Ev], CMOV[i]!, { hot: "reg", writes: false, feature: "cmov" }),
  ]),
  op(0x9e, "sahf", [], SAHF),
  op(0x9f, "lahf", [], LAHF),
  op(0xf5, "cmc", [], CMC),
  op(0xf8, "clc", [], CLC),
  op(0xf9, "stc", [], STC),
  op(0xfc, "cld", [], CLD),
  op(0xfd, "std", [], STD),
  op(0xd6, "salc", [], SALC),
  op(0x90, "nop", [], NOP, { hot: true }),
  // Hints: 0F 0D and 0F 18 prefetch, 0F 19–1F reserved as NOP; the memory operand is not accessed.
  ...[0x0f0d, 0x0f18, 0x0f19, 0x0f1a, 0x0f1b, 0x0f1c, 0x0f1d, 0x0f1e, 0x0f1f].map((code) =>
    op(code, "nop", [E(4)], NOP, { hot: code === 0x0f1f, writes: false, memBytes: 0 }),
  ),
  op(0x0fae, "lfence", [E(4)], NOP, { digit: 5, mod: "reg", prefix: 0 }),
  op(0x0fae, "mfence", [E(4)], NOP, { digit: 6, mod: "reg", prefix: 0 }),
  op(0x0fae, "sfence", [E(4)], NOP, { digit: 7, mod: "reg", prefix: 0 }),
];

export { CONDITIONS };
