// SPDX-License-Identifier: BSD-3-Clause
/**
 * stat and its kin for Linux programs (Linux arch/x86/include/uapi/asm/stat.h, include/uapi/linux/stat.h,
 * include/uapi/asm-generic/statfs.h; all layouts i386).
 */
import { EFAULT, EINVAL, EOVERFLOW } from "../../sys/errno.ts";
import { AT_FDCWD } from "../../sys/fcntl.ts";
import { VTTOIF } from "../../sys/stat.ts";
import type { Lwp } from "../../kern/proc.ts";
import { kernFstat, kernStat } from "../../kern/sys-vfs.ts";
import { kernStatfs } from "../../kern/sys-vfs-mount.ts";
import { fd, hex, path, plain, size, type Sysent, uptr } from "../../kern/sysent.ts";
import { VnodeFile } from "../../kern/vnode-file.ts";
import { MNT_NOATIME, MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, MNT_SYNCHRONOUS, type Mount, type Statfs } from "../../vfs/mount.ts";
import { NLC_FOLLOW } from "../../vfs/nlookup.ts";
import type { Vattr } from "../../vfs/vnode.ts";
import { copyout } from "../../vm/copyio.ts";
import {
  AT_EMPTY_PATH,
  AT_NO_AUTOMOUNT,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
  dirFd,
  linuxDev,
  linuxMajor,
  linuxMinor,
  linuxRdev,
  lookupFlags,
  pathArg,
} from "./file-flags.ts";

const STAT_SIZE = 64;
const STAT64_SIZE = 96;
const STATX_SIZE = 256;
const STATFS_SIZE = 64;
const STATFS64_SIZE = 84;
const TWO32 = 4294967296;

/** Structures are put together here: what an encoder returns is valid until the next one is called. */
const scratch = new Uint8Array(STATX_SIZE);
const dv = new DataView(scratch.buffer);
const STAT = scratch.subarray(0, STAT_SIZE);
const STAT64 = scratch.subarray(0, STAT64_SIZE);

function put64(at: number, value: number): void {
  dv.setUint32(at, value % TWO32, true);
  dv.setUint32(at + 4, Math.floor(value / TWO32), true);
}
const modeOf = (va: Vattr): number => VTTOIF[va.type]! | va.mode;
const blocksOf = (va: Vattr): number => Math.ceil(va.bytes / 512);
/**
 * Inode number of a file, folded into 32 bits: the C library refuses programs that were built without large file support
 * (EOVERFLOW) whatever does not fit, and HAMMER's numbers do not.
 */
export const ino32 = (fileid: number): number => (fileid ^ Math.floor(fileid / TWO32)) >>> 0;

/** struct stat64. */
export function encodeStat64(va: Vattr): Uint8Array {
  STAT64.fill(0);
  put64(0, linuxDev(0, va.fsid));
  dv.setUint32(12, ino32(va.fileid), true);
  dv.setUint32(16, modeOf(va), true);
  dv.setUint32(20, va.nlink, true);
  dv.setUint32(24, va.uid, true);
  dv.setUint32(28, va.gid, true);
  put64(32, linuxRdev(va.rdev));
  put64(44, va.size);
  dv.setUint32(52, va.blocksize, true);
  put64(56, blocksOf(va));
  putTimes(64, va);
  put64(88, ino32(va.fileid));
  return STAT64;
}

function putTimes(at: number, va: Vattr): void {
  dv.setUint32(at, va.atimeSec, true);
  dv.setUint32(at + 4, va.atimeNsec, true);
  dv.setUint32(at + 8, va.mtimeSec, true);
  dv.setUint32(at + 12, va.mtimeNsec, true);
  dv.setUint32(at + 16, va.ctimeSec, true);
  dv.setUint32(at + 20, va.ctimeNsec, true);
}

/** struct stat of the calls before stat64. Throws EOVERFLOW for what does not fit. */
export function encodeStat(va: Vattr): Uint8Array {
  if (va.size > 0x7fffffff || va.nlink > 0xffff) throw EOVERFLOW;
  STAT.fill(0);
  dv.setUint32(0, linuxDev(0, va.fsid), true);
  dv.setUint32(4, ino32(va.fileid), true);
  dv.setUint16(8, modeOf(va), true);
  dv.setUint16(10, va.nlink, true);
  dv.setUint16(12, va.uid > 0xffff ? 65534 : va.uid, true);
  dv.setUint16(14, va.gid > 0xffff ? 65534 : va.gid, true);
  dv.setUint32(16, linuxRdev(va.rdev), true);
  dv.setUint32(20, va.size, true);
  dv.setUint32(24, va.blocksize, true);
  dv.setUint32(28, blocksOf(va), true);
  putTimes(32, va);
  return STAT;
}

