// SPDX-License-Identifier: BSD-3-Clause
/**
 * Changes of the B-Tree: insert, split, delete, removal of empty nodes, mirror_tid.
 *
 * Invariants
 *   T1  Elements ascend, lie within the bounds of the parent's slot; all leaves are equally deep; parent pointers
 *       are right after every call.
 *   T2  mirror_tid of a node is never below that of anything under it.
 *   T3  No element is ever stored with create_tid == delete_tid: what this flush group created is removed, not marked.
 *   T4  A call that throws for want of space or of a buffer has changed nothing that a reader could see.
 *
 * Node CRCs are computed by the flusher; `Buffer.checked` says that a node in memory is good, `Buffer.nodes` which
 * nodes need a new CRC.
 * Source: DragonFly sys/vfs/hammer/hammer_btree.c, hammer_object.c.
 * @module
 */
import type { Freemap } from "../blockmap.ts";
import type { Buffer } from "../buffer.ts";
import {
  ELM_WORDS, INTERNAL_ELMS, LEAF_ELMS, NODE_SIZE, TYPE_DELETED, TYPE_INTERNAL, TYPE_LEAF, TYPE_RECORD, W_COUNT,
  W_CREATE_HI, W_CREATE_LO, W_CREATE_TS, W_DATA_CRC, W_DATA_HI, W_DATA_LEN, W_DATA_LO, W_DELETE_HI, W_DELETE_LO,
  W_DELETE_TS, W_ELMS, W_MIRROR_HI, W_MIRROR_LO, W_NODE_MIRROR_HI, W_NODE_MIRROR_LO, W_PARENT_HI, W_PARENT_LO,
  W_SUBTREE_HI, W_SUBTREE_LO, W_TYPE, W_TYPES,
} from "../disk/btree.ts";
import { addressOf, offset64, offsetHi, offsetLo, ZONE_BTREE, zoneOf } from "../disk/offset.ts";
import { VOLUME } from "../disk/volume.ts";
import { type BTree, type Cursor, nodeWord } from "./cursor.ts";
import { cmpKey, cmpU64, Key, makeSeparator } from "./key.ts";

const BASE_WORDS = 10;
const LEAF_FULL = LEAF_ELMS, INTERNAL_FULL = INTERNAL_ELMS;

/** Least and greatest key: the bounds of the whole tree. */
const TREE_LEFT = new Key().set(0, -2147483648, 0, 0, -2147483648, 0);
const TREE_RIGHT = new Key().set(-1, 0x7fff_ffff, -1, 0xffff, 0x7fff_ffff, -1).setTid(-1, -1);

/** Writes to the tree of a file system, under one TID at a time. */
export class TreeWriter {
  readonly tree: BTree;
  readonly #freemap: Freemap;
  /** TID of the open flush group, and its time in seconds. */
  tidHi = 0;
  tidLo = 0;
  seconds = 0;
  readonly #left = new Key();
  readonly #right = new Key();
  readonly #separator = new Key();

  constructor(tree: BTree, freemap: Freemap) {
    this.tree = tree;
    this.#freemap = freemap;
  }

  /** To be called before words of the node at word `word` of `b` change. */
  touch(b: Buffer, word: number): void {
    this.tree.cache.modify(b);
    b.nodes |= 1 << (word >> 10);
  }

  /**
   * Inserts a leaf element with `key`, whose create_tid is set to the open TID. `cur` is positioned at it.
   * The identical key must not exist. Throws ENOSPC.
   */
  insert(
    cur: Cursor, key: Key, objType: number, dataZone: number, dataAddress: number, dataLength: number, dataCrc: number,
  ): void {
    key.setTid(this.tidHi, this.tidLo);
    this.#makeRoom(cur, key, 1);
    const d = cur.depth;
    const b = cur.pathBuffer[d]!;
    const word = cur.pathWord[d]!;
    this.touch(b, word);
    const w = b.words;
    const count = w[word + W_COUNT]!;
    const at = cur.at;
    const end = word + W_ELMS + count * ELM_WORDS;
    if (at < end) w.copyWithin(at + ELM_WORDS, at, end);
    w[word + W_COUNT] = count + 1;
    key.store(w, at, objType, TYPE_RECORD);
    w[at + W_CREATE_TS] = this.seconds;
    w[at + W_DELETE_TS] = 0;
    w[at + W_DATA_HI] = offsetHi(dataZone, dataAddress);
    w[at + W_DATA_LO] = offsetLo(dataAddress);
    w[at + W_DATA_LEN] = dataLength;
    w[at + W_DATA_CRC] = dataCrc;
    this.raiseMirror(cur);
  }

