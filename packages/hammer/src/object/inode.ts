// SPDX-License-Identifier: BSD-3-Clause
/**
 * In-memory inodes.
 *
 * Invariants
 *   I1  While referenced there is one HammerInode for each (object id, pseudo file system, as-of TID).
 *   I2  Attributes hold what is stored, or will be at the next flush; how stat shows them (times of the past, sizes
 *       of PFS links) is the presenter's matter.
 *   I3  An inode as of a TID other than the present never changes.
 *
 * Ids are pairs of int32 halves: they travel into B-Tree keys, where bigints would cost too much. Times are
 * microseconds in a double, exact until the year 2255.
 * Source: DragonFly sys/vfs/hammer/hammer_inode.c.
 * @module
 */
import {
  INODE_DATA, INODE_EXT_SIZE, OBJTYPE_BDEV, OBJTYPE_CDEV, OBJTYPE_DBFILE, OBJTYPE_DIRECTORY, OBJTYPE_FIFO, OBJTYPE_REGFILE,
  OBJTYPE_SOCKET, OBJTYPE_SOFTLINK, UUID_ID_OFFSET,
} from "../disk/index.ts";
import { int64, uint64 } from "../btree/key.ts";

/** What an object is. */
export type HammerFileType = "file" | "dir" | "symlink" | "chardev" | "blockdev" | "fifo" | "socket";

const TYPE_OF: (HammerFileType | undefined)[] = [];
TYPE_OF[OBJTYPE_DIRECTORY] = "dir";
TYPE_OF[OBJTYPE_REGFILE] = "file";
TYPE_OF[OBJTYPE_DBFILE] = "file";
TYPE_OF[OBJTYPE_FIFO] = "fifo";
TYPE_OF[OBJTYPE_CDEV] = "chardev";
TYPE_OF[OBJTYPE_BDEV] = "blockdev";
TYPE_OF[OBJTYPE_SOFTLINK] = "symlink";
TYPE_OF[OBJTYPE_SOCKET] = "socket";

/** Type of an obj_type, or null for one that no object has. */
export function typeOfObjType(objType: number): HammerFileType | null {
  return TYPE_OF[objType] ?? null;
}

/** obj_type to store for a type. */
export function objTypeOf(type: HammerFileType): number {
  return TYPE_OF.indexOf(type);
}

/** One object, now or as of a TID. */
export class HammerInode {
  /** Object id in halves. */
  readonly objHi: number;
  readonly objLo: number;
  /** Pseudo file system << 16: the localization without its type bits. */
  readonly loc: number;
  /** TID the object is looked at; both halves -1 for the present. */
  readonly asofHi: number;
  readonly asofLo: number;

  objType = 0;
  type: HammerFileType = "file";
  /** Permission bits, 07777. */
  mode = 0;
  uflags = 0;
  uid = 0;
  gid = 0;
  rmajor = 0;
  rminor = 0;
  capFlags = 0;
  nlinks = 0;
  size = 0;
  parentHi = 0;
  parentLo = 0;
  /** Microseconds since 1970. */
  ctime = 0;
  mtime = 0;
  atime = 0;
  /** Short symlink target, or what old kernels kept there; null if all zero. */
  ext: Uint8Array | null = null;

  /** Stands in for an object whose inode does not exist (any more): a fifo with nothing in it, unchangeable. */
  dummy = false;
  refs = 0;
  /** Bits of what the next flush has to write; see transaction.ts. */
  dirty = 0;
  /** True while writes are to lay REDO (HAMMER_INODE_REDO): an fsync turned it on. */
  redo = false;
  /** Bytes written since the last fsync, while `redo`. */
  redoBytes = 0;
  /** REDO of this cycle is in the FIFO (HAMMER_INODE_RDIRTY). */
  redoDirty = false;
  /** File blocks in memory; see file.ts. */
  blocks: unknown = null;
  /** Next inode of the same bucket. */
  hashNext: HammerInode | null = null;
  /** Neighbours in the list of idle inodes; an inode that is not in it is its own. */
  idleNext: HammerInode = this;
  idlePrev: HammerInode = this;

