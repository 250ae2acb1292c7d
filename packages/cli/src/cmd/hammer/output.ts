// SPDX-License-Identifier: BSD-3-Clause
/** Standard output for tools that print many short pieces, or bytes: in large writes, in order. */
import { readSync, writeSync } from "node:fs";

const LIMIT = 1 << 16;
const PIECE = 1 << 18;

/** Writes all bytes to standard output before it returns, so that nothing piles up in memory. */
export function writeOutput(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException;
      if (code === "EPIPE") process.exit(128 + 13);
      if (code !== "EAGAIN") throw e; // a pipe in non-blocking mode that is full
      pause();
    }
  }
}

/** Standard input in pieces, as it comes. */
export function* readInput(): Generator<Uint8Array> {
  const buf = Buffer.alloc(PIECE);
  for (;;) {
    let n: number;
    try {
      n = readSync(0, buf, 0, buf.length, null);
    } catch (e) {
      const { code } = e as NodeJS.ErrnoException;
      if (code === "EOF") return;
      if (code !== "EAGAIN") throw e; // a pipe in non-blocking mode that is empty
      pause();
      continue;
    }
    if (n === 0) return;
    yield buf.subarray(0, n);
  }
}

function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
}

/** `print` collects byte strings, `flush` writes what is left. */
export function bufferedOutput(): { print(text: string): void; flush(): void } {
  let pieces: string[] = [];
  let size = 0;
  const flush = (): void => {
    const bytes = Buffer.from(pieces.join(""), "latin1");
    pieces = [];
    size = 0;
    writeOutput(bytes);
  };
  return {
    print(text) {
      pieces.push(text);
      size += text.length;
      if (size >= LIMIT) flush();
    },
    flush,
  };
}
