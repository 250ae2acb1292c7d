// SPDX-License-Identifier: BSD-3-Clause
/**
 * Descriptor tables, with the working and root directories and the creation mask that DragonFly keeps in the
 * same structure (sys/sys/filedesc.h, sys/kern/kern_descrip.c).
 *
 * Invariants
 *   D1  files[fd] is null for a free descriptor; a non-null entry holds one reference on the file.
 *   D2  `freeHint` is at most the lowest free descriptor, so that open returns the lowest in amortised O(1).
 *   D3  refs counts the processes that share the table (rfork without RFFDG, CLONE_FILES).
 * @module
 */
import { EBADF, EINVAL, EMFILE } from "../sys/errno.ts";
import { O_PATH } from "../sys/fcntl.ts";
import type { LockOwner } from "../vfs/lockf.ts";
import type { Nchandle } from "../vfs/namecache.ts";
import { cacheDrop, cacheHold } from "../vfs/namecache.ts";
import type { File } from "./file.ts";
import { fdrop, fhold } from "./file.ts";
import type { KqueueFile } from "./kqueue.ts";
import type { Lwp } from "./proc.ts";
import { RLIMIT_NOFILE } from "./resource.ts";

/** Largest table whatever the limits say. */
export const MAXFILES_PER_PROC = 65536;

export class Filedesc implements LockOwner {
  refs = 1;
  /** Record locks belong to the table: threads share them, a forked process has none. Set with the first lock. */
  lockPid = 0;
  waitingFor: LockOwner | null = null;
  files: (File | null)[] = [];
  cloexec = new Uint8Array(32);
  /** Kernel queues made in this table. */
  kqueues: Set<KqueueFile> | null = null;
  private freeHint = 0;
  /** Working and root directory, each with a reference. */
  cdir: Nchandle;
  rdir: Nchandle;
  umask = 0o022;

  constructor(cdir: Nchandle, rdir: Nchandle) {
    this.cdir = cacheHold(cdir);
    this.rdir = cacheHold(rdir);
  }

  /** A table for a forked process: same files but for kernel queues, same directories. */
  copy(): Filedesc {
    const fdp = new Filedesc(this.cdir, this.rdir);
    fdp.umask = this.umask;
    fdp.files = this.files.map((fp) => (fp !== null && fp.type === "kqueue" ? null : fp));
    for (const fp of fdp.files) if (fp !== null) fhold(fp);
    fdp.cloexec = this.cloexec.slice();
    fdp.freeHint = this.kqueues === null ? this.freeHint : 0;
    return fdp;
  }

  /**
   * The file of a descriptor, to be used; throws EBADF, also for one that only names its file (O_PATH). No reference is taken:
   * hold it across a sleep.
   */
  get(fd: number): File {
    const fp = fd >= 0 && fd < this.files.length ? this.files[fd]! : null;
    if (fp === null || (fp.flags & O_PATH) !== 0) throw EBADF;
    return fp;
  }
  /** As get(), for what a descriptor that only names its file can do, too: close, dup, pass on, stat, the start of a path. */
  getAny(fd: number): File {
    const fp = fd >= 0 && fd < this.files.length ? this.files[fd]! : null;
    if (fp === null) throw EBADF;
    return fp;
  }

  /** Installs `fp` (taking over the caller's reference) at the lowest free descriptor not below `min`. */
  install(lp: Lwp, fp: File, cloexec: boolean, min = 0): number {
    const limit = Math.min(lp.proc.limits.cur[RLIMIT_NOFILE]!, MAXFILES_PER_PROC);
    let fd = Math.max(min, this.freeHint);
    while (fd < this.files.length && this.files[fd] !== null) fd++;
    if (fd >= limit) throw EMFILE;
    this.set(fd, fp, cloexec);
    if (min <= this.freeHint) this.freeHint = fd + 1;
    return fd;
  }

  /** Throws EMFILE when `n` more descriptors cannot be installed, before anything is opened for them. */
  reserve(lp: Lwp, n: number): void {
    const limit = Math.min(lp.proc.limits.cur[RLIMIT_NOFILE]!, MAXFILES_PER_PROC);
    for (let fd = this.freeHint; fd < limit; fd++) {
      if ((fd >= this.files.length || this.files[fd] === null) && --n <= 0) return;
    }
    throw EMFILE;
  }

  private set(fd: number, fp: File, cloexec: boolean): void {
    while (this.files.length <= fd) this.files.push(null);
    if (fd >= this.cloexec.length) {
      const grown = new Uint8Array(Math.max(this.cloexec.length * 2, fd + 1));
      grown.set(this.cloexec);
      this.cloexec = grown;
    }
    this.files[fd] = fp;
    this.cloexec[fd] = cloexec ? 1 : 0;
  }

  /** Takes the file out of the table; the caller gets the table's reference. Throws EBADF. */
  remove(fd: number): File {
    const fp = this.getAny(fd);
    this.files[fd] = null;
    this.cloexec[fd] = 0;
    if (fd < this.freeHint) this.freeHint = fd;
    this.unwatch(fd);
    return fp;
  }

  /** close(2): drops the descriptor. When the file cannot be closed yet (IoMiss) the descriptor stays open. */
  close(fd: number, lp: Lwp | null): void {
    const fp = this.getAny(fd);
    fp.dropLocks(this);
    this.unwatch(fd);
    fdrop(fp, lp);
    this.files[fd] = null;
    this.cloexec[fd] = 0;
    if (fd < this.freeHint) this.freeHint = fd;
  }

  /** What kernel queues watch of a descriptor ends with it. */
  private unwatch(fd: number): void {
    if (this.kqueues !== null) for (const kq of this.kqueues) kq.fdClosed(fd);
  }

  /** dup2(2): `to` refers to the file of `from`; what `to` referred to is closed. */
  dup2(lp: Lwp, from: number, to: number, cloexec: boolean): number {
    const fp = this.getAny(from);
    if (to < 0 || to >= Math.min(lp.proc.limits.cur[RLIMIT_NOFILE]!, MAXFILES_PER_PROC)) throw EBADF;
    if (from === to) return to;
    const old = to < this.files.length ? this.files[to]! : null;
    if (old !== null) {
      old.dropLocks(this);
      this.unwatch(to);
      fdrop(old, lp);
    }
    this.set(to, fhold(fp), cloexec);
    return to;
  }

  /** F_DUPFD: the lowest free descriptor not below `min`. */
  dupfd(lp: Lwp, from: number, min: number, cloexec: boolean): number {
    const fp = this.getAny(from);
    if (min < 0 || min >= Math.min(lp.proc.limits.cur[RLIMIT_NOFILE]!, MAXFILES_PER_PROC)) throw EINVAL;
    const fd = this.install(lp, fp, cloexec, min);
    fhold(fp);
    return fd;
  }

  /** exec: closes the descriptors marked close-on-exec. */
  closeExec(lp: Lwp): void {
    for (let fd = 0; fd < this.files.length; fd++) {
      if (this.files[fd] !== null && this.cloexec[fd] === 1) this.close(fd, lp);
    }
  }

  /** The last sharer is gone: closes everything. May be called again after an IoMiss. */
  free(lp: Lwp | null): void {
    if (this.refs > 1) {
      this.refs--;
      return;
    }
    for (let fd = 0; fd < this.files.length; fd++) if (this.files[fd] !== null) this.close(fd, lp);
    this.files.length = 0;
    cacheDrop(this.cdir);
    cacheDrop(this.rdir);
    this.refs = 0;
  }
}
