#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Guest instructions per microsecond on compute-bound static i386 ELFs.
 *
 *   node packages/cpu/bench/mips.js [--interpret] [--repeat N] ELF…
 *
 * Prints for each: instructions, milliseconds (median of the repetitions), MIPS, and what the program printed. The time is the main
 * thread's CPU time where the system tells it (Linux), so that other load on the machine does not matter, else wall time.
 * Needs the built package.
 */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { ElfMachine } from "./elf-machine.js";

const args = process.argv.slice(2);
const interpretOnly = args[0] === "--interpret" && args.shift() !== undefined;
const repeat = args[0] === "--repeat" ? Number(args.splice(0, 2)[1]) : 3;
if (args.length === 0 || !(repeat > 0)) {
  process.stderr.write("usage: mips.js [--interpret] [--repeat N] ELF...\n");
  process.exit(2);
}

/** Milliseconds of CPU time of the main thread, or of wall time. */
function now() {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1").split(" ")[0]) / 1e6;
  } catch {
    return performance.now();
  }
}

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
for (const file of args) {
  const times = [];
  let machine;
  for (let i = 0; i < repeat; i++) {
    machine = new ElfMachine(file, { cpu: interpretOnly ? { jit: { threshold: Infinity } } : {} });
    const start = now();
    machine.run();
    times.push(now() - start);
  }
  const ms = median(times);
  const million = machine.cpu.retired / 1e6;
  process.stdout.write(
    `${basename(file).padEnd(10)} ${million.toFixed(1).padStart(8)} M instructions ${ms.toFixed(0).padStart(7)} ms ${((million / ms) * 1000).toFixed(0).padStart(6)} MIPS  ${machine.output.trim()}\n`,
  );
}
