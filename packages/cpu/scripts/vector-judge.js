// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs instruction vectors on a Cpu and compares the end state with what a processor left.
 *
 * The vector format, the memory image and the comparison rules are those of the vector files' own description: flat
 * segments at CPL 3, five windows of memory, the run ends with the first exception.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Cpu, EXIT_BUDGET, EXIT_EXCEPTION, GS, cpuAreaBytes } from "@vkernel/cpu";
import { MachineMemory, PageTableSpace, Translation } from "@vkernel/mmu";

const PTE_USER = 0x005;
const PTE_USER_WRITE = 0x007;
/** Window: linear address, bytes, page-table bits. */
const WINDOWS = [
  { at: 0x1000_0000, bytes: 0x2000, rights: PTE_USER_WRITE },
  { at: 0x2000_0000, bytes: 0x2000, rights: PTE_USER_WRITE },
  { at: 0x2000_3000, bytes: 0x1000, rights: PTE_USER },
  { at: 0x3000_0000, bytes: 0x1000, rights: PTE_USER_WRITE },
  { at: 0x0000_8000, bytes: 0x1000, rights: PTE_USER_WRITE },
];
const CODE_WINDOW = 0;
const FILL_SEED = 0x2545_f491;
const INT3 = 0xcc;
/** No vector runs longer; one that does has failed. The longest are LOOPs that start with ECX = 0: 2³² rounds. */
const BUDGET = 5_000_000_000;
const GS_SELECTOR = 0x33;
/**
 * NT and ID. The vectors were captured through signal frames, and a Linux sigreturn does not load these two: each vector
 * starts with what the one before it left. Only PUSHF can see the difference.
 */
const CARRIED_FLAGS = 0x20_4000;
const REGISTERS = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const ZERO80 = "0".repeat(20);
const ZERO128 = "0".repeat(32);
/** Largest relative error of FSIN and its kind in units of 2⁻⁶⁰. */
const TRANSCENDENTAL = 2 ** 10;

/** Reads a vector file: `{ head, vectors }`. */
export function readVectors(file) {
  const raw = readFileSync(file);
  const text = raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw).toString("utf8") : raw.toString("utf8");
  const [head, ...vectors] = text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  if (head?.format !== "i386-vectors") throw new Error(`${file}: not a vector file`);
  return { head, vectors };
}

function hexBytes(hex) {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

/** The windows' contents before a vector's code and pokes. */
function baseImage() {
  let x = FILL_SEED;
  return WINDOWS.map(({ bytes }, i) => {
    const image = new Uint8Array(bytes);
    if (i === CODE_WINDOW) return image.fill(INT3);
    const words = new DataView(image.buffer);
    for (let at = 0; at < bytes; at += 4) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      words.setInt32(at, x, true);
    }
    return image;
  });
}
const BASE = baseImage();

function poke(images, address, bytes) {
  const i = WINDOWS.findIndex(({ at, bytes: size }) => address >= at && address + bytes.length <= at + size);
  if (i < 0) throw new Error(`poke at 0x${address.toString(16)} lies outside the windows`);
  images[i].set(bytes, address - WINDOWS[i].at);
}

/** A machine with the windows mapped; runs one vector after the other. */
export class VectorMachine {
  #carried = 0;

  constructor(options = {}) {
    const ramBytes = 0x4_0000;
    this.memory = new MachineMemory({ ramBytes, spaces: 1, cpuBytes: cpuAreaBytes(ramBytes) });
    const translation = new Translation(this.memory);
    const { u32, ramBase } = this.memory;
    let next = 1;
    const directory = 0;
    this.hosts = WINDOWS.map(({ at, bytes, rights }) => {
      const pde = (ramBase + directory) / 4 + (at >>> 22);
      if (u32[pde] === 0) u32[pde] = (next++ << 12) | PTE_USER_WRITE;
      const host = ramBase + next * 4096;
      for (let page = 0; page < bytes / 4096; page++) {
        const pte = (ramBase + (u32[pde] & ~0xfff)) / 4 + (((at >>> 12) + page) & 0x3ff);
        u32[pte] = (next++ << 12) | rights;
      }
      return host;
    });
    this.space = new PageTableSpace(translation, { cr3: directory, user: true, wp: true, pse: false });
    this.cpu = new Cpu(this.memory, options);
  }

