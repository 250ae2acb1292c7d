// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the semantics of an instruction are written against.
 *
 * A semantic function describes one operation once, by calling a Ctx. Each engine brings its own Ctx: the interpreter's
 * reads operand numbers from the decoded record, a compiler's knows them as constants and keeps registers in locals.
 *
 * Rules for semantic functions
 *   X1  Every memory check precedes the first visible change: read operands and obtain writable() references first, then
 *       change registers, flags and memory. Then faults are precise for free.
 *   X2  Values of operands are sign-extended to 32 bits from their size (read, modify, ld); readZ and ldZ zero-extend. What
 *       is handed to write, st and store may carry rubbish above the size. What is handed to flags must be sign-extended.
 *   X3  An expression is evaluated where it is used. tmp() a value that is used twice or must precede a change.
 *   X4  Conditional changes of registers or flags go into when(), never into f.if() directly.
 *   X5  Scratch locals come from tmp() or f.temp(); f.local() is for engines.
 * @module
 */
import {
  add,
  and,
  choose,
  eq,
  eqz,
  extend16,
  extend8,
  i32,
  leS,
  leU,
  ltS,
  ltU,
  or,
  popcnt,
  select,
  shl,
  shrU,
  xor,
  type Expr,
  type Operand,
} from "../wasm/expr.ts";
import type { Callee } from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import {
  F32,
  F32_LOAD,
  F32_STORE,
  F64,
  F64_LOAD,
  F64_STORE,
  I32,
  I32_LOAD,
  I32_STORE,
  I64,
  I64_LOAD,
  I64_STORE,
  V128,
  V128_LOAD,
  V128_STORE,
  type ValType,
} from "../wasm/opcodes.ts";
import { AF, CF, ESP, MXCSR, MXCSR_STEADY, MXCSR_STEADY_MASK, OF, SS, ZF } from "../state.ts";
import { K_ADD, K_DEC, K_EXP, K_INC, K_LOGIC, K_RAW, K_SUB } from "./flag-kinds.ts";
import type { Form } from "./row.ts";

/** How an element of each type is moved to and from the state block. */
const LANES: Readonly<
  Record<number, { readonly load: number; readonly store: number; readonly bytes: number }>
> = {
  [I32]: { load: I32_LOAD, store: I32_STORE, bytes: 4 },
  [I64]: { load: I64_LOAD, store: I64_STORE, bytes: 8 },
  [F32]: { load: F32_LOAD, store: F32_STORE, bytes: 4 },
  [F64]: { load: F64_LOAD, store: F64_STORE, bytes: 8 },
};

/** Memory that has passed its write check: loads and stores through it cannot fault. */
export interface MemRef {
  /** Any load instruction at byte `offset` of the reference. */
  load(op: number, ty: ValType, offset?: number): Expr;
  /** Any store instruction at byte `offset` of the reference. */
  store(op: number, value: Expr, offset?: number): void;
}

/** An operand that is read, then written. `value` is sign-extended and evaluated already. */
export interface Modify {
  readonly value: Expr;
  commit(value: Expr): void;
}

/** The five words of the lazy flags, flag-kinds.ts. */
export interface FlagWords {
  readonly p: Expr;
  readonly q: Expr;
  readonly x: Expr;
  readonly res: Expr;
}

/** Functions of the runtime that semantics may call; built once for each module (isa/runtime.ts). */
export type Runtime = Readonly<Record<string, Callee>>;

/** Operand size in bytes. */
export type Size = 1 | 2 | 4;

const MIN32 = 0x8000_0000 | 0;

/** Sign-extends the low `n` bytes. */
export function signExtend(e: Expr, n: number): Expr {
  return n === 4 ? e : n === 2 ? extend16(e) : extend8(e);
}
/** Zero-extends the low `n` bytes. */
export function zeroExtend(e: Expr, n: number): Expr {
  return n === 4 ? e : and(e, n === 2 ? 0xffff : 0xff);
}

export abstract class Ctx {
  readonly f: Func;
  readonly form: Form;
  readonly rt: Runtime;
  /** Operand size of the instruction: 2 or 4 by prefix, 1 for byte forms, or what the row fixes. */
  readonly size: Size;

  constructor(f: Func, form: Form, rt: Runtime) {
    this.f = f;
    this.form = form;
    this.rt = rt;
    this.size = form.size;
  }

  // -------------------------------------------------------------- operands

