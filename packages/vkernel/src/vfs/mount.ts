// SPDX-License-Identifier: BSD-3-Clause
/** Mounted file systems (DragonFly 2.0 sys/sys/mount.h). */
import { EOPNOTSUPP } from "../sys/errno.ts";
import type { WaitChannel } from "../sys/wait.ts";
import type { Nchandle } from "./namecache.ts";
import type { Vnode } from "./vnode.ts";

export interface Statfs {
  bsize: number;
  iosize: number;
  blocks: number;
  bfree: number;
  bavail: number;
  files: number;
  ffree: number;
}

export const MNT_RDONLY = 0x0001;
export const MNT_SYNCHRONOUS = 0x0002;
export const MNT_NOEXEC = 0x0004;
export const MNT_NOSUID = 0x0008;
export const MNT_NODEV = 0x0010;
export const MNT_LOCAL = 0x1000;
/** Reading leaves atime as it is. File systems whose nodes know no other way have it set. */
export const MNT_NOATIME = 0x1000_0000;

/** Something that is under way to stable storage. */
export interface Barrier {
  readonly done: boolean;
  /** It will not get there; `done` is set too. */
  readonly failed: boolean;
  readonly chan: WaitChannel;
}

/** One mounted file system. A file system subclasses it; the mount table (vfs/mountlist.ts) owns the instances. */
export abstract class Mount {
  /** "hammer", "tmpfs", "devfs", "procfs", "dirfs" */
  abstract readonly fstype: string;
  /** What is mounted, as mount(8) prints it. */
  readonly from: string;
  /** MNT_* flags. */
  flags: number;
  /** Unique number for st_dev. */
  fsid = 0;
  /** The name that is covered, held; null for the root file system and for what is not mounted. */
  covered: Nchandle | null = null;
  /** The name of the root directory, held while mounted (vfs/mountlist.ts sets both). */
  rootNch: Nchandle | null = null;
  /** Path of the mount point, for mount(8) and df(1). */
  onName = "/";
  /** Names come and go without the kernel's doing (procfs, shared host directories): they are looked up each time. */
  readonly volatileNames: boolean = false;
  /** Longest name, bytes. */
  readonly nameMax: number = 255;

  constructor(from: string, flags: number) {
    this.from = from;
    this.flags = flags;
  }
  /** The root directory, referenced. */
  abstract root(): Vnode;
  abstract statfs(): Statfs;
  /** Starts bringing everything that was modified to stable storage; barriers() says what is still under way then. */
  abstract sync(): void;
  /** What must be waited for until all that sync() or a vnode's fsync() has started is on stable storage. */
  barriers(): readonly Barrier[] {
    return [];
  }
  /** Changes the MNT_* flags; throws EINVAL-class errors for what this file system cannot change. */
  remount(flags: number): void {
    this.flags = flags;
  }
  /** A process has been waited for and is no more. */
  processGone(_pid: number): void {}
  /**
   * What tells this file system from all others for as long as it exists, over restarts; null when nothing does, or when it
   * ends with the system.
   */
  identity(): string | null {
    return null;
  }
  /** What tells the file from all others that the file system ever has: VFS_VPTOFH. Where there is no identity, as long as it is mounted. */
  fid(_vp: Vnode): Uint8Array {
    throw EOPNOTSUPP;
  }
  /** The file with such an id, referenced: VFS_FHTOVP. Throws ESTALE when it is no more, and the file system's errors. */
  vnodeOfFid(_fid: Uint8Array): Vnode {
    throw EOPNOTSUPP;
  }
  /** Releases the file system; throws EBUSY-class errors before anything is torn down. */
  abstract unmount(): void;
}
