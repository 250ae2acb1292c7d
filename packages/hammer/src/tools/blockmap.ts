// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer blockmap`: the freemap, big-block by big-block.
 * Flags: B bad CRC (of layer 1 in its line, of layer 2), A append offset, F free bytes out of range.
 * Source: DragonFly sbin/hammer/cmd_blockmap.c.
 * @module
 */
import type { BlockDevice } from "../device.ts";
import { BIGBLOCK_SIZE, LAYER1, LAYER2, LAYER2_ENTRIES, ZONE_UNAVAILABLE } from "../disk/index.ts";
import { x16, x8 } from "./format.ts";
import { printHeader } from "./header.ts";
import { RawVolumes } from "./raw.ts";
import { ZoneStats } from "./zone-stats.ts";

const ZONE4 = 4n << 60n;

/** A big-block's entry, as handed to whoever wants more than text. */
export interface BlockmapEntry {
  /** Zone-4 offset. */
  offset: bigint; zone: number; appendOff: number; bytesFree: number; crcOk: boolean;
}

/** Bad entries found. */
export interface BlockmapSummary { badLayer1: number; badLayer2: number }

/** Prints the freemap. `verbose` is the count of -v: 1 adds indices and CRCs, 2 shows entries past the end. */
export function blockmap(
  devices: readonly BlockDevice[], print: (text: string) => void, options: { verbose?: number; onEntry?: (entry: BlockmapEntry) => void } = {},
): BlockmapSummary {
  const verbose = options.verbose ?? 0;
  const volumes = new RawVolumes(devices);
  const summary = { badLayer1: 0, badLayer2: 0 };
  const stats = verbose ? new ZoneStats() : null;
  printHeader(volumes, print);
  for (const i1 of volumes.layer1Indices()) {
    const l1 = volumes.layer1(i1);
    if (l1 !== null && l1.crcOk && l1.unavailable) continue;
    if (l1 === null || !l1.crcOk) summary.badLayer1++;
    const start = BigInt(i1) << 42n;
    if (l1 === null) {
      print(`B layer1 ${x16(ZONE4 + start)} (IO ERROR)\n`);
      continue;
    }
    print(`${l1.crcOk ? " " : "B"} layer1 ${x16(ZONE4 + start)} @${x16(l1.physOffset)} blocks-free ${l1.blocksFree}\n`);
    for (let i2 = 0; i2 < LAYER2_ENTRIES; i2++) {
      const l2 = volumes.layer2(l1.physOffset, i2);
      if (l2 === null) {
        summary.badLayer2++;
        print(`B       ${x16(ZONE4 + start + (BigInt(i2) << 23n))} (IO ERROR)\n`);
        break;
      }
      const x = l2.crcOk ? " " : "B";
      const a = l2.appendOff > BIGBLOCK_SIZE ? "A" : " ";
      const f = l2.bytesFree < 0 || l2.bytesFree > BIGBLOCK_SIZE ? "F" : " ";
      const flags = x + a + f;
      summary.badLayer2 += flags.replaceAll(" ", "").length;
      if (verbose < 2 && flags === "   " && l2.zone === ZONE_UNAVAILABLE) break;
      const offset = start + (BigInt(i2) << 23n);
      options.onEntry?.({ offset: ZONE4 + offset, zone: l2.zone, appendOff: l2.appendOff, bytesFree: l2.bytesFree, crcOk: l2.crcOk });
      let line = `${flags}     ${x16(ZONE4 + offset)} zone=${String(l2.zone).padEnd(2)} `;
      if (verbose) {
        line += `vol=${String((offset >> 52n) & 0xffn).padEnd(3)} L1#=${String(i1).padEnd(6)} L2#=${String(i2).padEnd(6)} `
          + `L1=${String(i1 * LAYER1.size).padEnd(7)} L2=${String(i2 * LAYER2.size).padEnd(7)} `;
      }
      line += `app=${String(l2.appendOff).padEnd(7)} free=${String(l2.bytesFree).padEnd(7)}`;
      if (verbose) {
        line += ` fill=${(((BIGBLOCK_SIZE - l2.bytesFree) * 100) / BIGBLOCK_SIZE).toFixed(1).padEnd(5)} `
          + `crc=${x8(l1.crc)}-${x8(l2.crc)}`;
      }
      print(`${line}\n`);
      stats?.addLayer2(l2.zone, l2.bytesFree);
    }
  }
  stats?.print(print);
  if (summary.badLayer1 || verbose) print(`${summary.badLayer1} bad layer1\n`);
  if (summary.badLayer2 || verbose) print(`${summary.badLayer2} bad layer2\n`);
  return summary;
}
