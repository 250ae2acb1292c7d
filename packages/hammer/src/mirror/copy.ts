// SPDX-License-Identifier: BSD-3-Clause
/**
 * Mirroring from one PFS to another within a program: `hammer mirror-copy`.
 *
 * What was mirrored before is not sent again: the pass begins behind the slave's sync_end_tid. Source and target may be the
 * same file system; the source is then read in batches, between which the tree changes.
 * @module
 */
import { Cursor } from "../btree/cursor.ts";
import { Key } from "../btree/key.ts";
import { BASE_ELM, MRECORD_REC, MRECORD_SKIP } from "../disk/index.ts";
import { HammerError } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import { mirrorRange, mirrorRecords, type MirrorReadOptions, type ReadPosition } from "./read.ts";
import { pfsdPacket, syncPacket, TYPE_IDLE, TYPE_SKIP, TYPE_SYNC, MirrorParser } from "./stream.ts";
import { MirrorReceiver, slaveInfo, type MirrorPass } from "./write.ts";

/** One end of a copy. */
export interface MirrorEnd { mount: HammerMount; pfs: number }

/** How to copy. */
export interface MirrorCopyOptions {
  /** Called now and then with the bytes of the stream so far. Returning false stops the copy, which can be resumed. */
  progress?: (bytes: number) => boolean | void;
  /** Bring the slave up to this TID only; default everything. */
  tidEnd?: bigint | undefined;
}

/** Bytes read before they are applied. */
const BATCH = 1 << 20;

/** Where to go on behind a record. */
function behind(record: Uint8Array): ReadPosition {
  const parser = new MirrorParser();
  parser.feed(record);
  const r = parser.peek()!;
  const skip = r.type === TYPE_SKIP;
  const at = skip ? MRECORD_SKIP.off.skip_end : MRECORD_REC.off.leaf;
  const base = new Int32Array(r.bytes.slice(at, at + BASE_ELM.size).buffer);
  return { key: new Key().load(base, 0), behind: !skip };
}

/** A pass read piece by piece; between two pieces the file system may change, which the pass then does not show. */
export class MirrorSource {
  readonly #mount: HammerMount;
  readonly #pfs: number;
  readonly #cursor: Cursor;
  readonly #tidBeg: bigint;
  readonly #tidEnd: bigint;
  #from: ReadPosition | null = null;
  #state: "head" | "body" | "end" = "head";
  readonly #head: Uint8Array[];

  /** The file system is to be in sync. Throws ENOENT if there is no such PFS. */
  constructor(m: HammerMount, options: MirrorReadOptions) {
    this.#mount = m;
    this.#pfs = options.pfs ?? 0;
    this.#cursor = new Cursor(m.tree);
    const { data, newest, tidBeg, tidEnd } = mirrorRange(this.#cursor, m.info().nextTid, options);
    this.#tidBeg = tidBeg;
    this.#tidEnd = tidEnd;
    this.#head = [pfsdPacket(data, newest), pfsdPacket(data, tidEnd)];
  }

  /** Whole records, some `bytes` of them; null at the end. After a BufferMiss the call is to be repeated. */
  next(bytes: number): Uint8Array | null {
    const records = this.records(bytes);
    return records === null ? null : join(records);
  }

  /** As next, the records one by one. */
  records(bytes: number): Uint8Array[] | null {
    if (this.#state === "end") return null;
    if (this.#state === "head") {
      this.#state = this.#tidBeg >= this.#tidEnd ? "end" : "body";
      return this.#state === "end" ? [...this.#head, syncPacket(TYPE_IDLE)] : this.#head;
    }
    const batch: Uint8Array[] = [];
    let size = 0;
    for (const record of mirrorRecords(this.#cursor, this.#pfs, this.#tidBeg, this.#tidEnd, this.#from)) {
      batch.push(record);
      size += record.length;
      if (size >= bytes) break;
    }
    if (size >= bytes) {
      this.#from = behind(batch.at(-1)!);
    } else {
      this.#state = "end";
      batch.push(syncPacket(TYPE_SYNC));
    }
    this.#mount.cache.trim();
    return batch;
  }
}

function join(records: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(records.reduce((sum, r) => sum + r.length, 0));
  let at = 0;
  for (const r of records) {
    whole.set(r, at);
    at += r.length;
  }
  return whole;
}

/**
 * Brings the slave `target` up to what `source` is now. Returns what the pass brought, or null if it was stopped. Durable on
 * return. Throws EPERM (the target is no slave of this source), EINVAL, ENOENT, EBUSY, ENOSPC, EROFS, EBADCRC, EIO.
 */
export function mirrorCopy(source: MirrorEnd, target: MirrorEnd, options: MirrorCopyOptions = {}): MirrorPass | null {
  if (source.mount === target.mount && source.pfs === target.pfs) throw new HammerError("EINVAL", `PFS #${source.pfs} cannot be mirrored to itself`);
  const since = slaveInfo(target.mount, target.pfs).syncEndTid;
  const receiver = new MirrorReceiver(target.mount, { pfs: target.pfs });
  if (!source.mount.readOnly) source.mount.sync();
  const from = new MirrorSource(source.mount, { pfs: source.pfs, tidBeg: since + 1n, tidEnd: options.tidEnd });
  let sent = 0;
  for (let piece = from.next(BATCH); piece !== null; piece = from.next(BATCH)) {
    sent += piece.length;
    receiver.feed(piece);
    while (receiver.step());
    if (options.progress?.(sent) === false && receiver.passes.length === 0) return null;
  }
  return receiver.end()[0]!;
}
