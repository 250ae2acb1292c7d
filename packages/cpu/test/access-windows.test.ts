// SPDX-License-Identifier: BSD-3-Clause
/**
 * Access windows: one check for several accesses of a block must leave every fault, value and address as single checks do.
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
} from "@vkernel/mmu";
import {
  EAX,
  EBP,
  EBX,
  ECX,
  EDI,
  EDX,
  ESI,
  ESP,
  EXC_BP,
  EXC_PF,
  EXIT_BUDGET,
  EXIT_EXCEPTION,
} from "../src/index.ts";
import { CODE, STACK, machineWith, type Machine } from "./machine-kit.ts";

/** l: push eax; push ebx; push esi; push edi; inc dword [esp + 4]; pop edx; pop esi; pop ebx; pop eax; dec ecx; jnz l; int3 */
const LOOP = [0x50, 0x53, 0x56, 0x57, 0xff, 0x44, 0x24, 4, 0x5a, 0x5e, 0x5b, 0x58, 0x49, 0x75, 0xf1, 0xcc];
const ROUNDS = 20_000;
const PAGE = 0x4_1000;

function run({ cpu }: Machine, space: AddressSpace, esp: number, rounds = ROUNDS): number {
  cpu.gpr.set([11, rounds, 0, 22, esp, 0, 33, 44]);
  cpu.eip = CODE;
  let exit: number = EXIT_BUDGET;
  while (exit === EXIT_BUDGET) exit = cpu.run(space, 1_000_000);
  return exit;
}
function expectEnd({ cpu }: Machine, esp: number, rounds = ROUNDS): void {
  expect(cpu.vector).toBe(EXC_BP);
  expect([EAX, EBX, ECX, EDX, ESP, ESI, EDI].map((r) => cpu.gpr[r])).toEqual([
    11,
    22,
    0,
    44,
    esp,
    33 + rounds,
    44,
  ]);
}

