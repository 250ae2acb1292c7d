// SPDX-License-Identifier: BSD-3-Clause
/**
 * Rows of the instruction tables: opcode, operands in the SDM's notation, semantics; and the forms in which engines
 * generate code for them.
 *
 * Source of the notation: SDM vol. 2D appendix A.2.
 * @module
 */
import type { Ctx, Size } from "./ctx.ts";
import type { Feature } from "./feature.ts";

export type Semantics = (x: Ctx) => void;

/** Where an operand is encoded. */
export type Place = "rm" | "reg" | "opcode" | "fixed" | "imm" | "moffs" | "rel" | "far";
/** Register file of an operand. */
export type RegClass = "gpr" | "seg" | "xmm" | "mmx" | "st";

export interface OperandSpec {
  readonly place: Place;
  readonly cls: RegClass;
  /** Bytes; 0 = operand size (2 or 4). */
  readonly size: number;
  /** Immediates: sign-extended. */
  readonly signed?: boolean;
  /** Immediates: bytes in the code when they differ from `size`. */
  readonly bytes?: number;
  /** Fixed register number. */
  readonly fixed?: number;
  /** A fixed register that the generated code names itself instead of taking it from the record. */
  readonly constant?: boolean;
  /** Not written in assembly language. */
  readonly implied?: boolean;
  /** Size of the memory form when it differs from the register's. */
  readonly memSize?: number;
}

function rm(size: number, cls: RegClass = "gpr", memSize?: number): OperandSpec {
  return memSize === undefined ? { place: "rm", cls, size } : { place: "rm", cls, size, memSize };
}
function reg(size: number, cls: RegClass = "gpr"): OperandSpec {
  return { place: "reg", cls, size };
}
function fixed(n: number, size: number, cls: RegClass = "gpr"): OperandSpec {
  return { place: "fixed", cls, size, fixed: n };
}
function imm(bytes: number, size: number, signed: boolean): OperandSpec {
  return { place: "imm", cls: "gpr", size, bytes, signed };
}

export const Eb = rm(1);
export const Ew = rm(2);
export const Ed = rm(4);
export const Ev = rm(0);
export const Gb = reg(1);
export const Gw = reg(2);
export const Gd = reg(4);
export const Gv = reg(0);
/** Memory whose size the semantics know (far pointers, bounds, CMPXCHG8B, FPU images). */
export const M = rm(0);
/** Memory or register of the given size. */
export const E = rm;
/** Register named by the low three opcode bits. */
export const Zb: OperandSpec = { place: "opcode", cls: "gpr", size: 1 };
export const Zv: OperandSpec = { place: "opcode", cls: "gpr", size: 0 };
export const AL = fixed(0, 1);
export const CL: OperandSpec = { place: "fixed", cls: "gpr", size: 1, fixed: 1, constant: true };
/** xmm0 where no field of the instruction names it; SSE4.1 writes it in assembly language, SSE4.2 does not. */
export const XMM0: OperandSpec = { place: "fixed", cls: "xmm", size: 16, fixed: 0, constant: true };
export const XMM0_IMPLIED: OperandSpec = { ...XMM0, implied: true };
export const eAX = fixed(0, 0);
/** Unsigned byte immediate. */
export const Ib = imm(1, 1, false);
/** Byte immediate, sign-extended. */
export const Ibs = imm(1, 0, true);
export const Iw = imm(2, 2, false);
/** Operand-size immediate. */
export const Iz = imm(0, 0, true);
/** The constant 1 of the shift group. */
export const One: OperandSpec = { place: "imm", cls: "gpr", size: 1, bytes: -1, signed: false };
export const Ob: OperandSpec = { place: "moffs", cls: "gpr", size: 1 };
export const Ov: OperandSpec = { place: "moffs", cls: "gpr", size: 0 };
export const Jb: OperandSpec = { place: "rel", cls: "gpr", size: 0, bytes: 1 };
export const Jz: OperandSpec = { place: "rel", cls: "gpr", size: 0, bytes: 0 };
/** Far pointer in the code: offset (imm) and selector (imm2). */
export const Ap: OperandSpec = { place: "far", cls: "gpr", size: 0 };
/** Segment register in the reg field. */
export const Sw = reg(2, "seg");
export const seg = (n: number): OperandSpec => fixed(n, 2, "seg");
/** xmm register in the reg field. */
export const Vx = reg(16, "xmm");
/** xmm register or memory of `memSize` bytes. */
export const Wx = (memSize = 16): OperandSpec => rm(16, "xmm", memSize);
/** mmx register in the reg field. */
export const Pq = reg(8, "mmx");
/** mmx register or memory of `memSize` bytes. */
export const Qq = (memSize = 8): OperandSpec => rm(8, "mmx", memSize);
/** ST(i), i in the low bits of modrm. */
export const STi = rm(10, "st");

