// SPDX-License-Identifier: BSD-3-Clause
/** Moving things about: reblock, rebalance, dedup, against the genuine counters and against what must not change. */
import { describe, expect, it } from "vitest";
import { dedup } from "../src/admin/dedup.ts";
import { prune } from "../src/admin/prune.ts";
import { rebalance } from "../src/admin/rebalance.ts";
import { reblock } from "../src/admin/reblock.ts";
import { takeSnapshotTid } from "../src/admin/snapshots.ts";
import { OverlayDevice, type BlockDevice } from "../src/device.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { SeededRandom, SimDisk, cutsOfEpoch, epochs, imageAt } from "../src/sim-disk.ts";
import { fixtureDir, loadImage, readFixture } from "./fixtures.ts";
import { formatted } from "./formatted.ts";
import { Driver, textOf } from "./model.ts";
import { expectSound } from "./sound.ts";

const dir = fixtureDir("hammer-real");
let clock = 1_800_000_000_000_000n;
const open = (device: BlockDevice, readOnly = false): HammerMount => mount([device], { readOnly, now: () => (clock += 1000n) });

interface Manifest { operations: { op: string; result: Record<string, number> }[]; history: { tid: string }[] }
const manifest = (name: string): Manifest => JSON.parse(readFixture(`${dir}/${name}.json.gz`).toString()) as Manifest;
const operation = (m: Manifest, op: string): Record<string, number> => m.operations.find((o) => o.op === op)!.result;

/** Everything that can be seen, now and as of some TIDs. */
function views(m: HammerMount, tids: bigint[]): string[] {
  return [...tids, 0xffff_ffff_ffff_ffffn].map((tid) => {
    const root = m.asof(tid)!;
    try { return textOf(m, root); } finally { m.rele(root); }
  });
}

/** A file system of our own with history, and TIDs of it. */
function worked(version: number, seed: number, rounds: number): { device: OverlayDevice; tids: bigint[] } {
  const device = new OverlayDevice(formatted(version, { size: 256 << 20 }));
  const driver = new Driver(new SeededRandom(seed), { maxSize: 60_000, names: 60, maxDirs: 8 });
  const m = open(device);
  const tids: bigint[] = [];
  for (let i = 0; i < rounds; i++) {
    for (let k = 0; k < 150; k++) driver.step(m);
    tids.push(takeSnapshotTid(m));
  }
  m.unmount();
  return { device, tids };
}

describe.skipIf(dir === null)("reblocking genuine images (needs shared/fixtures/hammer-real)", () => {
  it("moves what the original moved, and nothing visible", () => {
    const want = manifest("maint-v7-reblocked");
    const counters = operation(want, "reblock");
    const device = loadImage(`${dir}/maint-v7-reblocked.img.gz`);
    const tids = want.history.filter((_, i) => i % 3 === 0).map((h) => BigInt(h.tid));
    let m = open(device);
    const before = views(m, tids);
    const { nodes, nodesMoved, elements, elementsMoved, bytesMoved, damaged } = reblock(m, { allPfs: true });
    expect({ nodes, nodesMoved, elements, elementsMoved, bytesMoved, damaged }).toEqual({
      nodes: counters["btree"], nodesMoved: counters["btmoves"], elements: counters["data"], elementsMoved: counters["datamoves"],
      bytesMoved: counters["bytemoves"], damaged: 0,
    });
    expect(views(m, tids)).toEqual(before);
    m.unmount();
    expectSound(device);
    m = open(device, true);
    expect(views(m, tids)).toEqual(before);
    m.unmount();
  });

  it("ends the sharing that dedup made, and dedup makes it again", () => {
    const want = manifest("maint-v6-dedup");
    const device = loadImage(`${dir}/maint-v6-dedup.img.gz`);
    const tids = want.history.filter((_, i) => i % 3 === 0).map((h) => BigInt(h.tid));
    const m = open(device);
    const before = views(m, tids);
    // The original's run missed some; ours finds them, and then no more.
    const more = dedup(m).newRecords;
    expect(dedup(m).newRecords).toBe(0);
    reblock(m, { kinds: ["data"] });
    const counters = operation(want, "dedup");
    const simulated = dedup(m, { simulate: true });
    const done = dedup(m);
    expect(done.newRecords).toBe(counters["dedup"]! + more);
    expect(simulated.referencedBytes).toBe(done.referencedBytes);
    expect(done.ratio).toBeGreaterThan(1);
    expect(views(m, tids)).toEqual(before);
    m.unmount();
    expectSound(device);
  });
});

