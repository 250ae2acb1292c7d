// SPDX-License-Identifier: BSD-3-Clause
/**
 * From region to region without the interpreter: the dispatcher and its jump cache.
 *
 * The jump cache finds the region entry for an EIP of the running space. It is direct mapped and lies in linear memory, so that
 * regions probe it for their own indirect jumps, too. Byte offsets in a line:
 *
 *    0 i32 EIP
 *    4 i32 EPOCH   the line is valid while S.EPOCH has this value
 *    8 u16 ENTRY   entry number in the region; without one, how often regions left for EIP
 *   10 u16 SLOT    table index of the region; 0 = no region is entered at EIP
 *   12 i32 BASE    address of the region's base page in the space
 *
 * Invariants
 *   N1  While S.EPOCH stays, the running space maps all pages of a line's region as when the region checked them: a region is
 *       entered from its record with CHECK_PAGES, and what it was entered with goes into the line only then.
 *       A region has each of its pages at one distance from its base page only, so a line with its slot also has its BASE.
 *   N2  The place of a dead region holds deadRegion() until no line can name it (a new epoch of every table).
 *   N3  Only flat 32-bit code is compiled, so EIP is the linear address and the code segment's limit never matters.
 *
 * @module
 */
import { PGSHIFT } from "@vkernel/mmu";
import { R_ENTRY, R_OFF } from "../decode/record.ts";
import * as S from "../state.ts";
import {
  add,
  and,
  callIndirect,
  choose,
  eq,
  eqz,
  extendU,
  geS,
  i32,
  load,
  ltS,
  ne,
  or,
  shl,
  shrS,
  shrU,
  sub,
  xor,
  type Expr,
} from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import type { ModuleBuilder } from "../wasm/module.ts";
import { I32, I32_LOAD, I32_LOAD16_U, I32_STORE, I32_STORE16, I64, I64_LOAD } from "../wasm/opcodes.ts";
import { X_DEAD, X_HOT, X_JUMP, X_PASSAGE, X_STALE } from "./exits.ts";

export const LINE_SHIFT = 4;
const LINES = 8192;
export const JUMP_CACHE_BYTES = LINES << LINE_SHIFT;
export const LINE_EIP = 0;
const LINE_EPOCH = 4;
export const LINE_ENTRY = 8;
const LINE_SLOT = 10;
const LINE_BASE = 12;

/** Set in the entry number that a region gets, when it has to make sure that its pages are where they were. */
export const CHECK_PAGES = -0x8000_0000;

/**
 * A power of two: how often regions leave for an address without region until the compiler hears of it: such a passage costs some 30 ns
 * more than one between regions, and hearing of it some µs as long as the JavaScript that hears it is not optimised.
 */
export const HOT_EXITS = 256;

/** One passage of so many is shown to the compiler. A prime, so that no pattern of passages hides behind it. */
export const PASSAGE_INTERVAL = 4093;

/** Offset of the line of `eip` in the jump cache. */
export function lineOf(eip: Expr): Expr {
  return shl(and(xor(eip, shrU(eip, 12)), LINES - 1), LINE_SHIFT);
}

/**
 * Adds `region(record, page base)`: enters the region at a record with H_REGION, and the regions that follow. Returns the exit
 * of the last one; X_JUMP when the interpreter has to find out what follows EIP.
 */
