// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from "node:fs";
import * as hostkernel from "@vkernel/hostkernel";
import { expect, test } from "vitest";
import * as vkernel from "../src/index.ts";

const MODULES: Readonly<Record<string, unknown>> = { "@vkernel/hostkernel": hostkernel, "@vkernel/vkernel": vkernel };

test("the example of the README runs and prints what it says", async () => {
  const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const example = /```js\n([^]*?)```/.exec(text)![1]!;
  const expected = [...example.matchAll(/console\.log\(.*\); \/\/ (.*)/g)].map((m) => m[1]);
  const body = example.replace(/import (\{.*\}) from ("@vkernel\/.*");/g, "const $1 = modules[$2];");
  const printed: string[] = [];
  const AsyncFunction = (async () => {}).constructor as new (...args: string[]) => (...args: unknown[]) => Promise<void>;
  await new AsyncFunction("modules", "console", body)(MODULES, { log: (...args: unknown[]) => printed.push(args.join(" ")) });
  expect(expected.length).toBeGreaterThan(0);
  expect(printed).toEqual(expected);
});
