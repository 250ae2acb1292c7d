// SPDX-License-Identifier: BSD-3-Clause
/**
 * Segment registers, far transfers, identification, and what CPL 3 may not do.
 *
 * Invariant I-CPL: nothing here changes IOPL, IF, control registers or CPL. SGDT, SIDT, SLDT, STR and SMSW raise #GP as
 * under CR4.UMIP. Source: SDM vol. 2A–2B, each by name; vol. 3A §5.9 for the privileged ones.
 * @module
 */
import { add, and, i32, ne, shl, type Expr } from "../wasm/expr.ts";
import { EXC_GP } from "../exception.ts";
import {
  CR4,
  CR4_TSD,
  CS,
  DS,
  ES,
  ESP,
  FS,
  GS,
  POPF_MASK,
  RF,
  SEG,
  SERVICE_OK,
  SERVICE_RESULT,
  SS,
} from "../state.ts";
import { setZero } from "./alu.ts";
import { zeroExtend, type Ctx } from "./ctx.ts";
import { Ap, E, Ev, Ew, Gv, Ib, Iw, M, Sw, op, seg, type Row, type Semantics } from "./row.ts";
import * as V from "./services.ts";
import { loadFlags } from "./stack.ts";
import { I32, I32_LOAD, I32_STORE, I32_STORE16 } from "../wasm/opcodes.ts";

/** Bytes of a far pointer in memory. */
const farBytes = (size: number): number => size + 2;

const PRIVILEGED: Semantics = (x) => x.raise(EXC_GP, 0);

function selectorOf(x: Ctx, segment: Expr): Expr {
  return and(x.stateLoad(I32_LOAD, I32, shl(segment, 4), SEG), 0xffff);
}
const MOV_TO_SEGMENT: Semantics = (x) => {
  x.service(V.SERVICE_LOAD_SEGMENT, x.registerNumber(0), x.readZ(1));
  x.leave();
};
const MOV_FROM_SEGMENT: Semantics = (x) => x.write(0, selectorOf(x, x.registerNumber(1)));
const PUSH_SEGMENT: Semantics = (x) => x.push(x.size, x.tmp(selectorOf(x, x.registerNumber(0))));
const POP_SEGMENT: Semantics = (x) => {
  const selector = x.peek(x.size);
  const above = x.tmp(x.stackPlus(x.size));
  x.service(V.SERVICE_LOAD_SEGMENT, x.registerNumber(0), and(selector, 0xffff));
  x.setReg(ESP, above);
  x.leave();
};
/** LES, LDS, LSS, LFS, LGS. */
function loadFarPointer(segment: number): Semantics {
  return (x) => {
    const at = x.address(1);
    const offset = x.ld(x.size, at);
    const selector = x.ldZ(2, x.tmp(add(at, x.size)));
    x.service(V.SERVICE_LOAD_SEGMENT, segment, selector);
    x.write(0, offset);
    x.leave();
  };
}

/** Offset and selector of a far operand, in the code or in memory. */
function farTarget(x: Ctx): { offset: Expr; selector: Expr } {
  if (!x.isMem(0))
    return { offset: x.tmp(zeroExtend(x.imm(), x.size)), selector: x.tmp(and(x.imm2(), 0xffff)) };
  const at = x.address(0);
  return { offset: x.ldZ(x.size, at), selector: x.ldZ(2, x.tmp(add(at, x.size))) };
}
const JMP_FAR: Semantics = (x) => {
  const { offset, selector } = farTarget(x);
  x.service(V.SERVICE_FAR_TRANSFER, selector);
  x.leave(offset);
};
const CALL_FAR: Semantics = (x) => {
  const n = x.size;
  const { offset, selector } = farTarget(x);
  const sp = x.tmp(x.stackPlus(-2 * n));
  const ref = x.writable(2 * n, x.stackAddress(sp, 2 * n, true));
  const from = x.tmp(selectorOf(x, i32(CS)));
  x.service(V.SERVICE_FAR_TRANSFER, selector);
  const store = n === 4 ? I32_STORE : I32_STORE16;
  ref.store(store, x.nextEip());
  ref.store(store, from, n);
  x.setReg(ESP, sp);
  x.leave(offset);
};
/** Element `i` of the operand's size on the stack, `more` bytes further up. */
function stackElement(x: Ctx, i: number, more: Expr = i32(0)): Expr {
  return x.ldZ(x.size, x.stackAddress(x.tmp(x.stackPlus(add(more, i * x.size))), x.size, false));
}
/**
 * Pops EIP and CS, `above` elements in all with `release` bytes behind them. Processors read all that a return needs before they
 * look at the selector, the far end first, and that of one to another privilege includes the outer SS and ESP. SDM and APM leave the
 * order open; this is what processors of AMD's family 17h do.
 */
