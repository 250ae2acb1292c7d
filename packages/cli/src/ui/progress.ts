// SPDX-License-Identifier: BSD-3-Clause
/** How far something long has come, on a terminal: one line of standard error, rewritten now and then. */
import { formatSize } from "./size.ts";

const EVERY_MS = 200;

/** One line of standard error that is written over, at most every 200 ms. Nothing where that is no terminal. */
class StatusLine {
  readonly #terminal = process.stderr.isTTY;
  #shown = 0;

  show(text: () => string): void {
    if (!this.#terminal) return;
    const now = Date.now();
    if (now - this.#shown < EVERY_MS) return;
    this.#shown = now;
    process.stderr.write(`\r${text().slice(0, (process.stderr.columns ?? 80) - 1)}\u001b[K`);
  }

  /** Takes the line away. */
  clear(): void {
    if (this.#shown !== 0) process.stderr.write("\r\u001b[K");
    this.#shown = 0;
  }
}

/** A count of bytes on the terminal. */
export class ByteProgress {
  readonly #what: string;
  readonly #line = new StatusLine();
  #bytes = 0;

  constructor(what: string) { this.#what = what; }

  add(bytes: number): void {
    this.#bytes += bytes;
    this.#line.show(() => `${this.#what}: ${formatSize(this.#bytes)}`);
  }

  /** Takes the line away. */
  end(): void { this.#line.clear(); }
}

/** The steps of something that takes minutes: a line for each, for logs too, and on a terminal what it is at. */
export class StepProgress {
  readonly #what: string;
  readonly #line = new StatusLine();
  #step = "";

  constructor(what: string) { this.#what = what; }

  /** Begins a step. */
  step(text: string): void {
    this.end();
    this.#step = text;
    process.stderr.write(`${this.#what}: ${text}\n`);
  }

  /** How far the step is. */
  at(text: string): void { this.#line.show(() => `${this.#what}: ${this.#step}: ${text}`); }

  /** Writes a line of its own. */
  note(text: string): void {
    this.end();
    process.stderr.write(`${this.#what}: ${text}\n`);
  }

  end(): void { this.#line.clear(); }
}
