// SPDX-License-Identifier: BSD-3-Clause
/**
 * Decodes one instruction into fields; knows prefixes, modrm, SIB, displacements, immediates and the limits of length.
 *
 * One Instruction object is reused for every decode: its fields are valid until the next call.
 * Source: SDM vol. 2A chapter 2.
 * @module
 */
import { CS, DS, ES, FS, GS, SS, EBP, ESP, EBX, EDI, ESI } from "../state.ts";
import type { Size } from "../isa/ctx.ts";
import { MEM_BASE, MEM_INDEXED, MEM_NONE } from "../isa/forms.ts";
import {
  IMM_FAR,
  IMM_MOFFS,
  IMM_NONE,
  IMM_ONE,
  IMM_S16,
  IMM_S8,
  IMM_SIGNED,
  IMM_U16,
  IMM_U8,
  IMM_UNSIGNED,
  type DecodeRow,
} from "./decode-row.ts";
import type { OpcodeMap } from "./opcode-map.ts";

/** decode() results. */
export const DECODE_OK = 0;
/** #UD. */
export const DECODE_UNDEFINED = 1;
/** More than 15 bytes: #GP(0). */
export const DECODE_TOO_LONG = 2;
/** The bytes end before the instruction does. */
export const DECODE_FETCH_FAULT = 3;
export type DecodeResult =
  typeof DECODE_OK | typeof DECODE_UNDEFINED | typeof DECODE_TOO_LONG | typeof DECODE_FETCH_FAULT;

export const MAX_LENGTH = 15;
const NO_BYTES = new Uint8Array(0);
/** Number of "no register". */
export const NO_REGISTER = 8;

/** Segment register of each prefix byte, −1 for other bytes. */
const SEGMENT_PREFIX = new Int8Array(256).fill(-1);
SEGMENT_PREFIX[0x26] = ES;
SEGMENT_PREFIX[0x2e] = CS;
SEGMENT_PREFIX[0x36] = SS;
SEGMENT_PREFIX[0x3e] = DS;
SEGMENT_PREFIX[0x64] = FS;
SEGMENT_PREFIX[0x65] = GS;
/** 16-bit addressing by the rm field: base and index. */
const RM16_BASE = Uint8Array.of(EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX);
const RM16_INDEX = Uint8Array.of(ESI, EDI, ESI, EDI, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER);

export class Instruction {
  /** The row of a decoded instruction. */
  row: DecodeRow | null = null;
  length = 0;
  opcode = 0;
  size: Size = 4;
  addressSize: 2 | 4 = 4;
  modrm = -1;
  lock = false;
  /** F2 or F3, the last given; 0 without. */
  repeat = 0;
  /** Segment override, −1 without. */
  override = -1;
  /** MEM_NONE, MEM_BASE or MEM_INDEXED. */
  mem = MEM_NONE;
  base = NO_REGISTER;
  index = NO_REGISTER;
  scale = 0;
  disp = 0;
  imm = 0;
  imm2 = 0;

  readonly #map: OpcodeMap;
  #bytes: Uint8Array = NO_BYTES;
  #at = 0;
  /** Reading goes on behind it, for zeros; what came of it is refused in the end. */
  #limit = 0;

  constructor(map: OpcodeMap) {
    this.#map = map;
  }

  /** Segment register of the memory operand. */
  get segment(): number {
    if (this.override >= 0) return this.override;
    return this.base === ESP || this.base === EBP ? SS : DS;
  }

  /**
   * Decodes the instruction at bytes[start…start + available). DECODE_FETCH_FAULT says that it goes on behind them.
   *
   * @param code32 default operand and address size are 32 bits
   */
  decode(bytes: Uint8Array, start: number, available: number, code32: boolean): DecodeResult {
    const limit = start + (available < MAX_LENGTH ? available : MAX_LENGTH);
    this.#bytes = bytes;
    this.#at = start;
    this.#limit = limit;
    const result = this.#decode(code32);
    if (this.#at <= limit) {
      this.length = this.#at - start;
      return result;
    }
    this.length = limit - start;
    return available < MAX_LENGTH ? DECODE_FETCH_FAULT : DECODE_TOO_LONG;
  }

