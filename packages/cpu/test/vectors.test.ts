// SPDX-License-Identifier: BSD-3-Clause
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { VectorMachine, readVectors } from "../scripts/vector-judge.js";

const FILE = fileURLToPath(new URL("../../../../shared/fixtures/cpu-vectors/public.jsonl.gz", import.meta.url));
const present = existsSync(FILE);

/** What a processor did in 13,944 integer programs is the referee; every group passes completely. */
const GROUPS = [
  "alu", "misc", "shift", "muldiv", "bit", "bcd", "string", "control", "segment", "addr16", "trace", "seq",
  "seq-fault", "hot", "hot-fault", "smc", "smc-inline",
];

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
  const machine = present ? new VectorMachine() : null;

  test.each(GROUPS)("%s", (group) => {
    const vectors = byGroup.get(group) ?? [];
    expect(vectors.length).toBeGreaterThan(0);
    const failures = vectors.flatMap((v) => machine!.run(v).map((fault: string) => `${v.id}: ${fault}`));
    expect(failures).toEqual([]);
  });
});
