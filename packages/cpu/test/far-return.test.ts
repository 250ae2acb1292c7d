// SPDX-License-Identifier: BSD-3-Clause
/**
 * Which fault comes first when a far return has several: captured from a processor of AMD's family 17h with scripts/fuzz-capture.c.
 * The frame lies at the end of the last page of RAM, behind which nothing is mapped.
 */
import { expect, test } from "vitest";
import { ESP, EXC_GP, EXC_PF, EXIT_EXCEPTION } from "../src/index.ts";
import { CODE, RAM_BYTES, machineWith } from "./machine-kit.ts";

const RETF = [0xcb];
const RETF_FAR = [0xca, 0x00, 0x30];
const IRET = [0xcf];
const RETF16 = [0x66, 0xcb];
const IRET16 = [0x66, 0xcf];

function outcome(code: readonly number[], room: number, frame: readonly number[] = []): number[] {
  const m = machineWith(code);
  const esp = RAM_BYTES - room;
  m.poke(esp, frame);
  m.cpu.gpr[ESP] = esp;
  expect(m.cpu.run(m.space, 10)).toBe(EXIT_EXCEPTION);
  expect([m.cpu.eip, m.cpu.gpr[ESP]]).toEqual([CODE, esp]);
  return m.cpu.vector === EXC_PF ? [EXC_PF, m.cpu.cr2 - RAM_BYTES] : [m.cpu.vector, m.cpu.errorCode];
}
const words = (...list: number[]): number[] => list.flatMap((w) => [w & 255, (w >> 8) & 255, (w >> 16) & 255, w >>> 24]);

test.each([
  ["retf", RETF, [8, 7, 6, 5, 4, 3, 2, 1, 0], [4, 0, 0, 0, 0, 1, 2, 3, 4]],
  ["retf, 16 bits", RETF16, [4, 3, 2, 1, 0], [2, 0, 0, 1, 2]],
  ["iret", IRET, [8, 7, 6, 5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5, 6, 7, 8]],
  ["iret, 16 bits", IRET16, [8, 7, 5, 4, 3, 2, 1, 0], [0, 1, 0, 0, 1, 2, 3, 4]],
])("%s reads the far end first", (_, code, rooms, addresses) => {
  // Selectors of privilege 0, so that a whole frame goes on to the outer stack pointer.
  expect(rooms.slice(1).map((room) => outcome(code, room)[1])).toEqual(addresses.slice(1));
});

test.each([
  ["retf", RETF, 8, words(0x100, 0x10)],
  ["iret", IRET, 12, words(0x100, 0x10, 0x202)],
])("%s to another privilege reads the outer stack before it looks at the selector", (_, code, bytes, frame) => {
  expect(outcome(code, bytes, frame)).toEqual([EXC_PF, 4]);
  expect(outcome(code, bytes + 4, frame)).toEqual([EXC_PF, 0]);
  expect(outcome(code, bytes + 8, frame)).toEqual([EXC_GP, 0x10]);
  const own = [...frame.slice(0, 4), ...words(0x13), ...frame.slice(8)];
  expect(outcome(code, bytes, own)).toEqual([EXC_GP, 0x10]);
});

test("the outer stack of a return that releases parameters is behind them", () => {
  expect(outcome(RETF_FAR, 0x800, words(0x100, 0))).toEqual([EXC_PF, 0x3000 - 0x800 + 8 + 4]);
  expect(outcome(RETF_FAR, 0x800, words(0x100, 0x2b))).toEqual([EXC_GP, 0x28]);
});
