// SPDX-License-Identifier: BSD-3-Clause
/**
 * File data as the B-Tree has it, without caches.
 *
 * A DATA record's key is the offset of its end: base + data_len. To read from offset o, the first record with a key
 * above o is the only one that can cover it; before its base there is a hole, which reads as zeros. Records need not
 * have any particular length; bytes beyond the end of the file mean nothing.
 *
 * Invariant D1: bytes of a record are handed out only after the CRC of the whole record was right.
 * Source: DragonFly sys/vfs/hammer/hammer_vnops.c, hammer_vop_strategy_read().
 * @module
 */
import type { Cursor } from "../btree/cursor.ts";
import { Key, uint64 } from "../btree/key.ts";
import { crcMatches } from "../crc.ts";
import {
  BUFMASK, BUFSIZE, LOCALIZE_MISC, REC_DATA, W_DATA_CRC, W_DATA_HI, W_DATA_LEN, W_DATA_LO, W_KEY_HI, W_KEY_LO, XBUFSIZE,
  ZONE_LARGE_DATA, ZONE_SMALL_DATA, addressOf, zoneOf,
} from "../disk/index.ts";
import { hex64 } from "../error.ts";
import type { HammerInode } from "./inode.ts";
import { recordError } from "./record.ts";

const TWO32 = 4294967296;
const $begin = new Key();
const $end = new Key();
const $whole = new Uint8Array(XBUFSIZE);

/** Reads the whole record under the cursor into `to` (D1), which has its length. */
function readRecord(cur: Cursor, to: Uint8Array): void {
  const w = cur.words;
  const at = cur.at;
  const hi = w[at + W_DATA_HI]!;
  const lo = w[at + W_DATA_LO]!;
  const address = addressOf(hi, lo);
  const { cache } = cur.tree;
  const zone = zoneOf(hi);
  const within = address & BUFMASK;
  if (zone === ZONE_SMALL_DATA && within + to.length <= BUFSIZE) {
    // Many small files share a buffer.
    to.set(cache.bread(address, "file data").bytes.subarray(within, within + to.length));
  } else if (zone === ZONE_LARGE_DATA) {
    cache.volumes.read(address, to, "file data");
  } else {
    throw recordError(cur, "EIO", `its data cannot be ${to.length} bytes at ${hex64(uint64(hi, lo))}`);
  }
  if (!crcMatches(cache.volumes.version, w[at + W_DATA_CRC]!, to, 0, to.length))
    throw recordError(cur, "EBADCRC", `data at ${hex64(uint64(hi, lo))} fails its CRC`);
}

/**
 * Fills `buf[bufOff, bufOff + length)` from file offset `offset`, holes and everything behind the last record with
 * zeros. The size of the file does not matter here. Throws EIO, EBADCRC or BufferMiss.
 */
export function readRecords(cur: Cursor, ip: HammerInode, offset: number, buf: Uint8Array, bufOff: number, length: number): void {
  const loc = ip.loc | LOCALIZE_MISC;
  const from = offset + 1;
  const end = offset + length;
  // A record covering the last byte may end a whole block behind it.
  $begin.set(loc, ip.objHi, ip.objLo, REC_DATA, Math.floor(from / TWO32), from | 0);
  $end.set(loc, ip.objHi, ip.objLo, REC_DATA, 0x7fff_ffff, -1);
  let filled = offset; // file offset up to which `buf` is filled
  for (let found = cur.first($begin, $end, ip.asofHi, ip.asofLo); found && filled < end; found = cur.nextInRange()) {
    const w = cur.words;
    const recordEnd = w[cur.at + W_KEY_HI]! * TWO32 + (w[cur.at + W_KEY_LO]! >>> 0);
    const recordLength = w[cur.at + W_DATA_LEN]!;
    if (recordLength <= 0 || recordLength > XBUFSIZE) throw recordError(cur, "EIO", `its length is ${recordLength}`);
    const base = recordEnd - recordLength;
    if (base >= end) break;
    if (base > filled) {
      buf.fill(0, bufOff + filled - offset, bufOff + base - offset);
      filled = base;
    }
    const upTo = Math.min(recordEnd, end);
    if (upTo <= filled) continue;
    const to = bufOff + filled - offset;
    if ((w[cur.at + W_DATA_HI]! | w[cur.at + W_DATA_LO]!) === 0) {
      buf.fill(0, to, to + upTo - filled); // zero-fill record: allowed, though nobody writes them
    } else if (filled === base && upTo === recordEnd) {
      readRecord(cur, buf.subarray(to, to + recordLength));
    } else {
      const whole = $whole.subarray(0, recordLength);
      readRecord(cur, whole);
      buf.set(whole.subarray(filled - base, upTo - base), to);
    }
    filled = upTo;
  }
  if (filled < end) buf.fill(0, bufOff + filled - offset, bufOff + length);
}
