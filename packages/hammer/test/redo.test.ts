// SPDX-License-Identifier: BSD-3-Clause
/**
 * fsync with REDO records: what it costs, what the FIFO holds, and power cuts at every place of a workload that fsyncs
 * heavily.
 *
 * Logged operations reach the FIFO in order, so what may be found after a cut is a durable state, then all logged
 * operations up to some point no earlier than the last acknowledged fsync; of the next one, a write may be there in part.
 */
import { describe, expect, it } from "vitest";
import { OverlayDevice, type BlockDevice } from "../src/device.ts";
import { FIFO_REDO, FIFO_TYPE_PAD, FIFO_TYPE_REDO, FIFO_TYPE_UNDO, REDO_SYNC, REDO_TERM_TRUNC, REDO_TERM_WRITE, REDO_TRUNC, REDO_WRITE } from "../src/disk/fifo.ts";
import { FifoReader } from "../src/fifo.ts";
import { openVolumes } from "../src/io.ts";
import { mount, type HammerMount, type MountOptions } from "../src/mount.ts";
import type { HammerInode } from "../src/object/inode.ts";
import { SeededRandom, SimDisk, cutsOfEpoch, epochs, imageAt, type SimEvent } from "../src/sim-disk.ts";
import { formatted } from "./formatted.ts";
import { expectSound } from "./sound.ts";
import { tally } from "./tally.ts";

const DEEP = Number(process.env["HAMMER_CRASH_DEPTH"] ?? "1");
const SEED = Number(process.env["HAMMER_SEED"] ?? "1");
const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;
let clock = 1_700_000_000_000_000n;

function open(device: BlockDevice, options: Partial<MountOptions> = {}): HammerMount {
  return mount([device], { now: () => (clock += 1000n), readOnly: false, redoInMemory: true, ...options });
}

function bytesOf(m: HammerMount, ip: HammerInode): Uint8Array {
  const out = new Uint8Array(ip.size);
  expect(m.read(ip, 0, out, 0, out.length)).toBe(out.length);
  return out;
}

/** Every file of the root directory with its contents. */
function filesOf(m: HammerMount): Map<string, Uint8Array> {
  const names: string[] = [];
  m.readdir(m.root, 2, (name) => names.push(name) > 0);
  return new Map(names.sort().map((name) => {
    const ip = m.lookup(m.root, name)!;
    const content = bytesOf(m, ip);
    m.rele(ip);
    return [name, content];
  }));
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 13 + seed * 101 + (i >> 7)) & 0xff);
}

/** Kinds of the records of the FIFO's live span, in order. */
function span(device: BlockDevice): string[] {
  const volumes = openVolumes([device]);
  const fifo = new FifoReader(volumes);
  const kinds: string[] = [];
  let seq = -1;
  for (let at = fifo.fromHeader("first_offset"); fifo.next(at); at = fifo.end) {
    if (fifo.type === FIFO_TYPE_PAD) continue;
    if (seq !== -1 && fifo.seq !== seq) break;
    if (fifo.type !== FIFO_TYPE_REDO && fifo.type !== FIFO_TYPE_UNDO) break;
    seq = (fifo.seq + 1) >>> 0;
    const flags = fifo.type === FIFO_TYPE_REDO ? FIFO_REDO.read(fifo.view, fifo.at).redo_flags : 0;
    const kind = { 0: "UNDO", [REDO_WRITE]: "WRITE", [REDO_TRUNC]: "TRUNC", [REDO_TERM_WRITE]: "TERM_WRITE", [REDO_TERM_TRUNC]: "TERM_TRUNC", [REDO_SYNC]: "SYNC" }[flags]!;
    if (kinds.at(-1) !== kind) kinds.push(kind);
  }
  return kinds;
}

