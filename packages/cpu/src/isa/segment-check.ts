// SPDX-License-Identifier: BSD-3-Clause
/**
 * Limit and type check of an access through a segment register, as a function of the generated module.
 * Source: SDM vol. 3A §5.3, §5.5.
 * @module
 */
import { add, and, eq, eqz, gtU, i32, load, ltU, or, select, shl, sub, type Callee } from "../wasm/expr.ts";
import type { ModuleBuilder } from "../wasm/module.ts";
import { I32, I32_LOAD } from "../wasm/opcodes.ts";
import { EXC_GP, EXC_SS } from "../exception.ts";
import { RIGHTS_CODE, RIGHTS_DB, RIGHTS_EC, RIGHTS_RW } from "../segment.ts";
import { SEG, SEG_LIMIT, SEG_RIGHTS, SS } from "../state.ts";

/** segmentCheck(segment, offset, size, isWrite): 0, or the vector of the exception (error code 0). */
export function buildSegmentRuntime(m: ModuleBuilder, stateBase: number): Record<string, Callee> {
  const segmentCheck = m.func([I32, I32, I32, I32], [I32], (f) => {
    const at = f.tmp(shl(f.param(0), 4));
    const offset = f.param(1);
    const isWrite = f.param(3);
    const rights = f.tmp(load(I32_LOAD, I32, at, stateBase + SEG + SEG_RIGHTS));
    const limit = f.tmp(load(I32_LOAD, I32, at, stateBase + SEG + SEG_LIMIT));
    const vector = f.tmp(select(eq(f.param(0), SS), EXC_SS, EXC_GP));
    // A null segment has no rights at all; it raises #GP whatever register holds it.
    f.if(eqz(rights), () => f.ret(i32(EXC_GP)));
    const isCode = f.tmp(and(rights, RIGHTS_CODE));
    f.if(
      isWrite,
      () => f.if(or(isCode, eqz(and(rights, RIGHTS_RW))), () => f.ret(i32(EXC_GP))),
      () => f.if(and(eq(isCode, RIGHTS_CODE), eqz(and(rights, RIGHTS_RW))), () => f.ret(i32(EXC_GP))),
    );
    const last = f.tmp(sub(add(offset, f.param(2)), 1));
    f.if(
      and(eqz(isCode), eq(and(rights, RIGHTS_EC), RIGHTS_EC)),
      () => {
        // Expand-down: valid offsets lie above the limit, up to 64 KiB or 4 GiB.
        const top = f.tmp(select(and(rights, RIGHTS_DB), -1, 0xffff));
        const above = gtU(offset, limit);
        f.if(or(or(eqz(above), gtU(last, top)), ltU(last, offset)), () => f.ret(vector));
      },
      () => f.if(or(gtU(last, limit), ltU(last, offset)), () => f.ret(vector)),
    );
    f.ret(i32(0));
  });
  return { segmentCheck };
}
