#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Soak: one vkernel under load for long, and what it holds meanwhile.
 *
 *   node packages/cli/scripts/soak.js short [--processes 10000] [--roots DIR] [options]
 *   node packages/cli/scripts/soak.js mixed [--minutes 60] [--guest DIR] [options]
 *     --seed N       order of the steps (default 1)
 *     --jit off      without compiler: what grows then is the kernel's or the interpreter's
 *     --memory MIB   memory of the machine (default 512, mixed 1024)
 *     --every SEC    time between two samples (default 5)
 *     --log FILE     every sample as a line of JSON
 *
 * Roots: see equality.js. Prints samples while it runs, then verdicts:
 *   - every step of the load ended as it must;
 *   - host memory at most the machine's memory + 256 MiB (R9);
 *   - after warm-up (the first third) the JavaScript heap, collected before each sample and without what live regions of the compiler
 *     hold, grows by less than 5 % (R22); descriptors of the host and address spaces do not grow;
 *   - at the end every guest page is free and no address space is left.
 * Exit status 1 when one does not hold. Needs the built packages.
 */
import { appendFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { bootKernel, devFs, hostFs, overlayFs, procFs } from "@vkernel/vkernel";
import { mixed, shortProcesses } from "./soak-loads.js";

const checkout = fileURLToPath(new URL("../../../", import.meta.url));
const MIB = 1 << 20;
const SPARE_MIB = 256;
/** What one live region of the compiler holds on the JavaScript heap at most, bytes, measured; their number is bounded (docs/performance.md). */
const REGION_HEAP = 20 << 10;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    processes: { type: "string", default: "10000" },
    minutes: { type: "string", default: "60" },
    seed: { type: "string", default: "1" },
    jit: { type: "string", default: "on" },
    memory: { type: "string" },
    every: { type: "string", default: "5" },
    log: { type: "string" },
    roots: { type: "string", default: path.join(checkout, "scratch/roots") },
    guest: { type: "string", default: path.join(checkout, "scratch/bench/guest/rootfs") },
  },
});
const [load] = positionals;
if (load !== "short" && load !== "mixed") {
  process.stderr.write(
    "usage: soak.js short|mixed [--seed N] [--jit on|off] [--processes N] [--minutes N] [--memory MIB] [--every SEC] [--log FILE] [--roots DIR] [--guest DIR]\n",
  );
  process.exit(2);
}
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

const memoryMib = Number(values.memory ?? (load === "mixed" ? 1024 : 512));
const root = load === "mixed" ? values.guest : path.join(values.roots, "debian");
const script =
  load === "mixed"
    ? mixed(Number(values.seed), Number(values.minutes) * 60)
    : shortProcesses(Number(values.seed), Number(values.processes));

/** Bytes of machine code in memory: resident anonymous executable mappings. 0 where /proc does not tell. */
function machineCode() {
  let executable = false;
  let sum = 0;
  try {
    for (const line of readFileSync("/proc/self/smaps", "latin1").split("\n")) {
      const mapping = /^[0-9a-f]+-[0-9a-f]+ (\S{4}) \S+ \S+ (\d+)/.exec(line);
      if (mapping !== null) executable = mapping[1].includes("x") && mapping[2] === "0";
      else if (executable && line.startsWith("Rss:")) sum += Number(/\d+/.exec(line)[0]) * 1024;
    }
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
  return sum;
}

const openFiles = () => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);

const vk = await bootKernel({
  platform: new NodePlatform(),
  ramBytes: memoryMib * MIB,
  ...(values.jit === "off" ? { jit: { threshold: Infinity } } : {}),
  root: overlayFs(root),
  mounts: [
    { on: "/dev", create: true, optional: true, mount: devFs() },
    { on: "/proc", create: true, optional: true, mount: procFs() },
    ...(load === "short"
      ? [{ on: "/bb", create: true, mount: hostFs(path.join(values.roots, "busybox"), true) }]
      : []),
  ],
  warn: (line) => process.stdout.write(`kernel: ${line}\n`),
  first: {
    path: "/bin/sh",
    argv: ["sh", "-c", script],
    env: ["PATH=/usr/bin:/bin", "HOME=/root"],
    cwd: "/",
    stdio: "streams",
  },
});

