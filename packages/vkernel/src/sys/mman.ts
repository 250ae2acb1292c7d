// SPDX-License-Identifier: BSD-3-Clause
/** Memory mapping constants, native numbers (DragonFly 2.0 sys/sys/mman.h), and the bounds of user memory. @module */

export const PAGE_SIZE = 4096;
/** First address given to mappings without one; below it only the superuser maps (Linux vm.mmap_min_addr). */
export const MMAP_MIN_ADDR = 0x1_0000;
export const PAGE_MASK = 0xfff;
export const PAGE_SHIFT = 12;
/** First address above user memory (VM_MAX_USER_ADDRESS of a vkernel guest). */
export const VM_MAX_USER_ADDRESS = 0xbfc0_0000;

export const PROT_NONE = 0;
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_EXEC = 4;
export const PROT_ALL = 7;

export const MAP_SHARED = 0x0001;
export const MAP_PRIVATE = 0x0002;
export const MAP_FIXED = 0x0010;
export const MAP_NORESERVE = 0x0040;
export const MAP_INHERIT = 0x0080;
export const MAP_NOEXTEND = 0x0100;
export const MAP_HASSEMAPHORE = 0x0200;
export const MAP_STACK = 0x0400;
export const MAP_NOSYNC = 0x0800;
export const MAP_ANON = 0x1000;
export const MAP_VPAGETABLE = 0x2000;
/** Map at the hint or fail with EEXIST-class ENOMEM, never over something (later releases; Linux MAP_FIXED_NOREPLACE). */
export const MAP_TRYFIXED = 0x1_0000;
export const MAP_NOCORE = 0x2_0000;

export const MS_SYNC = 0x0000;
export const MS_ASYNC = 0x0001;
export const MS_INVALIDATE = 0x0002;

export const MADV_NORMAL = 0;
export const MADV_RANDOM = 1;
export const MADV_SEQUENTIAL = 2;
export const MADV_WILLNEED = 3;
/** Advice only: contents stay. Linux's destructive MADV_DONTNEED is MADV_FREE here. */
export const MADV_DONTNEED = 4;
/** The pages are dropped at once; anonymous memory reads as zeros afterwards. */
export const MADV_FREE = 5;
export const MADV_NOSYNC = 6;
export const MADV_AUTOSYNC = 7;
export const MADV_NOCORE = 8;
export const MADV_CORE = 9;
export const MADV_INVAL = 10;

/** mincore() bits. */
export const MINCORE_INCORE = 0x1;
export const MINCORE_REFERENCED = 0x2;
export const MINCORE_MODIFIED = 0x4;

/** minherit() values. */
export const INHERIT_SHARE = 0;
export const INHERIT_COPY = 1;
export const INHERIT_NONE = 2;
/** The child finds zeros (Linux MADV_WIPEONFORK); FreeBSD's number, which DragonFly does not have. */
export const INHERIT_ZERO = 3;
