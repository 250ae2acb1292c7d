// SPDX-License-Identifier: BSD-3-Clause
/**
 * The region compiler: decides what to compile, puts regions into the interpreter's table, forgets them with their page.
 *
 * A compiled region is entered through the records of its entries, whose handler becomes H_REGION: so the interpreter's loop is
 * the dispatcher, and code that is not compiled goes on being interpreted.
 *
 * Deciding: the interpreter is stopped every `sampleInterval` instructions, at a taken jump. A page seen often enough is hot;
 * the instruction stopped at becomes the start of a region. Nothing is counted while code runs.
 *
 * Invariants
 *   J4  A record has H_REGION exactly while the region of its ENTRY is live; its slot in the table then holds the region.
 *   J5  Regions die with their page (CodeStore.onDrop) and with each of their instructions (onKill), before anything of it is
 *       decoded anew.
 *   J7  Code that is written again and again is compiled ever less often: each time compiled code of a page dies by a write, the
 *       page has to be seen twice as often before it is compiled again.
 *
 * @module
 */
import { PGMASK, type MachineMemory } from "@vkernel/mmu";
import type { CodePage, CodeStore } from "../decode/code-store.ts";
import * as R from "../decode/record.ts";
import { REGION_SLOTS } from "../interp/functions.ts";
import type { InterpreterExports } from "../interp/module-cache.ts";
import type { Runtime } from "../isa/ctx.ts";
import type { FormLookup } from "../isa/forms.ts";
import type { Form } from "../isa/row.ts";
import type { RuntimeSignatures } from "../isa/runtime.ts";
import { EA, REGION_ENTRIES } from "../state.ts";
import type { Callee } from "../wasm/expr.ts";
import { ModuleBuilder } from "../wasm/module.ts";
import { I32 } from "../wasm/opcodes.ts";
import { MAX_INSTRUCTIONS, discoverRegion, type Region, type RegionInstruction } from "./discover.ts";
import { RegionEmitter } from "./emitter.ts";
import type { JitCounters, JitStatistics } from "./statistics.ts";
import { JitCtx, NotCompiled, xmmRegisters } from "./jit-ctx.ts";

/** Entries of all live regions: 8 bytes each, {table index, entry number}. */
const MAX_ENTRIES = 0x1_0000;
/** Offsets in a region must fit its exits' encoding. */
const MAX_DISTANCE = 0x6_0000;
export const ENTRY_TABLE_BYTES = MAX_ENTRIES * 8;

export interface JitOptions {
  /** How many samples of a page make it hot at least; large regions need more. 0 = compile whatever is decoded, at once; Infinity = never compile. */
  readonly threshold: number;
  /** Instructions between two samples. */
  readonly sampleInterval: number;
}
/** 20,000 instructions take 50 µs to interpret. */
export const DEFAULT_JIT: JitOptions = { threshold: 2, sampleInterval: 20_000 };

export interface JitParts {
  readonly memory: MachineMemory;
  readonly stateBase: number;
  readonly store: CodeStore;
  readonly exports: InterpreterExports;
  readonly forms: () => FormLookup;
  readonly handlers: Uint16Array;
  readonly signatures: RuntimeSignatures;
  /** Linear-memory address of ENTRY_TABLE_BYTES for the entries. */
  readonly entryTable: number;
  /** Linear-memory address of the jump cache, see interp/dispatch.ts. */
  readonly jumpCache: number;
  /** Table index of the first place for regions. */
  readonly firstSlot: number;
  readonly counters: JitCounters;
  /** Milliseconds, for the statistics. */
  readonly clock: () => number;
}

/** Finds the decoded page at an address of the running space; null where there is none. */
export type AddressToPage = (address: number) => CodePage | null;

interface LiveRegion {
  readonly region: Region;
  readonly slot: number;
  /** Records that enter it, and the entry numbers they hold. */
  readonly entries: readonly { readonly record: number; readonly entry: number }[];
  /** Size of its code. */
  readonly bytes: number;
  /** How often it did not fit the running space. */
  stale: number;
}

/** What compiling an instruction costs, in interpreted instructions; a fraction, since most code pays back again and again. */
const COMPILE_COST = 1500;
/** Limits how much less often code is compiled that was written after it was compiled (J7). */
const MOST_UNREST = 12;
/** A region of several pages that does not fit this often is given up. */
const MAX_STALE = 64;

export class Jit {
  readonly options: JitOptions;
  readonly #p: JitParts;
  readonly #freeSlots: number[] = [];
  /** Places of dead regions that lines of the jump cache may still name. */
  #deadSlots: number[] = [];
  readonly #freeEntries: number[] = [];
  /** Forms that JitCtx does not compile. */
  readonly #refused = new Set<Form>();
  #nextEntry = 0;
  /** Live regions by each of their pages, by slot and by entry number. */
  readonly #byPage = new Map<CodePage, Set<LiveRegion>>();
  readonly #bySlot = new Map<number, LiveRegion>();
  readonly #byEntry: (LiveRegion | undefined)[] = [];

