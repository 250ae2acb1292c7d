// SPDX-License-Identifier: BSD-3-Clause
/**
 * The descriptor tables that a guest runs with: a GDT of which only the three TLS slots are of use to it, and the default
 * LDT with user code, user data and the old system-call gates.
 *
 * Invariants
 *   D1  A TLS slot holds an empty descriptor or a user data segment; anything else is refused before it is stored.
 *   D2  Slots of the kernel (GDT 1…14) exist with DPL 0, so that loading one is #GP of that selector and no hole.
 *
 * Source: DragonFly 2.0 sys/platform/pc32/i386/machdep.c (gdt_segs, ldt_segs), sys/cpu/i386/include/segments.h.
 * @module
 */
import type { DescriptorSource } from "@vkernel/cpu";
import {
  SDT_MEMERA,
  SDT_MEMRWA,
  SDT_SYS386CGT,
  SEL_TI,
  TLS_EMPTY,
  TLS_ILLEGAL,
  checkLdtDesc,
  checkTlsDesc,
  packDescHi,
  packDescLo,
  packGateHi,
  packGateLo,
} from "@vkernel/mmu";
import { GTLS_START as GTLS_START_, HostErrno, NGTLS, VEXTFRAME_WORDS as VEXTFRAME_WORDS_ } from "./frame.ts";

const GTLS_START = GTLS_START_;
const VEXTFRAME_WORDS = VEXTFRAME_WORDS_;
const GDT_SLOTS = GTLS_START + NGTLS;
const LDT_DEFAULT_SLOTS = 17;
const LDT_MAX_SLOTS = 8192;

/** LDT slots: old system-call gate, user code, user data, BSDI's gate. */
const LSYS5CALLS_SEL = 0;
const LUCODE_SLOT = 3;
const LUDATA_SLOT = 5;
const LBSDICALLS_SEL = 16;

export class GuestDescriptors implements DescriptorSource {
  readonly gdt = new Int32Array(GDT_SLOTS * 2);
  #ldt = new Int32Array(LDT_DEFAULT_SLOTS * 2);

  constructor() {
    const flat = { base: 0, limitField: 0xf_ffff, present: true, avl: false, db: true, granular: true };
    for (let slot = 1; slot < GTLS_START; slot++) this.#set(this.gdt, slot, { ...flat, type: SDT_MEMRWA, dpl: 0 });
    this.#set(this.#ldt, LUCODE_SLOT, { ...flat, type: SDT_MEMERA, dpl: 3 });
    this.#set(this.#ldt, LUDATA_SLOT, { ...flat, type: SDT_MEMRWA, dpl: 3 });
    const gate = { selector: 8, offset: 0, paramCount: 1, type: SDT_SYS386CGT, dpl: 3, present: true };
    for (const slot of [LSYS5CALLS_SEL, LBSDICALLS_SEL]) {
      this.#ldt[slot * 2] = packGateLo(gate);
      this.#ldt[slot * 2 + 1] = packGateHi(gate);
    }
  }

  #set(table: Int32Array, slot: number, desc: Parameters<typeof packDescLo>[0]): void {
    table[slot * 2] = packDescLo(desc);
    table[slot * 2 + 1] = packDescHi(desc);
  }

  read(selector: number, into: Int32Array): boolean {
    const table = (selector & SEL_TI) !== 0 ? this.#ldt : this.gdt;
    const at = ((selector >>> 3) & 0x1fff) * 2;
    if (at >= table.length) return false;
    into[0] = table[at]!;
    into[1] = table[at + 1]!;
    return true;
  }

  /** Whether the TLS slots hold exactly the words of `vf`. */
  holdsTls(vf: Int32Array): boolean {
    const gdt = this.gdt;
    for (let i = 0; i < VEXTFRAME_WORDS; i++) if (gdt[GTLS_START * 2 + i] !== vf[i]) return false;
    return true;
  }

  /** Installs vx_tls. Returns false, with nothing changed, when a descriptor is illegal (ENXIO of vmspace_ctl). */
  setTls(vf: Int32Array): boolean {
    for (let i = 0; i < NGTLS; i++) if (checkTlsDesc(vf[i * 2 + 1]!) === TLS_ILLEGAL) return false;
    for (let i = 0; i < NGTLS; i++) {
      const empty = checkTlsDesc(vf[i * 2 + 1]!) === TLS_EMPTY;
      this.gdt[(GTLS_START + i) * 2] = empty ? 0 : vf[i * 2]!;
      this.gdt[(GTLS_START + i) * 2 + 1] = empty ? 0 : vf[i * 2 + 1]!;
    }
    return true;
  }

  /**
   * Replaces LDT slots from `start` by the descriptors in `words` (low, high). Throws HostErrno: EINVAL when the slots lie
   * outside 0…8191, EACCES when a descriptor is a system segment, a gate, or of another privilege than 3.
   */
  setLdt(start: number, words: Int32Array): void {
    const count = words.length >>> 1;
    if (start < 0 || start >= LDT_MAX_SLOTS || start + count > LDT_MAX_SLOTS) {
      throw new HostErrno("EINVAL", 22, `LDT slots ${start} to ${start + count - 1} of ${LDT_MAX_SLOTS}`);
    }
    for (let i = 0; i < count; i++) {
      const hi = words[i * 2 + 1]!;
      if (hi !== 0 && checkLdtDesc(hi) !== 0) throw new HostErrno("EACCES", 13, `LDT slot ${start + i}: refused descriptor`);
    }
    if ((start + count) * 2 > this.#ldt.length) {
      const grown = new Int32Array((start + count) * 2);
      grown.set(this.#ldt);
      this.#ldt = grown;
    }
    this.#ldt.set(words.subarray(0, count * 2), start * 2);
  }
}
