// SPDX-License-Identifier: BSD-3-Clause
/**
 * Namecache: path components already looked up, positive and negative. Names form a tree for each mount; the
 * tree gives directories their "..", open files their path and getcwd its answer, and keeps file systems from
 * being asked twice (DragonFly 2.0 sys/kern/vfs_cache.c, sys/sys/namecache.h).
 *
 * Invariants
 *   N1  An entry with a vnode holds one reference on it, until the entry is destroyed or its name is.
 *   N2  A negative entry (vp null) has no children.
 *   N3  parent.children.get(name) is the entry itself, unless the entry is detached; detached entries are in no
 *       table and are destroyed with their last hold.
 *   N4  An entry holds one reference on its parent, so an entry with children or holders is never destroyed.
 *   N5  Exactly the entries with no reference at all are on the idle list, oldest first, and only those are
 *       evicted. Eviction happens in cacheDrop() and forget() only, so a walk needs no holds.
 * @module
 */
import type { Mount } from "./mount.ts";
import type { Vnode } from "./vnode.ts";
import { vrele } from "./vnode.ts";

/** Names kept although nobody uses them. */
export const DESIRED_IDLE = 16384;

/** One name: DragonFly's namecache entry and mount in one, so that it can be handed around as a path. */
export class Nchandle {
  readonly cache: Namecache;
  readonly mount: Mount;
  parent: Nchandle | null;
  name: string;
  /** What the name stands for; null when there is no such file. */
  vp: Vnode | null;
  children: Map<string, Nchandle> | null = null;
  /** Holders and children. */
  refs = 0;
  /** The name was removed, or never was in a directory. */
  detached = false;
  /** File system mounted on this directory. */
  mountedHere: Mount | null = null;
  idlePrev: Nchandle | null = null;
  idleNext: Nchandle | null = null;

  constructor(cache: Namecache, mount: Mount, parent: Nchandle | null, name: string, vp: Vnode | null) {
    this.cache = cache;
    this.mount = mount;
    this.parent = parent;
    this.name = name;
    this.vp = vp;
  }
}

/** The cache of one kernel. */
export class Namecache {
  readonly desiredIdle: number;
  private oldest: Nchandle | null = null;
  private newest: Nchandle | null = null;
  /** Entries on the idle list, and all entries. */
  idle = 0;
  entries = 0;
  hits = 0;
  misses = 0;

  constructor(desiredIdle = DESIRED_IDLE) {
    this.desiredIdle = desiredIdle;
  }

  /** The root name of a mount, held once. Takes over the caller's reference on `vp`. */
  makeRoot(mount: Mount, vp: Vnode): Nchandle {
    return this.makeDetached(mount, "", vp, null);
  }

  /**
   * A name that is in no directory, held once: a mount's root, or what a magic link stands for. Takes over the
   * reference on `vp`.
   */
  makeDetached(mount: Mount, name: string, vp: Vnode, parent: Nchandle | null): Nchandle {
    const nch = new Nchandle(this, mount, parent, name, vp);
    if (parent !== null) this.ref(parent);
    vp.nch = nch;
    nch.detached = true;
    nch.refs = 1;
    this.entries++;
    return nch;
  }

  /** Enters a looked-up name below `dir`, unheld. Takes over the reference on `vp`; null makes it negative. */
  enter(dir: Nchandle, name: string, vp: Vnode | null): Nchandle {
    const nch = new Nchandle(this, dir.mount, dir, name, vp);
    if (vp !== null) vp.nch = nch;
    (dir.children ??= new Map()).set(name, nch);
    this.ref(dir);
    this.entries++;
    this.appendIdle(nch);
    return nch;
  }

  ref(nch: Nchandle): void {
    if (nch.refs++ === 0 && !nch.detached) this.removeIdle(nch);
  }

  unref(nch: Nchandle): void {
    if (--nch.refs !== 0) return;
    if (nch.detached) {
      this.destroy(nch);
      return;
    }
    this.appendIdle(nch);
  }

  /** Evicts the names that have been idle longest until the limit is kept. */
  trim(): void {
    while (this.idle > this.desiredIdle) this.evict(this.oldest!);
  }

