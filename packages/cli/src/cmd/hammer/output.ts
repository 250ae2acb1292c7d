// SPDX-License-Identifier: BSD-3-Clause
/** Standard output for tools that print many short pieces: collected into large writes, in order. */
import { writeSync } from "node:fs";

const LIMIT = 1 << 16;

/** `print` collects byte strings, `flush` writes what is left. Writes synchronously, so that nothing piles up in memory. */
export function bufferedOutput(): { print(text: string): void; flush(): void } {
  let pieces: string[] = [];
  let size = 0;
  const flush = (): void => {
    const bytes = Buffer.from(pieces.join(""), "latin1");
    pieces = [];
    size = 0;
    for (let at = 0; at < bytes.length;) {
      try {
        at += writeSync(1, bytes, at);
      } catch (e) {
        const { code } = e as NodeJS.ErrnoException;
        if (code === "EPIPE") process.exit(128 + 13);
        if (code !== "EAGAIN") throw e; // a pipe in non-blocking mode that is full
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
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
