// SPDX-License-Identifier: BSD-3-Clause
/**
 * Memory access of step functions, as functions of the generated module: page crossings and code pages are settled here, what the
 * translation table does not know (and devices, and faults) goes on to TypeScript (slow-access.ts).
 *
 * A store to a code page that hits no decoded byte costs little more than another store; one that does is reported after it was
 * made, so that what was decoded can be killed.
 *
 * Invariants
 *   I-CROSS  All pages of an access are checked before anything is transferred.
 *   SC1  Every store that changes a page of this processor's decoded code is reported if its cover map has one of the bytes, and
 *        every one that changes a code page where others may hold decoded code, too.
 *
 * @module
 */
import { FLAT_BIAS, TABLE_ENTRY_BYTES } from "@vkernel/mmu";
import { COVER_COUNTDOWN } from "../decode/cover-map.ts";
import type { Imports } from "../isa/runtime.ts";
import * as S from "../state.ts";
import {
  add,
  and,
  binary,
  call,
  choose,
  eq,
  eqz,
  geS,
  gtU,
  i32,
  load,
  ltS,
  or,
  shl,
  shrU,
  sub,
  unary,
  type Callee,
  type Expr,
} from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import type { ModuleBuilder } from "../wasm/module.ts";
import * as W from "../wasm/opcodes.ts";
import {
  I32,
  I32_LOAD,
  I32_LOAD8_U,
  I32_STORE,
  I32_STORE8,
  V128,
  V128_LOAD,
  V128_STORE,
  type ValType,
} from "../wasm/opcodes.ts";

/** Stores by their size. */
const STORES = [
  { n: 4, op: I32_STORE, load: I32_LOAD, ty: I32 },
  { n: 1, op: I32_STORE8, load: I32_LOAD8_U, ty: I32 },
  { n: 8, op: W.I64_STORE, load: W.I64_LOAD, ty: W.I64 },
  { n: 2, op: W.I32_STORE16, load: W.I32_LOAD16_U, ty: I32 },
  { n: 16, op: V128_STORE, load: V128_LOAD, ty: V128 },
] as const;

const V128_XOR = 0xfd_0051;
const V128_ANY_TRUE = 0xfd_0053;
function isSame(ty: ValType, a: Expr, b: Expr): Expr {
  return ty === V128 ? eqz(unary(V128_ANY_TRUE, I32, binary(V128_XOR, V128, a, b))) : eq(a, b);
}

/** What TypeScript does for the functions built here. */
export interface SlowImports {
  readonly slowRead: Callee;
  readonly slowProbe: Callee;
  readonly slowWrite: Callee;
  /** codeWritten(host, n): n bytes at host address `host`, in one page, were written. */
  readonly codeWritten: Callee;
}

export type SlowFunctions = Pick<Imports, "slowRead" | "slowProbe" | "slowWrite">;

const pageOffset = (va: Expr): Expr => and(va, 0xfff);
/** Address of the cover map of the page with host address `host`; 0 = nothing is decoded there. */
function coverOf(stateBase: number, host: Expr): Expr {
  const covers = load(I32_LOAD, I32, i32(0), stateBase + S.COVERS);
  return load(I32_LOAD, I32, add(covers, shl(shrU(host, 12), 2)));
}
/** The bits in cover map `cover` of `n` ≤ 16 bytes from page offset `offset` on. */
function coverBits(cover: Expr, offset: Expr, n: Expr): Expr {
  const bits = shrU(load(I32_LOAD, I32, add(cover, shrU(offset, 3))), and(offset, 7));
  return and(bits, sub(shl(i32(1), n), 1));
}

/**
 * Adds quietStore(address, n): the translation word for a store of `n` ≤ 16 bytes to a code page that hits no code and need not be
 * reported; 0 when it is not that, or may not be done. For compiled code, after the page's write word was found to be 0; and for
 * processors that are alone, of whose stores only QUIET_STORES are counted.
 */
export function buildQuietStore(m: ModuleBuilder, stateBase: number): { quietStore: Callee } {
  const state = (offset: number): Expr => load(I32_LOAD, I32, i32(0), stateBase + offset);
  const quietStore = m.func([I32, I32], [I32], (f) => {
    const [va, n] = [f.param(0), f.param(1)];
    const none = (condition: Expr): void => f.if(condition, () => f.ret(i32(0)));
    const entry = f.tmp(add(state(S.TABLE), shl(shrU(va, 12), Math.log2(TABLE_ENTRY_BYTES))));
    const word = f.tmp(load(I32_LOAD, I32, entry));
    none(geS(load(I32_LOAD, I32, add(entry, state(S.LINKS))), 0));
    const cover = f.tmp(coverOf(stateBase, add(add(va, word), FLAT_BIAS)));
    none(eqz(cover));
    none(coverBits(cover, pageOffset(va), n));
    // The last store of a countdown is reported, by the slow path.
    const left = f.tmp(sub(load(I32_LOAD, I32, cover, COVER_COUNTDOWN), 1));
    none(eqz(left));
    f.store(I32_STORE, cover, left, COVER_COUNTDOWN);
    f.ret(word);
    f.unreachable();
  });
  return { quietStore };
}

