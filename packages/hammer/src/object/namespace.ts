// SPDX-License-Identifier: BSD-3-Clause
/**
 * Operations on names: create, link, unlink, rmdir, rename; and on attributes.
 *
 * Invariants
 *   N1  All checks, and all reads that may fail or miss, come before the first modification.
 *   N2  nlinks of an object is the number of its entries; a directory has one. The root of a PFS has one link and no
 *       entry.
 *   N3  An object without links lives on while it is referenced and ends with the last reference.
 *
 * Access rights, sticky bits and immutable flags are the caller's matter: this layer knows no users.
 * Source: DragonFly sys/vfs/hammer/hammer_vnops.c, hammer_object.c, hammer_inode.c.
 * @module
 */
import { Key } from "../btree/key.ts";
import { crcFor } from "../crc.ts";
import { CAP_DIR_LOCAL_INO, INODE_EXT_SIZE, OBJID_ROOT, SF_NOHISTORY, UF_NODUMP, UF_NOHISTORY } from "../disk/inode.ts";
import { BUFMASK, ZONE_META } from "../disk/offset.ts";
import { DIRENTRY_DATA, DIRENTRY_NAME, FIXKEY_SYMLINK, LOCALIZE_MISC, REC_DIRENTRY, REC_FIX, REC_MAX } from "../disk/record.ts";
import { HammerError, hex64 } from "../error.ts";
import type { Engine } from "../transaction.ts";
import { DIRTY_INODE, DIRTY_NEW, DIRTY_TIMES } from "./dirty.ts";
import { direntLocalization, lookupDirent } from "./dirent.ts";
import { HammerInode, objTypeOf, type HammerFileType } from "./inode.ts";
import { DIRHASH_ALG1, NAME_MAX, namekey } from "./namekey.ts";
import { parseXlink } from "./xlink.ts";

/** What a new object is to be. Names and targets are byte strings. */
export interface CreateOptions {
  type: HammerFileType;
  /** Permission bits, 07777. */
  mode: number;
  uid: number;
  gid: number;
  /** Device numbers of "chardev" and "blockdev". */
  rmajor?: number;
  rminor?: number;
  /** Target of a "symlink": 1 to 1023 bytes. */
  target?: string;
}

/** Attributes to change. Times are microseconds since 1970; a ctime of "now" is the mount's clock. */
export interface SetattrOptions {
  mode?: number;
  uid?: number;
  gid?: number;
  uflags?: number;
  atime?: number;
  mtime?: number;
  ctime?: number | "now";
}

/** Finds inodes; the mount. Inodes come referenced and are given back with rele. */
export interface InodeSource {
  getInode(objHi: number, objLo: number, loc: number, asofHi: number, asofLo: number): HammerInode | null;
  rele(ip: HammerInode): void;
}

const TARGET_MAX = 1023;
/** Deeper than directories can be nested by paths; a deeper one is damage. */
const DEPTH_MAX = 1 << 20;
const INHERITED_FLAGS = (UF_NODUMP | UF_NOHISTORY | SF_NOHISTORY) >>> 0;
const FIRST_HASH_ALG1_VERSION = 6;
const FIRST_LOCAL_INO_VERSION = 2;
const TWO32 = 4294967296;
const $key = new Key();
const $end = new Key();

/** Throws unless `dir` is a directory of the present that can take entries, and `name` can be one. */
function checkName(dir: HammerInode, name: string): void {
  if (dir.type !== "dir") throw new HammerError("ENOTDIR", `object ${hex64(dir.objId)} is not a directory`, { objId: dir.objId, name });
  if (dir.historical) throw new HammerError("EROFS", `directory ${hex64(dir.objId)} is seen as of the past`, { objId: dir.objId, name });
  if (name.length > NAME_MAX)
    throw new HammerError("ENAMETOOLONG", `a name of ${name.length} bytes; the limit is ${NAME_MAX}`, { name });
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0") || parseXlink(name) !== null)
    throw new HammerError("EINVAL", `"${name}" cannot be the name of an entry`, { name });
}

function exists(dir: HammerInode, name: string): HammerError {
  return new HammerError("EEXIST", `directory ${hex64(dir.objId)} has an entry "${name}"`, { objId: dir.objId, name });
}