describe("access windows", () => {
  test("pushes and pops at every distance from a page end", () => {
    for (const jit of [{ threshold: 0 }, { threshold: Infinity }]) {
      for (let distance = 0; distance <= 20; distance += 2) {
        const m = machineWith(LOOP, { jit });
        expect(run(m, m.space, PAGE + distance)).toBe(EXIT_EXCEPTION);
        expectEnd(m, PAGE + distance);
      }
    }
  });

  test("a frame over a page end leaves its region only for a while: then it is made without windows", () => {
    const m = machineWith(LOOP, { jit: { threshold: 1, sampleInterval: 1000, coldFactor: 0 } });
    const rounds = 300_000;
    run(m, m.space, PAGE + 8, rounds);
    expectEnd(m, PAGE + 8, rounds);
    const { exits, regionRetired, retired, regions } = m.cpu.jitStatistics;
    expect(regions).toBeGreaterThan(1);
    expect(exits.slow + exits.other).toBeLessThan(rounds / 10);
    expect(regionRetired / retired).toBeGreaterThan(0.8);
  });

  test("a fault in the middle: everything before it has happened, nothing after it", () => {
    for (const jit of [{ threshold: 0 }, { threshold: Infinity }]) {
      const m = machineWith(LOOP, { jit });
      const table: SpaceTable = m.translation.createTable();
      const space: AddressSpace = {
        get table() {
          return table.address;
        },
        translate(va, access) {
          const page = (va >>> 0) & ~0xfff;
          if (page !== (CODE & ~0xfff) && page !== PAGE)
            return faultResult(PF_USER | (access === ACCESS_WRITE ? PF_WRITE : 0));
          table.fill(va, m.memory.ramBase + page, true, true, true);
          return m.memory.ramBase + (va >>> 0);
        },
      };
      // Warm with room below, then with room for two pushes of the four.
      expect(run(m, space, PAGE + 0x800)).toBe(EXIT_EXCEPTION);
      expectEnd(m, PAGE + 0x800);
      expect(run(m, space, PAGE + 8)).toBe(EXIT_EXCEPTION);
      expect([m.cpu.vector, m.cpu.eip, m.cpu.cr2]).toEqual([EXC_PF, CODE + 2, PAGE - 4]);
      expect([m.cpu.gpr[ESP], m.cpu.gpr[ECX]]).toEqual([PAGE, ROUNDS]);
      expect(m.peek(PAGE, 8)).toEqual([22, 0, 0, 0, 11, 0, 0, 0]);
    }
  });

  test("EBP frames, ESP moved, copied and aligned within a block", () => {
    // push ebp; mov ebp, esp; and esp, -16; sub esp, 32; mov [ebp - 4], eax; mov [esp + 8], ebx; mov edx, [ebp - 4];
    // add edx, [esp + 8]; lea esi, [esp + 4]; mov [esi + 4], edx; mov edi, [esp + 8]; leave; dec ecx; jnz; int3
    const code = [
      ...[0x55, 0x89, 0xe5, 0x83, 0xe4, 0xf0, 0x83, 0xec, 0x20, 0x89, 0x45, 0xfc, 0x89, 0x5c, 0x24, 8],
      ...[0x8b, 0x55, 0xfc, 0x03, 0x54, 0x24, 8, 0x8d, 0x74, 0x24, 4, 0x89, 0x56, 4, 0x8b, 0x7c, 0x24, 8],
      ...[0xc9, 0x49, 0x75, 0xda, 0xcc],
    ];
    for (const jit of [{ threshold: 0 }, { threshold: Infinity }]) {
      for (const esp of [PAGE + 0x804, PAGE + 0x20, PAGE + 0x14, PAGE + 4]) {
        const m = machineWith(code, { jit });
        expect(run(m, m.space, esp, 500)).toBe(EXIT_EXCEPTION);
        const aligned = ((esp - 4) & -16) - 32;
        expect([EDX, ESI, EDI, ESP, EBP].map((r) => m.cpu.gpr[r])).toEqual([33, aligned + 4, 33, esp, 0]);
      }
    }
  });

  test("members of a structure at every distance from a page end, its address moved on within the block", () => {
    // l: mov eax, [ebx + 4]; add [ebx], eax; movzx edx, byte [ebx + 11]; add ebx, 12; add [ebx - 3], dl; inc word [ebx + 2];
    // mov esi, ebx; mov edi, [esi - 8]; sub ebx, 12; dec ecx; jnz l; int3
    const code = [
      ...[
        0x8b, 0x43, 4, 0x01, 0x03, 0x0f, 0xb6, 0x53, 11, 0x83, 0xc3, 12, 0x00, 0x53, 0xfd, 0x66, 0xff, 0x43,
        2,
      ],
      ...[0x89, 0xde, 0x8b, 0x7e, 0xf8, 0x83, 0xeb, 12, 0x49, 0x75, 0xe2, 0xcc],
    ];
    const structure = Array.from({ length: 20 }, (_, i) => 0x90 + 5 * i);
    const end = (threshold: number, at: number): number[] => {
      const m = machineWith(code, { jit: { threshold } });
      m.poke(at, structure);
      m.cpu.gpr.set([0, 100, 0, at, STACK, 0, 0, 0]);
      m.cpu.eip = CODE;
      expect(m.cpu.run(m.space, 1_000_000)).toBe(EXIT_EXCEPTION);
      expect([m.cpu.vector, m.cpu.gpr[EBX]]).toEqual([EXC_BP, at]);
      return [...m.peek(at - 4, 28), m.cpu.gpr[EDX]!, m.cpu.gpr[ESI]! - at, m.cpu.gpr[EDI]!];
    };
    for (let distance = -20; distance <= 4; distance++)
      expect(end(0, PAGE + distance)).toEqual(end(Infinity, PAGE + distance));
  });

  test("a structure whose end is in a page that is not there: only the access of that page faults", () => {
    // l: mov eax, [ebx]; mov edx, [ebx + 4]; mov [ebx + 8], ecx; dec ecx; jnz l; int3
    const code = [0x8b, 0x03, 0x8b, 0x53, 4, 0x89, 0x4b, 8, 0x49, 0x75, 0xf5, 0xcc];
    for (const threshold of [0, Infinity]) {
      const m = machineWith(code, { jit: { threshold } });
      const table = m.translation.createTable();
      const space: AddressSpace = {
        get table() {
          return table.address;
        },
        translate(va, access) {
          const page = (va >>> 0) & ~0xfff;
          if (page !== (CODE & ~0xfff) && page !== PAGE)
            return faultResult(PF_USER | (access === ACCESS_WRITE ? PF_WRITE : 0));
          table.fill(va, m.memory.ramBase + page, true, true, true);
          return m.memory.ramBase + (va >>> 0);
        },
      };
      const at = PAGE + 0x1000 - 8;
      m.poke(at, [1, 0, 0, 0, 2, 0, 0, 0]);
      m.cpu.gpr.set([0, 9, 0, at, STACK, 0, 0, 0]);
      m.cpu.eip = CODE;
      expect(m.cpu.run(space, 1_000_000)).toBe(EXIT_EXCEPTION);
      expect([m.cpu.vector, m.cpu.eip, m.cpu.cr2]).toEqual([EXC_PF, CODE + 5, PAGE + 0x1000]);
      expect([EAX, EDX, ECX].map((r) => m.cpu.gpr[r])).toEqual([1, 2, 9]);
    }
  });
});