  /**
   * Inserts a leaf element that comes from elsewhere, with its own TIDs: the 16 words of `element`, whose key is `key`, with
   * its data at `dataAddress` (zone 0: none). The identical key must not exist. Throws ENOSPC.
   */
  insertElement(cur: Cursor, key: Key, element: Int32Array, dataZone: number, dataAddress: number): void {
    this.#makeRoom(cur, key, 1);
    const d = cur.depth, word = cur.pathWord[d]!, b = cur.pathBuffer[d]!, w = b.words;
    this.touch(b, word);
    const count = w[word + W_COUNT]!, at = cur.at;
    w.copyWithin(at + ELM_WORDS, at, word + W_ELMS + count * ELM_WORDS);
    w[word + W_COUNT] = count + 1;
    for (let i = 0; i < ELM_WORDS; i++) w[at + i] = element[i]!;
    w[at + W_DATA_HI] = dataZone === 0 ? 0 : offsetHi(dataZone, dataAddress);
    w[at + W_DATA_LO] = dataZone === 0 ? 0 : offsetLo(dataAddress);
    this.#raiseMirrorTo(cur, w[at + W_CREATE_HI]!, w[at + W_CREATE_LO]!);
    this.#raiseMirrorTo(cur, w[at + W_DELETE_HI]!, w[at + W_DELETE_LO]!);
  }

  /** Marks the current element deleted as of a TID other than the open one. */
  deleteAt(cur: Cursor, tidHi: number, tidLo: number, seconds: number): void {
    this.touch(cur.buffer, cur.pathWord[cur.depth]!);
    const w = cur.words, at = cur.at;
    w[at + W_DELETE_HI] = tidHi;
    w[at + W_DELETE_LO] = tidLo;
    w[at + W_DELETE_TS] = seconds;
    this.#raiseMirrorTo(cur, tidHi, tidLo);
  }

  /**
   * Reads and splits what inserting `key` and a neighbour of it will need, so that the inserts themselves throw
   * neither BufferMiss nor ENOSPC. Changes nothing that a reader could see, and may be repeated.
   */
  prepare(cur: Cursor, key: Key): void {
    this.#makeRoom(cur, key, 2);
  }

