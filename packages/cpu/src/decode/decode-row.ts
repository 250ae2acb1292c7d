// SPDX-License-Identifier: BSD-3-Clause
/**
 * Rows as the decoder wants them: every question it asks of a row answered in advance, as a number.
 *
 * Invariant D5: decoding an instruction looks at no operand specification and allocates nothing.
 * @module
 */
import type { PreparedRow } from "../isa/forms.ts";
import type { OperandSpec, Row } from "../isa/row.ts";
import { GPR, X87, XMM } from "../state.ts";

/** What follows modrm in the code. */
export const IMM_NONE = 0;
export const IMM_ONE = 1;
export const IMM_U8 = 2;
export const IMM_S8 = 3;
export const IMM_U16 = 4;
export const IMM_S16 = 5;
export const IMM_32 = 6;
/** Two or four bytes by operand size, the two sign-extended or not. */
export const IMM_SIGNED = 7;
export const IMM_UNSIGNED = 8;
/** Address-size offset of a memory operand; far pointer. */
export const IMM_MOFFS = 9;
export const IMM_FAR = 10;

/** Where the number of a register operand is found. */
export const FROM_REG = 0;
export const FROM_RM = 1;
export const FROM_OPCODE = 2;
export const FROM_ROW = 3;

/** A register operand of a row. */
export interface RegisterOperand {
  readonly from: number;
  /** What the record's field holds, by register number. */
  readonly fields: Uint16Array;
  /** The register of FROM_ROW. */
  readonly fixed: number;
}

export interface DecodeRow extends PreparedRow {
  readonly imm1: number;
  readonly imm2: number;
  readonly registers: readonly RegisterOperand[];
  /** Bytes of the memory operand by operand size. */
  readonly memBytes: Uint16Array;
  /** The memory operand is accessed, not only its address computed. */
  readonly accesses: boolean;
  readonly writesMemory: boolean;
  readonly implicit: boolean;
  readonly addressAfterPop: boolean;
  readonly ends: boolean;
  readonly lockable: boolean;
}

const byNumber = (field: (n: number) => number): Uint16Array =>
  Uint16Array.from([0, 1, 2, 3, 4, 5, 6, 7], field);
const GPR_FIELDS = byNumber((n) => GPR + 4 * n);
const BYTE_FIELDS = byNumber((n) => (n < 4 ? GPR + 4 * n : GPR + 4 * (n - 4) + 1));
const XMM_FIELDS = byNumber((n) => XMM + 16 * n);
const MMX_FIELDS = byNumber((n) => X87 + 16 * n);
const NUMBERS = byNumber((n) => n);

function fieldsOf(o: OperandSpec): Uint16Array {
  switch (o.cls) {
    case "xmm":
      return XMM_FIELDS;
    case "mmx":
      return MMX_FIELDS;
    case "gpr":
      return o.size === 1 ? BYTE_FIELDS : GPR_FIELDS;
    default:
      return NUMBERS;
  }
}

function registerOperands(row: Row): RegisterOperand[] {
  const list: RegisterOperand[] = [];
  for (const o of row.operands) {
    const fields = fieldsOf(o);
    if (o.place === "reg") list.push({ from: FROM_REG, fields, fixed: 0 });
    else if (o.place === "rm") list.push({ from: FROM_RM, fields, fixed: 0 });
    else if (o.place === "opcode") list.push({ from: FROM_OPCODE, fields, fixed: 0 });
    else if (o.place === "fixed" && o.constant !== true)
      list.push({ from: FROM_ROW, fields, fixed: o.fixed! });
  }
  return list;
}

function immediateKind(bytes: number, signed: boolean): number {
  switch (bytes) {
    case -1:
      return IMM_ONE;
    case 0:
      return signed ? IMM_SIGNED : IMM_UNSIGNED;
    case 1:
      return signed ? IMM_S8 : IMM_U8;
    case 2:
      return signed ? IMM_S16 : IMM_U16;
    default:
      return IMM_32;
  }
}
function immediates(row: Row): number[] {
  const kinds: number[] = [];
  for (const o of row.operands) {
    if (o.place === "imm") kinds.push(immediateKind(o.bytes!, o.signed === true));
    else if (o.place === "rel") kinds.push(immediateKind(o.bytes!, true));
    else if (o.place === "moffs") kinds.push(IMM_MOFFS);
    else if (o.place === "far") kinds.push(IMM_FAR);
  }
  if (kinds.length > 2) throw new Error(`${row.name}: more than two immediates`);
  return kinds;
}

const isMemory = (o: OperandSpec): boolean => o.place === "rm" || o.place === "moffs";

export function decodeRow(prepared: PreparedRow): DecodeRow {
  const { row } = prepared;
  const kinds = immediates(row);
  const memory = row.operands.find(isMemory);
  const memBytes = new Uint16Array(5);
  for (const size of [1, 2, 4] as const) {
    const own = memory === undefined ? 0 : (memory.memSize ?? memory.size);
    const named = typeof row.memBytes === "function" ? row.memBytes(size) : row.memBytes;
    memBytes[size] = named ?? (own === 0 ? size : own);
  }
  const first = row.operands[0];
  return {
    ...prepared,
    imm1: kinds[0] ?? IMM_NONE,
    imm2: kinds[1] ?? IMM_NONE,
    registers: registerOperands(row),
    memBytes,
    accesses: row.memBytes !== 0,
    writesMemory: row.writes ?? (first !== undefined && isMemory(first)),
    implicit: row.implicit === true,
    addressAfterPop: row.addressAfterPop === true,
    ends: row.ends === true,
    lockable: row.lock === true,
  };
}
