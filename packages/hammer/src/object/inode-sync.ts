// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writing INODE records, and the end of objects nobody refers to any more.
 *
 * Invariants
 *   S1  A change of mtime or atime alone is made in place; any other replaces the record, the old one staying in
 *       history. A record that this flush group wrote is overwritten.
 *   S2  vol0_stat_inodes counts objects with a live INODE record.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_inode.c, hammer_update_inode, hammer_update_itimes.
 * @module
 */
import type { Cursor } from "../btree/cursor.ts";
import { Key } from "../btree/key.ts";
import { crcFor } from "../crc.ts";
import { INODE_CRC_SIZE, INODE_DATA } from "../disk/inode.ts";
import { BUFMASK, ZONE_META } from "../disk/offset.ts";
import { LOCALIZE_INODE, LOCALIZE_MISC, REC_EXT, REC_INODE, REC_MAX } from "../disk/record.ts";
import { VOLUME } from "../disk/volume.ts";
import { HammerError, hex64 } from "../error.ts";
import type { Engine } from "../transaction.ts";
import { DIRTY_INODE, DIRTY_NEW, DIRTY_SIZE } from "./dirty.ts";
import { truncateRecords } from "./file.ts";
import { encodeInode, type HammerInode } from "./inode.ts";
import { metaData } from "./record.ts";

const $key = new Key();
const $old = new Key();
const MTIME = INODE_DATA.off.mtime;

function inodeKey(ip: HammerInode): Key {
  return $key.set(ip.loc | LOCALIZE_INODE, ip.objHi, ip.objLo, REC_INODE, 0, 0);
}

function findRecord(e: Engine, ip: HammerInode): Cursor {
  const cur = e.writeCursor;
  if (!cur.lookup(inodeKey(ip), -1, -1))
    throw new HammerError("EIO", `object ${hex64(ip.objId)} has lost its INODE record`, { objId: ip.objId });
  return cur;
}

/** Adds to the number of inodes in the root header. */
export function countInodes(e: Engine, delta: number): void {
  const view = e.volumes.root.view, at = VOLUME.off.vol0_stat_inodes;
  view.setBigInt64(at, view.getBigInt64(at, true) + BigInt(delta), true);
}

/** Writes what is dirty of the inode into the cached tree. */
export function syncInode(e: Engine, ip: HammerInode): void {
  if ((ip.dirty & DIRTY_NEW) !== 0) {
    insertRecord(e, ip);
    countInodes(e, 1);
  } else if ((ip.dirty & (DIRTY_INODE | DIRTY_SIZE)) !== 0) {
    const cur = findRecord(e, ip);
    if (e.writer.isFresh(cur)) {
      const d = metaData(cur, INODE_DATA.size);
      e.cache.modify(d.buffer);
      encodeInode(ip, d.buffer.view, d.at);
      e.writer.setDataCrc(cur, crcFor(e.volumes.version)(d.buffer.bytes, d.at, d.at + INODE_CRC_SIZE));
    } else {
      // The new record first: the old one is not given up before there is room for it.
      $old.load(cur.words, cur.at);
      insertRecord(e, ip);
      if (!cur.seek($old)) throw new HammerError("EIO", `object ${hex64(ip.objId)} has lost its INODE record`, { objId: ip.objId });
      e.writer.delete(cur, e.keepsHistory(ip));
    }
  } else if (ip.dirty !== 0) {
    const d = metaData(findRecord(e, ip), INODE_DATA.size);
    e.cache.modify(d.buffer);
    setMicroseconds(d.buffer.view, d.at + MTIME, ip.mtime);
    setMicroseconds(d.buffer.view, d.at + INODE_DATA.off.atime, ip.atime);
  }
  e.markClean(ip);
}

function setMicroseconds(v: DataView, at: number, us: number): void {
  v.setUint32(at, us % 4294967296, true);
  v.setUint32(at + 4, Math.floor(us / 4294967296), true);
}

function insertRecord(e: Engine, ip: HammerInode): void {
  e.prepareInsert(inodeKey(ip).setTid(e.writer.tidHi, e.writer.tidLo));
  const b = e.freemap.allocBuffered(ZONE_META, INODE_DATA.size);
  const address = e.freemap.allocatedAt;
  const at = address & BUFMASK;
  encodeInode(ip, b.view, at);
  const crc = crcFor(e.volumes.version)(b.bytes, at, at + INODE_CRC_SIZE);
  e.writer.insert(e.writeCursor, inodeKey(ip), ip.objType, ZONE_META, address, INODE_DATA.size, crc);
}

/**
 * Ends an object without links or references: its data, auxiliary records and INODE record are deleted. Large files
 * take several flush groups; a crash between them leaves an object without links that lost part of its data.
 */
export function destroyInode(e: Engine, ip: HammerInode): void {
  e.blocks.forget(ip);
  if ((ip.dirty & DIRTY_NEW) === 0) {
    const history = e.keepsHistory(ip);
    truncateRecords(e, ip, 0);
    deleteRange(e, ip, REC_EXT, REC_MAX, history);
    e.writer.delete(findRecord(e, ip), history);
    countInodes(e, -1);
  } else {
    truncateRecords(e, ip, 0);
    deleteRange(e, ip, REC_EXT, REC_MAX, false);
  }
  e.markClean(ip);
  e.inodes.remove(ip);
}

/** Deletes all live records of the object in the MISC localization with these record types, in as many flush groups as it takes. */
function deleteRange(e: Engine, ip: HammerInode, from: number, to: number, history: boolean): void {
  const loc = ip.loc | LOCALIZE_MISC;
  const cur = e.writeCursor;
  const begin = new Key().set(loc, ip.objHi, ip.objLo, from, -2147483648, 0);
  const end = new Key().set(loc, ip.objHi, ip.objLo, to, 0x7fff_ffff, -1);
  while (cur.first(begin, end, -1, -1)) {
    begin.load(cur.words, cur.at);
    e.writer.delete(cur, history);
    if (e.groupIsFull()) e.continueInNewGroup();
  }
}

