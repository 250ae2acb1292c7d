// SPDX-License-Identifier: BSD-3-Clause
/**
 * The function of one region: general and xmm registers and flags in locals, blocks in the region's order, one common exit.
 *
 *   end: static: fault(value): slow(value): crossing(value): loop dispatch { indirect: {
 *     block n { … block 0 { br_table entry } code of item 0 } … code of item n
 *   } find the entry for an indirect jump }
 *
 * An item is a block or a loop whose body has the same form. A jump forward branches out of nested blocks, a jump back to the loop
 * around; what cannot be said so sets `entry` and branches to the dispatcher, which leads there through the dispatchers of
 * the loops on the way. A failing memory check branches to `slow` with the offset of its instruction, so that no code
 * stands beside the accesses.
 *
 * Invariants
 *   J1  At every exit the state block has the registers, flags, EIP and COUNTER of an instruction boundary.
 *   J2  `acc` counts a block's instructions at its start; the exits inside it take back what was not executed.
 *   J6  A region of several pages is entered only when the running space maps all of them as when it was compiled; nothing
 *       inside can change that.
 *   J3  Every jump back and every indirect jump that stays inside looks at the budget.
 *
 * @module
 */
import { FLAT_BIAS, TABLE_ENTRY_BYTES } from "@vkernel/mmu";
import * as R from "../decode/record.ts";
import { LINE_EIP, LINE_ENTRY, lineOf } from "../interp/dispatch.ts";
import { X_AGAIN, X_BUDGET, X_CROSSING, X_EXCEPTION, X_JUMP, X_SLOW, X_STALE } from "../interp/exits.ts";
import * as S from "../state.ts";
import {
  add,
  and,
  call,
  eq,
  extend16,
  extend8,
  extendU,
  geS,
  geU,
  gtU,
  i32,
  load,
  ltS,
  ne,
  or,
  select,
  shl,
  shrS,
  shrU,
  sub,
  xor,
  type Callee,
  type Expr,
} from "../wasm/expr.ts";
import type { Func, Label } from "../wasm/func.ts";
import { I32, I32_LOAD, I32_STORE, I64, I64_LOAD, V128, V128_LOAD, V128_STORE } from "../wasm/opcodes.ts";
import { AccessWindows } from "./access-windows.ts";
import type { Block, Region, RegionInstruction } from "./blocks.ts";

/** Flag words in the order of their locals. */
export const FLAG_KIND = 0;
export const FLAG_P = 1;
export const FLAG_Q = 2;
export const FLAG_X = 3;
export const FLAG_RES = 4;
const FLAG_OFFSETS = [S.FLAGS_KIND, S.FLAGS_P, S.FLAGS_Q, S.FLAGS_X, S.FLAGS_RES];
const RECORD_BYTES = R.RECORD_BYTES;
/** `entry` while a block runs: dispatchers on the way choose their first item. */
const NO_ENTRY = -1;
/**
 * Exits from within a block carry an offset in the low bits and the number of instructions not executed above. So a block has
 * fewer than 64 instructions (MAX_BLOCK), and a region's pages lie within 32 MiB (MAX_DELTA).
 */
const OFFSET_BITS = 26;
/** Crossings between two samples (20,000 instructions or more) that make a region without windows the better one. */
const MAX_CROSSINGS = 200;
/** The number of the entry's block; above it CHECK_PAGES. */
const ENTRY_MASK = 0xffff;

export interface RegionPlace {
  readonly stateBase: number;
  /** The region's slot in the interpreter's table, by which its own entries are recognised. */
  readonly slot: number;
  /** Linear-memory address of the jump cache. */
  readonly jumpCache: number;
  /** Windows may be used; see access-windows.ts. */
  readonly windows: boolean;
  /** Calls an out-of-line handler: (fn, record, page base) → interpreter exit. */
  readonly callHandler: Callee;
}

