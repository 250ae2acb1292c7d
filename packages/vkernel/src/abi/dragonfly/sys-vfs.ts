// SPDX-License-Identifier: BSD-3-Clause
/** DragonFly calls on paths, attributes and mounts (DragonFly 2.0 sys/kern/vfs_syscalls.c). */
import { EINVAL, EPERM, ERANGE } from "../../sys/errno.ts";
import { AT_FDCWD } from "../../sys/fcntl.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFMT, S_IFREG } from "../../sys/stat.ts";
import type { Mount, Statfs } from "../../vfs/mount.ts";
import { NLC_FOLLOW } from "../../vfs/nlookup.ts";
import type { Vattr, Vnode, Vtype } from "../../vfs/vnode.ts";
import { VBLK, VCHR, VFIFO, VREG } from "../../vfs/vnode.ts";
import { copyinstr, fuword } from "../../vm/copyio.ts";
import type { Lwp } from "../../kern/proc.ts";
import { suser } from "../../kern/prot.ts";
import {
  kernAccess,
  kernChdir,
  kernChroot,
  kernFchdir,
  kernFstat,
  kernGetcwd,
  kernLink,
  kernMkdir,
  kernMknod,
  kernReadlink,
  kernRename,
  kernRmdir,
  kernStat,
  kernSymlink,
  kernUnlink,
  withPath,
} from "../../kern/sys-vfs.ts";
import { kernTruncate, type NewTime, onVnode, setFlags, setMode, setOwner, setTimes, vnodeOfFd } from "../../kern/sys-vfs-attr.ts";
import { waitDurable } from "../../kern/durable.ts";
import { kernMount, kernRemount, kernStatfs, kernSync, kernUnmount } from "../../kern/sys-vfs-mount.ts";
import { fd, hex, int, octal, off64, partial, path, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import {
  encodeStat,
  encodeStat12,
  encodeStatfs,
  encodeStatvfs,
  getPath,
  getWords,
  off64At,
  putBytes,
  putField,
  STATFS_SIZE,
  STATVFS_SIZE,
} from "./guest-struct.ts";

const AT_SYMLINK_NOFOLLOW = 1;
const AT_REMOVEDIR = 2;
const AT_EACCESS = 4;
const AT_SYMLINK_FOLLOW = 8;

/** Whether the last link of an *at call is followed. */
const follow = (flags: number): number => ((flags & AT_SYMLINK_NOFOLLOW) !== 0 ? 0 : NLC_FOLLOW);
function only(flags: number, known: number): void {
  if ((flags & ~known) !== 0) throw EINVAL;
}

// ---------------------------------------------------------------------------------------------------------
// Attributes

type Encode = (va: Vattr) => Uint8Array;
const putStat = (lp: Lwp, uaddr: number, va: Vattr, encode: Encode): number => {
  putBytes(lp, uaddr, encode(va));
  return 0;
};
const stat = (encode: Encode, flags: number) => (lp: Lwp, a: Int32Array): number =>
  putStat(lp, a[1]!, kernStat(lp, AT_FDCWD, getPath(lp, a[0]!), flags), encode);
const fstat = (encode: Encode) => (lp: Lwp, a: Int32Array): number => putStat(lp, a[1]!, kernFstat(lp, a[0]!), encode);
function sysFstatat(lp: Lwp, a: Int32Array): number {
  only(a[3]!, AT_SYMLINK_NOFOLLOW);
  return putStat(lp, a[2]!, kernStat(lp, a[0]!, getPath(lp, a[1]!), follow(a[3]!)), encodeStat);
}

/** An operation on the file of a path argument, or of a descriptor. */
const pathOp = (flags: number, f: (lp: Lwp, vp: Vnode, a: Int32Array) => void) => (lp: Lwp, a: Int32Array): number =>
  onVnode(lp, AT_FDCWD, getPath(lp, a[0]!), flags, (vp) => f(lp, vp, a));
const fdOp = (f: (lp: Lwp, vp: Vnode, a: Int32Array) => void) => (lp: Lwp, a: Int32Array): number =>
  onVnode(lp, a[0]!, null, 0, (vp) => f(lp, vp, a));

const chmod = (lp: Lwp, vp: Vnode, a: Int32Array): void => setMode(lp, vp, a[1]!);
const chown = (lp: Lwp, vp: Vnode, a: Int32Array): void => setOwner(lp, vp, a[1]!, a[2]!);
const chflags = (lp: Lwp, vp: Vnode, a: Int32Array): void => setFlags(lp, vp, a[1]!);
function utimes(lp: Lwp, vp: Vnode, a: Int32Array): void {
  if (a[1] === 0) {
    setTimes(lp, vp, "now", "now");
    return;
  }
  const w = getWords(lp, a[1]!, 4);
  const time = (i: number): NewTime => {
    if (w[i + 1]! < 0 || w[i + 1]! >= 1_000_000) throw EINVAL;
    return { sec: w[i]!, nsec: w[i + 1]! * 1000 };
  };
  setTimes(lp, vp, time(0), time(2));
}

const R_OK = 4;
/** access: X 1, W 2, R 4 are VEXEC, VWRITE and VREAD. */
function access(lp: Lwp, dirfd: number, uaddr: number, mode: number, effective: boolean): number {
  only(mode, R_OK | 3);
  return kernAccess(lp, dirfd, getPath(lp, uaddr), mode, effective, NLC_FOLLOW);
}

// ---------------------------------------------------------------------------------------------------------
// Names

function typeOfMode(mode: number): Vtype {
  switch (mode & S_IFMT) {
    case S_IFCHR:
      return VCHR;
    case S_IFBLK:
      return VBLK;
    case S_IFIFO:
      return VFIFO;
    case S_IFREG:
      return VREG;
    default:
      throw EINVAL;
  }
}
function mknod(lp: Lwp, dirfd: number, uaddr: number, mode: number, dev: number): number {
  if (lp.proc.cred.uid !== 0) throw EPERM;
  return kernMknod(lp, dirfd, getPath(lp, uaddr), typeOfMode(mode), mode & 0o7777, dev >>> 0);
}
function readlink(lp: Lwp, dirfd: number, uaddr: number, buf: number, count: number): number {
  const target = kernReadlink(lp, dirfd, getPath(lp, uaddr));
  const n = Math.min(target.length, count >>> 0);
  putBytes(lp, buf, Uint8Array.from({ length: n }, (_, i) => target.charCodeAt(i)));
  return n;
}
function unlinkat(lp: Lwp, a: Int32Array): number {
  only(a[2]!, AT_REMOVEDIR);
  const name = getPath(lp, a[1]!);
  return (a[2]! & AT_REMOVEDIR) !== 0 ? kernRmdir(lp, a[0]!, name) : kernUnlink(lp, a[0]!, name);
}

/** Returns the length with its NUL, which libc ignores but for the sign. */
function sysGetcwd(lp: Lwp, a: Int32Array): number {
  const cwd = kernGetcwd(lp);
  if (a[1]! >>> 0 < 2) throw EINVAL;
  if (cwd.length + 1 > a[1]! >>> 0) throw ERANGE;
  const b = new Uint8Array(cwd.length + 1);
  putField(b, 0, b.length, cwd);
  putBytes(lp, a[0]!, b);
  return b.length;
}

const PC_LINK_MAX = 1;
const PC_MAX_CANON = 2;
const PC_MAX_INPUT = 3;
const PC_NAME_MAX = 4;
const PC_PATH_MAX = 5;
const PC_PIPE_BUF = 6;
const PC_CHOWN_RESTRICTED = 7;
const PC_NO_TRUNC = 8;
const PC_VDISABLE = 9;
function pathconf(name: number, mount: Mount): number {
  switch (name) {
    case PC_LINK_MAX:
      return 32767;
    case PC_MAX_CANON:
    case PC_MAX_INPUT:
      return 255;
    case PC_NAME_MAX:
      return mount.nameMax;
    case PC_PATH_MAX:
      return 1024;
    case PC_PIPE_BUF:
      return 512;
    case PC_CHOWN_RESTRICTED:
    case PC_NO_TRUNC:
      return 1;
    case PC_VDISABLE:
      return 0xff;
    default:
      throw EINVAL;
  }
}
const pathconfOf = (flags: number) => (lp: Lwp, a: Int32Array): number =>
  withPath(lp, AT_FDCWD, getPath(lp, a[0]!), flags, (_vp, nch) => pathconf(a[1]!, nch.mount));
function sysFpathconf(lp: Lwp, a: Int32Array): number {
  if (a[1] === PC_PIPE_BUF && lp.proc.fd!.get(a[0]!).type === "pipe") return 512;
  return pathconf(a[1]!, vnodeOfFd(lp, a[0]!).mount);
}

// ---------------------------------------------------------------------------------------------------------
// Mounts

/** chroot_kernel(path): moves the root of the kernel, on which no process depends. */
function sysChrootKernel(lp: Lwp, a: Int32Array): number {
  return withPath(lp, AT_FDCWD, getPath(lp, a[0]!), NLC_FOLLOW, () => {
    suser(lp.proc);
    return 0;
  });
}

interface Mounted {
  mount: Mount;
  stat: Statfs;
}
const ofPath = (lp: Lwp, a: Int32Array): Mounted => kernStatfs(lp, getPath(lp, a[0]!));
const ofFd = (lp: Lwp, a: Int32Array): Mounted => {
  const { mount } = vnodeOfFd(lp, a[0]!);
  return { mount, stat: mount.statfs() };
};
const putMounted = (get: (lp: Lwp, a: Int32Array) => Mounted, encode: (mount: Mount, st: Statfs) => Uint8Array) =>
  (lp: Lwp, a: Int32Array): number => {
    const m = get(lp, a);
    putBytes(lp, a[1]!, encode(m.mount, m.stat));
    return 0;
  };

/** getfsstat(buf, bytes, flags): as many entries as fit; without a buffer the number of mounts. */
function sysGetfsstat(lp: Lwp, a: Int32Array): number {
  const { list } = lp.k.mounts;
  if (a[0] === 0) return list.length;
  const n = Math.min(list.length, Math.floor((a[1]! >>> 0) / STATFS_SIZE));
  for (let i = 0; i < n; i++) putBytes(lp, a[0]! + i * STATFS_SIZE, encodeStatfs(list[i]!, list[i]!.statfs()));
  return n;
}
/** getvfsstat(statfs, statvfs, bytes of the latter, flags): two parallel arrays. */
function sysGetvfsstat(lp: Lwp, a: Int32Array): number {
  const { list } = lp.k.mounts;
  if (a[0] === 0) return list.length;
  const n = Math.min(list.length, Math.floor((a[2]! >>> 0) / STATVFS_SIZE));
  for (let i = 0; i < n; i++) {
    const st = list[i]!.statfs();
    putBytes(lp, a[0]! + i * STATFS_SIZE, encodeStatfs(list[i]!, st));
    putBytes(lp, a[1]! + i * STATVFS_SIZE, encodeStatvfs(list[i]!, st));
  }
  return n;
}

const MNT_UPDATE = 0x1_0000;
const MNT_FORCE = 0x8_0000;
/** Flags that a caller may set. */
const MNT_USERMASK = 0xf0f0_ffff & ~0x7f80;

const VFS_NAME_MAX = 16;
/** mount(type, path, flags, data): the block at `data` is the file system's own. */
function sysMount(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const fstype = copyinstr(vm, a[0]!, VFS_NAME_MAX);
  const at = getPath(lp, a[1]!);
  if ((a[2]! & MNT_UPDATE) !== 0) return kernRemount(lp, at, a[2]! & MNT_USERMASK);
  const options = new Map<string, string>();
  const from = mountSource(lp, fstype, a[3]!, options);
  return kernMount(lp, { fstype, from, flags: a[2]! & MNT_USERMASK, options }, at);
}

/** What is mounted, out of the type's argument block. hammer: volumes, their number, flags, master id, asof. */
function mountSource(lp: Lwp, fstype: string, data: number, options: Map<string, string>): string {
  const vm = lp.proc.vmspace!;
  if (data === 0) return fstype;
  if (fstype !== "hammer") return getPath(lp, fuword(vm, data));
  const w = getWords(lp, data, 6);
  if (w[1]! < 1 || w[1]! > 256) throw EINVAL;
  const volumes: string[] = [];
  for (let i = 0; i < w[1]!; i++) volumes.push(getPath(lp, fuword(vm, w[0]! + 4 * i)));
  const asof = [w[5]!, w[4]!].map((v) => (v >>> 0).toString(16).padStart(8, "0")).join("");
  if (asof !== "f".repeat(16) && asof !== "0".repeat(16)) options.set("asof", `0x${asof}`);
  if ((w[2]! & 1) !== 0) options.set("nohistory", "");
  return volumes.join(":");
}

const p0 = (lp: Lwp, a: Int32Array): string => getPath(lp, a[0]!);
const p1 = (lp: Lwp, a: Int32Array): string => getPath(lp, a[1]!);

export const VFS_ROWS: readonly Sysent[] = [
  plain(9, "link", [path, path], (lp, a) => kernLink(lp, AT_FDCWD, p0(lp, a), AT_FDCWD, p1(lp, a), NLC_FOLLOW)),
  plain(10, "unlink", [path], (lp, a) => kernUnlink(lp, AT_FDCWD, p0(lp, a))),
  plain(12, "chdir", [path], (lp, a) => kernChdir(lp, p0(lp, a))),
  plain(13, "fchdir", [fd], (lp, a) => kernFchdir(lp, a[0]!)),
  plain(14, "mknod", [path, octal, hex], (lp, a) => mknod(lp, AT_FDCWD, a[0]!, a[1]!, a[2]!)),
  plain(15, "chmod", [path, octal], pathOp(NLC_FOLLOW, chmod)),
  plain(16, "chown", [path, int, int], pathOp(NLC_FOLLOW, chown)),
  plain(18, "getfsstat", [uptr, uint, int], sysGetfsstat),
  partial(plain(21, "mount", [path, path, hex, uptr], sysMount), "hammer, tmpfs, devfs, procfs"),
  plain(22, "unmount", [path, hex], (lp, a) => kernUnmount(lp, p0(lp, a), (a[1]! & MNT_FORCE) !== 0)),
  plain(33, "access", [path, int], (lp, a) => access(lp, AT_FDCWD, a[0]!, a[1]!, false)),
  plain(34, "chflags", [path, hex], pathOp(NLC_FOLLOW, chflags)),
  plain(35, "fchflags", [fd, hex], fdOp(chflags)),
  sleeps(36, "sync", [], kernSync, waitDurable),
  plain(57, "symlink", [path, path], (lp, a) => kernSymlink(lp, p0(lp, a), AT_FDCWD, p1(lp, a))),
  plain(58, "readlink", [path, uptr, int], (lp, a) => readlink(lp, AT_FDCWD, a[0]!, a[1]!, a[2]!)),
  plain(60, "umask", [octal], (lp, a) => {
    const old = lp.proc.fd!.umask;
    lp.proc.fd!.umask = a[0]! & 0o7777;
    return old;
  }),
  plain(61, "chroot", [path], (lp, a) => kernChroot(lp, p0(lp, a))),
  plain(123, "fchown", [fd, int, int], fdOp(chown)),
  plain(124, "fchmod", [fd, octal], fdOp(chmod)),
  plain(128, "rename", [path, path], (lp, a) => kernRename(lp, AT_FDCWD, p0(lp, a), AT_FDCWD, p1(lp, a))),
  plain(129, "otruncate", [path, int], (lp, a) => kernTruncate(lp, AT_FDCWD, p0(lp, a), a[1]!, NLC_FOLLOW)),
  plain(132, "mkfifo", [path, octal], (lp, a) => kernMknod(lp, AT_FDCWD, p0(lp, a), VFIFO, a[1]! & 0o7777, 0)),
  plain(136, "mkdir", [path, octal], (lp, a) => kernMkdir(lp, AT_FDCWD, p0(lp, a), a[1]!)),
  plain(137, "rmdir", [path], (lp, a) => kernRmdir(lp, AT_FDCWD, p0(lp, a))),
  plain(138, "utimes", [path, uptr], pathOp(NLC_FOLLOW, utimes)),
  plain(157, "statfs", [path, uptr], putMounted(ofPath, encodeStatfs)),
  plain(158, "fstatfs", [fd, uptr], putMounted(ofFd, encodeStatfs)),
  plain(188, "dfbsd12_stat", [path, uptr], stat(encodeStat12, NLC_FOLLOW)),
  plain(189, "dfbsd12_fstat", [fd, uptr], fstat(encodeStat12)),
  plain(190, "dfbsd12_lstat", [path, uptr], stat(encodeStat12, 0)),
  plain(191, "pathconf", [path, int], pathconfOf(NLC_FOLLOW)),
  plain(192, "fpathconf", [fd, int], sysFpathconf),
  plain(200, "truncate", [path, int, off64], (lp, a) => kernTruncate(lp, AT_FDCWD, p0(lp, a), off64At(a[2]!, a[3]!), NLC_FOLLOW)),
  plain(206, "futimes", [fd, uptr], fdOp(utimes)),
  plain(254, "lchown", [path, int, int], pathOp(0, chown)),
  plain(274, "lchmod", [path, octal], pathOp(0, chmod)),
  plain(275, "netbsd_lchown", [path, int, int], pathOp(0, chown)),
  plain(276, "lutimes", [path, uptr], pathOp(0, utimes)),
  plain(326, "__getcwd", [uptr, uint], sysGetcwd),
  plain(391, "lchflags", [path, hex], pathOp(0, chflags)),
  plain(475, "stat", [path, uptr], stat(encodeStat, NLC_FOLLOW)),
  plain(476, "fstat", [fd, uptr], fstat(encodeStat)),
  plain(477, "lstat", [path, uptr], stat(encodeStat, 0)),
  plain(500, "statvfs", [path, uptr], putMounted(ofPath, encodeStatvfs)),
  plain(501, "fstatvfs", [fd, uptr], putMounted(ofFd, encodeStatvfs)),
  plain(503, "getvfsstat", [uptr, uptr, uint, int], sysGetvfsstat),
  plain(505, "fstatat", [fd, path, uptr, hex], sysFstatat),
  plain(506, "fchmodat", [fd, path, octal, hex], (lp, a) => {
    only(a[3]!, AT_SYMLINK_NOFOLLOW);
    return onVnode(lp, a[0]!, p1(lp, a), follow(a[3]!), (vp) => setMode(lp, vp, a[2]!));
  }),
  plain(507, "fchownat", [fd, path, int, int, hex], (lp, a) => {
    only(a[4]!, AT_SYMLINK_NOFOLLOW);
    return onVnode(lp, a[0]!, p1(lp, a), follow(a[4]!), (vp) => setOwner(lp, vp, a[2]!, a[3]!));
  }),
  plain(508, "unlinkat", [fd, path, hex], unlinkat),
  plain(509, "faccessat", [fd, path, int, hex], (lp, a) => {
    only(a[3]!, AT_EACCESS);
    return access(lp, a[0]!, a[1]!, a[2]!, (a[3]! & AT_EACCESS) !== 0);
  }),
  partial(plain(522, "chroot_kernel", [path], sysChrootKernel), "no process starts from the kernel's own root"),
  plain(523, "renameat", [fd, path, fd, path], (lp, a) => kernRename(lp, a[0]!, p1(lp, a), a[2]!, getPath(lp, a[3]!))),
  plain(524, "mkdirat", [fd, path, octal], (lp, a) => kernMkdir(lp, a[0]!, p1(lp, a), a[2]!)),
  plain(525, "mkfifoat", [fd, path, octal], (lp, a) => kernMknod(lp, a[0]!, p1(lp, a), VFIFO, a[2]! & 0o7777, 0)),
  plain(526, "mknodat", [fd, path, octal, hex], (lp, a) => mknod(lp, a[0]!, a[1]!, a[2]!, a[3]!)),
  plain(527, "readlinkat", [fd, path, uptr, size], (lp, a) => readlink(lp, a[0]!, a[1]!, a[2]!, a[3]!)),
  plain(528, "symlinkat", [path, fd, path], (lp, a) => kernSymlink(lp, p0(lp, a), a[1]!, getPath(lp, a[2]!))),
  plain(531, "linkat", [fd, path, fd, path, hex], (lp, a) => {
    only(a[4]!, AT_SYMLINK_FOLLOW);
    const flags = (a[4]! & AT_SYMLINK_FOLLOW) !== 0 ? NLC_FOLLOW : 0;
    return kernLink(lp, a[0]!, p1(lp, a), a[2]!, getPath(lp, a[3]!), flags);
  }),
  plain(533, "lpathconf", [path, int], pathconfOf(0)),
  plain(532, "eaccess", [path, int], (lp, a) => access(lp, AT_FDCWD, a[0]!, a[1]!, true)),
];
