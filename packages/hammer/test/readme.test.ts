// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import * as hammer from "../src/index.ts";

it("the example of README.md prints what its comments say", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const example = /```js\n([\s\S]*?)```/.exec(readme)![1]!;
  const want = [...example.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map((m) => m[1]);
  expect(want.length).toBe(3);
  const printed: string[] = [];
  const body = example.replace(/^import \{(.*)\} from "@vkernel\/hammer";$/m, "const {$1} = hammer;");
  new Function("hammer", "console", body)(hammer, { log: (x: unknown) => printed.push(String(x)) });
  expect(printed).toEqual(want);
});
