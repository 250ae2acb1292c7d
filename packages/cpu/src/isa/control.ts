// SPDX-License-Identifier: BSD-3-Clause
/**
 * Control transfer within a code segment, software interrupts, bound checks. Source: SDM vol. 2A–2B, each by name.
 * @module
 */
import { add, and, eqz, gtS, i32, ltS, ne, or, sub, type Expr } from "../wasm/expr.ts";
import { EXC_BP, EXC_BR, EXC_DB, EXC_OF, EXC_UD } from "../exception.ts";
import { ECX, ESP } from "../state.ts";
import { zeroExtend, type Ctx } from "./ctx.ts";
import { CONDITIONS } from "./move.ts";
import { Ev, Gv, Ib, Iw, Jb, Jz, M, op, type Row, type Semantics } from "./row.ts";

const JMP: Semantics = (x) => x.jump();
const JCC = Array.from(
  { length: 16 },
  (_, cc): Semantics =>
    (x) =>
      x.jumpIf(x.condition(cc)),
);
const CALL: Semantics = (x) => {
  x.push(x.size, x.tmp(x.nextEip()));
  x.jump();
};
const JMP_INDIRECT: Semantics = (x) => x.jumpTo(x.tmp(x.readZ(0)));
const CALL_INDIRECT: Semantics = (x) => {
  const target = x.tmp(x.readZ(0));
  x.push(x.size, x.tmp(x.nextEip()));
  x.jumpTo(target);
};
const RET: Semantics = (x) => x.jumpTo(zeroExtend(x.pop(x.size), x.size));
const RET_IMM: Semantics = (x) => {
  const target = x.peek(x.size);
  x.setReg(ESP, x.stackPlus(add(zeroExtend(x.imm(), 2), x.size)));
  x.jumpTo(zeroExtend(target, x.size));
};

/** (E)CX after its decrement, which is stored. */
function decrementCounter(x: Ctx): Expr {
  const n = x.form.addressSize;
  const count = x.tmp(zeroExtend(sub(x.reg(ECX), 1), n));
  x.setRegPart(ECX, n, count);
  return count;
}
const LOOP: Semantics = (x) => x.jumpIf(decrementCounter(x));
const LOOPE: Semantics = (x) => x.jumpIf(and(ne(decrementCounter(x), 0), x.condition(4)));
const LOOPNE: Semantics = (x) => x.jumpIf(and(ne(decrementCounter(x), 0), x.condition(5)));
const JECXZ: Semantics = (x) => x.jumpIf(eqz(zeroExtend(x.reg(ECX), x.form.addressSize)));

const INT: Semantics = (x) => x.softwareInterrupt(zeroExtend(x.imm(), 1));
const INT3: Semantics = (x) => x.trap(EXC_BP);
const INT1: Semantics = (x) => x.trap(EXC_DB);
const INTO: Semantics = (x) => x.when(x.condition(0), () => x.trap(EXC_OF));
const BOUND: Semantics = (x) => {
  const n = x.size;
  const at = x.address(1);
  const low = x.ld(n, at);
  const high = x.ld(n, x.tmp(add(at, n)));
  const index = x.tmp(x.read(0));
  x.raiseIf(or(ltS(index, low), gtS(index, high)), EXC_BR);
};
const UD: Semantics = (x) => x.raise(EXC_UD, i32(0));

export const CONTROL_ROWS: readonly Row[] = [
  op(0xeb, "jmp", [Jb], JMP, { hot: true, ends: true }),
  op(0xe9, "jmp", [Jz], JMP, { hot: true, ends: true }),
  ...CONDITIONS.flatMap((cc, i) => [
    op(0x70 + i, `j${cc}`, [Jb], JCC[i]!, { hot: true }),
    op(0x0f80 + i, `j${cc}`, [Jz], JCC[i]!, { hot: true }),
  ]),
  op(0xe8, "call", [Jz], CALL, { hot: true, implicit: true, returns: true }),
  op(0xff, "call", [Ev], CALL_INDIRECT, {
    digit: 2,
    hot: true,
    implicit: true,
    writes: false,
    returns: true,
  }),
  op(0xff, "jmp", [Ev], JMP_INDIRECT, { digit: 4, hot: true, ends: true, writes: false }),
  op(0xc3, "ret", [], RET, { v: true, hot: true, implicit: true, ends: true }),
  op(0xc2, "ret", [Iw], RET_IMM, { v: true, hot: true, implicit: true, ends: true }),
  op(0xe0, "loopne", [Jb], LOOPNE, { implicit: true }),
  op(0xe1, "loope", [Jb], LOOPE, { implicit: true }),
  op(0xe2, "loop", [Jb], LOOP, { implicit: true, hot: true }),
  op(0xe3, "jecxz", [Jb], JECXZ, { implicit: true }),
  op(0xcc, "int3", [], INT3, { ends: true }),
  op(0xcd, "int", [Ib], INT, { returns: true }),
  op(0xce, "into", [], INTO),
  op(0xf1, "int1", [], INT1, { ends: true }),
  op(0x62, "bound", [Gv, M], BOUND, { mod: "mem", writes: false, memBytes: (size) => 2 * size }),
  op(0x0f0b, "ud2", [], UD, { ends: true }),
];
