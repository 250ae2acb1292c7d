// SPDX-License-Identifier: BSD-3-Clause
/**
 * Crash recovery, stage 2: carries out again the file operations that an fsync had made safe in the FIFO, but that no
 * flush had yet put into the B-Tree.
 *
 * Runs once, on a file system mounted for writing, when stage 1 met a REDO SYNC record; that names the oldest REDO record
 * still needed, which may lie before the span that was undone. Before the span, TERM records tell which operations had
 * been committed: their changes are on disk and must not be repeated. TERMs inside the span do not count, since what
 * they terminate was undone.
 *
 * Invariants
 *   R1  Operations run in the order of the FIFO, up to the last one; after them one flush empties the FIFO. A crash before
 *       its end repeats everything (undo.ts, U7).
 *   R2  When the FIFO no longer holds the whole extended span (it wrapped), nothing is redone and the mount fails
 *       with ERANGE: guessing would mix old and new data.
 *
 * Source: DragonFly sys/vfs/hammer/hammer_recover.c, hammer_recover_stage2().
 * @module
 */
import {
  FIFO_LINE, FIFO_REDO, FIFO_REDO_SIZE, FIFO_TYPE_PAD, FIFO_TYPE_REDO, REDO_SYNC, REDO_TERM_TRUNC, REDO_TERM_WRITE, REDO_TRUNC, REDO_WRITE,
} from "./disk/index.ts";
import { HammerError, hex64 } from "./error.ts";
import { FifoReader, fifoHex } from "./fifo.ts";
import { cancelRecords } from "./fifo-record.ts";
import type { Volumes } from "./io.ts";
import type { Recovery } from "./recover.ts";
import type { ReplayNeeds } from "./undo.ts";

/** What replay does to the file system. An object that does not exist is skipped. */
export interface RedoTarget {
  /** Writes `bytes` at `offset`. Returns false if there is no such file. */
  write(objId: bigint, localization: number, offset: number, bytes: Uint8Array): boolean;
  /** Sets the size. Returns false if there is no such file. */
  truncate(objId: bigint, localization: number, size: number): boolean;
}

/** Commitments found before the span, by what they commit; how many are still ahead of the forward scan. */
class Terms {
  readonly #pending = new Map<string, number>();

  /** The offset of a truncation does not matter: any later size makes an earlier one moot. */
  #key(flag: number, objId: bigint, localization: number, offset: bigint): string {
    return `${flag}:${objId}:${localization}:${flag === REDO_TERM_TRUNC ? "" : offset}`;
  }

  add(flag: number, objId: bigint, localization: number, offset: bigint): void {
    const key = this.#key(flag, objId, localization, offset);
    this.#pending.set(key, (this.#pending.get(key) ?? 0) + 1);
  }

  /** The forward scan passes a commitment. The entry stays, exhausted: see `ignores`. */
  pass(flag: number, objId: bigint, localization: number, offset: bigint): void {
    const key = this.#key(flag, objId, localization, offset);
    const n = this.#pending.get(key);
    if (n !== undefined && n > 0) this.#pending.set(key, n - 1);
  }

  /** True if the operation was committed by a TERM that is still ahead. */
  ignores(flag: number, objId: bigint, localization: number, offset: bigint): boolean {
    return (this.#pending.get(this.#key(flag, objId, localization, offset)) ?? 0) > 0;
  }
}

/** Collects the TERMs between `from` and the start of the undone span, walking backwards (R2). */
function collectTerms(fifo: FifoReader, recovery: Recovery, from: number, terms: Terms): void {
  let seq = -1;
  for (let position = recovery.first; ;) {
    if (!fifo.previous(position)) throw fifo.error("looking for redo records");
    position = fifo.position;
    if (fifo.type !== FIFO_TYPE_PAD) {
      if (seq !== -1 && fifo.seq !== seq)
        throw new HammerError("ERANGE", `redo is impossible: the FIFO no longer holds the records from ${fifoHex(from)} on`);
      seq = (fifo.seq - 1) >>> 0;
      if (fifo.type === FIFO_TYPE_REDO) {
        const r = FIFO_REDO.read(fifo.view, fifo.at);
        if (r.redo_flags === REDO_TERM_WRITE || r.redo_flags === REDO_TERM_TRUNC)
          terms.add(r.redo_flags, r.redo_objid, r.redo_localization, r.redo_offset);
      }
    }
    if (position === from) return;
    if (fifo.distance(position, recovery.first) >= fifo.size - fifo.recordSize)
      throw new HammerError("ERANGE", `redo is impossible: no record starts at ${fifoHex(from)}`);
  }
}

