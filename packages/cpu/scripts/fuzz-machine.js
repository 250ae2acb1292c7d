// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs cases of the differential fuzzer on a Cpu and describes how they end.
 * @module
 */
import { Cpu, FLAT_DATA, FS, GS, EXIT_BUDGET, EXIT_EXCEPTION, LockstepCpu, cpuAreaBytes } from "@vkernel/cpu";
import { MachineMemory, PageTableSpace, Translation } from "@vkernel/mmu";
import { PAGES, SEGMENTS, WINDOWS, assemble, baseImage, pageHash } from "./fuzz-program.js";

/** The first pages of a case hold its code. */
const CODE_PAGES = 2;
const BASE_WORDS = new Int32Array(baseImage().buffer);
const PTE_USER = 0x005;
const PTE_USER_WRITE = 0x007;
/** Instructions after which a case counts as endless; compiled code may overrun its budget and gets more. */
const BUDGET = 200_000;
const MARGIN = 50_000;
/** Selector of the first descriptor that a 64-bit kernel has for set_thread_area(); the second follows. */
const FIRST_SELECTOR = 0x63;
/** Arithmetic flags but AF, and DF. */
export const COMPARED_FLAGS = 0xcc5;

/** The tiers: how they are made, and how many instructions each run() gets. */
export const TIERS = [
  { name: "interpreter", options: { jit: { threshold: Infinity } }, slice: BUDGET, most: BUDGET },
  { name: "compiled", options: { jit: { threshold: 0 } }, slice: BUDGET + MARGIN, most: BUDGET + MARGIN },
  { name: "compiled, budget 1", options: { jit: { threshold: 0 } }, slice: 1, most: BUDGET + MARGIN },
  // Two spaces with the same mappings take turns: code that one of them writes is executed in the other.
  { name: "compiled, two spaces", options: { jit: { threshold: 0 } }, slice: 5, most: BUDGET + MARGIN, spaces: 2 },
];

/** The FXSAVE image that a case starts with. */
export function startFx({ xmm, fcw = 0x37f, mxcsr = 0x1f80 }) {
  const image = new Uint8Array(512);
  const view = new DataView(image.buffer);
  view.setUint16(0, fcw, true);
  view.setUint32(24, mxcsr, true);
  xmm.forEach((word, i) => view.setUint32(160 + 4 * i, word, true));
  return image;
}

export class FuzzMachine {
  #slice;
  #most;
  #fx = new Uint8Array(512);
  #image = new Int32Array(BASE_WORDS.length);

  constructor(tier) {
    this.#slice = tier.slice;
    this.#most = tier.most;
    const ramBytes = 0x4_0000;
    const { lockstep, spaces = 1 } = tier;
    const vcpus = lockstep === undefined ? 1 : 2;
    this.memory = new MachineMemory({ ramBytes, spaces: spaces + vcpus - 1, vcpus, cpuBytes: cpuAreaBytes(ramBytes, vcpus) });
    const { u32, ramBase } = this.memory;
    // Page 0 is the directory, then the tables, then the pages of the case.
    const first = 1 + WINDOWS.length;
    let tables = 1;
    for (const { at, pages, page, writable } of WINDOWS) {
      const pde = ramBase / 4 + (at >>> 22);
      if (u32[pde] === 0) u32[pde] = (tables++ << 12) | PTE_USER_WRITE;
      for (let i = 0; i < pages; i++) {
        const pte = (ramBase + (u32[pde] & ~0xfff)) / 4 + (((at >>> 12) + i) & 0x3ff);
        u32[pte] = ((first + page + i) << 12) | (writable ? PTE_USER_WRITE : PTE_USER);
      }
    }
    this.base = ramBase + first * 4096;
    const translation = new Translation(this.memory);
    const paging = { cr3: 0, user: true, wp: true, pse: false };
    this.spaces = Array.from({ length: spaces }, () => new PageTableSpace(translation, paging));
    this.cpu =
      lockstep === undefined
        ? new Cpu(this.memory, tier.options)
        : new LockstepCpu(this.memory, translation, { ...tier.options, interval: lockstep });
  }

  /** Whether all memory is 0 but for the page tables and the pages of the case. */
  restIsUntouched() {
    const { u32, ramBase, ramBytes } = this.memory;
    const first = (this.base + BASE_WORDS.length * 4) / 4;
    const end = (ramBase + ramBytes) / 4;
    for (let i = first; i < end; i++) if (u32[i] !== 0) return false;
    return true;
  }

