// SPDX-License-Identifier: BSD-3-Clause
/**
 * The state of a file system mounted for writing: the open flush group, its TID, what is dirty.
 *
 * Modifications go straight to the B-Tree in the buffer cache, so a cursor always sees the present; INODE records
 * and file data follow at the flush. All of a flush group carries one TID.
 *
 * Invariants
 *   E1  The open TID is above every TID and object id on disk; vol0_next_tid is raised past both by each flush. All groups of a
 *       replay of REDO share one, also beyond a crash: what one of them writes and a later one replaces leaves no history.
 *   E2  After a device error during a flush nothing is written any more: every later change fails with EIO until
 *       the file system is mounted again, which recovers the last durable state.
 *   E3  Before an operation begins, the flush group is closed if the operation could outgrow the cache, or the
 *       UNDO of the group the ring.
 *   E4  An operation that may need space starts only if what is dirty could be written with space to spare.
 * @module
 */
import { Freemap } from "./blockmap.ts";
import { type BTree, Cursor } from "./btree/cursor.ts";
import type { Key } from "./btree/key.ts";
import { TreeWriter } from "./btree/modify.ts";
import type { BufferCache } from "./buffer.ts";
import { BIGBLOCK_SIZE, BUFSIZE, ZONE_BTREE, ZONE_META } from "./disk/offset.ts";
import { SF_NOHISTORY, UF_NOHISTORY } from "./disk/inode.ts";
import { VOLUME } from "./disk/volume.ts";
import { HammerError, isBufferMiss, isHammerError } from "./error.ts";
import { commitSpan, flushGroup } from "./flusher.ts";
import { DIRTY_BLOCKS, DIRTY_NEW } from "./object/dirty.ts";
import { BlockCache, writeBlocks } from "./object/file.ts";
import { destroyInode } from "./object/inode-sync.ts";
import type { HammerInode, InodeTable } from "./object/inode.ts";
import type { Volumes } from "./io.ts";
import { UndoWriter, type ReplayNeeds } from "./undo.ts";

/** Dirty file data that makes an operation write it out first, at most; half of the cache, if that is less. */
const DIRTY_DATA_MAX = 32 << 20;
const DIRTY_DATA_MIN = 1 << 20;
/** UNDO of one dirty buffer at worst: 35 lines and pads. */
const UNDO_PER_BUFFER = 20480;
/** UNDO that writing one INODE record or file block will take at worst: a node, and fields of those above it. */
const UNDO_PER_RECORD = 5120;
/** REDO between two fsyncs of a file, at most (vfs.hammer.limit_redo), and as a share of the ring; then fsync flushes again. */
const REDO_MAX = 4 << 20;
const REDO_SHARE = 1 / 8;
/** An object's record, its entry and a share of the nodes above them. */
const BYTES_PER_INODE = 1024;
/** Object ids are drawn from the TID counter this many at a time. */
const OBJID_BATCH = 1024;
/** Big-blocks that data and new objects leave to removals, which need space too: history grows. */
const SLOP_WRITE = 3;
/** The same for a replay of what had been accepted with that much to spare; it may take more, having more groups. */
const SLOP_REPLAY = 1;
const TWO32 = 4294967296;

/** What a mount hands to the writing side. */
export interface EngineParts {
  volumes: Volumes;
  cache: BufferCache;
  tree: BTree;
  inodes: InodeTable;
  /** Microseconds since 1970. */
  now(): bigint;
  noHistory: boolean;
  cacheBytes: number;
  /** Where the UNDO FIFO goes on: span and sequence number. */
  undo: { first: number; last: number; nextSeq: number };
}

/** The writing side of a mounted file system. */
export class Engine {
  readonly volumes: Volumes;
  readonly cache: BufferCache;
  readonly tree: BTree;
  readonly inodes: InodeTable;
  readonly freemap: Freemap;
  readonly writer: TreeWriter;
  readonly undo: UndoWriter;
  readonly blocks: BlockCache;
  /** For lookups inside operations; writing has its own, so that its position survives them. */
  readonly cursor: Cursor;
  readonly writeCursor: Cursor;
  readonly noHistory: boolean;
  readonly #clock: () => bigint;
  /** Next value of the TID counter. */
  nextTid: number;
  /** True between the first modification of a flush group and its flush. */
  open = false;
  readonly dirtyInodes = new Set<HammerInode>();
  /** Objects without links or references whose end could not be completed when the last reference went. */
  readonly orphans = new Set<HammerInode>();
  /** First error of a flush (E2). */
  failure: unknown = null;
  /** How many of dirtyInodes have no record yet; theirs go to fresh nodes and take no UNDO to speak of. */
  #newInodes = 0;
  #objIdNext = 0;
  #objIdEnd = 0;
  readonly #bufferLimit: number;
  readonly #dirtyDataLimit: number;
  readonly redoLimit: number;

