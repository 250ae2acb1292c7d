// SPDX-License-Identifier: BSD-3-Clause
/**
 * Writing the UNDO/REDO FIFO.
 *
 * Invariants
 *   U1  Records never cross a 512-byte line and every line starts with a record that has a sequence number.
 *   U2  Sequence numbers rise by one from record to record (pads have none); what follows the last record in its
 *       buffer has a number far away, what follows in the next buffer one of an earlier round.
 *   U3  The span [first, next) that a mount would undo is never overwritten.
 *   U4  A line that was written is not written again while it is in the span: what an fsync made safe cannot be torn by a
 *       later write.
 *   U5  Lines that a crash left behind the append point, out of writes of which others were lost, never become part of a
 *       span: before the first REDO of a mount the numbers jump, and before a replay such lines are overwritten.
 *   U6  The first REDO of a cycle is followed by a SYNC that names the oldest REDO still needed.
 *   U7  While REDO records are replayed nothing of what they need is overwritten, and each group's span ends with a line that
 *       holds a SYNC naming the oldest of them, with which the next span begins. So a crash repeats the whole replay, on the
 *       state of some group of it; that comes to the same end, since what a byte becomes is up to the last record about it.
 *       The last word of these SYNCs, 0 in others and not looked at by the original, is the TID under which that is to be.
 *   U8  Behind the records that a replay needs stands, by itself in a line, such a SYNC. When the groups of a replay have taken
 *       half of the ring's rest, the UNDO behind it, obsolete by then, is made to mean nothing, and the span begins there again.
 *
 * Lines are used in every version: logic of versions 1 to 3 reads them too, and it is what today's kernel writes.
 * Source: DragonFly sys/vfs/hammer/hammer_undo.c, hammer_redo.c.
 * @module
 */
import { crcFor } from "./crc.ts";
import {
  FIFO_HEAD, FIFO_HEAD_SIZE, FIFO_LINE, FIFO_REDO, FIFO_REDO_SIZE, FIFO_TAIL_SIZE, FIFO_TYPE_DUMMY, FIFO_TYPE_REDO,
  FIFO_TYPE_UNDO, FIFO_UNDO, FIFO_UNDO_SIZE, REDO_SYNC,
} from "./disk/fifo.ts";
import { FifoReader } from "./fifo.ts";
import { cancelRecords, dummyLine, padRecord, sealRecord } from "./fifo-record.ts";
import { viewOf } from "./disk/layout.ts";
import { BUFSIZE, ZONE_UNDO } from "./disk/offset.ts";
import { VERSION_FIFO_SEQ } from "./disk/volume.ts";
import { HammerError } from "./error.ts";
import type { Volumes } from "./io.ts";

const UNDO_OVERHEAD = FIFO_UNDO_SIZE + FIFO_TAIL_SIZE;
const REDO_OVERHEAD = FIFO_REDO_SIZE + FIFO_TAIL_SIZE;
/** A long payload of UNDO is not split for less than this; the rest of the line is padded instead. */
const LEAST_PIECE = 64;
/** Stale lines of a buffer get sequence numbers this far off. */
const FAR_AWAY = 0x4000_0000;
/** How far the numbers jump once a mount: more than there are records in the largest ring. */
const JUMP = 0x0400_0001;
/** Room that always stays between the end of the span and its start. */
const RESERVE = 65536;
/** Share of the ring that one group may take, by the engine's estimates. */
const GROUP_SHARE = 0.7;
const TWO32 = 4294967296;
const ZONE3_HI = ZONE_UNDO << 28;

/** What a replay of REDO records needs of the ring (U7). */
export interface ReplayNeeds {
  /** Position of the oldest record. */
  from: number;
  /** Behind the newest one and what shares its line, and the number of the record that follows there. */
  end: number;
  seq: number;
  /** TID of the replay: that of one that was cut short and is repeated, or 0 for none. */
  tid: number;
}

/** The file a REDO record is about. */
export interface RedoObject { readonly objHi: number; readonly objLo: number; readonly loc: number }

