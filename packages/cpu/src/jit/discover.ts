// SPDX-License-Identifier: BSD-3-Clause
/**
 * Which instructions make a region.
 *
 * A region takes in what direct jumps reach from its starts, what calls reach in the same page, and the places calls and
 * software interrupts return to, up to a number of instructions and pages. It is found from the decoded records, which
 * have everything a compiler needs as constants.
 *
 * Most looks are in vain: what they find is not worth its price yet. So a look writes into arrays that are always the same, and only
 * outline() makes something to keep.
 *
 * Source of the idea and the limits: docs/ARCHITECTURE.md, processor.
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import type { CodePage } from "../decode/code-store.ts";
import * as R from "../decode/record.ts";
import * as F from "../interp/flows.ts";
import { FN_EA32, FN_LEA16 } from "../interp/functions.ts";
import type { PageProfile, Profile } from "./profile.ts";
import * as Q from "./request.ts";

const { H_CROSS, H_LINK, H_MISS, H_NEXT_PAGE, H_REGION } = R;
const { R_FUNCTION, R_HANDLER, R_IMM, R_NEXT, RECORD_BYTES } = R;
const { FLOW_AWAY, FLOW_CALL, FLOW_DIRECT, FLOW_JUMP, FLOW_MASK, FLOW_NEXT, FLOW_STOP } = F;
const { INSTRUCTION_WORDS, NO_TARGET } = Q;
const { W_FIRST, W_FLAGS, W_FUNCTION, W_NEXT, W_OFFSET, W_RECORD, W_TARGET } = Q;

/** Compile time rises steeply with region size; see docs/ARCHITECTURE.md. */
export const MAX_INSTRUCTIONS = 300;
/** For regions made of regions between which execution goes to and fro, so often that the time is well spent. */
export const MAX_MERGED_INSTRUCTIONS = 1000;

/** Each page is checked when the jump cache does not know an entry, and each can be what a region dies with. */
const MAX_PAGES = 40;

/** Farthest page from the base page: exits encode offsets in 26 bits, see RegionEmitter. */
const MAX_DELTA = 8000;

/** A page has so many words of bits, one bit a byte. */
const PAGE_WORDS = 128;
const ABSENT = -1;

/**
 * A page of a region. Offsets in a region count from the start of its base page: byte `b` of the page at `delta` has offset
 * `4096 * delta + b`.
 */
export interface OutlinePage {
  readonly page: CodePage;
  /** Distance from the base page in pages, in the address space. */
  readonly delta: number;
}

/** Finds decoded pages by their distance from the base page, in the space that runs; null where there is none. */
export type PageFinder = (delta: number) => CodePage | null;

/** What a region consists of. */
export interface Outline {
  /** The base page first. */
  readonly pages: readonly OutlinePage[];
  /** Offset of each instruction by the address of its first record. */
  readonly offsetOf: ReadonlyMap<number, number>;
  /** As in RegionRequest. */
  readonly words: Int32Array;
  readonly starts: readonly number[];
  readonly leaders: readonly number[];
  readonly entered: readonly number[];
  readonly seenTargets: readonly (readonly [number, readonly number[]])[];
}

export interface DiscoverOptions {
  /** Offsets from the base page, the first being the most wanted. */
  readonly starts: readonly number[];
  /** Leave where regions are entered instead of taking the code in once more; except those of `mayEnter`. */
  readonly avoidCompiled?: boolean;
  readonly mayEnter?: readonly Outline[];
  /** Instructions at most; MAX_INSTRUCTIONS unless given. */
  readonly limit?: number;
  /** What runs: only that is taken in, and where indirect jumps went. Without it everything is. */
  readonly profile?: Profile;
}

/** Looks for regions, one at a time: outline() and heat() are about the last look(). */
export class Discovery {
  /** Instructions found. */
  size = 0;
  readonly #memory: MachineMemory;
  /** By function number, see interp/flows.ts. */
  readonly #flows: Uint8Array;
  /** As in RegionRequest, with room for the one that is being looked at. */
  readonly #words = new Int32Array(MAX_MERGED_INSTRUCTIONS * INSTRUCTION_WORDS);
  /** The pages looked at, in the order in which they came up; which of them hold code of the region, and which bytes of it start instructions. */
  #pages: OutlinePage[] = [];
  readonly #isUsed = new Uint8Array(MAX_PAGES);
  readonly #found = new Uint32Array(MAX_PAGES * PAGE_WORDS);
  #profile: Profile | undefined = undefined;
  readonly #profiles: (PageProfile | undefined)[] = [];
  readonly #placeOf = new Map<number, number>();
  #lastDelta = 0;
  #lastPlace = 0;
  #find: PageFinder = () => null;
  #starts: readonly number[] = [];
  readonly #leaders: number[] = [];
  readonly #entered: number[] = [];
  #seenTargets: [number, readonly number[]][] = [];
  readonly #pending: number[] = [];

