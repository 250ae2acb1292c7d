// SPDX-License-Identifier: BSD-3-Clause
/**
 * One WebAssembly function under construction: locals, statements and structured control flow.
 *
 * Temporaries (`tmp`) are recycled by resetTemps(): a function made of many independent pieces, such as interpreter
 * handlers, must not grow a local for each, because the engine's compile time rises steeply with the number of locals.
 * @module
 */
import { Bytes } from "./bytes.ts";
import {
  PatchExpr,
  callNode,
  emitExpr,
  emitMemArg,
  emitOpcode,
  localGet,
  type Callee,
  type Expr,
} from "./expr.ts";
import * as W from "./opcodes.ts";
import { I32, type ValType } from "./opcodes.ts";

/** A block or loop that can be branched to while it is open. */
export type Label = number;

export class Func implements Callee {
  /** Final once the module has all its imports. */
  index: number;
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
  body = new Bytes(512);
  readonly #locals: ValType[] = [];
  readonly #temps = new Map<ValType, { readonly locals: Expr[]; used: number }>();
  #depth = 0;
  /** Positions in `body` of the branches that are seldom taken, ascending. */
  #unlikely: number[] = [];

  constructor(index: number, params: readonly ValType[], results: readonly ValType[]) {
    this.index = index;
    this.params = params;
    this.results = results;
  }

  // ---------------------------------------------------------------- locals

  param(index: number): Expr {
    const ty = this.params[index];
    if (ty === undefined) throw new RangeError(`function has no parameter ${index}`);
    return localGet(ty, index);
  }

