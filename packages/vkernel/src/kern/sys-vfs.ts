// SPDX-License-Identifier: BSD-3-Clause
/**
 * Calls that name files: open, stat, link, unlink, rename and their kin, for every ABI (DragonFly 2.0
 * sys/kern/vfs_syscalls.c). Paths are byte strings that were copied in once; `dirfd` is the directory where a
 * relative path starts, AT_FDCWD for the working directory; flags and modes are native.
 *
 * Invariants
 *   SV1  Whatever a call holds is dropped when it returns or throws, and a throw of IoMiss finds nothing changed.
 *   SV2  The name cache and the file system change together: after an operation of the file system has succeeded,
 *        the cache is brought up to date without a step that could fail.
 * @module
 */
import { CAP_FOWNER, CAP_FSETID, CAP_MKNOD, CAP_SYS_CHROOT, capable } from "../sys/capability.ts";
import { EACCES, EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EROFS, EXDEV } from "../sys/errno.ts";
import { knote, NOTE_DELETE, NOTE_LINK, NOTE_RENAME, NOTE_WRITE } from "../sys/event.ts";
import { AT_FDCWD } from "../sys/fcntl.ts";
import { ALLPERMS, S_ISGID, S_ISTXT, S_IXGRP } from "../sys/stat.ts";
import { groupMember, type Ucred, VEXEC, VWRITE } from "../sys/ucred.ts";
import { MNT_RDONLY } from "../vfs/mount.ts";
import type { Nchandle } from "../vfs/namecache.ts";
import { cacheDrop, cacheFullpath, cacheHold } from "../vfs/namecache.ts";
import {
  LAST_DOT,
  LAST_DOTDOT,
  LAST_NORM,
  LAST_ROOT,
  NLC_BENEATH,
  NLC_CREATE,
  NLC_EMPTY,
  NLC_FOLLOW,
  NLC_INROOT,
  NLC_NAME,
  Nlookup,
  nlookup,
} from "../vfs/nlookup.ts";
import { nameNote } from "../vfs/notify.ts";
import type { Vattr, Vnode, Vtype } from "../vfs/vnode.ts";
import { VBLK, VCHR, VDIR, VLNK, vref, vrele } from "../vfs/vnode.ts";
import type { Lwp, Proc } from "./proc.ts";
import { directoryOf, VnodeFile } from "./vnode-file.ts";

const SLASH = 0x2f;

/** The start of a walk for a process. Throws EBADF, ENOTDIR for a bad `dirfd`. */
export function nlookupInit(lp: Lwp, dirfd: number, path: string, flags = 0): Nlookup {
  const p = lp.proc;
  const fd = p.fd!;
  let start = fd.cdir;
  if (path.length === 0 && (flags & NLC_EMPTY) === 0) throw ENOENT;
  if ((flags & (NLC_BENEATH | NLC_INROOT)) !== 0) {
    if (dirfd !== AT_FDCWD) start = directoryOf(lp, dirfd);
    return new Nlookup(p.cred, start, start);
  }
  if (dirfd !== AT_FDCWD && path.charCodeAt(0) !== SLASH) {
    if (path.length === 0) {
      const fp = fd.getAny(dirfd);
      if (!(fp instanceof VnodeFile)) throw ENOTDIR;
      start = fp.nch;
    } else start = directoryOf(lp, dirfd);
  }
  const nd = new Nlookup(p.cred, fd.rdir, start);
  if (lp.k.varsyms.enabled) nd.varsyms = p;
  return nd;
}

/** Resolves a path to a held name. */
export function lookupPath(lp: Lwp, dirfd: number, path: string, flags: number): Nchandle {
  return nlookup(nlookupInit(lp, dirfd, path, flags), path, flags);
}

