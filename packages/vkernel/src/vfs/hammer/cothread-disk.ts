// SPDX-License-Identifier: BSD-3-Clause
/**
 * A disk whose time is spent beside the virtual CPU (DragonFly 2.0 sys/dev/virtual/disk/vdisk.c, with the co-thread's part
 * played by the host's asynchronous calls): a process that needs a block that is not in memory sleeps, and so does one
 * that waits for its data to be on stable storage, while the others run.
 *
 * What the host has in its own cache comes sooner by a plain call than by any detour, so calls are plain until one takes
 * longer than PATIENCE_NS; then the next ones go to the background, and now and then a plain one finds out whether the
 * disk is quick again.
 *
 * Invariants
 *   CD1  What is read is what was written last, whether or not the disk has it.
 *   CD2  The disk sees writes in their order. While a flush is under way later writes wait in `queue`, so that none of
 *        them can be on stable storage before what the flush is to put there.
 *   CD3  A barrier is done exactly when everything written before it is on stable storage, or failed for good.
 *   CD4  Chunks hold the latest contents: writes go through them, a load that a write overtook is thrown away.
 *   CD5  A load that failed is not repeated in the background: the next read of it is plain, and throws the disk's error.
 * @module
 */
import { BufferMiss, type BackgroundDevice, type HammerError } from "@vkernel/hammer";
import { WaitChannel } from "../../sys/wait.ts";
import type { Barrier } from "../mount.ts";
import type { LoadingDevice } from "./error.ts";

/** Bytes that are read together. */
const CHUNK = 65_536;
/** Most chunks read ahead of a sequential reader, and chunks kept: what is read is cached above. */
const AHEAD_MAX = 16;
const CHUNKS_KEPT = 4 * AHEAD_MAX;
/** A plain call that takes longer shows that the disk is worth waiting for elsewhere, ns. */
export const PATIENCE_NS = 500_000;
/** So many calls then go to the background before another plain one. */
const BACKGROUND_CALLS = 256;
/** Bytes of writes that may wait for a flush before writers have to. */
export const BACKLOG_MAX = 32 * 1024 * 1024;

export interface CothreadDiskOptions {
  /** Runs a function in kernel context soon. */
  readonly post: (event: () => void) => void;
  /** Monotonic clock, ns. */
  readonly now: () => number;
  /** Whether there is anybody who could wait; while the system comes up there is not, and all calls are plain. */
  readonly awake: () => boolean;
}

/** Whether calls of one kind are made plainly. */
class Patience {
  private left = 0;
  /** Whether the next call should be plain. */
  get plain(): boolean {
    if (this.left === 0) return true;
    this.left--;
    return false;
  }
  took(ns: number): void {
    if (ns > PATIENCE_NS) this.left = BACKGROUND_CALLS;
  }
}

interface Write {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

class DiskBarrier implements Barrier {
  done = false;
  failed = false;
  readonly chan = new WaitChannel("biowr");
  end(failed: boolean): void {
    this.done = true;
    this.failed = failed;
    this.chan.wakeup();
  }
}

/** Chunks [first, first + count) on their way in. */
class Load {
  readonly first: number;
  readonly count: number;
  readonly waiters: (() => void)[] = [];
  /** A write has overtaken it (CD4). */
  stale = false;
  constructor(first: number, count: number) {
    this.first = first;
    this.count = count;
  }
}

export class CothreadDisk implements LoadingDevice {
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  private readonly device: BackgroundDevice;
  private readonly post: (event: () => void) => void;
  private readonly now: () => number;
  private readonly awake: () => boolean;
  private readonly reads = new Patience();
  private readonly flushes = new Patience();
  /** Chunks in memory, least recently used first. */
  private readonly chunks = new Map<number, Uint8Array>();
  private readonly loads = new Map<number, Load>();
  private readonly failedChunks = new Set<number>();
  /** Where a sequential reader would go on, and how far ahead of it to read. */
  private nextChunk = -1;
  private ahead = 0;
  /** CD2: what waits for the flush that is under way. */
  private queue: (Write | DiskBarrier)[] = [];
  private flushing: DiskBarrier | null = null;
  private latest: DiskBarrier | null = null;
  /** Written since the last flush was asked for. */
  private dirty = false;
  private failure: HammerError | null = null;
  private closed = false;
  private room = new WaitChannel("biowr");
  /** Bytes in `queue`. */
  backlog = 0;

