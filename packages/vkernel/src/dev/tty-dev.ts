// SPDX-License-Identifier: BSD-3-Clause
/** A terminal as a device: the part that consoles and slaves of pseudo terminals share. */
import { ENXIO } from "../sys/errno.ts";
import { makedev } from "../sys/stat.ts";
import type { WaitChannel } from "../sys/wait.ts";
import { Cdev } from "./cdev.ts";
import type { TtyDriver } from "./tty.ts";
import { Tty } from "./tty.ts";

/** /dev/tty: the controlling terminal of whoever opens it; the kernel puts that terminal in its place. */
export const CTTY_RDEV = makedev(1, 0);

export class TtyDev extends Cdev {
  override readonly tty: Tty;

  constructor(name: string, rdev: number, mode: number, driver: TtyDriver, now: () => number) {
    super(name, rdev, mode);
    this.tty = new Tty(rdev, driver, now);
  }

  override open(_flags: number): Cdev {
    this.tty.open();
    return this;
  }
  override close(_flags: number): void {
    this.tty.close();
  }
  override read(_offset: number, buf: Uint8Array, off: number, len: number, waited: number): number {
    return this.tty.read(buf, off, len, waited);
  }
  override readTimeout(waited: number): number {
    return this.tty.readTimeout(waited);
  }
  override write(_offset: number, buf: Uint8Array, off: number, len: number): number {
    return this.tty.write(buf, off, len);
  }
  override ioctl(cmd: number, data: Uint8Array): number {
    return this.tty.ioctl(cmd, data);
  }
  override poll(events: number): number {
    return this.tty.poll(events);
  }
  override channel(write: boolean): WaitChannel {
    return this.tty.channel(write);
  }
}

/** The node /dev/tty. Opening it without a controlling terminal is ENXIO; with one, the kernel never gets here. */
export class ControllingTtyDev extends Cdev {
  constructor() {
    super("tty", CTTY_RDEV, 0o666);
  }
  override open(): Cdev {
    throw ENXIO;
  }
}
