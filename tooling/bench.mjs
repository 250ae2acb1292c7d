// `npm run bench`: the guest benchmarks of ../shared/bench in the vkernel and, where they can run, natively and
// under qemu-user, interleaved in one session, as ratios. See --help.
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { root } from "./pnpm.mjs";
import { build, install } from "./setup.mjs";

const usage = `usage: npm run bench -- [--suite boundary,cpu] [--only SUBSTRING] [--rounds N] [--ms N]
                      [--timeout SECONDS] [--json FILE] [--guest DIR]

Runs the static i386 programs of DIR (default: ../shared/bench/guest/bin) in the vkernel, natively where the
host runs i386 programs, and under qemu-i386 where it is installed. Every round visits each peer once; the
figures are medians over the rounds, the ratios are against native (or against qemu-user where native is missing).
`;

const { values: opt } = parseArgs({
  options: {
    suite: { type: "string", default: "boundary,cpu" },
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "3" },
    ms: { type: "string", default: "60" },
    timeout: { type: "string", default: "600" },
    json: { type: "string" },
    guest: { type: "string", default: path.join(root, "..", "shared", "bench", "guest", "bin") },
    help: { type: "boolean", default: false },
  },
});
if (opt.help) {
  process.stdout.write(usage);
  process.exit(0);
}
if (!existsSync(path.join(opt.guest, "boundary"))) {
  process.stderr.write(`bench: ${opt.guest}: no guest programs there (give their folder with --guest)\n`);
  process.exit(1);
}

const vkernel = path.join(root, "packages", "cli", "bin", "vkernel.js");
const candidates = [
  { name: "native", wrap: (program, args) => [path.join(opt.guest, program), args], skip: [] },
  // Children of a qemu-user process would run natively, so its exec row would measure the wrong thing.
  {
    name: "qemu-user",
    wrap: (program, args) => ["qemu-i386", [path.join(opt.guest, program), ...args]],
    skip: ["boundary.fork_exec_wait"],
  },
  {
    name: "vkernel",
    wrap: (program, args) => [process.execPath, [vkernel, "run", "--root", opt.guest, "--", `/${program}`, ...args]],
    skip: [],
  },
];

function run(peer, program, args) {
  const [command, argv] = peer.wrap(program, args);
  return spawnSync(command, argv, {
    encoding: "utf8",
    timeout: Number(opt.timeout) * 1000,
    maxBuffer: 1 << 26,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

install();
build();
const peers = candidates.filter((peer) => {
  const probe = run(peer, "tiny", []);
  const ok = probe.error === undefined && probe.signal === null && (probe.status ?? 126) < 126;
  if (!ok) process.stderr.write(`bench: ${peer.name}: not available, left out\n`);
  return ok;
});

/** name -> peer -> figures of all rounds; checksums must agree between the peers. */
const rows = new Map();
const sums = new Map();
const notes = [];
for (let round = 1; round <= Number(opt.rounds); round++) {
  for (const program of opt.suite.split(",")) {
    for (const peer of peers) {
      process.stderr.write(`bench: round ${round}, ${program}, ${peer.name} …\n`);
      const args = ["-r", "3", "-m", opt.ms, ...(opt.only === "" ? [] : ["-o", opt.only])];
      const result = run(peer, program, args);
      if (result.status !== 0) {
        notes.push(`${peer.name} ${program}: ended with ${result.signal ?? `status ${result.status}`}`);
      }
      for (const line of result.stdout.split("\n")) {
        const [kind, name, ...rest] = line.split(" ");
        if (kind === "R" && !peer.skip.includes(name)) {
          const row = rows.get(name) ?? new Map();
          rows.set(name, row);
          row.set(peer.name, [...(row.get(peer.name) ?? []), Number(rest[1])]);
        } else if (kind === "C") {
          const before = sums.get(name);
          if (before !== undefined && before !== rest[0]) notes.push(`${peer.name} ${name}: checksum ${rest[0]}, not ${before}`);
          sums.set(name, before ?? rest[0]);
        } else if (kind === "F") notes.push(`${peer.name} ${name}: ${rest.join(" ")}`);
      }
    }
  }
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const base = peers[0].name;
const others = peers.slice(1).map((peer) => peer.name);
const geo = new Map();
const pad = (text, width) => String(text).padStart(width);
process.stdout.write(`${"row".padEnd(34)}${peers.map((p) => pad(`${p.name} ns`, 16)).join("")}`);
process.stdout.write(`${others.map((name) => pad(`${name}/${base}`, 20)).join("")}\n`);
const table = {};
for (const [name, row] of rows) {
  const figure = new Map([...row].map(([peer, list]) => [peer, median(list)]));
  table[name] = Object.fromEntries(figure);
  const cells = peers.map((p) => pad(figure.has(p.name) ? figure.get(p.name).toFixed(1) : "-", 16));
  const ratios = others.map((peer) => {
    if (!figure.has(peer) || !figure.has(base)) return pad("-", 20);
    const ratio = figure.get(peer) / figure.get(base);
    geo.set(peer, [...(geo.get(peer) ?? []), Math.log(ratio)]);
    return pad(`${ratio.toFixed(2)} x`, 20);
  });
  process.stdout.write(`${name.padEnd(34)}${cells.join("")}${ratios.join("")}\n`);
}
for (const [peer, logs] of geo) {
  const mean = Math.exp(logs.reduce((a, b) => a + b, 0) / logs.length);
  process.stdout.write(`geometric mean of ${logs.length} rows, ${peer} against ${base}: ${mean.toFixed(2)} x\n`);
}
for (const note of new Set(notes)) process.stdout.write(`note: ${note}\n`);
if (opt.json !== undefined) writeFileSync(opt.json, `${JSON.stringify({ base, table, notes }, null, 2)}\n`);
