// SPDX-License-Identifier: BSD-3-Clause
/**
 * File systems for bootKernel() and for mount(2): factories that take their surroundings from the machine that is
 * being booted.
 */
import type { MountContext, MountFactory } from "./boot.ts";
import { linuxProcfs } from "./abi/linux/procfs.ts";
import { linuxSysfs } from "./abi/linux/sysfs.ts";
import type { Kernel } from "./kern/kernel.ts";
import { startSnapshots } from "./kern/vfs-snapshots.ts";
import { swapDevice } from "./kern/sys-swap.ts";
import type { MountRequest } from "./kern/sys-vfs-mount.ts";
import { Vkd, vkdNumber } from "./dev/vkd.ts";
import { EINVAL, ENOTDIR, EOPNOTSUPP } from "./sys/errno.ts";
import { ROOT_CRED } from "./sys/ucred.ts";
import type { BlockDevice } from "./vfs/hammer/devices.ts";
import { backgroundDisk, waitingImage } from "./vfs/hammer/disks.ts";
import { HammerfsMount, HammerVnode } from "./vfs/hammer/hammer.ts";
import { SnapshotsMount } from "./vfs/hammer/snapshots.ts";
import { DevfsMount } from "./vfs/devfs/devfs.ts";
import { DirfsMount } from "./vfs/dirfs/dirfs.ts";
import { OverlayMount } from "./vfs/dirfs/overlay.ts";
import { MNT_RDONLY } from "./vfs/mount.ts";
import { cacheDrop } from "./vfs/namecache.ts";
import { NLC_FOLLOW, Nlookup, nlookup } from "./vfs/nlookup.ts";
import { TmpfsMount } from "./vfs/tmpfs/tmpfs.ts";
import { VDIR } from "./vfs/vnode.ts";

const MIB = 1024 * 1024;
/** Changes to a host directory that are kept in memory beside the machine's own, bytes, unless said otherwise. */
export const OVERLAY_BYTES = 1024 * MIB;
/** Memory of a tmpfs without a size option, bytes. */
const TMPFS_BYTES = 256 * MIB;

/**
 * A host directory; the guest's changes stay in memory and end with the machine. Beyond `maxBytes` they fail with ENOSPC; the
 * first time the user is told.
 */
export function overlayFs(hostPath: string, maxBytes = OVERLAY_BYTES): MountFactory {
  return (ctx) => {
    let told = false;
    const full = (): void => {
      if (!told) ctx.kernel.tell(`${hostPath}: the guest's changes fill ${Math.floor(maxBytes / MIB)} MiB of memory: no space (--changes)`);
      told = true;
    };
    return new OverlayMount(ctx.machine.files, hostPath, 0, { maxBytes, now: ctx.now, full });
  };
}

/** A host directory as it is: changes are written through, or refused. */
export function hostFs(hostPath: string, readOnly: boolean): MountFactory {
  return (ctx) => new DirfsMount(ctx.machine.files, hostPath, readOnly ? MNT_RDONLY : 0);
}

/** An empty file system in memory. */
export function tmpFs(maxBytes = TMPFS_BYTES, rootMode = 0o1777): MountFactory {
  return (ctx) => new TmpfsMount("tmpfs", 0, { maxBytes, now: ctx.now, rootMode });
}

/** How to mount HAMMER. */
export interface HammerFsOptions {
  readOnly?: boolean;
  noHistory?: boolean;
  /** Bound of the file system's buffer cache, bytes. */
  cacheBytes?: number;
  /** The volumes are also disks: /dev/vkdN from this number on. */
  firstDisk?: number;
}

