// SPDX-License-Identifier: BSD-3-Clause
/**
 * A region as the compiler sees it: blocks, loops and entries, made from what discovery found.
 *
 * Nothing here looks at the machine's memory: instructions come with copies of their records, so all of it can happen in another
 * thread while the machine runs on.
 * @module
 */
import { RECORD_BYTES } from "../decode/record.ts";
import { FN_FIRST } from "../interp/functions.ts";
import type { FormLookup } from "../isa/forms.ts";
import type { Form } from "../isa/row.ts";
import { arrange, expectedTargets } from "./calls.ts";
import * as Q from "./request.ts";

/** Instructions of a block: exits encode offsets in 26 bits and a count above, see RegionEmitter. */
const MAX_BLOCK = 63;

/** A page of a region: its host address, and its distance from the base page in pages of the address space. */
export interface RegionPage {
  readonly address: number;
  readonly delta: number;
}

export interface RegionInstruction {
  readonly offset: number;
  /** First record: the instruction's own, its address record or its guard for crossing into the next page. */
  readonly first: number;
  /** The instruction's own record, as a linear-memory address. */
  readonly record: number;
  /** Whether an address record stands before it. */
  readonly hasAddressRecord: boolean;
  /** Where the copies of its record and of its address record are, in the region's `records`. */
  readonly at: number;
  readonly addressAt: number;
  readonly fn: number;
  readonly form: Form;
  /** Offset of what follows. */
  readonly next: number;
  /** Offset of a direct target; NaN without one. */
  readonly target: number;
  /** Its stores are tried beside code before the region is left for them, see JitCtx. */
  readonly besideCode: boolean;
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
  /** The base page first. Offsets in a region count from its start: byte `b` of the page at `delta` has offset `4096 * delta + b`. */
  readonly pages: readonly RegionPage[];
  readonly records: Q.RecordViews;
  /** In the order of their code. */
  readonly blocks: readonly Block[];
  readonly blockAt: ReadonlyMap<number, number>;
  /** Outer before inner. */
  readonly loops: readonly Loop[];
  /** Blocks with an entry number, by number. */
  readonly entries: readonly Block[];
  /** Where it was asked to start. */
  readonly starts: readonly number[];
  /** Where returns, indirect jumps and calls are expected to lead inside the region, by their offsets; see calls.ts. */
  readonly expected: ReadonlyMap<number, readonly number[]>;
}

/** The region of a request. */
export function makeRegion(request: Q.RegionRequest, forms: FormLookup): Region {
  const { starts } = request;
  const found = instructionsOf(request, forms);
  const leaders = new Set(request.leaders);
  const entered = new Set(request.entered);
  // Far callees that are inside anyway are jumped to like near ones.
  for (const { target } of found.values()) if (found.has(target)) leaders.add(target);
  const seenTargets = new Map(request.seenTargets);
  for (const targets of seenTargets.values()) {
    for (const target of targets) {
      if (!found.has(target)) continue;
      leaders.add(target);
      entered.add(target);
    }
  }
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
  return {
    pages: request.pages,
    records: Q.recordViews(request.records),
    blocks,
    blockAt,
    loops,
    entries,
    starts,
    expected: expectedTargets({ blocks, blockAt, seenTargets }),
  };
}

/** The instructions of a request, by offset. */
function instructionsOf({ words }: Q.RegionRequest, forms: FormLookup): Map<number, RegionInstruction> {
  const found = new Map<number, RegionInstruction>();
  for (let k = 0, addressAt = 0; k < words.length; k += Q.INSTRUCTION_WORDS, addressAt += Q.RECORDS_BYTES) {
    const offset = words[k + Q.W_OFFSET]!;
    const fn = words[k + Q.W_FUNCTION]!;
    const target = words[k + Q.W_TARGET]!;
    const flags = words[k + Q.W_FLAGS]!;
    found.set(offset, {
      offset,
      first: words[k + Q.W_FIRST]!,
      record: words[k + Q.W_RECORD]!,
      hasAddressRecord: (flags & Q.HAS_ADDRESS_RECORD) !== 0,
      at: addressAt + RECORD_BYTES,
      addressAt,
      fn,
      form: forms.form(fn - FN_FIRST),
      next: words[k + Q.W_NEXT]!,
      target: target === Q.NO_TARGET ? NaN : target,
      besideCode: (flags & Q.BESIDE_CODE) !== 0,
    });
  }
  return found;
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
