// SPDX-License-Identifier: BSD-3-Clause
/**
 * Anonymous pages on their way to swap space and back. A hand goes round through the private and the shared anonymous mappings of all
 * address spaces; a page that was used since it last came by gets a second chance.
 *
 * Invariants
 *   PO1  Of private pages only those go out that one page table names (refs 1): others would have to be found in all their tables.
 *        Shared ones leave all tables, which their object knows; in tables that the hand has not come to yet they may look used.
 *   PO2  What a table has lost, or is to be marked as used again, is invalidated in every space that shares the table before anything runs.
 *
 * Counterpart: DragonFly 2.0 sys/vm/vm_pageout.c.
 * @module
 */
import { UNWIRED } from "./map-entry.ts";
import type { VmObject } from "./object.ts";
import { PG_HELD } from "./page.ts";
import { pmapOwnPte, pmapPteIndex, pteBits, VPTE_A, VPTE_M, VPTE_MANAGED, VPTE_U, VPTE_V } from "./pmap.ts";
import type { SwapArea } from "./swap.ts";
import type { VmSystem } from "./system.ts";
import type { Vmspace } from "./vmspace.ts";

const PAGE_SIZE = 4096;
const TABLE_SPAN = 0x40_0000;
/** Rounds of the hand in one go: the first may find all pages used. */
const ROUNDS = 2;

/** Whether an entry names a slot of swap space. */
export function isSwapped(pte: number): boolean {
  return (pte & VPTE_V) === 0 && pte >>> 12 !== 0;
}

export class PageOut {
  readonly #sys: VmSystem;
  /** The hand: a space, and the address to go on at. */
  #space: Vmspace | null = null;
  #va = 0;

  constructor(sys: VmSystem) {
    this.#sys = sys;
  }

  /** Writes up to `want` pages out and frees them; returns how many. A page that the disk refuses ends it. */
  run(want: number): number {
    const { spaces, swap } = this.#sys;
    let freed = 0;
    for (let left = spaces.size * ROUNDS + 1; left > 0 && freed < want && swap.hasRoom; left--) {
      if (this.#space === null || !spaces.has(this.#space)) this.#next();
      freed += this.#sweep(this.#space!, want - freed);
      if (freed < want) this.#next();
    }
    return freed;
  }

  /** On to the space after the present one. */
  #next(): void {
    let take = this.#space === null || !this.#sys.spaces.has(this.#space);
    let first: Vmspace | null = null;
    this.#va = 0;
    for (const vm of this.#sys.spaces) {
      first ??= vm;
      if (take) {
        this.#space = vm;
        return;
      }
      take = vm === this.#space;
    }
    this.#space = first;
  }

  /** The rest of one space. */
  #sweep(vm: Vmspace, want: number): number {
    let freed = 0;
    const { entries } = vm.map;
    for (let i = vm.map.indexAt(this.#va); i < entries.length && freed < want; i++) {
      const entry = entries[i]!;
      if (entry.wired !== UNWIRED || (entry.shared && entry.object!.pager !== null)) continue;
      const object = entry.shared ? entry.object : null;
      for (let va = Math.max(this.#va, entry.start); va < entry.end && freed < want; ) {
        const end = Math.min(entry.end, (Math.floor(va / TABLE_SPAN) + 1) * TABLE_SPAN);
        freed += this.#sweepTable(vm, va, end, want - freed, object);
        va = this.#va;
      }
    }
    return freed;
  }

  /** [va, end), which lies in one page table and shows the pages of `object`, or private ones; leaves the hand where it stopped. */
  #sweepTable(vm: Vmspace, va: number, end: number, want: number, object: VmObject | null): number {
    const { pages, phys, swap, spaces, host } = this.#sys;
    const { u32 } = phys;
    const slot = va >>> 22;
    const table = u32[vm.pmap.pdirWord + slot]! >>> 12;
    this.#va = end;
    if (table === 0) return 0;
    const sharers = pages.refs[table] === 1 ? [vm] : [...spaces].filter((s) => u32[s.pmap.pdirWord + slot]! >>> 12 === table);
    if (sharers.some((s) => s !== vm && s.hasWired)) return 0;
    const kind = object === null ? VPTE_V : VPTE_V | VPTE_MANAGED;
    let freed = 0;
    let changed = false;
    try {
      for (let at = pmapPteIndex(vm.pmap, va); va < end; va += PAGE_SIZE, at++) {
        if (freed >= want) {
          this.#va = va;
          break;
        }
        const pte = u32[at]!;
        if ((pte & (VPTE_V | VPTE_MANAGED)) !== kind || pte >>> 12 === 0) continue;
        if ((object === null && pages.refs[pte >>> 12] !== 1) || (pages.flags[pte >>> 12]! & PG_HELD) !== 0) continue;
        changed = true;
        if ((pte & VPTE_A) !== 0) {
          u32[at] = pte & ~VPTE_A;
          continue;
        }
        if (object !== null) {
          if (object.reclaimPage(pages.pindexOf[pte >>> 12]!)) freed++;
          continue;
        }
        const to = swap.put(pte >>> 12);
        if (to === 0) break;
        u32[at] = (to << 12) | VPTE_U;
        pages.drop(pte >>> 12);
        freed++;
      }
    } finally {
      if (changed) for (const s of sharers) host.inval(s.pmap.id, slot * TABLE_SPAN, TABLE_SPAN);
    }
    return freed;
  }

  /** Brings all pages of an area back, which takes none meanwhile. False, with a part done, when memory is exhausted. Throws Errno. */
  empty(area: SwapArea): boolean {
    area.closing = true;
    try {
      for (const object of [...this.#sys.swappedObjects]) if (!object.swapInArea(area)) return false;
      for (const vm of this.#sys.spaces) if (area.used > 0 && !this.#emptySpace(vm, area)) return false;
      return true;
    } finally {
      area.closing = false;
    }
  }
  #emptySpace(vm: Vmspace, area: SwapArea): boolean {
    const { u32 } = this.#sys.phys;
    for (const entry of vm.map.entries) {
      for (let va = entry.start; va < entry.end; va += PAGE_SIZE) {
        const at = pmapPteIndex(vm.pmap, va);
        if (at === 0) {
          va = (Math.floor(va / TABLE_SPAN) + 1) * TABLE_SPAN - PAGE_SIZE;
          continue;
        }
        const slot = u32[at]! >>> 12;
        if (!isSwapped(u32[at]!) || slot < area.first || slot >= area.first + area.pages) continue;
        if (!swapIn(vm, va, entry.prot)) return false;
      }
    }
    return true;
  }
}

/** Brings the page at `va`, whose entry names a slot, back for this space alone. False when memory is exhausted. Throws Errno. */
export function swapIn(vm: Vmspace, va: number, prot: number): boolean {
  const { pages, phys, swap } = vm.sys;
  const at = pmapOwnPte(vm.pmap, va);
  if (at === 0) return false;
  const pn = pages.alloc();
  if (pn === 0) return false;
  const slot = phys.u32[at]! >>> 12;
  try {
    swap.get(slot, pn);
  } catch (e) {
    pages.drop(pn);
    throw e;
  }
  phys.u32[at] = (pn << 12) | pteBits(prot, true) | VPTE_M;
  pages.drop(slot);
  return true;
}
