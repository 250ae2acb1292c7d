// SPDX-License-Identifier: BSD-3-Clause
/**
 * What repeated string instructions do to many elements at once, as functions of the generated module on host addresses: copy,
 * fill, compare, scan. Ranges lie within one host page each; what is loaded beyond their ends is not looked at.
 * @module
 */
import {
  add,
  binary,
  ctz,
  eqz,
  geU,
  gtU,
  lane,
  load,
  ltU,
  sub,
  unary,
  xor,
  type Callee,
  type Expr,
} from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import type { ModuleBuilder } from "../wasm/module.ts";
import * as W from "../wasm/opcodes.ts";
import { I32, I64, V128, V128_LOAD, V128_STORE, type ValType } from "../wasm/opcodes.ts";

const I64X2_EXTRACT = 0xfd_001d;
const I8X16_BITMASK = 0xfd_0064;
const I8X16_EQ = 0xfd_0023;
/** Splats an i32 to lanes of 1, 2 and 4 bytes. */
const SPLATS: Readonly<Record<number, number>> = { 1: 0xfd_000f, 2: 0xfd_0010, 4: 0xfd_0011 };
/** Compares lanes of 1, 2 and 4 bytes for equality. */
const LANES_EQ: Readonly<Record<number, number>> = { 1: I8X16_EQ, 2: 0xfd_002d, 4: 0xfd_0037 };
const ALL_LANES = 0xffff;

/** From here on the engine's memory.copy and memory.fill are faster, for all that calling them costs. */
const LARGE = 512;

/** Pieces shorter than a vector: two of this size, which overlap, make up any length from `n` to 2n. */
const PIECES: readonly { readonly n: number; readonly load: number; readonly store: number; readonly ty: ValType }[] = [
  { n: 8, load: W.I64_LOAD, store: W.I64_STORE, ty: I64 },
  { n: 4, load: W.I32_LOAD, store: W.I32_STORE, ty: I32 },
  { n: 2, load: W.I32_LOAD16_U, store: W.I32_STORE16, ty: I32 },
  { n: 1, load: W.I32_LOAD8_U, store: W.I32_STORE8, ty: I32 },
];

/** `size`-byte lanes of `value`. */
export function splat(size: number, value: Expr): Expr {
  return unary(SPLATS[size]!, V128, value);
}

/** copy(to, from, bytes): as by increasing addresses, where `to` is not inside the source. */
function buildCopy(f: Func): void {
  const [to, from, bytes] = [f.param(0), f.param(1), f.param(2)];
  f.if(geU(bytes, LARGE), () => {
    f.memoryCopy(to, from, bytes);
    f.ret();
  });
  f.if(geU(bytes, 16), () => {
    // The last vector overlaps what is copied before, and a source behind the destination may be overwritten by then.
    const last = f.tmp(load(V128_LOAD, V128, sub(add(from, bytes), 16)));
    copyVectors(f, to, from, bytes, 16);
    f.store(V128_STORE, sub(add(to, bytes), 16), last);
    f.ret();
  });
  for (const { n, load: from_, store, ty } of PIECES) {
    f.if(geU(bytes, n), () => {
      const first = f.tmp(load(from_, ty, from));
      const last = f.tmp(load(from_, ty, sub(add(from, bytes), n)));
      f.store(store, to, first);
      f.store(store, sub(add(to, bytes), n), last);
      f.ret();
    });
  }
}
/** Copies vectors in order while more than `rest` bytes are left. */
function copyVectors(f: Func, to: Expr, from: Expr, bytes: Expr, rest: number): void {
  f.block((done) => {
    f.loop((again) => {
      f.brIf(done, eqz(gtU(bytes, rest)));
      f.store(V128_STORE, to, load(V128_LOAD, V128, from));
      f.set(to, add(to, 16));
      f.set(from, add(from, 16));
      f.set(bytes, sub(bytes, 16));
      f.br(again);
    });
  });
}

