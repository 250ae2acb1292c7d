// SPDX-License-Identifier: BSD-3-Clause
/**
 * Virtual page tables (MAP_VPAGETABLE): the two-level walk that a host kernel makes through tables kept in the backing
 * object itself, with accessed and modified marks written back.
 *
 * Invariants
 *   V1  Only pages of the backing object are read or marked; a table or result beyond its end is VPTE_BEYOND (I-VPT).
 *   V2  The master entry is passed by value and never marked; every word fetched from a table is, directory words
 *       included, when it allows the access. Marks are made before the data page is looked at.
 *   V3  M is set by write walks only. A caller therefore enters the result of a read walk read-only, whatever the tables
 *       allow, so that the first write walks again.
 *
 * Source: DragonFly 2.0 and 3.8 sys/vm/vm_fault.c (vm_fault_vpagetable), sys/sys/vkernel.h.
 * @module
 */
import type { MachineMemory } from "./memory.ts";
import { ACCESS_WRITE as ACCESS_WRITE_ } from "./space.ts";

const ACCESS_WRITE = ACCESS_WRITE_;

/** Bit assignments of one era, and the masks that the rules need. */
export interface VpteFormat {
  readonly name: string;
  readonly V: number;
  /** Ends the walk early. */
  readonly PS: number;
  /** Readable; 0 where the format has no such bit. */
  readonly R: number;
  /** Writable (W, later RW). */
  readonly W: number;
  /** Executable; never tested. 0 where the format has no such bit. */
  readonly X: number;
  readonly A: number;
  readonly M: number;
  readonly U: number;
  readonly G: number;
  readonly WIRED: number;
  readonly MANAGED: number;
}

/** DragonFly 1.8 to 3.4 (2007 to September 2013). */
export const VPTE_2007: VpteFormat = {
  name: "2007",
  V: 0x001,
  PS: 0x002,
  R: 0x004,
  W: 0x008,
  X: 0x010,
  A: 0x020,
  M: 0x040,
  U: 0x080,
  MANAGED: 0x100,
  G: 0x200,
  WIRED: 0x400,
};

/** DragonFly 3.6 and 3.8: the order of the hardware's own entries. */
export const VPTE_2013: VpteFormat = {
  name: "2013",
  V: 0x001,
  W: 0x002,
  U: 0x004,
  R: 0,
  X: 0,
  A: 0x020,
  M: 0x040,
  PS: 0x080,
  G: 0x100,
  WIRED: 0x200,
  MANAGED: 0x400,
};

export const VPTE_FRAME = 0xffff_f000;
/** Index bits of one table level. */
export const VPTE_PAGE_BITS = 10;
/** Index bits of a whole walk. */
export const VPTE_WALK_BITS = 20;

/** walk() result: an entry is invalid or forbids the access; the SIGSEGV class. */
export const VPTE_INVALID = -1;
/** walk() result: a table or the result lies beyond the backing object; the protection (SIGBUS) class. */
export const VPTE_BEYOND = -2;

/** The object behind a MAP_VPAGETABLE mapping. */
export interface VpteObject {
  /** Size in pages; indices at or above it do not exist. */
  readonly npages: number;
  /** Host address of page `pindex` (< npages), brought in if need be; −1 when that fails. */
  pageAddress(pindex: number): number;
}

/** A backing object that lies in one run of host pages, as the memory image of a virtual kernel does. */
export class RamObject implements VpteObject {
  readonly #hostBase: number;
  readonly npages: number;

  /** `hostBase`: host address of page 0. Throws RangeError when the run is not inside RAM. */
  constructor(memory: MachineMemory, hostBase: number, npages: number) {
    if (!memory.inRam(hostBase, npages * 4096) || hostBase % 4096 !== 0) {
      throw new RangeError(
        `RAM object: ${npages} pages at 0x${hostBase.toString(16)} are not a run of host pages`,
      );
    }
    this.#hostBase = hostBase;
    this.npages = npages;
  }

  pageAddress(pindex: number): number {
    return pindex < this.npages ? this.#hostBase + pindex * 4096 : -1;
  }
}

export class VpteWalker {
  readonly format: VpteFormat;
  readonly #i32: Int32Array;
  readonly #object: VpteObject;
  readonly #ps: number;
  readonly #readNeeds: number;
  readonly #writeNeeds: number;
  readonly #readMarks: number;
  readonly #writeMarks: number;

  constructor(memory: MachineMemory, object: VpteObject, format: VpteFormat) {
    this.format = format;
    this.#i32 = memory.i32;
    this.#object = object;
    this.#ps = format.PS;
    this.#readNeeds = format.V | format.R;
    // R is not needed for a pure write.
    this.#writeNeeds = format.V | format.W;
    this.#readMarks = format.A;
    this.#writeMarks = format.A | format.M;
  }

  /**
   * Page index within the backing object for an access to page `pindex` of the mapping (fault address − entry start +
   * entry offset, in pages), or VPTE_INVALID or VPTE_BEYOND.
   *
   * @param master the entry given to MADV_SETMAP; 0 when none was
   * @param access ACCESS_READ, ACCESS_WRITE or ACCESS_EXEC (which follows the rules of a read). A wired mapping asks for
   *   ACCESS_WRITE where its entry allows writing, whatever the access was.
   */
  walk(master: number, pindex: number, access: number): number {
    const i32 = this.#i32;
    const object = this.#object;
    const npages = object.npages;
    const write = access === ACCESS_WRITE;
    const needs = write ? this.#writeNeeds : this.#readNeeds;
    const marks = write ? this.#writeMarks : this.#readMarks;
    let vpte = master;
    let bitsLeft = VPTE_WALK_BITS;
    for (;;) {
      if ((vpte & needs) !== needs) return VPTE_INVALID;
      if (bitsLeft === 0 || (vpte & this.#ps) !== 0) break;
      const tableIndex = vpte >>> 12;
      if (tableIndex >= npages) return VPTE_BEYOND;
      const table = object.pageAddress(tableIndex);
      if (table < 0) return VPTE_BEYOND;
      bitsLeft -= VPTE_PAGE_BITS;
      const at = (table >>> 2) + ((pindex >>> bitsLeft) & 0x3ff);
      vpte = i32[at]!;
      if ((vpte & needs) === needs && (vpte & marks) !== marks) {
        // A locked OR: the kernel that owns the tables may be changing the word on another virtual CPU.
        Atomics.or(i32, at, marks);
        vpte |= marks;
      }
    }
    const result = (vpte >>> 12) + (pindex & ((1 << bitsLeft) - 1));
    return result < npages ? result : VPTE_BEYOND;
  }
}
