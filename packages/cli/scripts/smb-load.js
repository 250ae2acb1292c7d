#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * SMB under load and under attack: node packages/cli/scripts/smb-load.js --image IMAGE [--smbclient PROGRAM] [--clients N] [--files N]
 * [--rounds N | --minutes N] [--kill N] [--silent N] [--seed N]
 *
 * Serves a copy of IMAGE (made with `image create --debian samba`) and lets processes of Debian's smbclient copy trees to it at once, fetch
 * them again and compare every file by its hash, while other connections send garbage or say nothing and read nothing. The server is
 * killed with SIGKILL --kill times and started again, each time after `sync` was run in the guest: trees that were whole before are then
 * stable, and must be there at the end. SMB's own client says nothing of what is stable: smbclient has no flush. At the end all trees are
 * fetched and compared, the image is checked, and the server's memory is told. Exit status 1 if anything is lost or differs.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { bin, checkImage, contents, hash, LoadedServer, pause, randomSource } from "./load-common.js";

const { values } = parseArgs({
  options: {
    image: { type: "string" }, smbclient: { type: "string", default: "smbclient" },
    clients: { type: "string", default: "10" }, files: { type: "string", default: "20" }, rounds: { type: "string", default: "2" }, minutes: { type: "string", default: "0" },
    kill: { type: "string", default: "2" }, silent: { type: "string", default: "50" }, seed: { type: "string", default: "1" }, port: { type: "string", default: "24450" },
    dir: { type: "string", default: os.tmpdir() }, memory: { type: "string", default: "1g" },
  },
});
if (values.image === undefined) {
  process.stderr.write("usage: smb-load.js --image IMAGE [--smbclient PROGRAM] … (make one: vkernel image create IMAGE --debian samba)\n");
  process.exit(2);
}
const [CLIENTS, FILES, ROUNDS, KILLS, SILENT, PORT] = [values.clients, values.files, values.rounds, values.kill, values.silent, values.port].map(Number);
/** When clients end by the clock, ms; 0: after their rounds. */
const LENGTH = Number(values.minutes) * 60_000;
const MOST_BYTES = 200_000;
/** Of a process of smbclient, ms; on a busy machine a tree takes minutes. */
const PATIENCE_MS = 600_000;
/** Of one request of smbclient, s. Logging in has 20 s, which no option changes; so clients start one after the other. */
const REQUEST_PATIENCE_S = 300;
const BETWEEN_STARTS_MS = 200;
const USER = "load";
const PASSWORD = "load";

const dir = mkdtempSync(path.join(values.dir, "vkernel-load-"));
const image = path.join(dir, "load.img");
const env = { ...process.env, XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir };
const random = randomSource(Number(values.seed));
const login = path.join(dir, "login");
const password = path.join(dir, "password");
writeFileSync(login, `username = ${USER}\npassword = ${PASSWORD}\n`);
writeFileSync(password, `${PASSWORD}\n`);
const MACHINE = "smb-load";
const server = new LoadedServer(MACHINE, [
  ...["smb", `${image}:/srv/load`, "--port", String(PORT), "--user", USER, "--password-file", password, "--name", MACHINE],
  ...["--snapshot-every", "never", "-m", values.memory],
], "smbclient:", env);

let nextStart = 0;
/** Waits until the server runs and it is a client's turn to start. */
async function turn() {
  await server.running();
  const now = Date.now();
  nextStart = Math.max(now, nextStart + BETWEEN_STARTS_MS);
  await pause(nextStart - now);
}

/** Runs smbclient's commands with `cwd` as its folder; whether all went well, and what it said. */
async function smbclient(commands, cwd) {
  await turn();
  return new Promise((resolve, reject) => {
    const options = ["-s", "/dev/null", "-p", String(PORT), "-t", String(REQUEST_PATIENCE_S), "-A", login];
    const child = spawn(values.smbclient, [...options, "//127.0.0.1/load", "-c", commands], {
      cwd, stdio: ["ignore", "pipe", "pipe"], timeout: PATIENCE_MS, killSignal: "SIGKILL",
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (text += bytes));
    child.once("error", reject);
    child.once("close", (status) => resolve({ good: status === 0 && !/NT_STATUS_/.test(text), text }));
  });
}

/** Makes a tree of files that a seed decides; path in it -> hash. */
function makeTree(folder, seed) {
  const next = randomSource(seed);
  const hashes = new Map();
  for (let n = 0; n < FILES; n++) {
    const name = path.join(`d${n % 3}`, `e${n % 2}`, `file ${n}.bin`);
    const bytes = contents(1 + next(MOST_BYTES), next(2 ** 32));
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), bytes);
    hashes.set(name, hash(bytes));
  }
  return hashes;
}

/** Differences of a folder from what must be in it. */
function differences(folder, hashes) {
  const there = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const found = new Map(there.map((entry) => [path.relative(folder, path.join(entry.parentPath ?? entry.path, entry.name)), hash(readFileSync(path.join(entry.parentPath ?? entry.path, entry.name)))]));
  return [...hashes].filter(([name, expected]) => found.get(name) !== expected).map(([name]) => `${name} ${found.has(name) ? "differs" : "is missing"}`);
}

