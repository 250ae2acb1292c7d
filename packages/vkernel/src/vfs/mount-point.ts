// SPDX-License-Identifier: BSD-3-Clause
/** Directories that the kernel itself needs, made before any process runs. */
import { ROOT_CRED } from "../sys/ucred.ts";
import { cacheDrop, cacheHold, type Nchandle } from "./namecache.ts";
import { NLC_CREATE, NLC_FOLLOW, Nlookup, nlookup } from "./nlookup.ts";
import { VDIR } from "./vnode.ts";

/**
 * The directory at `path` below `root`, held; what is missing on the way is made with `mode` when `create` is set.
 * Throws ENOENT when it is missing and not to be made, EROFS and the file system's errors when it cannot be.
 */
export function mountPoint(root: Nchandle, path: string, create: boolean, mode = 0o755): Nchandle {
  let at = cacheHold(root);
  const names = path.split("/").filter((name) => name !== "");
  for (const [i, name] of names.entries()) {
    try {
      const next = nlookup(new Nlookup(ROOT_CRED, root, at), name, create ? NLC_FOLLOW | NLC_CREATE : NLC_FOLLOW);
      cacheDrop(at);
      at = next;
    } catch (e) {
      cacheDrop(at);
      throw e;
    }
    if (at.vp !== null) continue;
    try {
      const bits = i === names.length - 1 ? mode : 0o755;
      at.cache.setVnode(at, at.parent!.vp!.create(at.name, { type: VDIR, mode: bits, uid: 0, gid: 0 }));
    } catch (e) {
      cacheDrop(at);
      throw e;
    }
  }
  return at;
}
