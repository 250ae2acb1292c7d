// SPDX-License-Identifier: BSD-3-Clause
/**
 * String instructions. Source: SDM vol. 2A–2B "CMPS", "LODS", "MOVS", "REP", "SCAS", "STOS".
 *
 * Invariant I-STR: a fault or an interrupt in a repeated instruction leaves ECX, ESI and EDI at the element not yet done;
 * every element is one restartable step (Ctx.repeat).
 * @module
 */
import {
  add,
  and,
  eq,
  eqz,
  geU,
  gtS,
  gtU,
  i32,
  ltU,
  mul,
  ne,
  select,
  shl,
  shrU,
  sub,
  type Expr,
} from "../wasm/expr.ts";
import { DIRECTION, DS, EAX, ECX, EDI, ES, ESI } from "../state.ts";
import { signExtend, zeroExtend, type Ctx } from "./ctx.ts";
import { op, type Row, type Semantics } from "./row.ts";

function log2(n: number): number {
  return n === 4 ? 2 : n === 2 ? 1 : 0;
}
/** Linear address of the source element, DS:[ESI] or by override. */
function source(x: Ctx): Expr {
  return x.linear(
    x.form.flat ? DS : x.segmentOverride(),
    x.tmp(zeroExtend(x.reg(ESI), x.form.addressSize)),
    x.size,
    false,
  );
}
/** Linear address of the destination element, ES:[EDI]. */
function destination(x: Ctx, isWrite: boolean): Expr {
  return x.linear(ES, x.tmp(zeroExtend(x.reg(EDI), x.form.addressSize)), x.size, isWrite);
}
/** Moves index register `r` to the next element. */
function advance(x: Ctx, r: number): void {
  x.setRegPart(r, x.form.addressSize, add(x.reg(r), shl(x.state(DIRECTION), log2(x.size))));
}

function moveElement(x: Ctx): null {
  const value = x.ld(x.size, source(x));
  x.st(x.size, destination(x, true), value);
  advance(x, ESI);
  advance(x, EDI);
  return null;
}
function storeElement(x: Ctx): null {
  x.st(x.size, destination(x, true), x.regPart(EAX, x.size));
  advance(x, EDI);
  return null;
}
function loadElement(x: Ctx): null {
  const value = x.ld(x.size, source(x));
  x.setRegPart(EAX, x.size, value);
  advance(x, ESI);
  return null;
}
function compareElements(x: Ctx): void {
  const a = x.ld(x.size, source(x));
  const b = x.ld(x.size, destination(x, false));
  x.flagsSub(a, b, signExtend(sub(a, b), x.size));
  advance(x, ESI);
  advance(x, EDI);
}
function scanElement(x: Ctx): void {
  const b = x.ld(x.size, destination(x, false));
  const a = x.tmp(x.regPart(EAX, x.size));
  x.flagsSub(a, b, signExtend(sub(a, b), x.size));
  advance(x, EDI);
}

/** How many elements of `n` bytes fit from `address` to the end of its page, going up. */
function elementsInPage(address: Expr, n: number): Expr {
  return shrU(sub(i32(0x1000), and(address, 0xfff)), log2(n));
}
function least(x: Ctx, a: Expr, b: Expr): Expr {
  const p = x.tmp(a);
  const q = x.tmp(b);
  return x.tmp(select(ltU(p, q), p, q));
}
function takeElements(x: Ctx, count: Expr, registers: readonly number[]): void {
  for (const r of registers) x.setReg(r, add(x.reg(r), shl(count, log2(x.size))));
  x.setReg(ECX, sub(x.reg(ECX), count));
}

