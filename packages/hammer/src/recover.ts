// SPDX-License-Identifier: BSD-3-Clause
/**
 * Crash recovery, stage 1: takes back the metadata changes that the last flush began and may not have finished, by
 * copying the old contents out of the UNDO FIFO, newest record first.
 *
 * Runs on the devices before anything is cached. The recovered buffers are put together in memory; a read-write
 * mount then writes them back, a read-only mount lays them over the devices.
 *
 * Invariants
 *   R1  Nothing is written before the whole span was read and found sound; a bad record inside it refuses the mount.
 *   R2  Buffers reach the disk, with a flush, before any volume header; the root volume's header is last. The header
 *       still names the whole span, so a crash in recovery repeats it: undoing twice is undoing once.
 *   R3  Up to version 3 the header's indices are the span. From version 4 the end is found by consecutive sequence
 *       numbers from first_offset; the header's next_offset is only a hint.
 *
 * Stage 2 (redo) needs a working file system: redo.ts. Source: DragonFly sys/vfs/hammer/hammer_recover.c.
 * @module
 */
import { OverlayDevice, type BlockDevice } from "./device.ts";
import {
  BLOCKMAP, BUFSIZE, FIFO_LINE, FIFO_REDO, FIFO_TAIL_SIZE, FIFO_TYPE_PAD, FIFO_TYPE_REDO, FIFO_TYPE_UNDO, FIFO_UNDO,
  FIFO_UNDO_SIZE, REDO_SYNC, VERSION_FIFO_SEQ, VOLUME, ZONE_RAW_BUFFER, ZONE_RAW_VOLUME, ZONE_UNDO, offset64,
} from "./disk/index.ts";
import { HammerError, hex64 } from "./error.ts";
import { FifoReader, fifoHex } from "./fifo.ts";
import { Volumes, openVolumes, type Volume } from "./io.ts";

/** How recovery is to go. */
export interface RecoverOptions {
  /** Leave the devices alone and return overlays. Default false. */
  readOnly?: boolean;
  /** Receives progress, worded as the original kernel's messages. */
  log?: ((message: string) => void) | undefined;
}

/** What recovery found and did. Positions are FIFO positions from 0. */
export interface Recovery {
  /** The devices to go on with: those given, or overlays holding the recovered state. */
  devices: BlockDevice[];
  /** The span that was undone; empty on a clean file system. */
  first: number;
  last: number;
  /** Sequence number of the next record. */
  nextSeq: number;
  /** Position of the oldest redo record still needed, or null if no redo was announced. */
  redoFrom: number | null;
  /** Nothing had to be done. */
  clean: boolean;
}

/** Buffers and headers with the old contents copied back, and which of them changed. */
class UndoneBuffers {
  readonly buffers = new Map<string, { volume: Volume; at: number; data: Uint8Array }>();
  readonly #headers = new Set<Volume>();
  readonly #volumes: Volumes;

  constructor(volumes: Volumes) {
    this.#volumes = volumes;
  }

