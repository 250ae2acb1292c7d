// SPDX-License-Identifier: BSD-3-Clause
/**
 * SSE4.2's comparisons of text, PCMPxSTRx: one function compares, the rows find the lengths and make index or mask of the outcome.
 *
 * Source: SDM vol. 1 §12.10, vol. 2B §4.1 (tables 4-1 to 4-7).
 * @module
 */
import {
  add,
  and,
  call,
  choose,
  clz,
  ctz,
  eq,
  geU,
  gtU,
  i32,
  ltU,
  mul,
  ne,
  or,
  select,
  shl,
  shrS,
  shrU,
  sub,
  xor,
  type Callee,
  type Expr,
} from "../../wasm/expr.ts";
import type { Func } from "../../wasm/func.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { I32, V128 } from "../../wasm/opcodes.ts";
import { EAX, ECX, EDX, OF, SF, ZF } from "../../state.ts";
import type { Ctx } from "../ctx.ts";
import { Ib, Vx, Wx, XMM0_IMPLIED, type Row, type Semantics } from "../row.ts";
import { RowList, setXmm, source128, sse, xmm } from "./operands.ts";
import * as V from "./simd.ts";

// Fields of the immediate.
const WORDS = 0x01;
const SIGNED = 0x02;
const AGGREGATION_SHIFT = 2;
const EQUAL_ANY = 0;
const RANGES = 1;
const EQUAL_EACH = 2;
const NEGATE = 0x10;
/** With NEGATE: only the outcomes of valid elements of the second operand. */
const NEGATE_VALID = 0x20;
/** Index of the last element instead of the first; a mask of elements instead of bits. */
const LAST = 0x40;
const WIDE_MASK = 0x40;

const elements = (imm: Expr): Expr => select(and(imm, WORDS), i32(8), i32(16));
/** The lowest `n` bits set. */
const ones = (n: Expr): Expr => sub(shl(i32(1), n), 1);

/** The functions of one element width, as bit masks with a bit for each element. */
interface Width {
  readonly equal: (a: Expr, b: Expr) => Expr;
  readonly atMost: (isSigned: Expr, a: Expr, b: Expr) => Expr;
  /** Element `j` in all places. */
  readonly all: (v: Expr, j: Expr) => Expr;
}
const BYTES: Width = {
  equal: (a, b) => V.i8x16Bitmask(V.i8x16Eq(a, b)),
  atMost: (isSigned, a, b) => V.i8x16Bitmask(choose(isSigned, V.i8x16LeS(a, b), V.i8x16LeU(a, b))),
  all: (v, j) => V.swizzle(v, V.i8x16Splat(j)),
};
const WORDS_WIDTH: Width = {
  equal: (a, b) => V.i16x8Bitmask(V.i16x8Eq(a, b)),
  atMost: (isSigned, a, b) => V.i16x8Bitmask(choose(isSigned, V.i16x8LeS(a, b), V.i16x8LeU(a, b))),
  all: (v, j) => V.swizzle(v, V.i16x8Splat(add(mul(j, 0x0202), 0x0100))),
};

/** sse42compare(a, b, length of a, length of b, immediate) → a bit for each element of b. Lengths count elements. */
export function buildTextRuntime(m: ModuleBuilder): Record<string, Callee> {
  const compare = m.func([V128, V128, I32, I32, I32], [I32], (f) => {
    const [a, b, lengthA, lengthB, imm] = [f.param(0), f.param(1), f.param(2), f.param(3), f.param(4)];
    const result = f.local(I32);
    const n = f.tmp(elements(imm));
    const validB = f.tmp(ones(lengthB));
    const aggregation = f.tmp(and(shrU(imm, AGGREGATION_SHIFT), 3));
    f.if(
      and(imm, WORDS),
      () => aggregate(f, WORDS_WIDTH, { a, b, lengthA, n, validB, aggregation, result, imm }),
      () => aggregate(f, BYTES, { a, b, lengthA, n, validB, aggregation, result, imm }),
    );
    f.if(and(imm, NEGATE), () => f.set(result, xor(result, select(and(imm, NEGATE_VALID), validB, i32(-1)))));
    f.ret(and(result, ones(n)));
  });
  return { sse42compare: compare };
}

interface Operands {
  readonly a: Expr;
  readonly b: Expr;
  readonly lengthA: Expr;
  readonly n: Expr;
  readonly validB: Expr;
  readonly aggregation: Expr;
  readonly result: Expr;
  readonly imm: Expr;
}