export interface RowOptions {
  /** The extension that brought the instruction; where CPUID does not announce it, it raises #UD. Left out: always there. */
  readonly feature?: Feature;
  /** The /digit in the reg field of modrm. */
  readonly digit?: number;
  /** Restricts modrm to its memory or register form. */
  readonly mod?: "mem" | "reg";
  /** Restricts the rm field of the register form (x87 opcodes such as D9 E8). */
  readonly rm?: number;
  /** Required mandatory prefix; 0 = none of 66, F2, F3. Left out: prefixes do not select the row. */
  readonly prefix?: 0 | 0x66 | 0xf2 | 0xf3;
  /** LOCK is allowed with a memory destination. */
  readonly lock?: boolean;
  /**
   * Handled in the dispatch loop itself, specialised by operand shape; "reg": only without memory operand. For frequent
   * integer instructions. Forms with 16-bit operands are never hot.
   */
  readonly hot?: boolean | "reg";
  /** Depends on the operand size though no operand shows it. */
  readonly v?: boolean;
  /** Touches memory no operand shows (stack, strings): gets a form that checks segments. */
  readonly implicit?: boolean;
  /** Control comes back to the instruction behind it from elsewhere: calls, software interrupts. */
  readonly returns?: boolean;
  /** Nothing behind it is reached by falling through. */
  readonly ends?: boolean;
  /** An ESP-based address is computed with the ESP of after the pop; the decoder adds the operand size. */
  readonly addressAfterPop?: boolean;
  /** Writes its memory operand (for segment checks); default: the first operand of a row that has operands. */
  readonly writes?: boolean;
  /** Bytes of the memory operand, by operand size, where its own size does not tell; 0 = it is not accessed. */
  readonly memBytes?: number | ((size: Size) => number);
}

export interface Row extends RowOptions {
  /** 0x00–0xff one byte, 0x0f00–0x0fff, 0x0f3800–, 0x0f3a00–. */
  readonly opcode: number;
  readonly name: string;
  readonly operands: readonly OperandSpec[];
  readonly semantics: Semantics;
}

/** One row of a table. */
export function op(
  opcode: number,
  name: string,
  operands: readonly OperandSpec[],
  semantics: Semantics,
  options: RowOptions = {},
): Row {
  return { opcode, name, operands, semantics, ...options };
}

/** What an operand is in one form: register from the record, memory, immediate, constant register. */
export type OperandKind = "r" | "m" | "i" | "c";

/** A row with everything fixed that selects generated code. */
export interface Form {
  readonly semantics: Semantics;
  readonly name: string;
  readonly size: Size;
  readonly kinds: readonly OperandKind[];
  readonly sizes: readonly number[];
  readonly classes: readonly RegClass[];
  /** For register operands: 0 = record field R0, 1 = R1. */
  readonly fields: readonly number[];
  /** Memory operand with index register, or base and displacement only. */
  readonly indexed: boolean;
  /** Implicit accesses need no segment checks. */
  readonly flat: boolean;
  /** Address size of implicit accesses (strings, XLAT, LOOP). */
  readonly addressSize: 2 | 4;
  /** Direct jump that leaves its page. */
  readonly far: boolean;
  readonly hot: boolean;
  readonly flow: Flow;
}

/**
 * What follows an instruction: the next one; its direct target or the next one; its direct target; a call with or without a
 * direct target, after which control comes back; nothing that is known.
 */
export type Flow = "next" | "branch" | "jump" | "call" | "away" | "stop";
