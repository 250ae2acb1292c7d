// SPDX-License-Identifier: BSD-3-Clause
/**
 * The memory calls of a process: mmap, munmap, mprotect, mremap, madvise, msync, mincore, minherit, brk. Native constants;
 * addresses are unsigned numbers. All are plain functions that throw Errno.
 *
 * Counterpart: DragonFly 2.0 sys/vm/{vm_mmap,vm_unix}.c; mremap follows Linux's mremap(2).
 * @module
 */
import { EACCES, EAGAIN, EEXIST, EFAULT, EINVAL, ENOMEM } from "../sys/errno.ts";
import {
  INHERIT_SHARE,
  INHERIT_ZERO,
  MADV_CORE,
  MADV_FREE,
  MADV_NOCORE,
  MAP_ANON,
  MAP_FIXED,
  MAP_SHARED,
  MAP_TRYFIXED,
  MINCORE_INCORE,
  MINCORE_MODIFIED,
  MINCORE_REFERENCED,
  PAGE_MASK,
  PAGE_SIZE,
  PROT_ALL,
  PROT_WRITE,
  MMAP_MIN_ADDR,
  VM_MAX_USER_ADDRESS,
} from "../sys/mman.ts";
import { IoMiss } from "../sys/wait.ts";
import { FAULT_ACCERR, FAULT_NOMEM, FAULT_OK, vmFault } from "./fault.ts";
import { UNWIRED, VmMapEntry, WIRED, type Wired } from "./map-entry.ts";
import { VmObject } from "./object.ts";
import { isSwapped } from "./pageout.ts";
import { VPTE_A, VPTE_M, VPTE_W, pmapMove, pmapProtect, pmapPte, pmapRemove } from "./pmap.ts";
import type { Vmspace } from "./vmspace.ts";

export interface MmapRequest {
  /** Hint, or the place with MAP_FIXED. */
  readonly addr: number;
  /** Bytes; rounded up to pages. */
  readonly len: number;
  readonly prot: number;
  readonly flags: number;
  /** What backs it; null for private anonymous memory. MAP_ANON with MAP_SHARED makes its own object. */
  readonly object: VmObject | null;
  /** Byte offset in the object, page aligned, < 2^53. */
  readonly offset: number;
  /** Most that mprotect may grant later; everything unless given. */
  readonly maxProt?: number;
  readonly tag?: VmMapEntry["tag"];
  /** Lock it in memory even if the process locks nothing that it maps from now on: MAP_LOCKED. */
  readonly wired?: boolean;
  /** Bring its pages in, as far as that needs no waiting: MAP_POPULATE. */
  readonly populate?: boolean;
}

function roundPage(n: number): number {
  return Math.ceil(n / PAGE_SIZE) * PAGE_SIZE;
}

/** End of a page aligned range inside user memory; throws `error` for a wrap or an end beyond. */
function rangeEnd(addr: number, len: number, error: typeof EINVAL): number {
  const end = addr + roundPage(len);
  if (len < 0 || end > VM_MAX_USER_ADDRESS) throw error;
  return end;
}

/**
 * Maps memory and returns its address. Throws EINVAL (length 0, misaligned, bad range), ENOMEM (no room, too many entries),
 * EEXIST (MAP_TRYFIXED over something).
 */
