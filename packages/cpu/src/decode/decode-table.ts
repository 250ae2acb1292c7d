// SPDX-License-Identifier: BSD-3-Clause
/**
 * The instruction tables as the decoder's code (decode-code.ts) reads them: one block of bytes, the same for every machine,
 * made from the rows when the package is built. It lies in linear memory with the decoder's own words behind it.
 *
 *   slots        1024 × u16: one-byte opcodes, 0F, 0F 38, 0F 3A. Bit 15: modrm follows. The rest: number of the first
 *                candidate + 1, 0 = undefined
 *   classes      256 × u8: which prefix a byte is, 0 = none
 *   candidates   8 bytes each: u16 row, u8 flags, u8 mandatory prefix, u8 mask and u8 value of modrm. The first match counts
 *   rows         ROW_BYTES each, in the order of isa/table.ts, see ROW_*
 *   fields       8 × u16 for each register file: what a record holds for a register number
 *   handlers     u16 for each function number: case of the dispatch loop
 *   firsts       u16 for each function number: where its row in `pairs` begins; 0 = an empty one
 *   seconds      u16 for each function number: its place in the rows of `pairs`; 0 = an empty one
 *   pairs        rows of u16: case of the dispatch loop for two instructions that follow each other, 0 = there is none
 *
 * Invariant D5: decoding an instruction looks at no operand specification and allocates nothing.
 * @module
 */
import { FORM_KEYS, type PreparedRow } from "../isa/forms.ts";
import type { PairHandler } from "../interp/generate.ts";
import type { OperandSpec, Row } from "../isa/row.ts";
import { CS, DS, ES, FS, GPR, GS, SS, X87, XMM } from "../state.ts";

const SLOT_COUNT = 4 * 256;
export const SLOT_MODRM = 0x8000;

/** What a byte is as a prefix: 1 + segment register, or one of these; 0 = no prefix. */
export const PREFIX_SEGMENT = 1;
export const PREFIX_OPERAND = 7;
export const PREFIX_ADDRESS = 8;
export const PREFIX_LOCK = 9;
export const PREFIX_REPEAT = 10;

export const CANDIDATE_BYTES = 8;
export const C_FLAGS = 2;
export const C_PREFIX = 3;
export const C_MASK = 4;
export const C_VALUE = 5;
/** Candidate flags: no further one follows; only for memory operands; the mandatory prefix selects. */
export const CANDIDATE_LAST = 1;
export const CANDIDATE_MEMORY = 2;
export const CANDIDATE_PREFIX = 4;

// What follows modrm in the code: kinds of immediates.
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
export const FROM_NONE = 0;
export const FROM_REG = 1;
export const FROM_RM = 2;
export const FROM_OPCODE = 3;
export const FROM_ROW = 4;

export const ROW_FLAGS = 0;
export const ROW_IMM = 2;
export const ROW_FIXED_SIZE = 4;
/** Bytes of the memory operand at operand size 1, 2 and 4: u16 at ROW_MEM_BYTES + (size & 6). */
export const ROW_MEM_BYTES = 6;
/** Two register operands: u8 from, u8 number for FROM_ROW, u16 address of its fields in the block. */
export const ROW_REGISTERS = 12;
export const REGISTER_BYTES = 4;
/** Form numbers + 1 by formKey; 0 = there is none. */
export const ROW_FORMS = 20;
export const ROW_BYTES = ROW_FORMS + 2 * FORM_KEYS;

export const ROW_SIZED = 1;
export const ROW_HAS_REL = 2;
export const ROW_IMPLICIT = 4;
export const ROW_ENDS = 8;
export const ROW_LOCKABLE = 16;
export const ROW_ACCESSES = 32;
export const ROW_WRITES_MEMORY = 64;
export const ROW_ADDRESS_AFTER_POP = 128;
export const ROW_INDEXED_ONLY = 256;

/** Addresses in the block; what depends on the tables' sizes stands in its head, as u32. */
export const HEAD_CANDIDATES = 0;
export const HEAD_ROWS = 4;
export const HEAD_HANDLERS = 8;
const HEAD_ROW_COUNT = 12;
export const HEAD_FIRSTS = 16;
export const HEAD_SECONDS = 20;
export const HEAD_PAIRS = 24;
export const SLOTS = 32;
export const CLASSES = SLOTS + 2 * SLOT_COUNT;
const FIELDS = CLASSES + 256;
const FIELD_FILES = 5;
const CANDIDATES = FIELDS + FIELD_FILES * 16;

/** Room for the block in linear memory; the decoder's words follow, see DECODER_BYTES. */
export const TABLE_ROOM = 0x5_0000;

