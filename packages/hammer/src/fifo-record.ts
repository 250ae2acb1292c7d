// SPDX-License-Identifier: BSD-3-Clause
/**
 * Making records of the UNDO/REDO FIFO, and unmaking some that are on disk. How they follow each other: undo.ts.
 * Source: DragonFly sys/vfs/hammer/hammer_undo.c.
 * @module
 */
import { crcFor } from "./crc.ts";
import { FIFO_HEAD_SIZE, FIFO_LINE, FIFO_TAIL_SIZE, FIFO_TYPE_DUMMY, FIFO_TYPE_PAD, HEAD_SIGNATURE, TAIL_SIGNATURE } from "./disk/fifo.ts";
import type { FifoReader } from "./fifo.ts";
import type { Volumes } from "./io.ts";

type Crc = (bytes: Uint8Array, from?: number, to?: number) => number;

/** Fills in head, tail and CRC of the record of `size` bytes at `at`; its body is there already. */
export function sealRecord(bytes: Uint8Array, view: DataView, at: number, type: number, size: number, seq: number, crc: Crc): void {
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

/** Makes a filler; at 8 bytes its head and tail are the same bytes. */
export function padRecord(view: DataView, at: number, size: number): void {
  const tail = at + size - FIFO_TAIL_SIZE;
  view.setUint16(tail, TAIL_SIGNATURE, true);
  view.setUint16(tail + 2, FIFO_TYPE_PAD, true);
  view.setUint32(tail + 4, size, true);
  view.setUint16(at, HEAD_SIGNATURE, true);
  view.setUint16(at + 2, FIFO_TYPE_PAD, true);
  view.setUint32(at + 4, size, true);
}

/** Makes the line at `at` one record that means nothing. */
export function dummyLine(bytes: Uint8Array, view: DataView, at: number, seq: number, crc: Crc): void {
  bytes.fill(0, at, at + FIFO_LINE);
  sealRecord(bytes, view, at, FIFO_TYPE_DUMMY, FIFO_LINE, seq, crc);
}

/**
 * Makes records that mean nothing of those in [from, to) that `cancelled` names, each in its place, with its size and number, so
 * that the records around stay linked. Returns true if there were any; the caller flushes. Every line is right before and after
 * it is written. Throws EIO for a record that is damaged.
 */
export function cancelRecords(volumes: Volumes, fifo: FifoReader, from: number, to: number, cancelled: (fifo: FifoReader) => boolean): boolean {
  const crc = crcFor(volumes.version);
  let found = false;
  let left = fifo.distance(from, to);
  for (let position = from; left > 0;) {
    // The lines of one buffer of the FIFO that change are written together.
    let first = -1, behind = 0;
    do {
      if (!fifo.next(position)) throw fifo.error("cancelling records");
      const { at, recordSize } = fifo;
      if (cancelled(fifo)) {
        fifo.buffer.fill(0, at + FIFO_HEAD_SIZE, at + recordSize);
        sealRecord(fifo.buffer, fifo.view, at, FIFO_TYPE_DUMMY, recordSize, fifo.seq, crc);
        if (first < 0) first = at - at % FIFO_LINE;
        behind = at - at % FIFO_LINE + FIFO_LINE;
      }
      position = fifo.end;
      left -= recordSize;
    } while (left > 0 && fifo.at + fifo.recordSize < fifo.buffer.length);
    if (first < 0) continue;
    volumes.write(volumes.undoAddress(fifo.position - fifo.at) + first, fifo.buffer.subarray(first, behind), "UNDO FIFO");
    found = true;
  }
  return found;
}