  constructor(objHi: number, objLo: number, loc: number, asofHi: number, asofLo: number) {
    this.objHi = objHi;
    this.objLo = objLo;
    this.loc = loc;
    this.asofHi = asofHi;
    this.asofLo = asofLo;
  }

  get objId(): bigint { return int64(this.objHi, this.objLo); }
  get parentObjId(): bigint { return int64(this.parentHi, this.parentLo); }
  /** TID of the view, all ones for the present. */
  get asof(): bigint { return uint64(this.asofHi, this.asofLo); }
  /** True if this is the past, which cannot be changed. */
  get historical(): boolean { return this.asofHi !== -1 || this.asofLo !== -1; }
  /** Number of the pseudo file system. */
  get pfs(): number { return this.loc >>> 16; }
}

const TWO32 = 4294967296;

function getU64(v: DataView, at: number): number {
  return v.getUint32(at + 4, true) * TWO32 + v.getUint32(at, true);
}

function setU64(v: DataView, at: number, value: number): void {
  v.setUint32(at, value % TWO32, true);
  v.setUint32(at + 4, Math.floor(value / TWO32), true);
}

const OFF = INODE_DATA.off;

/** Fills `ip` from inode data. Returns false if its obj_type means nothing. */
export function decodeInode(ip: HammerInode, v: DataView, at: number): boolean {
  ip.objType = v.getUint8(at + OFF.obj_type);
  const type = typeOfObjType(ip.objType);
  if (type === null) return false;
  ip.type = type;
  ip.mode = v.getUint16(at + OFF.mode, true);
  ip.uflags = v.getUint32(at + OFF.uflags, true);
  ip.rmajor = v.getUint32(at + OFF.rmajor, true);
  ip.rminor = v.getUint32(at + OFF.rminor, true);
  ip.uid = v.getUint32(at + OFF.uid + UUID_ID_OFFSET, true);
  ip.gid = v.getUint32(at + OFF.gid + UUID_ID_OFFSET, true);
  ip.capFlags = v.getUint8(at + OFF.cap_flags);
  ip.nlinks = getU64(v, at + OFF.nlinks);
  ip.size = getU64(v, at + OFF.size);
  ip.parentHi = v.getInt32(at + OFF.parent_obj_id + 4, true);
  ip.parentLo = v.getInt32(at + OFF.parent_obj_id, true);
  ip.ctime = getU64(v, at + OFF.ctime);
  ip.mtime = getU64(v, at + OFF.mtime);
  ip.atime = getU64(v, at + OFF.atime);
  ip.ext = null;
  for (let i = 0; i < INODE_EXT_SIZE; i += 4) {
    if (v.getInt32(at + OFF.ext + i, true) === 0) continue;
    ip.ext = new Uint8Array(v.buffer, v.byteOffset + at + OFF.ext, INODE_EXT_SIZE).slice();
    break;
  }
  return true;
}

/** Writes the 128 bytes of inode data for `ip`. */
export function encodeInode(ip: HammerInode, v: DataView, at: number): void {
  new Uint8Array(v.buffer, v.byteOffset + at, INODE_DATA.size).fill(0);
  v.setUint16(at + OFF.version, 1, true);
  v.setUint16(at + OFF.mode, ip.mode, true);
  v.setUint32(at + OFF.uflags, ip.uflags, true);
  v.setUint32(at + OFF.rmajor, ip.rmajor, true);
  v.setUint32(at + OFF.rminor, ip.rminor, true);
  v.setUint32(at + OFF.uid + UUID_ID_OFFSET, ip.uid, true);
  v.setUint32(at + OFF.gid + UUID_ID_OFFSET, ip.gid, true);
  v.setUint8(at + OFF.obj_type, ip.objType);
  v.setUint8(at + OFF.cap_flags, ip.capFlags);
  setU64(v, at + OFF.nlinks, ip.nlinks);
  setU64(v, at + OFF.size, ip.size);
  v.setInt32(at + OFF.parent_obj_id + 4, ip.parentHi, true);
  v.setInt32(at + OFF.parent_obj_id, ip.parentLo, true);
  setU64(v, at + OFF.ctime, ip.ctime);
  setU64(v, at + OFF.mtime, ip.mtime);
  setU64(v, at + OFF.atime, ip.atime);
  if (ip.ext) new Uint8Array(v.buffer, v.byteOffset + at + OFF.ext, INODE_EXT_SIZE).set(ip.ext);
}

