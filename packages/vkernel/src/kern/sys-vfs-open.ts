// SPDX-License-Identifier: BSD-3-Clause
/**
 * open(2) (DragonFly 2.0 sys/kern/vfs_syscalls.c kern_open, vfs_vnops.c vn_open). Only fifos wait in it.
 *
 * Invariants
 *   SO1  A descriptor is reserved before anything is created or opened, so that EMFILE changes nothing.
 *   SO2  The open file exists before the descriptor; whatever fails in between closes it again.
 * @module
 */
import { CAP_FOWNER } from "../sys/capability.ts";
import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  ENOTDIR,
  ENXIO,
  EPERM,
  ETXTBSY,
} from "../sys/errno.ts";
import {
  FREAD,
  FWRITE,
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_EXLOCK,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_SHLOCK,
  O_TMPFILE,
  O_TRUNC,
} from "../sys/fcntl.ts";
import { NOTE_OPEN } from "../sys/event.ts";
import { SF_APPEND, SF_IMMUTABLE, UF_APPEND, UF_IMMUTABLE } from "../sys/stat.ts";
import { VREAD, VWRITE } from "../sys/ucred.ts";
import { WOULDBLOCK } from "../sys/wait.ts";
import type { Cdev } from "../dev/cdev.ts";
import { CTTY_RDEV } from "../dev/tty-dev.ts";
import { FileRefVnode } from "../vfs/file-ref.ts";
import { MNT_NODEV } from "../vfs/mount.ts";
import type { Nchandle } from "../vfs/namecache.ts";
import { cacheDrop } from "../vfs/namecache.ts";
import { NLC_CREATE, NLC_FOLLOW, NLC_NOSYMLINK, Nlookup, nlookup } from "../vfs/nlookup.ts";
import { vnodeNote } from "../vfs/notify.ts";
import type { Vnode } from "../vfs/vnode.ts";
import { VBLK, VCHR, VDIR, VFIFO, VLNK, VREG, VSOCK } from "../vfs/vnode.ts";
import { checkFifoOpen, FifoFile } from "./fifo-file.ts";
import type { File } from "./file.ts";
import { fdrop, fhold } from "./file.ts";
import type { Lwp } from "./proc.ts";
import { need } from "./prot.ts";
import { whenLoaded } from "./sleep.ts";
import { checkWritableMount, createAt, lookupPath, nlookupInit } from "./sys-vfs.ts";
import { flockTry } from "./sys-file-lock.ts";
import { acquireTty } from "./tty-jobctl.ts";
import { truncateVnode, VnodeFile } from "./vnode-file.ts";

/** open(2), plain half. `flags` native, with the access mode as O_RDONLY, O_WRONLY or O_RDWR. */
export function openTry(lp: Lwp, dirfd: number, path: string, flags: number, mode: number, resolve = 0): number {
  const fd = lp.proc.fd!;
  fd.reserve(lp, 1);
  if ((flags & (O_TMPFILE | O_PATH)) === O_TMPFILE) return WOULDBLOCK;
  const fp = openFile(lp, dirfd, path, flags, mode, resolve);
  if (fp instanceof FifoFile && !fp.connected) {
    fdrop(fp, lp);
    return WOULDBLOCK;
  }
  return fd.install(lp, fp, (flags & O_CLOEXEC) !== 0);
}

/** open(2), waiting half: a fifo without its other side, and files without a name. */
export function* openSlow(
  lp: Lwp,
  dirfd: number,
  path: string,
  flags: number,
  mode: number,
  resolve = 0,
): Generator<void, number, void> {
  const unnamed = (flags & (O_TMPFILE | O_PATH)) === O_TMPFILE;
  const fp = unnamed
    ? yield* openUnnamed(lp, dirfd, path, flags, mode, resolve)
    : openFile(lp, dirfd, path, flags, mode, resolve);
  try {
    if (fp instanceof FifoFile) yield* fp.waitConnected(lp);
    return lp.proc.fd!.install(lp, fp, (flags & O_CLOEXEC) !== 0);
  } catch (e) {
    fdrop(fp, lp);
    throw e;
  }
}

