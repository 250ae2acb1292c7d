#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Judge: reads every image set of a folder and compares what the package makes of it with what the original
 * code made of it.
 *
 *   node packages/hammer/scripts/check-fixtures.js [-v] [--verify-points] DIR [SET…]
 *
 * DIR is laid out like fixtures/hammer-real (INDEX.json: images with manifests, histories, PFSs, streams, crash
 * points) or like fixtures/hammer (images with outputs of the original tools). SET limits the run to sets whose
 * name contains it. Prints what differs and, last, `N passed, N failed`; exits 1 if anything failed. What the
 * package cannot do yet fails. --verify-points also hashes each crash image (slow). Needs the built package.
 */
import { existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { checkRealSet } from "./fixtures/real.js";
import { Report } from "./fixtures/report.js";
import { checkToolSets } from "./fixtures/tools.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { verbose: { type: "boolean", short: "v" }, "verify-points": { type: "boolean" }, help: { type: "boolean", short: "h" } },
});
const [dir, ...only] = positionals;
if (values.help || dir === undefined) {
  console.log("usage: check-fixtures.js [-v] [--verify-points] DIR [SET…]");
  process.exit(values.help ? 0 : 2);
}
const wanted = (name) => only.length === 0 || only.some((o) => name.includes(o));

const report = new Report(values.verbose);
if (existsSync(`${dir}/INDEX.json`)) {
  const index = JSON.parse(readFileSync(`${dir}/INDEX.json`, "utf8"));
  for (const entry of index.filter((e) => wanted(e.manifest)))
    await checkRealSet(report, dir, entry, { verify: values["verify-points"] === true });
} else if (existsSync(`${dir}/SHA256SUMS`)) {
  await checkToolSets(report, dir, wanted);
} else {
  console.error(`check-fixtures: ${dir}: neither INDEX.json nor SHA256SUMS in it`);
  process.exit(2);
}
process.exit(report.end());
