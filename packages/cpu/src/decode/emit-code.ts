// SPDX-License-Identifier: BSD-3-Clause
/**
 * Code that writes the records of a parsed instruction, see record.ts.
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
import { CS, DS, EA, EBP, ESP, FS, GPR, GS, SS, ZERO } from "../state.ts";
import {
  add,
  and,
  eq,
  eqz,
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
  type Expr,
  type Operand,
} from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import {
  I32_STORE,
  I32_STORE16,
  I32_STORE8,
} from "../wasm/opcodes.ts";
import * as T from "./decode-table.ts";
import {
  NO_REGISTER,
  F_ROW,
  F_OPCODE,
  F_SIZE,
  F_ADDRESS_SIZE,
  F_MODRM,
  F_OVERRIDE,
  F_MEM,
  F_BASE,
  F_INDEX,
  F_SCALE,
  F_DISP,
  F_IMM,
  F_IMM2,
  D_JUMPS,
  D_JUMP_RECORDS,
  D_JUMP_TARGETS,
} from "./decode-words.ts";
import * as R from "./record.ts";

/** Segments whose base or rights need not be those of flat data, as bits. */
const NOT_FLAT = (1 << CS) | (1 << FS) | (1 << GS);


/** emit(): the records of the parsed instruction. */
export class RecordEmitter {
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
