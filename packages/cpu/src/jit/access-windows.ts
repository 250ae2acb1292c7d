// SPDX-License-Identifier: BSD-3-Clause
/**
 * Access windows: accesses of a block that lie close together are translated once, for all of them.
 *
 * A function's pushes, pops, arguments and variables are addressed by ESP or EBP and a constant, the members of a structure by the
 * register that points at it. The first such access of a block looks up the page and makes sure that the whole window, from the
 * lowest to the highest byte that the block's accesses reach, lies in that page; the others are then plain loads and
 * stores at a constant distance. How far the window reaches is known when the block has been written, so the check is patched then.
 *
 * Invariants
 *   W1  A register's symbol, base + offset, says that it holds the value that the base's register had when the base was
 *       given out, plus offset. Bases are never given out twice in a region, and each block begins with new ones.
 *   W2  A window is made and symbols are assigned only by code that every way through the block passes.
 *   W3  The check is the first access's: it fails before that instruction has changed anything. A window over a page end
 *       leaves there as a slow access; leaving like this too often is reported (X_CROSSING), and the region is then made
 *       without windows.
 *   W4  Words of the translation table change only outside of regions, so a window holds to the end of its block.
 *
 * @module
 */
import { FLAT_BIAS as FLAT_BIAS_, TABLE_ENTRY_BYTES } from "@vkernel/mmu";
import { EBP, ESP } from "../state.ts";
import { add, and, eqz, gtU, load, shl, shrU, sub, type Expr, type PatchExpr } from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import { I32, I32_ADD, I32_LOAD, I32_SUB, OP_I32_CONST, OP_LOCAL_GET } from "../wasm/opcodes.ts";

const FLAT_BIAS = FLAT_BIAS_;
/** Bytes of a window on the stack at most: what a page end takes from it grows with its size. */
const MAX_STACK_BYTES = 128;
/** The same for structures that other registers point at: they lie at any places, so a page end takes more of them. */
const MAX_STRUCTURE_BYTES = 24;
/**
 * How far below its first access a window may reach. Distances are counted from there, so they are not negative, and those of the
 * first access and of what is below it, as pushes are, fit the host's short form of an instruction.
 */
const MOST_BELOW = 124;
/** Windows open at a time. */
const MAX_WINDOWS = 8;

/** Where an access of the block finds its bytes: `host + offset`. */
export interface WindowPlace {
  readonly host: Expr;
  readonly offset: number;
}

interface Window {
  readonly base: number;
  readonly isWrite: boolean;
  /** Host address of the first access, less MOST_BELOW. */
  readonly host: Expr;
  readonly first: number;
  low: number;
  high: number;
  /** Distance of the window's start from the first access, and the last offset in a page where the window may start. */
  readonly start: PatchExpr;
  readonly limit: PatchExpr;
}

/** What the check of a window needs of the region. */
export interface WindowOwner {
  readonly f: Func;
  readonly table: Expr;
  leaveSlowIf(condition: Expr): void;
  leaveCrossingIf(condition: Expr): void;
}

export class AccessWindows {
  readonly #owner: WindowOwner;
  readonly #enabled: boolean;
  /** Number of the first local that is a register, in encoding order. */
  readonly #firstLocal: number;
  readonly #locals: Expr[] = [];
  #windows: Window[] = [];
  /** Symbols of the registers; base 0 = none. */
  readonly #base = new Int32Array(8);
  readonly #offset = new Int32Array(8);
  /** Symbols of the instruction's temporaries: local, base, offset, …. */
  readonly #temps: number[] = [];
  #bases = 0;
  /** How wide a window of each base may be. */
  readonly #mostBytes: number[] = [0];
  #depth = 0;
  /** Offset of the expression that symbolOf() was asked for last; of no meaning when it had no base. */
  offset = 0;

  /** `registers`: the locals of the general registers, which follow each other. */
  constructor(owner: WindowOwner, registers: readonly Expr[], enabled: boolean) {
    this.#owner = owner;
    this.#firstLocal = registers[0]!.imm;
    this.#enabled = enabled;
  }