  #u8(): number {
    const at = this.#at++;
    return at < this.#limit ? this.#bytes[at]! : 0;
  }
  #s8(): number {
    return (this.#u8() << 24) >> 24;
  }
  #u16(): number {
    return this.#u8() | (this.#u8() << 8);
  }
  #s16(): number {
    return (this.#u16() << 16) >> 16;
  }
  #i32(): number {
    return this.#u16() | (this.#u16() << 16);
  }

  #decode(code32: boolean): DecodeResult {
    this.lock = false;
    this.repeat = 0;
    this.override = -1;
    this.mem = MEM_NONE;
    this.base = NO_REGISTER;
    this.index = NO_REGISTER;
    this.scale = 0;
    this.disp = 0;
    this.imm = 0;
    this.imm2 = 0;
    this.modrm = -1;
    this.row = null;
    let operand66 = false;
    let address67 = false;
    let b = this.#u8();
    for (;;) {
      const segment = SEGMENT_PREFIX[b]!;
      if (segment >= 0) this.override = segment;
      else if (b === 0x66) operand66 = true;
      else if (b === 0x67) address67 = true;
      else if (b === 0xf0) this.lock = true;
      else if (b === 0xf2 || b === 0xf3) this.repeat = b;
      else break;
      b = this.#u8();
    }
    this.addressSize = address67 === code32 ? 2 : 4;
    let slot = b;
    this.opcode = b;
    if (b === 0x0f) {
      b = this.#u8();
      slot = 256 + b;
      this.opcode = 0x0f00 | b;
      if (b === 0x38 || b === 0x3a) {
        slot = b === 0x38 ? 512 : 768;
        b = this.#u8();
        slot += b;
        this.opcode = (this.opcode << 8) | b;
      }
    }
    if (this.#map.hasModrm[slot] !== 0) this.#decodeModrm();
    const prefix = this.repeat !== 0 ? this.repeat : operand66 ? 0x66 : 0;
    const row = this.#map.find(slot, prefix, this.modrm);
    if (row === null) return DECODE_UNDEFINED;
    this.row = row;
    this.size = row.sized ? (operand66 === code32 ? 2 : 4) : row.fixedSize;
    if (row.imm1 !== IMM_NONE) {
      this.imm = this.#immediate(row.imm1);
      if (row.imm2 !== IMM_NONE) this.imm2 = this.#immediate(row.imm2);
    }
    if (this.lock && (!row.lockable || this.mem === MEM_NONE)) return DECODE_UNDEFINED;
    return DECODE_OK;
  }

  #decodeModrm(): void {
    const modrm = this.#u8();
    this.modrm = modrm;
    const mod = modrm >> 6;
    if (mod === 3) return;
    if (this.addressSize === 2) this.#decodeMemory16(mod, modrm & 7);
    else this.#decodeMemory32(mod, modrm & 7);
    this.mem = this.index === NO_REGISTER ? MEM_BASE : MEM_INDEXED;
  }
  #decodeMemory32(mod: number, rm: number): void {
    let base = rm;
    if (rm === 4) {
      const sib = this.#u8();
      base = sib & 7;
      const index = (sib >> 3) & 7;
      if (index !== ESP) {
        this.index = index;
        this.scale = sib >> 6;
      }
    }
    if (mod === 0 && base === EBP) this.disp = this.#i32();
    else this.base = base;
    if (mod === 1) this.disp = this.#s8();
    else if (mod === 2) this.disp = this.#i32();
  }
  #decodeMemory16(mod: number, rm: number): void {
    if (mod === 0 && rm === 6) {
      this.disp = this.#u16();
      return;
    }
    this.base = RM16_BASE[rm]!;
    this.index = RM16_INDEX[rm]!;
    if (mod === 1) this.disp = this.#s8();
    else if (mod === 2) this.disp = this.#s16();
  }

  #immediate(kind: number): number {
    switch (kind) {
      case IMM_ONE:
        return 1;
      case IMM_U8:
        return this.#u8();
      case IMM_S8:
        return this.#s8();
      case IMM_U16:
        return this.#u16();
      case IMM_S16:
        return this.#s16();
      case IMM_SIGNED:
        return this.size === 2 ? this.#s16() : this.#i32();
      case IMM_UNSIGNED:
        return this.size === 2 ? this.#u16() : this.#i32();
      case IMM_MOFFS:
        this.disp = this.addressSize === 2 ? this.#u16() : this.#i32();
        this.mem = MEM_BASE;
        return 0;
      case IMM_FAR: {
        const offset = this.size === 2 ? this.#u16() : this.#i32();
        this.imm2 = this.#u16();
        return offset;
      }
      default:
        return this.#i32();
    }
  }
}
