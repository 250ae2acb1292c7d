// SPDX-License-Identifier: BSD-3-Clause
/**
 * Pruning: destroys deleted records that no snapshot shows.
 *
 * Invariants
 *   P1  Live records are never touched. Of the deleted ones only those go that lie, from creation to deletion, in one
 *       range of the table: no TID at the edge of a range sees a difference.
 *   P2  The scan runs backwards, so that what it destroys never lies ahead of it.
 *
 * An object without links that a crash left behind is ended on the way.
 * Source: DragonFly sys/vfs/hammer/hammer_prune.c, sbin/hammer/cmd_softprune.c.
 * @module
 */
import { cmpKey } from "../btree/key.ts";
import {
  INODE_DATA, REC_DIRENTRY, REC_INODE, W_CREATE_HI, W_CREATE_LO, W_DATA_LEN, W_DELETE_HI, W_DELETE_LO, W_LOCALIZATION, W_OBJ_HI,
  W_OBJ_LO, W_TYPES,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import { metaData } from "../object/record.ts";
import type { SnapshotInfo } from "../snapshot.ts";
import { keyOf, Pace, positionOf, rangeBegin, rangeEnd, seekExactly, type ScanOptions, type ScanOutcome } from "./scan.ts";

/** A range of TIDs; what was both created and deleted within one multiple of `mod` from `beg` on can go. */
export interface PruneRange {
  beg: bigint;
  /** All ones: no end. */
  end: bigint;
  mod: bigint;
}

/** How to prune. */
export interface PruneOptions extends ScanOptions {
  /** The table, in descending order; "everything" destroys all deleted records. */
  ranges: readonly PruneRange[] | "everything";
  /** Only count; of the bytes, nodes are left out then. Default false. */
  dryRun?: boolean;
}

/** What pruning did; the counters of the original. */
export interface PruneResult extends ScanOutcome {
  /** Records looked at. */
  scanned: number;
  /** Records destroyed that were not directory entries. */
  records: number;
  /** Directory entries destroyed. */
  dirEntries: number;
  /** Bytes given back: data, and nodes that became empty. */
  bytes: number;
}

const TWO32 = 4294967296;
const MAX_TID = 0xffff_ffff_ffff_ffffn;
const INODE_NLINKS = INODE_DATA.off.nlinks;

/**
 * The table for keeping these snapshots (in any order): the past is fine-grained back to the newest of them, and before
 * that only they stay. Snapshots younger than `pruneMin` seconds at `now` (seconds since 1970) count as part of the
 * fine-grained past. Empty if there is nothing to prune: fewer than two snapshots.
 */
export function pruneTable(snapshots: readonly Pick<SnapshotInfo, "tid" | "time">[], pruneMin = 0, now = 0): PruneRange[] {
  const list = [...snapshots].sort((a, b) => (a.tid < b.tid ? 1 : a.tid > b.tid ? -1 : 0)).filter((s, i, all) => i === 0 || s.tid !== all[i - 1]!.tid);
  let first = 0;
  if (pruneMin > 0) while (first < list.length && now - Math.floor(list[first]!.time / 1e6) < pruneMin) first++;
  const kept = list.slice(first);
  const table: PruneRange[] = [];
  for (let i = 1; i < kept.length; i++) table.push({ beg: kept[i]!.tid, end: kept[i - 1]!.tid, mod: kept[i - 1]!.tid - kept[i]!.tid });
  if (table.length > 0) {
    const oldest = kept[kept.length - 1]!.tid;
    if (oldest > 1n) table.push({ beg: 1n, end: oldest, mod: oldest - 1n });
  }
  return table;
}

/** The table as numbers; TIDs of a file system that can be written are below 2^53. */
function compile(ranges: readonly PruneRange[]): Float64Array {
  const flat = new Float64Array(ranges.length * 3);
  for (const [i, r] of ranges.entries()) {
    if (r.mod <= 0n || r.end < r.beg) throw new HammerError("EINVAL", `prune range ${r.beg}..${r.end} modulo ${r.mod}`);
    if (i > 0 && r.end > ranges[i - 1]!.beg) throw new HammerError("EINVAL", "prune ranges are not in descending order");
    flat[i * 3] = Number(r.beg);
    flat[i * 3 + 1] = r.end === MAX_TID ? Infinity : Number(r.end);
    flat[i * 3 + 2] = r.end === MAX_TID && r.mod > BigInt(Number.MAX_SAFE_INTEGER) ? Infinity : Number(r.mod);
  }
  return flat;
}

/** True if a record with these TIDs goes (P1); `deleted` 0 is a live one. */
function condemned(table: Float64Array | null, created: number, deleted: number): boolean {
  if (table === null) return deleted !== 0;
  for (let i = 0; i < table.length; i += 3) {
    const beg = table[i]!, end = table[i + 1]!, mod = table[i + 2]!;
    if (created >= end || deleted > end) return false;
    if (deleted !== 0 && created >= beg && Math.floor((created - beg) / mod) === Math.floor((deleted - beg) / mod)) return true;
  }
  return false;
}

/** Prunes a PFS. Throws EROFS, EINVAL, EIO, EBADCRC, BufferMiss; what was done until then stays done. */
export function prune(m: HammerMount, options: PruneOptions): PruneResult {
  const table = options.ranges === "everything" ? null : compile(options.ranges);
  const e = m.engine();
  const pace = new Pace(e, m.tree, options);
  const cur = pace.cursor;
  const pfs = options.pfs ?? 0;
  const result: PruneResult = { scanned: 0, records: 0, dirEntries: 0, bytes: 0, stoppedAt: null };
  const begin = rangeBegin(pfs);
  const at = options.resume ? keyOf(options.resume) : rangeEnd(pfs);
  let positioned = false;
  for (;;) {
    if (!positioned) cur.descend(at);
    if (!cur.prev()) break;
    const w = cur.words, elm = cur.at;
    if (cmpKey(at, w, elm) <= 0) throw cur.outOfOrder();
    if ((w[elm + W_LOCALIZATION]! >>> 0) < (begin.localization >>> 0)) break;
    at.load(w, elm);
    positioned = true;
    result.scanned++;
    const created = tid(w[elm + W_CREATE_HI]!, w[elm + W_CREATE_LO]!);
    const deleted = tid(w[elm + W_DELETE_HI]!, w[elm + W_DELETE_LO]!);
    const type = w[elm + W_TYPES]! & 0xffff;
    const goes = condemned(table, created, deleted);
    if (goes && options.dryRun) {
      result.bytes += w[elm + W_DATA_LEN]!;
      if (type === REC_DIRENTRY) result.dirEntries++;
      else result.records++;
    } else if (goes) {
      pace.change();
      // Opening a group may have closed another: the cursor is placed anew.
      if (!seekExactly(cur, at)) throw cur.outOfOrder();
      result.bytes += e.writer.destroy(cur);
      if (type === REC_DIRENTRY) result.dirEntries++;
      else result.records++;
      positioned = false;
    } else if (type === REC_INODE && deleted === 0 && !options.dryRun && endDangling(m, pace)) {
      positioned = false;
    }
    if (pace.between()) positioned = false;
    if (pace.stopped) {
      result.stoppedAt = positionOf(at);
      break;
    }
  }
  pace.finish();
  return result;
}

function tid(hi: number, lo: number): number {
  return (hi >>> 0) * TWO32 + (lo >>> 0);
}

/** Ends the object of the live INODE record under the cursor if it has no links and nobody has it open. */
function endDangling(m: HammerMount, pace: Pace): boolean {
  const cur = pace.cursor;
  const d = metaData(cur, INODE_DATA.size);
  if (d.buffer.view.getBigUint64(d.at + INODE_NLINKS, true) !== 0n) return false;
  const w = cur.words, at = cur.at;
  const ip = m.getInode(w[at + W_OBJ_HI]!, w[at + W_OBJ_LO]!, w[at + W_LOCALIZATION]! & ~0xffff, -1, -1);
  if (ip === null) return false;
  m.rele(ip); // the last reference ends it
  return true;
}
