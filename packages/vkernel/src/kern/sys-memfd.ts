// SPDX-License-Identifier: BSD-3-Clause
/**
 * Files without a name (Linux mm/memfd.c): a file of a memory file system that is mounted nowhere, removed as soon as it is made.
 * @module
 */
import { FREAD, FWRITE } from "../sys/fcntl.ts";
import { TmpfsMount } from "../vfs/tmpfs/tmpfs.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { VREG, vrele } from "../vfs/vnode.ts";
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

/** Makes an empty file and installs it, open for reading and writing. `name` is only shown. Throws ENOSPC, EMFILE. */
export function kernMemfd(lp: Lwp, name: string, cloexec: boolean): number {
  const fd = lp.proc.fd!;
  fd.reserve(lp, 1);
  const mount = memfs(lp.k);
  const root = mount.root();
  const { uid, gid } = lp.proc.cred;
  const vp = root.create("file", { type: VREG, mode: 0o777, uid, gid });
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
