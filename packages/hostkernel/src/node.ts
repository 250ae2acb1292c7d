// SPDX-License-Identifier: BSD-3-Clause
/**
 * The Node implementation of HostPlatform: `@vkernel/hostkernel/node`.
 * @packageDocumentation
 */
import * as fs from "node:fs";
import { randomFillSync } from "node:crypto";
import { Socket } from "node:net";
import type { Writable } from "node:stream";
// Not the global of the same name, which is a getter: the clock is read in system calls.
import { performance } from "node:perf_hooks";
import { startCompiler } from "@vkernel/cpu/node";
import {
  HostFileError,
  type HostDirent,
  type HostFiles,
  type HostFileType,
  type HostInput,
  type HostIoDone,
  type HostOpenOptions,
  type HostOutput,
  type HostPlatform,
  type HostSignalName,
  type HostStat,
  type HostTerminal,
  type WindowSize,
} from "./platform.ts";

/** A byte string as the bytes that the system call shall see. */
function toBytes(path: string): Buffer {
  return Buffer.from(path, "latin1");
}

function fileError(e: unknown): HostFileError {
  const { code, message } = e as NodeJS.ErrnoException;
  if (typeof code !== "string") throw e;
  return new HostFileError(code, message);
}

/** Runs a file call; its errors come out as HostFileError. */
function guard<T>(call: () => T): T {
  try {
    return call();
  } catch (e) {
    throw fileError(e);
  }
}

function typeOf(entry: fs.Stats | fs.Dirent<Buffer>): HostFileType {
  if (entry.isFile()) return "file";
  if (entry.isDirectory()) return "dir";
  if (entry.isSymbolicLink()) return "symlink";
  if (entry.isCharacterDevice()) return "char";
  if (entry.isBlockDevice()) return "block";
  return entry.isFIFO() ? "fifo" : "socket";
}

function toStat(s: fs.Stats): HostStat {
  return {
    type: typeOf(s),
    mode: s.mode & 0o7777,
    ino: s.ino,
    nlink: s.nlink,
    uid: s.uid,
    gid: s.gid,
    size: s.size,
    bytes: s.blocks * 512,
    atimeMs: s.atimeMs,
    mtimeMs: s.mtimeMs,
    ctimeMs: s.ctimeMs,
  };
}

class NodeFiles implements HostFiles {
  open(path: string, options: HostOpenOptions): number {
    const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC } = fs.constants;
    const flags =
      (options.write ? O_RDWR : O_RDONLY) |
      (options.create ? O_CREAT : 0) |
      (options.exclusive ? O_EXCL : 0) |
      (options.truncate ? O_TRUNC : 0);
    return guard(() => fs.openSync(toBytes(path), flags, options.mode ?? 0o666));
  }
  close(fd: number): void {
    guard(() => fs.closeSync(fd));
  }
  read(fd: number, buf: Uint8Array, bufOff: number, len: number, offset: number): number {
    return guard(() => {
      let done = 0;
      while (done < len) {
        const n = fs.readSync(fd, buf, bufOff + done, len - done, offset + done);
        if (n === 0) break;
        done += n;
      }
      return done;
    });
  }
  write(fd: number, buf: Uint8Array, bufOff: number, len: number, offset: number): number {
    return guard(() => {
      let done = 0;
      while (done < len) done += fs.writeSync(fd, buf, bufOff + done, len - done, offset + done);
      return done;
    });
  }
  fstat(fd: number): HostStat {
    return guard(() => toStat(fs.fstatSync(fd)));
  }
  ftruncate(fd: number, size: number): void {
    guard(() => fs.ftruncateSync(fd, size));
  }
  fsync(fd: number): void {
    guard(() => fs.fsyncSync(fd));
  }
  readAsync(
    fd: number,
    buf: Uint8Array,
    bufOff: number,
    len: number,
    offset: number,
    done: HostIoDone,
  ): void {
    let got = 0;
    const next = (): void => {
      fs.read(fd, buf, bufOff + got, len - got, offset + got, (error, n) => {
        if (error) return done(fileError(error), got);
        got += n;
        if (n === 0 || got === len) return done(null, got);
        next();
      });
    };
    next();
  }
  writeAsync(
    fd: number,
    buf: Uint8Array,
    bufOff: number,
    len: number,
    offset: number,
    done: HostIoDone,
  ): void {
    let put = 0;
    const next = (): void => {
      fs.write(fd, buf, bufOff + put, len - put, offset + put, (error, n) => {
        if (error) return done(fileError(error), put);
        put += n;
        if (put === len) return done(null, put);
        next();
      });
    };
    next();
  }
  fsyncAsync(fd: number, done: HostIoDone): void {
    fs.fsync(fd, (error) => done(error ? fileError(error) : null, 0));
  }

  stat(path: string): HostStat {
    return guard(() => toStat(fs.statSync(toBytes(path))));
  }
  lstat(path: string): HostStat {
    return guard(() => toStat(fs.lstatSync(toBytes(path))));
  }
  readdir(path: string): HostDirent[] {
    return guard(() =>
      fs
        .readdirSync(toBytes(path), { withFileTypes: true, encoding: "buffer" })
        .map((entry) => ({ name: entry.name.toString("latin1"), type: typeOf(entry) })),
    );
  }
  readlink(path: string): string {
    return guard(() => fs.readlinkSync(toBytes(path), { encoding: "buffer" }).toString("latin1"));
  }
  mkdir(path: string, mode: number): void {
    guard(() => fs.mkdirSync(toBytes(path), mode));
  }
  rmdir(path: string): void {
    guard(() => fs.rmdirSync(toBytes(path)));
  }
  unlink(path: string): void {
    guard(() => fs.unlinkSync(toBytes(path)));
  }
  rename(from: string, to: string): void {
    guard(() => fs.renameSync(toBytes(from), toBytes(to)));
  }
  link(existing: string, path: string): void {
    guard(() => fs.linkSync(toBytes(existing), toBytes(path)));
  }
  symlink(target: string, path: string): void {
    guard(() => fs.symlinkSync(toBytes(target), toBytes(path)));
  }
  chmod(path: string, mode: number): void {
    guard(() => fs.chmodSync(toBytes(path), mode));
  }
  utimes(path: string, atimeMs: number, mtimeMs: number): void {
    guard(() => fs.utimesSync(toBytes(path), atimeMs / 1000, mtimeMs / 1000));
  }
  truncate(path: string, size: number): void {
    guard(() => fs.truncateSync(toBytes(path), size));
  }
}

