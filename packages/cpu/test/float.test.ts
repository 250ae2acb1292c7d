// SPDX-License-Identifier: BSD-3-Clause
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { AddressSpace } from "@vkernel/mmu";
import { describe, expect, it, test } from "vitest";
import { EXC_NM, EXIT_EXCEPTION } from "../src/exception.ts";
import { VectorMachine, readVectors } from "../scripts/vector-judge.js";

interface Vector {
  id: string;
  ip: number;
  asm: string;
  n: string;
}
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PUBLIC = here("../../../../shared/fixtures/cpu-vectors/public.jsonl.gz");
const present = existsSync(PUBLIC);
const GROUPS = [
  "x87",
  "x87-special",
  "x87-transc",
  "mmx",
  "sse-move",
  "sse2-int",
  "sse-fp",
  "sse-fp-special",
  "sse-approx",
  "sse3",
  "seq-fp",
];
const groupOf = (v: Vector): string => v.id.replace(/[-:]?\d+$/, "");
const publicVectors: Vector[] = present
  ? readVectors(PUBLIC).vectors.filter((v: Vector) => GROUPS.includes(groupOf(v)))
  : [];

function failures(machine: VectorMachine, vectors: readonly Vector[]): string[] {
  return vectors.flatMap((v) => machine.run(v).map((fault: string) => `${v.id} [${v.asm}]: ${fault}`));
}

/** A machine whose translation table is empty again after every translation: each memory access takes the slow path. */
function withoutCache(): VectorMachine {
  const machine = new VectorMachine();
  const inner = machine.space;
  const space: AddressSpace = {
    get table() {
      return inner.table;
    },
    translate(va, access) {
      const host = inner.translate(va, access);
      inner.invalidate(va, 1);
      return host;
    },
  };
  machine.space = space as typeof inner;
  return machine;
}

describe.skipIf(!present)(`public float and vector instructions (skipped when ${PUBLIC} is missing)`, () => {
  const fast = new VectorMachine({ jit: { threshold: Infinity } });
  const slow = withoutCache();

  test.each(GROUPS)("%s, all memory through the slow path", (group) => {
    expect(
      failures(
        slow,
        publicVectors.filter((v) => groupOf(v) === group),
      ),
    ).toEqual([]);
  });

  it("raises #NM for every one of them while TS is set, and changes nothing", () => {
    // These touch neither the x87 nor the SSE state.
    const untouched = /^(movnti|[slm]fence|prefetch|clflush)/;
    const wrong: string[] = [];
    for (const v of publicVectors) {
      const first = v.asm.split(";")[0]!.trim();
      if (groupOf(v) === "seq-fp" || untouched.test(first)) continue;
      const before = new Uint8Array(512);
      const after = new Uint8Array(512);
      fast.prepare(v);
      fast.cpu.taskSwitched = true;
      fast.cpu.saveFx(before);
      const exit = fast.cpu.run(fast.space, 1000);
      fast.cpu.saveFx(after);
      const ok = exit === EXIT_EXCEPTION && fast.cpu.vector === EXC_NM && fast.cpu.eip === v.ip;
      if (!ok || !after.every((b, i) => b === before[i]))
        wrong.push(`${v.id} [${v.asm}]: vector ${fast.cpu.vector}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe("captured beside the public set: SSSE3, faults in operands, environment images, odd encodings", () => {
  const { vectors } = readVectors(here("fixtures/float-extra.jsonl.gz")) as { vectors: Vector[] };
  it.each(["ssse3", "fp-fault", "fp-image"])("%s", (group) => {
    const some = vectors.filter((v) => groupOf(v) === group);
    expect(some.length).toBeGreaterThan(150);
    expect(failures(new VectorMachine({ jit: { threshold: Infinity } }), some)).toEqual([]);
    expect(failures(new VectorMachine({ jit: { threshold: 0 } }), some)).toEqual([]);
    expect(failures(withoutCache(), some)).toEqual([]);
  });
});

describe("captured SSE4.1, SSE4.2 and POPCNT", () => {
  const { vectors } = readVectors(here("fixtures/sse4.jsonl.gz")) as { vectors: Vector[] };
  it.each([
    ["sse4.1", 300],
    ["sse4.1-fp", 150],
    ["sse4.2", 600],
  ])("%s", (group, atLeast) => {
    const some = vectors.filter((v) => groupOf(v) === group);
    expect(some.length).toBeGreaterThan(atLeast);
    expect(failures(new VectorMachine({ jit: { threshold: Infinity } }), some)).toEqual([]);
    expect(failures(new VectorMachine({ jit: { threshold: 0 } }), some)).toEqual([]);
    expect(failures(withoutCache(), some)).toEqual([]);
  });
});

describe("FXSAVE images", () => {
  const machine = new VectorMachine();

  it("what is restored is saved", () => {
    const image = new Uint8Array(512);
    const dv = new DataView(image.buffer);
    dv.setUint16(0, 0x27f, true);
    dv.setUint16(2, 0x3a20, true);
    image[4] = 0xc3;
    dv.setUint16(6, 0x5d9, true);
    dv.setUint32(8, 0x0804_8123, true);
    dv.setUint16(12, 0x23, true);
    dv.setUint32(16, 0xbfff_0000, true);
    dv.setUint16(20, 0x2b, true);
    dv.setUint32(24, 0x9fa5, true);
    dv.setUint32(28, 0xffff, true);
    for (let i = 0; i < 8; i++) {
      for (let b = 0; b < 10; b++) image[32 + 16 * i + b] = 16 * i + b;
      for (let b = 0; b < 16; b++) image[160 + 16 * i + b] = 0x80 ^ (16 * i + b);
    }
    machine.cpu.restoreFx(image);
    const saved = new Uint8Array(512);
    machine.cpu.saveFx(saved);
    expect(saved).toEqual(image);
  });

  it("a forged one is cut down to bits that exist, and pending exceptions show in the summary", () => {
    const image = new Uint8Array(512).fill(0xff);
    machine.cpu.restoreFx(image);
    const saved = new Uint8Array(512);
    machine.cpu.saveFx(saved);
    const dv = new DataView(saved.buffer);
    expect(dv.getUint16(0, true)).toBe(0x1f7f);
    expect(dv.getUint16(2, true)).toBe(0x7f7f);
    expect(dv.getUint32(24, true)).toBe(0xffff);
    image[0] = 0x40;
    machine.cpu.restoreFx(image);
    machine.cpu.saveFx(saved);
    expect(dv.getUint16(2, true)).toBe(0xffff);
  });

  it("refuses a short buffer by name", () => {
    expect(() => machine.cpu.saveFx(new Uint8Array(108))).toThrow(/512/);
  });
});