export class RegionEmitter {
  readonly f: Func;
  readonly place: RegionPlace;
  readonly region: Region;
  readonly entry: Expr;
  readonly pageBase: Expr;
  readonly table: Expr;
  readonly #acc: Expr;
  readonly #eip: Expr;
  readonly #code: Expr;
  readonly #registers: readonly Expr[];
  readonly windows: AccessWindows;
  readonly #flags: readonly Expr[];
  /** Locals of the xmm registers that the region names, by number. */
  readonly #xmm: readonly (Expr | null)[];
  /** Whether MXCSR is steady (Ctx.mxcsrIsSteady); null in regions without xmm registers. */
  readonly steady: Expr | null;
  /** What has been checked already in the block being written (Ctx.checkOnce). */
  readonly #checked = new Set<string>();
  /** Bit masks of registers and flag words the region reads or writes, and writes. */
  #used = 0;
  #written = 0;
  #flagsWritten = false;
  #end: Label = 0;
  #static: Label = 0;
  #fault: Label = 0;
  #slow: Label = 0;
  #crossing: Label = 0;
  #dispatch: Label = 0;
  /** Where indirect jumps find their entries: in the innermost loop around that has a dispatcher. */
  #indirect: Label = 0;
  /** Open labels of blocks ahead, and of the loops around, by block number. */
  readonly #labels = new Map<number, Label>();
  readonly #loops = new Map<number, Label>();
  /** Kind of the flags at the start of blocks reached by forward jumps so far; −1 = differs. */
  readonly #kindAt = new Map<number, number>();
  /** Kind of the flags where code is being written, −1 = only the local knows. */
  kind = -1;
  #block = 0;
  #remaining = 0;
  #current: RegionInstruction | null = null;

