// SPDX-License-Identifier: BSD-3-Clause
/**
 * VM objects: pages under page indices, backed by a file through a Pager or by nothing (shared anonymous memory).
 *
 * Invariants
 *   OB1  A resident page is the truth for its range of the file: read(2), write(2) and every mapping see it (object-io.ts).
 *   OB2  `mappings` holds every map entry that may have entered pages of this object in page tables.
 *   OB3  PG_DIRTY is set no later than the last page table entry that carried M for the page goes away.
 *   OB4  An object with modified pages is in sys.dirtyObjects and keeps its pager until they are written back.
 *   OB5  Swap space holds pages of objects without a pager only, under indices that are not resident; such an object has one
 *        reference on each of these slots (SW2) and is in sys.swappedObjects while it has any.
 *
 * Counterpart: DragonFly 2.0 sys/vm/vm_object.c, vnode_pager.c.
 * @module
 */
import { Errno } from "../sys/errno.ts";
import { PAGE_MASK, PAGE_SIZE } from "../sys/mman.ts";
import { IoMiss } from "../sys/wait.ts";
import { PG_DIRTY, type PageOwner } from "./page.ts";
import type { SwapArea } from "./swap.ts";
import type { DirtyObject, VmSystem } from "./system.ts";

/** The file behind an object. Offsets and sizes are bytes. */
export interface Pager {
  /** Current size of the file. */
  size(): number;
  /** Reads up to `len` bytes at `offset` into buf[bufOff…]; returns the count, short at the end. Throws IoMiss, Errno. */
  pageIn(offset: number, buf: Uint8Array, bufOff: number, len: number): number;
  /** Writes `len` bytes, all inside the file. Throws IoMiss while nothing is modified, Errno. */
  pageOut(offset: number, buf: Uint8Array, bufOff: number, len: number): void;
  /** The object came into use (first mapping): hold the file. */
  retain(): void;
  /** The object has no mapping and no modified page any more. */
  release(): void;
}

/** A map entry, as seen by the object that it maps. Page indices count from the object's start. */
export interface ObjectMapping {
  /** Whether stores reach the object, and the most that the mapping may be allowed. */
  readonly shared: boolean;
  readonly maxProt: number;
  /** Pages that it maps stay in memory. */
  readonly wired: number;
  /** Removes what page tables hold for pages [first, first + count), private copies included if `copies`. */
  unmapObjectPages(first: number, count: number, copies: boolean): void;
  /** Moves M marks of these pages into PG_DIRTY. */
  collectModified(first: number, count: number): void;
}

/** page() result: the index lies beyond the end of the object. */
export const PAGE_BEYOND = -1;

const CLUSTER_PAGES = 16;

export class VmObject implements PageOwner, DirtyObject {
  readonly sys: VmSystem;
  /** Unique in this system; part of futex keys. */
  readonly id: number;
  readonly pager: Pager | null;
  readonly mappings = new Set<ObjectMapping>();
  /** Told after a mapping has gone: whoever counts attachments. */
  detached: (() => void) | null = null;
  /** Its pages stay in memory whoever maps them: SHM_LOCK. */
  wired = false;
  readonly #pages = new Map<number, number>();
  readonly #slots = new Map<number, number>();
  readonly #size: number;
  #refs = 0;
  #retained = false;

  private constructor(sys: VmSystem, pager: Pager | null, size: number) {
    this.sys = sys;
    this.id = sys.nextSerial();
    this.pager = pager;
    this.#size = size;
  }

  static forPager(sys: VmSystem, pager: Pager): VmObject {
    return new VmObject(sys, pager, 0);
  }

  /** Zero-filled memory of `size` bytes without a file: shared anonymous mappings, SysV segments. */
  static anonymous(sys: VmSystem, size: number): VmObject {
    return new VmObject(sys, null, size);
  }

  get size(): number {
    return this.pager === null ? this.#size : this.pager.size();
  }

  get residentCount(): number {
    return this.#pages.size;
  }

  /** Takes a reference for a mapping or another holder. */
  ref(): void {
    if (this.#refs++ === 0 && !this.#retained) {
      this.#retained = true;
      this.pager?.retain();
    }
  }