  constructor(device: BackgroundDevice, options: CothreadDiskOptions) {
    this.device = device;
    this.name = device.name;
    this.size = device.size;
    this.readOnly = device.readOnly;
    this.post = options.post;
    this.now = options.now;
    this.awake = options.awake;
  }

  /** What has to be waited for until everything written so far is on stable storage; null when it is. */
  get barrier(): Barrier | null {
    return this.latest === null || this.latest.done ? null : this.latest;
  }

  /** Writers wait here while the backlog is too long. */
  get roomChan(): WaitChannel {
    return this.room;
  }

  read(offset: number, buf: Uint8Array): void {
    if (this.readChunks(offset, buf)) return;
    if (!this.mustBePlain(offset, buf.length) && this.awake() && !this.reads.plain) throw BufferMiss.at(this, offset, buf.length);
    const start = this.now();
    this.device.read(offset, buf);
    this.reads.took(this.now() - start);
    this.overlay(offset, buf);
  }

  /** CD5: whether a chunk of the range has failed in the background. */
  private mustBePlain(offset: number, length: number): boolean {
    if (this.failedChunks.size === 0) return false;
    let failed = false;
    const last = Math.floor((offset + length - 1) / CHUNK);
    for (let i = Math.floor(offset / CHUNK); i <= last; i++) failed = this.failedChunks.delete(i) || failed;
    return failed;
  }

  /** Copies from chunks; false when one is missing. Starts the next chunks for a sequential reader. */
  private readChunks(offset: number, buf: Uint8Array): boolean {
    if (this.chunks.size === 0) return false;
    const first = Math.floor(offset / CHUNK);
    const last = Math.floor((offset + buf.length - 1) / CHUNK);
    for (let i = first; i <= last; i++) if (!this.chunks.has(i)) return false;
    for (let i = first; i <= last; i++) {
      const chunk = this.chunks.get(i)!;
      this.chunks.delete(i);
      this.chunks.set(i, chunk);
      const from = Math.max(offset, i * CHUNK);
      const to = Math.min(offset + buf.length, i * CHUNK + chunk.length);
      buf.set(chunk.subarray(from - i * CHUNK, to - i * CHUNK), from - offset);
    }
    // Half of what was read ahead is used up: the rest arrives while the reader works on it.
    if (last + Math.ceil(this.ahead / 2) >= this.nextChunk && last < this.nextChunk) this.readAhead();
    return true;
  }

  private readAhead(): void {
    const first = this.nextChunk;
    if (this.ahead === 0 || first * CHUNK >= this.size || this.loads.has(first) || this.chunks.has(first)) return;
    this.ahead = Math.min(AHEAD_MAX, this.ahead * 2);
    this.begin(first, this.runLength(first, first + this.ahead - 1));
  }

  /** Applies writes that the disk has not seen, oldest first (CD1). */
  private overlay(offset: number, buf: Uint8Array): void {
    for (const item of this.queue) {
      if (item instanceof DiskBarrier) continue;
      const from = Math.max(offset, item.offset);
      const to = Math.min(offset + buf.length, item.offset + item.bytes.length);
      if (from < to) buf.set(item.bytes.subarray(from - item.offset, to - item.offset), from - offset);
    }
  }

  load(offset: number, length: number, done: (failure: unknown) => void): void {
    const first = Math.floor(offset / CHUNK);
    const last = Math.floor((offset + length - 1) / CHUNK);
    // Whoever misses where the last load ended reads on: fetch ever more at once.
    this.ahead = first === this.nextChunk ? Math.min(AHEAD_MAX, Math.max(1, this.ahead * 2)) : 0;
    let missing = 1;
    const arrived = (): void => {
      if (--missing === 0) done(null);
    };
    const joined = new Set<Load>();
    for (let i = first; i <= last + this.ahead && i * CHUNK < this.size; i++) {
      if (this.chunks.has(i)) continue;
      const load = this.loads.get(i) ?? this.begin(i, this.runLength(i, last + this.ahead));
      if (i > last || joined.has(load)) continue;
      joined.add(load);
      missing++;
      load.waiters.push(arrived);
    }
    this.post(arrived);
  }

  /** How many chunks from `first` on, up to `last`, are neither here nor on their way. */
  private runLength(first: number, last: number): number {
    let n = 1;
    while (n < AHEAD_MAX && first + n <= last && (first + n) * CHUNK < this.size) {
      if (this.chunks.has(first + n) || this.loads.has(first + n)) break;
      n++;
    }
    return n;
  }

