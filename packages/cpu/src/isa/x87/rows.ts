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
import { EXC_MF, EXC_NM } from "../../exception.ts";
import * as S from "../../state.ts";
import {
  add,
  and,
  call,
  extendS,
  extendU,
  i32,
  i64,
  ne,
  or,
  shl,
  shrU,
  wrap,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import type { Feature } from "../feature.ts";
import { E, M, STi, op, type Row, type RowOptions, type Semantics } from "../row.ts";
import * as F from "./frame.ts";
import { ARITHMETIC } from "./arithmetic.ts";
import { NOT_QUICK } from "./quick.ts";
import { MEM_DOUBLE, MEM_INTEGER, MEM_SINGLE } from "./soft.ts";
import { CONSTANT_NAMES } from "./stack.ts";

/** First of all in every x87 instruction: #NM when emulated or the task was switched. */
function available(x: Ctx): void {
  x.checkOnce("CR0", () => x.raiseIf(and(x.state(S.CR0), S.CR0_EM | S.CR0_TS), EXC_NM));
}
/** First of all in every waiting instruction: also #MF when an unmasked exception is pending. */
function ready(x: Ctx): void {
  available(x);
  x.raiseIf(and(x.state(S.FSW), F.ES), EXC_MF);
}
function rt(x: Ctx, name: string): Callee {
  const callee = x.rt[name];
  if (callee === undefined) throw new Error(`no runtime function ${name}`);
  return callee;
}
function run(x: Ctx, name: string, ...args: Expr[]): void {
  x.f.exec(rt(x, name), ...args);
}
/** RESULT's significand, or the integer or bit pattern in its place. */
function result64(x: Ctx): Expr {
  return x.stateLoad(W.I64_LOAD, I64, i32(0), F.RESULT_M);
}

const rows: Row[] = [];
function memory(
  opcode: number,
  digit: number,
  name: string,
  bytes: number,
  semantics: Semantics,
  writes = false,
): void {
  rows.push(op(opcode, name, [E(bytes)], semantics, { digit, mod: "mem", writes, memBytes: bytes }));
}
function register(opcode: number, digit: number, name: string, semantics: Semantics): void {
  rows.push(op(opcode, name, [STi], semantics, { digit, mod: "reg", writes: false }));
}
function single(opcode: number, modrm: number, name: string, semantics: Semantics): void {
  const options: RowOptions = { digit: (modrm >> 3) & 7, rm: modrm & 7, mod: "reg" };
  rows.push(op(opcode, name, [], semantics, options));
}
/** A row without operands that calls one runtime function. */
function plain(opcode: number, modrm: number, name: string, ...args: number[]): void {
  single(opcode, modrm, name, (x) => {
    ready(x);
    run(x, `x87${name}`, ...args.map(i32));
  });
}

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

/** A store of `bytes`: `fn` leaves the value, `put` writes it. */
function storing(
  opcode: number,
  digit: number,
  name: string,
  bytes: number,
  fn: string,
  args: number[],
  pops: boolean,
  put: (x: Ctx, store: (op: number, value: Expr, offset?: number) => void) => void,
): void {
  memory(
    opcode,
    digit,
    name,
    bytes,
    (x) => {
      ready(x);
      const ref = x.writable(bytes, x.address(0));
      x.when(call(rt(x, fn), ...args.map(i32)), () => {
        put(x, (o, value, offset) => ref.store(o, value, offset));
        if (pops) run(x, "x87pop");
      });
    },
    true,
  );
}
/** FST and FSTP of a single or double: most values need no more than one function that gives the bits and pops. */
function storingReal(opcode: number, digit: number, name: string, bytes: 4 | 8, pops: boolean): void {
  const format = bytes === 4 ? "Single" : "Double";
  memory(
    opcode,
    digit,
    name,
    bytes,
    (x) => {
      ready(x);
      const ref = x.writable(bytes, x.address(0));
      const put = (bits: Expr): void =>
        bytes === 4 ? ref.store(W.I32_STORE, wrap(bits)) : ref.store(W.I64_STORE, bits);
      const quick = x.tmp(call(rt(x, `x87quick${format}`), i32(pops ? 1 : 0)));
      x.when(
        ne(quick, i64(NOT_QUICK)),
        () => put(quick),
        () =>
          x.when(call(rt(x, `x87store${format}`)), () => {
            put(result64(x));
            if (pops) run(x, "x87pop");
          }),
      );
    },
    true,
  );
}
const put32 = (x: Ctx, store: (op: number, value: Expr, offset?: number) => void): void =>
  store(W.I32_STORE, wrap(result64(x)));
const put64 = (x: Ctx, store: (op: number, value: Expr, offset?: number) => void): void =>
  store(W.I64_STORE, result64(x));
const put16 = (x: Ctx, store: (op: number, value: Expr, offset?: number) => void): void =>
  store(W.I32_STORE16, wrap(result64(x)));

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
  storing(0xdf, digit, `fist${p}`, 2, "x87storeInteger", [16, 0], pops, put16);
  storing(0xdb, digit, `fist${p}`, 4, "x87storeInteger", [32, 0], pops, put32);
}
storing(0xdf, 7, "fistp", 8, "x87storeInteger", [64, 0], true, put64);
storing(0xdf, 1, "fisttp", 2, "x87storeInteger", [16, 1], true, put16);
storing(0xdb, 1, "fisttp", 4, "x87storeInteger", [32, 1], true, put32);
storing(0xdd, 1, "fisttp", 8, "x87storeInteger", [64, 1], true, put64);
storing(0xdb, 7, "fstp", 10, "x87store80", [], true, (x, store) => {
  store(W.I64_STORE, result64(x));
  store(W.I32_STORE16, x.stateLoad(W.I32_LOAD, I32, i32(0), F.RESULT_SE), 8);
});
storing(0xdf, 6, "fbstp", 10, "x87storeDecimal", [], true, (x, store) => {
  store(W.I64_STORE, result64(x));
  store(W.I32_STORE16, x.stateLoad(W.I32_LOAD, I32, i32(0), F.EXTRA), 8);
});

