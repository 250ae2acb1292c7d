// SPDX-License-Identifier: BSD-3-Clause
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as mmu from "@vkernel/mmu";

describe("README", () => {
  it("the example runs and prints what it says", () => {
    const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
    const code = /```js\n([\s\S]*?)```/.exec(text)![1]!;
    const body = code.replace(/import \{([^}]*)\} from "@vkernel\/mmu";/, "const {$1} = mmu;");
    const printed: string[] = [];
    new Function("mmu", "console", body)(mmu, { log: (...args: unknown[]) => printed.push(args.join(" ")) });
    const promised = [...code.matchAll(/console\.log\(.*\/\/ (.*)$/gm)].map((m) =>
      m[1]!.split(":")[0]!.trim(),
    );
    expect(promised.length).toBeGreaterThan(0);
    expect(printed).toEqual(promised);
  });
});