function popFar(
  x: Ctx,
  above: number,
  release: Expr,
): { readonly offset: Expr; readonly selector: Expr; readonly sp: Expr } {
  const selector = stackElement(x, 1);
  const offset = stackElement(x, 0);
  x.when(ne(and(selector, 3), 3), () => {
    stackElement(x, above + 1, release);
    stackElement(x, above, release);
  });
  return { offset, selector: and(selector, 0xffff), sp: x.tmp(x.stackPlus(add(release, above * x.size))) };
}
function returnFar(release: (x: Ctx) => Expr): Semantics {
  return (x) => {
    const { offset, selector, sp } = popFar(x, 2, release(x));
    x.service(V.SERVICE_FAR_RETURN, selector);
    x.setReg(ESP, sp);
    x.leave(offset);
  };
}
const RETF = returnFar(() => i32(0));
const RETF_IMM = returnFar((x) => zeroExtend(x.imm(), 2));
const IRET: Semantics = (x) => {
  const image = stackElement(x, 2);
  const { offset, selector, sp } = popFar(x, 3, i32(0));
  x.service(V.SERVICE_FAR_RETURN, selector);
  x.setReg(ESP, sp);
  loadFlags(x, image, (POPF_MASK | RF) & (x.size === 2 ? 0xffff : -1));
  x.leave(offset);
};

const CPUID: Semantics = (x) => x.service(V.SERVICE_CPUID);
const RDTSC: Semantics = (x) => {
  x.raiseIf(and(x.state(CR4), CR4_TSD), EXC_GP);
  x.service(V.SERVICE_RDTSC);
};
/** LAR and LSL: the value is written only when the selector is accessible, which ZF tells. */
function describe(service: number): Semantics {
  return (x) => {
    x.service(service, and(x.read(1), 0xffff));
    const ok = x.tmp(x.state(SERVICE_OK));
    x.when(ok, () => x.write(0, x.state(SERVICE_RESULT)));
    setZero(x, ok);
  };
}
function verify(service: number): Semantics {
  return (x) => {
    x.service(service, and(x.read(0), 0xffff));
    setZero(x, ne(x.state(SERVICE_OK), 0));
  };
}

const PRIVILEGED_ONE_BYTE = [0x6c, 0x6d, 0x6e, 0x6f, 0xec, 0xed, 0xee, 0xef, 0xf4, 0xfa, 0xfb];
const PRIVILEGED_NAMES = ["insb", "ins", "outsb", "outs", "in", "in", "out", "out", "hlt", "cli", "sti"];
const PRIVILEGED_0F: readonly (readonly [number, string])[] = [
  [0x0f06, "clts"],
  [0x0f08, "invd"],
  [0x0f09, "wbinvd"],
  [0x0f30, "wrmsr"],
  [0x0f32, "rdmsr"],
  [0x0f33, "rdpmc"],
];

function segmentRows(): Row[] {
  return [ES, CS, SS, DS].flatMap((s) => {
    const push = op(0x06 + 8 * s, "push", [seg(s)], PUSH_SEGMENT, { v: true, implicit: true });
    return s === CS
      ? [push]
      : [push, op(0x07 + 8 * s, "pop", [seg(s)], POP_SEGMENT, { v: true, implicit: true })];
  });
}

