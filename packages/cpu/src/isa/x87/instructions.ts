// SPDX-License-Identifier: BSD-3-Clause
/**
 * What x87 instructions do to the register stack and the status word, as runtime functions over the state block.
 *
 * Each function begins with EXC = 0, collects exceptions there, and ends through commit(), which merges them into the status word.
 * commit() says whether results may be written: an unmasked invalid operation, denormal operand or division by zero leaves
 * registers, stack pointer and memory as they were, and the exception is raised by the next waiting instruction.
 *
 * Source: SDM vol. 1 §8.1.2–8.1.7 (stack, tags), §8.5 (exceptions), §8.5.1.1 (stack faults).
 * @module
 */
import {
  add,
  and,
  call,
  eq,
  eqz,
  extendU,
  gtU,
  i32,
  i64,
  ltS,
  ne,
  or,
  select,
  shl,
  shrU,
  sub,
  xor,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as S from "../../state.ts";
import { EXACT_ZERO, UNROUNDED, buildArith, type ArithFunctions } from "./arith.ts";
import { buildConvert, type ConvertFunctions } from "./convert.ts";
import { buildFast, isNormal } from "./fast.ts";
import * as F from "./frame.ts";
import { Frame } from "./frame.ts";
import { CLASS_SNAN, buildRound, precisionMask, type RoundFunctions } from "./round.ts";

/** Formats of memory operands that arithmetic instructions take. */
export const MEM_SINGLE = 0;
export const MEM_DOUBLE = 1;
export const MEM_INTEGER = 2;

/** The two-operand operations, dst op other or (reversed) other op dst. */
export const ARITHMETIC = ["add", "mul", "sub", "subr", "div", "divr"] as const;

/** FLD constants: significands rounded down, and whether the next bits round up to nearest (and so upwards). */
const CONSTANTS: readonly { name: string; se: number; m: bigint; up: boolean }[] = [
  { name: "fld1", se: 0x3fff, m: 0x8000_0000_0000_0000n, up: false },
  { name: "fldl2t", se: 0x4000, m: 0xd49a_784b_cd1b_8afen, up: false },
  { name: "fldl2e", se: 0x3fff, m: 0xb8aa_3b29_5c17_f0bbn, up: true },
  { name: "fldpi", se: 0x4000, m: 0xc90f_daa2_2168_c234n, up: true },
  { name: "fldlg2", se: 0x3ffd, m: 0x9a20_9a84_fbcf_f798n, up: true },
  { name: "fldln2", se: 0x3ffe, m: 0xb172_17f7_d1cf_79abn, up: true },
  { name: "fldz", se: 0, m: 0n, up: false },
];
export const CONSTANT_NAMES: readonly string[] = CONSTANTS.map((c) => c.name);

/** Everything the other files of x87 and SSE build on. */
export interface Soft {
  readonly fr: Frame;
  readonly r: RoundFunctions;
  readonly a: ArithFunctions;
  readonly c: ConvertFunctions;
  /** () → 1 when results may be written. */
  readonly commit: Func;
  /** () → 1: records a stack underflow and stores the indefinite value as RESULT; commits. */
  readonly underflow: Func;
  /** (se, m): pushes, or records a stack overflow. EXC holds what came before. */
  readonly push: Func;
  readonly pop: Func;
}

export function buildSoft(m: ModuleBuilder, stateBase: number): Soft {
  const fr = new Frame(stateBase);
  const r = buildRound(m, fr);
  const a = buildArith(m, fr, r);
  const c = buildConvert(m, fr, r);

  const commit = m.func([], [I32], (f) => {
    const exc = f.tmp(fr.ld32(F.EXC));
    f.if(eqz(exc), () => {
      fr.st32(f, S.FSW, and(fr.ld32(S.FSW), ~F.C1));
      f.ret(i32(1));
    });
    const open = f.tmp(and(and(exc, xor(fr.fcw(), -1)), F.EXCEPTIONS));
    const merged = or(and(fr.ld32(S.FSW), ~F.C1), exc);
    fr.st32(f, S.FSW, or(merged, select(open, i32(F.ES | F.BUSY), i32(0))));
    f.ret(eqz(and(open, F.IE | F.DE | F.ZE)));
  });
  const underflow = m.func([], [I32], (f) => {
    fr.st32(f, F.EXC, i32(F.IE | F.SF));
    fr.indefinite(f);
    f.ret(call(commit));
  });
  const pop = m.func([], [], (f) => {
    fr.markEmpty(f, f.tmp(fr.physical(0)));
    fr.st32(f, S.FTOP, fr.physical(1));
  });
  const push = m.func([I32, I64], [], (f) => {
    const se = f.param(0);
    const sig = f.param(1);
    const p = f.tmp(fr.physical(7));
    f.if(eqz(fr.isEmpty(p)), () => {
      fr.st32(f, F.EXC, i32(F.IE | F.SF | F.C1));
      f.set(se, i32(F.INDEFINITE_SE));
      f.set(sig, i64(F.INDEFINITE_M));
    });
    f.exec(commit);
    // A denormal memory operand is loaded even when its exception is unmasked.
    f.if(eqz(fr.unmasked(F.IE)), () => {
      fr.st32(f, S.FTOP, p);
      fr.setReg(f, p, se, sig);
      fr.markFull(f, p);
    });
  });
  return { fr, r, a, c, commit, underflow, push, pop };
}

export function buildInstructions(m: ModuleBuilder, soft: Soft): Record<string, Callee> {
  const { fr, r, a, c, commit, underflow, push, pop } = soft;
  const fast = buildFast(m, soft);
  const out: Record<string, Callee> = { x87pop: pop };
  const begin = (f: Func): void => fr.st32(f, F.EXC, i32(0));
  const st = (f: Func, i: Expr | number): Expr => f.tmp(fr.physical(i));
  const popIf = (f: Func, condition: Expr): void => f.if(condition, () => f.exec(pop));
  const resultSe = (): Expr => fr.ld32(F.RESULT_SE);
  const resultM = (): Expr => fr.ld64(F.RESULT_M);
  const exc = (): Expr => fr.ld32(F.EXC);
  /** Whether RESULT is a NaN. */
  const isNaN = (): Expr => and(eq(and(resultSe(), F.EXP_MASK), F.EXP_MASK), ne(shl(resultM(), 1), 0));

  /** (kind, bits) → RESULT */
  const fromMemory = m.func([I32, I64], [], (f) => {
    const [kind, bits] = [f.param(0), f.param(1)];
    f.if(
      eq(kind, MEM_SINGLE),
      () => f.exec(c.fromSingle, bits),
      () =>
        f.if(
          eq(kind, MEM_DOUBLE),
          () => f.exec(c.fromDouble, bits),
          () => f.exec(c.fromInteger, bits),
        ),
    );
  });

  // ------------------------------------------------------------ arithmetic

  const kernels: Record<(typeof ARITHMETIC)[number], { fn: Func; normal: Func; reversed: boolean }> = {
    add: { fn: a.add, normal: fast.add, reversed: false },
    mul: { fn: a.multiply, normal: fast.mul, reversed: false },
    sub: { fn: a.subtract, normal: fast.sub, reversed: false },
    subr: { fn: a.subtract, normal: fast.sub, reversed: true },
    div: { fn: a.divide, normal: fast.div, reversed: false },
    divr: { fn: a.divide, normal: fast.div, reversed: true },
  };
  /** Rounds what an arithmetic kernel left. */
  const round = m.func([I32], [], (f) => {
    const left = f.param(0);
    f.if(fr.unmasked(F.IE | F.DE | F.ZE), () => f.ret());
    f.if(eq(left, UNROUNDED), () =>
      f.exec(r.roundPack, resultSe(), fr.ld32(F.A_E), resultM(), fr.ld64(F.EXTRA), precisionMask(fr)),
    );
    f.if(eq(left, EXACT_ZERO), () =>
      fr.result(f, select(eq(fr.roundingControl(), F.RC_DOWN), i32(F.SIGN), i32(0)), i64(0n)),
    );
  });
  /** (p): writes RESULT to physical register p when allowed; returns whether. */
  const deliver = m.func([I32], [I32], (f) => {
    const p = f.param(0);
    f.if(eqz(call(commit)), () => f.ret(i32(0)));
    fr.setReg(f, p, resultSe(), resultM());
    fr.markFull(f, p);
    f.ret(i32(1));
  });
  for (const name of ARITHMETIC) {
    const { fn, normal, reversed } = kernels[name];
    // (dst, other, pop): ST(dst) = ST(dst) op ST(other)
    out[`x87${name}`] = m.func([I32, I32, I32], [], (f) => {
      const d = st(f, f.param(0));
      const o = st(f, f.param(1));
      const empty = f.tmp(or(fr.isEmpty(d), fr.isEmpty(o)));
      const [x, y] = reversed ? [o, d] : [d, o];
      const aSe = f.tmp(fr.regSe(x));
      const aM = f.tmp(fr.regM(x));
      const bSe = f.tmp(fr.regSe(y));
      const bM = f.tmp(fr.regM(y));
      f.if(and(eqz(empty), and(isNormal(aSe, aM), isNormal(bSe, bM))), () => {
        f.exec(normal, d, aSe, aM, bSe, bM);
        popIf(f, f.param(2));
        f.ret();
      });
      begin(f);
      f.if(
        empty,
        () => {
          f.if(eqz(call(underflow)), () => f.ret());
          fr.setReg(f, d, resultSe(), resultM());
          fr.markFull(f, d);
        },
        () => {
          f.exec(round, call(fn, aSe, aM, bSe, bM));
          f.if(eqz(call(deliver, d)), () => f.ret());
        },
      );
      popIf(f, f.param(2));
    });
    // (kind, bits): ST(0) = ST(0) op memory
    out[`x87${name}Memory`] = m.func([I32, I64], [], (f) => {
      const p = st(f, 0);
      begin(f);
      f.if(fr.isEmpty(p), () => {
        f.if(call(underflow), () => {
          fr.setReg(f, p, resultSe(), resultM());
          fr.markFull(f, p);
        });
        f.ret();
      });
      f.exec(fromMemory, f.param(0), f.param(1));
      const se = f.tmp(fr.regSe(p));
      const sig = f.tmp(fr.regM(p));
      const otherSe = f.tmp(resultSe());
      const otherM = f.tmp(resultM());
      const operands = reversed ? [otherSe, otherM, se, sig] : [se, sig, otherSe, otherM];
      f.if(and(eqz(exc()), and(isNormal(se, sig), isNormal(otherSe, otherM))), () => {
        f.exec(normal, p, ...operands);
        f.ret();
      });
      const left = call(fn, ...operands);
      const how = f.tmp(left);
      // A NaN operand, an invalid operation and a division by zero outrank a denormal memory operand, flagged when it was converted.
      f.if(and(eqz(how), or(isNaN(), ne(and(exc(), F.IE | F.ZE), 0))), () =>
        fr.st32(f, F.EXC, and(exc(), ~F.DE)),
      );
      f.exec(round, how);
      f.exec(deliver, p);
    });
  }

  /** One-operand instructions on ST(0): fn(se, m) leaves RESULT. */
  const unary = (name: string, apply: (f: Func, p: Expr) => void): void => {
    out[name] = m.func([], [], (f) => {
      const p = st(f, 0);
      begin(f);
      f.if(
        fr.isEmpty(p),
        () => f.if(eqz(call(underflow)), () => f.ret()),
        () => {
          apply(f, p);
          f.if(eqz(call(commit)), () => f.ret());
        },
      );
      fr.setReg(f, p, resultSe(), resultM());
      fr.markFull(f, p);
    });
  };
  unary("x87fsqrt", (f, p) => f.exec(round, call(a.squareRoot, fr.regSe(p), fr.regM(p))));
  unary("x87frndint", (f, p) => f.exec(c.roundToInteger, fr.regSe(p), fr.regM(p)));
  unary("x87fchs", (f, p) => fr.result(f, xor(fr.regSe(p), F.SIGN), fr.regM(p)));
  unary("x87fabs", (f, p) => fr.result(f, and(fr.regSe(p), F.EXP_MASK), fr.regM(p)));

  /** Two-operand instructions that replace ST(0) and look at ST(1). */
  const withSecond = (name: string, apply: (f: Func, p: Expr, q: Expr) => void): void => {
    out[name] = m.func([], [], (f) => {
      const p = st(f, 0);
      const q = st(f, 1);
      begin(f);
      f.if(
        or(fr.isEmpty(p), fr.isEmpty(q)),
        () => f.if(eqz(call(underflow)), () => f.ret()),
        () => apply(f, p, q),
      );
      fr.setReg(f, p, resultSe(), resultM());
      fr.markFull(f, p);
    });
  };
  withSecond("x87fscale", (f, p, q) => {
    f.exec(c.scale, fr.regSe(p), fr.regM(p), fr.regSe(q), fr.regM(q));
    f.if(eqz(call(commit)), () => f.ret());
  });
  for (const [name, nearest] of [
    ["x87fprem", 0],
    ["x87fprem1", 1],
  ] as const) {
    withSecond(name, (f, p, q) => {
      const codes = f.tmp(call(a.remainder, fr.regSe(p), fr.regM(p), fr.regSe(q), fr.regM(q), i32(nearest)));
      const ok = f.tmp(call(commit));
      // Without a quotient C0 and C3 stay as they were.
      const kept = select(ltS(codes, 0), i32(~(F.C1 | F.C2)), i32(~F.CONDITIONS));
      fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), kept), select(ltS(codes, 0), i32(0), codes)));
      f.if(eqz(ok), () => f.ret());
    });
  }

  // FXTRACT: exponent into ST(0), then the significand on top.
  out["x87fxtract"] = m.func([], [], (f) => {
    const p = st(f, 0);
    const q = st(f, 7);
    begin(f);
    const isEmpty = f.tmp(fr.isEmpty(p));
    f.if(
      or(isEmpty, eqz(fr.isEmpty(q))),
      () => {
        f.if(
          isEmpty,
          () => f.if(eqz(call(underflow)), () => f.ret()),
          () => {
            fr.st32(f, F.EXC, i32(F.IE | F.SF | F.C1));
            fr.indefinite(f);
            f.if(eqz(call(commit)), () => f.ret());
          },
        );
        fr.st32(f, F.RESULT2_SE, resultSe());
        fr.st64(f, F.RESULT2_M, resultM());
      },
      () => {
        f.exec(c.extract, fr.regSe(p), fr.regM(p));
        f.if(eqz(call(commit)), () => f.ret());
      },
    );
    fr.setReg(f, p, fr.ld32(F.RESULT2_SE), fr.ld64(F.RESULT2_M));
    fr.markFull(f, p);
    fr.st32(f, S.FTOP, q);
    fr.setReg(f, q, resultSe(), resultM());
    fr.markFull(f, q);
  });

  // --------------------------------------------------------------- compare
  // Condition codes and EFLAGS are set even when an unmasked exception follows; only the pops are left out.

  const setCodes = (f: Func, codes: Expr): void =>
    fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~(F.C0 | F.C2 | F.C3)), codes));
  const UNORDERED = F.C0 | F.C2 | F.C3;
  // (i, quiet, pops)
  out["x87compare"] = m.func([I32, I32, I32], [], (f) => {
    const p = st(f, 0);
    const q = st(f, f.param(0));
    begin(f);
    f.if(
      or(fr.isEmpty(p), fr.isEmpty(q)),
      () => {
        setCodes(f, i32(UNORDERED));
        f.if(eqz(call(underflow)), () => f.ret());
      },
      () => {
        setCodes(f, call(c.compare, fr.regSe(p), fr.regM(p), fr.regSe(q), fr.regM(q), f.param(1)));
        f.if(eqz(call(commit)), () => f.ret());
      },
    );
    popIf(f, f.param(2));
    popIf(f, gtU(f.param(2), 1));
  });
  // (kind, bits, pop)
  out["x87compareMemory"] = m.func([I32, I64, I32], [], (f) => {
    const p = st(f, 0);
    begin(f);
    f.if(
      fr.isEmpty(p),
      () => {
        setCodes(f, i32(UNORDERED));
        f.if(eqz(call(underflow)), () => f.ret());
      },
      () => {
        f.exec(fromMemory, f.param(0), f.param(1));
        const codes = f.tmp(call(c.compare, fr.regSe(p), fr.regM(p), resultSe(), resultM(), i32(0)));
        // A NaN operand takes precedence over the denormal of the other.
        f.if(eq(codes, UNORDERED), () => fr.st32(f, F.EXC, and(exc(), ~F.DE)));
        setCodes(f, codes);
        f.if(eqz(call(commit)), () => f.ret());
      },
    );
    popIf(f, f.param(2));
  });
  // (i, quiet, pop) → CF, PF and ZF as in EFLAGS
  out["x87compareFlags"] = m.func([I32, I32, I32], [I32], (f) => {
    const p = st(f, 0);
    const q = st(f, f.param(0));
    const codes = f.local(I32);
    begin(f);
    f.if(
      or(fr.isEmpty(p), fr.isEmpty(q)),
      () => {
        f.set(codes, i32(UNORDERED));
        popIf(f, and(call(underflow), f.param(2)));
      },
      () => {
        f.set(codes, call(c.compare, fr.regSe(p), fr.regM(p), fr.regSe(q), fr.regM(q), f.param(1)));
        popIf(f, and(call(commit), f.param(2)));
      },
    );
    // C0 → CF (bit 0), C2 → PF (bit 2), C3 → ZF (bit 6)
    f.ret(and(shrU(codes, 8), S.CF | S.PF | S.ZF));
  });
  out["x87ftst"] = m.func([], [], (f) => {
    const p = st(f, 0);
    begin(f);
    f.if(
      fr.isEmpty(p),
      () => {
        setCodes(f, i32(UNORDERED));
        f.exec(underflow);
      },
      () => {
        setCodes(f, call(c.compare, fr.regSe(p), fr.regM(p), i32(0), i64(0n), i32(0)));
        f.exec(commit);
      },
    );
  });
  out["x87fxam"] = m.func([], [], (f) => {
    const p = st(f, 0);
    const codes = f.local(I32);
    f.if(
      fr.isEmpty(p),
      () => f.set(codes, i32(F.C3 | F.C0)),
      () => {
        const cls = f.tmp(call(r.classify, fr.regSe(p), fr.regM(p)));
        // normal, zero, denormal, infinity, quiet NaN, signalling NaN, unsupported
        const table = [F.C2, F.C3, F.C3 | F.C2, F.C2 | F.C0, F.C0, F.C0, 0];
        f.set(codes, i32(0));
        table.forEach((value, i) => f.set(codes, select(eq(cls, i), i32(value), codes)));
      },
    );
    const sign = select(and(fr.regSe(p), F.SIGN), i32(F.C1), i32(0));
    fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~F.CONDITIONS), or(codes, sign)));
  });

  // ---------------------------------------------------------- loads, moves

  // (kind, bits)
  out["x87load"] = m.func([I32, I64], [], (f) => {
    f.if(eq(f.param(0), MEM_DOUBLE), () => f.if(call(fast.loadDouble, f.param(1)), () => f.ret()));
    f.if(eq(f.param(0), MEM_SINGLE), () => f.if(call(fast.loadSingle, f.param(1)), () => f.ret()));
    begin(f);
    f.exec(fromMemory, f.param(0), f.param(1));
    f.if(eq(call(r.classify, resultSe(), resultM()), CLASS_SNAN), () => {
      fr.raise(f, F.IE);
      fr.st64(f, F.RESULT_M, or(resultM(), i64(F.QUIET_BIT)));
    });
    f.exec(push, resultSe(), resultM());
  });
  // (m, se)
  out["x87load80"] = m.func([I64, I32], [], (f) => {
    begin(f);
    f.exec(push, f.param(1), f.param(0));
  });
  // (low 8 bytes, high 2 bytes)
  out["x87loadDecimal"] = m.func([I64, I32], [], (f) => {
    begin(f);
    f.exec(c.fromDecimal, f.param(0), f.param(1));
    f.exec(push, resultSe(), resultM());
  });
  for (const { name, se, m: sig, up } of CONSTANTS) {
    out[`x87${name}`] = m.func([], [], (f) => {
      begin(f);
      const rc = f.tmp(fr.roundingControl());
      // FLDL2T lies just above its significand: only rounding up changes it.
      const inexact = !["fld1", "fldz"].includes(name);
      const bump = up ? or(eqz(rc), eq(rc, F.RC_UP)) : eq(rc, F.RC_UP);
      f.exec(push, i32(se), inexact ? add(i64(sig), extendU(bump)) : i64(sig));
    });
  }
  // (i)
  out["x87fldSt"] = m.func([I32], [], (f) => {
    const p = st(f, f.param(0));
    begin(f);
    f.if(
      and(fr.isEmpty(p), fr.isEmpty(fr.physical(7))),
      () => {
        // An empty source is an underflow; masked, the indefinite value is pushed.
        f.if(call(underflow), () => {
          const q = st(f, 7);
          fr.st32(f, S.FTOP, q);
          fr.setReg(f, q, resultSe(), resultM());
          fr.markFull(f, q);
        });
      },
      () => f.exec(push, fr.regSe(p), fr.regM(p)),
    );
  });
  // (i)
  out["x87fxch"] = m.func([I32], [], (f) => {
    const p = st(f, 0);
    const q = st(f, f.param(0));
    begin(f);
    const pEmpty = f.tmp(fr.isEmpty(p));
    const qEmpty = f.tmp(fr.isEmpty(q));
    f.if(
      or(pEmpty, qEmpty),
      () => {
        f.if(eqz(call(underflow)), () => f.ret());
        for (const [reg, isEmpty] of [
          [p, pEmpty],
          [q, qEmpty],
        ] as const) {
          f.if(isEmpty, () => {
            fr.setReg(f, reg, resultSe(), resultM());
            fr.markFull(f, reg);
          });
        }
      },
      () => f.exec(commit),
    );
    const se = f.tmp(fr.regSe(p));
    const sig = f.tmp(fr.regM(p));
    fr.setReg(f, p, fr.regSe(q), fr.regM(q));
    fr.setReg(f, q, se, sig);
  });
  // (i, pop)
  out["x87fstSt"] = m.func([I32, I32], [], (f) => {
    const p = st(f, 0);
    const q = st(f, f.param(0));
    begin(f);
    f.if(
      fr.isEmpty(p),
      () => f.if(eqz(call(underflow)), () => f.ret()),
      () => {
        fr.result(f, fr.regSe(p), fr.regM(p));
        f.exec(commit);
      },
    );
    fr.setReg(f, q, resultSe(), resultM());
    fr.markFull(f, q);
    popIf(f, f.param(1));
  });
  // (i, condition)
  out["x87fcmov"] = m.func([I32, I32], [], (f) => {
    const p = st(f, 0);
    const q = st(f, f.param(0));
    begin(f);
    f.if(
      or(fr.isEmpty(p), fr.isEmpty(q)),
      () => {
        f.if(call(underflow), () => {
          fr.setReg(f, p, resultSe(), resultM());
          fr.markFull(f, p);
        });
      },
      () => {
        f.exec(commit);
        f.if(f.param(1), () => fr.setReg(f, p, fr.regSe(q), fr.regM(q)));
      },
    );
  });
  // (i, pop)
  out["x87ffree"] = m.func([I32, I32], [], (f) => {
    fr.markEmpty(f, st(f, f.param(0)));
    popIf(f, f.param(1));
  });
  // (delta)
  out["x87turn"] = m.func([I32], [], (f) => {
    fr.st32(f, S.FTOP, fr.physical(f.param(0)));
    fr.st32(f, S.FSW, and(fr.ld32(S.FSW), ~F.C1));
  });

  // ---------------------------------------------------------------- stores

  /** Ends a store: returns 1 when RESULT is to be written (and the stack popped, where the instruction pops). */
  const storeEnd = m.func([], [I32], (f) => {
    // A result that overflowed or underflowed unmasked is not stored, and its rounding not reported.
    const open = f.tmp(fr.unmasked(F.OE | F.UE));
    f.if(open, () => fr.st32(f, F.EXC, and(exc(), ~(F.PE | F.C1))));
    f.ret(and(call(commit), eqz(open)));
  });
  const store = (
    name: string,
    params: readonly (typeof I32)[],
    indefinite: (f: Func) => void,
    apply: (f: Func, p: Expr) => void,
    quick?: Func,
  ): void => {
    out[name] = m.func(params, [I32], (f) => {
      if (quick !== undefined) f.if(call(quick), () => f.ret(i32(1)));
      const p = st(f, 0);
      begin(f);
      f.if(fr.isEmpty(p), () => {
        const ok = f.tmp(call(underflow));
        indefinite(f);
        f.ret(ok);
      });
      apply(f, p);
      f.ret(call(storeEnd));
    });
  };
  store(
    "x87storeSingle",
    [],
    (f) => fr.st64(f, F.RESULT_M, i64(0xffc0_0000n)),
    (f, p) => fr.st64(f, F.RESULT_M, call(c.toSingle, fr.regSe(p), fr.regM(p))),
    fast.storeSingle,
  );
  store(
    "x87storeDouble",
    [],
    (f) => fr.st64(f, F.RESULT_M, i64(0xfff8_0000_0000_0000n)),
    (f, p) => fr.st64(f, F.RESULT_M, call(c.toDouble, fr.regSe(p), fr.regM(p))),
    fast.storeDouble,
  );
  store(
    "x87store80",
    [],
    () => {},
    (f, p) => fr.result(f, fr.regSe(p), fr.regM(p)),
  );
  // (bits, truncate)
  store(
    "x87storeInteger",
    [I32, I32],
    (f) => fr.st64(f, F.RESULT_M, sub(i64(0n), shl(i64(1n), extendU(sub(f.param(0), 1))))),
    (f, p) =>
      fr.st64(
        f,
        F.RESULT_M,
        call(
          c.toInteger,
          fr.regSe(p),
          fr.regM(p),
          f.param(0),
          select(f.param(1), i32(F.RC_ZERO), fr.roundingControl()),
        ),
      ),
  );
  store(
    "x87storeDecimal",
    [],
    (f) => {
      fr.st64(f, F.RESULT_M, i64(0xc000_0000_0000_0000n));
      fr.st64(f, F.EXTRA, i64(0xffffn));
    },
    (f, p) => fr.st64(f, F.RESULT_M, call(c.toDecimal, fr.regSe(p), fr.regM(p))),
  );

  // --------------------------------------------------------------- control

  /** Sets or clears ES and B by what is pending and unmasked. */
  const summary = m.func([], [], (f) => {
    const open = and(and(fr.ld32(S.FSW), xor(fr.fcw(), -1)), F.EXCEPTIONS);
    const plain = and(fr.ld32(S.FSW), ~(F.ES | F.BUSY));
    fr.st32(f, S.FSW, or(plain, select(open, i32(F.ES | F.BUSY), i32(0))));
  });
  out["x87summary"] = summary;
  // (cw)
  out["x87setControl"] = m.func([I32], [], (f) => {
    fr.st32(f, S.FCW, or(and(f.param(0), 0x1f3f), 0x40));
    f.exec(summary);
  });
  // (sw)
  out["x87setStatus"] = m.func([I32], [], (f) => {
    fr.st32(f, S.FSW, and(f.param(0), 0x477f));
    fr.st32(f, S.FTOP, and(shrU(f.param(0), 11), 7));
    f.exec(summary);
  });
  out["x87init"] = m.func([], [], (f) => {
    fr.st32(f, S.FCW, i32(0x37f));
    for (const word of [S.FSW, S.FTW, S.FTOP, S.FOP, S.FIP, S.FCS, S.FDP, S.FDS]) fr.st32(f, word, i32(0));
  });
  // () → two-bit tags of R0…R7 as FNSTENV stores them
  out["x87tags"] = m.func([], [I32], (f) => {
    const tags = f.local(I32);
    f.set(tags, i32(0));
    for (let p = 7; p >= 0; p--) {
      const cls = f.tmp(call(r.classify, fr.regSe(i32(p)), fr.regM(i32(p))));
      const tag = select(
        fr.isEmpty(i32(p)),
        i32(3),
        select(eqz(cls), i32(0), select(eq(cls, 1), i32(1), i32(2))),
      );
      f.set(tags, or(shl(tags, 2), tag));
    }
    f.ret(tags);
  });
  // (two-bit tags)
  out["x87setTags"] = m.func([I32], [], (f) => {
    const bits = f.local(I32);
    f.set(bits, i32(0));
    for (let p = 0; p < 8; p++) f.set(bits, or(bits, shl(ne(and(shrU(f.param(0), 2 * p), 3), 3), p)));
    fr.st32(f, S.FTW, bits);
  });

  return out;
}