  constructor(parts: EngineParts) {
    this.volumes = parts.volumes;
    this.cache = parts.cache;
    this.tree = parts.tree;
    this.inodes = parts.inodes;
    this.noHistory = parts.noHistory;
    this.#clock = parts.now;
    this.freemap = new Freemap(this.cache);
    this.writer = new TreeWriter(this.tree, this.freemap);
    this.undo = new UndoWriter(this.volumes, parts.undo.first, parts.undo.last, parts.undo.nextSeq);
    this.blocks = new BlockCache(parts.cacheBytes);
    this.cursor = new Cursor(this.tree);
    this.writeCursor = new Cursor(this.tree);
    this.#bufferLimit = Math.max(64, Math.floor(parts.cacheBytes / 2 / BUFSIZE));
    this.#dirtyDataLimit = Math.min(DIRTY_DATA_MAX, Math.max(DIRTY_DATA_MIN, parts.cacheBytes / 2));
    this.redoLimit = Math.min(REDO_MAX, this.undo.size * REDO_SHARE);
    const next = this.volumes.root.view.getBigUint64(VOLUME.off.vol0_next_tid, true);
    if (next > BigInt(Number.MAX_SAFE_INTEGER - TWO32))
      throw new HammerError("ERANGE", `vol0_next_tid is ${next}: beyond 2^53 a file system can only be mounted read-only`);
    this.nextTid = Number(next);
  }

