// SPDX-License-Identifier: BSD-3-Clause
/**
 * fsync: making one file durable.
 *
 * A full flush costs three or four flushes of the device. From version 4 on, a file that is fsynced again and again is
 * logged instead: the first fsync flushes everything and turns logging on; writes then lay REDO records, and the next fsync
 * only writes the FIFO and flushes once. Recovery carries out the records again (replay.ts). Logging covers what writes do:
 * once anything else of the file changed, or too much was written since the last fsync, fsync flushes everything again.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_vnops.c, hammer_vop_fsync().
 * @module
 */
import { VERSION_FIFO_SEQ } from "./disk/volume.ts";
import { DIRTY_NO_REDO } from "./object/dirty.ts";
import type { HammerInode } from "./object/inode.ts";
import type { Engine } from "./transaction.ts";

/**
 * What an fsync does, as vfs.hammer.fsync_mode has it:
 *   0  flush everything
 *   1  nothing now: it becomes durable with the next sync or full group, whole groups at a time
 *   2  REDO from version 4 on, else as 0
 *   3  as 2, but the device is not asked to flush its cache: safe against the program's end, not against a power cut;
 *      before version 4 as 1. DragonFly's default
 *   4  nothing at all, as 1
 */
export type FsyncMode = 0 | 1 | 2 | 3 | 4;

/** Carries out an fsync. Throws EIO or what the device threw; after that nothing can be changed. */
export function fsyncInode(e: Engine, ip: HammerInode, mode: FsyncMode): void {
  const logs = e.volumes.version >= VERSION_FIFO_SEQ;
  if (mode === 1 || mode === 4 || (mode === 3 && !logs)) return;
  if (mode !== 0 && ip.redo && (ip.dirty & DIRTY_NO_REDO) === 0) {
    e.flushRedo(mode === 2);
  } else {
    e.flush();
    ip.redo = mode !== 0 && ip.type === "file" && e.undo.redoAllowed;
  }
  ip.redoBytes = 0;
}
