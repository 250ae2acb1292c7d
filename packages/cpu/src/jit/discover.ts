// SPDX-License-Identifier: BSD-3-Clause
/**
 * Which instructions of a page make a region, and its blocks.
 *
 * A region starts at one instruction and takes in what direct jumps and calls reach inside the page, and the places calls
 * and software interrupts return to, up to a number of instructions. It is found from the decoded records, which have
 * everything a compiler needs as constants.
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

/** Compile time rises steeply with region size; see docs/ARCHITECTURE.md. */
export const MAX_INSTRUCTIONS = 300;

export interface RegionInstruction {
  /** Offset in the page. */
  readonly offset: number;
  /** First record: the instruction's own or its address record. */
  readonly first: number;
  /** The instruction's own record. */
  readonly record: number;
  /** Address record, or 0. */
  readonly addressRecord: number;
  readonly fn: number;
  readonly form: Form;
  /** Offset of what follows; 4096 or more in the next page. */
  readonly next: number;
  /** Offset of a direct target, which may lie outside the page; NaN without one. */
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
  readonly page: CodePage;
  /** In address order. */
  readonly blocks: readonly Block[];
  readonly blockAt: ReadonlyMap<number, number>;
  /** Outer before inner. */
  readonly loops: readonly Loop[];
  /** Blocks with an entry number, by number. */
  readonly entries: readonly Block[];
  /** Offsets of all instructions. */
  readonly offsets: ReadonlySet<number>;
  /** Where it was asked to start. */
  readonly starts: readonly number[];
}

/** Instruction of the record chain at `record`, or null where compiled code has to leave. */
function instructionAt(memory: MachineMemory, forms: FormLookup, record: number): RegionInstruction | null {
  const { u16, i32 } = memory;
  let at = record;
  let addressRecord = 0;
  const handler = u16[(at + R.R_HANDLER) >> 1]!;
  if (handler === R.H_CROSS || handler === R.H_MISS || handler === R.H_NEXT_PAGE || handler === R.H_LINK)
    return null;
  let fn = u16[(at + R.R_FUNCTION) >> 1]!;
  if (fn <= FN_LEA16) {
    if (fn !== FN_EA32) return null;
    addressRecord = at;
    at += R.RECORD_BYTES;
    fn = u16[(at + R.R_FUNCTION) >> 1]!;
  }
  const form = forms.form(fn - FN_FIRST);
  const next = u16[(at + R.R_NEXT) >> 1]!;
  const direct = form.flow === "branch" || form.flow === "jump" || form.flow === "call";
  return {
    offset: u16[(at + R.R_OFF) >> 1]!,
    first: record,
    record: at,
    addressRecord,
    fn,
    form,
    next,
    target: direct && form.size === 4 ? next + i32[(at + R.R_IMM) >> 2]! : NaN,
  };
}

/** Offsets where control may go from an instruction, inside the page. */
function successors(i: RegionInstruction): number[] {
  const { flow } = i.form;
  const list: number[] = [];
  if (flow !== "stop" && flow !== "jump") list.push(i.next);
  if (!Number.isNaN(i.target)) list.push(i.target);
  return list.filter((offset) => offset >= 0 && offset < 4096);
}

/** The region from `starts`, the first being the most wanted; null when nothing there can be compiled. */
export function discoverRegion(
  memory: MachineMemory,
  forms: FormLookup,
  page: CodePage,
  starts: readonly number[],
): Region | null {
  const { i32 } = memory;
  const found = new Map<number, RegionInstruction>();
  const leaders = new Set<number>(starts);
  const entered = new Set<number>(starts);
  const pending = [...starts];
  for (let k = 0; k < pending.length && found.size < MAX_INSTRUCTIONS; k++) {
    let offset = pending[k]!;
    while (!found.has(offset) && found.size < MAX_INSTRUCTIONS) {
      const record = i32[(page.index >> 2) + offset]!;
      const instruction = record === 0 ? null : instructionAt(memory, forms, record);
      if (instruction === null) break;
      found.set(offset, instruction);
      if (instruction.form.flow === "next") {
        if (instruction.next >= 4096) break;
        offset = instruction.next;
        continue;
      }
      for (const next of successors(instruction)) {
        leaders.add(next);
        pending.push(next);
      }
      if ((instruction.form.flow === "call" || instruction.form.flow === "away") && instruction.next < 4096) {
        entered.add(instruction.next);
      }
      break;
    }
  }
  if (!starts.some((start) => found.has(start))) return null;
  for (const i of found.values()) if (i.target <= i.offset) entered.add(i.target);
  return makeBlocks(page, found, leaders, entered, starts);
}

function makeBlocks(
  page: CodePage,
  found: ReadonlyMap<number, RegionInstruction>,
  leaders: ReadonlySet<number>,
  entered: Set<number>,
  starts: readonly number[],
): Region {
  const blocks: Block[] = [];
  const blockAt = new Map<number, number>();
  let expected = -1;
  for (const offset of [...found.keys()].sort((a, b) => a - b)) {
    const instruction = found.get(offset)!;
    if (offset !== expected || leaders.has(offset)) {
      blockAt.set(offset, blocks.length);
      blocks.push({ offset, instructions: [], entry: -1 });
    }
    blocks[blocks.length - 1]!.instructions.push(instruction);
    const endsBlock = instruction.form.flow !== "next";
    expected = endsBlock ? -1 : instruction.next;
  }
  // A jump from outside into the middle of a loop goes through the dispatcher, too.
  const loops = findLoops(blocks, blockAt);
  blocks.forEach((block, i) => {
    for (const to of targetsOf(block)) {
      const j = blockAt.get(to);
      if (j !== undefined && loops.some((l) => l.first < j && j <= l.last && (i < l.first || i > l.last)))
        entered.add(to);
    }
  });
  const entries: Block[] = [];
  for (const block of blocks) if (entered.has(block.offset)) block.entry = entries.push(block) - 1;
  return { page, blocks, blockAt, loops, entries, offsets: new Set(found.keys()), starts };
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
