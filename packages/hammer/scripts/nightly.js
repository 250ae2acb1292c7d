#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Runs the long variants of the test suites: more seeds, more power cuts, more damaged images, larger files.
 *
 *   node scripts/nightly.js [--cuts N] [--structures N] [seed [depth]]
 *
 * First all tests once, with seed (default 1) and depth (default 5). Then, with seed + 1 and so on, the crash tests until N
 * power cuts were tried in all (default 100,000), and the tests of damaged images until N structures were damaged (default
 * 1,000,000). --cuts 0 --structures 0 leaves it at the first. Ends at the first failure, naming its seed and depth, which
 * repeat it; the exit status is that of the test runner.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Images of one run of the tests of damaged images; each has two damaged structures on average. */
const FUZZ_IMAGES = 5000;

const positive = (text) => /^[1-9]\d*$/.test(text);
const { values, positionals } = parseArgs({
  allowPositionals: true, options: { cuts: { type: "string", default: "100000" }, structures: { type: "string", default: "1000000" } },
});
const [seed = "1", depth = "5"] = positionals;
if (!positive(seed) || !positive(depth) || !/^\d+$/.test(values.cuts) || !/^\d+$/.test(values.structures)) {
  process.stderr.write("usage: nightly.js [--cuts N] [--structures N] [seed [depth]]\n");
  process.exit(2);
}

const root = fileURLToPath(new URL("../../../", import.meta.url));
const scratch = mkdtempSync(path.join(os.tmpdir(), "hammer-nightly-"));
const file = path.join(scratch, "tally");

/** Runs tests; ends the program if they fail. */
function run(tests, s, images) {
  const { status } = spawnSync("npx", ["vitest", "run", "--project", "unit", tests, "--testTimeout", "36000000"], {
    cwd: root, stdio: "inherit",
    env: {
      ...process.env, HAMMER_NIGHTLY: "1", HAMMER_SEED: String(s), HAMMER_FUZZ_SEED: String(s * FUZZ_IMAGES), HAMMER_CRASH_DEPTH: depth,
      HAMMER_MODEL_SEEDS: String(4 * Number(depth)), HAMMER_FUZZ_IMAGES: String(images), HAMMER_TALLY: file,
    },
  });
  if (status === 0) return;
  process.stderr.write(`failed: ${tests} with seed ${s}, depth ${depth}\n`);
  rmSync(scratch, { recursive: true, force: true });
  process.exit(status ?? 1);
}

/** How many of something were tried so far. */
function tried(what) {
  if (!existsSync(file)) return 0;
  return readFileSync(file, "utf8").split("\n").reduce((sum, line) => (line.startsWith(`${what} `) ? sum + Number(line.slice(what.length)) : sum), 0);
}

run("packages/hammer/", Number(seed), 40 * Number(depth) ** 2);
for (let s = Number(seed) + 1; tried("cuts") < Number(values.cuts); s++) run("packages/hammer/test/crash.test.ts", s, 0);
for (let s = Number(seed) + 1; tried("structures") < Number(values.structures); s++) run("packages/hammer/test/fuzz.test.ts", s, FUZZ_IMAGES);
console.log(`${tried("cuts")} power cuts, ${tried("mirror cuts")} cuts of mirror streams and ${tried("structures")} damaged structures tried from seed ${seed} on`);
rmSync(scratch, { recursive: true, force: true });
