// SPDX-License-Identifier: BSD-3-Clause
/** What the load tests of file servers share: contents from seeds, and a server that is started, killed and watched. */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const bin = (name) => fileURLToPath(new URL(`../bin/${name}.js`, import.meta.url));
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** mulberry32: numbers below a bound. */
export function randomSource(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Bytes that a seed decides. */
export function contents(length, seed) {
  const next = randomSource(seed);
  return Buffer.from(Uint32Array.from({ length: Math.ceil(length / 4) }, () => next(2 ** 32)).buffer).subarray(0, length);
}

/** `vkernel serve …` as a process of its own; the greatest memory that any of its runs took is kept. */
export class LoadedServer {
  peakKiB = 0;
  #args;
  #ready;
  #env;
  #name;
  #child = null;
  #isReady = false;
  #events = new EventEmitter().setMaxListeners(0);

  /** `ready`: what it prints when clients may come; `name`: the test's, for messages. */
  constructor(name, args, ready, env) {
    this.#name = name;
    this.#args = args;
    this.#ready = ready;
    this.#env = env;
  }

  /** Resolves when it runs and clients may come. */
  async running() {
    while (!this.#isReady) await once(this.#events, "ready");
  }

  async start() {
    const child = spawn(process.execPath, [bin("vkernel"), "serve", ...this.#args], { env: this.#env, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    await new Promise((resolve, reject) => {
      child.stdout.on("data", (bytes) => {
        said += bytes;
        if (said.includes(this.#ready)) resolve();
      });
      child.once("exit", (status, signal) => reject(new Error(`the server ended (${status ?? signal}) before clients could come`)));
    });
    child.removeAllListeners("exit");
    child.once("exit", (status, signal) => {
      if (this.#child !== child) return;
      process.stderr.write(`${this.#name}: the server ended by itself (${status ?? signal})\n`);
      process.exit(1);
    });
    this.#child = child;
    this.#isReady = true;
    this.#events.emit("ready");
  }

  /** Notes how much memory the server has taken. */
  noteMemory() {
    if (process.platform !== "linux" || this.#child === null) return;
    const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${this.#child.pid}/status`, "utf8"));
    if (peak !== null) this.peakKiB = Math.max(this.peakKiB, Number(peak[1]));
  }

  /** Ends it by a signal; its exit status, null for a signal's or when it does not run. */
  async end(signal) {
    this.noteMemory();
    const child = this.#child;
    if (child === null) return null;
    this.#child = null;
    this.#isReady = false;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    return ended;
  }

  /** Whatever is left is ended at once. */
  dispose() {
    this.#child?.kill("SIGKILL");
    this.#child = null;
  }
}

/** What is wrong with the blockmap of an image, "" when nothing is. */
export function checkImage(image) {
  const check = spawnSync(process.execPath, [bin("hammer"), "-f", image, "checkmap"], { encoding: "utf8" });
  return check.status === 0 ? "" : check.stdout + check.stderr;
}
