// SPDX-License-Identifier: BSD-3-Clause
/**
 * Data of the record under a cursor: where it is, whether it is whole.
 *
 * Invariant R1: data is used only after its zone, its length and its CRC were found right.
 *
 * CRC of an INODE record covers its first 112 bytes, of any other record all of data_len.
 * Source: DragonFly sys/vfs/hammer/hammer_object.c, hammer_ip_resolve_data() and hammer_btree_extract().
 * @module
 */
import type { Buffer } from "../buffer.ts";
import type { Cursor } from "../btree/cursor.ts";
import { int64, uint64 } from "../btree/key.ts";
import { crcMatches } from "../crc.ts";
import {
  BUFMASK, BUFSIZE, INODE_CRC_SIZE, INODE_DATA, REC_INODE, W_CREATE_HI, W_CREATE_LO, W_DATA_CRC, W_DATA_HI, W_DATA_LEN,
  W_DATA_LO, W_KEY_HI, W_KEY_LO, W_LOCALIZATION, W_OBJ_HI, W_OBJ_LO, W_TYPES, ZONE_META, addressOf, zoneOf,
} from "../disk/index.ts";
import { HammerError, hex64 } from "../error.ts";

/** A record's data in a buffer of the cache: bytes [at, at + length). One shared instance, valid until the next call. */
export interface RecordData { buffer: Buffer; at: number; length: number }

let $data: RecordData | null = null;

/** How messages call the record under the cursor. */
export function recordName(cur: Cursor): string {
  const { words: w, at } = cur;
  return `record ${(w[at + W_TYPES]! & 0xffff).toString(16)} of object ${hex64(int64(w[at + W_OBJ_HI]!, w[at + W_OBJ_LO]!))}`
    + ` (localization ${(w[at + W_LOCALIZATION]! >>> 0).toString(16)}, key ${hex64(int64(w[at + W_KEY_HI]!, w[at + W_KEY_LO]!))},`
    + ` created ${hex64(uint64(w[at + W_CREATE_HI]!, w[at + W_CREATE_LO]!))})`;
}

/** An error about the record under the cursor. */
export function recordError(cur: Cursor, code: "EIO" | "EBADCRC", why: string): HammerError {
  const { words: w, at } = cur;
  return new HammerError(code, `${recordName(cur)}: ${why}`, {
    offset: uint64(w[at + W_DATA_HI]!, w[at + W_DATA_LO]!), objId: int64(w[at + W_OBJ_HI]!, w[at + W_OBJ_LO]!),
  });
}

/** The data of the meta-data record under the cursor (R1), at least `minimum` bytes. Throws EIO, EBADCRC or BufferMiss. */
export function metaData(cur: Cursor, minimum: number): RecordData {
  const w = cur.words;
  const at = cur.at;
  const hi = w[at + W_DATA_HI]!;
  const address = addressOf(hi, w[at + W_DATA_LO]!);
  const length = w[at + W_DATA_LEN]!;
  const offset = address & BUFMASK;
  if (zoneOf(hi) !== ZONE_META || length < minimum || offset + length > BUFSIZE)
    throw recordError(cur, "EIO", `its data cannot be ${length} bytes at ${hex64(uint64(hi, w[at + W_DATA_LO]!))}`);
  const buffer = cur.tree.cache.bread(address, "meta-data");
  const isInode = (w[at + W_TYPES]! & 0xffff) === REC_INODE;
  // The kernel takes the CRC of an INODE record of another size to be 0.
  const covered = isInode ? (length === INODE_DATA.size ? INODE_CRC_SIZE : 0) : length;
  if (!crcMatches(cur.tree.cache.volumes.version, w[at + W_DATA_CRC]!, buffer.bytes, offset, offset + covered))
    throw recordError(cur, "EBADCRC", `data at ${hex64(uint64(hi, w[at + W_DATA_LO]!))} fails its CRC`);
  if ($data === null) return ($data = { buffer, at: offset, length });
  $data.buffer = buffer;
  $data.at = offset;
  $data.length = length;
  return $data;
}
