// SPDX-License-Identifier: BSD-3-Clause
/**
 * Volumes of a damaged file system: where the buffer area of each device lies, with or without its header.
 *
 * Invariant P1: a place that no header vouches for is taken only if data of B-Tree elements found elsewhere lies where it
 * would have to, with the right CRC; zeros count for nothing.
 * @module
 */
import { crcMatches } from "../crc.ts";
import type { BlockDevice } from "../device.ts";
import {
  BUFSIZE, INODE_CRC_SIZE, INODE_DATA, MAX_VOLUMES, REC_INODE, VERSION_MAX, VERSION_MIN, VOLUME_STRIDE, XBUFSIZE,
} from "../disk/index.ts";
import { HammerError } from "../error.ts";
import { NEWFS_DEFAULT_BOOT_BYTES, NEWFS_DEFAULT_JUNK_BYTES, NEWFS_DEFAULT_MEM_BYTES } from "../newfs.ts";
import { RawVolumes, readHeader, type RawHeader } from "../tools/raw.ts";

/** Either checksum is accepted: which version wrote a structure may not be known any more. */
const ANY_VERSION = VERSION_MAX;
/** Boot area, memory log and header together stay below this on any volume the formatter makes by its defaults. */
const BUF_BEG_MAX = 1 << 30;
/** Where the formatter puts the buffer area by default: behind the header, the boot area and the memory log. */
const DEFAULT_PLACE = NEWFS_DEFAULT_JUNK_BYTES + NEWFS_DEFAULT_BOOT_BYTES + NEWFS_DEFAULT_MEM_BYTES;
/** Matches after which a guess is certain. */
const ENOUGH = 4;
/** Samples that are looked for everywhere; each may itself be damaged. */
const SWEEPS = 6;

/** A device and where it stands in the file system. */
export interface SalvageVolume {
  readonly device: BlockDevice;
  /** What the header says; null if there is no sound one. */
  readonly header: RawHeader | null;
  /** Volume number, -1 while unknown. */
  number: number;
  /** Byte of the device where zone-2 offset 0 lies; -1 while unknown. */
  bufBeg: number;
  bufEnd: number;
}

/** Data of an element, by which a place can be judged: its address, its length, its CRC. */
export interface Sample { address: number; length: number; covered: number; crc: number }

/** Bytes that the CRC of an element's data covers. */
export function coveredBytes(recType: number, length: number): number {
  return recType === REC_INODE && length === INODE_DATA.size ? INODE_CRC_SIZE : length;
}

/** True if the header's numbers can be those of a volume on this device. */
function plausible(h: RawHeader, device: BlockDevice): boolean {
  return h.volNo >= 0 && h.volNo < MAX_VOLUMES && h.version >= VERSION_MIN && h.version <= VERSION_MAX
    && h.bufBeg >= BUFSIZE && h.bufBeg % BUFSIZE === 0 && h.bufEnd > h.bufBeg && h.bufEnd <= device.size;
}

function soundHeader(device: BlockDevice): RawHeader | null {
  try {
    const h = readHeader(device);
    return plausible(h, device) ? h : null;
  } catch (e) {
    if (e instanceof HammerError) return null; // no header, or one that cannot be read: the device is scanned all the same
    throw e;
  }
}

/** The devices of a file system of which any part may be lost. */
export class SalvageVolumes {
  readonly list: readonly SalvageVolume[];
  readonly #byNumber: (SalvageVolume | undefined)[] = [];

