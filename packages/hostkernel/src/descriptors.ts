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
  checkTlsDesc,
  packDescHi,
  packDescLo,
  packGateHi,
  packGateLo,
} from "@vkernel/mmu";
import { GTLS_START as GTLS_START_, NGTLS, VEXTFRAME_WORDS as VEXTFRAME_WORDS_ } from "./frame.ts";

const GTLS_START = GTLS_START_;
const VEXTFRAME_WORDS = VEXTFRAME_WORDS_;
const GDT_SLOTS = GTLS_START + NGTLS;
const LDT_DEFAULT_SLOTS = 17;

/** LDT slots: old system-call gate, user code, user data, BSDI's gate. */
const LSYS5CALLS_SEL = 0;
const LUCODE_SLOT = 3;
const LUDATA_SLOT = 5;
const LBSDICALLS_SEL = 16;

const flat = { base: 0, limitField: 0xf_ffff, present: true, avl: false, db: true, granular: true };

function setSlot(table: Int32Array, slot: number, desc: Parameters<typeof packDescLo>[0]): void {
  table[slot * 2] = packDescLo(desc);
  table[slot * 2 + 1] = packDescHi(desc);
}

function defaultLdt(): Int32Array {
  const ldt = new Int32Array(LDT_DEFAULT_SLOTS * 2);
  setSlot(ldt, LUCODE_SLOT, { ...flat, type: SDT_MEMERA, dpl: 3 });
  setSlot(ldt, LUDATA_SLOT, { ...flat, type: SDT_MEMRWA, dpl: 3 });
  const gate = { selector: 8, offset: 0, paramCount: 1, type: SDT_SYS386CGT, dpl: 3, present: true };
  for (const slot of [LSYS5CALLS_SEL, LBSDICALLS_SEL]) {
    ldt[slot * 2] = packGateLo(gate);
    ldt[slot * 2 + 1] = packGateHi(gate);
  }
  return ldt;
}

export class GuestDescriptors implements DescriptorSource {
  readonly gdt = new Int32Array(GDT_SLOTS * 2);
  /** Every space has the same: guests of a virtual kernel have no call to change it. */
  readonly ldt = defaultLdt();

  constructor() {
    for (let slot = 1; slot < GTLS_START; slot++)
      setSlot(this.gdt, slot, { ...flat, type: SDT_MEMRWA, dpl: 0 });
  }

  read(selector: number, into: Int32Array): boolean {
    const table = (selector & SEL_TI) !== 0 ? this.ldt : this.gdt;
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
}
