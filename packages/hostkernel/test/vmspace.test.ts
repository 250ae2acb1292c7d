// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, it } from "vitest";
import {
  HostErrno,
  MADV_INVAL,
  MADV_SETMAP,
  MAP_ANON,
  MAP_FIXED,
  MAP_SHARED,
  MAP_STACK,
  MAP_VPAGETABLE,
  PROT_READ,
  PROT_WRITE,
  VPTE_A,
  VPTE_M,
  VPTE_PS,
  VPTE_R,
  VPTE_V,
  VPTE_W,
  VM_MAX_USER_ADDRESS,
} from "../src/index.ts";
import { DATA, RO, RW, Tiny } from "./tiny.ts";

const READ = 0;
const WRITE = 1;
const PROT_RW = PROT_READ | PROT_WRITE;

/** The error number that `call` throws. */
function errnoOf(call: () => unknown): number {
  try {
    call();
  } catch (e) {
    if (e instanceof HostErrno) return e.errno;
    throw e;
  }
  return 0;
}

describe("vmspace calls: checks in DragonFly's order", () => {
  it("EINVAL before any space was created, ENOENT for an unknown id afterwards", () => {
    const tiny = new Tiny();
    expect(errnoOf(() => tiny.host.vmspaceDestroy(1))).toBe(22);
    tiny.space(1);
    expect(errnoOf(() => tiny.host.vmspaceDestroy(2))).toBe(2);
    expect(errnoOf(() => tiny.host.vmspaceMunmap(2, 0, 4096))).toBe(2);
    expect(errnoOf(() => tiny.host.vmspacePread(2))).toBe(2);
    expect(errnoOf(() => tiny.host.vmspacePread(1))).toBe(22);
    expect(errnoOf(() => tiny.host.vmspacePwrite(1))).toBe(22);
    tiny.host.vmspaceDestroy(1);
    expect(errnoOf(() => tiny.run(1))).toBe(2);
  });

  it("an id is unique while it lives", () => {
    const tiny = new Tiny();
    tiny.host.vmspaceCreate(7);
    expect(errnoOf(() => tiny.host.vmspaceCreate(7))).toBe(17);
    tiny.host.vmspaceDestroy(7);
    tiny.host.vmspaceCreate(7);
    expect(tiny.host.spaceCount).toBe(1);
  });

  it("mmap refuses what MAP_VPAGETABLE and MAP_FIXED may not be", () => {
    const { host, image } = new Tiny();
    host.vmspaceCreate(1);
    const vpt = MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE;
    const mmap = (addr: number, len: number, prot: number, flags: number, offset = 0) =>
      errnoOf(() => host.vmspaceMmap(1, addr, len, prot, flags, image, offset));
    expect(mmap(0, 4096, PROT_RW, vpt | MAP_STACK)).toBe(22);
    expect(mmap(0, 4096, PROT_READ, vpt)).toBe(22);
    expect(mmap(0, 0x8000_0000, PROT_RW, vpt)).toBe(22);
    expect(mmap(0x1001, 4096, PROT_RW, vpt)).toBe(22);
    expect(mmap(VM_MAX_USER_ADDRESS - 4096, 8192, PROT_RW, vpt)).toBe(22);
    expect(mmap(0, 4096, PROT_RW, vpt | MAP_ANON)).toBe(22);
    expect(mmap(0x1001, 4096, PROT_RW, vpt, 1)).toBe(0);
  });

  it("without MAP_FIXED a free place at or above the hint is found", () => {
    const { host, image } = new Tiny();
    host.vmspaceCreate(1);
    expect(host.vmspaceMmap(1, 0x1000, 0x3000, PROT_RW, MAP_SHARED, image, 0)).toBe(0x1000);
    expect(host.vmspaceMmap(1, 0x2000, 0x1000, PROT_RW, MAP_SHARED, image, 0)).toBe(0x4000);
    expect(
      errnoOf(() =>
        host.vmspaceMmap(1, 0x5000, VM_MAX_USER_ADDRESS & 0x7fff_ffff, PROT_RW, MAP_SHARED, image, 0),
      ),
    ).toBe(0);
    expect(errnoOf(() => host.vmspaceMmap(1, 0x8000_0000, 0x4000_0000, PROT_RW, MAP_SHARED, image, 0))).toBe(
      12,
    );
  });

  it("munmap: a hole or an end beyond the user limit is EINVAL, size 0 is success", () => {
    const { host, image } = new Tiny();
    host.vmspaceCreate(1);
    host.vmspaceMmap(1, 0x1000, 0x3000, PROT_RW, MAP_SHARED | MAP_FIXED, image, 0);
    expect(errnoOf(() => host.vmspaceMunmap(1, 0x1000, 0x4000))).toBe(22);
    expect(errnoOf(() => host.vmspaceMunmap(1, VM_MAX_USER_ADDRESS, 4096))).toBe(22);
    host.vmspaceMunmap(1, 0x1000, 0);
    expect(host.addressSpace(1).translate(0x2000, READ)).toBeGreaterThan(0);
    host.vmspaceMunmap(1, 0x2000, 0x1000);
    expect(host.addressSpace(1).translate(0x1000, READ)).toBeGreaterThan(0);
    expect(host.addressSpace(1).translate(0x2000, READ)).toBe(-1 - 4);
    expect(host.addressSpace(1).translate(0x3000, WRITE)).toBeGreaterThan(0);
  });

  it("mcontrol: behaviours out of range, SETMAP on a linear mapping", () => {
    const { host, image } = new Tiny();
    host.vmspaceCreate(1);
    host.vmspaceMmap(1, 0, 0x1000, PROT_RW, MAP_SHARED | MAP_FIXED, image, 0);
    expect(errnoOf(() => host.vmspaceMcontrol(1, 0, 4096, 12, 0))).toBe(22);
    expect(errnoOf(() => host.vmspaceMcontrol(1, 0, 4096, -1, 0))).toBe(22);
    expect(errnoOf(() => host.vmspaceMcontrol(1, 0, 4096, MADV_SETMAP, RW))).toBe(22);
    expect(errnoOf(() => host.vmspaceMcontrol(1, VM_MAX_USER_ADDRESS, 4096, MADV_INVAL, 0))).toBe(22);
    host.vmspaceMcontrol(1, 0, 0x4000, MADV_INVAL, 0);
  });

  it("a linear mapping ends where its image ends", () => {
    const tiny = new Tiny(64 * 4096);
    tiny.host.vmspaceCreate(1);
    tiny.host.vmspaceMmap(1, 0, 128 * 4096, PROT_RW, MAP_SHARED | MAP_FIXED, tiny.image, 0);
    expect(tiny.host.addressSpace(1).translate(63 * 4096, WRITE)).toBe(tiny.image.hostBase + 63 * 4096);
    expect(tiny.host.addressSpace(1).translate(64 * 4096, WRITE)).toBe(-1 - 6);
  });

  it("images take host pages until none is left", () => {
    const tiny = new Tiny();
    expect(errnoOf(() => tiny.host.createImage(4096))).toBe(12);
    expect(() => tiny.host.createImage(100)).toThrow(RangeError);
  });
});

