// SPDX-License-Identifier: BSD-3-Clause
/**
 * Which instructions make a region, and its blocks.
 *
 * A region takes in what direct jumps reach from its starts, what calls reach in the same page, and the places calls and
 * software interrupts return to, up to a number of instructions and pages. It is found from the decoded records, which
 * have everything a compiler needs as constants.
 *
 * Source of the idea and the limits: docs/ARCHITECTURE.md, processor.
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import type { CodePage } from "../decode/code-store.ts";
import * as R from "../decode/record.ts";
import { FN_EA32, FN_FIRST, FN_LEA16 } from "../interp/functions.ts";
import type { FormLookup } from "../isa/forms.ts";
import type { Form } from "../isa/row.ts";
import { arrange, expectedTargets } from "./calls.ts";
import type { Profile } from "./profile.ts";

/** Compile time rises steeply with region size; see docs/ARCHITECTURE.md. */
export const MAX_INSTRUCTIONS = 300;
/** For regions made of regions between which execution goes to and fro, so often that the time is well spent. */
export const MAX_MERGED_INSTRUCTIONS = 1000;

/** Each page is checked when the jump cache does not know an entry, and each can be what a region dies with. */
const MAX_PAGES = 40;

/** Farthest page from the base page, and instructions of a block: exits encode offsets in 26 bits, see RegionEmitter. */
const MAX_DELTA = 8000;
const MAX_BLOCK = 63;

/**
 * A page of a region. Offsets in a region count from the start of its base page: byte `b` of the page at `delta` has offset
 * `4096 * delta + b`.
 */
export interface RegionPage {
  readonly page: CodePage;
  /** Distance from the base page in pages, in the address space. */
  readonly delta: number;
}

/** Finds decoded pages by their distance from the base page, in the space that runs; null where there is none. */
export type PageFinder = (delta: number) => CodePage | null;

export interface RegionInstruction {
  readonly offset: number;
  /** First record: the instruction's own, its address record or its guard for crossing into the next page. */
  readonly first: number;
  /** The instruction's own record. */
  readonly record: number;
  /** Address record, or 0. */
  readonly addressRecord: number;
  readonly fn: number;
  readonly form: Form;
  /** Offset of what follows. */
  readonly next: number;
  /** Offset of a direct target; NaN without one. */
  readonly target: number;
}

export interface Block {
  readonly offset: number;
  readonly instructions: RegionInstruction[];
  /** Number by which the dispatcher reaches it, −1 = only reached by forward jumps. */
  entry: number;
}

/** A range of blocks that becomes a loop: jumps to its first block from inside are jumps back. */
export interface Loop {
  readonly first: number;
  readonly last: number;
}

export interface Region {
  /** The base page first. */
  readonly pages: readonly RegionPage[];
  /** In the order of their code. */
  readonly blocks: readonly Block[];
  readonly blockAt: ReadonlyMap<number, number>;
  /** Outer before inner. */
  readonly loops: readonly Loop[];
  /** Blocks with an entry number, by number. */
  readonly entries: readonly Block[];
  /** Offset of each instruction by the address of its first record. */
  readonly offsetOf: ReadonlyMap<number, number>;
  /** Where it was asked to start. */
  readonly starts: readonly number[];
  /** Where returns, indirect jumps and calls are expected to lead inside the region, by their offsets; see calls.ts. */
  readonly expected: ReadonlyMap<number, readonly number[]>;
}

/** Collects the pages of a region while it is discovered. */
class Pages {
  readonly list: RegionPage[];
  readonly #find: PageFinder;
  readonly #known = new Map<number, CodePage | null>();
  readonly #memory: MachineMemory;

  constructor(memory: MachineMemory, base: CodePage, find: PageFinder) {
    this.#memory = memory;
    this.#find = find;
    this.list = [{ page: base, delta: 0 }];
    this.#known.set(0, base);
  }

  at(delta: number): CodePage | null {
    let page = this.#known.get(delta);
    if (page !== undefined) return page;
    // Jumps, unlike calls, are followed wherever they lead: tail calls in large programs go millions of bytes.
    const inReach = this.list.length < MAX_PAGES && Math.abs(delta) <= MAX_DELTA;
    page = inReach ? this.#find(delta) : null;
    // A page at two places of one region would have two blocks for one record.
    if (this.list.some((known) => known.page === page)) page = null;
    this.#known.set(delta, page);
    if (page !== null) this.list.push({ page, delta });
    return page;
  }

