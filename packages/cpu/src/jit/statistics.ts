// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the compiler has done and what its code does, counted where it costs nothing: at exits and in the compiler.
 *
 * The counters of running code are words of the state block, 32 bits wide; collect() adds them up before they can overflow.
 * @module
 */
import * as X from "../interp/exits.ts";
import * as S from "../state.ts";
import { RECORD_SHIFT } from "../decode/record.ts";

/** How regions came back to the interpreter, by reason. */
export interface RegionExits {
  /** To code that is not in the region. */
  readonly jump: number;
  /** The budget or the time between two samples was used up. */
  readonly budget: number;
  /** A memory access needed more than the translation table. */
  readonly slow: number;
  readonly exception: number;
  /** The space had other pages at the region's places. */
  readonly stale: number;
  /** Everything else: interrupts of software, repeated string instructions, segment loads. */
  readonly other: number;
}

/** Milliseconds of the injected clock, all 0 without one; `emit` and `module` of a compiler beside the machine are by its own clock. */
export interface CompileTimes {
  readonly discover: number;
  readonly emit: number;
  /** new WebAssembly.Module */
  readonly module: number;
  /** new WebAssembly.Instance */
  readonly instance: number;
}

export interface JitStatistics {
  /** Regions compiled since the start, and those that live. */
  readonly regions: number;
  readonly liveRegions: number;
  /** Regions given up because others needed the room. */
  readonly evictedRegions: number;
  /** WebAssembly modules made. */
  readonly modules: number;
  /** Bytes of WebAssembly generated. */
  readonly codeBytes: number;
  /** Bytes of it whose regions live. */
  readonly liveBytes: number;
  /** Guest instructions compiled, each time counted. */
  readonly compiledInstructions: number;
  /** The same, those counted once that were compiled again because regions were replaced. */
  readonly distinctInstructions: number;
  /** Instructions retired, in all and by regions. */
  readonly retired: number;
  readonly regionRetired: number;
  /** Entries into regions from the interpreter. */
  readonly regionEntries: number;
  /** Ways from one region to another that did not touch the interpreter. */
  readonly chained: number;
  readonly exits: RegionExits;
  readonly compileMs: CompileTimes;
}

const EXITS_W = S.REGION_EXITS >> 2;
const RETIRED_W = S.REGION_RETIRED >> 2;
const CHAINED_W = S.REGION_CHAINED >> 2;

export class JitCounters {
  regions = 0;
  modules = 0;
  codeBytes = 0;
  compiledInstructions = 0;
  distinctInstructions = 0;
  discoverMs = 0;
  emitMs = 0;
  moduleMs = 0;
  instanceMs = 0;
  #regionRetired = 0;
  #chained = 0;
  readonly #exits = new Float64Array(S.REGION_EXIT_CODES);
  readonly #words: Int32Array;

  /** `words`: the state block. */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** Takes over what running code has counted. To be called at least every 2²⁷ instructions. */
  collect(): void {
    const w = this.#words;
    const exits = this.#exits;
    for (let i = 0; i < S.REGION_EXIT_CODES; i++) {
      exits[i]! += w[EXITS_W + i]! >>> 0;
      w[EXITS_W + i] = 0;
    }
    this.#regionRetired += w[RETIRED_W]! >>> RECORD_SHIFT;
    w[RETIRED_W] = 0;
    this.#chained += w[CHAINED_W]! >>> 0;
    w[CHAINED_W] = 0;
  }

  /** The counters as they stand; `live` is what only the owner of the regions knows. */
  report(
    retired: number,
    live: Pick<JitStatistics, "liveRegions" | "liveBytes" | "evictedRegions">,
  ): JitStatistics {
    this.collect();
    const at = (code: number): number => this.#exits[code]!;
    const all = this.#exits.reduce((sum, n) => sum + n, 0);
    const exits = {
      jump: at(X.X_JUMP),
      budget: at(X.X_BUDGET),
      slow: at(X.X_SLOW),
      exception: at(X.X_EXCEPTION),
      stale: at(X.X_STALE),
    };
    const named = exits.jump + exits.budget + exits.slow + exits.exception + exits.stale;
    return {
      regions: this.regions,
      liveRegions: live.liveRegions,
      evictedRegions: live.evictedRegions,
      modules: this.modules,
      codeBytes: this.codeBytes,
      liveBytes: live.liveBytes,
      compiledInstructions: this.compiledInstructions,
      distinctInstructions: this.distinctInstructions,
      retired,
      regionRetired: this.#regionRetired,
      regionEntries: all,
      chained: this.#chained,
      exits: { ...exits, other: all - named },
      compileMs: {
        discover: this.discoverMs,
        emit: this.emitMs,
        module: this.moduleMs,
        instance: this.instanceMs,
      },
    };
  }
}
