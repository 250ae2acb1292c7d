// SPDX-License-Identifier: BSD-3-Clause
/**
 * The terminal or streams of the process, which others may watch and type into while the machine runs (`vkernel attach`,
 * `vkernel logs`).
 */
import type { HostInput, HostOutput, HostTerminal, WindowSize } from "@vkernel/hostkernel";
import { NodePlatform } from "@vkernel/hostkernel/node";

/** Bytes of output that are kept for those who ask later. */
const KEPT = 1 << 20;

/** The last output. */
export class OutputLog {
  #pieces: Uint8Array[] = [];
  #length = 0;
  readonly #watchers = new Set<(bytes: Uint8Array) => void>();

  append(bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.#pieces.push(copy);
    this.#length += copy.length;
    while (this.#length - this.#pieces[0]!.length >= KEPT) this.#length -= this.#pieces.shift()!.length;
    for (const watcher of this.#watchers) watcher(copy);
  }
  get bytes(): Buffer {
    return Buffer.concat(this.#pieces);
  }
  /** Calls `watcher` for all output from now on; returns what ends that. */
  watch(watcher: (bytes: Uint8Array) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

class LoggedOutput implements HostOutput {
  readonly #output: HostOutput;
  readonly #log: OutputLog;
  constructor(output: HostOutput, log: OutputLog) {
    this.#output = output;
    this.#log = log;
  }
  get isTTY(): boolean {
    return this.#output.isTTY;
  }
  write(bytes: Uint8Array): boolean {
    this.#log.append(bytes);
    return this.#output.write(bytes);
  }
  onDrain(callback: () => void): void {
    this.#output.onDrain(callback);
  }
}

class SharedInput implements HostInput {
  readonly #input: HostInput;
  #sink: ((bytes: Uint8Array | null) => void) | null = null;
  constructor(input: HostInput) {
    this.#input = input;
  }
  get isTTY(): boolean {
    return this.#input.isTTY;
  }
  onInput(sink: (bytes: Uint8Array | null) => void): void {
    this.#sink = sink;
    this.#input.onInput(sink);
  }
  pause(): void {
    this.#input.pause();
  }
  resume(): void {
    this.#input.resume();
  }
  /** Input from elsewhere; lost while nobody reads. */
  inject(bytes: Uint8Array): void {
    this.#sink?.(bytes);
  }
}

export class SharedTerminal implements HostTerminal {
  readonly log = new OutputLog();
  readonly input: SharedInput;
  readonly output: HostOutput;
  readonly error: HostOutput;
  readonly #terminal: HostTerminal;
  constructor(terminal: HostTerminal) {
    this.#terminal = terminal;
    this.input = new SharedInput(terminal.input);
    this.output = new LoggedOutput(terminal.output, this.log);
    this.error = new LoggedOutput(terminal.error, this.log);
  }
  get isTTY(): boolean {
    return this.#terminal.isTTY;
  }
  size(): WindowSize {
    return this.#terminal.size();
  }
  onResize(callback: () => void): void {
    this.#terminal.onResize(callback);
  }
  setRaw(raw: boolean): void {
    this.#terminal.setRaw(raw);
  }
}

/** The process as a platform whose terminal is shared. */
export class SharedPlatform extends NodePlatform {
  override readonly terminal: SharedTerminal = new SharedTerminal(new NodePlatform().terminal);
}
