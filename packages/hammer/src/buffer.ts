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
 *
 * Nodes are checked against their CRC on the first use after a read (`checked` has one bit a node).
 * @module
 */
import { BIGBLOCK_SIZE, BUFSIZE as BUFSIZE_, VOLUME_STRIDE as STRIDE_ } from "./disk/offset.ts";
import type { Volume, Volumes } from "./io.ts";

const BUFSIZE = BUFSIZE_, STRIDE = STRIDE_;

/** One cached 16 KiB of a volume. */
export class Buffer {
  readonly volume: Volume;
  /** Address of byte 0. */
  readonly address: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly view: DataView;
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
  /** Bytes [0, fresh) as they were before the first modification of this flush group. */
  before: Int32Array | null = null;
  /** Used since the eviction hand last passed. */
  referenced = 1;
  /** False once dropped from the cache. */
  present = true;

  constructor(volume: Volume, address: number) {
    const storage = new ArrayBuffer(BUFSIZE);
    this.volume = volume;
    this.address = address;
    this.bytes = new Uint8Array(storage);
    this.words = new Int32Array(storage);
    this.view = new DataView(storage);
  }
}

/** The cache of one mounted file system. */
export class BufferCache {
  readonly volumes: Volumes;
  readonly #maps: Map<number, Buffer>[] = [];
  readonly #limit: number;
  /** Eviction order; second chance by `referenced`. */
  #queue: Buffer[] = [];
  #hand = 0;
  #last: Buffer | null = null;
  #lastIndex = -1;
  /** Buffers with dirty = 1, in order of their first modification. */
  dirty: Buffer[] = [];
  /** Counts the times buffers were dropped: paths through buffers made before may not be used. */
  drops = 0;
  /** How many of them need UNDO. */
  undoable = 0;
  /** Reads that went to a device, for statistics and tests. */
  deviceReads = 0;

  /** `limitBytes` bounds clean buffers; dirty ones are bounded by the flusher. */
  constructor(volumes: Volumes, limitBytes: number) {
    this.volumes = volumes;
    this.#limit = Math.max(64, Math.floor(limitBytes / BUFSIZE));
    for (const v of volumes.list) this.#maps[v.number] = new Map();
  }

  /** Number of buffers held. */
  get count(): number { return this.#queue.length; }

  /** The buffer that contains `address`, read if need be. Throws EIO (naming `what`) or BufferMiss. */
  bread(address: number, what: string): Buffer {
    const index = Math.floor(address / BUFSIZE);
    if (index === this.#lastIndex) return this.#last!;
    const volume = this.volumes.locate(address, 1, what);
    const map = this.#maps[volume.number]!;
    const slot = Math.floor(address % STRIDE / BUFSIZE);
    let b = map.get(slot);
    if (b === undefined) {
      b = new Buffer(volume, index * BUFSIZE);
      volume.device.read(volume.bufBeg + slot * BUFSIZE, b.bytes);
      this.deviceReads++;
      map.set(slot, b);
      this.#queue.push(b);
    }
    b.referenced = 1;
    this.#last = b;
    this.#lastIndex = index;
    return b;
  }

  /** The buffer at `address`, a multiple of 16 KiB whose old contents mean nothing: zeros, without a read. */
  bnew(address: number, what: string): Buffer {
    const volume = this.volumes.locate(address, BUFSIZE, what);
    const map = this.#maps[volume.number]!;
    const slot = Math.floor(address % STRIDE / BUFSIZE);
    const old = map.get(slot);
    if (old !== undefined) {
      old.bytes.fill(0);
      old.checked = 0;
      old.referenced = 1;
      return old;
    }
    const b = new Buffer(volume, address);
    map.set(slot, b);
    this.#queue.push(b);
    return b;
  }

  /** The buffer at `address` if it is cached. */
  peek(address: number): Buffer | undefined {
    return this.#maps[Math.floor(address / STRIDE)]?.get(Math.floor(address % STRIDE / BUFSIZE));
  }

  /** To be called before bytes of `b` change (invariant B2). */
  modify(b: Buffer): void {
    if (b.dirty !== 0) return;
    b.dirty = 1;
    if (b.data === 0 && b.fresh !== 0) {
      b.before = b.words.slice(0, b.fresh >> 2);
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
      b.before = null;
      b.nodes = 0;
      b.fresh = BUFSIZE;
    }
    this.dirty = [];
    this.undoable = 0;
  }

  /** Forgets clean buffers of the big-block at `address`, which is about to get a new owner. */
  forgetBigblock(address: number): void {
    const map = this.#maps[Math.floor(address / STRIDE)];
    if (map === undefined) return;
    const from = Math.floor(address % STRIDE / BUFSIZE);
    for (let slot = from; slot < from + BIGBLOCK_SIZE / BUFSIZE; slot++) {
      const b = map.get(slot);
      if (b === undefined) continue;
      if (b.dirty !== 0) throw new Error("a dirty buffer lies in a big-block that is being reused");
      b.present = false;
      map.delete(slot);
      this.drops++;
    }
    this.#lastIndex = -1;
  }

  /** Drops clean buffers beyond the limit. Call between operations only (invariant B1). */
  trim(): void {
    if (this.#queue.length <= this.#limit) return;
    this.#trimSlow();
  }

  #trimSlow(): void {
    this.drops++;
    const q = this.#queue;
    // Down to 7/8, so that the work comes in batches; two rounds, because the first only clears marks.
    const goal = this.#limit - (this.#limit >> 3);
    let excess = q.length - goal;
    for (let step = 2 * q.length; excess > 0 && step > 0; step--) {
      if (this.#hand >= q.length) this.#hand = 0;
      const b = q[this.#hand]!;
      if (b.present && (b.dirty !== 0 || b.referenced !== 0)) {
        b.referenced = 0;
        this.#hand++;
        continue;
      }
      if (b.present) {
        b.present = false;
        this.#maps[b.volume.number]!.delete(Math.floor(b.address % STRIDE / BUFSIZE));
      }
      q[this.#hand] = q[q.length - 1]!;
      q.pop();
      excess--;
    }
    this.#lastIndex = -1;
  }

  /** Drops everything; used after an aborted operation made the cache doubtful, and by recovery. */
  discard(): void {
    this.drops++;
    for (const m of this.#maps) m?.clear();
    for (const b of this.#queue) b.present = false;
    this.#queue = [];
    this.#hand = 0;
    this.dirty = [];
    this.undoable = 0;
    this.#lastIndex = -1;
  }
}