class NodeInput implements HostInput {
  readonly #stream: NodeJS.ReadStream;
  constructor(stream: NodeJS.ReadStream) {
    this.#stream = stream;
  }
  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }
  onInput(sink: (bytes: Uint8Array | null) => void): void {
    let ended = false;
    const end = (): void => {
      if (!ended) sink(null);
      ended = true;
    };
    this.#stream.on("data", (bytes: Buffer) => sink(new Uint8Array(bytes)));
    this.#stream.on("end", end);
    // A hung-up terminal or a broken pipe is an end of input for the reader.
    this.#stream.on("error", end);
  }
  pause(): void {
    this.#stream.pause();
  }
  resume(): void {
    this.#stream.resume();
  }
}

class NodeOutput implements HostOutput {
  readonly #stream: NodeJS.WriteStream;
  /** Descriptor of a file or a device, which takes what it takes at once; null for terminals, pipes and sockets. */
  readonly #fd: number | null;
  readonly #drained: (() => void)[] = [];
  #broken = false;
  constructor(stream: NodeJS.WriteStream & { readonly fd: number }) {
    this.#stream = stream;
    this.#fd = (stream as Writable) instanceof Socket ? null : stream.fd;
    const drain = (): void => {
      for (const callback of this.#drained) callback();
    };
    stream.on("drain", drain);
    stream.on("error", () => {
      this.#broken = true;
      // Whoever waits for room learns with the next write that there will be none.
      drain();
    });
  }
  get isTTY(): boolean {
    return this.#stream.isTTY === true;
  }
  write(bytes: Uint8Array): boolean {
    if (this.#fd !== null) {
      // Written here, so that whoever writes hears of a full disk.
      const fd = this.#fd;
      for (let at = 0; at < bytes.length; ) at += guard(() => fs.writeSync(fd, bytes, at));
      return true;
    }
    if (this.#broken) {
      // A terminal that has gone also hangs up, which ends its programs; a pipe has this error alone.
      if (this.isTTY) return true;
      throw new HostFileError("EPIPE", "nobody reads this output any more");
    }
    return this.#stream.write(bytes.slice());
  }
  onDrain(callback: () => void): void {
    this.#drained.push(callback);
  }
}

class NodeTerminal implements HostTerminal {
  readonly input = new NodeInput(process.stdin);
  readonly output = new NodeOutput(process.stdout);
  readonly error = new NodeOutput(process.stderr);
  get isTTY(): boolean {
    return this.input.isTTY && this.output.isTTY;
  }
  size(): WindowSize {
    return { rows: process.stdout.rows ?? 0, cols: process.stdout.columns ?? 0 };
  }
  onResize(callback: () => void): void {
    process.stdout.on("resize", callback);
  }
  setRaw(raw: boolean): void {
    if (process.stdin.isTTY) process.stdin.setRawMode(raw);
  }
}

/** Longest single timer; a later deadline sleeps in pieces. */
const LONGEST_TIMER_MS = 0x7fff_ffff;

/** The process's own clocks, standard streams, files and signals. */
export class NodePlatform implements HostPlatform {
  readonly terminal: HostTerminal = new NodeTerminal();
  readonly files: HostFiles = new NodeFiles();
  readonly startCompiler = startCompiler;
  #awake = false;
  #waker: (() => void) | null = null;

  monotonicNs(): number {
    return performance.now() * 1e6;
  }
  wallClockUs(): number {
    return (performance.timeOrigin + performance.now()) * 1000;
  }
  entropy(buf: Uint8Array): void {
    randomFillSync(buf);
  }
  onSignal(names: readonly HostSignalName[], callback: (name: HostSignalName) => void): void {
    for (const name of names) process.on(name, () => callback(name));
  }

  async sleep(deadlineNs: number): Promise<void> {
    // The timers here count whole milliseconds; a shorter rest passes by asking the event loop for turns.
    while (!this.#awake && deadlineNs - this.monotonicNs() < 1e6) {
      if (this.monotonicNs() >= deadlineNs) return;
      await this.breathe();
    }
    if (!this.#awake) {
      await new Promise<void>((resolve) => {
        const ms = Math.min(LONGEST_TIMER_MS, Math.ceil((deadlineNs - this.monotonicNs()) / 1e6));
        // Without a deadline the timer only keeps the process alive.
        const timer = setTimeout(() => this.#waker?.(), ms);
        this.#waker = () => {
          clearTimeout(timer);
          this.#waker = null;
          resolve();
        };
      });
    }
    this.#awake = false;
  }
  wake(): void {
    this.#awake = true;
    this.#waker?.();
  }
  breathe(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
