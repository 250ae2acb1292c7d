// SPDX-License-Identifier: BSD-3-Clause
/**
 * How much memory a process may lock (mlock(2), RLIMIT_MEMLOCK; Linux mm/mlock.c, ipc/shm.c). What it has locked is the sum of its
 * mappings that are, however they came to be; segments locked with SHM_LOCK count for the user who has locked them.
 * @module
 */
import { CAP_IPC_LOCK, capable } from "../sys/capability.ts";
import { EAGAIN, ENOMEM, EPERM } from "../sys/errno.ts";
import { PAGE_SIZE, VM_MAX_USER_ADDRESS } from "../sys/mman.ts";
import { UNWIRED, type Wired } from "../vm/map-entry.ts";
import { lockedIn, mlock, mlockAll } from "../vm/mmap.ts";
import type { Lwp, Proc } from "./proc.ts";
import { RLIMIT_MEMLOCK } from "./resource.ts";

/** Bytes that the process may have locked in all; Infinity for those whom no limit binds. */
export function lockLimit(p: Proc): number {
  return capable(p.cred, CAP_IPC_LOCK) ? Infinity : p.limits.cur[RLIMIT_MEMLOCK]!;
}

/** Whether `len` more bytes may be locked, in whole pages. */
export function mayLockMore(p: Proc, len: number): boolean {
  const limit = lockLimit(p);
  return limit === Infinity || p.vmspace!.lockedBytes() + Math.ceil(len / PAGE_SIZE) * PAGE_SIZE <= limit;
}

/** A mapping of `len` bytes is to be made or to grow by them; `locked` if the call itself asks for that. Throws EPERM, EAGAIN. */
export function checkMapLock(p: Proc, len: number, locked: boolean): void {
  if (locked && lockLimit(p) === 0) throw EPERM;
  if ((locked || p.vmspace!.wireFuture !== UNWIRED) && !mayLockMore(p, len)) throw EAGAIN;
}

/** Locks [start, start + len), page aligned. Throws EPERM (nothing may be locked), ENOMEM (too much; a hole), EAGAIN (no memory), IoMiss. */
export function kernMlock(lp: Lwp, start: number, len: number, wired: Wired): void {
  const p = lp.proc;
  const vm = p.vmspace!;
  const limit = lockLimit(p);
  if (limit === 0) throw EPERM;
  if (limit !== Infinity && vm.lockedBytes() + len - lockedIn(vm, start, start + len) > limit) throw ENOMEM;
  if (len > 0) mlock(vm, start, len, wired);
}

/** mlockall(2) as vm/mmap.ts has it. Throws EPERM, ENOMEM (more is mapped than may be locked), IoMiss. */
export function kernMlockAll(lp: Lwp, now: Wired | null, future: Wired): void {
  const p = lp.proc;
  const vm = p.vmspace!;
  const limit = lockLimit(p);
  if (limit === 0) throw EPERM;
  if (now !== null && vm.usedBytes() > limit) throw ENOMEM;
  mlockAll(vm, now, future);
}

/** munlock(2). Throws ENOMEM (a hole). */
export function kernMunlock(lp: Lwp, start: number, len: number): void {
  if (len > 0) mlock(lp.proc.vmspace!, start, len, UNWIRED);
}

/** Whether something of [start, start + len) is locked: it must not be given up (madvise, msync). */
export function anyLocked(lp: Lwp, start: number, len: number): boolean {
  return lockedIn(lp.proc.vmspace!, start, Math.min(start + len, VM_MAX_USER_ADDRESS)) !== 0;
}
