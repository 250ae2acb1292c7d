// SPDX-License-Identifier: BSD-3-Clause
/**
 * Turns the code of a page into records, with the code of decode-code.ts.
 *
 * From a start offset it follows the straight line and the direct jumps inside the page, so that a jump within a page finds
 * its target's record at once; up to MOST_INSTRUCTIONS, since much of what can be reached is never executed. Runs of records
 * end with a link when they meet decoded code, and with H_NEXT_PAGE at the page end.
 *
 * Where it stopped stands an H_MISS record, an open end: whoever gets there leaves the interpreter and asks for the
 * instruction by its address, to be told its exception or to have it decoded. The page chains its open ends, and the one
 * that is decoded after all becomes a link, the jump that led there a jump to the new record.
 *
 * What was killed by a write (code-store.ts) is decoded into the records it had, when it fits there: as many records, and
 * followed by the same. Then nothing that leads to it has to change, however often it is patched. Else the killed record
 * becomes a link to the new one.
 * @module
 */
import { ACCESS_EXEC, PGMASK, faultCode } from "@vkernel/mmu";
import type { AddressSpace, MachineMemory } from "@vkernel/mmu";
import { FLOW_BRANCH, FLOW_MASK, FLOW_NEXT } from "../interp/flows.ts";
import { FN_FIRST } from "../interp/functions.ts";
import { MODE_CODE16, MODE_GENERAL, type CodePage, type CodeStore } from "./code-store.ts";
import * as D from "./decode-words.ts";
import { DECODE_FETCH_FAULT, DECODE_OK, MAX_LENGTH, MOST_INSTRUCTIONS } from "./decode-words.ts";
import type { DecoderExports } from "./decode-code.ts";
import type { DecodeResult } from "./decode-words.ts";
import { HEAD_ROWS, ROW_BYTES, ROW_ENDS, ROW_FLAGS } from "./decode-table.ts";
import { Instruction } from "./instruction.ts";
import * as R from "./record.ts";

const RECORD_BYTES = R.RECORD_BYTES;

/** Records of an instruction at most: link and guard of a page crossing, address, itself, open end of its jump. */
const RECORDS_EACH = 5;
/** And one that ends each run: a run begins at the start or at a jump's target. */
const MOST_RECORDS = MOST_INSTRUCTIONS * (RECORDS_EACH + 1) + 2;

export class Decoder {
  readonly #memory: MachineMemory;
  readonly #store: CodeStore;
  readonly #exports: DecoderExports;
  readonly #tables: number;
  readonly #flows: Uint8Array;
  readonly insn: Instruction;
  #space!: AddressSpace;
  /** Host address of the page being decoded, and of the page behind it: 0 = not asked for, −1 = faults. */
  #host = 0;
  #nextHost = 0;
  #linearPage = 0;
  /** Page-fault error code and address after DECODE_FETCH_FAULT. */
  faultCode = 0;
  faultAddress = 0;

  /** `tables`: linear-memory address of the instruction tables, DECODER_BYTES from there are the decoder's. */
  constructor(
    memory: MachineMemory,
    store: CodeStore,
    exports: DecoderExports,
    tables: number,
    flows: Uint8Array,
  ) {
    this.#flows = flows;
    this.#memory = memory;
    this.#store = store;
    this.#exports = exports;
    this.#tables = tables;
    this.insn = new Instruction(memory.i32, exports, tables);
  }

