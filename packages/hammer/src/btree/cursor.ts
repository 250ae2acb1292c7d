// SPDX-License-Identifier: BSD-3-Clause
/**
 * The B-Tree and cursors over it: search, iteration in both directions, as-of lookup.
 *
 * Invariants
 *   C1  After a call that returned true, `words` and `at` address the current element: word `at` of `words` is
 *       its first. They stay valid until the tree is modified or the cursor moved.
 *   C2  A position survives modifications of elements; after one that changed nodes (`tree.shape` moved on) the
 *       cursor must be positioned again.
 *   C3  A call that throws (EIO, EBADCRC, BufferMiss) leaves no position; the next positioning starts at the root.
 *   C4  A cursor is not moved step by step over a trim of the cache, which gives its buffers to others; doing so throws.
 *   C5  No walk is endless: depth is bounded, and a node seen is checked for type and count.
 *
 * Bounds of inner nodes may be tighter than their parent's (gaps); a read simply finds nothing there.
 * Source: DragonFly sys/vfs/hammer/hammer_btree.c, hammer_cursor.c.
 * @module
 */
import type { Buffer, BufferCache } from "../buffer.ts";
import { crcMatches } from "../crc.ts";
import {
  ELM_WORDS as ELM_WORDS_, INTERNAL_ELMS, LEAF_ELMS, NODE_SIZE, TYPE_INTERNAL, TYPE_LEAF, W_COUNT as COUNT_,
  W_CRC, W_DELETE_HI, W_DELETE_LO, W_ELMS as ELMS_, W_SUBTREE_HI as SUBTREE_HI_, W_SUBTREE_LO as SUBTREE_LO_,
  W_TYPE as TYPE_,
} from "../disk/btree.ts";
import { addressOf, BUFMASK, offset64, ZONE_BTREE, zoneOf } from "../disk/offset.ts";
import { VOLUME } from "../disk/volume.ts";
import { HammerError, hex64 } from "../error.ts";
import { cmpKey as cmpKey_, Key, visible as visible_ } from "./key.ts";

const ELM_WORDS = ELM_WORDS_, COUNT = COUNT_, ELMS = ELMS_, TYPE = TYPE_;
const SUBTREE_HI = SUBTREE_HI_, SUBTREE_LO = SUBTREE_LO_, LEAF = TYPE_LEAF;
const cmpKey = cmpKey_, visible = visible_;

/** Deeper than any tree of 2^60 bytes; a deeper one is damage. */
export const MAX_DEPTH = 20;

/** The tree of a file system: its root, and nodes by address. */
export class BTree {
  readonly cache: BufferCache;
  /** Address of the root node. */
  root: number;
  /** Counts changes of the set of nodes (splits, removals, a new root). */
  shape = 0;

  constructor(cache: BufferCache) {
    this.cache = cache;
    const header = cache.volumes.root.view;
    const offset = VOLUME.off.vol0_btree_root;
    this.root = this.nodeAddress(header.getInt32(offset + 4, true), header.getInt32(offset, true), "B-Tree root");
  }

  /** Checks a stored node offset and gives its address. */
  nodeAddress(hi: number, lo: number, what: string): number {
    const address = addressOf(hi, lo);
    if (zoneOf(hi) !== ZONE_BTREE || address < 0 || (lo & (NODE_SIZE - 1)) !== 0)
      throw new HammerError("EIO",
        `${what}: ${hex64((BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0))} is not the offset of a B-Tree node`);
    return address;
  }

  /** Buffer of the node at `address`, its CRC checked. Its first word is `nodeWord(address)`. */
  node(address: number): Buffer {
    const b = this.cache.bread(address, "B-Tree node");
    const bit = 1 << ((address % 16384) >> 12);
    if ((b.checked & bit) === 0) this.#check(b, address, bit);
    return b;
  }

