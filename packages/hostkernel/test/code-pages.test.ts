// SPDX-License-Identifier: BSD-3-Clause
/** Code that changes under a guest, and pages that no code may run from. */
import { ACCESS_READ } from "@vkernel/mmu";
import { describe, expect, it } from "vitest";
import {
  MADV_INVAL,
  MADV_SETMAP,
  MAP_FIXED,
  MAP_SHARED,
  MAP_VPAGETABLE,
  PGEX_I,
  PGEX_W,
  PROT_READ,
  PROT_WRITE,
  TF_EAX,
  TF_ECX,
  TF_EIP,
  TF_ERR,
  TF_TRAPNO,
  TF_XFLAGS,
  T_PAGEFLT,
  T_SYSCALL80,
  VPTE_X,
} from "../src/index.ts";
import { DATA, INT80, le32, loadEax, movEax, RO, RW, TEXT, Tiny } from "./tiny.ts";

describe("code that changes", () => {
  it("by the kernel, reported with written() (C2)", () => {
    const tiny = new Tiny();
    const { text } = tiny.program(1, [...movEax(1), ...INT80, 0xeb, 0xf7]);
    tiny.start();
    for (let i = 0; i < 3; i++) tiny.run(1);
    tiny.image.u8[text * 4096 + 1] = 42;
    tiny.image.written(text * 4096 + 1, 1);
    tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(42);
  });

  it("through a second mapping of the page (C1)", () => {
    const tiny = new Tiny();
    // mov eax,1; int 0x80; inc byte [alias+1]; jmp start
    const alias = DATA + 0x1000;
    const code = [...movEax(1), ...INT80, 0xfe, 0x05, ...le32(alias + 1), 0xeb, 0xf1];
    const { pdir, text } = tiny.program(1, code);
    tiny.map(pdir, alias, text);
    tiny.start();
    for (let i = 1; i <= 50; i++) {
      tiny.run(1);
      expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_EAX]]).toEqual([T_SYSCALL80, i]);
    }
  });

  it("when the page behind the address changes (C4)", () => {
    const tiny = new Tiny();
    const { pdir, text } = tiny.program(1, [...movEax(1), ...INT80, 0xeb, 0xf7]);
    const other = tiny.page();
    tiny.image.u8.copyWithin(other * 4096, text * 4096, text * 4096 + 4096);
    tiny.image.u8[other * 4096 + 1] = 9;
    tiny.image.written(other * 4096, 4096);
    tiny.start();
    for (let i = 0; i < 3; i++) tiny.run(1);
    tiny.map(pdir, TEXT, other, RO);
    tiny.host.vmspaceMcontrol(1, TEXT, 4096, MADV_INVAL, 0);
    tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(9);
  });
});

