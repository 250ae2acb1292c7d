// SPDX-License-Identifier: BSD-3-Clause
/**
 * Functions inside regions: returns go where the stack says, whatever the compiler expected, and regions grow by what they call.
 * @module
 */
import { describe, expect, test } from "vitest";
import { EAX, ECX, EDX, ESP, EXC_BP, EXIT_BUDGET, EXIT_EXCEPTION, type CpuOptions } from "../src/index.ts";
import { CODE, STACK, machineWith, type Machine } from "./machine-kit.ts";

function le32(n: number): number[] {
  return [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >>> 24) & 0xff];
}
const call = (from: number, to: number): number[] => [0xe8, ...le32(to - (from + 5))];

/** Runs from CODE to the INT3 in slices of `slice` instructions; EAX, EDX and ESP. */
function run({ cpu, space }: Machine, rounds: number, slice = 1_000_000): number[] {
  cpu.gpr.fill(0);
  cpu.gpr[ECX] = rounds;
  cpu.gpr[ESP] = STACK;
  cpu.eip = CODE;
  let exit: number = EXIT_BUDGET;
  while (exit === EXIT_BUDGET) exit = cpu.run(space, slice);
  expect([exit, cpu.vector]).toEqual([EXIT_EXCEPTION, EXC_BP]);
  return [cpu.gpr[EAX]!, cpu.gpr[EDX]!, cpu.gpr[ESP]!];
}
/** The same in each tier, at a stretch and an instruction at a time. */
function everywhere(code: readonly number[], rounds: number): number[] {
  const results = [Infinity, 0].flatMap((threshold) => {
    const options: CpuOptions = { jit: { threshold } };
    return [1_000_000, 1].map((slice) => run(machineWith(code, options), rounds, slice));
  });
  for (const result of results) expect(result).toEqual(results[0]);
  return results[0]!;
}

describe("returns inside a region", () => {
  test("a callee with two callers, one of them in a loop", () => {
    // l: call f; inc edx; call f; dec ecx; jnz l; int3; f: add eax, 3; ret
    const f = CODE + 15;
    const code = [...call(CODE, f), 0x42, ...call(CODE + 6, f), 0x49, 0x75, 0xf2, 0xcc, 0x83, 0xc0, 3, 0xc3];
    expect(everywhere(code, 1000)).toEqual([6000, 1000, STACK]);
  });

  test("a callee that calls itself, and one behind it in memory", () => {
    // l: push ecx; mov ecx, 5; call f; pop ecx; dec ecx; jnz l; int3
    // g: inc edx; ret; f: dec ecx; jz out; call f; call g; out: inc eax; ret
    const g = CODE + 16;
    const f = g + 2;
    const code = [0x51, 0xb9, ...le32(5), ...call(CODE + 6, f), 0x59, 0x49, 0x75, 0xf1, 0xcc];
    code.push(0x42, 0xc3, 0x49, 0x74, 10, ...call(f + 3, f), ...call(f + 8, g), 0x40, 0xc3);
    expect(code.length).toBe(f + 15 - CODE);
    expect(everywhere(code, 300)).toEqual([1500, 1200, STACK]);
  });

  test("code between which and its callees addresses go up and down", () => {
    // a: call f; dec ecx; jnz a; jmp end; f: test cl, 1; jz g; h: inc eax; ret; end: int3; g: add eax, 2; jmp h
    const f = CODE + 10;
    const code = [...call(CODE, f), 0x49, 0x75, 0xf8, 0xeb, 7, 0xf6, 0xc1, 1, 0x74, 3, 0x40, 0xc3];
    code.push(0xcc, 0x83, 0xc0, 2, 0xeb, 0xf8);
    expect(everywhere(code, 1000)).toEqual([2000, 0, STACK]);
    // The same with the caller behind: jmp a; f: test cl, 1; jz g; h: inc eax; ret; g: add eax, 2; jmp h; a: call f; …
    const back = [0xeb, 12, 0xf6, 0xc1, 1, 0x74, 2, 0x40, 0xc3, 0x83, 0xc0, 2, 0xeb, 0xf9];
    const behind = [...back, ...call(CODE + back.length, CODE + 2), 0x49, 0x75, 0xf8, 0xcc];
    expect(everywhere(behind, 1000)).toEqual([2000, 0, STACK]);
  });

  test("a return address that the callee changes, to a place inside and to one outside of what was expected", () => {
    // l: call f; add eax, 100; inc eax; dec ecx; jnz l; int3
    // f: test cl, 1; jz out; add dword [esp], 3 (skips the addition); out: inc edx; ret
    const f = CODE + 13;
    const code = [...call(CODE, f), 0x83, 0xc0, 100, 0x40, 0x49, 0x75, 0xf4, 0xcc];
    code.push(0xf6, 0xc1, 1, 0x74, 4, 0x83, 0x04, 0x24, 3, 0x42, 0xc3);
    expect(everywhere(code, 1000)).toEqual([500 * 102, 1000, STACK]);
  });
});

describe("growing", () => {
  test("a region takes in what it goes to and fro with, all at once", () => {
    const functions = 24;
    const rounds = 60_000;
    const m = machineWith([], { jit: { coldFactor: 0 } });
    const at = (i: number): number => 0x1_0000 + i * 0x1000;
    // Function i: 45 times add eax, 1, which is too long to be copied; inc edx; ret.
    const body = Array.from({ length: 45 }, () => [0x83, 0xc0, 1]).flat();
    for (let i = 0; i < functions; i++) m.poke(at(i), [...body, 0x42, 0xc3]);
    const main: number[] = [];
    for (let i = 0; i < functions; i++) main.push(...call(CODE + main.length, at(i)));
    main.push(0x49, 0x0f, 0x85);
    main.push(...le32(-(main.length + 4)), 0xcc);
    m.poke(CODE, main);
    const expected = [45 * functions * rounds, functions * rounds, STACK];
    expect(run(m, rounds)).toEqual(expected);
    const before = m.cpu.jitStatistics.chained;
    expect(run(m, rounds)).toEqual(expected);
    const { chained, regions } = m.cpu.jitStatistics;
    // Without growing each round has two passages for every function.
    expect((chained - before) / rounds).toBeLessThan(functions);
    expect(regions).toBeLessThan(4 * functions);
  });
});
