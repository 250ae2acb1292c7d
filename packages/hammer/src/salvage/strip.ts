// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer strip`: makes a file system unmountable and unrecoverable quickly, by overwriting what leads to its data: the
 * big-blocks of B-Tree nodes and small records, and the volume headers. The data itself stays where it is.
 *
 * Invariant T1: headers go last, so that a strip that was interrupted can be repeated.
 * Source: DragonFly sbin/hammer/cmd_strip.c.
 * @module
 */
import { crcFor } from "../crc.ts";
import type { BlockDevice } from "../device.ts";
import { BIGBLOCK_SIZE, LAYER2, LAYER2_ENTRIES, VOLUME, ZONE_BTREE, ZONE_META, ZONE_UNAVAILABLE, viewOf } from "../disk/index.ts";
import { RawVolumes } from "../tools/raw.ts";
import { SalvageVolumes } from "./volumes.ts";

/** What was overwritten, as it is: a big-block by its zone offset, or the header of a device. */
export type StripProgress = (what: { bigblock: bigint; zone: number } | { header: string }) => void;

/** What strip found to overwrite. */
export interface StripResult { bigblocks: number; headers: number }

const MARK = Uint8Array.from("STRIPPED", (c) => c.charCodeAt(0));
const PIECE = 1 << 20;

/**
 * Overwrites. With `dryRun` it only tells. Devices without a HAMMER header lose what stands in the place of one all the
 * same. Throws EROFS, EIO.
 */
export function strip(devices: readonly BlockDevice[], options: { progress?: StripProgress; dryRun?: boolean } = {}): StripResult {
  const { progress, dryRun = false } = options;
  const volumes = new SalvageVolumes(devices);
  const result: StripResult = { bigblocks: 0, headers: 0 };
  const sound = volumes.list.filter((v) => v.header !== null && v.number >= 0);
  if (volumes.root !== null) {
    const raw = new RawVolumes(sound.map((v) => v.device));
    for (const index of raw.layer1Indices()) stripRange(volumes, raw, index, dryRun, (bigblock, zone) => {
      result.bigblocks++;
      progress?.({ bigblock, zone });
    });
  }
  if (!dryRun) for (const { device } of volumes.list) device.flush();
  for (const { device } of volumes.list) {
    if (!dryRun) {
      const header = new Uint8Array(VOLUME.size);
      header.set(MARK);
      device.write(0, header);
      device.flush();
    }
    result.headers++;
    progress?.({ header: device.name });
  }
  return result;
}

/** The big-blocks that one layer 1 entry describes. */
function stripRange(volumes: SalvageVolumes, raw: RawVolumes, index: number, dryRun: boolean, stripped: (offset: bigint, zone: number) => void): void {
  const layer1 = raw.layer1(index);
  if (layer1 === null || layer1.unavailable) return;
  const table = place(volumes, layer1.physOffset);
  if (table === null) return; // the entry is damaged: there is no table to follow
  for (let i = 0; i < LAYER2_ENTRIES; i++) {
    const layer2 = raw.layer2(layer1.physOffset, i);
    if (layer2 === null || layer2.zone === ZONE_UNAVAILABLE) return; // behind the last big-block of the volume
    if (layer2.zone !== ZONE_BTREE && layer2.zone !== ZONE_META) continue;
    const offset = (BigInt(index) << 42n) | (BigInt(i) << 23n);
    const block = place(volumes, offset);
    if (block !== null && !dryRun) {
      for (let at = 0; at < BIGBLOCK_SIZE; at += PIECE) block.device.write(block.at + at, new Uint8Array(PIECE));
      const entry = new Uint8Array(LAYER2.size);
      LAYER2.write(viewOf(entry), 0, { zone: ZONE_UNAVAILABLE, append_off: BIGBLOCK_SIZE, bytes_free: 0 });
      LAYER2.write(viewOf(entry), 0, { entry_crc: crcFor(raw.header.version)(entry, 0, LAYER2.off.entry_crc) });
      table.device.write(table.at + i * LAYER2.size, entry);
    }
    if (block !== null) stripped((BigInt(layer2.zone) << 60n) | offset, layer2.zone);
  }
}

/** Device and byte of a zone-2 offset, or null where no given volume has it. */
function place(volumes: SalvageVolumes, offset: bigint): { device: BlockDevice; at: number } | null {
  const v = volumes.volume(Number((offset >> 52n) & 0xffn));
  const byte = Number(offset & 0xf_ffff_ffff_ffffn);
  return v === undefined || v.bufBeg + byte >= v.bufEnd ? null : { device: v.device, at: v.bufBeg + byte };
}
