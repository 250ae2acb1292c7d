// SPDX-License-Identifier: BSD-3-Clause
/**
 * Descriptor tables and the task-state segment, as views over machine memory.
 *
 * Source: Intel SDM vol. 3A §3.5.1 (tables), §7.2.1 (32-bit TSS).
 * @module
 */
import type { MachineMemory } from "./memory.ts";
import {
  DESC_P,
  SDT_SYS386BSY,
  SDT_SYS386TSS,
  SEL_TI,
  descType,
  packDescHi,
  packDescLo,
  packGateHi,
  packGateLo,
  unpackDesc,
  type GateDesc,
  type SegDesc,
} from "./segdesc.ts";

/** Entries of the largest table that a selector can reach. */
export const DT_MAX_ENTRIES = 8192;

/** A GDT, LDT or IDT: `limit + 1` bytes of descriptors at a host address. */
export class DescriptorTable {
  /** Host address of entry 0; 4-byte aligned. */
  readonly base: number;
  /** Last valid byte offset, as LGDT takes it. */
  readonly limit: number;
  readonly #u32: Uint32Array;

  /** Throws RangeError when the table is misaligned, too large, or not in the memory. */
  constructor(memory: MachineMemory, base: number, limit: number) {
    if (base % 4 !== 0 || limit < 0 || limit > 0xffff || base + limit + 1 > memory.u8.length) {
      throw new RangeError(`descriptor table: base 0x${base.toString(16)}, limit 0x${limit.toString(16)}`);
    }
    this.base = base;
    this.limit = limit;
    this.#u32 = memory.u32;
  }

  /** Number of whole entries. */
  get entries(): number {
    return (this.limit + 1) >>> 3;
  }

  /** Whether the whole entry that `selector` names lies inside the limit. */
  holds(selector: number): boolean {
    return (selector | 7) <= this.limit;
  }

  /** Low word of entry `index`; the caller has checked holds(). */
  lo(index: number): number {
    return this.#u32[(this.base >>> 2) + index * 2]!;
  }

  hi(index: number): number {
    return this.#u32[(this.base >>> 2) + index * 2 + 1]!;
  }

  get(index: number): SegDesc {
    this.#check(index);
    return unpackDesc(this.lo(index), this.hi(index));
  }

  setWords(index: number, lo: number, hi: number): void {
    this.#check(index);
    this.#u32[(this.base >>> 2) + index * 2] = lo;
    this.#u32[(this.base >>> 2) + index * 2 + 1] = hi;
  }

  set(index: number, desc: SegDesc): void {
    this.setWords(index, packDescLo(desc), packDescHi(desc));
  }

  setGate(index: number, gate: GateDesc): void {
    this.setWords(index, packGateLo(gate), packGateHi(gate));
  }

  clear(index: number): void {
    this.setWords(index, 0, 0);
  }

  /** Marks an available 32-bit TSS busy, as LTR and task switches do. Throws when the entry is not one. */
  markBusy(index: number): void {
    const hi = this.hi(index);
    if (descType(hi) !== SDT_SYS386TSS || (hi & DESC_P) === 0) {
      throw new RangeError(`descriptor ${index} is not a present, available 32-bit TSS`);
    }
    this.setWords(index, this.lo(index), (hi & ~(31 << 8)) | (SDT_SYS386BSY << 8));
  }

  #check(index: number): void {
    if (index < 0 || index >= this.entries) throw new RangeError(`descriptor ${index} of ${this.entries}`);
  }
}

/** Index part of a selector. */
export function selIndex(selector: number): number {
  return (selector >>> 3) & 0x1fff;
}

/** Whether the selector names an entry of the LDT. */
export function selIsLdt(selector: number): boolean {
  return (selector & SEL_TI) !== 0;
}

/** Whether the selector is one of the four null selectors. */
export function selIsNull(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

/** Byte offsets in a 32-bit TSS. */
export const TSS = {
  link: 0,
  esp0: 4,
  ss0: 8,
  esp1: 12,
  ss1: 16,
  esp2: 20,
  ss2: 24,
  cr3: 28,
  eip: 32,
  eflags: 36,
  eax: 40,
  ecx: 44,
  edx: 48,
  ebx: 52,
  esp: 56,
  ebp: 60,
  esi: 64,
  edi: 68,
  es: 72,
  cs: 76,
  ss: 80,
  ds: 84,
  fs: 88,
  gs: 92,
  ldt: 96,
  /** Bit 0: debug trap on a switch to this task. */
  trap: 100,
  /** 16 bits: offset of the I/O permission map from the TSS base. */
  iomapBase: 102,
} as const;

/** Bytes of a 32-bit TSS without I/O permission map. */
export const TSS_BYTES = 104;

/** A 32-bit task-state segment in machine memory. */
export class TaskState {
  readonly base: number;
  /** Last valid byte offset of the segment. */
  readonly limit: number;
  readonly #dv: DataView;

  constructor(memory: MachineMemory, base: number, limit: number) {
    if (limit < TSS_BYTES - 1 || base + limit + 1 > memory.u8.length) {
      throw new RangeError(`TSS: base 0x${base.toString(16)}, limit ${limit} (at least ${TSS_BYTES - 1})`);
    }
    this.base = base;
    this.limit = limit;
    this.#dv = memory.dv;
  }

  /** A 32-bit field by its offset in TSS; for selector fields use get16(). */
  get32(offset: number): number {
    return this.#dv.getUint32(this.base + offset, true);
  }

  set32(offset: number, value: number): void {
    this.#dv.setUint32(this.base + offset, value, true);
  }

  get16(offset: number): number {
    return this.#dv.getUint16(this.base + offset, true);
  }

  set16(offset: number, value: number): void {
    this.#dv.setUint16(this.base + offset, value, true);
  }

  /**
   * Whether the I/O permission map lets user code reach ports [port, port + size). Two bytes of the map are read, so the
   * map must end with a byte of ones; ports whose bytes pass the limit are denied.
   */
  allowsPorts(port: number, size: number): boolean {
    const at = this.get16(TSS.iomapBase) + (port >>> 3);
    if (at + 1 > this.limit) return false;
    const bits = this.#dv.getUint16(this.base + at, true) >>> (port & 7);
    return (bits & ((1 << size) - 1)) === 0;
  }
}
