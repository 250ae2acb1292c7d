// SPDX-License-Identifier: BSD-3-Clause
/**
 * Power cuts at every place of a workload that fsyncs heavily.
 *
 * Logged operations reach the FIFO in order, so what may be found after a cut is a durable state, then all logged
 * operations up to some point no earlier than the last acknowledged fsync; of the next one, a write may be there in part.
 */
import { OverlayDevice, type BlockDevice } from "../../src/device.ts";
import type { HammerMount, MountOptions } from "../../src/mount.ts";
import type { HammerInode } from "../../src/object/inode.ts";
import { SeededRandom, SimDisk, cutsOfEpoch, epochs, imageAt, type CutLimits, type SimEvent } from "../../src/sim-disk.ts";
import { demand, demandSound, open } from "./check.ts";

const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;
/** Of so many cuts one is also looked at read-only, used, closed and checked to the last byte. */
const THOROUGH = 5;

/** A whole file. */
export function bytesOf(m: HammerMount, ip: HammerInode): Uint8Array {
  const out = new Uint8Array(ip.size);
  demand(m.read(ip, 0, out, 0, out.length) === out.length, "a short read");
  return out;
}

/** Every file of the root directory with its contents. */
export function filesOf(m: HammerMount): Map<string, Uint8Array> {
  const names: string[] = [];
  m.readdir(m.root, 2, (name) => names.push(name) > 0);
  return new Map(names.sort().map((name) => {
    const ip = m.lookup(m.root, name)!;
    const content = bytesOf(m, ip);
    m.rele(ip);
    return [name, content];
  }));
}

/** Bytes of which no two runs are alike. */
export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 13 + seed * 101 + (i >> 7)) & 0xff);
}

/** A disk with files a, b and c of `size` bytes, each fsynced once: REDO is on for them. */
export function prepared(disk: SimDisk, size: number, options: Partial<MountOptions> = {}): { m: HammerMount; files: HammerInode[] } {
  const m = open(disk, options);
  const files = ["a", "b", "c"].map((name, i) => {
    const ip = m.create(m.root, name, FILE);
    m.write(ip, 0, pattern(size, i), 0, size);
    return ip;
  });
  for (const ip of files) m.fsync(ip);
  return { m, files };
}

type Op = { name: string; size: number } | { name: string; offset: number; bytes: Uint8Array };

/** A state that a full flush made durable, and what was logged after it. */
interface Epoch { files: Map<string, Uint8Array>; ops: Op[] }

/** Acknowledged: full state `full`, then the first `ops` logged operations. */
interface Mark { full: number; ops: number }

function apply(files: Map<string, Uint8Array>, op: Op): void {
  const old = files.get(op.name)!;
  if ("size" in op) {
    const cut = new Uint8Array(op.size);
    cut.set(old.subarray(0, op.size));
    files.set(op.name, cut);
    return;
  }
  const now = new Uint8Array(Math.max(old.length, op.offset + op.bytes.length));
  now.set(old);
  now.set(op.bytes, op.offset);
  files.set(op.name, now);
}

/** True if both hold the same files. */
export function same(a: Map<string, Uint8Array>, b: Map<string, Uint8Array>): boolean {
  return a.size === b.size && [...a].every(([name, bytes]) => Buffer.compare(bytes, b.get(name) ?? Buffer.from("none")) === 0);
}

/** True if `found` is `files` with the beginning of a write. */
function isPartly(found: Map<string, Uint8Array>, files: Map<string, Uint8Array>, op: Op): boolean {
  const now = found.get(op.name);
  if ("size" in op || now === undefined) return false;
  let n = 0;
  while (n < op.bytes.length && op.offset + n < now.length && now[op.offset + n] === op.bytes[n]) n++;
  // Old and new bytes may be equal beyond the part that was written; the size tells.
  const part = new Map(files);
  if (now.length > files.get(op.name)!.length) n = now.length - op.offset;
  apply(part, { ...op, bytes: op.bytes.subarray(0, n) });
  return same(found, part);
}

function isAllowed(found: Map<string, Uint8Array>, epochsOf: readonly Epoch[], acked: Mark, latest: Mark): boolean {
  for (let f = acked.full; f <= latest.full; f++) {
    const files = new Map(epochsOf[f]!.files);
    const { ops } = epochsOf[f]!;
    const most = f === latest.full ? latest.ops : ops.length;
    for (let k = 0; k <= most; k++) {
      if (f > acked.full || k >= acked.ops) {
        if (same(found, files)) return true;
        if (k < most && isPartly(found, files, ops[k]!)) return true;
      }
      if (k < most) apply(files, ops[k]!);
    }
  }
  return false;
}

