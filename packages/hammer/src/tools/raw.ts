// SPDX-License-Identifier: BSD-3-Clause
/**
 * The image as the offline tools see it: structures where the headers say they are, nothing recovered, nothing
 * cached beyond a few buffers, nothing refused for a bad CRC. What cannot be read is null.
 *
 * Cold code: records are objects and 64-bit values are bigints.
 * @module
 */
import { crcFor, crcMatches } from "../crc.ts";
import type { BlockDevice } from "../device.ts";
import { HammerError } from "../error.ts";
import {
  BASE_ELM, BLOCKMAP, ELM_SIZE, INTERNAL_ELM, LAYER1, LAYER1_ENTRIES, LAYER2, LEAF_ELM, MAX_ZONES, NODE, NODE_SIZE, OFFSET_UNAVAIL,
  UNDO_BIGBLOCKS_MAX, VOLUME, VOL_SIGNATURE, ZONE_BTREE, ZONE_FREEMAP, ZONE_RAW_BUFFER, ZONE_RAW_VOLUME, ZONE_UNAVAILABLE,
  ZONE_UNDO, XBUFSIZE, uuidText, viewOf,
} from "../disk/index.ts";

const OFF_LONG_MASK = 0x0fff_ffff_ffff_ffffn;
const OFF_SHORT_MASK = 0x000f_ffff_ffff_ffffn;
const BIGBLOCK_MASK = 0x7f_ffffn;

/** A blockmap entry of the header. */
export interface RawBlockmap { phys: bigint; first: bigint; next: bigint; alloc: bigint }

/** Fields of a volume header that the tools print. */
export interface RawHeader {
  volNo: number;
  volumes: number;
  version: number;
  label: string;
  fsid: string;
  fstype: string;
  botBeg: number;
  memBeg: number;
  bufBeg: number;
  bufEnd: number;
  bigblocks: number;
  freeBigblocks: number;
  inodes: number;
  btreeRoot: bigint;
  nextTid: bigint;
  undoSize: number;
  blockmap: RawBlockmap[];
  undoArray: bigint[];
}

export interface Layer1 { blocksFree: bigint; physOffset: bigint; crc: number; crcOk: boolean; unavailable: boolean }
export interface Layer2 { zone: number; appendOff: number; bytesFree: number; crc: number; crcOk: boolean }

/** Where a zone offset leads. `error` is what the original's blockmap lookup would return, 0 if it is sound. */
export interface RawLookup { raw: bigint | null; layer1: Layer1 | null; layer2: Layer2 | null; error: number }

/** A B-Tree element; the tail is filled in for what the node's type makes of it. */
export interface RawElm {
  objId: bigint;
  key: bigint;
  tid: bigint;
  deleteTid: bigint;
  recType: number;
  objType: number;
  btype: number;
  lo: number;
  mirrorTid: bigint;
  subtreeOffset: bigint;
  dataOffset: bigint;
  dataLen: number;
  dataCrc: number;
}

/** A B-Tree node. `elm(i)` also gives the right boundary of an internal node, at `count`. */
export interface RawNode {
  parent: bigint;
  count: number;
  type: number;
  mirrorTid: bigint;
  crcOk: boolean;
  elm(i: number): RawElm;
}

function parseHeader(b: Uint8Array): RawHeader {
  const v = viewOf(b);
  const f = VOLUME.read(v, 0);
  const blockmap: RawBlockmap[] = [];
  const undoArray: bigint[] = [];
  for (let i = 0; i < MAX_ZONES; i++) {
    const e = BLOCKMAP.read(v, VOLUME.off.vol0_blockmap + i * BLOCKMAP.size);
    blockmap.push({ phys: e.phys_offset, first: e.first_offset, next: e.next_offset, alloc: e.alloc_offset });
  }
  for (let i = 0; i < UNDO_BIGBLOCKS_MAX; i++) undoArray.push(f.vol0_undo_array[i]!);
  return {
    volNo: f.vol_no, volumes: f.vol_count, version: f.vol_version,
    label: f.vol_label, fsid: uuidText(f.vol_fsid), fstype: uuidText(f.vol_fstype),
    botBeg: Number(f.vol_bot_beg), memBeg: Number(f.vol_mem_beg), bufBeg: Number(f.vol_buf_beg), bufEnd: Number(f.vol_buf_end),
    bigblocks: Number(f.vol0_stat_bigblocks), freeBigblocks: Number(f.vol0_stat_freebigblocks), inodes: Number(f.vol0_stat_inodes),
    btreeRoot: f.vol0_btree_root, nextTid: f.vol0_next_tid,
    undoSize: Number(blockmap[ZONE_UNDO]!.alloc & OFF_LONG_MASK), blockmap, undoArray,
  };
}

