// SPDX-License-Identifier: BSD-3-Clause
/**
 * Function numbers shared by the generator and the decoder.
 * @module
 */
/** Form numbers of the address records, in front of all others. */
export const FN_EA32 = 0;
export const FN_EA16 = 1;
export const FN_LEA16 = 2;
/** Number of the first instruction form: form n of the table is function FN_FIRST + n. */
export const FN_FIRST = 3;
/** How many compiled regions can be live at once: places behind the functions in the interpreter's table. */
export const REGION_SLOTS = 4096;
