// SPDX-License-Identifier: BSD-3-Clause
/**
 * How costs grow with size: creating, looking up, listing and removing in directories of 1,000 to 1,000,000 entries; mount time
 * of a sparse file of 100 GB; memory against the bound of the cache.
 *
 *   node packages/hammer/bench/scale.js [largest [JSON file]]     (needs a built package; largest is 1000000 by default)
 *
 * Microseconds of processor time for each entry, the collector's threads included, which a busy machine leaves alone. If costs
 * grow as log n, each line of the table differs from the one before by the same amount, not by a factor. "in cache": names in
 * an order without pattern, the cache larger than all of it; "64 MiB": the same with a cache that holds a fifth of a million
 * entries; "again": 500 names, over and over.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { MemoryDevice, mount, newfs } from "@vkernel/hammer";
import { createImage, openImage } from "@vkernel/hammer/node";

const MIB = 1 << 20;
const largest = Number(process.argv[2] ?? 1e6);
const figures = { rows: [], sparse: {} };
const now = () => BigInt(Date.now()) * 1000n;
const LOOKUPS = 100_000;
const LARGE = 512 * MIB;
const SMALL = 64 * MIB;

/** Processor time of one of n, in microseconds. */
function micros(n, f) {
  const before = process.cpuUsage();
  f();
  const used = process.cpuUsage(before);
  return (used.user + used.system) / n;
}

/** Milliseconds by the clock. */
function millis(f) {
  const start = performance.now();
  f();
  return performance.now() - start;
}

/** Numbers below n in an order without pattern, the same in every run. */
function* scattered(n, count) {
  let x = 12345;
  for (let i = 0; i < count; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    yield Math.floor(x / 4294967296 * n);
  }
}

/** A name looked up. */
function look(m, dir, name) {
  const ip = m.lookup(dir, name);
  if (ip === null) throw new Error(`${name} is lost`);
  m.rele(ip);
}

const columns = ["entries", "create", "in cache", "a second", "again", "a second", "64 MiB", "a second", "list", "remove", "MiB held"];
console.log(columns.map((c) => c.padStart(10)).join(""));
for (let n = 1000; n <= largest; n *= 10) {
  const disk = new MemoryDevice(4096 * MIB);
  newfs([disk], { label: "scale", force: true, undoBytes: 128 * MIB, now, fsid: new Uint8Array(16).fill(3) });
  let m = mount([disk], { now, cacheBytes: LARGE });
  let dir = m.create(m.root, "d", { type: "dir", mode: 0o755, uid: 0, gid: 0 });
  const create = micros(n, () => {
    for (let i = 0; i < n; i++) m.rele(m.create(dir, `entry-${i}`, { type: "file", mode: 0o644, uid: 0, gid: 0 }));
    m.sync();
  });
  const scatter = () => { for (const i of scattered(n, LOOKUPS)) look(m, dir, `entry-${i}`); };
  scatter();
  const cached = micros(LOOKUPS, scatter);
  const again = micros(LOOKUPS, () => { for (let i = 0; i < LOOKUPS; i++) look(m, dir, `entry-${i % 500}`); });
  let seen = 0;
  const list = micros(n, () => m.readdir(dir, 0, () => ++seen > 0));
  if (seen !== n + 2) throw new Error(`${seen} entries listed, ${n + 2} expected`);
  m.rele(dir);
  m.unmount();
  m = mount([disk], { now, readOnly: true, cacheBytes: SMALL });
  dir = m.lookup(m.root, "d");
  scatter();
  const small = micros(LOOKUPS, scatter);
  const held = (m.cache.count * 16384 + m.blocks.bytes) / MIB;
  m.rele(dir);
  m.unmount();
  m = mount([disk], { now, noHistory: true, cacheBytes: LARGE });
  dir = m.lookup(m.root, "d");
  const gone = Math.min(n, LOOKUPS);
  const remove = micros(gone, () => {
    for (let i = 0; i < gone; i++) m.unlink(dir, `entry-${i}`);
    m.sync();
  });
  m.rele(dir);
  m.unmount();
  figures.rows.push({ entries: n, create, cached, again, small, list, remove, held });
  const rate = (us) => (1e6 / us).toFixed(0);
  console.log([n, create.toFixed(2), cached.toFixed(2), rate(cached), again.toFixed(2), rate(again), small.toFixed(2), rate(small), list.toFixed(2),
    remove.toFixed(2), held.toFixed(0)].map((c) => String(c).padStart(10)).join(""));
}

const folder = mkdtempSync(path.join(os.tmpdir(), "hammer-bench-"));
try {
  const image = path.join(folder, "large.img");
  const make = millis(() => createImage(image, { label: "LARGE", size: 100e9 - 100e9 % 16384 }));
  const once = () => openImage(image).unmount();
  once();
  const open = millis(once);
  const write = millis(() => openImage(image, { readOnly: false }).unmount());
  figures.sparse = { make, open, write };
  console.log(`100 GB sparse file: made in ${make.toFixed(0)} ms taking ${(statSync(image).blocks * 512 / MIB).toFixed(0)} MiB; `
    + `mounted and unmounted read-only in ${open.toFixed(1)} ms, for writing in ${write.toFixed(1)} ms`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (process.argv[3] !== undefined) writeFileSync(process.argv[3], JSON.stringify(figures, null, 1));
