// SPDX-License-Identifier: BSD-3-Clause
/** File modes, file flags and device numbers (DragonFly 2.0 sys/sys/stat.h, sys/sys/dirent.h, sys/sys/types.h). */

export const S_IFMT = 0o170000;
export const S_IFIFO = 0o010000;
export const S_IFCHR = 0o020000;
export const S_IFDIR = 0o040000;
export const S_IFBLK = 0o060000;
export const S_IFREG = 0o100000;
export const S_IFLNK = 0o120000;
export const S_IFSOCK = 0o140000;

export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISTXT = 0o1000;
export const S_IXUSR = 0o0100;
export const S_IXGRP = 0o0010;
export const S_IXOTH = 0o0001;
/** Permission, set-id and sticky bits. */
export const ALLPERMS = 0o7777;
export const ACCESSPERMS = 0o777;

export const UF_NODUMP = 0x00000001;
export const UF_IMMUTABLE = 0x00000002;
export const UF_APPEND = 0x00000004;
export const UF_NOUNLINK = 0x00000010;
export const UF_SETTABLE = 0x0000ffff;
export const SF_IMMUTABLE = 0x00020000;
export const SF_APPEND = 0x00040000;
export const SF_NOUNLINK = 0x00100000;

/** S_IFMT value by vnode type (VREG 1, VDIR 2, VBLK 3, VCHR 4, VLNK 5, VSOCK 6, VFIFO 7). */
export const VTTOIF: readonly number[] = [0, S_IFREG, S_IFDIR, S_IFBLK, S_IFCHR, S_IFLNK, S_IFSOCK, S_IFIFO];
/** d_type by vnode type; the same numbers in DragonFly and Linux. */
export const VTTODT: readonly number[] = [0, 8, 4, 6, 2, 10, 12, 1];

/** A device number: minor in bits 0-7 and 16-31, major in bits 8-15. */
export function makedev(major: number, minor: number): number {
  return (((major & 0xff) << 8) | (minor & 0xff) | (minor & 0xffff00) << 8) >>> 0;
}
export function majorOf(dev: number): number {
  return (dev >>> 8) & 0xff;
}
export function minorOf(dev: number): number {
  return (dev & 0xff) | ((dev >>> 8) & 0xffff00);
}
