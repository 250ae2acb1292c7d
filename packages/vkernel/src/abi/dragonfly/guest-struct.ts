// SPDX-License-Identifier: BSD-3-Clause
/**
 * Structures of the DragonFly/i386 interface to and from user memory. Layouts: DragonFly 2.0 sys/sys/{stat,dirent,
 * mount,resource,time}.h compiled for i386, where 64-bit fields are aligned to 4 bytes. Times are ns as numbers.
 * @module
 */
import { EINVAL } from "../../sys/errno.ts";
import { sigcantmask, sigset, type Sigset } from "../../sys/signal.ts";
import { VTTOIF } from "../../sys/stat.ts";
import type { Mount, Statfs } from "../../vfs/mount.ts";
import type { Vattr } from "../../vfs/vnode.ts";
import { copyin, copyinstr, copyinWords, copyout, copyoutWords } from "../../vm/copyio.ts";
import { Uio } from "../../vm/uio.ts";
import type { Lwp } from "../../kern/proc.ts";

export const NS = 1_000_000_000;
export const TWO32 = 4294967296;
/** MAXPATHLEN */
export const PATH_MAX = 1024;

/** A path argument, as a byte string. Throws EFAULT, ENAMETOOLONG. */
export function getPath(lp: Lwp, uaddr: number): string {
  return copyinstr(lp.proc.vmspace!, uaddr, PATH_MAX);
}

export function getWords(lp: Lwp, uaddr: number, n: number): Int32Array {
  const w = new Int32Array(n);
  copyinWords(lp.proc.vmspace!, uaddr, w, n);
  return w;
}
export function putWords(lp: Lwp, uaddr: number, ...w: number[]): void {
  copyoutWords(lp.proc.vmspace!, Int32Array.from(w), uaddr, w.length);
}
export function putBytes(lp: Lwp, uaddr: number, bytes: Uint8Array): void {
  copyout(lp.proc.vmspace!, bytes, 0, uaddr, bytes.length);
}
export function getBytes(lp: Lwp, uaddr: number, len: number): Uint8Array {
  const b = new Uint8Array(len);
  copyin(lp.proc.vmspace!, uaddr, b, 0, len);
  return b;
}

/** A signed 64-bit argument of two words, low first. */
export function off64At(lo: number, hi: number): number {
  return hi * TWO32 + (lo >>> 0);
}
/** Returns the low word of a 64-bit result and leaves the high one in rv1. */
export function ret64(lp: Lwp, v: number): number {
  lp.rv1 = Math.floor(v / TWO32) | 0;
  return v | 0;
}

/** Writes a byte string and its NUL into a field of `size` bytes, cut to fit. */
export function putField(b: Uint8Array, at: number, size: number, s: string): void {
  const n = Math.min(s.length, size - 1);
  for (let i = 0; i < n; i++) b[at + i] = s.charCodeAt(i);
}

// ---------------------------------------------------------------------------------------------------------
// Time

/** struct timespec. Throws EINVAL for a negative time or bad nanoseconds. */
export function getTimespec(lp: Lwp, uaddr: number): number {
  const w = getWords(lp, uaddr, 2);
  if (w[0]! < 0 || w[1]! < 0 || w[1]! >= NS) throw EINVAL;
  return w[0]! * NS + w[1]!;
}
export function putTimespec(lp: Lwp, uaddr: number, ns: number): void {
  const sec = Math.floor(ns / NS);
  putWords(lp, uaddr, sec, Math.floor(ns - sec * NS));
}
export function getTimeval(lp: Lwp, uaddr: number): number {
  const w = getWords(lp, uaddr, 2);
  if (w[0]! < 0 || w[1]! < 0 || w[1]! >= 1_000_000) throw EINVAL;
  return w[0]! * NS + w[1]! * 1000;
}
export function putTimeval(lp: Lwp, uaddr: number, ns: number): void {
  const us = Math.floor(ns / 1000);
  const sec = Math.floor(us / 1e6);
  putWords(lp, uaddr, sec, us - sec * 1e6);
}

// ---------------------------------------------------------------------------------------------------------
// Signals

/** sigset_t, 16 bytes, without SIGKILL and SIGSTOP; signals that only other ABIs have cannot be named. */
export function getSigset(lp: Lwp, uaddr: number): Sigset {
  const set = sigset();
  copyinWords(lp.proc.vmspace!, uaddr, set, 4);
  set[1]! &= NATIVE_HIGH;
  set[2] = 0;
  set[3] = 0;
  sigcantmask(set);
  return set;
}
/** Signals 33 and 34 in the second word of a set. */
export const NATIVE_HIGH = 3;

export function putSigset(lp: Lwp, uaddr: number, set: Sigset): void {
  putWords(lp, uaddr, set[0]!, set[1]! & NATIVE_HIGH, 0, 0);
}

// ---------------------------------------------------------------------------------------------------------
// Files

export const STAT_SIZE = 104;

/** struct stat of 1.4 and later (475-478). */
export function encodeStat(va: Vattr): Uint8Array {
  const b = new Uint8Array(STAT_SIZE);
  const dv = new DataView(b.buffer);
  put64(dv, 0, va.fileid);
  dv.setUint32(8, va.nlink, true);
  dv.setUint32(12, va.fsid, true);
  dv.setUint16(16, VTTOIF[va.type]! | va.mode, true);
  dv.setUint32(20, va.uid, true);
  dv.setUint32(24, va.gid, true);
  dv.setUint32(28, va.rdev, true);
  putTimes(dv, 32, va);
  put64(dv, 56, va.size);
  put64(dv, 64, Math.ceil(va.bytes / 512));
  dv.setUint32(72, va.blocksize, true);
  dv.setUint32(76, va.flags, true);
  return b;
}

