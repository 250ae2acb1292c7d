// SPDX-License-Identifier: BSD-3-Clause
/**
 * Applying a mirror stream to a slave: `hammer mirror-write`.
 *
 * Two cursors go through the same key space: the stream's and the target's. What the target has between two records of the
 * stream, live and older than the range, is gone on the source and is marked deleted as of the range's end. Elements are
 * never changed but for their delete_tid.
 *
 * Invariants
 *   W1  A record is applied only after it was found whole and in its place: records ascend, carry TIDs of the range, and
 *       their data has the CRC their element claims. At the first that fails, all ends; none behind it is applied.
 *   W2  Whatever prefix of a stream was applied, users of the slave see what they saw before, as of its sync_end_tid;
 *       the whole pass is durable before sync_end_tid moves to its end. A stream that stopped anywhere is repeated from
 *       sync_end_tid + 1 and does no harm.
 *   W3  TIDs and object ids of this file system stay above all that came with the stream.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_mirror.c, hammer_object.c (hammer_create_at_cursor, hammer_delete_at_cursor);
 * sbin/hammer/cmd_mirror.c.
 * @module
 */
import { updatePfs } from "../admin/pfs.ts";
import { Cursor } from "../btree/cursor.ts";
import { cmpKey, cmpU64, hi32, Key, lo32 } from "../btree/key.ts";
import { crc32, crc32c, crcFor } from "../crc.ts";
import { dataZone } from "../blockmap.ts";
import {
  BUFMASK, BUFSIZE, DIRENTRY_DATA, DIRENTRY_NAME, ELM_SIZE, ELM_WORDS, INODE_CRC_SIZE, INODE_DATA, MRECORD_PFS, MRECORD_REC,
  MRECORD_SKIP, PFS_DATA, REC_CONFIG, REC_DATA, REC_DB, REC_DIRENTRY, REC_INODE, TYPE_RECORD, W_CREATE_HI, W_CREATE_LO,
  W_DATA_CRC, W_DATA_LEN, W_DELETE_HI, W_DELETE_LO, W_DELETE_TS, W_LOCALIZATION, W_OBJ_HI, W_OBJ_LO,
  W_TYPES, ZONE_LARGE_DATA, ZONE_META, ZONE_SMALL_DATA, uuidText,
} from "../disk/index.ts";
import { HammerError, hex64, isBufferMiss } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import { countInodes } from "../object/inode-sync.ts";
import { findPfs, type PfsInfo } from "../pfs.ts";
import type { Engine } from "../transaction.ts";
import {
  FLAG_CRC_ERROR, FLAG_NODATA, MirrorParser, PFSD_VERSION, TYPE_IDLE, TYPE_PASS, TYPE_PFSD, TYPE_REC, TYPE_SKIP, TYPE_SYNC, TYPE_TERM,
  type MirrorRecord,
} from "./stream.ts";

/** What one pass brought. */
export interface MirrorPass {
  /** TIDs from which on the source has full history, and up to which the pass brings the slave. */
  tidBeg: bigint;
  tidEnd: bigint;
  /** Elements inserted, and their data in bytes. */
  inserted: number;
  bytes: number;
  /** Elements marked deleted. */
  deleted: number;
  /** Records whose data the source could not read whole; they were left out. */
  damaged: number;
  /** True if the source had nothing new. */
  idle: boolean;
}

/** Where a stream goes. */
export interface MirrorWriteOptions {
  /** The slave; or how to find or make it, given the source's shared UUID. */
  pfs: number | ((sharedUuid: string) => number);
  /** Called after each pass, which is durable then. */
  onPass?: (pass: MirrorPass) => void;
}

/** Records between two looks at the size of the cache. */
const TRIM_EVERY = 64;
/** TIDs and object ids above this cannot be written; see Engine. */
const TID_LIMIT = BigInt(Number.MAX_SAFE_INTEGER - 2 ** 33);
const PFS_BITS = 0xffff_0000 | 0;
const LOW_BITS = 0xffff;

