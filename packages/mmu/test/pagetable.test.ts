// SPDX-License-Identifier: BSD-3-Clause
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ACCESS_READ,
  ACCESS_WRITE,
  MachineMemory,
  PDE_PS,
  PF_PRESENT,
  PF_RSVD,
  PF_USER,
  PF_WRITE,
  PTE_A,
  PTE_D,
  PTE_P,
  PTE_RW,
  PTE_US,
  PageTableSpace,
  SpaceAccess,
  Translation,
  faultCode,
} from "@vkernel/mmu";

const RAM_PAGES = 2048; // 8 MiB: two large pages
const DIR = 1;
const TABLES = [2, 3];

function machine(wp = true, user = true) {
  const memory = new MachineMemory({ ramBytes: RAM_PAGES * 4096, spaces: 1, cpuBytes: 0 });
  const space = new PageTableSpace(new Translation(memory), { cr3: DIR * 4096, wp, user });
  const word = (page: number, index: number) => (memory.ramBase + page * 4096 + index * 4) >>> 2;
  return { memory, space, word };
}

interface Outcome {
  pa: number;
  fault: number;
  marks: [number, number][];
}

/** The manual's rules written down once more, over a copy of the tables, with nothing cached. */
function walkModel(
  u32: Uint32Array,
  ramBase: number,
  va: number,
  write: boolean,
  user: boolean,
  wp: boolean,
): Outcome {
  const code = (write ? PF_WRITE : 0) | (user ? PF_USER : 0);
  const fail = (extra: number): Outcome => ({ pa: -1, fault: code | extra, marks: [] });
  const at = (pa: number) => (ramBase + pa) / 4;
  const size = RAM_PAGES * 4096;
  const pdeAt = at(DIR * 4096 + Math.floor(va / 2 ** 22) * 4);
  const pde = u32[pdeAt]!;
  if (!(pde & PTE_P)) return fail(0);
  const ok = (rights: number) =>
    user ? !!(rights & PTE_US) && (!write || !!(rights & PTE_RW)) : !write || !wp || !!(rights & PTE_RW);
  if (pde & PDE_PS) {
    const pa = Math.floor(pde / 2 ** 22) * 2 ** 22 + (va % 2 ** 22);
    if (pde & 0x3fe000 || pa >= size) return fail(PF_PRESENT | PF_RSVD);
    if (!ok(pde)) return fail(PF_PRESENT);
    return { pa, fault: -1, marks: [[pdeAt, PTE_A | (write ? PTE_D : 0)]] };
  }
  const table = Math.floor(pde / 4096) * 4096;
  if (table >= size) return fail(PF_PRESENT | PF_RSVD);
  const pteAt = at(table + (Math.floor(va / 4096) % 1024) * 4);
  const pte = u32[pteAt]!;
  if (!(pte & PTE_P)) return fail(0);
  const pa = Math.floor(pte / 4096) * 4096 + (va % 4096);
  if (pa >= size) return fail(PF_PRESENT | PF_RSVD);
  if (!ok(pde & pte)) return fail(PF_PRESENT);
  return {
    pa,
    fault: -1,
    marks: [
      [pdeAt, PTE_A],
      [pteAt, PTE_A | (write ? PTE_D : 0)],
    ],
  };
}

const VPNS = [0, 1, 0x3ff, 0x400, 0x401, 0x800];
const flags = fc.constantFrom(
  0,
  PTE_P,
  PTE_P | PTE_RW,
  PTE_P | PTE_US,
  PTE_P | PTE_RW | PTE_US,
  PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D,
);
const edit = fc.oneof(
  fc.record({
    kind: fc.constant("pde" as const),
    index: fc.nat({ max: 2 }),
    page: fc.constantFrom(...TABLES, RAM_PAGES),
    flags,
    ps: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("pte" as const),
    vpn: fc.constantFrom(...VPNS),
    page: fc.constantFrom(10, 11, RAM_PAGES - 1, RAM_PAGES, 0xfffff),
    flags,
    table: fc.constantFrom(...TABLES),
  }),
  fc.record({ kind: fc.constant("access" as const), vpn: fc.constantFrom(...VPNS), write: fc.boolean() }),
  fc.record({ kind: fc.constant("access" as const), vpn: fc.constantFrom(...VPNS), write: fc.boolean() }),
  fc.record({ kind: fc.constant("access" as const), vpn: fc.constantFrom(...VPNS), write: fc.boolean() }),
);

