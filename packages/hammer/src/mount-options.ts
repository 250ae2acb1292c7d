// SPDX-License-Identifier: BSD-3-Clause
/** How to mount, and what a mounted file system tells of itself. */
import type { FsyncMode } from "./fsync.ts";

/** How to mount. */
export interface MountOptions {
  /** Default: true if any device is read-only. */
  readOnly?: boolean;
  /** Microseconds since 1970; the only clock there is. */
  now(): bigint;
  /** Keep no history, whatever the flags of files say. */
  noHistory?: boolean;
  /**
   * Bytes of file data and metadata kept in memory, default 128 MiB; metadata may take what data leaves, at least half.
   * What is modified takes, besides, at most half as much again for copies and 40 MiB for file data; inodes about a tenth.
   */
  cacheBytes?: number;
  /** What fsync does (vfs.hammer.fsync_mode); default 2: REDO records from version 4 on, a full flush before. */
  fsyncMode?: FsyncMode;
  /**
   * What becomes of the REDO records of a crash (vfs.hammer.skip_redo): 0, the default, carries them out and refuses the mount if
   * that fails; 1 mounts all the same; 2 leaves them out.
   */
  skipRedo?: 0 | 1 | 2;
  /**
   * On a read-only mount, carry out REDO records in memory. Default false, as in the original: files look as of the last flush,
   * without what was fsynced after it.
   */
  redoInMemory?: boolean;
  /** Close the devices at unmount. Default false. */
  closeDevices?: boolean;
  /** Receives messages worth logging, one line each. */
  log?: (message: string) => void;
}

/** Figures of the file system as a whole. */
export interface HammerInfo {
  label: string;
  fsid: string;
  version: number;
  volumes: number;
  bigblocks: number;
  freeBigblocks: number;
  inodes: number;
  nextTid: bigint;
}

/** What statfs reports. Blocks are of `blockSize` bytes. */
export interface HammerStatfs { blockSize: number; blocks: number; free: number; avail: number; files: number; fsid: string }
