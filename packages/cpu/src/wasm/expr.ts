// SPDX-License-Identifier: BSD-3-Clause
/**
 * WebAssembly expressions as trees, with operators that choose their opcode from the operand type.
 *
 * An expression is evaluated where (and as often as) it is put into a statement. A value that is used twice, or that must
 * be read before something it depends on changes, is stored first: `const v = f.tmp(expr)`.
 *
 * Numbers stand for constants of the other operand's type: `add(x, 4)` works for i32, i64, f32 and f64.
 * @module
 */
import type { Bytes } from "./bytes.ts";
import * as W from "./opcodes.ts";
import type { ValType } from "./opcodes.ts";

const { F32, F64, I32, I64, V128 } = W;

/** Marks for nodes that are not plain one-opcode operators. */
/** Operator of choose(). */
export const NODE_IF = -1;
const NODE_CALL = -2;
const NODE_CALL_INDIRECT = -3;
const NODE_PATCH = -4;

export class Expr {
  readonly ty: ValType;
  readonly op: number;
  readonly a: Expr | null;
  readonly b: Expr | null;
  readonly c: Expr | null;
  /** Constant, local index, memory offset, lane or function index, by `op`. */
  readonly imm: number;
  readonly big: bigint;
  /** Arguments of calls, bytes of vector constants and shuffles. */
  readonly list: readonly Expr[] | Uint8Array | null;

  constructor(
    ty: ValType,
    op: number,
    a: Expr | null,
    b: Expr | null,
    c: Expr | null,
    imm: number,
    big: bigint,
    list: readonly Expr[] | Uint8Array | null,
  ) {
    this.ty = ty;
    this.op = op;
    this.a = a;
    this.b = b;
    this.c = c;
    this.imm = imm;
    this.big = big;
    this.list = list;
  }

  /** Whether evaluating it costs nothing and its value cannot change: constants. */
  get isConst(): boolean {
    return this.op === W.OP_I32_CONST || this.op === W.OP_I64_CONST;
  }
}

/** An i32 constant whose value is filled in after it has been written: see Func.patch(). */
export class PatchExpr extends Expr {
  /** Position of its five bytes in the function's body; −1 while it is not written. */
  at = -1;
  constructor() {
    super(I32, NODE_PATCH, null, null, null, 0, 0n, null);
  }
}

export type Operand = Expr | number;

