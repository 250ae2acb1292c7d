// SPDX-License-Identifier: BSD-3-Clause
/**
 * Snapshot records (file system version 3 and later): remembered TIDs with a note. Nothing is copied for a snapshot;
 * its TID merely is one that pruning keeps consistent.
 *
 * They lie with the root object of their PFS, localization INODE; the key is the TID, in signed order.
 * Source: DragonFly sys/vfs/hammer/hammer_ioctl.c, hammer_ioc_get_snapshot().
 * @module
 */
import type { Cursor } from "./btree/cursor.ts";
import { Key } from "./btree/key.ts";
import { CONFIG_DATA, LOCALIZE_INODE, OBJID_ROOT, REC_CONFIG, REC_SNAPSHOT, SNAPSHOT_DATA } from "./disk/index.ts";
import { metaData } from "./object/record.ts";

/** A remembered TID. */
export interface SnapshotInfo {
  tid: bigint;
  /** Microseconds since 1970 when it was made. */
  time: number;
  label: string;
}

const $begin = new Key();
const $end = new Key();

/** The snapshots of a PFS in signed order of their TIDs. */
export function listSnapshots(cur: Cursor, pfs: number): SnapshotInfo[] {
  const list: SnapshotInfo[] = [];
  const loc = (pfs << 16) | LOCALIZE_INODE;
  $begin.set(loc, 0, OBJID_ROOT, REC_SNAPSHOT, -0x8000_0000, 0);
  $end.set(loc, 0, OBJID_ROOT, REC_SNAPSHOT, 0x7fff_ffff, -1);
  for (let found = cur.first($begin, $end, -1, -1); found; found = cur.nextInRange()) {
    const d = metaData(cur, SNAPSHOT_DATA.size);
    const s = SNAPSHOT_DATA.read(d.buffer.view, d.at);
    list.push({ tid: s.tid, time: Number(s.ts), label: s.label });
  }
  return list;
}

/** Text of the PFS's configuration record (hammer cleanup's), or null if it has none. */
export function readConfig(cur: Cursor, pfs: number): string | null {
  $begin.set((pfs << 16) | LOCALIZE_INODE, 0, OBJID_ROOT, REC_CONFIG, 0, 0);
  if (!cur.lookup($begin, -1, -1)) return null;
  const d = metaData(cur, CONFIG_DATA.size);
  return CONFIG_DATA.read(d.buffer.view, d.at).text;
}
