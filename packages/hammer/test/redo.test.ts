// SPDX-License-Identifier: BSD-3-Clause
/** fsync with REDO records: what it costs, what the FIFO holds, and power cuts (campaign/fsync-cuts.ts). */
import { describe, expect, it } from "vitest";
import { OverlayDevice, type BlockDevice } from "../src/device.ts";
import { FIFO_REDO, FIFO_TYPE_PAD, FIFO_TYPE_REDO, FIFO_TYPE_UNDO, REDO_SYNC, REDO_TERM_TRUNC, REDO_TERM_WRITE, REDO_TRUNC, REDO_WRITE } from "../src/disk/fifo.ts";
import { FifoReader } from "../src/fifo.ts";
import { openVolumes } from "../src/io.ts";
import type { HammerMount, MountOptions } from "../src/mount.ts";
import { SimDisk, imageAt } from "../src/sim-disk.ts";
import { open as openQuietly } from "./campaign/check.ts";
import { bytesOf, cutFsyncs, cutReplay, filesOf, pattern, prepared } from "./campaign/fsync-cuts.ts";
import { formatted } from "./formatted.ts";

const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;

function open(device: BlockDevice, options: Partial<MountOptions> = {}): HammerMount {
  return openQuietly(device, { redoInMemory: true, ...options });
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

describe("power cuts of fsyncs", () => {
  it("keep what was fsynced, and what was logged in order", () => {
    expect(cutFsyncs(formatted(7), 14, 110, { perKind: 3, random: 4 })).toBeGreaterThan(400);
  });

  it("in recovery: the next recovery comes to the same state", () => {
    expect(cutReplay(formatted(4), 18, { perKind: 1, random: 1 })).toBeGreaterThan(40);
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
