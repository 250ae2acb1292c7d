// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writing the UNDO FIFO.
 *
 * Invariants
 *   U1  Records never cross a 512-byte line and every line starts with a record that has a sequence number.
 *   U2  Sequence numbers rise by one from record to record (pads have none); what follows the last record in its
 *       buffer has a number far away, what follows in the next buffer one of an earlier round.
 *   U3  The span [first, next) that a mount would undo is never overwritten.
 *
 * Lines are used in every version: logic of versions 1 to 3 reads them too, and it is what today's kernel writes.
 * Source: DragonFly sys/vfs/hammer/hammer_undo.c.
 * @module
 */
import { crcFor } from "./crc.ts";
import {
  FIFO_HEAD_SIZE, FIFO_LINE, FIFO_TAIL_SIZE, FIFO_TYPE_DUMMY, FIFO_TYPE_PAD, FIFO_TYPE_UNDO, FIFO_UNDO, FIFO_UNDO_SIZE,
  HEAD_SIGNATURE, TAIL_SIGNATURE,
} from "./disk/fifo.ts";
import { viewOf } from "./disk/layout.ts";
import { BUFSIZE } from "./disk/offset.ts";
import { HammerError } from "./error.ts";
import type { Volumes } from "./io.ts";

const OVERHEAD = FIFO_UNDO_SIZE + FIFO_TAIL_SIZE;
/** A long payload is not split for less than this; the rest of the line is padded instead. */
const LEAST_PIECE = 64;
/** Stale lines of a buffer get sequence numbers this far off. */
const FAR_AWAY = 0x4000_0000;
/** Room that always stays between the end of the span and its start. */
const RESERVE = 65536;

/** Fills in head, tail and CRC of the record of `size` bytes at `at`; its body is there already. */
export function sealRecord(
  bytes: Uint8Array, view: DataView, at: number, type: number, size: number, seq: number, crc: (b: Uint8Array, from?: number, to?: number) => number,
): void {
  view.setUint16(at, HEAD_SIGNATURE, true);
  view.setUint16(at + 2, type, true);
  view.setUint32(at + 4, size, true);
  view.setUint32(at + 8, seq, true);
  const tail = at + size - FIFO_TAIL_SIZE;
  view.setUint16(tail, TAIL_SIGNATURE, true);
  view.setUint16(tail + 2, type, true);
  view.setUint32(tail + 4, size, true);
  view.setUint32(at + 12, crc(bytes, at, at + 12) ^ crc(bytes, at + FIFO_HEAD_SIZE, at + size), true);
}

/** A filler; at 8 bytes its head and tail are the same bytes. */
function pad(view: DataView, at: number, size: number): void {
  const tail = at + size - FIFO_TAIL_SIZE;
  view.setUint16(tail, TAIL_SIGNATURE, true);
  view.setUint16(tail + 2, FIFO_TYPE_PAD, true);
  view.setUint32(tail + 4, size, true);
  view.setUint16(at, HEAD_SIGNATURE, true);
  view.setUint16(at + 2, FIFO_TYPE_PAD, true);
  view.setUint32(at + 4, size, true);
}

/** Appends to the FIFO of a mounted file system. Records gather in memory until written. */
export class UndoWriter {
  readonly #volumes: Volumes;
  /** Bytes of the ring. */
  readonly size: number;
  /** Start of the span a mount would undo now; moved by the flusher. */
  first: number;
  /** Append point. */
  next: number;
  #seq: number;
  /** Buffers not yet written: position of the first byte and 16 KiB each. */
  #pending: { position: number; bytes: Uint8Array; view: DataView }[] = [];
  #current: { position: number; bytes: Uint8Array; view: DataView } | null = null;

  /** Continues behind what recovery found. `seq` is the number of the next record. */
  constructor(volumes: Volumes, first: number, next: number, seq: number) {
    this.#volumes = volumes;
    this.size = volumes.undoBytes;
    this.first = first;
    this.next = next;
    this.#seq = seq;
  }

