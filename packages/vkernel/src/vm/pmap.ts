// SPDX-License-Identifier: BSD-3-Clause
/**
 * The machine-dependent half of an address space: a two-level tree of virtual page table entries in guest RAM, which the
 * host kernel walks, and the VM space of the host that runs it.
 *
 * fork() does not copy page tables: parent and child share them, with the W bit taken from their directory entries,
 * and a table is copied when one of them first changes it. Since the host checks W at every level, a shared table
 * lets nobody write.
 *
 * Invariants
 *   PT1  refs[page table] counts the directory entries that name it. While it is above 1 none of these has W. A table
 *        is changed only by its single owner (pmapOwnTable), except that entries may be removed from a shared one
 *        together with the object page that they name (all sharers map that object there, OB2).
 *   PT2  An entry with a frame holds one reference on that page (PG1). MANAGED marks pages that belong to an object;
 *        entries without it name anonymous pages.
 *   PT3  W is set only if a store may go ahead without asking: anonymous pages with one reference, and pages of shared
 *        mappings. Losing W or the frame is followed by an invalidation before anything runs.
 *   PT4  Only frames that the mapping's owner may see are entered: never page tables, directories or other kernel
 *        pages (I-NOKERN).
 *   PT5  An entry with a frame but without V names a slot of swap space (SW2); it has no R, W, X or MANAGED.
 *
 * Entry format: DragonFly 1.8 … 3.4 sys/sys/vkernel.h. Counterpart: sys/platform/vkernel/platform/pmap.c.
 * @module
 */
import { PROT_EXEC as PROT_EXEC_, PROT_WRITE as PROT_WRITE_, VM_MAX_USER_ADDRESS } from "../sys/mman.ts";
import type { VmSystem } from "./system.ts";

const PROT_EXEC = PROT_EXEC_;
const PROT_WRITE = PROT_WRITE_;

export const VPTE_V = 0x001;
export const VPTE_R = 0x004;
export const VPTE_W = 0x008;
export const VPTE_X = 0x010;
export const VPTE_A = 0x020;
export const VPTE_M = 0x040;
export const VPTE_U = 0x080;
export const VPTE_MANAGED = 0x100;
export const VPTE_FRAME = 0xffff_f000;

const V = VPTE_V,
  R = VPTE_R,
  W = VPTE_W,
  A = VPTE_A,
  M = VPTE_M,
  U = VPTE_U,
  X = VPTE_X,
  MANAGED = VPTE_MANAGED;
/** Bits of a directory entry for a table that one owner holds. A and M are preset to save the host marking them. */
const PDE_OWNED = V | R | W | X | U | A | M;
const TABLE_SPAN = 0x40_0000;
const USER_PDES = VM_MAX_USER_ADDRESS / TABLE_SPAN;

export class Pmap {
  readonly sys: VmSystem;
  /** Page number of the page directory. */
  readonly pdir: number;
  /** Word index of the directory in phys.u32. */
  readonly pdirWord: number;
  /** The host's VM space. */
  readonly id: number;

  /** `pdir`: a zeroed page with one reference, which the pmap takes over. */
  constructor(sys: VmSystem, pdir: number) {
    this.sys = sys;
    this.pdir = pdir;
    this.pdirWord = pdir << 10;
    this.id = sys.host.create(pdir);
  }
}

/** An empty pmap, or null when memory is exhausted. */
export function pmapCreate(sys: VmSystem): Pmap | null {
  const pdir = sys.pages.allocZeroed();
  return pdir === 0 ? null : new Pmap(sys, pdir);
}

/** Word index of the entry for `va` in phys.u32, or 0 when it has no page table. For looking only (PT1). */
export function pmapPteIndex(pm: Pmap, va: number): number {
  const pde = pm.sys.phys.u32[pm.pdirWord + (va >>> 22)]!;
  return pde === 0 ? 0 : ((pde >>> 12) << 10) + ((va >>> 12) & 0x3ff);
}

/** The entry for `va`, 0 when there is none. */
export function pmapPte(pm: Pmap, va: number): number {
  const at = pmapPteIndex(pm, va);
  return at === 0 ? 0 : pm.sys.phys.u32[at]!;
}

/**
 * Word index of the entry for `va` in a page table that this pmap owns alone, making or copying the table as needed;
 * 0 when memory is exhausted.
 */
export function pmapOwnPte(pm: Pmap, va: number): number {
  const u32 = pm.sys.phys.u32;
  const pde = u32[pm.pdirWord + (va >>> 22)]!;
  if ((pde & W) !== 0) return ((pde >>> 12) << 10) + ((va >>> 12) & 0x3ff);
  const table = ownTableSlow(pm, va >>> 22, pde);
  return table === 0 ? 0 : (table << 10) + ((va >>> 12) & 0x3ff);
}

