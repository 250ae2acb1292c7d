// SPDX-License-Identifier: BSD-3-Clause
/**
 * What the two ends of a mirror stream tell each other, and how a large transfer is cut into passes.
 *
 * With a two-way connection the target answers the source's first PFSD with its own, which says how far it is, and each
 * pass with an UPDATE, which says that it is durable. A pass that breaks off is repeated from its beginning, so a large
 * transfer is sent as several passes over consecutive ranges of TIDs, each of about the size asked for.
 * Source: DragonFly sbin/hammer/cmd_mirror.c, generate_histogram().
 * @module
 */
import { Cursor } from "../btree/cursor.ts";
import { BASE_ELM, LEAF_ELM, MRECORD_HEAD, MRECORD_PFS, MRECORD_REC, MRECORD_UPDATE, PFS_DATA, uuidText, viewOf } from "../disk/index.ts";
import type { HammerMount } from "../mount.ts";
import { mirrorRange, mirrorRecords, type MirrorReadOptions } from "./read.ts";
import { MirrorParser, packet, pfsdPacket, seal, syncPacket, TYPE_PASS, TYPE_PFSD, TYPE_REC, TYPE_TERM, TYPE_UPDATE } from "./stream.ts";

/** What an end says about itself before a pass: the source first, then, on a two-way connection, the target. Throws ENOENT. */
export function mirrorHello(m: HammerMount, pfs: number): Uint8Array {
  const { data, newest } = mirrorRange(new Cursor(m.tree), m.info().nextTid, { pfs });
  return pfsdPacket(data, newest);
}

/** What a target says when a pass up to `tid` is durable. */
export function mirrorUpdate(tid: bigint): Uint8Array {
  const b = packet(TYPE_UPDATE, MRECORD_UPDATE.size);
  MRECORD_UPDATE.write(viewOf(b), 0, { tid });
  return seal(b);
}

/** The end of a stream, in place of a next pass or in the middle of one that is given up. */
export function mirrorTerm(): Uint8Array { return syncPacket(TYPE_TERM); }

/** What came back from a target. */
export type MirrorReply =
  | { type: "hello"; sharedUuid: string; syncEndTid: bigint }
  | { type: "update"; tid: bigint }
  | { type: "term" };

/** Takes a target's answers apart: feed, then next. */
export class MirrorReplies {
  readonly #parser = new MirrorParser();

  feed(piece: Uint8Array): void { this.#parser.feed(piece); }

  /** The next answer, or null if it has not come in full. Throws EINVAL or EBADCRC for what is none. */
  next(): MirrorReply | null {
    const r = this.#parser.peek();
    if (r === null) return null;
    let reply: MirrorReply;
    if (r.type === TYPE_PFSD) {
      const p = PFS_DATA.read(r.view, MRECORD_PFS.off.pfsd);
      reply = { type: "hello", sharedUuid: uuidText(p.shared_uuid), syncEndTid: p.sync_end_tid };
    } else if (r.type === TYPE_UPDATE) {
      reply = { type: "update", tid: MRECORD_UPDATE.read(r.view, 0).tid };
    } else if (r.type === TYPE_TERM) {
      reply = { type: "term" };
    } else {
      throw this.#parser.error("EINVAL", `of type ${r.type} is no answer of a target`);
    }
    this.#parser.take();
    return reply;
  }
}

/** A pass of a transfer that was cut into several. */
export interface MirrorWindow {
  tidBeg: bigint;
  tidEnd: bigint;
  /** Bytes of the stream, about; can be too small where subtrees are skipped. */
  bytes: number;
}

/** Buckets of the histogram. TIDs are bursty, so there are many more than passes. */
const BUCKETS = 1 << 20;

/**
 * Bytes by TID. Buckets are one TID wide until the TIDs seen need more than there are; then each two become one.
 *
 * Invariant H1: bucket i holds what was added for TIDs from (first + i) * width on, up to the next bucket.
 */
class TidHistogram {
  #bytes = new Float64Array(BUCKETS);
  width = 1;
  /** Number of the bucket at index 0, and of the last in use; -1 while there is none. */
  first = -1;
  last = -1;

  /** Bytes of the bucket with that number. */
  bytes(bucket: number): number { return this.#bytes[bucket - this.first]!; }

  add(tid: number, bytes: number): void {
    let bucket = Math.floor(tid / this.width);
    if (this.first < 0) this.first = this.last = bucket;
    while (Math.max(this.last, bucket) - Math.min(this.first, bucket) >= BUCKETS) {
      this.#widen();
      bucket = Math.floor(tid / this.width);
    }
    if (bucket < this.first) {
      const by = this.first - bucket;
      this.#bytes.copyWithin(by, 0, this.last - this.first + 1);
      this.#bytes.fill(0, 0, by);
      this.first = bucket;
    }
    this.last = Math.max(this.last, bucket);
    this.#bytes[bucket - this.first]! += bytes;
  }

  #widen(): void {
    const wider = new Float64Array(BUCKETS);
    const first = Math.floor(this.first / 2);
    for (let b = this.first; b <= this.last; b++) wider[Math.floor(b / 2) - first]! += this.bytes(b);
    this.#bytes = wider;
    this.first = first;
    this.last = Math.floor(this.last / 2);
    this.width *= 2;
  }
}

/**
 * The passes that a transfer is to consist of, each of at least `splitBytes` but the last; none if there is nothing to send.
 * Reads the B-Tree, but no data. Throws ENOENT, EIO, EBADCRC, BufferMiss.
 */
export function mirrorWindows(m: HammerMount, options: MirrorReadOptions, splitBytes: number): MirrorWindow[] {
  const cursor = new Cursor(m.tree);
  const { tidBeg, tidEnd } = mirrorRange(cursor, m.info().nextTid, options);
  if (tidBeg >= tidEnd) return [];
  const histogram = new TidHistogram();
  const add = (tid: bigint, n: number): void => {
    if (tid !== 0n && tid >= tidBeg && tid <= tidEnd) histogram.add(Number(tid), n);
  };
  const leaf = MRECORD_REC.off.leaf;
  for (const record of mirrorRecords(cursor, options.pfs ?? 0, tidBeg, tidEnd, null, "nodata")) {
    const v = viewOf(record);
    const type = v.getUint32(MRECORD_HEAD.off.type, true) & 0xff;
    if (type !== TYPE_REC && type !== TYPE_PASS) continue;
    const data = type === TYPE_REC ? (v.getInt32(leaf + LEAF_ELM.off.data_len, true) + 7) & ~7 : 0;
    add(v.getBigUint64(leaf + BASE_ELM.off.delete_tid, true), MRECORD_REC.size);
    add(v.getBigUint64(leaf + BASE_ELM.off.create_tid, true), MRECORD_REC.size + data);
  }
  m.cache.trim();
  const windows: MirrorWindow[] = [];
  let from = tidBeg, sum = 0;
  for (let b = histogram.first; b <= histogram.last && b >= 0; b++) {
    sum += histogram.bytes(b);
    const end = BigInt((b + 1) * histogram.width - 1);
    // A pass of one TID would cover nothing: its range has to have two ends.
    if (sum < splitBytes || end <= from || end + 1n >= tidEnd) continue;
    windows.push({ tidBeg: from, tidEnd: end, bytes: sum });
    from = end + 1n;
    sum = 0;
  }
  windows.push({ tidBeg: from, tidEnd, bytes: sum });
  return windows;
}