  #check(b: Buffer, address: number, bit: number): void {
    const at = address % 16384;
    const version = this.cache.volumes.version;
    const word = at >> 2;
    const name = `volume ${b.volume.number}: B-Tree node at ${hex64(offset64(ZONE_BTREE, address))}`;
    if (!crcMatches(version, b.words[word + W_CRC]!, b.bytes, at + 4, at + NODE_SIZE))
      throw new HammerError("EBADCRC", `${name} fails its CRC`, { volume: b.volume.number, offset: offset64(ZONE_BTREE, address) });
    const type = b.bytes[at + 20]!, count = b.words[word + COUNT]!;
    const ok = type === TYPE_LEAF ? count >= 0 && count <= LEAF_ELMS
      : type === TYPE_INTERNAL && count >= 1 && count <= INTERNAL_ELMS;
    if (!ok)
      throw new HammerError("EIO", `${name} has type ${type} and count ${count}`,
        { volume: b.volume.number, offset: offset64(ZONE_BTREE, address) });
    b.checked |= bit;
  }
}

/** Word index of the node at `address` in its buffer. */
export function nodeWord(address: number): number {
  return (address & BUFMASK) >> 2;
}

function stale(): Error {
  return new Error("a cursor was moved on although the cache has been trimmed since it was positioned");
}

/** A position in the tree, with the path from the root. */
export class Cursor {
  readonly tree: BTree;
  /** Path: node address, its buffer, its first word, and the slot taken, for levels 0 (root) .. depth. */
  readonly pathAddress: number[] = new Array<number>(MAX_DEPTH).fill(0);
  readonly pathBuffer: Buffer[] = [];
  readonly pathWord: number[] = new Array<number>(MAX_DEPTH).fill(0);
  readonly pathSlot: number[] = new Array<number>(MAX_DEPTH).fill(0);
  /** Level of the leaf. */
  depth = 0;
  /** Words of the leaf's buffer and first word of the current element (invariant C1). */
  words: Int32Array;
  at = 0;
  /** tree.shape and cache.drops when the path was made; -1 without a path. */
  shape = -1;
  #drops = 0;
  #trims = 0;
  readonly #end = new Key();
  readonly #tmp = new Key();
  readonly #before = new Key();
  #asofHi = 0;
  #asofLo = 0;
  #filtered = false;

  constructor(tree: BTree) {
    this.tree = tree;
    this.words = new Int32Array(0);
  }

  /** Buffer that holds the current element. */
  get buffer(): Buffer { return this.pathBuffer[this.depth]!; }

  /**
   * Positions at the first element >= key, or behind the last element of the leaf in which the key would be
   * inserted. Returns true if there is an element at or after the position.
   */
  seek(key: Key): boolean {
    this.descend(key);
    return this.#settle();
  }

  /** Walks down for `key` and leaves the slot at its insertion point, which may be the end of the leaf. */
  descend(key: Key): void {
    if (this.shape === this.tree.shape && this.#drops === this.tree.cache.drops && this.#inLeaf(key)) {
      this.#searchLeaf(key);
      return;
    }
    const tree = this.tree;
    let address = tree.root;
    let level = 0;
    this.shape = -1; // a walk that throws leaves no path
    for (;;) {
      const b = tree.node(address);
      const word = (address & BUFMASK) >> 2;
      const w = b.words;
      this.pathAddress[level] = address;
      this.pathBuffer[level] = b;
      this.pathWord[level] = word;
      if ((w[word + TYPE]! & 0xff) === LEAF) break;
      // Child = last slot whose left bound is <= key, or the first one.
      let lo = 1, hi = w[word + COUNT]!;
      while (lo < hi) {
        const mid = (lo + hi) >> 1;
        if (cmpKey(key, w, word + ELMS + mid * ELM_WORDS) >= 0) lo = mid + 1;
        else hi = mid;
      }
      const slot = lo - 1;
      this.pathSlot[level] = slot;
      const elm = word + ELMS + slot * ELM_WORDS;
      address = tree.nodeAddress(w[elm + SUBTREE_HI]!, w[elm + SUBTREE_LO]!, "B-Tree element");
      if (++level >= MAX_DEPTH) throw this.#tooDeep();
    }
    this.depth = level;
    this.shape = tree.shape;
    this.#drops = tree.cache.drops;
    this.#trims = tree.cache.trims;
    this.#searchLeaf(key);
  }

