// SPDX-License-Identifier: BSD-3-Clause
/**
 * The scan of `hammer recover`: every 4 KiB of the devices that is a B-Tree node by type, count and CRC is taken, and
 * whether its elements still belong to the file system is judged afterwards.
 *
 * Invariants
 *   C1  Where a freemap entry is sound it decides: big-blocks of the B-Tree zone are looked at up to their append offset,
 *       others not at all (a file may be an image of a file system, a free big-block may hold nodes of long ago). Where
 *       it is lost or damaged the whole big-block is looked at; with `quick` it is passed over. `full` looks everywhere.
 *   C2  Unless `full`, nodes are not taken that their own parent, found in good order, does not lead to: they were freed
 *       or moved. A node whose parent is lost is taken.
 *
 * Source: DragonFly sbin/hammer/cmd_recover.c.
 * @module
 */
import { crcMatches } from "../crc.ts";
import type { BlockDevice } from "../device.ts";
import {
  addressOf, BIGBLOCK_SIZE, ELM_WORDS, INTERNAL_ELMS, LEAF_ELMS, NODE_SIZE, TYPE_INTERNAL, TYPE_LEAF, TYPE_RECORD, VERSION_MAX,
  VOLUME_STRIDE, W_COUNT, W_CRC, W_DATA_CRC, W_DATA_HI, W_DATA_LEN, W_DATA_LO, W_ELMS, W_PARENT_HI, W_PARENT_LO, W_SUBTREE_HI,
  W_SUBTREE_LO, W_TYPE, W_TYPES, ZONE_BTREE, address64, volumeOf,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import { ElementStore, type FoundNode } from "./store.ts";
import { coveredBytes, DATA_MAX, SalvageFreemap, SalvageVolumes, type Sample } from "./volumes.ts";

/** Which part of the image is scanned. */
export type ScanExtent = "normal" | "full" | "quick";

/** How a scan is run. */
export interface SalvageScanOptions {
  extent?: ScanExtent;
  /** Called for each big-block with the bytes passed so far and those there are. May throw to give up. */
  progress?: ((done: number, total: number) => void) | undefined;
}

/** What a scan has found. */
export interface SalvageScan {
  volumes: SalvageVolumes;
  nodes: FoundNode[];
  elements: ElementStore;
  /** For each node, whether its elements count (C2). */
  current: Uint8Array;
  /** Nodes that others lead to, and that are nowhere. */
  lostNodes: number;
  bytesScanned: number;
}

/** Samples of data kept for each volume number. */
const SAMPLES = 32;
/** Bytes read at once. */
const PIECE = 1 << 20;

class Scanner {
  readonly nodes: FoundNode[] = [];
  readonly elements = new ElementStore();
  readonly samples = new Map<number, Sample[]>();
  bytes = 0;
  readonly #buf = new Uint8Array(PIECE);
  readonly #words = new Int32Array(this.#buf.buffer);

  /** Looks at [from, to) of a device; both are multiples of the node size. Unreadable pieces are passed over buffer by buffer. */
  range(device: BlockDevice, index: number, from: number, to: number): void {
    for (let at = from; at < to; at += PIECE) {
      const length = Math.min(PIECE, to - at);
      this.bytes += length;
      for (const [start, size] of readable(device, at, this.#buf.subarray(0, length)))
        for (let byte = start; byte < start + size; byte += NODE_SIZE) this.#node(index, at + byte, byte >> 2);
    }
  }

  #node(device: number, byte: number, word: number): void {
    const w = this.#words;
    const type = w[word + W_TYPE]! & 0xff;
    const count = w[word + W_COUNT]!;
    if (!((type === TYPE_LEAF && count >= 0 && count <= LEAF_ELMS) || (type === TYPE_INTERNAL && count > 0 && count <= INTERNAL_ELMS))) return;
    if (!crcMatches(VERSION_MAX, w[word + W_CRC]!, this.#buf, word * 4 + 4, word * 4 + NODE_SIZE)) return;
    const number = this.nodes.length;
    const children: number[] = [];
    for (let i = 0; i < count; i++) {
      const at = word + W_ELMS + i * ELM_WORDS;
      if (type === TYPE_INTERNAL) {
        children.push(addressOf(w[at + W_SUBTREE_HI]!, w[at + W_SUBTREE_LO]!));
      } else if (w[at + W_TYPES]! >>> 24 === TYPE_RECORD) {
        this.elements.push(w, at, number);
        this.#sample(w, at);
      }
    }
    this.nodes.push({ device, byte, leaf: type === TYPE_LEAF, parent: addressOf(w[word + W_PARENT_HI]!, w[word + W_PARENT_LO]!), children });
  }

  #sample(w: Int32Array, at: number): void {
    const length = w[at + W_DATA_LEN]!;
    if (length <= 0 || length > DATA_MAX || (w[at + W_DATA_HI]! | w[at + W_DATA_LO]!) === 0) return;
    const address = addressOf(w[at + W_DATA_HI]!, w[at + W_DATA_LO]!);
    const volume = volumeOf(address);
    const list = this.samples.get(volume) ?? [];
    if (list.length === 0) this.samples.set(volume, list);
    // The shortest, which are the cheapest to look for; of equal ones those found first.
    if (list.length === SAMPLES && list.at(-1)!.length <= length) return;
    const sample = { address, length, covered: coveredBytes(w[at + W_TYPES]! & 0xffff, length), crc: w[at + W_DATA_CRC]! };
    const place = list.findIndex((s) => s.length > length);
    list.splice(place < 0 ? list.length : place, 0, sample);
    list.length = Math.min(list.length, SAMPLES);
  }
}

/** Reads as much of `buf` as the device gives: runs of bytes [start, size] that are there. */
function readable(device: BlockDevice, at: number, buf: Uint8Array): [number, number][] {
  try {
    device.read(at, buf);
    return [[0, buf.length]];
  } catch (e) {
    if (!(e instanceof HammerError)) throw e;
  }
  const runs: [number, number][] = [];
  for (let from = 0; from < buf.length; from += NODE_SIZE) {
    const part = buf.subarray(from, from + NODE_SIZE);
    try {
      device.read(at + from, part);
      runs.push([from, part.length]);
    } catch (e) {
      if (!(e instanceof HammerError)) throw e; // a bad sector: nothing can be read from it
    }
  }
  return runs;
}

/** Up to which byte a big-block is looked at (C1). */
function extentOf(entry: ReturnType<SalvageFreemap["entry"]>, extent: ScanExtent): number {
  if (extent === "full") return BIGBLOCK_SIZE;
  if (entry === null) return extent === "quick" ? 0 : BIGBLOCK_SIZE;
  return entry.zone === ZONE_BTREE ? Math.min(BIGBLOCK_SIZE, Math.ceil(entry.appendOff / NODE_SIZE) * NODE_SIZE) : 0;
}

/** Scans devices in any state. Throws only what the progress function throws. */
export function scanImage(devices: readonly BlockDevice[], options: SalvageScanOptions = {}): SalvageScan {
  const { extent = "normal", progress } = options;
  const volumes = new SalvageVolumes(devices);
  const freemap = new SalvageFreemap(volumes);
  const scanner = new Scanner();
  const total = devices.reduce((sum, d) => sum + d.size, 0);
  let passed = 0;
  volumes.list.forEach((v, index) => {
    const begin = Math.max(0, v.bufBeg);
    const end = v.bufEnd - (v.bufEnd % NODE_SIZE);
    for (let at = begin, block = 0; at < end; at += BIGBLOCK_SIZE, block++) {
      progress?.(passed + at, total);
      const size = v.bufBeg < 0 ? BIGBLOCK_SIZE : extentOf(freemap.entry(v.number, block), extent);
      scanner.range(v.device, index, at, Math.min(at + size, end));
    }
    passed += v.device.size;
  });
  progress?.(total, total);
  volumes.place(scanner.samples);
  const { nodes, elements } = scanner;
  return { volumes, nodes, elements, bytesScanned: scanner.bytes, ...judge(volumes, nodes, extent) };
}

/** Tells nodes that are in the tree, or may be, from those that were freed or moved (C2). */
function judge(volumes: SalvageVolumes, nodes: readonly FoundNode[], extent: ScanExtent): { current: Uint8Array; lostNodes: number } {
  const byAddress = new Map<number, number>();
  const addresses = nodes.map((n, i) => {
    const v = volumes.list[n.device]!;
    if (v.number < 0) return -1;
    const address = v.number * VOLUME_STRIDE + n.byte - v.bufBeg;
    byAddress.set(address, i);
    return address;
  });
  const rootAddress = volumes.root === null ? -1 : address64(volumes.root.btreeRoot);
  const UNKNOWN = 2;
  const current = new Uint8Array(nodes.length).fill(UNKNOWN);
  // From each node up to the first whose standing is known, and back.
  for (let i = 0; i < nodes.length; i++) {
    const path: number[] = [];
    let standing = 1;
    for (let n = i; ; ) {
      if (current[n] !== UNKNOWN) { standing = current[n]!; break; }
      current[n] = 0; // a loop of parents leads to no root
      path.push(n);
      const { parent } = nodes[n]!;
      if (parent === 0) {
        standing = rootAddress < 0 || !byAddress.has(rootAddress) || addresses[n] === rootAddress ? 1 : 0;
        break;
      }
      const up = byAddress.get(parent);
      if (up === undefined || addresses[n]! < 0) { standing = 1; break; } // its parent is lost
      if (nodes[up]!.leaf || !nodes[up]!.children.includes(addresses[n]!)) { standing = 0; break; }
      n = up;
    }
    for (const n of path) current[n] = standing;
  }
  let lostNodes = rootAddress >= 0 && !byAddress.has(rootAddress) ? 1 : 0;
  nodes.forEach((n, i) => {
    if (current[i] === 1) for (const child of n.children) if (!byAddress.has(child)) lostNodes++;
  });
  if (extent === "full") current.fill(1);
  return { current, lostNodes };
}
