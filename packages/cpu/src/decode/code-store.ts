// SPDX-License-Identifier: BSD-3-Clause
/**
 * Decoded code by host page: directories, index tables, records, and their invalidation.
 *
 *   directory   one for each mode, 4 bytes a host page: address of the page's index table, 0 = nothing decoded
 *   index       4 bytes for each byte of the page: address of the record of the instruction that starts there, or 0; behind
 *               it the page's coverage
 *   pool        index tables and records, handed out in order from segments; a full pool starts again with its oldest
 *               segment, and the pages that have something there are forgotten
 *
 * Invariants
 *   D2  Each CodePage is one holder of its host page in MachineMemory.codePages (I-CODE, M2).
 *   D3  A page whose bytes an instruction of another page reaches into knows that page as dependent: dropping it drops
 *       the dependent too.
 *   D4  Dropping never reuses storage; only reserve() does, and only between two instructions.
 *   D6  A page whose storage is in a segment has the segment's bit in `segments`; what one reserve() promises lies in one
 *       segment.
 *
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { RECORD_BYTES } from "./record.ts";

/** Segment mode of decoded code: bit 0 = segments are not flat, bit 1 = 16-bit code segment. */
export const MODE_GENERAL = 1;
export const MODE_CODE16 = 2;
const MODES = 4;

/** Of a page's storage: its index, then one bit for each byte that decoded instructions cover, with room for a wide store. */
const COVERED = 4096 * 4;
const INDEX_BYTES = COVERED + 4096 / 8 + 64;
/** What reserve() promises besides records: the page's index and its neighbour's. */
const RESERVED_INDEXES = 2 * INDEX_BYTES;
const MIN_SEGMENT_BYTES = 0x4_0000;
/** One bit each in CodePage.segments. */
const MAX_SEGMENTS = 32;
/** Writes to a code page that hit no code: after this many the page is given up, so that data may be written at speed. */
const FALSE_HITS = 64;

export class CodePage {
  readonly hpn: number;
  readonly mode: number;
  /** Linear-memory address of the index table. */
  readonly index: number;
  /** Linear-memory address of one bit for each byte of the page, set where decoded instructions cover it. */
  readonly covered: number;
  readonly #words: Int32Array;
  /** Pages with an instruction that ends in this one. */
  readonly dependents = new Set<CodePage>();
  /** Pool segments with storage of the page. */
  segments = 0;
  /** The page's H_MISS records, linked by their IMM; 0 = none. */
  openEnds = 0;
  falseHits = 0;
  live = true;
  /** How often execution was seen in the page, for the compiler. */
  samples = 0;
  /** How many samples it takes until the compiler looks at it again. */
  needed = 0;
  /** Regions reach beyond it: not when they turned out not to fit other spaces. */
  joins = true;

  constructor(memory: MachineMemory, hpn: number, mode: number, index: number) {
    this.hpn = hpn;
    this.mode = mode;
    this.index = index;
    this.covered = index + COVERED;
    this.#words = memory.i32;
  }

  cover(from: number, to: number): void {
    const words = this.covered >> 2;
    for (let i = from; i < to; i++) this.#words[words + (i >> 5)]! |= 1 << (i & 31);
  }
  covers(from: number, to: number): boolean {
    const words = this.covered >> 2;
    for (let i = from; i < to; i++) if ((this.#words[words + (i >> 5)]! & (1 << (i & 31))) !== 0) return true;
    return false;
  }
}

export class CodeStore {
  readonly #memory: MachineMemory;
  readonly #pages = new Map<number, CodePage>();
  readonly #directories: number;
  readonly #poolStart: number;
  readonly #segmentBytes: number;
  readonly #segments: number;
  /** The segment that storage is taken from. */
  #segment = 0;
  #next: number;
  #end: number;
  /** Told before a page is forgotten. */
  onDrop: (page: CodePage) => void = () => {};

  /** Uses [base, base + bytes) of the cpu area. */
  constructor(memory: MachineMemory, base: number, bytes: number) {
    this.#memory = memory;
    this.#directories = base;
    this.#poolStart = base + CodeStore.directoryBytes(memory.npages);
    this.#next = this.#poolStart;
    const pool = base + bytes - this.#poolStart;
    if (pool < 1024 * 1024) {
      throw new RangeError(
        `cpu: ${bytes} bytes of cpu area are too few for ${memory.npages} host pages; see cpuAreaBytes()`,
      );
    }
    this.#segmentBytes = Math.max(MIN_SEGMENT_BYTES, Math.floor(pool / MAX_SEGMENTS / 64) * 64);
    this.#segments = Math.floor(pool / this.#segmentBytes);
    this.#end = this.#poolStart + this.#segmentBytes;
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
  page(hpn: number, mode: number): CodePage | undefined {
    return this.#pages.get(hpn * MODES + mode);
  }

  /** The page's decoded code, made when there is none. Takes from what reserve() promised. */
  obtain(hpn: number, mode: number): CodePage {
    const known = this.page(hpn, mode);
    if (known !== undefined) {
      known.segments |= 1 << this.#segment;
      return known;
    }
    const index = this.#next;
    this.#next += INDEX_BYTES;
    this.#memory.u8.fill(0, index, index + INDEX_BYTES);
    const page = new CodePage(this.#memory, hpn, mode, index);
    page.segments = 1 << this.#segment;
    this.#pages.set(hpn * MODES + mode, page);
    this.#memory.i32[(this.directory(mode) >> 2) + hpn] = index;
    this.#memory.protectCode(hpn);
    return page;
  }

  /** Address for the next record. The caller fills it and sets the address behind it. */
  get nextRecord(): number {
    return this.#next;
  }
  set nextRecord(at: number) {
    this.#next = at;
  }
  /**
   * Makes sure that storage for `records` records and for the indexes of two pages is there. May forget any page, so it is
   * called before obtain().
   */
  reserve(records: number): void {
    if (this.#end - this.#next >= records * RECORD_BYTES + RESERVED_INDEXES) return;
    this.#segment = (this.#segment + 1) % this.#segments;
    this.#next = this.#poolStart + this.#segment * this.#segmentBytes;
    this.#end = this.#next + this.#segmentBytes;
    const bit = 1 << this.#segment;
    for (const page of [...this.#pages.values()]) if ((page.segments & bit) !== 0) this.drop(page);
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
    this.#memory.unprotectCode(page.hpn);
  }
}
