// SPDX-License-Identifier: BSD-3-Clause
/**
 * Targets of symlinks: short ones stand in the inode, longer ones in a record of their own. Links to PFSs read as what they lead to
 * now. Source: DragonFly sys/vfs/hammer/hammer_vnops.c, hammer_vop_readlink().
 * @module
 */
import type { Cursor } from "../btree/cursor.ts";
import { Key } from "../btree/key.ts";
import { FIXKEY_SYMLINK, INODE_EXT_SIZE, LOCALIZE_MISC, REC_FIX } from "../disk/index.ts";
import { HammerError, hex64 } from "../error.ts";
import { findPfs } from "../pfs.ts";
import type { HammerInode } from "./inode.ts";
import { metaData } from "./record.ts";
import { expandPfsLink, pfsLinkId } from "./xlink.ts";

/** Bytes of the target of a link to a PFS: @@PFS and five digits. */
const PFS_LINK_SIZE = 10;
const $key = new Key();

function storedTarget(cursor: Cursor, ip: HammerInode): string {
  if (ip.size <= INODE_EXT_SIZE) {
    const bytes = ip.ext ?? new Uint8Array(INODE_EXT_SIZE);
    return String.fromCharCode(...bytes.subarray(0, ip.size));
  }
  $key.set(ip.loc | LOCALIZE_MISC, ip.objHi, ip.objLo, REC_FIX, 0, FIXKEY_SYMLINK);
  if (!cursor.lookup($key, ip.asofHi, ip.asofLo))
    throw new HammerError("EIO", `symlink ${hex64(ip.objId)} has no target record`, { objId: ip.objId });
  const d = metaData(cursor, 1);
  let target = "";
  for (let i = d.at; i < d.at + d.length; i++) target += String.fromCharCode(d.buffer.bytes[i]!);
  return target;
}

/** What a symlink leads to, as the kernel shows it. `nextTid` is asked where a PFS is to be found. Throws EIO, EBADCRC, BufferMiss. */
export function linkTarget(cursor: Cursor, ip: HammerInode, nextTid: () => bigint): string {
  const target = storedTarget(cursor, ip);
  const pfs = ip.size === PFS_LINK_SIZE && ip.loc === 0 && !ip.historical ? pfsLinkId(target) : -1;
  if (pfs < 0) return target;
  const info = findPfs(cursor, pfs, nextTid());
  return info === null ? target : expandPfsLink(pfs, info.slave ? info.syncEndTid : null);
}
