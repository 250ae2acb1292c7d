// SPDX-License-Identifier: BSD-3-Clause
/**
 * The region compiler: decides what to compile and when.
 *
 * The interpreter is stopped every `sampleInterval` instructions, at a taken jump, and regions report addresses without region that they
 * leave for again and again. Both add heat to an address (profile.ts); nothing is counted while code runs. A region is worth
 * compiling when as much time was spent in it as compiling it costs: then at most half of that time is lost whatever comes.
 *
 * Regions wait in a queue so that one module holds several. Interpreting what waits costs, too: the queue is emptied
 * when that has cost as much as a module does, and after a while in any case. A compiler beside the machine has one batch at a time.
 *
 * Invariant J8: what does not stay compiled is compiled ever less often: each time compiled code of a page dies by a write, twice as
 * much time has to be spent there before it is compiled again. What had to make room has to be worth twice its price, but not ever
 * more: in a machine that runs for long, everything has had to go at some time.
 * Invariant J9: a region is installed only if every instruction of it has lived from the moment it was found, wherever and for however
 * long it was compiled.
 *
 * @module
 */
import { PGMASK, type MachineMemory } from "@vkernel/mmu";
import type { CodePage, CodeStore } from "../decode/code-store.ts";
import type { RegionDump } from "../debug/region-dump.ts";
import type { RegionTrace } from "../debug/region-trace.ts";
import type { InterpreterExports } from "../interp/module-cache.ts";
import type { FormLookup } from "../isa/forms.ts";
import { Discovery, type DiscoverOptions, type Outline } from "./discover.ts";
import { Growth, type PlacedLive } from "./growth.ts";
import { LiveRegions, type LiveRegion } from "./live-regions.ts";
import { RegionPipeline, type CompiledOutline, type PlacedOutline } from "./pipeline.ts";
import { Profile, type PageProfile } from "./profile.ts";
import type { CompilerSetup, StartCompiler } from "./request.ts";
import type { JitCounters, JitStatistics } from "./statistics.ts";

export { ENTRY_TABLE_BYTES } from "./live-regions.ts";

export interface JitOptions {
  /** How many samples of a page make it hot at least; large regions need more. 0 = compile whatever is decoded, at once; Infinity = never compile. */
  readonly threshold: number;
  /** Instructions between two samples. */
  readonly sampleInterval: number;
  /** Bytes of WebAssembly code that may live at a time; the regions that have not run for longest make room. */
  readonly maxCodeBytes: number;
  /** How many times more compiling costs at first, while the compiler itself has to be compiled by the JavaScript engine. */
  readonly coldFactor: number;
  /** Starts a compiler beside the machine; null = regions are compiled in place. Not used with a threshold of 0. */
  readonly compiler: StartCompiler | null;
}
/** 40,000 instructions take 120 µs to interpret, and a sample 1 µs. */
export const DEFAULT_JIT: JitOptions = {
  threshold: 2,
  sampleInterval: 40_000,
  maxCodeBytes: 16 * 1024 * 1024,
  coldFactor: 8,
  compiler: null,
};

/** What compiling costs, in interpreted instructions of 3 ns: an instruction, a region besides, a module besides. */
const INSTRUCTION_COST = 3000;
const REGION_COST = 20_000;
const MODULE_COST = 100_000;
/** What an instruction costs when it is compiled beside the machine: looking, installing, and room in the caches. */
const BESIDE_COST = 1000;
/** After so many samples the queue is emptied. */
const PATIENCE = 32;
/** After so many instructions the compiler itself is warm. */
const WARM_AFTER = 3000;
/** What a small region has: before the heat for it is there nothing is looked for, since looking costs, too. */
const LEAST_INSTRUCTIONS = 20;
/**
 * How much longer a page is interpreted, in instructions and as a part of the time it had, before it is looked for a region again after a
 * look in vain. Looking costs as much as interpreting 50,000 instructions; programs whose time is spread over all their code, as a
 * compiler's is, would look from one address after the other.
 */
