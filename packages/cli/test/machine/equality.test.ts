// SPDX-License-Identifier: BSD-3-Clause
/**
 * Debian programs end the same with the compiler off, as it comes, and compiling everything at once, and as they end natively where
 * the host runs them. The short half of scripts/equality-cases.js; scripts/equality.js runs them all.
 */
import { describe, expect, it } from "vitest";
import { CASES } from "../../scripts/equality-cases.js";
import { differences, runEverywhere } from "../../scripts/equality-run.js";
import { debianRoot, NO_ROOTS } from "./harness.ts";

const root = debianRoot("debian");
const SHORT = [
  "bash-strings",
  "bash-coprocess",
  "find-xargs",
  "printf-floats",
  "factor",
  "fifo",
  "m4",
  "mawk-strings",
  "signals-and-status",
];

describe.skipIf(root === null)(`programs in every tier${root === null ? `: ${NO_ROOTS}` : ""}`, () => {
  it.each(SHORT)("%s", (name) => {
    const each = CASES.find((one) => one.name === name);
    const outcomes = runEverywhere(each!.script, root!, [{ jit: "off" }, { jit: "on" }, { jit: "always" }], true);
    expect(differences(outcomes)).toEqual([]);
    expect(outcomes[0]!.stdout).not.toBe("");
  });
});
