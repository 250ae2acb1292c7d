// SPDX-License-Identifier: BSD-3-Clause
/**
 * Devices: what a VCHR or VBLK node of any file system stands for, found by its number (DragonFly 2.0
 * sys/sys/device.h, sys/kern/kern_device.c).
 *
 * Invariants
 *   C1  A device number belongs to at most one device of a kernel.
 *   C2  Operations never wait: they return WOULDBLOCK and channel() names what to wait for.
 *   C3  open() and close() come in pairs, one for each open file.
 * @module
 */
import { EEXIST, ENODEV, ENOTTY, ESPIPE } from "../sys/errno.ts";
import { POLLIN, POLLOUT, POLLRDNORM } from "../sys/poll.ts";
import type { WaitChannel } from "../sys/wait.ts";
import type { Tty } from "./tty.ts";

export abstract class Cdev {
  /** Name below /dev, with slashes for sub-directories ("pts/0"). */
  readonly name: string;
  /** Device number, native encoding (sys/stat.ts: makedev). */
  readonly rdev: number;
  /** Attributes of the node that devfs shows; changed there by chmod and chown. */
  mode: number;
  uid = 0;
  gid = 0;
  /** A disk: VBLK rather than VCHR. */
  readonly isDisk: boolean = false;
  /** A disk that answers at once: pages may go to it. */
  readonly takesSwap: boolean = false;
  /** The terminal behind the device, for job control and controlling terminals. */
  readonly tty: Tty | null = null;
  /** Reads and writes move the file position (memory devices, disks); size in bytes of a disk. */
  readonly seekable: boolean = false;
  /** Of a seekable one: most bytes that a read gives, so that signals and other processes wait no longer than that takes. */
  readonly readMost: number = Infinity;
  readonly size: number = 0;

  constructor(name: string, rdev: number, mode: number) {
    this.name = name;
    this.rdev = rdev;
    this.mode = mode;
  }

  /** Opens; the result serves the new open file (another object for cloning devices). */
  open(_flags: number): Cdev {
    return this;
  }
  close(_flags: number): void {}
  /**
   * Reads; returns the count, 0 at the end, or WOULDBLOCK. `waited` is how long the caller has waited in this
   * read already, ns; -1 for a caller that never waits.
   */
  read(_offset: number, _buf: Uint8Array, _off: number, _len: number, _waited: number): number {
    throw ENODEV;
  }
  /** For how long a read that returned WOULDBLOCK should wait before it is tried again, ns. */
  readTimeout(_waited: number): number {
    return Infinity;
  }
  write(_offset: number, _buf: Uint8Array, _off: number, _len: number): number {
    throw ENODEV;
  }
  /** Of one that is not seekable: lseek(2) of the open file, which keeps its own place. */
  seek(_offset: number, _whence: number): number {
    throw ESPIPE;
  }
  /** `cmd` is a native word, `data` its argument block, copied in before and out after. Returns the result. */
  ioctl(_cmd: number, _data: Uint8Array): number {
    throw ENOTTY;
  }
  poll(events: number): number {
    return events & (POLLIN | POLLRDNORM | POLLOUT);
  }
  channel(_write: boolean): WaitChannel | null {
    return null;
  }
  /** Makes what was written durable. */
  sync(): void {}
}

/** The devices of one kernel, by number and by name. */
export class Devsw {
  private readonly byNumber = new Map<number, Cdev>();
  /** Counts changes, so that devfs sees when to look again. */
  generation = 0;

  add<T extends Cdev>(dev: T): T {
    if (this.byNumber.has(dev.rdev)) throw EEXIST;
    this.byNumber.set(dev.rdev, dev);
    this.generation++;
    return dev;
  }
  remove(dev: Cdev): void {
    if (this.byNumber.get(dev.rdev) !== dev) return;
    this.byNumber.delete(dev.rdev);
    this.generation++;
  }
  find(rdev: number): Cdev | null {
    return this.byNumber.get(rdev) ?? null;
  }
  /** In the order in which they were added. */
  all(): IterableIterator<Cdev> {
    return this.byNumber.values();
  }
}
