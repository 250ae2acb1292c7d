// SPDX-License-Identifier: BSD-3-Clause
/** Linux memory calls (Linux mm/mmap.c, mm/madvise.c). */
import { CAP_SYS_RAWIO } from "../../sys/capability.ts";
import { EBUSY, EINVAL, ENOMEM, EOPNOTSUPP, EOVERFLOW, EPERM } from "../../sys/errno.ts";
import {
  MADV_CORE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_NOCORE,
  MADV_NORMAL,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_TRYFIXED,
  INHERIT_COPY,
  INHERIT_NONE,
  INHERIT_ZERO,
  MINCORE_INCORE,
  MMAP_MIN_ADDR,
  PAGE_SIZE,
  PROT_EXEC,
  PROT_READ,
  VM_MAX_USER_ADDRESS,
} from "../../sys/mman.ts";
import { copyinWords, copyout } from "../../vm/copyio.ts";
import { UNWIRED, WIRED, WIRED_ONFAULT, type Wired } from "../../vm/map-entry.ts";
import { anyEntry, madvise, mincore, mlockAll, minherit, mprotect, munmap } from "../../vm/mmap.ts";
import type { Vmspace } from "../../vm/vmspace.ts";
import type { Lwp } from "../../kern/proc.ts";
import { READ_IMPLIES_EXEC } from "../../kern/proc.ts";
import { need } from "../../kern/prot.ts";
import { waitDurable } from "../../kern/durable.ts";
import { anyLocked, kernMlock, kernMlockAll, kernMunlock, lockLimit } from "../../kern/sys-mlock.ts";
import { kernBrk, kernMmap, kernMremap, kernMsync } from "../../kern/sys-mmap.ts";
import { fd, hex, int, obsolete, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";

const LINUX_MAP_TYPE = 0x0f;
const LINUX_MAP_SHARED = 0x01;
const LINUX_MAP_PRIVATE = 0x02;
const LINUX_MAP_SHARED_VALIDATE = 0x03;
const LINUX_MAP_FIXED = 0x10;
const LINUX_MAP_ANONYMOUS = 0x20;
const LINUX_MAP_LOCKED = 0x2000;
const LINUX_MAP_POPULATE = 0x8000;
const LINUX_MAP_NONBLOCK = 0x1_0000;
const LINUX_MAP_SYNC = 0x8_0000;
const LINUX_MAP_FIXED_NOREPLACE = 0x10_0000;
const PROT_MASK = 7;
const PROT_GROWSDOWN = 0x0100_0000;
const PROT_GROWSUP = 0x0200_0000;

function mapFlags(f: number): number {
  let out: number;
  switch (f & LINUX_MAP_TYPE) {
    case LINUX_MAP_SHARED:
      out = MAP_SHARED;
      break;
    case LINUX_MAP_SHARED_VALIDATE:
      if ((f & LINUX_MAP_SYNC) !== 0) throw EOPNOTSUPP;
      out = MAP_SHARED;
      break;
    case LINUX_MAP_PRIVATE:
      out = MAP_PRIVATE;
      break;
    default:
      throw EINVAL;
  }
  if ((f & LINUX_MAP_FIXED_NOREPLACE) !== 0) out |= MAP_TRYFIXED;
  else if ((f & LINUX_MAP_FIXED) !== 0) out |= MAP_FIXED;
  if ((f & LINUX_MAP_ANONYMOUS) !== 0) out |= MAP_ANON;
  return out;
}

/** A length in whole pages; what does not fit in 32 bits comes out as 0, as in the kernels of 32-bit machines. */
const pageAlign = (len: number): number => ((len + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1)) >>> 0;

/** Offsets are counted in pages, in 32 bits. */
const OFFSET_LIMIT = 2 ** 32 * PAGE_SIZE;
function mapIt(lp: Lwp, addr: number, len: number, prot: number, flags: number, d: number, offset: number): number {
  if ((flags & LINUX_MAP_ANONYMOUS) === 0) lp.proc.fd!.get(d);
  if (len !== 0 && pageAlign(len) === 0) throw ENOMEM;
  if (offset + pageAlign(len) > OFFSET_LIMIT) throw EOVERFLOW;
  if ((flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE)) !== 0 && addr >>> 0 < MMAP_MIN_ADDR) need(lp.proc, CAP_SYS_RAWIO);
  const r = kernMmap(lp, {
    addr: addr >>> 0, len: len >>> 0, prot: prot & PROT_MASK, flags: mapFlags(flags), fd: d, offset,
    locked: (flags & LINUX_MAP_LOCKED) !== 0,
    populate: (flags & (LINUX_MAP_POPULATE | LINUX_MAP_NONBLOCK)) === LINUX_MAP_POPULATE,
  });
  return r | 0;
}