/** Opens or creates a file; the result is referenced once. `resolve`: NLC_* that restrict the walk. */
export function openFile(lp: Lwp, dirfd: number, path: string, flags: number, mode: number, resolve = 0): File {
  const pathOnly = (flags & O_PATH) !== 0;
  const creating = (flags & O_CREAT) !== 0 && !pathOnly;
  const exclusive = creating && (flags & O_EXCL) !== 0;
  const noFollow = (flags & O_NOFOLLOW) !== 0;
  if ((flags & O_ACCMODE) === O_ACCMODE) throw EINVAL;
  let lookup = resolve;
  if (!noFollow && !exclusive) lookup |= NLC_FOLLOW;
  if (noFollow && !pathOnly) lookup |= NLC_NOSYMLINK;
  if (creating) lookup |= NLC_CREATE;
  const refuses = creating && lp.proc.abi.files.createRefusesDirectories;
  if (refuses && path.endsWith("/")) throw EISDIR;
  const nd = nlookupInit(lp, dirfd, path, resolve);
  const nch = nlookup(nd, path, lookup);
  try {
    if (nch.vp === null) {
      if (nd.trailingSlash) throw EISDIR;
      if ((flags & O_DIRECTORY) !== 0) throw EINVAL;
      createAt(lp, nch, VREG, mode);
      return opened(new VnodeFile(fileFlags(flags), nch, null));
    }
    if (exclusive) throw EEXIST;
    if (nd.trailingSlash && nch.vp.type !== VDIR) throw ENOTDIR;
    if (refuses && nch.vp.type === VDIR) throw EISDIR;
    return openExisting(lp, nch, flags);
  } finally {
    cacheDrop(nch);
  }
}

/**
 * O_TMPFILE: makes a file in a directory and takes its name away before anybody else runs who could see it, save after a
 * loss of power in between. It cannot be given a name later.
 */
function* openUnnamed(
  lp: Lwp,
  dirfd: number,
  path: string,
  flags: number,
  mode: number,
  resolve: number,
): Generator<void, File, void> {
  const follow = (flags & O_NOFOLLOW) !== 0 ? NLC_NOSYMLINK : NLC_FOLLOW;
  const dir = yield* whenLoaded(lp, () => lookupPath(lp, dirfd, path, follow | resolve));
  try {
    if (dir.vp!.type !== VDIR) throw ENOTDIR;
    const nch = yield* unusedName(lp, dir);
    try {
      yield* whenLoaded(lp, () => createAt(lp, nch, VREG, mode, {}, true));
      const fp = new VnodeFile(fileFlags(flags), nch, null);
      try {
        yield* whenLoaded(lp, () => dir.vp!.unlink(nch.name, nch.vp!));
        nch.cache.detach(nch);
      } catch (e) {
        fdrop(fp, lp);
        throw e;
      }
      return fp;
    } finally {
      cacheDrop(nch);
    }
  } finally {
    cacheDrop(dir);
  }
}

/** A name in the directory that nothing has, held. */
function* unusedName(lp: Lwp, dir: Nchandle): Generator<void, Nchandle, void> {
  const { cred, fd } = lp.proc;
  for (;;) {
    const name = `#${lp.k.nextPseudoIno++}`;
    const nch = yield* whenLoaded(lp, () => nlookup(new Nlookup(cred, fd!.rdir, dir), name, NLC_CREATE));
    if (nch.vp === null) return nch;
    cacheDrop(nch);
  }
}

/** The access mode as FREAD/FWRITE bits, and the flags that an open file keeps. */
function fileFlags(flags: number): number {
  const rw = (flags & O_PATH) !== 0 ? 0 : (flags + 1) & O_ACCMODE;
  return (flags & ~(O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_NOCTTY | O_CLOEXEC | O_SHLOCK | O_EXLOCK)) | rw;
}

