// SPDX-License-Identifier: BSD-3-Clause
/**
 * /dev/kmsg: the kernel's messages one record at a time, and lines of programs among them (Linux Documentation/ABI/testing/dev-kmsg).
 *
 * Invariant
 *   KM1  Each open file reads at a place of its own. A line that was written without its end waits there for the rest, or for close().
 * @module
 */
import { EINVAL, EPIPE } from "../sys/errno.ts";
import { SEEK_DATA, SEEK_END, SEEK_SET } from "../sys/fcntl.ts";
import { POLLERR, POLLIN, POLLOUT, POLLPRI, POLLRDNORM } from "../sys/poll.ts";
import { makedev } from "../sys/stat.ts";
import { type WaitChannel, WOULDBLOCK } from "../sys/wait.ts";
import { Cdev } from "./cdev.ts";

const CDEV_MAJOR_MEM = 2;
/** DragonFly's memory device has no such minor; Linux's is 11. */
export const KMSG_RDEV = makedev(CDEV_MAJOR_MEM, 11);
/** Longest line that a program may write, bytes. */
const LINE_MOST = 992;
/** Where lines of programs come from, and how urgent they are, unless they say so: LOG_USER, KERN_WARNING. */
const LOG_USER = 1;
const KERN_WARNING = 4;

/** The buffer, as the device uses it (kern/dmesg.ts). */
export interface MessageBuffer {
  readonly first: number;
  readonly cleared: number;
  readonly next: number;
  record(seq: number): { readonly priority: number; readonly timeUs: number; readonly text: string };
  write(text: string, priority?: number): void;
  readonly chan: WaitChannel;
}

export class KmsgDev extends Cdev {
  readonly #buffer: MessageBuffer;
  constructor(buffer: MessageBuffer) {
    super("kmsg", KMSG_RDEV, 0o644);
    this.#buffer = buffer;
  }
  override open(): Cdev {
    return new KmsgFile(this.#buffer);
  }
}

class KmsgFile extends Cdev {
  readonly #buffer: MessageBuffer;
  #seq: number;
  #line = "";

  constructor(buffer: MessageBuffer) {
    super("kmsg", KMSG_RDEV, 0o644);
    this.#buffer = buffer;
    this.#seq = buffer.first;
  }

  /** One record; EPIPE once when it is gone already, EINVAL when it does not fit. */
  override read(_offset: number, buf: Uint8Array, off: number, len: number): number {
    const { first, next } = this.#buffer;
    if (this.#seq < first) {
      this.#seq = first;
      throw EPIPE;
    }
    if (this.#seq >= next) return WOULDBLOCK;
    const { priority, timeUs, text } = this.#buffer.record(this.#seq);
    // Bytes that are not to be printed, and the backslash, are written as \xNN.
    // eslint-disable-next-line no-control-regex
    const shown = text.replaceAll(/[\0-\x1f\x7f-\xff\\]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
    const record = `${priority},${this.#seq},${timeUs},-;${shown}\n`;
    if (record.length > len) throw EINVAL;
    for (let i = 0; i < record.length; i++) buf[off + i] = record.charCodeAt(i);
    this.#seq++;
    return record.length;
  }

  override write(_offset: number, buf: Uint8Array, off: number, len: number): number {
    for (let i = 0; i < len; i++) {
      const byte = buf[off + i]!;
      if (byte === 0x0a) this.#flush();
      else this.#line += String.fromCharCode(byte);
      if (this.#line.length > LINE_MOST) {
        this.#line = "";
        throw EINVAL;
      }
    }
    return len;
  }

  #flush(): void {
    const [, digits, text] = /^(?:<(\d{1,4})>)?(.*)$/s.exec(this.#line)!;
    this.#line = "";
    let priority = digits === undefined ? KERN_WARNING : Number(digits);
    // Lines in the kernel's name are the kernel's.
    if (priority >> 3 === 0) priority |= LOG_USER << 3;
    this.#buffer.write(text!, priority);
  }

  override close(): void {
    if (this.#line !== "") this.#flush();
  }

  /** SEEK_SET: the oldest record; SEEK_DATA: the first that dmesg shows; SEEK_END: the next to come. All with offset 0. */
  override seek(offset: number, whence: number): number {
    if (offset !== 0) throw EINVAL;
    if (whence === SEEK_SET) this.#seq = this.#buffer.first;
    else if (whence === SEEK_DATA) this.#seq = this.#buffer.cleared;
    else if (whence === SEEK_END) this.#seq = this.#buffer.next;
    else throw EINVAL;
    return 0;
  }

  override poll(events: number): number {
    const { first, next } = this.#buffer;
    const r = events & POLLOUT;
    if (this.#seq < first) return r | (events & (POLLIN | POLLRDNORM | POLLPRI)) | POLLERR;
    return this.#seq < next ? r | (events & (POLLIN | POLLRDNORM)) : r;
  }
  override channel(write: boolean): WaitChannel | null {
    return write ? null : this.#buffer.chan;
  }
}
