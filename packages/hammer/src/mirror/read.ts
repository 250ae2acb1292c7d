// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reading a pseudo file system, or what changed in it, as a mirror stream.
 *
 * The scan is in key order. Subtrees whose mirror_tid lies before the range become SKIP records, elements the target has
 * already PASS records, all others REC records with their data.
 * Source: DragonFly sys/vfs/hammer/hammer_mirror.c, hammer_cursor.c; sbin/hammer/cmd_mirror.c.
 * @module
 */
import type { BTree, Cursor } from "../btree/cursor.ts";
import { Key, cmpKey, cmpU64, hi32, lo32 } from "../btree/key.ts";
import { crcMatches } from "../crc.ts";
import {
  BASE_ELM, BUFMASK, BUFSIZE, ELM_SIZE, ELM_WORDS, INODE_CRC_SIZE, LEAF_ELM, LOCALIZE_MISC, MRECORD_HEAD, MRECORD_REC,
  MRECORD_SKIP, OBJID_ROOT, PFS_DATA, PFSD_DELETED, PFSD_SLAVE, REC_INODE, REC_MAX, REC_PFS, TYPE_LEAF, W_CREATE_HI, W_CREATE_LO,
  W_COUNT, W_DATA_CRC, W_DATA_HI, W_DATA_LEN, W_DATA_LO, W_DELETE_HI, W_DELETE_LO, W_ELMS, W_MIRROR_HI, W_MIRROR_LO, W_SUBTREE_HI,
  W_SUBTREE_LO, W_TYPE, W_TYPES, XBUFSIZE, addressOf, viewOf,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import { metaData } from "../object/record.ts";
import {
  FLAG_CRC_ERROR, FLAG_DATA_CRC_BAD, FLAG_NODATA, TYPE_PASS, TYPE_REC, TYPE_SKIP, packet, seal,
} from "./stream.ts";

/** Which part of a PFS to stream. */
export interface MirrorReadOptions {
  pfs?: number;
  /** First TID of interest; default 0, everything. Raised to the PFS's sync_beg_tid. */
  tidBeg?: bigint;
  /** Last TID of interest; default the PFS's sync_end_tid (of a master: the last durable one). */
  tidEnd?: bigint | undefined;
}

/** A scan's last argument: records with their data, or (to find out what a stream would hold) without. */
export type DataMode = "data" | "nodata";

/** A position in the tree as the walk needs it: 40 bytes of base, which go into SKIP records as they are. */
class Bound {
  readonly key = new Key();
  readonly base = new Uint8Array(BASE_ELM.size);

  load(words: Int32Array, at: number): this {
    this.key.load(words, at);
    this.base.set(new Uint8Array(words.buffer, words.byteOffset + at * 4, BASE_ELM.size));
    return this;
  }

  static ofKey(key: Key): Bound {
    const b = new Bound();
    b.key.copy(key);
    const w = new Int32Array(BASE_ELM.size / 4);
    key.store(w, 0, 0, 0);
    b.base.set(new Uint8Array(w.buffer));
    return b;
  }
}

const $at = new Int32Array(ELM_WORDS);

function cmpBounds(a: Bound, b: Bound): number {
  b.key.store($at, 0, 0, 0);
  return cmpKey(a.key, $at, 0);
}

/** Where a scan begins: at a key, or behind it. */
export interface ReadPosition { key: Key; behind: boolean }

/** One scan over a PFS. */
class Reader {
  readonly #tree: BTree;
  readonly #begin: Bound;
  /** What cmpKey(begin, element) must be below for the element to be in the range. */
  readonly #first: number;
  readonly #end: Bound;
  readonly #tidBeg: bigint;
  readonly #tidEnd: bigint;
  readonly #mode: DataMode;
  /** Set once the scan has come to its first leaf; the way there is not filtered. */
  #started = false;
  /** Nodes walked, each of which a sound tree leads to once. */
  readonly #seen = new Set<number>();

  constructor(tree: BTree, pfs: number, tidBeg: bigint, tidEnd: bigint, from: ReadPosition | null, mode: DataMode) {
    this.#tree = tree;
    this.#mode = mode;
    this.#tidBeg = tidBeg;
    this.#tidEnd = tidEnd;
    this.#begin = Bound.ofKey(from?.key ?? new Key().set(pfs << 16, -0x8000_0000, 0, 0, -0x8000_0000, 0));
    this.#first = from?.behind ? 0 : 1;
    this.#end = Bound.ofKey(new Key().set((pfs << 16) | 0xffff, 0x7fff_ffff, -1, REC_MAX, 0x7fff_ffff, -1).setTid(-1, -1));
  }

  /** Records below the node at `address`, whose bounds are given. */
  *node(address: number, left: Bound, right: Bound): Generator<Uint8Array> {
    if (this.#seen.has(address)) throw new HammerError("EIO", "the B-Tree leads to one of its nodes twice");
    this.#seen.add(address);
    const b = this.#tree.node(address);
    const w = b.words;
    const word = (address & BUFMASK) >> 2;
    const count = w[word + W_COUNT]!;
    if ((w[word + W_TYPE]! & 0xff) === TYPE_LEAF) {
      this.#started = true;
      for (let i = 0; i < count; i++) {
        const at = word + W_ELMS + i * ELM_WORDS;
        if (cmpKey(this.#begin.key, w, at) >= this.#first || cmpKey(this.#end.key, w, at) < 0) continue;
        const record = this.#leaf(w, at);
        if (record) yield record;
      }
      return;
    }
    for (let i = 0; i < count; i++) {
      const at = word + W_ELMS + i * ELM_WORDS;
      if (cmpKey(this.#end.key, w, at) < 0) return;
      if (cmpKey(this.#begin.key, w, at + ELM_WORDS) >= 0) continue;
      if (this.#started && this.#unchanged(w, at)) {
        const from = i === 0 ? left : new Bound().load(w, at);
        while (i < count && this.#unchanged(w, word + W_ELMS + i * ELM_WORDS)) i++;
        yield this.#skip(from, i === count ? right : new Bound().load(w, word + W_ELMS + i * ELM_WORDS));
        i--;
        continue;
      }
      yield* this.node(
        this.#tree.nodeAddress(w[at + W_SUBTREE_HI]!, w[at + W_SUBTREE_LO]!, "B-Tree element"),
        new Bound().load(w, at), new Bound().load(w, at + ELM_WORDS));
    }
  }

  #unchanged(w: Int32Array, at: number): boolean {
    return cmpU64(w[at + W_MIRROR_HI]!, w[at + W_MIRROR_LO]!, hi32(this.#tidBeg), lo32(this.#tidBeg)) < 0;
  }

  #skip(from: Bound, to: Bound): Uint8Array {
    const begin = cmpBounds(from, this.#begin) < 0 ? this.#begin : from;
    const end = cmpBounds(to, this.#end) > 0 ? this.#end : to;
    const b = packet(TYPE_SKIP, MRECORD_SKIP.size);
    MRECORD_SKIP.write(viewOf(b), 0, { skip_beg: begin.base, skip_end: end.base });
    return seal(b);
  }

  /** REC or PASS for an element, or null for one created after the pass. */
  #leaf(w: Int32Array, at: number): Uint8Array | null {
    const beyond = (hi: number, lo: number, tid: bigint): number => cmpU64(w[at + hi]!, w[at + lo]!, hi32(tid), lo32(tid));
    if (beyond(W_CREATE_HI, W_CREATE_LO, this.#tidEnd) > 0) return null;
    const element = new Uint8Array(w.buffer, w.byteOffset + at * 4, ELM_SIZE);
    if (beyond(W_CREATE_HI, W_CREATE_LO, this.#tidBeg) < 0) {
      const b = packet(TYPE_PASS, MRECORD_REC.size);
      b.set(element, MRECORD_REC.off.leaf);
      return seal(b);
    }
    const hasData = (w[at + W_DATA_HI]! | w[at + W_DATA_LO]!) !== 0;
    const length = hasData ? w[at + W_DATA_LEN]! : 0;
    if (length < 0 || length > XBUFSIZE) throw new HammerError("EIO", `an element claims ${length} bytes of data`);
    if (this.#mode === "nodata") {
      const b = packet((TYPE_REC | FLAG_NODATA) >>> 0, MRECORD_REC.size);
      b.set(element, MRECORD_REC.off.leaf);
      return seal(b);
    }
    const b = packet(TYPE_REC, MRECORD_REC.size + length);
    b.set(element, MRECORD_REC.off.leaf);
    const deleted = LEAF_ELM.off.base + BASE_ELM.off.delete_tid;
    if (beyond(W_DELETE_HI, W_DELETE_LO, this.#tidEnd) > 0) viewOf(b).setBigUint64(MRECORD_REC.off.leaf + deleted, 0n, true);
    if (length > 0 && !this.#data(w, at, b.subarray(MRECORD_REC.size, MRECORD_REC.size + length)))
      MRECORD_HEAD.write(viewOf(b), 0, { type: (TYPE_REC | FLAG_CRC_ERROR | FLAG_DATA_CRC_BAD) >>> 0 });
    return seal(b);
  }

  /** Reads an element's data into `to`. False if its CRC is wrong; the data is passed on all the same, marked. */
  #data(w: Int32Array, at: number, to: Uint8Array): boolean {
    const { cache } = this.#tree;
    const address = addressOf(w[at + W_DATA_HI]!, w[at + W_DATA_LO]!);
    const within = address & BUFMASK;
    if (within + to.length <= BUFSIZE) to.set(cache.bread(address, "mirrored data").bytes.subarray(within, within + to.length));
    else cache.volumes.read(address, to, "mirrored data");
    const covered = (w[at + W_TYPES]! & 0xffff) === REC_INODE ? Math.min(INODE_CRC_SIZE, to.length) : to.length;
    return crcMatches(cache.volumes.version, w[at + W_DATA_CRC]!, to, 0, covered);
  }
}

/** The stored record of a PFS as 292 bytes, sync_end_tid filled in for a master. */
function pfsRecord(cur: Cursor, pfs: number, lastTid: bigint): Uint8Array {
  const found = cur.lookup(new Key().set(LOCALIZE_MISC, 0, OBJID_ROOT, REC_PFS, 0, pfs << 16), -1, -1);
  const data = new Uint8Array(PFS_DATA.size);
  if (found) {
    const d = metaData(cur, PFS_DATA.off.label);
    data.set(d.buffer.bytes.subarray(d.at, d.at + Math.min(d.length, PFS_DATA.size)));
  }
  const { mirror_flags: flags } = PFS_DATA.read(viewOf(data), 0);
  if (!found || (flags & PFSD_DELETED) !== 0) throw new HammerError("ENOENT", `there is no PFS ${pfs}`);
  if ((flags & PFSD_SLAVE) === 0) PFS_DATA.write(viewOf(data), 0, { sync_end_tid: lastTid });
  return data;
}

/** The range of TIDs of one pass, clipped to what the PFS has, and the PFS's record. Throws ENOENT if there is no such PFS. */
export function mirrorRange(
  cur: Cursor, lastTid: bigint, options: MirrorReadOptions,
): { data: Uint8Array; newest: bigint; tidBeg: bigint; tidEnd: bigint } {
  const data = pfsRecord(cur, options.pfs ?? 0, lastTid);
  const { sync_beg_tid: oldest, sync_end_tid: newest } = PFS_DATA.read(viewOf(data), 0);
  const wanted = options.tidBeg ?? 0n;
  return { data, newest, tidBeg: wanted > oldest ? wanted : oldest, tidEnd: options.tidEnd ?? newest };
}

/** REC, PASS and SKIP records of one pass, from a position on. The tree may not be modified while the generator is in use. */
export function* mirrorRecords(
  cur: Cursor, pfs: number, tidBeg: bigint, tidEnd: bigint, from: ReadPosition | null, mode: DataMode = "data",
): Generator<Uint8Array> {
  const first = Bound.ofKey(new Key().set(0, -0x8000_0000, 0, 0, -0x8000_0000, 0));
  const last = Bound.ofKey(new Key().set(-1, 0x7fff_ffff, -1, REC_MAX, 0x7fff_ffff, -1).setTid(-1, -1));
  yield* new Reader(cur.tree, pfs, tidBeg, tidEnd, from, mode).node(cur.tree.root, first, last);
}
