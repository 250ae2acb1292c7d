#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * The long campaigns: power cuts (of syncs, of fsyncs, of recovery, of replays of REDO, of mirroring, where the FIFO wraps),
 * damaged structures, random operations against a model, with everything that maintenance does.
 *
 *   node scripts/nightly.js [--cuts N] [--structures N] [--operations N] [--seed S] [--minutes M] [--state FILE] [--only NAME,…]
 *
 * Runs until N of each were tried (by default 100,000 power cuts, 1,000,000 damaged structures, 100,000 operations), seed by
 * seed from S (default 1) on, prints progress, and ends at the first failure naming the campaign and its seed, which repeats it:
 * `--only NAME --seed S`. With --state it notes where it is in a file and goes on from there the next time; with --minutes it
 * stops after so long. Exit status: 0 if everything wanted was tried, 1 on failure, 3 if time ran out, 2 for wrong use.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const USAGE = "usage: nightly.js [--cuts N] [--structures N] [--operations N] [--seed S] [--minutes M] [--state FILE] [--only NAME,…]\n";

function wrongUse(why) {
  process.stderr.write(`nightly.js: ${why}\n${USAGE}`);
  process.exit(2);
}

function options() {
  const text = { type: "string" };
  try {
    const { values } = parseArgs({ options: { cuts: text, structures: text, operations: text, seed: text, minutes: text, state: text, only: text } });
    const number = (name, standard) => {
      const v = values[name] ?? standard;
      if (!/^\d+(\.\d+)?$/.test(v)) wrongUse(`--${name} takes a number`);
      return Number(v);
    };
    return {
      wanted: { cuts: number("cuts", "100000"), structures: number("structures", "1000000"), operations: number("operations", "100000") },
      seed: number("seed", "1"), minutes: number("minutes", "1000000000"), state: values.state, only: values.only?.split(","),
    };
  } catch (e) {
    return wrongUse(e.message);
  }
}

/** Makes one module of the campaigns: without the test runner's loader their code is several times faster. */
async function load(folder) {
  const here = fileURLToPath(new URL("../", import.meta.url));
  const { status, stderr } = spawnSync("npx", ["tsdown", "test/campaign/main.ts", "--no-config", "--no-dts", "--format", "esm", "--out-dir", folder, "--logLevel", "error"],
    { cwd: here, encoding: "utf8" });
  const bundle = ["main.js", "main.mjs"].map((name) => path.join(folder, name)).find(existsSync);
  if (status !== 0 || bundle === undefined) throw new Error(`the campaigns cannot be bundled: ${stderr}`);
  return (await import(pathToFileURL(bundle))).CAMPAIGNS;
}

/** How often each campaign gets its turn: the cheap ones more often. */
const TURNS = { cuts: 2, recovery: 2, fsync: 2, wrap: 1, replay: 1, mirror: 1, damage: 100, model: 1, upkeep: 1 };

const { wanted, seed, minutes, state, only } = options();
const folder = mkdtempSync(path.join(os.tmpdir(), "hammer-nightly-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const campaigns = await load(folder);
for (const name of only ?? []) if (!(name in campaigns)) wrongUse(`there is no campaign "${name}"; there are ${Object.keys(campaigns).join(", ")}`);
const names = Object.keys(campaigns).filter((name) => only?.includes(name) ?? true);

const progress = state !== undefined && existsSync(state) ? JSON.parse(readFileSync(state, "utf8")) : { next: {}, tried: {} };
const note = () => {
  if (state === undefined) return;
  writeFileSync(`${state}.new`, JSON.stringify(progress));
  renameSync(`${state}.new`, state);
};
const tried = (unit) => names.reduce((sum, name) => sum + (campaigns[name].unit === unit ? progress.tried[name] ?? 0 : 0), 0);
const summary = () => names.map((name) => `${name} ${progress.tried[name] ?? 0} ${campaigns[name].unit} to seed ${(progress.next[name] ?? seed) - 1}`).join("; ");

const end = performance.now() + minutes * 60_000;
let said = performance.now();
for (;;) {
  const left = names.filter((name) => tried(campaigns[name].unit) < wanted[campaigns[name].unit]);
  if (left.length === 0) break;
  for (const name of left) {
    for (let turn = 0; turn < TURNS[name]; turn++) {
      if (performance.now() > end) {
        console.log(`time is up: ${summary()}`);
        process.exit(3);
      }
      const s = progress.next[name] ?? seed;
      try {
        progress.tried[name] = (progress.tried[name] ?? 0) + campaigns[name].run(s);
      } catch (error) {
        console.error(`failed: --only ${name} --seed ${s}`);
        console.error(error);
        process.exit(1);
      }
      progress.next[name] = s + 1;
      note();
    }
    if (performance.now() - said < 30_000) continue;
    said = performance.now();
    console.log(summary());
  }
}
console.log(`done: ${summary()}`);
