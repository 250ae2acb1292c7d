// SPDX-License-Identifier: BSD-3-Clause
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DescriptorTable,
  LDT_EACCES,
  LDT_OK,
  MachineMemory,
  SDT_MEMERA,
  SDT_MEMRWA,
  SDT_MEMRWD,
  SDT_SYS386BSY,
  SDT_SYS386CGT,
  SDT_SYS386TSS,
  SDT_SYSLDT,
  TLS_EMPTY,
  TLS_ILLEGAL,
  TLS_VALID,
  TSS,
  TSS_BYTES,
  TaskState,
  checkLdtDesc,
  checkTlsDesc,
  descBase,
  descLimit,
  limitAllows,
  packDescHi,
  packDescLo,
  packGateHi,
  packGateLo,
  selIndex,
  selIsLdt,
  selIsNull,
  tlsDesc,
  unpackDesc,
  unpackGate,
} from "@vkernel/mmu";

describe("segment descriptors", () => {
  it("read the flat code and data descriptors of every i386 kernel", () => {
    // 00CF FA00 0000 FFFF and 00CF F300 0000 FFFF
    expect(unpackDesc(0x0000ffff, 0x00cffa00)).toEqual({
      base: 0,
      limitField: 0xfffff,
      type: SDT_MEMERA - 1,
      dpl: 3,
      present: true,
      avl: false,
      db: true,
      granular: true,
    });
    expect(descLimit(0x0000ffff, 0x00cff300)).toBe(0xffff_ffff);
    expect(unpackDesc(0x0000ffff, 0x00cff300).type).toBe(SDT_MEMRWA);
  });

  it("packing and unpacking are inverse", () => {
    fc.assert(
      fc.property(
        fc.record({
          base: fc.nat({ max: 0xffff_ffff }),
          limitField: fc.nat({ max: 0xfffff }),
          type: fc.nat({ max: 31 }),
          dpl: fc.nat({ max: 3 }),
          present: fc.boolean(),
          avl: fc.boolean(),
          db: fc.boolean(),
          granular: fc.boolean(),
        }),
        (d) => {
          expect(unpackDesc(packDescLo(d), packDescHi(d))).toEqual(d);
          expect(descBase(packDescLo(d), packDescHi(d))).toBe(d.base);
        },
      ),
      { seed: 1 },
    );
    fc.assert(
      fc.property(
        fc.record({
          selector: fc.nat({ max: 0xffff }),
          offset: fc.nat({ max: 0xffff_ffff }),
          paramCount: fc.nat({ max: 31 }),
          type: fc.constantFrom(4, 5, 6, 7, 12, 14, 15),
          dpl: fc.nat({ max: 3 }),
          present: fc.boolean(),
        }),
        (g) => {
          expect(unpackGate(packGateLo(g), packGateHi(g))).toEqual(g);
        },
      ),
      { seed: 2 },
    );
  });

  it.each([
    // expand-up, limit 0xFFF
    { down: false, db: true, limit: 0xfff, at: 0xffc, size: 4, ok: true },
    { down: false, db: true, limit: 0xfff, at: 0xffd, size: 4, ok: false },
    { down: false, db: true, limit: 0xfffff, at: 0xffff_ffff, size: 2, ok: false },
    // expand-down: the bytes above the limit, up to 64 KiB or 4 GiB by the B bit
    { down: true, db: true, limit: 0xfff, at: 0xfff, size: 1, ok: false },
    { down: true, db: true, limit: 0xfff, at: 0x1000, size: 4, ok: true },
    { down: true, db: true, limit: 0xfff, at: 0xffff_fffd, size: 4, ok: false },
    { down: true, db: false, limit: 0xfff, at: 0xfffe, size: 2, ok: true },
    { down: true, db: false, limit: 0xfff, at: 0xffff, size: 2, ok: false },
  ])("limit check %o", ({ down, db, limit, at, size, ok }) => {
    const d = {
      base: 0,
      limitField: limit,
      type: down ? SDT_MEMRWD : SDT_MEMRWA,
      dpl: 3,
      present: true,
      avl: false,
      db,
      granular: limit === 0xfffff,
    };
    expect(limitAllows(packDescLo(d), packDescHi(d), at, size)).toBe(ok);
  });
});