  constructor(parts: JitParts, options: JitOptions) {
    this.#p = parts;
    this.options = options;
    for (let i = REGION_SLOTS - 1; i >= 0; i--) this.#freeSlots.push(parts.firstSlot + i);
    parts.memory.i32[(parts.stateBase + REGION_ENTRIES) >> 2] = parts.entryTable;
    parts.store.onDrop = (page) => this.#dropPage(page);
    parts.store.onKill = (page, record) => this.#dropInstruction(page, record);
    parts.store.isCompiled = (page) => this.#byPage.has(page);
  }

  /** `retired`: instructions executed in all. */
  statistics(retired: number): JitStatistics {
    let liveBytes = 0;
    for (const live of this.#bySlot.values()) liveBytes += live.bytes;
    return this.#p.counters.report(retired, { liveRegions: this.#bySlot.size, liveBytes });
  }

  /** Tells that execution stands at `address`, in `page`. Returns whether it is compiled code. */
  sample(page: CodePage, address: number, find: AddressToPage): boolean {
    const record = this.#recordOf(page, address);
    if (record === 0) return false;
    if (this.#ownerOf(record) !== undefined) return true;
    if (this.#isDue(page)) this.compile(page, address, find);
    return false;
  }

  /** Tells that compiled code, last the region in `from.slot` with its base page at `from.pageBase`, often leaves for `address` in `page`. */
  hotTarget(
    page: CodePage,
    address: number,
    from: { readonly slot: number; readonly pageBase: number },
    find: AddressToPage,
  ): void {
    const record = this.#recordOf(page, address);
    if (record === 0 || !this.#isDue(page)) return;
    const source = this.#bySlot.get(from.slot);
    const target = this.#ownerOf(record);
    if (source !== undefined && this.#join(page, source, from.pageBase, target, record, address, find))
      return;
    if (target === undefined) this.compile(page, address, find);
  }

  /** Counts a sample of `page`; whether it is time to look for something to compile. */
  #isDue(page: CodePage): boolean {
    const needed = Math.max(page.needed, this.options.threshold);
    return ++page.samples >= needed * 2 ** Math.min(page.unrest, MOST_UNREST);
  }
  /**
   * Whether so much time was spent in `page` since the last compilation that compiling `region` for it costs no more. If not,
   * the page is looked at again when it may be.
   */
  #isWorthIt(page: CodePage, region: Region): boolean {
    const { threshold, sampleInterval } = this.options;
    page.needed = threshold === 0 ? 0 : Math.ceil((region.offsetOf.size * COMPILE_COST) / sampleInterval);
    if (page.samples < page.needed) return false;
    page.samples = 0;
    return true;
  }
  #recordOf(page: CodePage, address: number): number {
    return this.#p.memory.i32[(page.index >> 2) + (address & PGMASK)]!;
  }
  /** The region that the interpreter enters at `record`. */
  #ownerOf(record: number): LiveRegion | undefined {
    const { u16 } = this.#p.memory;
    if (u16[(record + R.R_HANDLER) >> 1] !== R.H_REGION) return undefined;
    return this.#byEntry[u16[(record + R.R_ENTRY) >> 1]!];
  }

  /**
   * Compiles a region from `address` in `page`, unless there is none to be had. Regions that share instructions with it are
   * replaced by one with all their starts.
   */
  compile(page: CodePage, address: number, find: AddressToPage): void {
    const pageBase = address & ~PGMASK;
    const start = address & PGMASK;
    const region = this.#discover(page, pageBase, find, [start]);
    if (region === null) return;
    const replaced = new Set<LiveRegion>();
    const starts = new Set([start]);
    for (const part of region.pages) {
      for (const old of this.#byPage.get(part.page) ?? []) {
        const shift = distance(old.region, region);
        if (shift === null) continue;
        replaced.add(old);
        for (const s of old.region.starts) starts.add(s + shift);
      }
    }
    if (replaced.size > 0) {
      const whole = this.#discover(page, pageBase, find, [...starts]);
      if (whole !== null && holdsAll(whole, replaced)) {
        if (this.#isWorthIt(page, whole)) this.#make(whole, replaced);
        return;
      }
      replaced.clear();
    }
    const own = this.#discover(page, pageBase, find, [start], true);
    if (own !== null && this.#isWorthIt(page, own)) this.#make(own, replaced);
  }

  /** Makes one region of `source` and `address`, with all of the region there, when it does not become too large. */
  #join(
    page: CodePage,
    source: LiveRegion,
    pageBase: number,
    target: LiveRegion | undefined,
    record: number,
    address: number,
    find: AddressToPage,
  ): boolean {
    const base = source.region.pages[0]!.page;
    const size = source.region.offsetOf.size + (target?.region.offsetOf.size ?? 0);
    if (source === target || !base.joins || size > MAX_INSTRUCTIONS) return false;
    const start = (address - pageBase) | 0;
    if (Math.abs(start) > MAX_DISTANCE) return false;
    const starts = new Set([...source.region.starts, start]);
    const replaced = new Set([source]);
    if (target !== undefined) {
      const shift = start - target.region.offsetOf.get(record)!;
      for (const s of target.region.starts) starts.add(s + shift);
      replaced.add(target);
    }
    const region = this.#discover(base, pageBase, find, [...starts]);
    if (region === null || !region.offsetOf.has(record) || !holdsAll(region, replaced)) return false;
    if (this.#isWorthIt(page, region)) this.#make(region, replaced);
    return true;
  }

  #discover(
    base: CodePage,
    pageBase: number,
    find: AddressToPage,
    starts: readonly number[],
    avoidCompiled = false,
  ): Region | null {
    const { memory, forms } = this.#p;
    const { counters, clock } = this.#p;
    const began = clock();
    const pageAt = base.joins
      ? (delta: number): CodePage | null => find(pageBase + 4096 * delta)
      : (): null => null;
    const region = discoverRegion(memory, forms(), base, pageAt, starts, avoidCompiled);
    counters.discoverMs += clock() - began;
    return region;
  }

  /**
   * The region entered at `record`, of an instruction at `address`, did not find its pages in the translation table. Looks them
   * up with `fetch`, which enters them there; a region that really does not fit the space is given up after a while.
   */
  stale(record: number, address: number, fetch: (address: number) => CodePage | null): void {
    const live = this.#ownerOf(record);
    if (live === undefined) return;
    const base = address - live.region.offsetOf.get(record)!;
    let fits = true;
    for (const { page, delta } of live.region.pages) if (fetch(base + 4096 * delta) !== page) fits = false;
    if (fits || ++live.stale < MAX_STALE) return;
    for (const { page } of live.region.pages) page.joins = false;
    this.#drop(live);
  }

  /** Compiles a region in place of others. */
  #make(region: Region, replaced: ReadonlySet<LiveRegion>): void {
    const room = this.#freeEntries.length + MAX_ENTRIES - this.#nextEntry;
    if (this.#freeSlots.length + this.#deadSlots.length === 0 || room < region.entries.length)
      this.#dropAll();
    if (this.#freeSlots.length === 0) this.#recycle();
    const slot = this.#freeSlots.pop()!;
    const { counters, clock } = this.#p;
    const began = clock();
    const { bytes, imports } = this.#generate(region, slot);
    const emitted = clock();
    const module = new WebAssembly.Module(bytes);
    const made = clock();
    const instance = new WebAssembly.Instance(module, { m: imports });
    counters.emitMs += emitted - began;
    counters.moduleMs += made - emitted;
    counters.instanceMs += clock() - made;
    this.#p.exports.table.set(slot, instance.exports["region"]);
    this.#install(region, slot, replaced, bytes.length);
    for (const old of replaced) this.#drop(old);
    counters.regions++;
    counters.modules++;
    counters.codeBytes += bytes.length;
    const size = region.offsetOf.size;
    counters.compiledInstructions += size;
    counters.distinctInstructions += size;
    for (const old of replaced) counters.distinctInstructions -= common(region, old.region);
  }

  #generate(region: Region, slot: number): { bytes: Uint8Array; imports: Record<string, unknown> } {
    const { memory, stateBase, jumpCache, exports, signatures } = this.#p;
    const m = new ModuleBuilder();
    m.importMemory("m", "memory", 1, 0x1_0000, !(memory.buffer instanceof ArrayBuffer));
    const callHandler = m.importFunction("m", "call", [I32, I32, I32], [I32]);
    const imports: Record<string, unknown> = { memory: memory.memory, call: exports.call };
    const f = m.declare([I32, I32], [I32], "region");
    const rt = lateRuntime(m, signatures, exports, imports);
    const pageAddress = (page: CodePage): number => memory.pageAddress(page.hpn);
    const place = { stateBase, slot, jumpCache, pageAddress, callHandler };
    const emitter = new RegionEmitter(f, region, place, xmmRegisters(region, memory));
    emitter.generate((insn) => this.#instruction(emitter, insn, rt));
    return { bytes: m.encode(), imports };
  }

  #instruction(emitter: RegionEmitter, insn: RegionInstruction, rt: Runtime): void {
    const x = new JitCtx(emitter, this.#p.memory, insn, rt);
    if (!this.#refused.has(insn.form)) {
      const mark = emitter.f.mark();
      const { kind } = emitter;
      try {
        insn.form.semantics(x);
        return;
      } catch (e) {
        if (!(e instanceof NotCompiled)) throw e;
        this.#refused.add(insn.form);
        emitter.f.undo(mark);
        emitter.kind = kind;
      }
    }
    if (insn.addressRecord !== 0) emitter.putState(EA, x.address(0));
    emitter.callHandler();
  }

  #install(region: Region, slot: number, replaced: ReadonlySet<LiveRegion>, bytes: number): void {
    const { memory, entryTable } = this.#p;
    const entries: { record: number; entry: number }[] = [];
    const live: LiveRegion = { region, slot, entries, bytes, stale: 0 };
    region.entries.forEach((block, number) => {
      const record = block.instructions[0]!.first;
      // The guard of an instruction that crosses into the next page must stay.
      const handler = memory.u16[(record + R.R_HANDLER) >> 1];
      if (handler === R.H_CROSS) return;
      // Other regions keep their entries, except for the start that was asked for.
      const isStart = region.starts.includes(block.offset);
      if (handler === R.H_REGION && !isStart && !replaced.has(this.#ownerOf(record)!)) return;
      const entry = this.#freeEntries.pop() ?? this.#nextEntry++;
      memory.i32[(entryTable + entry * 8) >> 2] = slot;
      memory.i32[(entryTable + entry * 8 + 4) >> 2] = number | (Math.floor(block.offset / 4096) << 16);
      memory.u16[(record + R.R_ENTRY) >> 1] = entry;
      memory.u16[(record + R.R_HANDLER) >> 1] = R.H_REGION;
      this.#byEntry[entry] = live;
      entries.push({ record, entry });
    });
    this.#bySlot.set(slot, live);
    for (const { page } of region.pages) {
      const known = this.#byPage.get(page);
      if (known === undefined) this.#byPage.set(page, new Set([live]));
      else known.add(live);
    }
  }

  #dropPage(page: CodePage): void {
    for (const live of [...(this.#byPage.get(page) ?? [])]) this.#drop(live);
  }
  /** Drops the regions that hold the instruction starting with `record`. */
  #dropInstruction(page: CodePage, record: number): boolean {
    const regions = this.#byPage.get(page);
    if (regions === undefined) return false;
    let dropped = false;
    for (const live of [...regions]) {
      if (!live.region.offsetOf.has(record)) continue;
      this.#drop(live);
      dropped = true;
    }
    return dropped;
  }
  /** Frees a region's slot and entries; records that no other region has taken over get their handlers back. */
  #drop(live: LiveRegion): void {
    const { memory, exports, handlers } = this.#p;
    const { region, slot, entries } = live;
    if (this.#bySlot.get(slot) !== live) return;
    this.#bySlot.delete(slot);
    exports.table.set(slot, exports.dead);
    this.#deadSlots.push(slot);
    for (const { page } of region.pages) {
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
  /** Makes the places of dead regions free: with new epochs no line of the jump cache names them. */
  #recycle(): void {
    this.#p.memory.renewEpochs();
    this.#freeSlots.push(...this.#deadSlots);
    this.#deadSlots = [];
  }
  #dropAll(): void {
    for (const live of [...this.#bySlot.values()]) this.#drop(live);
  }
}

/** Whether a region has every instruction of the others, and was not cut off. */
function holdsAll(region: Region, others: ReadonlySet<LiveRegion>): boolean {
  if (region.offsetOf.size >= MAX_INSTRUCTIONS) return false;
  for (const { region: other } of others) {
    for (const record of other.offsetOf.keys()) if (!region.offsetOf.has(record)) return false;
  }
  return true;
}

/** How many instructions two regions have in common. */
function common(a: Region, b: Region): number {
  let n = 0;
  for (const record of b.offsetOf.keys()) if (a.offsetOf.has(record)) n++;
  return n;
}

/** By how much offsets of region `a` differ from those of `b`, when they have an instruction in common; else null. */
function distance(a: Region, b: Region): number | null {
  for (const [record, offset] of a.offsetOf) {
    const other = b.offsetOf.get(record);
    if (other !== undefined) return other - offset;
  }
  return null;
}

/** The runtime functions, imported from the interpreter when semantics first name them. */
function lateRuntime(
  m: ModuleBuilder,
  signatures: RuntimeSignatures,
  exports: InterpreterExports,
  imports: Record<string, unknown>,
): Runtime {
  const known = new Map<string, Callee>();
  return new Proxy({} as Runtime, {
    get(_target, name: string): Callee | undefined {
      const callee = known.get(name);
      const signature = signatures[name];
      if (callee !== undefined || signature === undefined) return callee;
      const key = `rt.${name}`;
      imports[key] = exports[key as keyof InterpreterExports];
      const made = m.importLate("m", key, signature.params, signature.results);
      known.set(name, made);
      return made;
    },
  });
}