/** Offset in pages of 4096 bytes. */
function sysMmap2(lp: Lwp, a: Int32Array): number {
  return mapIt(lp, a[0]!, a[1]!, a[2]!, a[3]!, a[4]!, (a[5]! >>> 0) * PAGE_SIZE);
}
/** The old call passes its six arguments in memory, the offset in bytes. */
function sysOldMmap(lp: Lwp, a: Int32Array): number {
  const w = new Int32Array(6);
  copyinWords(lp.proc.vmspace!, a[0]!, w, 6);
  if ((w[5]! & (PAGE_SIZE - 1)) !== 0) throw EINVAL;
  return mapIt(lp, w[0]!, w[1]!, w[2]!, w[3]!, w[4]!, w[5]! >>> 0);
}
function sysMunmap(lp: Lwp, a: Int32Array): number {
  munmap(lp.proc.vmspace!, a[0]! >>> 0, a[1]! >>> 0);
  return 0;
}
function sysMprotect(lp: Lwp, a: Int32Array): number {
  const prot = a[2]! & ~(PROT_GROWSDOWN | PROT_GROWSUP);
  if ((prot & ~PROT_MASK) !== 0) throw EINVAL;
  const implied = (prot & PROT_READ) !== 0 && (lp.proc.personality & READ_IMPLIES_EXEC) !== 0 ? PROT_EXEC : 0;
  mprotect(lp.proc.vmspace!, a[0]! >>> 0, a[1]! >>> 0, prot | implied);
  return 0;
}

const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
function sysMremap(lp: Lwp, a: Int32Array): number {
  const flags = a[3]!;
  if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) !== 0) throw EINVAL;
  if ((flags & MREMAP_FIXED) !== 0 && (flags & MREMAP_MAYMOVE) === 0) throw EINVAL;
  const to = (flags & MREMAP_FIXED) !== 0 ? a[4]! >>> 0 : -1;
  return kernMremap(lp, a[0]! >>> 0, pageAlign(a[1]!), pageAlign(a[2]!), (flags & MREMAP_MAYMOVE) !== 0, to) | 0;
}

const LINUX_MS_ASYNC = 1;
const LINUX_MS_INVALIDATE = 2;
const LINUX_MS_SYNC = 4;
function sysMsync(lp: Lwp, a: Int32Array): number {
  const f = a[2]!;
  if ((f & ~(LINUX_MS_ASYNC | LINUX_MS_INVALIDATE | LINUX_MS_SYNC)) !== 0) throw EINVAL;
  if ((f & LINUX_MS_ASYNC) !== 0 && (f & LINUX_MS_SYNC) !== 0) throw EINVAL;
  if ((f & LINUX_MS_INVALIDATE) !== 0 && a[0]! % PAGE_SIZE === 0 && anyLocked(lp, a[0]! >>> 0, a[1]! >>> 0)) throw EBUSY;
  return kernMsync(lp, a[0]! >>> 0, a[1]! >>> 0, (f & LINUX_MS_SYNC) !== 0);
}

/** Most pages that one mincore call looks at between copies. */
const MINCORE_CHUNK = 4096;
function sysMincore(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  let at = a[0]! >>> 0;
  if (at % PAGE_SIZE !== 0) throw EINVAL;
  let pages = Math.ceil((a[1]! >>> 0) / PAGE_SIZE);
  let out = a[2]! >>> 0;
  const vec = new Uint8Array(Math.min(pages, MINCORE_CHUNK));
  while (pages > 0) {
    const n = Math.min(pages, MINCORE_CHUNK);
    mincore(vm, at, n * PAGE_SIZE, vec);
    for (let i = 0; i < n; i++) vec[i]! &= MINCORE_INCORE;
    copyout(vm, vec, 0, out, n);
    at += n * PAGE_SIZE;
    out += n;
    pages -= n;
  }
  return 0;
}

