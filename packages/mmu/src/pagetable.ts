// SPDX-License-Identifier: BSD-3-Clause
/**
 * Two-level i386 page tables in RAM: 4 KiB pages and 4 MiB pages, accessed and dirty bits, exact error codes.
 *
 * Physical address 0 is the first byte of RAM and the physical address width ends with RAM: a directory, table or
 * page frame beyond it is a reserved-bit fault, never a read of something else (I-VPT).
 *
 * Invariants
 *   P1  A is set in every entry walked, and D in the last, before translate() returns an address; a walk that faults
 *       changes nothing (I-A/M).
 *   P2  A write word is cached only once D is set, so the first write to a clean page always walks.
 *   P3  After a change that narrows rights the owner of the tables calls invalidate() (as INVLPG); widening needs
 *       nothing (I-TLB).
 *   P4  Supervisor writes honour read-only pages while wp is set (I-WP).
 *
 * Source: Intel SDM vol. 3A §4.3 (32-bit paging), §4.6 (access rights), §4.7 (error code), §4.8 (A and D).
 * @module
 */
import { PGMASK } from "./layout.ts";
import type { MachineMemory } from "./memory.ts";
import { ACCESS_WRITE, PF_PRESENT, PF_USER, PF_WRITE, faultResult, type AddressSpace } from "./space.ts";
import type { SpaceTable, Translation } from "./translation.ts";

export const PTE_P = 0x001;
export const PTE_RW = 0x002;
export const PTE_US = 0x004;
export const PTE_A = 0x020;
export const PTE_D = 0x040;
/** In a directory entry: maps a 4 MiB page. */
export const PDE_PS = 0x080;
/** Page-fault error code: a reserved bit was set in an entry. */
export const PF_RSVD = 8;

const FRAME = 0xffff_f000;
const FRAME_4M = 0xffc0_0000;
/** Bits 21…13 of a 4 MiB entry are reserved when physical addresses have 32 bits. */
const RSVD_4M = 0x003f_e000;

export interface PageTableOptions {
  /** Physical address of the page directory; the low 12 bits are ignored. */
  readonly cr3: number;
  /** Accesses are made at CPL 3; true unless given. */
  readonly user?: boolean;
  /** CR0.WP; true unless given. */
  readonly wp?: boolean;
  /** CR4.PSE; true unless given. */
  readonly pse?: boolean;
}

export class PageTableSpace implements AddressSpace {
  readonly #memory: MachineMemory;
  readonly #table: SpaceTable;
  #cr3: number;
  #user: boolean;
  readonly #wp: boolean;
  readonly #pse: boolean;

  constructor(translation: Translation, options: PageTableOptions) {
    this.#memory = translation.memory;
    this.#table = translation.createTable();
    this.#cr3 = (options.cr3 & FRAME) >>> 0;
    this.#user = options.user ?? true;
    this.#wp = options.wp ?? true;
    this.#pse = options.pse ?? true;
  }

  get table(): number {
    return this.#table.address;
  }

  /** Loads another directory; everything cached is dropped. */
  set cr3(value: number) {
    this.#cr3 = (value & FRAME) >>> 0;
    this.#table.wipe();
  }

  get cr3(): number {
    return this.#cr3;
  }

  /** Whether accesses are made at CPL 3. A change drops everything cached, since words carry the rights of one level. */
  set user(value: boolean) {
    if (value === this.#user) return;
    this.#user = value;
    this.#table.wipe();
  }

  get user(): boolean {
    return this.#user;
  }

  /** Forgets the pages that [va, va + length) touches. */
  invalidate(va: number, length: number): void {
    this.#table.invalidate(va, length);
  }

  release(): void {
    this.#table.release();
  }

  translate(va: number, access: number): number {
    const { ramBase, ramBytes, u32 } = this.#memory;
    const write = access === ACCESS_WRITE;
    const code = (write ? PF_WRITE : 0) | (this.#user ? PF_USER : 0);
    const pdeAt = this.#cr3 + ((va >>> 22) << 2);
    if (pdeAt >= ramBytes) return faultResult(code | PF_PRESENT | PF_RSVD);
    const pde32 = (ramBase + pdeAt) >>> 2;
    const pde = u32[pde32]!;
    if ((pde & PTE_P) === 0) return faultResult(code);

    if (this.#pse && (pde & PDE_PS) !== 0) {
      const pa = ((pde & FRAME_4M) | (va & ~FRAME_4M)) >>> 0;
      if ((pde & RSVD_4M) !== 0 || pa >= ramBytes) return faultResult(code | PF_PRESENT | PF_RSVD);
      if (!this.#allowed(pde, write)) return faultResult(code | PF_PRESENT);
      const marked = pde | PTE_A | (write ? PTE_D : 0);
      if (marked >>> 0 !== pde) u32[pde32] = marked;
      return this.#fill(va, ramBase + pa, marked, marked);
    }

    const pteAt = ((pde & FRAME) >>> 0) + (((va >>> 12) & 0x3ff) << 2);
    if (pteAt >= ramBytes) return faultResult(code | PF_PRESENT | PF_RSVD);
    const pte32 = (ramBase + pteAt) >>> 2;
    const pte = u32[pte32]!;
    if ((pte & PTE_P) === 0) return faultResult(code);
    const pa = ((pte & FRAME) | (va & PGMASK)) >>> 0;
    if (pa >= ramBytes) return faultResult(code | PF_PRESENT | PF_RSVD);
    const rights = pde & pte;
    if (!this.#allowed(rights, write)) return faultResult(code | PF_PRESENT);
    if ((pde & PTE_A) === 0) u32[pde32] = pde | PTE_A;
    // A directory may map itself as a table: read the entry again, since it may be the word just marked.
    const marked = u32[pte32]! | PTE_A | (write ? PTE_D : 0);
    u32[pte32] = marked;
    return this.#fill(va, ramBase + pa, rights, marked);
  }

  #allowed(rights: number, write: boolean): boolean {
    if (this.#user) return (rights & PTE_US) !== 0 && (!write || (rights & PTE_RW) !== 0);
    return !write || !this.#wp || (rights & PTE_RW) !== 0;
  }

  #fill(va: number, host: number, rights: number, last: number): number {
    const writable = (last & PTE_D) !== 0 && this.#allowed(rights, true);
    this.#table.fill(va, host - (host & PGMASK), true, writable, true);
    return host;
  }
}