  /** Whether the last case executed something outside its code pages: random data, whose undefined flags may be seen. */
  ranData() {
    const first = this.memory.hpnOf(this.base);
    return this.memory.codePages.subarray(first + CODE_PAGES, first + PAGES).some((holders) => holders !== 0);
  }

  /** Brings memory to the case's image; code that is there already stays compiled. */
  #load() {
    const image = this.#image;
    const words = this.memory.i32;
    const at = this.base / 4;
    for (let i = 0; i < image.length; i++) {
      if (words[at + i] === image[i]) continue;
      const first = i;
      while (i < image.length && words[at + i] !== image[i]) words[at + i] = image[i++];
      this.memory.memoryWritten(this.base + 4 * first, 4 * (i - first));
    }
  }

  /** Runs a case; returns its end, or null when it does not end. */
  run(test) {
    const { cpu, memory } = this;
    this.#image.set(BASE_WORDS);
    new Uint8Array(this.#image.buffer).set(assemble(test), test.ip & 0xffff);
    this.#load();
    for (let page = CODE_PAGES; page < PAGES; page++) cpu.invalidateCode(memory.hpnOf(this.base) + page);
    cpu.reset();
    cpu.restoreFx(startFx(test));
    SEGMENTS.forEach(({ base, limit }, i) => cpu.setSegment([FS, GS][i], { ...FLAT_DATA, selector: FIRST_SELECTOR + 8 * i, base, limit }));
    cpu.gpr.set(test.gpr.map((x) => x | 0));
    cpu.eflags = test.flags;
    cpu.eip = test.ip;
    const before = cpu.retired;
    let exit = EXIT_BUDGET;
    for (let turn = 0; exit === EXIT_BUDGET && cpu.retired - before < this.#most; turn++) {
      exit = cpu.run(this.spaces[turn % this.spaces.length], this.#slice);
    }
    if (exit === EXIT_BUDGET) return null;
    if (exit !== EXIT_EXCEPTION) throw new Error(`run() returned ${exit}`);
    cpu.saveFx(this.#fx);
    const words = memory.u32.subarray(this.base / 4);
    const pages = Array.from({ length: PAGES }, (_, i) => pageHash(words, i * 1024));
    const { vector } = cpu;
    return describe({
      vector,
      error: vector === 14 ? cpu.errorCode & 7 : vector === 13 ? cpu.errorCode & 0xffff : 0,
      cr2: vector === 14 ? cpu.cr2 : 0,
      eip: cpu.eip,
      flags: cpu.eflags,
      gpr: Array.from(cpu.gpr, (x) => x >>> 0),
      fx: this.#fx,
      pages,
    });
  }
}

/** An end as a record of named values that can be compared one by one. */
export function describe({ vector, error, cr2, eip, flags, gpr, fx, pages }) {
  const view = new DataView(fx.buffer, fx.byteOffset, fx.byteLength);
  const sw = view.getUint16(2, true);
  const end = { vector, error, cr2, eip, flags: flags & COMPARED_FLAGS };
  ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"].forEach((name, i) => (end[name] = gpr[i]));
  // TOP, stack fault and exceptions; the condition codes are undefined after most instructions.
  end.fcw = view.getUint16(0, true);
  end.fsw = sw & 0x387f;
  end.ftw = fx[4];
  end.mxcsr = view.getUint16(24, true);
  const top = (sw >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    const full = (fx[4] >> ((top + i) & 7)) & 1;
    end[`st${i}`] = full === 0 ? "empty" : Buffer.from(fx.subarray(32 + 16 * i, 42 + 16 * i)).toString("hex");
    end[`xmm${i}`] = Buffer.from(fx.subarray(160 + 16 * i, 176 + 16 * i)).toString("hex");
  }
  pages.forEach((hash, i) => (end[`page${i}`] = hash));
  return end;
}

/** What is different in two ends, as text; [] when nothing is. */
export function differences(a, b) {
  if (a === null || b === null) return a === b ? [] : ["one ends, the other does not"];
  const show = (x) => (typeof x === "number" ? `0x${x.toString(16)}` : x);
  return Object.keys(a)
    .filter((key) => a[key] !== b[key])
    .map((key) => `${key} ${show(a[key])} / ${show(b[key])}`);
}
