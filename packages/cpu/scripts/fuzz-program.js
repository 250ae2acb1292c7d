// SPDX-License-Identifier: BSD-3-Clause
/**
 * Random IA-32 programs for the differential fuzzer, as lists of items that can be assembled, cut and assembled again.
 *
 * Invariants
 *   FZ1  Equal seeds make equal programs.
 *   FZ2  An instruction that leaves a flag undefined is one item with a register comparison behind it, so no undefined flag is
 *        ever seen; but AF, which logical instructions leave undefined, is seen by nobody and left out of the comparison.
 *   FZ3  Code written through another mapping of its page is followed by CPUID, as SDM vol. 3A §8.1.3 demands of software;
 *        code written through its own address by nothing.
 *   FZ4  Loops count in ECX, which nothing else in them writes, so programs end.
 *
 * @module
 */

import { KINDS, KINDS_WEIGHT } from "./fuzz-kinds.js";

/** Windows of the address space; `page` is the page of memory a window starts with, so equal numbers are aliases. */
export const WINDOWS = [
  { at: 0x1000_0000, pages: 2, page: 0, writable: true },
  { at: 0x1800_0000, pages: 2, page: 0, writable: true },
  { at: 0x2000_0000, pages: 2, page: 2, writable: true },
  { at: 0x2000_3000, pages: 1, page: 4, writable: false },
  { at: 0x3000_0000, pages: 1, page: 5, writable: true },
];
export const PAGES = 6;
/** Segments behind FS and GS: where they begin and their last byte. */
export const SEGMENTS = [
  { base: 0x2000_0000, limit: 0xffff_ffff },
  { base: 0x2000_0800, limit: 0xfff },
];
const CODE = 0x1000_0000;
const ALIAS = 0x0800_0000;
const DATA = 0x2000_0000;
const READ_ONLY = 0x2000_3000;
const STACK_TOP = 0x3000_0800;
const CODE_BYTES = 0x1800;

const EAX = 0;
const ECX = 1;
const EDX = 2;
/** Of a hundred items, how many are of the kinds in fuzz-kinds.js. */
const OTHER_SHARE = 45;
/** Registers that hold no pointer and no loop counter. */
const FREE = [EAX, EDX];
const POINTERS = [3, 5, 6, 7];

