#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * Soak: one vkernel under load for long, and what it holds meanwhile.
 *
 *   node packages/cli/scripts/soak.js short [--processes 10000] [--roots DIR] [options]
 *   node packages/cli/scripts/soak.js mixed [--minutes 60] [--guest DIR] [--image FILE] [options]
 *     --image FILE   on a HAMMER image, made first from Debian's packages (see programs.js; in scratch/programs/soak) and
 *                    /bench/inputs of --guest, with redis servers; must not exist; stays for a look
 *     --seed N       order of the steps (default 1)
 *     --jit off      without compiler: what grows then is the kernel's or the interpreter's
 *     --memory MIB   memory of the machine (default 512, mixed 1024)
 *     --every SEC    time between two samples (default 5)
 *     --log FILE     every sample as a line of JSON
 *
 * Roots: see equality.js. Prints samples while it runs, then verdicts:
 *   - every step of the load ended as it must;
 *   - host memory at most the machine's memory + 256 MiB (R9);
 *   - after warm-up (the first third) the JavaScript heap, collected before each sample, grows by less than 5 % (R22): its peak in the
 *     second half of the time is compared with that in the first; descriptors of the host and address spaces do not grow;
 *   - no process but the load's own shells and servers lives for longer than ten minutes, none is left at the end;
 *   - at the end every guest page is free and no address space is left, and `hammer checkmap` finds the image whole.
 * Exit status 1 when one does not hold. Needs the built packages.
 */
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { NodePlatform } from "@vkernel/hostkernel/node";
import { FileDevice } from "@vkernel/hammer/node";
import { bootKernel, devFs, hammerFs, hostFs, overlayFs, procFs } from "@vkernel/vkernel";
import { imageIsSound, makeImage, prepareRoot } from "./programs-root.js";
import { mixed, shortProcesses } from "./soak-loads.js";

const checkout = fileURLToPath(new URL("../../../", import.meta.url));
const MIB = 1 << 20;
const SPARE_MIB = 256;
/** No step takes so long on the slowest host, seconds. */
const STUCK_SECONDS = 600;
/** What the mixed load runs on an image. */
const PACKAGES = {
  packages: ["dash", "coreutils", "busybox", "make", "gcc-12", "libc6-dev", "tcc", "python3", "lua5.4", "sqlite3", "redis-server", "redis-tools"],
  npm: ["@esbuild/linux-ia32"],
};

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
    image: { type: "string" },
  },
});
const [load] = positionals;
if (load !== "short" && load !== "mixed") {
  process.stderr.write(
    "usage: soak.js short|mixed [--seed N] [--jit on|off] [--processes N] [--minutes N] [--memory MIB] [--every SEC] [--log FILE] [--roots DIR] [--guest DIR] [--image FILE]\n",
  );
  process.exit(2);
}
if (values.image !== undefined && (load !== "mixed" || existsSync(values.image))) {
  process.stderr.write(`soak.js: --image ${values.image}: ${load === "mixed" ? "the file exists already" : "goes with 'mixed'"}\n`);
  process.exit(2);
}
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

const memoryMib = Number(values.memory ?? (load === "mixed" ? 1024 : 512));
const root = load === "mixed" ? values.guest : path.join(values.roots, "debian");
const script =
  load === "mixed"
    ? mixed(Number(values.seed), Number(values.minutes) * 60, values.image !== undefined)
    : shortProcesses(Number(values.seed), Number(values.processes));

