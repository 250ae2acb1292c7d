#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Differential fuzzer: random programs on the processor at hand and in every tier.
 *
 *   node packages/cpu/scripts/fuzz.js [--seed N] [--no-native] [COUNT]
 *
 * COUNT programs (10,000 unless given), the seeds N, N+1, …. Programs that end differently are made smaller and printed; the last
 * lines tell how many were compared with the processor and why others were not, and `N programs, N different`. Exit status 1 when
 * one was different. Where native programs cannot run, the tiers are compared with each other only, and a line says so. Needs the
 * built package. nightly.js runs a million.
 */
import { FuzzJudge, tallyLine } from "./fuzz-judge.js";
import { openNative } from "./fuzz-native.js";

const USAGE = "usage: fuzz.js [--seed N] [--no-native] [COUNT]";
const BATCH = 500;
const MOST_SHOWN = 20;

function number(text) {
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n < 0) throw new Error(`'${text}' is not a number\n${USAGE}`);
  return n;
}
function parseArguments(args) {
  const options = { seed: 1, count: 10_000, native: true };
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--seed" && i + 1 < args.length) options.seed = number(args[++i]);
    else if (args[i] === "--no-native") options.native = false;
    else if (args[i].startsWith("-")) throw new Error(`unknown option ${args[i]}\n${USAGE}`);
    else options.count = number(args[i]);
  }
  return options;
}

function main() {
  const options = parseArguments(process.argv.slice(2));
  const { native, why } = options.native ? openNative() : { native: null, why: "--no-native" };
  if (native === null) process.stdout.write(`tiers compared with each other only: ${why}\n`);
  let different = 0;
  try {
    const fuzz = new FuzzJudge(native);
    for (let done = 0; done < options.count; done += BATCH) {
      for (const bad of fuzz.run(options.seed + done, Math.min(BATCH, options.count - done))) {
        if (++different <= MOST_SHOWN) process.stdout.write(fuzz.smallest(bad));
      }
    }
    process.stdout.write(tallyLine(fuzz.tally));
  } finally {
    native?.close();
  }
  process.stdout.write(`${options.count} programs, ${different} different\n`);
  process.exitCode = different === 0 ? 0 : 1;
}

try {
  main();
} catch (e) {
  process.stderr.write(`fuzz: ${e instanceof Error ? e.message : String(e)}\n`);
  process.exitCode = 2;
}
