// SPDX-License-Identifier: BSD-3-Clause
/** Names and attributes of files for Linux programs (Linux fs/namei.c, fs/open.c, fs/utimes.c, fs/namespace.c). */
import { CAP_SYS_ADMIN } from "../../sys/capability.ts";
import { EINVAL, ENAMETOOLONG, ENODEV, ENOENT, EPERM, ERANGE } from "../../sys/errno.ts";
import { AT_FDCWD } from "../../sys/fcntl.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../../sys/stat.ts";
import type { Lwp } from "../../kern/proc.ts";
import {
  kernAccess,
  kernChdir,
  kernChroot,
  kernFchdir,
  kernGetcwd,
  kernLink,
  kernMkdir,
  kernMknod,
  kernReadlink,
  kernRename,
  kernRmdir,
  kernSymlink,
  kernUnlink,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  walkParent,
  withPath,
} from "../../kern/sys-vfs.ts";
import { fdSetMode, fdSetOwner, kernTruncate, type NewTime, onVnode, setMode, setOwner, setTimes } from "../../kern/sys-vfs-attr.ts";
import { waitDurable } from "../../kern/durable.ts";
import { need } from "../../kern/prot.ts";
import { kernMount, kernRemount, kernSync, kernUnmount } from "../../kern/sys-vfs-mount.ts";
import { fd, hex, int, octal, off64, partial, path, plain, size, sleeps, type Sysent, uint, uptr } from "../../kern/sysent.ts";
import { MNT_NODEV, MNT_NOEXEC, MNT_NOSUID, MNT_RDONLY, MNT_SYNCHRONOUS } from "../../vfs/mount.ts";
import { NLC_EMPTY, NLC_FOLLOW } from "../../vfs/nlookup.ts";
import type { Vtype } from "../../vfs/vnode.ts";
import { VBLK, VCHR, VFIFO, VLNK, VREG, VSOCK } from "../../vfs/vnode.ts";
import { copyinWords, copyout, copyinstr } from "../../vm/copyio.ts";
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  dirFd,
  LINUX_PATH_MAX,
  lookupFlags,
  nativeRdev,
  off64Arg,
  pathArg,
  textArg,
} from "./file-flags.ts";

const cwd = AT_FDCWD;

// Making and removing names

/** mknod's mode word: the type is in it, and 0 means a regular file. */
function mknod(lp: Lwp, d: number, p: string, mode: number, dev: number): number {
  const types: Readonly<Record<number, Vtype>> = {
    0: VREG, [S_IFREG]: VREG, [S_IFCHR]: VCHR, [S_IFBLK]: VBLK, [S_IFIFO]: VFIFO, [S_IFSOCK]: VSOCK,
  };
  const type = types[mode & S_IFMT];
  if (type === undefined) throw (mode & S_IFMT) === S_IFDIR ? EPERM : EINVAL;
  return kernMknod(lp, d, p, type, mode, nativeRdev(dev));
}

function sysUnlinkat(lp: Lwp, a: Int32Array): number {
  if ((a[2]! & ~AT_REMOVEDIR) !== 0) throw EINVAL;
  const p = pathArg(lp, a[1]!);
  return (a[2]! & AT_REMOVEDIR) !== 0 ? kernRmdir(lp, dirFd(a[0]!), p) : kernUnlink(lp, dirFd(a[0]!), p);
}

/** The second path of a call with two. When it cannot be copied in, `walk` tells first what is wrong with the other. */
function secondPath(lp: Lwp, uaddr: number, walk: () => void): string {
  try {
    return pathArg(lp, uaddr);
  } catch (e) {
    walk();
    throw e;
  }
}