/** Prepares addEntry: afterwards it only modifies (N1). */
function prepareEntry(e: Engine, dir: HammerInode, name: string): void {
  const k = namekey(dir.capFlags, name)!;
  e.prepareInsert($key.set(direntLocalization(dir), dir.objHi, dir.objLo, REC_DIRENTRY, k.hi, k.lo).setTid(0, 0));
}

/** Files an entry for `ip` under `name`, which is not taken. */
function addEntry(e: Engine, dir: HammerInode, ip: HammerInode, name: string): void {
  const k = namekey(dir.capFlags, name)!;
  let keyHi = k.hi, keyLo = k.lo;
  const tries = k.maxIterations;
  const loc = direntLocalization(dir);
  for (let n = 0; e.writeCursor.lookup($key.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, keyHi, keyLo), -1, -1); n++) {
    if (n === tries) throw new HammerError("ENOSPC", `directory ${hex64(dir.objId)}: no key left for "${name}"`, { name });
    keyLo = (keyLo + 1) >>> 0;
    if (keyLo === 0) keyHi++;
  }
  const length = DIRENTRY_NAME + name.length;
  const b = e.freemap.allocBuffered(ZONE_META, length);
  const address = e.freemap.allocatedAt;
  const at = address & BUFMASK;
  b.view.setInt32(at + DIRENTRY_DATA.off.obj_id, ip.objLo, true);
  b.view.setInt32(at + DIRENTRY_DATA.off.obj_id + 4, ip.objHi, true);
  b.view.setInt32(at + DIRENTRY_DATA.off.localization, ip.loc, true);
  b.view.setInt32(at + DIRENTRY_DATA.off.reserved01, 0, true);
  for (let i = 0; i < name.length; i++) b.bytes[at + DIRENTRY_NAME + i] = name.charCodeAt(i);
  const crc = crcFor(e.volumes.version)(b.bytes, at, at + length);
  $key.set(loc, dir.objHi, dir.objLo, REC_DIRENTRY, keyHi, keyLo);
  e.writer.insert(e.writeCursor, $key, ip.objType, ZONE_META, address, length, crc);
}

/** Deletes the entry `name`, which exists. */
function removeEntry(e: Engine, dir: HammerInode, name: string): void {
  if (lookupDirent(e.writeCursor, dir, name, -1, -1) === null)
    throw new HammerError("EIO", `directory ${hex64(dir.objId)} has lost its entry "${name}"`, { objId: dir.objId, name });
  e.writer.delete(e.writeCursor, e.keepsHistory(dir));
}

function touchDirectory(e: Engine, dir: HammerInode, now: number): void {
  dir.mtime = now;
  e.markDirty(dir, DIRTY_TIMES);
}

/**
 * Makes an object and its entry. Returns the inode, referenced. Throws EEXIST, ENOTDIR, EROFS, EINVAL,
 * ENAMETOOLONG, ENOSPC, EIO, EBADCRC, BufferMiss.
 */
export function createObject(e: Engine, dir: HammerInode, name: string, o: CreateOptions): HammerInode {
  checkName(dir, name);
  if (dir.nlinks === 0) throw new HammerError("ENOENT", `directory ${hex64(dir.objId)} has been removed`, { objId: dir.objId, name });
  if (o.type === "symlink" && (o.target === undefined || o.target.length < 1 || o.target.length > TARGET_MAX))
    throw new HammerError(o.target === undefined || o.target === "" ? "EINVAL" : "ENAMETOOLONG", `symlink "${name}": a target has 1 to ${TARGET_MAX} bytes`, { name });
  e.beginGrowing(2048);
  if (lookupDirent(e.cursor, dir, name, -1, -1) !== null) throw exists(dir, name);
  prepareEntry(e, dir, name);
  const now = e.time();
  const id = e.newObjId();
  const ip = new HammerInode(Math.floor(id / TWO32) | 0, id | 0, dir.loc, -1, -1);
  ip.objType = objTypeOf(o.type);
  ip.type = o.type;
  ip.mode = o.mode & 0o7777;
  ip.uid = o.uid >>> 0;
  ip.gid = o.gid >>> 0;
  ip.uflags = (dir.uflags & INHERITED_FLAGS) >>> 0;
  ip.nlinks = 1;
  ip.parentHi = dir.objHi;
  ip.parentLo = dir.objLo;
  ip.ctime = ip.mtime = ip.atime = now;
  if (o.type === "dir") {
    const version = e.volumes.version;
    ip.capFlags = (version >= FIRST_LOCAL_INO_VERSION ? CAP_DIR_LOCAL_INO : 0) | (version >= FIRST_HASH_ALG1_VERSION ? DIRHASH_ALG1 : 0);
  } else if (o.type === "chardev" || o.type === "blockdev") {
    ip.rmajor = (o.rmajor ?? 0) >>> 0;
    ip.rminor = (o.rminor ?? 0) >>> 0;
  } else if (o.type === "symlink") {
    setTarget(e, ip, o.target!); // begins with its own reads, then only modifies
    prepareEntry(e, dir, name);
  }
  addEntry(e, dir, ip, name);
  ip.refs = 1;
  e.inodes.add(ip);
  e.markDirty(ip, DIRTY_NEW);
  touchDirectory(e, dir, now);
  return ip;
}