  #tooDeep(): HammerError {
    return new HammerError("EIO", `B-Tree is more than ${MAX_DEPTH} levels deep: a subtree offset leads back up`);
  }

  /** True if the leaf of the path is the one a search for `key` from the root would reach. */
  #inLeaf(key: Key): boolean {
    const d = this.depth;
    const w = this.pathBuffer[d]!.words, word = this.pathWord[d]!;
    const count = w[word + COUNT]!;
    if (count === 0 || cmpKey(key, w, word + ELMS) < 0) return false;
    if (cmpKey(key, w, word + ELMS + (count - 1) * ELM_WORDS) <= 0) return true;
    if (d === 0) return true;
    const pw = this.pathBuffer[d - 1]!.words, pword = this.pathWord[d - 1]!;
    return cmpKey(key, pw, pword + ELMS + (this.pathSlot[d - 1]! + 1) * ELM_WORDS) < 0;
  }

  #searchLeaf(key: Key): void {
    const d = this.depth;
    const w = this.pathBuffer[d]!.words, word = this.pathWord[d]!;
    let lo = 0, hi = w[word + COUNT]!;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if (cmpKey(key, w, word + ELMS + mid * ELM_WORDS) > 0) lo = mid + 1;
      else hi = mid;
    }
    this.pathSlot[d] = lo;
    this.words = w;
    this.at = word + ELMS + lo * ELM_WORDS;
  }

  /** Moves from the end of a leaf to the next element; false at the end of the tree. */
  #settle(): boolean {
    let d = this.depth;
    const shape = this.shape;
    while (this.pathSlot[d]! >= this.pathBuffer[d]!.words[this.pathWord[d]! + COUNT]!) {
      do {
        if (d === 0) return this.#restoreEnd();
        d--;
      } while (++this.pathSlot[d]! >= this.pathBuffer[d]!.words[this.pathWord[d]! + COUNT]!);
      this.shape = -1;
      this.#down(d, false);
      d = this.depth;
    }
    this.shape = shape;
    this.#load();
    return true;
  }

  /** The climb passed every level's last slot: puts the path back on the last leaf, so that prev works. */
  #restoreEnd(): false {
    // Levels above the last leaf were all moved behind their last slot, in this climb or an earlier one.
    for (let d = 0; d < this.depth; d++) this.pathSlot[d]!--;
    return false;
  }

  /** From the slot at level `d` down to a leaf, at its first or behind its last element. */
  #down(d: number, last: boolean): void {
    const tree = this.tree;
    for (;;) {
      const w = this.pathBuffer[d]!.words;
      const elm = this.pathWord[d]! + ELMS + this.pathSlot[d]! * ELM_WORDS;
      const address = tree.nodeAddress(w[elm + SUBTREE_HI]!, w[elm + SUBTREE_LO]!, "B-Tree element");
      if (++d >= MAX_DEPTH) throw this.#tooDeep();
      const b = tree.node(address);
      const word = (address & BUFMASK) >> 2;
      this.pathAddress[d] = address;
      this.pathBuffer[d] = b;
      this.pathWord[d] = word;
      const count = b.words[word + COUNT]!;
      if ((b.words[word + TYPE]! & 0xff) === LEAF) {
        this.pathSlot[d] = last ? count : 0;
        this.depth = d;
        return;
      }
      this.pathSlot[d] = last ? count - 1 : 0;
    }
  }

  #load(): void {
    const d = this.depth;
    this.words = this.pathBuffer[d]!.words;
    this.at = this.pathWord[d]! + ELMS + this.pathSlot[d]! * ELM_WORDS;
  }

  #forward(): boolean {
    if (this.#trims !== this.tree.cache.trims) throw stale();
    this.pathSlot[this.depth]!++;
    return this.#settle();
  }

  /** To the previous element; false at the beginning, in which case the position is lost. The caller checks the order (C5). */
  prev(): boolean {
    if (this.#trims !== this.tree.cache.trims) throw stale();
    let d = this.depth;
    const shape = this.shape;
    while (this.pathSlot[d]! === 0) {
      this.shape = -1;
      do {
        if (d === 0) return false;
        d--;
      } while (this.pathSlot[d]! === 0);
      this.pathSlot[d]!--;
      this.#down(d, true);
      d = this.depth;
    }
    this.shape = shape;
    this.pathSlot[d]!--;
    this.#load();
    return true;
  }

  /**
   * Finds the version of a record that is visible as of a TID (all ones: now). `key`'s create_tid is ignored.
   * Returns false if there is none; then the position means nothing.
   */
  lookup(key: Key, asofHi: number, asofLo: number): boolean {
    // Versions of one record are neighbours in ascending create_tid, and at most one is visible: it is the last
    // one created at or before the TID. Nodes may separate versions, so the walk back crosses them.
    const k = this.#tmp.copy(key);
    k.tidHi = 0;
    k.tidLo = 0;
    if (asofHi !== -1 || asofLo !== -1) {
      k.tidLo = (asofLo + 1) | 0;
      k.tidHi = k.tidLo === 0 ? (asofHi + 1) | 0 : asofHi;
    }
    this.descend(k);
    const d = this.depth;
    const w = this.words;
    const before = this.at - ELM_WORDS;
    if (this.pathSlot[d]! > 0) {
      const r = cmpKey(k, w, before);
      if (r > 1) return false;
      if (visible(w, before, asofHi, asofLo)) {
        this.pathSlot[d]!--;
        this.at = before;
        return true;
      }
    }
    while (this.prev()) {
      const r = cmpKey(k, this.words, this.at);
      if (r > 1) return false;
      // Older and older versions, and nothing else, lie before the position (C5).
      if (r <= 0) throw this.outOfOrder();
      if (visible(this.words, this.at, asofHi, asofLo)) return true;
      k.load(this.words, this.at);
    }
    return false;
  }

  /**
   * Starts a scan over [begin, end] (both inclusive, create_tids ignored) of elements visible as of a TID, and
   * goes to the first. Returns false if there is none.
   */
  first(begin: Key, end: Key, asofHi: number, asofLo: number): boolean {
    this.#filtered = true;
    this.#asofHi = asofHi;
    this.#asofLo = asofLo;
    return this.#begin(begin, end);
  }

  /** As first, for every element in the range, dead or alive. */
  firstAny(begin: Key, end: Key): boolean {
    this.#filtered = false;
    return this.#begin(begin, end);
  }

  #begin(begin: Key, end: Key): boolean {
    const k = this.#tmp.copy(begin);
    k.tidHi = 0;
    k.tidLo = 1;
    this.#end.copy(end).setTid(0, 0);
    if (!this.seek(k)) return false;
    if (cmpKey(k, this.words, this.at) > 0) throw this.outOfOrder();
    return this.#accept();
  }

  /** Next element of the scan begun by first or firstAny. */
  nextInRange(): boolean {
    return this.next() && this.#accept();
  }

  /**
   * From an element to the next; false at the end of the tree. Its key must be greater: in a damaged tree, where elements
   * may lead back to where the walk has been, this is what ends it (C5). Throws EIO for one that is not.
   */
  next(): boolean {
    const before = this.#before.load(this.words, this.at);
    if (!this.#forward()) return false;
    if (cmpKey(before, this.words, this.at) >= 0) throw this.outOfOrder();
    return true;
  }

  /** The error of a walk that meets a key where it cannot be (C5). */
  outOfOrder(): HammerError {
    const address = this.pathAddress[this.depth]!;
    return new HammerError("EIO", `B-Tree node at ${hex64(offset64(ZONE_BTREE, address))}: elements are out of order`,
      { offset: offset64(ZONE_BTREE, address) });
  }

  #accept(): boolean {
    do {
      if (cmpKey(this.#end, this.words, this.at) < 0) return false;
      if (!this.#filtered || visible(this.words, this.at, this.#asofHi, this.#asofLo)) return true;
    } while (this.next());
    return false;
  }

  /** True if the current element has no delete_tid. */
  get live(): boolean {
    return (this.words[this.at + W_DELETE_HI]! | this.words[this.at + W_DELETE_LO]!) === 0;
  }
}