type FieldFile = (n: number) => number;
const BYTE_FIELDS: FieldFile = (n) => (n < 4 ? GPR + 4 * n : GPR + 4 * (n - 4) + 1);
const FILES: readonly FieldFile[] = [
  (n) => n,
  (n) => GPR + 4 * n,
  BYTE_FIELDS,
  (n) => XMM + 16 * n,
  (n) => X87 + 16 * n,
];
function fileOf(o: OperandSpec): number {
  switch (o.cls) {
    case "xmm":
      return 3;
    case "mmx":
      return 4;
    case "gpr":
      return o.size === 1 ? 2 : 1;
    default:
      return 0;
  }
}

function slotOf(opcode: number): number {
  if (opcode < 0x100) return opcode;
  if (opcode < 0x1000) return 256 + (opcode & 0xff);
  return (opcode >> 8 === 0x0f38 ? 512 : 768) + (opcode & 0xff);
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

function rowFlags({ row, sized, hasRel, indexedOnly }: PreparedRow): number {
  const first = row.operands[0];
  const writes = row.writes ?? (first !== undefined && isMemory(first));
  return (
    (sized ? ROW_SIZED : 0) |
    (hasRel ? ROW_HAS_REL : 0) |
    (row.implicit === true ? ROW_IMPLICIT : 0) |
    (row.ends === true ? ROW_ENDS : 0) |
    (row.lock === true ? ROW_LOCKABLE : 0) |
    (row.memBytes !== 0 ? ROW_ACCESSES : 0) |
    (writes ? ROW_WRITES_MEMORY : 0) |
    (row.addressAfterPop === true ? ROW_ADDRESS_AFTER_POP : 0) |
    (indexedOnly ? ROW_INDEXED_ONLY : 0)
  );
}

class TablePacker {
  readonly #view: DataView;
  readonly bytes: Uint8Array;

  constructor(rows: readonly PreparedRow[], handlers: Uint16Array, pairs: readonly PairHandler[]) {
    const rowsAt = CANDIDATES + rows.length * CANDIDATE_BYTES;
    const handlersAt = rowsAt + rows.length * ROW_BYTES;
    const firstsAt = handlersAt + handlers.length * 2;
    const secondsAt = firstsAt + handlers.length * 2;
    const pairsAt = secondsAt + handlers.length * 2;
    const firsts = [...new Set(pairs.map(({ first }) => first))];
    const seconds = [...new Set(pairs.map(({ second }) => second))];
    const pairRow = 2 * (seconds.length + 1);
    const size = pairsAt + (firsts.length + 1) * pairRow;
    if (size > TABLE_ROOM) throw new Error(`decoder tables of ${size} bytes do not fit their room`);
    this.bytes = new Uint8Array(size);
    const view = (this.#view = new DataView(this.bytes.buffer));
    view.setUint32(HEAD_CANDIDATES, CANDIDATES, true);
    view.setUint32(HEAD_ROWS, rowsAt, true);
    view.setUint32(HEAD_HANDLERS, handlersAt, true);
    view.setUint32(HEAD_ROW_COUNT, rows.length, true);
    this.#classes();
    FILES.forEach((field, file) => {
      for (let n = 0; n < 8; n++) view.setUint16(FIELDS + 16 * file + 2 * n, field(n), true);
    });
    this.#candidates(rows);
    rows.forEach((row, i) => this.#row(rowsAt + i * ROW_BYTES, row));
    handlers.forEach((handler, fn) => view.setUint16(handlersAt + 2 * fn, handler, true));
    view.setUint32(HEAD_FIRSTS, firstsAt, true);
    view.setUint32(HEAD_SECONDS, secondsAt, true);
    view.setUint32(HEAD_PAIRS, pairsAt, true);
    firsts.forEach((fn, i) => view.setUint16(firstsAt + 2 * fn, (i + 1) * pairRow, true));
    seconds.forEach((fn, i) => view.setUint16(secondsAt + 2 * fn, (i + 1) * 2, true));
    for (const { first, second, handler } of pairs) {
      const row = view.getUint16(firstsAt + 2 * first, true);
      view.setUint16(pairsAt + row + view.getUint16(secondsAt + 2 * second, true), handler, true);
    }
  }

  #classes(): void {
    const segments = [0x26, ES, 0x2e, CS, 0x36, SS, 0x3e, DS, 0x64, FS, 0x65, GS];
    for (let i = 0; i < segments.length; i += 2)
      this.bytes[CLASSES + segments[i]!] = PREFIX_SEGMENT + segments[i + 1]!;
    this.bytes[CLASSES + 0x66] = PREFIX_OPERAND;
    this.bytes[CLASSES + 0x67] = PREFIX_ADDRESS;
    this.bytes[CLASSES + 0xf0] = PREFIX_LOCK;
    this.bytes[CLASSES + 0xf2] = PREFIX_REPEAT;
    this.bytes[CLASSES + 0xf3] = PREFIX_REPEAT;
  }

  #candidates(rows: readonly PreparedRow[]): void {
    const bySlot = new Map<number, number[]>();
    rows.forEach(({ row }, i) => {
      const slot = slotOf(row.opcode);
      const list = bySlot.get(slot);
      if (list === undefined) bySlot.set(slot, [i]);
      else list.push(i);
    });
    let next = 0;
    for (const [slot, list] of bySlot) {
      const modrm = list.map((i) => hasModrm(rows[i]!.row));
      if (new Set(modrm).size > 1) throw new Error(`opcode slot ${slot}: rows disagree about modrm`);
      this.#view.setUint16(SLOTS + 2 * slot, (modrm[0]! ? SLOT_MODRM : 0) | (next + 1), true);
      list.forEach((i, k) => {
        const at = CANDIDATES + next++ * CANDIDATE_BYTES;
        this.#view.setUint16(at, i, true);
        this.#condition(at, rows[i]!.row, k === list.length - 1);
      });
    }
  }
  #condition(at: number, row: Row, isLast: boolean): void {
    const { bytes } = this;
    let flags = isLast ? CANDIDATE_LAST : 0;
    if (row.prefix !== undefined) {
      flags |= CANDIDATE_PREFIX;
      bytes[at + C_PREFIX] = row.prefix;
    }
    let mask = 0;
    let value = 0;
    if (row.digit !== undefined) {
      mask |= 0x38;
      value |= row.digit << 3;
    }
    if (row.rm !== undefined) {
      mask |= 0xc7;
      value |= 0xc0 | row.rm;
    }
    if (row.mod === "reg") {
      mask |= 0xc0;
      value |= 0xc0;
    } else if (row.mod === "mem") flags |= CANDIDATE_MEMORY;
    bytes[at + C_FLAGS] = flags;
    bytes[at + C_MASK] = mask;
    bytes[at + C_VALUE] = value;
  }

  #row(at: number, prepared: PreparedRow): void {
    const { bytes } = this;
    const view = this.#view;
    const { row, fixedSize, forms } = prepared;
    view.setUint16(at + ROW_FLAGS, rowFlags(prepared), true);
    immediates(row).forEach((kind, i) => (bytes[at + ROW_IMM + i] = kind));
    bytes[at + ROW_FIXED_SIZE] = fixedSize;
    const memory = row.operands.find(isMemory);
    for (const size of [1, 2, 4] as const) {
      const own = memory === undefined ? 0 : (memory.memSize ?? memory.size);
      const named = typeof row.memBytes === "function" ? row.memBytes(size) : row.memBytes;
      view.setUint16(at + ROW_MEM_BYTES + (size & 6), named ?? (own === 0 ? size : own), true);
    }
    let register = at + ROW_REGISTERS;
    for (const o of row.operands) {
      const from = registerPlace(o);
      if (from === FROM_NONE) continue;
      bytes[register] = from;
      bytes[register + 1] = o.fixed ?? 0;
      view.setUint16(register + 2, FIELDS + 16 * fileOf(o), true);
      register += REGISTER_BYTES;
    }
    if (register > at + ROW_FORMS) throw new Error(`${row.name}: more than two register operands`);
    forms.forEach((form, key) => view.setUint16(at + ROW_FORMS + 2 * key, form + 1, true));
  }
}

