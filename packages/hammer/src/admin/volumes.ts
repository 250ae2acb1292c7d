// SPDX-License-Identifier: BSD-3-Clause
/**
 * Adding a volume to a file system, and taking one away.
 *
 * Invariants
 *   W1  A new volume is complete on its device before the root volume mentions it; one taken away keeps its contents
 *       until the root volume has let go of it. Both change with one flush group.
 *   W2  A crash leaves either the old set of volumes or the new one. Right after it recovery may have to be given the
 *       set that the header names, to find that the other one is in force.
 *   W3  The file system is unmounted in the end: it is to be mounted again with its new set of devices.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_volume.c.
 * @module
 */
import { crcFor } from "../crc.ts";
import { checkWritable, type BlockDevice } from "../device.ts";
import { LAYER1_SPAN } from "../disk/blockmap.ts";
import { viewOf } from "../disk/layout.ts";
import { BIGBLOCK_SIZE, BUFSIZE, MAX_VOLUME_BYTES } from "../disk/offset.ts";
import { FSTYPE_HAMMER, MAX_VOLUMES, ROOT_VOLUME, VOL_SIGNATURE, VOLUME } from "../disk/volume.ts";
import { HammerError } from "../error.ts";
import { volumeCrc } from "../io.ts";
import type { HammerMount } from "../mount.ts";
import { countOf, layer2Image, NEWFS_DEFAULT_BOOT_BYTES, NEWFS_DEFAULT_MEM_BYTES } from "../newfs.ts";
import type { Engine } from "../transaction.ts";
import { reblock, type ReblockResult } from "./reblock.ts";
import type { ScanOptions } from "./scan.ts";

/** Areas of a new volume in bytes, multiples of 16 KiB; defaults as newfs has them. */
export interface AddVolumeOptions {
  bootBytes?: number;
  memBytes?: number;
}

/** What of the volumes changed. */
export interface VolumeChange {
  /** Number of the volume added or removed. */
  number: number;
  /** Big-blocks that the file system gained or lost. */
  bigblocks: number;
  /** What was moved off a volume before it was removed. */
  moved: ReblockResult | null;
}

/** Big-blocks that have to be free elsewhere beyond what is to be moved. */
const SLOP = 4;

/** Changes volume count and big-blocks in the root header, in the open group. */
function count(e: Engine, volumes: number, bigblocks: number): void {
  const { view } = e.volumes.root;
  view.setInt32(VOLUME.off.vol_count, view.getInt32(VOLUME.off.vol_count, true) + volumes, true);
  const at = VOLUME.off.vol0_stat_bigblocks;
  view.setBigInt64(at, view.getBigInt64(at, true) + BigInt(bigblocks), true);
}

/** Tells the other volumes how many there are; only tools read it there. */
function tellOthers(m: HammerMount, except: number): void {
  const total = m.vols.root.view.getInt32(VOLUME.off.vol_count, true);
  for (const v of m.vols.list) {
    if (v.number === ROOT_VOLUME || v.number === except) continue;
    v.view.setInt32(VOLUME.off.vol_count, total, true);
    v.view.setUint32(VOLUME.off.vol_crc, volumeCrc(v.header, m.version), true);
    v.device.write(0, v.header.subarray(0, 2048));
    v.device.flush();
  }
}

/**
 * Adds a device as a volume and unmounts the file system (W3). What the device held is lost. Throws EINVAL, E_TOO_SMALL,
 * EROFS, EIO; before the last step the file system is as it was.
 */
