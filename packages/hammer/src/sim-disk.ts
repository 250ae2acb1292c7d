// SPDX-License-Identifier: BSD-3-Clause
/**
 * A disk for tests that remembers everything done to it and can be cut off at any moment.
 *
 * Fault model (between two flushes): writes reach the medium in any order and any subset, each whole, absent,
 * or torn at 512-byte sectors; a flush that returned made everything before it durable. Errors can be
 * injected at the n-th read, write or flush, once or from then on. Everything follows from the log and a
 * seed: the same seed gives the same images.
 *
 * A cut is a list, one entry a write of the last epoch, of which sectors arrived. Build the images with
 * `imageAt`, enumerate the interesting ones with `cutsOfEpoch`.
 * @module
 */
import { checkExtent, type BlockDevice } from "./device.ts";
import { HammerError, hex32 } from "./error.ts";

const SECTOR = 512;

/** One entry of the log. A mark is put there by the test: "what was done up to here is acknowledged". */
export type SimEvent =
  | { kind: "write"; offset: number; data: Uint8Array }
  | { kind: "flush" }
  | { kind: "mark"; note: unknown };

/** Which operation fails, counted from 1, and whether everything of that kind fails from then on. */
export interface SimFault { op: "read" | "write" | "flush"; nth: number; forever?: boolean }

/** Deterministic pseudo-random numbers (xorshift32), for seeds in tests. */
export class SeededRandom {
  #state: number;
  constructor(seed: number) { this.#state = (seed ^ 0x9e37_79b9) | 0 || 1; }
  /** Uniform in 0 .. n-1, n <= 2^31. */
  below(n: number): number {
    let s = this.#state;
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    this.#state = s;
    return Math.floor(((s >>> 0) / 0x1_0000_0000) * n);
  }
}

/** Recording disk over an initial image, which it does not change. */
export class SimDisk implements BlockDevice {
  readonly name: string;
  readonly size: number;
  readonly readOnly = false;
  readonly log: SimEvent[] = [];
  /** Operations so far, to aim faults. */
  readonly count = { read: 0, write: 0, flush: 0 };
  #faults: SimFault[] = [];
  readonly #now: BlockDevice;

  /** `current` receives the writes (an OverlayDevice over the base, a MemoryDevice). */
  constructor(current: BlockDevice, options: { name?: string; faults?: SimFault[] } = {}) {
    this.name = options.name ?? current.name;
    this.size = current.size;
    this.#now = current;
    this.#faults = options.faults ?? [];
  }

  setFaults(faults: SimFault[]): void { this.#faults = faults; }

  #step(op: SimFault["op"], offset: number): void {
    const n = ++this.count[op];
    for (const f of this.#faults) {
      if (f.op === op && (n === f.nth || (f.forever === true && n > f.nth)))
        throw new HammerError("EIO", `${this.name}: injected ${op} error at ${hex32(offset)}`, { offset });
    }
  }

  read(offset: number, buf: Uint8Array): void {
    checkExtent(this, offset, buf.length);
    this.#step("read", offset);
    this.#now.read(offset, buf);
  }

  write(offset: number, buf: Uint8Array): void {
    checkExtent(this, offset, buf.length);
    this.#step("write", offset);
    this.log.push({ kind: "write", offset, data: buf.slice() });
    this.#now.write(offset, buf);
  }

  flush(): void {
    this.#step("flush", 0);
    this.log.push({ kind: "flush" });
  }

  close(): void {}

