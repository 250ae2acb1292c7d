// SPDX-License-Identifier: BSD-3-Clause
/** A bounded first-in first-out queue of bytes, each with a mark (DragonFly 2.0 sys/kern/tty_subr.c, clists). */

export class ByteQueue {
  readonly size: number;
  private readonly bytes: Uint8Array;
  private readonly marks: Uint8Array;
  private head = 0;
  count = 0;

  /** `size` must be a power of two. */
  constructor(size: number) {
    this.size = size;
    this.bytes = new Uint8Array(size);
    this.marks = new Uint8Array(size);
  }

  get room(): number {
    return this.size - this.count;
  }

  /** Appends; returns false when it is full. */
  put(byte: number, mark = 0): boolean {
    if (this.count === this.size) return false;
    const at = (this.head + this.count++) & (this.size - 1);
    this.bytes[at] = byte;
    this.marks[at] = mark;
    return true;
  }

  /** The i-th byte from the front, and its mark. */
  byteAt(i: number): number {
    return this.bytes[(this.head + i) & (this.size - 1)]!;
  }
  markAt(i: number): number {
    return this.marks[(this.head + i) & (this.size - 1)]!;
  }

  /** Takes the first byte; the queue must not be empty. */
  shift(): number {
    const byte = this.bytes[this.head]!;
    this.head = (this.head + 1) & (this.size - 1);
    this.count--;
    return byte;
  }

  /** Removes the byte put last, and returns it. */
  unput(): number {
    this.count--;
    return this.bytes[(this.head + this.count) & (this.size - 1)]!;
  }

  /** Takes up to `len` bytes from the front into buf. */
  take(buf: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.count);
    const first = Math.min(n, this.size - this.head);
    buf.set(this.bytes.subarray(this.head, this.head + first), off);
    if (n > first) buf.set(this.bytes.subarray(0, n - first), off + first);
    this.head = (this.head + n) & (this.size - 1);
    this.count -= n;
    return n;
  }

  /** Everything, as a new array. */
  takeAll(): Uint8Array {
    const all = new Uint8Array(this.count);
    this.take(all, 0, all.length);
    return all;
  }

  clear(): void {
    this.head = 0;
    this.count = 0;
  }
}
