// SPDX-License-Identifier: BSD-3-Clause
/**
 * B-Tree nodes and elements.
 *
 * A node is 4096 bytes and never crosses a buffer, an element is 64 bytes and aligned, so hot code reads them
 * as 32-bit words of an Int32Array over the whole buffer: the W_ constants are word indices from the start
 * of the node or element.
 * Source: DragonFly sys/vfs/hammer/hammer_btree.h.
 * @module
 */
import { bytes, i32, i64, layout, u16, u32, u64, u8 } from "./layout.ts";

export const NODE = layout("hammer_node_ondisk", 4096, {
  crc: [0, u32],
  reserved01: [4, u32],
  parent: [8, u64],
  count: [16, i32],
  type: [20, u8],
  reserved02: [21, u8],
  reserved03: [22, u16],
  reserved04: [24, u64],
  reserved05: [32, u64],
  reserved06: [40, u64],
  reserved07: [48, u64],
  mirror_tid: [56, u64],
  elms: [64, bytes(4032)],
});

export const BASE_ELM = layout("hammer_base_elm", 40, {
  obj_id: [0, i64],
  key: [8, i64],
  create_tid: [16, u64],
  delete_tid: [24, u64],
  rec_type: [32, u16],
  obj_type: [34, u8],
  btype: [35, u8],
  localization: [36, u32],
});

export const INTERNAL_ELM = layout("hammer_btree_internal_elm", 64, {
  base: [0, bytes(40)],
  mirror_tid: [40, u64],
  subtree_offset: [48, u64],
  reserved01: [56, i32],
  reserved02: [60, i32],
});

export const LEAF_ELM = layout("hammer_btree_leaf_elm", 64, {
  base: [0, bytes(40)],
  create_ts: [40, u32],
  delete_ts: [44, u32],
  data_offset: [48, u64],
  data_len: [56, i32],
  data_crc: [60, u32],
});

export const NODE_SIZE = 4096;
/** Elements of a full leaf. */
export const LEAF_ELMS = 63;
/** Elements of a full internal node; one more slot holds the right boundary. */
export const INTERNAL_ELMS = 62;

export const TYPE_INTERNAL = 0x49;
export const TYPE_LEAF = 0x4c;
export const TYPE_RECORD = 0x52;
export const TYPE_DELETED = 0x44;

// Words of a node.
export const W_CRC = 0;
export const W_PARENT_LO = 2;
export const W_PARENT_HI = 3;
export const W_COUNT = 4;
/** Low byte is the type. */
export const W_TYPE = 5;
export const W_NODE_MIRROR_LO = 14;
export const W_NODE_MIRROR_HI = 15;
export const W_ELMS = 16;

// Words of an element.
export const ELM_WORDS = 16;
export const ELM_SIZE = 64;
export const W_OBJ_LO = 0;
export const W_OBJ_HI = 1;
export const W_KEY_LO = 2;
export const W_KEY_HI = 3;
export const W_CREATE_LO = 4;
export const W_CREATE_HI = 5;
export const W_DELETE_LO = 6;
export const W_DELETE_HI = 7;
/** rec_type | obj_type << 16 | btype << 24. */
export const W_TYPES = 8;
export const W_LOCALIZATION = 9;
export const W_MIRROR_LO = 10;
export const W_MIRROR_HI = 11;
export const W_SUBTREE_LO = 12;
export const W_SUBTREE_HI = 13;
export const W_CREATE_TS = 10;
export const W_DELETE_TS = 11;
export const W_DATA_LO = 12;
export const W_DATA_HI = 13;
export const W_DATA_LEN = 14;
export const W_DATA_CRC = 15;

