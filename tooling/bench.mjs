// `npm run bench`: the guest benchmarks of ../shared/bench and real Debian programs, in the vkernel and in its peers,
// interleaved in one session, as multiples of the native time. See --help.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { updateDocument, updateHammer, updateServe, updateServers } from "./bench/document.mjs";
import { Inputs } from "./bench/inputs.mjs";
import { MORE_PEERS, USUAL_PEERS, makePeer } from "./bench/peers.mjs";
import { hammerTables, measureHammer } from "./bench/hammer.mjs";
import { DATA, PROGRAMS, script } from "./bench/real.mjs";
import { Results } from "./bench/results.mjs";
import { measureServe, serveTable } from "./bench/serve.mjs";
import { measureServers, serverTable } from "./bench/servers.mjs";
import { asText, tables } from "./bench/table.mjs";
import { targetTable } from "./bench/targets.mjs";
import { root } from "./pnpm.mjs";
import { build, install } from "./setup.mjs";

const GUEST_SUITES = ["boundary", "cpu", "real"];
/** Suites that need nothing of the others. */
const OWN_SUITES = ["hammer", "servers", "serve"];
/** Entries of the largest directory in the suite hammer. */
const LARGEST_DIRECTORY = 1_000_000;

const usage = `usage: npm run bench -- [options]

Runs static i386 programs (suites boundary, cpu) and unmodified Debian i386 programs (suite real) in the vkernel,
natively, under qemu-user, and in the peers named with --peer. Peers that cannot run here are left out with the reason.
What is needed is fetched and made under --cache; nothing is installed.

  --suite LIST        of boundary, cpu, real, hammer, servers, serve (default: boundary,cpu); servers: redis, nginx and PostgreSQL with
                      their own clients, and nginx with the host's wrk, natively, in the vkernel and under qemu-user; hammer by itself
                      measures the file system beside memfs, fuse2fs, e2tools, debugfs, cp and node:fs, and needs nothing of the rest;
                      serve: one client of an SMB and an NFS server, make -j8 and a mailer on a HAMMER root, natively (as root) and
                      under qemu-user
  --peer NAME         add a peer: ${MORE_PEERS.join(", ")}; repeatable
  --full              --suite boundary,cpu,real,hammer --peer v86 --peer uml
  --only TEXT         only rows whose name contains TEXT
  --rounds N          rounds of the suites boundary, cpu and hammer (default 2); v86, uml and ish are visited in the first
  --real-rounds N     rounds of the suite real (default 1)
  --ms N              least duration of one timed pass (default 60)
  --limit SECONDS     limit of one real program (default 120)
  --json FILE         write all figures there
  --update FILE       put the tables into the marked part of this Markdown file
  --cache DIR         where roots and peers are made (default: scratch/bench)
  --guest DIR         a guest made before by mk-rootfs.sh: rootfs/, initramfs.cpio, vmlinuz
  --shared DIR        folder with guest/bin and mk-rootfs.sh (default: ../shared/bench)
  --ish PROGRAM       path of an iSH built for Linux, for --peer ish

A round visits each peer once; figures are medians over the rounds. A program is run twice in one guest: "1st" is the
run in a fresh vkernel, "2nd" the next one in the same vkernel.
`;