/** Sets `result` before negation. Which outcome an element behind the end has is in the SDM's table 4-7. */
function aggregate(f: Func, width: Width, o: Operands): void {
  const { a, b, lengthA, n, validB, aggregation, result, imm } = o;
  f.if(
    eq(aggregation, EQUAL_EACH),
    () => {
      const both = and(and(width.equal(a, b), ones(lengthA)), validB);
      // Elements behind both ends are equal.
      f.set(result, or(both, xor(or(ones(lengthA), validB), -1)));
    },
    () => {
      const j = f.local(I32);
      const overElements = (from: number, step: number, body: () => void): void => {
        f.set(j, i32(from));
        f.block((done) =>
          f.loop((again) => {
            f.brIf(done, geU(j, lengthA));
            body();
            f.set(j, add(j, step));
            f.br(again);
          }),
        );
      };
      f.if(
        eq(aggregation, EQUAL_ANY),
        () => {
          f.set(result, i32(0));
          overElements(0, 1, () => f.set(result, or(result, width.equal(width.all(a, j), b))));
          f.set(result, and(result, validB));
        },
        () =>
          f.if(
            eq(aggregation, RANGES),
            () => {
              f.set(result, i32(0));
              // Pairs of bounds; a last one without its partner matches nothing.
              overElements(1, 2, () => {
                const isSigned = and(imm, SIGNED);
                const above = width.atMost(isSigned, width.all(a, sub(j, 1)), b);
                const below = width.atMost(isSigned, b, width.all(a, j));
                f.set(result, or(result, and(above, below)));
              });
              f.set(result, and(result, validB));
            },
            () => {
              // Equal ordered: a's element j must be found j places behind; what lies behind the register is not looked at.
              f.set(result, i32(-1));
              overElements(0, 1, () => {
                const found = and(width.equal(width.all(a, j), b), validB);
                f.set(result, and(result, or(shrU(found, j), shl(i32(-1), sub(n, j)))));
              });
            },
          ),
      );
    },
  );
}

// --------------------------------------------------------------------------- rows

const list = new RowList({ 0: "sse4.2", 0x66: "sse4.2", 0xf2: "sse4.2", 0xf3: "sse4.2" });
const { rows } = list;

/** Elements before the first that is zero. */
function terminatedLength(imm: Expr, v: Expr): Expr {
  const zeros = choose(
    and(imm, WORDS),
    or(WORDS_WIDTH.equal(v, V.ZERO_VECTOR), 1 << 8),
    or(BYTES.equal(v, V.ZERO_VECTOR), 1 << 16),
  );
  return ctz(zeros);
}
/** The magnitude of a register, at most the number of elements. */
function explicitLength(x: Ctx, n: Expr, register: number): Expr {
  const value = x.tmp(x.reg(register));
  const sign = shrS(value, 31);
  const magnitude = x.tmp(sub(xor(value, sign), sign));
  return select(gtU(magnitude, n), n, magnitude);
}

const BYTE_BITS = V.bytes(1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128);
const WORD_BITS = V.words(0x0002_0001, 0x0008_0004, 0x0020_0010, 0x0080_0040);
const BYTES_OF_MASK = V.bytes(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
/** A mask of elements from one of bits. */
function widen(imm: Expr, bits: Expr): Expr {
  const bytes = V.swizzle(V.i32x4Splat(bits), BYTES_OF_MASK);
  return choose(
    and(imm, WORDS),
    V.i16x8Eq(V.vAnd(V.i16x8Splat(bits), WORD_BITS), WORD_BITS),
    V.i8x16Eq(V.vAnd(bytes, BYTE_BITS), BYTE_BITS),
  );
}

function comparison(explicit: boolean, index: boolean): Semantics {
  return sse((x) => {
    // The memory operand need not be aligned.
    const b = source128(x, 1, true);
    const a = x.tmp(xmm(x, 0));
    const imm = x.tmp(x.imm());
    const n = x.tmp(elements(imm));
    const lengthA = x.tmp(explicit ? explicitLength(x, n, EAX) : terminatedLength(imm, a));
    const lengthB = x.tmp(explicit ? explicitLength(x, n, EDX) : terminatedLength(imm, b));
    const bits = x.tmp(call(x.rt["sse42compare"]!, a, b, lengthA, lengthB, imm));
    if (index) {
      const position = select(and(imm, LAST), sub(i32(31), clz(bits)), ctz(bits));
      x.setReg(ECX, select(bits, position, n));
    } else {
      const narrow = V.i32x4Replace(V.ZERO_VECTOR, 0, bits);
      setXmm(x, 2, choose(and(imm, WIDE_MASK), widen(imm, bits), narrow));
    }
    const image = or(
      or(ne(bits, 0), shl(and(bits, 1), Math.log2(OF))),
      or(shl(ltU(lengthB, n), Math.log2(ZF)), shl(ltU(lengthA, n), Math.log2(SF))),
    );
    x.flagsRaw(image);
  });
}
list.row(0x0f_3a60, 0x66, "pcmpestrm", [Vx, Wx(), XMM0_IMPLIED, Ib], comparison(true, false));
list.row(0x0f_3a61, 0x66, "pcmpestri", [Vx, Wx(), Ib], comparison(true, true));
list.row(0x0f_3a62, 0x66, "pcmpistrm", [Vx, Wx(), XMM0_IMPLIED, Ib], comparison(false, false));
list.row(0x0f_3a63, 0x66, "pcmpistri", [Vx, Wx(), Ib], comparison(false, true));

export const TEXT_ROWS: readonly Row[] = rows;
