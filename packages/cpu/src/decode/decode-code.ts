// SPDX-License-Identifier: BSD-3-Clause
/**
 * Generates the decoder's WebAssembly module. Programs are decoded once, in their first moments, when TypeScript would still
 * be run unoptimised; this code is not.
 *
 *   parse(t, at, limit, code32)   takes the instruction at `at` apart into the words F_*; returns a DECODE_* result
 *   emit(t, record, offset, next, general)   writes the records of the parsed instruction; returns the address behind them, or
 *                                 0 when its row has no form for it
 *   run(t, page, record, offset)  both, for a straight line of instructions; returns the address behind the records
 *
 * `t` is the address of the tables (decode-table.ts), with the words of DECODER_WORDS behind them.
 * Source of the encodings: SDM vol. 2A chapter 2.
 * @module
 */
import { FN_EA16, FN_EA32, FN_FIRST, FN_LEA16 } from "../interp/functions.ts";
import {
  MEM_BASE,
  MEM_INDEXED,
  MEM_NONE,
  VARIANT_FLAT,
  VARIANT_GENERAL16,
  VARIANT_GENERAL32,
} from "../isa/forms.ts";
import { CS, DS, EA, EBP, EBX, EDI, ESI, ESP, FS, GPR, GS, SS, ZERO } from "../state.ts";
import {
  add,
  and,
  call,
  eq,
  eqz,
  extend16,
  extend8,
  extendU,
  geU,
  gtU,
  i32,
  i64,
  leU,
  load,
  ltU,
  mul,
  ne,
  or,
  select,
  shl,
  shrU,
  sub,
  type Expr,
  type Operand,
} from "../wasm/expr.ts";
import type { Func, Label } from "../wasm/func.ts";
import { ModuleBuilder } from "../wasm/module.ts";
import {
  I32,
  I32_LOAD,
  I32_LOAD16_U,
  I32_LOAD8_U,
  I32_STORE,
  I32_STORE16,
  I32_STORE8,
  I64,
  I64_LOAD,
  I64_STORE,
} from "../wasm/opcodes.ts";
import * as T from "./decode-table.ts";
import * as R from "./record.ts";

/** parse() results. */
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
/** Number of "no register". */
export const NO_REGISTER = 8;
/** How many instructions one run of the decoder takes in. */
export const MOST_INSTRUCTIONS = 128;

// The decoder's words, from the address of the tables on.
const WORDS = T.TABLE_ROOM;
/** Fields of the instruction parsed last. */
export const F_ROW = WORDS;
export const F_LENGTH = WORDS + 4;
export const F_OPCODE = WORDS + 8;
export const F_SIZE = WORDS + 12;
export const F_ADDRESS_SIZE = WORDS + 16;
/** −1 without. */
export const F_MODRM = WORDS + 20;
export const F_LOCK = WORDS + 24;
/** F2 or F3, the last given; 0 without. */
export const F_REPEAT = WORDS + 28;
/** Segment override, −1 without. */
export const F_OVERRIDE = WORDS + 32;
/** MEM_NONE, MEM_BASE or MEM_INDEXED. */
export const F_MEM = WORDS + 36;
export const F_BASE = WORDS + 40;
export const F_INDEX = WORDS + 44;
export const F_SCALE = WORDS + 48;
export const F_DISP = WORDS + 52;
export const F_IMM = WORDS + 56;
export const F_IMM2 = WORDS + 60;
/** What run() works on: host address of the page, its index and coverage, whether its mode is 32-bit and not flat. */
export const D_HOST = WORDS + 64;
export const D_INDEX = WORDS + 68;
export const D_COVERED = WORDS + 72;
export const D_CODE32 = WORDS + 76;
export const D_GENERAL = WORDS + 80;
/** How many instructions may still be decoded. */
export const D_LEFT = WORDS + 84;
/** Where run() stopped: offset in the page; or −1, the last instruction ended the run. */
export const D_OFFSET = WORDS + 88;
/** Jumps inside the page whose targets are not resolved yet: how many, their records, their target offsets. */
export const D_JUMPS = WORDS + 92;
export const D_JUMP_RECORDS = WORDS + 96;
export const D_JUMP_TARGETS = D_JUMP_RECORDS + 4 * MOST_INSTRUCTIONS;
/** Bytes that are not in the page: an instruction put together, for parse(). */
export const D_JOINED = D_JUMP_TARGETS + 4 * MOST_INSTRUCTIONS;
/** Bytes of linear memory for tables and words. */
export const DECODER_BYTES = D_JOINED + 96;

