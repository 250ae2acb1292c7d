// SPDX-License-Identifier: BSD-3-Clause
/** Repeated string instructions against a model that does one element after the other. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EAX, ECX, EDI, ESI, EXC_BP, EXC_PF, EXIT_BUDGET, EXIT_EXCEPTION } from "../src/index.ts";
import { CODE, RAM_BYTES, machineWith, type Machine } from "./machine-kit.ts";

const CF = 1;
const ZF = 0x40;
const SF = 0x80;
const DF = 0x400;
/** Where the operands lie; both around page ends. */
const AREA = 0x1_0000;
const AREA_BYTES = 0x4000;

interface Case {
  readonly opcode: number;
  readonly size: 1 | 2 | 4;
  readonly prefix: number;
  readonly down: boolean;
  readonly count: number;
  readonly from: number;
  readonly to: number;
  readonly eax: number;
  /** Memory is this byte everywhere but at `odd`, or random when negative. */
  readonly byte: number;
  readonly odd: number;
}

interface End {
  readonly eax: number;
  readonly ecx: number;
  readonly esi: number;
  readonly edi: number;
  readonly flags: number;
  readonly memory: Uint8Array;
}

function initial(c: Case): Uint8Array {
  const memory = new Uint8Array(AREA_BYTES);
  let seed = c.eax | 1;
  for (let i = 0; i < memory.length; i++) {
    seed = Math.imul(seed, 1_664_525) + 1_013_904_223;
    memory[i] = c.byte < 0 ? seed >>> 24 : c.byte;
  }
  memory[c.odd]! ^= 0x10;
  return memory;
}

/** What the SDM says, element by element. Addresses count from AREA. */
function model(c: Case, flagsBefore: number): End {
  const memory = initial(c);
  const view = new DataView(memory.buffer);
  const read = (at: number): number =>
    c.size === 1 ? view.getUint8(at) : c.size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
  const write = (at: number, value: number): void => {
    for (let i = 0; i < c.size; i++) memory[at + i] = value >>> (8 * i);
  };
  const mask = c.size === 4 ? 0xffff_ffff : (1 << (8 * c.size)) - 1;
  const step = c.down ? -c.size : c.size;
  let { count: ecx, from: esi, to: edi, eax } = c;
  eax >>>= 0;
  let flags = flagsBefore;
  while (ecx > 0) {
    ecx--;
    const kind = c.opcode & ~1;
    if (kind === 0xa4) write(edi, read(esi));
    else if (kind === 0xaa) write(edi, eax);
    else if (kind === 0xac) eax = ((eax & ~mask) | read(esi)) >>> 0;
    else {
      const a = kind === 0xa6 ? read(esi) : (eax & mask) >>> 0;
      const b = read(edi);
      const difference = (a - b) & mask;
      flags = (a < b ? CF : 0) | (difference === 0 ? ZF : 0) | (difference >>> (8 * c.size - 1) ? SF : 0);
    }
    if (kind === 0xa4 || kind === 0xa6 || kind === 0xac) esi += step;
    if (kind !== 0xac) edi += step;
    if ((kind === 0xa6 || kind === 0xae) && ((flags & ZF) !== 0) !== (c.prefix === 0xf3)) break;
  }
  return { eax, ecx, esi, edi, flags: flags & (CF | ZF | SF), memory };
}

