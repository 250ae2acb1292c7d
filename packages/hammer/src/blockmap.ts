// SPDX-License-Identifier: BSD-3-Clause
/**
 * The freemap: who owns each big-block, allocation, freeing.
 *
 * Invariants
 *   M1  bytes_free of a big-block is 8 MiB minus what the B-Tree refers to in it, each reference rounded up to 16.
 *   M2  Space inside a big-block is handed out in ascending order only; what lies above append_off was never
 *       referred to since the big-block was last free.
 *   M3  A big-block that became free is not handed out again before the flush that freed it is complete: a crash
 *       until then brings the references back.
 *   M4  An allocation that throws has changed nothing.
 *
 * Allocations up to 16 KiB do not cross a buffer, larger ones not a big-block.
 * Source: DragonFly sys/vfs/hammer/hammer_blockmap.c.
 * @module
 */
import type { Buffer, BufferCache } from "./buffer.ts";
import { crcFor, crcMatches } from "./crc.ts";
import { BLOCKMAP, LAYER1, LAYER1_SPAN, LAYER2 } from "./disk/blockmap.ts";
import {
  address64, BIGBLOCK_SIZE, BUFMASK, BUFSIZE, NO_ADDRESS, offset64, OFFSET_UNAVAIL, VOLUME_STRIDE, volumeOf, ZONE_BTREE,
  ZONE_FREEMAP, ZONE_LARGE_DATA, ZONE_META, ZONE_RAW_BUFFER, ZONE_SMALL_DATA, ZONE_UNAVAILABLE,
} from "./disk/offset.ts";
import { VOLUME } from "./disk/volume.ts";
import { HammerError, hex64 } from "./error.ts";
import { Volumes } from "./io.ts";

const L1_FREE = LAYER1.off.blocks_free, L1_PHYS = LAYER1.off.phys_offset, L1_CRC = LAYER1.off.layer1_crc;
const L2_APPEND = LAYER2.off.append_off, L2_FREE = LAYER2.off.bytes_free, L2_CRC = LAYER2.off.entry_crc;
const LAYER1_PER_VOLUME = 1024;
/** What an operation may allocate of a zone before it looks again: a few nodes, a few records. */
const PREPARED = 4 * BUFSIZE;
const ZONES_USED = [ZONE_BTREE, ZONE_META, ZONE_LARGE_DATA, ZONE_SMALL_DATA] as const;

/** Where a zone allocates: its current big-block, with the layer 2 entry at hand. */
class ZoneCursor {
  /** Address of the next byte to try. */
  next = 0;
  /** Big-block whose entry is at `at` of `buffer`, or NO_ADDRESS. */
  bigblock = NO_ADDRESS;
  buffer: Buffer | null = null;
  at = 0;
}

/** Allocator and accountant of one mounted file system. */
export class Freemap {
  readonly #cache: BufferCache;
  readonly #volumes: Volumes;
  readonly #cursors: ZoneCursor[] = [];
  /** Big-blocks freed in this flush group (invariant M3). */
  readonly #quarantine = new Set<number>();
  /** Volume on which nothing is allocated any more, or -1. */
  #avoided = -1;

  constructor(cache: BufferCache) {
    this.#cache = cache;
    this.#volumes = cache.volumes;
    for (const zone of ZONES_USED) {
      const cursor = new ZoneCursor();
      const stored = this.#volumes.root.view.getBigUint64(Volumes.blockmapAt(zone) + BLOCKMAP.off.next_offset, true);
      cursor.next = Math.max(0, address64(stored));
      this.#cursors[zone] = cursor;
    }
  }