  get changedHeaders(): ReadonlySet<Volume> { return this.#headers; }

  /** Copies `bytes` to a zone 1 or zone 2 offset. Throws EIO for one that leads nowhere. */
  apply(offset: bigint, bytes: Uint8Array): void {
    const zone = Number(offset >> 60n);
    const volume = this.#volumes.byNumber[Number((offset >> 52n) & 0xffn)];
    const byte = Number(offset & 0xf_ffff_ffff_ffffn);
    const within = byte % BUFSIZE;
    if (!volume || within + bytes.length > BUFSIZE || (zone !== ZONE_RAW_VOLUME && zone !== ZONE_RAW_BUFFER)
      || (zone === ZONE_RAW_VOLUME && byte >= BUFSIZE) || (zone === ZONE_RAW_BUFFER && byte >= volume.bufBytes))
      throw new HammerError("EIO", `UNDO record for ${bytes.length} bytes at ${hex64(offset)}, where no metadata can be`, { offset });
    if (zone === ZONE_RAW_VOLUME) {
      volume.header.set(bytes, within);
      this.#headers.add(volume);
      return;
    }
    const at = volume.bufBeg + byte - within;
    const key = `${volume.number}:${at}`;
    let b = this.buffers.get(key);
    if (!b) {
      b = { volume, at, data: new Uint8Array(BUFSIZE) };
      volume.device.read(at, b.data);
      this.buffers.set(key, b);
    }
    b.data.set(bytes, within);
  }
}

/** Ends the forward scan at a bad record: true if nothing says that the span goes on behind it. */
function isEndOfSpan(fifo: FifoReader, position: number, first: number, hint: number, expected: number): boolean {
  if (fifo.distance(first, position) < fifo.distance(first, hint)) return false;
  const line = position - (position % FIFO_LINE) + FIFO_LINE;
  const problem = fifo.problem;
  const goesOn = fifo.next(line === fifo.size ? 0 : line) && fifo.type !== FIFO_TYPE_PAD && ((fifo.seq - expected) >>> 0) < 0x1000;
  fifo.problem = problem;
  return !goesOn;
}

/** Finds the end of the span by sequence numbers (R3). Returns it with the next sequence number. */
function scanSequence(fifo: FifoReader, first: number, hint: number, log: (m: string) => void): { last: number; nextSeq: number } {
  for (let position = first; ; position = fifo.position) {
    if (!fifo.previous(position)) throw fifo.error("looking for the sequence number before the UNDO FIFO's start");
    if (fifo.type !== FIFO_TYPE_PAD) break;
  }
  log(`recovery check seqno=${fifo.seq.toString(16).padStart(8, "0")}`);
  let nextSeq = (fifo.seq + 1) >>> 0;
  let last = first;
  for (let position = first, walked = 0; walked <= fifo.size; position = fifo.end) {
    if (!fifo.next(position)) {
      if (isEndOfSpan(fifo, position, first, hint, nextSeq)) break;
      throw fifo.error("scanning the UNDO FIFO");
    }
    walked += fifo.recordSize;
    if (fifo.type === FIFO_TYPE_PAD) continue;
    if (fifo.seq !== nextSeq) break;
    nextSeq = (nextSeq + 1) >>> 0;
    last = fifo.end;
  }
  return { last, nextSeq };
}

/** Up to version 3 numbers are decoration, but a writer goes on counting: one more than the newest record's, if there is one. */
function numberAfter(fifo: FifoReader, last: number): number {
  for (let position = last; fifo.previous(position); position = fifo.position)
    if (fifo.type !== FIFO_TYPE_PAD) return (fifo.seq + 1) >>> 0;
  return 0;
}

/** Walks the span backwards and copies old contents back. Returns the newest REDO SYNC position, or null. */
function undo(fifo: FifoReader, first: number, last: number, undone: UndoneBuffers, log: (m: string) => void): number | null {
  let redoFrom: number | null = null;
  let position = last;
  for (let bytes = fifo.distance(first, last); bytes > 0; bytes -= fifo.recordSize) {
    if (!fifo.previous(position)) throw fifo.error("undoing");
    position = fifo.position;
    if (fifo.recordSize > bytes) throw fifo.error("undoing: a record reaches over the start of the span");
    if (fifo.type === FIFO_TYPE_UNDO) {
      const u = FIFO_UNDO.read(fifo.view, fifo.at);
      const room = fifo.recordSize - FIFO_UNDO_SIZE - FIFO_TAIL_SIZE;
      if (u.undo_data_bytes < 0 || u.undo_data_bytes > room)
        throw new HammerError("EIO", `FIFO record at ${fifoHex(position)}: ${u.undo_data_bytes} bytes in an UNDO record with room for ${room}`);
      const from = fifo.at + FIFO_UNDO_SIZE;
      undone.apply(u.undo_offset, fifo.buffer.subarray(from, from + u.undo_data_bytes));
    } else if (fifo.type === FIFO_TYPE_REDO) {
      const r = FIFO_REDO.read(fifo.view, fifo.at);
      if (r.redo_flags !== REDO_SYNC) continue;
      if (redoFrom !== null) {
        log("Ignoring extra REDO_SYNC records in UNDO/REDO FIFO.");
        continue;
      }
      redoFrom = Number(BigInt.asUintN(60, r.redo_offset));
      log(`Found REDO_SYNC ${r.redo_offset.toString(16).padStart(16, "0")}`);
    }
  }
  return redoFrom;
}

function writeBack(volumes: Volumes, undone: UndoneBuffers): void {
  const root = volumes.root;
  for (const { volume, at, data } of undone.buffers.values()) volume.device.write(at, data);
  volumes.flush();
  for (const v of undone.changedHeaders) if (v !== root) v.device.write(0, v.header);
  volumes.flush();
  root.device.write(0, root.header);
  root.device.flush();
}

function overlays(devices: readonly BlockDevice[], undone: UndoneBuffers, root: Volume): BlockDevice[] {
  const over = new Map(devices.map((d) => [d, new OverlayDevice(d)]));
  for (const { volume, at, data } of undone.buffers.values()) over.get(volume.device)!.write(at, data);
  for (const v of new Set([...undone.changedHeaders, root])) over.get(v.device)!.write(0, v.header);
  return devices.map((d) => over.get(d)!);
}

/**
 * Brings the metadata of the file system on `devices` to the state of its last complete flush. Throws EIO when the
 * FIFO is damaged, and what openVolumes throws; the devices are unchanged then.
 */
export function recover(devices: readonly BlockDevice[], options: RecoverOptions = {}): Recovery {
  const volumes = openVolumes(devices);
  const root = volumes.root;
  const header = VOLUME.read(root.view, 0);
  const log = (message: string): void => options.log?.(`HAMMER(${header.vol_label}) ${message}`);
  const fifo = new FifoReader(volumes);
  const first = fifo.fromHeader("first_offset");
  let last = fifo.fromHeader("next_offset");
  let nextSeq: number;
  if (header.vol_version >= VERSION_FIFO_SEQ) {
    const hint = last;
    ({ last, nextSeq } = scanSequence(fifo, first, hint, log));
    log(`recovery range ${fifoHex(first)}-${fifoHex(last)}`);
    log(`recovery nexto ${fifoHex(hint)} endseqno=${nextSeq.toString(16).padStart(8, "0")}`);
  } else {
    nextSeq = numberAfter(fifo, last);
  }
  const bytes = fifo.distance(first, last);
  const indices = { first_offset: offset64(ZONE_UNDO, first), next_offset: offset64(ZONE_UNDO, last) };
  if (bytes === 0) {
    log("mounted clean, no recovery needed");
    return { devices: [...devices], first, last, nextSeq, redoFrom: null, clean: true };
  }
  log(`recovery undo  ${fifoHex(first)}-${fifoHex(last)} (${bytes} bytes)${options.readOnly ? " (RO)" : "(RW)"}`);
  const undone = new UndoneBuffers(volumes);
  const redoFrom = undo(fifo, first, last, undone, log);
  BLOCKMAP.write(root.view, Volumes.blockmapAt(ZONE_UNDO), indices);
  let result = [...devices];
  if (options.readOnly) result = overlays(devices, undone, root);
  else writeBack(volumes, undone);
  log("recovery complete");
  return { devices: result, first, last, nextSeq, redoFrom, clean: false };
}
