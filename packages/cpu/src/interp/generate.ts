// SPDX-License-Identifier: BSD-3-Clause
/**
 * Generates the interpreter's WebAssembly module: the dispatch loop, the out-of-line handlers and the step functions, all
 * from the same semantics.
 *
 *   run(ip)         the loop, entered at record `ip` (always H_ENTER); returns an exit of exits.ts
 *   step(fn, ip, pb)  executes the record `ip` of form `fn` with slow memory access
 *
 *   call(fn, ip, pb)  the out-of-line handler of form `fn`, for compiled regions
 *   dead(entry, pb)   what the table holds for regions that are no more
 *   table           functions by number: handlers, step functions, then REGION_SLOTS places for compiled regions
 *   rt.*            the runtime functions
 *
 * Counting. The word COUNTER is 32 × (instructions retired − budget). The loop keeps it in a local as `acc` such that
 * COUNTER = acc + ip: straight-line code counts by moving `ip`, only taken jumps adjust `acc`. Records that are no
 * instructions take their 32 back.
 * @module
 */
import { FLAT_BIAS, PGSHIFT, TABLE_ENTRY_BYTES } from "@vkernel/mmu";
import {
  H_CROSS,
  H_EA16,
  H_EA32,
  H_ENTER,
  H_FIRST,
  H_FUNCTION,
  H_LEA16,
  H_LINK,
  H_MISS,
  H_NEXT_PAGE,
  H_REGION,
  R_FUNCTION,
  R_HANDLER,
  R_IMM,
  R_NEXT,
  R_OFF,
  R_R0,
  R_R1,
  R_SEGMENT,
  R_TARGET,
  RECORD_BYTES,
} from "../decode/record.ts";
import type { Runtime } from "../isa/ctx.ts";
import type { FormTable } from "../isa/forms.ts";
import { flowsOf } from "./flows.ts";
import type { Form } from "../isa/row.ts";
import type { Imports, RuntimeBuilder, RuntimeSignatures } from "../isa/runtime.ts";
import * as S from "../state.ts";
import {
  add,
  and,
  call,
  callIndirect,
  eq,
  eqz,
  geU,
  gtU,
  i32,
  leU,
  load,
  ne,
  select,
  shl,
  shrU,
  sub,
  type Callee,
  type Expr,
} from "../wasm/expr.ts";
import type { Func } from "../wasm/func.ts";
import { ModuleBuilder } from "../wasm/module.ts";
import { I32, I32_LOAD, I32_LOAD16_U, I32_LOAD8_U, I32_STORE } from "../wasm/opcodes.ts";
import { X_AGAIN, X_BUDGET, X_ELEMENT, X_EXCEPTION, X_JUMP, X_MISS, X_PREFIX, X_QUIET_STORE, X_SLOW, X_STALE } from "./exits.ts";
import { deadRegion, regionDispatcher } from "./dispatch.ts";
import { FN_EA16, FN_EA32, FN_FIRST, FN_LEA16, REGION_SLOTS } from "./functions.ts";
import { IntCtx, type LoopFrame } from "./int-ctx.ts";
import type { KnownFlags } from "./known-flags.ts";
import { pairsOf, type Pair } from "./pairs.ts";
import { buildQuietStore, buildSlowAccess } from "./slow-code.ts";

export interface GeneratedInterpreter {
  readonly bytes: Uint8Array;
  /** Handler for the loop (H_FIRST and above) of each function number, or H_FUNCTION where it is out of line. */
  readonly handlers: Uint16Array;
  /** What follows the instruction of each function number, see flows.ts. */
  readonly flows: Uint8Array;
  /** Handlers of pairs of instructions: function numbers of the two, and the handler of the first record. */
  readonly pairs: readonly PairHandler[];
  readonly signatures: RuntimeSignatures;
}

export interface PairHandler {
  readonly first: number;
  readonly second: number;
  readonly handler: number;
}