  /** Sets up vector `v`; returns the memory images before the run. */
  prepare(v) {
    const { cpu, memory } = this;
    const images = BASE.map((image) => image.slice());
    poke(images, v.ip, hexBytes(v.c));
    for (const [at, hex] of v.m ?? []) poke(images, at, hexBytes(hex));
    images.forEach((image, i) => {
      memory.u8.set(image, this.hosts[i]);
      memory.memoryWritten(this.hosts[i], image.length);
    });
    cpu.reset();
    cpu.gpr.set(v.r.map((x) => x | 0));
    cpu.eflags = v.f | this.#carried;
    cpu.eip = v.ip;
    if (v.gs !== undefined) {
      cpu.setSegment(GS, { selector: GS_SELECTOR, base: v.gs, limit: 0xffff_ffff, rights: 0xc0f3 });
    }
    if (v.fp !== undefined) this.cpu.restoreFx(fxImage(v.fp));
    return images;
  }

  /**
   * Runs vector `v` and returns what is wrong with the end state, [] when nothing is.
   *
   * @param slice instructions for each call of run(); small ones leave and enter compiled code at every place that allows it
   */
  run(v, slice = BUDGET) {
    const { cpu } = this;
    const images = this.prepare(v);
    let exit = EXIT_BUDGET;
    for (let left = BUDGET; left > 0 && exit === EXIT_BUDGET; left -= slice) exit = cpu.run(this.space, slice);
    this.#carried = cpu.eflags & CARRIED_FLAGS;
    if (exit !== EXIT_EXCEPTION) return [`run ended with exit ${exit} at ${hex(cpu.eip)}`];
    const faults = compareCore(v, cpu);
    for (const [at, h] of v.o.m ?? []) poke(images, at, hexBytes(h));
    faults.push(...this.#compareMemory(v, images));
    if (v.o.fp !== undefined) faults.push(...compareFloat(v, readFx(cpu)));
    return faults;
  }

  #compareMemory(v, images) {
    const faults = [];
    const ignored = (a) => (v.o.mx ?? []).some(([at, n]) => a >= at && a < at + n);
    images.forEach((want, i) => {
      const have = this.memory.u8.subarray(this.hosts[i], this.hosts[i] + want.length);
      if (Buffer.compare(want, have) === 0) return;
      let told = 0;
      for (let k = 0; k < want.length && told < 4; k++) {
        const a = WINDOWS[i].at + k;
        if (have[k] === want[k] || ignored(a)) continue;
        told++;
        faults.push(`[${hex(a)}] is ${hex(have[k])}, expected ${hex(want[k])}`);
      }
    });
    return faults;
  }
}

function hex(n) {
  return `0x${(n >>> 0).toString(16)}`;
}

function compareCore(v, cpu) {
  const { o } = v;
  const faults = [];
  if (cpu.vector !== o.v) faults.push(`exception ${cpu.vector}, expected ${o.v}`);
  const error = o.v === 14 ? cpu.errorCode & 7 : cpu.errorCode >>> 0;
  if (o.e !== undefined && error !== o.e) faults.push(`error code ${hex(error)}, expected ${hex(o.e)}`);
  if (o.a !== undefined && cpu.cr2 !== o.a)
    faults.push(`fault address ${hex(cpu.cr2)}, expected ${hex(o.a)}`);
  if (cpu.eip !== o.ip) faults.push(`eip ${hex(cpu.eip)}, expected ${hex(o.ip)}`);
  const flags = (cpu.eflags & o.fm) >>> 0;
  if (flags !== o.f) faults.push(`eflags ${hex(flags)}, expected ${hex(o.f)} under ${hex(o.fm)}`);
  const want = v.r.slice();
  for (const [i, x] of o.r ?? []) want[i] = x;
  want.forEach((x, i) => {
    if (cpu.gpr[i] >>> 0 !== x) faults.push(`${REGISTERS[i]} ${hex(cpu.gpr[i])}, expected ${hex(x)}`);
  });
  return faults;
}

// ------------------------------------------------------------ floating point

/** Bytes of a register given as hex with the most significant digit first. */
function registerBytes(h) {
  return hexBytes(h).reverse();
}
function registerHex(bytes) {
  return Buffer.from(bytes).reverse().toString("hex");
}

