// SPDX-License-Identifier: BSD-3-Clause
/**
 * An asynchronous block device under the synchronous core.
 *
 * Reads that find their bytes in memory succeed; others throw BufferMiss, and the caller loads them and tries again.
 * Writes and flushes take effect in memory at once and are carried out on the device in their order, by `drain`.
 *
 * Invariants
 *   A1  What is read is what was written last, whether or not the device has it yet.
 *   A2  The device sees writes in order, and a flush only when all before it are complete: a host that dies leaves a
 *       state that the core's recovery knows.
 *   A3  After an error of the device nothing more is sent to it; every later drain fails with that error.
 * @module
 */
import { checkExtent, checkWritable, type BlockDevice } from "./device.ts";
import { BufferMiss, HammerError } from "./error.ts";

/** A disk whose operations take time: a remote store, a browser's database. */
export interface AsyncBlockDevice {
  /** Tells it from a BlockDevice. */
  readonly asynchronous: true;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  /** The bytes [offset, offset + length). */
  read(offset: number, length: number): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written before is on stable storage. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const CHUNK = 65536;
const DEFAULT_CACHE_BYTES = 64 << 20;

/** The adapter. One for each device. */
export class AsyncDeviceAdapter implements BlockDevice {
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  readonly #device: AsyncBlockDevice;
  /** Chunks in memory, least recently used first. */
  readonly #chunks = new Map<number, Uint8Array>();
  /** Chunks with writes that have not been carried out; they stay. */
  readonly #pinned = new Map<number, number>();
  readonly #limit: number;
  #queue: ({ offset: number; bytes: Uint8Array } | "flush")[] = [];
  #draining: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(device: AsyncBlockDevice, cacheBytes = DEFAULT_CACHE_BYTES) {
    this.name = device.name;
    this.size = device.size;
    this.readOnly = device.readOnly;
    this.#device = device;
    this.#limit = Math.max(16, Math.floor(cacheBytes / CHUNK));
  }

  read(offset: number, buf: Uint8Array): void {
    checkExtent(this, offset, buf.length);
    for (let done = 0; done < buf.length;) {
      const at = offset + done;
      const index = Math.floor(at / CHUNK);
      const chunk = this.#chunks.get(index);
      if (chunk === undefined) throw BufferMiss.at(this, offset, buf.length);
      this.#chunks.delete(index);
      this.#chunks.set(index, chunk);
      const within = at - index * CHUNK;
      const n = Math.min(chunk.length - within, buf.length - done);
      buf.set(chunk.subarray(within, within + n), done);
      done += n;
    }
  }

  write(offset: number, buf: Uint8Array): void {
    checkExtent(this, offset, buf.length);
    checkWritable(this);
    if (this.#failure !== null) throw this.#failed();
    for (let done = 0; done < buf.length;) {
      const at = offset + done;
      const index = Math.floor(at / CHUNK);
      const within = at - index * CHUNK;
      const length = Math.min(CHUNK, this.size - index * CHUNK);
      const n = Math.min(length - within, buf.length - done);
      const chunk = this.#chunks.get(index);
      // A chunk that is not in memory and is not replaced as a whole is read again later, after the write.
      if (chunk !== undefined) chunk.set(buf.subarray(done, done + n), within);
      else if (n === length) this.#chunks.set(index, buf.slice(done, done + n));
      this.#pinned.set(index, (this.#pinned.get(index) ?? 0) + 1);
      done += n;
    }
    this.#queue.push({ offset, bytes: buf.slice() });
  }

  flush(): void {
    if (this.#failure !== null) throw this.#failed();
    if (!this.readOnly) this.#queue.push("flush");
  }

  close(): void {}

  #failed(): HammerError {
    return new HammerError("EIO", `${this.name}: an earlier write failed: ${(this.#failure as Error).message}`, { cause: this.#failure });
  }

  /** Brings [offset, offset + length) into memory, where it stays until `settle`: an operation may need all of it at once. */
  async load(offset: number, length: number): Promise<void> {
    const last = Math.floor((offset + length - 1) / CHUNK);
    for (let index = Math.floor(offset / CHUNK); index <= last; index++) {
      if (this.#chunks.has(index)) continue;
      // What was written but not carried out must be on the device before the chunk is read from it (A1).
      if (this.#pinned.has(index)) await this.drain();
      const at = index * CHUNK;
      const bytes = await this.#device.read(at, Math.min(CHUNK, this.size - at));
      if (!this.#chunks.has(index)) this.#chunks.set(index, bytes.slice());
    }
  }

  /** Drops chunks beyond the limit; between operations. */
  settle(): void {
    for (const index of this.#chunks.keys()) {
      if (this.#chunks.size <= this.#limit) return;
      if (!this.#pinned.has(index)) this.#chunks.delete(index);
    }
  }

  /** Carries out what is queued. Resolves when the device has it all. Throws what the device threw (A3). */
  async drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#draining !== null) {
      this.#draining ??= this.#carryOut();
      await this.#draining;
    }
    if (this.#failure !== null) throw this.#failed();
  }

  async #carryOut(): Promise<void> {
    const work = this.#queue;
    this.#queue = [];
    try {
      for (const item of work) {
        if (this.#failure !== null) return;
        if (item === "flush") await this.#device.flush();
        else await this.#device.write(item.offset, item.bytes);
        if (item !== "flush") this.#unpin(item.offset, item.bytes.length);
      }
    } catch (e) {
      this.#failure = e;
    } finally {
      this.#draining = null;
    }
  }

  #unpin(offset: number, length: number): void {
    const last = Math.floor((offset + length - 1) / CHUNK);
    for (let index = Math.floor(offset / CHUNK); index <= last; index++) {
      const n = this.#pinned.get(index)! - 1;
      if (n === 0) this.#pinned.delete(index);
      else this.#pinned.set(index, n);
    }
  }

  /** Carries out what is queued and closes the device, also when that fails. */
  async end(): Promise<void> {
    try {
      await this.drain();
    } finally {
      await this.#device.close();
    }
  }
}
