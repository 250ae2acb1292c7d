// SPDX-License-Identifier: BSD-3-Clause
/**
 * Mounting, statfs, sync (DragonFly 2.0 sys/kern/vfs_syscalls.c). Which file systems there are is not known here: the
 * kernel's table `vfsops` maps a type's name to a function that makes a mount from decoded arguments.
 */
import { CAP_SYS_ADMIN, capable } from "../sys/capability.ts";
import { EBUSY, EINVAL, ENODEV, EPERM } from "../sys/errno.ts";
import type { Mount, Statfs } from "../vfs/mount.ts";
import { MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY } from "../vfs/mount.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { NLC_FOLLOW } from "../vfs/nlookup.ts";
import { AT_FDCWD } from "../sys/fcntl.ts";
import { vmSync } from "../vm/system.ts";
import { untilDurable } from "./durable.ts";
import type { Kernel } from "./kernel.ts";
import type { Lwp } from "./proc.ts";
import { lookupPath, withPath } from "./sys-vfs.ts";

/** What a mount call asks for, decoded by the ABI. */
export interface MountRequest {
  /** "tmpfs", "procfs", "devfs", "hammer", … */
  fstype: string;
  /** What is mounted: device paths (hammer), a name for df(1) else. */
  from: string;
  /** Native MNT_* flags. */
  flags: number;
  /** Options by name: "size=1048576,mode=755". */
  options: ReadonlyMap<string, string>;
}

/** Makes a mount that is not yet in the tree. Throws an Errno. */
export type MountMaker = (lp: Lwp, req: MountRequest) => Mount;

/** Flags that may change by MNT_UPDATE. */
const MNT_UPDATEMASK = MNT_RDONLY | MNT_NOSUID | MNT_NODEV | MNT_NOEXEC;

/** mount(2). */
export function kernMount(lp: Lwp, req: MountRequest, path: string): number {
  if (!capable(lp.proc.cred, CAP_SYS_ADMIN)) throw EPERM;
  const make = lp.k.vfsops.get(req.fstype);
  if (make === undefined) throw ENODEV;
  const nch = lookupPath(lp, AT_FDCWD, path, NLC_FOLLOW);
  try {
    lp.k.mounts.mountOn(make(lp, req), nch);
  } finally {
    cacheDrop(nch);
  }
  return 0;
}

/** mount(2) with MNT_UPDATE: changes the flags of a mounted file system. */
export function kernRemount(lp: Lwp, path: string, flags: number): number {
  if (!capable(lp.proc.cred, CAP_SYS_ADMIN)) throw EPERM;
  return withPath(lp, AT_FDCWD, path, NLC_FOLLOW, (_vp, nch) => {
    const { mount } = nch;
    if (mount.rootNch !== nch) throw EINVAL;
    mount.remount((mount.flags & ~MNT_UPDATEMASK) | (flags & MNT_UPDATEMASK));
    return 0;
  });
}

/** unmount(2): the root of a mounted file system, or the directory that it covers. */
export function kernUnmount(lp: Lwp, path: string, force: boolean): number {
  if (!capable(lp.proc.cred, CAP_SYS_ADMIN)) throw EPERM;
  const { k } = lp;
  const nch = lookupPath(lp, AT_FDCWD, path, NLC_FOLLOW);
  const { mount } = nch;
  const isRoot = mount.rootNch === nch;
  cacheDrop(nch);
  if (!isRoot) throw EINVAL;
  if (mount === k.mounts.list[0]) throw EBUSY;
  vmSync(k.vm);
  k.mounts.unmount(mount, force);
  return 0;
}

/** statfs(2) of a path: the mount and what it reports. */
export function kernStatfs(lp: Lwp, path: string): { mount: Mount; stat: Statfs } {
  return withPath(lp, AT_FDCWD, path, NLC_FOLLOW, (_vp, nch) => ({ mount: nch.mount, stat: nch.mount.statfs() }));
}

/** Starts writing back: modified pages of mappings first, then every file system. */
export function syncAll(k: Kernel): void {
  vmSync(k.vm);
  k.mounts.syncAll();
}

/** sync(2), plain half: 0, or WOULDBLOCK for waitDurable(). */
export function kernSync(lp: Lwp): number {
  syncAll(lp.k);
  return untilDurable(lp, lp.k.mounts.list);
}
