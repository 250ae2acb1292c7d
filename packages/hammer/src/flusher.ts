// SPDX-License-Identifier: BSD-3-Clause
/**
 * The flusher: makes the open flush group durable, in an order that a crash at any write survives.
 *
 *   1. file data, INODE records                    into fresh space and the cached tree
 *   2. UNDO for every byte about to change         flush: data and UNDO are safe
 *   3. version < 4: header with the new FIFO end   flush: recovery would find the UNDO
 *   4. meta-data buffers, header                   flush: the new state is on disk, though a crash would undo it
 *   5. header with an empty UNDO span              flush: the new state is durable
 *      (during a replay of REDO a span without UNDO, which announces the replay again: see undo.ts, U7)
 *
 * Invariants
 *   F1  No byte that the last durable state refers to changes on disk before step 2 (or 3) is complete.
 *   F2  A device error leaves the engine failed; the disk then holds a state that recovers.
 *   F3  A BufferMiss or ENOSPC can only come out of step 1, and the flush can be repeated.
 *
 * This is the original's cycle run twice, the second time with nothing to do, as its sync does.
 * Between flushes an fsync may write and flush the FIFO alone: see fsync.ts.
 * Source: DragonFly sys/vfs/hammer/hammer_flusher.c, hammer_io.c.
 * @module
 */
import { crcFor } from "./crc.ts";
import type { Buffer } from "./buffer.ts";
import { BLOCKMAP } from "./disk/blockmap.ts";
import { BUFSIZE, offsetHi, offsetLo, ZONE_RAW_BUFFER, ZONE_RAW_VOLUME, ZONE_UNDO } from "./disk/offset.ts";
import { VERSION_FIFO_SEQ, VOLUME } from "./disk/volume.ts";
import { volumeCrc, Volumes } from "./io.ts";
import { syncInode } from "./object/inode-sync.ts";
import { writeBlocks } from "./object/file.ts";
import type { Engine } from "./transaction.ts";
import { DIRTY_BLOCKS } from "./object/dirty.ts";

/** Unchanged words between two changes that make it worth ending an UNDO record. */
const GAP_WORDS = 12;
/** Adjacent buffers are written together, up to this much. */
const WRITE_BYTES = 1 << 20;
/** Bytes of the header that are written; the rest of its buffer never changes. */
const HEADER_BYTES = 2048;
const ZONE3_HI = ZONE_UNDO << 28;

let $staging: Uint8Array | null = null;

/** Runs one flush. The caller has opened a group. */
export function flushGroup(e: Engine): void {
  const inodes = [...e.dirtyInodes].sort((a, b) =>
    (a.loc >>> 0) - (b.loc >>> 0) || a.objHi - b.objHi || (a.objLo >>> 0) - (b.objLo >>> 0));
  try {
    for (const ip of inodes) {
      if ((ip.dirty & DIRTY_BLOCKS) !== 0) writeBlocks(e, ip);
      syncInode(e, ip);
      ip.redoDirty = false;
      if (ip.refs === 0 && ip.nlinks > 0) e.inodes.idle(ip);
    }
  } catch (error) {
    e.noteFailure(error);
    throw error;
  }
  try {
    writeGroup(e);
  } catch (error) {
    e.failure = error;
    throw error;
  }
}

function writeGroup(e: Engine): void {
  const { volumes, cache, undo } = e;
  const root = volumes.root;
  const dirty = cache.dirty.slice().sort((a, b) => a.address - b.address);
  e.freemap.saveCursors();
  root.view.setBigUint64(VOLUME.off.vol0_next_tid, BigInt(e.nextTid), true);
  sealNodes(volumes, dirty);

  writeBuffers(volumes, dirty, 1);
  for (const b of dirty) if (b.before !== null) undoBuffer(e, b);
  undoHeader(e);
  undo.endGroup();
  undo.write();
  volumes.flush();

  if (volumes.version < VERSION_FIFO_SEQ) commitSpan(e);
  writeBuffers(volumes, dirty, 0);
  commitSpan(e);

  if (undo.startCycle()) volumes.flush();
  commitSpan(e);
  e.freemap.flushed();
  undo.reuse(() => commitSpan(e));
  cache.cleaned();
  volumes.keepHeader();
}