  /** Whether the instruction at `offset` was seen to run. */
  wasSeen(profile: Profile, offset: number): boolean {
    const page = this.at(Math.floor(offset / 4096));
    return page !== null && profile.find(page)?.wasSeen(offset & 0xfff) === true;
  }
  /** Where an indirect jump was seen to go, as distances from it. */
  targets(profile: Profile, { record, offset }: RegionInstruction): readonly number[] {
    const page = this.at(Math.floor(offset / 4096));
    return (page === null ? undefined : profile.find(page)?.targets.get(record)) ?? [];
  }

  /** The instruction at `offset`, or null where compiled code has to leave. */
  instruction(forms: FormLookup, offset: number): RegionInstruction | null {
    const { u16, i32 } = this.#memory;
    const delta = Math.floor(offset / 4096);
    const page = this.at(delta);
    const first = page === null ? 0 : i32[(page.index >> 2) + (offset & 0xfff)]!;
    if (first === 0) return null;
    let at = first;
    const handler = u16[(at + R.R_HANDLER) >> 1]!;
    if (handler === R.H_MISS || handler === R.H_NEXT_PAGE || handler === R.H_LINK) return null;
    if (handler === R.H_CROSS) {
      const following = this.at(delta + 1);
      if (following === null) return null;
      if (this.#memory.pageAddress(following.hpn) !== this.#memory.u32[(at + R.R_IMM) >> 2]!) return null;
      at += R.RECORD_BYTES;
    }
    let addressRecord = 0;
    let fn = u16[(at + R.R_FUNCTION) >> 1]!;
    if (fn <= FN_LEA16) {
      if (fn !== FN_EA32) return null;
      addressRecord = at;
      at += R.RECORD_BYTES;
      fn = u16[(at + R.R_FUNCTION) >> 1]!;
    }
    const form = forms.form(fn - FN_FIRST);
    const next = 4096 * delta + u16[(at + R.R_NEXT) >> 1]!;
    const direct = form.flow === "branch" || form.flow === "jump" || form.flow === "call";
    const target = direct && form.size === 4 ? next + i32[(at + R.R_IMM) >> 2]! : NaN;
    return { offset, first, record: at, addressRecord, fn, form, next, target };
  }
}

/** Whether a call leads to another page: such callees come into a region only when execution shows the way. */
function isFarCall(i: RegionInstruction): boolean {
  return i.form.flow === "call" && Math.floor(i.target / 4096) !== Math.floor(i.offset / 4096);
}

/** Offsets where control may go from an instruction and the region follows. */
function successors(i: RegionInstruction): number[] {
  const { flow } = i.form;
  const list: number[] = [];
  if (flow !== "stop" && flow !== "jump") list.push(i.next);
  if (!Number.isNaN(i.target) && !isFarCall(i)) list.push(i.target);
  return list;
}

export interface DiscoverOptions {
  /** Offsets from the base page, the first being the most wanted. */
  readonly starts: readonly number[];
  /** Leave where regions are entered instead of taking the code in once more; except those of `mayEnter`. */
  readonly avoidCompiled?: boolean;
  readonly mayEnter?: readonly Region[];
  /** Instructions at most; MAX_INSTRUCTIONS unless given. */
  readonly limit?: number;
  /** What runs: only that is taken in, and where indirect jumps went. Without it everything is. */
  readonly profile?: Profile;
}

/** The region from the starts of `options`; null when nothing there can be compiled. */
export function discoverRegion(
  memory: MachineMemory,
  forms: FormLookup,
  base: CodePage,
  find: PageFinder,
  options: DiscoverOptions,
): Region | null {
  const { starts, profile } = options;
  const { mayEnter, limit = MAX_INSTRUCTIONS } = options;
  const avoidCompiled = options.avoidCompiled === true || mayEnter !== undefined;
  const pages = new Pages(memory, base, find);
  const found = new Map<number, RegionInstruction>();
  const leaders = new Set<number>(starts);
  const entered = new Set<number>(starts);
  const pending = [...starts];
  const leadsFrom = new Set(starts);
  /** Where indirect jumps and calls were seen to go. */
  const seenTargets = new Map<number, readonly number[]>();
  for (let k = 0; k < pending.length && found.size < limit; k++) {
    let offset = pending[k]!;
    while (!found.has(offset) && found.size < limit) {
      const instruction = pages.instruction(forms, offset);
      if (instruction === null) break;
      if (!leadsFrom.has(offset)) {
        const isEntered = avoidCompiled && memory.u16[instruction.first >> 1] === R.H_REGION;
        if (isEntered && mayEnter?.some(({ offsetOf }) => offsetOf.has(instruction.first)) !== true) break;
        if (profile !== undefined && !pages.wasSeen(profile, offset)) break;
      }
      found.set(offset, instruction);
      const { flow } = instruction.form;
      if (flow === "next") {
        offset = instruction.next;
        continue;
      }
      for (const next of successors(instruction)) {
        leaders.add(next);
        pending.push(next);
      }
      if (flow === "call" || flow === "away") entered.add(instruction.next);
      if (profile !== undefined && (flow === "stop" || flow === "away")) {
        const at = offset;
        const targets = pages.targets(profile, instruction).map((distance) => at + distance);
        if (targets.length > 0) seenTargets.set(offset, targets);
        if (flow === "stop") pending.push(...targets);
      }
      break;
    }
  }
  if (!starts.some((start) => found.has(start))) return null;
  // Far callees that are inside anyway are jumped to like near ones.
  for (const i of found.values()) {
    if (found.has(i.target)) leaders.add(i.target);
  }
  for (const targets of seenTargets.values()) {
    for (const target of targets) {
      if (!found.has(target)) continue;
      leaders.add(target);
      entered.add(target);
    }
  }
  return makeBlocks(pages.list, found, leaders, entered, starts, seenTargets);
}

function makeBlocks(
  pages: readonly RegionPage[],
  found: ReadonlyMap<number, RegionInstruction>,
  leaders: ReadonlySet<number>,
  entered: Set<number>,
  starts: readonly number[],
  seenTargets: ReadonlyMap<number, readonly number[]>,
): Region {
  const inOrder: Block[] = [];
  let expected = -1;
  for (const offset of [...found.keys()].sort((a, b) => a - b)) {
    const instruction = found.get(offset)!;
    const isFull = inOrder.length > 0 && inOrder[inOrder.length - 1]!.instructions.length >= MAX_BLOCK;
    if (offset !== expected || leaders.has(offset) || isFull)
      inOrder.push({ offset, instructions: [], entry: -1 });
    inOrder[inOrder.length - 1]!.instructions.push(instruction);
    const endsBlock = instruction.form.flow !== "next";
    expected = endsBlock ? -1 : instruction.next;
  }
  const blocks = arrange({ blocks: inOrder, blockAt: numbers(inOrder), seenTargets }, starts);
  const blockAt = numbers(blocks);
  // What is jumped back to can be entered anew, and a jump from outside into the middle of a loop goes through the dispatcher.
  const loops = findLoops(blocks, blockAt);
  blocks.forEach((block, i) => {
    for (const to of targetsOf(block)) {
      const j = blockAt.get(to);
      if (j === undefined) continue;
      if (j <= i || loops.some((l) => l.first < j && j <= l.last && (i < l.first || i > l.last)))
        entered.add(to);
    }
  });
  const entries: Block[] = [];
  for (const block of blocks) if (entered.has(block.offset)) block.entry = entries.push(block) - 1;
  const offsetOf = new Map([...found.values()].map((i) => [i.first, i.offset]));
  return {
    pages,
    blocks,
    blockAt,
    loops,
    entries,
    offsetOf,
    starts,
    expected: expectedTargets({ blocks, blockAt, seenTargets }),
  };
}

/** The number of the block at each offset. */
function numbers(blocks: readonly Block[]): Map<number, number> {
  return new Map(blocks.map(({ offset }, index) => [offset, index]));
}

/** Where a block's last instruction may go directly, fall-through included. */
function targetsOf(block: Block): number[] {
  const last = block.instructions[block.instructions.length - 1]!;
  const list: number[] = [];
  if (last.form.flow === "next" || last.form.flow === "branch") list.push(last.next);
  if (!Number.isNaN(last.target)) list.push(last.target);
  return list;
}

/**
 * Loops as ranges of block numbers, outer before inner: from the target of jumps back to the last block that jumps there. Ranges
 * that overlap without nesting are left out, and their jumps back go through the dispatcher.
 */
function findLoops(blocks: readonly Block[], blockAt: ReadonlyMap<number, number>): Loop[] {
  const lastOf = new Map<number, number>();
  blocks.forEach((block, i) => {
    // A call of a lower address is no loop: control comes back by an indirect jump.
    if (block.instructions[block.instructions.length - 1]!.form.flow === "call") return;
    for (const to of targetsOf(block)) {
      const header = blockAt.get(to);
      if (header !== undefined && header <= i) lastOf.set(header, i);
    }
  });
  const wanted = [...lastOf].map(([first, last]) => ({ first, last }));
  wanted.sort((a, b) => b.last - b.first - (a.last - a.first));
  const loops: Loop[] = [];
  for (const l of wanted) {
    const fits = (m: Loop): boolean =>
      l.last < m.first || m.last < l.first || (m.first < l.first && l.last <= m.last);
    if (loops.every(fits)) loops.push(l);
  }
  return loops;
}