/** The FXSAVE image of a vector's start state. Registers stand there by stack position, in the vector by number. */
function fxImage(fp) {
  const image = new Uint8Array(512);
  const d = new DataView(image.buffer);
  d.setUint16(0, fp.cw, true);
  d.setUint16(2, fp.sw, true);
  image[4] = fp.tw;
  d.setUint32(24, fp.mx, true);
  const top = (fp.sw >> 11) & 7;
  for (let i = 0; i < 8; i++) {
    image.set(registerBytes(fp.st?.[(top + i) & 7] ?? ZERO80), 32 + 16 * i);
    image.set(registerBytes(fp.x?.[i] ?? ZERO128), 160 + 16 * i);
  }
  return image;
}

function readFx(cpu) {
  const image = new Uint8Array(512);
  cpu.saveFx(image);
  const d = new DataView(image.buffer);
  const sw = d.getUint16(2, true);
  const top = (sw >> 11) & 7;
  const st = [];
  for (let i = 0; i < 8; i++) st[(top + i) & 7] = registerHex(image.subarray(32 + 16 * i, 42 + 16 * i));
  return {
    cw: d.getUint16(0, true),
    sw,
    tw: image[4],
    mx: d.getUint32(24, true),
    st,
    x: Array.from({ length: 8 }, (_, i) => registerHex(image.subarray(160 + 16 * i, 176 + 16 * i))),
  };
}

/** Relative distance of two 80-bit numbers in units of 2⁻⁶⁰. */
function distance80(a, b) {
  const parse = (h) => {
    const se = Number.parseInt(h.slice(0, 4), 16);
    return { negative: (se & 0x8000) !== 0, exponent: se & 0x7fff, mantissa: BigInt(`0x${h.slice(4)}`) };
  };
  const x = parse(a);
  const y = parse(b);
  if (x.exponent === 0 && x.mantissa === 0n && y.exponent === 0 && y.mantissa === 0n) return 0;
  if (x.exponent === 0x7fff || y.exponent === 0x7fff) return a === b ? 0 : Infinity;
  const top = Math.max(x.exponent, y.exponent);
  const scaled = (n) =>
    ((n.negative ? -1n : 1n) * (n.mantissa << 16n)) >> BigInt(Math.min(top - n.exponent, 200));
  const d = scaled(x) - scaled(y);
  return Number(d < 0n ? -d : d) / 2 ** 19;
}
/** Whether RCPPS or RSQRTPS are within 3·2⁻¹² of the expected values. */
function nearlyEqual32(have, want) {
  const value = (h) => {
    const d = new DataView(new ArrayBuffer(4));
    d.setUint32(0, Number.parseInt(h, 16));
    return d.getFloat32(0);
  };
  for (let k = 0; k < 32; k += 8) {
    const a = value(have.slice(k, k + 8));
    const b = value(want.slice(k, k + 8));
    if (!(Math.abs(a - b) <= Math.abs(b) * 3 * 2 ** -12)) return false;
  }
  return true;
}

function compareFloat(v, have) {
  const faults = [];
  const want = v.o.fp;
  const before = v.fp ?? { cw: 0x37f, tw: 0, mx: 0x1f80 };
  const cw = want.cw ?? before.cw;
  const tw = want.tw ?? before.tw;
  if (have.cw !== cw) faults.push(`fpu control ${hex(have.cw)}, expected ${hex(cw)}`);
  if ((have.sw & want.swm) !== want.sw)
    faults.push(`fpu status ${hex(have.sw)}, expected ${hex(want.sw)} under ${hex(want.swm)}`);
  if (have.tw !== tw) faults.push(`fpu tags ${hex(have.tw)}, expected ${hex(tw)}`);
  const mx = want.mx === undefined ? before.mx : want.mx;
  if (mx !== null && (have.mx & 0xffff) !== mx) faults.push(`mxcsr ${hex(have.mx)}, expected ${hex(mx)}`);
  const st = (before.st ?? Array(8).fill(ZERO80)).slice();
  for (const [i, x] of want.st ?? []) st[i] = x;
  const x = (before.x ?? Array(8).fill(ZERO128)).slice();
  for (const [i, value] of want.x ?? []) x[i] = value;
  for (let i = 0; i < 8; i++) {
    if (((tw >> i) & 1) === 1 && have.st[i] !== st[i]) {
      const far = v.o.tol === "x87t" ? distance80(have.st[i], st[i]) : Infinity;
      if (far > TRANSCENDENTAL) faults.push(`R${i} ${have.st[i]}, expected ${st[i]}`);
    }
    if (have.x[i] !== x[i] && !(v.o.tol === "rcp" && nearlyEqual32(have.x[i], x[i]))) {
      faults.push(`xmm${i} ${have.x[i]}, expected ${x[i]}`);
    }
  }
  return faults;
}
