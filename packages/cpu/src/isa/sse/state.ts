// SPDX-License-Identifier: BSD-3-Clause
/**
 * MXCSR, FXSAVE and FXRSTOR, fences.
 *
 * Source: SDM vol. 1 §10.2.3 and table 10-2 (FXSAVE image), vol. 2 at each instruction.
 * @module
 */
import { EXC_GP, EXC_NM } from "../../exception.ts";
import * as S from "../../state.ts";
import { add, and, extendU, i32, or, shl, shrU, type Expr } from "../../wasm/expr.ts";
import * as W from "../../wasm/opcodes.ts";
import { I32, I64, V128 } from "../../wasm/opcodes.ts";
import type { Ctx } from "../ctx.ts";
import { E, Ed, M, op, type Row, type Semantics } from "../row.ts";
import { alignedAddress, sse } from "./operands.ts";

const rows: Row[] = [];

/** Bits of MXCSR that may be set. */
const MXCSR_MASK = 0xffff;
const FENCE: Semantics = () => {};

rows.push(
  op(
    0x0fae,
    "ldmxcsr",
    [Ed],
    sse((x) => {
      const value = x.tmp(x.read(0));
      x.raiseIf(and(value, ~MXCSR_MASK), EXC_GP);
      x.setState(S.MXCSR, value);
      x.mxcsrChanged();
    }),
    { prefix: 0, digit: 2, mod: "mem", writes: false, feature: "sse" },
  ),
  op(
    0x0fae,
    "stmxcsr",
    [Ed],
    sse((x) => x.write(0, x.state(S.MXCSR))),
    { prefix: 0, digit: 3, mod: "mem", feature: "sse" },
  ),
  op(0x0fae, "lfence", [], FENCE, { prefix: 0, digit: 5, mod: "reg", feature: "sse2" }),
  op(0x0fae, "mfence", [], FENCE, { prefix: 0, digit: 6, mod: "reg", feature: "sse2" }),
  op(0x0fae, "sfence", [], FENCE, { prefix: 0, digit: 7, mod: "reg", feature: "sse" }),
  op(
    0x0fae,
    "clflush",
    [E(1)],
    (x) => {
      x.ld(1, x.address(0));
    },
    { prefix: 0, digit: 7, mod: "mem", writes: false, feature: "clflush" },
  ),
  op(
    0x0fae,
    "fxsave",
    [M],
    (x) => {
      x.raiseIf(and(x.state(S.CR0), S.CR0_EM | S.CR0_TS), EXC_NM);
      fxsave(x);
    },
    { prefix: 0, digit: 0, mod: "mem", memBytes: 512, feature: "fxsr" },
  ),
  op(
    0x0fae,
    "fxrstor",
    [M],
    (x) => {
      x.raiseIf(and(x.state(S.CR0), S.CR0_EM | S.CR0_TS), EXC_NM);
      fxrstor(x);
    },
    { prefix: 0, digit: 1, mod: "mem", writes: false, memBytes: 512, feature: "fxsr" },
  ),
);

// FXSAVE image, SDM vol. 1 table 10-2.
const FX_MXCSR = 24;
const FX_ST = 32;
const FX_XMM = 160;

function fxsave(x: Ctx): void {
  x.xmmInState();
  const ref = x.writable(512, alignedAddress(x, 0));
  const word = (offset: number, value: Expr): void => ref.store(W.I32_STORE, value, offset);
  word(0, or(x.state(S.FCW), shl(or(x.state(S.FSW), shl(x.state(S.FTOP), 11)), 16)));
  word(4, or(x.state(S.FTW), shl(x.state(S.FOP), 16)));
  word(8, x.state(S.FIP));
  word(12, and(x.state(S.FCS), 0xffff));
  word(16, x.state(S.FDP));
  word(20, and(x.state(S.FDS), 0xffff));
  word(FX_MXCSR, x.state(S.MXCSR));
  word(FX_MXCSR + 4, i32(MXCSR_MASK));
  for (let i = 0; i < 8; i++) {
    const slot = x.tmp(shl(and(add(x.state(S.FTOP), i), 7), 4));
    ref.store(W.I64_STORE, x.stateLoad(W.I64_LOAD, I64, slot, S.X87), FX_ST + 16 * i);
    ref.store(
      W.I64_STORE,
      extendU(and(x.stateLoad(W.I32_LOAD, I32, slot, S.X87 + 8), 0xffff)),
      FX_ST + 16 * i + 8,
    );
  }
  for (let i = 0; i < 8; i++)
    ref.store(W.V128_STORE, x.stateLoad(W.V128_LOAD, V128, i32(S.XMM + 16 * i)), FX_XMM + 16 * i);
}

function fxrstor(x: Ctx): void {
  x.xmmInState();
  const at = alignedAddress(x, 0);
  const load32 = (offset: number): Expr => x.load(W.I32_LOAD, I32, 4, x.tmp(add(at, offset)));
  const control = load32(0);
  const mxcsr = load32(FX_MXCSR);
  // The last bytes are touched before anything changes: both pages of the image are there.
  load32(508);
  x.raiseIf(and(mxcsr, ~MXCSR_MASK), EXC_GP);
  const tags = load32(4);
  x.setState(S.FIP, load32(8));
  x.setState(S.FCS, and(load32(12), 0xffff));
  x.setState(S.FDP, load32(16));
  x.setState(S.FDS, and(load32(20), 0xffff));
  x.setState(S.FTW, and(tags, 0xff));
  x.setState(S.FOP, and(shrU(tags, 16), 0x7ff));
  x.setState(S.MXCSR, mxcsr);
  x.f.exec(x.rt["x87setControl"]!, and(control, 0xffff));
  x.f.exec(x.rt["x87setStatus"]!, shrU(control, 16));
  for (let i = 0; i < 8; i++) {
    const slot = x.tmp(shl(and(add(x.state(S.FTOP), i), 7), 4));
    x.stateStore(W.I64_STORE, slot, x.load(W.I64_LOAD, I64, 8, x.tmp(add(at, FX_ST + 16 * i))), S.X87);
    x.stateStore(
      W.I32_STORE,
      slot,
      x.load(W.I32_LOAD16_U, I32, 2, x.tmp(add(at, FX_ST + 16 * i + 8))),
      S.X87 + 8,
    );
    x.stateStore(
      W.V128_STORE,
      i32(S.XMM + 16 * i),
      x.load(W.V128_LOAD, V128, 16, x.tmp(add(at, FX_XMM + 16 * i))),
    );
  }
}

export const SSE_STATE_ROWS: readonly Row[] = rows;
