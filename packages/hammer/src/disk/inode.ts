// SPDX-License-Identifier: BSD-3-Clause
/**
 * Inode data: what an INODE record points at. The leaf's CRC covers the first 112 bytes, not mtime and atime.
 * Source: DragonFly sys/vfs/hammer/hammer_disk.h, struct hammer_inode_data.
 * @module
 */
import { bytes, i64, layout, u16, u32, u64, u8 } from "./layout.ts";

export const INODE_DATA = layout("hammer_inode_data", 128, {
  version: [0, u16],
  mode: [2, u16],
  uflags: [4, u32],
  rmajor: [8, u32],
  rminor: [12, u32],
  ctime: [16, u64],
  parent_obj_id: [24, i64],
  uid: [32, bytes(16)],
  gid: [48, bytes(16)],
  obj_type: [64, u8],
  cap_flags: [65, u8],
  reserved01: [66, u16],
  reserved02: [68, u32],
  nlinks: [72, u64],
  size: [80, u64],
  ext: [88, bytes(24)],
  mtime: [112, u64],
  atime: [120, u64],
});

/** Bytes of inode data its CRC covers. */
export const INODE_CRC_SIZE = 112;
/** Where the 32-bit number is inside the uid and gid fields. */
export const UUID_ID_OFFSET = 12;
/** Longest symlink target kept in the inode itself (the ext field). */
export const INODE_EXT_SIZE = 24;

export const OBJTYPE_DIRECTORY = 1;
export const OBJTYPE_REGFILE = 2;
export const OBJTYPE_DBFILE = 3;
export const OBJTYPE_FIFO = 4;
export const OBJTYPE_CDEV = 5;
export const OBJTYPE_BDEV = 6;
export const OBJTYPE_SOFTLINK = 7;
export const OBJTYPE_PSEUDOFS = 8;
export const OBJTYPE_SOCKET = 9;

/** Directory entries are filed under the inode localization (HAMMER_INODE_CAP_DIR_LOCAL_INO). */
export const CAP_DIR_LOCAL_INO = 0x04;

export const UF_NODUMP = 0x0000_0001;
export const UF_IMMUTABLE = 0x0000_0002;
export const UF_APPEND = 0x0000_0004;
export const UF_NOHISTORY = 0x0000_0040;
export const SF_IMMUTABLE = 0x0002_0000;
export const SF_APPEND = 0x0004_0000;
export const SF_NOHISTORY = 0x0040_0000;

/** Object id of the root directory of every pseudo file system. */
export const OBJID_ROOT = 1;
