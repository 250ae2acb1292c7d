// SPDX-License-Identifier: BSD-3-Clause
/**
 * Every byte is accounted for: random work and everything that maintenance does, one after the other; after each step all CRCs,
 * the freemap, the counters of the header and the tree are right.
 */
import { dedup } from "../../src/admin/dedup.ts";
import { createPfs, destroyPfs, upgradePfs } from "../../src/admin/pfs.ts";
import { prune } from "../../src/admin/prune.ts";
import { rebalance } from "../../src/admin/rebalance.ts";
import { reblock } from "../../src/admin/reblock.ts";
import { addSnapshot, takeSnapshotTid } from "../../src/admin/snapshots.ts";
import { upgradeVersion } from "../../src/admin/version.ts";
import { addVolume, removeVolume } from "../../src/admin/volumes.ts";
import { MemoryDevice, OverlayDevice, type BlockDevice } from "../../src/device.ts";
import { mirrorCopy } from "../../src/mirror/copy.ts";
import { mount, type HammerMount } from "../../src/mount.ts";
import { SeededRandom } from "../../src/sim-disk.ts";
import { blockmap } from "../../src/tools/blockmap.ts";
import { checkmap } from "../../src/tools/checkmap.ts";
import { show } from "../../src/tools/show.ts";
import { formatted } from "../formatted.ts";
import { Driver, textOf } from "../model.ts";
import { demand } from "./check.ts";

const SIZE = 256 << 20;
const quiet = (): void => {};
let clock = 1_800_000_000_000_000n;
const open = (devices: readonly BlockDevice[]): HammerMount => mount(devices, { now: () => (clock += 1000n), readOnly: false, cacheBytes: 8 << 20 });

/** Every allocated big-block belongs to the root's tables, to the FIFO or to what the B-Tree leads to, byte for byte. */
function demandAccounts(devices: readonly BlockDevice[], where: string): void {
  const s = show(devices, quiet), c = checkmap(devices, quiet);
  demand(s.badNodes + s.badElements + s.badRecords === 0, `${where}: ${JSON.stringify(s)}`);
  demand(c.errors === 0, `${where}: the freemap is not as counted: ${JSON.stringify(c)}`);
  let free = 0;
  blockmap(devices, quiet, { onEntry: ({ zone }) => { if (zone === 0) free++; } });
  const m = mount(devices, { now: () => clock, readOnly: true });
  demand(m.info().freeBigblocks === free, `${where}: the header says that ${m.info().freeBigblocks} big-blocks are free, there are ${free}`);
  m.unmount();
}

/** One life of a file system that was made in `version`. Returns how many random operations were done. */
export function upkeep(seed: number, version: number, operations: number): number {
  const driver = new Driver(new SeededRandom(seed), { maxSize: 60_000, names: 40, maxDirs: 12 });
  let devices: BlockDevice[] = [new OverlayDevice(formatted(version, { size: SIZE }))];
  let m = open(devices);
  let done = 0;
  const steps: string[] = [];
  const step = (what: string, run: () => void, now = devices): void => {
    run();
    steps.push(what);
    const where = `seed ${seed}, version ${version}, after ${steps.join(", ")}`;
    if (now === devices) m.unmount();
    devices = now;
    demandAccounts(devices, where);
    m = open(devices);
    demand(textOf(m, m.root) === driver.model.text(), `${where}: the tree is another one`);
  };
  const work = (): void => {
    for (let i = 0; i < operations; i++, done++) {
      driver.step(m);
      if (i % 17 === 0) m.sync();
    }
  };
  step("work", work);
  if (version >= 3) step("snapshot", () => { addSnapshot(m, takeSnapshotTid(m), "kept"); });
  const second = new MemoryDevice(128 << 20, { name: "second" });
  step("volume-add", () => { addVolume(m, second); }, [...devices, second]);
  step("work on two volumes", work);
  step("prune", () => { prune(m, { ranges: "everything" }); });
  step("reblock", () => { reblock(m); });
  step("rebalance", () => { rebalance(m); });
  if (version >= 5) step("dedup", () => { dedup(m); });
  step("more work", work);
  step("reblock-data", () => { reblock(m, { fill: 90, kinds: ["data"] }); });
  step("volume-del", () => { removeVolume(m, 1, { reblock: true }); }, devices.slice(0, 1));
  for (let to = version + 1; to <= 7; to++) step(`version-upgrade ${to}`, () => { upgradeVersion(m, to); });
  step("work in version 7", work);
  const target = [new OverlayDevice(formatted(7, { size: SIZE }))];
  const mirrored = (what: string, run: (t: HammerMount) => void): void => {
    const t = open(target);
    run(t);
    t.unmount();
    demandAccounts(target, `seed ${seed}, version ${version}, ${what}`);
  };
  let pfs = 0;
  mirrored("pfs-slave", (t) => { pfs = createPfs(t, t.root, "slave", { slave: true, sharedUuid: m.listPfs()[0]!.sharedUuid, random: (b) => b.fill(9) }).id; });
  mirrored("mirror-copy", (t) => { mirrorCopy({ mount: m, pfs: 0 }, { mount: t, pfs }); });
  work();
  mirrored("mirror-copy again", (t) => { mirrorCopy({ mount: m, pfs: 0 }, { mount: t, pfs }); });
  mirrored("pfs-upgrade", (t) => { upgradePfs(t, pfs); });
  mirrored("pfs-destroy", (t) => { destroyPfs(t, pfs); });
  m.unmount();
  return done;
}
