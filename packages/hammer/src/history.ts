// SPDX-License-Identifier: BSD-3-Clause
/**
 * When an object changed: the TIDs at which its inode, or what it holds at some offset, was replaced.
 * Source: DragonFly sys/vfs/hammer/hammer_ioctl.c, hammer_ioc_gethistory() and add_history().
 * @module
 */
import type { Cursor } from "./btree/cursor.ts";
import { Key, uint64 } from "./btree/key.ts";
import {
  DIRENTRY_DATA, DIRENTRY_NAME, LOCALIZE_INODE, LOCALIZE_MISC, REC_DATA, REC_DIRENTRY, REC_INODE, W_CREATE_HI, W_CREATE_LO, W_CREATE_TS, W_DATA_LEN, W_DELETE_HI, W_DELETE_LO,
  W_DELETE_TS, W_KEY_HI, W_KEY_LO, XBUFSIZE,
} from "./disk/index.ts";
import { direntHasName, direntLocalization } from "./object/dirent.ts";
import type { HammerInode } from "./object/inode.ts";
import { namekey } from "./object/namekey.ts";
import { metaData } from "./object/record.ts";

/** A change: the state from this TID on differs from before. */
export interface HistoryEntry {
  tid: bigint;
  /** Seconds since 1970. */
  time: number;
}

const TWO32 = 4294967296;
const $begin = new Key();
const $end = new Key();

/** Adds what happened to the record under the cursor; a creation that repeats the entry before is left out. */
function add(list: HistoryEntry[], cur: Cursor): void {
  const w = cur.words;
  const at = cur.at;
  const created = uint64(w[at + W_CREATE_HI]!, w[at + W_CREATE_LO]!);
  if (list.length === 0 || list[list.length - 1]!.tid !== created) list.push({ tid: created, time: w[at + W_CREATE_TS]! >>> 0 });
  const deleted = uint64(w[at + W_DELETE_HI]!, w[at + W_DELETE_LO]!);
  if (deleted !== 0n) list.push({ tid: deleted, time: w[at + W_DELETE_TS]! >>> 0 });
}

/** Changes of the inode (attributes, size, links), in the order of the B-Tree, which is that of time. */
export function inodeHistory(cur: Cursor, ip: HammerInode): HistoryEntry[] {
  const list: HistoryEntry[] = [];
  $begin.set(ip.loc | LOCALIZE_INODE, ip.objHi, ip.objLo, REC_INODE, 0, 0);
  for (let found = cur.firstAny($begin, $begin); found; found = cur.nextInRange()) add(list, cur);
  return list;
}

/**
 * Changes of the file's bytes in [offset, offset + length), in order of records: by position, then time. The union
 * with inodeHistory, sorted and without repetitions, is what `hammer history` and undo(1) work on.
 */
export function dataHistory(cur: Cursor, ip: HammerInode, offset: number, length: number): HistoryEntry[] {
  const list: HistoryEntry[] = [];
  const from = offset + 1;
  const to = offset + length + XBUFSIZE;
  $begin.set(ip.loc | LOCALIZE_MISC, ip.objHi, ip.objLo, REC_DATA, Math.floor(from / TWO32), from | 0);
  $end.set(ip.loc | LOCALIZE_MISC, ip.objHi, ip.objLo, REC_DATA, Math.floor(to / TWO32), to | 0);
  for (let found = cur.firstAny($begin, $end); found; found = cur.nextInRange()) {
    const w = cur.words;
    const base = w[cur.at + W_KEY_HI]! * TWO32 + (w[cur.at + W_KEY_LO]! >>> 0) - w[cur.at + W_DATA_LEN]!;
    if (base < offset + length) add(list, cur);
  }
  return list;
}

/** An appearance of a name in a directory. */
export interface DirentHistoryEntry extends HistoryEntry {
  /** The object it named from then on. */
  objId: bigint;
}

/** Every entry the directory ever had under this name, as far as history reaches back, oldest first. */
export function direntHistory(cur: Cursor, dir: HammerInode, name: string): DirentHistoryEntry[] {
  const k = namekey(dir.capFlags, name);
  if (k === null) return [];
  const list: DirentHistoryEntry[] = [];
  const loc = direntLocalization(dir);
  $begin.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, k.hi, k.lo);
  $end.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, k.maxHi, k.maxLo);
  for (let found = cur.firstAny($begin, $end); found; found = cur.nextInRange()) {
    const d = metaData(cur, DIRENTRY_NAME + 1);
    if (!direntHasName(d, name)) continue;
    const w = cur.words;
    list.push({
      tid: uint64(w[cur.at + W_CREATE_HI]!, w[cur.at + W_CREATE_LO]!), time: w[cur.at + W_CREATE_TS]! >>> 0,
      objId: d.buffer.view.getBigInt64(d.at + DIRENTRY_DATA.off.obj_id, true),
    });
  }
  return list.sort((a, b) => (a.tid < b.tid ? -1 : a.tid > b.tid ? 1 : 0));
}

/** Changes of what is in a directory: each entry made or removed, in the order of the B-Tree, which is not that of time. */
export function directoryHistory(cur: Cursor, dir: HammerInode): HistoryEntry[] {
  const list: HistoryEntry[] = [];
  const loc = direntLocalization(dir);
  $begin.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, -0x8000_0000, 0);
  $end.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, 0x7fff_ffff, -1);
  for (let found = cur.firstAny($begin, $end); found; found = cur.nextInRange()) add(list, cur);
  return list;
}

/** All changes of an object, inode and data, oldest first, each TID once. */
export function fullHistory(cur: Cursor, ip: HammerInode): HistoryEntry[] {
  const all = inodeHistory(cur, ip);
  if (ip.type === "file") all.push(...dataHistory(cur, ip, 0, Number.MAX_SAFE_INTEGER - 2 * XBUFSIZE));
  all.sort((a, b) => (a.tid < b.tid ? -1 : a.tid > b.tid ? 1 : 0));
  return all.filter((e, i) => i === 0 || e.tid !== all[i - 1]!.tid);
}

/**
 * The last TID that was given out at or before a time, seconds since 1970: the file system as of this one is what it was then.
 * Null when nothing that is still known happened so early. Reads the whole B-Tree.
 */
export function tidAtTime(cur: Cursor, time: number): bigint | null {
  let hi = 0;
  let lo = 0;
  const later = (tidHi: number, tidLo: number): boolean => tidHi >>> 0 > hi || (tidHi >>> 0 === hi && tidLo >>> 0 > lo);
  $begin.set(0, -2147483648, 0, 0, -2147483648, 0);
  $end.set(-1, 0x7fff_ffff, -1, 0xffff, 0x7fff_ffff, -1);
  for (let found = cur.firstAny($begin, $end); found; found = cur.nextInRange()) {
    const w = cur.words;
    const at = cur.at;
    for (const [ts, high, low] of EVENTS) {
      if (w[at + ts]! >>> 0 > time || w[at + ts] === 0 || !later(w[at + high]!, w[at + low]!)) continue;
      hi = w[at + high]! >>> 0;
      lo = w[at + low]! >>> 0;
    }
  }
  return hi === 0 && lo === 0 ? null : uint64(hi | 0, lo | 0);
}

/** Words of an element that say when, and in which transaction, it came and went. */
const EVENTS: readonly (readonly [number, number, number])[] = [
  [W_CREATE_TS, W_CREATE_HI, W_CREATE_LO],
  [W_DELETE_TS, W_DELETE_HI, W_DELETE_LO],
];
