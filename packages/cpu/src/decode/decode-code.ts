// SPDX-License-Identifier: BSD-3-Clause
/**
 * Generates the decoder's WebAssembly module. Programs are decoded once, in their first moments, when TypeScript would still
 * be run unoptimised; this code is not.
 *
 *   parse(t, at, limit, code32)   takes the instruction at `at` apart into the words F_*; returns a DECODE_* result
 *   emit(t, record, offset, next, general)   writes the records of the parsed instruction; returns the address behind them, or
 *                                 0 when its row has no form for it
 *   run(t, record, offset)        both, for a straight line of instructions of the page in the words D_*; returns the address
 *                                 behind the records
 *
 * `t` is the address of the tables (decode-table.ts), with the words of decode-words.ts behind them.
 * @module
 */
import {
  add,
  and,
  call,
  eq,
  eqz,
  extendU,
  gtU,
  i64,
  load,
  load16,
  load32,
  mul,
  ne,
  or,
  select,
  shl,
  shrU,
  sub,
  type Expr,
} from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import { ModuleBuilder } from "../wasm/module.ts";
import { I32, I32_STORE, I32_STORE16, I64, I64_LOAD, I64_STORE } from "../wasm/opcodes.ts";
import * as T from "./decode-table.ts";
import {
  type DecodeResult,
  MAX_LENGTH,
  F_ROW,
  F_LENGTH,
  D_HOST,
  D_INDEX,
  D_COVERED,
  D_CODE32,
  D_GENERAL,
  D_LEFT,
  D_OFFSET,
} from "./decode-words.ts";
import { RecordEmitter } from "./emit-code.ts";
import { Parser } from "./parse-code.ts";
import { RECORD_BYTES, R_FUNCTION, R_HANDLER } from "./record.ts";

export interface DecoderExports {
  parse(t: number, at: number, limit: number, code32: number): DecodeResult;
  emit(t: number, record: number, offset: number, next: number, general: number): number;
  run(t: number, record: number, offset: number): number;
}

/**
 * Gives the record in front of `record` the handler of the pair, where function `previous` and the instruction at `record` are one.
 * `previous` becomes this instruction's function.
 */
function pairUp(f: Func, t: Expr, record: Expr, behind: Expr, previous: Expr): void {
  const entry = (head: number, fn: Expr): Expr => load16(add(add(t, load32(t, head)), shl(fn, 1)));
  const own = f.tmp(sub(behind, RECORD_BYTES));
  const fn = f.tmp(load16(own, R_FUNCTION));
  // An instruction with a record in front of it is second of no pair.
  f.if(eq(own, record), () => {
    const place = add(entry(T.HEAD_FIRSTS, previous), entry(T.HEAD_SECONDS, fn));
    const handler = f.tmp(load16(add(add(t, load32(t, T.HEAD_PAIRS)), place)));
    f.if(handler, () => f.store(I32_STORE16, sub(record, RECORD_BYTES), handler, R_HANDLER));
  });
  f.set(previous, fn);
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
  const previous = f.local();
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
      pairUp(f, t, record, behind, previous);
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
  const emit = m.func([I32, I32, I32, I32, I32], [I32], (f) => new RecordEmitter(f).generate(), "emit");
  m.func([I32, I32, I32], [I32], (f) => buildRun(f, parse, emit), "run");
  return m.encode();
}
