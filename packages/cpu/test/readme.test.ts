// SPDX-License-Identifier: BSD-3-Clause
/** Every example of the README runs and prints what stands below it. */
import { readFileSync } from "node:fs";
import * as mmu from "@vkernel/mmu";
import { expect, test } from "vitest";
import * as cpu from "../src/index.ts";

const MODULES: Readonly<Record<string, unknown>> = { "@vkernel/cpu": cpu, "@vkernel/mmu": mmu };

const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const EXAMPLE = /^## ([^\n]*)\n(?:(?!^## )[^])*?```js\n([^]*?)\n```\n\n```text\n([^]*?)\n```/gm;
const examples = [...text.matchAll(EXAMPLE)].map(([, title, code, output]) => ({ title: title!, code: code!, output: output! }));

/** Runs an example and returns what it printed. */
function printed(example: string): string[] {
  const body = example.replace(/import (\{.*\}) from ("@vkernel\/.*");/g, "const $1 = modules[$2];");
  const lines: string[] = [];
  const run = new Function("modules", "console", body) as (modules: unknown, console: unknown) => void;
  run(MODULES, { log: (...words: unknown[]) => lines.push(words.join(" ")) });
  return lines;
}

test("every block of code has its output", () => {
  expect(examples.length).toBe(text.split("```js").length - 1);
  expect(examples.length).toBeGreaterThanOrEqual(4);
});

test.each(examples)("$title", ({ code, output }) => {
  expect(printed(code)).toEqual(output.split("\n"));
});