  /** Whether operand `i` is in memory. */
  isMem(i: number): boolean {
    return this.form.kinds[i] === "m";
  }
  /** Size of operand `i` in bytes. */
  sizeOf(i: number): number {
    return this.form.sizes[i]!;
  }
  /** Operand `i`, sign-extended. Memory is checked and read where the expression is made, into a temporary. */
  abstract read(i: number): Expr;
  /** Operand `i`, zero-extended. */
  abstract readZ(i: number): Expr;
  /** Writes operand `i` (general register or memory). */
  abstract write(i: number, value: Expr): void;
  /** Operand `i` for read-modify-write: the write check happens here. */
  abstract modify(i: number): Modify;
  /** Linear address of memory operand `i`, segment applied, in a temporary. */
  abstract address(i: number): Expr;
  /** Effective address of operand `i` for LEA: no segment, no access. */
  abstract effectiveAddress(i: number): Expr;
  /** Number of the register operand `i` (xmm, mmx, st, segment), for rows that treat registers by number. */
  abstract registerNumber(i: number): Expr;
  /** Offset of operand `i`'s register in the state block, for 8- and 16-byte registers; see stateLoad(). */
  abstract registerSlot(i: number): Expr;
  /** Immediate operand. */
  abstract imm(): Expr;
  /** Second immediate (the nesting level of ENTER, the selector of a far pointer). */
  abstract imm2(): Expr;

  // ------------------------------------------------------------- registers

  /** General register by number, 32 bits. */
  abstract reg(n: number): Expr;
  abstract setReg(n: number, value: Expr): void;
  /** The low `n` bytes of register `r` (size 1: AL CL DL BL AH CH DH BH), sign-extended. */
  abstract regPart(r: number, n: number): Expr;
  abstract setRegPart(r: number, n: number, value: Expr): void;

  /** A word of the state block that is not a general register, EIP or flag word. */
  abstract state(offset: number): Expr;
  abstract setState(offset: number, value: Expr): void;
  /** Any load from the state block at `slot + offset` (slot: expression such as registerSlot()). */
  abstract stateLoad(op: number, ty: ValType, slot: Expr, offset?: number): Expr;
  abstract stateStore(op: number, slot: Expr, value: Expr, offset?: number): void;

  /** xmm register operand `i`. */
  xmm(i: number): Expr {
    return this.stateLoad(V128_LOAD, V128, this.registerSlot(i));
  }
  setXmm(i: number, value: Expr): void {
    this.stateStore(V128_STORE, this.registerSlot(i), value);
  }
  /** Lane `index` of xmm register operand `i`, taken as elements of type `ty`. */
  xmmLane(i: number, ty: ValType, index = 0): Expr {
    const { load, bytes } = LANES[ty]!;
    return this.stateLoad(load, ty, this.registerSlot(i), index * bytes);
  }
  /** Writes one lane, of the value's type; the others stay. */
  setXmmLane(i: number, value: Expr, index = 0): void {
    const { store, bytes } = LANES[value.ty]!;
    this.stateStore(store, this.registerSlot(i), value, index * bytes);
  }
  /** To be called by semantics that reach xmm registers in the state block otherwise than as operands. */
  xmmInState(): void {}
  /** mmx register operand `i`. */
  mmx(i: number): Expr {
    return this.stateLoad(I64_LOAD, I64, this.registerSlot(i));
  }
  setMmx(i: number, value: Expr): void {
    this.stateStore(I64_STORE, this.registerSlot(i), value);
  }

  // ---------------------------------------------------------------- memory

  /** Any load instruction of `n` bytes at linear address `address`, checked, into a temporary. */
  abstract load(op: number, ty: ValType, n: number, address: Expr): Expr;
  /** Write check for `n` bytes at linear address `address`. */
  abstract writable(n: number, address: Expr): MemRef;
  /** Loads 1, 2 or 4 bytes, sign-extended. */
  abstract ld(n: number, address: Expr): Expr;
  abstract ldZ(n: number, address: Expr): Expr;
  /** Stores 1, 2 or 4 bytes: check and store. */
  abstract st(n: number, address: Expr, value: Expr): void;

  /**
   * Linear address of `n` bytes at `offset` in segment `segment` (a register number, or an expression for one) with the
   * segment's checks. In flat forms the offset itself.
   */
  abstract linear(segment: number | Expr, offset: Expr, n: number, isWrite: boolean): Expr;

