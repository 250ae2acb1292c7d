// SPDX-License-Identifier: BSD-3-Clause
/**
 * Flat translation tables: one for each VM space that ran lately, read by generated code on every memory access.
 *
 * A table has 2²⁰ entries {read word, write word}, indexed by va >>> 12. A word is `hostPage − FLAT_BIAS − vaPage`
 * modulo 2³², or 0 where the access is not allowed (layout.ts). Tables are caches: one may be taken from a space at any
 * time between runs, and the space's page tables (or maps) rebuild it by faulting.
 *
 * Each entry with a non-zero word is a member of its host page's reverse map, a doubly linked list threaded through
 * the links area: for node n = slot << 20 | vpn the pair {next, previous} holds node + 1, and 0 ends the list. The
 * first node's `previous` is −(hpn + 1). The two top bits of `next` say more about the entry: LINK_MAY_WRITE and
 * LINK_MAY_FETCH. The processor's slow path finds them by the entry's address, since the links of a table lie as far from
 * linksBase as its entries from tablesBase.
 *
 * Invariants
 *   T1  Every non-zero word names a page inside the RAM window; fill() refuses others (I-BOUND).
 *   T2  An entry is in exactly the list of the page that its words name; an entry with two zero words is in none.
 *   T3  The write word of an entry that names a code page is 0 (memory.ts M2); where writing is allowed nevertheless, the
 *       entry has LINK_MAY_WRITE, and has it nowhere else.
 *   T4  Outside the slices on a slot's touched list the slot's table is all zero. A slice is 1024 entries: 8 KiB of
 *       table, 4 MiB of address space.
 *   T5  Whatever takes reading a code page from an entry renews the table's epoch (memory.ts M3).
 *   T6  An entry that names a code page has LINK_MAY_FETCH: code decoded through one mapping is found by whoever can read it,
 *       so a mapping that may not be executed must not make it readable here.
 * @module
 */
import {
  FLAT_BIAS as FLAT_BIAS_,
  PGMASK as PGMASK_,
  PGSHIFT as PGSHIFT_,
  TABLE_BYTES,
  TABLE_ENTRIES as TABLE_ENTRIES_,
} from "./layout.ts";
import type { MachineMemory } from "./memory.ts";

const FLAT_BIAS = FLAT_BIAS_;
const PGMASK = PGMASK_;
const PGSHIFT = PGSHIFT_;
const TABLE_ENTRIES = TABLE_ENTRIES_;
const TABLE_ENTRIES_SHIFT = 20;

/** In an entry's `next` link: it names a code page, and may write to it. */
export const LINK_MAY_WRITE = 0x8000_0000 | 0;
/** In an entry's `next` link: instructions may be fetched through it. */
const LINK_MAY_FETCH = 0x4000_0000;
const LINK_FLAGS = LINK_MAY_WRITE | LINK_MAY_FETCH;
const LINK_NODE = ~LINK_FLAGS;

const SLICE_SHIFT = 10;
const SLICES = TABLE_ENTRIES >>> SLICE_SHIFT;

/** The tables of one machine. Create one for each MachineMemory, and let every space take its table from it. */
export class Translation {
  readonly memory: MachineMemory;
  readonly #i32: Int32Array;
  readonly #codePages: Uint8Array;
  readonly #ramBase: number;
  readonly #ramEnd: number;
  /** Index of table 0's first word in #i32, and of the first link pair. */
  readonly #tables32: number;
  readonly #links32: number;
  /** First node + 1 of each host page's list. */
  readonly #head: Int32Array;
  readonly #owner: (SpaceTable | null)[];
  readonly #lastUse: Float64Array;
  readonly #touched: Uint8Array;
  readonly #touchedList: Uint16Array;
  readonly #touchedCount: Int32Array;
  #clock = 0;
  /** How many tables were taken from one space for another. */
  evictions = 0;