export function regionDispatcher(m: ModuleBuilder, stateBase: number, regionType: number): Func {
  const state = (offset: number): Expr => load(I32_LOAD, I32, i32(0), stateBase + offset);
  return m.func([I32, I32], [I32], (f) => {
    const record = f.param(0);
    const base = f.param(1);
    const cache = f.local();
    const eip = f.local();
    const line = f.local();
    const slot = f.local();
    const entry = f.local();
    const code = f.local();
    const left = f.local();
    const put = (offset: number, value: Expr): void => f.store(I32_STORE, line, value, offset);
    const put16 = (offset: number, value: Expr): void => f.store(I32_STORE16, line, value, offset);
    const word = (offset: number): Expr => load(I32_LOAD, I32, line, offset);
    const half = (offset: number): Expr => load(I32_LOAD16_U, I32, line, offset);

    f.set(cache, state(S.JUMP_CACHE));
    f.set(eip, add(base, load(I32_LOAD16_U, I32, record, R_OFF)));
    f.set(line, add(cache, lineOf(eip)));
    const known = f.tmp(add(state(S.REGION_ENTRIES), shl(load(I32_LOAD16_U, I32, record, R_ENTRY), 3)));
    f.set(slot, load(I32_LOAD, I32, known));
    f.set(entry, load(I32_LOAD, I32, known, 4));
    f.set(base, sub(base, shl(shrS(entry, 16), PGSHIFT)));
    put(LINE_EIP, eip);
    put(LINE_EPOCH, state(S.EPOCH));
    put16(LINE_SLOT, slot);
    put16(LINE_ENTRY, entry);
    put(LINE_BASE, base);
    f.set(entry, or(and(entry, 0xffff), CHECK_PAGES));
    f.loop((next) => {
      f.set(code, callIndirect(regionType, I32, slot, entry, base));
      f.if(ne(code, X_JUMP), () => {
        f.if(or(eq(code, X_STALE), eq(code, X_DEAD)), () => put(LINE_EPOCH, i32(0)));
        f.store(I32_STORE, i32(0), slot, stateBase + S.REGION_FROM_SLOT);
        f.ret(choose(eq(code, X_DEAD), i32(X_JUMP), code));
      });
      f.if(geS(state(S.COUNTER), 0), () => f.ret(i32(X_JUMP)));
      f.set(eip, state(S.EIP));
      f.set(line, add(cache, lineOf(eip)));
      // EIP and EPOCH in one comparison.
      const key = load(I64_LOAD, I64, line, LINE_EIP);
      f.if(ne(xor(key, extendU(eip)), load(I64_LOAD, I64, i32(0), stateBase + S.EPOCH_KEY)), () => {
        put(LINE_EIP, eip);
        put(LINE_EPOCH, state(S.EPOCH));
        put16(LINE_SLOT, i32(0));
        put16(LINE_ENTRY, i32(1));
        f.ret(i32(X_JUMP));
      });
      f.set(entry, half(LINE_ENTRY));
      f.if(eqz(half(LINE_SLOT)), () => {
        put16(LINE_ENTRY, add(entry, 1));
        f.if(and(entry, HOT_EXITS - 1), () => f.ret(i32(X_JUMP)));
        f.store(I32_STORE, i32(0), base, stateBase + S.REGION_FROM);
        f.store(I32_STORE, i32(0), slot, stateBase + S.REGION_FROM_SLOT);
        f.ret(i32(X_HOT));
      });
      f.set(left, sub(state(S.PASSAGES), 1));
      f.store(I32_STORE, i32(0), left, stateBase + S.PASSAGES);
      f.if(ltS(left, 0), () => {
        f.store(I32_STORE, i32(0), i32(PASSAGE_INTERVAL - 1), stateBase + S.PASSAGES);
        f.store(I32_STORE, i32(0), base, stateBase + S.REGION_FROM);
        f.store(I32_STORE, i32(0), slot, stateBase + S.REGION_FROM_SLOT);
        f.ret(i32(X_PASSAGE));
      });
      f.set(slot, half(LINE_SLOT));
      f.set(base, word(LINE_BASE));
      f.store(I32_STORE, i32(0), add(state(S.REGION_CHAINED), 1), stateBase + S.REGION_CHAINED);
      f.br(next);
    });
    f.unreachable();
  });
}

/** Adds `dead(entry, page base)`: stands in the table for regions that are no more. */
export function deadRegion(m: ModuleBuilder): Func {
  return m.func(
    [I32, I32],
    [I32],
    (f) => {
      f.ret(i32(X_DEAD));
      f.unreachable();
    },
    "dead",
  );
}