  #word(at: number): number {
    return this.#memory.i32[(this.#tables + at) >>> 2]!;
  }
  #setWord(at: number, value: number): void {
    this.#memory.i32[(this.#tables + at) >>> 2] = value;
  }

  /** Decodes the instruction at page offset `offset` into `insn`. */
  #fetch(offset: number, code32: boolean): DecodeResult {
    const { insn } = this;
    const inPage = PGMASK + 1 - offset;
    const at = this.#host + offset;
    const result = insn.decode(at, at + Math.min(inPage, MAX_LENGTH), code32);
    if (result !== DECODE_FETCH_FAULT) return result;
    if (this.#nextHost === 0) this.#fetchNextPage();
    if (this.#nextHost < 0) return result;
    const { u8 } = this.#memory;
    const joined = this.#tables + D.D_JOINED;
    for (let i = 0; i < MAX_LENGTH; i++) {
      u8[joined + i] = u8[i < inPage ? at + i : this.#nextHost + i - inPage]!;
    }
    return insn.decode(joined, joined + MAX_LENGTH, code32);
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
    const hpn = this.#memory.hpnOf(host);
    this.#store.tidy(hpn, mode);
    this.#store.reserve(MOST_RECORDS);
    const page = this.#store.obtain(hpn, mode);
    this.#setWord(D.D_HOST, this.#host);
    this.#setWord(D.D_INDEX, page.index);
    this.#setWord(D.D_COVERED, page.cover.address);
    this.#setWord(D.D_CODE32, code32 ? 1 : 0);
    this.#setWord(D.D_GENERAL, (mode & MODE_GENERAL) !== 0 ? 1 : 0);
    this.#setWord(D.D_LEFT, MOST_INSTRUCTIONS);
    this.#setWord(D.D_JUMPS, 0);
    this.#decodeFrom(page, first);
    return DECODE_OK;
  }

  #decodeFrom(page: CodePage, first: number): void {
    const { i32 } = this.#memory;
    const indexWords = page.index >> 2;
    const records = (this.#tables + D.D_JUMP_RECORDS) >> 2;
    const targets = (this.#tables + D.D_JUMP_TARGETS) >> 2;
    this.#run(page, first);
    for (let i = 0; i < this.#word(D.D_JUMPS); i++) {
      const target = i32[targets + i]!;
      if (this.#word(D.D_LEFT) > 0 && i32[indexWords + target] === 0) this.#run(page, target);
    }
    this.#closeEnds(page);
    const jumps = this.#word(D.D_JUMPS);
    for (let i = 0; i < jumps; i++) {
      const record = i32[records + i]!;
      const target = i32[targets + i]!;
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
    // Whether a record stands behind the last one that goes on with the code: it was decoded into a killed one's place.
    let goesOn = false;
    for (;;) {
      if (page.killed.size === 0) {
        const at = this.#store.nextRecord;
        this.#store.nextRecord = this.#exports.run(this.#tables, at, offset);
        offset = this.#word(D.D_OFFSET);
        if (offset < 0) return;
        if (this.#store.nextRecord !== at) goesOn = false;
      }
      if (offset > PGMASK) {
        if (!goesOn) this.#special(R.H_NEXT_PAGE, 0, offset, 0);
        return;
      }
      const known = i32[indexWords + offset]!;
      if (known !== 0) {
        if (!goesOn) this.#special(R.H_LINK, offset, offset, known);
        return;
      }
      if (this.#word(D.D_LEFT) === 0 || this.#fetch(offset, code32) !== DECODE_OK) {
        if (!goesOn) this.#openEnd(page, offset, 0);
        return;
      }
      this.#setWord(D.D_LEFT, this.#word(D.D_LEFT) - 1);
      const next = offset + this.insn.length;
      page.cover.set(offset, Math.min(next, 4096));
      const ends = this.#endsRun();
      if (this.#replaceKilled(page, offset, next, ends)) {
        const place = i32[indexWords + offset]!;
        if (!goesOn && offset !== start) this.#special(R.H_LINK, offset, offset, place);
        goesOn = true;
      } else {
        i32[indexWords + offset] = this.#store.nextRecord;
        if (next > 4096) this.#cross(page, offset, next);
        this.#store.nextRecord = this.#emit(page.mode, offset, next);
        goesOn = false;
      }
      if (ends) return;
      offset = next;
    }
  }

  /** Writes the records of the instruction in `insn` to fresh storage; returns the address behind them. */
  #emit(mode: number, offset: number, next: number): number {
    const general = (mode & MODE_GENERAL) !== 0 ? 1 : 0;
    const behind = this.#exports.emit(this.#tables, this.#store.nextRecord, offset, next, general);
    if (behind === 0) throw new Error(`cpu: row ${this.insn.row} has no form for size ${this.insn.size}`);
    return behind;
  }

  /**
   * Puts the instruction in `insn` in the place of the one killed at `offset`, and into the index. When there is none, or it does
   * not fit: returns false, and the killed record leads to where the instruction is decoded next.
   */
  #replaceKilled(page: CodePage, offset: number, next: number, ends: boolean): boolean {
    const killed = page.killed.size === 0 ? undefined : page.killed.get(offset);
    if (killed === undefined) return false;
    page.killed.delete(offset);
    const { u16, u8, i32 } = this.#memory;
    const at = this.#store.nextRecord;
    const ownNext = u16[(killed + R.R_NEXT) >> 1]!;
    if (next <= 4096 && ownNext <= 4096) {
      const fn = u16[(killed + R.R_FUNCTION) >> 1]!;
      const own = fn < FN_FIRST ? killed + RECORD_BYTES : killed;
      if (ends || (ownNext === next && this.#goesOn(u16[(own + R.R_FUNCTION) >> 1]!))) {
        const jumps = this.#word(D.D_JUMPS);
        const disp = this.#word(D.F_DISP);
        const bytes = this.#emit(page.mode, offset, next) - at;
        if (bytes === own + RECORD_BYTES - killed) {
          u8.copyWithin(killed, at, at + bytes);
          if (this.#word(D.D_JUMPS) !== jumps) this.#setWord(D.D_JUMP_RECORDS + 4 * jumps, own);
          i32[(page.index >> 2) + offset] = killed;
          return true;
        }
        this.#setWord(D.D_JUMPS, jumps);
        this.#setWord(D.F_DISP, disp);
      }
    }
    u16[(killed + R.R_HANDLER) >> 1] = R.H_LINK;
    i32[(killed + R.R_TARGET) >> 2] = at;
    page.moved++;
    return false;
  }
  /** Whether what follows an instruction of function `fn` in storage is what follows it in the code. */
  #goesOn(fn: number): boolean {
    const flow = this.#flows[fn]! & FLOW_MASK;
    return flow === FLOW_NEXT || flow === FLOW_BRANCH;
  }

  /** Whether nothing behind the instruction in `insn` is reached by falling through. */
  #endsRun(): boolean {
    const row = this.#tables + this.#word(HEAD_ROWS) + this.insn.row * ROW_BYTES;
    return (this.#memory.u16[(row + ROW_FLAGS) >> 1]! & ROW_ENDS) !== 0;
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
        // The jump may have been patched into something else meanwhile.
        if (jump !== 0 && i32[(jump + R.R_TARGET) >> 2] === at) i32[(jump + R.R_TARGET) >> 2] = record;
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
    this.#store.nextRecord = at + RECORD_BYTES;
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
    other.cover.set(0, next - 4096);
    if (other !== page) other.dependents.add(page);
    i32[(page.index >> 2) + offset] = this.#store.nextRecord;
    const at = this.#special(R.H_CROSS, offset, next, 0);
    i32[(at + R.R_IMM) >> 2] = this.#nextHost - (this.#nextHost & PGMASK);
  }
}
