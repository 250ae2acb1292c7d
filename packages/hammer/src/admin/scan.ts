// SPDX-License-Identifier: BSD-3-Clause
/**
 * What long maintenance operations share: ranges of a pseudo file system, positions to resume at, limits, progress.
 *
 * Invariants
 *   S1  An operation works element by element; between two of them the flush group may be closed and the cache
 *       trimmed, so it takes any number of groups, and a crash leaves a prefix of them done.
 *   S2  What is done is not done again: an operation repeated, or resumed at the position it reported, goes on.
 * @module
 */
import { type BTree, Cursor } from "../btree/cursor.ts";
import { cmpKey, Key } from "../btree/key.ts";
import type { Engine } from "../transaction.ts";

/** A place in the key space where an operation stopped. Fields as in a B-Tree element. */
export interface ScanPosition {
  localization: number;
  objHi: number;
  objLo: number;
  recType: number;
  keyHi: number;
  keyLo: number;
  tidHi: number;
  tidLo: number;
}

/** How any long operation is run. */
export interface ScanOptions {
  /** Pseudo file system, by default 0. */
  pfs?: number;
  /** Called every so often with the number of elements seen. Returning false stops the operation at a resumable place. */
  progress?: (seen: number) => boolean | void;
  /** Where an earlier run of the same operation stopped. */
  resume?: ScanPosition;
}

/** How any long operation ended. */
export interface ScanOutcome {
  /** Where to resume; null when everything was done. */
  stoppedAt: ScanPosition | null;
}

/** Elements between two calls of the progress function, and two looks at the size of the cache. */
const STEP = 512;

/** The key of a position. */
export function keyOf(p: ScanPosition, k = new Key()): Key {
  k.set(p.localization, p.objHi, p.objLo, p.recType, p.keyHi, p.keyLo);
  return k.setTid(p.tidHi, p.tidLo);
}

/** The position of a key. */
export function positionOf(k: Key): ScanPosition {
  return {
    localization: k.localization, objHi: k.objHi, objLo: k.objLo, recType: k.recType, keyHi: k.keyHi, keyLo: k.keyLo,
    tidHi: k.tidHi, tidLo: k.tidLo,
  };
}

/** First key of localizations of a PFS. */
export function rangeBegin(pfs: number, k = new Key()): Key {
  return k.set(pfs << 16, -2147483648, 0, 0, -2147483648, 0);
}

/** A key behind every element of localizations of a PFS. */
export function rangeEnd(pfs: number, k = new Key()): Key {
  return k.set((pfs << 16) | 0xffff, 0x7fff_ffff, -1, 0xffff, 0x7fff_ffff, -1).setTid(0, 0);
}

const $found = new Key();

/** True if the element at word `at` has exactly this key. */
export function hasKey(w: Int32Array, at: number, key: Key): boolean {
  $found.load(w, at);
  return $found.tidLo === key.tidLo && $found.tidHi === key.tidHi && $found.keyLo === key.keyLo && $found.keyHi === key.keyHi
    && $found.recType === key.recType && $found.objLo === key.objLo && $found.objHi === key.objHi && $found.localization === key.localization;
}

/** Puts the cursor on the element with exactly this key; false if there is none. */
export function seekExactly(cur: Cursor, key: Key): boolean {
  return cur.seek(key) && hasKey(cur.words, cur.at, key);
}

/** Puts the cursor on the first element behind the key, whether there is one with it or not; false at the end of the tree. Throws EIO in a damaged tree. */
export function seekBehind(cur: Cursor, key: Key): boolean {
  if (!cur.seek(key)) return false;
  const order = cmpKey(key, cur.words, cur.at);
  if (order > 0) throw cur.outOfOrder();
  return order === 0 ? cur.next() : true;
}

/** Paces an operation (S1). Owns its cursor, which flushes do not move. */
export class Pace {
  readonly engine: Engine;
  readonly cursor: Cursor;
  readonly #progress: ((seen: number) => boolean | void) | undefined;
  /** Elements seen. */
  seen = 0;
  /** True once the progress function has asked to stop. */
  stopped = false;

  constructor(engine: Engine, tree: BTree, options: ScanOptions) {
    this.engine = engine;
    this.cursor = new Cursor(tree);
    this.#progress = options.progress;
  }

  /**
   * To be called between two elements. Returns true if the cursor has to be positioned again. Throws what a flush
   * throws.
   */
  between(): boolean {
    let moved = false;
    if (this.engine.groupIsFull()) {
      this.engine.flush();
      moved = true;
    }
    if (++this.seen % STEP !== 0) return moved;
    this.engine.cache.trim();
    if (this.#progress?.(this.seen) === false) this.stopped = true;
    return true;
  }

  /** Opens a flush group if none is open; before every modification. Throws EIO after a failed flush. */
  change(): void {
    if (!this.engine.open) this.engine.begin();
  }

  /** Everything done so far becomes durable. */
  finish(): void {
    this.engine.flush();
    this.engine.cache.trim();
  }
}
