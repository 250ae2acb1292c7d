// SPDX-License-Identifier: BSD-3-Clause
/**
 * Power cuts at every place of a workload: what is mounted afterwards must be one of the states that had been made
 * durable or were being made so, whole; and the image must be sound before and after more use.
 *
 * A cut is legal if it keeps all writes before the last completed flush and any subset of the later ones, torn at
 * sectors. Each flush group is a transaction, so the only states allowed are those at syncs.
 */
import { OverlayDevice, type BlockDevice } from "../../src/device.ts";
import { SeededRandom, SimDisk, cutsOfEpoch, epochs, imageAt, type CutLimits, type SimEvent } from "../../src/sim-disk.ts";
import type { HammerMount } from "../../src/mount.ts";
import { volumeHeaders } from "../../src/tools/raw.ts";
import { Driver, textOf } from "../model.ts";
import { demand, demandSound, open } from "./check.ts";

/** Noted in the log when a state has been acknowledged. */
export interface Mark { state: number }

/** Of so many cuts of an epoch one is also looked at read-only, used, closed and checked to the last byte. */
const THOROUGH = 4;

/** Runs a workload on a recording disk. Marks in the log say which state was acknowledged; `states[0]` is the start. */
export function record(base: BlockDevice, seed: number, syncs: number, stepsPerSync: number): { log: SimEvent[]; states: string[] } {
  const disk = new SimDisk(new OverlayDevice(base));
  const rnd = new SeededRandom(seed);
  const driver = new Driver(rnd, { maxSize: 40_000, names: 12, maxDirs: 4 });
  const states = [driver.model.text()];
  const m = open(disk);
  for (let i = 0; i < syncs; i++) {
    for (let k = 0; k < stepsPerSync; k++) driver.step(m);
    states.push(driver.model.text());
    m.sync();
    disk.mark({ state: states.length - 1 } satisfies Mark);
  }
  return { log: disk.log, states };
}

/** Recovers a crashed image and compares; if `thorough`, also read-only and after more use. */
function checkCut(crashed: BlockDevice, states: readonly string[], allowed: readonly number[], thorough: boolean, where: string): void {
  const device = new OverlayDevice(crashed);
  const m = open(device);
  const text = textOf(m, m.root);
  demand(allowed.some((i) => states[i] === text), `${where}: not a durable state (allowed: ${allowed.join(", ")}); it is ${states.indexOf(text)}`);
  if (!thorough) return;
  const ro = open(crashed, { readOnly: true });
  demand(textOf(ro, ro.root) === text, `${where}: a read-only mount shows something else`);
  const ip = m.create(m.root, "after the cut", { type: "file", mode: 0o644, uid: 0, gid: 0 });
  m.write(ip, 0, new Uint8Array(20_000).fill(7), 0, 20_000);
  m.rele(ip);
  m.unmount();
  demandSound(device, where);
  const again = open(device, { readOnly: true });
  demand(again.lookup(again.root, "after the cut")?.size === 20_000, `${where}: a file written after recovery is lost`);
}

/** Tries cuts in every epoch of the log. Returns how many. */
export function cutEverywhere(base: BlockDevice, log: readonly SimEvent[], states: readonly string[], seed: number, limits: CutLimits): number {
  const rnd = new SeededRandom(seed);
  const durable = new OverlayDevice(base);
  let acked = 0;
  let tried = 0;
  for (const [n, epoch] of epochs(log).entries()) {
    const seen = new Set<string>();
    for (const cut of cutsOfEpoch(log, epoch, rnd, limits)) {
      const key = JSON.stringify(cut);
      if (seen.has(key)) continue;
      seen.add(key);
      const device = new OverlayDevice(durable);
      imageAt(device, log, { start: 0, writes: epoch.writes }, cut);
      checkCut(device, states, [acked, Math.min(acked + 1, states.length - 1)], tried % THOROUGH === 0, `seed ${seed}, epoch ${n}, cut ${key}`);
      tried++;
    }
    imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
    // A mark comes behind the flush that made its state durable.
    for (let i = epoch.end + 1; i < log.length && log[i]!.kind === "mark"; i++) acked = ((log[i] as { note: Mark }).note).state;
  }
  return tried;
}

