// SPDX-License-Identifier: BSD-3-Clause
/**
 * File data: blocks in memory, reading through them, writing them out as DATA records.
 *
 * A file is cut into blocks of 16 KiB below 1 MiB and 64 KiB from there on; a block in memory is read, modified and
 * written as a whole. Data never goes over old data: a changed block gets fresh space and a new record.
 *
 * Invariants
 *   F1  A block's bytes at and behind the end of the file are zero.
 *   F2  A live DATA record lies inside one block, and no two of a file overlap.
 *   F3  A file of at most 8192 bytes has one record of its size rounded up to 16; others have whole blocks.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_vnops.c, hammer_object.c, hammer_inode.c.
 * @module
 */
import type { Cursor } from "../btree/cursor.ts";
import { Key } from "../btree/key.ts";
import { dataZone } from "../blockmap.ts";
import { crcFor } from "../crc.ts";
import { W_DATA_LEN, W_KEY_HI, W_KEY_LO } from "../disk/btree.ts";
import { REDO_TERM_TRUNC, REDO_TERM_WRITE, REDO_TRUNC, REDO_WRITE } from "../disk/fifo.ts";
import { BUFMASK, BUFSIZE as BUFSIZE_, HBUFSIZE, XBUFSIZE as XBUFSIZE_, XDEMARC as XDEMARC_, ZONE_SMALL_DATA } from "../disk/offset.ts";
import { LOCALIZE_MISC, REC_DATA } from "../disk/record.ts";
import { HammerError, hex64 } from "../error.ts";
import type { Engine } from "../transaction.ts";
import { DIRTY_BLOCKS, DIRTY_INODE, DIRTY_SIZE, DIRTY_TIMES } from "./dirty.ts";
import { readRecords } from "./data.ts";
import type { HammerInode } from "./inode.ts";

const BUFSIZE = BUFSIZE_, XBUFSIZE = XBUFSIZE_, XDEMARC = XDEMARC_;
const TWO32 = 4294967296;
const SMALL_BLOCKS = XDEMARC_ / BUFSIZE_;
/** Largest file: keys are signed 64 bits, sizes exact doubles. */
export const MAX_FILE_SIZE = Number.MAX_SAFE_INTEGER - XBUFSIZE_;

/** A block of a file in memory. */
export class Block {
  readonly owner: FileBlocks;
  readonly index: number;
  readonly base: number;
  readonly bytes: Uint8Array;
  dirty = false;
  /** REDO of this cycle has changes of the block. */
  redo = false;
  referenced = true;
  present = true;

  constructor(owner: FileBlocks, index: number, base: number, bytes: Uint8Array) {
    this.owner = owner;
    this.index = index;
    this.base = base;
    this.bytes = bytes;
  }
}

/** The blocks of one file. */
export class FileBlocks {
  readonly map = new Map<number, Block>();
  /** Modified blocks, in the order of their first modification. */
  dirty: Block[] = [];
  /** The block used last; sequential access stays on it. */
  last: Block | null = null;
}

function blockIndex(offset: number): number {
  return offset < XDEMARC ? Math.floor(offset / BUFSIZE) : SMALL_BLOCKS + Math.floor((offset - XDEMARC) / XBUFSIZE);
}

function blockSize(offset: number): number {
  return offset < XDEMARC ? BUFSIZE : XBUFSIZE;
}

/** Storage of dropped blocks kept for new ones, of each size. */
const SPARE_MAX = 64;

/** All blocks in memory; bounds the clean ones. */
export class BlockCache {
  /** Bytes of clean blocks to keep; may change at any time. */
  limit: number;
  #queue: Block[] = [];
  #hand = 0;
  readonly #spareSmall: Uint8Array[] = [];
  readonly #spareLarge: Uint8Array[] = [];
  bytes = 0;
  dirtyBytes = 0;
  dirtyCount = 0;

  constructor(limitBytes: number) {
    this.limit = limitBytes;
  }

  /** The block of `ip` that holds `offset`, if it is in memory. */
  find(ip: HammerInode, offset: number): Block | null {
    const f = ip.blocks as FileBlocks | null;
    if (f === null) return null;
    const index = blockIndex(offset);
    const last = f.last;
    if (last !== null && last.index === index) return last;
    const b = f.map.get(index);
    if (b === undefined) return null;
    b.referenced = true;
    f.last = b;
    return b;
  }