  constructor(memory: MachineMemory) {
    const { layout } = memory;
    this.memory = memory;
    this.#i32 = memory.i32;
    this.#codePages = memory.codePages;
    this.#ramBase = layout.ramBase;
    this.#ramEnd = layout.ramBase + layout.ramBytes;
    this.#tables32 = layout.tablesBase / 4;
    this.#links32 = layout.linksBase / 4;
    this.#head = new Int32Array(memory.npages);
    this.#owner = new Array<SpaceTable | null>(layout.spaces).fill(null);
    this.#lastUse = new Float64Array(layout.spaces);
    this.#touched = new Uint8Array(layout.spaces * SLICES);
    this.#touchedList = new Uint16Array(layout.spaces * SLICES);
    this.#touchedCount = new Int32Array(layout.spaces);
    memory.onProtect((hpn, isCode) => {
      if (isCode) this.#protect(hpn);
      else this.#unprotect(hpn);
    });
  }

  /** A handle on a table that is given out when it is first needed. */
  createTable(): SpaceTable {
    return new SpaceTable(this);
  }

  /**
   * Takes a slot for `owner`: a free one, or the one used longest ago, whose owner loses it.
   * For SpaceTable only. Returns the slot; its table is empty.
   */
  acquire(owner: SpaceTable): number {
    let slot = 0;
    let oldest = Infinity;
    for (let i = 0; i < this.#owner.length; i++) {
      const use = this.#owner[i] === null ? -1 : this.#lastUse[i]!;
      if (use < oldest) {
        oldest = use;
        slot = i;
      }
    }
    const loser = this.#owner[slot];
    if (loser) {
      this.evictions++;
      loser.release();
    }
    this.#owner[slot] = owner;
    return slot;
  }

  /** Gives a slot back, emptied. For SpaceTable only. */
  free(slot: number): void {
    this.wipe(slot);
    this.#owner[slot] = null;
  }

  /** Marks a slot as just used. */
  touch(slot: number): void {
    this.#lastUse[slot] = ++this.#clock;
  }