export class Random {
  #s;
  constructor(seed) {
    this.#s = (Math.imul(seed, 0x9e37_79b1) ^ 0x5bd1_e995) | 0;
    for (let i = 0; i < 4; i++) this.next();
  }
  /** 32 bits. */
  next() {
    this.#s = (this.#s + 0x6d2b_79f5) | 0;
    let t = Math.imul(this.#s ^ (this.#s >>> 15), this.#s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
  below(n) {
    return this.next() % n;
  }
  chance(percent) {
    return this.below(100) < percent;
  }
  pick(list) {
    return list[this.below(list.length)];
  }
  /** A number as programs have them: small, a power of two, an edge, or anything. */
  value() {
    switch (this.below(6)) {
      case 0:
        return this.below(16);
      case 1:
        return (1 << this.below(32)) >>> 0;
      case 2:
        return this.pick([0, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000, 0xff, 0x80, 0x7f, 0xffff, 0x8000]);
      case 3:
        return -this.below(200) >>> 0;
      default:
        return this.next();
    }
  }
}

function le32(n) {
  return [n & 255, (n >>> 8) & 255, (n >>> 16) & 255, (n >>> 24) & 255];
}

class Generator {
  #r;
  #id = 0;
  #inLoop = false;
  items = [];
  /** What fuzz-kinds.js makes its items from. */
  #maker;

  constructor(r) {
    this.#r = r;
    const inLoop = () => this.#inLoop;
    this.#maker = {
      r,
      memory: (reg) => this.#memory(reg),
      aligned: (reg) => this.#aligned(reg),
      operand: (reg, rm) => this.#operand(reg, rm),
      define: () => this.#define(),
      source: () => this.#source(),
      free: () => r.pick(FREE),
      get inLoop() {
        return inLoop();
      },
    };
  }

  /** Adds an item: bytes, and places in them that depend on where other items lie. */
  #add(bytes, fixes = [], more = {}) {
    const item = { id: this.#id++, bytes, fixes, ...more };
    this.items.push(item);
    return item;
  }

  #register() {
    const r = this.#r;
    if (r.chance(4)) return r.pick(POINTERS);
    return r.chance(15) && !this.#inLoop ? ECX : r.pick(FREE);
  }
  /** A byte register that is no part of ECX or a pointer. */
  #byteRegister() {
    return this.#r.pick([0, 2, 4, 6]);
  }
  #source() {
    return this.#r.pick([0, 1, 2, 3, 5, 6, 7]);
  }

  /** Where a memory operand may lie: mostly plain, sometimes across pages, on the edge of a hole, read-only, or nowhere. */
  #address() {
    const r = this.#r;
    switch (r.below(24)) {
      case 0:
        return DATA + 0x1000 - 1 - r.below(15);
      case 1:
        return r.chance(40) ? DATA + 0x2000 - 1 - r.below(15) : DATA + r.below(0x1f00);
      case 2:
        return r.chance(30) ? READ_ONLY + r.below(0xff0) : DATA + r.below(0x1f00);
      case 3:
        return r.chance(15) ? DATA + 0x2000 + r.below(0x1000) : DATA + r.below(0x1f00);
      case 4:
        return r.chance(20) ? READ_ONLY - 1 - r.below(3) : DATA + r.below(0x1f00);
      case 5:
        return STACK_TOP + r.below(0x100);
      default:
        return DATA + r.below(8) * 64 + r.below(64);
    }
  }

  /** ModRM (and what follows it) of a memory operand. */
  #memory(reg) {
    const r = this.#r;
    const field = (reg & 7) << 3;
    const base = r.pick(POINTERS);
    switch (r.below(5)) {
      case 0:
        return [0x40 | field | base, r.below(256)];
      case 1:
        return [0x44 | field, 0x20 | base, r.below(128)];
      case 2:
        return r.chance(30)
          ? [0x44 | field, (r.below(4) << 6) | (ECX << 3) | base, r.below(128)]
          : [0x80 | field | base, ...le32(r.below(0x400))];
      default:
        return [0x05 | field, ...le32(this.#address())];
    }
  }
  #aligned(reg) {
    return [0x05 | ((reg & 7) << 3), ...le32(this.#r.chance(4) ? this.#address() : DATA + 16 * this.#r.below(0x1f0))];
  }
  #operand(reg, rm) {
    return this.#r.chance(45) ? this.#memory(reg) : [0xc0 | ((reg & 7) << 3) | rm];
  }
  /** Compares two registers: defines all flags. */
  #define() {
    return [0x39, 0xc0 | (this.#source() << 3) | this.#source()];
  }

  // ------------------------------------------------------------ kinds of items

  #alu() {
    const r = this.#r;
    const op = r.below(8) << 3;
    const prefix = r.chance(15) ? [0x66] : [];
    switch (r.below(5)) {
      case 0:
        return this.#add([...prefix, op | 3, ...this.#operand(this.#register(), this.#source())].flat());
      case 1:
        return this.#add([...prefix, op | 1, ...this.#memory(this.#source())]);
      case 2: {
        const rm = op === 0x38 ? this.#source() : this.#register();
        const at = 2;
        return this.#add([0x81, 0xc0 | op | rm, ...le32(r.value())], [], { patch: at });
      }
      case 3:
        return this.#add([op | r.pick([0, 2]), 0xc0 | (this.#byteRegister() << 3) | this.#byteRegister()]);
      default:
        return this.#add([0x83, ...this.#memory(op >> 3), r.below(256)]);
    }
  }
  #move() {
    const r = this.#r;
    switch (r.below(9)) {
      case 0:
        return this.#add([0xb8 | this.#register(), ...le32(r.value())], [], { patch: 1 });
      case 1:
        return this.#add([r.chance(20) ? 0x88 : 0x89, ...this.#memory(r.pick([0, 1, 2, 3]))]);
      case 2:
        return this.#add([0x8b, ...this.#operand(r.pick(FREE), this.#source())]);
      case 3:
        return this.#add([0x0f, r.pick([0xb6, 0xb7, 0xbe, 0xbf]), ...this.#operand(r.pick(FREE), this.#source())]);
      case 4:
        return this.#add([0x8d, ...this.#memory(r.pick(FREE))]);
      case 5:
        return this.#add([0x0f, 0x40 | r.below(16), ...this.#operand(r.pick(FREE), this.#source())]);
      case 6:
        return this.#add([0x0f, 0x90 | r.below(16), ...(r.chance(50) ? this.#memory(0) : [0xc0 | this.#byteRegister()])]);
      case 7:
        return this.#add([r.chance(50) ? 0x87 : 0x86, ...this.#memory(r.pick([0, 2]))]);
      default:
        return this.#add([0xc7, ...this.#memory(0), ...le32(r.value())]);
    }
  }
  #unary() {
    const r = this.#r;
    switch (r.below(5)) {
      case 0:
        return this.#add([(r.chance(50) ? 0x40 : 0x48) | r.pick(FREE)], [], { patch: 0, opcode: true });
      case 1:
        return this.#add([0xf7, ...this.#operand(r.pick([2, 3]), r.pick(FREE))]);
      case 2:
        return this.#add([0xff, ...this.#memory(r.below(2))]);
      case 3:
        return this.#add([r.pick([0x98, 0x99, 0xf5, 0xf8, 0xf9])]);
      default:
        return this.#add([0x0f, 0xc8 | r.pick(FREE)]);
    }
  }
  #undefinedFlags() {
    const r = this.#r;
    const tail = this.#define();
    switch (r.below(8)) {
      case 0:
        return this.#add([0xd3, ...this.#operand(r.below(8), r.pick(FREE)), ...tail]);
      case 1:
        return this.#add([r.chance(30) ? 0xc0 : 0xc1, 0xc0 | (r.below(8) << 3) | r.pick(FREE), r.below(40), ...tail]);
      case 2:
        return this.#add([0xf7, ...this.#operand(r.pick([4, 5]), this.#source()), ...tail]);
      case 3:
        return this.#add([0x0f, 0xaf, ...this.#operand(r.pick(FREE), this.#source()), ...tail]);
      case 4:
        return this.#add([0xf7, ...this.#operand(r.pick([6, 7]), this.#source()), ...tail]);
      case 5:
        return this.#add([0x0f, r.pick([0xa4, 0xac]), 0xc0 | (this.#source() << 3) | r.pick(FREE), r.below(32), ...tail]);
      case 6: {
        const kind = r.pick([0xa3, 0xab, 0xb3, 0xbb]);
        return this.#add([0x0f, kind, 0xc0 | (this.#source() << 3) | r.pick(FREE), ...tail]);
      }
      default:
        return this.#add([0x0f, r.pick([0xbc, 0xbd]), ...this.#operand(r.pick(FREE), this.#source()), ...tail]);
    }
  }
  #stack() {
    const r = this.#r;
    switch (r.below(7)) {
      case 0:
        return this.#add([0x50 | this.#source()]);
      case 1:
        return this.#add([0x58 | r.pick(FREE)]);
      case 2:
        return this.#add([0x68, ...le32(r.value())], [], { patch: 1 });
      case 3:
        return this.#add([0xff, ...this.#memory(6)]);
      case 4:
        return this.#add([...this.#define(), 0x9c]);
      case 5:
        return this.#add([0x68, ...le32((r.next() & 0x8d5) | (r.chance(30) ? 0x400 : 0)), 0x9d]);
      default:
        return this.#add([0x60, 0x58, 0x58]);
    }
  }
  #string() {
    const r = this.#r;
    const op = r.pick([0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xad, 0xa6, 0xa7, 0xae, 0xaf]);
    if (this.#inLoop) return this.#add([op]);
    const prefix = r.chance(50) ? [0xb9, ...le32(r.below(40)), r.pick([0xf2, 0xf3])] : [];
    const compares = [0xa6, 0xa7, 0xae, 0xaf].includes(op);
    const rep = compares ? prefix : [...prefix.slice(0, -1), 0xf3];
    return this.#add([...(r.chance(60) ? [0xfc] : []), ...(prefix.length === 0 ? [] : rep), op]);
  }
  #vector() {
    const r = this.#r;
    const reg = r.below(8);
    const rm = [0xc0 | (reg << 3) | r.below(8)];
    const operand = r.chance(40) ? this.#aligned(reg) : rm;
    switch (r.below(7)) {
      case 0: {
        const ops = [0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d];
        return this.#add([0x66, 0x0f, r.pick(ops), ...operand]);
      }
      case 1: {
        const ops = [0xd1, 0xd4, 0xd5, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe3, 0xe4, 0xe5, 0xe8, 0xe9];
        return this.#add([0x66, 0x0f, r.pick(ops), ...operand]);
      }
      case 2: {
        const ops = [0xea, 0xeb, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xf5, 0xf6, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe];
        return this.#add([0x66, 0x0f, r.pick(ops), ...operand]);
      }
      case 3:
        return this.#add([0x66, 0x0f, 0x70, ...rm, r.below(256)]);
      case 4:
        return this.#add([...r.pick([[0xf3], [0x66]]), 0x0f, r.pick([0x6f, 0x7f]), ...this.#memory(reg)]);
      case 5:
        return this.#add([0x66, 0x0f, r.pick([0x6e, 0x7e]), 0xc0 | (reg << 3) | r.pick(FREE)]);
      default:
        return this.#add([
          ...r.pick([[], [0x66], [0xf2], [0xf3]]),
          0x0f,
          r.pick([0x51, 0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f]),
          ...rm,
        ]);
    }
  }
  #floating() {
    const r = this.#r;
    const memory = [0x05, ...le32(DATA + 8 * r.below(64))];
    const withDigit = (digit) => [memory[0] | (digit << 3), ...memory.slice(1)];
    switch (r.below(6)) {
      case 0:
        return this.#add([0xdb, ...withDigit(0)]);
      case 1:
        return this.#add([0xd9, r.pick([0xe8, 0xeb, 0xee, 0xe9, 0xec])]);
      case 2:
        return this.#add([r.pick([0xd8, 0xdc]), 0xc0 | (r.pick([0, 1, 4, 5, 6, 7]) << 3) | r.below(3)]);
      case 3:
        return this.#add([0xd9, r.pick([0xe0, 0xe1, 0xc9, 0xca, 0xfa, 0xfc])]);
      case 4:
        return this.#add([r.pick([0xd9, 0xdd]), ...withDigit(r.pick([2, 3]))]);
      default:
        return this.#add([0xdd, ...withDigit(0)]);
    }
  }

  /** Overwrites an immediate or an opcode of another item, before or behind, near or far, directly or through the alias. */
  #modify() {
    const r = this.#r;
    const alias = r.chance(35);
    const fence = alias ? [0x60, 0x0f, 0xa2, 0x61] : [];
    const item = this.#add([], [], { modify: { alias, choice: r.next() } });
    const value = r.value();
    switch (r.below(3)) {
      case 0: // mov dword [target], imm32
        item.bytes = [0xc7, 0x05, 0, 0, 0, 0, ...le32(value), ...fence];
        item.fixes = [{ at: 2, kind: "abs" }];
        break;
      case 1: // add dword [target], imm8
        item.bytes = [0x83, 0x05, 0, 0, 0, 0, r.below(128), ...fence];
        item.fixes = [{ at: 2, kind: "abs" }];
        break;
      default: // mov [target], eax or edx
        item.bytes = [0x89, 0x05 | (r.pick(FREE) << 3), 0, 0, 0, 0, ...fence];
        item.fixes = [{ at: 2, kind: "abs" }];
    }
    item.opcodeBytes = [0xc6, 0x05, 0, 0, 0, 0, r.pick([0x40, 0x42, 0x48, 0x4a]), ...fence];
  }

  /** A place in a later item, chosen when all are there. */
  #forward() {
    return { later: 1 + this.#r.below(6) };
  }
  #branch() {
    const r = this.#r;
    const to = this.#forward();
    if (r.chance(80)) this.#add([0x0f, 0x80 | r.below(16), 0, 0, 0, 0], [{ at: 2, kind: "rel", to }]);
    else this.#add([0xe9, 0, 0, 0, 0], [{ at: 1, kind: "rel", to }]);
  }
  #call() {
    const r = this.#r;
    const skip = { id: 0 };
    const entry = { id: 0 };
    if (r.chance(40)) {
      // mov eax, entry; call eax
      this.#add([0xb8, 0, 0, 0, 0, 0xff, 0xd0], [{ at: 1, kind: "abs", to: entry }]);
    } else this.#add([0xe8, 0, 0, 0, 0], [{ at: 1, kind: "rel", to: entry }]);
    this.#add([0xe9, 0, 0, 0, 0], [{ at: 1, kind: "rel", to: skip }]);
    entry.id = this.#id;
    this.#body(1 + r.below(4));
    this.#add(r.chance(70) ? [0xc3] : [0xc2, 4 * r.below(3), 0]);
    skip.id = this.#id;
    this.#add([0x90]);
  }
  #loop() {
    const r = this.#r;
    const counter = this.#add([0xb9, 0, 0, 0, 0]);
    const top = { id: this.#id };
    this.#inLoop = true;
    this.#body(1 + r.below(8));
    this.#inLoop = false;
    // Every round of a loop that modifies code compiles it anew.
    const modifies = this.items.some((item) => item.id >= top.id && item.modify !== undefined);
    const rounds = 1 + r.below(modifies ? 5 : r.chance(20) ? 200 : 12);
    counter.bytes = [0xb9, ...le32(rounds)];
    this.#add([0x49, 0x0f, 0x85, 0, 0, 0, 0], [{ at: 3, kind: "rel", to: top }]);
  }
  #pointer() {
    const r = this.#r;
    this.#add([0xb8 | r.pick(POINTERS), ...le32(this.#address())]);
  }

  /** An item of the kinds beside the plain ones. */
  #other() {
    let k = this.#r.below(KINDS_WEIGHT);
    for (const [weight, make] of KINDS) if ((k -= weight) < 0) return this.#add(make(this.#maker));
    throw new Error("weights do not add up");
  }

  #body(n) {
    const r = this.#r;
    for (let i = 0; i < n; i++) {
      if (r.chance(OTHER_SHARE)) {
        this.#other();
        continue;
      }
      const k = r.below(100);
      if (k < 22) this.#alu();
      else if (k < 42) this.#move();
      else if (k < 50) this.#unary();
      else if (k < 59) this.#undefinedFlags();
      else if (k < 66) this.#stack();
      else if (k < 70) this.#string();
      else if (k < 77) this.#vector();
      else if (k < 80) this.#floating();
      else if (k < 87) this.#modify();
      else if (k < 94) this.#branch();
      else this.#pointer();
    }
  }

  program() {
    const r = this.#r;
    const parts = 1 + r.below(5);
    for (let i = 0; i < parts; i++) {
      const k = r.below(10);
      if (k < 4) this.#loop();
      else if (k < 6) this.#call();
      else this.#body(2 + r.below(10));
    }
    const { items } = this;
    const targets = items.filter((x) => x.patch !== undefined);
    for (const [i, item] of items.entries()) {
      for (const fix of item.fixes) {
        if (fix.to?.later !== undefined) fix.to = { id: items[Math.min(i + fix.to.later, items.length - 1)].id };
      }
      if (item.modify === undefined) continue;
      // Near targets more often than others: in the same block, or the very next instruction.
      const near = targets.filter((t) => Math.abs(t.id - item.id) < 4);
      const list = near.length > 0 && item.modify.choice & 1 ? near : targets;
      if (list.length === 0) {
        item.bytes = [0x90];
        item.fixes = [];
        continue;
      }
      const target = list[(item.modify.choice >>> 1) % list.length];
      if (target.opcode) item.bytes = item.opcodeBytes;
      item.fixes[0].to = { id: target.id };
      item.fixes[0].plus = target.patch + (item.modify.alias ? ALIAS : 0);
    }
    return items;
  }
}

