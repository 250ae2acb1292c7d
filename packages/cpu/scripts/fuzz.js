#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Differential fuzzer: random programs on the processor at hand and in every tier.
 *
 *   node packages/cpu/scripts/fuzz.js [--seed N] [--no-native] [COUNT]
 *
 * COUNT programs (10,000 unless given; 1,000,000 a night), the seeds N, N+1, …. Programs that end differently are made smaller and
 * printed; the last line is `N programs, N different`. Exit status 1 when one was different. Where native programs cannot run, the
 * tiers are compared with each other only, and a line says so. Needs the built package.
 */
import { disassemble } from "@vkernel/cpu";
import { FuzzMachine, TIERS, differences } from "./fuzz-machine.js";
import { openNative } from "./fuzz-native.js";
import { assemble, makeCase, shrink } from "./fuzz-program.js";

const USAGE = "usage: fuzz.js [--seed N] [--no-native] [COUNT]";
const BATCH = 500;
const MOST_SHOWN = 20;
/** Where the capture program itself lives: an access there faults in the tiers only. */
const OWN = [
  [0x0804_0000, 0x0a00_0000],
  [0xf000_0000, 0x1_0000_0000],
];

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

function touchesOwn(end) {
  return end.vector === 14 && OWN.some(([from, to]) => end.cr2 >= from && end.cr2 < to);
}

/**
 * Whether processors may differ in an end: PUSHA and ENTER write before or after they find that they cannot write everything,
 * and random data executed as code holds far returns and their kind, whose checks come in any order. SDM leaves both open.
 */
function isExcused(end, machine) {
  const window = end.eip & 0xf7ff_e000;
  if (window >>> 0 !== 0x1000_0000) return true;
  const opcode = machine.memory.u8[machine.base + (end.eip & 0x1fff)];
  return end.vector === 14 && (opcode === 0x60 || opcode === 0xc8);
}

/** What is different between the reference and each tier. */
function judge(test, machines, native) {
  const faults = [];
  const first = machines[0].run(test);
  // Endless for our patience; the processor may have more of it.
  if (first === null) return faults;
  const ends = [first, ...machines.slice(1).map((m) => m.run(test))];
  const reference = native === undefined || touchesOwn(first) || isExcused(first, machines[0]) ? ends[0] : native;
  const name = reference === ends[0] ? TIERS[0].name : "native";
  TIERS.forEach((tier, i) => {
    const different = differences(reference, ends[i]);
    if (different.length > 0) faults.push(`${name} / ${tier.name}: ${different.join(", ")}`);
  });
  return faults;
}

function print(test, faults) {
  const { seed, ip, gpr, flags } = test;
  const hex = (n) => n.toString(16);
  const lines = [`seed ${seed}: ip ${hex(ip)} flags ${hex(flags)} registers ${gpr.map(hex).join(" ")}`];
  const code = assemble(test);
  for (let at = 0; at < code.length; ) {
    const { length, text } = disassemble(code.subarray(at), ip + at);
    lines.push(`    ${hex(ip + at)}  ${Buffer.from(code.subarray(at, at + length)).toString("hex").padEnd(22)} ${text}`);
    at += length;
  }
  lines.push(...faults.map((f) => `  ${f}`));
  process.stdout.write(`${lines.join("\n")}\n`);
}

function main() {
  const options = parseArguments(process.argv.slice(2));
  const opened = options.native ? openNative() : { native: null, why: "--no-native" };
  const { native } = opened;
  if (native === null) process.stdout.write(`no native processor (${opened.why}): the tiers are compared with each other only\n`);
  const machines = TIERS.map((tier) => new FuzzMachine(tier));
  const run = (test) => judge(test, machines, native?.run([test])[0]);
  let different = 0;
  try {
    for (let done = 0; done < options.count; done += BATCH) {
      const n = Math.min(BATCH, options.count - done);
      const tests = Array.from({ length: n }, (_, i) => makeCase(options.seed + done + i));
      const ends = native?.run(tests);
      tests.forEach((test, i) => {
        if (judge(test, machines, ends?.[i]).length === 0) return;
        if (++different > MOST_SHOWN) return;
        const small = shrink(test, (smaller) => run(smaller).length > 0);
        print(small, run(small));
      });
    }
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