/** Runs `f` on the file of a path, and drops the name whatever happens. */
export function withPath<T>(lp: Lwp, dirfd: number, path: string, flags: number, f: (vp: Vnode, nch: Nchandle) => T): T {
  const nch = lookupPath(lp, dirfd, path, flags);
  try {
    return f(nch.vp!, nch);
  } finally {
    cacheDrop(nch);
  }
}

/** Walks to the directory of a path's last name, which need not be there. Throws what the walk throws. */
export function walkParent(lp: Lwp, dirfd: number, path: string): void {
  cacheDrop(nlookup(nlookupInit(lp, dirfd, path), path, NLC_CREATE | NLC_NAME));
}

/** Throws EROFS when the file system is mounted read-only. */
export function checkWritableMount(vp: Vnode): void {
  if ((vp.mount.flags & MNT_RDONLY) !== 0) throw EROFS;
}

/** The directory in which a missing name can be made. Throws EROFS, EACCES. */
function creatableIn(p: Proc, nch: Nchandle): Vnode {
  const dvp = nch.parent!.vp!;
  checkWritableMount(dvp);
  if (!dvp.access(VWRITE | VEXEC, p.cred)) throw EACCES;
  return dvp;
}

/** Group of a new file: the directory's in BSD and below set-gid directories, else the process's. */
function newGid(p: Proc, dir: Vattr): number {
  return p.abi.files.groupOfDirectory || (dir.mode & S_ISGID) !== 0 ? dir.gid : p.cred.gid;
}

/** Makes a file under a negative name; the cache has it afterwards. Returns it without a reference of its own. `quiet`: nobody is told. */
export function createAt(
  lp: Lwp,
  nch: Nchandle,
  type: Vtype,
  mode: number,
  extra: { rdev?: number; target?: string } = {},
  quiet = false,
): Vnode {
  const p = lp.proc;
  const dvp = creatableIn(p, nch);
  const dir = dvp.getattr();
  let bits = mode & ALLPERMS & ~p.fd!.umask;
  if (type === VDIR && !p.abi.files.groupOfDirectory) bits |= dir.mode & S_ISGID;
  const gid = newGid(p, dir);
  // Nobody makes a program that runs with the rights of a group that he is not in.
  const setsGid = type !== VDIR && (bits & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP);
  if (setsGid && !groupMember(gid, p.cred) && !capable(p.cred, CAP_FSETID)) bits &= ~S_ISGID;
  const vp = dvp.create(nch.name, { type, mode: type === VLNK ? 0o777 : bits, uid: p.cred.uid, gid, ...extra });
  nch.cache.setVnode(nch, vp);
  if (!quiet) nameNote(dvp, type === VDIR ? NOTE_WRITE | NOTE_LINK : NOTE_WRITE, "created", nch.name, type === VDIR);
  return vp;
}

/** Resolves the name of a file to be made; EEXIST when it is there. Held. */
function lookupNew(nd: Nlookup, path: string, isDir: boolean): Nchandle {
  const nch = nlookup(nd, path, NLC_CREATE | NLC_NAME);
  if (nch.vp !== null) {
    cacheDrop(nch);
    throw EEXIST;
  }
  if (nd.trailingSlash && !isDir) {
    cacheDrop(nch);
    throw ENOENT;
  }
  return nch;
}

/** mkdir(2), mkdirat. */
export function kernMkdir(lp: Lwp, dirfd: number, path: string, mode: number): number {
  return makeDirectory(lp, nlookupInit(lp, dirfd, path), path, mode & (0o777 | S_ISTXT));
}
/** Makes a directory; the walk starts where `nd` says. */
export function makeDirectory(lp: Lwp, nd: Nlookup, path: string, mode: number): number {
  const nch = lookupNew(nd, path, true);
  try {
    createAt(lp, nch, VDIR, mode);
    return 0;
  } finally {
    cacheDrop(nch);
  }
}

