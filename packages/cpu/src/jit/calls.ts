// SPDX-License-Identifier: BSD-3-Clause
/**
 * Functions inside a region: where what leads elsewhere by an address is expected to go, and where functions stand.
 *
 * Of a call whose callee is in the region both ends are known, so the callee's returns compare the return address with the
 * few places it may be before they ask the jump cache. Indirect jumps and calls that were seen to go to few places, as those
 * of a procedure linkage table, do the same. A callee that is nobody else's code stands right behind one of its calls: then call and
 * return are jumps forward, and a loop around them is a loop still.
 *
 * Nothing here has to be right for the code to be: an address that is none of those expected goes through the jump cache.
 *
 * @module
 */
import type { Block, RegionInstruction } from "./blocks.ts";

/** Places that an address is compared with: each costs a comparison when it is another. */
const MAX_EXPECTED = 3;

interface Blocks {
  readonly blocks: readonly Block[];
  /** The number of the block at an offset. */
  readonly blockAt: ReadonlyMap<number, number>;
  /** Where indirect jumps and calls were seen to go, in the region or not, by their offsets. */
  readonly seenTargets: ReadonlyMap<number, readonly number[]>;
}

function lastOf(block: Block): RegionInstruction {
  return block.instructions[block.instructions.length - 1]!;
}

/** The blocks that execution from block `first` goes through in the same function, callees left out. */
function bodyOf({ blocks, blockAt, seenTargets }: Blocks, first: number): Set<number> {
  const body = new Set([first]);
  for (const index of body) {
    const last = lastOf(blocks[index]!);
    const { flow } = last.form;
    const follow = (offset: number): void => {
      const next = blockAt.get(offset);
      if (next !== undefined) body.add(next);
    };
    if (flow !== "stop" && flow !== "jump") follow(last.next);
    if (flow === "branch" || flow === "jump") follow(last.target);
    if (flow === "stop") seenTargets.get(last.offset)?.forEach(follow);
  }
  return body;
}

/** The numbers of the blocks that a block calls inside the region. */
function calleesOf({ blockAt, seenTargets }: Blocks, block: Block): number[] {
  const { form, offset, target } = lastOf(block);
  const targets =
    form.flow === "call" ? [target] : form.flow === "away" ? (seenTargets.get(offset) ?? []) : [];
  return targets.map((to) => blockAt.get(to)).filter((index) => index !== undefined);
}

/** The bodies of the functions that are called inside the region, by the number of their first block. */
function calledBodies(region: Blocks): Map<number, Set<number>> {
  const bodies = new Map<number, Set<number>>();
  for (const block of region.blocks)
    for (const callee of calleesOf(region, block))
      if (!bodies.has(callee)) bodies.set(callee, bodyOf(region, callee));
  return bodies;
}

/** Where returns, indirect jumps and calls may lead inside the region, by their offsets; those with more places are left out. */
export function expectedTargets(region: Blocks): Map<number, readonly number[]> {
  const { blocks, blockAt, seenTargets } = region;
  const bodies = calledBodies(region);
  const places = new Map<number, Set<number>>();
  const expect = (offset: number, place: number): void => {
    const known = places.get(offset);
    if (known === undefined) places.set(offset, new Set([place]));
    else known.add(place);
  };
  for (const [offset, targets] of seenTargets)
    for (const target of targets) if (blockAt.has(target)) expect(offset, target);
  for (const block of blocks) {
    const { next } = lastOf(block);
    if (!blockAt.has(next)) continue;
    for (const callee of calleesOf(region, block)) {
      for (const index of bodies.get(callee)!) {
        const { form, offset } = lastOf(blocks[index]!);
        if (form.name === "ret") expect(offset, next);
      }
    }
  }
  const few = [...places].filter(([, offsets]) => offsets.size <= MAX_EXPECTED);
  return new Map(few.map(([offset, offsets]) => [offset, [...offsets]]));
}

/** The blocks, given in address order, in the order in which they should stand. `starts`: where the region is entered on purpose. */
export function arrange(region: Blocks, starts: readonly number[]): readonly Block[] {
  const { blocks, blockAt } = region;
  const bodies = calledBodies(region);
  if (bodies.size === 0) return blocks;
  const owners = new Int32Array(blocks.length);
  const count = (body: Iterable<number>): void => {
    for (const index of body) owners[index]!++;
  };
  for (const body of bodies.values()) count(body);
  for (const start of starts) {
    const first = blockAt.get(start);
    if (first !== undefined && !bodies.has(first)) count(bodyOf(region, first));
  }
  for (const [callee, body] of bodies)
    if ([...body].some((index) => owners[index] !== 1)) bodies.delete(callee);
  const moved = new Set<number>();
  for (const body of bodies.values()) for (const index of body) moved.add(index);

  const order: Block[] = [];
  const placed = new Set<number>();
  const place = (indexes: readonly number[]): void => {
    for (const index of indexes) {
      if (placed.has(index)) continue;
      placed.add(index);
      order.push(blocks[index]!);
      for (const callee of calleesOf(region, blocks[index]!)) {
        const body = bodies.get(callee);
        if (body !== undefined) place([...body].sort((a, b) => a - b));
      }
    }
  };
  const all = blocks.map((_, index) => index);
  place(all.filter((index) => !moved.has(index)));
  // Functions that only call each other.
  place(all);
  return order;
}