/** The case of a seed: items, start address and start registers. */
export function makeCase(seed) {
  const r = new Random(seed);
  const items = new Generator(r).program();
  // One in three stands across the two code pages.
  const ip = r.chance(33) ? CODE + 0x1000 - 1 - r.below(60) : CODE + r.below(64);
  const pointer = () => DATA + (r.chance(12) ? 0x1000 - r.below(24) : 64 + 4 * r.below(0x100));
  const gpr = [r.value(), r.value(), r.value(), pointer(), STACK_TOP, pointer(), pointer(), pointer()];
  const xmm = Array.from({ length: 32 }, () => (r.chance(50) ? 0x3f80_0000 + (r.next() >>> 9) : r.next()));
  const flags = 0x202 | (r.next() & 0x8d5);
  // Rounding, precision, and now and then an unmasked exception.
  const fcw = r.chance(50) ? 0x37f : 0x40 | (r.chance(15) ? r.below(64) : 0x3f) | (r.pick([0, 2, 3]) << 8) | (r.below(4) << 10);
  const mxcsr = r.chance(50) ? 0x1f80 : (r.chance(15) ? r.below(64) << 7 : 0x1f80) | (r.below(4) << 13) | (r.chance(20) ? 0x8040 : 0);
  return { seed, items, ip, gpr, flags, xmm, fcw, mxcsr };
}