/** Whether addresses are below the kernel's; what is not there at all is ENOMEM. Throws ENOMEM, EINVAL for a range around the end. */
function checkRange(start: number, len: number): void {
  if (start + len >= 0x1_0000_0000) throw EINVAL;
  if (start + len > VM_MAX_USER_ADDRESS) throw ENOMEM;
}

const LINUX_MADV_DONTNEED = 4;
const LINUX_MADV_FREE = 8;
const LINUX_MADV_REMOVE = 9;
const LINUX_MADV_DONTFORK = 10;
const LINUX_MADV_DOFORK = 11;
const LINUX_MADV_MERGEABLE = 12;
const LINUX_MADV_UNMERGEABLE = 13;
const LINUX_MADV_DONTDUMP = 16;
const LINUX_MADV_DODUMP = 17;
const LINUX_MADV_WIPEONFORK = 18;
const LINUX_MADV_KEEPONFORK = 19;
const LINUX_MADV_COLD = 20;
const LINUX_MADV_PAGEOUT = 21;
const LINUX_MADV_LAST = LINUX_MADV_PAGEOUT;
/** What gives pages up, which those that are locked must not be. */
const LINUX_MADV_GIVES_UP = new Set([LINUX_MADV_DONTNEED, LINUX_MADV_FREE, LINUX_MADV_COLD, LINUX_MADV_PAGEOUT]);
/** Throws EINVAL for a range with something else than private anonymous memory in it. */
function checkAnonymous(vm: Vmspace, addr: number, len: number): void {
  if (anyEntry(vm, addr, addr + len, (entry) => entry.object !== null)) throw EINVAL;
}
function sysMadvise(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const addr = a[0]! >>> 0;
  const len = pageAlign(a[1]!);
  const advice = a[2]!;
  if (a[1] !== 0 && len === 0) throw EINVAL;
  const known = advice >= 0 && advice <= LINUX_MADV_LAST && advice !== LINUX_MADV_REMOVE;
  if (known && addr % PAGE_SIZE === 0) checkRange(addr, len);
  if (LINUX_MADV_GIVES_UP.has(advice) && addr % PAGE_SIZE === 0 && anyLocked(lp, addr, len)) throw EINVAL;
  switch (advice) {
    case LINUX_MADV_DONTNEED:
      // Linux's form destroys: the next access finds zeros, or the file.
      madvise(vm, addr, len, MADV_FREE);
      return 0;
    case LINUX_MADV_FREE:
      checkAnonymous(vm, addr, len);
      madvise(vm, addr, len, MADV_DONTNEED);
      return 0;
    case LINUX_MADV_DONTFORK:
    case LINUX_MADV_DOFORK:
      if (addr % PAGE_SIZE !== 0) throw EINVAL;
      minherit(vm, addr, len, advice === LINUX_MADV_DONTFORK ? INHERIT_NONE : INHERIT_COPY);
      return 0;
    case LINUX_MADV_DONTDUMP:
    case LINUX_MADV_DODUMP:
      madvise(vm, addr, len, advice === LINUX_MADV_DONTDUMP ? MADV_NOCORE : MADV_CORE);
      return 0;
    case LINUX_MADV_WIPEONFORK:
    case LINUX_MADV_KEEPONFORK:
      if (addr % PAGE_SIZE !== 0) throw EINVAL;
      if (advice === LINUX_MADV_WIPEONFORK) checkAnonymous(vm, addr, len);
      minherit(vm, addr, len, advice === LINUX_MADV_WIPEONFORK ? INHERIT_ZERO : INHERIT_COPY);
      return 0;
    case LINUX_MADV_MERGEABLE:
    case LINUX_MADV_UNMERGEABLE:
      // As of a kernel that does not merge equal pages.
      throw EINVAL;
    default:
      if (advice < 0 || advice === LINUX_MADV_REMOVE || advice > LINUX_MADV_LAST) throw EINVAL;
      madvise(vm, addr, len, MADV_NORMAL);
      return 0;
  }
}

