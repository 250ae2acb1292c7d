// SPDX-License-Identifier: BSD-3-Clause
/**
 * `hammer checkmap`: recounts from the freemap itself, the B-Tree and the UNDO FIFO what every big-block holds, and
 * compares with the freemap (invariant I-ONE).
 *
 * Lines: BZ a big-block belongs to another zone than what uses it, BM its free bytes are wrong.
 * Source: DragonFly sbin/hammer/cmd_blockmap.c.
 * @module
 */
import type { BlockDevice } from "../device.ts";
import {
  BIGBLOCK_SIZE, BUFSIZE, DATA_ALIGN_MASK, FIFO_HEAD, FIFO_LINE, FIFO_TYPE_DUMMY, FIFO_TYPE_PAD, FIFO_TYPE_REDO, FIFO_TYPE_UNDO,
  LEAF_ELMS, NODE_SIZE, REC_CONFIG, REC_DATA, REC_DB, REC_DIRENTRY, REC_EXT, REC_FIX, REC_INODE, REC_PFS,
  REC_SNAPSHOT, TYPE_INTERNAL, TYPE_LEAF, ZONE_BTREE, ZONE_FREEMAP, ZONE_LARGE_DATA, ZONE_META, ZONE_SMALL_DATA,
  UNDO_BIGBLOCKS_MAX, ZONE_UNAVAILABLE, ZONE_UNDO, viewOf,
} from "../disk/index.ts";
import { x16 } from "./format.ts";
import { printHeader } from "./header.ts";
import { type Layer2, RawVolumes } from "./raw.ts";
import { ZoneStats } from "./zone-stats.ts";

const BIGBLOCK_SIZE64 = BigInt(BIGBLOCK_SIZE);
const BIGBLOCK_SHIFT = 23n;
const ZONE2 = 2n << 60n;
const ZONE3 = 3n << 60n;
const OFF_LONG_MASK = 0x0fff_ffff_ffff_ffffn;
// Copies for the loop over the FIFO's lines.
const LINE = FIFO_LINE;
/** The ring is never longer; a damaged header may say so. */
const UNDO_BYTES_MOST = BigInt(UNDO_BIGBLOCKS_MAX) * BigInt(BIGBLOCK_SIZE);
const HDR_TYPE = FIFO_HEAD.off.hdr_type;
const HDR_SIZE = FIFO_HEAD.off.hdr_size;
const HEAD_TYPES = new Set([FIFO_TYPE_PAD, FIFO_TYPE_DUMMY, FIFO_TYPE_UNDO, FIFO_TYPE_REDO]);

/** Rec types of what lies in the meta zone, and in the data zones. */
const META_TYPES = new Set([REC_INODE, REC_DIRENTRY, REC_EXT, REC_FIX, REC_PFS, REC_SNAPSHOT, REC_CONFIG]);
const DATA_TYPES = new Set([REC_DATA, REC_DB]);

/** What was found. */
export interface CheckmapSummary { badNodes: number; errors: number }

/** A big-block whose entry in the freemap is not what the recount says: its zone, or its free bytes. */
export interface CheckmapDifference {
  /** Zone-2 offset. */
  block: bigint; zone: number; free: number; foundZone: number; foundFree: number;
}

/** What uses of one big-block add up to. */
interface Track { block: bigint; layer2Block: bigint; zone: number; free: number; layer2: Layer2 }

class Checkmap {
  readonly summary: CheckmapSummary = { badNodes: 0, errors: 0 };
  readonly #volumes: RawVolumes;
  readonly #print: (text: string) => void;
  /** By zone-2 offset of the big-block, and by what it was reached through. */
  readonly #tracks = new Map<bigint, Track>();
  readonly #reached = new Map<bigint, Track>();
  /** Nodes walked: a damaged tree may lead to one again and again. */
  readonly #seen = new Set<bigint>();

  constructor(volumes: RawVolumes, print: (text: string) => void) {
    this.#volumes = volumes;
    this.#print = print;
  }

