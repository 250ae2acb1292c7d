// SPDX-License-Identifier: BSD-3-Clause
/**
 * Power cuts at every place of a workload: what is mounted afterwards must be one of the states that had been made
 * durable or were being made so, whole; and the image must be sound before and after more use.
 *
 * A cut is legal if it keeps all writes before the last completed flush and any subset of the later ones, torn at
 * sectors. Each flush group is a transaction, so the only states allowed are those at syncs.
 */
import { describe, expect, it } from "vitest";
import { crc32 } from "../src/crc.ts";
import { OverlayDevice, type BlockDevice } from "../src/device.ts";
import { mount, type HammerMount } from "../src/mount.ts";
import { SeededRandom, SimDisk, cutsOfEpoch, epochs, imageAt, type CutLimits, type SimEvent } from "../src/sim-disk.ts";
import { checkmap } from "../src/tools/checkmap.ts";
import { volumeHeaders } from "../src/tools/raw.ts";
import { show } from "../src/tools/show.ts";
import { formatted } from "./formatted.ts";
import { Driver, textOf } from "./model.ts";
import { tally } from "./tally.ts";

const quiet = (): void => {};

let clock = 1_700_000_000_000_000n;
function open(device: BlockDevice, readOnly: boolean): HammerMount {
  return mount([device], { readOnly, now: () => (clock += 1000n) });
}

interface Mark { state: number }

/** Runs a workload on a recording disk. Marks in the log say which state was acknowledged; `states[0]` is the start. */
function record(base: BlockDevice, seed: number, syncs: number, stepsPerSync: number): { log: SimEvent[]; states: string[] } {
  const disk = new SimDisk(new OverlayDevice(base));
  const rnd = new SeededRandom(seed);
  const driver = new Driver(rnd, { maxSize: 40_000, names: 12, maxDirs: 4 });
  const states = [driver.model.text()];
  const m = open(disk, false);
  for (let i = 0; i < syncs; i++) {
    for (let k = 0; k < stepsPerSync; k++) driver.step(m);
    states.push(driver.model.text());
    m.sync();
    disk.mark({ state: states.length - 1 } satisfies Mark);
  }
  return { log: disk.log, states };
}

/** What is wrong with the structures of an image, or "". */
function structure(device: BlockDevice): string {
  const s = show([device], quiet);
  const c = checkmap([device], quiet);
  return [s.badNodes && `${s.badNodes} bad nodes`, s.badElements && `${s.badElements} bad elements`,
    s.badRecords && `${s.badRecords} bad records`, c.errors && `${c.errors} freemap errors`].filter(Boolean).join(", ");
}

/** Mounts a crashed image in both ways, uses it, and compares. Returns the index of the state found. */
function checkImage(crashed: BlockDevice, states: string[], allowed: number[], where: string): number {
  const ro = open(crashed, true);
  const text = textOf(ro, ro.root);
  ro.unmount();
  const state = allowed.find((i) => states[i] === text);
  if (state === undefined) throw new Error(`${where}: not a durable state (allowed: ${allowed.join(", ")}); it is ${states.indexOf(text)}`);
  const device = new OverlayDevice(crashed);
  const rw = open(device, false);
  expect(textOf(rw, rw.root), where).toBe(text);
  const ip = rw.create(rw.root, "after the cut", { type: "file", mode: 0o644, uid: 0, gid: 0 });
  rw.write(ip, 0, new Uint8Array(20_000).fill(7), 0, 20_000);
  rw.rele(ip);
  rw.unmount();
  expect(structure(device), where).toBe("");
  const again = open(device, true);
  const found = again.lookup(again.root, "after the cut");
  expect(found?.size, where).toBe(20_000);
  again.rele(found!);
  again.unmount();
  return state;
}

/** Tries cuts in every epoch of the log. Returns how many images differed. */
function cutEverywhere(base: BlockDevice, log: SimEvent[], states: string[], seed: number, limits: CutLimits): number {
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
      checkImage(device, states, [acked, Math.min(acked + 1, states.length - 1)], `epoch ${n}, cut ${key}`);
      tried++;
    }
    imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
    // A mark comes behind the flush that made its state durable.
    for (let i = epoch.end + 1; i < log.length && log[i]!.kind === "mark"; i++) acked = ((log[i] as { note: Mark }).note).state;
  }
  return tried;
}