describe("code that changes, in worse places", () => {
  it("an instruction over a page border of which only the second page changes (C5)", () => {
    const tiny = new Tiny();
    // jmp to 3 bytes before the page's end; mov eax, imm32 has its last two bytes in the next page.
    const { pdir, text } = tiny.program(1, [0xe9, ...le32(4093 - 5)]);
    const second = tiny.page();
    tiny.map(pdir, TEXT + 4096, second, RO);
    tiny.image.u8.set([0xb8, 0x11, 0x22], text * 4096 + 4093);
    tiny.image.u8.set([0x33, 0x44, ...INT80], second * 4096);
    for (let i = 0; i < 5; i++) {
      tiny.start();
      tiny.run(1);
      expect(tiny.tf[TF_EAX]).toBe(0x4433_2211);
    }
    tiny.image.u8[second * 4096] = 0x77;
    tiny.image.written(second * 4096, 1);
    tiny.start();
    tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(0x4477_2211);
    // And the second page replaced by another.
    const third = tiny.page();
    tiny.image.u8.set([0x55, 0x66, ...INT80], third * 4096);
    tiny.map(pdir, TEXT + 4096, third, RO);
    tiny.host.vmspaceMcontrol(1, TEXT + 4096, 4096, MADV_INVAL, 0);
    tiny.start();
    tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(0x6655_2211);
  });

  it("by another space over shared memory (C3)", () => {
    const tiny = new Tiny();
    const { text } = tiny.program(1, [...movEax(1), ...INT80, 0xeb, 0xf7]);
    // Space 2 sees that text page as data and increments the immediate.
    const writer = tiny.program(2, [0xfe, 0x05, ...le32(DATA + 0x1000 + 1), ...INT80, 0xeb, 0xf6]);
    tiny.map(writer.pdir, DATA + 0x1000, text);
    const frames = [tiny.tf.slice(), tiny.tf.slice()];
    for (let round = 1; round <= 40; round++) {
      for (const [i, frame] of frames.entries()) {
        if (round === 1) tiny.start();
        else tiny.tf.set(frame);
        tiny.run(i + 1);
        frame.set(tiny.tf);
      }
      expect(frames[0]![TF_EAX]).toBe(round);
    }
  });

  it("a frame given to another as code (C6)", () => {
    const tiny = new Tiny();
    const { text } = tiny.program(1, [...movEax(1), ...INT80, 0xeb, 0xf7]);
    tiny.start();
    for (let i = 0; i < 5; i++) tiny.run(1);
    tiny.host.vmspaceDestroy(1);
    const pdir = tiny.space(2);
    tiny.image.u8.fill(0, text * 4096, text * 4096 + 4096);
    tiny.image.u8.set([...movEax(2), ...INT80], text * 4096);
    tiny.image.written(text * 4096, 4096);
    tiny.map(pdir, TEXT, text, RO);
    tiny.start();
    tiny.run(2);
    expect(tiny.tf[TF_EAX]).toBe(2);
  });

  it("a page that is unmapped faults at once in a loop that has run (B8)", () => {
    const tiny = new Tiny();
    const { pdir } = tiny.program(1, [...loadEax(DATA), 0x49, 0x75, 0xf8, ...INT80]);
    tiny.start();
    tiny.tf[TF_ECX] = 300_000;
    tiny.run(1);
    expect(tiny.tf[TF_TRAPNO]).toBe(T_SYSCALL80);
    tiny.map(pdir, DATA, 0, 0);
    tiny.host.vmspaceMcontrol(1, DATA, 4096, MADV_INVAL, 0);
    tiny.start();
    tiny.tf[TF_ECX] = 300_000;
    tiny.run(1);
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_ERR], tiny.tf[TF_ECX]]).toEqual([T_PAGEFLT, DATA, 300_000]);
  });

  it("20,000 spaces made, run and destroyed leave nothing behind (B23)", () => {
    const tiny = new Tiny();
    const { pdir } = tiny.program(1, INT80);
    const rights = (pdir << 12) | RW;
    for (let id = 2; id < 20_002; id++) {
      tiny.host.vmspaceCreate(id);
      tiny.host.vmspaceMmap(
        id,
        0,
        0x4000_0000,
        PROT_READ | PROT_WRITE,
        MAP_SHARED | MAP_FIXED | MAP_VPAGETABLE,
        tiny.image,
        0,
      );
      tiny.host.vmspaceMcontrol(id, 0, 0x4000_0000, MADV_SETMAP, rights);
      tiny.start();
      tiny.run(id);
      expect(tiny.tf[TF_TRAPNO]).toBe(T_SYSCALL80);
      tiny.host.vmspaceDestroy(id);
    }
    expect(tiny.host.spaceCount).toBe(1);
    expect(tiny.host.stats().evictions).toBe(0);
  });
});

