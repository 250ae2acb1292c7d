// SPDX-License-Identifier: BSD-3-Clause
/** The terminal or streams of a client of the control socket, for the program that it has started. */
import type { HostInput, HostOutput, HostTerminal, WindowSize } from "@vkernel/hostkernel";
import type { Socket } from "node:net";
import { DATA, ERROR_DATA, send, type TerminalSize } from "./frames.ts";

/** Frames of input that wait for a program that has not read yet. */
const MOST_EARLY = 64;

export class SessionTerminal implements HostTerminal {
  readonly isTTY: boolean;
  readonly input: HostInput;
  readonly output: HostOutput;
  readonly error: HostOutput;
  #size: WindowSize;
  #sink: ((bytes: Uint8Array | null) => void) | null = null;
  /** What has come before anybody reads. */
  readonly #early: (Uint8Array | null)[] = [];
  readonly #resized: (() => void)[] = [];
  readonly #drained: (() => void)[] = [];
  #closed = false;
  readonly #socket: Socket;

  /** `size` null: streams, and no terminal. */
  constructor(socket: Socket, size: TerminalSize | null) {
    this.#socket = socket;
    this.isTTY = size !== null;
    this.#size = size ?? { rows: 0, cols: 0 };
    const { isTTY } = this;
    this.input = {
      isTTY,
      onInput: (sink) => {
        this.#sink = sink;
        for (const bytes of this.#early.splice(0)) sink(bytes);
        socket.resume();
      },
      pause: () => socket.pause(),
      resume: () => socket.resume(),
    };
    const output = (type: number): HostOutput => ({
      isTTY,
      write: (bytes) => this.#closed || send(socket, type, bytes),
      onDrain: (callback) => this.#drained.push(callback),
    });
    this.output = output(DATA);
    this.error = output(ERROR_DATA);
    socket.on("drain", () => this.#drain());
  }

  #drain(): void {
    for (const callback of this.#drained) callback();
  }
  size(): WindowSize {
    return this.#size;
  }
  onResize(callback: () => void): void {
    this.#resized.push(callback);
  }
  /** The client's terminal is the client's business. */
  setRaw(): void {}

  /** Input of the client; null is its end. */
  receive(bytes: Uint8Array | null): void {
    if (this.#sink !== null) {
      this.#sink(bytes);
      return;
    }
    this.#early.push(bytes);
    if (this.#early.length >= MOST_EARLY) this.#socket.pause();
  }
  resize(size: TerminalSize): void {
    this.#size = size;
    for (const callback of this.#resized) callback();
  }
  /** The client has gone: input ends, and output goes nowhere. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.receive(null);
    this.#drain();
  }
}