export const STAT12_SIZE = 96;

/** struct stat of releases 1.0 to 1.2 (188-190): inode and link numbers are cut. */
export function encodeStat12(va: Vattr): Uint8Array {
  const b = new Uint8Array(STAT12_SIZE);
  const dv = new DataView(b.buffer);
  dv.setUint32(0, va.fsid, true);
  dv.setUint32(4, va.fileid % TWO32, true);
  dv.setUint16(8, VTTOIF[va.type]! | va.mode, true);
  dv.setUint16(10, Math.min(va.nlink, 0xffff), true);
  dv.setUint32(12, va.uid, true);
  dv.setUint32(16, va.gid, true);
  dv.setUint32(20, va.rdev, true);
  putTimes(dv, 24, va);
  put64(dv, 48, va.size);
  put64(dv, 56, Math.ceil(va.bytes / 512));
  dv.setUint32(64, va.blocksize, true);
  dv.setUint32(68, va.flags, true);
  return b;
}

function putTimes(dv: DataView, at: number, va: Vattr): void {
  dv.setInt32(at, va.atimeSec, true);
  dv.setInt32(at + 4, va.atimeNsec, true);
  dv.setInt32(at + 8, va.mtimeSec, true);
  dv.setInt32(at + 12, va.mtimeNsec, true);
  dv.setInt32(at + 16, va.ctimeSec, true);
  dv.setInt32(at + 20, va.ctimeNsec, true);
}

export function put64(dv: DataView, at: number, v: number): void {
  dv.setUint32(at, v >= 0 ? v % TWO32 : v | 0, true);
  dv.setInt32(at + 4, Math.floor(v / TWO32) | 0, true);
}

/** Bytes of a directory entry: its length is not stored but follows from the name's. */
export function direntSize(namlen: number): number {
  return (16 + namlen + 1 + 7) & ~7;
}

/** struct dirent. `b` is zero from `at` on. Returns the entry's size. */
export function encodeDirent(b: Uint8Array, at: number, name: string, fileid: number, dtype: number): number {
  const dv = new DataView(b.buffer, b.byteOffset);
  put64(dv, at, fileid);
  dv.setUint16(at + 8, name.length, true);
  b[at + 10] = dtype;
  for (let i = 0; i < name.length; i++) b[at + 16 + i] = name.charCodeAt(i);
  return direntSize(name.length);
}

export const STATFS_SIZE = 256;

/** struct statfs: 32-bit block counts, scaled up when they would not fit. */
export function encodeStatfs(mount: Mount, st: Statfs): Uint8Array {
  const b = new Uint8Array(STATFS_SIZE);
  const dv = new DataView(b.buffer);
  let shift = 0;
  while (st.blocks / 2 ** shift > 0x7fff_ffff) shift++;
  const count = (n: number): number => Math.floor(n / 2 ** shift);
  dv.setInt32(4, st.bsize * 2 ** shift, true);
  dv.setInt32(8, st.iosize, true);
  dv.setInt32(12, count(st.blocks), true);
  dv.setInt32(16, count(st.bfree), true);
  dv.setInt32(20, count(st.bavail), true);
  dv.setInt32(24, Math.min(st.files, 0x7fff_ffff), true);
  dv.setInt32(28, Math.min(st.ffree, 0x7fff_ffff), true);
  dv.setUint32(32, mount.fsid, true);
  dv.setInt32(48, mount.flags, true);
  putField(b, 60, 16, mount.fstype);
  putField(b, 76, 80, mount.onName);
  putField(b, 166, 80, mount.from);
  return b;
}

export const STATVFS_SIZE = 140;

/** struct statvfs (packed). */
export function encodeStatvfs(mount: Mount, st: Statfs): Uint8Array {
  const b = new Uint8Array(STATVFS_SIZE);
  const dv = new DataView(b.buffer);
  dv.setUint32(0, st.bsize, true);
  dv.setUint32(4, st.bsize, true);
  [st.blocks, st.bfree, st.bavail, st.files, st.ffree, st.ffree].forEach((v, i) => put64(dv, 8 + 8 * i, v));
  dv.setUint32(56, mount.fsid, true);
  dv.setInt32(60, mount.flags, true);
  dv.setUint32(64, mount.nameMax, true);
  return b;
}

/** UIO_MAXIOV */
const IOV_MAX = 1024;

/** An array of struct iovec as a Uio. Throws EINVAL for too many or a total above INT_MAX. */
export function getIovec(lp: Lwp, uaddr: number, count: number): Uio {
  if (count >>> 0 > IOV_MAX) throw EINVAL;
  const w = getWords(lp, uaddr, count * 2);
  const bases: number[] = [];
  const lens: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    bases.push(w[2 * i]!);
    lens.push(w[2 * i + 1]! >>> 0);
    total += w[2 * i + 1]! >>> 0;
  }
  if (total > 0x7fff_ffff) throw EINVAL;
  return Uio.iov(lp.proc.vmspace!, bases, lens);
}
