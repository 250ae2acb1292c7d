// SPDX-License-Identifier: BSD-3-Clause
/**
 * Physical pages: who holds each, and which are free. A page has no object of its own; it is a number, and what is known
 * about it lies in arrays indexed by that number.
 *
 * Invariants
 *   PG1  refs[pn] = 0 exactly for free pages. An anonymous page has one reference for each page table entry that names it, a
 *        page table one for each directory entry that names it, an object's page one for the object and one for each
 *        page table entry.
 *   PG2  objectOf[pn] is the object that holds the page, null for anonymous pages, page tables and free pages.
 *   PG3  free + held = total at every moment between two kernel operations (I-PAGES).
 *   PG4  Page 0 is never given out, so frame 0 in a page table entry means "no page".
 *   PG5  Numbers behind the last page's are slots of swap space, of which only `refs` is kept here (SW2).
 * @module
 */
import type { PhysMem } from "./physmem.ts";

/** What holds pages under page indices: a VmObject. */
export interface PageOwner {
  /** What its pages are read from; null for memory that is nowhere else. */
  readonly pager: object | null;
  /** Gives page `pindex` up if that loses nothing; returns whether it did. */
  reclaimPage(pindex: number): boolean;
  /** Page `pn` of this owner has been modified through a mapping. */
  markDirty(pn: number): void;
}

/** pages.flags: the page differs from what its pager holds. */
export const PG_DIRTY = 1;
/** pages.flags: the kernel uses the page's address at the moment; it stays. */
export const PG_HELD = 2;

export class VmPages {
  readonly total: number;
  /** Replaced by a longer one when swap space is added. */
  refs: Int32Array;
  readonly flags: Uint8Array;
  readonly objectOf: (PageOwner | null)[];
  /** Page index within objectOf[pn]. */
  readonly pindexOf: Uint32Array;
  readonly #phys: PhysMem;
  readonly #free: Int32Array;
  #freeCount = 0;
  /** Pages from here on were never given out and are still all zero. */
  #fresh = 1;
  /** Asked for pages when none is left; returns whether it freed any. Set by VmSystem. */
  reclaim: () => boolean = () => false;
  /** Told when the last reference of a slot of swap space is gone. Set by VmSystem. */
  slotFreed: (slot: number) => void = () => {};
  readonly #npages: number;

  constructor(phys: PhysMem) {
    const npages = phys.npages;
    this.#phys = phys;
    this.#npages = npages;
    this.total = npages - 1;
    this.refs = new Int32Array(npages);
    this.flags = new Uint8Array(npages);
    this.objectOf = new Array<PageOwner | null>(npages).fill(null);
    this.pindexOf = new Uint32Array(npages);
    this.#free = new Int32Array(npages);
    this.refs[0] = 1;
  }

  get freeCount(): number {
    return this.#freeCount + this.#npages - this.#fresh;
  }

  /** Pages that were ever in use: the most memory that was needed at one time, roughly. */
  get touchedCount(): number {
    return this.#fresh - 1;
  }

  /** Pages that objects hold: of files, and of shared memory. Looks at all pages. */
  objectPages(): { file: number; memory: number } {
    let [file, memory] = [0, 0];
    for (let pn = 1; pn < this.#fresh; pn++) {
      const owner = this.objectOf[pn];
      if (owner === null || owner === undefined) continue;
      if (owner.pager === null) memory++;
      else file++;
    }
    return { file, memory };
  }

  /** A page with one reference and unspecified contents, or 0 when memory is exhausted. The caller overwrites all of it. */
  alloc(): number {
    if (this.#freeCount === 0) {
      if (this.#fresh < this.#npages) {
        const fresh = this.#fresh++;
        this.refs[fresh] = 1;
        return fresh;
      }
      if (!this.reclaim()) return 0;
    }
    const pn = this.#free[--this.#freeCount]!;
    this.refs[pn] = 1;
    return pn;
  }

  /** A page of zeros with one reference, or 0. */
  allocZeroed(): number {
    if (this.#freeCount === 0 && this.#fresh < this.#npages) {
      const fresh = this.#fresh++;
      this.refs[fresh] = 1;
      return fresh;
    }
    const pn = this.alloc();
    if (pn !== 0) this.#phys.zeroPage(pn);
    return pn;
  }

  /** Drops one reference of an anonymous page, page table or slot; the last one frees it. */
  drop(pn: number): void {
    const left = --this.refs[pn]!;
    if (left === 0) {
      if (pn < this.#npages) this.#free[this.#freeCount++] = pn;
      else this.slotFreed(pn);
    } else if (left < 0) throw new Error(`I-REF: page ${pn} was released twice`);
  }

  /** Makes `refs` count for numbers below `numbers`. */
  extend(numbers: number): void {
    if (numbers <= this.refs.length) return;
    const longer = new Int32Array(numbers);
    longer.set(this.refs);
    this.refs = longer;
  }

  /** Frees an object's page that no page table names any more. */
  freeObjectPage(pn: number): void {
    if (this.refs[pn] !== 1)
      throw new Error(`I-REF: object page ${pn} freed with ${this.refs[pn]} references`);
    this.objectOf[pn] = null;
    this.flags[pn] = 0;
    this.drop(pn);
  }
}
