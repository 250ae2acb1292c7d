#!/usr/bin/env node
// SPDX-License-Identifier: BSD-3-Clause
/**
 * NFS under load and under attack: node packages/cli/scripts/nfs-load.js [--clients N] [--files N | --minutes N] [--kill N] [--seed N]
 *
 * Makes an image (below --dir, by default the temporary folder), serves it, and lets clients write trees at once while others send garbage,
 * do not read, and open connections by the thousand. With --minutes clients go on for so long, a file about every half second each.
 * The server is killed with SIGKILL --kill times and started again; clients connect anew and go on. A file counts as written when
 * COMMIT (or a stable WRITE) was answered with the verifier of its data. At the end every such file is read and compared by its hash,
 * the image is checked, and the server's memory is told. Exit status 1 if anything is lost.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { bin, checkImage, contents, hash, LoadedServer, pause, randomSource } from "./load-common.js";
import { NfsClient } from "./nfs-load-client.js";

const { values } = parseArgs({
  options: {
    clients: { type: "string", default: "20" }, files: { type: "string", default: "40" }, kill: { type: "string", default: "2" },
    connections: { type: "string", default: "2000" }, seed: { type: "string", default: "1" }, port: { type: "string", default: "23049" },
    minutes: { type: "string", default: "0" }, dir: { type: "string", default: os.tmpdir() },
  },
});
const [CLIENTS, FILES, KILLS, CONNECTIONS, PORT] = [values.clients, values.files, values.kill, values.connections, values.port].map(Number);
/** When clients end by the clock, ms; 0: after their files. */
const LENGTH = Number(values.minutes) * 60_000;
const PACE_MS = 1000;
const FILES_PER_FOLDER = 50;
const PIECE = 65_536;

const dir = mkdtempSync(path.join(values.dir, "vkernel-load-"));
const image = path.join(dir, "load.img");
const env = { ...process.env, XDG_STATE_HOME: dir, XDG_RUNTIME_DIR: dir };
const random = randomSource(Number(values.seed));
const server = new LoadedServer("nfs-load", ["nfs", image, "--port", String(PORT), "--map-all", "0"], "libnfs:", env);

/** What the server was told is stable: path of names, and hash. */
const stable = new Map();
let reconnects = 0;

/** Writes one file until the server says that it is stable. */
async function writeFile(state, name, bytes) {
  for (;;) {
    try {
      state.client ??= await NfsClient.open(PORT, random(2 ** 32));
      const top = await state.client.mount("/");
      let folder = top;
      for (const part of state.folder.split("/")) folder = await state.client.mkdir(folder, part);
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
  const state = { client: null, folder: "" };
  const until = Date.now() + LENGTH;
  for (let n = 0; LENGTH === 0 ? n < FILES : Date.now() < until; n++) {
    if (LENGTH > 0) await pause(random(PACE_MS));
    state.folder = `client-${i}/${Math.floor(n / FILES_PER_FOLDER)}`;
    const bytes = contents(1 + random(300_000), i * 1000 + n);
    await writeFile(state, `file-${n}`, bytes);
    stable.set(`${state.folder}/file-${n}`, hash(bytes));
  }
  state.client?.close();
}

async function killer(stop) {
  for (let i = 0; i < KILLS && !stop(); i++) {
    await pause(LENGTH > 0 ? (LENGTH * (0.5 + random(100) / 100)) / (KILLS + 1) : 1500 + random(2500));
    if (stop()) return;
    await server.end("SIGKILL");
    console.log(`killed after ${stable.size} files`);
    await server.start();
  }
}

let failures = 0;
async function verify() {
  const client = await NfsClient.open(PORT, 1);
  const top = await client.mount("/");
  for (const [name, expected] of stable) {
    let handle = top;
    for (const part of name.split("/")) handle = await client.lookup(handle, part);
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
  spawnSync(process.execPath, [bin("vkernel"), "image", "create", image, "--size", "64g"], { stdio: "inherit" });
  await server.start();
  let done = false;
  const attack = new Worker(new URL("nfs-load-attack.js", import.meta.url), { workerData: { port: PORT, connections: CONNECTIONS, seed: random(2 ** 32) } });
  const kills = killer(() => done);
  await Promise.all(Array.from({ length: CLIENTS }, (_, i) => worker(i)));
  done = true;
  await kills;
  await attack.terminate();
  await verify();
  const status = await server.end("SIGTERM");
  if (status !== 0) {
    failures++;
    console.log(`the server ended with status ${status}`);
  }
  const damage = checkImage(image);
  if (damage !== "") {
    failures++;
    console.log(damage);
  }
  console.log(`${stable.size} files of ${CLIENTS} clients, ${reconnects} connections lost, peak memory ${Math.round(server.peakKiB / 1024)} MiB`);
  console.log(`${stable.size - failures} passed, ${failures} failed`);
} finally {
  server.dispose();
  rmSync(dir, { recursive: true, force: true });
}
process.exitCode = failures === 0 ? 0 : 1;