export function mmap(vm: Vmspace, req: MmapRequest): number {
  const { addr, len, flags, offset } = req;
  if (len <= 0 || offset % PAGE_SIZE !== 0 || offset < 0) throw EINVAL;
  const size = roundPage(len);
  if (size > VM_MAX_USER_ADDRESS) throw ENOMEM;
  if (offset + size > Number.MAX_SAFE_INTEGER) throw EINVAL;
  const fixed = (flags & (MAP_FIXED | MAP_TRYFIXED)) !== 0;
  let start: number;
  if (fixed) {
    if ((addr & PAGE_MASK) !== 0) throw EINVAL;
    if (addr + size > VM_MAX_USER_ADDRESS) throw flags & MAP_FIXED ? ENOMEM : EINVAL;
    if ((flags & MAP_TRYFIXED) !== 0 && !vm.map.isFree(addr, addr + size)) throw EEXIST;
    start = addr;
    vm.map.remove(start, start + size);
  } else {
    start = chooseAddress(vm, roundPage(addr), size);
  }
  const shared = (flags & MAP_SHARED) !== 0;
  let object = req.object;
  if ((flags & MAP_ANON) !== 0) object = shared ? VmObject.anonymous(vm.sys, size) : null;
  const prot = req.prot & PROT_ALL;
  const entry = new VmMapEntry(
    vm.pmap,
    start,
    start + size,
    prot,
    req.maxProt ?? PROT_ALL,
    shared && object !== null,
    object,
    object === null ? 0 : offset,
  );
  entry.tag = req.tag ?? "";
  entry.wired = req.wired === true && vm.wireFuture === UNWIRED ? WIRED : vm.wireFuture;
  if (entry.wired !== UNWIRED) vm.hasWired = true;
  const { wired } = entry;
  vm.map.insert(entry);
  if (wired === WIRED || req.populate === true) tryPopulate(vm, start, start + size);
  return start;
}

function chooseAddress(vm: Vmspace, hint: number, size: number): number {
  if (hint >= MMAP_MIN_ADDR && hint + size <= VM_MAX_USER_ADDRESS && vm.map.isFree(hint, hint + size))
    return hint;
  let start = vm.map.findSpaceBelow(vm.mmapTop, size, MMAP_MIN_ADDR);
  if (start < 0) start = vm.map.findSpaceAbove(vm.mmapTop, size);
  if (start < 0) throw ENOMEM;
  return start;
}

/** Unmaps; holes are fine. Throws EINVAL for misaligned, zero-length or impossible ranges, ENOMEM. */
export function munmap(vm: Vmspace, addr: number, len: number): void {
  if ((addr & PAGE_MASK) !== 0 || len <= 0) throw EINVAL;
  vm.map.remove(addr, rangeEnd(addr, len, EINVAL));
}

/** Calls `change` for the entries of [start, end), clipped to it. Throws ENOMEM at the first hole. */
function forEntries(vm: Vmspace, start: number, end: number, change: (entry: VmMapEntry) => void): void {
  vm.map.clip(start);
  vm.map.clip(end);
  const entries = vm.map.entries;
  let at = start;
  for (let i = vm.map.indexAt(start); at < end; i++) {
    const entry = entries[i];
    if (entry === undefined || entry.start > at) throw ENOMEM;
    change(entry);
    at = entry.end;
  }
}

/** Changes protections. Throws EINVAL (misaligned), ENOMEM (hole, memory), EACCES (more than the mapping may have). */
export function mprotect(vm: Vmspace, addr: number, len: number, prot: number): void {
  if ((addr & PAGE_MASK) !== 0 || (prot & ~PROT_ALL) !== 0) throw EINVAL;
  const end = rangeEnd(addr, len, ENOMEM);
  if (len === 0) return;
  try {
    forEntries(vm, addr, end, (entry) => {
      if ((prot & ~entry.maxProt) !== 0) throw EACCES;
      if (entry.prot === prot) return;
      // Rights that are only added come with the next fault; the page tables need no visit.
      const gainsOnly = entry.prot !== 0 && (prot & entry.prot) === entry.prot;
      entry.prot = prot;
      if (!gainsOnly && !pmapProtect(vm.pmap, entry.start, entry.end, prot)) throw ENOMEM;
    });
  } finally {
    vm.map.simplify(addr, end);
  }
}

/**
 * Resizes or moves a mapping (Linux mremap). `fixedAddr` is the new place or −1. Returns the address. Throws EINVAL, EFAULT
 * (old range not one mapping), ENOMEM (cannot grow in place and may not move).
 */