  /** Big-blocks that can be handed out: the header's count without those in quarantine. */
  get freeBigblocks(): number {
    return Number(this.#volumes.root.view.getBigInt64(VOLUME.off.vol0_stat_freebigblocks, true)) - this.#quarantine.size;
  }

  /** Bytes left in the big-block a zone is filling. */
  roomIn(zone: number): number {
    const c = this.#cursors[zone]!;
    return c.bigblock === NO_ADDRESS ? 0 : c.bigblock + BIGBLOCK_SIZE - c.next;
  }

  #countFree(delta: number): void {
    const view = this.#volumes.root.view, at = VOLUME.off.vol0_stat_freebigblocks;
    view.setBigInt64(at, view.getBigInt64(at, true) + BigInt(delta), true);
  }

  /** Layer 1 entry for an address: buffer and byte in it, CRC checked. */
  #layer1(address: number): { buffer: Buffer; at: number } {
    const phys = address64(this.#volumes.root.view.getBigUint64(Volumes.blockmapAt(ZONE_FREEMAP) + BLOCKMAP.off.phys_offset, true));
    const index = Math.floor(address / VOLUME_STRIDE) * LAYER1_PER_VOLUME + Math.floor(address % VOLUME_STRIDE / LAYER1_SPAN);
    const entry = phys + index * LAYER1.size;
    const buffer = this.#cache.bread(entry, "freemap layer 1");
    const at = entry & BUFMASK;
    if (!crcMatches(this.#volumes.version, buffer.view.getUint32(at + L1_CRC, true), buffer.bytes, at, at + L1_CRC))
      throw this.#bad("layer 1", address);
    return { buffer, at };
  }

  /** Address of the layer 2 entry for an address, or NO_ADDRESS where nothing exists. */
  #layer2Address(address: number, layer1: { buffer: Buffer; at: number }): number {
    const phys = address64(layer1.buffer.view.getBigUint64(layer1.at + L1_PHYS, true));
    return phys === NO_ADDRESS ? NO_ADDRESS : phys + Math.floor(address % VOLUME_STRIDE % LAYER1_SPAN / BIGBLOCK_SIZE) * LAYER2.size;
  }

  #layer2(address: number, entry: number): Buffer {
    const buffer = this.#cache.bread(entry, "freemap layer 2");
    const at = entry & BUFMASK;
    if (!crcMatches(this.#volumes.version, buffer.view.getUint32(at + L2_CRC, true), buffer.bytes, at, at + L2_CRC))
      throw this.#bad("layer 2", address);
    return buffer;
  }

  #bad(level: string, address: number): HammerError {
    const offset = offset64(ZONE_FREEMAP, address);
    return new HammerError("EBADCRC", `freemap ${level} entry of big-block ${hex64(offset)} fails its CRC`, { offset });
  }

  #sealLayer1(b: Buffer, at: number): void {
    b.view.setUint32(at + L1_CRC, crcFor(this.#volumes.version)(b.bytes, at, at + L1_CRC), true);
  }

  #sealLayer2(b: Buffer, at: number): void {
    b.view.setUint32(at + L2_CRC, crcFor(this.#volumes.version)(b.bytes, at, at + L2_CRC), true);
  }

  /**
   * Allocates `bytes` (up to 64 KiB) in a zone and returns the address. Throws ENOSPC, or EBADCRC for damage met
   * on the search (M4).
   */
  alloc(zone: number, bytes: number): number {
    const size = (bytes + 15) & ~15;
    const c = this.#cursors[zone]!;
    if (c.bigblock !== NO_ADDRESS && c.buffer!.present) {
      const found = this.#fit(c.next, size);
      if (found + size <= c.bigblock + BIGBLOCK_SIZE) return this.#take(c, found, size);
    }
    this.#search(c, zone, size);
    return this.#take(c, this.#fit(c.next, size), size);
  }

  /** Reads what the next small allocations in a zone will touch, so that they throw neither BufferMiss nor ENOSPC. */
  prepare(zone: number): void {
    const c = this.#cursors[zone]!;
    if (c.bigblock === NO_ADDRESS || !c.buffer!.present || c.next + PREPARED > c.bigblock + BIGBLOCK_SIZE) this.#search(c, zone, PREPARED);
    if (zone !== ZONE_LARGE_DATA && (c.next & BUFMASK) !== 0) this.#cache.bread(c.next, "buffer being filled");
  }

  /** First place at or after `pos` where `size` bytes do not cross a buffer (or, if large, a big-block). */
  #fit(pos: number, size: number): number {
    const unit = size <= BUFSIZE ? BUFSIZE : BIGBLOCK_SIZE;
    const within = pos % unit;
    return within + size > unit ? pos - within + unit : pos;
  }

  #take(c: ZoneCursor, address: number, size: number): number {
    const b = c.buffer!, at = c.at;
    this.#cache.modify(b);
    b.view.setInt32(at + L2_FREE, b.view.getInt32(at + L2_FREE, true) - size, true);
    b.view.setUint32(at + L2_APPEND, address + size - c.bigblock, true);
    this.#sealLayer2(b, at);
    c.next = address + size;
    return address;
  }

  /** Makes `c` stand on a big-block of the zone with room for `size` bytes, claiming a free one if need be. */
  #search(c: ZoneCursor, zone: number, size: number): void {
    let pos = c.next;
    let wrapped = false;
    const start = pos;
    const stride = VOLUME_STRIDE;
    for (;;) {
      const volume = this.#volumes.byNumber[Math.floor(pos / stride)];
      if (volume === undefined || volume.number === this.#avoided || pos % stride >= volume.usableBytes) {
        const next = this.#volumes.list.find((v) => v.number * stride > pos);
        if (next !== undefined) {
          pos = next.number * stride;
        } else {
          if (wrapped) throw this.#full(size);
          wrapped = true;
          pos = 0;
        }
        continue;
      }
      if (wrapped && pos > start + BIGBLOCK_SIZE) throw this.#full(size);
      const bigblock = pos - pos % BIGBLOCK_SIZE;
      const layer1 = this.#layer1(bigblock);
      const entry = this.#layer2Address(bigblock, layer1);
      if (entry === NO_ADDRESS || (pos % stride % LAYER1_SPAN === 0 && layer1.buffer.view.getBigUint64(layer1.at + L1_FREE, true) === 0n
        && bigblock !== start - start % BIGBLOCK_SIZE)) {
        pos = bigblock - bigblock % stride % LAYER1_SPAN + LAYER1_SPAN;
        continue;
      }
      const buffer = this.#layer2(bigblock, entry);
      const at = entry & BUFMASK;
      const owner = buffer.bytes[at]!;
      if ((owner !== 0 && owner !== zone) || this.#quarantine.has(bigblock)) {
        pos = bigblock + BIGBLOCK_SIZE;
        continue;
      }
      const append = bigblock + buffer.view.getUint32(at + L2_APPEND, true);
      const found = this.#fit(Math.max(pos, append), size);
      if (found + size > bigblock + BIGBLOCK_SIZE) {
        pos = bigblock + BIGBLOCK_SIZE;
        continue;
      }
      if (owner === 0) this.#claim(layer1, buffer, at, zone, bigblock);
      c.bigblock = bigblock;
      c.buffer = buffer;
      c.at = at;
      c.next = found;
      return;
    }
  }