/** mknod(2), mkfifo(2): any type but a directory. Devices are the superuser's to make. */
export function kernMknod(lp: Lwp, dirfd: number, path: string, type: Vtype, mode: number, rdev: number): number {
  return makeNode(lp, nlookupInit(lp, dirfd, path), path, type, mode, rdev);
}
/** As kernMknod; the walk starts where `nd` says. */
export function makeNode(lp: Lwp, nd: Nlookup, path: string, type: Vtype, mode: number, rdev: number): number {
  if ((type === VCHR || type === VBLK) && !capable(lp.proc.cred, CAP_MKNOD)) throw EPERM;
  if (type === VDIR || type === VLNK) throw EPERM;
  const nch = lookupNew(nd, path, false);
  try {
    createAt(lp, nch, type, mode, { rdev });
    return 0;
  } finally {
    cacheDrop(nch);
  }
}

/** symlink(2), symlinkat. */
export function kernSymlink(lp: Lwp, target: string, dirfd: number, path: string): number {
  return makeSymlink(lp, target, nlookupInit(lp, dirfd, path), path);
}
/** As kernSymlink; the walk starts where `nd` says. */
export function makeSymlink(lp: Lwp, target: string, nd: Nlookup, path: string): number {
  if (target.length === 0) throw ENOENT;
  const nch = lookupNew(nd, path, false);
  try {
    createAt(lp, nch, VLNK, 0o777, { target });
    return 0;
  } finally {
    cacheDrop(nch);
  }
}

/** link(2), linkat. `follow`: a symbolic link at `from` is followed. */
export function kernLink(lp: Lwp, fromFd: number, from: string, toFd: number, to: string, flags: number): number {
  return withPath(lp, fromFd, from, flags, (vp) => makeLink(lp, vp, nlookupInit(lp, toFd, to), to));
}
/** Makes another name for a file; the walk starts where `nd` says. */
export function makeLink(lp: Lwp, vp: Vnode, nd: Nlookup, to: string): number {
  if (vp.type === VDIR) throw EPERM;
  // A file whose last name has gone ends with its last user.
  if (vp.getattr().nlink === 0) throw ENOENT;
  const nch = lookupNew(nd, to, false);
  try {
    const dvp = nch.parent!.vp!;
    if (dvp.mount !== vp.mount) throw EXDEV;
    creatableIn(lp.proc, nch);
    dvp.link(nch.name, vp);
    nch.cache.setVnode(nch, vref(vp));
    knote(vp, NOTE_LINK);
    nameNote(dvp, NOTE_WRITE, "created", nch.name, false);
    return 0;
  } finally {
    cacheDrop(nch);
  }
}

/** May the process take this name away? VWRITE on the directory; below a sticky one, ownership too. */
function checkRemovable(p: Proc, nch: Nchandle): void {
  const dvp = nch.parent!.vp!;
  checkWritableMount(dvp);
  if (!dvp.access(VWRITE | VEXEC, p.cred)) throw EACCES;
  const dir = dvp.getattr();
  if ((dir.mode & S_ISTXT) === 0 || dir.uid === p.cred.uid || nch.vp!.getattr().uid === p.cred.uid) return;
  if (!capable(p.cred, CAP_FOWNER)) throw EPERM;
}

/** unlink(2), unlinkat. A directory is EPERM in BSD, EISDIR in Linux. */
export function kernUnlink(lp: Lwp, dirfd: number, path: string): number {
  return removeFile(lp, nlookupInit(lp, dirfd, path), path);
}
/** As kernUnlink; the walk starts where `nd` says. */
export function removeFile(lp: Lwp, nd: Nlookup, path: string): number {
  const nch = nlookup(nd, path, NLC_NAME);
  try {
    const vp = nch.vp!;
    if (vp.type === VDIR) throw lp.proc.abi.files.unlinkDirectory;
    if (nch.mountedHere !== null) throw EBUSY;
    checkRemovable(lp.proc, nch);
    const dvp = nch.parent!.vp!;
    const { name } = nch;
    dvp.unlink(name, vp);
    nch.cache.detach(nch);
    nameNote(dvp, NOTE_WRITE, "deleted", name, false);
    knote(vp, NOTE_DELETE);
    return 0;
  } finally {
    cacheDrop(nch);
  }
}

