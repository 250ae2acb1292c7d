// SPDX-License-Identifier: BSD-3-Clause
/**
 * The `-i` file. DragonFly maps it as the machine's memory; here memory is the processor's, and the file receives
 * it when the machine stops, a panic included: offset = physical address, as there. It starts as all holes.
 * @module
 */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";

const PAGE = 4096;

export class MemoryImageFile {
  readonly #fd: number;

  /** Creates or empties the file and gives it the size of the memory. */
  constructor(file: string, bytes: number) {
    this.#fd = openSync(file, "w", 0o600);
    ftruncateSync(this.#fd, bytes);
  }

  /** Writes every page that is not all zero, and closes the file. */
  save(memory: Uint8Array): void {
    const words = new BigUint64Array(memory.buffer, memory.byteOffset, memory.byteLength >>> 3);
    try {
      let start = -1;
      for (let at = 0; at <= memory.byteLength; at += PAGE) {
        let used = false;
        if (at < memory.byteLength) {
          for (let w = at >>> 3; w < (at + PAGE) >>> 3 && !used; w++) used = words[w] !== 0n;
        }
        if (used && start < 0) start = at;
        if (!used && start >= 0) {
          writeSync(this.#fd, memory, start, at - start, start);
          start = -1;
        }
      }
    } finally {
      closeSync(this.#fd);
    }
  }
}
