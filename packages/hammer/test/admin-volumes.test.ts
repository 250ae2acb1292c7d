// SPDX-License-Identifier: BSD-3-Clause
/** Volumes come and go; what the file system holds stays. */
import { describe, expect, it } from "vitest";
import { addVolume, removeVolume } from "../src/admin/volumes.ts";
import { MemoryDevice, OverlayDevice, type BlockDevice } from "../src/device.ts";
import { isHammerError } from "../src/error.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { SeededRandom, SimDisk, cutsOfEpoch, epochs, imageAt } from "../src/sim-disk.ts";
import { fixtureDir, loadImage } from "./fixtures.ts";
import { formatted } from "./formatted.ts";
import { Driver, textOf } from "./model.ts";
import { expectSound } from "./sound.ts";

const MIB = 1 << 20;
let clock = 1_800_000_000_000_000n;
const open = (devices: BlockDevice[], readOnly = false): HammerMount => mount(devices, { readOnly, now: () => (clock += 1000n) });
const FILE = { type: "file", mode: 0o644, uid: 0, gid: 0 } as const;

function codeOf(f: () => unknown): string {
  try {
    f();
    return "done";
  } catch (e) {
    return isHammerError(e) ? e.code : String(e);
  }
}

/** By day one version; by night the oldest, too. */
const VERSIONS = process.env["HAMMER_NIGHTLY"] === undefined ? [7] : [1, 7];

describe.each(VERSIONS)("version %i", (version) => {
  it("grows by two volumes, fills them, shrinks to the first and another", () => {
    const [a, b, c] = [new OverlayDevice(formatted(version)), new MemoryDevice(96 * MIB, { name: "b" }), new MemoryDevice(160 * MIB, { name: "c" })];
    const driver = new Driver(new SeededRandom(2), { maxSize: 50_000, names: 20, maxDirs: 5 });
    let m = open([a]);
    for (let i = 0; i < 150; i++) driver.step(m);
    const tid = m.sync();
    const then = driver.model.text();
    const total = m.info().bigblocks;
    expect(codeOf(() => addVolume(m, new MemoryDevice(9 * MIB)))).toBe("E_TOO_SMALL");
    expect(addVolume(m, b)).toMatchObject({ number: 1, bigblocks: 10 });
    expect(codeOf(() => open([a]))).toBe("E_VOLUME_MISSING");
    m = open([b, a]);
    expect(addVolume(m, c)).toMatchObject({ number: 2, bigblocks: 18 });
    expectSound(a, b, c);
    m = open([a, b, c]);
    expect(m.info()).toMatchObject({ volumes: 3, bigblocks: total + 28 });
    // Enough data to reach the third volume.
    const data = new Uint8Array(MIB);
    for (let i = 0; i < 175; i++) {
      const ip = m.create(m.root, `big${i}`, FILE);
      m.write(ip, 0, data.fill(i), 0, data.length);
      m.rele(ip);
    }
    m.unmount();
    expectSound(a, b, c);
    m = open([a, b, c]);
    expect(codeOf(() => removeVolume(m, 0))).toBe("EINVAL");
    expect(codeOf(() => removeVolume(m, 3))).toBe("EINVAL");
    expect(codeOf(() => removeVolume(m, 1))).toBe("ENOTEMPTY");
    expect(codeOf(() => removeVolume(m, 2, { reblock: true }))).toBe("ENOSPC");
    const now = textOf(m, m.root);
    const change = removeVolume(m, 1, { reblock: true });
    expect(change).toMatchObject({ number: 1, bigblocks: 10 });
    expect(change.moved!.elementsMoved).toBeGreaterThan(100);
    expect(codeOf(() => open([a, b, c]))).toBe("E_NOT_HAMMER");
    expectSound(a, c);
    m = open([a, c]);
    expect(m.info()).toMatchObject({ volumes: 2, bigblocks: total + 18 });
    expect(textOf(m, m.root)).toBe(now);
    const root = m.asof(tid)!;
    expect(textOf(m, root)).toBe(then);
    m.rele(root);
    m.rele(m.create(m.root, "after", FILE));
    m.unmount();
    expectSound(a, c);
    // The number that became free is used again.
    expect(addVolume(open([a, c]), b).number).toBe(1);
    expectSound(a, b, c);
  });
});

it("W2: a cut anywhere while a volume is added leaves the old set of volumes or the new one", () => {
  const base = new OverlayDevice(formatted(7));
  const driver = new Driver(new SeededRandom(3), { maxSize: 30_000, names: 12, maxDirs: 3 });
  const filling = open([base]);
  for (let i = 0; i < 80; i++) driver.step(filling);
  filling.unmount();
  const disk = new SimDisk(new OverlayDevice(base));
  const added = new MemoryDevice(64 * MIB, { name: "b" });
  addVolume(open([disk]), added);
  const rnd = new SeededRandom(4);
  const durable = new OverlayDevice(base);
  const sets = new Set<number>();
  for (const epoch of epochs(disk.log)) {
    for (const cut of cutsOfEpoch(disk.log, epoch, rnd, { perKind: 2, random: 3 })) {
      const a = new OverlayDevice(durable);
      imageAt(a, disk.log, { start: 0, writes: epoch.writes }, cut);
      const b = new OverlayDevice(added);
      let m: HammerMount | null = null;
      for (const devices of [[a], [a, b], [a]]) {
        if (codeOf(() => { m = open(devices); }) === "done") break;
      }
      expect(textOf(m!, m!.root)).toBe(driver.model.text());
      const { volumes } = m!.info();
      sets.add(volumes);
      m!.rele(m!.create(m!.root, "after", FILE));
      m!.unmount();
      expectSound(...(volumes === 2 ? [a, b] : [a]));
    }
    imageAt(durable, disk.log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
  }
  expect([...sets].sort()).toEqual([1, 2]);
});

const dir = fixtureDir("hammer-real");
it.skipIf(dir === null)("takes a volume off a genuine file system of several (needs shared/fixtures/hammer-real)", () => {
  const devices: BlockDevice[] = [0, 1].map((i) => loadImage(`${dir}/multivol-v7.vol${i}.img.gz`));
  let m = open(devices);
  const before = textOf(m, m.root);
  const spare = new MemoryDevice(512 * MIB, { name: "spare" });
  addVolume(m, spare);
  m = open([...devices, spare]);
  removeVolume(m, 1, { reblock: true });
  m = open([devices[0]!, spare]);
  expect(textOf(m, m.root)).toBe(before);
  m.unmount();
  expectSound(devices[0]!, spare);
});