  // ---------------------------------------------------------------- checks

  /**
   * A check whose outcome stays the same until the next place that can be jumped to. `key` names it: engines that know where they
   * are leave out what they have checked.
   */
  checkOnce(_key: string, check: () => void): void {
    check();
  }
  /** 1 when MXCSR is MXCSR_STEADY under MXCSR_STEADY_MASK. Engines may keep it: tell them with mxcsrChanged(). */
  mxcsrIsSteady(): Expr {
    return eq(and(this.state(MXCSR), MXCSR_STEADY_MASK), MXCSR_STEADY);
  }
  mxcsrChanged(): void {}

  // ---------------------------------------------------------- control flow

  /** Address of this instruction and of the next one (EIP values). */
  abstract eip(): Expr;
  abstract nextEip(): Expr;
  /** Goes to the direct target of the instruction. */
  abstract jump(): void;
  abstract jumpIf(condition: Expr): void;
  /** Goes to EIP `target`. */
  abstract jumpTo(target: Expr): void;
  /** Target of a direct jump as an EIP value. */
  abstract targetEip(): Expr;
  /** Raises a fault: nothing of this instruction may have been changed yet. */
  abstract raise(vector: number, errorCode?: Operand): void;
  /** Raises an exception reported with the address of the next instruction. */
  abstract trap(vector: number): void;
  /** INT n. */
  abstract softwareInterrupt(vector: Expr): void;
  /**
   * Runs TypeScript service `id` (isa/services.ts) on the state. It may change registers of the state block; when it
   * reports an exception the instruction ends here with that fault.
   */
  abstract service(id: number, a?: Operand, b?: Operand): void;
  /** Ends the instruction now; the next one follows. */
  abstract finish(): void;
  /** Ends the instruction and stops running decoded code, because segments, flags or EIP (given) changed under it. */
  abstract leave(eip?: Expr): void;
  /** Host address of the byte at linear `address` after a read or write check, for bulk(); its page is contiguous. */
  abstract host(address: Expr, isWrite: boolean): Expr;
  /**
   * A repeated string instruction. `body` does one element and returns the extra condition for going on, or null.
   * `bulk`, if given, may do many elements at once where the engine runs without single stepping; it leaves at least
   * what it could not do.
   */
  abstract repeat(counter: RepeatCounter, body: () => Expr | null, bulk?: () => void): void;

  /** Conditional changes; see X4. */
  abstract when(condition: Expr, then: () => void, otherwise?: () => void): void;

  tmp(e: Expr): Expr {
    return this.f.tmp(e);
  }
  raiseIf(condition: Expr, vector: number, errorCode: Operand = 0): void {
    this.f.if(condition, () => this.raise(vector, errorCode));
  }

  // ----------------------------------------------------------------- stack

