// SPDX-License-Identifier: BSD-3-Clause
/**
 * A ring of the last entries into regions and exits from them, written by a few instructions around each region that exist only
 * when the processor was made with `trace`.
 *
 * The ring lies in linear memory: a word with the offset of the next line, and LINES lines of four words:
 *
 *    entry   {2 × region number, entry, page base, COUNTER}
 *    exit    {2 × region number + 1, EIP, exit code, COUNTER}
 *    mark    {−1, low, high, 0}: instructions retired when COUNTER was 0; before each stay in generated code
 *
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { RECORD_SHIFT } from "../decode/record.ts";
import * as X from "../interp/exits.ts";
import type { Region } from "../jit/blocks.ts";
import * as S from "../state.ts";
import { add, and, call, i32, load, type Callee } from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module.ts";
import { I32, I32_LOAD, I32_STORE } from "../wasm/opcodes.ts";

const LINE_BYTES = 16;
const LINES = 4096;
const HEAD_BYTES = 16;
export const TRACE_BYTES = HEAD_BYTES + LINES * LINE_BYTES;
const MARK = -1;
const ENTRY_MASK = 0xffff;

/** One line of the trace. */
export interface RegionTraceEvent {
  /** Address of the region's first start. */
  readonly region: number;
  /** Where it was entered, or where execution goes on behind it. */
  readonly eip: number;
  /** Why it was left; "enter" for an entry. */
  readonly reason: string;
  /** Instructions retired so far; NaN where the ring does not reach back far enough to tell. */
  readonly instructions: number;
}

const REASONS: Readonly<Record<number, string>> = {
  [X.X_JUMP]: "jump",
  [X.X_SLOW]: "slow",
  [X.X_EXCEPTION]: "exception",
  [X.X_TRAP]: "trap",
  [X.X_SOFTINT]: "int",
  [X.X_LEAVE]: "leave",
  [X.X_AGAIN]: "repeat",
  [X.X_BUDGET]: "budget",
  [X.X_STALE]: "stale",
};

interface KnownRegion {
  readonly start: number;
  /** Offsets of its entries from the base page, by entry number. */
  readonly entries: readonly number[];
}

export class RegionTrace {
  /** Linear-memory address of TRACE_BYTES. */
  readonly address: number;
  readonly #memory: MachineMemory;
  readonly #regions: KnownRegion[] = [];

  constructor(memory: MachineMemory, address: number) {
    this.#memory = memory;
    this.address = address;
    memory.u8.fill(0, address, address + TRACE_BYTES);
  }

  /** A number for a region that is about to be compiled, whose base page lies at `pageBase`. */
  register(region: Region, pageBase: number): number {
    const entries = region.entries.map((block) => block.offset);
    return this.#regions.push({ start: (pageBase + region.starts[0]!) >>> 0, entries }) - 1;
  }

  /** A function around that of region `number` that writes the lines; its name in the module is `name`. */
  wrap(m: ModuleBuilder, region: Callee, number: number, stateBase: number, name: string): void {
    const { address } = this;
    m.func(
      [I32, I32],
      [I32],
      (f) => {
        const line = f.local();
        const code = f.local();
        const word = (offset: number): ReturnType<typeof load> => load(I32_LOAD, I32, i32(0), offset);
        const write = (words: readonly ReturnType<typeof load>[]): void => {
          f.set(line, word(address));
          f.store(I32_STORE, i32(0), and(add(line, LINE_BYTES), LINES * LINE_BYTES - 1), address);
          words.forEach((value, i) => f.store(I32_STORE, line, value, address + HEAD_BYTES + 4 * i));
        };
        write([i32(2 * number), f.param(0), f.param(1), word(stateBase + S.COUNTER)]);
        f.set(code, call(region, f.param(0), f.param(1)));
        write([i32(2 * number + 1), word(stateBase + S.EIP), code, word(stateBase + S.COUNTER)]);
        f.ret(code);
        f.unreachable();
      },
      name,
    );
  }

  /** Says that COUNTER 0 stands for `retired` instructions from now on. */
  mark(retired: number): void {
    const words = this.#memory.i32;
    const head = this.address >> 2;
    const line = words[head]!;
    words.set([MARK, retired | 0, Math.floor(retired / 2 ** 32), 0], head + (HEAD_BYTES + line) / 4);
    words[head] = (line + LINE_BYTES) & (LINES * LINE_BYTES - 1);
  }

  /** The events in the ring, oldest first. */
  events(): RegionTraceEvent[] {
    const words = this.#memory.i32;
    const head = this.address >> 2;
    const first = words[head]! / 4;
    const list: RegionTraceEvent[] = [];
    let base = NaN;
    for (let i = 0; i < LINES; i++) {
      const at = head + HEAD_BYTES / 4 + ((first + 4 * i) & (LINES * 4 - 1));
      const [kind, a, b, counter] = words.subarray(at, at + 4) as unknown as [number, number, number, number];
      if (kind === MARK) {
        base = (a >>> 0) + b * 2 ** 32;
        continue;
      }
      const region = this.#regions[kind >> 1];
      // A line that was never written is all zero; no region is entered with its page base at 0.
      if (region === undefined || (kind === 0 && b === 0)) continue;
      const instructions = base + (counter >> RECORD_SHIFT);
      if ((kind & 1) !== 0) list.push({ region: region.start, eip: a >>> 0, reason: REASONS[b] ?? `exit ${b}`, instructions });
      else list.push({ region: region.start, eip: (b + (region.entries[a & ENTRY_MASK] ?? 0)) >>> 0, reason: "enter", instructions });
    }
    return list;
  }
}