/** Reads the header of one volume; throws E_NOT_HAMMER if it has none. */
export function readHeader(device: BlockDevice): RawHeader {
  const b = new Uint8Array(VOLUME.size);
  if (device.size < b.length)
    throw new HammerError("E_NOT_HAMMER", `${device.name}: too small for a HAMMER volume`);
  device.read(0, b);
  if (new DataView(b.buffer).getBigUint64(0, true) !== VOL_SIGNATURE)
    throw new HammerError("E_NOT_HAMMER", `${device.name}: not a HAMMER volume (no signature at byte 0)`);
  return parseHeader(b);
}

/** Headers of all volumes, in the order given. */
export function volumeHeaders(devices: readonly BlockDevice[]): RawHeader[] {
  return devices.map(readHeader);
}

/** Adds `first` plus the numbers of the structures in `words` that differ from `pattern`. */
function differing(words: Int32Array, pattern: Int32Array, first: number, found: number[]): void {
  const size = pattern.length;
  for (let at = 0, index = first; at < words.length; at += size, index++) {
    for (let k = 0; k < size; k++) {
      if (words[at + k] === pattern[k]) continue;
      found.push(index);
      break;
    }
  }
}

/** The volumes of one file system, unrecovered. */
export class RawVolumes {
  /** Header of the root volume. */
  readonly header: RawHeader;
  readonly #devices: (BlockDevice | undefined)[] = [];
  readonly #bufBeg: number[] = [];
  readonly #nodes = new Map<bigint, RawNode>();
  /** Freemap entries by zone and big-block: most offsets share a few. */
  readonly #lookups = new Map<bigint, RawLookup>();

  constructor(devices: readonly BlockDevice[]) {
    let root: RawHeader | null = null;
    for (const d of devices) {
      const h = readHeader(d);
      this.#devices[h.volNo] = d;
      this.#bufBeg[h.volNo] = h.bufBeg;
      if (h.volNo === 0) root = h;
    }
    if (!root)
      throw new HammerError("E_VOLUME_MISSING", `${devices.map((d) => d.name).join(":")}: the root volume (number 0) is missing`);
    this.header = root;
  }

