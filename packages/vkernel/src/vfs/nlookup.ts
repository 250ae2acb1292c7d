// SPDX-License-Identifier: BSD-3-Clause
/**
 * nlookup: from a path to a name in the namecache (DragonFly 2.0 sys/kern/vfs_nlookup.c).
 *
 * Invariants
 *   L1  The result is held; nothing else is held when nlookup() returns or throws, whatever it throws.
 *   L2  The walk never leaves `rdir` upwards: ".." there stays there (also when the walk started outside).
 *   L3  Every directory the walk looks into has granted VEXEC to `cred`.
 *   L4  At most MAXSYMLINKS symbolic links are followed.
 * @module
 */
import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV } from "../sys/errno.ts";
import type { Ucred } from "../sys/ucred.ts";
import { VEXEC } from "../sys/ucred.ts";
import type { Nchandle } from "./namecache.ts";
import { cacheDrop, cacheHold } from "./namecache.ts";
import type { Vnode } from "./vnode.ts";
import { VDIR, VLNK, vrele } from "./vnode.ts";

export const MAXSYMLINKS = 32;
/** Longest path, with its NUL. */
export const PATH_MAX = 1024;

/** Follow a symbolic link in the last component. */
export const NLC_FOLLOW = 0x01;
/** The last component may be missing: a negative name is then the result. */
export const NLC_CREATE = 0x02;
/** Stay at the directory that is mounted on (for unmount and mount). */
export const NLC_COVERED = 0x04;
/** A symbolic link in the last component is ELOOP (O_NOFOLLOW). */
export const NLC_NOSYMLINK = 0x08;
/** The last component is to be removed, renamed or made: a symbolic link there is itself, even before a slash. */
export const NLC_NAME = 0x20;
/** A relative path may be empty and means where the walk starts (AT_EMPTY_PATH). */
export const NLC_EMPTY = 0x10;

/** No mount point is crossed in either direction: EXDEV. This and what follows: openat2(2), Linux fs/namei.c. */
export const NLC_NOXDEV = 0x40;
/** Links of procfs that name a file without a path are ELOOP. */
export const NLC_NOMAGIC = 0x80;
/** Symbolic links that would be followed are ELOOP. */
export const NLC_NOLINKS = 0x100;
/** What leads out of `rdir`, by "..", an absolute path or link, is EXDEV instead of staying there. */
export const NLC_BENEATH = 0x200;
/** `rdir` is the directory that the walk starts from; links without a path are EXDEV. */
export const NLC_INROOT = 0x400;

/** What the last component of a path was. */
export const LAST_NORM = 0;
export const LAST_ROOT = 1;
export const LAST_DOT = 2;
export const LAST_DOTDOT = 3;

/** Variables for `${NAME}` in symbolic links. */
export interface VarsymSource {
  varsym(name: string): string | undefined;
}

/** Where a walk starts and for whom. Reusable; the results of a walk stand in it until the next one. */
export class Nlookup {
  cred: Ucred;
  rdir: Nchandle;
  cdir: Nchandle;
  /** Whose variables symbolic links name, null when they name none. */
  varsyms: VarsymSource | null = null;
  /** LAST_*: what kind of last component there was. */
  last = LAST_NORM;
  /** The path ended in a slash. */
  trailingSlash = false;

  constructor(cred: Ucred, rdir: Nchandle, cdir: Nchandle) {
    this.cred = cred;
    this.rdir = rdir;
    this.cdir = cdir;
  }
}

const SLASH = 0x2f;

/**
 * Resolves `path` (a byte string). Returns the name, held; its vnode is null only with NLC_CREATE. Throws ENOENT,
 * ENOTDIR, EACCES, ELOOP, ENAMETOOLONG, the file system's errors and IoMiss.
 */