  /** A block begins: nothing is known of the registers. */
  startBlock(): void {
    this.#depth = this.#owner.f.depth;
    this.forget();
  }
  /** The registers may have any values now. */
  forget(): void {
    for (let n = 0; n < 8; n++) this.#base[n] = this.#newBase(n === ESP || n === EBP);
    this.#offset.fill(0);
  }
  #newBase(isStack: boolean): number {
    this.#mostBytes[++this.#bases] = isStack ? MAX_STACK_BYTES : MAX_STRUCTURE_BYTES;
    return this.#bases;
  }
  /** The block has been written. */
  endBlock(): void {
    for (const window of this.#windows) this.#close(window);
    this.#windows = [];
  }
  /** What was written from body position `from` on has been discarded. */
  undo(from: number): void {
    this.#windows = this.#windows.filter((window) => window.start.at < from);
  }

  /** An instruction begins: temporaries hold nothing any more. */
  startInstruction(): void {
    this.#temps.length = 0;
  }
  /** Temporary `temp` has been assigned `value`. */
  noteTemp(temp: Expr, value: Expr): void {
    const base = this.symbolOf(value);
    if (base !== 0 && this.#owner.f.depth === this.#depth) this.#temps.push(temp.imm, base, this.offset);
  }
  /** Register `n` is about to be assigned `value`. */
  assign(n: number, value: Expr): void {
    const always = this.#owner.f.depth === this.#depth;
    const base = always ? this.symbolOf(value) : 0;
    const isNew = base === 0 && always;
    this.#base[n] = isNew ? this.#newBase(n === ESP) : base;
    this.#offset[n] = isNew ? 0 : this.offset;
  }

  /** Base of a local or a local plus a constant, 0 = none; the offset from the base goes to `this.offset`. */
  symbolOf(e: Expr): number {
    if (e.op === OP_LOCAL_GET) return this.#symbolOfLocal(e.imm);
    if ((e.op !== I32_ADD && e.op !== I32_SUB) || e.a!.op !== OP_LOCAL_GET || e.b!.op !== OP_I32_CONST)
      return 0;
    const base = this.#symbolOfLocal(e.a!.imm);
    this.offset = (this.offset + (e.op === I32_ADD ? e.b!.imm : -e.b!.imm)) | 0;
    return base;
  }
  #symbolOfLocal(local: number): number {
    const n = local - this.#firstLocal;
    if (n >= 0 && n < 8) {
      this.offset = this.#offset[n]!;
      return this.#base[n]!;
    }
    const temps = this.#temps;
    for (let i = 0; i < temps.length; i += 3) {
      if (temps[i] !== local) continue;
      this.offset = temps[i + 2]!;
      return temps[i + 1]!;
    }
    return 0;
  }

  /**
   * The place of `n` bytes at `offset` from `base`, when a window has them or can be made to; null otherwise. `address` is the same
   * address as an expression.
   */
  place(base: number, offset: number, n: number, isWrite: boolean, address: Expr): WindowPlace | null {
    if (!this.#enabled) return null;
    // A byte lies in one page anyway, so it opens none where it may be the only access.
    const mayOpen =
      this.#owner.f.depth === this.#depth &&
      (n > 1 || this.#mostBytes[base] === MAX_STACK_BYTES) &&
      n <= this.#mostBytes[base]!;
    const known = this.#find(base, isWrite, offset, offset + n);
    const window = known ?? (mayOpen ? this.#open(base, isWrite, offset, n, address) : null);
    if (window === null) return null;
    window.low = Math.min(window.low, offset);
    window.high = Math.max(window.high, offset + n);
    return { host: window.host, offset: MOST_BELOW + offset - window.first };
  }

  /** What may be written may be read: a window for writing serves both. */
  #find(base: number, isWrite: boolean, low: number, high: number): Window | null {
    for (const w of this.#windows) {
      const fits = Math.max(w.high, high) - Math.min(w.low, low) <= this.#mostBytes[base]!;
      if (w.base === base && (w.isWrite || !isWrite) && fits && low >= w.first - MOST_BELOW) return w;
    }
    return null;
  }

  #open(base: number, isWrite: boolean, offset: number, n: number, address: Expr): Window {
    if (this.#windows.length === MAX_WINDOWS) this.#close(this.#windows.shift()!);
    const { f, table } = this.#owner;
    const host = this.#freeLocal();
    const start = f.patch();
    const limit = f.patch();
    const a = f.tmp(address);
    const low = f.tmp(add(a, start));
    const entry = add(table, shl(shrU(low, 12), Math.log2(TABLE_ENTRY_BYTES)));
    const word = f.tmp(load(I32_LOAD, I32, entry, isWrite ? 4 : 0));
    this.#owner.leaveSlowIf(eqz(word));
    this.#owner.leaveCrossingIf(gtU(and(low, 0xfff), limit));
    f.set(host, sub(add(a, word), MOST_BELOW - FLAT_BIAS));
    const window = { base, isWrite, host, first: offset, low: offset, high: offset + n, start, limit };
    this.#windows.push(window);
    return window;
  }
  #freeLocal(): Expr {
    for (const local of this.#locals) if (!this.#windows.some((w) => w.host === local)) return local;
    const local = this.#owner.f.local();
    this.#locals.push(local);
    return local;
  }
  #close(window: Window): void {
    const { f } = this.#owner;
    f.fill(window.start, window.low - window.first);
    f.fill(window.limit, 0x1000 - (window.high - window.low));
  }
}
