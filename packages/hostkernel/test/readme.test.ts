// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import * as hostkernel from "@vkernel/hostkernel";

it("the README's virtual kernel runs and prints what it says", () => {
  const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const code = /```js\n([\s\S]*?)```/.exec(text)![1]!;
  const body = code.replace(/import \{([^}]*)\} from "@vkernel\/hostkernel";/, "const {$1} = hostkernel;");
  const printed: string[] = [];
  new Function("hostkernel", "console", body)(hostkernel, {
    log: (...args: unknown[]) => printed.push(args.join(" ")),
  });
  const promised = [...code.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map((m) => m[1]!.trim());
  expect(promised).toHaveLength(3);
  expect(printed).toEqual(promised);
});