const VAIN_LOOK = 640_000;
const VAIN_SHARE = 1 / 8;
/** The queue is emptied at the latest when it holds as many instructions, or code for half of what may live. */
const MAX_QUEUED = 1000;
/** Bytes of WebAssembly code for a region and for each of its instructions, about. */
const REGION_BYTES = 600;
const INSTRUCTION_BYTES = 64;
/** What HOT_EXITS exits to an address cost, in interpreted instructions, besides what runs there. */
const HOT_EXITS_COST = 5000;
/** What PASSAGE_INTERVAL passages from region to region cost, some 10 ns each, in interpreted instructions. */
const PASSAGES_COST = 13_000;
/** Limits how much less often code is compiled that did not stay (J8). */
const MOST_UNREST = 12;
/** How many times its price code has to be worth that had to make room. */
const EVICTED_FACTOR = 2;
/** A region of several pages that does not fit this often is given up. */
const MAX_STALE = 64;
/** Jumps traced at a time, and in a page as long as nothing of it has become a region. */
const TRACE_JUMPS = 8;
const MAX_TRACED = 300;
/** A region has most of its heat within so many bytes of its start. */
const NEAR = 1024;

export interface JitParts {
  readonly memory: MachineMemory;
  readonly stateBase: number;
  readonly store: CodeStore;
  readonly exports: InterpreterExports;
  readonly forms: () => FormLookup;
  /** What follows the instruction of each function number, see interp/flows.ts. */
  readonly flows: Uint8Array;
  readonly handlers: Uint16Array;
  readonly setup: CompilerSetup;
  /** Linear-memory address of ENTRY_TABLE_BYTES for the entries. */
  readonly entryTable: number;
  /** Table index of the first place for regions. */
  readonly firstSlot: number;
  readonly counters: JitCounters;
  /** Milliseconds, for the statistics. */
  readonly clock: () => number;
  readonly trace: RegionTrace | null;
  readonly regionCompiled: ((dump: RegionDump) => void) | null;
}

/** A region by its slot in the table, with the address of its base page in the running space. */
export interface RegionPlaceInSpace {
  readonly slot: number;
  readonly pageBase: number;
}

/** Finds the decoded page at an address of the running space; null where there is none. */
export type AddressToPage = (address: number) => CodePage | null;

interface Queued {
  readonly outline: Outline;
  /** Where its base page lies. */
  readonly pageBase: number;
  readonly replaced: ReadonlySet<LiveRegion>;
}
/** On its way through the compiler. */
interface Placed extends Queued, PlacedOutline {
  /** Its code is no more what it was (J9). */
  dead: boolean;
}

export class Jit {
  readonly options: JitOptions;
  /** How many taken jumps the engine should stop at and report to trace(). */
  traceLeft = 0;
  readonly #p: JitParts;
  readonly #live: LiveRegions;
  readonly #pipeline: RegionPipeline<Placed>;
  readonly #discovery: Discovery;
  readonly #profile: Profile;
  readonly #growth: Growth;
  /** Finds pages of the space that runs, while regions grow. */
  #find: AddressToPage = () => null;
  #queue: Queued[] = [];
  #queuedInstructions = 0;
  /** When the first of them came, in samples. */
  #waitsSince = 0;
  /** Samples that hit what waits in the queue. */
  #queueHeat = 0;

