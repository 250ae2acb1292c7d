// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reading directories: an entry is a DIRENTRY record of the directory, filed under the hash of its name.
 *
 * Whether entries lie in the INODE or the MISC localization, and which hash is used, is a property of each directory
 * (cap_flags), not of the file system. Names that collide follow each other; a name is found by scanning the keys its
 * hash may have and comparing bytes. The keys, which never change while an entry exists, are readdir's cookies.
 * Source: DragonFly sys/vfs/hammer/hammer_vnops.c, hammer_vop_nresolve() and hammer_vop_readdir().
 * @module
 */
import type { Cursor } from "../btree/cursor.ts";
import { Key, hi32, int64, lo32 } from "../btree/key.ts";
import {
  CAP_DIR_LOCAL_INO, DIRENTRY_DATA, DIRENTRY_NAME, LOCALIZE_INODE, LOCALIZE_MISC, REC_DIRENTRY, W_KEY_HI, W_KEY_LO, W_TYPES,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import { NAME_MAX, namekey } from "./namekey.ts";
import { typeOfObjType, type HammerFileType, type HammerInode } from "./inode.ts";
import { metaData, recordError, type RecordData } from "./record.ts";

const OBJ_ID = DIRENTRY_DATA.off.obj_id;
const LOCALIZATION = DIRENTRY_DATA.off.localization;

/** Target of a directory entry: object id in halves, and pseudo file system << 16. */
export interface DirentTarget { objHi: number; objLo: number; loc: number }

const $begin = new Key();
const $end = new Key();
const $target: DirentTarget = { objHi: 0, objLo: 0, loc: 0 };

/** Localization of a directory's entries. */
export function direntLocalization(dir: HammerInode): number {
  return dir.loc | ((dir.capFlags & CAP_DIR_LOCAL_INO) !== 0 ? LOCALIZE_INODE : LOCALIZE_MISC);
}

/** True if the entry in `d` has this name. */
export function direntHasName(d: RecordData, name: string): boolean {
  const { bytes } = d.buffer;
  const from = d.at + DIRENTRY_NAME;
  if (d.length - DIRENTRY_NAME !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[from + i] !== name.charCodeAt(i)) return false;
  return true;
}

function nameOf(d: RecordData): string {
  const { bytes } = d.buffer;
  let name = "";
  for (let i = d.at + DIRENTRY_NAME; i < d.at + d.length; i++) name += String.fromCharCode(bytes[i]!);
  return name;
}

/**
 * Puts `cur` on the entry `name` of `dir` as of a TID and returns its target, a shared object valid until the next
 * call; null if there is no such entry. Throws ENAMETOOLONG, EIO, EBADCRC or BufferMiss.
 */
export function lookupDirent(cur: Cursor, dir: HammerInode, name: string, asofHi: number, asofLo: number): DirentTarget | null {
  if (name.length > NAME_MAX)
    throw new HammerError("ENAMETOOLONG", `a name of ${name.length} bytes; the limit is ${NAME_MAX}`, { name });
  const k = namekey(dir.capFlags, name);
  if (k === null)
    throw new HammerError("EIO", `directory ${dir.objId}: name hash algorithm ${dir.capFlags & 3} is unknown`, { objId: dir.objId });
  const loc = direntLocalization(dir);
  $begin.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, k.hi, k.lo);
  $end.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, k.maxHi, k.maxLo);
  for (let found = cur.first($begin, $end, asofHi, asofLo); found; found = cur.nextInRange()) {
    const d = metaData(cur, DIRENTRY_NAME + 1);
    if (!direntHasName(d, name)) continue;
    const { view } = d.buffer;
    $target.objHi = view.getInt32(d.at + OBJ_ID + 4, true);
    $target.objLo = view.getInt32(d.at + OBJ_ID, true);
    $target.loc = view.getInt32(d.at + LOCALIZATION, true) & ~0xffff;
    return $target;
  }
  return null;
}

/** Receives entries; false stops the listing. `nextCookie` continues behind this entry. */
export type ReaddirCallback = (name: string, objId: bigint, type: HammerFileType, nextCookie: bigint) => boolean;

/** Entries are collected in batches, so that the callback may modify the directory. */
const BATCH = 64;

/**
 * Lists `dir` from `cookie` on (0: from the start): ".", "..", then entries in order of their keys. An entry that
 * exists during the whole listing is reported exactly once, whatever else changes meanwhile.
 */
export function readdir(cur: Cursor, dir: HammerInode, cookie: bigint, callback: ReaddirCallback): void {
  let next = cookie;
  if (next <= 0n) {
    if (!callback(".", dir.objId, "dir", 1n)) return;
    next = 1n;
  }
  if (next === 1n) {
    if (!callback("..", dir.parentObjId === 0n ? dir.objId : dir.parentObjId, "dir", 2n)) return;
    next = 2n;
  }
  const loc = direntLocalization(dir);
  for (;;) {
    const batch: { name: string; objId: bigint; type: HammerFileType; key: bigint }[] = [];
    $begin.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, hi32(next), lo32(next));
    $end.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, 0x7fff_ffff, -1);
    for (let found = cur.first($begin, $end, dir.asofHi, dir.asofLo); found && batch.length < BATCH; found = cur.nextInRange()) {
      const w = cur.words;
      const type = typeOfObjType((w[cur.at + W_TYPES]! >>> 16) & 0xff);
      if (type === null) throw recordError(cur, "EIO", "the directory entry has no object type");
      const d = metaData(cur, DIRENTRY_NAME + 1);
      batch.push({
        name: nameOf(d), type, key: int64(w[cur.at + W_KEY_HI]!, w[cur.at + W_KEY_LO]!),
        objId: int64(d.buffer.view.getInt32(d.at + OBJ_ID + 4, true), d.buffer.view.getInt32(d.at + OBJ_ID, true)),
      });
    }
    for (const e of batch) if (!callback(e.name, e.objId, e.type, e.key + 1n)) return;
    if (batch.length < BATCH) return;
    next = batch[batch.length - 1]!.key + 1n;
    if (next > 0x7fff_ffff_ffff_ffffn) return;
  }
}