/** rmdir(2). "." is EINVAL, ".." ENOTEMPTY, a mount point or the root EBUSY. */
export function kernRmdir(lp: Lwp, dirfd: number, path: string): number {
  return removeDirectory(lp, nlookupInit(lp, dirfd, path), path);
}
/** As kernRmdir; the walk starts where `nd` says. */
export function removeDirectory(lp: Lwp, nd: Nlookup, path: string): number {
  const nch = nlookup(nd, path, NLC_NAME);
  try {
    const vp = nch.vp!;
    if (vp.type !== VDIR) {
      checkRemovable(lp.proc, nch);
      throw ENOTDIR;
    }
    if (nd.last === LAST_DOT) throw EINVAL;
    if (nd.last === LAST_DOTDOT) throw ENOTEMPTY;
    if (nd.last !== LAST_NORM || nch.mount.rootNch === nch) throw EBUSY;
    if (nch.detached) throw ENOENT;
    checkRemovable(lp.proc, nch);
    const dvp = nch.parent!.vp!;
    const { name } = nch;
    dvp.rmdir(name, vp);
    nch.cache.detach(nch);
    nameNote(dvp, NOTE_WRITE | NOTE_LINK, "deleted", name, true);
    knote(vp, NOTE_DELETE);
    return 0;
  } finally {
    cacheDrop(nch);
  }
}

/** renameat2 flag: EEXIST instead of replacing. */
export const RENAME_NOREPLACE = 1;
/** Both names stay, and change what they name. */
export const RENAME_EXCHANGE = 2;

/** rename(2), renameat, renameat2. `flags`: RENAME_NOREPLACE or RENAME_EXCHANGE. Throws EINVAL where file systems cannot exchange. */
export function kernRename(lp: Lwp, fromFd: number, from: string, toFd: number, to: string, flags = 0): number {
  return renameFile(lp, nlookupInit(lp, fromFd, from), from, nlookupInit(lp, toFd, to), to, flags);
}
/** As kernRename; the walks start where `fromNd` and `toNd` say. */
export function renameFile(lp: Lwp, fromNd: Nlookup, from: string, toNd: Nlookup, to: string, flags = 0): number {
  const p = lp.proc;
  const fnch = nlookup(fromNd, from, NLC_NAME);
  try {
    const tnch = nlookup(toNd, to, NLC_CREATE | NLC_NAME);
    try {
      // BSD calls "." and ".." invalid, Linux busy; the root is busy for both.
      if (fromNd.last !== LAST_NORM || toNd.last !== LAST_NORM) {
        const isDot = fromNd.last !== LAST_ROOT && toNd.last !== LAST_ROOT;
        throw isDot ? p.abi.files.rmdirDot : EBUSY;
      }
      const fvp = fnch.vp!;
      const tvp = tnch.vp;
      if (tvp !== null && (flags & RENAME_NOREPLACE) !== 0) throw EEXIST;
      const exchange = (flags & RENAME_EXCHANGE) !== 0;
      if (exchange && tvp === null) throw ENOENT;
      if ((fromNd.trailingSlash || (toNd.trailingSlash && !exchange)) && fvp.type !== VDIR) throw ENOTDIR;
      if (exchange && toNd.trailingSlash && tvp!.type !== VDIR) throw ENOTDIR;
      if (fnch.mount.rootNch === fnch || tnch.mount.rootNch === tnch) throw EBUSY;
      const fdir = fnch.parent!;
      const tdir = tnch.parent!;
      if (fdir.vp!.mount !== tdir.vp!.mount) throw EXDEV;
      if (fvp === tvp) return 0;
      if (exchange) return exchangeFiles(lp, fnch, tnch);
      if (fvp.type === VDIR) for (let at: Nchandle | null = tnch; at !== null; at = at.parent) if (at === fnch) throw EINVAL;
      if (tvp !== null) {
        if (fvp.type === VDIR && tvp.type !== VDIR) throw ENOTDIR;
        if (fvp.type !== VDIR && tvp.type === VDIR) throw EISDIR;
        for (let at: Nchandle | null = fnch; at !== null; at = at.parent) if (at === tnch) throw ENOTEMPTY;
        checkRemovable(p, tnch);
      } else creatableIn(p, tnch);
      checkRemovable(p, fnch);
      // A directory that changes its parent has its ".." rewritten.
      if (fvp.type === VDIR && fdir !== tdir && !fvp.access(VWRITE, p.cred)) throw EACCES;
      fdir.vp!.rename(fnch.name, fvp, tdir.vp!, tnch.name, tvp);
      const [fdvp, tdvp] = [fdir.vp!, tdir.vp!];
      if (tvp !== null) vref(tvp);
      const [fname, tname] = [fnch.name, tnch.name];
      fnch.cache.rename(fnch, tnch);
      const isDir = fvp.type === VDIR;
      const cookie = lp.k.nextRenameCookie();
      nameNote(fdvp, NOTE_WRITE, "movedFrom", fname, isDir, cookie);
      nameNote(tdvp, NOTE_WRITE, "movedTo", tname, isDir, cookie);
      knote(fvp, NOTE_RENAME);
      if (tvp !== null) {
        knote(tvp, NOTE_DELETE);
        vrele(tvp);
      }
      return 0;
    } finally {
      cacheDrop(tnch);
    }
  } finally {
    cacheDrop(fnch);
  }
}

