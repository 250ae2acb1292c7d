// SPDX-License-Identifier: BSD-3-Clause
/**
 * The machine's RAM as the kernel sees it: views over the memory image. A physical address (pa) is a byte offset in it, a
 * page number (pn) is pa / 4096.
 *
 * Invariant
 *   PM1  Every store through a view into a page that a process may map executable is followed by written() before any
 *        process runs again; the vm folder's own helpers (copyout, Uio, page zeroing and copying) do that.
 * @module
 */

/** What the platform provides: the memory image of the virtual kernel. */
export interface RamImage {
  readonly npages: number;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly dv: DataView;
  written(pa: number, len: number): void;
}

export class PhysMem {
  readonly npages: number;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  /** For words of unknown alignment; always pass `true` (little-endian). */
  readonly dv: DataView;
  readonly #image: RamImage;

  constructor(image: RamImage) {
    this.#image = image;
    this.npages = image.npages;
    this.u8 = image.u8;
    this.u32 = image.u32;
    this.i32 = image.i32;
    this.dv = image.dv;
  }

  /** Reports that the kernel has stored into [pa, pa + len), so that code decoded from there is forgotten. */
  written(pa: number, len: number): void {
    this.#image.written(pa, len);
  }

  zeroPage(pn: number): void {
    this.u32.fill(0, pn << 10, (pn + 1) << 10);
    this.#image.written(pn * 4096, 4096);
  }

  copyPage(from: number, to: number): void {
    this.u8.copyWithin(to * 4096, from * 4096, from * 4096 + 4096);
    this.#image.written(to * 4096, 4096);
  }
}
