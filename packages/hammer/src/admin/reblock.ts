// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reblocking: moves what lies in thinly used big-blocks to fresh space, so that whole big-blocks become free.
 *
 * Invariants
 *   R1  Data is copied byte for byte after its CRC was found right; the element's CRC is computed anew with the
 *       version's function. Damaged data is left where it is and counted.
 *   R2  A node is copied, then its parent's (or the root header's) reference and its children's parent references
 *       follow, all in one flush group.
 *   R3  Data that several elements share is moved once for each of them: sharing ends.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_reblock.c.
 * @module
 */
import { Key } from "../btree/key.ts";
import { crcFor, crcMatches } from "../crc.ts";
import { nodeWord, type Cursor } from "../btree/cursor.ts";
import {
  addressOf, BIGBLOCK_SIZE, BUFMASK, BUFSIZE, INODE_CRC_SIZE, INODE_DATA, REC_CONFIG, REC_DATA, REC_DB, REC_DIRENTRY,
  REC_EXT, REC_FIX, REC_INODE, REC_PFS, REC_SNAPSHOT, volumeOf, W_DATA_CRC, W_DATA_HI, W_DATA_LEN, W_DATA_LO,
  W_LOCALIZATION, W_TYPES, ZONE_BTREE, ZONE_LARGE_DATA, ZONE_META, ZONE_SMALL_DATA, zoneOf, NODE_SIZE,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import type { Engine } from "../transaction.ts";
import { keyOf, Pace, positionOf, rangeBegin, seekBehind, seekExactly, type ScanOptions, type ScanOutcome } from "./scan.ts";

/** Kinds of things to move. */
export type ReblockKind = "btree" | "inodes" | "dirs" | "data";

/** How to reblock. */
export interface ReblockOptions extends ScanOptions {
  /** Big-blocks filled to this percentage or more are left alone; 100, the default, moves everything that is not full. */
  fill?: number;
  /** What to move; default everything. */
  kinds?: readonly ReblockKind[];
  /** All pseudo file systems. Default false. */
  allPfs?: boolean;
  /** Move only what lies on this volume. */
  volume?: number;
  /** Only count what would be moved. Default false. */
  dryRun?: boolean;
}

/** What reblocking did; the counters of the original. */
export interface ReblockResult extends ScanOutcome {
  nodes: number;
  nodesMoved: number;
  elements: number;
  elementsMoved: number;
  bytes: number;
  bytesMoved: number;
  /** Elements left in place because their data fails its CRC or cannot be found. */
  damaged: number;
}

/** Big-blocks that have to stay free for others, unless fill is 20 % or less: an emergency. */
const SLOP = 4;
const SLOP_EMERGENCY = 1;

function kindOf(recType: number): ReblockKind | null {
  switch (recType) {
    case REC_INODE: case REC_SNAPSHOT: case REC_CONFIG: return "inodes";
    case REC_EXT: case REC_FIX: case REC_PFS: case REC_DIRENTRY: return "dirs";
    case REC_DATA: case REC_DB: return "data";
    default: return null;
  }
}

/** One run of reblocking. */
class Reblocker {
  readonly #e: Engine;
  readonly #pace: Pace;
  readonly #cur: Cursor;
  readonly #level: number;
  readonly #slop: number;
  readonly #kinds: ReadonlySet<ReblockKind>;
  readonly #volume: number;
  readonly #dryRun: boolean;
  readonly #staging = new Uint8Array(BIGBLOCK_SIZE >> 7);
  readonly result: ReblockResult = {
    nodes: 0, nodesMoved: 0, elements: 0, elementsMoved: 0, bytes: 0, bytesMoved: 0, damaged: 0, stoppedAt: null,
  };

  constructor(m: HammerMount, options: ReblockOptions) {
    const fill = options.fill ?? 100;
    if (!(fill >= 0 && fill <= 100)) throw new HammerError("EINVAL", `a fill level of ${fill} %`);
    this.#e = m.engine();
    this.#pace = new Pace(this.#e, m.tree, options);
    this.#cur = this.#pace.cursor;
    this.#level = Math.floor((100 - fill) * BIGBLOCK_SIZE / 100);
    this.#slop = fill <= 20 ? SLOP_EMERGENCY : SLOP;
    this.#kinds = new Set(options.kinds ?? ["btree", "inodes", "dirs", "data"]);
    this.#volume = options.volume ?? -1;
    this.#dryRun = options.dryRun ?? false;
  }

  /** Whether what lies at an address of a zone is to be moved. */
  #wanted(zone: number, address: number): boolean {
    const freemap = this.#e.freemap;
    const free = freemap.bytesFree(zone, address);
    return free >= this.#level && (this.#level === 0 || !freemap.isFilling(zone, address));
  }

  /** Makes sure that there is space to move things into; flushing releases big-blocks. */
  #checkSpace(): void {
    const { freemap } = this.#e;
    if (freemap.freeBigblocks >= this.#slop) return;
    this.#e.flush();
    if (freemap.freeBigblocks < this.#slop)
      throw new HammerError("ENOSPC", `reblocking needs ${this.#slop} free big-blocks, there are ${freemap.freeBigblocks}: prune first, or give a lower fill level`);
  }

  run(options: ReblockOptions): ReblockResult {
    const cur = this.#cur, pace = this.#pace;
    const at = new Key().copy(options.resume ? keyOf(options.resume) : rangeBegin(options.allPfs ? 0 : options.pfs ?? 0));
    const limit = options.allPfs ? 0xffff_ffff : (((options.pfs ?? 0) << 16) | 0xffff) >>> 0;
    /** Addresses that nodes of the path had when they were last looked at: each is looked at once. */
    const seen: number[] = [];
    let positioned = cur.seek(at);
    while (positioned) {
      if ((cur.words[cur.at + W_LOCALIZATION]! >>> 0) > limit) break;
      at.load(cur.words, cur.at);
      let moved = false;
      if (this.#kinds.has("btree")) moved = this.#nodes(at, seen);
      moved = this.#data(at) || moved;
      const again = pace.between();
      positioned = moved || again ? seekBehind(cur, at) : cur.next();
      if (pace.stopped && positioned) {
        this.result.stoppedAt = positionOf(at.load(cur.words, cur.at));
        break;
      }
    }
    pace.finish();
    return this.result;
  }

  /** Moves the nodes of the path that were not looked at before. Returns true if the cursor is on new ground. */
  #nodes(at: Key, seen: number[]): boolean {
    const cur = this.#cur;
    let moved = false;
    for (let level = cur.depth; level >= 0; level--) {
      const address = cur.pathAddress[level]!;
      if (seen[level] === address) break; // and so all above it
      seen[level] = address;
      if (this.#volume >= 0 && volumeOf(address) !== this.#volume) continue;
      this.result.nodes++;
      if (!this.#wanted(ZONE_BTREE, address)) continue;
      this.result.nodesMoved++;
      if (this.#dryRun) continue;
      this.#checkSpace();
      this.#pace.change();
      seekExactly(cur, at);
      seen[level] = moveNode(this.#e, cur, level);
      moved = true;
      if (!seekExactly(cur, at)) throw new HammerError("EIO", "an element disappeared while its node was being moved");
    }
    return moved;
  }

  /** Moves the data of the element with this key, on which the cursor stands. */
  #data(at: Key): boolean {
    const cur = this.#cur;
    let w = cur.words, elm = cur.at;
    const kind = kindOf(w[elm + W_TYPES]! & 0xffff);
    const hi = w[elm + W_DATA_HI]!, lo = w[elm + W_DATA_LO]!;
    if (kind === null || !this.#kinds.has(kind) || (hi | lo) === 0) return false;
    const zone = zoneOf(hi), from = addressOf(hi, lo), length = w[elm + W_DATA_LEN]!;
    if (this.#volume >= 0 && volumeOf(from) !== this.#volume) return false;
    this.result.elements++;
    this.result.bytes += length;
    if (zone !== ZONE_META && zone !== ZONE_SMALL_DATA && zone !== ZONE_LARGE_DATA) {
      this.result.damaged++;
      return false;
    }
    if (!this.#wanted(zone, from)) return false;
    const isInode = kind === "inodes" && (w[elm + W_TYPES]! & 0xffff) === REC_INODE;
    const covered = isInode ? (length === INODE_DATA.size ? INODE_CRC_SIZE : 0) : length;
    const data = this.#read(zone, from, length);
    if (data === null || !crcMatches(this.#e.volumes.version, w[elm + W_DATA_CRC]!, data, 0, covered)) {
      this.result.damaged++;
      return false;
    }
    this.result.elementsMoved++;
    this.result.bytesMoved += length;
    if (this.#dryRun) return false;
    this.#checkSpace();
    this.#pace.change();
    if (!seekExactly(cur, at)) throw new HammerError("EIO", "an element disappeared while its data was being moved");
    w = cur.words;
    elm = cur.at;
    const e = this.#e;
    const crc = crcFor(e.volumes.version)(data, 0, covered);
    let to: number;
    if (zone === ZONE_LARGE_DATA) {
      to = e.freemap.alloc(zone, length);
      e.volumes.write(to, data, "file data");
    } else {
      const b = e.freemap.allocBuffered(zone, length);
      to = e.freemap.allocatedAt;
      b.bytes.set(data, to & BUFMASK);
    }
    e.freemap.free(zone, from, length);
    e.writer.relocate(cur, zone, to, crc);
    return true;
  }

  /** A copy of a record's data; null if no such record can be. */
  #read(zone: number, from: number, length: number): Uint8Array | null {
    if (length <= 0 || length > this.#staging.length) return null;
    const data = this.#staging.subarray(0, length);
    if (zone === ZONE_LARGE_DATA) {
      this.#e.volumes.read(from, data, "file data");
      return data;
    }
    const within = from & BUFMASK;
    if (within + length > BUFSIZE) return null;
    data.set(this.#e.cache.bread(from, "data being moved").bytes.subarray(within, within + length));
    return data;
  }
}

/** Copies the node at a level of the path to fresh space and makes everything refer to it (R2). Returns its new address. */
function moveNode(e: Engine, cur: Cursor, level: number): number {
  const { tree } = cur;
  const from = cur.pathAddress[level]!;
  const old = cur.pathBuffer[level]!, oldWord = cur.pathWord[level]!;
  const children = e.writer.childrenOf(old, oldWord); // everything is read before anything changes
  const type = old.bytes[oldWord * 4 + 20]!;
  const to = e.writer.allocNode(type);
  const b = tree.node(to), word = nodeWord(to);
  b.words.set(old.words.subarray(oldWord, oldWord + NODE_SIZE / 4), word);
  for (const child of children) {
    const c = tree.node(child);
    e.writer.touch(c, nodeWord(child));
    e.writer.setParent(c.words, nodeWord(child), to);
  }
  if (level === 0) e.writer.setRoot(to);
  else e.writer.repoint(cur, level - 1, to);
  e.writer.discardNode(old, oldWord, from);
  tree.shape++;
  return to;
}

/**
 * Reblocks. Throws ENOSPC, EROFS, EINVAL, EIO, EBADCRC (B-Tree), BufferMiss; what was done until then stays done, and
 * another run goes on.
 */
export function reblock(m: HammerMount, options: ReblockOptions = {}): ReblockResult {
  return new Reblocker(m, options).run(options);
}
