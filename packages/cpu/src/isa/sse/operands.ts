// SPDX-License-Identifier: BSD-3-Clause
/**
 * How SSE and MMX semantics get at their operands, and the checks that come before them.
 *
 * Source: SDM vol. 2A table 2-21 (SSE exceptions), vol. 1 §9.5 (MMX and the x87 state), §11.6.
 * @module
 */
import { EXC_GP, EXC_MF, EXC_NM, EXC_UD } from "../../exception.ts";
import { CR0, CR0_EM, CR0_TS, FSW, FTOP, FTW } from "../../state.ts";
import { and, i32, wrap, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { F32, F64, I32, I64, V128 } from "../../wasm/opcodes.ts";
import type { Ctx, MemRef } from "../ctx.ts";
import type { Feature } from "../feature.ts";
import { op, type Row, type RowOptions, type Semantics } from "../row.ts";
import {
  V128_LOAD32_ZERO,
  V128_LOAD64_ZERO,
  ZERO_VECTOR,
  i32x4Replace,
  i64x2Extract,
  i64x2Replace,
} from "./simd.ts";

/** FSW.ES: an unmasked x87 exception is pending. */
const FSW_ES = 0x80;

/** First of all in every SSE instruction: #UD when emulation is on, #NM when the task was switched. */
export function sseReady(x: Ctx): void {
  x.checkOnce("CR0", () =>
    x.when(and(x.state(CR0), CR0_EM | CR0_TS), () => {
      x.raiseIf(and(x.state(CR0), CR0_EM), EXC_UD);
      x.raise(EXC_NM);
    }),
  );
}

/** First of all in every MMX instruction: as sseReady(), and #MF when an x87 exception waits. */
export function mmxReady(x: Ctx): void {
  sseReady(x);
  x.raiseIf(and(x.state(FSW), FSW_ES), EXC_MF);
}

/** Every MMX instruction but EMMS leaves TOP 0 and all tags valid. Call it after the last check. */
export function mmxTouched(x: Ctx): void {
  x.setState(FTOP, i32(0));
  x.setState(FTW, i32(0xff));
}

/** Whether operand `i` is an mmx register or memory, not an xmm register. */
function isMmx(x: Ctx, i: number): boolean {
  return x.form.classes[i] === "mmx";
}

export function xmm(x: Ctx, i: number): Expr {
  return x.xmm(i);
}
export function setXmm(x: Ctx, i: number, value: Expr): void {
  x.setXmm(i, value);
}
/** The low 8 bytes of xmm or mmx register operand `i`. */
export function low64(x: Ctx, i: number): Expr {
  return isMmx(x, i) ? x.mmx(i) : x.xmmLane(i, I64);
}
/** The low 4 bytes of xmm or mmx register operand `i`. */
export function low32(x: Ctx, i: number): Expr {
  return isMmx(x, i) ? wrap(x.mmx(i)) : x.xmmLane(i, I32);
}
export function xmmHigh64(x: Ctx, i: number): Expr {
  return x.xmmLane(i, I64, 1);
}
export function setXmmLow64(x: Ctx, i: number, value: Expr): void {
  x.setXmmLane(i, value);
}
export function setXmmHigh64(x: Ctx, i: number, value: Expr): void {
  x.setXmmLane(i, value, 1);
}
export function setXmmLow32(x: Ctx, i: number, value: Expr): void {
  x.setXmmLane(i, value);
}

/** Linear address of memory operand `i`, #GP(0) unless it is a multiple of 16. */
export function alignedAddress(x: Ctx, i: number): Expr {
  const address = x.tmp(x.address(i));
  x.raiseIf(and(address, 15), EXC_GP);
  return address;
}

/** Operand `i` as 16 bytes: xmm register, or memory that must be aligned unless `unaligned`. In a temporary. */
export function source128(x: Ctx, i: number, unaligned = false): Expr {
  if (!x.isMem(i)) return x.tmp(xmm(x, i));
  return x.load(W.V128_LOAD, V128, 16, unaligned ? x.address(i) : alignedAddress(x, i));
}
/** The low 8 bytes of operand `i` (xmm or mmx register, or memory). */
export function source64(x: Ctx, i: number): Expr {
  if (!x.isMem(i)) return x.tmp(low64(x, i));
  return x.load(W.I64_LOAD, I64, 8, x.address(i));
}
/** The low double of operand `i` (xmm register or memory), in a temporary. */
export function sourceDouble(x: Ctx, i: number): Expr {
  if (!x.isMem(i)) return x.tmp(x.xmmLane(i, F64));
  return x.load(W.F64_LOAD, F64, 8, x.address(i));
}
/** The low single of operand `i`. */
export function sourceSingle(x: Ctx, i: number): Expr {
  if (!x.isMem(i)) return x.tmp(x.xmmLane(i, F32));
  return x.load(W.F32_LOAD, F32, 4, x.address(i));
}
/** The low 4 bytes of operand `i`. */
export function source32(x: Ctx, i: number): Expr {
  if (!x.isMem(i)) return x.tmp(low32(x, i));
  return x.load(W.I32_LOAD, I32, 4, x.address(i));
}
/** Operand `i` of `n` bytes (4, 8 or 16) as a vector, zero above. 16-byte memory must be aligned. */
export function sourceVector(x: Ctx, i: number, n: number): Expr {
  if (n === 16) return source128(x, i);
  const op = n === 8 ? V128_LOAD64_ZERO : V128_LOAD32_ZERO;
  if (!x.isMem(i)) {
    if (isMmx(x, i)) return x.tmp(mm(x, i));
    return x.tmp(
      n === 8 ? i64x2Replace(ZERO_VECTOR, 0, low64(x, i)) : i32x4Replace(ZERO_VECTOR, 0, low32(x, i)),
    );
  }
  return x.load(op, V128, n, x.address(i));
}

/** Checked reference to memory operand `i` of `n` bytes. */
export function target(x: Ctx, i: number, n: number, aligned = false): MemRef {
  return x.writable(n, aligned ? alignedAddress(x, i) : x.address(i));
}

/** An mmx register as a vector whose upper half is 0. */
export function mm(x: Ctx, i: number): Expr {
  return x.stateLoad(V128_LOAD64_ZERO, V128, x.registerSlot(i));
}
/** Writes an mmx register: sign and exponent bits above it become ones. */
export function setMm64(x: Ctx, i: number, value: Expr): void {
  x.stateStore(W.I64_STORE, x.registerSlot(i), value);
  x.stateStore(W.I32_STORE, x.registerSlot(i), i32(0xffff), 8);
}
export function setMm(x: Ctx, i: number, vector: Expr): void {
  setMm64(x, i, i64x2Extract(vector, 0));
}

/** Mandatory prefix of an opcode in the 0F map; 0 = none. */
export type Prefix = 0 | 0x66 | 0xf2 | 0xf3;

/** What the floating-point opcodes belong to, by mandatory prefix: singles came with SSE, doubles with SSE2. */
const BY_FORMAT: Readonly<Record<Prefix, Feature>> = {
  0: "sse",
  0xf3: "sse",
  0x66: "sse2",
  0xf2: "sse2",
};

/**
 * A growing list of rows; `more` may be the form of modrm alone. A row belongs to the extension that its prefix says, unless it
 * names another.
 */
export class RowList {
  readonly rows: Row[] = [];
  readonly #features: Readonly<Record<Prefix, Feature>>;

  constructor(features: Readonly<Record<Prefix, Feature>> = BY_FORMAT) {
    this.#features = features;
  }

  row(
    opcode: number,
    prefix: Prefix,
    name: string,
    operands: Row["operands"],
    semantics: Semantics,
    more: RowOptions | "mem" | "reg" = {},
  ): void {
    const options = typeof more === "string" ? { mod: more } : more;
    this.rows.push(
      op(opcode, name, operands, semantics, { prefix, feature: this.#features[prefix], ...options }),
    );
  }
}

/** Semantics behind the availability check of SSE. */
export function sse(semantics: Semantics): Semantics {
  return (x) => {
    sseReady(x);
    semantics(x);
  };
}
/** Semantics behind the availability check of MMX. */
export function mmx(semantics: Semantics): Semantics {
  return (x) => {
    mmxReady(x);
    semantics(x);
  };
}
