// SPDX-License-Identifier: BSD-3-Clause
/**
 * Extended attributes: one record of type EXT for each, under the object in the MISC localization, filed by the hash of its name.
 *
 * DragonFly reserves the record type ("ext attributes") and never stored any. Its kernel and its tools carry such records along
 * by their type alone: they go when the object goes, are pruned, mirrored, reblocked, shown and checked like the others. What
 * is in them is this package's (XATTR_DATA); records of the type that begin otherwise are left alone.
 *
 * Invariants
 *   XA1  An attribute is one record, so a change of it is one change of the B-Tree; its value is at most what is left of a buffer.
 *   XA2  A value that is replaced stays in history, unless this flush group wrote it.
 *   XA3  A change of attributes is a change of the inode: ctime moves, and the inode's record is replaced.
 *   XA4  Directories whose entries lie in MISC too, as file systems of version 1 made them, take none: DragonFly tells by any record there
 *        that such a directory is not empty.
 *
 * Source of what the original does with the type: DragonFly sys/vfs/hammer/hammer_object.c (hammer_ip_delete_clean,
 * hammer_ip_check_directory_empty), hammer_ondisk.c (hammer_alloc_data), hammer_reblock.c, hammer_mirror.c, hammer_prune.c.
 * @module
 */
import type { Cursor } from "../btree/cursor.ts";
import { Key } from "../btree/key.ts";
import { crcFor } from "../crc.ts";
import { addressOf, BUFMASK, BUFSIZE, ZONE_META, zoneOf } from "../disk/offset.ts";
import { W_DATA_HI, W_DATA_LO, W_KEY_LO } from "../disk/btree.ts";
import { LOCALIZE_MISC, REC_EXT, XATTR_DATA, XATTR_NAME, XATTR_SIGNATURE } from "../disk/record.ts";
import { HammerError, hex64 } from "../error.ts";
import type { Engine } from "../transaction.ts";
import { direntLocalization } from "./dirent.ts";
import { DIRTY_INODE } from "./dirty.ts";
import type { HammerInode } from "./inode.ts";
import { DIRHASH_ALG0, NAME_MAX, namekey, type Namekey } from "./namekey.ts";
import { metaData, type RecordData } from "./record.ts";

/** Most bytes of a value whose name has `nameLength` bytes (XA1). */
export function xattrValueMax(nameLength: number): number {
  return BUFSIZE - XATTR_NAME - nameLength;
}

/** What setting an attribute does: make or replace it, make it only, replace it only. */
export type SetXattrMode = "set" | "create" | "replace";

const SIGNATURE = XATTR_DATA.off.signature;
const NAME_LENGTH = XATTR_DATA.off.name_len;
const $key = new Key();
const $end = new Key();
const $old = new Key();

function hashOf(name: string): Namekey {
  return namekey(DIRHASH_ALG0, name)!;
}

/** True for data that this package laid out. */
function isOurs(bytes: Uint8Array, at: number, length: number): boolean {
  if (length < XATTR_NAME) return false;
  for (let i = 0; i < 4; i++) if (bytes[at + SIGNATURE + i] !== (XATTR_SIGNATURE >>> (8 * i)) % 256) return false;
  const nameLength = bytes[at + NAME_LENGTH]!;
  return nameLength > 0 && XATTR_NAME + nameLength <= length;
}

function hasName(d: RecordData, name: string): boolean {
  const { bytes } = d.buffer;
  if (!isOurs(bytes, d.at, d.length) || bytes[d.at + NAME_LENGTH] !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[d.at + XATTR_NAME + i] !== name.charCodeAt(i)) return false;
  return true;
}

