// SPDX-License-Identifier: BSD-3-Clause
/** How far something long has come, on a terminal and nowhere else: one line of standard error, rewritten now and then. */
import { formatSize } from "./size.ts";

const EVERY_MS = 200;

/** A count of bytes on the terminal. */
export class ByteProgress {
  readonly #what: string;
  readonly #terminal = process.stderr.isTTY;
  #bytes = 0;
  #shown = 0;

  constructor(what: string) { this.#what = what; }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (!this.#terminal) return;
    const now = Date.now();
    if (now - this.#shown < EVERY_MS) return;
    this.#shown = now;
    process.stderr.write(`\r${this.#what}: ${formatSize(this.#bytes)}\u001b[K`);
  }

  /** Takes the line away. */
  end(): void {
    if (this.#shown !== 0) process.stderr.write("\r\u001b[K");
    this.#shown = 0;
  }
}