  /** Storage for a block with anything in it. */
  storage(size: number): Uint8Array {
    return (size === BUFSIZE ? this.#spareSmall : this.#spareLarge).pop() ?? new Uint8Array(size);
  }

  /** Makes `bytes`, of the right size, the block of `ip` that holds `offset`; there was none. */
  add(ip: HammerInode, offset: number, bytes: Uint8Array): Block {
    const f = (ip.blocks ??= new FileBlocks()) as FileBlocks;
    const b = new Block(f, blockIndex(offset), offset - offset % bytes.length, bytes);
    f.map.set(b.index, b);
    f.last = b;
    this.#queue.push(b);
    this.bytes += bytes.length;
    return b;
  }

  /** Marks a block as to be written. */
  soil(b: Block): void {
    if (b.dirty) return;
    b.dirty = true;
    b.owner.dirty.push(b);
    this.dirtyBytes += b.bytes.length;
    this.dirtyCount++;
  }

  /** The block has been written. */
  clean(b: Block): void {
    if (!b.dirty) return;
    b.dirty = false;
    b.redo = false;
    this.dirtyBytes -= b.bytes.length;
    this.dirtyCount--;
  }

  #drop(b: Block): void {
    this.clean(b);
    b.present = false;
    b.owner.map.delete(b.index);
    if (b.owner.last === b) b.owner.last = null;
    this.bytes -= b.bytes.length;
    const spare = b.bytes.length === BUFSIZE ? this.#spareSmall : this.#spareLarge;
    if (spare.length < SPARE_MAX) spare.push(b.bytes);
  }

  /** Drops the blocks of a file from `offset` on, dirty or not. */
  dropFrom(ip: HammerInode, offset: number): void {
    const f = ip.blocks as FileBlocks | null;
    if (f === null) return;
    for (const b of [...f.map.values()]) if (b.base >= offset) this.#drop(b);
    f.dirty = f.dirty.filter((b) => b.present);
  }

  /** Drops all blocks of a file. */
  forget(ip: HammerInode): void {
    this.dropFrom(ip, 0);
    ip.blocks = null;
  }