  /** Notes in the log what the test knows to hold from here on. */
  mark(note: unknown): void { this.log.push({ kind: "mark", note }); }
}

/** What of each write of the last epoch arrived: true, false, or a sector-by-sector list. */
export type Cut = readonly (boolean | readonly boolean[])[];

/** [start, end) indices into the log of the writes between two flushes. The last one may be open-ended. */
export function epochs(log: readonly SimEvent[]): { start: number; end: number; writes: number[] }[] {
  const out: { start: number; end: number; writes: number[] }[] = [];
  let start = 0;
  let writes: number[] = [];
  log.forEach((e, i) => {
    if (e.kind === "write") writes.push(i);
    if (e.kind !== "flush") return;
    out.push({ start, end: i, writes });
    start = i + 1;
    writes = [];
  });
  out.push({ start, end: log.length, writes });
  return out;
}

/** Sectors a write touches. Writes of the file system are sector-aligned; others count their partial sectors whole. */
function sectorsOf(e: SimEvent): number {
  if (e.kind !== "write") return 0;
  return Math.floor((e.offset + e.data.length - 1) / SECTOR) - Math.floor(e.offset / SECTOR) + 1;
}

/** Applies the sectors of one write that `arrived` says reached the medium. */
function applyWrite(target: BlockDevice, e: SimEvent, arrived: boolean | readonly boolean[]): void {
  if (e.kind !== "write" || arrived === false) return;
  if (arrived === true) {
    target.write(e.offset, e.data);
    return;
  }
  const first = Math.floor(e.offset / SECTOR);
  arrived.forEach((ok, i) => {
    if (!ok) return;
    const from = Math.max(e.offset, (first + i) * SECTOR);
    const to = Math.min(e.offset + e.data.length, (first + i + 1) * SECTOR);
    if (to > from) target.write(from, e.data.subarray(from - e.offset, to - e.offset));
  });
}

/** Applies to `target` (holding the initial image) everything before the epoch and the epoch as `cut` says. */
export function imageAt(
  target: BlockDevice, log: readonly SimEvent[], epoch: { start: number; writes: readonly number[] }, cut: Cut,
): void {
  for (let i = 0; i < epoch.start; i++) applyWrite(target, log[i]!, true);
  epoch.writes.forEach((index, i) => applyWrite(target, log[index]!, cut[i] ?? false));
}

/** Limits on how many cuts of each kind cutsOfEpoch makes; unlimited by default. */
export interface CutLimits {
  /** At most this many "one missing", "one alone" and "prefix" cuts of each kind, evenly spread. */
  perKind?: number;
  /** Random subsets with random tears. */
  random?: number;
}

/**
 * The cuts of one epoch worth trying: none, all, each write missing, each alone, each prefix, each prefix with
 * its last write torn at a sector, and random subsets with random tears. Duplicates may occur.
 */
export function* cutsOfEpoch(
  log: readonly SimEvent[], epoch: { writes: readonly number[] }, rnd: SeededRandom, limits: CutLimits = {},
): Generator<Cut> {
  const n = epoch.writes.length;
  const all = (v: boolean): boolean[] => new Array<boolean>(n).fill(v);
  yield all(false);
  if (n === 0) return;
  yield all(true);
  const step = Math.max(1, Math.ceil(n / (limits.perKind ?? n)));
  const start = step === 1 ? 0 : rnd.below(step);
  for (let i = start; i < n; i += step) {
    yield all(true).with(i, false);
    yield all(false).with(i, true);
    const prefix = all(false).fill(true, 0, i);
    yield prefix;
    const sectors = sectorsOf(log[epoch.writes[i]!]!);
    const tears = limits.perKind === undefined ? sectors - 1 : Math.min(1, sectors - 1);
    for (let t = 0; t < tears; t++) {
      const keep = limits.perKind === undefined ? t + 1 : 1 + rnd.below(sectors - 1);
      yield (prefix as (boolean | boolean[])[]).with(i, Array.from({ length: sectors }, (_, s) => s < keep));
    }
  }
  for (let r = 0; r < (limits.random ?? 32); r++) {
    yield epoch.writes.map((index) => {
      const what = rnd.below(4);
      if (what < 3) return what !== 0;
      return Array.from({ length: sectorsOf(log[index]!) }, () => rnd.below(2) === 1);
    });
  }
}
