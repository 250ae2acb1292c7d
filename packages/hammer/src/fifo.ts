// SPDX-License-Identifier: BSD-3-Clause
/**
 * Reading the UNDO/REDO FIFO: a ring of records, walked forwards by heads and backwards by tails.
 *
 * Positions are plain numbers, 0 .. size-1, the low part of zone 3 offsets. The ring's big-blocks lie where the
 * root volume's undo array says.
 *
 * Invariants
 *   F1  A record is a multiple of 8 bytes, lies inside one 16 KiB buffer, begins with a head and ends with a
 *       tail that agree on type and size; there is room for what its type says. A PAD of 8 bytes is head and tail in one, with the head's signature.
 *   F2  Every record but PAD has a CRC over itself, its CRC field left out.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_recover.c.
 * @module
 */
import { crcMatches2 } from "./crc.ts";
import {
  BIGBLOCK_SIZE, BLOCKMAP, BUFMASK, BUFSIZE, FIFO_HEAD_SIZE, FIFO_REDO_SIZE, FIFO_TAIL_SIZE, FIFO_TYPE_PAD,
  FIFO_TYPE_REDO, FIFO_TYPE_UNDO, FIFO_UNDO_SIZE, HEAD_SIGNATURE, TAIL_SIGNATURE,
  UNDO_BIGBLOCKS_MAX, ZONE_UNDO, viewOf,
} from "./disk/index.ts";
import { HammerError } from "./error.ts";
import { Volumes } from "./io.ts";

/** Bytes that a record of a type takes without any payload. */
function leastSize(type: number): number {
  return FIFO_TAIL_SIZE + (type === FIFO_TYPE_UNDO ? FIFO_UNDO_SIZE : type === FIFO_TYPE_REDO ? FIFO_REDO_SIZE : FIFO_HEAD_SIZE);
}

/** A position as the original prints it. */
export function fifoHex(position: number): string {
  return `3${position.toString(16).padStart(15, "0")}`;
}

/** Walks records. After next or previous, `position`, `size`, `type`, `seq` and `at` describe the record. */
export class FifoReader {
  /** Bytes of the ring. */
  readonly size: number;
  /** Where the current record starts in the ring. */
  position = 0;
  /** Its bytes, head and tail included. */
  recordSize = 0;
  type = 0;
  /** Sequence number; 0 for PAD, which has none. */
  seq = 0;
  /** The buffer that holds it, and where in it. */
  readonly buffer = new Uint8Array(BUFSIZE);
  readonly view = viewOf(this.buffer);
  at = 0;
  /** Why the last next or previous returned false. */
  problem = "";

  readonly #volumes: Volumes;
  readonly #name: string;
  #loaded = -1;

  /** Throws EIO when the header's account of the ring makes no sense. */
  constructor(volumes: Volumes) {
    this.#volumes = volumes;
    this.#name = volumes.root.device.name;
    const alloc = BLOCKMAP.read(volumes.root.view, Volumes.blockmapAt(ZONE_UNDO)).alloc_offset;
    const size = volumes.undoBytes;
    if (alloc >> 60n !== BigInt(ZONE_UNDO) || size === 0 || size % BIGBLOCK_SIZE !== 0 || size / BIGBLOCK_SIZE > UNDO_BIGBLOCKS_MAX)
      throw new HammerError("E_BAD_VOLUME", `${this.#name}: the volume header gives the UNDO FIFO a size of ${size} bytes`);
    this.size = size;
  }

  /** A position out of a header field; throws EIO for one outside the ring. */
  fromHeader(field: "first_offset" | "next_offset"): number {
    const raw = BLOCKMAP.read(this.#volumes.root.view, Volumes.blockmapAt(ZONE_UNDO))[field];
    const position = Number(BigInt.asUintN(60, raw));
    if (raw >> 60n !== BigInt(ZONE_UNDO) || position > this.size || position % 8 !== 0)
      throw new HammerError("EIO", `${this.#name}: ${field} of the UNDO FIFO is 0x${raw.toString(16)}, outside the FIFO`);
    return position;
  }

  /** Ring distance from `first` to `last`. */
  distance(first: number, last: number): number {
    return last >= first ? last - first : this.size - first + last;
  }

  #load(position: number): void {
    const buffer = position - (position & BUFMASK);
    if (buffer === this.#loaded) return;
    this.#loaded = -1;
    this.#volumes.read(this.#volumes.undoAddress(buffer), this.buffer, `UNDO FIFO at ${fifoHex(buffer)}`);
    this.#loaded = buffer;
  }

  #bad(position: number, why: string): false {
    this.problem = `FIFO record at ${fifoHex(position)}: ${why}`;
    return false;
  }

  /** Checks the record of `size` bytes at `position` (F1, F2) and makes it the current one. */
  #take(position: number, size: number): boolean {
    const v = this.view;
    const at = position & BUFMASK;
    if (v.getUint16(at, true) !== HEAD_SIGNATURE) return this.#bad(position, `bad head signature ${v.getUint16(at, true).toString(16)}`);
    if (size < FIFO_TAIL_SIZE || size % 8 !== 0 || at + size > BUFSIZE) return this.#bad(position, `bad size ${size}`);
    if (v.getUint32(at + 4, true) !== size) return this.#bad(position, "head and tail disagree on the size");
    const type = v.getUint16(at + 2, true);
    const tail = at + size - FIFO_TAIL_SIZE;
    if (type !== FIFO_TYPE_PAD || size !== FIFO_TAIL_SIZE) {
      if (v.getUint16(tail, true) !== TAIL_SIGNATURE) return this.#bad(position, "bad tail signature");
      if (v.getUint16(tail + 2, true) !== type || v.getUint32(tail + 4, true) !== size)
        return this.#bad(position, "head and tail disagree");
    }
    if (type !== FIFO_TYPE_PAD) {
      if (size < leastSize(type)) return this.#bad(position, `too small (${size} bytes)`);
      if (!crcMatches2(this.#volumes.version, v.getUint32(at + 12, true), this.buffer, at, at + 12, at + 16, at + size))
        return this.#bad(position, "bad CRC");
    }
    this.position = position;
    this.recordSize = size;
    this.type = type;
    this.seq = type === FIFO_TYPE_PAD ? 0 : v.getUint32(at + 8, true); // a short PAD at the end of the buffer has no such bytes
    this.at = at;
    return true;
  }

  /** Makes the record that starts at `position` current. False with `problem` set if there is no sound one. */
  next(position: number): boolean {
    const from = position === this.size ? 0 : position;
    this.#load(from);
    return this.#take(from, this.view.getUint32((from & BUFMASK) + 4, true));
  }

  /** Where the record after the current one starts. */
  get end(): number {
    const end = this.position + this.recordSize;
    return end === this.size ? 0 : end;
  }

  /** Makes the record that ends at `position` current. False with `problem` set if there is no sound one. */
  previous(position: number): boolean {
    const end = position === 0 ? this.size : position;
    this.#load(end - FIFO_TAIL_SIZE);
    const tail = (end - FIFO_TAIL_SIZE) & BUFMASK;
    const size = this.view.getUint32(tail + 4, true);
    if (size > tail + FIFO_TAIL_SIZE) return this.#bad(end - FIFO_TAIL_SIZE, `its tail claims ${size} bytes`);
    return this.#take(end - size, size);
  }

  /** An EIO for the last problem. */
  error(doing: string): HammerError {
    return new HammerError("EIO", `${this.#name}: ${doing}: ${this.problem}`);
  }
}
