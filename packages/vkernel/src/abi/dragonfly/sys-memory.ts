// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly memory calls (DragonFly 2.0 sys/vm/vm_mmap.c, vm_unix.c). */
import { EINVAL, ENOMEM, EOPNOTSUPP } from "../../sys/errno.ts";
import {
  MADV_CORE,
  MAP_ANON,
  MAP_FIXED,
  MAP_HASSEMAPHORE,
  MAP_INHERIT,
  MAP_NOCORE,
  MAP_NOEXTEND,
  MAP_NORESERVE,
  MAP_NOSYNC,
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
} from "../../sys/mman.ts";
import { copyout } from "../../vm/copyio.ts";
import { madvise, mincore, minherit, mprotect, msync, munmap } from "../../vm/mmap.ts";
import type { Lwp } from "../../kern/proc.ts";
import { kernBrk, kernMmap } from "../../kern/sys-mmap.ts";
import { fd as fdArg, hex, int, off64, plain, size as sizeArg, type Sysent, uptr } from "../../kern/sysent.ts";
import { off64At } from "./guest-struct.ts";

const MAP_KNOWN =
  MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE | MAP_INHERIT | MAP_NOEXTEND | MAP_HASSEMAPHORE | MAP_STACK | MAP_NOSYNC | MAP_ANON |
  MAP_TRYFIXED | MAP_NOCORE;

/** mmap(addr, len, prot, flags, fd, pad, offset). */
function sysMmap(lp: Lwp, a: Int32Array): number {
  return mmapRequest(lp, a[0]!, a[1]!, a[2]! & 7, a[3]!, a[4]!, off64At(a[6]!, a[7]!));
}
/** Maps a file or memory; neither shared nor private means private. Returns the address as a word. */
export function mmapRequest(
  lp: Lwp, uaddr: number, size: number, prot: number, asked: number, fd: number, offset: number,
): number {
  let flags = asked;
  if ((flags & ~MAP_KNOWN) !== 0) throw EINVAL;
  if ((flags & MAP_STACK) !== 0) {
    if (fd !== -1 || (prot & (PROT_READ | PROT_WRITE)) !== (PROT_READ | PROT_WRITE)) throw EINVAL;
    flags |= MAP_ANON;
  }
  if ((flags & MAP_SHARED) === 0) flags |= MAP_PRIVATE;
  if ((flags & MAP_ANON) !== 0 && fd !== -1 && fd !== 0) throw EINVAL;
  if (offset < 0) throw EINVAL;
  // A file offset inside a page maps the whole page and returns the address inside it.
  const inside = (flags & MAP_ANON) !== 0 ? 0 : offset & PAGE_MASK;
  const addr = uaddr >>> 0;
  if ((flags & MAP_FIXED) !== 0 && (addr - inside) % PAGE_SIZE !== 0) throw EINVAL;
  const len = (size >>> 0) + inside;
  const at = kernMmap(lp, {
    addr: (flags & MAP_FIXED) !== 0 ? addr - inside : (addr & ~PAGE_MASK) >>> 0,
    len,
    prot,
    flags: flags & (MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANON | MAP_TRYFIXED),
    fd,
    offset: (flags & MAP_ANON) !== 0 ? 0 : offset - inside,
  });
  return (at + inside) | 0;
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
function sysMprotect(lp: Lwp, a: Int32Array): number {
  const addr = a[0]! >>> 0;
  const inside = addr & PAGE_MASK;
  mprotect(lp.proc.vmspace!, addr - inside, (a[1]! >>> 0) + inside, a[2]! & 7);
  return 0;
}
function sysMsync(lp: Lwp, a: Int32Array): number {
  if ((a[2]! & (MS_ASYNC | MS_INVALIDATE)) === (MS_ASYNC | MS_INVALIDATE)) throw EINVAL;
  msync(lp.proc.vmspace!, a[0]! >>> 0, a[1]! >>> 0);
  return 0;
}
function sysMadvise(lp: Lwp, a: Int32Array): number {
  if (a[2]! < 0 || a[2]! > MADV_CORE) throw EINVAL;
  madvise(lp.proc.vmspace!, a[0]! >>> 0, a[1]! >>> 0, a[2]!);
  return 0;
}
function sysMincore(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const start = (a[0]! >>> 0) - ((a[0]! >>> 0) & PAGE_MASK);
  const pages = Math.ceil(((a[0]! >>> 0) + (a[1]! >>> 0) - start) / PAGE_SIZE);
  const out = new Uint8Array(pages);
  mincore(vm, start, pages * PAGE_SIZE, out);
  copyout(vm, out, 0, a[2]!, pages);
  return 0;
}
function sysMinherit(lp: Lwp, a: Int32Array): number {
  minherit(lp.proc.vmspace!, a[0]! >>> 0, a[1]! >>> 0, a[2]!);
  return 0;
}
const unsupported = (): number => {
  throw EOPNOTSUPP;
};
/** Memory is never paged out while it is mapped, so locking it has nothing to do. */
const locked = (): number => 0;

export const MEMORY_ROWS: readonly Sysent[] = [
  plain(17, "break", [uptr], sysBreak),
  plain(65, "msync", [uptr, sizeArg, hex], sysMsync),
  plain(69, "sbrk", [int], unsupported),
  plain(70, "sstk", [int], unsupported),
  plain(73, "munmap", [uptr, sizeArg], sysMunmap),
  plain(74, "mprotect", [uptr, sizeArg, hex], sysMprotect),
  plain(75, "madvise", [uptr, sizeArg, int], sysMadvise),
  plain(78, "mincore", [uptr, sizeArg, uptr], sysMincore),
  plain(197, "mmap", [uptr, sizeArg, hex, hex, fdArg, int, off64], sysMmap),
  plain(203, "mlock", [uptr, sizeArg], locked),
  plain(204, "munlock", [uptr, sizeArg], locked),
  plain(250, "minherit", [uptr, sizeArg, int], sysMinherit),
  plain(277, "netbsd_msync", [uptr, sizeArg, hex], sysMsync),
  plain(324, "mlockall", [hex], locked),
  plain(325, "munlockall", [], locked),
];