describe("execute permission, where it is asked for", () => {
  const XRO = RO | VPTE_X;
  /** The page directory of the one program. */
  let PDIR = 0;
  const setup = (): Tiny => {
    const tiny = new Tiny();
    const { pdir, text } = tiny.program(1, [...movEax(7), ...INT80, 0xeb, 0xf7]);
    PDIR = pdir;
    tiny.host.vmspaceCheckExecute(1);
    for (const va of [TEXT, DATA]) tiny.image.u32[(pdir << 10) + (va >>> 22)]! |= VPTE_X;
    tiny.host.vmspaceMcontrol(1, 0, 0x4000_0000, MADV_SETMAP, (pdir << 12) | RW | VPTE_X);
    tiny.map(pdir, TEXT, text, XRO);
    tiny.start();
    return tiny;
  };

  it("code runs from pages with X; a jump to a page without is a fault with PGEX_I at its address", () => {
    const tiny = setup();
    tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(7);
    tiny.tf[TF_EIP] = DATA + 4;
    tiny.run(1);
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_ERR], tiny.tf[TF_EIP]]).toEqual([T_PAGEFLT, DATA + 4, DATA + 4]);
    expect(tiny.tf[TF_XFLAGS]! & (PGEX_I | PGEX_W)).toBe(PGEX_I);
  });

  it("reading such a page first does not make it executable", () => {
    const tiny = setup();
    expect(tiny.host.addressSpace(1).translate(DATA, 0)).toBeGreaterThan(0);
    tiny.tf[TF_EIP] = DATA;
    tiny.run(1);
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_ERR]]).toEqual([T_PAGEFLT, DATA]);
  });

  it("code that has run at one address is not entered through a mapping without X, which still reads it", () => {
    const tiny = setup();
    const text = tiny.image.u32[tiny.pte(PDIR, TEXT)]! >>> 12;
    tiny.map(PDIR, DATA, text, RO);
    const space = tiny.host.addressSpace(1);
    const other = tiny.space(2);
    tiny.host.vmspaceCheckExecute(2);
    tiny.host.vmspaceMcontrol(2, 0, 0x4000_0000, MADV_SETMAP, (other << 12) | RW | VPTE_X);
    tiny.map(other, TEXT, text, RO);
    tiny.image.u32[(other << 10) + (TEXT >>> 22)]! |= VPTE_X;
    // One mapping is read before the page has code, the other after.
    expect(space.translate(DATA, ACCESS_READ)).toBeGreaterThan(0);
    tiny.run(1);
    expect(tiny.tf[TF_EAX]).toBe(7);
    expect(tiny.host.addressSpace(2).translate(TEXT, ACCESS_READ)).toBe(space.translate(DATA, ACCESS_READ));
    for (const [id, va] of [
      [1, DATA],
      [2, TEXT],
    ] as const) {
      tiny.tf[TF_EIP] = va;
      tiny.run(id);
      expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_ERR], tiny.tf[TF_XFLAGS]! & PGEX_I]).toEqual([T_PAGEFLT, va, PGEX_I]);
    }
    tiny.tf[TF_EIP] = TEXT;
    tiny.tf[TF_EAX] = 0;
    tiny.run(1);
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_EAX]]).toEqual([T_SYSCALL80, 7]);
  });

  it("X taken away holds for code that has run; X given counts at once", () => {
    const tiny = setup();
    for (let i = 0; i < 5; i++) tiny.run(1);
    const pte = tiny.pte(PDIR, TEXT);
    tiny.image.u32[pte]! &= ~VPTE_X;
    tiny.image.written(tiny.image.u32[pte]! & ~0xfff, 4096);
    tiny.host.vmspaceMcontrol(1, TEXT, 4096, MADV_INVAL, 0);
    tiny.run(1);
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_XFLAGS]! & PGEX_I]).toEqual([T_PAGEFLT, PGEX_I]);
    tiny.image.u32[pte]! |= VPTE_X;
    tiny.run(1);
    expect([tiny.tf[TF_TRAPNO], tiny.tf[TF_EAX]]).toEqual([T_SYSCALL80, 7]);
  });
});
