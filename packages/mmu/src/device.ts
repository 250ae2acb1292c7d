// SPDX-License-Identifier: BSD-3-Clause
/**
 * Memory-mapped devices: an address space in front of another one, some of whose pages are no memory but callbacks.
 *
 * A device page never gets a table entry, so generated code always takes its slow path there, which executes exactly one
 * instruction and hands each of its accesses to the device.
 *
 * Invariants
 *   DV1  Each access that an instruction makes reaches the device exactly once, in the instruction's order: one read for a
 *        load, one write for a store, a read and then a write for a read-modify-write, one of each for an element of a
 *        string instruction. An access that faults on one of its two pages has touched neither.
 *   DV2  An access of 1, 2, 4, 8 or 16 bytes inside one page arrives whole, aligned or not. One that crosses into the page
 *        arrives as the part that lies in it, in pieces of these sizes, largest first, lower addresses first. Without the
 *        wide callbacks 8 and 16 bytes arrive as accesses of 4 bytes, as on a 32-bit bus.
 *   DV3  No instruction is fetched from a device page: that is a page fault.
 *
 * @module
 */
import { PAGE_SIZE, PGSHIFT, FLAT_BIAS, TABLE_ENTRY_BYTES } from "./layout.ts";
import type { MachineMemory } from "./memory.ts";
import { ACCESS_EXEC, DEVICE_PAGE, PF_PRESENT, PF_USER, faultResult, type AddressSpace, type DeviceAccess } from "./space.ts";
import type { Translation } from "./translation.ts";

/**
 * What stands behind device pages. `offset` counts from the start of the range that was mapped. What a callback throws comes out of
 * the processor's run(), with EIP at the instruction; one that has only read changes nothing and can be executed again.
 */
export interface Device {
  /** The 1, 2 or 4 bytes at `offset`, little-endian; bits above `size` bytes are dropped. */
  read(offset: number, size: 1 | 2 | 4): number;
  /** `value` is unsigned. */
  write(offset: number, size: 1 | 2 | 4, value: number): void;
  /** 8 and 16 bytes at once (MMX, SSE, x87, CMPXCHG8B). */
  readWide?(offset: number, size: 8 | 16): bigint;
  writeWide?(offset: number, size: 8 | 16, value: bigint): void;
}

interface Mapping {
  readonly device: Device;
  /** Address of the range's first byte. */
  readonly start: number;
}

export class DeviceSpace implements AddressSpace {
  readonly device: DeviceAccess;
  readonly #translation: Translation;
  readonly #memory: MachineMemory;
  readonly #inner: AddressSpace;
  readonly #pages = new Map<number, Mapping>();

  /** Pages without a device are those of `inner`, which from now on is used through this space only. */
  constructor(translation: Translation, inner: AddressSpace) {
    this.#translation = translation;
    this.#memory = translation.memory;
    this.#inner = inner;
    this.device = {
      load: (va, length, to) => this.#pieces(va, length, to, this.#load),
      store: (va, length, from) => this.#pieces(va, length, from, this.#store),
    };
  }

  /**
   * Puts `device` at [start, start + length), whole pages, in front of whatever `inner` has there. Call it between two runs of the
   * processor. Throws RangeError for a range that is no range of pages or meets another device.
   */
  map(start: number, length: number, device: Device): void {
    const pages = this.#range(start, length);
    for (const page of pages) {
      if (this.#pages.has(page)) throw new RangeError(`device space: page ${hex(page * PAGE_SIZE)} has a device`);
    }
    for (const page of pages) {
      this.#forget(page);
      this.#pages.set(page, { device, start });
    }
  }

  /** Takes devices away; the pages are those of `inner` again. */
  unmap(start: number, length: number): void {
    for (const page of this.#range(start, length)) this.#pages.delete(page);
  }

  get table(): number {
    return this.#inner.table;
  }

  translate(va: number, access: number): number {
    if (!this.#pages.has(va >>> PGSHIFT)) return this.#inner.translate(va, access);
    return access === ACCESS_EXEC ? faultResult(PF_USER | PF_PRESENT) : DEVICE_PAGE;
  }

  #range(start: number, length: number): number[] {
    if (start % PAGE_SIZE !== 0 || length % PAGE_SIZE !== 0 || start < 0 || length <= 0 || start + length > 2 ** 32)
      throw new RangeError(`device space: ${hex(start)} + ${hex(length)} is not a range of whole pages`);
    return Array.from({ length: length / PAGE_SIZE }, (_, i) => start / PAGE_SIZE + i);
  }

  /** Removes what the table knows of a page of the inner space. */
  #forget(page: number): void {
    const at = (this.table + page * TABLE_ENTRY_BYTES) >>> 2;
    const word = this.#memory.i32[at]! | this.#memory.i32[at + 1]!;
    if (word === 0) return;
    const host = (page * PAGE_SIZE + word + FLAT_BIAS) >>> 0;
    this.#translation.removeHostPage(this.#memory.hpnOf(host));
  }

  #pieces(va: number, length: number, at: number, one: (m: Mapping, offset: number, size: number, at: number) => void): void {
    const mapping = this.#pages.get(va >>> PGSHIFT)!;
    const wide = mapping.device.readWide !== undefined && mapping.device.writeWide !== undefined;
    for (let done = 0; done < length; ) {
      const left = length - done;
      const size = left >= 4 && !wide ? 4 : 1 << (31 - Math.clz32(left));
      one(mapping, va - mapping.start + done, size, at + done);
      done += size;
    }
  }

  readonly #load = ({ device }: Mapping, offset: number, size: number, at: number): void => {
    const { dv, u8 } = this.#memory;
    switch (size) {
      case 1:
        u8[at] = device.read(offset, 1);
        break;
      case 2:
        dv.setUint16(at, device.read(offset, 2), true);
        break;
      case 4:
        dv.setUint32(at, device.read(offset, 4), true);
        break;
      default: {
        const value = device.readWide!(offset, size as 8 | 16);
        dv.setBigUint64(at, BigInt.asUintN(64, value), true);
        if (size === 16) dv.setBigUint64(at + 8, BigInt.asUintN(64, value >> 64n), true);
      }
    }
  };

  readonly #store = ({ device }: Mapping, offset: number, size: number, at: number): void => {
    const { dv, u8 } = this.#memory;
    switch (size) {
      case 1:
        device.write(offset, 1, u8[at]!);
        break;
      case 2:
        device.write(offset, 2, dv.getUint16(at, true));
        break;
      case 4:
        device.write(offset, 4, dv.getUint32(at, true));
        break;
      default: {
        const low = dv.getBigUint64(at, true);
        device.writeWide!(offset, size as 8 | 16, size === 8 ? low : (dv.getBigUint64(at + 8, true) << 64n) | low);
      }
    }
  };
}

function hex(n: number): string {
  return `0x${n.toString(16)}`;
}
