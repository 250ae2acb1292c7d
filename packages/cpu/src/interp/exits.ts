// SPDX-License-Identifier: BSD-3-Clause
/**
 * How generated interpreter code returns. The first four are also what out-of-line handlers return to the loop.
 * @module
 */
/** Done; the next instruction follows. */
export const X_NEXT = 0;
/** Done; EIP of the state is the next instruction. */
export const X_JUMP = 1;
/** A memory check failed; the instruction at EIP is to be executed by its step function. */
export const X_SLOW = 2;
/** A fault of the instruction at EIP; EXIT_VECTOR and EXIT_ERROR are set. */
export const X_EXCEPTION = 3;
/** An exception reported with EIP behind the instruction; EXIT_VECTOR is set. */
export const X_TRAP = 4;
/** INT EXIT_VECTOR; EIP is behind the instruction, SERVICE_RESULT is its own address. */
export const X_SOFTINT = 5;
/** Done; segments or system flags changed, so the mode must be looked at again. EIP is the next instruction. */
export const X_LEAVE = 6;
/** A repeated string instruction at EIP has elements left. */
export const X_AGAIN = 7;
/** No decoded record for EIP. */
export const X_MISS = 8;
/** The budget is used up; EIP is the next instruction. */
export const X_BUDGET = 9;
/** Step functions of prefix records: go on with the next record. */
export const X_PREFIX = 10;
/** A region was compiled for pages that the running space does not have (any more) at their places; nothing was done. */
export const X_STALE = 11;
/** Regions have left for EIP, where none is entered, HOT_EXITS times; REGION_FROM and REGION_FROM_SLOT tell which did last. */
export const X_HOT = 12;
/** What the place of a dead region in the table returns; nothing was done. */
export const X_DEAD = 13;
/** A repeated string instruction at EIP has elements left; one was done with slow access. */
export const X_ELEMENT = 14;
/** A region has left for the store at QUIET_STORE_EIP, which was done: one of many beside the code of a page. EIP is what follows. */
export const X_QUIET_STORE = 15;
/** As X_SLOW, for a window over a page end (jit/access-windows.ts); it happened often. REGION_FROM_SLOT tells the region. */
export const X_CROSSING = 16;
/** One of PASSAGE_INTERVAL passages between regions: to EIP, from the region that REGION_FROM and REGION_FROM_SLOT tell. */
export const X_PASSAGE = 17;