export function addVolume(m: HammerMount, device: BlockDevice, options: AddVolumeOptions = {}): VolumeChange {
  checkWritable(device);
  const e = m.engine();
  const number = m.vols.byNumber.findIndex((v) => v === undefined);
  if (number < 0) throw new HammerError("EINVAL", `a file system has at most ${MAX_VOLUMES} volumes`);
  const root = VOLUME.read(m.vols.root.view, 0);
  const junk = Number(root.vol_bot_beg), boot = options.bootBytes ?? NEWFS_DEFAULT_BOOT_BYTES, mem = options.memBytes ?? NEWFS_DEFAULT_MEM_BYTES;
  if (boot % BUFSIZE !== 0 || mem % BUFSIZE !== 0 || boot < 0 || mem < 0) throw new HammerError("EINVAL", "areas of a volume are multiples of 16 KiB");
  const begin = junk + boot + mem;
  const end = device.size - device.size % BUFSIZE;
  const usable = end - begin - (end - begin) % BIGBLOCK_SIZE;
  const spans = Math.ceil(usable / LAYER1_SPAN);
  const taken = spans * BIGBLOCK_SIZE;
  if (usable < taken + BIGBLOCK_SIZE) throw new HammerError("E_TOO_SMALL", `${device.name}: ${device.size} bytes are too few for a volume: two big-blocks of 8 MiB are needed`);
  if (usable > MAX_VOLUME_BYTES) throw new HammerError("EINVAL", `${device.name}: volumes beyond 32 TiB are not supported`);
  const header = new Uint8Array(BUFSIZE);
  const view = viewOf(header);
  VOLUME.write(view, 0, {
    vol_signature: VOL_SIGNATURE, vol_bot_beg: BigInt(junk), vol_mem_beg: BigInt(junk + boot), vol_buf_beg: BigInt(begin),
    vol_buf_end: BigInt(end), vol_fsid: root.vol_fsid, vol_fstype: FSTYPE_HAMMER, vol_label: root.vol_label, vol_no: number,
    vol_count: root.vol_count + 1, vol_version: root.vol_version,
  });
  view.setUint32(VOLUME.off.vol_crc, volumeCrc(header, m.version), true);
  const free: number[] = [];
  for (let n = 0; n < spans; n++) {
    free.push(countOf(usable, n) - countOf(taken, n));
    device.write(begin + n * BIGBLOCK_SIZE, layer2Image(crcFor(m.version), taken, usable, n));
  }
  device.write(0, header);
  device.flush();
  const bigblocks = free.reduce((sum, n) => sum + n, 0);
  e.begin();
  e.freemap.enterVolume(number, free);
  count(e, 1, bigblocks);
  e.flush();
  tellOthers(m, number);
  m.unmount();
  return { number, bigblocks, moved: null };
}

/** How to remove a volume. */
export interface RemoveVolumeOptions extends Pick<ScanOptions, "progress"> {
  /** Move what it holds to the others first; else only an empty one can go. Default false. */
  reblock?: boolean;
  /** Only find out whether it can go and what would be moved. The file system stays mounted. Default false. */
  dryRun?: boolean;
}

/**
 * Takes a volume out of the file system and unmounts it (W3); the volume's header is wiped in the end. Throws EINVAL for
 * the root volume or an unknown one, ENOTEMPTY, ENOSPC when the others cannot take what it holds, EBUSY if the progress
 * function ended the move, EROFS, EIO. The file system stays mounted and whole after an error.
 */
export function removeVolume(m: HammerMount, number: number, options: RemoveVolumeOptions = {}): VolumeChange {
  const volume = m.vols.byNumber[number];
  if (volume === undefined) throw new HammerError("EINVAL", `there is no volume ${number}`);
  if (number === ROOT_VOLUME) throw new HammerError("EINVAL", "the root volume cannot be removed");
  const e = m.engine();
  let moved: ReblockResult | null = null;
  e.freemap.avoid(number);
  try {
    let state = e.freemap.countVolume(number);
    if (state.free < state.total) {
      if (!options.reblock) throw new HammerError("ENOTEMPTY", `volume ${number} (${volume.device.name}) is not empty`);
      const used = state.total - state.free;
      if (e.freemap.freeBigblocks - state.free < used + SLOP)
        throw new HammerError("ENOSPC", `${used} big-blocks of volume ${number} have to be moved, ${e.freemap.freeBigblocks - state.free} are free elsewhere`);
      moved = reblock(m, { allPfs: true, volume: number, fill: 100, dryRun: options.dryRun ?? false, ...(options.progress ? { progress: options.progress } : {}) });
      if (moved.stoppedAt !== null) throw new HammerError("EBUSY", `moving off volume ${number} was ended before it was complete`);
      if (!options.dryRun) state = e.freemap.countVolume(number);
      if (!options.dryRun && state.free < state.total)
        throw new HammerError("ENOTEMPTY", `volume ${number} still holds ${state.total - state.free} big-blocks: ${moved.damaged} damaged records could not be moved`);
    }
    if (options.dryRun) return { number, bigblocks: state.total, moved };
    e.begin();
    e.freemap.leaveVolume(number);
    count(e, -1, -state.total);
    e.flush();
    tellOthers(m, number);
    volume.device.write(0, new Uint8Array(BUFSIZE));
    volume.device.flush();
    m.unmount();
    return { number, bigblocks: state.total, moved };
  } finally {
    e.freemap.avoid(-1);
  }
}