  #claim(layer1: { buffer: Buffer; at: number }, buffer: Buffer, at: number, zone: number, bigblock: number): void {
    this.#cache.forgetBigblock(bigblock);
    this.#adjustLayer1(layer1, -1n);
    this.#cache.modify(buffer);
    buffer.view.setUint8(at, zone);
    this.#sealLayer2(buffer, at);
    this.#countFree(-1);
  }

  #adjustLayer1(layer1: { buffer: Buffer; at: number }, delta: bigint): void {
    this.#cache.modify(layer1.buffer);
    const view = layer1.buffer.view;
    view.setBigUint64(layer1.at + L1_FREE, view.getBigUint64(layer1.at + L1_FREE, true) + delta, true);
    this.#sealLayer1(layer1.buffer, layer1.at);
  }

  #full(size: number): HammerError {
    return new HammerError("ENOSPC", `no big-block has ${size} bytes left: remove files or history, or add a volume`, { length: size });
  }

  /**
   * Allocates as alloc does and returns the buffer that holds the space, which is marked modified; the byte in it
   * is `address & BUFMASK` of `allocatedAt`. For what goes through the buffer cache: `bytes` <= 16 KiB.
   */
  allocBuffered(zone: number, bytes: number): Buffer {
    const address = this.alloc(zone, bytes);
    const within = address & BUFMASK;
    const b = within === 0 ? this.#cache.bnew(address, "new buffer") : this.#cache.bread(address, "buffer being filled");
    this.#cache.allocated(b, within, zone === ZONE_SMALL_DATA);
    this.allocatedAt = address;
    return b;
  }

  /** Address of the last allocBuffered. */
  allocatedAt = 0;

  /** Returns `bytes` at `address` of `zone` to their big-block. Throws EIO if that is not the zone's. */
  free(zone: number, address: number, bytes: number): void {
    const size = (bytes + 15) & ~15;
    const bigblock = address - address % BIGBLOCK_SIZE;
    const layer1 = this.#layer1(bigblock);
    const entry = this.#layer2Address(bigblock, layer1);
    if (entry === NO_ADDRESS) throw this.#notOurs(zone, address, "does not exist");
    const b = this.#layer2(bigblock, entry);
    const at = entry & BUFMASK;
    const owner = b.bytes[at]!;
    if (owner !== zone) throw this.#notOurs(zone, address, `belongs to zone ${owner}`);
    const left = b.view.getInt32(at + L2_FREE, true) + size;
    if (left > BIGBLOCK_SIZE) throw this.#notOurs(zone, address, `would have ${left} bytes free`);
    this.#cache.modify(b);
    b.view.setInt32(at + L2_FREE, left, true);
    if (left === BIGBLOCK_SIZE) {
      b.view.setUint8(at, 0);
      b.view.setUint32(at + L2_APPEND, 0, true);
      this.#adjustLayer1(layer1, 1n);
      this.#countFree(1);
      this.#quarantine.add(bigblock);
      for (const z of ZONES_USED) {
        const c = this.#cursors[z]!;
        if (c.bigblock === bigblock) c.bigblock = NO_ADDRESS;
      }
    }
    this.#sealLayer2(b, at);
  }

  /** Layer 2 entry of the big-block at an address of `zone`: buffer and byte in it. Throws EIO if it is not the zone's. */
  #entryOf(zone: number, address: number): { buffer: Buffer; at: number } {
    const bigblock = address - address % BIGBLOCK_SIZE;
    const entry = this.#layer2Address(bigblock, this.#layer1(bigblock));
    if (entry === NO_ADDRESS) throw this.#notOurs(zone, address, "does not exist");
    const buffer = this.#layer2(bigblock, entry);
    const at = entry & BUFMASK;
    if (buffer.bytes[at] !== zone) throw this.#notOurs(zone, address, `belongs to zone ${buffer.bytes[at]}`);
    return { buffer, at };
  }

  /** bytes_free of the big-block at an address of `zone`; shared data can make it negative. */
  bytesFree(zone: number, address: number): number {
    const { buffer, at } = this.#entryOf(zone, address);
    return buffer.view.getInt32(at + L2_FREE, true);
  }

  /** True if the zone is filling the big-block that holds `address`. */
  isFilling(zone: number, address: number): boolean {
    const next = this.#cursors[zone]!.next;
    return next - next % BIGBLOCK_SIZE === address - address % BIGBLOCK_SIZE;
  }

  /**
   * Counts another reference to `bytes` at `address`, which are in use. Returns false where the big-block's count cannot
   * take any more of them.
   */
  share(zone: number, address: number, bytes: number): boolean {
    const { buffer, at } = this.#entryOf(zone, address);
    const left = buffer.view.getInt32(at + L2_FREE, true);
    if (left - 2 * BIGBLOCK_SIZE < -0x8000_0000) return false;
    this.#cache.modify(buffer);
    buffer.view.setInt32(at + L2_FREE, left - ((bytes + 15) & ~15), true);
    this.#sealLayer2(buffer, at);
    return true;
  }

  #notOurs(zone: number, address: number, why: string): HammerError {
    const offset = offset64(zone, address);
    return new HammerError("EIO", `${hex64(offset)}: its big-block ${why}`, { offset });
  }

  /** Copies the allocation cursors into the root header's zone table, with fresh CRCs. */
  saveCursors(): void {
    const { view, header } = this.#volumes.root;
    const crc = crcFor(this.#volumes.version);
    for (const zone of ZONES_USED) {
      const at = Volumes.blockmapAt(zone);
      view.setBigUint64(at + BLOCKMAP.off.next_offset, offset64(zone, this.#cursors[zone]!.next), true);
      view.setUint32(at + BLOCKMAP.off.entry_crc, crc(header, at, at + BLOCKMAP.off.entry_crc), true);
    }
  }

  /** Allocates nothing on this volume from now on; -1: allocates everywhere. */
  avoid(volume: number): void {
    this.#avoided = volume;
    for (const zone of ZONES_USED) {
      const c = this.#cursors[zone]!;
      if (volumeOf(c.next) === volume) c.bigblock = NO_ADDRESS;
    }
  }

  /** Big-blocks of a volume that hold data or could, and those of them that are free. */
  countVolume(number: number): { total: number; free: number } {
    const volume = this.#volumes.byNumber[number]!;
    let total = 0, free = 0;
    const base = number * VOLUME_STRIDE;
    for (let byte = 0; byte < volume.usableBytes; byte += BIGBLOCK_SIZE) {
      const address = base + byte;
      const entry = this.#layer2Address(address, this.#layer1(address));
      if (entry === NO_ADDRESS) continue;
      const b = this.#layer2(address, entry);
      const zone = b.bytes[entry & BUFMASK]!;
      if (zone === ZONE_FREEMAP || zone === ZONE_UNAVAILABLE) continue;
      total++;
      if (zone === 0) free++;
    }
    return { total, free };
  }

  /** Enters a volume's layer 2 big-blocks, its first, into layer 1: `free[n]` big-blocks are free in its n-th 4 TiB. */
  enterVolume(number: number, free: readonly number[]): void {
    for (const [n, count] of free.entries())
      this.#setLayer1(number, n, offset64(ZONE_RAW_BUFFER, number * VOLUME_STRIDE + n * BIGBLOCK_SIZE), BigInt(count));
    this.#countFree(free.reduce((sum, count) => sum + count, 0));
  }

  /** Takes a volume, which holds nothing any more, out of layer 1. */
  leaveVolume(number: number): void {
    const volume = this.#volumes.byNumber[number]!;
    const { free } = this.countVolume(number);
    for (let n = 0; n * LAYER1_SPAN < volume.usableBytes; n++) this.#setLayer1(number, n, OFFSET_UNAVAIL, 0n);
    this.#countFree(-free);
    for (const zone of ZONES_USED) {
      const c = this.#cursors[zone]!;
      if (volumeOf(c.next) === number) c.next = 0;
    }
  }

  #setLayer1(volume: number, n: number, phys: bigint, free: bigint): void {
    const { buffer, at } = this.#layer1(volume * VOLUME_STRIDE + n * LAYER1_SPAN);
    this.#cache.modify(buffer);
    buffer.view.setBigUint64(at + L1_PHYS, phys, true);
    buffer.view.setBigUint64(at + L1_FREE, free, true);
    this.#sealLayer1(buffer, at);
  }

  /** The flush is complete: what it freed may be used (M3). */
  flushed(): void { this.#quarantine.clear(); }
}

/** Zone file data of this length lives in. */
export function dataZone(length: number): number {
  return length >= BUFSIZE ? ZONE_LARGE_DATA : ZONE_SMALL_DATA;
}

