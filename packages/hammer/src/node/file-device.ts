// SPDX-License-Identifier: BSD-3-Clause
/**
 * A block device on a file or a disk of the host.
 *
 * Opened read-only it takes no lock and never changes the file; opened for writing it is the only writer
 * (invariant I-EXCL, by ImageLock). After a failed write or flush the device refuses everything but reads:
 * the host may have dropped pages that it had acknowledged, so a later success would prove nothing.
 * @module
 */
import { closeSync, fdatasync, fdatasyncSync, fstatSync, ftruncateSync, openSync, read, readSync, statSync, writeSync } from "node:fs";
import type { BackgroundDevice, DeviceDone } from "../background.ts";
import { checkExtent, checkWritable } from "../device.ts";
import { HammerError, hex32 } from "../error.ts";
import { ImageLock } from "./lock.ts";

/** How to open a FileDevice. */
export interface FileDeviceOptions {
  /** Default true: no lock is taken and nothing can be written. */
  readOnly?: boolean;
  /** Make a new file of `size` bytes (sparse). Fails if the file exists. */
  create?: boolean;
  /** Bytes; with `create` the size of the new file, otherwise ignored. */
  size?: number;
}

/** Bytes of an open file. A block device of the host has no size in its inode and is probed instead. */
function sizeOf(fd: number): number {
  const st = fstatSync(fd);
  if (!st.isBlockDevice()) return st.size;
  const one = new Uint8Array(1);
  let low = 0;
  let high = Number.MAX_SAFE_INTEGER - 1;
  while (low < high) { // the size is the first offset at which nothing can be read
    const mid = Math.floor(low + (high - low) / 2);
    let got = 0;
    try {
      got = readSync(fd, one, 0, 1, mid);
    } catch {
      got = 0; // beyond what the driver can address
    }
    if (got === 1) low = mid + 1;
    else high = mid;
  }
  return low;
}

/** Throws for what cannot hold an image; opening a FIFO would wait for its other end. */
function refuseOthers(path: string): void {
  const st = statSync(path, { throwIfNoEntry: false });
  if (st === undefined || st.isFile() || st.isBlockDevice()) return;
  if (st.isDirectory()) throw new HammerError("EISDIR", `${path}: is a directory, not an image`, { path });
  throw new HammerError("EINVAL", `${path}: is neither a file nor a block device`, { path });
}

/** A file as a block device. */
export class FileDevice implements BackgroundDevice {
  readonly name: string;
  readonly size: number;
  readonly readOnly: boolean;
  #fd: number;
  readonly #regular: boolean;
  #lock: ImageLock | null = null;
  #broken: HammerError | null = null;
  /** Background calls that have not ended; the descriptor stays open for them. */
  #outstanding = 0;
  #closing = false;

  /** Throws ENOENT, EISDIR, EINVAL (a FIFO or the like), E_LOCKED, EEXIST (create) or EIO. */
  constructor(path: string, options: FileDeviceOptions = {}) {
    this.name = path;
    this.readOnly = options.readOnly ?? options.create !== true;
    if (!options.create) refuseOthers(path);
    const flags = options.create ? "wx+" : this.readOnly ? "r" : "r+";
    try {
      this.#fd = openSync(path, flags);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === "EEXIST") throw new HammerError("EEXIST", `${path}: the file exists already`, { path, cause });
      if (code === "ENOENT")
        throw new HammerError("ENOENT", `${path}: ${options.create === true ? "there is no such folder to make it in" : "no such file"}`, { path, cause });
      throw new HammerError("EIO", `${path}: cannot be opened for ${this.readOnly ? "reading" : "writing"}: `
        + (cause as Error).message, { path, cause });
    }
    try {
      if (!this.readOnly) this.#lock = new ImageLock(path);
      if (options.create) ftruncateSync(this.#fd, options.size ?? 0);
      this.#regular = fstatSync(this.#fd).isFile();
      this.size = sizeOf(this.#fd);
    } catch (e) {
      this.close();
      throw e;
    }
  }

  #fail(doing: string, offset: number, length: number, cause: unknown): HammerError {
    return new HammerError("EIO", `${this.name}: ${doing} of ${length} bytes at ${hex32(offset)} failed: `
      + (cause as Error).message, { offset, length, cause });
  }

  #checkOpen(): void {
    if (this.#fd < 0 || this.#closing) throw new HammerError("E_CLOSED", `${this.name}: the device is closed`);
  }

  read(offset: number, buf: Uint8Array): void {
    this.#checkOpen();
    checkExtent(this, offset, buf.length);
    for (let done = 0; done < buf.length;) {
      let n: number;
      try {
        n = readSync(this.#fd, buf, done, buf.length - done, offset + done);
      } catch (cause) {
        throw this.#fail("read", offset, buf.length, cause);
      }
      if (n === 0) throw this.#fail("read", offset, buf.length, new Error("the file has become shorter"));
      done += n;
    }
  }

  write(offset: number, buf: Uint8Array): void {
    this.#checkOpen();
    checkExtent(this, offset, buf.length);
    checkWritable(this);
    if (this.#broken) throw this.#broken;
    try {
      // A write would silently make a file whole again that somebody has cut.
      if (this.#regular && fstatSync(this.#fd).size < this.size) throw new Error("the file has become shorter");
      for (let done = 0; done < buf.length;)
        done += writeSync(this.#fd, buf, done, buf.length - done, offset + done);
    } catch (cause) {
      throw this.#broken = this.#fail("write", offset, buf.length, cause);
    }
  }

  flush(): void {
    this.#checkOpen();
    if (this.readOnly) return;
    if (this.#broken) throw this.#broken;
    try {
      fdatasyncSync(this.#fd);
    } catch (cause) {
      throw this.#broken = new HammerError("EIO", `${this.name}: flush failed: ${(cause as Error).message}`, { cause });
    }
  }

  readLater(offset: number, buf: Uint8Array, done: DeviceDone): void {
    this.#checkOpen();
    checkExtent(this, offset, buf.length);
    this.#outstanding++;
    const end: DeviceDone = (failure) => {
      this.#ended();
      done(failure);
    };
    const step = (got: number): void => {
      read(this.#fd, buf, got, buf.length - got, offset + got, (cause, n) => {
        if (cause !== null) end(this.#fail("read", offset, buf.length, cause));
        else if (n === 0) end(this.#fail("read", offset, buf.length, new Error("the file has become shorter")));
        else if (got + n < buf.length) step(got + n);
        else end(null);
      });
    };
    step(0);
  }

  flushLater(done: DeviceDone): void {
    this.#checkOpen();
    this.#outstanding++;
    fdatasync(this.#fd, (cause) => {
      if (cause !== null)
        this.#broken ??= new HammerError("EIO", `${this.name}: flush failed: ${cause.message}`, { cause });
      this.#ended();
      done(this.#broken);
    });
  }

  /** A background call has ended; the last one after close() carries it out. */
  #ended(): void {
    this.#outstanding--;
    if (this.#closing && this.#outstanding === 0) this.#closeNow();
  }

  close(): void {
    if (this.#fd < 0 || this.#closing) return;
    // What is under way only reads or flushes: the next writer need not wait for it.
    this.#lock?.release();
    this.#lock = null;
    if (this.#outstanding === 0) this.#closeNow();
    else this.#closing = true;
  }

  #closeNow(): void {
    closeSync(this.#fd);
    this.#fd = -1;
  }
}