/** Stores a symlink's target: short ones in the inode, others in a record of their own. */
function setTarget(e: Engine, ip: HammerInode, target: string): void {
  ip.size = target.length;
  if (target.length <= INODE_EXT_SIZE) {
    ip.ext = new Uint8Array(INODE_EXT_SIZE);
    for (let i = 0; i < target.length; i++) ip.ext[i] = target.charCodeAt(i);
    return;
  }
  e.prepareInsert($key.set(ip.loc | LOCALIZE_MISC, ip.objHi, ip.objLo, REC_FIX, 0, FIXKEY_SYMLINK).setTid(0, 0));
  const b = e.freemap.allocBuffered(ZONE_META, target.length);
  const address = e.freemap.allocatedAt;
  const at = address & BUFMASK;
  for (let i = 0; i < target.length; i++) b.bytes[at + i] = target.charCodeAt(i);
  const crc = crcFor(e.volumes.version)(b.bytes, at, at + target.length);
  $key.set(ip.loc | LOCALIZE_MISC, ip.objHi, ip.objLo, REC_FIX, 0, FIXKEY_SYMLINK);
  e.writer.insert(e.writeCursor, $key, ip.objType, ZONE_META, address, target.length, crc);
}

/** The object an entry names, referenced; null if the entry leads nowhere. Throws ENOENT without the entry. */
function targetOrDangling(source: InodeSource, e: Engine, dir: HammerInode, name: string): HammerInode | null {
  const t = lookupDirent(e.cursor, dir, name, -1, -1);
  if (t === null) throw new HammerError("ENOENT", `directory ${hex64(dir.objId)} has no entry "${name}"`, { objId: dir.objId, name });
  const { objHi, objLo, loc } = t;
  return source.getInode(objHi, objLo, loc, -1, -1);
}

/** As targetOrDangling; an entry that leads nowhere is EIO. */
function target(source: InodeSource, e: Engine, dir: HammerInode, name: string): HammerInode {
  const ip = targetOrDangling(source, e, dir, name);
  if (ip === null)
    throw new HammerError("EIO", `directory ${hex64(dir.objId)}: entry "${name}" names an object that does not exist`, { objId: dir.objId, name });
  return ip;
}

function dropLink(e: Engine, ip: HammerInode, now: number): void {
  ip.nlinks--;
  ip.ctime = now;
  e.markDirty(ip, DIRTY_INODE);
}

/** True if a directory has no entries. */
export function isEmptyDirectory(e: Engine, dir: HammerInode): boolean {
  const loc = direntLocalization(dir);
  $key.set(loc, dir.objHi, dir.objLo, 2, -2147483648, 0);
  $end.set(loc, dir.objHi, dir.objLo, REC_MAX, 0x7fff_ffff, -1);
  return !e.cursor.first($key, $end, -1, -1);
}

/**
 * Removes an entry that is not a directory's; one that leads nowhere can be removed too. Throws ENOENT, EISDIR, and what
 * createObject throws.
 */
export function unlinkEntry(source: InodeSource, e: Engine, dir: HammerInode, name: string): void {
  checkName(dir, name);
  e.beginShrinking();
  const ip = targetOrDangling(source, e, dir, name);
  try {
    if (ip?.type === "dir") throw new HammerError("EISDIR", `"${name}" is a directory`, { objId: ip.objId, name });
    removeEntry(e, dir, name);
    const now = e.time();
    if (ip !== null && !ip.dummy) dropLink(e, ip, now);
    touchDirectory(e, dir, now);
  } finally {
    if (ip !== null) source.rele(ip);
  }
}

