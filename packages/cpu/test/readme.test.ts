// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from "node:fs";
import * as mmu from "@vkernel/mmu";
import { expect, test } from "vitest";
import * as cpu from "../src/index.ts";

const MODULES: Readonly<Record<string, unknown>> = { "@vkernel/cpu": cpu, "@vkernel/mmu": mmu };

const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** Runs an example and returns what it printed. */
function printed(example: string): string[] {
  const body = example.replace(/import (\{.*\}) from ("@vkernel\/.*");/g, "const $1 = modules[$2];");
  const lines: string[] = [];
  const run = new Function("modules", "console", body) as (modules: unknown, console: unknown) => void;
  run(MODULES, { log: (line: string) => lines.push(line) });
  return lines;
}

test("the first example of the README runs and prints what it says", () => {
  const example = /```js\n([^]*?)```/.exec(text)![1]!;
  expect(printed(example)).toEqual([/console\.log\(.*\); \/\/ (.*)/.exec(example)![1]]);
});

test("the example of stepping, counting, saving and resuming prints what stands below it", () => {
  const chapter = text.slice(text.indexOf("## Step"));
  const example = /```js\n([^]*?)\n```/.exec(chapter)![1]!;
  const output = /```text\n([^]*?)\n```/.exec(chapter)![1]!;
  expect(printed(example)).toEqual(output.split("\n"));
});
