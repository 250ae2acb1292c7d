// SPDX-License-Identifier: BSD-3-Clause
/** What people get to see of compiled code: the trace of entries and exits, and dumps of regions. */
import { expect, test } from "vitest";
import { EBX, ECX, EXIT_BUDGET, EXIT_EXCEPTION, type RegionDump } from "../src/index.ts";
import { CODE, machineWith } from "./machine-kit.ts";

/** top: add [ebx], ecx; dec ecx; jnz top; int3 */
const LOOP = [0x01, 0x0b, 0x49, 0x75, 0xfb, 0xcc];
const DATA = 0x2_0000;
const JIT = { jit: { threshold: 0 } };

test("the trace has every stay in compiled code, where, why and when", () => {
  const { cpu, space } = machineWith(LOOP, { ...JIT, trace: true });
  cpu.gpr[EBX] = DATA;
  cpu.gpr[ECX] = 100;
  expect(cpu.run(space, 30)).toBe(EXIT_BUDGET);
  expect(cpu.run(space, 1000)).toBe(EXIT_EXCEPTION);
  const { trace } = cpu;
  expect(new Set(trace.map((e) => e.region))).toEqual(new Set([CODE]));
  trace.forEach((e, i) => expect(e.reason === "enter", `line ${i}`).toBe(i % 2 === 0));
  // The first store finds no translation yet.
  expect(trace.slice(0, 2)).toEqual([
    { region: CODE, eip: CODE, reason: "enter", instructions: 0 },
    { region: CODE, eip: CODE, reason: "slow", instructions: 0 },
  ]);
  expect(trace.some((e) => e.reason === "budget" && e.eip === CODE && e.instructions >= 30)).toBe(true);
  const last = trace[trace.length - 1]!;
  expect([last.reason, last.eip, last.instructions]).toEqual(["trap", CODE + 6, 301]);
  expect(cpu.retired).toBe(301);
  for (let i = 1; i < trace.length; i++) expect(trace[i]!.instructions).toBeGreaterThanOrEqual(trace[i - 1]!.instructions);
});

test("the ring keeps the last lines", () => {
  const { cpu, space } = machineWith(LOOP, { ...JIT, trace: true });
  cpu.gpr[EBX] = DATA;
  cpu.gpr[ECX] = 10_000;
  while (cpu.run(space, 1) === EXIT_BUDGET);
  const { trace } = cpu;
  expect(trace.length).toBeGreaterThan(2000);
  expect(trace.length).toBeLessThanOrEqual(4096);
  expect(trace[trace.length - 1]!.instructions).toBe(cpu.retired);
});

test("without the option nothing is traced, and code is no larger", () => {
  const sizes = [false, true].map((trace) => {
    const { cpu, space } = machineWith(LOOP, { ...JIT, trace });
    cpu.gpr[EBX] = DATA;
    cpu.gpr[ECX] = 5;
    cpu.run(space, 1000);
    return [cpu.jitStatistics.liveBytes, cpu.trace.length];
  });
  expect(sizes[0]![0]).toBe(sizes[1]![0]);
  expect(sizes[0]![1]).toBe(0);
});

test("a region's dump: addresses, bytes, disassembly and WebAssembly text", () => {
  const texts: string[] = [];
  const dumps: RegionDump[] = [];
  const { cpu, space } = machineWith(LOOP, {
    ...JIT,
    regionCompiled: (dump) => {
      dumps.push(dump);
      texts.push(dump.text());
    },
  });
  cpu.gpr[EBX] = DATA;
  cpu.gpr[ECX] = 5;
  cpu.run(space, 1000);
  expect(dumps.length).toBe(cpu.jitStatistics.regions);
  const at = dumps.findIndex((dump) => dump.entries.includes(CODE));
  expect(dumps[at]!.instructions.slice(0, 3)).toEqual([CODE, CODE + 2, CODE + 3]);
  const text = texts[at]!;
  expect(text).toContain("  00001000  01 0b                          add dword [ebx], ecx");
  expect(text).toContain("  00001003  75 fb                          jne 0x1000");
  expect(text).toMatch(/\(func \$0\n {2}\(local i32/);
  // The store of ADD, and the jump back.
  expect(text).toMatch(/i32\.add[^]*i32\.store offset=\d+[^]*br \d/);
});
