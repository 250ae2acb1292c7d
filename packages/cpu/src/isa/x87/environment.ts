// SPDX-License-Identifier: BSD-3-Clause
/**
 * x87 control: control and status word, environment, saving and restoring the whole state, FWAIT.
 *
 * The instruction and data pointers are kept as FLDENV, FRSTOR and FXRSTOR set them; instructions do not update them.
 *
 * Source: SDM vol. 2A at each instruction, vol. 1 §8.1.10 (images).
 * @module
 */
import { EXC_MF, EXC_NM } from "../../exception.ts";
import * as S from "../../state.ts";
import { add, and, call, i32, or, shl, shrU, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { M, op, type Row, type Semantics } from "../row.ts";
import * as F from "./frame.ts";
import { X87Rows, available, ready, rt, run } from "./row-list.ts";

const list = new X87Rows();
const memory = list.memory.bind(list);
const single = list.single.bind(list);
const { rows } = list;

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

export const ENVIRONMENT_ROWS: readonly Row[] = rows;
