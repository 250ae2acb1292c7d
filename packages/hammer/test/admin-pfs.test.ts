// SPDX-License-Identifier: BSD-3-Clause
/** Pseudo file systems, configuration and version: on genuine images where there are any, and on our own. */
import { describe, expect, it } from "vitest";
import { createPfs, destroyPfs, downgradePfs, freePfsId, updatePfs, upgradePfs } from "../src/admin/pfs.ts";
import { setConfig } from "../src/admin/snapshots.ts";
import { upgradeVersion } from "../src/admin/version.ts";
import { OverlayDevice, type BlockDevice } from "../src/device.ts";
import { isHammerError } from "../src/error.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { SeededRandom, SimDisk, epochs, imageAt } from "../src/sim-disk.ts";
import { fixtureDir, loadImage } from "./fixtures.ts";
import { formatted } from "./formatted.ts";
import { Driver, textOf } from "./model.ts";
import { expectSound } from "./sound.ts";

const dir = fixtureDir("hammer-real");
let clock = 1_800_000_000_000_000n;
const open = (device: BlockDevice, readOnly = false): HammerMount => mount([device], { readOnly, now: () => (clock += 1000n) });
const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;

function random(seed: number): (b: Uint8Array) => void {
  const r = new SeededRandom(seed);
  return (b) => b.forEach((_, i) => { b[i] = r.below(256); });
}

function treeOf(m: HammerMount, pfs: number, tid = 0xffff_ffff_ffff_ffffn): string | null {
  const root = m.asof(tid, pfs);
  if (root === null) return null;
  // What a link to a PFS reads as depends on that PFS.
  try { return textOf(m, root).replaceAll(/ \d+ 1 @@\S+/g, " a PFS"); } finally { m.rele(root); }
}

function codeOf(f: () => unknown): string {
  try {
    f();
    return "done";
  } catch (e) {
    return isHammerError(e) ? e.code : String(e);
  }
}

describe.skipIf(dir === null).each(["pfs-v6", "pfs-v7"])("%s (genuine)", (name) => {
  it("promotes the slave as of its sync_end_tid, destroys another PFS, leaves the rest as it was", () => {
    const device = loadImage(`${dir}/${name}.img.gz`);
    let m = open(device);
    const slave = m.listPfs().find((p) => p.slave)!;
    const want = treeOf(m, slave.id, slave.syncEndTid);
    const others = [0, 1, 4, 11].map((id) => treeOf(m, id));
    const inodes = m.info().inodes;
    upgradePfs(m, slave.id);
    expect(treeOf(m, slave.id)).toBe(want);
    expect(m.info().inodes).toBe(inodes);
    const doomed = treeOf(m, 2)!.split("\n").length;
    expect(destroyPfs(m, 2).destroyed).toBeGreaterThan(doomed);
    expect(m.listPfs().map((p) => [p.id, p.slave])).toEqual([0, 1, 3, 4, 11].map((id) => [id, false]));
    expect(freePfsId(m)).toBe(2);
    expect(codeOf(() => upgradePfs(m, 1))).toBe("EINVAL");
    expect(codeOf(() => destroyPfs(m, 2))).toBe("ENOENT");
    expect(codeOf(() => destroyPfs(m, 0))).toBe("EINVAL");
    m.unmount();
    expectSound(device);
    m = open(device, true);
    expect([0, 1, 4, 11].map((id) => treeOf(m, id))).toEqual(others);
    expect(treeOf(m, 2)).toBe(null);
    expect(treeOf(m, slave.id)).toBe(want);
    m.unmount();
  });
});