const STATX_BASIC_STATS = 0x7ff;

/** struct statx: the basic attributes, all of which every file system here has. */
export function encodeStatx(va: Vattr): Uint8Array {
  scratch.fill(0);
  dv.setUint32(0, STATX_BASIC_STATS, true);
  dv.setUint32(4, va.blocksize, true);
  dv.setUint32(16, va.nlink, true);
  dv.setUint32(20, va.uid, true);
  dv.setUint32(24, va.gid, true);
  dv.setUint16(28, modeOf(va), true);
  put64(32, ino32(va.fileid));
  put64(40, va.size);
  put64(48, blocksOf(va));
  putStatxTime(64, va.atimeSec, va.atimeNsec);
  putStatxTime(96, va.ctimeSec, va.ctimeNsec);
  putStatxTime(112, va.mtimeSec, va.mtimeNsec);
  const rdev = linuxRdev(va.rdev);
  dv.setUint32(128, linuxMajor(rdev), true);
  dv.setUint32(132, linuxMinor(rdev), true);
  dv.setUint32(136, 0, true);
  dv.setUint32(140, va.fsid, true);
  return scratch;
}
function putStatxTime(at: number, sec: number, nsec: number): void {
  dv.setUint32(at, sec, true);
  dv.setInt32(at + 4, Math.floor(sec / TWO32), true);
  dv.setUint32(at + 8, nsec, true);
}

/** Magic numbers of statfs by file system type (Linux include/uapi/linux/magic.h where it has one). */
const FS_MAGIC: Readonly<Record<string, number>> = {
  tmpfs: 0x01021994,
  devfs: 0x01021994,
  procfs: 0x9fa0,
  sysfs: 0x6265_6572,
  dirfs: 0x794c7630,
  hammer: 0xc8414d4d,
};

const ST_RDONLY = 1;
const ST_NOSUID = 2;
const ST_NODEV = 4;
const ST_NOEXEC = 8;
const ST_SYNCHRONOUS = 16;
const ST_VALID = 0x20;
const ST_NOATIME = 0x400;

function statfsFlags(mount: Mount): number {
  const f = mount.flags;
  return (
    ST_VALID |
    ((f & MNT_RDONLY) !== 0 ? ST_RDONLY : 0) |
    ((f & MNT_NOSUID) !== 0 ? ST_NOSUID : 0) |
    ((f & MNT_NODEV) !== 0 ? ST_NODEV : 0) |
    ((f & MNT_NOEXEC) !== 0 ? ST_NOEXEC : 0) |
    ((f & MNT_SYNCHRONOUS) !== 0 ? ST_SYNCHRONOUS : 0) |
    ((f & MNT_NOATIME) !== 0 ? ST_NOATIME : 0)
  );
}

/** struct statfs64, 84 bytes. */
export function encodeStatfs64(mount: Mount, s: Statfs): Uint8Array {
  const out = scratch.subarray(0, STATFS64_SIZE);
  out.fill(0);
  dv.setUint32(0, FS_MAGIC[mount.fstype] ?? 0, true);
  dv.setUint32(4, s.bsize, true);
  put64(8, s.blocks);
  put64(16, s.bfree);
  put64(24, s.bavail);
  put64(32, s.files);
  put64(40, s.ffree);
  dv.setUint32(48, mount.fsid, true);
  dv.setUint32(56, mount.nameMax, true);
  dv.setUint32(60, s.bsize, true);
  dv.setUint32(64, statfsFlags(mount), true);
  return out;
}