/** Puts `cur` on the attribute as the inode sees it; null if there is none of that name. Throws EIO, EBADCRC, BufferMiss. */
function find(cur: Cursor, ip: HammerInode, name: string): RecordData | null {
  const k = hashOf(name);
  const loc = ip.loc | LOCALIZE_MISC;
  $key.set(loc, ip.objHi, ip.objLo, REC_EXT, k.hi, k.lo);
  $end.set(loc, ip.objHi, ip.objLo, REC_EXT, k.maxHi, k.maxLo);
  for (let found = cur.first($key, $end, ip.asofHi, ip.asofLo); found; found = cur.nextInRange()) {
    const d = metaData(cur, 1);
    if (hasName(d, name)) return d;
  }
  return null;
}

/** A copy of the attribute's value, or null if there is none of that name. Throws EIO, EBADCRC, BufferMiss. */
export function getXattr(cur: Cursor, ip: HammerInode, name: string): Uint8Array | null {
  const d = find(cur, ip, name);
  return d === null ? null : d.buffer.bytes.slice(d.at + XATTR_NAME + name.length, d.at + d.length);
}

/** Names of all attributes, in the order of their hashes. Throws EIO, EBADCRC, BufferMiss. */
export function listXattr(cur: Cursor, ip: HammerInode): string[] {
  const loc = ip.loc | LOCALIZE_MISC;
  const names: string[] = [];
  $key.set(loc, ip.objHi, ip.objLo, REC_EXT, -2147483648, 0);
  $end.set(loc, ip.objHi, ip.objLo, REC_EXT, 0x7fff_ffff, -1);
  for (let found = cur.first($key, $end, ip.asofHi, ip.asofLo); found; found = cur.nextInRange()) {
    const d = metaData(cur, 1);
    if (isOurs(d.buffer.bytes, d.at, d.length)) names.push(nameOf(d.buffer.bytes, d.at));
  }
  return names;
}

function nameOf(bytes: Uint8Array, at: number): string {
  let name = "";
  for (let i = 0; i < bytes[at + NAME_LENGTH]!; i++) name += String.fromCharCode(bytes[at + XATTR_NAME + i]!);
  return name;
}

/** The attribute in the data of a record of type EXT; null for what this package did not lay out. The value is part of `data`. */
export function decodeXattr(data: Uint8Array): { name: string; value: Uint8Array } | null {
  if (!isOurs(data, 0, data.length)) return null;
  return { name: nameOf(data, 0), value: data.subarray(XATTR_NAME + data[NAME_LENGTH]!) };
}

/**
 * Gives the object an attribute. Throws EEXIST (mode "create"), ENOATTR (mode "replace"), EINVAL (no such name can be),
 * E2BIG (name and value do not fit into a record), EOPNOTSUPP (XA4), ENOSPC, EIO, EBADCRC, BufferMiss.
 */
