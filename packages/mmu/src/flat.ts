// SPDX-License-Identifier: BSD-3-Clause
/**
 * An address space without paging, for those who want only the CPU: virtual address = base + offset into RAM.
 * @module
 */
import { PAGE_SIZE, PGMASK } from "./layout.ts";
import { ACCESS_WRITE, PF_USER, PF_WRITE, faultResult, type AddressSpace } from "./space.ts";
import type { SpaceTable, Translation } from "./translation.ts";

export interface FlatSpaceOptions {
  /** First virtual address; a multiple of 4 KiB, 0 unless given. */
  readonly base?: number;
  /** Bytes; a multiple of 4 KiB, all of RAM behind ramOffset unless given. */
  readonly size?: number;
  /** Where in RAM the space begins; a multiple of 4 KiB, 0 unless given. */
  readonly ramOffset?: number;
}

export class FlatSpace implements AddressSpace {
  readonly base: number;
  readonly size: number;
  readonly #hostBase: number;
  readonly #table: SpaceTable;

  /** Throws RangeError when the window is not page aligned or reaches beyond RAM. */
  constructor(translation: Translation, options: FlatSpaceOptions = {}) {
    const { ramBase, ramBytes } = translation.memory;
    const ramOffset = options.ramOffset ?? 0;
    this.base = options.base ?? 0;
    this.size = options.size ?? ramBytes - ramOffset;
    for (const [name, value] of [
      ["base", this.base],
      ["size", this.size],
      ["ramOffset", ramOffset],
    ] as const) {
      if (value < 0 || value % PAGE_SIZE !== 0)
        throw new RangeError(`flat space: ${name} ${value} is not a multiple of 4096`);
    }
    if (ramOffset + this.size > ramBytes) throw new RangeError("flat space: the window reaches beyond RAM");
    this.#hostBase = ramBase + ramOffset;
    this.#table = translation.createTable();
  }

  get table(): number {
    return this.#table.address;
  }

  translate(va: number, access: number): number {
    const offset = (va >>> 0) - this.base;
    if (offset < 0 || offset >= this.size) {
      return faultResult(PF_USER | (access === ACCESS_WRITE ? PF_WRITE : 0));
    }
    const host = this.#hostBase + offset;
    this.#table.fill(va, host - (host & PGMASK), true, true, true);
    return host;
  }

  /** Gives the translation table back. */
  release(): void {
    this.#table.release();
  }
}
