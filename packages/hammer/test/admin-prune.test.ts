// SPDX-License-Identifier: BSD-3-Clause
/** Pruning the genuine unpruned image gives what the original's prune gave: its counters, its tree, its history. */
import { describe, expect, it } from "vitest";
import { prune, pruneTable } from "../src/admin/prune.ts";
import { OverlayDevice } from "../src/device.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { SeededRandom } from "../src/sim-disk.ts";
import { fixtureDir, loadImage, readFixture } from "./fixtures.ts";
import { formatted } from "./formatted.ts";
import { Driver, textOf } from "./model.ts";
import { expectSound } from "./sound.ts";
import { removeSnapshot, addSnapshot, takeSnapshotTid } from "../src/admin/snapshots.ts";
import { isHammerError } from "../src/error.ts";

const dir = fixtureDir("hammer-real");
let clock = 1_800_000_000_000_000n;
const open = (device: OverlayDevice, readOnly = false): HammerMount => mount([device], { readOnly, now: () => (clock += 1000n) });

interface Manifest { snapshots: { tid: string }[]; operations: { op: string; result: Record<string, number> }[]; history: { tid: string; entries: unknown[] }[] }

describe.skipIf(dir === null)("against the genuine prune (needs shared/fixtures/hammer-real)", () => {
  it("counters, live tree and every snapshot are those of the original", () => {
    const want = JSON.parse(readFixture(`${dir}/maint-v6-pruned.json.gz`).toString()) as Manifest;
    const before = loadImage(`${dir}/maint-v6-dedup.img.gz`);
    const after = loadImage(`${dir}/maint-v6-pruned.img.gz`);
    const m = open(before);
    const genuine = open(after, true);
    const ranges = pruneTable(want.snapshots.map((s) => ({ tid: BigInt(s.tid), time: 0 })));
    const counters = want.operations.find((o) => o.op === "prune")!.result;
    const { scanned, records, dirEntries, bytes, stoppedAt } = prune(m, { ranges });
    expect({ scanned, records, dirEntries, bytes, stoppedAt })
      .toEqual({ scanned: counters["scan"], records: counters["raw"], dirEntries: counters["dir"], bytes: counters["bytes"], stoppedAt: null });
    expect(prune(m, { ranges }).records).toBe(0);
    for (const tid of [...want.history.map((h) => BigInt(h.tid)), 0xffff_ffff_ffff_ffffn]) {
      const [ours, theirs] = [m.asof(tid)!, genuine.asof(tid)!];
      expect(textOf(m, ours)).toBe(textOf(genuine, theirs));
      m.rele(ours);
      genuine.rele(theirs);
    }
    m.unmount();
    genuine.unmount();
    expectSound(before);
  });
});

describe("pruning our own history", () => {
  it.each([1, 7])("version %i: snapshots stay, what lies between goes, everything else is sound", (version) => {
    const device = new OverlayDevice(formatted(version));
    const driver = new Driver(new SeededRandom(5), { maxSize: 60_000, names: 14, maxDirs: 5 });
    let m = open(device);
    const past: { tid: bigint; text: string }[] = [];
    for (let i = 0; i < 8; i++) {
      for (let k = 0; k < 30; k++) {
        driver.step(m);
        if (k % 5 === 0) m.sync();
      }
      past.push({ tid: takeSnapshotTid(m), text: driver.model.text() });
    }
    const kept = past.filter((_, i) => i % 2 === 1);
    const first = prune(m, { ranges: pruneTable(kept.map((s) => ({ tid: s.tid, time: 0 }))), progress: () => true });
    expect(first.records).toBeGreaterThan(20);
    for (const s of kept) {
      const root = m.asof(s.tid)!;
      expect(textOf(m, root)).toBe(s.text);
      m.rele(root);
    }
    expect(textOf(m, m.root)).toBe(driver.model.text());
    m.unmount();
    expectSound(device);
    m = open(device);
    const all = prune(m, { ranges: "everything" });
    expect(all.records).toBeGreaterThan(20);
    expect(prune(m, { ranges: "everything" }).records).toBe(0);
    expect(textOf(m, m.root)).toBe(driver.model.text());
    m.unmount();
    expectSound(device);
  });

  it("one snapshot prunes nothing; young ones count as the present", () => {
    expect(pruneTable([{ tid: 100n, time: 0 }])).toEqual([]);
    const three = [{ tid: 300n, time: 3e6 }, { tid: 100n, time: 1e6 }, { tid: 200n, time: 2e6 }];
    expect(pruneTable(three)).toEqual([{ beg: 200n, end: 300n, mod: 100n }, { beg: 100n, end: 200n, mod: 100n }, { beg: 1n, end: 100n, mod: 99n }]);
    expect(pruneTable(three, 5, 7)).toEqual([{ beg: 100n, end: 200n, mod: 100n }, { beg: 1n, end: 100n, mod: 99n }]);
  });
});

describe("snapshot records", () => {
  it("are added once, listed in order, removed for good", () => {
    const device = new OverlayDevice(formatted(7));
    let m = open(device);
    const tids = [1, 2, 3].map((n) => {
      const tid = takeSnapshotTid(m);
      addSnapshot(m, tid, `number ${n}`);
      m.rele(m.create(m.root, `f${n}`, { type: "file", mode: 0o644, uid: 0, gid: 0 }));
      return tid;
    });
    expect(() => addSnapshot(m, tids[1]!)).toThrow(/already/);
    removeSnapshot(m, tids[1]!);
    try {
      removeSnapshot(m, tids[1]!);
      expect.unreachable();
    } catch (error) {
      expect(isHammerError(error, "ENOENT")).toBe(true);
    }
    m.unmount();
    expectSound(device);
    m = open(device, true);
    expect(m.listSnapshots().map((s) => [s.tid, s.label])).toEqual([[tids[0], "number 1"], [tids[2], "number 3"]]);
    m.unmount();
  });
});
