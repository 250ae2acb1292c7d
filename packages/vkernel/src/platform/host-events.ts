// SPDX-License-Identifier: BSD-3-Clause
/**
 * Events of the host (input, drained output, a new window size, finished file calls, signals) brought into kernel context:
 * they queue, raise an interrupt, and run when the kernel dispatches it.
 *
 * Invariants
 *   HE1  No handler runs while kernel code or a guest does; they run in the order in which the host reported.
 *   HE2  Every event ends an idle sleep.
 * @module
 */
import {
  HostFileError,
  INTR_IO,
  type HostFiles,
  type HostInput,
  type HostIoDone,
  type HostOutput,
  type HostPlatform,
  type HostSignalName,
  type HostTerminal,
  type Interrupts,
} from "@vkernel/hostkernel";
import { EIO, errnoByName } from "../sys/errno.ts";
import type { MachIntr } from "./machintr.ts";

export class HostEvents {
  readonly #interrupts: Interrupts;
  #queue: (() => void)[] = [];

  constructor(intr: MachIntr) {
    this.#interrupts = intr.interrupts;
    intr.register(INTR_IO, () => this.#run());
  }

  /** Runs `event` at the next dispatch of INTR_IO. */
  post(event: () => void): void {
    this.#queue.push(event);
    this.#interrupts.raise(INTR_IO);
  }

  #run(): void {
    const events = this.#queue;
    this.#queue = [];
    for (const event of events) event();
  }

  /** `terminal` with its callbacks in kernel context, and its failures as Errno. */
  terminal(terminal: HostTerminal): HostTerminal {
    return {
      input: this.#input(terminal.input),
      output: this.#output(terminal.output),
      error: this.#output(terminal.error),
      isTTY: terminal.isTTY,
      size: () => terminal.size(),
      onResize: (callback) => terminal.onResize(() => this.post(callback)),
      setRaw: (raw) => terminal.setRaw(raw),
    };
  }

  #input(input: HostInput): HostInput {
    return {
      isTTY: input.isTTY,
      onInput: (sink) => input.onInput((bytes) => this.post(() => sink(bytes))),
      pause: () => input.pause(),
      resume: () => input.resume(),
    };
  }

  #output(output: HostOutput): HostOutput {
    return {
      isTTY: output.isTTY,
      write: (bytes) => {
        try {
          return output.write(bytes);
        } catch (e) {
          if (!(e instanceof HostFileError)) throw e;
          throw errnoByName(e.code) ?? EIO;
        }
      },
      onDrain: (callback) => output.onDrain(() => this.post(callback)),
    };
  }

  /** `files` with the completions of its asynchronous calls in kernel context. */
  files(files: HostFiles): HostFiles {
    const later =
      (done: HostIoDone): HostIoDone =>
      (error, count) =>
        this.post(() => done(error, count));
    return {
      open: (path, options) => files.open(path, options),
      close: (fd) => files.close(fd),
      read: (fd, buf, bufOff, len, offset) => files.read(fd, buf, bufOff, len, offset),
      write: (fd, buf, bufOff, len, offset) => files.write(fd, buf, bufOff, len, offset),
      fstat: (fd) => files.fstat(fd),
      ftruncate: (fd, size) => files.ftruncate(fd, size),
      fsync: (fd) => files.fsync(fd),
      readAsync: (fd, buf, bufOff, len, offset, done) =>
        files.readAsync(fd, buf, bufOff, len, offset, later(done)),
      writeAsync: (fd, buf, bufOff, len, offset, done) =>
        files.writeAsync(fd, buf, bufOff, len, offset, later(done)),
      fsyncAsync: (fd, done) => files.fsyncAsync(fd, later(done)),
      stat: (path) => files.stat(path),
      lstat: (path) => files.lstat(path),
      readdir: (path) => files.readdir(path),
      readlink: (path) => files.readlink(path),
      mkdir: (path, mode) => files.mkdir(path, mode),
      rmdir: (path) => files.rmdir(path),
      unlink: (path) => files.unlink(path),
      rename: (from, to) => files.rename(from, to),
      link: (existing, path) => files.link(existing, path),
      symlink: (target, path) => files.symlink(target, path),
      chmod: (path, mode) => files.chmod(path, mode),
      utimes: (path, atimeMs, mtimeMs) => files.utimes(path, atimeMs, mtimeMs),
      truncate: (path, size) => files.truncate(path, size),
    };
  }

  /** Signals of the host process, delivered to `handler` in kernel context. */
  onSignal(
    platform: HostPlatform,
    names: readonly HostSignalName[],
    handler: (name: HostSignalName) => void,
  ): void {
    platform.onSignal(names, (name) => this.post(() => handler(name)));
  }
}
