// SPDX-License-Identifier: BSD-3-Clause
/**
 * Formatting: an empty file system on one or more devices.
 *
 * Byte for byte what newfs_hammer writes, given the same time and file system id, including its two oddities: vol_crc
 * stays zero, and the CRCs of the zone entries of the B-Tree and meta zones are those from before the root directory
 * was made. What lies between the header and the buffer area is not touched.
 *
 * Layout of the root volume, in big-blocks: layer 1, layer 2 (one per 4 TiB), UNDO FIFO, B-Tree, meta-data.
 * Source: DragonFly sbin/newfs_hammer/newfs_hammer.c, sbin/hammer/ondisk.c.
 * @module
 */
import { crcFor } from "./crc.ts";
import { checkWritable, type BlockDevice } from "./device.ts";
import { BLOCKMAP, LAYER1, LAYER1_SPAN, LAYER2 } from "./disk/blockmap.ts";
import { BASE_ELM, LEAF_ELM, NODE, NODE_SIZE, TYPE_LEAF, TYPE_RECORD } from "./disk/btree.ts";
import { FIFO_LINE, FIFO_TYPE_DUMMY } from "./disk/fifo.ts";
import { CAP_DIR_LOCAL_INO, INODE_CRC_SIZE, INODE_DATA, OBJTYPE_DIRECTORY } from "./disk/inode.ts";
import { viewOf } from "./disk/layout.ts";
import {
  BIGBLOCK_SIZE, BUFSIZE, MAX_VOLUME_BYTES, MAX_ZONES, offset64, OFFSET_UNAVAIL, VOLUME_STRIDE, ZONE_BTREE, ZONE_FREEMAP,
  ZONE_META, ZONE_RAW_BUFFER, ZONE_UNAVAILABLE, ZONE_UNDO,
} from "./disk/offset.ts";
import { PFS_DATA } from "./disk/pfs.ts";
import { LOCALIZE_INODE, LOCALIZE_MISC, REC_INODE, REC_PFS } from "./disk/record.ts";
import {
  FSTYPE_HAMMER, MAX_VOLUMES, UNDO_BIGBLOCKS_MAX, VERSION_DEFAULT, VERSION_MAX, VERSION_MIN, VOL_SIGNATURE, VOLUME,
} from "./disk/volume.ts";
import { HammerError } from "./error.ts";
import { Volumes } from "./io.ts";
import { DIRHASH_ALG1 } from "./object/namekey.ts";
import { sealRecord } from "./fifo-record.ts";

/** How to format. Sizes are bytes, multiples of 16 KiB. */
export interface NewfsOptions {
  /** 1 to 63 bytes. */
  label: string;
  /** 1 to 7; default 7. */
  version?: number;
  /** UNDO FIFO; rounded up to big-blocks. Default a thousandth of the root volume, at least 512 MiB. */
  undoBytes?: number;
  /** Boot area; default 32 KiB. */
  bootBytes?: number;
  /** Memory log; default 256 KiB. */
  memBytes?: number;
  /** Space for the header; default 256 KiB. */
  junkBytes?: number;
  /** Allow what is below newfs_hammer's minima: a root volume under 10 GiB, a FIFO under 512 MiB. Default false. */
  force?: boolean;
  /** Microseconds since 1970. */
  now(): bigint;
  /** Fills with random bytes; used for the file system id unless `fsid` is given. */
  random?(bytes: Uint8Array): void;
  /** File system id: 16 bytes as stored. */
  fsid?: Uint8Array;
}

/** What was made. Sizes in bytes. */
export interface NewfsResult {
  version: number;
  fsid: Uint8Array;
  totalBytes: number;
  bootBytes: number;
  memBytes: number;
  undoBytes: number;
  /** Big-blocks that hold layer 1, layer 2 and the FIFO. */
  preallocatedBytes: number;
  freeBigblocks: number;
}

