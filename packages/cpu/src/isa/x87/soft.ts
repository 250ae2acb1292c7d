// SPDX-License-Identifier: BSD-3-Clause
/**
 * The softfloat kernels of one state block, and the steps in which x87 instructions end: committing exceptions to the status
 * word, recording a stack underflow, pushing, popping.
 *
 * An instruction begins with EXC = 0, collects exceptions there, and ends through commit(), which merges them into the status word
 * and says whether results may be written: an unmasked invalid operation, denormal operand or division by zero leaves
 * registers, stack pointer and memory as they were, and the exception is raised by the next waiting instruction.
 *
 * Source: SDM vol. 1 §8.1.2–8.1.7 (stack, tags), §8.5 (exceptions), §8.5.1.1 (stack faults).
 * @module
 */
import { and, call, eq, eqz, i32, i64, or, select, xor } from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as S from "../../state.ts";
import { buildArith, type ArithFunctions } from "./kernels.ts";
import { buildConvert, type ConvertFunctions } from "./convert.ts";
import * as F from "./frame.ts";
import { Frame } from "./frame.ts";
import { buildRound, type RoundFunctions } from "./round.ts";

/** Formats of memory operands that arithmetic instructions take. */
export const MEM_SINGLE = 0;
export const MEM_DOUBLE = 1;
export const MEM_INTEGER = 2;

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
  /** (kind, bits): converts a memory operand (MEM_*) into RESULT. */
  readonly fromMemory: Func;
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

  return { fr, r, a, c, commit, underflow, push, pop, fromMemory };
}