export const SYSTEM_ROWS: readonly Row[] = [
  ...segmentRows(),
  ...[FS, GS].flatMap((s) => [
    op(s === FS ? 0x0fa0 : 0x0fa8, "push", [seg(s)], PUSH_SEGMENT, { v: true, implicit: true }),
    op(s === FS ? 0x0fa1 : 0x0fa9, "pop", [seg(s)], POP_SEGMENT, { v: true, implicit: true }),
  ]),
  ...[ES, SS, DS, FS, GS].map((digit) => op(0x8e, "mov", [Sw, Ew], MOV_TO_SEGMENT, { digit, writes: false })),
  ...[ES, CS, SS, DS, FS, GS].flatMap((digit) => [
    op(0x8c, "mov", [Ev, Sw], MOV_FROM_SEGMENT, { digit, mod: "reg" }),
    op(0x8c, "mov", [Ew, Sw], MOV_FROM_SEGMENT, { digit, mod: "mem" }),
  ]),
  op(0xc4, "les", [Gv, M], loadFarPointer(ES), { mod: "mem", writes: false, memBytes: farBytes }),
  op(0xc5, "lds", [Gv, M], loadFarPointer(DS), { mod: "mem", writes: false, memBytes: farBytes }),
  op(0x0fb2, "lss", [Gv, M], loadFarPointer(SS), { mod: "mem", writes: false, memBytes: farBytes }),
  op(0x0fb4, "lfs", [Gv, M], loadFarPointer(FS), { mod: "mem", writes: false, memBytes: farBytes }),
  op(0x0fb5, "lgs", [Gv, M], loadFarPointer(GS), { mod: "mem", writes: false, memBytes: farBytes }),
  op(0x9a, "call far", [Ap], CALL_FAR, { implicit: true, returns: true }),
  op(0xea, "jmp far", [Ap], JMP_FAR, { ends: true }),
  op(0xff, "call far", [M], CALL_FAR, {
    digit: 3,
    mod: "mem",
    implicit: true,
    writes: false,
    memBytes: farBytes,
    returns: true,
  }),
  op(0xff, "jmp far", [M], JMP_FAR, { digit: 5, mod: "mem", ends: true, writes: false, memBytes: farBytes }),
  op(0xcb, "retf", [], RETF, { v: true, implicit: true, ends: true }),
  op(0xca, "retf", [Iw], RETF_IMM, { v: true, implicit: true, ends: true }),
  op(0xcf, "iret", [], IRET, { v: true, implicit: true, ends: true }),
  op(0x0fa2, "cpuid", [], CPUID),
  op(0x0f31, "rdtsc", [], RDTSC, { feature: "tsc" }),
  op(0x0f02, "lar", [Gv, Ew], describe(V.SERVICE_LAR), { writes: false }),
  op(0x0f03, "lsl", [Gv, Ew], describe(V.SERVICE_LSL), { writes: false }),
  op(0x0f00, "verr", [Ew], verify(V.SERVICE_VERR), { digit: 4, writes: false }),
  op(0x0f00, "verw", [Ew], verify(V.SERVICE_VERW), { digit: 5, writes: false }),
  ...PRIVILEGED_ONE_BYTE.map((code, i) => op(code, PRIVILEGED_NAMES[i]!, [], PRIVILEGED)),
  ...[0xe4, 0xe5, 0xe6, 0xe7].map((code) => op(code, code < 0xe6 ? "in" : "out", [Ib], PRIVILEGED)),
  ...PRIVILEGED_0F.map(([code, name]) => op(code, name, [], PRIVILEGED)),
  op(0x0f00, "sldt", [E(2)], PRIVILEGED, { digit: 0 }),
  op(0x0f00, "str", [E(2)], PRIVILEGED, { digit: 1 }),
  op(0x0f00, "lldt", [E(2)], PRIVILEGED, { digit: 2 }),
  op(0x0f00, "ltr", [E(2)], PRIVILEGED, { digit: 3 }),
  op(0x0f01, "sgdt", [E(6)], PRIVILEGED, { digit: 0, mod: "mem" }),
  op(0x0f01, "sidt", [E(6)], PRIVILEGED, { digit: 1, mod: "mem" }),
  op(0x0f01, "lgdt", [E(6)], PRIVILEGED, { digit: 2, mod: "mem" }),
  op(0x0f01, "lidt", [E(6)], PRIVILEGED, { digit: 3, mod: "mem" }),
  op(0x0f01, "smsw", [E(2)], PRIVILEGED, { digit: 4 }),
  op(0x0f01, "lmsw", [E(2)], PRIVILEGED, { digit: 6 }),
  op(0x0f01, "invlpg", [E(1)], PRIVILEGED, { digit: 7, mod: "mem" }),
  ...controlRegisterRows(),
];

/** MOV to and from control and debug registers: the register form whatever the mod field says. */
function controlRegisterRows(): Row[] {
  const control = [0, 2, 3, 4].flatMap((digit) => [
    op(0x0f20, "mov cr", [E(4)], PRIVILEGED, { digit }),
    op(0x0f22, "mov cr", [E(4)], PRIVILEGED, { digit }),
  ]);
  const debug = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((digit) => [
    op(0x0f21, "mov dr", [E(4)], PRIVILEGED, { digit }),
    op(0x0f23, "mov dr", [E(4)], PRIVILEGED, { digit }),
  ]);
  return [...control, ...debug];
}