function sysBrk(lp: Lwp, a: Int32Array): number {
  return kernBrk(lp, a[0]! >>> 0) | 0;
}

/** The whole pages of the range of the first two arguments. Throws ENOMEM, EINVAL. */
function pagesOf(a: Int32Array): { start: number; len: number } {
  const start = (a[0]! >>> 0) - ((a[0]! >>> 0) % PAGE_SIZE);
  const len = pageAlign((a[1]! + (a[0]! >>> 0) - start) | 0);
  checkRange(start, len);
  return { start, len };
}
function lockPages(lp: Lwp, a: Int32Array, wired: Wired): number {
  if (lockLimit(lp.proc) === 0) throw EPERM;
  const { start, len } = pagesOf(a);
  kernMlock(lp, start, len, wired);
  return 0;
}
function sysMlock(lp: Lwp, a: Int32Array): number {
  return lockPages(lp, a, WIRED);
}
const MLOCK_ONFAULT = 1;
function sysMlock2(lp: Lwp, a: Int32Array): number {
  if ((a[2]! & ~MLOCK_ONFAULT) !== 0) throw EINVAL;
  return lockPages(lp, a, (a[2]! & MLOCK_ONFAULT) !== 0 ? WIRED_ONFAULT : WIRED);
}
function sysMunlock(lp: Lwp, a: Int32Array): number {
  const { start, len } = pagesOf(a);
  kernMunlock(lp, start, len);
  return 0;
}
const MCL_CURRENT = 1;
const MCL_FUTURE = 2;
const MCL_ONFAULT = 4;
function sysMlockall(lp: Lwp, a: Int32Array): number {
  const flags = a[0]!;
  if ((flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0 || (flags & ~MCL_ONFAULT) === 0) throw EINVAL;
  const wired = (flags & MCL_ONFAULT) !== 0 ? WIRED_ONFAULT : WIRED;
  kernMlockAll(lp, (flags & MCL_CURRENT) !== 0 ? wired : null, (flags & MCL_FUTURE) !== 0 ? wired : UNWIRED);
  return 0;
}
function sysMunlockall(lp: Lwp): number {
  mlockAll(lp.proc.vmspace!, UNWIRED, UNWIRED);
  return 0;
}

/** MEMBARRIER_CMD_QUERY and the commands that one virtual CPU fulfils by itself. */
function sysMembarrier(_lp: Lwp, a: Int32Array): number {
  const supported = 0x1f;
  if (a[1] !== 0) throw EINVAL;
  if (a[0] === 0) return supported;
  if ((a[0]! & ~supported) !== 0) throw EINVAL;
  return 0;
}

const NUMA_NOTE = "as of a kernel without NUMA: ENOSYS";
export const MEMORY_ROWS: readonly Sysent[] = [
  plain(45, "brk", [uptr], sysBrk),
  plain(90, "mmap", [uptr], sysOldMmap),
  plain(91, "munmap", [uptr, size], sysMunmap),
  plain(125, "mprotect", [uptr, size, hex], sysMprotect),
  sleeps(144, "msync", [uptr, size, hex], sysMsync, waitDurable),
  plain(150, "mlock", [uptr, size], sysMlock),
  plain(151, "munlock", [uptr, size], sysMunlock),
  plain(152, "mlockall", [hex], sysMlockall),
  plain(153, "munlockall", [], sysMunlockall),
  plain(163, "mremap", [uptr, size, size, hex, uptr], sysMremap),
  plain(192, "mmap2", [uptr, size, hex, hex, fd, uint], sysMmap2),
  plain(218, "mincore", [uptr, size, uptr], sysMincore),
  plain(219, "madvise", [uptr, size, int], sysMadvise),
  obsolete(274, "mbind", NUMA_NOTE),
  obsolete(275, "get_mempolicy", NUMA_NOTE),
  obsolete(276, "set_mempolicy", NUMA_NOTE),
  obsolete(294, "migrate_pages", NUMA_NOTE),
  obsolete(317, "move_pages", NUMA_NOTE),
  plain(375, "membarrier", [int, hex], sysMembarrier),
  plain(376, "mlock2", [uptr, size, hex], sysMlock2),
  obsolete(450, "set_mempolicy_home_node", NUMA_NOTE),
];