describe("pseudo file systems of our own", () => {
  it("are made, used, changed, downgraded, promoted, destroyed, and their ids used again", () => {
    const device = new OverlayDevice(formatted(7));
    let m = open(device);
    const one = createPfs(m, m.root, "one", { label: "first", random: random(1) });
    expect(one).toMatchObject({ id: 1, slave: false, label: "first", syncBegTid: 1n });
    const two = createPfs(m, m.root, "two", { slave: true, sharedUuid: one.sharedUuid, random: random(2) });
    expect(two).toMatchObject({ id: 2, slave: true, sharedUuid: one.sharedUuid, syncEndTid: 1n });
    expect(codeOf(() => createPfs(m, m.root, "one", { random: random(3) }))).toBe("EEXIST");
    const link = m.lookup(m.root, "one")!;
    expect(m.readlink(link)).toBe("@@-1:00001");
    m.rele(link);
    const root = m.lookup(m.root, "@@-1:00001")!;
    m.rele(m.create(root, "inside", FILE));
    expect(codeOf(() => destroyPfs(m, 1))).toBe("EBUSY");
    m.rele(root);
    expect(updatePfs(m, 1, { label: "renamed", snapshotsDir: "/snaps", pruneMin: 3600 })).toMatchObject({ label: "renamed", snapshotsDir: "/snaps", pruneMin: 3600 });
    expect(codeOf(() => updatePfs(m, 1, { snapshotsDir: "relative" }))).toBe("EINVAL");
    expect(codeOf(() => updatePfs(m, 1, { sharedUuid: "nonsense" }))).toBe("EINVAL");
    const down = downgradePfs(m, 1);
    expect(down.slave).toBe(true);
    expect(down.syncEndTid).toBeGreaterThan(0x1_0000_0000n);
    const slave = m.asof(0xffff_ffff_ffff_ffffn, 1)!;
    expect(codeOf(() => m.create(slave, "refused", FILE))).toBe("EROFS");
    expect(codeOf(() => m.unlink(slave, "inside"))).toBe("EROFS");
    m.rele(slave);
    upgradePfs(m, 1);
    expect(treeOf(m, 1)).toContain("inside");
    m.unmount();
    expectSound(device);
    m = open(device);
    destroyPfs(m, 1);
    expect(createPfs(m, m.root, "again", { random: random(4) }).id).toBe(1);
    expect(treeOf(m, 1)).not.toContain("inside");
    m.unmount();
    expectSound(device);
  });

  it("configuration is replaced without history", () => {
    const device = new OverlayDevice(formatted(6));
    const m = open(device);
    expect(m.config()).toBe(null);
    setConfig(m, "snapshots 1d 60d\n");
    setConfig(m, "snapshots 2d 30d\nprune 1d 5m\n");
    expect(m.config()).toBe("snapshots 2d 30d\nprune 1d 5m\n");
    expect(codeOf(() => setConfig(m, "x".repeat(1024)))).toBe("EINVAL");
    expect(codeOf(() => setConfig(m, "x", 9))).toBe("ENOENT");
    m.unmount();
    expectSound(device);
    const old = open(new OverlayDevice(formatted(2)));
    expect(codeOf(() => setConfig(old, "x"))).toBe("E_VERSION");
    old.unmount();
  });
});

describe("version", () => {
  it("rises one by one from 1 to 7 with changes in between; all of the past stays", () => {
    const device = new OverlayDevice(formatted(1));
    const driver = new Driver(new SeededRandom(8), { maxSize: 50_000, names: 12, maxDirs: 5 });
    const past: { tid: bigint; text: string }[] = [];
    for (let version = 1; version <= 7; version++) {
      const m = open(device);
      upgradeVersion(m, version);
      for (let i = 0; i < 40; i++) driver.step(m);
      past.push({ tid: m.sync(), text: driver.model.text() });
      m.unmount();
      expectSound(device);
    }
    const m = open(device);
    expect(m.version).toBe(7);
    for (const p of past) expect(treeOf(m, 0, p.tid)).toBe(p.text);
    expect(codeOf(() => upgradeVersion(m, 6))).toBe("EINVAL");
    expect(codeOf(() => upgradeVersion(m, 8))).toBe("E_VERSION");
    m.unmount();
  });

  it("a cut anywhere on the way to version 4 leaves the old or the new version, whole", () => {
    const base = new OverlayDevice(formatted(3));
    const filling = open(base);
    const driver = new Driver(new SeededRandom(9), { maxSize: 20_000, names: 10, maxDirs: 3 });
    for (let i = 0; i < 60; i++) driver.step(filling);
    filling.unmount();
    const disk = new SimDisk(new OverlayDevice(base));
    const m = open(disk);
    upgradeVersion(m, 5);
    const seen = new Set<number>();
    const rnd = new SeededRandom(10);
    const durable = new OverlayDevice(base);
    for (const epoch of epochs(disk.log)) {
      for (let n = 0; n < 6; n++) {
        const crashed = new OverlayDevice(durable);
        imageAt(crashed, disk.log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => rnd.below(2) === 0));
        const after = open(crashed);
        seen.add(after.version);
        expect(treeOf(after, 0)).toBe(driver.model.text());
        after.rele(after.create(after.root, "after", FILE));
        after.unmount();
        expectSound(crashed);
      }
      imageAt(durable, disk.log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
    }
    expect([...seen].sort()).toEqual([3, 5]);
  });
});
