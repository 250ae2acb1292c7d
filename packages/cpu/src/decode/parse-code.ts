// SPDX-License-Identifier: BSD-3-Clause
/**
 * Code that takes an instruction apart: prefixes, opcode, modrm, SIB, displacement, immediates, the limits of length.
 * Source: SDM vol. 2A chapter 2.
 * @module
 */
import { MEM_BASE, MEM_INDEXED, MEM_NONE } from "../isa/forms.ts";
import { EBP, EBX, EDI, ESI, ESP } from "../state.ts";
import {
  add,
  and,
  eq,
  eqz,
  extend16,
  extend8,
  geU,
  gtU,
  i32,
  leU,
  load16,
  load32,
  load8,
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
import { I32_STORE } from "../wasm/opcodes.ts";
import * as T from "./decode-table.ts";
import {
  DECODE_OK,
  DECODE_UNDEFINED,
  DECODE_TOO_LONG,
  DECODE_FETCH_FAULT,
  MAX_LENGTH,
  NO_REGISTER,
  F_ROW,
  F_LENGTH,
  F_OPCODE,
  F_SIZE,
  F_ADDRESS_SIZE,
  F_MODRM,
  F_LOCK,
  F_REPEAT,
  F_OVERRIDE,
  F_MEM,
  F_BASE,
  F_INDEX,
  F_SCALE,
  F_DISP,
  F_IMM,
  F_IMM2,
} from "./decode-words.ts";

/** 16-bit addressing by the rm field: base and index, four bits each. */
const nibbles = (numbers: readonly number[]): number =>
  numbers.reduce((all, n, i) => all | (n << (4 * i)), 0);
const RM16_BASE = nibbles([EBX, EBX, EBP, EBP, ESI, EDI, EBP, EBX]);
const RM16_INDEX = nibbles([ESI, EDI, ESI, EDI, NO_REGISTER, NO_REGISTER, NO_REGISTER, NO_REGISTER]);

/** parse(): what follows what in an instruction. */
export class Parser {
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
