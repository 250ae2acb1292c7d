// SPDX-License-Identifier: BSD-3-Clause
/**
 * System V shared memory: anonymous objects that outlive their mappings (DragonFly 2.0 sys/kern/sysv_shm.c; Linux
 * ipc/shm.c).
 *
 * Invariants
 *   SM1  The table holds one reference on a segment's object until the segment is removed; from then on its mappings
 *        alone keep the memory.
 *   SM2  A segment is attached as often as map entries show its object, so that fork, exit, exec and munmap of a part
 *        count without doing anything here.
 * @module
 */
import { EINVAL, ENOMEM, ENOSPC, EPERM } from "../sys/errno.ts";
import { MAP_FIXED, MAP_SHARED, PAGE_SIZE, PROT_EXEC, PROT_READ, PROT_WRITE } from "../sys/mman.ts";
import { mmap, munmap } from "../vm/mmap.ts";
import { VmObject } from "../vm/object.ts";
import type { VmSystem } from "../vm/system.ts";
import type { Lwp, Proc } from "./proc.ts";
import { checkMapLock, lockLimit } from "./sys-mlock.ts";
import { IPC_R, IPC_W, type IpcInit, IpcObject, IpcTable } from "./sysv-ipc.ts";

/** Of shmget (Linux). */
const SHM_HUGETLB = 0o4000;
export const SHM_RDONLY = 0x1000;
export const SHM_RND = 0x2000;
export const SHM_REMAP = 0x4000;
export const SHM_EXEC = 0x8000;
/** Attach addresses are multiples of this. */
export const SHMLBA = PAGE_SIZE;
export const SHMMNI = 4096;

export class ShmSegment extends IpcObject {
  readonly size: number;
  readonly object: VmObject;
  readonly cpid: number;
  lpid = 0;
  atime = 0;
  dtime = 0;
  /** The real user who has locked it in memory: SHM_LOCK. */
  lockedBy: number | null = null;

  constructor(init: IpcInit, size: number, object: VmObject, pid: number) {
    super(init);
    this.size = size;
    this.object = object;
    this.cpid = pid;
  }

  /** How many mappings show it (SM2). */
  get nattch(): number {
    return this.object.mappings.size;
  }
  get pages(): number {
    return Math.ceil(this.size / PAGE_SIZE);
  }
}

export class ShmTable extends IpcTable<ShmSegment> {
  /** Pages of all segments together, resident or not. */
  totalPages = 0;
  readonly byObject = new Map<VmObject, ShmSegment>();
  private readonly vm: VmSystem;
  private bound = Infinity;

  constructor(vm: VmSystem) {
    super(SHMMNI);
    this.vm = vm;
  }

  /** Bytes of one segment, at most (Linux kernel.shmmax): as set, and never more than all may have. */
  get maxBytes(): number {
    return Math.min(this.bound, this.maxPages * PAGE_SIZE);
  }
  set maxBytes(bytes: number) {
    this.bound = bytes;
  }

  /** Most pages of all segments: no program's end gives them back, so they must not exceed the memory there is. */
  get maxPages(): number {
    return this.vm.totalPages + this.vm.swap.total;
  }

  get residentPages(): number {
    let n = 0;
    for (const segment of this) n += segment.object.residentCount;
    return n;
  }

  get swappedPages(): number {
    let n = 0;
    for (const segment of this) n += segment.object.swappedCount;
    return n;
  }

  destroy(segment: ShmSegment): void {
    this.remove(segment);
    this.byObject.delete(segment.object);
    this.totalPages -= segment.pages;
  }
}

const now = (lp: Lwp): number => Math.floor(lp.k.microtime() / 1e6);

/** shmget: the segment of a key, or a new one of `size` bytes. Throws EINVAL, ENOSPC and what IpcTable.get throws. */
export function shmget(lp: Lwp, key: number, size: number, flags: number): ShmSegment {
  const table = lp.k.ipc.shm;
  const segment = table.get(key, flags, lp.proc.cred, now(lp), (init) => {
    const pages = Math.ceil(size / PAGE_SIZE);
    // There are no huge pages.
    if (size < 1 || size > table.maxBytes || (flags & SHM_HUGETLB) !== 0) throw EINVAL;
    if (table.totalPages + pages > table.maxPages) throw ENOSPC;
    const object = VmObject.anonymous(lp.k.vm, pages * PAGE_SIZE);
    object.ref();
    const made = new ShmSegment(init, size, object, lp.proc.pid);
    table.byObject.set(object, made);
    table.totalPages += pages;
    object.detached = () => {
      made.dtime = now(lp);
      made.lpid = lp.k.curproc?.pid ?? made.lpid;
      if (made.removed && made.nattch === 0) table.destroy(made);
    };
    return made;
  });
  if (size > segment.size) throw EINVAL;
  return segment;
}

