// SPDX-License-Identifier: BSD-3-Clause
/**
 * Decoded records: what the decoder writes and the interpreter's handlers read.
 *
 * Records of a run follow each other in memory, so the next instruction is `ip + RECORD_BYTES`. Byte offsets:
 *
 *    0 u16 HANDLER   case of the dispatch loop
 *    2 u16 OFF       offset of the instruction in its page
 *    4 u16 R0        state-block offset (general, xmm, mmx) or number (st, segment) of the first register operand
 *    6 u16 R1        the same of the second
 *    8 u16 BASE      state-block offset of the base register (ZERO when there is none)
 *   10 u16 INDEX     the same of the index register
 *   12 u8  SCALE     shift count of the index
 *   13 u8  SEGMENT   number of the segment register of the memory operand
 *   14 u16 NEXT      offset behind the instruction, relative to the page (may exceed 4095)
 *   16 i32 DISP
 *   20 i32 IMM       immediate, or distance of a direct jump from NEXT
 *   24 i32 TARGET    record of a jump target in the same page; second immediate
 *   28 u16 FUNCTION  index of the out-of-line handler
 *   30 u16 ENTRY     number of the compiled region's entry, while HANDLER is H_REGION
 *
 * Invariant D1: a record names nothing virtual. EIP is `page base + OFF`, where the page base is the interpreter's; so code
 * decoded once serves every address and every space that maps the page.
 * @module
 */
export const RECORD_BYTES = 32;
export const RECORD_SHIFT = 5;
export const R_HANDLER = 0;
export const R_OFF = 2;
export const R_R0 = 4;
export const R_R1 = 6;
export const R_BASE = 8;
export const R_INDEX = 10;
export const R_SCALE = 12;
export const R_SEGMENT = 13;
export const R_NEXT = 14;
export const R_DISP = 16;
export const R_IMM = 20;
export const R_TARGET = 24;
export const R_FUNCTION = 28;
export const R_ENTRY = 30;

// Handlers that stand for no instruction. Instructions of the loop follow from H_FIRST on.
/** Entry of the interpreter: goes to the EIP of the state. */
export const H_ENTER = 0;
/** Goes on at TARGET; the code there was decoded before. */
export const H_LINK = 1;
/** Goes to the page that follows, at NEXT. */
export const H_NEXT_PAGE = 2;
/** The next record crosses into the following page: checks that this is still host page IMM. */
export const H_CROSS = 3;
/** Not decodable: leaves so that the decoder can raise the fault. */
export const H_MISS = 4;
/** Computes EA = linear address of the memory operand of the next record, 32-bit and 16-bit. R0 = size, R1 = is write. */
export const H_EA32 = 5;
export const H_EA16 = 6;
/** EA = effective 16-bit address, for LEA. */
export const H_LEA16 = 7;
/** Calls out-of-line handler FUNCTION. */
export const H_FUNCTION = 8;
/** Enters a compiled region; the record's own handler is that of its FUNCTION. */
export const H_REGION = 9;
export const H_FIRST = 10;

/** Whether a handler belongs to the instruction in the next record. */
export function isPrefixHandler(handler: number): boolean {
  return handler === H_CROSS || (handler >= H_EA32 && handler <= H_LEA16);
}
