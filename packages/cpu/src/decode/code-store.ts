// SPDX-License-Identifier: BSD-3-Clause
/**
 * Decoded code by host page: directories, index tables, records, and their invalidation.
 *
 *   directory   one for each mode, 4 bytes a host page: address of the page's index table, 0 = nothing decoded
 *   index       4 bytes for each byte of the page: address of the record of the instruction that starts there, or 0
 *   pool        index tables and records, handed out in order; when it is full everything is forgotten
 *
 * Invariants
 *   D2  A host page has MachineMemory.codePages set exactly while it has decoded code in some mode (I-CODE, M2).
 *   D3  A page whose bytes an instruction of another page reaches into knows that page as dependent: dropping it drops
 *       the dependent too.
 *   D4  Dropping never reuses storage; only flush() does, and only between two instructions.
 *
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { RECORD_BYTES } from "./record.ts";

/** Segment mode of decoded code: bit 0 = segments are not flat, bit 1 = 16-bit code segment. */
export const MODE_GENERAL = 1;
export const MODE_CODE16 = 2;
const MODES = 4;

const INDEX_BYTES = 4096 * 4;
/** Writes to a code page that hit no code: after this many the page is given up, so that data may be written at speed. */
const FALSE_HITS = 64;

export class CodePage {
  readonly hpn: number;
  readonly mode: number;
  /** Linear-memory address of the index table. */
  readonly index: number;
  /** One bit for each byte of the page that decoded instructions cover. */
  readonly covered = new Uint32Array(128);
  /** Pages with an instruction that ends in this one. */
  readonly dependents = new Set<CodePage>();
  falseHits = 0;
  live = true;
  /** How often execution was seen in the page, for the compiler. */
  samples = 0;
  /** How many samples it takes until the compiler looks at it again. */
  needed = 0;
  /** Regions reach beyond it: not when they turned out not to fit other spaces. */
  joins = true;

  constructor(hpn: number, mode: number, index: number) {
    this.hpn = hpn;
    this.mode = mode;
    this.index = index;
  }

  cover(from: number, to: number): void {
    for (let i = from; i < to; i++) this.covered[i >> 5]! |= 1 << (i & 31);
  }
  covers(from: number, to: number): boolean {
    for (let i = from; i < to; i++) if ((this.covered[i >> 5]! & (1 << (i & 31))) !== 0) return true;
    return false;
  }
}

export class CodeStore {
  readonly #memory: MachineMemory;
  readonly #pages = new Map<number, CodePage>();
  readonly #directories: number;
  readonly #poolStart: number;
  readonly #poolEnd: number;
  #next: number;
  /** Told before a page is forgotten. */
  onDrop: (page: CodePage) => void = () => {};

  /** Uses [base, base + bytes) of the cpu area. */
  constructor(memory: MachineMemory, base: number, bytes: number) {
    this.#memory = memory;
    this.#directories = base;
    this.#poolStart = base + CodeStore.directoryBytes(memory.npages);
    this.#poolEnd = base + bytes;
    this.#next = this.#poolStart;
    if (this.#poolEnd - this.#poolStart < 1024 * 1024) {
      throw new RangeError(
        `cpu: ${bytes} bytes of cpu area are too few for ${memory.npages} host pages; see cpuAreaBytes()`,
      );
    }
    memory.onCodeWritten((hpn, offset, length) => this.written(hpn, offset, length));
  }

  static directoryBytes(npages: number): number {
    return Math.ceil((MODES * npages * 4) / 64) * 64;
  }

  /** Linear-memory address of the directory of `mode`. */
  directory(mode: number): number {
    return this.#directories + mode * this.#memory.npages * 4;
  }
  /**
   * Where the directory of `mode` would begin if it started with linear-memory page 0: the entry of the host page at
   * address `a` lies at origin + (a >>> 12) * 4, modulo 2³².
   */
  directoryOrigin(mode: number): number {
    return this.directory(mode) - (this.#memory.ramBase >>> 12) * 4;
  }
  /** Storage used by index tables and records, in bytes. */
  get usedBytes(): number {
    return this.#next - this.#poolStart;
  }

  page(hpn: number, mode: number): CodePage | undefined {
    return this.#pages.get(hpn * MODES + mode);
  }

  /** The page's decoded code, made when there is none. Needs hasRoom(). */
  obtain(hpn: number, mode: number): CodePage {
    const known = this.page(hpn, mode);
    if (known !== undefined) return known;
    const index = this.#next;
    this.#next += INDEX_BYTES;
    this.#memory.u8.fill(0, index, index + INDEX_BYTES);
    const page = new CodePage(hpn, mode, index);
    this.#pages.set(hpn * MODES + mode, page);
    this.#memory.i32[(this.directory(mode) >> 2) + hpn] = index;
    this.#memory.protectCode(hpn);
    return page;
  }

  /** Address for the next record. The caller fills it and calls take(). */
  get nextRecord(): number {
    return this.#next;
  }
  take(): void {
    this.#next += RECORD_BYTES;
  }
  /** Whether a whole page, decoded from every byte, and its neighbour's index fit. */
  hasRoom(): boolean {
    return this.#poolEnd - this.#next > 2 * INDEX_BYTES + 4096 * 4 * RECORD_BYTES;
  }

  /** Bytes [offset, offset + length) of host page `hpn` have changed. */
  written(hpn: number, offset: number, length: number): void {
    for (let mode = 0; mode < MODES; mode++) {
      const page = this.page(hpn, mode);
      if (page === undefined) continue;
      if (page.covers(offset, offset + length) || ++page.falseHits >= FALSE_HITS) this.drop(page);
    }
  }

  /** Forgets all code of a host page. */
  invalidate(hpn: number): void {
    for (let mode = 0; mode < MODES; mode++) {
      const page = this.page(hpn, mode);
      if (page !== undefined) this.drop(page);
    }
  }

  drop(page: CodePage): void {
    if (!page.live) return;
    page.live = false;
    this.onDrop(page);
    this.#pages.delete(page.hpn * MODES + page.mode);
    this.#memory.i32[(this.directory(page.mode) >> 2) + page.hpn] = 0;
    for (const dependent of page.dependents) this.drop(dependent);
    for (let mode = 0; mode < MODES; mode++) if (this.page(page.hpn, mode) !== undefined) return;
    this.#memory.unprotectCode(page.hpn);
  }

  /** Forgets everything and starts the pool anew. */
  flush(): void {
    for (const page of [...this.#pages.values()]) this.drop(page);
    this.#next = this.#poolStart;
  }
}
