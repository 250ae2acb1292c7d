// SPDX-License-Identifier: BSD-3-Clause
/**
 * The regions that live: their places in the interpreter's table, the records that enter them, their end.
 *
 * A region is entered through the records of its entries, whose handler becomes H_REGION. It dies with a page of its code, when
 * another takes its place, or when there are too many: then those go in which execution was not seen for the longest time.
 *
 * Invariants
 *   J4  A record has H_REGION exactly while the region of its ENTRY is live; its slot in the table then holds the region.
 *   J5  Regions die with their page (CodeStore.onDrop) and with each of their instructions (onKill), before anything of it is
 *       decoded anew.
 *   J7  Places of dead regions are given out again only after every line of the jump cache has become invalid.
 *
 * @module
 */
import { PGMASK, type MachineMemory } from "@vkernel/mmu";
import type { CodePage } from "../decode/code-store.ts";
import * as R from "../decode/record.ts";
import { REGION_SLOTS } from "../interp/functions.ts";
import type { InterpreterExports } from "../interp/module-cache.ts";
import { REGION_ENTRIES } from "../state.ts";
import type { Outline } from "./discover.ts";
import { noSurroundings, type Surroundings } from "./growth.ts";

/** Entries of all live regions: 8 bytes each, {table index, entry number}. */
const MAX_ENTRIES = 0x1_0000;
export const ENTRY_TABLE_BYTES = MAX_ENTRIES * 8;
/** When room is needed, this part of all regions goes. */
const EVICTED_PART = 1 / 8;

export interface LiveRegion {
  readonly outline: Outline;
  readonly slot: number;
  /** Offsets where it can be entered. */
  readonly entryOffsets: readonly number[];
  /** Records that enter it, and the entry numbers they hold. */
  readonly entries: readonly { readonly record: number; readonly entry: number }[];
  /** Size of its WebAssembly code. */
  readonly bytes: number;
  /** How many regions before it covered part of its code. */
  readonly generation: number;
  /** How often it did not fit the running space. */
  stale: number;
  readonly surroundings: Surroundings;
  /** How often execution was seen in it, and when last, in samples. */
  hits: number;
  lastHit: number;
}

/** A function for a region, and where it goes. */
export interface CompiledRegion {
  readonly outline: Outline;
  readonly slot: number;
  readonly function: unknown;
  readonly bytes: number;
  /** Offsets of its entries, by number. */
  readonly entries: readonly number[];
  readonly replaced: ReadonlySet<LiveRegion>;
}

export interface LiveRegionsParts {
  readonly memory: MachineMemory;
  readonly stateBase: number;
  readonly exports: InterpreterExports;
  /** Loop handler of each function number. */
  readonly handlers: Uint16Array;
  /** Linear-memory address of ENTRY_TABLE_BYTES for the entries. */
  readonly entryTable: number;
  /** Table index of the first place for regions. */
  readonly firstSlot: number;
  /** Bytes of WebAssembly code that may live at a time. */
  readonly maxCodeBytes: number;
  /** Told of each region that has to make room. */
  readonly onEvict: (live: LiveRegion) => void;
}

export class LiveRegions {
  /** Samples so far: the clock by which regions grow cold. */
  now = 0;
  /** Bytes of code that live. */
  bytes = 0;
  /** Regions given up for want of room. */
  evicted = 0;
  readonly #p: LiveRegionsParts;
  readonly #freeSlots: number[] = [];
  /** Places of dead regions that lines of the jump cache may still name. */
  #deadSlots: number[] = [];
  readonly #freeEntries: number[] = [];
  #nextEntry = 0;
  readonly #byPage = new Map<CodePage, Set<LiveRegion>>();
  readonly #bySlot = new Map<number, LiveRegion>();
  readonly #byEntry: (LiveRegion | undefined)[] = [];

  constructor(parts: LiveRegionsParts) {
    this.#p = parts;
    for (let i = REGION_SLOTS - 1; i >= 0; i--) this.#freeSlots.push(parts.firstSlot + i);
    parts.memory.i32[(parts.stateBase + REGION_ENTRIES) >> 2] = parts.entryTable;
  }

  get count(): number {
    return this.#bySlot.size;
  }
  at(slot: number): LiveRegion | undefined {
    return this.#bySlot.get(slot);
  }
  /** The region that the interpreter enters at `record`. */
  ownerOf(record: number): LiveRegion | undefined {
    const { u16 } = this.#p.memory;
    if (u16[(record + R.R_HANDLER) >> 1] !== R.H_REGION) return undefined;
    return this.#byEntry[u16[(record + R.R_ENTRY) >> 1]!];
  }

