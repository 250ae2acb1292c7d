// SPDX-License-Identifier: BSD-3-Clause
/**
 * Record types and the data of the small records.
 * Source: DragonFly sys/vfs/hammer/hammer_disk.h.
 * @module
 */
import { bytes, chars, i64, layout, u16, u32, u64, u8 } from "./layout.ts";

export const REC_INODE = 0x0001;
export const REC_DATA = 0x0010;
export const REC_DIRENTRY = 0x0011;
export const REC_DB = 0x0012;
export const REC_EXT = 0x0013;
export const REC_FIX = 0x0014;
export const REC_PFS = 0x0015;
export const REC_SNAPSHOT = 0x0016;
export const REC_CONFIG = 0x0017;
export const REC_MAX = 0xffff;

/** Low 16 bits of a localization; the high 16 are the pseudo file system. */
export const LOCALIZE_INODE = 1;
export const LOCALIZE_MISC = 2;

/** Key of the FIX record that holds a symlink target. */
export const FIXKEY_SYMLINK = 1;

/** Fixed part of a directory entry; the name follows, its length is data_len - 16. */
export const DIRENTRY_DATA = layout("hammer_direntry_data", 32, {
  obj_id: [0, i64],
  localization: [8, u32],
  reserved01: [12, u32],
  name: [16, bytes(16)],
});
export const DIRENTRY_NAME = 16;

/**
 * Fixed part of an extended attribute, this package's own layout for the reserved record type EXT: the name follows, then the value,
 * which takes the rest of data_len.
 */
export const XATTR_DATA = layout("hammer_xattr_data", 8, {
  signature: [0, u32],
  name_len: [4, u8],
  reserved01: [5, u8],
  reserved02: [6, u16],
});
export const XATTR_NAME = 8;
/** "XATR" in the order of bytes. */
export const XATTR_SIGNATURE = 0x5254_4158;

export const SNAPSHOT_DATA = layout("hammer_snapshot_data", 128, {
  tid: [0, u64],
  ts: [8, u64],
  reserved01: [16, u64],
  reserved02: [24, u64],
  label: [32, chars(64)],
  reserved03: [96, bytes(32)],
});

export const CONFIG_DATA = layout("hammer_config_data", 1024, {
  text: [0, chars(1024)],
});
