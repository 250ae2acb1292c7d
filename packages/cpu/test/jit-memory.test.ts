// SPDX-License-Identifier: BSD-3-Clause
/** Compiled code is bounded: more hot code than may live at a time runs right, and the bound holds all the time. */
import { expect, test } from "vitest";
import { EAX, EBX, EXIT_BUDGET, EXIT_EXCEPTION, type CpuOptions } from "../src/index.ts";
import { CODE, machineWith } from "./machine-kit.ts";

const FUNCTIONS = 150;
const FIRST = 0x4000;
const DISTANCE = 512;
const ROUNDS = 3;

const imm32 = (value: number): number[] => [
  value & 255,
  (value >>> 8) & 255,
  (value >>> 16) & 255,
  value >>> 24,
];

/** A loop of 6,000 rounds whose work depends on `seed`. */
function hotFunction(seed: number): number[] {
  const body: number[] = [];
  for (let k = 0; k < 5; k++) {
    // add eax, imm; xor eax, imm; rol eax, n
    body.push(
      0x05,
      ...imm32(Math.imul(seed + k, 0x9e3779b1)),
      0x35,
      ...imm32(Math.imul(seed ^ k, 0x85ebca6b)),
      0xc1,
      0xc0,
      1 + ((seed + k) & 15),
    );
  }
  // mov ecx, 6000; L: …; dec ecx; jnz L; ret
  return [0xb9, ...imm32(6000), ...body, 0x49, 0x0f, 0x85, ...imm32(-(body.length + 7)), 0xc3];
}

/** Calls all functions in turn, EBX times, then int3. */
function caller(): number[] {
  const code: number[] = [];
  for (let i = 0; i < FUNCTIONS; i++)
    code.push(0xe8, ...imm32(FIRST + i * DISTANCE - (CODE + code.length + 5)));
  code.push(0x4b, 0x0f, 0x85, ...imm32(-(code.length + 7)), 0xcc);
  return code;
}

function run(
  options: CpuOptions,
  look: (liveBytes: number, liveRegions: number) => void,
): { eax: number; evicted: number; regions: number } {
  const machine = machineWith(caller(), options);
  for (let i = 0; i < FUNCTIONS; i++) machine.poke(FIRST + i * DISTANCE, hotFunction(i));
  const { cpu, space } = machine;
  cpu.gpr[EBX] = ROUNDS;
  for (;;) {
    const exit = cpu.run(space, 100_000);
    const { liveBytes, liveRegions } = cpu.jitStatistics;
    look(liveBytes, liveRegions);
    if (exit === EXIT_BUDGET) continue;
    expect([exit, cpu.vector]).toEqual([EXIT_EXCEPTION, 3]);
    const { evictedRegions, regions } = cpu.jitStatistics;
    return { eax: cpu.gpr[EAX]!, evicted: evictedRegions, regions };
  }
}

test("more hot code than fits: the coldest regions make room, and the result is the interpreter's", () => {
  const maxCodeBytes = 48 * 1024;
  let mostBytes = 0;
  const interpreted = run({ jit: { threshold: Infinity } }, (bytes, regions) =>
    expect([bytes, regions]).toEqual([0, 0]),
  );
  const bounded = run(
    { jit: { threshold: 1, sampleInterval: 2000, maxCodeBytes, coldFactor: 0 } },
    (bytes) => (mostBytes = Math.max(mostBytes, bytes)),
  );
  expect(bounded.eax).toBe(interpreted.eax);
  // What had to make room comes back only after it has run for twice as long: all were compiled, few again.
  expect(bounded.regions).toBeGreaterThanOrEqual(FUNCTIONS);
  expect(bounded.regions).toBeLessThan(2 * FUNCTIONS);
  expect(bounded.evicted).toBeGreaterThan(FUNCTIONS / 2);
  expect(mostBytes).toBeGreaterThan(maxCodeBytes / 2);
  expect(mostBytes).toBeLessThanOrEqual(maxCodeBytes);
});

test("everything compiled at once: never more regions than there are places", () => {
  let most = 0;
  const all = run(
    { jit: { threshold: 0, maxCodeBytes: 96 * 1024 } },
    (_bytes, regions) => (most = Math.max(most, regions)),
  );
  expect(all.regions).toBeGreaterThan(0);
  expect(most).toBeLessThanOrEqual(2048);
  expect(all.eax).toBe(run({ jit: { threshold: Infinity } }, () => {}).eax);
});