/** The image of --image as a root. */
function imageRoot(file) {
  const say = (text) => process.stdout.write(`soak: ${text}\n`);
  const dir = path.join(checkout, "scratch/programs/soak");
  const packages = prepareRoot(dir, PACKAGES, say);
  const inputs = path.join(packages, "bench/inputs");
  if (!existsSync(inputs)) cpSync(path.join(values.guest, "bench/inputs"), inputs, { recursive: true });
  mkdirSync(path.join(packages, "bench/tmp"), { recursive: true });
  makeImage(file, packages, "32g", say);
  return hammerFs(file, [new FileDevice(file, { readOnly: false })]);
}

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
  root: values.image === undefined ? overlayFs(root) : imageRoot(values.image),
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
/** DragonFly's P_SYSTEM: kernel threads live for ever. */
const P_SYSTEM = 0x10000;
const programs = () => [...vk.kernel.procs.values()].filter((p) => (p.flags & P_SYSTEM) === 0);
const first = programs()[0].pid;
/** When processes were first seen, by pid. */
const seen = new Map();
const stuck = new Map();

/** Notes the processes that live for too long; children of the first process are the load's own. */
function findStuck(now) {
  for (const pid of seen.keys()) if (!vk.kernel.procs.has(pid)) seen.delete(pid);
  for (const p of programs()) {
    if (!seen.has(p.pid)) seen.set(p.pid, now);
    if (now - seen.get(p.pid) < STUCK_SECONDS * 1000 || p.pid === first || p.parent?.pid === first || stuck.has(p.pid)) continue;
    const threads = [...p.lwps.values()].map((lp) => `${lp.state} ${lp.wmesg} call ${lp.sysnr}`);
    stuck.set(p.pid, `process ${p.pid} ${p.comm}, child of ${p.parent?.pid}, state ${p.stat}: ${threads.join(", ")}`);
    process.stdout.write(`stuck: ${stuck.get(p.pid)}\n`);
  }
}
if (values.log !== undefined) writeFileSync(values.log, "");

/** Part of the instructions since the sample before that were interpreted. */
function interpretedPart(instructions, retired) {
  const before = samples.at(-1) ?? { instructions: 0, retired: 0 };
  return instructions === before.instructions ? 0 : 1 - (retired - before.retired) / (instructions - before.instructions);
}

function sample() {
  collect();
  findStuck(Date.now());
  const { rss, heapUsed, external } = process.memoryUsage();
  const { forks, execs, instructions, host } = vk.stats();
  const { jit } = host;
  const now = {
    seconds: Math.round((Date.now() - started) / 1000),
    forks,
    execs,
    instructions,
    retired: jit.regionRetired,
    interpreted: interpretedPart(instructions, jit.regionRetired),
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
      `${(100 * now.interpreted).toFixed(1)} % interpreted; ${now.freePages} pages free, ${now.processes} processes, ${now.files} host files\n`,
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
verdict(stuck.size === 0, `${stuck.size} processes lived for more than ${STUCK_SECONDS} s`);
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
  // Peaks, because garbage, buffers and compiled code come and go in waves, up to bounds of their own.
  const halves = [warm.slice(0, warm.length >> 1), warm.slice(warm.length >> 1)];
  const peaks = (key) => halves.map((list) => Math.max(...list.map((one) => one[key])));
  const [early, late] = peaks("heap");
  verdict(late < early * 1.05, `JavaScript heap at most ${early.toFixed(1)} MiB after warm-up, ${late.toFixed(1)} MiB at the end`);
  for (const key of ["files", "spaces"]) {
    const [before, after] = peaks(key);
    verdict(after <= before + 2, `${key}: at most ${before} after warm-up, ${after} at the end`);
  }
} else verdict(false, `only ${samples.length} samples: too short to tell growth (see --every)`);
verdict(
  vk.kernel.vm.freePages() === vk.kernel.vm.totalPages,
  `${vk.kernel.vm.freePages()} of ${vk.kernel.vm.totalPages} guest pages free at the end`,
);
verdict(vk.machine.host.spaceCount === 0, `${vk.machine.host.spaceCount} address spaces at the end`);
if (values.image !== undefined) {
  const trouble = imageIsSound(values.image);
  verdict(trouble === null, `the image ${trouble ?? `checks clean, ${Math.round((statSync(values.image).blocks * 512) / MIB)} MiB of it in use`}`);
}
process.exit(failures.length === 0 ? 0 : 1);