  /** Drops clean blocks beyond the limit; between operations. */
  trim(): void {
    if (this.bytes - this.dirtyBytes <= this.limit) return;
    const q = this.#queue;
    const goal = this.limit - this.limit / 8;
    for (let step = 2 * q.length; step > 0 && this.bytes - this.dirtyBytes > goal && q.length > 0; step--) {
      if (this.#hand >= q.length) this.#hand = 0;
      const b = q[this.#hand]!;
      if (b.present && (b.dirty || b.referenced)) {
        b.referenced = false;
        this.#hand++;
        continue;
      }
      if (b.present) this.#drop(b);
      q[this.#hand] = q[q.length - 1]!;
      q.pop();
    }
  }
}

/** The block that holds `offset`, read if need be (F1). Throws EIO, EBADCRC, BufferMiss. */
function loadBlock(blocks: BlockCache, cur: Cursor, ip: HammerInode, offset: number): Block {
  const found = blocks.find(ip, offset);
  if (found !== null) return found;
  const size = blockSize(offset);
  const base = offset - offset % size;
  // Read first: a block enters the cache only with its contents.
  const bytes = blocks.storage(size);
  if (base < ip.size) {
    readRecords(cur, ip, base, bytes, 0, size);
    if (ip.size < base + size) bytes.fill(0, ip.size - base);
  } else {
    bytes.fill(0);
  }
  return blocks.add(ip, offset, bytes);
}

/** A block for `offset`, which lies where nothing was read: zeros, unless all of it is about to be written. */
function freshBlock(blocks: BlockCache, ip: HammerInode, offset: number, end: number): Block {
  const size = blockSize(offset);
  const bytes = blocks.storage(size);
  if (offset % size !== 0 || end - offset < size) bytes.fill(0);
  return blocks.add(ip, offset, bytes);
}

/** Reads `length` bytes at `offset` into `buf`; the caller has cut it to the file's size. */
export function readFile(
  blocks: BlockCache, cur: Cursor, ip: HammerInode, offset: number, buf: Uint8Array, bufOff: number, length: number,
): void {
  const end = offset + length;
  for (let at = offset, to = bufOff; at < end;) {
    const b = loadBlock(blocks, cur, ip, at);
    const from = at - b.base;
    const n = Math.min(b.bytes.length - from, end - at);
    if (n === b.bytes.length) buf.set(b.bytes, to);
    else buf.set(b.bytes.subarray(from, from + n), to);
    at += n;
    to += n;
    blocks.trim();
  }
}

/** A long write is made of pieces of this size, between which the flush group may be closed. */
const PIECE = 4 << 20;

/**
 * Writes `length` bytes of `buf` from `bufOff` at `offset`, extending the file if need be. Returns the number written,
 * which is less only if a later piece of a long write failed. Throws EINVAL, EFBIG, ENOSPC, EIO, EBADCRC, BufferMiss, the
 * latter before anything changed.
 */
export function writeFile(e: Engine, ip: HammerInode, offset: number, buf: Uint8Array, bufOff: number, length: number): number {
  if (!Number.isSafeInteger(offset) || offset < 0) throw new HammerError("EINVAL", `write at offset ${offset}`, { objId: ip.objId });
  if (offset + length > MAX_FILE_SIZE) throw new HammerError("EFBIG", `write up to offset ${offset + length}`, { objId: ip.objId });
  if (ip.redo && (ip.redoBytes += length) > e.redoLimit) ip.redo = false; // what is logged already stays; the next fsync flushes
  for (let done = 0; done < length; done += PIECE) {
    try {
      writePiece(e, ip, offset + done, buf, bufOff + done, Math.min(PIECE, length - done));
    } catch (error) {
      if (done === 0) throw error;
      return done; // the next write meets the error again
    }
  }
  return Math.max(length, 0);
}

function writePiece(e: Engine, ip: HammerInode, offset: number, buf: Uint8Array, bufOff: number, length: number): void {
  e.beginGrowing(length + 2 * XBUFSIZE);
  const end = offset + length;
  // What has to be read is read before anything changes: the partial blocks at both ends, and a short first block
  // that has to become a whole one.
  const size = ip.size;
  if (offset % blockSize(offset) !== 0 || end < Math.min(size, offset - offset % blockSize(offset) + blockSize(offset)))
    loadBlock(e.blocks, e.cursor, ip, offset);
  if (end % blockSize(end) !== 0 && end < size) loadBlock(e.blocks, e.cursor, ip, end);
  const grows = end > size;
  if (grows && size > 0 && size <= HBUFSIZE && end > HBUFSIZE) {
    const first = loadBlock(e.blocks, e.cursor, ip, 0);
    e.blocks.soil(first);
  }
  for (let at = offset, from = bufOff; at < end;) {
    const b = e.blocks.find(ip, at) ?? freshBlock(e.blocks, ip, at, end);
    const n = Math.min(b.bytes.length - (at - b.base), end - at);
    b.bytes.set(buf.subarray(from, from + n), at - b.base);
    e.blocks.soil(b);
    if (ip.redo) {
      e.undo.redo(REDO_WRITE, ip, at, buf, from, n);
      b.redo = ip.redoDirty = true;
    }
    at += n;
    from += n;
  }
  if (grows) ip.size = end;
  ip.mtime = e.time();
  // A new size is part of the record proper and comes with a new ctime, as in the original.
  if (grows) ip.ctime = ip.mtime;
  e.markDirty(ip, DIRTY_BLOCKS | (grows ? DIRTY_SIZE : DIRTY_TIMES));
}

const $begin = new Key();
const $end = new Key();

function setDataKey(k: Key, ip: HammerInode, end: number): Key {
  return k.set(ip.loc | LOCALIZE_MISC, ip.objHi, ip.objLo, REC_DATA, Math.floor(end / TWO32), end | 0);
}

/** Writes the dirty blocks of a file to fresh space and files them; old records of the same range are deleted. */
export function writeBlocks(e: Engine, ip: HammerInode): void {
  const f = ip.blocks as FileBlocks | null;
  if (f !== null && f.dirty.length > 0) {
    const list = f.dirty.sort((a, b) => a.base - b.base);
    for (const b of list) if (b.dirty) writeBlock(e, ip, b);
    f.dirty = [];
  }
  ip.dirty &= ~DIRTY_BLOCKS;
}

function writeBlock(e: Engine, ip: HammerInode, b: Block): void {
  const length = ip.size <= HBUFSIZE ? (ip.size + 15) & ~15 : b.bytes.length;
  if (b.base < ip.size) {
    deleteBlockRecords(e, ip, b.base, b.bytes.length);
    const zone = dataZone(length);
    e.freemap.prepare(zone);
    e.prepareInsert(setDataKey($begin, ip, b.base + length).setTid(e.writer.tidHi, e.writer.tidLo));
    let address: number;
    if (zone === ZONE_SMALL_DATA) {
      const to = e.freemap.allocBuffered(zone, length);
      address = e.freemap.allocatedAt;
      to.bytes.set(b.bytes.subarray(0, length), address & BUFMASK);
    } else {
      address = e.freemap.alloc(zone, length);
      e.volumes.write(address, b.bytes, "file data");
    }
    const crc = crcFor(e.volumes.version)(b.bytes, 0, length);
    if (b.redo) e.undo.redo(REDO_TERM_WRITE, ip, b.base, null, 0, length);
    e.writer.insert(e.writeCursor, setDataKey($begin, ip, b.base + length), ip.objType, zone, address, length, crc);
  }
  e.blocks.clean(b);
}

/** Deletes the live records inside [base, base + size). Throws EIO for one that reaches over the edge (F2). */
function deleteBlockRecords(e: Engine, ip: HammerInode, base: number, size: number): void {
  const cur = e.writeCursor;
  const history = e.keepsHistory(ip);
  setDataKey($begin, ip, base + 1);
  setDataKey($end, ip, base + size + XBUFSIZE);
  while (cur.first($begin, $end, -1, -1)) {
    const w = cur.words;
    const end = w[cur.at + W_KEY_HI]! * TWO32 + (w[cur.at + W_KEY_LO]! >>> 0);
    const start = end - w[cur.at + W_DATA_LEN]!;
    if (start >= base + size) return;
    if (start < base || end > base + size)
      throw new HammerError("EIO",
        `object ${hex64(ip.objId)}: DATA record ${start}..${end} reaches over the block at ${base}`, { objId: ip.objId, offset: start });
    $begin.load(w, cur.at);
    e.writer.delete(cur, history);
  }
}

/** Deletes all live DATA records that start at or behind `from`, in as many flush groups as it takes. */
export function truncateRecords(e: Engine, ip: HammerInode, from: number): void {
  const cur = e.writeCursor;
  const history = e.keepsHistory(ip);
  setDataKey($begin, ip, from + 1);
  setDataKey($end, ip, 0).keyHi = 0x7fff_ffff;
  $end.keyLo = -1;
  while (cur.first($begin, $end, -1, -1)) {
    $begin.load(cur.words, cur.at);
    e.writer.delete(cur, history);
    if (e.groupIsFull()) {
      // Flushing moves the shared keys and the cursor.
      const hi = $begin.keyHi, lo = $begin.keyLo;
      e.continueInNewGroup();
      setDataKey($begin, ip, 0).keyHi = hi;
      $begin.keyLo = lo;
      setDataKey($end, ip, 0).keyHi = 0x7fff_ffff;
      $end.keyLo = -1;
    }
  }
}

/** Records of earlier writes, whose blocks may be gone before they are terminated, must not outlive the truncation. */
function redoTruncate(e: Engine, ip: HammerInode, size: number): void {
  if (!ip.redo && !ip.redoDirty) return;
  e.undo.redo(REDO_TRUNC, ip, size, null, 0, 0);
  ip.redoDirty = true;
}

/** Sets the size of a file. Throws EFBIG, EINVAL, ENOSPC, EIO, EBADCRC, BufferMiss. */
export function truncateFile(e: Engine, ip: HammerInode, size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) throw new HammerError("EINVAL", `size ${size}`, { objId: ip.objId });
  if (size > MAX_FILE_SIZE) throw new HammerError("EFBIG", `size ${size}`, { objId: ip.objId });
  // An equal size, too: a call that was repeated after a BufferMiss finds the size changed already.
  const shrinks = size <= ip.size;
  if (shrinks) {
    e.beginShrinking();
    const bs = blockSize(size);
    const partial = size % bs;
    const tail = partial !== 0 ? loadBlock(e.blocks, e.cursor, ip, size) : null;
    const first = size <= HBUFSIZE && size > 0 && ip.size > HBUFSIZE ? loadBlock(e.blocks, e.cursor, ip, 0) : null;
    const aligned = size - partial + (partial !== 0 ? bs : 0);
    redoTruncate(e, ip, size);
    e.blocks.dropFrom(ip, aligned);
    if (tail !== null) {
      tail.bytes.fill(0, partial);
      e.blocks.soil(tail);
      e.markDirty(ip, DIRTY_BLOCKS);
    }
    if (first !== null) e.blocks.soil(first);
    // The size first: should this take several groups, the records are behind the end in each of them.
    ip.size = size;
    e.markDirty(ip, DIRTY_INODE);
    truncateRecords(e, ip, aligned);
    if (ip.redoDirty) e.undo.redo(REDO_TERM_TRUNC, ip, aligned, null, 0, 0);
  } else {
    e.beginGrowing(0);
    redoTruncate(e, ip, size);
    ip.size = size;
  }
  ip.mtime = ip.ctime = e.time();
  e.markDirty(ip, DIRTY_INODE);
}
