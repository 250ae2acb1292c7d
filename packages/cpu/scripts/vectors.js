#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Judge: runs instruction vector files in every tier and prints what differs.
 *
 *   node packages/cpu/scripts/vectors.js [--group NAME[,NAME…]] [--quiet] FILE…
 *
 * A line for each vector that fails, one for each group, then `N passed, N failed`. Exit status 1 when a vector failed, 2 for wrong
 * usage. What is not implemented counts as failed. Needs the built package (`npm run build`).
 */
import { VectorMachine, readVectors } from "./vector-judge.js";

const USAGE = "usage: vectors.js [--group NAME[,NAME...]] [--quiet] FILE...";

function parseArguments(args) {
  const files = [];
  let groups = null;
  let quiet = false;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === "--group" && i + 1 < args.length) groups = new Set(args[++i].split(","));
    else if (args[i] === "--quiet") quiet = true;
    else if (args[i] === "--help") {
      process.stdout.write(`${USAGE}\n`);
      process.exit(0);
    } else if (args[i].startsWith("-")) throw new Error(`unknown option ${args[i]}\n${USAGE}`);
    else files.push(args[i]);
  }
  if (files.length === 0) throw new Error(USAGE);
  return { files, groups, quiet };
}

/** Group of a vector: its id without the running number. */
function groupOf(v) {
  return v.id.replace(/[-:]?\d+$/, "");
}

function main() {
  const { files, groups, quiet } = parseArguments(process.argv.slice(2));
  const tiers = [
    ["interpreter", new VectorMachine({ jit: { threshold: Infinity } })],
    ["compiler", new VectorMachine({ jit: { threshold: 0 } })],
  ];
  const counts = new Map();
  let passed = 0;
  let failed = 0;
  for (const file of files) {
    for (const v of readVectors(file).vectors) {
      const group = groupOf(v);
      if (groups !== null && !groups.has(group)) continue;
      const count = counts.get(group) ?? { passed: 0, failed: 0 };
      counts.set(group, count);
      const faults = tiers.flatMap(([name, machine]) =>
        judge(machine, v).map((fault) => `${name}: ${fault}`),
      );
      if (faults.length === 0) {
        passed++;
        count.passed++;
        continue;
      }
      failed++;
      count.failed++;
      if (!quiet)
        process.stdout.write(`${v.id} ${v.n} [${v.asm}]\n${faults.map((f) => `    ${f}\n`).join("")}`);
    }
  }
  for (const [group, count] of counts) {
    process.stdout.write(
      `${group.padEnd(16)} ${String(count.passed).padStart(6)} passed ${String(count.failed).padStart(6)} failed\n`,
    );
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

/** A vector that makes the CPU throw has failed like any other. */
function judge(machine, v) {
  try {
    return machine.run(v);
  } catch (e) {
    return [`threw ${e instanceof Error ? e.message : String(e)}`];
  }
}

try {
  main();
} catch (e) {
  process.stderr.write(`vectors: ${e instanceof Error ? e.message : String(e)}\n`);
  process.exitCode = 2;
}
