// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs cases of the differential fuzzer on a Cpu and describes how they end.
 * @module
 */
import { Cpu, EXIT_BUDGET, EXIT_EXCEPTION, LockstepCpu, cpuAreaBytes } from "@vkernel/cpu";
import { MachineMemory, PageTableSpace, Translation } from "@vkernel/mmu";
import { PAGES, WINDOWS, assemble, baseImage, pageHash } from "./fuzz-program.js";

const BASE = baseImage();
const PTE_USER = 0x005;
const PTE_USER_WRITE = 0x007;
/** Instructions after which a case counts as endless; compiled code may overrun its budget and gets more. */
const BUDGET = 200_000;
const MARGIN = 50_000;
/** Arithmetic flags but AF, and DF. */
export const COMPARED_FLAGS = 0xcc5;

/** The tiers: how they are made, and how many instructions each run() gets. */
export const TIERS = [
  { name: "interpreter", options: { jit: { threshold: Infinity } }, slice: BUDGET, most: BUDGET },
  { name: "compiled", options: { jit: { threshold: 0 } }, slice: BUDGET + MARGIN, most: BUDGET + MARGIN },
  { name: "compiled, budget 1", options: { jit: { threshold: 0 } }, slice: 1, most: BUDGET + MARGIN },
];

/** The FXSAVE image that every case starts with, but for its XMM registers. */
export function startFx(xmm) {
  const image = new Uint8Array(512);
  const view = new DataView(image.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(24, 0x1f80, true);
  xmm.forEach((word, i) => view.setUint32(160 + 4 * i, word, true));
  return image;
}

export class FuzzMachine {
  #slice;
  #most;
  #fx = new Uint8Array(512);

  constructor(tier) {
    this.#slice = tier.slice;
    this.#most = tier.most;
    const ramBytes = 0x4_0000;
    const { lockstep } = tier;
    const vcpus = lockstep === undefined ? 1 : 2;
    this.memory = new MachineMemory({ ramBytes, spaces: vcpus, vcpus, cpuBytes: cpuAreaBytes(ramBytes, vcpus) });
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
    this.space = new PageTableSpace(translation, { cr3: 0, user: true, wp: true, pse: false });
    this.cpu =
      lockstep === undefined
        ? new Cpu(this.memory, tier.options)
        : new LockstepCpu(this.memory, translation, { ...tier.options, interval: lockstep });
  }

  /** Runs a case; returns its end, or null when it does not end. */
  run(test) {
    const { cpu, memory } = this;
    memory.u8.set(BASE, this.base);
    memory.u8.set(assemble(test), this.base + (test.ip & 0xffff));
    memory.memoryWritten(this.base, BASE.length);
    cpu.reset();
    cpu.restoreFx(startFx(test.xmm));
    cpu.gpr.set(test.gpr.map((x) => x | 0));
    cpu.eflags = test.flags;
    cpu.eip = test.ip;
    const before = cpu.retired;
    let exit = EXIT_BUDGET;
    while (exit === EXIT_BUDGET && cpu.retired - before < this.#most) exit = cpu.run(this.space, this.#slice);
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
