// SPDX-License-Identifier: BSD-3-Clause
import { describe, expect, test } from "vitest";
import { Bytes } from "./bytes.ts";
import {
  add,
  and,
  choose,
  eqz,
  extendS,
  f64,
  f64FromI32S,
  i32,
  i64,
  load,
  ltS,
  mul,
  select,
  shl,
  sqrt,
  sub,
  wrap,
} from "./expr.ts";
import type { Func } from "./func.ts";
import { ModuleBuilder } from "./module.ts";
import { F64, I32, I32_LOAD, I32_STORE, I64, type ValType } from "./opcodes.ts";

/** Compiles one function and returns it. */
function compile(
  params: ValType[],
  results: ValType[],
  build: (f: Func) => void,
): (...args: number[]) => number {
  const m = new ModuleBuilder();
  m.func(params, results, build, "f");
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.encode()), {});
  return instance.exports["f"] as (...args: number[]) => number;
}

describe("LEB128", () => {
  test.each([
    [0, [0]],
    [-1, [0x7f]],
    [63, [0x3f]],
    [64, [0xc0, 0]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [0x7fff_ffff, [0xff, 0xff, 0xff, 0xff, 0x07]],
    [-0x8000_0000, [0x80, 0x80, 0x80, 0x80, 0x78]],
  ])("signed %i", (value, encoded) => {
    const b = new Bytes(1);
    b.s32(value);
    expect([...b.view()]).toEqual(encoded);
    b.clear();
    b.s64(BigInt(value));
    expect([...b.view()]).toEqual(encoded);
  });

  test("unsigned", () => {
    const b = new Bytes(1);
    b.u32(0xffff_ffff);
    b.u32(127);
    b.u32(128);
    expect([...b.view()]).toEqual([0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x80, 0x01]);
  });
});

describe("expressions", () => {
  test("operators take their opcode from the operand type", () => {
    expect(compile([I32], [I32], (f) => f.ret(wrap(mul(extendS(f.param(0)), i64(3)))))(-5)).toBe(-15);
    expect(compile([I32], [F64], (f) => f.ret(sqrt(add(f64FromI32S(f.param(0)), f64(0.25)))))(2)).toBe(1.5);
  });
  test("constants fold only where the result is exact", () => {
    expect(add(i32(0x7fff_ffff), i32(1)).imm).toBe(-0x8000_0000);
    expect(mul(i32(0x1_0001), i32(0x1_0001)).imm).toBe(Math.imul(0x1_0001, 0x1_0001));
    expect(shl(i32(1), 33).imm).toBe(2);
    expect(select(i32(0), 1, 2).imm).toBe(2);
  });
  test("choose evaluates one side only", () => {
    const m = new ModuleBuilder();
    m.importMemory("m", "memory", 1, 1, false);
    m.func([I32], [I32], (f) => f.ret(choose(f.param(0), load(I32_LOAD, I32, i32(-4)), i32(7))), "f");
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(m.encode()), { m: { memory } });
    const f = instance.exports["f"] as (x: number) => number;
    expect(f(0)).toBe(7);
    expect(() => f(1)).toThrow();
  });
  test("mixing types is refused when the statement is built", () => {
    expect(() => compile([I64], [], (f) => f.set(f.local(I32), f.param(0)))).toThrow(TypeError);
    expect(() => sqrt(i32(1))).toThrow(TypeError);
  });
});

describe("functions", () => {
  test("loops, blocks and labels", () => {
    const sum = compile([I32], [I32], (f) => {
      const total = f.local();
      f.block((out) => {
        f.loop((again) => {
          f.brIf(out, eqz(f.param(0)));
          f.set(total, add(total, f.param(0)));
          f.set(f.param(0), sub(f.param(0), 1));
          f.br(again);
        });
      });
      f.ret(total);
    });
    expect(sum(10)).toBe(55);
  });
  test("br_table chooses by index and has a default", () => {
    const pick = compile([I32], [I32], (f) => {
      const other = f.open();
      const two = f.open();
      const one = f.open();
      f.brTable(f.param(0), [one, two], other);
      f.end();
      f.ret(i32(10));
      f.end();
      f.ret(i32(20));
      f.end();
      f.ret(i32(-1));
    });
    expect([0, 1, 2, -1].map((i) => pick(i))).toEqual([10, 20, -1, -1]);
  });
  test("temporaries are recycled by type", () => {
    const f = compile([I32], [I32], (fn) => {
      const seen = new Set<number>();
      for (let i = 0; i < 100; i++) {
        const t = fn.tmp(add(fn.param(0), i));
        seen.add(t.imm);
        fn.set(fn.param(0), and(t, 0xffff));
        fn.resetTemps();
      }
      expect(seen.size).toBe(1);
      fn.ret(fn.param(0));
    });
    expect(f(1)).toBe(1 + (99 * 100) / 2);
  });
  test("a branch to a closed block is refused", () => {
    expect(() =>
      compile([], [], (f) => {
        let closed = 0;
        f.block((label) => (closed = label));
        f.br(closed);
      }),
    ).toThrow(RangeError);
  });
  test("tables, indirect calls and stores", () => {
    const m = new ModuleBuilder();
    m.importMemory("m", "memory", 1, 1, false);
    const type = m.type([], []);
    const store = (value: number): Func => m.func([], [], (f) => f.store(I32_STORE, i32(8), i32(value)));
    const a = store(1);
    const b = store(2);
    m.table([a, null, b]);
    m.func(
      [I32],
      [],
      (f) => {
        f.if(ltS(f.param(0), 0), () => f.ret());
        f.body.u8(0x20);
        f.body.u32(0);
        f.body.u8(0x11);
        f.body.u32(type);
        f.body.u8(0);
      },
      "call",
    );
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    const call = new WebAssembly.Instance(new WebAssembly.Module(m.encode()), { m: { memory } }).exports[
      "call"
    ] as (i: number) => void;
    call(2);
    expect(new Int32Array(memory.buffer)[2]).toBe(2);
    expect(() => call(1)).toThrow();
  });
});

