// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the interpreter has shown of a page: where time goes, and which instructions run at all.
 *
 * Heat comes from samples, one every so many instructions. Which way execution takes comes from traces: now and then the interpreter
 * is stopped at each taken jump for a while, and what ran in between is marked. So compiled code holds what runs and leaves
 * where it did not go so far; what turns out to be missing is reported by the exits of regions (X_HOT) and traced then.
 *
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { PGMASK } from "@vkernel/mmu";
import type { CodePage } from "../decode/code-store.ts";
import * as R from "../decode/record.ts";
import { FLOW_INDIRECT } from "../interp/flows.ts";

/** Targets kept of one indirect jump; a jump with more is left to the jump cache. */
const MAX_TARGETS = 64;

export class PageProfile {
  /** Samples of the page that did not hit compiled code, and by offset. */
  heat = 0;
  readonly heatAt = new Map<number, number>();
  /** All heat there ever was, and how much of it has to be there before it is worth looking for a region from an offset again. */
  total = 0;
  readonly neededAt = new Map<number, number>();
  /** The total at which it is looked again for a region from any offset, after a look in vain. */
  lookAt = 0;
  /** One bit for each byte at which an instruction was seen to start. */
  readonly seen = new Uint32Array(128);
  /** How many jumps were traced. */
  traced = 0;
  /** Where indirect jumps and calls of the page went, as distances from the jump, by its record. */
  readonly targets = new Map<number, number[]>();
  /** A region of the page had to make room for others. */
  wasEvicted = false;
  /** Regions reach beyond the page: not when they turned out not to fit other spaces. */
  joins = true;

  add(offset: number, heat: number): void {
    this.heat += heat;
    this.total += heat;
    this.heatAt.set(offset, (this.heatAt.get(offset) ?? 0) + heat);
  }
  /** Heat at most `reach` bytes away from `offset`. */
  heatNear(offset: number, reach: number): number {
    let sum = 0;
    for (const [at, heat] of this.heatAt) if (Math.abs(at - offset) <= reach) sum += heat;
    return sum;
  }
  /** Forgets the heat at `offset`. */
  cool(offset: number, heat: number): void {
    this.heat -= heat;
    this.heatAt.delete(offset);
  }
  wasSeen(offset: number): boolean {
    return (this.seen[offset >> 5]! & (1 << (offset & 31))) !== 0;
  }
}

export class Profile {
  readonly #memory: MachineMemory;
  readonly #flows: Uint8Array;
  readonly #pages = new Map<CodePage, PageProfile>();

  constructor(memory: MachineMemory, flows: Uint8Array) {
    this.#memory = memory;
    this.#flows = flows;
  }

  /** The profile of `page`, made when there is none. */
  of(page: CodePage): PageProfile {
    let known = this.#pages.get(page);
    if (known === undefined) {
      known = new PageProfile();
      this.#pages.set(page, known);
    }
    return known;
  }
  /** The profile of `page`, when there is one. */
  find(page: CodePage): PageProfile | undefined {
    return this.#pages.get(page);
  }
  forget(page: CodePage): void {
    this.#pages.delete(page);
  }

  /**
   * Marks what ran from `address` in `page`: `count` instructions, the last of which went to `landed` unless execution was
   * stopped for another reason.
   */
  trace(page: CodePage, address: number, count: number, landed: number): void {
    const { u16, i32 } = this.#memory;
    const profile = this.of(page);
    const { seen } = profile;
    profile.traced++;
    let record = i32[(page.index >> 2) + (address & PGMASK)]!;
    let last = 0;
    for (let left = count; left > 0 && record !== 0;) {
      const handler = u16[(record + R.R_HANDLER) >> 1]!;
      if (handler === R.H_LINK) {
        record = i32[(record + R.R_TARGET) >> 2]!;
        continue;
      }
      if (handler === R.H_NEXT_PAGE || handler === R.H_MISS || handler === R.H_REGION) return;
      const offset = u16[(record + R.R_OFF) >> 1]!;
      seen[offset >> 5]! |= 1 << (offset & 31);
      if (!R.isPrefixHandler(handler)) {
        last = record;
        left--;
      }
      record += R.RECORD_BYTES;
    }
    if (last !== 0)
      this.#noteTarget(profile, last, (address & ~PGMASK) + u16[(last + R.R_OFF) >> 1]!, landed);
  }
  #noteTarget(profile: PageProfile, record: number, from: number, landed: number): void {
    if ((this.#flows[this.#memory.u16[(record + R.R_FUNCTION) >> 1]!]! & FLOW_INDIRECT) === 0) return;
    const distance = (landed - from) | 0;
    const known = profile.targets.get(record);
    if (known === undefined) profile.targets.set(record, [distance]);
    else if (known.length < MAX_TARGETS && !known.includes(distance)) known.push(distance);
  }
}
