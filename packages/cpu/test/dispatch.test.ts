// SPDX-License-Identifier: BSD-3-Clause
/**
 * From region to region: what the jump cache knows must never outlive the mapping or the region it speaks of.
 * @module
 */
import { describe, expect, test } from "vitest";
import {
  ACCESS_WRITE,
  PF_USER,
  PF_WRITE,
  faultResult,
  type AddressSpace,
  type SpaceTable,
  type Translation,
} from "@vkernel/mmu";
import { EAX, ECX, EDX, ESP, EXC_BP, EXC_PF, EXIT_BUDGET, EXIT_EXCEPTION } from "../src/index.ts";
import { machineWith, type Machine } from "./machine-kit.ts";

const CALLER = 0x10_0000;
const CALLEE = 0x10_1000;
const STACK_PAGE = 0x10_2000;
const ROUNDS = 3000;

/** A space of single pages over RAM whose pages can be moved and taken away. */
class PagedSpace implements AddressSpace {
  readonly #pages: Map<number, number>;
  readonly #table: SpaceTable;
  constructor(translation: Translation, pages: Iterable<readonly [number, number]>) {
    this.#pages = new Map(pages);
    this.#table = translation.createTable();
  }
  get table(): number {
    return this.#table.address;
  }
  translate(va: number, access: number): number {
    const host = this.#pages.get((va >>> 0) & ~0xfff);
    if (host === undefined) return faultResult(PF_USER | (access === ACCESS_WRITE ? PF_WRITE : 0));
    this.#table.fill(va, host, true, true, true);
    return host + (va & 0xfff);
  }
  map(va: number, host: number | null): void {
    if (host === null) this.#pages.delete(va);
    else this.#pages.set(va, host);
    this.#table.invalidate(va, 4096);
  }
}

function le32(n: number): number[] {
  return [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >>> 24) & 0xff];
}
/** l: inc eax; call CALLEE; dec ecx; jnz l; int3 */
const LOOP = [0x40, 0xe8, ...le32(CALLEE - (CALLER + 6)), 0x49, 0x75, 0xf7, 0xcc];
/** add edx, n; ret */
const callee = (n: number): number[] => [0x83, 0xc2, n, 0xc3];
/** Physical places of the caller and of two callees that add 2 and 5. */
const [AT_LOOP, AT_TWO, AT_FIVE] = [0x4000, 0x6000, 0x9000] as const;
/** Each callee's spaces have a stack page of their own behind it. */
const STACK_BEHIND = 0x1000;

interface World extends Machine {
  host(offset: number): number;
  spaceWith(calleeAt: number): PagedSpace;
}
function world(): World {
  const machine = machineWith([], { jit: { threshold: 0 } });
  const { memory, translation, poke } = machine;
  poke(AT_LOOP, LOOP);
  poke(AT_TWO, callee(2));
  poke(AT_FIVE, callee(5));
  const host = (offset: number): number => memory.ramBase + offset;
  const spaceWith = (calleeAt: number): PagedSpace =>
    new PagedSpace(translation, [
      [CALLER, host(AT_LOOP)],
      [CALLEE, host(calleeAt)],
      [STACK_PAGE, host(calleeAt + STACK_BEHIND)],
    ]);
  return { ...machine, host, spaceWith };
}
function start({ cpu }: World, rounds = ROUNDS): void {
  cpu.gpr.fill(0);
  cpu.gpr[ECX] = rounds;
  cpu.gpr[ESP] = STACK_PAGE + 0x800;
  cpu.eip = CALLER;
}
/** Runs to the end in slices of `slice` instructions; the exit's vector, EAX and EDX. */
function finish({ cpu }: World, space: AddressSpace, slice = 1_000_000): number[] {
  let exit: number = EXIT_BUDGET;
  while (exit === EXIT_BUDGET) exit = cpu.run(space, slice);
  expect(exit).toBe(EXIT_EXCEPTION);
  return [cpu.vector, cpu.gpr[EAX]!, cpu.gpr[EDX]!];
}

