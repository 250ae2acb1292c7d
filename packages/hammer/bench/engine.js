// SPDX-License-Identifier: BSD-3-Clause
/**
 * Speed of the engine on a memory disk: object creation, small files, sequential data, cached reads.
 *
 *   node packages/hammer/bench/engine.js [scale]     (needs a built package: pnpm build)
 *
 * Prints one line a figure: by the clock, and by CPU time (garbage collector's threads included), which a busy machine
 * leaves alone. A memory disk measures the program, not the machine's disk.
 */
import { MemoryDevice, mount, newfs } from "@vkernel/hammer";

const MIB = 1 << 20;
const scale = Number(process.argv[2] ?? 1);
const now = () => BigInt(Date.now()) * 1000n;
const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 };

function fresh(mib) {
  const device = new MemoryDevice(mib * MIB);
  newfs([device], { label: "bench", force: true, undoBytes: 64 * MIB, now, fsid: new Uint8Array(16).fill(7) });
  return { device, m: mount([device], { now, cacheBytes: 256 * MIB }) };
}

function report(what, amount, unit, spent) {
  const rate = (ms) => (amount / ms * 1000).toFixed(0).padStart(8);
  console.log(`${what.padEnd(44)} ${rate(spent.wall)} ${unit}/s ${rate(spent.cpu)} a CPU second`);
}

function timed(f) {
  const start = performance.now();
  const before = process.cpuUsage();
  f();
  const used = process.cpuUsage(before);
  return { wall: performance.now() - start, cpu: (used.user + used.system) / 1000 };
}

function creates(n) {
  const { m } = fresh(1024);
  const ms = timed(() => {
    const dir = m.create(m.root, "d", { ...FILE, type: "dir" });
    for (let i = 0; i < n; i++) m.rele(m.create(dir, `file-${i}`, FILE));
    m.rele(dir);
    m.sync();
  });
  report(`create ${n} files in one directory, sync`, n, "files", ms);
  const look = timed(() => {
    const dir = m.lookup(m.root, "d");
    for (let i = 0; i < n; i++) m.rele(m.lookup(dir, `file-${i}`));
    m.rele(dir);
  });
  report("look each of them up", n, "names", look);
  const gone = timed(() => {
    const dir = m.lookup(m.root, "d");
    for (let i = 0; i < n; i++) m.unlink(dir, `file-${i}`);
    m.rele(dir);
    m.sync();
  });
  report("unlink each of them, sync", n, "files", gone);
  m.unmount();
}

function smallFiles(n) {
  const { m } = fresh(1024);
  const data = new Uint8Array(1024).fill(0x61);
  const ms = timed(() => {
    const dir = m.create(m.root, "d", { ...FILE, type: "dir" });
    for (let i = 0; i < n; i++) {
      const ip = m.create(dir, `file-${i}`, FILE);
      m.write(ip, 0, data, 0, data.length);
      m.rele(ip);
    }
    m.rele(dir);
    m.sync();
  });
  report(`write ${n} files of 1 KiB, sync`, n, "files", ms);
  m.unmount();
}

function sequential(mib) {
  const { device, m } = fresh(mib * 2 + 256);
  const data = Uint8Array.from({ length: MIB }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  const ip = m.create(m.root, "big", FILE);
  report(`write ${mib} MiB, sync`, mib, "MiB", timed(() => {
    for (let i = 0; i < mib; i++) m.write(ip, i * MIB, data, 0, MIB);
    m.sync();
  }));
  m.rele(ip);
  m.unmount();
  const again = mount([device], { now, readOnly: true, cacheBytes: 2 * mib * MIB });
  const file = again.lookup(again.root, "big");
  const buf = new Uint8Array(MIB);
  const pass = () => { for (let i = 0; i < mib; i++) again.read(file, i * MIB, buf, 0, MIB); };
  report("read it from the disk, CRCs checked", mib, "MiB", timed(pass));
  report("read it from the cache", mib, "MiB", timed(pass));
  again.rele(file);
  again.unmount();
}

creates(50_000 * scale);
smallFiles(20_000 * scale);
sequential(256 * scale);
