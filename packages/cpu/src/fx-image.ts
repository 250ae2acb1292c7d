// SPDX-License-Identifier: BSD-3-Clause
/**
 * The 512-byte FXSAVE image: floating-point and SSE state as trap frames, signal frames and other processors carry it.
 *
 * Source: SDM vol. 1 table 10-2.
 * @module
 */
import * as S from "./state.ts";

export const FX_IMAGE_BYTES = 512;

const FX_FCW = 0;
const FX_FSW = 2;
const FX_FTW = 4;
const FX_FOP = 6;
const FX_FIP = 8;
const FX_FCS = 12;
const FX_FDP = 16;
const FX_FDS = 20;
const FX_MXCSR = 24;
const FX_MXCSR_MASK = 28;
const FX_ST = 32;
const FX_XMM = 160;

/** Bits of MXCSR that exist. */
export const MXCSR_MASK = 0xffff;

const EXCEPTIONS = 0x3f;
/** FSW without TOP, ES and B. */
const FSW_PLAIN = 0x477f;
const FSW_SUMMARY = 0x8080;

function requireImage(image: Uint8Array): DataView {
  if (image.length < FX_IMAGE_BYTES)
    throw new RangeError(`FXSAVE image: ${image.length} bytes, ${FX_IMAGE_BYTES} needed`);
  return new DataView(image.buffer, image.byteOffset, FX_IMAGE_BYTES);
}

/** Writes the state in `words` (the state block as 32-bit words) to `image`; bytes that the format leaves unused become 0. */
export function saveFxImage(words: Int32Array, image: Uint8Array): void {
  const dv = requireImage(image);
  const word = (offset: number): number => words[offset >> 2]!;
  image.fill(0, 0, FX_IMAGE_BYTES);
  const top = word(S.FTOP);
  dv.setUint16(FX_FCW, word(S.FCW), true);
  dv.setUint16(FX_FSW, word(S.FSW) | (top << 11), true);
  dv.setUint8(FX_FTW, word(S.FTW));
  dv.setUint16(FX_FOP, word(S.FOP), true);
  dv.setUint32(FX_FIP, word(S.FIP), true);
  dv.setUint16(FX_FCS, word(S.FCS), true);
  dv.setUint32(FX_FDP, word(S.FDP), true);
  dv.setUint16(FX_FDS, word(S.FDS), true);
  dv.setUint32(FX_MXCSR, word(S.MXCSR), true);
  dv.setUint32(FX_MXCSR_MASK, MXCSR_MASK, true);
  for (let i = 0; i < 8; i++) {
    const from = S.X87 + 16 * ((top + i) & 7);
    dv.setInt32(FX_ST + 16 * i, word(from), true);
    dv.setInt32(FX_ST + 16 * i + 4, word(from + 4), true);
    dv.setUint16(FX_ST + 16 * i + 8, word(from + 8), true);
    for (let at = 0; at < 16; at += 4) dv.setInt32(FX_XMM + 16 * i + at, word(S.XMM + 16 * i + at), true);
  }
}

/**
 * Loads the state from `image`. Nothing in an image is refused: bits that do not exist are dropped, and the error summary follows
 * from the exceptions pending and their masks.
 */
export function restoreFxImage(words: Int32Array, image: Uint8Array): void {
  const dv = requireImage(image);
  const set = (offset: number, value: number): void => {
    words[offset >> 2] = value;
  };
  const fcw = (dv.getUint16(FX_FCW, true) & 0x1f3f) | 0x40;
  const fsw = dv.getUint16(FX_FSW, true);
  const top = (fsw >> 11) & 7;
  set(S.FCW, fcw);
  set(S.FSW, (fsw & FSW_PLAIN) | ((fsw & ~fcw & EXCEPTIONS) !== 0 ? FSW_SUMMARY : 0));
  set(S.FTOP, top);
  set(S.FTW, dv.getUint8(FX_FTW));
  set(S.FOP, dv.getUint16(FX_FOP, true) & 0x7ff);
  set(S.FIP, dv.getInt32(FX_FIP, true));
  set(S.FCS, dv.getUint16(FX_FCS, true));
  set(S.FDP, dv.getInt32(FX_FDP, true));
  set(S.FDS, dv.getUint16(FX_FDS, true));
  set(S.MXCSR, dv.getInt32(FX_MXCSR, true) & MXCSR_MASK);
  for (let i = 0; i < 8; i++) {
    const to = S.X87 + 16 * ((top + i) & 7);
    set(to, dv.getInt32(FX_ST + 16 * i, true));
    set(to + 4, dv.getInt32(FX_ST + 16 * i + 4, true));
    set(to + 8, dv.getUint16(FX_ST + 16 * i + 8, true));
    for (let at = 0; at < 16; at += 4) set(S.XMM + 16 * i + at, dv.getInt32(FX_XMM + 16 * i + at, true));
  }
}
