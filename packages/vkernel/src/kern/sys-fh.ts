// SPDX-License-Identifier: BSD-3-Clause
/**
 * Opening files by what tells them from all others of their file system (Mount.fid), without a name: shared by DragonFly's fhopen
 * (DragonFly 2.0 sys/kern/vfs_syscalls.c) and Linux's open_by_handle_at (Linux fs/fhandle.c).
 */
import type { Mount } from "../vfs/mount.ts";
import { cacheDrop, type Nchandle } from "../vfs/namecache.ts";
import { vrele, type Vnode } from "../vfs/vnode.ts";
import type { File } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { openExisting } from "./sys-vfs-open.ts";

/** Opens the file with that id; `flags` as open(2) has them, without O_CREAT. The result is referenced once. Throws ESTALE, and what opening does. */
export function openFid(lp: Lwp, mount: Mount, fid: Uint8Array, flags: number): File {
  const vp = mount.vnodeOfFid(fid);
  const nch = vp.nch === null ? mount.rootNch!.cache.makeDetached(mount, "", vp, null) : heldName(vp);
  try {
    return openExisting(lp, nch, flags);
  } finally {
    cacheDrop(nch);
  }
}

/** The name that the file is known by, held in the place of the reference. */
function heldName(vp: Vnode): Nchandle {
  const nch = vp.nch!;
  nch.cache.ref(nch);
  vrele(vp);
  return nch;
}