/** struct statfs, 64 bytes. Throws EOVERFLOW when a count does not fit. */
export function encodeStatfs(mount: Mount, s: Statfs): Uint8Array {
  const out = scratch.subarray(0, STATFS_SIZE);
  out.fill(0);
  const counts = [s.blocks, s.bfree, s.bavail, s.files, s.ffree];
  if (counts.some((c) => c >= TWO32)) throw EOVERFLOW;
  dv.setUint32(0, FS_MAGIC[mount.fstype] ?? 0, true);
  dv.setUint32(4, s.bsize, true);
  counts.forEach((c, i) => dv.setUint32(8 + 4 * i, c, true));
  dv.setUint32(28, mount.fsid, true);
  dv.setUint32(36, mount.nameMax, true);
  dv.setUint32(40, s.bsize, true);
  dv.setUint32(44, statfsFlags(mount), true);
  return out;
}

function put(lp: Lwp, bytes: Uint8Array, uaddr: number): number {
  copyout(lp.proc.vmspace!, bytes, 0, uaddr, bytes.length);
  return 0;
}

const statAt =
  (flags: number, encode: (va: Vattr) => Uint8Array) =>
  (lp: Lwp, a: Int32Array): number =>
    put(lp, encode(kernStat(lp, AT_FDCWD, pathArg(lp, a[0]!), flags)), a[1]!);
const fstat =
  (encode: (va: Vattr) => Uint8Array) =>
  (lp: Lwp, a: Int32Array): number =>
    put(lp, encode(kernFstat(lp, a[0]!)), a[1]!);

function sysFstatat64(lp: Lwp, a: Int32Array): number {
  const flags = lookupFlags(a[3]!, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH);
  return put(lp, encodeStat64(kernStat(lp, dirFd(a[0]!), pathArg(lp, a[1]!), flags)), a[2]!);
}

function sysStatx(lp: Lwp, a: Int32Array): number {
  const flags = lookupFlags(a[2]!, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE);
  if ((a[3]! & 0x80000000) !== 0) throw EINVAL;
  return put(lp, encodeStatx(kernStat(lp, dirFd(a[0]!), pathArg(lp, a[1]!), flags)), a[4]!);
}

function mountOfFd(lp: Lwp, d: number): { mount: Mount; stat: Statfs } {
  const fp = lp.proc.fd!.getAny(d);
  // Pipes and sockets are on no file system that is mounted; the root's figures stand for them.
  const mount = fp instanceof VnodeFile ? fp.nch.mount : lp.k.mounts.root.mount;
  return { mount, stat: mount.statfs() };
}

function sysStatfs(lp: Lwp, a: Int32Array): number {
  const { mount, stat } = kernStatfs(lp, pathArg(lp, a[0]!));
  return put(lp, encodeStatfs(mount, stat), a[1]!);
}
function sysFstatfs(lp: Lwp, a: Int32Array): number {
  const { mount, stat } = mountOfFd(lp, a[0]!);
  return put(lp, encodeStatfs(mount, stat), a[1]!);
}
function sysStatfs64(lp: Lwp, a: Int32Array): number {
  if (a[1] !== 84 && a[1] !== 88) throw EINVAL;
  const { mount, stat } = kernStatfs(lp, pathArg(lp, a[0]!));
  return put(lp, encodeStatfs64(mount, stat), a[2]!);
}
function sysFstatfs64(lp: Lwp, a: Int32Array): number {
  if (a[1] !== 84 && a[1] !== 88) throw EINVAL;
  const { mount, stat } = mountOfFd(lp, a[0]!);
  if (a[2] === 0) throw EFAULT;
  return put(lp, encodeStatfs64(mount, stat), a[2]!);
}

export const FILE_STAT_ROWS: readonly Sysent[] = [
  plain(99, "statfs", [path, uptr], sysStatfs),
  plain(100, "fstatfs", [fd, uptr], sysFstatfs),
  plain(106, "stat", [path, uptr], statAt(NLC_FOLLOW, encodeStat)),
  plain(107, "lstat", [path, uptr], statAt(0, encodeStat)),
  plain(108, "fstat", [fd, uptr], fstat(encodeStat)),
  plain(195, "stat64", [path, uptr], statAt(NLC_FOLLOW, encodeStat64)),
  plain(196, "lstat64", [path, uptr], statAt(0, encodeStat64)),
  plain(197, "fstat64", [fd, uptr], fstat(encodeStat64)),
  plain(268, "statfs64", [path, size, uptr], sysStatfs64),
  plain(269, "fstatfs64", [fd, size, uptr], sysFstatfs64),
  plain(300, "fstatat64", [fd, path, uptr, hex], sysFstatat64),
  plain(383, "statx", [fd, path, hex, hex, uptr], sysStatx),
];
