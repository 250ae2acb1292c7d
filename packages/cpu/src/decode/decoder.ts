// SPDX-License-Identifier: BSD-3-Clause
/**
 * Turns the code of a page into records.
 *
 * From a start offset it follows the straight line and the direct jumps inside the page, so that a jump within a page finds
 * its target's record at once; up to MOST_INSTRUCTIONS, since much of what can be reached is never executed. Runs of records
 * end with a link when they meet decoded code, and with H_NEXT_PAGE at the page end.
 *
 * Where it stopped stands an H_MISS record, an open end: whoever gets there leaves the interpreter and asks for the
 * instruction by its address, to be told its exception or to have it decoded. The page chains its open ends, and the one
 * that is decoded after all becomes a link, the jump that led there a jump to the new record.
 * @module
 */
import { ACCESS_EXEC, PGMASK, faultCode } from "@vkernel/mmu";
import type { AddressSpace, MachineMemory } from "@vkernel/mmu";
import { FN_EA16, FN_EA32, FN_FIRST, FN_LEA16 } from "../interp/functions.ts";
import {
  MEM_BASE,
  MEM_INDEXED,
  MEM_NONE,
  VARIANT_FLAT,
  VARIANT_GENERAL16,
  VARIANT_GENERAL32,
  formKey,
} from "../isa/forms.ts";
import { CS, DS, EA, ESP, FS, GPR, GS, ZERO } from "../state.ts";
import { MODE_CODE16, MODE_GENERAL, type CodePage, type CodeStore } from "./code-store.ts";
import { FROM_OPCODE, FROM_REG, FROM_RM, type DecodeRow } from "./decode-row.ts";
import {
  DECODE_FETCH_FAULT,
  DECODE_OK,
  Instruction,
  MAX_LENGTH,
  NO_REGISTER,
  type DecodeResult,
} from "./instruction.ts";
import type { OpcodeMap } from "./opcode-map.ts";
import * as R from "./record.ts";

const RECORD_BYTES = R.RECORD_BYTES;

/** How many instructions one decode() takes in. */
const MOST_INSTRUCTIONS = 128;
/** Records of an instruction at most: link and guard of a page crossing, address, itself, open end of its jump. */
const RECORDS_EACH = 5;
/** And one that ends each run: a run begins at the start or at a jump's target. */
const MOST_RECORDS = MOST_INSTRUCTIONS * (RECORDS_EACH + 1) + 2;

export class Decoder {
  readonly #memory: MachineMemory;
  readonly #store: CodeStore;
  readonly #handlers: Uint16Array;
  /** Jumps inside the page whose targets are not resolved yet: record and target offset. */
  readonly #jumpRecords = new Int32Array(MOST_INSTRUCTIONS);
  readonly #jumpTargets = new Int32Array(MOST_INSTRUCTIONS);
  #jumps = 0;
  /** How many instructions may still be decoded. */
  #left = 0;
  /** Offset of the instruction that `insn` holds already; −1 = none. */
  #held = -1;
  /** An instruction that goes over the end of its page, put together. */
  readonly #joined = new Uint8Array(MAX_LENGTH);
  readonly insn: Instruction;
  #space!: AddressSpace;
  /** Host address of the page being decoded, and of the page behind it: 0 = not asked for, −1 = faults. */
  #host = 0;
  #nextHost = 0;
  #linearPage = 0;
  /** Page-fault error code and address after DECODE_FETCH_FAULT. */
  faultCode = 0;
  faultAddress = 0;

  /** `handlers`: loop handler of each function number, from the generator. */
  constructor(memory: MachineMemory, store: CodeStore, map: OpcodeMap, handlers: Uint16Array) {
    this.#memory = memory;
    this.#store = store;
    this.#handlers = handlers;
    this.insn = new Instruction(map);
  }