/** Multiplies the number of cuts and the length of workloads; 1 is meant for every run, 5 for a night. */
const DEEP = Number(process.env["HAMMER_CRASH_DEPTH"] ?? "1");
const SEED = Number(process.env["HAMMER_SEED"] ?? "1");
/** Up to version 3 the FIFO's end is found by the header's index, from 4 on by sequence numbers. */
const VERSIONS: [version: number, seed: number][] = [[1, 10 + SEED], [7, 32 + SEED]];
if (DEEP > 1) VERSIONS.push([4, 21 + SEED]);

describe.each(VERSIONS)("version %i", (version, seed) => {
  it("every cut leaves a durable state and a sound image", () => {
    const base = formatted(version);
    const { log, states } = record(base, seed, 5 * DEEP, 10);
    const tried = cutEverywhere(base, log, states, seed, { perKind: 4 * DEEP, random: 4 * DEEP });
    tally("cuts", tried);
    expect(tried).toBeGreaterThan(150);
  });

  it("a device that drops flushes is noticed", () => {
    const base = formatted(version);
    const { log, states } = record(base, seed, 4, 10);
    let flushes = 0;
    const lying = log.filter((e) => e.kind !== "flush" || ++flushes % 5 === 0);
    expect(() => cutEverywhere(base, lying, states, seed, { perKind: 10, random: 20 })).toThrow();
  });

  it("a cut during recovery is followed by another recovery to the same state", () => {
    const base = formatted(version);
    const { log, states } = record(base, seed + 1, 3, 12);
    const rnd = new SeededRandom(seed);
    const all = epochs(log);
    const durable = new OverlayDevice(base);
    let nested = 0;
    for (const epoch of all) {
      const crashed = new OverlayDevice(durable);
      imageAt(crashed, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => rnd.below(2) === 0));
      imageAt(durable, log, { start: 0, writes: epoch.writes }, epoch.writes.map(() => true));
      const before = open(crashed, true);
      const text = textOf(before, before.root);
      before.unmount();
      const disk = new SimDisk(new OverlayDevice(crashed));
      open(disk, false).unmount();
      const again = new OverlayDevice(crashed);
      for (const inner of epochs(disk.log)) {
        for (const cut of cutsOfEpoch(disk.log, inner, rnd, { perKind: DEEP, random: DEEP })) {
          const device = new OverlayDevice(again);
          imageAt(device, disk.log, { start: 0, writes: inner.writes }, cut);
          const m = open(device, false);
          expect(crc32(new TextEncoder().encode(textOf(m, m.root)))).toBe(crc32(new TextEncoder().encode(text)));
          m.unmount();
          expect(structure(device)).toBe("");
          nested++;
        }
        imageAt(again, disk.log, { start: 0, writes: inner.writes }, inner.writes.map(() => true));
      }
    }
    expect(states.length).toBe(4);
    tally("cuts", nested);
    expect(nested).toBeGreaterThan(20);
  });
});

describe.each(DEEP > 1 ? [3, 7] : [7])("version %i: the FIFO wraps around", (version) => {
  it("every cut on both sides of the wrap leaves a durable state", () => {
    const base = formatted(version);
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
    const filling = mount([base], { readOnly: false, noHistory: true, now: () => (clock += 1000n) });
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
    const m = mount([disk], { readOnly: false, noHistory: true, now: () => (clock += 1000n) });
    const states = [textOf(m, m.root)];
    for (let i = 0; i < 4; i++) {
      change(m);
      states.push(textOf(m, m.root));
      m.sync();
      disk.mark({ state: states.length - 1 } satisfies Mark);
    }
    const tried = cutEverywhere(base, disk.log, states, version, { perKind: DEEP, random: DEEP });
    tally("cuts", tried);
    expect(tried).toBeGreaterThan(30);
    const after = new OverlayDevice(base);
    imageAt(after, disk.log, { start: disk.log.length, writes: [] }, []);
    const h = volumeHeaders([after])[0]!;
    expect(Number(h.blockmap[3]!.next & 0xfff_ffffn)).toBeLessThan(from.next);
  });
});
