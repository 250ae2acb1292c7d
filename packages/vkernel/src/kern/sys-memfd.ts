// SPDX-License-Identifier: BSD-3-Clause
/**
 * Files without a name (Linux mm/memfd.c): a file of a memory file system that is mounted nowhere, removed as soon as it is made.
 * @module
 */
import { EBUSY, EINVAL, EPERM } from "../sys/errno.ts";
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { PROT_WRITE } from "../sys/mman.ts";
import {
  F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE, TmpfsMount, TmpfsNode,
} from "../vfs/tmpfs/tmpfs.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { type Vnode, VREG, vrele } from "../vfs/vnode.ts";
import { fdrop } from "./file.ts";
import type { Kernel } from "./kernel.ts";
import type { Lwp } from "./proc.ts";
import { VnodeFile } from "./vnode-file.ts";

const PAGE_SIZE = 4096;

/** The memory file system of such files; it may take half of the memory, as Linux's may. */
function memfs(k: Kernel): TmpfsMount {
  k.memfs ??= new TmpfsMount("memfd", 0, { maxBytes: (k.vm.totalPages * PAGE_SIZE) / 2, now: () => k.microtime() });
  return k.memfs;
}

/**
 * Makes an empty file and installs it, open for reading and writing. `name` is only shown. `sealable`: F_ADD_SEALS may be used.
 * Throws ENOSPC, EMFILE.
 */
export function kernMemfd(lp: Lwp, name: string, cloexec: boolean, sealable: boolean): number {
  const fd = lp.proc.fd!;
  fd.reserve(lp, 1);
  const mount = memfs(lp.k);
  const root = mount.root();
  const { uid, gid } = lp.proc.cred;
  const vp = root.create("file", { type: VREG, mode: 0o777, uid, gid });
  if (sealable) (vp as TmpfsNode).seals = 0;
  root.unlink("file", vp);
  vrele(root);
  const nch = lp.k.mounts.cache.makeDetached(mount, `memfd:${name} (deleted)`, vp, null);
  const fp = new VnodeFile(FREAD | FWRITE, nch, null);
  cacheDrop(nch);
  try {
    return fd.install(lp, fp, cloexec);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

/** The file in memory that a descriptor is. Throws EBADF, EINVAL for any other. */
function sealedNode(lp: Lwp, fd: number): { node: TmpfsNode; writable: boolean } {
  const fp = lp.proc.fd!.get(fd);
  if (!(fp instanceof VnodeFile) || !(fp.vp instanceof TmpfsNode) || fp.vp.mount.fstype !== "tmpfs" || fp.vp.type !== VREG) throw EINVAL;
  return { node: fp.vp, writable: fp.writable };
}

/** F_GET_SEALS. Throws EBADF, EINVAL. */
export function kernGetSeals(lp: Lwp, fd: number): number {
  return sealedNode(lp, fd).node.seals;
}

/** F_ADD_SEALS. Throws EPERM (sealed against it, or not open for writing), EINVAL, EBUSY (mapped shared and writable). */
export function kernAddSeals(lp: Lwp, fd: number, seals: number): number {
  const { node, writable } = sealedNode(lp, fd);
  if (!writable) throw EPERM;
  if ((seals & ~(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) throw EINVAL;
  if ((node.seals & F_SEAL_SEAL) !== 0) throw EPERM;
  if ((seals & F_SEAL_WRITE) !== 0 && (node.seals & F_SEAL_WRITE) === 0) {
    // A mapping that could be stored to would go on changing the file.
    for (const mapping of node.object?.mappings ?? []) if (mapping.shared && (mapping.maxProt & PROT_WRITE) !== 0) throw EBUSY;
  }
  node.seals |= seals;
  return 0;
}

/** What a shared mapping of the file may ever be: without stores once it is sealed against writing. Throws EPERM. */
export function sealedProt(vp: Vnode, prot: number, maxProt: number): number {
  if (!(vp instanceof TmpfsNode) || (vp.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) === 0) return maxProt;
  if ((prot & PROT_WRITE) !== 0) throw EPERM;
  return maxProt & ~PROT_WRITE;
}
