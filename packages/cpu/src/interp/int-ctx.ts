// SPDX-License-Identifier: BSD-3-Clause
/**
 * The interpreter's Ctx: registers and flags in the state block, operand numbers from the record at `ip`.
 *
 * Three kinds of code come from the same semantics:
 *
 *   loop   a case of the dispatch loop; memory is checked inline, a failing check leaves with X_SLOW
 *   fn     an out-of-line handler called by the loop, for the less frequent instructions; memory as in loop
 *   step   executes exactly one instruction with memory accesses through TypeScript, which resolves what loop and fn
 *          could not: pages not yet in the table, page crossings, code pages, faults
 *
 * Invariant I1: loop and fn leave with X_SLOW only before the instruction has changed anything (rule X1), or, for repeated
 * string instructions, at an element boundary with the registers updated. So step can do the instruction from its start.
 * @module
 */
import { FLAT_BIAS as FLAT_BIAS_, TABLE_ENTRY_BYTES } from "@vkernel/mmu";
import {
  R_BASE,
  R_DISP,
  R_IMM,
  R_INDEX,
  R_NEXT,
  R_OFF,
  R_R0,
  R_R1,
  R_SCALE,
  R_SEGMENT,
  R_TARGET,
  RECORD_BYTES,
} from "../decode/record.ts";
import { Ctx, zeroExtend } from "../isa/ctx.ts";
import type { FlagWords, MemRef, Modify, RepeatCounter, Runtime } from "../isa/ctx.ts";
import type { Form } from "../isa/row.ts";
import type { Imports } from "../isa/runtime.ts";
import * as S from "../state.ts";
import {
  add,
  and,
  asI32,
  call,
  eqz,
  gtU,
  i32,
  i64,
  load,
  ne,
  shl,
  shrU,
  sub,
  type Expr,
  type Operand,
} from "../wasm/expr.ts";
import type { Func, Label } from "../wasm/func.ts";
import * as W from "../wasm/opcodes.ts";
import { I32, type ValType } from "../wasm/opcodes.ts";
import { UNKNOWN_FLAGS, type KnownFlags } from "./known-flags.ts";
import { X_AGAIN, X_EXCEPTION, X_JUMP, X_LEAVE, X_NEXT, X_SLOW, X_SOFTINT, X_TRAP } from "./exits.ts";

const FLAT_BIAS = FLAT_BIAS_;

export type Mode = "loop" | "fn" | "step";

/** Locals and labels of the dispatch loop, for handlers inside it. */
export interface LoopFrame {
  readonly acc: Expr;
  readonly eip: Expr;
  readonly table: Expr;
  readonly top: Label;
  /** Goes to the EIP in `eip`; `acc` includes the jump. */
  readonly toEip: Label;
  /** Leaves with X_SLOW at the record `ip`. */
  readonly slow: Label;
  /** Leaves with X_EXCEPTION, a fault of the record `ip`. */
  readonly fault: Label;
  /** Budget is used up: leaves at the record `ip`. */
  readonly budget: Label;
}

/** Elements of a repeated string instruction between two looks at budget and interrupts. */
const REPEAT_SLICE = 0x4000;

const STORE_BYTES: Readonly<Record<number, number>> = {
  [W.I32_STORE]: 4,
  [W.I64_STORE]: 8,
  [W.F32_STORE]: 4,
  [W.F64_STORE]: 8,
  [W.I32_STORE8]: 1,
  [W.I32_STORE16]: 2,
  [W.I64_STORE8]: 1,
  [W.I64_STORE16]: 2,
  [W.I64_STORE32]: 4,
  [W.V128_STORE]: 16,
};
const LOAD_BYTES: Readonly<Record<number, number>> = {
  [W.I32_LOAD]: 4,
  [W.I64_LOAD]: 8,
  [W.F32_LOAD]: 4,
  [W.F64_LOAD]: 8,
  [W.I32_LOAD8_S]: 1,
  [W.I32_LOAD8_U]: 1,
  [W.I32_LOAD16_S]: 2,
  [W.I32_LOAD16_U]: 2,
  [W.I64_LOAD8_S]: 1,
  [W.I64_LOAD8_U]: 1,
  [W.I64_LOAD16_S]: 2,
  [W.I64_LOAD16_U]: 2,
  [W.I64_LOAD32_S]: 4,
  [W.I64_LOAD32_U]: 4,
  [W.V128_LOAD]: 16,
};

