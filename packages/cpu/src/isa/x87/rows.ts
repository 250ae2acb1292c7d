// SPDX-License-Identifier: BSD-3-Clause
/**
 * x87 instructions: opcodes D8–DF and FWAIT. Memory operands are moved here, everything else is done by runtime functions.
 *
 * A store checks that memory can be written, then asks the runtime for the value and whether an unmasked exception
 * forbids it, then writes and pops.
 *
 * The instruction and data pointers are kept as FLDENV, FRSTOR and FXRSTOR set them; instructions do not update them.
 *
 * Source: SDM vol. 2A at each instruction, vol. 2D table A-7 and following (escape opcodes).
 * @module
 */
import { add, call, extendS, extendU, i32, i64, ne, wrap, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import type { Feature } from "../feature.ts";
import type { Row } from "../row.ts";
import { ARITHMETIC } from "./arithmetic.ts";
import { ENVIRONMENT_ROWS } from "./environment.ts";
import * as F from "./frame.ts";
import { X87_MOVE_ROWS } from "./move.ts";
import { NOT_QUICK } from "./quick.ts";
import { X87Rows, ready, result64, rt, run } from "./row-list.ts";
import { MEM_DOUBLE, MEM_INTEGER, MEM_SINGLE } from "./soft.ts";
import { CONSTANT_NAMES } from "./stack.ts";

const list = new X87Rows();
const memory = list.memory.bind(list);
const register = list.register.bind(list);
const single = list.single.bind(list);
const plain = list.plain.bind(list);

// ------------------------------------------------------------ memory operands

/** How a memory operand of each format is loaded: as (kind, 64 bits). */
interface Format {
  readonly bytes: number;
  readonly kind: number;
  readonly bits: (x: Ctx) => Expr;
}
const M32FP: Format = {
  bytes: 4,
  kind: MEM_SINGLE,
  bits: (x) => extendU(x.load(W.I32_LOAD, I32, 4, x.address(0))),
};
const M64FP: Format = { bytes: 8, kind: MEM_DOUBLE, bits: (x) => x.load(W.I64_LOAD, I64, 8, x.address(0)) };
const M16INT: Format = {
  bytes: 2,
  kind: MEM_INTEGER,
  bits: (x) => extendS(x.load(W.I32_LOAD16_S, I32, 2, x.address(0))),
};
const M32INT: Format = {
  bytes: 4,
  kind: MEM_INTEGER,
  bits: (x) => extendS(x.load(W.I32_LOAD, I32, 4, x.address(0))),
};
const M64INT: Format = { bytes: 8, kind: MEM_INTEGER, bits: (x) => x.load(W.I64_LOAD, I64, 8, x.address(0)) };

function withMemory(
  opcode: number,
  digit: number,
  name: string,
  format: Format,
  fn: string,
  ...more: number[]
): void {
  memory(opcode, digit, name, format.bytes, (x) => {
    ready(x);
    const bits = x.tmp(format.bits(x));
    run(x, fn, i32(format.kind), bits, ...more.map(i32));
  });
}

/** With a function for just this format. */
function withFormat(opcode: number, digit: number, name: string, format: Format, fn: string): void {
  memory(opcode, digit, name, format.bytes, (x) => {
    ready(x);
    run(x, fn, x.tmp(format.bits(x)));
  });
}

/** A store of ten bytes that pops: `fn` leaves the value and tells whether it is to be stored, `high` has the last two bytes. */
function storing(opcode: number, digit: number, name: string, fn: string, high: number): void {
  memory(
    opcode,
    digit,
    name,
    10,
    (x) => {
      ready(x);
      const ref = x.writable(10, x.address(0));
      x.when(call(rt(x, fn)), () => {
        ref.store(W.I64_STORE, result64(x));
        ref.store(W.I32_STORE16, x.stateLoad(W.I32_LOAD, I32, i32(0), high), 8);
        run(x, "x87pop");
      });
    },
    true,
  );
}

/** A store of which most values need no more than one function, `quick`, that gives the bits and pops; else `fn` does as in storing(). */
function storingQuickly(
  opcode: number,
  digit: number,
  name: string,
  bytes: 2 | 4 | 8,
  quick: string,
  fn: string,
  args: readonly number[],
  pops: boolean,
): void {
  const op = bytes === 2 ? W.I32_STORE16 : bytes === 4 ? W.I32_STORE : W.I64_STORE;
  memory(
    opcode,
    digit,
    name,
    bytes,
    (x) => {
      ready(x);
      const ref = x.writable(bytes, x.address(0));
      const put = (bits: Expr): void => ref.store(op, bytes === 8 ? bits : wrap(bits));
      const constants = args.map(i32);
      const bits = x.tmp(call(rt(x, quick), ...constants, i32(pops ? 1 : 0)));
      x.when(
        ne(bits, i64(NOT_QUICK)),
        () => put(bits),
        () =>
          x.when(call(rt(x, fn), ...constants), () => {
            put(result64(x));
            if (pops) run(x, "x87pop");
          }),
      );
    },
    true,
  );
}
/** FST and FSTP of a single or double. */
function storingReal(opcode: number, digit: number, name: string, bytes: 4 | 8, pops: boolean): void {
  const format = bytes === 4 ? "Single" : "Double";
  storingQuickly(opcode, digit, name, bytes, `x87quick${format}`, `x87store${format}`, [], pops);
}
/** FIST, FISTP and FISTTP. */
function storingInteger(
  opcode: number,
  digit: number,
  name: string,
  bytes: 2 | 4 | 8,
  truncate: 0 | 1,
  pops: boolean,
): void {
  storingQuickly(
    opcode,
    digit,
    name,
    bytes,
    "x87quickInteger",
    "x87storeInteger",
    [8 * bytes, truncate],
    pops,
  );
}
// ----------------------------------------------------------------- arithmetic

/** Digits of the six operations in D8 and its memory siblings. */
const DIGIT: Readonly<Record<string, number>> = { add: 0, mul: 1, sub: 4, subr: 5, div: 6, divr: 7 };
/** In DC and DE the digits of sub/subr and div/divr are exchanged. */
const DIGIT_REVERSED: Readonly<Record<string, number>> = { add: 0, mul: 1, subr: 4, sub: 5, divr: 6, div: 7 };

for (const name of ARITHMETIC) {
  const fn = `x87${name}`;
  register(0xd8, DIGIT[name]!, `f${name}`, (x) => {
    ready(x);
    run(x, fn, i32(0), x.registerNumber(0), i32(0));
  });
  register(0xdc, DIGIT_REVERSED[name]!, `f${name}`, (x) => {
    ready(x);
    run(x, fn, x.registerNumber(0), i32(0), i32(0));
  });
  register(0xde, DIGIT_REVERSED[name]!, `f${name}p`, (x) => {
    ready(x);
    run(x, fn, x.registerNumber(0), i32(0), i32(1));
  });
  withFormat(0xd8, DIGIT[name]!, `f${name}`, M32FP, `${fn}Single`);
  withFormat(0xdc, DIGIT[name]!, `f${name}`, M64FP, `${fn}Double`);
  withMemory(0xda, DIGIT[name]!, `fi${name}`, M32INT, `${fn}Memory`);
  withMemory(0xde, DIGIT[name]!, `fi${name}`, M16INT, `${fn}Memory`);
}

// ------------------------------------------------------------------- compares

for (const [pop, digit] of [
  [0, 2],
  [1, 3],
] as const) {
  const p = pop ? "p" : "";
  withMemory(0xd8, digit, `fcom${p}`, M32FP, "x87compareMemory", pop);
  withMemory(0xdc, digit, `fcom${p}`, M64FP, "x87compareMemory", pop);
  withMemory(0xda, digit, `ficom${p}`, M32INT, "x87compareMemory", pop);
  withMemory(0xde, digit, `ficom${p}`, M16INT, "x87compareMemory", pop);
}
function comparing(opcode: number, digit: number, name: string, quiet: number, pops: number): void {
  register(opcode, digit, name, (x) => {
    ready(x);
    run(x, "x87compare", x.registerNumber(0), i32(quiet), i32(pops));
  });
}
comparing(0xd8, 2, "fcom", 0, 0);
comparing(0xd8, 3, "fcomp", 0, 1);
// Undocumented second encodings, as all processors execute them.
comparing(0xdc, 2, "fcom", 0, 0);
comparing(0xdc, 3, "fcomp", 0, 1);
comparing(0xde, 2, "fcomp", 0, 1);
comparing(0xdd, 4, "fucom", 1, 0);
comparing(0xdd, 5, "fucomp", 1, 1);
single(0xde, 0xd9, "fcompp", (x) => {
  ready(x);
  run(x, "x87compare", i32(1), i32(0), i32(2));
});
single(0xda, 0xe9, "fucompp", (x) => {
  ready(x);
  run(x, "x87compare", i32(1), i32(1), i32(2));
});
function comparingFlags(opcode: number, digit: number, name: string, quiet: number, pop: number): void {
  register(opcode, digit, name, (x) => {
    ready(x);
    x.flagsRaw(call(rt(x, "x87compareFlags"), x.registerNumber(0), i32(quiet), i32(pop)));
  });
}
comparingFlags(0xdb, 6, "fcomi", 0, 0);
comparingFlags(0xdb, 5, "fucomi", 1, 0);
comparingFlags(0xdf, 6, "fcomip", 0, 1);
comparingFlags(0xdf, 5, "fucomip", 1, 1);

// ------------------------------------------------------------ loads and stores

withFormat(0xd9, 0, "fld", M32FP, "x87loadSingle");
withFormat(0xdd, 0, "fld", M64FP, "x87loadDouble");
withFormat(0xdf, 0, "fild", M16INT, "x87loadInteger");
withFormat(0xdb, 0, "fild", M32INT, "x87loadInteger");
withFormat(0xdf, 5, "fild", M64INT, "x87loadInteger");
/** Ten bytes at operand 0 as (low 8, high 2). */
function load10(x: Ctx): [Expr, Expr] {
  const at = x.tmp(x.address(0));
  return [x.load(W.I64_LOAD, I64, 8, at), x.load(W.I32_LOAD16_U, I32, 2, x.tmp(add(at, 8)))];
}
memory(0xdb, 5, "fld", 10, (x) => {
  ready(x);
  run(x, "x87load80", ...load10(x));
});
memory(0xdf, 4, "fbld", 10, (x) => {
  ready(x);
  run(x, "x87loadDecimal", ...load10(x));
});
for (const [pops, digit] of [
  [false, 2],
  [true, 3],
] as const) {
  const p = pops ? "p" : "";
  storingReal(0xd9, digit, `fst${p}`, 4, pops);
  storingReal(0xdd, digit, `fst${p}`, 8, pops);
  storingInteger(0xdf, digit, `fist${p}`, 2, 0, pops);
  storingInteger(0xdb, digit, `fist${p}`, 4, 0, pops);
}
storingInteger(0xdf, 7, "fistp", 8, 0, true);
storingInteger(0xdf, 1, "fisttp", 2, 1, true);
storingInteger(0xdb, 1, "fisttp", 4, 1, true);
storingInteger(0xdd, 1, "fisttp", 8, 1, true);
storing(0xdb, 7, "fstp", "x87store80", F.RESULT_SE);
storing(0xdf, 6, "fbstp", "x87storeDecimal", F.EXTRA);

// ----------------------------------------------------------- no memory operand

CONSTANT_NAMES.forEach((name, i) => plain(0xd9, [0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee][i]!, name));
plain(0xd9, 0xe0, "fchs");
plain(0xd9, 0xe1, "fabs");
plain(0xd9, 0xe4, "ftst");
plain(0xd9, 0xe5, "fxam");
plain(0xd9, 0xf4, "fxtract");
plain(0xd9, 0xf5, "fprem1");
plain(0xd9, 0xf8, "fprem");
plain(0xd9, 0xfa, "fsqrt");
plain(0xd9, 0xfc, "frndint");
plain(0xd9, 0xfd, "fscale");
plain(0xd9, 0xf0, "f2xm1");
plain(0xd9, 0xf1, "fyl2x");
plain(0xd9, 0xf2, "fptan");
plain(0xd9, 0xf3, "fpatan");
plain(0xd9, 0xf9, "fyl2xp1");
plain(0xd9, 0xfb, "fsincos");
plain(0xd9, 0xfe, "fsin");
plain(0xd9, 0xff, "fcos");
single(0xd9, 0xd0, "fnop", ready);
single(0xd9, 0xf6, "fdecstp", (x) => {
  ready(x);
  run(x, "x87turn", i32(7));
});
single(0xd9, 0xf7, "fincstp", (x) => {
  ready(x);
  run(x, "x87turn", i32(1));
});

/** What came after the coprocessor: moves and comparisons that look at or set EFLAGS, and FISTTP. */
const LATE: Readonly<Record<string, Feature>> = {
  fcmov: "cmov",
  fcomi: "cmov",
  fcomip: "cmov",
  fucomi: "cmov",
  fucomip: "cmov",
  fisttp: "sse3",
};
export const X87_ROWS: readonly Row[] = [...list.rows, ...X87_MOVE_ROWS, ...ENVIRONMENT_ROWS].map((row) => ({
  ...row,
  feature: LATE[row.name] ?? "fpu",
}));