  /** Microseconds since 1970. */
  time(): number { return Number(this.#clock()); }

  /** True if deleted records of this object are kept. */
  keepsHistory(ip: HammerInode): boolean {
    return !this.noHistory && (ip.uflags & (UF_NOHISTORY | SF_NOHISTORY)) === 0;
  }

  /**
   * Begins an operation that will modify something: closes the group if it is full (E3) and opens one if none is.
   * Throws EIO after a failed flush (E2).
   */
  begin(): void {
    if (this.failure !== null) throw this.#failed();
    this.relieve();
    this.#openGroup();
    if (this.orphans.size > 0) this.#reap();
  }

  #reap(): void {
    for (const ip of this.orphans) {
      destroyInode(this, ip);
      this.orphans.delete(ip);
    }
  }

  /** As begin, for operations that add data: throws ENOSPC if they could leave too little (E4). */
  beginGrowing(bytes: number): void {
    this.begin();
    if (this.#scarce(bytes)) {
      // Flushing turns estimates into facts and releases big-blocks that were freed.
      this.flush();
      this.#openGroup();
      if (this.#scarce(bytes))
        throw new HammerError("ENOSPC", `${this.volumes.root.device.name}: file system is full: ${this.freemap.freeBigblocks} big-blocks are free`);
    }
  }

  #scarce(bytes: number): boolean {
    const pending = this.blocks.dirtyBytes + this.dirtyInodes.size * BYTES_PER_INODE + bytes;
    return this.freemap.freeBigblocks - Math.ceil(pending / BIGBLOCK_SIZE) < (this.undo.replayTid !== 0 ? SLOP_REPLAY : SLOP_WRITE);
  }

  /** As begin, for removals, which need a little space for history. */
  beginShrinking(): void {
    this.begin();
    if (this.freemap.freeBigblocks > 0) return;
    const need = BYTES_PER_INODE * (this.dirtyInodes.size + 64);
    if (this.freemap.roomIn(ZONE_BTREE) < need || this.freemap.roomIn(ZONE_META) < need) {
      this.flush();
      this.#openGroup();
      if (this.freemap.freeBigblocks === 0 && (this.freemap.roomIn(ZONE_BTREE) < need || this.freemap.roomIn(ZONE_META) < need))
        throw new HammerError("ENOSPC", `${this.volumes.root.device.name}: no space left even for removals, which record history`);
    }
  }

  /** Closes the flush group if it is near its limits (E3). Between operations only. */
  relieve(): void {
    if (this.blocks.dirtyBytes > this.#dirtyDataLimit || this.blocks.dirtyCount * UNDO_PER_RECORD > this.undo.groupRoom / 4) this.writeAllBlocks();
    if (this.groupIsFull()) this.flush();
  }

  /** True if the open group should be closed before much more is added to it. */
  groupIsFull(): boolean {
    return this.cache.dirty.length >= this.#bufferLimit || this.cache.undoable * UNDO_PER_BUFFER
      + (this.dirtyInodes.size - this.#newInodes + this.blocks.dirtyCount) * UNDO_PER_RECORD > this.undo.groupRoom;
  }

  /** Closes the group in the middle of a long operation, which goes on in the next one. */
  continueInNewGroup(): void {
    this.flush();
    this.#openGroup();
  }

  #openGroup(): void {
    if (this.open) return;
    this.undo.prepare();
    const tid = this.undo.replayTid === 0 ? this.#newTid() : this.undo.replayTid;
    this.writer.tidHi = Math.floor(tid / TWO32) | 0;
    this.writer.tidLo = tid | 0;
    this.writer.seconds = Math.floor(this.time() / 1e6) | 0;
    this.open = true;
  }

  /** Master 0: multiples of 16. */
  #newTid(): number {
    this.nextTid = Math.floor(this.nextTid / 16) * 16 + 16;
    return this.nextTid;
  }

  /** Begins a replay of REDO records; undo.endReplay() ends it. Throws what writing throws. */
  beginReplay(needs: ReplayNeeds): void {
    const goesOn = needs.tid > 0 && needs.tid <= this.nextTid;
    this.undo.beginReplay({ ...needs, tid: goesOn ? needs.tid : this.#newTid() }, () => commitSpan(this));
  }

  #failed(): HammerError {
    return new HammerError("EIO", `${this.volumes.root.device.name}: an earlier write failed; mount again to recover`, { cause: this.failure });
  }

  /** A new object id, never used before. */
  newObjId(): number {
    if (this.#objIdNext === this.#objIdEnd) {
      this.#objIdNext = Math.floor(this.nextTid / OBJID_BATCH) * OBJID_BATCH + OBJID_BATCH;
      this.#objIdEnd = this.#objIdNext + OBJID_BATCH;
      this.nextTid = this.#objIdEnd;
    }
    return this.#objIdNext++;
  }

  /** Makes sure that inserting `key`, whose data is small, throws neither BufferMiss nor ENOSPC. */
  prepareInsert(key: Key): void {
    this.freemap.prepare(ZONE_META);
    this.freemap.prepare(ZONE_BTREE);
    this.writer.prepare(this.writeCursor, key);
    this.freemap.prepare(ZONE_BTREE); // a split moved on
  }

  /** Notes that the next flush has to write something of `ip`. */
  markDirty(ip: HammerInode, bits: number): void {
    if (ip.dirty === 0) this.dirtyInodes.add(ip);
    if ((bits & DIRTY_NEW) !== 0) this.#newInodes++;
    ip.dirty |= bits;
  }

  /** Nothing of `ip` is left to write. */
  markClean(ip: HammerInode): void {
    if ((ip.dirty & DIRTY_NEW) !== 0) this.#newInodes--;
    ip.dirty = 0;
    this.dirtyInodes.delete(ip);
  }

  /** Writes dirty file blocks to fresh space and files them in the tree; not durable yet. */
  writeAllBlocks(): void {
    this.#openGroup();
    try {
      for (const ip of this.dirtyInodes) {
        if ((ip.dirty & DIRTY_BLOCKS) !== 0) writeBlocks(this, ip);
      }
    } catch (error) {
      this.noteFailure(error);
      throw error;
    }
  }

  /** Takes note of an error while file data or INODE records were being written (E2); some can be tried again. */
  noteFailure(error: unknown): void {
    if (!isBufferMiss(error) && !isHammerError(error, "ENOSPC")) this.failure = error;
  }

  /**
   * Writes what the FIFO gathered, and waits for it if `wait`: what REDO records tell of is durable then. Throws EIO or what the
   * device threw; after that nothing can be changed (E2).
   */
  flushRedo(wait: boolean): void {
    if (this.failure !== null) throw this.#failed();
    try {
      if (this.undo.write() && wait) this.volumes.flush();
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }

  /** Makes everything durable. Throws EIO or what the device threw; after that nothing can be changed (E2). */
  flush(): void {
    if (this.failure !== null) throw this.#failed();
    if (!this.open && this.dirtyInodes.size === 0 && this.undo.first === this.undo.next) return;
    this.#openGroup();
    flushGroup(this);
    this.open = false;
  }
}