/** Random writes, truncations, fsyncs and now and then a new name or a sync. */
function workload(base: BlockDevice, seed: number, steps: number): { log: SimEvent[]; states: Epoch[]; start: number } {
  const rnd = new SeededRandom(seed);
  const disk = new SimDisk(new OverlayDevice(base));
  const { m, files } = prepared(disk, 9000);
  const names = ["a", "b", "c"];
  const model = filesOf(m);
  const states: Epoch[] = [{ files: new Map(model), ops: [] }];
  const start = disk.log.length;
  const ack = (): void => disk.mark({ full: states.length - 1, ops: states.at(-1)!.ops.length } satisfies Mark);
  const durable = (run: () => void): void => {
    const { flush } = disk.count;
    run();
    if (disk.count.flush - flush > 1) states.push({ files: new Map(model), ops: [] });
    ack();
  };
  ack();
  for (let i = 0; i < steps; i++) {
    const n = rnd.below(3);
    const ip = files[n]!, name = names[n]!;
    const what = rnd.below(20);
    if (what < 9) {
      const length = 1 + rnd.below(rnd.below(4) === 0 ? 3000 : 300);
      const op = { name, offset: rnd.below(3) === 0 ? ip.size : rnd.below(20_000), bytes: pattern(length, seed + i) };
      m.write(ip, op.offset, op.bytes, 0, length);
      apply(model, op);
      states.at(-1)!.ops.push(op);
    } else if (what < 17) {
      durable(() => m.fsync(ip));
    } else if (what === 17) {
      const op = { name, size: rnd.below(25_000) };
      m.truncate(ip, op.size);
      apply(model, op);
      states.at(-1)!.ops.push(op);
    } else if (what === 18) {
      m.rele(m.create(m.root, `x${i}`, FILE));
      model.set(`x${i}`, new Uint8Array(0));
    } else {
      durable(() => m.sync());
    }
  }
  return { log: disk.log, states, start };
}

/** What a cut left, seen in both ways, used and closed. */
function check(crashed: BlockDevice, states: readonly Epoch[], acked: Mark, latest: Mark, thorough: boolean, where: string): void {
  const device = new OverlayDevice(crashed);
  const m = open(device);
  const found = filesOf(m);
  demand(isAllowed(found, states, acked, latest), `${where}: not a state that may be found from ${JSON.stringify(acked)} to ${JSON.stringify(latest)}`);
  if (!thorough) return;
  demand(same(filesOf(open(crashed, { readOnly: true, redoInMemory: true })), found), `${where}: a read-only mount shows something else`);
  m.rele(m.create(m.root, "after", FILE));
  m.unmount();
  demandSound(device, where);
}

/** Cuts a workload of `steps` operations everywhere. Returns how many cuts were tried. */
export function cutFsyncs(base: BlockDevice, seed: number, steps: number, limits: CutLimits): number {
  const { log, states, start } = workload(base, seed, steps);
  const rnd = new SeededRandom(seed);
  const durable = new OverlayDevice(base);
  let acked: Mark = { full: 0, ops: 0 };
  let tried = 0;
  for (const epoch of epochs(log)) {
    if (epoch.end > start) {
      const next = log.slice(epoch.end).find((e) => e.kind === "mark");
      const latest = next?.kind === "mark" ? next.note as Mark : { full: states.length - 1, ops: states.at(-1)!.ops.length };
      for (const cut of cutsOfEpoch(log, epoch, rnd, limits)) {
        const crashed = new OverlayDevice(durable);
        imageAt(crashed, log, { start: 0, writes: epoch.writes }, cut);
        check(crashed, states, acked, latest, tried % THOROUGH === 0, `seed ${seed}, epoch at ${epoch.start}, cut ${JSON.stringify(cut)}`);
        tried++;
      }
    }
    imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
    for (let i = epoch.end + 1; i < log.length && log[i]!.kind === "mark"; i++) acked = (log[i] as { note: Mark }).note;
  }
  return tried;
}

/** Cuts the recovery after such a workload: the next one must come to the same state. Returns how many cuts were tried. */
export function cutReplay(base: BlockDevice, seed: number, limits: CutLimits): number {
  const { log, start } = workload(base, seed, 40);
  const rnd = new SeededRandom(seed);
  const durable = new OverlayDevice(base);
  let tried = 0;
  for (const [n, epoch] of epochs(log).entries()) {
    imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
    if (epoch.end <= start || n % 3 !== 0) continue;
    const found = filesOf(open(durable, { readOnly: true, redoInMemory: true }));
    const disk = new SimDisk(new OverlayDevice(durable));
    open(disk);
    const again = new OverlayDevice(durable);
    for (const inner of epochs(disk.log)) {
      for (const cut of cutsOfEpoch(disk.log, inner, rnd, limits)) {
        const crashed = new OverlayDevice(again);
        imageAt(crashed, disk.log, { start: 0, writes: inner.writes }, cut);
        demand(same(filesOf(open(crashed)), found), `seed ${seed}: a cut in recovery (${JSON.stringify(cut)}) led to another state`);
        if (tried++ % THOROUGH === 0) demandSound(crashed, `seed ${seed}, after a cut in recovery`);
      }
      imageAt(again, disk.log, { start: 0, writes: inner.writes }, inner.writes.map(() => true));
    }
  }
  return tried;
}