/** Removes an empty directory. Throws ENOENT, ENOTDIR, ENOTEMPTY, and what createObject throws. */
export function rmdirEntry(source: InodeSource, e: Engine, dir: HammerInode, name: string): void {
  checkName(dir, name);
  e.beginShrinking();
  const ip = target(source, e, dir, name);
  try {
    if (ip.type !== "dir") throw new HammerError("ENOTDIR", `"${name}" is not a directory`, { objId: ip.objId, name });
    if (!isEmptyDirectory(e, ip)) throw new HammerError("ENOTEMPTY", `directory "${name}" is not empty`, { objId: ip.objId, name });
    removeEntry(e, dir, name);
    const now = e.time();
    dropLink(e, ip, now);
    touchDirectory(e, dir, now);
  } finally {
    source.rele(ip);
  }
}

/** Makes another entry for an object. Throws EPERM for directories, EXDEV, EEXIST, and what createObject throws. */
export function linkEntry(e: Engine, ip: HammerInode, dir: HammerInode, name: string): void {
  checkName(dir, name);
  if (ip.historical) throw new HammerError("EROFS", `object ${hex64(ip.objId)} is seen as of the past`, { objId: ip.objId, name });
  if (ip.type === "dir") throw new HammerError("EPERM", `"${name}": a directory has one entry only`, { objId: ip.objId, name });
  if (ip.loc !== dir.loc) throw new HammerError("EXDEV", `"${name}": the object is in another pseudo file system`, { objId: ip.objId, name });
  if (ip.nlinks === 0 || dir.nlinks === 0) throw new HammerError("ENOENT", `"${name}": the object has been removed`, { objId: ip.objId, name });
  e.beginGrowing(2048);
  if (lookupDirent(e.cursor, dir, name, -1, -1) !== null) throw exists(dir, name);
  prepareEntry(e, dir, name);
  const now = e.time();
  addEntry(e, dir, ip, name);
  ip.nlinks++;
  ip.ctime = now;
  e.markDirty(ip, DIRTY_INODE);
  touchDirectory(e, dir, now);
}

/** Throws EINVAL if `dir` is `ip` or below it. */
function checkNotBelow(source: InodeSource, ip: HammerInode, dir: HammerInode, name: string): void {
  let at = dir;
  at.refs++;
  try {
    for (let depth = 0; at !== ip; depth++) {
      if (depth > DEPTH_MAX) throw new HammerError("EIO", `directory ${hex64(dir.objId)} is its own ancestor`, { objId: dir.objId, name });
      if ((at.parentHi | at.parentLo) === 0 || (at.objHi === 0 && at.objLo === OBJID_ROOT)) return;
      const up = source.getInode(at.parentHi, at.parentLo, at.loc, -1, -1);
      if (up === null) return;
      source.rele(at);
      at = up;
    }
  } finally {
    source.rele(at);
  }
  throw new HammerError("EINVAL", `"${name}": a directory cannot be moved into itself`, { objId: ip.objId, name });
}

