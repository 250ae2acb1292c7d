// SPDX-License-Identifier: BSD-3-Clause
/**
 * x87 moves between registers. Where no stack fault can occur they are done in line, else by the functions of stack.ts.
 *
 * Source: SDM vol. 2A at each instruction.
 * @module
 */
import * as S from "../../state.ts";
import { add, and, eqz, i32, ne, or, shl, shrU, xor, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import type { Row } from "../row.ts";
import { attempt } from "../sse/fast.ts";
import * as F from "./frame.ts";
import { X87Rows, ready, run } from "./row-list.ts";

const list = new X87Rows();
const register = list.register.bind(list);

/** Physical register of ST(i), in a temporary. */
function physical(x: Ctx, top: Expr, i: Expr | number): Expr {
  return x.tmp(and(add(top, i), 7));
}
const isFull = (tags: Expr, p: Expr): Expr => ne(and(shrU(tags, p), 1), 0);
const bitOf = (p: Expr): Expr => shl(i32(1), p);

/** The contents of physical register `p`, in temporaries. */
function contents(x: Ctx, p: Expr): [m: Expr, se: Expr] {
  const slot = x.tmp(shl(p, 4));
  return [
    x.tmp(x.stateLoad(W.I64_LOAD, I64, slot, S.X87)),
    x.tmp(x.stateLoad(W.I32_LOAD, I32, slot, S.X87 + 8)),
  ];
}
function put(x: Ctx, p: Expr, [m, se]: readonly [Expr, Expr]): void {
  const slot = x.tmp(shl(p, 4));
  x.stateStore(W.I64_STORE, slot, m, S.X87);
  x.stateStore(W.I32_STORE, slot, se, S.X87 + 8);
}
function clearC1(x: Ctx): void {
  x.setState(S.FSW, and(x.state(S.FSW), ~F.C1));
}

register(0xd9, 0, "fld", (x) => {
  ready(x);
  const top = x.tmp(x.state(S.FTOP));
  const tags = x.tmp(x.state(S.FTW));
  const from = physical(x, top, x.registerNumber(0));
  const to = physical(x, top, 7);
  attempt(
    x,
    and(isFull(tags, from), eqz(isFull(tags, to))),
    () => {
      put(x, to, contents(x, from));
      x.setState(S.FTOP, to);
      x.setState(S.FTW, or(tags, bitOf(to)));
      clearC1(x);
    },
    () => run(x, "x87fldSt", x.registerNumber(0)),
  );
});
for (const [opcode, digit] of [
  [0xd9, 1],
  [0xdd, 1],
  [0xdf, 1],
] as const) {
  register(opcode, digit, "fxch", (x) => {
    ready(x);
    const top = x.tmp(x.state(S.FTOP));
    const tags = x.tmp(x.state(S.FTW));
    const other = physical(x, top, x.registerNumber(0));
    attempt(
      x,
      and(isFull(tags, top), isFull(tags, other)),
      () => {
        const a = contents(x, top);
        const b = contents(x, other);
        put(x, top, b);
        put(x, other, a);
        clearC1(x);
      },
      () => run(x, "x87fxch", x.registerNumber(0)),
    );
  });
}
for (const [opcode, digit, pop] of [
  [0xdd, 2, 0],
  [0xdd, 3, 1],
  [0xd9, 3, 1],
  [0xdf, 2, 1],
  [0xdf, 3, 1],
] as const) {
  register(opcode, digit, pop ? "fstp" : "fst", (x) => {
    ready(x);
    const top = x.tmp(x.state(S.FTOP));
    const tags = x.tmp(x.state(S.FTW));
    attempt(
      x,
      isFull(tags, top),
      () => {
        const to = physical(x, top, x.registerNumber(0));
        put(x, to, contents(x, top));
        const full = or(tags, bitOf(to));
        x.setState(S.FTW, pop ? and(full, xor(bitOf(top), -1)) : full);
        if (pop) x.setState(S.FTOP, and(add(top, 1), 7));
        clearC1(x);
      },
      () => run(x, "x87fstSt", x.registerNumber(0), i32(pop)),
    );
  });
}
for (const [opcode, pop] of [
  [0xdd, 0],
  [0xdf, 1],
] as const) {
  register(opcode, 0, pop ? "ffreep" : "ffree", (x) => {
    ready(x);
    run(x, "x87ffree", x.registerNumber(0), i32(pop));
  });
}
// Conditions B, E, BE, U are condition codes 2, 4, 6, 10 of Jcc.
[2, 4, 6, 10].forEach((cc, digit) => {
  for (const [opcode, negate] of [
    [0xda, 0],
    [0xdb, 1],
  ] as const) {
    register(opcode, digit, "fcmov", (x) => {
      ready(x);
      run(x, "x87fcmov", x.registerNumber(0), x.condition(cc + negate));
    });
  }
});

export const X87_MOVE_ROWS: readonly Row[] = list.rows;