  /** Gives up cold regions until there is room for `bytes` more of code, or none is left. */
  makeRoomForCode(bytes: number): void {
    while (this.bytes + bytes > this.#p.maxCodeBytes && this.#bySlot.size > 0)
      this.#evict(Math.ceil(this.#bySlot.size * EVICTED_PART));
  }
  /** Gives up cold regions until there is room for `regions` more with `entries` entries in all. */
  makeRoom(regions: number, entries: number): void {
    while (
      this.#freeSlots.length + this.#deadSlots.length < regions ||
      this.#freeEntries.length + MAX_ENTRIES - this.#nextEntry < entries
    ) {
      if (this.#bySlot.size === 0)
        throw new Error(`cpu: no room for ${regions} compiled regions with ${entries} entries`);
      this.#evict(Math.ceil(this.#bySlot.size * EVICTED_PART));
    }
    if (this.#freeSlots.length < regions) this.#recycle();
  }
  #evict(count: number): void {
    const coldest = [...this.#bySlot.values()].sort((a, b) => a.lastHit - b.lastHit).slice(0, count);
    for (const live of coldest) {
      this.drop(live);
      this.#p.onEvict(live);
    }
    this.evicted += coldest.length;
  }
  /** Makes the places of dead regions free: with new epochs no line of the jump cache names them. */
  #recycle(): void {
    this.#p.memory.renewEpochs();
    this.#freeSlots.push(...this.#deadSlots);
    this.#deadSlots = [];
  }
  /** A place for a region; makeRoom() has seen to it that there is one. */
  takeSlot(): number {
    return this.#freeSlots.pop()!;
  }
  /** The place of a region that was never installed. */
  returnSlot(slot: number): void {
    this.#freeSlots.push(slot);
  }

  install(compiled: CompiledRegion): void {
    const { memory, entryTable, exports } = this.#p;
    const { outline, slot, bytes, replaced } = compiled;
    exports.table.set(slot, compiled.function);
    const entries: { record: number; entry: number }[] = [];
    let generation = 0;
    for (const old of replaced) generation = Math.max(generation, old.generation + 1);
    const live: LiveRegion = {
      outline,
      slot,
      entryOffsets: compiled.entries,
      entries,
      bytes,
      generation,
      stale: 0,
      surroundings: noSurroundings(),
      hits: 0,
      lastHit: this.now,
    };
    const { pages } = outline;
    compiled.entries.forEach((offset, number) => {
      const { page } = pages.find(({ delta }) => delta === offset >> 12)!;
      const record = memory.i32[(page.index >> 2) + (offset & PGMASK)]!;
      // The guard of an instruction that crosses into the next page must stay.
      const handler = memory.u16[(record + R.R_HANDLER) >> 1];
      if (handler === R.H_CROSS) return;
      // Other regions keep their entries, except for the start that was asked for.
      const isStart = outline.starts.includes(offset);
      if (handler === R.H_REGION && !isStart && !replaced.has(this.ownerOf(record)!)) return;
      const entry = this.#freeEntries.pop() ?? this.#nextEntry++;
      memory.i32[(entryTable + entry * 8) >> 2] = slot;
      memory.i32[(entryTable + entry * 8 + 4) >> 2] = number | ((offset >> 12) << 16);
      memory.u16[(record + R.R_ENTRY) >> 1] = entry;
      memory.u16[(record + R.R_HANDLER) >> 1] = R.H_REGION;
      this.#byEntry[entry] = live;
      entries.push({ record, entry });
    });
    this.#bySlot.set(slot, live);
    this.bytes += bytes;
    for (const { page } of pages) {
      const known = this.#byPage.get(page);
      if (known === undefined) this.#byPage.set(page, new Set([live]));
      else known.add(live);
    }
    for (const old of replaced) this.drop(old);
  }

  /** Whether a region has instructions of `page`. */
  has(page: CodePage): boolean {
    return this.#byPage.has(page);
  }
  /** The regions that hold the instruction of `page` starting with `record`. */
  holding(page: CodePage, record: number): LiveRegion[] {
    const regions = this.#byPage.get(page);
    return regions === undefined ? [] : [...regions].filter(({ outline }) => outline.offsetOf.has(record));
  }
  /** Drops them; whether there were any. */
  dropInstruction(page: CodePage, record: number): boolean {
    const regions = this.holding(page, record);
    for (const live of regions) this.drop(live);
    return regions.length > 0;
  }
  dropPage(page: CodePage): void {
    for (const live of [...(this.#byPage.get(page) ?? [])]) this.drop(live);
  }
  /** Frees a region's slot and entries; records that no other region has taken over get their handlers back. */
  drop(live: LiveRegion): void {
    const { memory, exports, handlers } = this.#p;
    const { outline, slot, entries } = live;
    if (this.#bySlot.get(slot) !== live) return;
    this.#bySlot.delete(slot);
    this.bytes -= live.bytes;
    exports.table.set(slot, exports.dead);
    this.#deadSlots.push(slot);
    for (const { page } of outline.pages) {
      const known = this.#byPage.get(page);
      known?.delete(live);
      if (known?.size === 0) this.#byPage.delete(page);
    }
    for (const { record, entry } of entries) {
      this.#freeEntries.push(entry);
      this.#byEntry[entry] = undefined;
      if (memory.u16[(record + R.R_ENTRY) >> 1] !== entry) continue;
      memory.u16[(record + R.R_HANDLER) >> 1] = handlers[memory.u16[(record + R.R_FUNCTION) >> 1]!]!;
    }
  }
}
