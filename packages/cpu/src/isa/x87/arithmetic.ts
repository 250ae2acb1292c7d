// SPDX-License-Identifier: BSD-3-Clause
/**
 * x87 arithmetic and compares on the register stack, as runtime functions over the state block.
 *
 * Source: SDM vol. 1 §8.3.5–8.3.7, §8.5; vol. 2A at each instruction.
 * @module
 */
import {
  and,
  call,
  eq,
  eqz,
  gtU,
  i32,
  i64,
  ltS,
  ne,
  or,
  select,
  shl,
  shrU,
  xor,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as S from "../../state.ts";
import { EXACT_ZERO, UNROUNDED } from "./kernels.ts";
import { isNormal, isNormalDouble, widenDouble, type FastFunctions } from "./fast.ts";
import * as F from "./frame.ts";
import { precisionMask } from "./round.ts";

import * as Q from "./quick.ts";
import { quickly } from "./quick.ts";
import { MEM_DOUBLE, MEM_SINGLE, type Soft } from "./soft.ts";

/** The two-operand operations, dst op other or (reversed) other op dst. */
export const ARITHMETIC = ["add", "mul", "sub", "subr", "div", "divr"] as const;

export function buildArithmetic(m: ModuleBuilder, soft: Soft, fast: FastFunctions): Record<string, Callee> {
  const { fr, r, a, c, commit, underflow, pop, fromMemory } = soft;
  const out: Record<string, Callee> = {};
  const popIf = (f: Func, condition: Expr): void => f.if(condition, () => f.exec(pop));
  /** Whether RESULT is a NaN. */
  const isNaN = (): Expr => and(eq(and(fr.resultSe(), F.EXP_MASK), F.EXP_MASK), ne(shl(fr.resultM(), 1), 0));

  interface Kernel {
    readonly fn: Func;
    readonly normal: Func;
    readonly reversed: boolean;
    readonly quick: "add" | "sub" | "mul" | null;
  }
  const kernels: Record<(typeof ARITHMETIC)[number], Kernel> = {
    add: { fn: a.add, normal: fast.add, reversed: false, quick: "add" },
    mul: { fn: a.multiply, normal: fast.mul, reversed: false, quick: "mul" },
    sub: { fn: a.subtract, normal: fast.sub, reversed: false, quick: "sub" },
    subr: { fn: a.subtract, normal: fast.sub, reversed: true, quick: "sub" },
    div: { fn: a.divide, normal: fast.div, reversed: false, quick: null },
    divr: { fn: a.divide, normal: fast.div, reversed: true, quick: null },
  };
  /** Rounds what an arithmetic kernel left. */
  const round = m.func([I32], [], (f) => {
    const left = f.param(0);
    f.if(fr.unmasked(F.IE | F.DE | F.ZE), () => f.ret());
    f.if(eq(left, UNROUNDED), () =>
      f.exec(r.roundPack, fr.resultSe(), fr.ld32(F.A_E), fr.resultM(), fr.ld64(F.EXTRA), precisionMask(fr)),
    );
    f.if(eq(left, EXACT_ZERO), () =>
      fr.result(f, select(eq(fr.roundingControl(), F.RC_DOWN), i32(F.SIGN), i32(0)), i64(0n)),
    );
  });
  /** (p): writes RESULT to physical register p when allowed; returns whether. */
  const deliver = m.func([I32], [I32], (f) => {
    const p = f.param(0);
    f.if(eqz(call(commit)), () => f.ret(i32(0)));
    fr.setReg(f, p, fr.resultSe(), fr.resultM());
    fr.markFull(f, p);
    f.ret(i32(1));
  });
  for (const name of ARITHMETIC) {
    const { fn, normal, reversed, quick } = kernels[name];
    // (dst, other, pop): ST(dst) = ST(dst) op ST(other)
    out[`x87${name}`] = m.func([I32, I32, I32], [], (f) => {
      const d = fr.st(f, f.param(0));
      const o = fr.st(f, f.param(1));
      if (quick !== null) {
        quickly(f, (fail) => {
          Q.needControl(f, fr, Q.CONTROL_ARITHMETIC, fail);
          const a = Q.quickRegister(f, fr, reversed ? o : d, fail);
          const b = Q.quickRegister(f, fr, reversed ? d : o, fail);
          Q.quickArithmetic(f, fr, quick, d, a, b, fail);
          Q.quickPop(f, fr, f.param(2));
        });
        quickly(f, (fail) => {
          Q.needControl(f, fr, Q.CONTROL_ARITHMETIC, fail);
          const a = Q.quickOrZero(f, fr, reversed ? o : d, fail);
          const b = Q.quickOrZero(f, fr, reversed ? d : o, fail);
          Q.quickWithZero(f, fr, quick, d, a, b, fail);
          Q.quickPop(f, fr, f.param(2));
        });
      }
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
      fr.begin(f);
      f.if(
        empty,
        () => {
          f.if(eqz(call(underflow)), () => f.ret());
          fr.setReg(f, d, fr.resultSe(), fr.resultM());
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
    const withMemory = m.func([I32, I64], [], (f) => {
      const p = fr.st(f, 0);
      const se = f.tmp(fr.regSe(p));
      const sig = f.tmp(fr.regM(p));
      const empty = f.tmp(fr.isEmpty(p));
      const isPlain = and(and(eq(f.param(0), MEM_DOUBLE), eqz(empty)), isNormal(se, sig));
      f.if(and(isPlain, isNormalDouble(f.param(1))), () => {
        const [wideSe, wideM] = widenDouble(f.param(1));
        f.exec(normal, p, ...(reversed ? [wideSe, wideM, se, sig] : [se, sig, wideSe, wideM]));
        f.ret();
      });
      fr.begin(f);
      f.if(empty, () => {
        f.if(call(underflow), () => {
          fr.setReg(f, p, fr.resultSe(), fr.resultM());
          fr.markFull(f, p);
        });
        f.ret();
      });
      f.exec(fromMemory, f.param(0), f.param(1));
      const otherSe = f.tmp(fr.resultSe());
      const otherM = f.tmp(fr.resultM());
      const operands = reversed ? [otherSe, otherM, se, sig] : [se, sig, otherSe, otherM];
      f.if(and(eqz(fr.exc()), and(isNormal(se, sig), isNormal(otherSe, otherM))), () => {
        f.exec(normal, p, ...operands);
        f.ret();
      });
      const left = call(fn, ...operands);
      const how = f.tmp(left);
      // A NaN operand, an invalid operation and a division by zero outrank a denormal memory operand, flagged when it was converted.
      f.if(and(eqz(how), or(isNaN(), ne(and(fr.exc(), F.IE | F.ZE), 0))), () =>
        fr.st32(f, F.EXC, and(fr.exc(), ~F.DE)),
      );
      f.exec(round, how);
      f.exec(deliver, p);
    });
    out[`x87${name}Memory`] = withMemory;
    // (bits): ST(0) = ST(0) op double or single
    for (const [format, kind, widen, widenOrZero] of [
      ["Double", MEM_DOUBLE, Q.quickDouble, Q.quickDoubleOrZero],
      ["Single", MEM_SINGLE, Q.quickSingle, Q.quickSingleOrZero],
    ] as const) {
      out[`x87${name}${format}`] = m.func([I64], [], (f) => {
        if (quick !== null) {
          quickly(f, (fail) => {
            Q.needControl(f, fr, Q.CONTROL_ARITHMETIC, fail);
            const p = fr.st(f, 0);
            const st = Q.quickRegister(f, fr, p, fail);
            const other = widen(f, f.param(0), fail);
            Q.quickArithmetic(f, fr, quick, p, reversed ? other : st, reversed ? st : other, fail);
          });
          quickly(f, (fail) => {
            Q.needControl(f, fr, Q.CONTROL_ARITHMETIC, fail);
            const p = fr.st(f, 0);
            const st = Q.quickOrZero(f, fr, p, fail);
            const other = widenOrZero(f, f.param(0), fail);
            Q.quickWithZero(f, fr, quick, p, reversed ? other : st, reversed ? st : other, fail);
          });
        }
        f.exec(withMemory, i32(kind), f.param(0));
      });
    }
  }

  /** One-operand instructions on ST(0): fn(se, m) leaves RESULT. */
  const unary = (name: string, apply: (f: Func, p: Expr) => void): void => {
    out[name] = m.func([], [], (f) => {
      const p = fr.st(f, 0);
      fr.begin(f);
      f.if(
        fr.isEmpty(p),
        () => f.if(eqz(call(underflow)), () => f.ret()),
        () => {
          apply(f, p);
          f.if(eqz(call(commit)), () => f.ret());
        },
      );
      fr.setReg(f, p, fr.resultSe(), fr.resultM());
      fr.markFull(f, p);
    });
  };
  unary("x87fsqrt", (f, p) => f.exec(round, call(a.squareRoot, fr.regSe(p), fr.regM(p))));
  unary("x87frndint", (f, p) => f.exec(c.roundToInteger, fr.regSe(p), fr.regM(p)));
  /** FCHS and FABS raise nothing but a stack fault. */
  const signChange = (name: string, sign: (se: Expr) => Expr): void => {
    out[name] = m.func([], [], (f) => {
      const p = fr.st(f, 0);
      f.if(fr.isEmpty(p), () => {
        f.if(call(underflow), () => {
          fr.setReg(f, p, fr.resultSe(), fr.resultM());
          fr.markFull(f, p);
        });
        f.ret();
      });
      fr.setReg(f, p, sign(fr.regSe(p)), fr.regM(p));
      fr.clearC1(f);
    });
  };
  signChange("x87fchs", (se) => xor(se, F.SIGN));
  signChange("x87fabs", (se) => and(se, F.EXP_MASK));

  /** Two-operand instructions that replace ST(0) and look at ST(1). */
  const withSecond = (name: string, apply: (f: Func, p: Expr, q: Expr) => void): void => {
    out[name] = m.func([], [], (f) => {
      const p = fr.st(f, 0);
      const q = fr.st(f, 1);
      fr.begin(f);
      f.if(
        or(fr.isEmpty(p), fr.isEmpty(q)),
        () => f.if(eqz(call(underflow)), () => f.ret()),
        () => apply(f, p, q),
      );
      fr.setReg(f, p, fr.resultSe(), fr.resultM());
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
    const p = fr.st(f, 0);
    const q = fr.st(f, 7);
    fr.begin(f);
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
        fr.st32(f, F.RESULT2_SE, fr.resultSe());
        fr.st64(f, F.RESULT2_M, fr.resultM());
      },
      () => {
        f.exec(c.extract, fr.regSe(p), fr.regM(p));
        f.if(eqz(call(commit)), () => f.ret());
      },
    );
    fr.setReg(f, p, fr.ld32(F.RESULT2_SE), fr.ld64(F.RESULT2_M));
    fr.markFull(f, p);
    fr.st32(f, S.FTOP, q);
    fr.setReg(f, q, fr.resultSe(), fr.resultM());
    fr.markFull(f, q);
  });

  // --------------------------------------------------------------- compare
  // Condition codes and EFLAGS are set even when an unmasked exception follows; only the pops are left out.

  const setCodes = (f: Func, codes: Expr): void =>
    fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~(F.C0 | F.C2 | F.C3)), codes));
  const UNORDERED = F.C0 | F.C2 | F.C3;
  /** Condition codes of a quick comparison; C1 is cleared as well. */
  const putCodes = (f: Func, codes: Expr): void =>
    fr.st32(f, S.FSW, or(and(fr.ld32(S.FSW), ~F.CONDITIONS), codes));
  // (i, quiet, pops)
  out["x87compare"] = m.func([I32, I32, I32], [], (f) => {
    quickly(f, (fail) => {
      const a = Q.quickOrZero(f, fr, fr.st(f, 0), fail);
      const b = Q.quickOrZero(f, fr, fr.st(f, f.param(0)), fail);
      putCodes(f, Q.quickCompare(f, a, b));
      Q.quickPop(f, fr, f.param(2));
      Q.quickPop(f, fr, gtU(f.param(2), 1));
    });
    const p = fr.st(f, 0);
    const q = fr.st(f, f.param(0));
    fr.begin(f);
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
    const p = fr.st(f, 0);
    for (const [kind, widen] of [
      [MEM_DOUBLE, Q.quickDoubleOrZero],
      [MEM_SINGLE, Q.quickSingleOrZero],
    ] as const) {
      quickly(f, (fail) => {
        f.brIf(fail, ne(f.param(0), kind));
        const a = Q.quickOrZero(f, fr, p, fail);
        putCodes(f, Q.quickCompare(f, a, widen(f, f.param(1), fail)));
        Q.quickPop(f, fr, f.param(2));
      });
    }
    fr.begin(f);
    f.if(
      fr.isEmpty(p),
      () => {
        setCodes(f, i32(UNORDERED));
        f.if(eqz(call(underflow)), () => f.ret());
      },
      () => {
        f.exec(fromMemory, f.param(0), f.param(1));
        const codes = f.tmp(call(c.compare, fr.regSe(p), fr.regM(p), fr.resultSe(), fr.resultM(), i32(0)));
        // A NaN operand takes precedence over the denormal of the other.
        f.if(eq(codes, UNORDERED), () => fr.st32(f, F.EXC, and(fr.exc(), ~F.DE)));
        setCodes(f, codes);
        f.if(eqz(call(commit)), () => f.ret());
      },
    );
    popIf(f, f.param(2));
  });
  // (i, quiet, pop) → CF, PF and ZF as in EFLAGS
  out["x87compareFlags"] = m.func([I32, I32, I32], [I32], (f) => {
    const p = fr.st(f, 0);
    const q = fr.st(f, f.param(0));
    const codes = f.local(I32);
    // C0 → CF (bit 0), C2 → PF (bit 2), C3 → ZF (bit 6)
    const flags = (): Expr => and(shrU(codes, 8), S.CF | S.PF | S.ZF);
    f.block((fail) => {
      const a = Q.quickOrZero(f, fr, p, fail);
      f.set(codes, Q.quickCompare(f, a, Q.quickOrZero(f, fr, q, fail)));
      fr.clearC1(f);
      Q.quickPop(f, fr, f.param(2));
      f.ret(flags());
    });
    fr.begin(f);
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
    f.ret(flags());
  });
  out["x87ftst"] = m.func([], [], (f) => {
    const p = fr.st(f, 0);
    fr.begin(f);
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
    const p = fr.st(f, 0);
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

  return out;
}
