// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly memory calls (DragonFly 2.0 sys/vm/vm_mmap.c, vm_unix.c). */
import { EACCES, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP } from "../../sys/errno.ts";
import {
  INHERIT_NONE,
  MADV_CORE,
  MAP_ANON,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_STACK,
  MAP_TRYFIXED,
  MS_ASYNC,
  MS_INVALIDATE,
  PAGE_MASK,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  VM_MAX_USER_ADDRESS,
} from "../../sys/mman.ts";
import { copyout } from "../../vm/copyio.ts";
import { UNWIRED, WIRED } from "../../vm/map-entry.ts";
import { madvise, mincore, mlock, mlockAll, minherit, mprotect, munmap } from "../../vm/mmap.ts";
import type { Vmspace } from "../../vm/vmspace.ts";
import type { Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import { waitDurable } from "../../kern/durable.ts";
import { kernBrk, kernMmap, kernMsync } from "../../kern/sys-mmap.ts";
import { fd as fdArg, hex, int, off64, partial, plain, size as sizeArg, sleeps, type Sysent, uaddr, uptr } from "../../kern/sysent.ts";
import { off64At, TWO32 } from "./guest-struct.ts";

/** Mappings that a virtual kernel makes: sysctl vm.vkernel_enable is 0. */
const MAP_VPAGETABLE = 0x2000;

/** mmap(addr, len, prot, flags, fd, pad, offset). */
function sysMmap(lp: Lwp, a: Int32Array): number {
  return mmapRequest(lp, a[0]!, a[1]!, a[2]! & 7, a[3]!, a[4]!, off64At(a[6]!, a[7]!));
}
/** Maps a file or memory; neither shared nor private means private. Returns the address as a word. */
export function mmapRequest(
  lp: Lwp, uaddr: number, size: number, prot: number, asked: number, fd: number, offset: number,
): number {
  let flags = asked;
  if ((flags & MAP_VPAGETABLE) !== 0) throw EOPNOTSUPP;
  if (size < 0) throw EINVAL;
  if ((flags & MAP_STACK) !== 0) {
    if (fd !== -1 || (prot & (PROT_READ | PROT_WRITE)) !== (PROT_READ | PROT_WRITE)) throw EINVAL;
    flags |= MAP_ANON;
  }
  if ((flags & MAP_SHARED) === 0) flags |= MAP_PRIVATE;
  if ((flags & MAP_ANON) !== 0 && fd !== -1) throw EINVAL;
  if (offset < 0) throw EINVAL;
  // A file offset inside a page maps the whole page and returns the address inside it.
  const inside = (flags & MAP_ANON) !== 0 ? 0 : offset & PAGE_MASK;
  const addr = uaddr >>> 0;
  if ((flags & MAP_FIXED) !== 0 && (addr - inside) % PAGE_SIZE !== 0) throw EINVAL;
  const len = (size >>> 0) + inside;
  const at = mapIt(lp, {
    addr: (flags & MAP_FIXED) !== 0 ? addr - inside : (addr & ~PAGE_MASK) >>> 0,
    len,
    prot,
    flags: flags & (MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANON | MAP_TRYFIXED),
    fd,
    offset: (flags & MAP_ANON) !== 0 ? 0 : offset - inside,
  });
  return (at + inside) | 0;
}

/** What cannot be mapped is EINVAL here. */
function mapIt(lp: Lwp, req: Parameters<typeof kernMmap>[1]): number {
  try {
    return kernMmap(lp, req);
  } catch (e) {
    throw e === ENODEV ? EINVAL : e;
  }
}

function sysBreak(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const end = a[0]! >>> 0;
  if (end < vm.brkBase) {
    // The break may be asked for anywhere in the last page of the data segment.
    if (end > vm.brkBase - PAGE_SIZE) return 0;
    throw EINVAL;
  }
  const rounded = Math.ceil(end / PAGE_SIZE) * PAGE_SIZE;
  if (kernBrk(lp, rounded) !== rounded) throw ENOMEM;
  return 0;
}

/** The whole range must be mapped. */
function sysMunmap(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const addr = a[0]! >>> 0;
  const inside = addr & PAGE_MASK;
  const start = addr - inside;
  const end = Math.ceil((addr + (a[1]! >>> 0)) / PAGE_SIZE) * PAGE_SIZE;
  if (a[1] === 0) return 0;
  if (!vm.map.isCovered(start, end)) throw EINVAL;
  munmap(vm, start, end - start);
  return 0;
}
/** The pages of an argument pair (address, length). Throws EINVAL when they wrap. */
function pageRange(a: Int32Array): { start: number; end: number } {
  const addr = a[0]! >>> 0;
  const start = addr - (addr & PAGE_MASK);
  const end = Math.ceil((addr + (a[1]! >>> 0)) / PAGE_SIZE) * PAGE_SIZE;
  if (end > TWO32) throw EINVAL;
  return { start, end };
}
/** The parts of a range that are mapped: BSD passes over holes. */
function* mapped(vm: Vmspace, start: number, end: number): Generator<{ start: number; end: number; maxProt: number }> {
  for (const e of vm.map.entries.filter((entry) => entry.end > start && entry.start < end)) {
    yield { start: Math.max(start, e.start), end: Math.min(end, e.end), maxProt: e.maxProt };
  }
}

function sysMprotect(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const { start, end } = pageRange(a);
  const prot = a[2]! & 7;
  const parts = [...mapped(vm, start, end)];
  if (parts.some((part) => (prot & ~part.maxProt) !== 0)) throw EACCES;
  for (const part of parts) mprotect(vm, part.start, part.end - part.start, prot);
  return 0;
}
/** Length 0 is the whole mapping at the address. */
function sysMsync(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  let { start, end } = pageRange(a);
  if ((a[2]! & (MS_ASYNC | MS_INVALIDATE)) === (MS_ASYNC | MS_INVALIDATE)) throw EINVAL;
  if (start === end) {
    const entry = vm.map.find(start);
    if (entry === null) throw EINVAL;
    ({ start, end } = entry);
  }
  if (!vm.map.isCovered(start, end)) throw EINVAL;
  return kernMsync(lp, start, end - start, (a[2]! & MS_ASYNC) === 0);
}
function sysMadvise(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  if (a[2]! < 0 || a[2]! > MADV_CORE) throw EINVAL;
  const { start, end } = pageRange(a);
  if (end > VM_MAX_USER_ADDRESS) throw EINVAL;
  for (const part of mapped(vm, start, end)) madvise(vm, part.start, part.end - part.start, a[2]!);
  return 0;
}
function sysMincore(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const { start, end } = pageRange(a);
  if (end > VM_MAX_USER_ADDRESS) throw EINVAL;
  const out = new Uint8Array((end - start) / PAGE_SIZE);
  for (const part of mapped(vm, start, end)) {
    mincore(vm, part.start, part.end - part.start, out.subarray((part.start - start) / PAGE_SIZE, (part.end - start) / PAGE_SIZE));
  }
  copyout(vm, out, 0, a[2]!, out.length);
  return 0;
}
function sysMinherit(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const { start, end } = pageRange(a);
  if (a[2]! < 0 || a[2]! > INHERIT_NONE) throw EINVAL;
  for (const part of mapped(vm, start, end)) minherit(vm, part.start, part.end - part.start, a[2]!);
  return 0;
}
const locking = (lock: boolean) => (lp: Lwp, a: Int32Array): number => {
  const { start, end } = pageRange(a);
  suser(lp.proc);
  mlock(lp.proc.vmspace!, start, end - start, lock ? WIRED : UNWIRED);
  return 0;
};
const unsupported = (): number => {
  throw EOPNOTSUPP;
};
/** MCL_CURRENT and MCL_FUTURE. */
function sysMlockall(lp: Lwp, a: Int32Array): number {
  suser(lp.proc);
  if (a[0] === 0 || (a[0]! & ~3) !== 0) throw EINVAL;
  mlockAll(lp.proc.vmspace!, (a[0]! & 1) !== 0 ? WIRED : null, (a[0]! & 2) !== 0 ? WIRED : UNWIRED);
  return 0;
}
function sysMunlockall(lp: Lwp): number {
  suser(lp.proc);
  mlockAll(lp.proc.vmspace!, UNWIRED, UNWIRED);
  return 0;
}

export const MEMORY_ROWS: readonly Sysent[] = [
  plain(17, "break", [uaddr], sysBreak),
  sleeps(65, "msync", [uaddr, sizeArg, hex], sysMsync, waitDurable),
  plain(69, "sbrk", [int], unsupported),
  plain(70, "sstk", [int], unsupported),
  plain(73, "munmap", [uaddr, sizeArg], sysMunmap),
  plain(74, "mprotect", [uaddr, sizeArg, hex], sysMprotect),
  plain(75, "madvise", [uaddr, sizeArg, int], sysMadvise),
  plain(78, "mincore", [uaddr, sizeArg, uptr], sysMincore),
  plain(197, "mmap", [uaddr, sizeArg, hex, hex, fdArg, int, off64], sysMmap),
  plain(203, "mlock", [uaddr, sizeArg], locking(true)),
  plain(204, "munlock", [uaddr, sizeArg], locking(false)),
  partial(plain(250, "minherit", [uaddr, sizeArg, int], sysMinherit), "private memory cannot become shared"),
  sleeps(277, "netbsd_msync", [uaddr, sizeArg, hex], sysMsync, waitDurable),
  plain(324, "mlockall", [hex], sysMlockall),
  plain(325, "munlockall", [], sysMunlockall),
];