/** fill(to, bytes, pattern): a multiple of the element size of a pattern that repeats its elements. */
function buildFill(f: Func): void {
  const [to, bytes, pattern] = [f.param(0), f.param(1), f.param(2)];
  f.if(geU(bytes, 16), () => {
    const last = f.tmp(sub(add(to, bytes), 16));
    const fourLeft = f.tmp(sub(last, 48));
    f.if(geU(bytes, 64), () => {
      f.loop((again) => {
        for (let at = 0; at < 64; at += 16) f.store(V128_STORE, to, pattern, at);
        f.set(to, add(to, 64));
        f.brIf(again, ltU(to, add(fourLeft, 1)));
      });
    });
    f.block((done) => {
      f.loop((again) => {
        f.brIf(done, geU(to, last));
        f.store(V128_STORE, to, pattern);
        f.set(to, add(to, 16));
        f.br(again);
      });
    });
    f.store(V128_STORE, last, pattern);
    f.ret();
  });
  const word = f.tmp(lane(I64X2_EXTRACT, I64, 0, pattern));
  for (const { n, store, ty } of PIECES) {
    f.if(geU(bytes, n), () => {
      const value = ty === I64 ? word : unary(0xa7, I32, word);
      f.store(store, to, value);
      f.store(store, sub(add(to, bytes), n), value);
      f.ret();
    });
  }
}

/**
 * Offset of the first of `bytes` bytes where a search stops; `bytes` or more when it does not. `stops` is a bit mask of
 * the bytes that stop it, in the vector at that offset.
 */
function buildSearch(f: Func, bytes: Expr, stops: (at: Expr) => Expr): void {
  const at = f.local();
  const mask = f.local();
  f.loop((again) => {
    f.set(mask, stops(at));
    f.if(mask, () => f.ret(add(at, ctz(mask))));
    f.set(at, add(at, 16));
    f.brIf(again, ltU(at, bytes));
  });
  f.ret(at);
  f.unreachable();
}
const vectorAt = (address: Expr, at: Expr): Expr => load(V128_LOAD, V128, add(address, at));
const bits = (lanes: Expr): Expr => unary(I8X16_BITMASK, I32, lanes);

/**
 * copy(to, from, bytes), fill(to, bytes, pattern); and searches, which return where they stop: compareN(a, b, bytes) at two unequal
 * bytes, compareE<n>(a, b, bytes) at equal elements of n bytes, scanN(a, value, bytes) at a byte that is not as in the vector `value`,
 * scanE<n>(a, value, bytes) at an element that is.
 */
export function buildStringRuntime(m: ModuleBuilder): Record<string, Callee> {
  const functions: Record<string, Callee> = {
    stringCopy: m.func([I32, I32, I32], [], buildCopy),
    stringCopyOverlapping: m.func([I32, I32, I32], [], (f) =>
      copyVectors(f, f.param(0), f.param(1), f.param(2), 0),
    ),
    stringFill: m.func([I32, I32, V128], [], buildFill),
    stringCompareN: m.func([I32, I32, I32], [I32], (f) => {
      const [a, b] = [f.param(0), f.param(1)];
      buildSearch(f, f.param(2), (at) =>
        xor(bits(binary(I8X16_EQ, V128, vectorAt(a, at), vectorAt(b, at))), ALL_LANES),
      );
    }),
    stringScanN: m.func([I32, V128, I32], [I32], (f) => {
      const a = f.param(0);
      buildSearch(f, f.param(2), (at) =>
        xor(bits(binary(I8X16_EQ, V128, vectorAt(a, at), f.param(1))), ALL_LANES),
      );
    }),
  };
  for (const size of [1, 2, 4]) {
    const equal = LANES_EQ[size]!;
    functions[`stringCompareE${size}`] = m.func([I32, I32, I32], [I32], (f) => {
      const [a, b] = [f.param(0), f.param(1)];
      buildSearch(f, f.param(2), (at) => bits(binary(equal, V128, vectorAt(a, at), vectorAt(b, at))));
    });
    functions[`stringScanE${size}`] = m.func([I32, V128, I32], [I32], (f) => {
      const a = f.param(0);
      buildSearch(f, f.param(2), (at) => bits(binary(equal, V128, vectorAt(a, at), f.param(1))));
    });
  }
  return functions;
}
