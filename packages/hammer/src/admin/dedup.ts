// SPDX-License-Identifier: BSD-3-Clause
/**
 * Deduplication: records with the same data come to share it (file system version 5 and later).
 *
 * Invariants
 *   D1  Data is shared only after every byte was compared.
 *   D2  Each reference counts in bytes_free of the big-block, which can become negative; where the count is exhausted
 *       the record keeps its data and becomes the one that others share from then on.
 *   D3  Candidates are found by CRC, length and zone. Memory is bounded: CRCs beyond the limit wait for another pass.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_dedup.c, hammer_blockmap.c, hammer_blockmap_dedup; sbin/hammer/cmd_dedup.c.
 * @module
 */
import type { Key } from "../btree/key.ts";
import {
  addressOf, BUFMASK, LOCALIZE_MISC, REC_DATA, W_DATA_CRC, W_DATA_HI, W_DATA_LEN, W_DATA_LO, W_LOCALIZATION, W_TYPES,
  XBUFSIZE, ZONE_LARGE_DATA, ZONE_SMALL_DATA, zoneOf,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import type { HammerMount } from "../mount.ts";
import type { Engine } from "../transaction.ts";
import { Pace, rangeBegin, seekBehind, seekExactly, type ScanOptions } from "./scan.ts";

/** How to deduplicate. */
export interface DedupOptions extends Omit<ScanOptions, "resume"> {
  /** Only tell from the CRCs what could be shared. Default false. */
  simulate?: boolean;
  /** Different data remembered at a time; more takes several passes. Default 4 million. */
  maxEntries?: number;
  /** Called when a pass over the CRCs from `from` on begins. */
  onPass?: (from: number) => void;
  /** Called when memory is short: CRCs from `end` on wait for another pass. */
  onLimit?: (from: number, end: number) => void;
  /** Called at the end of a pass with all data it knew, in order of the CRCs. */
  onData?: (data: Iterable<DedupData>) => void;
}

/** Data that records share, or could share. */
export interface DedupData { crc: number; references: number; referencedBytes: number }

/** What deduplication did, or could do. */
export interface DedupResult {
  /** Records with data looked at. */
  records: number;
  /** Bytes that records refer to, and bytes that would hold them if all sharing that is possible took place. */
  referencedBytes: number;
  allocatedBytes: number;
  ratio: number;
  /** Pairs of the same CRC and length that differ. */
  crcCollisions: number;
  /** Shares refused because a big-block's count was exhausted. */
  underflows: number;
  newRecords: number;
  newBytes: number;
  /** False if the progress function ended it. */
  complete: boolean;
}

/** Data that others may share. */
interface Master {
  zone: number;
  address: number;
  length: number;
  references: number;
  /** Different data with the same CRC. */
  next: Master | null;
}

const FIRST_VERSION = 5;
const DEFAULT_ENTRIES = 4_000_000;

/** Deduplicates a PFS. Throws E_VERSION, EROFS, EIO, EBADCRC, BufferMiss; what was done until then stays done. */
export function dedup(m: HammerMount, options: DedupOptions = {}): DedupResult {
  if (m.version < FIRST_VERSION && !options.simulate)
    throw new HammerError("E_VERSION", `deduplication needs file system version ${FIRST_VERSION}; this is version ${m.version}`);
  const run = new Dedup(m, options);
  for (let from = 0; from <= 0xffff_ffff;) from = run.pass(from);
  return run.finish();
}

class Dedup {
  readonly #e: Engine;
  readonly #pace: Pace;
  readonly #pfs: number;
  readonly #simulate: boolean;
  readonly #maxEntries: number;
  readonly #options: DedupOptions;
  readonly #masters = new Map<number, Master>();
  #entries = 0;
  readonly #one = new Uint8Array(XBUFSIZE);
  readonly #other = new Uint8Array(XBUFSIZE);
  readonly #result: DedupResult = {
    records: 0, referencedBytes: 0, allocatedBytes: 0, ratio: 0, crcCollisions: 0, underflows: 0, newRecords: 0, newBytes: 0, complete: true,
  };

  constructor(m: HammerMount, options: DedupOptions) {
    this.#e = m.engine();
    this.#pace = new Pace(this.#e, m.tree, options);
    this.#pfs = options.pfs ?? 0;
    this.#simulate = options.simulate ?? false;
    this.#options = options;
    this.#maxEntries = Math.max(1, options.maxEntries ?? DEFAULT_ENTRIES);
  }

  /** Handles CRCs from `from` on; returns the first one left to the next pass (D3). */
  pass(from: number): number {
    this.#options.onPass?.(from);
    const cur = this.#pace.cursor;
    const at = rangeBegin(this.#pfs);
    at.localization |= LOCALIZE_MISC;
    const limit = ((this.#pfs << 16) | LOCALIZE_MISC) >>> 0;
    let end = 0x1_0000_0000;
    let positioned = cur.seek(at);
    while (positioned && (cur.words[cur.at + W_LOCALIZATION]! >>> 0) <= limit) {
      const w = cur.words, elm = cur.at;
      at.load(w, elm);
      let moved = false;
      const crc = w[elm + W_DATA_CRC]! >>> 0;
      if ((w[elm + W_TYPES]! & 0xffff) === REC_DATA && crc >= from && crc < end && (w[elm + W_DATA_HI]! | w[elm + W_DATA_LO]!) !== 0) {
        moved = this.#record(at, crc);
        if (this.#entries > this.#maxEntries) end = this.#shrink(from, end);
      }
      positioned = this.#pace.between() || moved ? seekBehind(cur, at) : cur.next();
      if (this.#pace.stopped) {
        this.#result.complete = false;
        end = 0x1_0000_0000;
        break;
      }
    }
    this.#settle();
    return end;
  }

  /** Leaves the greater half of the CRCs to a later pass; returns the new end. */
  #shrink(from: number, end: number): number {
    const crcs = [...this.#masters.keys()].sort((a, b) => a - b);
    const middle = crcs[crcs.length >> 1]!;
    if (middle === crcs[0]) return end;
    for (const crc of crcs) if (crc >= middle) this.#forget(crc);
    this.#options.onLimit?.(from, middle);
    return middle;
  }

  #forget(crc: number): void {
    for (let d = this.#masters.get(crc) ?? null; d !== null; d = d.next) {
      this.#entries--;
      this.#result.records -= d.references;
      this.#result.referencedBytes -= d.references * d.length;
    }
    this.#masters.delete(crc);
  }

  /** Counts what the pass found and forgets it. */
  #settle(): void {
    for (const first of this.#masters.values())
      for (let d: Master | null = first; d !== null; d = d.next) this.#result.allocatedBytes += d.length;
    this.#options.onData?.(this.#known());
    this.#masters.clear();
    this.#entries = 0;
  }

  *#known(): Generator<DedupData> {
    for (const crc of [...this.#masters.keys()].sort((a, b) => a - b))
      for (let d: Master | null = this.#masters.get(crc)!; d !== null; d = d.next)
        yield { crc, references: d.references, referencedBytes: d.references * d.length };
  }

  /** One record; returns true if the cursor has to be positioned again. */
  #record(at: Key, crc: number): boolean {
    const cur = this.#pace.cursor;
    const w = cur.words, elm = cur.at;
    const hi = w[elm + W_DATA_HI]!, zone = zoneOf(hi), address = addressOf(hi, w[elm + W_DATA_LO]!), length = w[elm + W_DATA_LEN]!;
    if ((zone !== ZONE_SMALL_DATA && zone !== ZONE_LARGE_DATA) || length <= 0 || length > XBUFSIZE) return false;
    const r = this.#result;
    r.records++;
    r.referencedBytes += length;
    let different = false;
    for (let d = this.#masters.get(crc) ?? null; d !== null; d = d.next) {
      if (d.zone !== zone || d.length !== length) continue;
      if (this.#simulate || d.address === address) {
        d.references++;
        return false;
      }
      if (!this.#equal(d, address)) {
        different = true;
        continue;
      }
      return this.#share(d, at, address);
    }
    if (different) r.crcCollisions++;
    this.#masters.set(crc, { zone, address, length, references: 1, next: this.#masters.get(crc) ?? null });
    this.#entries++;
    return false;
  }

  /** Whether the data of a master and of the record at `address` are the same (D1). */
  #equal(d: Master, address: number): boolean {
    const a = this.#read(this.#one, d.zone, d.address, d.length);
    const b = this.#read(this.#other, d.zone, address, d.length);
    for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  #read(into: Uint8Array, zone: number, address: number, length: number): Uint8Array {
    const data = into.subarray(0, length);
    if (zone === ZONE_LARGE_DATA) {
      this.#e.volumes.read(address, data, "file data");
    } else {
      const within = address & BUFMASK;
      if (within + length > BUFMASK + 1) throw new HammerError("EIO", `small data of ${length} bytes crosses a buffer`, { length });
      data.set(this.#e.cache.bread(address, "file data").bytes.subarray(within, within + length));
    }
    return data;
  }

  /** Makes the record under the cursor refer to a master's data (D2). */
  #share(d: Master, at: Key, address: number): boolean {
    const e = this.#e, cur = this.#pace.cursor;
    d.references++;
    this.#pace.change();
    if (!seekExactly(cur, at)) throw new HammerError("EIO", "a record disappeared while its data was being shared");
    if (!e.freemap.share(d.zone, d.address, d.length)) {
      this.#result.underflows++;
      d.address = address;
      return true;
    }
    e.freemap.free(d.zone, address, d.length);
    e.writer.relocate(cur, d.zone, d.address, cur.words[cur.at + W_DATA_CRC]!);
    this.#result.newRecords++;
    this.#result.newBytes += d.length;
    return true;
  }

  finish(): DedupResult {
    this.#pace.finish();
    const r = this.#result;
    r.ratio = r.allocatedBytes === 0 ? 0 : r.referencedBytes / r.allocatedBytes;
    return r;
  }
}
