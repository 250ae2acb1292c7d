#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Guest instructions per microsecond on compute-bound static i386 ELFs.
 *
 *   node packages/cpu/bench/mips.js [--repeat N] ELF…
 *
 * Prints for each: instructions, main-thread CPU milliseconds (median of the repetitions), MIPS, and what it printed. Needs
 * the built package.
 */
import { basename } from "node:path";
import { ElfMachine } from "./elf-machine.js";

const args = process.argv.slice(2);
const repeat = args[0] === "--repeat" ? Number(args.splice(0, 2)[1]) : 3;
if (args.length === 0 || !(repeat > 0)) {
  process.stderr.write("usage: mips.js [--repeat N] ELF...\n");
  process.exit(2);
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
for (const file of args) {
  const times = [];
  let machine;
  for (let i = 0; i < repeat; i++) {
    machine = new ElfMachine(file);
    const before = process.cpuUsage();
    const wall = process.hrtime.bigint();
    machine.run();
    times.push({ wall: Number(process.hrtime.bigint() - wall) / 1e6, cpu: process.cpuUsage(before) }.wall);
  }
  const ms = median(times);
  const million = machine.cpu.retired / 1e6;
  process.stdout.write(
    `${basename(file).padEnd(10)} ${million.toFixed(1).padStart(8)} M instructions ${ms.toFixed(0).padStart(7)} ms ${(million / ms * 1000).toFixed(0).padStart(6)} MIPS  ${machine.output.trim()}\n`,
  );
}