describe("TLS descriptors", () => {
  it("every descriptor that set_tls_area builds is legal", () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 0xffff_ffff }),
        fc.oneof(fc.integer({ min: 1, max: 0x7fff_ffff }), fc.constant(-1), fc.constant(0x10_0000)),
        (base, size) => {
          const d = tlsDesc(base, size);
          const limit = descLimit(packDescLo(d), packDescHi(d));
          expect(checkTlsDesc(packDescHi(d))).toBe(TLS_VALID);
          expect(descBase(packDescLo(d), packDescHi(d))).toBe(base);
          if (size === -1) expect(limit).toBe(0xffff_ffff);
          else expect(limit).toBeGreaterThanOrEqual(size);
        },
      ),
      { seed: 3 },
    );
  });

  it.each([
    ["nothing set", 0, TLS_EMPTY],
    ["present, type and DPL 0", 0x8000, TLS_EMPTY],
    ["flat data, DPL 3", 0x00cff300, TLS_VALID],
    ["not accessed", 0x00cff200, TLS_ILLEGAL],
    ["DPL 0", 0x00cf9300, TLS_ILLEGAL],
    ["not present", 0x00cf7300, TLS_ILLEGAL],
    ["16-bit", 0x008ff300, TLS_ILLEGAL],
    ["available bit", 0x00dff300, TLS_ILLEGAL],
    ["64-bit bit", 0x00eff300, TLS_ILLEGAL],
    ["code", 0x00cffb00, TLS_ILLEGAL],
    ["call gate", 0x0000ec00, TLS_ILLEGAL],
  ])("%s", (_name, hi, want) => expect(checkTlsDesc(hi)).toBe(want));
});

describe("LDT entries from user code", () => {
  it.each([
    ["type 0", 0x00000000, LDT_OK],
    ["data, DPL 3", 0x00cff200, LDT_OK],
    ["data, DPL 0", 0x00cf9200, LDT_EACCES],
    ["data, DPL 0, not present", 0x00cf1200, LDT_OK],
    ["call gate", 0x0000ec00, LDT_EACCES],
    ["interrupt gate", 0x0000ee00, LDT_EACCES],
    ["LDT", 0x0000e200, LDT_EACCES],
    ["TSS", 0x0000e900, LDT_EACCES],
    ["conforming code, present", 0x00cffe00, LDT_OK],
    ["conforming code, not present", 0x00cf7e00, LDT_EACCES],
  ])("%s", (_name, hi, want) => expect(checkLdtDesc(hi)).toBe(want));
});

describe("tables in memory", () => {
  const memory = new MachineMemory({ ramBytes: 4 * 4096, spaces: 1, cpuBytes: 0 });

  it("hold what a limit covers, and nothing that sticks out", () => {
    const gdt = new DescriptorTable(memory, memory.ramBase, 4 * 8 - 2);
    expect(gdt.entries).toBe(3);
    expect([0x08, 0x10, 0x18, 0x1b].map((sel) => gdt.holds(sel))).toEqual([true, true, false, false]);
    expect(() => gdt.set(3, tlsDesc(0, -1))).toThrow(RangeError);
  });

  it("selectors name index, table and null", () => {
    expect([selIndex(0x7b), selIsLdt(0x7b), selIsLdt(0x2f)]).toEqual([15, false, true]);
    expect([0, 3, 4, 8].map(selIsNull)).toEqual([true, true, false, false]);
  });

  it("a TSS descriptor becomes busy once", () => {
    const gdt = new DescriptorTable(memory, memory.ramBase, 0xff);
    gdt.set(5, {
      base: memory.ramBase + 4096,
      limitField: TSS_BYTES - 1,
      type: SDT_SYS386TSS,
      dpl: 0,
      present: true,
      avl: false,
      db: false,
      granular: false,
    });
    gdt.markBusy(5);
    expect(gdt.get(5).type).toBe(SDT_SYS386BSY);
    expect(() => gdt.markBusy(5)).toThrow(/available/);
    gdt.set(6, { ...gdt.get(5), type: SDT_SYSLDT });
    gdt.setGate(7, {
      selector: 8,
      offset: 0x1234_5678,
      paramCount: 0,
      type: SDT_SYS386CGT,
      dpl: 3,
      present: true,
    });
    expect(unpackGate(gdt.lo(7), gdt.hi(7)).offset).toBe(0x1234_5678);
    gdt.clear(7);
    expect([gdt.lo(7), gdt.hi(7)]).toEqual([0, 0]);
  });

  it("the I/O permission map opens single ports", () => {
    const tss = new TaskState(memory, memory.ramBase + 4096, TSS_BYTES + 4);
    tss.set32(TSS.esp0, 0xdead_beef);
    tss.set16(TSS.ss0, 0x10);
    expect([tss.get32(TSS.esp0), tss.get16(TSS.ss0)]).toEqual([0xdead_beef, 0x10]);
    tss.set16(TSS.iomapBase, TSS_BYTES);
    memory.u8.set([0xff, 0b1111_0111, 0xff, 0xff, 0xff], tss.base + TSS_BYTES);
    expect([
      tss.allowsPorts(11, 1),
      tss.allowsPorts(11, 2),
      tss.allowsPorts(10, 1),
      tss.allowsPorts(32, 1),
    ]).toEqual([true, false, false, false]);
    expect(tss.allowsPorts(0xffff, 1)).toBe(false);
  });
});