/** A HAMMER file system on its volumes, which are closed at unmount; `from` is how messages and df(1) call it. */
export function hammerFs(from: string, devices: readonly BlockDevice[], options: HammerFsOptions = {}): MountFactory {
  const { firstDisk, ...rest } = options;
  return (ctx) => {
    const { machine, kernel } = ctx;
    const clock = { post: (event: () => void): void => machine.post(event), now: (): number => machine.nanouptime(), awake: (): boolean => kernel.sched.started };
    const disks = devices.map((d) => backgroundDisk(d, clock));
    if (firstDisk !== undefined) disks.forEach((d, i) => ctx.devsw.add(new Vkd(firstDisk + i, waitingImage(d, ctx.log), ctx.log)));
    return new HammerfsMount(from, disks, { ...rest, now: ctx.now, log: ctx.log, tell: (line) => kernel.tell(line) });
  };
}

/** What to show of a directory's past. */
export interface SnapshotsFsOptions {
  /** Take one now, and every so many seconds where something has changed. */
  readonly every?: number;
  /** Note of those, at most 63 bytes; default "snapshots". */
  readonly note?: string;
}

/**
 * The snapshots of a directory on HAMMER, as directories named by their times. `path` is a byte string. Mounting throws ENOENT, ENOTDIR,
 * and EOPNOTSUPP when the directory is on another file system.
 */
export function snapshotsFs(path: string, options: SnapshotsFsOptions = {}): MountFactory {
  const { every, note = "snapshots" } = options;
  return ({ kernel, now }) => {
    const { root } = kernel.mounts;
    const nch = nlookup(new Nlookup(ROOT_CRED, root, root), path, NLC_FOLLOW);
    try {
      if (nch.vp!.type !== VDIR) throw ENOTDIR;
      if (!(nch.vp instanceof HammerVnode)) throw EOPNOTSUPP;
      const mount = new SnapshotsMount(nch.vp, now());
      if (every !== undefined) startSnapshots(kernel, mount, every * 1e9, note);
      return mount;
    } finally {
      cacheDrop(nch);
    }
  };
}

/** Gives the machine disks for pages that memory has no room for, and takes them into use. They are /dev/vkdN from the first free number on. */
export function addSwap(ctx: MountContext, disks: readonly BlockDevice[]): void {
  let unit = 0;
  for (const disk of disks) {
    while (ctx.devsw.find(vkdNumber(unit)) !== null) unit++;
    const dev = ctx.devsw.add(new Vkd(unit, disk, ctx.log, true));
    ctx.kernel.vm.swap.add(swapDevice(dev, 0, Math.floor(dev.size / 4096)));
  }
}

/** /dev. */
export function devFs(): MountFactory {
  return (ctx) => new DevfsMount(ctx.devsw, ctx.now);
}

/** /proc, in Linux's form. */
export function procFs(): MountFactory {
  return (ctx) => linuxProcfs(ctx.kernel);
}

/** /sys, in Linux's form. */
export function sysFs(): MountFactory {
  return (ctx) => linuxSysfs(ctx.kernel);
}

/** A size option: bytes, or with k, m, g. Throws EINVAL. */
function sizeOption(req: MountRequest, name: string, otherwise: number): number {
  const text = req.options.get(name);
  if (text === undefined) return otherwise;
  const m = /^(\d+)([kmg]?)$/i.exec(text);
  if (m === null) throw EINVAL;
  return Number(m[1]) * { "": 1, k: 1024, m: MIB, g: 1024 * MIB }[m[2]!.toLowerCase()]!;
}

/** Enters the file systems that processes may mount. */
export function registerFilesystems(k: Kernel, ctx: MountContext): void {
  k.vfsops.set("tmpfs", (_lp, req) => {
    const mode = Number.parseInt(req.options.get("mode") ?? "1777", 8);
    if (!Number.isInteger(mode)) throw EINVAL;
    const maxBytes = sizeOption(req, "size", TMPFS_BYTES);
    return new TmpfsMount(req.from, req.flags, { maxBytes, now: ctx.now, rootMode: mode & 0o7777 });
  });
  k.vfsops.set("procfs", () => linuxProcfs(k));
  k.vfsops.set("sysfs", () => linuxSysfs(k));
  k.vfsops.set("devfs", () => new DevfsMount(ctx.devsw, ctx.now));
}