export function mremap(
  vm: Vmspace,
  old: number,
  oldLen: number,
  newLen: number,
  mayMove: boolean,
  fixedAddr: number,
): number {
  if ((old & PAGE_MASK) !== 0 || newLen <= 0 || oldLen < 0) throw EINVAL;
  const oldSize = roundPage(oldLen);
  const newSize = roundPage(newLen);
  const entry = vm.map.find(old);
  if (entry === null) throw EFAULT;
  if (oldSize === 0) throw EINVAL;
  if (old + oldSize > entry.end) throw EFAULT;
  if (fixedAddr < 0) {
    if (newSize === oldSize) return old;
    if (newSize < oldSize) {
      vm.map.remove(old + newSize, old + oldSize);
      return old;
    }
    const end = old + newSize;
    if (old + oldSize === entry.end && end <= VM_MAX_USER_ADDRESS && vm.map.isFree(entry.end, end)) {
      insertLike(vm, entry, entry.end, end);
      if (entry.wired === WIRED) tryPopulate(vm, old + oldSize, end);
      return old;
    }
    if (!mayMove) throw ENOMEM;
  } else {
    if ((fixedAddr & PAGE_MASK) !== 0 || fixedAddr + newSize > VM_MAX_USER_ADDRESS) throw EINVAL;
    if (fixedAddr < old + oldSize && old < fixedAddr + newSize) throw EINVAL;
    vm.map.remove(fixedAddr, fixedAddr + newSize);
    if (newSize < oldSize) vm.map.remove(old + newSize, old + oldSize);
  }
  const start = fixedAddr >= 0 ? fixedAddr : chooseAddress(vm, 0, newSize);
  const moved = Math.min(oldSize, newSize);
  const source = vm.map.find(old)!;
  const offset = source.object === null ? 0 : source.offset + (old - source.start);
  const target = new VmMapEntry(
    vm.pmap,
    start,
    start + newSize,
    source.prot,
    source.maxProt,
    source.shared,
    source.object,
    offset,
  );
  target.inherit = source.inherit;
  target.wired = source.wired;
  target.noCore = source.noCore;
  vm.map.insert(target);
  if (!pmapMove(vm.pmap, old, start, moved)) throw ENOMEM;
  vm.map.remove(old, old + moved);
  if (target.wired === WIRED && newSize > moved) tryPopulate(vm, start + moved, start + newSize);
  return start;
}

/** Adds [start, end), which continues `entry`, with the same attributes. */
function insertLike(vm: Vmspace, entry: VmMapEntry, start: number, end: number): void {
  const offset = entry.object === null ? 0 : entry.offset + (start - entry.start);
  const more = new VmMapEntry(
    vm.pmap,
    start,
    end,
    entry.prot,
    entry.maxProt,
    entry.shared,
    entry.object,
    offset,
  );
  more.inherit = entry.inherit;
  more.tag = entry.tag;
  more.wired = entry.wired;
  more.noCore = entry.noCore;
  vm.map.insert(more);
}

/** Whether some entry that meets [start, end) fulfils `test`. */
export function anyEntry(vm: Vmspace, start: number, end: number, test: (entry: VmMapEntry) => boolean): boolean {
  const { entries } = vm.map;
  for (let i = vm.map.indexAt(start); i < entries.length && entries[i]!.start < end; i++) if (test(entries[i]!)) return true;
  return false;
}

/** Advice. MADV_FREE drops the pages at once, MADV_NOCORE leaves them out of core files; all else needs no action. Throws EINVAL, ENOMEM (a hole, for MADV_FREE). */
export function madvise(vm: Vmspace, addr: number, len: number, behav: number): void {
  if ((addr & PAGE_MASK) !== 0 || behav < 0 || behav > MADV_CORE) throw EINVAL;
  const end = rangeEnd(addr, len, EINVAL);
  if (len === 0) return;
  if (!vm.map.isCovered(addr, end)) throw ENOMEM;
  if (behav === MADV_FREE && !pmapRemove(vm.pmap, addr, end)) throw ENOMEM;
  if (behav !== MADV_NOCORE && behav !== MADV_CORE) return;
  forEntries(vm, addr, end, (entry) => {
    entry.noCore = behav === MADV_NOCORE;
  });
  vm.map.simplify(addr, end);
}

