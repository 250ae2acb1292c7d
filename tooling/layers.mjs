// Checks the walls of tooling/layers.cjs, and that the checker still sees and bites: it must have read every
// source file, and a deliberate wrong import must be reported. Prints each violation; exits 1 on any.
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { cruise } from "dependency-cruiser";
import extractTSConfig from "dependency-cruiser/config-utl/extract-ts-config";
import { root } from "./pnpm.mjs";

process.chdir(root);
const config = createRequire(import.meta.url)("./layers.cjs");
const tsConfig = extractTSConfig(config.options.tsConfig.fileName);

async function check(paths) {
  const options = { ...config.options, ruleSet: { forbidden: config.forbidden }, validate: true };
  const { output } = await cruise(paths, options, undefined, { tsConfig });
  return output;
}

function sources(dir, out = []) {
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const full = `${dir}/${entry.name}`;
    if (entry.isDirectory()) sources(full, out);
    else if (entry.name.endsWith(".ts")) out.push(full);
  }
  return out;
}

const problems = [];
const folders = readdirSync("packages").map((name) => `packages/${name}/src`);
const files = folders.flatMap((folder) => sources(folder));
const result = await check(folders);
const seen = new Set(result.modules.map((module) => module.source));
const unseen = files.filter((file) => !seen.has(file));
if (unseen.length > 0) problems.push(`the checker read only part of the sources; it missed ${unseen.join(", ")}`);
for (const violation of result.summary.violations) {
  const via = violation.cycle ? violation.cycle.map((step) => step.name).join(" -> ") : violation.to;
  problems.push(`${violation.rule.name}: ${violation.from} -> ${via}`);
}

// A wall that lets a wrong import through is no wall: prove one of each kind in a scratch file.
const probes = [
  ["packages/mmu/src", 'export * from "../../cpu/src/index.ts";', "mmu-imports-down-only"],
  ["packages/cpu/src", 'import fs from "node:fs"; export default fs;', "node-only-at-the-edge"],
  ["packages/vkernel/src/kern", 'export * from "../../../hammer/src/error.ts";', "hammer-through-its-entry"],
];
for (const [folder, text, rule] of probes) {
  const scratch = `${folder}/layer-probe-${process.pid}.ts`;
  mkdirSync(path.dirname(scratch), { recursive: true });
  writeFileSync(scratch, `${text}\n`);
  try {
    const probe = await check([scratch]);
    if (!probe.summary.violations.some((violation) => violation.rule.name === rule)) {
      problems.push(`a deliberate wrong import in ${folder} was not reported by rule ${rule}`);
    }
  } finally {
    rmSync(scratch);
  }
}

for (const problem of problems) process.stdout.write(`layers: ${problem}\n`);
process.stdout.write(`layers: ${files.length} files, ${problems.length} problems\n`);
process.exit(problems.length === 0 ? 0 : 1);