  /** Starts over at the beginning of a ring formatted anew; the span is empty. `seq` is the number of the next record. */
  restart(seq: number): void {
    this.first = this.next = 0;
    this.#seq = seq;
    this.#current = null;
  }

  /** Bytes of the span. */
  get used(): number {
    return this.next >= this.first ? this.next - this.first : this.next + this.size - this.first;
  }

  #buffer(): { position: number; bytes: Uint8Array; view: DataView } {
    const position = this.next - this.next % BUFSIZE;
    if (this.#current === null || this.#current.position !== position) {
      const bytes = new Uint8Array(BUFSIZE);
      if (position !== this.next) this.#volumes.read(this.#volumes.undoAddress(position), bytes, "UNDO FIFO");
      this.#current = { position, bytes, view: viewOf(bytes) };
    }
    if (this.#pending[this.#pending.length - 1] !== this.#current) this.#pending.push(this.#current);
    return this.#current;
  }

  /** Brings what appending needs into memory, so that a BufferMiss comes before anything is changed. */
  prepare(): void {
    if (this.next % BUFSIZE !== 0) {
      this.#buffer();
      this.#pending.pop();
    }
  }

  /**
   * Appends UNDO for bytes [from, to) of `old`, which stood at the HAMMER offset (hi, lo) of byte `from`. The range may
   * not cross a buffer of the disk. Throws ENOSPC when the ring is full (U3), which the flusher's limits prevent.
   */
  append(hi: number, lo: number, old: Uint8Array, from: number, to: number): void {
    const crc = crcFor(this.#volumes.version);
    let at = from;
    while (at < to) {
      if (this.next === this.size) this.next = 0;
      if (this.used + FIFO_LINE + RESERVE > this.size)
        throw new HammerError("ENOSPC", `UNDO FIFO of ${this.size} bytes is full`, { volume: 0 });
      const b = this.#buffer();
      const pos = this.next - b.position;
      const room = FIFO_LINE - pos % FIFO_LINE;
      const n = Math.min(room - OVERHEAD, to - at);
      if (n <= 0 || (n < to - at && n < LEAST_PIECE)) {
        pad(b.view, pos, room);
        this.next += room;
        continue;
      }
      const size = ((n + 7) & ~7) + OVERHEAD;
      b.view.setInt32(pos + FIFO_UNDO.off.undo_offset, lo + (at - from), true);
      b.view.setInt32(pos + FIFO_UNDO.off.undo_offset + 4, hi, true);
      b.view.setInt32(pos + FIFO_UNDO.off.undo_data_bytes, n, true);
      b.view.setInt32(pos + FIFO_UNDO.off.undo_reserved01, 0, true);
      b.bytes.set(old.subarray(at, at + n), pos + FIFO_UNDO_SIZE);
      b.bytes.fill(0, pos + FIFO_UNDO_SIZE + n, pos + size - FIFO_TAIL_SIZE);
      sealRecord(b.bytes, b.view, pos, FIFO_TYPE_UNDO, size, this.#seq, crc);
      this.#seq = (this.#seq + 1) >>> 0;
      this.next += size;
      at += n;
    }
  }

  /** Completes the last line and buffer (U1, U2) and writes everything gathered, without a flush. */
  write(): void {
    if (this.#pending.length === 0) return;
    const last = this.#current!;
    let pos = this.next - last.position;
    const crc = crcFor(this.#volumes.version);
    if (pos % FIFO_LINE !== 0) {
      const room = FIFO_LINE - pos % FIFO_LINE;
      pad(last.view, pos, room);
      pos += room;
    }
    for (let seq = (this.#seq ^ FAR_AWAY) >>> 0; pos < BUFSIZE; pos += FIFO_LINE) {
      last.bytes.fill(0, pos, pos + FIFO_LINE);
      sealRecord(last.bytes, last.view, pos, FIFO_TYPE_DUMMY, FIFO_LINE, seq, crc);
      seq = (seq + 1) >>> 0;
    }
    for (const p of this.#pending) this.#volumes.write(this.#volumes.undoAddress(p.position), p.bytes, "UNDO FIFO");
    this.#pending = [];
  }
}
