// SPDX-License-Identifier: BSD-3-Clause
/**
 * Block devices: what the file system stands on, and two that need no host.
 *
 * Invariants
 *   D1  read, write and flush either do the whole request or throw; there are no short transfers.
 *   D2  After flush returns, everything written before it survives a power cut; without a flush, writes may
 *       reach the medium in any order, in part, or not at all.
 *   D3  A request outside [0, size) is an error of the caller and throws EINVAL without touching anything.
 * @module
 */
import { HammerError, hex32 } from "./error.ts";

/** A disk, or one volume of a file system. Synchronous; see BufferMiss for devices that are not. */
export interface BlockDevice {
  /** How messages call it: a path, or what the owner likes. */
  readonly name: string;
  /** Bytes. Fixed while the device is open. */
  readonly size: number;
  readonly readOnly: boolean;
  /** Fills `buf` from byte `offset`. Throws HammerError EIO, or BufferMiss when an asynchronous device lacks the data. */
  read(offset: number, buf: Uint8Array): void;
  /** Writes all of `buf` at byte `offset`. Throws HammerError EROFS or EIO. */
  write(offset: number, buf: Uint8Array): void;
  /** Returns when all earlier writes are on stable storage. Throws HammerError EIO. */
  flush(): void;
  /** Gives up the device and any lock on it. Does not flush. */
  close(): void;
}

/** Throws unless `length` bytes at `offset` lie inside the device (invariant D3). */
export function checkExtent(device: BlockDevice, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > device.size)
    throw new HammerError("EINVAL",
      `${device.name}: ${length} bytes at ${hex32(offset)} are outside the device of ${device.size} bytes`,
      { offset, length });
}

/** Throws EROFS if the device may not be written. */
export function checkWritable(device: BlockDevice): void {
  if (device.readOnly)
    throw new HammerError("EROFS", `${device.name}: the device was opened read-only`);
}

const CHUNK_SHIFT = 16;
const CHUNK_SIZE = 1 << CHUNK_SHIFT;

/** Sparse store of fixed-size chunks; the part MemoryDevice and OverlayDevice share. */
class ChunkStore {
  readonly chunks = new Map<number, Uint8Array>();

  /** Copies what is present into `buf`; `missing` fills the ranges of chunks that are not. */
  read(offset: number, buf: Uint8Array, missing: (at: number, part: Uint8Array) => void): void {
    for (let done = 0; done < buf.length;) {
      const at = offset + done;
      const within = at % CHUNK_SIZE;
      const n = Math.min(CHUNK_SIZE - within, buf.length - done);
      const chunk = this.chunks.get((at - within) / CHUNK_SIZE);
      if (chunk) buf.set(chunk.subarray(within, within + n), done);
      else missing(at, buf.subarray(done, done + n));
      done += n;
    }
  }

  /** Stores `buf`; `fresh` fills a new chunk that is not overwritten as a whole. */
  write(offset: number, buf: Uint8Array, fresh: (at: number, chunk: Uint8Array) => void): void {
    for (let done = 0; done < buf.length;) {
      const at = offset + done;
      const within = at % CHUNK_SIZE;
      const n = Math.min(CHUNK_SIZE - within, buf.length - done);
      const index = (at - within) / CHUNK_SIZE;
      let chunk = this.chunks.get(index);
      if (!chunk) {
        chunk = new Uint8Array(CHUNK_SIZE);
        if (n !== CHUNK_SIZE) fresh(at - within, chunk);
        this.chunks.set(index, chunk);
      }
      chunk.set(done === 0 && n === buf.length ? buf : buf.subarray(done, done + n), within);
      done += n;
    }
  }
}

/** True if there is no byte but zeros. */
function isZero(part: Uint8Array): boolean {
  let i = 0;
  if (part.byteOffset % 4 === 0) {
    const words = new Int32Array(part.buffer, part.byteOffset, part.length >> 2);
    for (let w = 0; w < words.length; w++) if (words[w] !== 0) return false;
    i = words.length * 4;
  }
  for (; i < part.length; i++) if (part[i] !== 0) return false;
  return true;
}

function leaveZero(): void {}
function fillZero(_at: number, part: Uint8Array): void { part.fill(0); }

/** A disk in memory. Untouched parts cost nothing and read as zeros. */
export class MemoryDevice implements BlockDevice {
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  readonly #store = new ChunkStore();

  /** `content`, if given, is copied in from byte 0; chunks of zeros stay unallocated. */
  constructor(size: number, options: { name?: string; content?: Uint8Array; readOnly?: boolean } = {}) {
    this.name = options.name ?? "memory";
    this.size = size;
    this.readOnly = options.readOnly ?? false;
    const content = options.content;
    if (!content) return;
    checkExtent(this, 0, content.length);
    for (let at = 0; at < content.length; at += CHUNK_SIZE) {
      const part = content.subarray(at, Math.min(at + CHUNK_SIZE, content.length));
      if (!isZero(part)) this.#store.write(at, part, leaveZero);
    }
  }

  read(offset: number, buf: Uint8Array): void {
    checkExtent(this, offset, buf.length);
    this.#store.read(offset, buf, fillZero);
  }

  write(offset: number, buf: Uint8Array): void {
    checkExtent(this, offset, buf.length);
    checkWritable(this);
    this.#store.write(offset, buf, leaveZero);
  }

  flush(): void {}
  close(): void {}

  /** Bytes of memory in use. */
  get allocated(): number { return this.#store.chunks.size * CHUNK_SIZE; }
}

/**
 * Copy on write over another device: writes stay in memory, the base is never changed. Closing it drops the
 * changes and leaves the base open, which belongs to whoever opened it.
 */
export class OverlayDevice implements BlockDevice {
  readonly name: string;
  readonly size: number;
  readonly readOnly = false;
  readonly #base: BlockDevice;
  readonly #store = new ChunkStore();
  readonly #readBase = (at: number, part: Uint8Array): void => this.#base.read(at, part);
  /** The last chunk may reach past the end of the device. */
  readonly #readBaseChunk = (at: number, chunk: Uint8Array): void =>
    this.#base.read(at, at + chunk.length <= this.size ? chunk : chunk.subarray(0, this.size - at));

  constructor(base: BlockDevice) {
    this.#base = base;
    this.name = base.name;
    this.size = base.size;
  }

  read(offset: number, buf: Uint8Array): void {
    checkExtent(this, offset, buf.length);
    this.#store.read(offset, buf, this.#readBase);
  }

  write(offset: number, buf: Uint8Array): void {
    checkExtent(this, offset, buf.length);
    this.#store.write(offset, buf, this.#readBaseChunk);
  }

  flush(): void {}
  close(): void { this.#store.chunks.clear(); }

  /** Bytes of memory the changes take. */
  get allocated(): number { return this.#store.chunks.size * CHUNK_SIZE; }
}
