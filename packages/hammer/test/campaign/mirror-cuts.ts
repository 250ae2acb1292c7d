// SPDX-License-Identifier: BSD-3-Clause
/** Mirror streams that break off at any byte, with the power at the target. */
import { createPfs } from "../../src/admin/pfs.ts";
import { hi32, lo32 } from "../../src/btree/key.ts";
import { OverlayDevice } from "../../src/device.ts";
import { isHammerError } from "../../src/error.ts";
import { mirrorCopy } from "../../src/mirror/copy.ts";
import { MirrorReceiver } from "../../src/mirror/write.ts";
import type { HammerMount } from "../../src/mount.ts";
import { SeededRandom, SimDisk, epochs, imageAt } from "../../src/sim-disk.ts";
import { formatted } from "../formatted.ts";
import { Driver, textOf } from "../model.ts";
import { demand, demandSound, open } from "./check.ts";

const SIZE = 192 << 20;
/** Of so many cuts one is checked to the last byte. */
const THOROUGH = 20;

/** A source with a past of many flushes, and the TIDs at which it was synced. */
export function source(seed: number, steps: number): { m: HammerMount; tids: bigint[]; uuid: string } {
  const m = open(new OverlayDevice(formatted(7, { size: SIZE })));
  const driver = new Driver(new SeededRandom(seed), { names: 12, maxSize: 60_000, maxDirs: 6 });
  const tids: bigint[] = [];
  for (let n = 0; n < steps; n++) {
    driver.step(m);
    if (n % 10 === 9) tids.push(m.sync());
  }
  tids.push(m.sync());
  return { m, tids, uuid: m.listPfs()[0]!.sharedUuid };
}

/** A disk with an empty slave. */
export function target(uuid: string): { device: OverlayDevice; pfs: number } {
  const device = new OverlayDevice(formatted(7, { size: SIZE }));
  const m = open(device);
  const { id } = createPfs(m, m.root, "slave", { slave: true, sharedUuid: uuid, random: (b) => b.fill(9) });
  m.unmount();
  return { device, pfs: id };
}

/** The tree of a PFS as of a TID. */
export function seen(m: HammerMount, pfs: number, tid: bigint): string {
  const root = m.getInode(0, 1, pfs << 16, hi32(tid), lo32(tid));
  if (root === null) return "nothing";
  const text = textOf(m, root);
  m.rele(root);
  return text;
}

function demandCutShort(receiver: MirrorReceiver, where: string): void {
  try {
    receiver.end();
  } catch (e) {
    if (isHammerError(e) && e.message.includes("cut short")) return;
    throw e;
  }
  throw new Error(`${where}: the receiver did not notice`);
}

/**
 * Breaks a stream off at `cuts` bytes; every other time the target loses power, too. Nothing may be seen of the pass that was
 * cut, and the next pass brings everything. Returns how many cuts were tried.
 */
export function cutMirrors(seed: number, cuts: number): number {
  const { m, tids, uuid } = source(seed, 60);
  const half = tids[tids.length >> 1]!, last = tids.at(-1)!;
  const base = target(uuid);
  const b = open(base.device);
  mirrorCopy({ mount: m, pfs: 0 }, { mount: b, pfs: base.pfs }, { tidEnd: half });
  b.unmount();
  const stream = Buffer.concat([...m.mirrorRead({ tidBeg: half + 1n })]);
  const before = seen(m, 0, half), after = seen(m, 0, last);
  const rnd = new SeededRandom(seed);
  for (let n = 0; n < cuts; n++) {
    const cut = rnd.below(stream.length);
    const where = `seed ${seed}, cut ${n}, at byte ${cut}`;
    const powerless = n % 2 === 1;
    const disk = new SimDisk(new OverlayDevice(base.device));
    const t = open(disk);
    const receiver = new MirrorReceiver(t, { pfs: base.pfs });
    for (let at = 0; at < cut;) {
      const size = Math.min(cut - at, 1 + rnd.below(200_000));
      receiver.feed(stream.subarray(at, at + size));
      while (receiver.step());
      at += size;
    }
    if (!powerless) {
      demandCutShort(receiver, where);
      t.unmount();
    }
    // With the power off, what was written since the last flush of the disk is there or not.
    const left = new OverlayDevice(base.device);
    const all = epochs(disk.log);
    const epoch = powerless ? all[rnd.below(all.length)]! : all.at(-1)!;
    imageAt(left, disk.log, epoch, epoch.writes.map(() => !powerless || rnd.below(2) === 0));
    const r = open(left);
    demand(r.listPfs().find((p) => p.id === base.pfs)!.syncEndTid === half, `${where}: the slave claims more than its last whole pass`);
    demand(seen(r, base.pfs, half) === before, `${where}: the slave's last whole pass looks different`);
    mirrorCopy({ mount: m, pfs: 0 }, { mount: r, pfs: base.pfs });
    demand(seen(r, base.pfs, last) === after, `${where}: the next pass did not bring everything`);
    demand(seen(r, base.pfs, half) === before, `${where}: the next pass changed the past`);
    r.unmount();
    if (n % THOROUGH === 0) demandSound(left, where);
  }
  m.unmount();
  return cuts;
}
