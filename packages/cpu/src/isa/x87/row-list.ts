// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the tables of x87 instructions share: the checks that come first, calls of runtime functions, kinds of rows.
 * @module
 */
import { EXC_MF, EXC_NM } from "../../exception.ts";
import * as S from "../../state.ts";
import { and, i32, type Callee, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I64 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { E, STi, op, type Row, type RowOptions, type Semantics } from "../row.ts";
import * as F from "./frame.ts";

/** First of all in every x87 instruction: #NM when emulated or the task was switched. */
export function available(x: Ctx): void {
  x.checkOnce("CR0", () => x.raiseIf(and(x.state(S.CR0), S.CR0_EM | S.CR0_TS), EXC_NM));
}
/** First of all in every waiting instruction: also #MF when an unmasked exception is pending. */
export function ready(x: Ctx): void {
  available(x);
  x.raiseIf(and(x.state(S.FSW), F.ES), EXC_MF);
}
export function rt(x: Ctx, name: string): Callee {
  const callee = x.rt[name];
  if (callee === undefined) throw new Error(`no runtime function ${name}`);
  return callee;
}
export function run(x: Ctx, name: string, ...args: Expr[]): void {
  x.f.exec(rt(x, name), ...args);
}
/** RESULT's significand, or the integer or bit pattern in its place. */
export function result64(x: Ctx): Expr {
  return x.stateLoad(W.I64_LOAD, I64, i32(0), F.RESULT_M);
}

/** A growing list of rows. */
export class X87Rows {
  readonly rows: Row[] = [];

  memory(
    opcode: number,
    digit: number,
    name: string,
    bytes: number,
    semantics: Semantics,
    writes = false,
  ): void {
    this.rows.push(op(opcode, name, [E(bytes)], semantics, { digit, mod: "mem", writes, memBytes: bytes }));
  }
  register(opcode: number, digit: number, name: string, semantics: Semantics): void {
    this.rows.push(op(opcode, name, [STi], semantics, { digit, mod: "reg", writes: false }));
  }
  single(opcode: number, modrm: number, name: string, semantics: Semantics): void {
    const options: RowOptions = { digit: (modrm >> 3) & 7, rm: modrm & 7, mod: "reg" };
    this.rows.push(op(opcode, name, [], semantics, options));
  }
  /** A row without operands that calls one runtime function. */
  plain(opcode: number, modrm: number, name: string): void {
    this.single(opcode, modrm, name, (x) => {
      ready(x);
      run(x, `x87${name}`);
    });
  }
}
