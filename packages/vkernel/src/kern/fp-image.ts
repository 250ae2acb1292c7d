// SPDX-License-Identifier: BSD-3-Clause
/**
 * Floating-point state in the two forms that programs and debuggers know, FSAVE (x87 alone) and FXSAVE (SDM vol. 1 §8.1.10, §10.5.1),
 * and that of a thread that does not run.
 * @module
 */
import { EIO } from "../sys/errno.ts";
import type { Lwp } from "./proc.ts";

/** Bytes of an FSAVE image with the status and magic words that Linux adds, of the part that debuggers see, and of FXSAVE's. */
export const FSAVE_BYTES = 112;
export const FP_BYTES = 108;
export const FX_BYTES = 512;
/** Reserved bits of MXCSR, which would fault when the state is loaded, are those outside. */
const MXCSR_VALID = 0xffbf;

/** The FXSAVE image. */
export function getFx(lp: Lwp): Uint8Array {
  lp.k.machine.fpSave(lp);
  return lp.fp.slice();
}
export function setFx(lp: Lwp, image: Uint8Array): void {
  const view = new DataView(image.buffer, image.byteOffset, FX_BYTES);
  if ((view.getUint32(24, true) & ~MXCSR_VALID) !== 0) throw EIO;
  lp.k.machine.fpSave(lp);
  lp.fp.set(image);
  lp.k.machine.fpRestore(lp);
}

/** The x87 registers in FSAVE's form. */
export function getFp(lp: Lwp): Uint8Array {
  const out = new Uint8Array(FSAVE_BYTES);
  fxToFsave(getFx(lp), new DataView(out.buffer), 0);
  return out.subarray(0, FP_BYTES);
}
export function setFp(lp: Lwp, image: Uint8Array): void {
  const both = new Uint8Array(FSAVE_BYTES + FX_BYTES);
  both.set(image);
  both.set(getFx(lp), FSAVE_BYTES);
  fsaveToFx(new DataView(both.buffer));
  setFx(lp, both.subarray(FSAVE_BYTES));
}

/* FSAVE: cwd 0, swd 4, twd 8, fip 12, fcs 16, foo 20, fos 24, st0…7 at 28 + 10 i, status 108, magic 110. */
/* FXSAVE: fcw 0, fsw 2, abridged tags 4, fop 6, fip 8, fcs 12, foo 16, fos 20, mxcsr 24, st at 32 + 16 i. */

/** Writes the FSAVE form (FSAVE_BYTES) of an FXSAVE image to `dv`. */
export function fxToFsave(fx: Uint8Array, dv: DataView, at: number): void {
  const f = new DataView(fx.buffer, fx.byteOffset, FX_BYTES);
  dv.setUint32(at, f.getUint16(0, true) | 0xffff0000, true);
  dv.setUint32(at + 4, f.getUint16(2, true) | 0xffff0000, true);
  dv.setUint32(at + 8, fullTags(f) | 0xffff0000, true);
  dv.setUint32(at + 12, f.getUint32(8, true), true);
  dv.setUint32(at + 16, (f.getUint16(12, true) | (f.getUint16(6, true) << 16)) >>> 0, true);
  dv.setUint32(at + 20, f.getUint32(16, true), true);
  dv.setUint32(at + 24, f.getUint16(20, true) | 0xffff0000, true);
  for (let i = 0; i < 8; i++) {
    dv.setUint32(at + 28 + 10 * i, f.getUint32(32 + 16 * i, true), true);
    dv.setUint32(at + 32 + 10 * i, f.getUint32(36 + 16 * i, true), true);
    dv.setUint16(at + 36 + 10 * i, f.getUint16(40 + 16 * i, true), true);
  }
  dv.setUint16(at + 108, f.getUint16(2, true), true);
  dv.setUint16(at + 110, 0, true);
}

/** Lays the FSAVE image at the start of `dv` over the FXSAVE image that follows it (at FSAVE_BYTES). */
export function fsaveToFx(dv: DataView): void {
  const to = FSAVE_BYTES;
  dv.setUint16(to, dv.getUint16(0, true), true);
  dv.setUint16(to + 2, dv.getUint16(4, true), true);
  const twd = dv.getUint16(8, true);
  let abridged = 0;
  for (let i = 0; i < 8; i++) if (((twd >> (2 * i)) & 3) !== 3) abridged |= 1 << i;
  dv.setUint16(to + 4, abridged, true);
  dv.setUint16(to + 6, dv.getUint16(18, true), true);
  dv.setUint32(to + 8, dv.getUint32(12, true), true);
  dv.setUint16(to + 12, dv.getUint16(16, true), true);
  dv.setUint32(to + 16, dv.getUint32(20, true), true);
  dv.setUint16(to + 20, dv.getUint16(24, true), true);
  for (let i = 0; i < 8; i++) {
    dv.setUint32(to + 32 + 16 * i, dv.getUint32(28 + 10 * i, true), true);
    dv.setUint32(to + 36 + 16 * i, dv.getUint32(32 + 10 * i, true), true);
    dv.setUint16(to + 40 + 16 * i, dv.getUint16(36 + 10 * i, true), true);
  }
}

/** The 16-bit tag word of FSAVE from FXSAVE's one bit for each register (SDM 1 §10.5.1.1). */
function fullTags(f: DataView): number {
  const abridged = f.getUint8(4);
  const top = (f.getUint16(2, true) >> 11) & 7;
  let tags = 0;
  for (let i = 0; i < 8; i++) {
    let tag = 3;
    if ((abridged & (1 << i)) !== 0) {
      const st = 32 + 16 * ((i - top) & 7);
      const exp = f.getUint16(st + 8, true) & 0x7fff;
      const hi = f.getUint32(st + 4, true);
      const lo = f.getUint32(st, true);
      if (exp === 0x7fff) tag = 2;
      else if (exp === 0) tag = hi === 0 && lo === 0 ? 1 : 2;
      else tag = hi >>> 31 === 1 ? 0 : 2;
    }
    tags |= tag << (2 * i);
  }
  return tags;
}
