// SPDX-License-Identifier: BSD-3-Clause
/**
 * What is compiled, when, and what has to go: the compiler's policy, on programs of generated loops.
 * @module
 */
import { describe, expect, test } from "vitest";
import { EAX, EBX, ECX, EDX, EXC_BP, EXIT_BUDGET, EXIT_EXCEPTION } from "../src/index.ts";
import { CODE, machineWith, type Machine } from "./machine-kit.ts";

const FUNCTIONS = 0x1_0000;
const PAGE = 0x1000;

function le32(n: number): number[] {
  return [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >>> 24) & 0xff];
}

/** Function `i`, on a page of its own: mov ebx, rounds; l: add eax, 1; xor edx, eax; dec ebx; jnz l; ret. */
function putFunctions(m: Machine, count: number, rounds: number): void {
  for (let i = 0; i < count; i++) {
    const code = [0xbb, ...le32(rounds), 0x83, 0xc0, 1, 0x31, 0xc2, 0x4b, 0x75, 0xf8, 0xc3];
    m.poke(FUNCTIONS + i * PAGE, code);
  }
}
/** mov ecx, rounds; l: call function first … first+count−1; dec ecx; jnz l; int3. */
function putMain(m: Machine, count: number, rounds: number, first = 0): void {
  const code = [0xb9, ...le32(rounds)];
  for (let i = first; i < first + count; i++) code.push(0xe8, ...le32(FUNCTIONS + i * PAGE - (CODE + code.length + 5)));
  code.push(0x49, 0x0f, 0x85);
  code.push(...le32(5 - (code.length + 4)), 0xcc);
  m.poke(CODE, code);
}
/** Runs from CODE to the INT3, `slice` instructions at a time; calls `look` between slices. */
function runToEnd({ cpu, space }: Machine, slice = 100_000, look: () => void = () => {}): void {
  cpu.gpr.fill(0, EAX, EBX + 1);
  cpu.eip = CODE;
  let exit: number = EXIT_BUDGET;
  while (exit === EXIT_BUDGET) {
    exit = cpu.run(space, slice);
    look();
  }
  expect([exit, cpu.vector]).toEqual([EXIT_EXCEPTION, EXC_BP]);
}
/** EDX after `n` turns of the functions' loops. */
function checksum(n: number): number {
  let edx = 0;
  for (let eax = 1; eax <= n; eax++) edx ^= eax;
  return edx;
}

describe("what is compiled", () => {
  test("code that runs once is not", () => {
    const m = machineWith([]);
    putFunctions(m, 60, 3);
    putMain(m, 60, 1);
    runToEnd(m);
    expect(m.cpu.jitStatistics.regions).toBe(0);
  });

  test("hot loops of many pages share modules, and nearly all runs compiled", () => {
    const m = machineWith([], { jit: { coldFactor: 0 } });
    putFunctions(m, 40, 2000);
    putMain(m, 40, 100);
    runToEnd(m);
    expect([m.cpu.gpr[EAX], m.cpu.gpr[EDX]]).toEqual([40 * 100 * 2000, checksum(40 * 100 * 2000)]);
    const { regions, modules, regionRetired, retired } = m.cpu.jitStatistics;
    expect(regions).toBeGreaterThanOrEqual(36);
    expect(modules).toBeLessThanOrEqual(regions / 2);
    expect(regionRetired / retired).toBeGreaterThan(0.75);
  });

  test("a second run finds what the first has compiled", () => {
    const m = machineWith([], { jit: { coldFactor: 0 } });
    putFunctions(m, 10, 5000);
    putMain(m, 10, 60);
    runToEnd(m);
    const first = m.cpu.jitStatistics;
    runToEnd(m);
    const second = m.cpu.jitStatistics;
    expect(first.regions).toBeGreaterThanOrEqual(10);
    expect(second.regions - first.regions).toBeLessThanOrEqual(2);
    const share = (second.regionRetired - first.regionRetired) / (second.retired - first.retired);
    expect(share).toBeGreaterThan(0.98);
  });

  test("paths that were not seen are left out until they run", () => {
    // l: dec ecx; jz end; cmp ecx, edx; jl rare; jmp l; rare: 200 × inc eax; jmp l; end: int3
    const m = machineWith([], { jit: { coldFactor: 0 } });
    const rare = [...Array.from({ length: 200 }, () => 0x40), 0xe9];
    const code = [0x49, 0x0f, 0x84, ...le32(0), 0x39, 0xd1, 0x7c, 0x02, 0xeb, 0xf3];
    code.push(...rare, ...le32(-(code.length + rare.length + 4)));
    code.splice(3, 4, ...le32(code.length - 7));
    code.push(0xcc);
    m.poke(CODE, code);
    const run = (ecx: number, edx: number): void => {
      m.cpu.gpr[EAX] = 0;
      m.cpu.gpr[ECX] = ecx;
      m.cpu.gpr[EDX] = edx;
      m.cpu.eip = CODE;
      let exit: number = EXIT_BUDGET;
      while (exit === EXIT_BUDGET) exit = m.cpu.run(m.space, 1_000_000);
      expect([exit, m.cpu.vector]).toEqual([EXIT_EXCEPTION, EXC_BP]);
    };
    run(1_000_000, 0);
    expect(m.cpu.gpr[EAX]).toBe(0);
    const before = m.cpu.jitStatistics;
    expect(before.compiledInstructions).toBeGreaterThan(0);
    expect(before.compiledInstructions).toBeLessThan(20);
    run(1_000_000, 500_001);
    expect(m.cpu.gpr[EAX]).toBe(500_000 * 200);
    const after = m.cpu.jitStatistics;
    expect(after.compiledInstructions).toBeGreaterThan(200);
    expect((after.regionRetired - before.regionRetired) / (after.retired - before.retired)).toBeGreaterThan(
      0.9,
    );
  });
});

