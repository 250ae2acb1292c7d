// SPDX-License-Identifier: BSD-3-Clause
/**
 * Changing attributes: chmod, chown, chflags, utimes, truncate, and making files durable (DragonFly 2.0
 * sys/kern/vfs_syscalls.c). Each operation works on a vnode; the calls by path and by descriptor share it.
 */
import { CAP_CHOWN, CAP_FOWNER, CAP_FSETID, CAP_LINUX_IMMUTABLE, capable } from "../sys/capability.ts";
import { EACCES, EBADF, EFBIG, EINVAL, EISDIR, EPERM, ETXTBSY } from "../sys/errno.ts";
import { NOTE_ATTRIB } from "../sys/event.ts";
import { FWRITE } from "../sys/fcntl.ts";
import { SIGXFSZ } from "../sys/signal.ts";
import { ALLPERMS, S_ISGID, S_ISTXT, S_ISUID, S_IXGRP, UF_SETTABLE } from "../sys/stat.ts";
import { groupMember, type Ucred, VWRITE } from "../sys/ucred.ts";
import { vnodeNote } from "../vfs/notify.ts";
import type { Vattr, VattrChange, Vnode } from "../vfs/vnode.ts";
import { VDIR, VREG } from "../vfs/vnode.ts";
import { vnodeSync } from "../vfs/vnode-pager.ts";
import { FifoFile } from "./fifo-file.ts";
import type { Lwp } from "./proc.ts";
import { RLIMIT_FSIZE } from "./resource.ts";
import { lwpsignal } from "./sig.ts";
import { checkWritableMount, withPath } from "./sys-vfs.ts";
import { untilDurable } from "./durable.ts";
import { OFF_MAX, truncateVnode, VnodeFile } from "./vnode-file.ts";

/** The vnode of a descriptor. Throws EBADF, EINVAL for files that are none (pipes, sockets). */
export function vnodeOfFd(lp: Lwp, fd: number): Vnode {
  const fp = lp.proc.fd!.get(fd);
  if (fp instanceof VnodeFile || fp instanceof FifoFile) return fp.vp;
  throw EINVAL;
}

/** An operation on the file of a path, or of a descriptor when the path is null. */
export function onVnode(
  lp: Lwp,
  fd: number,
  path: string | null,
  flags: number,
  f: (vp: Vnode) => void,
): number {
  if (path === null) f(vnodeOfFd(lp, fd));
  else withPath(lp, fd, path, flags, f);
  return 0;
}

/** Whether a file is the caller's to change: its own, or by a right over everybody's. */
const isOwner = (cred: Ucred, va: Vattr): boolean => cred.uid === va.uid || capable(cred, CAP_FOWNER);

/** chmod: the owner's and the superuser's. Others than the superuser cannot set the sticky bit of files, or the
 * set-gid bit for a group that they are not in. Throws EPERM. */
function modeChange(lp: Lwp, va: Vattr, mode: number): VattrChange {
  const { cred } = lp.proc;
  let bits = mode & ALLPERMS;
  if (!isOwner(cred, va)) throw EPERM;
  if (capable(cred, CAP_FSETID)) return { mode: bits };
  if (va.type !== VDIR && (bits & S_ISTXT) !== 0 && lp.proc.abi.files.stickyIsForRoot) bits &= ~S_ISTXT;
  if (!groupMember(va.gid, cred)) bits &= ~S_ISGID;
  return { mode: bits };
}
export function setMode(lp: Lwp, vp: Vnode, mode: number): void {
  checkWritableMount(vp);
  vp.setattr(modeChange(lp, vp.getattr(), mode));
  vnodeNote(vp, NOTE_ATTRIB);
}

/**
 * chown: -1 leaves an id as it is. The superuser may do all; the owner may give the file to a group that it is in.
 * Set-id bits go when somebody else than the superuser changes an owner (Linux: whoever does it). Leaving both ids is allowed to
 * everybody, but the set-id bits are the owner's (Linux fs/open.c chown_common, fs/attr.c). Throws EPERM.
 */
function ownerChange(lp: Lwp, va: Vattr, uid: number, gid: number): VattrChange {
  const { cred } = lp.proc;
  const newUid = uid === -1 ? va.uid : uid >>> 0;
  const newGid = gid === -1 ? va.gid : gid >>> 0;
  const mayGive = capable(cred, CAP_CHOWN);
  if (!mayGive && (uid !== -1 || gid !== -1)) {
    if (cred.uid !== va.uid || newUid !== va.uid) throw EPERM;
    if (newGid !== va.gid && !groupMember(newGid, cred)) throw EPERM;
  }
  const change: VattrChange = { uid: newUid, gid: newGid };
  if (va.type !== VDIR && (!mayGive || lp.proc.abi.files.rootDropsSetId)) {
    const drop = (va.mode & S_ISUID) | ((va.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP) ? S_ISGID : 0);
    if (drop !== 0) {
      if (!mayGive && !isOwner(cred, va)) throw EPERM;
      change.mode = va.mode & ~drop;
    }
  }
  return change;
}
export function setOwner(lp: Lwp, vp: Vnode, uid: number, gid: number): void {
  checkWritableMount(vp);
  vp.setattr(ownerChange(lp, vp.getattr(), uid, gid));
  vnodeNote(vp, NOTE_ATTRIB);
}