describe("from region to region", () => {
  test("caller and callee in two regions pass control without the interpreter", () => {
    const w = world();
    const space = w.spaceWith(AT_TWO);
    start(w);
    expect(finish(w, space)).toEqual([EXC_BP, ROUNDS, 2 * ROUNDS]);
    const { chained, exits } = w.cpu.jitStatistics;
    expect(chained).toBeGreaterThan(1.9 * ROUNDS);
    expect(exits.jump).toBeLessThan(20);
  });

  test("regions between which execution goes to and fro become one, and die with either page", () => {
    const w = world();
    const space = w.spaceWith(AT_TWO);
    const rounds = 200_000;
    start(w, rounds);
    expect(finish(w, space)).toEqual([EXC_BP, rounds, (2 * rounds) | 0]);
    const { chained, regions, liveRegions } = w.cpu.jitStatistics;
    expect(chained).toBeLessThan(rounds / 2);
    expect(regions).toBeGreaterThan(liveRegions);
    w.poke(AT_TWO, callee(9));
    start(w);
    expect(finish(w, space)).toEqual([EXC_BP, ROUNDS, 9 * ROUNDS]);
    space.map(CALLEE, w.host(AT_FIVE));
    start(w);
    expect(finish(w, space)).toEqual([EXC_BP, ROUNDS, 5 * ROUNDS]);
  });

  test("a region is entered in a space that has not touched all of its pages yet, when the space has them at hand", () => {
    const w = world();
    const rounds = 200_000;
    start(w, rounds);
    expect(finish(w, w.spaceWith(AT_TWO))).toEqual([EXC_BP, rounds, 2 * rounds]);
    const { regions } = w.cpu.jitStatistics;
    for (const isAtHand of [false, true]) {
      const space = w.spaceWith(AT_TWO);
      space.map(CALLEE, null);
      const asked: number[] = [];
      const populate = (va: number): boolean => {
        asked.push(va);
        if (isAtHand) space.map(CALLEE, w.host(AT_TWO));
        return isAtHand;
      };
      const late: AddressSpace = {
        get table() {
          return space.table;
        },
        translate: (va, access) => space.translate(va, access),
        populate,
      };
      start(w);
      if (isAtHand) expect(finish(w, late)).toEqual([EXC_BP, ROUNDS, 2 * ROUNDS]);
      else expect([finish(w, late)[0], w.cpu.eip]).toEqual([EXC_PF, CALLEE]);
      expect(new Set(asked)).toEqual(new Set([CALLEE]));
    }
    expect(w.cpu.jitStatistics.regions).toBe(regions);
    expect(w.cpu.jitStatistics.exits.stale).toBeLessThan(5);
  });

  test("a page moved while in use: the next round runs what is mapped now", () => {
    const w = world();
    const space = w.spaceWith(AT_TWO);
    start(w);
    let expected = 0;
    let before = 0;
    for (const at of [AT_TWO, AT_FIVE, AT_TWO, AT_FIVE]) {
      space.map(CALLEE, w.host(at));
      expect(w.cpu.run(space, 999)).toBe(EXIT_BUDGET);
      // The budget may end between a round's call and its count.
      const rounds = w.cpu.gpr[EAX]! - before;
      before = w.cpu.gpr[EAX]!;
      const each = at === AT_TWO ? 2 : 5;
      const added = w.cpu.gpr[EDX]! - expected;
      expect(Math.abs(added - each * rounds)).toBeLessThanOrEqual(5);
      expected = w.cpu.gpr[EDX]!;
    }
    expect(w.cpu.jitStatistics.chained).toBeGreaterThan(500);
  });

  test("a page taken away: a page fault at its first instruction", () => {
    const w = world();
    const space = w.spaceWith(AT_TWO);
    start(w);
    w.cpu.run(space, 999);
    space.map(CALLEE, null);
    expect(finish(w, space)[0]).toBe(EXC_PF);
    expect([w.cpu.eip, w.cpu.cr2]).toEqual([CALLEE, CALLEE]);
    space.map(CALLEE, w.host(AT_TWO));
    expect(finish(w, space)).toEqual([EXC_BP, ROUNDS, 2 * ROUNDS]);
  });

  test("two spaces in turn with different callees at one address, also one instruction at a time", () => {
    for (const slice of [777, 1]) {
      const w = world();
      const spaces = [w.spaceWith(AT_TWO), w.spaceWith(AT_FIVE)];
      const rounds = slice === 1 ? 300 : ROUNDS;
      const saved = spaces.map(() => {
        start(w, rounds);
        return { eip: CALLER, gpr: [...w.cpu.gpr], ended: false };
      });
      for (let turn = 0; saved.some((s) => !s.ended); turn++) {
        const s = saved[turn & 1]!;
        if (s.ended) continue;
        w.cpu.eip = s.eip;
        w.cpu.gpr.set(s.gpr);
        s.ended = w.cpu.run(spaces[turn & 1]!, slice) === EXIT_EXCEPTION;
        s.eip = w.cpu.eip;
        s.gpr = [...w.cpu.gpr];
      }
      expect(saved.map((s) => [s.gpr[EAX], s.gpr[EDX]])).toEqual([
        [rounds, 2 * rounds],
        [rounds, 5 * rounds],
      ]);
    }
  });

  test("a table taken over by another space and back: nothing of before is believed", () => {
    const w = world();
    // More spaces than the machine has tables.
    const spaces = [AT_TWO, AT_FIVE, AT_TWO, AT_FIVE].map((at) => w.spaceWith(at));
    for (let turn = 0; turn < 12; turn++) {
      start(w);
      const each = turn % 2 === 0 ? 2 : 5;
      expect(finish(w, spaces[turn % 4]!)).toEqual([EXC_BP, ROUNDS, each * ROUNDS]);
    }
    expect(w.translation.evictions).toBeGreaterThan(4);
  });

  test("a callee rewritten between runs: its region is dead, and the new code runs", () => {
    const w = world();
    const space = w.spaceWith(AT_TWO);
    for (const n of [2, 7, 3, 100]) {
      w.poke(AT_TWO, callee(n));
      start(w);
      expect(finish(w, space)).toEqual([EXC_BP, ROUNDS, n * ROUNDS]);
    }
  });

  test("a callee rewritten by its caller in every round: regions die and their places are used again", () => {
    const w = world();
    // l: inc eax; mov [CALLEE + 2], al; call CALLEE; dec ecx; jnz l; int3
    const store = [0xa2, ...le32(CALLEE + 2)];
    w.poke(AT_LOOP, [0x40, ...store, 0xe8, ...le32(CALLEE - (CALLER + 11)), 0x49, 0x75, 0xf2, 0xcc]);
    const space = w.spaceWith(AT_TWO);
    const rounds = 2500;
    start(w, rounds);
    let sum = 0;
    for (let i = 1; i <= rounds; i++) sum = (sum + ((i << 24) >> 24)) | 0;
    expect(finish(w, space)).toEqual([EXC_BP, rounds, sum]);
  });
});