  /** ESP after adding `delta`, with the stack's address size. */
  stackPlus(delta: Operand): Expr {
    const esp = this.reg(ESP);
    if (this.form.flat) return add(esp, delta);
    const sum = this.tmp(add(esp, delta));
    return select(this.#stackIs32(), sum, or(and(esp, -0x1_0000), and(sum, 0xffff)));
  }
  /** Linear address of `n` bytes at stack pointer value `sp`. */
  stackAddress(sp: Expr, n: number, isWrite: boolean): Expr {
    if (this.form.flat) return sp;
    return this.linear(SS, select(this.#stackIs32(), sp, and(sp, 0xffff)), n, isWrite);
  }
  #stackIs32(): Expr {
    return this.rights(SS, 0x4000);
  }
  /** Number of the segment register for an implicit DS operand: DS, or the override's. Only for linear(). */
  abstract segmentOverride(): Expr;
  /** The bits `mask` of segment register `segment`'s rights. */
  abstract rights(segment: number, mask: number): Expr;

  push(n: number, value: Expr): void {
    const sp = this.tmp(this.stackPlus(-n));
    this.st(n, this.stackAddress(sp, n, true), value);
    this.setReg(ESP, sp);
  }
  /** Pops `n` bytes, sign-extended; ESP is changed. */
  pop(n: number): Expr {
    const value = this.peek(n);
    this.setReg(ESP, this.stackPlus(n));
    return value;
  }
  /** What pop() would return. */
  peek(n: number): Expr {
    return this.ld(n, this.stackAddress(this.tmp(this.reg(ESP)), n, false));
  }

  // ----------------------------------------------------------------- flags

  /** Kind of the flags where it is known at generation time, else −1. */
  abstract staticKind(): number;
  abstract kind(): Expr;
  abstract flagWords(): FlagWords;
  abstract setKind(kind: number): void;
  abstract setFlagP(e: Expr): void;
  abstract setFlagQ(e: Expr): void;
  abstract setFlagX(e: Expr): void;
  abstract setFlagRes(e: Expr): void;
  /** p = q = 0: CF is clear. */
  abstract clearCarryWords(): void;

  flagsLogic(res: Expr): void {
    this.setKind(K_LOGIC);
    this.clearCarryWords();
    this.setFlagRes(res);
  }
  flagsAdd(a: Expr, b: Expr, res: Expr): void {
    this.setKind(K_ADD);
    this.setFlagP(res);
    this.setFlagQ(a);
    this.setFlagX(b);
    this.setFlagRes(res);
  }
  flagsSub(a: Expr, b: Expr, res: Expr): void {
    this.setKind(K_SUB);
    this.setFlagP(a);
    this.setFlagQ(b);
    this.setFlagRes(res);
  }
  /** All but CF. */
  flagsInc(a: Expr, res: Expr): void {
    this.setKind(K_INC);
    this.setFlagX(a);
    this.setFlagRes(res);
  }
  flagsDec(a: Expr, res: Expr): void {
    this.setKind(K_DEC);
    this.setFlagX(a);
    this.setFlagRes(res);
  }
  /** CF (0 or 1), and OF and AF as bits 31 and 4 of `x`; SF, ZF and PF from `res`. */
  flagsExplicit(carry: Expr, x: Expr, res: Expr): void {
    this.setKind(K_EXP);
    this.setFlagP(i32(0));
    this.setFlagQ(carry);
    this.setFlagX(x);
    this.setFlagRes(res);
  }
  /** All six from an EFLAGS image (other bits of it are ignored). */
  flagsRaw(image: Expr): void {
    const v = this.tmp(image);
    this.setKind(K_RAW);
    this.setFlagP(i32(0));
    this.setFlagQ(and(v, CF));
    this.setFlagX(v);
    this.setFlagRes(eqz(and(v, ZF)));
  }
  /** Changes CF alone, to 0 or 1. */
  setCarry(carry: Expr): void {
    const cf = this.tmp(carry);
    const kind = this.staticKind();
    if (kind === K_ADD || kind === K_SUB) this.#toExplicit(this.#overflowBit31());
    else if (kind < 0) {
      this.when(or(eq(this.kind(), K_ADD), eq(this.kind(), K_SUB)), () =>
        this.#toExplicit(this.#overflowBit31()),
      );
    }
    this.setFlagP(i32(0));
    this.setFlagQ(cf);
  }
  /** Changes CF and OF (0 or 1 each), leaves the others. */
  setCarryOverflow(carry: Expr, overflow: Expr): void {
    const cf = this.tmp(carry);
    const of = this.tmp(overflow);
    const inRaw = (): void => this.setFlagX(or(and(this.flagWords().x, ~OF), shl(of, 11)));
    const inWords = (): void => this.#toExplicit(shl(of, 31));
    const kind = this.staticKind();
    if (kind < 0) this.when(eq(this.kind(), K_RAW), inRaw, inWords);
    else if (kind === K_RAW) inRaw();
    else inWords();
    this.setFlagP(i32(0));
    this.setFlagQ(cf);
  }
  #toExplicit(overflowBit31: Expr): void {
    const x = this.tmp(or(and(overflowBit31, MIN32), this.adjustBit()));
    this.setKind(K_EXP);
    this.setFlagX(x);
  }

  /** CF, 0 or 1. */
  carry(): Expr {
    const w = this.flagWords();
    return ltU(w.p, w.q);
  }
  /** An expression whose bit 31 is OF. */
  #overflowBit31(): Expr {
    const { p, q, x, res } = this.flagWords();
    const byKind: Record<number, Expr> = {
      [K_LOGIC]: i32(0),
      [K_ADD]: and(xor(q, res), xor(x, res)),
      [K_SUB]: and(xor(p, q), xor(p, res)),
      [K_INC]: and(xor(x, -1), res),
      [K_DEC]: and(x, xor(res, -1)),
      [K_EXP]: x,
      [K_RAW]: shl(x, 20),
    };
    return this.#chooseByKind(byKind, [K_SUB, K_LOGIC, K_ADD, K_EXP, K_INC, K_DEC, K_RAW]);
  }
  /** AF in bit 4, other bits 0. */
  adjustBit(): Expr {
    const { p, q, x, res } = this.flagWords();
    const byKind: Record<number, Expr> = {
      [K_LOGIC]: i32(0),
      [K_ADD]: and(xor(xor(q, x), res), AF),
      [K_SUB]: and(xor(xor(p, q), res), AF),
      [K_INC]: and(xor(x, res), AF),
      [K_DEC]: and(xor(x, res), AF),
      [K_EXP]: and(x, AF),
      [K_RAW]: and(x, AF),
    };
    return this.#chooseByKind(byKind, [K_SUB, K_LOGIC, K_ADD, K_INC, K_DEC, K_EXP]);
  }
  #chooseByKind(byKind: Record<number, Expr>, order: readonly number[]): Expr {
    const known = this.staticKind();
    if (known >= 0) return byKind[known]!;
    let e = byKind[order[order.length - 1]!]!;
    for (let i = order.length - 2; i >= 0; i--) e = choose(eq(this.kind(), order[i]!), byKind[order[i]!]!, e);
    return e;
  }
  #overflow(): Expr {
    return shrU(this.#overflowBit31(), 31);
  }
  #sign(): Expr {
    const { x, res } = this.flagWords();
    const kind = this.staticKind();
    const plain = shrU(res, 31);
    const raw = and(shrU(x, 7), 1);
    if (kind >= 0) return kind === K_RAW ? raw : plain;
    return choose(eq(this.kind(), K_RAW), raw, plain);
  }
  #parity(): Expr {
    const { x, res } = this.flagWords();
    const kind = this.staticKind();
    const plain = eqz(and(popcnt(and(res, 0xff)), 1));
    const raw = and(shrU(x, 2), 1);
    if (kind >= 0) return kind === K_RAW ? raw : plain;
    return choose(eq(this.kind(), K_RAW), raw, plain);
  }
  #less(): Expr {
    const { p, q, res } = this.flagWords();
    const kind = this.staticKind();
    const exact = xor(this.#sign(), this.#overflow());
    if (kind === K_SUB) return ltS(p, q);
    if (kind === K_LOGIC) return ltS(res, 0);
    if (kind >= 0) return exact;
    return choose(eq(this.kind(), K_SUB), ltS(p, q), choose(eqz(this.kind()), ltS(res, 0), exact));
  }
  #lessOrEqual(): Expr {
    const { p, q, res } = this.flagWords();
    const kind = this.staticKind();
    const exact = or(eqz(res), xor(this.#sign(), this.#overflow()));
    if (kind === K_SUB) return leS(p, q);
    if (kind === K_LOGIC) return leS(res, 0);
    if (kind >= 0) return exact;
    return choose(eq(this.kind(), K_SUB), leS(p, q), choose(eqz(this.kind()), leS(res, 0), exact));
  }

  /** Condition code 0–15 of Jcc, SETcc and CMOVcc as 0 or 1. */
  condition(cc: number): Expr {
    let e: Expr;
    const { p, q, res } = this.flagWords();
    switch (cc >> 1) {
      case 0:
        e = this.#overflow();
        break;
      case 1:
        e = this.carry();
        break;
      case 2:
        e = eqz(res);
        break;
      case 3:
        e = this.staticKind() === K_SUB ? leU(p, q) : or(this.carry(), eqz(res));
        break;
      case 4:
        e = this.#sign();
        break;
      case 5:
        e = this.#parity();
        break;
      case 6:
        e = this.#less();
        break;
      default:
        e = this.#lessOrEqual();
    }
    return (cc & 1) !== 0 ? eqz(e) : e;
  }

  /** CF PF AF ZF SF OF as bits of EFLAGS. */
  arithmeticFlags(): Expr {
    const { res } = this.flagWords();
    let e = or(this.carry(), this.adjustBit());
    e = or(e, shl(eqz(res), 6));
    e = or(e, shl(this.#sign(), 7));
    e = or(e, shl(this.#parity(), 2));
    return or(e, shl(this.#overflow(), 11));
  }
}

/** Which register counts the repetitions: ECX, or CX under a 16-bit address size. */
export type RepeatCounter = 2 | 4;