  tableAddress(slot: number): number {
    return (this.#tables32 + slot * (TABLE_BYTES / 4)) * 4;
  }

  /**
   * Sets the entry of `va` to exactly the given rights on `hostPage` (a page-aligned host address). `fetch` adds the right to
   * fetch instructions; without it an entry keeps what it had, and a code page is left out (T6). Throws RangeError when the
   * page is not a page of RAM (T1): that is a defect of the caller.
   */
  fill(slot: number, va: number, hostPage: number, read: boolean, write: boolean, fetch: boolean): void {
    if (hostPage < this.#ramBase || hostPage >= this.#ramEnd || (hostPage & PGMASK) !== 0) {
      throw new RangeError(`I-BOUND: host page 0x${hostPage.toString(16)} is not a page of RAM`);
    }
    const i32 = this.#i32;
    const vpn = va >>> PGSHIFT;
    const at = this.#tables32 + slot * (TABLE_BYTES / 4) + vpn * 2;
    const link = this.#links32 + slot * (TABLE_BYTES / 4) + vpn * 2;
    const hpn = (hostPage - this.#ramBase) >>> PGSHIFT;
    const word = (hostPage - FLAT_BIAS - (va & ~PGMASK)) | 0;
    const old = i32[at]! | i32[at + 1]!;
    const same = old !== 0 && (i32[at] !== 0 ? i32[at] : i32[at + 1]) === word;
    const isCode = this.#codePages[hpn] !== 0;
    const mayFetch = fetch || (same && (i32[link]! & LINK_MAY_FETCH) !== 0);
    const readWord = read && (!isCode || mayFetch) ? word : 0;
    const writeWord = write && !isCode ? word : 0;
    const flags =
      (mayFetch ? LINK_MAY_FETCH : 0) | (isCode && write && readWord !== 0 ? LINK_MAY_WRITE : 0);
    if (same && (readWord | writeWord) !== 0) {
      i32[at] = readWord;
      i32[at + 1] = writeWord;
      i32[link] = (i32[link]! & LINK_NODE) | flags;
      return;
    }
    if (old !== 0) this.#clear(slot, vpn, at);
    if ((readWord | writeWord) === 0) return;
    i32[at] = readWord;
    i32[at + 1] = writeWord;
    this.#link(slot * TABLE_ENTRIES + vpn, hpn);
    i32[link]! |= flags;
    const slice = slot * SLICES + (vpn >>> SLICE_SHIFT);
    if (this.#touched[slice] === 0) {
      this.#touched[slice] = 1;
      this.#touchedList[slot * SLICES + this.#touchedCount[slot]!] = vpn >>> SLICE_SHIFT;
      this.#touchedCount[slot]!++;
    }
  }

  /** Adds the right to fetch to the entry of `va`, when there is one. */
  allowFetch(slot: number, va: number): void {
    const i32 = this.#i32;
    const entry = slot * (TABLE_BYTES / 4) + (va >>> PGSHIFT) * 2;
    const at = this.#tables32 + entry;
    if ((i32[at]! | i32[at + 1]!) !== 0) i32[this.#links32 + entry]! |= LINK_MAY_FETCH;
  }

  /** Empties the entries of every page that [va, va + length) touches. `length` up to 2³². */
  invalidate(slot: number, va: number, length: number): void {
    this.#forRange(slot, va, length, false);
  }

  /** Removes write permission only, over the pages that [va, va + length) touches. */
  withdrawWriteRange(slot: number, va: number, length: number): void {
    this.#forRange(slot, va, length, true);
  }

  /** Empties the whole table; costs only the slices in use. */
  wipe(slot: number): void {
    const list = slot * SLICES;
    const count = this.#touchedCount[slot]!;
    for (let i = 0; i < count; i++) {
      const slice = this.#touchedList[list + i]!;
      this.#clearRun(slot, slice << SLICE_SHIFT, (slice + 1) << SLICE_SHIFT, false);
      this.#touched[list + slice] = 0;
    }
    this.#touchedCount[slot] = 0;
  }

  /** A host page becomes a code page: no entry may write to it, and only those that may fetch from it still read it. */
  #protect(hpn: number): void {
    const i32 = this.#i32;
    for (let node = this.#head[hpn]! - 1; node >= 0;) {
      const link = this.#links32 + node * 2;
      const next = (i32[link]! & LINK_NODE) - 1;
      const at = this.#tables32 + node * 2;
      if ((i32[link]! & LINK_MAY_FETCH) === 0) i32[at] = 0;
      if (i32[at] === 0) this.#unlink(node);
      else if (i32[at + 1] !== 0) i32[link]! |= LINK_MAY_WRITE;
      i32[at + 1] = 0;
      node = next;
    }
  }

  /** A code page becomes an ordinary one: who might write to it may do so at speed. */
  #unprotect(hpn: number): void {
    const i32 = this.#i32;
    for (let node = this.#head[hpn]! - 1; node >= 0;) {
      const link = this.#links32 + node * 2;
      const at = this.#tables32 + node * 2;
      if ((i32[link]! & LINK_MAY_WRITE) !== 0) {
        i32[at + 1] = i32[at]!;
        i32[link]! &= ~LINK_MAY_WRITE;
      }
      node = (i32[link]! & LINK_NODE) - 1;
    }
  }

  /** Removes a host page from every table: its contents or its owner is about to change. */
  removeHostPage(hpn: number): void {
    const i32 = this.#i32;
    for (let node = this.#head[hpn]! - 1; node >= 0;) {
      const link = this.#links32 + node * 2;
      const next = (i32[link]! & LINK_NODE) - 1;
      const at = this.#tables32 + node * 2;
      i32[link] = 0;
      if (i32[at] !== 0 && this.#codePages[hpn] !== 0) this.memory.renewEpoch(node >>> TABLE_ENTRIES_SHIFT);
      i32[at] = 0;
      i32[at + 1] = 0;
      node = next;
    }
    this.#head[hpn] = 0;
  }

  /** How many table entries of all spaces name host page `hpn`. For tests and diagnostics. */
  countAliases(hpn: number): number {
    const i32 = this.#i32;
    let count = 0;
    for (let node = this.#head[hpn]! - 1; node >= 0; count++)
      node = (i32[this.#links32 + node * 2]! & LINK_NODE) - 1;
    return count;
  }

  #forRange(slot: number, va: number, length: number, writeOnly: boolean): void {
    if (length <= 0) return;
    const first = va >>> PGSHIFT;
    const end = Math.min(TABLE_ENTRIES, Math.floor(((va >>> 0) + length - 1) / (PGMASK + 1)) + 1);
    for (let vpn = first; vpn < end;) {
      const sliceEnd = Math.min(end, ((vpn >>> SLICE_SHIFT) + 1) << SLICE_SHIFT);
      if (this.#touched[slot * SLICES + (vpn >>> SLICE_SHIFT)] !== 0)
        this.#clearRun(slot, vpn, sliceEnd, writeOnly);
      vpn = sliceEnd;
    }
  }

  #clearRun(slot: number, first: number, end: number, writeOnly: boolean): void {
    const i32 = this.#i32;
    const table = this.#tables32 + slot * (TABLE_BYTES / 4);
    const links = this.#links32 + slot * (TABLE_BYTES / 4);
    for (let vpn = first; vpn < end; vpn++) {
      const at = table + vpn * 2;
      if (i32[at] === 0 && i32[at + 1] === 0) continue;
      if (writeOnly && i32[at] !== 0) {
        i32[at + 1] = 0;
        i32[links + vpn * 2]! &= ~LINK_MAY_WRITE;
      } else this.#clear(slot, vpn, at);
    }
  }

  #clear(slot: number, vpn: number, at: number): void {
    const word = this.#i32[at]!;
    if (word !== 0) {
      const hpn = ((word + FLAT_BIAS + (vpn << PGSHIFT) - this.#ramBase) | 0) >>> PGSHIFT;
      if (this.#codePages[hpn] !== 0) this.memory.renewEpoch(slot);
    }
    this.#unlink(slot * TABLE_ENTRIES + vpn);
    this.#i32[at] = 0;
    this.#i32[at + 1] = 0;
  }

  #link(node: number, hpn: number): void {
    const i32 = this.#i32;
    const at = this.#links32 + node * 2;
    const first = this.#head[hpn]!;
    i32[at] = first;
    i32[at + 1] = -1 - hpn;
    if (first !== 0) i32[this.#links32 + (first - 1) * 2 + 1] = node + 1;
    this.#head[hpn] = node + 1;
  }

  #unlink(node: number): void {
    const i32 = this.#i32;
    const at = this.#links32 + node * 2;
    const next = i32[at]! & LINK_NODE;
    i32[at] = 0;
    const previous = i32[at + 1]!;
    if (previous < 0) this.#head[-1 - previous] = next;
    else {
      const before = this.#links32 + (previous - 1) * 2;
      i32[before] = (i32[before]! & LINK_FLAGS) | next;
    }
    if (next !== 0) i32[this.#links32 + (next - 1) * 2 + 1] = previous;
  }
}

/**
 * A space's hold on a translation table. The table itself is lent when `address` is read (at run entry) and may be
 * lost to another space afterwards; the methods below then do nothing, since there is nothing cached.
 */
export class SpaceTable {
  readonly #translation: Translation;
  #slot = -1;

  constructor(translation: Translation) {
    this.#translation = translation;
  }

  /** Linear-memory address of the table, taking one if this space has none. */
  get address(): number {
    if (this.#slot < 0) this.#slot = this.#translation.acquire(this);
    this.#translation.touch(this.#slot);
    return this.#translation.tableAddress(this.#slot);
  }

  /** Whether the space has a table at the moment. */
  get resident(): boolean {
    return this.#slot >= 0;
  }

  /** Translation.fill() when resident. */
  fill(va: number, hostPage: number, read: boolean, write: boolean, fetch: boolean): void {
    if (this.#slot >= 0) this.#translation.fill(this.#slot, va, hostPage, read, write, fetch);
  }

  /** Translation.allowFetch() when resident. */
  allowFetch(va: number): void {
    if (this.#slot >= 0) this.#translation.allowFetch(this.#slot, va);
  }

  /** Translation.invalidate() when resident. */
  invalidate(va: number, length: number): void {
    if (this.#slot >= 0) this.#translation.invalidate(this.#slot, va, length);
  }

  /** Translation.withdrawWriteRange() when resident. */
  withdrawWrite(va: number, length: number): void {
    if (this.#slot >= 0) this.#translation.withdrawWriteRange(this.#slot, va, length);
  }

  /** Empties the table and keeps it. */
  wipe(): void {
    if (this.#slot >= 0) this.#translation.wipe(this.#slot);
  }

  /** Empties the table and gives it back. */
  release(): void {
    if (this.#slot < 0) return;
    this.#translation.free(this.#slot);
    this.#slot = -1;
  }
}