/** What a call needs to know of its callee. */
export interface Callee {
  readonly index: number;
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

function node(ty: ValType, op: number, a: Expr | null, b: Expr | null = null, imm = 0): Expr {
  return new Expr(ty, op, a, b, null, imm, 0n, null);
}

// ------------------------------------------------------------------ leaves

export function i32(value: number): Expr {
  return node(I32, W.OP_I32_CONST, null, null, value | 0);
}
export function i64(value: bigint | number): Expr {
  return new Expr(I64, W.OP_I64_CONST, null, null, null, 0, BigInt.asIntN(64, BigInt(value)), null);
}
export function f32(value: number): Expr {
  return node(F32, W.OP_F32_CONST, null, null, value);
}
export function f64(value: number): Expr {
  return node(F64, W.OP_F64_CONST, null, null, value);
}
/** A vector constant from its 16 bytes in memory order. */
export function v128(bytes: Uint8Array): Expr {
  return new Expr(V128, W.OP_V128_CONST, null, null, null, 0, 0n, bytes);
}
export function localGet(ty: ValType, index: number): Expr {
  return node(ty, W.OP_LOCAL_GET, null, null, index);
}

function operand(value: Operand, ty: ValType): Expr {
  if (typeof value !== "number") return value;
  switch (ty) {
    case I32:
      return i32(value);
    case I64:
      return i64(value);
    case F32:
      return f32(value);
    case F64:
      return f64(value);
    default:
      throw new TypeError("a vector operand cannot be a number");
  }
}

/** Makes an i32 expression of a number. */
export function asI32(value: Operand): Expr {
  return operand(value, I32);
}

// --------------------------------------------------- raw operators for any opcode

/** Any one-operand instruction. */
export function unary(op: number, ty: ValType, a: Expr): Expr {
  return node(ty, op, a);
}
/** Any two-operand instruction. */
export function binary(op: number, ty: ValType, a: Expr, b: Expr): Expr {
  return node(ty, op, a, b);
}
/** A SIMD instruction with three operands, such as v128.bitselect. */
export function ternary(op: number, ty: ValType, a: Expr, b: Expr, c: Expr): Expr {
  return new Expr(ty, op, a, b, c, 0, 0n, null);
}
/** A SIMD lane instruction: extract_lane with one operand, replace_lane with two. */
export function lane(op: number, ty: ValType, index: number, a: Expr, b: Expr | null = null): Expr {
  return new Expr(ty, op, a, b, null, index, 0n, LANE_MARK);
}
const LANE_MARK = new Uint8Array(0);
/** i8x16.shuffle; lane numbers 0–15 choose from `a`, 16–31 from `b`. */
export function shuffle(a: Expr, b: Expr, lanes: readonly number[]): Expr {
  return new Expr(V128, W.OP_I8X16_SHUFFLE, a, b, null, 0, 0n, Uint8Array.from(lanes));
}
/** Any load instruction at `address + offset`. */
export function load(op: number, ty: ValType, address: Expr, offset = 0): Expr {
  return node(ty, op, address, null, offset);
}

/** A 32-bit word, a 16-bit word and a byte of memory, the narrow ones zero-extended. */
export const load32 = (address: Expr, offset = 0): Expr => load(W.I32_LOAD, I32, address, offset);
export const load16 = (address: Expr, offset = 0): Expr => load(W.I32_LOAD16_U, I32, address, offset);
export const load8 = (address: Expr, offset = 0): Expr => load(W.I32_LOAD8_U, I32, address, offset);

// ------------------------------------------------------- operators by operand type

type OpcodeByType = readonly [i32: number, i64: number, f32: number, f64: number];

function indexOfType(ty: ValType): number {
  return I32 - ty;
}

function opcodeFor(table: OpcodeByType, ty: ValType): number {
  const op = table[indexOfType(ty)] ?? 0;
  if (op === 0) throw new TypeError(`operator has no form for value type 0x${ty.toString(16)}`);
  return op;
}

function typeOf(a: Operand, b: Operand): ValType {
  if (typeof a !== "number") return a.ty;
  return typeof b !== "number" ? b.ty : I32;
}

type Fold = (a: number, b: number) => number;

function arith(table: OpcodeByType, fold: Fold | null, neutral: number | null) {
  return (a: Operand, b: Operand): Expr => {
    const ty = typeOf(a, b);
    const x = operand(a, ty);
    const y = operand(b, ty);
    if (ty === I32 && y.op === W.OP_I32_CONST) {
      if (neutral !== null && y.imm === neutral) return x;
      if (fold !== null && x.op === W.OP_I32_CONST) return i32(fold(x.imm, y.imm));
    }
    return node(ty, opcodeFor(table, ty), x, y);
  };
}

function compare(table: OpcodeByType, fold: ((a: number, b: number) => boolean) | null = null) {
  return (a: Operand, b: Operand): Expr => {
    const ty = typeOf(a, b);
    const x = operand(a, ty);
    const y = operand(b, ty);
    if (fold !== null && x.op === W.OP_I32_CONST && y.op === W.OP_I32_CONST) {
      return i32(fold(x.imm, y.imm) ? 1 : 0);
    }
    return node(I32, opcodeFor(table, ty), x, y);
  };
}

function monadic(table: OpcodeByType) {
  return (a: Expr): Expr => node(a.ty, opcodeFor(table, a.ty), a);
}

function convert(op: number, ty: ValType) {
  return (a: Expr): Expr => node(ty, op, a);
}

export const add = arith([0x6a, 0x7c, 0x92, 0xa0], (a, b) => a + b, 0);
export const sub = arith([0x6b, 0x7d, 0x93, 0xa1], (a, b) => a - b, 0);
export const mul = arith([0x6c, 0x7e, 0x94, 0xa2], Math.imul, 1);
export const divS = arith([0x6d, 0x7f, 0, 0], null, null);
export const divU = arith([0x6e, 0x80, 0, 0], null, null);
export const div = arith([0, 0, 0x95, 0xa3], null, null);
export const remS = arith([0x6f, 0x81, 0, 0], null, null);
export const remU = arith([0x70, 0x82, 0, 0], null, null);
export const and = arith([0x71, 0x83, 0, 0], (a, b) => a & b, -1);
export const or = arith([0x72, 0x84, 0, 0], (a, b) => a | b, 0);
export const xor = arith([0x73, 0x85, 0, 0], (a, b) => a ^ b, 0);
export const shl = arith([0x74, 0x86, 0, 0], (a, b) => a << b, 0);
export const shrS = arith([0x75, 0x87, 0, 0], (a, b) => a >> b, 0);
export const shrU = arith([0x76, 0x88, 0, 0], (a, b) => a >>> b, 0);
export const rotl = arith([0x77, 0x89, 0, 0], null, 0);
export const rotr = arith([0x78, 0x8a, 0, 0], null, 0);
export const min = arith([0, 0, 0x96, 0xa4], null, null);
export const max = arith([0, 0, 0x97, 0xa5], null, null);
export const copysign = arith([0, 0, 0x98, 0xa6], null, null);

export const eq = compare([0x46, 0x51, 0x5b, 0x61], (a, b) => a === b);
export const ne = compare([0x47, 0x52, 0x5c, 0x62], (a, b) => a !== b);
export const ltS = compare([0x48, 0x53, 0, 0]);
export const ltU = compare([0x49, 0x54, 0, 0]);
export const gtS = compare([0x4a, 0x55, 0, 0]);
export const gtU = compare([0x4b, 0x56, 0, 0]);
export const leS = compare([0x4c, 0x57, 0, 0]);
export const leU = compare([0x4d, 0x58, 0, 0]);
export const geS = compare([0x4e, 0x59, 0, 0]);
export const geU = compare([0x4f, 0x5a, 0, 0]);
export const lt = compare([0, 0, 0x5d, 0x63]);
export const gt = compare([0, 0, 0x5e, 0x64]);
export const le = compare([0, 0, 0x5f, 0x65]);
export const ge = compare([0, 0, 0x60, 0x66]);

/** 1 when `a` is zero (i32 or i64). */
export function eqz(a: Expr): Expr {
  if (a.op === W.OP_I32_CONST) return i32(a.imm === 0 ? 1 : 0);
  return node(I32, a.ty === I64 ? 0x50 : 0x45, a);
}

export const clz = monadic([0x67, 0x79, 0, 0]);
export const ctz = monadic([0x68, 0x7a, 0, 0]);
export const popcnt = monadic([0x69, 0x7b, 0, 0]);
export const abs = monadic([0, 0, 0x8b, 0x99]);
export const neg = monadic([0, 0, 0x8c, 0x9a]);
export const ceil = monadic([0, 0, 0x8d, 0x9b]);
export const floor = monadic([0, 0, 0x8e, 0x9c]);
export const trunc = monadic([0, 0, 0x8f, 0x9d]);
export const nearest = monadic([0, 0, 0x90, 0x9e]);
export const sqrt = monadic([0, 0, 0x91, 0x9f]);
/** Sign extension of the low 8, 16 or 32 bits inside the operand's own type. */
export const extend8 = monadic([0xc0, 0xc2, 0, 0]);
export const extend16 = monadic([0xc1, 0xc3, 0, 0]);
export const extend32 = monadic([0, 0xc4, 0, 0]);

export const wrap = convert(0xa7, I32);
export const extendS = convert(0xac, I64);
export const extendU = convert(0xad, I64);
export const f32FromI32S = convert(0xb2, F32);
export const f32FromI64S = convert(0xb4, F32);
export const f64FromI32S = convert(0xb7, F64);
export const f64FromI32U = convert(0xb8, F64);
export const f64FromI64S = convert(0xb9, F64);
export const f64FromI64U = convert(0xba, F64);
export const demote = convert(0xb6, F32);
export const promote = convert(0xbb, F64);
export const i32FromF32Bits = convert(0xbc, I32);
export const i64FromF64Bits = convert(0xbd, I64);
export const f32FromI32Bits = convert(0xbe, F32);
export const f64FromI64Bits = convert(0xbf, F64);
/** Truncation that saturates instead of trapping. */
export const i32SatF32S = convert(0xfc_00, I32);
export const i32SatF64S = convert(0xfc_02, I32);
export const i64SatF32S = convert(0xfc_04, I64);
export const i64SatF64S = convert(0xfc_06, I64);

/** `condition ? a : b`; both are evaluated. */
export function select(condition: Expr, a: Operand, b: Operand): Expr {
  const ty = typeOf(a, b);
  const x = operand(a, ty);
  const y = operand(b, ty);
  if (condition.op === W.OP_I32_CONST) return condition.imm !== 0 ? x : y;
  return new Expr(ty, W.OP_SELECT, x, y, condition, 0, 0n, null);
}

/** `condition ? a : b`; only the chosen one is evaluated. */
export function choose(condition: Expr, a: Operand, b: Operand): Expr {
  const ty = typeOf(a, b);
  if (condition.op === W.OP_I32_CONST) return operand(condition.imm !== 0 ? a : b, ty);
  return new Expr(ty, NODE_IF, operand(a, ty), operand(b, ty), condition, 0, 0n, null);
}

/** Calls a function that returns one value. */
export function call(callee: Callee, ...args: Expr[]): Expr {
  const ty = callee.results[0];
  if (ty === undefined) throw new TypeError("an expression must call a function with a result");
  return callNode(callee, args, ty);
}

/** A call whatever it returns; for Func.exec(). */
export function callNode(callee: Callee, args: readonly Expr[], ty: ValType): Expr {
  if (args.length !== callee.params.length) {
    throw new TypeError(
      `call of function ${callee.index}: ${args.length} arguments for ${callee.params.length} parameters`,
    );
  }
  return new Expr(ty, NODE_CALL, null, null, null, callee.index, 0n, args);
}

/** Calls entry `index` of table 0, a function of type `type` with result `ty`. */
export function callIndirect(type: number, ty: ValType, index: Expr, ...args: Expr[]): Expr {
  return new Expr(ty, NODE_CALL_INDIRECT, index, null, null, type, 0n, args);
}

// ------------------------------------------------------------------ encoding

/** Writes an opcode with its prefix. */
export function emitOpcode(out: Bytes, op: number): void {
  if (op < 0x100) {
    out.u8(op);
  } else if (op < 0x1_0000) {
    out.u8(0xfc);
    out.u32(op & 0xff);
  } else {
    out.u8(0xfd);
    out.u32(op & 0xffff);
  }
}

/** Natural alignment exponents of loads and stores; alignment is a hint only, 0 is always valid. */
export function emitMemArg(out: Bytes, offset: number): void {
  out.u8(0);
  out.u32(offset);
}

function isLoad(op: number): boolean {
  return (
    (op >= W.I32_LOAD && op <= W.I64_LOAD32_U) ||
    (op >= W.V128_LOAD && op <= 0xfd_000a) ||
    op === 0xfd_005c ||
    op === 0xfd_005d
  );
}

/** Writes the instructions that leave the expression's value on the stack. */
export function emitExpr(out: Bytes, e: Expr): void {
  switch (e.op) {
    case W.OP_I32_CONST:
      out.u8(W.OP_I32_CONST);
      out.s32(e.imm);
      return;
    case W.OP_LOCAL_GET:
      out.u8(W.OP_LOCAL_GET);
      out.u32(e.imm);
      return;
    case W.OP_I64_CONST:
      out.u8(W.OP_I64_CONST);
      out.s64(e.big);
      return;
    case W.OP_F32_CONST:
      out.u8(W.OP_F32_CONST);
      out.f32(e.imm);
      return;
    case W.OP_F64_CONST:
      out.u8(W.OP_F64_CONST);
      out.f64(e.imm);
      return;
    case W.OP_V128_CONST:
      emitOpcode(out, e.op);
      out.append(e.list as Uint8Array);
      return;
    case NODE_PATCH:
      out.u8(W.OP_I32_CONST);
      (e as PatchExpr).at = out.length;
      out.paddedS32(0);
      return;
    case NODE_IF:
      emitExpr(out, e.c!);
      out.u8(W.OP_IF);
      out.u8(e.ty);
      emitExpr(out, e.a!);
      out.u8(W.OP_ELSE);
      emitExpr(out, e.b!);
      out.u8(W.OP_END);
      return;
    case NODE_CALL:
      for (const arg of e.list as readonly Expr[]) emitExpr(out, arg);
      out.u8(W.OP_CALL);
      out.u32(e.imm);
      return;
    case NODE_CALL_INDIRECT:
      for (const arg of e.list as readonly Expr[]) emitExpr(out, arg);
      emitExpr(out, e.a!);
      out.u8(W.OP_CALL_INDIRECT);
      out.u32(e.imm);
      out.u8(0);
      return;
  }
  if (e.a !== null) emitExpr(out, e.a);
  if (e.b !== null) emitExpr(out, e.b);
  if (e.c !== null) emitExpr(out, e.c);
  emitOpcode(out, e.op);
  if (isLoad(e.op)) emitMemArg(out, e.imm);
  else if (e.op === W.OP_I8X16_SHUFFLE) out.append(e.list as Uint8Array);
  else if (e.list === LANE_MARK) out.u8(e.imm);
}