function sysLinkat(lp: Lwp, a: Int32Array): number {
  if ((a[4]! & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) throw EINVAL;
  const flags = ((a[4]! & AT_SYMLINK_FOLLOW) !== 0 ? NLC_FOLLOW : 0) | ((a[4]! & AT_EMPTY_PATH) !== 0 ? NLC_EMPTY : 0);
  const d = dirFd(a[0]!);
  const from = pathArg(lp, a[1]!);
  const to = secondPath(lp, a[3]!, () => withPath(lp, d, from, flags, () => {}));
  return kernLink(lp, d, from, dirFd(a[2]!), to, flags);
}

const RENAME_WHITEOUT = 4;
/** renameat2 and its kin: (dirfd, path, dirfd, path). */
function rename(lp: Lwp, a: Int32Array, flags: number): number {
  const d = dirFd(a[0]!);
  const from = pathArg(lp, a[1]!);
  const walk = (): void => walkParent(lp, d, from);
  const to = secondPath(lp, a[3]!, walk);
  if ((flags & RENAME_WHITEOUT) !== 0) {
    // What no file system here can do is told when the paths are right.
    walk();
    walkParent(lp, dirFd(a[2]!), to);
    throw EINVAL;
  }
  return kernRename(lp, d, from, dirFd(a[2]!), to, flags);
}
function sysRenameat2(lp: Lwp, a: Int32Array): number {
  const flags = a[4]!;
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) throw EINVAL;
  if ((flags & RENAME_EXCHANGE) !== 0 && flags !== RENAME_EXCHANGE) throw EINVAL;
  return rename(lp, a, flags);
}

/** symlinkat(target, dirfd, path) */
function sysSymlinkat(lp: Lwp, a: Int32Array): number {
  const target = pathArg(lp, a[0]!);
  if (target === "") throw ENOENT;
  return kernSymlink(lp, target, dirFd(a[1]!), pathArg(lp, a[2]!));
}

function readlink(lp: Lwp, d: number, p: string, uaddr: number, len: number): number {
  if (len <= 0) throw EINVAL;
  if (p === "" && d !== AT_FDCWD) withPath(lp, d, p, NLC_EMPTY, (vp) => { if (vp.type !== VLNK) throw ENOENT; });
  const text = kernReadlink(lp, d, p);
  const n = Math.min(text.length, len);
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i++) out[i] = text.charCodeAt(i);
  copyout(lp.proc.vmspace!, out, 0, uaddr, n);
  return n;
}

/** getcwd returns the length with the NUL. A directory outside of the root is shown as Linux does. */
function sysGetcwd(lp: Lwp, a: Int32Array): number {
  const text = kernGetcwd(lp);
  if (text.length + 1 > a[1]! >>> 0) throw ERANGE;
  if (text.length + 1 > 4096) throw ENAMETOOLONG;
  const out = new Uint8Array(text.length + 1);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  copyout(lp.proc.vmspace!, out, 0, a[0]!, out.length);
  return out.length;
}

