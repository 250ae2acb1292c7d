// SPDX-License-Identifier: BSD-3-Clause
/**
 * Taking a PFS back to a TID: what was created from there on is destroyed, what was deleted lives again.
 *
 * Nothing of this can be undone; callers make sure that nobody has objects of the PFS open.
 * Source: DragonFly sys/vfs/hammer/hammer_pfs.c, hammer_pfs_rollback.
 * @module
 */
import { cmpU64, Key, hi32, lo32 } from "../btree/key.ts";
import {
  REC_INODE, W_CREATE_HI, W_CREATE_LO, W_DELETE_HI, W_DELETE_LO, W_LOCALIZATION, W_TYPES,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import { countInodes } from "../object/inode-sync.ts";
import { Pace, rangeBegin, seekBehind, seekExactly } from "./scan.ts";

/** What a rollback did. */
export interface RollbackResult {
  destroyed: number;
  /** Records whose deletion was taken back. */
  restored: number;
}

/** Forgets the idle objects of a PFS in memory. Throws EBUSY if one is in use. */
export function forgetPfs(m: HammerMount, pfs: number): void {
  const mine = [...m.inodes.values()].filter((ip) => ip.pfs === pfs);
  const used = mine.find((ip) => ip.refs > 0);
  if (used !== undefined) throw new HammerError("EBUSY", `PFS #${pfs}: object 0x${used.objId.toString(16)} is in use`, { objId: used.objId });
  for (const ip of mine) {
    m.inodes.remove(ip);
    m.blocks.forget(ip);
  }
}

/**
 * Destroys every record of the PFS with a create_tid of `from` or above, and takes back deletions from there on; 0
 * destroys everything. Takes as many flush groups as needed: after a crash it is to be repeated. Throws EBUSY, EIO, …
 */
export function rollbackPfs(m: HammerMount, pfs: number, from: bigint, progress?: (seen: number) => void): RollbackResult {
  const e = m.engine();
  forgetPfs(m, pfs);
  const pace = new Pace(e, m.tree, { progress: (seen) => progress?.(seen) });
  const cur = pace.cursor;
  const fromHi = hi32(from), fromLo = lo32(from);
  const limit = ((pfs << 16) | 0xffff) >>> 0;
  const result: RollbackResult = { destroyed: 0, restored: 0 };
  const at = new Key().copy(rangeBegin(pfs));
  let positioned = cur.seek(at);
  while (positioned) {
    const w = cur.words, elm = cur.at;
    if ((w[elm + W_LOCALIZATION]! >>> 0) > limit) break;
    at.load(w, elm);
    const created = cmpU64(w[elm + W_CREATE_HI]!, w[elm + W_CREATE_LO]!, fromHi, fromLo) >= 0;
    const live = cur.live;
    const deleted = !live && cmpU64(w[elm + W_DELETE_HI]!, w[elm + W_DELETE_LO]!, fromHi, fromLo) >= 0;
    const isInode = (w[elm + W_TYPES]! & 0xffff) === REC_INODE;
    if (created || deleted) {
      pace.change();
      if (!seekExactly(cur, at)) throw new HammerError("EIO", "an element disappeared while its PFS was being rolled back");
      if (created) {
        e.writer.destroy(cur);
        result.destroyed++;
        if (isInode && live) countInodes(e, -1);
      } else {
        e.writer.restore(cur);
        result.restored++;
        if (isInode) countInodes(e, 1);
      }
    }
    positioned = pace.between() || created ? seekBehind(cur, at) : cur.next();
  }
  pace.finish();
  return result;
}
