// SPDX-License-Identifier: BSD-3-Clause
/**
 * Pseudo file systems: the records of PFS 0 that say which exist and what they are.
 *
 * A PFS is a range of localizations (id << 16). Its record has key id << 16 and always lies in PFS 0, localization
 * MISC, object 1. One flagged DELETED counts as not existing. Records may be shorter than the structure.
 * Source: DragonFly sys/vfs/hammer/hammer_pfs.c.
 * @module
 */
import type { Cursor } from "./btree/cursor.ts";
import { Key } from "./btree/key.ts";
import {
  LOCALIZE_MISC, OBJID_ROOT, PFSD_DELETED, PFSD_SLAVE, PFS_DATA, REC_PFS, W_KEY_LO, uuidText, viewOf,
} from "./disk/index.ts";
import { metaData } from "./object/record.ts";

/** A pseudo file system, as its record describes it. */
export interface PfsInfo {
  id: number;
  /** A mirror target: read-only, seen as of syncEndTid. */
  slave: boolean;
  label: string;
  /** Where snapshot links are kept; empty for the default. */
  snapshotsDir: string;
  sharedUuid: string;
  uniqueUuid: string;
  /** Earliest TID with full history. */
  syncBegTid: bigint;
  /** A slave's synchronisation point; a master's last durable TID. */
  syncEndTid: bigint;
  /** Seconds; history younger than this is not pruned. 0: no limit. */
  pruneMin: number;
}

const $begin = new Key();
const $end = new Key();
/** Bytes 0..207 are needed for everything up to the snapshots directory. */
const MIN_RECORD = PFS_DATA.off.label;

function infoAt(cur: Cursor, id: number, lastTid: bigint): PfsInfo | null {
  const d = metaData(cur, MIN_RECORD);
  const whole = new Uint8Array(PFS_DATA.size);
  whole.set(d.buffer.bytes.subarray(d.at, d.at + Math.min(d.length, PFS_DATA.size)));
  const p = PFS_DATA.read(viewOf(whole), 0);
  if ((p.mirror_flags & PFSD_DELETED) !== 0) return null;
  const slave = (p.mirror_flags & PFSD_SLAVE) !== 0;
  return {
    id, slave, label: p.label, snapshotsDir: p.snapshots, sharedUuid: uuidText(p.shared_uuid), uniqueUuid: uuidText(p.unique_uuid),
    syncBegTid: p.sync_beg_tid, syncEndTid: slave ? p.sync_end_tid : lastTid, pruneMin: p.prune_min,
  };
}

/** The PFS `id`, or null if there is none. `lastTid` is what a master's sync_end_tid is given as. */
export function findPfs(cur: Cursor, id: number, lastTid: bigint): PfsInfo | null {
  $begin.set(LOCALIZE_MISC, 0, OBJID_ROOT, REC_PFS, 0, id << 16);
  return cur.lookup($begin, -1, -1) ? infoAt(cur, id, lastTid) : null;
}

/** All PFSs in order of their ids. */
export function listPfs(cur: Cursor, lastTid: bigint): PfsInfo[] {
  const list: PfsInfo[] = [];
  $begin.set(LOCALIZE_MISC, 0, OBJID_ROOT, REC_PFS, 0, 0);
  $end.set(LOCALIZE_MISC, 0, OBJID_ROOT, REC_PFS, 0, 0xffff << 16);
  for (let found = cur.first($begin, $end, -1, -1); found; found = cur.nextInRange()) {
    const info = infoAt(cur, cur.words[cur.at + W_KEY_LO]! >>> 16, lastTid);
    if (info) list.push(info);
  }
  return list;
}
