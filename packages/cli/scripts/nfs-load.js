#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * NFS under load and under attack: node packages/cli/scripts/nfs-load.js [--clients N] [--files N] [--kill N] [--seed N]
 *
 * Makes an image, serves it, and lets clients write trees at once while others send garbage, do not read, and open connections by
 * the thousand. The server is killed with SIGKILL --kill times and started again; clients connect anew and go on. A file counts as
 * written when COMMIT (or a stable WRITE) was answered with the verifier of its data. At the end every such file is read and
 * compared by its hash, the image is checked, and the server's memory is told. Exit status 1 if anything is lost.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { NfsClient } from "./nfs-load-client.js";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "20" }, files: { type: "string", default: "40" }, kill: { type: "string", default: "2" },
    connections: { type: "string", default: "2000" }, seed: { type: "string", default: "1" }, port: { type: "string", default: "23049" },
  },
});
const [CLIENTS, FILES, KILLS, CONNECTIONS, PORT] = [values.clients, values.files, values.kill, values.connections, values.port].map(Number);
const PIECE = 65_536;

const bin = (name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url));
const dir = mkdtempSync(path.join(os.tmpdir(), "vkernel-load-"));
const image = path.join(dir, "load.img");
const env = { ...process.env, XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir };

/** mulberry32 */
function randomSource(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
const random = randomSource(Number(values.seed));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const contents = (length, seed) => {
  const next = randomSource(seed);
  return Buffer.from(Uint32Array.from({ length: Math.ceil(length / 4) }, () => next(2 ** 32)).buffer).subarray(0, length);
};
const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

let server = null;
let peakKiB = 0;
async function start() {
  const child = spawn(process.execPath, [bin("vkernel"), "serve", "nfs", image, "--port", String(PORT), "--map-all", "0"], {
    env, stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((resolve, reject) => {
    child.stdout.on("data", (bytes) => {
      if (bytes.toString().includes("libnfs:")) resolve();
    });
    child.once("exit", (status) => reject(new Error(`the server ended with status ${status}`)));
  });
  child.removeAllListeners("exit");
  child.once("exit", (status, signal) => {
    if (server !== child) return;
    process.stderr.write(`nfs-load: the server ended by itself (${status ?? signal})\n`);
    process.exit(1);
  });
  server = child;
}
function noteMemory() {
  if (process.platform !== "linux" || server === null) return;
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"));
  if (peak !== null) peakKiB = Math.max(peakKiB, Number(peak[1]));
}
async function end(signal) {
  noteMemory();
  const child = server;
  server = null;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  return ended;
}

/** What the server was told is stable: path of names, and hash. */
const stable = new Map();
let reconnects = 0;

/** Writes one file until the server says that it is stable. */
async function writeFile(state, name, bytes) {
  for (;;) {
    try {
      state.client ??= await NfsClient.open(PORT, random(2 ** 32));
      const top = await state.client.mount("/");
      const folder = await state.client.mkdir(top, state.folder);
      const file = await state.client.create(folder, name);
      const verifiers = new Set();
      for (let at = 0; at < bytes.length; at += PIECE) verifiers.add(await state.client.write(file, at, bytes.subarray(at, at + PIECE), 0));
      verifiers.add(await state.client.commit(file));
      if (verifiers.size === 1) return;
    } catch (error) {
      if (error.status !== undefined) throw error;
      state.client?.close();
      state.client = null;
      reconnects++;
      await pause(200);
    }
  }
}
async function worker(i) {
  const state = { client: null, folder: `client-${i}` };
  for (let n = 0; n < FILES; n++) {
    const bytes = contents(1 + random(300_000), i * 1000 + n);
    await writeFile(state, `file-${n}`, bytes);
    stable.set(`${state.folder}/file-${n}`, hash(bytes));
  }
  state.client?.close();
}

/** Clients that mean harm, until `stop` says so. */
function attackers(stop) {
  const open = new Set();
  const one = (onConnect) => {
    const socket = connect({ host: "127.0.0.1", port: PORT }, () => onConnect(socket));
    open.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => open.delete(socket));
  };
  const timer = setInterval(() => {
    if (stop()) {
      clearInterval(timer);
      for (const socket of open) socket.destroy();
      return;
    }
    for (let i = 0; i < 5; i++) one((s) => s.write(Buffer.from(contents(1 + random(5000), random(2 ** 32)))));
    // A long record that never comes.
    one((s) => s.write(Buffer.concat([Buffer.from([0x80, 3, 0, 0]), Buffer.alloc(random(200_000))])));
    while (open.size < CONNECTIONS) one(() => {});
  }, 100);
}

async function killer(stop) {
  for (let i = 0; i < KILLS && !stop(); i++) {
    await pause(1500 + random(2500));
    if (stop()) return;
    await end("SIGKILL");
    console.log(`killed after ${stable.size} files`);
    await start();
  }
}

let failures = 0;
async function verify() {
  const client = await NfsClient.open(PORT, 1);
  const top = await client.mount("/");
  for (const [name, expected] of stable) {
    const [folder, file] = name.split("/");
    const handle = await client.lookup(await client.lookup(top, folder), file);
    const pieces = [];
    for (let at = 0; ; at += PIECE) {
      const piece = Buffer.from(await client.read(handle, at, PIECE));
      pieces.push(piece);
      if (piece.length < PIECE) break;
    }
    if (hash(Buffer.concat(pieces)) === expected) continue;
    failures++;
    console.log(`${name}: differs`);
  }
  client.close();
}

try {
  spawnSync(process.execPath, [bin("vkernel"), "image", "create", image, "--size", "4g"], { stdio: "inherit" });
  await start();
  let done = false;
  attackers(() => done);
  const kills = killer(() => done);
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => worker(i)));
  done = true;
  await kills;
  await verify();
  const status = await end("SIGTERM");
  if (status !== 0) {
    failures++;
    console.log(`the server ended with status ${status}`);
  }
  const check = spawnSync(process.execPath, [bin("hammer"), "-f", image, "checkmap"], { encoding: "utf8" });
  if (check.status !== 0) {
    failures++;
    console.log(check.stdout + check.stderr);
  }
  console.log(`${stable.size} files of ${CLIENTS} clients, ${reconnects} connections lost, peak memory ${Math.round(peakKiB / 1024)} MiB`);
  console.log(`${stable.size - failures} passed, ${failures} failed`);
} finally {
  server?.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
