// SPDX-License-Identifier: BSD-3-Clause
/**
 * Which bytes of a page decoded instructions cover, kept in linear memory so that generated code can tell a write to data from
 * a write to code.
 *
 *     0   one bit for each byte of the page, 512 bytes
 *   512   4 zero bytes, so that the bits of any access can be loaded as one word
 *   516   countdown of writes that hit nothing; the writer that makes it 0 reports
 *
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";

export const COVER_COUNTDOWN = 516;
export const COVER_MAP_BYTES = 576;

export class CoverMap {
  readonly address: number;
  /** Where the countdown started last. */
  period: number;
  readonly #bits: Uint8Array;
  readonly #words: Int32Array;

  /** Takes zeroed memory at `address`, which is 4-byte aligned. */
  constructor(memory: MachineMemory, address: number, period: number) {
    this.address = address;
    this.period = period;
    this.#bits = memory.u8.subarray(address, address + 512);
    this.#words = memory.i32.subarray(address >> 2, (address + COVER_MAP_BYTES) >> 2);
    this.restart(period);
  }

  /** Covers bytes from…to−1. */
  set(from: number, to: number): void {
    for (let i = from; i < to; i++) this.#bits[i >> 3]! |= 1 << (i & 7);
  }
  clear(from: number, to: number): void {
    for (let i = from; i < to; i++) this.#bits[i >> 3]! &= ~(1 << (i & 7));
  }
  hits(offset: number, length: number): boolean {
    for (let i = offset; i < offset + length; i++) if ((this.#bits[i >> 3]! & (1 << (i & 7))) !== 0) return true;
    return false;
  }

  get countdown(): number {
    return this.#words[COVER_COUNTDOWN >> 2]!;
  }
  restart(period: number): void {
    this.period = period;
    this.#words[COVER_COUNTDOWN >> 2] = period;
  }
}
