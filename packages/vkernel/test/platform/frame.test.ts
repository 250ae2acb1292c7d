// SPDX-License-Identifier: BSD-3-Clause
/** The kernel's names for trapframe words (sys/frame.ts) are the host kernel's: two lists that must not drift. */
import * as host from "@vkernel/hostkernel";
import { expect, it } from "vitest";
import * as sys from "../../src/sys/frame.ts";

it("sys/frame.ts agrees with the host kernel wherever both name a constant", () => {
  const hostNames = host as unknown as Record<string, unknown>;
  const shared = Object.entries(sys).filter(([name]) => typeof hostNames[name] === "number");
  expect(shared.filter(([name]) => name.startsWith("TF_"))).toHaveLength(20);
  for (const [name, value] of shared) expect([name, value]).toEqual([name, hostNames[name]]);
});
