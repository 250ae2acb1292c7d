// SPDX-License-Identifier: BSD-3-Clause
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ACCESS_EXEC,
  ACCESS_READ,
  ACCESS_WRITE,
  MachineMemory,
  RamObject,
  VPTE_2007,
  VPTE_2013,
  VPTE_BEYOND,
  VPTE_INVALID,
  VpteWalker,
  type VpteFormat,
} from "@vkernel/mmu";

const PAGES = 0x800;

function machine(format: VpteFormat) {
  const memory = new MachineMemory({ ramBytes: (PAGES + 16) * 4096, spaces: 1, cpuBytes: 0 });
  // The image does not begin with RAM: object pages and host pages must not be mixed up.
  const base = memory.pageAddress(7);
  const walker = new VpteWalker(memory, new RamObject(memory, base, PAGES), format);
  const word = (pa: number) => (base + pa) >>> 2;
  return { memory, walker, word };
}

describe("VPTE walk, worked example", () => {
  it("2007 layout: a write marks directory and page accessed and modified", () => {
    const { memory, walker, word } = machine(VPTE_2007);
    memory.u32[word(0x123080)] = 0x0045600d;
    memory.u32[word(0x456120)] = 0x0078908d;
    expect(walker.walk(0x0012300d, 0x08048, ACCESS_WRITE)).toBe(0x789);
    expect(memory.u32[word(0x123080)]).toBe(0x0045606d);
    expect(memory.u32[word(0x456120)]).toBe(0x007890ed);
  });

  it("2007 layout: a read marks accessed only", () => {
    const { memory, walker, word } = machine(VPTE_2007);
    memory.u32[word(0x123080)] = 0x0045600d;
    memory.u32[word(0x456120)] = 0x0078908d;
    expect(walker.walk(0x0012300d, 0x08048, ACCESS_EXEC)).toBe(0x789);
    expect(memory.u32[word(0x123080)]).toBe(0x0045602d);
    expect(memory.u32[word(0x456120)]).toBe(0x007890ad);
  });
});

