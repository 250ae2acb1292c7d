// SPDX-License-Identifier: BSD-3-Clause
/**
 * Freemap structures: the zone table of the root volume header and the two levels of big-block entries.
 * Source: DragonFly sys/vfs/hammer/hammer_disk.h.
 * @module
 */
import { i32, layout, u16, u32, u64, u8 } from "./layout.ts";

/** One zone of vol0_blockmap. */
export const BLOCKMAP = layout("hammer_blockmap", 40, {
  phys_offset: [0, u64],
  first_offset: [8, u64],
  next_offset: [16, u64],
  alloc_offset: [24, u64],
  reserved01: [32, u32],
  entry_crc: [36, u32],
});

/** 4 TiB of one volume. */
export const LAYER1 = layout("hammer_blockmap_layer1", 32, {
  blocks_free: [0, u64],
  phys_offset: [8, u64],
  reserved01: [16, u64],
  layer2_crc: [24, u32],
  layer1_crc: [28, u32],
});

/** One big-block. */
export const LAYER2 = layout("hammer_blockmap_layer2", 16, {
  zone: [0, u8],
  reserved01: [1, u8],
  reserved02: [2, u16],
  append_off: [4, u32],
  bytes_free: [8, i32],
  entry_crc: [12, u32],
});

export const LAYER1_ENTRIES = 262144;
export const LAYER2_ENTRIES = 524288;
/** Bytes of a volume that one layer 1 entry describes: 2^42. */
export const LAYER1_SPAN = 4398046511104;
