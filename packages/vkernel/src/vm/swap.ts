// SPDX-License-Identifier: BSD-3-Clause
/**
 * Swap space: where anonymous pages are while memory is short. A slot has a number like a page's, behind those of all pages, so that
 * page table entries name slots as they name pages and count references in the same way.
 *
 * Invariants
 *   SW1  The slots of an area are numbered [first, first + device.pages); areas do not overlap and end below 2^20, where the
 *        frame field of a page table entry ends.
 *   SW2  refs[slot] is the number of page table entries that name it, which have no V, or 1 for an object's page (OB5). 0 for free slots.
 *   SW3  Nothing here waits: devices read and write at once.
 *
 * Counterpart: DragonFly 2.0 sys/vm/swap_pager.c, vm_swap.c.
 * @module
 */
import { EBUSY, EINVAL, Errno } from "../sys/errno.ts";
import type { VmPages } from "./page.ts";
import type { PhysMem } from "./physmem.ts";

const PAGE_SIZE = 4096;
/** Frames that a page table entry can name. */
const FRAMES = 1 << 20;

/** A disk that takes pages. Calls throw Errno. */
export interface SwapDevice {
  readonly name: string;
  /** Room, pages. */
  readonly pages: number;
  read(page: number, buf: Uint8Array, off: number): void;
  write(page: number, buf: Uint8Array, off: number): void;
}

/** Part of the swap space that is on one device. */
export interface SwapArea {
  readonly device: SwapDevice;
  readonly first: number;
  readonly pages: number;
  used: number;
  /** No page goes here any more. */
  closing: boolean;
  /** Slots that were in use once, and the first that never was. */
  readonly freed: number[];
  fresh: number;
}

export class SwapSpace {
  readonly areas: SwapArea[] = [];
  /** A disk has refused a page: nothing more is written until retry(). */
  #refused = false;
  /** Pages read and written since boot. */
  ins = 0;
  outs = 0;
  readonly #pages: VmPages;
  readonly #phys: PhysMem;

  constructor(pages: VmPages, phys: PhysMem) {
    this.#pages = pages;
    this.#phys = phys;
  }

  /** Slots, and those in use. */
  get total(): number {
    return this.areas.reduce((sum, area) => sum + area.pages, 0);
  }
  get used(): number {
    return this.areas.reduce((sum, area) => sum + area.used, 0);
  }

  /** Takes a device into use, as far as its slots can be numbered. Throws EBUSY when it is, EINVAL when there is no room or number for it. */
  add(device: SwapDevice): SwapArea {
    if (this.areas.some((area) => area.device.name === device.name)) throw EBUSY;
    const first = this.areas.reduce((end, area) => Math.max(end, area.first + area.pages), this.#phys.npages);
    const pages = Math.min(device.pages, FRAMES - first);
    if (pages <= 0) throw EINVAL;
    this.#pages.extend(first + pages);
    const area: SwapArea = { device, first, pages, used: 0, closing: false, freed: [], fresh: first };
    this.areas.push(area);
    return area;
  }

  /** Forgets an area that holds nothing. */
  remove(area: SwapArea): void {
    if (area.used !== 0) throw new Error(`I-REF: ${area.device.name} still holds ${area.used} pages`);
    this.areas.splice(this.areas.indexOf(area), 1);
  }

  areaOf(slot: number): SwapArea {
    return this.areas.find(({ first, pages }) => slot >= first && slot < first + pages)!;
  }

  /** An area that takes pages now. */
  #open(): SwapArea | undefined {
    return this.#refused ? undefined : this.areas.find((a) => !a.closing && a.used < a.pages);
  }

  /** Whether put() would try. */
  get hasRoom(): boolean {
    return this.#open() !== undefined;
  }

  /** Memory is short anew: disks that have refused a page are asked again. */
  retry(): void {
    this.#refused = false;
  }

  /** Writes a page to a free slot, which has one reference then; 0 when there is none or the disk, which has logged it, refuses. */
  put(pn: number): number {
    const area = this.#open();
    if (area === undefined) return 0;
    const reused = area.freed.length > 0;
    const slot = reused ? area.freed.at(-1)! : area.fresh;
    try {
      area.device.write(slot - area.first, this.#phys.u8, pn * PAGE_SIZE);
    } catch (e) {
      if (!(e instanceof Errno)) throw e;
      this.#refused = true;
      return 0;
    }
    if (reused) area.freed.pop();
    else area.fresh++;
    area.used++;
    this.outs++;
    this.#pages.refs[slot] = 1;
    return slot;
  }

  /** Reads a slot into page `pn`. Throws Errno. */
  get(slot: number, pn: number): void {
    const area = this.areaOf(slot);
    area.device.read(slot - area.first, this.#phys.u8, pn * PAGE_SIZE);
    this.#phys.written(pn * PAGE_SIZE, PAGE_SIZE);
    this.ins++;
  }

  /** The last entry that named the slot is gone. */
  free(slot: number): void {
    const area = this.areaOf(slot);
    area.used--;
    area.freed.push(slot);
  }
}