/** Writes the header with the span as it is now, and flushes. */
export function commitSpan({ volumes, undo }: Engine): void {
  writeHeader(volumes, undo.first, undo.next);
  volumes.flush();
}

/** Computes the CRC of every changed node. */
function sealNodes(volumes: Volumes, dirty: readonly Buffer[]): void {
  const crc = crcFor(volumes.version);
  for (const b of dirty) {
    for (let n = 0; n < 4; n++) {
      if ((b.nodes & (1 << n)) !== 0) b.words[n << 10] = crc(b.bytes, n * 4096 + 4, (n + 1) * 4096);
    }
  }
}

/** Lays UNDO for what changed below `fresh`. */
function undoBuffer(e: Engine, b: Buffer): void {
  const before = b.before!;
  const hi = offsetHi(ZONE_RAW_BUFFER, b.address), lo = offsetLo(b.address);
  undoWords(e, hi, lo, b.words, before, 0, Math.min(before.length, b.fresh >> 2));
}

/** Root header: everything but what recovery must not take back (next_tid, the FIFO's own entry, the CRC). */
function undoHeader(e: Engine): void {
  const { words, before } = e.volumes.headerWords;
  const hi = ZONE_RAW_VOLUME << 28;
  const fifo = Volumes.blockmapAt(ZONE_UNDO) >> 2;
  const tid = VOLUME.off.vol0_next_tid >> 2;
  const crc = VOLUME.off.vol_crc >> 2;
  undoWords(e, hi, 0, words, before, 0, crc);
  undoWords(e, hi, 0, words, before, crc + 1, tid);
  undoWords(e, hi, 0, words, before, tid + 2, fifo);
  undoWords(e, hi, 0, words, before, fifo + BLOCKMAP.size / 4, VOLUME.size / 4);
}

/** One UNDO for each run of changed words in [from, to); hi, lo is the offset of word 0. */
function undoWords(e: Engine, hi: number, lo: number, now: Int32Array, before: Int32Array, from: number, to: number): void {
  const old = new Uint8Array(before.buffer, before.byteOffset, before.byteLength);
  let i = from;
  while (i < to) {
    if (now[i] === before[i]) {
      i++;
      continue;
    }
    let end = i + 1;
    for (let j = end; j < to && j - end < GAP_WORDS; j++) if (now[j] !== before[j]) end = j + 1;
    e.undo.append(hi, lo + i * 4, old, i * 4, end * 4);
    i = end;
  }
}

/** Writes the dirty buffers of a kind (data = 1, meta-data = 0), neighbours together. `dirty` ascends. */
function writeBuffers(volumes: Volumes, dirty: readonly Buffer[], kind: number): void {
  $staging ??= new Uint8Array(WRITE_BYTES);
  let start = 0;
  let length = 0;
  for (const b of dirty) {
    if (b.data !== kind) continue;
    if (length > 0 && (b.address !== start + length || length === WRITE_BYTES)) {
      volumes.write(start, $staging.subarray(0, length), "buffers");
      length = 0;
    }
    if (length === 0) start = b.address;
    $staging.set(b.bytes, length);
    length += BUFSIZE;
  }
  if (length > 0) volumes.write(start, $staging.subarray(0, length), "buffers");
}

/** Writes the root header with this UNDO span. */
export function writeHeader(volumes: Volumes, first: number, next: number): void {
  const { view, header, device } = volumes.root;
  const at = Volumes.blockmapAt(ZONE_UNDO);
  setFifoOffset(view, at + BLOCKMAP.off.first_offset, first);
  setFifoOffset(view, at + BLOCKMAP.off.next_offset, next);
  view.setUint32(at + BLOCKMAP.off.entry_crc, crcFor(volumes.version)(header, at, at + BLOCKMAP.off.entry_crc), true);
  view.setUint32(VOLUME.off.vol_crc, volumeCrc(header, volumes.version), true);
  device.write(0, header.subarray(0, HEADER_BYTES));
}

function setFifoOffset(view: DataView, at: number, position: number): void {
  view.setUint32(at, position % 4294967296, true);
  view.setInt32(at + 4, ZONE3_HI | Math.floor(position / 4294967296), true);
}
