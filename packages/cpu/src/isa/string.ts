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
  call,
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
import { splat } from "./string-runtime.ts";

/** From so many equal bytes on the engine's memory.fill is faster, for all that calling it costs. */
const LARGE_FILL = 512;

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

/** Runs `many` for the elements that lie in one page from each of `addresses` on, when going up and there are two or more. */
function inBulk(x: Ctx, addresses: readonly Expr[], many: (count: Expr, bytes: Expr) => void): void {
  const { f } = x;
  f.if(gtS(x.state(DIRECTION), 0), () => {
    const room = addresses.map((a) => elementsInPage(a, x.size));
    const count = room.reduce((least_, n) => least(x, least_, n), x.tmp(x.reg(ECX)));
    f.if(gtU(count, 1), () => many(count, x.tmp(shl(count, log2(x.size)))));
  });
}

/** Copies up to the nearer page end at once, unless the destination lies so close behind the source that bytes repeat. */
function moveBulk(x: Ctx): void {
  const { f } = x;
  const from = x.tmp(x.reg(ESI));
  const to = x.tmp(x.reg(EDI));
  inBulk(x, [from, to], (count, bytes) => {
    const hostFrom = x.host(from, false);
    const hostTo = x.host(to, true);
    const distance = x.tmp(sub(hostTo, hostFrom));
    f.if(
      geU(distance, bytes),
      () => {
        f.exec(x.rt["stringCopy"]!, hostTo, hostFrom, bytes);
        takeElements(x, count, [ESI, EDI]);
      },
      () =>
        f.if(and(geU(distance, 16), geU(bytes, 16)), () => {
          f.exec(x.rt["stringCopyOverlapping"]!, hostTo, hostFrom, and(bytes, -16));
          takeElements(x, shrU(and(bytes, -16), log2(x.size)), [ESI, EDI]);
        }),
    );
  });
}
/** Fills up to the page end at once. */
function storeBulk(x: Ctx): void {
  const { f } = x;
  const to = x.tmp(x.reg(EDI));
  inBulk(x, [to], (count, bytes) => {
    const host = x.host(to, true);
    const byte = x.tmp(and(x.reg(EAX), 0xff));
    const uniform = eq(zeroExtend(x.reg(EAX), x.size), mul(byte, x.size === 1 ? 1 : x.size === 2 ? 0x0101 : 0x0101_0101));
    f.if(
      and(geU(bytes, LARGE_FILL), uniform),
      () => f.memoryFill(host, byte, bytes),
      () => f.exec(x.rt["stringFill"]!, host, bytes, splat(x.size, x.reg(EAX))),
    );
    takeElements(x, count, [EDI]);
  });
}
/** Of what is loaded only the last element is seen. */
function loadBulk(x: Ctx): void {
  const from = x.tmp(x.reg(ESI));
  inBulk(x, [from], (count) => {
    x.host(from, false);
    takeElements(x, sub(count, 1), [ESI]);
  });
}
/** Goes on to the element that ends it, or to the last one in the page. */
function compareBulk(whileEqual: boolean): (x: Ctx) => void {
  return (x) => {
    const from = x.tmp(x.reg(ESI));
    const to = x.tmp(x.reg(EDI));
    inBulk(x, [from, to], (count, bytes) => {
      const search = whileEqual ? "stringCompareN" : `stringCompareE${x.size}`;
      const stop = call(x.rt[search]!, x.host(from, false), x.host(to, false), bytes);
      takeElements(x, least(x, shrU(stop, log2(x.size)), sub(count, 1)), [ESI, EDI]);
    });
  };
}
function scanBulk(whileEqual: boolean): (x: Ctx) => void {
  return (x) => {
    const to = x.tmp(x.reg(EDI));
    inBulk(x, [to], (count, bytes) => {
      const search = whileEqual ? "stringScanN" : `stringScanE${x.size}`;
      const stop = call(x.rt[search]!, x.host(to, false), splat(x.size, x.reg(EAX)), bytes);
      takeElements(x, least(x, shrU(stop, log2(x.size)), sub(count, 1)), [EDI]);
    });
  };
}

function plain(element: (x: Ctx) => unknown): Semantics {
  return (x) => {
    element(x);
  };
}
/** `bulk` where it can be done: with flat segments and 32-bit addresses. */
function whereFlat(x: Ctx, bulk: (x: Ctx) => void): (() => void) | undefined {
  return x.form.flat && x.form.addressSize === 4 ? () => bulk(x) : undefined;
}
function repeated(element: (x: Ctx) => null, bulk: (x: Ctx) => void): Semantics {
  return (x) => {
    x.repeat(x.form.addressSize, () => element(x), whereFlat(x, bulk));
  };
}
/** REPE and REPNE: goes on while the elements are equal, or differ. */
function repeatedWhile(element: (x: Ctx) => void, whileEqual: boolean, bulk: (x: Ctx) => void): Semantics {
  return (x) => {
    const one = (): Expr => {
      element(x);
      const { res } = x.flagWords();
      return whileEqual ? eqz(res) : ne(res, 0);
    };
    x.repeat(x.form.addressSize, one, whereFlat(x, bulk));
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
  bulk: (x: Ctx) => void,
): StringOperation {
  const rep = repeated(element, bulk);
  return { opcode, name, once: plain(element), repeatF3: rep, repeatF2: rep };
}
function comparing(
  opcode: number,
  name: string,
  element: (x: Ctx) => void,
  bulk: (whileEqual: boolean) => (x: Ctx) => void,
): StringOperation {
  return {
    opcode,
    name,
    once: plain(element),
    repeatF3: repeatedWhile(element, true, bulk(true)),
    repeatF2: repeatedWhile(element, false, bulk(false)),
  };
}

const OPERATIONS: readonly StringOperation[] = [
  unconditional(0xa4, "movs", moveElement, moveBulk),
  comparing(0xa6, "cmps", compareElements, compareBulk),
  unconditional(0xaa, "stos", storeElement, storeBulk),
  unconditional(0xac, "lods", loadElement, loadBulk),
  comparing(0xae, "scas", scanElement, scanBulk),
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
