// SPDX-License-Identifier: BSD-3-Clause
/**
 * Loading segment registers at CPL 3: descriptor fetch, type and privilege checks.
 *
 * Invariants
 *   G1  A load that fails changes nothing and reports vector and error code (I-SEG).
 *   G2  No load changes CPL: only descriptors that CPL 3 may use are accepted (I-CPL).
 *
 * Source: SDM vol. 3A §5.5–5.8, vol. 2B "MOV", "RET", "JMP".
 * @module
 */
import type { MachineMemory } from "@vkernel/mmu";
import { EXC_GP, EXC_NP, EXC_SS } from "../exception.ts";
import {
  RIGHTS_CODE,
  RIGHTS_DPL_SHIFT,
  RIGHTS_EC,
  RIGHTS_G,
  RIGHTS_P,
  RIGHTS_RW,
  RIGHTS_S,
  type DescriptorSource,
} from "../segment.ts";
import { CS, SEG, SEG_BYTES, SS } from "../state.ts";

/** System descriptor types that a far transfer may meet, SDM vol. 3A table 3-2. */
const TYPE_CALL_GATE_16 = 4;
const TYPE_CALL_GATE_32 = 12;

/** loadCode()'s answer for a call gate. */
export const CALL_GATE = -1;

function fault(vector: number, selector: number): number {
  return (vector << 16) | (selector & 0xfffc);
}

export class SegmentLoader {
  source: DescriptorSource;
  readonly #i32: Int32Array;
  readonly #segWords: number;
  readonly #descriptor = new Int32Array(2);

  constructor(memory: MachineMemory, stateBase: number, source: DescriptorSource) {
    this.source = source;
    this.#i32 = memory.i32;
    this.#segWords = (stateBase + SEG) >> 2;
  }

  /** Loads segment register `index`. Returns 0 or `vector << 16 | error code`. CS is loaded as a far return would. */
  load(index: number, selector: number): number {
    selector &= 0xffff;
    if (index === CS) return this.loadCode(selector, true);
    if (index === SS) return this.#loadStack(selector);
    if ((selector & 0xfffc) === 0) {
      this.#set(index, selector, 0, 0, 0);
      return 0;
    }
    if (!this.source.read(selector, this.#descriptor)) return fault(EXC_GP, selector);
    const rights = (this.#descriptor[1]! >>> 8) & 0xf0ff;
    if ((rights & RIGHTS_S) === 0) return fault(EXC_GP, selector);
    const isCode = (rights & RIGHTS_CODE) !== 0;
    if (isCode && (rights & RIGHTS_RW) === 0) return fault(EXC_GP, selector);
    const conforming = isCode && (rights & RIGHTS_EC) !== 0;
    if (!conforming && ((rights >> RIGHTS_DPL_SHIFT) & 3) !== 3) return fault(EXC_GP, selector);
    if ((rights & RIGHTS_P) === 0) return fault(EXC_NP, selector);
    this.#install(index, selector, rights);
    return 0;
  }

  #loadStack(selector: number): number {
    if ((selector & 0xfffc) === 0) return fault(EXC_GP, 0);
    if ((selector & 3) !== 3 || !this.source.read(selector, this.#descriptor)) return fault(EXC_GP, selector);
    const rights = (this.#descriptor[1]! >>> 8) & 0xf0ff;
    const kind = rights & (RIGHTS_S | RIGHTS_CODE | RIGHTS_RW);
    if (kind !== (RIGHTS_S | RIGHTS_RW) || ((rights >> RIGHTS_DPL_SHIFT) & 3) !== 3)
      return fault(EXC_GP, selector);
    if ((rights & RIGHTS_P) === 0) return fault(EXC_SS, selector);
    this.#install(SS, selector, rights);
    return 0;
  }

  /**
   * Loads CS for a far jump, call or return that stays at CPL 3. Returns 0, a fault, or CALL_GATE when the selector names
   * a call gate open to CPL 3 (never for a return).
   */
  loadCode(selector: number, isReturn: boolean): number {
    selector &= 0xffff;
    if ((selector & 0xfffc) === 0) return fault(EXC_GP, 0);
    if (!this.source.read(selector, this.#descriptor)) return fault(EXC_GP, selector);
    const rights = (this.#descriptor[1]! >>> 8) & 0xf0ff;
    const dpl = (rights >> RIGHTS_DPL_SHIFT) & 3;
    if ((rights & RIGHTS_S) === 0) {
      const type = rights & 15;
      const isGate = type === TYPE_CALL_GATE_16 || type === TYPE_CALL_GATE_32;
      if (isReturn || !isGate || dpl !== 3) return fault(EXC_GP, selector);
      return (rights & RIGHTS_P) === 0 ? fault(EXC_NP, selector) : CALL_GATE;
    }
    if ((rights & RIGHTS_CODE) === 0) return fault(EXC_GP, selector);
    if (isReturn && (selector & 3) !== 3) return fault(EXC_GP, selector);
    const conforming = (rights & RIGHTS_EC) !== 0;
    if (!conforming && dpl !== 3) return fault(EXC_GP, selector);
    if ((rights & RIGHTS_P) === 0) return fault(EXC_NP, selector);
    this.#install(CS, (selector & 0xfffc) | 3, rights);
    return 0;
  }

  /** The low half of what a verification instruction needs: the attributes of `selector`, or −1 outside its table. */
  attributes(selector: number): number {
    if ((selector & 0xfffc) === 0 || !this.source.read(selector, this.#descriptor)) return -1;
    return (this.#descriptor[1]! >>> 8) & 0xf0ff;
  }

  /** Limit in bytes of the descriptor read last by attributes(). */
  get lastLimit(): number {
    return this.#limit((this.#descriptor[1]! >>> 8) & 0xf0ff);
  }

  #limit(rights: number): number {
    const raw = (this.#descriptor[0]! & 0xffff) | (this.#descriptor[1]! & 0xf_0000);
    return rights & RIGHTS_G ? ((raw << 12) | 0xfff) >>> 0 : raw;
  }

  #install(index: number, selector: number, rights: number): void {
    const low = this.#descriptor[0]!;
    const high = this.#descriptor[1]!;
    const base = (low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000);
    this.#set(index, selector, base, this.#limit(rights), rights | 1);
  }

  #set(index: number, selector: number, base: number, limit: number, rights: number): void {
    const at = this.#segWords + (index * SEG_BYTES) / 4;
    this.#i32[at] = selector;
    this.#i32[at + 1] = base;
    this.#i32[at + 2] = limit;
    this.#i32[at + 3] = rights;
  }
}
