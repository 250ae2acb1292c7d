// SPDX-License-Identifier: BSD-3-Clause
/** The floating-point state of a new Linux image: extended precision, all exceptions masked (Linux fpu/init.c). */

const FPU_CW = 0x37f;
const MXCSR = 0x1f80;
const MXCSR_MASK = 0xffff;

function initialFx(): Uint8Array {
  const image = new Uint8Array(512);
  const dv = new DataView(image.buffer);
  dv.setUint16(0, FPU_CW, true);
  dv.setUint32(24, MXCSR, true);
  dv.setUint32(28, MXCSR_MASK, true);
  return image;
}

/** The FXSAVE image (512 bytes) of a thread that has not used floating point; not to be changed. */
export const INITIAL_FX = initialFx();
