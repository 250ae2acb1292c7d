// SPDX-License-Identifier: BSD-3-Clause
/**
 * swapon(2) and swapoff(2): disks that take pages when memory is short (DragonFly 2.0 sys/vm/vm_swap.c; Linux mm/swapfile.c for the
 * header that mkswap writes).
 *
 * Only disks that answer at once can do it (SW3): a page may be missing in the middle of a system call. Those are the ones given to the
 * machine for this.
 * @module
 */
import type { Cdev } from "../dev/cdev.ts";
import { CAP_SYS_ADMIN } from "../sys/capability.ts";
import { EINVAL, EIO, ENOMEM, ENOTBLK, ENXIO } from "../sys/errno.ts";
import { AT_FDCWD } from "../sys/fcntl.ts";
import { NLC_FOLLOW } from "../vfs/nlookup.ts";
import { VBLK, VCHR } from "../vfs/vnode.ts";
import { PageOut } from "../vm/pageout.ts";
import type { SwapDevice } from "../vm/swap.ts";
import type { Lwp } from "./proc.ts";
import { need } from "./prot.ts";
import { withPath } from "./sys-vfs.ts";

const PAGE_SIZE = 4096;

/** A disk's pages [first, first + pages) as swap space. */
export function swapDevice(dev: Cdev, first: number, pages: number): SwapDevice {
  return {
    name: `/dev/${dev.name}`,
    pages,
    read(page, buf, off) {
      if (dev.read((first + page) * PAGE_SIZE, buf, off, PAGE_SIZE, -1) !== PAGE_SIZE) throw EIO;
    },
    write(page, buf, off) {
      if (dev.write((first + page) * PAGE_SIZE, buf, off, PAGE_SIZE) !== PAGE_SIZE) throw EIO;
    },
  };
}

/** The disk at a path. Throws ENOTBLK, ENXIO. */
function diskAt(lp: Lwp, path: string): Cdev {
  return withPath(lp, AT_FDCWD, path, NLC_FOLLOW, (vp) => {
    if (vp.type !== VCHR && vp.type !== VBLK) throw ENOTBLK;
    const dev = lp.k.devsw.find(vp.getattr().rdev);
    if (dev === null) throw ENXIO;
    if (!dev.isDisk) throw ENOTBLK;
    return dev;
  });
}

/** Where mkswap's header is, and what of it counts. */
const SIGNATURE = "SWAPSPACE2";
const SIGNATURE_AT = PAGE_SIZE - SIGNATURE.length;
const VERSION_AT = 1024;
const LAST_PAGE_AT = 1028;

/** The number of the last page by mkswap's header. Throws EINVAL without one. */
function lastPage(dev: Cdev): number {
  const page = new Uint8Array(PAGE_SIZE);
  if (dev.read(0, page, 0, PAGE_SIZE, -1) !== PAGE_SIZE) throw EINVAL;
  const dv = new DataView(page.buffer);
  if (String.fromCharCode(...page.subarray(SIGNATURE_AT)) !== SIGNATURE || dv.getUint32(VERSION_AT, true) !== 1) throw EINVAL;
  return Math.min(dv.getUint32(LAST_PAGE_AT, true), Math.floor(dev.size / PAGE_SIZE) - 1);
}

/**
 * Takes a disk into use: all of it, or with `header` the pages that mkswap's header tells of. Throws EPERM, ENOTBLK, ENXIO, EINVAL (no
 * header, no room, a disk that may make its users wait), EBUSY.
 */
export function kernSwapon(lp: Lwp, path: string, header: boolean): number {
  need(lp.proc, CAP_SYS_ADMIN);
  const dev = diskAt(lp, path);
  if (!dev.takesSwap) throw EINVAL;
  lp.k.vm.swap.add(header ? swapDevice(dev, 1, lastPage(dev)) : swapDevice(dev, 0, Math.floor(dev.size / PAGE_SIZE)));
  return 0;
}

/** Brings back what is on a disk and takes it out of use. Throws EPERM, EINVAL (not in use), ENOMEM, EIO. */
export function kernSwapoff(lp: Lwp, path: string): number {
  need(lp.proc, CAP_SYS_ADMIN);
  const { vm } = lp.k;
  const dev = withPath(lp, AT_FDCWD, path, NLC_FOLLOW, (vp) => (vp.type === VCHR || vp.type === VBLK ? lp.k.devsw.find(vp.getattr().rdev) : null));
  const area = dev === null ? undefined : vm.swap.areas.find(({ device }) => device.name === `/dev/${dev.name}`);
  if (area === undefined) throw EINVAL;
  if (!new PageOut(vm).empty(area)) throw ENOMEM;
  vm.swap.remove(area);
  return 0;
}