  /** Decodes the instruction at page offset `offset` into `insn`. */
  #fetch(offset: number, code32: boolean): DecodeResult {
    const { insn } = this;
    const { u8 } = this.#memory;
    const inPage = PGMASK + 1 - offset;
    const result = insn.decode(u8, this.#host + offset, inPage, code32);
    if (result !== DECODE_FETCH_FAULT) return result;
    if (this.#nextHost === 0) this.#fetchNextPage();
    if (this.#nextHost < 0) return result;
    const joined = this.#joined;
    for (let i = 0; i < MAX_LENGTH; i++) {
      joined[i] = u8[i < inPage ? this.#host + offset + i : this.#nextHost + i - inPage]!;
    }
    return insn.decode(joined, 0, MAX_LENGTH, code32);
  }
  #fetchNextPage(): void {
    const va = (this.#linearPage + 4096) >>> 0;
    const host = this.#space.translate(va, ACCESS_EXEC);
    if (host < 0) {
      this.faultCode = faultCode(host);
      this.faultAddress = va;
    }
    this.#nextHost = host < 0 ? -1 : host;
  }

  /**
   * Decodes from linear address `linear`, whose page is host page `host`. Returns the result for that first instruction;
   * when it is DECODE_OK its record is in the index. Otherwise `insn.length` bytes of it could be read.
   */
  decode(space: AddressSpace, linear: number, host: number, mode: number): DecodeResult {
    this.#space = space;
    this.#linearPage = (linear & ~PGMASK) >>> 0;
    this.#host = host - (host & PGMASK);
    this.#nextHost = 0;
    const first = linear & PGMASK;
    const code32 = (mode & MODE_CODE16) === 0;
    const result = this.#fetch(first, code32);
    if (result !== DECODE_OK) return result;
    this.#held = first;
    this.#store.reserve(MOST_RECORDS);
    this.#decodeFrom(this.#store.obtain(this.#memory.hpnOf(host), mode), first);
    return DECODE_OK;
  }

  #decodeFrom(page: CodePage, first: number): void {
    const { i32 } = this.#memory;
    const indexWords = page.index >> 2;
    const records = this.#jumpRecords;
    const targets = this.#jumpTargets;
    this.#left = MOST_INSTRUCTIONS;
    this.#jumps = 0;
    this.#run(page, first);
    for (let i = 0; i < this.#jumps; i++) {
      const target = targets[i]!;
      if (this.#left > 0 && i32[indexWords + target] === 0) this.#run(page, target);
    }
    this.#closeEnds(page);
    for (let i = 0; i < this.#jumps; i++) {
      const record = records[i]!;
      const target = targets[i]!;
      const known = i32[indexWords + target]!;
      i32[(record + R.R_TARGET) >> 2] = known !== 0 ? known : this.#openEnd(page, target, record);
    }
  }

  /** Decodes a straight line of instructions from `offset`, which has no record yet. */
  #run(page: CodePage, start: number): void {
    const { i32 } = this.#memory;
    const indexWords = page.index >> 2;
    const code32 = (page.mode & MODE_CODE16) === 0;
    let offset = start;
    for (;;) {
      if (offset > PGMASK) {
        this.#special(R.H_NEXT_PAGE, 0, offset, 0);
        return;
      }
      const known = i32[indexWords + offset]!;
      if (known !== 0) {
        this.#special(R.H_LINK, offset, offset, known);
        return;
      }
      if (this.#left === 0 || (this.#held !== offset && this.#fetch(offset, code32) !== DECODE_OK)) {
        this.#openEnd(page, offset, 0);
        return;
      }
      this.#held = -1;
      this.#left--;
      const row = this.insn.row!;
      const next = offset + this.insn.length;
      i32[indexWords + offset] = this.#store.nextRecord;
      page.cover(offset, Math.min(next, 4096));
      if (next > 4096) this.#cross(page, offset, next);
      this.#instruction(page.mode, row, offset, next);
      if (row.ends) return;
      offset = next;
    }
  }

  /** Leaves `offset` to be decoded when execution gets there; by falling through, or by the jump of record `jump`. */
  #openEnd(page: CodePage, offset: number, jump: number): number {
    const at = this.#special(R.H_MISS, offset, offset, jump);
    this.#memory.i32[(at + R.R_IMM) >> 2] = page.openEnds;
    page.openEnds = at;
    return at;
  }
  /** Connects the open ends of what is decoded by now. */
  #closeEnds(page: CodePage): void {
    const { i32, u16 } = this.#memory;
    const indexWords = page.index >> 2;
    let before = 0;
    for (let at = page.openEnds; at !== 0;) {
      const following = i32[(at + R.R_IMM) >> 2]!;
      const record = i32[indexWords + u16[(at + R.R_OFF) >> 1]!]!;
      if (record === 0) before = at;
      else {
        const jump = i32[(at + R.R_TARGET) >> 2]!;
        if (jump !== 0) i32[(jump + R.R_TARGET) >> 2] = record;
        u16[(at + R.R_HANDLER) >> 1] = R.H_LINK;
        i32[(at + R.R_TARGET) >> 2] = record;
        if (before === 0) page.openEnds = following;
        else i32[(before + R.R_IMM) >> 2] = following;
      }
      at = following;
    }
  }