/** A disk with files a, b and c of `size` bytes, each fsynced once: REDO is on for them. */
function prepared(disk: SimDisk, size: number, options: Partial<MountOptions> = {}): { m: HammerMount; files: HammerInode[] } {
  const m = open(disk, options);
  const files = ["a", "b", "c"].map((name, i) => {
    const ip = m.create(m.root, name, FILE);
    m.write(ip, 0, pattern(size, i), 0, size);
    return ip;
  });
  for (const ip of files) m.fsync(ip);
  return { m, files };
}

describe("fsync", () => {
  it("after the first, writes the FIFO and flushes once; records stand as the original lays them", () => {
    const store = new OverlayDevice(formatted(7));
    const disk = new SimDisk(store);
    const { m, files } = prepared(disk, 30_000);
    const before = { ...disk.count };
    m.write(files[0]!, 100, pattern(1000, 9), 0, 1000);
    m.write(files[1]!, 30_000, pattern(10, 8), 0, 10);
    m.fsync(files[0]!);
    expect({ write: disk.count.write - before.write, flush: disk.count.flush - before.flush }).toEqual({ write: 1, flush: 1 });
    expect(span(store)).toEqual(["WRITE", "SYNC", "WRITE"]);
    m.truncate(files[2]!, 20_000);
    m.fsync(files[1]!);
    expect(disk.count.flush - before.flush).toBe(2);
    expect(span(store)).toEqual(["WRITE", "SYNC", "WRITE", "TRUNC", "TERM_TRUNC"]);
    // A truncation is nothing that a logged fsync covers: it flushes.
    const at = disk.log.length;
    m.fsync(files[2]!);
    const crashed = new OverlayDevice(formatted(7));
    const flushes = disk.log.map((e, i) => (e.kind === "flush" && i >= at ? i : -1)).filter((i) => i >= 0);
    imageAt(crashed, disk.log, { start: flushes[0]!, writes: [] }, []);
    expect(span(crashed)).toEqual(["WRITE", "SYNC", "WRITE", "TRUNC", "TERM_TRUNC", "TERM_WRITE", "UNDO"]);
    expect(span(store)).toEqual([]);
  });

  it.each([[0, 7], [2, 3]] as const)("mode %i, version %i: everything is flushed, nothing logged", (fsyncMode, version) => {
    const store = new OverlayDevice(formatted(version));
    const disk = new SimDisk(store);
    const { m, files } = prepared(disk, 1000, { fsyncMode });
    const { flush } = disk.count;
    m.write(files[0]!, 0, pattern(10, 1), 0, 10);
    m.fsync(files[0]!);
    expect(disk.count.flush - flush).toBeGreaterThan(2);
    expect(open(store, { readOnly: true }).recovery).toMatchObject({ clean: true });
  });

  it.each([1, 3, 4] as const)("mode %i flushes nothing; what sync makes durable does not depend on it", (fsyncMode) => {
    const store = new OverlayDevice(formatted(7));
    const disk = new SimDisk(store);
    const m = open(disk, { fsyncMode });
    const ip = m.create(m.root, "f", FILE);
    m.sync();
    m.fsync(ip); // mode 3 logs from here on
    const before = { ...disk.count };
    m.write(ip, 0, pattern(5000, 3), 0, 5000);
    m.fsync(ip);
    expect(disk.count.flush - before.flush).toBe(0);
    expect(disk.count.write - before.write).toBe(fsyncMode === 3 ? 1 : 0);
    m.sync();
    expect(filesOf(open(store, { readOnly: true })).get("f")).toEqual(pattern(5000, 3));
  });

  it("covers names, attributes and directories by flushing", () => {
    const store = new OverlayDevice(formatted(7));
    const { m, files } = prepared(new SimDisk(store), 1000);
    const seen = (): string[] => [...filesOf(open(store, { readOnly: true })).keys()];
    m.rename(m.root, "a", m.root, "z");
    m.fsync(files[0]!);
    expect(seen()).toEqual(["b", "c", "z"]);
    m.link(files[1]!, m.root, "b2");
    m.fsync(files[1]!);
    expect(seen()).toEqual(["b", "b2", "c", "z"]);
    m.fsync(m.root);
    m.rele(m.create(m.root, "new", FILE));
    m.fsync(m.root);
    expect(seen()).toEqual(["b", "b2", "c", "new", "z"]);
  });

  it("stops logging a file that was written too much, and starts again", () => {
    const store = new OverlayDevice(formatted(7));
    const disk = new SimDisk(store);
    const { m, files } = prepared(disk, 0);
    const big = pattern(3 << 20, 4);
    m.write(files[0]!, 0, big, 0, big.length);
    let { flush } = disk.count;
    m.fsync(files[0]!);
    expect(disk.count.flush - flush).toBeGreaterThan(2);
    ({ flush } = disk.count);
    m.write(files[0]!, 5, big, 0, 100);
    m.fsync(files[0]!);
    expect(disk.count.flush - flush).toBe(1);
    big.copyWithin(5, 0, 100);
    expect(Buffer.compare(filesOf(open(new OverlayDevice(store))).get("a")!, big)).toBe(0);
  });

  it("a read-only mount shows what was fsynced if asked to, and writes nothing; skipRedo leaves it out", () => {
    const store = new OverlayDevice(formatted(7));
    const { m, files } = prepared(new SimDisk(store), 100);
    m.write(files[1]!, 50, pattern(200, 7), 0, 200);
    m.fsync(files[1]!);
    const disk = new SimDisk(new OverlayDevice(store));
    expect(filesOf(open(disk, { readOnly: true })).get("b")!.length).toBe(250);
    expect(disk.count).toMatchObject({ write: 0, flush: 0 });
    expect(filesOf(open(disk, { readOnly: true, redoInMemory: false })).get("b")!.length).toBe(100);
    expect(filesOf(open(new OverlayDevice(store), { skipRedo: 2 })).get("b")!.length).toBe(100);
  });
});

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