  /** `xmm`: bit mask of the xmm registers that are operands in the region. */
  constructor(f: Func, region: Region, place: RegionPlace, xmm: number) {
    this.f = f;
    this.region = region;
    this.place = place;
    this.entry = f.param(0);
    this.pageBase = f.param(1);
    this.table = f.local();
    this.#acc = f.local();
    this.#eip = f.local();
    this.#code = f.local();
    this.#registers = Array.from({ length: 8 }, () => f.local());
    this.windows = new AccessWindows(this, this.#registers, place.windows);
    this.#flags = Array.from({ length: 5 }, () => f.local());
    this.#xmm = Array.from({ length: 8 }, (_, n) => ((xmm & (1 << n)) !== 0 ? f.local(V128) : null));
    this.steady = xmm !== 0 ? f.local() : null;
  }

  /** Writes the function; `instruction` writes one instruction. */
  generate(instruction: (i: RegionInstruction) => void): void {
    const { f, region } = this;
    this.#end = f.open();
    this.#static = f.open();
    this.#fault = f.openValue(I32);
    this.#slow = f.openValue(I32);
    this.#crossing = f.openValue(I32);
    this.#dispatch = f.openLoop();
    this.#emitDispatched(this.#dispatch, 0, region.blocks.length - 1, instruction);
    f.end(); // dispatch
    f.unreachable();
    const where = f.local();
    f.end(); // crossing
    f.setFromStack(where);
    const crossings = f.tmp(add(this.#state(S.CROSSINGS), 1));
    this.#putState(S.CROSSINGS, crossings);
    f.set(this.#code, select(gtU(crossings, MAX_CROSSINGS), X_CROSSING, X_SLOW));
    f.set(this.#eip, where);
    f.br(this.#static);
    f.end(); // slow
    f.setFromStack(where);
    f.set(this.#code, i32(X_SLOW));
    f.set(this.#eip, where);
    f.br(this.#static);
    f.end(); // fault
    f.setFromStack(where);
    f.set(this.#code, i32(X_EXCEPTION));
    f.set(this.#eip, where);
    f.end(); // static
    f.set(this.#acc, sub(this.#acc, shl(shrU(this.#eip, OFFSET_BITS), R.RECORD_SHIFT)));
    f.set(this.#eip, add(this.pageBase, shrS(shl(this.#eip, 32 - OFFSET_BITS), 32 - OFFSET_BITS)));
    f.end(); // end
    this.#spill();
    this.#putState(S.EIP, this.#eip);
    this.#putState(S.COUNTER, this.#acc);
    f.ret(this.#code);
    f.unreachable();
    f.prologue(() => this.#prologue());
  }

  /**
   * Writes blocks first … last, which `loop` is around, with a dispatcher at their start and a place where indirect jumps find
   * their entries: so one that stays in its loop, as those of an interpreter do, goes through one dispatcher only.
   */
  #emitDispatched(
    loop: Label,
    first: number,
    last: number,
    instruction: (i: RegionInstruction) => void,
  ): void {
    const { f } = this;
    const outer = this.#indirect;
    this.#indirect = f.open();
    this.#emitRange(first, last, true, instruction);
    f.end();
    this.#findIndirect(loop);
    this.#indirect = outer;
  }

  /** Writes blocks first … last in order: the whole region, or the body of the loop that starts at `first`. */
  #emitRange(
    first: number,
    last: number,
    dispatched: boolean,
    instruction: (i: RegionInstruction) => void,
  ): void {
    const { f, region } = this;
    const isBody = this.#loops.has(first);
    const items: { readonly first: number; readonly last: number; readonly isLoop: boolean }[] = [];
    for (let i = first; i <= last;) {
      const loop =
        isBody && i === first ? undefined : region.loops.find((l) => l.first === i && l.last <= last);
      const item = { first: i, last: loop?.last ?? i, isLoop: loop !== undefined };
      items.push(item);
      i = item.last + 1;
    }
    const labels = items.map(() => 0);
    for (let k = items.length - 1; k >= 0; k--) {
      labels[k] = f.open();
      this.#labels.set(items[k]!.first, labels[k]!);
    }
    if (dispatched) this.#emitDispatch(items, labels);
    items.forEach((item) => {
      f.end();
      this.#labels.delete(item.first);
      if (item.isLoop) this.#emitLoop(item.first, item.last, instruction);
      else this.#emitBlock(item.first, instruction);
    });
  }

  #emitLoop(first: number, last: number, instruction: (i: RegionInstruction) => void): void {
    const { f, region } = this;
    const loop = f.openLoop();
    this.#loops.set(first, loop);
    const isInside = ({ offset }: Block): boolean => {
      const index = region.blockAt.get(offset)!;
      return first < index && index <= last;
    };
    if (region.entries.some(isInside)) this.#emitDispatched(loop, first, last, instruction);
    else this.#emitRange(first, last, false, instruction);
    this.#loops.delete(first);
    f.end();
    f.unreachable();
  }

  /** Chooses the item that holds the block of `entry`, the first without one; what is not here is looked for from the top. */
  #emitDispatch(items: readonly { first: number; last: number }[], labels: readonly Label[]): void {
    const { region, f } = this;
    const targets = region.entries.map((block) => {
      const index = region.blockAt.get(block.offset)!;
      const k = items.findIndex((item) => item.first <= index && index <= item.last);
      return k < 0 ? this.#dispatch : labels[k]!;
    });
    f.brTable(this.entry, targets, labels[0]!);
  }

  #emitBlock(index: number, instruction: (i: RegionInstruction) => void): void {
    const { f } = this;
    const block = this.region.blocks[index]!;
    this.#startBlock(index);
    block.instructions.forEach((insn, k) => {
      this.#remaining = block.instructions.length - k;
      this.#current = insn;
      f.resetTemps();
      this.windows.startInstruction();
      instruction(insn);
    });
    this.windows.endBlock();
    f.resetTemps();
    const last = block.instructions[block.instructions.length - 1]!;
    if (last.form.flow === "next" || last.form.flow === "branch") this.#fallThrough(last.next);
    else f.unreachable();
  }

  // ------------------------------------------------------- registers, flags

  register(n: number): Expr {
    this.#used |= 1 << n;
    return this.#registers[n]!;
  }
  setRegister(n: number, value: Expr): void {
    this.#used |= 1 << n;
    this.#written |= 1 << n;
    this.windows.assign(n, value);
    this.f.set(this.#registers[n]!, value);
  }
  /** Part of a register by its state-block offset: `n` bytes, sign- or zero-extended. */
  part(slot: number, n: number, signed: boolean): Expr {
    const at = slot - S.GPR;
    const r = this.register(at >> 2);
    if (n === 4) return r;
    if (n === 2) return signed ? extend16(r) : and(r, 0xffff);
    if ((at & 3) === 0) return signed ? extend8(r) : and(r, 0xff);
    return signed ? shrS(shl(r, 16), 24) : and(shrU(r, 8), 0xff);
  }
  setPart(slot: number, n: number, value: Expr): void {
    const at = slot - S.GPR;
    const number = at >> 2;
    if (n === 4) {
      this.setRegister(number, value);
      return;
    }
    const mask = n === 2 ? 0xffff : 0xff;
    const shift = (at & 3) * 8;
    const rest = and(this.register(number), ~(mask << shift));
    this.setRegister(number, or(rest, shl(and(value, mask), shift)));
  }
  xmm(n: number): Expr {
    const local = this.#xmm[n];
    if (!local) throw new Error(`xmm${n} is not among the region's registers`);
    return local;
  }
  setXmm(n: number, value: Expr): void {
    this.f.set(this.xmm(n), value);
  }
  flag(word: number): Expr {
    return this.#flags[word]!;
  }
  setFlag(word: number, value: Expr): void {
    this.#flagsWritten = true;
    this.f.set(this.#flags[word]!, value);
  }

  #state(offset: number): Expr {
    return load(I32_LOAD, I32, i32(0), this.place.stateBase + offset);
  }
  #putState(offset: number, value: Expr): void {
    this.f.store(I32_STORE, i32(0), value, this.place.stateBase + offset);
  }
  putState(offset: number, value: Expr): void {
    this.#putState(offset, value);
  }
  state(offset: number): Expr {
    return this.#state(offset);
  }

  #prologue(): void {
    const { f } = this;
    f.set(this.table, this.#state(S.TABLE));
    this.#checkPages();
    f.set(this.#acc, this.#state(S.COUNTER));
    this.#reload();
  }
  /** Makes sure that all pages are those compiled, when the dispatcher does not know it already. */
  #checkPages(): void {
    const { f } = this;
    const { pages } = this.region;
    f.ifUnlikely(ltS(this.entry, 0), () => {
      f.set(this.entry, and(this.entry, ENTRY_MASK));
      if (pages.length === 1) return;
      for (const { address, delta } of pages) {
        const at = f.tmp(add(this.pageBase, 4096 * delta));
        const word = load(I32_LOAD, I32, add(this.table, shl(shrU(at, 12), Math.log2(TABLE_ENTRY_BYTES))));
        f.if(ne(add(at, word), i32(address - FLAT_BIAS)), () => f.ret(i32(X_STALE)));
      }
    });
  }
  #reload(): void {
    if (this.steady !== null) {
      this.f.set(this.steady, eq(and(this.#state(S.MXCSR), S.MXCSR_STEADY_MASK), S.MXCSR_STEADY));
    }
    for (let n = 0; n < 8; n++)
      if ((this.#used & (1 << n)) !== 0) this.f.set(this.#registers[n]!, this.#state(S.GPR + 4 * n));
    FLAG_OFFSETS.forEach((offset, i) => this.f.set(this.#flags[i]!, this.#state(offset)));
    this.#xmm.forEach((local, n) => {
      if (local) this.f.set(local, load(V128_LOAD, V128, i32(0), this.place.stateBase + S.XMM + 16 * n));
    });
  }
  #spill(): void {
    for (let n = 0; n < 8; n++)
      if ((this.#written & (1 << n)) !== 0) this.#putState(S.GPR + 4 * n, this.#registers[n]!);
    if (this.#flagsWritten) FLAG_OFFSETS.forEach((offset, i) => this.#putState(offset, this.#flags[i]!));
    this.#xmm.forEach((local, n) => {
      if (local) this.f.store(V128_STORE, i32(0), local, this.place.stateBase + S.XMM + 16 * n);
    });
  }

  // ------------------------------------------------------------ control flow

  checkOnce(key: string, check: () => void): void {
    if (this.#checked.has(key)) return;
    this.#checked.add(key);
    check();
  }
  #startBlock(index: number): void {
    this.#checked.clear();
    const block = this.region.blocks[index]!;
    this.#block = index;
    this.windows.startBlock();
    this.kind = block.entry >= 0 ? -1 : (this.#kindAt.get(block.offset) ?? -1);
    if (block.entry >= 0 && this.region.loops.length > 0) this.f.set(this.entry, i32(NO_ENTRY));
    this.f.set(this.#acc, add(this.#acc, block.instructions.length * RECORD_BYTES));
  }
  #noteKind(offset: number): void {
    const known = this.#kindAt.get(offset);
    this.#kindAt.set(offset, known === undefined || known === this.kind ? this.kind : -1);
  }
  #fallThrough(next: number): void {
    this.jumpTo(next);
  }

  /** Offset of the instruction being written, with the count its exits have to take back. */
  #here(): Expr {
    return i32((this.#remaining << OFFSET_BITS) | (this.#current!.offset & ((1 << OFFSET_BITS) - 1)));
  }
  leaveSlowIf(condition: Expr): void {
    this.f.brUnlikelyValue(this.#slow, this.#here(), condition);
  }
  /** As leaveSlowIf(), counted. */
  leaveCrossingIf(condition: Expr): void {
    this.f.brUnlikelyValue(this.#crossing, this.#here(), condition);
  }
  /** Leaves with the exception whose vector and error code are in the state. */
  leaveFault(): void {
    this.f.brValue(this.#fault, this.#here());
  }
  /** Leaves behind the instruction, which is done, with `code`. */
  leaveBehind(code: number): void {
    const { f } = this;
    f.set(this.#acc, sub(this.#acc, (this.#remaining - 1) << R.RECORD_SHIFT));
    f.set(this.#eip, add(this.pageBase, this.#current!.next));
    f.set(this.#code, i32(code));
    f.br(this.#end);
  }

  /** Jumps to page offset `offset`, which may lie outside the region and the page. */
  jumpTo(offset: number): void {
    const { f } = this;
    const index = this.region.blockAt.get(offset);
    if (index === undefined) {
      f.set(this.#eip, add(this.pageBase, offset));
      this.#leaveTo();
      return;
    }
    if (index > this.#block) {
      const label = this.#labels.get(index);
      if (label !== undefined) {
        this.#noteKind(offset);
        f.br(label);
        return;
      }
    } else {
      f.ifUnlikely(geS(this.#acc, 0), () => {
        f.set(this.#eip, i32(offset & ((1 << OFFSET_BITS) - 1)));
        f.set(this.#code, i32(X_BUDGET));
        f.br(this.#static);
      });
      const loop = this.#loops.get(index);
      if (loop !== undefined) {
        f.br(loop);
        return;
      }
    }
    const { entry } = this.region.blocks[index]!;
    if (entry < 0) throw new Error(`region: no way from block ${this.#block} to block ${index}`);
    f.set(this.entry, i32(entry));
    f.br(this.#dispatch);
  }
  jumpToIf(offset: number, condition: Expr): void {
    const index = this.region.blockAt.get(offset);
    const label = index === undefined || index <= this.#block ? undefined : this.#labels.get(index);
    if (label !== undefined) {
      this.#noteKind(offset);
      this.f.brIf(label, condition);
    } else {
      this.f.if(condition, () => this.jumpTo(offset));
    }
  }
  /** Jumps to EIP `target`: inside when it is an entry of this region, else through the dispatcher. */
  jumpIndirect(target: Expr): void {
    for (const offset of this.region.expected.get(this.#current!.offset) ?? [])
      this.jumpToIf(offset, eq(target, add(this.pageBase, offset)));
    this.f.set(this.#eip, target);
    this.f.br(this.#indirect);
  }
  /** Where the indirect jumps of the region or of a loop come together, with the target in `eip`. */
  #findIndirect(loop: Label): void {
    const { f } = this;
    const { jumpCache, slot } = this.place;
    f.resetTemps();
    const line = f.tmp(lineOf(this.#eip));
    const key = load(I64_LOAD, I64, line, jumpCache + LINE_EIP);
    const place = load(I32_LOAD, I32, line, jumpCache + LINE_ENTRY);
    f.block((other) => {
      f.brIf(
        other,
        ne(xor(key, extendU(this.#eip)), load(I64_LOAD, I64, i32(0), this.place.stateBase + S.EPOCH_KEY)),
      );
      const entry = f.tmp(sub(place, slot << 16));
      f.brIf(other, geU(entry, this.region.entries.length));
      f.brUnlikely(other, geS(this.#acc, 0));
      f.set(this.entry, entry);
      f.br(loop);
    });
    this.#leaveTo();
  }
  /** Leaves for the EIP in `eip`, through the dispatcher. */
  #leaveTo(): void {
    this.f.set(this.#code, i32(X_JUMP));
    this.f.br(this.#end);
  }

  /** Has the interpreter's out-of-line handler execute the instruction, on the state block. */
  callHandler(): void {
    const { f } = this;
    this.#checked.clear();
    const insn = this.#current!;
    this.#used = 0xff;
    this.#written = 0xff;
    this.#flagsWritten = true;
    this.#spill();
    const pageBase = add(this.pageBase, insn.offset & ~0xfff);
    f.set(this.#code, call(this.place.callHandler, i32(insn.fn), i32(insn.record), pageBase));
    f.ifUnlikely(this.#code, () => this.#leaveAfterHandler(insn));
    this.#reload();
    this.windows.forget();
    this.kind = -1;
  }
  /** The handler did not go on to the next instruction; the state block has the registers. */
  #leaveAfterHandler(insn: RegionInstruction): void {
    const { f } = this;
    const undone = f.tmp(
      or(or(eq(this.#code, X_SLOW), eq(this.#code, X_EXCEPTION)), eq(this.#code, X_AGAIN)),
    );
    f.if(undone, () => this.#putState(S.EIP, add(this.pageBase, insn.offset)));
    const notExecuted = add(undone, this.#remaining - 1);
    this.#putState(S.COUNTER, sub(this.#acc, shl(notExecuted, R.RECORD_SHIFT)));
    f.ret(this.#code);
  }
}
