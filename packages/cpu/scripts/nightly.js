#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * The fuzzer for a night: a million random programs in every tier and on the processor at hand, in pieces that can be taken up again.
 *
 *   node packages/cpu/scripts/nightly.js [--seed N] [--count N] [--minutes N] [--state FILE] [--no-native]
 *
 * Runs the seeds N … N + count − 1 (1 and 1,000,000 unless given) until they are done or the minutes are over. With --state the
 * file remembers how far it came, which seeds were different and what was compared with the processor, and a later call with the same seed and count goes on there.
 * The smallest form of each different program is printed as it is found. The last line is `N of N programs, N different, N a second`.
 * Exit status: 0 all done without a difference, 1 some were different, 3 time was over before the end, 2 an error.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { FuzzJudge, tallyLine } from "./fuzz-judge.js";
import { openNative } from "./fuzz-native.js";

const USAGE = "usage: nightly.js [--seed N] [--count N] [--minutes N] [--state FILE] [--no-native]";
const BATCH = 500;
const MOST_SHOWN = 20;
const REPORT_MS = 60_000;

function parseArguments(args) {
  const options = { seed: 1, count: 1_000_000, minutes: Infinity, state: null, native: true };
  for (let i = 0; i < args.length; i++) {
    const name = args[i].replace(/^--/, "");
    if (args[i] === "--no-native") options.native = false;
    else if (args[i] === "--state" && i + 1 < args.length) options.state = args[++i];
    else if (["--seed", "--count", "--minutes"].includes(args[i]) && i + 1 < args.length) {
      const n = Number(args[++i]);
      if (!(n >= 0) || (name !== "minutes" && !Number.isSafeInteger(n))) throw new Error(`--${name}: '${args[i]}' is not a number\n${USAGE}`);
      options[name] = n;
    } else throw new Error(`unknown option ${args[i]}\n${USAGE}`);
  }
  return options;
}

/** How far it came: `{ seed, count, done, different }`. */
function readState({ state, seed, count }) {
  const fresh = { seed, count, done: 0, different: [], tally: {} };
  if (state === null || !existsSync(state)) return fresh;
  const known = JSON.parse(readFileSync(state, "utf8"));
  if (known.seed !== seed || known.count !== count)
    throw new Error(`${state}: is of --seed ${known.seed} --count ${known.count}; give these, or another file`);
  return known;
}
function writeState(file, state) {
  if (file === null) return;
  writeFileSync(`${file}.new`, `${JSON.stringify(state)}\n`);
  renameSync(`${file}.new`, file);
}

function main() {
  const options = parseArguments(process.argv.slice(2));
  const state = readState(options);
  const { native, why } = options.native ? openNative() : { native: null, why: "--no-native" };
  if (native === null) process.stdout.write(`tiers compared with each other only: ${why}\n`);
  const fuzz = new FuzzJudge(native);
  fuzz.tally = state.tally;
  const began = Date.now();
  const before = state.done;
  let reported = began;
  const line = () => {
    const rate = (state.done - before) / Math.max(0.001, (Date.now() - began) / 1000);
    return `${state.done} of ${state.count} programs, ${state.different.length} different, ${rate.toFixed(0)} a second\n`;
  };
  try {
    while (state.done < state.count && Date.now() - began < options.minutes * 60_000) {
      const n = Math.min(BATCH, state.count - state.done);
      for (const bad of fuzz.run(state.seed + state.done, n)) {
        if (state.different.push(bad.seed) <= MOST_SHOWN) process.stdout.write(fuzz.smallest(bad));
      }
      state.done += n;
      writeState(options.state, state);
      if (Date.now() - reported >= REPORT_MS) {
        reported = Date.now();
        process.stdout.write(line());
      }
    }
  } finally {
    native?.close();
  }
  process.stdout.write(tallyLine(state.tally));
  process.stdout.write(line());
  process.exitCode = state.different.length > 0 ? 1 : state.done < state.count ? 3 : 0;
}

try {
  main();
} catch (e) {
  process.stderr.write(`nightly: ${e instanceof Error ? e.message : String(e)}\n`);
  process.exitCode = 2;
}