export const NEWFS_MIN_ROOT_BYTES = 10 * 2 ** 30;
export const NEWFS_MIN_UNDO_BYTES = 512 * 2 ** 20;
export const NEWFS_DEFAULT_JUNK_BYTES = 262144;
export const NEWFS_DEFAULT_BOOT_BYTES = 32768;
export const NEWFS_DEFAULT_MEM_BYTES = 262144;
const MAX_JUNK_BYTES = 262144;
const MAX_BOOT_BYTES = 256 * 2 ** 20;
const MAX_MEM_BYTES = 64 * 2 ** 30;
const LABEL_MAX = 63;

const NEXT_TID = 0x1_0000_0000n;
const ROOT_TID = NEXT_TID + 1n;
const LAYER1_PER_VOLUME = VOLUME_STRIDE / LAYER1_SPAN;
/** One layer 1 entry describes 2^42 bytes; a volume has room for 2^52 in the table. */
const LAYER1_INDEX_STEP = 1024;

interface Formatting {
  readonly device: BlockDevice;
  readonly number: number;
  readonly bufBeg: number;
  readonly bufEnd: number;
  readonly usable: number;
  /** Big-blocks taken from the start of the volume, in bytes. */
  taken: number;
}

type Crc = (b: Uint8Array, from?: number, to?: number) => number;

function fail(message: string, code: "EINVAL" | "E_TOO_SMALL" = "EINVAL"): HammerError {
  return new HammerError(code, message);
}

function checkSize(what: string, bytes: number, min: number, max: number, force: boolean): void {
  if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes % BUFSIZE !== 0) throw fail(`${what} of ${bytes} bytes is not a multiple of 16 KiB`);
  if (bytes > max) throw fail(`${what} of ${bytes} bytes: the maximum is ${max}`);
  if (bytes < min && !force) throw fail(`${what} of ${bytes} bytes: the minimum is ${min}; use force to go below`);
}

/**
 * Formats `devices`; the first becomes the root volume. Throws EINVAL for impossible options, E_TOO_SMALL, EROFS or EIO;
 * options and sizes are checked before anything is written.
 */
export function newfs(devices: readonly BlockDevice[], options: NewfsOptions): NewfsResult {
  const version = options.version ?? VERSION_DEFAULT;
  const force = options.force ?? false;
  const junk = options.junkBytes ?? NEWFS_DEFAULT_JUNK_BYTES;
  const boot = options.bootBytes ?? NEWFS_DEFAULT_BOOT_BYTES;
  const mem = options.memBytes ?? NEWFS_DEFAULT_MEM_BYTES;
  if (!Number.isInteger(version) || version < VERSION_MIN || version > VERSION_MAX)
    throw new HammerError("E_VERSION", `cannot format version ${version}; known are ${VERSION_MIN} to ${VERSION_MAX}`);
  if (devices.length < 1 || devices.length > MAX_VOLUMES) throw fail(`${devices.length} volumes: a file system has 1 to ${MAX_VOLUMES}`);
  if (options.label.length < 1 || options.label.length > LABEL_MAX) throw fail(`label "${options.label}": 1 to ${LABEL_MAX} bytes`);
  checkSize("header area", junk, NEWFS_DEFAULT_JUNK_BYTES, MAX_JUNK_BYTES, force);
  checkSize("boot area", boot, NEWFS_DEFAULT_BOOT_BYTES, MAX_BOOT_BYTES, force);
  checkSize("memory log", mem, NEWFS_DEFAULT_MEM_BYTES, MAX_MEM_BYTES, force);
  if (junk < BUFSIZE) throw fail("the header needs 16 KiB");
  const fsid = fileSystemId(options);
  const volumes = devices.map((device, number): Formatting => {
    checkWritable(device);
    const bufBeg = junk + boot + mem;
    const bufEnd = device.size - device.size % BUFSIZE;
    const usable = bufEnd - bufBeg - (bufEnd - bufBeg) % BIGBLOCK_SIZE;
    if (usable < BIGBLOCK_SIZE) throw fail(`${device.name}: ${device.size} bytes hold no big-block of 8 MiB`, "E_TOO_SMALL");
    if (usable > MAX_VOLUME_BYTES) throw fail(`${device.name}: volumes beyond 32 TiB are not supported`);
    return { device, number, bufBeg, bufEnd, usable, taken: 0 };
  });
  const root = volumes[0]!;
  const undo = undoSize(options, root, force);
  const layer2Blocks = Math.ceil(root.usable / LAYER1_SPAN);
  const need = (1 + layer2Blocks + 2) * BIGBLOCK_SIZE + undo;
  if (root.usable < need)
    throw fail(`${root.device.name}: the root volume offers ${root.usable} bytes of big-blocks; an UNDO FIFO of ${undo} bytes needs ${need}`, "E_TOO_SMALL");
  if (!force && root.usable < NEWFS_MIN_ROOT_BYTES)
    throw fail(`${root.device.name}: the root volume offers ${root.usable} bytes; the minimum is ${NEWFS_MIN_ROOT_BYTES} unless forced`, "E_TOO_SMALL");
  return new Formatter(volumes, { version, fsid, label: options.label, junk, boot, mem, undo, now: options.now() }).run();
}