  private begin(first: number, count: number): Load {
    const load = new Load(first, count);
    for (let i = first; i < first + count; i++) this.loads.set(i, load);
    this.nextChunk = first + count;
    const at = first * CHUNK;
    const bytes = new Uint8Array(Math.min(count * CHUNK, this.size - at));
    this.device.readLater(at, bytes, (failure) => this.post(() => this.finish(load, bytes, failure)));
    return load;
  }

  private finish(load: Load, bytes: Uint8Array, failure: HammerError | null): void {
    for (let i = load.first; i < load.first + load.count; i++) {
      this.loads.delete(i);
      if (failure !== null) this.failedChunks.add(i);
      else if (!load.stale) this.chunks.set(i, bytes.subarray((i - load.first) * CHUNK, (i - load.first + 1) * CHUNK));
    }
    if (failure === null && !load.stale) this.overlay(load.first * CHUNK, bytes);
    for (const oldest of this.chunks.keys()) {
      if (this.chunks.size <= CHUNKS_KEPT) break;
      this.chunks.delete(oldest);
    }
    for (const waiter of load.waiters) waiter();
  }

  write(offset: number, buf: Uint8Array): void {
    if (this.failure !== null) throw this.failure;
    if (this.flushing === null) this.device.write(offset, buf);
    else {
      this.queue.push({ offset, bytes: buf.slice() });
      this.backlog += buf.length;
    }
    this.dirty = true;
    const last = Math.floor((offset + buf.length - 1) / CHUNK);
    for (let i = Math.floor(offset / CHUNK); i <= last; i++) {
      const load = this.loads.get(i);
      if (load !== undefined) load.stale = true;
      const chunk = this.chunks.get(i);
      if (chunk === undefined) continue;
      const from = Math.max(offset, i * CHUNK);
      const to = Math.min(offset + buf.length, i * CHUNK + chunk.length);
      chunk.set(buf.subarray(from - offset, to - offset), from - i * CHUNK);
    }
  }

  flush(): void {
    if (this.readOnly || !this.dirty) return;
    if (this.failure !== null) throw this.failure;
    this.dirty = false;
    if (this.flushing !== null) {
      this.latest = new DiskBarrier();
      this.queue.push(this.latest);
    } else if (!this.awake() || this.flushes.plain) {
      const start = this.now();
      this.device.flush();
      this.flushes.took(this.now() - start);
    } else this.startFlush((this.latest = new DiskBarrier()));
  }

  private startFlush(barrier: DiskBarrier): void {
    this.flushing = barrier;
    this.device.flushLater((failure) => this.post(() => this.flushed(barrier, failure)));
  }

  private flushed(barrier: DiskBarrier, failure: HammerError | null): void {
    // close() has not waited for it.
    if (barrier.done) return;
    this.flushing = null;
    if (failure !== null) this.fail(failure, barrier);
    else {
      barrier.end(false);
      this.carryOut();
    }
    if (this.backlog < BACKLOG_MAX) this.room.wakeup();
  }

  /** Hands the disk what has waited, up to the next flush. */
  private carryOut(): void {
    let n = 0;
    while (n < this.queue.length) {
      const item = this.queue[n++]!;
      if (item instanceof DiskBarrier) {
        this.startFlush(item);
        break;
      }
      this.backlog -= item.bytes.length;
      try {
        this.device.write(item.offset, item.bytes);
      } catch (e) {
        this.fail(e as HammerError, null);
        return;
      }
    }
    this.queue.splice(0, n);
  }

  /** Nothing more is written: everybody who waits is told, and everybody who comes. */
  private fail(failure: HammerError, barrier: DiskBarrier | null): void {
    this.failure = failure;
    barrier?.end(true);
    const { queue } = this;
    this.queue = [];
    this.backlog = 0;
    for (const item of queue) if (item instanceof DiskBarrier) item.end(true);
    this.room.wakeup();
  }

  /** Carries out what waits, without leaving anything to the background, and gives the disk up. Throws its error. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    try {
      if (this.flushing !== null) {
        this.device.flush();
        this.flushing.end(false);
        this.flushing = null;
      }
      for (const item of this.queue) {
        if (item instanceof DiskBarrier) {
          this.device.flush();
          item.end(false);
        } else this.device.write(item.offset, item.bytes);
      }
      if (this.failure !== null) throw this.failure;
    } finally {
      this.queue = [];
      this.backlog = 0;
      this.device.close();
    }
  }
}
