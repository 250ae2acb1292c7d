// SPDX-License-Identifier: BSD-3-Clause
/**
 * Contents of a file in memory: sparse, in chunks, possibly over a backing file of which only what was written is
 * copied.
 *
 * Invariants
 *   MD1  chunks[i] holds bytes [i·CHUNK, …) of the file, or is null: then the backing has them below `backed`, and
 *        zeros elsewhere. The first chunk may be shorter than CHUNK; what it lacks up to `size` is zeros.
 *   MD2  Bytes of a chunk behind `size` are zero.
 *   MD3  `held` is the memory of all chunks, and is accounted for in the budget.
 * @module
 */
import { EFBIG, ENOSPC } from "../../sys/errno.ts";

export const CHUNK = 65536;
const SMALLEST = 512;
/** Largest file: what a chunk table of 2^20 entries can describe. */
export const MAX_FILE_SIZE = CHUNK * 2 ** 20;

/** Memory that a file system may use, bytes. */
export interface Budget {
  used: number;
  readonly limit: number;
  /** Told each time something is refused for want of it. */
  readonly full?: (() => void) | undefined;
}

/** Where unmodified contents come from. Reads as Vnode.read does. */
export type Backing = (offset: number, buf: Uint8Array, bufOff: number, len: number) => number;

export class FileData {
  size: number;
  private chunks: (Uint8Array | null)[] = [];
  private readonly budget: Budget;
  private readonly backing: Backing | null;
  private backed: number;
  held = 0;

  constructor(budget: Budget, backing: Backing | null = null, size = 0) {
    this.budget = budget;
    this.backing = backing;
    this.backed = size;
    this.size = size;
  }

  read(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    const end = Math.min(offset + len, this.size);
    let at = offset;
    while (at < end) {
      const index = Math.floor(at / CHUNK);
      const inChunk = at % CHUNK;
      const n = Math.min(end - at, CHUNK - inChunk);
      const chunk = this.chunks[index] ?? null;
      const to = bufOff + at - offset;
      if (chunk !== null) {
        const have = Math.max(0, Math.min(n, chunk.length - inChunk));
        if (have > 0) buf.set(chunk.subarray(inChunk, inChunk + have), to);
        if (have < n) buf.fill(0, to + have, to + n);
      } else this.readBacking(at, buf, to, n);
      at += n;
    }
    return Math.max(0, end - offset);
  }

  private readBacking(at: number, buf: Uint8Array, to: number, n: number): void {
    let got = 0;
    const want = Math.min(n, this.backed - at);
    if (this.backing !== null && want > 0) got = this.backing(at, buf, to, want);
    if (got < n) buf.fill(0, to + got, to + n);
  }

  /** Writes; returns the count, short when the budget is used up. Throws EFBIG, ENOSPC when nothing fits. */
  write(offset: number, buf: Uint8Array, bufOff: number, len: number): number {
    if (len === 0) return 0;
    if (offset >= MAX_FILE_SIZE) throw EFBIG;
    const end = Math.min(offset + len, MAX_FILE_SIZE);
    let at = offset;
    while (at < end) {
      const index = Math.floor(at / CHUNK);
      const inChunk = at % CHUNK;
      const n = Math.min(end - at, CHUNK - inChunk);
      const chunk = this.writable(index, inChunk + n, n === CHUNK);
      if (chunk === null) break;
      const from = bufOff + at - offset;
      chunk.set(buf.subarray(from, from + n), inChunk);
      at += n;
      if (at > this.size) this.size = at;
    }
    if (at < end) this.budget.full?.();
    if (at === offset) throw ENOSPC;
    return at - offset;
  }

  /** The chunk, at least `need` bytes long and private; null when memory is used up. */
  private writable(index: number, need: number, whole: boolean): Uint8Array | null {
    const old = this.chunks[index] ?? null;
    if (old !== null && old.length >= need) return old;
    // Only the first chunk of a small file is shorter than CHUNK, so that many small files stay small.
    let length = CHUNK;
    if (index === 0 && this.size <= CHUNK) {
      length = Math.max(SMALLEST, old === null ? 0 : old.length);
      const least = Math.max(need, old === null ? Math.min(this.backed, CHUNK) : 0);
      while (length < least) length *= 2;
    }
    const more = length - (old === null ? 0 : old.length);
    if (this.budget.used + more > this.budget.limit) return null;
    const chunk = new Uint8Array(length);
    if (old !== null) chunk.set(old);
    else if (!whole) this.readBacking(index * CHUNK, chunk, 0, Math.min(length, Math.max(0, this.size - index * CHUNK)));
    while (this.chunks.length <= index) this.chunks.push(null);
    this.chunks[index] = chunk;
    this.budget.used += more;
    this.held += more;
    return chunk;
  }

  truncate(size: number): void {
    if (size > MAX_FILE_SIZE) throw EFBIG;
    if (size < this.size) {
      const keep = Math.ceil(size / CHUNK);
      for (let i = keep; i < this.chunks.length; i++) this.drop(i);
      if (this.chunks.length > keep) this.chunks.length = keep;
      const last = size % CHUNK === 0 ? null : (this.chunks[keep - 1] ?? null);
      if (last !== null) last.fill(0, size % CHUNK);
      this.backed = Math.min(this.backed, size);
    }
    this.size = size;
  }

  private drop(index: number): void {
    const chunk = this.chunks[index] ?? null;
    if (chunk === null) return;
    this.budget.used -= chunk.length;
    this.held -= chunk.length;
    this.chunks[index] = null;
  }

  /** The file is gone: gives its memory back. */
  release(): void {
    for (let i = 0; i < this.chunks.length; i++) this.drop(i);
    this.chunks = [];
    this.size = 0;
    this.backed = 0;
  }
}
