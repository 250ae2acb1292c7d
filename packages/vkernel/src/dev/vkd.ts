// SPDX-License-Identifier: BSD-3-Clause
/**
 * vkd: a disk image as a disk (DragonFly 2.0 sys/dev/virtual/disk/vdisk.c). Transfers of any offset and length are
 * allowed, as on DragonFly's buffered block devices; the image is accessed in whole sectors.
 *
 * Invariants
 *   VD1  No transfer reaches beyond the disk: reads end there, writes that start there are ENOSPC.
 *   VD2  A write of a part of a sector keeps the rest of it.
 */
import { EIO, ENOSPC, EROFS } from "../sys/errno.ts";
import { FWRITE } from "../sys/fcntl.ts";
import { DIOCGPART, FIODTYPE } from "../sys/ioctl.ts";
import { makedev } from "../sys/stat.ts";
import { Cdev } from "./cdev.ts";

/** DragonFly's major of vkd (sys/conf/majors). */
const VKD_MAJOR = 97;
/** Device number of /dev/vkd<unit>. */
export const vkdNumber = (unit: number): number => makedev(VKD_MAJOR, unit << 3);
const SECTOR = 512;
const CHUNK = 65536;
/** FIODTYPE: a disk. */
const D_DISK = 2;

/** The image (a BlockDevice of the hammer package is one). Calls throw errors that carry a `code`. */
export interface DiskImage {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly readOnly: boolean;
  read(offset: number, buf: Uint8Array): void;
  write(offset: number, buf: Uint8Array): void;
  flush(): void;
}

export class Vkd extends Cdev {
  override readonly isDisk = true;
  override readonly takesSwap: boolean;
  override readonly seekable = true;
  override readonly size: number;
  private readonly image: DiskImage;
  private readonly log: (line: string) => void;

  /** Disk `unit` (/dev/vkdN). What goes wrong with the image is logged; processes see EIO. `takesSwap`: the image never makes its users wait. */
  constructor(unit: number, image: DiskImage, log: (line: string) => void, takesSwap = false) {
    super(`vkd${unit}`, vkdNumber(unit), 0o640);
    this.image = image;
    this.size = image.size;
    this.takesSwap = takesSwap && !image.readOnly;
    this.log = log;
  }

  override open(flags: number): Cdev {
    if (this.image.readOnly && (flags & FWRITE) !== 0) throw EROFS;
    return this;
  }

  private transfer(f: () => void): void {
    try {
      f();
    } catch (e) {
      if (typeof e !== "object" || e === null || !("code" in e)) throw e;
      this.log(`${this.name}: ${e instanceof Error ? e.message : String(e.code)}`);
      throw EIO;
    }
  }

  override read(offset: number, buf: Uint8Array, off: number, len: number): number {
    const end = Math.min(offset + len, this.size);
    for (let at = offset; at < end; ) {
      const first = at - (at % SECTOR);
      const span = Math.min(CHUNK, Math.ceil((end - first) / SECTOR) * SECTOR, this.size - first);
      const chunk = new Uint8Array(span);
      this.transfer(() => this.image.read(first, chunk));
      const n = Math.min(end, first + span) - at;
      buf.set(chunk.subarray(at - first, at - first + n), off + at - offset);
      at += n;
    }
    return Math.max(0, end - offset);
  }

  override write(offset: number, buf: Uint8Array, off: number, len: number): number {
    if (this.image.readOnly) throw EROFS;
    if (offset >= this.size && len > 0) throw ENOSPC;
    const end = Math.min(offset + len, this.size);
    for (let at = offset; at < end; ) {
      const first = at - (at % SECTOR);
      const span = Math.min(CHUNK, Math.ceil((end - first) / SECTOR) * SECTOR, this.size - first);
      const chunk = new Uint8Array(span);
      const n = Math.min(end, first + span) - at;
      if (at !== first || n !== span) this.transfer(() => this.image.read(first, chunk));
      chunk.set(buf.subarray(off + at - offset, off + at - offset + n), at - first);
      this.transfer(() => this.image.write(first, chunk));
      at += n;
    }
    return end - offset;
  }

  override ioctl(cmd: number, data: Uint8Array): number {
    const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
    if (cmd === FIODTYPE) {
      dv.setInt32(0, D_DISK, true);
      return 0;
    }
    if (cmd !== DIOCGPART) return super.ioctl(cmd, data);
    // struct partinfo: the whole disk as one partition.
    dv.setBigUint64(8, BigInt(this.size), true);
    dv.setBigUint64(16, BigInt(Math.floor(this.size / SECTOR)), true);
    dv.setInt32(24, SECTOR, true);
    return 0;
  }

  override sync(): void {
    if (!this.image.readOnly) this.transfer(() => this.image.flush());
  }
}