/**
 * shmat: maps a segment at `addr`, anywhere when it is 0; returns the address. Throws EINVAL (no such segment, address not
 * aligned, something there without SHM_REMAP), EACCES, ENOMEM, EAGAIN (it would be locked, and must not be).
 */
export function shmat(lp: Lwp, id: number, addr: number, flags: number): number {
  const vm = lp.proc.vmspace!;
  const segment = lp.k.ipc.shm.find(id);
  let at = addr;
  if (addr !== 0) {
    if ((flags & SHM_RND) !== 0) at -= at % SHMLBA;
    if (at % SHMLBA !== 0) throw EINVAL;
    // An address that rounds to nothing is no address.
    if (at === 0) throw EINVAL;
    if ((flags & SHM_REMAP) === 0 && !vm.map.isFree(at, at + segment.pages * PAGE_SIZE)) throw EINVAL;
  } else if ((flags & SHM_REMAP) !== 0) throw EINVAL;
  checkMapLock(lp.proc, segment.size, false);
  const writable = (flags & SHM_RDONLY) === 0;
  segment.access(writable ? IPC_R | IPC_W : IPC_R, lp.proc.cred);
  let prot = PROT_READ;
  if (writable) prot |= PROT_WRITE;
  if ((flags & SHM_EXEC) !== 0) prot |= PROT_EXEC;
  const got = mmap(vm, {
    addr: at,
    len: segment.pages * PAGE_SIZE,
    prot,
    maxProt: writable ? PROT_READ | PROT_WRITE | PROT_EXEC : PROT_READ | PROT_EXEC,
    flags: MAP_SHARED | (addr !== 0 ? MAP_FIXED : 0),
    object: segment.object,
    offset: 0,
  });
  segment.atime = now(lp);
  segment.lpid = lp.proc.pid;
  return got;
}

/** shmdt: takes away what is left of the segment that was attached at `addr`. Throws EINVAL. */
export function shmdt(lp: Lwp, addr: number): void {
  const vm = lp.proc.vmspace!;
  const { byObject } = lp.k.ipc.shm;
  if (addr % SHMLBA !== 0) throw EINVAL;
  let segment: ShmSegment | null = null;
  // The first piece may have been unmapped or protected otherwise: any piece at its own distance from `addr` tells.
  for (const entry of [...vm.map.entries]) {
    if (entry.start < addr || entry.object === null) continue;
    if (segment !== null && entry.start >= addr + segment.pages * PAGE_SIZE) break;
    if (entry.start - addr !== entry.offset) continue;
    const of = byObject.get(entry.object) ?? null;
    if (of === null || (segment !== null && of !== segment)) continue;
    segment = of;
    munmap(vm, entry.start, entry.end - entry.start);
  }
  if (segment === null) throw EINVAL;
}

/** IPC_RMID: the key is free at once, the memory with the last mapping. Throws EPERM. */
export function shmRemove(lp: Lwp, segment: ShmSegment): void {
  const table = lp.k.ipc.shm;
  segment.control(lp.proc.cred);
  if (segment.removed) return;
  segment.ctime = now(lp);
  table.unkey(segment);
  segment.removed = true;
  if (segment.nattch === 0) table.destroy(segment);
  segment.object.unref();
}

/** SHM_LOCK: the segment's pages stay in memory. Throws EPERM (not its owner, or nothing may be locked), ENOMEM (the user has locked too much). */
export function shmLock(lp: Lwp, segment: ShmSegment): void {
  const { proc } = lp;
  const limit = lockLimit(proc);
  if (limit !== Infinity) {
    owned(proc, segment);
    if (limit === 0) throw EPERM;
  }
  if (segment.lockedBy !== null) return;
  let pages = segment.pages;
  for (const other of lp.k.ipc.shm) if (other.lockedBy === proc.cred.ruid) pages += other.pages;
  if (pages * PAGE_SIZE > limit) throw ENOMEM;
  segment.lockedBy = proc.cred.ruid;
  segment.object.wired = true;
}

/** SHM_UNLOCK. Throws EPERM. */
export function shmUnlock(lp: Lwp, segment: ShmSegment): void {
  if (lockLimit(lp.proc) !== Infinity) owned(lp.proc, segment);
  segment.lockedBy = null;
  segment.object.wired = false;
}

function owned({ cred }: Proc, segment: ShmSegment): void {
  if (cred.uid !== segment.uid && cred.uid !== segment.cuid) throw EPERM;
}
