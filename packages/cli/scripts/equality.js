#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Programs behave the same whatever the compiler does: each case of equality-cases.js runs with `--jit off`, `on` and `always`,
 * and natively where the host can, and standard output, standard error and exit status must agree.
 *
 *   node packages/cli/scripts/equality.js [--only TEXT] [--jit off,on,always] [--lockstep N] [--no-native] [--roots DIR] [--guest DIR]
 *
 * --lockstep also compares compiled code with the interpreter every N instructions, wherever something is compiled; see
 * `vkernel run --help`. It takes several times as long, and what is wrong shows where it goes wrong.
 *
 * --roots is what tooling/roots.mjs makes (default scratch/roots), --guest what tooling/bench.mjs makes (default
 * scratch/bench/guest/rootfs); cases whose root is missing are left out, and a line says so. Differences are printed; the last line is
 * `N cases, N different, N left out`. Exit status 1 when one was different. Needs the built packages.
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { CASES } from "./equality-cases.js";
import { differences, runEverywhere } from "./equality-run.js";

const checkout = fileURLToPath(new URL("../../../", import.meta.url));

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    jit: { type: "string", default: "off,on,always" },
    lockstep: { type: "string" },
    "no-native": { type: "boolean", default: false },
    roots: { type: "string", default: path.join(checkout, "scratch/roots") },
    guest: { type: "string", default: path.join(checkout, "scratch/bench/guest/rootfs") },
  },
});
const roots = { debian: path.join(values.roots, "debian"), guest: values.guest };
const modes = values.jit
  .split(",")
  .map((jit) => ({ jit, lockstep: jit === "off" ? undefined : values.lockstep }));

let cases = 0;
let different = 0;
let leftOut = 0;
for (const [name, dir] of Object.entries(roots)) {
  if (!existsSync(path.join(dir, "bin")))
    process.stdout.write(`no root '${name}' at ${dir}: its cases are left out\n`);
}
for (const each of CASES.filter(({ name }) => name.includes(values.only))) {
  const root = roots[each.root];
  if (!existsSync(path.join(root, "bin"))) {
    leftOut++;
    continue;
  }
  cases++;
  const started = Date.now();
  const outcomes = runEverywhere(each.script, root, modes, !values["no-native"]);
  const found = differences(outcomes);
  if (found.length > 0) different++;
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stdout.write(
    `${found.length === 0 ? "same" : "DIFFERENT"}  ${each.name} (${outcomes.map(({ how }) => how).join(", ")}; ${seconds} s)\n`,
  );
  for (const line of found) process.stdout.write(`    ${line}\n`);
}
process.stdout.write(`${cases} cases, ${different} different, ${leftOut} left out\n`);
process.exit(different === 0 && cases > 0 ? 0 : 1);
