// SPDX-License-Identifier: BSD-3-Clause
/**
 * The words in linear memory through which TypeScript and the decoder's code talk, behind the instruction tables.
 * @module
 */
import { TABLE_ROOM } from "./decode-table.ts";

/** parse() results. */
export const DECODE_OK = 0;
/** #UD. */
export const DECODE_UNDEFINED = 1;
/** More than 15 bytes: #GP(0). */
export const DECODE_TOO_LONG = 2;
/** The bytes end before the instruction does. */
export const DECODE_FETCH_FAULT = 3;
export type DecodeResult =
  typeof DECODE_OK | typeof DECODE_UNDEFINED | typeof DECODE_TOO_LONG | typeof DECODE_FETCH_FAULT;

export const MAX_LENGTH = 15;
/** Number of "no register". */
export const NO_REGISTER = 8;
/** How many instructions one run of the decoder takes in. */
export const MOST_INSTRUCTIONS = 128;

// The decoder's words, from the address of the tables on.
const WORDS = TABLE_ROOM;
/** Fields of the instruction parsed last. */
export const F_ROW = WORDS;
export const F_LENGTH = WORDS + 4;
export const F_OPCODE = WORDS + 8;
export const F_SIZE = WORDS + 12;
export const F_ADDRESS_SIZE = WORDS + 16;
/** −1 without. */
export const F_MODRM = WORDS + 20;
export const F_LOCK = WORDS + 24;
/** F2 or F3, the last given; 0 without. */
export const F_REPEAT = WORDS + 28;
/** Segment override, −1 without. */
export const F_OVERRIDE = WORDS + 32;
/** MEM_NONE, MEM_BASE or MEM_INDEXED. */
export const F_MEM = WORDS + 36;
export const F_BASE = WORDS + 40;
export const F_INDEX = WORDS + 44;
export const F_SCALE = WORDS + 48;
export const F_DISP = WORDS + 52;
export const F_IMM = WORDS + 56;
export const F_IMM2 = WORDS + 60;
/** What run() works on: host address of the page, its index and coverage, whether its mode is 32-bit and not flat. */
export const D_HOST = WORDS + 64;
export const D_INDEX = WORDS + 68;
export const D_COVERED = WORDS + 72;
export const D_CODE32 = WORDS + 76;
export const D_GENERAL = WORDS + 80;
/** How many instructions may still be decoded. */
export const D_LEFT = WORDS + 84;
/** Where run() stopped: offset in the page; or −1, the last instruction ended the run. */
export const D_OFFSET = WORDS + 88;
/** Jumps inside the page whose targets are not resolved yet: how many, their records, their target offsets. */
export const D_JUMPS = WORDS + 92;
export const D_JUMP_RECORDS = WORDS + 96;
export const D_JUMP_TARGETS = D_JUMP_RECORDS + 4 * MOST_INSTRUCTIONS;
/** Bytes that are not in the page: an instruction put together, for parse(). */
export const D_JOINED = D_JUMP_TARGETS + 4 * MOST_INSTRUCTIONS;
/** Bytes of linear memory for tables and words. */
export const DECODER_BYTES = D_JOINED + 96;
