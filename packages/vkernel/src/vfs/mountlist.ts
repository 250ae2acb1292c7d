// SPDX-License-Identifier: BSD-3-Clause
/**
 * The table of mounted file systems (DragonFly 2.0 sys/kern/vfs_mount.c).
 *
 * Invariants
 *   M1  list[0] is the root file system; fsids are unique and never used again.
 *   M2  mount.covered.mountedHere === mount for every mount but the root; both names are held.
 * @module
 */
import { EBUSY, EINVAL, ENOENT, ENOTDIR } from "../sys/errno.ts";
import type { Mount } from "./mount.ts";
import type { Nchandle } from "./namecache.ts";
import { cacheDrop, cacheFullpath, cacheHold, Namecache } from "./namecache.ts";
import { VDIR } from "./vnode.ts";

export class Mountlist {
  readonly cache: Namecache;
  /** In the order of mounting. */
  readonly list: Mount[] = [];
  private nextFsid = 1;

  constructor(cache: Namecache = new Namecache()) {
    this.cache = cache;
  }

  /** The name "/" of the whole system. */
  get root(): Nchandle {
    return this.list[0]!.rootNch!;
  }

  /** Mounts the root file system. */
  mountRoot(mount: Mount): void {
    if (this.list.length !== 0) throw EBUSY;
    this.attach(mount, "/");
  }

  /** Mounts on a directory. The name is held by the mount from here on; the caller keeps its own hold. */
  mountOn(mount: Mount, on: Nchandle): void {
    if (on.vp === null) throw ENOENT;
    if (on.vp.type !== VDIR) throw ENOTDIR;
    if (on.mountedHere !== null || on.mount.rootNch === on) throw EBUSY;
    const path = cacheFullpath(on, this.root);
    if (path === null) throw ENOENT;
    mount.covered = cacheHold(on);
    on.mountedHere = mount;
    this.attach(mount, path);
  }

  private attach(mount: Mount, onName: string): void {
    mount.fsid = this.nextFsid++;
    mount.onName = onName;
    mount.rootNch = this.cache.makeRoot(mount, mount.root());
    this.list.push(mount);
  }

  /**
   * Unmounts. EBUSY when a file, working directory, mapping or other mount uses the file system; `force` goes on
   * regardless and leaves those users with their open files.
   */
  unmount(mount: Mount, force: boolean): void {
    const at = this.list.indexOf(mount);
    if (at < 0) throw EINVAL;
    if (!force && this.isBusy(mount)) throw EBUSY;
    this.cache.purge(mount);
    mount.unmount();
    this.list.splice(at, 1);
    if (mount.covered !== null) {
      mount.covered.mountedHere = null;
      cacheDrop(mount.covered);
      mount.covered = null;
    }
    if (mount.rootNch !== null) {
      cacheDrop(mount.rootNch);
      mount.rootNch = null;
    }
  }

  /** Whether anything but the mount itself holds a name on it. */
  private isBusy(mount: Mount): boolean {
    for (const other of this.list) if (other !== mount && other.covered?.mount === mount) return true;
    this.cache.purge(mount);
    return mount.rootNch!.refs > 1;
  }

  /** Writes back what every file system has modified. The first failure is thrown after all have been tried. */
  syncAll(): void {
    let failed = false;
    let failure: unknown;
    for (const mount of this.list) {
      try {
        mount.sync();
      } catch (e) {
        if (!failed) failure = e;
        failed = true;
      }
    }
    if (failed) throw failure;
  }

  /** Unmounts everything, last mounted first, whoever uses it: the system goes down. */
  unmountAll(): void {
    while (this.list.length > 0) this.unmount(this.list[this.list.length - 1]!, true);
  }
}
