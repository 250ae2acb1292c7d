// SPDX-License-Identifier: BSD-3-Clause
/**
 * HAMMER beside other file systems without a kernel of their own, in one session: the same files made, written and read
 * through this package (memory disk, CRCs and syncs included), Node's calls on tmpfs, `cp` to tmpfs, memfs, and on an ext2 image
 * in tmpfs fuse2fs, e2tools and e2fsprogs' debugfs.
 *
 *   node packages/hammer/bench/peers.js [--rounds N] [--scale X] [--json FILE] [--memfs FOLDER] [--tools FOLDER]
 *
 * Needs a built package (npm run build). `npm run bench -- --suite hammer` runs it with everything that it can get. Rounds are
 * interleaved; a figure is the best of them, by processor time (that of the collector's threads included), which a busy machine
 * leaves alone, and in brackets by the clock, which alone tells of a program of its own. What is not there or cannot do something
 * is left out: memfs (installed beside, or the package's folder), fuse2fs and e2cp (in the PATH, or unpacked below FOLDER; a
 * FUSE mount takes rights, best given by `unshare --mount`), debugfs.
 */
import { spawnSync } from "node:child_process";
import * as nodeFs from "node:fs";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { MemoryDevice, mount, newfs } from "@vkernel/hammer";

const text = { type: "string" };
const { values } = parseArgs({ options: { rounds: { ...text, default: "3" }, scale: { ...text, default: "1" }, json: text, memfs: text, tools: text } });
const rounds = Number(values.rounds), scale = Number(values.scale);
const MIB = 1 << 20;
const SIZES = { creates: Math.round(20_000 * scale), small: Math.round(10_000 * scale), mib: Math.round(128 * scale) };
const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 };
const now = () => BigInt(Date.now()) * 1000n;
const block = Uint8Array.from({ length: MIB }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
const little = block.slice(0, 1024);
const buffer = new Uint8Array(MIB);

const tmpfs = nodeFs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();
const scratch = nodeFs.mkdtempSync(path.join(tmpfs, "hammer-peers-"));
process.on("exit", () => nodeFs.rmSync(scratch, { recursive: true, force: true }));

/** Each peer has a function for what it can do; they come in this order, on one fresh file system a round. */
const ROWS = {
  creates: { what: `empty files made, ${SIZES.creates} in a directory`, unit: "files/s", amount: SIZES.creates, target: 85_000 },
  small: { what: `files of 1 KiB written and synced, ${SIZES.small}`, unit: "files/s", amount: SIZES.small, target: 12_000 },
  lookups: { what: "names looked up, cached", unit: "names/s", amount: SIZES.creates, target: 200_000 },
  write: { what: `${SIZES.mib} MiB written and synced`, unit: "MB/s", amount: SIZES.mib * MIB / 1e6, target: 400 },
  read: { what: "read again, cached", unit: "MB/s", amount: SIZES.mib * MIB / 1e6, target: 1000 },
};

function hammer() {
  const disk = new MemoryDevice(1024 * MIB);
  newfs([disk], { label: "bench", force: true, undoBytes: 64 * MIB, now, fsid: new Uint8Array(16).fill(7) });
  const m = mount([disk], { now, cacheBytes: 512 * MIB });
  const within = (name, body) => {
    const dir = m.lookup(m.root, name) ?? m.create(m.root, name, { ...FILE, type: "dir", mode: 0o755 });
    body(dir);
    m.rele(dir);
  };
  let big;
  return {
    creates: () => within("creates", (dir) => {
      for (let i = 0; i < SIZES.creates; i++) m.rele(m.create(dir, `file-${i}`, FILE));
      m.sync();
    }),
    small: () => within("small", (dir) => {
      for (let i = 0; i < SIZES.small; i++) {
        const ip = m.create(dir, `file-${i}`, FILE);
        m.write(ip, 0, little, 0, little.length);
        m.rele(ip);
      }
      m.sync();
    }),
    lookups: () => within("creates", (dir) => {
      for (let i = 0; i < SIZES.creates; i++) m.rele(m.lookup(dir, `file-${i}`));
    }),
    write: () => {
      big = m.create(m.root, "big", FILE);
      for (let i = 0; i < SIZES.mib; i++) m.write(big, i * MIB, block, 0, MIB);
      m.sync();
    },
    read: () => { for (let i = 0; i < SIZES.mib; i++) m.read(big, i * MIB, buffer, 0, MIB); },
    end: () => {
      m.rele(big);
      m.unmount();
    },
  };
}

/** Something with node:fs's calls. */
function calls(fs, root) {
  const at = (name) => path.join(root, name);
  let big = null;
  const close = () => { if (big !== null) fs.closeSync(big); };
  return {
    creates: () => {
      fs.mkdirSync(at("creates"));
      for (let i = 0; i < SIZES.creates; i++) fs.closeSync(fs.openSync(at(`creates/file-${i}`), "w"));
    },
    small: () => {
      fs.mkdirSync(at("small"));
      for (let i = 0; i < SIZES.small; i++) fs.writeFileSync(at(`small/file-${i}`), little);
    },
    lookups: () => { for (let i = 0; i < SIZES.creates; i++) fs.statSync(at(`creates/file-${i}`)); },
    write: () => {
      big = fs.openSync(at("big"), "w+");
      for (let i = 0; i < SIZES.mib; i++) fs.writeSync(big, block, 0, MIB, i * MIB);
      fs.fsyncSync(big);
    },
    read: () => { for (let i = 0; i < SIZES.mib; i++) fs.readSync(big, buffer, 0, MIB, i * MIB); },
    close,
    end: () => {
      close();
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
}

function tmpfsCalls() {
  return calls(nodeFs, nodeFs.mkdtempSync(path.join(scratch, "calls-")));
}

/** Programs unpacked below --tools are found there, with their libraries. */
const env = values.tools === undefined ? process.env : {
  ...process.env,
  PATH: `${values.tools}/usr/bin:${process.env.PATH}:/usr/sbin:/sbin`,
  LD_LIBRARY_PATH: ["lib", "usr/lib"].flatMap((lib) => {
    const folder = path.join(values.tools, lib);
    return nodeFs.existsSync(folder) ? nodeFs.readdirSync(folder).map((machine) => path.join(folder, machine)) : [];
  }).join(":"),
};

function run(program, args, input) {
  const { status, stderr, error } = spawnSync(program, args, { input, env, encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) throw error ?? new Error(`${program}: ${stderr}`);
}

const source = path.join(scratch, "source");
const smallSource = path.join(scratch, "small");

/** Files that programs copy. */
function makeSources() {
  const fd = nodeFs.openSync(source, "w");
  for (let i = 0; i < SIZES.mib; i++) nodeFs.writeSync(fd, block);
  nodeFs.closeSync(fd);
  nodeFs.mkdirSync(smallSource);
  for (let i = 0; i < SIZES.small; i++) nodeFs.writeFileSync(path.join(smallSource, `file-${i}`), little);
}

function cp() {
  const to = nodeFs.mkdtempSync(path.join(scratch, "cp-"));
  return {
    small: () => run("cp", ["-r", smallSource, to]),
    write: () => run("cp", [source, path.join(to, "big")]),
    end: () => nodeFs.rmSync(to, { recursive: true, force: true }),
  };
}

/** An ext2 image for `files` files. */
function ext2(files) {
  const image = path.join(scratch, "ext2.img");
  run("mke2fs", ["-q", "-F", "-t", "ext2", "-N", String(files + 1000), image, "1g"]);
  return image;
}

function debugfs() {
  const image = ext2(SIZES.small);
  const script = (lines) => run("debugfs", ["-w", "-f", "-", image], lines.join("\n"));
  return {
    small: () => script(Array.from({ length: SIZES.small }, (_, i) => `write ${smallSource}/file-${i} file-${i}`)),
    write: () => script([`write ${source} big`]),
    read: () => run("debugfs", ["-R", "dump big /dev/null", image]),
    end: () => nodeFs.rmSync(image),
  };
}

function e2tools() {
  const image = ext2(SIZES.small);
  const copy = path.join(scratch, "e2tools-copy");
  return {
    small: () => run("e2cp", [...Array.from({ length: SIZES.small }, (_, i) => `${smallSource}/file-${i}`), `${image}:/`]),
    write: () => run("e2cp", [source, `${image}:/big`]),
    read: () => run("e2cp", [`${image}:/big`, copy]),
    end: () => {
      nodeFs.rmSync(image);
      nodeFs.rmSync(copy);
    },
  };
}

function fuse2fs() {
  const image = ext2(SIZES.small + SIZES.creates);
  const at = nodeFs.mkdtempSync(path.join(scratch, "fuse2fs-"));
  run("fuse2fs", [image, at, "-o", "rw"]);
  const rows = calls(nodeFs, at);
  return {
    ...rows,
    end: () => {
      rows.close();
      run("umount", [at]);
      nodeFs.rmSync(image);
    },
  };
}

async function importMemfs() {
  if (values.memfs === undefined) return import("memfs");
  const { main } = JSON.parse(nodeFs.readFileSync(path.join(values.memfs, "package.json"), "utf8"));
  return import(pathToFileURL(path.join(values.memfs, main)));
}

/** Why a peer cannot take part, or null. */
function trouble(make) {
  try {
    make().end();
    return null;
  } catch (error) {
    return error.message.trim().split("\n")[0];
  }
}

/** The peers that work here, and why the others do not. */
async function peers() {
  const all = { "HAMMER": hammer, "node:fs on tmpfs": tmpfsCalls, "cp to tmpfs": cp };
  const absent = {};
  try {
    const { Volume, createFsFromVolume } = await importMemfs();
    all["memfs"] = () => calls(createFsFromVolume(Volume.fromJSON({ "/m/empty": "" })), "/m");
  } catch (error) {
    absent["memfs"] = error.message.split("\n")[0];
  }
  for (const [name, program, make] of [["fuse2fs (ext2)", "fuse2fs", fuse2fs], ["e2tools (ext2)", "e2cp", e2tools], ["debugfs (ext2)", "debugfs", debugfs]]) {
    const why = spawnSync(program, ["-V"], { env }).error === undefined ? (make === fuse2fs ? trouble(make) : null) : "not installed";
    if (why === null) all[name] = make;
    else absent[name] = why;
  }
  return { list: all, absent };
}

function timed(body) {
  const before = process.cpuUsage(), start = performance.now();
  body();
  const wall = performance.now() - start, used = process.cpuUsage(before);
  return { cpu: (used.user + used.system) / 1000, wall };
}

makeSources();
const { list, absent } = await peers();
for (const [peer, why] of Object.entries(absent)) console.log(`${peer} is left out: ${why}`);
/** Peers whose work other processes do. */
const elsewhere = (peer) => !["HAMMER", "node:fs on tmpfs", "memfs"].includes(peer);
/** best[row][peer]: rates by processor time and by the clock. */
const best = Object.fromEntries(Object.keys(ROWS).map((row) => [row, {}]));
for (let round = 0; round < rounds; round++) {
  for (const [peer, make] of Object.entries(list)) {
    const can = make();
    for (const [row, { amount }] of Object.entries(ROWS)) {
      if (can[row] === undefined) continue;
      const spent = timed(can[row]);
      const cpu = elsewhere(peer) ? null : amount / spent.cpu * 1000;
      const b = best[row][peer] ??= { cpu: null, wall: 0 };
      if (cpu !== null) b.cpu = Math.max(b.cpu ?? 0, cpu);
      b.wall = Math.max(b.wall, amount / spent.wall * 1000);
    }
    can.end();
  }
}
for (const [row, { what, unit, target }] of Object.entries(ROWS)) {
  console.log(`${what} (${unit}; target ${target})`);
  for (const [peer, { cpu, wall }] of Object.entries(best[row]))
    console.log(`  ${peer.padEnd(20)} ${(cpu === null ? "" : cpu.toFixed(0)).padStart(10)} (${wall.toFixed(0).padStart(8)})`);
}
if (values.json !== undefined) nodeFs.writeFileSync(values.json, JSON.stringify({ rows: ROWS, best, absent, rounds, node: process.version }, null, 1));
