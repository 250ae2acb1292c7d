// SPDX-License-Identifier: BSD-3-Clause
/** The smallest virtual kernel for tests: one image, page tables made by hand, programs as bytes. */
import {
  HostKernel,
  MADV_SETMAP,
  MAP_FIXED,
  MAP_SHARED,
  MAP_VPAGETABLE,
  PROT_READ,
  PROT_WRITE,
  SimPlatform,
  TF_EFLAGS,
  TF_EIP,
  TF_ESP,
  VMSPACE_CTL_RUN,
  VPTE_R,
  VPTE_V,
  VPTE_W,
  type MemoryImage,
} from "../src/index.ts";

export const RW = VPTE_V | VPTE_R | VPTE_W;
export const RO = VPTE_V | VPTE_R;
/** Where programs lie and run, where their stack ends, a data page. */
export const TEXT = 0x0804_8000;
export const STACK_TOP = 0x0806_0000;
export const DATA = 0x0805_0000;

// Instructions as bytes.
export const INT80 = [0xcd, 0x80];
export const le32 = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, n >>> 24];
export const movEax = (n: number): number[] => [0xb8, ...le32(n)];
export const storeEax = (va: number): number[] => [0xa3, ...le32(va)];
export const loadEax = (va: number): number[] => [0xa1, ...le32(va)];

export class Tiny {
  readonly platform = new SimPlatform();
  readonly host: HostKernel;
  readonly image: MemoryImage;
  readonly tf = new Int32Array(20);
  readonly vf = new Int32Array(6);
  #nextPage = 1;

  constructor(ramBytes = 4 * 1024 * 1024) {
    this.host = new HostKernel({ platform: this.platform, ramBytes, spaces: 4 });
    this.image = this.host.createImage(ramBytes);
  }

  page(): number {
    return this.#nextPage++;
  }

  /** A VM space over a new, empty page directory; returns the directory's page. */
  space(id: number): number {
    const pdir = this.page();
    this.host.vmspaceCreate(id);
    this.host.vmspaceMmap(
      id,
      0,
      0x4000_0000,
      PROT_READ | PROT_WRITE,
      MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE,
      this.image,
      0,
    );
    this.host.vmspaceMcontrol(id, 0, 0x4000_0000, MADV_SETMAP, (pdir << 12) | RW);
    return pdir;
  }

  /** Word index in the image of the page table entry for `va`, making the table. */
  pte(pdir: number, va: number): number {
    const { u32 } = this.image;
    const slot = (pdir << 10) + (va >>> 22);
    if (u32[slot] === 0) u32[slot] = (this.page() << 12) | RW;
    return ((u32[slot]! >>> 12) << 10) + ((va >>> 12) & 0x3ff);
  }

  map(pdir: number, va: number, page: number, bits = RW): void {
    this.image.u32[this.pte(pdir, va)] = (page << 12) | bits;
  }

  /** A space with `code` at TEXT, a stack and a data page; returns the data page's number. */
  program(id: number, code: readonly number[]): { pdir: number; text: number; data: number } {
    const pdir = this.space(id);
    const text = this.page();
    const data = this.page();
    this.image.u8.set(code, text * 4096);
    this.image.written(text * 4096, code.length);
    this.map(pdir, TEXT, text, RO);
    this.map(pdir, DATA, data);
    this.map(pdir, STACK_TOP - 4096, this.page());
    return { pdir, text, data };
  }

  /** Registers of a program about to start. */
  start(): void {
    this.tf.fill(0);
    this.tf[TF_EIP] = TEXT;
    this.tf[TF_ESP] = STACK_TOP;
    this.tf[TF_EFLAGS] = 0x202;
  }

  run(id: number): number {
    return this.host.vmspaceCtl(id, VMSPACE_CTL_RUN, this.tf, this.vf);
  }
}
