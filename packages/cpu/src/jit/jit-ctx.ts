// SPDX-License-Identifier: BSD-3-Clause
/**
 * The compiler's Ctx: operand numbers are constants from the record, registers and flags are locals of the region.
 *
 * What it does not compile (services, traps, repeated instructions, checked segments) makes it throw NotCompiled; the region then
 * calls the interpreter's out-of-line handler for that instruction.
 * @module
 */
import { FLAT_BIAS as FLAT_BIAS_, TABLE_ENTRY_BYTES } from "@vkernel/mmu";
import * as R from "../decode/record.ts";
import { X_SOFTINT } from "../interp/exits.ts";
import { loadOp, partOffset, storeOp } from "../interp/int-ctx.ts";
import { Ctx, zeroExtend, type FlagWords, type MemRef, type Modify, type Runtime } from "../isa/ctx.ts";
import * as S from "../state.ts";
import {
  add,
  and,
  asI32,
  call,
  eqz,
  geU,
  gtU,
  i32,
  lane,
  leU,
  load,
  eq,
  shl,
  shrU,
  type Expr,
  type Operand,
} from "../wasm/expr.ts";
import { F32, F64, I32, I32_LOAD, I64, OP_I32_CONST, V128, type ValType } from "../wasm/opcodes.ts";
import type { Region, RegionInstruction } from "./blocks.ts";
import type { WindowPlace } from "./access-windows.ts";
import { FLAG_KIND, FLAG_P, FLAG_Q, FLAG_RES, FLAG_X, type RegionEmitter } from "./emitter.ts";
import type { RecordViews } from "./request.ts";

const FLAT_BIAS = FLAT_BIAS_;
/** Present, writable, expand-up data segment: what an address with a segment override must have to be fast. */
const PLAIN_DATA = 0x92;
const PLAIN_DATA_MASK = 0x9e;

/** What rt.quietStore can store. */
const MOST_QUIET_BYTES = 16;

/** The instruction is left to its out-of-line handler. */
export class NotCompiled extends Error {}

/** extract_lane and replace_lane by element type. */
const LANE_OPS: Readonly<Record<number, { readonly extract: number; readonly replace: number }>> = {
  [I32]: { extract: 0xfd_001b, replace: 0xfd_001c },
  [I64]: { extract: 0xfd_001d, replace: 0xfd_001e },
  [F32]: { extract: 0xfd_001f, replace: 0xfd_0020 },
  [F64]: { extract: 0xfd_0021, replace: 0xfd_0022 },
};

function xmmNumber(slot: number): number {
  return (slot - S.XMM) >> 4;
}

/** Bit mask of the xmm registers that are operands of the region's instructions. */
export function xmmRegisters({ blocks, records }: Region): number {
  let mask = 0;
  for (const block of blocks) {
    for (const { form, at } of block.instructions) {
      form.classes.forEach((cls, i) => {
        if (cls !== "xmm") return;
        if (form.kinds[i] === "c") mask |= 1;
        if (form.kinds[i] !== "r") return;
        mask |= 1 << xmmNumber(records.u16[(at + (form.fields[i] === 0 ? R.R_R0 : R.R_R1)) >> 1]!);
      });
    }
  }
  return mask;
}

export class JitCtx extends Ctx {
  readonly #e: RegionEmitter;
  readonly #records: RecordViews;
  readonly #insn: RegionInstruction;

  constructor(e: RegionEmitter, insn: RegionInstruction, rt: Runtime) {
    super(e.f, insn.form, rt);
    this.#e = e;
    this.#records = e.region.records;
    this.#insn = insn;
  }