  /** Drops a reference. Anonymous memory without a holder is freed; a file's pages stay cached. */
  unref(): void {
    if (--this.#refs > 0) return;
    if (this.#refs < 0) throw new Error(`I-REF: object ${this.id} was released twice`);
    if (this.pager === null) {
      this.#freePages();
      this.#freeSlots();
    } else this.#releasePager();
  }

  /** Lets the pager go once nothing is left to write; OB4. */
  #releasePager(): void {
    if (this.#refs !== 0 || !this.#retained) return;
    try {
      this.clean();
    } catch (e) {
      // Not now: the object stays on sys.dirtyObjects, and vmSync() finishes this.
      if (e instanceof IoMiss) return;
      throw e;
    }
    // Cleaning the last page has come by here already.
    if (!this.#retained) return;
    this.#retained = false;
    this.pager!.release();
  }

  /** The page at `pindex` if it is resident, else 0. */
  resident(pindex: number): number {
    return this.#pages.get(pindex) ?? 0;
  }

  /** Whether the page at `pindex` is in swap space. */
  swapped(pindex: number): boolean {
    return this.#slots.has(pindex);
  }

  /** Slots of swap space that hold its pages. */
  slots(): Iterable<number> {
    return this.#slots.values();
  }

  get swappedCount(): number {
    return this.#slots.size;
  }

  /**
   * The page at `pindex`, brought in if needed; 0 when memory is exhausted, PAGE_BEYOND past the end. Throws IoMiss, and
   * Errno when the file or the swap space cannot be read.
   */
  page(pindex: number): number {
    const held = this.#pages.get(pindex);
    if (held !== undefined) return held;
    if (pindex * PAGE_SIZE >= this.size) return PAGE_BEYOND;
    if (this.pager !== null) return this.#pageIn(pindex, this.pager);
    const slot = this.#slots.get(pindex);
    return slot === undefined ? this.#addPage(pindex, this.sys.pages.allocZeroed()) : this.#swapIn(pindex, slot);
  }

  /** Brings a page back from swap space; 0 when memory is exhausted. Throws Errno. */
  #swapIn(pindex: number, slot: number): number {
    const { pages, swap } = this.sys;
    const pn = pages.alloc();
    if (pn === 0) return 0;
    try {
      swap.get(slot, pn);
    } catch (e) {
      pages.drop(pn);
      throw e;
    }
    this.sys.pageIns++;
    this.#slots.delete(pindex);
    if (this.#slots.size === 0) this.sys.swappedObjects.delete(this);
    pages.drop(slot);
    return this.#addPage(pindex, pn);
  }

  /** Brings back all that is in an area of swap space. False, with a part done, when memory is exhausted. Throws Errno. */
  swapInArea(area: SwapArea): boolean {
    const end = area.first + area.pages;
    for (const [pindex, slot] of [...this.#slots]) {
      // Making room for a page may move others out again, to other areas.
      if (slot >= area.first && slot < end && this.#slots.get(pindex) === slot && this.#swapIn(pindex, slot) === 0) return false;
    }
    return true;
  }

  /** Writes a page that has no file to swap space and frees it; false when it has to stay. */
  #swapOut(pindex: number, pn: number): boolean {
    const { pages, swap } = this.sys;
    if (this.wired || !swap.hasRoom) return false;
    for (const mapping of this.mappings) if (mapping.wired !== 0) return false;
    if (pages.refs[pn] !== 1) for (const mapping of this.mappings) mapping.unmapObjectPages(pindex, 1, false);
    // A fault in progress holds it.
    if (pages.refs[pn] !== 1) return false;
    const slot = swap.put(pn);
    if (slot === 0) return false;
    this.#slots.set(pindex, slot);
    this.sys.swappedObjects.add(this);
    this.#pages.delete(pindex);
    pages.freeObjectPage(pn);
    return true;
  }

  #addPage(pindex: number, pn: number): number {
    if (pn === 0) return 0;
    const pages = this.sys.pages;
    pages.objectOf[pn] = this;
    pages.pindexOf[pn] = pindex;
    pages.flags[pn] = 0;
    this.#pages.set(pindex, pn);
    return pn;
  }

  /** Reads the aligned cluster around `pindex` in one call and keeps those of its pages that were not resident. */
  #pageIn(pindex: number, pager: Pager): number {
    const { phys, pages, $scratchCluster: scratch } = this.sys;
    let first = pindex - (pindex % CLUSTER_PAGES);
    let count = CLUSTER_PAGES;
    if (pages.freeCount < 2 * CLUSTER_PAGES) {
      first = pindex;
      count = 1;
    }
    const got = pager.pageIn(first * PAGE_SIZE, scratch, 0, count * PAGE_SIZE);
    scratch.fill(0, got, (got + PAGE_MASK) & ~PAGE_MASK);
    this.sys.pageIns++;
    const end = first + Math.ceil(got / PAGE_SIZE);
    for (let index = first; index < Math.max(end, pindex + 1); index++) {
      if (this.#pages.has(index)) continue;
      const pn = pages.alloc();
      if (pn === 0) break;
      const from = (index - first) * PAGE_SIZE;
      if (from < got) phys.u8.set(scratch.subarray(from, from + PAGE_SIZE), pn * PAGE_SIZE);
      else phys.u8.fill(0, pn * PAGE_SIZE, (pn + 1) * PAGE_SIZE);
      phys.written(pn * PAGE_SIZE, PAGE_SIZE);
      this.#addPage(index, pn);
    }
    return this.#pages.get(pindex) ?? 0;
  }

  /** Marks a resident page modified. */
  markDirty(pn: number): void {
    this.sys.pages.flags[pn]! |= PG_DIRTY;
    if (this.pager !== null) this.sys.dirtyObjects.add(this);
  }

  /** Writes modified pages back to the file. Throws IoMiss (call again) or Errno; what was written stays written. */
  clean(): void {
    this.cleanRange(0, Infinity);
  }

  /** clean() for the pages [first, end). */
  cleanRange(first: number, end: number): void {
    const pager = this.pager;
    if (pager === null) return;
    const { phys, pages } = this.sys;
    for (const mapping of this.mappings) mapping.collectModified(first, end - first);
    if (!this.sys.dirtyObjects.has(this)) return;
    const size = pager.size();
    let left = false;
    for (const [pindex, pn] of this.#pages) {
      if ((pages.flags[pn]! & PG_DIRTY) === 0) continue;
      if (pindex < first || pindex >= end) {
        left = true;
        continue;
      }
      const len = Math.min(PAGE_SIZE, size - pindex * PAGE_SIZE);
      if (len > 0) pager.pageOut(pindex * PAGE_SIZE, phys.u8, pn * PAGE_SIZE, len);
      pages.flags[pn]! &= ~PG_DIRTY;
    }
    if (!left) {
      this.sys.dirtyObjects.delete(this);
      this.#releasePager();
    }
  }

  /**
   * The file is now `size` bytes long: drops the pages behind it, removes them from every mapping (private copies
   * included, as truncation demands) and zeroes the rest of the last page.
   */
  truncate(size: number): void {
    const { phys, pages } = this.sys;
    const firstGone = Math.ceil(size / PAGE_SIZE);
    for (const mapping of this.mappings) mapping.unmapObjectPages(firstGone, Infinity, true);
    for (const [pindex, pn] of this.#pages) {
      if (pindex < firstGone) continue;
      this.#pages.delete(pindex);
      pages.freeObjectPage(pn);
    }
    const tail = size % PAGE_SIZE;
    const last = tail === 0 ? 0 : this.resident(firstGone - 1);
    if (last !== 0) {
      phys.u8.fill(0, last * PAGE_SIZE + tail, (last + 1) * PAGE_SIZE);
      phys.written(last * PAGE_SIZE + tail, PAGE_SIZE - tail);
    }
  }

  reclaimPage(pindex: number): boolean {
    const pages = this.sys.pages;
    const pn = this.#pages.get(pindex)!;
    if (this.pager === null) return this.#swapOut(pindex, pn);
    for (const mapping of this.mappings) if (mapping.wired !== 0) return false;
    for (const mapping of this.mappings) mapping.collectModified(pindex, 1);
    if ((pages.flags[pn]! & PG_DIRTY) !== 0) {
      try {
        this.cleanRange(pindex, pindex + 1);
      } catch (e) {
        // The page cannot be written back at this moment, or its file system has no room for it; another one has to go.
        if (e instanceof IoMiss || e instanceof Errno) return false;
        throw e;
      }
    }
    if (pages.refs[pn] !== 1) for (const mapping of this.mappings) mapping.unmapObjectPages(pindex, 1, false);
    // A fault in progress holds it.
    if (pages.refs[pn] !== 1) return false;
    this.#pages.delete(pindex);
    pages.freeObjectPage(pn);
    return true;
  }

  #freePages(): void {
    for (const pn of this.#pages.values()) this.sys.pages.freeObjectPage(pn);
    this.#pages.clear();
  }

  #freeSlots(): void {
    for (const slot of this.#slots.values()) this.sys.pages.drop(slot);
    this.#slots.clear();
    this.sys.swappedObjects.delete(this);
  }

  /**
   * The file goes away or is forgotten (its vnode becomes inactive): writes back and frees all pages. The object has no
   * mapping any more. Throws IoMiss or Errno with nothing lost.
   */
  terminate(): void {
    this.clean();
    this.#freePages();
  }
}
