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
import { MEM_BASE, MEM_INDEXED, MEM_NONE, type PreparedRow } from "../isa/forms.ts";
import type { OpcodeMap } from "./opcode-map.ts";

/** decode() results. */
export const DECODE_OK = 0;
/** #UD. */
export const DECODE_UNDEFINED = 1;
/** More than 15 bytes: #GP(0). */
export const DECODE_TOO_LONG = 2;
/** The code goes on in a page that cannot be fetched; CodeReader.fault tells. */
export const DECODE_FETCH_FAULT = 3;
export type DecodeResult =
  typeof DECODE_OK | typeof DECODE_UNDEFINED | typeof DECODE_TOO_LONG | typeof DECODE_FETCH_FAULT;

const MAX_LENGTH = 15;
/** Number of "no register". */
export const NO_REGISTER = 8;

/** Where instruction bytes come from. */
export interface CodeReader {
  /** Byte `offset` of the page that holds the first byte; 4096 and more lie in the page that follows. −1 = cannot be fetched. */
  byteAt(offset: number): number;
}

const SEGMENT_PREFIX: Readonly<Record<number, number>> = {
  0x26: ES,
  0x2e: CS,
  0x36: SS,
  0x3e: DS,
  0x64: FS,
  0x65: GS,
};
/** 16-bit addressing by the rm field: base, index. */
const RM16: readonly (readonly [number, number])[] = [
  [EBX, ESI],
  [EBX, EDI],
  [EBP, ESI],
  [EBP, EDI],
  [ESI, NO_REGISTER],
  [EDI, NO_REGISTER],
  [EBP, NO_REGISTER],
  [EBX, NO_REGISTER],
];

class FetchStop {
  readonly result: DecodeResult;
  constructor(result: DecodeResult) {
    this.result = result;
  }
}
const TOO_LONG = new FetchStop(DECODE_TOO_LONG);
const FETCH_FAULT = new FetchStop(DECODE_FETCH_FAULT);

export class Instruction {
  prepared: PreparedRow | null = null;
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
  #reader: CodeReader;
  #start = 0;
  #at = 0;

  constructor(map: OpcodeMap, reader: CodeReader) {
    this.#map = map;
    this.#reader = reader;
  }

  /** Segment register of the memory operand. */
  get segment(): number {
    if (this.override >= 0) return this.override;
    return this.base === ESP || this.base === EBP ? SS : DS;
  }

  /**
   * Decodes the instruction at page offset `offset`.
   *
   * @param code32 default operand and address size are 32 bits
   */
  decode(offset: number, code32: boolean): DecodeResult {
    this.#start = offset;
    this.#at = offset;
    try {
      return this.#decode(code32);
    } catch (e) {
      if (e instanceof FetchStop) return e.result;
      throw e;
    } finally {
      this.length = this.#at - offset;
    }
  }

  #u8(): number {
    if (this.#at - this.#start === MAX_LENGTH) throw TOO_LONG;
    const b = this.#reader.byteAt(this.#at);
    if (b < 0) throw FETCH_FAULT;
    this.#at++;
    return b;
  }
  #s8(): number {
    return (this.#u8() << 24) >> 24;
  }
  #u16(): number {
    return this.#u8() | (this.#u8() << 8);
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
    this.prepared = null;
    let operand66 = false;
    let address67 = false;
    let b = this.#u8();
    for (;;) {
      const segment = SEGMENT_PREFIX[b];
      if (segment !== undefined) this.override = segment;
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
    const prepared = this.#map.find(slot, prefix, this.modrm);
    if (prepared === null) return DECODE_UNDEFINED;
    this.prepared = prepared;
    this.size = prepared.sized ? (operand66 === code32 ? 2 : 4) : prepared.fixedSize;
    this.#decodeImmediates(prepared);
    if (this.lock && (prepared.row.lock !== true || this.mem === MEM_NONE)) return DECODE_UNDEFINED;
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
    const pair = RM16[rm]!;
    this.base = pair[0];
    this.index = pair[1];
    if (mod === 1) this.disp = this.#s8();
    else if (mod === 2) this.disp = (this.#u16() << 16) >> 16;
  }

  #immediate(bytes: number, signed: boolean): number {
    switch (bytes) {
      case -1:
        return 1;
      case 1:
        return signed ? this.#s8() : this.#u8();
      case 2:
        return signed ? (this.#u16() << 16) >> 16 : this.#u16();
      default:
        return this.#i32();
    }
  }
  #decodeImmediates(prepared: PreparedRow): void {
    let seen = 0;
    for (const o of prepared.row.operands) {
      if (o.place === "imm") {
        const value = this.#immediate(o.bytes === 0 ? this.size : o.bytes!, o.signed === true);
        if (seen++ === 0) this.imm = value;
        else this.imm2 = value;
      } else if (o.place === "rel") {
        this.imm = this.#immediate(o.bytes === 0 ? this.size : o.bytes!, true);
      } else if (o.place === "moffs") {
        this.disp = this.addressSize === 2 ? this.#u16() : this.#i32();
        this.mem = MEM_BASE;
      } else if (o.place === "far") {
        this.imm = this.size === 2 ? this.#u16() : this.#i32();
        this.imm2 = this.#u16();
      }
    }
  }
}
