// SPDX-License-Identifier: BSD-3-Clause
/** Memory-like devices: null, zero, full, random, urandom (DragonFly 2.0 sys/kern/kern_memio.c). */
import { ENOSPC } from "../sys/errno.ts";
import { makedev } from "../sys/stat.ts";
import { Cdev } from "./cdev.ts";

/** Major numbers of DragonFly's memory device and of Linux's full(4) equivalent, which DragonFly lacks. */
const CDEV_MAJOR_MEM = 2;
export const NULL_RDEV = makedev(CDEV_MAJOR_MEM, 2);
export const RANDOM_RDEV = makedev(CDEV_MAJOR_MEM, 3);
export const URANDOM_RDEV = makedev(CDEV_MAJOR_MEM, 4);
export const FULL_RDEV = makedev(CDEV_MAJOR_MEM, 7);
export const ZERO_RDEV = makedev(CDEV_MAJOR_MEM, 12);

export class NullDev extends Cdev {
  override readonly seekable = true;
  constructor() {
    super("null", NULL_RDEV, 0o666);
  }
  override read(): number {
    return 0;
  }
  override write(_offset: number, _buf: Uint8Array, _off: number, len: number): number {
    return len;
  }
}

export class ZeroDev extends Cdev {
  override readonly seekable = true;
  constructor(name = "zero", rdev = ZERO_RDEV) {
    super(name, rdev, 0o666);
  }
  override read(_offset: number, buf: Uint8Array, off: number, len: number): number {
    buf.fill(0, off, off + len);
    return len;
  }
  override write(_offset: number, _buf: Uint8Array, _off: number, len: number): number {
    return len;
  }
}

/** Zeros to read, never room to write. */
export class FullDev extends ZeroDev {
  constructor() {
    super("full", FULL_RDEV);
  }
  override write(): number {
    throw ENOSPC;
  }
}

/** Random bytes from the machine's source; what is written is accepted and changes nothing. */
export class RandomDev extends Cdev {
  override readonly seekable = true;
  /** random(4) of Linux. */
  override readonly readMost = (32 << 20) - 1;
  private readonly entropy: (buf: Uint8Array) => void;
  constructor(name: "random" | "urandom", entropy: (buf: Uint8Array) => void) {
    super(name, name === "random" ? RANDOM_RDEV : URANDOM_RDEV, 0o666);
    this.entropy = entropy;
  }
  override read(_offset: number, buf: Uint8Array, off: number, len: number): number {
    // The source may refuse shared memory and long requests, so the bytes go through a buffer of their own.
    const chunk = new Uint8Array(Math.min(len, 4096));
    for (let done = 0; done < len; done += chunk.length) {
      const piece = len - done < chunk.length ? chunk.subarray(0, len - done) : chunk;
      this.entropy(piece);
      buf.set(piece, off + done);
    }
    return len;
  }
  override write(_offset: number, _buf: Uint8Array, _off: number, len: number): number {
    return len;
  }
}