  constructor(memory: MachineMemory, flows: Uint8Array) {
    this.#memory = memory;
    this.#flows = flows;
  }

  /** Looks from the starts of `options`. Returns whether anything there can be compiled. */
  look(base: CodePage, find: PageFinder, options: DiscoverOptions): boolean {
    const { starts, profile, mayEnter, limit = MAX_INSTRUCTIONS } = options;
    const avoidCompiled = options.avoidCompiled === true || mayEnter !== undefined;
    this.#reset(base, find, starts, profile);
    const pending = this.#pending;
    const { u16 } = this.#memory;
    const words = this.#words;
    for (let k = 0; k < pending.length && this.size < limit; k++) {
      let offset = pending[k]!;
      while (this.size < limit && !this.#has(offset)) {
        const at = this.size * INSTRUCTION_WORDS;
        if (!this.#read(offset, at)) break;
        // Pending offsets begin with the starts.
        if (k >= starts.length || offset !== pending[k]!) {
          const first = words[at + W_FIRST]!;
          const isEntered = avoidCompiled && u16[first >> 1] === H_REGION;
          if (isEntered && mayEnter?.some(({ offsetOf }) => offsetOf.has(first)) !== true) break;
          if (profile !== undefined && !this.#wasSeen(offset)) break;
        }
        this.#take(offset);
        const next = words[at + W_NEXT]!;
        const flow = this.#flows[words[at + W_FUNCTION]!]! & FLOW_MASK;
        if (flow === FLOW_NEXT) {
          offset = next;
          continue;
        }
        this.#follow(offset, flow, next, words[at + W_TARGET]!);
        if (profile !== undefined && flow >= FLOW_AWAY) this.#followSeen(offset, flow, words[at + W_RECORD]!);
        break;
      }
    }
    for (const start of starts) if (this.#has(start)) return true;
    return false;
  }

  /** Samples in what was found. */
  heat(): number {
    let sum = 0;
    this.#pages.forEach((_, place) => {
      const profile = this.#profiles[place];
      if (profile === undefined || this.#isUsed[place] === 0) return;
      for (const [offset, heat] of profile.heatAt) if (this.#isFound(place, offset)) sum += heat;
    });
    return sum;
  }

  /** What was found, to be kept. */
  outline(): Outline {
    const words = this.#words.slice(0, this.size * INSTRUCTION_WORDS);
    const offsetOf = new Map<number, number>();
    for (let k = 0; k < words.length; k += INSTRUCTION_WORDS) offsetOf.set(words[k + W_FIRST]!, words[k + W_OFFSET]!);
    return {
      pages: this.#pages.filter((_, place) => this.#isUsed[place] !== 0),
      offsetOf,
      words,
      starts: this.#starts,
      leaders: [...this.#leaders],
      entered: [...this.#entered],
      seenTargets: this.#seenTargets,
    };
  }

  #reset(base: CodePage, find: PageFinder, starts: readonly number[], profile: Profile | undefined): void {
    this.size = 0;
    this.#found.fill(0, 0, this.#pages.length * PAGE_WORDS);
    this.#isUsed.fill(0, 0, this.#pages.length);
    this.#pages = [{ page: base, delta: 0 }];
    this.#isUsed[0] = 1;
    this.#profile = profile;
    this.#profiles.length = 0;
    this.#profiles.push(profile?.find(base));
    this.#placeOf.clear();
    this.#placeOf.set(0, 0);
    this.#lastDelta = 0;
    this.#lastPlace = 0;
    this.#find = find;
    this.#starts = starts;
    this.#seenTargets = [];
    for (const list of [this.#leaders, this.#entered, this.#pending]) {
      list.length = 0;
      for (const start of starts) list.push(start);
    }
  }

  /** The place of a page in the list, or ABSENT. */
  #place(delta: number): number {
    if (delta === this.#lastDelta) return this.#lastPlace;
    let place = this.#placeOf.get(delta);
    if (place === undefined) {
      place = this.#add(delta);
      this.#placeOf.set(delta, place);
    }
    this.#lastDelta = delta;
    this.#lastPlace = place;
    return place;
  }
  #add(delta: number): number {
    const pages = this.#pages;
    // Jumps, unlike calls, are followed wherever they lead: tail calls in large programs go millions of bytes.
    if (pages.length >= MAX_PAGES || Math.abs(delta) > MAX_DELTA) return ABSENT;
    const page = this.#find(delta);
    // A page at two places of one region would have two blocks for one record.
    if (page === null || pages.some((known) => known.page === page)) return ABSENT;
    this.#profiles.push(this.#profile?.find(page));
    return pages.push({ page, delta }) - 1;
  }

  #isFound(place: number, byte: number): boolean {
    return (this.#found[place * PAGE_WORDS + (byte >> 5)]! & (1 << (byte & 31))) !== 0;
  }
  #has(offset: number): boolean {
    const place = this.#place(offset >> 12);
    return place !== ABSENT && this.#isFound(place, offset & 0xfff);
  }
  #wasSeen(offset: number): boolean {
    return this.#profiles[this.#place(offset >> 12)]?.wasSeen(offset & 0xfff) === true;
  }

  /** Describes the instruction at `offset` in the words from `to` on. Returns false where compiled code has to leave. */
  #read(offset: number, to: number): boolean {
    const { u16, i32 } = this.#memory;
    const delta = offset >> 12;
    const place = this.#place(delta);
    if (place === ABSENT) return false;
    const first = i32[(this.#pages[place]!.page.index >> 2) + (offset & 0xfff)]!;
    if (first === 0) return false;
    let at = first;
    const handler = u16[(at + R_HANDLER) >> 1]!;
    if (handler === H_MISS || handler === H_NEXT_PAGE || handler === H_LINK) return false;
    if (handler === H_CROSS) {
      const following = this.#place(delta + 1);
      if (following === ABSENT) return false;
      const { hpn } = this.#pages[following]!.page;
      if (this.#memory.pageAddress(hpn) !== i32[(at + R_IMM) >> 2]! >>> 0) return false;
      at += RECORD_BYTES;
    }
    let flags = 0;
    let fn = u16[(at + R_FUNCTION) >> 1]!;
    if (fn <= FN_LEA16) {
      if (fn !== FN_EA32) return false;
      flags = Q.HAS_ADDRESS_RECORD;
      at += RECORD_BYTES;
      fn = u16[(at + R_FUNCTION) >> 1]!;
    }
    const words = this.#words;
    const next = 4096 * delta + u16[(at + R_NEXT) >> 1]!;
    words[to + W_OFFSET] = offset;
    words[to + W_FIRST] = first;
    words[to + W_RECORD] = at;
    words[to + W_FUNCTION] = fn;
    words[to + W_NEXT] = next;
    words[to + W_TARGET] = (this.#flows[fn]! & FLOW_DIRECT) !== 0 ? next + i32[(at + R_IMM) >> 2]! : NO_TARGET;
    words[to + W_FLAGS] = flags;
    return true;
  }
  /** Takes in the instruction at `offset`, which has just been read. */
  #take(offset: number): void {
    const delta = offset >> 12;
    const place = this.#place(delta);
    this.#found[place * PAGE_WORDS + ((offset & 0xfff) >> 5)]! |= 1 << (offset & 31);
    this.#isUsed[place] = 1;
    const first = this.#words[this.size * INSTRUCTION_WORDS + W_FIRST]!;
    if (this.#memory.u16[(first + R_HANDLER) >> 1] === H_CROSS) this.#isUsed[this.#place(delta + 1)] = 1;
    this.size++;
  }

  /** Notes where control may go from the instruction at `offset` and the region follows. */
  #follow(offset: number, flow: number, next: number, target: number): void {
    if (flow !== FLOW_STOP && flow !== FLOW_JUMP) {
      this.#leaders.push(next);
      this.#pending.push(next);
    }
    if (flow === FLOW_CALL || flow === FLOW_AWAY) this.#entered.push(next);
    // Callees in other pages come into a region only when execution shows the way.
    if (target === NO_TARGET || (flow === FLOW_CALL && target >> 12 !== offset >> 12)) return;
    this.#leaders.push(target);
    this.#pending.push(target);
  }
  /** The same for where an indirect jump or call was seen to go. */
  #followSeen(offset: number, flow: number, record: number): void {
    const distances = this.#profiles[this.#place(offset >> 12)]?.targets.get(record);
    if (distances === undefined) return;
    const targets = distances.map((distance) => offset + distance);
    this.#seenTargets.push([offset, targets]);
    if (flow === FLOW_STOP) this.#pending.push(...targets);
  }
}
