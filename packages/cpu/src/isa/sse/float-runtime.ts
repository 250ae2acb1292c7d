// SPDX-License-Identifier: BSD-3-Clause
/**
 * The exact path of SSE and SSE2 floating point: every rounding mode, flags, masks, denormals-are-zero, flush-to-zero, NaN rules.
 *
 * Rows try the processor's own arithmetic first (float.ts) and come here when a flag might have to be set that is not set
 * yet, or MXCSR is not at its default. Operands lie in the scratch area at SSE_A and SSE_B, results are left at SSE_R. A
 * driver does `n` elements and returns 1 when an unmasked exception must be raised; then the result does not count.
 *
 * Source: SDM vol. 1 §10.2.3 (MXCSR), §11.5.2 (exceptions and masked responses), table 4-7 (NaNs).
 * @module
 */
import {
  add,
  and,
  call,
  ceil,
  choose,
  eq,
  eqz,
  extendS,
  extendU,
  f32FromI32Bits,
  f64FromI64Bits,
  floor,
  gtU,
  i32,
  i32FromF32Bits,
  i64,
  i64FromF64Bits,
  load,
  ltU,
  mul,
  ne,
  nearest,
  or,
  select,
  shl,
  shrU,
  sub,
  trunc,
  wrap,
  xor,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64 } from "../../wasm/opcodes.ts";
import * as S from "../../state.ts";
import { EXACT_ZERO, UNROUNDED } from "../x87/kernels.ts";
import * as F from "../x87/frame.ts";
import type { Soft } from "../x87/soft.ts";
import {
  SSE_A,
  SSE_B,
  SSE_R,
  MXCSR_DAZ,
  MXCSR_FTZ,
  GREATER,
  LESS,
  EQUAL,
  UNORDERED,
  PREDICATES,
  ROUND_BY_MXCSR,
  ROUND_QUIET,
  SIGNALLING,
} from "./scratch.ts";
import { buildSecondTries } from "./second-try.ts";

/** IE, DE and ZE: exceptions that operands show. */
const PRE_COMPUTATION = 7;

/** Width in bytes and bit patterns of a format. */
interface Format {
  readonly bytes: 4 | 8;
  readonly suffix: "s" | "d";
  readonly infinity: bigint;
  readonly quiet: bigint;
  readonly sign: bigint;
  readonly indefinite: bigint;
  readonly from: Func;
  readonly pack: Func;
}

