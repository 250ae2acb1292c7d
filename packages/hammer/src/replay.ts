// SPDX-License-Identifier: BSD-3-Clause
/**
 * What stage 2 of recovery does to a file system that has been mounted for writing: it writes and truncates files again, and
 * flushes. See redo.ts.
 * @module
 */
import { hi32, lo32 } from "./btree/key.ts";
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
export function replay(source: InodeSource, e: Engine, recovery: Recovery, log: (message: string) => void): void {
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