/** One pass being applied. */
class Pass {
  readonly result: MirrorPass;
  readonly #m: HammerMount;
  readonly #e: Engine;
  readonly #loc: number;
  readonly #cursor: Cursor;
  readonly #endHi: number;
  readonly #endLo: number;
  /** Everything before this key is done; the element that has it, too, if #behind. */
  readonly #position = new Key();
  #behind = false;
  readonly #key = new Key();
  readonly #element = new Int32Array(ELM_WORDS);
  readonly #elementBytes = new Uint8Array(this.#element.buffer);
  #applied = 0;

  constructor(m: HammerMount, pfs: number, tidBeg: bigint, tidEnd: bigint) {
    this.#m = m;
    this.#e = m.engine();
    this.#loc = pfs << 16;
    this.#cursor = new Cursor(m.tree);
    this.#endHi = hi32(tidEnd);
    this.#endLo = lo32(tidEnd);
    this.#position.set(this.#loc, -0x8000_0000, 0, 0, -0x8000_0000, 0);
    this.result = { tidBeg, tidEnd, inserted: 0, bytes: 0, deleted: 0, damaged: 0, idle: false };
  }

  /** Applies a REC, PASS or SKIP record. Throws EINVAL or EBADCRC by way of `fail`, ENOSPC, EIO, BufferMiss. */
  apply(r: MirrorRecord, fail: (code: "EINVAL" | "EBADCRC", why: string) => HammerError): void {
    if (r.type === TYPE_SKIP) this.#skip(r, fail);
    else this.#record(r, fail);
    if (++this.#applied % TRIM_EVERY === 0) this.#m.cache.trim();
  }

  /** Loads the element at `at` of the record, relocated into the slave. */
  #load(r: MirrorRecord, at: number, bytes: number): Int32Array {
    this.#element.fill(0);
    this.#elementBytes.set(r.bytes.subarray(at, at + bytes));
    const w = this.#element;
    w[W_LOCALIZATION] = (w[W_LOCALIZATION]! & LOW_BITS) | this.#loc;
    return w;
  }

  /** True if `key` comes before what is done already. */
  #early(key: Key): boolean {
    const w = new Int32Array(ELM_WORDS);
    key.store(w, 0, 0, 0);
    const r = cmpKey(this.#position, w, 0);
    return this.#behind ? r >= 0 : r > 0;
  }

