// SPDX-License-Identifier: BSD-3-Clause
/**
 * The two checksums of HAMMER, both reflected, seeded with all ones and complemented at the end:
 *
 *   CRC-32   polynomial 0xEDB88320  everything up to file system version 6, and name hashes, mirror stream
 *                                   heads and file system ids in every version
 *   CRC-32C  polynomial 0x82F63B78  (Castagnoli, "iscsi_crc32") what version 7 writes; a version 7 reader
 *                                   accepts either
 *
 * Slicing by 16: sixteen tables, one per byte position, so that a step consumes 16 bytes with independent
 * loads; long runs go through the same loop in WebAssembly (crc-wasm.ts). Source of the rules: DragonFly sys/vfs/hammer/hammer_crc.h, sys/libkern/icrc32.c.
 * @module
 */

import { crcWasm, WASM_CHUNK } from "./crc-wasm.ts";

const SLICES = 16;

function makeTables(polynomial: number): Int32Array {
  const t = new Int32Array(SLICES * 256);
  for (let i = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ polynomial : c >>> 1;
    t[i] = c;
  }
  for (let i = 256; i < t.length; i++) {
    const c = t[i - 256]!;
    t[i] = (c >>> 8) ^ t[c & 0xff]!;
  }
  return t;
}

const CRC32_TABLES = makeTables(0xedb8_8320);
const CRC32C_TABLES = makeTables(0x82f6_3b78);

const WASM = crcWasm(CRC32_TABLES, CRC32C_TABLES);
/** From this length on the copy into WebAssembly's memory pays. */
const BULK = WASM === null ? Infinity : 512;

function updateBulk(t: Int32Array, crc: number, b: Uint8Array, from: number, to: number): number {
  const wasm = WASM!;
  const loop = t === CRC32_TABLES ? wasm.crc32 : wasm.crc32c;
  let c = crc;
  for (let at = from; at < to; at += WASM_CHUNK) {
    const end = Math.min(at + WASM_CHUNK, to);
    wasm.data.set(at === 0 && end === b.length ? b : b.subarray(at, end));
    c = loop(c, wasm.dataAt, wasm.dataAt + end - at);
  }
  return c;
}

/** `crc` in and out is the raw register: complement of the checksum so far. */
function update(t: Int32Array, crc: number, b: Uint8Array, from: number, to: number): number {
  if (to - from >= BULK) return updateBulk(t, crc, b, from, to);
  let c = crc;
  let i = from;
  for (const bulk = to - 15; i < bulk; i += 16) {
    c = t[0xf00 | ((b[i]! ^ c) & 0xff)]! ^ t[0xe00 | ((b[i + 1]! ^ (c >>> 8)) & 0xff)]!
      ^ t[0xd00 | ((b[i + 2]! ^ (c >>> 16)) & 0xff)]! ^ t[0xc00 | (b[i + 3]! ^ (c >>> 24))]!
      ^ t[0xb00 | b[i + 4]!]! ^ t[0xa00 | b[i + 5]!]! ^ t[0x900 | b[i + 6]!]! ^ t[0x800 | b[i + 7]!]!
      ^ t[0x700 | b[i + 8]!]! ^ t[0x600 | b[i + 9]!]! ^ t[0x500 | b[i + 10]!]! ^ t[0x400 | b[i + 11]!]!
      ^ t[0x300 | b[i + 12]!]! ^ t[0x200 | b[i + 13]!]! ^ t[0x100 | b[i + 14]!]! ^ t[b[i + 15]!]!;
  }
  for (; i < to; i++) c = (c >>> 8) ^ t[(b[i]! ^ c) & 0xff]!;
  return c;
}

/** CRC-32 of bytes [from, to) of `b`, as an unsigned number. The CRC of nothing is 0. */
export function crc32(b: Uint8Array, from = 0, to = b.length): number {
  return ~update(CRC32_TABLES, -1, b, from, to) >>> 0;
}

/** CRC-32 of `a` followed by bytes [from, to) of `b`, given `crc`, the CRC-32 of `a`. */
export function crc32Ext(b: Uint8Array, from: number, to: number, crc: number): number {
  return ~update(CRC32_TABLES, ~crc, b, from, to) >>> 0;
}

/** CRC-32C of bytes [from, to) of `b`, as an unsigned number. The CRC of nothing is 0. */
export function crc32c(b: Uint8Array, from = 0, to = b.length): number {
  return ~update(CRC32C_TABLES, -1, b, from, to) >>> 0;
}

/** CRC-32C of `a` followed by bytes [from, to) of `b`, given `crc`, the CRC-32C of `a`. */
export function crc32cExt(b: Uint8Array, from: number, to: number, crc: number): number {
  return ~update(CRC32C_TABLES, ~crc, b, from, to) >>> 0;
}

/** First file system version that writes CRC-32C (HAMMER_VOL_VERSION_SEVEN). */
const CRC32C_VERSION = 7;

/** The checksum a file system of this version writes. */
export function crcFor(version: number): (b: Uint8Array, from?: number, to?: number) => number {
  return version >= CRC32C_VERSION ? crc32c : crc32;
}

/**
 * True if `stored` is right for bytes [from, to) under the checking rule of `version`: up to 6 only CRC-32,
 * from 7 either function, because an upgrade converts nothing.
 */
export function crcMatches(version: number, stored: number, b: Uint8Array, from: number, to: number): boolean {
  const want = stored >>> 0;
  return (version >= CRC32C_VERSION && crc32c(b, from, to) === want) || crc32(b, from, to) === want;
}

/** As crcMatches for a structure whose checksum field lies inside it: CRC [a0, a1) XOR CRC [b0, b1). */
export function crcMatches2(
  version: number, stored: number, b: Uint8Array, a0: number, a1: number, b0: number, b1: number,
): boolean {
  const want = stored >>> 0;
  return (version >= CRC32C_VERSION && (crc32c(b, a0, a1) ^ crc32c(b, b0, b1)) >>> 0 === want)
    || (crc32(b, a0, a1) ^ crc32(b, b0, b1)) >>> 0 === want;
}