/** Gives directory slot `slot`, whose entry `pde` lacks W, a table of its own; returns its page number or 0. */
function ownTableSlow(pm: Pmap, slot: number, pde: number): number {
  const { pages, phys } = pm.sys;
  const { u32 } = phys;
  const refs = pages.refs;
  if (pde === 0) {
    const table = pages.allocZeroed();
    if (table !== 0) u32[pm.pdirWord + slot] = (table << 12) | PDE_OWNED;
    return table;
  }
  const shared = pde >>> 12;
  if (refs[shared] === 1) {
    u32[pm.pdirWord + slot] = pde | W | M;
    return shared;
  }
  const table = pages.alloc();
  if (table === 0) return 0;
  const from = shared << 10;
  const to = table << 10;
  for (let i = 0; i < 1024; i++) {
    let pte = u32[from + i]!;
    if (pte >>> 12 !== 0) {
      refs[pte >>> 12]!++;
      // Two tables name the anonymous page now, so neither may store into it without asking.
      if ((pte & (MANAGED | W)) === W) {
        pte &= ~W;
        u32[from + i] = pte;
      }
    }
    u32[to + i] = pte;
  }
  refs[shared]!--;
  u32[pm.pdirWord + slot] = (table << 12) | PDE_OWNED;
  // The host's cached reads stay right (same frames), and it has cached no write through a shared table.
  return table;
}

/** Page table entry bits for a page under protection `prot`; `writable` = stores may go ahead without asking (PT3). */
export function pteBits(prot: number, writable: boolean): number {
  if (prot === 0) return V | U | A;
  let bits = V | R | U | A;
  if ((prot & PROT_EXEC) !== 0) bits |= X;
  return writable && (prot & PROT_WRITE) !== 0 ? bits | W : bits;
}

/** Releases what a removed entry named. */
export function pteDrop(sys: VmSystem, pte: number): void {
  const pages = sys.pages;
  const pn = pte >>> 12;
  if ((pte & MANAGED) === 0) {
    pages.drop(pn);
    return;
  }
  if ((pte & M) !== 0) pages.objectOf[pn]!.markDirty(pn);
  pages.refs[pn]!--;
}

/** Visits [start, end) in pieces that lie in one page table each. */
function forTables(
  start: number,
  end: number,
  piece: (slot: number, first: number, last: number) => boolean,
): boolean {
  for (let va = start; va < end;) {
    const next = Math.min(end, (Math.floor(va / TABLE_SPAN) + 1) * TABLE_SPAN);
    if (!piece(va >>> 22, (va >>> 12) & 0x3ff, ((next - 1) >>> 12) & 0x3ff)) return false;
    va = next;
  }
  return true;
}

/** Removes directory slot `slot` whole; the last sharer's departure releases the pages. */
function dropTable(pm: Pmap, slot: number): void {
  const { pages, phys } = pm.sys;
  const { u32 } = phys;
  const table = u32[pm.pdirWord + slot]! >>> 12;
  u32[pm.pdirWord + slot] = 0;
  if (pages.refs[table] === 1) {
    for (let at = table << 10; at < (table + 1) << 10; at++) {
      const pte = u32[at]!;
      if (pte >>> 12 !== 0) pteDrop(pm.sys, pte);
    }
  }
  pages.drop(table);
}

/**
 * Removes all entries of [start, end) (page aligned) and invalidates. Returns false, with a part removed, when a shared
 * table could not be copied for want of memory.
 */
export function pmapRemove(pm: Pmap, start: number, end: number): boolean {
  const { u32 } = pm.sys.phys;
  const done = forTables(start, end, (slot, first, last) => {
    const pde = u32[pm.pdirWord + slot]!;
    if (pde === 0) return true;
    if (first === 0 && last === 0x3ff) {
      dropTable(pm, slot);
      return true;
    }
    const table = (pde & W) !== 0 ? pde >>> 12 : ownTableSlow(pm, slot, pde);
    if (table === 0) return false;
    for (let at = (table << 10) + first; at <= (table << 10) + last; at++) {
      const pte = u32[at]!;
      if (pte === 0) continue;
      u32[at] = 0;
      if (pte >>> 12 !== 0) pteDrop(pm.sys, pte);
    }
    return true;
  });
  pm.sys.host.inval(pm.id, start, end - start);
  return done;
}

/**
 * Removes the entries of [start, end) that name object pages, and private copies too if `copies`, from own and shared
 * tables alike (PT1): the object pages themselves are about to go.
 */
export function pmapRemoveObjectPages(pm: Pmap, start: number, end: number, copies: boolean): void {
  const { u32 } = pm.sys.phys;
  forTables(start, end, (slot, first, last) => {
    const table = u32[pm.pdirWord + slot]! >>> 12;
    if (table === 0) return true;
    for (let at = (table << 10) + first; at <= (table << 10) + last; at++) {
      const pte = u32[at]!;
      if (pte >>> 12 === 0 || (!copies && (pte & MANAGED) === 0)) continue;
      u32[at] = 0;
      pteDrop(pm.sys, pte);
    }
    return true;
  });
  pm.sys.host.inval(pm.id, start, end - start);
}

