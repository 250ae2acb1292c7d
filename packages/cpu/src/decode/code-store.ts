// SPDX-License-Identifier: BSD-3-Clause
/**
 * Decoded code by host page: directories, index tables, records, and their invalidation.
 *
 *   directory   one for each mode, 4 bytes a host page: address of the page's index table, 0 = nothing decoded
 *   covers      4 bytes a host page: address of the cover map of its code, 0 = nothing decoded
 *   index       4 bytes for each byte of the page: address of the record of the instruction that starts there, or 0
 *   cover map   one bit for each byte of the page that some decoded instruction covers, and a countdown (cover-map.ts)
 *   pool        index tables, cover maps and records, handed out in order from segments; a full pool starts again with
 *               its oldest segment, and the pages that have something there are forgotten
 *
 * A write to decoded bytes kills the instructions that cover them and leaves the rest of the page alone. A killed record stays
 * where it is as H_MISS, for the records that lead to it, until its place in the code is decoded again.
 *
 * Invariants
 *   D2  Each CodePage is one holder of its host page in MachineMemory.codePages (I-CODE, M2).
 *   D3  A page whose bytes an instruction of another page reaches into knows that page as dependent: dropping it drops
 *       the dependent too.
 *   D4  Dropping and killing never reuse storage; only reserve() and the decoder do, between two instructions.
 *   D6  A page whose storage is in a segment has the segment's bit in `segments`; what one reserve() promises lies in one
 *       segment.
 *   D7  Every byte of a live instruction has its bit in the cover map of its page. The modes of a page share one map.
 *
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { COVER_MAP_BYTES, CoverMap } from "./cover-map.ts";
import { MAX_LENGTH } from "./decode-words.ts";
import { H_FIRST, H_MISS, RECORD_BYTES, R_FUNCTION, R_HANDLER, R_NEXT } from "./record.ts";

/** Segment mode of decoded code: bit 0 = segments are not flat, bit 1 = 16-bit code segment. */
export const MODE_GENERAL = 1;
export const MODE_CODE16 = 2;
const MODES = 4;

const INDEX_BYTES = 4096 * 4;
const PAGE_BYTES = INDEX_BYTES + COVER_MAP_BYTES;
/** What reserve() promises besides records: index and cover map of the page and its neighbour. */
const RESERVED_PAGES = 2 * PAGE_BYTES;
const MIN_SEGMENT_BYTES = 0x4_0000;
/** One bit each in CodePage.segments. */
const MAX_SEGMENTS = 32;
/** After how many writes to a page that hit nothing it is looked at; then after twice as many, and so on. */
const QUIET_WRITES = 1024;
/** A page with so many is given up, so that data is written at speed, when it has no compiled code; … */
const MOST_QUIET_WRITES = 1 << 16;
/** … and when it has: compiling it again costs little beside them. */
const MOST_QUIET_WRITES_COMPILED = 1 << 20;
/** Longer writes replace a page's contents. */
const PATCH_BYTES = 256;
/** How far ahead a write that follows on another one kills; doubled each time. */
const FIRST_SWEEP = 32;
/** Killed records that became links, before the page is decoded from scratch. */
const MAX_MOVED = 64;

export class CodePage {
  readonly hpn: number;
  readonly mode: number;
  /** Linear-memory address of the index table. */
  readonly index: number;
  readonly cover: CoverMap;
  /** Pages with an instruction that ends in this one. */
  readonly dependents = new Set<CodePage>();
  /** Killed records by the page offset of their instruction; none has been decoded again. */
  readonly killed = new Map<number, number>();
  /** How many killed records did not fit what was decoded in their place, and became links to it. */
  moved = 0;
  /** Pool segments with storage of the page. */
  segments = 0;
  /** The page's H_MISS records that were never decoded, linked by their IMM; 0 = none. */
  openEnds = 0;
  /** End of the last write that killed, and how far it swept. */
  writtenTo = -1;
  sweep = 0;
  live = true;
  /** How often compiled code of the page died because it was written. */
  unrest = 0;
  /** Its regions use windows: not when those turned out to lie over page ends. */
  windows = true;

  constructor(hpn: number, mode: number, index: number, cover: CoverMap) {
    this.hpn = hpn;
    this.mode = mode;
    this.index = index;
    this.cover = cover;
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
  /** Loop handler of each function number. */
  handlers: Uint16Array = new Uint16Array(0);
  /** Told before a page is forgotten. */
  onDrop: (page: CodePage) => void = () => {};
  /** Told before the instruction that starts with `record` is killed. Returns whether compiled code dies with it. */
  onKill: (page: CodePage, record: number) => boolean = () => false;
  /** Whether compiled code has instructions of the page. */
  isCompiled: (page: CodePage) => boolean = () => false;

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
    return Math.ceil(((MODES + 1) * npages * 4) / 64) * 64;
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
  /** The same for the cover maps. */
  get coversOrigin(): number {
    return this.directoryOrigin(MODES);
  }
  page(hpn: number, mode: number): CodePage | undefined {
    return this.#pages.get(hpn * MODES + mode);
  }
  #anyPage(hpn: number): CodePage | undefined {
    for (let mode = 0; mode < MODES; mode++) {
      const page = this.page(hpn, mode);
      if (page !== undefined) return page;
    }
    return undefined;
  }

