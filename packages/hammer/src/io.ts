// SPDX-License-Identifier: BSD-3-Clause
/**
 * Volumes: opening a set of devices as one file system, the header image of each, address translation.
 *
 * Invariants
 *   V1  Nothing is written while opening; a refused set is left exactly as it was.
 *   V2  `byNumber[n].number === n`, and volume 0 is the root volume.
 *   V3  An address that passes `locate` lies wholly inside its volume's buffer area.
 *
 * The checks are those of DragonFly's mount (sys/vfs/hammer/hammer_ondisk.c, hammer_load_volume;
 * hammer_vfsops.c) and its tools. vol_crc is not among them: the formatter leaves it zero.
 * @module
 */
import { crcFor } from "./crc.ts";
import type { BlockDevice } from "./device.ts";
import { BLOCKMAP } from "./disk/blockmap.ts";
import { viewOf } from "./disk/layout.ts";
import {
  address64, BIGBLOCK_MASK, BIGBLOCK_SIZE, BUFMASK, BUFSIZE, MAX_VOLUME_BYTES, NO_ADDRESS, VOLUME_STRIDE,
} from "./disk/offset.ts";
import {
  FSTYPE_HAMMER, MAX_VOLUMES, ROOT_VOLUME, UNDO_BIGBLOCKS_MAX, uuidText, VERSION_MAX, VERSION_MIN, VOL_SIGNATURE,
  VOL_SIGNATURE_REVERSED, VOLUME,
} from "./disk/volume.ts";
import { HammerError, hex64 } from "./error.ts";

const STRIDE = VOLUME_STRIDE;

/** One opened volume. `header` is the image of its first 16 KiB, the authoritative one while open. */
export class Volume {
  readonly device: BlockDevice;
  readonly number: number;
  readonly header: Uint8Array;
  readonly view: DataView;
  /** Byte of the device where zone-2 offset 0 lies. */
  readonly bufBeg: number;
  /** Bytes of the buffer area, a multiple of 16 KiB. */
  readonly bufBytes: number;

  constructor(device: BlockDevice, header: Uint8Array) {
    this.device = device;
    this.header = header;
    this.view = viewOf(header);
    const h = VOLUME.read(this.view, 0);
    this.number = h.vol_no;
    this.bufBeg = Number(h.vol_buf_beg);
    this.bufBytes = Number(h.vol_buf_end) - this.bufBeg;
  }

  /** Bytes of whole big-blocks: what can ever be allocated. */
  get usableBytes(): number { return this.bufBytes - this.bufBytes % BIGBLOCK_SIZE; }
}

/** The volumes of one file system. */
export class Volumes {
  readonly byNumber: (Volume | undefined)[] = new Array<Volume | undefined>(MAX_VOLUMES).fill(undefined);
  readonly list: readonly Volume[];
  readonly root: Volume;
  /** File system version, from the root header (the only one that counts). */
  version: number;
  readonly fsid: Uint8Array;
  /** Root header as words: now, and as the last flush left it. */
  readonly headerWords: { readonly words: Int32Array; readonly before: Int32Array };

  constructor(list: readonly Volume[]) {
    this.list = [...list].sort((a, b) => a.number - b.number);
    for (const v of this.list) this.byNumber[v.number] = v;
    this.root = this.byNumber[ROOT_VOLUME]!;
    this.version = this.root.view.getUint32(VOLUME.off.vol_version, true);
    const words = new Int32Array(this.root.header.buffer, this.root.header.byteOffset, VOLUME.size / 4);
    this.headerWords = { words, before: words.slice() };
    this.fsid = this.root.header.slice(VOLUME.off.vol_fsid, VOLUME.off.vol_fsid + 16);
  }

  /** Takes the root header as the durable one that UNDO will bring back. */
  keepHeader(): void { this.headerWords.before.set(this.headerWords.words); }

  get label(): string { return VOLUME.read(this.root.view, 0).vol_label; }

  /** Volume that holds `length` bytes at `address`. Throws EIO naming `what` if there is no such place. */
  locate(address: number, length: number, what: string): Volume {
    const volume = address < 0 ? undefined : this.byNumber[Math.floor(address / STRIDE)];
    if (volume === undefined || address % STRIDE + length > volume.bufBytes)
      throw new HammerError("EIO",
        address === NO_ADDRESS ? `${what}: an offset that belongs to no volume`
          : `${what}: volume ${Math.floor(address / STRIDE)} has no byte ${address % STRIDE + length - 1} in its buffer area`,
        { volume: address < 0 ? -1 : Math.floor(address / STRIDE), offset: address % STRIDE });
    return volume;
  }

  /** Reads straight from the device, past any cache. */
  read(address: number, buf: Uint8Array, what: string): void {
    const v = this.locate(address, buf.length, what);
    v.device.read(v.bufBeg + address % STRIDE, buf);
  }

  /** Writes straight to the device. Extents may not overlap cached buffers that are dirty. */
  write(address: number, buf: Uint8Array, what: string): void {
    const v = this.locate(address, buf.length, what);
    v.device.write(v.bufBeg + address % STRIDE, buf);
  }

  /** Returns when everything written to any volume is on stable storage. */
  flush(): void {
    for (const v of this.list) v.device.flush();
  }

  close(): void {
    for (const v of this.list) v.device.close();
  }

  /** Byte of the root header where the blockmap entry of `zone` starts. */
  static blockmapAt(zone: number): number { return VOLUME.off.vol0_blockmap + zone * BLOCKMAP.size; }

  /** Bytes of the UNDO FIFO. */
  get undoBytes(): number {
    const alloc = this.root.view.getBigUint64(Volumes.blockmapAt(3) + BLOCKMAP.off.alloc_offset, true);
    return Number(alloc & 0x0fff_ffff_ffff_ffffn);
  }