  /** Forgets the idle names of a mount, for unmount. */
  purge(mount: Mount): void {
    // Evicting a name may make its directory idle, which a further pass then finds.
    for (let again = true; again; ) {
      again = false;
      for (let nch = this.oldest; nch !== null; ) {
        const next: Nchandle | null = nch.idleNext;
        if (nch.mount === mount) {
          this.evict(nch);
          again = true;
        }
        nch = next;
      }
    }
  }

  private evict(nch: Nchandle): void {
    this.removeIdle(nch);
    const parent = nch.parent!;
    parent.children!.delete(nch.name);
    nch.detached = true;
    this.destroy(nch);
  }

  private destroy(nch: Nchandle): void {
    this.entries--;
    const { vp, parent } = nch;
    nch.vp = null;
    nch.parent = null;
    if (vp !== null) {
      if (vp.nch === nch) vp.nch = null;
      vrele(vp);
    }
    if (parent !== null) this.unref(parent);
  }

  /** The name was removed or replaced: it leaves its directory; those who hold it keep the file. */
  detach(nch: Nchandle): void {
    if (nch.detached) return;
    nch.parent!.children!.delete(nch.name);
    nch.detached = true;
    if (nch.refs === 0) {
      this.removeIdle(nch);
      this.destroy(nch);
    }
  }

  /** A directory has ceased to exist without having been removed: it and all names below it leave the cache, as in detach(). */
  forget(nch: Nchandle): void {
    if (nch.mountedHere !== null) return;
    if (nch.children !== null) for (const child of [...nch.children.values()]) this.forget(child);
    this.detach(nch);
  }

  /** A file was made under a name that was negative. Takes over the reference on `vp`. */
  setVnode(nch: Nchandle, vp: Vnode): void {
    nch.vp = vp;
    vp.nch = nch;
  }

  /** After rename: `from` takes the name `to` in its directory; what `to` stood for is detached. */
  rename(from: Nchandle, to: Nchandle): void {
    const dir = to.parent!;
    const name = to.name;
    this.detach(to);
    const oldDir = from.parent!;
    oldDir.children!.delete(from.name);
    this.ref(dir);
    from.parent = dir;
    from.name = name;
    (dir.children ??= new Map()).set(name, from);
    this.unref(oldDir);
  }

  /** Two names have changed what they name, with all that is below them. */
  exchange(a: Nchandle, b: Nchandle): void {
    const [aDir, bDir, aName] = [a.parent!, b.parent!, a.name];
    a.parent = bDir;
    a.name = b.name;
    b.parent = aDir;
    b.name = aName;
    // Each directory is held by as many names as before
    bDir.children!.set(a.name, a);
    aDir.children!.set(b.name, b);
  }

  private appendIdle(nch: Nchandle): void {
    nch.idlePrev = this.newest;
    nch.idleNext = null;
    if (this.newest !== null) this.newest.idleNext = nch;
    else this.oldest = nch;
    this.newest = nch;
    this.idle++;
  }

  private removeIdle(nch: Nchandle): void {
    if (nch.idlePrev !== null) nch.idlePrev.idleNext = nch.idleNext;
    else this.oldest = nch.idleNext;
    if (nch.idleNext !== null) nch.idleNext.idlePrev = nch.idlePrev;
    else this.newest = nch.idlePrev;
    nch.idlePrev = null;
    nch.idleNext = null;
    this.idle--;
  }
}

/** Holds a name; pairs with cacheDrop. */
export function cacheHold(nch: Nchandle): Nchandle {
  nch.cache.ref(nch);
  return nch;
}

/** Drops a hold. */
export function cacheDrop(nch: Nchandle): void {
  const cache = nch.cache;
  cache.unref(nch);
  if (cache.idle > cache.desiredIdle) cache.trim();
}

/**
 * The path of a name as seen from `root`: "/" for the root itself; null when the name, or a directory above it,
 * was removed or lies outside of `root`.
 */
export function cacheFullpath(nch: Nchandle, root: Nchandle): string | null {
  let path = "";
  for (let at = nch; ; ) {
    if (at === root) return path === "" ? "/" : path;
    if (at.parent === null || at.detached) {
      const covered: Nchandle | null = at.mount.rootNch === at ? at.mount.covered : null;
      if (covered === null) return null;
      at = covered;
      continue;
    }
    path = `/${at.name}${path}`;
    at = at.parent;
  }
}