/** fchmod(2) and fchown(2) of any descriptor, pipes and sockets included. Throws EBADF, EPERM, EINVAL for what has no attributes. */
export function fdSetMode(lp: Lwp, fd: number, mode: number): number {
  const { node } = lp.proc.fd!.get(fd);
  if (node === null) setMode(lp, vnodeOfFd(lp, fd), mode);
  else node.setattr(modeChange(lp, node.getattr(), mode));
  return 0;
}
export function fdSetOwner(lp: Lwp, fd: number, uid: number, gid: number): number {
  const { node } = lp.proc.fd!.get(fd);
  if (node === null) setOwner(lp, vnodeOfFd(lp, fd), uid, gid);
  else node.setattr(ownerChange(lp, node.getattr(), uid, gid));
  return 0;
}

/** chflags: the owner's for user flags, the superuser's for system flags. */
export function setFlags(lp: Lwp, vp: Vnode, flags: number): void {
  checkWritableMount(vp);
  const { cred } = lp.proc;
  const va = vp.getattr();
  if (!isOwner(cred, va)) throw EPERM;
  if (((flags ^ va.flags) & ~UF_SETTABLE) !== 0 && !capable(cred, CAP_LINUX_IMMUTABLE)) throw EPERM;
  vp.setattr({ flags: flags >>> 0 });
  vnodeNote(vp, NOTE_ATTRIB);
}

/** A time to set; null leaves it, "now" takes the clock. */
export type NewTime = { sec: number; nsec: number } | "now" | null;

/** utimes: setting both to now needs VWRITE or ownership, anything else ownership. */
export function setTimes(lp: Lwp, vp: Vnode, atime: NewTime, mtime: NewTime): void {
  if (atime === null && mtime === null) return;
  checkWritableMount(vp);
  const { cred } = lp.proc;
  if (!isOwner(cred, vp.getattr())) {
    if (atime !== "now" || mtime !== "now") throw EPERM;
    if (!vp.access(VWRITE, cred)) throw EACCES;
  }
  const us = lp.k.microtime();
  const now = { sec: Math.floor(us / 1e6), nsec: Math.floor(us % 1e6) * 1000 };
  const change: VattrChange = {};
  const a = atime === "now" ? now : atime;
  const m = mtime === "now" ? now : mtime;
  if (a !== null) {
    change.atimeSec = a.sec;
    change.atimeNsec = a.nsec;
  }
  if (m !== null) {
    change.mtimeSec = m.sec;
    change.mtimeNsec = m.nsec;
  }
  vp.setattr(change);
  vnodeNote(vp, NOTE_ATTRIB);
}

/** Checks a new size against what the process and the kernel allow. Throws EINVAL, EFBIG. */
function checkSize(lp: Lwp, size: number): void {
  if (size < 0) throw EINVAL;
  if (size > lp.proc.limits.cur[RLIMIT_FSIZE]!) {
    lwpsignal(lp, SIGXFSZ);
    throw EFBIG;
  }
  if (size > OFF_MAX) throw EFBIG;
}

/** truncate(2). */
export function kernTruncate(lp: Lwp, dirfd: number, path: string, size: number, flags: number): number {
  if (size < 0) throw EINVAL;
  withPath(lp, dirfd, path, flags, (vp) => {
    if (vp.type === VDIR) throw EISDIR;
    if (vp.type !== VREG) throw EINVAL;
    checkWritableMount(vp);
    if (!vp.access(VWRITE, lp.proc.cred)) throw EACCES;
    if (vp.textCount > 0) throw ETXTBSY;
    if (size > vp.size()) checkSize(lp, size);
    truncateVnode(vp, size);
  });
  return 0;
}

/** ftruncate(2). */
export function kernFtruncate(lp: Lwp, fd: number, size: number): number {
  const fp = lp.proc.fd!.get(fd);
  if (size < 0 || !(fp instanceof VnodeFile) || fp.vp.type !== VREG) throw EINVAL;
  if ((fp.flags & FWRITE) === 0) throw EINVAL;
  if (size > fp.vp.size()) checkSize(lp, size);
  truncateVnode(fp.vp, size);
  return 0;
}

/**
 * fallocate(2) with mode 0 or "keep size": makes the file at least that long; storage is found when it is written, as
 * file systems here do not reserve it.
 */
export function kernFallocate(lp: Lwp, fd: number, offset: number, len: number, keepSize: boolean): number {
  const fp = lp.proc.fd!.get(fd);
  if (!fp.writable) throw EBADF;
  if (offset < 0 || len <= 0 || !(fp instanceof VnodeFile) || fp.vp.type !== VREG) throw EINVAL;
  const end = offset + len;
  checkSize(lp, end);
  if (!keepSize && end > fp.vp.size()) truncateVnode(fp.vp, end);
  return 0;
}

/** fsync(2), fdatasync, plain half: 0, or WOULDBLOCK for waitDurable(). Pipes and sockets are EINVAL. */
export function kernFsync(lp: Lwp, fd: number): number {
  const fp = lp.proc.fd!.get(fd);
  if (!(fp instanceof VnodeFile)) throw EINVAL;
  if (fp.dev !== null) {
    if (!fp.dev.seekable) throw EINVAL;
    fp.dev.sync();
    return 0;
  }
  vnodeSync(fp.vp);
  return untilDurable(lp, [fp.vp.mount]);
}