/** Whether `nch` is `dir` or below it. */
function isBelow(nch: Nchandle, dir: Nchandle): boolean {
  for (let at: Nchandle | null = nch; at !== null; at = at.parent) if (at === dir) return true;
  return false;
}

/** RENAME_EXCHANGE, of two names in one mount (Linux fs/namei.c, vfs_rename). */
function exchangeFiles(lp: Lwp, a: Nchandle, b: Nchandle): number {
  const p = lp.proc;
  const [avp, bvp] = [a.vp!, b.vp!];
  const [adir, bdir] = [a.parent!, b.parent!];
  if (isBelow(b, a) || isBelow(a, b)) throw EINVAL;
  checkRemovable(p, a);
  checkRemovable(p, b);
  // A directory that changes its parent has its ".." rewritten.
  for (const vp of adir === bdir ? [] : [avp, bvp]) if (vp.type === VDIR && !vp.access(VWRITE, p.cred)) throw EACCES;
  adir.vp!.exchange(a.name, avp, bdir.vp!, b.name, bvp);
  const [adirVp, bdirVp, aname, bname] = [adir.vp!, bdir.vp!, a.name, b.name];
  a.cache.exchange(a, b);
  const moved = (vp: Vnode, from: Vnode, fromName: string, to: Vnode, toName: string): void => {
    const cookie = lp.k.nextRenameCookie();
    nameNote(from, NOTE_WRITE, "movedFrom", fromName, vp.type === VDIR, cookie);
    nameNote(to, NOTE_WRITE, "movedTo", toName, vp.type === VDIR, cookie);
    knote(vp, NOTE_RENAME);
  };
  moved(avp, adirVp, aname, bdirVp, bname);
  moved(bvp, bdirVp, bname, adirVp, aname);
  return 0;
}

/** readlink(2), readlinkat. An empty path with NLC_EMPTY means the descriptor itself. */
export function kernReadlink(lp: Lwp, dirfd: number, path: string): string {
  return withPath(lp, dirfd, path, path.length === 0 && dirfd !== AT_FDCWD ? NLC_EMPTY : 0, (vp) => {
    if (vp.type !== VLNK) throw EINVAL;
    return vp.readlink();
  });
}