/** Writes modified pages of shared file mappings back. Throws EINVAL, ENOMEM (hole), Errno of the file, IoMiss. */
export function msync(vm: Vmspace, addr: number, len: number): void {
  if ((addr & PAGE_MASK) !== 0) throw EINVAL;
  const end = rangeEnd(addr, len, ENOMEM);
  if (!vm.map.isCovered(addr, end)) throw ENOMEM;
  for (const entry of sharedFiles(vm, addr, end)) {
    const first = (entry.offset + Math.max(addr, entry.start) - entry.start) / PAGE_SIZE;
    const last = (entry.offset + Math.min(end, entry.end) - entry.start) / PAGE_SIZE;
    entry.object!.cleanRange(first, last);
  }
}

/** Shared mappings of objects that meet [start, end). */
export function sharedFiles(vm: Vmspace, start: number, end: number): VmMapEntry[] {
  const found: VmMapEntry[] = [];
  for (let i = vm.map.indexAt(start); i < vm.map.entries.length; i++) {
    const entry = vm.map.entries[i]!;
    if (entry.start >= end) break;
    if (entry.shared && entry.object !== null) found.push(entry);
  }
  return found;
}

/** Residency of each page into `out` (MINCORE_*). Throws EINVAL (misaligned), ENOMEM (hole). */
export function mincore(vm: Vmspace, addr: number, len: number, out: Uint8Array): void {
  if ((addr & PAGE_MASK) !== 0) throw EINVAL;
  const end = rangeEnd(addr, len, ENOMEM);
  if (!vm.map.isCovered(addr, end)) throw ENOMEM;
  for (let va = addr, i = 0; va < end; va += PAGE_SIZE, i++) {
    const pte = pmapPte(vm.pmap, va);
    let bits = 0;
    if (isSwapped(pte)) bits = 0;
    else if (pte >>> 12 !== 0) {
      bits = MINCORE_INCORE;
      if ((pte & VPTE_A) !== 0) bits |= MINCORE_REFERENCED;
      if ((pte & VPTE_M) !== 0) bits |= MINCORE_MODIFIED;
    } else {
      const entry = vm.map.find(va)!;
      if (entry.object !== null && entry.object.resident((entry.offset + va - entry.start) / PAGE_SIZE) !== 0)
        bits = MINCORE_INCORE;
    }
    out[i] = bits;
  }
}

/** Brings the pages of [start, end), which lies in one entry, into memory; returns the first FAULT_* that is not FAULT_OK. Throws IoMiss. */
function populate(vm: Vmspace, entry: VmMapEntry, start: number, end: number): number {
  if (entry.prot === 0) return FAULT_ACCERR;
  const write = (entry.prot & PROT_WRITE) !== 0 && !entry.shared;
  for (let va = start; va < end; va += PAGE_SIZE) {
    if (isPresent(vm, va, write)) continue;
    const fault = vmFault(vm, va, write);
    if (fault !== FAULT_OK) return fault;
  }
  return FAULT_OK;
}

/** Whether the page is in memory, for stores of its own if `write`: a fault would change nothing. */
function isPresent(vm: Vmspace, va: number, write: boolean): boolean {
  const pte = pmapPte(vm.pmap, va);
  return pte >>> 12 !== 0 && !isSwapped(pte) && (!write || (pte & VPTE_W) !== 0);
}

/**
 * Brings new pages in as far as that needs no waiting, and as there is memory: what cannot be had now comes with its first use (Linux
 * treats the errors of this step so, too).
 */
export function tryPopulate(vm: Vmspace, start: number, end: number): void {
  try {
    populate(vm, vm.map.find(start)!, start, end);
  } catch (e) {
    if (!(e instanceof IoMiss)) throw e;
  }
}

/**
 * Keeps the pages of a range in memory, or no longer (UNWIRED). Throws ENOMEM for a hole, with what lies before it locked, and for
 * pages that cannot be had; EAGAIN when memory is exhausted; IoMiss.
 */
