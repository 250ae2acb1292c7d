// SPDX-License-Identifier: BSD-3-Clause
/**
 * The format of mirror streams: records, how they are made, how they are taken apart.
 *
 * The stream of one pass is PFSD (who the source is), PFSD (which TIDs the pass covers), then in key order REC (an element
 * with its data), PASS (an element the target has already), SKIP (a range without changes), and at last SYNC, or IDLE if
 * there was nothing to cover. TERM in place of a first PFSD ends a stream of several passes. Records are padded to 8 bytes;
 * each head has a CRC-32 of what follows it, in every version.
 *
 * Invariant M1: a record is handed out only when its signature, type, size and CRC were found right.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_ioctl.h, sbin/hammer/cmd_mirror.c.
 * @module
 */
import { crc32 } from "../crc.ts";
import { MRECORD_HEAD, MRECORD_PFS, MRECORD_REC, MRECORD_SKIP, MRECORD_UPDATE, PFS_DATA, XBUFSIZE, viewOf } from "../disk/index.ts";
import { HammerError, type HammerErrorCode } from "../error.ts";

const SIGNATURE = 0x4dd9_7272;
const SIGNATURE_SWAPPED = 0x7272_d94d;
export const TYPE_REC = 1;
export const TYPE_PFSD = 2;
export const TYPE_UPDATE = 3;
export const TYPE_SYNC = 4;
export const TYPE_SKIP = 5;
export const TYPE_PASS = 6;
export const TYPE_TERM = 7;
export const TYPE_IDLE = 8;
export const FLAG_CRC_ERROR = 0x8000_0000;
export const FLAG_DATA_CRC_BAD = 0x4000_0000;
export const FLAG_NODATA = 0x1000_0000;
const FLAGS_KNOWN = 0xf000_0000;
/** Sync packets are 8 bytes longer than their structure; what is there is the PFSD version, left over from that packet. */
const SYNC_SIZE = 24;
export const PFSD_VERSION = 1;
/** Largest record: the union of all kinds and the largest piece of data. */
const MAX_SIZE = 320 + XBUFSIZE;

/** A record of `size` bytes, zero padded to 8, with its head but not its CRC. */
export function packet(type: number, size: number): Uint8Array {
  const b = new Uint8Array((size + 7) & ~7);
  MRECORD_HEAD.write(viewOf(b), 0, { signature: SIGNATURE, rec_size: size, type: type >>> 0 });
  return b;
}

/** Puts the CRC into a record that is complete otherwise. */
export function seal(b: Uint8Array): Uint8Array {
  const v = viewOf(b);
  const size = v.getUint32(MRECORD_HEAD.off.rec_size, true);
  v.setUint32(MRECORD_HEAD.off.rec_crc, crc32(b, MRECORD_HEAD.off.rec_size, size), true);
  return b;
}

/** A PFSD record with the 292 bytes of a PFS record, `tidEnd` in place of its sync_end_tid. */
export function pfsdPacket(data: Uint8Array, tidEnd: bigint): Uint8Array {
  const b = packet(TYPE_PFSD, MRECORD_PFS.size);
  MRECORD_PFS.write(viewOf(b), 0, { version: PFSD_VERSION, reserved01: 0, pfsd: data });
  PFS_DATA.write(viewOf(b), MRECORD_PFS.off.pfsd, { sync_end_tid: tidEnd });
  return seal(b);
}

/** A SYNC, IDLE or TERM record. */
export function syncPacket(type: number): Uint8Array {
  const b = packet(type, SYNC_SIZE);
  b[MRECORD_HEAD.size] = PFSD_VERSION;
  return seal(b);
}

/** A checked record of a stream. */
export interface MirrorRecord {
  /** One of the TYPE_ constants. */
  type: number;
  /** FLAG_ constants. */
  flags: number;
  /** Head, body and data, without padding. Valid until the next record is taken. */
  bytes: Uint8Array;
  view: DataView;
  /** Where in the stream it begins, and how many came before it. */
  at: number;
  index: number;
}

