// SPDX-License-Identifier: BSD-3-Clause
/**
 * How regions grow: by what execution leaves them for, and by the regions between which and them it goes to and fro.
 *
 * A way out of a region costs some ten times what an instruction costs, and making a region anew costs thousands for each of its
 * instructions. So what the ways out of a region have cost is added up, whatever they lead to, and when it reaches the
 * price of a larger region, that takes in everything worth it at once. Of two regions the larger grows: a stub or a leaf
 * function is copied into its callers, and stays for others.
 *
 * Invariant G1: each time a region grows, the next time costs twice as much, and so does each attempt in vain.
 *
 * @module
 */
import { MAX_MERGED_INSTRUCTIONS, type DiscoverOptions, type Outline } from "./discover.ts";
import type { LiveRegion, LiveRegions } from "./live-regions.ts";

/** Offsets in a region must fit its exits' encoding. */
const MAX_DISTANCE = 0x1f0_0000;
/** A region of at most so many instructions is copied into the others that go there, and stays. */
const MAX_COPIED = 40;
/** Limits how much dearer each growth becomes. */
const MOST_TIMES = 6;
/** What a neighbour has to contribute to the cost of a region's ways out to be taken in. */
const LEAST_SHARE = 1 / 32;

/** A region that execution comes from or goes to. */
interface Neighbour {
  /** What the passages have cost, in samples. */
  heat: number;
  /** Distance of its base page from the growing region's. */
  shift: number;
  /** Where it was entered, as offsets in the growing region. */
  readonly starts: Set<number>;
}

/** What is known about the ways out of a region. */
export interface Surroundings {
  /** What all of them have cost, in samples. */
  heat: number;
  /** Addresses without region, by offset, and what leaving for them has cost. */
  readonly missing: Map<number, number>;
  /** Regions by their slots. */
  readonly neighbours: Map<number, Neighbour>;
  /** How often growing was tried in vain. */
  failures: number;
}

export function noSurroundings(): Surroundings {
  return { heat: 0, missing: new Map(), neighbours: new Map(), failures: 0 };
}

/** A live region as the running space sees it. */
export interface PlacedLive {
  readonly live: LiveRegion;
  /** Address of its base page. */
  readonly pageBase: number;
}

export interface GrowthParts {
  readonly regions: LiveRegions;
  /** Looks for a region, its base page being that of `from`. */
  readonly discover: (from: PlacedLive, options: DiscoverOptions) => Outline | null;
  /** What compiling so many instructions costs, in samples. */
  readonly costOf: (instructions: number) => number;
  /** Whether a region that waits to be compiled takes the place of `live`. */
  readonly isReplaced: (live: LiveRegion) => boolean;
}

/** A region to be compiled in the place of others. */
export interface Grown {
  readonly outline: Outline;
  readonly pageBase: number;
  readonly replaced: ReadonlySet<LiveRegion>;
}

export class Growth {
  readonly #p: GrowthParts;

  constructor(parts: GrowthParts) {
    this.#p = parts;
  }

  /** Tells that leaving `from` for `address`, which is in no region, has cost `heat`. Returns what it should grow to, now. */
  left(from: PlacedLive, address: number, heat: number): Grown | null {
    const start = (address - from.pageBase) | 0;
    if (Math.abs(start) > MAX_DISTANCE) return null;
    const { missing } = from.live.surroundings;
    missing.set(start, (missing.get(start) ?? 0) + heat);
    return this.#add(from, heat);
  }

