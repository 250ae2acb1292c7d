// SPDX-License-Identifier: BSD-3-Clause
/**
 * Buffer cache: 16 KiB buffers of the volumes' buffer areas, for everything but large file data.
 *
 * Invariants
 *   B1  A buffer is never dropped between two calls of trim: code inside one operation may keep references and
 *       modify what it holds.
 *   B2  Bytes of a buffer change only after modify(); the first modify of a flush group takes a copy of all
 *       bytes that the last durable state may refer to, and UNDO is made from that copy.
 *   B3  Bytes from `fresh` on were allocated in this flush group; no durable state refers to them.
 *   B4  Dirty buffers stay until the flusher has written them in its order.
 *   B5  Storage of a buffer dropped by trim is used again; the dropped buffer keeps none of it, so that a stale reference
 *       cannot read another buffer's bytes. `trims` tells walks over several operations that they have to start anew.
 *
 * Nodes are checked against their CRC on the first use after a read (`checked` has one bit a node).
 * @module
 */
import { BIGBLOCK_SIZE, BUFSIZE as BUFSIZE_, VOLUME_STRIDE as STRIDE_, ZONE_RAW_BUFFER, offset64 } from "./disk/offset.ts";
import { HammerError, hex64 } from "./error.ts";
import type { Volume, Volumes } from "./io.ts";

const BUFSIZE = BUFSIZE_, STRIDE = STRIDE_, BIGBLOCK = BIGBLOCK_SIZE;
const PER_BIGBLOCK = BIGBLOCK_SIZE / BUFSIZE_;
/** Copies of buffers kept for the next group, at most. */
const SPARE_COPIES = 256;

/** The bytes of a buffer, seen in three ways. */
class Storage {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;

  constructor(size: number) {
    const storage = new ArrayBuffer(size);
    this.bytes = new Uint8Array(storage);
    this.words = new Int32Array(storage);
    this.view = new DataView(storage);
  }
}

/** Fewer would not hold what one operation needs. */
export const LEAST_BUFFERS = 64;

/** What a dropped buffer holds (invariant B5). */
const NOTHING = new Storage(0);

/** One cached 16 KiB of a volume. */
export class Buffer {
  readonly volume: Volume;
  /** Address of byte 0. */
  readonly address: number;
  bytes: Uint8Array;
  words: Int32Array;
  view: DataView;
  /** 1 while modified since the last flush. */
  dirty = 0;
  /** 1 if the buffer holds small file data, which needs no UNDO and is written before the meta-data. */
  data = 0;
  /** Bit n: node n's CRC has been verified since the buffer was read. */
  checked = 0;
  /** Bit n: node n was changed and needs a new CRC when written. */
  nodes = 0;
  /** First byte allocated in this flush group (invariant B3). */
  fresh = BUFSIZE_;
  /** The buffer before its first modification of this flush group; from `fresh` on it means nothing. */
  before: Int32Array | null = null;
  /** Used since the eviction hand last passed. */
  referenced = 1;
  /** False once dropped from the cache. */
  present = true;

  constructor(volume: Volume, address: number, storage: Storage) {
    this.volume = volume;
    this.address = address;
    this.bytes = storage.bytes;
    this.words = storage.words;
    this.view = storage.view;
  }

  /** Gives up the bytes of a dropped buffer (invariant B5). */
  release(): Storage {
    const { bytes, words, view } = this;
    this.bytes = NOTHING.bytes;
    this.words = NOTHING.words;
    this.view = NOTHING.view;
    return { bytes, words, view };
  }
}

/** The buffers of one big-block. */
interface Shelf { readonly buffers: (Buffer | undefined)[]; count: number }

/** The cache of one mounted file system. */
export class BufferCache {
  readonly volumes: Volumes;
  /** By number of the big-block, counted through all volumes. */
  readonly #shelves = new Map<number, Shelf>();
  readonly #spare: Storage[] = [];
  readonly #copies: Int32Array[] = [];
  /** Number of clean buffers to keep; may change at any time. */
  limit: number;
  /** Eviction order; second chance by `referenced`. */
  #queue: Buffer[] = [];
  #hand = 0;
  #last: Buffer | null = null;
  #lastIndex = -1;
  /** Buffers with dirty = 1, in order of their first modification. */
  dirty: Buffer[] = [];
  /** Counts the times buffers were dropped: paths through buffers made before may not be used. */
  drops = 0;
  /** Counts the trims that dropped something (B5). */
  trims = 0;
  /** How many of them need UNDO. */
  undoable = 0;
  /** Reads that went to a device, for statistics and tests. */
  deviceReads = 0;

  /** `limitBytes` bounds clean buffers; dirty ones are bounded by the flusher. */
  constructor(volumes: Volumes, limitBytes: number) {
    this.volumes = volumes;
    this.limit = Math.max(LEAST_BUFFERS, Math.floor(limitBytes / BUFSIZE));
  }

