// SPDX-License-Identifier: BSD-3-Clause
import { expect, test } from "vitest";
import { generateInterpreter } from "../src/interp/generate.ts";
import { FormTable } from "../src/isa/forms.ts";
import { ROWS, RUNTIME_BUILDERS } from "../src/isa/table.ts";
import { add, i32, i64, load, wrap } from "../src/wasm/expr.ts";
import { ModuleBuilder } from "../src/wasm/module.ts";
import { OPCODE_NAMES } from "../src/wasm/names.ts";
import * as W from "../src/wasm/opcodes.ts";
import { functionToWat } from "../src/wasm/wat.ts";

test("every opcode with a constant has the name that the constant says", () => {
  for (const [constant, value] of Object.entries(W)) {
    if (value >= 0x60 && value <= 0x7f && /^[IFV]\d+$|^FUNCREF$/.test(constant)) continue;
    if (constant === "VOID") continue;
    const words = constant.replace(/^OP_/, "").toLowerCase();
    const dotted = words.replace(/^(i32|i64|f32|f64|v128|i8x16|local|memory)_/, "$1.");
    expect(OPCODE_NAMES.get(value), constant).toBe(dotted);
  }
});

test("a function as text", () => {
  const m = new ModuleBuilder();
  m.importMemory("m", "memory", 1, 1, false);
  const callee = m.importFunction("m", "other", [W.I32], [W.I32]);
  m.func([W.I32], [W.I32], (f) => {
    const x = f.local(W.I64);
    f.if(f.param(0), () => {
      f.store(W.I32_STORE, f.param(0), add(load(W.I32_LOAD, W.I32, f.param(0), 8), -3), 4);
    });
    f.set(x, i64(1n << 40n));
    f.exec(callee, i32(7));
    f.ret(wrap(x));
    f.unreachable();
  });
  expect(functionToWat(m.encode(), 0)).toBe(`(func $0
  (local i64)
  local.get 0
  if
    local.get 0
    local.get 0
    i32.load offset=8
    i32.const -3
    i32.add
    i32.store offset=4
  end
  i64.const 1099511627776
  local.set 1
  i32.const 7
  call $other
  drop
  local.get 1
  i32.wrap_i64
  return
  unreachable)`);
  expect(() => functionToWat(m.encode(), 1)).toThrow("the module has no function 1");
});

test("all of the interpreter can be read: every instruction that is emitted has a name", () => {
  const { bytes } = generateInterpreter(new FormTable(ROWS), RUNTIME_BUILDERS, { stateBase: 0x1_0000, shared: false });
  let functions = 0;
  let lines = 0;
  for (; ; functions++) {
    try {
      lines += functionToWat(bytes, functions).split("\n").length;
    } catch (e) {
      expect(String(e)).toContain(`the module has no function ${functions}`);
      break;
    }
  }
  expect(functions).toBeGreaterThan(1000);
  expect(lines).toBeGreaterThan(100_000);
});