  /** A new local, kept for the whole function. */
  local(ty: ValType = I32): Expr {
    this.#locals.push(ty);
    return localGet(ty, this.params.length + this.#locals.length - 1);
  }

  /** Evaluates `e` now into a temporary and returns it. Constants are returned as they are. */
  tmp(e: Expr): Expr {
    if (e.isConst) return e;
    const t = this.temp(e.ty);
    this.set(t, e);
    return t;
  }

  /** A temporary without value; valid until resetTemps(). */
  temp(ty: ValType): Expr {
    let pool = this.#temps.get(ty);
    if (pool === undefined) {
      pool = { locals: [], used: 0 };
      this.#temps.set(ty, pool);
    }
    if (pool.used === pool.locals.length) pool.locals.push(this.local(ty));
    return pool.locals[pool.used++]!;
  }

  /** All temporaries are free again: nothing that tmp() returned so far may be used any more. */
  resetTemps(): void {
    for (const pool of this.#temps.values()) pool.used = 0;
  }

  // ------------------------------------------------------------ statements

  set(target: Expr, value: Expr): void {
    if (target.op !== W.OP_LOCAL_GET) throw new TypeError("set() needs a local");
    if (target.ty !== value.ty) throw new TypeError("set(): value and local differ in type");
    emitExpr(this.body, value);
    this.body.u8(W.OP_LOCAL_SET);
    this.body.u32(target.imm);
  }

  /** Any store instruction at `address + offset`. */
  store(op: number, address: Expr, value: Expr, offset = 0): void {
    emitExpr(this.body, address);
    emitExpr(this.body, value);
    emitOpcode(this.body, op);
    emitMemArg(this.body, offset);
  }

  /** Calls for its effects; results are dropped. */
  exec(callee: Callee, ...args: Expr[]): void {
    emitExpr(this.body, callNode(callee, args, I32));
    for (let i = 0; i < callee.results.length; i++) this.body.u8(W.OP_DROP);
  }

  /** memory.copy(to, from, length): overlapping ranges are copied as if through a buffer. */
  memoryCopy(to: Expr, from: Expr, length: Expr): void {
    for (const e of [to, from, length]) emitExpr(this.body, e);
    emitOpcode(this.body, W.OP_MEMORY_COPY);
    this.body.u8(0);
    this.body.u8(0);
  }

  /** memory.fill(at, byte, length). */
  memoryFill(at: Expr, byte: Expr, length: Expr): void {
    for (const e of [at, byte, length]) emitExpr(this.body, e);
    emitOpcode(this.body, W.OP_MEMORY_FILL);
    this.body.u8(0);
  }

  ret(value?: Expr): void {
    if (value !== undefined) emitExpr(this.body, value);
    this.body.u8(W.OP_RETURN);
  }

  unreachable(): void {
    this.body.u8(W.OP_UNREACHABLE);
  }

  // --------------------------------------------------------- control flow

  if(condition: Expr, then: () => void, otherwise?: () => void): void {
    emitExpr(this.body, condition);
    this.#open(W.OP_IF);
    then();
    if (otherwise !== undefined) {
      this.body.u8(W.OP_ELSE);
      otherwise();
    }
    this.end();
  }

  /** A block; branching to its label leaves it. */
  block(inside: (label: Label) => void): void {
    const label = this.open();
    inside(label);
    this.end();
  }

  /** A loop; branching to its label starts it again, reaching its end leaves it. */
  loop(inside: (label: Label) => void): void {
    const label = this.openLoop();
    inside(label);
    this.end();
  }

  /** Opens a block that the caller closes with end(). */
  open(): Label {
    return this.#open(W.OP_BLOCK);
  }
  openLoop(): Label {
    return this.#open(W.OP_LOOP);
  }
  end(): void {
    this.#depth--;
    this.body.u8(W.OP_END);
  }

  br(label: Label): void {
    this.body.u8(W.OP_BR);
    this.body.u32(this.#relative(label));
  }
  brIf(label: Label, condition: Expr): void {
    emitExpr(this.body, condition);
    this.body.u8(W.OP_BR_IF);
    this.body.u32(this.#relative(label));
  }
  /** As brIf() and if(), for what seldom happens: the engine keeps that code apart from the rest. */
  brUnlikely(label: Label, condition: Expr): void {
    emitExpr(this.body, condition);
    this.#unlikely.push(this.body.length);
    this.body.u8(W.OP_BR_IF);
    this.body.u32(this.#relative(label));
  }
  ifUnlikely(condition: Expr, then: () => void): void {
    emitExpr(this.body, condition);
    this.#unlikely.push(this.body.length);
    this.#open(W.OP_IF);
    then();
    this.end();
  }
  /** Branches to labels[index], or to `otherwise` beyond their end. */
  brTable(index: Expr, labels: readonly Label[], otherwise: Label): void {
    emitExpr(this.body, index);
    this.body.u8(W.OP_BR_TABLE);
    this.body.u32(labels.length);
    for (const label of labels) this.body.u32(this.#relative(label));
    this.body.u32(this.#relative(otherwise));
  }

  /** A block that leaves a value on the stack at its end; branches to it carry the value (brUnlikelyValue, brValue). */
  openValue(ty: ValType): Label {
    this.body.u8(W.OP_BLOCK);
    this.body.u8(ty);
    return ++this.#depth;
  }
  /** Branches with `value` when the condition holds, which is seldom. `value` is evaluated in any case. */
  brUnlikelyValue(label: Label, value: Expr, condition: Expr): void {
    emitExpr(this.body, value);
    emitExpr(this.body, condition);
    this.#unlikely.push(this.body.length);
    this.body.u8(W.OP_BR_IF);
    this.body.u32(this.#relative(label));
    this.body.u8(W.OP_DROP);
  }
  brValue(label: Label, value: Expr): void {
    emitExpr(this.body, value);
    this.br(label);
  }
  /** Stores the value that the block just ended has left on the stack. */
  setFromStack(target: Expr): void {
    this.body.u8(W.OP_LOCAL_SET);
    this.body.u32(target.imm);
  }
  /** Writes statements in front of everything written so far. */
  prologue(build: () => void): void {
    const rest = this.body;
    const unlikely = this.#unlikely;
    this.body = new Bytes(256);
    this.#unlikely = [];
    build();
    const { length } = this.body;
    this.body.append(rest.view());
    for (const at of unlikely) this.#unlikely.push(at + length);
  }
  /** An i32 constant for use in one expression, to be given its value by fill() once that is known. */
  patch(): PatchExpr {
    return new PatchExpr();
  }
  fill(patch: PatchExpr, value: number): void {
    if (patch.at < 0) throw new Error("fill() needs a constant that has been written");
    this.body.patchS32(patch.at, value);
  }
  /** How many blocks are open. */
  get depth(): number {
    return this.#depth;
  }
  /** State for undo(): discards what was written since. Blocks opened in between must not be used any more. */
  mark(): { readonly length: number; readonly depth: number } {
    return { length: this.body.length, depth: this.#depth };
  }
  undo(mark: { readonly length: number; readonly depth: number }): void {
    this.body.length = mark.length;
    while (this.#unlikely.length > 0 && this.#unlikely[this.#unlikely.length - 1]! >= mark.length) this.#unlikely.pop();
    this.#depth = mark.depth;
  }

  #open(op: number): Label {
    this.body.u8(op);
    this.body.u8(W.VOID);
    return ++this.#depth;
  }
  #relative(label: Label): number {
    const distance = this.#depth - label;
    if (distance < 0 || label < 1) throw new RangeError("branch to a block that is not open");
    return distance;
  }

  /** Writes the code-section entry. */
  encode(out: Bytes): void {
    if (this.#depth !== 0) throw new Error(`function ${this.index} has ${this.#depth} open blocks`);
    const head = this.#localRuns();
    out.u32(head.length + this.body.length + 1);
    out.append(head.view());
    out.append(this.body.view());
    out.u8(W.OP_END);
  }

  /** Writes its entry in the section of branch hints: positions count from the declaration of locals. */
  encodeHints(out: Bytes): void {
    const head = this.#localRuns().length;
    out.u32(this.index);
    out.u32(this.#unlikely.length);
    for (const at of this.#unlikely) {
      out.u32(head + at);
      out.u32(1);
      out.u8(0);
    }
  }
  get hasHints(): boolean {
    return this.#unlikely.length > 0;
  }

  #localRuns(): Bytes {
    const runs: [number, ValType][] = [];
    for (const ty of this.#locals) {
      const last = runs[runs.length - 1];
      if (last !== undefined && last[1] === ty) last[0]++;
      else runs.push([1, ty]);
    }
    const head = new Bytes(16);
    head.u32(runs.length);
    for (const [count, ty] of runs) {
      head.u32(count);
      head.u8(ty);
    }
    return head;
  }
}