  constructor(devices: readonly BlockDevice[]) {
    this.list = devices.map((device) => {
      const header = soundHeader(device);
      const v = { device, header, number: header?.volNo ?? -1, bufBeg: header?.bufBeg ?? -1, bufEnd: header?.bufEnd ?? device.size };
      // Of two devices that claim one number the first has it; the other is placed by what is on it.
      if (header !== null && this.#byNumber[header.volNo] !== undefined) Object.assign(v, { number: -1, bufBeg: -1, bufEnd: device.size });
      else if (header !== null) this.#byNumber[header.volNo] = v;
      return v;
    });
  }

  /** Header of the root volume, if there is a sound one. */
  get root(): RawHeader | null { return this.#byNumber[0]?.header ?? null; }

  /** Volumes that the file system has, as far as is known; 0 if nothing tells. */
  get expected(): number { return Math.max(0, ...this.list.map((v) => v.header?.volumes ?? 0)); }

  volume(number: number): SalvageVolume | undefined { return this.#byNumber[number]; }

  /** `length` bytes at an address, or null where no given device has them or it cannot be read. */
  read(address: number, length: number): Uint8Array | null {
    const v = address < 0 ? undefined : this.#byNumber[Math.floor(address / VOLUME_STRIDE)];
    return v === undefined ? null : readAt(v, address % VOLUME_STRIDE, v.bufBeg, length);
  }

  /**
   * Finds the places of devices without a sound header, by samples of each volume number: first where other volumes have
   * their buffer areas, and where the formatter puts them by default; then everywhere.
   */
  place(samples: ReadonlyMap<number, readonly Sample[]>): void {
    const everywhere = Array.from({ length: BUF_BEG_MAX / BUFSIZE - 1 }, (_, i) => (i + 1) * BUFSIZE);
    for (const wide of [false, true]) {
      for (const v of this.list) {
        if (v.number >= 0) continue;
        const likely = [...this.list.flatMap((x) => (x.number >= 0 ? [x.bufBeg] : [])), DEFAULT_PLACE];
        let best = { score: 0, number: -1, bufBeg: -1 };
        for (const [number, list] of samples) {
          if (this.#byNumber[number] !== undefined) continue;
          const found = guess(v, list, wide ? everywhere : likely);
          if (found.score > best.score) best = { ...found, number };
        }
        if (best.score === 0) continue;
        v.number = best.number;
        v.bufBeg = best.bufBeg;
        this.#byNumber[best.number] = v;
      }
    }
  }
}

function readAt(v: SalvageVolume, byte: number, bufBeg: number, length: number): Uint8Array | null {
  if (bufBeg + byte + length > v.bufEnd) return null;
  const b = new Uint8Array(length);
  try {
    v.device.read(bufBeg + byte, b);
  } catch (e) {
    if (!(e instanceof HammerError)) throw e;
    return null; // a bad sector: what lies there is lost
  }
  return b;
}

function matches(v: SalvageVolume, bufBeg: number, s: Sample): boolean {
  const b = readAt(v, s.address % VOLUME_STRIDE, bufBeg, s.length);
  return b !== null && crcMatches(ANY_VERSION, s.crc, b, 0, s.covered) && b.some((x) => x !== 0);
}

/** The place among `places` at which most samples are found (P1). */
function guess(v: SalvageVolume, samples: readonly Sample[], places: readonly number[]): { score: number; bufBeg: number } {
  let best = { score: 0, bufBeg: -1 };
  const enough = Math.min(ENOUGH, samples.length);
  for (const sample of samples.slice(0, SWEEPS)) {
    for (const bufBeg of places) {
      if (bufBeg >= v.device.size) break;
      if (!matches(v, bufBeg, sample)) continue;
      const score = samples.reduce((n, s) => n + (matches(v, bufBeg, s) ? 1 : 0), 0);
      if (score > best.score) best = { score, bufBeg };
      if (best.score >= enough) return best;
    }
  }
  return best;
}

/** Zone of each big-block, as the freemap has it: what may be believed of it. */
export class SalvageFreemap {
  readonly #raw: RawVolumes | null;

  /** Without the root volume's header there is none. */
  constructor(volumes: SalvageVolumes) {
    const sound = volumes.list.filter((v) => v.header !== null && v.number >= 0).map((v) => v.device);
    this.#raw = volumes.root === null ? null : new RawVolumes(sound);
  }

  /** Zone and append offset of the big-block at `block` (a count) of a volume; null if its entries are lost or damaged. */
  entry(volume: number, block: number): { zone: number; appendOff: number } | null {
    if (this.#raw === null) return null;
    const offset = (BigInt(volume) << 52n) | (BigInt(block) << 23n);
    const layer1 = this.#raw.layer1(Number((offset >> 42n) & 0x3_ffffn));
    if (layer1 === null || !layer1.crcOk || layer1.unavailable) return null;
    const layer2 = this.#raw.layer2(layer1.physOffset, block % 0x8_0000);
    return layer2 === null || !layer2.crcOk ? null : layer2;
  }
}

/** Longest data of any element. */
export const DATA_MAX = XBUFSIZE;
