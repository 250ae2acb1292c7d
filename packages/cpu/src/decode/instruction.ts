// SPDX-License-Identifier: BSD-3-Clause
/**
 * The instruction that the decoder's code (decode-code.ts) has parsed last, by its fields. They are valid until the next one is.
 * @module
 */
import type { Size } from "../isa/ctx.ts";
import * as D from "./decode-words.ts";
import type { DecoderExports } from "./decode-code.ts";
import type { DecodeResult } from "./decode-words.ts";

export class Instruction {
  readonly #words: Int32Array;
  readonly #exports: DecoderExports;
  readonly #tables: number;

  /** `words`: the linear memory, with the decoder's tables at address `tables`. */
  constructor(words: Int32Array, exports: DecoderExports, tables: number) {
    this.#words = words;
    this.#exports = exports;
    this.#tables = tables;
  }

  /**
   * Decodes the instruction in bytes at…limit of linear memory, at most MAX_LENGTH of them. DECODE_FETCH_FAULT says that it
   * goes on behind them.
   *
   * @param code32 default operand and address size are 32 bits
   */
  decode(at: number, limit: number, code32: boolean): DecodeResult {
    return this.#exports.parse(this.#tables, at, limit, code32 ? 1 : 0);
  }
  #field(field: number): number {
    return this.#words[(this.#tables + field) >>> 2]!;
  }

  /** Number of its row in isa/table.ts. */
  get row(): number {
    return this.#field(D.F_ROW);
  }
  /** Bytes; of an undefined one, those that were looked at. */
  get length(): number {
    return this.#field(D.F_LENGTH);
  }
  get opcode(): number {
    return this.#field(D.F_OPCODE);
  }
  get size(): Size {
    return this.#field(D.F_SIZE) as Size;
  }
  get addressSize(): 2 | 4 {
    return this.#field(D.F_ADDRESS_SIZE) as 2 | 4;
  }
  get modrm(): number {
    return this.#field(D.F_MODRM);
  }
  get lock(): boolean {
    return this.#field(D.F_LOCK) !== 0;
  }
  /** Segment override, −1 without. */
  get override(): number {
    return this.#field(D.F_OVERRIDE);
  }
  /** MEM_NONE, MEM_BASE or MEM_INDEXED. */
  get mem(): number {
    return this.#field(D.F_MEM);
  }
  /** Registers of the address, NO_REGISTER without. */
  get base(): number {
    return this.#field(D.F_BASE);
  }
  get index(): number {
    return this.#field(D.F_INDEX);
  }
  get scale(): number {
    return this.#field(D.F_SCALE);
  }
  get disp(): number {
    return this.#field(D.F_DISP);
  }
  get imm(): number {
    return this.#field(D.F_IMM);
  }
  get imm2(): number {
    return this.#field(D.F_IMM2);
  }
}
