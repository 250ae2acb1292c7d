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
export const MAX_INSTRUCTIONS = 250;

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

export interface Region {
  readonly page: CodePage;
  /** In address order. */
  readonly blocks: readonly Block[];
  readonly blockAt: ReadonlyMap<number, number>;
  /** Blocks with an entry number, by number. */
  readonly entries: readonly Block[];
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

/** The region from `start`; null when nothing there can be compiled. */
export function discoverRegion(
  memory: MachineMemory,
  forms: FormLookup,
  page: CodePage,
  start: number,
): Region | null {
  const { i32 } = memory;
  const found = new Map<number, RegionInstruction>();
  const leaders = new Set<number>([start]);
  const entered = new Set<number>([start]);
  const pending = [start];
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
  if (!found.has(start)) return null;
  const offsets = [...found.keys()].sort((a, b) => a - b);
  for (const i of found.values()) if (i.target <= i.offset) entered.add(i.target);
  return makeBlocks(page, found, offsets, leaders, entered);
}

function makeBlocks(
  page: CodePage,
  found: ReadonlyMap<number, RegionInstruction>,
  offsets: readonly number[],
  leaders: ReadonlySet<number>,
  entered: ReadonlySet<number>,
): Region {
  const blocks: Block[] = [];
  const blockAt = new Map<number, number>();
  let expected = -1;
  for (const offset of offsets) {
    const instruction = found.get(offset)!;
    if (offset !== expected || leaders.has(offset)) {
      blockAt.set(offset, blocks.length);
      blocks.push({ offset, instructions: [], entry: -1 });
    }
    blocks[blocks.length - 1]!.instructions.push(instruction);
    const endsBlock = instruction.form.flow !== "next";
    expected = endsBlock ? -1 : instruction.next;
  }
  const entries: Block[] = [];
  for (const block of blocks) {
    // Overlapping decodings can make a block whose fall-through lies at a lower place in the order: it is an entry, too.
    if (entered.has(block.offset)) block.entry = entries.push(block) - 1;
  }
  return { page, blocks, blockAt, entries };
}