export function loadOp(n: number, signed: boolean): number {
  if (n === 4) return W.I32_LOAD;
  if (n === 2) return signed ? W.I32_LOAD16_S : W.I32_LOAD16_U;
  return signed ? W.I32_LOAD8_S : W.I32_LOAD8_U;
}
export function storeOp(n: number): number {
  return n === 4 ? W.I32_STORE : n === 2 ? W.I32_STORE16 : W.I32_STORE8;
}

export class IntCtx extends Ctx {
  readonly #mode: Mode;
  readonly #base: number;
  readonly #imports: Imports;
  readonly #frame: LoopFrame | null;
  readonly #ip: Expr;
  readonly #pageBase: Expr;
  /** fn: block whose end returns X_SLOW. */
  #slowLabel: Label = 0;
  /** The last statement left the handler, nothing follows. */
  done = false;
  /** What is known of the flags where code is being written. */
  #flags: KnownFlags;
  #depth = 0;

  constructor(
    f: Func,
    form: Form,
    rt: Runtime,
    mode: Mode,
    stateBase: number,
    imports: Imports,
    ip: Expr,
    pageBase: Expr,
    frame: LoopFrame | null,
    flags: KnownFlags = UNKNOWN_FLAGS,
  ) {
    super(f, form, rt);
    this.#flags = flags;
    this.#mode = mode;
    this.#base = stateBase;
    this.#imports = imports;
    this.#frame = frame;
    this.#ip = ip;
    this.#pageBase = pageBase;
  }