describe.each([VPTE_2007, VPTE_2013])("VPTE walk, $name layout", (format) => {
  const RW = format.V | format.R | format.W;
  const RO = format.V | format.R;

  it("invalid master, directory or page entry", () => {
    const { memory, walker, word } = machine(format);
    expect(walker.walk(0, 0, ACCESS_READ)).toBe(VPTE_INVALID);
    expect(walker.walk(0x1000 | RW, 0, ACCESS_READ)).toBe(VPTE_INVALID);
    memory.u32[word(0x1000)] = 0x2000 | RW;
    expect(walker.walk(0x1000 | RW, 0, ACCESS_READ)).toBe(VPTE_INVALID);
  });

  it("every level must allow a write, the master entry included", () => {
    const { memory, walker, word } = machine(format);
    const set = (dir: number, page: number) => {
      memory.u32[word(0x1000)] = 0x2000 | dir;
      memory.u32[word(0x2000)] = 0x3000 | page;
    };
    set(RW, RW);
    expect(walker.walk(0x1000 | RO, 0, ACCESS_WRITE)).toBe(VPTE_INVALID);
    set(RO, RW);
    expect(walker.walk(0x1000 | RW, 0, ACCESS_WRITE)).toBe(VPTE_INVALID);
    expect(memory.u32[word(0x1000)]).toBe(0x2000 | RO);
    set(RW, RO);
    expect(walker.walk(0x1000 | RW, 0, ACCESS_WRITE)).toBe(VPTE_INVALID);
    expect(memory.u32[word(0x1000)]).toBe(0x2000 | RW | format.A | format.M);
    expect(memory.u32[word(0x2000)]).toBe(0x3000 | RO);
  });

  it("PS below the master maps 4 MiB from any frame; PS in the master is linear", () => {
    const { memory, walker, word } = machine(format);
    memory.u32[word(0x1000)] = 0x5000 | RW | format.PS;
    expect(walker.walk(0x1000 | RW, 0x3ff, ACCESS_READ)).toBe(5 + 0x3ff);
    expect(memory.u32[word(0x1000)]).toBe(0x5000 | RW | format.PS | format.A);
    expect(walker.walk(0x7000 | RO | format.PS, 0x123, ACCESS_READ)).toBe(7 + 0x123);
    expect(walker.walk(0x7000 | RO | format.PS, PAGES - 7, ACCESS_READ)).toBe(VPTE_BEYOND);
  });

  it("V1: a table or a frame beyond the object is refused, and nothing outside is read or marked", () => {
    const { memory, walker, word } = machine(format);
    expect(walker.walk((PAGES << 12) | RW, 0, ACCESS_WRITE)).toBe(VPTE_BEYOND);
    memory.u32[word(0x1000)] = (PAGES << 12) | RW;
    expect(walker.walk(0x1000 | RW, 0, ACCESS_WRITE)).toBe(VPTE_BEYOND);
    memory.u32[word(0x1000)] = 0x2000 | RW;
    memory.u32[word(0x2000)] = (0xfffff000 | RW) >>> 0;
    expect(walker.walk(0x1000 | RW, 0, ACCESS_READ)).toBe(VPTE_BEYOND);
    const outside = [
      memory.u32.subarray(memory.ramBase >>> 2, word(0)),
      memory.u32.subarray(word(PAGES * 4096), (memory.ramBase + memory.ramBytes) >>> 2),
    ];
    for (const part of outside) expect(part.every((w) => w === 0)).toBe(true);
  });

  it("clearing M and writing again sets M again", () => {
    const { memory, walker, word } = machine(format);
    memory.u32[word(0x1000)] = 0x2000 | RW;
    memory.u32[word(0x2000)] = 0x3000 | RW;
    walker.walk(0x1000 | RW, 0, ACCESS_WRITE);
    memory.u32[word(0x2000)]! &= ~format.M;
    walker.walk(0x1000 | RW, 0, ACCESS_WRITE);
    expect(memory.u32[word(0x2000)]! & format.M).toBe(format.M);
  });

  it("agrees with the rules written out, level by level, for any entries", () => {
    const bits = [format.V, format.R, format.W, format.PS, format.A, format.M, format.U].filter(
      (b) => b !== 0,
    );
    const mostly = fc.subarray(bits).map((some) => some.reduce((a, b) => a | b, 0));
    const entry = fc
      .tuple(fc.constantFrom(1, 2, 3, PAGES - 1, PAGES, 0xfffff), fc.oneof(mostly, fc.constantFrom(RW, RO)))
      .map(([f, b]) => ((f << 12) | b) >>> 0);
    fc.assert(
      fc.property(
        entry,
        entry,
        entry,
        fc.nat({ max: 0xfffff }),
        fc.constantFrom(ACCESS_READ, ACCESS_WRITE),
        (master, dir, page, pindex, access) => {
          const { memory, walker, word } = run;
          const allowed = (e: number) =>
            access === ACCESS_WRITE
              ? !!(e & format.V) && !!(e & format.W)
              : !!(e & format.V) && (format.R === 0 || !!(e & format.R));
          for (const p of [1, 2, 3, PAGES - 1]) memory.u32.fill(page, word(p * 4096), word(p * 4096) + 1024);
          const masterFrame = master >>> 12;
          if (masterFrame < PAGES)
            memory.u32.fill(dir, word(masterFrame * 4096), word(masterFrame * 4096) + 1024);
          let want = -3;
          const marks = access === ACCESS_WRITE ? format.A | format.M : format.A;
          let current = master;
          let left = 20;
          while (want === -3) {
            if (!allowed(current)) want = VPTE_INVALID;
            else if (left === 0 || current & format.PS) want = (current >>> 12) + (pindex % 2 ** left);
            else if (current >>> 12 >= PAGES) want = VPTE_BEYOND;
            else {
              left -= 10;
              current = memory.u32[word((current >>> 12) * 4096) + (Math.floor(pindex / 2 ** left) % 1024)]!;
              // A page that serves as both levels may be marked on the way; both readings carry the same rights.
              if (allowed(current)) current |= marks;
              current >>>= 0;
            }
          }
          if (want >= PAGES) want = VPTE_BEYOND;
          expect(walker.walk(master, pindex, access)).toBe(want);
        },
      ),
      { numRuns: 300, seed: 2007 },
    );
  });

  const run = machine(format);
});