  #refuse(): never {
    throw new NotCompiled(this.form.name);
  }

  // ---------------------------------------------------------------- record

  #slot(i: number): number {
    return this.#records.u16[(this.#insn.at + (this.form.fields[i] === 0 ? R.R_R0 : R.R_R1)) >> 1]!;
  }
  registerNumber(i: number): Expr {
    return i32(this.#slot(i));
  }
  registerSlot(i: number): Expr {
    return i32(this.#slot(i));
  }
  imm(): Expr {
    return i32(this.#records.i32[(this.#insn.at + R.R_IMM) >> 2]!);
  }
  imm2(): Expr {
    return i32(this.#records.i32[(this.#insn.at + R.R_TARGET) >> 2]!);
  }

  // -------------------------------------------------------------- operands

  /** Of the record whose copy is at `at`. */
  #effectiveAddressOf(at: number, indexed: boolean): Expr {
    const { u16, u8, i32: words } = this.#records;
    const register = (slot: number): Expr =>
      slot === S.ZERO ? i32(0) : this.#e.register((slot - S.GPR) >> 2);
    const disp = words[(at + R.R_DISP) >> 2]!;
    const base = register(u16[(at + R.R_BASE) >> 1]!);
    if (!indexed) return add(base, disp);
    const index = register(u16[(at + R.R_INDEX) >> 1]!);
    const scaled = shl(index, u8[at + R.R_SCALE]!);
    const sum = base.op === OP_I32_CONST ? scaled : index.op === OP_I32_CONST ? base : add(base, scaled);
    return add(sum, disp);
  }
  effectiveAddress(): Expr {
    return this.#effectiveAddressOf(this.#insn.at, this.form.indexed);
  }
  address(_i = 0): Expr {
    const { hasAddressRecord, addressAt } = this.#insn;
    if (!hasAddressRecord) return this.tmp(this.effectiveAddress());
    const { u8, u16 } = this.#records;
    const segment = S.SEG + u8[addressAt + R.R_SEGMENT]! * S.SEG_BYTES;
    const offset = this.tmp(this.#effectiveAddressOf(addressAt, true));
    const last = this.tmp(add(offset, u16[(addressAt + R.R_R0) >> 1]! - 1));
    this.#e.leaveSlowIf(eqz(eq(and(this.state(segment + S.SEG_RIGHTS), PLAIN_DATA_MASK), PLAIN_DATA)));
    this.#e.leaveSlowIf(eqz(and(leU(last, this.state(segment + S.SEG_LIMIT)), geU(last, offset))));
    return this.tmp(add(offset, this.state(segment + S.SEG_BASE)));
  }

  #readOperand(i: number, signed: boolean): Expr {
    const n = this.sizeOf(i);
    switch (this.form.kinds[i]) {
      case "r":
        return this.#e.part(this.#slot(i), n, signed);
      case "c":
        return this.#e.part(S.GPR + 4 * S.ECX, n, signed);
      case "i":
        return signed ? this.imm() : zeroExtend(this.imm(), n);
      default:
        return this.load(loadOp(n, signed), I32, n, this.address());
    }
  }
  read(i: number): Expr {
    return this.#readOperand(i, true);
  }
  readZ(i: number): Expr {
    return this.#readOperand(i, false);
  }
  write(i: number, value: Expr): void {
    const n = this.sizeOf(i);
    if (this.form.kinds[i] === "r") this.#e.setPart(this.#slot(i), n, value);
    else this.st(n, this.address(), value);
  }
  modify(i: number): Modify {
    const n = this.sizeOf(i);
    if (this.form.kinds[i] === "r") {
      const slot = this.#slot(i);
      return { value: this.tmp(this.#e.part(slot, n, true)), commit: (v) => this.#e.setPart(slot, n, v) };
    }
    const ref = this.writable(n, this.address());
    return { value: this.tmp(ref.load(loadOp(n, true), I32)), commit: (v) => ref.store(storeOp(n), v) };
  }

  // ------------------------------------------------------------- registers

  reg(n: number): Expr {
    return this.#e.register(n);
  }
  setReg(n: number, value: Expr): void {
    this.#e.setRegister(n, value);
  }
  regPart(r: number, n: number): Expr {
    return this.#e.part(partOffset(r, n), n, true);
  }
  setRegPart(r: number, n: number, value: Expr): void {
    this.#e.setPart(partOffset(r, n), n, value);
  }
  state(offset: number): Expr {
    return this.#e.state(offset);
  }
  setState(offset: number, value: Expr): void {
    this.#e.putState(offset, value);
  }
  /** A constant slot becomes part of the instruction's offset. */
  #stateAt(slot: Expr, offset: number): { base: Expr; offset: number } {
    const { stateBase } = this.#e.place;
    if (slot.op === OP_I32_CONST) return { base: i32(0), offset: stateBase + offset + slot.imm };
    return { base: slot, offset: stateBase + offset };
  }
  stateLoad(op: number, ty: ValType, slot: Expr, offset = 0): Expr {
    const at = this.#stateAt(slot, offset);
    return load(op, ty, at.base, at.offset);
  }
  stateStore(op: number, slot: Expr, value: Expr, offset = 0): void {
    const at = this.#stateAt(slot, offset);
    this.f.store(op, at.base, value, at.offset);
  }

  #xmmNumber(i: number): number {
    // The one constant register of this class is xmm0.
    return this.form.kinds[i] === "c" ? 0 : xmmNumber(this.#slot(i));
  }
  override xmm(i: number): Expr {
    return this.#e.xmm(this.#xmmNumber(i));
  }
  override setXmm(i: number, value: Expr): void {
    this.#e.setXmm(this.#xmmNumber(i), value);
  }
  override xmmLane(i: number, ty: ValType, index = 0): Expr {
    return lane(LANE_OPS[ty]!.extract, ty, index, this.xmm(i));
  }
  override setXmmLane(i: number, value: Expr, index = 0): void {
    this.setXmm(i, lane(LANE_OPS[value.ty]!.replace, V128, index, this.xmm(i), value));
  }
  override xmmInState(): void {
    this.#refuse();
  }

  // ---------------------------------------------------------------- memory

  override tmp(e: Expr): Expr {
    const t = super.tmp(e);
    if (t !== e && e.ty === I32) this.#e.windows.noteTemp(t, e);
    return t;
  }

  /**
   * Where the bytes are: in a window, else looked up as the interpreter does, two separate branches on purpose. What is aligned, as
   * nearly everything, crosses no page end; the longer comparison stands apart.
   */
  #translate(n: number, address: Expr, isWrite: boolean): WindowPlace {
    const { windows } = this.#e;
    const besideCode = isWrite && this.#insn.besideCode && n <= MOST_QUIET_BYTES;
    const base = windows.symbolOf(address);
    const place = base === 0 || besideCode ? null : windows.place(base, windows.offset, n, isWrite, address);
    if (place !== null) return place;
    const a = this.tmp(address);
    const entry = add(this.#e.table, shl(shrU(a, 12), Math.log2(TABLE_ENTRY_BYTES)));
    const word = this.tmp(load(I32_LOAD, I32, entry, isWrite ? 4 : 0));
    if (besideCode) this.f.if(eqz(word), () => this.f.set(word, call(this.rt["quietStore"]!, a, i32(n))));
    this.#e.leaveSlowIf(eqz(word));
    const crosses = (): void => this.#e.leaveSlowIf(gtU(and(a, 0xfff), 0x1000 - n));
    if (n === 2 || n === 4) this.f.ifUnlikely(and(a, n - 1), crosses);
    else if (n > 1) crosses();
    return { host: this.tmp(add(a, word)), offset: FLAT_BIAS };
  }
  load(op: number, ty: ValType, n: number, address: Expr): Expr {
    const { host, offset } = this.#translate(n, address, false);
    return this.tmp(load(op, ty, host, offset));
  }
  ld(n: number, address: Expr): Expr {
    return this.load(loadOp(n, true), I32, n, address);
  }
  ldZ(n: number, address: Expr): Expr {
    return this.load(loadOp(n, false), I32, n, address);
  }
  writable(n: number, address: Expr): MemRef {
    const { f } = this;
    const { host, offset: at } = this.#translate(n, address, true);
    return {
      load: (op, ty, offset = 0) => load(op, ty, host, at + offset),
      store: (op, value, offset = 0) => f.store(op, host, value, at + offset),
    };
  }
  st(n: number, address: Expr, value: Expr): void {
    const v = this.tmp(value);
    this.writable(n, address).store(storeOp(n), v);
  }
  linear(_segment: number | Expr, offset: Expr): Expr {
    return this.form.flat ? offset : this.#refuse();
  }
  segmentOverride(): Expr {
    return this.#refuse();
  }
  rights(): Expr {
    return this.#refuse();
  }
  host(): Expr {
    return this.#refuse();
  }

  // ---------------------------------------------------------------- checks

  override checkOnce(key: string, check: () => void): void {
    this.#e.checkOnce(key, check);
  }
  override mxcsrIsSteady(): Expr {
    return this.#e.steady ?? super.mxcsrIsSteady();
  }
  override mxcsrChanged(): void {
    if (this.#e.steady !== null) this.f.set(this.#e.steady, super.mxcsrIsSteady());
  }

  // ---------------------------------------------------------- control flow

  when(condition: Expr, then: () => void, otherwise?: () => void): void {
    const e = this.#e;
    const before = e.kind;
    let after = before;
    const first = (): void => {
      then();
      after = e.kind;
      e.kind = before;
    };
    this.f.if(condition, first, otherwise);
    e.kind = after === e.kind ? after : -1;
  }

  eip(): Expr {
    return add(this.#e.pageBase, this.#insn.offset);
  }
  nextEip(): Expr {
    return add(this.#e.pageBase, this.#insn.next);
  }
  targetEip(): Expr {
    return zeroExtend(add(this.nextEip(), this.imm()), this.size === 2 ? 2 : 4);
  }
  jump(): void {
    if (Number.isNaN(this.#insn.target)) this.jumpTo(this.tmp(this.targetEip()));
    else this.#e.jumpTo(this.#insn.target);
  }
  jumpIf(condition: Expr): void {
    if (Number.isNaN(this.#insn.target)) this.f.if(condition, () => this.jump());
    else this.#e.jumpToIf(this.#insn.target, condition);
  }
  jumpTo(target: Expr): void {
    this.#e.jumpIndirect(target);
  }
  raise(vector: number, errorCode: Operand = 0): void {
    this.#e.putState(S.EXIT_VECTOR, i32(vector));
    this.#e.putState(S.EXIT_ERROR, asI32(errorCode));
    this.#e.leaveFault();
  }
  trap(): void {
    this.#refuse();
  }
  softwareInterrupt(vector: Expr): void {
    this.#e.putState(S.EXIT_VECTOR, vector);
    this.#e.putState(S.SERVICE_RESULT, this.eip());
    this.#e.leaveBehind(X_SOFTINT);
  }
  service(): void {
    this.#refuse();
  }
  finish(): void {
    this.#refuse();
  }
  leave(): void {
    this.#refuse();
  }
  repeat(): void {
    this.#refuse();
  }

  // ----------------------------------------------------------------- flags

  staticKind(): number {
    return this.#e.kind;
  }
  kind(): Expr {
    return this.#e.kind >= 0 ? i32(this.#e.kind) : this.#e.flag(FLAG_KIND);
  }
  flagWords(): FlagWords {
    const e = this.#e;
    return { p: e.flag(FLAG_P), q: e.flag(FLAG_Q), x: e.flag(FLAG_X), res: e.flag(FLAG_RES) };
  }
  setKind(kind: number): void {
    this.#e.kind = kind;
    this.#e.setFlag(FLAG_KIND, i32(kind));
  }
  setFlagP(e: Expr): void {
    this.#e.setFlag(FLAG_P, e);
  }
  setFlagQ(e: Expr): void {
    this.#e.setFlag(FLAG_Q, e);
  }
  setFlagX(e: Expr): void {
    this.#e.setFlag(FLAG_X, e);
  }
  setFlagRes(e: Expr): void {
    this.#e.setFlag(FLAG_RES, e);
  }
  clearCarryWords(): void {
    this.#e.setFlag(FLAG_P, i32(0));
    this.#e.setFlag(FLAG_Q, i32(0));
  }
}