/** The bytes of a case's code. A removed item is where the next one left stands. */
export function assemble(test) {
  const { items, ip } = test;
  const at = new Map();
  let end = ip;
  for (const item of items) {
    at.set(item.id, end);
    end += item.bytes.length;
  }
  const ids = items.map((x) => x.id);
  const where = (id) => at.get(ids.find((x) => x >= id)) ?? end;
  const bytes = [];
  for (const item of items) {
    const start = ip + bytes.length;
    const piece = [...item.bytes];
    for (const fix of item.fixes) {
      const target = where(fix.to.id) + (fix.plus ?? 0);
      const value = fix.kind === "rel" ? target - (start + fix.at + 4) : target;
      piece.splice(fix.at, 4, ...le32(value));
    }
    bytes.push(...piece);
  }
  bytes.push(0xcc);
  if ((ip & 0xffff) + bytes.length > CODE_BYTES) throw new Error(`program of seed ${test.seed} is too long`);
  return Uint8Array.from(bytes);
}

/** What the six pages hold before the code: INT3, and a fixed stream of words. */
export function baseImage() {
  const image = new Uint8Array(PAGES * 4096).fill(0xcc);
  const words = new Uint32Array(image.buffer);
  let x = 0x1234_567;
  for (let i = 2 * 1024; i < words.length; i++) {
    x = (Math.imul(x, 0x0019_660d) + 0x3c6e_f35f) >>> 0;
    words[i] = x;
  }
  return image;
}

/** A page as one number; the capture program computes the same. */
export function pageHash(words, first) {
  let h = 0x811c_9dc5 | 0;
  for (let i = first; i < first + 1024; i++) {
    h = Math.imul(h ^ words[i], 0x0100_0193);
    h ^= h >>> 15;
  }
  return h >>> 0;
}

/** Removes items as long as `fails` stays true; returns the smallest case found. */
export function shrink(test, fails) {
  let best = test;
  for (let size = Math.ceil(best.items.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let i = 0; i < best.items.length; ) {
      const items = [...best.items.slice(0, i), ...best.items.slice(i + size)];
      const smaller = { ...best, items };
      if (items.length > 0 && fails(smaller)) best = smaller;
      else i += size;
    }
  }
  return best;
}