/** Copies up to the nearer page end at once, when going up and the ranges do not overlap so that order would show. */
function moveBulk(x: Ctx): void {
  const { f } = x;
  f.if(gtS(x.state(DIRECTION), 0), () => {
    const from = x.tmp(x.reg(ESI));
    const to = x.tmp(x.reg(EDI));
    const count = least(x, x.reg(ECX), least(x, elementsInPage(from, x.size), elementsInPage(to, x.size)));
    f.if(gtU(count, 1), () => {
      const bytes = x.tmp(shl(count, log2(x.size)));
      const hostFrom = x.host(from, false);
      const hostTo = x.host(to, true);
      f.if(geU(sub(hostTo, hostFrom), bytes), () => {
        f.memoryCopy(hostTo, hostFrom, bytes);
        takeElements(x, count, [ESI, EDI]);
      });
    });
  });
}
/** Fills up to the page end at once, when going up and all bytes of an element are equal. */
function storeBulk(x: Ctx): void {
  const { f } = x;
  const byte = x.tmp(and(x.reg(EAX), 0xff));
  const uniform =
    x.size === 1
      ? i32(1)
      : eq(zeroExtend(x.reg(EAX), x.size), mul(byte, x.size === 2 ? 0x0101 : 0x0101_0101));
  f.if(and(gtS(x.state(DIRECTION), 0), uniform), () => {
    const to = x.tmp(x.reg(EDI));
    const count = least(x, x.reg(ECX), elementsInPage(to, x.size));
    f.if(gtU(count, 1), () => {
      f.memoryFill(x.host(to, true), byte, shl(count, log2(x.size)));
      takeElements(x, count, [EDI]);
    });
  });
}

function plain(element: (x: Ctx) => unknown): Semantics {
  return (x) => {
    element(x);
  };
}
function repeated(element: (x: Ctx) => null, bulk?: (x: Ctx) => void): Semantics {
  return (x) => {
    const inBulk = bulk !== undefined && x.form.flat && x.form.addressSize === 4 ? () => bulk(x) : undefined;
    x.repeat(x.form.addressSize, () => element(x), inBulk);
  };
}
/** REPE and REPNE: goes on while the elements are equal, or differ. */
function repeatedWhile(element: (x: Ctx) => void, whileEqual: boolean): Semantics {
  return (x) => {
    x.repeat(x.form.addressSize, () => {
      element(x);
      const { res } = x.flagWords();
      return whileEqual ? eqz(res) : ne(res, 0);
    });
  };
}

interface StringOperation {
  readonly opcode: number;
  readonly name: string;
  readonly once: Semantics;
  readonly repeatF3: Semantics;
  readonly repeatF2: Semantics;
}
function unconditional(
  opcode: number,
  name: string,
  element: (x: Ctx) => null,
  bulk?: (x: Ctx) => void,
): StringOperation {
  const rep = repeated(element, bulk);
  return { opcode, name, once: plain(element), repeatF3: rep, repeatF2: rep };
}
function comparing(opcode: number, name: string, element: (x: Ctx) => void): StringOperation {
  return {
    opcode,
    name,
    once: plain(element),
    repeatF3: repeatedWhile(element, true),
    repeatF2: repeatedWhile(element, false),
  };
}

const OPERATIONS: readonly StringOperation[] = [
  unconditional(0xa4, "movs", moveElement, moveBulk),
  comparing(0xa6, "cmps", compareElements),
  unconditional(0xaa, "stos", storeElement, storeBulk),
  unconditional(0xac, "lods", loadElement),
  comparing(0xae, "scas", scanElement),
];

export const STRING_ROWS: readonly Row[] = OPERATIONS.flatMap(({ opcode, name, once, repeatF3, repeatF2 }) =>
  [0, 1].flatMap((wide) => {
    const options = { implicit: true, v: wide === 1 };
    return [
      op(opcode + wide, `rep ${name}`, [], repeatF3, { ...options, prefix: 0xf3 as const }),
      op(opcode + wide, `repne ${name}`, [], repeatF2, { ...options, prefix: 0xf2 as const }),
      op(opcode + wide, name, [], once, options),
    ];
  }),
);
