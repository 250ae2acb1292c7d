// SPDX-License-Identifier: BSD-3-Clause
/** Pairs are found by the decoder wherever they stand, and count, fault and stop as two instructions do. */
import { describe, expect, test } from "vitest";
import { EAX, EBX, ECX, ESP, EXC_BP, EXC_PF, EXIT_BUDGET, EXIT_EXCEPTION } from "../index.ts";
import { CODE, STACK, machineWith } from "../../test/machine-kit.ts";
import { FormTable } from "../isa/forms.ts";
import { ROWS } from "../isa/table.ts";
import { pairsOf } from "./pairs.ts";

const INTERPRETER = { jit: { threshold: Infinity } } as const;

describe("pairs", () => {
  test("each is of two forms of the dispatch loop, and none stands there twice", () => {
    const pairs = pairsOf(new FormTable(ROWS).forms);
    expect(pairs.length).toBeGreaterThan(100);
    expect(new Set(pairs.map((p) => `${p.firstFunction},${p.secondFunction}`)).size).toBe(pairs.length);
    for (const { first, second } of pairs) expect(first.hot && second.hot).toBe(true);
  });

  test("a loop of pairs retires each of its instructions", () => {
    // l: mov eax,[ebx]; add eax,3; mov [ebx],eax; push eax; push eax; pop eax; pop eax; cmp ecx,1; jz out; dec ecx; jmp l; out: int3
    const code = [0x8b, 0x03, 0x83, 0xc0, 3, 0x89, 0x03, 0x50, 0x50, 0x58, 0x58, 0x83, 0xf9, 1, 0x74, 3, 0x49, 0xeb, 0xed, 0xcc];
    const { cpu, space } = machineWith(code, INTERPRETER);
    cpu.gpr[EBX] = 0x7000;
    cpu.gpr[ECX] = 1000;
    const before = cpu.retired;
    let exit: number = EXIT_BUDGET;
    while (exit === EXIT_BUDGET) exit = cpu.run(space, 77);
    expect([exit, cpu.vector, cpu.eip]).toEqual([EXIT_EXCEPTION, EXC_BP, CODE + code.length]);
    expect(cpu.gpr[EAX]).toBe(3000);
    expect(cpu.retired - before).toBe(9 * 1000 + 2 * 999 + 1);
  });

  test("a fault of the second leaves the first done, and is the second's", () => {
    const { cpu, space } = machineWith([0x8b, 0x03, 0x8b, 0x01, 0xcc], INTERPRETER); // mov eax,[ebx]; mov eax,[ecx]
    cpu.gpr[EBX] = CODE;
    cpu.gpr[ECX] = 0x7fff_0000;
    const before = cpu.retired;
    expect([cpu.run(space, 100), cpu.vector, cpu.eip, cpu.cr2]).toEqual([EXIT_EXCEPTION, EXC_PF, CODE + 2, 0x7fff_0000]);
    expect(cpu.gpr[EAX]! & 0xffff).toBe(0x038b);
    expect(cpu.retired - before).toBe(1);
  });

  test("a fault of the first leaves everything as it was", () => {
    const { cpu, space } = machineWith([0x50, 0x50, 0xcc], INTERPRETER); // push eax; push eax
    cpu.gpr[ESP] = 0x7fff_0004;
    expect([cpu.run(space, 100), cpu.vector, cpu.eip, cpu.gpr[ESP]]).toEqual([EXIT_EXCEPTION, EXC_PF, CODE, 0x7fff_0004]);
    cpu.gpr[ESP] = STACK;
    expect([cpu.run(space, 100), cpu.vector, cpu.gpr[ESP]]).toEqual([EXIT_EXCEPTION, EXC_BP, STACK - 8]);
  });

  test("conditions behind every comparison are those of the flags", () => {
    const conditions = [0x74, 0x75, 0x77, 0x76, 0x73, 0x72, 0x7f, 0x7e, 0x7d, 0x7c];
    const holds = (cc: number, a: number, b: number): boolean =>
      [a === b, a !== b, a >>> 0 > b >>> 0, a >>> 0 <= b >>> 0, a >>> 0 >= b >>> 0, a >>> 0 < b >>> 0, a > b, a <= b, a >= b, a < b][
        conditions.indexOf(cc)
      ]!;
    for (const cc of conditions) {
      // cmp eax,ebx; jcc +1; int3 | inc ecx; int3
      const { cpu, space } = machineWith([0x39, 0xd8, cc, 1, 0xcc, 0x41, 0xcc], INTERPRETER);
      for (const a of [0, 1, -1, 5, 0x7fff_ffff, -0x8000_0000]) {
        for (const b of [0, 1, -1, 5, 0x7fff_ffff, -0x8000_0000]) {
          cpu.eip = CODE;
          cpu.gpr[EAX] = a;
          cpu.gpr[EBX] = b;
          cpu.gpr[ECX] = 0;
          expect(cpu.run(space, 100)).toBe(EXIT_EXCEPTION);
          expect(cpu.gpr[ECX], `${a} ${cc.toString(16)} ${b}`).toBe(holds(cc, a, b) ? 1 : 0);
        }
      }
    }
  });
});