describe("what has to go", () => {
  test("the code that lives stays within its bound, and results stay right", () => {
    const maxCodeBytes = 8000;
    const m = machineWith([], { jit: { maxCodeBytes, coldFactor: 0 } });
    putFunctions(m, 60, 10_000);
    putMain(m, 60, 20);
    let most = 0;
    runToEnd(m, 20_000, () => {
      most = Math.max(most, m.cpu.jitStatistics.liveBytes);
    });
    expect([m.cpu.gpr[EAX], m.cpu.gpr[EDX]]).toEqual([60 * 20 * 10_000, checksum(60 * 20 * 10_000)]);
    const { evictedRegions, regionRetired, retired } = m.cpu.jitStatistics;
    expect(most).toBeGreaterThan(maxCodeBytes / 2);
    expect(most).toBeLessThanOrEqual(maxCodeBytes);
    expect(evictedRegions).toBeGreaterThan(10);
    expect(evictedRegions).toBeLessThan(300);
    // A quarter of the functions fits.
    expect(regionRetired / retired).toBeGreaterThan(0.1);
  });

  test("what has had to go often is compiled again all the same", () => {
    const m = machineWith([], { jit: { maxCodeBytes: 8000, coldFactor: 0 } });
    putFunctions(m, 40, 60_000);
    // Four programs by turns; the code of one fits with room to spare, that of two does not.
    const compiledPart = (turn: number): number => {
      putMain(m, 10, 4, 10 * (turn % 4));
      const before = m.cpu.jitStatistics;
      runToEnd(m);
      expect(m.cpu.gpr[EAX]).toBe(10 * 4 * 60_000);
      const after = m.cpu.jitStatistics;
      return (after.regionRetired - before.regionRetired) / (after.retired - before.retired);
    };
    const parts = Array.from({ length: 60 }, (_, turn) => compiledPart(turn));
    expect(m.cpu.jitStatistics.evictedRegions).toBeGreaterThan(500);
    for (const part of parts) expect(part).toBeGreaterThan(0.7);
  });

  test("what runs all the time is not what goes", () => {
    const m = machineWith([], { jit: { maxCodeBytes: 6000, coldFactor: 0 } });
    // Function 0 is called between all others.
    putFunctions(m, 40, 20_000);
    const code = [0xb9, ...le32(8)];
    const call = (i: number): void => {
      code.push(0xe8, ...le32(FUNCTIONS + i * PAGE - (CODE + code.length + 5)));
    };
    for (let i = 1; i < 40; i++) {
      call(0);
      call(i);
    }
    code.push(0x49, 0x0f, 0x85);
    code.push(...le32(5 - (code.length + 4)), 0xcc);
    m.poke(CODE, code);
    runToEnd(m);
    expect(m.cpu.gpr[EAX]).toBe(8 * 78 * 20_000);
    const { evictedRegions, regionRetired, retired } = m.cpu.jitStatistics;
    expect(evictedRegions).toBeGreaterThan(0);
    // Half of the time is function 0's.
    expect(regionRetired / retired).toBeGreaterThan(0.5);
  });
});