/** Takes the M marks of object pages in [start, end) and tells the objects. */
export function pmapCollectModified(pm: Pmap, start: number, end: number): void {
  const { pages, phys } = pm.sys;
  const { u32 } = phys;
  let any = false;
  forTables(start, end, (slot, first, last) => {
    const table = u32[pm.pdirWord + slot]! >>> 12;
    if (table === 0) return true;
    for (let at = (table << 10) + first; at <= (table << 10) + last; at++) {
      const pte = u32[at]!;
      if ((pte & (MANAGED | M)) !== (MANAGED | M)) continue;
      u32[at] = pte & ~M;
      pages.objectOf[pte >>> 12]!.markDirty(pte >>> 12);
      any = true;
    }
    return true;
  });
  // A write through a cached permission would not be seen any more.
  if (any) pm.sys.host.withdrawWrite(pm.id, start, end - start);
}

/** Gives the entries of [start, end) the rights of `prot`. Returns false, part done, when memory is exhausted. */
export function pmapProtect(pm: Pmap, start: number, end: number, prot: number): boolean {
  const { pages, phys } = pm.sys;
  const { u32 } = phys;
  const done = forTables(start, end, (slot, first, last) => {
    const pde = u32[pm.pdirWord + slot]!;
    if (pde === 0) return true;
    const table = (pde & W) !== 0 ? pde >>> 12 : ownTableSlow(pm, slot, pde);
    if (table === 0) return false;
    for (let at = (table << 10) + first; at <= (table << 10) + last; at++) {
      const pte = u32[at]!;
      // What is in swap space gets its rights when it comes back
      if (pte >>> 12 === 0 || (pte & V) === 0) continue;
      // Object pages regain W through a fault, which knows whether the mapping is shared.
      const writable = (pte & MANAGED) === 0 && pages.refs[pte >>> 12] === 1;
      u32[at] = (pte & ~(R | W | X)) | pteBits(prot, writable);
      // Code decoded from the page must not run on through this mapping.
      if ((pte & X) !== 0 && (prot & PROT_EXEC) === 0) phys.written((pte >>> 12) * 4096, 4096);
    }
    return true;
  });
  pm.sys.host.inval(pm.id, start, end - start);
  return done;
}

/** Moves the entries of [from, from + len) to `to`, where nothing is mapped. Returns false, part done, without memory. */
export function pmapMove(pm: Pmap, from: number, to: number, len: number): boolean {
  const { u32 } = pm.sys.phys;
  let done = true;
  for (let off = 0; off < len; off += 4096) {
    if (pmapPte(pm, from + off) === 0) continue;
    const target = pmapOwnPte(pm, to + off);
    const source = pmapOwnPte(pm, from + off);
    if (target === 0 || source === 0) {
      done = false;
      break;
    }
    u32[target] = u32[source]!;
    u32[source] = 0;
  }
  pm.sys.host.inval(pm.id, from, len);
  return done;
}

/** Shares all page tables of `parent` with the empty pmap `child` (fork). */
export function pmapFork(parent: Pmap, child: Pmap): void {
  const { pages, phys } = parent.sys;
  const { u32 } = phys;
  for (let slot = 0; slot < USER_PDES; slot++) {
    const pde = u32[parent.pdirWord + slot]!;
    if (pde === 0) continue;
    pages.refs[pde >>> 12]!++;
    u32[parent.pdirWord + slot] = pde & ~W;
    u32[child.pdirWord + slot] = pde & ~W;
  }
  parent.sys.host.withdrawWrite(parent.id, 0, VM_MAX_USER_ADDRESS);
}

/** Pages that the entries name, shared ones included; with `swapped` slots of swap space instead. */
export function pmapResidentCount(pm: Pmap, swapped = false): number {
  const { u32 } = pm.sys.phys;
  const valid = swapped ? 0 : V;
  let count = 0;
  for (let slot = 0; slot < USER_PDES; slot++) {
    const table = u32[pm.pdirWord + slot]! >>> 12;
    if (table === 0) continue;
    for (let at = table << 10; at < (table + 1) << 10; at++) if (u32[at]! >>> 12 !== 0 && (u32[at]! & V) === valid) count++;
  }
  return count;
}

/** Releases everything: tables, pages, directory and the host's VM space. */
export function pmapDestroy(pm: Pmap): void {
  const { pages, phys, host } = pm.sys;
  for (let slot = 0; slot < USER_PDES; slot++) {
    if (phys.u32[pm.pdirWord + slot] !== 0) dropTable(pm, slot);
  }
  host.destroy(pm.id);
  pages.drop(pm.pdir);
}
