// SPDX-License-Identifier: BSD-3-Clause
/**
 * Rebalancing: packs the elements of neighbouring B-Tree nodes until each holds about as many as asked for, and frees
 * the nodes that become empty. From the leaves up.
 *
 * Invariants
 *   B1  The elements of a level, in order, are the same before and after; only where one node ends and the next begins
 *       changes. New limits between children are the keys of the elements there, which separate what lies on both sides.
 *   B2  One internal node with all its children is packed within one flush group, after everything it takes was read.
 *   B3  mirror_tid of a child is that of the greatest of the nodes its elements came from.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_rebalance.c.
 * @module
 */
import { MAX_DEPTH, nodeWord, type Cursor } from "../btree/cursor.ts";
import { cmpKey, cmpU64, Key } from "../btree/key.ts";
import {
  ELM_WORDS, INTERNAL_ELMS, TYPE_INTERNAL, W_COUNT, W_ELMS, W_LOCALIZATION, W_MIRROR_HI, W_MIRROR_LO, W_NODE_MIRROR_HI,
  W_NODE_MIRROR_LO, W_SUBTREE_HI, W_SUBTREE_LO, W_TYPE, W_TYPES,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import type { Engine } from "../transaction.ts";
import { Pace, rangeBegin, type ScanOptions, type ScanOutcome, seekBehind, positionOf, keyOf } from "./scan.ts";

/** How to rebalance. */
export interface RebalanceOptions extends ScanOptions {
  /** Elements a node should hold, 31 to 62. Default 85 % of 62. */
  saturation?: number;
  /** All pseudo file systems. Default false. */
  allPfs?: boolean;
}

/** What rebalancing did; the counters of the original. */
export interface RebalanceResult extends ScanOutcome {
  /** Nodes looked at. */
  nodes: number;
  deleted: number;
  /** Nodes whose contents changed. */
  rebalanced: number;
}

const BASE_WORDS = 10;
const MAX_ELMS = INTERNAL_ELMS;
const DEFAULT_SATURATION = Math.floor(MAX_ELMS * 85 / 100);

/** A child while its parent is being packed: what it holds now and what it will hold. */
interface Child {
  address: number;
  words: Int32Array;
  word: number;
  /** Its elements as they are: first word of each in `words`. */
  count: number;
  /** What it will hold, as indices into the list of all elements. */
  from: number;
  to: number;
}

/** Rebalances. Throws EROFS, EINVAL, ENOSPC, EIO, EBADCRC, BufferMiss; what was done until then stays done. */
export function rebalance(m: HammerMount, options: RebalanceOptions = {}): RebalanceResult {
  const wanted = options.saturation ?? DEFAULT_SATURATION;
  if (!Number.isInteger(wanted)) throw new HammerError("EINVAL", `a saturation of ${wanted} elements`);
  const saturation = Math.min(MAX_ELMS, Math.max(MAX_ELMS / 2, wanted));
  const e = m.engine();
  const pace = new Pace(e, m.tree, options);
  const cur = pace.cursor;
  const result: RebalanceResult = { nodes: 0, deleted: 0, rebalanced: 0, stoppedAt: null };
  const start = new Key().copy(options.resume ? keyOf(options.resume) : rangeBegin(options.allPfs ? 0 : options.pfs ?? 0));
  const limit = options.allPfs ? 0xffff_ffff : (((options.pfs ?? 0) << 16) | 0xffff) >>> 0;
  // Level by level from the one above the leaves; levels are counted from the leaves, which stay equally deep.
  let height = 1;
  for (;;) {
    const at = new Key().copy(start);
    let positioned = cur.seek(at);
    if (!positioned || cur.depth < height) break;
    while (positioned && (cur.words[cur.at + W_LOCALIZATION]! >>> 0) <= limit) {
      if (cur.depth < height) break;
      // The last key below the node tells where the next one begins; packing does not change it.
      lastBelow(cur, cur.depth - height, at);
      pace.change();
      cur.seek(at);
      const level = cur.depth - height;
      if (level < 0) break;
      if (height === 1) result.nodes += cur.pathBuffer[level]!.words[cur.pathWord[level]! + W_COUNT]!;
      result.nodes++;
      pack(e, cur, level, saturation, result);
      pace.between();
      if (pace.stopped) break;
      positioned = seekBehind(cur, at);
    }
    if (pace.stopped) {
      // Levels below are done up to here at least; a resumed run looks at them again, to little cost.
      result.stoppedAt = positionOf(height === 1 ? at : start);
      break;
    }
    height++;
  }
  pace.finish();
  return result;
}

/** Sets `key` to the last element below the node at a level of the path, which is not before the current one. */
function lastBelow(cur: Cursor, level: number, key: Key): void {
  const { tree } = cur;
  let address = cur.pathAddress[level]!;
  key.load(cur.words, cur.at);
  for (let deeper = level; deeper < MAX_DEPTH; deeper++) {
    const b = tree.node(address), word = nodeWord(address), w = b.words;
    const last = word + W_ELMS + (w[word + W_COUNT]! - 1) * ELM_WORDS;
    if ((w[word + W_TYPE]! & 0xff) !== TYPE_INTERNAL) {
      if (cmpKey(key, w, last) > 0) break;
      key.load(w, last);
      return;
    }
    address = tree.nodeAddress(w[last + W_SUBTREE_HI]!, w[last + W_SUBTREE_LO]!, "B-Tree element");
  }
  throw cur.outOfOrder();
}

/** Packs the children of the node at a level of the path. */
function pack(e: Engine, cur: Cursor, level: number, saturation: number, result: RebalanceResult): void {
  const { tree } = cur;
  const { writer } = e;
  const parent = cur.pathBuffer[level]!, pword = cur.pathWord[level]!, pw = parent.words;
  const addresses = writer.childrenOf(parent, pword);
  const children: Child[] = addresses.map((address) => {
    const word = nodeWord(address);
    const words = tree.node(address).words;
    return { address, words, word, count: words[word + W_COUNT]!, from: 0, to: 0 };
  });
  const internal = (children[0]!.words[children[0]!.word + W_TYPE]! & 0xff) === TYPE_INTERNAL;
  const total = children.reduce((n, c) => n + c.count, 0);
  if (total === 0) return;
  let average = Math.ceil(total / children.length);
  if (average < saturation) average = Math.ceil(total / Math.ceil(total / saturation));
  let at = 0;
  for (const c of children) {
    c.from = at;
    c.to = at = Math.min(total, at + average);
  }
  let before = 0;
  const same = children.every((c) => {
    const unchanged = c.from === before && c.to === before + c.count;
    before += c.count;
    return unchanged;
  });
  if (same) return;
  // All elements with the node each is in; read and copied before anything changes (B2).
  const all = new Int32Array(total * ELM_WORDS);
  const owner = new Int32Array(total);
  let n = 0;
  for (const [i, c] of children.entries()) {
    all.set(c.words.subarray(c.word + W_ELMS, c.word + W_ELMS + c.count * ELM_WORDS), n * ELM_WORDS);
    owner.fill(i, n, n + c.count);
    n += c.count;
  }
  const grandchildren: number[] = internal ? children.flatMap((c) => writer.childrenOf(tree.node(c.address), c.word)) : [];
  const mirrors = children.map((c) => [c.words[c.word + W_NODE_MIRROR_HI]!, c.words[c.word + W_NODE_MIRROR_LO]!] as const);
  const leftBounds = children.map((_, i) => pw.slice(pword + W_ELMS + i * ELM_WORDS, pword + W_ELMS + i * ELM_WORDS + BASE_WORDS));
  const rightBound = pw.slice(pword + W_ELMS + children.length * ELM_WORDS, pword + W_ELMS + (children.length + 1) * ELM_WORDS);
  const firstOf: number[] = [];
  let sum = 0;
  for (const c of children) {
    firstOf.push(sum);
    sum += c.count;
  }
  /** The limit to the left of an element: the old separator where a node began with it, else its own key (B1). */
  const limitAt = (index: number): Int32Array => {
    if (index === total) return rightBound.subarray(0, BASE_WORDS);
    const o = owner[index]!;
    return firstOf[o] === index ? leftBounds[o]! : all.subarray(index * ELM_WORDS, index * ELM_WORDS + BASE_WORDS);
  };

  writer.touch(parent, pword);
  const left = children.filter((c) => c.to > c.from);
  for (const [i, c] of left.entries()) {
    const b = tree.node(c.address), w = b.words, word = c.word;
    const slot = pword + W_ELMS + i * ELM_WORDS;
    let [hi, lo] = [mirrors[owner[c.from]!]![0], mirrors[owner[c.from]!]![1]];
    for (let o = owner[c.from]!; o <= owner[c.to - 1]!; o++)
      if (cmpU64(mirrors[o]![0], mirrors[o]![1], hi, lo) > 0) [hi, lo] = mirrors[o]!;
    const own = children.indexOf(c);
    if (cmpU64(mirrors[own]![0], mirrors[own]![1], hi, lo) > 0) [hi, lo] = mirrors[own]!;
    if (c.from !== firstOf[own] || c.to - c.from !== c.count) {
      writer.touch(b, word);
      w.set(all.subarray(c.from * ELM_WORDS, c.to * ELM_WORDS), word + W_ELMS);
      w[word + W_COUNT] = c.to - c.from;
      w[word + W_NODE_MIRROR_HI] = hi;
      w[word + W_NODE_MIRROR_LO] = lo;
      if (internal) {
        setBase(w, word + W_ELMS, limitAt(c.from), w[word + W_ELMS + W_TYPES]! & 0xff00_0000);
        const end = word + W_ELMS + (c.to - c.from) * ELM_WORDS;
        w.fill(0, end, end + ELM_WORDS);
        setBase(w, end, limitAt(c.to), 0);
        for (let k = c.from; k < c.to; k++) {
          if (owner[k] === own) continue;
          const child = grandchildren[k]!;
          const g = tree.node(child);
          writer.touch(g, nodeWord(child));
          writer.setParent(g.words, nodeWord(child), c.address);
        }
      }
      result.rebalanced++;
    }
    // The parent's slot: type and address of the child, its mirror_tid, and the limit to its left.
    const oldSlot = pword + W_ELMS + own * ELM_WORDS;
    if (oldSlot !== slot) pw.copyWithin(slot, oldSlot, oldSlot + ELM_WORDS);
    if (i > 0) setBase(pw, slot, limitAt(c.from), pw[slot + W_TYPES]! & 0xff00_0000);
    if (cmpU64(pw[slot + W_MIRROR_HI]!, pw[slot + W_MIRROR_LO]!, hi, lo) < 0) {
      pw[slot + W_MIRROR_HI] = hi;
      pw[slot + W_MIRROR_LO] = lo;
    }
  }
  pw.set(rightBound, pword + W_ELMS + left.length * ELM_WORDS);
  pw[pword + W_COUNT] = left.length;
  for (const c of children) {
    if (c.to > c.from) continue;
    writer.discardNode(tree.node(c.address), c.word, c.address);
    result.deleted++;
  }
  tree.shape++;
}

/** Writes the key fields of a limit; what kind of child it is stays. */
function setBase(w: Int32Array, at: number, base: Int32Array, btype: number): void {
  w.set(base.subarray(0, BASE_WORDS), at);
  w[at + W_TYPES] = (w[at + W_TYPES]! & 0x00ff_ffff) | btype;
}