function hasModrm(row: Row): boolean {
  return row.digit !== undefined || row.operands.some((o) => o.place === "rm" || o.place === "reg");
}
function registerPlace(o: OperandSpec): number {
  switch (o.place) {
    case "reg":
      return FROM_REG;
    case "rm":
      return FROM_RM;
    case "opcode":
      return FROM_OPCODE;
    case "fixed":
      return o.constant === true ? FROM_NONE : FROM_ROW;
    default:
      return FROM_NONE;
  }
}

/** The block for rows with their form numbers; `handlers`: loop handler of each function number; `pairs`: handlers of two instructions. */
export function packDecodeTable(rows: readonly PreparedRow[], handlers: Uint16Array, pairs: readonly PairHandler[]): Uint8Array {
  return new TablePacker(rows, handlers, pairs).bytes;
}

/** Form numbers of row `row` by formKey, −1 where there is none. */
export function formsOf(table: Uint8Array, row: number): Int16Array {
  const view = new DataView(table.buffer, table.byteOffset);
  const at = view.getUint32(HEAD_ROWS, true) + row * ROW_BYTES + ROW_FORMS;
  return Int16Array.from({ length: FORM_KEYS }, (_, key) => view.getUint16(at + 2 * key, true) - 1);
}

/** Makes the instructions of the rows that `isWanted` refuses undefined in a copy of the block. */
export function removeRows(table: Uint8Array, isWanted: (row: number) => boolean): void {
  const view = new DataView(table.buffer, table.byteOffset);
  const count = view.getUint32(HEAD_ROW_COUNT, true);
  for (let i = 0; i < count; i++) {
    const at = view.getUint32(HEAD_CANDIDATES, true) + i * CANDIDATE_BYTES;
    if (isWanted(view.getUint16(at, true))) continue;
    // No modrm has a bit that the mask does not let through.
    table[at + C_MASK] = 0;
    table[at + C_VALUE] = 1;
  }
}