  /** The page's decoded code, made when there is none. Takes from what reserve() promised. */
  obtain(hpn: number, mode: number): CodePage {
    const known = this.page(hpn, mode);
    if (known !== undefined) {
      known.segments |= 1 << this.#segment;
      return known;
    }
    const index = this.#next;
    this.#next += PAGE_BYTES;
    const memory = this.#memory;
    memory.u8.fill(0, index, index + PAGE_BYTES);
    const other = this.#anyPage(hpn);
    const page = new CodePage(hpn, mode, index, other?.cover ?? new CoverMap(memory, index + INDEX_BYTES, QUIET_WRITES));
    // A map shared with other modes lies in a segment of theirs.
    page.segments = (1 << this.#segment) | (other?.segments ?? 0);
    this.#pages.set(hpn * MODES + mode, page);
    memory.i32[(this.directory(mode) >> 2) + hpn] = index;
    memory.i32[(this.directory(MODES) >> 2) + hpn] = page.cover.address;
    memory.protectCode(hpn);
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
    if (this.#end - this.#next >= records * RECORD_BYTES + RESERVED_PAGES) return;
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
      if (length > PATCH_BYTES) {
        if (page.cover.hits(offset, length)) this.drop(page);
      } else if (!this.#patch(page, offset, offset + length)) this.#quiet(page);
    }
  }

  /** Kills what covers bytes from…to−1 of a page; false when nothing does. */
  #patch(page: CodePage, from: number, to: number): boolean {
    const { cover } = page;
    if (!cover.hits(from, to - from)) return false;
    cover.restart(QUIET_WRITES);
    // Whoever writes code writes it in order: what follows will be overwritten next.
    const follows = from >= page.writtenTo && from - page.writtenTo < MAX_LENGTH;
    page.sweep = follows ? Math.max(FIRST_SWEEP, page.sweep * 2) : 0;
    const end = Math.min(to + page.sweep, 4096);
    page.writtenTo = end;
    if (from < MAX_LENGTH) this.#killCrossing(page, from);
    let low = from;
    let high = end;
    for (let at = Math.max(0, from - MAX_LENGTH + 1); at < end; at++) {
      const next = this.#nextOf(page, at);
      if (next <= from) continue;
      this.#kill(page, at);
      low = Math.min(low, at);
      high = Math.max(high, next);
    }
    this.#uncover(page, low, Math.min(high, 4096));
    return true;
  }
  /** Offset behind the instruction that starts at `offset`; 0 when none does. */
  #nextOf(page: CodePage, offset: number): number {
    const { i32, u16 } = this.#memory;
    const record = i32[(page.index >> 2) + offset]!;
    return record === 0 ? 0 : u16[(record + R_NEXT) >> 1]!;
  }
  #kill(page: CodePage, offset: number): void {
    const { i32, u16 } = this.#memory;
    const at = (page.index >> 2) + offset;
    const record = i32[at]!;
    if (this.onKill(page, record)) page.unrest++;
    this.#unpair(page, offset, record);
    u16[(record + R_HANDLER) >> 1] = H_MISS;
    i32[at] = 0;
    page.killed.set(offset, record);
  }
  /** Gives the instruction in front of the one at `offset` its own handler back, if it has that of both (interp/pairs.ts). */
  #unpair(page: CodePage, offset: number, record: number): void {
    const { i32, u16 } = this.#memory;
    const before = record - RECORD_BYTES;
    for (let at = Math.max(0, offset - MAX_LENGTH); at < offset; at++) {
      if (this.#nextOf(page, at) !== offset) continue;
      const first = i32[(page.index >> 2) + at]!;
      // Its own record may stand behind an address record.
      if (first !== before && first !== before - RECORD_BYTES) continue;
      if (u16[(before + R_HANDLER) >> 1]! < H_FIRST) continue;
      u16[(before + R_HANDLER) >> 1] = this.handlers[u16[(before + R_FUNCTION) >> 1]!]!;
    }
  }
  /** Kills the instructions of other pages that reach into this one beyond byte `from`. */
  #killCrossing(page: CodePage, from: number): void {
    for (const other of page.dependents) {
      if (!other.live) {
        page.dependents.delete(other);
        continue;
      }
      for (let at = 4096 - MAX_LENGTH + 1; at < 4096; at++) {
        if (this.#nextOf(other, at) - 4096 <= from) continue;
        this.#kill(other, at);
        this.#uncover(other, at, 4096);
      }
    }
  }
  /** Takes bytes low…high−1 out of the cover map, but for those of live instructions. */
  #uncover(page: CodePage, low: number, high: number): void {
    page.cover.clear(low, high);
    for (let mode = 0; mode < MODES; mode++) {
      const same = this.page(page.hpn, mode);
      if (same === undefined) continue;
      for (let at = Math.max(0, low - MAX_LENGTH + 1); at < high; at++) {
        const next = this.#nextOf(same, at);
        if (next > low) same.cover.set(at, Math.min(next, 4096));
      }
      if (low >= MAX_LENGTH) continue;
      for (const other of same.dependents) {
        if (!other.live) continue;
        for (let at = 4096 - MAX_LENGTH + 1; at < 4096; at++) {
          const next = this.#nextOf(other, at) - 4096;
          if (next > 0) same.cover.set(0, next);
        }
      }
    }
  }

  /** The page's countdown of writes that hit nothing has ended, or one was reported otherwise. */
  #quiet(page: CodePage): void {
    const { cover } = page;
    if (cover.countdown > 0) return;
    const most = this.isCompiled(page) ? MOST_QUIET_WRITES_COMPILED : MOST_QUIET_WRITES;
    if (cover.period >= most) this.drop(page);
    else cover.restart(cover.period * 2);
  }

  /** Forgets a page in which much has moved; before decoding starts. */
  tidy(hpn: number, mode: number): void {
    const page = this.page(hpn, mode);
    if (page !== undefined && page.moved >= MAX_MOVED) this.drop(page);
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
    this.#memory.i32[(this.directory(MODES) >> 2) + page.hpn] = this.#anyPage(page.hpn)?.cover.address ?? 0;
    this.#memory.unprotectCode(page.hpn);
  }
}
