// SPDX-License-Identifier: BSD-3-Clause
/**
 * The stack: pushes, pops, frames, flags on the stack. Source: SDM vol. 2A–2B, each by name.
 * @module
 */
import { add, and, eqz, or, select, sub, type Expr } from "../wasm/expr.ts";
import { I32, I32_STORE, I32_STORE16 } from "../wasm/opcodes.ts";
import {
  ARITHMETIC_FLAGS,
  DF,
  DIRECTION,
  EAX,
  EBP,
  EDI,
  ESP,
  ESI,
  EBX,
  ECX,
  EDX,
  POPF_MASK,
  SS,
  SYSFLAGS,
} from "../state.ts";
import { zeroExtend, type Ctx } from "./ctx.ts";
import { pushedFlags } from "./move.ts";
import { Ev, Ib, Ibs, Iw, Iz, Zv, op, type Row, type Semantics } from "./row.ts";

const PUSH: Semantics = (x) => x.push(x.size, x.tmp(x.read(0)));
const POP: Semantics = (x) => {
  if (x.isMem(0)) {
    const value = x.peek(x.size);
    const ref = x.writable(x.size, x.address(0));
    x.setReg(ESP, x.stackPlus(x.size));
    ref.store(x.size === 4 ? I32_STORE : I32_STORE16, value);
    return;
  }
  x.write(0, x.pop(x.size));
};

const PUSHA: Semantics = (x) => {
  const n = x.size;
  const sp = x.tmp(x.stackPlus(-8 * n));
  const ref = x.writable(8 * n, x.stackAddress(sp, 8 * n, true));
  for (let r = 0; r < 8; r++) ref.store(n === 4 ? I32_STORE : I32_STORE16, x.reg(r), (7 - r) * n);
  x.setReg(ESP, sp);
};
const POPA: Semantics = (x) => {
  const n = x.size;
  const order = [EDI, ESI, EBP, ESP, EBX, EDX, ECX, EAX];
  const values = order.map((_, i) => x.ld(n, x.stackAddress(x.tmp(x.stackPlus(i * n)), n, false)));
  order.forEach((r, i) => {
    if (r !== ESP) x.setRegPart(r, n, values[i]!);
  });
  x.setReg(ESP, x.stackPlus(8 * n));
};

const PUSHF: Semantics = (x) => x.push(x.size, x.tmp(pushedFlags(x)));

/** Loads EFLAGS from a popped image: CPL 3, IOPL 0. The mode may change, so the instruction leaves. */
export function loadFlags(x: Ctx, image: Expr, mask: number): void {
  const v = x.tmp(image);
  const system = mask & ~(ARITHMETIC_FLAGS | DF);
  x.flagsRaw(v);
  x.setState(DIRECTION, select(and(v, DF), -1, 1));
  x.setState(SYSFLAGS, or(and(x.state(SYSFLAGS), ~system), and(v, system)));
}
const POPF: Semantics = (x) => {
  const image = x.pop(x.size);
  loadFlags(x, image, x.size === 2 ? POPF_MASK & 0xffff : POPF_MASK);
  x.leave();
};

/**
 * ENTER. Nested frames are copied element by element; as on processors, memory below ESP may have been written when a
 * deep copy faults, and the restart writes it again.
 */
const ENTER: Semantics = (x) => {
  const n = x.size;
  const { f } = x;
  const level = x.tmp(and(x.imm2(), 31));
  const frame = x.tmp(x.stackPlus(-n));
  x.st(n, x.stackAddress(frame, n, true), x.reg(EBP));
  const sp = f.temp(I32);
  f.set(sp, frame);
  const wrapSp = (e: Expr): Expr => {
    if (x.form.flat) return e;
    return select(x.rights(SS, 0x4000), e, or(and(x.reg(ESP), -0x1_0000), and(e, 0xffff)));
  };
  f.if(level, () => {
    const bp = f.temp(I32);
    const left = f.temp(I32);
    f.set(bp, x.reg(EBP));
    f.set(left, sub(level, 1));
    f.block((out) => {
      f.loop((again) => {
        f.brIf(out, eqz(left));
        f.set(bp, wrapSp(sub(bp, n)));
        f.set(sp, wrapSp(sub(sp, n)));
        const value = x.ld(n, x.stackAddress(bp, n, false));
        x.st(n, x.stackAddress(sp, n, true), value);
        f.set(left, sub(left, 1));
        f.br(again);
      });
    });
    f.set(sp, wrapSp(sub(sp, n)));
    x.st(n, x.stackAddress(sp, n, true), frame);
  });
  // SDM: a page fault also where a write to the final top of the stack would make one.
  const end = x.tmp(wrapSp(sub(sp, zeroExtend(x.imm(), 2))));
  x.writable(n, x.stackAddress(end, n, true));
  x.setRegPart(EBP, n, frame);
  x.setReg(ESP, end);
};
const LEAVE: Semantics = (x) => {
  const n = x.size;
  const bp = x.tmp(x.reg(EBP));
  const value = x.ld(n, x.stackAddress(bp, n, false));
  const above = add(bp, n);
  x.setReg(
    ESP,
    x.form.flat
      ? above
      : select(x.rights(SS, 0x4000), above, or(and(x.reg(ESP), -0x1_0000), and(above, 0xffff))),
  );
  x.setRegPart(EBP, n, value);
};

export const STACK_ROWS: readonly Row[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((r) => [
    op(0x50 + r, "push", [Zv], PUSH, { hot: true, implicit: true }),
    op(0x58 + r, "pop", [Zv], POP, { hot: true, implicit: true }),
  ]),
  op(0x68, "push", [Iz], PUSH, { hot: true, implicit: true }),
  op(0x6a, "push", [Ibs], PUSH, { v: true, hot: true, implicit: true }),
  op(0xff, "push", [Ev], PUSH, { digit: 6, hot: true, implicit: true, writes: false }),
  op(0x8f, "pop", [Ev], POP, { digit: 0, implicit: true, addressAfterPop: true }),
  op(0x60, "pusha", [], PUSHA, { v: true, implicit: true }),
  op(0x61, "popa", [], POPA, { v: true, implicit: true }),
  op(0x9c, "pushf", [], PUSHF, { v: true, implicit: true }),
  op(0x9d, "popf", [], POPF, { v: true, implicit: true }),
  op(0xc8, "enter", [Iw, Ib], ENTER, { v: true, implicit: true }),
  op(0xc9, "leave", [], LEAVE, { v: true, hot: true, implicit: true }),
];
