// SPDX-License-Identifier: BSD-3-Clause
/** Small structures of the i386 Linux interface, to and from user memory. Times are ns as numbers. */
import { EINVAL } from "../../sys/errno.ts";
import { copyinWords, copyoutWords } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import { nativeSigset } from "./signo.ts";
import { sigcantmask, sigset, type Sigset } from "../../sys/signal.ts";

export const NS = 1_000_000_000;
const TWO32 = 4294967296;

/** Holds a structure on its way to or from user memory; valid within one function. */
const $scratchWords = new Int32Array(4);

const words = (lp: Lwp, uaddr: number, n: number): Int32Array => {
  copyinWords(lp.proc.vmspace!, uaddr, $scratchWords, n);
  return $scratchWords;
};

/** struct timespec, 8 bytes. Throws EINVAL for a negative time or bad nanoseconds. */
export function getTimespec(lp: Lwp, uaddr: number): number {
  const w = words(lp, uaddr, 2);
  return timespecNs(w[0]!, w[1]!);
}
/** struct __kernel_timespec, 16 bytes. */
export function getTimespec64(lp: Lwp, uaddr: number): number {
  const w = words(lp, uaddr, 4);
  // The upper half of tv_nsec is padding for 32-bit programs.
  return timespecNs(w[1]! * TWO32 + (w[0]! >>> 0), w[2]!);
}
function timespecNs(sec: number, nsec: number): number {
  if (sec < 0 || nsec < 0 || nsec >= NS) throw EINVAL;
  return sec * NS + nsec;
}
export function getTimeval(lp: Lwp, uaddr: number): number {
  const w = words(lp, uaddr, 2);
  if (w[0]! < 0 || w[1]! < 0 || w[1]! >= 1_000_000) throw EINVAL;
  return w[0]! * NS + w[1]! * 1000;
}

export function putTimespec(lp: Lwp, uaddr: number, ns: number): void {
  const sec = Math.floor(ns / NS);
  $scratchWords[0] = sec;
  $scratchWords[1] = ns - sec * NS;
  copyoutWords(lp.proc.vmspace!, $scratchWords, uaddr, 2);
}
export function putTimespec64(lp: Lwp, uaddr: number, ns: number): void {
  const sec = Math.floor(ns / NS);
  $scratchWords[0] = sec;
  $scratchWords[1] = Math.floor(sec / TWO32);
  $scratchWords[2] = ns - sec * NS;
  $scratchWords[3] = 0;
  copyoutWords(lp.proc.vmspace!, $scratchWords, uaddr, 4);
}
export function putTimeval(lp: Lwp, uaddr: number, ns: number): void {
  const us = Math.floor(ns / 1000);
  const sec = Math.floor(us / 1e6);
  $scratchWords[0] = sec;
  $scratchWords[1] = us - sec * 1e6;
  copyoutWords(lp.proc.vmspace!, $scratchWords, uaddr, 2);
}

/** sigset_t of 8 bytes, without SIGKILL and SIGSTOP. */
export function getSigset(lp: Lwp, uaddr: number): Sigset {
  const w = words(lp, uaddr, 2);
  const set = nativeSigset(w[0]!, w[1]!, sigset());
  sigcantmask(set);
  return set;
}

/** Splits ns into whole clock ticks of 10 ms. */
export function ticks(ns: number): number {
  return Math.floor(ns / 1e7);
}
