// SPDX-License-Identifier: BSD-3-Clause
/**
 * x87 loads, stores, register moves and control instructions, as runtime functions over the state block.
 *
 * Source: SDM vol. 1 §8.1.2–8.1.7 (stack, tags), §8.3.4 (constants), §8.5.1.1 (stack faults); vol. 2A at each instruction.
 * @module
 */
import {
  add,
  and,
  call,
  eq,
  eqz,
  extendU,
  i32,
  i64,
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
import * as F from "./frame.ts";
import { CLASS_SNAN } from "./round.ts";

import * as Q from "./quick.ts";
import { MEM_DOUBLE, MEM_INTEGER, MEM_SINGLE, type Soft } from "./soft.ts";

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

export function buildStack(m: ModuleBuilder, soft: Soft): Record<string, Callee> {
  const { fr, r, c, commit, underflow, push, pop, fromMemory } = soft;
  const out: Record<string, Callee> = { x87pop: pop };
  const popIf = (f: Func, condition: Expr): void => f.if(condition, () => f.exec(pop));

  // ---------------------------------------------------------- loads, moves

  // (kind, bits)
  const load = m.func([I32, I64], [], (f) => {
    fr.begin(f);
    f.exec(fromMemory, f.param(0), f.param(1));
    f.if(eq(call(r.classify, fr.resultSe(), fr.resultM()), CLASS_SNAN), () => {
      fr.raise(f, F.IE);
      fr.st64(f, F.RESULT_M, or(fr.resultM(), i64(F.QUIET_BIT)));
    });
    f.exec(push, fr.resultSe(), fr.resultM());
  });
  // (bits)
  for (const [format, kind, widen] of [
    ["Double", MEM_DOUBLE, Q.quickDoubleOrZero],
    ["Single", MEM_SINGLE, Q.quickSingleOrZero],
    ["Integer", MEM_INTEGER, Q.quickInteger],
  ] as const) {
    out[`x87load${format}`] = m.func([I64], [], (f) => {
      Q.quickly(f, (fail) => Q.quickPush(f, fr, widen(f, f.param(0), fail), fail));
      f.exec(load, i32(kind), f.param(0));
    });
  }
  // (m, se)
  out["x87load80"] = m.func([I64, I32], [], (f) => {
    fr.begin(f);
    f.exec(push, f.param(1), f.param(0));
  });
  // (low 8 bytes, high 2 bytes)
  out["x87loadDecimal"] = m.func([I64, I32], [], (f) => {
    fr.begin(f);
    f.exec(c.fromDecimal, f.param(0), f.param(1));
    f.exec(push, fr.resultSe(), fr.resultM());
  });
  for (const { name, se, m: sig, up } of CONSTANTS) {
    out[`x87${name}`] = m.func([], [], (f) => {
      if (name === "fld1" || name === "fldz") {
        const value = { sign: i32(0), exp: i32(se), m: i64(sig) };
        Q.quickly(f, (fail) => Q.quickPush(f, fr, value, fail));
      }
      fr.begin(f);
      const rc = f.tmp(fr.roundingControl());
      // FLDL2T lies just above its significand: only rounding up changes it.
      const inexact = !["fld1", "fldz"].includes(name);
      const bump = up ? or(eqz(rc), eq(rc, F.RC_UP)) : eq(rc, F.RC_UP);
      f.exec(push, i32(se), inexact ? add(i64(sig), extendU(bump)) : i64(sig));
    });
  }
  // (i)
  out["x87fldSt"] = m.func([I32], [], (f) => {
    const p = fr.st(f, f.param(0));
    const top = fr.st(f, 7);
    f.if(and(eqz(fr.isEmpty(p)), fr.isEmpty(top)), () => {
      fr.setReg(f, top, fr.regSe(p), fr.regM(p));
      fr.st32(f, S.FTOP, top);
      fr.markFull(f, top);
      fr.clearC1(f);
      f.ret();
    });
    fr.begin(f);
    f.if(
      and(fr.isEmpty(p), fr.isEmpty(fr.physical(7))),
      () => {
        // An empty source is an underflow; masked, the indefinite value is pushed.
        f.if(call(underflow), () => {
          const q = fr.st(f, 7);
          fr.st32(f, S.FTOP, q);
          fr.setReg(f, q, fr.resultSe(), fr.resultM());
          fr.markFull(f, q);
        });
      },
      () => f.exec(push, fr.regSe(p), fr.regM(p)),
    );
  });
  // (i)
  out["x87fxch"] = m.func([I32], [], (f) => {
    const p = fr.st(f, 0);
    const q = fr.st(f, f.param(0));
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
            fr.setReg(f, reg, fr.resultSe(), fr.resultM());
            fr.markFull(f, reg);
          });
        }
      },
      () => fr.clearC1(f),
    );
    const se = f.tmp(fr.regSe(p));
    const sig = f.tmp(fr.regM(p));
    fr.setReg(f, p, fr.regSe(q), fr.regM(q));
    fr.setReg(f, q, se, sig);
  });
  // (i, pop)
  out["x87fstSt"] = m.func([I32, I32], [], (f) => {
    const p = fr.st(f, 0);
    const q = fr.st(f, f.param(0));
    f.if(
      fr.isEmpty(p),
      () => {
        f.if(eqz(call(underflow)), () => f.ret());
        fr.setReg(f, q, fr.resultSe(), fr.resultM());
      },
      () => {
        fr.setReg(f, q, fr.regSe(p), fr.regM(p));
        fr.clearC1(f);
      },
    );
    fr.markFull(f, q);
    popIf(f, f.param(1));
  });
  // (i, condition)
  out["x87fcmov"] = m.func([I32, I32], [], (f) => {
    const p = fr.st(f, 0);
    const q = fr.st(f, f.param(0));
    fr.begin(f);
    f.if(
      or(fr.isEmpty(p), fr.isEmpty(q)),
      () => {
        f.if(call(underflow), () => {
          fr.setReg(f, p, fr.resultSe(), fr.resultM());
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
    fr.markEmpty(f, fr.st(f, f.param(0)));
    popIf(f, f.param(1));
  });
  // (delta)
  out["x87turn"] = m.func([I32], [], (f) => {
    fr.st32(f, S.FTOP, fr.physical(f.param(0)));
    fr.st32(f, S.FSW, and(fr.ld32(S.FSW), ~F.C1));
  });

  // ---------------------------------------------------------------- stores

  // (pop) → bits to store, or NOT_QUICK and nothing done
  for (const [format, precision] of [
    ["Double", 53],
    ["Single", 24],
  ] as const) {
    out[`x87quick${format}`] = m.func([I32], [I64], (f) => {
      f.block((fail) => {
        Q.needControl(f, fr, Q.CONTROL_STORE, fail);
        const bits = Q.quickNarrow(f, fr, f.tmp(fr.ld32(S.FTOP)), precision, fail);
        Q.quickPop(f, fr, f.param(0));
        f.ret(bits);
      });
      f.block((fail) => {
        const bits = Q.quickZero(f, fr, f.tmp(fr.ld32(S.FTOP)), precision, fail);
        Q.quickPop(f, fr, f.param(0));
        f.ret(bits);
      });
      f.ret(i64(Q.NOT_QUICK));
    });
  }
  // (bits, truncate, pop) → integer to store, or NOT_QUICK and nothing done
  out["x87quickInteger"] = m.func([I32, I32, I32], [I64], (f) => {
    f.block((fail) => {
      const top = f.tmp(fr.ld32(S.FTOP));
      const value = Q.quickToInteger(f, fr, top, f.param(0), f.param(1), fail);
      Q.quickPop(f, fr, f.param(2));
      f.ret(value);
    });
    f.ret(i64(Q.NOT_QUICK));
  });
  /** Ends a store: returns 1 when RESULT is to be written (and the stack popped, where the instruction pops). */
  const storeEnd = m.func([], [I32], (f) => {
    // A result that overflowed or underflowed unmasked is not stored, and its rounding not reported.
    const open = f.tmp(fr.unmasked(F.OE | F.UE));
    f.if(open, () => fr.st32(f, F.EXC, and(fr.exc(), ~(F.PE | F.C1))));
    f.ret(and(call(commit), eqz(open)));
  });
  const store = (
    name: string,
    params: readonly (typeof I32)[],
    indefinite: (f: Func) => void,
    apply: (f: Func, p: Expr) => void,
  ): void => {
    out[name] = m.func(params, [I32], (f) => {
      const p = fr.st(f, 0);
      fr.begin(f);
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
  );
  store(
    "x87storeDouble",
    [],
    (f) => fr.st64(f, F.RESULT_M, i64(0xfff8_0000_0000_0000n)),
    (f, p) => fr.st64(f, F.RESULT_M, call(c.toDouble, fr.regSe(p), fr.regM(p))),
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