/** Carries out the record under `fifo`, unless it is known to be committed. */
function run(fifo: FifoReader, terms: Terms, target: RedoTarget, log: (m: string) => void): void {
  if (fifo.type !== FIFO_TYPE_REDO) return;
  const r = FIFO_REDO.read(fifo.view, fifo.at);
  if (r.redo_flags === REDO_TERM_WRITE || r.redo_flags === REDO_TERM_TRUNC) {
    terms.pass(r.redo_flags, r.redo_objid, r.redo_localization, r.redo_offset);
    return;
  }
  const isWrite = r.redo_flags === REDO_WRITE;
  if (!isWrite && r.redo_flags !== REDO_TRUNC) return;
  if (terms.ignores(isWrite ? REDO_TERM_WRITE : REDO_TERM_TRUNC, r.redo_objid, r.redo_localization, r.redo_offset)) return;
  const offset = Number(r.redo_offset);
  let found: boolean;
  if (isWrite) {
    const from = fifo.at + FIFO_REDO_SIZE;
    if (r.redo_data_bytes < 0 || FIFO_REDO_SIZE + r.redo_data_bytes > fifo.recordSize)
      throw new HammerError("EIO", `FIFO record at ${fifoHex(fifo.position)}: ${r.redo_data_bytes} bytes of redo data do not fit it`);
    found = target.write(r.redo_objid, r.redo_localization, offset, fifo.buffer.slice(from, from + r.redo_data_bytes));
  } else {
    found = target.truncate(r.redo_objid, r.redo_localization, offset);
  }
  if (!found) log(`unable to find objid ${hex64(r.redo_objid).slice(2)}:${r.redo_localization.toString(16).padStart(8, "0")}`);
}

function isTerm(fifo: FifoReader): boolean {
  if (fifo.type !== FIFO_TYPE_REDO) return false;
  const flags = FIFO_REDO.read(fifo.view, fifo.at).redo_flags;
  return flags === REDO_TERM_WRITE || flags === REDO_TERM_TRUNC;
}

/**
 * What the replay that stage 1 announced needs of the FIFO; null if none was announced. TERMs inside the span are cancelled, so
 * that they do not count either once the span begins behind them. Throws EIO, and what writing throws.
 */
export function prepareRedo(volumes: Volumes, recovery: Recovery): ReplayNeeds | null {
  const from = recovery.redoFrom;
  if (from === null) return null;
  const { first, last } = recovery;
  const fifo = new FifoReader(volumes);
  let end = first, seq = 0, tid = 0;
  let wanted = false, announced = false;
  for (let position = first, left = fifo.distance(first, last); left > 0; position = fifo.end, left -= fifo.recordSize) {
    if (!fifo.next(position)) throw fifo.error("looking for redo records");
    if (fifo.type === FIFO_TYPE_REDO && !isTerm(fifo)) {
      // Of SYNCs, one that names the place is enough; those of groups of an earlier replay are obsolete with their UNDO.
      const r = FIFO_REDO.read(fifo.view, fifo.at);
      const names = r.redo_flags === REDO_SYNC && Number(BigInt.asUintN(60, r.redo_offset)) === from;
      if (r.redo_flags !== REDO_SYNC || (names && !announced)) wanted = true;
      announced ||= names;
      if (names) tid = Number(r.redo_reserved02);
    }
    if (!wanted) continue;
    if (fifo.type !== FIFO_TYPE_PAD) seq = (fifo.seq + 1) >>> 0;
    end = fifo.end;
    wanted = end % FIFO_LINE !== 0;
  }
  if (cancelRecords(volumes, fifo, first, end, isTerm)) volumes.flush();
  return { from, end, seq, tid };
}

/** Repeats what stage 1 announced. The caller flushes afterwards. Throws ERANGE (R2), EIO, and what the target throws. */
export function redo(volumes: Volumes, recovery: Recovery, needs: ReplayNeeds, target: RedoTarget, log: (message: string) => void): void {
  const { from, end } = needs;
  const { first, last } = recovery;
  const fifo = new FifoReader(volumes);
  const terms = new Terms();
  const span = fifo.distance(first, last);
  log(`recovery redo  ${fifoHex(first)}-${fifoHex(last)} (${span} bytes)(RW)`);
  const into = fifo.distance(first, from);
  if (into <= span) {
    log(`Embedded extended redo ${fifoHex(from)}, ${-into} extbytes`);
  } else {
    log(`Find extended redo  ${fifoHex(from)}, ${fifo.distance(from, first)} extbytes`);
    collectTerms(fifo, recovery, from, terms);
  }
  for (let position = from, left = fifo.distance(from, end); left > 0; position = fifo.end, left -= fifo.recordSize) {
    if (!fifo.next(position)) throw fifo.error("redoing");
    run(fifo, terms, target, log);
  }
  log("End redo recovery");
}