describe("virtual page tables", () => {
  it("every access faults until MADV_SETMAP", () => {
    const { host, image } = new Tiny();
    host.vmspaceCreate(1);
    host.vmspaceMmap(1, 0, 0x1000_0000, PROT_RW, MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE, image, 0);
    expect(host.addressSpace(1).translate(DATA, READ)).toBe(-1 - 4);
  });

  it("walks as in the worked example: directory and table words get A, and M on a write (I-A/M)", () => {
    const tiny = new Tiny();
    const pdir = tiny.space(1);
    const data = tiny.page();
    tiny.map(pdir, DATA, data);
    const { u32 } = tiny.image;
    const pde = (pdir << 10) + (DATA >>> 22);
    const pte = tiny.pte(pdir, DATA);
    const space = tiny.host.addressSpace(1);
    expect(space.translate(DATA + 5, READ)).toBe(tiny.image.hostBase + data * 4096 + 5);
    expect(u32[pte]! & (VPTE_A | VPTE_M)).toBe(VPTE_A);
    expect(u32[pde]! & (VPTE_A | VPTE_M)).toBe(VPTE_A);
    space.translate(DATA + 5, WRITE);
    expect(u32[pte]! & (VPTE_A | VPTE_M)).toBe(VPTE_A | VPTE_M);
    expect(u32[pde]! & (VPTE_A | VPTE_M)).toBe(VPTE_A | VPTE_M);
  });

  it("a faulting access marks nothing", () => {
    const tiny = new Tiny();
    const pdir = tiny.space(1);
    tiny.map(pdir, DATA, tiny.page(), RO);
    expect(tiny.host.addressSpace(1).translate(DATA, WRITE)).toBe(-1 - 6);
    expect(tiny.image.u32[tiny.pte(pdir, DATA)]! & (VPTE_A | VPTE_M)).toBe(0);
  });

  it("a directory entry without W forbids writing below it", () => {
    const tiny = new Tiny();
    const pdir = tiny.space(1);
    tiny.map(pdir, DATA, tiny.page());
    const pde = (pdir << 10) + (DATA >>> 22);
    tiny.image.u32[pde] = tiny.image.u32[pde]! & ~VPTE_W;
    expect(tiny.host.addressSpace(1).translate(DATA, WRITE)).toBe(-1 - 6);
    expect(tiny.host.addressSpace(1).translate(DATA, READ)).toBeGreaterThan(0);
  });

  it("frames and tables beyond the image fault (I-VPT)", () => {
    const tiny = new Tiny();
    const pdir = tiny.space(1);
    tiny.map(pdir, DATA, tiny.image.npages);
    expect(tiny.host.addressSpace(1).translate(DATA, READ)).toBe(-1 - 4);
    tiny.image.u32[(pdir << 10) + (DATA >>> 22)] = (0xf_ffff << 12) | RW;
    expect(tiny.host.addressSpace(1).translate(DATA, READ)).toBe(-1 - 4);
  });

  it("PS ends the walk: a 4 MiB span, and a master entry that maps linearly", () => {
    const tiny = new Tiny();
    const pdir = tiny.space(1);
    tiny.image.u32[(pdir << 10) + 5] = (16 << 12) | RW | VPTE_PS;
    const space = tiny.host.addressSpace(1);
    expect(space.translate(5 * 0x40_0000 + 3 * 4096, READ)).toBe(tiny.image.hostBase + (16 + 3) * 4096);
    tiny.host.vmspaceMcontrol(1, 0, 0x4000_0000, MADV_SETMAP, (2 << 12) | VPTE_V | VPTE_R | VPTE_PS);
    expect(space.translate(7 * 4096, READ)).toBe(tiny.image.hostBase + 9 * 4096);
    expect(space.translate(7 * 4096, WRITE)).toBe(-1 - 6);
  });

  it("SETMAP applies to the clipped range only", () => {
    const tiny = new Tiny();
    const first = tiny.space(1);
    const second = tiny.page();
    tiny.map(first, 0x1000, 50);
    tiny.map(first, 0x10_0000, 51);
    tiny.map(second, 0x10_0000, 60);
    tiny.host.vmspaceMcontrol(1, 0x10_0000, 0x1000, MADV_SETMAP, (second << 12) | RW);
    const space = tiny.host.addressSpace(1);
    expect(space.translate(0x1000, READ)).toBe(tiny.image.hostBase + 50 * 4096);
    expect(space.translate(0x10_0000, READ)).toBe(tiny.image.hostBase + 60 * 4096);
  });
});