export function buildSseRuntime(m: ModuleBuilder, soft: Soft): Record<string, Callee> {
  const { fr, a: arith, c } = soft;
  const out: Record<string, Callee> = {};

  /** MXCSR's masks, rounding and FTZ in the places of the x87 control word. */
  const control = m.func([], [I32], (f) => {
    const mx = f.tmp(fr.ld32(S.MXCSR));
    f.ret(or(or(and(shrU(mx, 7), F.EXCEPTIONS), shl(and(shrU(mx, 13), 3), 10)), and(mx, MXCSR_FTZ)));
  });
  /**
   * (flags): merges into MXCSR; 1 = raise. An unmasked exception of the operands of any element ends the instruction before there are
   * results that could overflow, underflow or be inexact (SDM vol. 1 §11.5.1).
   */
  const finish = m.func([I32], [I32], (f) => {
    const flags = f.tmp(and(f.param(0), F.EXCEPTIONS));
    const unmasked = and(flags, xor(shrU(fr.ld32(S.MXCSR), 7), -1));
    f.if(and(unmasked, PRE_COMPUTATION), () => f.set(flags, and(flags, PRE_COMPUTATION)));
    const mx = f.tmp(or(fr.ld32(S.MXCSR), flags));
    fr.st32(f, S.MXCSR, mx);
    f.ret(ne(and(flags, xor(shrU(mx, 7), -1)), 0));
  });

  const single: Format = {
    bytes: 4,
    suffix: "s",
    infinity: 0x7f80_0000n,
    quiet: 1n << 22n,
    sign: 1n << 31n,
    indefinite: 0xffc0_0000n,
    from: c.fromSingle,
    pack: c.packSingle,
  };
  const double: Format = {
    bytes: 8,
    suffix: "d",
    infinity: 0x7ffn << 52n,
    quiet: 1n << 51n,
    sign: 1n << 63n,
    indefinite: 0xfff8n << 48n,
    from: c.fromDouble,
    pack: c.packDouble,
  };

  const loadElement = (bytes: number, at: Expr, offset: number): Expr =>
    bytes === 4
      ? load(W.I64_LOAD32_U, I64, at, fr.base + offset)
      : load(W.I64_LOAD, I64, at, fr.base + offset);
  const storeElement = (f: Func, bytes: number, at: Expr, value: Expr, offset: number): void =>
    f.store(bytes === 4 ? W.I64_STORE32 : W.I64_STORE, at, value, fr.base + offset);

  /** (n) → raise: applies `lane` to n elements, each with its own EXC. */
  const driver = (
    from: number,
    to: number,
    lane: (f: Func, a: Expr, b: Expr) => Expr,
    extra: (typeof I32)[] = [],
  ): Func =>
    m.func([I32, ...extra], [I32], (f) => {
      const flags = f.local(I32);
      const i = f.local(I32);
      f.set(flags, i32(0));
      f.set(i, i32(0));
      f.loop((again) => {
        fr.st32(f, F.EXC, i32(0));
        const source = mul(i, from);
        const result = lane(f, loadElement(from, source, SSE_A), loadElement(from, source, SSE_B));
        storeElement(f, to, mul(i, to), result, SSE_R);
        f.set(flags, or(flags, fr.ld32(F.EXC)));
        f.set(i, add(i, 1));
        f.brIf(again, ltU(i, f.param(0)));
      });
      f.ret(call(finish, flags));
    });

  const formatFunctions = (fmt: Format) => {
    const magnitude = (bits: Expr): Expr => and(bits, i64(fmt.sign - 1n));
    const isNaN = (bits: Expr): Expr => gtU(magnitude(bits), i64(fmt.infinity));
    const isSignalling = (bits: Expr): Expr => and(isNaN(bits), eqz(and(bits, i64(fmt.quiet))));
    /** Replaces a denormal in local `bits` by a zero of its sign when DAZ is set. */
    const daz = (f: Func, bits: Expr): void =>
      f.if(and(ne(and(fr.ld32(S.MXCSR), MXCSR_DAZ), 0), eqz(and(bits, i64(fmt.infinity)))), () =>
        f.set(bits, and(bits, i64(fmt.sign))),
      );
    /** Returns from `f` with the NaN that a pair with at least one NaN gives. */
    const nanResult = (f: Func, a: Expr, b: Expr): void => {
      f.if(or(isNaN(a), isNaN(b)), () => {
        f.if(or(isSignalling(a), isSignalling(b)), () => fr.raise(f, F.IE));
        f.ret(or(select(isNaN(a), a, b), i64(fmt.quiet)));
      });
    };
    const signBits = (sign: Expr): Expr => shl(extendU(sign), fmt.bytes === 4 ? 16 : 48);

    /** (left) → bits of what an arithmetic kernel left. */
    const narrow = m.func([I32], [I64], (f) => {
      const left = f.param(0);
      f.if(eq(left, UNROUNDED), () =>
        f.ret(
          call(
            fmt.pack,
            fr.ld32(F.RESULT_SE),
            fr.ld32(F.A_E),
            fr.ld64(F.RESULT_M),
            fr.ld64(F.EXTRA),
            call(control),
          ),
        ),
      );
      f.if(eq(left, EXACT_ZERO), () => {
        const down = eq(and(shrU(fr.ld32(S.MXCSR), 13), 3), F.RC_DOWN);
        f.ret(select(down, i64(fmt.sign), i64(0n)));
      });
      // Invalid operation and division by zero outrank the denormal operand.
      f.if(and(fr.ld32(F.EXC), F.IE | F.ZE), () => fr.st32(f, F.EXC, and(fr.ld32(F.EXC), ~F.DE)));
      f.if(and(fr.ld32(F.EXC), F.IE), () => f.ret(i64(fmt.indefinite)));
      const sign = signBits(and(fr.ld32(F.RESULT_SE), F.SIGN));
      f.ret(or(sign, select(eqz(fr.ld64(F.RESULT_M)), i64(0n), i64(fmt.infinity))));
    });

    const binary = (kernel: Func): Func =>
      m.func([I64, I64], [I64], (f) => {
        const [a, b] = [f.param(0), f.param(1)];
        daz(f, a);
        daz(f, b);
        nanResult(f, a, b);
        f.exec(fmt.from, a);
        const se = f.tmp(fr.ld32(F.RESULT_SE));
        const sig = f.tmp(fr.ld64(F.RESULT_M));
        f.exec(fmt.from, b);
        f.ret(call(narrow, call(kernel, se, sig, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M))));
      });
    const squareRoot = m.func([I64], [I64], (f) => {
      const a = f.param(0);
      daz(f, a);
      nanResult(f, a, a);
      f.exec(fmt.from, a);
      f.ret(call(narrow, call(arith.squareRoot, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M))));
    });

    /** (a, b, signalQuiet) → outcome */
    const compare = m.func([I64, I64, I32], [I32], (f) => {
      const [a, b, signalQuiet] = [f.param(0), f.param(1), f.param(2)];
      daz(f, a);
      daz(f, b);
      f.if(or(isNaN(a), isNaN(b)), () => {
        f.if(or(signalQuiet, or(isSignalling(a), isSignalling(b))), () => fr.raise(f, F.IE));
        f.ret(i32(UNORDERED));
      });
      f.exec(fmt.from, a);
      const se = f.tmp(fr.ld32(F.RESULT_SE));
      const sig = f.tmp(fr.ld64(F.RESULT_M));
      f.exec(fmt.from, b);
      const codes = f.tmp(call(c.compare, se, sig, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M), i32(1)));
      f.ret(select(eq(codes, F.C3), i32(EQUAL), select(eq(codes, F.C0), i32(LESS), i32(GREATER))));
    });
    /** (a, b) → the smaller (wanted LESS) or larger; the second when equal or unordered. */
    const extremum = (wanted: number): Func =>
      m.func([I64, I64], [I64], (f) => {
        const [a, b] = [f.param(0), f.param(1)];
        const outcome = f.tmp(call(compare, a, b, i32(1)));
        daz(f, a);
        daz(f, b);
        f.ret(select(eq(outcome, wanted), a, b));
      });

    /** (bits, rc) → 32-bit integer or the indefinite one. */
    const toInteger = m.func([I64, I32], [I64], (f) => {
      const a = f.param(0);
      daz(f, a);
      f.exec(fmt.from, a);
      // Conversions to integers do not report denormals.
      fr.st32(f, F.EXC, i32(0));
      f.ret(call(c.toInteger, fr.ld32(F.RESULT_SE), fr.ld64(F.RESULT_M), i32(32), f.param(1)));
    });
    /** (bits, immediate of ROUNDxx) → rounded to an integer in the format itself */
    const round = m.func([I64, I32], [I64], (f) => {
      const [a, imm] = [f.param(0), f.param(1)];
      daz(f, a);
      nanResult(f, a, a);
      const v = f.tmp(fmt.bytes === 4 ? f32FromI32Bits(wrap(a)) : f64FromI64Bits(a));
      const own = choose(and(imm, ROUND_BY_MXCSR), and(shrU(fr.ld32(S.MXCSR), 13), 3), and(imm, 3));
      const mode = f.tmp(own);
      const up = choose(eq(mode, F.RC_UP), ceil(v), trunc(v));
      const r = f.tmp(choose(eq(mode, F.RC_NEAREST), nearest(v), choose(eq(mode, F.RC_DOWN), floor(v), up)));
      f.if(and(ne(r, v), eqz(and(imm, ROUND_QUIET))), () => fr.raise(f, F.PE));
      f.ret(fmt.bytes === 4 ? extendU(i32FromF32Bits(r)) : i64FromF64Bits(r));
    });
    return { round, binary, squareRoot, compare, extremum, toInteger, daz, isNaN, isSignalling, signBits };
  };

  const kernels = { add: arith.add, sub: arith.subtract, mul: arith.multiply, div: arith.divide };
  const functions = new Map([single, double].map((fmt) => [fmt, formatFunctions(fmt)]));
  for (const fmt of [single, double]) {
    const fn = functions.get(fmt)!;
    const { bytes, suffix } = fmt;
    for (const [name, kernel] of Object.entries(kernels)) {
      const lane = fn.binary(kernel);
      out[`sse${name}${suffix}`] = driver(bytes, bytes, (_f, a, b) => call(lane, a, b));
    }
    // Even lanes subtract, odd lanes add.
    const plus = fn.binary(kernels.add);
    const minus = fn.binary(kernels.sub);
    let odd: Expr | null = null;
    out[`sseaddsub${suffix}`] = driver(bytes, bytes, (f, a, b) => {
      odd ??= f.local(I32);
      const result = f.temp(I64);
      f.if(
        odd,
        () => f.set(result, call(plus, a, b)),
        () => f.set(result, call(minus, a, b)),
      );
      f.set(odd, xor(odd, 1));
      return result;
    });
    out[`ssesqrt${suffix}`] = driver(bytes, bytes, (_f, _a, b) => call(fn.squareRoot, b));
    const min = fn.extremum(LESS);
    const max = fn.extremum(GREATER);
    out[`ssemin${suffix}`] = driver(bytes, bytes, (_f, a, b) => call(min, a, b));
    out[`ssemax${suffix}`] = driver(bytes, bytes, (_f, a, b) => call(max, a, b));
    // (n, predicate)
    out[`ssecmp${suffix}`] = driver(
      bytes,
      bytes,
      (f, a, b) => {
        const predicate = f.tmp(and(f.param(1), 7));
        const outcome = f.tmp(call(fn.compare, a, b, and(shrU(i32(SIGNALLING), predicate), 1)));
        return sub(i64(0n), extendU(and(shrU(shrU(i32(PREDICATES), shl(predicate, 2)), outcome), 1)));
      },
      [I32],
    );
    // (signalQuiet) → outcome of element 0, or −1 = raise
    out[`ssecompare${suffix}`] = m.func([I32], [I32], (f) => {
      fr.st32(f, F.EXC, i32(0));
      const outcome = f.tmp(
        call(fn.compare, loadElement(bytes, i32(0), SSE_A), loadElement(bytes, i32(0), SSE_B), f.param(0)),
      );
      f.ret(select(call(finish, fr.ld32(F.EXC)), i32(-1), outcome));
    });
    // (n, immediate)
    out[`sseround${suffix}`] = driver(bytes, bytes, (f, _a, b) => call(fn.round, b, f.param(1)), [I32]);
    // (n, truncate): to 32-bit integers
    out[`sseint${suffix}`] = driver(
      bytes,
      4,
      (f, _a, b) =>
        call(fn.toInteger, b, select(f.param(1), i32(F.RC_ZERO), and(shrU(fr.ld32(S.MXCSR), 13), 3))),
      [I32],
    );
    // from 32-bit integers
    out[`ssefromint${suffix}`] = driver(4, bytes, (f, _a, b) => {
      const value = f.tmp(extendS(wrap(b)));
      f.exec(c.fromInteger, value);
      const packed = call(
        fmt.pack,
        and(fr.ld32(F.RESULT_SE), F.SIGN),
        and(fr.ld32(F.RESULT_SE), F.EXP_MASK),
        fr.ld64(F.RESULT_M),
        i64(0n),
        call(control),
      );
      const result = f.temp(I64);
      f.set(result, i64(0n));
      f.if(ne(value, i64(0n)), () => f.set(result, packed));
      return result;
    });
  }

  /** One element from one format to the other. */
  const change = (from: Format, to: Format): Func =>
    m.func([I64], [I64], (f) => {
      const fn = functions.get(from)!;
      const a = f.param(0);
      fn.daz(f, a);
      const sign = f.tmp(and(wrap(shrU(a, from.bytes === 4 ? 16 : 48)), F.SIGN));
      const toSign = functions.get(to)!.signBits(sign);
      f.if(fn.isNaN(a), () => {
        f.if(fn.isSignalling(a), () => fr.raise(f, F.IE));
        const fraction =
          from.bytes === 4 ? shl(and(a, i64(from.quiet - 1n)), 29) : shrU(and(a, i64(from.quiet - 1n)), 29);
        f.ret(or(or(toSign, i64(to.infinity | to.quiet)), fraction));
      });
      f.exec(from.from, a);
      f.if(eqz(fr.ld64(F.RESULT_M)), () => f.ret(toSign));
      f.if(eq(and(fr.ld32(F.RESULT_SE), F.EXP_MASK), F.EXP_MASK), () => f.ret(or(toSign, i64(to.infinity))));
      f.ret(
        call(
          to.pack,
          sign,
          and(fr.ld32(F.RESULT_SE), F.EXP_MASK),
          fr.ld64(F.RESULT_M),
          i64(0n),
          call(control),
        ),
      );
    });
  const widen = change(single, double);
  const shorten = change(double, single);
  out["ssewiden"] = driver(4, 8, (_f, _a, b) => call(widen, b));
  out["sseshorten"] = driver(8, 4, (_f, _a, b) => call(shorten, b));
  return { ...out, ...buildSecondTries(m, fr, out) };
}