  /** Address of byte `position` of the UNDO FIFO. Throws EIO outside the FIFO. */
  undoAddress(position: number): number {
    const index = Math.floor(position / BIGBLOCK_SIZE);
    if (position < 0 || position >= this.undoBytes || index >= UNDO_BIGBLOCKS_MAX)
      throw new HammerError("EIO", `volume 0: UNDO FIFO of ${this.undoBytes} bytes has no byte ${position}`,
        { volume: 0, offset: position });
    const base = address64(this.root.view.getBigUint64(VOLUME.off.vol0_undo_array + index * 8, true));
    return base === NO_ADDRESS ? NO_ADDRESS : base + (position & BIGBLOCK_MASK);
  }
}

/** vol_crc of a header image under a version's checksum: the field itself is skipped. */
export function volumeCrc(header: Uint8Array, version: number): number {
  const crc = crcFor(version);
  const at = VOLUME.off.vol_crc;
  return (crc(header, 0, at) ^ crc(header, at + 4, VOLUME.size)) >>> 0;
}

function openOne(device: BlockDevice): Volume {
  if (device.size < BUFSIZE)
    throw new HammerError("E_NOT_HAMMER", `${device.name}: ${device.size} bytes are too few for a HAMMER volume header`);
  const header = new Uint8Array(BUFSIZE);
  device.read(0, header);
  const view = viewOf(header);
  const signature = view.getBigUint64(0, true);
  if (signature === VOL_SIGNATURE_REVERSED)
    throw new HammerError("E_NOT_HAMMER", `${device.name}: a HAMMER volume of the other byte order, which no system ever wrote`);
  if (signature !== VOL_SIGNATURE)
    throw new HammerError("E_NOT_HAMMER",
      `${device.name}: not a HAMMER volume: signature is ${hex64(signature)}, not ${hex64(VOL_SIGNATURE)}`, { offset: 0 });
  const h = VOLUME.read(view, 0);
  const bad = (why: string): HammerError =>
    new HammerError("E_BAD_VOLUME", `${device.name}: volume header: ${why}`, { volume: h.vol_no, offset: 0 });
  if (h.vol_no < 0 || h.vol_no >= MAX_VOLUMES) throw bad(`vol_no ${h.vol_no} is not in 0..${MAX_VOLUMES - 1}`);
  if (h.vol_rootvol !== ROOT_VOLUME) throw bad(`vol_rootvol is ${h.vol_rootvol}, must be 0`);
  if (!FSTYPE_HAMMER.every((b, i) => b === h.vol_fstype[i])) throw bad(`vol_fstype ${uuidText(h.vol_fstype)} is not HAMMER's`);
  const beg = h.vol_buf_beg, end = h.vol_buf_end;
  if (beg < BigInt(BUFSIZE) || end < beg || (beg & BigInt(BUFMASK)) !== 0n || (end & BigInt(BUFMASK)) !== 0n)
    throw bad(`buffer area ${hex64(beg)}..${hex64(end)} is not a range of whole 16 KiB buffers`);
  if (end > BigInt(device.size))
    throw bad(`buffer area ends at byte ${end} but the device has only ${device.size}: it was cut short`);
  if (end - beg > BigInt(MAX_VOLUME_BYTES)) throw bad(`${end - beg} bytes: volumes beyond 32 TiB are not supported`);
  return new Volume(device, header);
}

/**
 * Opens the devices of one file system, given in any order. Throws E_NOT_HAMMER, E_BAD_VOLUME,
 * E_VOLUME_FOREIGN, E_VOLUME_DUPLICATE, E_VOLUME_MISSING, E_VERSION. The caller keeps the devices on failure.
 */
export function openVolumes(devices: readonly BlockDevice[]): Volumes {
  if (devices.length === 0) throw new HammerError("EINVAL", "no device given: name the volumes of the file system");
  const opened = devices.map(openOne);
  const first = opened[0]!;
  const fsid = VOLUME.read(first.view, 0).vol_fsid;
  const seen = new Map<number, Volume>();
  for (const v of opened) {
    const mine = VOLUME.read(v.view, 0).vol_fsid;
    if (!mine.every((b, i) => b === fsid[i]))
      throw new HammerError("E_VOLUME_FOREIGN",
        `${v.device.name} belongs to file system ${uuidText(mine)}, ${first.device.name} to ${uuidText(fsid)}`, { volume: v.number });
    const other = seen.get(v.number);
    if (other)
      throw new HammerError("E_VOLUME_DUPLICATE",
        `${v.device.name} and ${other.device.name} are both volume ${v.number} of ${uuidText(fsid)}`, { volume: v.number });
    seen.set(v.number, v);
  }
  const root = seen.get(ROOT_VOLUME);
  if (!root)
    throw new HammerError("E_VOLUME_MISSING", `root volume 0 of ${uuidText(fsid)} is missing: given were ${numbers(opened)}`,
      { volume: ROOT_VOLUME });
  const h = VOLUME.read(root.view, 0);
  if (h.vol_version < VERSION_MIN || h.vol_version > VERSION_MAX)
    throw new HammerError("E_VERSION",
      `${root.device.name}: file system version ${h.vol_version}; this program knows ${VERSION_MIN} to ${VERSION_MAX}`, { volume: 0 });
  if (opened.length !== h.vol_count)
    throw new HammerError("E_VOLUME_MISSING",
      `file system ${uuidText(fsid)} has ${h.vol_count} volumes, ${opened.length} were given: ${numbers(opened)}`);
  return new Volumes(opened);
}

function numbers(list: readonly Volume[]): string {
  return list.map((v) => `${v.number} (${v.device.name})`).join(", ");
}