export interface GenerateOptions {
  /** Linear-memory address of the state block. */
  readonly stateBase: number;
  /** The memory is shared between workers. */
  readonly shared: boolean;
}

/** 4 GiB in pages of WebAssembly: any memory of the machine suits. */
const MAX_MEMORY_PAGES = 0x1_0000;
const HANDLER_PARAMS = [I32, I32] as const;
/** A power of two: one in so many stores of regions beside code is reported, so that compiled code learns to do it. */
const REPORTED_STORES = 64;

/** The form behind address records: a memory operand with index, nothing else. */
const ADDRESS_FORM: Form = {
  semantics: () => {},
  name: "address",
  size: 4,
  kinds: ["m"],
  sizes: [4],
  classes: ["gpr"],
  fields: [0],
  indexed: true,
  flat: true,
  addressSize: 4,
  far: false,
  hot: false,
  flow: "next",
};
/** Rights of a present, writable, expand-up data segment, and the bits that make it one. */
const PLAIN_DATA = 0x92;
const PLAIN_DATA_MASK = 0x9e;

class Generator {
  readonly #m = new ModuleBuilder();
  readonly #table: FormTable;
  readonly #options: GenerateOptions;
  readonly #imports: Imports;
  readonly #rt: Runtime;
  readonly #handlerType: number;
  readonly #regions: Callee;
  #slow!: Func;
  #slowAfterRegion!: Func;

