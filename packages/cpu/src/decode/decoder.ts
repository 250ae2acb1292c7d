// SPDX-License-Identifier: BSD-3-Clause
/**
 * Turns the code of a page into records.
 *
 * From a start offset it follows the straight line and every direct jump inside the page, so that a jump within a page finds
 * its target's record at once. Runs of records end with a link when they meet decoded code, and with H_NEXT_PAGE at
 * the page end. An instruction that cannot be decoded ends its run with H_MISS; whoever gets there asks for it by name and
 * is told the exception.
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
  type PreparedRow,
} from "../isa/forms.ts";
import type { OperandSpec } from "../isa/row.ts";
import { CS, DS, EA, ESP, FS, GPR, GS, X87, XMM, ZERO } from "../state.ts";
import { MODE_CODE16, MODE_GENERAL, type CodePage, type CodeStore } from "./code-store.ts";
import { DECODE_OK, Instruction, NO_REGISTER, type DecodeResult } from "./instruction.ts";
import type { OpcodeMap } from "./opcode-map.ts";
import * as R from "./record.ts";

const RECORD_BYTES = R.RECORD_BYTES;

/** State-block offset or number that a register operand's record field holds. */
function registerField(o: OperandSpec, n: number): number {
  switch (o.cls) {
    case "xmm":
      return XMM + 16 * n;
    case "mmx":
      return X87 + 16 * n;
    case "gpr":
      return o.size === 1 && n >= 4 ? GPR + 4 * (n - 4) + 1 : GPR + 4 * n;
    default:
      return n;
  }
}

