// SPDX-License-Identifier: BSD-3-Clause
/**
 * The volume header: the first 1928 bytes of every volume, in a 16 KiB buffer of its own.
 *
 * The vol0_ fields are maintained in the root volume (number 0) only.
 * Source: DragonFly sys/vfs/hammer/hammer_disk.h, struct hammer_volume_ondisk.
 * @module
 */
import { array, bytes, chars, i32, i64, layout, u32, u64 } from "./layout.ts";

export const VOLUME = layout("hammer_volume_ondisk", 1928, {
  vol_signature: [0, u64],
  vol_bot_beg: [8, i64],
  vol_mem_beg: [16, i64],
  vol_buf_beg: [24, i64],
  vol_buf_end: [32, i64],
  vol_reserved01: [40, i64],
  vol_fsid: [48, bytes(16)],
  vol_fstype: [64, bytes(16)],
  vol_label: [80, chars(64)],
  vol_no: [144, i32],
  vol_count: [148, i32],
  vol_version: [152, u32],
  vol_crc: [156, u32],
  vol_flags: [160, u32],
  vol_rootvol: [164, u32],
  vol_reserved: [168, array(u32, 8)],
  vol0_stat_bigblocks: [200, i64],
  vol0_stat_freebigblocks: [208, i64],
  vol0_reserved01: [216, i64],
  vol0_stat_inodes: [224, i64],
  vol0_reserved02: [232, i64],
  vol0_btree_root: [240, u64],
  vol0_next_tid: [248, u64],
  vol0_reserved03: [256, u64],
  vol0_blockmap: [264, bytes(640)],
  vol0_undo_array: [904, array(u64, 128)],
});

/** First 8 bytes of a volume. */
export const VOL_SIGNATURE = 0xc841_4d4d_c552_3031n;
/** The same on a machine of the other byte order; recognised in order to be refused. */
export const VOL_SIGNATURE_REVERSED = 0x3130_52c5_4d4d_41c8n;

/** "DragonFly HAMMER": 61dc63ac-6e38-11dc-8513-01301bb8a9f5 as stored. */
export const FSTYPE_HAMMER = Uint8Array.of(
  0xac, 0x63, 0xdc, 0x61, 0x38, 0x6e, 0xdc, 0x11, 0x85, 0x13, 0x01, 0x30, 0x1b, 0xb8, 0xa9, 0xf5);

export const VERSION_MIN = 1;
export const VERSION_MAX = 7;
export const VERSION_DEFAULT = 7;
/** From here on FIFO lines carry sequence numbers and the header's next_offset is only a hint. */
export const VERSION_FIFO_SEQ = 4;

export const MAX_VOLUMES = 256;
export const ROOT_VOLUME = 0;
export const UNDO_BIGBLOCKS_MAX = 128;

/** A 16-byte UUID as text; DCE field order, the first three fields little endian. */
export function uuidText(b: Uint8Array): string {
  const hex = (i: number): string => b[i]!.toString(16).padStart(2, "0");
  const run = (...at: number[]): string => at.map(hex).join("");
  return `${run(3, 2, 1, 0)}-${run(5, 4)}-${run(7, 6)}-${run(8, 9)}-${run(10, 11, 12, 13, 14, 15)}`;
}

/** The 16 stored bytes of a printed UUID, or null if the text is not one. */
export function uuidBytes(text: string): Uint8Array | null {
  if (!/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(text)) return null;
  const digits = text.replaceAll("-", "");
  const raw = Array.from({ length: 16 }, (_, i) => parseInt(digits.slice(i * 2, i * 2 + 2), 16));
  return Uint8Array.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15], (i) => raw[i]!);
}