const started = Date.now();
const samples = [];
if (values.log !== undefined) writeFileSync(values.log, "");

function sample() {
  collect();
  const { rss, heapUsed, external } = process.memoryUsage();
  const { forks, execs, instructions, host } = vk.stats();
  const { jit } = host;
  const now = {
    seconds: Math.round((Date.now() - started) / 1000),
    forks,
    execs,
    instructions,
    rss: rss / MIB,
    heap: heapUsed / MIB,
    external: external / MIB,
    machineCode: machineCode() / MIB,
    jitBytes: jit.liveBytes / MIB,
    liveRegions: jit.liveRegions,
    regions: jit.regions,
    modules: jit.modules,
    liveModules: jit.liveModules ?? null,
    freePages: vk.kernel.vm.freePages(),
    touched: (vk.kernel.vm.pages.touchedCount * 4096) / MIB,
    processes: vk.kernel.procs.size,
    spaces: vk.machine.host.spaceCount,
    files: openFiles(),
  };
  samples.push(now);
  if (values.log !== undefined) appendFileSync(values.log, `${JSON.stringify(now)}\n`);
  process.stdout.write(
    `${now.seconds} s: ${forks} forks, ${execs} execs; MiB: rss ${now.rss.toFixed(0)}, heap ${now.heap.toFixed(1)}, external ${now.external.toFixed(0)}, ` +
      `machine code ${now.machineCode.toFixed(0)}, wasm ${now.jitBytes.toFixed(1)}; ${now.liveRegions} of ${now.regions} regions live, ${now.modules} modules; ` +
      `${now.freePages} pages free, ${now.processes} processes, ${now.files} host files\n`,
  );
}

const timer = setInterval(sample, Number(values.every) * 1000);
const result = await vk.run();
clearInterval(timer);
sample();

const failures = [];
function verdict(holds, text) {
  process.stdout.write(`${holds ? "ok  " : "FAIL"} ${text}\n`);
  if (!holds) failures.push(text);
}
const end = samples.at(-1);
// the last sample is after the end, when little is held
const warm = samples.slice(Math.ceil(samples.length / 3), -1);
verdict(
  result.signal === 0 && result.status === 0,
  `the load ended with status ${result.status}${result.signal === 0 ? "" : `, ${result.signalText}`}; ${end.forks} forks, ${end.execs} execs`,
);
const peak = Math.max(...samples.map(({ rss }) => rss));
verdict(
  peak <= memoryMib + SPARE_MIB,
  `host memory at most ${peak.toFixed(0)} MiB, allowed ${memoryMib} + ${SPARE_MIB}`,
);
if (warm.length >= 6) {
  const third = Math.floor(warm.length / 3);
  // The floor, because garbage and compiled code come and go in waves; regions have their own bound.
  const rest = (one) => one.heap - (one.liveRegions * REGION_HEAP) / MIB;
  const floor = (list) => list.reduce((least, one) => (rest(one) < rest(least) ? one : least));
  const tell = (one) =>
    `${rest(one).toFixed(1)} MiB (${one.heap.toFixed(1)} with ${one.liveRegions} regions)`;
  const early = floor(warm.slice(0, third));
  const late = floor(warm.slice(-third));
  verdict(
    rest(late) < rest(early) * 1.05,
    `JavaScript heap without regions ${tell(early)} after warm-up, ${tell(late)} at the end`,
  );
  for (const key of ["files", "spaces"]) {
    const before = Math.max(...warm.slice(0, third).map((one) => one[key]));
    const after = Math.max(...warm.slice(-third).map((one) => one[key]));
    verdict(after <= before + 2, `${key}: at most ${before} after warm-up, ${after} at the end`);
  }
} else verdict(false, `only ${samples.length} samples: too short to tell growth (see --every)`);
verdict(
  vk.kernel.vm.freePages() === vk.kernel.vm.totalPages,
  `${vk.kernel.vm.freePages()} of ${vk.kernel.vm.totalPages} guest pages free at the end`,
);
verdict(vk.machine.host.spaceCount === 0, `${vk.machine.host.spaceCount} address spaces at the end`);
process.exit(failures.length === 0 ? 0 : 1);