/** Adds the functions of step functions to a module. */
export function buildSlowAccess(m: ModuleBuilder, stateBase: number, ts: SlowImports): SlowFunctions {
  const state = (offset: number): Expr => load(I32_LOAD, I32, i32(0), stateBase + offset);
  const entryOf = (va: Expr): Expr => add(state(S.TABLE), shl(shrU(va, 12), Math.log2(TABLE_ENTRY_BYTES)));
  /** How many bytes lie in front of the page end. */
  const inPage = (va: Expr): Expr => sub(i32(0x1000), pageOffset(va));
  const buffer = stateBase + S.SLOW_BUFFER;

  /** The word by which `va` may be written, code page or not; 0 when it may not, as far as the table knows. */
  const writeWord = m.func([I32], [I32], (f) => {
    const entry = f.tmp(entryOf(f.param(0)));
    const word = f.tmp(load(I32_LOAD, I32, entry, 4));
    f.if(word, () => f.ret(word));
    const flags = load(I32_LOAD, I32, add(entry, state(S.LINKS)));
    f.ret(choose(ltS(flags, 0), load(I32_LOAD, I32, entry), i32(0)));
    f.unreachable();
  });

  /** Reports that `n` bytes at host address `host` of a code page were written, if that matters; `same`: to what they were. */
  const touched = m.func([I32, I32, I32], [], (f) => {
    const [host, n, same] = [f.param(0), f.param(1), f.param(2)];
    const cover = f.tmp(coverOf(stateBase, host));
    f.block((report) => {
      // Whoever writes what is there already changes no code.
      f.if(or(eqz(cover), eqz(state(S.ALONE))), () => {
        f.brIf(report, eqz(same));
        f.ret();
      });
      f.if(eqz(same), () => f.brIf(report, coverBits(cover, f.tmp(pageOffset(host)), n)));
      const left = f.tmp(sub(load(I32_LOAD, I32, cover, COVER_COUNTDOWN), 1));
      f.store(I32_STORE, cover, left, COVER_COUNTDOWN);
      f.store(I32_STORE, i32(0), add(state(S.QUIET_STORES), 1), stateBase + S.QUIET_STORES);
      f.brIf(report, eqz(left));
      f.ret();
    });
    f.exec(ts.codeWritten, host, n);
  });

  const slowRead = m.func([I32, I32], [I32], (f) => {
    const [va, n] = [f.param(0), f.param(1)];
    const host = (a: Expr, word: Expr): Expr => load(V128_LOAD, V128, add(a, word), FLAT_BIAS);
    f.block((miss) => {
      const word = f.tmp(load(I32_LOAD, I32, entryOf(va)));
      f.brIf(miss, eqz(word));
      const head = f.tmp(inPage(va));
      f.if(gtU(n, head), () => {
        const second = f.tmp(add(va, head));
        const secondWord = f.tmp(load(I32_LOAD, I32, entryOf(second)));
        f.brIf(miss, eqz(secondWord));
        // Loads of 16 bytes may go beyond the page, and what they bring too much is not looked at.
        f.store(V128_STORE, i32(0), host(va, word), buffer);
        f.store(V128_STORE, head, host(second, secondWord), buffer);
        f.ret(i32(0));
      });
      f.store(V128_STORE, i32(0), host(va, word), buffer);
      f.ret(i32(0));
    });
    f.ret(call(ts.slowRead, va, n));
    f.unreachable();
  });

  const slowProbe = m.func([I32, I32], [I32], (f) => {
    const [va, n] = [f.param(0), f.param(1)];
    f.block((miss) => {
      f.brIf(miss, eqz(call(writeWord, va)));
      const head = f.tmp(inPage(va));
      f.if(gtU(n, head), () => f.brIf(miss, eqz(call(writeWord, add(va, head)))));
      f.ret(i32(0));
    });
    f.ret(call(ts.slowProbe, va, n));
    f.unreachable();
  });

  /** Whether the entry's page is a code page, of one through which writing is allowed. */
  const isCode = (va: Expr): Expr => eqz(load(I32_LOAD, I32, entryOf(va), 4));
  const slowWrite = m.func([I32, I32], [], (f) => {
    const [va, n] = [f.param(0), f.param(1)];
    f.block((miss) => {
      const word = f.tmp(call(writeWord, va));
      f.brIf(miss, eqz(word));
      const host = f.tmp(add(add(va, word), FLAT_BIAS));
      const head = f.tmp(inPage(va));
      f.if(gtU(n, head), () => {
        const second = f.tmp(add(va, head));
        const secondWord = f.tmp(call(writeWord, second));
        f.brIf(miss, eqz(secondWord));
        const secondHost = f.tmp(add(add(second, secondWord), FLAT_BIAS));
        copyBytes(f, host, i32(0), head);
        copyBytes(f, secondHost, head, sub(n, head));
        f.if(isCode(va), () => f.exec(touched, host, head, i32(0)));
        f.if(isCode(second), () => f.exec(touched, secondHost, sub(n, head), i32(0)));
        f.ret();
      });
      const code = f.tmp(isCode(va));
      const same = f.local();
      f.block((stored) => {
        for (const { n: size, op, load: from, ty } of STORES) {
          f.if(eq(n, size), () => {
            const value = load(from, ty, i32(0), buffer);
            f.if(code, () => f.set(same, isSame(ty, load(from, ty, host), value)));
            f.store(op, host, value);
            f.br(stored);
          });
        }
        f.unreachable();
      });
      f.if(code, () => f.exec(touched, host, n, same));
      f.ret();
    });
    f.exec(ts.slowWrite, va, n);
  });
  /** Copies `count` > 0 bytes of the buffer, from `from` on, to host address `to`. */
  function copyBytes(f: Func, to: Expr, from: Expr, count: Expr): void {
    const at = f.temp(I32);
    const end = f.tmp(count);
    const first = f.tmp(from);
    f.set(at, i32(0));
    f.loop((again) => {
      f.store(I32_STORE8, add(to, at), load(I32_LOAD8_U, I32, add(first, at), buffer));
      f.set(at, add(at, 1));
      f.brIf(again, sub(end, at));
    });
  }

  return { slowRead, slowProbe, slowWrite };
}
