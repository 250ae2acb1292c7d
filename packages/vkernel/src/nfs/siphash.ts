// SPDX-License-Identifier: BSD-3-Clause
/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed checksum of short messages that nobody without the key can make.
 * Words of 64 bits are two int32 halves, since bigints would cost ten times as much.
 * @module
 */

/** Length of a key and of a checksum, bytes. */
export const SIPHASH_KEY = 16;
export const SIPHASH_TAG = 8;

/** v0…v3 as [low, high] pairs. */
type State = Int32Array;

function add(s: State, a: number, b: number): void {
  const low = (s[a]! >>> 0) + (s[b]! >>> 0);
  s[a] = low | 0;
  s[a + 1] = (s[a + 1]! + s[b + 1]! + (low > 0xffff_ffff ? 1 : 0)) | 0;
}
/** v[a] = rotate(v[a], n) ^ v[b] for n < 32. */
function rotateXor(s: State, a: number, n: number, b: number): void {
  const low = s[a]!;
  const high = s[a + 1]!;
  s[a] = ((low << n) | (high >>> (32 - n))) ^ s[b]!;
  s[a + 1] = ((high << n) | (low >>> (32 - n))) ^ s[b + 1]!;
}
function swap(s: State, a: number): void {
  const low = s[a]!;
  s[a] = s[a + 1]!;
  s[a + 1] = low;
}
const V0 = 0;
const V1 = 2;
const V2 = 4;
const V3 = 6;

function round(s: State): void {
  add(s, V0, V1);
  rotateXor(s, V1, 13, V0);
  swap(s, V0);
  add(s, V2, V3);
  rotateXor(s, V3, 16, V2);
  add(s, V0, V3);
  rotateXor(s, V3, 21, V0);
  add(s, V2, V1);
  rotateXor(s, V1, 17, V2);
  swap(s, V2);
}

/** The checksum of `message` under a key of 16 bytes: 8 bytes. */
export function siphash(key: Uint8Array, message: Uint8Array): Uint8Array {
  const k = new DataView(key.buffer, key.byteOffset, SIPHASH_KEY);
  const [k0, k1, k2, k3] = [0, 4, 8, 12].map((at) => k.getInt32(at, true)) as [number, number, number, number];
  const s = Int32Array.of(
    k0 ^ 0x70736575, k1 ^ 0x736f6d65, k2 ^ 0x6e646f6d, k3 ^ 0x646f7261,
    k0 ^ 0x6e657261, k1 ^ 0x6c796765, k2 ^ 0x79746573, k3 ^ 0x74656462,
  );
  // The last word holds what is left over, and the length in its highest byte.
  const words = Math.floor(message.length / 8) + 1;
  const padded = new Uint8Array(words * 8);
  padded.set(message);
  padded[padded.length - 1] = message.length & 0xff;
  const m = new DataView(padded.buffer);
  for (let i = 0; i < words; i++) {
    const low = m.getInt32(8 * i, true);
    const high = m.getInt32(8 * i + 4, true);
    s[V3] = s[V3]! ^ low;
    s[V3 + 1] = s[V3 + 1]! ^ high;
    round(s);
    round(s);
    s[V0] = s[V0]! ^ low;
    s[V0 + 1] = s[V0 + 1]! ^ high;
  }
  s[V2] = s[V2]! ^ 0xff;
  for (let i = 0; i < 4; i++) round(s);
  const tag = new DataView(new ArrayBuffer(SIPHASH_TAG));
  tag.setInt32(0, s[V0]! ^ s[V1]! ^ s[V2]! ^ s[V3]!, true);
  tag.setInt32(4, s[V0 + 1]! ^ s[V1 + 1]! ^ s[V2 + 1]! ^ s[V3 + 1]!, true);
  return new Uint8Array(tag.buffer);
}