export function setXattr(e: Engine, ip: HammerInode, name: string, value: Uint8Array, mode: SetXattrMode): void {
  const about = { objId: ip.objId, name };
  if (name === "" || name.length > NAME_MAX || name.includes("\0"))
    throw new HammerError("EINVAL", `an attribute's name has 1 to ${NAME_MAX} bytes and no NUL`, about);
  const length = XATTR_NAME + name.length + value.length;
  if (length > BUFSIZE)
    throw new HammerError("E2BIG", `attribute "${name}": a value of ${value.length} bytes; the limit is ${xattrValueMax(name.length)}`, about);
  if (ip.type === "dir" && direntLocalization(ip) === (ip.loc | LOCALIZE_MISC))
    throw new HammerError("EOPNOTSUPP", `directory ${hex64(ip.objId)} is of version 1: it takes no attributes`, about);
  e.beginGrowing(2 * BUFSIZE);
  const cur = e.writeCursor;
  const present = find(cur, ip, name) !== null;
  if (present && mode === "create") throw new HammerError("EEXIST", `object ${hex64(ip.objId)} has an attribute "${name}"`, about);
  if (!present && mode === "replace") throw missing(ip, name);
  // All reads come first: the freemap's entries for what is to be freed, the path to where the record goes.
  const fresh = present && e.writer.isFresh(cur);
  let zone = 0, address = 0, oldLength = 0;
  if (present) {
    $old.load(cur.words, cur.at);
    oldLength = metaData(cur, 1).length;
    zone = zoneOf(cur.words[cur.at + W_DATA_HI]!);
    address = addressOf(cur.words[cur.at + W_DATA_HI]!, cur.words[cur.at + W_DATA_LO]!);
    e.freemap.bytesFree(zone, address);
  }
  const k = hashOf(name);
  const keyLo = present ? $old.keyLo : freeKey(cur, ip, k, name);
  const setKey = (): Key => $key.set(ip.loc | LOCALIZE_MISC, ip.objHi, ip.objLo, REC_EXT, k.hi, keyLo);
  e.prepareInsert(setKey().setTid(e.writer.tidHi, e.writer.tidLo));

  const b = e.freemap.allocBuffered(ZONE_META, length);
  const to = e.freemap.allocatedAt;
  const at = to & BUFMASK;
  b.view.setUint32(at + SIGNATURE, XATTR_SIGNATURE, true);
  b.view.setUint32(at + NAME_LENGTH, name.length, true);
  for (let i = 0; i < name.length; i++) b.bytes[at + XATTR_NAME + i] = name.charCodeAt(i);
  b.bytes.set(value, at + XATTR_NAME + name.length);
  const crc = crcFor(e.volumes.version)(b.bytes, at, at + length);
  if (fresh) {
    seekOld(cur, ip, name);
    e.writer.relocate(cur, ZONE_META, to, crc, length);
    e.freemap.free(zone, address, oldLength);
  } else {
    // The new record first, as with inodes: the old one is not given up before there is room for it.
    e.writer.insert(cur, setKey(), ip.objType, ZONE_META, to, length, crc);
    if (present) {
      seekOld(cur, ip, name);
      e.writer.delete(cur, e.keepsHistory(ip));
    }
  }
  changed(e, ip);
}

/** Removes an attribute. Throws ENOATTR if there is none of that name, ENOSPC, EIO, EBADCRC, BufferMiss. */
export function removeXattr(e: Engine, ip: HammerInode, name: string): void {
  e.beginShrinking();
  const cur = e.writeCursor;
  if (name.length > NAME_MAX || find(cur, ip, name) === null) throw missing(ip, name);
  e.writer.delete(cur, e.keepsHistory(ip));
  changed(e, ip);
}

function missing(ip: HammerInode, name: string): HammerError {
  return new HammerError("ENOATTR", `object ${hex64(ip.objId)} has no attribute "${name}"`, { objId: ip.objId, name });
}

/** XA3. */
function changed(e: Engine, ip: HammerInode): void {
  ip.ctime = e.time();
  e.markDirty(ip, DIRTY_INODE);
}

/** Low half of the first key that no live attribute with this hash has. */
function freeKey(cur: Cursor, ip: HammerInode, k: Namekey, name: string): number {
  const loc = ip.loc | LOCALIZE_MISC;
  let lo = k.lo;
  $key.set(loc, ip.objHi, ip.objLo, REC_EXT, k.hi, k.lo);
  $end.set(loc, ip.objHi, ip.objLo, REC_EXT, k.maxHi, k.maxLo);
  for (let found = cur.first($key, $end, -1, -1); found && cur.words[cur.at + W_KEY_LO]! >>> 0 === lo; found = cur.nextInRange()) {
    if (lo === k.maxLo) throw new HammerError("ENOSPC", `object ${hex64(ip.objId)}: no key left for attribute "${name}"`, { objId: ip.objId, name });
    lo++;
  }
  return lo;
}

/** Puts `cur` back on the record $old, after the tree may have been split around it. */
function seekOld(cur: Cursor, ip: HammerInode, name: string): void {
  if (!cur.seek($old)) throw new HammerError("EIO", `object ${hex64(ip.objId)} has lost its attribute "${name}"`, { objId: ip.objId, name });
}