  /** Writes the handler: the semantics, and what follows when they run to their end. */
  generate(): void {
    const { f } = this;
    if (this.#mode === "fn") this.#slowLabel = f.open();
    this.form.semantics(this);
    if (!this.done) this.finish();
    if (this.#mode === "fn") {
      f.end();
      f.ret(i32(X_SLOW));
    }
  }

  /**
   * Writes the handler of the first instruction of a pair: at its end `ip` is at the record of the second. Returns what is known of the
   * flags there, as long as the temporaries are kept.
   */
  generateFirst(): KnownFlags {
    this.form.semantics(this);
    if (this.done) throw new Error(`${this.form.name}: nothing follows in a pair`);
    this.f.set(this.#ip, add(this.#ip, RECORD_BYTES));
    return this.#flags;
  }

  #leaves(): void {
    if (this.#depth === 0) this.done = true;
  }

  // ---------------------------------------------------------------- record

  #u16(offset: number): Expr {
    return load(W.I32_LOAD16_U, I32, this.#ip, offset);
  }
  #i32(offset: number): Expr {
    return load(W.I32_LOAD, I32, this.#ip, offset);
  }
  #slot(i: number): Expr {
    return this.#u16(this.form.fields[i] === 0 ? R_R0 : R_R1);
  }
  registerNumber(i: number): Expr {
    return this.#slot(i);
  }
  registerSlot(i: number): Expr {
    // The one constant register that is reached by its slot is xmm0.
    return this.form.kinds[i] === "c" ? i32(S.XMM) : this.#slot(i);
  }
  imm(): Expr {
    return this.#i32(R_IMM);
  }
  imm2(): Expr {
    return this.#i32(R_TARGET);
  }

  // -------------------------------------------------------------- operands

  effectiveAddress(): Expr {
    const base = load(W.I32_LOAD, I32, this.#u16(R_BASE), this.#base);
    const e = add(base, this.#i32(R_DISP));
    if (!this.form.indexed) return e;
    const index = load(W.I32_LOAD, I32, this.#u16(R_INDEX), this.#base);
    return add(e, shl(index, load(W.I32_LOAD8_U, I32, this.#ip, R_SCALE)));
  }
  address(): Expr {
    return this.tmp(this.effectiveAddress());
  }

  #readOperand(i: number, signed: boolean): Expr {
    const n = this.sizeOf(i);
    switch (this.form.kinds[i]) {
      case "r":
        return load(loadOp(n, signed), I32, this.#slot(i), this.#base);
      case "c":
        return this.regPart(S.ECX, 1);
      case "i":
        return signed || n === 4 ? this.imm() : zeroExtend(this.imm(), n);
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
    if (this.form.kinds[i] === "r") this.f.store(storeOp(n), this.#slot(i), value, this.#base);
    else this.st(n, this.address(), value);
  }
  modify(i: number): Modify {
    const n = this.sizeOf(i);
    if (this.form.kinds[i] === "r") {
      const slot = this.tmp(this.#slot(i));
      const value = this.tmp(load(loadOp(n, true), I32, slot, this.#base));
      return { value, commit: (v) => this.f.store(storeOp(n), slot, v, this.#base) };
    }
    const ref = this.writable(n, this.address());
    const value = this.tmp(ref.load(loadOp(n, true), I32));
    return { value, commit: (v) => ref.store(storeOp(n), v) };
  }

  // ------------------------------------------------------------- registers

  #at(offset: number): Expr {
    return load(W.I32_LOAD, I32, i32(0), this.#base + offset);
  }
  #put(offset: number, value: Expr): void {
    this.f.store(W.I32_STORE, i32(0), value, this.#base + offset);
  }
  reg(n: number): Expr {
    return this.#at(S.GPR + 4 * n);
  }
  setReg(n: number, value: Expr): void {
    this.#put(S.GPR + 4 * n, value);
  }
  regPart(r: number, n: number): Expr {
    return load(loadOp(n, true), I32, i32(0), this.#base + partOffset(r, n));
  }
  setRegPart(r: number, n: number, value: Expr): void {
    this.f.store(storeOp(n), i32(0), value, this.#base + partOffset(r, n));
  }
  state(offset: number): Expr {
    return this.#at(offset);
  }
  setState(offset: number, value: Expr): void {
    this.#put(offset, value);
  }
  stateLoad(op: number, ty: ValType, slot: Expr, offset = 0): Expr {
    return load(op, ty, slot, this.#base + offset);
  }
  stateStore(op: number, slot: Expr, value: Expr, offset = 0): void {
    this.f.store(op, slot, value, this.#base + offset);
  }

  // ---------------------------------------------------------------- memory

  #leaveSlow(condition: Expr): void {
    this.f.brIf(this.#frame === null ? this.#slowLabel : this.#frame.slow, condition);
  }

  /** Fast translation: host address less FLAT_BIAS in a temporary. Two separate branches on purpose (cpu-jit measurements). */
  #translate(n: number, address: Expr, isWrite: boolean): Expr {
    const a = this.tmp(address);
    const table = this.#frame === null ? this.#at(S.TABLE) : this.#frame.table;
    const word = load(
      W.I32_LOAD,
      I32,
      add(table, shl(shrU(a, 12), Math.log2(TABLE_ENTRY_BYTES))),
      isWrite ? 4 : 0,
    );
    const e = this.tmp(word);
    this.#leaveSlow(eqz(e));
    if (n > 1) this.#leaveSlow(gtU(and(a, 0xfff), 0x1000 - n));
    return this.tmp(add(a, e));
  }
  host(address: Expr, isWrite: boolean): Expr {
    return this.tmp(add(this.#translate(1, address, isWrite), FLAT_BIAS));
  }

  #faultIf(failed: Expr): void {
    this.f.if(failed, () => this.f.ret(i32(X_EXCEPTION)));
  }

  load(op: number, ty: ValType, n: number, address: Expr): Expr {
    if (this.#mode !== "step") return this.tmp(load(op, ty, this.#translate(n, address, false), FLAT_BIAS));
    this.#faultIf(call(this.#imports.slowRead, address, i32(n)));
    return this.tmp(load(op, ty, i32(0), this.#base + S.SLOW_BUFFER));
  }
  ld(n: number, address: Expr): Expr {
    return this.load(loadOp(n, true), I32, n, address);
  }
  ldZ(n: number, address: Expr): Expr {
    return this.load(loadOp(n, false), I32, n, address);
  }

  writable(n: number, address: Expr): MemRef {
    const { f } = this;
    if (this.#mode !== "step") {
      const host = this.#translate(n, address, true);
      return {
        load: (op, ty, offset = 0) => load(op, ty, host, FLAT_BIAS + offset),
        store: (op, value, offset = 0) => f.store(op, host, value, FLAT_BIAS + offset),
      };
    }
    const a = this.tmp(address);
    const buffer = this.#base + S.SLOW_BUFFER;
    this.#faultIf(call(this.#imports.slowProbe, a, i32(n)));
    return {
      load: (op, ty, offset = 0) => {
        f.exec(this.#imports.slowRead, add(a, offset), i32(LOAD_BYTES[op]!));
        return this.tmp(load(op, ty, i32(0), buffer));
      },
      store: (op, value, offset = 0) => {
        f.store(op, i32(0), value, buffer);
        f.exec(this.#imports.slowWrite, add(a, offset), i32(STORE_BYTES[op]!));
      },
    };
  }
  st(n: number, address: Expr, value: Expr): void {
    const v = this.tmp(value);
    this.writable(n, address).store(storeOp(n), v);
  }

  linear(segment: number | Expr, offset: Expr, n: number, isWrite: boolean): Expr {
    if (this.form.flat) return offset;
    const at = this.tmp(offset);
    const number = this.tmp(asI32(segment));
    const vector = this.tmp(call(this.rt["segmentCheck"]!, number, at, i32(n), i32(isWrite ? 1 : 0)));
    this.raiseVector(vector);
    return this.tmp(add(at, load(W.I32_LOAD, I32, shl(number, 4), this.#base + S.SEG + S.SEG_BASE)));
  }
  /** Number of the segment register of the memory operand, for implicit operands that an override may redirect. */
  segmentOverride(): Expr {
    return load(W.I32_LOAD8_U, I32, this.#ip, R_SEGMENT);
  }
  rights(segment: number, mask: number): Expr {
    return and(this.#at(S.SEG + segment * S.SEG_BYTES + S.SEG_RIGHTS), mask);
  }

  // ---------------------------------------------------------- control flow

  when(condition: Expr, then: () => void, otherwise?: () => void): void {
    this.#inside(() => this.f.if(condition, then, otherwise));
  }

  eip(): Expr {
    return add(this.#pageBase, this.#u16(R_OFF));
  }
  nextEip(): Expr {
    return add(this.#pageBase, this.#u16(R_NEXT));
  }
  targetEip(): Expr {
    return zeroExtend(add(this.nextEip(), this.imm()), this.size === 2 ? 2 : 4);
  }

  finish(): void {
    if (this.#frame !== null) {
      this.f.set(this.#ip, add(this.#ip, RECORD_BYTES));
      this.f.br(this.#frame.top);
    } else {
      if (this.#mode === "step") this.#put(S.EIP, this.nextEip());
      this.f.ret(i32(X_NEXT));
    }
    this.#leaves();
  }

  jump(): void {
    const frame = this.#frame;
    if (frame === null || this.form.far) {
      this.jumpTo(this.targetEip());
      return;
    }
    const { f } = this;
    const count = this.tmp(add(add(frame.acc, this.#ip), RECORD_BYTES));
    f.set(this.#ip, this.#i32(R_TARGET));
    f.set(frame.acc, sub(count, this.#ip));
    f.brIf(frame.top, isNegative(count));
    f.br(frame.budget);
    this.#leaves();
  }
  jumpIf(condition: Expr): void {
    this.#inside(() => this.f.if(condition, () => this.jump()));
  }
  jumpTo(target: Expr): void {
    const frame = this.#frame;
    if (frame === null) {
      this.#put(S.EIP, target);
      this.f.ret(i32(X_JUMP));
    } else {
      this.f.set(frame.eip, target);
      this.f.set(frame.acc, add(add(frame.acc, this.#ip), RECORD_BYTES));
      this.f.br(frame.toEip);
    }
    this.#leaves();
  }

  #raise(vector: Expr, errorCode: Expr): void {
    this.#put(S.EXIT_VECTOR, vector);
    this.#put(S.EXIT_ERROR, errorCode);
    if (this.#frame === null) this.f.ret(i32(X_EXCEPTION));
    else this.f.br(this.#frame.fault);
    this.#leaves();
  }
  raise(vector: number, errorCode: Operand = 0): void {
    this.#raise(i32(vector), asI32(errorCode));
  }
  /** Raises `vector` (error code 0) when it is not zero. */
  raiseVector(vector: Expr): void {
    this.f.if(vector, () => this.#inside(() => this.#raise(vector, i32(0))));
  }
  #inside(body: () => void): void {
    this.#depth++;
    body();
    this.#depth--;
  }
  override raiseIf(condition: Expr, vector: number, errorCode: Operand = 0): void {
    this.#inside(() => super.raiseIf(condition, vector, errorCode));
  }

  /** Out-of-line code returns `code` with EIP behind the instruction; only fn and step have such exits. */
  #exitBehind(code: number, eip: Expr): void {
    if (this.#frame !== null)
      throw new Error(`${this.form.name}: exits of this kind are not available in the loop`);
    this.#put(S.EIP, eip);
    this.f.ret(i32(code));
    this.#leaves();
  }
  trap(vector: number): void {
    this.#put(S.EXIT_VECTOR, i32(vector));
    this.#put(S.EXIT_ERROR, i32(0));
    this.#exitBehind(X_TRAP, this.nextEip());
  }
  softwareInterrupt(vector: Expr): void {
    this.#put(S.EXIT_VECTOR, vector);
    this.#put(S.SERVICE_RESULT, this.eip());
    this.#exitBehind(X_SOFTINT, this.nextEip());
  }
  leave(eip?: Expr): void {
    this.#exitBehind(X_LEAVE, eip ?? this.nextEip());
  }
  service(id: number, a: Operand = 0, b: Operand = 0): void {
    this.#faultIf(call(this.#imports.service, i32(id), asI32(a), asI32(b)));
  }

  repeat(counter: RepeatCounter, body: () => Expr | null, bulk?: () => void): void {
    const { f } = this;
    const count = (): Expr => zeroExtend(this.reg(S.ECX), counter);
    const decrement = (): void => this.setRegPart(S.ECX, counter, sub(this.reg(S.ECX), 1));
    if (this.#frame !== null) throw new Error(`${this.form.name}: repeated instructions run out of line`);
    if (this.#mode === "step") {
      this.when(count(), () => {
        const goOn = body();
        decrement();
        const more = goOn === null ? count() : and(ne(count(), 0), goOn);
        f.if(more, () => {
          this.#put(S.EIP, this.eip());
          f.ret(i32(X_AGAIN));
        });
      });
      return;
    }
    const left = f.temp(I32);
    f.set(left, i32(REPEAT_SLICE));
    f.block((out) => {
      f.loop((again) => {
        f.brIf(out, eqz(count()));
        if (bulk !== undefined) {
          bulk();
          f.brIf(out, eqz(count()));
        }
        const goOn = body();
        decrement();
        if (goOn !== null) f.brIf(out, eqz(goOn));
        f.set(left, sub(left, 1));
        f.brIf(again, left);
        f.if(count(), () => f.ret(i32(X_AGAIN)));
      });
    });
  }

  // ----------------------------------------------------------------- flags

  staticKind(): number {
    return this.#flags.kind;
  }
  kind(): Expr {
    const { kind } = this.#flags;
    return kind >= 0 ? i32(kind) : this.#at(S.FLAGS_KIND);
  }
  flagWords(): FlagWords {
    const { p, q, x, res } = this.#flags;
    return {
      p: p ?? this.#at(S.FLAGS_P),
      q: q ?? this.#at(S.FLAGS_Q),
      x: x ?? this.#at(S.FLAGS_X),
      res: res ?? this.#at(S.FLAGS_RES),
    };
  }
  setKind(kind: number): void {
    this.#flags = { ...this.#flags, kind: this.#depth === 0 ? kind : -1 };
    this.#put(S.FLAGS_KIND, i32(kind));
  }
  setFlagP(e: Expr): void {
    this.#put(S.FLAGS_P, e);
    this.#flags = { ...this.#flags, p: this.#kept(e) };
  }
  setFlagQ(e: Expr): void {
    this.#put(S.FLAGS_Q, e);
    this.#flags = { ...this.#flags, q: this.#kept(e) };
  }
  setFlagX(e: Expr): void {
    this.#put(S.FLAGS_X, e);
    this.#flags = { ...this.#flags, x: this.#kept(e) };
  }
  setFlagRes(e: Expr): void {
    this.#put(S.FLAGS_RES, e);
    this.#flags = { ...this.#flags, res: this.#kept(e) };
  }
  /** What has just been written to a flag word, if it can be read again from where it came. */
  #kept(e: Expr): Expr | null {
    return this.#depth === 0 && (e.isConst || e.op === W.OP_LOCAL_GET) ? e : null;
  }
  clearCarryWords(): void {
    const zero = this.#kept(i32(0));
    this.#flags = { ...this.#flags, p: zero, q: zero };
    this.f.store(W.I64_STORE, i32(0), i64(0), this.#base + S.FLAGS_P);
  }
}

function isNegative(e: Expr): Expr {
  return shrU(e, 31);
}

/** State-block offset of the low `n` bytes of register `r`; for n = 1, 4–7 are AH CH DH BH. */
export function partOffset(r: number, n: number): number {
  return n === 1 && r >= 4 ? S.GPR + 4 * (r - 4) + 1 : S.GPR + 4 * r;
}
