// SPDX-License-Identifier: BSD-3-Clause
/**
 * Memory images: the file that is a virtual kernel's RAM, here a run of host pages. Page number in the image = physical
 * page number of the virtual kernel; byte offset = physical address.
 *
 * Invariant
 *   MI1  The views cover exactly the image, so nothing written through them reaches other host memory.
 * @module
 */
import { RamObject, VPTE_2007, VpteWalker, type MachineMemory } from "@vkernel/mmu";

export class MemoryImage {
  readonly bytes: number;
  readonly npages: number;
  /** Host address of page 0. */
  readonly hostBase: number;
  readonly u8: Uint8Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  /** For words of unknown alignment; always pass `true` (little-endian). */
  readonly dv: DataView;
  /** Walks virtual page tables kept in this image. */
  readonly walker: VpteWalker;
  /** The same, for fetches from spaces that check execute permission: entries of all levels need X besides R. */
  readonly fetchWalker: VpteWalker;
  readonly #memory: MachineMemory;
  readonly #codePages: Uint8Array;
  readonly #firstHpn: number;

  /** Made by HostKernel.createImage(). */
  constructor(memory: MachineMemory, hostBase: number, bytes: number) {
    this.#memory = memory;
    this.bytes = bytes;
    this.npages = bytes >>> 12;
    this.hostBase = hostBase;
    this.u8 = new Uint8Array(memory.buffer, hostBase, bytes);
    this.u32 = new Uint32Array(memory.buffer, hostBase, bytes >>> 2);
    this.i32 = new Int32Array(memory.buffer, hostBase, bytes >>> 2);
    this.dv = new DataView(memory.buffer, hostBase, bytes);
    const object = new RamObject(memory, hostBase, this.npages);
    this.walker = new VpteWalker(memory, object, VPTE_2007);
    this.fetchWalker = new VpteWalker(memory, object, { ...VPTE_2007, R: VPTE_2007.R | VPTE_2007.X });
    this.#codePages = memory.codePages;
    this.#firstHpn = memory.hpnOf(hostBase);
  }

  /**
   * Reports that the owner of the image has written [offset, offset + length) through a view. Needed for pages that may
   * hold code; cheap for all others. Call it before anything runs again.
   */
  written(offset: number, length: number): void {
    if (length <= 0) return;
    const first = this.#firstHpn + (offset >>> 12);
    if ((offset & 0xfff) + length <= 4096 && this.#codePages[first] === 0) return;
    this.#memory.memoryWritten(this.hostBase + offset, length);
  }
}