/** Credentials of the real user and group. */
function realCred(c: Ucred): Ucred {
  return { ...c, uid: c.ruid, gid: c.rgid, caps: c.caps.forRealUser(c.ruid) };
}

/** access(2), faccessat. `want` is a mask of VREAD, VWRITE, VEXEC; `effective` uses the effective ids. */
export function kernAccess(lp: Lwp, dirfd: number, path: string, want: number, effective: boolean, flags: number): number {
  const p = lp.proc;
  const cred = effective ? p.cred : realCred(p.cred);
  const nd = nlookupInit(lp, dirfd, path, flags);
  nd.cred = cred;
  const nch = nlookup(nd, path, flags);
  try {
    const vp = nch.vp!;
    if ((want & VWRITE) !== 0 && vp.type !== VCHR && vp.type !== VBLK) checkWritableMount(vp);
    if (want !== 0 && !vp.access(want, cred)) throw EACCES;
    return 0;
  } finally {
    cacheDrop(nch);
  }
}

/** stat(2), lstat, fstatat: flags NLC_FOLLOW, NLC_EMPTY. */
export function kernStat(lp: Lwp, dirfd: number, path: string, flags: number): Vattr {
  if (path.length === 0 && (flags & NLC_EMPTY) !== 0 && dirfd !== AT_FDCWD) return lp.proc.fd!.getAny(dirfd).stat();
  return withPath(lp, dirfd, path, flags, (vp) => vp.getattr());
}

/** fstat(2). */
export function kernFstat(lp: Lwp, fd: number): Vattr {
  return lp.proc.fd!.getAny(fd).stat();
}

/** Makes a directory the working directory of the process's table; takes over the hold. */
function setCdir(lp: Lwp, nch: Nchandle): number {
  const fd = lp.proc.fd!;
  const old = fd.cdir;
  fd.cdir = nch;
  cacheDrop(old);
  return 0;
}

function checkEnterable(lp: Lwp, nch: Nchandle): void {
  if (nch.vp!.type !== VDIR) throw ENOTDIR;
  if (!nch.vp!.access(VEXEC, lp.proc.cred)) throw EACCES;
}

/** chdir(2). */
export function kernChdir(lp: Lwp, path: string): number {
  const nch = lookupPath(lp, AT_FDCWD, path, NLC_FOLLOW);
  try {
    checkEnterable(lp, nch);
  } catch (e) {
    cacheDrop(nch);
    throw e;
  }
  return setCdir(lp, nch);
}

/** fchdir(2). */
export function kernFchdir(lp: Lwp, fd: number): number {
  const nch = directoryOf(lp, fd);
  checkEnterable(lp, nch);
  return setCdir(lp, cacheHold(nch));
}

/** chroot(2): the superuser's. BSD also moves the working directory there; Linux leaves it. */
export function kernChroot(lp: Lwp, path: string): number {
  const nch = lookupPath(lp, AT_FDCWD, path, NLC_FOLLOW);
  try {
    checkEnterable(lp, nch);
    if (!capable(lp.proc.cred, CAP_SYS_CHROOT)) throw EPERM;
  } catch (e) {
    cacheDrop(nch);
    throw e;
  }
  const fd = lp.proc.fd!;
  const old = fd.rdir;
  fd.rdir = nch;
  cacheDrop(old);
  if (lp.proc.abi.files.chrootEnters) setCdir(lp, cacheHold(nch));
  return 0;
}

/** The working directory's path. Throws ENOENT when it was removed or lies outside of the root directory. */
export function kernGetcwd(lp: Lwp): string {
  const { cdir, rdir } = lp.proc.fd!;
  const path = cacheFullpath(cdir, rdir);
  if (path === null) throw ENOENT;
  return path;
}