function fileSystemId(options: NewfsOptions): Uint8Array {
  if (options.fsid !== undefined) {
    if (options.fsid.length !== 16) throw fail("a file system id has 16 bytes");
    return options.fsid.slice();
  }
  if (options.random === undefined) throw fail("newfs needs a file system id or a source of random bytes");
  const id = new Uint8Array(16);
  options.random(id);
  id[7] = (id[7]! & 0x0f) | 0x40; // version 4, in the stored byte order
  id[8] = (id[8]! & 0x3f) | 0x80;
  return id;
}

function undoSize(options: NewfsOptions, root: Formatting, force: boolean): number {
  let bytes = options.undoBytes;
  if (bytes === undefined) {
    bytes = Math.max(Math.floor((root.bufEnd - root.bufBeg) / 1000), NEWFS_MIN_UNDO_BYTES);
  } else {
    checkSize("UNDO FIFO", bytes, NEWFS_MIN_UNDO_BYTES, UNDO_BIGBLOCKS_MAX * BIGBLOCK_SIZE, force);
  }
  const rounded = Math.ceil(bytes / BIGBLOCK_SIZE) * BIGBLOCK_SIZE;
  return Math.min(Math.max(rounded, BIGBLOCK_SIZE), UNDO_BIGBLOCKS_MAX * BIGBLOCK_SIZE);
}

interface Plan {
  version: number; fsid: Uint8Array; label: string; junk: number; boot: number; mem: number; undo: number; now: bigint;
}

class Formatter {
  readonly #volumes: Formatting[];
  readonly #plan: Plan;
  readonly #crc: Crc;
  readonly #headers: { bytes: Uint8Array; view: DataView }[];
  /** The layer 1 big-block, written last. */
  readonly #layer1 = new Uint8Array(BIGBLOCK_SIZE);
  readonly #layer1View = viewOf(this.#layer1);
  /** Layer 2 of the root volume's first 4 TiB, written last: the FIFO and the root directory lie there. */
  #layer2: Uint8Array = new Uint8Array(0);
  #layer2Address = 0;

  constructor(volumes: Formatting[], plan: Plan) {
    this.#volumes = volumes;
    this.#plan = plan;
    this.#crc = crcFor(plan.version);
    this.#headers = volumes.map((v) => this.#header(v));
  }