export function nlookup(nd: Nlookup, path: string, flags: number): Nchandle {
  nd.last = LAST_ROOT;
  nd.trailingSlash = false;
  if (path.length === 0) {
    if ((flags & NLC_EMPTY) === 0) throw ENOENT;
    nd.last = LAST_DOT;
    return cacheHold(nd.cdir);
  }
  if (path.charCodeAt(0) === SLASH && (flags & NLC_BENEATH) !== 0) throw EXDEV;
  let at = path.charCodeAt(0) === SLASH ? nd.rdir : nd.cdir;
  let rest = path;
  let pos = 0;
  let links = 0;
  // A magic link leads to a name that only this walk holds.
  let held: Nchandle | null = null;
  try {
    for (;;) {
      while (pos < rest.length && rest.charCodeAt(pos) === SLASH) pos++;
      if (pos >= rest.length) break;
      let end = rest.indexOf("/", pos);
      if (end < 0) end = rest.length;
      const name = pos === 0 && end === rest.length ? rest : rest.slice(pos, end);
      pos = end;
      while (end < rest.length && rest.charCodeAt(end) === SLASH) end++;
      const isLast = end === rest.length;
      if (isLast) nd.trailingSlash = end !== pos;

      const dvp: Vnode = at.vp!;
      if (dvp.type !== VDIR) throw ENOTDIR;
      if (!dvp.access(VEXEC, nd.cred)) throw EACCES;
      if (name === ".") {
        nd.last = LAST_DOT;
        continue;
      }
      if (name === "..") {
        nd.last = LAST_DOTDOT;
        if (at === nd.rdir && (flags & NLC_BENEATH) !== 0) throw EXDEV;
        const up = parentOf(at, nd.rdir);
        if (up.mount !== at.mount && (flags & NLC_NOXDEV) !== 0) throw EXDEV;
        at = up;
        continue;
      }
      nd.last = LAST_NORM;
      let next = childOf(at, dvp, name);
      const vp = next.vp;
      if (vp === null) {
        if (!isLast || (flags & NLC_CREATE) === 0) throw ENOENT;
        if (at.detached && at.mount.rootNch !== at) throw ENOENT;
        return cacheHold(next);
      }
      if (vp.type === VLNK && (!isLast || followsLast(nd, flags))) {
        if (isLast && !nd.trailingSlash && (flags & NLC_NOSYMLINK) !== 0) throw ELOOP;
        if (++links > MAXSYMLINKS || (flags & NLC_NOLINKS) !== 0) throw ELOOP;
        const target = vp.jump();
        if (target !== null) {
          checkJump(at, target, flags);
          if (held !== null) cacheDrop(held);
          held = target;
          at = target;
          continue;
        }
        let text = vp.readlink();
        if (nd.varsyms !== null && text.includes("${")) text = expandLink(text, nd.varsyms);
        if (text.length === 0) throw ENOENT;
        rest = pos >= rest.length ? text : text + rest.slice(pos);
        if (rest.length >= 4 * PATH_MAX) throw ENAMETOOLONG;
        pos = 0;
        if (text.charCodeAt(0) === SLASH) {
          if ((flags & NLC_BENEATH) !== 0 || ((flags & NLC_NOXDEV) !== 0 && at.mount !== nd.rdir.mount)) throw EXDEV;
          at = nd.rdir;
          nd.last = LAST_ROOT;
        }
        continue;
      }
      if (next.mountedHere !== null && !(isLast && (flags & NLC_COVERED) !== 0)) {
        if ((flags & NLC_NOXDEV) !== 0) throw EXDEV;
        while (next.mountedHere !== null) next = next.mountedHere.rootNch!;
      }
      at = next;
    }
    // A name to be made is EEXIST for whatever is there.
    if (nd.trailingSlash && at.vp!.type !== VDIR && (flags & NLC_CREATE) === 0) throw ENOTDIR;
    return cacheHold(at);
  } finally {
    if (held !== null) cacheDrop(held);
  }
}

/** Whether a link without a path may be followed to the held `target`; drops it when not. */
function checkJump(at: Nchandle, target: Nchandle, flags: number): void {
  const outside = (flags & (NLC_BENEATH | NLC_INROOT)) !== 0 || ((flags & NLC_NOXDEV) !== 0 && target.mount !== at.mount);
  if (!outside && (flags & NLC_NOMAGIC) === 0) return;
  cacheDrop(target);
  throw (flags & NLC_NOMAGIC) !== 0 ? ELOOP : EXDEV;
}

/** Puts the values of variables in their places; what names none stays, and values are not looked at again. */
export function expandLink(text: string, source: VarsymSource): string {
  return text.replaceAll(/\$\{([^}]*)\}/gs, (whole, name: string) => source.varsym(name) ?? whole);
}

/** Whether a symbolic link in the last component is looked through. */
function followsLast(nd: Nlookup, flags: number): boolean {
  if ((flags & NLC_NAME) !== 0) return false;
  return nd.trailingSlash || (flags & (NLC_FOLLOW | NLC_NOSYMLINK)) !== 0;
}

/** ".." of a directory: through the root of a mount to the directory that it covers, never above `rdir`. */
function parentOf(nch: Nchandle, rdir: Nchandle): Nchandle {
  let at = nch;
  while (at !== rdir && at.mount.rootNch === at && at.mount.covered !== null) at = at.mount.covered;
  if (at === rdir || at.parent === null) return at;
  at = at.parent;
  while (at.mountedHere !== null) at = at.mountedHere.rootNch!;
  return at;
}

/** The name `name` in the directory `at`, from the cache or the file system; negative when there is none. */
function childOf(at: Nchandle, dvp: Vnode, name: string): Nchandle {
  const cached = at.children === null ? undefined : at.children.get(name);
  const cache = at.cache;
  if (cached !== undefined && !at.mount.volatileNames) {
    cache.hits++;
    return cached;
  }
  cache.misses++;
  if (name.length > at.mount.nameMax) throw ENAMETOOLONG;
  const vp = dvp.lookup(name);
  if (cached !== undefined) {
    if (cached.vp === vp || cached.mountedHere !== null) {
      if (vp !== null) vrele(vp);
      return cached;
    }
    cache.detach(cached);
  }
  return cache.enter(at, name, vp);
}