function runOn(m: Machine, c: Case): End {
  const code = [c.down ? 0xfd : 0xfc, c.prefix, ...(c.size === 2 ? [0x66] : []), c.opcode, 0xcc];
  m.poke(CODE, code);
  m.memory.u8.set(initial(c), m.memory.ramBase + AREA);
  const { cpu } = m;
  cpu.eip = CODE;
  cpu.eflags = 0x202;
  cpu.gpr[EAX] = c.eax;
  cpu.gpr[ECX] = c.count;
  cpu.gpr[ESI] = AREA + c.from;
  cpu.gpr[EDI] = AREA + c.to;
  let exit: number = EXIT_BUDGET;
  while (exit === EXIT_BUDGET) exit = cpu.run(m.space, 100_000);
  expect([exit, cpu.vector]).toEqual([EXIT_EXCEPTION, EXC_BP]);
  expect((cpu.eflags & DF) !== 0).toBe(c.down);
  return {
    eax: cpu.gpr[EAX]! >>> 0,
    ecx: cpu.gpr[ECX]!,
    esi: cpu.gpr[ESI]! - AREA,
    edi: cpu.gpr[EDI]! - AREA,
    flags: cpu.eflags & (CF | ZF | SF),
    memory: m.memory.u8.slice(m.memory.ramBase + AREA, m.memory.ramBase + AREA + AREA_BYTES),
  };
}

const kind = fc.constantFrom(0xa4, 0xa6, 0xaa, 0xac, 0xae);
const place = fc.oneof(
  fc.integer({ min: 0xfc0, max: 0x1040 }),
  fc.integer({ min: 0x1fc0, max: 0x2040 }),
  fc.integer({ min: 0x800, max: 0x2800 }),
);
const cases: fc.Arbitrary<Case> = fc
  .record({
    kind,
    size: fc.constantFrom(1 as const, 2 as const, 4 as const),
    prefix: fc.constantFrom(0xf2, 0xf3),
    down: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    count: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 500 })),
    from: place,
    /** Near the source, for overlaps, or anywhere. */
    distance: fc.oneof(fc.integer({ min: -40, max: 40 }), fc.constant(0x10_0000)),
    to: place,
    eax: fc.oneof(fc.constantFrom(0, 0x1111_1111, -1), fc.integer()),
    byte: fc.oneof(fc.constant(-1), fc.constantFrom(0, 0x11, 0xff)),
    odd: fc.integer({ min: 0xf00, max: 0x2200 }),
  })
  .map(({ kind: k, distance, to, from, ...rest }) => ({
    ...rest,
    from,
    to: distance < 0x10_0000 ? from + distance : to,
    opcode: rest.size === 1 ? k : k + 1,
  }));

describe.each([
  ["interpreter", Infinity, 600],
  ["compiled at once", 0, 150],
] as const)("%s", (_name, threshold, numRuns) => {
  test("any repeated string instruction ends as the model does", () => {
    const m = machineWith([], { jit: { threshold } });
    fc.assert(
      fc.property(cases, (c) => {
        const [{ memory, ...end }, { memory: wanted, ...model_ }] = [runOn(m, c), model(c, 0)];
        expect(end).toEqual(model_);
        const wrong = memory.findIndex((byte, i) => byte !== wanted[i]);
        expect(wrong, "offset of the first wrong byte").toBe(-1);
      }),
      { numRuns, seed: 8086 },
    );
  });

  test("a fault in the middle leaves the registers at its element", () => {
    const end = RAM_BYTES;
    for (const [opcode, prefix] of [
      [0xa5, 0xf3],
      [0xab, 0xf3],
      [0xaf, 0xf2],
      [0xa7, 0xf3],
      [0xad, 0xf3],
    ] as const) {
      const { cpu, space } = machineWith([prefix, opcode, 0xcc], { jit: { threshold } });
      // Four elements, and one that begins in the last page and ends behind it.
      const start = end - 18;
      cpu.gpr[EAX] = 0x1234_5678;
      cpu.gpr[ECX] = 100;
      cpu.gpr[ESI] = start;
      cpu.gpr[EDI] = start;
      expect(cpu.run(space, 10_000)).toBe(EXIT_EXCEPTION);
      expect([cpu.vector, cpu.cr2, cpu.eip, cpu.gpr[ECX]]).toEqual([EXC_PF, end, CODE, 96]);
      expect(Math.max(cpu.gpr[ESI]!, cpu.gpr[EDI]!)).toBe(end - 2);
    }
  });
});