/** Opens the file of a held name that is there; `flags` as open(2) has them. */
export function openExisting(lp: Lwp, nch: Nchandle, flags: number): File {
  const vp = nch.vp!;
  const kept = fileFlags(flags);
  if ((flags & O_DIRECTORY) !== 0 && vp.type !== VDIR) throw ENOTDIR;
  if ((flags & O_PATH) !== 0) return new VnodeFile(kept, nch, null);
  if (vp.type === VSOCK) throw lp.proc.abi.files.openSocket;
  if (vp.type === VLNK) throw EINVAL;
  if (vp instanceof FileRefVnode) return reopen(vp, kept);
  const truncating = (flags & O_TRUNC) !== 0;
  const writing = (kept & FWRITE) !== 0 || (truncating && vp.type === VREG);
  if (writing && vp.type === VDIR) throw EISDIR;
  const want = ((kept & FREAD) !== 0 ? VREAD : 0) | (writing ? VWRITE : 0);
  if (!vp.access(want, lp.proc.cred)) throw EACCES;
  if ((flags & O_NOATIME) !== 0 && lp.proc.cred.uid !== vp.getattr().uid) need(lp.proc, CAP_FOWNER);
  if (vp.type === VFIFO) {
    checkFifoOpen(vp, kept);
    return new FifoFile(kept, nch);
  }
  if (vp.type === VCHR || vp.type === VBLK) return openDevice(lp, nch, flags, kept);
  if (writing) checkWritable(vp, kept, truncating);
  const truncate = truncating && vp.type === VREG;
  const locking = (flags & (O_SHLOCK | O_EXLOCK)) !== 0;
  // What may have to wait for a disk comes before the file is open, since closing it again would be told.
  if (truncate && !locking) truncateVnode(vp, 0);
  const fp = new VnodeFile(kept, nch, null);
  if (locking) {
    try {
      flockTry(fp, (flags & O_EXLOCK) !== 0, true);
      if (truncate) truncateVnode(vp, 0);
    } catch (e) {
      fdrop(fp, lp);
      throw e;
    }
  }
  return opened(fp);
}

/** Tells those who watch the file or its directory. */
function opened(fp: VnodeFile): VnodeFile {
  vnodeNote(fp.vp, NOTE_OPEN);
  return fp;
}

/** Read-only mounts, files being executed, immutable and append-only files. */
function checkWritable(vp: Vnode, kept: number, truncating: boolean): void {
  checkWritableMount(vp);
  if (vp.textCount > 0) throw ETXTBSY;
  const { flags } = vp.getattr();
  if ((flags & (UF_IMMUTABLE | SF_IMMUTABLE)) !== 0) throw EPERM;
  if ((flags & (UF_APPEND | SF_APPEND)) !== 0 && (truncating || (kept & O_APPEND) === 0)) throw EPERM;
}

/** A descriptor of another file is opened by name: the same open file, when it allows what is asked. */
function reopen(vp: FileRefVnode, kept: number): File {
  const fp = vp.file as File;
  if ((kept & FREAD) !== 0 && !fp.readable) throw EACCES;
  if ((kept & FWRITE) !== 0 && !fp.writable) throw EACCES;
  return fhold(fp);
}

function openDevice(lp: Lwp, nch: Nchandle, flags: number, kept: number): File {
  const vp = nch.vp!;
  const p = lp.proc;
  if ((vp.mount.flags & MNT_NODEV) !== 0) throw EACCES;
  let { rdev } = vp.getattr();
  if (vp.type === VCHR && rdev === CTTY_RDEV) {
    const { ttyp } = p.pgrp.session;
    if (ttyp === null) throw ENXIO;
    rdev = ttyp.rdev;
  }
  const found = lp.k.devsw.find(rdev);
  if (found === null) throw ENXIO;
  const dev: Cdev = found.open(kept);
  dev.tty?.adopt(p.abi.files.terminal);
  // In BSD a terminal becomes the controlling one by TIOCSCTTY alone.
  if (dev.tty !== null && (flags & O_NOCTTY) === 0 && p.abi.files.openTakesTerminal) acquireTty(lp, dev.tty);
  return opened(new VnodeFile(kept, nch, dev));
}
