// SPDX-License-Identifier: BSD-3-Clause
/** Flags and numbers of Linux file calls, to and from native ones (Linux include/uapi/asm-generic/fcntl.h, i386). */
import { EBADF, EINVAL, ENAMETOOLONG, type Errno } from "../../sys/errno.ts";
import * as n from "../../sys/fcntl.ts";
import { majorOf, makedev, minorOf } from "../../sys/stat.ts";
import type { Lwp } from "../../kern/proc.ts";
import { copyinstr } from "../../vm/copyio.ts";
import { NLC_EMPTY, NLC_FOLLOW } from "../../vfs/nlookup.ts";
import { CONSOLE_RDEV } from "../../dev/cons.ts";
import { FULL_RDEV, NULL_RDEV, RANDOM_RDEV, URANDOM_RDEV, ZERO_RDEV } from "../../dev/mem.ts";
import { KMSG_RDEV } from "../../dev/kmsg.ts";
import { PTMX_RDEV, PTS_MAJOR } from "../../dev/pty.ts";
import { CTTY_RDEV } from "../../dev/tty-dev.ts";

/** Longest path with its NUL. */
export const LINUX_PATH_MAX = 4096;

const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_NOCTTY = 0o400;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const O_NONBLOCK = 0o4000;
const O_DSYNC = 0o10000;
const FASYNC = 0o20000;
const O_DIRECT = 0o40000;
export const LINUX_O_LARGEFILE = 0o100000;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;
export const LINUX_O_CLOEXEC = 0o2000000;
const O_SYNC = 0o4010000;
const O_NOATIME = 0o1000000;
const O_PATH = 0o10000000;
/** Only with O_DIRECTORY, so that older kernels refuse it. */
const O_TMPFILE = 0o20000000;

const PAIRS: readonly (readonly [number, number])[] = [
  [O_CREAT, n.O_CREAT],
  [O_EXCL, n.O_EXCL],
  [O_NOCTTY, n.O_NOCTTY],
  [O_TRUNC, n.O_TRUNC],
  [O_APPEND, n.O_APPEND],
  [O_NONBLOCK, n.O_NONBLOCK],
  [O_DSYNC, n.O_FSYNC],
  [FASYNC, n.O_ASYNC],
  [O_DIRECT, n.O_DIRECT],
  [O_DIRECTORY, n.O_DIRECTORY],
  [O_NOFOLLOW, n.O_NOFOLLOW],
  [LINUX_O_CLOEXEC, n.O_CLOEXEC],
  [O_NOATIME, n.O_NOATIME],
  [O_PATH, n.O_PATH],
  [O_TMPFILE, n.O_TMPFILE],
];

const KNOWN_FLAGS = PAIRS.reduce((all, [linux]) => all | linux, 3 | LINUX_O_LARGEFILE | O_SYNC);
const O_PATH_FLAGS = O_PATH | O_DIRECTORY | O_NOFOLLOW | LINUX_O_CLOEXEC;

/** openat2(2) refuses what open(2) passes over: unknown flags, a mode for no new file, more than names with O_PATH. Throws EINVAL. */
export function checkOpenHow(flags: number, mode: number): void {
  if ((flags & ~KNOWN_FLAGS) !== 0 || (mode & ~0o7777) !== 0) throw EINVAL;
  if (mode !== 0 && (flags & (O_CREAT | O_TMPFILE)) === 0) throw EINVAL;
  if ((flags & O_PATH) !== 0 && (flags & ~O_PATH_FLAGS) !== 0) throw EINVAL;
}

/** open(2) flags. Throws EINVAL for an unnamed file that is not to be written, or to be made by name. */
export function nativeOpenFlags(flags: number): number {
  if ((flags & (O_TMPFILE | O_PATH)) === O_TMPFILE) {
    if ((flags & (O_DIRECTORY | O_CREAT)) !== O_DIRECTORY || (flags & 3) === 0) throw EINVAL;
  }
  // With O_PATH only these two others count.
  let f = (flags & O_PATH) !== 0 ? flags & O_PATH_FLAGS : flags;
  let out = f & 3;
  // Mode 3 is a descriptor for ioctl only; it needs no rights that O_RDONLY would not.
  if (out === 3) out = 0;
  f &= ~3;
  for (const [linux, native] of PAIRS) if ((f & linux) !== 0) out |= native;
  return out;
}

