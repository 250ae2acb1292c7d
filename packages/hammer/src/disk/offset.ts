// SPDX-License-Identifier: BSD-3-Clause
/**
 * HAMMER offsets and how the program holds them.
 *
 * On disk an offset is 64 bits: zone (4), volume (8), byte (52). In the program it is split in two: the zone,
 * nearly always known from where the offset was found, and an **address**: one JavaScript number
 *
 *     address = volume * 2^45 + byte
 *
 * which is exact, compares and divides like any number, and is the same for every direct-translated zone
 * (2, 4, 8..15). The price is a limit of 32 TiB a volume (the format's is 4 PiB), checked when a volume is
 * opened. An offset that does not decode (byte beyond 2^45) gives NO_ADDRESS, which belongs to no volume.
 *
 * Zone 3 (the UNDO FIFO) is linear; its positions are plain numbers from 0 and never pass through here.
 * Source: DragonFly sys/vfs/hammer/hammer_disk.h.
 * @module
 */

export const ZONE_AVAILABLE = 0;
export const ZONE_RAW_VOLUME = 1;
export const ZONE_RAW_BUFFER = 2;
export const ZONE_UNDO = 3;
export const ZONE_FREEMAP = 4;
export const ZONE_BTREE = 8;
export const ZONE_META = 9;
export const ZONE_LARGE_DATA = 10;
export const ZONE_SMALL_DATA = 11;
export const ZONE_UNAVAILABLE = 15;
export const MAX_ZONES = 16;

export const BUFSIZE = 16384;
export const BUFMASK = 16383;
export const HBUFSIZE = 8192;
export const XBUFSIZE = 65536;
/** File offset from which blocks are XBUFSIZE long. */
export const XDEMARC = 1048576;
export const BIGBLOCK_SIZE = 8388608;
export const BIGBLOCK_MASK = 8388607;
export const DATA_ALIGN_MASK = 15;

/** 2^45: distance between the addresses of two volumes, and the largest volume. */
export const VOLUME_STRIDE = 35184372088832;
export const MAX_VOLUME_BYTES = VOLUME_STRIDE;
/** What an undecodable offset becomes. */
export const NO_ADDRESS = -1;
/** All 64 bits set: "unavailable" in freemap entries and the undo array. */
export const OFFSET_UNAVAIL = 0xffff_ffff_ffff_ffffn;

const TWO32 = 4294967296;
const STRIDE = VOLUME_STRIDE;

/** Address in the halves of a stored offset (any int32 or uint32); NO_ADDRESS if the byte is out of range. */
export function addressOf(hi: number, lo: number): number {
  if ((hi & 0xfe000) !== 0) return NO_ADDRESS;
  return ((hi >>> 20) & 0xff) * STRIDE + (hi & 0x1fff) * TWO32 + (lo >>> 0);
}

/** Zone nibble in the upper half of a stored offset. */
export function zoneOf(hi: number): number {
  return hi >>> 28;
}

/** Volume number of an address. */
export function volumeOf(address: number): number {
  return Math.floor(address / STRIDE);
}

/** Byte of an address in its volume's zone 2. */
export function byteOf(address: number): number {
  return address % STRIDE;
}

/** Upper half, as int32, of the stored offset for `zone` and `address`. */
export function offsetHi(zone: number, address: number): number {
  const volume = Math.floor(address / STRIDE);
  return (zone << 28) | (volume << 20) | Math.floor((address - volume * STRIDE) / TWO32);
}

/** Lower half, as int32, of the stored offset for `address`. */
export function offsetLo(address: number): number {
  return (address % TWO32) | 0;
}

/** The stored offset as a whole; cold code and messages. */
export function offset64(zone: number, address: number): bigint {
  return (BigInt(offsetHi(zone, address) >>> 0) << 32n) | BigInt(offsetLo(address) >>> 0);
}

/** Address in a whole stored offset. */
export function address64(offset: bigint): number {
  return addressOf(Number((offset >> 32n) & 0xffff_ffffn), Number(offset & 0xffff_ffffn));
}

/** Zone nibble of a whole stored offset. */
export function zone64(offset: bigint): number {
  return Number((offset >> 60n) & 15n);
}
