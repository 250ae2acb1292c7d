// SPDX-License-Identifier: BSD-3-Clause
/**
 * The outside world as one injected object: clocks, entropy, terminal, files, signals, idle sleep. Nothing in this
 * package, or in a kernel above it, reaches the host otherwise.
 *
 * Rules for implementers
 *   P1  Callbacks (input, resize, drain, signal, completion) are called from the host's event loop only, never from
 *       within a call of this interface.
 *   P2  File errors are thrown as HostFileError, whose `code` is the symbolic errno ("ENOENT").
 *   P3  Paths and names are byte strings: each char code is one byte.
 * @module
 */

import type { StartCompiler } from "@vkernel/cpu";

/** A connection to a debugger. */
export interface DebugLink {
  write(bytes: Uint8Array): void;
  /** Delivers what arrives from now on, and what has arrived before. */
  onBytes(sink: (bytes: Uint8Array) => void): void;
  /** Called once, when the debugger has gone. */
  onClose(callback: () => void): void;
}

/** A failed file operation. Not built on hot paths: only when the host itself failed. */
export class HostFileError extends Error {
  /** Symbolic errno, e.g. "ENOENT". */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.name = "HostFileError";
    this.code = code;
  }
}

/** Bytes from outside. Starts paused. */
export interface HostInput {
  readonly isTTY: boolean;
  /** Starts delivery to `sink`; null is the end of input, delivered once. The bytes are the sink's to keep. */
  onInput(sink: (bytes: Uint8Array | null) => void): void;
  /** Stops delivery until resume(); what arrives stays with the host (back-pressure). */
  pause(): void;
  resume(): void;
}

/** Bytes to the outside. */
export interface HostOutput {
  readonly isTTY: boolean;
  /**
   * Takes all bytes, copied. Returns false when the writer should wait for onDrain before writing more. Throws
   * HostFileError: EPIPE when the reader has gone, of a file what the host says (ENOSPC).
   */
  write(bytes: Uint8Array): boolean;
  /** Called whenever output that had returned false has drained. */
  onDrain(callback: () => void): void;
}

export interface WindowSize {
  readonly rows: number;
  readonly cols: number;
}

export interface HostTerminal {
  readonly input: HostInput;
  readonly output: HostOutput;
  readonly error: HostOutput;
  /** True when input and output are a terminal. */
  readonly isTTY: boolean;
  /** Size in characters; 0 × 0 when unknown. */
  size(): WindowSize;
  onResize(callback: () => void): void;
  /** Switches echo, line editing and signal keys of the host's terminal off (true) or back on. No-op without a terminal. */
  setRaw(raw: boolean): void;
}

export type HostFileType = "file" | "dir" | "symlink" | "char" | "block" | "fifo" | "socket";

export interface HostStat {
  readonly type: HostFileType;
  /** Permission bits, 0o7777. */
  readonly mode: number;
  readonly ino: number;
  readonly nlink: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Bytes of storage held. */
  readonly bytes: number;
  /** Milliseconds since 1970, with fraction. */
  readonly atimeMs: number;
  readonly mtimeMs: number;
  readonly ctimeMs: number;
}

export interface HostDirent {
  readonly name: string;
  readonly type: HostFileType;
}

export interface HostOpenOptions {
  readonly write?: boolean;
  readonly create?: boolean;
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
  /** Take an exclusive advisory lock where the host has one. */
  readonly lock?: boolean;
  readonly mode?: number;
}

/** Completion of an asynchronous call: the byte count, or a HostFileError. */
export type HostIoDone = (error: HostFileError | null, count: number) => void;

/** Host files. Offsets and sizes are bytes below 2^53; descriptors are small non-negative numbers. */
export interface HostFiles {
  open(path: string, options: HostOpenOptions): number;
  close(fd: number): void;
  /** Returns the count read; less than `len` only at the end of the file. */
  read(fd: number, buf: Uint8Array, bufOff: number, len: number, offset: number): number;
  /** Writes all of it. */
  write(fd: number, buf: Uint8Array, bufOff: number, len: number, offset: number): number;
  fstat(fd: number): HostStat;
  ftruncate(fd: number, size: number): void;
  fsync(fd: number): void;
  /** The same beside the virtual CPU; the buffer belongs to the call until `done`. */
  readAsync(fd: number, buf: Uint8Array, bufOff: number, len: number, offset: number, done: HostIoDone): void;
  writeAsync(
    fd: number,
    buf: Uint8Array,
    bufOff: number,
    len: number,
    offset: number,
    done: HostIoDone,
  ): void;
  fsyncAsync(fd: number, done: HostIoDone): void;

  stat(path: string): HostStat;
  lstat(path: string): HostStat;
  readdir(path: string): HostDirent[];
  readlink(path: string): string;
  mkdir(path: string, mode: number): void;
  rmdir(path: string): void;
  unlink(path: string): void;
  rename(from: string, to: string): void;
  link(existing: string, path: string): void;
  symlink(target: string, path: string): void;
  chmod(path: string, mode: number): void;
  /** Times in milliseconds since 1970. */
  utimes(path: string, atimeMs: number, mtimeMs: number): void;
  truncate(path: string, size: number): void;
}

/** Signals of the host process that a virtual kernel cares about. */
export type HostSignalName =
  "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGQUIT" | "SIGWINCH" | "SIGTSTP" | "SIGCONT" | "SIGUSR1" | "SIGUSR2";

export interface HostPlatform {
  /** Nanoseconds of a clock that never goes back; any origin; exact below 2^53. */
  monotonicNs(): number;
  /** Microseconds since 1970 of the host's wall clock. */
  wallClockUs(): number;
  /** Fills `buf` with random bytes fit for keys. */
  entropy(buf: Uint8Array): void;
  readonly terminal: HostTerminal;
  readonly files: HostFiles;
  /** Delivers host signals from now on; replaces the default action of those it delivers. */
  onSignal(names: readonly HostSignalName[], callback: (name: HostSignalName) => void): void;
  /**
   * Sleeps without using the CPU until `deadlineNs` on the monotonic clock (Infinity: no deadline) or wake(), letting the
   * host's events in. A wake() since the last sleep ends it at once.
   */
  sleep(deadlineNs: number): Promise<void>;
  /** Ends the current or the next sleep(). */
  wake(): void;
  /** Lets pending host events in and continues; does not wait for any. */
  breathe(): Promise<void>;
  /** Starts a compiler of guest code beside the machine. Without it, code is compiled in place. */
  readonly startCompiler?: StartCompiler;
}