  constructor(table: FormTable, builders: readonly RuntimeBuilder[], options: GenerateOptions) {
    const m = this.#m;
    this.#table = table;
    this.#options = options;
    m.importMemory("m", "memory", 1, MAX_MEMORY_PAGES, options.shared);
    const typescript = {
      slowRead: m.importFunction("m", "slowRead", [I32, I32], [I32]),
      slowProbe: m.importFunction("m", "slowProbe", [I32, I32], [I32]),
      slowWrite: m.importFunction("m", "slowWrite", [I32, I32], []),
      codeWritten: m.importFunction("m", "codeWritten", [I32, I32], []),
    };
    const service = m.importFunction("m", "service", [I32, I32, I32], [I32]);
    this.#imports = { ...buildSlowAccess(m, options.stateBase, typescript), service };
    this.#rt = Object.assign(
      {},
      ...[...builders, buildQuietStore].map((build) => build(m, options.stateBase)),
    ) as Runtime;
    this.#handlerType = m.type(HANDLER_PARAMS, [I32]);
    this.#regions = regionDispatcher(m, options.stateBase, this.#handlerType);
    deadRegion(m);
  }

  generate(): GeneratedInterpreter {
    const { forms } = this.#table;
    const count = FN_FIRST + forms.length;
    const handlers = new Uint16Array(count).fill(H_FUNCTION);
    handlers.set([H_EA32, H_EA16, H_LEA16]);
    const hot: Form[] = [];
    const fast: (Callee | null)[] = [null, null, null];
    forms.forEach((form, i) => {
      if (form.hot) handlers[FN_FIRST + i] = H_FIRST + hot.push(form) - 1;
      fast.push(form.hot ? null : this.#handler(form, "fn"));
    });
    const step = [FN_EA32, FN_EA16, FN_LEA16].map((fn) => this.#addressStep(fn));
    for (const form of forms) step.push(this.#handler(form, "step"));
    this.#slow = this.#slowFunction(count);
    this.#slowAfterRegion = this.#slowAfterRegionFunction();
    const pairs = pairsOf(forms);
    this.#loop(hot, pairs);
    this.#entries(count);
    const regions = Array.from({ length: REGION_SLOTS }, () => null);
    this.#m.table([...fast, ...step, ...regions], "table");
    for (const [name, callee] of Object.entries(this.#rt)) this.#m.export(`rt.${name}`, callee);
    const signatures: Record<string, RuntimeSignatures[string]> = {};
    for (const [name, { params, results }] of Object.entries(this.#rt))
      signatures[name] = { params, results };
    const firstPair = H_FIRST + hot.length;
    const pairHandlers = pairs.map(({ firstFunction, secondFunction }, i) => ({
      first: firstFunction,
      second: secondFunction,
      handler: firstPair + i,
    }));
    return { bytes: this.#m.encode(), handlers, flows: flowsOf(forms), pairs: pairHandlers, signatures };
  }

  #handler(form: Form, mode: "fn" | "step"): Func {
    return this.#m.func(HANDLER_PARAMS, [I32], (f) => {
      this.#context(f, form, mode, f.param(0), f.param(1), null).generate();
      f.unreachable();
    });
  }
  #context(
    f: Func,
    form: Form,
    mode: "loop" | "fn" | "step",
    ip: Expr,
    pb: Expr,
    frame: LoopFrame | null,
    flags?: KnownFlags,
  ): IntCtx {
    return new IntCtx(f, form, this.#rt, mode, this.#options.stateBase, this.#imports, ip, pb, frame, flags);
  }

  /** What TypeScript and compiled regions call: `step` and `call`, by function number. */
  #entries(count: number): void {
    for (const [name, first] of [
      ["step", count],
      ["call", 0],
    ] as const) {
      this.#m.func(
        [I32, I32, I32],
        [I32],
        (f) => {
          f.ret(callIndirect(this.#handlerType, I32, add(f.param(0), first), f.param(1), f.param(2)));
          f.unreachable();
        },
        name,
      );
    }
  }

  #state(offset: number): Expr {
    return load(I32_LOAD, I32, i32(0), this.#options.stateBase + offset);
  }
  #setState(f: Func, offset: number, value: Expr): void {
    f.store(I32_STORE, i32(0), value, this.#options.stateBase + offset);
  }

  /** EA = address of an address record's operand; raises when its segment does not allow the access. */
  #address(x: IntCtx, ip: Expr, fn: number): void {
    const { f } = x;
    const { stateBase } = this.#options;
    const full = x.effectiveAddress();
    const offset = f.tmp(fn === FN_EA32 ? full : and(full, 0xffff));
    if (fn === FN_LEA16) {
      this.#setState(f, S.EA, offset);
      return;
    }
    const number = f.tmp(load(I32_LOAD8_U, I32, ip, R_SEGMENT));
    const at = f.tmp(shl(number, 4));
    const field = (o: number): Expr => load(I32_LOAD, I32, at, stateBase + S.SEG + o);
    const size = f.tmp(load(I32_LOAD16_U, I32, ip, R_R0));
    const last = f.tmp(sub(add(offset, size), 1));
    const plain = eq(and(field(S.SEG_RIGHTS), PLAIN_DATA_MASK), PLAIN_DATA);
    const inside = and(leU(last, field(S.SEG_LIMIT)), geU(last, offset));
    f.if(eqz(and(plain, inside)), () => {
      x.raiseVector(
        f.tmp(call(this.#rt["segmentCheck"]!, number, offset, size, load(I32_LOAD16_U, I32, ip, R_R1))),
      );
    });
    this.#setState(f, S.EA, add(offset, field(S.SEG_BASE)));
  }
  #addressStep(fn: number): Func {
    return this.#m.func(HANDLER_PARAMS, [I32], (f) => {
      const x = this.#context(f, ADDRESS_FORM, "step", f.param(0), f.param(1), null);
      this.#address(x, f.param(0), fn);
      f.ret(i32(X_PREFIX));
      f.unreachable();
    });
  }

  /**
   * slow(ip, pb): executes the instruction of record `ip`, whose memory check failed, with slow access. EIP and COUNTER of the
   * state are those of the instruction. Returns an exit; X_NEXT and X_JUMP mean to go on at the EIP of the state.
   */
  #slowFunction(count: number): Func {
    return this.#m.func(HANDLER_PARAMS, [I32], (f) => {
      const ip = f.param(0);
      const code = f.local();
      f.loop((again) => {
        const fn = add(load(I32_LOAD16_U, I32, ip, R_FUNCTION), count);
        f.set(code, callIndirect(this.#handlerType, I32, fn, ip, f.param(1)));
        f.set(ip, add(ip, RECORD_BYTES));
        f.brIf(again, eq(code, X_PREFIX));
      });
      f.if(eq(code, X_AGAIN), () => f.ret(i32(X_ELEMENT)));
      f.if(eq(code, X_EXCEPTION), () => f.ret(code));
      this.#setState(f, S.COUNTER, add(this.#state(S.COUNTER), RECORD_BYTES));
      // What TypeScript did for the access may have asked for an interrupt.
      f.ret(select(and(leU(code, X_JUMP), ne(this.#state(S.PENDING), 0)), X_BUDGET, code));
      f.unreachable();
    });
  }
  /** slow() for the instruction at the EIP of the state, where a region has left; X_SLOW when its record is not at hand. */
  #slowAfterRegionFunction(): Func {
    return this.#m.func([], [I32], (f) => {
      const eip = f.tmp(this.#state(S.EIP));
      const missing = (condition: Expr): void => f.if(condition, () => f.ret(i32(X_SLOW)));
      const word = f.tmp(this.#readWord(this.#state(S.TABLE), eip));
      missing(eqz(word));
      const page = shrU(add(add(eip, word), FLAT_BIAS), PGSHIFT);
      const index = f.tmp(load(I32_LOAD, I32, add(this.#state(S.CODE_DIR), shl(page, 2))));
      missing(eqz(index));
      const offset = f.tmp(and(eip, 0xfff));
      const record = f.tmp(load(I32_LOAD, I32, add(index, shl(offset, 2))));
      missing(eqz(record));
      missing(eq(load(I32_LOAD16_U, I32, record, R_HANDLER), H_CROSS));
      const quiet = f.tmp(this.#state(S.QUIET_STORES));
      const code = f.tmp(call(this.#slow, record, sub(eip, offset)));
      f.if(and(leU(code, X_JUMP), ne(this.#state(S.QUIET_STORES), quiet)), () => {
        f.if(and(quiet, REPORTED_STORES - 1), () => f.ret(code));
        this.#setState(f, S.QUIET_STORE_EIP, eip);
        f.ret(i32(X_QUIET_STORE));
      });
      f.ret(code);
      f.unreachable();
    });
  }

  #loop(hot: readonly Form[], pairs: readonly Pair[]): void {
    this.#m.func([I32], [I32], (f) => this.#loopBody(f, hot, pairs), "run");
  }

  #loopBody(f: Func, hot: readonly Form[], pairs: readonly Pair[]): void {
    const ip = f.param(0);
    const pb = f.local();
    const acc = f.local();
    const eip = f.local();
    const table = f.local();
    const code = f.local();
    const enter = f.local();
    f.set(enter, ip);
    f.set(table, this.#state(S.TABLE));
    const restart = f.openLoop();
    f.set(acc, this.#state(S.COUNTER));
    const common = f.open();
    const fault = f.open();
    const slow = f.open();
    const budget = f.open();
    const miss = f.open();
    const top = f.openLoop();
    const toEip = f.open();
    const firstPair = H_FIRST + hot.length;
    const count = firstPair + pairs.length;
    const cases: number[] = [];
    for (let i = 0; i < count; i++) cases[count - 1 - i] = f.open();
    f.brTable(load(I32_LOAD16_U, I32, ip, R_HANDLER), cases, cases[H_MISS]!);
    const frame: LoopFrame = { acc, eip, table, top, toEip, slow, fault, budget };
    const next = (): void => {
      f.set(ip, add(ip, RECORD_BYTES));
      f.br(top);
    };
    /** A record that is no instruction gives back its count. */
    const uncount = (): void => f.set(acc, sub(acc, RECORD_BYTES));
    const special: Record<number, () => void> = {
      [H_ENTER]: () => {
        f.set(eip, this.#state(S.EIP));
        f.br(toEip);
      },
      [H_LINK]: () => {
        f.set(acc, add(acc, ip));
        f.set(ip, load(I32_LOAD, I32, ip, R_TARGET));
        f.set(acc, sub(acc, ip));
        f.br(top);
      },
      [H_NEXT_PAGE]: () => {
        f.set(eip, add(pb, load(I32_LOAD16_U, I32, ip, R_NEXT)));
        f.set(acc, add(acc, ip));
        f.br(toEip);
      },
      [H_CROSS]: () => {
        const page = f.tmp(add(add(pb, this.#segmentField(S.CS, S.SEG_BASE)), 0x1000));
        const word = f.tmp(this.#readWord(table, page));
        f.if(and(ne(word, 0), eq(add(add(page, word), FLAT_BIAS), load(I32_LOAD, I32, ip, R_IMM))), () => {
          uncount();
          next();
        });
        this.#missHere(f, ip, pb, acc, eip);
        f.br(miss);
      },
      [H_MISS]: () => {
        this.#missHere(f, ip, pb, acc, eip);
        f.br(miss);
      },
      [H_REGION]: () => {
        const before = f.tmp(add(acc, ip));
        this.#setState(f, S.COUNTER, before);
        f.set(code, call(this.#regions, ip, pb));
        this.#count(f, S.REGION_RETIRED, i32(0), sub(this.#state(S.COUNTER), before));
        this.#count(f, S.REGION_EXITS, shl(code, 2), i32(1));
        f.brIf(common, eq(code, X_STALE));
        f.if(eq(code, X_SLOW), () => f.set(code, call(this.#slowAfterRegion)));
        f.if(gtU(code, X_JUMP), () => f.ret(code));
        f.set(acc, this.#state(S.COUNTER));
        f.set(eip, this.#state(S.EIP));
        f.br(toEip);
      },
      [H_FUNCTION]: () => this.#callFunction(f, ip, pb, frame, code, common),
    };
    for (const [handler, fn] of [
      [H_EA32, FN_EA32],
      [H_EA16, FN_EA16],
      [H_LEA16, FN_LEA16],
    ] as const) {
      special[handler] = () => {
        this.#address(this.#context(f, ADDRESS_FORM, "loop", ip, pb, frame), ip, fn);
        uncount();
        next();
      };
    }
    for (let i = 0; i < count; i++) {
      f.end();
      f.resetTemps();
      if (i < H_FIRST) special[i]!();
      else if (i < firstPair) this.#context(f, hot[i - H_FIRST]!, "loop", ip, pb, frame).generate();
      else {
        const { first, second } = pairs[i - firstPair]!;
        const flags = this.#context(f, first, "loop", ip, pb, frame).generateFirst();
        this.#context(f, second, "loop", ip, pb, frame, flags).generate();
      }
    }
    f.resetTemps();
    f.end(); // toEip
    this.#lookup(f, ip, pb, acc, eip, table, miss, budget, top);
    f.end(); // top
    f.unreachable();
    f.end(); // miss
    this.#setState(f, S.EIP, eip);
    this.#setState(f, S.COUNTER, acc);
    f.ret(i32(X_MISS));
    f.end(); // budget
    f.set(code, i32(X_BUDGET));
    f.br(common);
    f.end(); // slow
    this.#leaveHere(f, ip, pb, acc);
    f.set(code, call(this.#slow, ip, pb));
    f.if(leU(code, X_JUMP), () => {
      // The records behind this one may be dead by now.
      f.set(ip, enter);
      f.br(restart);
    });
    f.ret(code);
    f.end(); // fault
    f.set(code, i32(X_EXCEPTION));
    f.end(); // common
    this.#leaveHere(f, ip, pb, acc);
    f.ret(code);
    f.end(); // restart
    f.unreachable();
  }

  /** Adds to a counter of the state block. */
  #count(f: Func, offset: number, index: Expr, amount: Expr): void {
    const at = this.#options.stateBase + offset;
    f.store(I32_STORE, index, add(load(I32_LOAD, I32, index, at), amount), at);
  }

  #segmentField(segment: number, field: number): Expr {
    return this.#state(S.SEG + segment * S.SEG_BYTES + field);
  }
  #readWord(table: Expr, address: Expr): Expr {
    return load(I32_LOAD, I32, add(table, shl(shrU(address, PGSHIFT), Math.log2(TABLE_ENTRY_BYTES))));
  }
  /** Puts EIP and COUNTER of record `ip` into the state. */
  #leaveHere(f: Func, ip: Expr, pb: Expr, acc: Expr): void {
    this.#setState(f, S.EIP, add(pb, load(I32_LOAD16_U, I32, ip, R_OFF)));
    this.#setState(f, S.COUNTER, add(acc, ip));
  }
  #missHere(f: Func, ip: Expr, pb: Expr, acc: Expr, eip: Expr): void {
    f.set(eip, add(pb, load(I32_LOAD16_U, I32, ip, R_OFF)));
    f.set(acc, add(acc, ip));
  }

  /** Calls the out-of-line handler of record `ip` and follows its answer. */
  #callFunction(f: Func, ip: Expr, pb: Expr, frame: LoopFrame, code: Expr, common: number): void {
    f.set(code, callIndirect(this.#handlerType, I32, load(I32_LOAD16_U, I32, ip, R_FUNCTION), ip, pb));
    f.if(eqz(code), () => {
      f.set(ip, add(ip, RECORD_BYTES));
      f.br(frame.top);
    });
    f.brIf(frame.slow, eq(code, X_SLOW));
    f.brIf(frame.fault, eq(code, X_EXCEPTION));
    f.brIf(common, eq(code, X_AGAIN));
    f.set(frame.acc, add(add(frame.acc, ip), RECORD_BYTES));
    f.if(gtU(code, X_JUMP), () => {
      this.#setState(f, S.COUNTER, frame.acc);
      f.ret(code);
    });
    f.set(frame.eip, this.#state(S.EIP));
    f.br(frame.toEip);
  }

  /** Finds the record for `eip` and goes on there; `acc` is the count so far. */
  #lookup(
    f: Func,
    ip: Expr,
    pb: Expr,
    acc: Expr,
    eip: Expr,
    table: Expr,
    miss: number,
    budget: number,
    top: number,
  ): void {
    f.brIf(miss, gtU(eip, this.#segmentField(S.CS, S.SEG_LIMIT)));
    const linear = f.tmp(add(eip, this.#segmentField(S.CS, S.SEG_BASE)));
    const word = f.tmp(this.#readWord(table, linear));
    f.brIf(miss, eqz(word));
    const page = shrU(add(add(linear, word), FLAT_BIAS), PGSHIFT);
    const index = f.tmp(load(I32_LOAD, I32, add(this.#state(S.CODE_DIR), shl(page, 2))));
    f.brIf(miss, eqz(index));
    const offset = f.tmp(and(linear, 0xfff));
    const record = f.tmp(load(I32_LOAD, I32, add(index, shl(offset, 2))));
    f.brIf(miss, eqz(record));
    f.set(pb, sub(eip, offset));
    f.set(ip, record);
    const count = f.tmp(acc);
    f.set(acc, sub(acc, ip));
    f.brIf(top, shrU(count, 31));
    f.br(budget);
  }
}

/** Generates the module; see the file header for its exports. */
export function generateInterpreter(
  table: FormTable,
  builders: readonly RuntimeBuilder[],
  options: GenerateOptions,
): GeneratedInterpreter {
  return new Generator(table, builders, options).generate();
}