/** F_GETFL: the mode and status flags of a native word. */
export function linuxOpenFlags(flags: number): number {
  let out = (flags & 3) | LINUX_O_LARGEFILE;
  for (const [linux, native] of PAIRS) if ((flags & native) !== 0) out |= linux;
  if ((flags & n.O_FSYNC) !== 0) out |= O_SYNC;
  return out;
}

/** Descriptor 0…, or AT_FDCWD. */
export function dirFd(fd: number): number {
  return fd === -100 ? n.AT_FDCWD : fd;
}

/** Copies a path in. Throws EFAULT, ENAMETOOLONG. */
export function pathArg(lp: Lwp, uaddr: number): string {
  return copyinstr(lp.proc.vmspace!, uaddr, LINUX_PATH_MAX);
}

export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_REMOVEDIR = 0x200;
export const AT_EACCESS = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;
export const AT_STATX_SYNC_TYPE = 0x6000;

/** How a call with AT_SYMLINK_NOFOLLOW semantics looks a path up. Throws EINVAL for flags outside of `known`. */
export function lookupFlags(at: number, known: number): number {
  if ((at & ~known) !== 0) throw EINVAL;
  return ((at & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : NLC_FOLLOW) | ((at & AT_EMPTY_PATH) !== 0 ? NLC_EMPTY : 0);
}

/** A 64-bit offset in two words. Values beyond 2^53 cannot be: they are passed on as far too large. */
export function off64Arg(lo: number, hi: number): number {
  return hi * 4294967296 + (lo >>> 0);
}

/** Fails for a descriptor that is not open, before other arguments are looked at. */
export function requireFd(lp: Lwp, fd: number): void {
  if (fd < 0) throw EBADF;
  lp.proc.fd!.get(fd);
}

// Device numbers: native ones have BSD's majors, programs compare Linux's.

const LINUX_BY_NATIVE = new Map<number, number>([
  [NULL_RDEV, linuxDev(1, 3)],
  [ZERO_RDEV, linuxDev(1, 5)],
  [FULL_RDEV, linuxDev(1, 7)],
  [RANDOM_RDEV, linuxDev(1, 8)],
  [URANDOM_RDEV, linuxDev(1, 9)],
  [KMSG_RDEV, linuxDev(1, 11)],
  [CTTY_RDEV, linuxDev(5, 0)],
  [CONSOLE_RDEV, linuxDev(5, 1)],
  [PTMX_RDEV, linuxDev(5, 2)],
]);
const NATIVE_BY_LINUX = new Map([...LINUX_BY_NATIVE].map(([native, linux]) => [linux, native]));
const LINUX_PTS_MAJOR = 136;
/** Native majors without a Linux counterpart show up in the range that Linux leaves to local use. */
const LOCAL_MAJOR = 240;

/** Linux's encoding: 12 bits of major, 20 of minor. */
export function linuxDev(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8) | ((minor & 0xfff00) << 12)) >>> 0;
}
export function linuxMajor(dev: number): number {
  return (dev >>> 8) & 0xfff;
}
export function linuxMinor(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}

export function linuxRdev(native: number): number {
  const known = LINUX_BY_NATIVE.get(native);
  if (known !== undefined) return known;
  if (native === 0) return 0;
  if (majorOf(native) === PTS_MAJOR) return linuxDev(LINUX_PTS_MAJOR, minorOf(native));
  return linuxDev(LOCAL_MAJOR + majorOf(native), minorOf(native));
}

export function nativeRdev(linux: number): number {
  const known = NATIVE_BY_LINUX.get(linux >>> 0);
  if (known !== undefined) return known;
  const major = linuxMajor(linux);
  if (major === LINUX_PTS_MAJOR) return makedev(PTS_MAJOR, linuxMinor(linux));
  return makedev(major >= LOCAL_MAJOR ? major - LOCAL_MAJOR : major, linuxMinor(linux));
}

/** Text of at most `most` bytes without its NUL; throws `tooLong` for more, EFAULT. */
export function textArg(lp: Lwp, uaddr: number, most: number, tooLong: Errno): string {
  try {
    return copyinstr(lp.proc.vmspace!, uaddr, most + 1);
  } catch (e) {
    throw e === ENAMETOOLONG ? tooLong : e;
  }
}