function access(lp: Lwp, d: number, p: string, mode: number, at: number): number {
  if ((mode & ~7) !== 0) throw EINVAL;
  const flags = lookupFlags(at & ~AT_EACCESS, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
  return kernAccess(lp, d, p, mode, (at & AT_EACCESS) !== 0, flags);
}

/** The mask is the low nine bits, as umask(2) has it. */
function sysUmask(lp: Lwp, a: Int32Array): number {
  const fdp = lp.proc.fd!;
  const old = fdp.umask;
  fdp.umask = a[0]! & 0o777;
  return old;
}

// Owners and modes

const id16 = (id: number): number => ((id & 0xffff) === 0xffff ? -1 : id & 0xffff);
const chown =
  (flags: number, id: (n: number) => number) =>
  (lp: Lwp, a: Int32Array): number =>
    onVnode(lp, AT_FDCWD, pathArg(lp, a[0]!), flags, (vp) => setOwner(lp, vp, id(a[1]!), id(a[2]!)));
const fchown =
  (id: (n: number) => number) =>
  (lp: Lwp, a: Int32Array): number =>
    fdSetOwner(lp, a[0]!, id(a[1]!), id(a[2]!));
const same = (n: number): number => n;

function sysFchownat(lp: Lwp, a: Int32Array): number {
  const flags = lookupFlags(a[4]!, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
  const p = pathArg(lp, a[1]!);
  const target = p.length === 0 && (flags & NLC_EMPTY) !== 0 && a[0] !== -100 ? null : p;
  return onVnode(lp, dirFd(a[0]!), target, flags, (vp) => setOwner(lp, vp, a[2]!, a[3]!));
}

// Times

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;

function newTime(sec: number, nsec: number): NewTime {
  if (nsec === UTIME_NOW) return "now";
  if (nsec === UTIME_OMIT) return null;
  if (nsec < 0 || nsec > 999_999_999) throw EINVAL;
  return { sec, nsec };
}

/** utimensat: a null path means the descriptor, null times mean now. */
const utimensat =
  (is64: boolean) =>
  (lp: Lwp, a: Int32Array): number => {
    let atime: NewTime = "now";
    let mtime: NewTime = "now";
    if (a[2] !== 0) {
      const w = new Int32Array(is64 ? 8 : 4);
      copyinWords(lp.proc.vmspace!, a[2]!, w, w.length);
      const at = (i: number): NewTime =>
        is64 ? newTime(w[i * 4 + 1]! * 4294967296 + (w[i * 4]! >>> 0), w[i * 4 + 2]!) : newTime(w[i * 2]!, w[i * 2 + 1]!);
      atime = at(0);
      mtime = at(1);
    }
    const flags = lookupFlags(a[3]!, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
    // Only a descriptor can do without a path.
    const p = a[1] === 0 && dirFd(a[0]!) !== cwd ? null : pathArg(lp, a[1]!);
    const target = p === "" && (flags & NLC_EMPTY) !== 0 ? null : p;
    return onVnode(lp, dirFd(a[0]!), target, flags, (vp) => setTimes(lp, vp, atime, mtime));
  };

function utimes(lp: Lwp, d: number, p: string | null, uaddr: number, words: 2 | 4): number {
  let atime: NewTime = "now";
  let mtime: NewTime = "now";
  if (uaddr !== 0) {
    const w = new Int32Array(words);
    copyinWords(lp.proc.vmspace!, uaddr, w, words);
    const at = (i: number): NewTime => {
      const us = words === 4 ? w[2 * i + 1]! : 0;
      if (us < 0 || us >= 1_000_000) throw EINVAL;
      return { sec: w[words === 4 ? 2 * i : i]!, nsec: us * 1000 };
    };
    atime = at(0);
    mtime = at(1);
  }
  return onVnode(lp, d, p, NLC_FOLLOW, (vp) => setTimes(lp, vp, atime, mtime));
}

// Mounts

const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;
const MS_SYNCHRONOUS = 16;
const MS_REMOUNT = 32;
const MS_BIND = 4096;
const MS_MOVE = 8192;
const MS_PROPAGATION = 0x1e0000;
const MS_NOUSER = -0x8000_0000;

function nativeMountFlags(f: number): number {
  return (
    ((f & MS_RDONLY) !== 0 ? MNT_RDONLY : 0) |
    ((f & MS_NOSUID) !== 0 ? MNT_NOSUID : 0) |
    ((f & MS_NODEV) !== 0 ? MNT_NODEV : 0) |
    ((f & MS_NOEXEC) !== 0 ? MNT_NOEXEC : 0) |
    ((f & MS_SYNCHRONOUS) !== 0 ? MNT_SYNCHRONOUS : 0)
  );
}

/** Names that Linux has for file systems of ours. */
const FSTYPES: Readonly<Record<string, string>> = { proc: "procfs", devtmpfs: "devfs" };

/** A name in a mount call, null for none. Throws EFAULT, EINVAL for one that is too long. */
const mountName = (lp: Lwp, uaddr: number): string | null => (uaddr === 0 ? null : textArg(lp, uaddr, LINUX_PATH_MAX - 1, EINVAL));

function sysMount(lp: Lwp, a: Int32Array): number {
  const vm = lp.proc.vmspace!;
  const type = mountName(lp, a[2]!);
  const from = mountName(lp, a[0]!) ?? "none";
  const options = new Map<string, string>();
  if (a[4] !== 0) {
    for (const option of copyinstr(vm, a[4]!, 4096).split(",")) {
      const eq = option.indexOf("=");
      if (option !== "") options.set(eq < 0 ? option : option.slice(0, eq), eq < 0 ? "" : option.slice(eq + 1));
    }
  }
  const on = pathArg(lp, a[1]!);
  withPath(lp, cwd, on, NLC_FOLLOW, () => {});
  const flags = a[3]!;
  if ((flags & MS_NOUSER) !== 0) throw EINVAL;
  need(lp.proc, CAP_SYS_ADMIN);
  if ((flags & MS_REMOUNT) !== 0) return kernRemount(lp, on, nativeMountFlags(flags));
  if ((flags & (MS_BIND | MS_MOVE)) !== 0) throw ENODEV;
  if ((flags & MS_PROPAGATION) !== 0) return 0;
  if (type === null) throw EINVAL;
  return kernMount(lp, { fstype: FSTYPES[type] ?? type, from, flags: nativeMountFlags(flags), options }, on);
}

const UMOUNT_FORCE = 1;
const UMOUNT_DETACH = 2;
const UMOUNT_EXPIRE = 4;
const UMOUNT_NOFOLLOW = 8;

/** MNT_DETACH unmounts at once as far as names go; open files keep working, as with MNT_FORCE in BSD. */
function umount(lp: Lwp, uaddr: number, flags: number): number {
  if ((flags & ~(UMOUNT_FORCE | UMOUNT_DETACH | UMOUNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) throw EINVAL;
  const p = pathArg(lp, uaddr);
  withPath(lp, cwd, p, (flags & UMOUNT_NOFOLLOW) !== 0 ? 0 : NLC_FOLLOW, () => {});
  need(lp.proc, CAP_SYS_ADMIN);
  // There is no first call that only marks a mount.
  if ((flags & UMOUNT_EXPIRE) !== 0) throw EINVAL;
  return kernUnmount(lp, p, (flags & (UMOUNT_FORCE | UMOUNT_DETACH)) !== 0);
}

export const FILE_PATH_ROWS: readonly Sysent[] = [
  plain(9, "link", [path, path], (lp, a) => kernLink(lp, cwd, pathArg(lp, a[0]!), cwd, pathArg(lp, a[1]!), 0)),
  plain(10, "unlink", [path], (lp, a) => kernUnlink(lp, cwd, pathArg(lp, a[0]!))),
  plain(12, "chdir", [path], (lp, a) => kernChdir(lp, pathArg(lp, a[0]!))),
  plain(14, "mknod", [path, octal, uint], (lp, a) => mknod(lp, cwd, pathArg(lp, a[0]!), a[1]!, a[2]!)),
  plain(15, "chmod", [path, octal], (lp, a) =>
    onVnode(lp, cwd, pathArg(lp, a[0]!), NLC_FOLLOW, (vp) => setMode(lp, vp, a[1]!)),
  ),
  plain(16, "lchown", [path, uint, uint], chown(0, id16)),
  plain(21, "mount", [path, path, path, hex, uptr], sysMount),
  plain(22, "umount", [path], (lp, a) => umount(lp, a[0]!, 0)),
  plain(30, "utime", [path, uptr], (lp, a) => utimes(lp, cwd, pathArg(lp, a[0]!), a[1]!, 2)),
  plain(33, "access", [path, hex], (lp, a) => access(lp, cwd, pathArg(lp, a[0]!), a[1]!, 0)),
  sleeps(36, "sync", [], kernSync, waitDurable),
  plain(38, "rename", [path, path], (lp, a) => kernRename(lp, cwd, pathArg(lp, a[0]!), cwd, pathArg(lp, a[1]!))),
  plain(39, "mkdir", [path, octal], (lp, a) => kernMkdir(lp, cwd, pathArg(lp, a[0]!), a[1]!)),
  plain(40, "rmdir", [path], (lp, a) => kernRmdir(lp, cwd, pathArg(lp, a[0]!))),
  plain(52, "umount2", [path, hex], (lp, a) => umount(lp, a[0]!, a[1]!)),
  plain(60, "umask", [octal], sysUmask),
  plain(61, "chroot", [path], (lp, a) => kernChroot(lp, pathArg(lp, a[0]!))),
  plain(83, "symlink", [path, path], (lp, a) => kernSymlink(lp, pathArg(lp, a[0]!), cwd, pathArg(lp, a[1]!))),
  plain(85, "readlink", [path, uptr, size], (lp, a) => readlink(lp, cwd, pathArg(lp, a[0]!), a[1]!, a[2]!)),
  plain(92, "truncate", [path, int], (lp, a) => kernTruncate(lp, cwd, pathArg(lp, a[0]!), a[1]!, NLC_FOLLOW)),
  plain(94, "fchmod", [fd, octal], (lp, a) => fdSetMode(lp, a[0]!, a[1]!)),
  plain(95, "fchown", [fd, uint, uint], fchown(id16)),
  plain(133, "fchdir", [fd], (lp, a) => kernFchdir(lp, a[0]!)),
  plain(182, "chown", [path, uint, uint], chown(NLC_FOLLOW, id16)),
  plain(183, "getcwd", [uptr, size], sysGetcwd),
  plain(193, "truncate64", [path, off64], (lp, a) =>
    kernTruncate(lp, cwd, pathArg(lp, a[0]!), off64Arg(a[1]!, a[2]!), NLC_FOLLOW),
  ),
  plain(198, "lchown32", [path, uint, uint], chown(0, same)),
  plain(207, "fchown32", [fd, uint, uint], fchown(same)),
  plain(212, "chown32", [path, uint, uint], chown(NLC_FOLLOW, same)),
  plain(271, "utimes", [path, uptr], (lp, a) => utimes(lp, cwd, pathArg(lp, a[0]!), a[1]!, 4)),
  plain(296, "mkdirat", [fd, path, octal], (lp, a) => kernMkdir(lp, dirFd(a[0]!), pathArg(lp, a[1]!), a[2]!)),
  plain(297, "mknodat", [fd, path, octal, uint], (lp, a) =>
    mknod(lp, dirFd(a[0]!), pathArg(lp, a[1]!), a[2]!, a[3]!),
  ),
  plain(298, "fchownat", [fd, path, uint, uint, hex], sysFchownat),
  plain(299, "futimesat", [fd, path, uptr], (lp, a) =>
    utimes(lp, dirFd(a[0]!), a[1] === 0 ? null : pathArg(lp, a[1]!), a[2]!, 4),
  ),
  plain(301, "unlinkat", [fd, path, hex], sysUnlinkat),
  plain(302, "renameat", [fd, path, fd, path], (lp, a) => rename(lp, a, 0)),
  plain(303, "linkat", [fd, path, fd, path, hex], sysLinkat),
  plain(304, "symlinkat", [path, fd, path], sysSymlinkat),
  plain(305, "readlinkat", [fd, path, uptr, size], (lp, a) =>
    readlink(lp, dirFd(a[0]!), pathArg(lp, a[1]!), a[2]!, a[3]!),
  ),
  plain(306, "fchmodat", [fd, path, octal], (lp, a) =>
    onVnode(lp, dirFd(a[0]!), pathArg(lp, a[1]!), NLC_FOLLOW, (vp) => setMode(lp, vp, a[2]!)),
  ),
  plain(307, "faccessat", [fd, path, hex], (lp, a) => access(lp, dirFd(a[0]!), pathArg(lp, a[1]!), a[2]!, 0)),
  plain(320, "utimensat", [fd, path, uptr, hex], utimensat(false)),
  sleeps(
    344,
    "syncfs",
    [fd],
    (lp, a) => {
      lp.proc.fd!.get(a[0]!);
      return kernSync(lp);
    },
    waitDurable,
  ),
  partial(plain(353, "renameat2", [fd, path, fd, path, hex], sysRenameat2), "no whiteouts: EINVAL, as on file systems that have none"),
  plain(412, "utimensat_time64", [fd, path, uptr, hex], utimensat(true)),
  plain(439, "faccessat2", [fd, path, hex, hex], (lp, a) => access(lp, dirFd(a[0]!), pathArg(lp, a[1]!), a[2]!, a[3]!)),
];
