// SPDX-License-Identifier: BSD-3-Clause
/**
 * Linux's signal numbers, sets and action flags against the native ones (Linux include/uapi/asm-generic/signal.h).
 * @module
 */
import {
  SA_NOCLDSTOP,
  SA_NOCLDWAIT,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTART,
  SA_SIGINFO,
  SIGMAX,
  SIGPWR,
  SIGRT_FIRST,
  SIGRT_LAST,
  SIGSTKFLT,
  type Sigset,
} from "../../sys/signal.ts";

export const LINUX_NSIG = 64;
const SIGRTMIN = 32;

//                         0  1  2  3  4  5  6   7  8  9  10  11  12  13  14  15         16  17  18  19  20  21  22  23
const LINUX_TO_NATIVE = [0, 1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15, SIGSTKFLT, 20, 19, 17, 18, 21, 22, 16,
  // 24  25  26  27  28  29      30  31
  24, 25, 26, 27, 28, 23, SIGPWR, 12];

const toNative = new Uint8Array(LINUX_NSIG + 1);
const toLinux = new Uint8Array(SIGMAX + 1);
for (let n = 1; n <= LINUX_NSIG; n++) {
  const native = n < SIGRTMIN ? LINUX_TO_NATIVE[n]! : n - SIGRTMIN + SIGRT_FIRST;
  toNative[n] = native;
  toLinux[native] = n;
}
if (SIGRT_LAST - SIGRT_FIRST !== LINUX_NSIG - SIGRTMIN) throw new Error("real-time signals do not fit");

/** Native number of a Linux signal; 0 for numbers that are none. */
export function nativeSigno(n: number): number {
  return n >= 1 && n <= LINUX_NSIG ? toNative[n]! : 0;
}
/** Linux number of a native signal; 0 for those Linux does not have. */
export function linuxSigno(sig: number): number {
  return sig >= 1 && sig <= SIGMAX ? toLinux[sig]! : 0;
}

/** Spreads a Linux set (two words) into a native one. */
export function nativeSigset(lo: number, hi: number, to: Sigset): Sigset {
  to[0] = 0;
  to[1] = 0;
  to[2] = 0;
  to[3] = 0;
  for (let w = lo; w !== 0; w &= w - 1) setBit(to, toNative[32 - Math.clz32(w & -w)]!);
  for (let w = hi; w !== 0; w &= w - 1) setBit(to, toNative[64 - Math.clz32(w & -w)]!);
  return to;
}
function setBit(to: Sigset, sig: number): void {
  to[(sig - 1) >> 5]! |= 1 << ((sig - 1) & 31);
}

/** Collects a native set into Linux's two words. */
export function linuxSigset(from: Sigset, to: Int32Array): Int32Array {
  to[0] = 0;
  to[1] = 0;
  for (let i = 0; i < 4; i++) {
    for (let w = from[i]!; w !== 0; w &= w - 1) {
      const n = linuxSigno(i * 32 + 32 - Math.clz32(w & -w));
      if (n !== 0) to[(n - 1) >> 5]! |= 1 << ((n - 1) & 31);
    }
  }
  return to;
}

export const LINUX_SA_RESTORER = 0x0400_0000;
const FLAGS: readonly (readonly [linux: number, native: number])[] = [
  [0x0000_0001, SA_NOCLDSTOP],
  [0x0000_0002, SA_NOCLDWAIT],
  [0x0000_0004, SA_SIGINFO],
  [0x0800_0000, SA_ONSTACK],
  [0x1000_0000, SA_RESTART],
  [0x4000_0000, SA_NODEFER],
  [-0x8000_0000, SA_RESETHAND],
];

export function nativeSaFlags(flags: number): number {
  let out = 0;
  for (const [linux, native] of FLAGS) if ((flags & linux) !== 0) out |= native;
  return out;
}
export function linuxSaFlags(flags: number): number {
  let out = 0;
  for (const [linux, native] of FLAGS) if ((flags & native) !== 0) out |= linux;
  return out;
}