describe("two-level page tables", () => {
  it.each([
    { user: true, wp: true },
    { user: false, wp: true },
    { user: false, wp: false },
  ])("agree with a walk without caches (I-TLB, I-A/M, I-WP): %o", ({ user, wp }) => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 5, maxLength: 60 }), (steps) => {
        const { memory, space, word } = machine(wp, user);
        const access = new SpaceAccess(memory, space);
        // Something is mapped from the start, so that most accesses get somewhere.
        memory.u32[word(DIR, 0)] = (2 << 12) | PTE_P | PTE_RW | PTE_US;
        memory.u32[word(DIR, 1)] = (3 << 12) | PTE_P | PTE_RW | PTE_US;
        void space.table;
        let stamp = 1;
        for (const s of steps) {
          if (s.kind === "pde") {
            memory.u32[word(DIR, s.index)] =
              (s.ps ? (s.page === RAM_PAGES ? 0x80_0000 : 0x40_0000) | PDE_PS : s.page << 12) | s.flags;
            space.invalidate(s.index * 0x40_0000, 0x40_0000);
          } else if (s.kind === "pte") {
            memory.u32[word(s.table, s.vpn & 0x3ff)] = (s.page << 12) | s.flags;
            for (let pde = 0; pde < 3; pde++) space.invalidate(pde * 0x40_0000 + (s.vpn & 0x3ff) * 4096, 1);
          } else {
            const va = s.vpn * 4096 + 0x120;
            const tables = memory.u32.slice();
            const want = walkModel(tables, memory.ramBase, va, s.write, user, wp);
            if (s.write) access.store32(va, (stamp += 0x101));
            else access.load32(va);
            expect(access.fault).toBe(want.fault);
            for (const [at, mask] of want.marks) tables[at] = tables[at]! | mask;
            if (want.fault < 0 && s.write) tables[(memory.ramBase + want.pa) / 4] = stamp;
            if (want.fault >= 0) expect(access.faultAddress).toBe(va);
            // Everything else, marks of faulting walks included, is as it was.
            for (const page of [DIR, ...TABLES, 10, 11, RAM_PAGES - 1]) {
              const from = word(page, 0);
              expect(memory.u32.subarray(from, from + 1024)).toEqual(tables.subarray(from, from + 1024));
            }
          }
        }
      }),
      { numRuns: 6, seed: 386 },
    );
  });

  it("P2: a page read first walks again at the first write and gets its dirty bit", () => {
    const { memory, space, word } = machine();
    memory.u32[word(DIR, 0)] = (2 << 12) | PTE_P | PTE_RW | PTE_US;
    memory.u32[word(2, 5)] = (10 << 12) | PTE_P | PTE_RW | PTE_US;
    const table = space.table;
    expect(space.translate(0x5abc, ACCESS_READ)).toBe(memory.pageAddress(10) + 0xabc);
    expect(memory.u32[(table + 5 * 8 + 4) >>> 2]).toBe(0);
    expect(memory.u32[word(2, 5)]! & (PTE_A | PTE_D)).toBe(PTE_A);
    expect(space.translate(0x5abc, ACCESS_WRITE)).toBe(memory.pageAddress(10) + 0xabc);
    expect(memory.u32[word(2, 5)]! & (PTE_A | PTE_D)).toBe(PTE_A | PTE_D);
    expect(memory.u32[(table + 5 * 8 + 4) >>> 2]).not.toBe(0);
  });

  it("names the kind of fault in the error code", () => {
    const { memory, space, word } = machine();
    memory.u32[word(DIR, 0)] = (2 << 12) | PTE_P | PTE_RW | PTE_US;
    memory.u32[word(2, 1)] = (10 << 12) | PTE_P | PTE_US;
    memory.u32[word(2, 2)] = (10 << 12) | PTE_P | PTE_RW;
    memory.u32[word(DIR, 1)] = 0x0040_2000 | PDE_PS | PTE_P | PTE_US;
    expect(faultCode(space.translate(0x0000, ACCESS_READ))).toBe(PF_USER);
    expect(faultCode(space.translate(0x1000, ACCESS_WRITE))).toBe(PF_USER | PF_WRITE | PF_PRESENT);
    expect(faultCode(space.translate(0x2000, ACCESS_READ))).toBe(PF_USER | PF_PRESENT);
    expect(faultCode(space.translate(0x40_0000, ACCESS_READ))).toBe(PF_USER | PF_PRESENT | PF_RSVD);
  });

  it("a directory that maps itself shows its own words", () => {
    const { memory, space, word } = machine();
    memory.u32[word(DIR, 3)] = (DIR << 12) | PTE_P | PTE_RW | PTE_US;
    const access = new SpaceAccess(memory, space);
    expect(access.load32(0x00c0_3000 + 3 * 4)).toBe(((DIR << 12) | PTE_P | PTE_RW | PTE_US | PTE_A) >>> 0);
  });
});
