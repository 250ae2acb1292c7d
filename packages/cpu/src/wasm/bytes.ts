// SPDX-License-Identifier: BSD-3-Clause
/**
 * Growing byte buffer with the number encodings of the WebAssembly binary format (LEB128, little-endian floats).
 * Reusable: clear() keeps the storage. Source: WebAssembly core specification §5.2.
 * @module
 */
/** Bytes of a 32-bit number in LEB128 at most. */
const PADDED_BYTES = 5;
const FLOAT_SCRATCH = new DataView(new ArrayBuffer(8));

export class Bytes {
  data: Uint8Array;
  length = 0;

  constructor(capacity = 256) {
    this.data = new Uint8Array(capacity);
  }

  clear(): void {
    this.length = 0;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const need = this.length + count;
    if (need <= this.data.length) return;
    const grown = new Uint8Array(Math.max(need, this.data.length * 2));
    grown.set(this.data.subarray(0, this.length));
    this.data = grown;
  }

  u8(value: number): void {
    if (this.length === this.data.length) this.reserve(1);
    this.data[this.length++] = value;
  }

  /** Unsigned LEB128 of a 32-bit value. */
  u32(value: number): void {
    this.reserve(5);
    let v = value >>> 0;
    while (v > 0x7f) {
      this.data[this.length++] = (v & 0x7f) | 0x80;
      v >>>= 7;
    }
    this.data[this.length++] = v;
  }

  /** Signed LEB128 of a 32-bit value. */
  s32(value: number): void {
    this.reserve(5);
    let v = value | 0;
    for (;;) {
      const b = v & 0x7f;
      v >>= 7;
      if ((v === 0 && (b & 0x40) === 0) || (v === -1 && (b & 0x40) !== 0)) {
        this.data[this.length++] = b;
        return;
      }
      this.data[this.length++] = b | 0x80;
    }
  }

  /** Signed LEB128 of a 32-bit value in five bytes, whatever the value. */
  paddedS32(value: number): void {
    this.reserve(PADDED_BYTES);
    this.length += PADDED_BYTES;
    this.patchS32(this.length - PADDED_BYTES, value);
  }
  /** Replaces what paddedS32() wrote at `at`. */
  patchS32(at: number, value: number): void {
    for (let i = 0; i < PADDED_BYTES; i++) {
      this.data[at + i] = ((value >> (7 * i)) & 0x7f) | (i < PADDED_BYTES - 1 ? 0x80 : 0);
    }
  }

  /** Signed LEB128 of a 64-bit value. */
  s64(value: bigint): void {
    let v = BigInt.asIntN(64, value);
    for (;;) {
      const b = Number(v & 0x7fn);
      v >>= 7n;
      if ((v === 0n && (b & 0x40) === 0) || (v === -1n && (b & 0x40) !== 0)) {
        this.u8(b);
        return;
      }
      this.u8(b | 0x80);
    }
  }

  f32(value: number): void {
    FLOAT_SCRATCH.setFloat32(0, value, true);
    for (let i = 0; i < 4; i++) this.u8(FLOAT_SCRATCH.getUint8(i));
  }

  f64(value: number): void {
    FLOAT_SCRATCH.setFloat64(0, value, true);
    for (let i = 0; i < 8; i++) this.u8(FLOAT_SCRATCH.getUint8(i));
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.data.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** A name: length and UTF-8 bytes. */
  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u32(bytes.length);
    this.append(bytes);
  }

  /** The bytes written so far; a view, valid until the next write. */
  view(): Uint8Array {
    return this.data.subarray(0, this.length);
  }
}