/** Renames, replacing what is there as POSIX says. Throws what the other operations throw. */
export function renameEntry(
  source: InodeSource, e: Engine, sdir: HammerInode, sname: string, tdir: HammerInode, tname: string,
): void {
  checkName(sdir, sname);
  checkName(tdir, tname);
  if (sdir.loc !== tdir.loc) throw new HammerError("EXDEV", `"${tname}": a rename stays in one pseudo file system`, { name: tname });
  if (tdir.nlinks === 0) throw new HammerError("ENOENT", `directory ${hex64(tdir.objId)} has been removed`, { objId: tdir.objId, name: tname });
  e.beginGrowing(2048);
  const ip = target(source, e, sdir, sname);
  let old: HammerInode | null = null;
  try {
    if (ip.type === "dir") checkNotBelow(source, ip, tdir, tname);
    const t = lookupDirent(e.cursor, tdir, tname, -1, -1);
    if (t !== null) old = source.getInode(t.objHi, t.objLo, t.loc, -1, -1);
    if (old === ip) return; // two names of one object, or the same name: nothing to do
    if (old !== null) {
      if (ip.type === "dir" && old.type !== "dir") throw new HammerError("ENOTDIR", `"${tname}" is not a directory`, { objId: old.objId, name: tname });
      if (ip.type !== "dir" && old.type === "dir") throw new HammerError("EISDIR", `"${tname}" is a directory`, { objId: old.objId, name: tname });
      if (old.type === "dir" && !isEmptyDirectory(e, old))
        throw new HammerError("ENOTEMPTY", `directory "${tname}" is not empty`, { objId: old.objId, name: tname });
    }
    prepareEntry(e, tdir, tname);
    const now = e.time();
    if (t !== null) removeEntry(e, tdir, tname);
    if (old !== null) dropLink(e, old, now);
    moveTo(e, ip, tdir, tname, now);
    removeEntry(e, sdir, sname);
    touchDirectory(e, sdir, now);
    touchDirectory(e, tdir, now);
  } finally {
    if (old !== null) source.rele(old);
    source.rele(ip);
  }
}

/**
 * Lets two entries change what they name, in one step that a crash does not take apart. Throws ENOENT, EXDEV, EINVAL (a directory into
 * itself), and what createObject throws.
 */
export function exchangeEntries(
  source: InodeSource, e: Engine, sdir: HammerInode, sname: string, tdir: HammerInode, tname: string,
): void {
  checkName(sdir, sname);
  checkName(tdir, tname);
  if (sdir.loc !== tdir.loc) throw new HammerError("EXDEV", `"${tname}": an exchange stays in one pseudo file system`, { name: tname });
  e.beginGrowing(4096);
  const a = target(source, e, sdir, sname);
  let b: HammerInode | null = null;
  try {
    b = target(source, e, tdir, tname);
    if (a === b) return;
    if (a.type === "dir") checkNotBelow(source, a, tdir, tname);
    if (b.type === "dir") checkNotBelow(source, b, sdir, sname);
    prepareEntry(e, sdir, sname);
    prepareEntry(e, tdir, tname);
    const now = e.time();
    removeEntry(e, sdir, sname);
    removeEntry(e, tdir, tname);
    moveTo(e, a, tdir, tname, now);
    moveTo(e, b, sdir, sname, now);
    touchDirectory(e, sdir, now);
    touchDirectory(e, tdir, now);
  } finally {
    if (b !== null) source.rele(b);
    source.rele(a);
  }
}

/** The object gets an entry, and the directory for its parent. */
function moveTo(e: Engine, ip: HammerInode, dir: HammerInode, name: string, now: number): void {
  addEntry(e, dir, ip, name);
  ip.parentHi = dir.objHi;
  ip.parentLo = dir.objLo;
  ip.ctime = now;
  e.markDirty(ip, DIRTY_INODE);
}

/**
 * Changes attributes. ctime follows any change but one of times alone, unless it is given. Times alone go into the record in place,
 * as in the original; with a ctime they make a new version of the inode.
 */
export function setAttributes(e: Engine, ip: HammerInode, a: SetattrOptions): void {
  if (ip.historical) throw new HammerError("EROFS", `object ${hex64(ip.objId)} is seen as of the past`, { objId: ip.objId });
  e.beginShrinking();
  let bits = 0;
  if (a.mode !== undefined || a.uid !== undefined || a.gid !== undefined || a.uflags !== undefined) {
    ip.mode = (a.mode ?? ip.mode) & 0o7777;
    ip.uid = (a.uid ?? ip.uid) >>> 0;
    ip.gid = (a.gid ?? ip.gid) >>> 0;
    ip.uflags = (a.uflags ?? ip.uflags) >>> 0;
    ip.ctime = e.time();
    bits = DIRTY_INODE;
  }
  if (a.ctime !== undefined) {
    ip.ctime = a.ctime === "now" ? e.time() : a.ctime;
    bits = DIRTY_INODE;
  }
  if (a.mtime !== undefined) ip.mtime = a.mtime;
  if (a.atime !== undefined) ip.atime = a.atime;
  if (a.mtime !== undefined || a.atime !== undefined) bits |= DIRTY_TIMES;
  if (bits !== 0) e.markDirty(ip, bits);
}