  /** Tells that passages between two regions, to `address` in `to`, have cost `heat`. Returns what one should grow to, now. */
  passed(from: PlacedLive, to: PlacedLive, address: number, heat: number): Grown | null {
    const forwards = sizeOf(from.live) >= sizeOf(to.live);
    const [larger, smaller] = forwards ? [from, to] : [to, from];
    const shift = (smaller.pageBase - larger.pageBase) | 0;
    if (Math.abs(shift) > MAX_DISTANCE) return null;
    const { neighbours } = larger.live.surroundings;
    let neighbour = neighbours.get(smaller.live.slot);
    if (neighbour?.shift !== shift) {
      neighbour = { heat: 0, shift, starts: new Set(smaller.live.outline.starts.map((s) => s + shift)) };
      neighbours.set(smaller.live.slot, neighbour);
    }
    neighbour.heat += heat;
    if (forwards) neighbour.starts.add((address - larger.pageBase) | 0);
    return this.#add(larger, heat);
  }

  #add(from: PlacedLive, heat: number): Grown | null {
    const { live } = from;
    const around = live.surroundings;
    around.heat += heat;
    const times = 2 ** Math.min(live.generation + around.failures, MOST_TIMES);
    if (around.heat < times * this.#p.costOf(sizeOf(live)) || this.#p.isReplaced(live)) return null;
    const neighbours = this.#worthTaking(live);
    const grown =
      this.#grow(from, neighbours) ??
      (neighbours.length > 1 ? this.#grow(from, neighbours.slice(0, 1)) : null);
    if (grown === null) {
      around.failures++;
      around.heat = 0;
    }
    return grown;
  }

  /** The neighbours that fit into one region with `live`, those first between which and it most passages are. */
  #worthTaking(live: LiveRegion): LiveRegion[] {
    const { regions, isReplaced } = this.#p;
    const { neighbours, heat } = live.surroundings;
    const byHeat = [...neighbours].sort(([, a], [, b]) => b.heat - a.heat);
    const taken: LiveRegion[] = [];
    let size = sizeOf(live);
    for (const [slot, neighbour] of byHeat) {
      const other = regions.at(slot);
      if (other === undefined || isReplaced(other)) continue;
      if (neighbour.heat < heat * LEAST_SHARE) break;
      if (size + sizeOf(other) >= MAX_MERGED_INSTRUCTIONS) continue;
      size += sizeOf(other);
      taken.push(other);
    }
    return taken;
  }

  #grow(from: PlacedLive, neighbours: readonly LiveRegion[]): Grown | null {
    const { live, pageBase } = from;
    const around = live.surroundings;
    const starts = new Set([...live.outline.starts, ...around.missing.keys()]);
    for (const { slot } of neighbours)
      for (const start of around.neighbours.get(slot)!.starts) starts.add(start);
    const outline = this.#p.discover(from, {
      starts: [...starts],
      mayEnter: [live.outline, ...neighbours.map((other) => other.outline)],
      limit: MAX_MERGED_INSTRUCTIONS,
    });
    if (outline === null || !holdsAll(outline, live.outline)) return null;
    if (outline.offsetOf.size === sizeOf(live) && !hasNewEntries(outline, live)) return null;
    const replaced = new Set([live]);
    for (const other of neighbours)
      if (sizeOf(other) > MAX_COPIED && holdsAll(outline, other.outline)) replaced.add(other);
    return { outline, pageBase, replaced };
  }
}

function sizeOf(live: LiveRegion): number {
  return live.outline.offsetOf.size;
}

/** Whether a region has every instruction of the other, and was not cut off. */
function holdsAll({ offsetOf }: Outline, other: Outline): boolean {
  if (offsetOf.size >= MAX_MERGED_INSTRUCTIONS) return false;
  for (const record of other.offsetOf.keys()) if (!offsetOf.has(record)) return false;
  return true;
}

/** Whether an outline of the same code is entered where `live` is not. */
function hasNewEntries({ offsetOf, entered, seenTargets }: Outline, live: LiveRegion): boolean {
  const found = new Set(offsetOf.values());
  const known = new Set(live.entryOffsets);
  const isNew = (offset: number): boolean => found.has(offset) && !known.has(offset);
  return entered.some(isNew) || seenTargets.some(([, targets]) => targets.some(isNew));
}