  /** Descends to the leaf for `key` and splits what is full, so that `slots` elements can be inserted at `cur`. */
  #makeRoom(cur: Cursor, key: Key, slots: number): void {
    for (;;) {
      cur.descend(key);
      const d = cur.depth;
      const b = cur.pathBuffer[d]!;
      if (b.words[cur.pathWord[d]! + W_COUNT]! + slots <= LEAF_FULL) {
        if (cur.pathSlot[d] === 0 || cur.at === cur.pathWord[d]! + W_ELMS + b.words[cur.pathWord[d]! + W_COUNT]! * ELM_WORDS)
          this.#closeGaps(cur, key);
        return;
      }
      // Split the highest node whose parent has room (or the root), then look again.
      let level = d;
      while (level > 0 && cur.pathBuffer[level - 1]!.words[cur.pathWord[level - 1]! + W_COUNT]! >= INTERNAL_FULL) level--;
      if (level === 0) this.#growRoot();
      else this.#split(cur, level);
    }
  }

  /** Widens inner nodes on the path whose own bounds are tighter than their parent's and exclude `key`. */
  #closeGaps(cur: Cursor, key: Key): void {
    for (let level = 1; level < cur.depth; level++) {
      const b = cur.pathBuffer[level]!, word = cur.pathWord[level]!, w = b.words;
      const parent = cur.pathBuffer[level - 1]!.words;
      const slot = cur.pathWord[level - 1]! + W_ELMS + cur.pathSlot[level - 1]! * ELM_WORDS;
      const first = word + W_ELMS;
      const boundary = first + w[word + W_COUNT]! * ELM_WORDS;
      if (cmpKey(key, w, first) < 0) {
        this.touch(b, word);
        this.#copyBound(w, first, parent, slot);
      } else if (cmpKey(key, w, boundary) >= 0) {
        this.touch(b, word);
        this.#copyBound(w, boundary, parent, slot + ELM_WORDS);
      }
    }
  }

  /** Copies an element base but keeps the type of child (btype). */
  #copyBound(w: Int32Array, at: number, from: Int32Array, fromAt: number): void {
    const btype = w[at + W_TYPES]! & 0xff00_0000;
    for (let i = 0; i < BASE_WORDS; i++) w[at + i] = from[fromAt + i]!;
    w[at + W_TYPES] = (w[at + W_TYPES]! & 0x00ff_ffff) | btype;
  }

  /** Allocates a node, zeroed, and returns its address; its buffer is modified and at hand in the cache. */
  allocNode(type: number): number {
    const b = this.#freemap.allocBuffered(ZONE_BTREE, NODE_SIZE);
    const address = this.#freemap.allocatedAt;
    const word = nodeWord(address);
    b.words.fill(0, word, word + NODE_SIZE / 4);
    b.words[word + W_TYPE] = type;
    b.checked |= 1 << (word >> 10);
    b.nodes |= 1 << (word >> 10);
    return address;
  }

  /** Puts a new root with one child above the root. */
  #growRoot(): void {
    const tree = this.tree;
    const oldAddress = tree.root;
    const old = tree.node(oldAddress);
    const oldWord = nodeWord(oldAddress);
    const address = this.allocNode(TYPE_INTERNAL);
    const b = tree.node(address), w = b.words, word = nodeWord(address);
    const first = word + W_ELMS;
    const mirrorHi = old.words[oldWord + W_NODE_MIRROR_HI]!, mirrorLo = old.words[oldWord + W_NODE_MIRROR_LO]!;
    w[word + W_COUNT] = 1;
    w[word + W_NODE_MIRROR_HI] = mirrorHi;
    w[word + W_NODE_MIRROR_LO] = mirrorLo;
    TREE_LEFT.store(w, first, 0, old.words[oldWord + W_TYPE]! & 0xff);
    w[first + W_DELETE_LO] = 1;
    this.#pointAt(w, first, oldAddress, mirrorHi, mirrorLo);
    TREE_RIGHT.store(w, first + ELM_WORDS, 0, 0);
    this.touch(old, oldWord);
    this.setParent(old.words, oldWord, address);
    this.setRoot(address);
  }

  #pointAt(w: Int32Array, elm: number, child: number, mirrorHi: number, mirrorLo: number): void {
    w[elm + W_MIRROR_HI] = mirrorHi;
    w[elm + W_MIRROR_LO] = mirrorLo;
    w[elm + W_SUBTREE_HI] = offsetHi(ZONE_BTREE, child);
    w[elm + W_SUBTREE_LO] = offsetLo(child);
  }

  /** Makes `parent` the parent of the node at word `word` of a touched buffer. */
  setParent(w: Int32Array, word: number, parent: number): void {
    w[word + W_PARENT_HI] = offsetHi(ZONE_BTREE, parent);
    w[word + W_PARENT_LO] = offsetLo(parent);
  }

  /** Makes the node at `address` the root. */
  setRoot(address: number): void {
    this.tree.root = address;
    this.tree.shape++;
    this.tree.cache.volumes.root.view.setBigUint64(VOLUME.off.vol0_btree_root, offset64(ZONE_BTREE, address), true);
  }

  /** Splits the full (or nearly full) node at `level` of the path; its parent has room. */
  #split(cur: Cursor, level: number): void {
    const tree = this.tree;
    const b = cur.pathBuffer[level]!, word = cur.pathWord[level]!, w = b.words;
    const count = w[word + W_COUNT]!;
    const type = w[word + W_TYPE]! & 0xff;
    const internal = type === TYPE_INTERNAL;
    const slot = cur.pathSlot[level]!;
    // Appending at the end leaves the left node fuller: such inserts seldom come back to it.
    let split = slot >= (internal ? count - 1 : count) ? ((count + 1) * 3) >> 2 : (count + 1) >> 1;
    if (internal && slot <= split) split--;
    const from = word + W_ELMS + split * ELM_WORDS;
    const moved = count - split;
    // Everything that has to be read is read, and space is allocated, before anything changes (T4).
    if (internal) for (let i = 0; i < moved; i++) this.#child(w, from + i * ELM_WORDS);
    const address = this.allocNode(type);
    const nb = tree.node(address), nw = nb.words, nword = nodeWord(address);
    const first = nword + W_ELMS;
    const parentAddress = cur.pathAddress[level - 1]!;
    const pb = cur.pathBuffer[level - 1]!, pword = cur.pathWord[level - 1]!, pw = pb.words;
    const mirrorHi = w[word + W_NODE_MIRROR_HI]!, mirrorLo = w[word + W_NODE_MIRROR_LO]!;

    this.touch(b, word);
    this.touch(pb, pword);
    nw[nword + W_COUNT] = moved;
    nw[nword + W_NODE_MIRROR_HI] = mirrorHi;
    nw[nword + W_NODE_MIRROR_LO] = mirrorLo;
    this.setParent(nw, nword, parentAddress);
    const words = (moved + (internal ? 1 : 0)) * ELM_WORDS;
    for (let i = 0; i < words; i++) nw[first + i] = w[from + i]!;
    const separator = this.#separator;
    if (internal) {
      separator.load(w, from);
      w[from + W_TYPES] = w[from + W_TYPES]! & 0x00ff_ffff;
      w[from + W_SUBTREE_HI] = 0;
      w[from + W_SUBTREE_LO] = 0;
      for (let i = 0; i < moved; i++) {
        const childAddress = this.#child(nw, first + i * ELM_WORDS);
        const cb = tree.node(childAddress), cword = nodeWord(childAddress);
        this.touch(cb, cword);
        this.setParent(cb.words, cword, address);
      }
    } else {
      makeSeparator(this.#left.load(w, from - ELM_WORDS), this.#right.load(w, from), separator);
    }
    w[word + W_COUNT] = split;

    const pcount = pw[pword + W_COUNT]!;
    const elm = pword + W_ELMS + (cur.pathSlot[level - 1]! + 1) * ELM_WORDS;
    pw.copyWithin(elm + ELM_WORDS, elm, pword + W_ELMS + (pcount + 1) * ELM_WORDS);
    separator.store(pw, elm, 0, type);
    this.#pointAt(pw, elm, address, mirrorHi, mirrorLo);
    pw[elm + W_MIRROR_LO + 4] = 0;
    pw[elm + W_MIRROR_LO + 5] = 0;
    pw[pword + W_COUNT] = pcount + 1;
    tree.shape++;
  }

  /** Address of the child of an internal element, its node loaded and checked. */
  #child(w: Int32Array, elm: number): number {
    const address = this.tree.nodeAddress(w[elm + W_SUBTREE_HI]!, w[elm + W_SUBTREE_LO]!, "B-Tree element");
    this.tree.node(address);
    return address;
  }

  /** True if the current element was created in the open flush group. */
  isFresh(cur: Cursor): boolean {
    return cur.words[cur.at + W_CREATE_HI] === this.tidHi && cur.words[cur.at + W_CREATE_LO] === this.tidLo;
  }

  /** Sets the data CRC of the current element. */
  setDataCrc(cur: Cursor, crc: number): void {
    this.touch(cur.buffer, cur.pathWord[cur.depth]!);
    cur.words[cur.at + W_DATA_CRC] = crc;
  }

  /** Takes back the deletion of the current element. mirror_tid stays: it tells mirrors to look here again. */
  restore(cur: Cursor): void {
    this.touch(cur.buffer, cur.pathWord[cur.depth]!);
    const w = cur.words, at = cur.at;
    w[at + W_DELETE_HI] = 0;
    w[at + W_DELETE_LO] = 0;
    w[at + W_DELETE_TS] = 0;
  }

  /** Says where the data of the current element lies from now on, its CRC, and its length where that changes. Allocation and freeing are the caller's. */
  relocate(cur: Cursor, dataZone: number, dataAddress: number, dataCrc: number, dataLength = cur.words[cur.at + W_DATA_LEN]!): void {
    this.touch(cur.buffer, cur.pathWord[cur.depth]!);
    const w = cur.words, at = cur.at;
    w[at + W_DATA_HI] = offsetHi(dataZone, dataAddress);
    w[at + W_DATA_LO] = offsetLo(dataAddress);
    w[at + W_DATA_LEN] = dataLength;
    w[at + W_DATA_CRC] = dataCrc;
  }

  /**
   * Deletes the current (live) element: marks it with the open TID, or, without history or if this flush group
   * created it, removes it and frees its data. Returns true if it was removed, in which case the cursor must be
   * positioned again.
   */
  delete(cur: Cursor, history: boolean): boolean {
    if (history && !this.isFresh(cur)) {
      this.touch(cur.buffer, cur.pathWord[cur.depth]!);
      const w = cur.words, at = cur.at;
      w[at + W_DELETE_HI] = this.tidHi;
      w[at + W_DELETE_LO] = this.tidLo;
      w[at + W_DELETE_TS] = this.seconds;
      this.raiseMirror(cur);
      return false;
    }
    if (!this.isFresh(cur)) {
      // What mirrors go by has to grow even though the element itself disappears.
      this.touch(cur.buffer, cur.pathWord[cur.depth]!);
      this.raiseMirror(cur);
    }
    this.destroy(cur);
    return true;
  }

  /**
   * Removes the current element for good and frees its data. The cursor must be positioned again. Returns the bytes
   * this gave back: its data's and those of nodes that became empty.
   */
  destroy(cur: Cursor): number {
    const w = cur.words, at = cur.at;
    const hi = w[at + W_DATA_HI]!, lo = w[at + W_DATA_LO]!;
    if ((hi | lo) !== 0) this.#freemap.free(zoneOf(hi), addressOf(hi, lo), w[at + W_DATA_LEN]!);
    const d = cur.depth, word = cur.pathWord[d]!;
    this.touch(cur.buffer, word);
    const count = w[word + W_COUNT]! - 1;
    const length = (hi | lo) === 0 ? 0 : w[at + W_DATA_LEN]!;
    w.copyWithin(at, at + ELM_WORDS, word + W_ELMS + (count + 1) * ELM_WORDS);
    w[word + W_COUNT] = count;
    return count === 0 && d > 0 ? length + this.#removeEmpty(cur) * NODE_SIZE : length;
  }

  /** Takes the empty leaf of the path out of the tree, with ancestors that had nothing else below them; returns how many nodes. */
  #removeEmpty(cur: Cursor): number {
    let level = cur.depth;
    while (level > 0 && cur.pathBuffer[level - 1]!.words[cur.pathWord[level - 1]! + W_COUNT] === 1) level--;
    if (level === 0) {
      const root = cur.pathBuffer[0]!, word = cur.pathWord[0]!;
      this.touch(root, word);
      root.words[word + W_COUNT] = 0;
      root.words[word + W_TYPE] = (root.words[word + W_TYPE]! & ~0xff) | TYPE_LEAF;
      level = 1;
    } else {
      this.#dropSlot(cur.pathBuffer[level - 1]!, cur.pathWord[level - 1]!, cur.pathSlot[level - 1]!);
    }
    for (let l = level; l <= cur.depth; l++) this.discardNode(cur.pathBuffer[l]!, cur.pathWord[l]!, cur.pathAddress[l]!);
    this.tree.shape++;
    return cur.depth - level + 1;
  }

  /** Frees a node nothing refers to any more. */
  discardNode(b: Buffer, word: number, address: number): void {
    this.touch(b, word);
    b.words[word + W_COUNT] = 0;
    b.words[word + W_TYPE] = (b.words[word + W_TYPE]! & ~0xff) | TYPE_DELETED;
    b.checked &= ~(1 << (word >> 10));
    this.#freemap.free(ZONE_BTREE, address, NODE_SIZE);
  }

  /** Addresses of the children of an internal node, all loaded and checked; none of a leaf. */
  childrenOf(b: Buffer, word: number): number[] {
    const w = b.words;
    if ((w[word + W_TYPE]! & 0xff) !== TYPE_INTERNAL) return [];
    return Array.from({ length: w[word + W_COUNT]! }, (_, i) => this.#child(w, word + W_ELMS + i * ELM_WORDS));
  }

  /** Makes the slot taken at a level of the path refer to another node, a copy of the one it referred to. */
  repoint(cur: Cursor, level: number, child: number): void {
    const b = cur.pathBuffer[level]!, word = cur.pathWord[level]!;
    this.touch(b, word);
    const elm = word + W_ELMS + cur.pathSlot[level]! * ELM_WORDS;
    b.words[elm + W_SUBTREE_HI] = offsetHi(ZONE_BTREE, child);
    b.words[elm + W_SUBTREE_LO] = offsetLo(child);
  }

  /** Drops a slot of an internal node with others; a neighbour inherits its mirror_tid and, to the left, its range. */
  #dropSlot(b: Buffer, word: number, slot: number): void {
    this.touch(b, word);
    const w = b.words;
    const count = w[word + W_COUNT]!;
    const elm = word + W_ELMS + slot * ELM_WORDS;
    const neighbour = slot > 0 ? elm - ELM_WORDS : elm + ELM_WORDS;
    if (cmpU64(w[neighbour + W_MIRROR_HI]!, w[neighbour + W_MIRROR_LO]!, w[elm + W_MIRROR_HI]!, w[elm + W_MIRROR_LO]!) < 0) {
      w[neighbour + W_MIRROR_HI] = w[elm + W_MIRROR_HI]!;
      w[neighbour + W_MIRROR_LO] = w[elm + W_MIRROR_LO]!;
    }
    w.copyWithin(elm, elm + ELM_WORDS, word + W_ELMS + (count + 1) * ELM_WORDS);
    w[word + W_COUNT] = count - 1;
  }

  /** Raises mirror_tid to the open TID from the current leaf up to where it already is (T2). */
  raiseMirror(cur: Cursor): void { this.#raiseMirrorTo(cur, this.tidHi, this.tidLo); }

  #raiseMirrorTo(cur: Cursor, hi: number, lo: number): void {
    let d = cur.depth;
    let b = cur.pathBuffer[d]!, word = cur.pathWord[d]!;
    for (;;) {
      const w = b.words;
      if (cmpU64(w[word + W_NODE_MIRROR_HI]!, w[word + W_NODE_MIRROR_LO]!, hi, lo) >= 0) return;
      this.touch(b, word);
      w[word + W_NODE_MIRROR_HI] = hi;
      w[word + W_NODE_MIRROR_LO] = lo;
      if (d-- === 0) return;
      b = cur.pathBuffer[d]!;
      word = cur.pathWord[d]!;
      const elm = word + W_ELMS + cur.pathSlot[d]! * ELM_WORDS;
      if (cmpU64(b.words[elm + W_MIRROR_HI]!, b.words[elm + W_MIRROR_LO]!, hi, lo) >= 0) return;
      this.touch(b, word);
      b.words[elm + W_MIRROR_HI] = hi;
      b.words[elm + W_MIRROR_LO] = lo;
    }
  }
}