function same(a: Map<string, Uint8Array>, b: Map<string, Uint8Array>): boolean {
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
function check(crashed: BlockDevice, states: readonly Epoch[], acked: Mark, latest: Mark, thorough: boolean, where: string): Map<string, Uint8Array> {
  const device = new OverlayDevice(crashed);
  const m = open(device);
  const found = filesOf(m);
  if (!isAllowed(found, states, acked, latest))
    throw new Error(`${where}: not a state that may be found from ${JSON.stringify(acked)} to ${JSON.stringify(latest)}`);
  if (thorough) {
    expect(same(filesOf(open(crashed, { readOnly: true })), found), `${where}: read-only`).toBe(true);
    m.rele(m.create(m.root, "after", FILE));
    m.unmount();
    expectSound(device);
  }
  return found;
}

describe.each(DEEP > 1 ? [4, 7] : [7])("version %i: cuts of fsyncs", (version) => {
  it("keep what was fsynced, and what was logged in order", () => {
    const base = formatted(version);
    const { log, states, start } = workload(base, SEED * 7 + version, 70 * DEEP);
    const rnd = new SeededRandom(SEED);
    const durable = new OverlayDevice(base);
    let acked: Mark = { full: 0, ops: 0 };
    let tried = 0;
    for (const epoch of epochs(log)) {
      if (epoch.end > start) {
        const next = log.slice(epoch.end).find((e) => e.kind === "mark");
        const latest = next?.kind === "mark" ? next.note as Mark : { full: states.length - 1, ops: states.at(-1)!.ops.length };
        for (const cut of cutsOfEpoch(log, epoch, rnd, { perKind: 3 * DEEP, random: 4 * DEEP })) {
          const crashed = new OverlayDevice(durable);
          imageAt(crashed, log, { start: 0, writes: epoch.writes }, cut);
          check(crashed, states, acked, latest, tried % 5 === 0, `epoch at ${epoch.start}, cut ${JSON.stringify(cut)}`);
          tried++;
        }
      }
      imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
      for (let i = epoch.end + 1; i < log.length && log[i]!.kind === "mark"; i++) acked = (log[i] as { note: Mark }).note;
    }
    tally("cuts", tried);
    expect(tried).toBeGreaterThan(250);
  });

  it("in recovery: the next recovery comes to the same state", () => {
    const base = formatted(version);
    const { log, states, start } = workload(base, SEED * 11 + version, 40);
    const rnd = new SeededRandom(SEED + 5);
    const durable = new OverlayDevice(base);
    let tried = 0;
    for (const [n, epoch] of epochs(log).entries()) {
      imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
      if (epoch.end <= start || n % 3 !== 0) continue;
      const found = filesOf(open(durable, { readOnly: true }));
      const disk = new SimDisk(new OverlayDevice(durable));
      open(disk);
      const again = new OverlayDevice(durable);
      for (const inner of epochs(disk.log)) {
        for (const cut of cutsOfEpoch(disk.log, inner, rnd, { perKind: DEEP, random: DEEP })) {
          const crashed = new OverlayDevice(again);
          imageAt(crashed, disk.log, { start: 0, writes: inner.writes }, cut);
          expect(same(filesOf(open(crashed)), found)).toBe(true);
          if (tried++ % 5 === 0) expectSound(crashed);
        }
        imageAt(again, disk.log, { start: 0, writes: inner.writes }, inner.writes.map(() => true));
      }
    }
    tally("cuts", tried);
    expect(states.length).toBeGreaterThan(1);
    expect(tried).toBeGreaterThan(40);
  });
});

it("records that a crash left behind the end of the FIFO do not come back after later ones", () => {
  const disk = new SimDisk(new OverlayDevice(formatted(7)));
  const { m, files } = prepared(disk, 1000);
  const before = disk.log.length;
  // Payloads that fill lines to the last byte; the SYNC record shares the second line.
  const lengths = [448, 384, 448, 448, 448];
  for (const [i, length] of lengths.entries()) m.write(files[0]!, 0, pattern(length, i), 0, length);
  m.fsync(files[0]!);
  const write = disk.log.findIndex((e, i) => i >= before && e.kind === "write");
  expect((disk.log[write] as { data: Uint8Array }).data.length).toBe(lengths.length * 512);
  for (let lost = 2; lost < lengths.length; lost++) {
    // A cut before that flush returned: the first lines are lost, the others are not.
    const crashed = new OverlayDevice(formatted(7));
    imageAt(crashed, disk.log, { start: write, writes: [write] }, [lengths.map((_, i) => i >= lost)]);
    // Another session puts as many records where the lost ones should have been.
    const again = open(crashed);
    const ip = again.lookup(again.root, "a")!;
    again.fsync(ip);
    for (let i = 0; i < lost; i++) again.write(ip, 0, pattern(lengths[i]!, 40 + i), 0, lengths[i]!);
    again.fsync(ip);
    expect(filesOf(open(crashed, { readOnly: true })).get("a"), `${lost} lines lost`).toEqual(bytesOf(again, ip));
  }
});

it("a session that logs at once does so only after the numbers have jumped", () => {
  const disk = new SimDisk(new OverlayDevice(formatted(7)));
  prepared(disk, 1000).m.unmount();
  const again = open(disk);
  const ip = again.lookup(again.root, "a")!;
  again.fsync(ip); // nothing to do, so nothing has been flushed
  const { flush } = disk.count;
  again.write(ip, 0, pattern(100, 1), 0, 100);
  again.fsync(ip);
  expect(disk.count.flush - flush).toBeGreaterThan(2);
  again.write(ip, 0, pattern(100, 2), 0, 100);
  again.fsync(ip);
  expect(span(disk)).toEqual(["WRITE", "SYNC"]);
});
