// SPDX-License-Identifier: BSD-3-Clause
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { VectorMachine, readVectors } from "../scripts/vector-judge.js";

const FILE = fileURLToPath(
  new URL("../../../../shared/fixtures/cpu-vectors/public.jsonl.gz", import.meta.url),
);
const present = existsSync(FILE);

/** Compiled at once, a vector costs a module: every n-th of a group is enough for each run of the tests. */
const COMPILED_SHARE = 7;

describe.skipIf(!present)(`instruction vectors (skipped when ${FILE} is missing)`, () => {
  const byGroup = new Map<string, { id: string }[]>();
  if (present) {
    for (const v of readVectors(FILE).vectors) {
      const group = v.id.replace(/[-:]?\d+$/, "");
      const list = byGroup.get(group);
      if (list === undefined) byGroup.set(group, [v]);
      else list.push(v);
    }
  }
  const groups = [...byGroup.keys()];
  const interpreter = present ? new VectorMachine({ jit: { threshold: Infinity } }) : null;
  const compiler = present ? new VectorMachine({ jit: { threshold: 0 } }) : null;

  test("all groups are there", () => {
    expect(groups.length).toBe(29);
  });
  test.each(groups)("%s, interpreted", (group) => {
    expect(failures(interpreter!, byGroup.get(group)!)).toEqual([]);
  });
  test.each(groups)("%s, compiled", (group) => {
    expect(failures(compiler!, sample(group, byGroup.get(group)!))).toEqual([]);
  });
  test.each(["seq", "hot", "hot-fault", "smc", "seq-fp"])("%s, compiled, one instruction at a time", (group) => {
    expect(failures(compiler!, sample(group, byGroup.get(group)!), 1)).toEqual([]);
  });
});

/** `control` whole: its vectors depend on each other through flags that the capture carried over. */
function sample(group: string, vectors: { id: string }[]): { id: string }[] {
  return group === "control" ? vectors : vectors.filter((_, i) => i % COMPILED_SHARE === 0);
}
function failures(machine: VectorMachine, vectors: { id: string }[], slice?: number): string[] {
  return vectors.flatMap((v) => machine.run(v, slice).map((fault: string) => `${v.id}: ${fault}`));
}