describe("on our own file systems", () => {
  it.each(process.env["HAMMER_NIGHTLY"] === undefined ? [7] : [2, 7])("version %i: prune, rebalance, reblock in every kind leave all views as they were", (version) => {
    const { device, tids } = worked(version, 3, 4);
    let m = open(device);
    const before = views(m, tids);
    for (const kinds of [["btree"], ["inodes"], ["dirs"], ["data"]] as const) {
      const r = reblock(m, { kinds, fill: kinds[0] === "dirs" ? 95 : 100 });
      expect(r.damaged).toBe(0);
      expect(views(m, tids)).toEqual(before);
    }
    for (const saturation of [31, 62, 53]) {
      rebalance(m, { saturation });
      expect(views(m, tids)).toEqual(before);
    }
    m.unmount();
    expectSound(device);
    m = open(device);
    expect(views(m, tids)).toEqual(before);
    prune(m, { ranges: "everything" });
    reblock(m);
    expect(views(m, [])).toEqual(before.slice(-1));
    m.unmount();
    expectSound(device);
  });

  it("makes whole big-blocks free where files were removed", () => {
    const device = new OverlayDevice(formatted(7, { size: 384 << 20 }));
    const m = open(device);
    const data = new Uint8Array(1 << 20);
    for (let i = 0; i < 96; i++) {
      const ip = m.create(m.root, `f${i}`, { type: "file", mode: 0o644, uid: 0, gid: 0 });
      m.write(ip, 0, data.fill(i), 0, data.length);
      m.rele(ip);
    }
    m.sync();
    for (let i = 0; i < 96; i++) if (i % 4 !== 0) m.unlink(m.root, `f${i}`);
    m.sync();
    prune(m, { ranges: "everything" });
    const before = m.info().freeBigblocks;
    reblock(m, { fill: 90 });
    expect(m.info().freeBigblocks - before).toBeGreaterThanOrEqual(8);
    m.unmount();
    expectSound(device);
  });

  it("stops when asked to, resumes where it stopped, and has moved everything in the end", () => {
    const { device } = worked(7, 4, 6);
    const m = open(device);
    const first = reblock(m, { kinds: ["inodes"], progress: () => false });
    expect(first.stoppedAt).not.toBe(null);
    const second = reblock(m, { kinds: ["inodes"], resume: first.stoppedAt! });
    expect(second.stoppedAt).toBe(null);
    const whole = reblock(m, { kinds: ["inodes"] });
    expect(first.elements + second.elements).toBe(whole.elements);
    m.unmount();
    expectSound(device);
  });

  it("a cut anywhere leaves everything visible as it was", () => {
    const { device: base, tids } = worked(7, 6, 2);
    const look = open(base, true);
    const before = views(look, tids);
    look.unmount();
    const disk = new SimDisk(new OverlayDevice(base));
    const m = open(disk);
    rebalance(m, {});
    reblock(m, {});
    dedup(m);
    const rnd = new SeededRandom(7);
    const durable = new OverlayDevice(base);
    let tried = 0;
    for (const epoch of epochs(disk.log)) {
      for (const cut of cutsOfEpoch(disk.log, epoch, rnd, { perKind: 1, random: 2 })) {
        const crashed = new OverlayDevice(durable);
        imageAt(crashed, disk.log, { start: 0, writes: epoch.writes }, cut);
        const after = open(crashed);
        expect(views(after, tids)).toEqual(before);
        after.unmount();
        expectSound(crashed);
        tried++;
      }
      imageAt(durable, disk.log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
    }
    expect(tried).toBeGreaterThan(20);
  });
});
