// SPDX-License-Identifier: BSD-3-Clause
/**
 * What stage 2 of recovery does to a file system that has been mounted for writing: it writes and truncates files again, and
 * flushes. See redo.ts.
 * @module
 */
import { hi32, lo32 } from "./btree/key.ts";
import { isHammerError } from "./error.ts";
import type { InodeSource } from "./object/namespace.ts";
import type { HammerInode } from "./object/inode.ts";
import { truncateFile, writeFile } from "./object/file.ts";
import type { Recovery } from "./recover.ts";
import { prepareRedo, redo } from "./redo.ts";
import type { Engine } from "./transaction.ts";

/**
 * Carries out the operations whose REDO records recovery found, and makes them durable. Throws ERANGE (the FIFO no longer
 * holds all of them), and what writing throws.
 */
function replay(source: InodeSource, e: Engine, recovery: Recovery, log: (message: string) => void): void {
  const needs = prepareRedo(e.volumes, recovery);
  if (needs === null) return;
  const on = (objId: bigint, localization: number, what: (ip: HammerInode) => void): boolean => {
    const ip = source.getInode(hi32(objId), lo32(objId), localization & ~0xffff, -1, -1);
    if (ip === null) return false;
    if (ip.type === "file") what(ip);
    source.rele(ip);
    return ip.type === "file";
  };
  e.beginReplay(needs);
  redo(e.volumes, recovery, needs, {
    write: (objId, localization, offset, bytes) => on(objId, localization, (ip) => writeFile(e, ip, offset, bytes, 0, bytes.length)),
    truncate: (objId, localization, size) => on(objId, localization, (ip) => truncateFile(e, ip, size)),
  }, log);
  e.undo.endReplay();
  e.flush();
}

/**
 * Completes recovery after stage 1: replays REDO unless `skip` says otherwise (MountOptions.skipRedo), and makes all of it durable.
 * Throws what replay throws.
 */
export function finishRecovery(source: InodeSource, e: Engine, recovery: Recovery, skip: 0 | 1 | 2, log: (message: string) => void): void {
  try {
    if (skip === 2) log("recovery redo skipped.");
    else replay(source, e, recovery, log);
  } catch (error) {
    if (skip === 0 || !isHammerError(error) || e.failure !== null) throw error;
    log(`recovery redo error ${error.message}, skipping.`);
    e.undo.endReplay();
  }
  e.flush();
}
