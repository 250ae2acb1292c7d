// SPDX-License-Identifier: BSD-3-Clause
/**
 * How costs grow with size: lookups, creates and node visits in directories of 1,000 to 1,000,000 entries; mount time of
 * a sparse file of 100 GB; memory against the bound of the cache.
 *
 *   node packages/hammer/bench/scale.js [largest]     (needs a built package: pnpm build; largest is 1000000 by default)
 *
 * If costs grow as log n, each line of the table differs from the one before by the same amount, not by a factor.
 */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { MemoryDevice, mount, newfs } from "@vkernel/hammer";
import { createImage, openImage } from "@vkernel/hammer/node";

const MIB = 1 << 20;
const largest = Number(process.argv[2] ?? 1e6);
const now = () => BigInt(Date.now()) * 1000n;
const LOOKUPS = 100_000;
const CACHE = 64 * MIB;

function micros(n, f) {
  const start = performance.now();
  f();
  return (performance.now() - start) / n * 1000;
}

/** Numbers below n in an order without pattern, the same in every run. */
function* scattered(n, count) {
  let x = 12345;
  for (let i = 0; i < count; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0;
    yield Math.floor(x / 4294967296 * n);
  }
}

console.log("entries    create us  sync s  lookup us  lookups/s  repeated/s  readdir us/entry  heap+buffers MiB");
for (let n = 1000; n <= largest; n *= 10) {
  const disk = new MemoryDevice(4096 * MIB);
  newfs([disk], { label: "scale", force: true, undoBytes: 128 * MIB, now, fsid: new Uint8Array(16).fill(3) });
  let m = mount([disk], { now, cacheBytes: CACHE });
  let dir = m.create(m.root, "d", { type: "dir", mode: 0o755, uid: 0, gid: 0 });
  const create = micros(n, () => {
    for (let i = 0; i < n; i++) m.rele(m.create(dir, `entry-${i}`, { type: "file", mode: 0o644, uid: 0, gid: 0 }));
  });
  const sync = micros(1, () => m.sync()) / 1e6;
  m.rele(dir);
  m.unmount();
  m = mount([disk], { now, readOnly: true, cacheBytes: CACHE });
  dir = m.lookup(m.root, "d");
  const look = () => {
    for (const i of scattered(n, LOOKUPS)) m.rele(m.lookup(dir, `entry-${i}`));
  };
  look();
  const lookup = micros(LOOKUPS, look);
  const repeated = micros(LOOKUPS, () => {
    for (let i = 0; i < LOOKUPS; i++) m.rele(m.lookup(dir, `entry-${i % 500}`));
  });
  let seen = 0;
  const list = micros(n, () => m.readdir(dir, 0, () => ++seen > 0));
  if (seen !== n + 2) throw new Error(`${seen} entries listed, ${n + 2} expected`);
  const { heapUsed } = process.memoryUsage();
  console.log([String(n).padEnd(9), create.toFixed(1).padStart(10), sync.toFixed(2).padStart(7), lookup.toFixed(2).padStart(10),
    (1e6 / lookup).toFixed(0).padStart(10), (1e6 / repeated).toFixed(0).padStart(11), list.toFixed(2).padStart(17), (heapUsed / MIB).toFixed(0).padStart(17)].join(" "));
  m.rele(dir);
  m.unmount();
}

const folder = mkdtempSync(path.join(os.tmpdir(), "hammer-bench-"));
try {
  const image = path.join(folder, "large.img");
  const make = micros(1, () => createImage(image, { label: "LARGE", size: 100e9 - 100e9 % 16384 })) / 1000;
  const once = () => openImage(image).unmount();
  once();
  const open = micros(1, once) / 1000;
  const write = micros(1, () => openImage(image, { readOnly: false }).unmount()) / 1000;
  console.log(`100 GB sparse file: made in ${make.toFixed(0)} ms taking ${(statSync(image).blocks * 512 / MIB).toFixed(0)} MiB; `
    + `mounted and unmounted read-only in ${open.toFixed(1)} ms, for writing in ${write.toFixed(1)} ms`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