  constructor(parts: JitParts, options: JitOptions) {
    this.#p = parts;
    this.options = options;
    this.#live = new LiveRegions({
      ...parts,
      maxCodeBytes: options.maxCodeBytes,
      onEvict: ({ outline }) => {
        this.#profile.of(outline.pages[0]!.page).wasEvicted = true;
      },
    });
    this.#pipeline = new RegionPipeline(parts, options.threshold === 0 ? null : options.compiler, (batch, functions) =>
      this.#install(batch, functions),
    );
    this.#discovery = new Discovery(parts.memory, parts.flows);
    this.#profile = new Profile(parts.memory, parts.flows);
    this.#growth = new Growth({
      regions: this.#live,
      discover: ({ live, pageBase }, options) =>
        this.#look(live.outline.pages[0]!.page, pageBase, this.#find, options) ? this.#discovery.outline() : null,
      costOf: (instructions) => this.#costOf(instructions, INSTRUCTION_COST),
      isReplaced: (live) => this.#waits(({ replaced }) => replaced.has(live)),
    });
    parts.store.onDrop = (page) => this.#forget(page);
    parts.store.onKill = (page, record) => this.#kill(page, record);
    parts.store.isCompiled = (page) => this.#live.has(page);
  }

  /** `retired`: instructions executed in all. */
  statistics(retired: number): JitStatistics {
    const { count, bytes, evicted } = this.#live;
    return this.#p.counters.report(retired, {
      liveRegions: count,
      liveBytes: bytes,
      evictedRegions: evicted,
    });
  }

  /** Tells that execution stands at `address`, in `page`. Returns whether it is compiled code. */
  sample(page: CodePage, address: number, find: AddressToPage): boolean {
    const live = this.#live;
    live.now++;
    this.#pipeline.poll();
    // What is compiled already shows in no sample that it waits.
    if (this.#queue.length > 0 && live.now - this.#waitsSince >= PATIENCE) this.flush();
    const record = this.#recordOf(page, address);
    if (record === 0) return false;
    const owner = live.ownerOf(record);
    if (owner !== undefined) {
      owner.hits++;
      owner.lastHit = live.now;
      return true;
    }
    this.#heat(page, address, record, 1, null, find);
    return false;
  }

  /** Tells that compiled code, last the region in `from.slot` with its base page at `from.pageBase`, often leaves for `address` in `page`. */
  hotTarget(page: CodePage, address: number, from: RegionPlaceInSpace, find: AddressToPage): void {
    const record = this.#recordOf(page, address);
    if (record === 0 || this.#live.ownerOf(record) !== undefined) return;
    const heat = HOT_EXITS_COST / this.options.sampleInterval;
    this.#heat(page, address, record, heat, this.#placed(from), find);
  }

  /** Tells of one passage in PASSAGE_INTERVAL, from compiled code in `from` to compiled code at `address`. */
  passage(address: number, from: RegionPlaceInSpace, find: AddressToPage): void {
    const page = find(address);
    const source = this.#placed(from);
    if (page === null || source === null) return;
    const record = this.#recordOf(page, address);
    const live = this.#live.ownerOf(record);
    if (live === undefined || live === source.live) return;
    const target = { live, pageBase: address - live.outline.offsetOf.get(record)! };
    this.#find = find;
    const grown = this.#growth.passed(source, target, address, PASSAGES_COST / this.options.sampleInterval);
    if (grown === null) return;
    this.#enqueue(grown.outline, grown.pageBase, grown.replaced);
    // What waits is compiled already, so no sample would show that it waits.
    if (!this.#pipeline.isBeside) this.flush();
  }
  #placed({ slot, pageBase }: RegionPlaceInSpace): PlacedLive | null {
    const live = this.#live.at(slot);
    return live === undefined ? null : { live, pageBase };
  }

  /** `count` instructions ran from `address` in `page`, then execution stood at `landed`. */
  trace(page: CodePage, address: number, count: number, landed: number): void {
    this.#profile.trace(page, address, count, landed);
  }

  /** The instruction at `address` in `page` often stores beside code: its regions are compiled again so that they need not leave for it. */
  storesBesideCode(page: CodePage, address: number): void {
    const record = this.#recordOf(page, address);
    if (record === 0 || this.#pipeline.besideCode.has(record)) return;
    this.#pipeline.besideCode.add(record);
    for (const live of this.#live.holding(page, record))
      this.#enqueue(live.outline, address - live.outline.offsetOf.get(record)!, new Set([live]));
    this.flush();
  }

  #recordOf(page: CodePage, address: number): number {
    return this.#p.memory.i32[(page.index >> 2) + (address & PGMASK)]!;
  }

  /** Adds heat to an address that is not compiled, and decides what follows from it. */
  #heat(
    page: CodePage,
    address: number,
    record: number,
    heat: number,
    source: PlacedLive | null,
    find: AddressToPage,
  ): void {
    if (this.#queue.some(({ outline }) => outline.offsetOf.has(record))) {
      this.#queueHeat += heat;
      if (this.#queueHeat * this.options.sampleInterval >= MODULE_COST) this.flush();
      return;
    }
    if (this.#isBeingCompiled(record) || this.#queuedInstructions >= MAX_QUEUED) return;
    const profile = this.#profile.of(page);
    const offset = address & PGMASK;
    profile.add(offset, heat);
    const least = this.#costOf(LEAST_INSTRUCTIONS);
    if (profile.heat < least) return;
    this.#pipeline.prepare();
    if (!profile.wasSeen(offset) || profile.traced < MAX_TRACED) this.traceLeft = TRACE_JUMPS;
    if (!profile.wasSeen(offset) || profile.heat < this.options.threshold) return;
    if (profile.total < (profile.neededAt.get(offset) ?? 0) || profile.heatNear(offset, NEAR) < least) return;
    this.#find = find;
    const grown = source === null ? null : this.#growth.left(source, address, heat);
    if (grown !== null) {
      this.#enqueue(grown.outline, grown.pageBase, grown.replaced);
      return;
    }
    const factor = Math.max(2 ** Math.min(page.unrest, MOST_UNREST), profile.wasEvicted ? EVICTED_FACTOR : 1);
    if (profile.total < profile.lookAt || profile.heatNear(offset, NEAR) < factor * least) return;
    if (!this.#look(page, address & ~PGMASK, find, { starts: [offset], avoidCompiled: true })) return;
    if (this.#isWorthIt(profile, offset, factor))
      this.#enqueue(this.#discovery.outline(), address & ~PGMASK, new Set());
  }

  /**
   * Whether so much time was spent in what was found last that compiling it costs no more, `factor` times. If not, `offset` in the
   * page of `profile` is looked at again when it may be, and the page's other addresses not at once.
   */
  #isWorthIt(profile: PageProfile, offset: number, factor: number): boolean {
    const missing = factor * this.#costOf(this.#discovery.size) - this.#discovery.heat();
    if (missing > 0) {
      profile.neededAt.set(offset, profile.total + missing);
      profile.lookAt = profile.total * (1 + VAIN_SHARE) + VAIN_LOOK / this.options.sampleInterval;
      return false;
    }
    profile.neededAt.delete(offset);
    return true;
  }
  /** What a region of so many instructions costs, in samples; `each`: what one of them costs. */
  #costOf(instructions: number, each = this.#pipeline.isBeside ? BESIDE_COST : INSTRUCTION_COST): number {
    const warm = this.#pipeline.isBeside ? 1 : Math.min(1, this.#p.counters.compiledInstructions / WARM_AFTER);
    const cost = REGION_COST + instructions * each;
    return (cost * (1 + this.options.coldFactor * (1 - warm) ** 2)) / this.options.sampleInterval;
  }
  /** Looks for a region; see Discovery. */
  #look(base: CodePage, pageBase: number, find: AddressToPage, options: DiscoverOptions): boolean {
    const { counters, clock } = this.#p;
    const began = clock();
    const profile = this.#profile;
    const pageAt = profile.of(base).joins
      ? (delta: number): CodePage | null => find(pageBase + 4096 * delta)
      : (): null => null;
    const shown = this.options.threshold === 0 ? {} : { profile };
    const found = this.#discovery.look(base, pageAt, { ...options, ...shown });
    counters.discoverMs += clock() - began;
    return found;
  }

  /** Compiles a region from `address` in `page` now, unless there is none to be had. */
  compile(page: CodePage, address: number, find: AddressToPage): void {
    const record = this.#recordOf(page, address);
    if (record === 0 || this.#live.ownerOf(record) !== undefined) return;
    if (!this.#look(page, address & ~PGMASK, find, { starts: [address & PGMASK], avoidCompiled: true })) return;
    this.#enqueue(this.#discovery.outline(), address & ~PGMASK, new Set());
    this.flush();
  }

  #enqueue(outline: Outline, pageBase: number, replaced: ReadonlySet<LiveRegion>): void {
    if (this.#queue.length === 0) this.#waitsSince = this.#live.now;
    this.#queue.push({ outline, pageBase, replaced });
    this.#queuedInstructions += outline.offsetOf.size;
    for (const { page } of outline.pages) {
      const profile = this.#profile.find(page);
      if (profile === undefined) continue;
      profile.traced = 0;
      for (const [offset, heat] of profile.heatAt)
        if (outline.offsetOf.has(this.#recordOf(page, offset))) profile.cool(offset, heat);
    }
    const bytes = this.#queue.length * REGION_BYTES + this.#queuedInstructions * INSTRUCTION_BYTES;
    if (this.#queuedInstructions >= MAX_QUEUED || bytes >= this.options.maxCodeBytes / 2) this.flush();
  }

  /** Has compiled what waits; while the compiler beside the machine is busy, it goes on waiting. */
  flush(): void {
    const queue = this.#queue;
    if (queue.length === 0 || this.#pipeline.isBusy) return;
    this.#clearQueue([]);
    const live = this.#live;
    live.makeRoom(queue.length, 0);
    this.#pipeline.compile(queue.map((waiting) => ({ ...waiting, slot: live.takeSlot(), dead: false })));
  }
  /** Takes in a batch that has been compiled. */
  #install(batch: readonly Placed[], functions: readonly CompiledOutline[]): void {
    const { counters } = this.#p;
    const live = this.#live;
    batch.forEach((placed, i) => {
      const { outline, slot, replaced } = placed;
      const made = functions[i]!;
      if (placed.dead) {
        live.returnSlot(slot);
        return;
      }
      const size = outline.offsetOf.size;
      counters.regions++;
      counters.compiledInstructions += size;
      counters.distinctInstructions += size;
      for (const old of replaced)
        if (live.at(old.slot) === old) counters.distinctInstructions -= old.outline.offsetOf.size;
      live.makeRoom(0, made.entries.length);
      live.makeRoomForCode(made.bytes);
      live.install({ outline, slot, replaced, ...made });
    });
  }
  /** Whether what waits to be compiled or is on its way has a property. */
  #waits(has: (waiting: Queued) => boolean): boolean {
    return this.#queue.some(has) || this.#pipeline.beside.some((placed) => !placed.dead && has(placed));
  }
  #isBeingCompiled(record: number): boolean {
    for (const { dead, outline } of this.#pipeline.beside) if (!dead && outline.offsetOf.has(record)) return true;
    return false;
  }
  #clearQueue(rest: Queued[]): void {
    this.#queue = rest;
    this.#queuedInstructions = rest.reduce((sum, { outline }) => sum + outline.offsetOf.size, 0);
    if (rest.length === 0) this.#queueHeat = 0;
  }

  /**
   * The region entered at `record`, of an instruction at `address`, did not find its pages in the translation table. Looks them
   * up with `fetch`, which enters them there; a region that really does not fit the space is given up after a while.
   */
  stale(record: number, address: number, fetch: (address: number) => CodePage | null): void {
    const live = this.#live.ownerOf(record);
    if (live === undefined) return;
    const base = address - live.outline.offsetOf.get(record)!;
    let fits = true;
    for (const { page, delta } of live.outline.pages) if (fetch(base + 4096 * delta) !== page) fits = false;
    if (fits || ++live.stale < MAX_STALE) return;
    for (const { page } of live.outline.pages) this.#profile.of(page).joins = false;
    this.#live.drop(live);
  }

  /** The windows of the region in `slot` lie over page ends again and again: it will be made without. */
  crossing(slot: number): void {
    const live = this.#live.at(slot);
    if (live === undefined) return;
    for (const { page } of live.outline.pages) page.windows = false;
    this.#live.drop(live);
  }

  /** The instruction that starts with `record` is no more. Returns whether compiled code died with it. */
  #kill(page: CodePage, record: number): boolean {
    this.#forgetWaiting(({ outline }) => outline.offsetOf.has(record));
    return this.#live.dropInstruction(page, record);
  }
  #forget(page: CodePage): void {
    this.#live.dropPage(page);
    this.#profile.forget(page);
    this.#forgetWaiting(({ outline }) => outline.pages.some((part) => part.page === page));
  }
  #forgetWaiting(isDead: (waiting: Queued) => boolean): void {
    if (this.#queue.length > 0) this.#clearQueue(this.#queue.filter((waiting) => !isDead(waiting)));
    for (const placed of this.#pipeline.beside) if (isDead(placed)) placed.dead = true;
  }
}
