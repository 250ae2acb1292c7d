// SPDX-License-Identifier: BSD-3-Clause
/**
 * Records of the UNDO/REDO FIFO. Every 512-byte line starts with a record head; a record ends with a tail.
 * Source: DragonFly sys/vfs/hammer/hammer_disk.h.
 * @module
 */
import { bytes, i32, i64, layout, u16, u32, u64 } from "./layout.ts";

export const FIFO_HEAD = layout("hammer_fifo_head", 16, {
  hdr_signature: [0, u16],
  hdr_type: [2, u16],
  hdr_size: [4, u32],
  hdr_seq: [8, u32],
  hdr_crc: [12, u32],
});

export const FIFO_TAIL = layout("hammer_fifo_tail", 8, {
  tail_signature: [0, u16],
  tail_type: [2, u16],
  tail_size: [4, u32],
});

export const FIFO_UNDO = layout("hammer_fifo_undo", 32, {
  head: [0, bytes(16)],
  undo_offset: [16, u64],
  undo_data_bytes: [24, i32],
  undo_reserved01: [28, i32],
});

export const FIFO_REDO = layout("hammer_fifo_redo", 56, {
  head: [0, bytes(16)],
  redo_objid: [16, i64],
  redo_offset: [24, u64],
  redo_data_bytes: [32, i32],
  redo_flags: [36, u32],
  redo_localization: [40, u32],
  redo_reserved01: [44, u32],
  redo_reserved02: [48, u64],
});

export const HEAD_SIGNATURE = 0xc84e;
export const TAIL_SIGNATURE = 0xc74f;

export const FIFO_TYPE_PAD = 0x8040;
export const FIFO_TYPE_DUMMY = 0x0041;
export const FIFO_TYPE_UNDO = 0x0043;
export const FIFO_TYPE_REDO = 0x0044;

export const REDO_WRITE = 0x01;
export const REDO_TRUNC = 0x02;
export const REDO_TERM_WRITE = 0x04;
export const REDO_TERM_TRUNC = 0x08;
export const REDO_SYNC = 0x10;

/** Every line of the FIFO starts with a head, from version 4 on with a sequence number. */
export const FIFO_LINE = 512;
export const FIFO_HEAD_SIZE = 16;
export const FIFO_TAIL_SIZE = 8;
export const FIFO_UNDO_SIZE = 32;
export const FIFO_REDO_SIZE = 56;