/** What sizes a record of a type may have: [least, most]. */
const SIZES: Readonly<Record<number, readonly [number, number]>> = {
  [TYPE_REC]: [MRECORD_REC.size, MRECORD_REC.size + XBUFSIZE],
  [TYPE_PFSD]: [MRECORD_PFS.size, MRECORD_PFS.size],
  [TYPE_UPDATE]: [MRECORD_UPDATE.size, MRECORD_UPDATE.size],
  [TYPE_SYNC]: [SYNC_SIZE, SYNC_SIZE],
  [TYPE_SKIP]: [MRECORD_SKIP.size, MRECORD_SKIP.size],
  [TYPE_PASS]: [MRECORD_REC.size, MRECORD_REC.size],
  [TYPE_TERM]: [SYNC_SIZE, SYNC_SIZE],
  [TYPE_IDLE]: [SYNC_SIZE, SYNC_SIZE],
};

/** Takes a stream apart that arrives in pieces of any size. Holds one record and one piece at most. */
export class MirrorParser {
  #bytes = new Uint8Array(0);
  /** Bytes of #bytes taken already. */
  #from = 0;
  #at = 0;
  #index = 0;

  /** Bytes from the beginning of the stream to the next record. */
  get position(): number { return this.#at; }
  /** True if bytes of an incomplete record, or records not yet taken, are held. */
  get pending(): boolean { return this.#from < this.#bytes.length; }

  /** Adds a piece of the stream. */
  feed(piece: Uint8Array): void {
    const rest = this.#bytes.subarray(this.#from);
    const joined = new Uint8Array(rest.length + piece.length);
    joined.set(rest);
    joined.set(piece, rest.length);
    this.#bytes = joined;
    this.#from = 0;
  }

  /**
   * The next record, which stays the next one until taken; null if it is not complete yet. Throws EINVAL for what cannot be
   * a record and EBADCRC for a damaged one, naming its place.
   */
  peek(): MirrorRecord | null {
    const have = this.#bytes.length - this.#from;
    if (have < MRECORD_HEAD.size) return null;
    const v = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#from, have);
    const signature = v.getUint32(MRECORD_HEAD.off.signature, true);
    if (signature === SIGNATURE_SWAPPED) throw this.error("EINVAL", "was written by a machine of the other byte order");
    if (signature !== SIGNATURE) throw this.error("EINVAL", `has signature ${signature.toString(16).padStart(8, "0")}: this is no mirror stream, or bytes are missing`);
    const size = v.getUint32(MRECORD_HEAD.off.rec_size, true);
    const typeAndFlags = v.getUint32(MRECORD_HEAD.off.type, true);
    const type = typeAndFlags & 0xff;
    const limits = SIZES[type];
    // Sizes are looked at before the CRC: no record is waited for that cannot be one.
    if (size < MRECORD_HEAD.size || size > MAX_SIZE) throw this.error("EINVAL", `claims to have ${size} bytes`);
    const padded = (size + 7) & ~7;
    if (have < padded) return null;
    const bytes = this.#bytes.subarray(this.#from, this.#from + size);
    if (crc32(bytes, MRECORD_HEAD.off.rec_size, size) !== v.getUint32(MRECORD_HEAD.off.rec_crc, true)) throw this.error("EBADCRC", "fails its CRC");
    if (limits === undefined || (typeAndFlags & ~(0xff | FLAGS_KNOWN)) !== 0) throw this.error("EINVAL", `has the unknown type ${typeAndFlags.toString(16)}`);
    if (size < limits[0] || size > limits[1]) throw this.error("EINVAL", `of type ${type} has ${size} bytes`);
    return { type, flags: (typeAndFlags & FLAGS_KNOWN) >>> 0, bytes, view: viewOf(bytes), at: this.#at, index: this.#index };
  }

  /** Goes past the record that peek returned. */
  take(): void {
    const size = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + this.#from).getUint32(MRECORD_HEAD.off.rec_size, true);
    this.#from += (size + 7) & ~7;
    this.#at += (size + 7) & ~7;
    this.#index++;
  }

  /** An error about the next record. */
  error(code: HammerErrorCode, why: string): HammerError {
    return new HammerError(code, `mirror stream: record ${this.#index} at byte ${this.#at} ${why}`, { offset: this.#at });
  }
}