  run(): NewfsResult {
    const { version, fsid, undo, boot, mem } = this.#plan;
    const root = this.#volumes[0]!;
    for (let i = 0; i < MAX_ZONES; i++) if (i >= ZONE_BTREE) this.#zoneEntry(i, 0n, zoneBase(i), zoneBase(i), zoneBase(i) | 0x0fff_ffff_ffff_ffffn);
    this.#zoneEntry(ZONE_FREEMAP, zoneBase(ZONE_RAW_BUFFER), 0n, zoneBase(ZONE_RAW_BUFFER), zoneBase(ZONE_RAW_BUFFER) | 0x0fff_ffff_ffff_ffffn);
    this.#emptyLayer1();
    root.taken = BIGBLOCK_SIZE;
    let free = 0;
    for (const v of this.#volumes) free += this.#formatFreemap(v);
    const undoBegin = root.taken;
    for (let at = 0; at < undo; at += BIGBLOCK_SIZE) this.#own(undoBegin + at, ZONE_UNDO, BIGBLOCK_SIZE, 0);
    root.taken += undo;
    this.#formatUndo(undoBegin);
    free -= undo / BIGBLOCK_SIZE;
    const preallocated = root.taken;
    const bigblocks = free;
    this.#rootDirectory(root.taken, root.taken + BIGBLOCK_SIZE);
    free -= 2;
    this.#adjustLayer1(0, BigInt(-(undo / BIGBLOCK_SIZE + 2)));
    VOLUME.write(this.#headers[0]!.view, 0, {
      vol0_stat_bigblocks: BigInt(bigblocks), vol0_stat_freebigblocks: BigInt(free), vol0_stat_inodes: 1n, vol0_next_tid: NEXT_TID,
    });
    this.#write(0, this.#layer1);
    this.#write(this.#layer2Address, this.#layer2);
    this.#volumes.forEach((v, i) => v.device.write(0, this.#headers[i]!.bytes));
    for (const v of this.#volumes) v.device.flush();
    const totalBytes = this.#volumes.reduce((sum, v) => sum + v.device.size, 0);
    return { version, fsid, totalBytes, bootBytes: boot, memBytes: mem, undoBytes: undo, preallocatedBytes: preallocated, freeBigblocks: free };
  }

  #write(address: number, bytes: Uint8Array): void {
    const v = this.#volumes[Math.floor(address / VOLUME_STRIDE)]!;
    v.device.write(v.bufBeg + address % VOLUME_STRIDE, bytes);
  }