function commandLine() {
  const { values } = parseArgs({
    options: {
      suite: { type: "string", default: "boundary,cpu" },
      peer: { type: "string", multiple: true, default: [] },
      full: { type: "boolean", default: false },
      only: { type: "string", default: "" },
      rounds: { type: "string", default: "2" },
      "real-rounds": { type: "string", default: "1" },
      ms: { type: "string", default: "60" },
      limit: { type: "string", default: "120" },
      json: { type: "string" },
      update: { type: "string" },
      cache: { type: "string", default: path.join(root, "scratch", "bench") },
      guest: { type: "string" },
      shared: { type: "string", default: path.join(root, "..", "shared", "bench") },
      ish: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const count = (name, least) => {
    const n = Number(values[name]);
    if (!Number.isFinite(n) || n < least)
      throw new Error(`--${name} ${values[name]}: not a number from ${least}`);
    return n;
  };
  const suites = values.full ? [...GUEST_SUITES, "hammer"] : values.suite.split(",");
  for (const suite of suites) {
    if (![...GUEST_SUITES, ...OWN_SUITES].includes(suite)) throw new Error(`--suite ${suite}: no such suite`);
  }
  const more = values.full ? [...new Set(["v86", "uml", ...values.peer])] : values.peer;
  for (const name of more) {
    if (!MORE_PEERS.includes(name)) throw new Error(`--peer ${name}: there are ${MORE_PEERS.join(", ")}`);
  }
  return {
    ...values,
    suites,
    more,
    rounds: count("rounds", 1),
    realRounds: count("real-rounds", 1),
    ms: count("ms", 1),
    limit: count("limit", 1),
  };
}

const firstLine = (text) => text.trim().split("\n")[0];
const say = (text) => process.stderr.write(`bench: ${text}\n`);

/** The options that decide what is measured; places of files belong to one machine. */
function measuredOptions(args) {
  const places = ["--json", "--update", "--cache", "--guest", "--shared", "--ish"];
  return args.filter(
    (arg, i) =>
      !places.some((place) => arg === place || arg.startsWith(`${place}=`) || args[i - 1] === place),
  );
}

const command = () => ["npm run bench --", ...measuredOptions(process.argv.slice(2))].join(" ");

/** What was measured on; `load` is that before. */
function hostFigures() {
  return {
    model: os.cpus()[0].model.trim(),
    cores: os.cpus().length,
    system: `${os.type()} ${os.release()}`,
    load,
  };
}

/** The large inputs, made once by the host's processor where it can run the programs; else each guest makes them. */
function makeData(rootfs) {
  const dir = path.join(rootfs, "bench", "data");
  if (existsSync(dir)) return;
  const part = `${dir}.part`;
  rmSync(part, { recursive: true, force: true });
  mkdirSync(part);
  const commands = Object.values(DATA).map((command) => `${rootfs}${command}`);
  const made = spawnSync("sh", ["-e", "-c", commands.join("\n")], { cwd: part, encoding: "latin1" });
  if (made.status === 0) renameSync(part, dir);
  else say(`inputs are made anew in each guest: ${made.stderr.trim()}`);
}

const opt = (() => {
  try {
    return commandLine();
  } catch (error) {
    process.stderr.write(`bench: ${error.message} (see --help)\n`);
    process.exit(2);
  }
})();

const started = Date.now();
const load = os.loadavg()[0];
install();
build();
const inputs = new Inputs(opt.cache, opt.shared, say);
if (opt.suites.includes("hammer")) {
  const hammer = measureHammer(inputs, { rounds: opt.rounds, largest: LARGEST_DIRECTORY });
  for (const table of hammerTables(hammer)) process.stdout.write(`${asText(table)}\n\n`);
  if (opt.update !== undefined) updateHammer(opt.update, hammer, { host: hostFigures(), command: command(), peers: hammer.peers });
  if (opt.suites.length === 1) {
    if (opt.json !== undefined) writeFileSync(opt.json, `${JSON.stringify({ hammer }, null, 2)}\n`);
    process.exit();
  }
}
if (opt.suites.includes("servers")) {
  const servers = await measureServers(inputs, { rounds: opt.rounds, limit: opt.limit, only: opt.only, cache: opt.cache, say });
  process.stdout.write(`${asText(serverTable(servers))}\n\n`);
  for (const note of servers.notes) say(note);
  if (opt.update !== undefined) updateServers(opt.update, servers, { host: hostFigures(), command: command(), rounds: opt.rounds });
  if (!opt.suites.some((suite) => GUEST_SUITES.includes(suite))) {
    if (opt.json !== undefined) writeFileSync(opt.json, `${JSON.stringify({ servers }, null, 2)}\n`);
    // A server that did not run in the vkernel is a failure; peers that are absent are said and no more.
    process.exit(servers.failed ? 1 : 0);
  }
}
if (opt.suites.includes("serve")) {
  const serve = await measureServe(inputs, { rounds: opt.rounds, limit: opt.limit, only: opt.only, cache: opt.cache, say });
  process.stdout.write(`${asText(serveTable(serve))}\n\n`);
  for (const note of serve.notes) say(note);
  if (opt.update !== undefined) updateServe(opt.update, serve, { host: hostFigures(), command: command() });
  if (!opt.suites.some((suite) => GUEST_SUITES.includes(suite))) {
    if (opt.json !== undefined) writeFileSync(opt.json, `${JSON.stringify({ serve }, null, 2)}\n`);
    process.exit(serve.failed ? 1 : 0);
  }
}
const absent = {};
const results = new Results();

let guest = null;
if (opt.suites.includes("real") || opt.more.length > 0 || opt.guest !== undefined) {
  try {
    guest = inputs.guest(opt.guest === undefined ? undefined : path.resolve(opt.guest));
    if (opt.guest === undefined) makeData(path.join(guest, "rootfs"));
  } catch (error) {
    say(`no guest root, suite real left out: ${error.message}`);
    absent["suite real"] = error.message;
  }
}
const rootfs = guest === null ? inputs.microRoot() : path.join(guest, "rootfs");

const peers = [];
for (const name of [...USUAL_PEERS, ...opt.more]) {
  try {
    const peer = makePeer(name, { rootfs, guest, inputs, ishProgram: opt.ish });
    const { version } = peer.prepare();
    if (!peer.boots) {
      const probe = await peer.exec(["/bench/bin/tiny"], 60);
      if (probe.ended !== null) throw new Error(probe.stderr.trim() || probe.ended);
    }
    peers.push({ ...peer, version });
  } catch (error) {
    absent[name] = firstLine(error.message);
    say(`${name} left out: ${absent[name]}`);
  }
}

const micro = opt.suites.filter((suite) => suite === "boundary" || suite === "cpu");
const programs =
  guest === null || !opt.suites.includes("real")
    ? []
    : PROGRAMS.filter(({ name }) => `real.${name}`.includes(opt.only));
const microArguments = (peer) => [
  ...["-r", "3", "-m", String(Math.max(opt.ms, peer.leastMs ?? 0))],
  ...(opt.only === "" ? [] : ["-o", opt.only]),
];

async function visit(peer, round, what, argv, seconds) {
  say(`${Math.round((Date.now() - started) / 1000)} s, round ${round}, ${peer.name}, ${what}`);
  const run = await peer.exec(argv, seconds);
  if (peer.boots && run.ended === null && !run.stdout.includes("BENCH-DONE"))
    run.ended = "the guest did not reach its end";
  results.take(peer.name, what, run);
}

for (let round = 1; round <= opt.rounds && micro.length > 0; round++) {
  for (const peer of peers) {
    const command = (suite) => [`/bench/bin/${suite}`, ...microArguments(peer)];
    if (!peer.boots) for (const suite of micro) await visit(peer, round, suite, command(suite), 600);
    else if (round === 1)
      await visit(
        peer,
        round,
        micro.join(", "),
        micro.map((suite) => command(suite).join(" ")),
        900,
      );
  }
}
for (let round = 1; round <= opt.realRounds; round++) {
  for (const program of programs) {
    for (const peer of peers.filter((each) => !each.boots)) {
      // the digest of standard output takes a further run: of the vkernel and of what it is compared with
      const all = round === 1 && !program.heavy && ["native", "vkernel"].includes(peer.name);
      const text = script(program, program.heavy ? 1 : 2, all ? "all" : "files");
      await visit(peer, round, program.name, ["/bin/sh", "-c", text], opt.limit);
    }
  }
}
const light = programs.filter((program) => !program.heavy);
for (const peer of peers.filter((each) => each.boots && light.length > 0)) {
  await visit(
    peer,
    1,
    "real",
    light
      .filter((program) => !peer.skip?.includes(program.name))
      .map((program) => script(program, 2, "files")),
    1200,
  );
}

const { rows, checked, notes } = results.figures();
const figures = {
  host: hostFigures(),
  options: {
    command: command(),
    rounds: opt.rounds,
    realRounds: opt.realRounds,
    ms: opt.ms,
  },
  seconds: (Date.now() - started) / 1000,
  peers: peers.map((peer) => peer.name),
  versions: Object.fromEntries(peers.map((peer) => [peer.name, peer.version])),
  absent,
  rows,
  checked,
  notes,
};
for (const table of [...tables(figures), targetTable(figures)]) process.stdout.write(`${asText(table)}\n\n`);
for (const note of notes) process.stdout.write(`note: ${note}\n`);
if (opt.json !== undefined) writeFileSync(opt.json, `${JSON.stringify(figures, null, 2)}\n`);
if (opt.update !== undefined) {
  for (const row of updateDocument(opt.update, figures))
    say(`${opt.update}: ${row} misses its target and the text does not say why`);
}
if (peers.length === 0) process.exit(1);
