// SPDX-License-Identifier: BSD-3-Clause
/**
 * Bits of HammerInode.dirty: what the next flush has to write of an object.
 * @module
 */

/** The object has no INODE record yet. */
export const DIRTY_NEW = 1;
/** Attributes other than times changed: the record is replaced. */
export const DIRTY_INODE = 2;
/** mtime or atime changed: the record's data is updated in place. */
export const DIRTY_TIMES = 4;
/** There are dirty file blocks. */
export const DIRTY_BLOCKS = 8;
/** A write extended the file: the record is replaced. REDO of the write brings that back, too. */
export const DIRTY_SIZE = 16;
/** What REDO records cannot bring back (HAMMER_INODE_MODMASK_NOREDO). */
export const DIRTY_NO_REDO = DIRTY_NEW | DIRTY_INODE;