  #header(v: Formatting): { bytes: Uint8Array; view: DataView } {
    const { fsid, label, version, junk, boot, mem } = this.#plan;
    const bytes = new Uint8Array(BUFSIZE);
    const view = viewOf(bytes);
    VOLUME.write(view, 0, {
      vol_signature: VOL_SIGNATURE, vol_bot_beg: BigInt(junk), vol_mem_beg: BigInt(junk + boot), vol_buf_beg: BigInt(junk + boot + mem),
      vol_buf_end: BigInt(v.bufEnd), vol_fsid: fsid, vol_fstype: FSTYPE_HAMMER, vol_label: label, vol_no: v.number,
      vol_count: this.#volumes.length, vol_version: version,
    });
    return { bytes, view };
  }

  #zoneEntry(zone: number, phys: bigint, first: bigint, next: bigint, alloc: bigint): void {
    const { bytes, view } = this.#headers[0]!;
    const at = Volumes.blockmapAt(zone);
    BLOCKMAP.write(view, at, { phys_offset: phys, first_offset: first, next_offset: next, alloc_offset: alloc, reserved01: 0 });
    view.setUint32(at + BLOCKMAP.off.entry_crc, this.#crc(bytes, at, at + BLOCKMAP.off.entry_crc), true);
  }

  #emptyLayer1(): void {
    LAYER1.write(this.#layer1View, 0, { blocks_free: 0n, phys_offset: OFFSET_UNAVAIL, reserved01: 0n, layer2_crc: 0 });
    this.#sealLayer1(0);
    repeat(this.#layer1, LAYER1.size);
  }

  #sealLayer1(at: number): void {
    this.#layer1View.setUint32(at + LAYER1.off.layer1_crc, this.#crc(this.#layer1, at, at + LAYER1.off.layer1_crc), true);
  }

  #adjustLayer1(index: number, delta: bigint): void {
    const at = index * LAYER1.size;
    this.#layer1View.setBigUint64(at, this.#layer1View.getBigUint64(at, true) + delta, true);
    this.#sealLayer1(at);
  }

  /** Makes the layer 2 big-blocks of a volume; returns its number of free big-blocks. */
  #formatFreemap(v: Formatting): number {
    const base = v.number * VOLUME_STRIDE;
    const blocks = Math.min(Math.ceil(v.usable / LAYER1_SPAN), LAYER1_PER_VOLUME);
    const first = v.taken;
    v.taken += blocks * BIGBLOCK_SIZE;
    let total = 0;
    for (let i = 0; i < blocks; i++) {
      const address = base + first + i * BIGBLOCK_SIZE;
      const layer2 = layer2Image(this.#crc, v.taken, v.usable, i);
      const free = countOf(v.usable, i) - countOf(v.taken, i);
      total += free;
      const at = (v.number * LAYER1_INDEX_STEP + i) * LAYER1.size;
      LAYER1.write(this.#layer1View, at, { blocks_free: BigInt(free), phys_offset: offset64(ZONE_RAW_BUFFER, address) });
      this.#sealLayer1(at);
      if (v.number === 0 && i === 0) {
        this.#layer2 = layer2;
        this.#layer2Address = address;
      } else {
        this.#write(address, layer2);
      }
    }
    return total;
  }

  /** Gives a big-block of the root volume to a zone. */
  #own(address: number, zone: number, appendOff: number, bytesFree: number): void {
    layer2Entry(this.#crc, this.#layer2, address / BIGBLOCK_SIZE * LAYER2.size, zone, appendOff, bytesFree);
  }

  /** Fills the FIFO with dummy records, one a line, numbered from 0. */
  #formatUndo(begin: number): void {
    const { undo } = this.#plan;
    const base = zoneBase(ZONE_UNDO);
    this.#zoneEntry(ZONE_UNDO, OFFSET_UNAVAIL, base, base, base | BigInt(undo));
    const { view } = this.#headers[0]!;
    for (let i = 0; i < UNDO_BIGBLOCKS_MAX; i++) {
      const offset = i * BIGBLOCK_SIZE < undo ? offset64(ZONE_RAW_BUFFER, begin + i * BIGBLOCK_SIZE) : OFFSET_UNAVAIL;
      view.setBigUint64(VOLUME.off.vol0_undo_array + i * 8, offset, true);
    }
    const block = new Uint8Array(BIGBLOCK_SIZE);
    const blockView = viewOf(block);
    sealRecord(block, blockView, 0, FIFO_TYPE_DUMMY, FIFO_LINE, 0, this.#crc);
    repeat(block, FIFO_LINE);
    // Lines differ in their number, and so in the CRC of the first 12 bytes.
    const crc = this.#crc, lineSize = FIFO_LINE;
    const body = crc(block, 16, lineSize);
    const end = block.length;
    let seq = 0;
    for (let at = 0; at < undo; at += end) {
      for (let line = 0; line < end; line += lineSize) {
        blockView.setUint32(line + 8, seq++, true);
        blockView.setUint32(line + 12, crc(block, line, line + 12) ^ body, true);
      }
      this.#write(begin + at, block);
    }
  }

  /** The B-Tree's only node, with the root directory's INODE record and the PFS record of PFS 0. */
  #rootDirectory(nodeAddress: number, metaAddress: number): void {
    const { fsid, label, now, version } = this.#plan;
    const pfsAt = INODE_DATA.size;
    const meta = new Uint8Array(BUFSIZE), metaView = viewOf(meta);
    INODE_DATA.write(metaView, 0, {
      version: 1, mode: 0o755, ctime: now, mtime: now, atime: now, obj_type: OBJTYPE_DIRECTORY, nlinks: 1n,
      cap_flags: (version >= 2 ? CAP_DIR_LOCAL_INO : 0) | (version >= 6 ? DIRHASH_ALG1 : 0),
    });
    PFS_DATA.write(metaView, pfsAt, { sync_low_tid: 1n, shared_uuid: fsid, unique_uuid: fsid, label });
    const node = new Uint8Array(BUFSIZE), nodeView = viewOf(node);
    NODE.write(nodeView, 0, { parent: 0n, count: 2, type: TYPE_LEAF, mirror_tid: 0n });
    const seconds = Number(now / 1_000_000n);
    const element = (index: number, localization: number, recType: number, offset: number, length: number, covered: number): void => {
      const at = NODE.off.elms + index * LEAF_ELM.size;
      BASE_ELM.write(nodeView, at, {
        obj_id: 1n, key: 0n, create_tid: ROOT_TID, delete_tid: 0n, rec_type: recType, obj_type: OBJTYPE_DIRECTORY, btype: TYPE_RECORD, localization,
      });
      LEAF_ELM.write(nodeView, at, {
        create_ts: seconds, delete_ts: 0, data_offset: offset64(ZONE_META, metaAddress + offset), data_len: length,
        data_crc: this.#crc(meta, offset, offset + covered),
      });
    };
    element(0, LOCALIZE_INODE, REC_INODE, 0, INODE_DATA.size, INODE_CRC_SIZE);
    element(1, LOCALIZE_MISC, REC_PFS, pfsAt, PFS_DATA.size, PFS_DATA.size);
    nodeView.setUint32(0, this.#crc(node, 4, NODE_SIZE), true);
    this.#write(nodeAddress, node);
    this.#write(metaAddress, meta);
    const metaUsed = INODE_DATA.size + ((PFS_DATA.size + 15) & ~15);
    this.#own(nodeAddress, ZONE_BTREE, NODE_SIZE, BIGBLOCK_SIZE - NODE_SIZE);
    this.#own(metaAddress, ZONE_META, metaUsed, BIGBLOCK_SIZE - metaUsed);
    // Only next_offset moves; the entries' CRCs stay as they are.
    const { view } = this.#headers[0]!;
    const next = BLOCKMAP.off.next_offset;
    view.setBigUint64(Volumes.blockmapAt(ZONE_BTREE) + next, offset64(ZONE_BTREE, nodeAddress + NODE_SIZE), true);
    view.setBigUint64(Volumes.blockmapAt(ZONE_META) + next, offset64(ZONE_META, metaAddress + metaUsed), true);
    view.setBigUint64(VOLUME.off.vol0_btree_root, offset64(ZONE_BTREE, nodeAddress), true);
  }
}

