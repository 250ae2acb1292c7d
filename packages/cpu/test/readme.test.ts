// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from "node:fs";
import * as mmu from "@vkernel/mmu";
import { expect, test } from "vitest";
import * as cpu from "../src/index.ts";

const MODULES: Readonly<Record<string, unknown>> = { "@vkernel/cpu": cpu, "@vkernel/mmu": mmu };

test("the example of the README runs and prints what it says", () => {
  const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const example = /```js\n([^]*?)```/.exec(text)![1]!;
  const expected = /console\.log\(.*\); \/\/ (.*)/.exec(example)![1];
  const body = example.replace(/import (\{.*\}) from ("@vkernel\/.*");/g, "const $1 = modules[$2];");
  const printed: string[] = [];
  const run = new Function("modules", "console", body) as (modules: unknown, console: unknown) => void;
  run(MODULES, { log: (line: string) => printed.push(line) });
  expect(printed).toEqual([expected]);
});