  #collect(offset: bigint, length: number, zone: number): void {
    const from = offset >> BIGBLOCK_SHIFT;
    let t = this.#reached.get(from);
    if (!t) {
      t = this.#track(offset, zone);
      this.#reached.set(from, t);
    }
    t.free -= length;
  }

  #track(offset: bigint, zone: number): Track {
    const f = this.#volumes.lookup(offset);
    const block = f.raw === null ? offset & OFF_LONG_MASK & ~(BIGBLOCK_SIZE64 - 1n) : f.raw & ~(BIGBLOCK_SIZE64 - 1n);
    let t = this.#tracks.get(block);
    if (!t) {
      // An entry that cannot be found, or belongs to another zone, reads as all zero.
      const layer2 = f.error === 0 ? f.layer2! : { zone: 0, appendOff: 0, bytesFree: 0, crc: 0, crcOk: false };
      t = { block, layer2Block: f.layer1?.physOffset ?? 0n, zone, free: BIGBLOCK_SIZE, layer2 };
      this.#tracks.set(block, t);
    }
    return t;
  }

  freemap(): void {
    const root = this.#volumes.header.blockmap[ZONE_FREEMAP]!.phys;
    const zone4 = (offset: bigint): bigint => (offset & OFF_LONG_MASK) | (BigInt(ZONE_FREEMAP) << 60n);
    this.#collect(zone4(root), BIGBLOCK_SIZE, ZONE_FREEMAP);
    for (const i of this.#volumes.layer1Indices()) {
      const l1 = this.#volumes.layer1(i);
      if (l1 !== null && !l1.unavailable) this.#collect(zone4(l1.physOffset), BIGBLOCK_SIZE, ZONE_FREEMAP);
    }
  }

  node(offset: bigint, depth: number): void {
    if (depth === 0) this.#collect(offset, NODE_SIZE, ZONE_BTREE);
    if (this.#seen.has(offset)) {
      this.summary.badNodes++;
      this.#print(`B    NODE ${x16(offset)} (MET BEFORE)\n`);
      return;
    }
    this.#seen.add(offset);
    const node = this.#volumes.node(offset);
    if (node === null || !node.crcOk) {
      this.summary.badNodes++;
      if (node === null) {
        this.#print(`BI   NODE ${x16(offset)} (IO ERROR)\n`);
        return;
      }
      this.#print(`B    NODE ${x16(offset)} cnt=${String(node.count).padStart(2, "0")} p=${x16(node.parent)} `
        + `type=${String.fromCharCode(node.type || 0x3f)} depth=${depth} mirror=${x16(node.mirrorTid)}\n`);
    }
    const count = Math.max(0, Math.min(node.count, LEAF_ELMS));
    for (let i = 0; i < count; i++) {
      const e = node.elm(i);
      if (node.type === TYPE_INTERNAL && e.subtreeOffset !== 0n) {
        this.#collect(e.subtreeOffset, NODE_SIZE, ZONE_BTREE);
        this.node(e.subtreeOffset, depth + 1);
      } else if (node.type === TYPE_LEAF && e.dataOffset !== 0n) {
        const zone = META_TYPES.has(e.recType) ? ZONE_META
          : DATA_TYPES.has(e.recType) ? (e.dataLen >= BUFSIZE ? ZONE_LARGE_DATA : ZONE_SMALL_DATA) : ZONE_UNAVAILABLE;
        this.#collect(e.dataOffset, (e.dataLen + DATA_ALIGN_MASK) & ~DATA_ALIGN_MASK, zone);
      }
    }
  }

  undo(): void {
    const said = this.#volumes.header.blockmap[ZONE_UNDO]!.alloc & OFF_LONG_MASK;
    const end = said < UNDO_BYTES_MOST ? said : UNDO_BYTES_MOST;
    for (let block = 0n; block < end; block += BIGBLOCK_SIZE64) {
      const length = Number(end - block < BIGBLOCK_SIZE64 ? end - block : BIGBLOCK_SIZE64);
      const b = this.#volumes.bytes(ZONE3 | block, length);
      if (b !== null) this.#undoBlock(ZONE3 | block, viewOf(b));
    }
  }

  #undoBlock(start: bigint, v: DataView): void {
    let used = 0;
    // A damaged end of the ring may leave less than a head behind it.
    for (let at = 0; at + HDR_SIZE + 4 <= v.byteLength;) {
      const type = v.getUint16(at + HDR_TYPE, true);
      const size = v.getUint32(at + HDR_SIZE, true);
      if (HEAD_TYPES.has(type)) used += size | 0;
      if ((size & 7) !== 0 || size === 0 || size > LINE - (at & (LINE - 1))) {
        this.#print("Illegal size, skipping to next boundary\n");
        at = (at + LINE) & ~(LINE - 1);
      } else {
        at += size;
      }
    }
    this.#collect(start, used, ZONE_UNDO);
  }

  compare(verbose: number, onDifference?: (d: CheckmapDifference) => void): void {
    const stats = verbose ? new ZoneStats() : null;
    const tracks = [...this.#tracks.values()].sort((a, b) =>
      a.layer2Block < b.layer2Block ? -1 : a.layer2Block > b.layer2Block ? 1 : a.block < b.block ? -1 : 1);
    for (const t of tracks) {
      const block = ZONE2 | (t.block & OFF_LONG_MASK);
      stats?.addLayer2(t.layer2.zone, t.layer2.bytesFree);
      if (t.zone !== t.layer2.zone || t.free !== t.layer2.bytesFree)
        onDifference?.({ block, zone: t.zone, free: t.free, foundZone: t.layer2.zone, foundFree: t.layer2.bytesFree });
      if (t.zone !== t.layer2.zone) {
        this.#print(`BZ\tblock=${x16(block)} calc zone=${String(t.zone).padEnd(2)}, got zone=${String(t.layer2.zone).padEnd(2)}\n`);
        this.summary.errors++;
      } else if (t.free !== t.layer2.bytesFree) {
        this.#print(`BM\tblock=${x16(block)} zone=${String(t.zone).padEnd(2)} calc ${t.free} free, got ${t.layer2.bytesFree}\n`);
        this.summary.errors++;
      } else if (verbose) {
        this.#print(`\tblock=${x16(block)} zone=${String(t.zone).padEnd(2)} ${t.free} free (correct)\n`);
      }
    }
    stats?.print(this.#print);
    if (this.summary.badNodes || verbose) this.#print(`${this.summary.badNodes} bad nodes\n`);
    if (this.summary.errors || verbose) this.#print(`${this.summary.errors} errors\n`);
  }
}

/** Compares the freemap with a recount and prints the differences. `verbose` is the count of -v. */
export function checkmap(
  devices: readonly BlockDevice[], print: (text: string) => void, options: { verbose?: number; onDifference?: (d: CheckmapDifference) => void } = {},
): CheckmapSummary {
  const volumes = new RawVolumes(devices);
  const c = new Checkmap(volumes, print);
  printHeader(volumes, print);
  print("Collecting allocation info from freemap: ");
  c.freemap();
  print("done\nCollecting allocation info from B-Tree: ");
  c.node(volumes.header.btreeRoot, 0);
  print("done\nCollecting allocation info from UNDO: ");
  c.undo();
  print("done\n");
  c.compare(options.verbose ?? 0, options.onDifference);
  return c.summary;
}