export interface DecoderExports {
  parse(t: number, at: number, limit: number, code32: number): DecodeResult;
  emit(t: number, record: number, offset: number, next: number, general: number): number;
  run(t: number, record: number, offset: number): number;
}

/** 16-bit addressing by the rm field: base and index, four bits each. */
const nibbles = (numbers: readonly number[]): number =>
  numbers.reduce((all, n, i) => all | (n << (4 * i)), 0);
const RM16_BASE = nibbles([EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX]);
const RM16_INDEX = nibbles([ESI, EDI, ESI, EDI, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER]);
/** Segments whose base or rights need not be those of flat data, as bits. */
const NOT_FLAT = (1 << CS) | (1 << FS) | (1 << GS);

const load32 = (at: Expr, offset = 0): Expr => load(I32_LOAD, I32, at, offset);
const load16 = (at: Expr, offset = 0): Expr => load(I32_LOAD16_U, I32, at, offset);
const load8 = (at: Expr, offset = 0): Expr => load(I32_LOAD8_U, I32, at, offset);

/** parse(): what follows what in an instruction. */
class Parser {
  readonly #f: Func;
  readonly #t: Expr;
  /** Address of the next byte. It may go beyond the limit; what came of that is refused in the end. */
  readonly #p: Expr;
  readonly #modrm: Expr;
  readonly #size: Expr;
  readonly #wide: Expr;

  constructor(f: Func) {
    this.#f = f;
    this.#t = f.param(0);
    this.#p = f.local();
    this.#modrm = f.local();
    this.#size = f.local();
    this.#wide = f.local();
  }

