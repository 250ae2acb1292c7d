// SPDX-License-Identifier: BSD-3-Clause
/** ssh's escapes: "~." at the beginning of a line leaves, "~~" is one "~". */

const TILDE = 0x7e;
const DOT = 0x2e;
const CR = 0x0d;
const LF = 0x0a;

export class Escapes {
  #atStart = true;
  #held = false;

  /** What of the keys is to be passed on; null when they say to leave. */
  filter(bytes: Uint8Array): Uint8Array | null {
    const passed: number[] = [];
    for (const byte of bytes) {
      if (this.#held) {
        this.#held = false;
        if (byte === DOT) return null;
        passed.push(TILDE);
        if (byte !== TILDE) passed.push(byte);
      } else if (this.#atStart && byte === TILDE) {
        this.#held = true;
        continue;
      } else passed.push(byte);
      this.#atStart = byte === CR || byte === LF;
    }
    return Uint8Array.from(passed);
  }
}
