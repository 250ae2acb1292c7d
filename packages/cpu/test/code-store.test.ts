// SPDX-License-Identifier: BSD-3-Clause
/** Decoded code under pressure: more pages than the pool holds, and jumps to what was not decoded at first. */
import { describe, expect, test } from "vitest";
import { EAX, ECX, EXC_BP, EXIT_EXCEPTION } from "../src/index.ts";
import { CODE, STACK, machineWith } from "./machine-kit.ts";

const le32 = (n: number): number[] => [n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >> 24) & 0xff];
const SMALL_POOL = 1.25 * 1024 * 1024;

describe.each([
  ["interpreter", Infinity],
  ["compiled at once", 0],
] as const)("%s", (_name, threshold) => {
  const options = { poolBytes: SMALL_POOL, jit: { threshold } };

  test("a ring of more pages than the pool holds goes on round and round", () => {
    const { cpu, space, memory, poke } = machineWith([], options);
    const last = STACK - 0x2000;
    const rounds = 5;
    let pages = 0;
    for (let at = CODE; at < last; at += 4096, pages++) poke(at, [0x40, 0xe9, ...le32(4096 - 6)]); // inc eax; jmp
    poke(last, [0x49, 0x0f, 0x85, ...le32(CODE - last - 7), 0xcc]); // dec ecx; jnz CODE; int3
    cpu.gpr[ECX] = rounds;
    expect(cpu.run(space, 1_000_000)).toBe(EXIT_EXCEPTION);
    expect([cpu.vector, cpu.gpr[EAX]]).toEqual([EXC_BP, pages * rounds]);
    const held = memory.codePages.reduce((sum, flag) => sum + flag, 0);
    expect(held).toBeLessThan(pages);
    expect(held).toBeGreaterThan(pages / 4);
  });

  test("a page that was given up and decoded again notices that it is rewritten", () => {
    const { cpu, space, poke } = machineWith([], options);
    const last = STACK - 0x2000;
    for (let at = CODE; at < last; at += 4096) poke(at, [0x40, 0xe9, ...le32(4096 - 6)]);
    poke(last, [0x49, 0x0f, 0x85, ...le32(CODE - last - 7), 0xcc]);
    const run = (): number => {
      cpu.eip = CODE;
      cpu.gpr[EAX] = 0;
      cpu.gpr[ECX] = 3;
      expect(cpu.run(space, 1_000_000)).toBe(EXIT_EXCEPTION);
      return cpu.gpr[EAX]!;
    };
    const before = run();
    poke(CODE + 5 * 4096, [0x48]); // dec eax
    expect(run()).toBe(before - 6);
  });

  test("every instruction of a long page of jumps is reached, those decoded late too", () => {
    // Each step: inc eax; jmp to the step behind the next one; the last goes back to the steps left out; then int3.
    const { cpu, space, poke } = machineWith([], options);
    const steps = 600;
    const at = (step: number): number => CODE + step * 6;
    for (let step = 0; step < steps; step++) {
      const to = step === steps - 2 ? 1 : step + 2;
      const distance = at(to) - at(step) - 6;
      poke(at(step), [0x40, 0xe9, ...le32(distance)]);
    }
    poke(at(steps + 1), [0xcc]);
    for (let round = 0; round < 3; round++) {
      cpu.eip = CODE;
      cpu.gpr[EAX] = 0;
      expect(cpu.run(space, 1_000_000)).toBe(EXIT_EXCEPTION);
      expect([cpu.vector, cpu.gpr[EAX]]).toEqual([EXC_BP, steps]);
    }
  });
});
