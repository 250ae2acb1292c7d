// SPDX-License-Identifier: BSD-3-Clause
import { afterAll, describe, expect, test } from "vitest";
import { FuzzJudge } from "../scripts/fuzz-judge.js";
import { FuzzMachine, TIERS, differences } from "../scripts/fuzz-machine.js";
import { openNative } from "../scripts/fuzz-native.js";
import { assemble, makeCase, shrink } from "../scripts/fuzz-program.js";

/** Programs for each test; a million run in scripts/nightly.js. */
const COUNT = 1600;
const NATIVE_COUNT = 500;
/** Compiling at once costs a module for each region, so the compiled tiers take every fourth program. */
const COMPILED_SHARE = 4;

interface Item {
  readonly id: number;
}
interface Program {
  readonly items: readonly Item[];
}

describe("random programs", () => {
  const { native, why } = openNative();
  afterAll(() => native?.close());
  const interpreter = new FuzzMachine(TIERS[0]!);
  const compiled = new FuzzMachine(TIERS[1]!);
  const stepped = new FuzzMachine(TIERS[2]!);
  const twoSpaces = new FuzzMachine(TIERS[3]!);
  const interpreterStepped = new FuzzMachine({ ...TIERS[0]!, slice: 1 });

  test("end the same whether interpreted at a stretch or an instruction at a time", () => {
    let ended = 0;
    for (let seed = 1; seed <= COUNT; seed++) {
      const program = makeCase(seed);
      const end = interpreter.run(program);
      if (end === null) continue;
      ended++;
      expect(differences(end, interpreterStepped.run(program)), `seed ${seed}`).toEqual([]);
    }
    expect(ended).toBeGreaterThan(COUNT * 0.95);
  });

  test("end the same interpreted and compiled, at a stretch and with budget 1", () => {
    const vectors = new Set<number>();
    for (let seed = 1; seed <= COUNT; seed += COMPILED_SHARE) {
      const program = makeCase(seed);
      const end = interpreter.run(program);
      if (end === null) continue;
      vectors.add(end.vector);
      expect(differences(end, compiled.run(program)), `seed ${seed}, compiled`).toEqual([]);
      expect(differences(end, stepped.run(program)), `seed ${seed}, budget 1`).toEqual([]);
      expect(differences(end, twoSpaces.run(program)), `seed ${seed}, two spaces`).toEqual([]);
    }
    // The programs are worth something: some run to their INT3, some divide by zero, some fault.
    expect([...vectors]).toEqual(expect.arrayContaining([0, 3, 13, 14, 16]));
    for (const machine of [interpreter, compiled, stepped, twoSpaces]) expect(machine.restIsUntouched()).toBe(true);
  });

  test.skipIf(native === null)(`end as on the processor at hand (skipped: ${why})`, () => {
    const fuzz = new FuzzJudge(native);
    const bad = fuzz.run(1, NATIVE_COUNT);
    expect(bad.map((b: { seed: number; faults: string[] }) => `${b.seed}: ${b.faults[0]}`)).toEqual([]);
    // The rest ends where processors may differ (fuzz-judge.js says where).
    expect((fuzz.tally as { native: number }).native).toBeGreaterThan(NATIVE_COUNT * 0.85);
  });

  test("a seed always makes the same program, and shrinking keeps what fails", () => {
    expect(assemble(makeCase(77))).toEqual(assemble(makeCase(77)));
    const big = makeCase(5);
    const wanted = big.items[Math.floor(big.items.length / 2)]!.id;
    const small = shrink(big, (t: Program) => t.items.some((item) => item.id === wanted));
    expect(small.items.map((item: Item) => item.id)).toEqual([wanted]);
    expect(assemble(small).length).toBeLessThan(assemble(big).length);
  });
});
