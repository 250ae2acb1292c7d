// SPDX-License-Identifier: BSD-3-Clause
/**
 * What all x87 runtime functions share: constants of the control and status word, the state block as expressions, and the
 * hand-over area through which functions return an 80-bit value and its exceptions.
 *
 * An 80-bit value travels as two WebAssembly values: `se` (i32: sign in bit 15, exponent in bits 0–14) and `m` (i64: significand
 * with its explicit integer bit 63). A function that yields one stores it at RESULT_SE / RESULT_M, and ORs the exceptions it
 * met into EXC. Nothing there lives longer than one instruction.
 *
 * Source: SDM vol. 1 §8.1.3 (status word), §8.1.5 (control word), §4.8 (formats).
 * @module
 */
import { add, and, eqz, i32, i64, load, or, shl, shrU, xor, type Expr } from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import * as W from "../../wasm/opcodes.ts";
import * as S from "../../state.ts";

// Exception bits: the same positions in status word, control word (masks) and EXC.
export const IE = 0x01;
export const DE = 0x02;
export const ZE = 0x04;
export const OE = 0x08;
export const UE = 0x10;
export const PE = 0x20;
export const EXCEPTIONS = 0x3f;
/** Stack fault. */
export const SF = 0x40;
/** Error summary, and the busy bit that mirrors it. */
export const ES = 0x80;
export const BUSY = 0x8000;
export const C0 = 0x0100;
export const C1 = 0x0200;
export const C2 = 0x0400;
export const C3 = 0x4000;
export const CONDITIONS = C0 | C1 | C2 | C3;

// Rounding control, bits 10–11 of the control word.
export const RC_NEAREST = 0;
export const RC_DOWN = 1;
export const RC_UP = 2;
export const RC_ZERO = 3;

export const SIGN = 0x8000;
export const EXP_MASK = 0x7fff;
export const BIAS = 0x3fff;
/** How far unmasked overflow and underflow move the exponent. */
export const BIAS_ADJUST = 0x6000;

/** Integer bit of a significand. */
export const INTEGER_BIT = 1n << 63n;
/** Quiet bit of a NaN. */
export const QUIET_BIT = 1n << 62n;
/** The default NaN, "real indefinite". */
export const INDEFINITE_SE = 0xffff;
export const INDEFINITE_M = 3n << 62n;

// The hand-over area, offsets in the state block.
const HAND = S.SCRATCH + S.SCRATCH_BYTES - 0x60;
export const RESULT_M = HAND;
export const RESULT_SE = HAND + 0x08;
export const EXC = HAND + 0x0c;
/** Operands after prepare(): exponents may be zero or negative, significands are normalised or 0. */
export const A_M = HAND + 0x10;
export const B_M = HAND + 0x18;
export const A_E = HAND + 0x20;
export const B_E = HAND + 0x24;
/** Second result of divide and multiply helpers. */
export const EXTRA = HAND + 0x28;
/** A second 80-bit result (FSINCOS, FXTRACT, FPTAN). */
export const RESULT2_M = HAND + 0x30;
export const RESULT2_SE = HAND + 0x38;
/** Working pairs of the transcendental functions. */
export const WORK = HAND + 0x40;

/** Accessors for one state block at a fixed linear-memory address. */
export class Frame {
  readonly base: number;

  constructor(base: number) {
    this.base = base;
  }

  ld32(offset: number): Expr {
    return load(W.I32_LOAD, W.I32, i32(0), this.base + offset);
  }
  ld64(offset: number): Expr {
    return load(W.I64_LOAD, W.I64, i32(0), this.base + offset);
  }
  st32(f: Func, offset: number, value: Expr): void {
    f.store(W.I32_STORE, i32(0), value, this.base + offset);
  }
  st64(f: Func, offset: number, value: Expr): void {
    f.store(W.I64_STORE, i32(0), value, this.base + offset);
  }

  /** Begins an instruction: no exceptions so far. */
  begin(f: Func): void {
    this.st32(f, EXC, i32(0));
  }
  exc(): Expr {
    return this.ld32(EXC);
  }
  resultSe(): Expr {
    return this.ld32(RESULT_SE);
  }
  resultM(): Expr {
    return this.ld64(RESULT_M);
  }
  /** Physical register number of ST(i), in a temporary. */
  st(f: Func, i: Expr | number): Expr {
    return f.tmp(this.physical(i));
  }

  /** ORs constant or computed exception bits into EXC. */
  raise(f: Func, bits: number | Expr): void {
    this.st32(f, EXC, or(this.ld32(EXC), typeof bits === "number" ? i32(bits) : bits));
  }
  result(f: Func, se: Expr, m: Expr): void {
    this.st32(f, RESULT_SE, se);
    this.st64(f, RESULT_M, m);
  }
  indefinite(f: Func): void {
    this.result(f, i32(INDEFINITE_SE), i64(INDEFINITE_M));
  }
  fcw(): Expr {
    return this.ld32(S.FCW);
  }
  /** 1 when one of `bits` is pending in EXC and not masked. */
  unmasked(bits: number): Expr {
    return and(and(this.ld32(EXC), xor(this.fcw(), -1)), bits);
  }
  roundingControl(): Expr {
    return and(shrU(this.fcw(), 10), 3);
  }

  /** Physical register number of ST(i). */
  physical(i: Expr | number): Expr {
    return and(add(this.ld32(S.FTOP), i), 7);
  }
  /** Address (before adding base + X87) of physical register `p`. */
  regAddress(p: Expr): Expr {
    return shl(p, 4);
  }
  regM(p: Expr): Expr {
    return load(W.I64_LOAD, W.I64, this.regAddress(p), this.base + S.X87);
  }
  regSe(p: Expr): Expr {
    return load(W.I32_LOAD16_U, W.I32, this.regAddress(p), this.base + S.X87 + 8);
  }
  setReg(f: Func, p: Expr, se: Expr, m: Expr): void {
    f.store(W.I64_STORE, this.regAddress(p), m, this.base + S.X87);
    f.store(W.I32_STORE, this.regAddress(p), se, this.base + S.X87 + 8);
  }
  /** 1 when physical register `p` is tagged empty. */
  isEmpty(p: Expr): Expr {
    return eqz(and(shrU(this.ld32(S.FTW), p), 1));
  }
  clearC1(f: Func): void {
    this.st32(f, S.FSW, and(this.ld32(S.FSW), ~C1));
  }
  markFull(f: Func, p: Expr): void {
    this.st32(f, S.FTW, or(this.ld32(S.FTW), shl(i32(1), p)));
  }
  markEmpty(f: Func, p: Expr): void {
    this.st32(f, S.FTW, and(this.ld32(S.FTW), xor(shl(i32(1), p), -1)));
  }
}