  #skip(r: MirrorRecord, fail: (code: "EINVAL", why: string) => HammerError): void {
    const begin = new Key().load(this.#load(r, MRECORD_SKIP.off.skip_beg, 40), 0);
    const end = new Key().load(this.#load(r, MRECORD_SKIP.off.skip_end, 40), 0);
    // A range may begin at the very record that came before it.
    const w = new Int32Array(ELM_WORDS);
    begin.store(w, 0, 0, 0);
    if (cmpKey(this.#position, w, 0) > 0 || cmpKey(end, w, 0) < 0) throw fail("EINVAL", "is out of order");
    this.#deleteTo(begin);
    this.#position.copy(end);
    this.#behind = false;
  }

  #record(r: MirrorRecord, fail: (code: "EINVAL" | "EBADCRC", why: string) => HammerError): void {
    const w = this.#load(r, MRECORD_REC.off.leaf, ELM_SIZE);
    const key = this.#key.load(w, 0);
    this.#checkElement(r, w, fail);
    if (this.#early(key)) throw fail("EINVAL", "is out of order");
    const type = w[W_TYPES]! & 0xffff;
    const hasData = r.type === TYPE_REC && (r.flags & (FLAG_CRC_ERROR | FLAG_NODATA)) === 0;
    const data = hasData ? this.#data(r, w, fail) : null;
    this.#deleteTo(key);
    if (type !== REC_CONFIG) {
      if (this.#find(key)) this.#update(w);
      else if (data !== null && cmpU64(w[W_CREATE_HI]!, w[W_CREATE_LO]!, hi32(this.result.tidBeg), lo32(this.result.tidBeg)) >= 0)
        this.#insert(key, w, data);
      else if (r.type === TYPE_REC && data === null) this.result.damaged++;
    }
    this.#position.copy(key);
    this.#behind = true;
  }

  #checkElement(r: MirrorRecord, w: Int32Array, fail: (code: "EINVAL", why: string) => HammerError): void {
    const length = w[W_DATA_LEN]!;
    const createHi = w[W_CREATE_HI]!, createLo = w[W_CREATE_LO]!, deleteHi = w[W_DELETE_HI]!, deleteLo = w[W_DELETE_LO]!;
    if (w[W_TYPES]! >>> 24 !== TYPE_RECORD) throw fail("EINVAL", "holds no record element");
    if ((createHi | createLo) === 0 || cmpU64(createHi, createLo, this.#endHi, this.#endLo) > 0)
      throw fail("EINVAL", "was created outside the range of the pass");
    if ((deleteHi | deleteLo) !== 0 && cmpU64(deleteHi, deleteLo, createHi, createLo) <= 0)
      throw fail("EINVAL", "was deleted before it was created");
    if (r.type === TYPE_REC && (r.flags & FLAG_NODATA) === 0 && (length < 0 || length > r.bytes.length - MRECORD_REC.size))
      throw fail("EINVAL", `claims ${length} bytes of data`);
  }

  /** The record's data, checked, as it is to be stored; the element's CRC is made right. */
  #data(r: MirrorRecord, w: Int32Array, fail: (code: "EINVAL" | "EBADCRC", why: string) => HammerError): Uint8Array {
    const type = w[W_TYPES]! & 0xffff;
    const data = r.bytes.slice(MRECORD_REC.size, MRECORD_REC.size + w[W_DATA_LEN]!);
    const isFileData = type === REC_DATA || type === REC_DB;
    if (!isFileData && data.length > BUFSIZE) throw fail("EINVAL", `of type ${type.toString(16)} has ${data.length} bytes of data`);
    if (type === REC_DIRENTRY && data.length <= DIRENTRY_NAME) throw fail("EINVAL", "is a directory entry without a name");
    const covered = type !== REC_INODE ? data.length : data.length === INODE_DATA.size ? INODE_CRC_SIZE : 0;
    const stored = w[W_DATA_CRC]! >>> 0;
    if (data.length > 0 && crc32(data, 0, covered) !== stored && crc32c(data, 0, covered) !== stored)
      throw fail("EBADCRC", "has data that fail their CRC");
    let remake = this.#m.version < 7; // CRC-32C is unknown there
    if (type === REC_DIRENTRY) {
      const view = new DataView(data.buffer);
      remake ||= view.getInt32(DIRENTRY_DATA.off.localization, true) !== this.#loc;
      view.setInt32(DIRENTRY_DATA.off.localization, this.#loc, true);
    }
    if (remake && data.length > 0) w[W_DATA_CRC] = crcFor(this.#m.version)(data, 0, covered);
    return data;
  }

  /** Puts the cursor on the element with exactly this key. */
  #find(key: Key): boolean {
    const cur = this.#cursor;
    return cur.seek(key) && cmpKey(key, cur.words, cur.at) === 0;
  }

  /** Marks deleted what is live and older than the range's end, from the position up to, not including, `to`. */
  #deleteTo(to: Key): void {
    const cur = this.#cursor;
    if (!cur.seek(this.#position)) return;
    if (this.#behind && cmpKey(this.#position, cur.words, cur.at) === 0 && !cur.next()) return;
    for (let seen = 1; cmpKey(to, cur.words, cur.at) > 0; seen++) {
      const w = cur.words, at = cur.at;
      if (cur.live && (w[at + W_TYPES]! & 0xffff) !== REC_CONFIG && (w[at + W_LOCALIZATION]! & PFS_BITS) === this.#loc
        && cmpU64(w[at + W_CREATE_HI]!, w[at + W_CREATE_LO]!, this.#endHi, this.#endLo) < 0) {
        this.#position.load(w, at);
        this.#behind = true;
        this.#change();
        if (!this.#find(this.#position)) throw new HammerError("EIO", "an element of the slave is lost");
        this.#delete(this.#endHi, this.#endLo, 0);
      }
      if (seen % TRIM_EVERY === 0) {
        this.#position.load(cur.words, cur.at);
        this.#behind = true;
        this.#m.cache.trim();
        if (!this.#find(this.#position)) throw new HammerError("EIO", "an element of the slave is lost");
      }
      if (!cur.next()) return;
    }
  }

  /** Opens a group, or another one if the open one is full. The cursor has to be positioned again. */
  #change(bytes = -1): void {
    if (bytes < 0) this.#e.begin();
    else this.#e.beginGrowing(bytes);
  }

  /** A live element whose deletion the stream tells of. */
  #update(w: Int32Array): void {
    const hi = w[W_DELETE_HI]!, lo = w[W_DELETE_LO]!;
    const cur = this.#cursor;
    if ((hi | lo) === 0 || (cur.words[cur.at + W_DELETE_HI] === hi && cur.words[cur.at + W_DELETE_LO] === lo)) return;
    this.#change();
    if (!this.#find(this.#key)) throw new HammerError("EIO", "an element of the slave is lost");
    this.#delete(hi, lo, w[W_DELETE_TS]!);
  }

  /** Marks the current element deleted; `seconds` 0 is now. */
  #delete(hi: number, lo: number, seconds: number): void {
    const cur = this.#cursor, e = this.#e;
    const live = cur.live;
    if ((cur.words[cur.at + W_TYPES]! & 0xffff) === REC_INODE && live) countInodes(e, -1);
    e.writer.deleteAt(cur, hi, lo, seconds === 0 ? e.writer.seconds : seconds);
    this.#raiseTid(hi, lo);
    if (live) this.result.deleted++;
  }

  #insert(key: Key, w: Int32Array, data: Uint8Array): void {
    const e = this.#e;
    this.#change(data.length);
    const type = w[W_TYPES]! & 0xffff;
    const zone = type === REC_DATA || type === REC_DB ? dataZone(data.length) : ZONE_META;
    if ((w[W_DELETE_HI]! | w[W_DELETE_LO]!) === 0) w[W_DELETE_TS] = 0; // what was deleted behind the range still has its time
    let address = 0;
    if (data.length > 0) {
      e.freemap.prepare(zone);
      e.prepareInsert(key);
      if (zone === ZONE_LARGE_DATA) {
        address = e.freemap.alloc(zone, data.length);
        this.#write(address, data);
      } else {
        const b = e.freemap.allocBuffered(zone === ZONE_META ? ZONE_META : ZONE_SMALL_DATA, data.length);
        address = e.freemap.allocatedAt;
        b.bytes.set(data, address & BUFMASK);
      }
    } else {
      e.prepareInsert(key);
    }
    e.writer.insertElement(e.writeCursor, key, w, data.length > 0 ? zone : 0, address);
    if (type === REC_INODE && (w[W_DELETE_HI]! | w[W_DELETE_LO]!) === 0) countInodes(e, 1);
    this.#raiseTid(w[W_CREATE_HI]!, w[W_CREATE_LO]!);
    this.#raiseTid(w[W_DELETE_HI]!, w[W_DELETE_LO]!);
    if (w[W_OBJ_HI]! >= 0) this.#raiseTid(w[W_OBJ_HI]!, w[W_OBJ_LO]!);
    this.result.inserted++;
    this.result.bytes += data.length;
  }

  /** Writes data to space just allocated. After a failure the space is lost track of, so nothing more may be flushed. */
  #write(address: number, data: Uint8Array): void {
    try {
      this.#e.volumes.write(address, data, "mirrored data");
    } catch (error) {
      this.#e.noteFailure(error);
      throw error;
    }
  }

  /** Invariant W3. */
  #raiseTid(hi: number, lo: number): void {
    const tid = (hi >>> 0) * 4294967296 + (lo >>> 0);
    if (tid > this.#e.nextTid) this.#e.nextTid = tid;
  }

  /** The end of a pass: what the slave has behind the last record is gone on the source; then the commit (W2). */
  commit(pfs: number): void {
    this.#deleteTo(new Key().set(this.#loc | LOW_BITS, 0x7fff_ffff, -1, 0xffff, 0x7fff_ffff, -1).setTid(0, 0));
    this.#raiseTid(this.#endHi, this.#endLo);
    this.#e.flush();
    updatePfs(this.#m, pfs, { syncEndTid: this.result.tidEnd });
    this.#m.cache.trim();
  }

  /** What was applied stays, and becomes durable with what is flushed next. */
  abandon(): void { this.#m.cache.trim(); }
}

/**
 * Receives a stream of any number of passes, in pieces: feed, then step until it returns false. After a BufferMiss the step
 * is repeated; after any other error the receiver takes nothing more, and mirroring is to be resumed at the slave's
 * sync_end_tid + 1.
 */
export class MirrorReceiver {
  readonly passes: MirrorPass[] = [];
  /** True once a TERM record has ended the stream. */
  ended = false;
  /** True if that was in the middle of a pass, which then was not committed. */
  interrupted = false;
  readonly #m: HammerMount;
  readonly #options: MirrorWriteOptions;
  readonly #parser = new MirrorParser();
  #pfs = -1;
  #pass: Pass | null = null;
  #failure: unknown = null;

  /** Throws EROFS on a read-only mount. */
  constructor(m: HammerMount, options: MirrorWriteOptions) {
    this.#m = m;
    this.#options = options;
    m.engine();
  }

  /** Bytes of the stream that were applied. */
  get position(): number { return this.#parser.position; }

  feed(piece: Uint8Array): void {
    if (this.#failure !== null) throw this.#failure;
    this.#parser.feed(piece);
  }

  /**
   * Applies the next record; false if it has not arrived in full. Throws EINVAL or EBADCRC (the stream, W1), EPERM (the target
   * is no slave, or of another source), ENOENT, EBUSY, ENOSPC, ERANGE, EIO, BufferMiss.
   */
  step(): boolean {
    if (this.#failure !== null) throw this.#failure;
    try {
      const r = this.ended ? null : this.#parser.peek();
      if (r === null) return false;
      this.#handle(r);
      this.#parser.take();
      return true;
    } catch (e) {
      if (!isBufferMiss(e)) {
        this.#failure = e;
        this.#pass?.abandon();
        this.#pass = null;
      }
      throw e;
    }
  }

  /** No more will come. Throws EIO if the stream ended in the middle of a pass. */
  end(): MirrorPass[] {
    if (this.#failure !== null) throw this.#failure;
    if (!this.ended && (this.#parser.pending || this.#pass !== null || this.#pfs >= 0)) {
      this.#pass?.abandon();
      this.#pass = null;
      throw (this.#failure = this.#parser.error("EIO", "is missing: the stream was cut short; mirroring can be resumed"));
    }
    return this.passes;
  }

  #handle(r: MirrorRecord): void {
    const fail = (code: "EINVAL" | "EBADCRC" | "EPERM" | "ERANGE", why: string): HammerError => this.#parser.error(code, why);
    if (this.#pfs < 0) {
      if (r.type === TYPE_TERM) {
        this.ended = true;
        return;
      }
      if (r.type !== TYPE_PFSD) throw fail("EINVAL", `is of type ${r.type} where the description of the source belongs`);
      this.#pfs = this.#target(r);
      return;
    }
    if (this.#pass === null) {
      this.#begin(r, fail);
      return;
    }
    switch (r.type) {
      case TYPE_REC: case TYPE_PASS: case TYPE_SKIP:
        this.#pass.apply(r, fail);
        return;
      case TYPE_SYNC:
        this.#pass.commit(this.#pfs);
        break;
      case TYPE_IDLE:
        this.#pass.result.idle = true;
        break;
      case TYPE_TERM:
        // The source was told to end in the middle: the pass is not committed, and will be repeated.
        this.#pass.abandon();
        this.#pass = null;
        this.#pfs = -1;
        this.ended = true;
        this.interrupted = true;
        return;
      default:
        throw fail("EINVAL", `is of type ${r.type} in the middle of a pass`);
    }
    const { result } = this.#pass;
    this.passes.push(result);
    this.#pass = null;
    this.#pfs = -1;
    this.#options.onPass?.(result);
  }

  #target(r: MirrorRecord): number {
    const { pfs } = this.#options;
    return typeof pfs === "number" ? pfs : pfs(uuidText(this.#source(r).shared_uuid));
  }

  #source(r: MirrorRecord): ReturnType<typeof PFS_DATA.read> {
    const version = r.view.getUint32(MRECORD_PFS.off.version, true);
    if (version !== PFSD_VERSION) throw this.#parser.error("EINVAL", `describes the source in version ${version}; ${PFSD_VERSION} is known`);
    return PFS_DATA.read(r.view, MRECORD_PFS.off.pfsd);
  }

  #begin(r: MirrorRecord, fail: (code: "EINVAL" | "EPERM" | "ERANGE", why: string) => HammerError): void {
    if (r.type !== TYPE_PFSD) throw fail("EINVAL", `is of type ${r.type} where the range of the pass belongs`);
    const { sync_beg_tid: tidBeg, sync_end_tid: tidEnd, shared_uuid: shared } = this.#source(r);
    if (tidEnd > TID_LIMIT) throw fail("ERANGE", `says that the pass ends at ${hex64(tidEnd)}, which is out of range`);
    const info = slaveInfo(this.#m, this.#pfs);
    if (uuidText(shared) !== info.sharedUuid)
      throw fail("EPERM", `comes from a PFS with shared-uuid ${uuidText(shared)}; that of PFS #${info.id} is ${info.sharedUuid}`);
    forgetPresent(this.#m, this.#pfs);
    this.#pass = new Pass(this.#m, this.#pfs, tidBeg, tidEnd);
  }
}

/** The PFS, which must be a slave. Throws ENOENT, EPERM. */
export function slaveInfo(m: HammerMount, pfs: number): PfsInfo {
  const info = findPfs(m.cursor, pfs, m.info().nextTid);
  if (info === null) throw new HammerError("ENOENT", `there is no PFS #${pfs}`);
  if (!info.slave) throw new HammerError("EPERM", `PFS #${pfs} is a master: only a slave can be mirrored to`);
  return info;
}

/** Forgets objects of a slave that are remembered as of the present, which is about to change. Throws EBUSY if one is in use. */
function forgetPresent(m: HammerMount, pfs: number): void {
  for (const ip of [...m.inodes.values()]) {
    if (ip.pfs !== pfs || (ip.historical && ip.refs > 0)) continue;
    if (ip.refs > 0) throw new HammerError("EBUSY", `PFS #${pfs}: object ${hex64(ip.objId)} is in use as of the present`, { objId: ip.objId });
    m.inodes.remove(ip);
    m.blocks.forget(ip);
  }
}

/** Applies a whole stream. Throws what step and end throw. */
export function mirrorWrite(m: HammerMount, stream: Iterable<Uint8Array>, options: MirrorWriteOptions): MirrorPass[] {
  const receiver = new MirrorReceiver(m, options);
  for (const piece of stream) {
    receiver.feed(piece);
    while (receiver.step());
  }
  return receiver.end();
}
