// SPDX-License-Identifier: BSD-3-Clause
/**
 * From a directory to its name in the cache, for whoever has a directory by other means than a path: file handles (DragonFly
 * 2.0 sys/kern/vfs_cache.c, cache_fromdvp, cache_inefficient_scan).
 * @module
 */
import { Errno } from "../sys/errno.ts";
import type { Namecache, Nchandle } from "./namecache.ts";
import { cacheDrop, cacheHold } from "./namecache.ts";
import type { Vnode } from "./vnode.ts";
import { vref, vrele } from "./vnode.ts";

/** Directories above which nobody has a name in the cache: more of them are taken for a loop on a damaged disk. */
const MOST_LEVELS = 1024;

/**
 * The name of directory `dvp`, held, from the cache or by asking the directories above. A directory that none of them knows
 * (it was removed, or is a view of the past) gets a name of its own without a path. Throws IoMiss and the file system's errors.
 */
export function cacheFromDirectory(cache: Namecache, dvp: Vnode, levels = MOST_LEVELS): Nchandle {
  if (dvp.nch !== null) return cacheHold(dvp.nch);
  const above = levels === 0 ? null : directoryAbove(dvp);
  if (above === null) return cache.makeDetached(dvp.mount, "", vref(dvp), null);
  let name: string | null;
  let dir: Nchandle;
  try {
    name = nameIn(above, dvp);
    if (name === null) return cache.makeDetached(dvp.mount, "", vref(dvp), null);
    dir = cacheFromDirectory(cache, above, levels - 1);
  } finally {
    vrele(above);
  }
  try {
    const known = dir.children?.get(name);
    // Somebody asked for the name meanwhile, and found the same directory.
    if (known !== undefined && known.vp === dvp) return cacheHold(known);
    if (known !== undefined) cache.detach(known);
    return cacheHold(cache.enter(dir, name, vref(dvp)));
  } finally {
    cacheDrop(dir);
  }
}

/** The directory above, referenced, if there is one that leads down here again. */
function directoryAbove(dvp: Vnode): Vnode | null {
  let above: Vnode;
  try {
    above = dvp.parent();
  } catch (e) {
    if (e instanceof Errno) return null;
    throw e;
  }
  if (above !== dvp && above.mount === dvp.mount) return above;
  vrele(above);
  return null;
}

function nameIn(dir: Vnode, child: Vnode): string | null {
  const { fileid } = child.getattr();
  let found: string | null = null;
  dir.readdirKeys(0n, (name, id) => {
    if (id !== fileid || name === "." || name === "..") return true;
    const vp = dir.lookup(name);
    if (vp === child) found = name;
    if (vp !== null) vrele(vp);
    return found === null;
  });
  return found;
}