function zoneBase(zone: number): bigint {
  return BigInt(zone) << 60n;
}

/** Sets the layer 2 entry at byte `at` of a layer 2 big-block. */
function layer2Entry(crc: Crc, layer2: Uint8Array, at: number, zone: number, appendOff: number, bytesFree: number): void {
  const view = viewOf(layer2);
  LAYER2.write(view, at, { zone, reserved01: 0, reserved02: 0, append_off: appendOff, bytes_free: bytesFree });
  view.setUint32(at + LAYER2.off.entry_crc, crc(layer2, at, at + LAYER2.off.entry_crc), true);
}

/** Layer 2 of the n-th 4 TiB of a volume: `taken` bytes from its start hold freemap, the rest of `usable` is free. */
export function layer2Image(crc: Crc, taken: number, usable: number, n: number): Uint8Array {
  const layer2 = new Uint8Array(BIGBLOCK_SIZE);
  const fill = (part: Uint8Array, zone: number, appendOff: number, bytesFree: number): void => {
    if (part.length === 0) return;
    layer2Entry(crc, part, 0, zone, appendOff, bytesFree);
    repeat(part, LAYER2.size);
  };
  const free = countOf(taken, n) * LAYER2.size;
  const end = countOf(usable, n) * LAYER2.size;
  fill(layer2.subarray(0, free), ZONE_FREEMAP, BIGBLOCK_SIZE, 0);
  fill(layer2.subarray(free, end), 0, 0, BIGBLOCK_SIZE);
  fill(layer2.subarray(end), ZONE_UNAVAILABLE, BIGBLOCK_SIZE, 0);
  return layer2;
}

/** Big-blocks of the first `bytes` of a volume that fall into its n-th 4 TiB. */
export function countOf(bytes: number, n: number): number {
  return Math.min(Math.max(bytes - n * LAYER1_SPAN, 0), LAYER1_SPAN) / BIGBLOCK_SIZE;
}

/** Repeats the first `size` bytes over all of `b`. */
function repeat(b: Uint8Array, size: number): void {
  for (let done = size; done < b.length; done *= 2) b.copyWithin(done, 0, Math.min(done, b.length - done));
}