function hash(objHi: number, objLo: number, loc: number, asofHi: number, asofLo: number): number {
  return (objLo ^ Math.imul(objHi, 0x9e37_79b1) ^ Math.imul(loc, 0x85eb_ca6b) ^ Math.imul(asofLo ^ asofHi, 0xc2b2_ae35)) | 0;
}

/** The inodes in memory, found by id (invariant I1). */
export class InodeTable {
  readonly #buckets = new Map<number, HammerInode>();
  /**
   * Ring of the unreferenced clean inodes, in the order in which they became so; this one only holds it together. (A Set
   * steps over all that was deleted since it was last rehashed to find its oldest member.)
   */
  readonly #idle = new HammerInode(0, 0, 0, 0, 0);
  #idleCount = 0;
  readonly #idleMax: number;
  readonly #evict: (ip: HammerInode) => void;
  count = 0;

  /**
   * `idleMax` clean inodes without references are kept, in case they are asked for again; `evict` is told when one of them
   * is dropped, to let go of what it holds.
   */
  constructor(idleMax: number, evict: (ip: HammerInode) => void) {
    this.#idleMax = idleMax;
    this.#evict = evict;
  }

  /** Takes a reference to an inode in memory. */
  ref(ip: HammerInode): void {
    if (ip.refs++ === 0) this.#unidle(ip);
  }

  /** Keeps an inode without references, clean, for a while. */
  idle(ip: HammerInode): void {
    this.#unidle(ip);
    const end = this.#idle;
    ip.idleNext = end;
    ip.idlePrev = end.idlePrev;
    end.idlePrev.idleNext = ip;
    end.idlePrev = ip;
    if (++this.#idleCount <= this.#idleMax) return;
    const oldest = end.idleNext;
    this.remove(oldest);
    this.#evict(oldest);
  }

  #unidle(ip: HammerInode): void {
    if (ip.idleNext === ip) return;
    ip.idlePrev.idleNext = ip.idleNext;
    ip.idleNext.idlePrev = ip.idlePrev;
    ip.idleNext = ip.idlePrev = ip;
    this.#idleCount--;
  }

  get(objHi: number, objLo: number, loc: number, asofHi: number, asofLo: number): HammerInode | null {
    let ip: HammerInode | null = this.#buckets.get(hash(objHi, objLo, loc, asofHi, asofLo)) ?? null;
    while (ip !== null
      && (ip.objLo !== objLo || ip.objHi !== objHi || ip.loc !== loc || ip.asofLo !== asofLo || ip.asofHi !== asofHi))
      ip = ip.hashNext;
    return ip;
  }

  add(ip: HammerInode): void {
    const h = hash(ip.objHi, ip.objLo, ip.loc, ip.asofHi, ip.asofLo);
    ip.hashNext = this.#buckets.get(h) ?? null;
    this.#buckets.set(h, ip);
    this.count++;
  }

  remove(ip: HammerInode): void {
    this.#unidle(ip);
    const h = hash(ip.objHi, ip.objLo, ip.loc, ip.asofHi, ip.asofLo);
    let at = this.#buckets.get(h) ?? null;
    if (at === ip) {
      if (ip.hashNext === null) this.#buckets.delete(h);
      else this.#buckets.set(h, ip.hashNext);
      this.count--;
    } else {
      while (at !== null && at.hashNext !== ip) at = at.hashNext;
      if (at === null) return;
      at.hashNext = ip.hashNext;
      this.count--;
    }
    ip.hashNext = null;
  }

  /** All inodes in memory. */
  *values(): Generator<HammerInode> {
    for (const first of this.#buckets.values())
      for (let ip: HammerInode | null = first; ip !== null; ip = ip.hashNext) yield ip;
  }
}