  /** A record that stands for no instruction. */
  #special(handler: number, offset: number, next: number, target: number): number {
    const at = this.#store.nextRecord;
    const { u16, i32 } = this.#memory;
    const word = at >> 2;
    for (let i = 0; i < RECORD_BYTES / 4; i++) i32[word + i] = 0;
    u16[(at + R.R_HANDLER) >> 1] = handler;
    u16[(at + R.R_OFF) >> 1] = offset;
    u16[(at + R.R_NEXT) >> 1] = next;
    i32[(at + R.R_TARGET) >> 2] = target;
    this.#store.take();
    return at;
  }

  /** The instruction reaches into the next page: guards it, and ties this page to the other. */
  #cross(page: CodePage, offset: number, next: number): void {
    const { i32 } = this.#memory;
    const hpn = this.#memory.hpnOf(this.#nextHost);
    let other = this.#store.page(hpn, page.mode);
    if (other === undefined) {
      // The other page's index table is taken from the pool here, so the run goes on behind it.
      const link = this.#special(R.H_LINK, offset, offset, 0);
      other = this.#store.obtain(hpn, page.mode);
      i32[(link + R.R_TARGET) >> 2] = this.#store.nextRecord;
    }
    other.cover(0, next - 4096);
    if (other !== page) other.dependents.add(page);
    i32[(page.index >> 2) + offset] = this.#store.nextRecord;
    const at = this.#special(R.H_CROSS, offset, next, 0);
    i32[(at + R.R_IMM) >> 2] = this.#nextHost - (this.#nextHost & PGMASK);
  }

  #instruction(mode: number, row: DecodeRow, offset: number, next: number): void {
    const { insn } = this;
    const general = (mode & MODE_GENERAL) !== 0;
    const variant = row.implicit ? this.#variant(general) : VARIANT_FLAT;
    let mem = insn.mem;
    let viaAddress = false;
    if (mem !== MEM_NONE) {
      if (row.addressAfterPop && insn.base === ESP) insn.disp = (insn.disp + insn.size) | 0;
      viaAddress = this.#addressRecord(row, offset, next, general);
      mem = row.indexedOnly ? MEM_INDEXED : viaAddress ? MEM_BASE : mem;
    }
    const rel = row.hasRel;
    const inPage = rel && insn.size === 4 && next + insn.imm >= 0 && next + insn.imm < 4096 && next <= 4096;
    let form = row.forms[formKey(insn.size, mem, variant, rel && !inPage)]!;
    let target = -1;
    if (inPage) {
      if (form >= 0) target = next + insn.imm;
      else form = row.forms[formKey(insn.size, mem, variant, true)]!;
    }
    if (form < 0)
      throw new Error(
        `cpu: ${row.row.name} has no form for size ${insn.size}, memory ${mem}, variant ${variant}`,
      );
    const at = this.#special(this.#handlers[FN_FIRST + form]!, offset, next, insn.imm2);
    const { u16, u8, i32 } = this.#memory;
    u16[(at + R.R_FUNCTION) >> 1] = FN_FIRST + form;
    i32[(at + R.R_IMM) >> 2] = insn.imm;
    u8[at + R.R_SEGMENT] = insn.override >= 0 ? insn.override : DS;
    if (viaAddress) this.#addressFields(at, EA, ZERO, 0, 0);
    else this.#operandFields(at);
    this.#registerFields(at, row);
    if (target < 0) return;
    const jump = this.#jumps++;
    this.#jumpRecords[jump] = at;
    this.#jumpTargets[jump] = target;
  }

  #variant(general: boolean): number {
    const { override, addressSize } = this.insn;
    if (addressSize === 2) return VARIANT_GENERAL16;
    return general || override === FS || override === GS || override === CS
      ? VARIANT_GENERAL32
      : VARIANT_FLAT;
  }

  /** Writes an address record when the operand needs one. */
  #addressRecord(row: DecodeRow, offset: number, next: number, general: boolean): boolean {
    const { insn } = this;
    const segment = insn.segment;
    const accessed = row.accesses;
    const checked = accessed && (general || segment === FS || segment === GS || segment === CS);
    if (!checked && insn.addressSize === 4) return false;
    const fn = insn.addressSize === 4 ? FN_EA32 : accessed ? FN_EA16 : FN_LEA16;
    const at = this.#special(this.#handlers[fn]!, offset, next, 0);
    const { u16, u8 } = this.#memory;
    u16[(at + R.R_FUNCTION) >> 1] = fn;
    u8[at + R.R_SEGMENT] = segment;
    u16[(at + R.R_R0) >> 1] = row.memBytes[insn.size]!;
    u16[(at + R.R_R1) >> 1] = row.writesMemory ? 1 : 0;
    this.#operandFields(at);
    return true;
  }

  #operandFields(at: number): void {
    const { base, index, scale, disp } = this.insn;
    const baseSlot = base === NO_REGISTER ? ZERO : GPR + 4 * base;
    const indexSlot = index === NO_REGISTER ? ZERO : GPR + 4 * index;
    this.#addressFields(at, baseSlot, indexSlot, scale, disp);
  }
  #addressFields(at: number, base: number, index: number, scale: number, disp: number): void {
    const { u16, u8, i32 } = this.#memory;
    u16[(at + R.R_BASE) >> 1] = base;
    u16[(at + R.R_INDEX) >> 1] = index;
    u8[at + R.R_SCALE] = scale;
    i32[(at + R.R_DISP) >> 2] = disp;
  }
  #registerFields(at: number, row: DecodeRow): void {
    const { insn } = this;
    const { registers } = row;
    let field = R.R_R0;
    for (let i = 0; i < registers.length; i++) {
      const { from, fields, fixed } = registers[i]!;
      if (from === FROM_RM && insn.mem !== MEM_NONE) continue;
      let n = fixed;
      if (from === FROM_REG) n = (insn.modrm >> 3) & 7;
      else if (from === FROM_RM) n = insn.modrm & 7;
      else if (from === FROM_OPCODE) n = insn.opcode & 7;
      this.#memory.u16[(at + field) >> 1] = fields[n]!;
      field = R.R_R1;
    }
  }
}
