// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import {
  FlatSpace,
  MachineMemory,
  PF_USER,
  PF_WRITE,
  SpaceAccess,
  Translation,
  machineLayout,
} from "@vkernel/mmu";

function machine() {
  const memory = new MachineMemory({ ramBytes: 4 * 4096, spaces: 1, cpuBytes: 100 });
  const translation = new Translation(memory);
  // Three pages at the very top of the space, beginning with RAM page 1.
  const space = new FlatSpace(translation, { base: 0xffff_d000, size: 3 * 4096, ramOffset: 4096 });
  return { memory, space, access: new SpaceAccess(memory, space) };
}

describe("accesses through a space", () => {
  it.each([1, 2, 4] as const)("of %i bytes, inside a page and over a page end, on both paths", (size) => {
    const { memory, access } = machine();
    const name = { 1: "8", 2: "16", 4: "32" }[size] as "8" | "16" | "32";
    const value = 0x8765_4321 & (size === 4 ? -1 : (1 << (8 * size)) - 1);
    for (let round = 0; round < 2; round++) {
      for (let va = 0xffff_dff8; va < 0xffff_e008; va++) {
        expect(access[`store${name}`](va, value)).toBe(true);
        expect(access[`load${name}`](va)).toBe(value >>> 0);
        expect(memory.u8[memory.pageAddress(1) + va - 0xffff_d000]).toBe(0x21);
      }
    }
  });

  it("of 64 bits", () => {
    const { access } = machine();
    for (let va = 0xffff_dff0; va < 0xffff_e008; va++) {
      expect(access.store64(va, 0xfedc_ba98_7654_3210n)).toBe(true);
      expect(access.load64(va)).toBe(0xfedc_ba98_7654_3210n);
    }
  });

  it("I-CROSS: a store that faults in its second page has written nothing and names that page", () => {
    const { memory, access } = machine();
    const before = memory.u8.slice(memory.ramBase, memory.ramBase + memory.ramBytes);
    expect(access.store32(0xffff_fffe, 0xffff_ffff)).toBe(false);
    expect(access.fault).toBe(PF_USER | PF_WRITE);
    expect(access.faultAddress).toBe(0);
    expect(memory.u8.subarray(memory.ramBase, memory.ramBase + memory.ramBytes)).toEqual(before);
  });

  it("copies up to the first byte that cannot be reached", () => {
    const { access } = machine();
    const data = Uint8Array.from({ length: 5000 }, (_, i) => i);
    expect(access.copyOut(0xffff_d800, data)).toBe(5000);
    const back = new Uint8Array(5000);
    expect(access.copyIn(0xffff_d800, back)).toBe(5000);
    expect(back).toEqual(data);
    expect(access.copyIn(0xffff_f000, back)).toBe(4096);
    expect([access.fault, access.faultAddress]).toEqual([PF_USER, 0]);
    expect(access.copyOut(0xffff_c800, data)).toBe(0);
  });

  it("M2: stores to a code page are reported, by each path", () => {
    const { memory, access } = machine();
    const seen: number[][] = [];
    memory.onCodeWritten((...args) => seen.push(args));
    access.store32(0xffff_d000, 1);
    memory.protectCode(1);
    access.store32(0xffff_d004, 1);
    access.store16(0xffff_dfff, 1);
    access.store32(0xffff_e008, 1);
    expect(seen).toEqual([
      [1, 4, 4],
      [1, 0xfff, 1],
    ]);
  });
});

describe("machine layout", () => {
  it("L1–L3: areas are aligned, in order, and inside 4 GiB", () => {
    const l = machineLayout({ ramBytes: 0x1234_5000, spaces: 3, cpuBytes: 1, vcpus: 2 });
    expect([l.stateBase, l.cpuBase, l.ramBase]).toEqual([0x1_0000, 0x3_0000, 0x4_0000]);
    expect(l.tablesBase).toBe(0x4_0000 + 0x1235_0000);
    expect(l.totalBytes % 0x1_0000).toBe(0);
  });

  it.each([
    [{ ramBytes: 100, spaces: 1, cpuBytes: 0 }, /ramBytes/],
    [{ ramBytes: 4096, spaces: 0, cpuBytes: 0 }, /spaces/],
    [{ ramBytes: 4096, spaces: 1, cpuBytes: -1 }, /cpuBytes/],
    [{ ramBytes: 3 * 2 ** 30, spaces: 100, cpuBytes: 0 }, /4 GiB/],
  ])("refuses %o", (options, message) => expect(() => machineLayout(options)).toThrow(message));
});
