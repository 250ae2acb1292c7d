// SPDX-License-Identifier: BSD-3-Clause
/** mmap(2) of descriptors: what a file may be mapped as (DragonFly 2.0 sys/vm/vm_mmap.c, kern_mmap). */
import { EACCES, EAGAIN, EINVAL, ENODEV, ENOMEM } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { MAP_ANON, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from "../sys/mman.ts";
import { MNT_NOEXEC, type Mount } from "../vfs/mount.ts";
import { VREG } from "../vfs/vnode.ts";
import { vnodeObject, VnodePager } from "../vfs/vnode-pager.ts";
import { UNWIRED } from "../vm/map-entry.ts";
import { brk, mmap, mremap, msync, sharedFiles } from "../vm/mmap.ts";
import { untilDurable } from "./durable.ts";
import type { Lwp } from "./proc.ts";
import { READ_IMPLIES_EXEC } from "./proc.ts";
import { RLIMIT_DATA, RLIMIT_VMEM } from "./resource.ts";
import { sealedProt } from "./sys-memfd.ts";
import { checkMapLock, mayLockMore } from "./sys-mlock.ts";
import { VnodeFile } from "./vnode-file.ts";

export interface MmapArgs {
  addr: number;
  len: number;
  prot: number;
  /** Native MAP_* */
  flags: number;
  fd: number;
  /** Bytes, page aligned. */
  offset: number;
  /** Lock it in memory; bring its pages in. */
  locked?: boolean;
  populate?: boolean;
}

/**
 * Maps a file or anonymous memory; returns the address. Throws EBADF, EACCES (the file is not open for what the
 * mapping needs), ENODEV (it cannot be mapped), EINVAL, ENOMEM, EPERM and EAGAIN (it would be locked, and must not be).
 */
export function kernMmap(lp: Lwp, m: MmapArgs): number {
  const p = lp.proc;
  const vm = p.vmspace!;
  const kind = m.flags & (MAP_SHARED | MAP_PRIVATE);
  if (kind !== MAP_SHARED && kind !== MAP_PRIVATE) throw EINVAL;
  if (m.len === 0) throw EINVAL;
  if (vm.sizeBytes() + m.len > p.limits.cur[RLIMIT_VMEM]!) throw ENOMEM;
  checkMapLock(p, m.len, m.locked === true);
  const implied = (m.prot & PROT_READ) !== 0 && (p.personality & READ_IMPLIES_EXEC) !== 0 ? PROT_EXEC : 0;
  const req = { addr: m.addr, len: m.len, prot: m.prot | implied, flags: m.flags, object: null, offset: 0, wired: m.locked === true, populate: m.populate === true };
  if ((m.flags & MAP_ANON) !== 0) return mmap(vm, req);

  const fp = p.fd!.get(m.fd);
  if (!(fp instanceof VnodeFile)) throw ENODEV;
  if ((fp.flags & FREAD) === 0) throw EACCES;
  if (fp.dev === null ? fp.vp.type !== VREG : fp.dev.name !== "zero") throw ENODEV;
  let maxProt = PROT_READ | PROT_WRITE | PROT_EXEC;
  if (kind === MAP_SHARED && (fp.flags & FWRITE) === 0) {
    if ((m.prot & PROT_WRITE) !== 0) throw EACCES;
    maxProt &= ~PROT_WRITE;
  }
  // /dev/zero is how old programs ask for anonymous memory.
  if (fp.dev !== null) return mmap(vm, { ...req, flags: m.flags | MAP_ANON, maxProt });
  if (kind === MAP_SHARED) maxProt = sealedProt(fp.vp, m.prot, maxProt);
  if ((fp.vp.mount.flags & MNT_NOEXEC) !== 0) {
    if ((m.prot & PROT_EXEC) !== 0) throw EACCES;
    req.prot &= ~PROT_EXEC;
    maxProt &= ~PROT_EXEC;
  }
  return mmap(vm, { ...req, object: vnodeObject(p.k.vm, fp.vp), offset: m.offset, maxProt });
}

/**
 * msync(2): modified pages of shared file mappings go to their files; `sync` brings these to stable storage too. Plain half:
 * 0, or WOULDBLOCK for waitDurable(). Throws EINVAL, ENOMEM (hole).
 */
export function kernMsync(lp: Lwp, addr: number, len: number, sync: boolean): number {
  const vm = lp.proc.vmspace!;
  msync(vm, addr, len);
  if (!sync) return 0;
  const mounts = new Set<Mount>();
  for (const { object } of sharedFiles(vm, addr, addr + len)) {
    if (object === null || !(object.pager instanceof VnodePager)) continue;
    object.pager.vp.fsync();
    mounts.add(object.pager.vp.mount);
  }
  return untilDurable(lp, [...mounts]);
}

/** mremap(2) as vm/mmap.ts has it, within the limits. Throws ENOMEM, EAGAIN (locked memory would grow over its limit) and what that throws. */
export function kernMremap(lp: Lwp, old: number, oldLen: number, newLen: number, mayMove: boolean, fixedAddr: number): number {
  const p = lp.proc;
  const vm = p.vmspace!;
  if (newLen > oldLen) {
    const entry = vm.map.find(old);
    if (entry !== null && entry.wired !== UNWIRED && !mayLockMore(p, newLen - oldLen)) throw EAGAIN;
    if (entry !== null && vm.sizeBytes() + (newLen - oldLen) > p.limits.cur[RLIMIT_VMEM]!) throw ENOMEM;
  }
  return mremap(vm, old, oldLen, newLen, mayMove, fixedAddr);
}

/** Moves the end of the heap within the limits; returns where it is afterwards. */
export function kernBrk(lp: Lwp, end: number): number {
  const p = lp.proc;
  const vm = p.vmspace!;
  if (end > vm.brkEnd) {
    if (vm.sizeBytes() + (end - vm.brkEnd) > p.limits.cur[RLIMIT_VMEM]!) return vm.brkEnd;
    if (vm.wireFuture !== UNWIRED && !mayLockMore(p, end - vm.brkEnd)) return vm.brkEnd;
  }
  return brk(vm, end, p.limits.cur[RLIMIT_DATA]!);
}