describe("branch hints", () => {
  /** Sections of a module, {id, name of a custom section, payload}. */
  function sections(bytes: Uint8Array): { id: number; name: string; payload: number[] }[] {
    const list: { id: number; name: string; payload: number[] }[] = [];
    for (let at = 8; at < bytes.length; ) {
      const id = bytes[at++]!;
      const [size, begin] = leb(bytes, at);
      let payload = begin;
      let name = "";
      if (id === 0) {
        const [length, text] = leb(bytes, begin);
        name = String.fromCharCode(...bytes.subarray(text, text + length));
        payload = text + length;
      }
      at = begin + size;
      list.push({ id, name, payload: [...bytes.subarray(payload, at)] });
    }
    return list;
  }
  /** An unsigned number and where it ends. */
  function leb(bytes: ArrayLike<number>, at: number): [number, number] {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++]!;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return [value, at];
    }
  }

  test("a section before the code names the positions of unlikely branches, and no others", () => {
    const m = new ModuleBuilder();
    m.func([I32], [I32], (f) => f.ret(f.param(0)));
    const f = m.declare([I32], [I32], "f");
    const x = f.param(0);
    const out = f.openValue(I32);
    f.brUnlikelyValue(out, i32(-1), ltS(x, 0));
    const mark = f.mark();
    f.ifUnlikely(eqz(x), () => f.ret(i32(7)));
    f.undo(mark);
    f.block((zero) => {
      f.brUnlikely(zero, eqz(x));
      f.if(and(x, 1), () => f.ret(i32(1)));
      f.ifUnlikely(and(x, 2), () => f.ret(i32(2)));
      f.ret(i32(4));
    });
    f.ret(i32(0));
    f.unreachable();
    f.end();
    f.ret();
    f.unreachable();
    // Moves everything behind the declaration of a local and a prologue, which has a branch of its own.
    f.prologue(() => f.ifUnlikely(and(x, 8), () => f.ret(f.tmp(sub(x, 8)))));

    const bytes = m.encode();
    const list = sections(bytes);
    const ids = list.map(({ id, name }) => (id === 0 ? name : id));
    expect(ids.indexOf("metadata.code.branch_hint")).toBe(ids.indexOf(10) - 1);
    const { payload: hints } = list[ids.indexOf(10) - 1]!;
    // One function, number 1, four hints of one byte each: 0 = unlikely.
    expect(hints.slice(0, 3)).toEqual([1, 1, 4]);
    const positions = [0, 1, 2, 3].map((k) => hints[3 + 3 * k]!);
    expect([0, 1, 2, 3].map((k) => hints.slice(4 + 3 * k, 6 + 3 * k))).toEqual(Array.from({ length: 4 }, () => [1, 0]));
    const { payload: code } = list[ids.indexOf(10)]!;
    const [first, second] = leb(code, 1);
    const [, begin] = leb(code, second + first);
    // if of the prologue, br_if with a value, br_if, if
    expect(positions.map((at) => code[begin + at])).toEqual([0x04, 0x0d, 0x0d, 0x04]);

    const run = new WebAssembly.Instance(new WebAssembly.Module(bytes), {}).exports["f"] as (x: number) => number;
    expect([-1, 0, 1, 2, 4, 9].map((n) => run(n))).toEqual([-9, 0, 1, 2, 4, 1]);
  });

  test("a module without such branches has no section", () => {
    const m = new ModuleBuilder();
    m.func([I32], [I32], (f) => f.ret(f.param(0)));
    expect(sections(m.encode()).map(({ id }) => id)).not.toContain(0);
  });
});
