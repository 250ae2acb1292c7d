// SPDX-License-Identifier: BSD-3-Clause
import { DeviceSpace, FlatSpace, MachineMemory, Translation, type AddressSpace } from "@vkernel/mmu";
import { describe, expect, test } from "vitest";
import {
  EAX,
  EBX,
  ECX,
  EDI,
  ESI,
  ESP,
  EXC_BP,
  EXC_DE,
  EXC_PF,
  EXIT_BUDGET,
  EXIT_EXCEPTION,
  EXIT_INTERRUPT,
  LockstepCpu,
  LockstepError,
  cpuAreaBytes,
  type LockstepOptions,
} from "../src/index.ts";
import { FuzzMachine, TIERS, differences } from "../scripts/fuzz-machine.js";
import { makeCase } from "../scripts/fuzz-program.js";

const RAM_BYTES = 1024 * 1024;
const CODE = 0x1000;
const DATA = 0x2_0000;

function machine(code: readonly number[], options: LockstepOptions = {}) {
  const memory = new MachineMemory({ ramBytes: RAM_BYTES, spaces: 3, vcpus: 2, cpuBytes: cpuAreaBytes(RAM_BYTES, 2) });
  const translation = new Translation(memory);
  const space = new FlatSpace(translation);
  const cpu = new LockstepCpu(memory, translation, { jit: { threshold: 0 }, ...options });
  memory.u8.set(code, memory.ramBase + CODE);
  cpu.eip = CODE;
  cpu.gpr[ESP] = 0x8_0000;
  cpu.gpr[EBX] = DATA;
  return { memory, translation, space, cpu };
}

/** mov ecx, 1000; top: add [ebx], ecx; mov eax, [ebx]; dec ecx; jnz top; int3 */
const SUM = [0xb9, 0xe8, 3, 0, 0, 0x01, 0x0b, 0x8b, 0x03, 0x49, 0x75, 0xf9, 0xcc];

describe.each([1, 7, 1000])("rounds of %d instructions", (interval) => {
  test("a program ends as it would by itself", () => {
    const { cpu, space } = machine(SUM, { interval });
    let exit = cpu.run(space, 1500);
    expect(exit).toBe(EXIT_BUDGET);
    while (exit === EXIT_BUDGET) exit = cpu.run(space, 1500);
    expect([exit, cpu.vector, cpu.gpr[EAX], cpu.retired]).toEqual([EXIT_EXCEPTION, EXC_BP, 500_500, 4002]);
    expect(cpu.rounds).toBeGreaterThanOrEqual(Math.floor(4002 / Math.max(interval, 1500)));
    expect(cpu.jitStatistics.regionRetired).toBeGreaterThan(3000);
  });

  test("time stamps and devices are asked once", () => {
    let now = 0;
    const asked: string[] = [];
    // top: rdtsc; add [ebx], eax; mov edx, [ebx+4]; dec ecx; jnz top; int3
    const code = [0x0f, 0x31, 0x01, 0x03, 0x8b, 0x53, 4, 0x49, 0x75, 0xf6, 0xcc];
    const { cpu, space, translation } = machine(code, { interval, timestamp: () => ++now });
    let value = 0;
    const devices = new DeviceSpace(translation, space);
    devices.map(DATA, 4096, {
      read: (offset) => {
        asked.push(`r${offset}`);
        return value;
      },
      write: (_, __, v) => {
        value = v;
        asked.push("w");
      },
    });
    cpu.gpr[ECX] = 5;
    let exit = cpu.run(devices, 100_000);
    while (exit === EXIT_BUDGET) exit = cpu.run(devices, 100_000);
    expect([exit, cpu.vector, value, now]).toEqual([EXIT_EXCEPTION, EXC_BP, 15, 5]);
    expect(asked).toEqual(Array(5).fill(["r0", "w", "r4"]).flat());
  });

  test("repeated string instructions, faults and traps end where they should", () => {
    // rep movsb; xor edx, edx; div edx
    const { cpu, space, memory } = machine([0xf3, 0xa4, 0x31, 0xd2, 0xf7, 0xf2], { interval });
    cpu.gpr.set([100_000], ECX);
    cpu.gpr[ESI] = CODE;
    cpu.gpr[EDI] = DATA;
    let exit = cpu.run(space, 1000);
    while (exit === EXIT_BUDGET) exit = cpu.run(space, 1000);
    expect([exit, cpu.vector, cpu.eip, cpu.gpr[ECX]]).toEqual([EXIT_EXCEPTION, EXC_DE, CODE + 4, 0]);
    const at = memory.ramBase;
    expect(memory.u8.subarray(at + DATA, at + DATA + 6)).toEqual(memory.u8.subarray(at + CODE, at + CODE + 6));
    cpu.eip = CODE;
    cpu.gpr[ECX] = 0x10_0000;
    exit = cpu.run(space, 1000);
    while (exit === EXIT_BUDGET) exit = cpu.run(space, 1000);
    expect([exit, cpu.vector, cpu.cr2]).toEqual([EXIT_EXCEPTION, EXC_PF, RAM_BYTES]);
  });
});

/** A flat space whose page at DATA is never cached and another one every second time: memory that is not the same twice. */
function fickle(space: FlatSpace, memory: MachineMemory): AddressSpace {
  let turn = 0;
  return {
    get table() {
      return space.table;
    },
    translate(va, access) {
      if (va >>> 12 !== DATA >>> 12) return space.translate(va, access);
      return memory.ramBase + (++turn % 2 === 1 ? DATA : 0x3_0000) + (va & 0xfff);
    },
  };
}

test.each([1, 1000])("what differs is found and told, rounds of %d", (interval) => {
  // inc eax; mov eax, [ebx+0xff0]; inc eax; int3
  const { cpu, space, memory } = machine([0x40, 0x8b, 0x83, 0xf0, 0x0f, 0, 0, 0x40, 0xcc], { interval });
  memory.u8.fill(0x11, memory.ramBase + 0x3_0000, memory.ramBase + 0x3_1000);
  let error: unknown;
  try {
    const changing = fickle(space, memory);
    for (let i = 0; i < 3; i++) cpu.run(changing, 10);
  } catch (e) {
    error = e;
  }
  expect(error).toBeInstanceOf(LockstepError);
  const { differences: found, message } = error as LockstepError;
  expect(found[0]).toMatch(/^eax: 0x(\d+) \/ 0x(?!\1)\d+$/);
  expect(message).toContain("mov eax, dword [ebx+0xff0]");
});

test("an interrupt ends a round between two instructions", () => {
  const { cpu, space } = machine(SUM, { interval: 10 });
  cpu.interruptPending = true;
  expect([cpu.run(space, 100), cpu.retired]).toEqual([EXIT_INTERRUPT, 0]);
  cpu.interruptPending = false;
  expect(cpu.run(space, 100)).toBe(EXIT_BUDGET);
});

test("random programs with faults and self-modifying code agree at every exit of their regions", () => {
  const plain = new FuzzMachine(TIERS[0]!);
  const locked = new FuzzMachine({ ...TIERS[1]!, lockstep: 1 });
  const coarse = new FuzzMachine({ ...TIERS[1]!, lockstep: 300 });
  for (let seed = 9001; seed <= 9200; seed++) {
    const program = makeCase(seed);
    const end = plain.run(program);
    if (end === null) continue;
    expect(differences(end, locked.run(program)), `seed ${seed}`).toEqual([]);
    expect(differences(end, coarse.run(program)), `seed ${seed}, coarse`).toEqual([]);
  }
});
