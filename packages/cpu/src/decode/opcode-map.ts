// SPDX-License-Identifier: BSD-3-Clause
/**
 * Opcode maps: from opcode bytes, prefixes and modrm to the row of the instruction.
 * @module
 */
import type { PreparedRow } from "../isa/forms.ts";
import { decodeRow, type DecodeRow } from "./decode-row.ts";

/** Slots: one byte, 0F, 0F 38, 0F 3A. */
const SLOTS = 4 * 256;

export function slotOf(opcode: number): number {
  if (opcode < 0x100) return opcode;
  if (opcode < 0x1000) return 256 + (opcode & 0xff);
  return (opcode >> 8 === 0x0f38 ? 512 : 768) + (opcode & 0xff);
}

export class OpcodeMap {
  readonly #slots: readonly DecodeRow[][];
  /** Whether the opcode of a slot is followed by modrm; slots without row are taken to have none. */
  readonly hasModrm: Uint8Array;

  constructor(rows: readonly PreparedRow[]) {
    this.#slots = Array.from({ length: SLOTS }, () => []);
    this.hasModrm = new Uint8Array(SLOTS);
    rows.forEach((prepared) => {
      const { row } = prepared;
      const slot = slotOf(row.opcode);
      this.#slots[slot]!.push(decodeRow(prepared));
      const modrm =
        row.digit !== undefined || row.operands.some((o) => o.place === "rm" || o.place === "reg");
      const had = this.#slots[slot]!.length > 1;
      if (had && (this.hasModrm[slot] === 1) !== modrm) {
        throw new Error(`opcode ${row.opcode.toString(16)}: rows of ${row.name} disagree about modrm`);
      }
      this.hasModrm[slot] = modrm ? 1 : 0;
    });
  }

  /**
   * The first row that matches.
   *
   * @param prefix the effective mandatory prefix: 0xf3 or 0xf2 (the last given) before 0x66 before 0
   * @param modrm the modrm byte, or −1 without one
   */
  find(slot: number, prefix: number, modrm: number): DecodeRow | null {
    const candidates = this.#slots[slot]!;
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i]!;
      const { row } = candidate;
      if (row.prefix !== undefined && row.prefix !== prefix) continue;
      if (modrm >= 0) {
        if (row.digit !== undefined && row.digit !== ((modrm >> 3) & 7)) continue;
        const isRegister = modrm >= 0xc0;
        if (row.mod !== undefined && (row.mod === "reg") !== isRegister) continue;
        if (row.rm !== undefined && (!isRegister || row.rm !== (modrm & 7))) continue;
      }
      return candidate;
    }
    return null;
  }
}