export class Decoder {
  readonly #memory: MachineMemory;
  readonly #store: CodeStore;
  readonly #handlers: Uint16Array;
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
    this.insn = new Instruction(map, { byteAt: (offset) => this.#byteAt(offset) });
  }

  #byteAt(offset: number): number {
    if (offset <= PGMASK) return this.#memory.u8[this.#host + offset]!;
    if (this.#nextHost === 0) this.#fetchNextPage();
    return this.#nextHost < 0 ? -1 : this.#memory.u8[this.#nextHost + offset - 4096]!;
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
    const result = this.insn.decode(first, code32);
    if (result !== DECODE_OK) return result;
    if (!this.#store.hasRoom()) this.#store.flush();
    const page = this.#store.obtain(this.#memory.hpnOf(host), mode);
    this.#decodeFrom(page, first);
    return DECODE_OK;
  }

  #decodeFrom(page: CodePage, first: number): void {
    const { i32 } = this.#memory;
    const pending = [first];
    const jumps: { record: number; target: number }[] = [];
    while (pending.length > 0) this.#run(page, pending.pop()!, pending, jumps);
    for (const { record, target } of jumps) {
      const at = i32[(page.index >> 2) + target]!;
      // A target that cannot be decoded leaves through the record behind the jump's own miss record.
      i32[(record + R.R_TARGET) >> 2] = at !== 0 ? at : this.#missRecord(target);
    }
  }

  /** Decodes a straight line of instructions from `offset`. */
  #run(page: CodePage, start: number, pending: number[], jumps: { record: number; target: number }[]): void {
    const { i32 } = this.#memory;
    const indexWords = page.index >> 2;
    const code32 = (page.mode & MODE_CODE16) === 0;
    let offset = start;
    if (i32[indexWords + offset] !== 0) return;
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
      if (this.insn.decode(offset, code32) !== DECODE_OK) {
        this.#missRecord(offset);
        return;
      }
      const prepared = this.insn.prepared!;
      const next = offset + this.insn.length;
      i32[indexWords + offset] = this.#store.nextRecord;
      page.cover(offset, Math.min(next, 4096));
      if (next > 4096) this.#cross(page, offset, next);
      const record = this.#instruction(page.mode, prepared, offset, next);
      if (record.target >= 0) {
        jumps.push({ record: record.at, target: record.target });
        pending.push(record.target);
      }
      if (prepared.row.ends === true) return;
      offset = next;
    }
  }

  #missRecord(offset: number): number {
    return this.#special(R.H_MISS, offset, offset, 0);
  }

  /** A record that stands for no instruction. */
  #special(handler: number, offset: number, next: number, target: number): number {
    const at = this.#store.nextRecord;
    const { u16, i32 } = this.#memory;
    i32.fill(0, at >> 2, (at + RECORD_BYTES) >> 2);
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

  #instruction(
    mode: number,
    prepared: PreparedRow,
    offset: number,
    next: number,
  ): { at: number; target: number } {
    const { insn } = this;
    const { row } = prepared;
    const general = (mode & MODE_GENERAL) !== 0;
    const variant = this.#variant(row.implicit === true, general);
    let mem = insn.mem;
    let viaAddress = false;
    if (mem !== MEM_NONE) {
      if (row.addressAfterPop === true && insn.base === ESP) insn.disp = (insn.disp + insn.size) | 0;
      viaAddress = this.#addressRecord(prepared, offset, next, general);
      mem = viaAddress && !prepared.indexedOnly ? MEM_BASE : prepared.indexedOnly ? MEM_INDEXED : mem;
    }
    const rel = prepared.hasRel;
    const inPage = rel && insn.size === 4 && next + insn.imm >= 0 && next + insn.imm < 4096 && next <= 4096;
    let form = prepared.forms[formKey(insn.size, mem, variant, rel && !inPage)]!;
    let target = -1;
    if (inPage) {
      if (form >= 0) target = next + insn.imm;
      else form = prepared.forms[formKey(insn.size, mem, variant, true)]!;
    }
    if (form < 0)
      throw new Error(
        `cpu: ${row.name} has no form for size ${insn.size}, memory ${mem}, variant ${variant}`,
      );
    const at = this.#special(this.#handlers[FN_FIRST + form]!, offset, next, insn.imm2);
    const { u16, u8, i32 } = this.#memory;
    u16[(at + R.R_FUNCTION) >> 1] = FN_FIRST + form;
    i32[(at + R.R_IMM) >> 2] = insn.imm;
    u8[at + R.R_SEGMENT] = insn.override >= 0 ? insn.override : DS;
    if (viaAddress) this.#addressFields(at, EA, ZERO, 0, 0);
    else this.#operandFields(at);
    this.#registerFields(at, prepared);
    return { at, target };
  }

  #variant(implicit: boolean, general: boolean): number {
    if (!implicit) return VARIANT_FLAT;
    const { override, addressSize } = this.insn;
    if (addressSize === 2) return VARIANT_GENERAL16;
    return general || override === FS || override === GS || override === CS
      ? VARIANT_GENERAL32
      : VARIANT_FLAT;
  }

  /** Writes an address record when the operand needs one. */
  #addressRecord(prepared: PreparedRow, offset: number, next: number, general: boolean): boolean {
    const { insn } = this;
    const { row } = prepared;
    const segment = insn.segment;
    const bytes = typeof row.memBytes === "function" ? row.memBytes(insn.size) : row.memBytes;
    const accessed = bytes !== 0;
    const checked = accessed && (general || segment === FS || segment === GS || segment === CS);
    if (!checked && insn.addressSize === 4) return false;
    const fn = insn.addressSize === 4 ? FN_EA32 : accessed ? FN_EA16 : FN_LEA16;
    const at = this.#special(this.#handlers[fn]!, offset, next, 0);
    const { u16, u8 } = this.#memory;
    u16[(at + R.R_FUNCTION) >> 1] = fn;
    u8[at + R.R_SEGMENT] = segment;
    u16[(at + R.R_R0) >> 1] = bytes ?? this.#operandBytes(prepared);
    u16[(at + R.R_R1) >> 1] = this.#writesMemory(prepared) ? 1 : 0;
    this.#operandFields(at);
    return true;
  }
  #operandBytes(prepared: PreparedRow): number {
    const o = prepared.row.operands.find((spec) => spec.place === "rm" || spec.place === "moffs")!;
    const size = o.memSize ?? o.size;
    return size === 0 ? this.insn.size : size;
  }
  #writesMemory(prepared: PreparedRow): boolean {
    const { row } = prepared;
    const first = row.operands[0];
    return row.writes ?? (first !== undefined && (first.place === "rm" || first.place === "moffs"));
  }

  #operandFields(at: number): void {
    const { base, index, scale, disp } = this.insn;
    const slot = (n: number): number => (n === NO_REGISTER ? ZERO : GPR + 4 * n);
    this.#addressFields(at, slot(base), slot(index), scale, disp);
  }
  #addressFields(at: number, base: number, index: number, scale: number, disp: number): void {
    const { u16, u8, i32 } = this.#memory;
    u16[(at + R.R_BASE) >> 1] = base;
    u16[(at + R.R_INDEX) >> 1] = index;
    u8[at + R.R_SCALE] = scale;
    i32[(at + R.R_DISP) >> 2] = disp;
  }
  #registerFields(at: number, prepared: PreparedRow): void {
    const { insn } = this;
    let field = R.R_R0;
    for (const o of prepared.row.operands) {
      let n: number;
      if (o.place === "reg") n = (insn.modrm >> 3) & 7;
      else if (o.place === "opcode") n = insn.opcode & 7;
      else if (o.place === "rm" && insn.mem === MEM_NONE) n = insn.modrm & 7;
      else if (o.place === "fixed" && o.constant !== true) n = o.fixed!;
      else continue;
      this.#memory.u16[(at + field) >> 1] = registerField(o, n);
      field = R.R_R1;
    }
  }
}