export function mlock(vm: Vmspace, addr: number, len: number, wired: Wired): void {
  const start = addr - (addr % PAGE_SIZE);
  const end = rangeEnd(start, len + (addr - start), ENOMEM);
  if (wired !== UNWIRED) vm.hasWired = true;
  try {
    forEntries(vm, start, end, (entry) => {
      entry.wired = wired;
    });
  } finally {
    vm.map.simplify(start, end);
  }
  if (wired !== WIRED) return;
  for (let at = start; at < end; ) {
    const entry = vm.map.find(at)!;
    const to = Math.min(end, entry.end);
    const fault = populate(vm, entry, at, to);
    if (fault !== FAULT_OK) throw fault === FAULT_NOMEM ? EAGAIN : ENOMEM;
    at = to;
  }
}

/**
 * mlockall(2): what is mapped now (if `now` is not null), and what will be. Pages that cannot be had are left out. Throws IoMiss.
 */
export function mlockAll(vm: Vmspace, now: Wired | null, future: Wired): void {
  vm.wireFuture = future;
  if (now === null) {
    vm.hasWired = true;
    return;
  }
  for (const entry of vm.map.entries) entry.wired = now;
  vm.map.simplify(0, VM_MAX_USER_ADDRESS);
  if (now === UNWIRED) return;
  vm.hasWired = true;
  if (now === WIRED) for (const entry of vm.map.entries) populate(vm, entry, vm.usedStart(entry), entry.end);
}

/** Bytes of [start, end) that are locked. */
export function lockedIn(vm: Vmspace, start: number, end: number): number {
  const { entries } = vm.map;
  let bytes = 0;
  for (let i = vm.map.indexAt(start); i < entries.length && entries[i]!.start < end; i++) {
    const entry = entries[i]!;
    if (entry.wired !== UNWIRED) bytes += Math.min(end, entry.end) - Math.max(start, entry.start);
  }
  return bytes;
}

/** What fork does with a range: INHERIT_COPY, INHERIT_NONE or, of private anonymous memory, INHERIT_ZERO. Throws EINVAL, ENOMEM (hole). */
export function minherit(vm: Vmspace, addr: number, len: number, inherit: number): void {
  if (inherit < INHERIT_SHARE || inherit > INHERIT_ZERO) throw EINVAL;
  const start = addr - (addr % PAGE_SIZE);
  const end = rangeEnd(start, len + (addr - start), EINVAL);
  forEntries(vm, start, end, (entry) => {
    // Private memory cannot become shared afterwards; what is shared stays shared in any case.
    if (inherit === INHERIT_SHARE && !entry.shared) throw EINVAL;
    if (inherit === INHERIT_ZERO && entry.object !== null) throw EINVAL;
    if (inherit !== INHERIT_SHARE) entry.inherit = inherit;
  });
  vm.map.simplify(start, end);
}

/**
 * Moves the end of the heap. Returns the resulting end: `newEnd`, or the old one when the move is impossible. `limit` is
 * RLIMIT_DATA in bytes.
 */
export function brk(vm: Vmspace, newEnd: number, limit = Infinity): number {
  if (newEnd < vm.brkBase || newEnd > VM_MAX_USER_ADDRESS || newEnd - vm.brkBase > limit) return vm.brkEnd;
  const oldTop = roundPage(vm.brkEnd);
  const newTop = roundPage(newEnd);
  if (newTop > oldTop) {
    if (!vm.map.isFree(oldTop, newTop)) return vm.brkEnd;
    const entry = new VmMapEntry(vm.pmap, oldTop, newTop, vm.heapProt, PROT_ALL, false, null, 0);
    entry.tag = "heap";
    entry.wired = vm.wireFuture;
    vm.map.insert(entry);
    if (vm.wireFuture === WIRED) tryPopulate(vm, oldTop, newTop);
  } else if (newTop < oldTop) {
    vm.map.remove(newTop, oldTop);
  }
  vm.brkEnd = newEnd;
  return newEnd;
}