// ---------------------------------------------------------------- register moves

register(0xd9, 0, "fld", (x) => {
  ready(x);
  run(x, "x87fldSt", x.registerNumber(0));
});
for (const [opcode, digit] of [
  [0xd9, 1],
  [0xdd, 1],
  [0xdf, 1],
] as const) {
  register(opcode, digit, "fxch", (x) => {
    ready(x);
    run(x, "x87fxch", x.registerNumber(0));
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
    run(x, "x87fstSt", x.registerNumber(0), i32(pop));
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

// ------------------------------------------------------------ control, environment

/** The status word with TOP. */
function statusWord(x: Ctx): Expr {
  return or(x.state(S.FSW), shl(x.state(S.FTOP), 11));
}

rows.push(
  op(0x9b, "fwait", [], (x) => {
    // WAIT looks at MP instead of EM.
    x.raiseIf(and(and(x.state(S.CR0), shl(x.state(S.CR0), 2)), S.CR0_TS), EXC_NM);
    x.raiseIf(and(x.state(S.FSW), F.ES), EXC_MF);
  }),
);
memory(0xd9, 5, "fldcw", 2, (x) => {
  ready(x);
  run(x, "x87setControl", x.load(W.I32_LOAD16_U, I32, 2, x.address(0)));
});
memory(
  0xd9,
  7,
  "fnstcw",
  2,
  (x) => {
    available(x);
    x.st(2, x.address(0), x.state(S.FCW));
  },
  true,
);
memory(
  0xdd,
  7,
  "fnstsw",
  2,
  (x) => {
    available(x);
    x.st(2, x.address(0), statusWord(x));
  },
  true,
);
single(0xdf, 0xe0, "fnstsw", (x) => {
  available(x);
  x.setRegPart(S.EAX, 2, statusWord(x));
});
single(0xdb, 0xe2, "fnclex", (x) => {
  available(x);
  x.setState(S.FSW, and(x.state(S.FSW), F.CONDITIONS));
});
single(0xdb, 0xe3, "fninit", (x) => {
  available(x);
  run(x, "x87init");
});
// FENI, FDISI, FSETPM of the coprocessors before: no operation.
for (const modrm of [0xe0, 0xe1, 0xe4]) single(0xdb, modrm, "fnop", available);

/** Words of the environment as they lie in state, in the order of the 32-bit image. */
function environmentWords(x: Ctx): Expr[] {
  const tags = call(rt(x, "x87tags"));
  return [
    or(x.state(S.FCW), i32(-0x1_0000)),
    or(statusWord(x), i32(-0x1_0000)),
    or(tags, i32(-0x1_0000)),
    x.state(S.FIP),
    or(and(x.state(S.FCS), 0xffff), shl(and(x.state(S.FOP), 0x7ff), 16)),
    x.state(S.FDP),
    or(and(x.state(S.FDS), 0xffff), i32(-0x1_0000)),
  ];
}
/** Writes the environment; returns its length. */
function storeEnvironment(x: Ctx, store: (op: number, value: Expr, offset?: number) => void): number {
  if (x.size === 2) {
    const image = [
      x.state(S.FCW),
      statusWord(x),
      call(rt(x, "x87tags")),
      x.state(S.FIP),
      x.state(S.FCS),
      x.state(S.FDP),
      x.state(S.FDS),
    ];
    image.forEach((word, i) => store(W.I32_STORE16, word, 2 * i));
    return 14;
  }
  environmentWords(x).forEach((word, i) => store(W.I32_STORE, word, 4 * i));
  return 28;
}
/** Reads an environment into temporaries: FCW, FSW, tags, FIP, FCS, FDP, FDS. */
function loadEnvironment(x: Ctx, at: Expr): Expr[] {
  const n = x.size === 2 ? 2 : 4;
  return Array.from({ length: 7 }, (_, i) =>
    x.load(n === 2 ? W.I32_LOAD16_U : W.I32_LOAD, I32, n, x.tmp(add(at, n * i))),
  );
}
function applyEnvironment(x: Ctx, words: readonly Expr[]): void {
  run(x, "x87setTags", words[2]!);
  x.setState(S.FIP, words[3]!);
  x.setState(S.FCS, and(words[4]!, 0xffff));
  x.setState(S.FOP, and(shrU(words[4]!, 16), 0x7ff));
  x.setState(S.FDP, words[5]!);
  x.setState(S.FDS, and(words[6]!, 0xffff));
  run(x, "x87setControl", and(words[0]!, 0xffff));
  run(x, "x87setStatus", and(words[1]!, 0xffff));
}
/** State-block offset of ST(i) as an expression. */
function stackSlot(x: Ctx, i: number): Expr {
  return shl(and(add(x.state(S.FTOP), i), 7), 4);
}
function environmentRow(
  opcode: number,
  digit: number,
  name: string,
  semantics: Semantics,
  writes: boolean,
): void {
  rows.push(
    op(opcode, name, [M], semantics, {
      digit,
      mod: "mem",
      writes,
      memBytes: opcode === 0xd9 ? 28 : 108,
      v: true,
    }),
  );
}
environmentRow(
  0xd9,
  6,
  "fnstenv",
  (x) => {
    available(x);
    const ref = x.writable(x.size === 2 ? 14 : 28, x.address(0));
    storeEnvironment(x, (o, value, offset) => ref.store(o, value, offset));
    // Storing the environment masks all exceptions.
    x.setState(S.FCW, or(x.state(S.FCW), F.EXCEPTIONS));
    run(x, "x87summary");
  },
  true,
);
environmentRow(
  0xd9,
  4,
  "fldenv",
  (x) => {
    ready(x);
    applyEnvironment(x, loadEnvironment(x, x.tmp(x.address(0))));
  },
  false,
);
environmentRow(
  0xdd,
  6,
  "fnsave",
  (x) => {
    available(x);
    const ref = x.writable((x.size === 2 ? 14 : 28) + 80, x.address(0));
    const at = storeEnvironment(x, (o, value, offset) => ref.store(o, value, offset));
    for (let i = 0; i < 8; i++) {
      const slot = x.tmp(stackSlot(x, i));
      ref.store(W.I64_STORE, x.stateLoad(W.I64_LOAD, I64, slot, S.X87), at + 10 * i);
      ref.store(W.I32_STORE16, x.stateLoad(W.I32_LOAD, I32, slot, S.X87 + 8), at + 10 * i + 8);
    }
    run(x, "x87init");
  },
  true,
);
environmentRow(
  0xdd,
  4,
  "frstor",
  (x) => {
    ready(x);
    const at = x.tmp(x.address(0));
    const words = loadEnvironment(x, at);
    const first = x.size === 2 ? 14 : 28;
    const registers = Array.from({ length: 8 }, (_, i): [Expr, Expr] => [
      x.load(W.I64_LOAD, I64, 8, x.tmp(add(at, first + 10 * i))),
      x.load(W.I32_LOAD16_U, I32, 2, x.tmp(add(at, first + 10 * i + 8))),
    ]);
    applyEnvironment(x, words);
    registers.forEach(([m, se], i) => {
      const slot = x.tmp(stackSlot(x, i));
      x.stateStore(W.I64_STORE, slot, m, S.X87);
      x.stateStore(W.I32_STORE, slot, se, S.X87 + 8);
    });
  },
  false,
);

/** What came after the coprocessor: moves and comparisons that look at or set EFLAGS, and FISTTP. */
const LATE: Readonly<Record<string, Feature>> = {
  fcmov: "cmov",
  fcomi: "cmov",
  fcomip: "cmov",
  fucomi: "cmov",
  fucomip: "cmov",
  fisttp: "sse3",
};
export const X87_ROWS: readonly Row[] = rows.map((row) => ({ ...row, feature: LATE[row.name] ?? "fpu" }));