  #put(field: number, value: Operand): void {
    this.#f.store(I32_STORE, this.#t, typeof value === "number" ? i32(value) : value, field);
  }
  #get(field: number): Expr {
    return load32(this.#t, field);
  }
  /** Reads `n` bytes and goes on behind them. */
  #take(into: Expr, n: 1 | 2 | 4): void {
    this.#f.set(into, n === 1 ? load8(this.#p) : n === 2 ? load16(this.#p) : load32(this.#p));
    this.#f.set(this.#p, add(this.#p, n));
  }

  generate(): void {
    const f = this.#f;
    const t = this.#t;
    const at = f.param(1);
    const limit = f.param(2);
    const code32 = f.param(3);
    const result = f.local();
    f.set(this.#p, at);
    for (const field of [F_LOCK, F_REPEAT, F_MEM, F_SCALE, F_DISP, F_IMM, F_IMM2]) this.#put(field, 0);
    for (const field of [F_BASE, F_INDEX]) this.#put(field, NO_REGISTER);
    this.#put(F_OVERRIDE, -1);
    f.set(this.#modrm, i32(-1));
    f.set(result, i32(DECODE_UNDEFINED));
    f.block((done) => {
      const operand66 = f.local();
      const b = f.local();
      this.#prefixes(b, operand66, code32, limit, done);
      const slot = f.local();
      this.#opcode(b, slot);
      const head = f.tmp(load16(add(t, shl(slot, 1)), T.SLOTS));
      f.if(and(head, T.SLOT_MODRM), () => this.#modrmAndMemory());
      this.#put(F_MODRM, this.#modrm);
      const number = f.tmp(and(head, T.SLOT_MODRM - 1));
      f.brIf(done, eqz(number));
      const row = f.local();
      this.#find(number, operand66, row, done);
      this.#put(F_ROW, row);
      const at = f.tmp(add(add(t, load32(t, T.HEAD_ROWS)), mul(row, T.ROW_BYTES)));
      const flags = f.tmp(load16(at, T.ROW_FLAGS));
      const chosen = select(eq(operand66, code32), 2, 4);
      f.set(this.#size, select(and(flags, T.ROW_SIZED), chosen, load8(at, T.ROW_FIXED_SIZE)));
      this.#put(F_SIZE, this.#size);
      this.#immediate(f.tmp(load8(at, T.ROW_IMM)), F_IMM);
      this.#immediate(f.tmp(load8(at, T.ROW_IMM + 1)), F_IMM2);
      f.if(this.#get(F_LOCK), () => {
        f.brIf(done, eqz(and(flags, T.ROW_LOCKABLE)));
        f.brIf(done, eq(this.#get(F_MEM), MEM_NONE));
      });
      f.set(result, i32(DECODE_OK));
    });
    f.if(leU(this.#p, limit), () => {
      this.#put(F_LENGTH, sub(this.#p, at));
      f.ret(result);
    });
    const available = f.tmp(sub(limit, at));
    this.#put(F_LENGTH, available);
    f.ret(select(ltU(available, MAX_LENGTH), DECODE_FETCH_FAULT, DECODE_TOO_LONG));
    f.unreachable();
  }

  /** Leaves the first byte that is no prefix in `b`. */
  #prefixes(b: Expr, operand66: Expr, code32: Expr, limit: Expr, done: Label): void {
    const f = this.#f;
    const address67 = f.local();
    const cls = f.local();
    f.loop((again) => {
      this.#take(b, 1);
      f.set(cls, load8(add(this.#t, b), T.CLASSES));
      f.if(cls, () => {
        f.brIf(done, gtU(this.#p, limit));
        f.if(ltU(cls, T.PREFIX_OPERAND), () => {
          this.#put(F_OVERRIDE, sub(cls, T.PREFIX_SEGMENT));
          f.br(again);
        });
        f.if(eq(cls, T.PREFIX_OPERAND), () => {
          f.set(operand66, i32(1));
          f.br(again);
        });
        f.if(eq(cls, T.PREFIX_ADDRESS), () => {
          f.set(address67, i32(1));
          f.br(again);
        });
        f.if(
          eq(cls, T.PREFIX_LOCK),
          () => this.#put(F_LOCK, 1),
          () => this.#put(F_REPEAT, b),
        );
        f.br(again);
      });
    });
    f.set(this.#wide, ne(address67, code32));
    this.#put(F_ADDRESS_SIZE, select(this.#wide, 4, 2));
  }

  #opcode(b: Expr, slot: Expr): void {
    const f = this.#f;
    const opcode = f.local();
    f.set(slot, b);
    f.set(opcode, b);
    f.if(eq(b, 0x0f), () => {
      this.#take(b, 1);
      f.set(slot, add(b, 256));
      f.set(opcode, or(b, 0x0f00));
      f.if(eq(and(b, 0xfd), 0x38), () => {
        f.set(slot, select(eq(b, 0x38), 512, 768));
        this.#take(b, 1);
        f.set(slot, add(slot, b));
        f.set(opcode, or(shl(opcode, 8), b));
      });
    });
    this.#put(F_OPCODE, opcode);
  }

  #modrmAndMemory(): void {
    const f = this.#f;
    const modrm = this.#modrm;
    this.#take(modrm, 1);
    f.if(ltU(modrm, 0xc0), () => {
      const index = f.local();
      f.set(index, i32(NO_REGISTER));
      f.if(
        this.#wide,
        () => this.#memory32(index),
        () => this.#memory16(index),
      );
      this.#put(F_INDEX, index);
      this.#put(F_MEM, select(eq(index, NO_REGISTER), MEM_BASE, MEM_INDEXED));
    });
  }
  #memory32(index: Expr): void {
    const f = this.#f;
    const base = f.local();
    const disp = f.local();
    const mod = f.tmp(shrU(this.#modrm, 6));
    f.set(base, and(this.#modrm, 7));
    f.if(eq(base, 4), () => {
      const sib = f.local();
      this.#take(sib, 1);
      f.set(base, and(sib, 7));
      const number = f.tmp(and(shrU(sib, 3), 7));
      f.if(ne(number, ESP), () => {
        f.set(index, number);
        this.#put(F_SCALE, shrU(sib, 6));
      });
    });
    f.if(
      and(eqz(mod), eq(base, EBP)),
      () => this.#take(disp, 4),
      () => {
        this.#put(F_BASE, base);
        this.#displacement(mod, disp, 4);
      },
    );
    this.#put(F_DISP, disp);
  }
  #memory16(index: Expr): void {
    const f = this.#f;
    const disp = f.local();
    const mod = f.tmp(shrU(this.#modrm, 6));
    const rm = f.tmp(and(this.#modrm, 7));
    f.if(
      and(eqz(mod), eq(rm, 6)),
      () => this.#take(disp, 2),
      () => {
        const place = f.tmp(shl(rm, 2));
        this.#put(F_BASE, and(shrU(i32(RM16_BASE), place), 15));
        f.set(index, and(shrU(i32(RM16_INDEX), place), 15));
        this.#displacement(mod, disp, 2);
      },
    );
    this.#put(F_DISP, disp);
  }
  #displacement(mod: Expr, disp: Expr, full: 2 | 4): void {
    const f = this.#f;
    f.if(eq(mod, 1), () => {
      this.#take(disp, 1);
      f.set(disp, extend8(disp));
    });
    f.if(eq(mod, 2), () => {
      this.#take(disp, full);
      if (full === 2) f.set(disp, extend16(disp));
    });
  }

  /** The row of the first candidate that matches. */
  #find(number: Expr, operand66: Expr, row: Expr, done: Label): void {
    const f = this.#f;
    const t = this.#t;
    const prefix = f.tmp(this.#get(F_REPEAT));
    f.if(eqz(prefix), () => f.set(prefix, select(operand66, 0x66, 0)));
    const c = f.local();
    f.set(c, add(add(t, load32(t, T.HEAD_CANDIDATES)), mul(sub(number, 1), T.CANDIDATE_BYTES)));
    const flags = f.local();
    f.block((found) => {
      f.loop((again) => {
        f.set(flags, load8(c, T.C_FLAGS));
        f.block((next) => {
          f.if(and(flags, T.CANDIDATE_PREFIX), () => f.brIf(next, ne(prefix, load8(c, T.C_PREFIX))));
          f.brIf(next, ne(and(this.#modrm, load8(c, T.C_MASK)), load8(c, T.C_VALUE)));
          f.if(and(flags, T.CANDIDATE_MEMORY), () => f.brIf(next, geU(this.#modrm, 0xc0)));
          f.br(found);
        });
        f.brIf(done, and(flags, T.CANDIDATE_LAST));
        f.set(c, add(c, T.CANDIDATE_BYTES));
        f.br(again);
      });
    });
    f.set(row, load16(c));
  }

  /** Reads what an immediate of `kind` consists of into `field`. */
  #immediate(kind: Expr, field: number): void {
    const f = this.#f;
    const value = f.local();
    f.if(kind, () => {
      const labels: Label[] = [];
      const end = f.open();
      for (let i = T.IMM_FAR; i > T.IMM_NONE; i--) labels[i] = f.open();
      f.brTable(kind, [end, ...labels.slice(1)], end);
      const take = (n: 1 | 2 | 4, signed: boolean): void => {
        this.#take(value, n);
        if (signed && n < 4) f.set(value, n === 1 ? extend8(value) : extend16(value));
      };
      const bySize = (condition: Expr, signed: boolean): void =>
        f.if(
          condition,
          () => take(2, signed),
          () => take(4, false),
        );
      const is16 = eq(this.#size, 2);
      const cases: Record<number, () => void> = {
        [T.IMM_ONE]: () => f.set(value, i32(1)),
        [T.IMM_U8]: () => take(1, false),
        [T.IMM_S8]: () => take(1, true),
        [T.IMM_U16]: () => take(2, false),
        [T.IMM_S16]: () => take(2, true),
        [T.IMM_32]: () => take(4, false),
        [T.IMM_SIGNED]: () => bySize(is16, true),
        [T.IMM_UNSIGNED]: () => bySize(is16, false),
        [T.IMM_MOFFS]: () => {
          bySize(eqz(this.#wide), false);
          this.#put(F_DISP, value);
          this.#put(F_MEM, MEM_BASE);
          f.set(value, i32(0));
        },
        [T.IMM_FAR]: () => {
          bySize(is16, false);
          const selector = f.local();
          this.#take(selector, 2);
          this.#put(F_IMM2, selector);
        },
      };
      for (let i = T.IMM_ONE; i <= T.IMM_FAR; i++) {
        f.end();
        cases[i]!();
        f.br(end);
      }
      f.end();
      this.#put(field, value);
    });
  }
}

/** emit(): the records of the parsed instruction. */
class Emitter {
  readonly #f: Func;
  readonly #t: Expr;
  readonly #record: Expr;
  readonly #offset: Expr;
  readonly #next: Expr;

  constructor(f: Func) {
    this.#f = f;
    this.#t = f.param(0);
    this.#record = f.param(1);
    this.#offset = f.param(2);
    this.#next = f.param(3);
  }

  #get(field: number): Expr {
    return load32(this.#t, field);
  }
  #put16(field: number, value: Operand): void {
    this.#f.store(I32_STORE16, this.#record, typeof value === "number" ? i32(value) : value, field);
  }
  #put32(field: number, value: Operand): void {
    this.#f.store(I32_STORE, this.#record, typeof value === "number" ? i32(value) : value, field);
  }

  generate(): void {
    const f = this.#f;
    const t = this.#t;
    const general = f.param(4);
    const row = f.local();
    f.set(row, add(add(t, load32(t, T.HEAD_ROWS)), mul(this.#get(F_ROW), T.ROW_BYTES)));
    const flags = f.local();
    f.set(flags, load16(row, T.ROW_FLAGS));
    const mem = f.local();
    f.set(mem, this.#get(F_MEM));
    const viaAddress = f.local();
    const size = f.local();
    f.set(size, this.#get(F_SIZE));
    f.if(mem, () => {
      f.if(and(flags, T.ROW_ADDRESS_AFTER_POP), () => {
        f.if(eq(this.#get(F_BASE), ESP), () => f.store(I32_STORE, t, add(this.#get(F_DISP), size), F_DISP));
      });
      this.#addressRecord(row, flags, general, size, viaAddress);
      f.if(viaAddress, () => f.set(mem, i32(MEM_BASE)));
      f.if(and(flags, T.ROW_INDEXED_ONLY), () => f.set(mem, i32(MEM_INDEXED)));
    });
    const key = f.local();
    f.set(key, or(or(ne(size, 2), shl(mem, 1)), shl(this.#variant(flags, general), 3)));
    const target = f.local();
    const fn = f.local();
    const form = (far: number): Expr => load16(add(row, shl(key, 1)), T.ROW_FORMS + 2 * far);
    f.set(target, i32(-1));
    f.set(fn, form(0));
    f.if(and(flags, T.ROW_HAS_REL), () => {
      // A direct jump inside its page has a form of its own where it is frequent.
      f.set(target, add(this.#next, this.#get(F_IMM)));
      const inPage = and(and(eq(size, 4), ltU(target, 4096)), leU(this.#next, 4096));
      f.if(eqz(and(inPage, ne(fn, 0))), () => {
        f.set(target, i32(-1));
        f.set(fn, form(32));
      });
    });
    f.if(eqz(fn), () => f.ret(i32(0)));
    f.set(fn, add(fn, FN_FIRST - 1));
    this.#head(fn, this.#get(F_IMM2));
    this.#put32(R.R_IMM, this.#get(F_IMM));
    const override = f.tmp(this.#get(F_OVERRIDE));
    const segment = select(eq(override, -1), DS, override);
    f.if(
      viaAddress,
      () => this.#address(i32(EA), i32(ZERO), i32(0), segment, i32(0)),
      () => this.#operand(segment),
    );
    this.#registers(row);
    f.if(ne(target, -1), () => {
      const jump = f.tmp(add(t, shl(this.#get(D_JUMPS), 2)));
      f.store(I32_STORE, jump, this.#record, D_JUMP_RECORDS);
      f.store(I32_STORE, jump, target, D_JUMP_TARGETS);
      f.store(I32_STORE, t, add(this.#get(D_JUMPS), 1), D_JUMPS);
    });
    f.ret(add(this.#record, R.RECORD_BYTES));
    f.unreachable();
  }

  /** Segment treatment of operands that no field shows. */
  #variant(flags: Expr, general: Expr): Expr {
    const f = this.#f;
    const variant = f.local();
    f.set(variant, i32(VARIANT_FLAT));
    f.if(and(flags, T.ROW_IMPLICIT), () => {
      const override = f.tmp(this.#get(F_OVERRIDE));
      const isNotFlat = and(ne(override, -1), and(shrU(i32(NOT_FLAT), override), 1));
      f.set(variant, select(or(general, isNotFlat), VARIANT_GENERAL32, VARIANT_FLAT));
      f.if(eq(this.#get(F_ADDRESS_SIZE), 2), () => f.set(variant, i32(VARIANT_GENERAL16)));
    });
    return variant;
  }

  /** An address record in front of the instruction where its memory operand needs one; tells so in `viaAddress`. */
  #addressRecord(row: Expr, flags: Expr, general: Expr, size: Expr, viaAddress: Expr): void {
    const f = this.#f;
    const base = f.tmp(this.#get(F_BASE));
    const override = f.tmp(this.#get(F_OVERRIDE));
    const isStack = or(eq(base, ESP), eq(base, EBP));
    const segment = f.tmp(select(ne(override, -1), override, select(isStack, SS, DS)));
    const accessed = f.tmp(and(flags, T.ROW_ACCESSES));
    const isNotFlat = or(general, and(shrU(i32(NOT_FLAT), segment), 1));
    const checked = and(ne(accessed, 0), ne(isNotFlat, 0));
    const wide = f.tmp(eq(this.#get(F_ADDRESS_SIZE), 4));
    f.if(or(checked, eqz(wide)), () => {
      f.set(viaAddress, i32(1));
      const fn = f.tmp(select(wide, FN_EA32, select(accessed, FN_EA16, FN_LEA16)));
      this.#head(fn, i32(0));
      this.#put32(R.R_IMM, 0);
      this.#operand(segment);
      this.#put16(R.R_R0, load16(add(row, and(size, 6)), T.ROW_MEM_BYTES));
      this.#put16(R.R_R1, ne(and(flags, T.ROW_WRITES_MEMORY), 0));
      f.set(this.#record, add(this.#record, R.RECORD_BYTES));
    });
  }

  /** Handler, place, second immediate and function of a record; no registers yet. */
  #head(fn: Expr, target: Expr): void {
    const t = this.#t;
    const handlers = load32(t, T.HEAD_HANDLERS);
    this.#put16(R.R_HANDLER, load16(add(add(t, handlers), shl(fn, 1))));
    this.#put16(R.R_OFF, this.#offset);
    this.#put32(R.R_R0, 0);
    this.#put16(R.R_NEXT, this.#next);
    this.#put32(R.R_TARGET, target);
    this.#put32(R.R_FUNCTION, fn);
  }
  #operand(segment: Expr): void {
    const slot = (field: number): Expr => {
      const number = this.#f.tmp(this.#get(field));
      return select(eq(number, NO_REGISTER), ZERO, add(shl(number, 2), GPR));
    };
    this.#address(slot(F_BASE), slot(F_INDEX), this.#get(F_SCALE), segment, this.#get(F_DISP));
  }
  #address(base: Expr, index: Expr, scale: Expr, segment: Expr, disp: Expr): void {
    const f = this.#f;
    this.#put16(R.R_BASE, base);
    this.#put16(R.R_INDEX, index);
    f.store(I32_STORE8, this.#record, scale, R.R_SCALE);
    f.store(I32_STORE8, this.#record, segment, R.R_SEGMENT);
    this.#put32(R.R_DISP, disp);
  }

  /** Register operands go into R0 and R1 in their order; one that is memory now takes no field. */
  #registers(row: Expr): void {
    const f = this.#f;
    const place = f.local();
    const number = f.local();
    f.set(place, this.#record);
    for (let i = 0; i < 2; i++) {
      const at = T.ROW_REGISTERS + i * T.REGISTER_BYTES;
      const from = f.tmp(load8(row, at));
      f.block((skip) => {
        f.brIf(skip, eq(from, T.FROM_NONE));
        f.set(number, load8(row, at + 1));
        f.if(eq(from, T.FROM_REG), () => f.set(number, and(shrU(this.#get(F_MODRM), 3), 7)));
        f.if(eq(from, T.FROM_OPCODE), () => f.set(number, and(this.#get(F_OPCODE), 7)));
        f.if(eq(from, T.FROM_RM), () => {
          f.brIf(skip, ne(this.#get(F_MEM), MEM_NONE));
          f.set(number, and(this.#get(F_MODRM), 7));
        });
        const field = load16(add(add(this.#t, load16(row, at + 2)), shl(number, 1)));
        f.store(I32_STORE16, place, field, R.R_R0);
        f.set(place, add(place, R.R_R1 - R.R_R0));
      });
    }
  }
}

/** run(): instructions one after the other until something asks for more than that. */
function buildRun(f: Func, parse: Func, emit: Func): void {
  const t = f.param(0);
  const record = f.param(1);
  const offset = f.param(2);
  const get = (field: number): Expr => load32(t, field);
  const host = f.local();
  const index = f.local();
  const covered = f.local();
  const left = f.local();
  const next = f.local();
  f.set(host, get(D_HOST));
  f.set(index, get(D_INDEX));
  f.set(covered, get(D_COVERED));
  f.set(left, get(D_LEFT));
  f.block((stop) => {
    f.loop((again) => {
      f.brIf(stop, gtU(offset, 4096 - MAX_LENGTH));
      f.brIf(stop, load32(add(index, shl(offset, 2))));
      f.brIf(stop, eqz(left));
      const at = f.tmp(add(host, offset));
      f.brIf(stop, call(parse, t, at, add(at, MAX_LENGTH), get(D_CODE32)));
      f.set(next, add(offset, get(F_LENGTH)));
      const behind = f.tmp(call(emit, t, record, offset, next, get(D_GENERAL)));
      f.brIf(stop, eqz(behind));
      f.store(I32_STORE, add(index, shl(offset, 2)), record);
      const bits = sub(shl(i64(1), extendU(get(F_LENGTH))), i64(1));
      const word = f.tmp(add(covered, shl(shrU(offset, 5), 2)));
      const both = or(load(I64_LOAD, I64, word), shl(bits, extendU(and(offset, 31))));
      f.store(I64_STORE, word, both);
      f.set(record, behind);
      f.set(left, sub(left, 1));
      const row = add(add(t, load32(t, T.HEAD_ROWS)), mul(get(F_ROW), T.ROW_BYTES));
      f.set(offset, select(and(load16(row, T.ROW_FLAGS), T.ROW_ENDS), -1, next));
      f.resetTemps();
      f.brIf(again, ne(offset, -1));
    });
  });
  f.store(I32_STORE, t, left, D_LEFT);
  f.store(I32_STORE, t, offset, D_OFFSET);
  f.ret(record);
  f.unreachable();
}

/** Generates the module; imports m.memory, which may be shared when `shared`. */
export function generateDecoder(shared: boolean): Uint8Array {
  const m = new ModuleBuilder();
  m.importMemory("m", "memory", 1, 0x1_0000, shared);
  const parse = m.func([I32, I32, I32, I32], [I32], (f) => new Parser(f).generate(), "parse");
  const emit = m.func([I32, I32, I32, I32, I32], [I32], (f) => new Emitter(f).generate(), "emit");
  m.func([I32, I32, I32], [I32], (f) => buildRun(f, parse, emit), "run");
  return m.encode();
}