/** A buffer of the FIFO in memory; bytes [from, …) are not written yet. */
interface FifoBuffer { readonly position: number; readonly bytes: Uint8Array; readonly view: DataView; from: number; readonly whole: boolean }

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
  /** Buffers not yet written, ascending. */
  #pending: FifoBuffer[] = [];
  #current: FifoBuffer | null = null;
  /** Position of the oldest REDO that a recovery would need, or -1. */
  #oldest = -1;
  /** True once a SYNC of this cycle says so. */
  #announced = false;
  #replay: ReplayNeeds | null = null;
  /** During a replay, where the next span begins. */
  #spanStart = 0;
  #jumped: boolean;

  /** Continues behind what recovery found. `seq` is the number of the next record. */
  constructor(volumes: Volumes, first: number, next: number, seq: number) {
    this.#volumes = volumes;
    this.size = volumes.undoBytes;
    this.first = first;
    this.next = next;
    this.#seq = seq;
    this.#jumped = volumes.version < VERSION_FIFO_SEQ; // there, indices say where the span ends
  }

  /** Starts over at the beginning of a ring formatted anew; the span is empty. `seq` is the number of the next record. */
  restart(seq: number): void {
    this.first = this.next = 0;
    this.#seq = seq;
    this.#current = null;
    this.#jumped = true;
  }

  /** Bytes that are not to be overwritten (U3, U7). */
  get used(): number {
    const span = this.#distance(this.first, this.next);
    return this.#replay === null ? span : Math.max(span, this.#distance(this.#replay.from, this.next));
  }

  #distance(from: number, to: number): number { return to >= from ? to - from : to + this.size - from; }

  /** How much the open group may append. */
  get groupRoom(): number { return this.#replay === null ? this.size * GROUP_SHARE - this.used : (this.size - RESERVE - this.used) / 2; }

  /** The TID of a replay of REDO records that is under way, or 0. */
  get replayTid(): number { return this.#replay === null ? 0 : this.#replay.tid; }

  /** True once REDO may be written (U5). */
  get redoAllowed(): boolean { return this.#jumped && this.#replay === null && this.#volumes.version >= VERSION_FIFO_SEQ; }

  #read(position: number): FifoBuffer {
    const bytes = new Uint8Array(BUFSIZE);
    this.#volumes.read(this.#volumes.undoAddress(position), bytes, "UNDO FIFO");
    return { position, bytes, view: viewOf(bytes), from: BUFSIZE, whole: false };
  }

  #buffer(): FifoBuffer {
    const position = this.next - this.next % BUFSIZE;
    let b = this.#current;
    if (b === null || b.position !== position) {
      if (position === this.next) {
        const bytes = new Uint8Array(BUFSIZE);
        b = { position, bytes, view: viewOf(bytes), from: BUFSIZE, whole: true };
      } else {
        b = this.#read(position);
      }
      this.#current = b;
    }
    if (b.from === BUFSIZE) {
      const at = this.next - position;
      b.from = at - at % FIFO_LINE;
      this.#pending.push(b);
    }
    return b;
  }

  /** Brings what appending needs into memory, so that a BufferMiss comes before anything is changed. */
  prepare(): void {
    const position = this.next - this.next % BUFSIZE;
    if (position !== this.next && this.#current?.position !== position) this.#current = this.#read(position);
  }

  /**
   * Finds a place in a line for a record of `overhead` bytes and up to `wanted` bytes of payload, at least `least` of them;
   * pads lines that have none. Returns the bytes of payload that fit; the record is to start at `next`. Throws ENOSPC when
   * the ring is full (U3), which the flusher's limits prevent.
   */
  #place(overhead: number, wanted: number, least: number): number {
    for (;;) {
      if (this.next === this.size) this.next = 0;
      if (this.used + FIFO_LINE + RESERVE > this.size)
        throw new HammerError("ENOSPC", `UNDO FIFO of ${this.size} bytes is full`, { volume: 0 });
      const room = FIFO_LINE - this.next % FIFO_LINE;
      const n = Math.min(room - overhead, wanted);
      // As in the original, a record without payload needs room for some, too.
      if (room > overhead && (n === wanted || n >= least)) return n;
      const b = this.#buffer();
      padRecord(b.view, this.next - b.position, room);
      this.next += room;
    }
  }

  #seal(b: FifoBuffer, at: number, type: number, size: number): void {
    sealRecord(b.bytes, b.view, at, type, size, this.#seq, crcFor(this.#volumes.version));
    this.#seq = (this.#seq + 1) >>> 0;
    this.next += size;
  }

  /**
   * Appends UNDO for bytes [from, to) of `old`, which stood at the HAMMER offset (hi, lo) of byte `from`. The range may
   * not cross a buffer of the disk. Throws ENOSPC when the ring is full.
   */
  append(hi: number, lo: number, old: Uint8Array, from: number, to: number): void {
    for (let at = from; at < to;) {
      const n = this.#place(UNDO_OVERHEAD, to - at, LEAST_PIECE);
      const b = this.#buffer();
      const pos = this.next - b.position;
      const size = ((n + 7) & ~7) + UNDO_OVERHEAD;
      b.view.setInt32(pos + FIFO_UNDO.off.undo_offset, lo + (at - from), true);
      b.view.setInt32(pos + FIFO_UNDO.off.undo_offset + 4, hi, true);
      b.view.setInt32(pos + FIFO_UNDO.off.undo_data_bytes, n, true);
      b.view.setInt32(pos + FIFO_UNDO.off.undo_reserved01, 0, true);
      b.bytes.set(old.subarray(at, at + n), pos + FIFO_UNDO_SIZE);
      b.bytes.fill(0, pos + FIFO_UNDO_SIZE + n, pos + size - FIFO_TAIL_SIZE);
      this.#seal(b, pos, FIFO_TYPE_UNDO, size);
      at += n;
    }
  }

  /**
   * Appends REDO of a kind for bytes [from, from + length) of `data`, which belong at `offset` of the file; without `data`
   * one record that names the length only. Throws ENOSPC when the ring is full.
   */
  redo(kind: number, ip: RedoObject, offset: number, data: Uint8Array | null, from: number, length: number): void {
    if (data === null) {
      this.#redoRecord(kind, ip, Math.floor(offset / TWO32), offset, null, 0, 0, length);
    } else {
      for (let done = 0; done < length;) {
        const n = this.#place(REDO_OVERHEAD, length - done, 1);
        const to = offset + done;
        this.#redoRecord(kind, ip, Math.floor(to / TWO32), to, data, from + done, n, n);
        done += n;
      }
    }
    if (!this.#announced) this.#sync(this.#oldest);
  }

  #redoRecord(
    kind: number, ip: RedoObject | null, offsetHi: number, offsetLo: number, data: Uint8Array | null, from: number, n: number, dataBytes: number,
  ): void {
    this.#place(REDO_OVERHEAD, n, n);
    if (ip !== null && this.#oldest < 0) this.#oldest = this.next;
    const b = this.#buffer();
    const pos = this.next - b.position;
    const size = ((n + 7) & ~7) + REDO_OVERHEAD;
    const { off } = FIFO_REDO;
    b.bytes.fill(0, pos + FIFO_HEAD_SIZE, pos + size);
    b.view.setInt32(pos + off.redo_objid, ip === null ? 0 : ip.objLo, true);
    b.view.setInt32(pos + off.redo_objid + 4, ip === null ? 0 : ip.objHi, true);
    b.view.setInt32(pos + off.redo_offset, offsetLo, true);
    b.view.setInt32(pos + off.redo_offset + 4, offsetHi, true);
    b.view.setInt32(pos + off.redo_data_bytes, dataBytes, true);
    b.view.setUint32(pos + off.redo_flags, kind, true);
    b.view.setInt32(pos + off.redo_localization, ip === null ? 0 : ip.loc, true);
    if (kind === REDO_SYNC) {
      b.view.setUint32(pos + off.redo_reserved02, this.replayTid % TWO32, true);
      b.view.setUint32(pos + off.redo_reserved02 + 4, Math.floor(this.replayTid / TWO32), true);
    }
    if (data !== null) b.bytes.set(data.subarray(from, from + n), pos + FIFO_REDO_SIZE);
    this.#seal(b, pos, FIFO_TYPE_REDO, size);
  }

  /** Announces REDO from `oldest` on (U6). */
  #sync(oldest: number): void {
    this.#announced = true;
    this.#redoRecord(REDO_SYNC, null, ZONE3_HI | Math.floor(oldest / TWO32), oldest, null, 0, 0, 0);
  }

  #endLine(): void {
    const room = (FIFO_LINE - this.next % FIFO_LINE) % FIFO_LINE;
    if (room === 0) return;
    const b = this.#buffer();
    padRecord(b.view, this.next - b.position, room);
    this.next += room;
  }

  /**
   * Completes the last line and a new buffer (U1, U2) and writes everything gathered, without a flush. Returns false if
   * there was nothing.
   */
  write(): boolean {
    if (this.#pending.length === 0) return false;
    const crc = crcFor(this.#volumes.version);
    const last = this.#pending[this.#pending.length - 1]!;
    this.#endLine(); // U4
    let end = this.next - last.position;
    if (last.whole && last.from === 0) {
      let seq = (this.#seq ^ FAR_AWAY) >>> 0;
      for (let at = end; at < BUFSIZE; at += FIFO_LINE) {
        dummyLine(last.bytes, last.view, at, seq, crc);
        seq = (seq + 1) >>> 0;
      }
      end = BUFSIZE;
    }
    for (const p of this.#pending) {
      this.#volumes.write(this.#volumes.undoAddress(p.position) + p.from, p.bytes.subarray(p.from, p === last ? end : BUFSIZE), "UNDO FIFO");
      p.from = BUFSIZE;
    }
    this.#pending = [];
    return true;
  }

  /** Everything the open group undoes has been appended; write() follows. */
  endGroup(): void {
    if (this.#replay !== null) this.#spanStart = this.#syncLine(this.#replay.from); // U7
  }

  /** A line that holds a SYNC. Returns its position. */
  #syncLine(oldest: number): number {
    this.#endLine();
    if (this.next === this.size) this.next = 0;
    const at = this.next;
    this.#sync(oldest);
    this.#endLine();
    return at;
  }

  /**
   * What was appended is obsolete once a header says so: another cycle begins, and with it the span. Once a mount that writes a
   * record whose number is far ahead, behind which the span begins (U5); returns true then: it has to be flushed before the
   * header.
   */
  startCycle(): boolean {
    this.#announced = false;
    this.#oldest = -1;
    if (this.#replay !== null) {
      this.first = this.#spanStart;
      return false;
    }
    const jumps = !this.#jumped;
    if (jumps) this.#jump();
    this.first = this.next;
    return jumps;
  }

  #jump(): void {
    this.#jumped = true;
    this.#seq = (this.#seq + JUMP) >>> 0;
    this.#place(FIFO_LINE - 1, 1, 1);
    const b = this.#buffer();
    const pos = this.next - b.position;
    b.bytes.fill(0, pos, pos + FIFO_LINE);
    this.#seal(b, pos, FIFO_TYPE_DUMMY, FIFO_LINE);
    this.write();
  }

  /**
   * A replay of REDO records begins (U7, U8): nothing else that is in the span is needed, no REDO is written until its end, and
   * nothing a crash left behind may continue the span (U5). `commit` writes a header with the new span and flushes.
   */
  beginReplay(needs: ReplayNeeds, commit: () => void): void {
    this.next = needs.end;
    this.#seq = needs.seq;
    this.#replay = needs;
    this.#current = null;
    this.#scrub();
    this.first = this.#syncLine(needs.from);
    this.#replay = { ...needs, end: this.first };
    this.write();
    this.#volumes.flush();
    commit();
  }

  /** Everything has been replayed; the next flush makes that durable. */
  endReplay(): void { this.#replay = null; }

  /** Makes the room that groups of a replay took usable again once they took much of it (U8); they are durable. */
  reuse(commit: () => void): void {
    const needs = this.#replay;
    if (needs === null || 2 * this.#distance(needs.end, this.next) < this.size - RESERVE - this.#distance(needs.from, needs.end)) return;
    const fifo = new FifoReader(this.#volumes);
    if (cancelRecords(this.#volumes, fifo, needs.end, this.next, (f) => f.type === FIFO_TYPE_UNDO)) this.#volumes.flush();
    // The line with the SYNC is still there. What stands behind it may come to continue the span: it means nothing, or is a SYNC, too.
    this.first = needs.end;
    this.next = needs.end + FIFO_LINE;
    this.#seq = (needs.seq + 1) >>> 0;
    this.#current = null;
    commit();
  }

  /** Overwrites lines behind the append point that would go on from it. */
  #scrub(): void {
    const crc = crcFor(this.#volumes.version);
    const bytes = new Uint8Array(BUFSIZE), view = viewOf(bytes);
    const end = this.size - this.used;
    let found = false;
    for (let ahead = 0; ahead < end;) {
      const position = (this.next + ahead) % this.size;
      const at = position % BUFSIZE;
      const address = this.#volumes.undoAddress(position - at);
      this.#volumes.read(address, bytes, "UNDO FIFO");
      const upTo = Math.min(BUFSIZE, at + end - ahead);
      for (let line = at + (FIFO_LINE - at % FIFO_LINE) % FIFO_LINE; line + FIFO_LINE <= upTo; line += FIFO_LINE) {
        const seq = view.getUint32(line + FIFO_HEAD.off.hdr_seq, true);
        if (((seq - this.#seq) >>> 0) >= JUMP) continue;
        dummyLine(bytes, view, line, (this.#seq ^ FAR_AWAY) >>> 0, crc);
        this.#volumes.write(address + line, bytes.subarray(line, line + FIFO_LINE), "UNDO FIFO");
        found = true;
      }
      ahead += upTo - at;
    }
    if (found) this.#volumes.flush();
  }
}