  /** `length` bytes at a zone offset, or null where they do not exist or cannot be read. */
  bytes(offset: bigint, length: number): Uint8Array | null {
    const zone = Number(offset >> 60n);
    let address = offset;
    if (zone === ZONE_UNDO) {
      const block = this.header.undoArray[Number((offset & OFF_SHORT_MASK) >> 23n)];
      if (block === undefined || block === OFFSET_UNAVAIL) return null;
      address = block + (offset & BIGBLOCK_MASK);
    }
    const volume = Number((address >> 52n) & 0xffn);
    const device = this.#devices[volume];
    if (!device || zone === 0 || zone === ZONE_UNAVAILABLE) return null;
    const at = Number(address & OFF_SHORT_MASK) + (zone === ZONE_RAW_VOLUME ? 0 : this.#bufBeg[volume]!);
    if (at + length > device.size) return null;
    const b = new Uint8Array(length);
    try {
      device.read(at, b);
    } catch (e) {
      if (!(e instanceof HammerError) || e.code !== "EIO") throw e;
      return null; // reported by the caller as an I/O error at this offset
    }
    return b;
  }

  layer1(index: number): Layer1 | null {
    const b = this.bytes(this.header.blockmap[ZONE_FREEMAP]!.phys + BigInt(index * LAYER1.size), LAYER1.size);
    if (b === null) return null;
    const e = LAYER1.read(new DataView(b.buffer), 0);
    return {
      blocksFree: e.blocks_free, physOffset: e.phys_offset, crc: e.layer1_crc, unavailable: e.phys_offset === OFFSET_UNAVAIL,
      crcOk: crcMatches(this.header.version, e.layer1_crc, b, 0, LAYER1.off.layer1_crc),
    };
  }

  layer2(physOffset: bigint, index: number): Layer2 | null {
    const b = this.bytes(physOffset + BigInt(index * LAYER2.size), LAYER2.size);
    if (b === null) return null;
    const e = LAYER2.read(new DataView(b.buffer), 0);
    return {
      zone: e.zone, appendOff: e.append_off, bytesFree: e.bytes_free, crc: e.entry_crc,
      crcOk: crcMatches(this.header.version, e.entry_crc, b, 0, LAYER2.off.entry_crc),
    };
  }

  /**
   * Indices of layer 1 entries that are not plainly unused (no layer 2, CRC right). Of 262144 entries a handful matter,
   * so they are told from the rest by comparing words.
   */
  layer1Indices(): number[] {
    const unused = new Uint8Array(LAYER1.size);
    const v = new DataView(unused.buffer);
    LAYER1.write(v, 0, { phys_offset: OFFSET_UNAVAIL });
    LAYER1.write(v, 0, { layer1_crc: crcFor(this.header.version)(unused, 0, LAYER1.off.layer1_crc) });
    const want = new Int32Array(unused.buffer);
    const batch = XBUFSIZE / LAYER1.size;
    const root = this.header.blockmap[ZONE_FREEMAP]!.phys;
    const found: number[] = [];
    for (let index = 0; index < LAYER1_ENTRIES; index += batch) {
      const b = this.bytes(root + BigInt(index * LAYER1.size), XBUFSIZE);
      if (b === null) for (let i = 0; i < batch; i++) found.push(index + i);
      else differing(new Int32Array(b.buffer), want, index, found);
    }
    return found;
  }

  /** Translates a zone offset and finds its freemap entries. Error numbers as in sbin/hammer/blockmap.c. */
  lookup(offset: bigint): RawLookup {
    const block = offset >> 23n;
    const known = this.#lookups.get(block);
    if (known) return known.raw === null ? known : { ...known, raw: (known.raw & ~BIGBLOCK_MASK) | (offset & BIGBLOCK_MASK) };
    const found = this.#lookup(offset);
    this.#lookups.set(block, found);
    return found;
  }

  #lookup(offset: bigint): RawLookup {
    const zone = Number(offset >> 60n);
    const fail = (error: number): RawLookup => ({ raw: null, layer1: null, layer2: null, error });
    if (zone <= ZONE_RAW_VOLUME) return fail(-1);
    let raw = offset;
    if (zone >= ZONE_BTREE || zone === ZONE_FREEMAP) {
      raw = (offset & OFF_LONG_MASK) | (BigInt(ZONE_RAW_BUFFER) << 60n);
    } else if (zone === ZONE_UNDO) {
      if (offset >= this.header.blockmap[ZONE_UNDO]!.alloc) return fail(-3);
      raw = this.header.undoArray[Number((offset & OFF_SHORT_MASK) >> 23n)]! + (offset & BIGBLOCK_MASK);
    }
    if (zone >= ZONE_BTREE && Number(this.header.blockmap[zone]!.alloc >> 60n) !== zone) return { ...fail(-4), raw };
    const layer1 = this.layer1(Number((raw >> 42n) & 0x3_ffffn));
    if (layer1 === null) return { ...fail(-5), raw };
    if (layer1.unavailable) return { ...fail(-6), raw };
    const layer2 = this.layer2(layer1.physOffset, Number((raw >> 23n) & 0x7_ffffn));
    if (layer2 === null) return { raw, layer1, layer2, error: -7 };
    return { raw, layer1, layer2, error: layer2.zone === zone ? 0 : -8 };
  }

  /** The node at a zone offset, or null if it cannot be read. */
  node(offset: bigint): RawNode | null {
    const known = this.#nodes.get(offset);
    if (known) return known;
    const b = Number(offset >> 60n) === ZONE_BTREE ? this.bytes(offset, NODE_SIZE) : null;
    if (b === null) return null;
    const v = new DataView(b.buffer);
    const h = NODE.read(v, 0);
    const node: RawNode = {
      parent: h.parent, count: h.count, type: h.type, mirrorTid: h.mirror_tid,
      crcOk: crcMatches(this.header.version, h.crc, b, 4, NODE_SIZE),
      elm: (i) => readElm(v, NODE.off.elms + i * ELM_SIZE),
    };
    // A parent is asked for again with each of its children.
    if (this.#nodes.size > 256) this.#nodes.clear();
    this.#nodes.set(offset, node);
    return node;
  }
}

function readElm(v: DataView, at: number): RawElm {
  const base = BASE_ELM.read(v, at);
  const i = INTERNAL_ELM.off;
  const l = LEAF_ELM.off;
  return {
    objId: base.obj_id, key: base.key, tid: base.create_tid, deleteTid: base.delete_tid, recType: base.rec_type,
    objType: base.obj_type, btype: base.btype, lo: base.localization,
    mirrorTid: v.getBigUint64(at + i.mirror_tid, true), subtreeOffset: v.getBigUint64(at + i.subtree_offset, true),
    dataOffset: v.getBigUint64(at + l.data_offset, true), dataLen: v.getInt32(at + l.data_len, true),
    dataCrc: v.getUint32(at + l.data_crc, true),
  };
}
