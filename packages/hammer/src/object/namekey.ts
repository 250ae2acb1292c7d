// SPDX-License-Identifier: BSD-3-Clause
/**
 * Directory name keys: the 63-bit hash under which a directory entry is filed.
 *
 * The algorithm belongs to the directory (low two bits of its cap_flags), not to the file system version.
 * Keys are positive and never below 2^32, so that readdir can use 0 and 1 for "." and "..". The low bits are
 * zero and serve as room for names that collide. CRC-32 is used in every version.
 * Source: DragonFly sys/vfs/hammer/hammer_subs.c, hammer_directory_namekey().
 * @module
 */
import { crc32 } from "../crc.ts";

/** cap_flags bits that choose the algorithm (HAMMER_INODE_CAP_DIRHASH_MASK). */
export const DIRHASH_MASK = 0x03;
export const DIRHASH_ALG0 = 0;
export const DIRHASH_ALG1 = 1;

/** Longest file name, in bytes. */
export const NAME_MAX = 255;

/** A key and the last key that a collision of it may have, as unsigned 32-bit halves. */
export interface Namekey {
  hi: number;
  lo: number;
  maxHi: number;
  maxLo: number;
  /** How many keys after the first may be tried for a new entry. */
  maxIterations: number;
}

let $bytes = new Uint8Array(NAME_MAX);
const $key: Namekey = { hi: 0, lo: 0, maxHi: 0, maxLo: 0, maxIterations: 0 };

function isSeparator(byte: number): boolean {
  return byte === 0x2d || byte === 0x2e || byte === 0x5f || byte === 0x7e; // - . _ ~
}

/**
 * The key of `name` (a byte string of any length) in a directory with these cap_flags. The
 * result is one shared object, valid until the next call. Returns null for an algorithm nobody defined.
 */
export function namekey(capFlags: number, name: string): Namekey | null {
  const length = name.length;
  if (length > $bytes.length) $bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) $bytes[i] = name.charCodeAt(i);
  const whole = crc32($bytes, 0, length);
  switch (capFlags & DIRHASH_MASK) {
    case DIRHASH_ALG0: {
      const hi = (whole & 0x7fff_ffff) || 1;
      $key.hi = $key.maxHi = hi;
      $key.lo = 0;
      $key.maxLo = $key.maxIterations = 0xffff_ffff;
      return $key;
    }
    case DIRHASH_ALG1: {
      // The sum over the parts keeps "foo.c" and "foo.o", and a temporary name and its final one, together.
      let sum = 0;
      for (let i = 0; i < length;) {
        if (isSeparator($bytes[i]!)) {
          i++;
          continue;
        }
        const from = i;
        while (i < length && !isSeparator($bytes[i]!)) i++;
        sum = (sum + crc32($bytes, from, i)) | 0;
      }
      $key.hi = (sum & 0x7fff_ffff) || 1;
      $key.lo = ((whole ^ (whole << 16)) & 0xffff_0000) >>> 0;
      $key.maxIterations = 0x00ff_ffff;
      const maxLo = $key.lo + $key.maxIterations;
      $key.maxHi = $key.hi + (maxLo > 0xffff_ffff ? 1 : 0);
      $key.maxLo = maxLo >>> 0;
      return $key;
    }
    default:
      return null;
  }
}
