// SPDX-License-Identifier: BSD-3-Clause
/** The campaigns by name, each a function of a seed that returns how many of `unit` it tried; scripts/nightly.js runs them. */
import { OverlayDevice } from "../../src/device.ts";
import { SeededRandom } from "../../src/sim-disk.ts";
import { formatted } from "../formatted.ts";
import { Driver, textOf } from "../model.ts";
import { demand, demandSound, open } from "./check.ts";
import { cutEverywhere, cutRecovery, cutWrap, record } from "./cuts.ts";
import { useDamaged } from "./damage.ts";
import { upkeep } from "./upkeep.ts";
import { cutFsyncs, cutReplay } from "./fsync-cuts.ts";
import { cutMirrors } from "./mirror-cuts.ts";
import { crashedWithRedo, cutLongReplay, cutReplays } from "./replay-cuts.ts";

/** One kind of trial. */
export interface Campaign { unit: "cuts" | "structures" | "operations"; run(seed: number): number }

const VERSIONS = [1, 3, 4, 6, 7];
const versionOf = (seed: number): number => VERSIONS[seed % VERSIONS.length]!;

function cuts(seed: number): number {
  const base = formatted(versionOf(seed));
  const { log, states } = record(base, seed, 6, 4 + seed % 12);
  return cutEverywhere(base, log, states, seed, { perKind: 12, random: 24 });
}

function fsyncCuts(seed: number): number {
  const version = [4, 5, 6, 7][seed % 4]!;
  return cutFsyncs(formatted(version), seed, 120, { perKind: 8, random: 12 }) + cutReplay(formatted(version), seed, { perKind: 2, random: 2 });
}

function replayCuts(seed: number): number {
  const version = [4, 5, 6, 7][seed % 4]!;
  const limits = { perKind: 2, random: 2 };
  const many = crashedWithRedo(formatted(version, { size: 512 << 20 }), seed, 60 + seed % 90, 2000);
  const few = crashedWithRedo(formatted(version), seed, 10, 200);
  return cutReplays(many, seed, 3, 7, limits) + cutLongReplay(few, seed, 60, 8 + seed % 4, 40, limits).tried;
}

/** Random operations, a snapshot every so often; the present and every past must be the model's, through remounts. */
function model(seed: number): number {
  const OPERATIONS = 3000;
  const device = new OverlayDevice(formatted(versionOf(seed), { size: 512 << 20 }));
  const rnd = new SeededRandom(seed);
  const driver = new Driver(rnd, { maxSize: 80_000, names: 30, maxDirs: 12 });
  const past: { tid: bigint; text: string }[] = [];
  let m = open(device, { cacheBytes: 4 << 20 });
  for (let i = 0; i < OPERATIONS; i++) {
    driver.step(m);
    if (rnd.below(12) === 0) past.push({ tid: m.sync(), text: driver.model.text() });
    if (rnd.below(300) === 0) {
      m.unmount();
      m = open(device, { cacheBytes: 4 << 20 });
      demand(textOf(m, m.root) === driver.model.text(), `model seed ${seed}: differs after operation ${i}`);
    }
  }
  m.unmount();
  demandSound(device, `model seed ${seed}`);
  m = open(device, { readOnly: true });
  demand(textOf(m, m.root) === driver.model.text(), `model seed ${seed}: differs at the end`);
  for (const p of past) {
    const root = m.asof(p.tid)!;
    demand(textOf(m, root) === p.text, `model seed ${seed}: the past of 0x${p.tid.toString(16)} differs`);
    m.rele(root);
  }
  return OPERATIONS;
}

export const CAMPAIGNS: Record<string, Campaign> = {
  cuts: { unit: "cuts", run: cuts },
  recovery: { unit: "cuts", run: (seed) => cutRecovery(formatted(versionOf(seed)), seed, { perKind: 2, random: 3 }) },
  fsync: { unit: "cuts", run: fsyncCuts },
  wrap: { unit: "cuts", run: (seed) => cutWrap(formatted(versionOf(seed)), seed, { perKind: 3, random: 3 }) },
  replay: { unit: "cuts", run: replayCuts },
  mirror: { unit: "cuts", run: (seed) => cutMirrors(seed, 100) },
  damage: { unit: "structures", run: useDamaged },
  upkeep: { unit: "operations", run: (seed) => upkeep(seed, 1 + seed % 7, 300) },
  model: { unit: "operations", run: model },
};
