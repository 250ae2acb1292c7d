#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs the long variants of the test suites: more seeds, more power cuts, more damaged images, larger files.
 *
 *   node scripts/nightly.js [seed [depth]]     seed 1 and depth 5 by default
 *
 * Exits with the status of the test runner. What failed is repeated with the same two numbers.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const [seed = "1", depth = "5"] = process.argv.slice(2);
if (!/^[1-9]\d*$/.test(seed) || !/^[1-9]\d*$/.test(depth)) {
  process.stderr.write("usage: nightly.js [seed [depth]]: positive integers\n");
  process.exit(2);
}
const root = fileURLToPath(new URL("../../../", import.meta.url));
const run = spawnSync("npx", ["vitest", "run", "--project", "unit", "packages/hammer/", "--testTimeout", "36000000"], {
  cwd: root, stdio: "inherit",
  env: {
    ...process.env, HAMMER_NIGHTLY: "1", HAMMER_SEED: seed, HAMMER_FUZZ_SEED: seed, HAMMER_CRASH_DEPTH: depth,
    HAMMER_MODEL_SEEDS: String(4 * Number(depth)), HAMMER_FUZZ_IMAGES: String(40 * Number(depth) ** 2),
  },
});
process.exit(run.status ?? 1);