/** Trees that were copied as a whole: name -> hashes. */
const whole = new Map();
/** Those of them that a sync in the guest came after. */
const stable = new Set();
let failures = 0;
let again = 0;
let kills = 0;
const fail = (text) => {
  failures++;
  console.log(text);
};

/** Fetches a tree and compares it; null when the client could not. */
async function fetchTree(name, hashes) {
  const folder = mkdtempSync(path.join(dir, "got-"));
  try {
    const { good } = await smbclient(`cd ${name}; recurse ON; prompt OFF; mget *`, folder);
    return good ? differences(folder, hashes) : null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function worker(i) {
  const until = Date.now() + LENGTH;
  for (let round = 0; LENGTH === 0 ? round < ROUNDS : Date.now() < until; round++) {
    const name = `tree-${i}-${round}`;
    const local = path.join(dir, name);
    const hashes = makeTree(local, Number(values.seed) * 1_000_003 + i * 1009 + round);
    for (;;) {
      const before = kills;
      const { good, text } = await smbclient(`mkdir ${name}; cd ${name}; recurse ON; prompt OFF; mput *`, local);
      // A copy that was whole when the server was killed, without anybody having seen it, is none.
      if (good && kills === before) break;
      // What the server had is copied anew, over what is there or not.
      if (kills === before) console.log(`${name}: begun anew: ${text.trim().split("\n").at(-1)}`);
      again++;
      await smbclient(`deltree ${name}`, local);
    }
    whole.set(name, hashes);
    rmSync(local, { recursive: true });
    const wrong = await fetchTree(name, hashes);
    if (wrong === null) again++;
    else for (const each of wrong) if (!lost.has(name)) fail(`${name}: ${each}`);
  }
}

/** Trees that were whole in a server that was killed, without a sync: they may be there or not. */
const lost = new Set();
async function killer(stop) {
  for (let i = 0; i < KILLS; i++) {
    if (LENGTH > 0) await pause((LENGTH * (0.5 + random(100) / 100)) / (KILLS + 1));
    // In the middle of the work, however long it takes.
    else while (!stop() && whole.size < ((i + 1) * CLIENTS * ROUNDS) / (KILLS + 1)) await pause(100);
    if (stop()) return;
    const before = [...whole.keys()];
    const sync = spawnSync(process.execPath, [bin("vkernel"), "exec", MACHINE, "sync"], { env, encoding: "utf8" });
    if (sync.status !== 0) fail(`sync in the guest: ${sync.stderr}`);
    for (const name of before) stable.add(name);
    await pause(random(1000));
    kills++;
    await server.end("SIGKILL");
    for (const name of whole.keys()) if (!stable.has(name)) lost.add(name);
    console.log(`killed after ${whole.size} trees, ${stable.size} of them stable`);
    await server.start();
  }
}

/** Connections that mean harm until `stop` says so: garbage, requests that never end, and --silent ones that stay. */
function attackers(stop) {
  const open = new Set();
  const silent = new Set();
  const one = (set, onConnect) => {
    const socket = connect({ host: "127.0.0.1", port: PORT }, () => onConnect(socket));
    set.add(socket);
    socket.pause();
    socket.on("error", () => {});
    socket.on("close", () => set.delete(socket));
  };
  const timer = setInterval(() => {
    if (stop()) {
      clearInterval(timer);
      for (const socket of [...open, ...silent]) socket.destroy();
      return;
    }
    if (open.size < SILENT) one(open, (s) => s.end(contents(1 + random(5000), random(2 ** 32))));
    // NetBIOS session message of 130,000 bytes that never comes as a whole.
    if (silent.size < SILENT) one(silent, (s) => s.write(Buffer.concat([Buffer.from([0, 1, 0xfb, 0xd0, 0xfe, 0x53, 0x4d, 0x42]), Buffer.alloc(random(100_000))])));
  }, 200);
}

try {
  const copy = spawnSync("cp", ["--sparse=always", values.image, image], { stdio: "inherit" });
  if (copy.status !== 0) throw new Error(`${values.image}: cannot be copied`);
  await server.start();
  let done = false;
  attackers(() => done);
  const kills = killer(() => done);
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => worker(i)));
  done = true;
  await kills;
  let compared = 0;
  for (const [name, hashes] of whole) {
    const wrong = await fetchTree(name, hashes);
    const mayMiss = lost.has(name) && !stable.has(name);
    if (wrong === null && !mayMiss) fail(`${name}: cannot be fetched`);
    else if (!mayMiss) for (const each of wrong) fail(`${name}: ${each}`);
    if (!mayMiss) compared++;
  }
  const status = await server.end("SIGTERM");
  if (status !== 0) fail(`the server ended with status ${status}`);
  const damage = checkImage(image);
  if (damage !== "") fail(damage);
  console.log(`${whole.size} trees of ${FILES} files by ${CLIENTS} clients, ${again} copies begun anew, peak memory ${Math.round(server.peakKiB / 1024)} MiB`);
  console.log(`${compared} trees compared, ${failures} failed`);
} finally {
  server.dispose();
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
