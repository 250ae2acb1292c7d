// SPDX-License-Identifier: BSD-3-Clause
/**
 * Pseudo file system record data. Packed: 292 bytes, though 64-bit systems of old wrote 296.
 * Source: DragonFly sys/vfs/hammer/hammer_disk.h, struct hammer_pseudofs_data.
 * @module
 */
import { array, bytes, chars, i32, layout, u32, u64 } from "./layout.ts";

export const PFS_DATA = layout("hammer_pseudofs_data", 292, {
  sync_low_tid: [0, u64],
  sync_beg_tid: [8, u64],
  sync_end_tid: [16, u64],
  sync_beg_ts: [24, u64],
  sync_end_ts: [32, u64],
  shared_uuid: [40, bytes(16)],
  unique_uuid: [56, bytes(16)],
  reserved01: [72, i32],
  mirror_flags: [76, u32],
  label: [80, chars(64)],
  snapshots: [144, chars(64)],
  reserved02: [208, i32],
  reserved03: [212, i32],
  reserved04: [216, i32],
  prune_min: [220, i32],
  prune_max: [224, i32],
  reserved: [228, array(i32, 16)],
});

export const PFSD_SLAVE = 0x0000_0001;
export const PFSD_DELETED = 0x8000_0000;

/** Head of every record of a mirror stream. */
export const MRECORD_HEAD = layout("hammer_ioc_mrecord_head", 16, {
  signature: [0, u32],
  rec_crc: [4, u32],
  rec_size: [8, u32],
  type: [12, u32],
});
export const MRECORD_REC = layout("hammer_ioc_mrecord_rec", 80, { leaf: [16, bytes(64)] });
export const MRECORD_SKIP = layout("hammer_ioc_mrecord_skip", 96, { skip_beg: [16, bytes(40)], skip_end: [56, bytes(40)] });
export const MRECORD_UPDATE = layout("hammer_ioc_mrecord_update", 24, { tid: [16, u64] });
export const MRECORD_PFS = layout("hammer_ioc_mrecord_pfs", 316, {
  version: [16, u32],
  reserved01: [20, u32],
  pfsd: [24, bytes(292)],
});