  /** Number of buffers held. */
  get count(): number { return this.#queue.length; }

  /** The buffer that contains `address`, read if need be. Throws EIO (naming `what`) or BufferMiss. */
  bread(address: number, what: string): Buffer {
    const index = Math.floor(address / BUFSIZE);
    if (index === this.#lastIndex) return this.#last!;
    const b = this.#find(index) ?? this.#readIn(index * BUFSIZE, what);
    b.referenced = 1;
    this.#last = b;
    this.#lastIndex = index;
    return b;
  }

  #find(index: number): Buffer | undefined {
    const shelf = this.#shelves.get(Math.floor(index / PER_BIGBLOCK));
    return shelf === undefined ? undefined : shelf.buffers[index % PER_BIGBLOCK];
  }

  #readIn(address: number, what: string): Buffer {
    const volume = this.volumes.locate(address, 1, what);
    const storage = this.#spare.pop() ?? new Storage(BUFSIZE);
    try {
      volume.device.read(volume.bufBeg + address % STRIDE, storage.bytes);
    } catch (error) {
      this.#spare.push(storage);
      throw error;
    }
    this.deviceReads++;
    return this.#enter(new Buffer(volume, address, storage));
  }

  #enter(b: Buffer): Buffer {
    const number = Math.floor(b.address / BIGBLOCK);
    let shelf = this.#shelves.get(number);
    if (shelf === undefined) this.#shelves.set(number, shelf = { buffers: new Array<Buffer | undefined>(PER_BIGBLOCK).fill(undefined), count: 0 });
    shelf.buffers[b.address / BUFSIZE % PER_BIGBLOCK] = b;
    shelf.count++;
    this.#queue.push(b);
    return b;
  }

  /** Takes a buffer out of the index; the eviction queue still has it. */
  #remove(b: Buffer): void {
    const number = Math.floor(b.address / BIGBLOCK);
    const shelf = this.#shelves.get(number)!;
    shelf.buffers[b.address / BUFSIZE % PER_BIGBLOCK] = undefined;
    if (--shelf.count === 0) this.#shelves.delete(number);
    b.present = false;
  }

  /** The buffer at `address`, a multiple of 16 KiB whose old contents mean nothing: zeros, without a read. */
  bnew(address: number, what: string): Buffer {
    const volume = this.volumes.locate(address, BUFSIZE, what);
    const old = this.peek(address);
    if (old !== undefined) {
      old.bytes.fill(0);
      old.checked = 0;
      old.referenced = 1;
      return old;
    }
    const used = this.#spare.pop();
    used?.bytes.fill(0);
    return this.#enter(new Buffer(volume, address, used ?? new Storage(BUFSIZE)));
  }

  /** The buffer at `address` if it is cached. */
  peek(address: number): Buffer | undefined {
    return this.#find(Math.floor(address / BUFSIZE));
  }

  /** To be called before bytes of `b` change (invariant B2). */
  modify(b: Buffer): void {
    if (b.dirty !== 0) return;
    b.dirty = 1;
    if (b.data === 0 && b.fresh !== 0) {
      const copy = this.#copies.pop() ?? new Int32Array(BUFSIZE / 4);
      copy.set(b.words);
      b.before = copy;
      this.undoable++;
    }
    this.dirty.push(b);
  }

  /** Declares that bytes of `b` from `offset` on were allocated just now (invariant B3); marks it modified. */
  allocated(b: Buffer, offset: number, data: boolean): void {
    if (b.dirty === 0) {
      b.fresh = offset;
      b.data = data ? 1 : 0;
    } else if (offset < b.fresh) {
      b.fresh = offset;
    }
    this.modify(b);
  }

  /** The flusher has written everything dirty. */
  cleaned(): void {
    for (const b of this.dirty) {
      b.dirty = 0;
      if (b.before !== null && this.#copies.length < SPARE_COPIES) this.#copies.push(b.before);
      b.before = null;
      b.nodes = 0;
      b.fresh = BUFSIZE;
    }
    this.dirty = [];
    this.undoable = 0;
  }

  /**
   * Forgets clean buffers of the big-block at `address`, which is about to get a new owner. Throws EIO if one has been changed:
   * only a damaged freemap calls such a big-block free.
   */
  forgetBigblock(address: number): void {
    const shelf = this.#shelves.get(Math.floor(address / BIGBLOCK));
    if (shelf === undefined) return;
    for (const b of shelf.buffers) {
      if (b === undefined) continue;
      if (b.dirty !== 0)
        throw this.#wronglyFree(address);
      this.#remove(b);
      this.drops++;
    }
    this.#lastIndex = -1;
  }

  #wronglyFree(address: number): HammerError {
    const offset = offset64(ZONE_RAW_BUFFER, address);
    return new HammerError("EIO", `${hex64(offset)}: the freemap calls this big-block free, but what is in it has just been changed`, { offset });
  }

  /** Drops clean buffers beyond the limit. Call between operations only (invariant B1). */
  trim(): void {
    if (this.#queue.length <= this.limit) return;
    this.#trimSlow();
  }

  #trimSlow(): void {
    this.drops++;
    this.trims++;
    const q = this.#queue;
    // Down to 7/8, so that the work comes in batches; two rounds, because the first only clears marks.
    const goal = this.limit - (this.limit >> 3);
    const spares = this.limit >> 3;
    let excess = q.length - goal;
    for (let step = 2 * q.length; excess > 0 && step > 0; step--) {
      if (this.#hand >= q.length) this.#hand = 0;
      const b = q[this.#hand]!;
      if (b.present && (b.dirty !== 0 || b.referenced !== 0)) {
        b.referenced = 0;
        this.#hand++;
        continue;
      }
      if (b.present) this.#remove(b);
      const storage = b.release();
      if (this.#spare.length < spares) this.#spare.push(storage);
      q[this.#hand] = q[q.length - 1]!;
      q.pop();
      excess--;
    }
    this.#lastIndex = -1;
  }
}