/** Cuts recovery itself: the next one must come to the same state. Returns how many cuts were tried. */
export function cutRecovery(base: BlockDevice, seed: number, limits: CutLimits): number {
  const { log } = record(base, seed, 3, 12);
  const rnd = new SeededRandom(seed);
  const durable = new OverlayDevice(base);
  let tried = 0;
  for (const epoch of epochs(log)) {
    const crashed = new OverlayDevice(durable);
    imageAt(crashed, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => rnd.below(2) === 0));
    imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
    const before = open(crashed, { readOnly: true });
    tried += nested(crashed, textOf(before, before.root), rnd, limits, 1 + rnd.below(5));
  }
  return tried;
}

/** Cuts at every place of one recovery; one of them is followed by cuts of the recovery after it, `depth` deep. */
function nested(crashed: BlockDevice, text: string, rnd: SeededRandom, limits: CutLimits, depth: number): number {
  const disk = new SimDisk(new OverlayDevice(crashed));
  open(disk).unmount();
  const again = new OverlayDevice(crashed);
  let tried = 0;
  let deeper: BlockDevice | null = null;
  for (const inner of epochs(disk.log)) {
    for (const cut of cutsOfEpoch(disk.log, inner, rnd, limits)) {
      const image = new OverlayDevice(again);
      imageAt(image, disk.log, { start: 0, writes: inner.writes }, cut);
      if (deeper === null || rnd.below(4) === 0) {
        deeper = new OverlayDevice(again);
        imageAt(deeper, disk.log, { start: 0, writes: inner.writes }, cut);
      }
      const m = open(image);
      demand(textOf(m, m.root) === text, `a cut in recovery (${JSON.stringify(cut)}) led to another state`);
      if (tried++ % THOROUGH === 0) {
        m.unmount();
        demandSound(image, "after a cut in recovery");
      }
    }
    imageAt(again, disk.log, { start: 0, writes: inner.writes }, inner.writes.map(() => true));
  }
  return depth > 1 && deeper !== null ? tried + nested(deeper, text, rnd, limits, depth - 1) : tried;
}

/**
 * Cuts on both sides of the place where the FIFO wraps around. Returns how many cuts were tried.
 */
export function cutWrap(base: BlockDevice, seed: number, limits: CutLimits): number {
  const names = Array.from({ length: 250 }, (_, i) => `f${i}`);
  let round = 0;
  /** Replaces the inodes of all files: some tens of KiB of UNDO. */
  const change = (m: HammerMount): void => {
    round++;
    for (const name of names) {
      const ip = m.lookup(m.root, name)!;
      m.setattr(ip, { uid: round });
      m.rele(ip);
    }
  };
  const undo = (): { next: number; size: number } => {
    const h = volumeHeaders([base])[0]!;
    return { next: Number(h.blockmap[3]!.next & 0xfff_ffffn), size: h.undoSize };
  };
  const filling = open(base, { noHistory: true });
  for (const name of names) filling.rele(filling.create(filling.root, name, { type: "file", mode: 0o644, uid: 0, gid: 0 }));
  filling.sync();
  let step = 0;
  for (let before = undo().next; ; before = undo().next) {
    change(filling);
    filling.sync();
    const { next, size } = undo();
    step = Math.max(step, next - before);
    if (next + 2 * step > size) break;
  }
  filling.unmount();
  const from = undo();
  const disk = new SimDisk(new OverlayDevice(base));
  const m = open(disk, { noHistory: true });
  const states = [textOf(m, m.root)];
  for (let i = 0; i < 4; i++) {
    change(m);
    states.push(textOf(m, m.root));
    m.sync();
    disk.mark({ state: states.length - 1 } satisfies Mark);
  }
  const tried = cutEverywhere(base, disk.log, states, seed, limits);
  const after = new OverlayDevice(base);
  imageAt(after, disk.log, { start: disk.log.length, writes: [] }, []);
  demand(Number(volumeHeaders([after])[0]!.blockmap[3]!.next & 0xfff_ffffn) < from.next, "the FIFO did not wrap around");
  return tried;
}
